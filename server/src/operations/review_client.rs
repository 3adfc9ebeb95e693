//! What a review says of one client.

use super::outcome::Finding;
use crate::config::{
    Client, ClientAuthentication, ClientKind, Config, DeviceNetwork, Dpop, IosBuild, KioskMode, Most, Right, TierName, fapi,
};
use symbolon_oauth::backchannel::GRANT_TYPE as BACKCHANNEL;
use symbolon_oauth::device_authorization::GRANT_TYPE;
use symbolon_oauth::redirect::{self, RedirectKind};

pub(super) fn fapi_findings(config: &Config, client: &Client) -> Vec<Finding> {
    let lacks = fapi::lacks(config, client);
    let text = match client.profile {
        Some(_) => "FAPI 2.0 Security Profile: held to it, and conforms".to_owned(),
        None if lacks.is_empty() => "FAPI 2.0 Security Profile: could be held to it with profile = \"fapi2\"".to_owned(),
        None if client.is_confidential() => format!("FAPI 2.0 Security Profile: lacks {}", lacks.len()),
        None => return Vec::new(),
    };
    let details =
        if client.is_confidential() && client.profile.is_none() { lacks.into_iter().map(str::to_owned).collect() } else { Vec::new() };
    vec![Finding { details, ..Finding::fact(text) }]
}

/// A way back that two clients have in common: the same URI, or the same private scheme.
pub(super) fn shared<'a>(client: &'a Client, other: &Client) -> Option<&'a str> {
    client.redirect_uris.iter().map(String::as_str).find(|uri| {
        let scheme = |it: &str| it.split(':').next().unwrap_or_default().to_ascii_lowercase();
        other.redirect_uris.iter().any(|theirs| match redirect::kind_of(uri) {
            Some(RedirectKind::PrivateScheme) => scheme(theirs) == scheme(uri),
            // Any program may listen on any port; that is said elsewhere.
            Some(RedirectKind::Loopback) => false,
            _ => theirs == uri,
        })
    })
}

/// Endings of domain names that are common enough to be written at the wrong end.
const ENDINGS: [&str; 14] = ["com", "net", "org", "io", "app", "dev", "co", "de", "eu", "fr", "uk", "us", "cloud", "me"];

/// RFC 8252 7.1: a private scheme is a domain name of the app's owner, reversed.
fn the_wrong_way_round(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut labels = scheme.split('.');
    let (first, last) = (labels.next().unwrap_or_default(), labels.next_back().unwrap_or_default());
    ENDINGS.contains(&last) && !ENDINGS.contains(&first)
}

pub(super) fn redirect_findings(client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    for uri in client.redirect_uris.iter().filter(|it| redirect::kind_of(it) == Some(RedirectKind::PrivateScheme)) {
        if the_wrong_way_round(uri) {
            let what = "the scheme is a domain name reversed (com.example.app); this looks like one that is not";
            findings.push(Finding::weak(format!("{uri}: {what}")));
        }
    }
    // Plain OAuth lets a request leave out the only one (RFC 6749 3.1.2.3).
    if client.redirect_uris.len() == 1 && client.scopes.iter().any(|scope| scope == "openid") {
        let what =
            "a request with the scope openid must name its redirect_uri, though only one is registered (OpenID Connect Core 3.1.2.1)";
        findings.push(Finding::fact(what));
    }
    let consent_off = client.require_consent == Some(false);
    if consent_off && !client.first_party {
        let what = "require_consent = false though it is not first_party: people are not told what somebody else's client gets";
        findings.push(Finding::weak(what));
    }
    let unassured = client.redirect_uris.iter().any(|it| redirect::kind_of(it) != Some(RedirectKind::ClaimedHttps));
    if consent_off && unassured {
        let what = "require_consent = false, and not every redirect URI says who the app is: there consent is asked all the same";
        findings.push(Finding::weak(what));
    }
    findings
}

