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

const fn strict(kind: &'static str, check: &'static str, tell: bool, hint: &'static str) -> Rule {
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
