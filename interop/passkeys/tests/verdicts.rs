//! Ceremonies of real authenticators and of the specification, judged by us and by webauthn-rs. Where the two differ, the list says why.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::AvailableBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use passkey::types::webauthn::{CredentialCreationOptions, CredentialRequestOptions};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_oauth::base64url;
use symbolon_passkey::options::{self, Conveyance, Creation, Request};
use symbolon_passkey::{
    AssertionResponse, CrossOrigin, ExpectedAssertion, ExpectedRegistration, RegistrationFacts, RegistrationResponse, UserVerification,
    assertion, cose, registration,
};
use url::Url;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AuthenticationState, COSEAlgorithm, Credential, PublicKeyCredential, RegisterPublicKeyCredential, RegistrationState,
    UserVerificationPolicy,
};

/// Who accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Ours,
    Theirs,
}

const EDDSA: &str = "a key of Ed25519, which webauthn-rs does not have";
const TPM: &str = "the statement of a TPM whose key webauthn-rs does not read";
const VERIFIED: &str = "verified at registration and not here: webauthn-rs wants it again, and our policy says what it is worth";

/// Differences that are meant, by the whole of what was compared. In each of them we accept and webauthn-rs does not.
const DIFFERENCES: &[(&str, Only, &str)] = &[
    ("java-webauthn-server-authentication-03: registration", Only::Ours, EDDSA),
    ("w3c-packed-eddsa: registration", Only::Ours, EDDSA),
    ("java-webauthn-server-packed-06", Only::Ours, EDDSA),
    ("py_webauthn-packed-16", Only::Ours, EDDSA),
    ("webauthn-packed-21", Only::Ours, EDDSA),
    ("webauthn-rs-none-18", Only::Ours, EDDSA),
    ("webauthn-rs-none-27", Only::Ours, EDDSA),
    ("w3c-tpm-es256: registration", Only::Ours, TPM),
    ("SimpleWebAuthn-tpm-00", Only::Ours, TPM),
    ("SimpleWebAuthn-tpm-01", Only::Ours, TPM),
    ("SimpleWebAuthn-tpm-03", Only::Ours, TPM),
    ("w3c-packed-es512", Only::Ours, VERIFIED),
    ("w3c-packed-self-es256", Only::Ours, VERIFIED),
    ("py_webauthn-fido-u2f-07", Only::Ours, "`tokenBinding` is a text, as old clients wrote it; Level 3 says to ignore it"),
    ("webauthn-packed-18", Only::Ours, "a statement by a key of P-521, whose signature webauthn-rs does not verify"),
];

fn vectors(name: &str) -> Option<Vec<Json>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(|| beside.into(), std::path::PathBuf::from);
    let Ok(text) = std::fs::read(root.join("webauthn").join(name)) else {
        println!("skipped: {name} is not here; SYMBOLON_VECTORS names the directory");
        return None;
    };
    Some(serde_json::from_slice::<Json>(&text).unwrap()["vectors"].as_array().unwrap().clone())
}

/// As both libraries take it. Some vectors have padding.
fn plain(value: &Json) -> Json {
    value.as_str().unwrap().trim_end_matches('=').into()
}

fn bytes(value: &Json) -> Vec<u8> {
    base64url::decode(plain(value).as_str().unwrap()).unwrap()
}

/// What was asked.
#[derive(Clone, Debug)]
struct Asked {
    rp_id: String,
    origin: String,
    challenge: Vec<u8>,
}

