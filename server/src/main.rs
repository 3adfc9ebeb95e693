//! The binary `symbolon`: everything is in the library.

/// Gives back what a burst of sign-ins took. Each password is hashed in 19 MiB, and glibc keeps such blocks for every thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    symbolon::cli::run()
}
