//! What every family answers about the town.

use std::collections::BTreeMap;

use polars::prelude::{DataType, IntoColumn, NamedFrom, Series, TimeUnit, TimeZone};
use serde_json::json;
use sonograph::context::{Context, Diagnose, Fault};
use sonograph::graph::BusinessGraph;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::studies::{Findings, Question};

use crate::asking::{answer, ask, close, fact, names, number, row_of, table, text, texts};
use crate::town::{tables, town};

/// Everything a study says, as bytes.
fn bytes(findings: &Findings) -> Vec<u8> {
    let rest = (&findings.charts, &findings.facts, &findings.caveats);
    let mut all = serde_json::to_vec(&rest).expect("plain values");
    let scores = findings.scores.iter().map(|scores| &scores.frame);
    for frame in scores.chain(findings.tables.iter().map(|table| &table.frame)) {
        all.extend(sonograph::snapshot::parquet_bytes(frame).expect("a table"));
    }
    all
}

#[test]
fn community_finds_parts_and_events_that_share_people() {
    let findings = answer("community", &json!({}));
    let scores = findings.scores.as_ref().expect("scores");
    assert_eq!(
        names(&scores.frame),
        [
            "uid",
            "label",
            "community_component",
            "community_strong_component",
            "community_label",
            "community_leiden",
            "community_clustering",
            "community_triangles"
        ]
    );
    let part = |uid| number(&scores.frame, "community_component", row_of(&scores.frame, uid));
    assert!(close(part("ana"), part("harbour")) && close(part("ana"), part("anon:9")));
    let pairs = table(&findings, "coattendance");
    assert_eq!(names(pairs), ["event", "other", "both", "n_event", "n_other", "share", "lift"]);
    assert_eq!(pairs.height(), 2);
    assert_eq!((text(pairs, "event", 0), text(pairs, "other", 0)), ("e1".into(), "e2".into()));
    assert!(close(number(pairs, "both", 0), 2.0) && close(number(pairs, "n_event", 0), 3.0));
    assert!(close(number(pairs, "share", 0), 2.0 / 3.0) && close(number(pairs, "lift", 0), 1.0));
    let none = answer("community", &json!({"min_support": 3}));
    assert_eq!(table(&none, "coattendance").height(), 0);
}

#[test]
fn community_tells_of_who_follows_whom_what_holds_it_together() {
    let given = json!({
        "relations": ["FOLLOWS"],
        "labels": ["Person"],
        "metrics": ["strong_component", "label", "triangles", "clustering", "bridges"],
    });
    let findings = answer("community", &given);
    // cy → ben, cy → ana → art: a tree, and leo, whom nobody follows.
    let bridges = table(&findings, "bridges");
    assert_eq!(names(bridges), ["src", "dst", "cut_off"]);
    let rows: Vec<_> = (0..bridges.height())
        .map(|row| {
            (text(bridges, "src", row), text(bridges, "dst", row), number(bridges, "cut_off", row) as u32)
        })
        .collect();
    let row = |src: &str, dst: &str, cut_off| (src.to_owned(), dst.to_owned(), cut_off);
    assert_eq!(rows, [row("cy", "ana", 2), row("ana", "art", 1), row("cy", "ben", 1)]);
    let points = table(&findings, "articulation_points");
    assert_eq!(names(points), ["uid", "label", "parts", "cut_off"]);
    assert_eq!((text(points, "uid", 0), text(points, "uid", 1)), ("ana".into(), "cy".into()));
    assert!(close(number(points, "parts", 1), 2.0) && close(number(points, "cut_off", 1), 1.0));
    assert!(close(fact(&findings, "bridges"), 3.0) && close(fact(&findings, "articulation_points"), 2.0));
    assert!(close(fact(&findings, "strong_components"), 5.0) && close(fact(&findings, "triangles"), 0.0));
    let scores = &findings.scores.as_ref().expect("scores").frame;
    assert_eq!(
        names(scores),
        [
            "uid",
            "label",
            "community_strong_component",
            "community_label",
            "community_clustering",
            "community_triangles"
        ]
    );

    let only = answer("community", &json!({"metrics": ["bridges"], "relations": ["FOLLOWS"]}));
    assert!(only.scores.is_none() && only.tables.len() == 2);
}

