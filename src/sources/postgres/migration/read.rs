//! Reading one side, in one `REPEATABLE READ READ ONLY` transaction.

use super::survey::{Extension, Item, Leftover, Published, Sequence, Survey, Table};
use crate::context::Context;
use crate::sources::SourceError;
use crate::sources::postgres::catalog::identifier;
use crate::sources::postgres::checksum;
use crate::sources::postgres::client::{OLDEST, Session};

/// What of a database is looked at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// These schemas only; none: all.
    pub schemas: Vec<String>,
}

impl Scope {
    /// What is in no schema is in every scope.
    fn holds(&self, schema: &str) -> bool {
        schema.is_empty() || self.schemas.is_empty() || self.schemas.iter().any(|s| s == schema)
    }
}

/// Reads everything that is compared; `title` says which side in front of the user.
///
/// # Errors
/// When a statement fails, row security hides rows, the connection breaks, or somebody asks to stop.
pub async fn survey(
    session: &mut Session,
    scope: &Scope,
    title: &str,
    cx: &Context,
) -> Result<Survey, SourceError> {
    checksum::pin(session).await?;
    let mut side = Survey { place: session.place().to_owned(), ..Survey::default() };
    let step = cx.step(&format!("{title}: structure"), None);
    database(session, &mut side).await?;
    for (since, sql) in [
        (OLDEST, include_str!("sql/inventory.sql")),
        (OLDEST, include_str!("sql/objects.sql")),
        (OLDEST, include_str!("sql/properties.sql")),
        (14, include_str!("sql/bodies.sql")),
    ] {
        if side.major() >= since {
            side.inventory.extend(items(session, sql, scope).await?);
        }
    }
    side.access = items(session, include_str!("sql/access.sql"), scope).await?;
    let rows = session.lines(include_str!("sql/extensions.sql"), "pg_extension").await?;
    side.extensions = rows
        .into_iter()
        .map(|[name, version, available]| Extension { name: text(name), version: text(version), available })
        .collect();
    let rows = session.lines(include_str!("sql/flaws.sql"), "pg_constraint").await?;
    let rows = rows.into_iter().filter(|[_, schema, _]| scope.holds(schema.as_deref().unwrap_or_default()));
    side.flaws = rows.map(|[kind, _, identity]| (text(kind), text(identity))).collect();
    let rows = session.lines(include_str!("sql/leftovers.sql"), "pg_replication_slots").await?;
    side.leftovers = rows
        .into_iter()
        .map(|[kind, name, state]| Leftover { kind: text(kind), name: text(name), state: text(state) })
        .collect();
    drop(step);
    side.tables = tables(session, scope, title, cx).await?;
    side.sequences = sequences(session, scope, &side.tables, title, cx).await?;
    Ok(side)
}

fn text(value: Option<String>) -> String {
    value.unwrap_or_default()
}

async fn items(session: &mut Session, sql: &str, scope: &Scope) -> Result<Vec<Item>, SourceError> {
    let rows = session.lines(sql, "pg_catalog").await?;
    let rows =
        rows.into_iter().filter(|[_, schema, _, _]| scope.holds(schema.as_deref().unwrap_or_default()));
    Ok(rows
        .map(|[kind, _, identity, definition]| Item {
            kind: text(kind),
            identity: text(identity),
            definition: text(definition),
        })
        .collect())
}

async fn database(session: &mut Session, side: &mut Survey) -> Result<(), SourceError> {
    let rows = session.lines(include_str!("sql/database.sql"), "pg_database").await?;
    let [number, version, fingerprint, encoding, locale, may_look] =
        rows.into_iter().next().unwrap_or_default();
    side.version_number = text(number).parse().unwrap_or_default();
    side.version = text(version);
    side.fingerprint = text(fingerprint);
    side.encoding = text(encoding);
    side.locale = text(locale);
    if side.major() >= 15 {
        let rows = session.lines(include_str!("sql/collations.sql"), "pg_collation").await?;
        let rows = rows.into_iter().map(|[what, recorded, actual]| {
            let version = |v: Option<String>| v.unwrap_or_else(|| "no version".to_owned());
            (text(what), version(recorded), version(actual))
        });
        side.collations = Some(rows.collect());
    }
    let held = if side.major() >= 15 {
        include_str!("sql/published.sql")
    } else {
        include_str!("sql/published_14.sql")
    };
    for sql in [include_str!("sql/publications.sql"), held] {
        let rows = session.lines(sql, "pg_publication").await?;
        side.publications.extend(rows.into_iter().map(|[publication, piece, definition]| Published {
            publication: text(publication),
            piece: text(piece),
            definition: text(definition),
        }));
    }
    if may_look.as_deref() == Some("true") {
        let rows = session.lines(include_str!("sql/passwords.sql"), "pg_authid").await?;
        side.md5_passwords = Some(rows.into_iter().map(|[role]| text(role)).collect());
    }
    Ok(())
}

async fn tables(
    session: &mut Session,
    scope: &Scope,
    title: &str,
    cx: &Context,
) -> Result<Vec<Table>, SourceError> {
    let mut all = Vec::new();
    for table in checksum::tables(session).await? {
        if !scope.holds(&table.schema) {
            continue;
        }
        let sum = if table.readable { Some(checksum::sum(session, &table, title, cx).await?) } else { None };
        all.push(Table { name: table.qualified(), sum, analysed: table.analysed });
    }
    Ok(all)
}

async fn sequences(
    session: &mut Session,
    scope: &Scope,
    tables: &[Table],
    title: &str,
    cx: &Context,
) -> Result<Vec<Sequence>, SourceError> {
    let _step = cx.step(&format!("{title}: sequences"), None);
    let mut all = Vec::new();
    for row in session.lines(include_str!("sql/sequences.sql"), "pg_sequence").await? {
        cx.check()?;
        let [schema, name, step, readable, last, table_schema, table, column] = row;
        let schema = text(schema);
        if !scope.holds(&schema) {
            continue;
        }
        let number = |value: Option<String>| value.and_then(|v| v.parse::<i128>().ok());
        let descending = number(step).is_some_and(|step| step < 0);
        let mut sequence = Sequence {
            name: format!("{schema}.{}", text(name)),
            readable: readable.as_deref() == Some("true"),
            descending,
            last: number(last),
            column: None,
            furthest: None,
        };
        if let (Some(in_schema), Some(table), Some(column)) = (table_schema, table, column) {
            let name = format!("{in_schema}.{table}");
            // A table that may not be read is told where the tables are.
            if !tables.iter().any(|known| known.name == name && known.sum.is_none()) {
                let furthest = if descending { "min" } else { "max" };
                let sql = format!(
                    "SELECT trunc({furthest}({})::numeric)::text FROM {}.{}",
                    identifier(&column),
                    identifier(&in_schema),
                    identifier(&table)
                );
                let rows = session.lines(&sql, &name).await?;
                sequence.furthest = rows.into_iter().next().and_then(|[value]| number(value));
            }
            sequence.column = Some(format!("{name}.{column}"));
        }
        all.push(sequence);
    }
    Ok(all)
}
