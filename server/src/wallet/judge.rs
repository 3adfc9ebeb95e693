//! What a wallet posted, and who that is. What is kept of it is a MAC of issuer and account claim, and the claims that the operator maps.
//! The presentation, the holder's key and the index of a status list are never kept.

use super::load::Wallet;
use super::status::StatusQuery;
use super::trip::Trip;
use crate::config::wallet::ClaimSource;
use crate::seal::KeyRing;
use crate::visible;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use symbolon_oauth::base64url;
use symbolon_wallet::dcql::select;
use symbolon_wallet::response::{self, Said};
use symbolon_wallet::sd_jwt::Binding;
use symbolon_wallet::{Credential, Failed, transcript};

/// The longest account claim, in bytes.
const LONGEST: usize = 255;
/// The largest claim that is kept, in bytes of JSON.
const LARGEST_CLAIM: usize = 1024;
/// The longest name of a member within one, in characters.
const LONGEST_MEMBER: usize = 256;
/// How old a holder's signature may be.
const MAX_AGE_S: i64 = 600;

/// Somebody whom a credential names.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct CredentialSubject {
    /// The configured issuer, and the authority below it.
    pub issuer: String,
    pub person: AccountClaim,
    /// By the operator's `claims`.
    pub claims: Map<String, Json>,
}

/// The account claim as it is kept: MACs of it, by the newest master key first.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AccountClaim(pub Vec<String>);

/// Why a response names nobody: the key of a problem, and why.
pub type Refusal = (&'static str, String);

fn refuse<T>(problem: &'static str, why: impl Into<String>) -> Result<T, Refusal> {
    Err((problem, why.into()))
}

/// Presentations by the id of the query.
type VpToken = BTreeMap<String, Vec<String>>;

/// A response, once it is decrypted, and what it answers.
pub struct Heard<'a> {
    /// `apu` of its encryption: drafts had a nonce of the wallet there.
    pub party_u: &'a [u8],
    pub trip: &'a Trip,
    pub way: PresentationMode<'a>,
    pub now_ms: i64,
}

