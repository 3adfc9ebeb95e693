//! The authorization request to a provider. OpenID Connect Core 3.1.2.1, RFC 7636 (PKCE), RFC 9126 (PAR), RFC 9700 2.1.

use super::metadata::{MOST_BYTES, ProviderMetadata};
use super::provider::{Provider, Trouble};
use crate::config::upstream::{Preset, Prompt, SecretSentBy};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use symbolon_oauth::{base64url, jws, pkce};

/// The longest `request_uri` that is taken.
const LONGEST_REFERENCE: usize = 1024;

/// What a sign-in remembers of a person who is at the provider. It is sealed in the sign-in's row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub struct Trip {
    pub nonce: String,
    /// RFC 7636 4.1.
    pub verifier: String,
    /// Where the answer must come from.
    pub issuer: String,
    pub client_id: String,
    /// When the person left.
    pub left_ms: i64,
}

/// How a person leaves for the provider.
pub struct Departure {
    pub url: String,
    pub trip: Trip,
}

/// What the sign-in asks of the provider.
pub struct Wish {
    pub state: String,
    pub max_age_s: Option<i64>,
    /// The person wants to use another account there.
    pub other_account: bool,
}

impl Provider {
    pub async fn depart(&self, wish: Wish, now_ms: i64) -> Result<Departure, Trouble> {
        let metadata = self.metadata(now_ms).await?;
        let random = || crate::seal::random::<32>().map_err(|fault| Trouble::broken(fault.0));
        let trip = Trip {
            nonce: base64url::encode(&random()?),
            verifier: pkce::verifier(random()?),
            issuer: self.settings.issuer.clone(),
            client_id: self.settings.client_id.clone(),
            left_ms: now_ms,
        };
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("scope", self.settings.scopes.join(" ")),
            ("state", wish.state.clone()),
            ("code_challenge", pkce::challenge(&trip.verifier)),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if self.settings.is_openid() {
            parameters.push(("nonce", trip.nonce.clone()));
        }
        if self.settings.preset == Some(Preset::Apple) {
            // Apple gives name and address in no other way.
            parameters.push(("response_mode", "form_post".to_owned()));
        }
        if let Some(prompt) = self.prompt(&wish).filter(|it| metadata.takes_prompt(it)) {
            parameters.push(("prompt", prompt.to_owned()));
        }
        if let Some(age_s) = wish.max_age_s.filter(|_| self.settings.is_openid()) {
            parameters.push(("max_age", age_s.to_string()));
        }
        if self.settings.pushed_requests || metadata.requires_par {
            parameters = vec![("request_uri", self.push(&metadata, &parameters, now_ms).await?)];
        }
        let mut url = url::Url::parse(&metadata.authorization_endpoint).map_err(|_| Trouble::broken("authorization_endpoint is no URL"))?;
        url.query_pairs_mut().append_pair("client_id", &self.settings.client_id).extend_pairs(parameters);
        Ok(Departure { url: url.into(), trip })
    }

    /// RFC 9126 2: the provider gets the request from this server, and the browser carries a reference alone.
    async fn push(&self, metadata: &ProviderMetadata, parameters: &[(&'static str, String)], now_ms: i64) -> Result<String, Trouble> {
        let endpoint = metadata.par_endpoint.as_ref().ok_or_else(|| Trouble::broken("the provider takes no pushed requests"))?;
        let mut form: Vec<(&'static str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let call = self.outgoing.post(endpoint).header("accept", "application/json").at_most(MOST_BYTES);
        let signed = self.signed_secret(now_ms)?;
        let call = self.authenticate(call, signed.as_deref(), &mut form);
        if self.settings.authentication == SecretSentBy::ClientSecretBasic && self.secret.is_some() {
            form.push(("client_id", &self.settings.client_id));
        }
        let answer = self.call("par", call.form(&form), now_ms).await?;
        if answer.status != 201 {
            return Err(Trouble::broken(format!("par: status {}", answer.status)));
        }
        let body = jws::parse_object(&answer.body).ok_or_else(|| Trouble::broken("par: the answer is no JSON object"))?;
        let reference = body.get("request_uri").and_then(Json::as_str).filter(|it| !it.is_empty() && it.len() <= LONGEST_REFERENCE);
        reference.map(str::to_owned).ok_or_else(|| Trouble::broken("par: there is no request_uri"))
    }

    /// `prompt=login` where a sign-in of this moment is asked for; it is then seen in `auth_time`, not believed.
    fn prompt(&self, wish: &Wish) -> Option<&'static str> {
        let configured = self.settings.prompt.map(Prompt::as_str);
        match wish {
            // Plain OAuth has no such parameter; GitHub has this one value of it.
            _ if !self.settings.is_openid() => {
                let knows = self.settings.preset == Some(Preset::Github);
                (wish.other_account && knows).then_some("select_account").or(configured)
            }
            Wish { max_age_s: Some(0), .. } => Some("login"),
            Wish { other_account: true, .. } => Some("select_account"),
            _ => configured,
        }
    }
}
