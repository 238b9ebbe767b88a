//! Venues, artists, promoters and the events they make: the Directus side of the city.

use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::addresses;
use super::calendar::{DAY, HOUR, MINUTE, NIGHTS, NOW, START, WEEKDAYS, WEEKS, Zone, wall_clock};
use super::chance::{Purpose, Weighted, between, happens, one_of, poisson, stream, uuid};
use super::names::{GENRES, Names, TOWNS, slug};
use super::truth::Duplicate;
use crate::sources::rows::{ArtistRow, DirectusRows, EventRow, LineupRow, VenueRow};

/// The chance that a known person whose interest was seen attends, for an average promoter.
pub(super) const BASE_CONVERSION: f64 = 0.36;

/// One venue, whatever number of rows it has.
#[derive(Debug)]
pub(super) struct Venue {
    pub row: String,
    pub name: String,
    pub place_id: Option<String>,
    /// Primary key of the second row, where the venue was scraped twice.
    pub duplicate: Option<String>,
    zone: Zone,
    capacity: i64,
    genres: [usize; 3],
    promoters: [Option<usize>; 2],
    per_week: f64,
}

/// One artist, whatever number of rows it has.
#[derive(Debug)]
pub(super) struct Artist {
    pub row: String,
    pub name: String,
    pub handle: Option<String>,
    pub duplicate: Option<String>,
    pub genre: usize,
    pub weight: f64,
}

/// One promoter.
#[derive(Debug)]
pub(super) struct Promoter {
    pub name: String,
    pub domain: Option<String>,
    pub lift: f64,
    weight: f64,
}

/// One event, as the fans see it.
#[derive(Debug)]
pub(super) struct Event {
    /// `events.id` as text.
    pub row: String,
    pub promoter: Option<usize>,
    pub genre: usize,
    /// When it starts.
    pub start: i64,
    pub night: usize,
    pub past: bool,
    /// How much it draws.
    pub weight: f64,
    /// Campaign under which it is advertised.
    pub campaign: String,
}

/// What happens in the city.
#[derive(Debug)]
pub(super) struct Programme {
    pub venues: Vec<Venue>,
    pub artists: Vec<Artist>,
    pub promoters: Vec<Promoter>,
    /// In order of their night.
    pub events: Vec<Event>,
    pub rows: DirectusRows,
    pub duplicates: Vec<Duplicate>,
}

impl Programme {
    /// Makes the programme for a city of that many people.
    pub(super) fn new(people: usize, seed: u64, names: Names) -> Self {
        let mut rows = DirectusRows { schema: "directus".into(), ..DirectusRows::default() };
        let mut duplicates = Vec::new();
        let promoters: Vec<Promoter> = (0..(people / 400).max(5)).map(|i| promoter(seed, i, names)).collect();
        let house = Weighted::new((0_u32..).zip(promoters.iter().map(|p| p.weight)));
        let mut artists: Vec<Artist> =
            (0..(people / 40).max(24)).map(|i| artist(seed, i, names, &mut rows.artists)).collect();
        let mut venues: Vec<Venue> =
            (0..(people / 250).max(8)).map(|i| venue(seed, i, names, &house, &mut rows.venues)).collect();
        duplicate_artists(seed, &mut artists, &mut rows.artists, &mut duplicates);
        duplicate_venues(seed, &mut venues, &mut rows.venues, &mut duplicates);

        let events = schedule(seed, names, &venues, &artists, &promoters, &house, &mut rows);
        Self { venues, artists, promoters, events, rows, duplicates }
    }
}

fn promoter(seed: u64, index: usize, names: Names) -> Promoter {
    let mut rng = stream(seed, Purpose::Promoter, index as u64);
    let name = names.promoter(index);
    // Every sixth is known by name only; the largest few always have a domain.
    let domain = (index % 6 != 4).then(|| format!("{}.example", slug(&name, "")));
    // The spread of the lift is planted by rank, so that large and small promoters are good and bad alike.
    let spread = [1.0, 0.7, 1.35, 0.85, 1.15, 0.55, 1.6, 0.95];
    let lift = spread[index % spread.len()] * rng.random_range(0.95..1.05);
    Promoter { name, domain, lift, weight: 1.0 / (index as f64 + 2.0).powf(0.8) }
}

fn genre(rng: &mut Pcg64) -> usize {
    // Popularity falls with the place in the list: the smaller of two uniform draws.
    rng.random_range(0..GENRES.len()).min(rng.random_range(0..GENRES.len()))
}

