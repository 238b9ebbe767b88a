//! Tonight: what begins between 17:00 and 05:00 on the venue's own clock, and how far away it is.
//!
//! A night belongs to the place: at one moment it is tonight in New York and tomorrow in London, and a night in which
//! clocks change has eleven or thirteen hours. So every venue's night is found on its own clock. Distances are
//! great circles by the haversine formula (R. W. Sinnott: *Virtues of the Haversine*, 1984) on a sphere of the earth's
//! mean radius, off by at most 0.6 % from the ellipsoid. O(e·log e) for e events.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The earth's mean radius in metres.
const EARTH: f64 = 6_371_008.8;

/// A point on earth in degrees, read from `39.96,-83.0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// North positive, -90 to 90.
    pub latitude: f64,
    /// East positive, -180 to 180.
    pub longitude: f64,
}

impl FromStr for Spot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str, most: f64| text.trim().parse::<f64>().ok().filter(|degrees| degrees.abs() <= most);
        let (latitude, longitude) = text.split_once(',').unwrap_or((text, ""));
        match (number(latitude, 90.0), number(longitude, 180.0)) {
            (Some(latitude), Some(longitude)) => Ok(Self { latitude, longitude }),
            _ => Err("expected latitude and longitude in degrees, such as 39.96,-83.0".into()),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.latitude, self.longitude)
    }
}

impl Serialize for Spot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Spot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An event at a venue.
#[derive(Debug, Clone)]
pub struct Happening<'z> {
    /// Event.
    pub event: u32,
    /// Venue.
    pub venue: u32,
    /// When it begins, microseconds UTC.
    pub starts_at: i64,
    /// Where the venue is, where that is known.
    pub spot: Option<Spot>,
    /// The venue's clock.
    pub zone: &'z TimeZone,
}

/// An event of tonight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tonight {
    /// Event.
    pub event: u32,
    /// Venue.
    pub venue: u32,
    /// When it begins, microseconds UTC.
    pub starts_at: i64,
    /// Metres from where one is; `None` where either place is unknown.
    pub distance: Option<f64>,
}

