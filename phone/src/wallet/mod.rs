//! A wallet: it keeps credentials, reads a verifier's request, and answers it as OpenID4VP 1.0 with HAIP has it. `issuer` is who gave it
//! the credentials.

pub mod beside;
pub mod cbor;
pub mod issuer;

use crate::Trouble;
use cbor::Item;
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::{Algorithm, PrivateKey, PublicKey};
use symbolon_oauth::{base64url, jws};
use symbolon_wallet::cbor::{self as wallet_cbor, Key};
use symbolon_wallet::cose::signature_structure;
use symbolon_wallet::issuer::{Anchor, Issuer};
use symbolon_wallet::jwe::{self, Encryption, Sender};
use symbolon_wallet::mdoc::{device_authentication, tagged};
use symbolon_wallet::{request, transcript};

/// A credential as it was issued.
#[derive(Clone)]
pub enum Held {
    /// With all its disclosures.
    SdJwt { vct: String, text: String },
    /// IssuerSigned.
    Mdoc { doctype: String, issuer_signed: Vec<u8> },
}

/// What the wallet knows of the Digital Credentials API (OpenID4VP 1.0, A.1).
const PROTOCOL: &str = "openid4vp-v1-signed";

pub struct Wallet {
    pub key: PrivateKey,
    pub held: Vec<Held>,
    /// CAs of verifiers.
    pub roots: Vec<Issuer>,
    pub encryption: Encryption,
    /// For what no real wallet does: it bends an answer before it is encrypted.
    pub bend: Option<fn(&mut Asked)>,
}

/// A request as the wallet has understood it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub client_id: String,
    pub nonce: String,
    pub response_uri: String,
    pub state: String,
    pub query: Json,
    /// The key for the answer.
    pub jwk: Json,
    /// What the holder signs beside (OpenID4VP 1.0, 8.4), as it was sent.
    pub transaction_data: Vec<String>,
    /// Who asked by the Digital Credentials API, as the platform says. None: the request came by a link.
    pub origin: Option<String>,
    pub now_s: i64,
}

impl Asked {
    fn of(says: &Json, origin: Option<&str>, now_s: i64) -> Self {
        Self {
            client_id: text(says, "client_id"),
            nonce: text(says, "nonce"),
            response_uri: text(says, "response_uri"),
            state: text(says, "state"),
            query: says["dcql_query"].clone(),
            jwk: says["client_metadata"]["jwks"]["keys"][0].clone(),
            transaction_data: says["transaction_data"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect(),
            origin: origin.map(str::to_owned),
            now_s,
        }
    }

    fn audience(&self) -> String {
        self.origin.as_ref().map_or_else(|| self.client_id.clone(), |origin| format!("origin:{origin}"))
    }

    fn transcript(&self) -> Vec<u8> {
        let thumbprint = thumbprint(&self.jwk);
        match &self.origin {
            Some(origin) => transcript::dc_api(origin, &self.nonce, Some(&thumbprint)),
            None => transcript::redirect(&self.client_id, &self.nonce, Some(&thumbprint), &self.response_uri),
        }
    }

    /// The items that name the credential of this query.
    fn transactions(&self, id: &str) -> Vec<&str> {
        let names_it = |item: &&String| {
            let decoded = base64url::decode(item).and_then(|it| serde_json::from_slice::<Json>(&it).ok()).unwrap_or_default();
            decoded["credential_ids"].as_array().is_some_and(|ids| ids.iter().any(|it| it == id))
        };
        self.transaction_data.iter().filter(names_it).map(String::as_str).collect()
    }
}

/// The parts of a presentation's holder binding.
#[derive(Clone, Copy)]
pub struct Bound<'a> {
    pub key: &'a PrivateKey,
    pub audience: &'a str,
    pub nonce: &'a str,
    /// As they were sent.
    pub transactions: &'a [&'a str],
    pub now_s: i64,
}

