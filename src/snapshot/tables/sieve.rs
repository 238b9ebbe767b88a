//! What tables have no place for, because somebody else than the mirror wrote it: left out, and told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::values::Held;
use crate::ontology::{Property, PropertyKind};

/// What of one label or relation is left out: properties that are called like a column the tables have for themselves.
///
/// Where `typed`, values of another type than the ontology declares go, too, so that no single one of them decides what
/// its whole column holds. The same rows in any order give the same words. Cost: O(values).
pub(super) struct Sieve {
    /// Names of columns that are no property.
    own: Vec<String>,
    declared: Vec<Property>,
    typed: bool,
    /// Property → what it should be (`None`: a name of our own), how many were left out, and the first of them by id.
    out: BTreeMap<String, (Option<PropertyKind>, u64, String)>,
}

impl Sieve {
    pub(super) fn of(
        own: &[&str],
        declared: Vec<Property>,
        typed: bool,
        columns: &[(Arc<str>, Held)],
    ) -> Self {
        let mut own: Vec<String> = own.iter().map(|&name| name.to_owned()).collect();
        // A point takes two columns.
        let of_points = declared.iter().filter(|p| p.kind == PropertyKind::Point).map(|p| p.name);
        let held = columns.iter().filter(|(_, held)| held.has_points()).map(|(name, _)| &**name);
        own.extend(
            of_points.chain(held).flat_map(|name| [format!("{name}_latitude"), format!("{name}_longitude")]),
        );
        Self { own, declared, typed, out: BTreeMap::new() }
    }

    /// Leaves those values that have a place.
    pub(super) fn pass(&mut self, columns: &mut [(Arc<str>, Held)], words: impl Fn(u32) -> String) {
        for (name, held) in columns {
            let kind = self.declared.iter().find(|property| *property.name == **name).map(|p| p.kind);
            let out = match kind {
                _ if self.own.iter().any(|own| **own == **name) => held.take_out(None),
                Some(_) if self.typed => held.take_out(kind),
                _ => continue,
            };
            if let Some(first) = out.iter().map(|&row| words(row)).min() {
                self.out.insert(name.to_string(), (kind, out.len() as u64, first));
            }
        }
    }

    pub(super) fn told(self, owner: &str) -> impl Iterator<Item = String> {
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
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::INSTANT;
    use super::super::Tables;
    use super::super::assemble::{EdgeRow, NodeRow};
    use super::super::gather::Gathering;
    use crate::ontology::Value;

    fn sieved(typed: bool) -> (Tables, Vec<String>) {
        let (nodes, edges) = rows();
        let (mut all, mut ids) = (Gathering::default(), BTreeMap::new());
        for (label, rows) in nodes {
            for NodeRow { uid, labels, properties } in rows {
                let id = ids.len() as u64;
                ids.insert(Arc::clone(&uid), id);
                let properties =
                    properties.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
                all.put_node(
                    id,
                    &label,
                    NodeRow { uid, labels: labels.into_iter().map(Arc::from).collect(), properties },
                );
            }
        }
        all.settle().expect("no twins");
        for (relation, rows) in edges {
            for EdgeRow { src, dst, properties } in rows {
                let properties =
                    properties.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
                assert!(all.put_edge(&relation, (ids[&src], ids[&dst]), properties));
            }
        }
        let (tables, _, told) = all.finish(typed).expect("a graph");
        (tables, told)
    }

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
        let (tables, told) = sieved(false);
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
        let gen_ = tables.nodes["Person"].column("gen").expect("kept");
        assert_eq!(
            gen_.str().expect("as text").get(0),
            Some("3"),
            "what differs is still there to be healed"
        );
    }

    #[test]
    fn a_value_of_another_type_than_declared_does_not_decide_its_column() {
        let (tables, told) = sieved(true);
        let told = told.join("\n");
        for said in [
            "`gen` of 1 Person, which is not an integer there as declared: `b` has it",
            "`location` of 1 Venue, which is not a point there as declared: `v` has it",
            "`timestamp` of 1 ATTENDED, which is not an instant in milliseconds there as declared: `a` → `v` has it",
        ] {
            assert!(told.contains(said), "{told}");
        }
        let gen_ = tables.nodes["Person"].column("gen").expect("kept");
        assert_eq!(gen_.i64().expect("integers").iter().collect::<Vec<_>>(), [Some(3), None]);
        for relation in ["ATTENDED", "ODD"] {
            let at = tables.edges[relation].column("timestamp").expect("kept");
            assert_eq!((at.dtype(), at.null_count()), (&INSTANT, 1), "{relation}");
        }
    }
}
