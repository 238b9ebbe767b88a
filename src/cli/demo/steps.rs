//! The steps of the loop.

use std::time::Instant;

use polars::prelude::DataFrame;

use super::stage::Stage;
use crate::cli::{Failure, Format, Outcome, Session, connect, findings, report, study};
use crate::context::Context;
use crate::graph::BusinessGraph;
use crate::mirror;
use crate::snapshot::tables::Tables;
use crate::snapshot::{self, ManifestInput, Origin, Snapshot};
use crate::sources::facts::Facts;
use crate::sources::synthetic::{self, City};
use crate::sources::{self};
use crate::studies::Findings;

/// One run of the loop.
pub(super) struct Loop<'a> {
    pub people: usize,
    pub seed: u64,
    pub session: &'a Session,
    pub cx: &'a Context,
}

impl Loop<'_> {
    /// City → resolve → snapshot → studies → report, without a server.
    pub fn embedded(&self, stage: &mut Stage) -> Result<Outcome, Failure> {
        let city = self.city(stage)?;
        let clock = Instant::now();
        let options = connect::source_options(&self.session.config);
        let facts = sources::facts_of(&city.directus, &city.twenty, &city.unified, &city.touchpoints, &options);
        drop(city);
        let resolved = mirror::resolve(&facts, &connect::resolve_options(&self.session.config))?;
        let mut tables = resolved.to_tables()?;
        tables.companions.extend(sources::companions(&facts)?);
        drop(facts);
        let origin = Origin::new("synthetic", "1").with("people", self.people).with("seed", self.seed);
        let frozen = self.freeze(tables, vec![origin], stage)?;
        stage.done("resolve and freeze", clock, size(&frozen));
        self.ask_and_tell(&frozen, stage)?;
        Ok(Outcome::Done)
    }

    fn city(&self, stage: &mut Stage) -> Result<City, Failure> {
        let clock = Instant::now();
        let city = synthetic::generate(self.people, self.seed, self.cx)?;
        stage.truth(&city.truth.to_json())?;
        let touches = city.touchpoints.touches.len();
        stage.done("make the city", clock, format!("{} people, {touches} touches", self.people));
        Ok(city)
    }

    fn freeze(&self, tables: Tables, sources: Vec<Origin>, stage: &Stage) -> Result<Snapshot, Failure> {
        let dir = stage.dir.join("snapshot");
        let manifest = snapshot::write(&dir, &tables, &ManifestInput::of(sources), self.cx)?;
        Ok(Snapshot { dir, manifest, tables })
    }

    fn ask_and_tell(&self, frozen: &Snapshot, stage: &mut Stage) -> Result<Vec<Findings>, Failure> {
        let clock = Instant::now();
        let graph = BusinessGraph::build(frozen.tables.clone())?;
        let out = stage.dir.join("studies");
        let mut all = Vec::new();
        for question in study::configured(self.session)? {
            let began = Instant::now();
            let found = question.run(&graph, self.cx)?;
            findings::save(&found, Format::Parquet, &out, began.elapsed(), self.session)?;
            all.push(found);
        }
        let families: Vec<&str> = all.iter().map(|f| f.family).collect();
        stage.done("ask every study", clock, families.join(", "));

        let clock = Instant::now();
        let reference = frozen.dir.display().to_string();
        let paths = report::weekly(frozen, &all, &reference, &stage.dir.join("report"), self.session)?;
        stage.done("write the report", clock, paths.html.display().to_string());
        Ok(all)
    }
}

fn size(frozen: &Snapshot) -> String {
    format!("{} nodes, {} edges", frozen.manifest.node_count, frozen.manifest.edge_count)
}
