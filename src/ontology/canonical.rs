//! Canonical ids: one spelling for every address by which a person, venue or organisation is known outside its source.
//!
//! Normalising twice changes nothing, and no input panics. What is no address gives none: the raw value stays with its
//! source row.

use std::fmt;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

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

/// Hosts that rent or lend an address to anybody, so that sharing one means nothing; `name.*` is any suffix.
pub const SHARED_HOSTS: &[&str] = &[
    "bandcamp.com",
    "linktr.ee",
    "beacons.ai",
    "lnk.to",
    "ffm.to",
    "bio.link",
    "facebook.com",
    "fb.com",
    "fb.me",
    "instagram.com",
    "instagr.am",
    "ig.me",
    "twitter.com",
    "x.com",
    "tiktok.com",
    "youtube.com",
    "youtu.be",
    "eventbrite.*",
    "ra.co",
    "residentadvisor.net",
    "dice.fm",
    "soundcloud.com",
    "mixcloud.com",
    "spotify.com",
    "ticketmaster.*",
    "ticketweb.com",
    "axs.com",
    "seetickets.com",
    "skiddle.com",
    "shotgun.live",
    "songkick.com",
    "bandsintown.com",
    "meetup.com",
    "partiful.com",
    "posh.vip",
    "tixr.com",
    "universe.com",
    "squarespace.com",
    "wixsite.com",
    "wix.com",
    "weebly.com",
    "wordpress.com",
    "blogspot.com",
    "tumblr.com",
    "medium.com",
    "substack.com",
    "patreon.com",
    "ko-fi.com",
    "carrd.co",
    "notion.site",
    "google.com",
    "goo.gl",
    "apple.com",
    "linkedin.com",
    "bit.ly",
    "t.me",
    "telegram.me",
    "wa.me",
    "whatsapp.com",
    "discord.gg",
    "discord.com",
    "vk.com",
];

/// Mail providers that give addresses to anybody; `name.*` is any suffix.
pub const FREE_MAIL: &[&str] = &[
    "gmail.com",
    "googlemail.com",
    "outlook.*",
    "hotmail.*",
    "live.com",
    "msn.com",
    "yahoo.*",
    "ymail.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "aol.com",
    "gmx.*",
    "web.de",
    "t-online.de",
    "freenet.de",
    "mail.com",
    "mail.ru",
    "yandex.*",
    "proton.me",
    "protonmail.com",
    "pm.me",
    "zoho.com",
    "hey.com",
    "fastmail.com",
    "orange.fr",
    "free.fr",
    "laposte.net",
    "libero.it",
    "qq.com",
    "163.com",
    "126.com",
    "duck.com",
];

/// Domains that name no organisation: the built-in lists and what an installation adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedHosts {
    more: Vec<String>,
}

impl SharedHosts {
    /// The built-in lists and `more`, each a domain or `name.*` for any suffix.
    pub fn with(more: impl IntoIterator<Item = String>) -> Self {
        Self { more: more.into_iter().map(|host| clean(&host).to_lowercase()).collect() }
    }

    fn holds(&self, host: &str) -> bool {
        let names = SHARED_HOSTS.iter().chain(FREE_MAIL).copied().chain(self.more.iter().map(String::as_str));
        for pattern in names {
            let found = match pattern.strip_suffix(".*") {
                // `eventbrite.co.uk` is registrable, so its first label is the whole name.
                Some(name) => registrable(host).and_then(|d| d.split('.').next()) == Some(name),
                None => host.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            };
            if found {
                return true;
            }
        }
        false
    }
}

/// Characters that change no reading of an address but make two spellings of it: zero-width and direction marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// NFKC without invisible characters and outer white space.
fn clean(raw: &str) -> String {
    let visible: String =
        raw.chars().filter(|c| !is_invisible(*c)).nfkc().filter(|c| !is_invisible(*c)).collect();
    visible.trim().to_owned()
}

/// Decodes `%41` once; a `%` that starts no code stays, and what is then no UTF-8 is marked so.
fn percent_decoded(text: &str) -> String {
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

/// The registrable domain of a host that is already in ASCII.
fn registrable(host: &str) -> Option<&str> {
    psl::domain_str(host)
}

/// The registrable domain that a URL, host or e-mail belongs to, in ASCII; none for an IP, a single label, a bare public
/// suffix, and for hosts shared by many (`shared`).
pub fn domain(raw: &str, shared: &SharedHosts) -> Option<CanonicalId> {
    let text = clean(raw);
    let (_, rest) = split_scheme(&text);
    let (host, _) = split_host(rest);
    if host.is_empty() || host.contains([':', '[', ']', '%']) {
        return None;
    }
    let ascii = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL).ok()?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    let labels = || ascii.split('.');
    if ascii.len() > 253
        || labels().any(|l| l.is_empty() || l.len() > 63)
        || labels().next_back().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()))
        || ascii.parse::<Ipv4Addr>().is_ok()
    {
        return None;
    }
    let name = registrable(ascii)?;
    (!shared.holds(ascii) && !shared.holds(name)).then(|| CanonicalId(name.to_owned()))
}

