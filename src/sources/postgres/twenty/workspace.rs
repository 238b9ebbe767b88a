//! Which workspace of Twenty is read: what `core` lists, what the configuration names, what the schemas hold.

use std::fmt;

use super::super::catalog::Catalog;
use super::super::client::Session;
use super::super::scope::{Scope, choose_schema, untaken};
use super::SYSTEM;
use crate::config::{Naming, Schemas};
use crate::sources::{Lacking, SourceError};

/// What was found of the workspace to read.
#[derive(Debug)]
pub(super) struct Layout<'o> {
    pub scope: Scope<'o>,
    pub promoter: Promoter,
    pub notes: Vec<String>,
}

/// The custom object that stands for promoters.
#[derive(Debug)]
pub(super) struct Promoter {
    pub table: String,
    /// The column that names its company, as the metadata tell it.
    pub company: Option<String>,
}

/// Tables that every workspace has.
const STANDARD: &[&str] = &["company", "person", "opportunity"];

/// The workspace to read: the configured one, else the only active one that `core.workspace` lists, else, where that
/// cannot be read, the only schema that looks like one.
pub(super) async fn discover<'o>(
    session: &mut Session,
    naming: &'o Naming,
) -> Result<Option<Layout<'o>>, SourceError> {
    let catalog = session.catalog();
    let holding = catalog.schemas_with(STANDARD);
    let mut notes = Vec::new();
    let workspaces = workspaces(session).await?;
    let mut meant = naming.schema.clone();
    if let Some(wanted) = &naming.workspace {
        let listed = workspaces.iter().flatten().find(|workspace| workspace.is_called(wanted));
        meant = listed.map(|workspace| workspace.schema.clone().into()).unwrap_or_default();
    }
    let lacking = lacking(&catalog, workspaces.as_deref(), &meant);
    let schema = if let Some(wanted) = &naming.workspace {
        let is_there = |schema: &&String| {
            holding.contains(&schema.as_str()) || lacking.iter().any(|lacking| lacking.schema == **schema)
        };
        let Some(schema) = meant.names().first().filter(is_there) else {
            return Err(missing(session, &format!("`{wanted}` as a"), workspaces.iter().flatten()));
        };
        Some(schema.clone()).filter(|schema| holding.contains(&schema.as_str()))
    } else if !meant.is_empty() {
        // A configured schema is taken at its word, even where `core` does not list it.
        choose_schema(session.place(), SYSTEM, &meant, &holding, &lacking)?
    } else if let Some(listed) = &workspaces {
        let (active, others): (Vec<_>, Vec<_>) = listed
            .iter()
            .filter(|workspace| !workspace.deleted && holding.contains(&workspace.schema.as_str()))
            .partition(|workspace| workspace.is_active());
        notes.extend(others.iter().map(|other| format!("not read: {other}")));
        match &active[..] {
            [] if others.is_empty() => None,
            [] => return Err(missing(session, "active", others.into_iter())),
            [only] => Some(only.schema.clone()),
            several => {
                let found = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(SourceError::Ambiguous {
                    place: session.place().to_owned(),
                    source_name: SYSTEM,
                    found,
                });
            }
        }
    } else {
        let named: Vec<&str> = holding.iter().copied().filter(|s| s.starts_with("workspace_")).collect();
        choose_schema(session.place(), SYSTEM, &Schemas::default(), &named, &[])?
    };
    let Some(schema) = schema else {
        session.lacks(untaken(lacking, &meant, &[]));
        return Ok(None);
    };
    let known = workspaces.iter().flatten().find(|workspace| workspace.schema == schema);
    notes.extend(
        known.map(|workspace| format!("workspace {workspace} of {}", workspaces.iter().flatten().count())),
    );
    // Older releases keep their metadata in a schema of its own.
    let metadata = ["core", "metadata"].into_iter().find(|s| catalog.table(s, "objectMetadata").is_some());
    notes.extend(metadata.map(|schema| format!("metadata in {schema}")));
    let scope = Scope::new(SYSTEM, schema, naming);
    // A custom object has an underscore, on old releases only where its name was taken.
    let usual = ["_promoter", "promoter"].into_iter().find(|t| catalog.table(&scope.schema, t).is_some());
    let table = scope.name("promoter", usual.unwrap_or("_promoter")).to_owned();
    let others = STANDARD.iter().map(|table| (*table, *table));
    let all: Vec<_> = others.chain([("timeline", "timelineActivity"), ("promoter", &table)]).collect();
    scope.distinct(&all)?;
    let company = match (metadata, known) {
        (Some(metadata), Some(workspace)) => company_of(session, metadata, &table, &workspace.id).await?,
        _ => None,
    };
    if catalog.table(&scope.schema, &table).is_none() {
        notes.push(format!("no custom object {table}"));
    }
    Ok(Some(Layout { scope, promoter: Promoter { table, company }, notes }))
}