fn stamps(rng: &mut Pcg64) -> (Option<i64>, Option<i64>) {
    // A scraper that writes SQL leaves both stamps empty; the application sets the second on the first update only.
    if happens(rng, 0.15) {
        return (None, None);
    }
    let created = between(rng, START - 120 * DAY, START - 7 * DAY) / 1000 * 1000;
    let updated = happens(rng, 0.4).then(|| between(rng, created, NOW) / 1000 * 1000);
    (Some(created), updated)
}

fn artist(seed: u64, index: usize, names: Names, rows: &mut Vec<ArtistRow>) -> Artist {
    let mut rng = stream(seed, Purpose::Artist, index as u64);
    let row = uuid(&mut rng);
    let name = names.artist(index);
    let handle = happens(&mut rng, 0.88).then(|| {
        let separator = one_of(&mut rng, &[".", "_", ""]);
        let mut handle = slug(&name, separator);
        handle.truncate(30);
        handle
    });
    let main = genre(&mut rng);
    let mut genres = vec![GENRES[main].to_owned()];
    let second = genre(&mut rng);
    if second != main && happens(&mut rng, 0.5) {
        genres.push(GENRES[second].to_owned());
    }
    let (date_created, date_updated) = stamps(&mut rng);
    rows.push(ArtistRow {
        id: row.clone(),
        status: if happens(&mut rng, 0.05) { "draft" } else { "published" }.into(),
        name: name.clone(),
        instagram_url: handle.as_deref().map(|h| addresses::instagram(&mut rng, h)),
        genres,
        date_created,
        date_updated,
    });
    Artist { row, name, handle, duplicate: None, genre: main, weight: 1.0 / (index as f64 + 4.0).powf(0.9) }
}

fn venue(seed: u64, index: usize, names: Names, house: &Weighted, rows: &mut Vec<VenueRow>) -> Venue {
    let mut rng = stream(seed, Purpose::Venue, index as u64);
    let row = uuid(&mut rng);
    let name = names.venue(index);
    let town = rng.random_range(0..20_usize).min(5) / 2;
    let town = if index < 2 { 0 } else { 2 - town };
    let zone = if town == 2 { Zone::Central } else { Zone::Eastern };
    let size: f64 = rng.random();
    let capacity = (80.0 * 25_f64.powf(size * size)) as i64 / 10 * 10;
    let place_id = happens(&mut rng, 0.9).then(|| addresses::place_id(&mut rng));
    let located = happens(&mut rng, 0.96);
    // Multiples of 1/8192 degree survive a `real` column unchanged.
    let mut grid =
        |centre: f64, spread: i64| Some(centre + rng.random_range(-spread..=spread) as f64 / 8192.0);
    let (latitude, longitude) = (grid(40.25, 900), grid(-82.5 - 2.5 * town as f64, 1200));
    let (date_created, date_updated) = stamps(&mut rng);
    let website = happens(&mut rng, 0.7).then(|| format!("https://www.{}.example/", slug(&name, "")));
    rows.push(VenueRow {
        id: row.clone(),
        status: "published".into(),
        name: name.clone(),
        google_place_id: place_id.clone(),
        city: Some(TOWNS[town].into()),
        country: Some("US".into()),
        latitude: latitude.filter(|_| located),
        longitude: longitude.filter(|_| located),
        timezone: Some(zone.name().into()),
        capacity: Some(capacity),
        website,
        instagram_url: happens(&mut rng, 0.4).then(|| addresses::instagram(&mut rng, &slug(&name, ""))),
        date_created,
        date_updated,
    });
    Venue {
        row,
        name,
        place_id,
        duplicate: None,
        zone,
        capacity,
        genres: [genre(&mut rng), genre(&mut rng), genre(&mut rng)],
        promoters: [house.draw(&mut rng), house.draw(&mut rng)],
        per_week: 0.8 + 2.4 * rng.random::<f64>(),
    }
}

/// How many of `count` things are scraped twice: 2 %, at least one.
fn twice(count: usize) -> usize {
    (count / 50).max(1)
}

