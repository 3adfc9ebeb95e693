//! The authorization response (OpenID4VP 1.0, 8): which presentations are in it, and whether they answer the request. One rule that is
//! broken refuses the whole response.

use crate::dcql::{CredentialQuery, Query};
use crate::issuer::Issuer;
use crate::{Credential, Failed, Format, Unreadable, jwe, mdoc, sd_jwt};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use symbolon_oauth::base64url;
use symbolon_oauth::jws::parse_object;

/// The most presentations of one response.
const MAX_PRESENTATIONS: usize = 16;
const MAX_ERROR: usize = 256;

/// What a wallet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// `vp_token`: presentations by the id of the query.
    Token(BTreeMap<String, Vec<String>>),
    /// `error` (8.5). Wallets invent names; whatever is not empty ends the request.
    Error(String),
}

/// The parameters of a response, however they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub said: Said,
    pub state: Option<String>,
}

impl Response {
    /// Reads the content of an encrypted response.
    pub fn parse(content: &[u8]) -> Result<Self, Unreadable> {
        if content.len() > jwe::MAX_BYTES {
            return Err(Unreadable("the response is larger than 256 KiB"));
        }
        Self::of(&parse_object(content).ok_or(Unreadable("the response is not one JSON object"))?)
    }

    fn of(members: &Map<String, Value>) -> Result<Self, Unreadable> {
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text.clone())),
            Some(_) => Err(Unreadable("a parameter of the response is not a short string")),
        };
        let state = text("state")?;
        let said = match (text("error")?, members.get("vp_token")) {
            (Some(error), None) => Self::error(&error)?,
            (None, Some(token)) => Said::Token(presentations(token)?),
            _ => return Err(Unreadable("a response has either vp_token or error")),
        };
        Ok(Self { said, state })
    }

    /// An error, also one that came without encryption.
    pub fn error(name: &str) -> Result<Said, Unreadable> {
        if name.is_empty() || name.len() > MAX_ERROR {
            return Err(Unreadable("the error of the response has no name, or a long one"));
        }
        Ok(Said::Error(name.to_owned()))
    }
}

/// 8.1: an object of arrays. `{}` is no answer, and a string alone is of an older draft.
fn presentations(token: &Value) -> Result<BTreeMap<String, Vec<String>>, Unreadable> {
    const BAD: Unreadable = Unreadable("vp_token is not an object with arrays of presentations");
    let members = token.as_object().filter(|it| (1..=MAX_PRESENTATIONS).contains(&it.len())).ok_or(BAD)?;
    let mut all = BTreeMap::new();
    for (id, list) in members {
        let list = list.as_array().filter(|it| (1..=MAX_PRESENTATIONS).contains(&it.len())).ok_or(BAD)?;
        let texts = list.iter().map(|it| it.as_str().map(str::to_owned).ok_or(BAD)).collect::<Result<Vec<_>, _>>()?;
        all.insert(id.clone(), texts);
    }
    if all.values().map(Vec::len).sum::<usize>() > MAX_PRESENTATIONS { Err(BAD) } else { Ok(all) }
}

/// What a response is compared with.
pub struct Expected<'a> {
    pub query: &'a Query,
    /// Those who may issue the credential of this query id.
    pub issuers: &'a dyn Fn(&str) -> &'a [Issuer],
    /// For SD-JWTs. Its `transaction_data` is that of the request.
    pub binding: sd_jwt::Binding<'a>,
    /// The query id of the one credential that signs `transaction_data`. No other may sign any.
    pub transaction_signer: &'a str,
    /// For mdocs (`transcript`), by the way that the answer came on.
    pub session_transcript: &'a [u8],
    pub older_transcript: Option<&'a [u8]>,
    pub now_s: i64,
    pub skew_s: i64,
}

/// Judges every presentation, and the whole against the query. The status of each credential is left for the caller.
pub fn judge(token: &BTreeMap<String, Vec<String>>, expected: &Expected<'_>) -> Result<BTreeMap<String, Vec<Credential>>, Vec<Failed>> {
    let mut failed = Vec::new();
    let mut credentials: BTreeMap<String, Vec<Credential>> = BTreeMap::new();
    for (id, presentations) in token {
        let Some(query) = expected.query.credential(id) else {
            failed.push(Failed::new("query_id", "the response has a credential that was not asked for"));
            continue;
        };
        for text in presentations {
            match one(query, text, expected) {
                Ok(verdict) => {
                    failed.extend(verdict.failed);
                    credentials.entry(id.clone()).or_default().push(verdict.facts);
                }
                Err(why) => failed.push(Failed::new("unreadable", why.0)),
            }
        }
    }
    if failed.is_empty() {
        failed.extend(expected.query.judge(&credentials));
    }
    // 8.4: a credential that names no signer is not trusted.
    if credentials.values().flatten().any(|it| it.signer.is_none()) && failed.is_empty() {
        failed.push(Failed::new("issuer_unknown", "nobody who is trusted has signed it"));
    }
    if failed.is_empty() { Ok(credentials) } else { Err(failed) }
}

fn one(query: &CredentialQuery, text: &str, expected: &Expected<'_>) -> Result<crate::Verdict<Credential>, Unreadable> {
    let issuers = (expected.issuers)(&query.id);
    match query.format {
        Format::SdJwt => {
            let types: Vec<&str> = query.types.iter().map(String::as_str).collect();
            let signs = query.id == expected.transaction_signer;
            let transaction_data = if signs { expected.binding.transaction_data } else { &[] };
            let asked = sd_jwt::Expected {
                issuers,
                types: &types,
                binding: Some(sd_jwt::Binding { transaction_data, ..expected.binding }),
                now_s: expected.now_s,
                skew_s: expected.skew_s,
                typ: &[sd_jwt::TYP],
            };
            sd_jwt::SdJwt::parse(text)?.judge(&asked)
        }
        // Device-signed data would have to say it; this crate reads none.
        Format::Mdoc if query.id == expected.transaction_signer && !expected.binding.transaction_data.is_empty() => {
            Err(Unreadable("an mdoc signs no transaction here"))
        }
        Format::Mdoc => {
            let bytes = base64url::decode(text).ok_or(Unreadable("an mdoc is not base64url"))?;
            let asked = mdoc::Expected {
                issuers,
                doctype: query.types.first().map(String::as_str).unwrap_or_default(),
                session_transcript: expected.session_transcript,
                older_transcript: expected.older_transcript,
                now_s: expected.now_s,
                skew_s: expected.skew_s,
            };
            mdoc::Document::parse(&bytes)?.judge(&asked)
        }
    }
}
