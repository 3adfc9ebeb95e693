//! A native sign-in goes on in the browser: an ordinary authorization request, which its page asks about first. Else somebody mails the
//! address of his own sign-in, and whoever follows the link signs in for him.

use crate::error::{Refused, Result};
use crate::login::step::{Step, Text};
use crate::web::country::Country;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use symbolon_oauth::base64url;
use symbolon_oauth::form::Form;
use symbolon_oauth::redirect::{RedirectKind, kind_of};

/// The parameter that asks for the browser's proofs, and the one that brings their handle: in the redirect, and in the app's answer.
pub const BROWSER_RETURN: &str = "browser_return";

/// The word of the app that asks.
pub const WANTED: &str = "sw";

/// Where the app was that sent its person to the browser.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Detour {
    pub address: IpAddr,
    /// As the operator's proxy says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// In words of ours. Whoever mails the address of the page has chosen the headers of the app, too.
    pub device: Option<String>,
    /// The app wants the browser's proofs back. None: the browser's sign-in ends in a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comes_back: Option<ComesBack>,
}

/// The native sign-in that the browser's proofs are for, and at which answer it stands.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ComesBack {
    sign_in: String,
    version: i64,
}

impl ComesBack {
    pub fn to(sign_in: &[u8; 16], version: i64) -> Self {
        Self { sign_in: base64url::encode(sign_in), version }
    }
}

/// Does the app want the browser's proofs back? Only a claimed https address brings them to this app and no other (RFC 8252 7.2).
pub fn comes_back(form: &Form, redirect_uri: &str) -> Result<bool> {
    let refused = |hint| Err(Refused::bad_request("invalid_request", hint).into());
    match form.get(BROWSER_RETURN) {
        None => Ok(false),
        Some(WANTED) if kind_of(redirect_uri) == Some(RedirectKind::ClaimedHttps) => Ok(true),
        Some(WANTED) => refused("browser_return=sw needs code_challenge, and a redirect_uri with https."),
        Some(_) => refused("browser_return may be sw in the request that begins; later it is what the browser brought."),
    }
}

/// "Did you start this?" Yes and no are buttons of one kind.
pub fn question(client: &str, detour: &Detour) -> Step {
    let mut step = Step::new("detour");
    step.title = step.title.with("client", client);
    let mut text = vec![Text::new("detour-lead").with("client", client)];
    text.push(Text::new("detour-place").with("address", detour.address.to_string()));
    text.extend(detour.country.map(|country| Text::new("detour-country").with("country", country.to_string())));
    text.extend(detour.device.as_deref().map(|device| Text::new("detour-device").with("device", device)));
    text.push(Text::new("detour-warning").with("client", client));
    step.text = text;
    step.secondary("started_it").secondary("not_mine")
}
