//! Instagram handles.

use super::{CanonicalId, MOST_READ, clean, percent_decoded, split_host, split_scheme};

/// First path segments of Instagram that name a page of the site, not somebody.
const RESERVED: &[&str] = &[
    "p",
    "reel",
    "reels",
    "tv",
    "explore",
    "accounts",
    "about",
    "developer",
    "directory",
    "legal",
    "web",
    "direct",
    "s",
    "share",
    "graphql",
    "api",
    "oauth",
    "challenge",
    "press",
    "blog",
    "privacy",
    "terms",
    "popular",
    "locations",
    "tags",
    "emails",
    "session",
    "static",
    "topics",
    "hashtag",
    "help",
    "jobs",
    "ar",
    "stories",
    "_u",
];

fn handle(raw: &str) -> Option<CanonicalId> {
    let name = clean(&percent_decoded(raw)).to_lowercase();
    let fits = (1..=30).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !RESERVED.contains(&name.as_str());
    fits.then(|| CanonicalId(format!("instagram.com/{name}")))
}

/// `instagram.com/<handle>` of a profile address, story, deep link or `@handle`; a bare word is a name and gives none.
///
/// Handles can be renamed and used again by others: this is an address, not a person.
pub fn instagram(raw: &str) -> Option<CanonicalId> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(raw);
    if let Some(name) = text.strip_prefix('@') {
        return handle(name);
    }
    let (scheme, rest) = split_scheme(&text);
    if scheme.as_deref() == Some("instagram") {
        let (action, query) = rest.split_once('?')?;
        let username = query.split(['&', '#']).find_map(|pair| pair.strip_prefix("username="))?;
        return if action.trim_end_matches('/') == "user" { handle(username) } else { None };
    }
    let (host, tail) = split_host(rest);
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.split(['/', '\\']).filter(|segment| !segment.is_empty());
    let first = segments.next()?;
    match host.to_ascii_lowercase().as_str() {
        "instagram.com" | "www.instagram.com" | "m.instagram.com" | "instagr.am" | "www.instagr.am" => {
            match percent_decoded(first).to_lowercase().as_str() {
                "stories" => {
                    segments.next().filter(|s| !s.eq_ignore_ascii_case("highlights")).and_then(handle)
                }
                "_u" => segments.next().and_then(handle),
                _ => handle(first),
            }
        }
        "ig.me" if first.eq_ignore_ascii_case("m") => segments.next().and_then(handle),
        _ => None,
    }
}
