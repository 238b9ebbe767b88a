//! Where facts come from.
//!
//! Every source system is read into its own [`rows`], which are turned into [`facts`], the one vocabulary that the
//! mirror understands: things, links, touches, identities and claims, with addresses as raw as the source holds them.

pub mod facts;
pub mod falkordb;
pub mod postgres;
pub mod rows;
pub mod synthetic;

use facts::Facts;
use rows::{DirectusRows, TouchpointRows, TwentyRows, UnifiedRows};

/// What a source may be told; everything else is discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// Stages of an opportunity that count as converted.
    pub won_stages: Vec<String>,
    /// Schema of a source by its name, where discovery should not choose; for example `touchpoints` → `sonik_web`.
    pub schemas: std::collections::BTreeMap<String, String>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { won_stages: vec![postgres::twenty::DEFAULT_WON_STAGE.to_owned()], schemas: Default::default() }
    }
}

/// What the rows of all four layouts claim together.
pub fn facts_of(
    directus: &DirectusRows,
    twenty: &TwentyRows,
    unified: &UnifiedRows,
    touchpoints: &TouchpointRows,
    options: &SourceOptions,
) -> Facts {
    let mut facts = Facts::default();
    postgres::directus::facts(directus, &mut facts);
    postgres::twenty::facts(twenty, &options.won_stages, &mut facts);
    postgres::unified::facts(unified, &mut facts);
    postgres::touchpoints::facts(touchpoints, &mut facts);
    facts
}
