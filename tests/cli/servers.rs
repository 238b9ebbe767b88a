//! Servers that cannot serve: one that is too old, and one without the module.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use insta::{assert_snapshot, with_settings};

use crate::{shown, sonograph};

/// A real Redis server of the test's own, gone with it.
struct Redis {
    child: Child,
    port: u16,
    home: tempfile::TempDir,
}

impl Redis {
    fn start(module: Option<&[u8]>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut command = Command::new(binary("SONOGRAPH_REDIS_SERVER"));
        // The module leaves a cache in the home of whoever starts it.
        command.env("HOME", home.path()).current_dir(home.path()).args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ]);
        command.args(["--save", "", "--appendonly", "no"]);
        if let Some(bytes) = module {
            let path = home.path().join("falkordb.so");
            fs::write(&path, bytes).expect("written");
            make_executable(&path);
            command.arg("--loadmodule").arg(path);
        }
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server starts");
        let redis = Self { child, port, home };
        let until = Instant::now() + Duration::from_mins(1);
        let ping = || {
            let mut connection = redis::Client::open(redis.url())?.get_connection()?;
            redis::cmd("PING").exec(&mut connection)
        };
        while let Err(error) = ping() {
            assert!(Instant::now() < until, "redis-server does not answer: {error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What the program says to `arguments` with this server.
    fn told(&self, arguments: &[&str]) -> String {
        let dir = self.home.path().join("project");
        fs::create_dir_all(&dir).expect("made");
        let said = shown(sonograph(&dir).args(arguments).env("SONOGRAPH_FALKORDB_URL", self.url()));
        let left: Vec<_> = walk(&dir);
        assert!(left.is_empty(), "{left:?} was left by: {said}");
        said
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }
}

fn walk(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
}

/// Path of a server's binary, as `scripts/fetch-servers` finds it.
fn binary(name: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fetch-servers");
    let output = Command::new("bash").arg(script).output().expect("bash is there");
    let text = String::from_utf8(output.stdout).expect("text");
    let path = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    path.unwrap_or_else(|| panic!("fetch-servers names no {name}")).into()
}

/// The module in every respect but one: it tells Redis that it is 4.21.0.
///
/// No older module can be fetched by pinned hash, so the number that `RedisModule_Init` is called with is another one in
/// a copy: `mov ecx, 1; mov edx, 42201` (API version, module version).
fn older_module() -> Vec<u8> {
    let call = |version: u32| [&[0xb9, 1, 0, 0, 0, 0xba][..], &version.to_le_bytes()].concat();
    let mut module = fs::read(binary("SONOGRAPH_FALKORDB_MODULE")).expect("the module can be read");
    let (newer, older) = (call(4_22_01), call(4_21_00));
    let places: Vec<usize> = module
        .windows(newer.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == newer)
        .map(|(at, _)| at)
        .collect();
    let [place] = places[..] else {
        panic!("the module hands its version to Redis in another way than this test knows: {places:?}")
    };
    module[place..place + older.len()].copy_from_slice(&older);
    module
}

macro_rules! snapshot {
    ($shown:expr) => {
        with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]")]}, { assert_snapshot!($shown) })
    };
}

#[test]
fn a_server_that_is_too_old_is_named_with_its_version_and_the_oldest_that_serves() {
    let server = Redis::start(Some(&older_module()));
    snapshot!(server.told(&["doctor"]));
    snapshot!(server.told(&["snapshot", "take"]));
}

#[test]
fn a_server_without_the_module_is_named() {
    let server = Redis::start(None);
    snapshot!(server.told(&["doctor"]));
    snapshot!(server.told(&["snapshot", "take"]));
}
