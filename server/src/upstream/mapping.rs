//! What of a provider's words becomes claims of an account, by the rules of `claims`. Who may come, by those of `required_claims`.

use super::claims::shown;
use super::provider::Trouble;
use crate::config::upstream::{Elsewhere, Mapping, Type, Update, Upstream};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// The longest list that is kept.
const MOST_ENTRIES: usize = 64;

/// Values by the name of the account's claim. Null: the provider says that the claim is empty. A claim that is absent here stays as it is.
pub type Mapped = BTreeMap<String, Json>;

/// Reads what the rules ask for: of the ID token, and of userinfo what that does not say.
pub fn read(settings: &Upstream, id_token: &Map<String, Json>, userinfo: &Map<String, Json>) -> Result<Mapped, Trouble> {
    must_be_welcome(settings, id_token, userinfo)?;
    let mut found = Mapped::new();
    for (name, rule) in &settings.claims {
        match of(rule, id_token).or_else(|| of(rule, userinfo)) {
            Some(ProviderValue::Value(value)) => drop(found.insert(name.clone(), value)),
            Some(ProviderValue::Nothing) if rule.update == Update::Every && !rule.required => drop(found.insert(name.clone(), Json::Null)),
            Some(ProviderValue::Elsewhere) if rule.elsewhere == Elsewhere::Refuse || rule.required => {
                let remedy = "the provider does not send the claim with the token; let it send less, such as assigned groups only";
                return Err(Trouble::incomplete(format!("claims: {name}: {remedy}")));
            }
            Some(ProviderValue::Wrong) if !rule.required => {
                tracing::warn!(claim = name, "a claim of a provider has another type than the rule, and is left out");
            }
            Some(ProviderValue::Nothing | ProviderValue::Wrong) | None if rule.required => {
                return Err(Trouble::incomplete(format!("claims: {name} is required, and the provider does not say it")));
            }
            Some(ProviderValue::Nothing | ProviderValue::Wrong | ProviderValue::Elsewhere) | None => {}
        }
    }
    Ok(found)
}

fn must_be_welcome(settings: &Upstream, id_token: &Map<String, Json>, userinfo: &Map<String, Json>) -> Result<(), Trouble> {
    for (name, wanted) in &settings.required_claims {
        let is_wanted = |value: &Json| value.as_str().is_some_and(|text| wanted.iter().any(|it| it == text));
        // The ID token is signed, so it alone speaks where there is one.
        let document = if settings.is_openid() { id_token } else { userinfo };
        let fits = match document.get(name) {
            Some(Json::Array(all)) => all.iter().any(is_wanted),
            Some(value) => is_wanted(value),
            None => false,
        };
        if !fits {
            let why = format!("required_claims: {name} has none of the values");
            return Err(if name == "hd" { Trouble::domain(why) } else { Trouble::unwelcome(why) });
        }
    }
    Ok(())
}

enum ProviderValue {
    Value(Json),
    Nothing,
    Wrong,
    Elsewhere,
}

fn of(rule: &Mapping, document: &Map<String, Json>) -> Option<ProviderValue> {
    let (first, rest) = rule.from.split_first()?;
    let Some(outer) = document.get(first) else {
        // OpenID Connect Core 5.6.2. It is unknown, and its address is somebody else's choice.
        let is_elsewhere = document.get("_claim_names").and_then(Json::as_object).is_some_and(|names| names.contains_key(first));
        return is_elsewhere.then_some(ProviderValue::Elsewhere);
    };
    let value = rest.iter().try_fold(outer, |value, name| value.as_object()?.get(name))?;
    Some(if value.is_null() { ProviderValue::Nothing } else { typed(rule.kind, value).map_or(ProviderValue::Wrong, ProviderValue::Value) })
}

fn typed(kind: Type, value: &Json) -> Option<Json> {
    match (kind, value) {
        (Type::Text, Json::String(text)) => shown(text).map(Json::from),
        (Type::Number, Json::Number(number)) => Some(Json::Number(number.clone())),
        (Type::Flag, Json::Bool(flag)) => Some(Json::Bool(*flag)),
        (Type::Texts, Json::Array(all)) if all.len() <= MOST_ENTRIES => {
            all.iter().map(|entry| shown(entry.as_str()?)).collect::<Option<Vec<String>>>().map(Json::from)
        }
        _ => None,
    }
}

