//! What the tests of defects share: an issuer, a holder, and whom the verifier trusts.
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms};
use symbolon_phone::wallet::{Bound, bind};
use symbolon_wallet::issuer::{Anchor, Issuer};
use symbolon_wallet::sd_jwt::{self, Binding, SdJwt};

pub const NOW_S: i64 = 1_795_000_000;
pub const VCT: &str = "urn:example:pid:1";
pub const DOCTYPE: &str = "org.example.licence";
pub const NAMESPACE: &str = "org.example";
pub const CLIENT: &str = "x509_hash:abc";
pub const RESPONSE_URI: &str = "https://login.example/wallet/x";

pub struct World {
    pub issuer: CredentialIssuer,
    pub holder: PrivateKey,
    pub trusted: Vec<Issuer>,
}

pub fn trust(issuer: &CredentialIssuer, name: &str, haip: bool) -> Issuer {
    Issuer { name: name.to_owned(), anchors: vec![Anchor::from_der(&issuer.root_der).unwrap()], haip, ..Issuer::default() }
}

impl World {
    pub fn new() -> Self {
        let issuer = CredentialIssuer::new("Utopia").unwrap();
        let trusted = vec![trust(&issuer, "https://utopia.example", true)];
        Self { issuer, holder: PrivateKey::generate(Algorithm::ES256).unwrap(), trusted }
    }

    pub fn terms(&self, kind: &str) -> Terms {
        let (kind, namespace, holder) = (kind.to_owned(), NAMESPACE.to_owned(), self.holder.public().clone());
        Terms { kind, namespace, holder, now_s: NOW_S - 100, lifetime_s: 1000, status: None }
    }

    pub fn bound(&self) -> Bound<'_> {
        Bound { key: &self.holder, audience: CLIENT, nonce: "n-1", transactions: &[], now_s: NOW_S }
    }

    pub fn judge(&self, text: &str) -> Vec<&'static str> {
        self.judge_at(text, NOW_S)
    }

    pub fn judge_at(&self, text: &str, now_s: i64) -> Vec<&'static str> {
        let binding = Binding { audience: CLIENT, nonce: "n-1", max_age_s: 300, transaction_data: &[] };
        let asked =
            sd_jwt::Expected { issuers: &self.trusted, types: &[VCT], binding: Some(binding), now_s, skew_s: 60, typ: &[sd_jwt::TYP] };
        match SdJwt::parse(text).and_then(|it| it.judge(&asked)) {
            Ok(verdict) => verdict.failed.iter().map(|it| it.name).collect(),
            Err(why) => vec![why.0],
        }
    }

    /// Signs this payload, with these disclosures, and binds it.
    pub fn presented(&self, payload: &Json, disclosures: &[String]) -> String {
        let mut all = vec![self.issuer.sign("dc+sd-jwt", payload).unwrap()];
        all.extend(disclosures.iter().cloned());
        bind(&format!("{}~", all.join("~")), &self.bound()).unwrap()
    }

    pub fn payload(&self) -> Json {
        json!({ "vct": VCT, "iat": NOW_S - 100, "exp": NOW_S + 900, "_sd_alg": "sha-256", "cnf": { "jwk": self.holder.public().to_jwk() } })
    }
}

pub fn digest(text: &str) -> String {
    base64url::encode(&sha256(text.as_bytes()))
}

pub fn raw(value: &Json) -> String {
    base64url::encode(value.to_string().as_bytes())
}

pub const NOTHING: [&str; 0] = [];
