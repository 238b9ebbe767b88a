//! `PostgreSQL`: a read-only client and the four layouts read through it.
//!
//! Each layout is one file: it discovers its tables and columns, reads them into [`rows`](super::rows), and says what
//! those rows claim in a pure function `facts`.

pub mod catalog;
pub mod checksum;
pub mod client;
pub mod columns;
pub mod copy;
mod count;
pub mod directus;
mod failure;
mod frame;
pub mod grants;
pub mod migration;
pub mod position;
pub mod read_only;
pub mod scope;
pub mod select;
mod tls;
pub mod touchpoints;
pub mod twenty;
pub mod unified;
pub mod unified_schema;

use futures_util::future::BoxFuture;

use crate::context::Context;
use crate::sources::facts::Facts;
use crate::sources::{Found, Source, SourceError, SourceOptions};

pub use client::{Session, connect};

/// A layout in one schema of a database: its name and the function that discovers and reads it.
#[derive(Debug)]
pub struct Layout {
    name: &'static str,
    read: for<'a> fn(&'a mut Session, &'a SourceOptions, &'a mut Facts, &'a Context) -> Reading<'a>,
}

/// A layout being read: where it was found; `None` where the database does not hold it.
type Reading<'a> = BoxFuture<'a, Result<Option<Found>, SourceError>>;

macro_rules! layout {
    ($module:ident) => {
        Layout {
            name: $module::SYSTEM,
            read: |session, options, facts, cx| Box::pin($module::read(session, options, facts, cx)),
        }
    };
}

/// The Directus layout.
pub const DIRECTUS: Layout = layout!(directus);
/// The Twenty layout.
pub const TWENTY: Layout = layout!(twenty);
/// The `unified` layout.
pub const UNIFIED: Layout = layout!(unified);
/// The Segment warehouse layout.
pub const TOUCHPOINTS: Layout = layout!(touchpoints);

impl Source for Layout {
    fn name(&self) -> &'static str {
        self.name
    }

    fn read<'a>(
        &'a self,
        session: &'a mut Session,
        options: &'a SourceOptions,
        facts: &'a mut Facts,
        cx: &'a Context,
    ) -> Reading<'a> {
        (self.read)(session, options, facts, cx)
    }
}

/// Epoch microseconds → epoch milliseconds, rounded down.
fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}
