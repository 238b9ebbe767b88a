//! Names that a reader of the report can tell apart: people, artists, venues, promoters, events.
//!
//! Each kind of name is a walk through all combinations of its word lists in a seeded order, so names repeat only where
//! the city plants a namesake. Any likeness to real people, places or companies is accidental.

use unicode_normalization::UnicodeNormalization as _;

use super::chance::mix;

const FIRST: &[&str] = &[
    "Ada", "Aiko", "Alma", "Amir", "Ana", "Anders", "Aneta", "Anouk", "Arjun", "Astrid", "Ayla", "Beatriz",
    "Ben", "Bianca", "Bo", "Bruno", "Camila", "Carmen", "Casper", "Cecile", "Chidi", "Clara", "Cyrus",
    "Dana", "Daria", "Deniz", "Diego", "Dora", "Ebba", "Edda", "Eli", "Elif", "Emeka", "Emil", "Enzo",
    "Esme", "Eva", "Farah", "Felix", "Fern", "Finn", "Freya", "Gael", "Gia", "Greta", "Hana", "Hugo", "Ida",
    "Idris", "Ilse", "Imani", "Ines", "Ingrid", "Iris", "Isak", "Ivo", "Jada", "Jana", "Jonas", "Joss",
    "Juno", "Kai", "Kamal", "Karim", "Keiko", "Kenji", "Kira", "Kofi", "Lara", "Leila", "Lena", "Leo",
    "Lina", "Lior", "Lotte", "Luca", "Luz", "Mads", "Maeve", "Mara", "Marco", "Maya", "Mei", "Mila", "Milo",
    "Mina", "Nadia", "Naoko", "Nela", "Nils", "Nina", "Noa", "Noor", "Odette", "Olga", "Omar", "Orla",
    "Oscar", "Otto", "Paloma", "Petra", "Pia", "Priya", "Quinn", "Rafael", "Rania", "Reza", "Rhea", "Rosa",
    "Ruth", "Sana", "Sami", "Selma", "Sena", "Silas", "Sofia", "Sora", "Stella", "Sven", "Tamar", "Tara",
    "Theo", "Tilda", "Uma", "Vera", "Yara", "Zoë",
];

const LAST: &[&str] = &[
    "Abara", "Adler", "Aguilar", "Ahmadi", "Akiyama", "Almeida", "Amsel", "Anand", "Arce", "Asante",
    "Bachar", "Baldwin", "Banik", "Barros", "Becker", "Bello", "Berg", "Birch", "Blau", "Boateng", "Brandt",
    "Brook", "Calder", "Campos", "Castell", "Chaudhry", "Cho", "Clay", "Cordero", "Costa", "Crane", "Dahl",
    "Danso", "Darzi", "Delgado", "Demir", "Diallo", "Duarte", "Eklund", "Ellery", "Engel", "Ercan", "Espina",
    "Faber", "Falk", "Farkas", "Ferrand", "Fields", "Fontana", "Frost", "Gallo", "Garza", "Geller", "Ghosh",
    "Grant", "Greco", "Hadad", "Hale", "Hansen", "Haruna", "Heath", "Herzog", "Hoffmann", "Holm", "Horvat",
    "Ibarra", "Ibrahim", "Iqbal", "Ito", "Jansen", "Jimenez", "Kadir", "Kamara", "Kaplan", "Karlsen", "Kato",
    "Keller", "Khoury", "Kim", "Klein", "Koch", "Kovac", "Kruse", "Kumar", "Laine", "Lang", "Larsen",
    "Leclerc", "Lindgren", "Lopes", "Lund", "Madsen", "Malik", "Marsh", "Mendes", "Meyer", "Mishra",
    "Moreau", "Mori", "Munk", "Nakata", "Navarro", "Nilsen", "Noor", "Novak", "Núñez", "Obi", "Ode",
    "Okafor", "Olsen", "Ono", "Ortega", "Osei", "Palma", "Park", "Patel", "Perrin", "Petrov", "Pham",
    "Pinto", "Prakash", "Quist", "Ramos", "Rask", "Reyes", "Riedel", "Rossi", "Roth", "Ruiz", "Saito",
    "Salim", "Sandoval", "Santos", "Sato", "Schmid", "Serra", "Shah", "Silva", "Sommer", "Soto", "Stone",
    "Strand", "Suzuki", "Takeda", "Tamm", "Tesfaye", "Thorne", "Torres", "Tran", "Urban", "Vance", "Varga",
    "Vega", "Vidal", "Vogel", "Wahl", "Weiss", "Winter", "Wolff", "Yamada", "Yilmaz", "Zaman", "Ziegler",
    "Zola",
];

