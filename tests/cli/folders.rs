//! Files and folders that are not what they should be, and answers that find their place.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{shown, sonograph};

/// A folder with the snapshot `frozen` of a small weighted graph.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("edges.csv"), "src,dst,weight\nanna,ben,1\nben,cleo,2\n").expect("written");
    done(sonograph(dir.path()).args(["snapshot", "import", "--edges", "edges.csv", "--out", "frozen"]));
    dir
}

fn done(command: &mut Command) -> String {
    let said = shown(command);
    assert!(said.starts_with("exit 0\n"), "{said}");
    said
}

/// Runs a command line that must end with 2 and say all of `words`.
fn refused(dir: &Path, line: &str, words: &[&str]) {
    let said = shown(sonograph(dir).args(line.split(' ')));
    assert!(said.starts_with("exit 2\n--- stdout\n--- stderr\n"), "{line}: {said}");
    for words in words {
        assert!(said.contains(words), "{line}: {words:?} is not in: {said}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_damaged_table_is_noticed_before_any_number_is_made_from_it() {
    let dir = project();
    done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen"]));
    for file in ["nodes/Node.parquet", "edges/EDGE.parquet"] {
        let path = dir.path().join("frozen").join(file);
        let whole = fs::read(&path).expect("a table");
        // The middle of the weights' page, the footer, and a table that ends early.
        for at in [whole.len() / 2, whole.len() - 9] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("written");
            for line in [
                "study influence --snapshot frozen",
                "report weekly --snapshot frozen --out page",
                "writeback plan --snapshot frozen",
                "writeback apply --snapshot frozen",
                "snapshot export --snapshot frozen --out export",
            ] {
                refused(
                    dir.path(),
                    line,
                    &["the snapshot `frozen` is damaged", file, "SHA-256", "snapshot verify"],
                );
            }
        }
        fs::write(&path, &whole[..whole.len() - 1]).expect("written");
        refused(dir.path(), "study influence --snapshot frozen", &[file, "bytes", "snapshot verify"]);
        fs::write(&path, whole).expect("written");
    }
    assert_eq!(names(dir.path()), ["edges.csv", "frozen", "out"], "nothing was begun");
    done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen"]));
}

#[test]
fn a_file_where_a_folder_should_be_is_the_users_slip_and_so_is_a_damaged_score() {
    let dir = project();
    done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen"]));
    let not_one = ["`edges.csv` is not a snapshot", "hint:"];
    for line in [
        "study influence",
        "report weekly",
        "snapshot show",
        "snapshot verify",
        "snapshot export --out export",
    ] {
        refused(dir.path(), &format!("{line} --snapshot edges.csv"), &not_one);
    }
    refused(dir.path(), "writeback plan --snapshot edges.csv", &not_one);
    refused(dir.path(), "writeback plan --snapshot frozen --from edges.csv", &["edges.csv"]);
    refused(dir.path(), "study influence --snapshot frozen --out edges.csv", &["it is a file", "--out"]);
    refused(dir.path(), "report weekly --snapshot frozen --out edges.csv", &["edges.csv"]);
    refused(dir.path(), "snapshot export --snapshot frozen --out edges.csv", &["edges.csv"]);
    refused(dir.path(), "snapshot import --edges frozen --out other", &["cannot read `frozen`"]);

    let scores = dir.path().join("out/influence/scores.parquet");
    fs::write(&scores, "PAR1 and then nothing").expect("written");
    let expected = ["cannot read `out/influence/scores.parquet`", "run the study again"];
    refused(dir.path(), "writeback plan --snapshot frozen", &expected);
    fs::copy(dir.path().join("frozen/nodes/Node.parquet"), &scores).expect("copied");
    refused(dir.path(), "writeback plan --snapshot frozen", &expected);
    fs::write(dir.path().join("out/influence/findings.json"), "{").expect("written");
    refused(dir.path(), "writeback plan --snapshot frozen", &["cannot read `out/influence/findings.json`"]);
}

#[test]
fn an_answer_goes_neither_into_a_snapshot_nor_among_other_peoples_things() {
    let dir = project();
    let before = names(&dir.path().join("frozen"));
    let hint = "name a new or empty folder, or one of earlier answers, with --out";
    refused(dir.path(), "study all --snapshot frozen --out frozen", &["it is a snapshot", hint]);
    refused(dir.path(), "report weekly --snapshot frozen --out frozen", &["`frozen` holds something else"]);
    assert_eq!(names(&dir.path().join("frozen")), before);

    fs::create_dir(dir.path().join("thesis")).expect("made");
    fs::write(dir.path().join("thesis/chapter1.tex"), "years").expect("written");
    refused(
        dir.path(),
        "study influence --snapshot frozen --out thesis",
        &["cannot write answers into `thesis`: it holds `chapter1.tex`", hint],
    );
    assert_eq!(names(&dir.path().join("thesis")), ["chapter1.tex"]);

    // Absent, empty, with an earlier answer and whatever its reader put beside it, with a report.
    fs::create_dir(dir.path().join("empty")).expect("made");
    for out in ["new", "empty", "new"] {
        done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen", "--out", out]));
        fs::write(dir.path().join(out).join("notes.txt"), "look at ben").expect("written");
    }
    assert_eq!(names(&dir.path().join("new")), ["influence", "notes.txt"]);
    done(sonograph(dir.path()).args(["report", "weekly", "--snapshot", "frozen", "--out", "page"]));
    done(sonograph(dir.path()).args(["study", "community", "--snapshot", "frozen", "--out", "page"]));
    // What a study that was killed leaves.
    fs::create_dir_all(dir.path().join("killed/influence.partial")).expect("made");
    done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen", "--out", "killed"]));
    assert_eq!(names(&dir.path().join("killed")), ["influence"]);
}

#[test]
fn an_answer_in_another_format_brings_the_earlier_formats_up_to_date() {
    let dir = project();
    let study = |more: &[&str]| {
        let line = ["study", "influence", "--snapshot", "frozen", "--metrics", "pagerank"];
        done(sonograph(dir.path()).args(line).args(more));
        names(&dir.path().join("out/influence"))
    };
    assert_eq!(study(&[]), ["findings.json", "run.json", "scores.parquet"]);
    let parquet = || fs::read(dir.path().join("out/influence/scores.parquet")).expect("kept");
    let (before, both) = (parquet(), ["findings.json", "run.json", "scores.csv", "scores.parquet"]);
    assert_eq!(study(&["--format", "csv"]), both);
    assert_eq!(parquet(), before, "the same answer");
    assert_eq!(study(&["--damping", "0.5"]), both);
    assert_ne!(parquet(), before, "an answer of other parameters stays in no format");
    let csv = fs::read_to_string(dir.path().join("out/influence/scores.csv")).expect("kept");
    study(&["--damping", "0.85"]);
    assert_ne!(fs::read_to_string(dir.path().join("out/influence/scores.csv")).expect("kept"), csv);
    assert_eq!(parquet(), before);
}

#[test]
fn what_cannot_be_written_to_stdout_is_an_error_and_a_closed_pipe_is_none() {
    let dir = project();
    for line in [
        "study influence --snapshot frozen --format csv",
        "study influence --snapshot frozen --format table",
        "study --list",
        "report weekly --snapshot frozen",
        "snapshot show frozen",
        "snapshot show frozen --format csv",
        "snapshot import --edges edges.csv --out frozen --force",
        "synth city --people 60 --to snapshot --out city --replace",
        "config schema",
        "config show --resolved",
        "study influence --help",
        "--version",
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut command = sonograph(dir.path());
        let output = command.args(line.split(' ')).stdout(full).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {said}");
        assert!(said.contains("cannot write to stdout: No space left on device"), "{line}: {said}");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = sonograph(dir.path());
        command.args(line.split(' ')).stdout(writer).stderr(Stdio::piped());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        assert!(!said.contains("error:"), "{line}: {said}");
    }
}

#[test]
fn rows_are_json_lines_where_stdout_is_no_terminal() {
    let dir = project();
    fs::create_dir(dir.path().join("snapshots")).expect("made");
    fs::rename(dir.path().join("frozen"), dir.path().join("snapshots/monday")).expect("moved");
    for (line, key) in [
        ("study --list", "study"),
        ("snapshot list", "name"),
        ("snapshot show", "schema_version"),
        ("synth city --people 60 --to snapshot --out city", "rows"),
    ] {
        let output = sonograph(dir.path()).args(line.split(' ')).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(!text.is_empty(), "{line}");
        for row in text.lines() {
            let row: serde_json::Value = serde_json::from_str(row).expect("an object a line");
            assert!(row.get(key).is_some(), "{line}: {row}");
        }
    }
    for line in [
        "services status",
        "snapshot list",
        "snapshot show",
        "snapshot verify",
        "synth city",
        "mirror plan",
        "mirror apply",
        "writeback plan",
        "writeback apply",
        "writeback history",
        "writeback undo",
    ] {
        let help = done(sonograph(dir.path()).args(line.split(' ')).arg("--help"));
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("[default: table on a terminal, json elsewhere]"), "{line}: {help}");
    }
}

