//! Sharing: sub-critical cascades of content over the follow graph.
//!
//! A share by `s` makes each follower who has not shared that content yet share it with probability
//! `min(MOST, p · strength(s))`, some hours later. `p` is solved for, so that the expected pooled R (caused shares per
//! share) is the target whatever the follow graph looks like.

use rand_pcg::Pcg64;

use super::calendar::{Clock, DAY, HOUR, MINUTE, NOW, START};
use super::chance::{Purpose, Weighted, exponential, happens, message_id, one_of, poisson, stream};
use super::people::{Fan, People};
use super::programme::Programme;
use super::touches::{Follow, Life, received};
use super::truth::Cascades;
use crate::sources::rows::{Touch, TouchRow};

/// The pooled R aimed at, before shares that would have come after the end of the history are cut off.
const TARGET: f64 = 0.55;
/// No follower shares with more than this probability.
const MOST: f64 = 0.6;
/// Root shares per person.
const ROOTS: f64 = 0.27;
/// How many caused shares lost their `parent_share_id`.
const LOST: f64 = 0.07;

/// Who follows whom, the other way round: everybody's followers and since when.
#[derive(Debug)]
pub(super) struct Followers {
    offsets: Vec<u32>,
    followers: Vec<(u32, i64)>,
}

impl Followers {
    /// From all follows; followers of one fan lie by index.
    pub(super) fn new(people: usize, follows: &[Follow]) -> Self {
        let mut sorted: Vec<&Follow> = follows.iter().collect();
        sorted.sort_unstable_by_key(|f| (f.followed, f.follower));
        let mut offsets = vec![0; people + 1];
        for follow in follows {
            offsets[follow.followed as usize + 1] += 1;
        }
        for i in 0..people {
            offsets[i + 1] += offsets[i];
        }
        Self { offsets, followers: sorted.iter().map(|f| (f.follower, f.at)).collect() }
    }

    /// Followers of a fan.
    pub(super) fn of(&self, fan: usize) -> &[(u32, i64)] {
        &self.followers[self.offsets[fan] as usize..self.offsets[fan + 1] as usize]
    }
}

/// Everything shared in one cascade forest.
#[derive(Debug, Default)]
pub(super) struct Spread {
    pub touches: Vec<TouchRow>,
    pub generations: Vec<u64>,
    pub lost: u64,
    pub largest: u64,
}

/// What all cascades read.
#[derive(Debug)]
pub(super) struct Air<'a> {
    seed: u64,
    people: &'a People,
    programme: &'a Programme,
    lives: &'a [Life],
    followers: &'a Followers,
    talkers: Weighted,
    clock: Clock,
    pub probability: f64,
    total: f64,
}

struct Share {
    who: usize,
    at: i64,
    parent: Option<usize>,
    root: usize,
    generation: usize,
}

impl<'a> Air<'a> {
    pub(super) fn new(
        seed: u64,
        people: &'a People,
        programme: &'a Programme,
        lives: &'a [Life],
        followers: &'a Followers,
    ) -> Self {
        let talkers = Weighted::new((0_u32..).zip(people.fans.iter().map(|f| f.talkative)));
        let probability = calibrate(&people.fans, followers, talkers.total());
        let total = programme.events.iter().map(|e| e.weight).sum();
        Self { seed, people, programme, lives, followers, talkers, clock: Clock::new(), probability, total }
    }

    /// The cascades of the content about the `index`-th event.
    pub(super) fn spread(&self, index: usize) -> Spread {
        let mut rng = stream(self.seed, Purpose::Cascade, index as u64);
        let event = &self.programme.events[index];
        let roots = poisson(&mut rng, ROOTS * self.people.fans.len() as f64 * event.weight / self.total);
        let url = format!("https://sonik.example/e/{}", event.row);
        let mut shares: Vec<Share> = Vec::new();
        for _ in 0..roots {
            let Some(who) = self.talkers.draw(&mut rng).filter(|w| shares.iter().all(|s| s.who != *w)) else {
                continue;
            };
            let low = (START + 2 * DAY).max(event.start - 28 * DAY);
            let end = (event.start + if happens(&mut rng, 0.15) { 3 * DAY } else { 0 }).min(NOW);
            if end - HOUR <= low {
                continue;
            }
            let at = self.clock.before(&mut rng, end - HOUR, 5 * DAY, low, end);
            shares.push(Share { who, at, parent: None, root: shares.len(), generation: 0 });
        }
        let mut next = 0;
        while next < shares.len() {
            self.pass_on(&mut rng, next, &mut shares);
            next += 1;
        }
        self.write(&mut rng, index, &url, &shares)
    }

