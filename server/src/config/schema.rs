//! JSON schemas of authorization details. RFC 9396 5: what a schema does not name is refused.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Value as Json, json};

/// The schema of a type: an object that has this `type` and nothing the schema does not name.
pub fn validator(name: &str, schema: &Json) -> std::result::Result<Validator, String> {
    let mut schema = schema.clone();
    let object = schema.as_object_mut().ok_or("the schema is not an object")?;
    object.entry("additionalProperties").or_insert(false.into());
    if object.get("additionalProperties") != Some(&Json::Bool(false)) {
        return Err(format!("authorization_details {name:?}: additionalProperties must stay false (RFC 9396 5)"));
    }
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    properties["type"] = json!({ "const": name });
    let required = object.entry("required").or_insert_with(|| json!([])).as_array_mut().ok_or("required is not an array")?;
    required.push("type".into());
    // Patterns in linear time, whatever the caller sends (593-K): one that cannot be had so is refused here.
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|it| format!("authorization_details {name:?}: {it}"))
}

/// Is this a schema a type can have? For the configuration.
pub fn judge_schema(name: &str, schema: &Json) -> Option<String> {
    validator(name, schema).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_lets_everything_in_is_refused() {
        assert_eq!(judge_schema("pay", &json!({ "properties": { "amount": { "type": "string" } } })), None);
        assert!(judge_schema("pay", &json!({ "additionalProperties": true })).is_some());
        assert!(judge_schema("pay", &json!({ "properties": { "a": { "type": "nonsense" } } })).is_some());
        assert!(judge_schema("pay", &json!({ "properties": { "a": { "$ref": "http://127.0.0.1:1/x" } } })).is_some(), "nothing is fetched");
    }
}
