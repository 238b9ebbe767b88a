//! Uids of nodes by position, the last few thousand of them without reading.

use std::sync::Arc;

use super::MirrorError;
use crate::snapshot::tables::assemble::NodeRow;

/// How many uids are remembered.
const REMEMBERED: usize = 4_096;

/// Uids of nodes that `read` reads.
pub(super) struct Uids<R> {
    read: R,
    last: Vec<Option<(u32, Arc<str>)>>,
}

impl<R: Fn(u32) -> Result<NodeRow, MirrorError>> Uids<R> {
    pub(super) fn of(read: R) -> Self {
        Self { read, last: Vec::new() }
    }

    pub(super) fn get(&mut self, at: u32) -> Result<Arc<str>, MirrorError> {
        self.last.resize(REMEMBERED, None);
        let known = &mut self.last[at as usize % REMEMBERED];
        match known {
            Some((known, uid)) if *known == at => Ok(Arc::clone(uid)),
            _ => {
                let uid = (self.read)(at)?.uid;
                *known = Some((at, Arc::clone(&uid)));
                Ok(uid)
            }
        }
    }
}