    fn pass_on(&self, rng: &mut Pcg64, from: usize, shares: &mut Vec<Share>) {
        let Share { who, at, root, generation, .. } = shares[from];
        let probability = (self.probability * self.people.fans[who].strength).min(MOST);
        for &(follower, since) in self.followers.of(who) {
            let follower = follower as usize;
            if since >= at || !happens(rng, probability) || shares.iter().any(|s| s.who == follower) {
                continue;
            }
            let delay = 5 * MINUTE + exponential(rng, (9 * HOUR) as f64) as i64;
            let then = self.clock.waking(rng, at + delay, at + 2 * MINUTE, i64::MAX);
            if then < NOW - MINUTE {
                shares.push(Share {
                    who: follower,
                    at: then,
                    parent: Some(from),
                    root,
                    generation: generation + 1,
                });
            }
        }
    }

    fn write(&self, rng: &mut Pcg64, index: usize, url: &str, shares: &[Share]) -> Spread {
        let mut spread = Spread::default();
        let mut sizes = vec![0_u64; shares.len()];
        for (n, share) in shares.iter().enumerate() {
            sizes[share.root] += 1;
            if spread.generations.len() <= share.generation {
                spread.generations.resize(share.generation + 1, 0);
            }
            spread.generations[share.generation] += 1;
            let device = &self.lives[share.who].devices[0];
            let known = device.identified.is_some_and(|at| at <= share.at);
            let parent = share.parent.filter(|_| {
                let lost = happens(rng, LOST);
                spread.lost += u64::from(lost);
                !lost
            });
            let friend = share.parent.is_some();
            spread.touches.push(TouchRow {
                id: message_id(Purpose::Cascade, index, n),
                at: share.at,
                received_at: received(rng, share.at, false),
                anonymous_id: Some(device.anonymous_id.clone()),
                user_id: known.then(|| self.people.fans[share.who].user_id.clone()),
                touch: Touch::Shared {
                    // Trackers hang on to a link that was passed on.
                    content_url: Some(if friend && happens(rng, 0.3) {
                        format!("{url}?utm_source=friend")
                    } else {
                        url.to_owned()
                    }),
                    event: Some(self.programme.events[index].row.clone()),
                    channel: Some(
                        one_of(rng, &["messenger", "messenger", "story", "copy_link", "email"]).to_owned(),
                    ),
                    parent: parent.map(|p| message_id(Purpose::Cascade, index, p)),
                },
                source: friend.then(|| "friend".to_owned()),
                medium: friend.then(|| "referral".to_owned()),
                ..TouchRow::default()
            });
        }
        spread.largest = sizes.into_iter().max().unwrap_or(0);
        spread
    }
}

/// Sums up all cascades.
pub(super) fn summary<'a>(probability: f64, spreads: impl Iterator<Item = &'a Spread>) -> Cascades {
    let mut all = Cascades { target_r: TARGET, edge_probability: probability, ..Cascades::default() };
    for spread in spreads {
        all.contents += u64::from(!spread.touches.is_empty());
        all.parents_lost += spread.lost;
        all.largest = all.largest.max(spread.largest);
        if all.generations.len() < spread.generations.len() {
            all.generations.resize(spread.generations.len(), 0);
        }
        for (sum, n) in all.generations.iter_mut().zip(&spread.generations) {
            *sum += n;
        }
    }
    all.shares = all.generations.iter().sum();
    all.roots = all.generations.first().copied().unwrap_or(0);
    if all.shares > 0 {
        let caused = all.shares - all.roots;
        all.pooled_r = caused as f64 / all.shares as f64;
        all.pooled_r_explicit = (caused - all.parents_lost) as f64 / all.shares as f64;
    }
    all
}

/// The ordinary probability per follower at which the expected pooled R is [`TARGET`].
///
/// In expectation a forest of N shares with pooled R has N(1 − R) roots; N is summed generation by generation and
/// grows with p, so bisection finds it. O(40 · 25 · (people + follows)).
fn calibrate(fans: &[Fan], followers: &Followers, total: f64) -> f64 {
    let wanted = 1.0 / (1.0 - TARGET);
    let (mut low, mut high) = (0.0, MOST);
    for _ in 0..25 {
        let middle = f64::midpoint(low, high);
        if shares_per_root(fans, followers, total, middle, wanted) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

fn shares_per_root(fans: &[Fan], followers: &Followers, total: f64, probability: f64, enough: f64) -> f64 {
    let mut now: Vec<f64> = fans.iter().map(|f| f.talkative / total).collect();
    let mut sum = 0.0;
    for _ in 0..40 {
        let generation: f64 = now.iter().sum();
        sum += generation;
        if generation < 1e-4 || sum > enough {
            break;
        }
        let mut next = vec![0.0; fans.len()];
        for (fan, mass) in now.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            let p = (probability * fans[fan].strength).min(MOST);
            for &(follower, _) in followers.of(fan) {
                next[follower as usize] += mass * p;
            }
        }
        now = next;
    }
    sum
}
