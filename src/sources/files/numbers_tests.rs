//! Edges between numbers, beside readings of another shape: lines taken apart one by one, and the same graph by other names.

use std::io::Write as _;

use proptest::prelude::*;

use super::numbers::Numbers;
use super::*;

/// A file of its own for some bytes.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".txt").tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// Edges, weights and times by edge, and what was left unread: in blocks and parts of so many bytes.
#[derive(Debug, PartialEq)]
struct Found {
    ends: Vec<(u32, u32)>,
    weights: Vec<Option<f64>>,
    times: Vec<Option<i64>>,
    lines: u64,
    rest: Vec<u8>,
}

fn read(bytes: &[u8], sizes: (usize, usize)) -> Found {
    let file = file(bytes);
    let (numbers, rest) = Numbers::cut(sizes, file.path()).expect("read");
    let Numbers { ends, mut weights, mut times, lines, .. } = numbers;
    weights.resize(ends.len(), None);
    times.resize(ends.len(), None);
    Found { ends, weights, times, lines, rest }
}

/// The same by looking at every line for itself.
fn looked_at(bytes: &[u8]) -> Found {
    let (mut ends, mut weights, mut times, mut lines) = (vec![], vec![], vec![], 0);
    let mut rest = bytes;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else {
            // Comments may be in any encoding.
            if line.trim_ascii_start().starts_with(b"#") || line.trim_ascii_start().starts_with(b"%") {
                lines += 1;
                rest = &rest[line.len()..];
                continue;
            }
            break;
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if !words.first().is_none_or(|word| word.starts_with(['#', '%'])) {
            let id = |word: &&str| word.parse::<u32>().ok().filter(|id| id.to_string() == **word);
            let numbers: Option<Vec<u32>> = words.iter().take(2).map(id).collect();
            let Some([src, dst]) = numbers.as_deref() else { break };
            let weight = words.get(2).map(|word| columns::weight(word));
            let time = words.get(3).map(|word| columns::timestamp(word));
            let (Ok(weight), Ok(time)) = (weight.transpose(), time.transpose()) else { break };
            if words.len() > 4 {
                break;
            }
            ends.push((*src, *dst));
            weights.push(weight);
            times.push(time);
        }
        lines += 1;
        rest = &rest[line.len()..];
    }
    Found { ends, weights, times, lines, rest: rest.to_vec() }
}

fn longest_line(bytes: &[u8]) -> usize {
    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap_or(0)
}

/// A line of an edge list, as people write them.
fn line() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        8 => (0u32..40).prop_map(|id| id.to_string()),
        1 => any::<u32>().prop_map(|id| id.to_string()),
    ];
    let blank = prop_oneof![6 => Just(" "), 2 => Just("\t"), 1 => Just("  "), 1 => Just(" \t ")];
    let more = prop_oneof![
        6 => Just(String::new()),
        1 => (-50i32..50).prop_map(|weight| format!(" {}", f64::from(weight) / 8.0)),
        1 => (0u8..9, 0u32..1_000_000).prop_map(|(weight, time)| format!(" {weight}\t{time}")),
        1 => Just(" 1e-3 2026-01-01T00:00:00Z".to_owned()),
    ];
    let end = prop_oneof![8 => Just("\n"), 1 => Just("\r\n"), 1 => Just(" \n")];
    prop_oneof![
        12 => (id.clone(), blank, id, more, end).prop_map(|(src, blank, dst, more, end)| src + blank + &dst + &more + end),
        1 => Just("# a comment 1 2\n".to_owned()),
        1 => Just("  % another\n".to_owned()),
        1 => prop_oneof![Just("\n"), Just("\r\n"), Just(" \t\n")].prop_map(str::to_owned),
    ]
}

/// What ends the numbers.
fn odd() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        &b"ana ben\n"[..],
        b"007 7\n",
        b"1\n",
        b"1 2 3 4 5\n",
        b"1 2 x\n",
        b"1 2 nan\n",
        b"1 2 1 soon\n",
        b"-1 2\n",
        b"4294967296 1\n",
        b"1 99999999999999999999999\n",
        b"1,2\n",
        b"\xff 1\n",
        b"1 2 \xff\n",
        b"+1 2\n",
        b"1 2\0\n",
        b"1\x0b2\n",
        b"18446744073709551617 1\n",
    ])
}