impl Asked {
    fn of(vector: &Json, client_data: &Json) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let members: Json = serde_json::from_slice(&bytes(client_data)).unwrap();
        Self { rp_id: text("rp_id"), origin: text("origin"), challenge: bytes(&members["challenge"]) }
    }

    /// Each with one thing changed.
    fn lies(&self) -> Vec<(&'static str, Self)> {
        let mut challenge = self.challenge.clone();
        challenge[0] ^= 1;
        let origin = if self.origin.starts_with("https") { "https://other.example" } else { "http://other.example" };
        vec![
            ("another challenge", Self { challenge, ..self.clone() }),
            ("another RP ID", Self { rp_id: "other.example".to_owned(), ..self.clone() }),
            ("another origin", Self { origin: origin.to_owned(), ..self.clone() }),
        ]
    }

    fn core(&self) -> Option<WebauthnCore> {
        let origin = Url::parse(&self.origin).ok()?;
        Some(WebauthnCore::new_unsafe_experts_only("Example", &self.rp_id, vec![origin], Duration::from_secs(60), None, None))
    }

    fn register_ours(&self, response: &Json) -> Result<RegistrationFacts, String> {
        let response = RegistrationResponse::parse(&response.to_string()).map_err(|why| why.0.to_owned())?;
        let expected = ExpectedRegistration {
            rp_id: &self.rp_id,
            origins: &[&self.origin],
            cross_origin: CrossOrigin::Refused,
            challenge: &self.challenge,
            algorithms: &cose::OFFERED,
            user_verification: UserVerification::Preferred,
            user_presence: symbolon_passkey::UserPresence::Required,
            trust: None,
        };
        let verdict = registration(&response, &expected).map_err(|why| why.0.to_owned())?;
        let failed: Vec<&str> = verdict.failed.iter().map(|one| one.name).collect();
        if failed.is_empty() { Ok(verdict.facts) } else { Err(failed.join(" ")) }
    }

    fn register_theirs(&self, response: &Json) -> Result<Credential, String> {
        let core = self.core().ok_or("the origin is no URL")?;
        let builder = core.new_challenge_register_builder(b"user", "user", "User").map_err(|why| why.to_string())?;
        let builder =
            builder.credential_algorithms(COSEAlgorithm::all_possible_algs()).user_verification_policy(UserVerificationPolicy::Preferred);
        let (_, state) = core.generate_challenge_register(builder).map_err(|why| why.to_string())?;
        let state: RegistrationState = with_challenge(&state, &self.challenge)?;
        let response: RegisterPublicKeyCredential = serde_json::from_value(response.clone()).map_err(|why| why.to_string())?;
        core.register_credential(&response, &state, None).map_err(|why| why.to_string())
    }

    fn assert_ours(&self, response: &Json, (key, counter): (&[u8], u32)) -> Result<u32, String> {
        let response = AssertionResponse::parse(&response.to_string()).map_err(|why| why.0.to_owned())?;
        let expected = ExpectedAssertion {
            rp_id: &self.rp_id,
            origins: &[&self.origin],
            cross_origin: CrossOrigin::Refused,
            challenge: &self.challenge,
            user_verification: UserVerification::Preferred,
            key,
            counter,
            backup_eligible: false,
        };
        let verdict = assertion(&response, &expected).map_err(|why| why.0.to_owned())?;
        let failed: Vec<&str> = verdict.failed.iter().map(|one| one.name).collect();
        if failed.is_empty() { Ok(verdict.facts.counter) } else { Err(failed.join(" ")) }
    }

    fn assert_theirs(&self, response: &Json, credential: &Credential) -> Result<u32, String> {
        let core = self.core().ok_or("the origin is no URL")?;
        let builder = core.new_challenge_authenticate_builder(vec![credential.clone()], Some(UserVerificationPolicy::Preferred));
        let builder = builder.map_err(|why| why.to_string())?.allow_backup_eligible_upgrade(true);
        let (_, state) = core.generate_challenge_authenticate(builder).map_err(|why| why.to_string())?;
        let state: AuthenticationState = with_challenge(&state, &self.challenge)?;
        let response: PublicKeyCredential = serde_json::from_value(response.clone()).map_err(|why| why.to_string())?;
        core.authenticate_credential(&response, &state).map(|found| found.counter()).map_err(|why| why.to_string())
    }
}

/// Their state is made with a challenge of its own. Vectors have theirs.
fn with_challenge<T: serde::Serialize + serde::de::DeserializeOwned>(state: &T, challenge: &[u8]) -> Result<T, String> {
    let mut kept = serde_json::to_value(state).map_err(|why| why.to_string())?;
    assert!(kept["challenge"].is_string(), "{kept}");
    kept["challenge"] = base64url::encode(challenge).into();
    serde_json::from_value(kept).map_err(|why| why.to_string())
}

fn registered(id: &Json, client_data: &Json, object: &Json) -> Json {
    let response = json!({ "clientDataJSON": plain(client_data), "attestationObject": plain(object) });
    let id = plain(id);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
}

fn asserted(id: &Json, ceremony: &Json) -> Json {
    let response = json!({
        "clientDataJSON": plain(&ceremony["client_data_json_b64u"]), "authenticatorData": plain(&ceremony["authenticator_data_b64u"]),
        "signature": plain(&ceremony["signature_b64u"]),
    });
    let id = plain(id);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
}

