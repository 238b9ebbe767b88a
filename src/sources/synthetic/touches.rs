//! What fans and visitors do: views, clicks, saves, attendances and follows.

use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::addresses;
use super::calendar::{Clock, DAY, HOUR, MINUTE, NOW, START};
use super::chance::{
    Purpose, Weighted, between, exponential, happens, message_id, mix, one_of, poisson, stream,
};
use super::names::GENRES;
use super::people::{Device, Fan, People, device_id, devices, identify_id};
use super::programme::{BASE_CONVERSION, Event, Programme};
use crate::sources::rows::{AliasRow, IdentifyRow, Touch, TouchRow};

/// A source of touches: name, medium, share of first touches, lift before normalisation.
pub(super) const CHANNELS: [(Option<&str>, Option<&str>, f64, f64); 6] = [
    (Some("instagram"), Some("social"), 0.32, 0.9),
    (None, None, 0.24, 1.05),
    (Some("search"), Some("cpc"), 0.16, 0.85),
    (Some("newsletter"), Some("email"), 0.12, 1.25),
    (Some("friend"), Some("referral"), 0.10, 1.45),
    (Some("partner"), Some("affiliate"), 0.06, 0.7),
];

/// The lifts, scaled so that they mean 1 over first touches and leave every promoter's probability what it is.
pub(super) fn channel_lifts() -> [f64; CHANNELS.len()] {
    let mean: f64 = CHANNELS.iter().map(|c| c.2 * c.3).sum();
    CHANNELS.map(|c| c.3 / mean)
}

/// What drives everybody's choices; read by all threads.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub seed: u64,
    pub people: &'a People,
    pub programme: &'a Programme,
    clock: Clock,
    channels: Weighted,
    lifts: [f64; CHANNELS.len()],
    events: Weighted,
    events_by_genre: Vec<Weighted>,
    artists: Weighted,
    artists_by_genre: Vec<Weighted>,
}

/// A follow from one fan to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow {
    pub follower: u32,
    pub followed: u32,
    pub at: i64,
}

/// Somebody was reached for a past event: what the conversion study counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub event: u32,
    /// `None`: the fan. Otherwise a device that cannot be told to be the fan's.
    pub visitor: Option<u64>,
    pub probability: f64,
    pub converted: bool,
}

/// Everything one fan did.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub registered: i64,
    pub devices: Vec<Device>,
    pub identifies: Vec<IdentifyRow>,
    pub aliases: Vec<AliasRow>,
    pub touches: Vec<TouchRow>,
    pub follows: Vec<Follow>,
    pub units: Vec<Unit>,
    /// Events attended without an interest that could be seen.
    pub walk_ins: Vec<u32>,
}

/// Something done, before it is known on which device.
struct Act {
    at: i64,
    touch: Touch,
    channel: usize,
    /// The event and exposure it belongs to.
    event: Option<usize>,
    interest: Option<usize>,
}

struct Exposure {
    event: usize,
    probability: f64,
    converted: bool,
}

impl<'a> Stage<'a> {
    pub(super) fn new(seed: u64, people: &'a People, programme: &'a Programme) -> Self {
        let events = &programme.events;
        let artists = &programme.artists;
        let genres = 0..GENRES.len();
        Self {
            seed,
            people,
            programme,
            clock: Clock::new(),
            channels: Weighted::new((0_u32..).zip(CHANNELS.map(|c| c.2))),
            lifts: channel_lifts(),
            events: Weighted::new((0_u32..).zip(events.iter().map(|e| e.weight))),
            events_by_genre: genres
                .clone()
                .map(|g| {
                    let chosen = (0_u32..).zip(events).filter(|(_, e)| e.genre == g);
                    Weighted::new(chosen.map(|(i, e)| (i, e.weight)))
                })
                .collect(),
            artists: Weighted::new((0_u32..).zip(artists.iter().map(|a| a.weight))),
            artists_by_genre: genres
                .map(|g| {
                    let chosen = (0_u32..).zip(artists).filter(|(_, a)| a.genre == g);
                    Weighted::new(chosen.map(|(i, a)| (i, a.weight)))
                })
                .collect(),
        }
    }

