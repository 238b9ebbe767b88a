//! What resolving could not or would not do, counted and with samples; never guessed away.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ontology::canonical::masked;

/// How many samples a note keeps: the smallest, so that they do not depend on the order of rows.
const SAMPLES: usize = 5;

/// Something that was left out or left open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What, as a phrase that a number stands before.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// Rows or ids it happened to, the smallest few; no e-mail, no name of a person.
    pub samples: Vec<String>,
}

/// Sources that contradict each other, and what was decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// What contradicts and how it was decided.
    pub what: &'static str,
    /// Label of the things concerned.
    pub label: &'static str,
    /// The address in question; an e-mail as its hash.
    pub id: String,
    /// The source rows, in byte order.
    pub rows: Vec<String>,
}

/// Collects notes and conflicts while resolving.
#[derive(Debug, Default)]
pub(super) struct Report {
    notes: BTreeMap<&'static str, (u64, BTreeSet<String>)>,
    conflicts: BTreeSet<Conflict>,
}

impl Report {
    /// Counts something left out; e-mail addresses and telephone numbers in `sample` are not told.
    pub(super) fn note(&mut self, what: &'static str, sample: impl AsRef<str>) {
        let (count, samples) = self.notes.entry(what).or_default();
        *count += 1;
        samples.insert(masked(sample.as_ref()).into_owned());
        if samples.len() > SAMPLES {
            samples.pop_last();
        }
    }

    pub(super) fn conflict(
        &mut self,
        what: &'static str,
        label: &'static str,
        id: &str,
        rows: impl IntoIterator<Item = String>,
    ) {
        let mut rows: Vec<String> = rows.into_iter().collect();
        rows.sort_unstable();
        rows.dedup();
        self.conflicts.insert(Conflict { what, label, id: masked(id).into_owned(), rows });
    }

    pub(super) fn close(self) -> (Vec<Note>, Vec<Conflict>) {
        let note = |(what, (count, samples)): (_, (u64, BTreeSet<String>))| Note {
            what,
            count,
            samples: samples.into_iter().collect(),
        };
        (self.notes.into_iter().map(note).collect(), self.conflicts.into_iter().collect())
    }
}
