//! The city's fixed calendar: twelve weeks behind `NOW`, two weeks ahead of it.
//!
//! Nothing here reads a clock or a time-zone database: a city is the same on every day and every machine.

use jiff::civil::{Date, DateTime};
use rand_pcg::Pcg64;

use super::chance::{Weighted, exponential};

/// Microseconds in a minute.
pub(super) const MINUTE: i64 = 60_000_000;
/// Microseconds in an hour.
pub(super) const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// 2025-12-08T00:00:00Z, a Monday: where the history of touches begins.
pub(super) const START: i64 = 1_765_152_000_000_000;
/// 2026-03-02T06:00:00Z, a Monday: when the city was looked at. Nothing was received later.
pub(super) const NOW: i64 = START + 84 * DAY + 6 * HOUR;
/// Nights of the programme, the first one on [`START`]; 84 are past, 14 lie ahead.
pub(super) const NIGHTS: usize = 98;
/// The night from which clocks in the United States are an hour ahead (2026-03-08).
const SUMMER: usize = 90;

/// How busy a weekday is, Monday first.
pub(super) const WEEKDAYS: [f64; 7] = [0.3, 0.5, 0.8, 1.2, 2.6, 2.8, 0.8];

/// How busy a week of the programme is: the holidays are quiet, the new year starts slowly and grows.
pub(super) const WEEKS: [f64; 14] = [1.1, 1.1, 0.6, 0.9, 0.7, 0.8, 0.9, 1.0, 1.0, 1.1, 1.1, 1.1, 1.1, 1.1];

/// How many touches fall into each local hour.
const HOURS: [f64; 24] = [
    4.0, 2.0, 1.0, 0.4, 0.2, 0.2, 0.5, 1.5, 3.0, 4.0, 4.0, 4.5, 6.0, 5.5, 4.5, 4.5, 5.0, 6.0, 7.5, 9.0, 10.0,
    10.0, 8.5, 6.0,
];

/// The two zones in which the city's venues lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    Eastern,
    Central,
}

impl Zone {
    /// IANA name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Zone::Eastern => "America/New_York",
            Zone::Central => "America/Chicago",
        }
    }

    /// How far local time on the evening of a night lies behind UTC.
    pub(super) const fn behind(self, night: usize) -> i64 {
        let standard = match self {
            Zone::Eastern => 5,
            Zone::Central => 6,
        };
        if night >= SUMMER { (standard - 1) * HOUR } else { standard * HOUR }
    }
}

/// The wall clock of a night at a time of day.
pub(super) fn wall_clock(night: usize, hour: i8, minute: i8) -> DateTime {
    Date::constant(2025, 12, 8).saturating_add(jiff::Span::new().days(night as i64)).at(hour, minute, 0, 0)
}

/// Draws times of day by [`HOURS`].
#[derive(Debug)]
pub(super) struct Clock {
    hours: Weighted,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { hours: Weighted::new((0_u32..).zip(HOURS)) }
    }

    /// Moves an instant to a waking hour of the same local day, where that stays within `low..high`.
    pub(super) fn waking(&self, rng: &mut Pcg64, at: i64, low: i64, high: i64) -> i64 {
        let behind = Zone::Eastern.behind(0);
        let midnight = (at - behind).div_euclid(DAY) * DAY + behind;
        let hour = self.hours.draw(rng).unwrap_or(20) as i64;
        let within = super::chance::between(rng, 0, HOUR);
        let moved = midnight + hour * HOUR + within;
        if (low..high).contains(&moved) { moved } else { at.clamp(low, (high - 1).max(low)) }
    }

    /// Some waking time around `mean` before `end`, not before `low` and not after `high`.
    pub(super) fn before(&self, rng: &mut Pcg64, end: i64, mean: i64, low: i64, high: i64) -> i64 {
        let mut at = end - exponential(rng, mean as f64) as i64;
        if at < low {
            at = super::chance::between(rng, low, high);
        }
        self.waking(rng, at, low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_starts_on_a_monday_and_ends_twelve_weeks_later() {
        let instant = |at: i64| jiff::Timestamp::from_microsecond(at).expect("in range").to_string();
        assert_eq!(instant(START), "2025-12-08T00:00:00Z");
        assert_eq!(instant(NOW), "2026-03-02T06:00:00Z");
        assert_eq!(wall_clock(0, 20, 0).weekday(), jiff::civil::Weekday::Monday);
        assert_eq!(wall_clock(NIGHTS - 1, 20, 30).to_string(), "2026-03-15T20:30:00");
    }

    #[test]
    fn the_fixed_offsets_are_those_of_the_time_zone_database() {
        for zone in [Zone::Eastern, Zone::Central] {
            for night in [0, 83, SUMMER - 1, SUMMER, NIGHTS - 1] {
                let local = wall_clock(night, 20, 0);
                let ours = START + night as i64 * DAY + 20 * HOUR + zone.behind(night);
                let theirs = local.in_tz(zone.name()).expect("a known zone").timestamp().as_microsecond();
                assert_eq!(ours, theirs, "{} {local}", zone.name());
            }
        }
    }
}
