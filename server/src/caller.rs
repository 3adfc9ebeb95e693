//! Who is calling: client identification and authentication, the same at every endpoint. RFC 6749 2.3; RFC 7523 with
//! 7523bis (an assertion's audience is the issuer, alone, as a string); RFC 9700 2.5.

use crate::attesting::instance::{Instance, use_challenge};
use crate::attesting::{Attesting, authentication, devices};
use crate::certificates::{self, Anchors};
use crate::config::{Client, ClientAuthentication, Dpop, NamedClient, Secret, Tier, TierName};
use crate::core::Core;
use crate::dpop::{self, ProvedKey};
use crate::error::{Error, Fault, Refused, Result};
use crate::limits::Limits;
use crate::login::accounts::Hashers;
use crate::store::{Applied, Change, NotApplied};
use crate::stored_bytes::Writer;
use crate::web::certificate::Binding;
use crate::web::country::Country;
use crate::web::request::Incoming;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use symbolon_oauth::client_assertion::{self, Assertion};
use symbolon_oauth::form::Form;
use symbolon_oauth::jws::Unverified;
use symbolon_oauth::{base64url, digest};

/// The caller of a request, identified; authenticated as far as its registration asks.
pub struct Caller {
    pub client_id: String,
    pub client: Arc<Client>,
    /// The client proved itself by a secret or a key; false for public clients.
    pub authenticated: bool,
    pub address: IpAddr,
    pub country: Option<Country>,
    pub now_ms: i64,
    /// The key the request proved (RFC 9449), where the endpoint takes proofs.
    pub key: Option<ProvedKey>,
    /// The installation the request comes from, where the client is attested.
    pub instance: Option<Instance>,
    /// What the installation proved; `None`: the client has no rules for installations.
    pub tier: Option<TierName>,
    /// The certificate that tokens of this client are bound to (RFC 8705 3).
    pub certificate: Option<Binding>,
    /// What the request says, without the proof of the client: a request that is sent again has the same. For plug-ins alone.
    pub words: [u8; 32],
    assertion: Option<Assertion>,
}

/// Not part of what a request says: they differ each time, or are secret.
const PROOFS: [&str; 3] = ["client_assertion", "client_assertion_type", "client_secret"];

fn words_of(core: &Core, form: &Form) -> [u8; 32] {
    if core.config.plugin.is_empty() {
        return [0; 32];
    }
    let mut said: Vec<(&str, &str)> = form.iter().filter(|(name, _)| !PROOFS.contains(name)).collect();
    said.sort_unstable();
    digest::sha256(format!("{said:?}").as_bytes())
}

/// Which statements of a change spend what the caller may use once.
#[derive(Default)]
pub struct Burnt {
    assertion: Option<usize>,
    proof: Option<usize>,
    pop: Option<usize>,
}

impl Burnt {
    pub fn is_empty(&self) -> bool {
        self.assertion.is_none() && self.proof.is_none() && self.pop.is_none()
    }

    /// The answer to a conflict at one of those statements.
    pub fn refusal(&self, at: usize) -> Option<Refused> {
        if self.assertion == Some(at) {
            return Some(replayed_assertion());
        }
        if self.pop == Some(at) {
            return Some(use_challenge().because("this PoP was used before"));
        }
        (self.proof == Some(at)).then(|| dpop::use_nonce().because("this proof was used before"))
    }

    /// The outcome of a change that spends what the caller may use once. If that was spent before, nothing has changed, and the error says so.
    pub fn applied(&self, outcome: std::result::Result<Applied, NotApplied>) -> Result<()> {
        match outcome {
            Ok(_) => Ok(()),
            Err(NotApplied::Conflict(at)) if self.refusal(at).is_some() => Err(self.refused(at)),
            Err(other) => Err(other.into()),
        }
    }

    /// The same as an error, for the arm of a match that knows there is one.
    pub fn refused(&self, at: usize) -> Error {
        self.refusal(at).unwrap_or_else(replayed_assertion).into()
    }
}

