//! The claims parameter. OpenID Connect Core 5.5: single claims, and the values that they must have. A member of the wrong type is an
//! error and never "no rule": a client that writes `"value": 5` insists on a value.

use serde_json::{Map, Value};

pub const MAX_BYTES: usize = 8192;
/// The most claims in each of the two members.
pub const MAX_CLAIMS: usize = 50;
const MAX_VALUES: usize = 10;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsParameter {
    /// The person that the request insists on.
    pub sub: Option<String>,
    pub acr_values: Vec<String>,
    pub essential_acr: bool,
    pub id_token: Vec<String>,
    pub userinfo: Vec<String>,
}

impl ClaimsParameter {
    /// Members beside `id_token` and `userinfo` are ignored, as 5.5 wants.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("too long");
        }
        let json: Value = serde_json::from_str(text).map_err(|_| "not JSON")?;
        let object = json.as_object().ok_or("not an object")?;
        let mut found = Self::default();
        found.id_token = found.read_member(object, "id_token")?;
        found.userinfo = found.read_member(object, "userinfo")?;
        Ok(found)
    }

    fn read_member(&mut self, object: &Map<String, Value>, member: &str) -> Result<Vec<String>, &'static str> {
        let Some(wanted) = object.get(member) else { return Ok(Vec::new()) };
        let wanted = wanted.as_object().ok_or("id_token or userinfo is not an object")?;
        if wanted.len() > MAX_CLAIMS {
            return Err("too many claims");
        }
        for (name, value) in wanted {
            let wish = Wish::parse(value)?;
            match name.as_str() {
                "sub" => self.read_sub(&wish)?,
                "acr" => self.read_acr(&wish)?,
                _ => {}
            }
        }
        Ok(wanted.keys().cloned().collect())
    }

    /// One person, or no particular one. Both members mean the same person.
    fn read_sub(&mut self, wish: &Wish<'_>) -> Result<(), &'static str> {
        if wish.values.is_some() {
            return Err("sub has values; name one person with value");
        }
        let Some(value) = wish.value else { return Ok(()) };
        let sub = value.as_str().filter(|it| !it.is_empty()).ok_or("the value of sub is not a text")?;
        if self.sub.as_deref().is_some_and(|it| it != sub) {
            return Err("two different people");
        }
        self.sub = Some(sub.to_owned());
        Ok(())
    }

    /// 5.5.1.1.
    fn read_acr(&mut self, wish: &Wish<'_>) -> Result<(), &'static str> {
        let values = wish.value.into_iter().chain(wish.values.into_iter().flatten());
        let values: Option<Vec<String>> = values.map(|it| it.as_str().map(str::to_owned)).collect();
        let values = values.ok_or("a value of acr is not a text")?;
        if values.len() > MAX_VALUES {
            return Err("too many values of acr");
        }
        self.essential_acr |= wish.essential;
        if values.is_empty() {
            return Ok(());
        }
        if !self.acr_values.is_empty() && self.acr_values != values {
            return Err("id_token and userinfo want different values of acr");
        }
        self.acr_values = values;
        Ok(())
    }
}

/// How the client wants one claim. 5.5.1: null, or an object.
#[derive(Default)]
struct Wish<'a> {
    essential: bool,
    value: Option<&'a Value>,
    values: Option<&'a Vec<Value>>,
}

impl<'a> Wish<'a> {
    fn parse(wish: &'a Value) -> Result<Self, &'static str> {
        let members = match wish {
            Value::Null => return Ok(Self::default()),
            Value::Object(members) => members,
            _ => return Err("a claim is neither null nor an object"),
        };
        let essential = match members.get("essential") {
            None => false,
            Some(Value::Bool(essential)) => *essential,
            Some(_) => return Err("essential is neither true nor false"),
        };
        let values = match members.get("values") {
            None => None,
            Some(Value::Array(values)) if !values.is_empty() => Some(values),
            Some(_) => return Err("values is not an array of at least one"),
        };
        Ok(Self { essential, value: members.get("value"), values })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_wanted_claims_are_read() {
        let text = r#"{"id_token":{"sub":{"value":"a"},"acr":{"essential":true,"values":["x","y"]},"email":null,"auth_time":{"essential":true}},
            "userinfo":{"sub":null,"acr":{"values":["x","y"]},"name":{"value":5}},"other":7}"#;
        let found = ClaimsParameter::parse(text).unwrap();
        assert_eq!((found.sub.as_deref(), found.essential_acr), (Some("a"), true), "a member without a wish removes no wish of the other");
        assert_eq!(found.acr_values, ["x", "y"]);
        assert_eq!(found.id_token, ["acr", "auth_time", "email", "sub"]);
        assert_eq!(found.userinfo, ["acr", "name", "sub"]);
        assert_eq!(ClaimsParameter::parse("{}").unwrap(), ClaimsParameter::default());
        let open = ClaimsParameter::parse(r#"{"id_token":{"acr":{"essential":true}}}"#).unwrap();
        assert!(open.essential_acr && open.acr_values.is_empty());
    }

    /// 585-K: the size is bounded, and a wrong type is an error.
    #[test]
    fn a_wrong_type_is_never_no_rule() {
        for wrong in [
            "5",
            "[]",
            r#"{"id_token":null}"#,
            r#"{"userinfo":[]}"#,
            r#"{"id_token":{"email":true}}"#,
            r#"{"id_token":{"email":{"essential":"true"}}}"#,
            r#"{"id_token":{"email":{"essential":null}}}"#,
            r#"{"id_token":{"email":{"values":"a"}}}"#,
            r#"{"id_token":{"email":{"values":[]}}}"#,
            r#"{"id_token":{"sub":{"value":5}}}"#,
            r#"{"id_token":{"sub":{"value":null}}}"#,
            r#"{"id_token":{"sub":{"value":""}}}"#,
            r#"{"id_token":{"sub":{"values":["a"]}}}"#,
            r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":5}}}"#,
            r#"{"id_token":{"acr":{"essential":true,"values":["x",5]}}}"#,
            r#"{"id_token":{"acr":{"value":"x"}},"userinfo":{"acr":{"value":"y"}}}"#,
        ] {
            assert!(ClaimsParameter::parse(wrong).is_err(), "{wrong}");
        }
        let many = |n: usize| format!("{{\"id_token\":{{{}}}}}", (0..n).map(|it| format!("\"c{it}\":null")).collect::<Vec<_>>().join(","));
        assert!(ClaimsParameter::parse(&many(MAX_CLAIMS)).is_ok() && ClaimsParameter::parse(&many(MAX_CLAIMS + 1)).is_err());
        assert!(ClaimsParameter::parse(&format!("{{}}{}", " ".repeat(MAX_BYTES))).is_err());
    }
}
