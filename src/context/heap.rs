//! The heap of the process.

/// Bytes from which on a block of the heap is a mapping of its own.
const OWN_MAPPING: i32 = 128 * 1024;

/// Has blocks of 128 KiB and more given back to the system as soon as they are freed.
///
/// The C library does so only until the first such block is freed; it then keeps blocks of up to 32 MiB for later ones, which
/// work that goes on in steps, each with large tables of its own, never asks for in the same sizes: resolving a city
/// of 50,000 people took 41 MiB of memory so, and 26 MiB with this (`benches/mirror.rs`). Calls into the system are the
/// price, so it is for work whose memory matters more than its speed.
#[allow(unsafe_code)]
pub fn return_large_blocks() {
    // SAFETY: mallopt takes two integers and touches nothing but the allocator's settings, which it changes under the
    // allocator's own lock; any thread may call it at any time, and a value that it refuses changes nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, OWN_MAPPING);
    }
}
