//! `sonograph writeback`, as a shell sees it.

use serde_json::Value;
use sonograph::writeback::Score;

use crate::folder::{answer, lay, out, sonograph};
use crate::graph::{OtherWriter, all, url, with_graph};
use crate::town::{dump, frozen, scores};

const WHERE: [&str; 2] = ["--snapshot", "snapshot"];

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn plan_apply_history_and_undo_speak_json_on_a_pipe_and_keep_their_hands_still_on_a_dry_run() {
    with_graph("cli", async |client, graph| {
        all(client, graph, &["CREATE (:Person {uid: 'p1', influence_pagerank: 0.1}), (:Person {uid: 'p2'})"])
            .await;
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let values = vec![Some(Score::Float(0.75)), Some(Score::Float(0.25))];
        let given = scores(&[("p1", "Person"), ("p2", "Person")], &[("influence_pagerank", values)]);
        let dir = tempfile::tempdir().expect("a folder");
        lay(dir.path(), &tables, &given);
        let run = |arguments: &[&str]| out(sonograph(dir.path(), &url(), graph, arguments));

        for arguments in [&["writeback", "plan"][..], &["writeback", "apply", "--dry-run"]] {
            let (code, stdout, stderr) = run(&[arguments, &WHERE].concat());
            assert_eq!(code, 0, "{stderr}");
            let plan = json(&stdout);
            assert_eq!((&plan["set"], &plan["lines"][0]["set"]), (&2.into(), &2.into()), "{plan}");
            assert_eq!(plan["sample"][0]["before"], 0.1);
            assert!(stderr.contains("2 nodes to write"), "{stderr}");
        }
        assert_eq!(dump(client, graph).await, before);
        assert!(!dir.path().join(".sonograph").exists(), "a plan leaves nothing behind");
        let (_, table, _) = run(&["writeback", "plan", "--snapshot", "snapshot", "--format", "csv"]);
        assert_eq!(
            table,
            "label,property,set,unchanged,gone,changed_identity,min,mean,max,old_min,old_mean,old_max\n\
             Person,influence_pagerank,2,0,0,0,0.25,0.5,0.75,0.1,0.1,0.1\n"
        );

        let (code, stdout, stderr) = run(&[&["writeback", "apply"][..], &WHERE].concat());
        assert_eq!(code, 0, "{stderr}");
        let applied = json(&stdout);
        assert_eq!(applied["written"], 2);
        let id = applied["run"].as_str().expect("a run");
        assert!(stderr.contains(&format!("sonograph writeback undo {id}")), "{stderr}");
        let (code, stdout, stderr) = run(&[&["writeback", "apply"][..], &WHERE].concat());
        assert_eq!((code, json(&stdout)["run"].is_null()), (0, true), "{stderr}");
        let (_, history, _) = run(&["writeback", "history"]);
        assert_eq!((history.lines().count(), &json(&history)["state"]), (1, &"verified".into()));

        let (code, stdout, _) = run(&["writeback", "undo", id, "--dry-run"]);
        assert_eq!((code, &json(&stdout)["restored"]), (0, &2.into()));
        let (written, runs) = (dump(client, graph).await, dir.path().join(".sonograph/writeback"));
        let file = runs.join(id).join("before.parquet");
        let whole = std::fs::read(&file).expect("read");
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 4;
        std::fs::write(&file, damaged).expect("a flipped bit");
        let (code, stdout, stderr) = run(&["writeback", "undo", id]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("before.parquet is damaged") && stderr.contains("hint:"), "{stderr}");
        assert_eq!(dump(client, graph).await, written);
        std::fs::write(&file, whole).expect("mended");

        std::fs::create_dir(runs.join("torn")).expect("a folder");
        std::fs::write(runs.join("torn/run.json"), "{").expect("a torn file");
        for command in [&["writeback", "history"][..], &[&["writeback", "apply"][..], &WHERE].concat()] {
            let (code, _, stderr) = run(command);
            assert!(code == 0 && stderr.contains("passed over a damaged run: "), "{stderr}");
            assert!(stderr.contains("torn/run.json"), "{stderr}");
        }
        let (code, stdout, stderr) = run(&["writeback", "undo", id]);
        assert_eq!((code, &json(&stdout)["restored"]), (0, &2.into()), "{stderr}");
        assert_eq!(dump(client, graph).await, before);
        let (code, _, stderr) = run(&["writeback", "undo", id]);
        assert_eq!(code, 2, "{stderr}");
        let (_, history, _) = run(&["writeback", "history", "--format", "table"]);
        assert!(history.contains("undone") && history.ends_with('\n'), "{history}");
    });
}

