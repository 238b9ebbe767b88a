//! What a snapshot is read from: the graph itself, a copy of it, a replica.

use clap::ValueEnum;

use super::take::{Mark, settled};
use crate::cli::Failure;
use crate::context::Context;
use crate::sources::falkordb::copy::{self, Cost};
use crate::sources::falkordb::server::{self, Lag, Written};
use crate::sources::falkordb::{Client, Scanned, scan_typed};
use crate::terminal::Printer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Consistency {
    /// The graph itself, page by page: nobody notices, and what others write meanwhile is in it or not
    Paged,
    /// A copy that the server makes of it for the while: one state of the graph, which stops the server to be made
    Copy,
    /// The same as paged, from a server that has to be a replica
    Replica,
}

/// A graph that was read.
pub(super) struct Frozen {
    pub scanned: Scanned,
    /// Of the last mirror run, when nothing that happened could change what was read any more.
    pub mark: Mark,
    /// How far the replica was behind, before and after.
    pub lag: Option<[Lag; 2]>,
    /// How often anybody wrote to the server meanwhile, as far as it tells this user; nothing that is in a copy.
    pub writes: Option<u64>,
    /// How far the server was written to, where it tells and nobody wrote meanwhile.
    pub written: Option<Written>,
}

impl Consistency {
    /// As the flag and the manifest call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Paged => "paged",
            Self::Copy => "copy",
            Self::Replica => "replica",
        }
    }

    /// Reads a graph; a copy is made only if somebody `agreed` to what it costs, or nobody would feel it.
    pub(super) async fn read(
        self,
        client: &mut Client,
        graph: &str,
        agreed: bool,
        printer: Printer,
        cx: &Context,
    ) -> Result<Frozen, Failure> {
        // On a replica nothing can be removed, and there its primary sees to it.
        if self != Self::Replica {
            copy::sweep(client, graph, cx).await?;
        }
        match self {
            Self::Paged => {
                let (scanned, writes, written) = paged(client, graph, printer, cx).await?;
                Ok(Frozen { scanned, mark: settled(client, graph).await?, lag: None, writes, written })
            }
            Self::Replica => {
                let before = server::lag(client).await?;
                let (scanned, writes, written) = paged(client, graph, printer, cx).await?;
                let mark = settled(client, graph).await?;
                let lag = [before, server::lag(client).await?];
                for Lag { heard_seconds, behind_bytes } in &lag[1..] {
                    printer.note(format_args!(
                        "the replica heard of its primary {heard_seconds} s ago and is {behind_bytes} bytes behind"
                    ));
                }
                Ok(Frozen { scanned, mark, lag: Some(lag), writes, written })
            }
            Self::Copy => {
                let cost = Cost::of(client, graph).await?;
                if cost.fits() && cost.is_felt() && !agreed {
                    return Err(Failure::input(format!("will not copy graph `{graph}` unasked: {cost}")).with_hint(
                        "`--yes` has it copied all the same; `--consistency paged` and a replica stop nobody",
                    ));
                }
                printer.note(format_args!("copying graph `{graph}`: {cost}"));
                copy::with(client, graph, &cost, cx, async |client, key| {
                    // What the mirror does from here on is not in the copy.
                    let mark = settled(client, graph).await?;
                    let scanned = scan_typed(client, key, cx).await?;
                    Ok(Frozen { scanned, mark, lag: None, writes: Some(0), written: None })
                })
                .await
            }
        }
    }
}

/// Reads a graph that others may write, and says so where counts alone cannot tell whether they did.
async fn paged(
    client: &mut Client,
    graph: &str,
    printer: Printer,
    cx: &Context,
) -> Result<(Scanned, Option<u64>, Option<Written>), Failure> {
    let before = Written::now(client).await?;
    let scanned = scan_typed(client, graph, cx).await?;
    let after = Written::now(client).await?;
    let told = before.zip(after);
    let writes = told.as_ref().and_then(|(before, after)| after.after(before));
    if let Some(writes) = writes.filter(|writes| *writes > 0 && scanned.drift.is_empty()) {
        printer.note(format_args!(
            "the server was written to {writes} times while graph `{graph}` was read: no count of it changed, a property may have"
        ));
    }
    let written =
        told.filter(|(before, after)| after.unwritten_since(before).is_ok()).map(|(_, after)| after);
    Ok((scanned, writes, written))
}
