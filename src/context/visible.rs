//! Text of any origin as a person may safely see it.

use std::borrow::Cow;

/// `text` as one line in which nothing acts: what breaks a line or tabulates is a space; control characters and those
/// that turn the direction of what follows are shown as `�`; direction marks, which show nothing, are left out.
///
/// For pages and terminals. Data at rest keeps every text as it is.
///
/// ```
/// use sonograph::context::visible;
///
/// assert_eq!(visible("Zoë"), "Zoë");
/// assert_eq!(visible("red\u{1b}[31m\tand \u{202e}esrever"), "red�[31m and �esrever");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| shown(c) == Some(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter_map(shown).collect())
}

/// What stands for a character; `None`: nothing.
fn shown(c: char) -> Option<char> {
    match c {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{61C}' | '\u{200E}' | '\u{200F}' => None,
        '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{FFFE}'
        | '\u{FFFF}' => Some(char::REPLACEMENT_CHARACTER),
        c if c.is_control() => Some(char::REPLACEMENT_CHARACTER),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_overrides_are_shown_and_letters_of_any_script_kept() {
        assert_eq!(visible("a\u{0}b\u{202E}c\nd\u{9B}e\u{7F}"), "a�b�c d�e�");
        assert_eq!(visible("one\r\ntwo\u{2028}three"), "one  two three");
        for kept in ["مهرجان", "👩‍👩‍👧 Ñandú", "שלום", "", "a b"] {
            assert!(matches!(visible(kept), Cow::Borrowed(same) if same == kept), "{kept}");
        }
        assert_eq!(visible("שלום\u{200F}!"), "שלום!");
    }
}
