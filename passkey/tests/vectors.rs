//! The relying party on ceremonies of real authenticators and of the specification, with every lie about what was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_passkey::{
    AssertionResponse, CrossOrigin, ExpectedAssertion, ExpectedRegistration, Kind, RegistrationFacts, RegistrationResponse, Trust,
    Unreadable, UserVerification, Verdict, assertion, cose, registration,
};

fn vectors(name: &str) -> Option<Vec<Json>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| beside.into(), std::path::PathBuf::from);
    let Ok(text) = std::fs::read(root.join("webauthn").join(name)) else {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
        return None;
    };
    Some(serde_json::from_slice::<Json>(&text).unwrap()["vectors"].as_array().unwrap().clone())
}

/// The vectors keep binary members in base64url, some with padding.
fn bytes(value: &Json) -> Vec<u8> {
    base64url::decode(value.as_str().unwrap().trim_end_matches('=')).unwrap()
}

/// The challenge as the client data have it: some of the collected ones were texts.
fn challenge_in(client_data: &[u8]) -> Vec<u8> {
    let members: Json = serde_json::from_slice(client_data).unwrap();
    base64url::decode(members["challenge"].as_str().unwrap()).unwrap()
}

fn registered(id: &Json, client_data: &Json, object: &Json) -> RegistrationResponse {
    let response = json!({ "clientDataJSON": client_data, "attestationObject": object });
    let text = json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} });
    RegistrationResponse::parse(&text.to_string()).unwrap()
}

fn asserted(id: &Json, ceremony: &Json) -> AssertionResponse {
    let response = json!({
        "clientDataJSON": ceremony["client_data_json_b64u"], "authenticatorData": ceremony["authenticator_data_b64u"],
        "signature": ceremony["signature_b64u"],
    });
    let text = json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} });
    AssertionResponse::parse(&text.to_string()).unwrap()
}

/// Rules by name, of a verdict.
fn broken<F>(verdict: &Verdict<F>) -> Vec<&'static str> {
    verdict.failed.iter().map(|one| one.name).collect()
}

/// What is expected, to be changed.
#[derive(Clone)]
struct Asked {
    rp_id: String,
    origin: String,
    challenge: Vec<u8>,
    framed: bool,
    verification: UserVerification,
}

impl Asked {
    fn of(vector: &Json, challenge: Vec<u8>) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let framed = vector["cross_origin"] == true;
        Self { rp_id: text("rp_id"), origin: text("origin"), challenge, framed, verification: UserVerification::Preferred }
    }

    fn cross_origin(&self) -> CrossOrigin<'static> {
        if self.framed { CrossOrigin::Within(&[]) } else { CrossOrigin::Refused }
    }

    fn register(&self, response: &RegistrationResponse, algorithms: &[i64], trust: Option<Trust<'_>>) -> Verdict<RegistrationFacts> {
        self.try_register(response, algorithms, trust).unwrap()
    }

    fn try_register(
        &self,
        response: &RegistrationResponse,
        algorithms: &[i64],
        trust: Option<Trust<'_>>,
    ) -> Result<Verdict<RegistrationFacts>, Unreadable> {
        let expected = ExpectedRegistration {
            rp_id: &self.rp_id,
            origins: &["https://nobody.example", &self.origin],
            cross_origin: self.cross_origin(),
            challenge: &self.challenge,
            algorithms,
            user_verification: self.verification,
            user_presence: symbolon_passkey::UserPresence::Required,
            trust,
        };
        registration(response, &expected)
    }

    fn assert(&self, response: &AssertionResponse, key: &[u8], counter: u32) -> Vec<&'static str> {
        let expected = ExpectedAssertion {
            rp_id: &self.rp_id,
            origins: &["https://nobody.example", &self.origin],
            cross_origin: self.cross_origin(),
            challenge: &self.challenge,
            user_verification: self.verification,
            key,
            counter,
            backup_eligible: false,
        };
        broken(&assertion(response, &expected).unwrap())
    }

    /// The same with one thing changed, and the rule that must fail then.
    fn lies(&self) -> Vec<(Asked, &'static str)> {
        let mut challenge = self.challenge.clone();
        challenge[0] ^= 1;
        vec![
            (Self { rp_id: format!("x{}", self.rp_id), ..self.clone() }, "rp_id"),
            (Self { origin: format!("{}/", self.origin), ..self.clone() }, "origin"),
            (Self { challenge, ..self.clone() }, "challenge"),
            (Self { challenge: self.challenge[..8].to_vec(), ..self.clone() }, "challenge"),
        ]
    }
}

