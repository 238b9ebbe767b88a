//! Scanning a table: whole, or chunk by chunk.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use polars::prelude::DataFrame;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use super::decode::Decoder;
use super::lane::Lane;
use super::link::Link;
use super::table::Plan;
use super::team::{Piece, Reader, Work, Yield};
use super::{CopyError, Estimate, Pick, Scan, ScanOptions, ScanReport, TableName};
use crate::context::{Cancelled, Context, Step};
use crate::sources::SourceError;
use crate::sources::postgres::client::is_pooler;

/// How often a request to stop is looked for while the server keeps us waiting.
const LISTEN: Duration = Duration::from_millis(100);

/// What a scan of these columns is expected to take; no columns: all of them.
///
/// # Errors
/// When the server cannot be asked, or table or columns are not there or may not be read.
pub async fn estimate(
    url: &str,
    table: &TableName,
    picks: &[Pick],
    cx: &Context,
) -> Result<Estimate, CopyError> {
    stoppable(cx, async {
        let mut link = Link::lead(url, table).await?;
        let plan = Plan::of(&mut link, table, picks, false).await?;
        link.close().await;
        Ok(plan.estimate)
    })
    .await?
}

/// Reads the columns of a table into one frame; no columns: all of them. Rows come in the order of the blocks.
///
/// Memory: the columns, and a few chunks of at most 16 MiB of what the server sends (or one row, where that is longer).
///
/// # Errors
/// When the server cannot be asked, table or columns are not there or may not be read, a value is one that no column can
/// hold, the columns would take or take more than [`ScanOptions::memory_limit`], or somebody asks to stop.
pub async fn scan_table(
    url: &str,
    table: &TableName,
    picks: &[Pick],
    options: &ScanOptions,
    cx: &Context,
) -> Result<Scan, CopyError> {
    let mut frame = DataFrame::empty();
    let mut held = 0;
    let limit = options.memory_limit.unwrap_or(u64::MAX);
    let too_much =
        |needed, estimated| CopyError::Memory { table: table.qualified(), needed, limit, estimated };
    let report = run(url, table, picks, options, cx, &mut |event| {
        match event {
            Event::Begin(plan) if plan.estimate.bytes > limit => {
                return Err(too_much(plan.estimate.bytes, true));
            }
            Event::Begin(plan) => frame = Decoder::new(&plan.shape, false, 0).take(),
            Event::Rows(rows) => {
                held += rows.estimated_size() as u64;
                if held > limit {
                    return Err(too_much(held, false));
                }
                frame.vstack_mut_owned(rows).expect("every chunk has the same columns");
            }
        }
        Ok(())
    })
    .await?;
    Ok(Scan { frame, report })
}

/// Reads the columns of a table and hands them on chunk by chunk, in the order of the blocks, the first chunk being one without
/// rows, whatever the table holds; no columns: all of them.
///
/// Memory: a few chunks for every connection, each of at most 16 MiB of what the server sends, or one row where that is
/// longer; while `take` works, reading goes on no further than that.
///
/// # Errors
/// As [`scan_table`], and when `take` fails.
pub async fn scan_chunks(
    url: &str,
    table: &TableName,
    picks: &[Pick],
    options: &ScanOptions,
    cx: &Context,
    mut take: impl FnMut(DataFrame) -> Result<(), Box<dyn Error + Send + Sync>> + Send,
) -> Result<ScanReport, CopyError> {
    let mut hand = |rows| take(rows).map_err(|source| CopyError::Taking { table: table.qualified(), source });
    run(url, table, picks, options, cx, &mut |event| match event {
        Event::Begin(plan) => hand(Decoder::new(&plan.shape, false, 0).take()),
        Event::Rows(rows) => hand(rows),
    })
    .await
}

/// What happens in a scan.
enum Event<'p> {
    Begin(&'p Plan),
    Rows(DataFrame),
}

