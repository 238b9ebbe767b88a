//! Projections, each beside a look at every row.

use polars::prelude::{IntoColumn, NamedFrom, Series, df};
use proptest::prelude::*;

use super::build::tests::small;
use super::*;
use crate::snapshot::tables::{INSTANT, WEIGHT};

const DAY: i64 = 86_400_000_000;

fn graph() -> BusinessGraph {
    BusinessGraph::build(small()).expect("a graph")
}

/// Relation and row of every edge, by its number in the adjacency, with its weight.
fn edges(graph: &BusinessGraph, projection: &Projection) -> Vec<(String, usize, f64)> {
    let projected = graph.project(projection).expect("a projection");
    let edge = |edge| {
        let (table, row) = projected.origin(graph, edge);
        (table.relation.clone(), row, projected.csr.weight(edge))
    };
    (0..projected.csr.edge_count() as u32).map(edge).collect()
}

/// Weights by relation and row.
fn weights(graph: &BusinessGraph, projection: &Projection) -> Vec<f64> {
    let mut edges = edges(graph, projection);
    edges.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    edges.into_iter().map(|(.., weight)| weight).collect()
}

fn origins(graph: &BusinessGraph, projection: &Projection) -> Vec<(String, usize)> {
    edges(graph, projection).into_iter().map(|(relation, row, _)| (relation, row)).collect()
}

fn of(relation: &str, row: usize) -> (String, usize) {
    (relation.to_owned(), row)
}

#[test]
fn a_projection_keeps_ids_and_knows_where_its_edges_come_from() {
    let graph = graph();
    let asked = Projection::of(["FOLLOWS", "ATTENDED", "FOLLOWS"]);
    let projected = graph.project(&asked).expect("a projection");
    assert_eq!(projected.csr.node_count(), 4);
    assert_eq!(
        origins(&graph, &asked),
        [of("ATTENDED", 0), of("ATTENDED", 1), of("ATTENDED", 2), of("FOLLOWS", 0)]
    );
    assert_eq!(projected.csr.out_neighbors(NodeId(3)), &[0, 1, 2]);
    // Of one relation, too, which is not sorted anew.
    assert_eq!(origins(&graph, &Projection::of(["HOSTS"])), [of("HOSTS", 0)]);
}

#[test]
fn weights_come_from_the_column_where_there_is_one() {
    let graph = graph();
    let of = |weight| Projection { weight, ..Projection::of(["ATTENDED", "FOLLOWS"]) };
    assert_eq!(weights(&graph, &of(Weight::Default)), [2.0, 1.0, 0.5, 1.0]);
    assert_eq!(weights(&graph, &of(Weight::One)), [1.0; 4]);
    assert_eq!(weights(&graph, &of(Weight::from_flag(Some("weight")))), [2.0, 1.0, 0.5, 1.0]);
    let error = graph.project(&of(Weight::Column("cost".into()))).expect_err("no such column");
    assert_eq!(
        error.to_string(),
        "none of the relations ATTENDED, FOLLOWS has a number column `cost` to weigh by"
    );
}

#[test]
fn windows_keep_edges_from_since_to_before_until_and_those_without_a_time() {
    let graph = graph();
    let window = Projection { since: Some(10 * DAY), until: Some(20 * DAY), ..Projection::of(["ATTENDED"]) };
    assert_eq!(origins(&graph, &window), [of("ATTENDED", 0), of("ATTENDED", 2)]);
}

#[test]
fn a_weight_halves_with_every_half_life() {
    let half_life = Some(HalfLife { days: 5.0, as_of: 20 * DAY });
    let projection = Projection { half_life, ..Projection::of(["ATTENDED", "FOLLOWS", "HOSTS"]) };
    assert_eq!(weights(&graph(), &projection), [0.5, 1.0, 0.5, 0.5, 1.0]);
}

#[test]
fn labels_keep_the_edges_between_their_nodes() {
    let labels = Some(vec!["Fan".to_owned()]);
    assert_eq!(origins(&graph(), &Projection { labels, ..Projection::default() }), [of("FOLLOWS", 0)]);
    let labels = Some(vec!["Robot".to_owned()]);
    let error = graph().project(&Projection { labels, ..Projection::default() }).expect_err("no such label");
    assert_eq!(
        error.to_string(),
        "there is no label `Robot` in this graph; it has Event, Person, Artist, Fan"
    );
}

#[test]
fn asking_an_undirected_snapshot_for_its_undirected_view_changes_nothing() {
    let mut tables = small();
    tables.undirected = true;
    let graph = BusinessGraph::build(tables).expect("a graph");
    let plain = graph.project(&Projection::default()).expect("a projection");
    let asked = Projection { undirected: true, ..Projection::default() };
    assert_eq!(plain.csr, graph.project(&asked).expect("a projection").csr);
    assert!(plain.csr.is_undirected());
}

