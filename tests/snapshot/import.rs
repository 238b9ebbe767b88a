//! Other people's graphs, through the binary.

use std::path::Path;

use assert_cmd::Command;
use sonograph::context::Context;
use sonograph::graph::{BusinessGraph, Projection};
use sonograph::snapshot::{read, verify};

/// Runs `sonograph snapshot import` in a folder that holds `files`, with `--out s`.
fn import(files: &[(&str, &str)], flags: &[&str]) -> (tempfile::TempDir, std::process::Output) {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let mut command = sonograph(dir.path());
    command.args(["snapshot", "import", "--out", "s"]).args(flags);
    let output = command.output().expect("it runs");
    (dir, output)
}

fn sonograph(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    command.current_dir(dir).env_remove("SONOGRAPH_CONFIG").env("NO_COLOR", "1");
    command
}

fn imported(files: &[(&str, &str)], flags: &[&str]) -> (BusinessGraph, String) {
    let (dir, output) = import(files, flags);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8(output.stdout).expect("text"), "s\n");
    let out = dir.path().join("s");
    assert_eq!(verify(&out, &Context::silent()).expect("a snapshot").problems, vec![]);
    (BusinessGraph::build(read(&out).expect("read").tables).expect("a graph"), said)
}

fn refused(files: &[(&str, &str)], flags: &[&str]) -> String {
    let (dir, output) = import(files, flags);
    assert_eq!(output.status.code(), Some(2));
    assert!(!dir.path().join("s").exists() && !dir.path().join("s.partial").exists());
    String::from_utf8(output.stderr).expect("text")
}

/// Edges as `src>dst` by uid, in the order of the snapshot.
fn edges(graph: &BusinessGraph, relation: &str) -> Vec<String> {
    let table = graph.edges(relation).expect("the relation");
    let uid = |id: u32| graph.uid(sonograph::graph::NodeId(id)).to_owned();
    table.src.iter().zip(table.dst.iter()).map(|(s, d)| format!("{}>{}", uid(s), uid(*d))).collect()
}

fn types(frame: &polars::prelude::DataFrame) -> Vec<String> {
    frame.columns().iter().map(|c| format!("{} {}", c.name(), c.dtype())).collect()
}

#[test]
fn text_holds_ids_weights_and_times_with_comments_between() {
    let text = "# from the fair\n% 1999\n\n a\tb 0.5 100 \r\n007 7\nb a 2\n";
    let (graph, _) = imported(&[("e.txt", text)], &["--edges", "e.txt"]);
    let mut uids: Vec<_> = graph.nodes_with("Node").into_iter().map(|n| graph.uid(n)).collect();
    uids.sort_unstable();
    assert_eq!(uids, ["007", "7", "a", "b"]);
    assert_eq!(edges(&graph, "EDGE"), ["007>7", "a>b", "b>a"]);
    let frame = &graph.edges("EDGE").expect("edges").frame;
    assert_eq!(types(frame), ["weight f64", "timestamp datetime[μs, UTC]"]);
    let weights: Vec<_> = frame.column("weight").expect("kept").f64().expect("numbers").iter().collect();
    assert_eq!(weights, [None, Some(0.5), Some(2.0)]);
    assert_eq!(graph.as_of(), Some(100_000_000));
}

#[test]
fn a_graph_without_weights_has_no_column_of_them() {
    let (graph, _) =
        imported(&[("e.txt", "a b\nb c\n")], &["--edges", "e.txt", "--relation", "KNOWS", "--label", "Cat"]);
    assert_eq!(types(&graph.edges("KNOWS").expect("edges").frame), Vec::<String>::new());
    assert_eq!(graph.labels().collect::<Vec<_>>(), ["Cat"]);
}

#[test]
fn csv_takes_its_header_and_types_what_else_it_holds() {
    let csv = "\u{feff}src,dst,type,weight,timestamp,note,rank,seen,since\n\
        a,b,LIKES,1.5,2026-01-01T00:00:00Z,\"x, \"\"y\"\"\",3,true,2026-01-31\n\
        b,a,,,,007,,,\n";
    let (graph, _) = imported(&[("e.csv", csv)], &["--edges", "e.csv"]);
    assert_eq!(graph.relations().collect::<Vec<_>>(), ["EDGE", "LIKES"]);
    let likes = &graph.edges("LIKES").expect("edges").frame;
    assert_eq!(
        types(likes),
        ["weight f64", "timestamp datetime[μs, UTC]", "note str", "rank i64", "seen bool", "since date"]
    );
    assert_eq!(likes.column("note").expect("kept").str().expect("text").get(0), Some("x, \"y\""));
    assert_eq!(types(&graph.edges("EDGE").expect("edges").frame), ["note str"]);
}

