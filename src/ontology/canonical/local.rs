//! Telephone numbers that do not tell their country: found where nothing else is written so, or where the number is known.

use std::borrow::Cow;

use super::contacts::{Span, is_separator, phone};

/// The fewest digits of a number that is told by the way it is written.
const FEWEST: usize = 9;

/// The fewest digits of one that is known.
const FEWEST_KNOWN: usize = 6;

/// Adds where the telephone numbers of a text begin and end that are written as those of a country: `(555) 123-4567`,
/// `1-555-123-4567`, `555.123.4567`, `(11) 91234-5678`; behind a trunk zero `0170 1234567`, `(030) 123456-78`, `06 12 34 56 78`;
/// behind `00` as abroad.
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
        let digits = &self.text[first..end];
        let trunk = digits.strip_prefix('0').is_some_and(|rest| !rest.starts_with('0'))
            && (3..=5).contains(&self.digits(at));
        let sizes = [self.digits(at), self.digits(at + 1), self.digits(at + 2)];
        let length = match sizes {
            [3, 3, 4] if alike && (bracketed || matches!(head, "-" | ".")) => 3,
            [1, 3, 3] if digits == "1" && head == "-" && tail == "-" && self.between(at + 2) == "-" => {
                if self.digits(at + 3) == 4 { 4 } else { return None }
            }
            [3, 7, _] if bracketed => 2,
            [_, 5..=9, 1..=4] if trunk && tail == "-" => 3,
            [2 | 4 | 5, middle, 4] if bracketed && one(tail) && (3..=5).contains(&middle) => 3,
            [_, 3..=4, 3..=4] if trunk && alike => 3,
            [_, 6..=9, _] if trunk => 2,
            _ => self.dialled_at(at)?,
        };
        self.ends_at(at + length - 1).then_some((start, length))
    }

    /// How many groups the number has that begins with a trunk zero, or with `00` and the code of a country.
    fn dialled_at(&self, at: usize) -> Option<usize> {
        let of = |at: usize| &self.text[self.ends[at].0..self.ends[at].1];
        let zeros = of(at).bytes().take_while(|digit| *digit == b'0').count();
        let is_joined = |at: usize| {
            let mut between = self.between(at).chars();
            between.next().is_some_and(|c| is_separator(c) && !"()/".contains(c)) && between.next().is_none()
        };
        let mut length = 1;
        while is_joined(at + length - 1) && length < 7 {
            length += 1;
        }
        let groups: Vec<&str> = (at..at + length).map(of).collect();
        let digits: usize = groups.iter().map(|group| group.len()).sum();
        let fits = match zeros {
            1 => (9..=12).contains(&digits) && (2..=5).contains(&groups[0].len()),
            2 => (10..=17).contains(&digits) && groups[0].len() > 2,
            _ => false,
        };
        // Dates and times are written in pairs, too, but not five alike.
        let pairs = groups.iter().all(|group| group.len() == 2);
        let alike = (at..at + length - 1).all(|nth| self.between(nth) == self.between(at));
        let may_be_time =
            if pairs { length != 5 || !alike } else { groups.iter().any(|group| is_year(group)) };
        (fits && length > 1 && groups[1..].iter().all(|group| group.len() > 1) && !may_be_time)
            .then_some(length)
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

fn is_year(group: &str) -> bool {
    group.len() == 4 && (group.starts_with("19") || group.starts_with("20"))
}

/// Whether all of a text is a date, or two years.
pub(super) fn is_date(text: &str) -> bool {
    let groups: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    match groups[..] {
        [one, other] => is_year(one) && is_year(other),
        [one, other, last] => {
            other.len() <= 2 && (one.len() <= 2 && is_year(last) || is_year(one) && last.len() <= 2)
        }
        _ => false,
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
