//! Plan, apply, verify, undo.

use polars::prelude::{Column, DataFrame};
use sonograph::context::{Context, Diagnose as _, Fault};
use sonograph::sources::falkordb::{Client, FalkorError, Param, Params};
use sonograph::studies::findings::Scores;
use sonograph::writeback::{
    Ledger, Range, RunState, Score, UndoOptions, WritebackError, apply, plan, resume, undo,
};

use crate::graph::{all, with_graph};
use crate::town::{dump, frozen, is_exactly, scores};

const TOWN: &str = "CREATE (:Person:Artist {uid: 'p1', name: 'A', influence_pagerank: 'by hand'}), \
     (:Person {uid: 'p2'}), (:Person {uid: 'p3', influence_pagerank: 0.1234567890123456789, influence_core: 3}), \
     (:Venue {uid: 'v1', score_run: 'older', score_at: 1})";

fn floats(values: &[f64]) -> Vec<Option<Score>> {
    values.iter().map(|&x| Some(Score::Float(x))).collect()
}

fn people(values: &[f64; 3]) -> Scores {
    scores(&[("p1", "Person"), ("p2", "Person"), ("p3", "Person")], &[("influence_pagerank", floats(values))])
}

fn ledger() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::new(dir.path().join("writeback"));
    (dir, ledger)
}

async fn value(client: &mut Client, graph: &str, uid: &str, property: &str) -> String {
    let params = Params::new().with("u", Param::Text(uid.into()));
    let query = format!("MATCH (n {{uid: $u}}) RETURN n.`{property}`");
    format!("{:?}", client.ro_query(graph, &query, &params).await.expect("a value").rows[0][0])
}

#[test]
fn scores_are_planned_written_verified_and_taken_back_to_the_bit() {
    with_graph("loop", async |client, graph| {
        all(client, graph, &[TOWN]).await;
        let cx = Context::silent();
        let (_dir, ledger) = ledger();
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let mut all_scores = vec![people(&[1.0 / 3.0, 0.25, 5e-324])];
        all_scores.push(scores(
            &[("p3", "Person"), ("v1", "Venue"), ("p1", "Person")],
            &[("influence_core", vec![Some(Score::Integer(3)), Some(Score::Integer(7)), None])],
        ));

        let planned = plan(client, graph, &tables, &all_scores, &cx).await.expect("a plan");
        assert_eq!((planned.set, planned.unchanged, planned.gone, planned.changed_identity), (4, 0, 0, 0));
        let line = |label: &str, property: &str| {
            planned.lines.iter().find(|l| l.label == label && l.property == property).expect("a line")
        };
        assert_eq!(line("Person", "influence_pagerank").set, 3);
        assert_eq!(
            (line("Person", "influence_core").set, line("Person", "influence_core").unchanged),
            (0, 1)
        );
        assert_eq!(line("Venue", "influence_core").new, Some(Range { min: 7.0, mean: 7.0, max: 7.0 }));
        let printed = 0.123_456_789_012_346;
        let old = Some(Range { min: printed, mean: printed, max: printed });
        assert_eq!(line("Person", "influence_pagerank").old, old);
        assert_eq!(dump(client, graph).await, before, "planning writes nothing");
        assert!(ledger.runs().expect("a look").0.is_empty());

        let applied = apply(client, graph, &planned, &ledger, &cx).await.expect("written");
        let run = applied.run.expect("a run");
        assert_eq!(applied.written, 4);
        assert_eq!(ledger.run(&run).expect("known").state, RunState::Verified);
        assert!(is_exactly(client, graph, "p1", "influence_pagerank", 1.0 / 3.0).await);
        assert!(is_exactly(client, graph, "p3", "influence_pagerank", 5e-324).await);
        assert_eq!(
            value(client, graph, "p1", "influence_core").await,
            "Null",
            "an unscored property is left alone"
        );
        assert_eq!(value(client, graph, "v1", "score_run").await, format!("Text({run:?})"));
        assert_eq!(
            value(client, graph, "v1", "score_at").await,
            format!("Int({})", ledger.run(&run).expect("known").score_at)
        );

        let again = plan(client, graph, &tables, &all_scores, &cx).await.expect("a plan");
        assert_eq!((again.set, again.unchanged), (0, 4));
        let idle = apply(client, graph, &again, &ledger, &cx).await.expect("nothing to do");
        assert_eq!((idle.run, ledger.runs().expect("one").0.len()), (None, 1));

        let undone =
            undo(client, &ledger, &run, UndoOptions { dry_run: true, ..UndoOptions::default() }, &cx)
                .await
                .expect("said");
        assert_eq!(undone.restored, 4);
        assert_ne!(dump(client, graph).await, before, "a dry run restores nothing");
        let undone = undo(client, &ledger, &run, UndoOptions::default(), &cx).await.expect("restored");
        assert_eq!((undone.restored, undone.untouched), (4, 0));
        assert_eq!(dump(client, graph).await, before);
        assert!(is_exactly(client, graph, "p3", "influence_pagerank", 0.123_456_789_012_345_68).await);
        let twice =
            undo(client, &ledger, &run, UndoOptions::default(), &cx).await.expect_err("once is enough");
        assert!(matches!(twice, WritebackError::State { .. }), "{twice:?}");
    });
}

