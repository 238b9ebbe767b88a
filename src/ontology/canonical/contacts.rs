//! E-mail addresses and telephone numbers: normalised only to be hashed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{LONGEST, MOST_READ, clean, is_invisible, local};

/// An e-mail without outer white space and in lower case; dots and `+` stay. Texts without both sides of an `@` give none.
pub fn email(raw: &str) -> Option<String> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(&clean(raw).to_lowercase());
    let (local, host) = text.rsplit_once('@')?;
    let fits =
        text.len() <= LONGEST && !local.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace);
    fits.then_some(text)
}

/// SHA-256 of the normalised e-mail in hex; the only form in which an e-mail reaches the graph.
pub fn email_sha256(raw: &str) -> Option<String> {
    email(raw).map(|text| sha256(&text))
}

/// SHA-256 of `text` in hex.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).expect("a nibble is a hex digit"));
        hex.push(char::from_digit(u32::from(byte & 15), 16).expect("a nibble is a hex digit"));
        hex
    })
}

/// Calling codes whose national numbers keep their leading zero abroad.
const ZERO_STAYS: [&str; 7] = ["39", "225", "229", "241", "242", "378", "379"];

/// A telephone number in E.164, `+` and at most 15 digits.
///
/// One that does not say its country, by `+` or `00`, is taken to be of `calling_code` (`+44`, `44`); without either, and
/// with letters in it, it gives none.
pub fn phone(calling_code: &str, number: &str) -> Option<String> {
    if number.len().max(calling_code.len()) > MOST_READ {
        return None;
    }
    let text = clean(number).replace("(0)", "");
    let (abroad, rest) = match text.strip_prefix('+').or_else(|| text.strip_prefix("00")) {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let mut digits = String::new();
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            c if is_separator(c) => {}
            _ => return None,
        }
    }
    if !abroad {
        let code = clean(calling_code);
        let code = code.strip_prefix('+').or_else(|| code.strip_prefix("00")).unwrap_or(&code);
        if !(1..=3).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if !ZERO_STAYS.contains(&code) && digits.starts_with('0') {
            digits.remove(0);
        }
        digits.insert_str(0, code);
    }
    ((8..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

/// SHA-256 of the number in E.164 in hex; the only form in which a telephone number reaches the graph.
pub fn phone_sha256(calling_code: &str, number: &str) -> Option<String> {
    phone(calling_code, number).map(|text| sha256(&text))
}

pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
        || is_invisible(c)
}

/// `text` with `[e-mail]` for every e-mail address in it and `[phone]` for every telephone number written with its `+`, or in
/// a way that only these are (`(555) 123-4567`, `0170 1234567`).
pub fn masked(text: &str) -> Cow<'_, str> {
    let Some(mut told) = masked_once(text) else { return Cow::Borrowed(text) };
    // What stands beside a number that is gone may be one now.
    while let Some(again) = masked_once(&told) {
        told = again;
    }
    Cow::Owned(told)
}

fn masked_once(text: &str) -> Option<String> {
    let mut spans: Vec<Span> = Vec::new();
    if text.contains(['@', '+', '\u{ff20}', '\u{fe6b}', '\u{ff0b}']) || text.contains("%40") {
        spans.extend(emails_in(text));
        phones_in(text, &mut spans);
    }
    local::phones_in(text, &mut spans);
    if spans.is_empty() {
        return None;
    }
    spans.sort_unstable();
    let mut told = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, what) in spans {
        // Where two overlap, the first stands for both.
        if start >= done {
            told.push_str(&text[done..start]);
            told.push_str(what);
        }
        done = done.max(end);
    }
    told.push_str(&text[done..]);
    Some(told)
}

/// Where something begins and ends, and what it is.
pub(super) type Span = (usize, usize, &'static str);

/// Where the e-mail addresses of a text begin and end.
fn emails_in(text: &str) -> impl Iterator<Item = Span> {
    let is_local = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]{},;:\"/\\|=&?#@".contains(c);
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-') || is_invisible(c);
    let signs = ["@", "%40", "\u{ff20}", "\u{fe6b}"].into_iter().flat_map(|sign| text.match_indices(sign));
    signs.filter_map(move |(at, sign)| {
        let after = &text[at + sign.len()..];
        let start = text[..at].char_indices().rev().take_while(|&(_, c)| is_local(c)).last()?.0;
        let host = after.find(|c| !is_host(c)).map_or(after, |end| &after[..end]);
        let host = host.trim_end_matches(['.', '-']);
        let (_, top) = host.rsplit_once('.')?;
        let named =
            top.chars().filter(|c| !is_invisible(*c)).count() >= 2 && top.contains(char::is_alphabetic);
        named.then_some((start, at + sign.len() + host.len(), "[e-mail]"))
    })
}

/// Adds where the telephone numbers of a text begin and end: a `+` that does not stand right behind a letter or digit, except
/// those of an e-mail address or of another number.
fn phones_in(text: &str, spans: &mut Vec<Span>) {
    let ends: BTreeSet<usize> = spans.iter().map(|(_, end, _)| *end).collect();
    let mut last = 0;
    for (start, sign) in text.match_indices(['+', '\u{ff0b}']) {
        if text[..start].ends_with(char::is_alphanumeric) && start != last && !ends.contains(&start) {
            continue;
        }
        let mut digits = 0;
        let mut end = start;
        for (at, c) in text[start + sign.len()..].char_indices() {
            if c.is_numeric() {
                digits += 1;
                end = start + sign.len() + at + c.len_utf8();
            } else if !is_separator(c) {
                break;
            }
        }
        if (8..=15).contains(&digits) {
            last = end;
            spans.push((start, end, "[phone]"));
        }
    }
}