#[test]
fn columns_of_other_names_are_taken_in_order_and_said() {
    let csv = "person,event\nAda,E1\nAda,E2\n";
    let (graph, said) = imported(&[("e.csv", csv)], &["--edges", "e.csv"]);
    assert_eq!(edges(&graph, "EDGE"), ["Ada>E1", "Ada>E2"]);
    assert!(said.contains("took columns `person` and `event` of e.csv as src and dst"), "{said}");
    let (graph, said) =
        imported(&[("e.csv", csv)], &["--edges", "e.csv", "--src", "event", "--dst", "person"]);
    assert_eq!(edges(&graph, "EDGE"), ["E1>Ada", "E2>Ada"]);
    assert!(!said.contains("took"), "{said}");
    let said = refused(&[("e.csv", csv)], &["--edges", "e.csv", "--src", "who", "--dst", "event"]);
    assert!(said.contains("there is no column `who`, only person, event"), "{said}");
}

#[test]
fn nodes_bring_labels_names_and_properties_and_close_the_list() {
    let nodes = "id,label,name,age\nb,Person,Ben,30\na,Person,Ana,\nv,,Hall,\n";
    let files = [("n.csv", nodes), ("e.txt", "a v\nb v\n"), ("more.txt", "a v\na z\n")];
    let (graph, _) = imported(&files, &["--edges", "e.txt", "--nodes", "n.csv", "--label", "Venue"]);
    assert_eq!(graph.labels().collect::<Vec<_>>(), ["Person", "Venue"]);
    let people = graph.node_frame("Person").expect("people");
    assert_eq!(types(people), ["node i64", "uid str", "name str", "age i64"]);
    assert_eq!(graph.name(graph.node("a").expect("a node")), "Ana");
    assert_eq!(types(graph.node_frame("Venue").expect("venues")), ["node i64", "uid str", "name str"]);

    let said = refused(&files, &["--edges", "more.txt", "--nodes", "n.csv"]);
    assert!(
        said.contains("cannot understand line 2 of `more.txt`: `z` is not in the file of nodes"),
        "{said}"
    );
    assert!(said.contains("hint: `--add-missing`"), "{said}");
    let (graph, _) = imported(&files, &["--edges", "more.txt", "--nodes", "n.csv", "--add-missing"]);
    assert_eq!(graph.label(graph.node("z").expect("added")), "Node");
    assert_eq!(graph.node_count(), 4, "a node without an edge stays");
}

#[test]
fn a_list_of_nodes_is_one_id_to_a_line() {
    let files = [
        ("n.txt", "# all\nb\na\nlonely\n"),
        ("twice.txt", "a\nb\na\n"),
        ("two.txt", "a b\n"),
        ("e.txt", "a b\n"),
    ];
    let (graph, _) = imported(&files, &["--edges", "e.txt", "--nodes", "n.txt"]);
    assert_eq!(graph.node_count(), 3);
    let said = refused(&files, &["--edges", "e.txt", "--nodes", "twice.txt"]);
    assert!(
        said.contains("cannot understand line 3 of `twice.txt`: the id `a` is there a second time"),
        "{said}"
    );
    let said = refused(&files, &["--edges", "e.txt", "--nodes", "two.txt"]);
    assert!(said.contains("cannot understand line 1 of `two.txt`: more than one id"), "{said}");
}

