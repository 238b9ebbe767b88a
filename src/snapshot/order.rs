//! Canonical order, looked at batch by batch: what keeps tables from being a graph.

use polars::prelude::{DataFrame, IdxCa, IdxSize};

use super::tables::{self, DST, LABELS, NODE, SRC, UID, compare_cells, compare_rows};

/// What the nodes seen so far ask of the next: dense ids count up through labels and rows, uids rise within a label.
#[derive(Debug, Default)]
pub(super) struct NodeOrder {
    /// Nodes of all labels.
    pub count: usize,
    /// Rows of this label.
    rows: usize,
    before: Option<String>,
    told: [bool; 4],
}

impl NodeOrder {
    /// Begins the next label.
    pub fn label(&mut self) {
        *self = Self { count: self.count, ..Self::default() };
    }

    /// What is wrong with the next rows of the label; of each kind once per label.
    pub fn problems(&mut self, batch: &DataFrame) -> Vec<String> {
        let has_name = batch.column("name").map(|_| ()).map_err(|_| "has no column `name`".to_owned());
        let has_lists = match batch.column(LABELS) {
            Ok(labels) => labels.list().map(|_| ()).map_err(|_| "column `labels` is no list".to_owned()),
            Err(_) => Ok(()),
        };
        let found = [self.ids(batch), self.uids(batch), has_name, has_lists];
        self.count += batch.height();
        self.rows += batch.height();
        let mut new = Vec::new();
        for (told, result) in self.told.iter_mut().zip(found) {
            if let (false, Err(what)) = (*told, result) {
                *told = true;
                new.push(what);
            }
        }
        new
    }

    fn ids(&self, batch: &DataFrame) -> Result<(), String> {
        let ids =
            batch.column(NODE).and_then(|c| c.i64()).map_err(|_| format!("has no Int64 column `{NODE}`"))?;
        match ids.iter().zip(self.count as i64..).position(|(id, expected)| id != Some(expected)) {
            Some(row) => Err(format!("row {} has not the node id {}", self.rows + row, self.count + row)),
            None => Ok(()),
        }
    }

    fn uids(&mut self, batch: &DataFrame) -> Result<(), String> {
        let uids =
            batch.column(UID).and_then(|c| c.str()).map_err(|_| format!("has no text column `{UID}`"))?;
        let mut before = self.before.as_deref();
        for (uid, row) in uids.iter().zip(self.rows..) {
            match uid {
                None => return Err(format!("row {row} has no uid")),
                Some(uid) if before.is_some_and(|before| uid <= before) => {
                    let why = if Some(uid) == before { "a second time" } else { "out of byte order" };
                    return Err(format!("row {row} has the uid `{uid}` {why}"));
                }
                uid => before = uid,
            }
        }
        self.before = before.map(str::to_owned);
        Ok(())
    }
}

/// What the edges of a relation seen so far ask of the next: ends that are nodes, in the order of source, target and
/// properties.
#[derive(Debug)]
pub(super) struct EdgeOrder {
    nodes: usize,
    rows: usize,
    /// The last of them.
    before: Option<DataFrame>,
}

impl EdgeOrder {
    /// Of a relation between so many nodes.
    pub fn between(nodes: usize) -> Self {
        Self { nodes, rows: 0, before: None }
    }

    /// What is wrong with the next rows of the relation.
    pub fn check(&mut self, batch: &DataFrame) -> Result<(), String> {
        let ends = |name: &str| {
            let column = batch
                .column(name)
                .and_then(|c| c.i64())
                .map_err(|_| format!("has no Int64 column `{name}`"))?;
            for (row, id) in column.iter().enumerate() {
                if !id.is_some_and(|id| (0..self.nodes as i64).contains(&id)) {
                    let found = id.map_or("nothing".to_owned(), |id| id.to_string());
                    let (row, nodes) = (self.rows + row, self.nodes);
                    return Err(format!("row {row} has {found} as `{name}`, outside the {nodes} nodes"));
                }
            }
            Ok(column)
        };
        let (src, dst) = (ends(SRC)?, ends(DST)?);
        let pair = |frame: &DataFrame| {
            let end = |name| frame.column(name).ok().and_then(|c| c.i64().ok()).and_then(|c| c.get(0));
            (end(SRC), end(DST))
        };
        let properties = tables::properties(batch);
        let mut before = self.before.as_ref().map(pair);
        for (row, pair) in src.iter().zip(dst.iter()).enumerate() {
            let order = || match (row, &self.before) {
                (0, Some(last)) => compare_cells(&tables::properties(last), 0, &properties, 0),
                _ => compare_rows(&properties, row - 1, row),
            };
            let is_after =
                before.is_none_or(|before| before < pair) || (before == Some(pair) && order().is_le());
            if !is_after {
                return Err(format!("row {} is out of order", self.rows + row));
            }
            before = Some(pair);
        }
        if let Some(last) = batch.height().checked_sub(1) {
            // A copy: a slice would keep the whole batch.
            let last = IdxCa::from_vec("row".into(), vec![last as IdxSize]);
            self.before = Some(batch.take(&last).expect("the last row is there"));
        }
        self.rows += batch.height();
        Ok(())
    }
}
