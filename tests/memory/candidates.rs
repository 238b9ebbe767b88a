//! `snapshot take --memory`, through the binary: the folder, the candidates, the names.

use std::collections::BTreeMap;
use std::path::Path;

use sonograph::context::Context;
use sonograph::snapshot::{read_memory, verify};

use crate::place::{Graphs, done, said, sonograph, url, whole};

/// Every file below a folder but `run.json`.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(dir).expect("below").to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name != "run.json" {
                all.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

/// A business graph whose names the committed memory knows.
fn business(graphs: &Graphs, key: &str) {
    graphs.query(
        key,
        "CREATE (:Person {uid: 'p', name: 'VELVET MERIDIAN'}), (:Venue {uid: 'v', name: 'Low Ceiling'}), \
         (:Organization {uid: 'o', name: 'Low Ceiling'}), (:Event {uid: 'e', name: 'Somewhere else'})",
    );
}

#[test]
fn a_memory_is_frozen_beside_the_business_graph_with_what_it_may_mention() {
    let name = |what: &str| format!("test_mentions_{what}_{}", std::process::id());
    let (town, memory) = (name("town"), name("memory"));
    let graphs = Graphs::on(&url(), &[&town, &memory]);
    business(&graphs, &town);
    graphs.remember(&memory);
    let dir = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| sonograph(dir.path(), &graphs.url, &town, arguments);
    done(run(&["--threads", "1", "snapshot", "take", "--out", "snapshots/a", "--memory", &memory]));
    done(run(&[
        "--threads",
        "2",
        "snapshot",
        "take",
        "--out",
        "snapshots/b",
        "--memory",
        &memory,
        "--memory",
        &memory,
    ]));
    let a = dir.path().join("snapshots/a");
    assert_eq!(files(&a), files(&dir.path().join("snapshots/b")), "the same bytes on one thread and on two");

    let frozen = whole(&a);
    assert_eq!((frozen.manifest.node_count, frozen.manifest.edge_count), (4, 0), "the business graph alone");
    let source = frozen.manifest.sources.iter().find(|s| s.system == "cognee").expect("a source");
    assert_eq!(source.detail["graph"], memory.as_str());
    assert_eq!((&source.detail["nodes"], &source.detail["edges"]), (&7.into(), &4.into()));
    assert_eq!(source.detail["vectors_skipped"]["name_vector"], 3);
    assert_eq!((&source.detail["unlabelled"], &source.detail["broken_json"]), (&1.into(), &1.into()));

    // Both named Velvet Meridian may be the person, one of them is an artist, of the other nobody knows; the club is a venue.
    let memory_of = read_memory(&a, &memory).expect("read").expect("it is there");
    let frame = &memory_of.mentions;
    let text = |column: &str| {
        let column = frame.column(column).and_then(|c| c.str()).expect("text").clone();
        column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(text("memory_uid"), ["ceiling", "velvet", "velvet-2"]);
    assert_eq!(text("business_uid"), ["v", "p", "p"]);
    assert_eq!(text("label"), ["Venue", "Person", "Person"]);
    assert_eq!(text("rule"), ["name+type", "name+type", "name"]);
    let confidence = frame.column("confidence").and_then(|c| c.f64()).expect("numbers").clone();
    assert_eq!(confidence.iter().flatten().collect::<Vec<_>>(), [0.9, 0.45, 0.25]);
    assert!(read_memory(&a, "another").expect("read").is_none());

    let shown = done(run(&["snapshot", "show", "a", "--format", "table"]));
    for expected in [
        &format!("memory      {memory}: 7 nodes, 4 edges, 3 candidates of a mention"),
        "memory node",
        "cognee",
    ] {
        assert!(shown.contains(expected), "{expected} in\n{shown}");
    }
    assert!(done(run(&["snapshot", "list", "--format", "csv"])).contains("cognee"));

    done(run(&["snapshot", "export", "--snapshot", "a", "--out", "export"]));
    let exported = |file: &str| {
        let path = dir.path().join("export/memory").join(&memory).join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    assert_eq!(
        exported("edges/is_a.csv"),
        "src,dst,relationship_name\nceiling,type-club,is_a\nvelvet,type-artist,is_a\n"
    );
    assert!(
        exported("mentions.csv")
            .starts_with("memory_uid,business_uid,label,rule,confidence\nceiling,v,Venue,")
    );

    // Damage is found: a changed byte, a stranger, a mention of another node than its uid says.
    let place = a.join(&frozen.manifest.memory[&memory].mentions.file);
    std::fs::write(place.with_file_name("stranger"), "x").expect("written");
    let found = verify(&a, &Context::silent()).expect("a snapshot").problems;
    assert!(found.len() == 1 && found[0].place.ends_with("/stranger"), "{found:?}");
    std::fs::remove_file(place.with_file_name("stranger")).expect("gone");
    std::fs::write(&place, "PAR1").expect("written");
    let broken = run(&["snapshot", "verify", "a"]).output().expect("it runs");
    assert_eq!(broken.status.code(), Some(1), "{}", said(&broken));
}

#[test]
fn no_key_of_a_graph_leads_out_of_the_snapshot() {
    let id = std::process::id();
    let odd = [
        format!("../../escape_{id}"),
        format!("/tmp/abs_{id}"),
        format!("ünï/{id}\\..\\x"),
        format!("UPPER_{id}"),
        format!("upper_{id}"),
    ];
    let town = format!("test_odd_town_{id}");
    let mut keys: Vec<&str> = odd.iter().map(String::as_str).collect();
    keys.push(&town);
    let graphs = Graphs::on(&url(), &keys);
    business(&graphs, &town);
    for key in &odd {
        graphs.query(key, "CREATE (:Entity {id: 'a', name: 'Low Ceiling'})-[:`../x`]->(:`..` {id: 'b'})");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let home = dir.path().join("one/two");
    std::fs::create_dir_all(&home).expect("made");
    let mut arguments = vec!["snapshot", "take", "--out", "s"];
    for key in &odd {
        arguments.extend(["--memory", key]);
    }
    done(sonograph(&home, &graphs.url, &town, &arguments));
    let frozen = whole(&home.join("s"));
    assert_eq!(
        frozen.manifest.memory.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
        odd.iter().map(String::as_str).collect()
    );
    let outside: Vec<String> =
        files(dir.path()).into_keys().filter(|name| !name.starts_with("one/two/s/")).collect();
    assert_eq!(outside, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(home.join("s/memory")).expect("a folder").count(), odd.len());
    for key in &odd {
        assert_eq!(read_memory(&home.join("s"), key).expect("read").expect("there").tables.node_count(), 2);
    }
}

#[test]
fn the_business_graph_is_no_memory_and_one_that_is_missing_is_named() {
    let town = format!("test_no_memory_{}", std::process::id());
    let graphs = Graphs::on(&url(), &[&town]);
    business(&graphs, &town);
    let dir = tempfile::tempdir().expect("a folder");
    for (memory, code) in [(town.as_str(), 2), ("no such memory", 3)] {
        let take = ["snapshot", "take", "--out", "s", "--memory", memory];
        let refused = sonograph(dir.path(), &graphs.url, &town, &take).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(code), "{}", said(&refused));
        assert!(
            said(&refused).contains(memory) && said(&refused).contains("`sonograph doctor`"),
            "{}",
            said(&refused)
        );
        assert!(!dir.path().join("s").exists() && !dir.path().join("s.partial").exists());
    }
}
