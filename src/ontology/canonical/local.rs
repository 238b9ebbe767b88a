//! Telephone numbers that do not tell their country: found where nothing else is written so, or where the number is known.

use std::borrow::Cow;

use super::contacts::{Span, is_separator, phone};

/// The fewest digits of a number that is told by the way it is written.
const FEWEST: usize = 9;

/// The fewest digits of one that is known.
const FEWEST_KNOWN: usize = 6;

/// Adds where the telephone numbers of a text begin and end that are written as those of a country: `(555) 123-4567`,
/// `555-123-4567`, `555.123.4567`; behind a trunk zero `0170 1234567`, `(030) 123456-78`, `020 7946 0958`.
///
/// What may be a date, a price, a part of an address of a page or a longer id stays.
pub(super) fn phones_in(text: &str, spans: &mut Vec<Span>) {
    if text.bytes().filter(u8::is_ascii_digit).nth(FEWEST - 1).is_none() {
        return;
    }
    let groups = Groups::of(text);
    let mut at = 0;
    while at < groups.ends.len() {
        match groups.number_at(at) {
            Some((start, length)) => {
                at += length;
                spans.push((start, groups.ends[at - 1].1, "[phone]"));
            }
            None => at += 1,
        }
    }
}

/// The runs of digits of a text.
struct Groups<'t> {
    text: &'t str,
    ends: Vec<(usize, usize)>,
}

impl<'t> Groups<'t> {
    fn of(text: &'t str) -> Self {
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
            match ends.last_mut() {
                Some((_, end)) if *end == at => *end += 1,
                _ => ends.push((at, at + 1)),
            }
        }
        Self { text, ends }
    }

    /// How many digits a group has; none behind the last.
    fn digits(&self, at: usize) -> usize {
        self.ends.get(at).map_or(0, |(start, end)| end - start)
    }

    /// What stands between a group and the next.
    fn between(&self, at: usize) -> &'t str {
        self.ends.get(at + 1).map_or("", |(next, _)| &self.text[self.ends[at].1..*next])
    }

    /// Where the number begins whose first group this is, and how many groups it has.
    fn number_at(&self, at: usize) -> Option<(usize, usize)> {
        let (first, end) = self.ends[at];
        let bracketed = self.text[..first].ends_with('(') && self.text[end..].starts_with(')');
        let start = first - usize::from(bracketed);
        let is_apart = |c: char| !c.is_alphanumeric() && !"/-._%+".contains(c);
        if !self.text[..start].chars().next_back().is_none_or(is_apart) {
            return None;
        }
        let one = |between: &str| {
            let mut letters = between.chars();
            letters.next().is_some_and(is_separator) && letters.next().is_none() && !"()".contains(between)
        };
        let [head, tail] = [self.between(at), self.between(at + 1)];
        let joined = match head.strip_prefix(')') {
            Some(rest) if bracketed => rest.is_empty() || one(rest),
            _ => !bracketed && one(head),
        };
        if !joined {
            return None;
        }
        let alike = one(tail) && (bracketed || head == tail);
        let trunk = self.text[first..end].strip_prefix('0').is_some_and(|rest| !rest.starts_with('0'))
            && (3..=5).contains(&self.digits(at));
        let sizes = [self.digits(at), self.digits(at + 1), self.digits(at + 2)];
        let length = match sizes {
            [3, 3, 4] if alike && (bracketed || matches!(head, "-" | ".")) => 3,
            [_, 5..=9, 1..=4] if trunk && tail == "-" => 3,
            [_, 3..=4, 3..=4] if trunk && alike => 3,
            [_, 6..=9, _] if trunk => 2,
            _ => return None,
        };
        self.ends_at(at + length - 1).then_some((start, length))
    }

    /// Whether nothing that belongs to a group follows it.
    fn ends_at(&self, at: usize) -> bool {
        let mut rest = self.text[self.ends[at].1..].chars();
        match rest.next() {
            Some('-' | '.' | '/') => !rest.next().is_some_and(char::is_alphanumeric),
            Some('_' | '@' | '%' | '=') => false,
            next => !next.is_some_and(char::is_alphanumeric),
        }
    }
}

/// A name without a telephone number that is known to be its bearer's, however that is written; `[phone]` stands for it.
pub fn without_number<'t>(name: &'t str, calling_code: &str, number: &str) -> Cow<'t, str> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (known, abroad) = (digits(number), phone(calling_code, number));
    let is_part = |c: char| c.is_ascii_digit() || c == '+' || is_separator(c);
    let mut told = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        let run = &rest[start..];
        let run = &run[..run.find(|c| !is_part(c)).unwrap_or(run.len())];
        let run = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        let same = digits(run).len() >= FEWEST_KNOWN
            && (digits(run) == known || abroad.is_some() && phone(calling_code, run) == abroad);
        told.push_str(&rest[..start]);
        told.push_str(if same { "[phone]" } else { run });
        // A `+` without digits is a run of nothing.
        let next = start + run.len();
        let skipped = usize::from(run.is_empty());
        told.push_str(&rest[next..next + skipped]);
        rest = &rest[next + skipped..];
    }
    if told.is_empty() {
        return Cow::Borrowed(name);
    }
    told.push_str(rest);
    Cow::Owned(told)
}
