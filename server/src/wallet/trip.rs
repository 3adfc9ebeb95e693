//! The request: the link that opens the wallet, and the request object that the wallet fetches.

use super::load::Wallet;
use crate::error::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_wallet::jwe::DecryptionKey;
use symbolon_wallet::request::{Request, Way};

/// How long a request object is good.
const LIFETIME_S: i64 = 600;
/// Beside `response_code` in an app's link: which request it is for.
pub const WALLET_STATE: &str = "wallet_state";
/// A signed request by the Digital Credentials API (OpenID4VP 1.0, A.1).
pub const PROTOCOL: &str = "openid4vp-v1-signed";

/// What a sign-in remembers of a request. It is sealed in the sign-in's row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Trip {
    pub id: [u8; 16],
    pub nonce: String,
    /// The private key for this request's answer, in base64url.
    key: String,
    pub client_id: String,
    /// The rules that its answer is judged by (`Wallet`). Empty: of a version before.
    #[serde(default)]
    rules: String,
    pub left_ms: i64,
    /// The version that the handle of its addresses names. Another handle is of another request. 0: it has no handle, or a build before made it.
    #[serde(default)]
    pub version: u32,
    /// What the credential signs beside (OpenID4VP 1.0, 8.4), as it is sent.
    #[serde(default)]
    pub transaction_data: Vec<String>,
    /// The link of the app that asks: the wallet leads there. None: it leads to our own page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// The wallet is on another device by intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
}

/// Where a sign-in began whose wallet is on another device: what that device shows beside the number.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// What the person signs in to.
    pub client: String,
    /// Words of ours for browser and system. Empty: nothing is known.
    pub device: String,
    pub address: String,
}

impl Trip {
    pub fn key(&self) -> Result<DecryptionKey, Fault> {
        let bytes = base64url::decode(&self.key).ok_or_else(|| Fault::new("the key of a wallet's request"))?;
        DecryptionKey::from_bytes(&bytes).map_err(|why| Fault::new(why.0))
    }
}

impl Wallet {
    /// A request with a key and a nonce of its own. `details`: what the person is asked to agree to (RFC 9396).
    pub fn trip(&self, details: &[Json], now_ms: i64) -> Result<Trip, Fault> {
        let key = DecryptionKey::generate().and_then(|it| it.to_bytes()).map_err(|why| Fault::new(why.0))?;
        Ok(Trip {
            id: crate::seal::random()?,
            nonce: base64url::encode(&crate::seal::random::<32>()?),
            key: base64url::encode(&key),
            client_id: self.verifier.client_id.clone(),
            rules: self.rules.clone(),
            left_ms: now_ms,
            version: 0,
            transaction_data: self.transaction_data(details),
            back: None,
            elsewhere: None,
        })
    }

    /// One item with all details, for the account's own credential: one key signs the whole.
    pub fn transaction_data(&self, details: &[Json]) -> Vec<String> {
        let (Some(kind), Some(source)) = (&self.settings.transaction_type, self.settings.account_source()) else { return Vec::new() };
        if details.is_empty() {
            return Vec::new();
        }
        let item = json!({
            "type": kind, "credential_ids": [source.credential], "transaction_data_hashes_alg": ["sha-256"],
            "authorization_details": details,
        });
        vec![base64url::encode(item.to_string().as_bytes())]
    }

    /// The link that opens the wallet. `handle`: names the sign-in and its question, and stands in the addresses that the wallet is given.
    pub fn link(&self, handle: &str) -> String {
        let query = [
            ("client_id", self.verifier.client_id.as_str()),
            ("request_uri", &self.address("request", handle)),
            ("request_uri_method", "post"),
        ];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let joint = match self.settings.link.as_str() {
            link if link.contains('?') => "&",
            _ => "?",
        };
        format!("{}{joint}{query}", self.settings.link)
    }

    fn address(&self, what: &str, handle: &str) -> String {
        format!("{}/wallet/{}/{what}/{handle}", self.base, self.name)
    }

    pub fn response_uri(&self, handle: &str) -> String {
        self.address("response", handle)
    }

    /// Where the browser goes on, or the app (OpenID4VP 1.0, 8.2).
    pub fn return_uri(&self, trip: &Trip, handle: &str, response_code: &str) -> String {
        let Some(link) = &trip.back else {
            return format!("{}/wallet/{}/return?state={handle}&response_code={response_code}", self.base, self.name);
        };
        // `state` and `code` stand in this link where it ends an authorization request.
        let joint = if link.contains('?') { "&" } else { "?" };
        // The name is for a web site that gets the link in a browser, and leads it on to our own page.
        format!("{link}{joint}{WALLET_STATE}={handle}&response_code={response_code}&wallet={}", self.name)
    }

    /// Who may bring the platform's answer: a page of ours, or this client's own app, which Android names by its certificate. What iOS
    /// gives an app has no origin of the app's own. `all`: what counts in this face.
    pub fn platform_origins(&self, all: &[String], is_app: bool) -> Vec<String> {
        let all = all.iter().filter(|_| self.settings.digital_credentials);
        all.filter(|origin| !is_app || origin.starts_with("android:")).cloned().collect()
    }

    /// Is a request object of then still good?
    pub fn is_in_time(trip: &Trip, now_ms: i64) -> bool {
        now_ms < trip.left_ms + LIFETIME_S * 1000
    }

    /// Is it judged now by what it was asked for under?
    pub fn is_ours(&self, trip: &Trip) -> bool {
        trip.client_id == self.verifier.client_id && trip.rules == self.rules
    }

    /// The signed request object, for whoever has the link. It is made anew each time, with the same nonce and key.
    pub fn request_object(&self, trip: &Trip, handle: &str, wallet_nonce: Option<&str>, now_ms: i64) -> Result<String, Fault> {
        let response_uri = self.response_uri(handle);
        self.sign(trip, Way::DirectPost { response_uri: &response_uri, state: handle }, wallet_nonce, now_ms)
    }

    /// The same for the Digital Credentials API (OpenID4VP 1.0, A): what `navigator.credentials.get` and Credential Manager take.
    pub fn credential_options(&self, trip: &Trip, origins: &[String], now_ms: i64) -> Result<Json, Fault> {
        let object = self.sign(trip, Way::DcApi { origins }, None, now_ms)?;
        Ok(json!({ "requests": [{ "protocol": PROTOCOL, "data": { "request": object } }] }))
    }

    fn sign(&self, trip: &Trip, way: Way<'_>, wallet_nonce: Option<&str>, now_ms: i64) -> Result<String, Fault> {
        let mut client_metadata = Map::new();
        // Why we ask stands on our page: here a wallet shows who asks.
        client_metadata.insert("client_name".to_owned(), json!(self.our_name));
        let request = Request {
            way,
            nonce: &trip.nonce,
            query: &self.query,
            key: &trip.key()?,
            wallet_nonce,
            client_metadata,
            transaction_data: &trip.transaction_data,
            now_s: now_ms / 1000,
            lifetime_s: LIFETIME_S,
        };
        request.sign(&self.verifier).map_err(|why| Fault::new(format!("a request object: {why:?}")))
    }
}
