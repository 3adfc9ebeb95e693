//! `[api.NAME]`: an API, its scopes and its types of authorization details.

use super::claim_names::is_reserved;
use super::docs::{ALGORITHMS, Key, Kind, Presence, Section, defaulted, optional, required};
use super::dpop::Dpop;
use super::plugin::{PluginSettings, PluginWorld};
use super::schema::judge_schema;
use super::secret::Secret;
use super::span::Span;
use super::url::read_url;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbolon_oauth::jwk::Algorithm;

pub(super) const API: Section = Section {
    path: "api.NAME",
    title: "APIs",
    text: "An API that takes tokens. Design the token first: who it is for, what it may say, how long it lives. [protecting-an-api.md](protecting-an-api.md) \
           shows the API's side.",
    presence: Presence::Absent,
    keys: API_KEYS,
    example: r#"
[api.orders]
audience = "https://api.example.com/orders"
lifetime = "10m"
dpop = "required"

[api.basket]
audience = "https://api.example.com/basket"
"#,
};

const API_KEYS: &[Key] = &[
    required(
        "audience",
        Kind::Text,
        r#""https://api.example.com/orders""#,
        "The URI that tokens name as their audience: absolute, without fragment, other than the issuer, and no other API's.",
    ),
    defaulted(
        "token",
        Kind::OneOf(&["jwt", "opaque"]),
        r#""jwt""#,
        "A JWT is checked by the API itself. With an opaque token the API asks this server about each token.",
    ),
    defaulted("lifetime", Kind::Time, r#""15m""#, "How long an access token is good. A change holds for new tokens."),
    optional(
        "signing_alg",
        Kind::OneOf(ALGORITHMS),
        "`alg` of `[signing]`",
        r#""ES256""#,
        "The algorithm that this API's tokens are signed with.",
    ),
    defaulted(
        "dpop",
        Kind::OneOf(&["optional", "required"]),
        r#""optional""#,
        "With `required` there is no token for this API that is not bound to a key.",
    ),
    defaulted("tier_claim", Kind::Flag, "false", "Tokens say in the claim `tier` what the installation proved."),
    defaulted("claims", Kind::Texts, "[]", "Claims about the person that every token for this API carries."),
    optional(
        "claims_plugin",
        Kind::Text,
        "no plug-in is asked",
        r#""entitlements""#,
        "The plug-in of the world `claims` that is asked before each token. Where it fails, there is no token.",
    ),
    defaulted("plugin_claims", Kind::Texts, "[]", "The claims that this plug-in may set or take away. Any other ends the request."),
    optional(
        "introspection_secret",
        Kind::Digest,
        "the API cannot introspect",
        "'$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g'",
        "The digest of the secret with which the API asks about tokens. `symbolon client secret` prints it.",
    ),
    optional(
        "introspection_signed_response_alg",
        Kind::OneOf(ALGORITHMS),
        "`alg` of `[signing]`",
        r#""ES256""#,
        "The algorithm of signed answers, for APIs that ask for them (RFC 9701).",
    ),
];

pub(super) const SCOPE: Section = Section {
    path: "api.NAME.scope.WORD",
    title: "Scopes of an API",
    text: "What a token may be asked for. A request may name a claim in the parameter `claims`. It gets the claim only if it could have the \
           scope that carries it. So the client must be allowed the scope, and a person who has to consent sees it.",
    presence: Presence::Absent,
    keys: &[
        required("text", Kind::Text, r#""See your orders""#, "What people read when they are asked to consent."),
        defaulted(
            "text_in",
            Kind::Table("Languages with texts"),
            "{}",
            "The same in other languages, such as `{ de = \"Ihre Bestellungen sehen\" }`. Without a person's language, `text` is shown.",
        ),
        defaulted("claims", Kind::Texts, "[]", "What the token says about the person for this scope, and no more."),
        defaulted(
            "exchange_from",
            Kind::Table("API names with lists of their scopes"),
            "{}",
            "A token of such an API with one of these scopes may be exchanged for this scope (RFC 8693).",
        ),
    ],
    example: r#"
[api.orders.scope."orders:read"]
text = "See your orders"
text_in = { de = "Ihre Bestellungen sehen" }
claims = ["customer_id"]
exchange_from = { basket = ["basket:write"] }

[api.basket.scope."basket:write"]
text = "Change your basket"
"#,
};

pub(super) const DETAIL: Section = Section {
    path: "api.NAME.authorization_details.TYPE",
    title: "Authorization details",
    text: "A type of authorization details (RFC 9396): consent to one thing, such as one payment. A type belongs to one API alone.",
    presence: Presence::Absent,
    keys: &[
        required("text", Kind::Text, r#""Order once""#, "What people read above the values."),
        defaulted(
            "text_in",
            Kind::Table("Languages with texts"),
            "{}",
            "The same in other languages, such as `{ de = \"Einmal bestellen\" }`. Without a person's language, `text` is shown.",
        ),
        required(
            "schema",
            Kind::Table("JSON Schema"),
            r#"{ required = ["item"], properties = { item = { type = "string", maxLength = 80 } } }"#,
            "The schema of one object. The member `type` is added, and what the schema does not name is refused. Patterns have no look-around \
             and no back-references.",
        ),
    ],
    example: r#"
[api.orders.authorization_details.order]
text = "Order once"
schema = { required = ["item"], properties = { item = { type = "string", maxLength = 80 }, amount = { type = "string", pattern = "^[0-9]+ EUR$" } } }
"#,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenFormat {
    #[default]
    Jwt,
    Opaque,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    pub audience: String,
    #[serde(default)]
    pub token: TokenFormat,
    #[serde(default = "lifetime")]
    pub lifetime: Span,
    #[serde(default)]
    pub signing_alg: Option<Algorithm>,
    #[serde(default)]
    pub dpop: Dpop,
    #[serde(default)]
    pub tier_claim: bool,
    #[serde(default)]
    pub claims: Vec<String>,
    #[serde(default)]
    pub claims_plugin: Option<String>,
    #[serde(default)]
    pub plugin_claims: Vec<String>,
    #[serde(default)]
    pub introspection_secret: Option<Secret>,
    /// RFC 9701 6.
    #[serde(default)]
    pub introspection_signed_response_alg: Option<Algorithm>,
    #[serde(default)]
    pub scope: BTreeMap<String, ApiScope>,
    #[serde(default)]
    pub authorization_details: BTreeMap<String, DetailType>,
}

fn lifetime() -> Span {
    Span::minutes(15)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiScope {
    pub text: String,
    #[serde(default)]
    pub text_in: BTreeMap<String, String>,
    #[serde(default)]
    pub claims: Vec<String>,
    /// API name to scopes of it.
    #[serde(default)]
    pub exchange_from: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailType {
    pub text: String,
    #[serde(default)]
    pub text_in: BTreeMap<String, String>,
    pub schema: serde_json::Value,
}

impl Api {
    fn plugin_problems(&self, plugins: &BTreeMap<String, PluginSettings>) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(name) = &self.claims_plugin {
            if !plugins.get(name).is_some_and(|plugin| plugin.world == PluginWorld::Claims) {
                found.push(format!("claims_plugin: there is no [plugin.{name}] of the world claims"));
            }
            if self.plugin_claims.is_empty() {
                found.push("plugin_claims is empty: the plug-in could set nothing".to_owned());
            }
        } else if !self.plugin_claims.is_empty() {
            found.push("plugin_claims has claims and there is no claims_plugin".to_owned());
        }
        let reserved = self.plugin_claims.iter().filter(|name| is_reserved(name));
        found.extend(reserved.map(|name| format!("plugin_claims: {name} belongs to the protocol")));
        found
    }

    /// What is wrong with this API beside the others.
    pub(super) fn problems(
        &self,
        name: &str,
        issuer: &str,
        (apis, plugins): (&BTreeMap<String, Self>, &BTreeMap<String, PluginSettings>),
    ) -> Vec<String> {
        let mut found = self.plugin_problems(plugins);
        let others = || apis.iter().filter(|(other, _)| other.as_str() < name);
        if others().any(|(_, other)| other.audience == self.audience) {
            found.push("another API has the same audience".to_owned());
        }
        if read_url(&self.audience).is_none() || self.audience.contains('#') || self.audience == issuer {
            found.push("audience must be an absolute URI without fragment, other than the issuer".to_owned());
        }
        if self.lifetime.0 <= 0 {
            found.push("lifetime must be more than zero".to_owned());
        }
        for (kind, declared) in &self.authorization_details {
            if others().any(|(_, other)| other.authorization_details.contains_key(kind)) {
                found.push(format!("authorization_details {kind:?} belongs to another API already"));
            }
            found.extend(judge_schema(kind, &declared.schema));
        }
        let texts = self.scope.values().map(|it| &it.text_in).chain(self.authorization_details.values().map(|it| &it.text_in));
        let is_code = |code: &str| code.bytes().all(|it| it.is_ascii_lowercase() || it == b'-') && code.len() >= 2;
        let odd = texts.flat_map(BTreeMap::keys).filter(|code| !is_code(code));
        found.extend(odd.map(|code| format!("text_in: {code:?} is no language as files of messages are named, such as de or pt-br")));
        let mut found: Vec<String> = found.into_iter().map(|it| format!("[api.{name}]: {it}")).collect();
        for (scope, (other, from)) in self.scope.iter().flat_map(|(word, scope)| scope.exchange_from.iter().map(move |from| (word, from))) {
            if !apis.get(other).is_some_and(|it| from.iter().all(|from| it.scope.contains_key(from))) {
                found.push(format!("[api.{name}.scope.{scope:?}]: exchange_from names {other} with {from:?}, which there is not"));
            }
        }
        found
    }
}
