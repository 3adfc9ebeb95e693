//! Attestation-based client authentication. draft-ietf-oauth-attestation-based-client-auth-11, and the editors' copy that becomes -12.
//! An attester vouches for the key of one installation. The installation proves that it holds the key, by a PoP JWT or by a DPoP proof.
//! MACs instead of signatures, and `jku`, are left out.

use crate::base64;
use crate::certificate;
use crate::claims;
use crate::jwk::{Algorithm, KeySet, PrivateKey, PublicKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::{Map, Value, json};
use std::ops::Range;

pub const TYP: &str = "oauth-client-attestation+jwt";
pub const POP_TYP: &str = "oauth-client-attestation-pop+jwt";
/// How far a PoP's `iat` may be from now, in either direction. Its challenge, which the caller checks, says when it was made: clocks of
/// phones may be as wrong as beside a DPoP nonce.
pub const POP_WINDOW_S: i64 = crate::dpop::NONCE_WINDOW_S;
const FUTURE_S: i64 = 60;
/// The longest lifetime that an attestation may have, whatever the policy says.
pub const MAX_LIFETIME_S: i64 = 31 * 86_400;
/// The longest `x5c` that is read.
pub const MAX_CERTIFICATES: usize = 4;

/// An attestation that a key of a trusted attester signed.
#[derive(Clone, Debug)]
pub struct Attestation {
    pub client_id: String,
    /// The installation's public key (`cnf.jwk`).
    pub key: PublicKey,
    pub iat: i64,
    pub exp: i64,
    /// Not before this, and not before `iat`.
    pub nbf: Option<i64>,
    /// All claims. Policies read some of them.
    pub claims: Map<String, Value>,
    signer: Signer,
}

/// The header members and the key by which the signature was verified.
#[derive(Clone, Debug)]
struct Signer {
    alg: Algorithm,
    kid: Option<String>,
    thumbprint: String,
}

impl Attestation {
    /// Refuses an attestation that is not valid at this time. `max_age_s`: how old it may be by `iat`.
    pub fn must_be_fresh(&self, now_s: i64, max_age_s: i64) -> Result<(), Rejected> {
        if self.nbf.unwrap_or(self.iat).max(self.iat) > now_s + FUTURE_S {
            return Err(Rejected::Invalid("the attestation is from the future"));
        }
        if now_s >= self.exp || now_s - self.iat > max_age_s { Err(Rejected::Stale) } else { Ok(()) }
    }

    /// Would these keys verify it as well? A caller that keeps attestations asks again at every use. When a key is trusted no longer,
    /// what it signed is then trusted no longer either (280-N).
    pub fn is_vouched_for_by(&self, attesters: &KeySet) -> bool {
        attesters.candidates(self.signer.kid.as_deref(), self.signer.alg).iter().any(|it| it.thumbprint() == self.signer.thumbprint)
    }
}

/// Why an attestation is refused. The reason is for developers and contains nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is wrong in a way that a new one from the attester does not repair.
    Invalid(&'static str),
    /// It is genuine but too old: `use_fresh_attestation`.
    Stale,
}

/// The client that an attestation names, before anything is verified.
pub fn unverified_client_id(attestation: &str) -> Option<String> {
    let unverified = Unverified::parse(attestation).ok()?;
    claims::string(unverified.unverified_claims(), "sub").ok()?.map(str::to_owned)
}

/// The certificates in the header, in DER, leaf first (RFC 7515 4.1.6), before anything is verified. The caller checks them against its
/// anchors. Empty: the header's value is no such list. `None`: the header has none.
pub fn unverified_x5c(attestation: &str) -> Option<Vec<Vec<u8>>> {
    let unverified = Unverified::parse(attestation).ok()?;
    let list = unverified.header().get("x5c")?.as_array().filter(|it| it.len() <= MAX_CERTIFICATES);
    let read = |text: &Value| base64::decode(text.as_str()?).filter(|it| (1..=certificate::MAX_BYTES).contains(&it.len()));
    Some(list.and_then(|it| it.iter().map(read).collect::<Option<_>>()).unwrap_or_default())
}

/// Checks the value of the one `OAuth-Client-Attestation` field: section 7, items 2 to 8. `max_age_s`: how old it may be by `iat`.
pub fn check(text: &str, attesters: &KeySet, now_s: i64, max_age_s: i64) -> Result<Attestation, Rejected> {
    let attestation = verify(text, attesters)?;
    attestation.must_be_fresh(now_s, max_age_s)?;
    Ok(attestation)
}

/// Checks everything but its age. The result stays valid for as long as the attester's key is trusted.
pub fn verify(text: &str, attesters: &KeySet) -> Result<Attestation, Rejected> {
    use Rejected::Invalid;
    let unverified = Unverified::parse(text).map_err(|_| Invalid("the attestation is not one compact JWT"))?;
    if unverified.header().get("typ").and_then(Value::as_str) != Some(TYP) {
        return Err(Invalid("the attestation's typ is not oauth-client-attestation+jwt"));
    }
    let alg = unverified.alg().ok_or(Invalid("the attestation's alg is not supported"))?;
    let kid = unverified.kid().map(str::to_owned);
    let (claims, attester) =
        unverified.verify_and_find_key(attesters).map_err(|_| Invalid("no trusted attester signed the attestation"))?;
    let time = |name: &str| claims::time_s(&claims, name).map_err(|_| Invalid("a time in the attestation is no number"));
    let sub = claims::string(&claims, "sub").ok().flatten().filter(|it| !it.is_empty());
    let client_id = sub.ok_or(Invalid("the attestation has no sub"))?.to_owned();
    let exp = time("exp")?.ok_or(Invalid("the attestation has no exp"))?;
    let iat = time("iat")?.ok_or(Invalid("the attestation has no iat"))?;
    if exp <= iat || exp - iat > MAX_LIFETIME_S {
        return Err(Invalid("the attestation's exp does not fit its iat"));
    }
    let nbf = time("nbf")?;
    let jwk = claims.get("cnf").and_then(|it| it.get("jwk")).ok_or(Invalid("the attestation has no cnf.jwk"))?;
    let key = PublicKey::from_jwk(jwk).map_err(|it| Invalid(it.0))?;
    let signer = Signer { alg, kid, thumbprint: attester.thumbprint().to_owned() };
    Ok(Attestation { client_id, key, iat, exp, nbf, claims, signer })
}

/// A proof of possession. The caller accepts its `jti` once and checks its challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pop {
    pub jti: String,
    pub iat: i64,
    pub challenge: Option<String>,
}

