//! Findings about people with any names, and the report of them.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit, TimeZone, df};
use sonograph::context::Context;
use sonograph::report::{ReportInput, ReportPaths, SnapshotFacts, weekly};
use sonograph::snapshot::tables::{TIMESTAMP, Tables};
use sonograph::studies::findings::{Chart, Estimate, Fact, Findings, Marks, ScoreColumn, Scores, Table};

const DAY: i64 = 24 * 3600 * 1_000_000;
const AS_OF: i64 = 20_000 * DAY;

/// Names that have broken pages before.
pub fn hostile() -> Vec<String> {
    vec![
        "<script>alert('x')</script>".into(),
        "\"quoted\" & 'single' --> ]]> </svg></style>".into(),
        "مهرجان \u{202E}الموسيقى".into(),
        "long ".repeat(60),
        "Zoë 🎉👩‍👩‍👧 Ñandú\u{0}\u{8}".into(),
        "=HYPERLINK(\"http://evil.example\")|a|\n# heading `code` {{ 7 * 7 }} {% raw %}".into(),
    ]
}

pub fn plain() -> Vec<String> {
    ["Ada Lovelace", "Grace Hopper", "Katherine Johnson", "Bo", "Łukasz Żółć", "Иван Петров"]
        .map(String::from)
        .into()
}

fn frame(columns: Vec<(&str, Series)>) -> DataFrame {
    let columns: Vec<_> =
        columns.into_iter().map(|(name, s)| s.with_name(name.into()).into_column()).collect();
    DataFrame::new_infer_height(columns).expect("columns of one length")
}

fn instants(values: Vec<i64>) -> Series {
    Series::new("t".into(), values)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
        .expect("integers are instants")
}

pub fn uids(kind: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{kind}:{i}")).collect()
}

/// Six people, six events; everybody attends three and shares something every few days.
pub fn tables(names: &[String]) -> Tables {
    let n = names.len();
    let ids = |from: usize| (from..from + n).map(|i| i as i64).collect::<Vec<_>>();
    let events = frame(vec![
        ("node", Series::new("".into(), ids(0))),
        ("uid", Series::new("".into(), uids("event", n))),
        ("name", Series::new("".into(), names.iter().map(|n| format!("{n} live")).collect::<Vec<_>>())),
        ("starts_at", instants((0..n as i64).map(|i| AS_OF - i * 5 * DAY).collect())),
    ]);
    let people = frame(vec![
        ("node", Series::new("".into(), ids(n))),
        ("uid", Series::new("".into(), uids("person", n))),
        ("name", Series::new("".into(), names.to_vec())),
    ]);
    let mut edges = BTreeMap::new();
    for (relation, step) in [("ATTENDED", 3), ("SHARED", 2)] {
        let count = n as i64 * 8;
        edges.insert(
            relation.to_owned(),
            frame(vec![
                (
                    "src",
                    Series::new("".into(), (0..count).map(|i| n as i64 + i % n as i64).collect::<Vec<_>>()),
                ),
                ("dst", Series::new("".into(), (0..count).map(|i| (i * 5) % n as i64).collect::<Vec<_>>())),
                (TIMESTAMP, instants((0..count).map(|i| AS_OF - i * step * DAY / 2).collect())),
            ]),
        );
    }
    Tables {
        nodes: BTreeMap::from([("Event".to_owned(), events), ("Person".to_owned(), people)]),
        edges,
        ..Tables::default()
    }
}

pub fn chart(name: &'static str, title: &str, axes: (&str, &str), marks: Marks, who: &str) -> Chart {
    Chart {
        name,
        title: title.into(),
        caption: format!("{who} stands out; look there first."),
        axes: (axes.0.into(), axes.1.into()),
        marks,
    }
}

