//! Names of nodes and of the source rows behind them.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::canonical::{
    content_url, email_sha256, masked, percent_decoded as decoded_once, phone_sha256, sha256,
};
use super::names::Held;

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
        Self(format!("ent:{}", safe_id(id)))
    }

    /// The uid of a visitor, known by a device only.
    pub fn visitor(anonymous_id: &str) -> Self {
        Self(format!("anon:{}", safe_id(anonymous_id)))
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
            [system, table, pk] => format!("{system}:{table}:{}", safe_id(pk)),
            _ => text.to_owned(),
        }
    }
}

impl Serialize for SourceRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (Held(&self.system), &self.table, &self.pk).serialize(to)
    }
}

impl<'de> Deserialize<'de> for SourceRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (Held(system), table, pk) = Deserialize::deserialize(from)?;
        Ok(Self { system, table, pk })
    }
}

/// The most bytes of an id that stands for itself.
const LONGEST: usize = 1024;

/// An id of a source as it may stand in a uid, a reference, a table or a report: itself, or `sha256-…` of what must not or
/// cannot stand there.
///
/// That is what is or holds an e-mail address, a telephone number or a token, or the address of a page that [`content_url`]
/// would tell otherwise, because these reach the graph as their hash only; what is empty, begins or ends with a space, holds control characters or has more than 1 KiB, because a graph server
/// dies of such unique values. Trimmed, two ids could become one.
pub fn safe_id(id: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'@' | b'+' | b'%');
    let is_page = || id.contains("://") && content_url(id).is_none_or(|url| url != id);
    let is_masked = || masked(id) != id || is_page();
    if id.is_empty() || id.len() > LONGEST || id.trim() != id || id.contains(char::is_control) {
        return Cow::Owned(hash_of(id));
    }
    let tells = if id.bytes().all(plain) { is_masked() } else { is_masked() || is_somebody(id) };
    if tells { Cow::Owned(hash_of(id)) } else { Cow::Borrowed(id) }
}

/// Whether an id is an e-mail address or a telephone number, however it is encoded and spaced. In a name, `A @ b.c` would be
/// who plays where.
fn is_somebody(id: &str) -> bool {
    let id: String = percent_decoded(id).split_whitespace().collect();
    let has_sides = |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty();
    id.replace(['\u{ff20}', '\u{fe6b}'], "@").rsplit_once('@').is_some_and(has_sides)
        || phone_sha256("", &id).is_some()
        || masked(&id) != id
}

/// The hash of an id: of the address or number that it is, else of all of it.
fn hash_of(id: &str) -> String {
    let known = || email_sha256(id).or_else(|| phone_sha256("", &percent_decoded(id)));
    let hash = if id.len() <= LONGEST { known() } else { None };
    format!("sha256-{}", hash.unwrap_or_else(|| sha256(id)))
}

/// `%41` decoded until nothing is left to decode.
fn percent_decoded(id: &str) -> String {
    let mut text = id.to_owned();
    // Every turn shortens the text.
    while let decoded = decoded_once(&text)
        && decoded != text
    {
        text = decoded;
    }
    text
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.system, self.table, safe_id(&self.pk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_tells_who_somebody_is_or_kills_a_server_is_told_as_its_hash() {
        for id in [
            "u-ana",
            "anon-1",
            "1a000000-0000-4000-8000-000000000001",
            "Ünï",
            "a b",
            "@handle",
            "C++",
            "100%",
            "a%20b",
            "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "https://openid.example/id/76561198000000000",
        ] {
            assert_eq!(safe_id(id), id);
        }
        let phone = phone_sha256("", "+49 170 1234567").expect("a number");
        for written in ["+491701234567", "%2B491701234567", "%252b491701234567", "+49 (0)170 1234567"] {
            assert_eq!(safe_id(written), format!("sha256-{phone}"));
        }
        let long = "y".repeat(1025);
        let deadly = ["a\u{1}b", "", " ", "a ", " a", "a\t", "\u{a0}a", &long];
        let addresses = [
            "user:ana@fans.example",
            "Ana <ana@fans.example>",
            "ana%40fans.example",
            "ana%2540fans.example",
            "\"ana bello\"@fans.example",
            "ana.bello @ fans.example",
            "ana.bello(at)fans.example",
            "ana [at] fans [dot] example",
            "ana bello＠fans",
            "ana@fans．example",
            "https://sonik.example/magic-link/abc",
            "https://sonik.example/me?token=abc",
        ];
        let tokens = [
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "ghp_0123456789abcdef0123",
            "xZ3-k9QmB7vTn2RwLs8YpHd4GfJc6VbN1M_a0S",
        ];
        for id in deadly.into_iter().chain(addresses).chain(tokens) {
            let told = safe_id(id);
            assert!(told.starts_with("sha256-") && told.len() == 71, "{id:?}: {told}");
        }
        assert_ne!(safe_id("a "), safe_id("a\t"));
        assert_eq!(Uid::visitor("ana@fans.example"), Uid::visitor(" ANA@fans.example"));
    }

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
