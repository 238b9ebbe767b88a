//! Comparing lists of pieces by name.

use std::collections::BTreeMap;

use super::survey::{Item, Survey};
use super::verdict::{Check, Status, named};

/// How one kind of piece is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// As the inventory calls it.
    pub kind: &'static str,
    /// As the check is called.
    pub check: &'static str,
    /// What it means that a piece is missing on the new side.
    pub missing: Status,
    /// What it means that the new side has one more.
    pub extra: Status,
    /// What it means that the definitions differ.
    pub differs: Status,
    /// Whether a definition may be told: some hold tokens.
    pub tell: bool,
    /// What to do.
    pub hint: &'static str,
}

pub(super) const fn strict(kind: &'static str, check: &'static str, tell: bool, hint: &'static str) -> Rule {
    Rule { kind, check, missing: Status::Fail, extra: Status::Fail, differs: Status::Fail, tell, hint }
}

const CUT: &str =
    "a restore that ended half-way looks like this: run its last part again (pg_restore --section=post-data)";
const SCHEMA: &str = "load the schema again: pg_dump --schema-only, then psql -v ON_ERROR_STOP=1";

/// The kinds of an inventory.
pub(super) const STRUCTURE: &[Rule] = &[
    strict("schema", "schemas", true, SCHEMA),
    strict("table", "tables and views", true, SCHEMA),
    strict("column", "columns", true, SCHEMA),
    strict("primary key", "primary keys", true, CUT),
    strict("foreign key", "foreign keys", true, CUT),
    strict("unique constraint", "unique constraints", true, CUT),
    strict("check constraint", "check constraints", true, SCHEMA),
    strict("exclusion constraint", "exclusion constraints", true, CUT),
    strict("constraint trigger", "constraint triggers", false, CUT),
    strict("index", "indexes", true, CUT),
    strict("enum", "enums", true, SCHEMA),
    strict("domain", "domains", true, SCHEMA),
    strict("sequence", "sequences", true, SCHEMA),
    // Servers print the same view differently from version to version.
    Rule { differs: Status::Warn, ..strict("view", "views", false, SCHEMA) },
    strict("trigger", "triggers", false, CUT),
    strict("event trigger", "event triggers", true, CUT),
    strict("function", "functions", false, SCHEMA),
    strict("rule", "rules", false, CUT),
    strict("statistics object", "statistics objects", true, CUT),
    strict(
        "large object",
        "large objects",
        true,
        "logical replication does not carry large objects: copy them with pg_dump --large-objects",
    ),
    strict(
        "row security",
        "row security",
        true,
        "ALTER TABLE … ENABLE or DISABLE ROW LEVEL SECURITY, as it was",
    ),
    strict("policy", "policies", true, "create the policy again: pg_dump --section=post-data has it"),
    strict("inheritance", "inheritance and partitions", true, "ALTER TABLE … INHERIT, ATTACH PARTITION"),
    strict(
        "owned sequence",
        "sequences owned by columns",
        true,
        "ALTER SEQUENCE … OWNED BY table.column: an unowned one stays behind when its table goes",
    ),
    strict(
        "replica identity",
        "replica identities",
        true,
        "ALTER TABLE … REPLICA IDENTITY, as it was: without, replication takes no UPDATE or DELETE",
    ),
    strict(
        "option",
        "options of tables and views",
        true,
        "ALTER TABLE, VIEW … SET (…): a view without security_invoker reads with its owner's rights",
    ),
    strict(
        "column setting",
        "settings of columns",
        true,
        "ALTER TABLE … ALTER column SET STORAGE, STATISTICS, …",
    ),
    // Hosts have no tablespaces: data is where it is.
    Rule {
        missing: Status::Warn,
        extra: Status::Warn,
        differs: Status::Warn,
        ..strict("tablespace", "tablespaces", true, "ALTER … SET TABLESPACE, unless the new place is meant")
    },
    strict(
        "function property",
        "properties of functions",
        false,
        "ALTER FUNCTION … SECURITY DEFINER, STRICT, IMMUTABLE, SET …, as it was",
    ),
    // Printed from version to version as differently as views are.
    Rule { differs: Status::Warn, ..strict("body", "bodies of rules and SQL functions", false, SCHEMA) },
    strict("type", "types", true, SCHEMA),
    // A version before 14 has none.
    Rule { extra: Status::Ok, ..strict("multirange", "multiranges", true, SCHEMA) },
    strict("operator", "operators", true, SCHEMA),
    strict("operator class", "operator classes and families", true, SCHEMA),
    strict("cast", "casts", true, SCHEMA),
    strict("collation", "collations", true, SCHEMA),
    Rule {
        missing: Status::Ok,
        extra: Status::Ok,
        differs: Status::Warn,
        ..strict(
            "collation locale",
            "locales of collations",
            true,
            "the same locale may only be written otherwise: SELECT collname, colllocale FROM pg_collation",
        )
    },
    strict("conversion", "conversions", true, SCHEMA),
    strict("text search", "text search", true, SCHEMA),
    strict("language", "languages, access methods and transforms", true, SCHEMA),
    strict("foreign server", "foreign servers and wrappers", true, SCHEMA),
    strict("user mapping", "user mappings", true, "CREATE USER MAPPING FOR … SERVER …, as it was"),
    // A new project has other hosts and passwords.
    Rule {
        differs: Status::Warn,
        ..strict(
            "foreign option",
            "options of foreign servers",
            false,
            "ALTER SERVER, USER MAPPING or FOREIGN TABLE … OPTIONS (…)",
        )
    },
    Rule {
        missing: Status::Ok,
        extra: Status::Ok,
        ..strict("extension schema", "schemas of extensions", true, "ALTER EXTENSION … SET SCHEMA …")
    },
    Rule {
        extra: Status::Warn,
        ..strict("comment", "comments", false, "COMMENT ON …; pg_dump --no-comments leaves them out")
    },
    strict(
        "security label",
        "security labels",
        false,
        "SECURITY LABEL …; pg_dump --no-security-labels leaves them out",
    ),
];

