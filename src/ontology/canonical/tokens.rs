//! Tokens: texts that let in whoever holds them. They reach graph, snapshot and output as their hash or not at all.
//!
//! One is told by how it is written: a signed token (RFC 7519), one with the prefix of a well-known issuer, or so many
//! letters and digits in no order that nothing is named so.

use std::borrow::Cow;

use super::contacts::{Span, sha256};

/// How the tokens of well-known issuers begin.
const PREFIXES: [&str; 18] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "shpat_",
    "npm_",
    "AKIA",
    "AIza",
];

/// The fewest bytes of a token behind the prefix of its issuer.
const FEWEST_PREFIXED: usize = 16;

/// The fewest letters and digits of one that is told by having no order. The ids that sign-on services give to people
/// (20 to 28) and place ids (27) have fewer.
const FEWEST_OPAQUE: usize = 30;

/// The fewest digits of one in hexadecimal: those with fewer are ids, too.
const FEWEST_HEX: usize = 40;

/// Adds where the tokens of a text begin and end.
pub(super) fn tokens_in(text: &str, spans: &mut Vec<Span>) {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| is_part(**b)).count();
        let start = at;
        at += length.max(1);
        if length < 3 {
            continue;
        }
        if let Some(signed) = signed_at(&text[start..]) {
            at = start + signed;
            spans.push((start, at, "[token]"));
        } else if is_token(&text[start..at]) {
            spans.push((start, at, "[token]"));
        }
    }
}

/// How long the signed token is that a text begins with: a header that is a JSON object, a payload, a signature.
fn signed_at(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '=');
    let run = text.strip_prefix("eyJ").map(|_| &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())])?;
    (run.matches('.').count() >= 2).then_some(run.len())
}

/// Whether letters, digits, `_` and `-` without anything else between are a token.
fn is_token(run: &str) -> bool {
    if PREFIXES.iter().any(|p| run.strip_prefix(p).is_some_and(|rest| rest.len() >= FEWEST_PREFIXED)) {
        return true;
    }
    if run.len() < FEWEST_OPAQUE || is_hash(run) {
        return false;
    }
    let mut opaque = 0;
    for part in run.split(['_', '-']) {
        let any = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
        let (upper, lower) = (any(u8::is_ascii_uppercase), any(u8::is_ascii_lowercase));
        let digit = any(u8::is_ascii_digit);
        if part.len() >= FEWEST_HEX && digit && part.bytes().all(|b| b.is_ascii_hexdigit()) {
            return true;
        }
        if upper && lower && digit {
            opaque += part.len();
        }
    }
    opaque >= FEWEST_OPAQUE
}

/// Whether this is what stands for a text that must not be told.
fn is_hash(run: &str) -> bool {
    run.strip_prefix("sha256-").is_some_and(|hash| {
        hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    })
}

/// What stands for a text that must not be told where two such have to stay two.
pub fn hashed(text: &str) -> String {
    if is_hash(text) { text.to_owned() } else { format!("sha256-{}", sha256(text)) }
}

/// `text` with the hash of every token in its place.
pub(super) fn hashed_tokens(text: &str) -> Cow<'_, str> {
    let mut spans = Vec::new();
    tokens_in(text, &mut spans);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut told = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, _) in spans {
        told.push_str(&text[done..start]);
        told.push_str(&hashed(&text[start..end]));
        done = end;
    }
    told.push_str(&text[done..]);
    Cow::Owned(told)
}