/// Findings of every family about people with these names.
pub fn findings(names: &[String]) -> Vec<Findings> {
    let n = names.len();
    let who = names[0].as_str();
    let ranks: Vec<f64> = (0..n).map(|i| 0.4 / (i + 1) as f64).collect();
    let both: Vec<String> = uids("person", n).into_iter().chain(uids("event", n)).collect();
    let labels: Vec<&str> = (0..2 * n).map(|i| if i < n { "Person" } else { "Event" }).collect();
    let bars = names.iter().cloned().zip(ranks.iter().copied()).collect();
    let influence = Findings {
        family: "influence",
        parameters: serde_json::json!({"metrics": ["pagerank", "degree"], "damping": 0.85, "weight": null, "undirected": false, "seed": 7}),
        scores: Some(Scores {
            columns: vec![
                ScoreColumn {
                    name: "influence_pagerank",
                    unit: "1",
                    meaning: "share of a random walker's time",
                },
                ScoreColumn { name: "influence_in_degree", unit: "edges", meaning: "edges that lead here" },
            ],
            frame: df!(
                "uid" => both,
                "label" => labels,
                "influence_pagerank" => ranks.iter().chain(&ranks).copied().collect::<Vec<f64>>(),
                "influence_in_degree" => (0..2 * n as i64).map(|i| 5_000 - i * 321).collect::<Vec<_>>(),
            )
            .expect("columns of one length"),
        }),
        charts: vec![chart(
            "influence_top",
            "Most influential people",
            ("PageRank (share of all rank)", ""),
            Marks::Bars { bars },
            who,
        )],
        facts: vec![
            Fact {
                name: "nodes",
                label: "nodes scored",
                value: 2.0 * n as f64,
                unit: "nodes",
                interval: None,
            },
            Fact {
                name: "top",
                label: "rank held by the top 1 %",
                value: 0.123,
                unit: "share",
                interval: Some((0.1, 0.15)),
            },
        ],
        caveats: vec![format!("centrality says nothing about why people listen to {who}")],
        ..empty("influence")
    };
    let network = Marks::Network {
        nodes: names
            .iter()
            .enumerate()
            .map(|(i, n)| (n.clone(), 0.15 * i as f64, (i % 3) as f64 / 2.0, 0.2 * i as f64, i == 0))
            .collect(),
        edges: (1..n).map(|i| (0, i)).collect(),
    };
    let community = Findings {
        tables: vec![Table {
            name: "coattendance",
            title: "Events that share their people",
            frame: df!(
                "event" => uids("event", n - 1),
                "other" => uids("event", n).split_off(1),
                "both" => (0..n as i64 - 1).map(|i| 40 - i).collect::<Vec<_>>(),
                "n_event" => vec![1_200i64; n - 1],
                "n_other" => vec![80i64; n - 1],
                "share" => vec![0.031; n - 1],
                "lift" => (0..n - 1).map(|i| 3.5 / (i + 1) as f64).collect::<Vec<_>>(),
            )
            .expect("columns of one length"),
        }],
        charts: vec![chart("community_network", "Events that share their people", ("", ""), network, who)],
        ..empty("community")
    };
    let rate = |i: usize| 0.5 / (i + 1) as f64;
    let rows = names.iter().enumerate().map(|(i, label)| Estimate {
        label: label.clone(),
        value: rate(i),
        low: rate(i) * 0.6,
        high: rate(i) * 1.6,
        n: 1_234 / (i as u64 + 1),
    });
    let conversion = Findings {
        tables: vec![Table {
            name: "promoters",
            title: "Promoters",
            frame: df!(
                "uid" => uids("org", n),
                "name" => names.to_vec(),
                "reached" => (0..n).map(|i| 1_234 / (i as i64 + 1)).collect::<Vec<_>>(),
                "converted" => (0..n).map(|i| (1_234.0 / (i + 1) as f64 * rate(i)) as i64).collect::<Vec<_>>(),
                "rate" => (0..n).map(rate).collect::<Vec<_>>(),
                "rate_low" => (0..n).map(|i| rate(i) * 0.6).collect::<Vec<_>>(),
                "rate_high" => (0..n).map(|i| rate(i) * 1.6).collect::<Vec<_>>(),
                "rate_shrunk" => (0..n).map(|i| rate(i) * 0.9).collect::<Vec<_>>(),
                "median_time_to_convert_s" => (0..n).map(|i| (i > 0).then_some(i as f64 * 100_000.0)).collect::<Vec<_>>(),
            )
            .expect("columns of one length"),
        }],
        charts: vec![chart("promoter_rates", "How often promoters convert", ("conversion rate (share of people reached)", ""), Marks::Forest { rows: rows.collect(), reference: Some(0.2) }, who)],
        ..empty("conversion")
    };
    let sizes: Vec<i64> = vec![120, 41, 9, 3, 1, 1];
    let virality = Findings {
        tables: vec![Table {
            name: "cascades",
            title: "Cascades",
            frame: df!(
                "root" => uids("person", 6),
                "content" => uids("event", 6),
                "size" => sizes.clone(),
                "depth" => vec![6i64, 5, 3, 1, 0, 0],
                "breadth" => vec![50i64, 20, 4, 2, 1, 1],
                "structural_virality" => vec![4.5, 3.9, 2.5, 1.3, 0.0, 0.0],
                "half_life_s" => vec![Some(86_400.0), Some(7_000.0), None, None, None, None],
            )
            .expect("columns of one length"),
        }],
        charts: vec![
            chart(
                "cascade_sizes",
                "How large cascades get",
                ("sharers in a cascade (log scale)", "share of cascades at least this large (log scale)"),
                Marks::Ccdf {
                    steps: vec![
                        (1.0, 1.0),
                        (3.0, 4.0 / 6.0),
                        (9.0, 0.5),
                        (41.0, 2.0 / 6.0),
                        (120.0, 1.0 / 6.0),
                    ],
                },
                who,
            ),
            chart(
                "cascade_shape",
                "Broadcast or chain",
                ("sharers in a cascade (log scale)", "structural virality (mean steps between two sharers)"),
                Marks::Scatter {
                    points: sizes.iter().map(|&s| s as f64).zip([4.5, 3.9, 2.5, 1.3, 0.0, 0.0]).collect(),
                    log_x: true,
                    log_y: false,
                },
                who,
            ),
        ],
        ..empty("virality")
    };
    let paths = Findings {
        tables: vec![Table {
            name: "paths",
            title: "Ways from one to the other",
            frame: df!(
                "rank" => [1i64],
                "cost" => [2.0],
                "hops" => [2i64],
                "uids" => ["person:0 > person:1 > person:2"],
                "names" => [format!("{} > {} > {}", names[0], names[1], names[2])],
                "relations" => ["FOLLOWS > ATTENDED"],
            )
            .expect("columns of one length"),
        }],
        ..empty("paths")
    };
    vec![virality, paths, conversion, community, influence]
}

pub fn empty(family: &'static str) -> Findings {
    Findings {
        family,
        parameters: serde_json::json!({}),
        scores: None,
        tables: vec![],
        declared: &[],
        charts: vec![],
        facts: vec![],
        caveats: vec![],
    }
}

pub fn write(title: &str, tables: &Tables, findings: &[Findings], out: &Path) -> ReportPaths {
    weekly(&input(title, tables, findings, out), &Context::silent()).expect("a report")
}

pub fn input<'a>(
    title: &'a str,
    tables: &'a Tables,
    findings: &'a [Findings],
    out: &'a Path,
) -> ReportInput<'a> {
    let snapshot = SnapshotFacts {
        reference: "snapshots/city-7".into(),
        digest: "sha256:0123abcd".into(),
        as_of: tables.edges.values().next().map(|_| AS_OF),
        sources: vec![("FalkorDB".into(), "4.22.1".into()), ("PostgreSQL".into(), "18.4".into())],
    };
    ReportInput { title, snapshot, tables, findings, out }
}

/// Every file below `dir`, by its path from there.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").display().to_string();
                all.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

pub fn page(paths: &ReportPaths) -> String {
    std::fs::read_to_string(&paths.html).expect("a page")
}