/// How a response came. Each way has its own audience and transcript, so that one made for the other counts nothing (V-01).
#[derive(Clone, Copy)]
pub enum PresentationMode<'a> {
    /// Posted by the wallet. `handle`: of this request's addresses.
    Posted { handle: &'a str },
    /// By the Digital Credentials API, to our own page or to this client's app.
    Shown { origins: &'a [String] },
}

/// What the holder has signed, where the response came on its own way.
struct Signed {
    audience: String,
    transcript: Vec<u8>,
    older: Option<Vec<u8>>,
}

impl Wallet {
    /// Judges presentations, their status, and what the operator asks of them together.
    pub async fn judge(&self, said: &Said, heard: &Heard<'_>, keyring: &KeyRing) -> Result<CredentialSubject, Refusal> {
        let token = match said {
            Said::Error(name) => return refuse("wallet_cancelled", format!("the wallet says {:?}", visible::plain(name, 64))),
            Said::Token(token) => token,
        };
        if !self.is_ours(heard.trip) {
            return refuse("wallet_failed", "the configuration changed meanwhile");
        }
        let credentials = self.verify(token, heard)?;
        self.must_be_good(&credentials, heard.now_ms / 1000).await?;
        self.must_be_of_one_person(&credentials)?;
        self.known(&credentials, keyring)
    }

    fn verify(&self, token: &VpToken, heard: &Heard<'_>) -> Result<BTreeMap<String, Credential>, Refusal> {
        let thumbprint = heard.trip.key().map_err(|fault| ("wallet_failed", fault.0))?.thumbprint();
        let mut refusal = ("wallet_failed", "there is no origin that this answer could be for".to_owned());
        for signed in self.signed(heard, &thumbprint) {
            match self.verify_signed(token, heard, &signed) {
                // One each: the query asks for no more.
                Ok(judged) => return Ok(judged.into_iter().filter_map(|(id, mut all)| Some((id, all.pop()?))).collect()),
                Err(failed) => refusal = (problem(&failed), reasons(&failed)),
            }
        }
        Err(refusal)
    }

    fn signed(&self, heard: &Heard<'_>, thumbprint: &[u8; 32]) -> Vec<Signed> {
        let trip = heard.trip;
        match heard.way {
            PresentationMode::Posted { handle } => {
                let response_uri = self.response_uri(handle);
                let wallet_nonce = std::str::from_utf8(heard.party_u).ok().filter(|it| !it.is_empty());
                let older = wallet_nonce.map(|it| transcript::older(&trip.client_id, &trip.nonce, &response_uri, it));
                let transcript = transcript::redirect(&trip.client_id, &trip.nonce, Some(thumbprint), &response_uri);
                vec![Signed { audience: trip.client_id.clone(), transcript, older }]
            }
            PresentationMode::Shown { origins } => {
                let of = |origin: &String| Signed {
                    audience: format!("origin:{origin}"),
                    transcript: transcript::dc_api(origin, &trip.nonce, Some(thumbprint)),
                    older: None,
                };
                origins.iter().map(of).collect()
            }
        }
    }

    fn verify_signed(&self, token: &VpToken, heard: &Heard<'_>, signed: &Signed) -> Result<BTreeMap<String, Vec<Credential>>, Vec<Failed>> {
        let none = Vec::new();
        let items: Vec<&str> = heard.trip.transaction_data.iter().map(String::as_str).collect();
        let (nonce, max_age_s, source) = (heard.trip.nonce.as_str(), MAX_AGE_S, self.settings.account_source());
        let expected = response::Expected {
            query: &self.query,
            issuers: &|id| self.issuers.get(id).unwrap_or(&none),
            binding: Binding { audience: &signed.audience, nonce, max_age_s, transaction_data: &items },
            transaction_signer: &source.map(|it| it.credential).unwrap_or_default(),
            session_transcript: &signed.transcript,
            older_transcript: signed.older.as_deref(),
            now_s: heard.now_ms / 1000,
            skew_s: self.settings.clock_skew.0,
        };
        response::judge(token, &expected)
    }

    async fn must_be_good(&self, credentials: &BTreeMap<String, Credential>, now_s: i64) -> Result<(), Refusal> {
        for (id, credential) in credentials {
            let (Some(reference), Some(signer)) = (&credential.status, &credential.signer) else { continue };
            let issuers = self.issuers.get(id).map(Vec::as_slice).unwrap_or_default();
            let asked = StatusQuery { reference, issuer: &signer.issuer, issuers, skew_s: self.settings.clock_skew.0 };
            self.statuses
                .judge(&asked, now_s)
                .await
                .map_err(|it| (problem(std::slice::from_ref(&it)), format!("{}: {}", it.name, it.detail)))?;
        }
        Ok(())
    }

    /// My identity with a friend's entitlement passes every check of its own.
    fn must_be_of_one_person(&self, credentials: &BTreeMap<String, Credential>) -> Result<(), Refusal> {
        for (one, other) in self.settings.pairs() {
            if !credentials.contains_key(&one.credential) || !credentials.contains_key(&other.credential) {
                continue;
            }
            let values = (value(credentials, &one), value(credentials, &other));
            if values.0 != values.1 || !values.0.is_some_and(names_somebody) {
                return refuse("wallet_two_people", "same_person: the claims of two credentials differ, or name nobody");
            }
        }
        // A credential that nothing ties to the account's counts for nobody.
        let account = self.settings.account_source().map(|it| it.credential).unwrap_or_default();
        let mut tied = vec![account];
        for _ in 0..credentials.len() {
            for (one, other) in self.settings.pairs() {
                let (one, other) = (one.credential, other.credential);
                let both = credentials.contains_key(&one) && credentials.contains_key(&other);
                if both && (tied.contains(&one) != tied.contains(&other)) {
                    tied.extend([one, other]);
                }
            }
        }
        if credentials.keys().all(|id| tied.contains(id)) {
            return Ok(());
        }
        refuse("wallet_two_people", "same_person: nothing ties a credential to the account's")
    }

    fn known(&self, credentials: &BTreeMap<String, Credential>, keyring: &KeyRing) -> Result<CredentialSubject, Refusal> {
        const NOBODY: &str = "wallet_names_nobody";
        let Some(source) = self.settings.account_source() else { return refuse(NOBODY, "account_claim cannot be read") };
        let signer = credentials.get(&source.credential).and_then(|it| it.signer.as_ref());
        let Some(signer) = signer else { return refuse(NOBODY, "the account's credential is missing") };
        let issuer = if signer.authority.is_empty() { signer.issuer.clone() } else { format!("{} {}", signer.issuer, signer.authority) };
        if !visible::is_seen_whole(&issuer) {
            return refuse(NOBODY, "the signer's certificate names an authority with characters that nobody sees");
        }
        let text = match value(credentials, &source) {
            Some(Json::String(text)) if !text.trim().is_empty() && text.len() <= LONGEST => text.clone(),
            Some(Json::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
            _ => return refuse(NOBODY, "the account claim is missing, or neither text nor a whole number"),
        };
        // One issuer counts people and documents in different ways: a number is somebody's by the name of its claim alone. The name, and not
        // the type: a newer type, and the same credential in the other format, are of the same person.
        let parts = [issuer.as_bytes(), source.name().unwrap_or_default().as_bytes(), text.as_bytes()];
        let of = |version: u8| Some(format!("v{version}.{}", base64url::encode(&keyring.mac_with(version, "wallet person", &parts)?)));
        let person = AccountClaim(keyring.versions().into_iter().filter_map(of).collect());
        let mut claims = Map::new();
        for (name, text) in &self.settings.claims {
            let found = ClaimSource::read(text).map(|it| values(credentials, &it)).unwrap_or_default();
            let one = match found.as_slice() {
                // What is no longer shown is taken away.
                [] => Some(Json::Null),
                [one] if !text.contains('*') => seen(one),
                all => all.iter().map(|it| seen(it)).collect::<Option<Vec<_>>>().map(Json::Array),
            };
            let Some(one) = one else {
                return refuse("wallet_failed", format!("claims: {name} has two names that nobody can tell apart"));
            };
            if one.to_string().len() > LARGEST_CLAIM {
                return refuse("wallet_failed", format!("claims: {name} is larger than 1 KiB"));
            }
            claims.insert(name.clone(), one);
        }
        Ok(CredentialSubject { issuer, person, claims })
    }
}

fn values<'a>(credentials: &'a BTreeMap<String, Credential>, source: &ClaimSource) -> Vec<&'a Json> {
    credentials.get(&source.credential).map(|it| select(&it.claims, &source.path)).unwrap_or_default()
}

