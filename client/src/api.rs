//! Calls of an API. RFC 6750, RFC 9449 7, RFC 9470. Each call has the token and its proof. The client reacts once to an API's error about
//! them.

use crate::Client;
use crate::connection::{challenges, error_of, must_be_safe};
use crate::platform::{Answer, Request};
use crate::session::Access;
use crate::trouble::Trouble;

/// What an API requires of the sign-in. Sign in with [`crate::SignIn::with_step_up`], and call again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepUp {
    pub acr_values: Option<String>,
    pub max_age: Option<String>,
    pub scope: Option<String>,
}

/// The outcome of a call.
#[derive(Clone, Debug)]
pub enum Called {
    /// The API's answer, whatever its status.
    Answer(Answer),
    /// The person must sign in again, in this way (RFC 9470 3).
    StepUp(StepUp),
}

impl Client {
    /// Calls an API with a token for `resource`. A token that the API calls invalid is replaced once. A GET is sent again after a lost
    /// answer. Only the app can know whether another request may be sent twice.
    pub async fn call(&self, resource: &str, request: Request) -> Result<Called, Trouble> {
        must_be_safe(&request.url)?;
        let access = self.access(resource, None).await?;
        let mut answer = self.call_with(&access, &request).await?;
        if answer.status == 401 && error_of(&answer) == "invalid_token" {
            let fresh = self.access(resource, Some(&access.token)).await?;
            answer = self.call_with(&fresh, &request).await?;
        }
        Ok(step_up(&answer).map_or(Called::Answer(answer), Called::StepUp))
    }

    async fn call_with(&self, access: &Access, request: &Request) -> Result<Answer, Trouble> {
        let scheme = if access.is_bound { "DPoP" } else { "Bearer" };
        let request = request.clone().with("authorization", &format!("{scheme} {}", access.token));
        let resend = request.method == "GET";
        self.0.server.send(request, Some(&access.token), resend).await
    }
}

fn step_up(answer: &Answer) -> Option<StepUp> {
    if answer.status != 401 || error_of(answer) != "insufficient_user_authentication" {
        return None;
    }
    let all = challenges(answer);
    let get = |wanted: &str| all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    Some(StepUp { acr_values: get("acr_values"), max_age: get("max_age"), scope: get("scope") })
}
