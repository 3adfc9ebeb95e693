//! Authorization details. RFC 9396: what an app may do, said as data instead of words. Every type belongs to one API, which declares it
//! with a JSON schema. What the schema does not name is refused.

use crate::config::{Client, Config, schema};
use crate::error::{Fault, Refused, Result};
use crate::visible::is_seen_whole;
use jsonschema::Validator;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use symbolon_oauth::form::Form;
use symbolon_oauth::jws;

const MAX: usize = 10;
const MAX_BYTES: usize = 16 * 1024;
/// What the page for consent shows of one detail.
const MAX_LINES: usize = 100;
/// Of a name or a value.
const MAX_CHARS: usize = 1000;

/// The types there are, ready to judge.
#[derive(Default)]
pub struct Types(BTreeMap<String, Type>);

struct Type {
    text: String,
    text_in: BTreeMap<String, String>,
    validator: Validator,
}

/// A detail as people read it.
pub struct ShownDetail {
    pub heading: String,
    /// The heading by language.
    pub own: BTreeMap<String, String>,
    pub lines: Vec<(String, String)>,
}

impl Types {
    pub fn new(config: &Config) -> std::result::Result<Self, Fault> {
        let mut types = BTreeMap::new();
        for api in config.api.values() {
            for (name, declared) in &api.authorization_details {
                let validator = schema::validator(name, &declared.schema).map_err(Fault::new)?;
                types.insert(name.clone(), Type { text: declared.text.clone(), text_in: declared.text_in.clone(), validator });
            }
        }
        Ok(Self(types))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the consent page says about a detail: the type's words, and every value with its name.
    pub fn shown(&self, detail: &Json) -> ShownDetail {
        let known = detail["type"].as_str().and_then(|it| self.0.get(it));
        let (heading, own) = known.map(|it| (it.text.clone(), it.text_in.clone())).unwrap_or_default();
        ShownDetail { heading, own, lines: lines_of(detail).unwrap_or_default() }
    }

    /// The parameter of a request, checked. It has known types that this client may ask for, each as its schema wants it (RFC 9396 5).
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
            if lines_of(one).is_none() {
                return Err(invalid("An authorization detail is too long to be shown whole, or has invisible characters.").into());
            }
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

/// At the token endpoint: some of what was granted, each exactly as it was granted. Without the parameter it is all (RFC 9396 6).
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

/// What the person is shown of a detail: `amount.currency: EUR`. `None`: it cannot be shown whole, so it is refused.
fn lines_of(detail: &Json) -> Option<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for (name, value) in detail.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
        flatten(name.clone(), value, &mut lines);
    }
    let is_shown_whole = |text: &String| text.chars().count() <= MAX_CHARS && is_seen_whole(text);
    (lines.len() <= MAX_LINES && lines.iter().all(|(name, value)| is_shown_whole(name) && is_shown_whole(value))).then_some(lines)
}

/// An empty list or object is a line too: it may mean "all of them".
fn flatten(name: String, value: &Json, lines: &mut Vec<(String, String)>) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(inner, value)| flatten(format!("{name}.{inner}"), value, lines));
        }
        Json::Array(values) if !values.is_empty() => values.iter().for_each(|value| flatten(name.clone(), value, lines)),
        Json::String(text) => lines.push((name, text.clone())),
        other => lines.push((name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(more: Json) -> Option<Vec<(String, String)>> {
        lines_of(&json!({ "type": "payment", "to": more }))
    }

    #[test]
    fn every_value_is_shown_with_its_name() {
        let shown = lines(json!({ "name": "Shop", "tags": ["a", 1], "none": [], "any": {}, "open": null }));
        let pairs = [("to.any", "{}"), ("to.name", "Shop"), ("to.none", "[]"), ("to.open", "null"), ("to.tags", "a"), ("to.tags", "1")];
        assert_eq!(shown, Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()));
    }

    /// 351-L: nothing is cut and nothing is taken out. The twins differ by one character or one line.
    #[test]
    fn what_cannot_be_shown_whole_is_no_detail() {
        assert!(lines(json!("x".repeat(MAX_CHARS))).is_some());
        assert!(lines(json!("x".repeat(MAX_CHARS + 1))).is_none());
        assert!(lines(json!(vec![1; MAX_LINES])).is_some());
        assert!(lines(json!(vec![1; MAX_LINES + 1])).is_none());
        for unseen in ["\n", "\u{61c}", "\u{200b}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{feff}", "\u{e0041}"] {
            assert!(lines(json!(format!("Sh{unseen}op"))).is_none(), "{unseen:?}");
            let mut nested = json!({ "a": [{}] });
            nested["a"][0][format!("na{unseen}me")] = json!(1);
            assert!(lines(nested).is_none(), "{unseen:?}");
        }
        assert!(lines(json!({ "a": [{ "name": 1 }] })).is_some());
    }
}
