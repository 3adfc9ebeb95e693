//! `node`: the processes that serve this issuer.

pub const ANNOUNCE: &str = "INSERT INTO node (id, configuration, seen_ms) VALUES ($1, $2, $3) \
    ON CONFLICT (id) DO UPDATE SET configuration = excluded.configuration, seen_ms = excluded.seen_ms";
pub const LEAVE: &str = "DELETE FROM node WHERE id = $1";
pub const FORGET: &str = "DELETE FROM node WHERE seen_ms < $1";
pub const SEEN: &str = "SELECT configuration FROM node WHERE seen_ms > $1";
