//! `sonograph.toml`, `SONOGRAPH_*` and flags, resolved into one value.
//!
//! Flag > environment > project file > user file > default. Unknown keys are an error with line and caret; what a file says of its values is never
//! repeated. A secret is
//! named by the environment variable that holds it, never written.

mod environment;
mod layer;
mod refusal;
mod secret;
mod sources;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

pub use environment::Unread;
pub use layer::{FileLayer, PROJECT_FILE, TEMPLATE, json_schema, user_file};
pub use secret::SecretUrl;
pub use sources::{Archive, Naming, Schemas, TouchLayout, Vocabulary, nameable_tables, vocabulary};

use crate::context::{Diagnose, Fault};

/// Everything that may be configured, resolved.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where `FalkorDB` is.
    pub falkordb: FalkorDb,
    /// Where the sources are, unless one names its own.
    pub postgres: Postgres,
    /// How the sources are read.
    pub sources: Sources,
    /// Folder of snapshots; `latest` is the newest in it.
    pub snapshots_dir: PathBuf,
    /// Folder in which write-back runs are kept, so that they can be undone.
    pub writeback_dir: PathBuf,
    /// Folder in which mirror runs are kept.
    pub mirror_dir: PathBuf,
    /// Folder of the private servers.
    pub services_dir: PathBuf,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads a kernel may use; 0: all cores.
    pub threads: usize,
    /// Parameters of studies by family, as written in the file.
    pub studies: BTreeMap<String, toml::Table>,
    /// How the business graph is kept up to date.
    pub mirror: Mirror,
    /// Which layer gave each value that is not a default, by dotted key.
    #[serde(skip)]
    pub origins: BTreeMap<String, String>,
}

/// Where `FalkorDB` is.
#[derive(Debug, Clone, Serialize)]
pub struct FalkorDb {
    /// Environment variable that holds the URL.
    pub url_env: String,
    /// Key of the business graph.
    pub graph: String,
    /// Environment variable that holds the URL for agent memory; `None`: `SONOGRAPH_MEMORY_URL` where it is set, else the URL
    /// above.
    pub memory_url_env: Option<String>,
    /// Keys of the graphs of agent memory.
    pub memory_graphs: Vec<String>,
}

/// Where `PostgreSQL` is.
#[derive(Debug, Clone, Serialize)]
pub struct Postgres {
    /// Environment variable that holds the libpq URL.
    pub url_env: String,
}

/// How the sources are read.
#[derive(Debug, Clone, Serialize)]
pub struct Sources {
    /// Stages of an opportunity that mean it was won.
    pub won_stages: Vec<String>,
    /// Hosts that many share, beside the built-in ones: a domain there names no organisation.
    pub shared_hosts: Vec<String>,
    /// Mail providers that give addresses to anybody, beside the built-in ones.
    pub free_mail: Vec<String>,
    /// Directus.
    pub directus: Naming,
    /// Twenty.
    pub twenty: Naming,
    /// `unified.entities`.
    pub unified: Naming,
    /// Touchpoints.
    pub touchpoints: Naming,
}

