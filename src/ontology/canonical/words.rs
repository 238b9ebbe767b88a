//! Names and genres.

use super::contacts::masked;
use super::{LONGEST, MOST_READ, clean};

/// The words of a name in lower case with single spaces, for finding equal names; a name without letters and digits
/// keeps its signs, one whose words take more than [`LONGEST`] has no key. Equal keys are a hint, never an identity.
pub fn name_key(raw: &str) -> Option<String> {
    if raw.len() > MOST_READ {
        return None;
    }
    let folded: String = clean(&clean(raw).to_lowercase());
    let words = |apart: fn(char) -> bool| {
        folded.split(apart).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let key = words(|c| !c.is_alphanumeric());
    let key = if key.is_empty() { words(char::is_whitespace) } else { key };
    (1..=LONGEST).contains(&key.len()).then_some(key)
}

/// A genre or tag in its one spelling: lower case, single spaces, signs kept (`drum & bass`, `hip-hop`).
///
/// Control characters are spaces, and a text of more than 255 bytes is no genre: FalkorDB 4.22.1 dies of a unique value that
/// holds `\x01` or is longer than 4 KiB.
pub fn genre(raw: &str) -> Option<String> {
    // The address of a page is no genre, and may hold what lets somebody in.
    if raw.len() > MOST_READ || masked(raw) != raw || raw.contains("://") {
        return None;
    }
    let folded = clean(&clean(raw).to_lowercase());
    let key = folded.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let key = key.collect::<Vec<_>>().join(" ");
    // Lower case may make an address of what was none: `İ` becomes two letters.
    ((1..=255).contains(&key.len()) && masked(&key) == key).then_some(key)
}
