//! The queries of the README's cookbook, on a real FalkorDB, against the study that answers the same question.

use std::collections::BTreeMap;

use serde_json::json;
use sonograph::context::Context;
use sonograph::graph::BusinessGraph;
use sonograph::mirror;
use sonograph::ontology::Label;
use sonograph::sources::SourceOptions;
use sonograph::sources::facts::Facts;
use sonograph::sources::falkordb::{Client, Param, Params, Reply};
use sonograph::sources::synthetic::generate;

use crate::graph::{url, with_graph};
use crate::scratch::Scratch;
use crate::{ask, fact, frozen, rows, table, told};

/// The README's queries by name.
fn cookbook() -> BTreeMap<String, String> {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```cypher ").skip(1).map(|block| {
        let (name, rest) = block.split_once('\n').expect("a name stands behind `cypher`");
        let (query, _) = rest.split_once("\n```").expect("a block ends");
        (name.trim().to_owned(), query.to_owned())
    });
    blocks.collect()
}

/// Asks the server, and counts what was compared.
struct Book<'c> {
    client: &'c mut Client,
    key: &'c str,
    queries: BTreeMap<String, String>,
    asked: BTreeMap<String, usize>,
    slowest: (f64, String),
}

impl Book<'_> {
    async fn ask(&mut self, name: &str, params: Params) -> Reply {
        let query = &self.queries[name];
        let reply = self.client.ro_query(self.key, query, &params).await;
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}: {query}"));
        if reply.stats.milliseconds > self.slowest.0 {
            self.slowest = (reply.stats.milliseconds, name.to_owned());
        }
        *self.asked.entry(name.to_owned()).or_default() += reply.rows.len();
        reply
    }

    /// The rows as text, and the names of their columns.
    async fn rows(&mut self, name: &str, params: Params) -> (Vec<String>, Vec<Vec<String>>) {
        let reply = self.ask(name, params).await;
        (reply.header, reply.rows.iter().map(|row| row.iter().map(told).collect()).collect())
    }

    /// Both answers are the same rows in the same order; how far away is a matter of one per cent.
    async fn agrees(&mut self, name: &str, params: Params, found: &sonograph::studies::Findings, of: &str) {
        let (header, answer) = self.rows(name, params).await;
        let columns: Vec<&str> = header.iter().map(String::as_str).collect();
        let kind = name.strip_prefix("leads_").map(|kind| kind.trim_end_matches('s'));
        let mut expected = rows(table(found, of), &columns);
        if let Some(kind) = kind {
            let kinds = rows(table(found, of), &["kind"]);
            expected =
                expected.into_iter().zip(kinds).filter(|(_, k)| k[0] == kind).map(|(row, _)| row).collect();
        }
        assert_eq!(answer.len(), expected.len(), "{name}: {answer:?} {expected:?}");
        for (answer, expected) in answer.iter().zip(&expected) {
            for (column, (answer, expected)) in columns.iter().zip(answer.iter().zip(expected)) {
                match *column {
                    "distance_m" => {
                        let (a, b): (f64, f64) =
                            (answer.parse().expect("metres"), expected.parse().expect("metres"));
                        assert!((a - b).abs() <= 0.01 * b + 2.0, "{name}: {a} m and {b} m");
                    }
                    // The server collects in the order of its own, and without what is not there.
                    "sources" => {
                        let sorted = |text: &str| {
                            let mut all: Vec<String> = text.split(" | ").map(str::to_owned).collect();
                            all.sort();
                            all
                        };
                        assert_eq!(sorted(answer), sorted(expected), "{name}");
                    }
                    _ => assert_eq!(answer, expected, "{name}, {column}"),
                }
            }
        }
    }
}

fn text(value: &str) -> Param {
    Param::Text(value.to_owned())
}

/// Uid, canonical id of every node of a label that has one.
fn known(graph: &BusinessGraph, label: Label) -> Vec<(String, String)> {
    let Some(ids) = graph.property(label.name(), "canonical_id") else { return vec![] };
    let ids = ids.str().expect("text");
    let nodes = graph.nodes_with(label.name());
    nodes
        .into_iter()
        .filter_map(|v| Some((graph.uid(v).to_owned(), ids.get(graph.row(v))?.to_owned())))
        .collect()
}

