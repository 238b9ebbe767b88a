//! The decoder over whole, cut and mutated streams.

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 16] = [
    Kind::Boolean,
    Kind::Integer,
    Kind::Float,
    Kind::Number,
    Kind::Text,
    Kind::Jsonb,
    Kind::Uuid,
    Kind::Bytes,
    Kind::Date,
    Kind::Instant,
    Kind::Clock,
    Kind::Booleans,
    Kind::Integers,
    Kind::Floats,
    Kind::Texts,
    Kind::Uuids,
];

/// A value in binary form, or none.
type Cell = Option<Vec<u8>>;

fn shape(kinds: &[Kind]) -> Vec<Shape> {
    let named = kinds.iter().enumerate();
    named.map(|(i, kind)| Shape { name: format!("c{i}").into(), kind: *kind }).collect()
}

fn header() -> Vec<u8> {
    [&SIGNATURE[..], &[0; 8]].concat()
}

fn field(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => (-1_i32).to_be_bytes().to_vec(),
        Some(value) => [&(value.len() as i32).to_be_bytes()[..], value].concat(),
    }
}

fn row(cells: &[Cell]) -> Vec<u8> {
    let fields = cells.iter().flat_map(|cell| field(cell.as_deref()));
    (cells.len() as i16).to_be_bytes().into_iter().chain(fields).collect()
}

fn stream(rows: &[Vec<Cell>]) -> Vec<u8> {
    let rows = rows.iter().flat_map(|cells| row(cells));
    header().into_iter().chain(rows).chain((-1_i16).to_be_bytes()).collect()
}

fn array(elements: &[Cell]) -> Vec<u8> {
    let head = [1_i32, 1, 25, elements.len() as i32, 1].into_iter().flat_map(i32::to_be_bytes);
    head.chain(elements.iter().flat_map(|element| field(element.as_deref()))).collect()
}

/// The binary form of some value of a kind, out of any eight bytes.
fn value(kind: Kind, seed: u64) -> Vec<u8> {
    let bytes = seed.to_be_bytes();
    let text = format!("{seed:x} – ünï").into_bytes();
    let list = |kind| {
        let length = seed % 4;
        let element = |i| (i != 1).then(|| value(kind, seed.rotate_left(i as u32)));
        array(&(0..length).map(element).collect::<Vec<_>>())
    };
    match kind {
        Kind::Boolean => vec![(seed & 1) as u8],
        Kind::Integer => match seed % 3 {
            0 => bytes[..2].to_vec(),
            1 => bytes[..4].to_vec(),
            _ => bytes.to_vec(),
        },
        Kind::Float => bytes[..if seed.is_multiple_of(2) { 4 } else { 8 }].to_vec(),
        Kind::Number => format!("{}.{}", seed >> 32, seed % 1_000).into_bytes(),
        Kind::Text | Kind::Bytes => text,
        Kind::Jsonb => [&[1], &text[..]].concat(),
        Kind::Uuid => [bytes, bytes].concat(),
        Kind::Date => ((seed % 2_000_000) as i32 - 1_000_000).to_be_bytes().to_vec(),
        Kind::Instant | Kind::Clock => (seed as i64 >> 8).to_be_bytes().to_vec(),
        Kind::Booleans => list(Kind::Boolean),
        Kind::Integers => list(Kind::Integer),
        Kind::Floats => list(Kind::Float),
        Kind::Texts => list(Kind::Text),
        Kind::Uuids => list(Kind::Uuid),
    }
}

/// Everything that comes of a stream that is fed in pieces of these sizes, over and over.
fn decode(shape: &[Shape], bytes: &[u8], pieces: &[usize]) -> Result<DataFrame, Flaw> {
    let mut decoder = Decoder::new(shape, false, 0);
    let mut rest = bytes;
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len()).clamp(1, rest.len());
        let (piece, others) = rest.split_at(size);
        decoder.feed(piece)?;
        rest = others;
    }
    decoder.finish()?;
    Ok(decoder.take())
}

