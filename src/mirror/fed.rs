//! What the graph loses when a table or column is gone: relations that it fed, and nodes without a row of their own.
//!
//! Edges do not remember their rows. Most go with one of their ends; of those between nodes that stay it must be known which
//! table or column told of them.

use std::collections::BTreeSet;

use crate::ontology::Relation;
use crate::ontology::Relation as R;

/// What rests on a table or column, beside the nodes that its own rows are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fed {
    /// Relations of which it told edges.
    pub relations: BTreeSet<Relation>,
    /// What nodes name as their source because of it: `system:schema.table`, and whatever begins so.
    pub refs: BTreeSet<String>,
}

struct Feed {
    system: &'static str,
    table: &'static str,
    /// Logical columns; none: only the table as a whole.
    columns: &'static [&'static str],
    relations: &'static [Relation],
    /// Further tables, by which nodes without a row of their own are called in the graph.
    refs: &'static [&'static str],
}

const fn feed(
    system: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    relations: &'static [Relation],
) -> Feed {
    Feed { system, table, columns, relations, refs: &[] }
}

const TOUCHES: &[Relation] =
    &[R::InterestedIn, R::Attended, R::Follows, R::Shared, R::About, R::Referred, R::IdentifiedAs];

/// Users have no row of their own where only messages name them; so have devices, and what was shared.
const NAMED_BY_MESSAGES: &[&str] = &["users", "tracks", "content_shared.content_url"];

const FED: &[Feed] = &[
    feed("directus", "venues", &[], &[R::Hosts]),
    feed("directus", "artists", &[], &[R::PerformsAt, R::Follows]),
    feed("directus", "artists", &["genres"], &[R::HasGenre]),
    feed("directus", "events", &["venue"], &[R::Hosts]),
    feed("directus", "events", &["promoter_domain", "promoter_name"], &[R::Promotes]),
    feed("directus", "events", &["tags"], &[R::HasGenre]),
    feed("directus", "lineup", &["event", "artist"], &[R::PerformsAt]),
    feed("twenty", "company", &[], &[R::WorksFor, R::ForOrg, R::ConvertedTo]),
    feed("twenty", "person", &["company"], &[R::WorksFor]),
    feed("twenty", "person", &[], &[R::ContactFor, R::ConvertedTo]),
    feed("twenty", "opportunity", &["company"], &[R::ForOrg, R::ConvertedTo]),
    feed("twenty", "opportunity", &["contact"], &[R::ContactFor, R::ConvertedTo]),
    feed("twenty", "opportunity", &["stage"], &[R::ConvertedTo]),
    feed("twenty", "timeline", &[], &[R::ConvertedTo]),
    feed("unified", "entities", &["claimed_by"], &[R::Claims]),
    feed("unified", "claim_events", &["entity_id", "claimant"], &[R::Claims]),
    Feed {
        system: "touchpoints",
        table: "tracks",
        columns: &["id", "timestamp", "anonymous_id", "user_id", "event", "properties"],
        relations: TOUCHES,
        refs: NAMED_BY_MESSAGES,
    },
    Feed {
        system: "touchpoints",
        table: "identifies",
        columns: &["timestamp", "anonymous_id", "user_id"],
        relations: &[R::IdentifiedAs],
        refs: &["users", "identifies"],
    },
    Feed {
        system: "touchpoints",
        table: "aliases",
        columns: &["timestamp", "previous_id", "user_id"],
        relations: &[R::IdentifiedAs],
        refs: &["users", "aliases"],
    },
    feed("touchpoints", "event_viewed", &["event"], &[R::InterestedIn]),
    feed("touchpoints", "event_saved", &["event"], &[R::InterestedIn]),
    feed("touchpoints", "ticket_link_clicked", &["event"], &[R::InterestedIn]),
    feed("touchpoints", "event_attended", &["event"], &[R::Attended]),
    Feed {
        system: "touchpoints",
        table: "content_shared",
        columns: &["url"],
        relations: &[R::Shared, R::About, R::Referred],
        refs: &["content_shared.content_url"],
    },
    feed("touchpoints", "content_shared", &["event"], &[R::About]),
    feed("touchpoints", "content_shared", &["parent"], &[R::Referred]),
    feed("touchpoints", "artist_followed", &["artist"], &[R::Follows]),
    feed("touchpoints", "user_followed", &["user"], &[R::Follows]),
];

impl Fed {
    /// By a whole schema of a system.
    pub(super) fn by_schema(system: &str) -> Self {
        let of_system = FED.iter().filter(|feed| feed.system == system);
        Self { relations: relations(of_system), refs: BTreeSet::new() }
    }

    /// By a logical table in a schema.
    pub(super) fn by_table(system: &str, schema: &str, table: &str) -> Self {
        let feeds = || FED.iter().filter(|feed| (feed.system, feed.table) == (system, table));
        let mut refs = refs(feeds(), system, schema);
        refs.insert(format!("{system}:{schema}.{table}"));
        Self { relations: relations(feeds()), refs }
    }

    /// By a logical column of a table in a schema, which is called `called`.
    pub(super) fn by_column(system: &str, schema: &str, (table, called): (&str, &str), column: &str) -> Self {
        let of =
            |feed: &&Feed| (feed.system, feed.table) == (system, table) && feed.columns.contains(&column);
        let feeds = || FED.iter().filter(of);
        let mut refs = refs(feeds(), system, schema);
        // Nodes that a value names are called after the table as it is, or after the logical one.
        refs.extend([called, table].map(|table| format!("{system}:{schema}.{table}.{column}")));
        Self { relations: relations(feeds()), refs }
    }
}

fn relations<'f>(feeds: impl Iterator<Item = &'f Feed>) -> BTreeSet<Relation> {
    feeds.flat_map(|feed| feed.relations).copied().collect()
}

fn refs<'f>(feeds: impl Iterator<Item = &'f Feed>, system: &str, schema: &str) -> BTreeSet<String> {
    feeds.flat_map(|feed| feed.refs).map(|table| format!("{system}:{schema}.{table}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::vocabulary;

    #[test]
    fn every_column_that_feeds_a_relation_is_one_that_is_read() {
        for feed in FED {
            for column in feed.columns {
                let mut words = vocabulary().filter(|w| (w.source, w.table) == (feed.system, feed.table));
                let is_known = words.any(|words| words.columns.contains(column));
                assert!(is_known, "{}.{}.{column}", feed.system, feed.table);
            }
        }
    }

    #[test]
    fn a_column_lets_go_of_its_own_relations_and_a_table_of_those_of_all_its_columns() {
        let of = |column: &str| Fed::by_column("directus", "cms", ("events", "gigs"), column);
        assert_eq!(of("venue").relations, [R::Hosts].into());
        assert_eq!(of("capacity").relations, [].into());
        assert!(of("tags").refs.contains("directus:cms.gigs.tags"));
        let table = Fed::by_table("directus", "cms", "events");
        assert_eq!(table.relations, [R::Hosts, R::Promotes, R::HasGenre].into());
        let users = Fed::by_table("touchpoints", "web", "identifies").refs;
        assert!(users.contains("touchpoints:web.users"), "{users:?}");
    }
}