const INSTANCE_HOLDS: &str = "a stolen refresh token needs the installation's key and an attestation not older than attestation.max_age";

/// Who vouches for the app.
fn attestation_findings(client: &Client) -> Vec<Finding> {
    let Some(rules) = &client.attestation else { return Vec::new() };
    let mut findings = Vec::new();
    if rules.ios.as_ref().is_some_and(|it| it.builds.contains(&IosBuild::Development)) {
        let what = "attestation.ios.builds: development, so that what a developer built and signed passes for the app";
        findings.push(Finding::weak(what));
    }
    if rules.observe {
        let what = "attestation.observe: UNSAFE, rules about installations are recorded and not enforced; any app may pose as this client";
        findings.push(Finding::weak(what));
    }
    if rules.unsafe_private_schemes {
        let what =
            "attestation.unsafe_private_schemes: UNSAFE, an attested app can be lent to an attacker, and any app may take the answer";
        findings.push(Finding::weak(what));
    }
    let own = rules.android.as_ref().map_or(0, |it| it.own_boot_keys.len());
    if own > 0 {
        let what = format!("phones whose owners put one of {own} systems of their own on them pass for genuine ones");
        findings.push(Finding::fact(what));
    }
    if !rules.is_ours() {
        let what = "your own attester vouches: whoever has its key makes genuine installations of whatever they like";
        findings.push(Finding::fact(what));
    }
    let less = "a device that does not attest gets what attestation.tier.none has";
    match (client.authentication.attests(), client.takes_unattested()) {
        (true, true) => findings.push(Finding::fact(less)),
        (true, false) => {}
        (false, true) => findings.push(Finding::fact(format!("attestation is a further signal: {less}"))),
        (false, false) => findings.push(Finding::fact("attestation is a further signal, and no request goes without it")),
    }
    findings
}

pub(super) fn client_findings(client: &Client) -> Vec<Finding> {
    let mut findings: Vec<Finding> = client.redirect_uris.iter().map(|uri| redirect_finding(client, uri)).collect();
    if client.without_nonce {
        let what = "without_pkce and without_nonce: UNSAFE, a stolen code can be put into anybody's session with this client";
        findings.push(Finding::weak(what));
    } else if client.without_pkce {
        let what = "without_pkce: UNSAFE, a code is tied to the browser only if the client checks the nonce of the ID token";
        findings.push(Finding::weak(what));
    }
    if client.claims_in_id_token {
        let what = "claims_in_id_token: whoever reads an ID token, such as a log or a browser's history, reads the person's profile in it";
        findings.push(Finding::fact(what));
    }
    findings.extend(attestation_findings(client));
    findings.extend(authentication_findings(client));
    findings.extend(native_findings(client));
    if matches!(client.refresh.most_per_person, Most::Word(_)) {
        findings.push(Finding::weak("refresh.most_per_person is unlimited: sign-ins pile up grants without end"));
    }
    findings.extend(device_finding(client));
    findings.extend(backchannel_findings(client));
    findings.extend(kiosk_finding(client));
    if client.refresh.grace.0 > 60 {
        let what = format!("refresh.grace is {}: a thief has that long to use a stolen, replaced token", client.refresh.grace);
        findings.push(Finding::weak(what));
    }
    findings
}

/// Who may put a sign-in on screens of its own.
fn native_findings(client: &Client) -> Vec<Finding> {
    if !client.native {
        return Vec::new();
    }
    let what = "native: the app's own screens see passwords and codes, where the browser would keep them from it";
    let mut findings = vec![Finding::fact(what)];
    if client.manage.contains(&Right::Delete) {
        findings.push(Finding::fact("manage has delete: people may delete their account on the app's own screens"));
    }
    if client.web_only {
        findings.push(Finding::fact("web_only: every sign-in is sent to the browser all the same"));
    }
    match &client.attestation {
        Some(rules) => {
            if client.native_tiers.contains(&TierName::Software) {
                let what = "native_tiers has software: a copy of the app in an emulator may ask people for their passwords";
                findings.push(Finding::weak(what));
            }
            if rules.observe {
                findings.push(Finding::weak("native with attestation.observe: what vouches for the app's screens is not enforced yet"));
            }
        }
        None if client.kind == ClientKind::Native && client.authentication == ClientAuthentication::PrivateKeyJwt => {
            let what =
                "native with a key that every copy of the app has: whoever takes it out can ask for passwords as this app. Attest instead";
            findings.push(Finding::weak(what));
        }
        None => {}
    }
    findings
}

