//! `state`: which sign-in an answer of a provider belongs to, which question of it, and which provider was asked. A MAC keeps it ours. The
//! answer must come with the cookie of that sign-in, which keeps it this browser's (RFC 9700 4.7).

use crate::seal::KeyRing;
use symbolon_oauth::{base64url, digest};

const TAG: usize = 16;
const LENGTH: usize = 1 + 16 + 4 + 16 + TAG;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// The sign-in.
    pub id: [u8; 16],
    /// Its version while the person is away.
    pub version: u32,
    /// The question that the answer is for.
    pub question: [u8; 16],
}

fn parts<'a>(issuer: &'a str, provider: &'a str, body: &'a [u8]) -> [&'a [u8]; 3] {
    [issuer.as_bytes(), provider.as_bytes(), body]
}

impl WayBack {
    fn body(&self) -> Vec<u8> {
        [&self.id[..], &self.version.to_be_bytes(), &self.question].concat()
    }

    pub fn seal(&self, keyring: &KeyRing, issuer: &str, provider: &str) -> String {
        let body = self.body();
        let (version, tag) = keyring.mac("upstream state", &parts(issuer, provider, &body));
        base64url::encode(&[&[version][..], &body, &tag[..TAG]].concat())
    }
}

/// None: we did not make it, or for another provider (439-B).
pub fn read(keyring: &KeyRing, issuer: &str, provider: &str, state: &str) -> Option<WayBack> {
    let bytes = base64url::decode(state).filter(|bytes| bytes.len() == LENGTH)?;
    let (version, rest) = bytes.split_first()?;
    let (body, tag) = rest.split_at_checked(LENGTH - 1 - TAG)?;
    let made = keyring.mac_with(*version, "upstream state", &parts(issuer, provider, body))?;
    if !digest::equal(&made[..TAG], tag) {
        return None;
    }
    let (id, rest) = body.split_first_chunk::<16>()?;
    let (version, question) = rest.split_first_chunk::<4>()?;
    Some(WayBack { id: *id, version: u32::from_be_bytes(*version), question: question.try_into().ok()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 439-B: the state of one provider is nothing at another one, nor at another issuer.
    #[test]
    fn a_way_back_is_of_one_issuer_and_one_provider() {
        let keyring = KeyRing::new(vec![(1, [7; 32])]).unwrap();
        let way_back = WayBack { id: [1; 16], version: 3, question: [2; 16] };
        let state = way_back.seal(&keyring, "https://us", "any");
        assert_eq!(read(&keyring, "https://us", "any", &state), Some(way_back));
        assert_eq!(read(&keyring, "https://us", "other", &state), None);
        assert_eq!(read(&keyring, "https://us/tenant", "any", &state), None);
        let mut bytes = base64url::decode(&state).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(read(&keyring, "https://us", "any", &base64url::encode(&bytes)), None, "{at}");
            bytes[at] ^= 1;
        }
        for bad in ["", "AA", &state[1..], &format!("{state}A")] {
            assert_eq!(read(&keyring, "https://us", "any", bad), None, "{bad}");
        }
    }
}