#[test]
fn a_stream_is_the_same_rows_whatever_pieces_it_comes_in() {
    let kinds = [Kind::Integer, Kind::Text];
    let rows = [
        vec![Some(7_i32.to_be_bytes().to_vec()), Some(b"a".to_vec())],
        vec![None, Some(Vec::new())],
        vec![Some(9_i64.to_be_bytes().to_vec()), None],
    ];
    let bytes = stream(&rows);
    let whole = decode(&shape(&kinds), &bytes, &[]).expect("it is whole");
    assert_eq!(whole.shape(), (3, 2));
    for size in 1..bytes.len() {
        assert!(
            decode(&shape(&kinds), &bytes, &[size]).expect("it is whole").equals_missing(&whole),
            "{size}"
        );
    }
}

#[test]
fn rows_without_columns_are_counted() {
    let frame = decode(&[], &stream(&[vec![], vec![]]), &[]).expect("it is whole");
    assert_eq!(frame.shape(), (2, 0));
}

#[test]
fn a_flaw_names_row_column_and_offset_and_never_the_value() {
    let kinds = [Kind::Integer, Kind::Text];
    let rows = [
        vec![Some(7_i32.to_be_bytes().to_vec()), Some(b"ok".to_vec())],
        vec![Some(8_i32.to_be_bytes().to_vec()), Some(b"ana\xff".to_vec())],
    ];
    let flaw = decode(&shape(&kinds), &stream(&rows), &[5]).expect_err("it is not UTF-8");
    let offset = (HEADER + 2 + 8 + 6 + 2 + 8 + 4) as u64;
    let expected = Flaw { row: 2, column: Some("c1".to_owned()), offset, reason: "is not UTF-8".to_owned() };
    assert_eq!(flaw, expected);
}

#[test]
fn what_is_no_copy_of_these_columns_is_refused() {
    let shape = shape(&[Kind::Integer]);
    let refused = |bytes: &[u8]| decode(&shape, bytes, &[]).expect_err("it is refused").reason;
    let after = |rest: &[&[u8]]| [&header()[..], &rest.concat()].concat();
    assert_eq!(refused(b"SELECT 1"), "does not begin as a binary copy");
    assert_eq!(refused(b""), "ends too early");
    assert_eq!(refused(&header()), "ends too early");
    assert_eq!(refused(&after(&[&[0, 2]])), "has 2 columns instead of 1");
    assert_eq!(refused(&after(&[&[0xff, 0xfe]])), "has -2 columns instead of 1");
    assert_eq!(refused(&after(&[&[0, 1], &i32::MAX.to_be_bytes()])), "claims to have 2147483647 bytes");
    assert_eq!(refused(&after(&[&[0, 1], &(-2_i32).to_be_bytes()])), "claims to have -2 bytes");
    assert_eq!(refused(&after(&[&[0xff, 0xff], &[0]])), "has bytes after its end");
    let with_oids = [&SIGNATURE[..], &[0, 1, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(refused(&with_oids), "has flags that are not known: 0x10000");
    let extended = [&SIGNATURE[..], &[0, 0, 0, 0, 0x7f, 0, 0, 0]].concat();
    assert_eq!(refused(&extended), "has a header extension of 2130706432 bytes");
}

#[test]
fn what_is_too_short_to_begin_as_a_copy_is_told_so_whatever_pieces_it_comes_in() {
    for pieces in [&[][..], &[1], &[3, 2]] {
        let flaw = decode(&[], b"PGCOPX", pieces).expect_err("it is no copy");
        assert_eq!((flaw.offset, flaw.reason.as_str()), (0, "does not begin as a binary copy"));
        assert_eq!(decode(&[], b"PGCOPY", pieces).expect_err("it is cut").reason, "ends too early");
    }
}

#[test]
fn a_claim_makes_no_room() {
    let shape = shape(&[Kind::Bytes]);
    let mut decoder = Decoder::new(&shape, false, 0);
    decoder.feed(&header()).expect("a header");
    decoder.feed(&[&[0, 1][..], &0x3000_0000_i32.to_be_bytes(), b"abc"].concat()).expect("it may still come");
    assert!(decoder.pending.capacity() < 1_024);
    assert_eq!(decoder.take().height(), 0);
}

#[test]
fn after_a_flaw_nothing_is_taken() {
    let mut decoder = Decoder::new(&shape(&[Kind::Integer, Kind::Boolean]), false, 0);
    let rows = [vec![Some(vec![0, 1]), Some(vec![7])]];
    decoder.feed(&stream(&rows)).expect_err("7 is no boolean");
    assert_eq!(decoder.take().shape(), (0, 0));
    assert!(decoder.feed(&[]).is_err() && decoder.finish().is_err());
}

fn any_rows() -> impl Strategy<Value = (Vec<Kind>, Vec<Vec<Cell>>)> {
    prop::collection::vec(prop::sample::select(&KINDS[..]), 0..6).prop_flat_map(|kinds| {
        let cells: Vec<_> = kinds
            .iter()
            .map(|kind| {
                prop::option::weighted(
                    0.8,
                    any::<u64>().prop_map({
                        let kind = *kind;
                        move |seed| value(kind, seed)
                    }),
                )
            })
            .collect();
        (Just(kinds), prop::collection::vec(cells, 0..20))
    })
}

/// One change: at a place, of some sort, with some bytes.
fn mutate(bytes: &mut Vec<u8>, changes: &[(usize, u8, u64)]) {
    for (place, sort, seed) in changes {
        let at = place % (bytes.len() + 1);
        let word = seed.to_be_bytes();
        match sort % 6 {
            0 if at < bytes.len() => bytes[at] ^= word[0].max(1),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, word)),
            // What a length is most likely to be misread as.
            3 if at + 4 <= bytes.len() => bytes[at..at + 4].copy_from_slice(&word[..4]),
            4 if at + 4 <= bytes.len() => bytes[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes()),
            _ => drop(bytes.drain(at..bytes.len().min(at + (seed % 9) as usize))),
        }
    }
}

