//! Words of command lines that are shown to people, who copy them into a shell.

use std::borrow::Cow;

/// A word as a shell reads it back: quoted where it has to be.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_that_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(shell_word("demo/2026-w12"), "demo/2026-w12");
        assert_eq!(shell_word("my demo"), "'my demo'");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word("~"), "'~'");
        assert_eq!(shell_word(""), "''");
    }
}