/// A member of the response with its last bit changed.
fn bent(response: &Json, member: &str) -> Json {
    let mut bytes = bytes(&response["response"][member]);
    *bytes.last_mut().unwrap() ^= 1;
    let mut bent = response.clone();
    bent["response"][member] = base64url::encode(&bytes).into();
    bent
}

/// Collects what the two said.
#[derive(Default)]
struct Compared {
    both_accept: usize,
    both_refuse: usize,
    differ: BTreeMap<String, (Only, String)>,
}

impl Compared {
    fn note<A, B>(&mut self, what: &str, ours: &Result<A, String>, theirs: &Result<B, String>) -> bool {
        match (ours, theirs) {
            (Ok(_), Ok(_)) => self.both_accept += 1,
            (Err(_), Err(_)) => self.both_refuse += 1,
            (Ok(_), Err(why)) => drop(self.differ.insert(what.to_owned(), (Only::Ours, why.clone()))),
            (Err(why), Ok(_)) => drop(self.differ.insert(what.to_owned(), (Only::Theirs, why.clone()))),
        }
        ours.is_ok() && theirs.is_ok()
    }

    /// Every difference is in the list. A change of what was asked, or of the answer, is never one.
    fn judge(&self, part: &str, least: usize) {
        println!("{part}: {} accepted and {} refused by both, {} differ", self.both_accept, self.both_refuse, self.differ.len());
        let meant = |what: &str, only: Only| DIFFERENCES.iter().any(|(id, who, _)| what == *id && *who == only);
        let surprising: Vec<_> = self.differ.iter().filter(|(what, (only, _))| !meant(what, *only)).collect();
        assert!(surprising.is_empty(), "{surprising:#?}");
        assert!(self.both_accept >= least, "{part}: {} accepted by both", self.both_accept);
    }
}

#[test]
fn registrations_get_the_same_verdict() {
    let (Some(all), Some(native)) = (vectors("registrations.json"), vectors("android-native-origin.json")) else { return };
    let native = native.into_iter().filter(|it| it["kind"] == "registration");
    let mut compared = Compared::default();
    for vector in all.into_iter().chain(native) {
        let id = vector["id"].as_str().unwrap();
        let response = registered(&vector["credential_id_b64u"], &vector["client_data_json_b64u"], &vector["attestation_object_b64u"]);
        let asked = Asked::of(&vector, &vector["client_data_json_b64u"]);
        let (ours, theirs) = (asked.register_ours(&response), asked.register_theirs(&response));
        if !compared.note(id, &ours, &theirs) {
            continue;
        }
        let credential = theirs.unwrap();
        assert_eq!(ours.as_ref().unwrap().id, AsRef::<[u8]>::as_ref(&credential.cred_id), "{id}");
        assert_eq!(ours.as_ref().unwrap().counter, credential.counter, "{id}");
        for (lie, asked) in asked.lies() {
            compared.note(&format!("{id}: {lie}"), &asked.register_ours(&response), &asked.register_theirs(&response));
        }
    }
    compared.judge("registrations", 50);
}

#[test]
fn assertions_get_the_same_verdict() {
    let (Some(all), Some(pairs)) = (vectors("authentications.json"), vectors("w3c-spec-vectors.json")) else { return };
    let Some(registrations) = vectors("registrations.json") else { return };
    let mut compared = Compared::default();
    let from_list = all.into_iter().filter_map(|authentication| {
        let registration = registrations.iter().find(|one| one["id"] == authentication["registration_id"])?.clone();
        Some((authentication["id"].as_str().unwrap().to_owned(), registration.clone(), registration, authentication))
    });
    let from_pairs = pairs
        .into_iter()
        .map(|it| (it["id"].as_str().unwrap().to_owned(), it.clone(), it["registration"].clone(), it["authentication"].clone()));
    for (id, named, registration, ceremony) in from_list.chain(from_pairs) {
        let response = registered(
            &registration["credential_id_b64u"],
            &registration["client_data_json_b64u"],
            &registration["attestation_object_b64u"],
        );
        let asked = Asked::of(&named, &registration["client_data_json_b64u"]);
        let (ours, theirs) = (asked.register_ours(&response), asked.register_theirs(&response));
        if !compared.note(&format!("{id}: registration"), &ours, &theirs) {
            continue;
        }
        let (facts, credential) = (ours.unwrap(), theirs.unwrap());
        let response = asserted(&registration["credential_id_b64u"], &ceremony);
        let asked = Asked::of(&named, &ceremony["client_data_json_b64u"]);
        let key = (facts.key.as_slice(), facts.counter);
        let (ours, theirs) = (asked.assert_ours(&response, key), asked.assert_theirs(&response, &credential));
        if !compared.note(&id, &ours, &theirs) {
            continue;
        }
        assert_eq!(ours, theirs, "{id}: the counter");
        for (lie, asked) in asked.lies() {
            compared.note(&format!("{id}: {lie}"), &asked.assert_ours(&response, key), &asked.assert_theirs(&response, &credential));
        }
        for member in ["signature", "authenticatorData", "clientDataJSON"] {
            let bent = bent(&response, member);
            compared.note(&format!("{id}: {member}"), &asked.assert_ours(&bent, key), &asked.assert_theirs(&bent, &credential));
        }
    }
    compared.judge("assertions", 12);
}

