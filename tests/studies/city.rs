//! The studies find what was planted in a synthetic city.

use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::mirror::{ResolveOptions, resolve};
use sonograph::sources::SourceOptions;
use sonograph::sources::synthetic::{City, generate};
use sonograph::studies::{Findings, Question};

fn city() -> (City, BusinessGraph) {
    let city = generate(4_000, 7, &Context::silent()).expect("four thousand people make a city");
    let facts = city.facts(&SourceOptions::default()).expect("there is room");
    let resolved = resolve(&facts, &ResolveOptions::default()).expect("the city is free of contradictions");
    let tables = resolved.to_tables().expect("nodes have one uid each");
    (city, BusinessGraph::build(tables).expect("the tables are canonical"))
}

fn answer(family: &str, graph: &BusinessGraph) -> Findings {
    let question = Question::defaults(family).expect("a family");
    question.run(graph, &Context::silent()).expect("an answer")
}

fn fact(findings: &Findings, name: &str) -> f64 {
    findings.facts.iter().find(|fact| fact.name == name).expect("the fact is there").value
}

#[test]
fn virality_finds_the_planted_reproduction() {
    let (city, graph) = city();
    let truth = &city.truth.cascades;
    let findings = answer("virality", &graph);
    let shares = fact(&findings, "shares");
    assert!((shares / truth.shares as f64 - 1.0).abs() < 0.01, "{shares} of {} shares", truth.shares);
    // Parents that the data lost are inferred: nearly all of them come back, few are made up.
    let found = fact(&findings, "virality_r_pooled");
    assert!((found - truth.pooled_r).abs() < 0.02, "R {found}, planted {}", truth.pooled_r);
    let explicit = fact(&findings, "parents_explicit") * found;
    assert!((explicit - truth.pooled_r_explicit).abs() < 0.01, "{explicit}, {}", truth.pooled_r_explicit);
}

#[test]
fn conversion_finds_the_planted_rates_and_their_order() {
    let (city, graph) = city();
    let findings = answer("conversion", &graph);
    let frame = &findings.tables[0].frame;
    let number = |column: &str, row: usize| {
        frame.column(column).expect("a column").f64().expect("numbers").get(row).expect("a number")
    };
    let names = frame.column("name").expect("a column").str().expect("text");
    let (mut seen, mut inside) = (0, 0);
    for promoter in city.truth.promoters.iter().filter(|p| p.reached >= 30) {
        let Some(row) = (0..frame.height()).find(|&row| names.get(row) == Some(&promoter.name)) else {
            continue;
        };
        seen += 1;
        let holds = (number("rate_low", row)..=number("rate_high", row)).contains(&promoter.rate);
        inside += usize::from(holds);
    }
    assert!(seen >= 5, "{seen} promoters found by name");
    // 95 % intervals may miss a few.
    assert!(inside * 10 >= seen * 8, "{inside} of {seen} intervals hold the planted rate");
}

#[test]
fn influence_ranks_planted_influencers_among_the_most_followed() {
    let (city, graph) = city();
    let given = serde_json::json!({"relations": ["FOLLOWS"], "labels": ["Person"], "metrics": ["in_degree"]});
    let question = Question::configured("influence", given.as_object().expect("an object")).expect("known");
    let scores = question.run(&graph, &Context::silent()).expect("an answer").scores.expect("scores");
    let degrees = scores.frame.column("influence_in_degree").expect("a column").i64().expect("counts");
    let most = degrees.iter().flatten().max().expect("somebody is followed");
    let planted = city.truth.influencers.first().expect("influencers are planted");
    assert!(
        most as f64 >= planted.followers as f64 * 0.9,
        "most followed {most}, planted {}",
        planted.followers
    );
}
