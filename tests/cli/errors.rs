//! Every mistake a user is likely to make names the thing, gives a hint and has the right exit code.

use insta::{assert_snapshot, with_settings};
use url::Url;

use crate::{server, shown, sonograph};

const FALKORDB: &str = "SONOGRAPH_FALKORDB_URL";
const POSTGRES: &str = "SONOGRAPH_POSTGRES_URL";

macro_rules! snapshot {
    ($shown:expr) => {
        with_settings!({filters => vec![
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
            (r"test_cli_\d+", "test_cli_[pid]"),
        ]}, { assert_snapshot!($shown) })
    };
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A port of this machine that nobody listens on.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn with(mut url: Url, change: impl FnOnce(&mut Url)) -> String {
    change(&mut url);
    url.into()
}

#[test]
fn an_unknown_key_in_the_configuration_is_shown_with_line_and_caret() {
    let dir = folder();
    std::fs::write(dir.path().join("sonograph.toml"), "seed = 3\n\n[falkordb]\ngraf = \"business\"\n")
        .expect("written");
    snapshot!(shown(sonograph(dir.path()).arg("doctor")));
}

#[test]
fn a_value_of_the_wrong_type_in_the_configuration_is_shown_with_line_and_caret() {
    let dir = folder();
    std::fs::write(dir.path().join("sonograph.toml"), "seed = \"three\"\n").expect("written");
    snapshot!(shown(sonograph(dir.path()).args(["config", "show"])));
}

#[test]
fn a_missing_url_names_its_variable() {
    let dir = folder();
    snapshot!(shown(sonograph(dir.path()).args(["snapshot", "take"])));
}

#[test]
fn a_wrong_falkordb_password_is_told_without_the_password() {
    let dir = folder();
    let url = with(server("FALKORDB"), |u| u.set_password(Some("wr0ng-s3cret")).expect("a host"));
    let said = shown(
        sonograph(dir.path())
            .args(["snapshot", "take"])
            .env(FALKORDB, url)
            .env(POSTGRES, server("POSTGRES").as_str()),
    );
    assert!(!said.contains("wr0ng"), "{said}");
    snapshot!(said);
}

#[test]
fn a_wrong_postgresql_password_is_told_without_the_password() {
    let dir = folder();
    let url = with(server("POSTGRES"), |u| u.set_password(Some("wr0ng-s3cret")).expect("a host"));
    let said = shown(
        sonograph(dir.path())
            .args(["mirror", "plan"])
            .env(POSTGRES, url)
            .env(FALKORDB, server("FALKORDB").as_str()),
    );
    assert!(!said.contains("wr0ng"), "{said}");
    snapshot!(said);
}

#[test]
fn a_wrong_falkordb_port_names_the_address() {
    let dir = folder();
    let url = with(server("FALKORDB"), |u| u.set_port(Some(closed_port())).expect("a host"));
    snapshot!(shown(
        sonograph(dir.path())
            .args(["snapshot", "take"])
            .env(FALKORDB, url)
            .env(POSTGRES, server("POSTGRES").as_str())
    ));
}

#[test]
fn a_wrong_postgresql_port_names_the_address() {
    let dir = folder();
    let url = with(server("POSTGRES"), |u| u.set_port(Some(closed_port())).expect("a host"));
    snapshot!(shown(
        sonograph(dir.path())
            .args(["mirror", "plan"])
            .env(POSTGRES, url)
            .env(FALKORDB, server("FALKORDB").as_str())
    ));
}

#[test]
fn a_graph_that_is_not_there_is_named() {
    let dir = folder();
    let key = format!("test_cli_{}", std::process::id());
    let mut command = sonograph(dir.path());
    command.args(["snapshot", "take"]).env("SONOGRAPH_GRAPH", key);
    command.env(FALKORDB, server("FALKORDB").as_str()).env(POSTGRES, server("POSTGRES").as_str());
    snapshot!(shown(&mut command));
}

#[test]
fn a_csv_line_that_cannot_be_read_is_named_by_file_and_line() {
    let dir = folder();
    std::fs::write(dir.path().join("edges.csv"), "src,dst,weight\na,b,1\nb,c\nc,d,2,3\n").expect("written");
    snapshot!(shown(sonograph(dir.path()).args([
        "snapshot",
        "import",
        "--edges",
        "edges.csv",
        "--out",
        "frozen"
    ])));
    assert!(!dir.path().join("frozen").exists(), "nothing half-written");
}

#[test]
fn a_weight_that_is_no_number_is_named_by_file_and_line() {
    let dir = folder();
    std::fs::write(dir.path().join("edges.txt"), "# made by hand\na b 1\nb c heavy\n").expect("written");
    snapshot!(shown(sonograph(dir.path()).args([
        "snapshot",
        "import",
        "--edges",
        "edges.txt",
        "--out",
        "frozen"
    ])));
}

#[test]
fn a_folder_that_is_no_snapshot_is_named() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("empty")).expect("made");
    snapshot!(shown(sonograph(dir.path()).args(["study", "influence", "--snapshot", "empty"])));
}

#[test]
fn latest_without_any_snapshot_says_how_to_take_one() {
    let dir = folder();
    snapshot!(shown(sonograph(dir.path()).args(["study", "all"])));
}

#[test]
fn an_unknown_uid_is_named() {
    let dir = folder();
    std::fs::write(dir.path().join("edges.csv"), "src,dst\nanna,ben\nben,cleo\n").expect("written");
    shown(sonograph(dir.path()).args(["snapshot", "import", "--edges", "edges.csv", "--out", "frozen"]));
    snapshot!(shown(sonograph(dir.path()).args([
        "study",
        "paths",
        "--snapshot",
        "frozen",
        "--from",
        "ana",
        "--to",
        "cleo"
    ])));
}

#[test]
fn an_unknown_metric_is_named() {
    let dir = folder();
    snapshot!(shown(sonograph(dir.path()).args(["study", "influence", "--metrics", "magic"])));
}

#[test]
fn a_url_that_is_none_is_told_without_its_password() {
    let dir = folder();
    let schemes = [(FALKORDB, "redis"), (POSTGRES, "postgresql")];
    for (name, scheme) in schemes {
        for rest in [
            "//ana:hunter2@h:99999/0",
            "//ana:hunter2@h:port/0",
            "//ana:hunter2@/0",
            "//h:6379/hunter2?protocol=hunter2&sslmode=hunter2&db=hunter2",
            "hunter2",
            "//[hunter2",
        ] {
            for url in [format!("{scheme}:{rest}"), format!("http:{rest}")] {
                // Loopback where the host is one, so that nobody is asked.
                let url = url.replace("@h:", "@127.0.0.1:").replace("//h:6379", "//127.0.0.1:1");
                let mut command = sonograph(dir.path());
                command.env(FALKORDB, "redis://127.0.0.1:1").env(POSTGRES, "postgresql://127.0.0.1:1/x");
                let said = shown(command.env(name, &url).arg("doctor"));
                assert!(!said.contains("hunter2") && !said.starts_with("exit 0"), "{url}: {said}");
            }
        }
    }
}