/// Who may begin a sign-in that a person approves elsewhere.
fn device_finding(client: &Client) -> Option<Finding> {
    if !client.allows_grant(GRANT_TYPE) {
        return None;
    }
    let is_proved = client.is_confidential() && !client.takes_unattested();
    Some(match (is_proved, client.device.network) {
        (_, DeviceNetwork::Same) => Finding::fact("device grant: only a person in the device's own network can approve it"),
        (_, DeviceNetwork::SameCountry) => Finding::fact("device grant: only a person in the device's own country can approve it"),
        (true, DeviceNetwork::Any) => {
            Finding::fact("device grant: whoever has such a device can send its code to somebody else; the page warns them")
        }
        (false, DeviceNetwork::Any) => Finding::weak(
            "device grant: anybody can begin a sign-in as this client and talk a person anywhere into approving it. device.network = \"same\", an attestation or authentication takes most of that away",
        ),
    })
}

/// Who may ask people, and who answers for them.
fn backchannel_findings(client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    if client.allows_grant(BACKCHANNEL) {
        let rules = &client.backchannel;
        findings.push(match (rules.plain_approval, rules.shows_number) {
            (true, _) => Finding::weak(
                "backchannel.plain_approval: UNSAFE, a person may approve without anything to compare, and so what somebody else began",
            ),
            (false, true) => Finding::fact("backchannel: a person types the two digits that the client shows; one wrong number ends it"),
            (false, false) => Finding::fact(
                "backchannel: a person compares the binding_message. Who talks to the person can read it out: it does not stop them",
            ),
        });
    }
    if client.approves {
        findings.push(Finding::fact("approves: whoever unlocks this app can approve what clients ask, as far as their policies are met"));
    }
    findings
}

/// What a kiosk's app gets from a member's code.
fn kiosk_finding(client: &Client) -> Option<Finding> {
    let rules = client.kiosk.as_ref()?;
    Some(match rules.mode {
        KioskMode::Challenge => Finding::fact(format!(
            "kiosk: {} named devices; a code works once at the device whose picture the phone has read. Live relay of both screens is not stopped",
            rules.device.len()
        )),
        KioskMode::Confirm => Finding::fact(format!(
            "kiosk: {} named devices; a code works once at the device whose picture the phone has read, and the member confirms it in the app",
            rules.device.len()
        )),
        KioskMode::Any => {
            Finding::weak("kiosk.mode = \"any\": UNSAFE, whoever photographs a member's code is let in first, at any of its kiosks")
        }
    })
}

/// Who may receive the answer to a sign-in.
fn redirect_finding(client: &Client, uri: &str) -> Finding {
    match redirect::kind_of(uri) {
        Some(RedirectKind::ClaimedHttps) if client.kind == ClientKind::Native => Finding::fact(format!(
            "{uri}: only an app that this host vouches for gets the answer; a browser that opens it shows the code to that host alone"
        )),
        Some(RedirectKind::ClaimedHttps) => Finding::fact(format!("{uri}: the answer goes to that host")),
        Some(RedirectKind::PrivateScheme) => Finding::weak(format!(
            "{uri}: any app may register this scheme and receive the code; PKCE keeps it useless, but such an app can start a sign-in of its own as this client. Consent is asked every time. Use claimed https"
        )),
        Some(RedirectKind::Loopback) => Finding::fact(format!(
            "{uri}: any program on the person's machine may listen there and start a sign-in as this client. Consent is asked every time"
        )),
        None => Finding::weak(format!("{uri}: of no known kind")),
    }
}

