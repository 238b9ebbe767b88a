//! What tables have no place for, because somebody else than the mirror wrote it: left out of the rows, and told.

use std::collections::BTreeMap;

use super::assemble::{EdgeRow, NodeRow, of_label, of_relation};
use super::column::fits;
use super::{DST, LABELS, NODE, SRC, UID};
use crate::ontology::{Property, PropertyKind, Value};

/// Takes out properties that are called like a column the tables have for themselves, and says which, of how many.
///
/// Where `typed`, values of another type than the ontology declares go, too, so that no single one of them decides what
/// its whole column holds. The same rows in any order give the same words. Cost: O(values).
pub fn sieve<N: AsRef<str>>(
    nodes: &mut BTreeMap<String, Vec<NodeRow<N>>>,
    edges: &mut BTreeMap<String, Vec<EdgeRow<N>>>,
    typed: bool,
) -> Vec<String> {
    let mut told = Vec::new();
    for (label, rows) in nodes {
        let held = rows.iter().flat_map(|row| &row.properties);
        let mut sieve = Sieve::of(&[NODE, UID, LABELS], of_label(label), typed, held);
        for NodeRow { uid, properties, .. } in rows {
            sieve.pass(properties, || format!("`{uid}`"));
        }
        told.extend(sieve.told(label));
    }
    for (relation, rows) in edges {
        let held = rows.iter().flat_map(|row| &row.properties);
        let mut sieve = Sieve::of(&[SRC, DST], of_relation(relation), typed, held);
        for EdgeRow { src, dst, properties } in rows {
            sieve.pass(properties, || format!("`{src}` → `{dst}`"));
        }
        told.extend(sieve.told(relation));
    }
    told
}

/// What of one label or relation is left out.
struct Sieve {
    /// Names of columns that are no property.
    own: Vec<String>,
    declared: Vec<Property>,
    typed: bool,
    /// Property → what it should be (`None`: a name of our own), how many were left out, and the first of them by id.
    out: BTreeMap<String, (Option<PropertyKind>, u64, String)>,
}

impl Sieve {
    fn of<'a, N: AsRef<str> + 'a>(
        own: &[&str],
        declared: Vec<Property>,
        typed: bool,
        held: impl Iterator<Item = &'a (N, Value)>,
    ) -> Self {
        let mut own: Vec<String> = own.iter().map(|&name| name.to_owned()).collect();
        // A point takes two columns.
        let mut points: Vec<&str> =
            declared.iter().filter(|p| p.kind == PropertyKind::Point).map(|p| p.name).collect();
        for (name, _) in held.filter(|(_, value)| matches!(value, Value::Point { .. })) {
            if !points.contains(&name.as_ref()) {
                points.push(name.as_ref());
            }
        }
        own.extend(points.iter().flat_map(|name| [format!("{name}_latitude"), format!("{name}_longitude")]));
        Self { own, declared, typed, out: BTreeMap::new() }
    }

    /// Leaves those of a row's properties that have a place.
    fn pass<N: AsRef<str>>(&mut self, properties: &mut Vec<(N, Value)>, row: impl Fn() -> String) {
        properties.retain(|(name, value)| {
            let name = name.as_ref();
            let kind = self.declared.iter().find(|property| property.name == name).map(|p| p.kind);
            let stays = match kind {
                _ if self.own.iter().any(|own| own == name) => false,
                Some(kind) => !self.typed || fits(kind, value),
                None => true,
            };
            if !stays {
                let row = row();
                let (_, count, first) =
                    self.out.entry(name.to_owned()).or_insert_with(|| (kind, 0, row.clone()));
                *count += 1;
                if row < *first {
                    *first = row;
                }
            }
            stays
        });
    }

    fn told(self, owner: &str) -> impl Iterator<Item = String> {
        self.out.into_iter().map(move |(property, (kind, count, first))| match kind {
            None => format!(
                "left out the property `{property}` of {count} {owner}, a name that the tables have for themselves: \
                 {first} has it"
            ),
            Some(kind) => format!(
                "left out the property `{property}` of {count} {owner}, which is not {} there as declared: {first} has it",
                in_words(kind)
            ),
        })
    }
}

