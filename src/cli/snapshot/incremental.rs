//! `snapshot take --incremental`: a graph that nobody wrote to since an earlier snapshot is not read again.
//!
//! Counts tell neither a property that was set nor an id that was given again, and FalkorDB keeps nothing by label or relation
//! that does. The server's count of its writes tells both, of all its keys together. So nothing less proves that a table is as it
//! was, and without it the graph is read.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::consistency::{Consistency, Frozen};
use super::take::{COUNTS, settled};
use crate::cli::{Failure, Session};
use crate::context::Context;
use crate::snapshot::tables::Tables;
use crate::snapshot::{self, Earlier, Manifest, Origin, Run};
use crate::sources::falkordb::server::Written;
use crate::sources::falkordb::{Client, Counts, FALKORDB_IDS, Scanned};
use crate::terminal::Printer;

/// Where the position of a graph says how far its server was written to.
pub(super) const WRITTEN: &str = "written";

/// What `--against` names unless it names anything else: the newest snapshot of the same graph.
pub(super) const LATEST: &str = "latest";

/// Companions that are the graph's.
const COMPANIONS: [&str; 1] = [FALKORDB_IDS];

/// What an earlier snapshot is good for.
pub(super) struct Incremental {
    /// The snapshot that was looked at.
    against: Option<Base>,
    /// Whether the graph is taken over from it, and why or why not.
    holds: bool,
    why: String,
}

/// An earlier snapshot of the same graph.
struct Base {
    name: String,
    dir: PathBuf,
    manifest: Manifest,
}

impl Incremental {
    /// Looks whether the snapshot `against` still is what the server holds; also gives what it says of the graph, where it is.
    pub(super) async fn of(
        client: &mut Client,
        graph: &str,
        (against, consistency): (&str, Consistency),
        session: &Session,
        cx: &Context,
    ) -> Result<(Self, Option<Frozen>), Failure> {
        let base = Base::find(against, graph, session)?;
        let found = match &base {
            None => Err(format!(
                "there is no snapshot of graph `{graph}` in {}",
                session.config.snapshots_dir.display()
            )),
            // It is read in any case, because it has to be one.
            Some(_) if consistency == Consistency::Replica => {
                Err("a replica may be given all it holds anew without counting a write".to_owned())
            }
            Some(base) => base.frozen(client, graph, cx).await?,
        };
        Ok(match found {
            Ok(frozen) => {
                let why = "the server was not written to since".to_owned();
                (Self { against: base, holds: true, why }, Some(frozen))
            }
            Err(why) => {
                let whose = base.as_ref().map(|base| format!(" and not what `{}` holds", base.name));
                let whose = whose.unwrap_or_default();
                session.printer.note(format_args!("reading all of graph `{graph}`{whose}: {why}"));
                (Self { against: base, holds: false, why }, None)
            }
        })
    }

    /// The snapshot that the graph is taken over from.
    fn base(&self) -> Option<&Base> {
        self.against.as_ref().filter(|_| self.holds)
    }

    /// What is taken over.
    pub(super) fn earlier(&self) -> Option<Earlier<'_>> {
        self.base().map(Base::earlier)
    }

    /// Whether a mirror run wrote any of the nodes that are taken over: it stamps them.
    pub(super) fn was_mirrored(&self) -> bool {
        let files = self.base().into_iter().flat_map(|base| base.manifest.nodes.values());
        files.flat_map(|file| &file.columns).any(|column| column.name == "gen" && column.dtype == "int64")
    }

    /// Says which tables were read and which were taken over from where, and notes it by table for `run.json`.
    pub(super) fn told<'a>(
        &self,
        tables: &Tables,
        memory: impl Iterator<Item = &'a String>,
        printer: Printer,
    ) -> Value {
        fn places<'n>(kind: &str, names: impl Iterator<Item = &'n String>) -> Vec<String> {
            names.map(|name| format!("{kind}/{name}")).collect()
        }
        let (mut taken, mut read) = (Vec::new(), Vec::new());
        if let Some(Base { name, manifest, .. }) = self.base() {
            taken.extend(places("nodes", manifest.nodes.keys()));
            taken.extend(places("edges", manifest.edges.keys()));
            taken.extend(COMPANIONS.map(|name| format!("tables/{name}")));
            printer.note(format_args!("took over from `{name}`, because {}: {}", self.why, taken.join(", ")));
        } else {
            read.extend(places("nodes", tables.nodes.keys()));
            read.extend(places("edges", tables.edges.keys()));
        }
        read.extend(places("tables", tables.companions.keys()));
        read.extend(places("memory", memory));
        if !read.is_empty() {
            printer.note(format_args!("read: {}", read.join(", ")));
        }
        let all = taken.into_iter().map(|place| (place, "taken over".into()));
        let all = all.chain(read.into_iter().map(|place| (place, "read".into())));
        json!({
            "against": self.against.as_ref().map(|base| &base.name),
            "why": self.why,
            "tables": all.collect::<serde_json::Map<_, Value>>(),
        })
    }
}

