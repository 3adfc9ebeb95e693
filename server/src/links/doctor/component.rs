//! Components of association files, and which addresses they fit. iOS: `applinks.details.components`. Android 15 has the same members in
//! `dynamic_app_link_components`, without `caseSensitive`.

use super::pattern::fits;
use serde_json::Value as Json;

/// What stands behind the redirect URI: members and a value for each.
pub struct ExampleResponse {
    /// As people call it.
    pub what: &'static str,
    members: &'static [(&'static str, &'static str)],
}

pub const SUCCESS: ExampleResponse = ExampleResponse { what: "a code", members: &[("code", "x"), ("state", "x"), ("iss", "x")] };

/// What an app has to get too. A signed answer (JARM) is one member.
pub const OTHERS: [ExampleResponse; 2] = [
    ExampleResponse { what: "an error", members: &[("error", "access_denied"), ("error_description", "x"), ("state", "x"), ("iss", "x")] },
    ExampleResponse { what: "a signed answer (response)", members: &[("response", "x")] },
];

impl ExampleResponse {
    fn value(&self, name: &str) -> Option<&'static str> {
        self.members.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn query(&self) -> String {
        self.members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

/// Does the component fit this path, with this answer and no fragment behind it?
pub fn component_fits(component: &Json, path: &str, answer: &ExampleResponse, ignores_case: bool) -> bool {
    let shown = |text: &str| if ignores_case { text.to_lowercase() } else { text.to_owned() };
    let is_like = |pattern: &Json, text: &str| pattern.as_str().is_some_and(|it| fits(&shown(it), &shown(text)));
    let query_fits = match component.get("?") {
        None => true,
        Some(Json::Object(items)) => items.iter().all(|(name, it)| answer.value(name).is_some_and(|value| is_like(it, value))),
        Some(pattern) => is_like(pattern, &answer.query()),
    };
    query_fits && component.get("/").is_none_or(|it| is_like(it, path)) && component.get("#").is_none_or(|it| is_like(it, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn path_query_and_fragment_have_to_fit() {
        let fits = |component: Json| component_fits(&component, "/cb", &SUCCESS, false);
        for good in [
            json!({}),
            json!({ "/": "/c*" }),
            json!({ "/": "/cb", "?": "*code=*" }),
            json!({ "/": "/cb", "?": { "code": "?*", "state": "*" } }),
            json!({ "/": "/cb", "#": "*" }),
        ] {
            assert!(fits(good.clone()), "{good}");
        }
        for bad in [
            json!({ "/": "/CB" }),
            json!({ "/": 1 }),
            json!({ "/": "/cb", "?": "code=x" }),
            json!({ "/": "/cb", "?": { "token": "*" } }),
            json!({ "/": "/cb", "?": 1 }),
            json!({ "/": "/cb", "#": "?*" }),
        ] {
            assert!(!fits(bad.clone()), "{bad}");
        }
        assert!(component_fits(&json!({ "/": "/CB" }), "/cb", &SUCCESS, true));
    }

    #[test]
    fn an_error_and_a_signed_answer_have_other_members() {
        let of_code = json!({ "?": { "code": "?*" } });
        assert!(component_fits(&of_code, "/cb", &SUCCESS, false));
        assert!(OTHERS.iter().all(|it| !component_fits(&of_code, "/cb", it, false)));
        assert!(OTHERS.iter().all(|it| component_fits(&json!({ "?": "?*" }), "/cb", it, false)), "the twin");
    }
}
