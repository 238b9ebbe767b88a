//! What the graph rests on: the schemas, tables and columns that the last run read.
//!
//! Readers discover their layouts, and what a layout may lack counts as empty. So a column that somebody renamed would
//! look like one that holds nothing any more, and the graph would lose what rests on it, or who is who, without a word.
//! What was read once must therefore be there, unless somebody lets it go by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::MirrorError;
use super::fed::Fed;
use super::missed::Missed;
use super::shrunk::{Shrunk, are_nodes};
use super::sweep::HeldBack;
use crate::ontology::Relation;
use crate::sources::falkordb::{Client, marker};
use crate::sources::{ColumnAsked, Lacking, RowsAsked, SourceOptions, column_key, table_key};

/// The columns that a run found, by source, schema and logical table, and what it held back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footing {
    /// What was held back: no source is called so.
    #[serde(rename = "held back", default, skip_serializing_if = "BTreeMap::is_empty")]
    missed: BTreeMap<String, Missed>,
    #[serde(flatten)]
    systems: BTreeMap<String, BTreeMap<String, BTreeMap<String, Table>>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    name: String,
    /// Logical column → its name.
    columns: BTreeMap<String, String>,
    /// Logical column → other columns that were there, and that are read in its place once it is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beside: BTreeMap<String, Vec<String>>,
    /// Logical columns that the configuration named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    named: BTreeSet<String>,
    /// How many rows it had; a run before this was noted does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

/// Something that the last run read and that is not found any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What it is called where it is let go: `system:schema`, `system:schema.table` or `system:schema.table.column`.
    pub name: String,
    /// What it is, for the user to read.
    pub what: String,
    /// What of the configuration can name it; empty where nothing can.
    pub key: String,
    /// Whether another schema or table stands in its place, whose rows are other nodes.
    pub is_replaced: bool,
    /// Of a schema, the others that stand in its place.
    pub instead: Vec<String>,
    /// What goes with it.
    pub fed: Fed,
    /// Whether it is a schema that is there still and lacks only a part, without which nothing of it is read.
    pub is_there: bool,
}

impl Lost {
    /// Whether it is a schema that is in no database any more, and the configuration names those that stand in its place:
    /// whoever does so knows that it was called otherwise. `schemas` are all that there are.
    pub fn is_meant(&self, options: &SourceOptions, schemas: &BTreeSet<String>) -> bool {
        let Some((system, schema)) = self.name.split_once(':') else { return false };
        let named = options.of(system).schema.names();
        !self.instead.is_empty()
            && self.instead.iter().all(|other| named.contains(other))
            && !schemas.contains(schema)
    }

    /// The same without a key that does not lead out: the old schema is there still, beside the one that is read.
    #[must_use]
    pub fn beside(mut self, schemas: &BTreeSet<String>) -> Self {
        let schema = self.name.split_once(':').map_or("", |(_, schema)| schema);
        if !self.instead.is_empty() && schemas.contains(schema) {
            self.key.clear();
        }
        self
    }

    /// The same, where a schema or table is only not read because of what it lacks: that is what is told.
    #[must_use]
    pub fn because_of(self, lacking: &[Lacking]) -> Self {
        let of_it: Vec<&Lacking> = lacking.iter().filter(|lacking| lacking.name() == self.name).collect();
        let Some(first) = of_it.first() else { return self };
        let clauses: Vec<&str> = of_it.iter().map(|lacking| &*lacking.what).collect();
        let what = format!("{} is there, but {}", first.subject(), clauses.join(", "));
        let keys: Vec<&str> = of_it.iter().filter_map(|lacking| lacking.key.as_deref()).collect();
        Self { what, key: keys.join(", "), is_there: first.table.is_none(), ..self }
    }
}

/// Names of columns that Directus's own settings choose, and that come and go with them.
const CHOSEN: [&str; 2] = ["archive", "collection"];

/// Columns of touchpoints that only the one table of all events has: in it stands who is who.
const ALL: [&str; 2] = ["properties", "collected_at"];

