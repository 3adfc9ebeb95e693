//! The guard's half of RFC 9449 7: is the token bound, is its key proven for this very request, was the proof seen before.

use crate::replay::{Burnt, CAPACITY, Memory};
use crate::{Call, Refusal, Token, refuse};
use std::sync::Arc;
use symbolon_oauth::dpop::{self, ALGORITHMS, Expected, Proof, WINDOW_S};
use symbolon_oauth::dpop_nonce::NonceKey;
use symbolon_oauth::jwk::Algorithm;

/// A nonce is good for at least two access tokens' usual life, so that asking costs a round trip rarely.
const NONCE_S: i64 = 1_800;

/// What is configured, and what all clones of a guard remember together.
#[derive(Clone)]
pub(crate) struct Dpop {
    /// Without a trailing slash. Without one at all, DPoP is not offered: the Host header is no substitute (163-D).
    public_url: Option<String>,
    pub required: bool,
    pub nonce_required: bool,
    pub algorithms: Vec<Algorithm>,
    pub nonces: Option<NonceKey>,
    pub memory: Arc<Memory>,
}

/// What binds a token.
enum Holder<'a> {
    /// Whoever has it, as far as DPoP is concerned.
    Anyone,
    Key(&'a str),
    /// Something we cannot read.
    Other,
}

fn holder(token: &Token) -> Holder<'_> {
    let Some(cnf) = &token.cnf else {
        // RFC 9449 6.2: an introspected token may also say it by its type; one that says so without a key is nobody's.
        let says_dpop = token.extra.get("token_type").and_then(|it| it.as_str()).is_some_and(|it| it.eq_ignore_ascii_case("dpop"));
        return if says_dpop { Holder::Other } else { Holder::Anyone };
    };
    // A member that is not understood may be a condition that is not met. The certificate is `certificate::must_fit`'s.
    let understood = cnf.as_object().filter(|it| !it.is_empty() && it.keys().all(|it| it == "jkt" || it == "x5t#S256"));
    match understood.map(|it| it.get("jkt").map(serde_json::Value::as_str)) {
        Some(Some(Some(jkt))) => Holder::Key(jkt),
        Some(None) => Holder::Anyone,
        Some(Some(None)) | None => Holder::Other,
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
            tracing::error!(url, "the public URL is not an absolute http or https URL: no DPoP proof will fit it");
        }
        self.public_url = Some(url.strip_suffix('/').unwrap_or(url).to_owned());
    }

    pub fn offered(&self) -> bool {
        self.public_url.is_some()
    }

    pub fn algs(&self) -> String {
        dpop::algs(&self.algorithms)
    }

    /// For a token presented as Bearer. RFC 9449 7.2: a bound one MUST be refused.
    pub fn must_be_unbound(&self, token: &Token) -> Result<(), Refusal> {
        match holder(token) {
            Holder::Anyone => Ok(()),
            Holder::Key(_) if self.offered() => {
                Err(refuse("This token is bound to a key. Send it as Authorization: DPoP, with a DPoP header that proves the key."))
            }
            Holder::Key(_) | Holder::Other => Err(refuse("This token is bound to a key, and the request does not prove the key.")),
        }
    }

    /// For a token presented as DPoP: all of RFC 9449 4.3 but the replay, which is last and the caller's to ask for.
    pub fn prove(&self, call: &Call<'_>, text: &str, token: &Token, now_s: i64) -> Result<Proof, Refusal> {
        let Some(base) = &self.public_url else { return Err(self.not_offered()) };
        let jkt = match holder(token) {
            Holder::Key(jkt) => jkt,
            Holder::Anyone => return Err(refuse("This token is not bound to a key. Send it as a Bearer token, or ask for a bound one.")),
            Holder::Other => return Err(refuse("This token is bound in a way that this API does not check.")),
        };
        let header = one_header(call)?;
        let url = format!("{base}/{}", call.path.strip_prefix('/').unwrap_or(call.path));
        let expected =
            Expected { method: call.method, url: &url, access_token: Some(text), now_s, window_s: WINDOW_S, algorithms: &self.algorithms };
        let proof = dpop::check(header, &expected).map_err(|it| Refusal::Proof(it.reason()))?;
        if proof.jkt != jkt {
            return Err(refuse("The proof was made with another key than the one the token is bound to."));
        }
        match &proof.nonce {
            Some(nonce) if !self.is_ours(nonce, now_s) => Err(self.ask_for_a_nonce(now_s)),
            None if self.nonce_required => Err(self.ask_for_a_nonce(now_s)),
            Some(_) | None => Ok(proof),
        }
    }

    fn not_offered(&self) -> Refusal {
        if self.required {
            tracing::error!("DPoP is required and the guard has no public_url: nobody can get in");
            return Refusal::Unavailable;
        }
        refuse("This API takes Bearer tokens.")
    }

    /// After everything else, so that only a good proof takes a place (168-D). A proof seen before may be an answer that was
    /// lost: the app is asked for a new proof rather than sent away, and a thief cannot make one.
    pub fn burn(&self, proof: &Proof, now_s: i64) -> Result<(), Refusal> {
        match self.memory.burn(proof.once(), &proof.jkt, proof.last_s(WINDOW_S), now_s, proof.nonce.is_some()) {
            Burnt::First => Ok(()),
            Burnt::Seen => Err(self.ask_for_a_nonce(now_s)),
            Burnt::Full => {
                tracing::warn!("the memory for DPoP proofs is full");
                Err(self.ask_for_a_nonce(now_s))
            }
        }
    }

    /// The nonce to send along with an answer, where the app knows an older one (RFC 9449 8.2).
    pub fn next_nonce(&self, proof: &Proof, now_s: i64) -> Option<String> {
        let next = self.nonces.as_ref()?.make(now_s);
        proof.nonce.as_ref().is_some_and(|it| *it != next).then_some(next)
    }

    fn is_ours(&self, nonce: &str, now_s: i64) -> bool {
        self.nonces.as_ref().is_some_and(|it| it.check(nonce, now_s, NONCE_S))
    }

    fn ask_for_a_nonce(&self, now_s: i64) -> Refusal {
        self.nonces.as_ref().map_or(Refusal::Unavailable, |it| Refusal::Nonce(it.make(now_s)))
    }
}

/// RFC 9449 4.3 1.
fn one_header<'a>(call: &Call<'a>) -> Result<&'a str, Refusal> {
    let mut all = call.headers.get_all("dpop").iter();
    let first = all.next().ok_or(Refusal::Proof("there is no DPoP header"))?;
    if all.next().is_some() {
        return Err(Refusal::Proof("there is more than one DPoP header"));
    }
    first.to_str().map_err(|_| Refusal::Proof("the proof is not one compact JWT"))
}
