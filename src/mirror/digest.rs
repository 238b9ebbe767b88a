//! A name for exactly one plan, so that what was looked at is what is executed.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::plan::Plan;

struct Hash(Sha256);

impl std::fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Plan<'_> {
    /// SHA-256 over every change of the plan, as 64 hexadecimal digits: two plans that would write the same have the
    /// same. Time and text O(changes), in constant memory.
    pub fn digest(&self) -> String {
        let mut hash = Hash(Sha256::new());
        let clock = self.nodes.values().any(|changes| !changes.delete.is_empty()).then_some(self.clock);
        write!(hash, "{:?}{:?}{clock:?}", self.nodes, self.edges).expect("a hash takes any text");
        hash.0.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes any text");
            hex
        })
    }
}
