//! What the kernel knows of the gate's process.

use std::fs;

/// Bytes of a page on every machine that this runs on.
const PAGE: u64 = 4096;

/// Memory of its own, in bytes: files mapped into it are left out, as in `callgate_memory_bytes`.
pub(crate) fn memory(id: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{id}/statm")).unwrap_or_default();
    let mut pages = pages.split(' ').skip(1).map_while(|number| number.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * PAGE
}

/// Open file descriptors.
pub(crate) fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}
