//! A graph that changes at random, and what it should hold after every change.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use sonograph::ontology::Value;
use sonograph::snapshot::tables::Tables;
use sonograph::snapshot::tables::assemble::{EdgeRow, NodeRow, assemble};
use sonograph::sources::falkordb::{Client, Param, Params};

type Properties = Vec<(&'static str, Value)>;

/// What one query changed.
#[derive(Clone)]
pub enum Change {
    Node(String, (&'static str, Vec<&'static str>, Properties)),
    Edge(String, String, &'static str, Properties),
    Gone(String),
}

/// What a graph should hold, kept beside the server while it is changed.
#[derive(Default)]
pub struct Shadow {
    pub nodes: BTreeMap<String, (&'static str, Vec<&'static str>, Properties)>,
    edges: Vec<(String, String, &'static str, Properties)>,
}

impl Shadow {
    pub fn tables(&self) -> Tables {
        let mut nodes: BTreeMap<String, Vec<NodeRow>> = BTreeMap::new();
        for (uid, (label, further, properties)) in &self.nodes {
            nodes.entry((*label).into()).or_default().push(NodeRow {
                uid: uid.as_str().into(),
                labels: further.clone(),
                properties: properties.clone(),
            });
        }
        let mut edges: BTreeMap<String, Vec<EdgeRow>> = BTreeMap::new();
        for (src, dst, relation, properties) in &self.edges {
            edges.entry((*relation).into()).or_default().push(EdgeRow {
                src: src.as_str().into(),
                dst: dst.as_str().into(),
                properties: properties.clone(),
            });
        }
        assemble(nodes, edges).expect("a graph")
    }

    pub fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Node(uid, node) => drop(self.nodes.insert(uid, node)),
            Change::Edge(src, dst, relation, held) => self.edges.push((src, dst, relation, held)),
            Change::Gone(uid) => {
                self.nodes.remove(&uid);
                self.edges.retain(|(src, dst, ..)| *src != uid && *dst != uid);
            }
        }
    }
}

fn properties(rng: &mut impl rand::Rng, names: &[&'static str]) -> Vec<(&'static str, Value)> {
    let mut held = Vec::new();
    for &name in names {
        if rng.random_bool(0.3) {
            continue;
        }
        let texts = ["", "it's", "a\\b", "Ünï\n🎵", "x"];
        let text = |rng: &mut _| (*texts.choose(rng).expect("some")).to_owned();
        held.push((
            name,
            match name {
                "gen" | "count" => Value::Integer(rng.random()),
                "starts_at" | "timestamp" => {
                    Value::Instant(rng.random_range(-4_000_000_000_000..4_000_000_000_000))
                }
                "price_min" | "weight" | "free" => Value::Float(rng.random::<f64>() * 1e6 - 1e3),
                "location" | "place" => Value::Point {
                    latitude: rng.random_range(-90.0..90.0),
                    longitude: rng.random_range(-180.0..180.0),
                },
                "open" => Value::Boolean(rng.random()),
                "refs" => Value::TextList((0..rng.random_range(0..4)).map(|_| text(rng)).collect()),
                "numbers" => {
                    Value::List((0..rng.random_range(1..4)).map(|_| Value::Integer(rng.random())).collect())
                }
                "mixed" => match rng.random_range(0..4) {
                    0 => Value::Integer(7),
                    1 => Value::Boolean(true),
                    2 => Value::List(vec![Value::Text(text(rng)), Value::Integer(1)]),
                    _ => Value::Text(text(rng)),
                },
                _ => Value::Text(text(rng)),
            },
        ));
    }
    held
}

fn map(properties: &[(&'static str, Value)]) -> (Param, String) {
    let entries = properties.iter().map(|(name, value)| ((*name).to_owned(), Param::from(value))).collect();
    let points: Vec<String> = properties
        .iter()
        .filter(|(_, value)| matches!(value, Value::Point { .. }))
        .map(|(name, _)| format!(" SET x.{name} = point($p.{name})"))
        .collect();
    (Param::Map(entries), points.concat())
}

async fn set(
    client: &mut Client,
    graph: &str,
    make: &str,
    params: Params,
    properties: &[(&'static str, Value)],
) {
    let plain: Vec<_> =
        properties.iter().filter(|(_, value)| !matches!(value, Value::Point { .. })).cloned().collect();
    let params = params.with("q", map(&plain).0).with("p", map(properties).0);
    let query = format!("{make} SET x += $q{}", map(properties).1);
    client.query(graph, &query, &params).await.unwrap_or_else(|error| panic!("{query}: {error}"));
}

/// Random creation and deletion, so that internal ids are reused across labels.
pub struct Life {
    rng: Pcg64Mcg,
    at: usize,
    pub shadow: Shadow,
    /// All that happened, query by query.
    pub log: Vec<Change>,
}

impl Life {
    pub fn new(seed: u64) -> Self {
        Self { rng: Pcg64Mcg::seed_from_u64(seed), at: 0, shadow: Shadow::default(), log: Vec::new() }
    }

    fn did(&mut self, change: Change) {
        self.shadow.apply(&change);
        self.log.push(change);
    }

    pub async fn step(&mut self, client: &mut Client, graph: &str) {
        const LABELS: [(&str, &[&str]); 4] =
            [("Person", &["Artist", "Fan"]), ("Venue", &[]), ("Event", &[]), ("Zoo", &["Zoon"])];
        const RELATIONS: [&str; 3] = ["FOLLOWS", "ATTENDED", "odd name"];
        const NAMES: [&str; 11] = [
            "name",
            "gen",
            "starts_at",
            "price_min",
            "location",
            "open",
            "refs",
            "numbers",
            "mixed",
            "free",
            "place",
        ];
        let rng = &mut self.rng;
        let uids: Vec<String> = self.shadow.nodes.keys().cloned().collect();
        let roll = rng.random_range(0..100);
        if roll < 40 || uids.len() < 2 {
            let (label, possible) = *LABELS.choose(rng).expect("some");
            let further: Vec<_> = possible.iter().copied().filter(|_| rng.random_bool(0.5)).collect();
            let held = properties(rng, &NAMES);
            let uid = format!("u'{}\\", self.at);
            let labels = further.iter().chain([&label]).copied().collect::<Vec<_>>().join(":");
            let params = Params::new().with("uid", Param::Text(uid.clone()));
            set(client, graph, &format!("CREATE (x:{labels} {{uid: $uid}})"), params, &held).await;
            self.did(Change::Node(uid, (label, further, held)));
        } else if roll < 85 {
            let (src, dst) =
                (uids.choose(rng).expect("some").clone(), uids.choose(rng).expect("some").clone());
            let relation = *RELATIONS.choose(rng).expect("some");
            // Few values, so that parallel edges with equal properties happen.
            let held: Vec<_> = if rng.random_bool(0.4) {
                vec![]
            } else {
                properties(rng, &["timestamp", "weight", "mid", "count"])
            };
            let params =
                Params::new().with("a", Param::Text(src.clone())).with("b", Param::Text(dst.clone()));
            let make = format!("MATCH (a {{uid: $a}}), (b {{uid: $b}}) CREATE (a)-[x:`{relation}`]->(b)");
            let times = rng.random_range(1..4);
            for _ in 0..times {
                set(client, graph, &make, params.clone(), &held).await;
                self.did(Change::Edge(src.clone(), dst.clone(), relation, held.clone()));
            }
        } else {
            let uid = uids.choose(rng).expect("some").clone();
            let params = Params::new().with("uid", Param::Text(uid.clone()));
            client.query(graph, "MATCH (n {uid: $uid}) DELETE n", &params).await.expect("deleted");
            self.did(Change::Gone(uid));
        }
        self.at += 1;
    }
}

/// So many steps of such a life.
pub async fn live(client: &mut Client, graph: &str, seed: u64, steps: usize) -> Shadow {
    let mut life = Life::new(seed);
    for _ in 0..steps {
        life.step(client, graph).await;
    }
    life.shadow
}
