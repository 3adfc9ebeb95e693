//! Claims are read strictly: a claim of the wrong type is an error, never an absent claim (207-J, CVE-2026-25537).

use serde_json::{Map, Number, Value};

/// The end of the year 9999. A later time is the result of an overflow.
const LAST_S: i64 = 253_402_300_799;

pub type WrongType = &'static str;

/// A string of at most 2048 bytes.
pub fn string<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, WrongType> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= 2048 => Ok(Some(text)),
        Some(_) => Err("a claim that should be a string is not"),
    }
}

/// NumericDate (RFC 7519 2) in whole seconds; a fraction is allowed only when it is zero.
pub fn time_s(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, WrongType> {
    let wrong = Err("a claim that should be a time is not");
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match whole(number) {
            Some(time_s) if (0..=LAST_S).contains(&time_s) => Ok(Some(time_s)),
            _ => wrong,
        },
        Some(_) => wrong,
    }
}

fn whole(number: &Number) -> Option<i64> {
    let exact = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 1e15);
    number.as_i64().or(exact.map(|it| it as i64))
}

/// RFC 7519 4.1.3: one string or an array of them, at most ten.
pub fn audience(claims: &Map<String, Value>) -> Result<Vec<String>, WrongType> {
    let wrong = Err("aud is not a string or an array of strings");
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) if all.len() <= 10 => {
            let texts: Vec<String> = all.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
            if texts.len() == all.len() { Ok(texts) } else { wrong }
        }
        Some(_) => wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    /// 207-J, 208-J
    #[test]
    fn a_wrong_type_is_an_error() {
        assert_eq!(time_s(&map(json!({ "exp": 1_795_420_800 })), "exp"), Ok(Some(1_795_420_800)));
        assert_eq!(time_s(&map(json!({ "exp": 1_795_420_800.0 })), "exp"), Ok(Some(1_795_420_800)));
        assert_eq!(time_s(&map(json!({})), "exp"), Ok(None));
        for bad in [
            json!("1795420800"),
            json!(null),
            json!(true),
            json!([1]),
            json!(-1),
            json!(1e19),
            json!(1e-5),
            json!(9_223_372_036_854_775_808_u64),
        ] {
            assert!(time_s(&map(json!({ "exp": bad })), "exp").is_err());
        }
        assert!(string(&map(json!({ "sub": null })), "sub").is_err());
        assert!(audience(&map(json!({ "aud": [1] }))).is_err());
        assert_eq!(audience(&map(json!({ "aud": ["a", "b"] }))), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