    /// Everything fan `index` did. Depends on nothing but the seed and the index.
    pub(super) fn life(&self, index: usize) -> Life {
        let mut rng = stream(self.seed, Purpose::Life, index as u64);
        let fan = &self.people.fans[index];
        let mut acts = Vec::new();
        let mut exposures = Vec::new();
        let mut nights = 0_u128;
        for _ in 0..poisson(&mut rng, fan.activity * 0.72) {
            if let Some(event) = self.free_event(&mut rng, fan.genres, &mut nights, false) {
                self.expose(&mut rng, event, &mut exposures, &mut acts);
            }
        }
        // Of several evenings looked at, those attended are taken; the others are free for a spontaneous one.
        nights = 0;
        for exposure in exposures.iter().filter(|e: &&Exposure| e.converted) {
            nights |= 1 << self.programme.events[exposure.event].night;
        }
        let mut walk_ins = Vec::new();
        for _ in 0..poisson(&mut rng, fan.activity * 0.78) {
            if let Some(event) = self.free_event(&mut rng, fan.genres, &mut nights, true)
                && exposures.iter().all(|e| e.event != event)
            {
                walk_ins.push(event as u32);
                acts.push(self.attendance(&mut rng, event));
            }
        }
        let mut registered = if happens(&mut rng, 0.45) {
            between(&mut rng, START - 28 * DAY, START)
        } else {
            START + (rng.random::<f64>().powf(1.5) * (83 * DAY) as f64) as i64
        };
        if let Some(first) =
            acts.iter().filter(|a| matches!(a.touch, Touch::Attended { .. })).map(|a| a.at).min()
        {
            registered = registered.min(first - between(&mut rng, 10, 600) * MINUTE);
        }
        let mut life = Life {
            registered,
            devices: devices(&mut rng, self.seed, index, fan, registered, NOW),
            walk_ins,
            ..Life::default()
        };
        self.artist_follows(&mut rng, fan.genres, &mut acts);
        if happens(&mut rng, 0.12) {
            let at = between(&mut rng, START, NOW);
            let at = self.clock.waking(&mut rng, at, START, NOW);
            acts.push(Act { at, touch: searched(), channel: 1, event: None, interest: None });
        }
        self.write(&mut rng, index, acts, &exposures, &mut life);
        self.user_follows(&mut rng, index, &mut life);
        identities(&mut rng, index, fan, &mut life);
        life
    }

    /// An event to the fan's taste on a night that is still free.
    fn free_event(
        &self,
        rng: &mut Pcg64,
        genres: [usize; 2],
        nights: &mut u128,
        past: bool,
    ) -> Option<usize> {
        for _ in 0..6 {
            let table = match rng.random::<f64>() {
                r if r < 0.55 => &self.events_by_genre[genres[0]],
                r if r < 0.8 => &self.events_by_genre[genres[1]],
                _ => &self.events,
            };
            let Some(drawn) = table.draw(rng) else { continue };
            let event = &self.programme.events[drawn];
            if *nights >> event.night & 1 == 0 && (event.past || !past) {
                *nights |= 1 << event.night;
                return Some(drawn);
            }
        }
        None
    }

    fn expose(&self, rng: &mut Pcg64, index: usize, exposures: &mut Vec<Exposure>, acts: &mut Vec<Act>) {
        let event = &self.programme.events[index];
        let channel = self.channels.draw(rng).unwrap_or(0);
        let lift = event.promoter.map_or(1.0, |p| self.programme.promoters[p].lift);
        let probability = (BASE_CONVERSION * lift * self.lifts[channel]).min(0.98);
        let converted = event.past && happens(rng, probability);
        let interest = Some(exposures.len());
        exposures.push(Exposure { event: index, probability, converted });

        let end = event.start.min(NOW);
        let wait = (event.start - NOW).max(0);
        let lead = 5 * DAY - wait.min(4 * DAY);
        let low = START.max(event.start - 28 * DAY);
        if end - HOUR <= low {
            // The first nights of the history: whoever was interested was so at the last moment.
            let at = between(rng, START, (end - MINUTE).max(START + 1));
            acts.push(Act { at, touch: viewed(event), channel, event: Some(index), interest });
        } else {
            let first = self.clock.before(rng, end - HOUR, lead, low, end - MINUTE);
            acts.push(Act { at: first, touch: viewed(event), channel, event: Some(index), interest });
            for _ in 0..poisson(rng, 0.3) {
                let at = between(rng, first, end);
                let at = self.clock.waking(rng, at, first, end);
                let channel = self.channels.draw(rng).unwrap_or(0);
                acts.push(Act { at, touch: viewed(event), channel, event: Some(index), interest });
            }
            if happens(rng, if converted { 0.5 } else { 0.14 }) {
                let at = (first + exponential(rng, (6 * HOUR) as f64) as i64).min(end - 1);
                let touch = Touch::TicketClicked { event: Some(event.row.clone()) };
                acts.push(Act { at, touch, channel, event: Some(index), interest });
            }
            if happens(rng, 0.06) {
                let at = (first + exponential(rng, HOUR as f64) as i64).min(end - 1);
                let touch = Touch::Saved { event: Some(event.row.clone()) };
                acts.push(Act { at, touch, channel, event: Some(index), interest });
            }
        }
        if converted {
            acts.push(self.attendance(rng, index));
        }
    }

