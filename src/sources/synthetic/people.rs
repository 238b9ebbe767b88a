//! Who lives in the city: taste, activity, popularity, household and devices of every fan.

use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64;

use super::chance::{Purpose, Weighted, happens, lomax, message_id, mix, stream};
use super::names::{GENRES, Names, slug};

/// What is known of a fan before anything happens.
#[derive(Debug, Clone)]
pub(super) struct Fan {
    pub user_id: String,
    pub first: String,
    pub last: String,
    pub email: String,
    /// Favourite genre, then second favourite.
    pub genres: [usize; 2],
    /// Attendances expected in twelve weeks.
    pub activity: f64,
    /// Weight with which others follow this fan.
    pub popularity: f64,
    /// How much likelier followers share what this fan shared; 1 for ordinary people.
    pub strength: f64,
    /// Weight with which this fan starts sharing.
    pub talkative: f64,
    /// The first device, shared by a household of two where `household` names the other fan.
    pub device: String,
    pub household: Option<usize>,
    /// Of the same name as the fan before.
    pub namesake: bool,
}

impl Fan {
    /// First and last name.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// All fans and the tables by which they are drawn.
#[derive(Debug)]
pub(super) struct People {
    pub fans: Vec<Fan>,
    /// Planted influencers, in order of their index.
    pub influencers: Vec<usize>,
    /// Whom to follow: everybody, then by favourite genre.
    pub popular: Weighted,
    pub popular_by_genre: Vec<Weighted>,
}

/// The user id of a fan.
pub(super) fn user_id(index: usize) -> String {
    format!("u-{index:05}")
}

/// The anonymous id of a fan's `n`-th device.
pub(super) fn device_id(seed: u64, fan: usize, n: usize) -> String {
    format!("anon-{:012x}", mix(mix(seed) ^ (fan as u64) << 8 ^ n as u64) >> 16)
}

impl People {
    /// Makes the people; `O(people)`.
    pub(super) fn new(people: usize, seed: u64, names: Names) -> Self {
        let mut fans: Vec<Fan> = (0..people).map(|i| fan(seed, i, people, names)).collect();
        let influencers = influencers(seed, &mut fans);
        let popular = Weighted::new((0_u32..).zip(fans.iter().map(|f| f.popularity)));
        let popular_by_genre = (0..GENRES.len())
            .map(|g| {
                let of_genre = (0_u32..).zip(&fans).filter(|(_, f)| f.genres[0] == g);
                Weighted::new(of_genre.map(|(i, f)| (i, f.popularity)))
            })
            .collect();
        Self { fans, influencers, popular, popular_by_genre }
    }
}

fn taste(rng: &mut Pcg64) -> usize {
    rng.random_range(0..GENRES.len()).min(rng.random_range(0..GENRES.len()))
}

/// Whether fans `2k` and `2k + 1` share a device.
fn one_household(seed: u64, pair: u64) -> bool {
    mix(mix(seed ^ 0x5ea) ^ pair) % 1000 < 12
}

fn fan(seed: u64, index: usize, people: usize, names: Names) -> Fan {
    let mut rng = stream(seed, Purpose::Trait, index as u64);
    let namesake = index % 997 == 600;
    let (first, last) = names.human(if namesake { index - 1 } else { index });
    let mut email = format!("{}.{}", slug(&first, ""), slug(&last, ""));
    if namesake {
        email.push('2');
    }
    email.push_str("@fans.example");
    let other = index ^ 1;
    let household = (other < people && one_household(seed, index as u64 / 2)).then_some(other);
    let genres = [taste(&mut rng), taste(&mut rng)];
    // Activity and standing go together loosely: both are heavy-tailed, with a common part.
    let mood: f64 = StandardNormal.sample(&mut rng);
    let activity = lomax(&mut rng, 4.3, 1.9, 75.0) * (0.35 * mood - 0.06).exp();
    Fan {
        user_id: user_id(index),
        first,
        last,
        email,
        genres,
        activity: activity.min(80.0),
        popularity: lomax(&mut rng, 1.0, 1.6, 60.0) * (0.35 * mood).exp(),
        strength: 1.0,
        talkative: lomax(&mut rng, 1.0, 2.0, 30.0),
        device: device_id(seed, if household.is_some() { index & !1 } else { index }, 0),
        household,
        namesake,
    }
}

fn influencers(seed: u64, fans: &mut [Fan]) -> Vec<usize> {
    let wanted = (fans.len() / 400).max(3).min(fans.len());
    let step = fans.len() / wanted;
    (0..wanted)
        .map(|n| {
            let mut rng = stream(seed, Purpose::Trait, (1 << 40) + n as u64);
            let index = n * step + rng.random_range(0..step);
            let fan = &mut fans[index];
            fan.popularity = rng.random_range(60.0..180.0);
            fan.strength = rng.random_range(1.5..3.0);
            fan.talkative = rng.random_range(3.0..8.0);
            fan.activity = fan.activity.max(6.0);
            index
        })
        .collect()
}

/// A device of a fan and how it became known.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub anonymous_id: String,
    /// When the fan first signed in on it; `None`: never.
    pub identified: Option<i64>,
    /// Linked by an alias row instead of an identify row.
    pub by_alias: bool,
    pub shared: bool,
}

impl Device {
    /// Whether touches on it are counted as the fan's even when they carry no user id.
    pub(super) fn stitched(&self) -> bool {
        self.identified.is_some() && !self.shared
    }
}

/// The devices of a fan who registered at `registered`.
pub(super) fn devices(
    rng: &mut Pcg64,
    seed: u64,
    index: usize,
    fan: &Fan,
    registered: i64,
    now: i64,
) -> Vec<Device> {
    let mut devices = vec![Device {
        anonymous_id: fan.device.clone(),
        identified: Some(registered),
        by_alias: false,
        shared: fan.household.is_some(),
    }];
    let further = match rng.random::<f64>() {
        r if r < 0.7 => 0,
        r if r < 0.95 => 1,
        _ => 2,
    };
    for n in 1..=further {
        let later = super::chance::exponential(rng, (9 * super::calendar::DAY) as f64) as i64;
        let at = registered.max(super::calendar::START) + later;
        let linked = !happens(rng, 0.08) && at < now;
        devices.push(Device {
            anonymous_id: device_id(seed, index, n),
            identified: linked.then_some(at),
            by_alias: happens(rng, 0.1),
            shared: false,
        });
    }
    devices
}

/// The id of the identify or alias row of a fan's `n`-th device.
pub(super) fn identify_id(index: usize, n: usize) -> String {
    message_id(Purpose::Trait, index, n)
}