fn duplicate_artists(
    seed: u64,
    artists: &mut [Artist],
    rows: &mut Vec<ArtistRow>,
    duplicates: &mut Vec<Duplicate>,
) {
    let mut rng = stream(seed, Purpose::Duplicate, 0);
    let candidates: Vec<usize> = (0..artists.len()).filter(|&i| artists[i].handle.is_some()).collect();
    for n in 0..twice(artists.len()) {
        let index = candidates[(n * candidates.len() / twice(artists.len()) + 2) % candidates.len()];
        let artist = &mut artists[index];
        let handle = artist.handle.as_deref().expect("candidates have a handle");
        let row = uuid(&mut rng);
        rows.push(ArtistRow {
            id: row.clone(),
            status: "draft".into(),
            name: format!("{} (live)", artist.name),
            instagram_url: Some(addresses::instagram(&mut rng, handle)),
            ..ArtistRow::default()
        });
        duplicates.push(Duplicate {
            kind: "artist".into(),
            row: artist.row.clone(),
            duplicate: row.clone(),
            canonical_id: format!("instagram.com/{handle}"),
            by: String::new(),
        });
        artist.duplicate = Some(row);
    }
}

fn duplicate_venues(
    seed: u64,
    venues: &mut [Venue],
    rows: &mut Vec<VenueRow>,
    duplicates: &mut Vec<Duplicate>,
) {
    let mut rng = stream(seed, Purpose::Duplicate, 1);
    let candidates: Vec<usize> = (0..venues.len()).filter(|&i| venues[i].place_id.is_some()).collect();
    for n in 0..twice(venues.len()).min(candidates.len()) {
        let index = candidates[n * candidates.len() / twice(venues.len())];
        let venue = &mut venues[index];
        let place_id = venue.place_id.clone().expect("candidates have a place id");
        let row = uuid(&mut rng);
        let short = venue.name.trim_start_matches("The ");
        rows.push(VenueRow {
            id: row.clone(),
            status: "draft".into(),
            name: format!("{short} {}", TOWNS[0]),
            // Another site's copy: stray white space, or the id inside a parameter; no zone, no location.
            google_place_id: Some(if happens(&mut rng, 0.5) {
                format!(" {place_id}")
            } else {
                format!("place_id:{place_id}")
            }),
            country: Some("US".into()),
            ..VenueRow::default()
        });
        duplicates.push(Duplicate {
            kind: "venue".into(),
            row: venue.row.clone(),
            duplicate: row.clone(),
            canonical_id: place_id,
            by: String::new(),
        });
        venue.duplicate = Some(row);
    }
}

#[derive(Debug)]
struct Slot {
    night: usize,
    venue: usize,
}

fn schedule(
    seed: u64,
    names: Names,
    venues: &[Venue],
    artists: &[Artist],
    promoters: &[Promoter],
    house: &Weighted,
    rows: &mut DirectusRows,
) -> Vec<Event> {
    let week: f64 = WEEKDAYS.iter().sum();
    let mut slots = Vec::new();
    for (index, venue) in venues.iter().enumerate() {
        let mut rng = stream(seed, Purpose::Event, index as u64);
        for night in 0..NIGHTS {
            let busy = venue.per_week / week * WEEKDAYS[night % 7] * WEEKS[night / 7];
            // The night of the year's end is busy whatever weekday it is.
            let busy = if night == 23 { 0.8 } else { busy.min(0.95) };
            if happens(&mut rng, busy) {
                slots.push(Slot { night, venue: index });
            }
        }
    }
    slots.sort_by_key(|s| (s.night, s.venue));

    let everyone = Weighted::new((0_u32..).zip(artists.iter().map(|a| a.weight)));
    let by_genre: Vec<Weighted> = (0..GENRES.len())
        .map(|g| {
            Weighted::new((0_u32..).zip(artists).filter(|(_, a)| a.genre == g).map(|(i, a)| (i, a.weight)))
        })
        .collect();
    let mut made = Vec::with_capacity(slots.len());
    for (index, slot) in slots.iter().enumerate() {
        // Streams of the events themselves start above those of the venues' calendars.
        let mut rng = stream(seed, Purpose::Event, (1 << 32) + index as u64);
        let venue = &venues[slot.venue];
        let genre = one_of(&mut rng, &venue.genres);
        let lineup = lineup(&mut rng, &by_genre[genre], &everyone);
        let promoter = match rng.random::<f64>() {
            r if r < 0.06 => None,
            r if r < 0.8 => one_of(&mut rng, &venue.promoters),
            _ => house.draw(&mut rng),
        };
        let id = (index + 1).to_string();
        for (position, &who) in lineup.iter().enumerate() {
            let artist = &artists[who];
            let listed = artist.duplicate.as_ref().filter(|_| happens(&mut rng, 0.3)).unwrap_or(&artist.row);
            rows.lineup.push(LineupRow {
                event: id.clone(),
                artist: listed.clone(),
                sort: Some(position as i64 + 1),
            });
        }
        let head = &artists[lineup[0]];
        let name = match rng.random_range(0..20_u32) {
            0..10 => format!("{} at {}", head.name, venue.name),
            10..15 if lineup.len() > 1 => format!("{} + {}", head.name, artists[lineup[1]].name),
            _ => format!("{} #{}", names.series(slot.venue), slot.night + 1),
        };
        let event = Event {
            row: id,
            promoter,
            genre,
            start: 0,
            night: slot.night,
            past: false,
            weight: (head.weight * 40.0).sqrt() * (venue.capacity as f64).sqrt() * rng.random_range(0.6..1.4),
            campaign: format!("{}-{}", slug(&venue.name, "-"), wall_clock(slot.night, 0, 0).strftime("%b")),
        };
        let (event, row) = date(&mut rng, event, name, venue, promoter.map(|p| &promoters[p]));
        rows.events.push(row);
        made.push(event);
    }
    made
}