#[test]
fn a_line_that_is_not_what_it_should_be_is_named() {
    let one = |name: &str, text: &str| refused(&[(name, text)], &["--edges", name]);
    for (name, text, expected) in [
        ("e.txt", "a b\n# c\nlonely\n", "line 3 of `e.txt`: an edge needs two ids"),
        ("e.txt", "a b x\n", "line 1 of `e.txt`: `x` is no finite number, as a weight must be"),
        ("e.txt", "a b nan\n", "line 1 of `e.txt`: `nan` is no finite number, as a weight must be"),
        (
            "e.txt",
            "a b 1 soon\n",
            "line 1 of `e.txt`: `soon` is no time: neither seconds since 1970 nor RFC 3339",
        ),
        ("e.txt", "a b 1 2 3\n", "line 1 of `e.txt`: more than `src dst [weight [timestamp]]`"),
        ("e.csv", "src,dst\na,b\nc,d,e\n", "line 3 of `e.csv`: it has 3 cells, the header 2"),
        ("e.csv", "src,dst\na,b\nc,\n", "line 3 of `e.csv`: the dst is missing"),
        (
            "e.csv",
            "src,dst,weight\n\"a\nb\",c,1\nd,e,heavy\n",
            "line 4 of `e.csv`: `heavy` is no finite number, as a weight must be",
        ),
        ("e.csv", "src,dst,x,x\na,b,1,2\n", "the header of `e.csv`: column `x` is there twice"),
        ("e.csv", "src\na\n", "the header of `e.csv`: an edge needs two columns, src and dst"),
    ] {
        let said = one(name, text);
        assert!(said.contains(expected), "{said}");
    }
    let (dir, _) = import(&[], &["--edges", "e.txt"]);
    std::fs::write(dir.path().join("e.txt"), b"a b\n\xff c\n").expect("written");
    let output =
        sonograph(dir.path()).args(["snapshot", "import", "--edges", "e.txt", "--out", "s"]).output();
    let said = String::from_utf8(output.expect("it runs").stderr).expect("text");
    assert!(said.contains("line 2 of `e.txt`: byte 1 is not UTF-8"), "{said}");
    let said = refused(&[], &["--edges", "nowhere.csv"]);
    assert!(said.contains("cannot read `nowhere.csv`") && said.contains("No such file"), "{said}");
}

/// What is said of an import of what is typed, and its exit code.
fn piped(typed: &[u8], flags: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = sonograph(dir.path());
    command.args(["snapshot", "import", "--out", "s"]).args(flags).write_stdin(typed);
    let output = command.timeout(std::time::Duration::from_mins(1)).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn a_stream_is_told_by_its_first_line() {
    use std::io::Write as _;
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zipped.write_all(b"weight,src,dst\n1,a,b\n").expect("written");
    let zipped = zipped.finish().expect("finished");
    for (typed, flags) in [
        (&b"\xef\xbb\xbf\"src\", dst,weight\r\na,b,1\r\n"[..], &[][..]),
        (b"# taken in May\nsrc,dst\na,b\n", &["--skip-lines", "1"]),
        (b"who,whom\na,b\n", &["--src", "who", "--dst", "whom"]),
        (b"# src,dst\na b\n", &[]),
        (b"a b", &[]),
        (&zipped, &[]),
    ] {
        let (code, said) = piped(typed, &[&["--edges", "-"], flags].concat());
        assert!(code == Some(0) && said.contains("froze 2 nodes and 1 edges"), "{said}");
    }
    let (code, said) = piped(b"who,whom\na,b\n", &["--edges", "-"]);
    assert!(code == Some(2) && said.contains("an edge needs two ids"), "{said}");
    assert!(said.contains("`--src COLUMN --dst COLUMN`"), "{said}");
    let (code, said) = piped(b"a b\n", &["--edges", "-", "--nodes", "-"]);
    assert!(code == Some(2) && said.contains("can be read once"), "{said}");
}

#[test]
fn a_stream_of_nodes_is_told_by_its_first_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let edges = dir.path().join("e.txt");
    std::fs::write(&edges, "a b\n").expect("written");
    let edges = edges.to_str().expect("a plain path");
    for typed in [&b"id,name\na,Ana\nb,Ben\nc,Cy\n"[..], b"a\nb\nc\n"] {
        let (code, said) = piped(typed, &["--edges", edges, "--nodes", "-"]);
        assert!(code == Some(0) && said.contains("froze 3 nodes and 1 edges"), "{said}");
    }
}

