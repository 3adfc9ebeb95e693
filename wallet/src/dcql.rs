//! The Digital Credentials Query Language (OpenID4VP 1.0, 6): what is asked, and whether an answer has it. A wallet is not trusted to answer
//! the whole question: every claim, value and set is compared here.

use crate::{Credential, Failed, Format, Unreadable};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use symbolon_oauth::base64url;
use symbolon_oauth::jws::parse_object;

const MAX_BYTES: usize = 32 * 1024;
/// The most queries, claims, sets, options and values of each kind.
const MAX_EACH: usize = 64;
/// The longest path of a claim.
const MAX_PATH: usize = 12;

/// `dcql_query`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    pub credentials: Vec<CredentialQuery>,
    pub sets: Vec<CredentialSet>,
}

/// One of `credentials` (6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialQuery {
    pub id: String,
    pub format: Format,
    /// `vct_values`, or the one `doctype_value`.
    pub types: Vec<String>,
    /// May the wallet send more than one?
    pub multiple: bool,
    /// Key identifiers (`aki`) of authorities. Empty: any that is trusted.
    pub authorities: Vec<Vec<u8>>,
    pub claims: Vec<ClaimQuery>,
    /// By the ids of claims. Empty: all claims.
    pub claim_sets: Vec<Vec<String>>,
}

/// One of `claims` (6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimQuery {
    pub id: Option<String>,
    pub path: Vec<Part>,
    /// Empty: any value.
    pub values: Vec<Value>,
    /// mdoc: does the verifier keep it?
    pub intent_to_retain: Option<bool>,
}

/// A part of a path (7): a member, one element, or every element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Member(String),
    Element(usize),
    Every,
}

/// One of `credential_sets` (6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSet {
    pub options: Vec<Vec<String>>,
    pub required: bool,
}

/// OpenID4VP 1.0, 6.1 and 6.3: the form of ids.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
}

impl Query {
    /// Reads a query. Members that are not known are skipped (5.1); known ones of a wrong type are an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the query is larger than 32 KiB"));
        }
        let members = parse_object(bytes).ok_or(Unreadable("the query is not one JSON object"))?;
        let credentials =
            list(members.get("credentials"), "credentials is not a list")?.iter().map(CredentialQuery::read).collect::<Result<_, _>>()?;
        let sets = optional_list(members.get("credential_sets"))?.iter().map(CredentialSet::read).collect::<Result<_, _>>()?;
        let query = Self { credentials, sets };
        query.check()?;
        Ok(query)
    }

    /// What no query may be, however it was made.
    pub fn check(&self) -> Result<(), Unreadable> {
        if self.credentials.is_empty() || self.credentials.len() > MAX_EACH || self.sets.len() > MAX_EACH {
            return Err(Unreadable("a query has 1 to 64 credentials, and at most 64 sets"));
        }
        for (at, one) in self.credentials.iter().enumerate() {
            one.check()?;
            if self.credentials.iter().take(at).any(|other| other.id == one.id) {
                return Err(Unreadable("two credentials of the query have one id"));
            }
        }
        let is_known = |id: &String| self.credentials.iter().any(|it| it.id == *id);
        let is_good =
            |set: &CredentialSet| !set.options.is_empty() && set.options.iter().all(|it| !it.is_empty() && it.iter().all(is_known));
        if self.sets.iter().all(is_good) { Ok(()) } else { Err(Unreadable("an option of a credential set names no credential")) }
    }

    pub fn credential(&self, id: &str) -> Option<&CredentialQuery> {
        self.credentials.iter().find(|it| it.id == id)
    }

    /// As it is sent.
    pub fn to_json(&self) -> Value {
        let mut query = json!({ "credentials": self.credentials.iter().map(CredentialQuery::to_json).collect::<Vec<_>>() });
        if !self.sets.is_empty() {
            let set = |it: &CredentialSet| json!({ "options": it.options, "required": it.required });
            query["credential_sets"] = self.sets.iter().map(set).collect();
        }
        query
    }

    /// Does an answer have what was asked (6.4)? Nothing in it may be unasked, and each presentation is compared in full.
    pub fn judge(&self, answer: &BTreeMap<String, Vec<Credential>>) -> Vec<Failed> {
        let mut failed = Vec::new();
        for (id, credentials) in answer {
            let Some(query) = self.credential(id) else {
                failed.push(Failed::new("query_id", "the response has a credential that was not asked for"));
                continue;
            };
            if credentials.len() != 1 && !query.multiple || credentials.is_empty() {
                failed.push(Failed::new("query_count", "the response has not one credential where one was asked for"));
            }
            failed.extend(credentials.iter().filter_map(|it| query.judge(it)));
        }
        let has = |id: &String| answer.contains_key(id);
        let is_met = if self.sets.is_empty() {
            self.credentials.iter().all(|it| has(&it.id))
        } else {
            self.sets.iter().filter(|it| it.required).all(|set| set.options.iter().any(|option| option.iter().all(has)))
        };
        if !is_met {
            failed.push(Failed::new("query_set", "the response lacks a credential that was asked for"));
        }
        failed
    }
}

