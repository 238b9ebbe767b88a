//! Canonical ids: one spelling for every address by which a person, venue or organisation is known outside its source.
//!
//! Normalising twice changes nothing, no input panics, and no answer is longer than [`LONGEST`]. What is no address gives
//! none: the raw value stays with its source row.

mod contacts;
mod domains;
mod handles;
mod hosts;
mod local;
mod pages;
mod places;
mod tokens;
mod words;

use std::fmt;

use unicode_normalization::UnicodeNormalization;

pub use contacts::{email, email_sha256, masked, phone, phone_sha256, sha256};
pub use domains::{MalformedHost, SUFFIX_LIST, SharedHosts, domain, is_shared};
pub use handles::instagram;
pub use hosts::{FREE_MAIL, SHARED_HOSTS};
pub use local::without_number;
pub use pages::content_url;
pub use places::{MapsFeature, NoPlaceId, feature_in, feature_of, place_id};
pub use words::{genre, name_key};

/// The most bytes a canonical id or page has: `FalkorDB` 4.22.1 dies of a unique value longer than 4 KiB.
pub const LONGEST: usize = 4096;

/// The most bytes that are looked at: no address is longer, however it is written.
const MOST_READ: usize = 16 * LONGEST;

/// An address in its one spelling, for example `instagram.com/newface`, `nightshift.example` or a Google Place ID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalId(String);

impl CanonicalId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of the id, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for CanonicalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that change no reading of an address but make two spellings of it: zero-width and direction marks, variation
/// selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// NFKC without invisible characters and outer white space.
fn clean(raw: &str) -> String {
    let visible: String =
        raw.chars().filter(|c| !is_invisible(*c)).nfkc().filter(|c| !is_invisible(*c)).collect();
    visible.trim().to_owned()
}

/// Decodes `%41` once; a `%` that starts no code stays, and what is then no UTF-8 is marked so.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// What follows `scheme://`, and the scheme in lower case; a text without one is all rest.
fn split_scheme(text: &str) -> (Option<String>, &str) {
    match text.split_once("://") {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) =>
        {
            (Some(scheme.to_ascii_lowercase()), rest)
        }
        _ => (None, text.strip_prefix("//").unwrap_or(text)),
    }
}

/// Host without user, port and trailing dot, and everything after the host.
fn split_host(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    };
    (host.strip_suffix('.').unwrap_or(host), tail)
}

#[cfg(test)]
#[path = "canonical_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
