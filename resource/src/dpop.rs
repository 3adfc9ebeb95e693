//! The API's part of RFC 9449 7. Is the token bound? Does the request prove its key? Was the proof used before?

use crate::replay::{CAPACITY, Memory, Use, Used};
use crate::{Call, Confirmation, Refusal, Token, refuse};
use std::sync::Arc;
use symbolon_oauth::dpop::{self, ALGORITHMS, Expected, NONCE_WINDOW_S, Proof, WINDOW_S};
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jwk::Algorithm;

/// A nonce is valid for longer than two usual access tokens, so that a new one rarely costs a round trip.
const NONCE_S: i64 = 1_800;

/// The settings, and the memory that all clones of a guard share.
#[derive(Clone)]
pub(crate) struct Dpop {
    /// Without a trailing slash. `None`: DPoP is not offered. The Host header is no substitute for it (163-D).
    public_url: Option<String>,
    pub required: bool,
    pub nonce_required: bool,
    pub algorithms: Vec<Algorithm>,
    pub nonces: Option<NonceKey>,
    pub memory: Arc<Memory>,
}

/// What binds a token, as far as DPoP is concerned.
enum Binding<'a> {
    None,
    Key(&'a str),
    /// A condition that this file does not understand.
    Unknown,
}

fn binding(token: &Token) -> Binding<'_> {
    match &token.cnf {
        Some(Confirmation::Known { jkt: Some(jkt), .. }) => Binding::Key(jkt),
        // `certificate::must_match` checks the certificate.
        Some(Confirmation::Known { jkt: None, .. }) => Binding::None,
        Some(Confirmation::Unknown(_)) => Binding::Unknown,
        None => {
            // RFC 9449 6.2: the type of an introspected token may also say that it is bound. Without a key, nobody may use such a token.
            let is_dpop = token.extra.get("token_type").and_then(|it| it.as_str()).is_some_and(|it| it.eq_ignore_ascii_case("dpop"));
            if is_dpop { Binding::Unknown } else { Binding::None }
        }
    }
}

impl Dpop {
    pub fn new(audience: &str) -> Self {
        Self {
            public_url: None,
            required: false,
            nonce_required: false,
            algorithms: ALGORITHMS.to_vec(),
            nonces: NonceKey::random(audience).ok(),
            memory: Arc::new(Memory::new(CAPACITY)),
        }
    }

    pub fn set_public_url(&mut self, url: &str) {
        if !dpop::same_htu(url, url) || url.contains(['?', '#']) {
            tracing::error!(url, "the public URL is not an absolute http or https URL: no DPoP proof can match it");
        }
        self.public_url = Some(url.strip_suffix('/').unwrap_or(url).to_owned());
    }

    pub fn offered(&self) -> bool {
        self.public_url.is_some()
    }

    pub fn algs(&self) -> String {
        dpop::algs(&self.algorithms)
    }

    /// For a token that is presented as Bearer. RFC 9449 7.2: a bound token MUST be refused.
    pub fn must_be_unbound(&self, token: &Token) -> Result<(), Refusal> {
        match binding(token) {
            Binding::None => Ok(()),
            Binding::Key(_) if self.offered() => {
                Err(refuse("This token is bound to a key. Send it as Authorization: DPoP, with a DPoP header that proves the key."))
            }
            Binding::Key(_) | Binding::Unknown => Err(refuse("This token is bound to a key, and the request does not prove the key.")),
        }
    }

    /// For a token that is presented as DPoP: all of RFC 9449 4.3 but the replay. The caller asks for that last, with `use_once`.
    pub fn check_proof(&self, call: &Call<'_>, text: &str, token: &Token, now_s: i64) -> Result<Proof, Refusal> {
        let Some(base) = &self.public_url else { return Err(self.refuse_dpop()) };
        let jkt = match binding(token) {
            Binding::Key(jkt) => jkt,
            Binding::None => return Err(refuse("This token is not bound to a key. Send it as a Bearer token, or ask for a bound one.")),
            Binding::Unknown => return Err(refuse("This token is bound in a way that this API does not check.")),
        };
        let header = single_header(call)?;
        let url = format!("{base}/{}", call.path.strip_prefix('/').unwrap_or(call.path));
        let expected = Expected {
            method: call.method,
            url: &url,
            access_token: Some(text),
            now_s,
            window_s: NONCE_WINDOW_S,
            algorithms: &self.algorithms,
        };
        let proof = dpop::check(header, &expected).map_err(|it| Refusal::Proof(it.reason()))?;
        if proof.jkt != jkt {
            return Err(refuse("The proof was made with another key than the one the token is bound to."));
        }
        match &proof.nonce {
            Some(nonce) if !self.is_ours(nonce, now_s) => Err(self.nonce_challenge(now_s)),
            Some(_) => Ok(proof),
            None if self.nonce_required => Err(self.nonce_challenge(now_s)),
            // With a nonce a clock may be further off.
            None => match proof.must_be_near(now_s, WINDOW_S) {
                Ok(()) => Ok(proof),
                Err(_) if self.nonces.is_some() => Err(self.nonce_challenge(now_s)),
                Err(far) => Err(Refusal::Proof(far.reason())),
            },
        }
    }

    fn refuse_dpop(&self) -> Refusal {
        if self.required {
            tracing::error!("DPoP is required and the guard has no public_url: every call is refused");
            return Refusal::Unavailable;
        }
        refuse("This API takes Bearer tokens.")
    }

    /// Runs after all other checks, so that only a valid proof takes room (168-D). After a lost answer an app may send its proof again.
    /// It is then asked for a new proof, which a thief cannot make.
    pub fn use_once(&self, proof: &Proof, now_s: i64) -> Result<(), Refusal> {
        let has_nonce = proof.nonce.is_some();
        let last_s = proof.last_s(if has_nonce { NONCE_WINDOW_S } else { WINDOW_S });
        let used = Used { once: proof.once(), jkt: &proof.jkt, last_s, has_nonce };
        match self.memory.remember(used, now_s) {
            Use::First => Ok(()),
            Use::Repeated => Err(self.nonce_challenge(now_s)),
            Use::Unknown => {
                tracing::warn!("the memory for DPoP proofs is full");
                Err(self.nonce_challenge(now_s))
            }
        }
    }

    /// The nonce to send with an answer, if the app has an older one (RFC 9449 8.2).
    pub fn next_nonce(&self, proof: &Proof, now_s: i64) -> Option<String> {
        let next = self.nonces.as_ref()?.make(now_s);
        proof.nonce.as_ref().is_some_and(|it| *it != next).then_some(next)
    }

    fn is_ours(&self, nonce: &str, now_s: i64) -> bool {
        self.nonces.as_ref().is_some_and(|it| it.check(nonce, now_s, NONCE_S))
    }

    fn nonce_challenge(&self, now_s: i64) -> Refusal {
        self.nonces.as_ref().map_or(Refusal::Unavailable, |it| Refusal::Nonce(it.make(now_s)))
    }
}

/// RFC 9449 4.3 1.
fn single_header<'a>(call: &Call<'a>) -> Result<&'a str, Refusal> {
    let mut all = call.headers.get_all("dpop").iter();
    let first = all.next().ok_or(Refusal::Proof("there is no DPoP header"))?;
    if all.next().is_some() {
        return Err(Refusal::Proof("there is more than one DPoP header"));
    }
    first.to_str().map_err(|_| Refusal::Proof("the proof is not one compact JWT"))
}
