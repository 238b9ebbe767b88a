//! One layer of configuration: a file or the environment, every key optional.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::environment;
use super::refusal::told;
use super::sources::{DirectusLayer, TouchpointsLayer, TwentyLayer, UnifiedLayer};
use super::{Config, ConfigError};

/// The project's configuration file, looked for in the current folder.
pub const PROJECT_FILE: &str = "sonograph.toml";

/// What `config init` writes.
pub const TEMPLATE: &str = include_str!("template.toml");

/// The user's configuration file.
pub fn user_file() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("sonograph").join("config.toml"))
}

/// `sonograph.toml`: how sonograph is set up. Every key is optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileLayer {
    /// Folder of snapshots; `latest` is the newest in it. Default `snapshots`.
    snapshots_dir: Option<PathBuf>,
    /// Folder in which write-back runs are kept, so that they can be undone. Default `.sonograph/writeback`.
    writeback_dir: Option<PathBuf>,
    /// Folder in which mirror runs are kept. Default `.sonograph/mirror`.
    mirror_dir: Option<PathBuf>,
    /// Folder of the private servers. Default `.sonograph/services`.
    services_dir: Option<PathBuf>,
    /// Seed of everything random. Default 1.
    seed: Option<u64>,
    /// Threads a kernel may use; 0 (the default) takes all cores.
    threads: Option<usize>,
    /// Where `FalkorDB` is.
    #[serde(default)]
    falkordb: FalkorDbLayer,
    /// Where the sources are.
    #[serde(default)]
    postgres: PostgresLayer,
    /// How the sources are read.
    #[serde(default)]
    sources: SourcesLayer,
    /// How the business graph is kept up to date.
    #[serde(default)]
    mirror: MirrorLayer,
    /// Parameters of studies by family, for example `[studies.influence]` with `damping = 0.9`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    studies: BTreeMap<String, toml::Table>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FalkorDbLayer {
    /// Environment variable that holds the URL. Default `SONOGRAPH_FALKORDB_URL`.
    #[schemars(with = "Option<String>")]
    url_env: Option<VariableName>,
    /// Key of the business graph. Default `business`.
    graph: Option<String>,
    /// Environment variable that holds the URL for agent memory. Default `SONOGRAPH_MEMORY_URL` where that is set, else
    /// the URL of the business graph.
    memory_url_env: Option<String>,
    /// Keys of Cognee graphs that `snapshot take` reads as agent memory. Default none.
    memory_graphs: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PostgresLayer {
    /// Environment variable that holds the libpq URL. Default `SONOGRAPH_POSTGRES_URL`.
    #[schemars(with = "Option<String>")]
    url_env: Option<VariableName>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourcesLayer {
    /// Stages of an opportunity that mean it was won. Default `["CUSTOMER"]`.
    won_stages: Option<Vec<String>>,
    /// Hosts that many share, beside the built-in list: an address there names no organisation. Each is a domain, with all
    /// below it (`tickets.example`), or a name under any suffix (`eventbrite.*`).
    shared_hosts: Option<Vec<String>>,
    /// Mail providers that give addresses to anybody, beside the built-in list; written like `shared_hosts`.
    free_mail: Option<Vec<String>>,
    /// Older spelling of `schema` in `[sources.directus]`.
    directus_schema: Option<String>,
    /// Older spelling of `schema` in `[sources.twenty]`.
    twenty_schema: Option<String>,
    /// Older spelling of `schema` in `[sources.unified]`.
    unified_schema: Option<String>,
    /// Older spelling of `schema` in `[sources.touchpoints]`.
    touchpoints_schema: Option<String>,
    /// Directus, where discovery should not decide.
    #[serde(default)]
    directus: DirectusLayer,
    /// Twenty, where discovery should not decide.
    #[serde(default)]
    twenty: TwentyLayer,
    /// `unified.entities`, where discovery should not decide.
    #[serde(default)]
    unified: UnifiedLayer,
    /// Touchpoints, where discovery should not decide.
    #[serde(default)]
    touchpoints: TouchpointsLayer,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MirrorLayer {
    /// The share of a table, from 0 to 1, that may vanish from one run to the next; what shrank more is not swept.
    /// Default 0.25.
    #[schemars(with = "Option<f64>", range(min = 0, max = 1))]
    max_shrink: Option<Share>,
    /// How many minutes before the newest row of the last run `mirror apply --incremental` reads touches again. Default 5.
    overlap_minutes: Option<u32>,
}

/// A share from 0 to 1.
#[derive(Debug, Deserialize)]
#[serde(try_from = "f64")]
struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err("a share from 0 to 1") }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// Name of an environment variable. A URL in its place would be a secret in a file, and then in our messages.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct VariableName(String);

impl TryFrom<String> for VariableName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain && name.starts_with(|c: char| !c.is_ascii_digit()) {
            return Ok(Self(name));
        }
        Err("the name of an environment variable, of letters, digits and `_`")
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl FileLayer {
    /// Reads a file; an unknown key or wrong type is an error that shows line, key and caret, and no value.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs_err::read_to_string(path).map_err(ConfigError::Read)?;
        toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { file: path.to_owned(), message: told(&text, &error) })
    }

    /// Reads `SONOGRAPH_*`; a variable that is set to nothing, or to no text, is an error.
    pub fn from_environment(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let setting = |name: &str| environment::setting(name, get(name));
        let folder = |name| Ok::<_, ConfigError>(setting(name)?.map(PathBuf::from));
        let number = |name: &str| {
            let text = setting(name)?;
            text.map(|t| t.trim().parse::<u64>()).transpose().map_err(|_| ConfigError::Environment {
                name: name.to_owned(),
                reason: "it is not a whole number".to_owned(),
            })
        };
        let mut layer = Self {
            snapshots_dir: folder("SONOGRAPH_SNAPSHOTS_DIR")?,
            writeback_dir: folder("SONOGRAPH_WRITEBACK_DIR")?,
            mirror_dir: folder("SONOGRAPH_MIRROR_DIR")?,
            services_dir: folder("SONOGRAPH_SERVICES_DIR")?,
            seed: number("SONOGRAPH_SEED")?,
            threads: number("SONOGRAPH_THREADS")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            ..Self::default()
        };
        layer.falkordb.graph = setting("SONOGRAPH_GRAPH")?;
        // The log reads it by itself, and would pass over what is no text.
        environment::text("SONOGRAPH_LOG", get("SONOGRAPH_LOG"))?;
        Ok(layer)
    }

    /// Lays this layer over `config`, remembering where each value came from.
    pub fn apply(self, config: &mut Config, origin: &str) {
        let Config { origins, .. } = config;
        let mut take = |key: String| {
            origins.insert(key, origin.to_owned());
        };
        macro_rules! lay {
            ($($key:literal: $from:expr => $to:expr;)+) => {
                $(if let Some(value) = $from { take($key.to_owned()); $to = value.into(); })+
            };
        }
        lay! {
            "snapshots_dir": self.snapshots_dir => config.snapshots_dir;
            "writeback_dir": self.writeback_dir => config.writeback_dir;
            "mirror_dir": self.mirror_dir => config.mirror_dir;
            "mirror.max_shrink": self.mirror.max_shrink => config.mirror.max_shrink;
            "mirror.overlap_minutes": self.mirror.overlap_minutes => config.mirror.overlap_minutes;
            "services_dir": self.services_dir => config.services_dir;
            "seed": self.seed => config.seed;
            "threads": self.threads => config.threads;
            "falkordb.url_env": self.falkordb.url_env => config.falkordb.url_env;
            "falkordb.graph": self.falkordb.graph => config.falkordb.graph;
            "falkordb.memory_url_env": self.falkordb.memory_url_env => config.falkordb.memory_url_env;
            "falkordb.memory_graphs": self.falkordb.memory_graphs => config.falkordb.memory_graphs;
            "postgres.url_env": self.postgres.url_env => config.postgres.url_env;
            "sources.won_stages": self.sources.won_stages => config.sources.won_stages;
            "sources.shared_hosts": self.sources.shared_hosts => config.sources.shared_hosts;
            "sources.free_mail": self.sources.free_mail => config.sources.free_mail;
        }
        macro_rules! lay_sources {
            ($($source:ident, $older:ident;)+) => {
                $(let mut $source = self.sources.$source;
                $source.schema = $source.schema.or(self.sources.$older.map(Into::into));
                $source.apply(&mut config.sources.$source, &mut take);)+
            };
        }
        lay_sources! {
            directus, directus_schema;
            twenty, twenty_schema;
            unified, unified_schema;
            touchpoints, touchpoints_schema;
        }
        if !self.studies.is_empty() {
            take("studies".to_owned());
            config.studies.extend(self.studies);
        }
    }
}

