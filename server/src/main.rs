//! The binary `symbolon`: everything is in the library.

fn main() -> std::process::ExitCode {
    symbolon::cli::run()
}
