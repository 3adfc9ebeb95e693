//! The encryption of responses (OpenID4VP 1.0, 8.3; HAIP 1.0, 5): compact JWE (RFC 7516), `ECDH-ES` on P-256 (RFC 7518 4.6), content in
//! `A128GCM` or `A256GCM`. Both directions: a verifier opens, a wallet seals.

use crate::Unreadable;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use serde_json::{Map, Value, json};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jws::parse_object;

/// The largest response, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
const TAG: usize = 16;
const MAX_PARTY: usize = 1024;

/// The two content encryptions (RFC 7518 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    A128Gcm,
    A256Gcm,
}

impl Encryption {
    pub const ALL: [Self; 2] = [Self::A128Gcm, Self::A256Gcm];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
        }
    }

    fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm => 32,
        }
    }
}

/// Why a response cannot be read. Each has a stable name for whoever writes wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JweError {
    /// Not five parts of canonical base64url with a JSON object in front, or too large.
    Malformed,
    /// Another `alg` or `enc`, or a member that asks for something else, such as `zip`.
    UnsupportedHeader,
    /// It names another key.
    UnknownKey,
    /// It was encrypted to another key, or a part was changed. Nobody can tell which.
    Undecipherable,
}

impl JweError {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedHeader => "unsupported_header",
            Self::UnknownKey => "unknown_key",
            Self::Undecipherable => "undecipherable",
        }
    }
}

/// The key of one request.
pub struct DecryptionKey {
    private: PrivateKey,
    /// x and y.
    point: [u8; 64],
}

impl DecryptionKey {
    pub fn generate() -> Result<Self, Unreadable> {
        PrivateKey::generate(&ECDH_P256).map_err(|_| Unreadable("no key could be made")).and_then(Self::of)
    }

    /// From the 32 bytes of `to_bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        PrivateKey::from_private_key(&ECDH_P256, bytes).map_err(|_| Unreadable("not a private key of P-256")).and_then(Self::of)
    }

    fn of(private: PrivateKey) -> Result<Self, Unreadable> {
        let public = private.compute_public_key().map_err(|_| Unreadable("not a private key of P-256"))?;
        let point = public.as_ref().strip_prefix(&[4]).and_then(|it| it.try_into().ok()).ok_or(Unreadable("not a point of P-256"))?;
        Ok(Self { private, point })
    }

    /// From a private key of P-256 in PKCS#8.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Unreadable> {
        PrivateKey::from_private_key_der(&ECDH_P256, der).map_err(|_| Unreadable("not a private key of P-256")).and_then(Self::of)
    }

    /// For a sealed place: it is secret.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Unreadable> {
        let bytes: EcPrivateKeyBin<'static> = self.private.as_be_bytes().map_err(|_| Unreadable("the key has no bytes"))?;
        Ok(bytes.as_ref().to_vec())
    }

    /// SHA-256 of RFC 7638: part of what an mdoc's holder signs.
    pub fn thumbprint(&self) -> [u8; 32] {
        let (x, y) = self.point.split_at(32);
        sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url::encode(x), base64url::encode(y)).as_bytes())
    }

    pub fn kid(&self) -> String {
        base64url::encode(&self.thumbprint())
    }

    /// The public key for `client_metadata.jwks` (HAIP 1.0, 5: with kid, alg and use).
    pub fn to_jwk(&self) -> Value {
        let (x, y) = self.point.split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y),
            "kid": self.kid(), "alg": "ECDH-ES", "use": "enc",
        })
    }
}

/// What was in a response, and what its header said beside it.
#[derive(Debug)]
pub struct Opened {
    pub content: Vec<u8>,
    pub encryption: Encryption,
    /// `apu`. It goes into the key's derivation and counts for nothing else.
    pub party_u: Vec<u8>,
}

/// Opens a response. A header without `kid` is accepted: the key belongs to one address alone.
pub fn open(token: &str, key: &DecryptionKey) -> Result<Opened, JweError> {
    open_named(token, key, &key.kid())
}