impl Base {
    /// The snapshot that is asked for; `None` where the newest of the graph is and there is none.
    fn find(asked: &str, graph: &str, session: &Session) -> Result<Option<Self>, Failure> {
        let dir = &session.config.snapshots_dir;
        if asked == LATEST {
            let all = snapshot::list(dir)?.into_iter().rev();
            let mut whole = all.filter_map(|one| Some((one.name, one.dir, one.manifest.ok()?)));
            let newest = whole.find(|(_, _, manifest)| of_graph(manifest) == Some(graph));
            return Ok(newest.map(|(name, dir, manifest)| Self { name, dir, manifest }));
        }
        let dir = snapshot::locate(asked, dir)?;
        let manifest = Manifest::read(&dir)?;
        match of_graph(&manifest) {
            Some(found) if found == graph => Ok(Some(Self { name: asked.to_owned(), dir, manifest })),
            found => {
                let found =
                    found.map_or("of no graph server".to_owned(), |found| format!("of graph `{found}`"));
                Err(Failure::input(format!("cannot take graph `{graph}` over from `{asked}`: it is {found}"))
                    .with_hint(
                        "`--against` names an earlier snapshot of the same graph, without it the newest is",
                    ))
            }
        }
    }

    fn earlier(&self) -> Earlier<'_> {
        Earlier { dir: &self.dir, manifest: &self.manifest, companions: &COMPANIONS }
    }

    /// What it says of the graph, if that is certain to be what the server holds; else why it is not.
    async fn frozen(
        &self,
        client: &mut Client,
        graph: &str,
        cx: &Context,
    ) -> Result<Result<Frozen, String>, Failure> {
        let (origin, then) = match self.usable() {
            Ok(usable) => usable,
            Err(why) => return Ok(Err(why)),
        };
        if let Err(why) = unwritten(client, &then).await? {
            return Ok(Err(why));
        }
        let held = Counts::read(client, graph).await?;
        if json!(held) != origin.detail[COUNTS]["after"] {
            return Ok(Err("the server counts other nodes or edges, though it tells of no write".to_owned()));
        }
        let mark = settled(client, graph).await?;
        // What was being written while the server was first asked is told by now.
        let written = match unwritten(client, &then).await? {
            Ok(written) => written,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(problem) = snapshot::damage(&self.dir, self.earlier().files(), cx)? {
            return Ok(Err(format!("it is damaged: {problem}")));
        }
        let left_out = origin.detail.get("left_out").and_then(Value::as_array).into_iter().flatten();
        let scanned = Scanned {
            tables: Tables::default(),
            drift: Vec::new(),
            counted: [held.clone(), held],
            left_out: left_out.filter_map(|told| Some(told.as_str()?.to_owned())).collect(),
            version: client.version(),
            pages: 0,
            longest_page_ms: 0.0,
        };
        Ok(Ok(Frozen { scanned, mark, lag: None, writes: Some(0), written: Some(written) }))
    }

    /// Where it came from, and how far the server was written to then; else why nothing can be taken over from it.
    fn usable(&self) -> Result<(&Origin, Written), String> {
        let Manifest { tool_version, sources, tables, .. } = &self.manifest;
        if tool_version != env!("CARGO_PKG_VERSION") {
            return Err(format!("it was taken by version {tool_version}, which may make other tables"));
        }
        let origin = sources.iter().find(|origin| origin.system == FALKORDB).expect("it is of a graph");
        if !COMPANIONS.iter().all(|name| tables.contains_key(*name)) || !origin.detail.contains_key(COUNTS) {
            return Err("it does not hold all that a snapshot of a graph does".to_owned());
        }
        let run = Run::read(&self.dir)
            .ok_or("it has no run.json, which would tell how far the server was written to")?;
        let written = run.positions.get(FALKORDB).and_then(|position| position.get(WRITTEN)).cloned();
        let written = written.and_then(|written| serde_json::from_value(written).ok()).ok_or(
            "it does not tell how far the server was written to: somebody wrote while it was taken, or it is of a copy, which is \
             a write, or the user may not ask (`+info`)",
        )?;
        Ok((origin, written))
    }
}

/// How far a server is written to, if nobody wrote to it since `then`; else why that is not certain.
async fn unwritten(client: &mut Client, then: &Written) -> Result<Result<Written, String>, Failure> {
    Ok(match Written::now(client).await? {
        Some(now) => now.unwritten_since(then).map(|()| now),
        None => Err("this user may not ask the server how far it was written to (`+info`)".to_owned()),
    })
}

/// How the manifest and `run.json` call the graph's server.
pub(super) const FALKORDB: &str = "falkordb";

/// The graph that a snapshot was taken of.
fn of_graph(manifest: &Manifest) -> Option<&str> {
    manifest.sources.iter().find(|origin| origin.system == FALKORDB)?.detail.get("graph")?.as_str()
}
