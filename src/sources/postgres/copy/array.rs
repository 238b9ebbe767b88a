//! An array in `PostgreSQL`'s binary form: dimensions, flags, type of the elements, bounds, and the elements, each with its length.

/// Takes four bytes off the front.
fn word(bytes: &mut &[u8]) -> Result<i32, String> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}

fn cut() -> String {
    "is an array that ends too early".to_owned()
}

/// The elements of an array of at most one dimension, each read by `item`; where its numbering begins is not kept.
///
/// Room is made as elements come, not as the array claims: O(bytes) memory.
pub(super) fn items<'b, T>(
    mut bytes: &'b [u8],
    item: impl Fn(&'b [u8]) -> Result<T, String>,
) -> Result<Vec<Option<T>>, String> {
    let dimensions = word(&mut bytes)?;
    let _has_nulls = word(&mut bytes)?;
    let _element_type = word(&mut bytes)?;
    let length = match dimensions {
        0 => 0,
        1 => {
            let length = word(&mut bytes)?;
            let _first = word(&mut bytes)?;
            u32::try_from(length).map_err(|_| format!("is an array of {length} elements"))?
        }
        several => return Err(format!("is an array of {several} dimensions")),
    };
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(match word(&mut bytes)? {
            -1 => None,
            size => {
                let size = usize::try_from(size).map_err(|_| format!("has an element of {size} bytes"))?;
                let (element, rest) = bytes.split_at_checked(size).ok_or_else(cut)?;
                bytes = rest;
                Some(item(element)?)
            }
        });
    }
    if bytes.is_empty() { Ok(items) } else { Err("has bytes after its last element".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Option<Vec<u8>>>, String> {
        items(bytes, |element| Ok(element.to_vec()))
    }

    #[test]
    fn elements_come_with_their_nulls() {
        let mut bytes = words(&[1, 1, 25, 3, 1, 2]);
        bytes.extend(b"ab");
        bytes.extend(words(&[-1, 0]));
        assert_eq!(read(&bytes), Ok(vec![Some(b"ab".to_vec()), None, Some(Vec::new())]));
        assert_eq!(read(&words(&[0, 0, 25])), Ok(Vec::new()));
    }

    #[test]
    fn an_array_that_claims_more_than_it_has_is_refused_at_no_cost() {
        assert!(read(&words(&[1, 0, 25, i32::MAX, 1])).is_err());
        assert!(read(&words(&[1, 0, 25, -1, 1])).is_err());
        assert!(read(&words(&[1, 0, 25, 1, 1, i32::MAX])).is_err());
        assert!(read(&words(&[1, 0, 25, 1, 1, -2])).is_err());
        assert!(read(&words(&[0, 0, 25, 7])).is_err());
        assert!(read(&[0, 0]).is_err());
        assert_eq!(read(&words(&[2, 0, 25])), Err("is an array of 2 dimensions".to_owned()));
    }
}
