//! `sonograph services`, as a shell sees it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use super::Pair;

fn sonograph(pair: &Pair, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sonograph"))
        .current_dir(pair.home.path())
        .args(arguments)
        .args(["--dir", "servers"])
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn up_prints_two_assignments_that_a_shell_understands() {
    let pair = Pair::new();
    let up = sonograph(&pair, &["services", "up", "--fast"], &[]);
    assert!(up.status.success(), "{}", text(&up.stderr));
    pair.up(true);
    let echo = "eval \"$1\" && printf '%s %s' \"$SONOGRAPH_FALKORDB_URL\" \"$SONOGRAPH_POSTGRES_URL\"";
    let shell = Command::new("sh").args(["-euc", echo, "sh", text(&up.stdout)]).output().expect("sh runs");
    let (falkordb, postgres) = text(&shell.stdout).split_once(' ').expect("two values");
    redis::Client::open(falkordb).expect("a Redis URL").get_connection().expect("it lets us in");
    assert!(postgres.starts_with("postgresql://postgres:") && postgres.ends_with("/postgres"));
    assert_eq!(text(&up.stdout).lines().count(), 2);

    let status = sonograph(&pair, &["services", "status", "--format", "json"], &[]);
    let servers: Vec<serde_json::Value> =
        text(&status.stdout).lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let told: Vec<_> = servers
        .iter()
        .map(|s| (s["server"].as_str(), s["condition"].as_str(), s["version"].as_str()))
        .collect();
    let running = Some("running");
    assert_eq!(
        told,
        [(Some("FalkorDB"), running, Some("4.22.1")), (Some("PostgreSQL"), running, Some("18.4"))]
    );

    let down = sonograph(&pair, &["services", "down", "--remove"], &[]);
    assert!(down.status.success() && down.stdout.is_empty());
    assert!(!pair.path().exists());
    let again = sonograph(&pair, &["services", "down"], &[]);
    assert_eq!((again.status.code(), text(&again.stderr)), (Some(0), "no servers run in servers\n"));
}

#[test]
fn a_named_binary_that_is_not_there_is_an_error_with_its_variable() {
    let pair = Pair::new();
    let up = sonograph(&pair, &["services", "up"], &[("SONOGRAPH_REDIS_SERVER", "/nowhere/redis-server")]);
    assert_eq!(up.status.code(), Some(3));
    insta::assert_snapshot!(text(&up.stderr), @r"
    error: SONOGRAPH_REDIS_SERVER names `/nowhere/redis-server`, but there is no /nowhere/redis-server
       hint: correct SONOGRAPH_REDIS_SERVER, or unset it to fetch the pinned version
    ");
}

#[test]
fn missing_tools_are_an_error_with_the_one_command_that_installs_them() {
    let pair = Pair::new();
    let bin = pair.home.path().join("bin");
    std::fs::create_dir(&bin).expect("created");
    for tool in ["bash", "uname", "sort", "tr"] {
        std::os::unix::fs::symlink(format!("/usr/bin/{tool}"), bin.join(tool)).expect("linked");
    }
    let path = bin.display().to_string();
    let cache = pair.home.path().join("cache").display().to_string();
    let named = ["SONOGRAPH_FALKORDB_MODULE", "SONOGRAPH_REDIS_SERVER", "SONOGRAPH_POSTGRES_BIN"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonograph"));
    for name in named {
        command.env_remove(name);
    }
    let up = command
        .args(["services", "up", "--dir"])
        .arg(pair.path())
        .envs([("PATH", &path), ("SONOGRAPH_CACHE_DIR", &cache)])
        .output()
        .expect("the program runs");
    assert_eq!(up.status.code(), Some(3));
    insta::assert_snapshot!(text(&up.stderr), @r"
    error: cannot fetch the servers without python3, pip, make, a C compiler, node, npm
       hint: sudo apt-get install -y build-essential nodejs npm python3 python3-pip
    ");
}

#[test]
fn a_server_that_dies_at_once_is_an_error_with_what_its_log_says() {
    let pair = Pair::new();
    let script = pair.home.path().join("redis-server");
    std::fs::write(&script, "#!/bin/sh\necho 'no, thank you'\n").expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let up =
        sonograph(&pair, &["services", "up"], &[("SONOGRAPH_REDIS_SERVER", script.to_str().expect("text"))]);
    assert_eq!(up.status.code(), Some(3));
    let said = text(&up.stderr);
    assert!(
        said.starts_with("error: FalkorDB stopped while starting") && said.contains("no, thank you"),
        "{said}"
    );
}

#[test]
fn a_lock_that_the_caller_holds_is_free_once_the_caller_is_gone() {
    let pair = Pair::new();
    let lock = pair.home.path().join("lock");
    // Descriptors of one and of two digits; the shell ends with both locks held.
    let script = r#"exec 9>"$1.9" 12>"$1.12"; flock 9; flock 12; "$2" services up --fast --dir servers"#;
    let up = Command::new("bash")
        .current_dir(pair.home.path())
        .args(["-euc", script, "bash"])
        .arg(&lock)
        .arg(env!("CARGO_BIN_EXE_sonograph"))
        .output()
        .expect("bash runs");
    assert!(up.status.success(), "{}", text(&up.stderr));
    assert!(pair.status().iter().all(|server| server.pid.is_some_and(super::is_there)));
    for descriptor in ["9", "12"] {
        let file = lock.with_extension(descriptor);
        let free = Command::new("flock").arg("-n").arg(&file).arg("true").status().expect("flock runs");
        assert!(free.success(), "a server holds the caller's lock on descriptor {descriptor}");
    }
}
