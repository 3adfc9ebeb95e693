//! Prints docs/audit.md: `cargo xtask docs` writes it.

fn main() {
    print!("{}", symbolon::audit::events::markdown());
}
