//! A snapshot → the graph a study is asked of: within the memory there may be, and from its cache where it has one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use nix::sys::statvfs::statvfs;
use polars::prelude::DataFrame;

use super::{Failure, Session};
use crate::graph::{BusinessGraph, GraphBuilder, StoredGraph};
use crate::snapshot::tables::mapped::{Mapped, Of, Unusable, Writer};
use crate::snapshot::tables::size::Sizes;
use crate::snapshot::{self, Reader, TableFile};
use crate::studies::Question;

/// The program itself, its threads and what it prints, in bytes.
pub(super) const PROGRAM: u64 = 64 << 20;
/// Rows, of nodes and edges together, from which a cache is left behind: below, reading is as quick.
const WORTH_A_CACHE: usize = 1 << 18;

/// How a graph is loaded.
#[derive(Debug, Args)]
pub(super) struct Loading {
    /// Refuse before reading anything what would take more memory than this, such as 2GiB
    #[arg(long, global = true, value_name = "SIZE", help_heading = "Memory")]
    pub memory_limit: Option<Bytes>,
    /// Neither use the cache beside the snapshot's files nor leave one there
    #[arg(long, global = true, help_heading = "Memory")]
    pub no_cache: bool,
}

/// What asking these questions of a snapshot takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// At the peak of loading.
    pub loading: u64,
    /// The loaded graph, and the program.
    pub graph: u64,
    /// The most demanding question beside the graph.
    pub study: u64,
}

impl Need {
    pub fn of(sizes: &Sizes, questions: &[Question]) -> Self {
        Self {
            loading: PROGRAM + sizes.loading(),
            graph: PROGRAM + sizes.resident(),
            study: questions.iter().map(|question| question.memory(sizes)).max().unwrap_or(0),
        }
    }

    /// At the peak of all.
    pub fn peak(&self) -> u64 {
        self.loading.max(self.graph + self.study)
    }

    /// Refuses what is over the limit.
    pub fn within(&self, limit: Option<Bytes>) -> Result<(), Failure> {
        match limit {
            Some(limit) if self.peak() > limit.0 => Err(Failure::input(format!(
                "this would take about {} of memory, more than the limit of {limit}",
                Bytes(self.peak())
            ))
            .with_hint(format!(
                "loading takes {}, the loaded graph {} and the study {} beside it; `--relations` asks for less of it, \
                 `sonograph estimate` says what each part takes",
                Bytes(self.loading),
                Bytes(self.graph),
                Bytes(self.study)
            ))),
            _ => Ok(()),
        }
    }
}

impl Loading {
    /// The graph of the snapshot `folder`, to ask it `questions`.
    pub fn graph(
        &self,
        folder: &Path,
        questions: &[Question],
        session: &Session,
    ) -> Result<BusinessGraph, Failure> {
        if self.memory_limit.is_some() {
            Need::of(&snapshot::sizes(folder)?, questions).within(self.memory_limit)?;
        }
        let identity = if self.no_cache { None } else { snapshot::identity(folder)? };
        if let Some(of) = identity {
            match cached(folder, of) {
                Ok(graph) => return Ok(graph),
                Err(why) => {
                    tracing::debug!(folder = %folder.display(), %why, "no graph is taken from the cache");
                }
            }
        }
        let graph = read(&Reader::open(folder)?, session)?;
        session.cx.check()?;
        if let Some(of) = identity
            && graph.node_count() + graph.edge_count() >= WORTH_A_CACHE
            && has_room(folder, 2 * snapshot::sizes(folder)?.resident())
            && let Err(why) = leave(&graph, folder, of)
        {
            // A folder that may not be written to, or a full disk, costs the next load its time and nothing else.
            tracing::debug!(folder = %folder.display(), %why, "no cache is left");
        }
        Ok(graph)
    }
}

