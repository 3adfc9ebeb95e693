//! A native sign-in goes on in the browser: an ordinary authorization request, which its page asks about first. Else somebody mails the
//! address of his own sign-in, and whoever follows the link signs in for him.

use crate::login::step::{Step, Text};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where the app was that sent its person to the browser.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Detour {
    pub address: IpAddr,
    /// As the app says; shown, and nothing else.
    pub device: Option<String>,
}

/// "Did you start this?" Yes and no are buttons of one kind.
pub fn question(client: &str, detour: &Detour) -> Step {
    let mut step = Step::new("detour");
    step.title = step.title.with("client", client);
    let mut text = vec![Text::new("detour-lead").with("client", client)];
    text.push(Text::new("detour-place").with("address", detour.address.to_string()));
    if let Some(device) = &detour.device {
        text.push(Text::new("detour-device").with("device", device.as_str()));
    }
    text.push(Text::new("detour-warning").with("client", client));
    step.text = text;
    step.secondary("started_it").secondary("not_mine")
}
