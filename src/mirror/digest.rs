//! A name for exactly one plan, so that what was looked at is what is executed.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// SHA-256 over what a plan says: two that say the same have the same. In constant memory.
#[derive(Debug, Default)]
pub(super) struct Digest {
    hash: Sha256,
    encoded: Vec<u8>,
}

impl Digest {
    /// Adds a change.
    pub(super) fn add(&mut self, change: &impl Serialize) {
        self.encoded.clear();
        postcard::to_io(change, &mut self.encoded)
            .expect("a vector takes any bytes, and rows were encoded before");
        self.hash.update((self.encoded.len() as u64).to_le_bytes());
        self.hash.update(&self.encoded);
    }

    /// The digest as 64 hexadecimal digits.
    pub(super) fn finish(self) -> String {
        self.hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes any text");
            hex
        })
    }
}
