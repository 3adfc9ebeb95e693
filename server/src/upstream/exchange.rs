//! What a provider's answer is worth: the code is exchanged once, the ID token checked, userinfo compared. OpenID Connect Core 3.1.3 and 5.3.

use super::claims::Profile;
use super::known::Known;
use super::provider::{Provider, Trouble};
use super::request::Trip;
use crate::config::upstream::{NonceRule, SecretSentBy};
use crate::outgoing::Call;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use symbolon_oauth::id_token::{self, Checked, Expected, Rejected};
use symbolon_oauth::{base64, jws};

/// Who somebody is at a provider, verified. It is sealed in the sign-in before it is used, so that the code is exchanged once.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The verified issuer and the subject there: together the key of the identity.
    pub issuer: String,
    pub subject: String,
    /// When the person was authenticated there, in seconds. None: the provider does not say.
    pub auth_time: Option<i64>,
    pub sid: Option<String>,
    pub profile: Profile,
}

/// The largest answer of the token endpoint and of userinfo.
const MOST_BYTES: usize = 64 * 1024;

struct Tokens {
    access_token: String,
    id_token: String,
}

impl Provider {
    /// `iss` of the authorization response (RFC 9207 2.4): compared where it is there, demanded where it is announced.
    pub async fn must_be_its_answer(&self, iss: Option<&str>, trip: &Trip, now_ms: i64) -> Result<(), Trouble> {
        // The provider was configured anew while the person was there: what comes back is nobody's.
        if trip.issuer != self.settings.issuer || trip.client_id != self.settings.client_id {
            return Err(Trouble::broken("the provider's configuration changed meanwhile"));
        }
        match iss {
            Some(iss) if iss == self.settings.issuer => Ok(()),
            Some(_) => Err(Trouble::broken("iss of the response is another issuer")),
            None if self.known(now_ms).await?.sends_iss => Err(Trouble::broken("the response lacks iss, which this provider announces")),
            None => Ok(()),
        }
    }

    /// Exchanges the code and checks what comes.
    pub async fn redeem(&self, code: &str, trip: &Trip, now_ms: i64) -> Result<Learned, Trouble> {
        let known = self.known(now_ms).await?;
        let tokens = self.exchange(&known, code, trip, now_ms).await?;
        let checked = self.check(&tokens, trip, now_ms).await?;
        let userinfo = self.ask_userinfo(&known, &tokens.access_token, &checked.sub, now_ms).await?;
        Ok(Learned {
            issuer: trip.issuer.clone(),
            auth_time: checked.auth_time,
            profile: Profile::read(&checked.claims, &userinfo),
            subject: checked.sub,
            sid: checked.sid,
        })
    }

    async fn exchange(&self, known: &Known, code: &str, trip: &Trip, now_ms: i64) -> Result<Tokens, Trouble> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &trip.verifier),
        ];
        let call = self.outgoing.post(&known.token_endpoint).header("accept", "application/json").at_most(MOST_BYTES);
        let call = self.authenticate(call, &mut form);
        let answer = self.call("token", call.form(&form), now_ms).await?;
        let body = jws::parse_object(&answer.body);
        let member = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Json::as_str);
        if answer.status != 200 {
            return Err(Trouble::broken(format!(
                "token: status {}, error {:?}",
                answer.status,
                shortened(member("error").unwrap_or("none"))
            )));
        }
        if body.is_none() {
            return Err(Trouble::broken("token: the answer is no JSON object"));
        }
        // RFC 6749 5.1 requires it. A type that we do not know has rules that we do not know (455-B).
        if !member("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
            return Err(Trouble::broken("token: token_type is not Bearer"));
        }
        let text = |name: &'static str| {
            let text = member(name).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| Trouble::broken(format!("token: there is no {name}")))
        };
        Ok(Tokens { access_token: text("access_token")?, id_token: text("id_token")? })
    }

    /// RFC 6749 2.3.1. In the header both halves are form-encoded first.
    fn authenticate<'a>(&'a self, call: Call, form: &mut Vec<(&'static str, &'a str)>) -> Call {
        let client_id = self.settings.client_id.as_str();
        match (&self.secret, self.settings.authentication) {
            (Some(secret), SecretSentBy::ClientSecretBasic) => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(client_id), encoded(secret));
                call.header("authorization", &format!("Basic {}", base64::encode(pair.as_bytes())))
            }
            (Some(secret), SecretSentBy::ClientSecretPost) => {
                form.extend([("client_id", client_id), ("client_secret", secret.as_str())]);
                call
            }
            (None, _) => {
                form.push(("client_id", client_id));
                call
            }
        }
    }

    /// The ID token, with the known keys and, if those did not sign it, with the newest.
    async fn check(&self, tokens: &Tokens, trip: &Trip, now_ms: i64) -> Result<Checked, Trouble> {
        let refused = |why: Rejected| Trouble::broken(format!("id_token: {}", why.as_str()));
        let known = self.known(now_ms).await?;
        match self.check_with(&known, tokens, trip, now_ms) {
            Err(Rejected::UnknownKey | Rejected::BadSignature) => {
                let known = self.with_newest_keys(now_ms).await?;
                self.check_with(&known, tokens, trip, now_ms).map_err(refused)
            }
            other => other.map_err(refused),
        }
    }

    fn check_with(&self, known: &Known, tokens: &Tokens, trip: &Trip, now_ms: i64) -> Result<Checked, Rejected> {
        let expected = Expected {
            issuer: &trip.issuer,
            audiences: &[&trip.client_id],
            authorized_parties: &[],
            algorithms: &known.algorithms,
            nonce: Some(&trip.nonce),
            access_token: Some(&tokens.access_token),
            now_s: now_ms.div_euclid(1000),
            leeway_s: self.settings.clock_skew.0,
        };
        let checked = id_token::check(&tokens.id_token, &known.keys, &expected);
        if self.settings.nonce == NonceRule::Required || checked.is_ok() {
            return checked;
        }
        id_token::check(&tokens.id_token, &known.keys, &Expected { nonce: None, ..expected })
    }

    /// Core 5.3.2: what is said of another subject is not used, and neither is the rest. An endpoint that fails costs no sign-in.
    async fn ask_userinfo(&self, known: &Known, token: &str, sub: &str, now_ms: i64) -> Result<Map<String, Json>, Trouble> {
        let Some(target) = known.userinfo_endpoint.as_ref().filter(|_| self.settings.userinfo) else { return Ok(Map::new()) };
        let call = self.outgoing.get(target).header("accept", "application/json").bearer_auth(token).at_most(MOST_BYTES);
        let answer = match self.call("userinfo", call, now_ms).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => {
                tracing::info!(provider = self.name(), status = answer.status, "userinfo of a provider refuses; its claims are left out");
                return Ok(Map::new());
            }
            Err(_) => return Ok(Map::new()),
        };
        let Some(claims) = jws::parse_object(&answer.body) else {
            tracing::info!(provider = self.name(), "userinfo of a provider is no JSON object; its claims are left out");
            return Ok(Map::new());
        };
        if claims.get("sub").and_then(Json::as_str) != Some(sub) {
            return Err(Trouble::broken("userinfo: sub is not the one of the ID token"));
        }
        Ok(claims)
    }
}

/// Somebody else's text, for a log.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(64).collect()
}