async fn mirrored<'c>(client: &'c mut Client, key: &'c str, facts: &Facts) -> (Book<'c>, BusinessGraph) {
    let (resolved, tables) = frozen(facts);
    let nothing = mirror::Current::default();
    let plan = mirror::plan(&resolved, &nothing).expect("its rows can be read");
    mirror::apply(client, key, &plan, &Context::silent()).await.expect("the graph is written");
    let graph = BusinessGraph::build(tables).expect("the tables are canonical");
    let book =
        Book { client, key, queries: cookbook(), asked: BTreeMap::new(), slowest: (0.0, String::new()) };
    (book, graph)
}

/// Everything of the cookbook that a study answers.
async fn compare(book: &mut Book<'_>, graph: &BusinessGraph) {
    for (_, id) in known(graph, Label::Venue) {
        let found = ask(graph, "discovery", &json!({"venue": id}));
        book.agrees("artists_at_venue", Params::new().with("venue", text(&id)), &found, "artists_at_venue")
            .await;
    }
    let now = graph.as_of().expect("the data has times");
    let millis = |at: i64| Param::Int(at / 1_000);
    let converted = ask(graph, "conversion", &json!({}));
    for (uid, id) in known(graph, Label::Organization) {
        let found = ask(graph, "discovery", &json!({"promoter": id}));
        let params = Params::new().with("promoter", text(&id));
        book.agrees("venues_by_promoter", params, &found, "venues_by_promoter").await;

        let params = Params::new().with("promoter", text(&uid)).with("now", millis(now));
        let (header, answer) = book.rows("promoter_conversion", params).await;
        let columns: Vec<&str> = header.iter().map(String::as_str).collect();
        let expected: Vec<_> =
            rows(table(&converted, "promoters"), &columns).into_iter().filter(|row| row[0] == uid).collect();
        assert_eq!(answer, expected, "promoter_conversion");
    }

    let found = ask(graph, "discovery", &json!({}));
    let (begin, end) = (Param::Int(0), Param::Int(i64::MAX / 1_000));
    let all_time = || Params::new().with("from", begin.clone()).with("until", end.clone());
    book.agrees("leads_visitors", all_time(), &found, "leads").await;
    book.agrees("leads_organizations", all_time(), &found, "leads").await;

    let (header, mut stock) = book.rows("claim_funnel", Params::new()).await;
    let columns: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut expected = rows(table(&found, "claim_funnel"), &columns);
    expected.retain(|row| row[2] != "0");
    stock.sort();
    expected.sort();
    assert_eq!(stock, expected, "claim_funnel");

    // The events with the most people, by the study's own counts.
    let people = Param::Int(fact(&found, "attendees") as i64);
    let mut events = rows(table(&found, "also_attended"), &["n_event", "event"]);
    events.sort_by_key(|row| std::cmp::Reverse(row[0].parse::<u64>().expect("a count")));
    events.dedup();
    for event in events.iter().take(10).map(|row| row[1].clone()) {
        let found = ask(graph, "discovery", &json!({"event": event, "min_support": 2, "most": 100}));
        let params = Params::new()
            .with("event", text(&event))
            .with("support", Param::Int(2))
            .with("people", people.clone());
        book.agrees("also_attended", params, &found, "also_attended").await;
    }

    // Two weeks of nights around the newest touch, from the first venue that has a place.
    let places = graph.node_frame("Venue").expect("there are venues");
    let degrees = |name: &str| {
        places.column(name).expect("a column").f64().expect("degrees").iter().collect::<Vec<_>>()
    };
    let mut place = degrees("location_latitude").into_iter().zip(degrees("location_longitude"));
    let (latitude, longitude) = place.find_map(|(a, b)| a.zip(b)).expect("a venue has a place");
    let zone = graph
        .property("Venue", "tz")
        .expect("venues have zones")
        .str()
        .expect("text")
        .iter()
        .flatten()
        .next();
    let zone = jiff::tz::TimeZone::get(zone.expect("a zone")).expect("a known zone");
    for (night, radius) in (-7..7).zip([1_500.0, 3_000.0, 20_000.0].into_iter().cycle()) {
        let at = now + night * 24 * 3_600_000_000;
        let moment = jiff::Timestamp::from_microsecond(at).expect("in range").to_string();
        let near = format!("{latitude},{longitude}");
        let found = ask(graph, "discovery", &json!({"near": near, "radius": radius, "at": moment}));
        let night = sonograph::studies::discovery::tonight::night(at, &zone).expect("a night");
        let params = Params::new()
            .with("from", millis(night.0))
            .with("until", millis(night.1))
            .with("latitude", Param::Float(latitude))
            .with("longitude", Param::Float(longitude))
            .with("metres", Param::Float(radius));
        book.agrees("tonight", params, &found, "tonight").await;
    }

    // Sharers of a link are the shares of all its cascades.
    let virality = ask(graph, "virality", &json!({}));
    let mut sharers: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(table(&virality, "cascades"), &["content", "size"]) {
        *sharers.entry(row[0].clone()).or_default() += row[1].parse::<u64>().expect("a count");
    }
    for (content, sharers) in sharers.iter().take(50) {
        let (_, answer) = book.rows("spread", Params::new().with("content", text(content))).await;
        assert_eq!(answer[0][2], sharers.to_string(), "spread of {content}");
    }
}