/// What a thief of a refresh token needs beside it.
fn authentication_findings(client: &Client) -> Vec<Finding> {
    if !client.allows_grant("refresh_token") && client.is_confidential() {
        return without_refresh_token(client);
    }
    match client.authentication {
        ClientAuthentication::None if client.attestation.is_some() => vec![Finding::fact(INSTANCE_HOLDS)],
        ClientAuthentication::None if client.kind == ClientKind::Service && client.allows_grant("client_credentials") => {
            let what = "it has no secret and no key: client_credentials is refused to it, so that it gets no token. Give it secret or jwks";
            vec![Finding::weak(what)]
        }
        ClientAuthentication::None if client.kind != ClientKind::Native => {
            vec![Finding::weak("it does not authenticate: anybody who knows the id can be this client")]
        }
        ClientAuthentication::None if client.dpop == Dpop::Required => {
            let what = "a stolen token or code needs the app's key as well; nothing says that the app is the genuine one";
            vec![Finding::fact(what)]
        }
        ClientAuthentication::None => {
            let scopes: Vec<&str> = client.apis.values().flatten().map(String::as_str).collect();
            vec![Finding::fact(format!(
                "bearer tokens, the exception for apps: nothing binds them to the app. A thief of a refresh token has {} as the person until the app itself refreshes; that ends both. While nobody opens the app, that lasts up to {}. dpop = \"required\" prevents it",
                if scopes.is_empty() { "all that the client may have".to_owned() } else { scopes.join(", ") },
                client.refresh.idle
            ))]
        }
        ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost => {
            vec![needed_by_a_thief(client, "the client's secret")]
        }
        ClientAuthentication::AttestJwtClientAuth | ClientAuthentication::AttestJwtClientAuthDpop => vec![Finding::fact(INSTANCE_HOLDS)],
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => certificate_findings(client),
        ClientAuthentication::PrivateKeyJwt => vec![needed_by_a_thief(client, "the client's private key")],
    }
}

/// There is no refresh token to steal: what proves the client is all.
fn without_refresh_token(client: &Client) -> Vec<Finding> {
    let mut findings = certificate_weakness(client);
    let what = match client.authentication {
        ClientAuthentication::ClientSecretBasic | ClientAuthentication::ClientSecretPost => "the client's secret",
        ClientAuthentication::PrivateKeyJwt => "the client's private key",
        ClientAuthentication::TlsClientAuth | ClientAuthentication::SelfSignedTlsClientAuth => "the client's certificate and its key",
        _ => "the installation's key and attestation",
    };
    findings.push(Finding::fact(format!("it gets no refresh token; whoever has {what} gets its tokens, until that is changed here")));
    findings
}

fn certificate_weakness(client: &Client) -> Vec<Finding> {
    if client.tls_client_auth.as_ref().is_some_and(|rules| rules.crl.is_none()) {
        return vec![Finding::weak("tls_client_auth without crl: a certificate that its CA has revoked still works here")];
    }
    Vec::new()
}

fn certificate_findings(client: &Client) -> Vec<Finding> {
    let rules = client.tls_client_auth.as_ref();
    let mut findings = certificate_weakness(client);
    let whose = if rules.is_some_and(|it| it.devices) { "the device's" } else { "the client's" };
    findings.push(needed_by_a_thief(client, &format!("{whose} certificate and key")));
    findings
}

/// A client without a person has no refresh tokens.
fn needed_by_a_thief(client: &Client, what: &str) -> Finding {
    Finding::fact(if client.allows_grant("refresh_token") {
        format!("a stolen refresh token needs {what} as well")
    } else {
        format!("whoever has {what} gets tokens as this client")
    })
}
