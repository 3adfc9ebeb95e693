//! A passkey provider in software: it keeps credentials, and answers the options of WebAuthn as a browser or a system does. It
//! takes and gives the JSON of WebAuthn Level 3, 5.1.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use minicbor::Encoder;
use serde_json::{Value as Json, json};
use symbolon_oauth::{base64url, digest};

/// Flags of authenticator data (WebAuthn Level 3, 6.1).
pub const USER_PRESENT: u8 = 0x01;
pub const USER_VERIFIED: u8 = 0x04;
pub const BACKUP_ELIGIBLE: u8 = 0x08;
pub const BACKED_UP: u8 = 0x10;
const CREDENTIAL: u8 = 0x40;

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// Why it does nothing: the words in which an app or a page answers an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDone {
    AlreadyThere,
    NoPasskey,
    NotPossibleHere,
}

impl NotDone {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyThere => "already_there",
            Self::NoPasskey => "no_passkey",
            Self::NotPossibleHere => "not_possible_here",
        }
    }
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

struct Credential {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
    key: Key,
    counter: u32,
    /// It is found without its id.
    is_found: bool,
}

/// What it does, and what a test bends.
pub struct Authenticator {
    credentials: Vec<Credential>,
    pub aaguid: [u8; 16],
    /// Of every answer.
    pub flags: u8,
    /// What each use adds to the counter; synced passkeys do not count.
    pub counter_step: u32,
    pub algorithm: i64,
    /// Bytes of the next credential's id.
    pub id_length: usize,
    /// The next credential's id itself: somebody else's, in a test.
    pub next_id: Option<Vec<u8>>,
    /// The answer names the person.
    pub tells_user_handle: bool,
    /// The RP ID in place of the one that is asked for.
    pub other_rp_id: Option<String>,
    /// Members that are added to the client data.
    pub client_data: Json,
    pub transports: Json,
    /// The next credential is found without its id, and credProps says so.
    pub is_found: bool,
    random: SystemRandom,
}

impl Default for Authenticator {
    /// A synced passkey of Google's kind, which verifies the person.
    fn default() -> Self {
        Self {
            credentials: Vec::new(),
            aaguid: [0xea, 0x9b, 0x8d, 0x66, 0x4d, 0x01, 0x1d, 0x21, 0x3c, 0xe4, 0xb6, 0xb4, 0x8c, 0xb5, 0x75, 0xd4],
            flags: USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP,
            counter_step: 0,
            algorithm: ES256,
            id_length: 32,
            next_id: None,
            tells_user_handle: true,
            other_rp_id: None,
            client_data: json!({}),
            transports: json!(["internal"]),
            is_found: true,
            random: SystemRandom::new(),
        }
    }
}

impl Authenticator {
    /// One that is no phone: bound to its device, with a counter.
    pub fn security_key() -> Self {
        Self { aaguid: [7; 16], flags: USER_PRESENT | USER_VERIFIED, counter_step: 1, transports: json!(["usb"]), ..Self::default() }
    }

    /// One whose credentials are found by their ids alone.
    pub fn found_by_id() -> Self {
        Self { is_found: false, ..Self::default() }
    }

    /// The ids of its credentials, oldest first.
    pub fn ids(&self) -> Vec<Vec<u8>> {
        self.credentials.iter().map(|one| one.id.clone()).collect()
    }

    /// PublicKeyCredential.signalAllAcceptedCredentials: what the server no longer knows is forgotten.
    pub fn forget_others(&mut self, signal: &Json) {
        let accepted = ids_of(&signal["allAcceptedCredentialIds"], |one| one);
        let user = signal["userId"].as_str().and_then(base64url::decode);
        self.credentials.retain(|one| Some(&one.user_handle) != user.as_ref() || accepted.contains(&one.id));
    }

    /// Sets every counter, as a copy of an older state has it.
    pub fn set_counter(&mut self, counter: u32) {
        for one in &mut self.credentials {
            one.counter = counter;
        }
    }