    fn attendance(&self, rng: &mut Pcg64, index: usize) -> Act {
        let event = &self.programme.events[index];
        let at = (event.start + between(rng, 0, 100 * MINUTE)).min(NOW - MINUTE);
        let touch = Touch::Attended { event: Some(event.row.clone()) };
        Act { at, touch, channel: 1, event: Some(index), interest: None }
    }

    fn artist_follows(&self, rng: &mut Pcg64, genres: [usize; 2], acts: &mut Vec<Act>) {
        let mut followed = Vec::new();
        for _ in 0..poisson(rng, 0.85) {
            let table = if happens(rng, 0.7) { &self.artists_by_genre[genres[0]] } else { &self.artists };
            let Some(artist) = table.draw(rng).filter(|a| !followed.contains(a)) else { continue };
            followed.push(artist);
            let at = between(rng, START, NOW);
            let at = self.clock.waking(rng, at, START, NOW);
            let artist = Some(self.programme.artists[artist].row.clone());
            let touch = Touch::ArtistFollowed { artist };
            acts.push(Act { at, touch, channel: 1, event: None, interest: None });
        }
    }

    /// Puts every act on a device, and says which exposures can be seen to be the fan's.
    fn write(&self, rng: &mut Pcg64, index: usize, acts: Vec<Act>, exposures: &[Exposure], life: &mut Life) {
        let user = &self.people.fans[index].user_id;
        let mut known = vec![false; exposures.len()];
        for (n, act) in acts.into_iter().enumerate() {
            let device = match life.devices.len() {
                1 => 0,
                more if happens(rng, 0.4) => rng.random_range(1..more),
                _ => 0,
            };
            let device = &life.devices[device];
            let attended = matches!(act.touch, Touch::Attended { .. });
            let signed_in = device.identified.is_some_and(|at| at <= act.at) && !happens(rng, 0.04);
            if let Some(exposure) = act.interest {
                if signed_in || device.stitched() {
                    known[exposure] = true;
                } else if self.programme.events[exposures[exposure].event].past {
                    life.units.push(Unit {
                        event: exposures[exposure].event as u32,
                        visitor: Some(mix_text(&device.anonymous_id)),
                        probability: 0.0,
                        converted: false,
                    });
                }
            }
            let (source, medium, _, _) = CHANNELS[act.channel];
            let scanned = attended && happens(rng, 0.4);
            life.touches.push(TouchRow {
                id: message_id(Purpose::Life, index, n),
                at: act.at,
                received_at: received(rng, act.at, attended),
                anonymous_id: (!scanned).then(|| device.anonymous_id.clone()),
                user_id: (attended || signed_in).then(|| user.clone()),
                touch: act.touch,
                source: source.filter(|_| !attended).map(str::to_owned),
                medium: medium.filter(|_| !attended).map(str::to_owned),
                campaign: source
                    .filter(|_| !attended)
                    .and(act.event.map(|e| self.programme.events[e].campaign.clone())),
                session: (!scanned).then(|| session(&device.anonymous_id, act.at)),
                schema: 0,
            });
        }
        for (exposure, known) in exposures.iter().zip(known) {
            let event = exposure.event as u32;
            if known && self.programme.events[exposure.event].past {
                let Exposure { probability, converted, .. } = *exposure;
                life.units.push(Unit { event, visitor: None, probability, converted });
            } else if exposure.converted {
                life.walk_ins.push(event);
            }
        }
    }

    fn user_follows(&self, rng: &mut Pcg64, index: usize, life: &mut Life) {
        let fan = &self.people.fans[index];
        // Who is popular also follows many, so links that reach a follower tend to travel on.
        let mean = (0.5 + 1.15 * fan.popularity.min(14.0)) * rng.random_range(0.5..1.5);
        let device = &life.devices[0];
        for _ in 0..poisson(rng, mean) {
            let table = if happens(rng, 0.7) {
                &self.people.popular_by_genre[fan.genres[0]]
            } else {
                &self.people.popular
            };
            let Some(followed) = table.draw(rng) else { continue };
            if followed == index || life.follows.iter().any(|f| f.followed == followed as u32) {
                continue;
            }
            // Most follow their friends as soon as they have joined.
            let low = life.registered.max(START) + MINUTE;
            let at = if happens(rng, 0.8) {
                low + exponential(rng, (2 * DAY) as f64) as i64
            } else {
                between(rng, low, NOW)
            };
            let at = self.clock.waking(rng, at, low, NOW - MINUTE).min(NOW - 1);
            let local = life.touches.len();
            life.follows.push(Follow { follower: index as u32, followed: followed as u32, at });
            life.touches.push(TouchRow {
                id: message_id(Purpose::Life, index, local),
                at,
                received_at: received(rng, at, false),
                anonymous_id: Some(device.anonymous_id.clone()),
                user_id: Some(fan.user_id.clone()),
                touch: Touch::UserFollowed { user: Some(self.people.fans[followed].user_id.clone()) },
                session: Some(session(&device.anonymous_id, at)),
                ..TouchRow::default()
            });
        }
    }