fn text(value: &Json, name: &str) -> String {
    value.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn failed(error: impl std::fmt::Debug) -> Trouble {
    Trouble(format!("{error:?}"))
}

impl Wallet {
    /// `verifier_root`: the certificate, in DER, of the CA that vouches for verifiers.
    pub fn new(verifier_root: &[u8]) -> Result<Self, Trouble> {
        let anchors = vec![Anchor::from_der(verifier_root).map_err(failed)?];
        let roots = vec![Issuer { name: "verifiers".to_owned(), anchors, haip: true, ..Issuer::default() }];
        let key = PrivateKey::generate(Algorithm::ES256).map_err(failed)?;
        Ok(Self { key, held: Vec::new(), roots, encryption: Encryption::A128Gcm, bend: None })
    }

    pub fn holder(&self) -> &PublicKey {
        self.key.public()
    }

    /// Follows the link that opens the wallet, and fetches the request.
    pub async fn read(&self, http: &reqwest::Client, link: &str, now_s: i64) -> Result<Asked, Trouble> {
        let link = url::Url::parse(link).map_err(failed)?;
        let of_link = |name: &str| link.query_pairs().find(|(it, _)| it == name).map(|(_, value)| value.into_owned()).unwrap_or_default();
        let wallet_nonce = base64url::encode(&sha256(of_link("request_uri").as_bytes()));
        let fetch = match of_link("request_uri_method").as_str() {
            "post" => http.post(of_link("request_uri")).form(&[("wallet_nonce", wallet_nonce.as_str()), ("wallet_metadata", "{}")]),
            _ => http.get(of_link("request_uri")),
        };
        let answer = fetch.send().await?;
        if !answer.status().is_success() {
            return Err(Trouble(format!("the verifier answers {}", answer.status())));
        }
        let says = request::open(&answer.text().await?, &self.roots, now_s).map_err(failed)?;
        let says = Json::Object(says);
        let is_posted = of_link("request_uri_method") == "post";
        if text(&says, "client_id") != of_link("client_id") || (is_posted && text(&says, "wallet_nonce") != wallet_nonce) {
            return Err(Trouble("the request is not the one that the link names".to_owned()));
        }
        Ok(Asked::of(&says, None, now_s))
    }

    /// Reads what a page or an app gives the platform (Digital Credentials API). `origin`: whose call it is.
    pub fn read_call(&self, options: &Json, origin: &str, now_s: i64) -> Result<Asked, Trouble> {
        let call = options["requests"].as_array().into_iter().flatten().find(|it| it["protocol"] == PROTOCOL);
        let object =
            call.and_then(|it| it["data"]["request"].as_str()).ok_or_else(|| Trouble("no protocol that this wallet knows".to_owned()))?;
        let says = Json::Object(request::open(object, &self.roots, now_s).map_err(failed)?);
        if !says["expected_origins"].as_array().is_some_and(|all| all.iter().any(|it| it == origin)) {
            return Err(Trouble(format!("the request is not for {origin}")));
        }
        Ok(Asked::of(&says, Some(origin), now_s))
    }

    /// What the platform gives the page or the app: a DigitalCredential as JSON.
    pub fn answer_call(&self, asked: &Asked) -> Result<Json, Trouble> {
        let mut bent = asked.clone();
        if let Some(bend) = self.bend {
            bend(&mut bent);
        }
        let sealed = self.seal(asked, &json!({ "vp_token": self.token(&bent)? }))?;
        Ok(json!({ "protocol": PROTOCOL, "data": { "response": sealed } }))
    }

    /// The `vp_token`: each credential that is asked for and kept, with the claims that are asked for and no more.
    pub fn token(&self, asked: &Asked) -> Result<Json, Trouble> {
        let mut token = Map::new();
        for query in asked.query["credentials"].as_array().into_iter().flatten() {
            let names = |at: usize| -> Vec<String> {
                let claims = query["claims"].as_array().into_iter().flatten();
                claims.filter_map(|it| it["path"].get(at)?.as_str().map(str::to_owned)).collect()
            };
            let found = self.held.iter().find_map(|held| match held {
                Held::SdJwt { vct, text } => {
                    let is_it = query["meta"]["vct_values"].as_array().is_some_and(|all| all.iter().any(|it| it == vct.as_str()));
                    let (audience, signed) = (asked.audience(), asked.transactions(query["id"].as_str().unwrap_or_default()));
                    let bound =
                        Bound { key: &self.key, audience: &audience, nonce: &asked.nonce, transactions: &signed, now_s: asked.now_s };
                    is_it.then(|| present_sd_jwt(text, &names(0), &bound))
                }
                Held::Mdoc { doctype, issuer_signed } => (query["meta"]["doctype_value"] == doctype.as_str()).then(|| {
                    present_mdoc(doctype, issuer_signed, &names(1), &asked.transcript(), &self.key).map(|it| base64url::encode(&it))
                }),
            });
            if let Some(presentation) = found {
                token.insert(text(query, "id"), json!([presentation?]));
            }
        }
        Ok(Json::Object(token))
    }

    /// Answers the request. The answer is where the person's browser goes on.
    pub async fn answer(&self, http: &reqwest::Client, asked: &Asked) -> Result<String, Trouble> {
        let mut bent = asked.clone();
        if let Some(bend) = self.bend {
            bend(&mut bent);
        }
        self.send(http, asked, &json!({ "vp_token": self.token(&bent)? })).await
    }

    /// Sends whatever this is, encrypted.
    pub async fn send(&self, http: &reqwest::Client, asked: &Asked, says: &Json) -> Result<String, Trouble> {
        let (status, body) = self.post(http, asked, says).await?;
        let onward = text(&body, "redirect_uri");
        if status != 200 || onward.is_empty() { Err(Trouble(format!("the verifier answers {status}: {body}"))) } else { Ok(onward) }
    }

    /// The same, whatever comes back.
    pub async fn post(&self, http: &reqwest::Client, asked: &Asked, says: &Json) -> Result<(u16, Json), Trouble> {
        let mut says = says.clone();
        says["state"] = asked.state.as_str().into();
        let sealed = self.seal(asked, &says)?;
        let answer = http.post(&asked.response_uri).form(&[("response", sealed)]).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or(Json::Null)))
    }

    /// Encrypts whatever this is to the key of the request.
    pub fn seal(&self, asked: &Asked, says: &Json) -> Result<String, Trouble> {
        let mut iv = [0; 12];
        iv.copy_from_slice(&sha256(says.to_string().as_bytes())[..12]);
        jwe::seal(&asked.jwk, self.encryption, &Sender::default(), iv, says.to_string().as_bytes()).map_err(failed)
    }
}

