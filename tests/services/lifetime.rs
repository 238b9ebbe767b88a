//! From `up` to `down`.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sonograph::services::Condition;

use super::*;

#[test]
fn a_second_up_finds_the_servers_of_the_first() {
    let pair = Pair::new();
    let first = pair.up(true);
    assert!(first.servers.iter().all(|server| server.condition == Condition::Running));
    let second = pair.up(true);
    assert_eq!(pids(&first.servers), pids(&second.servers));
    assert_eq!(first.postgres_url.expose(), second.postgres_url.expose());
    assert_eq!(ask(&second, "SHOW server_version"), "18.4");
    assert_eq!(
        ask(
            &second,
            "SELECT datcollate || ' ' || datlocale FROM pg_database WHERE datname = current_database()"
        ),
        "C C.UTF-8"
    );
    assert!(rows(&second, "RETURN 1 + 1").contains("int(2)"));
}

#[test]
fn after_down_nothing_runs_and_the_next_up_finds_the_data() {
    let pair = Pair::new();
    let before = pair.up(false);
    sql(&before, &["CREATE TABLE kept (v text)", "INSERT INTO kept VALUES ('row')"]);
    graph(&before, "CREATE (:Kept {v: 'node'})").expect("written");
    assert!(services::down(pair.path()).expect("they stop"));
    assert!(pids(&before.servers).into_iter().all(|pid| !is_there(pid)), "a process survived");
    for server in pair.status() {
        assert_eq!((server.condition, server.pid), (Condition::Stopped, None));
        let port = SocketAddr::from(([127, 0, 0, 1], server.port));
        assert!(TcpStream::connect_timeout(&port, Duration::from_secs(1)).is_err(), "somebody still listens");
    }
    assert!(!services::down(pair.path()).expect("there is nothing to stop"));

    let after = pair.up(false);
    assert_eq!(ask(&after, "SELECT v FROM kept"), "row");
    assert!(rows(&after, "MATCH (n:Kept) RETURN n.v").contains("node"));
}

#[test]
fn remove_leaves_neither_folder_nor_process() {
    let pair = Pair::new();
    let dir = pair.home.path().join("below/a \"place\", it's quoted");
    let running =
        services::up(&Options { dir: dir.clone(), fast: true }, &Context::silent()).expect("they start");
    let logs: Vec<_> = running.servers.iter().map(|server| server.log.clone()).collect();
    assert!(logs.iter().all(|log| log.exists()));
    assert!(services::remove(&dir).expect("they stop"));
    assert!(!dir.exists(), "the folder is still there");
    assert!(logs.iter().all(|log| !log.exists()), "a log outlived its folder");
    assert!(pids(&running.servers).into_iter().all(|pid| !is_there(pid)));
}

#[test]
fn two_folders_run_side_by_side() {
    let (one, other) = (Pair::new(), Pair::new());
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| one.up(true));
        let second = scope.spawn(|| other.up(true));
        (first.join().expect("the first pair starts"), second.join().expect("the second pair starts"))
    });
    graph(&first, "CREATE (:Here)").expect("written");
    assert!(rows(&first, "MATCH (n) RETURN count(n)").contains("int(1)"));
    assert!(rows(&second, "MATCH (n) RETURN count(n)").contains("int(0)"));
    services::down(one.path()).expect("they stop");
    assert!(rows(&second, "RETURN 7").contains("int(7)"), "stopping one pair touched the other");
}

#[test]
fn two_ups_at_once_in_one_folder_start_one_pair() {
    let pair = Pair::new();
    let started = std::thread::scope(|scope| {
        let ups = [(); 2].map(|()| scope.spawn(|| pair.up(true)));
        ups.map(|up| pids(&up.join().expect("both come back with servers").servers))
    });
    assert_eq!(started[0], started[1]);
}

