//! The authorization request to a provider. OpenID Connect Core 3.1.2.1, RFC 7636 (PKCE), RFC 9700 2.1.

use super::provider::{Provider, Trouble};
use crate::config::upstream::{Preset, Prompt};
use serde::{Deserialize, Serialize};
use symbolon_oauth::{base64url, pkce};

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
        let known = self.known(now_ms).await?;
        let random = || crate::seal::random::<32>().map_err(|fault| Trouble::broken(fault.0));
        let trip = Trip {
            nonce: base64url::encode(&random()?),
            verifier: pkce::verifier(random()?),
            issuer: self.settings.issuer.clone(),
            client_id: self.settings.client_id.clone(),
            left_ms: now_ms,
        };
        let mut url = url::Url::parse(&known.authorization_endpoint).map_err(|_| Trouble::broken("authorization_endpoint is no URL"))?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("redirect_uri", &self.redirect_uri)
                .append_pair("scope", &self.settings.scopes.join(" "))
                .append_pair("state", &wish.state)
                .append_pair("code_challenge", &pkce::challenge(&trip.verifier))
                .append_pair("code_challenge_method", "S256");
            if self.settings.is_openid() {
                query.append_pair("nonce", &trip.nonce);
            }
            if self.settings.preset == Some(Preset::Apple) {
                // Apple gives name and address in no other way.
                query.append_pair("response_mode", "form_post");
            }
            if let Some(prompt) = self.prompt(&wish) {
                query.append_pair("prompt", prompt);
            }
            if let Some(age_s) = wish.max_age_s.filter(|_| self.settings.is_openid()) {
                query.append_pair("max_age", &age_s.to_string());
            }
        }
        Ok(Departure { url: url.into(), trip })
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
