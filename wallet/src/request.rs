//! The request object (OpenID4VP 1.0, 5; RFC 9101), and who asks: `x509_san_dns` and `x509_hash` (5.9.3).

use crate::dcql::Query;
use crate::jwe::{DecryptionKey, Encryption};
use crate::{Unreadable, issuer};
use serde_json::{Map, Value, json};
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::jws::{self, JwsError, Unverified};
use symbolon_oauth::{base64, base64url, claims};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

pub const TYP: &str = "oauth-authz-req+jwt";
/// 5.8: the audience where the wallet's issuer is not known.
pub const AUDIENCE: &str = "https://self-issued.me/v2";
/// The most bytes of `wallet_nonce` (5.10).
pub const MAX_WALLET_NONCE: usize = 512;

/// Who asks: the verifier's certificates and key.
pub struct Verifier {
    pub client_id: String,
    pub key: PrivateKey,
    /// DER, leaf first, without the anchor (HAIP 1.0, 5).
    pub chain: Vec<Vec<u8>>,
}

/// The two prefixes of client identifiers that certificates give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix<'a> {
    /// SHA-256 of the leaf (HAIP 1.0, 5).
    X509Hash,
    /// A DNS name of the leaf.
    X509SanDns(&'a str),
}

impl Verifier {
    /// Takes a key and its certificates, leaf first. Certificates that have signed themselves are left out, as the wallet has its own
    /// anchor (V-06); a leaf that has signed itself is refused.
    pub fn new(prefix: Prefix<'_>, key: PrivateKey, certificates: &[Vec<u8>]) -> Result<Self, Unreadable> {
        const BAD: Unreadable = Unreadable("not a certificate in DER");
        if key.algorithm() != Algorithm::ES256 {
            return Err(Unreadable("a request is signed by ES256"));
        }
        let mut chain = Vec::new();
        for (at, der) in certificates.iter().enumerate() {
            let (_, certificate) = X509Certificate::from_der(der).map_err(|_| BAD)?;
            let is_own = certificate.issuer().as_raw() == certificate.subject().as_raw();
            match (at, is_own) {
                (0, true) => return Err(Unreadable("the verifier's certificate has signed itself: wallets refuse it")),
                (_, true) => {}
                (_, false) => chain.push(der.clone()),
            }
        }
        let leaf = chain.first().ok_or(Unreadable("the verifier has no certificate"))?;
        if issuer::public_key(leaf).is_none_or(|it| it != *key.public()) {
            return Err(Unreadable("the verifier's certificate is of another key"));
        }
        let client_id = match prefix {
            Prefix::X509Hash => format!("x509_hash:{}", base64url::encode(&sha256(leaf))),
            Prefix::X509SanDns(name) if has_dns_name(leaf, name) => format!("x509_san_dns:{name}"),
            Prefix::X509SanDns(_) => return Err(Unreadable("the verifier's certificate does not have this DNS name")),
        };
        Ok(Self { client_id, key, chain })
    }
}

fn has_dns_name(der: &[u8], name: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|it| matches!(it, GeneralName::DNSName(dns) if *dns == name))
}

/// The way the answer comes (8.2, 8.3, and A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// `direct_post.jwt`: to this address.
    DirectPost { response_uri: &'a str, state: &'a str },
    /// `dc_api.jwt`: to a page or an app of one of these origins.
    DcApi { origins: &'a [String] },
}

/// What one request has of its own.
pub struct Request<'a> {
    pub way: Way<'a>,
    pub nonce: &'a str,
    pub query: &'a Query,
    pub key: &'a DecryptionKey,
    /// What the wallet posted; it is copied (5.10).
    pub wallet_nonce: Option<&'a str>,
    /// The name that a wallet may show, and the pages behind it.
    pub client_metadata: Map<String, Value>,
    /// As strings in base64url (5.1).
    pub transaction_data: &'a [String],
    pub now_s: i64,
    pub lifetime_s: i64,
}

impl Request<'_> {
    /// The claims of the request object.
    pub fn claims(&self, client_id: &str) -> Value {
        let mut metadata = self.client_metadata.clone();
        metadata.insert("jwks".to_owned(), json!({ "keys": [self.key.to_jwk()] }));
        metadata.insert("encrypted_response_enc_values_supported".to_owned(), Encryption::ALL.map(Encryption::as_str).to_vec().into());
        metadata.insert("vp_formats_supported".to_owned(), formats());
        let mut claims = json!({
            "iss": client_id, "client_id": client_id, "aud": AUDIENCE, "response_type": "vp_token", "nonce": self.nonce,
            "dcql_query": self.query.to_json(), "client_metadata": metadata, "iat": self.now_s, "exp": self.now_s + self.lifetime_s,
        });
        match self.way {
            Way::DirectPost { response_uri, state } => {
                claims["response_mode"] = "direct_post.jwt".into();
                claims["response_uri"] = response_uri.into();
                claims["state"] = state.into();
            }
            Way::DcApi { origins } => {
                claims["response_mode"] = "dc_api.jwt".into();
                claims["expected_origins"] = json!(origins);
            }
        }
        if let Some(nonce) = self.wallet_nonce {
            claims["wallet_nonce"] = nonce.into();
        }
        if !self.transaction_data.is_empty() {
            claims["transaction_data"] = json!(self.transaction_data);
        }
        claims
    }

    /// The request object, signed.
    pub fn sign(&self, verifier: &Verifier) -> Result<String, JwsError> {
        let chain: Vec<String> = verifier.chain.iter().map(|it| base64::encode(it)).collect();
        let header = json!({ "alg": "ES256", "typ": TYP, "x5c": chain });
        jws::sign_with_header(&verifier.key, &header, &self.claims(&verifier.client_id))
    }
}

/// `vp_formats_supported` (11.1, B.2.2, B.3.4): what is read here, and no more. -9 is -7 with its curve said.
fn formats() -> Value {
    json!({
        "dc+sd-jwt": { "sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"] },
        "mso_mdoc": { "issuerauth_alg_values": [-7, -9], "deviceauth_alg_values": [-7, -9] },
    })
}

/// Is it a `wallet_nonce` that may be copied?
pub fn is_wallet_nonce(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_WALLET_NONCE && text.bytes().all(|it| it.is_ascii_graphic())
}

/// The request as a wallet reads it: signature, prefix and claims. What the wallet trusts is its own business: the root is given.
pub fn open(object: &str, roots: &[issuer::Issuer], now_s: i64) -> Result<Map<String, Value>, Unreadable> {
    const BAD: Unreadable = Unreadable("not a request object of the verifier that it names");
    let jwt = Unverified::parse(object).map_err(|_| BAD)?;
    if jwt.typ() != Some(TYP) {
        return Err(BAD);
    }
    let chain = issuer::x5c(jwt.header().get("x5c").ok_or(BAD)?)?;
    let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let signed = issuer::judge_chain(roots, &slices, issuer::Signs::Request, now_s)?;
    let says = jwt.verify(&signed.key).map_err(|_| BAD)?;
    let leaf = slices.first().copied().unwrap_or_default();
    let client_id = says.get("client_id").and_then(Value::as_str).unwrap_or_default();
    let is_its = match client_id.split_once(':') {
        Some(("x509_hash", digest)) => digest == base64url::encode(&sha256(leaf)),
        Some(("x509_san_dns", name)) => has_dns_name(leaf, name),
        _ => false,
    };
    let is_in_time = claims::time_s(&says, "exp").is_ok_and(|it| it.is_some_and(|at_s| at_s > now_s));
    if signed.failed.is_empty() && is_its && is_in_time { Ok(says) } else { Err(BAD) }
}
