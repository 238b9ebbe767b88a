//! Questions and their algorithms.
//!
//! A study takes a graph and parameters and answers with [`Findings`], the only thing report and write-back ever see.
//! One folder per family: `mod.rs` asks the question of a [`BusinessGraph`], every other file is one algorithm over a
//! [`crate::graph::Csr`] or plain counts, with the paper it comes from and a slower method that checks it.
//! `ALGORITHMS.md` lists them all. [`Question`] is the registry: one entry per family.

pub mod community;
pub mod conversion;
mod devices;
pub mod discovery;
mod error;
pub mod findings;
pub mod influence;
mod lookup;
pub mod paths;
mod projection;
#[cfg(test)]
pub(crate) mod samples;
pub mod virality;

pub use error::StudyError;
pub use findings::Findings;
pub use projection::{Instant, Projecting, Weighing};

use crate::context::Context;
use crate::graph::{BusinessGraph, Deleted};
use crate::snapshot::tables::size::Sizes;
use findings::{Declared, ScoreColumn, counted};

/// A question with its parameters.
pub trait Study: Default + serde::Serialize + serde::de::DeserializeOwned {
    /// What is asked and what comes out.
    const FAMILY: Family;
    /// What the columns of its tables mean.
    const DECLARED: &'static [Declared] = &[];

    /// Bytes that answering takes beside the graph, at their highest: an upper bound told from the sizes of its tables,
    /// with what depends on the data left out.
    fn memory(&self, sizes: &Sizes) -> u64;

    /// Answers the question. The same graph and parameters give the same findings, whatever the number of threads.
    fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError>;
}

/// What a family of studies asks and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Family {
    /// Its name on the command line and of its output folder.
    pub name: &'static str,
    /// What is asked, as a person would.
    pub question: &'static str,
    /// The scores that become node properties.
    pub scores: &'static [ScoreColumn],
    /// The tables beside the scores: file stem and what a row is.
    pub tables: &'static [(&'static str, &'static str)],
}

/// Every study, with its parameters as flags.
#[derive(Debug, Clone, PartialEq, clap::Subcommand)]
pub enum Question {
    /// Who matters: PageRank, betweenness, nearness, hubs, cores, degrees and more of every node
    #[command(
        after_help = "Example:\n  sonograph study influence --labels Person --relations FOLLOWS --half-life 30 --top 20"
    )]
    Influence(influence::Params),
    /// What hangs together: components, communities, clustering, bridges, and events that share their people
    #[command(after_help = "Example:\n  sonograph study community --metrics coattendance --min-support 5")]
    Community(community::Params),
    /// Which promoters turn interest into attendance
    #[command(after_help = "Example:\n  sonograph study conversion --as-of 2026-03-01 --interval jeffreys")]
    Conversion(conversion::Params),
    /// How one person can reach another, over which contacts, and how far everybody is from one
    #[command(
        after_help = "Examples:\n  sonograph study paths --from UID --to UID -k 3 --max-hops 4\n  sonograph study paths --source UID --relations FOLLOWS --weight none"
    )]
    Paths(paths::Params),
    /// What spreads: cascades of shares, their size, depth and shape
    #[command(after_help = "Example:\n  sonograph study virality --parents explicit --format csv")]
    Virality(virality::Params),
    /// Who plays where, what is on tonight, whom to win next, and how claims move
    #[command(
        after_help = "Examples:\n  sonograph study discovery --explain\n  sonograph study discovery --near 39.96,-83.0 --radius 3000 --at 2026-03-06T20:00:00Z"
    )]
    Discovery(discovery::Params),
}

macro_rules! each {
    ($question:expr, $params:ident => $body:expr) => {
        match $question {
            Question::Influence($params) => $body,
            Question::Community($params) => $body,
            Question::Conversion($params) => $body,
            Question::Paths($params) => $body,
            Question::Virality($params) => $body,
            Question::Discovery($params) => $body,
        }
    };
}

fn family_of<S: Study>(_: &S) -> Family {
    S::FAMILY
}

fn declared_of<S: Study>(_: &S) -> &'static [Declared] {
    S::DECLARED
}

fn to_json<S: Study>(params: &S) -> serde_json::Value {
    serde_json::to_value(params).expect("parameters are plain values")
}

fn from_json<S: Study>(_: &S, value: serde_json::Value) -> Result<S, serde_json::Error> {
    serde_json::from_value(value)
}

/// What serde expected, without the value that it quotes before.
fn expected(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected).to_owned()
}

impl Question {
    /// All questions with their default parameters, in the order the report asks them.
    pub fn all() -> [Self; 6] {
        [
            Self::Influence(influence::Params::default()),
            Self::Community(community::Params::default()),
            Self::Conversion(conversion::Params::default()),
            Self::Paths(paths::Params::default()),
            Self::Virality(virality::Params::default()),
            Self::Discovery(discovery::Params::default()),
        ]
    }

    /// A family's question with its default parameters; `None`: there is no such family.
    pub fn defaults(family: &str) -> Option<Self> {
        Self::all().into_iter().find(|question| question.family().name == family)
    }

