use proptest::prelude::*;

use super::*;

/// Some messages of a copy, from the answer to the statement to the end.
fn stream(rows: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = message(b'H', &[1, 0, 0]);
    for (i, row) in rows.iter().enumerate() {
        bytes.extend(message(b'd', row));
        if i % 3 == 1 {
            bytes.extend(message(b'N', b"SNOTICE\0C00000\0Msomething\0\0"));
        }
    }
    bytes.extend(message(b'c', &[]));
    bytes.extend(message(b'C', b"COPY\0"));
    bytes.extend(message(b'Z', b"T"));
    bytes
}

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).expect("it is short");
    [&[kind][..], &length.to_be_bytes(), content].concat()
}

/// Bytes that come in pieces of these lengths, again and again.
struct Pieces<'b> {
    bytes: &'b [u8],
    lengths: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let wanted = self.lengths.next().unwrap_or(1).min(room.len()).min(self.bytes.len());
        room[..wanted].copy_from_slice(&self.bytes[..wanted]);
        self.bytes = &self.bytes[wanted..];
        Ok(wanted)
    }
}

/// All that the rows hold, and what came of the copy.
fn read(bytes: &[u8], lengths: Vec<usize>, room: usize) -> (Vec<u8>, Result<Option<()>, Broken>) {
    let mut messages = Messages::of(Pieces { bytes, lengths: lengths.into_iter().cycle() }, room);
    let mut all = Vec::new();
    let end = messages.rows(|piece| {
        all.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    (all, end)
}

#[test]
fn an_error_is_told_by_its_code_and_the_rows_before_it_are_kept() {
    let mut bytes = message(b'd', b"row");
    bytes.extend(message(b'E', b"SERROR\0VERROR\0C22P02\0Mhunter2\0Rpg_strtoint32_safe\0\0"));
    let (rows, end) = read(&bytes, vec![2], 64);
    assert_eq!(rows, b"row");
    let Err(Broken::Told(told)) = end else { panic!("{end:?}") };
    assert_eq!((told.code.as_deref(), told.routine.as_deref()), (Some("22P02"), Some("pg_strtoint32_safe")));
}

#[test]
fn a_message_longer_than_the_room_is_refused_and_a_row_is_not() {
    let (rows, end) = read(&stream(&[vec![7; 1_000]]), vec![100], 64);
    assert_eq!(rows, vec![7; 1_000]);
    assert!(matches!(end, Ok(None)), "{end:?}");
    let (_, end) = read(&message(b'N', &[0; 65]), vec![100], 64);
    assert!(matches!(&end, Err(Broken::Io(error)) if error.kind() == ErrorKind::InvalidData), "{end:?}");
}

#[test]
fn an_end_without_the_last_message_is_an_error() {
    let whole = stream(&[b"row".to_vec()]);
    for cut in 0..whole.len() {
        let (_, end) = read(&whole[..cut], vec![5], 64);
        assert!(
            matches!(&end, Err(Broken::Io(error)) if error.kind() == ErrorKind::UnexpectedEof),
            "{cut}: {end:?}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_pieces_the_rows_are_the_same(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        lengths in prop::collection::vec(1_usize..300, 1..5),
        room in 40_usize..400,
    ) {
        let (all, end) = read(&stream(&rows), lengths, room);
        prop_assert!(matches!(end, Ok(None)), "{end:?}");
        prop_assert_eq!(all, rows.concat());
    }

    #[test]
    fn no_bytes_make_them_panic_or_give_more_than_came(
        rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..10),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        lengths in prop::collection::vec(1_usize..300, 1..5),
    ) {
        let mut bytes = stream(&rows);
        for (place, byte) in changes {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let (all, _) = read(&bytes, lengths, 64);
        prop_assert!(all.len() <= bytes.len());
    }
}
