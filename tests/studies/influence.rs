//! What the study of influence answers about the town.

use serde_json::json;

use crate::asking::{answer, close, fact, names, number, refused, row_of, table, text};

#[test]
fn influence_scores_every_node_and_ranks_sum_to_one() {
    let findings = answer("influence", &json!({}));
    let scores = findings.scores.expect("scores");
    assert_eq!(
        names(&scores.frame),
        [
            "uid",
            "label",
            "influence_pagerank",
            "influence_betweenness",
            "influence_harmonic",
            "influence_eigenvector",
            "influence_katz",
            "influence_hub",
            "influence_authority",
            "influence_core",
            "influence_in_degree",
            "influence_out_degree",
            "influence_in_strength",
            "influence_out_strength",
            "influence_collective",
            "influence_score"
        ]
    );
    assert_eq!(scores.frame.height(), 15);
    let ranks = scores.frame.column("influence_pagerank").expect("a column").f64().expect("numbers");
    assert!(close(ranks.iter().flatten().sum(), 1.0));
    let e1 = row_of(&scores.frame, "e1");
    // Promoted once, five interests, four attendances, one performance.
    assert!(close(number(&scores.frame, "influence_in_degree", e1), 11.0));
    assert_eq!(text(&scores.frame, "label", e1), "Event");
}

#[test]
fn influence_of_a_part_knows_only_that_part() {
    let given = json!({"relations": ["FOLLOWS"], "labels": ["Person"], "metrics": ["degree", "personalized_pagerank"], "sources": ["cy"]});
    let scores = answer("influence", &given).scores.expect("scores");
    assert_eq!(
        names(&scores.frame),
        ["uid", "label", "influence_personalized_pagerank", "influence_in_degree", "influence_out_degree"]
    );
    assert_eq!(scores.frame.height(), 5);
    assert!(close(number(&scores.frame, "influence_out_degree", row_of(&scores.frame, "cy")), 2.0));
    let rank = |uid| number(&scores.frame, "influence_personalized_pagerank", row_of(&scores.frame, uid));
    assert!(close(rank("leo"), 0.0));
    // cy keeps x = 0.15 + 0.85·(mass at ben and art); ben and ana get 0.425·x each, art 0.85·0.425·x.
    let x = 1.0 / (1.0 + 0.425 + 0.425 + 0.85 * 0.425);
    assert!((rank("cy") - x).abs() < 1e-5 && (rank("art") - 0.85 * 0.425 * x).abs() < 1e-5);
}

#[test]
fn centralities_of_a_part_are_those_of_its_definition() {
    // Whom one follows, both ways: ben – cy – ana – art, and leo alone.
    let mut given = json!({"relations": ["FOLLOWS"], "labels": ["Person"], "undirected": true, "weight": "none",
        "metrics": ["betweenness", "harmonic", "core", "collective", "katz", "hits", "eigenvector", "voterank"],
        "katz_alpha": 0.5});
    let findings = answer("influence", &given);
    let scores = &findings.scores.as_ref().expect("scores").frame;
    let golden = 5f64.sqrt().midpoint(1.0);
    let ends = 1.0 / (2.0 + 2.0 * golden * golden).sqrt();
    for (metric, at_an_end, within, alone) in [
        ("betweenness", 0.0, 2.0, 0.0),
        ("harmonic", 11.0 / 6.0, 2.5, 0.0),
        ("core", 1.0, 1.0, 0.0),
        ("collective", 0.0, 0.0, 0.0),
        // x = 1 + y/2 and y = 1 + (x + y)/2.
        ("katz", 4.0, 6.0, 1.0),
        ("eigenvector", ends, golden * ends, 0.0),
        ("hub", ends, golden * ends, 0.0),
        ("authority", ends, golden * ends, 0.0),
    ] {
        let of = |uid| number(scores, &format!("influence_{metric}"), row_of(scores, uid));
        let expected = [at_an_end, within, within, at_an_end, alone];
        for (uid, expected) in ["ben", "cy", "ana", "art", "leo"].into_iter().zip(expected) {
            assert!((of(uid) - expected).abs() < 1e-8, "{metric} of {uid}: {}", of(uid));
        }
    }
    let elected = table(&findings, "voterank");
    assert_eq!((names(elected), elected.height()), (vec!["rank", "uid"], 2));
    let mut both = [text(elected, "uid", 0), text(elected, "uid", 1)];
    both.sort();
    assert_eq!(both, ["ana", "cy"]);
    assert!(close(fact(&findings, "katz_alpha"), 0.5));

    given["normalized"] = true.into();
    let scores = answer("influence", &given).scores.expect("scores").frame;
    // Of the six pairs of others.
    assert!(close(number(&scores, "influence_betweenness", row_of(&scores, "cy")), 2.0 / 6.0));
}

