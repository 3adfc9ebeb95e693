//! The platform's passkeys for an app: Credential Manager on Android, AuthenticationServices on iOS. As both do, it asks the server's
//! association file first whether this app may use the server's passkeys, and writes the app's own origin into the client data.

use crate::Trouble;
use crate::authenticator::{Authenticator, NotDone};
use crate::links::System;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbolon_client::native::{Operation, Operations};
use symbolon_client::platform::BoxFuture;

/// The passkeys of one phone, as one app on it may use them.
pub struct Passkeys {
    authenticator: Arc<Mutex<Authenticator>>,
    system: System,
    /// Where the association files are.
    server: String,
    /// The server's file names the app.
    is_associated: bool,
    /// The person closes the next window, or the platform fails.
    pub next_failure: Mutex<Option<&'static str>>,
    /// The person picks a passkey where a field can be filled with one.
    pub fills: bool,
    /// Another phone beside this device. Its camera reads a QR code here, and its passkey answers where this device has none.
    pub nearby: Option<Arc<Passkeys>>,
}

impl Passkeys {
    /// The app is installed. As both platforms do, the phone reads the server's file now.
    pub async fn install(server: &str, system: System) -> Result<Self, Trouble> {
        let is_associated = is_associated(server, &system).await?;
        let (authenticator, next_failure) = (Arc::default(), Mutex::default());
        Ok(Self { authenticator, system, server: server.to_owned(), is_associated, next_failure, fills: false, nearby: None })
    }

    /// The same phone's passkeys for another app on it.
    pub async fn for_app(&self, system: System) -> Result<Self, Trouble> {
        let other = Self::install(&self.server, system).await?;
        Ok(Self { authenticator: Arc::clone(&self.authenticator), fills: self.fills, nearby: self.nearby.clone(), ..other })
    }

    /// What the phone keeps.
    pub fn authenticator(&self) -> MutexGuard<'_, Authenticator> {
        self.authenticator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for a page in the phone's browser, which writes the page's origin.
    pub fn answer_page(&self, operation: &Value, origin: &str) -> Result<Value, NotDone> {
        let (mut authenticator, options) = (self.authenticator(), &operation["options"]);
        match operation["name"].as_str() {
            Some("passkey_create") => authenticator.create(options, origin),
            Some("passkey_get") => authenticator.get(options, origin),
            _ => Err(NotDone::NotPossibleHere),
        }
    }

    fn answer(&self, operation: &Operation) -> Result<String, String> {
        if let Some(why) = self.next_failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(why.to_owned());
        }
        if !self.is_associated {
            return Err(NotDone::NotPossibleHere.as_str().to_owned());
        }
        let options = &operation.options;
        let rp_id = options["rpId"].as_str().or(options["rp"]["id"].as_str()).unwrap_or_default();
        let (origin, mut authenticator) = (self.system.origin(rp_id), self.authenticator());
        let done = match operation.name.as_str() {
            "passkey_create" => authenticator.create(options, &origin),
            "passkey_get" => authenticator.get(options, &origin).or_else(|why| self.get_nearby(why, options, &origin)),
            "passkey_signal" => {
                authenticator.forget_others(options);
                Ok(Value::Null)
            }
            _ => Err(NotDone::NotPossibleHere),
        };
        done.map(|document| document.to_string()).map_err(|why| why.as_str().to_owned())
    }

    /// The same by the phone beside this device. The platform says that the passkey is another device's.
    fn get_nearby(&self, why: NotDone, options: &Value, origin: &str) -> Result<Value, NotDone> {
        let nearby = self.nearby.as_ref().filter(|_| why == NotDone::NoPasskey).ok_or(why)?;
        let mut document = nearby.authenticator().get(options, origin)?;
        document["authenticatorAttachment"] = "cross-platform".into();
        Ok(document)
    }
}

impl Operations for Passkeys {
    fn knows(&self, name: &str) -> bool {
        matches!(name, "passkey_create" | "passkey_get" | "passkey_signal")
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async { self.answer(operation) })
    }

    fn perform_quietly<'a>(&'a self, operation: &'a Operation) -> Option<BoxFuture<'a, Result<String, String>>> {
        self.fills.then(|| self.perform(operation))
    }
}

/// Does the server let this app use its passkeys?
async fn is_associated(server: &str, system: &System) -> Result<bool, Trouble> {
    let name = match system {
        System::Ios(_) => "apple-app-site-association",
        System::Android { .. } => "assetlinks.json",
    };
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let text = http.get(format!("{server}/.well-known/{name}")).send().await?.text().await?;
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    let has = |list: &Value, wanted: &str| list.as_array().is_some_and(|all| all.iter().any(|it| it == wanted));
    Ok(match system {
        System::Ios(id) => has(&file["webcredentials"]["apps"], id),
        System::Android { package, fingerprint } => file.as_array().into_iter().flatten().any(|statement| {
            let target = &statement["target"];
            has(&statement["relation"], "delegate_permission/common.get_login_creds")
                && target["package_name"] == *package
                && has(&target["sha256_cert_fingerprints"], fingerprint)
        }),
    })
}