fn value<'a>(credentials: &'a BTreeMap<String, Credential>, source: &ClaimSource) -> Option<&'a Json> {
    values(credentials, source).first().copied()
}

/// Can two credentials with this value be of one person for that? Null is in both for everybody who has no such number, and `true` is said
/// of half of all people.
fn names_somebody(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) => false,
        Json::Number(_) => true,
        Json::String(text) => !text.trim().is_empty(),
        Json::Array(all) => !all.is_empty() && all.iter().all(names_somebody),
        Json::Object(all) => !all.is_empty() && all.values().all(names_somebody),
    }
}

/// A value without characters that nobody sees, neither in its texts nor in the names of its members. An issuer copies what people say of
/// themselves. None: two names become one.
fn seen(value: &Json) -> Option<Json> {
    Some(match value {
        Json::String(text) => visible::plain(text, LARGEST_CLAIM).into(),
        Json::Array(all) => Json::Array(all.iter().map(seen).collect::<Option<_>>()?),
        Json::Object(all) => {
            let mut members = Map::new();
            for (name, value) in all {
                if members.insert(visible::plain(name, LONGEST_MEMBER), seen(value)?).is_some() {
                    return None;
                }
            }
            Json::Object(members)
        }
        plain => plain.clone(),
    })
}

/// Rules by name, for the operator. They have no claim in them.
fn reasons(failed: &[Failed]) -> String {
    failed.iter().map(|it| format!("{}: {}", it.name, it.detail)).collect::<Vec<_>>().join("; ")
}

/// What the person reads.
fn problem(failed: &[Failed]) -> &'static str {
    let broke = |names: &[&str]| failed.iter().any(|it| names.contains(&it.name));
    if broke(&["expired", "not_yet_valid"]) {
        "wallet_expired"
    } else if broke(&["revoked", "suspended", "status_unknown"]) {
        "wallet_revoked"
    } else if broke(&["status_unavailable"]) {
        "wallet_away"
    } else if broke(&["query_claims", "query_set", "query_type"]) {
        "wallet_incomplete"
    } else if broke(&["issuer_unknown", "issuer_ambiguous", "issuer_haip", "query_authority"]) {
        "wallet_untrusted"
    } else {
        "wallet_failed"
    }
}
