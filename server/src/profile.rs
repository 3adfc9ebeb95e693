//! The person, as far as tokens and plug-ins may say. OpenID Connect Core 5.1.

use crate::config::claim_names::is_reserved;
use crate::error::Fault;
use crate::store::Row;
use serde_json::{Map, Value as Json};

/// The person, as far as tokens may say.
#[derive(Clone, Debug, Default)]
pub struct PersonClaims {
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub claims: Map<String, Json>,
    /// When any of this last changed.
    pub updated_ms: i64,
}

impl PersonClaims {
    pub fn from_row(row: &Row) -> std::result::Result<Self, Fault> {
        Ok(Self {
            email: row.opt_text("email")?.map(str::to_owned),
            email_verified: row.int("email_verified")? == 1,
            name: row.opt_text("name")?.map(str::to_owned),
            locale: row.opt_text("locale")?.map(str::to_owned),
            claims: claims(row.text("claims")?, row.opt_text("shown")?)?,
            updated_ms: row.int("updated_ms")?,
        })
    }
}

/// The claims of an account; none is null. What linked identities show is among them for as long as they are linked. The account's own words count first:
/// a sign-in takes away those that its identity leads (`login::profile`), so an operator's later word is the newer one.
pub fn claims(own: &str, shown: Option<&str>) -> std::result::Result<Map<String, Json>, Fault> {
    let broken = |error: serde_json::Error| Fault::new(format!("an account's claims: {error}"));
    let own: Map<String, Json> = serde_json::from_str(own).map_err(broken)?;
    let mut all = match shown {
        Some(shown) => {
            let mut shown: Vec<(i64, String, Map<String, Json>)> = serde_json::from_str(&format!("[{shown}]")).map_err(broken)?;
            // What was named last counts.
            shown.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
            shown.into_iter().flat_map(|it| it.2).chain(own).collect()
        }
        None => own,
    };
    all.retain(|_, value| !value.is_null());
    Ok(all)
}

/// What one identity shows.
pub fn claims_of_link(shown: &str) -> std::result::Result<Map<String, Json>, Fault> {
    claims(if shown.is_empty() { "{}" } else { shown }, None)
}

/// As the store has what an identity shows.
pub fn as_text(shown: &Map<String, Json>) -> String {
    if shown.is_empty() { String::new() } else { Json::Object(shown.clone()).to_string() }
}

/// One claim of a person. OpenID Connect Core 5.1; an absent value is absent, never null.
pub fn claim(person: &PersonClaims, name: &str) -> Option<Json> {
    if is_reserved(name) {
        return None;
    }
    match name {
        "email" => person.email.clone().map(Json::from),
        "email_verified" => person.email.as_ref().map(|_| person.email_verified.into()),
        "name" => person.name.clone().map(Json::from).or_else(|| kept(person, name)),
        "locale" => person.locale.clone().map(Json::from).or_else(|| kept(person, name)),
        // Seconds, from the account itself: what another system wrote down once is no change of ours.
        "updated_at" if person.updated_ms > 0 => Some((person.updated_ms / 1000).into()),
        _ => kept(person, name),
    }
}

/// A claim that the operator wrote down, in the type of Core 5.1. It may be kept as text. What is no value of its type is absent.
fn kept(person: &PersonClaims, name: &str) -> Option<Json> {
    let value = person.claims.get(name).filter(|value| !value.is_null())?;
    let read = || value.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok()).unwrap_or_else(|| value.clone());
    match name {
        "updated_at" => Some(read()).filter(|read| read.as_i64().is_some()),
        "phone_number_verified" => Some(read()).filter(Json::is_boolean),
        "address" => Some(read()).filter(Json::is_object),
        _ => Some(value.clone()),
    }
}
