//! What a snapshot takes in memory, from its manifest and the footers of its files.

use std::collections::BTreeMap;
use std::path::Path;

use super::SnapshotError;
use super::manifest::{MANIFEST, Manifest, TableFile};
use super::tables::mapped::Of;
use super::tables::parquet;
use super::tables::size::{Sizes, TableSize};
use super::verify::{Problem, wrong_height};
use crate::context::regular;

/// What the tables of the snapshot in `dir` take in memory. Reads the ends of its files alone.
///
/// # Errors
///
/// When `dir` is no snapshot, or one of its files has no readable footer.
pub fn sizes(dir: &Path) -> Result<Sizes, SnapshotError> {
    let manifest = Manifest::read(dir)?;
    let all = |files: &BTreeMap<String, TableFile>| {
        files
            .iter()
            .map(|(name, file)| Ok((name.clone(), size(dir, file)?)))
            .collect::<Result<_, SnapshotError>>()
    };
    Ok(Sizes {
        nodes: all(&manifest.nodes)?,
        edges: all(&manifest.edges)?,
        companions: all(&manifest.tables)?,
        undirected: manifest.undirected,
    })
}

fn size(dir: &Path, file: &TableFile) -> Result<TableSize, SnapshotError> {
    /// Polars holds a text in 16 bytes, and in a buffer beside it what does not fit in 12 of them.
    const VIEW: u64 = 16;
    let path = file.located(dir)?;
    let decode = |source| SnapshotError::Decode { file: path.clone(), source };
    let mut input =
        regular(&path).and_then(|()| std::fs::File::open(&path)).map_err(|error| decode(error.into()))?;
    let footer = parquet::footer(&mut input).map_err(decode)?;
    let length = input.metadata().map_err(|error| decode(error.into()))?.len();
    // What is reckoned with below is what the file holds, whatever the manifest says.
    let wrong_length =
        (length != file.bytes).then(|| format!("has {length} bytes, the manifest says {}", file.bytes));
    if let Some(what) = wrong_length.or_else(|| wrong_height(file, footer.num_rows as u64)) {
        let problem = Problem { place: file.file.clone(), what };
        return Err(SnapshotError::Damaged { dir: dir.to_owned(), problem });
    }
    // Column → bytes before compression, and values, those within lists one by one.
    let mut encoded: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for group in &footer.row_groups {
        for chunk in group.parquet_columns() {
            let column =
                chunk.descriptor().path_in_schema.first().map(ToString::to_string).unwrap_or_default();
            let entry = encoded.entry(column).or_default();
            entry.0 += u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
            entry.1 += u64::try_from(chunk.num_values()).unwrap_or(0);
        }
    }
    let rows = file.rows;
    let bytes = |column: &super::ColumnType| {
        let (encoded, values) = encoded.get(&column.name).copied().unwrap_or_default();
        let missing = rows / 8;
        missing
            + match column.dtype.as_str() {
                "boolean" => rows / 8,
                "date" => 4 * rows,
                "string" => VIEW * rows + encoded,
                list if list.starts_with("list") => 8 * rows + VIEW * values + encoded,
                _ => 8 * rows,
            }
    };
    let columns = file.columns.iter().map(|column| (column.name.clone(), bytes(column))).collect();
    Ok(TableSize { rows, file: file.bytes, columns })
}

/// What names this snapshot in a cache: its manifest; `None` where one of its files is not there or not as long as the
/// manifest says, which whoever reads them will tell.
///
/// # Errors
///
/// When `dir` is no snapshot.
pub fn identity(dir: &Path) -> Result<Option<Of>, SnapshotError> {
    let manifest = Manifest::read(dir)?;
    let is_there = |file: &TableFile| {
        file.located(dir)
            .is_ok_and(|path| std::fs::metadata(path).is_ok_and(|found| found.len() == file.bytes))
    };
    if !manifest.files().all(is_there) {
        return Ok(None);
    }
    let bytes = fs_err::read(dir.join(MANIFEST)).map_err(SnapshotError::reading)?;
    Ok(Some(Of::manifest(&bytes)))
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::super::tables::Tables;
    use super::super::{ManifestInput, write};
    use super::*;
    use crate::context::Context;

    #[test]
    fn a_snapshot_says_what_its_tables_take_and_whether_they_are_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let snapshot = dir.path().join("s");
        let long = "a name that does not fit in twelve letters ";
        let uids: Vec<String> = (0..1000).map(|i| format!("{long}{i:04}")).collect();
        let nodes = df!("node" => (0..1000i64).collect::<Vec<_>>(), "uid" => &uids, "name" => &uids);
        let edges = df!("src" => (0..999i64).collect::<Vec<_>>(), "dst" => (1..1000i64).collect::<Vec<_>>());
        let mut tables = Tables::default();
        tables.nodes.insert("Node".into(), nodes.expect("a frame"));
        tables.edges.insert("NEXT".into(), edges.expect("a frame"));
        write(&snapshot, &tables, &ManifestInput::of(vec![]), &Context::silent()).expect("written");

        let found = sizes(&snapshot).expect("a snapshot");
        assert_eq!((found.node_count(), found.edges_of("NEXT"), found.edges_of("BACK")), (1000, 999, 0));
        let ids = found.nodes["Node"].columns["node"];
        assert!((8000..8200).contains(&ids), "{ids}");
        let text = found.uids();
        let least = 1000 * (16 + long.len() as u64);
        assert!((least..2 * least).contains(&text), "{text}");
        assert!(found.resident() < found.loading());

        let identity = |dir: &Path| super::identity(dir).expect("a snapshot");
        assert!(identity(&snapshot).is_some());
        let file = snapshot.join("edges/NEXT.parquet");
        let bytes = std::fs::read(&file).expect("a file");
        std::fs::write(&file, &bytes[..bytes.len() - 1]).expect("cut");
        assert_eq!(identity(&snapshot), None);
    }
}
