//! Memory that the connections of a worker share.
//!
//! A connection needs a buffer while it reads or writes, and thousands of idle ones need none: so what is read comes
//! through one buffer of the thread, and what is written is gathered in buffers that are handed around.

use std::cell::RefCell;

/// Read at once from a socket.
const SCRATCH_BYTES: usize = 16 * 1024;
/// More is given back to the allocator.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Calls whose writes wait for a slow peer have theirs; at any other moment one is enough.
const KEPT_MAX: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, with the capacity of one that was given back.
pub(crate) fn take() -> Vec<u8> {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(1024))
}

/// Gives a buffer back.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if (1..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
        KEPT.with_borrow_mut(|kept| {
            if kept.len() < KEPT_MAX {
                buffer.clear();
                kept.push(buffer);
            }
        });
    }
}

/// Lends the thread's read buffer for a moment. `read` must not ask for it again.
pub(crate) fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| read(scratch))
}
