//! A plan in numbers, samples and a digest: what people see of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::digest::Digest;
use super::keys::{EdgeKey, NameHash, discriminator};
use super::plan::{EdgeChanges, NodeChanges, Plan, compared, set_of};
use super::report::{Conflict, Note};
use super::resolved::Properties;
use super::sweep::HeldBack;
use super::uids::Uids;
use crate::ontology::{Label, Relation};
use crate::snapshot::tables::assemble::NodeRow;

/// How many changes of a kind are shown as samples: the smallest in byte order.
const SAMPLES: usize = 3;

const CLAIMED: &str = "a source claims it and the graph lacks it";
const UNCLAIMED: &str = "no source claims it any more";

/// How many changes of one label or relation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New ones.
    pub create: u64,
    /// Changed ones.
    pub update: u64,
    /// Gone ones.
    pub delete: u64,
}

impl Counts {
    fn add(&mut self, create: usize, update: usize, delete: usize) {
        self.create += create as u64;
        self.update += update as u64;
        self.delete += delete as u64;
    }

    /// All changes.
    pub fn total(self) -> u64 {
        self.create + self.update + self.delete
    }
}

/// The plan in numbers and samples: what `mirror plan` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// By label, all of them.
    pub nodes: BTreeMap<&'static str, Counts>,
    /// By relation, all of them.
    pub edges: BTreeMap<&'static str, Counts>,
    /// The first few changes of each kind and why.
    pub samples: Vec<Sample>,
    /// What the sources contradict each other in.
    pub conflicts: Vec<Conflict>,
    /// What was left out or left open.
    pub notes: Vec<Note>,
    /// Tables and relations that shrank too much to be swept.
    pub held_back: Vec<HeldBack>,
    /// Names exactly this plan: SHA-256 over every change of it, and over what it holds back, as 64 hexadecimal digits. Two
    /// plans that would write the same and hold back the same have the same.
    pub digest: String,
}

/// One change and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Label or relation.
    pub of: &'static str,
    /// `create`, `update` or `delete`.
    pub change: &'static str,
    /// The node's uid, or `src → dst`.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Plan<'_> {
    /// Whether the graph is already what the sources claim.
    pub fn is_empty(&self) -> bool {
        let (nodes, edges) = self.counts();
        nodes.values().chain(edges.values()).all(|counts| counts.total() == 0)
    }

    pub(super) fn counts(&self) -> (BTreeMap<&'static str, Counts>, BTreeMap<&'static str, Counts>) {
        let mut nodes: BTreeMap<_, _> = Label::ALL.iter().map(|l| (l.name(), Counts::default())).collect();
        let mut edges: BTreeMap<_, _> = Relation::ALL.iter().map(|r| (r.name(), Counts::default())).collect();
        for (label, changes) in &self.nodes {
            let counts = nodes.entry(label.name()).or_default();
            counts.add(changes.create.len(), changes.update.len(), changes.delete.len());
        }
        for ((relation, ..), changes) in &self.edges {
            let counts = edges.entry(relation.name()).or_default();
            counts.add(changes.create.len(), changes.update.len(), changes.deletions());
        }
        (nodes, edges)
    }

    /// The plan in numbers, samples and its digest. Reads every row that would be written, one at a time.
    ///
    /// # Errors
    /// When rows that were kept aside cannot be read.
    pub fn summary(&self) -> Result<Summary, MirrorError> {
        let (nodes, edges) = self.counts();
        let mut telling = Telling { plan: self, digest: Digest::default(), samples: Vec::new() };
        for (label, changes) in &self.nodes {
            telling.nodes(*label, changes)?;
        }
        for ((relation, from, to), changes) in &self.edges {
            telling.digest.add(&(relation, from, to));
            telling.edges(*relation, changes)?;
        }
        if self.nodes.values().any(|changes| !changes.delete.is_empty()) {
            telling.digest.add(&self.resolved.clock);
        }
        // Whoever looked at the plan was told this too; without it, one that is held back whole would be called as an empty one.
        for held in &self.held_back {
            telling.digest.add(&("held back", held));
        }
        Ok(Summary {
            nodes,
            edges,
            samples: telling.samples,
            conflicts: self.conflicts.to_vec(),
            notes: self.notes.clone(),
            held_back: self.held_back.clone(),
            digest: telling.digest.finish(),
        })
    }
}

/// The smallest few of what is shown, and why.
struct Few<K>(BTreeMap<K, String>);

impl<K: Ord> Few<K> {
    fn put(&mut self, key: K, why: impl FnOnce() -> String) {
        if !self.is_full() || self.0.last_key_value().is_none_or(|(last, _)| key < *last) {
            self.0.insert(key, why());
            if self.0.len() > SAMPLES {
                self.0.pop_last();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.0.len() >= SAMPLES
    }
}

/// An edge as it is sorted for people: by uids of its ends, then what tells it from parallel ones.
type Words = (Arc<str>, Arc<str>, Option<String>);

struct Telling<'p> {
    plan: &'p Plan<'p>,
    digest: Digest,
    samples: Vec<Sample>,
}

impl Telling<'_> {
    fn sample<K>(&mut self, of: &'static str, change: &'static str, few: Few<K>, what: impl Fn(K) -> String) {
        let samples = few.0.into_iter().map(|(key, why)| Sample { of, change, what: what(key), why });
        self.samples.extend(samples);
    }