fn thumbprint(jwk: &Json) -> [u8; 32] {
    let member = |name: &str| text(jwk, name);
    sha256(format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")).as_bytes())
}

/// Keeps the disclosures of these claims, and adds the holder's signature.
pub fn present_sd_jwt(issued: &str, names: &[String], bound: &Bound<'_>) -> Result<String, Trouble> {
    let mut parts = issued.trim_end_matches('~').split('~');
    let mut kept = vec![parts.next().unwrap_or_default()];
    kept.extend(parts.filter(|part| {
        let disclosed = base64url::decode(part).and_then(|it| serde_json::from_slice::<Json>(&it).ok()).unwrap_or_default();
        disclosed[1].as_str().is_some_and(|name| names.iter().any(|it| it == name))
    }));
    bind(&format!("{}~", kept.join("~")), bound)
}

/// Adds a KB-JWT (RFC 9901 4.3).
pub fn bind(presented: &str, bound: &Bound<'_>) -> Result<String, Trouble> {
    let sd_hash = base64url::encode(&sha256(presented.as_bytes()));
    let mut claims = json!({ "aud": bound.audience, "nonce": bound.nonce, "iat": bound.now_s, "sd_hash": sd_hash });
    if !bound.transactions.is_empty() {
        let hash = |item: &&str| base64url::encode(&sha256(item.as_bytes()));
        claims["transaction_data_hashes"] = bound.transactions.iter().map(hash).collect::<Vec<_>>().into();
        claims["transaction_data_hashes_alg"] = "sha-256".into();
    }
    let jwt = jws::sign_with_header(bound.key, &json!({ "alg": "ES256", "typ": "kb+jwt" }), &claims).map_err(failed)?;
    Ok(format!("{presented}{jwt}"))
}

/// A DeviceResponse with these claims of one document, signed for this exchange.
pub fn present_mdoc(doctype: &str, issuer_signed: &[u8], names: &[String], session: &[u8], key: &PrivateKey) -> Result<Vec<u8>, Trouble> {
    let shown = keep(issuer_signed, names)?;
    let namespaces = tagged(&cbor::map(&[]));
    let protected = cbor::map(&[(Item::Number(1), cbor::number(-7))]);
    let over = device_authentication(session, doctype, &namespaces);
    let signature = key.sign(&signature_structure(&protected, &over)).map_err(failed)?;
    let signature = cbor::array(&[cbor::bytes(&protected), cbor::map(&[]), vec![0xf6], cbor::bytes(&signature)]);
    let auth = cbor::map(&[(Item::Text("deviceSignature"), signature)]);
    let signed = cbor::map(&[(Item::Text("nameSpaces"), namespaces), (Item::Text("deviceAuth"), auth)]);
    let document = cbor::map(&[
        (Item::Text("docType"), cbor::text(doctype)),
        (Item::Text("issuerSigned"), shown),
        (Item::Text("deviceSigned"), signed),
    ]);
    Ok(response(&[document]))
}

/// A DeviceResponse of these documents.
pub fn response(documents: &[Vec<u8>]) -> Vec<u8> {
    cbor::map(&[
        (Item::Text("version"), cbor::text("1.0")),
        (Item::Text("documents"), cbor::array(documents)),
        (Item::Text("status"), cbor::number(0)),
    ])
}

/// IssuerSigned with the items of these names alone.
fn keep(issuer_signed: &[u8], names: &[String]) -> Result<Vec<u8>, Trouble> {
    let outer = wallet_cbor::members(issuer_signed).map_err(failed)?;
    let member = |name: &str| wallet_cbor::required(&outer, name).map_err(failed);
    let mut kept = Vec::new();
    for (namespace, items) in wallet_cbor::members(member("nameSpaces")?).map_err(failed)? {
        let Key::Text(namespace) = namespace else { continue };
        let items = wallet_cbor::elements(items).map_err(failed)?;
        let is_asked = |item: &&[u8]| names.iter().any(|name| Some(name.as_str()) == element(item));
        let items: Vec<Vec<u8>> = items.into_iter().filter(is_asked).map(<[u8]>::to_vec).collect();
        kept.push((Item::Text(namespace), cbor::array(&items)));
    }
    Ok(cbor::map(&[(Item::Text("nameSpaces"), cbor::map(&kept)), (Item::Text("issuerAuth"), member("issuerAuth")?.to_vec())]))
}

/// The name of an IssuerSignedItem.
fn element(item: &[u8]) -> Option<&str> {
    let members = wallet_cbor::members(wallet_cbor::encoded(item).ok()?).ok()?;
    wallet_cbor::text(wallet_cbor::member(&members, "elementIdentifier")?).ok()
}