#[test]
fn what_goes_wrong_names_the_thing_gives_a_hint_and_the_right_exit_code() {
    with_graph("wrong", async |client, graph| {
        all(client, graph, &["CREATE (:Person {uid: 'p1'})"]).await;
        let tables = frozen(client, graph).await;
        let given = scores(&[("p1", "Person")], &[("influence_pagerank", vec![Some(Score::Float(1.0))])]);
        let dir = tempfile::tempdir().expect("a folder");
        lay(dir.path(), &tables, &given);
        let plan = [&["writeback", "plan"][..], &WHERE].concat();
        let check = |url: &str, graph: &str, arguments: &[&str], expected: i32, said: &[&str]| {
            let (code, stdout, stderr) = out(sonograph(dir.path(), url, graph, arguments));
            assert_eq!((code, stdout.as_str()), (expected, ""), "{stderr}");
            for words in said {
                assert!(stderr.contains(words), "{words:?} is not in: {stderr}");
            }
        };
        check("redis://:secret@127.0.0.1:1", graph, &plan, 3, &["127.0.0.1:1", "hint:"]);
        check(&url(), "no_such_graph", &plan, 3, &["no graph `no_such_graph`", "hint:"]);
        let mut wrong = url::Url::parse(&url()).expect("a url");
        wrong.set_password(Some("wrong")).expect("a password");
        check(wrong.as_str(), graph, &plan, 3, &["refuses the user or password", "hint:"]);
        check("nonsense", graph, &plan, 2, &["SONOGRAPH_FALKORDB_URL"]);
        let from = [&plan[..], &["--from", "nowhere"]].concat();
        check(&url(), graph, &from, 2, &["`nowhere`", "sonograph study all"]);
        check(&url(), graph, &["writeback", "plan", "--snapshot", "gone"], 2, &["gone"]);
        check(&url(), graph, &["writeback", "undo", "19700101"], 2, &["19700101", "writeback history"]);
        check(&url(), graph, &["writeback", "apply", "--resume", "x", "--dry-run"], 2, &["--resume"]);
        answer(
            dir.path(),
            &scores(&[("p9", "Person")], &[("influence_pagerank", vec![Some(Score::Float(1.0))])]),
        );
        check(&url(), graph, &plan, 2, &["`p9`", "--snapshot"]);
        answer(
            dir.path(),
            &scores(&[("p1", "Person")], &[("influence_magic", vec![Some(Score::Float(1.0))])]),
        );
        check(&url(), graph, &plan, 2, &["findings.json"]);
        std::fs::remove_file(dir.path().join("out/influence/scores.parquet")).expect("removed");
        answer(dir.path(), &given);
        std::fs::rename(dir.path().join("out/influence/scores.parquet"), dir.path().join("scores.csv"))
            .expect("moved");
        check(&url(), graph, &plan, 2, &["scores.parquet", "--format parquet"]);
    });
}