/// The same for a key that was published under another name.
pub fn open_named(token: &str, key: &DecryptionKey, kid: &str) -> Result<Opened, JweError> {
    open_as(token, key, kid, false)
}

/// Opens a JWT that was signed first and then encrypted (RFC 7519 5.2). Copies of claims in the header (RFC 7519 5.3) count for nothing: the
/// signed ones do. Answers the signed JWT.
pub fn open_jwt(token: &str, key: &DecryptionKey) -> Result<String, JweError> {
    String::from_utf8(open_as(token, key, &key.kid(), true)?.content).map_err(|_| JweError::Malformed)
}

fn open_as(token: &str, key: &DecryptionKey, kid: &str, is_jwt: bool) -> Result<Opened, JweError> {
    if token.len() > MAX_BYTES {
        return Err(JweError::Malformed);
    }
    // A token with more than five parts has a sixth.
    let parts: Vec<&str> = token.splitn(6, '.').collect();
    let [protected, wrapped, iv, sealed, tag] = parts.as_slice() else { return Err(JweError::Malformed) };
    let bytes = |part: &str| base64url::decode(part).ok_or(JweError::Malformed);
    let header = parse_object(&bytes(protected)?).ok_or(JweError::Malformed)?;
    let header = Header::read(&header, kid, is_jwt)?;
    let iv: [u8; NONCE_LEN] = bytes(iv)?.try_into().map_err(|_| JweError::Malformed)?;
    let (mut sealed, tag) = (bytes(sealed)?, bytes(tag)?);
    // RFC 7516 5.2: with direct agreement there is no wrapped key. A shorter tag is weaker (RFC 7518 5.3).
    if !wrapped.is_empty() || sealed.is_empty() || tag.len() != TAG {
        return Err(JweError::Malformed);
    }
    sealed.extend_from_slice(&tag);
    let content_key = derive(&key.private, &header)?;
    let opened = content_key
        .open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(protected.as_bytes()), &mut sealed)
        .map_err(|_| JweError::Undecipherable)?
        .len();
    sealed.truncate(opened);
    Ok(Opened { content: sealed, encryption: header.encryption, party_u: header.party_u })
}

struct Header {
    encryption: Encryption,
    /// The sender's point, uncompressed.
    ephemeral: Vec<u8>,
    party_u: Vec<u8>,
    party_v: Vec<u8>,
}

impl Header {
    fn read(header: &Map<String, Value>, kid: &str, is_jwt: bool) -> Result<Self, JweError> {
        // These members are understood. `cty` announces a JWT inside, where one is expected; any other asks for something.
        let is_known = |name: &str| {
            matches!(name, "alg" | "enc" | "kid" | "epk" | "apu" | "apv" | "typ")
                || (is_jwt && matches!(name, "cty" | "iss" | "aud" | "sub"))
        };
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JweError::UnsupportedHeader),
        };
        if header.keys().any(|it| !is_known(it)) || text("alg")? != Some("ECDH-ES") {
            return Err(JweError::UnsupportedHeader);
        }
        if is_jwt && !text("cty")?.is_some_and(|it| it.eq_ignore_ascii_case("JWT")) {
            return Err(JweError::UnsupportedHeader);
        }
        if text("kid")?.is_some_and(|it| it != kid) {
            return Err(JweError::UnknownKey);
        }
        let enc = text("enc")?;
        let encryption = Encryption::ALL.into_iter().find(|it| Some(it.as_str()) == enc).ok_or(JweError::UnsupportedHeader)?;
        let party = |name: &str| match text(name)? {
            None => Ok(Vec::new()),
            Some(text) => base64url::decode(text).filter(|it| it.len() <= MAX_PARTY).ok_or(JweError::Malformed),
        };
        let ephemeral = point(header.get("epk").unwrap_or(&Value::Null)).ok_or(JweError::Malformed)?;
        Ok(Self { encryption, ephemeral, party_u: party("apu")?, party_v: party("apv")? })
    }
}