/// Logical tables whose names are part of what their rows are called in the graph, as far as they may be called otherwise.
const NAMES_ROWS: [(&str, &[&str]); 3] =
    [("directus", &["venues", "artists", "events"]), ("twenty", &["promoter"]), ("unified", &["entities"])];

impl Footing {
    /// What is there of the columns that were asked for, and the tables, which are there even where none of theirs is.
    pub fn of(asked: &[ColumnAsked]) -> Self {
        let mut found = Self::default();
        for column in asked {
            let schemas = found.systems.entry(column.system.to_owned()).or_default();
            let tables = schemas.entry(column.schema.clone()).or_default();
            let table = tables.entry(column.logical_table.to_owned()).or_default();
            table.name.clone_from(&column.table);
            if column.is_there && !CHOSEN.contains(&&*column.logical) {
                table.columns.insert(column.logical.clone(), column.column.clone());
                if !column.beside.is_empty() {
                    table.beside.insert(column.logical.clone(), column.beside.clone());
                }
                if column.is_named {
                    table.named.insert(column.logical.clone());
                }
            }
        }
        found
    }

    /// The same, with how many rows the tables have.
    #[must_use]
    pub fn with_rows(mut self, rows: &[RowsAsked]) -> Self {
        for RowsAsked { system, schema, logical_table, rows } in rows {
            let tables = self.systems.get_mut(*system).and_then(|schemas| schemas.get_mut(schema));
            if let Some(table) = tables.and_then(|tables| tables.get_mut(*logical_table)) {
                table.rows = Some(*rows);
            }
        }
        self
    }

    /// The same with what is `held` back, and of tables that are, or that feed relations that are, as many rows as there were
    /// before: they are missed until they are back, or let go.
    #[must_use]
    pub fn missing_still(mut self, before: Option<&Self>, held: &[HeldBack]) -> Self {
        self.missed = held.iter().map(|held| (held.of.clone(), Missed::from(held))).collect();
        for ((system, schema, logical), table) in before.into_iter().flat_map(Self::each) {
            let tables = self.systems.get_mut(system).and_then(|schemas| schemas.get_mut(schema));
            let Some(now) = tables.and_then(|tables| tables.get_mut(logical)) else { continue };
            let relations = Fed::by_table(system, schema, logical).relations;
            let is_held = |of: &String| relations.iter().any(|relation| relation.name() == of);
            if self.missed.contains_key(&now.full_name(system, schema)) || self.missed.keys().any(is_held) {
                now.rows = now.rows.max(table.rows);
            }
        }
        self
    }

    /// What was held back.
    pub(super) fn missed(&self) -> &BTreeMap<String, Missed> {
        &self.missed
    }

    fn each(&self) -> impl Iterator<Item = ((&str, &str, &str), &Table)> {
        let schemas =
            self.systems.iter().flat_map(|(system, schemas)| schemas.iter().map(move |of| (system, of)));
        schemas.flat_map(|(system, (schema, tables))| {
            tables.iter().map(move |(logical, table)| ((&**system, &**schema, &**logical), table))
        })
    }

    /// What its tables are called: `system:schema.table`.
    pub(super) fn tables(&self) -> impl Iterator<Item = String> {
        self.each().map(|((system, schema, _), table)| table.full_name(system, schema))
    }

    /// What its tables are called whose rows are nodes, and the relations that they feed.
    pub(super) fn of_nodes(&self) -> impl Iterator<Item = (String, BTreeSet<Relation>)> {
        let of_nodes = self.each().filter(|((system, _, logical), _)| are_nodes(system, logical));
        of_nodes.map(|((system, schema, logical), table)| {
            (table.full_name(system, schema), Fed::by_table(system, schema, logical).relations)
        })
    }

    /// What tables are called in the graph of which it is known how many rows they have: as they are, and by their logical name.
    pub(super) fn counted(&self) -> impl Iterator<Item = String> {
        let counted = self.each().filter(|(_, table)| table.rows.is_some());
        counted.flat_map(|((system, schema, logical), table)| {
            [table.full_name(system, schema), format!("{system}:{schema}.{logical}")]
        })
    }

