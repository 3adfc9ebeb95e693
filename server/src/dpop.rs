//! Proof of possession at this server: RFC 9449 at PAR, the token endpoint and userinfo. The proof's rules are
//! `symbolon_oauth::dpop`; here are our URL, our nonces, and the single use.

use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::store::Change;
use crate::web::request::Incoming;
use symbolon_oauth::base64url;
use symbolon_oauth::dpop::{self, Expected, NONCE_WINDOW_S, Rejected, WINDOW_S};
use symbolon_oauth::jwk::PublicKey;

/// A key the request proved that it holds.
#[derive(Clone, Debug)]
pub struct ProvedKey {
    /// RFC 7638 thumbprint.
    pub jkt: String,
    pub key: PublicKey,
    once: [u8; 32],
    last_ms: i64,
}

impl ProvedKey {
    /// Spends the proof in the change it asks for; answers the index a conflict names (166-D).
    pub fn burn(&self, change: &mut Change) -> usize {
        change.once("dpop", &self.jkt, &base64url::encode(&self.once), self.last_ms)
    }
}

/// The key behind the request's `DPoP` header. `None`: there is no such header. `access_token`: the token sent along.
pub fn of_request(core: &Core, incoming: &Incoming, access_token: Option<&str>) -> Result<Option<ProvedKey>> {
    let mut headers = incoming.headers.get_all("dpop").iter();
    let Some(header) = headers.next() else { return Ok(None) };
    let refused = |hint| Refused::bad_request("invalid_dpop_proof", hint);
    if headers.next().is_some() {
        return Err(refused("There is more than one DPoP header.").into());
    }
    let text = header.to_str().map_err(|_| refused("The DPoP header is not text."))?;
    let check = |url: &str| {
        let expected = Expected {
            method: incoming.method.as_str(),
            url,
            access_token,
            now_s: incoming.now_ms / 1000,
            window_s: NONCE_WINDOW_S,
            algorithms: &core.config.dpop.algorithms,
        };
        dpop::check(text, &expected)
    };
    let proof = match (check(&core.url(incoming.route.path)), alias(core, incoming)) {
        (Err(Rejected::Url), Some(alias)) => check(&alias),
        (checked, _) => checked,
    };
    let proof = proof.map_err(|it| refused(it.reason()))?;
    let has_nonce = proof.nonce.as_deref().is_some_and(|it| is_nonce(core, it, incoming.now_ms));
    if core.config.dpop.nonce && !has_nonce {
        return Err(use_nonce().because(if proof.nonce.is_some() { "a nonce that is old or not ours" } else { "no nonce" }).into());
    }
    if !has_nonce && core.recovery.is_forgotten_s(proof.iat) {
        return Err(use_nonce().because("a proof of before the recovery").into());
    }
    if !has_nonce {
        proof.must_be_near(incoming.now_ms / 1000, WINDOW_S).map_err(|it| refused(it.reason()))?;
    }
    // The wider window for each proof: what is remembered of one never depends on whether its nonce is still good.
    let (once, last_ms) = (proof.once(), proof.last_s(NONCE_WINDOW_S) * 1000);
    Ok(Some(ProvedKey { jkt: proof.jkt, key: proof.key, once, last_ms }))
}

/// The same where the row requires a proof: without a header no request gets here (`Route::must_come_with_proof`).
pub fn required_key(core: &Core, incoming: &Incoming) -> Result<ProvedKey> {
    let missing = || Fault::new(format!("the row of {} requires no proof", incoming.route.path));
    Ok(of_request(core, incoming, None)?.ok_or_else(missing)?)
}

/// RFC 8705 5: the endpoint has a second name in `mtls_endpoint_aliases`, and a proof may name that, with a certificate or without one.
fn alias(core: &Core, incoming: &Incoming) -> Option<String> {
    let mtls = core.config.mtls.as_ref().filter(|_| incoming.route.takes_certificate())?;
    Some(format!("{}{}", mtls.url, incoming.route.path))
}

/// RFC 9449 8. Also the answer to a proof that was seen before: a client that sent its request twice simply sends a new proof.
pub fn use_nonce() -> Refused {
    Refused::bad_request("use_dpop_nonce", "Send the request again with a new proof that carries the nonce of the DPoP-Nonce header.")
}

/// The nonce of this moment, for the `DPoP-Nonce` header.
pub fn nonce(core: &Core, now_ms: i64) -> Option<String> {
    core.dpop_nonces.make(now_ms / 1000)
}

/// Good for twice the longest access token, so that a refresh with the nonce of the last answer needs one round trip.
pub fn is_nonce(core: &Core, nonce: &str, now_ms: i64) -> bool {
    let longest_s = core.config.api.values().map(|it| it.lifetime.0).max().unwrap_or(0);
    let max_age_s = (2 * longest_s).max(1800);
    core.dpop_nonces.check(nonce, now_ms / 1000, max_age_s)
}