async fn run(
    url: &str,
    table: &TableName,
    picks: &[Pick],
    options: &ScanOptions,
    cx: &Context,
    on: &mut (dyn FnMut(Event<'_>) -> Result<(), CopyError> + Send),
) -> Result<ScanReport, CopyError> {
    let begun = stoppable(cx, begin(url, table, picks, options)).await??;
    let Begun { leader, plan, connections, snapshot, notes } = begun;
    on(Event::Begin(&plan))?;
    let plan = Arc::new(plan);
    let (work, outcome) =
        Work::new(Arc::clone(&plan), options.part_blocks, options.forgive_times, connections);
    let lanes = match &snapshot {
        Some(snapshot) => stoppable(cx, lanes(url, snapshot, connections, &outcome.ahead)).await?,
        None => Vec::new(),
    };
    // What the lanes leave is the driver's, the leader's first.
    let drivers = connections - lanes.len();
    let mut team = JoinSet::new();
    for lane in lanes {
        let (work, runtime) = (Arc::clone(&work), Handle::current());
        team.spawn_blocking(move || Ok(runtime.block_on(work.read(Reader::Lane(lane)))));
    }
    for snapshot in snapshot.iter().cycle().take(drivers.saturating_sub(1)) {
        let (work, url, snapshot) = (Arc::clone(&work), url.to_owned(), snapshot.clone());
        team.spawn(async move {
            // Where a further connection is refused, the others read its share.
            let link = Link::follow(&url, &snapshot).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(work.read(Reader::Driver(link)).await)
        });
    }
    // The leader stays until all have read: it holds the locks and the snapshot.
    let mut ended = Vec::new();
    if drivers > 0 {
        team.spawn(async move { Ok(work.read(Reader::Driver(leader)).await) });
    } else {
        ended.push(Reader::Driver(leader));
    }

    let mut report = ScanReport { rows: 0, connections: 0, parts: 0, forgiven: Vec::new(), notes };
    let readers = Arc::clone(&outcome.readers);
    let blocks = Some(plan.estimate.blocks).filter(|blocks| *blocks > 0);
    let step = cx.step(&format!("read {}", plan.table), blocks);
    let mut delivery = Delivery { outcome, step, blocks, blocks_read: 0, odd: vec![0; plan.shape.len()] };
    let parts = plan.part_count(options.part_blocks);
    let delivered = stoppable(cx, delivery.run(parts, &mut report, on)).await;
    let delivered = delivered.map_err(CopyError::from).and_then(|delivered| delivered);
    if let Err(error) = delivered {
        // Dropping a connection closes it, and the server ends what it was doing; a lane sees that nobody takes its rows.
        drop(delivery);
        team.shutdown().await;
        return Err(error);
    }
    while let Some(joined) = team.join_next().await {
        match joined {
            Ok(Ok(reader)) => ended.extend(reader),
            Ok(Err(refusal)) => report.notes.push(format!("read with one connection less: {refusal}")),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    for reader in ended {
        reader.close().await;
    }
    report.connections = readers.load(Ordering::Relaxed);
    let odd = plan.shape.iter().zip(&delivery.odd).filter(|(_, odd)| **odd > 0);
    report.forgiven = odd.map(|(shape, odd)| (shape.name.to_string(), *odd)).collect();
    Ok(report)
}

/// Connections of our own within the exported `snapshot`, as many of those wanted as can be had.
async fn lanes(url: &str, snapshot: &str, wanted: usize, over: &Arc<Semaphore>) -> Vec<Lane> {
    let (url, snapshot, over) = (url.to_owned(), snapshot.to_owned(), Arc::clone(over));
    let opened = spawn_blocking(move || Lane::open(&url, &snapshot, wanted, &over)).await;
    opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// A scan that is settled.
struct Begun {
    leader: Link,
    plan: Plan,
    connections: usize,
    snapshot: Option<String>,
    notes: Vec<String>,
}

async fn begin(
    url: &str,
    table: &TableName,
    picks: &[Pick],
    options: &ScanOptions,
) -> Result<Begun, CopyError> {
    let mut leader = Link::lead(url, table).await?;
    let mut plan = Plan::of(&mut leader, table, picks, options.plain).await?;
    let mut notes = Vec::new();
    let parts = usize::try_from(plan.part_count(options.part_blocks)).unwrap_or(usize::MAX);
    let mut connections = options.connections.clamp(1, parts.max(1));
    if connections > 1 && is_pooler(leader.place()) {
        notes.push("read on one connection: a transaction pooler shares no snapshot".to_owned());
        connections = 1;
    }
    let mut snapshot = None;
    if connections > 1 {
        match leader.export().await {
            Ok(exported) => snapshot = Some(exported),
            Err(error @ SourceError::Query { .. }) => {
                notes.push(format!("read on one connection: {error}"));
                connections = 1;
                // The refusal ended the transaction.
                leader.close().await;
                leader = Link::lead(url, table).await?;
                plan = Plan::of(&mut leader, table, picks, options.plain).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Begun { leader, plan, connections, snapshot, notes })
}

/// Brings the pieces together.
struct Delivery {
    outcome: Yield,
    step: Step,
    /// Blocks there are, where rows lie in blocks.
    blocks: Option<u64>,
    blocks_read: u64,
    odd: Vec<u64>,
}

impl Delivery {
    async fn run(
        &mut self,
        parts: u64,
        report: &mut ScanReport,
        on: &mut (dyn FnMut(Event<'_>) -> Result<(), CopyError> + Send),
    ) -> Result<(), CopyError> {
        while report.parts < parts {
            // None where a connection's task panicked: the caller learns of it when it joins them.
            let Some(mut pieces) = self.outcome.opened.recv().await else { return Ok(()) };
            loop {
                match pieces.recv().await {
                    Some(Piece::Rows(rows)) => {
                        report.rows += rows.height() as u64;
                        on(Event::Rows(rows))?;
                        self.tick(report)?;
                    }
                    Some(Piece::End { blocks, odd }) => {
                        self.blocks_read += blocks;
                        self.odd.iter_mut().zip(odd).for_each(|(sum, n)| *sum += n);
                        break;
                    }
                    Some(Piece::Failed(error)) => return Err(error),
                    None => return Ok(()),
                }
            }
            report.parts += 1;
            self.tick(report)?;
            self.outcome.ahead.add_permits(1);
        }
        Ok(())
    }

    fn tick(&self, report: &ScanReport) -> Result<(), Cancelled> {
        let done = if self.blocks.is_some() { self.blocks_read } else { report.rows };
        self.step.tick(done, self.blocks)
    }
}

/// Does the work, unless somebody asks to stop before it is done.
async fn stoppable<T>(cx: &Context, work: impl Future<Output = T>) -> Result<T, Cancelled> {
    let mut work = pin!(work);
    loop {
        cx.check()?;
        if let Ok(done) = tokio::time::timeout(LISTEN, work.as_mut()).await {
            return Ok(done);
        }
    }
}
