//! What a kiosk must be: the rules of `[client.ID.kiosk]`.

use super::super::dpop::Dpop;
use super::super::span::Span;
use super::kiosk::KioskMode;
use super::section::Client;
use crate::visible::is_seen_whole;
use symbolon_oauth::kiosk::GRANT_TYPE;

const LONGEST_OFFLINE: Span = Span::hours(24);
/// Longer words do not fit the phone's question.
const LONGEST_WORDS: usize = 80;

/// What is wrong with a client's kiosk, or with its lack of one. `named`: the client of that name.
pub(super) fn problems<'c>(client: &Client, named: &dyn Fn(&str) -> Option<&'c Client>) -> Vec<String> {
    let has_grant = client.allows_grant(GRANT_TYPE);
    let Some(rules) = &client.kiosk else {
        let missing = has_grant.then(|| format!("the grant \"{GRANT_TYPE}\" needs the table kiosk"));
        return missing.into_iter().collect();
    };
    let mut found = Vec::new();
    if client.grants.as_deref() != Some(&[GRANT_TYPE.to_owned()]) {
        found.push(format!("kiosk: a kiosk has one grant and no other: grants = [\"{GRANT_TYPE}\"]"));
    }
    let has_devices = client.tls_client_auth.as_ref().is_some_and(|it| it.devices);
    if !(client.authentication.attests() || (client.authentication.uses_certificate() && has_devices)) || client.takes_unattested() {
        found.push("kiosk: its devices authenticate by attestation, or by certificates with tls_client_auth.devices = true".to_owned());
    }
    if !client.first_party && rules.mode != KioskMode::Confirm {
        found.push("kiosk: a client that is not first_party needs mode = \"confirm\": the member is asked in the app".to_owned());
    }
    if client.apis.is_empty() {
        found.push("kiosk: apis is empty, so there is no token to get".to_owned());
    }
    if rules.members.is_empty() {
        found.push("kiosk.members is empty".to_owned());
    }
    for name in &rules.members {
        let Some(member) = named(name) else {
            found.push(format!("kiosk.members: there is no [client.{name}]"));
            continue;
        };
        if member.dpop != Dpop::Required && !member.authentication.attests() {
            found.push(format!("kiosk.members: {name} binds its tokens to no key: dpop = \"required\", or attestation"));
        }
        if rules.mode == KioskMode::Confirm && !member.approves {
            found.push(format!("kiosk.members: {name} asks no member anything, and mode = \"confirm\" needs that: approves = true"));
        }
    }
    if rules.offline > LONGEST_OFFLINE || rules.offline.0 < 60 {
        found.push("kiosk.offline is from 1m to 24h".to_owned());
    }
    let own = |scope: &String| client.apis.values().flatten().any(|known| known == scope);
    for scope in rules.any_scopes.iter().filter(|scope| !own(scope)) {
        found.push(format!("kiosk.any_scopes: the client itself may not ask for {scope:?}"));
    }
    if (rules.mode == KioskMode::Any) == rules.any_scopes.is_empty() {
        found.push("kiosk.any_scopes is for mode = \"any\", which needs it".to_owned());
    }
    for (id, device) in &rules.device {
        for (word, text) in [("name", &device.name), ("place", &device.stands_at)] {
            if text.trim().is_empty() || text.chars().count() > LONGEST_WORDS || !is_seen_whole(text) {
                found.push(format!("kiosk.device.{id}.{word} is from 1 to {LONGEST_WORDS} letters that people can see"));
            }
        }
    }
    found
}