/// Why a text is no Google Place ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum NoPlaceId {
    /// Nothing is there.
    #[error("is empty")]
    Missing,
    /// It holds `...`: somebody cut it for display.
    #[error("was cut short for display")]
    Truncated,
    /// It starts like a Place ID in another case: somebody lower-cased a text whose case matters.
    #[error("lost its upper and lower case")]
    CaseLost,
    /// It is something else.
    #[error("is no place id")]
    Foreign,
}

/// A Google Place ID, plain or behind `place_id:`, `query_place_id=` or `placeid=`.
///
/// Case matters and there is no greatest length. Equal ids mean the same place; different ones do not mean different places.
///
/// # Errors
/// Says what is wrong with the text, because damage of these ids is worth a report.
pub fn place_id(raw: &str) -> Result<CanonicalId, NoPlaceId> {
    let text = clean(raw);
    if text.is_empty() {
        return Err(NoPlaceId::Missing);
    }
    let lower = text.to_ascii_lowercase();
    let marked = ["query_place_id=", "place_id:", "place_id=", "placeid="]
        .iter()
        .find_map(|mark| lower.find(mark).map(|at| &text[at + mark.len()..]));
    let id = match marked {
        Some(tail) => tail.split(['&', '#', ' ', ',']).next().unwrap_or_default(),
        None => &text,
    };
    if id.contains("...") {
        return Err(NoPlaceId::Truncated);
    }
    if id.len() < 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return Err(NoPlaceId::Foreign);
    }
    if id.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("chij") && start != "ChIJ") {
        return Err(NoPlaceId::CaseLost);
    }
    Ok(CanonicalId(id.to_owned()))
}

/// An e-mail without outer white space and in lower case; dots and `+` stay. Texts without both sides of an `@` give none.
pub fn email(raw: &str) -> Option<String> {
    let text = clean(&clean(raw).to_lowercase());
    let (local, host) = text.rsplit_once('@')?;
    let fits = !local.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace);
    fits.then_some(text)
}

/// SHA-256 of the normalised e-mail in hex; the only form in which an e-mail reaches the graph.
pub fn email_sha256(raw: &str) -> Option<String> {
    email(raw).map(|text| sha256(&text))
}

/// SHA-256 of `text` in hex.
fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is a hex digit"));
        hex.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is a hex digit"));
        hex
    })
}

/// The words of a name in lower case with single spaces, for finding equal names; a name without letters and digits
/// keeps its signs. Equal keys are a hint, never an identity.
pub fn name_key(raw: &str) -> Option<String> {
    let folded: String = clean(&clean(raw).to_lowercase());
    let words = |apart: fn(char) -> bool| {
        folded.split(apart).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let key = words(|c| !c.is_alphanumeric());
    let key = if key.is_empty() { words(char::is_whitespace) } else { key };
    (!key.is_empty()).then_some(key)
}

/// A genre or tag in its one spelling: lower case, single spaces, signs kept (`drum & bass`, `hip-hop`).
///
/// Control characters are spaces, and a text of more than 255 bytes is no genre: FalkorDB 4.22.1 dies of a unique value that
/// holds `\x01` or is longer than 4 KiB.
pub fn genre(raw: &str) -> Option<String> {
    let folded = clean(&clean(raw).to_lowercase());
    let key = folded.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let key = key.collect::<Vec<_>>().join(" ");
    (1..=255).contains(&key.len()).then_some(key)
}

/// Query parameters that say how somebody came to a page, not which page it is.
fn is_tracking(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("utm_")
        || matches!(
            key.as_str(),
            "fbclid"
                | "gclid"
                | "dclid"
                | "gbraid"
                | "wbraid"
                | "msclkid"
                | "ttclid"
                | "twclid"
                | "yclid"
                | "igshid"
                | "igsh"
                | "mc_cid"
                | "mc_eid"
                | "_ga"
                | "_gl"
                | "si"
        )
}

/// A web address in its one spelling: host in lower case, no default port, no user, no fragment, no tracking parameters,
/// the remaining parameters in order, no trailing slash. None for what is no `http` or `https` address.
pub fn content_url(raw: &str) -> Option<String> {
    let text = clean(raw);
    let mut url = url::Url::parse(&text).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    let mut kept: Vec<&str> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !is_tracking(pair.split('=').next().unwrap_or_default()))
        .collect();
    kept.sort_unstable();
    let query = (!kept.is_empty()).then(|| kept.join("&"));
    url.set_query(query.as_deref());
    let mut text = url.to_string();
    if url.query().is_none() {
        text.truncate(text.trim_end_matches('/').len());
    }
    Some(text)
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
