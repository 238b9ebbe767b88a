//! From configuration to connections.

use super::{Failure, Session};
use crate::config::Config;
use crate::mirror::ResolveOptions;
use crate::sources::falkordb::Client;
use crate::sources::{Databases, SourceOptions};

/// A connection to the configured `FalkorDB`.
pub(super) async fn falkordb(session: &Session) -> Result<Client, Failure> {
    Ok(Client::connect(session.config.falkordb_url()?.expose()).await?)
}

/// A connection to the `FalkorDB` of agent memory.
pub(super) async fn memory(session: &Session) -> Result<Client, Failure> {
    Ok(Client::connect(session.config.memory_url()?.expose()).await?)
}

/// The database of every source.
pub(super) fn databases(session: &Session) -> Result<Databases, Failure> {
    Ok(Databases::one(session.config.postgres_url()?.expose()))
}

/// How the configuration wants the sources read.
pub(super) fn source_options(config: &Config) -> SourceOptions {
    let sources = &config.sources;
    let schemas = [
        ("directus", &sources.directus_schema),
        ("twenty", &sources.twenty_schema),
        ("unified", &sources.unified_schema),
        ("touchpoints", &sources.touchpoints_schema),
    ];
    SourceOptions {
        won_stages: sources.won_stages.clone(),
        schemas: schemas
            .into_iter()
            .filter_map(|(name, schema)| Some((name.to_owned(), schema.clone()?)))
            .collect(),
    }
}

/// How the configuration wants facts resolved.
pub(super) fn resolve_options(_: &Config) -> ResolveOptions {
    ResolveOptions::default()
}