#[test]
fn first_labels_are_by_number_where_all_uids_are_numbers_and_by_text_otherwise() {
    // The middle node meets two labels once each and takes the smaller; the last one meets the first of them alone.
    let agree = |last: &str| {
        let node = |uid: &str| NodeRow::<&str> { uid: uid.into(), labels: vec![], properties: vec![] };
        let edge = |src: &str, dst: &str| EdgeRow { src: src.into(), dst: dst.into(), properties: vec![] };
        let nodes = BTreeMap::from([("Node".to_owned(), ["9", "10", "20", last].map(node).to_vec())]);
        let list = vec![edge("20", "9"), edge("20", "10"), edge(last, "9")];
        let edges = BTreeMap::from([("EDGE".to_owned(), list)]);
        let graph = BusinessGraph::build(assemble(nodes, edges).expect("sound")).expect("a graph");
        let findings = ask("community", &json!({"metrics": ["label"], "max_iterations": 1}), &graph);
        let findings = findings.expect("an answer");
        assert!(findings.caveats.iter().any(|caveat| caveat.contains("--label-propagation async")));
        let frame = &findings.scores.expect("scores").frame;
        let of = |uid| number(frame, "community_label", row_of(frame, uid));
        close(of("20"), of(last))
    };
    assert!(agree("30"));
    assert!(!agree("x30"));
}

#[test]
fn follows_are_no_attendance() {
    let given = json!({"relations": ["FOLLOWS"]});
    let findings = answer("community", &given);
    assert!(findings.tables.iter().all(|table| table.name != "coattendance"));
    let given = json!({"relations": ["FOLLOWS"], "metrics": ["coattendance"]});
    let error = ask("community", &given, &town()).expect_err("nobody attends a person");
    assert_eq!(error.fault(), Fault::Input);
}

#[test]
fn conversion_counts_people_and_events_and_leaves_the_future_out() {
    let findings = answer("conversion", &json!({}));
    let promoters = table(&findings, "promoters");
    assert_eq!(
        names(promoters),
        [
            "uid",
            "name",
            "reached",
            "converted",
            "rate",
            "rate_low",
            "rate_high",
            "rate_shrunk",
            "median_time_to_convert_s"
        ]
    );
    // night, e1: ana (by her device), cy converted; ben came before he was interested; anon:9 is nobody we know.
    // night, e2: ben converted, cy was never seen interested. e3 is still ahead.
    assert_eq!((text(promoters, "uid", 0), text(promoters, "uid", 1)), ("night".into(), "harbour".into()));
    assert!(close(number(promoters, "reached", 0), 5.0) && close(number(promoters, "converted", 0), 3.0));
    assert!(close(number(promoters, "reached", 1), 1.0) && close(number(promoters, "converted", 1), 1.0));
    // 9, 4 and 4 days.
    assert!(close(number(promoters, "median_time_to_convert_s", 0), 4.0 * 86_400.0));
    assert!((number(promoters, "rate_low", 0) - 0.2307).abs() < 1e-4);
    let shrunk = number(promoters, "rate_shrunk", 1);
    assert!((0.6..1.0).contains(&shrunk));
    assert!(close(fact(&findings, "conversion_events_ahead"), 1.0));
    assert!(close(fact(&findings, "conversion_unseen"), 2.0));
    let scores = findings.scores.expect("scores");
    assert_eq!(
        names(&scores.frame),
        ["uid", "label", "conversion_rate", "conversion_rate_low", "conversion_rate_shrunk"]
    );
}

#[test]
fn conversion_as_of_an_earlier_moment_does_not_know_the_rest() {
    // 2026-03-01 is day 0; on day 10 e2 has not begun, and cy's second ticket of day 11 is unknown.
    let findings = answer("conversion", &json!({"as_of": "2026-03-11", "interval": "jeffreys"}));
    let promoters = table(&findings, "promoters");
    assert_eq!((promoters.height(), text(promoters, "uid", 0)), (1, "night".into()));
    assert!(close(number(promoters, "reached", 0), 4.0) && close(number(promoters, "converted", 0), 2.0));
    assert!(close(fact(&findings, "promoters_idle"), 0.0));
}

