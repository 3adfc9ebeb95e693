//! Who a client is to the platforms: its owner, its app, and the certificates of the app.

use super::app::NativeApp;
use super::fingerprint::Fingerprint;
use super::origin::{Origin, Stranger};
use super::section::Client;
use super::words::ClientKind;

/// What is wrong with the id of a client that an operator names: an https address always is the metadata document there.
pub fn problem_of_id(id: &str) -> Option<&'static str> {
    let is_address = id.to_ascii_lowercase().starts_with("https:");
    is_address.then_some("an https address is the id of the metadata document there, and of no other client; choose another id")
}

impl Client {
    /// How old a proof may be: as a request asks, or else as the configuration says now.
    pub fn max_age_s(&self, asked_s: Option<i64>) -> Option<i64> {
        asked_s.or(self.default_max_age.map(|age| age.0))
    }

    pub fn stranger(&self) -> Option<&Stranger> {
        match &self.origin {
            Origin::Operator => None,
            Origin::Stranger(stranger) => Some(stranger),
        }
    }

    /// May an answer go to this address without a person who has seen where it leads (RFC 9700 4.11.2)?
    pub fn is_trusted_at(&self, uri: &str) -> bool {
        self.stranger().is_none_or(|stranger| stranger.proved.vouches_for(uri))
    }

    /// Its requests are pushed, or made on its own screens. Where an app attests itself, nobody without the app begins a sign-in in its name.
    pub fn must_push(&self) -> bool {
        let attests = self.attestation.as_ref().is_some_and(|rules| !rules.observe);
        self.require_pushed_authorization_requests || (self.kind == ClientKind::Native && attests)
    }

    /// Whose client it is: what apps and sites of one owner share a host.
    pub fn owner<'a>(&'a self, id: &'a str) -> &'a str {
        self.owner.as_deref().unwrap_or(id)
    }

    /// May the app use passwords and passkeys of the issuer's host?
    pub fn shares_credentials(&self) -> bool {
        self.first_party && self.app.as_ref().is_some_and(|app| app.credentials.unwrap_or(true))
    }

    /// What the app's platform writes into the client data of a passkey. On Android it is the digest of each certificate, on iOS the origin
    /// of the RP ID. Empty: the app may not use the issuer's passkeys.
    pub fn passkey_origins(&self, rp_id: &str) -> Vec<String> {
        if !self.shares_credentials() {
            return Vec::new();
        }
        let android = self.android_certificates().into_iter().map(|it| format!("android:apk-key-hash:{it}"));
        let has_ios = self.app.as_ref().is_some_and(|app| !app.ios.is_empty());
        android.chain(has_ios.then(|| format!("https://{rp_id}"))).collect()
    }

    /// The certificates that sign the app on Android: those of `app`, else those of the attestation.
    pub fn android_certificates(&self) -> Vec<Fingerprint> {
        match (&self.app, self.attestation.as_ref().and_then(|it| it.android.as_ref())) {
            (Some(app), _) => app.certificates().map(|(_, _, it)| *it).collect(),
            (None, Some(android)) => android.signing_digests.clone(),
            (None, None) => Vec::new(),
        }
    }
}

/// What is wrong with an app beside the rest of its client.
pub(super) fn problems(client: &Client, app: &NativeApp) -> Vec<String> {
    let mut found = app.problems();
    if client.kind != ClientKind::Native {
        found.push("app is for kind = \"native\"".to_owned());
    }
    if app.credentials == Some(true) && !client.first_party {
        found.push("app.credentials = true is only for first_party clients: the app gets the issuer's passwords and passkeys".to_owned());
    }
    found.extend(client.attestation.iter().flat_map(|it| app.missing_of_attestation(it)));
    found
}
