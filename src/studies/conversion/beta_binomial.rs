//! Empirical-Bayes shrinkage of rates: how much a small sample's rate should be drawn towards everybody's.
//!
//! Rates are taken as drawn from one Beta(α, β), fitted to all counts by maximum likelihood (J. G. Skellam: *A Probability
//! Distribution Derived from the Binomial by Regarding the Probability of Success as Variable*, 1948; empirical Bayes
//! after B. Efron, C. Morris, 1975). The likelihood is concave in the mean α/(α+β) for a given strength α+β, where a
//! golden-section search finds the best mean without derivatives. Of the strength it may have two hills (one near "some rates are
//! apart", one towards "no spread beyond chance", as for 23 of 29 beside 0 of 2), so steps over all strengths find the higher one
//! before a golden-section search climbs it. Counts that occur twice are weighed, not repeated.

use std::collections::BTreeMap;

use statrs::function::gamma::ln_gamma;

/// Strengths considered, as logarithms: a prior worth a hundredth of an observation up to one worth a million, which is
/// "no spread beyond chance".
const LOG_STRENGTH: (f64, f64) = (-4.6, 13.8);
/// Steps over them in search of the highest hill, 0.4 apart.
const STEPS: u32 = 46;
/// Golden sections; each takes 38 % off, so the last lies within 1e-12 of the first.
const SECTIONS: u32 = 60;

/// A Beta distribution that rates are drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Successes it is worth.
    pub alpha: f64,
    /// Failures it is worth.
    pub beta: f64,
}

impl Prior {
    /// The prior under which the counts `(successes, trials)` are likeliest; `None` without a trial.
    ///
    /// O(distinct counts).
    ///
    /// ```
    /// use sonograph::studies::conversion::beta_binomial::Prior;
    ///
    /// let prior = Prior::fit(&[(1, 1), (30, 100), (25, 100), (33, 100)]).expect("there are trials");
    /// // One conversion of one is no rate of 100 %.
    /// assert!(prior.shrink(1, 1) < 0.4);
    /// ```
    pub fn fit(counts: &[(u64, u64)]) -> Option<Self> {
        let mut distinct = BTreeMap::new();
        for &count in counts.iter().filter(|(_, trials)| *trials > 0) {
            *distinct.entry(count).or_insert(0.0) += 1.0;
        }
        if distinct.is_empty() {
            return None;
        }
        let distinct: Vec<_> = distinct.into_iter().collect();
        let successes: u64 = counts.iter().map(|c| c.0).sum();
        let trials: u64 = counts.iter().map(|c| c.1).sum();
        if successes == 0 || successes == trials {
            // The likelihood rises without end towards a rate of exactly 0 or 1; Jeffreys' half keeps it off.
            let (a, b) = (successes as f64 + 0.5, (trials - successes) as f64 + 0.5);
            return Some(Self { alpha: a, beta: b });
        }
        let best_mean = |log_strength: f64| {
            let likelihood = |mean: f64| log_likelihood(&distinct, &Self::of(mean, log_strength.exp()));
            highest(likelihood, (1e-9, 1.0 - 1e-9))
        };
        let profile = |log_strength: f64| {
            log_likelihood(&distinct, &Self::of(best_mean(log_strength), log_strength.exp()))
        };
        let log_strength = highest(profile, around_highest(profile, LOG_STRENGTH));
        Some(Self::of(best_mean(log_strength), log_strength.exp()))
    }

    fn of(mean: f64, strength: f64) -> Self {
        Self { alpha: mean * strength, beta: (1.0 - mean) * strength }
    }

    /// The rate to expect after seeing `successes` of `trials`.
    pub fn shrink(&self, successes: u64, trials: u64) -> f64 {
        (successes as f64 + self.alpha) / (trials as f64 + self.alpha + self.beta)
    }
}

/// Log-likelihood of the counts, binomial coefficients left out.
fn log_likelihood(counts: &[((u64, u64), f64)], prior: &Prior) -> f64 {
    let (a, b) = (prior.alpha, prior.beta);
    let base = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    let one = |(x, n): (u64, u64)| {
        ln_gamma(x as f64 + a) + ln_gamma((n - x) as f64 + b) - ln_gamma(n as f64 + a + b) + base
    };
    counts.iter().map(|&(count, times)| times * one(count)).sum()
}

