//! The rules that every client obeys, whether it comes from the file or from `symbolon client import`. Mistakes alone; weak spots
//! are `symbolon check`'s.

use super::super::claims;
use super::super::dpop::Dpop;
use super::super::file::Config;
use super::super::plugin::PluginWorld;
use super::super::sdk;
use super::super::url::is_address;
use super::fapi;
use super::identity;
use super::keys::Jwks;
use super::kiosk_rules;
use super::refresh::RefreshMode;
use super::section::{Client, GRANTS, RESPONSE_MODES, USER_SCOPES};
use super::tier::TierName;
use super::words::{ClientAuthentication, ClientKind, SecurityProfile};
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE as DEVICE_CODE;
use symbolon_oauth::redirect::{self, RedirectKind};

impl Config {
    /// Those of a client that is a row of the store. Whatever needs files or secrets of this machine is for the configuration file.
    pub fn judge_registered(&self, client: &Client) -> Vec<String> {
        let mut found = self.judge_client(client);
        if client.tls_client_auth.is_some() {
            found.push("tls_client_auth names files: such a client belongs in the configuration file".to_owned());
        }
        if client.app.is_some() || client.continue_page.is_some() {
            found.push("app and continue: only clients of the configuration file have links of this server's hosts".to_owned());
        }
        found.extend(claims::of_registered(self.ground(), client));
        if client.attestation.is_some() {
            found.push(
                "attestation names keys of Google's, Apple's or your attester's: such a client belongs in the configuration file"
                    .to_owned(),
            );
        }
        found
    }

    /// What is wrong with a client in this configuration.
    pub fn judge_client(&self, client: &Client) -> Vec<String> {
        let mut found = Vec::new();
        judge_apis(self, client, &mut found);
        judge_addresses(client, &mut found);
        if let Some(policy) = &client.login
            && !self.login.contains_key(policy)
        {
            found.push(format!("there is no [login.{policy}]"));
        }
        judge_authentication(client, &mut found);
        judge_certificates(self, client, &mut found);
        if client.profile == Some(SecurityProfile::Fapi2) {
            found.extend(fapi::lacks(self, client).into_iter().map(|it| format!("profile = \"fapi2\": {it}")));
        }
        judge_requests(client, &mut found);
        if client.require_signed_request_object && client.allows_grant(DEVICE_CODE) {
            found.push(format!("require_signed_request_object: there are no signed requests of the grant \"{DEVICE_CODE}\""));
        }
        found.extend(kiosk_rules::problems(client, &|name: &str| self.client.get(name)));
        found.extend(client.device.problems(
            client.allows_grant(DEVICE_CODE),
            client.kind != ClientKind::Service,
            self.country_header.is_some(),
        ));
        found.extend(client.backchannel.problems(client, client.allows_grant(BACKCHANNEL), self.development));
        judge_sharing(client, &mut found);
        let is_there = |name: &str| self.client.contains_key(name);
        found.extend(client.handover.iter().flat_map(|rules| rules.problems(client, self.development, &is_there)));
        judge_attestation(self, client, &mut found);
        found.extend(client.app.iter().flat_map(|app| identity::problems(client, app)));
        judge_native(client, &mut found);
        if client.backchannel_logout_uri.as_ref().is_some_and(|uri| !is_address(uri, self.development, true)) {
            found.push("backchannel_logout_uri is no https URL without fragment and user name".to_owned());
        }
        found.extend(sdk::problems(client.native, &client.native_providers, &self.upstream));
        found
    }
}