impl Caller {
    /// Spends the caller's assertion and proof in the change it asks for, so that they work once (103-T, 166-D).
    pub fn burn(&self, change: &mut Change) -> Burnt {
        let assertion = self.assertion.as_ref().map(|it| change.once("client_assertion", &self.client_id, &it.jti, it.exp_s * 1000));
        let proof = self.key.as_ref().map(|it| it.burn(change));
        Burnt { assertion, proof, pop: self.instance.as_ref().and_then(|it| it.burn(change)) }
    }

    /// What the tier may have, where there are tiers.
    pub fn tier_rules(&self) -> Option<&Tier> {
        self.client.attestation.as_ref()?.tier(self.tier?)
    }

    /// It is no stranger: what it asks for has entries in the audit, which strangers must not fill.
    pub fn is_proved(&self) -> bool {
        self.authenticated || self.instance.is_some()
    }

    /// Who pays for what it has written. Whoever proved nothing is one of its network.
    pub fn writer(&self) -> Writer<'_> {
        if self.authenticated { Writer::Client(&self.client_id) } else { Writer::Network(self.address) }
    }

    /// The thumbprint of the proved key.
    pub fn jkt(&self) -> Option<&str> {
        self.key.as_ref().map(|it| it.jkt.as_str())
    }

    pub fn must_allow(&self, grant_type: &str) -> Result<()> {
        if self.client.allows_grant(grant_type) {
            return Ok(());
        }
        Err(Refused::bad_request("unauthorized_client", "This client is not registered for that grant_type.")
            .because(format!("{} asked for {grant_type}", self.client_id))
            .into())
    }
}

fn replayed_assertion() -> Refused {
    invalid_client("The client assertion was used before; make a new one for every request.")
}

fn invalid_client(hint: &'static str) -> Refused {
    Refused::new(401, "invalid_client", hint)
}

/// What a request carries to prove its client.
enum ClientProof {
    None,
    Basic(String),
    Post(String),
    Assertion(String),
}

impl ClientProof {
    fn assertion(&self) -> Option<&str> {
        match self {
            Self::Assertion(text) => Some(text),
            Self::None | Self::Basic(_) | Self::Post(_) => None,
        }
    }
}

/// A secret as somebody shows it, and the name of whoever it is of.
#[derive(Clone, Copy)]
struct ShownSecret<'a> {
    name: &'a str,
    secret: &'a str,
}

/// Who calls where clients and APIs may.
pub enum ClientOrApi {
    Client(Box<Caller>),
    /// Its name.
    Api(String),
}

/// What tells who is calling, beside the core.
pub struct Callers {
    pub attesting: Attesting,
    /// The CAs of clients that show certificates, by client.
    anchors: BTreeMap<String, Anchors>,
    hashers: Hashers,
}

impl Callers {
    pub fn new(attesting: Attesting, anchors: BTreeMap<String, Anchors>, hashers: Hashers) -> Self {
        Self { attesting, anchors, hashers }
    }

