//! A synthetic event city: what it does for twelve weeks, in the rows of the four source layouts, and the truth of it.

use rand::RngExt as _;
use rayon::prelude::*;

use super::calendar::{DAY, HOUR, NOW, START, WEEKDAYS, wall_clock};
use super::chance::{Purpose, happens, stream, uuid};
use super::crm::Crm;
use super::names::Names;
use super::people::People;
use super::programme::{BASE_CONVERSION, Programme};
use super::register::Register;
use super::spread::{Air, Followers, Spread, summary};
use super::touches::{CHANNELS, Follow, Life, Stage, channel_lifts};
use super::truth::{Channel, Counts, Influencer, PromoterTruth, SharedDevice, Truth};
use crate::context::{Cancelled, Context, Diagnose, Fault};
use crate::sources::facts::Facts;
use crate::sources::rows::{
    ArtistRow, DirectusRows, EventRow, LineupRow, TouchpointRows, TwentyRows, UnifiedRows, UserRow, VenueRow,
};
use crate::sources::spool::SpoolError;
use crate::sources::{SourceOptions, facts_of};

/// A city of any number of people must at least have these few to have a night life.
pub const FEWEST_PEOPLE: usize = 50;
/// Beyond this the rows do not fit a workstation's memory.
pub const MOST_PEOPLE: usize = 5_000_000;

/// People handed to all threads at a time; the order of the result is theirs, whoever finishes first.
const CHUNK: usize = 16_384;

/// A whole city. The first four fields are what the readers see, row for row.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    pub directus: DirectusRows,
    pub twenty: TwentyRows,
    pub unified: UnifiedRows,
    pub touchpoints: TouchpointRows,
    /// Rows that are in the databases but that no reader may let through.
    pub hidden: Hidden,
    pub truth: Truth,
}

impl City {
    /// What the readers would say of the city, without a database between.
    ///
    /// # Errors
    /// When there is no room to keep the touches aside.
    pub fn facts(&self, options: &SourceOptions) -> Result<Facts, SpoolError> {
        facts_of(&self.directus, &self.twenty, &self.unified, &self.touchpoints, options)
    }
}

/// What readers must leave out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hidden {
    /// Archived venues, artists and events, with the line-ups of these events.
    pub directus: DirectusRows,
    /// Soft-deleted rows; `updated_at` is when they were deleted.
    pub twenty: TwentyRows,
    /// Events with a junction row whose artist is gone.
    pub orphans: Vec<String>,
    /// Junction rows that repeat a pair with a later `sort`.
    pub repeats: Vec<LineupRow>,
}

/// Why there is no city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CityError {
    /// Too few or too many people.
    #[error("cannot make a city of {0} people: between {FEWEST_PEOPLE} and {MOST_PEOPLE} are possible")]
    People(usize),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Diagnose for CityError {
    fn fault(&self) -> Fault {
        match self {
            CityError::People(_) => Fault::Input,
            CityError::Cancelled(_) => Fault::Cancelled,
        }
    }
}

/// Makes the city of that many registered people (visitors come on top) from the seed; `cx.seed` is not used.
///
/// The same people and seed give the same rows and truth, on any number of threads. About 11 touches per person;
/// O(people · log people) time, O(people) memory (some 4 KB per person).
pub fn generate(people: usize, seed: u64, cx: &Context) -> Result<City, CityError> {
    if !(FEWEST_PEOPLE..=MOST_PEOPLE).contains(&people) {
        return Err(CityError::People(people));
    }
    let names = Names::new(seed);
    let mut programme = Programme::new(people, seed, names);
    let crowd = People::new(people, seed, names);
    let leads = people * 12 / 100;

    let stage = Stage::new(seed, &crowd, &programme);
    let step = cx.step("living twelve weeks in the city", Some((people + leads) as u64));
    let lives = in_chunks(people, &step, 0, |i| stage.life(i))?;
    let strangers = in_chunks(leads, &step, people, |i| stage.lead(i))?;
    drop(step);

    let follows: Vec<Follow> = lives.iter().flat_map(|l| l.follows.iter().copied()).collect();
    let followers = Followers::new(people, &follows);
    let air = Air::new(seed, &crowd, &programme, &lives, &followers);
    let step = cx.step("passing links on", Some(programme.events.len() as u64));
    let spreads = in_chunks(programme.events.len(), &step, 0, |i| air.spread(i))?;
    drop(step);
    let probability = air.probability;

    let crm = Crm::new(seed, names, &crowd, &programme);
    let mut duplicates = std::mem::take(&mut programme.duplicates);
    duplicates.extend(crm.duplicates.iter().cloned());
    let register = Register::new(seed, &programme, &crm, &mut duplicates);
    for duplicate in duplicates.iter_mut().filter(|d| d.by.is_empty()) {
        "canonical".clone_into(&mut duplicate.by);
    }

    let mut truth = Truth {
        version: 1,
        people: people as u64,
        seed,
        history_from: "2025-12-08T00:00:00Z".into(),
        now: "2026-03-02T06:00:00Z".into(),
        weekday_weights: WEEKDAYS.to_vec(),
        cascades: summary(probability, spreads.iter()),
        influencers: influencers(&crowd, &followers),
        promoters: promoters(&programme, &crm, &register, &lives, &strangers),
        channels: channels(),
        duplicates,
        shared_devices: shared_devices(&crowd),
        namesakes: namesakes(&crowd),
        counts: counts(&programme, &crm, &lives, leads),
    };
    let directus = std::mem::take(&mut programme.rows);
    let touchpoints = touchpoints(&crowd, lives, strangers, spreads);
    truth.counts.touches = touchpoints.touches.len() as u64;
    truth.counts.late = touchpoints.touches.iter().filter(|t| t.received_at - t.at > HOUR).count() as u64;
    let hidden = hide(seed, names, &directus, crm.deleted);
    truth.counts.archived =
        (hidden.directus.venues.len() + hidden.directus.artists.len() + hidden.directus.events.len()) as u64;
    truth.counts.soft_deleted = (hidden.twenty.companies.len()
        + hidden.twenty.people.len()
        + hidden.twenty.opportunities.len()) as u64;
    Ok(City { directus, twenty: crm.rows, unified: register.rows, touchpoints, hidden, truth })
}