#[test]
fn passwords_are_in_no_command_line_and_in_no_file_others_can_read() {
    let pair = Pair::new();
    let running = pair.up(true);
    let url = |url: &str| url.split([':', '@']).find(|part| part.len() == 32).expect("a password").to_owned();
    let passwords = [url(running.falkordb_url.expose()), url(running.postgres_url.expose())];
    for pid in pids(&running.servers) {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("the process is there");
        assert!(passwords.iter().all(|password| !line.contains(password)), "{line}");
    }
    let state = std::fs::metadata(pair.path().join("services.json")).expect("the state file is there");
    assert_eq!(state.permissions().mode() & 0o777, 0o600);
    for server in &running.servers {
        let data = server.log.parent().expect("a log lies in a folder");
        assert_eq!(
            std::fs::metadata(data).expect("it is there").permissions().mode() & 0o077,
            0,
            "{}",
            data.display()
        );
        let log = std::fs::read_to_string(&server.log).expect("the log is there");
        assert!(passwords.iter().all(|password| !log.contains(password)));
    }
    assert!(!format!("{running:?}").contains(&passwords[0]));
    let stranger = running.falkordb_url.expose().replace(&passwords[0], "wrong");
    let refused = redis::Client::open(stranger).expect("a URL").get_connection();
    assert!(refused.is_err(), "a wrong password was let in");
}

#[test]
fn a_dropped_guard_takes_its_servers_along_and_a_kept_one_does_not() {
    let pair = Pair::new();
    let options = Options { dir: pair.path().to_owned(), fast: true };
    let dropped = Guard::up(&options, &Context::silent()).expect("they start");
    let gone = pids(&dropped.running().servers);
    drop(dropped);
    assert!(gone.into_iter().all(|pid| !is_there(pid)));
    assert!(!pair.path().exists());

    let robbed = Guard::up(&options, &Context::silent()).expect("they start");
    let gone = pids(&robbed.running().servers);
    std::fs::remove_dir_all(pair.path()).expect("somebody removes their folder");
    drop(robbed);
    assert!(gone.into_iter().all(|pid| !is_there(pid)));

    let kept = Guard::up(&options, &Context::silent()).expect("they start").keep();
    assert!(rows(&kept, "RETURN 1").contains("int(1)"));
}

#[test]
fn servers_never_run_as_root_whoever_may_enter_their_folder() {
    for mode in [0o700, 0o755] {
        let pair = Pair::new();
        for folder in [pair.home.path(), pair.path()] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        let running = pair.up(true);
        for server in &running.servers {
            let pid = server.pid.expect("it runs");
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            let uids =
                status.lines().find(|line| line.starts_with("Uid:")).expect("every process has a user");
            assert!(
                !uids.split_ascii_whitespace().any(|uid| uid == "0"),
                "{} with mode {mode:o}: {uids}",
                server.name
            );
        }
        assert!(services::down(pair.path()).expect("they stop"));
        for (before, after) in running.servers.iter().zip(pair.status()) {
            assert!(after.log.starts_with(pair.path()) && after.log.exists(), "the data did not come home");
            assert!(
                before.log == after.log || !before.log.parent().expect("a folder").exists(),
                "a folder was left behind"
            );
        }
    }
}

const HELD: &str = "SONOGRAPH_TEST_HOLD_SERVERS_IN";

#[test]
#[ignore = "the process that the next test kills"]
fn holder() {
    let Some(dir) = std::env::var_os(HELD) else { return };
    let guard = Guard::up(&Options { dir: dir.into(), fast: true }, &Context::silent()).expect("they start");
    std::thread::sleep(Duration::from_mins(10));
    drop(guard);
}

#[test]
fn servers_of_a_process_killed_with_kill_9_stop_and_leave_nothing() {
    let pair = Pair::new();
    let dir = pair.home.path().join("held");
    let mut holder = Command::new(std::env::current_exe().expect("this test has a binary"))
        .args(["--ignored", "--exact", "lifetime::holder"])
        .env(HELD, &dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("the holder starts");
    let patience = Instant::now() + Duration::from_mins(1);
    let servers = loop {
        assert!(Instant::now() < patience, "the holder never had its servers up");
        match services::status(&dir) {
            Ok(Some(servers)) if servers.iter().all(|s| s.condition == Condition::Running) => break servers,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    holder.kill().expect("it is our child");
    holder.wait().expect("it is our child");
    while Instant::now() < patience && dir.exists() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!dir.exists(), "the folder is still there");
    assert!(pids(&servers).into_iter().all(|pid| !is_there(pid)), "a server outlived its holder");
}
