//! The binary `symbolon`: everything is in the library.

/// Gives back what a burst of sign-ins took. Each password is hashed in 19 MiB, and glibc keeps such blocks for every thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // The server uses many small blocks and few large ones: huge pages would keep 15 MiB more in memory. A kernel without them refuses.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    symbolon::cli::run()
}