/// A list with at most one line that is something else, perhaps without the last line feed, perhaps with mutated bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line(), 0..40);
    let odd = prop::option::weighted(0.4, (odd(), any::<prop::sample::Index>()));
    let mutated = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (lines, odd, any::<bool>(), mutated).prop_map(|(lines, odd, is_open, mutated)| {
        let mut lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
        if let Some((odd, at)) = odd {
            lines.insert(at.index(lines.len() + 1), odd.to_vec());
        }
        let mut bytes = lines.concat();
        if is_open && bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        for (at, byte) in mutated {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn blocks_and_parts_of_any_size_hold_what_every_line_says(bytes in bytes(), more in 1usize..50, part in 1usize..60) {
        let size = longest_line(&bytes) + more;
        prop_assert_eq!(read(&bytes, (size, part)), looked_at(&bytes));
    }

    /// `n7` and `7` have the same place in the order of their kind, and words are read one by one.
    #[test]
    fn numbers_give_the_graph_that_words_give(lines in prop::collection::vec(line(), 0..40), stop in any::<prop::sample::Index>()) {
        let at = stop.index(lines.len() + 1);
        let numbers: String = lines.concat();
        let with_words = |from: usize| -> String {
            lines.iter().enumerate().map(|(row, line)| {
                let says = !line.trim().is_empty() && !line.trim().starts_with(['#', '%']);
                let mut words = line.split_whitespace();
                match (words.next(), words.next()) {
                    (Some(src), Some(dst)) if says && row >= from => {
                        format!("n{src} n{dst} {}\n", words.collect::<Vec<_>>().join(" "))
                    }
                    _ => line.clone(),
                }
            }).collect()
        };
        let import = |text: &str| super::import(&ImportOptions::of(file(text.as_bytes()).path()), &Context::silent());
        let (plain, words) = (import(&numbers).expect("numbers"), import(&with_words(0)).expect("words"));
        prop_assert_eq!(plain.tables.edges.len(), words.tables.edges.len());
        for (relation, frame) in &plain.tables.edges {
            prop_assert!(frame.equals_missing(&words.tables.edges[relation]), "{frame:?}");
        }
        let uids = |imported: &Imported| -> Vec<String> {
            let frames = imported.tables.nodes.values();
            frames.flat_map(|frame| frame.column(UID).expect("uids").str().expect("text").iter().flatten().map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        let named: Vec<String> = uids(&plain).iter().map(|uid| format!("n{uid}")).collect();
        prop_assert_eq!(named, uids(&words));
        // From some line on words: an id may be there by both names, and no edge is lost.
        let mixed = import(&with_words(at)).expect("both");
        prop_assert_eq!(mixed.tables.edge_count(), plain.tables.edge_count());
    }

    #[test]
    fn mutated_bytes_give_a_graph_or_an_error_with_file_and_line(bytes in bytes()) {
        let file = file(&bytes);
        if let Err(error) = super::import(&ImportOptions::of(file.path()), &Context::silent()) {
            let said = error.to_string();
            prop_assert!(said.starts_with("cannot understand line "), "{}", said);
            prop_assert!(said.contains(&*file.path().to_string_lossy()), "{}", said);
        }
    }
}

#[test]
fn a_border_may_fall_on_every_byte() {
    let text = b"# x\n0 1\n\n12 3 0.5\r\n4294967295 7 1 5\n2\t2\n9 9 \n30 31";
    let whole = looked_at(text);
    assert_eq!((whole.ends.len(), whole.rest.len()), (6, 0));
    for size in longest_line(text) + 1..text.len() + 2 {
        for part in 1..=size {
            assert_eq!(read(text, (size, part)), whole, "blocks of {size}, parts of {part}");
        }
    }
}

#[test]
fn any_number_of_threads_reads_the_same_edges() {
    let line = |i: u32| format!("{} {}\n", i.wrapping_mul(2_654_435_761) >> 12, i % 77);
    let text = (0..20_000).map(line).collect::<Vec<_>>().concat();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| read(text.as_bytes(), (1 << 14, 1 << 9)))
    };
    let alone = on(1);
    assert_eq!(alone, looked_at(text.as_bytes()));
    for threads in [2, 3, 8] {
        assert!(on(threads) == alone, "{threads} threads read other edges");
    }
}

#[test]
fn a_number_that_is_too_large_for_a_table_is_refused_by_its_line_and_imported_as_a_name() {
    let file = file(b"# three\n0 1\n1 4294967295\n1 4294967295\n");
    let refused = Numbers::of_file(file.path(), &Context::silent()).expect_err("16 GiB for three edges");
    let said = refused.to_string();
    assert!(said.contains("line 3 of") && said.contains("the id 4294967295 is too large"), "{said}");
    let tables = super::import(&ImportOptions::of(file.path()), &Context::silent()).expect("names").tables;
    assert_eq!((tables.node_count(), tables.edge_count()), (3, 3));
}

#[test]
fn only_numbers_are_read_without_names() {
    let at = |text: &[u8]| {
        let file = file(text);
        Numbers::of_file(file.path(), &Context::silent()).expect_err("no numbers").to_string()
    };
    assert!(at(b"0 1\n\n1 ana\n").contains("line 3 of"));
    assert!(at(b"\xef\xbb\xbf0 1\n01 1\n").contains("line 2 of"));
    let empty = file(b"# nobody\n");
    let numbers = Numbers::of_file(empty.path(), &Context::silent()).expect("no edge");
    assert_eq!((numbers.node_count(), numbers.ends.len()), (0, 0));
}
