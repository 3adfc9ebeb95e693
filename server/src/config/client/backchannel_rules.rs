//! What a client that asks people must be: the rules of `[client.ID.backchannel]`, and of apps that answer (`approves`).

use super::super::Config;
use super::super::dpop::Dpop;
use super::super::span::Span;
use super::super::url::is_address;
use super::backchannel::{BackchannelRules, TokenDelivery};
use super::keys::Jwks;
use super::section::Client;
use super::words::{ClientKind, SecurityProfile};
use symbolon_oauth::backchannel::GRANT_TYPE;

const SHORTEST: Span = Span(30);
const LONGEST: Span = Span::minutes(10);

impl Config {
    /// Does a client of the file ask people for their user codes?
    pub fn takes_user_codes(&self) -> bool {
        self.client.values().any(|client| client.backchannel.user_code && !client.disabled)
    }
}

impl BackchannelRules {
    /// `allowed`: the client has the grant.
    pub(super) fn problems(&self, client: &Client, allowed: bool, development: bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut must = |holds: bool, why: &str| {
            if !holds {
                found.push(why.to_owned());
            }
        };
        must(self.lifetime >= SHORTEST && self.lifetime <= LONGEST, "backchannel.lifetime is from 30s to 10m");
        must(allowed || *self == Self::default(), &format!("the table backchannel needs grants with \"{GRANT_TYPE}\""));
        let is_ping = self.delivery == TokenDelivery::Ping;
        must(
            is_ping == self.notification_endpoint.is_some(),
            "backchannel.notification_endpoint is for delivery = \"ping\", which needs it",
        );
        let is_good = self.notification_endpoint.as_ref().is_none_or(|uri| is_address(uri, development, true));
        must(is_good, "backchannel.notification_endpoint is no https URL without fragment and user name");
        let is_known = client.is_confidential() && !client.takes_unattested();
        must(!allowed || is_known, &format!("the grant \"{GRANT_TYPE}\" is only for clients that authenticate"));
        must(
            !allowed || client.kind != ClientKind::Service,
            &format!("a service has no person, so it cannot have the grant \"{GRANT_TYPE}\""),
        );
        let is_signer = |(issuer, jwks): (&String, &Jwks)| !issuer.is_empty() && jwks.keys().is_ok_and(|set| !set.keys.is_empty());
        must(self.hint_issuers.iter().all(is_signer), "backchannel.hint_issuers: each is an issuer with a key set that we accept");
        let is_held = client.profile == Some(SecurityProfile::Fapi2);
        must(!is_held || !self.plain_approval, "backchannel.plain_approval is not for clients with profile = \"fapi2\"");
        let is_bound = client.dpop == Dpop::Required || client.authentication.attests();
        must(
            !client.approves || (client.first_party && is_bound),
            "approves: only first_party clients with dpop = \"required\" or attestation",
        );
        found
    }
}