fn in_words(kind: PropertyKind) -> &'static str {
    match kind {
        PropertyKind::Text => "a text",
        PropertyKind::Integer => "an integer",
        PropertyKind::Float => "a number",
        PropertyKind::Boolean => "a truth value",
        PropertyKind::Instant => "an instant in milliseconds",
        PropertyKind::Point => "a point",
        PropertyKind::TextList => "a list of texts",
    }
}

#[cfg(test)]
mod tests {
    use super::super::INSTANT;
    use super::super::assemble::assemble;
    use super::*;

    fn rows() -> (BTreeMap<String, Vec<NodeRow>>, BTreeMap<String, Vec<EdgeRow>>) {
        let node = |uid: &str, properties| NodeRow { uid: uid.into(), labels: vec!["Fan"], properties };
        let text = || Value::Text("x".into());
        let edge = |at| EdgeRow {
            src: "a".into(),
            dst: "v".into(),
            properties: vec![("timestamp", at), ("src", text())],
        };
        let place = Value::Point { latitude: 1.0, longitude: 2.0 };
        let nodes = BTreeMap::from([
            (
                "Person".to_owned(),
                vec![
                    node("b", vec![("node", Value::Integer(7)), ("labels", text()), ("gen", text())]),
                    node("a", vec![("node", text()), ("gen", Value::Integer(3))]),
                ],
            ),
            ("Venue".to_owned(), vec![node("v", vec![("location", text()), ("location_latitude", text())])]),
            ("Zoo".to_owned(), vec![node("z", vec![("gate", place), ("gate_longitude", text())])]),
        ]);
        let attended = vec![edge(text()), edge(Value::Instant(5))];
        (nodes, BTreeMap::from([("ATTENDED".to_owned(), attended.clone()), ("ODD".to_owned(), attended)]))
    }

    #[test]
    fn names_that_the_tables_have_for_themselves_are_left_out_and_told_by_name_and_count() {
        let (mut nodes, mut edges) = rows();
        let told = sieve(&mut nodes, &mut edges, false);
        let own = "a name that the tables have for themselves";
        let expected = [
            format!("left out the property `labels` of 1 Person, {own}: `b` has it"),
            format!("left out the property `node` of 2 Person, {own}: `a` has it"),
            format!("left out the property `location_latitude` of 1 Venue, {own}: `v` has it"),
            format!("left out the property `gate_longitude` of 1 Zoo, {own}: `z` has it"),
            format!("left out the property `src` of 2 ATTENDED, {own}: `a` → `v` has it"),
            format!("left out the property `src` of 2 ODD, {own}: `a` → `v` has it"),
        ];
        assert_eq!(told, expected);
        let tables = assemble(nodes, edges).expect("a graph");
        let gen_ = tables.nodes["Person"].column("gen").expect("kept");
        assert_eq!(
            gen_.str().expect("as text").get(0),
            Some("3"),
            "what differs is still there to be healed"
        );
    }

    #[test]
    fn a_value_of_another_type_than_declared_does_not_decide_its_column() {
        let (mut nodes, mut edges) = rows();
        let told = sieve(&mut nodes, &mut edges, true).join("\n");
        for said in [
            "`gen` of 1 Person, which is not an integer there as declared: `b` has it",
            "`location` of 1 Venue, which is not a point there as declared: `v` has it",
            "`timestamp` of 1 ATTENDED, which is not an instant in milliseconds there as declared: `a` → `v` has it",
        ] {
            assert!(told.contains(said), "{told}");
        }
        let tables = assemble(nodes, edges).expect("a graph");
        let gen_ = tables.nodes["Person"].column("gen").expect("kept");
        assert_eq!(gen_.i64().expect("integers").iter().collect::<Vec<_>>(), [Some(3), None]);
        for relation in ["ATTENDED", "ODD"] {
            let at = tables.edges[relation].column("timestamp").expect("kept");
            assert_eq!((at.dtype(), at.null_count()), (&INSTANT, 1), "{relation}");
        }
    }
}