proptest! {
    #[test]
    fn whatever_was_sent_arrives_in_whatever_pieces((kinds, rows) in any_rows(), pieces in prop::collection::vec(1_usize..40, 1..5)) {
        let (shape, bytes) = (shape(&kinds), stream(&rows));
        let whole = decode(&shape, &bytes, &[]);
        let whole = whole.map_err(|flaw| TestCaseError::fail(format!("{flaw:?}")))?;
        prop_assert_eq!(whole.shape(), (rows.len(), kinds.len()));
        for (i, column) in whole.columns().iter().enumerate() {
            prop_assert_eq!(column.null_count(), rows.iter().filter(|row| row[i].is_none()).count());
        }
        let cut = decode(&shape, &bytes, &pieces).map_err(|flaw| TestCaseError::fail(format!("{flaw:?}")))?;
        prop_assert!(cut.equals_missing(&whole));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_take_more_memory_than_they_are(
        (kinds, rows) in any_rows(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u64>()), 1..6),
        pieces in prop::collection::vec(1_usize..200, 1..4),
    ) {
        let shape = shape(&kinds);
        let mut bytes = stream(&rows);
        mutate(&mut bytes, &changes);
        let whole = decode(&shape, &bytes, &[]);
        let cut = decode(&shape, &bytes, &pieces);
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => {
                prop_assert_eq!(whole.shape(), cut.shape());
                prop_assert!(whole.estimated_size() <= 1_024 + 32 * bytes.len());
            }
            (Err(whole), Err(cut)) => {
                prop_assert!(whole.offset <= bytes.len() as u64);
                prop_assert_eq!(whole, cut);
            }
            (whole, cut) => prop_assert!(false, "{:?} is not {:?}", whole.is_ok(), cut.is_ok()),
        }
    }

    #[test]
    fn bytes_of_no_making_are_refused_without_panic(kinds in prop::collection::vec(prop::sample::select(&KINDS[..]), 0..4), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let shape = shape(&kinds);
        prop_assert!(decode(&shape, &bytes, &[]).is_err());
        let after_header = [&header()[..], &bytes].concat();
        drop(decode(&shape, &after_header, &[3]));
    }
}
