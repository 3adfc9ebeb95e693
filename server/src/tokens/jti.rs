//! What a `jti` says. It is sealed: nobody can guess one, and no API can link two of them. Introspection finds all that stands
//! behind a token by it.

use crate::config::TierName;
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use symbolon_oauth::base64url;

const JTI: &str = "jti";
const FIXED: usize = 16 + 4 + 1;
/// A token, and those it came from: APIs one behind the other.
pub const MOST: usize = 5;

/// What stands behind a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Session and number of its grant.
    pub grant: Option<([u8; 16], u32)>,
    /// What the installation had proved.
    pub tier: Option<TierName>,
    /// The installation that got it for its client; with a grant, that knows its holder.
    pub instance: String,
    /// The `jti` of the token it was exchanged for (RFC 8693).
    pub from: Option<String>,
}

impl Behind {
    /// Session (16 bytes), grant number (4), tier (1). Then, if there is more, the installation with its length, and the `jti` it came
    /// from.
    pub fn seal(&self, keyring: &KeyRing) -> Result<String> {
        let (session, number) = self.grant.unwrap_or_default();
        let mut plain = [&session[..], &number.to_be_bytes(), &[self.tier.map_or(0, TierName::code)]].concat();
        if !self.instance.is_empty() || self.from.is_some() {
            plain.push(u8::try_from(self.instance.len()).map_err(|_| Fault::new("an installation's name is too long"))?);
            plain.extend_from_slice(self.instance.as_bytes());
            plain.extend(self.from.as_deref().and_then(base64url::decode).unwrap_or_default());
        }
        Ok(base64url::encode(&keyring.seal(JTI, &plain)?))
    }

    fn open(keyring: &KeyRing, jti: &str) -> Option<Self> {
        let plain = keyring.open(JTI, &base64url::decode(jti)?)?;
        let (fixed, rest) = plain.split_at_checked(FIXED)?;
        let (session, number) = (fixed[..16].try_into().ok()?, u32::from_be_bytes(fixed[16..20].try_into().ok()?));
        let (length, rest) = rest.split_first().unwrap_or((&0, rest));
        let (instance, from) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            grant: (session != [0; 16]).then_some((session, number)),
            tier: TierName::of_code(fixed[20]),
            instance: String::from_utf8(instance.to_vec()).ok()?,
            from: (!from.is_empty()).then(|| base64url::encode(from)),
        })
    }
}

/// A token and those it came from, the first last. `None`: not of our making, or longer than any we make.
pub fn chain(keyring: &KeyRing, jti: &str) -> Option<Vec<(String, Behind)>> {
    let (mut all, mut next) = (Vec::new(), Some(jti.to_owned()));
    while let Some(jti) = next.take() {
        let behind = Behind::open(keyring, &jti).filter(|_| all.len() < MOST)?;
        next.clone_from(&behind.from);
        all.push((jti, behind));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_chain_reads_back_as_far_as_it_may_go() {
        let keyring = KeyRing::new(vec![(1, [7; 32])]).unwrap();
        let root = Behind { grant: Some(([3; 16], 9)), tier: Some(TierName::Hardware), ..Behind::default() };
        let own = Behind { instance: "device-1".to_owned(), ..Behind::default() };
        for first in [root, own, Behind::default()] {
            let mut jti = first.seal(&keyring).unwrap();
            for length in 1..=MOST {
                let chain = chain(&keyring, &jti).unwrap();
                assert_eq!((chain.len(), &chain.last().unwrap().1), (length, &first));
                jti = Behind { from: Some(jti), instance: String::new(), ..first.clone() }.seal(&keyring).unwrap();
            }
            assert_eq!(chain(&keyring, &jti), None);
        }
        assert_eq!(chain(&keyring, "x"), None);
        assert_eq!(chain(&KeyRing::new(vec![(1, [8; 32])]).unwrap(), &Behind::default().seal(&keyring).unwrap()), None);
    }
}