    /// The tables without nodes of their own of which it is known how many rows they had before and have now, in order.
    pub(super) fn since(&self, before: &Self) -> Vec<Shrunk> {
        let of = before.each().filter_map(|(place, table)| {
            let (system, schema, logical) = place;
            let now = self.systems.get(system)?.get(schema)?.get(logical)?;
            let names = [&*table.name, &*now.name];
            Shrunk::of(place, names, [table.rows?, now.rows?], table.tells_all(system))
        });
        of.collect()
    }

    /// What the last run into a graph noted; `None` where there is no graph, or none did.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn kept(client: &mut Client, graph: &str) -> Result<Option<Self>, MirrorError> {
        if !client.exists(graph).await.map_err(MirrorError::Unread)? {
            return Ok(None);
        }
        let Some(text) = marker::layout(client, graph).await.map_err(MirrorError::Unread)? else {
            return Ok(None);
        };
        let found = serde_json::from_str(&text);
        found.map(Some).map_err(|_| MirrorError::Unread(marker::misshapen(graph, "`layout` is none")))
    }

    /// Notes it beside the graph, for the next run, wherever that is started.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&self, client: &mut Client, graph: &str) -> Result<(), MirrorError> {
        let text = serde_json::to_string(self).expect("texts under texts are JSON");
        Ok(marker::write_layout(client, graph, &text).await?)
    }

    /// What of an earlier footing is not in this one, in order.
    pub fn lost_since(&self, before: &Self) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (system, schemas) in &before.systems {
            let now = self.systems.get(system);
            for (schema, tables) in schemas {
                let Some(held) = now.and_then(|now| now.get(schema)) else {
                    // One that was read before as well stands in no other's place.
                    let others = now.into_iter().flatten().filter(|(other, _)| !schemas.contains_key(*other));
                    let others: Vec<String> = others.map(|(other, _)| other.clone()).collect();
                    let is_replaced = !others.is_empty();
                    let found = if is_replaced {
                        format!("`{}` is", others.join("`, `"))
                    } else {
                        "nothing of it is".to_owned()
                    };
                    lost.push(Lost {
                        name: format!("{system}:{schema}"),
                        what: format!("schema `{schema}` of {system}, where {found} found now"),
                        key: if tables.values().any(|table| table.tells_all(system)) {
                            format!("sources.{system}.schema, sources.{system}.events")
                        } else {
                            format!("sources.{system}.schema")
                        },
                        is_replaced,
                        instead: others,
                        fed: Fed::by_schema(system),
                        is_there: false,
                    });
                    continue;
                };
                for (logical, table) in tables {
                    lost.extend(table.lost_in(held.get(logical), (system, schema, logical)));
                }
            }
        }
        lost
    }
}

impl Table {
    /// Whether it is the one table of all events of a layout of touchpoints.
    fn tells_all(&self, system: &str) -> bool {
        system == "touchpoints" && ALL.iter().any(|column| self.columns.contains_key(*column))
    }

    fn full_name(&self, system: &str, schema: &str) -> String {
        format!("{system}:{schema}.{}", self.name)
    }

    /// Whether a logical column is read from `other` only because what it was read from is gone: that was there before as well,
    /// and says something else. What is newly there is the same column under another name, and what is named is meant.
    fn falls_back(&self, column: &str, other: &String, now: &Self) -> bool {
        let is_beside = |of: &Self, name| of.beside.get(column).is_some_and(|beside| beside.contains(name));
        is_beside(self, other) && !is_beside(now, &self.columns[column]) && !now.named.contains(column)
    }