    /// A family's question with some parameters given by name, as in `[studies.<family>]` of the configuration.
    ///
    /// # Errors
    ///
    /// When there is no such family or parameter, or a value has the wrong type.
    pub fn configured(
        family: &str,
        given: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, StudyError> {
        let mut question = Self::defaults(family).ok_or_else(|| StudyError::UnknownFamily {
            name: family.to_owned(),
            known: Self::all().map(|q| q.family().name).join(", "),
        })?;
        let mut parameters = question.parameters();
        let family = question.family().name;
        for (name, value) in given {
            let Some(slot) = parameters.get_mut(name) else {
                let known = parameters.as_object().into_iter().flat_map(serde_json::Map::keys);
                return Err(StudyError::UnknownParameter {
                    family,
                    name: name.clone(),
                    known: known.map(String::as_str).collect::<Vec<_>>().join(", "),
                });
            };
            *slot = value.clone();
            // One by one, so that the one which does not fit can be named.
            each!(&mut question, params => *params = from_json(params, parameters.clone()).map_err(|error| {
                StudyError::Parameter { family, name: name.clone(), expected: expected(&error) }
            })?);
        }
        Ok(question)
    }

    /// What is asked and what comes out.
    pub fn family(&self) -> Family {
        each!(self, params => family_of(params))
    }

    /// What the columns of its tables mean, for those the family declares.
    pub fn declared(&self) -> &'static [Declared] {
        each!(self, params => declared_of(params))
    }

    /// The parameters in force, defaults included.
    pub fn parameters(&self) -> serde_json::Value {
        each!(self, params => to_json(params))
    }

    /// Bytes that answering takes beside the graph, at their highest; see [`Study::memory`].
    pub fn memory(&self, sizes: &Sizes) -> u64 {
        each!(self, params => params.memory(sizes))
    }

    /// Answers the question, and says what of the snapshot is no part of the graph.
    pub fn run(&self, graph: &BusinessGraph, cx: &Context) -> Result<Findings, StudyError> {
        cx.check()?;
        let mut found = each!(self, params => params.run(graph, cx))?;
        if let Deleted { nodes: 1.., edges } = graph.deleted() {
            let nodes = counted(graph.deleted().nodes as u64, "node", "nodes");
            let edges = counted(edges as u64, "edge", "edges");
            found
                .caveats
                .push(format!("left out: {nodes} marked as deleted (`deleted_at`), and {edges} at them"));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(subcommand)]
        question: Question,
    }

    fn parse(line: &str) -> Result<Question, clap::Error> {
        Command::try_parse_from(line.split(' ')).map(|command| command.question)
    }

    #[test]
    fn the_command_line_without_flags_is_the_defaults() {
        Command::command().debug_assert();
        for question in Question::all() {
            let name = question.family().name;
            assert_eq!(parse(&format!("study {name}")).expect("no flag is needed"), question);
            assert_eq!(Question::defaults(name), Some(question.clone()));
            let none = serde_json::Map::new();
            assert_eq!(Question::configured(name, &none).expect("nothing is given"), question);
        }
        assert_eq!(Question::defaults("astrology"), None);
    }

    #[test]
    fn flags_and_configuration_say_the_same() {
        let flags =
            parse("study influence --damping 0.5 --relations A,B --metrics degree,pagerank --dangling drop");
        let given = json!({"damping": 0.5, "relations": ["A", "B"], "metrics": ["degree", "pagerank"], "dangling": "drop"});
        let given = given.as_object().expect("an object");
        assert_eq!(
            flags.expect("flags are known"),
            Question::configured("influence", given).expect("names are known")
        );

        let flags = parse("study virality --parents explicit --window 3.5").expect("flags are known");
        let given = json!({"parents": "explicit", "window": 3.5});
        assert_eq!(
            flags,
            Question::configured("virality", given.as_object().expect("an object")).expect("known")
        );
    }

    #[test]
    fn unknown_families_parameters_metrics_and_values_are_the_users_to_mend() {
        let told = |family: &str, given: serde_json::Value| {
            let given = given.as_object().expect("an object").clone();
            let error = Question::configured(family, &given).expect_err("refused");
            assert_eq!(crate::context::Diagnose::fault(&error), crate::context::Fault::Input);
            error.to_string()
        };
        assert!(
            told("astrology", json!({}))
                .contains("influence, community, conversion, paths, virality, discovery")
        );
        assert!(told("influence", json!({"dampng": 0.5})).contains("`dampng`"));
        let much = told("influence", json!({"damping": "hunter2", "tolerance": 1e-3}));
        assert!(much.contains("`damping`") && much.contains("influence") && much.contains("f64"), "{much}");
        for given in
            [json!({"damping": "hunter2"}), json!({"metrics": ["hunter2"]}), json!({"dangling": "hunter2"})]
        {
            assert!(!told("influence", given).contains("hunter2"));
        }
        assert!(parse("study influence --metrics magic").is_err());
    }

    #[test]
    fn no_two_families_share_a_score_or_table() {
        let families = Question::all().map(|q| q.family());
        let mut names: Vec<&str> = families
            .iter()
            .flat_map(|f| f.scores.iter().map(|s| s.name).chain(f.tables.iter().map(|t| t.0)))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for family in families {
            assert!(family.scores.iter().all(|s| s.name.starts_with(&format!("{}_", family.name))));
        }
    }
}