#[test]
fn conditions_weights_and_directions_are_asked_in_words() {
    let graph = graph();
    let reads = |text: &str| Some(text.parse::<Expression>().expect("an expression"));
    let strong =
        Projection { edge_where: reads("weight > 1 or relation = 'HOSTS'"), ..Projection::default() };
    assert_eq!(origins(&graph, &strong), [of("HOSTS", 0), of("ATTENDED", 0)]);
    let people = Projection { node_where: reads("label = 'Person'"), ..Projection::default() };
    assert_eq!(origins(&graph, &people), [of("FOLLOWS", 0)]);
    let (part, nodes) = graph.project(&people).expect("a projection").part();
    assert_eq!((nodes, part.out_neighbors(NodeId(1))), (vec![NodeId(2), NodeId(3)], &[0][..]));
    let late = format!("timestamp >= time('1970-01-16') and not missing({WEIGHT})");
    assert_eq!(origins(&graph, &Projection { edge_where: reads(&late), ..Projection::default() }), []);

    let by = |text: &str| Projection { weight: Weight::from_flag(Some(text)), ..Projection::default() };
    let typed = by("coalesce(weight, 4) * (1 + (relation = 'FOLLOWS'))");
    assert_eq!(weights(&graph, &typed), [2.0, 4.0, 0.5, 8.0, 4.0]);
    let told = |projection: &Projection| graph.project(projection).expect_err("refused").to_string();
    assert_eq!(
        told(&by("log1p(views)")),
        "`log1p(views)` names `views`, which none of ATTENDED, FOLLOWS, HOSTS has"
    );
    assert_eq!(told(&by("weight *")), "cannot read `weight *` from character 9 on: expected a value");

    let follows = Projection { reversed: vec!["FOLLOWS".into()], ..Projection::of(["FOLLOWS"]) };
    let csr = graph.project(&follows).expect("a projection").csr;
    assert_eq!((csr.out_neighbors(NodeId(2)), csr.out_neighbors(NodeId(3))), (&[3][..], &[][..]));
    let nobody = Projection { reversed: vec!["FLIES".into()], ..Projection::default() };
    assert!(told(&nobody).starts_with("there is no relation `FLIES`"));
}

proptest! {
    #[test]
    fn a_projection_is_what_a_look_at_every_row_leaves(
        rows in proptest::collection::vec((0u8..3, 0i64..6, 0i64..6, 0i64..5, -3i8..4), 0..60),
        since in proptest::option::of(0i64..5), until in proptest::option::of(0i64..5),
        least in proptest::option::of(-3i8..4), undirected: bool, reversed: bool, days in 1u8..5,
    ) {
        let mut tables = small();
        tables.edges.clear();
        let events = tables.nodes.remove("Event").expect("events");
        let ids: Vec<i64> = (0..6).collect();
        let uids: Vec<String> = ids.iter().map(|id| format!("e{id}")).collect();
        drop((events, tables.nodes.clear()));
        tables.nodes.insert("Event".into(), df!("node" => ids, "uid" => &uids, "name" => &uids).expect("a frame"));
        let names = ["A", "B", "C"];
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        for (kind, name) in (0u8..).zip(names) {
            let of: Vec<_> = sorted.iter().filter(|row| row.0 == kind).collect();
            let column = |value: fn(&(u8, i64, i64, i64, i8)) -> i64| of.iter().map(|row| value(row)).collect::<Vec<_>>();
            let mut frame = df!(
                "src" => column(|r| r.1), "dst" => column(|r| r.2), "weight" => column(|r| i64::from(r.4)),
            ).expect("a frame");
            let times = Series::new("timestamp".into(), column(|r| r.3 * DAY)).cast(&INSTANT).expect("instants");
            frame.with_column(times.into_column()).expect("as many");
            tables.edges.insert(name.into(), frame);
        }
        let graph = BusinessGraph::build(tables).expect("a graph");
        let projection = Projection {
            since: since.map(|day| day * DAY),
            until: until.map(|day| day * DAY),
            edge_where: least.map(|least| format!("weight >= {least}").parse().expect("an expression")),
            half_life: Some(HalfLife { days: f64::from(days), as_of: 4 * DAY }),
            reversed: if reversed { vec!["B".into()] } else { vec![] },
            undirected,
            ..Projection::default()
        };
        let projected = graph.project(&projection).expect("a projection");
        let mut expected: Vec<_> = sorted.iter().filter(|(_, _, _, day, weight)| {
            since.is_none_or(|s| *day >= s) && until.is_none_or(|u| *day < u) && least.is_none_or(|l| *weight >= l)
        }).map(|&(kind, s, t, day, weight)| {
            let (s, t) = if reversed && kind == 1 { (t, s) } else { (s, t) };
            let weight = f64::from(weight) * 0.5f64.powf((4 - day) as f64 / f64::from(days));
            (s as u32, t as u32, names[kind as usize], (weight * 1e9).round() as i64)
        }).collect();
        let mut found = Vec::new();
        for v in projected.csr.nodes() {
            for (&w, edge) in projected.csr.out_neighbors(v).iter().zip(projected.csr.out_edges(v)) {
                let (table, row) = projected.origin(&graph, edge);
                let reversed = reversed && table.relation == "B";
                let (s, t) = if reversed { (table.dst[row], table.src.at(row)) } else { (table.src.at(row), table.dst[row]) };
                if undirected && (v.0, w) != (s, t) {
                    prop_assert_eq!((w, v.0), (s, t));
                    continue;
                }
                let name = names.into_iter().find(|name| *name == table.relation).expect("a relation");
                found.push((v.0, w, name, (projected.csr.weight(edge) * 1e9).round() as i64));
            }
        }
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