    fn nodes(&mut self, label: Label, changes: &NodeChanges) -> Result<(), MirrorError> {
        let (plan, of) = (self.plan, label.name());
        let uid = |uid: Arc<str>| uid.to_string();
        let mut few = Few(BTreeMap::new());
        for &at in &changes.create {
            let row = plan.resolved.node(at)?;
            self.digest.add(&("create", of, &row));
            few.put(row.uid, || CLAIMED.into());
        }
        self.sample(of, "create", few, uid);
        let mut few = Few(BTreeMap::new());
        for update in &changes.update {
            let row = plan.resolved.node(update.at)?;
            let set = set_of(compared(label), update.differ, &row.properties);
            self.digest.add(&("update", of, &row.uid, &set));
            let labels = update.add.labels().chain(["-"]).chain(update.remove.labels());
            self.digest.add(&labels.collect::<Vec<_>>());
            few.put(row.uid, || {
                let set = set.iter().map(|(name, value)| match (*name, value) {
                    ("deleted_at", None) => "it is back".to_owned(),
                    (name, None) => format!("{name} is gone"),
                    (name, Some(_)) => format!("{name} differs"),
                });
                let labels = update.add.labels().map(|l| format!("is {l} now"));
                let lost = update.remove.labels().map(|l| format!("is no {l} any more"));
                let freed = (update.differ == 0 && update.frees_canonical_id)
                    .then(|| "canonical_id is another's now".to_owned());
                set.chain(labels).chain(lost).chain(freed).collect::<Vec<_>>().join(", ")
            });
        }
        self.sample(of, "update", few, uid);
        let mut few = Few(BTreeMap::new());
        for delete in &changes.delete {
            let row = plan.current.node(delete.held)?;
            self.digest.add(&("delete", of, &row.uid, delete.carries_canonical_id));
            few.put(row.uid, || UNCLAIMED.into());
        }
        self.sample(of, "delete", few, uid);
        Ok(())
    }

    fn edges(&mut self, relation: Relation, changes: &EdgeChanges) -> Result<(), MirrorError> {
        let (plan, of) = (self.plan, relation.name());
        let (resolved, current) = (plan.resolved, plan.current);
        let words = |(src, dst, which): Words| match which {
            Some(which) => format!("{src} → {dst} ({which})"),
            None => format!("{src} → {dst}"),
        };
        let wanted = |at: u32| resolved.node_key(at).name;
        let mut uids = Uids::of(|at| resolved.node(at));

        let mut few = Few(BTreeMap::new());
        for &at in &changes.create {
            let (key, properties) = (resolved.edge_key(at), resolved.edge(at)?);
            self.digest.add(&("create", ends(key, wanted), Said(&properties)));
            let which = || Ok(discriminator(relation, &properties).map(str::to_owned));
            show(&mut few, key, &mut uids, which, || CLAIMED.into())?;
        }
        self.sample(of, "create", few, words);
        let mut few = Few(BTreeMap::new());
        for update in &changes.update {
            let (key, properties) = (resolved.edge_key(update.at), resolved.edge(update.at)?);
            let set = set_of(relation.properties().iter().copied(), update.differ, &properties);
            self.digest.add(&("update", ends(key, wanted), key.which, &set));
            let which = || Ok(discriminator(relation, &properties).map(str::to_owned));
            show(&mut few, key, &mut uids, which, || {
                let set = set.iter().map(|(name, value)| match value {
                    None => format!("{name} is gone"),
                    Some(_) => format!("{name} differs"),
                });
                set.collect::<Vec<_>>().join(", ")
            })?;
        }
        self.sample(of, "update", few, words);
        let mut few = Few(BTreeMap::new());
        let mut gone = Uids::of(|at| current.node(at));
        for &key in &changes.delete {
            self.digest.add(&("delete", ends(key, |at| current.keys[at as usize].name), key.which));
            let which =
                || Ok(discriminator(relation, &current.edge(key.place())?.properties).map(str::to_owned));
            show(&mut few, key, &mut gone, which, || UNCLAIMED.into())?;
        }
        self.sample(of, "delete", few, words);
        let mut few = Few(BTreeMap::new());
        for duplicates in &changes.duplicates {
            let key = resolved.edge_key(duplicates.at);
            self.digest.add(&("duplicate", ends(key, wanted), key.which, duplicates.surplus));
            let which = || Ok(discriminator(relation, &resolved.edge(duplicates.at)?).map(str::to_owned));
            show(&mut few, key, &mut uids, which, || "duplicate".into())?;
        }
        self.sample(of, "delete", few, words);
        Ok(())
    }
}

/// What an edge says, for the digest.
#[derive(Serialize)]
struct Said<'p>(#[serde(with = "crate::ontology::names::pairs")] &'p Properties);

fn ends(key: EdgeKey, name: impl Fn(u32) -> NameHash) -> [NameHash; 2] {
    [name(key.src), name(key.dst)]
}

/// Keeps an edge that is among the smallest; edges come by source, so that few uids need be read.
fn show(
    few: &mut Few<Words>,
    key: EdgeKey,
    uids: &mut Uids<impl Fn(u32) -> Result<NodeRow, MirrorError>>,
    which: impl Fn() -> Result<Option<String>, MirrorError>,
    why: impl FnOnce() -> String,
) -> Result<(), MirrorError> {
    let src = uids.get(key.src)?;
    if few.is_full() && few.0.last_key_value().is_some_and(|((last, ..), _)| src > *last) {
        return Ok(());
    }
    few.put((src, uids.get(key.dst)?, which()?), why);
    Ok(())
}