/// All shortest warm paths of a pair are the first ones of the study, which goes on with longer ones.
async fn introduces(book: &mut Book<'_>, graph: &BusinessGraph, from: &str, to: &str) {
    let found = ask(graph, "paths", &json!({"from": from, "to": to, "k": 100}));
    let mut paths = rows(table(&found, "paths"), &["hops", "uids"]);
    let shortest = paths.first().map(|path| path[0].clone());
    paths.retain(|path| Some(&path[0]) == shortest.as_ref());
    let mut expected: Vec<Vec<String>> = paths.into_iter().map(|path| vec![path[1].clone()]).collect();
    let (_, mut answer) =
        book.rows("warm_intro", Params::new().with("from", text(from)).with("to", text(to))).await;
    if expected.len() < 100 {
        answer.sort();
        expected.sort();
        assert_eq!(answer, expected, "from {from} to {to}");
    } else {
        assert_eq!(answer.len(), 100, "from {from} to {to}");
    }
}

#[test]
fn the_cookbook_and_the_studies_say_the_same_about_the_published_layouts() {
    with_graph("cookbook_layouts", async |client, key| {
        let Some(scratch) = Scratch::with_layouts().await else { return };
        let facts = scratch.facts().await.expect("the layouts can be read");
        let (mut book, graph) = mirrored(client, key, &facts).await;
        compare(&mut book, &graph).await;
        let (ana, ben) = ("touchpoints:sonik_web.users:u-ana", "touchpoints:sonik_web.users:u-ben");
        let velvet = "ent:3a000000-0000-7000-8000-000000000003";
        // Over Low Ceiling, which both attended, or at which the other performed.
        introduces(&mut book, &graph, ana, ben).await;
        introduces(&mut book, &graph, ana, velvet).await;
        assert_eq!(book.asked["warm_intro"], 2);
        // t1 on anon-1, before it was Ana's, and t3 by Ana herself; then she came.
        let low_ceiling = "directus:directus.events:1";
        let params = Params::new().with("person", text(ana)).with("event", text(low_ceiling));
        let (_, path) = book.rows("touch_path", params).await;
        let touches: Vec<[&str; 3]> = path.iter().map(|row| [row[1].as_str(), &row[2], &row[3]]).collect();
        assert_eq!(touches[0], ["viewed", "instagram/social", "anon:anon-1"]);
        assert_eq!((touches[1][0], touches[1][2], touches.len()), ("ticket_click", ana, 2));
        // t2: one share on WhatsApp, by anon-1.
        let params = Params::new().with("content", text("https://sonik.example/e/1"));
        let (_, spread) = book.rows("spread", params).await;
        assert_eq!(spread, [["https://sonik.example/e/1", "1", "1", "whatsapp"]]);
    });
}

