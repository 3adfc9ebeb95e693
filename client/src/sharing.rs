//! One sign-in for several apps of an organisation on one phone (Native SSO, draft 07). docs/native-sso.md.

use crate::Client;
use crate::connection::{lock, text_member};
use crate::platform::{KeyStore, Storage};
use crate::session::Access;
use crate::sign_in::SignedIn;
use crate::trouble::{Reply, Trouble};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use symbolon_oauth::jwk::PublicKey;
use symbolon_oauth::native_sso::{ID_TOKEN_TYPE, SECRET_TYPE, Statement, signing_input};
use symbolon_oauth::{base64url, jws};

const SHARED: &str = "shared-sign-in";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What the apps of one organisation share on a phone, and nobody else reaches: the SSO key, and a place for a few texts.
#[derive(Clone)]
pub struct SharedSignIn {
    pub key: Arc<dyn KeyStore>,
    pub storage: Arc<dyn Storage>,
}

impl fmt::Debug for SharedSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSignIn")
    }
}

/// What the first app leaves for the others. The issuer stands beside it, so that it goes to no other server.
#[derive(Serialize, Deserialize)]
struct Left {
    issuer: String,
    device_secret: String,
    id_token: String,
}

impl SharedSignIn {
    /// The thumbprint of the SSO key (RFC 7638).
    pub(crate) async fn thumbprint(&self) -> Result<String, Trouble> {
        let jwk = self.key.public_key().await?;
        let key = PublicKey::from_jwk(&jwk).map_err(|it| Trouble::Wrong(format!("the SSO key: {it:?}")))?;
        Ok(key.thumbprint().to_owned())
    }

    /// Keeps what a token response of the first app shares. Without it nothing is shared, which is no failure of the sign-in.
    pub(crate) async fn keep(&self, issuer: &str, reply: &Reply) -> Result<(), Trouble> {
        let both = text_member(&reply.body, "device_secret").zip(text_member(&reply.body, "id_token"));
        let Some((device_secret, id_token)) = both else { return Ok(()) };
        let left = Left { issuer: issuer.to_owned(), device_secret, id_token };
        let text = serde_json::to_string(&left).map_err(|it| Trouble::Wrong(it.to_string()))?;
        Ok(self.storage.write(SHARED, Some(&text)).await?)
    }

    async fn left(&self, issuer: &str) -> Result<Option<Left>, Trouble> {
        let text = self.storage.read(SHARED).await?;
        let left = text.and_then(|text| serde_json::from_str::<Left>(&text).ok());
        Ok(left.filter(|left| left.issuer == issuer))
    }
}

impl Client {
    /// From now on this app shares its sign-ins that have the scope `device_sso`. Call it at the start of the app.
    pub fn share_with(&self, shared: SharedSignIn) {
        *lock(&self.0.shared) = Some(shared);
    }

    pub(crate) fn shared(&self) -> Option<SharedSignIn> {
        lock(&self.0.shared).clone()
    }

    /// Joins the session in which the person signed in to another app of the organisation. Nobody is asked. `SignedOut`: nothing is shared, or
    /// this app has to ask the person itself; sign in then.
    pub async fn join(&self, shared: &SharedSignIn, scope: &str, resource: &str) -> Result<SignedIn, Trouble> {
        let issuer = self.server().settings.issuer.clone();
        let nothing = |why: &str| Trouble::SignedOut(why.to_owned());
        let left = shared.left(&issuer).await?.ok_or_else(|| nothing("no app has shared a sign-in"))?;
        let mut reply = self.ask_to_join(shared, &left, (scope, resource)).await?;
        if reply.error() == "use_dpop_nonce" {
            // The connection has learned the nonce with this answer.
            reply = self.ask_to_join(shared, &left, (scope, resource)).await?;
        }
        if !reply.is_good() {
            return match reply.trouble() {
                Trouble::Refused { error, description, .. } if ["invalid_grant", "interaction_required"].contains(&error.as_str()) => {
                    Err(Trouble::SignedOut(description))
                }
                other => Err(other),
            };
        }
        let (access, signed_in): (Access, SignedIn) = self.read(&reply)?;
        self.begin_session(&reply, resource, access).await?;
        Ok(signed_in)
    }

    async fn ask_to_join(&self, shared: &SharedSignIn, left: &Left, (scope, resource): (&str, &str)) -> Result<Reply, Trouble> {
        let server = self.server();
        let connection = server.connection();
        let keys = connection.platform.keys.as_ref();
        let keys = keys.ok_or_else(|| Trouble::Wrong("this app has no key, and joining needs one".to_owned()))?;
        let own = PublicKey::from_jwk(&keys.public_key().await?).map_err(|it| Trouble::Wrong(format!("the app's key: {it:?}")))?;
        let token_endpoint = server.metadata().await?.token_endpoint.clone().unwrap_or_default();
        let jti = base64url::encode(&connection.random::<16>()?);
        let statement = Statement {
            issuer: &left.issuer,
            device_secret: &left.device_secret,
            jkt: own.thumbprint(),
            // None yet: the server answers with one.
            nonce: &connection.nonce_of(&token_endpoint).unwrap_or_else(|| "none".to_owned()),
            jti: &jti,
            iat: connection.now_s(),
        };
        let input = signing_input(&shared.key.public_key().await?, &statement).map_err(|it| Trouble::Wrong(format!("{it:?}")))?;
        let signature = shared.key.sign(input.as_bytes()).await?;
        if signature.len() != 64 {
            return Err(Trouble::Wrong("the key store's signature is not r and s".to_owned()));
        }
        let proof = jws::with_signature(&input, &signature);
        let parameters = [
            ("audience", left.issuer.as_str()),
            ("subject_token", &left.id_token),
            ("subject_token_type", ID_TOKEN_TYPE),
            ("actor_token", &left.device_secret),
            ("actor_token_type", SECRET_TYPE),
            ("sso_proof", &proof),
            ("scope", scope),
            ("resource", resource),
        ];
        // A proof is good once: a lost answer is not asked for again.
        server.token(EXCHANGE, &parameters, false).await
    }
}
