//! Seeded streams and the few distributions the city draws from.
//!
//! Every entity owns a stream derived from the city's seed, a purpose and its index, so what happens to one fan does
//! not depend on how many threads made the others, nor on what was drawn for them.

use rand::RngExt as _;
use rand::distr::Distribution as _;
use rand_distr::{Exp1, Poisson};
use rand_pcg::Pcg64;

/// What a stream is for; part of its seed, so two purposes never share numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Venue = 1,
    Artist,
    Promoter,
    Event,
    Trait,
    Life,
    Lead,
    Cascade,
    Company,
    Contact,
    Entity,
    Hidden,
    Duplicate,
    Degree,
    Edge,
    Shuffle,
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): a bijection on 64 bits.
pub(super) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The stream of entity `index` for `purpose`.
pub(super) fn stream(seed: u64, purpose: Purpose, index: u64) -> Pcg64 {
    let low = mix(mix(seed ^ mix(purpose as u64)) ^ index);
    let high = mix(low ^ 0x5851_f42d_4c95_7f2d);
    Pcg64::new(u128::from(high) << 64 | u128::from(low), (purpose as u128) << 64 | u128::from(index))
}

/// A message id that no other (purpose, entity, local) has: [`mix`] is a bijection and the key is unique.
pub(super) fn message_id(purpose: Purpose, entity: usize, local: usize) -> String {
    let key = (purpose as u64) << 56 | (entity as u64) << 20 | local as u64;
    format!("msg-{:016x}", mix(key))
}

/// A version 4 uuid from the stream.
pub(super) fn uuid(rng: &mut Pcg64) -> String {
    let bits: u128 = rng.random::<u128>() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Whether something of this probability happens.
pub(super) fn happens(rng: &mut Pcg64, probability: f64) -> bool {
    rng.random::<f64>() < probability
}

/// One of the items, each as likely.
pub(super) fn one_of<T: Copy>(rng: &mut Pcg64, items: &[T]) -> T {
    items[rng.random_range(0..items.len())]
}

/// A whole number in `low..high`; `low` where the range is empty.
pub(super) fn between(rng: &mut Pcg64, low: i64, high: i64) -> i64 {
    if high <= low { low } else { rng.random_range(low..high) }
}

/// Poisson with the given mean; 0 for a mean of 0.
pub(super) fn poisson(rng: &mut Pcg64, mean: f64) -> usize {
    Poisson::new(mean).map_or(0, |d| d.sample(rng) as usize)
}

/// Exponential with the given mean.
pub(super) fn exponential(rng: &mut Pcg64, mean: f64) -> f64 {
    let unit: f64 = rng.sample(Exp1);
    unit * mean
}

/// Lomax (Pareto II): many small, a few very large. `tail` > 1 is the exponent; cut at `most`.
pub(super) fn lomax(rng: &mut Pcg64, mean: f64, tail: f64, most: f64) -> f64 {
    let u: f64 = rng.random();
    (mean * (tail - 1.0) * ((1.0 - u).powf(-1.0 / tail) - 1.0)).min(most)
}

/// Draws indices in proportion to weights in O(log n).
#[derive(Debug, Clone, Default)]
pub(super) struct Weighted {
    index: Vec<u32>,
    cumulative: Vec<f64>,
}

impl Weighted {
    /// From pairs of an index and its weight; weights of 0 are never drawn.
    pub(super) fn new(weights: impl IntoIterator<Item = (u32, f64)>) -> Self {
        let mut drawn = Self::default();
        let mut sum = 0.0;
        for (index, weight) in weights {
            if weight > 0.0 {
                sum += weight;
                drawn.index.push(index);
                drawn.cumulative.push(sum);
            }
        }
        drawn
    }

    /// An index, or `None` where there is nothing to draw.
    pub(super) fn draw(&self, rng: &mut Pcg64) -> Option<usize> {
        let total = *self.cumulative.last()?;
        let at = rng.random::<f64>() * total;
        let position = self.cumulative.partition_point(|&c| c <= at).min(self.index.len() - 1);
        Some(self.index[position] as usize)
    }

    /// Sum of the weights.
    pub(super) fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_purpose_and_index() {
        let first = |seed, purpose, index| stream(seed, purpose, index).random::<u64>();
        let base = first(7, Purpose::Venue, 3);
        assert_eq!(base, first(7, Purpose::Venue, 3));
        assert_ne!(base, first(8, Purpose::Venue, 3));
        assert_ne!(base, first(7, Purpose::Artist, 3));
        assert_ne!(base, first(7, Purpose::Venue, 4));
    }

    #[test]
    fn a_uuid_is_of_version_four() {
        let text = uuid(&mut stream(1, Purpose::Venue, 0));
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]));
    }

    #[test]
    fn draws_follow_the_weights() {
        let table = Weighted::new([(4, 1.0), (9, 0.0), (2, 3.0)]);
        let mut rng = stream(1, Purpose::Lead, 0);
        let twos = (0..8_000).filter(|_| table.draw(&mut rng) == Some(2)).count();
        assert!((5_800..6_200).contains(&twos), "{twos} of 8000");
        assert_eq!(Weighted::default().draw(&mut rng), None);
    }

    #[test]
    fn the_mean_of_a_lomax_is_the_one_asked_for() {
        let mut rng = stream(1, Purpose::Trait, 0);
        let sum: f64 = (0..40_000).map(|_| lomax(&mut rng, 4.0, 3.0, f64::INFINITY)).sum();
        assert!((sum / 40_000.0 - 4.0).abs() < 0.2, "{}", sum / 40_000.0);
    }
}
