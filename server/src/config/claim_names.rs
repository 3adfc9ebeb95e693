//! Names of claims that have a meaning of their own.

/// Claims that configuration and profile can never write (228-J).
pub const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "client_id",
    "scope",
    "cnf",
    "act",
    "may_act",
    "acr",
    "amr",
    "auth_time",
    "sid",
    "authorization_details",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "typ",
    "active",
    "token_type",
    "tier",
    "grant_id",
];

pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What counts as proved here, and so is never taken from somebody else's document.
const PROVED_HERE: [&str; 4] = ["email", "email_verified", "phone_number", "phone_number_verified"];

/// May a provider's word become this claim of an account?
pub fn may_be_written(name: &str) -> bool {
    let is_plain = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && !is_reserved(name) && !PROVED_HERE.contains(&name)
}
