//! `fact`: what is true of the whole store, by name.

pub const READ: &str = "SELECT value FROM fact WHERE name = $1";
pub const WRITE: &str = "INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
/// Since when means to sign in wait to be confirmed.
pub const ENROLMENT_RULE: &str = "SELECT value FROM fact WHERE name = 'enrolments'";
/// The primary key is the guard: it is said once.
pub const SET_ENROLMENT_RULE: &str = "INSERT INTO fact (name, value) VALUES ('enrolments', $1)";
/// What clients need of the whole server is small: one row for each distinct value.
pub const ADD_NEED: &str = "INSERT INTO fact (name, value) VALUES ($1, '') ON CONFLICT (name) DO NOTHING";
pub const NEEDS: &str = "SELECT name FROM fact WHERE name LIKE 'client %'";
