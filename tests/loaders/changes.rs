//! Bytes that were changed, and what reading them took.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use proptest::sample::Index;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One change: where, of which kind, and what else it needs.
pub type Change = (Index, u8, u64);

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec((any::<Index>(), any::<u8>(), any::<u64>()), 1..5)
}

/// As many cases as `PROPTEST_CASES` says, or `few`.
pub fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(few))
}

/// The bytes with the changes; each is what a disk, a transfer or somebody with a grudge does to a file.
pub fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for (at, kind, seed) in changes {
        let at = at.index(bytes.len() + 1);
        let few = (*seed % 9) as usize;
        let to = |length: usize| at..(at + length).min(bytes.len()).max(at);
        let splice = match kind % 9 {
            0 => (to(1), bytes.get(at).map(|byte| byte ^ (1 << (seed % 8))).into_iter().collect()),
            1 => (to(bytes.len()), vec![]),
            2 => (at..at, seed.to_le_bytes().to_vec()),
            3 => (to(few), vec![]),
            4 => {
                // A part of the file once more, somewhere else.
                let from = (*seed % (bytes.len() as u64 + 1)) as usize;
                let part = bytes[from..bytes.len().min(from + 40)].to_vec();
                (to(part.len()), part)
            }
            // The largest of numbers, by the ways in which they are written: of a fixed length, of a variable one, in digits.
            5 => (to(4), i32::MAX.to_le_bytes().to_vec()),
            6 => (to(1), vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
            7 => (to(few), b"9223372036854775807".to_vec()),
            _ => (to(1), vec![(*seed >> 8) as u8]),
        };
        drop(bytes.splice(splice.0, splice.1));
    }
    bytes
}

/// What `work` gives, while nobody looks at the heap, which is everybody's.
pub fn alone<T>(work: impl FnOnce() -> T) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// What `work` gives, if it held no more than so many bytes for each of `length`, and a little.
pub fn within<T>(length: usize, each: usize, work: impl FnOnce() -> T) -> Result<T, TestCaseError> {
    let (result, held) = alone(|| {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let result = work();
        (result, HEAP.peak_usage().saturating_sub(before))
    });
    let most = (16 << 20) + each * length;
    prop_assert!(held <= most, "{held} bytes were held for {length}, {most} are allowed");
    Ok(result)
}

/// An error as it is told, with its causes.
pub fn told(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