/// What is refused on purpose: SHA-1, a service that is gone, and two whose certificates have another AAGUID than their
/// authenticator data (WebAuthn Level 3, 8.2).
fn refused(vector: &Json, object: &[u8]) -> Option<&'static str> {
    // "alg" with -65535 in the statement.
    let has_sha1 = object.windows(7).any(|part| part == b"\x63alg\x39\xff\xfe");
    match vector["attestation_format"].as_str().unwrap() {
        "android-safetynet" => Some("format"),
        "packed" if ["SimpleWebAuthn-packed-01", "webauthn-rs-packed-27"].map(Json::from).contains(&vector["id"]) => Some("attestation"),
        "tpm" if has_sha1 => Some("attestation"),
        _ => None,
    }
}

#[test]
fn every_collected_registration_and_every_lie_about_it() {
    let Some(all) = vectors("registrations.json") else { return };
    let (mut accepted, mut turned_down) = (0, 0);
    for vector in &all {
        let id = vector["id"].as_str().unwrap();
        let response = registered(&vector["credential_id_b64u"], &vector["client_data_json_b64u"], &vector["attestation_object_b64u"]);
        let asked = Asked::of(vector, challenge_in(&response.client_data));
        // RS1 signs with SHA-1, and no key of it is taken (394-W).
        if vector["cose_alg"] == -65535 {
            assert!(asked.try_register(&response, &cose::OFFERED, None).is_err(), "{id}");
            turned_down += 1;
            continue;
        }
        let verdict = asked.try_register(&response, &cose::OFFERED, None).unwrap_or_else(|why| panic!("{id}: {why:?}"));
        if let Some(rule) = refused(vector, &response.attestation_object) {
            assert!(broken(&verdict).iter().all(|name| *name == rule) && !verdict.holds(), "{id}: {:?}", verdict.failed);
            turned_down += 1;
            continue;
        }
        assert!(verdict.holds(), "{id}: {:?}", verdict.failed);
        let facts = &verdict.facts;
        assert_eq!(facts.algorithm, vector["cose_alg"].as_i64().unwrap(), "{id}");
        assert_eq!(facts.counter, u32::try_from(vector["sign_count"].as_u64().unwrap()).unwrap(), "{id}");
        assert_eq!(
            json!([facts.user_verified, facts.backup_eligible, facts.backed_up]),
            json!([vector["user_verified"], vector["backup_eligible"], vector["backup_state"]]),
            "{id}"
        );
        let hex: String = facts.aaguid.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, vector["aaguid_hex"].as_str().unwrap(), "{id}");
        assert_eq!(facts.attestation.kind == Kind::None, vector["attestation_format"] == "none", "{id}");
        let vouches = facts.attestation.kind == Kind::Certificates && vector["attestation_format"] != "fido-u2f";
        assert_eq!(facts.attestation.vouches_for_aaguid, vouches, "{id}");
        for (lie, rule) in asked.lies() {
            let found = broken(&lie.register(&response, &cose::OFFERED, None));
            assert!(found.contains(&rule), "{id}: {rule}, {found:?}");
        }
        let others: Vec<i64> = cose::OFFERED.into_iter().filter(|alg| *alg != facts.algorithm).collect();
        assert_eq!(broken(&asked.register(&response, &others, None)), ["algorithm"], "{id}: 389-W");
        let strict = Asked { verification: UserVerification::Required, ..asked.clone() };
        let wanted: &[&str] = if facts.user_verified { &[] } else { &["user_verified"] };
        assert_eq!(broken(&strict.register(&response, &cose::OFFERED, None)), wanted, "{id}: 379-W");
        if facts.attestation.kind == Kind::Certificates {
            let nobody = Trust { roots: &[], now_s: 1_750_000_000 };
            let found = asked.register(&response, &cose::OFFERED, Some(nobody));
            assert!(broken(&found).contains(&"chain_root") && !found.facts.attestation.trusted, "{id}");
        }
        accepted += 1;
    }
    println!("registrations: {accepted} accepted, {turned_down} refused by rules of this server");
    assert_eq!((accepted, turned_down), (63, 16));
}

/// A statement that is changed anywhere proves nothing.
#[test]
fn a_changed_statement_is_refused() {
    let Some(all) = vectors("registrations.json") else { return };
    let mut tried = 0;
    for vector in all.iter().filter(|it| it["attestation_format"] != "none") {
        let mut response = registered(&vector["credential_id_b64u"], &vector["client_data_json_b64u"], &vector["attestation_object_b64u"]);
        if refused(vector, &response.attestation_object).is_some() {
            continue;
        }
        // Another byte in the client data, which a statement covers by their digest.
        response.client_data.push(b' ');
        let asked = Asked::of(vector, challenge_in(&response.client_data));
        let found = broken(&asked.register(&response, &cose::OFFERED, None));
        assert!(found.contains(&"attestation"), "{}: {found:?}", vector["id"]);
        tried += 1;
    }
    assert!(tried > 35, "{tried}");
}