#[test]
fn a_reused_internal_id_never_gets_another_nodes_score() {
    with_graph("reuse", async |client, graph| {
        let cx = Context::silent();
        let (ledger_dir, ledger) = ledger();
        all(client, graph, &["UNWIND range(0, 99) AS i CREATE (:Person {uid: 'p' + toString(i)})"]).await;
        let tables = frozen(client, graph).await;
        let uids: Vec<String> = (0..100).map(|i| format!("p{i}")).collect();
        let rows: Vec<(&str, &str)> = uids.iter().map(|u| (u.as_str(), "Person")).collect();
        let all_scores = vec![scores(&rows, &[("influence_pagerank", floats(&[0.5; 100]))])];
        let early = plan(client, graph, &tables, &all_scores, &cx).await.expect("a plan before");
        // The ids of the deleted ones go to others, some of another label; twenty stay free.
        all(
            client,
            graph,
            &[
                "MATCH (n:Person) WHERE id(n) % 2 = 0 DELETE n",
                "UNWIND range(0, 29) AS i CREATE (:Venue {uid: 'v' + toString(i)})",
            ],
        )
        .await;
        let late = plan(client, graph, &tables, &all_scores, &cx).await.expect("a plan after");
        assert_eq!((late.set, late.gone, late.changed_identity), (50, 20, 30));
        // What the plan misses already counts as gone in the run, too, also where the run broke off and is completed.
        let applied = apply(client, graph, &late, &ledger, &cx).await.expect("written");
        let run = ledger.run(&applied.run.clone().expect("a run")).expect("known");
        assert_eq!((applied.written, applied.gone, applied.changed_identity), (50, 20, 30));
        assert_eq!((run.nodes, run.written, run.gone, run.changed_identity), (50, 50, 20, 30));
        all(client, graph, &["MATCH (n {uid: 'p1'}) DELETE n"]).await;
        let file = ledger_dir.path().join("writeback").join(&run.run).join("run.json");
        let text = std::fs::read_to_string(&file).expect("read").replace("\"verified\"", "\"applying\"");
        std::fs::write(&file, text).expect("written");
        let completed = resume(client, &ledger, &run.run, &cx).await.expect("completed");
        assert_eq!((completed.written, completed.gone, completed.changed_identity), (49, 21, 30));
        undo(client, &ledger, &run.run, UndoOptions::default(), &cx).await.expect("restored");
        all(client, graph, &["CREATE (:Person {uid: 'p1'})"]).await;
        // The early plan is stale and still harms nobody.
        let applied = apply(client, graph, &early, &ledger, &cx).await.expect("written");
        assert_eq!((applied.written, applied.gone, applied.changed_identity), (50, 20, 30));
        let query = "MATCH (n) WHERE n.influence_pagerank IS NOT NULL OR n.score_run IS NOT NULL RETURN labels(n)[0], count(n)";
        let reply = client.ro_query(graph, query, &Params::new()).await.expect("counted");
        assert_eq!(format!("{:?}", reply.rows), r#"[[Text("Person"), Int(50)]]"#);
        let undone = undo(client, &ledger, &applied.run.expect("a run"), UndoOptions::default(), &cx)
            .await
            .expect("restored");
        assert_eq!((undone.restored, undone.gone, undone.changed_identity), (50, 20, 30));
    });
}

#[test]
fn undo_refuses_what_a_later_run_or_a_person_wrote() {
    with_graph("later", async |client, graph| {
        let cx = Context::silent();
        let (_dir, ledger) = ledger();
        all(client, graph, &[TOWN]).await;
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let mut runs = Vec::new();
        for values in [[1.5, 2.5, 3.5], [1.5, 9.5, 3.5]] {
            let planned = plan(client, graph, &tables, &[people(&values)], &cx).await.expect("a plan");
            runs.push(
                apply(client, graph, &planned, &ledger, &cx).await.expect("written").run.expect("a run"),
            );
        }
        assert!(runs[0] < runs[1], "ids sort by time");
        let middle = dump(client, graph).await;
        let error = undo(client, &ledger, &runs[0], UndoOptions::default(), &cx)
            .await
            .expect_err("the second stands above");
        assert!(
            matches!(&error, WritebackError::Overwritten { count: 1, first, by, .. } if first == "p2" && by.contains(&runs[1])),
            "{error}"
        );
        assert_eq!(error.fault(), Fault::Input);
        assert_eq!(dump(client, graph).await, middle, "nothing was restored");
        undo(client, &ledger, &runs[1], UndoOptions::default(), &cx).await.expect("the second first");
        undo(client, &ledger, &runs[0], UndoOptions::default(), &cx).await.expect("then the first");
        assert_eq!(dump(client, graph).await, before);

        let planned = plan(client, graph, &tables, &[people(&[7.5, 8.5, 9.5])], &cx).await.expect("a plan");
        let run = apply(client, graph, &planned, &ledger, &cx).await.expect("written").run.expect("a run");
        all(client, graph, &["MATCH (n {uid: 'p1'}) SET n.influence_pagerank = 4.25"]).await;
        let error =
            undo(client, &ledger, &run, UndoOptions::default(), &cx).await.expect_err("a person was there");
        assert!(
            matches!(&error, WritebackError::Overwritten { count: 1, first, .. } if first == "p1"),
            "{error}"
        );
        let hint = error.hint().expect("a hint");
        assert!(hint.contains(&format!("writeback undo {run} --skip-overwritten")), "{hint}");

        let rest = UndoOptions { skip_overwritten: true, ..UndoOptions::default() };
        let dry = UndoOptions { dry_run: true, ..rest };
        for options in [dry, rest] {
            let undone = undo(client, &ledger, &run, options, &cx).await.expect("the rest is restored");
            assert_eq!((undone.restored, undone.overwritten), (2, 1), "{undone:?}");
            let left: Vec<&str> = undone.left_alone.iter().map(|left| left.uid.as_str()).collect();
            assert_eq!(left, ["p1"]);
        }
        assert!(is_exactly(client, graph, "p1", "influence_pagerank", 4.25).await, "a person's value stays");
        assert_eq!(value(client, graph, "p2", "influence_pagerank").await, "Null");
        assert_eq!(ledger.run(&run).expect("known").state, RunState::PartlyUndone);

        all(client, graph, &["MATCH (n {uid: 'p1'}) SET n.influence_pagerank = 7.5"]).await;
        let undone = undo(client, &ledger, &run, UndoOptions::default(), &cx).await.expect("the last one");
        assert_eq!((undone.restored, undone.untouched, undone.overwritten), (1, 2, 0), "{undone:?}");
        assert_eq!(dump(client, graph).await, before);
        assert_eq!(ledger.run(&run).expect("known").state, RunState::Undone);
    });
}

#[test]
fn names_and_uids_that_look_like_cypher_are_written_as_they_are_or_refused() {
    with_graph("odd", async |client, graph| {
        let cx = Context::silent();
        let (_dir, ledger) = ledger();
        let uids =
            ["it's", "a\\", "\"})]//", "x' SET n.hacked = 1 //", "line\nbreak", "🎵é", "$rows", "null", ""];
        for uid in uids {
            let params = Params::new().with("u", Param::Text(uid.into()));
            client.query(graph, "CREATE (:Person {uid: $u})", &params).await.expect(uid);
        }
        let tables = frozen(client, graph).await;
        let before = dump(client, graph).await;
        let rows: Vec<(&str, &str)> = uids.iter().map(|u| (*u, "Person")).collect();
        let values: Vec<f64> = (0..uids.len()).map(|i| i as f64 + 0.5).collect();
        for name in ["x = 1, n.hacked", "a b", "é'\\\""] {
            let planned = plan(client, graph, &tables, &[scores(&rows, &[(name, floats(&values))])], &cx)
                .await
                .expect("a plan");
            let run =
                apply(client, graph, &planned, &ledger, &cx).await.expect("written").run.expect("a run");
            for (uid, value) in uids.iter().zip(&values) {
                assert!(is_exactly(client, graph, uid, name, *value).await, "{name} of {uid}");
            }
            undo(client, &ledger, &run, UndoOptions::default(), &cx).await.expect("restored");
            assert_eq!(dump(client, graph).await, before);
        }
        for name in ["a`b", "a\0b"] {
            let error = plan(client, graph, &tables, &[scores(&rows, &[(name, floats(&values))])], &cx).await;
            assert!(
                matches!(error, Err(WritebackError::Falkor(FalkorError::Unspeakable { .. }))),
                "{name:?}"
            );
        }
    });
}

#[test]
fn a_graph_that_is_not_there_is_not_made() {
    with_graph("gone", async |client, graph| {
        let cx = Context::silent();
        let (_dir, ledger) = ledger();
        all(client, graph, &[TOWN]).await;
        let tables = frozen(client, graph).await;
        let planned = plan(client, graph, &tables, &[people(&[1.0, 2.0, 3.0])], &cx).await.expect("a plan");
        client.delete_graph(graph).await.expect("evicted");
        for error in [
            plan(client, graph, &tables, &[people(&[1.0, 2.0, 3.0])], &cx)
                .await
                .map(drop)
                .expect_err("no graph"),
            apply(client, graph, &planned, &ledger, &cx).await.map(drop).expect_err("no graph"),
        ] {
            assert!(matches!(error, WritebackError::Falkor(FalkorError::NoGraph { .. })), "{error:?}");
            assert_eq!(error.fault(), Fault::Environment);
        }
        assert!(!client.exists(graph).await.expect("a look"));
        assert!(ledger.runs().expect("a look").0.is_empty());
    });
}

#[test]
fn scores_that_cannot_be_written_are_refused_before_anything_is() {
    with_graph("refused", async |client, graph| {
        let cx = Context::silent();
        all(client, graph, &[TOWN, "CREATE (:Person {uid: 'p9', held: point({latitude: 1, longitude: 2})})"])
            .await;
        let tables = frozen(client, graph).await;
        let one = |uid: &str, name: &str, value: f64| scores(&[(uid, "Person")], &[(name, floats(&[value]))]);
        let mut refused = async |given: &[Scores]| {
            let error = plan(client, graph, &tables, given, &cx).await.map(drop).expect_err("refused");
            assert_eq!(error.fault(), Fault::Input);
            error.to_string()
        };
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(refused(&[one("p1", "x", value)]).await.contains("`p1`"));
        }
        assert!(refused(&[one("nobody", "x", 1.0)]).await.contains("`nobody`"));
        assert!(refused(&[one("p1", "name", 1.0)]).await.contains("`name`"));
        assert!(refused(&[one("p1", "score_run", 1.0)]).await.contains("`score_run`"));
        assert!(refused(&[one("p1", "x", 1.0), one("p2", "x", 1.0)]).await.contains("two tables"));
        assert!(refused(&[one("p9", "held", 1.0)]).await.contains("`held` of `p9`"));
        let twice = scores(&[("p1", "Person"), ("p1", "Person")], &[("x", floats(&[1.0, 2.0]))]);
        assert!(refused(&[twice]).await.contains("two rows"));
        let mut text = one("p1", "x", 1.0);
        text.frame = DataFrame::new(
            1,
            vec![
                Column::new("uid".into(), ["p1"]),
                Column::new("label".into(), ["Person"]),
                Column::new("x".into(), ["high"]),
            ],
        )
        .expect("a table");
        assert!(refused(&[text]).await.contains("no numbers"));
        let mut bare = tables.clone();
        bare.companions.clear();
        let error =
            plan(client, graph, &bare, &[one("p1", "x", 1.0)], &cx).await.map(drop).expect_err("no ids");
        assert!(matches!(error, WritebackError::NoIds), "{error:?}");
    });
}