#[test]
fn virality_grows_trees_from_named_and_inferred_parents() {
    let findings = answer("virality", &json!({}));
    let cascades = table(&findings, "cascades");
    assert_eq!(
        names(cascades),
        ["root", "content", "size", "depth", "breadth", "structural_virality", "started", "half_life_s"]
    );
    // ana → ben (named) → cy (follows ben), leo (named ben's repeat); anon:9 names a share nobody has; cy's other share.
    assert_eq!(cascades.height(), 3);
    assert_eq!(
        (text(cascades, "root", 0), text(cascades, "content", 0)),
        ("ana".into(), "https://a/1,2".into())
    );
    let first = |column| number(cascades, column, 0);
    assert!(close(first("size"), 4.0) && close(first("depth"), 2.0) && close(first("breadth"), 2.0));
    assert!(close(first("structural_virality"), 1.5) && close(first("half_life_s"), 86_400.0));
    assert!(cascades.column("half_life_s").expect("a column").f64().expect("numbers").get(1).is_none());
    assert!(close(fact(&findings, "virality_r_pooled"), 0.5));
    assert!(
        close(fact(&findings, "parents_explicit"), 0.5) && close(fact(&findings, "parents_orphan"), 0.25)
    );
    let scores = findings.scores.as_ref().expect("scores");
    assert_eq!(names(&scores.frame), ["uid", "label", "virality_cascades", "virality_r"]);
    assert_eq!(scores.frame.height(), 5);
    let of = |uid, column| number(&scores.frame, column, row_of(&scores.frame, uid));
    assert!(close(of("ben", "virality_r"), 2.0) && close(of("ben", "virality_cascades"), 0.0));
    assert!(close(of("cy", "virality_cascades"), 1.0));

    let named = answer("virality", &json!({"parents": "explicit"}));
    assert!(close(number(table(&named, "cascades"), "size", 0), 3.0));
}

#[test]
fn paths_lists_shortest_paths_with_what_they_rest_on() {
    let findings = answer("paths", &json!({"from": "cy", "to": "art", "k": 5}));
    let paths = table(&findings, "paths");
    assert_eq!(names(paths), ["rank", "cost", "hops", "uids", "names", "relations"]);
    assert_eq!(paths.height(), 2);
    assert_eq!(texts(paths, "uids", 0), ["cy", "e1", "art"]);
    assert_eq!(texts(paths, "relations", 0), ["ATTENDED", "PERFORMS_AT"]);
    assert_eq!(
        (texts(paths, "names", 1), texts(paths, "relations", 1)),
        (vec!["CY".to_owned(), "ANA".into(), "ART".into()], vec!["FOLLOWS".to_owned(), "FOLLOWS".into()])
    );
    assert!(close(number(paths, "hops", 1), 2.0));
    let evidence = table(&findings, "evidence");
    assert_eq!(evidence.height(), 4);
    assert!(close(number(evidence, "times", 0), 2.0));
    let last = evidence.column("last").expect("a column");
    assert_eq!(last.dtype(), &DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)));
    assert_eq!(
        last.datetime().expect("moments").physical().get(0),
        Some(1_772_323_200_000_000 + 11 * 86_400_000_000)
    );
    assert_eq!(
        (text(evidence, "relation", 1), text(evidence, "direction", 1)),
        ("PERFORMS_AT".into(), "backward".into())
    );

    let only = answer("paths", &json!({"from": "cy", "to": "art", "k": 5, "via": ["FOLLOWS"]}));
    assert_eq!(table(&only, "paths").height(), 1);
}

#[test]
fn no_path_is_an_empty_table_with_its_columns() {
    let findings = answer("paths", &json!({"from": "anon:9", "to": "art"}));
    let paths = table(&findings, "paths");
    assert_eq!((paths.height(), names(paths).len()), (0, 6));
    assert_eq!(paths.column("uids").expect("a column").dtype(), &DataType::List(Box::new(DataType::String)));
    assert!(
        findings.caveats.iter().any(|caveat| caveat.contains("no path from ANON:9 to ART within 4 hops"))
    );
    let home = answer("paths", &json!({"from": "cy", "to": "cy"}));
    assert_eq!(texts(table(&home, "paths"), "uids", 0), ["cy"]);
    assert!(texts(table(&home, "paths"), "relations", 0).is_empty());
}

#[test]
fn paths_without_a_pair_shows_a_fan_the_way_to_an_artist() {
    let findings = answer("paths", &json!({}));
    assert_eq!(texts(table(&findings, "paths"), "uids", 0), ["cy", "e1", "art"]);
}

