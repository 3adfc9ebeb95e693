//! A person's user code (CIBA Core 7.1): what may be one, and where it is kept.

use crate::store::tables::backchannel_request::{REMOVE_USER_CODE, SET_USER_CODE};
use crate::store::{Change, Expect, Value};

pub const SHORTEST: usize = 6;
pub const LONGEST: usize = 64;

/// Six to 64 letters, digits or signs that a telephone or a keyboard has.
pub fn is_good(code: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `digest`: argon2id in PHC form. None: the person has none any more.
pub fn write(change: &mut Change, account: &str, digest: Option<&str>) {
    let now_ms = change.now_ms();
    match digest {
        Some(digest) => change.run(SET_USER_CODE, vec![account.into(), Value::from(digest.as_bytes()), now_ms.into()]),
        None => change.run_expecting(REMOVE_USER_CODE, vec![account.into()], Expect::Any),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_long_enough_and_can_be_typed() {
        for good in ["123456", "K7-41xQ", &"x".repeat(64)] {
            assert!(is_good(good), "{good}");
        }
        for bad in ["", "12345", "12 3456", "12345\u{e9}", "123456\n", &"x".repeat(65)] {
            assert!(!is_good(bad), "{bad:?}");
        }
    }
}
