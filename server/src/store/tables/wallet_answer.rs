//! `wallet_answer`: what wallets have answered, until the browsers that began come for it.

/// The primary key is the guard: a request has one answer.
pub const INSERT: &str = "INSERT INTO wallet_answer (id, code, body, expires_ms) VALUES ($1, $2, $3, $4)";
pub const READ: &str = "SELECT code, body FROM wallet_answer WHERE id = $1 AND expires_ms > $2";
/// No code fits any more. The row stays: nobody can put another answer in its place.
pub const VOID: &str = "UPDATE wallet_answer SET code = $2 WHERE id = $1";
