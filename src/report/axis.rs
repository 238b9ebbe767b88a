//! Where a value lies on a figure, and which values are written beside it.

use super::numbers;

/// How the values along an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// As numbers.
    Number,
    /// As percentages of one.
    Percent,
    /// As spans of time; values are seconds.
    Duration,
}

impl Reads {
    /// Reads off an axis' label and largest value how its values want to be written.
    pub fn of(label: &str, largest: f64) -> Self {
        let label = label.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|w| label.contains(w));
        if largest <= 1.0 && says(&["share", "rate", "probability", "proportion"]) {
            Self::Percent
        } else if says(&["(s)", "seconds"]) {
            Self::Duration
        } else {
            Self::Number
        }
    }

    /// Writes a round value, as beside an axis.
    pub fn tick(self, x: f64) -> String {
        match self {
            Self::Percent => numbers::round_percent(x),
            Self::Duration => numbers::duration(x),
            Self::Number => numbers::number(x),
        }
    }

    /// Writes measured values, all alike.
    pub fn values(self, values: impl Iterator<Item = f64> + Clone) -> impl Fn(f64) -> String {
        let aligned = numbers::aligned(values);
        move |x| match self {
            Self::Percent => numbers::percent(x),
            Self::Duration => numbers::duration(x),
            Self::Number => aligned(x),
        }
    }
}

/// A straight or logarithmic scale between two pixel positions.
#[derive(Debug, Clone)]
pub struct Axis {
    log: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// Values that are written beside the axis, rising.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A straight axis that covers `low..=high` and ends on round values, with about `most` ticks.
    pub fn linear((low, high): (f64, f64), (from, to): (f64, f64), most: u32, whole: bool) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let mut step = nice_step((high - low) / f64::from(most.max(1)));
        if whole {
            step = step.max(1.0);
        }
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        // Multiplying by the step's inverse keeps 0.3 from becoming 0.30000000000000004.
        let at = |i: f64| if step < 1.0 { i / (1.0 / step).round() } else { i * step };
        let ticks = (0..=(last - first) as u32).map(|i| at(first + f64::from(i))).collect();
        Self { log: false, low: at(first), high: at(last), from, to, ticks }
    }

    /// A logarithmic axis that covers `low..=high`, both positive.
    pub fn log((low, high): (f64, f64), (from, to): (f64, f64), most: usize) -> Self {
        let all: Vec<f64> = (low.log10().floor() as i32..=high.log10().ceil() as i32)
            .flat_map(|e| [1.0, 2.0, 5.0].map(|m| if e < 0 { m / 10f64.powi(-e) } else { m * 10f64.powi(e) }))
            .collect();
        // The longest run of 1–2–5 values that just holds the data.
        let begin = all.iter().rposition(|&t| t <= low * (1.0 + 1e-12)).unwrap_or(0);
        let end = all.iter().position(|&t| t >= high * (1.0 - 1e-12)).unwrap_or(all.len() - 1).max(begin + 1);
        let run = &all[begin..=end.min(all.len() - 1)];
        let decades: Vec<f64> =
            run.iter().copied().filter(|t| (t.log10() - t.log10().round()).abs() < 1e-9).collect();
        let ticks = if run.len() <= most.max(4) || decades.len() < 2 {
            run.to_vec()
        } else {
            let every = decades.len().div_ceil(most.max(1));
            decades.into_iter().step_by(every).collect()
        };
        Self { log: true, low: run[0], high: run[run.len() - 1], from, to, ticks }
    }

    /// The pixel position of a value; on a logarithmic axis it must be positive.
    pub fn at(&self, x: f64) -> f64 {
        let part = if self.log {
            (x / self.low).ln() / (self.high / self.low).ln()
        } else {
            (x - self.low) / (self.high - self.low)
        };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// The smallest of 1, 2, 5 × 10ᵏ that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = rough.log10().floor() as i32;
    let unit = if power < 0 { 1.0 / 10f64.powi(-power) } else { 10f64.powi(power) };
    [1.0, 2.0, 5.0].into_iter().map(|m| m * unit).find(|s| *s >= rough * (1.0 - 1e-9)).unwrap_or(10.0 * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_axis_ends_on_round_values() {
        let axis = Axis::linear((0.0, 0.37), (0.0, 100.0), 4, false);
        assert_eq!(axis.ticks, [0.0, 0.1, 0.2, 0.3, 0.4]);
        assert!((axis.at(0.2) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_counts_has_no_half_ticks() {
        assert_eq!(Axis::linear((0.0, 2.0), (0.0, 1.0), 8, true).ticks, [0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_logarithmic_axis_shows_decades_and_fills_up_a_short_one() {
        assert_eq!(Axis::log((1.0, 4_000.0), (0.0, 1.0), 5).ticks, [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(Axis::log((1.0, 9.0), (0.0, 1.0), 5).ticks, [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(Axis::log((3.0, 3.0), (0.0, 1.0), 5).ticks, [2.0, 5.0]);
    }

    #[test]
    fn a_single_value_still_makes_an_axis() {
        let axis = Axis::linear((5.0, 5.0), (0.0, 10.0), 4, true);
        assert!(axis.ticks.len() >= 2 && axis.at(5.0).is_finite());
    }
}
