//! `sonograph config`: make, show and describe the configuration.

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};

use super::{Failure, Outcome, Session};
use crate::config::{Config, ConfigError, PROJECT_FILE, TEMPLATE, json_schema};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Write a commented sonograph.toml into the current folder
    #[command(after_help = "Example:\n  sonograph config init")]
    Init,
    /// Print the configuration in force
    #[command(after_help = "Example:\n  sonograph config show --resolved")]
    Show(Show),
    /// Print the JSON Schema of sonograph.toml
    #[command(after_help = "Example:\n  sonograph config schema > sonograph.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Print every value, defaults included, and where it comes from
    #[arg(long)]
    resolved: bool,
}

pub(super) fn run(command: &ConfigCommand, session: &Session) -> Result<Outcome, Failure> {
    match command {
        ConfigCommand::Init => {
            let path = Path::new(PROJECT_FILE);
            let mut file =
                fs_err::OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
                    match error.kind() {
                        std::io::ErrorKind::AlreadyExists => {
                            Failure::from(ConfigError::Exists(path.to_owned()))
                        }
                        _ => Failure::from(error),
                    }
                })?;
            file.write_all(TEMPLATE.as_bytes())?;
            session.printer.note(format_args!("wrote {PROJECT_FILE}; every key in it is commented out"));
        }
        ConfigCommand::Show(show) => show_config(&session.config, show.resolved, session)?,
        ConfigCommand::Schema => session.printer.bytes(json_schema().as_bytes())?,
    }
    Ok(Outcome::Done)
}

fn show_config(config: &Config, resolved: bool, session: &Session) -> Result<(), Failure> {
    let table = toml::Table::try_from(config)
        .map_err(|error| Failure::environment("cannot write the configuration as TOML", error))?;
    if config.origins.is_empty() && !resolved {
        session.printer.note("everything is at its default; --resolved shows it");
    }
    for (key, value) in dotted(&table, "") {
        let origin = config.origins.get(&key);
        match (origin, resolved) {
            (Some(origin), _) => session.printer.data(format_args!("{key} = {value}  # {origin}"))?,
            (None, true) => session.printer.data(format_args!("{key} = {value}  # default"))?,
            (None, false) => {}
        }
    }
    Ok(())
}

fn dotted(table: &toml::Table, prefix: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if key == "studies" => {
                if !inner.is_empty() {
                    all.push((key.clone(), toml::Value::Table(inner.clone()).to_string()));
                }
            }
            toml::Value::Table(inner) => all.extend(dotted(inner, &format!("{prefix}{key}."))),
            _ => all.push((format!("{prefix}{key}"), value.to_string())),
        }
    }
    all
}
