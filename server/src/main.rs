fn main() -> std::process::ExitCode {
    symbolon::cli::run()
}
