//! E-mail addresses and telephone numbers: normalised only to be hashed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{LONGEST, MOST_READ, clean, is_invisible, local, tokens};

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

/// `text` with `[e-mail]` for every e-mail address in it, also one whose `@` or dots are written out (`ana(at)fans.example`),
/// `[token]` for every token and `[phone]` for every telephone number written with its `+`, or in a way that only these are
/// (`(555) 123-4567`, `0170 1234567`).
pub fn masked(text: &str) -> Cow<'_, str> {
    let Some(mut told) = masked_once(text) else { return Cow::Borrowed(text) };
    // What stands beside a number that is gone may be one now.
    while let Some(again) = masked_once(&told) {
        told = again;
    }
    Cow::Owned(told)
}

/// Whether an e-mail address or a telephone number is in a text.
pub(super) fn holds_contact(text: &str) -> bool {
    !contacts_in(text).is_empty()
}

/// Whether an e-mail address is in a text.
pub(super) fn holds_email(text: &str) -> bool {
    let mut spans = Vec::new();
    emails_in(text, &mut spans);
    !spans.is_empty()
}

/// Where the e-mail addresses and telephone numbers of a text begin and end.
fn contacts_in(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    if text.contains(['@', '%', '&', '\u{ff20}', '\u{fe6b}', '(', '[', '{']) {
        emails_in(text, &mut spans);
    }
    if text.contains(['+', '%', '\u{ff0b}']) {
        phones_in(text, &mut spans);
    }
    local::phones_in(text, &mut spans);
    spans
}

fn masked_once(text: &str) -> Option<String> {
    let mut spans = contacts_in(text);
    tokens::tokens_in(text, &mut spans);
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

/// How the `@` of an address is written; spaces may stand around it where it is written out.
const AT: [&str; 10] =
    ["@", "%40", "%2540", "&#64;", "&commat;", "\u{ff20}", "\u{fe6b}", "(at)", "[at]", "{at}"];

/// The dot of a host, and what is read as one (RFC 3490).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// How the dot of an address is written out.
const DOT: [&str; 6] = ["(dot)", "[dot]", "{dot}", " (dot) ", " [dot] ", " {dot} "];

/// Adds where the e-mail addresses of a text begin and end.
fn emails_in(text: &str, spans: &mut Vec<Span>) {
    // As long as the text, byte for byte.
    let lower = text.to_ascii_lowercase();
    let mut signs: Vec<_> =
        AT.iter().flat_map(|sign| lower.match_indices(sign).map(|(at, _)| (at, at + sign.len()))).collect();
    signs.sort_unstable();
    // What is before the last address is no part of the next.
    let mut last = 0;
    for (at, behind) in signs {
        let [before, after] = [&lower[last..at], &lower[behind..]];
        // `(AT)` behind a space is Austria, and `A @ b.c` who plays where.
        let may_be_apart = matches!(&text[at..behind], "(at)" | "[at]" | "{at}");
        let [before, after] =
            if may_be_apart { [before.trim_end(), after.trim_start()] } else { [before, after] };
        if !after.starts_with(is_host) {
            continue;
        }
        let host = host_of(after);
        let top = host.rsplit_once(|c| DOTS.contains(&c) || ")]}".contains(c)).map_or("", |(_, top)| top);
        let named =
            top.chars().filter(|c| !is_invisible(*c)).count() >= 2 && top.contains(char::is_alphabetic);
        let is_handle = |start: &usize| is_handle(&before[..*start]);
        if let Some(start) = local_of(before).filter(|start| named && !is_handle(start)) {
            spans.push((last + start, lower.len() - after.len() + host.len(), "[e-mail]"));
            last = behind;
        }
    }
}

/// Whether what stands before a local part makes it a handle of the fediverse: `@ana@techno.example`.
fn is_handle(before: &str) -> bool {
    before.strip_suffix('@').is_some_and(|before| before.is_empty() || before.ends_with(['/', ' ', '(']))
}

/// Where the local part begins that a text ends with.
fn local_of(before: &str) -> Option<usize> {
    let is_local = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]{},;:\"/\\|=&?#@".contains(c);
    if let Some(quoted) = before.strip_suffix('"') {
        return quoted.rfind('"');
    }
    let mut rest = before;
    loop {
        let run = rest.trim_end_matches(is_local);
        match DOT.iter().find_map(|dot| run.strip_suffix(dot)).filter(|_| run.len() < rest.len()) {
            Some(shorter) => rest = shorter,
            None => return (run.len() < before.len()).then_some(run.len()),
        }
    }
}

fn is_host(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || DOTS.contains(&c) || is_invisible(c)
}

/// The host that a text begins with.
fn host_of(after: &str) -> &str {
    let mut rest = after;
    loop {
        rest = rest.trim_start_matches(is_host);
        match DOT.iter().find_map(|dot| rest.strip_prefix(dot)).filter(|rest| rest.starts_with(is_host)) {
            Some(shorter) => rest = shorter,
            None => return after[..after.len() - rest.len()].trim_end_matches(['.', '-']),
        }
    }
}

/// Adds where the telephone numbers of a text begin and end: a `+`, or its code, that does not stand right behind a letter or
/// digit, except those of an e-mail address or of another number.
fn phones_in(text: &str, spans: &mut Vec<Span>) {
    let ends: BTreeSet<usize> = spans.iter().map(|(_, end, _)| *end).collect();
    let mut last = 0;
    let mut signs: Vec<_> = ["+", "\u{ff0b}", "%2B", "%2b", "%252B", "%252b"]
        .into_iter()
        .flat_map(|sign| text.match_indices(sign))
        .collect();
    signs.sort_unstable();
    for (start, sign) in signs {
        if text[..start].ends_with(char::is_alphanumeric) && start != last && !ends.contains(&start) {
            continue;
        }
        let mut digits = 0;
        let mut end = start;
        let behind = start + sign.len();
        for (at, c) in text[behind..].char_indices() {
            if c.is_numeric() {
                digits += 1;
                end = behind + at + c.len_utf8();
            } else if !is_separator(c) {
                break;
            }
        }
        if local::is_date(text[behind.min(end)..end].trim()) {
            continue;
        }
        if (8..=15).contains(&digits) {
            last = end;
            spans.push((start, end, "[phone]"));
        }
    }
}