/// The graph from its files, edges a batch at a time.
fn read(snapshot: &Reader, session: &Session) -> Result<BusinessGraph, Failure> {
    let manifest = &snapshot.manifest;
    let whole = |files: &BTreeMap<String, TableFile>| -> Result<BTreeMap<String, DataFrame>, Failure> {
        files.iter().map(|(name, file)| Ok((name.clone(), snapshot.whole(file)?))).collect()
    };
    let mut graph = GraphBuilder::new(whole(&manifest.nodes)?, manifest.undirected)?;
    let step = session.cx.step("load edges", Some(manifest.edge_count));
    let mut done = 0;
    for (relation, file) in &manifest.edges {
        let batches = snapshot.batches(file)?.map(|batch| {
            let batch = batch?;
            step.tick(done, None)?;
            done += batch.height() as u64;
            Ok::<_, Failure>(batch)
        });
        graph.edges(relation, file.rows as usize, batches)?;
    }
    Ok(graph.finish(whole(&manifest.tables)?))
}

fn cached(folder: &Path, of: Of) -> Result<BusinessGraph, Unusable> {
    let (mapped, stored) = Mapped::open::<StoredGraph>(folder, of)?;
    BusinessGraph::restore(&mapped, &stored)
}

/// Whether so many bytes are free where a cache of half of them would lie: nobody asked for it, so it must not fill the disk.
fn has_room(folder: &Path, bytes: u64) -> bool {
    statvfs(folder).is_ok_and(|disk| disk.blocks_available() * disk.fragment_size() >= bytes)
}

fn leave(graph: &BusinessGraph, folder: &Path, of: Of) -> std::io::Result<()> {
    let Some(mut writer) = Writer::begin(folder, of)? else { return Ok(()) };
    let stored = graph.store(&mut writer)?;
    writer.finish(&stored)
}

/// A number of bytes, as people write it: `2GiB`, `500MB`, `1.5 GiB`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub u64);

const UNITS: [(&str, u64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
    ("", 1),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
        let (number, unit) = (lower[..end].parse::<f64>(), lower[end..].trim());
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes as f64);
        match (number, unit) {
            (Ok(number), Some(unit)) if number * unit >= 1.0 && number * unit < u64::MAX as f64 => {
                Ok(Self((number * unit) as u64))
            }
            _ => Err("expected a size such as 2GiB, 500MB or 1073741824".into()),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match unit.into_iter().find(|(_, bytes)| self.0 >= *bytes) {
            Some((name, bytes)) => write!(f, "{:.1} {name}", self.0 as f64 / bytes as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0).ok();
        assert_eq!(
            (read("2GiB"), read("500MB"), read("1.5 kib")),
            (Some(2 << 30), Some(500_000_000), Some(1536))
        );
        assert_eq!((read("1048576"), read("7b")), (Some(1 << 20), Some(7)));
        for wrong in ["", "GiB", "-1", "0", "2 potatoes", "1e3", "99999999TiB", "1.2.3MB"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(Bytes(3 << 29).to_string(), "1.5 GiB");
        assert_eq!((Bytes(2048).to_string(), Bytes(7).to_string()), ("2.0 KiB".into(), "7 B".into()));
    }

    #[test]
    fn a_cache_is_left_only_where_there_is_room_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(has_room(folder.path(), 1) && !has_room(folder.path(), u64::MAX));
        assert!(!has_room(&folder.path().join("gone"), 1));
    }

    #[test]
    fn what_is_over_the_limit_is_the_users_to_decide() {
        let need = Need { loading: 5 << 20, graph: 3 << 20, study: 4 << 20 };
        assert_eq!(need.peak(), 7 << 20);
        assert!(need.within(None).is_ok() && need.within(Some(Bytes(7 << 20))).is_ok());
        let refused = need.within(Some(Bytes(6 << 20))).expect_err("too much");
        assert_eq!(
            refused.error.to_string(),
            "this would take about 7.0 MiB of memory, more than the limit of 6.0 MiB"
        );
        assert_eq!(refused.fault, crate::context::Fault::Input);
    }
}
