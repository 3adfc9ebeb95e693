//! Prints docs/configuration.md: `cargo xtask docs` writes it.

fn main() {
    print!("{}", symbolon::config::docs::markdown(&symbolon::config::sections()));
}
