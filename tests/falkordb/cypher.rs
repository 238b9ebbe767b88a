//! Whatever is sent comes back as it was, and never as Cypher.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sonograph::sources::falkordb::cypher::identifier;
use sonograph::sources::falkordb::{CypherValue, FalkorError, Param, Params};

use crate::graph::with_graph;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\\\'\"`$\n\r\t\u{1}\u{7f} {}()\\[\\];:/*-]{0,12}",
        Just("'}) MATCH (n) DETACH DELETE n //".to_owned()),
        Just("\\".to_owned()),
        Just("\\u0041\\n".to_owned()),
    ]
}

fn param() -> impl Strategy<Value = Param> {
    let leaf = prop_oneof![
        Just(Param::Null),
        any::<bool>().prop_map(Param::Bool),
        any::<i64>().prop_map(Param::Int),
        any::<f64>().prop_map(Param::Float),
        text().prop_map(Param::Text),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Param::List),
            prop::collection::btree_map("[^`\0]{1,8}", inner, 0..4)
                .prop_map(|m| Param::Map(m.into_iter().collect())),
        ]
    })
}

/// Whether a parameter holds something the server would change, which we refuse.
fn unspeakable(param: &Param) -> bool {
    match param {
        Param::Float(x) => !x.is_finite(),
        Param::Text(text) => text.contains('\0'),
        Param::List(items) => items.iter().any(unspeakable),
        Param::Map(entries) => entries.iter().any(|(_, item)| unspeakable(item)),
        Param::Null | Param::Bool(_) | Param::Int(_) => false,
    }
}

fn same(sent: &Param, got: &CypherValue) -> bool {
    match (sent, got) {
        (Param::Null, CypherValue::Null) => true,
        (Param::Bool(a), CypherValue::Bool(b)) => a == b,
        (Param::Int(a), CypherValue::Int(b)) => a == b,
        // The server prints 15 digits.
        (Param::Float(a), CypherValue::Float(b)) => {
            a.to_bits() == b.to_bits() || (a - b).abs() <= a.abs() * 1e-14 || (a - b).abs() < 1e-307
        }
        (Param::Text(a), CypherValue::Text(b)) => a == b,
        (Param::List(a), CypherValue::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Param::Map(a), CypherValue::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.iter().any(|(other, b)| key == other && same(a, b)))
        }
        _ => false,
    }
}

#[test]
fn any_parameter_comes_back_as_it_was_or_is_refused() {
    with_graph("params", async |client, graph| {
        client.query(graph, "CREATE (:A)", &Params::new()).await.expect("a graph");
        let mut runner =
            TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
        let handle = tokio::runtime::Handle::current();
        let client = std::cell::RefCell::new(client);
        tokio::task::block_in_place(|| {
            runner.run(&param(), |sent| {
                let params = Params::new().with("p", sent.clone());
                let reply = handle.block_on(client.borrow_mut().ro_query(graph, "RETURN $p", &params));
                match reply {
                    Err(FalkorError::Unspeakable { .. }) => prop_assert!(unspeakable(&sent)),
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    Ok(reply) => prop_assert!(same(&sent, &reply.rows[0][0]), "{:?}", reply.rows[0][0]),
                }
                Ok(())
            })
        })
        .expect("every parameter survives");
    });
}

#[test]
fn a_double_is_stored_bit_by_bit() {
    with_graph("doubles", async |client, graph| {
        for x in [0.1, 1.0 / 3.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, 0.123_456_789_012_345_67] {
            let params = Params::new().with("x", Param::Float(x));
            client.query(graph, "CREATE (:X {x: $x})", &params).await.expect("stored");
            let reply = client.ro_query(graph, "MATCH (n:X) WHERE n.x = $x RETURN count(n)", &params).await;
            assert_eq!(reply.expect("compared").count(), Some(1), "{x:e}");
        }
    });
}

#[test]
fn any_name_is_quoted_or_refused() {
    with_graph("names", async |client, graph| {
        let names = ["a b", "n) DETACH DELETE (m", "\\", "\"", "'", "é", "🎵", "$p", "//", "1", "MATCH"];
        for name in names {
            let quoted = identifier(name).expect("speakable");
            let query =
                format!("CREATE (n:{quoted} {{{quoted}: 1}}) RETURN labels(n)[0], keys(n)[0], n.{quoted}");
            let reply = client.query(graph, &query, &Params::new()).await.expect(name);
            let text = CypherValue::Text(name.into());
            assert_eq!(reply.rows, [[text.clone(), text, CypherValue::Int(1)]]);
        }
        let reply =
            client.ro_query(graph, "MATCH (n) RETURN count(n)", &Params::new()).await.expect("counted");
        assert_eq!(reply.count(), Some(names.len() as u64));
    });
}