#[test]
fn an_edge_that_weighs_less_than_nothing_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let edges = "src,dst,type,weight,cost\na,b,LIKES,1,1\nb,c,LIKES,2,1\na,c,OWES,1,1\nc,a,OWES,-3,1\n";
    fs::write(dir.path().join("edges.csv"), edges).expect("written");
    done(sonograph(dir.path()).args(["snapshot", "import", "--edges", "edges.csv", "--out", "frozen"]));
    for line in
        ["study influence --snapshot frozen", "study influence --snapshot frozen --half-life 3 --sources a"]
    {
        refused(
            dir.path(),
            line,
            &[
                "row 1 of `OWES` has the weight -3 in `weight`",
                "`--weight none` counts every edge once",
                "`--relations` can leave `OWES` out",
            ],
        );
    }
    for more in
        [["--weight", "none"], ["--weight", "cost"], ["--relations", "LIKES"], ["--metrics", "strength"]]
    {
        done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen"]).args(more));
    }
}

#[test]
fn weights_that_no_number_can_sum_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let edges = "src,dst,type,weight\na,b,LIKES,1\na,b,OWES,1e308\na,c,OWES,1.1e308\nc,a,OWES,1\n";
    fs::write(dir.path().join("edges.csv"), edges).expect("written");
    done(sonograph(dir.path()).args(["snapshot", "import", "--edges", "edges.csv", "--out", "frozen"]));
    for metrics in ["pagerank", "strength", "out_strength", "degree,pagerank,strength"] {
        let line = format!("study influence --snapshot frozen --metrics {metrics}");
        let told = [
            "the weights in `weight`",
            "the greatest is 1.1e308, in row 1 of `OWES`",
            "`--weight none` counts every edge once",
        ];
        refused(dir.path(), &line, &told);
    }
    for more in [
        ["--weight", "none"],
        ["--relations", "LIKES"],
        ["--metrics", "degree"],
        ["--metrics", "in_strength"],
    ] {
        done(sonograph(dir.path()).args(["study", "influence", "--snapshot", "frozen"]).args(more));
    }
}

