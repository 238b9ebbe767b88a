//! Names of any length in sixteen bytes.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The first 128 bits of a name's SHA-256: enough for no two names to share them, not even on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NameHash([u64; 2]);

impl NameHash {
    /// Of a text.
    pub fn of(name: &str) -> Self {
        let hash = Sha256::digest(name.as_bytes());
        let half = |at: usize| {
            let bytes = hash[at..at + 8].try_into().expect("a SHA-256 has 32 bytes");
            u64::from_be_bytes(bytes)
        };
        Self([half(0), half(8)])
    }

    /// Half of it, for what is compared among few and told apart by reading.
    pub const fn short(self) -> u64 {
        self.0[0]
    }
}
