//! Authorization details. RFC 9396: what an app may do, said as data instead of words. Every type belongs to one API, which
//! declares it with a JSON schema; what the schema does not name is refused.

use crate::config::{Client, Config, schema};
use crate::error::{Fault, Refused, Result};
use jsonschema::Validator;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use symbolon_oauth::form::Form;
use symbolon_oauth::jws;

const MAX: usize = 10;
const MAX_BYTES: usize = 16 * 1024;

/// The types there are, ready to judge.
#[derive(Default)]
pub struct Types(BTreeMap<String, Type>);

struct Type {
    text: String,
    validator: Validator,
}

impl Types {
    pub fn new(config: &Config) -> std::result::Result<Self, Fault> {
        let mut types = BTreeMap::new();
        for api in config.api.values() {
            for (name, declared) in &api.authorization_details {
                let validator = schema::validator(name, &declared.schema).map_err(Fault::new)?;
                types.insert(name.clone(), Type { text: declared.text.clone(), validator });
            }
        }
        Ok(Self(types))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the consent page says about a detail: the type's words, and every value with its name.
    pub fn shown(&self, detail: &Json) -> (String, Vec<(String, String)>) {
        let text = detail["type"].as_str().and_then(|kind| self.0.get(kind)).map(|kind| kind.text.clone());
        let mut lines = Vec::new();
        for (name, value) in detail.as_object().into_iter().flatten().filter(|it| it.0 != "type") {
            flatten(name.clone(), value, &mut lines);
        }
        (text.unwrap_or_default(), lines)
    }

    /// The parameter of a request, checked: known types that this client may ask for, each as its schema wants it (RFC 9396 5).
    pub fn parse(&self, client: &Client, form: &Form) -> Result<Vec<Json>> {
        if !form.contains("authorization_details") {
            return Ok(Vec::new());
        }
        let all = array(form.get("authorization_details").unwrap_or_default())?;
        self.allowed(client, &all)?;
        Ok(all)
    }

    /// Details of a request, against the types and the client as they are now.
    pub fn allowed(&self, client: &Client, details: &[Json]) -> Result<()> {
        for one in details {
            let name = one["type"].as_str().ok_or_else(|| invalid("An authorization detail has no type."))?;
            let known = self.0.get(name).filter(|_| client.authorization_details_types.iter().any(|it| it == name));
            let known = known.ok_or_else(|| invalid("The client may not ask for authorization details of this type."))?;
            if let Err(error) = known.validator.validate(one) {
                let why = format!("{name}{}: {error}", error.instance_path());
                return Err(invalid("An authorization detail is not as its type's schema wants it.").because(why).into());
            }
        }
        Ok(())
    }
}

/// The API of a detail that was accepted.
pub fn api_of<'a>(config: &'a Config, detail: &Json) -> Option<&'a str> {
    let kind = detail["type"].as_str()?;
    config.api.iter().find(|(_, it)| it.authorization_details.contains_key(kind)).map(|(name, _)| name.as_str())
}

fn invalid(hint: &'static str) -> Refused {
    Refused::bad_request("invalid_authorization_details", hint)
}

/// A JSON array of objects, without doubled members, at most ten.
fn array(text: &str) -> Result<Vec<Json>> {
    let malformed = || invalid("authorization_details must be a JSON array of at most ten objects.");
    if text.len() > MAX_BYTES {
        return Err(malformed().because("too long").into());
    }
    let object = jws::parse_object(format!("{{\"a\":{text}}}").as_bytes()).filter(|it| it.len() == 1).ok_or_else(malformed)?;
    let all = object.get("a").and_then(Json::as_array).cloned().ok_or_else(malformed)?;
    if all.is_empty() || all.len() > MAX || !all.iter().all(Json::is_object) {
        return Err(malformed().into());
    }
    Ok(all)
}

/// At the token endpoint: some of what was granted, each exactly as it was granted; without the parameter all of it (RFC 9396 6).
pub fn narrowed(granted: &[Json], form: &Form) -> Result<Vec<Json>> {
    if !form.contains("authorization_details") {
        return Ok(granted.to_vec());
    }
    let asked = array(form.get("authorization_details").unwrap_or_default())?;
    let mut left = granted.to_vec();
    for one in &asked {
        let at = left.iter().position(|it| it == one);
        left.remove(at.ok_or_else(|| invalid("These authorization details were not granted, or not so often."))?);
    }
    Ok(asked)
}

/// `amount.currency: EUR`; without anything that could change how the rest of the page reads.
fn flatten(name: String, value: &Json, lines: &mut Vec<(String, String)>) {
    if lines.len() == 40 {
        return;
    }
    match value {
        Json::Object(members) => members.iter().for_each(|(inner, it)| flatten(format!("{name}.{inner}"), it, lines)),
        Json::Array(all) => all.iter().for_each(|it| flatten(name.clone(), it, lines)),
        other => {
            let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            let plain = |sign: &char| {
                !sign.is_control()
                    && !('\u{200b}'..='\u{200f}').contains(sign)
                    && !('\u{202a}'..='\u{202e}').contains(sign)
                    && !('\u{2066}'..='\u{2069}').contains(sign)
            };
            lines.push((name, text.chars().filter(plain).take(200).collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_shown_in_words_that_stay_where_they_are() {
        let mut lines = Vec::new();
        flatten("to".to_owned(), &json!({ "name": "Shop\u{202e}\n", "tags": ["a", 1] }), &mut lines);
        assert_eq!(lines, [("to.name", "Shop"), ("to.tags", "a"), ("to.tags", "1")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
