use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;

use super::*;

/// Number, label and uid of each node.
fn nodes() -> impl Strategy<Value = Vec<(usize, Label, String)>> {
    vec(0..Label::ALL.len(), 1..12).prop_map(|labels| {
        let named = |(number, label): (usize, usize)| (number, Label::ALL[label], format!("uid:{number}"));
        labels.into_iter().enumerate().map(named).collect()
    })
}

/// Relation, ends, message, time and weight, of which many are alike.
fn edges() -> impl Strategy<Value = Vec<(Relation, usize, usize, Properties)>> {
    let relation =
        prop_oneof![Just(Relation::InterestedIn), Just(Relation::Promotes), Just(Relation::HasGenre)];
    let edge = (relation, 0..12_usize, 0..3_usize, 0..3_u8, proptest::option::of(0..3_i64), 0..3_u8);
    vec(
        edge.prop_map(|(relation, src, dst, message, at, weight)| {
            let mut properties = vec![("weight", Value::Float(f64::from(weight)))];
            properties.extend(at.map(|at| ("timestamp", Value::Instant(at))));
            if relation.discriminator().is_some() {
                properties.push(("mid", Value::Text(format!("m{message}"))));
            }
            if relation == Relation::HasGenre {
                properties.clear();
            }
            (relation, src, dst, properties)
        }),
        0..40,
    )
}

proptest! {
    #[test]
    fn rows_make_one_graph_whatever_their_order_and_however_few_of_them_stay_in_memory(
        mut nodes in nodes(),
        mut edges in edges(),
        seed in any::<u64>(),
    ) {
        let count = nodes.len();
        let made = |nodes: &[(usize, Label, String)], edges: &[(Relation, usize, usize, Properties)], buffer| {
            let mut making = Making::buffered(buffer);
            let mut called = vec![0; count];
            for (number, label, uid) in nodes {
                called[*number] = making.number(*label, NameHash::of(uid));
            }
            for (number, _, uid) in nodes.iter().rev() {
                let properties = vec![("refs", Value::TextList(vec![uid.clone()])), ("name", Value::Text("n".repeat(99)))];
                let row = NodeRow { uid: uid.as_str().into(), labels: vec![], properties };
                making.node(called[*number], row).expect("there is room");
            }
            for (relation, src, dst, properties) in edges {
                let ends = (called[src % count], called[dst % count]);
                making.edge(*relation, ends, properties.clone()).expect("there is room");
            }
            let graph = making.finish(Report::default(), None).expect("there is room");
            let names: Vec<_> = graph.nodes.iter().map(|key| (key.kind(), key.name)).collect();
            let keys: Vec<_> = graph.edges.iter().map(|key| key.identity()).collect();
            (names, keys, graph.unspooled().expect("its rows can be read"))
        };
        let first = made(&nodes, &edges, crate::sources::spool::BUFFER);
        let mut rng = rand_pcg::Pcg64::seed_from_u64(seed);
        for buffer in [0, 64, 500] {
            nodes.shuffle(&mut rng);
            edges.shuffle(&mut rng);
            let again = made(&nodes, &edges, buffer);
            prop_assert!(again.1.is_sorted() && again.0.is_sorted());
            prop_assert_eq!(&again, &first);
        }
    }
}
