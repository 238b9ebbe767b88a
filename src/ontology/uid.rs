//! Names of nodes and of the source rows behind them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::canonical::email_sha256;

/// The unique, lasting name of a node: `ent:<uuid>` where a unified entity exists, `<system>:<table>:<pk>` otherwise,
/// `anon:<anonymous_id>` for a visitor, the normalised URL for content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(String);

impl Uid {
    /// Takes an existing uid as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The uid of a unified entity.
    pub fn entity(id: &str) -> Self {
        Self(format!("ent:{id}"))
    }

    /// The uid of a visitor, known by a device only.
    pub fn visitor(anonymous_id: &str) -> Self {
        Self(format!("anon:{anonymous_id}"))
    }

    /// The text of the uid.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SourceRef> for Uid {
    fn from(row: SourceRef) -> Self {
        Self(row.to_string())
    }
}

/// One row of one source: the system, its schema-qualified table and the primary key as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRef {
    /// `directus`, `twenty`, `touchpoints` or `unified`.
    pub system: &'static str,
    /// Schema-qualified table, for example `directus.venues`.
    pub table: String,
    /// The primary key as text.
    pub pk: String,
}

impl SourceRef {
    /// Names a source row.
    pub fn new(system: &'static str, table: impl Into<String>, pk: impl Into<String>) -> Self {
        Self { system, table: table.into(), pk: pk.into() }
    }

    /// The text that [`SourceRef`] prints for a row named as `system:table:pk` by somebody else.
    pub fn reread(text: &str) -> String {
        match text.splitn(3, ':').collect::<Vec<_>>()[..] {
            [system, table, pk] => format!("{system}:{table}:{}", printed(pk)),
            _ => text.to_owned(),
        }
    }
}

/// A primary key as it is printed: one that is an e-mail only as its hash, because e-mails never reach the graph.
fn printed(pk: &str) -> Cow<'_, str> {
    let hash = if pk.contains('@') { email_sha256(pk) } else { None };
    hash.map_or(Cow::Borrowed(pk), |hash| Cow::Owned(format!("sha256-{hash}")))
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.system, self.table, printed(&self.pk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_an_email_is_printed_as_its_hash() {
        let row = SourceRef::new("touchpoints", "web.users", "Ana@fans.example");
        let hash = email_sha256("ana@fans.example").expect("an e-mail");
        assert_eq!(row.to_string(), format!("touchpoints:web.users:sha256-{hash}"));
        assert_eq!(SourceRef::reread("touchpoints:web.users:ana@fans.example"), row.to_string());
        assert_eq!(
            SourceRef::new("directus", "directus.events", "1").to_string(),
            "directus:directus.events:1"
        );
    }
}