    /// Identifies the client of a form request and checks its proof.
    pub async fn identify(&self, core: &Core, incoming: &Incoming) -> Result<Caller> {
        let (client_id, proof) = presented(incoming)?;
        let unknown = || invalid_client("There is no such client, or it is disabled.").because(format!("client {client_id:?}"));
        let client = core.meet(&client_id, incoming.address).await?.ok_or_else(unknown)?;
        let signed = [proof.assertion(), incoming.form.get("request")];
        let client = core.clients.for_signatures(&client_id, client, signed).await?.ok_or_else(unknown)?;
        // RFC 9449 5 and 10.1: the token endpoint, PAR and revocation take proofs. Elsewhere the header means nothing, unless
        // it proves an attested key.
        let takes_proof = incoming.route.takes_proof() || authentication::by_dpop(incoming, &client);
        let key = if takes_proof { dpop::of_request(core, incoming, None)? } else { None };
        let named = NamedClient { client_id: &client_id, client: &client };
        let own = self.authenticate(core, incoming, named, proof).await?;
        let slot = if own.proved { &incoming.known.client } else { &incoming.known.unproved_client };
        let _ = slot.set(client_id.clone());
        let attested = authentication::of_request(&self.attesting, core, incoming, named, key.as_ref()).await?;
        let unattested = client.attestation.is_some() && attested.is_none();
        if unattested && key.is_none() && incoming.route.takes_proof() {
            let hint = "Without an attestation this client must prove a key: send a DPoP header (RFC 9449).";
            return Err(Refused::bad_request("invalid_dpop_proof", hint).into());
        }
        let tier = client.attestation.as_ref().and_then(|rules| {
            let name = attested.as_ref().map_or(TierName::None, |it| it.tier);
            rules.tier(name).map(|_| name)
        });
        let authenticated =
            own.proved || (client.authentication.attests() && attested.as_ref().is_some_and(|it| it.tier != TierName::None));
        let (instance, assertion) = (attested.or(own.device), own.assertion);
        if let Some(instance) = &instance {
            let _ = (incoming.known.client.set(client_id.clone()), incoming.known.instance.set(instance.jkt.clone()));
        }
        if key.is_none() && incoming.route.issues_tokens && client.dpop == Dpop::Required {
            let hint = "This client is registered to prove a key: send a DPoP header (RFC 9449).";
            return Err(Refused::bad_request("invalid_dpop_proof", hint).into());
        }
        let certificate = match (&incoming.certificate, client.tls_client_certificate_bound_access_tokens) {
            (Some(shown), true) => Some(shown.binding()?),
            (None, true) if incoming.route.issues_tokens => {
                let hint = "This client's tokens are bound to its certificate: use the mtls_endpoint_aliases of the metadata.";
                return Err(invalid_client(hint).because("no client certificate").into());
            }
            _ => None,
        };
        let (address, country, now_ms) = (incoming.address, incoming.country, incoming.now_ms);
        let words = words_of(core, &incoming.form);
        Ok(Caller { client_id, client, authenticated, address, country, now_ms, key, instance, tier, certificate, words, assertion })
    }

    /// The client's own proof. That of an installation (`authentication::of_request`) is judged beside every method alike.
    async fn authenticate(&self, core: &Core, incoming: &Incoming, named: NamedClient<'_>, proof: ClientProof) -> Result<Own> {
        use ClientAuthentication as Method;
        let NamedClient { client_id, client } = named;
        let proved = Own { proved: true, ..Own::default() };
        match (client.authentication, proof) {
            (Method::None | Method::AttestJwtClientAuth | Method::AttestJwtClientAuthDpop, ClientProof::None) => Ok(Own::default()),
            (Method::TlsClientAuth | Method::SelfSignedTlsClientAuth, ClientProof::None) => {
                let device = certificates::authenticate(&self.anchors, incoming, client_id, client)?;
                if let Some(device) = &device {
                    devices::must_be_welcome(core, incoming, client_id, device).await?;
                }
                Ok(Own { device, ..proved })
            }
            (Method::ClientSecretBasic, ClientProof::Basic(secret)) | (Method::ClientSecretPost, ClientProof::Post(secret)) => {
                self.check_secret(core, incoming, named, &secret).await?;
                Ok(proved)
            }
            (Method::PrivateKeyJwt, ClientProof::Assertion(text)) => {
                let alg = Unverified::parse(&text).ok().and_then(|it| it.alg());
                if client.token_endpoint_auth_signing_alg.is_some_and(|wanted| alg != Some(wanted)) {
                    let hint = "This client signs its assertions with the algorithm of its token_endpoint_auth_signing_alg, and no other.";
                    return Err(invalid_client(hint).into());
                }
                if !client.may_sign_with(alg) {
                    return Err(invalid_client("This client's profile does not allow RS256; sign with PS256, ES256 or EdDSA.").into());
                }
                let keys = client
                    .jwks
                    .as_ref()
                    .and_then(|it| it.keys().ok())
                    .ok_or_else(|| Fault::new(format!("client {client_id} has no usable jwks")))?;
                let checked =
                    client_assertion::check(&text, keys, client_id, &core.config.issuer, incoming.now_ms / 1000).map_err(invalid_client)?;
                if core.recovery.is_forgotten_s(checked.made_s) {
                    return Err(invalid_client("The client assertion was made before this server was restored; make a new one.").into());
                }
                Ok(Own { assertion: Some(checked), ..proved })
            }
            (_, ClientProof::None) => Err(invalid_client("This client must authenticate.").into()),
            _ => Err(invalid_client("This client is registered for another way of authentication.").into()),
        }
    }

