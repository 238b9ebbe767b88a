//! Reading a memory does no harm: a user who may do nothing else is enough, nothing changes, and no vector travels.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::Connection;
use sonograph::context::Context;
use sonograph::sources::cognee;
use sonograph::sources::falkordb::Client;

use crate::place::{Graphs, done, private, said, sonograph, vector, whole};

/// How often each command of a graph was called.
fn calls(connection: &mut Connection) -> BTreeMap<String, String> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("it answers");
    let graph =
        info.lines().filter_map(|line| line.to_lowercase().strip_prefix("cmdstat_graph.").map(str::to_owned));
    let calls = graph.filter_map(|line| {
        let (name, rest) = line.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.to_owned()))
    });
    calls.filter(|(name, _)| !["ro_query", "list", "explain"].contains(&name.as_str())).collect()
}

fn everything(graphs: &Graphs, key: &str) -> String {
    let nodes = graphs.query(key, "MATCH (n) RETURN id(n), labels(n), properties(n) ORDER BY id(n)");
    let edges = graphs.query(key, "MATCH ()-[e]->() RETURN id(e), type(e), properties(e) ORDER BY id(e)");
    let rows = |reply: redis::Value| match reply {
        redis::Value::Array(parts) => format!("{:?}", parts[1]),
        other => panic!("{other:?}"),
    };
    rows(nodes) + &rows(edges)
}

#[test]
fn a_user_who_may_only_read_memories_is_enough_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_guard, admin) = private(dir.path());
    let graphs = Graphs::on(&admin, &["cognee_graph", "town", "cognee_other"]);
    graphs.remember("cognee_graph");
    graphs.query("cognee_other", "CREATE (:Entity {id: 'x', topological_rank: 0})");
    graphs.query("town", "CREATE (:Venue {uid: 'v', name: 'Low Ceiling'})");
    let mut connection = graphs.connection();
    let rules =
        "on >only-reads resetkeys ~cognee* resetchannels -@all +graph.ro_query +graph.explain +graph.list";
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("reader");
    rules.split(' ').for_each(|rule| {
        user.arg(rule);
    });
    user.exec(&mut connection).expect("a user");
    let mut reader = url::Url::parse(&admin).expect("a URL");
    reader.set_username("reader").expect("a name");
    reader.set_password(Some("only-reads")).expect("a password");

    let before = everything(&graphs, "cognee_graph");
    let written = calls(&mut connection);
    let home = dir.path().join("home");
    std::fs::create_dir(&home).expect("made");
    std::fs::write(home.join("sonograph.toml"), "[falkordb]\nmemory_graphs = [\"cognee_graph\"]\n")
        .expect("written");
    let run = |arguments: &[&str]| {
        let mut command = sonograph(&home, &admin, "town", arguments);
        command.env("SONOGRAPH_MEMORY_URL", reader.as_str());
        command
    };
    done(run(&["snapshot", "take", "--out", "s"]));
    assert_eq!(calls(&mut connection), written, "nothing but reading commands was sent");
    assert_eq!(everything(&graphs, "cognee_graph"), before);
    let frozen = whole(&home.join("s"));
    assert_eq!(frozen.manifest.memory["cognee_graph"].mentions.rows, 1);
    let manifest = std::fs::read_to_string(home.join("s/manifest.json")).expect("a manifest");
    assert!(
        !manifest.contains("only-reads") && !manifest.contains("reader"),
        "no secret stands in the manifest"
    );

    // What this user may not see is refused with its name, and without the password.
    let refused = run(&["snapshot", "take", "--out", "t", "--memory", "secret"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(
        said(&refused).contains("does not permit") && !said(&refused).contains("only-reads"),
        "{}",
        said(&refused)
    );

    // Doctor says what is read, and what looks like a memory and is not. Without a database it exits 3.
    let doctor = run(&["doctor"]).output().expect("it runs");
    let told = String::from_utf8(doctor.stdout).expect("text");
    for expected in ["`cognee_graph`: 8 nodes, 4 edges", "`cognee_other` looks like one and is not read"] {
        assert!(told.contains(expected), "{expected} in\n{told}");
    }
    assert!(!told.contains("`town` looks"), "{told}");
}

/// Bytes the server has sent.
fn sent(connection: &mut Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query(connection).expect("it answers");
    let line = info.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:")).expect("a number");
    line.trim().parse().expect("a number")
}

#[test]
fn vectors_are_not_fetched() {
    const NODES: u64 = 2_000;
    let dir = tempfile::tempdir().expect("a folder");
    let (_guard, url) = private(dir.path());
    let graphs = Graphs::on(&url, &["cognee_graph"]);
    let make = format!(
        "UNWIND range(1, {NODES}) AS i CREATE (:Entity {{id: 'e' + toString(i), name: 'entity ' + toString(i), type: 'Entity', \
         description: 'what somebody once said about a thing, a hundred letters of it or so, more or less of them', \
         created_at: 1795366534971, updated_at: 1795366534971, version: 1, topological_rank: 0, \
         metadata: '{{\"index_fields\": [\"name\"]}}', name_vector: vecf32({})}})",
        vector(1536)
    );
    graphs.query("cognee_graph", &make);
    let mut connection = graphs.connection();

    let measured = |what: &mut dyn FnMut()| -> (u64, Duration) {
        let mut connection = graphs.connection();
        let before = sent(&mut connection);
        let clock = Instant::now();
        what();
        (sent(&mut connection) - before, clock.elapsed())
    };
    let whole = measured(&mut || {
        for from in (0..NODES).step_by(500) {
            let query = format!("MATCH (n) WHERE id(n) >= {from} AND id(n) < {} RETURN n", from + 500);
            redis::cmd("GRAPH.RO_QUERY")
                .arg("cognee_graph")
                .arg(query)
                .arg("--compact")
                .exec(&mut connection)
                .expect("read");
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut read = None;
    let by_name = measured(&mut || {
        read = Some(runtime.block_on(async {
            let mut client = Client::connect(&url).await.expect("the server answers");
            cognee::scan(&mut client, "cognee_graph", &Context::silent()).await.expect("a scan")
        }));
    });
    let read = read.expect("a scan");
    assert_eq!((read.census.vectors["name_vector"], read.tables.node_count() as u64), (NODES, NODES));
    let per_10k = |(bytes, time): (u64, Duration)| {
        let share = 10_000.0 / NODES as f64;
        format!("{:.1} MB, {:.2} s", bytes as f64 * share / 1e6, time.as_secs_f64() * share)
    };
    eprintln!(
        "per 10,000 nodes with vectors of 1536: whole nodes {}, by name {}",
        per_10k(whole),
        per_10k(by_name)
    );
    eprintln!("longest page {:.1} ms of {} pages", read.longest_page_ms, read.pages);
    assert!(by_name.0 * 20 < whole.0, "{} bytes by name, {} as whole nodes", by_name.0, whole.0);
    assert!(by_name.0 < NODES * 1_000, "{} bytes are more than a node without its vector has", by_name.0);
}