/// Makes `count` things on all threads, in order, asking after each chunk whether to stop.
fn in_chunks<T: Send>(
    count: usize,
    step: &crate::context::Step,
    done: usize,
    make: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, Cancelled> {
    let mut all = Vec::with_capacity(count);
    for low in (0..count).step_by(CHUNK) {
        let high = (low + CHUNK).min(count);
        all.par_extend((low..high).into_par_iter().map(&make));
        step.tick((done + high) as u64, None)?;
    }
    Ok(all)
}

/// All touches in the order in which they were received.
fn touchpoints(
    crowd: &People,
    lives: Vec<Life>,
    strangers: Vec<Life>,
    spreads: Vec<Spread>,
) -> TouchpointRows {
    let mut rows = TouchpointRows { schema: "sonik_web".into(), ..<TouchpointRows>::default() };
    rows.users = crowd
        .fans
        .iter()
        .map(|f| UserRow {
            id: f.user_id.clone(),
            email: Some(f.email.clone()),
            name: Some(f.name()),
            schema: 0,
        })
        .collect();
    for life in lives.into_iter().chain(strangers) {
        rows.identifies.extend(life.identifies);
        rows.aliases.extend(life.aliases);
        rows.touches.extend(life.touches);
    }
    rows.touches.extend(spreads.into_iter().flat_map(|s| s.touches));
    rows.touches.par_sort_unstable_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
    rows.identifies.sort_unstable_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
    rows.aliases.sort_unstable_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    rows
}

fn influencers(crowd: &People, followers: &Followers) -> Vec<Influencer> {
    let mut all: Vec<Influencer> = crowd
        .influencers
        .iter()
        .map(|&i| Influencer {
            user_id: crowd.fans[i].user_id.clone(),
            name: crowd.fans[i].name(),
            followers: followers.of(i).len() as u64,
            strength: crowd.fans[i].strength,
        })
        .collect();
    all.sort_by(|a, b| b.followers.cmp(&a.followers).then_with(|| a.user_id.cmp(&b.user_id)));
    all
}

fn promoters(
    programme: &Programme,
    crm: &Crm,
    register: &Register,
    lives: &[Life],
    strangers: &[Life],
) -> Vec<PromoterTruth> {
    let mut all: Vec<PromoterTruth> = programme
        .promoters
        .iter()
        .enumerate()
        .map(|(i, p)| PromoterTruth {
            name: p.name.clone(),
            domain: p.domain.clone(),
            company: crm.companies[i].clone(),
            entity: register.promoters[i].clone(),
            lift: p.lift,
            probability: BASE_CONVERSION * p.lift,
            ..PromoterTruth::default()
        })
        .collect();
    for promoter in programme.events.iter().filter_map(|e| e.promoter) {
        all[promoter].events += 1;
    }
    let promoter_of = |event: u32| programme.events[event as usize].promoter;
    let mut seen = std::collections::HashSet::new();
    for unit in lives.iter().chain(strangers).flat_map(|l| &l.units) {
        // Two people of a household can be the same unknown visitor of one event.
        if unit.visitor.is_some_and(|v| !seen.insert((v, unit.event))) {
            continue;
        }
        if let Some(p) = promoter_of(unit.event) {
            all[p].reached += 1;
            all[p].converted += u64::from(unit.converted);
            all[p].rate += unit.probability;
        }
    }
    for p in lives.iter().flat_map(|l| &l.walk_ins).filter_map(|&e| promoter_of(e)) {
        all[p].walk_ins += 1;
    }
    for p in &mut all {
        p.rate /= p.reached.max(1) as f64;
    }
    all
}

fn channels() -> Vec<Channel> {
    CHANNELS
        .iter()
        .zip(channel_lifts())
        .map(|(&(source, _, share, _), lift)| Channel { source: source.map(str::to_owned), share, lift })
        .collect()
}

fn shared_devices(crowd: &People) -> Vec<SharedDevice> {
    let firsts = crowd.fans.iter().enumerate().filter(|(i, f)| f.household.is_some_and(|other| other > *i));
    firsts
        .map(|(i, f)| SharedDevice {
            anonymous_id: f.device.clone(),
            users: vec![f.user_id.clone(), crowd.fans[i + 1].user_id.clone()],
        })
        .collect()
}

fn namesakes(crowd: &People) -> Vec<[String; 2]> {
    crowd
        .fans
        .windows(2)
        .filter(|w| w[1].namesake)
        .map(|w| [w[0].user_id.clone(), w[1].user_id.clone()])
        .collect()
}

fn counts(programme: &Programme, crm: &Crm, lives: &[Life], leads: usize) -> Counts {
    let past = programme.events.iter().filter(|e| e.past).count();
    let attended = lives.iter().map(|l| l.walk_ins.len() + l.units.iter().filter(|u| u.converted).count());
    let unlinked = lives.iter().flat_map(|l| &l.devices).filter(|d| d.identified.is_none()).count();
    Counts {
        venues: programme.venues.len() as u64,
        artists: programme.artists.len() as u64,
        promoters: programme.promoters.len() as u64,
        events_past: past as u64,
        events_future: (programme.events.len() - past) as u64,
        attended: attended.sum::<usize>() as u64,
        multi_device: lives.iter().filter(|l| l.devices.len() > 1).count() as u64,
        unidentified_devices: (leads + unlinked) as u64,
        leads: leads as u64,
        crm_fans: crm.fans.len() as u64,
        crm_artists: crm.artists.len() as u64,
        ..Counts::default()
    }
}

/// Archived rows, junction rows of deleted artists and repeated pairs.
fn hide(seed: u64, names: Names, seen: &DirectusRows, deleted: TwentyRows) -> Hidden {
    let mut rng = stream(seed, Purpose::Hidden, 1 << 40);
    let mut hidden = Hidden { twenty: deleted, ..Hidden::default() };
    hidden.directus.schema.clone_from(&seen.schema);
    let archived = || "archived".to_owned();
    for n in 0..(seen.venues.len() / 40).max(1) {
        let name = format!("{} (closed)", names.venue(500_000 + n));
        hidden.directus.venues.push(VenueRow {
            id: uuid(&mut rng),
            status: archived(),
            name,
            ..VenueRow::default()
        });
    }
    for n in 0..(seen.artists.len() / 60).max(1) {
        let name = names.artist(500_000 + n);
        let row = ArtistRow { id: uuid(&mut rng), status: archived(), name, ..ArtistRow::default() };
        hidden.directus.artists.push(row);
    }
    for n in 0..(seen.events.len() / 50).max(1) {
        let id = (seen.events.len() + 1 + n).to_string();
        let artist = &seen.artists[rng.random_range(0..seen.artists.len())];
        let night = rng.random_range(0..84);
        hidden.directus.lineup.push(LineupRow {
            event: id.clone(),
            artist: artist.id.clone(),
            sort: Some(1),
        });
        hidden.directus.events.push(EventRow {
            id,
            status: archived(),
            name: format!("{} (cancelled)", names.series(n)),
            start_date: Some(wall_clock(night, 20, 0)),
            date_created: Some(START - 30 * DAY),
            date_updated: Some(START - 2 * DAY),
            ..EventRow::default()
        });
    }
    for row in &seen.lineup {
        if happens(&mut rng, 0.01) {
            hidden.orphans.push(row.event.clone());
        }
        if happens(&mut rng, 0.01) {
            hidden.repeats.push(LineupRow { sort: row.sort.map(|s| s + 10), ..row.clone() });
        }
    }
    hidden
}

/// The instant the city was looked at, in microseconds: nothing was received later.
pub const fn now() -> i64 {
    NOW
}