/// The two steps to either side of where a function is highest among even steps over a range.
fn around_highest(f: impl Fn(f64) -> f64, (low, high): (f64, f64)) -> (f64, f64) {
    let step = (high - low) / f64::from(STEPS);
    let best = (0..=STEPS)
        .map(|i| low + f64::from(i) * step)
        .map(|x| (x, f(x)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(low, |(x, _)| x);
    ((best - step).max(low), (best + step).min(high))
}

/// Where a function with one hill is highest within a range.
fn highest(f: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    let golden = (5.0f64.sqrt() - 1.0) / 2.0;
    let (mut x, mut y) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_x, mut at_y) = (f(x), f(y));
    for _ in 0..SECTIONS {
        if at_x < at_y {
            (low, x, at_x) = (x, y, at_y);
            y = low + golden * (high - low);
            at_y = f(y);
        } else {
            (high, y, at_y) = (y, x, at_x);
            x = high - golden * (high - low);
            at_x = f(x);
        }
    }
    f64::midpoint(low, high)
}

/// The likelihood as products of single draws from Pólya's urn, and its maximum on a grid.
#[cfg(test)]
mod oracle {
    use super::Prior;

    pub(super) fn log_likelihood(counts: &[(u64, u64)], prior: &Prior) -> f64 {
        let draws = |from: f64, times: u64| (0..times).map(|i| (from + i as f64).ln()).sum::<f64>();
        let one = |&(x, n): &(u64, u64)| {
            draws(prior.alpha, x) + draws(prior.beta, n - x) - draws(prior.alpha + prior.beta, n)
        };
        counts.iter().map(one).sum()
    }

    pub(super) fn best_on_grid(counts: &[(u64, u64)]) -> f64 {
        let mut best = f64::NEG_INFINITY;
        for mean in 1..200 {
            for strength in 0..60 {
                let prior = Prior::of(f64::from(mean) / 200.0, (-2.0 + f64::from(strength) * 0.2).exp());
                best = best.max(log_likelihood(counts, &prior));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_point_of_a_grid_is_likelier(draws in prop::collection::vec((1u64..40, 0.0f64..1.0), 2..8)) {
            let counts: Vec<_> = draws.iter().map(|&(n, share)| ((share * n as f64) as u64, n)).collect();
            let mixed = counts.iter().any(|c| c.0 > 0) && counts.iter().any(|c| c.0 < c.1);
            if let (Some(prior), true) = (Prior::fit(&counts), mixed) {
                prop_assert!(oracle::log_likelihood(&counts, &prior) >= oracle::best_on_grid(&counts) - 1e-3);
            }
        }

        #[test]
        fn a_shrunk_rate_lies_between_its_own_and_everybodys(draws in prop::collection::vec((1u64..200, 0.0f64..1.0), 1..6)) {
            let counts: Vec<_> = draws.iter().map(|&(n, share)| ((share * n as f64) as u64, n)).collect();
            let prior = Prior::fit(&counts).expect("there are trials");
            let mean = prior.alpha / (prior.alpha + prior.beta);
            for &(x, n) in &counts {
                let (rate, shrunk) = (x as f64 / n as f64, prior.shrink(x, n));
                prop_assert!(rate.min(mean) - 1e-12 <= shrunk && shrunk <= rate.max(mean) + 1e-12);
            }
        }
    }

    #[test]
    fn the_higher_of_two_hills_is_found() {
        for counts in [
            vec![(23, 29), (0, 2)],
            vec![(25, 32), (0, 2)],
            vec![(0, 1), (16, 17)],
            vec![(0, 1), (11, 14), (0, 1)],
            vec![(8, 39), (0, 11)],
        ] {
            let prior = Prior::fit(&counts).expect("there are trials");
            assert!(
                oracle::log_likelihood(&counts, &prior) >= oracle::best_on_grid(&counts) - 1e-6,
                "{counts:?} {prior:?}"
            );
        }
    }

    #[test]
    fn equal_rates_shrink_all_the_way_and_different_ones_hardly() {
        let alike = Prior::fit(&[(10, 100), (20, 200), (5, 50), (1, 10)]).expect("there are trials");
        assert!((alike.shrink(1, 1) - 0.1).abs() < 1e-3);
        let apart =
            Prior::fit(&[(500, 1_000), (10, 1_000), (900, 1_000), (200, 1_000)]).expect("there are trials");
        assert!((apart.shrink(10, 1_000) - 0.01).abs() < 5e-3);
    }

    #[test]
    fn nobody_everybody_and_nothing_are_no_trouble() {
        assert_eq!(Prior::fit(&[]), None);
        assert_eq!(Prior::fit(&[(0, 0)]), None);
        let none = Prior::fit(&[(0, 5), (0, 3)]).expect("there are trials");
        assert!(none.shrink(0, 5) < 0.06);
        let all = Prior::fit(&[(5, 5)]).expect("there are trials");
        assert!(all.shrink(5, 5) > 0.9);
    }

    #[test]
    fn the_likelihood_is_that_of_single_draws() {
        let prior = Prior { alpha: 1.3, beta: 4.2 };
        let counts = [(3, 10), (3, 10), (0, 2)];
        let grouped = log_likelihood(&[((3, 10), 2.0), ((0, 2), 1.0)], &prior);
        assert!((grouped - oracle::log_likelihood(&counts, &prior)).abs() < 1e-9);
    }
}
