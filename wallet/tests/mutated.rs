//! Good presentations, responses, requests and queries with a few bytes changed, by the thousand, from a fixed seed. Nothing panics, and
//! nothing that was changed is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod made;

use made::{CLIENT, DOCTYPE, NAMESPACE, NOTHING, NOW_S, RESPONSE_URI, VCT, World};
use serde_json::{Value as Json, json};
use symbolon_phone::wallet::{present_mdoc, present_sd_jwt};
use symbolon_wallet::dcql::Query;
use symbolon_wallet::jwe::{self, DecryptionKey, Encryption, Sender};
use symbolon_wallet::response::Response;
use symbolon_wallet::{mdoc, transcript};

const ROUNDS: u32 = 4000;

/// xorshift64*: the same sequence on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % below
    }

    /// One to three changes: a byte becomes another one, goes, comes twice, or a piece is cut out or repeated.
    fn changed(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.next(3) {
            if bytes.is_empty() {
                return bytes;
            }
            let at = self.next(bytes.len());
            match self.next(6) {
                0 => bytes[at] = u8::try_from(self.next(256)).unwrap(),
                1 => bytes[at] ^= 1 << self.next(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, bytes[at]),
                4 => drop(bytes.drain(at..(at + 1 + self.next(64)).min(bytes.len()))),
                _ => {
                    let piece: Vec<u8> = bytes[at..(at + 1 + self.next(64)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }
}

#[test]
fn a_changed_sd_jwt_is_never_accepted() {
    let world = World::new();
    let claims = json!({ "name": "Ana", "age": 17, "address": { "locality": "Amaurot" } });
    let issued = world.issuer.sd_jwt(&world.terms(VCT), claims.as_object().unwrap()).unwrap();
    let good = present_sd_jwt(&issued, &["name".to_owned(), "age".to_owned()], &world.bound()).unwrap();
    assert_eq!(world.judge(&good), NOTHING, "the twin");
    let mut dice = Dice(0x5eed);
    for round in 0..ROUNDS {
        let text = String::from_utf8_lossy(&dice.changed(good.as_bytes())).into_owned();
        assert!(text == good || world.judge(&text) != NOTHING, "{round}: {text}");
    }
}

/// The frame of a DeviceResponse is not signed, and items may be left out: what is missing then, the query refuses. Whatever is accepted says
/// nothing that the good one does not say.
#[test]
fn a_changed_mdoc_never_says_anything_else() {
    let world = World::new();
    let claims = json!({ "age_over_18": false, "family_name": "Doe" });
    let issued = world.issuer.mdoc(&world.terms(DOCTYPE), claims.as_object().unwrap()).unwrap();
    let session = transcript::redirect(CLIENT, "n-1", Some(&[7; 32]), RESPONSE_URI);
    let good = present_mdoc(DOCTYPE, &issued, &["age_over_18".to_owned()], &session, &world.holder).unwrap();
    let judged = |bytes: &[u8]| {
        let asked = mdoc::Expected {
            issuers: &world.trusted,
            doctype: DOCTYPE,
            session_transcript: &session,
            older_transcript: None,
            now_s: NOW_S,
            skew_s: 60,
        };
        mdoc::Document::parse(bytes).and_then(|it| it.judge(&asked)).ok().filter(|verdict| verdict.failed.is_empty()).map(|it| it.facts)
    };
    let facts = judged(&good).expect("the twin");
    assert_eq!(facts.claims[NAMESPACE], json!({ "age_over_18": false }));
    let (mut dice, mut accepted) = (Dice(0xacce), 0);
    for round in 0..ROUNDS {
        let bytes = dice.changed(&good);
        if let Some(other) = judged(&bytes) {
            accepted += 1;
            let shown = other.claims.get(NAMESPACE).and_then(Json::as_object).into_iter().flatten();
            let is_ours = shown.into_iter().all(|(name, value)| facts.claims[NAMESPACE].get(name) == Some(value));
            let others = other.claims.keys().all(|namespace| namespace == NAMESPACE);
            assert!(is_ours && others, "{round}: {:?}", other.claims);
            assert_eq!((&other.kind, &other.signer, other.expires_s), (&facts.kind, &facts.signer, facts.expires_s), "{round}");
        }
    }
    assert!(accepted < ROUNDS / 20, "{accepted} of {ROUNDS} were accepted");
}

#[test]
fn a_changed_response_is_not_opened_and_nothing_panics() {
    let key = DecryptionKey::generate().unwrap();
    let content = json!({ "vp_token": { "pid": ["a~b"] }, "state": "s" }).to_string();
    let good = jwe::seal(&key.to_jwk(), Encryption::A128Gcm, &Sender::default(), [1; 12], content.as_bytes()).unwrap();
    assert_eq!(jwe::open(&good, &key).unwrap().content, content.as_bytes(), "the twin");
    let query = r#"{"credentials":[{"id":"pid","format":"dc+sd-jwt","meta":{"vct_values":["a"]},"claims":[{"path":["name",0,null]}]}]}"#;
    let mut dice = Dice(0x0be);
    for round in 0..ROUNDS {
        let text = String::from_utf8_lossy(&dice.changed(good.as_bytes())).into_owned();
        assert!(text == good || jwe::open(&text, &key).is_err(), "{round}: {text}");
        // These have no signature: they are read or refused, and that is all.
        let _ = Response::parse(&dice.changed(content.as_bytes()));
        let _ = Query::parse(&dice.changed(query.as_bytes()));
    }
}
