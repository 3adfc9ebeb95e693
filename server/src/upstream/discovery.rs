//! What a provider says of itself, and its keys. OpenID Connect Discovery 4, RFC 7517 5.
//!
//! Both are asked for when they are needed and kept for a while. A provider that is away is taken by its last word for a day. An
//! unknown key asks again, at most once in ten seconds, whatever tokens arrive (550-S).

use super::issuers;
use super::metadata::{ProviderKey, ProviderMetadata};
use super::provider::{FailureKind, MayFetch, Provider, Trouble};
use crate::config::upstream::Upstream;
use crate::outgoing::Target;
use serde_json::{Map, Value as Json};
use std::sync::Arc;
use symbolon_oauth::jwk::{Algorithm, PublicKey};
use symbolon_oauth::{jws, metadata};

/// Younger than this it is used as it is.
const FRESH_MS: i64 = 10 * 60_000;
/// Older than this it is never used.
const LAST_RESORT_MS: i64 = 24 * 3600 * 1000;
/// Between two fetches because of a key that is not there, whatever became of the first.
const PAUSE_MS: i64 = 10_000;
/// After a discovery that failed. A person who tries again may be lucky.
const FAILED_PAUSE_MS: i64 = 1_000;
/// The largest discovery document and key set.
pub(super) const MOST_BYTES: usize = 256 * 1024;
const MOST_KEYS: usize = 50;

/// Where the provider answers without being asked for anything: its discovery document, or the address of plain OAuth's tokens.
pub fn discovery_address(settings: &Upstream) -> String {
    match settings.is_openid() {
        true => metadata::well_known_openid(issuers::published(settings).0.trim_end_matches('/')),
        false => settings.token_endpoint.clone(),
    }
}

impl Provider {
    /// What is known of the provider.
    pub async fn metadata(&self, now_ms: i64) -> Result<Arc<ProviderMetadata>, Trouble> {
        if !self.settings.is_openid() {
            return self.configured(now_ms).map(Arc::new);
        }
        if let Some(metadata) = self.kept().filter(|metadata| now_ms - metadata.at_ms < FRESH_MS) {
            return Ok(metadata);
        }
        let mut failed = self.fetching.lock().await;
        let kept = self.kept();
        if let Some(metadata) = kept.as_ref().filter(|metadata| now_ms - metadata.at_ms < FRESH_MS) {
            return Ok(Arc::clone(metadata));
        }
        let found = match still(&failed.discovery, FAILED_PAUSE_MS, now_ms) {
            Some(trouble) => Err(trouble),
            None => self.discover(now_ms).await,
        };
        match found {
            Ok(metadata) => Ok(self.keep(metadata)),
            Err(trouble) => {
                if still(&failed.discovery, FAILED_PAUSE_MS, now_ms).is_none() {
                    failed.discovery = Some((now_ms, trouble.clone()));
                }
                // What contradicts itself is not covered up by what it said before.
                let last_word = kept.filter(|metadata| trouble.kind == FailureKind::Away && now_ms - metadata.at_ms < LAST_RESORT_MS);
                last_word.ok_or(trouble)
            }
        }
    }

    /// What is known of plain OAuth without asking: every address is the operator's or the preset's.
    fn configured(&self, now_ms: i64) -> Result<ProviderMetadata, Trouble> {
        let target = |address: &str| Target::of_operator(address).map_err(Trouble::broken);
        Ok(ProviderMetadata {
            authorization_endpoint: self.settings.authorization_endpoint.clone(),
            token_endpoint: target(&self.settings.token_endpoint)?,
            userinfo_endpoint: Some(target(&self.settings.userinfo_endpoint)?),
            par_endpoint: None,
            requires_par: false,
            revocation_endpoint: None,
            end_session_endpoint: None,
            jwks_uri: None,
            sends_iss: false,
            prompts: None,
            algorithms: Vec::new(),
            keys: Vec::new(),
            at_ms: now_ms,
            keys_at_ms: now_ms,
        })
    }

    /// The same with its newest keys, for a token that none of the known ones has signed.
    pub async fn with_newest_keys(&self, now_ms: i64) -> Result<Arc<ProviderMetadata>, Trouble> {
        let mut failed = self.fetching.lock().await;
        let metadata = self.kept().ok_or_else(|| Trouble::away("nothing is known of the provider"))?;
        if now_ms - metadata.keys_at_ms < PAUSE_MS {
            return Ok(metadata);
        }
        let jwks_uri = metadata.jwks_uri.as_ref().ok_or_else(|| Trouble::broken("the provider has no keys"))?;
        if let Some(trouble) = still(&failed.keys, PAUSE_MS, now_ms) {
            return Err(trouble);
        }
        let keys = self.fetch_keys(jwks_uri, now_ms).await.inspect_err(|trouble| failed.keys = Some((now_ms, trouble.clone())))?;
        Ok(self.keep(ProviderMetadata { keys, keys_at_ms: now_ms, ..ProviderMetadata::clone(&metadata) }))
    }

    /// The same for what anybody may post: only as long as the limit of the sender lets it.
    pub(super) async fn with_newest_keys_if(&self, fetches: MayFetch<'_>, now_ms: i64) -> Result<Arc<ProviderMetadata>, Trouble> {
        if fetches() {
            return self.with_newest_keys(now_ms).await;
        }
        Err(Trouble::away("too many words from this network that no known key has signed"))
    }