    /// What of it is not in `now`.
    fn lost_in(&self, now: Option<&Self>, (system, schema, logical): (&str, &str, &str)) -> Vec<Lost> {
        let place = format!("{schema}.{}", self.name);
        let lost = |instead: Option<&str>| Lost {
            name: format!("{system}:{place}"),
            what: match instead {
                None => format!("table `{place}` of {system}"),
                Some(other) => format!("table `{place}` of {system}, where `{other}` is read now"),
            },
            // The rows of another stay others, whatever it is called.
            key: table_key(system, logical).filter(|_| instead.is_none()).unwrap_or_default(),
            is_replaced: instead.is_some(),
            instead: Vec::new(),
            fed: Fed::by_table(system, schema, logical),
            is_there: false,
        };
        let names_rows = || NAMES_ROWS.iter().any(|(of, tables)| *of == system && tables.contains(&logical));
        match now {
            None => vec![lost(None)],
            Some(now) if now.name != self.name && names_rows() => vec![lost(Some(&now.name))],
            Some(now) => {
                let gone = self.columns.iter().filter_map(|(column, called)| {
                    let instead = now.columns.get(column);
                    let is_lost = instead.is_none_or(|other| self.falls_back(column, other, now));
                    is_lost.then_some((column, called, instead))
                });
                let gone = gone.map(|(column, called, instead)| Lost {
                    name: format!("{system}:{place}.{called}"),
                    what: match instead {
                        None => format!("column `{called}` of {place}"),
                        Some(other) => format!("column `{called}` of {place}, where `{other}` is read now"),
                    },
                    key: column_key(system, logical, column).unwrap_or_default(),
                    is_replaced: false,
                    instead: Vec::new(),
                    fed: Fed::by_column(system, schema, (logical, &self.name), column),
                    is_there: false,
                });
                gone.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source, schema, table and column, of which the last two with their logical names before them.
    type Asked<'a> = (&'static str, &'a str, (&'static str, &'a str), (&'a str, &'a str));

    /// A column that begins with `-` is not there.
    fn asked(columns: &[Asked<'_>]) -> Vec<ColumnAsked> {
        let column = |&(system, schema, (logical_table, table), (logical, column)): &Asked<'_>| ColumnAsked {
            system,
            schema: schema.to_owned(),
            logical_table,
            table: table.to_owned(),
            logical: logical.to_owned(),
            column: column.trim_start_matches('-').to_owned(),
            is_there: !column.starts_with('-'),
            is_named: false,
            beside: Vec::new(),
        };
        columns.iter().map(column).collect()
    }

    fn events(columns: &[(&str, &str)]) -> Footing {
        let columns = columns.iter().map(|column| ("directus", "directus", ("events", "events"), *column));
        Footing::of(&asked(&columns.collect::<Vec<_>>()))
    }

    fn names(lost: &[Lost]) -> Vec<&str> {
        lost.iter().map(|lost| &*lost.name).collect()
    }

    #[test]
    fn a_column_that_was_never_there_is_not_lost_and_one_found_under_another_name_neither() {
        let before = events(&[("id", "id"), ("start_date", "start_date"), ("tags", "-tags")]);
        assert_eq!(events(&[("id", "id"), ("start_date", "starts_at")]).lost_since(&before), []);
        let lost = events(&[("id", "id"), ("start_date", "-start_date")]).lost_since(&before);
        assert_eq!(names(&lost), ["directus:directus.events.start_date"]);
        assert_eq!(lost[0].key, "sources.directus.columns.events.start_date");
        // More than there was is no loss.
        let more = events(&[("id", "id"), ("start_date", "start_date"), ("tags", "tags")]);
        assert_eq!(more.lost_since(&before), []);
        assert_eq!(before.lost_since(&Footing::default()), [], "nothing was read before");
    }

    #[test]
    fn a_table_that_lost_its_only_column_is_there_still() {
        let of = |column: &str| {
            let named = ("event_viewed", "event_viewed");
            Footing::of(&asked(&[("touchpoints", "web", named, ("event", column))]))
        };
        let lost = of("-event_id").lost_since(&of("event_id"));
        assert_eq!(names(&lost), ["touchpoints:web.event_viewed.event_id"]);
    }

    #[test]
    fn a_rule_of_archived_rows_that_directus_drops_is_no_lost_column() {
        let before = events(&[("id", "id"), ("archive", "status")]);
        assert_eq!(events(&[("id", "id")]).lost_since(&before), []);
    }

    #[test]
    fn a_table_or_schema_that_is_gone_is_named_once_and_not_by_its_columns() {
        let of = |schema: &str, table: &str| {
            let named = ("events", table);
            Footing::of(&asked(&[
                ("directus", schema, named, ("id", "id")),
                ("directus", schema, named, ("name", "title")),
            ]))
        };
        let before = of("directus", "events");
        let lost = |now: &Footing| now.lost_since(&before);
        assert_eq!(lost(&before), []);
        assert_eq!(names(&lost(&Footing::default())), ["directus:directus"]);
        assert!(!lost(&Footing::default())[0].is_replaced);
        let schema = lost(&of("cms", "events"));
        assert_eq!(names(&schema), ["directus:directus"]);
        assert!(schema[0].is_replaced && schema[0].what.contains("`cms` is found now"), "{schema:?}");
        // Rows are called after their table, so that those of another one are others, even if its columns are the same.
        let table = lost(&of("directus", "gigs"));
        assert_eq!(names(&table), ["directus:directus.events"]);
        assert!(table[0].is_replaced);
    }

    #[test]
    fn of_several_schemas_one_that_is_left_out_is_lost_and_the_other_does_not_stand_in_its_place() {
        let of = |schemas: &[&str]| {
            let named = ("tracks", "tracks");
            let columns = schemas.iter().map(|schema| ("touchpoints", *schema, named, ("id", "id")));
            Footing::of(&asked(&columns.collect::<Vec<_>>()))
        };
        assert_eq!(of(&["ios", "web"]).lost_since(&of(&["web"])), []);
        let lost = of(&["web"]).lost_since(&of(&["ios", "web"]));
        assert_eq!(names(&lost), ["touchpoints:ios"]);
        assert!(!lost[0].is_replaced && lost[0].what.contains("nothing of it is found now"), "{lost:?}");
    }

    #[test]
    fn a_table_that_names_no_rows_may_be_called_otherwise() {
        let of = |table: &str| {
            Footing::of(&asked(&[("touchpoints", "web", ("event_viewed", table), ("event", "event_id"))]))
        };
        assert_eq!(of("gig_opened").lost_since(&of("event_viewed")), []);
    }

    #[test]
    fn rows_of_a_table_that_is_held_back_are_missed_until_they_are_back() {
        let of = |rows: u64| {
            let named = ("event_saved", "event_saved");
            let asked = asked(&[("touchpoints", "web", named, ("event", "event_id"))]);
            let (system, schema) = ("touchpoints", "web".to_owned());
            Footing::of(&asked).with_rows(&[RowsAsked { system, schema, logical_table: "event_saved", rows }])
        };
        let shrunk = of(0).since(&of(17));
        assert_eq!(
            (&*shrunk[0].of, shrunk[0].before, shrunk[0].gone),
            ("touchpoints:web.event_saved", 17, 17)
        );
        assert_eq!((of(17).since(&of(17))[0].gone, of(0).since(&events(&[]))), (0, vec![]));
        let held = HeldBack { stays: 3, ..HeldBack::of(&shrunk[0].of, 17, 17) };
        let noted = of(0).missing_still(Some(&of(17)), &[held]);
        assert_eq!(noted.systems, of(17).systems);
        assert_eq!(noted.missed["touchpoints:web.event_saved"], Missed { before: 17, gone: 17, stays: 3 });
        let text = serde_json::to_string(&noted).expect("JSON");
        assert_eq!(serde_json::from_str::<Footing>(&text).expect("JSON"), noted);
        // What is known of a relation is known of what feeds it.
        let held = HeldBack::of("INTERESTED_IN", 20, 2);
        assert_eq!(of(15).missing_still(Some(&of(17)), &[held]).systems, of(17).systems);
        assert_eq!(of(0).missing_still(Some(&of(17)), &[]), of(0));
        // A run of before rows were noted says nothing of them.
        let unsaid =
            Footing::of(&asked(&[("touchpoints", "web", ("event_saved", "event_saved"), ("event", "e"))]));
        assert_eq!(of(0).since(&unsaid), []);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let footing = events(&[("id", "id"), ("start_date", "doors_at")]);
        let text = serde_json::to_string(&footing).expect("JSON");
        assert_eq!(
            text,
            r#"{"directus":{"directus":{"events":{"name":"events","columns":{"id":"id","start_date":"doors_at"}}}}}"#
        );
        assert_eq!(serde_json::from_str::<Footing>(&text).expect("JSON"), footing);
    }
}