#[test]
fn a_setting_that_is_blank_or_no_text_exits_2_and_a_misspelt_one_is_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, value, why) in [
        ("SONOGRAPH_GRAPH", &b"caf\xe9"[..], "it is not UTF-8"),
        ("SONOGRAPH_SNAPSHOTS_DIR", b" ", "it is set but empty"),
        ("SONOGRAPH_LOG", b"\xff", "it is not UTF-8"),
    ] {
        let mut command = sonograph(dir.path());
        command.args(["config", "show"]).env(name, std::ffi::OsStr::from_bytes(value));
        let output = command.output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(name) && said.contains(why), "{said}");
    }
    let url = std::ffi::OsStr::from_bytes(b"redis://caf\xe9:1");
    let output =
        sonograph(dir.path()).args(["demo", "--people", "60"]).env("SONOGRAPH_FALKORDB_URL", url).output();
    let output = output.expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(
        output.status.code() == Some(2) && said.contains("`SONOGRAPH_FALKORDB_URL`: it is not UTF-8"),
        "{said}"
    );
    let mut command = sonograph(dir.path());
    command.args(["config", "show"]).env("SONOGRAPH_GRAP", "x").env("SONOGRAPH_FALKORDB_URL", "");
    let said = String::from_utf8(command.output().expect("it runs").stderr).expect("text");
    assert!(said.contains("`SONOGRAPH_GRAP`") && said.contains("did you mean `SONOGRAPH_GRAPH`?"), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
}

