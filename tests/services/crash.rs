//! What a crash leaves behind.

use std::time::Duration;

use sonograph::services::Condition;

use super::*;

fn pid(running: &Running, name: &str) -> i32 {
    running.servers.iter().find(|server| server.name == name).and_then(|server| server.pid).expect("it runs")
}

/// Waits until what was loaded is built again; a server answers before that.
fn operational(running: &Running, query: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !rows(running, query).contains("OPERATIONAL") {
        assert!(std::time::Instant::now() < deadline, "{}", rows(running, query));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn falkordb_killed_after_writing_comes_back_with_graph_index_and_constraint() {
    let pair = Pair::new();
    let before = pair.up(false);
    graph(&before, "CREATE INDEX FOR (f:Fan) ON (f.uid)").expect("an index");
    raw(&before, "GRAPH.CONSTRAINT", &["CREATE", "g", "UNIQUE", "NODE", "Fan", "PROPERTIES", "1", "uid"])
        .expect("a constraint");
    graph(
        &before,
        "UNWIND range(1, 5000) AS i CREATE (:Fan {uid: 'fan:' + i})-[:FOLLOWS {weight: i}]->(:Act {n: i})",
    )
    .expect("written");
    graph(&before, "MATCH (f:Fan {uid: 'fan:7'}) SET f.score = 0.25").expect("updated");
    graph(&before, "MATCH (f:Fan {uid: 'fan:8'}) DELETE f").expect("deleted");
    // `appendfsync everysec` promises the operating system each write at once, and the disk within a second.
    std::thread::sleep(Duration::from_millis(1_200));
    kill(pid(&before, "FalkorDB"));
    assert_eq!(pair.status()[0].condition, Condition::Crashed);
    assert_eq!(pair.status()[1].condition, Condition::Running);

    let after = pair.up(false);
    assert_eq!(before.falkordb_url.expose(), after.falkordb_url.expose(), "clients would not find it again");
    assert_eq!(pid(&before, "PostgreSQL"), pid(&after, "PostgreSQL"), "the other server was touched");
    assert!(rows(&after, "MATCH (f:Fan) RETURN count(f)").contains("int(4999)"));
    assert!(rows(&after, "MATCH (:Fan)-[r:FOLLOWS]->(:Act) RETURN sum(r.weight)").contains("12502492"));
    assert!(rows(&after, "MATCH (f:Fan {uid: 'fan:7'}) RETURN f.score").contains("0.25"));
    operational(&after, "CALL db.constraints() YIELD type, label, status RETURN type, label, status");
    operational(&after, "CALL db.indexes() YIELD label, status RETURN label, status");
    let twin = graph(&after, "CREATE (:Fan {uid: 'fan:7'})").expect_err("the constraint holds");
    assert!(twin.to_string().contains("constraint violation"), "{twin}");
}

#[test]
fn falkordb_killed_after_its_append_only_file_was_rewritten_comes_back_whole() {
    let pair = Pair::new();
    let before = pair.up(false);
    graph(&before, "UNWIND range(1, 20000) AS i CREATE (:Fan {uid: 'fan:' + i})").expect("written");
    raw(&before, "BGREWRITEAOF", &[]).expect("it begins");
    while format!("{:?}", raw(&before, "INFO", &["persistence"]).expect("it answers"))
        .contains("aof_rewrite_in_progress:1")
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    graph(&before, "CREATE (:Late)").expect("written");
    std::thread::sleep(Duration::from_millis(1_200));
    kill(pid(&before, "FalkorDB"));
    let after = pair.up(false);
    assert!(rows(&after, "MATCH (f:Fan) RETURN count(f)").contains("int(20000)"));
    assert!(rows(&after, "MATCH (f:Late) RETURN count(f)").contains("int(1)"));
}

#[test]
fn postgres_killed_comes_back_with_what_was_committed() {
    let pair = Pair::new();
    let before = pair.up(false);
    sql(&before, &["CREATE TABLE t (v int)", "INSERT INTO t SELECT generate_series(1, 1000)"]);
    kill(pid(&before, "PostgreSQL"));
    let after = pair.up(false);
    assert_eq!(ask(&after, "SELECT count(*)::text FROM t"), "1000");
}

#[test]
fn a_process_id_that_belongs_to_somebody_else_by_now_is_left_alone() {
    let pair = Pair::new();
    let before = pair.up(true);
    pids(&before.servers).into_iter().for_each(kill);
    let mut bystander = std::process::Command::new("sleep").arg("600").spawn().expect("sleep is everywhere");
    let path = pair.path().join("services.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the state")).expect("json");
    for server in ["falkordb", "postgres"] {
        state[server]["process"]["pid"] = bystander.id().into();
    }
    std::fs::write(&path, state.to_string()).expect("written");

    assert!(!services::down(pair.path()).expect("nothing of ours runs"));
    assert!(bystander.try_wait().expect("it is our child").is_none(), "a stranger's process was stopped");
    pair.up(true);
    assert!(bystander.try_wait().expect("it is our child").is_none(), "a stranger's process was stopped");
    bystander.kill().expect("it is our child");
    bystander.wait().expect("it is our child");
}

#[test]
fn a_cluster_whose_making_was_interrupted_is_made_anew() {
    let pair = Pair::new();
    pair.up(true);
    services::down(pair.path()).expect("they stop");
    let data = pair.path().join("data");
    std::fs::rename(data.join("postgres"), data.join("postgres.partial")).expect("renamed");
    std::fs::remove_file(data.join("postgres.partial/PG_VERSION")).expect("half of it is missing");
    assert_eq!(ask(&pair.up(true), "SELECT 'alive'"), "alive");
    assert!(!data.join("postgres.partial").exists());
}

#[test]
fn a_damaged_state_file_is_an_error_that_names_it() {
    let pair = Pair::new();
    std::fs::write(pair.path().join("services.json"), "{").expect("written");
    let error = services::status(pair.path()).expect_err("it cannot be read");
    assert!(error.to_string().contains("services.json"), "{error}");
    std::fs::remove_file(pair.path().join("services.json")).expect("removed");
}