impl CredentialQuery {
    fn check(&self) -> Result<(), Unreadable> {
        if !is_id(&self.id) {
            return Err(Unreadable("an id of the query has letters, digits, _ and - alone"));
        }
        let is_one_type = self.format != Format::Mdoc || self.types.len() == 1;
        if self.types.is_empty() || self.types.len() > MAX_EACH || !is_one_type {
            return Err(Unreadable("a credential is asked for by its vct_values, or by one doctype_value"));
        }
        for (at, claim) in self.claims.iter().enumerate() {
            claim.check(self.format)?;
            if claim.id.is_some() && self.claims.iter().take(at).any(|other| other.id == claim.id) {
                return Err(Unreadable("two claims of a credential have one id"));
            }
        }
        let is_known = |id: &String| self.claims.iter().any(|claim| claim.id.as_ref() == Some(id));
        let is_good = |set: &Vec<String>| !set.is_empty() && set.iter().all(is_known);
        let fits = self.claims.len() <= MAX_EACH && self.claim_sets.len() <= MAX_EACH && self.authorities.len() <= MAX_EACH;
        let all_named = self.claim_sets.is_empty() || self.claims.iter().all(|it| it.id.is_some());
        if fits && all_named && self.claim_sets.iter().all(is_good) { Ok(()) } else { Err(Unreadable("a claim set names no claim")) }
    }

    fn read(value: &Value) -> Result<Self, Unreadable> {
        let members = value.as_object().ok_or(Unreadable("a credential of the query is no object"))?;
        let format = text(members, "format")?.and_then(Format::parse).ok_or(Unreadable("the format of a credential is not known here"))?;
        let meta = members.get("meta").and_then(Value::as_object).ok_or(Unreadable("a credential of the query has no meta"))?;
        let types = match format {
            Format::SdJwt => strings(meta.get("vct_values"))?,
            Format::Mdoc => text(meta, "doctype_value")?.map(str::to_owned).into_iter().collect(),
        };
        if members.get("require_cryptographic_holder_binding").is_some_and(|it| it != true) {
            return Err(Unreadable("credentials without their holder are not supported"));
        }
        let mut authorities = Vec::new();
        for one in optional_list(members.get("trusted_authorities"))? {
            if one.get("type").is_none_or(|it| it != "aki") {
                return Err(Unreadable("trusted_authorities are named by aki alone"));
            }
            for value in strings(one.get("values"))? {
                authorities.push(base64url::decode(&value).ok_or(Unreadable("an aki is not base64url"))?);
            }
        }
        let claim_sets = optional_list(members.get("claim_sets"))?.iter().map(|it| strings(Some(it))).collect::<Result<_, _>>()?;
        Ok(Self {
            id: text(members, "id")?.unwrap_or_default().to_owned(),
            format,
            types,
            multiple: flag(members, "multiple")?.unwrap_or(false),
            authorities,
            claims: optional_list(members.get("claims"))?.iter().map(ClaimQuery::read).collect::<Result<_, _>>()?,
            claim_sets,
        })
    }

    fn to_json(&self) -> Value {
        let meta = match self.format {
            Format::SdJwt => json!({ "vct_values": self.types }),
            Format::Mdoc => json!({ "doctype_value": self.types.first() }),
        };
        let mut query = json!({ "id": self.id, "format": self.format.as_str(), "meta": meta });
        if self.multiple {
            query["multiple"] = true.into();
        }
        if !self.authorities.is_empty() {
            let values: Vec<String> = self.authorities.iter().map(|it| base64url::encode(it)).collect();
            query["trusted_authorities"] = json!([{ "type": "aki", "values": values }]);
        }
        if !self.claims.is_empty() {
            query["claims"] = self.claims.iter().map(ClaimQuery::to_json).collect();
        }
        if !self.claim_sets.is_empty() {
            query["claim_sets"] = json!(self.claim_sets);
        }
        query
    }

    /// Has this credential what was asked of it?
    pub fn judge(&self, credential: &Credential) -> Option<Failed> {
        if credential.format != self.format || !self.types.contains(&credential.kind) {
            return Some(Failed::new("query_type", "the credential is of another format or type than asked for"));
        }
        let of_authority = |id: &Vec<u8>| credential.signer.as_ref().is_some_and(|it| it.authority_key_ids.contains(id));
        if !self.authorities.is_empty() && !self.authorities.iter().any(of_authority) {
            return Some(Failed::new("query_authority", "the credential is of another authority than asked for"));
        }
        let root = &credential.claims;
        let is_met = if self.claim_sets.is_empty() {
            self.claims.iter().all(|it| it.is_met(root))
        } else {
            let named = |id: &String| self.claims.iter().any(|claim| claim.id.as_ref() == Some(id) && claim.is_met(root));
            self.claim_sets.iter().any(|set| set.iter().all(named))
        };
        (!is_met).then(|| Failed::new("query_claims", "the credential lacks a claim that was asked for, or has another value"))
    }
}