const MOODS: &[&str] = &[
    "Amber",
    "Autumn",
    "Blind",
    "Borrowed",
    "Brass",
    "Bright",
    "Broken",
    "Cedar",
    "Cinder",
    "Cobalt",
    "Copper",
    "Crimson",
    "Distant",
    "Double",
    "Drifting",
    "Electric",
    "Empty",
    "Fading",
    "Feral",
    "First",
    "Floating",
    "Foreign",
    "Ghost",
    "Gilded",
    "Glass",
    "Golden",
    "Hollow",
    "Honey",
    "Indigo",
    "Iron",
    "Ivory",
    "Late",
    "Lazy",
    "Little",
    "Lost",
    "Low",
    "Lunar",
    "Magnetic",
    "Marble",
    "Midnight",
    "Mild",
    "Neon",
    "Northern",
    "Opal",
    "Pale",
    "Paper",
    "Patient",
    "Plastic",
    "Polar",
    "Quiet",
    "Rapid",
    "Restless",
    "Salt",
    "Second",
    "Silent",
    "Silver",
    "Slow",
    "Solar",
    "Sudden",
    "Tender",
    "Tidal",
    "Velvet",
    "Violet",
    "Wandering",
    "Warm",
    "Wild",
    "Winter",
    "Wooden",
];

const THINGS: &[&str] = &[
    "Anchor",
    "Antenna",
    "Arcade",
    "Assembly",
    "Atlas",
    "Avenue",
    "Balcony",
    "Beacon",
    "Bloom",
    "Boulevard",
    "Bridge",
    "Canyon",
    "Cascade",
    "Chorus",
    "Circuit",
    "Comet",
    "Compass",
    "Corridor",
    "Current",
    "Delta",
    "Dynamo",
    "Echo",
    "Ember",
    "Engine",
    "Fable",
    "Falcon",
    "Feather",
    "Forest",
    "Fountain",
    "Garden",
    "Glacier",
    "Harbor",
    "Horizon",
    "Island",
    "Junction",
    "Kite",
    "Ladder",
    "Lantern",
    "Lighthouse",
    "Machine",
    "Magnolia",
    "Meridian",
    "Mirror",
    "Monsoon",
    "Motel",
    "Museum",
    "Nebula",
    "Orchard",
    "Orbit",
    "Parade",
    "Pendulum",
    "Pigeon",
    "Pilot",
    "Prairie",
    "Prism",
    "Pulse",
    "Quarry",
    "Radio",
    "Ribbon",
    "River",
    "Satellite",
    "Shadow",
    "Signal",
    "Sparrow",
    "Station",
    "Summer",
    "Sundial",
    "Theory",
    "Thunder",
    "Tiger",
    "Tower",
    "Valley",
    "Voyage",
    "Window",
];

const ACTS: &[&str] =
    &["", " Trio", " Sound", " Ensemble", " Collective", " Orchestra", " Quartet", " Project"];
const PLACES: &[&str] = &[
    "Room",
    "Hall",
    "Cellar",
    "Works",
    "Ballroom",
    "Yard",
    "Loft",
    "Depot",
    "Club",
    "House",
    "Foundry",
    "Annex",
    "Theatre",
    "Basement",
    "Kiln",
    "Pavilion",
    "Dock",
    "Stage",
    "Lounge",
    "Warehouse",
];
const HOUSES: &[&str] =
    &["Presents", "Touring", "Live", "Nights", "Concerts", "Bookings", "Events", "Agency"];
const SERIES: &[&str] =
    &["Sessions", "Night", "Social", "Matinee", "Residency", "Revue", "Mixer", "Afterhours"];

/// The genres of the city, most popular first.
pub(super) const GENRES: [&str; 12] = [
    "techno",
    "house",
    "indie rock",
    "hip hop",
    "jazz",
    "folk",
    "drum and bass",
    "disco",
    "soul",
    "ambient",
    "metal",
    "latin",
];

/// Words for towns of the city's region.
pub(super) const TOWNS: [&str; 3] = ["Port Larkin", "Eastmere", "Calder Flats"];

/// Job titles of contacts.
pub(super) const TITLES: [&str; 6] =
    ["Head of Booking", "Promoter", "Talent Buyer", "Marketing Lead", "Venue Manager", "Tour Manager"];

/// Hands out names; the seed decides their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    seed: u64,
}

