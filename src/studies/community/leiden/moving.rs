//! The two ways in which Leiden changes a partition: nodes that move, and communities that are put together anew inside.

use std::collections::VecDeque;

use super::level::{Level, Weight};
use crate::context::{Cancelled, Step, TICK_EVERY};

/// Gains below this part of a node's strength are rounding.
const ROUNDING: f64 = 1e-12;

/// Nodes of one level with what their moves are weighed by.
pub(super) struct Moving<'a, W> {
    pub level: &'a Level<W>,
    /// Weight of the arcs of every node, those inside of it included.
    pub strength: &'a [f64],
    /// Resolution by twice the weight of all edges (γ/2m).
    pub factor: f64,
}

impl<W: Weight> Moving<'_, W> {
    /// Moves nodes to the best of their neighbours' communities, or to one of their own, until nobody gains; in `order`,
    /// and then those whose neighbours moved (`MoveNodesFast`). Says how many moves that took.
    pub(super) fn settle(&self, of: &mut [u32], order: Vec<u32>, step: &Step) -> Result<u64, Cancelled> {
        let nodes = of.len();
        // Of communities: weight of the arcs from a node, nothing between two nodes; strengths and numbers of members.
        let mut to = vec![W::default(); nodes];
        let mut whole = vec![0.0; nodes];
        let mut sizes = vec![0u32; nodes];
        for (v, &c) in of.iter().enumerate() {
            whole[c as usize] += self.strength[v];
            sizes[c as usize] += 1;
        }
        let mut empty: Vec<u32> = (0..nodes as u32).rev().filter(|&c| sizes[c as usize] == 0).collect();
        let mut waits = vec![false; nodes];
        for &v in &order {
            waits[v as usize] = true;
        }
        let mut queue = VecDeque::from(order);
        let mut touched: Vec<u32> = Vec::new();
        let (mut moves, mut looked) = (0, 0u64);
        while let Some(v) = queue.pop_front() {
            if looked.is_multiple_of(TICK_EVERY) {
                step.tick(looked.min(nodes as u64), Some(nodes as u64))?;
            }
            looked += 1;
            waits[v as usize] = false;
            let own = of[v as usize];
            self.level.each(v, |w, weight| {
                let c = of[w as usize];
                let to = &mut to[c as usize];
                if *to == W::default() {
                    touched.push(c);
                }
                *to += weight;
            });
            let strength = self.strength[v as usize];
            let cost = self.factor * strength;
            let stay = to[own as usize].number() - cost * (whole[own as usize] - strength);
            let mut best = (own, stay + ROUNDING * strength);
            for c in touched.drain(..) {
                let gain = std::mem::take(&mut to[c as usize]).number() - cost * whole[c as usize];
                if gain > best.1 && c != own {
                    best = (c, gain);
                }
            }
            if best.1 < 0.0 && sizes[own as usize] > 1 {
                // Fewer communities than nodes have members, so that one has none.
                best.0 = empty.pop().unwrap_or(own);
            }
            let new = best.0;
            if new == own {
                continue;
            }
            moves += 1;
            of[v as usize] = new;
            whole[own as usize] -= strength;
            whole[new as usize] += strength;
            sizes[own as usize] -= 1;
            sizes[new as usize] += 1;
            if sizes[own as usize] == 0 {
                whole[own as usize] = 0.0;
                empty.push(own);
            }
            self.level.each(v, |w, _| {
                if of[w as usize] != new && !waits[w as usize] {
                    waits[w as usize] = true;
                    queue.push_back(w);
                }
            });
        }
        Ok(moves)
    }

    /// Puts every community of `of` together anew from single nodes, each of which joins the part of its community where
    /// it gains most, if it and the part are well connected to the rest (`RefinePartition`). Parts are named by a member, and
    /// connected.
    pub(super) fn refined(&self, of: &[u32], order: &[u32], step: &Step) -> Result<Vec<u32>, Cancelled> {
        let nodes = of.len();
        let mut whole = vec![0.0; nodes];
        of.iter().zip(self.strength).for_each(|(&c, strength)| whole[c as usize] += strength);
        let mut parts: Vec<u32> = (0..nodes as u32).collect();
        // Of parts: weight of the arcs from a node, nothing between two nodes, and strengths of members.
        let mut to = vec![W::default(); nodes];
        let mut held = self.strength.to_vec();
        // Weight of the arcs between a part and the rest of its community.
        let mut outer = vec![0.0f64; nodes];
        for (v, outer) in (0..).zip(&mut outer) {
            let own = of[v as usize];
            let mut sum = W::default();
            self.level.each(v, |w, weight| {
                if of[w as usize] == own {
                    sum += weight;
                }
            });
            *outer = sum.number();
        }
        let mut joined = vec![false; nodes];
        let mut touched: Vec<u32> = Vec::new();
        for (i, &v) in order.iter().enumerate() {
            if (i as u64).is_multiple_of(TICK_EVERY) {
                step.tick(i as u64, Some(nodes as u64))?;
            }
            let strength = self.strength[v as usize];
            let all = whole[of[v as usize] as usize];
            if joined[v as usize] || outer[v as usize] < self.factor * strength * (all - strength) {
                continue;
            }
            self.level.each(v, |w, weight| {
                if of[w as usize] == of[v as usize] {
                    let part = parts[w as usize];
                    let to = &mut to[part as usize];
                    if *to == W::default() {
                        touched.push(part);
                    }
                    *to += weight;
                }
            });
            let mut best = None;
            for part in touched.drain(..) {
                let to = std::mem::take(&mut to[part as usize]).number();
                let held = held[part as usize];
                let is_connected = outer[part as usize] >= self.factor * held * (all - held);
                let gain = to - self.factor * strength * held;
                if is_connected && gain >= best.map_or(0.0, |(_, _, best)| best) {
                    best = Some((part, to, gain));
                }
            }
            if let Some((part, to, _)) = best {
                parts[v as usize] = part;
                joined[part as usize] = true;
                held[part as usize] += strength;
                outer[part as usize] += outer[v as usize] - 2.0 * to;
            }
        }
        Ok(parts)
    }
}
