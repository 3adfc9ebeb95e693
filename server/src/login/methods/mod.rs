//! The ways to prove oneself. A method asks and checks; it never sees HTTP.

pub mod email;
pub mod password;
pub mod totp;
