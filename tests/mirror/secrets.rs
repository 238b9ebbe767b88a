//! E-mail addresses, telephone numbers and tokens in every text of the sources, and in nothing that comes out of them.

use std::fmt::Write as _;

use assert_cmd::Command;
use polars::prelude::{AnyValue, Series};
use sonograph::snapshot;
use sonograph::sources::falkordb::{CypherValue, Params};

use crate::command_line::{Runs, mirror};
use crate::graph::with_graph;
use crate::scratch::Scratch;

/// What marks the addresses, the numbers and the tokens of `secrets.sql`.
const MARKS: [&str; 8] =
    ["zq7", "secret.example", "98769876", "9876-9876", "4915198769876", "ZQ7", "698-7600", "98769 876"];

fn holds_none(what: &str, text: &str) {
    for mark in MARKS {
        if let Some(at) = text.to_lowercase().find(&mark.to_lowercase()) {
            let near: String =
                text.chars().skip(text[..at].chars().count().saturating_sub(120)).take(240).collect();
            panic!("{what} holds {mark:?}: …{near}…");
        }
    }
}

/// Everything a command said.
fn said(command: &mut Command, code: i32) -> String {
    let done = command.assert().code(code);
    let output = done.get_output();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Adds every text of a column.
fn cells(series: &Series, told: &mut String) {
    for at in 0..series.len() {
        match series.get(at).expect("a cell") {
            AnyValue::List(inner) => cells(&inner, told),
            AnyValue::String(text) => writeln!(told, "{text}").expect("a string takes all"),
            _ => {}
        }
    }
}

#[test]
fn no_address_number_or_token_of_the_sources_comes_out_anywhere() {
    with_graph("secrets", async |client, graph| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        scratch.run(include_str!("secrets.sql")).await;
        let (postgres, runs) = (scratch.url(), Runs::of(graph));
        for arguments in [
            &["plan", "-vv", "--format", "json"][..],
            &["plan", "-vv", "--format", "table"],
            &["apply", "-vv", "--dry-run"],
            &["apply", "-vv", "--format", "json"],
            &["history", "--format", "json"],
        ] {
            holds_none(&arguments.join(" "), &said(&mut mirror(&postgres, graph, arguments), 0));
        }

        let mut told = String::new();
        for query in ["MATCH (n) RETURN labels(n), n", "MATCH ()-[e]->() RETURN e"] {
            let reply = client.ro_query(graph, query, &Params::new()).await.expect("it is a query");
            assert!(reply.rows.len() > 20, "there is a graph");
            write!(told, "{:?}", reply.rows).expect("a string takes all");
        }
        holds_none("the graph", &told);
        // What is hashed is there: the address in lower case, and the number in E.164.
        for hash in [sha("zq7.mark@secret.example"), sha("+4915198769876")] {
            assert!(told.contains(&hash), "{hash}");
        }
        let by_further = "MATCH (p:Person {name: 'Leo Tran'}) RETURN p.phone_sha256";
        let reply = client.ro_query(graph, by_further, &Params::new()).await.expect("it is a query");
        assert_eq!(reply.rows, [vec![CypherValue::Text(sha("+4915198769876"))]]);
        for entry in walkdir(&runs.0) {
            holds_none(
                &entry.display().to_string(),
                &String::from_utf8_lossy(&std::fs::read(&entry).expect("a file")),
            );
        }

        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("frozen");
        let mut take = Command::cargo_bin("sonograph").expect("the binary is built");
        take.args(["--progress", "none", "-vv", "snapshot", "take", "--out"])
            .arg(&out)
            .env("SONOGRAPH_FALKORDB_URL", crate::graph::url())
            .env("SONOGRAPH_POSTGRES_URL", &postgres)
            .env("SONOGRAPH_GRAPH", graph)
            .current_dir(folder.path());
        holds_none("snapshot take", &said(&mut take, 0));
        let frozen = snapshot::read(&out).expect("a snapshot");
        let tables = &frozen.tables;
        for (name, frame) in tables.nodes.iter().chain(&tables.edges).chain(&tables.companions) {
            let mut told = format!("{name}: {:?}\n", frame.get_column_names());
            for column in frame.columns() {
                cells(column.as_materialized_series(), &mut told);
            }
            holds_none(name, &told);
        }
        assert!(tables.companions["touchpoints"].height() > 8);
        for name in ["manifest.json", "run.json"] {
            holds_none(name, &std::fs::read_to_string(out.join(name)).expect("it is there"));
        }
        let suffixes = frozen.manifest.options.get("suffix_list").and_then(|list| list.as_str());
        assert!(suffixes.is_some_and(|list| list.starts_with("psl ")), "{:?}", frozen.manifest.options);

        // A row that cannot be taken is named by its key, which is somebody's number here.
        for key in ["zq7.mark@secret.example", "+4915198769876"] {
            scratch
                .run(&format!("UPDATE sonik_web.tracks SET \"timestamp\" = 'infinity' WHERE id = '{key}'"))
                .await;
            let told = said(&mut mirror(&postgres, graph, &["plan", "-vv"]), 3);
            assert!(
                told.contains("sonik_web.tracks")
                    && told.contains("timestamp")
                    && told.contains("(withheld)"),
                "{told}"
            );
            holds_none("the error", &told);
            scratch
                .run("UPDATE sonik_web.tracks SET \"timestamp\" = now() WHERE \"timestamp\" = 'infinity'")
                .await;
        }
    });
}

fn sha(text: &str) -> String {
    sonograph::ontology::canonical::sha256(text)
}

/// The files below a folder.
fn walkdir(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(dir).expect("the ledger's folder").map(|entry| entry.expect("an entry").path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| walkdir(folder)));
    files
}
