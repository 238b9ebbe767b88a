//! The steps of the loop.

use std::collections::BTreeMap;
use std::time::Instant;

use super::stage::Stage;
use crate::cli::snapshot::consistency::Consistency;
use crate::cli::snapshot::raw::RawTables;
use crate::cli::snapshot::take::{Systems, freeze};
use crate::cli::{Failure, Format, Outcome, Session, connect, findings, report, study, target};
use crate::context::Context;
use crate::graph::BusinessGraph;
use crate::mirror::{self, Current};
use crate::snapshot::{self, ManifestInput, Origin, Snapshot};
use crate::sources::falkordb::Client;
use crate::sources::synthetic::{self, City, LoadOptions};
use crate::sources::{self, Databases, SourceOptions};
use crate::studies::Findings;
use crate::studies::findings::Scores;
use crate::writeback::{self, Ledger};

/// One run of the loop.
pub(super) struct Loop<'a> {
    pub people: usize,
    pub seed: u64,
    pub session: &'a Session,
    pub cx: &'a Context,
}

/// The servers a loop runs on, and the graph it fills.
pub(super) struct Place<'a> {
    pub falkordb_url: &'a str,
    pub postgres_url: &'a str,
    pub graph: &'a str,
}

impl Loop<'_> {
    /// City → resolve → snapshot → studies → report, without a server.
    pub fn embedded(&self, stage: &mut Stage) -> Result<Outcome, Failure> {
        let city = self.city(stage)?;
        let clock = Instant::now();
        let options = connect::source_options(&self.session.config);
        let facts =
            sources::facts_of(&city.directus, &city.twenty, &city.unified, &city.touchpoints, &options)?;
        drop(city);
        let resolved = mirror::resolve(&facts, &connect::resolve_options(&self.session.config)?)?;
        let mut tables = resolved.to_tables()?;
        tables.companions.extend(sources::companions(&facts)?);
        drop(facts);
        let origin = Origin::new("synthetic", "1").with("people", self.people).with("seed", self.seed);
        let dir = stage.dir.join("snapshot");
        let mut input = ManifestInput::of(vec![origin]);
        input.options.extend(connect::identity_rules(&self.session.config));
        let manifest = snapshot::write(&dir, &tables, &input, self.cx)?;
        let frozen = Snapshot { dir, manifest, tables };
        stage.done("resolve and freeze", clock, size(&frozen));
        self.ask_and_tell(&frozen, stage)?;
        Ok(Outcome::Done)
    }

    /// The same through PostgreSQL and FalkorDB, and back into the graph.
    pub async fn on_servers(&self, place: Place<'_>, stage: &mut Stage<'_>) -> Result<Outcome, Failure> {
        let config = &self.session.config;
        let Place { falkordb_url, postgres_url, graph } = place;
        let city = self.city(stage)?;
        let clock = Instant::now();
        synthetic::load(&city, postgres_url, LoadOptions::default(), self.cx).await?;
        drop(city);
        stage.done("load PostgreSQL", clock, "four source layouts");

        let clock = Instant::now();
        let databases = Databases::one(postgres_url);
        // The city's tables have the usual names, whatever those of the user's own installation are.
        let options = SourceOptions { naming: BTreeMap::new(), ..connect::source_options(config) };
        let facts = sources::read_facts(&databases, &options, self.cx).await?;
        let rows: u64 = facts.read.iter().map(|t| t.rows).sum();
        stage.done("read the sources", clock, format!("{rows} rows of {} tables", facts.read.len()));

        let clock = Instant::now();
        let mut client = Client::connect(falkordb_url).await?;
        let resolved = mirror::resolve(&facts, &connect::resolve_options(config)?)?;
        let empty = Current::default();
        let plan = mirror::plan(&resolved, &empty)?;
        let applied = mirror::apply(&mut client, graph, &plan, self.cx).await?;
        stage.done(
            "mirror into FalkorDB",
            clock,
            format!("{} rows, longest batch {:.0} ms", applied.rows, applied.longest_batch_ms),
        );

        let clock = Instant::now();
        let from = Systems {
            client: &mut client,
            graph,
            databases: Some(&databases),
            options: &options,
            memory: None,
            raw: RawTables::default(),
            consistency: Consistency::Paged,
            agreed: false,
            against: None,
        };
        let dir = stage.dir.join("snapshot");
        freeze(from, &dir, ManifestInput::of(Vec::new()), self.session, self.cx).await?;
        let frozen = snapshot::read(&dir)?;
        let settled = mirror::plan(&resolved, &Current::of(&frozen.tables)?)?.is_empty();
        drop((resolved, facts));
        stage.done("take a snapshot", clock, size(&frozen));

        let found = self.ask_and_tell(&frozen, stage)?;
        let whole = self.write_back(&mut client, graph, &frozen, &found, stage).await?;
        if !settled {
            self.session.printer.warn("a second mirror plan is not empty, though nothing changed in between");
        }
        Ok(if whole && settled { Outcome::Done } else { Outcome::AnswerIsNo })
    }

    /// Puts the scores on the nodes, and reads the graph back to see that they are there.
    async fn write_back(
        &self,
        client: &mut Client,
        graph: &str,
        frozen: &Snapshot,
        found: &[Findings],
        stage: &mut Stage<'_>,
    ) -> Result<bool, Failure> {
        let clock = Instant::now();
        let scores: Vec<Scores> = found.iter().filter_map(|f| f.scores.clone()).collect();
        let plan = writeback::plan(client, graph, &frozen.tables, &scores, self.cx).await?;
        let ledger = Ledger::new(stage.ledger());
        let applied = writeback::apply(client, graph, &plan, &ledger, self.cx).await?;
        stage.done(
            "write scores back",
            clock,
            format!(
                "{} properties on {} nodes, longest write {:.0} ms",
                plan.properties.len(),
                applied.written,
                applied.longest_write_ms
            ),
        );

        let clock = Instant::now();
        let again = writeback::plan(client, graph, &frozen.tables, &scores, self.cx).await?;
        stage.done("read scores back", clock, format!("{} nodes hold their scores", again.unchanged));
        let whole = again.set == 0 && again.gone == 0 && again.changed_identity == 0;
        if !whole {
            self.session.printer.warn(format_args!(
                "{} nodes do not hold their scores, {} are gone, {} changed identity",
                again.set, again.gone, again.changed_identity
            ));
        }
        Ok(whole)
    }

    fn city(&self, stage: &mut Stage) -> Result<City, Failure> {
        let clock = Instant::now();
        let city = synthetic::generate(self.people, self.seed, self.cx)?;
        stage.truth(&city.truth.to_json())?;
        let touches = city.touchpoints.touches.len();
        stage.done("make the city", clock, format!("{} people, {touches} touches", self.people));
        Ok(city)
    }

    fn ask_and_tell(&self, frozen: &Snapshot, stage: &mut Stage) -> Result<Vec<Findings>, Failure> {
        let clock = Instant::now();
        let graph = BusinessGraph::build(frozen.tables.clone())?;
        let held = target::hold(&stage.dir.join("studies"))?;
        let mut all = Vec::new();
        for question in study::configured(self.session)? {
            let began = Instant::now();
            let found = question.run(&graph, self.cx)?;
            findings::save(&found, Format::Parquet, &held, began.elapsed(), self.session)?;
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
