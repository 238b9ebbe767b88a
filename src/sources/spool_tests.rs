use std::error::Error as _;

use proptest::prelude::*;

use super::*;

fn spooled(rows: &[String], buffer: usize) -> (Spool<String>, Vec<Place>) {
    let mut spool = Spool::buffered(buffer);
    let places = rows.iter().map(|row| spool.push(row).expect("there is room")).collect();
    (spool, places)
}

fn all(spool: &Spool<String>) -> Vec<String> {
    spool.iter().collect::<Result<_, _>>().expect("it reads")
}

proptest! {
    #[test]
    fn rows_come_back_as_they_went_in_whatever_stays_in_memory(
        rows in proptest::collection::vec("[a-z]{0,9}|[a-z]{700,900}", 0..40),
        buffer in 0..4_000_usize,
    ) {
        let (spool, places) = spooled(&rows, buffer);
        prop_assert_eq!(spool.len(), rows.len());
        prop_assert_eq!(&all(&spool), &rows);
        let placed: Vec<(Place, String)> = spool.placed().collect::<Result<_, _>>().expect("it reads");
        prop_assert!(placed.iter().map(|(place, _)| place).eq(&places));
        for (place, row) in places.into_iter().zip(&rows).rev() {
            prop_assert_eq!(&spool.get(place).expect("it is there"), row);
            prop_assert_eq!(Place::unpacked(place.packed(77)), (place, 77));
        }
    }
}

#[test]
fn many_rows_are_read_through_windows_of_the_file() {
    let rows: Vec<String> = (0..60_000).map(|n| format!("row number {n}")).collect();
    let (spool, places) = spooled(&rows, BUFFER);
    assert!(spool.written > 2 * BUFFER as u64 && !spool.tail.is_empty());
    assert_eq!(all(&spool), rows);
    assert_eq!(spool.get(places[31_234]).expect("it is there"), rows[31_234]);
}

#[test]
fn few_rows_never_touch_the_disk() {
    let (spool, _) = spooled(&["a".to_owned()], BUFFER);
    assert!(spool.file.is_none());
}

#[test]
fn a_clone_and_its_original_go_on_apart() {
    let (mut one, _) = spooled(&["a".into(), "b".into()], 0);
    let mut other = one.clone();
    one.push(&"of one".to_owned()).expect("there is room");
    other.push(&"of the other".to_owned()).expect("there is room");
    assert_eq!(all(&one), ["a", "b", "of one"]);
    assert_eq!(all(&other), ["a", "b", "of the other"]);
}

#[test]
fn a_full_disk_names_the_folder_and_loses_no_row_that_was_taken() {
    let mut spool: Spool<String> = Spool::buffered(64);
    spool.push(&"a row".to_owned()).expect("it fits into memory");
    // Whoever writes here is told that the disk is full.
    let full = File::options().read(true).write(true).open("/dev/full").expect("Linux has it");
    spool.file = Some(Arc::new(full));
    let error = spool.push(&"x".repeat(100)).expect_err("no room");
    let folder = std::env::temp_dir();
    let said = format!("cannot keep rows aside in a temporary file in `{}`", folder.display());
    assert_eq!(error.to_string(), said);
    assert!(error.source().is_some_and(|why| why.to_string().contains("No space left")), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("TMPDIR")));
    assert_eq!((spool.len(), all(&spool)), (1, vec!["a row".to_owned()]));
}

#[test]
fn a_place_of_nothing_is_an_error_and_no_row() {
    let (spool, _) = spooled(&["a".into()], BUFFER);
    assert!(spool.get(Place(1_000)).is_err());
    let (spool, _) = spooled(&["a".into(), "b".into()], 0);
    assert!(spool.get(Place(spool.written)).is_err());
}

#[test]
fn a_name_that_the_ontology_lacks_is_refused() {
    use crate::ontology::SourceRef;

    let mut spool = Spool::default();
    spool.push(&SourceRef::new("directus", "t", "1")).expect("a known system");
    spool.push(&SourceRef::new("nobody", "t", "1")).expect_err("no system of ours");
    let rows: Vec<SourceRef> = spool.iter().collect::<Result<_, _>>().expect("it reads");
    assert_eq!(rows, [SourceRef::new("directus", "t", "1")]);
}
