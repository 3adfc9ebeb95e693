//! How a finished authorization reaches whoever asked for it. RFC 6749 4.1.2, RFC 9207, JARM.

use super::Authority;
use super::backchannel::BackchannelAuthorization;
use super::device::{CameBy, DeviceAuthorization};
use super::request::{AuthorizationRequest, Back, ResponseMode};
use crate::config::{Client, proving_host};
use crate::error::{Fault, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use symbolon_oauth::jws;

/// Whose sign-in it is, and where its result goes.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A client's, which is answered at its redirect URI.
    Redirect(Box<AuthorizationRequest>),
    /// A client's with screens of its own, which is answered in the answer to its request.
    Native(Box<AuthorizationRequest>),
    /// Of a device without a browser, which polls for its tokens (RFC 8628).
    Device(Box<DeviceAuthorization>),
    /// Of a client that asks a person who is elsewhere, and comes for its tokens (CIBA).
    Backchannel(Box<BackchannelAuthorization>),
    /// Of our own pages: a session and nothing else.
    OwnPage,
}

impl Delivery {
    /// The request of a client that gets an authorization response. None: there is nobody to send one to.
    pub fn request(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::Redirect(request) | Self::Native(request) => Some(request),
            Self::Device(_) | Self::Backchannel(_) | Self::OwnPage => None,
        }
    }

    /// What a client has asked for, however it gets it. None: our own pages.
    pub fn asked(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::Redirect(request) | Self::Native(request) => Some(request),
            Self::Device(device) => Some(&device.asked.request),
            Self::Backchannel(asked) => Some(&asked.asked.request),
            Self::OwnPage => None,
        }
    }

    /// What the row of a sign-in that has ended is still read for, where that is less. The page says which client it was about. Codes that people
    /// type, and the token that a client is told with, are of no use there any more.
    pub fn after_its_end(&self) -> Option<Self> {
        match self {
            Self::Device(device) => {
                Some(Self::Device(Box::new(DeviceAuthorization { came_by: CameBy::CompleteUri, ..(**device).clone() })))
            }
            Self::Backchannel(asked) => {
                let mut rest = asked.clone();
                (rest.asked.notification_token, rest.asked.number) = (None, None);
                Some(Self::Backchannel(rest))
            }
            Self::Redirect(_) | Self::Native(_) | Self::OwnPage => None,
        }
    }

    pub fn as_json(&self) -> std::result::Result<Json, Fault> {
        serde_json::to_value(self).map_err(|error| Fault::new(error.to_string()))
    }

    pub fn from_json(request: Json) -> std::result::Result<Self, Fault> {
        serde_json::from_value(request).map_err(|error| Fault::new(format!("the request of a sign-in: {error}")))
    }
}

/// An authorization response, ready to be sent.
#[derive(Clone, Debug)]
pub enum Response {
    /// The redirect URI with the parameters.
    Address(String),
    /// A form that the browser posts to the redirect URI.
    FormPost { action: String, fields: Vec<(String, String)> },
    /// The same address, of a client that nobody vouches for: the person sees where it leads, and goes there or not (RFC 9700 4.11.2).
    Unvouched { client: String, host: String, address: String },
}

impl Response {
    /// The one place that keeps this server from leading people on to whoever has registered an address here (022-R).
    pub fn seen_first(self, client_id: &str, client: &Client, uri: &str) -> Self {
        match self {
            Self::Address(address) if !client.is_trusted_at(uri) => {
                let client = client.display_name(client_id).to_owned();
                Self::Unvouched { client, host: proving_host(uri).unwrap_or_else(|| origin(uri)), address }
            }
            other => other,
        }
    }
}

/// The authorization response in the mode that was asked for, with `iss` (RFC 9207) and `state` as it came.
pub async fn respond(authority: &Authority<'_>, back: &Back, parameters: &[(&str, &str)], now_ms: i64) -> Result<Response> {
    let mut all: Vec<(&str, &str)> = parameters.to_vec();
    if let Some(state) = &back.state {
        all.push(("state", state));
    }
    all.push(("iss", &authority.config.issuer));
    let signed;
    if let Some(client_id) = &back.signed_for {
        signed = sign_response(authority, client_id, &all, now_ms).await?;
        all = vec![("response", &signed)];
    }
    let encoded: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish();
    let uri = &back.redirect_uri;
    Ok(match back.mode {
        ResponseMode::Query => Response::Address(format!("{uri}{}{encoded}", if uri.contains('?') { '&' } else { '?' })),
        ResponseMode::Fragment => Response::Address(format!("{uri}#{encoded}")),
        ResponseMode::FormPost => {
            let fields = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Response::FormPost { action: uri.clone(), fields }
        }
    })
}

/// JARM 2.1: the parameters as claims, with `aud` and `exp`; `iss` is among them already. Typed, so that it is nothing else.
async fn sign_response(authority: &Authority<'_>, client_id: &str, parameters: &[(&str, &str)], now_ms: i64) -> Result<String> {
    let client = authority.clients.get(client_id).await?.ok_or_else(|| Fault::new("the client vanished"))?;
    let alg = client.authorization_signed_response_alg.unwrap_or(authority.config.signing.alg);
    let mut claims: serde_json::Map<String, Json> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), Json::from(*value))).collect();
    claims.insert("aud".to_owned(), client_id.into());
    claims.insert("exp".to_owned(), (now_ms / 1000 + 600).into());
    let key = authority.keys.signer(alg, now_ms)?;
    Ok(jws::sign(&key, "oauth-authz-resp+jwt", &claims).map_err(|error| Fault::new(format!("signing an answer: {error:?}")))?)
}

/// Scheme and host of a redirect URI. A private scheme is named alone.
pub fn origin(uri: &str) -> String {
    match url::Url::parse(uri) {
        Ok(parsed) if parsed.origin().is_tuple() => parsed.origin().ascii_serialization(),
        Ok(parsed) => format!("{}:", parsed.scheme()),
        Err(_) => "'none'".to_owned(),
    }
}