impl ClaimQuery {
    pub fn check(&self, format: Format) -> Result<(), Unreadable> {
        let is_path = match format {
            Format::SdJwt => matches!(self.path.first(), Some(Part::Member(_))) && self.path.len() <= MAX_PATH,
            Format::Mdoc => matches!(self.path.as_slice(), [Part::Member(_), Part::Member(_)]),
        };
        let is_simple = |it: &Value| it.is_string() || it.is_boolean() || it.is_i64() || it.is_u64();
        if !is_path || self.values.len() > MAX_EACH || !self.values.iter().all(is_simple) {
            return Err(Unreadable(
                "a path begins with a name, in an mdoc it is namespace and element; values are texts, numbers or booleans",
            ));
        }
        if self.id.as_deref().is_some_and(|it| !is_id(it)) {
            return Err(Unreadable("an id of a claim has letters, digits, _ and - alone"));
        }
        Ok(())
    }

    fn read(value: &Value) -> Result<Self, Unreadable> {
        let members = value.as_object().ok_or(Unreadable("a claim of the query is no object"))?;
        let path = list(members.get("path"), "a claim has no path")?.iter().map(Part::read).collect::<Result<_, _>>()?;
        Ok(Self {
            id: text(members, "id")?.map(str::to_owned),
            path,
            values: match members.get("values") {
                None => Vec::new(),
                // An empty list would read as "any value".
                Some(values) => list(Some(values), "values is not a list")?.to_vec(),
            },
            intent_to_retain: flag(members, "intent_to_retain")?,
        })
    }

    fn to_json(&self) -> Value {
        let mut claim = json!({ "path": self.path.iter().map(Part::to_json).collect::<Vec<_>>() });
        if let Some(id) = &self.id {
            claim["id"] = id.as_str().into();
        }
        if !self.values.is_empty() {
            claim["values"] = json!(self.values);
        }
        if let Some(retains) = self.intent_to_retain {
            claim["intent_to_retain"] = retains.into();
        }
        claim
    }

    fn is_met(&self, root: &Map<String, Value>) -> bool {
        let found = select(root, &self.path);
        !found.is_empty() && (self.values.is_empty() || found.iter().any(|it| self.values.contains(it)))
    }
}

/// The values that a path leads to (7.1). Empty: there is none.
pub fn select<'a>(root: &'a Map<String, Value>, path: &[Part]) -> Vec<&'a Value> {
    let Some((Part::Member(first), rest)) = path.split_first() else { return Vec::new() };
    let mut found: Vec<&Value> = root.get(first).into_iter().collect();
    for part in rest {
        found = match part {
            Part::Member(name) => found.iter().filter_map(|it| it.as_object()?.get(name)).collect(),
            Part::Element(at) => found.iter().filter_map(|it| it.as_array()?.get(*at)).collect(),
            Part::Every => found.iter().filter_map(|it| it.as_array()).flatten().collect(),
        };
    }
    found
}

impl Part {
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        match value {
            Value::String(name) if name.len() <= 256 => Ok(Self::Member(name.clone())),
            Value::Null => Ok(Self::Every),
            Value::Number(at) => {
                at.as_u64().and_then(|it| usize::try_from(it).ok()).map(Self::Element).ok_or(Unreadable("a path has a number below 0"))
            }
            _ => Err(Unreadable("a path has names, numbers and null alone")),
        }
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Member(name) => name.as_str().into(),
            Self::Element(at) => (*at).into(),
            Self::Every => Value::Null,
        }
    }
}

impl CredentialSet {
    fn read(value: &Value) -> Result<Self, Unreadable> {
        let members = value.as_object().ok_or(Unreadable("a credential set is no object"))?;
        let options =
            list(members.get("options"), "options is not a list")?.iter().map(|it| strings(Some(it))).collect::<Result<_, _>>()?;
        Ok(Self { options, required: flag(members, "required")?.unwrap_or(true) })
    }
}

/// A list that has something in it.
fn list<'a>(value: Option<&'a Value>, otherwise: &'static str) -> Result<&'a [Value], Unreadable> {
    value.and_then(Value::as_array).map(Vec::as_slice).filter(|it| (1..=MAX_EACH).contains(&it.len())).ok_or(Unreadable(otherwise))
}

/// The same where it may be absent. Present and empty is an error.
fn optional_list(value: Option<&Value>) -> Result<&[Value], Unreadable> {
    if value.is_none() { Ok(&[]) } else { list(value, "a list of the query is empty, too long, or no list") }
}

fn strings(value: Option<&Value>) -> Result<Vec<String>, Unreadable> {
    let all = list(value, "a list of the query is empty, too long, or no list")?;
    all.iter().map(|it| it.as_str().map(str::to_owned).ok_or(Unreadable("a list of the query has other than strings"))).collect()
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Unreadable> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text)),
        Some(_) => Err(Unreadable("a member of the query is not a short string")),
    }
}

fn flag(members: &Map<String, Value>, name: &str) -> Result<Option<bool>, Unreadable> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Unreadable("a member of the query is neither true nor false")),
    }
}