impl Names {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Position `index` of a seeded walk through `size` combinations, and how often the walk has gone round.
    fn shuffled(self, size: usize, index: usize, salt: u64) -> (usize, usize) {
        let mut step = size / 4 + mix(self.seed ^ salt << 32) as usize % (size / 2);
        while gcd(step, size) != 1 {
            step += 1;
        }
        let offset = (mix(self.seed ^ salt) % size as u64) as usize;
        ((index % size * step + offset) % size, index / size)
    }

    /// First and last name of the `index`-th human being; all differ.
    pub(super) fn human(self, index: usize) -> (String, String) {
        let (position, round) = self.shuffled(FIRST.len() * LAST.len(), index, 1);
        let first = FIRST[position % FIRST.len()];
        let last = LAST[position / FIRST.len()];
        let (hyphen, initial) = (round / 27, round % 27);
        let first = match initial {
            0 => first.to_owned(),
            n => format!("{first} {}.", char::from(b'A' + n as u8 - 1)),
        };
        let last = match hyphen {
            0 => last.to_owned(),
            n => format!("{last}-{}", LAST[(n - 1) % LAST.len()]),
        };
        (first, last)
    }

    /// Name of the `index`-th artist.
    pub(super) fn artist(self, index: usize) -> String {
        self.compound(index, 2, MOODS, THINGS, ACTS)
    }

    /// Name of the `index`-th venue.
    pub(super) fn venue(self, index: usize) -> String {
        let (position, round) = self.shuffled(MOODS.len() * PLACES.len(), index, 3);
        let name = format!("The {} {}", MOODS[position % MOODS.len()], PLACES[position / MOODS.len()]);
        numbered(name, round)
    }

    /// Name of the `index`-th promoter.
    pub(super) fn promoter(self, index: usize) -> String {
        let pair = self.compound(index, 4, THINGS, MOODS, &[""]);
        let (thing, mood) = pair.split_once(' ').expect("compound names have two words");
        format!("{mood} {thing} {}", HOUSES[(mix(self.seed ^ index as u64) % HOUSES.len() as u64) as usize])
    }

    /// Name of the `index`-th company that promotes nothing.
    pub(super) fn company(self, index: usize) -> String {
        format!("{} Hospitality", self.compound(index, 5, THINGS, PLACES, &[""]))
    }

    /// Name of the `index`-th series of events.
    pub(super) fn series(self, index: usize) -> String {
        let (position, _) = self.shuffled(MOODS.len() * SERIES.len(), index, 6);
        format!("{} {}", MOODS[position % MOODS.len()], SERIES[position / MOODS.len()])
    }

    fn compound(self, index: usize, salt: u64, one: &[&str], two: &[&str], three: &[&str]) -> String {
        let pairs = one.len() * two.len();
        let (position, round) = self.shuffled(pairs, index, salt);
        let name = format!(
            "{} {}{}",
            one[position % one.len()],
            two[position / one.len()],
            three[round % three.len()]
        );
        numbered(name, round / three.len())
    }
}

fn numbered(name: String, round: usize) -> String {
    if round == 0 { name } else { format!("{name} {}", round + 1) }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Lower-case ASCII letters and digits of a text, everything between them as one separator.
pub(super) fn slug(text: &str, separator: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.nfkd().filter(|c| !('\u{300}'..'\u{370}').contains(c)) {
        if c.is_ascii_alphanumeric() {
            if gap && !out.is_empty() {
                out.push_str(separator);
            }
            gap = false;
            out.push(c.to_ascii_lowercase());
        } else {
            gap = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let names = Names::new(7);
        let people: HashSet<_> = (0..60_000).map(|i| names.human(i)).collect();
        assert_eq!(people.len(), 60_000);
        let artists: HashSet<_> = (0..50_000).map(|i| names.artist(i)).collect();
        assert_eq!(artists.len(), 50_000);
        let handles: HashSet<_> = (0..50_000).map(|i| slug(&names.artist(i), ".")).collect();
        assert_eq!(handles.len(), 50_000);
        let venues: HashSet<_> = (0..6_000).map(|i| names.venue(i)).collect();
        assert_eq!(venues.len(), 6_000);
        let promoters: HashSet<_> = (0..5_000).map(|i| names.promoter(i)).collect();
        assert_eq!(promoters.len(), 5_000);
    }

    #[test]
    fn a_slug_is_plain_ascii() {
        assert_eq!(slug("Zoë Núñez", "."), "zoe.nunez");
        assert_eq!(slug("The Low  Room 2", "-"), "the-low-room-2");
    }

    #[test]
    fn another_seed_gives_another_order() {
        assert_ne!(Names::new(1).human(0), Names::new(2).human(0));
    }
}
