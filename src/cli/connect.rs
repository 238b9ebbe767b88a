//! From configuration to connections.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Failure, Session};
use crate::config::{Config, ConfigError, SecretUrl, Sources};
use crate::mirror::ResolveOptions;
use crate::ontology::canonical::{SUFFIX_LIST, SharedHosts};
use crate::sources::facts::{BadRow, Facts};
use crate::sources::falkordb::Client;
use crate::sources::{Databases, SourceOptions};
use crate::terminal::Printer;

/// A connection to the configured `FalkorDB`.
pub(super) async fn falkordb(session: &Session) -> Result<Client, Failure> {
    Ok(Client::connect(session.config.falkordb_url()?.expose()).await?)
}

/// A connection to the `FalkorDB` of agent memory.
pub(super) async fn memory(session: &Session) -> Result<Client, Failure> {
    Ok(Client::connect(session.config.memory_url()?.expose()).await?)
}

/// The database of every source: its own where the configuration names one, else that of `[postgres]`.
pub(super) fn databases(session: &Session) -> Result<Databases, Failure> {
    let config = &session.config;
    let mut own = Vec::new();
    for (name, naming) in config.sources.named() {
        if let Some(variable) = &naming.url_env {
            own.push((name, SecretUrl::from_env(variable, "PostgreSQL")?));
        }
    }
    // Where every source that is wanted has a database of its own, there need not be a common one.
    let common = match config.postgres_url() {
        Err(ConfigError::MissingUrl { .. }) if !own.is_empty() => Databases::none(),
        url => Databases::one(url?.expose()),
    };
    Ok(own.iter().fold(common, |all, (name, url)| all.with(name, url.expose())))
}

/// The database of one source, or of `[postgres]` where none is named.
pub(super) fn database(session: &Session, source: Option<&str>) -> Result<SecretUrl, Failure> {
    let named = session.config.sources.named();
    let own = match source {
        None => None,
        Some(source) => {
            let Some((_, naming)) = named.iter().find(|(name, _)| *name == source) else {
                let names = named.map(|(name, _)| name).join(", ");
                return Err(Failure::input(format!("there is no source `{source}`"))
                    .with_hint(format!("the sources are {names}")));
            };
            naming.url_env.as_ref()
        }
    };
    Ok(match own {
        Some(variable) => SecretUrl::from_env(variable, "PostgreSQL")?,
        None => session.config.postgres_url()?,
    })
}

/// How the configuration wants the sources read.
pub(super) fn source_options(config: &Config) -> SourceOptions {
    let sources = &config.sources;
    SourceOptions {
        won_stages: sources.won_stages.clone(),
        naming: sources.named().into_iter().map(|(name, naming)| (name.to_owned(), naming.clone())).collect(),
        skip_bad_rows: false,
    }
}

/// How the configuration wants facts resolved.
pub(super) fn resolve_options(config: &Config) -> Result<ResolveOptions, Failure> {
    let keys = [
        ("sources.shared_hosts", &config.sources.shared_hosts),
        ("sources.free_mail", &config.sources.free_mail),
    ];
    for (key, entries) in keys {
        if let Err(malformed) = SharedHosts::with(entries.iter().cloned()) {
            let origin = config.origins.get(key).map(|from| format!(" of {from}")).unwrap_or_default();
            return Err(Failure::input(format!("cannot use `{key}`{origin}: {malformed}")));
        }
    }
    let all = keys.into_iter().flat_map(|(_, entries)| entries.iter().cloned());
    let shared = SharedHosts::with(all).expect("every entry was just taken alone");
    Ok(ResolveOptions { shared, ..ResolveOptions::default() })
}

/// What the identities of a graph rest on, for its records: the list of public suffixes, what the configuration adds to the lists
/// of hosts that name nobody, and the stages that count as won. In order, each once, whatever the order in the file.
pub(super) fn identity_rules(config: &Config) -> Map<String, Value> {
    let Sources { shared_hosts, free_mail, won_stages, .. } = &config.sources;
    let set = |entries: &Vec<String>| {
        Value::from(entries.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>())
    };
    let rules = [
        ("suffix_list", SUFFIX_LIST.into()),
        ("shared_hosts", set(shared_hosts)),
        ("free_mail", set(free_mail)),
        ("won_stages", set(won_stages)),
    ];
    rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect()
}

/// How many bad rows are listed for people; programs are given them all.
const BAD_ROWS_SHOWN: usize = 20;

/// Tells on stderr which rows of the sources were skipped and why.
pub(super) fn tell_bad_rows(facts: &Facts, printer: Printer) {
    for BadRow { source, table, key, column, reason } in facts.bad_rows.iter().take(BAD_ROWS_SHOWN) {
        printer.warn(format_args!(
            "skipped row `{key}` of table `{table}` of {source}: column `{column}` {reason}"
        ));
    }
    if let Some(more) = facts.bad_rows.len().checked_sub(BAD_ROWS_SHOWN).filter(|more| *more > 0) {
        printer.warn(format_args!(
            "skipped {more} more; the json of the plan and the snapshot's manifest list them"
        ));
    }
}