/// The claims of an account after a sign-in. None: nothing changes.
pub fn applied(settings: &Upstream, mapped: &Mapped, present: &Map<String, Json>) -> Option<Map<String, Json>> {
    let mut after = present.clone();
    for (name, value) in mapped {
        // A rule that is no longer there writes nothing.
        let Some(rule) = settings.claims.get(name) else { continue };
        let is_empty = present.get(name).is_none_or(Json::is_null);
        match (rule.update, value) {
            (Update::Every, Json::Null) => drop(after.remove(name)),
            (Update::First, value) if is_empty && !value.is_null() => drop(after.insert(name.clone(), value.clone())),
            (Update::Every, value) => drop(after.insert(name.clone(), value.clone())),
            (Update::First, _) => {}
        }
    }
    (after != *present).then_some(after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    fn settings(claims: &str) -> Upstream {
        Config::with_provider(claims).unwrap().upstream.remove("any").unwrap()
    }

    fn map(value: &Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    /// S-31: a rule has a type, and a value of another type changes nothing. Null empties a claim only where the provider leads.
    #[test]
    fn a_value_fits_its_type_or_is_left_out() {
        let rules = "claims = { unit = { from = \"org.unit\" }, level = { from = \"level\", type = \"number\", update = \"every\" }, \
            staff = { from = \"staff\", type = \"flag\" }, groups = { from = \"groups\", type = \"texts\", update = \"every\" } }";
        let settings = settings(rules);
        let good = json!({ "org": { "unit": "Sales" }, "level": 3, "staff": true, "groups": ["a", "b"] });
        let read_of = |document: &Json| read(&settings, &map(document), &Map::new()).unwrap();
        assert_eq!(json!(read_of(&good)), json!({ "unit": "Sales", "level": 3, "staff": true, "groups": ["a", "b"] }));
        let odd = json!({ "org": { "unit": 7 }, "level": "3", "staff": "true", "groups": ["a", 1] });
        assert_eq!(read_of(&odd), Mapped::new());
        assert_eq!(read_of(&json!({ "org": "Sales", "groups": vec!["x"; 65] })), Mapped::new());
        let nothing = json!({ "org": { "unit": null }, "level": null });
        assert_eq!(json!(read_of(&nothing)), json!({ "level": null }));
        let from_userinfo = read(&settings, &Map::new(), &map(&good)).unwrap();
        assert_eq!(from_userinfo.len(), 4, "what the ID token does not say, userinfo does");
    }

    #[test]
    fn first_stays_and_every_follows() {
        let settings = settings("claims = { a = { from = \"a\" }, b = { from = \"b\", update = \"every\" } }");
        let mapped = |value: Json| value.as_object().unwrap().clone().into_iter().collect::<Mapped>();
        let after = |said: Json, present: Json| applied(&settings, &mapped(said), &map(&present)).map(Json::from);
        assert_eq!(after(json!({ "a": "1", "b": "1" }), json!({})), Some(json!({ "a": "1", "b": "1" })));
        assert_eq!(
            after(json!({ "a": "2", "b": "2" }), json!({ "a": "1", "b": "1", "own": 1 })),
            Some(json!({ "a": "1", "b": "2", "own": 1 }))
        );
        assert_eq!(after(json!({ "b": null }), json!({ "b": "1" })), Some(json!({})));
        assert_eq!(after(json!({ "a": "2", "b": "1" }), json!({ "a": "1", "b": "1" })), None, "nothing is written where nothing changes");
        assert_eq!(after(json!({ "c": "1" }), json!({})), None, "a rule that is gone");
    }

    /// S-11: a list that is too long for the token is unknown, not empty.
    #[test]
    fn what_is_kept_elsewhere_is_unknown() {
        let overage =
            map(&json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://10.0.0.1/" } } }));
        let refuse = settings("claims = { groups = { from = \"groups\", type = \"texts\", update = \"every\" } }");
        let trouble = read(&refuse, &overage, &Map::new()).unwrap_err();
        assert!(trouble.why.contains("assigned groups only"), "{trouble:?}");
        let keep = settings("claims = { groups = { from = \"groups\", type = \"texts\", update = \"every\", elsewhere = \"keep\" } }");
        assert_eq!(read(&keep, &overage, &Map::new()), Ok(Mapped::new()));
        assert!(read(&refuse, &map(&json!({ "groups": [] })), &Map::new()).is_ok(), "the twin");
        let mut both = keep;
        both.claims.get_mut("groups").unwrap().required = true;
        assert!(read(&both, &overage, &Map::new()).is_err(), "somebody new would come without the value");
    }

    #[test]
    fn what_is_required_is_there_or_nobody_signs_in() {
        let settings = settings(
            "claims = { unit = { from = \"unit\", required = true } }\nrequired_claims = { hd = [\"example.com\", \"example.org\"] }",
        );
        let judged = |document: Json| read(&settings, &map(&document), &map(&json!({ "hd": "example.com" })));
        assert!(judged(json!({ "hd": "example.com", "unit": "Sales" })).is_ok());
        assert!(judged(json!({ "hd": ["other.example", "example.org"], "unit": "Sales" })).is_ok());
        for bad in [
            json!({ "unit": "Sales" }),
            json!({ "hd": null, "unit": "Sales" }),
            json!({ "hd": "sub.example.com", "unit": "Sales" }),
            json!({ "hd": "EXAMPLE.COM", "unit": "Sales" }),
            json!({ "hd": { "example.com": true }, "unit": "Sales" }),
            json!({ "hd": "example.com" }),
            json!({ "hd": "example.com", "unit": 7 }),
            json!({ "hd": "example.com", "unit": null }),
        ] {
            assert!(judged(bad.clone()).is_err(), "{bad}");
        }
    }
}