    /// What the `index`-th visitor did, whom nobody ever gets to know.
    pub(super) fn lead(&self, index: usize) -> Life {
        let mut rng = stream(self.seed, Purpose::Lead, index as u64);
        let device = device_id(mix(self.seed ^ 0x1ead), index, 200);
        let genres = [rng.random_range(0..GENRES.len()), rng.random_range(0..GENRES.len())];
        let mut acts = Vec::new();
        let mut exposures = Vec::new();
        let mut nights = 0_u128;
        let keen = super::chance::lomax(&mut rng, 1.4, 2.2, 12.0);
        for _ in 0..=poisson(&mut rng, keen) {
            if let Some(event) = self.free_event(&mut rng, genres, &mut nights, false) {
                self.expose(&mut rng, event, &mut exposures, &mut acts);
            }
        }
        // Nobody sees a stranger attend.
        acts.retain(|a| !matches!(a.touch, Touch::Attended { .. }));
        if happens(&mut rng, 0.25) {
            self.artist_follows(&mut rng, genres, &mut acts);
        }
        let mut life = Life::default();
        for (n, act) in acts.into_iter().enumerate() {
            let (source, medium, _, _) = CHANNELS[act.channel];
            life.touches.push(TouchRow {
                id: message_id(Purpose::Lead, index, n),
                at: act.at,
                received_at: received(&mut rng, act.at, false),
                anonymous_id: Some(device.clone()),
                user_id: None,
                touch: act.touch,
                source: source.map(str::to_owned),
                medium: medium.map(str::to_owned),
                campaign: source.and(act.event.map(|e| self.programme.events[e].campaign.clone())),
                session: Some(session(&device, act.at)),
                schema: 0,
            });
        }
        for exposure in exposures.iter().filter(|e| self.programme.events[e.event].past) {
            life.units.push(Unit {
                event: exposure.event as u32,
                visitor: Some(mix_text(&device)),
                probability: 0.0,
                converted: false,
            });
        }
        life
    }
}

fn viewed(event: &Event) -> Touch {
    Touch::Viewed { event: Some(event.row.clone()) }
}

fn mix_text(text: &str) -> u64 {
    text.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// An event of the tracking plan that says nothing about anything else.
fn searched() -> Touch {
    Touch::Other { action: "search_performed".to_owned() }
}

/// A session per device and half day.
fn session(device: &str, at: i64) -> i64 {
    (mix(mix_text(device) ^ at.div_euclid(DAY / 2) as u64) >> 16) as i64
}

/// When a touch reached the warehouse: mostly at once, sometimes hours or days late; checks at the door more often.
pub(super) fn received(rng: &mut Pcg64, at: i64, offline: bool) -> i64 {
    let late = if offline { 0.1 } else { 0.02 };
    let delay = if happens(rng, late) {
        HOUR + exponential(rng, (14 * HOUR) as f64) as i64
    } else {
        between(rng, 200_000, 4_000_000)
    };
    (at + delay).min(NOW)
}

fn identities(rng: &mut Pcg64, index: usize, fan: &Fan, life: &mut Life) {
    for (n, device) in life.devices.iter().enumerate() {
        let Some(at) = device.identified else { continue };
        let id = identify_id(index, n);
        if device.by_alias {
            let (previous_id, user_id) = (device.anonymous_id.clone(), fan.user_id.clone());
            life.aliases.push(AliasRow { id, at, previous_id, user_id, schema: 0 });
            continue;
        }
        life.identifies.push(IdentifyRow {
            id,
            at,
            received_at: (at + one_of(rng, &[400_000, 900_000, 2_100_000])).min(NOW),
            anonymous_id: Some(device.anonymous_id.clone()),
            user_id: Some(fan.user_id.clone()),
            email: Some(addresses::typed(rng, &fan.email)),
            name: Some(fan.name()),
            schema: 0,
        });
    }
}
