//! Whatever the bytes are: what was said, or an error that names the byte.

use std::io::BufReader;

use proptest::prelude::*;

use super::*;

fn print(tree: &Tree, out: &mut Vec<u8>) {
    match tree {
        Tree::Nil => out.extend_from_slice(b"$-1\r\n"),
        Tree::Int(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Tree::SimpleString(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Tree::BulkString(bytes) => {
            out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Tree::Array(items) => {
            out.extend_from_slice(format!("*{}\r\n", items.len()).as_bytes());
            for item in items {
                print(item, out);
            }
        }
        other => panic!("{other:?} is none of this protocol"),
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Nil),
        any::<i64>().prop_map(Tree::Int),
        "[a-zA-Z ]{0,9}".prop_map(Tree::SimpleString),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Tree::BulkString),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| proptest::collection::vec(inner, 0..6).prop_map(Tree::Array))
}

fn read(bytes: &[u8], buffer: usize) -> Result<Tree, WireError> {
    Wire::new(BufReader::with_capacity(buffer, bytes)).tree()
}

proptest! {
    #[test]
    fn what_was_said_is_read_however_it_is_cut_into_pieces(tree in trees(), buffer in 1usize..70) {
        let mut said = Vec::new();
        print(&tree, &mut said);
        prop_assert_eq!(read(&said, buffer).expect("whole"), tree);
        let cut = read(&said[..said.len() - 1], buffer).expect_err("a byte is missing");
        prop_assert!(matches!(cut, WireError::Io(ref error) if error.kind() == ErrorKind::UnexpectedEof), "{cut:?}");
    }

    #[test]
    fn bytes_that_were_changed_are_read_as_what_they_say_or_refused_at_one_of_them(
        tree in trees(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
        buffer in 1usize..70,
    ) {
        let mut said = Vec::new();
        print(&tree, &mut said);
        for (at, byte, how) in changes {
            let at = at.index(said.len());
            match how {
                0 => said[at] = byte,
                1 => said.insert(at, byte),
                _ => drop(said.remove(at)),
            }
            if said.is_empty() {
                said.push(byte);
            }
        }
        match read(&said, buffer) {
            Err(WireError::Shape { at, .. }) => prop_assert!(at <= said.len() as u64),
            Ok(_) | Err(WireError::Refused(_)) => {}
            Err(WireError::Io(error)) => prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
        }
        prop_assert_eq!(format!("{:?}", read(&said, buffer)), format!("{:?}", read(&said, 4096)));
    }
}

fn refused(said: &[u8]) -> String {
    read(said, 16).expect_err("nothing to be read").to_string()
}

#[test]
fn what_does_not_belong_there_is_named_with_its_byte() {
    assert_eq!(refused(b"*2\r\n:1\r\n?\r\n"), "at byte 8 expected a value, got `?`");
    assert_eq!(refused(b"*1\r\n$3\r\nabcd\r\n"), "at byte 11 expected the end of a text, got more of it");
    assert_eq!(
        refused(b":9223372036854775808\r\n"),
        "at byte 0 expected an integer, got :9223372036854775808"
    );
    assert_eq!(refused(b"*1\r\n-ERR timed out\r\n").trim_end(), "-ERR timed out");
    let error = Wire::new(&b"*2\r\n:8\r\n"[..]).array_of(3, "a node").expect_err("another length");
    assert_eq!(error.to_string(), "at byte 0 expected a node, got an array of 2");
}

#[test]
fn a_length_is_believed_only_as_far_as_there_are_bytes() {
    for said in [&b"$536870912\r\nx"[..], b"*9223372036854775807\r\n:1\r\n"] {
        let mut wire = Wire::new(said);
        assert!(matches!(wire.tree(), Err(WireError::Io(_))), "{said:?}");
        assert!(wire.text.capacity() < 100, "{}", wire.text.capacity());
    }
    assert!(refused(b"$536870913\r\n").contains("a text that a server can hold, got one of 536870913 bytes"));
    assert!(refused(&b"*1\r\n".repeat(1_000)).contains("lists within lists without end"));
    assert!(refused(&b":1".repeat(100_000)).contains("one without end"));
}

#[test]
fn the_ends_of_the_numbers_are_numbers() {
    for number in [i64::MIN, i64::MAX, 0, -1] {
        assert_eq!(Wire::new(format!(":{number}\r\n").as_bytes()).int().expect("a number"), number);
    }
}
