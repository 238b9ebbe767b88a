//! Ids that are none: what a page or a loader writes where it has no id. Whoever shares such a word shares nothing.
//!
//! What is read here and what the server is asked must agree on them to the byte, or a reading that goes on from an earlier one
//! would find other people than a full one.

use super::many::{list, told};

/// Words that stand for nothing, in lower case.
const WORDS: &[&str] = &[
    "null",
    "undefined",
    "none",
    "nil",
    "n/a",
    "nan",
    "unknown",
    "00000000-0000-0000-0000-000000000000",
    "00000000000000000000000000000000",
];

/// What may stand around such a word: the white space of ASCII.
const AROUND: &[char] = &[' ', '\t', '\n', '\x0b', '\x0c', '\r'];

/// An id, unless it is one of the words that stand for nothing, in any case and with white space around it or not.
pub(super) fn some_id(text: Option<String>) -> Option<String> {
    text.filter(|text| {
        let bare = text.trim_matches(AROUND);
        !WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
    })
}

/// The same for an expression of text in a statement; empty text is no id either.
///
/// Lower case as of the collation `C`, which changes the letters of ASCII alone, whatever the database's own does.
pub(super) fn some_id_of(expression: Option<&str>) -> String {
    let id = told(expression);
    let Some(text) = expression else { return id };
    let words = list(WORDS.iter().copied());
    let bare = format!(r#"lower(btrim({text} COLLATE "C", E' \t\n\x0b\x0c\r'))"#);
    format!("CASE WHEN {bare} = ANY ({words}) THEN NULL ELSE {id} END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_stand_for_nothing_are_no_ids_however_they_are_written() {
        for word in WORDS {
            for written in [(*word).to_owned(), word.to_uppercase(), format!(" \t{word}\r\n")] {
                assert_eq!(some_id(Some(written.clone())), None, "{written:?}");
            }
        }
        for id in
            ["nullify", "unknown-1", "nobody", "00000000-0000-0000-0000-000000000001", "0", "nıl", " a "]
        {
            assert_eq!(some_id(Some(id.to_owned())).as_deref(), Some(id));
        }
        assert_eq!(some_id(None), None);
    }
}