#[test]
fn betweenness_is_exact_or_from_samples_and_says_which() {
    let mut given = json!({"relations": ["FOLLOWS"], "labels": ["Person"], "undirected": true, "metrics": ["betweenness"],
        "betweenness": "kadabra", "epsilon": 0.02, "delta": 0.05});
    let sampled = answer("influence", &given);
    assert!(
        sampled.caveats.iter().any(|caveat| caveat.contains("betweenness is estimated")),
        "{:?}",
        sampled.caveats
    );
    assert!(fact(&sampled, "betweenness_samples") >= 1_000.0);
    // Of five people there are ten pairs.
    assert!(close(fact(&sampled, "betweenness_error"), 0.2));
    given["betweenness"] = "auto".into();
    let exact = answer("influence", &given);
    assert!(!exact.caveats.iter().any(|caveat| caveat.contains("estimated")));
    for (uid, expected) in [("ben", 0.0), ("cy", 2.0), ("ana", 2.0), ("art", 0.0), ("leo", 0.0)] {
        for (found, error) in [(&exact, 1e-9), (&sampled, 0.2)] {
            let scores = &found.scores.as_ref().expect("scores").frame;
            let found = number(scores, "influence_betweenness", row_of(scores, uid));
            assert!((found - expected).abs() <= error, "{uid}: {found}");
        }
    }
    given["betweenness"] = "kadabra".into();
    given["normalized"] = true.into();
    let scores = answer("influence", &given).scores.expect("scores").frame;
    assert!((number(&scores, "influence_betweenness", row_of(&scores, "cy")) - 2.0 / 6.0).abs() <= 0.2 / 6.0);
    for (name, value) in [("epsilon", 0.0), ("delta", 1.0)] {
        let mut given = given.clone();
        given[name] = value.into();
        assert!(refused("influence", &given).contains(name), "{name}");
    }
}

#[test]
fn the_score_is_the_mean_of_four_rankings_within_a_label() {
    let given = json!({"metrics": ["score", "pagerank", "betweenness", "core", "in_strength"]});
    let findings = answer("influence", &given);
    let scores = &findings.scores.as_ref().expect("scores").frame;
    let labels = scores.column("label").expect("a column").str().expect("text").clone();
    let share = |metric: &str, row: usize| {
        let of = |row| number(scores, metric, row);
        let others =
            (0..scores.height()).filter(|&other| other != row && labels.get(other) == labels.get(row));
        let others: Vec<usize> = others.collect();
        let wins = others.iter().map(|&other| match of(row).total_cmp(&of(other)) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        });
        if others.is_empty() { 1.0 } else { wins.sum::<f64>() / others.len() as f64 }
    };
    for row in 0..scores.height() {
        let parts = ["pagerank", "betweenness", "core", "in_strength"]
            .map(|part| share(&format!("influence_{part}"), row));
        assert!(
            close(number(scores, "influence_score", row), parts.iter().sum::<f64>() / 4.0),
            "{row}: {parts:?}"
        );
    }
    let ranking = table(&findings, "ranking");
    assert_eq!(
        names(ranking),
        ["label", "rank", "rank_best", "rank_worst", "uid", "name", "influence_score", "at_odds"]
    );
    assert_eq!(ranking.height(), scores.height());
    for row in 0..ranking.height() {
        let of = |column| number(ranking, column, row);
        assert!(of("rank_best") <= of("rank") && of("rank") <= of("rank_worst"));
    }
    // What it is made of is not told where only the score is asked for.
    let alone = answer("influence", &json!({"metrics": ["score"]})).scores.expect("scores").frame;
    assert_eq!(names(&alone), ["uid", "label", "influence_score"]);
    assert!(
        alone.column("influence_score").expect("a column")
            == scores.column("influence_score").expect("a column")
    );
}

#[test]
fn the_nearest_are_a_table_and_lengths_are_looked_at() {
    let part =
        json!({"relations": ["FOLLOWS"], "labels": ["Person"], "undirected": true, "metrics": ["harmonic"]});
    let mut given = part.clone();
    given["harmonic_top"] = 2.into();
    let findings = answer("influence", &given);
    let nearest = table(&findings, "harmonic");
    assert_eq!((names(nearest), nearest.height()), (vec!["rank", "uid", "label", "harmonic"], 2));
    assert!(close(number(nearest, "harmonic", 0), 2.5) && close(number(nearest, "harmonic", 1), 2.5));
    let mut given = part.clone();
    given["distance"] = "1 + 1".into();
    let scores = answer("influence", &given).scores.expect("scores").frame;
    assert!(close(number(&scores, "influence_harmonic", row_of(&scores, "cy")), 1.25));
    given["distance"] = "0 * 1".into();
    let error = refused("influence", &given);
    assert!(error.contains("`FOLLOWS`") && error.contains("above 0"), "{error}");
}

#[test]
fn jumps_go_where_a_condition_holds_in_proportion_to_a_weight() {
    let named = json!({"sources": ["ana", "cy"], "metrics": ["personalized_pagerank"]});
    let ranks = |given: &serde_json::Value| {
        let scores = answer("influence", given).scores.expect("scores").frame;
        let ranks =
            scores.column("influence_personalized_pagerank").expect("a column").f64().expect("numbers");
        ranks.iter().flatten().collect::<Vec<_>>()
    };
    let by_condition =
        json!({"sources_where": "uid = 'ana' or uid = 'cy'", "metrics": ["personalized_pagerank"]});
    assert_eq!(ranks(&named), ranks(&by_condition));
    let by_weight = json!({"sources_weight": "7 * (uid = 'ana') + 7 * (uid = 'cy')", "metrics": ["personalized_pagerank"]});
    assert_eq!(ranks(&named), ranks(&by_weight));
    let of = |weight: &str| refused("influence", &json!({"sources_weight": weight}));
    assert!(of("0 - (uid = 'ana')").contains("`ana`"));
    assert!(of("0").contains("no node is left"));
    assert!(of("nowhere").contains("nowhere"));
}

#[test]
fn a_source_may_hold_a_comma() {
    let given = &json!({"sources": ["https://a/1,2", "ana,ben"], "metrics": ["personalized_pagerank"]});
    let scores = answer("influence", given).scores.expect("scores");
    assert!(number(&scores.frame, "influence_personalized_pagerank", row_of(&scores.frame, "ben")) > 0.05);
}
