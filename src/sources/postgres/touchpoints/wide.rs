//! Which schemas hold a layout that keeps all events in one table, and what others lack that look like it.

use super::super::catalog::Catalog;
use super::super::scope::Scope;
use super::SYSTEM;
use crate::config::Naming;
use crate::sources::Lacking;

/// Columns without which the table is not the layout's: logical and usual names.
pub(super) type Required = Columns<'static>;

/// Columns by their logical names and those they have.
type Columns<'n> = [(&'static str, &'n str)];

/// What of the required columns a schema's table lacks, by logical names and those it should have; nothing where it is no
/// table of the layout: it must have half of them.
fn lacks<'n>(
    catalog: &Catalog,
    naming: &'n Naming,
    schema: &str,
    required: &'n Required,
) -> Option<Vec<(&'static str, &'n str)>> {
    let scope = Scope::new(SYSTEM, schema, naming);
    let table = catalog.table(schema, scope.name("events", "events"))?;
    let called = required.iter().map(|(logical, usual)| {
        let configured = naming.columns.get("tracks").and_then(|columns| columns.get(*logical));
        (*logical, configured.map_or(*usual, String::as_str))
    });
    let lacks: Vec<_> = called.filter(|(_, name)| !table.has(&[name])).collect();
    (lacks.len() * 2 <= required.len()).then_some(lacks)
}

/// Schemas that hold the layout. Where none does, those that lack but what the configuration names: that is an error of its
/// own when they are read.
pub(super) fn schemas<'c>(catalog: &'c Catalog, naming: &Naming, required: &Required) -> Vec<&'c str> {
    let of = |is_held: &dyn Fn(&Columns<'_>) -> bool| {
        let mut schemas = catalog.schemas_with(&[]);
        schemas
            .retain(|schema| lacks(catalog, naming, schema, required).is_some_and(|lacks| is_held(&lacks)));
        schemas
    };
    let whole = of(&|lacks| lacks.is_empty());
    if !whole.is_empty() {
        return whole;
    }
    let is_named = |logical: &str| naming.columns.get("tracks").is_some_and(|of| of.contains_key(logical));
    of(&|lacks| lacks.iter().all(|(logical, _)| is_named(logical)))
}

/// What keeps schemas from holding the layout that look like it.
pub(super) fn lacking(catalog: &Catalog, naming: &Naming, required: &Required) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    for schema in catalog.schemas_with(&[]) {
        let scope = Scope::new(SYSTEM, schema, naming);
        let table = scope.name("events", "events");
        for (logical, name) in lacks(catalog, naming, schema, required).into_iter().flatten() {
            lacking.push(Lacking::column(SYSTEM, (schema, table), name, ("tracks", logical)));
        }
    }
    lacking
}