#[test]
fn the_cookbook_and_the_studies_say_the_same_about_a_synthetic_city() {
    with_graph("cookbook_city", async |client, key| {
        let city = generate(500, 7, &Context::silent()).expect("five hundred people make a city");
        let facts = city.facts(&SourceOptions::default()).expect("there is room");
        let (mut book, graph) = mirrored(client, key, &facts).await;
        compare(&mut book, &graph).await;
        let fans: Vec<String> =
            graph.nodes_with("Fan").into_iter().step_by(60).map(|v| graph.uid(v).to_owned()).collect();
        let artists: Vec<String> =
            graph.nodes_with("Artist").into_iter().step_by(9).map(|v| graph.uid(v).to_owned()).collect();
        for (from, to) in fans.iter().zip(&artists) {
            introduces(&mut book, &graph, from, to).await;
        }
        // The path of the first attendances is what their edges say.
        let attended = graph.edges("ATTENDED").expect("people attend");
        for row in (0..attended.len()).step_by(attended.len() / 20) {
            let (person, event) = (attended.src.at(row), attended.dst[row]);
            let name = |v| graph.uid(sonograph::graph::NodeId(v)).to_owned();
            let params = Params::new().with("person", text(&name(person))).with("event", text(&name(event)));
            let (_, answer) = book.rows("touch_path", params).await;
            assert_eq!(answer.len(), touches_before(&graph, person, event), "row {row}");
        }
        let idle: Vec<&String> =
            book.queries.keys().filter(|name| book.asked.get(*name).is_none_or(|rows| *rows == 0)).collect();
        assert!(idle.is_empty(), "no row was ever compared of {idle:?}");
        eprintln!(
            "slowest query: {} in {:.1} ms; rows compared: {:?}",
            book.slowest.1, book.slowest.0, book.asked
        );
    });
}

/// Touches of a person and their devices on an event, up to their first attendance of it.
fn touches_before(graph: &BusinessGraph, person: u32, event: u32) -> usize {
    let edges = |relation: &str| {
        let table = graph.edges(relation).expect("the city has it");
        let times = table.timestamps().expect("with times");
        table
            .src
            .iter()
            .zip(table.dst.iter().copied())
            .zip(times)
            .map(|((s, d), at)| (s, d, at))
            .collect::<Vec<_>>()
    };
    let devices: Vec<u32> =
        edges("IDENTIFIED_AS").into_iter().filter(|e| e.1 == person).map(|e| e.0).collect();
    let attended = edges("ATTENDED").into_iter();
    let came = attended.filter(|e| (e.0, e.1) == (person, event)).filter_map(|e| e.2).min();
    let own = |who: u32| who == person || devices.contains(&who);
    edges("INTERESTED_IN").into_iter().filter(|e| e.1 == event && own(e.0) && e.2 <= came).count()
}

#[test]
fn no_query_of_the_cookbook_scans_a_whole_label() {
    with_graph("cookbook_plans", async |client, key| {
        let city = generate(300, 3, &Context::silent()).expect("a city");
        let facts = city.facts(&SourceOptions::default()).expect("there is room");
        let (book, _) = mirrored(client, key, &facts).await;
        let server = redis::Client::open(url()).expect("a URL");
        let mut connection = server.get_connection().expect("the test server answers");
        for (name, query) in &book.queries {
            assert!(query.contains("LIMIT") || name == "claim_funnel", "{name} is not bounded");
            let numbers = "latitude=1.0 longitude=1.0 metres=1.0 support=1 people=1 now=1";
            let ends = if name == "warm_intro" { "from='a' to='b'" } else { "from=1 until=2" };
            let texts = "venue='a' promoter='a' event='a' person='a' content='a'";
            let text = format!("CYPHER {numbers} {ends} {texts} {query}");
            let plan: Vec<String> = redis::cmd("GRAPH.EXPLAIN")
                .arg(book.key)
                .arg(text)
                .query(&mut connection)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let plan = plan.join("\n");
            assert!(plan.contains("Node By Index Scan"), "{name} starts from no index:\n{plan}");
            for scan in ["All Node Scan", "Node By Label Scan"] {
                assert!(!plan.contains(scan), "{name} scans a whole label:\n{plan}");
            }
        }
        assert_eq!(book.queries.len(), 11);
    });
}