/// Whoever is asked says yes.
struct Agrees;

#[async_trait::async_trait]
impl UserValidationMethod for Agrees {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(&self, _: UiHint<'a, Passkey>, presence: bool, verification: bool) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

/// The client and authenticator of 1Password read our documents as they are. What they answer is good to us and to webauthn-rs, and each
/// change of it is good to neither.
#[tokio::test]
async fn a_client_of_others_reads_our_documents() {
    let (rp_id, origin) = ("login.example.com", Url::parse("https://login.example.com").unwrap());
    let asked =
        |challenge: &[u8]| Asked { rp_id: rp_id.to_owned(), origin: "https://login.example.com".to_owned(), challenge: challenge.to_vec() };
    let mut client = Client::new(Authenticator::new(Aaguid::new_empty(), None::<Passkey>, Agrees, AvailableBackend));
    let creation = options::creation(&Creation {
        rp_id,
        rp_name: "Example",
        user_handle: &[7; 32],
        user_name: "alice",
        display_name: "Alice",
        challenge: &[1; 32],
        timeout_ms: 300_000,
        user_verification: UserVerification::Required,
        conveyance: Conveyance::None,
        exclude: &[],
    });
    let wanted: CredentialCreationOptions = serde_json::from_value(json!({ "publicKey": creation })).unwrap();
    let made = client.register(&origin, wanted, DefaultClientData).await.unwrap();
    let made = without_nulls(serde_json::to_value(made).unwrap());
    let (mut compared, first) = (Compared::default(), asked(&[1; 32]));
    let (ours, theirs) = (first.register_ours(&made), first.register_theirs(&made));
    assert!(compared.note("simulator: registration", &ours, &theirs), "{ours:?} {theirs:?} {made}");
    let (facts, credential) = (ours.unwrap(), theirs.unwrap());
    let request = options::request(&Request {
        rp_id,
        challenge: &[2; 32],
        timeout_ms: 300_000,
        user_verification: UserVerification::Required,
        allow: &[],
    });
    let wanted: CredentialRequestOptions = serde_json::from_value(json!({ "publicKey": request })).unwrap();
    let used = client.authenticate(&origin, wanted, DefaultClientData).await.unwrap();
    let used = without_nulls(serde_json::to_value(used).unwrap());
    assert_eq!(bytes(&used["response"]["userHandle"]), [7; 32]);
    let (second, key) = (asked(&[2; 32]), (facts.key.as_slice(), facts.counter));
    let (ours, theirs) = (second.assert_ours(&used, key), second.assert_theirs(&used, &credential));
    assert!(compared.note("simulator: assertion", &ours, &theirs), "{ours:?} {theirs:?} {used}");
    for ((lie, first), (_, second)) in first.lies().into_iter().zip(second.lies()) {
        compared.note(&format!("simulator: registration, {lie}"), &first.register_ours(&made), &first.register_theirs(&made));
        let (ours, theirs) = (second.assert_ours(&used, key), second.assert_theirs(&used, &credential));
        compared.note(&format!("simulator: assertion, {lie}"), &ours, &theirs);
    }
    for member in ["signature", "authenticatorData", "clientDataJSON"] {
        let bent = bent(&used, member);
        let (ours, theirs) = (second.assert_ours(&bent, key), second.assert_theirs(&bent, &credential));
        compared.note(&format!("simulator: {member}"), &ours, &theirs);
    }
    assert_eq!(compared.both_refuse, 9, "{:?}", compared.differ);
    compared.judge("simulator", 2);
}

/// A browser leaves members out that are not there.
fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            Json::Object(members.into_iter().filter(|(_, it)| !it.is_null()).map(|(name, it)| (name, without_nulls(it))).collect())
        }
        Json::Array(all) => Json::Array(all.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
