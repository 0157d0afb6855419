//! The `callgate` program.

use std::process::ExitCode;

use callgate::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages, and every thread that allocates a little would hold 2 MiB: 38 MiB for an idle gate
    // instead of 25. A kernel that doesn't take this changes nothing.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).unwrap_or_default();
    cli::run()
}