/// The point of a public JWK of P-256, uncompressed (SEC 1, 2.3.3).
fn point(jwk: &Value) -> Option<Vec<u8>> {
    let part = |name: &str| jwk.get(name)?.as_str().and_then(base64url::decode).filter(|it| it.len() == 32);
    let is_public = jwk.get("kty").is_some_and(|it| it == "EC") && jwk.get("crv").is_some_and(|it| it == "P-256") && jwk.get("d").is_none();
    is_public.then_some(())?;
    Some([&[4][..], &part("x")?, &part("y")?].concat())
}

/// RFC 7518 4.6.2: the Concat KDF of NIST SP 800-56A over the agreed secret. A point off the curve is refused by the agreement.
fn derive(private: &PrivateKey, header: &Header) -> Result<LessSafeKey, JweError> {
    let name = header.encryption.as_str().as_bytes();
    let bits = u32::try_from(header.encryption.key_len() * 8).unwrap_or_default().to_be_bytes();
    let with_length = |part: &[u8]| [&u32::try_from(part.len()).unwrap_or_default().to_be_bytes()[..], part].concat();
    let info = [with_length(name), with_length(&header.party_u), with_length(&header.party_v), bits.to_vec()].concat();
    let algorithm = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256).ok_or(JweError::Undecipherable)?;
    let mut key = vec![0; header.encryption.key_len()];
    let peer = UnparsedPublicKey::new(&ECDH_P256, &header.ephemeral);
    agree(private, peer, JweError::Undecipherable, |secret| {
        sskdf_digest(algorithm, secret, &info, &mut key).map_err(|_| JweError::Undecipherable)
    })?;
    let algorithm = match header.encryption {
        Encryption::A128Gcm => &AES_128_GCM,
        Encryption::A256Gcm => &AES_256_GCM,
    };
    UnboundKey::new(algorithm, &key).map(LessSafeKey::new).map_err(|_| JweError::Undecipherable)
}

/// What a wallet puts into the header beside what it must.
#[derive(Default)]
pub struct Sender<'a> {
    pub party_u: &'a [u8],
    pub party_v: &'a [u8],
    /// Leave `kid` out.
    pub nameless: bool,
    /// What is inside is a signed JWT.
    pub is_jwt: bool,
}

/// Seals a response to a verifier's key, as a wallet does. `iv` is random; the key is fresh, so that none repeats.
pub fn seal(to: &Value, encryption: Encryption, sender: &Sender<'_>, iv: [u8; NONCE_LEN], content: &[u8]) -> Result<String, JweError> {
    let own = DecryptionKey::generate().map_err(|_| JweError::Undecipherable)?;
    let (x, y) = own.point.split_at(32);
    let mut header = json!({
        "alg": "ECDH-ES", "enc": encryption.as_str(),
        "epk": { "kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y) },
    });
    for (name, party) in [("apu", sender.party_u), ("apv", sender.party_v)] {
        if !party.is_empty() {
            header[name] = base64url::encode(party).into();
        }
    }
    if let Some(kid) = to.get("kid").filter(|_| !sender.nameless) {
        header["kid"] = kid.clone();
    }
    if sender.is_jwt {
        header["cty"] = "JWT".into();
    }
    let (party_u, party_v) = (sender.party_u.to_vec(), sender.party_v.to_vec());
    let key = derive(&own.private, &Header { encryption, ephemeral: point(to).ok_or(JweError::Malformed)?, party_u, party_v })?;
    let header = base64url::encode(header.to_string().as_bytes());
    let mut sealed = content.to_vec();
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut sealed)
        .map_err(|_| JweError::Undecipherable)?;
    Ok(format!("{header}..{}.{}.{}", base64url::encode(&iv), base64url::encode(&sealed), base64url::encode(tag.as_ref())))
}
