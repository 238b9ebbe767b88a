//! Numbers as people read them; the tables at rest keep the exact ones.

use crate::studies::findings::grouped;

/// A whole number with thousands separators.
pub fn count(n: i64) -> String {
    let digits = grouped(n.unsigned_abs());
    if n < 0 { format!("−{digits}") } else { digits }
}

/// A number with three significant digits: `0.0123`, `4.5`, `12,346`, `1.2×10⁻⁷`.
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "–".to_owned()
        } else if x > 0.0 {
            "∞".to_owned()
        } else {
            "−∞".to_owned()
        };
    }
    let size = x.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if (999.5..1e15).contains(&size) {
        return count(x.round() as i64);
    }
    if !(1e-4..1e15).contains(&size) {
        return scientific(x);
    }
    let decimals = 2 - size.log10().floor() as i32;
    signed(x, &trimmed(format!("{size:.*}", decimals.clamp(0, 7) as usize)))
}

fn scientific(x: f64) -> String {
    let text = format!("{:.2e}", x.abs());
    let (mantissa, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
    let raised: String = exponent.chars().map(superscript).collect();
    signed(x, &format!("{}×10{raised}", trimmed(mantissa.to_owned())))
}

fn superscript(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        other => char::from_u32(0x2070 + other.to_digit(10).unwrap_or(0)).unwrap_or(other),
    }
}

fn signed(x: f64, digits: &str) -> String {
    if x < 0.0 { format!("−{digits}") } else { digits.to_owned() }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Writes every number of a column with the same decimals, enough for three significant digits of the largest; where
/// the numbers differ by more than a hundredfold each gets its own, and whole numbers get none.
pub fn aligned(values: impl Iterator<Item = f64> + Clone) -> impl Fn(f64) -> String {
    let is_whole = values.clone().all(|x| x.fract() == 0.0 && x.abs() < 1e15);
    let sizes = values.map(f64::abs).filter(|v| v.is_finite() && *v > 0.0);
    let largest = sizes.clone().fold(0.0, f64::max);
    let smallest = sizes.fold(f64::INFINITY, f64::min);
    let is_even = (1e-8..999.5).contains(&largest) && smallest * 100.0 >= largest;
    let decimals = is_even.then(|| (2 - largest.log10().floor() as i32).clamp(0, 10) as usize);
    move |x| match decimals {
        _ if is_whole && x.is_finite() => count(x as i64),
        Some(decimals) if x.is_finite() => signed(x, &format!("{:.decimals$}", x.abs())),
        _ => number(x),
    }
}

/// A share of one as a percentage: `12.3 %`.
pub fn percent(share: f64) -> String {
    let hundred = share * 100.0;
    if !hundred.is_finite() || hundred.abs() < 0.1 {
        return format!("{}\u{a0}%", number(hundred));
    }
    signed(hundred, &format!("{:.1}\u{a0}%", hundred.abs()))
}

/// A round share of one, as beside an axis: `20 %`.
pub fn round_percent(share: f64) -> String {
    format!("{}\u{a0}%", number(share * 100.0))
}

/// A span of seconds in its two largest units: `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return number(seconds);
    }
    if seconds.abs() < 60.0 {
        return format!("{}\u{a0}s", number(seconds));
    }
    let minutes = (seconds.abs() / 60.0).round() as i64;
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let text = match (days, hours, rest) {
        (0, 0, m) => format!("{m}\u{a0}min"),
        (0, h, 0) => format!("{h}\u{a0}h"),
        (0, h, m) => format!("{h}\u{a0}h {m}\u{a0}min"),
        (d, 0, _) => format!("{}\u{a0}d", count(d)),
        (d, h, _) => format!("{}\u{a0}d {h}\u{a0}h", count(d)),
    };
    signed(seconds, &text)
}

/// A value and what it counts, as a study declared it; the unit is empty where the value says it itself.
pub fn in_unit(x: f64, unit: &'static str) -> (String, &'static str) {
    let plain = || if x.fract() == 0.0 && x.abs() < 1e15 { count(x as i64) } else { number(x) };
    match unit {
        "share" | "rate" | "probability" => (percent(x), ""),
        "%" => (percent(x / 100.0), ""),
        "s" => (duration(x), ""),
        "1" => (plain(), ""),
        unit => (plain(), unit),
    }
}

/// An instant (µs since 1970, UTC) to the minute.
pub fn instant(micros: i64) -> String {
    written(micros, "%Y-%m-%d\u{a0}%H:%M")
}

/// The day of an instant in words: `Monday, 2 November 2026`.
pub fn day(micros: i64) -> String {
    written(micros, "%A, %-d %B %Y")
}

/// An instant exactly, RFC 3339.
pub fn exact_instant(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| format!("{micros} µs"), |t| t.to_string())
}

fn written(micros: i64, format: &str) -> String {
    jiff::Timestamp::from_microsecond(micros)
        .map_or_else(|_| format!("{micros} µs"), |t| t.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_a_person_wrote_them() {
        let cases = [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (4.5, "4.5"),
            (999.4, "999"),
            (999.6, "1,000"),
            (-1_234_567.8, "−1,234,568"),
            (1.2e-7, "1.2×10⁻⁷"),
            (3e20, "3×10²⁰"),
            (f64::NAN, "–"),
        ];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
        assert_eq!(count(i64::MIN), "−9,223,372,036,854,775,808");
        assert_eq!(percent(0.1234), "12.3\u{a0}%");
        assert_eq!(percent(0.0004), "0.04\u{a0}%");
        assert_eq!(duration(90_061.0), "1\u{a0}d 1\u{a0}h");
        assert_eq!(duration(59.0), "59\u{a0}s");
        assert_eq!(in_unit(0.5, "share"), ("50.0\u{a0}%".into(), ""));
        assert_eq!(in_unit(3.0, "1"), ("3".into(), ""));
        assert_eq!(in_unit(2.5, "hops"), ("2.5".into(), "hops"));
    }

    #[test]
    fn a_column_keeps_its_decimals_unless_its_numbers_are_worlds_apart() {
        let written = |values: &[f64]| -> Vec<String> {
            let write = aligned(values.iter().copied());
            values.iter().map(|&x| write(x)).collect()
        };
        assert_eq!(written(&[0.002_66, 0.001_9, 0.0]), ["0.00266", "0.00190", "0.00000"]);
        assert_eq!(written(&[11.4, 8.623]), ["11.4", "8.6"]);
        assert_eq!(written(&[0.4, 0.000_012]), ["0.4", "1.2×10⁻⁵"]);
    }
}