#[test]
fn scores_are_not_written_while_another_run_writes_the_graph() {
    with_graph("busy", async |client, graph| {
        all(client, graph, &["CREATE (:Person {uid: 'p1'})"]).await;
        let tables = frozen(client, graph).await;
        let given = scores(&[("p1", "Person")], &[("influence_pagerank", vec![Some(Score::Float(1.0))])]);
        let dir = tempfile::tempdir().expect("a folder");
        lay(dir.path(), &tables, &given);
        let run = |arguments: &[&str]| out(sonograph(dir.path(), &url(), graph, arguments));
        let refused = |arguments: &[&str]| {
            let _other = OtherWriter::of(graph);
            let (code, stdout, stderr) = run(arguments);
            assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
            assert!(stderr.contains("is being written by `mirror apply` (process 4711"), "{stderr}");
            assert!(stderr.contains("lapses by itself in"), "{stderr}");
        };
        let apply = [&["writeback", "apply"][..], &WHERE].concat();
        refused(&apply);
        assert!(!dir.path().join(".sonograph").exists(), "a refused run is no run");
        let (code, stdout, stderr) = run(&apply);
        assert_eq!(code, 0, "{stderr}");
        let written = json(&stdout);
        refused(&["writeback", "undo", written["run"].as_str().expect("a run")]);
    });
}

#[test]
fn an_undo_goes_on_with_the_rest_when_told_to_and_lists_what_it_left() {
    with_graph("left", async |client, graph| {
        all(client, graph, &["CREATE (:Person {uid: 'p1'}), (:Person {uid: 'p2'})"]).await;
        let tables = frozen(client, graph).await;
        let values = vec![Some(Score::Float(0.75)), Some(Score::Float(0.25))];
        let given = scores(&[("p1", "Person"), ("p2", "Person")], &[("influence_pagerank", values)]);
        let dir = tempfile::tempdir().expect("a folder");
        lay(dir.path(), &tables, &given);
        let run = |arguments: &[&str]| out(sonograph(dir.path(), &url(), graph, arguments));
        let (_, stdout, _) = run(&[&["writeback", "apply"][..], &WHERE].concat());
        let id = json(&stdout)["run"].as_str().expect("a run").to_owned();
        all(client, graph, &["MATCH (n {uid: 'p1'}) SET n.influence_pagerank = 4.25"]).await;
        let (code, _, stderr) = run(&["writeback", "undo", &id]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(&format!("sonograph writeback undo {id} --skip-overwritten")), "{stderr}");
        let (code, stdout, stderr) = run(&["writeback", "undo", &id, "--skip-overwritten"]);
        assert_eq!(code, 0, "{stderr}");
        let undone = json(&stdout);
        assert_eq!((&undone["restored"], &undone["overwritten"]), (&1.into(), &1.into()), "{undone}");
        assert_eq!(undone["left_alone"][0]["uid"], "p1");
        assert!(stderr.contains("`p1`, by somebody who left no run"), "{stderr}");
        let (_, history, _) = run(&["writeback", "history"]);
        assert_eq!(json(&history)["state"], "partly_undone");
    });
}

#[test]
fn a_study_without_its_findings_is_named_and_not_passed_over() {
    with_graph("unfinished", async |client, graph| {
        all(client, graph, &["CREATE (:Person {uid: 'p1'})"]).await;
        let tables = frozen(client, graph).await;
        let given = scores(&[("p1", "Person")], &[("influence_pagerank", vec![Some(Score::Float(1.0))])]);
        let dir = tempfile::tempdir().expect("a folder");
        lay(dir.path(), &tables, &given);
        let plan = [&["writeback", "plan"][..], &WHERE].concat();
        let said = || out(sonograph(dir.path(), &url(), graph, &plan));
        std::fs::create_dir(dir.path().join("out/notes")).expect("a folder of somebody's own");
        assert_eq!(said().0, 0);
        for folder in ["out/community", "out/virality.partial"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
            let (code, stdout, stderr) = said();
            assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
            assert!(stderr.contains(folder) && stderr.contains("hint: "), "{stderr}");
            std::fs::remove_dir(dir.path().join(folder)).expect("removed");
        }
        std::fs::create_dir(dir.path().join("out/influence.partial")).expect("of a later run");
        assert_eq!(said().0, 0, "the answer before it is whole");
    });
}