/// The JSON Schema of the configuration file.
pub fn json_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(FileLayer))
        .expect("a schema made of strings, numbers and maps can be written");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_valid_configuration_that_changes_nothing() {
        let layer: FileLayer = toml::from_str(TEMPLATE).expect("the template parses");
        let mut config = Config::default();
        layer.apply(&mut config, "template");
        assert!(config.origins.is_empty(), "every key of the template is commented out");
    }

    #[test]
    fn every_commented_key_of_the_template_is_known() {
        let key = |l: &&str| l.contains(" = ") || l.starts_with('[');
        let text: Vec<&str> =
            TEMPLATE.lines().map(|l| l.strip_prefix("# ").filter(key).unwrap_or(l)).collect();
        let text = text.join("\n");
        toml::from_str::<FileLayer>(&text).expect("the keys in the template's comments parse");
    }

    #[test]
    fn a_later_layer_wins_and_is_remembered() {
        let mut config = Config::default();
        toml::from_str::<FileLayer>("seed = 3").expect("valid").apply(&mut config, "user");
        toml::from_str::<FileLayer>("seed = 4\n[falkordb]\ngraph = 'g'")
            .expect("valid")
            .apply(&mut config, "project");
        assert_eq!((config.seed, config.falkordb.graph.as_str()), (4, "g"));
        assert_eq!(config.origins["seed"], "project");
    }

    #[test]
    fn touchpoints_may_be_in_several_schemas_and_the_other_sources_in_one() {
        let naming = |text: &str| {
            let mut config = Config::default();
            toml::from_str::<FileLayer>(text).expect("valid").apply(&mut config, "project");
            serde_json::to_value(&config.sources.touchpoints).expect("plain data")["schema"].clone()
        };
        let table = "[sources.touchpoints]\n";
        assert_eq!(naming(&format!("{table}schema = 'web'")), "web");
        assert_eq!(naming("[sources]\ntouchpoints_schema = 'web'"), "web");
        let both = serde_json::json!(["ios", "web"]);
        assert_eq!(naming(&format!("{table}schema = ['web', 'ios', 'web']")), both);
        assert!(naming(table).is_null());
        let told = refused(&format!("{table}schema = 5 # hunter2\n"));
        assert!(told.contains("expected the name of a schema, or a list of names"), "{told}");
        let told = refused("[sources.directus]\nschema = ['hunter2']\n");
        assert!(told.contains("`sources.directus.schema`: expected"), "{told}");
    }

    #[test]
    fn a_number_in_the_environment_must_be_one() {
        let result = FileLayer::from_environment(|name| (name == "SONOGRAPH_SEED").then(|| "hunter2".into()));
        let told = result.expect_err("refused").to_string();
        assert!(told.contains("SONOGRAPH_SEED") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_setting_in_the_environment_is_text_and_not_blank() {
        use std::os::unix::ffi::OsStringExt as _;
        for name in [
            "SONOGRAPH_GRAPH",
            "SONOGRAPH_SNAPSHOTS_DIR",
            "SONOGRAPH_WRITEBACK_DIR",
            "SONOGRAPH_MIRROR_DIR",
            "SONOGRAPH_SERVICES_DIR",
            "SONOGRAPH_SEED",
            "SONOGRAPH_THREADS",
        ] {
            for (bytes, why) in [
                (&b""[..], "it is set but empty"),
                (b" \t", "it is set but empty"),
                (b"caf\xe9", "it is not UTF-8"),
            ] {
                let get = |asked: &str| (asked == name).then(|| OsString::from_vec(bytes.to_vec()));
                let told = FileLayer::from_environment(get).expect_err("refused").to_string();
                assert_eq!(told, format!("cannot use the environment variable `{name}`: {why}"));
            }
        }
    }

    /// What is told of a file with this text, which holds the secret `hunter2`.
    fn refused(text: &str) -> String {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("sonograph.toml");
        fs_err::write(&file, text).expect("written");
        let error = FileLayer::read(&file).expect_err("it is refused");
        let debugged = format!("{error:?}");
        let told = error.to_string();
        assert!(told.contains("sonograph.toml"), "{told}");
        assert!(!told.contains("hunter2") && !debugged.contains("hunter2"), "{told}");
        told
    }

    #[test]
    fn an_unknown_key_is_shown_with_line_and_caret_and_without_its_value() {
        let secret = "url = 'redis://:hunter2@h:1'";
        for text in [
            "[falkordb]\nurl = 'redis://:hunter2@h:1'\n".to_owned(),
            format!("[falkordb]\nurl = 1 # {secret}\n"),
            format!("[falkordb]\nurl = 1\n# {secret}\n"),
            "falkordb = { url = 'hunter2' }\n".to_owned(),
        ] {
            let told = refused(&text);
            assert!(told.contains("unknown field `url`, expected one of `url_env`, `graph`"), "{told}");
            assert!(told.contains("url = …") && told.contains("^^^"), "{told}");
            assert!(
                told.contains(if text.starts_with('[') { "line 2, column 1" } else { "line 1" }),
                "{told}"
            );
        }
    }

    #[test]
    fn a_wrong_type_names_the_key_and_what_is_expected_and_not_what_is_there() {
        let told = refused("seed = 'hunter2'\n");
        assert!(told.contains("line 1, column 8") && told.contains("`seed`: expected u64"), "{told}");
        let told = refused("threads = 1\nseed = 'hunter2, expected u64 hunter2'\n");
        assert!(!told.contains("hunter2") && told.contains("line 2"), "{told}");
        let told = refused("[sources]\nwon_stages = [\n  'hunter2',\n  3,\n]\n");
        assert!(told.contains("`sources.won_stages") && told.contains("line 4"), "{told}");
        let told = refused("falkordb = 'redis://:hunter2@h'\n");
        assert!(told.contains("`falkordb`: expected"), "{told}");
        let told = refused("seed = -3 # hunter2\n");
        assert!(told.contains("`seed`") && !told.contains("-3"), "{told}");
    }

    #[test]
    fn a_key_given_twice_is_named_without_its_values() {
        let told = refused("[falkordb]\ngraph = 'a'\ngraph = 'hunter2'\n");
        assert!(told.contains("line 3, column 1") && told.contains("duplicate key `graph`"), "{told}");
        refused("[falkordb]\ngraph = 'hunter2'\n[falkordb]\n");
    }

    #[test]
    fn what_is_no_toml_is_told_by_line_and_column_alone() {
        for line in [
            "redis://:hunter2@h:1",
            "url_env = redis://:hunter2@h:1",
            "graph = 'hunter2",
            "hunter2==",
            "graph = \"\\hunter2\"",
            "[hunter2",
            "graph = 1hunter2",
            "graph.hunter2 = 1\ngraph = 3",
        ] {
            let told = refused(&format!("seed = 1\n{line}\n"));
            assert!(told.contains("line 2") || told.contains("line 3"), "{told}");
        }
    }

    #[test]
    fn a_url_where_the_name_of_a_variable_belongs_is_refused_unseen() {
        for section in ["falkordb", "postgres"] {
            let told = refused(&format!("[{section}]\nurl_env = 'redis://:hunter2@h:1'\n"));
            assert!(
                told.contains(&format!("`{section}.url_env`: expected the name of an environment")),
                "{told}"
            );
        }
    }
}
