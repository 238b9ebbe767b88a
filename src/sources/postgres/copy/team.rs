//! Several connections that read one table at one moment, and whose rows come out in the table's order.
//!
//! The first connection leads: it settles what is read and exports its snapshot, the others import it. Each takes the
//! next part that nobody has taken, so that none waits for another; how far they run ahead of what was handed on is
//! bounded.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use polars::prelude::DataFrame;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};

use super::CopyError;
use super::decode::{Decoder, Flaw};
use super::lane::Lane;
use super::link::{Copy, Link};
use super::table::{Part, Plan};
use crate::sources::SourceError;

/// Bytes of the stream after which rows are handed on, though the part is not at its end: blocks may hold little and
/// point at much.
const CHUNK: u64 = 16 << 20;

/// Parts that each connection may be ahead of what was handed on.
const AHEAD: usize = 2;

/// A connection that reads parts.
pub(super) enum Reader {
    /// The driver's.
    Driver(Link),
    /// One of our own, which blocks its thread.
    Lane(Lane),
}

impl Reader {
    async fn copy(
        &mut self,
        sql: &str,
        what: &str,
    ) -> Result<Rows<'_, impl Stream<Item = sqlx::Result<impl AsRef<[u8]>>> + Send + Unpin>, SourceError>
    {
        match self {
            Self::Driver(link) => Ok(Rows::Driver(link.copy(sql, what).await?)),
            Self::Lane(lane) => lane.copy(sql, what).map(|()| Rows::Lane(lane)),
        }
    }

    /// Ends the transaction and the connection.
    pub(super) async fn close(self) {
        match self {
            Self::Driver(link) => link.close().await,
            Self::Lane(lane) => lane.close(),
        }
    }
}

/// A running copy.
enum Rows<'r, S> {
    Driver(Copy<S>),
    Lane(&'r mut Lane),
}

impl<B: AsRef<[u8]>, S: Stream<Item = sqlx::Result<B>> + Unpin> Rows<'_, S> {
    /// Hands `take` the bytes as they come until it breaks off, and answers with what; `None` at the end of the copy.
    async fn until<T>(
        &mut self,
        take: impl FnMut(&[u8]) -> ControlFlow<T>,
    ) -> Result<Option<T>, SourceError> {
        match self {
            Self::Driver(copy) => copy.until(take).await,
            Self::Lane(lane) => lane.until(take),
        }
    }
}

/// What comes of a part.
#[derive(Debug)]
pub(super) enum Piece {
    /// Some of its rows, in order.
    Rows(DataFrame),
    /// It is read: its blocks, and how many values of each column became null because no column holds them.
    End { blocks: u64, odd: Vec<u64> },
    /// It cannot be read.
    Failed(CopyError),
}

/// The parts still to be read, and where to.
struct Queue {
    parts: Box<dyn Iterator<Item = Part> + Send>,
    open: UnboundedSender<Receiver<Piece>>,
}

/// What the connections share.
pub(super) struct Work {
    plan: Arc<Plan>,
    forgiving: bool,
    queue: Mutex<Queue>,
    ahead: Arc<Semaphore>,
    readers: Arc<AtomicU64>,
}

/// What whoever takes the pieces holds of the work.
pub(super) struct Yield {
    /// The pieces of every part, in the table's order; ends when all connections have.
    pub opened: UnboundedReceiver<Receiver<Piece>>,
    /// A permit for every part that was handed on.
    pub ahead: Arc<Semaphore>,
    /// How many connections took part.
    pub readers: Arc<AtomicU64>,
}

impl Drop for Yield {
    /// Whoever reads learns that nobody wants the rows any more.
    fn drop(&mut self) {
        self.ahead.close();
    }
}

impl Work {
    /// The parts of a table, to be read by `connections`.
    pub(super) fn new(
        plan: Arc<Plan>,
        part_blocks: u64,
        forgiving: bool,
        connections: usize,
    ) -> (Arc<Self>, Yield) {
        let (open, opened) = mpsc::unbounded_channel();
        let ahead = Arc::new(Semaphore::new(AHEAD * connections));
        let queue = Mutex::new(Queue { parts: Box::new(plan.parts(part_blocks)), open });
        let readers = Arc::<AtomicU64>::default();
        let outcome = Yield { opened, ahead: Arc::clone(&ahead), readers: Arc::clone(&readers) };
        (Arc::new(Self { plan, forgiving, queue, ahead, readers }), outcome)
    }

    /// The next part, and where its pieces go.
    async fn next(&self) -> Option<(Part, Sender<Piece>)> {
        self.ahead.acquire().await.ok()?.forget();
        // Two pieces: a part that is one chunk and its end keeps nobody waiting.
        let (pieces, receiver) = mpsc::channel(2);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let part = queue.parts.next()?;
        queue.open.send(receiver).ok()?;
        Some((part, pieces))
    }

    /// Reads parts until there are none; answers with the connection, where it still is of use.
    pub(super) async fn read(self: Arc<Self>, mut reader: Reader) -> Option<Reader> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        let mut room = 0;
        while let Some((part, pieces)) = self.next().await {
            match self.part(&mut reader, &part, &pieces, &mut room).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    pieces.send(Piece::Failed(error)).await.ok();
                    return None;
                }
            }
        }
        Some(reader)
    }

    /// Reads one part; `false` where nobody takes its pieces any more.
    async fn part(
        &self,
        reader: &mut Reader,
        part: &Part,
        pieces: &Sender<Piece>,
        room: &mut usize,
    ) -> Result<bool, CopyError> {
        let mut decoder = Decoder::new(&self.plan.shape, self.forgiving, *room);
        let flawed = |flaw| told(flaw, part);
        let sql = self.plan.copy(part);
        let mut copy = reader.copy(&sql, &self.plan.table).await?;
        loop {
            let chunk = copy.until(|bytes| match decoder.feed(bytes) {
                Ok(()) if decoder.held_bytes() < CHUNK => ControlFlow::Continue(()),
                fed => ControlFlow::Break(fed),
            });
            let Some(fed) = chunk.await? else { break };
            fed.map_err(flawed)?;
            if pieces.send(Piece::Rows(decoder.take())).await.is_err() {
                return Ok(false);
            }
        }
        drop(copy);
        *room = decoder.held_rows();
        if *room > 0 && pieces.send(Piece::Rows(decoder.take())).await.is_err() {
            return Ok(false);
        }
        let odd = decoder.finish().map_err(flawed)?.to_vec();
        Ok(pieces.send(Piece::End { blocks: part.blocks, odd }).await.is_ok())
    }
}

fn told(flaw: Flaw, part: &Part) -> CopyError {
    let Flaw { row, column, offset, reason } = flaw;
    let (part, query) = (part.name.clone(), part.show(row));
    match column {
        Some(column) => CopyError::Cell { part, row, column, offset, reason, query },
        None => CopyError::Stream { part, row, offset, reason },
    }
}
