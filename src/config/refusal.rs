//! What is told of a configuration file that cannot be read: where, which key and what was expected, never a value.
//!
//! A password typed into the file would otherwise stand in the terminal, and in the log of whoever runs the program.

use toml::de::Error;

/// Line, column, the key with a caret, and the reason.
pub(super) fn told(text: &str, error: &Error) -> String {
    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
    let (shown, reason) = match Refusal::of(text, error) {
        Refusal::Key { key, reason } => (Some((format!("{key} = …"), 0, key.chars().count())), reason),
        Refusal::Value { key, reason } => (Some((format!("{key} = …"), key.chars().count() + 3, 1)), reason),
        // Where it is no TOML, nobody knows what is a key and what is a value.
        Refusal::Syntax { reason } => (None, reason),
    };
    let place = format!("line {line}, column {column}\n");
    if let Some((shown, before, carets)) = shown {
        let gutter = " ".repeat(line.to_string().len());
        let (before, carets) = (" ".repeat(before), "^".repeat(carets));
        return format!("{place}{gutter} |\n{line} | {shown}\n{gutter} | {before}{carets}\n{reason}");
    }
    place + &reason
}

enum Refusal {
    /// The key itself is wrong.
    Key { key: String, reason: String },
    /// What the key is set to.
    Value { key: String, reason: String },
    /// It is no TOML.
    Syntax { reason: String },
}

impl Refusal {
    fn of(text: &str, error: &Error) -> Self {
        let message = error.message();
        if message.starts_with("unknown field ") {
            let key = error.span().and_then(|span| text.get(span)).unwrap_or_default().to_owned();
            return Self::Key { key, reason: message.to_owned() };
        }
        if message == "duplicate key" {
            let key = error.span().and_then(|span| text.get(span)).unwrap_or_default().to_owned();
            return Self::Key { reason: format!("duplicate key `{key}`"), key };
        }
        match keys(error) {
            // serde quotes the value between `invalid …: ` and the last `, expected `, which is ours.
            Some(key) => {
                let expected = message.rsplit_once(", expected ").map_or(message, |(_, expected)| expected);
                Self::Value { reason: format!("`{key}`: expected {expected}"), key }
            }
            None => Self::Syntax { reason: message.to_owned() },
        }
    }
}

/// The dotted key whose value was refused; none where the text is no TOML.
fn keys(error: &Error) -> Option<String> {
    // Only the form without its input names them.
    let mut bare = error.clone();
    bare.set_input(None);
    let bare = bare.to_string();
    let rest = bare.strip_prefix(error.message())?.trim();
    Some(rest.strip_prefix("in `")?.strip_suffix('`')?.to_owned())
}

/// Line and column, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