#[test]
fn a_hint_names_the_flag_that_the_verb_has_and_a_command_line_can_be_pasted() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let city = ["synth", "city", "--people", "60", "--to", "snapshot", "--out", "city"];
    done(sonograph(dir.path()).args(city));
    refused(dir.path(), &city.join(" "), &["`city` is a snapshot already", "hint: `--replace` replaces it"]);
    done(sonograph(dir.path()).args(city).arg("--replace"));
    let said = done(sonograph(dir.path()).args(["demo", "--embedded", "--people", "60", "--dir", "my demo"]));
    assert!(said.contains("sonograph snapshot show 'my demo/snapshot'"), "{said}");
    let line =
        said.lines().find(|l| l.trim().starts_with("sonograph study conversion")).expect("a line to try");
    let words = line.trim().replace("sonograph", env!("CARGO_BIN_EXE_sonograph"));
    let pasted = Command::new("sh").current_dir(dir.path()).args(["-c", &words]).output().expect("a shell");
    assert!(pasted.status.success(), "{line}: {}", String::from_utf8_lossy(&pasted.stderr));
}

#[test]
fn of_two_studies_into_one_folder_at_once_the_second_is_told_and_every_answer_is_whole() {
    let dir = project();
    let study = |damping| {
        let mut command = sonograph(dir.path());
        command.args(["study", "influence", "--snapshot", "frozen", "--out", "mix", "--damping", damping]);
        command
    };
    done(&mut study("0.85"));
    let folder = fs::File::open(dir.path().join("mix")).expect("a folder");
    folder.try_lock().expect("nobody else writes");
    let said = shown(&mut study("0.5"));
    assert!(said.starts_with("exit 3\n"), "{said}");
    assert!(said.contains("another study or report is being written into `mix`"), "{said}");
    assert!(said.contains("hint: wait until it is there"), "{said}");
    drop(folder);

    let whole = ["findings.json", "ranking.parquet", "run.json", "scores.parquet", "voterank.parquet"];
    for _ in 0..5 {
        let both = ["0.5", "0.9"].map(|damping| {
            study(damping).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
        });
        let ends = both.map(|mut child| child.wait().expect("it ends").code());
        assert!(
            ends.contains(&Some(0)) && ends.iter().all(|end| [Some(0), Some(3)].contains(end)),
            "{ends:?}"
        );
        assert_eq!(names(&dir.path().join("mix")), ["influence"]);
        assert_eq!(names(&dir.path().join("mix/influence")), whole);
    }

    // What a process leaves that was killed in the middle of the swap, and an empty folder.
    let [answer, aside] = ["mix/influence", "mix/influence.replaced"].map(|name| dir.path().join(name));
    fs::rename(&answer, &aside).expect("moved");
    let said = shown(sonograph(dir.path()).args("study influence --snapshot frozen --out mix".split(' ')));
    assert!(said.starts_with("exit 0\n"), "{said}");
    assert_eq!(names(&dir.path().join("mix")), ["influence"]);
    fs::remove_dir_all(&answer).expect("removed");
    fs::create_dir(&answer).expect("made");
    done(&mut study("0.5"));
    assert_eq!(names(&answer), whole);
    refused(dir.path(), "study influence --snapshot frozen --sources nobody --out none", &["nobody"]);
    assert!(!dir.path().join("none").exists(), "nothing stays of a study that was not made");
}

#[test]
fn a_study_refuses_by_name_what_it_would_have_replaced_and_did_not_write() {
    let dir = project();
    done(sonograph(dir.path()).args("study influence --snapshot frozen --out q".split(' ')));
    let notes = dir.path().join("q/influence/notes.md");
    fs::write(&notes, "look at ben").expect("written");
    for line in ["study influence --snapshot none --out q", "study all --snapshot none --out q"] {
        let expected = ["`q/influence`: it holds `notes.md`, which is no part of an answer", "hint: move it"];
        refused(dir.path(), line, &expected);
    }
    assert!(notes.is_file());
    done(sonograph(dir.path()).args("study community --snapshot frozen --out q".split(' ')));
    fs::remove_file(notes).expect("removed");
    // A damaged answer is made again.
    fs::write(dir.path().join("q/influence/findings.json"), "{").expect("written");
    done(sonograph(dir.path()).args("study all --snapshot frozen --out q".split(' ')));
}