    async fn discover(&self, now_ms: i64) -> Result<ProviderMetadata, Trouble> {
        let (_, issuer) = issuers::published(&self.settings);
        let target = Target::of_operator(&discovery_address(&self.settings)).map_err(Trouble::broken)?;
        let document = self.fetch("discovery", &target, now_ms).await?;
        let named = text(&document, "issuer")?;
        if named != Some(&issuer) {
            let is_shared = named.is_some_and(|named| named.contains("{tenantid}"));
            let hint = if is_shared { "; for Microsoft's shared endpoints there is preset = \"microsoft\"" } else { "" };
            return Err(Trouble::broken(format!("the discovery document is of another issuer than the one configured{hint}")));
        }
        // RFC 8705 5: whoever shows a certificate calls the address for that, where there is one.
        let aliases = match document.get("mtls_endpoint_aliases") {
            Some(Json::Object(aliases)) if self.settings.authentication.shows_certificate() => aliases.clone(),
            None | Some(Json::Object(_)) => Map::new(),
            Some(_) => return Err(Trouble::broken("mtls_endpoint_aliases of the discovery document is no object")),
        };
        let endpoint = |name: &'static str| match text(&aliases, name)?.or(text(&document, name)?) {
            Some(address) => self.endpoint(address).map(Some),
            None => Ok(None),
        };
        let required = |name: &'static str| endpoint(name)?.ok_or_else(|| Trouble::broken(format!("the discovery document has no {name}")));
        // The person's browser goes there, so its address is judged like the others.
        required("authorization_endpoint")?;
        endpoint("end_session_endpoint")?;
        let jwks_uri = required("jwks_uri")?;
        let flag = |name: &str| match document.get(name) {
            None | Some(Json::Bool(false)) => Ok(false),
            Some(Json::Bool(true)) => Ok(true),
            Some(_) => Err(Trouble::broken(format!("{name} is not true or false"))),
        };
        let sends_iss = flag("authorization_response_iss_parameter_supported")?;
        Ok(ProviderMetadata {
            authorization_endpoint: text(&document, "authorization_endpoint")?.unwrap_or_default().to_owned(),
            token_endpoint: required("token_endpoint")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            par_endpoint: endpoint("pushed_authorization_request_endpoint")?,
            requires_par: flag("require_pushed_authorization_requests")?,
            revocation_endpoint: endpoint("revocation_endpoint")?,
            end_session_endpoint: text(&document, "end_session_endpoint")?.map(str::to_owned),
            keys: self.fetch_keys(&jwks_uri, now_ms).await?,
            prompts: prompts(&document),
            algorithms: self.algorithms(&document),
            jwks_uri: Some(jwks_uri),
            sends_iss,
            at_ms: now_ms,
            keys_at_ms: now_ms,
        })
    }

    /// Those that it announces and that may be used. It must announce some (Discovery 3); where it does not, RS256 is meant (Core 15.1).
    fn algorithms(&self, document: &Map<String, Json>) -> Vec<Algorithm> {
        let announced = match document.get("id_token_signing_alg_values_supported") {
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).filter_map(Algorithm::parse).collect(),
            _ => vec![Algorithm::RS256],
        };
        self.settings.algorithms.iter().copied().filter(|alg| announced.contains(alg)).collect()
    }

    /// An address in the provider's document. At the origin that the operator wrote it is as good as his; else it must be public.
    fn endpoint(&self, address: &str) -> Result<Target, Trouble> {
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        let is_operators = origin(address).is_some_and(|it| it.is_tuple() && Some(it) == origin(&self.settings.issuer));
        let target = if is_operators { Target::of_operator(address) } else { Target::of_document(address) };
        target.map_err(|why| Trouble::broken(format!("an endpoint of the discovery document: {why}")))
    }

    async fn fetch_keys(&self, target: &Target, now_ms: i64) -> Result<Vec<ProviderKey>, Trouble> {
        let document = self.fetch("keys", target, now_ms).await?;
        let list = document.get("keys").and_then(Json::as_array).ok_or_else(|| Trouble::broken("the key set has no array `keys`"))?;
        if list.len() > MOST_KEYS {
            return Err(Trouble::broken("the key set has more than 50 keys"));
        }
        // A key that we cannot use signs nothing for us. It does not take the others with it.
        let issuer = |jwk: &Json| jwk.get("issuer").and_then(Json::as_str).map(str::to_owned);
        Ok(list.iter().filter_map(|jwk| Some(ProviderKey { public: PublicKey::from_jwk(jwk).ok()?, issuer: issuer(jwk) })).collect())
    }

    async fn fetch(&self, call: &'static str, target: &Target, now_ms: i64) -> Result<Map<String, Json>, Trouble> {
        let answer = self.call(call, self.outgoing.get(target).header("accept", "application/json").at_most(MOST_BYTES), now_ms).await?;
        match answer.status {
            200 => jws::parse_object(&answer.body).ok_or_else(|| Trouble::broken(format!("{call}: the answer is no JSON object"))),
            status => Err(Trouble::away(format!("{call}: the answer has status {status}"))),
        }
    }
}

/// What a fetch failed by, for as long as it counts.
fn still(failed: &Option<(i64, Trouble)>, pause_ms: i64, now_ms: i64) -> Option<Trouble> {
    failed.as_ref().filter(|(at_ms, _)| (now_ms - at_ms).abs() < pause_ms).map(|(_, trouble)| trouble.clone())
}

fn prompts(document: &Map<String, Json>) -> Option<Vec<String>> {
    let all = document.get("prompt_values_supported")?.as_array()?;
    Some(all.iter().filter_map(Json::as_str).map(str::to_owned).collect())
}

fn text<'a>(document: &'a Map<String, Json>, name: &'static str) -> Result<Option<&'a str>, Trouble> {
    symbolon_oauth::claims::string(document, name).map_err(|_| Trouble::broken(format!("{name} of the discovery document is no text")))
}