/// What keeps schemas from being a workspace to read: tables that every one has, or that it is said to be deleted. `meant`
/// may be called anything.
fn lacking(catalog: &Catalog, listed: Option<&[Workspace]>, meant: &Schemas) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    let is_one =
        |schema: &&str| schema.starts_with("workspace_") || meant.names().iter().any(|meant| meant == schema);
    for schema in catalog.schemas_with(&[]).into_iter().filter(is_one) {
        let (has, lacks): (Vec<&str>, Vec<&str>) =
            STANDARD.iter().partition(|table| catalog.table(schema, table).is_some());
        if !has.is_empty() {
            lacking.extend(lacks.into_iter().map(|table| Lacking::table(SYSTEM, schema, table, None)));
        }
        let deleted = listed.into_iter().flatten().find(|of| of.schema == schema && of.deleted);
        lacking.extend(deleted.map(|workspace| Lacking {
            system: SYSTEM,
            schema: schema.to_owned(),
            table: None,
            what: format!("`core.workspace` says that its workspace {} is deleted", workspace.name()),
            key: Some(format!("sources.{SYSTEM}.schema")),
        }));
    }
    lacking
}

/// The column by which a custom object names its company, where the metadata can be read.
async fn company_of(
    session: &mut Session,
    metadata: &str,
    table: &str,
    workspace: &str,
) -> Result<Option<String>, SourceError> {
    let catalog = session.catalog();
    let readable = |table: &str, columns: &[&str]| {
        catalog.table(metadata, table).is_some_and(|table| table.can_read(columns))
    };
    let fields = ["objectMetadataId", "settings", "relationTargetObjectMetadataId", "workspaceId"];
    if !readable("objectMetadata", &["id", "nameSingular"]) || !readable("fieldMetadata", &fields) {
        return Ok(None);
    }
    let object = table.strip_prefix('_').unwrap_or(table).to_owned();
    let parameter = vec![object, workspace.to_owned()];
    let of = (metadata, "fieldMetadata");
    let found = session.texts(include_str!("../sql/twenty_company.sql"), of, Some(&parameter)).await?;
    Ok(found.into_iter().flatten().flatten().next())
}

/// A row of `core.workspace`.
#[derive(Debug)]
struct Workspace {
    id: String,
    schema: String,
    subdomain: Option<String>,
    status: Option<String>,
    deleted: bool,
}

impl Workspace {
    fn from_row(row: Vec<Option<String>>) -> Option<Self> {
        let [id, schema, subdomain, status, deleted] = <[Option<String>; 5]>::try_from(row).ok()?;
        let id = id?;
        let schema = schema.filter(|schema| !schema.is_empty()).or_else(|| computed_schema(&id))?;
        Some(Self { id, schema, subdomain, status, deleted: deleted.is_some() })
    }

    fn is_active(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "ACTIVE")
    }

    fn name(&self) -> &str {
        self.subdomain.as_deref().unwrap_or(&self.id)
    }

    fn is_called(&self, name: &str) -> bool {
        self.subdomain.as_deref() == Some(name) || self.id == name
    }
}

impl fmt::Display for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name(), self.schema)?;
        if !self.is_active() {
            write!(f, ", {}", self.status.as_deref().unwrap_or_default())?;
        }
        f.write_str(if self.deleted { ", deleted)" } else { ")" })
    }
}

/// What `core.workspace` lists; `None` where it is missing or not ours to read.
async fn workspaces(session: &mut Session) -> Result<Option<Vec<Workspace>>, SourceError> {
    let catalog = session.catalog();
    let Some(table) = catalog.table("core", "workspace") else { return Ok(None) };
    if !table.has(&["id", "databaseSchema", "deletedAt"]) {
        return Ok(None);
    }
    let or_null =
        |name: &str| if table.has(&[name]) { format!("\"{name}\"::text") } else { "NULL".to_owned() };
    let sql = include_str!("../sql/twenty_workspaces.sql")
        .replace("{subdomain}", &or_null("subdomain"))
        .replace("{status}", &or_null("activationStatus"));
    let rows = session.texts(&sql, ("core", "workspace"), None).await?;
    Ok(Some(rows.into_iter().filter_map(Workspace::from_row).collect()))
}

fn missing<'a>(session: &Session, wanted: &str, there: impl Iterator<Item = &'a Workspace>) -> SourceError {
    let found = there.map(ToString::to_string).collect::<Vec<_>>().join(", ");
    SourceError::WorkspaceMissing {
        place: session.place().to_owned(),
        wanted: wanted.to_owned(),
        found: if found.is_empty() { "there is none".to_owned() } else { format!("there are {found}") },
    }
}

/// `workspace_` and the workspace's uuid in base 36: its hexadecimal digits as one number, lower case, not padded.
pub fn computed_schema(workspace: &str) -> Option<String> {
    let mut rest = u128::from_str_radix(&workspace.replace('-', ""), 16).ok()?;
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((rest % 36) as u32, 36)?);
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    Some(format!("workspace_{}", digits.iter().rev().collect::<String>()))
}
