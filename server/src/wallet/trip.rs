//! The request: the link that opens the wallet, and the request object that the wallet fetches.

use super::load::Wallet;
use crate::error::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use symbolon_oauth::base64url;
use symbolon_wallet::jwe::DecryptionKey;
use symbolon_wallet::request::{Request, Way};

/// How long a request object is good.
const LIFETIME_S: i64 = 600;

/// What a sign-in remembers of a request. It is sealed in the sign-in's row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Trip {
    pub id: [u8; 16],
    pub nonce: String,
    /// The private key for this request's answer, in base64url.
    key: String,
    pub client_id: String,
    pub left_ms: i64,
}

/// How a person leaves for the wallet.
pub struct Departure {
    pub url: String,
    pub trip: Trip,
}

impl Trip {
    pub fn key(&self) -> Result<DecryptionKey, Fault> {
        let bytes = base64url::decode(&self.key).ok_or_else(|| Fault::new("the key of a wallet's request"))?;
        DecryptionKey::from_bytes(&bytes).map_err(|why| Fault::new(why.0))
    }
}

impl Wallet {
    /// `handle`: names the sign-in and its question, and stands in the addresses that the wallet is given.
    pub fn depart(&self, handle: &str, now_ms: i64) -> Result<Departure, Fault> {
        let key = DecryptionKey::generate().and_then(|it| it.to_bytes()).map_err(|why| Fault::new(why.0))?;
        let trip = Trip {
            id: crate::seal::random()?,
            nonce: base64url::encode(&crate::seal::random::<32>()?),
            key: base64url::encode(&key),
            client_id: self.verifier.client_id.clone(),
            left_ms: now_ms,
        };
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
        Ok(Departure { url: format!("{}{joint}{query}", self.settings.link), trip })
    }

    fn address(&self, what: &str, handle: &str) -> String {
        format!("{}/wallet/{}/{what}/{handle}", self.base, self.name)
    }

    pub fn response_uri(&self, handle: &str) -> String {
        self.address("response", handle)
    }

    /// Where the browser goes on (OpenID4VP 1.0, 8.2).
    pub fn return_uri(&self, handle: &str, response_code: &str) -> String {
        format!("{}/wallet/{}/return?state={handle}&response_code={response_code}", self.base, self.name)
    }

    /// Was the wallet configured anew since the person left?
    pub fn is_ours(&self, trip: &Trip) -> bool {
        trip.client_id == self.verifier.client_id
    }

    /// The signed request object, for whoever has the link. It is made anew each time, with the same nonce and key.
    pub fn request_object(&self, trip: &Trip, handle: &str, wallet_nonce: Option<&str>, now_ms: i64) -> Result<String, Fault> {
        let mut client_metadata = Map::new();
        client_metadata.insert("client_name".to_owned(), json!(self.settings.purpose));
        let request = Request {
            way: Way::DirectPost { response_uri: &self.response_uri(handle), state: handle },
            nonce: &trip.nonce,
            query: &self.query,
            key: &trip.key()?,
            wallet_nonce,
            client_metadata,
            transaction_data: &[],
            now_s: now_ms / 1000,
            lifetime_s: LIFETIME_S,
        };
        request.sign(&self.verifier).map_err(|why| Fault::new(format!("a request object: {why:?}")))
    }
}
