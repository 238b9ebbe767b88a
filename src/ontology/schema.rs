//! Indexes and constraints the business graph must have before a row is written.

use super::Label;
use super::Relation;

/// An exact-match or range index on one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// On a node property.
    Node(Label, &'static str),
    /// On an edge property.
    Edge(Relation, &'static str),
}

/// A constraint on one property; a unique one needs an [`Index`] on the same property first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// No two nodes of the label share the value; missing values are ignored.
    UniqueNode(Label, &'static str),
    /// Every node of the label has the property.
    MandatoryNode(Label, &'static str),
    /// No two edges of the relation share the value.
    UniqueEdge(Relation, &'static str),
}

const CANONICAL: [Label; 3] = [Label::Person, Label::Venue, Label::Organization];
const BY_MESSAGE: [Relation; 3] = [Relation::Attended, Relation::InterestedIn, Relation::Shared];

/// The indexes, in the order they are made.
pub fn indexes() -> Vec<Index> {
    let mut all: Vec<Index> = Label::ALL.iter().map(|&l| Index::Node(l, "uid")).collect();
    all.extend(CANONICAL.map(|l| Index::Node(l, "canonical_id")));
    all.push(Index::Node(Label::Event, "starts_at"));
    all.push(Index::Node(Label::Venue, "location"));
    all.extend(BY_MESSAGE.map(|r| Index::Edge(r, "mid")));
    all
}

/// The constraints, in the order they are made, after every index exists.
pub fn constraints() -> Vec<Constraint> {
    let mut all = Vec::new();
    for &label in Label::ALL {
        all.push(Constraint::UniqueNode(label, "uid"));
        all.push(Constraint::MandatoryNode(label, "uid"));
    }
    all.extend(CANONICAL.map(|l| Constraint::UniqueNode(l, "canonical_id")));
    all.extend(BY_MESSAGE.map(|r| Constraint::UniqueEdge(r, "mid")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unique_constraint_has_its_supporting_index() {
        let indexes = indexes();
        for constraint in constraints() {
            let needed = match constraint {
                Constraint::UniqueNode(l, p) => Index::Node(l, p),
                Constraint::UniqueEdge(r, p) => Index::Edge(r, p),
                Constraint::MandatoryNode(..) => continue,
            };
            assert!(indexes.contains(&needed), "{constraint:?} lacks its index");
        }
    }
}
