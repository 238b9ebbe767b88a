//! What a snapshot takes over from the one before it.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::DataFrame;

use super::SnapshotError;
use super::manifest::{Manifest, TableFile};
use super::read::loaded;

/// An earlier snapshot of the same graph, and the companions that are as they were, too.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// Its folder.
    pub dir: &'a Path,
    /// What it says about itself.
    pub manifest: &'a Manifest,
    /// Companions that are taken over.
    pub companions: &'a [&'a str],
}

impl Earlier<'_> {
    /// The files that are taken over.
    pub fn files(&self) -> impl Iterator<Item = &TableFile> {
        let companions = self.companions.iter().filter_map(|name| self.manifest.tables.get(*name));
        self.manifest.nodes.values().chain(self.manifest.edges.values()).chain(companions)
    }

    /// Its nodes by label.
    ///
    /// # Errors
    ///
    /// When a file is not the one that was written.
    pub fn nodes(&self) -> Result<BTreeMap<String, DataFrame>, SnapshotError> {
        let files = self.manifest.nodes.iter();
        files.map(|(label, file)| Ok((label.clone(), loaded(self.dir, file)?))).collect()
    }
}
