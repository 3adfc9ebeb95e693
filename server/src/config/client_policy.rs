//! `[client_registration.NAME]`: clients that register themselves (RFC 7591). Off unless there is such a table.

use super::client::{Client, ClientAuthentication, ClientKind, USER_SCOPES};
use super::docs::{Key, Kind, Presence, Section, defaulted, optional};
use super::dpop::Dpop;
use super::span::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub(super) const SECTION: Section = Section {
    path: "client_registration.NAME",
    title: "Clients that register themselves",
    text: "A policy by which clients register themselves (RFC 7591). An operator makes tokens for it, or it is open to everybody. What a policy does not \
           name, its clients do not get. [registration.md](registration.md) explains it.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client_registration.partners]
scopes = ["openid", "email"]
apis = { orders = ["orders:read"] }
dpop = "required"
"#,
};

pub(super) const METHODS: &[&str] = &["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

const KEYS: &[Key] = &[
    defaulted("open", Kind::Flag, "false", "Everybody may register by this policy, without a token of yours. One policy at most is open."),
    defaulted("kinds", Kind::Texts, r#"["native", "web"]"#, "The kinds of clients: `native`, `web`."),
    defaulted(
        "authentication",
        Kind::Texts,
        r#"["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]"#,
        "How its clients may prove themselves at the token endpoint: some of these.",
    ),
    defaulted("scopes", Kind::SomeOf(&USER_SCOPES), r#"["openid"]"#, "The OpenID Connect scopes that its clients may ask for."),
    defaulted(
        "apis",
        Kind::Table("API names with lists of their scopes"),
        "{}",
        "The APIs that its clients may call, with the scopes they may ask for.",
    ),
    optional("login", Kind::Text, "`default`", r#""two-factor""#, "The policy by which people sign in: the name of a `[login.NAME]`."),
    defaulted(
        "dpop",
        Kind::OneOf(&["optional", "required"]),
        r#""optional""#,
        "With `required` every token of its clients is bound to a key.",
    ),
    defaulted(
        "hosts",
        Kind::Texts,
        "[]",
        "Hosts of https redirect URIs that you vouch for, compared exactly. Clients prove other hosts, and every private-use scheme, by a file.",
    ),
    defaulted(
        "documents",
        Kind::Texts,
        "[]",
        "Hosts whose client metadata documents are fetched: there a client is called by the https address of its document, and registers nothing. \
         Compared exactly.",
    ),
    defaulted(
        "per_network",
        Kind::Number,
        "10",
        "How many clients one network may register in an hour without a token of yours. A network of IPv6 is a /64; a /48 may register four times \
         as many.",
    ),
    defaulted("per_hour", Kind::Number, "1000", "How many clients may be registered in an hour without a token of yours, in all."),
    defaulted("unused", Kind::Time, r#""1d""#, "A client that nobody has used for so long is gone, once its last grant is over."),
    defaulted("grants_last", Kind::Time, r#""30d""#, "The absolute lifetime of its clients' grants."),
    defaulted("proof_lasts", Kind::Time, r#""30d""#, "How long the proof of a host counts. It is looked at again before."),
    defaulted(
        "unproved_schemes",
        Kind::Flag,
        "false",
        "**UNSAFE.** A private-use scheme counts before its owner has proved the host that it reverses: any app may take any scheme.",
    ),
    defaulted(
        "without_pkce",
        Kind::Flag,
        "false",
        "**UNSAFE.** Web clients that authenticate may leave PKCE out. The conformance tests of OpenID Connect ask for it.",
    ),
    defaulted("without_nonce", Kind::Flag, "false", "**UNSAFE.** With `without_pkce`: they may leave the nonce out too."),
];

/// What clients that register themselves may be, and get.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientPolicy {
    pub open: bool,
    pub kinds: Vec<ClientKind>,
    pub authentication: Vec<ClientAuthentication>,
    pub scopes: Vec<String>,
    pub apis: BTreeMap<String, Vec<String>>,
    pub login: Option<String>,
    pub dpop: Dpop,
    pub hosts: Vec<String>,
    pub documents: Vec<String>,
    pub per_network: NonZeroU32,
    pub per_hour: NonZeroU32,
    pub unused: Span,
    pub grants_last: Span,
    pub proof_lasts: Span,
    pub unproved_schemes: bool,
    pub without_pkce: bool,
    pub without_nonce: bool,
}

/// The NAME of a `[client_registration.NAME]`, and what stands below it.
#[derive(Clone, Copy)]
pub struct NamedPolicy<'a> {
    pub name: &'a str,
    pub policy: &'a ClientPolicy,
}

impl Default for ClientPolicy {
    fn default() -> Self {
        use ClientAuthentication as Method;
        Self {
            open: false,
            kinds: vec![ClientKind::Native, ClientKind::Web],
            authentication: vec![Method::None, Method::ClientSecretBasic, Method::ClientSecretPost, Method::PrivateKeyJwt],
            scopes: vec!["openid".to_owned()],
            apis: BTreeMap::new(),
            login: None,
            dpop: Dpop::Optional,
            hosts: Vec::new(),
            documents: Vec::new(),
            per_network: NonZeroU32::MIN.saturating_add(9),
            per_hour: NonZeroU32::MIN.saturating_add(999),
            unused: Span(86_400),
            grants_last: Span(30 * 86_400),
            proof_lasts: Span(30 * 86_400),
            unproved_schemes: false,
            without_pkce: false,
            without_nonce: false,
        }
    }
}

impl ClientPolicy {
    /// A client with all that the policy allows: what is wrong with it is wrong with the policy.
    pub(super) fn example(&self) -> Client {
        let mut client = Client::new(ClientKind::Native);
        (client.scopes, client.apis) = (self.scopes.clone(), self.apis.clone());
        self.lay_over(&mut client);
        client
    }

    /// All that its clients may ask for: of one that says nothing.
    pub fn whole_scope(&self) -> String {
        self.scopes.iter().chain(self.apis.values().flatten()).cloned().collect::<Vec<_>>().join(" ")
    }

    /// What is the policy's to say, whatever the client says.
    pub fn lay_over(&self, client: &mut Client) {
        client.login.clone_from(&self.login);
        client.refresh.absolute = self.grants_last;
        client.refresh.idle = Span(client.refresh.idle.0.min(self.grants_last.0));
        if self.dpop == Dpop::Required {
            client.dpop = Dpop::Required;
        }
        let is_old_web = client.kind == ClientKind::Web && client.is_confidential();
        client.without_pkce = self.without_pkce && is_old_web;
        client.without_nonce = self.without_nonce && is_old_web;
    }

    /// Why a client is not one that this policy allows. It is asked at the registration, and whenever the client is read.
    pub fn objection(&self, client: &Client) -> Option<&'static str> {
        let within = |all: &[String], some: &[String]| some.iter().all(|it| all.contains(it));
        let apis_within = client.apis.iter().all(|(api, scopes)| self.apis.get(api).is_some_and(|all| within(all, scopes)));
        let grants = ["authorization_code", "refresh_token"];
        let objections = [
            (!self.kinds.contains(&client.kind), "application_type: the policy does not allow this kind of client."),
            (
                !self.authentication.contains(&client.authentication),
                "token_endpoint_auth_method: the policy does not allow it. Without one, a native client has none and a web client client_secret_basic.",
            ),
            (!within(&self.scopes, &client.scopes) || !apis_within, "scope: the policy does not allow all of it."),
            (
                client.grants.iter().flatten().any(|it| !grants.contains(&it.as_str())),
                "grant_types: only authorization_code and refresh_token.",
            ),
            (!client.authorization_details_types.is_empty(), "authorization_details_types: the policy does not allow it."),
            (client.first_party || client.native, "A client that registers itself is nobody's own."),
        ];
        objections.into_iter().find_map(|(is_so, what)| is_so.then_some(what))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> Result<Config, String> {
        let base = "issuer = \"https://a.example\"\n[api.orders]\naudience = \"https://api.example\"\n[api.orders.scope.\"orders:read\"]\ntext = \"x\"\n";
        Config::from_text(&format!("{base}[client_registration.p]\n{text}"), "x", &|_| None).map_err(|it| it.to_string())
    }

    #[test]
    fn a_policy_that_cannot_be_meant_stops_the_start() {
        assert!(read("open = true\nscopes = [\"openid\"]\napis = { orders = [\"orders:read\"] }\nhosts = [\"a.example:8443\"]").is_ok());
        for (text, says) in [
            ("kinds = []", "no client could register"),
            ("authentication = []", "no client could register"),
            ("kinds = [\"service\"]", "a service has no person"),
            ("authentication = [\"tls_client_auth\"]", "cannot use tls_client_auth"),
            ("unused = \"1s\"", "shorter than a minute"),
            ("scopes = [\"orders:read\"]", "no OpenID Connect scope"),
            ("apis = { orders = [\"orders:write\"] }", "has no scope"),
            ("apis = { stock = [\"x\"] }", "there is no [api.stock]"),
            ("login = \"none\"", "there is no [login.none]"),
            ("hosts = [\"A.example\"]", "no host name"),
            ("hosts = [\"https://a.example\"]", "no host name"),
            ("without_nonce = true", "without_pkce alone"),
            ("open = true\n[client_registration.q]\nopen = true", "several policies are open: p, q"),
            ("per_network = 0", "per_network"),
            ("opened = true", "open"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_client_gets_what_its_policy_names_and_nothing_else() {
        let policy = ClientPolicy { scopes: vec!["openid".to_owned()], ..ClientPolicy::default() };
        let mut good = Client::new(ClientKind::Native);
        good.scopes = vec!["openid".to_owned()];
        assert_eq!(policy.objection(&good), None);
        let says = |change: &dyn Fn(&mut Client), word: &str| {
            let mut client = good.clone();
            change(&mut client);
            policy.objection(&client).unwrap_or_default().starts_with(word)
        };
        assert!(says(&|it| it.scopes.push("email".to_owned()), "scope"));
        assert!(says(&|it| drop(it.apis.insert("orders".to_owned(), Vec::new())), "scope"));
        assert!(says(&|it| it.kind = ClientKind::Service, "application_type"));
        assert!(says(&|it| it.grants = Some(vec!["client_credentials".to_owned()]), "grant_types"));
        assert!(says(&|it| it.authentication = ClientAuthentication::TlsClientAuth, "token_endpoint_auth_method"));
        assert!(says(&|it| it.first_party = true, "A client"));
        let strict = ClientPolicy { dpop: Dpop::Required, ..policy.clone() };
        let mut bound = good.clone();
        strict.lay_over(&mut bound);
        assert_eq!((bound.dpop, good.dpop), (Dpop::Required, Dpop::Optional));
    }
}