    /// navigator.credentials.create, and Credential Manager's createCredential.
    pub fn create(&mut self, options: &Json, origin: &str) -> Result<Json, NotDone> {
        let rp_id = options["rp"]["id"].as_str().ok_or(NotDone::NotPossibleHere)?;
        let excluded = ids_of(&options["excludeCredentials"], |one| &one["id"]);
        if self.credentials.iter().any(|one| excluded.contains(&one.id)) {
            return Err(NotDone::AlreadyThere);
        }
        let offered = options["pubKeyCredParams"].as_array().into_iter().flatten().any(|one| one["alg"] == self.algorithm);
        let user_handle = options["user"]["id"].as_str().and_then(base64url::decode).filter(|_| offered);
        let user_handle = user_handle.ok_or(NotDone::NotPossibleHere)?;
        let key = self.generate()?;
        let mut id = vec![0; self.id_length];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| NotDone::NotPossibleHere)?;
        let id = self.next_id.take().unwrap_or(id);
        let cose = cose(&key)?;
        let client_data = self.client_data("webauthn.create", options, origin);
        let length = u16::try_from(id.len()).map_err(|_| NotDone::NotPossibleHere)?.to_be_bytes();
        let data = [&self.data(rp_id, self.flags | CREDENTIAL, 0)[..], &self.aaguid, &length, &id, &cose].concat();
        let object = attestation_object(&data)?;
        let (rp_id, counter, is_found) = (rp_id.to_owned(), 0, self.is_found);
        // One passkey for a person and an RP: a new one takes the place of the old.
        self.credentials.retain(|one| one.rp_id != rp_id || one.user_handle != user_handle);
        self.credentials.push(Credential { id: id.clone(), rp_id, user_handle, key, counter, is_found });
        let response = json!({
            "clientDataJSON": base64url::encode(&client_data),
            "attestationObject": base64url::encode(&object),
            "transports": self.transports,
        });
        Ok(answer(&id, &response, &json!({ "credProps": { "rk": is_found } })))
    }

    /// navigator.credentials.get, and Credential Manager's getCredential.
    pub fn get(&mut self, options: &Json, origin: &str) -> Result<Json, NotDone> {
        let rp_id = options["rpId"].as_str().ok_or(NotDone::NotPossibleHere)?;
        let allowed = ids_of(&options["allowCredentials"], |one| &one["id"]);
        let is_allowed = |one: &Credential| allowed.contains(&one.id) || (allowed.is_empty() && one.is_found);
        let fits = |one: &Credential| one.rp_id == rp_id && is_allowed(one);
        let at = self.credentials.iter().rposition(fits).ok_or(NotDone::NoPasskey)?;
        self.answer_with(at, options, origin)
    }

    /// The same by the credential at this place, whatever is allowed: an attacker's own software.
    pub fn answer_with(&mut self, at: usize, options: &Json, origin: &str) -> Result<Json, NotDone> {
        let rp_id = options["rpId"].as_str().ok_or(NotDone::NotPossibleHere)?.to_owned();
        let step = self.counter_step;
        let credential = self.credentials.get_mut(at).ok_or(NotDone::NoPasskey)?;
        credential.counter += step;
        let counter = credential.counter;
        let client_data = self.client_data("webauthn.get", options, origin);
        let data = self.data(&rp_id, self.flags, counter);
        let credential = self.credentials.get(at).ok_or(NotDone::NoPasskey)?;
        let signed = [&data[..], &digest::sha256(&client_data)].concat();
        let signature = self.sign(&credential.key, &signed)?;
        let mut response = json!({
            "clientDataJSON": base64url::encode(&client_data),
            "authenticatorData": base64url::encode(&data),
            "signature": base64url::encode(&signature),
        });
        if self.tells_user_handle {
            response["userHandle"] = base64url::encode(&credential.user_handle).into();
        }
        Ok(answer(&credential.id, &response, &json!({})))
    }

    fn client_data(&self, kind: &str, options: &Json, origin: &str) -> Vec<u8> {
        let mut made = json!({ "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false });
        if let (Some(made), Some(more)) = (made.as_object_mut(), self.client_data.as_object()) {
            made.extend(more.clone());
        }
        made.to_string().into_bytes()
    }

    fn data(&self, rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
        let rp_id = self.other_rp_id.as_deref().unwrap_or(rp_id);
        [&digest::sha256(rp_id.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
    }

    fn generate(&self) -> Result<Key, NotDone> {
        let made = match self.algorithm {
            ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok().map(Key::Es256),
            EDDSA => Ed25519KeyPair::generate().ok().map(Key::EdDsa),
            RS256 => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Key::Rs256),
            _ => None,
        };
        made.ok_or(NotDone::NotPossibleHere)
    }

    fn sign(&self, key: &Key, message: &[u8]) -> Result<Vec<u8>, NotDone> {
        match key {
            Key::Es256(key) => key.sign(&self.random, message).map(|made| made.as_ref().to_vec()).map_err(|_| NotDone::NotPossibleHere),
            Key::EdDsa(key) => Ok(key.sign(message).as_ref().to_vec()),
            Key::Rs256(key) => {
                let mut made = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut made).map_err(|_| NotDone::NotPossibleHere)?;
                Ok(made)
            }
        }
    }
}

fn ids_of<'a>(list: &'a Json, id: impl Fn(&'a Json) -> &'a Json) -> Vec<Vec<u8>> {
    list.as_array().into_iter().flatten().filter_map(|one| base64url::decode(id(one).as_str()?)).collect()
}

/// RegistrationResponseJSON and AuthenticationResponseJSON around a response.
fn answer(id: &[u8], response: &Json, extensions: &Json) -> Json {
    let id = base64url::encode(id);
    json!({
        "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform", "response": response,
        "clientExtensionResults": extensions,
    })
}

/// COSE_Key (RFC 9053 7).
fn cose(key: &Key) -> Result<Vec<u8>, NotDone> {
    let mut out = Encoder::new(Vec::new());
    let wrote = match key {
        Key::Es256(key) => {
            let point = key.public_key().as_ref().to_vec();
            let (x, y) = (point.get(1..33).unwrap_or_default(), point.get(33..).unwrap_or_default());
            out.map(5).and_then(|out| {
                out.i8(1)?.i8(2)?.i8(3)?.i64(ES256)?.i8(-1)?.i8(1)?.i8(-2)?.bytes(x)?.i8(-3)?.bytes(y)?;
                Ok(())
            })
        }
        Key::EdDsa(key) => {
            let x = key.public_key().as_ref().to_vec();
            out.map(4).and_then(|out| {
                out.i8(1)?.i8(1)?.i8(3)?.i64(EDDSA)?.i8(-1)?.i8(6)?.i8(-2)?.bytes(&x)?;
                Ok(())
            })
        }
        Key::Rs256(key) => {
            let modulus = key.public_key().modulus().big_endian_without_leading_zero().to_vec();
            let exponent = key.public_key().exponent().big_endian_without_leading_zero().to_vec();
            out.map(4).and_then(|out| {
                out.i8(1)?.i8(3)?.i8(3)?.i64(RS256)?.i8(-1)?.bytes(&modulus)?.i8(-2)?.bytes(&exponent)?;
                Ok(())
            })
        }
    };
    wrote.map_err(|_| NotDone::NotPossibleHere)?;
    Ok(out.into_writer())
}

/// The format `none` (WebAuthn Level 3, 8.7).
fn attestation_object(data: &[u8]) -> Result<Vec<u8>, NotDone> {
    let mut out = Encoder::new(Vec::new());
    let wrote = out.map(3).and_then(|out| {
        out.str("fmt")?.str("none")?.str("attStmt")?.map(0)?.str("authData")?.bytes(data)?;
        Ok(())
    });
    wrote.map_err(|_| NotDone::NotPossibleHere)?;
    Ok(out.into_writer())
}
