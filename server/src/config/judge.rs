//! What is wrong with a configuration that could be read: mistakes, each with where it is. Weak spots are `symbolon check`'s.

use super::{
    Client, ClientAuthentication, ClientKind, Config, Dpop, GRANTS, Jwks, Mail, Profile, RESPONSE_MODES, RefreshMode, TierName,
    USER_SCOPES, fapi,
};
use crate::grants::details::judge_schema;
use crate::login::policy::Method;
use symbolon_oauth::redirect;

/// A URL as it will stand in headers, pages and tokens: what the URL parser would take away in silence, a line break above all,
/// is no URL here (571-V).
fn read_url(text: &str) -> Option<url::Url> {
    text.bytes().all(|it| it.is_ascii_graphic()).then(|| url::Url::parse(text).ok())?
}

impl Config {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.judge_issuer(&mut found);
        for (name, api) in &self.api {
            if self.api.iter().any(|(other, it)| other < name && it.audience == api.audience) {
                found.push(format!("[api.{name}]: another API has the same audience"));
            }
            if read_url(&api.audience).is_none() || api.audience.contains('#') || api.audience == self.issuer {
                found.push(format!("[api.{name}]: audience must be an absolute URI without fragment, other than the issuer"));
            }
            if api.lifetime.0 <= 0 {
                found.push(format!("[api.{name}]: lifetime must be more than zero"));
            }
            for (kind, declared) in &api.authorization_details {
                if self.api.iter().any(|(other, it)| other < name && it.authorization_details.contains_key(kind)) {
                    found.push(format!("[api.{name}]: authorization_details {kind:?} belongs to another API already"));
                }
                found.extend(judge_schema(kind, &declared.schema).map(|it| format!("[api.{name}]: {it}")));
            }
            for (scope, (other, from)) in api.scope.iter().flat_map(|(scope, it)| it.exchange_from.iter().map(move |it| (scope, it))) {
                if !self.api.get(other).is_some_and(|it| from.iter().all(|from| it.scope.contains_key(from))) {
                    found.push(format!("[api.{name}.scope.{scope:?}]: exchange_from names {other} with {from:?}, which there is not"));
                }
            }
        }
        for (id, client) in &self.client {
            for problem in self.judge_client(client) {
                found.push(format!("[client.{id}]: {problem}"));
            }
        }
        for (name, policy) in &self.login {
            let words = policy.require.iter().flat_map(|it| it.split('+')).map(str::trim);
            for word in words {
                match Method::parse(word) {
                    None => found.push(format!("[login.{name}]: there is no method {word:?}; use password, email, totp")),
                    Some(Method::Email) if self.mail.is_none() => {
                        found.push(format!("[login.{name}]: the method email needs the table [mail]"));
                    }
                    Some(_) => {}
                }
            }
            if policy.require.is_empty() {
                found.push(format!("[login.{name}]: require names no chain of methods"));
            }
        }
        if !self.attestation.simulated_roots.is_empty() && !self.development {
            found.push("[attestation] simulated_roots: simulated phones are trusted only with development = true".to_owned());
        }
        let brand = &self.brand;
        for (name, url) in [("privacy_url", &brand.privacy_url), ("terms_url", &brand.terms_url), ("support_url", &brand.support_url)] {
            // They become links on pages: nothing that runs (575-V).
            let scheme = url.as_ref().map(|it| read_url(it).map(|it| it.scheme().to_owned()).unwrap_or_default());
            let good = scheme.as_deref().is_none_or(|it| it == "https" || (it == "mailto" && name == "support_url"));
            if !good {
                found.push(format!("[brand] {name} must begin with https://{}", if name == "support_url" { " or mailto:" } else { "" }));
            }
        }
        if let Some(text) = self.attestation.status_list.as_deref()
            && text != "off"
            && !text.starts_with("file:")
            && !text.starts_with("https://")
        {
            found.push("[attestation] status_list is an https URL, file:PATH or off".to_owned());
        }
        if let Some(mtls) = &self.mtls {
            if mtls.listen.is_some() && self.tls.is_none() {
                found.push("[mtls] listen: client certificates need the table [tls]".to_owned());
            }
            if mtls.listen.is_none() && mtls.client_cert_from.is_empty() {
                found.push("[mtls] needs listen, or client_cert_from: otherwise nobody can show a certificate".to_owned());
            }
            if read_url(&mtls.url).is_none_or(|it| it.scheme() != "https") || mtls.url.ends_with('/') {
                found.push("[mtls] url must begin with https:// and has no slash at its end".to_owned());
            }
        }
        found.extend(self.mail.iter().flat_map(Mail::problems));
        if self.registration.is_some() && self.mail.is_none() {
            found.push("[registration]: an address is proved by mail, which needs the table [mail]".to_owned());
        }
        found
    }

    fn judge_issuer(&self, found: &mut Vec<String>) {
        let Some(issuer) = read_url(&self.issuer) else {
            found.push("issuer is not a URL".to_owned());
            return;
        };
        if issuer.query().is_some() || issuer.fragment().is_some() || self.issuer.ends_with('/') {
            found.push("issuer has no query, no fragment and no slash at its end (RFC 8414 2)".to_owned());
        }
        let loopback = matches!(issuer.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        match issuer.scheme() {
            "https" => {}
            "http" if loopback && self.development => {}
            "http" if loopback => found.push("an http issuer needs development = true, which is for your own machine only".to_owned()),
            _ => found.push("issuer must begin with https://".to_owned()),
        }
    }

    fn judge_certificates(&self, client: &Client, found: &mut Vec<String>) {
        let by_certificate = client.authentication.uses_certificate();
        if (by_certificate || client.tls_client_certificate_bound_access_tokens) && self.mtls.is_none() {
            found.push("client certificates need the table [mtls]".to_owned());
        }
        let by_ca = client.authentication == ClientAuthentication::TlsClientAuth;
        match &client.tls_client_auth {
            None if by_ca => found.push("authentication = \"tls_client_auth\" needs the table tls_client_auth".to_owned()),
            Some(_) if !by_ca => found.push("tls_client_auth needs authentication = \"tls_client_auth\"".to_owned()),
            Some(rules) => found.extend(rules.problems()),
            None => {}
        }
        let registered = client.jwks.as_ref().and_then(|it| it.document()["keys"].as_array());
        let with_certificates = registered.is_some_and(|it| it.iter().any(|it| it["x5c"][0].is_string()));
        if client.authentication == ClientAuthentication::SelfSignedTlsClientAuth && !with_certificates {
            found.push("authentication = \"self_signed_tls_client_auth\" needs jwks whose keys have x5c (RFC 8705 2.2.2)".to_owned());
        }
    }

    /// Those of a client that is a row of the store: what needs files or secrets of this machine is the configuration file's.
    pub fn judge_registered(&self, client: &Client) -> Vec<String> {
        let mut found = self.judge_client(client);
        if client.tls_client_auth.is_some() {
            found.push("tls_client_auth names files: such a client belongs in the configuration file".to_owned());
        }
        if client.attestation.is_some() {
            found.push(
                "attestation names keys of Google's, Apple's or your attester's: such a client belongs in the configuration file"
                    .to_owned(),
            );
        }
        found
    }

    /// The rules every client obeys, whether it comes from the file or from `symbolon client import`.
    pub fn judge_client(&self, client: &Client) -> Vec<String> {
        let mut found = Vec::new();
        for (name, scopes) in &client.apis {
            let Some(api) = self.api.get(name) else {
                found.push(format!("there is no [api.{name}]"));
                continue;
            };
            for scope in scopes.iter().filter(|it| !api.scope.contains_key(*it)) {
                found.push(format!("[api.{name}] has no scope {scope:?}"));
            }
            if scopes.is_empty() && !client.authorization_details_types.iter().any(|it| api.authorization_details.contains_key(it)) {
                found.push(format!("apis.{name} names no scope: there is no token for an API of which a client may have nothing"));
            }
        }
        for kind in &client.authorization_details_types {
            if !self.api.values().any(|it| it.authorization_details.contains_key(kind)) {
                found.push(format!("authorization_details_types: no API has the type {kind:?}"));
            }
        }
        for name in client.exchanges.iter().filter(|it| !self.api.contains_key(*it)) {
            found.push(format!("exchanges: there is no [api.{name}]"));
        }
        if !client.exchanges.is_empty() && !client.is_confidential() {
            found.push("exchanges is only for clients that authenticate: an API's own".to_owned());
        }
        for scope in client.scopes.iter().filter(|it| !USER_SCOPES.contains(&it.as_str())) {
            found.push(format!("{scope:?} is no OpenID Connect scope; API scopes belong under `apis`"));
        }
        let backs = client.redirect_uris.iter().map(|it| ("redirect_uris", it));
        for (name, uri) in backs.chain(client.post_logout_redirect_uris.iter().map(|it| ("post_logout_redirect_uris", it))) {
            if let Err(why) = redirect::may_register(uri, client.kind.into()) {
                found.push(format!("{name}: {uri:?}: {why}"));
            }
        }
        if client.redirect_uris.is_empty() && client.allows_grant("authorization_code") {
            found.push("redirect_uris is empty".to_owned());
        }
        if let Some(policy) = &client.login
            && !self.login.contains_key(policy)
        {
            found.push(format!("there is no [login.{policy}]"));
        }
        if client.kind == ClientKind::Native && client.authentication.uses_secret() {
            found.push("an app cannot keep a secret (RFC 8252 8.5); use authentication = \"none\"".to_owned());
        }
        if client.authentication.uses_secret() && client.secret.is_none() {
            found.push("secret is missing; `symbolon client secret` makes one".to_owned());
        }
        if client.authentication == ClientAuthentication::PrivateKeyJwt && client.jwks.is_none() {
            found.push("jwks is missing".to_owned());
        }
        if let Some(Err(why)) = client.jwks.as_ref().map(Jwks::keys) {
            found.push(format!("jwks is not a key set we accept: {why}"));
        }
        self.judge_certificates(client, &mut found);
        if client.profile == Some(Profile::Fapi2) {
            found.extend(fapi::lacks(self, client).into_iter().map(|it| format!("profile = \"fapi2\": {it}")));
        }
        let bound = client.is_confidential() || client.dpop == Dpop::Required || client.tls_client_certificate_bound_access_tokens;
        if client.refresh.mode == RefreshMode::Static && !bound {
            let needs = "authentication, dpop = \"required\" or tls_client_certificate_bound_access_tokens = true";
            found.push(format!("refresh.mode = \"static\" needs {needs}: else a stolen refresh token works as long as the grant"));
        }
        if client.require_signed_request_object && client.jwks.is_none() {
            found.push("require_signed_request_object needs jwks: the keys the client signs with".to_owned());
        }
        for mode in client.response_modes.iter().filter(|it| !RESPONSE_MODES.contains(&it.as_str())) {
            found.push(format!("there is no response mode {mode:?}; use {}", RESPONSE_MODES.join(", ")));
        }
        if client.authentication.attests() && client.attestation.is_none() {
            found.push("attestation is missing: who vouches for the app's installations?".to_owned());
        }
        found.extend(client.attestation.iter().flat_map(|it| it.problems(self.development)));
        let is_ours = client.attestation.as_ref().is_some_and(|it| it.is_ours());
        for (name, tier) in client.attestation.iter().flat_map(|it| &it.tier) {
            if let Some(problem) = tier.problem(is_ours && *name != TierName::None) {
                found.push(format!("attestation.tier.{}: {problem}", name.as_str()));
            }
            for scope in tier.scopes.iter().flatten().filter(|it| !client.apis.values().flatten().any(|own| own == *it)) {
                found.push(format!("attestation.tier.{}: the client itself may not ask for {scope:?}", name.as_str()));
            }
            for kind in tier.authorization_details_types.iter().flatten().filter(|it| !client.authorization_details_types.contains(it)) {
                found.push(format!("attestation.tier.{}: the client itself may not ask for {kind:?}", name.as_str()));
            }
            if tier.acr.as_ref().is_some_and(|it| !self.login.values().any(|login| login.acr.as_ref() == Some(it))) {
                found.push(format!("attestation.tier.{}: no [login] has that acr", name.as_str()));
            }
        }
        if client.attestation.is_some() && client.tls_client_auth.as_ref().is_some_and(|it| it.devices) {
            found.push("attestation beside tls_client_auth.devices: an installation is known by its key or by its certificate".to_owned());
        }
        if client.without_pkce && (client.kind != ClientKind::Web || !client.is_confidential()) {
            found.push("without_pkce is only for web clients that authenticate".to_owned());
        }
        for grant in client.grants.iter().flatten().filter(|it| !GRANTS.contains(&it.as_str())) {
            found.push(format!("there is no grant {grant:?}"));
        }
        found
    }
}