impl Sources {
    /// Every source by its name.
    pub fn named(&self) -> [(&'static str, &Naming); 4] {
        [
            ("directus", &self.directus),
            ("twenty", &self.twenty),
            ("unified", &self.unified),
            ("touchpoints", &self.touchpoints),
        ]
    }
}

/// How the business graph is kept up to date.
#[derive(Debug, Clone, Serialize)]
pub struct Mirror {
    /// The share of a table that may vanish from one run to the next; what shrank more is not swept.
    pub max_shrink: f64,
    /// How many minutes before the newest row of the last run `--incremental` reads touches again.
    pub overlap_minutes: u32,
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read the configuration")]
    Read(#[source] std::io::Error),
    /// A file is not what it should be; the message shows line, key and caret, and no value.
    #[error("cannot read the configuration file `{file}`\n{message}")]
    Parse {
        /// The file.
        file: PathBuf,
        /// Line, column, key, caret and reason.
        message: String,
    },
    /// An environment variable holds something else than it should.
    #[error("cannot use the environment variable `{name}`: {reason}")]
    Environment {
        /// The variable.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The variable that should hold a URL holds none.
    #[error("cannot use the environment variable `{name}` as the {system} URL: {reason}")]
    Url {
        /// The variable.
        name: String,
        /// `FalkorDB`, `PostgreSQL` or `agent memory`.
        system: &'static str,
        /// Why not.
        reason: url::ParseError,
    },
    /// The variable that should hold a URL is not set.
    #[error("the environment variable `{name}` that should hold the {system} URL is not set")]
    MissingUrl {
        /// The variable.
        name: String,
        /// `FalkorDB`, `PostgreSQL` or `agent memory`.
        system: &'static str,
    },
    /// A file would be overwritten.
    #[error("`{0}` exists already")]
    Exists(PathBuf),
}

impl Diagnose for ConfigError {
    fn fault(&self) -> Fault {
        Fault::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::MissingUrl { .. } => Some(
                "set it, or start private servers: `set -a; eval \"$(sonograph services up)\"; set +a`"
                    .to_owned(),
            ),
            Self::Url { reason: url::ParseError::RelativeUrlWithoutBase, system, .. } => {
                let scheme = if *system == "PostgreSQL" { "postgresql" } else { "redis" };
                Some(format!("a URL begins with its scheme, as {scheme}://user:password@host:port"))
            }
            Self::Url { .. } => Some(
                "percent-encode what means something else in a URL, above all in the password: `@` as %40, `/` as %2F, \
                 `#` as %23, `?` as %3F, `:` as %3A, `%` as %25"
                    .to_owned(),
            ),
            Self::Parse { .. } => Some("`sonograph config schema` lists every key".to_owned()),
            Self::Exists(_) => Some("edit it, or remove it first".to_owned()),
            Self::Environment { .. } => Some("correct it, or unset it".to_owned()),
            Self::Read(_) => None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            falkordb: FalkorDb {
                url_env: "SONOGRAPH_FALKORDB_URL".into(),
                graph: "business".into(),
                memory_url_env: None,
                memory_graphs: Vec::new(),
            },
            postgres: Postgres { url_env: "SONOGRAPH_POSTGRES_URL".into() },
            sources: Sources {
                won_stages: vec!["CUSTOMER".into()],
                shared_hosts: Vec::new(),
                free_mail: Vec::new(),
                directus: Naming::default(),
                twenty: Naming::default(),
                unified: Naming::default(),
                touchpoints: Naming::default(),
            },
            snapshots_dir: "snapshots".into(),
            writeback_dir: ".sonograph/writeback".into(),
            mirror_dir: ".sonograph/mirror".into(),
            services_dir: ".sonograph/services".into(),
            seed: 1,
            threads: 0,
            studies: BTreeMap::new(),
            mirror: Mirror { max_shrink: 0.25, overlap_minutes: 5 },
            origins: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Resolves the user file, the project file (or `file`, when named) and the environment, in rising precedence.
    pub fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = user_file().filter(|p| p.is_file()) {
            FileLayer::read(&path)?.apply(&mut config, &path.display().to_string());
        }
        let project = file.or_else(|| Some(PathBuf::from(PROJECT_FILE)).filter(|p| p.is_file()));
        if let Some(path) = project {
            FileLayer::read(&path)?.apply(&mut config, &path.display().to_string());
        }
        FileLayer::from_environment(|name| std::env::var_os(name))?.apply(&mut config, "environment");
        Ok(config)
    }

    /// The `FalkorDB` URL.
    pub fn falkordb_url(&self) -> Result<SecretUrl, ConfigError> {
        SecretUrl::from_env(&self.falkordb.url_env, "FalkorDB")
    }

    /// The `FalkorDB` URL of agent memory, which may lie on another server or be read as another user.
    pub fn memory_url(&self) -> Result<SecretUrl, ConfigError> {
        match &self.falkordb.memory_url_env {
            Some(name) => SecretUrl::from_env(name, "agent memory"),
            None => match SecretUrl::from_env(environment::MEMORY_URL, "agent memory") {
                Err(ConfigError::MissingUrl { .. }) => self.falkordb_url(),
                url => url,
            },
        }
    }

    /// The `PostgreSQL` URL.
    pub fn postgres_url(&self) -> Result<SecretUrl, ConfigError> {
        SecretUrl::from_env(&self.postgres.url_env, "PostgreSQL")
    }

    /// Threads to use: as configured, or as many as the machine offers.
    pub fn resolved_threads(&self) -> usize {
        if self.threads > 0 {
            self.threads
        } else {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        }
    }
}