#[test]
fn what_is_not_in_the_graph_is_named_with_what_may_be_meant() {
    let error = ask("paths", &json!({"from": "Ana", "to": "art"}), &town()).expect_err("uids are exact");
    assert_eq!(
        (error.fault(), error.to_string()),
        (Fault::Input, "there is no node with uid `Ana` in this graph".into())
    );
    assert_eq!(error.hint(), Some("did you mean `ana` (ANA)?".into()));
    for (family, given) in [
        ("influence", json!({"relations": ["LIKES"]})),
        ("influence", json!({"labels": ["Robot"]})),
        ("influence", json!({"weight": "gold"})),
        ("influence", json!({"damping": 2.0})),
        ("influence", json!({"metrics": ["katz"], "undirected": true, "katz_alpha": 0.9})),
        ("influence", json!({"metrics": ["katz"], "katz_alpha": 0.0})),
        ("influence", json!({"metrics": ["hits"], "hits_restart": 1.0})),
        ("influence", json!({"half_life": 0.0})),
        ("influence", json!({"metrics": ["personalized_pagerank"]})),
        ("influence", json!({"sources": ["nobody"]})),
        ("influence", json!({"sources": ["e1"], "labels": ["Person"]})),
        ("paths", json!({"from": "ana"})),
        ("paths", json!({"from": "ana", "to": "art", "via": ["LIKES"]})),
        ("virality", json!({"window": -1.0})),
    ] {
        let error = ask(family, &given, &town()).expect_err("refused");
        assert_eq!(error.fault(), Fault::Input, "{family} {given}: {error}");
    }
}

#[test]
fn an_empty_graph_has_empty_answers() {
    let graph = BusinessGraph::build(Tables::default()).expect("nothing is a graph");
    for question in Question::all() {
        let findings = question.run(&graph, &Context::silent()).expect("an answer");
        assert!(findings.tables.iter().all(|table| table.frame.height() == 0), "{}", findings.family);
        assert!(findings.charts.is_empty());
        assert!(findings.facts.iter().all(|fact| fact.value.is_finite()));
    }
}

#[test]
fn one_and_two_threads_give_the_same_findings() {
    let graph = town();
    let all = |threads| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        pool.install(|| {
            let run = |question: Question| question.run(&graph, &Context::silent()).expect("an answer");
            Question::all().map(|question| bytes(&run(question)))
        })
    };
    assert_eq!(all(1), all(2));
}

#[test]
fn every_score_is_declared_and_every_table_announced() {
    let graph = town();
    for question in Question::all() {
        let family = question.family();
        let findings = question.run(&graph, &Context::silent()).expect("an answer");
        if let Some(scores) = &findings.scores {
            let declared: Vec<&str> = scores.columns.iter().map(|column| column.name).collect();
            assert_eq!(names(&scores.frame)[2..], declared);
            assert!(scores.columns.iter().all(|column| family.scores.contains(column)));
        }
        for table in &findings.tables {
            assert!(
                family.tables.iter().any(|(name, _)| *name == table.name),
                "{} is not announced",
                table.name
            );
        }
        for chart in &findings.charts {
            assert!(chart.caption.ends_with('.') && !chart.title.is_empty());
        }
    }
}

#[test]
fn what_is_marked_as_deleted_is_neither_scored_nor_counted_and_every_study_says_so() {
    let mut frozen = tables();
    let people = frozen.nodes.get_mut("Person").expect("people");
    // Ana, the first, is gone; with her an attendance, two interests, two follows, a share and what two devices are identified as.
    let marks: Vec<Option<i64>> = (0..people.height()).map(|row| (row == 0).then_some(1)).collect();
    people.with_column(Series::new("deleted_at".into(), marks).into_column()).expect("same height");
    let graph = BusinessGraph::build(frozen).expect("a graph");
    for question in Question::all() {
        let found = question.run(&graph, &Context::silent()).expect("an answer");
        let told = "left out: 1 node marked as deleted (`deleted_at`), and 8 edges at them";
        assert!(found.caveats.iter().any(|caveat| caveat == told), "{}: {:?}", found.family, found.caveats);
        let scores = found.scores.iter().map(|scores| &scores.frame);
        for frame in scores.chain(found.tables.iter().map(|table| &table.frame)) {
            for texts in frame.columns().iter().filter_map(|column| column.str().ok()) {
                assert!(texts.iter().all(|uid| uid != Some("ana")), "{}: {frame:?}", found.family);
            }
        }
    }
    let gone =
        ask("paths", &json!({"from": "ana", "to": "art"}), &graph).expect_err("she is no part of the graph");
    assert_eq!(gone.fault(), Fault::Input);
}