#[test]
fn a_quote_that_swallows_lines_is_refused_by_the_line_where_it_opens() {
    let rows =
        |from: usize, to: usize| (from..to).fold(String::new(), |text, i| format!("{text}{i},{}\n", i + 1));
    let said = refused(&[("e.csv", "src,dst\n1,\"2\n3\n")], &["--edges", "e.csv"]);
    assert!(said.contains("line 2 of `e.csv`: a quote that opens here is closed nowhere"), "{said}");
    for line in ["c,\"d\n", "\"c,d\n"] {
        let text = format!("src,dst\n{}{line}{}", rows(0, 10), rows(10, 1000));
        let said = refused(&[("e.csv", &text)], &["--edges", "e.csv"]);
        assert!(said.contains("line 12 of `e.csv`: a quote that opens here is closed nowhere"), "{said}");
        let closed = format!("{text}\"x\",y\n");
        let said = refused(&[("e.csv", &closed)], &["--edges", "e.csv"]);
        assert!(
            said.contains("line 12 of `e.csv`: a quote that opens here is closed on line 1003"),
            "{said}"
        );
        let said = refused(
            &[("e.csv", "src,dst\n"), ("n.csv", &text.replace("src,dst", "id,name"))],
            &["--edges", "e.csv", "--nodes", "n.csv"],
        );
        assert!(said.contains("line 12 of `n.csv`: a quote that opens"), "{said}");
    }
}

#[test]
fn an_undirected_graph_keeps_each_edge_once_and_is_followed_both_ways() {
    let text = "a b\nb a\na a\nb c\n";
    let (graph, _) = imported(&[("e.txt", text)], &["--edges", "e.txt", "--undirected"]);
    assert!(graph.is_undirected());
    assert_eq!(edges(&graph, "EDGE"), ["a>a", "a>b", "b>a", "b>c"]);
    let view = graph.project(&Projection::default()).expect("a projection");
    assert_eq!((view.csr.edge_count(), view.csr.arc_count()), (4, 7));
    let (graph, _) = imported(&[("e.txt", text)], &["--edges", "e.txt", "--undirected", "--dedup"]);
    assert_eq!(edges(&graph, "EDGE"), ["a>a", "a>b", "b>c"]);
    let (graph, _) = imported(&[("e.txt", "a b 1\nb a 2\na b 3\n")], &["--edges", "e.txt", "--dedup"]);
    assert_eq!(edges(&graph, "EDGE"), ["a>b", "b>a"], "directed, there and back are two");
    let weights = graph.edges("EDGE").expect("edges").frame.column("weight").expect("kept").clone();
    assert_eq!(weights.f64().expect("numbers").get(0), Some(1.0), "the first of parallel edges stays");
}

#[test]
fn headers_of_text_are_passed_over_and_adjacency_read_when_asked() {
    let (graph, _) = imported(&[("e.txt", "3 2\n1 2\n2 3\n")], &["--edges", "e.txt", "--skip-lines", "1"]);
    assert_eq!(edges(&graph, "EDGE"), ["1>2", "2>3"]);
    let (graph, _) =
        imported(&[("e.adj", "a b c\nb\nlonely\n")], &["--edges", "e.adj", "--layout", "adjacency"]);
    assert_eq!(edges(&graph, "EDGE"), ["a>b", "a>c"]);
    assert_eq!(graph.node_count(), 4);
    let said = refused(&[("e.csv", "src,dst\n")], &["--edges", "e.csv", "--layout", "adjacency"]);
    assert!(said.contains("cannot use --layout adjacency with `e.csv`"), "{said}");
}

#[test]
fn the_same_edges_in_text_csv_gzip_and_parquet_give_the_same_tables() {
    use polars::prelude::*;
    use std::io::Write;
    let dir = tempfile::tempdir().expect("a folder");
    let (text, csv) = ("10 9 0.5 60\n9 10 1 61\n", "src,dst,weight,timestamp\n10,9,0.5,60\n9,10,1,61\n");
    std::fs::write(dir.path().join("e.txt"), text).expect("written");
    std::fs::write(dir.path().join("e.csv"), csv).expect("written");
    for (name, content) in [("z.txt.gz", text), ("z.csv.gz", csv)] {
        let file = std::fs::File::create(dir.path().join(name)).expect("made");
        let mut zip = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        zip.write_all(content.as_bytes()).expect("written");
        zip.finish().expect("written");
    }
    let mut frame =
        df!("src" => [10i64, 9], "dst" => [9i64, 10], "weight" => [0.5, 1.0], "timestamp" => [60i64, 61])
            .expect("a frame");
    let file = std::fs::File::create(dir.path().join("e.parquet")).expect("made");
    ParquetWriter::new(file).finish(&mut frame).expect("written");
    let mut sums = Vec::new();
    for name in ["e.txt", "e.csv", "z.txt.gz", "z.csv.gz", "e.parquet"] {
        let output = sonograph(dir.path())
            .args(["snapshot", "import", "--edges", name, "--out", "s", "--force"])
            .output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = read(&dir.path().join("s")).expect("read").manifest;
        sums.push(manifest.files().map(|f| f.sha256.clone()).collect::<Vec<_>>());
    }
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
}