    /// A client's secret over HTTP Basic or in the form.
    async fn check_secret(&self, core: &Core, incoming: &Incoming, named: NamedClient<'_>, secret: &str) -> Result<()> {
        let NamedClient { client_id, client } = named;
        let stored = client.secret.as_ref().ok_or_else(|| Fault::new(format!("client {client_id} has no secret")))?;
        if self.fits(core, incoming, stored, ShownSecret { name: client_id, secret }).await? {
            return Ok(());
        }
        Err(invalid_client("The client secret is wrong.").into())
    }

    /// An API that introspects: its name and secret over HTTP Basic. `None` when the caller is not an API.
    pub async fn api(&self, core: &Core, incoming: &Incoming) -> Result<Option<String>> {
        let Some((name, secret)) = incoming.header("authorization").and_then(parse_basic) else { return Ok(None) };
        let Some(stored) = core.config.api.get(&name).and_then(|it| it.introspection_secret.as_ref()) else { return Ok(None) };
        let caller = format!("api {name}");
        if self.fits(core, incoming, stored, ShownSecret { name: &caller, secret: &secret }).await? {
            let _ = incoming.known.client.set(caller);
            return Ok(Some(name));
        }
        Err(invalid_client("The API's introspection secret is wrong.").into())
    }

    /// Whoever's name and secret come along.
    pub async fn client_or_api(&self, core: &Core, incoming: &Incoming) -> Result<ClientOrApi> {
        match self.api(core, incoming).await? {
            Some(name) => Ok(ClientOrApi::Api(name)),
            None => Ok(ClientOrApi::Client(Box::new(self.identify(core, incoming).await?))),
        }
    }

    /// Compares a secret with its digest, once per process. Wrong ones are limited per client and address. Guessing is slow, while the
    /// rightful client, calling from elsewhere, is served (125-T). Secrets that nobody has proved yet are checked one after the other. Of
    /// many right ones at once only the first is hashed and counted.
    async fn fits(&self, core: &Core, incoming: &Incoming, stored: &Secret, shown: ShownSecret<'_>) -> Result<bool> {
        let ShownSecret { name, secret } = shown;
        if secret.len() > 256 {
            return Ok(false);
        }
        let (_, seen) = core.keyring.mac("proven-secret", &[name.as_bytes(), stored.as_str().as_bytes(), secret.as_bytes()]);
        let proved = || core.limits.proven_secrets.get(name).is_some_and(|it| digest::equal(&it, &seen));
        if proved() {
            return Ok(true);
        }
        let busy = || Refused::new(503, "temporarily_unavailable", "The server is stopping; try again.").retry_after(1);
        let _turn = core.limits.proving.acquire().await.map_err(|_| busy())?;
        if proved() {
            return Ok(true);
        }
        let bucket = Limits::bucket(&[name, &Limits::line(incoming.address)]);
        if core.limits.wrong_secrets.check_key(&bucket).is_err() {
            return Err(Refused::new(429, "invalid_client", "Too many attempts; wait before trying again.").retry_after(60).into());
        }
        let fits = match stored.fits_key(&core.keyring, secret) {
            Some(known) => known,
            None => self.hashers.verify_secret(stored.as_str(), secret).await?,
        };
        if !fits {
            return Ok(false);
        }
        core.limits.proven_secrets.insert(name.to_owned(), seen);
        Ok(true)
    }
}

/// Who a request says it is from, for the log.
pub fn claimed_client(incoming: &Incoming) -> Option<String> {
    presented(incoming).ok().map(|(id, _)| id)
}