/// What it may ask for.
fn judge_apis(config: &Config, client: &Client, found: &mut Vec<String>) {
    for (name, scopes) in &client.apis {
        let Some(api) = config.api.get(name) else {
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
        if !config.api.values().any(|it| it.authorization_details.contains_key(kind)) {
            found.push(format!("authorization_details_types: no API has the type {kind:?}"));
        }
    }
    for name in client.exchanges.iter().filter(|it| !config.api.contains_key(*it)) {
        found.push(format!("exchanges: there is no [api.{name}]"));
    }
    if !client.exchanges.is_empty() && !client.is_confidential() {
        found.push("exchanges is only for clients that authenticate: an API's own".to_owned());
    }
    for scope in client.scopes.iter().filter(|it| !USER_SCOPES.contains(&it.as_str())) {
        found.push(format!("{scope:?} is no OpenID Connect scope; API scopes belong under `apis`"));
    }
    for grant in client.grants.iter().flatten().filter(|it| !GRANTS.contains(&it.as_str())) {
        found.push(format!("there is no grant {grant:?}"));
    }
}

/// Where it has people sent.
fn judge_addresses(client: &Client, found: &mut Vec<String>) {
    let backs = client.redirect_uris.iter().map(|it| ("redirect_uris", it));
    for (name, uri) in backs.chain(client.post_logout_redirect_uris.iter().map(|it| ("post_logout_redirect_uris", it))) {
        if let Err(why) = redirect::may_register(uri, client.kind.into()) {
            found.push(format!("{name}: {uri:?}: {why}"));
        }
    }
    if client.redirect_uris.is_empty() && client.allows_grant("authorization_code") {
        found.push("redirect_uris is empty".to_owned());
    }
}

/// How it proves itself, but for certificates.
fn judge_authentication(client: &Client, found: &mut Vec<String>) {
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
}

fn judge_certificates(config: &Config, client: &Client, found: &mut Vec<String>) {
    let by_certificate = client.authentication.uses_certificate();
    if (by_certificate || client.tls_client_certificate_bound_access_tokens) && config.mtls.is_none() {
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
    let with_certificates = registered.is_some_and(|keys| keys.iter().any(|key| key["x5c"][0].is_string()));
    if client.authentication == ClientAuthentication::SelfSignedTlsClientAuth && !with_certificates {
        found.push("authentication = \"self_signed_tls_client_auth\" needs jwks whose keys have x5c (RFC 8705 2.2.2)".to_owned());
    }
}

/// What it asks in which form, and what its refresh tokens are.
fn judge_requests(client: &Client, found: &mut Vec<String>) {
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
    if client.without_pkce && (client.kind != ClientKind::Web || !client.is_confidential()) {
        found.push("without_pkce is only for web clients that authenticate".to_owned());
    }
    if client.without_nonce && !client.without_pkce {
        found.push("without_nonce means something with without_pkce alone: a request with PKCE needs no nonce".to_owned());
    }
}

/// Who vouches for its installations, and what they may have.
fn judge_attestation(config: &Config, client: &Client, found: &mut Vec<String>) {
    if client.authentication.attests() && client.attestation.is_none() {
        found.push("attestation is missing: who vouches for the app's installations?".to_owned());
    }
    let Some(rules) = &client.attestation else { return };
    found.extend(rules.problems(config.development));
    let is_private = |uri: &&String| redirect::kind_of(uri) == Some(RedirectKind::PrivateScheme);
    if let Some(uri) = client.redirect_uris.iter().find(is_private)
        && !rules.unsafe_private_schemes
    {
        found.push(format!(
            "{uri}: any app may take this scheme, and attestation does not change that. Use claimed https, or say attestation.unsafe_private_schemes = true"
        ));
    }
    let judges = |name: &String| config.plugin.get(name).is_some_and(|plugin| plugin.world == PluginWorld::Evidence);
    for name in rules.plugins.iter().filter(|name| !judges(name)) {
        found.push(format!("attestation.plugins: there is no [plugin.{name}] of the world evidence"));
    }
    for (name, tier) in &rules.tier {
        let table = format!("attestation.tier.{}", name.as_str());
        if let Some(problem) = tier.problem(rules.is_ours() && *name != TierName::None) {
            found.push(format!("{table}: {problem}"));
        }
        for scope in tier.scopes.iter().flatten().filter(|it| !client.apis.values().flatten().any(|own| own == *it)) {
            found.push(format!("{table}: the client itself may not ask for {scope:?}"));
        }
        for kind in tier.authorization_details_types.iter().flatten().filter(|it| !client.authorization_details_types.contains(it)) {
            found.push(format!("{table}: the client itself may not ask for {kind:?}"));
        }
        if tier.acr.as_ref().is_some_and(|acr| !config.login.values().any(|login| login.0.acr.as_ref() == Some(acr))) {
            found.push(format!("{table}: no [login] has that acr"));
        }
    }
    if client.tls_client_auth.as_ref().is_some_and(|it| it.devices) {
        found.push("attestation beside tls_client_auth.devices: an installation is known by its key or by its certificate".to_owned());
    }
}

/// What shares a sign-in with other apps (Native SSO).
fn judge_sharing(client: &Client, found: &mut Vec<String>) {
    let Some(group) = &client.sso_group else { return };
    if group.is_empty() {
        found.push("sso_group is empty".to_owned());
    }
    if !client.first_party || !client.authentication.attests() || client.takes_unattested() {
        found.push("sso_group is only for first_party apps that are attested, with authentication by attestation".to_owned());
    }
}

/// What the native face needs: a client of one's own that is known by a key.
fn judge_native(client: &Client, found: &mut Vec<String>) {
    if client.native_tiers.contains(&TierName::None) || client.web_only_tiers.contains(&TierName::None) {
        found.push("native_tiers and web_only_tiers: an installation of the tier none may never use the native face".to_owned());
    }
    let may_ask_for = |word: &String| client.apis.values().flatten().chain(&client.scopes).any(|own| own == word);
    for scope in client.web_only_scopes.iter().filter(|word| !may_ask_for(word)) {
        found.push(format!("web_only_scopes: the client itself may not ask for {scope:?}"));
    }
    if !client.native {
        found.extend(
            (!client.manage.is_empty()).then(|| "manage needs native = true: other apps open the account page in the browser".to_owned()),
        );
        return;
    }
    if !client.first_party {
        found.push("native needs first_party = true: the screens of somebody else's app must not see passwords".to_owned());
    }
    if client.profile == Some(SecurityProfile::Fapi2) || client.require_signed_request_object {
        found.push("native is not for clients with profile = \"fapi2\" or require_signed_request_object: they use the browser".to_owned());
    }
    let by_key = client.authentication.uses_certificate() || client.authentication == ClientAuthentication::PrivateKeyJwt;
    if client.attestation.is_none() && !by_key {
        found.push("native needs a key that the client is known by: an attestation, a certificate or private_key_jwt".to_owned());
    }
    if client.attestation.is_some() && client.native_tiers.is_empty() {
        found.push("native_tiers is empty: no installation may use the native face".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const GOOD: &str = "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nfirst_party = true\nnative = true\n\
        redirect_uris = [\"https://app.example.com/cb\"]\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
        [client.app.attestation]\nios = { app_ids = [\"ABCDE12345.com.example.app\"] }\n";

    fn refused(text: &str) -> String {
        Config::from_text(text, "x", &|_| None).err().map(|it| it.to_string()).unwrap_or_default()
    }

    /// What a client of the native face lacks stops the start.
    #[test]
    fn native_screens_are_for_apps_of_ones_own_with_a_known_key() {
        assert_eq!(refused(GOOD), "", "the twin of all");
        let bare = GOOD.split("authentication").next().unwrap_or_default();
        for (text, says) in [
            (GOOD.replace("first_party = true\n", ""), "native needs first_party = true"),
            (GOOD.replace("native = true\n", "native = true\nprofile = \"fapi2\"\n"), "native is not for clients with profile"),
            (GOOD.replace("native = true\n", "native = true\nrequire_signed_request_object = true\n"), "native is not for clients with"),
            (bare.to_owned(), "native needs a key that the client is known by"),
            (GOOD.replace("native = true\n", "native = true\nnative_tiers = []\n"), "native_tiers is empty"),
            (GOOD.replace("native = true\n", "native = true\nnative_tiers = [\"none\"]\n"), "of the tier none may never use"),
            (GOOD.replace("native = true\n", "native = true\nweb_only_scopes = [\"x\"]\n"), "may not ask for \"x\""),
            (GOOD.replace("native = true\n", "manage = [\"name\"]\n"), "manage needs native = true"),
        ] {
            assert!(refused(&text).contains(says), "{says}: {}", refused(&text));
        }
    }
}
