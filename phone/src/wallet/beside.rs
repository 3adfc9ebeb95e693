//! A wallet beside an app on the same phone. The app opens it by its link, and it leads back to the app's own claimed link. On Android the
//! platform knows the wallet too (Credential Manager), and answers for the app's certificate.

use super::Wallet;
use crate::Trouble;
use crate::links::System;
use crate::net::Net;
use crate::services::Clock;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use symbolon_client::native::{Operation, Operations};
use symbolon_client::platform::{BoxFuture, Device};

/// The wallet, as one app on the phone may use it.
pub struct Beside {
    wallet: Wallet,
    net: Arc<Net>,
    system: System,
    /// The app's claimed link.
    back: String,
    /// A wallet's link that somebody has sent. The person opens it in the place of the app's next one.
    lure: Mutex<Option<String>>,
}

impl Beside {
    pub fn new(wallet: Wallet, net: &Arc<Net>, system: System, back: &str) -> Self {
        Self { wallet, net: Arc::clone(net), system, back: back.to_owned(), lure: Mutex::default() }
    }

    /// The same, of a person who opens this link first.
    pub fn lured_by(self, link: &str) -> Self {
        Self { lure: Mutex::new(Some(link.to_owned())), ..self }
    }

    /// The person agrees in the wallet. Answers the link by which the app is opened again.
    async fn open(&self, options: &Value) -> Result<String, Trouble> {
        let lure = self.lure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let link = lure.or_else(|| options["url"].as_str().map(str::to_owned)).unwrap_or_default();
        let asked = self.wallet.read(&self.net.http, &link, Clock::default().now_s()).await?;
        let onward = self.wallet.answer(&self.net.http, &asked).await?;
        if onward.starts_with(&self.back) { Ok(onward) } else { Err(Trouble(format!("the browser opens {onward}"))) }
    }

    /// What the platform gives the app.
    fn show(&self, options: &Value) -> Result<String, Trouble> {
        let asked = self.wallet.read_call(options, &self.system.origin(""), Clock::default().now_s())?;
        Ok(self.wallet.answer_call(&asked)?.to_string())
    }
}

impl Operations for Beside {
    fn knows(&self, name: &str) -> bool {
        name == "wallet_open" || (name == "credential_get" && matches!(self.system, System::Android { .. }))
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            match operation.name.as_str() {
                "wallet_open" => self.open(&operation.options).await.map_err(|_| "cancelled".to_owned()),
                _ => self.show(&operation.options).map_err(|_| "no_credential".to_owned()),
            }
        })
    }
}