/// Compares the pieces of one kind; `loosely`: parentheses may differ, because servers of different versions print them
/// differently.
pub(super) fn compare(rule: Rule, from: &[Item], to: &[Item], loosely: bool) -> Check {
    let map = |items| -> BTreeMap<&str, &str> {
        Survey::of_kind(items, rule.kind)
            .into_iter()
            .map(|item| (item.identity.as_str(), item.definition.as_str()))
            .collect()
    };
    let (from, to) = (map(from), map(to));
    let mut missing = Vec::new();
    let mut differs = Vec::new();
    let mut details = Vec::new();
    let mut loose = 0;
    for (identity, was) in &from {
        match to.get(identity) {
            None => missing.push((*identity).to_owned()),
            Some(is) if is == was => {}
            Some(is) if loosely && bare(is) == bare(was) => loose += 1,
            Some(is) => {
                differs.push((*identity).to_owned());
                details.push(if rule.tell {
                    format!("differs: {identity}: {was} → {is}")
                } else {
                    format!("differs: {identity}")
                });
            }
        }
    }
    let extra: Vec<String> =
        to.keys().filter(|identity| !from.contains_key(*identity)).map(|i| (*i).to_owned()).collect();
    details.extend(missing.iter().map(|identity| format!("missing: {identity}")));
    details.extend(extra.iter().map(|identity| format!("not in the source: {identity}")));

    let mut found = Vec::new();
    let mut status = Status::Ok;
    for (names, said, worth) in [
        (&missing, format!("{} of {} missing", missing.len(), from.len()), rule.missing),
        (&differs, format!("{} of {} differ", differs.len(), from.len()), rule.differs),
        (&extra, format!("{} not in the source", extra.len()), rule.extra),
    ] {
        if !names.is_empty() {
            status = status.max(worth);
            found.push(format!("{said}: {}", named(names)));
        }
    }
    if found.is_empty() {
        found.push(match from.len() {
            0 => "none on either side".to_owned(),
            n => format!("{n} on both sides"),
        });
    }
    if loose > 0 {
        found.push(format!("{loose} printed with other parentheses"));
    }
    Check::new(rule.check, status, found.join("; ")).hint(rule.hint).details(details)
}

/// A definition without parentheses and white space.
fn bare(definition: &str) -> String {
    definition.chars().filter(|c| !matches!(c, '(' | ')') && !c.is_whitespace()).collect()
}