/// The events of tonight, earliest first, then by event and venue.
///
/// * `at`: the moment, microseconds UTC; before 05:00 it is still last evening's night.
/// * `near`: where one is and how many metres one would go; venues without a place are then left out.
pub fn tonight(happenings: &[Happening<'_>], at: i64, near: Option<(Spot, f64)>) -> Vec<Tonight> {
    let mut found: Vec<Tonight> = happenings
        .iter()
        .filter(|h| night(at, h.zone).is_some_and(|(from, until)| (from..until).contains(&h.starts_at)))
        .filter_map(|h| {
            let distance = near.and_then(|(here, _)| Some(metres(here, h.spot?)));
            let reached = near.is_none_or(|(_, radius)| distance.is_some_and(|metres| metres < radius));
            reached.then_some(Tonight { event: h.event, venue: h.venue, starts_at: h.starts_at, distance })
        })
        .collect();
    found.sort_by_key(|t| (t.starts_at, t.event, t.venue));
    found
}

/// From 17:00 to 05:00 on the clock of `zone`, in microseconds UTC: the night that `at` is in, or the next.
///
/// `None` at the ends of time.
///
/// ```
/// use jiff::tz::TimeZone;
/// use sonograph::studies::discovery::tonight::night;
///
/// let (from, until) = night(0, &TimeZone::UTC).expect("1970 has nights");
/// assert_eq!((from, until), (-7 * 3_600_000_000, 5 * 3_600_000_000));
/// ```
pub fn night(at: i64, zone: &TimeZone) -> Option<(i64, i64)> {
    const EVENING: Time = Time::constant(17, 0, 0, 0);
    const MORNING: Time = Time::constant(5, 0, 0, 0);
    let now = zone.to_datetime(Timestamp::from_microsecond(at).ok()?);
    let day = if now.time() < MORNING { now.date().yesterday().ok()? } else { now.date() };
    let moment = |date: jiff::civil::Date, time: Time| {
        let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(zoned.timestamp().as_microsecond())
    };
    Some((moment(day, EVENING)?, moment(day.checked_add(1.day()).ok()?, MORNING)?))
}

/// The great circle between two points in metres.
pub fn metres(a: Spot, b: Spot) -> f64 {
    let (phi_a, phi_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(b.latitude - a.latitude) + phi_a.cos() * phi_b.cos() * half(b.longitude - a.longitude);
    2.0 * EARTH * h.sqrt().min(1.0).asin()
}

/// Reads the local clock of every start, and measures the chord through the earth.
#[cfg(test)]
mod oracle {
    use super::*;

    /// Whether `start` is in the night of `at`: evening and morning by the wall clock, the day by the calendar.
    pub(super) fn is_tonight(start: i64, at: i64, zone: &TimeZone) -> bool {
        let wall = |at: i64| zone.to_datetime(Timestamp::from_microsecond(at).expect("in range"));
        // A night is named by the day of its evening: that of five hours ago.
        let named = |at: i64| wall(at).checked_sub(5.hours()).expect("in range").date();
        let hour = wall(start).hour();
        named(start) == named(at) && !(5..17).contains(&hour)
    }

    pub(super) fn by_chord(a: Spot, b: Spot) -> f64 {
        let unit = |s: Spot| {
            let (phi, lambda) = (s.latitude.to_radians(), s.longitude.to_radians());
            [phi.cos() * lambda.cos(), phi.cos() * lambda.sin(), phi.sin()]
        };
        let chord = unit(a).iter().zip(unit(b)).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        2.0 * EARTH * (chord / 2.0).min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZoneDatabase::bundled().get(name).expect("a zone")
    }

    fn micros(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a moment").as_microsecond()
    }

    fn spot() -> impl Strategy<Value = Spot> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| Spot { latitude, longitude })
    }

    proptest! {
        #[test]
        fn a_start_is_tonight_when_the_wall_clock_says_so(
            at in 0i64..4_000_000_000, ahead in -200_000i64..200_000, which in 0usize..4,
        ) {
            let zone = zone(["America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC"][which]);
            let (at, start) = (at * 1_000_000, (at + ahead) * 1_000_000);
            let (from, until) = night(at, &zone).expect("in range");
            prop_assert_eq!((from..until).contains(&start), oracle::is_tonight(start, at, &zone));
        }

        #[test]
        fn distances_are_those_through_the_earth(a in spot(), b in spot()) {
            let (found, expected) = (metres(a, b), oracle::by_chord(a, b));
            // Nearly opposite points are where the sine is flat.
            prop_assert!((found - expected).abs() < 1.0, "{} and {}", found, expected);
        }
    }

    #[test]
    fn the_night_in_which_clocks_change_is_an_hour_longer_or_shorter() {
        let hours = |at: &str| {
            let (from, until) = night(micros(at), &zone("America/New_York")).expect("a night");
            (until - from) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-08T01:00:00Z"), 11);
        assert_eq!(hours("2026-11-01T01:00:00Z"), 13);
        assert_eq!(hours("2026-06-01T01:00:00Z"), 12);
    }

    #[test]
    fn before_five_it_is_still_last_evenings_night() {
        let new_york = zone("America/New_York");
        let friday = Some((micros("2025-12-12T22:00:00Z"), micros("2025-12-13T10:00:00Z")));
        // Friday morning at 05:00, Friday noon, and Saturday at 04:59 in New York.
        for at in ["2025-12-12T10:00:00Z", "2025-12-12T17:00:00Z", "2025-12-13T09:59:59Z"] {
            assert_eq!(night(micros(at), &new_york), friday, "{at}");
        }
        assert_eq!(night(i64::MAX, &new_york), None);
    }

    #[test]
    fn near_means_closer_than_the_radius_and_leaves_unknown_places_out() {
        let utc = TimeZone::UTC;
        let here = Spot { latitude: 0.0, longitude: 0.0 };
        let event = |event, spot| Happening { event, venue: 9, starts_at: 0, spot, zone: &utc };
        let all = [
            event(3, None),
            event(2, Some(Spot { latitude: 0.0, longitude: 0.01 })),
            event(1, Some(Spot { latitude: 0.0, longitude: 1.0 })),
        ];
        let found = |near| tonight(&all, 0, near).iter().map(|t| t.event).collect::<Vec<_>>();
        assert_eq!(found(None), [1, 2, 3]);
        // A hundredth of a degree on the equator is 1,112 m.
        assert_eq!(found(Some((here, 1_113.0))), [2]);
        assert_eq!(found(Some((here, 1_111.0))), [0u32; 0]);
        assert!(tonight(&all, 86_400_000_000, None).is_empty());
    }

    #[test]
    fn a_spot_is_two_numbers_on_the_globe() {
        assert_eq!("39.96,-83".parse(), Ok(Spot { latitude: 39.96, longitude: -83.0 }));
        for wrong in ["", "39.96", "91,0", "0,181", "a,b", "1,2,3", "NaN,0"] {
            assert!(wrong.parse::<Spot>().is_err(), "{wrong}");
        }
    }
}
