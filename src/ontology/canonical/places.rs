//! Google Place IDs, their damage, and the hint that some of them hold.

use std::fmt;

use super::tokens::is_issued;
use super::{CanonicalId, LONGEST, MOST_READ, clean, percent_decoded};

/// Why a text is no Google Place ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum NoPlaceId {
    /// Nothing is there.
    #[error("is empty")]
    Missing,
    /// It holds `...`: somebody cut it for display.
    #[error("was cut short for display")]
    Truncated,
    /// It starts like a Place ID in another case: somebody lower-cased a text whose case matters.
    #[error("lost its upper and lower case")]
    CaseLost,
    /// It is longer than a graph server can hold as a unique value.
    #[error("is longer than 4 KiB")]
    TooLong,
    /// It is something else.
    #[error("is no place id")]
    Foreign,
}

/// A Google Place ID, plain or behind `place_id:`, `query_place_id=` or `placeid=`.
///
/// Case matters and Google names no greatest length; ours is [`LONGEST`]. Equal ids mean the same place; different ones do not mean different places.
///
/// # Errors
/// Says what is wrong with the text, because damage of these ids is worth a report.
pub fn place_id(raw: &str) -> Result<CanonicalId, NoPlaceId> {
    if raw.len() > MOST_READ {
        return Err(NoPlaceId::TooLong);
    }
    let text = clean(raw);
    if text.is_empty() {
        return Err(NoPlaceId::Missing);
    }
    let lower = text.to_ascii_lowercase();
    let marked = ["query_place_id=", "place_id:", "place_id=", "placeid="]
        .iter()
        .find_map(|mark| lower.find(mark).map(|at| &text[at + mark.len()..]));
    let id = match marked {
        Some(tail) => tail.split(['&', '#', ' ', ',']).next().unwrap_or_default(),
        None => &text,
    };
    if id.contains("...") {
        return Err(NoPlaceId::Truncated);
    }
    if id.len() < 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return Err(NoPlaceId::Foreign);
    }
    if id.len() > LONGEST {
        return Err(NoPlaceId::TooLong);
    }
    // Somebody's key in the wrong field must not become an address that everybody reads.
    if is_issued(id) {
        return Err(NoPlaceId::Foreign);
    }
    if id.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("chij") && start != "ChIJ") {
        return Err(NoPlaceId::CaseLost);
    }
    Ok(CanonicalId(id.to_owned()))
}

/// The two numbers by which the addresses of Google Maps name a place: `0x6b12ae37b47f5b37:0x8eaddfcd1b32ca52`.
///
/// That they stand in a Place ID is documented nowhere: a hint, never an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapsFeature(pub u64, pub u64);

impl fmt::Display for MapsFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}:{:#x}", self.0, self.1)
    }
}

/// The feature that a Place ID of 27 characters beginning `ChIJ` holds: base64url of `0a 12 09 <8> 11 <8>`, both numbers
/// with their least byte first.
pub fn feature_of(place_id: &str) -> Option<MapsFeature> {
    if place_id.len() != 27 {
        return None;
    }
    let mut bytes = Vec::with_capacity(20);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in place_id.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    let [0x0a, 0x12, 0x09, rest @ ..] = bytes.as_slice() else { return None };
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (second, []) = rest.strip_prefix(&[0x11])?.split_first_chunk::<8>()? else { return None };
    Some(MapsFeature(u64::from_le_bytes(*first), u64::from_le_bytes(*second)))
}

/// The feature that a text names, such as an address of Google Maps.
pub fn feature_in(raw: &str) -> Option<MapsFeature> {
    if raw.len() > MOST_READ {
        return None;
    }
    let text = clean(&percent_decoded(raw)).to_ascii_lowercase();
    text.match_indices("0x").find_map(|(at, _)| {
        let (first, rest) = hexadecimal(&text[at..])?;
        let (second, _) = hexadecimal(rest.strip_prefix(':')?)?;
        Some(MapsFeature(first, second))
    })
}

/// The number that `0x…` at the start of a text is, and what follows it.
fn hexadecimal(text: &str) -> Option<(u64, &str)> {
    let digits = text.strip_prefix("0x")?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    Some((u64::from_str_radix(&digits[..end], 16).ok()?, &digits[end..]))
}
