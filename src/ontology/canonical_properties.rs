//! What holds of every input: no panic, one spelling, the documented letters, and an end.

use proptest::prelude::*;

use super::*;

/// Texts that look like addresses often enough to get past the first check.
fn addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[@ ]?(https?://)?(www\\.)?(instagram\\.com|ig\\.me/m|instagr\\.am)/[%a-zA-Z0-9._/?#\u{200b}\u{202e}-]{0,40}",
        "instagram://user\\?username=[%a-zA-Z0-9._&]{0,34}",
        "(https?://)?([a-zäöüß0-9_-]{1,8}\\.){1,4}(co\\.uk|com|de|github\\.io|example|中国)(:[0-9]{1,5})?(/.{0,8})?",
        "(https?://)?(xn--[a-z0-9-]{0,12}\\.){1,2}[a-zé]{1,6}\\.?",
        "[a-zA-Z0-9._+ -]{0,8}@[a-zA-Z0-9.İß-]{0,12}",
        "(place_id:|placeid=)?(ChIJ|chij|GhIJ)[A-Za-z0-9_.…-]{0,30}",
        "0[xX][0-9a-fA-F]{0,18}(:|%3A)0x[0-9a-f]{0,18}",
        "(\\+|00)?[0-9 ()./-]{0,20}",
        "https?://[a-z]{1,5}\\.example/{0,3}[a-z%@/]{0,6}(\\?[a-z_=&%@.]{0,16})?(#.{0,4})?",
        "[a-z%40@.+ <>\u{200b}-]{0,24}",
        "[a-c\" ]{0,4}( ?[(\\[]at[)\\]] ?|%2[Bb]|\"@|@)[a-c0-9]{0,9}([.]|\\(dot\\))[a-c]{0,3}",
        "(https://a\\.example/(token|e)/)?(eyJ|ghp_|sha256-)?[a-fA-F0-9]{0,70}[A-Za-z0-9_.;=/-]{0,44}",
    ]
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Checks everything that must hold of the answers to one text.
fn check(raw: &str) -> Result<(), TestCaseError> {
    let shared = SharedHosts::default();
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(id) = instagram(raw) {
        let handle = id.as_str().strip_prefix("instagram.com/").expect("an address there");
        prop_assert!(
            (1..=30).contains(&handle.len()) && handle.chars().all(|c| name(c) || matches!(c, '.' | '_'))
        );
        prop_assert!(!handle.starts_with('.') && !handle.ends_with('.') && !handle.contains(".."));
        prop_assert_eq!(instagram(id.as_str()), Some(id));
    }
    if let Some(id) = domain(raw, &shared) {
        let text = id.as_str();
        prop_assert!(text.len() <= 253 && text.contains('.'));
        prop_assert!(text.chars().all(|c| name(c) || matches!(c, '.' | '-')), "{}", text);
        prop_assert_eq!(domain(text, &shared), Some(id.clone()));
    }
    if let Ok(id) = place_id(raw) {
        let text = id.as_str();
        prop_assert!((16..=LONGEST).contains(&text.len()));
        prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
        let _ = feature_of(text);
        prop_assert_eq!(place_id(text), Ok(id.clone()));
    }
    if let Some(feature) = feature_in(raw) {
        prop_assert_eq!(feature_in(&feature.to_string()), Some(feature));
    }
    for code in ["", "+49", raw] {
        if let Some(number) = phone(code, raw) {
            let digits = number.strip_prefix('+').expect("E.164");
            prop_assert!((8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()));
            prop_assert_eq!(phone(code, &number), Some(number.clone()));
            prop_assert!(is_sha256(&phone_sha256(code, raw).expect("a number")));
        }
    }
    if let Some(text) = email(raw) {
        prop_assert!(text.len() <= LONGEST && text.contains('@') && !text.contains(char::is_whitespace));
        prop_assert!(is_sha256(&email_sha256(raw).expect("an e-mail")));
    }
    if let Some(text) = content_url(raw) {
        prop_assert!(text.len() <= LONGEST && text.starts_with("http") && text.is_ascii());
        prop_assert!(!text.contains(char::is_control) && masked(&text) == text, "{}", text);
    }
    if let Some(text) = genre(raw) {
        prop_assert!(text.len() <= 255 && !text.contains(char::is_control));
    }
    for once in [email, name_key, genre, content_url] {
        if let Some(text) = once(raw) {
            prop_assert_eq!(once(&text), Some(text));
        }
    }
    let shown = masked(raw);
    prop_assert_eq!(masked(&shown), shown.clone(), "masking twice");
    prop_assert!(shown.len() <= raw.len() * 2);
    Ok(())
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing_and_no_input_panics(raw in addresses()) {
        check(&raw)?;
    }
}

/// What long texts are made of, each behind what makes it look like an address.
const UNITS: [(&str, &str); 21] = [
    ("", "a"),
    ("ana", "@"),
    ("", "a@b.cd "),
    ("https://instagram.com/", "%"),
    ("https://instagram.com/", "%41"),
    ("@", "\u{200b}"),
    ("https://", "\u{202e}"),
    ("https://", "a."),
    ("https://", "ü."),
    ("https://", "\u{301}"),
    ("ana@", "\u{fdfa}"),
    ("", "0x1:"),
    ("+49", "+491701234567"),
    ("https://sonik.example/", "?&a=b"),
    ("place_id:ChIJ", "A_-"),
    ("instagram://user?username=", "中"),
    ("eyJ", ".eyJ"),
    ("", "(dot)a"),
    ("", "\"@"),
    ("", "a.bc%40"),
    ("", "a.b @ "),
];

#[test]
fn the_longest_text_that_is_read_has_an_answer_or_none() {
    for (before, unit) in UNITS {
        let raw = format!("{before}{}", unit.repeat((MOST_READ - before.len()) / unit.len()));
        if let Err(wrong) = check(&raw) {
            panic!("{before}{unit}…: {}", wrong.to_string().chars().take(400).collect::<String>());
        }
    }
}

#[test]
fn a_text_of_a_mebibyte_is_no_address() {
    for (before, unit) in UNITS {
        let raw = format!("{before}{}", unit.repeat((1 << 20) / unit.len()));
        assert_eq!(instagram(&raw).or_else(|| domain(&raw, &SharedHosts::default())), None);
        assert_eq!(place_id(&raw), Err(NoPlaceId::TooLong));
        assert_eq!(
            [email(&raw), phone("+49", &raw), content_url(&raw), genre(&raw), name_key(&raw)],
            [const { None }; 5]
        );
        let shown = masked(&raw);
        assert!(masked(&shown) == shown, "{before}{unit}…");
    }
}
