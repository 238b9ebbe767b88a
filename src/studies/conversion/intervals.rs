//! 95 % intervals of a rate from counts.
//!
//! E. B. Wilson: *Probable Inference, the Law of Succession, and Statistical Inference*, 1927, by default: it holds its
//! level from one observation on, where the textbook interval does not. Jeffreys on request (L. Brown, T. Cai,
//! A. DasGupta: *Interval Estimation for a Binomial Proportion*, 2001): the equal-tailed interval of Beta(x+½, n−x+½),
//! its outer end closed at 0 or 1 where nobody or everybody converted.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

/// The standard normal's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

/// Which interval stands beside a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Wilson's score interval
    #[default]
    Wilson,
    /// Equal-tailed, from Jeffreys' prior
    Jeffreys,
}

impl Interval {
    /// The ends of the interval for `successes` of `trials`; 0 and 1 without a trial. O(1).
    ///
    /// # Panics
    ///
    /// When there are more successes than trials.
    ///
    /// ```
    /// use sonograph::studies::conversion::intervals::Interval;
    ///
    /// let (low, high) = Interval::Wilson.of(2, 4);
    /// assert!((low - 0.1500).abs() < 1e-4 && (high - 0.8500).abs() < 1e-4);
    /// ```
    pub fn of(self, successes: u64, trials: u64) -> (f64, f64) {
        assert!(successes <= trials, "{successes} successes of {trials} trials");
        match (self, trials) {
            (_, 0) => (0.0, 1.0),
            (Self::Wilson, _) => wilson(successes, trials),
            (Self::Jeffreys, _) => jeffreys(successes, trials),
        }
    }
}

fn wilson(successes: u64, trials: u64) -> (f64, f64) {
    let n = trials as f64;
    let p = successes as f64 / n;
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends the formula is exact, its rounding is not.
    let low = if successes == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (middle + half).min(1.0) };
    (low, high)
}

fn jeffreys(successes: u64, trials: u64) -> (f64, f64) {
    let (a, b) = (successes as f64 + 0.5, (trials - successes) as f64 + 0.5);
    let quantile = |p: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        // Each turn halves the interval; after 64 it is below the spacing of doubles.
        for _ in 0..64 {
            let middle = f64::midpoint(low, high);
            if beta_reg(a, b, middle) < p { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    };
    let low = if successes == 0 { 0.0 } else { quantile(0.025) };
    let high = if successes == trials { 1.0 } else { quantile(0.975) };
    (low, high)
}

/// The same ends from what defines them: Wilson by solving |p̂−p| = z·√(p(1−p)/n) for p, Jeffreys by adding up the
/// density.
#[cfg(test)]
mod oracle {
    pub(super) fn wilson(x: u64, n: u64) -> (f64, f64) {
        let (x, n) = (x as f64, n as f64);
        let rate = x / n;
        let surplus = |p: f64| (rate - p).abs() - super::Z * (p * (1.0 - p) / n).sqrt();
        let solve = |mut inside: f64, mut outside: f64| {
            for _ in 0..200 {
                let middle = f64::midpoint(inside, outside);
                if surplus(middle) <= 0.0 { inside = middle } else { outside = middle }
            }
            inside
        };
        (solve(rate, 0.0), solve(rate, 1.0))
    }

    pub(super) fn beta_mass(a: f64, b: f64, upto: f64) -> f64 {
        // Substituting p = sin²t takes the square-root poles away.
        let integral = |end: f64| {
            let steps = 20_000;
            let width = end / f64::from(steps);
            let density = |t: f64| t.sin().powf(2.0 * a - 1.0) * t.cos().powf(2.0 * b - 1.0);
            (0..steps).map(|i| density((f64::from(i) + 0.5) * width) * width).sum::<f64>()
        };
        integral(upto.sqrt().asin()) / integral(std::f64::consts::FRAC_PI_2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn wilson_solves_the_score_equation(n in 1u64..2_000, share in 0.0f64..1.0) {
            let x = (share * n as f64).round() as u64;
            let ((low, high), (expected_low, expected_high)) = (Interval::Wilson.of(x, n), oracle::wilson(x, n));
            prop_assert!((low - expected_low).abs() < 1e-9 && (high - expected_high).abs() < 1e-9);
        }

        #[test]
        fn jeffreys_leaves_a_fortieth_on_either_side(n in 1u64..300, share in 0.0f64..1.0) {
            let x = (share * n as f64).round() as u64;
            let (low, high) = Interval::Jeffreys.of(x, n);
            let mass = |upto| oracle::beta_mass(x as f64 + 0.5, (n - x) as f64 + 0.5, upto);
            prop_assert!(x == 0 || (mass(low) - 0.025).abs() < 1e-5);
            prop_assert!(x == n || (mass(high) - 0.975).abs() < 1e-5);
        }

        #[test]
        fn an_interval_holds_its_rate_and_mirrors(n in 1u64..500, share in 0.0f64..1.0) {
            let x = (share * n as f64).round() as u64;
            for interval in [Interval::Wilson, Interval::Jeffreys] {
                let (low, high) = interval.of(x, n);
                let rate = x as f64 / n as f64;
                prop_assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
                let (other_low, other_high) = interval.of(n - x, n);
                prop_assert!((low - (1.0 - other_high)).abs() < 1e-9 && (high - (1.0 - other_low)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn published_values_are_met() {
        // 81 of 263 in Newcombe (1998), table 1: 0.2553 to 0.3662; 0 of 20: 0 to 0.1611.
        let (low, high) = Interval::Wilson.of(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        let (low, high) = Interval::Wilson.of(0, 20);
        assert!(low.abs() < 1e-15 && (high - 0.1611).abs() < 5e-5);
    }

    #[test]
    fn without_a_trial_nothing_is_known() {
        assert_eq!((Interval::Wilson.of(0, 0), Interval::Jeffreys.of(0, 0)), ((0.0, 1.0), (0.0, 1.0)));
    }
}