/// Checks the value of the one `OAuth-Client-Attestation-PoP` field: section 7, items 10 to 15. `audience` is our issuer.
pub fn check_pop(text: &str, attestation: &Attestation, audience: &str, now_s: i64) -> Result<Pop, &'static str> {
    let unverified = Unverified::parse(text).map_err(|_| "the PoP is not one compact JWT")?;
    if unverified.header().get("typ").and_then(Value::as_str) != Some(POP_TYP) {
        return Err("the PoP's typ is not oauth-client-attestation-pop+jwt");
    }
    let claims = unverified.verify(&attestation.key).map_err(|_| "the PoP is not signed by the attested key")?;
    if claims.get("aud").and_then(Value::as_str) != Some(audience) {
        return Err("the PoP's aud is not exactly the issuer, as a string");
    }
    let iat = claims::time_s(&claims, "iat").map_err(|_| "the PoP's iat is no number")?.ok_or("the PoP has no iat")?;
    if (now_s - iat).abs() > POP_WINDOW_S {
        return Err("the PoP's iat is not now");
    }
    let is_short = |text: &&str| (1..=256).contains(&text.len());
    let text = |name: &str| claims::string(&claims, name).map(|it| it.filter(is_short).map(str::to_owned));
    let jti = text("jti").ok().flatten().ok_or("the PoP has no jti of 1 to 256 bytes")?;
    let challenge = text("challenge").map_err(|_| "the PoP's challenge is no text")?;
    Ok(Pop { jti, iat, challenge })
}

