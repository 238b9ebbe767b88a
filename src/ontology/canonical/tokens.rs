//! Tokens: texts that let in whoever holds them. They reach graph, snapshot and output as their hash or not at all.
//!
//! One is told by how it is written: a signed token (RFC 7519), one with the prefix of a well-known issuer, or so many
//! letters and digits in no order that nothing is named so.

use std::borrow::Cow;

use super::contacts::{Span, sha256};

/// How the tokens of well-known issuers begin.
const PREFIXES: [&str; 28] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxs-",
    "xapp-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "sb_secret_",
    "shpat_",
    "shpss_",
    "pat-na1-",
    "npm_",
    "AKIA",
    "ASIA",
    "AIza",
    "GOCSPX-",
    "ya29-",
];

/// The fewest bytes of a token behind the prefix of its issuer; one of them is a digit.
const FEWEST_PREFIXED: usize = 16;

/// The fewest letters and digits of one that is told by having no order. The ids that sign-on services give to people
/// (20 to 28) and place ids (27) have fewer.
const FEWEST_OPAQUE: usize = 30;

/// The fewest of one in one case only: with fewer, ids are written so, too (a UUID without its hyphens has 32).
const FEWEST_ONE_CASE: usize = 33;

/// The fewest digits of one in hexadecimal: those with fewer are ids, too.
const FEWEST_HEX: usize = 40;

/// Small letters in a row that stand in a word and seldom in what has no order.
const WORD: usize = 6;

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

/// How long the signed token is that a text begins with: a header that is a JSON object, a payload, and a signature, which an
/// unsigned one has not.
fn signed_at(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '=');
    let part_of = |text: &str| text.find(|c| !is_part(c)).unwrap_or(text.len());
    let header = part_of(text);
    let behind = text[header..].strip_prefix('.').filter(|_| text.starts_with("eyJ") && header >= 8)?;
    (part_of(behind) >= 6).then(|| text.find(|c| c != '.' && !is_part(c)).unwrap_or(text.len()))
}

/// Whether letters, digits, `_` and `-` without anything else between are a token.
fn is_token(run: &str) -> bool {
    if is_issued(run) {
        return true;
    }
    if run.len() < FEWEST_OPAQUE || is_hash(run) {
        return false;
    }
    let mut opaque = 0;
    for part in run.split(['_', '-']) {
        let any = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
        let (upper, lower) = (any(u8::is_ascii_uppercase), any(u8::is_ascii_lowercase));
        let runs =
            |kind: fn(&u8) -> bool| part.as_bytes().split(move |b| !kind(b)).filter(|run| !run.is_empty());
        let numbers = runs(u8::is_ascii_digit).count();
        let is_hex = part.bytes().all(|b| b.is_ascii_hexdigit());
        if numbers > 0
            && (is_hex && part.len() >= FEWEST_HEX || !is_hex && part.len() >= FEWEST_ONE_CASE && numbers > 2)
        {
            return true;
        }
        let has_words = numbers < 3 && runs(u8::is_ascii_lowercase).any(|word| word.len() >= WORD);
        if upper && lower && numbers > 0 && !has_words {
            opaque += part.len();
        }
    }
    opaque >= FEWEST_OPAQUE
}

/// Whether a run has the prefix of an issuer, at its beginning or behind `_` or `-`, and what follows is no word.
pub(super) fn is_issued(run: &str) -> bool {
    let behind = run.match_indices(['_', '-']).map(|(at, _)| &run[at + 1..]);
    std::iter::once(run).chain(behind).any(|text| {
        PREFIXES
            .iter()
            .filter_map(|prefix| text.strip_prefix(prefix))
            .any(|rest| rest.len() >= FEWEST_PREFIXED && rest.bytes().any(|b| b.is_ascii_digit()))
    })
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
