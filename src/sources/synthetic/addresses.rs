//! Addresses as sources really hold them: the same thing in several spellings.

use rand::RngExt as _;
use rand_pcg::Pcg64;

use super::chance::{happens, one_of};

/// An Instagram handle in one of the spellings that people paste.
pub(super) fn instagram(rng: &mut Pcg64, handle: &str) -> String {
    match rng.random_range(0..6_u32) {
        0 => format!("https://www.instagram.com/{handle}/?hl=en"),
        1 => format!("instagram.com/{}", handle.to_ascii_uppercase()),
        2 => format!("@{handle}"),
        3 => format!("https://instagram.com/_u/{handle}"),
        _ => format!("https://www.instagram.com/{handle}/"),
    }
}

/// A company's domain as a web address in one of several spellings.
pub(super) fn website(rng: &mut Pcg64, domain: &str) -> String {
    format!(
        "{}{domain}{}",
        one_of(rng, &["https://www.", "https://", "http://"]),
        one_of(rng, &["", "/", "/about"])
    )
}

/// An e-mail address as people type it: sometimes with a capital or a blank.
pub(super) fn typed(rng: &mut Pcg64, email: &str) -> String {
    if !happens(rng, 0.06) {
        return email.to_owned();
    }
    let mut text: String = email.to_owned();
    text[..1].make_ascii_uppercase();
    text.push(' ');
    text
}

/// A place id of the usual 27 characters: two 64-bit numbers in base64url behind their field tags.
pub(super) fn place_id(rng: &mut Pcg64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = vec![0x0a, 0x12, 0x09];
    bytes.extend(rng.random::<u64>().to_le_bytes());
    bytes.push(0x11);
    bytes.extend(rng.random::<u64>().to_le_bytes());
    let mut text = String::with_capacity(27);
    for chunk in bytes.chunks(3) {
        let mut word = 0_u32;
        for at in 0..3 {
            word = word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::chance::{Purpose, stream};
    use super::*;

    #[test]
    fn a_place_id_looks_like_the_real_ones() {
        let id = place_id(&mut stream(3, Purpose::Venue, 0));
        assert_eq!(id.len(), 27);
        assert!(id.starts_with("ChIJ"), "{id}");
    }
}