/// Reads the client's id and the one proof. More than one proof is refused (099-T).
fn presented(incoming: &Incoming) -> Result<(String, ClientProof)> {
    let form = &incoming.form;
    let basic = match incoming.headers.get_all("authorization").iter().count() {
        0 => None,
        1 => Some(shown_by_basic(incoming.header("authorization").unwrap_or_default())?),
        _ => return Err(Refused::bad_request("invalid_request", "There is more than one Authorization header.").into()),
    };
    let secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    if form.was_empty("client_secret") || form.was_empty("client_assertion") {
        return Err(invalid_client("The client secret or assertion is empty.").into());
    }
    if [basic.is_some(), secret.is_some(), assertion.is_some()].iter().filter(|it| **it).count() > 1 {
        return Err(Refused::bad_request("invalid_request", "Use one way of client authentication per request.").into());
    }
    let named = form.get("client_id");
    let agree = |id: &str| named.is_none_or(|it| it == id);
    let differ = || Refused::bad_request("invalid_request", "client_id differs from the authenticated client.");
    if let Some((id, secret)) = basic {
        return if agree(&id) { Ok((id, ClientProof::Basic(secret))) } else { Err(differ().into()) };
    }
    if let Some(text) = assertion {
        check_assertion_type(form)?;
        let id = client_assertion::unverified_client_id(text)
            .ok_or_else(|| invalid_client("client_assertion is not a signed JWT with iss and sub."))?;
        return if agree(&id) { Ok((id, ClientProof::Assertion(text.to_owned()))) } else { Err(differ().into()) };
    }
    let attested = authentication::named_client(incoming)?;
    if let (Some(attested), Some(named)) = (&attested, named)
        && attested != named
    {
        return Err(differ().into());
    }
    let Some(id) = named.or(attested.as_deref()) else {
        return Err(invalid_client("The request names no client: send client_id or authenticate.").into());
    };
    Ok((id.to_owned(), secret.map_or(ClientProof::None, |it| ClientProof::Post(it.to_owned()))))
}

/// The id and the secret of a header, or what is wrong with it. An empty secret is not none (109-T).
fn shown_by_basic(header: &str) -> Result<(String, String)> {
    let malformed = "The Authorization header is not well-formed HTTP Basic (form-encoded id and secret, then base64).";
    let (id, secret) = read_basic(header).ok_or_else(|| invalid_client(malformed))?;
    if secret.is_empty() {
        let hint = "The client secret in the Authorization header is empty; a client without a secret sends client_id in the form.";
        return Err(invalid_client(hint).because("an empty secret").into());
    }
    Ok((id, secret))
}

fn check_assertion_type(form: &Form) -> Result<()> {
    if form.get("client_assertion_type") == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Ok(());
    }
    Err(Refused::bad_request("invalid_request", "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.")
        .into())
}

/// RFC 6749 2.3.1: base64 of form-encoded id, colon, form-encoded secret. Strict (108-T).
pub fn parse_basic(header: &str) -> Option<(String, String)> {
    read_basic(header).filter(|(_, secret)| !secret.is_empty())
}

/// The same. The secret may be empty, so that whoever sent it can be told.
fn read_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() % 4 != 0 || encoded.contains(['-', '_']) {
        return None;
    }
    let url_alphabet: String = encoded
        .trim_end_matches('=')
        .chars()
        .map(|it| match it {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    let text = String::from_utf8(base64url::decode(&url_alphabet)?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        if part.is_empty() || part.contains(['&', '=']) {
            return None;
        }
        Form::parse(format!("v={part}").as_bytes()).ok()?.get("v").map(str::to_owned)
    };
    Some((decode(id)?, if secret.is_empty() { String::new() } else { decode(secret)? }))
}

/// What came of a client's own proof.
#[derive(Default)]
struct Own {
    proved: bool,
    assertion: Option<Assertion>,
    /// The managed device behind the certificate.
    device: Option<Instance>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 108-T
    #[test]
    fn basic_is_read_strictly() {
        assert_eq!(parse_basic("Basic c2hvcDpzM2NyZXQ="), Some(("shop".into(), "s3cret".into())));
        for bad in ["Basic c2hvcDpzM2NyZXQ", "Basic  c2hvcDpzM2NyZXQ=", "Basic c2hvcA==", "Basic c2hvcDo=", "Bearer c2hvcDpzM2NyZXQ="] {
            assert_eq!(parse_basic(bad), None, "{bad}");
        }
        assert_eq!(read_basic("Basic c2hvcDo="), Some(("shop".into(), String::new())));
        assert_eq!(read_basic("Basic OnMzY3JldA=="), None, "no id");
    }
}
