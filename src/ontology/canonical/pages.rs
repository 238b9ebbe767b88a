//! Web pages that are shared.

use std::borrow::Cow;

use super::contacts::{holds_contact, masked};
use super::tokens::{hashed, hashed_tokens};
use super::{LONGEST, MOST_READ, clean, percent_decoded};

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

/// Query parameters that let somebody in or say who somebody is, by words in their names.
const SECRETS: [&str; 15] = [
    "token",
    "secret",
    "passw",
    "pwd",
    "signature",
    "apikey",
    "api_key",
    "api-key",
    "auth",
    "credential",
    "session",
    "jwt",
    "mail",
    "phone",
    "hmac",
];

/// What a path says of its next segment where that lets somebody in; `-` and `_` between its words may be left out.
const DOORS: [&str; 22] = [
    "activate",
    "activation",
    "confirm",
    "invitation",
    "invitations",
    "invite",
    "invites",
    "jwt",
    "login",
    "magic",
    "magiclink",
    "optout",
    "otp",
    "passwordreset",
    "reset",
    "resetpassword",
    "secret",
    "session",
    "signin",
    "token",
    "unsubscribe",
    "verify",
];

/// A segment of a path as it may be told: the hash stands for a token.
fn told_segment<'s>(before: &str, segment: &'s str) -> Cow<'s, str> {
    let before: String = before.to_ascii_lowercase().replace(['-', '_'], "");
    let holds_secret = || segment.split(';').any(|pair| pair.contains('=') && is_secret(pair));
    if !segment.is_empty() && (DOORS.contains(&before.as_str()) || holds_secret()) {
        return Cow::Owned(hashed(segment));
    }
    hashed_tokens(segment)
}

/// A path as it may be told.
fn told_path(path: &str) -> String {
    let before = std::iter::once("").chain(path.split('/'));
    let segments: Vec<_> = before.zip(path.split('/')).map(|(before, it)| told_segment(before, it)).collect();
    segments.join("/")
}

/// Whether a parameter is somebody's and no part of the page's address.
fn is_secret(pair: &str) -> bool {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let key = percent_decoded(key).to_ascii_lowercase();
    let value = percent_decoded(value);
    SECRETS.iter().any(|word| key.contains(word))
        || matches!(key.as_str(), "sid" | "sig" | "otp" | "tel" | "mobile")
        // A signed token that names itself by no key.
        || (value.starts_with("eyJ") && value.matches('.').count() >= 2)
        // A `+` of a query may be a space.
        || [&key, &value].into_iter().any(|told| holds_contact(told) || holds_contact(&told.replace('+', " ")))
}

/// A web address in its one spelling: host in lower case, no default port, no user, no fragment, no tracking parameters,
/// none that are somebody's (tokens, e-mail addresses), the remaining parameters in order, no trailing slash. The hash stands
/// for a token in the path or in a parameter of another name, so that two such pages stay two. None for what is no `http` or
/// `https` address, holds an e-mail address in its path, or is longer than [`LONGEST`].
pub fn content_url(raw: &str) -> Option<String> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(raw);
    let mut url = url::Url::parse(&text).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    let mut kept: Vec<Cow<'_, str>> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| {
            !pair.is_empty() && !is_tracking(pair.split('=').next().unwrap_or_default()) && !is_secret(pair)
        })
        .map(hashed_tokens)
        .collect();
    kept.sort_unstable();
    let query = (!kept.is_empty()).then(|| kept.join("&"));
    url.set_query(query.as_deref());
    let path = told_path(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    let mut text = url.to_string();
    if url.query().is_none() {
        text.truncate(text.trim_end_matches('/').len());
    }
    let path = percent_decoded(url.path());
    (text.len() <= LONGEST && masked(&path) == path && masked(&text) == text).then_some(text)
}