#[test]
fn a_gzip_file_that_breaks_off_is_refused() {
    use std::io::Write;
    let dir = tempfile::tempdir().expect("a folder");
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for i in 0..1000 {
        writeln!(zip, "{i} {}", i * i).expect("written");
    }
    let bytes = zip.finish().expect("written");
    std::fs::write(dir.path().join("e.txt.gz"), &bytes[..bytes.len() / 2]).expect("written");
    let output =
        sonograph(dir.path()).args(["snapshot", "import", "--edges", "e.txt.gz", "--out", "s"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read `e.txt.gz`"));
    assert!(!dir.path().join("s").exists());
}

#[test]
fn passing_over_more_lines_than_there_are_ends_at_the_end_of_the_file() {
    let files = [("e.txt", "a b\nb c\n"), ("e.csv", "src,dst\na,b\n")];
    for (name, flags) in [("e.txt", &[][..]), ("e.txt", &["--layout", "adjacency"]), ("e.csv", &[])] {
        let said =
            refused(&files, &[&["--edges", name, "--skip-lines", "18446744073709551615"], flags].concat());
        let expected = format!("cannot pass over 18446744073709551615 lines of `{name}`: it has 2");
        assert!(said.contains(&expected) && said.contains("hint: `--skip-lines N`"), "{said}");
    }
    let (graph, _) = imported(&files, &["--edges", "e.txt", "--skip-lines", "2"]);
    assert_eq!(graph.edge_count(), 0, "as many as there are is no mistake");
}

#[test]
fn a_pipe_is_read_as_the_file_it_stands_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut frame = polars::prelude::df!("src" => ["a", "b"], "dst" => ["b", "c"]).expect("a frame");
    let mut parquet = Vec::new();
    polars::prelude::ParquetWriter::new(&mut parquet).finish(&mut frame).expect("written");
    let manifest = |edges: &str, typed: Option<&[u8]>| {
        let mut command = sonograph(dir.path());
        command.args(["snapshot", "import", "--edges", edges, "--out", "s", "--force"]);
        if let Some(typed) = typed {
            command.write_stdin(typed);
        }
        let output = command.timeout(std::time::Duration::from_mins(1)).output().expect("it runs");
        assert!(output.status.success(), "{edges}: {}", String::from_utf8_lossy(&output.stderr));
        read(&dir.path().join("s")).expect("read").manifest
    };
    for (name, bytes) in
        [("e.txt", &b"a b\nb c\n"[..]), ("e.csv", b"src,dst\na,b\nb,c\n"), ("e.parquet", &parquet)]
    {
        std::fs::write(dir.path().join(name), bytes).expect("written");
        let whole = manifest(name, None);
        assert_eq!(whole.edge_count, 2);
        for stdin in ["/dev/stdin", "-"] {
            let piped = manifest(stdin, Some(bytes));
            assert_eq!(piped.files().collect::<Vec<_>>(), whole.files().collect::<Vec<_>>(), "{name}");
            assert_eq!((&piped.sources[0].version, piped.edge_count), (&whole.sources[0].version, 2));
        }
        let fifo = dir.path().join(format!("fifo.{name}"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let writer = std::thread::spawn({
            let (fifo, bytes) = (fifo.clone(), bytes.to_vec());
            move || std::fs::write(fifo, bytes)
        });
        let piped = manifest(&format!("fifo.{name}"), None);
        writer.join().expect("no panic").expect("somebody read all of it");
        assert_eq!(piped.files().collect::<Vec<_>>(), whole.files().collect::<Vec<_>>());
        assert_eq!(piped.sources[0].version, whole.sources[0].version, "the hash is that of the bytes");
    }
}
