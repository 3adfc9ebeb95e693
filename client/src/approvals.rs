//! What organisations ask this person (OpenID Connect CIBA): the app shows it and sends the answer. docs/backchannel.md.

use crate::Client;
use crate::api::Called;
use crate::platform::{Answer, Request};
use crate::trouble::{Reply, Trouble};
use serde::Deserialize;
use serde_json::Value;

/// A request that waits for this person's answer. Show `step` whole, and answer with this very value.
#[derive(Clone, Debug, Deserialize)]
pub struct PendingRequest {
    request: String,
    version: i64,
    shown: String,
    pub client_id: String,
    pub binding_message: Option<String>,
    pub expires_in: i64,
    /// A step as of docs/steps.md: title, text, what is granted, and the field of the number, if there is one.
    pub step: Value,
}

impl PendingRequest {
    /// Must the person type the two digits that the other side shows?
    pub fn asks_for_number(&self) -> bool {
        let fields = self.step["fields"].as_array();
        fields.is_some_and(|all| all.iter().any(|field| field["name"] == "matching_number"))
    }
}

/// What the person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says<'a> {
    /// With the number, where one is asked for.
    Allow {
        number: Option<&'a str>,
    },
    Deny,
    /// The person did not start it.
    NotMine,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    Approved,
    Denied,
    /// The person has to prove more: open this address in the system browser.
    Browser(String),
}

impl Answered {
    pub(crate) fn of(answer: Answer) -> Result<Self, Trouble> {
        if let (403, Some(page)) = (answer.status, answer.json()["approval_uri"].as_str()) {
            return Ok(Self::Browser(page.to_owned()));
        }
        let body = good(answer)?;
        match body["state"].as_str() {
            Some("approved") => Ok(Self::Approved),
            Some("denied") => Ok(Self::Denied),
            _ => Err(Trouble::Wrong("the answer has no state".to_owned())),
        }
    }
}

impl Client {
    /// What waits for this person, oldest first. `locale`: the language of the texts, such as `de`.
    pub async fn pending_requests(&self, locale: &str) -> Result<Vec<PendingRequest>, Trouble> {
        let mut url = url::Url::parse(&self.pending_endpoint().await?).map_err(|it| Trouble::Wrong(it.to_string()))?;
        url.query_pairs_mut().append_pair("ui_locales", locale);
        let body = good(self.call_pending(Request::get(url.as_str())).await?)?;
        serde_json::from_value(body["requests"].clone()).map_err(|it| Trouble::Wrong(format!("the requests: {it}")))
    }

    /// Sends the person's answer to what was shown. `Refused` with `expired_token`: it was answered already, or it is too late.
    pub async fn answer_request(&self, request: &PendingRequest, says: Says<'_>) -> Result<Answered, Trouble> {
        let version = request.version.to_string();
        let (action, number) = match says {
            Says::Allow { number } => ("allow", number),
            Says::Deny => ("deny", None),
            Says::NotMine => ("not_mine", None),
        };
        let mut form = vec![("action", action), ("request", &request.request), ("version", &version), ("shown", &request.shown)];
        form.extend(number.map(|number| ("matching_number", number)));
        Answered::of(self.post_pending(&form).await?)
    }

    /// Where this installation is woken up when something waits: the token of APNs or FCM, in the form that the operator's service knows.
    /// `None`: it is not woken up any more.
    pub async fn wake_at(&self, push_address: Option<&str>) -> Result<(), Trouble> {
        good(self.post_pending(&[("action", "wake"), ("push_address", push_address.unwrap_or_default())]).await?).map(|_| ())
    }

    async fn pending_endpoint(&self) -> Result<String, Trouble> {
        let endpoint = self.server().metadata().await?.pending_requests_endpoint.clone();
        endpoint.ok_or_else(|| Trouble::Wrong("the server asks nothing in this way".to_owned()))
    }

    async fn post_pending(&self, form: &[(&str, &str)]) -> Result<Answer, Trouble> {
        let url = self.pending_endpoint().await?;
        self.post_to_server(&url, form).await
    }

    /// To an endpoint that takes a token for the server itself.
    pub(crate) async fn post_to_server(&self, url: &str, form: &[(&str, &str)]) -> Result<Answer, Trouble> {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.call_pending(Request::post(url, "application/x-www-form-urlencoded", body.into_bytes())).await
    }

    /// With a token for the server itself.
    async fn call_pending(&self, request: Request) -> Result<Answer, Trouble> {
        let issuer = self.server().settings.issuer.clone();
        match self.call(&issuer, request).await? {
            Called::Answer(answer) => Ok(answer),
            Called::StepUp(_) => Err(Trouble::Wrong("the server asks for another sign-in in the way of an API".to_owned())),
        }
    }
}

pub(crate) fn good(answer: Answer) -> Result<Value, Trouble> {
    let reply = Reply::of(&answer, None);
    if reply.is_good() { Ok(reply.body) } else { Err(reply.trouble()) }
}