/// Signs an attestation for the installation's key, a JWK. `times_s` is from `iat` to `exp`. `extra` has further claims, such as the tier.
pub fn make(
    attester: &PrivateKey,
    client_id: &str,
    key: &Value,
    times_s: Range<i64>,
    extra: &Map<String, Value>,
) -> Result<String, JwsError> {
    let mut claims = extra.clone();
    let times = [("iat", json!(times_s.start)), ("exp", json!(times_s.end))];
    for (name, value) in times.into_iter().chain([("sub", json!(client_id)), ("cnf", json!({ "jwk": key }))]) {
        claims.insert(name.to_owned(), value);
    }
    jws::sign(attester, TYP, &claims)
}

/// Signs the proof that an installation makes for each request.
pub fn make_pop(key: &PrivateKey, audience: &str, jti: &str, challenge: Option<&str>, iat: i64) -> Result<String, JwsError> {
    let mut claims = json!({ "aud": audience, "jti": jti, "iat": iat });
    if let Some(challenge) = challenge {
        claims["challenge"] = challenge.into();
    }
    jws::sign_with_header(key, &json!({ "alg": key.algorithm().as_str(), "typ": POP_TYP }), &claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://login.example";

    struct Scene {
        attester: PrivateKey,
        key: PrivateKey,
    }

    impl Scene {
        fn new() -> Self {
            Self { attester: PrivateKey::generate(Algorithm::ES256).unwrap(), key: PrivateKey::generate(Algorithm::ES256).unwrap() }
        }
        fn keys(&self) -> KeySet {
            KeySet::parse(&json!({ "keys": [self.attester.public().to_jwk()] })).unwrap()
        }
        fn claims(&self) -> Value {
            json!({ "sub": "shop", "iat": NOW - 10, "exp": NOW + 3600, "cnf": { "jwk": self.key.public().to_jwk() }, "more": 1 })
        }
        fn check(&self, header: &Value, claims: &Value) -> Result<Attestation, Rejected> {
            check(&jws::sign_with_header(&self.attester, header, claims).unwrap(), &self.keys(), NOW, 86_400)
        }
        fn header(&self) -> Value {
            json!({ "typ": TYP, "alg": "ES256", "kid": self.attester.kid() })
        }
    }

    /// 276-N: the claims that an attestation must have, and those that it must not have.
    #[test]
    fn an_attestation_says_who_vouches_for_which_key_until_when() {
        let scene = Scene::new();
        let good = scene.check(&scene.header(), &scene.claims()).unwrap();
        assert_eq!((good.client_id.as_str(), good.key.thumbprint()), ("shop", scene.key.kid()));
        let with = |name: &str, value: Value| {
            let mut claims = scene.claims();
            claims[name] = value;
            scene.check(&scene.header(), &claims)
        };
        let invalid = |outcome: Result<Attestation, Rejected>| matches!(outcome, Err(Rejected::Invalid(_)));
        for (name, values) in [
            ("sub", vec![json!(null), json!(""), json!(1), json!(["shop"])]),
            ("exp", vec![json!(null), json!("1"), json!(NOW - 20), json!(NOW + 40 * 86_400)]),
            ("iat", vec![json!(null), json!("1"), json!(NOW + 120)]),
            ("nbf", vec![json!(NOW + 120), json!("x")]),
            (
                "cnf",
                vec![
                    json!(null),
                    json!({}),
                    json!({ "jwk": null }),
                    json!({ "jkt": "x" }),
                    json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
                ],
            ),
        ] {
            for value in values {
                assert!(invalid(with(name, value.clone())), "{name} {value}");
            }
        }
        let mut private = scene.key.public().to_jwk();
        private["d"] = json!("AAAA");
        assert!(invalid(with("cnf", json!({ "jwk": private }))));
        assert_eq!(with("exp", json!(NOW)).unwrap_err(), Rejected::Stale);
        assert_eq!(with("iat", json!(NOW - 90_000)).unwrap_err(), Rejected::Stale);
        for typ in [json!("JWT"), json!("application/oauth-client-attestation+jwt"), json!(POP_TYP), json!(null)] {
            let mut header = scene.header();
            header["typ"] = typ;
            assert!(invalid(scene.check(&header, &scene.claims())));
        }
        let stranger = Scene::new();
        let forged = jws::sign_with_header(&stranger.attester, &scene.header(), &scene.claims()).unwrap();
        assert!(invalid(check(&forged, &scene.keys(), NOW, 86_400)));
    }

    /// 280-N: a verified attestation is valid while the same keys would verify it again, and within its own times.
    #[test]
    fn a_kept_attestation_is_refused_without_its_key_and_after_its_time() {
        let scene = Scene::new();
        let mut claims = scene.claims();
        claims["nbf"] = json!(NOW);
        let kept = scene.check(&scene.header(), &claims).unwrap();
        assert!(kept.is_vouched_for_by(&scene.keys()));
        let jwk = scene.attester.public().to_jwk();
        let set = |kid: &str, alg: &str| {
            let mut jwk = jwk.clone();
            (jwk["kid"], jwk["alg"]) = (kid.into(), alg.into());
            KeySet::parse(&json!({ "keys": [jwk] })).unwrap()
        };
        assert!(kept.is_vouched_for_by(&set(scene.attester.kid(), "ES256")));
        assert!(!kept.is_vouched_for_by(&set("another", "ES256")), "the same key under a name that the header does not give");
        assert!(!kept.is_vouched_for_by(&set(scene.attester.kid(), "EdDSA")), "the same key for something else");
        assert!(!kept.is_vouched_for_by(&Scene::new().keys()));
        assert!(!kept.is_vouched_for_by(&KeySet::default()));
        assert_eq!(kept.must_be_fresh(NOW, 86_400), Ok(()));
        assert_eq!(kept.must_be_fresh(NOW + 3599, 86_400), Ok(()));
        assert_eq!(kept.must_be_fresh(NOW + 3600, 86_400), Err(Rejected::Stale));
        assert_eq!(kept.must_be_fresh(NOW, 9), Err(Rejected::Stale));
        assert_eq!(kept.must_be_fresh(NOW, 10), Ok(()));
        assert_eq!(kept.must_be_fresh(NOW - 60, 86_400), Ok(()));
        assert!(matches!(kept.must_be_fresh(NOW - 61, 86_400), Err(Rejected::Invalid(_))), "nbf");
    }

    #[test]
    fn a_pop_is_for_this_server_and_these_minutes() {
        let scene = Scene::new();
        let attestation = scene.check(&scene.header(), &scene.claims()).unwrap();
        let good = make_pop(&scene.key, ISSUER, "j", Some("c"), NOW).unwrap();
        let wanted = Pop { jti: "j".to_owned(), iat: NOW, challenge: Some("c".to_owned()) };
        assert_eq!(check_pop(&good, &attestation, ISSUER, NOW).unwrap(), wanted);
        assert!(check_pop(&good, &attestation, "https://evil.test", NOW).is_err());
        for (off_s, refused) in
            [(-299, None), (-301, Some("the PoP's iat is not now")), (299, None), (301, Some("the PoP's iat is not now"))]
        {
            assert_eq!(check_pop(&good, &attestation, ISSUER, NOW + off_s).err(), refused, "{off_s}");
        }
        let stranger = Scene::new();
        assert!(check_pop(&make_pop(&stranger.key, ISSUER, "j", None, NOW).unwrap(), &attestation, ISSUER, NOW).is_err());
        let header = json!({ "typ": POP_TYP, "alg": "ES256" });
        let base = json!({ "aud": ISSUER, "jti": "j", "iat": NOW });
        let is_accepted = |name: &str, value: Value| {
            let mut claims = base.clone();
            claims[name] = value;
            check_pop(&jws::sign_with_header(&scene.key, &header, &claims).unwrap(), &attestation, ISSUER, NOW).is_ok()
        };
        assert!(is_accepted("more", json!(1)));
        for (name, value) in [
            ("aud", json!([ISSUER])),
            ("aud", json!(null)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("j".repeat(257))),
            ("iat", json!(null)),
            ("iat", json!("1")),
            ("challenge", json!(7)),
        ] {
            assert!(!is_accepted(name, value.clone()), "{name} {value}");
        }
    }
}
