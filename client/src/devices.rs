//! Another device that the person lets in: a television, or a command line on a distant machine (RFC 8628). docs/devices.md.

use crate::Client;
use crate::approvals::{Answered, good};
use crate::platform::Answer;
use crate::trouble::Trouble;
use serde::Deserialize;
use serde_json::Value;

/// What the other device shows, as this app has got it. Do not use a link that the system, a message or a push brings. Open it in the
/// system browser, whose page warns the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceCode {
    /// The person typed it in this app.
    Typed(String),
    /// This app's own scanner read the picture.
    Scanned(String),
}

/// A device that waits. Show `step` whole, and answer with this very value.
#[derive(Clone, Debug)]
pub struct WaitingDevice {
    code: (&'static str, String),
    shown: String,
    pub client_id: String,
    pub expires_in: i64,
    /// A step as of docs/steps.md: which app, what for, from which network, and the field of the last letters, if there is one.
    pub step: Value,
}

#[derive(Deserialize)]
struct Question {
    shown: String,
    client_id: String,
    expires_in: i64,
    step: Value,
}

impl WaitingDevice {
    /// Must the person type the last letters that the screen shows?
    pub fn asks_for_last_letters(&self) -> bool {
        let fields = self.step["fields"].as_array();
        fields.is_some_and(|all| all.iter().any(|field| field["name"] == "last_group"))
    }
}

/// What the person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceSays<'a> {
    /// With the last letters, where they are asked for.
    Allow { last_letters: Option<&'a str> },
    /// The person did not start it.
    NotMine,
}

impl Client {
    /// Asks which device that is. `locale`: the language of the texts, such as `de`. `Refused` with `unknown_user_code`: no device shows that;
    /// with `expired_token`: it was answered already, or it is too late.
    pub async fn find_device(&self, code: &DeviceCode, locale: &str) -> Result<WaitingDevice, Trouble> {
        let code = match code {
            DeviceCode::Typed(text) => ("user_code", text.clone()),
            DeviceCode::Scanned(picture) => ("ref", self.reference_of(picture)?),
        };
        let form = [(code.0, code.1.as_str()), ("ui_locales", locale)];
        let body = good(self.post_device(&form).await?)?;
        let read = serde_json::from_value(body).map_err(|it| Trouble::Wrong(format!("the device: {it}")))?;
        let Question { shown, client_id, expires_in, step } = read;
        Ok(WaitingDevice { code, shown, client_id, expires_in, step })
    }

    /// Sends the person's answer to what was shown. `Refused` with `wrong_last_group`: let the person look at the screen again.
    pub async fn answer_device(&self, device: &WaitingDevice, says: DeviceSays<'_>) -> Result<Answered, Trouble> {
        let (action, letters) = match says {
            DeviceSays::Allow { last_letters } => ("allow", last_letters),
            DeviceSays::NotMine => ("not_mine", None),
        };
        let mut form = vec![("action", action), (device.code.0, device.code.1.as_str()), ("shown", &device.shown)];
        form.extend(letters.map(|letters| ("last_group", letters)));
        Answered::of(self.post_device(&form).await?)
    }

    /// The picture is the complete address of this server's own page.
    fn reference_of(&self, picture: &str) -> Result<String, Trouble> {
        let reference = picture.strip_prefix(&self.server().settings.issuer).and_then(|rest| rest.strip_prefix("/device?ref="));
        let is_plain = |text: &&str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
        let reference = reference.filter(is_plain).map(str::to_owned);
        reference.ok_or_else(|| Trouble::Wrong("the picture is of another server, or it is no device's".to_owned()))
    }

    async fn post_device(&self, form: &[(&str, &str)]) -> Result<Answer, Trouble> {
        let endpoint = self.server().metadata().await?.pending_devices_endpoint.clone();
        let url = endpoint.ok_or_else(|| Trouble::Wrong("the server lets no devices in by an app".to_owned()))?;
        self.post_to_server(&url, form).await
    }
}