#[test]
fn every_collected_authentication_and_every_lie_about_it() {
    let Some(all) = vectors("authentications.json") else { return };
    for vector in &all {
        let id = vector["id"].as_str().unwrap();
        let response = asserted(&json!("AAAA"), vector);
        let key = bytes(&vector["credential_public_key_cose_b64u"]);
        let asked = Asked::of(vector, challenge_in(&response.client_data));
        assert_eq!(asked.assert(&response, &key, 0), [""; 0], "{id}");
        for (lie, rule) in asked.lies() {
            let found = lie.assert(&response, &key, 0);
            assert_eq!(found, [rule], "{id}");
        }
        let other = all.iter().map(|it| bytes(&it["credential_public_key_cose_b64u"])).find(|other| *other != key).unwrap();
        assert_eq!(asked.assert(&response, &other, 0), ["signature"], "{id}");
        let mut changed = response.clone();
        changed.signature[20] ^= 1;
        assert_eq!(asked.assert(&changed, &key, 0), ["signature"], "{id}");
    }
    println!("authentications: {}", all.len());
    assert!(all.len() > 10);
}

#[test]
fn the_pairs_of_the_specification() {
    let Some(all) = vectors("w3c-spec-vectors.json") else { return };
    for vector in &all {
        let id = vector["id"].as_str().unwrap();
        let made = &vector["registration"];
        let response = registered(&made["credential_id_b64u"], &made["client_data_json_b64u"], &made["attestation_object_b64u"]);
        let asked = Asked::of(vector, bytes(&made["challenge_b64u"]));
        let root = vector["attestation_trust_root_der_hex"].as_str();
        let root =
            root.map(|hex| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect::<Vec<u8>>());
        let spki = root.as_deref().map(|der| {
            use x509_parser::prelude::*;
            X509Certificate::from_der(der).unwrap().1.public_key().raw.to_vec()
        });
        let roots: Vec<&[u8]> = spki.iter().map(Vec::as_slice).collect();
        let trust = Trust { roots: &roots, now_s: 1_750_000_000 };
        let verdict = asked.register(&response, &cose::OFFERED, Some(trust));
        assert!(verdict.holds(), "{id}: {:?}", verdict.failed);
        assert_eq!(verdict.facts.attestation.trusted, verdict.facts.attestation.kind == Kind::Certificates, "{id}");
        let used = &vector["authentication"];
        let again = asserted(&made["credential_id_b64u"], used);
        let asked = Asked { challenge: bytes(&used["challenge_b64u"]), ..asked };
        assert_eq!(asked.assert(&again, &verdict.facts.key, 0), [""; 0], "{id}");
        if asked.framed {
            let found = Asked { framed: false, ..asked.clone() }.register(&response, &cose::OFFERED, None);
            assert!(broken(&found).contains(&"cross_origin"), "{id}: 386-W");
        }
        for (lie, rule) in asked.lies() {
            assert_eq!(lie.assert(&again, &verdict.facts.key, 0), [rule], "{id}");
        }
    }
    assert_eq!(all.len(), 10);
}

/// The origin of an Android app is compared as a string, with the client's own list.
#[test]
fn ceremonies_inside_an_android_app() {
    let Some(all) = vectors("android-native-origin.json") else { return };
    let made = all.iter().find(|it| it["kind"] == "registration").unwrap();
    let response = registered(&made["credential_id_b64u"], &made["client_data_json_b64u"], &made["attestation_object_b64u"]);
    let asked = Asked::of(made, bytes(&made["challenge_b64u"]));
    assert!(asked.register(&response, &cose::OFFERED, None).holds());
    let in_browser = Asked { origin: format!("https://{}", asked.rp_id), ..asked.clone() };
    assert_eq!(broken(&in_browser.register(&response, &cose::OFFERED, None)), ["origin"]);
    let padded = Asked { origin: format!("{}=", asked.origin), ..asked };
    assert_eq!(broken(&padded.register(&response, &cose::OFFERED, None)), ["origin"]);
    let used = all.iter().find(|it| it["kind"] != "registration").unwrap();
    let response = asserted(&json!("AAAA"), used);
    let point =
        base64url::decode(&used["public_key_x962_b64"].as_str().unwrap().replace('+', "-").replace('/', "_").replace('=', "")).unwrap();
    let key = [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &point[1..33], b"\x22\x58\x20", &point[33..]].concat();
    let asked = Asked::of(used, bytes(&used["challenge_b64u"]));
    assert_eq!(asked.assert(&response, &key, 0), ["signature"], "the key belongs to another credential");
}
