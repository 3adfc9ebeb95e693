//! A person's passkeys as a sign-in reads them, and what the operator asks of passkeys. What the platform is asked is in `ceremony`,
//! the method in `methods::passkey`, the forms in `passkey_forms`.

use super::step::Problem;
use crate::error::Fault;
use crate::store::Row;
use std::collections::BTreeSet;
use symbolon_oauth::{base64url, digest};
use symbolon_passkey::UserVerification;
use symbolon_passkey::aaguid;
use symbolon_passkey::options::{Conveyance, Descriptor};

/// More than anybody has; each is named when another one is made.
pub const MOST: usize = 20;

/// A passkey of an account, as a sign-in reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredPasskey {
    pub rp_id: String,
    /// base64url
    pub id: String,
    /// Its authenticator finds it by its id alone, so that the person says a name first.
    pub needs_name: bool,
    pub transports: Vec<String>,
    /// The present configuration refuses its kind.
    pub is_refused: bool,
}

impl RegisteredPasskey {
    /// Reads what `tables::account::BY_ID` puts together: RP ID, id, whether it is found without a name, and transports,
    /// between spaces.
    pub fn read(text: &str) -> Vec<Self> {
        let one = |text: &str| {
            let mut parts = text.split(' ').filter(|part| !part.is_empty()).map(str::to_owned);
            let (rp_id, id, discoverable) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { rp_id, id, needs_name: discoverable == "0", transports: parts.collect(), is_refused: false })
        };
        let mut found: Vec<Self> = text.split(',').filter_map(one).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    pub fn public_id(&self) -> String {
        public_id(&self.id)
    }

    pub fn descriptor(&self) -> Option<Descriptor> {
        Some(Descriptor { id: base64url::decode(&self.id)?, transports: self.transports.clone() })
    }
}

/// Of a passkey's name, in characters.
pub const LONGEST_NAME: u32 = 64;

/// The name that a person gives a passkey: one line. None: nothing is left of it.
pub fn shown_name(typed: &str) -> Option<String> {
    let seen = typed.trim().chars().filter(|letter| !crate::visible::is_unseen(*letter));
    let name: String = seen.take(LONGEST_NAME as usize).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// What pages, proofs and the audit call a credential. `id`: base64url.
pub fn public_id(id: &str) -> String {
    base64url::encode(&digest::sha256(id.as_bytes())[..12])
}

/// What a credential is, as its registration and its uses have shown.
#[derive(Clone, Copy, Debug)]
pub struct PasskeyKind<'a> {
    pub aaguid: &'a [u8],
    /// A maker that was believed has said so.
    pub attested: bool,
    pub backup_eligible: bool,
}

impl<'a> PasskeyKind<'a> {
    /// Of a row of `passkey`.
    pub fn read(row: &'a Row) -> Result<Self, Fault> {
        let is = |name| Ok::<_, Fault>(row.int(name)? == 1);
        Ok(Self { aaguid: row.bytes("aaguid")?, attested: is("attested")?, backup_eligible: is("backup_eligible")? })
    }
}

/// Which kinds of passkeys the present configuration accepts. One that was made under another configuration is judged by it too.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Those that are copied to other devices.
    pub synced: bool,
    /// Those alone of which a maker has said what they are.
    pub attested: bool,
    /// AAGUIDs; empty: every one.
    pub kinds: Vec<[u8; 16]>,
}

impl Accepted {
    pub fn all(&self) -> bool {
        self.synced && !self.attested && self.kinds.is_empty()
    }

    /// None: accepted. Else the person's problem and the private reason.
    pub fn refuses(&self, kind: PasskeyKind<'_>) -> Option<(Problem, String)> {
        if kind.backup_eligible && !self.synced {
            return Some((Problem::new("passkey_synced"), "a synced passkey, which the configuration refuses".to_owned()));
        }
        // 388-W: only a maker that is believed says what it is.
        if self.attested && !kind.attested {
            return Some((self.wrong_kind(), "no statement of a maker that is believed".to_owned()));
        }
        if self.kinds.is_empty() || self.kinds.iter().any(|one| one == kind.aaguid) {
            return None;
        }
        let what = <[u8; 16]>::try_from(kind.aaguid).map(|bytes| aaguid::text(&bytes)).unwrap_or_default();
        Some((self.wrong_kind(), format!("the kind {what} is not accepted")))
    }

    /// The person hears which kinds are accepted, as far as they have names.
    pub fn wrong_kind(&self) -> Problem {
        let names: BTreeSet<&str> = self.kinds.iter().filter_map(aaguid::name).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let mut problem = Problem::new("passkey_kind");
        problem.args.insert("kinds".to_owned(), if names.is_empty() { "none".to_owned() } else { names });
        problem
    }
}

/// What the operator asks of passkeys, and accepts.
#[derive(Clone, Debug)]
pub struct PasskeyRules {
    pub user_verification: UserVerification,
    pub conveyance: Conveyance,
    pub accepted: Accepted,
    /// The makers that are believed: SubjectPublicKeyInfo in DER.
    pub roots: Vec<Vec<u8>>,
}

impl PasskeyRules {
    /// Is a maker's statement asked for?
    pub fn wants_attestation(&self) -> bool {
        self.conveyance != Conveyance::None
    }
}

/// The relying party, under the present configuration.
#[derive(Clone, Copy)]
pub struct RelyingParty<'a> {
    pub id: &'a str,
    pub rules: &'a PasskeyRules,
    /// What the client data may name, in the face of this sign-in.
    pub origins: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_puts_together_is_read() {
        let read = RegisteredPasskey::read("a.example AAAA 0 usb nfc,a.example AAAB 1 ,b.example _-8 1 internal");
        let shown = |one: &RegisteredPasskey| (one.rp_id.clone(), one.id.clone(), one.needs_name, one.transports.len());
        let wanted = [("a.example", "AAAA", true, 2), ("a.example", "AAAB", false, 0), ("b.example", "_-8", false, 1)];
        assert_eq!(read.iter().map(shown).collect::<Vec<_>>(), wanted.map(|it| (it.0.to_owned(), it.1.to_owned(), it.2, it.3)));
        assert!(RegisteredPasskey::read("").is_empty());
    }

    /// One rule for a passkey that is made, one that is used, and one that was used before.
    #[test]
    fn the_present_configuration_says_which_kinds_count() {
        let (yes, no) = ([7; 16], [8; 16]);
        let open = Accepted { synced: true, attested: false, kinds: Vec::new() };
        let strict = Accepted { synced: false, attested: true, kinds: vec![yes] };
        let good = PasskeyKind { aaguid: &yes, attested: true, backup_eligible: false };
        assert!(open.all() && !strict.all());
        assert!(
            strict.refuses(good).is_none() && open.refuses(PasskeyKind { aaguid: &no, attested: false, backup_eligible: true }).is_none()
        );
        for (kind, key, why) in [
            (PasskeyKind { backup_eligible: true, ..good }, "passkey_synced", "synced"),
            (PasskeyKind { aaguid: &no, ..good }, "passkey_kind", "is not accepted"),
            (PasskeyKind { attested: false, ..good }, "passkey_kind", "no statement"),
            (PasskeyKind { aaguid: &[], ..good }, "passkey_kind", "is not accepted"),
        ] {
            let (problem, private) = strict.refuses(kind).map_or_else(Default::default, |found| (found.0.key, found.1));
            assert!(problem == key && private.contains(why), "{kind:?}: {problem} {private}");
        }
        for alone in [Accepted { synced: false, ..open.clone() }, Accepted { attested: true, ..open.clone() }] {
            assert!(!alone.all());
        }
    }
}