fn lineup(rng: &mut Pcg64, genre: &Weighted, everyone: &Weighted) -> Vec<usize> {
    let size = 1 + poisson(rng, 0.9).min(4);
    let mut lineup = Vec::with_capacity(size);
    for _ in 0..size * 3 {
        let table = if happens(rng, 0.85) { genre } else { everyone };
        let drawn = table.draw(rng).or_else(|| everyone.draw(rng)).expect("a city has artists");
        if !lineup.contains(&drawn) {
            lineup.push(drawn);
        }
        if lineup.len() == size {
            break;
        }
    }
    lineup
}

/// Gives the event its time, its price and the row that Directus holds of it.
fn date(
    rng: &mut Pcg64,
    mut event: Event,
    name: String,
    venue: &Venue,
    promoter: Option<&Promoter>,
) -> (Event, EventRow) {
    let weekend = matches!(event.night % 7, 4 | 5);
    let hour = if weekend { rng.random_range(19..=22) } else { rng.random_range(18..=20) };
    let minute = one_of(rng, &[0, 0, 0, 30]);
    let start = START
        + event.night as i64 * DAY
        + i64::from(hour) * HOUR
        + i64::from(minute) * MINUTE
        + venue.zone.behind(event.night);
    event.start = start;
    event.past = start < NOW;
    let copied = venue.duplicate.as_ref().filter(|_| happens(rng, 0.3));
    let site = one_of(rng, &["gigboard", "nightlist", "stagefeed"]);
    let published = start - between(rng, 21 * DAY, 45 * DAY);
    let stamped = happens(rng, 0.8).then_some(published.min(NOW - HOUR) / 1000 * 1000);
    let row = EventRow {
        id: event.row.clone(),
        status: if happens(rng, 0.03) { "draft" } else { "published" }.into(),
        name,
        start_date: Some(wall_clock(event.night, hour, minute)),
        starts_at: None,
        end_date: happens(rng, 0.6).then(|| start + between(rng, 2, 6) * HOUR),
        source: Some(format!("scraper:{site}")),
        source_url: Some(format!("https://{site}.example/e/{}", event.row)),
        price_min: happens(rng, 0.75).then(|| between(rng, 16, 140) as f64 / 2.0),
        promoter_name: promoter.map(|p| p.name.clone()),
        promoter_domain: promoter.and_then(|p| p.domain.as_deref()).map(|d| {
            match rng.random_range(0..4_u32) {
                0 => format!("https://{d}/tickets"),
                1 => format!("www.{d}"),
                _ => d.to_owned(),
            }
        }),
        tags: if happens(rng, 0.5) { vec![GENRES[event.genre].to_owned()] } else { Vec::new() },
        // Above 2^53 on purpose: REST clients get such numbers as text.
        external_id: happens(rng, 0.5).then(|| (1 << 53) + rng.random_range(1..1_000_000_000)),
        venue: Some(copied.unwrap_or(&venue.row).clone()),
        date_created: stamped,
        date_updated: stamped.filter(|_| happens(rng, 0.3)).map(|at| (at + 3 * HOUR).min(NOW)),
    };
    (event, row)
}
