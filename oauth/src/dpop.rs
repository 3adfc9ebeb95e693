//! Proof of possession. RFC 9449: a JWT that names one request and is signed by the key that the token is bound to.
//! This file does not check for replay: the caller remembers [`Proof::once`] until after [`Proof::last_s`].

use crate::base64url;
use crate::digest::{equal, sha256};
use crate::htu::without_query;
use crate::jwk::{Algorithm, KeyError, PrivateKey, PublicKey};
use crate::jws::{self, JwsError, Unverified};
use serde_json::{Map, Value, json};

pub use crate::htu::same_htu;

pub const TYP: &str = "dpop+jwt";
/// A proof with an RSA key of 8192 bits needs half of this.
pub const MAX_BYTES: usize = 8 * 1024;
/// How far `iat` may be from our clock in either direction, where nothing else is configured.
pub const WINDOW_S: i64 = 60;
/// The same for a proof with a nonce of ours. The nonce says when it can have been made, so a phone whose clock is wrong is let in.
pub const NONCE_WINDOW_S: i64 = 300;
/// All algorithms that we can check. Every one is asymmetric (RFC 9449 4.2).
pub const ALGORITHMS: [Algorithm; 4] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256];
const MAX_TEXT: usize = 256;

/// The request as the server or the API saw it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub method: &'a str,
    /// Absolute, from our own configuration. A Host or forwarding header never decides it (163-D).
    pub url: &'a str,
    /// The access token of the request, if there is one. The proof must then name it (`ath`).
    pub access_token: Option<&'a str>,
    pub now_s: i64,
    /// How far `iat` may be from now, in either direction.
    pub window_s: i64,
    pub algorithms: &'a [Algorithm],
}

/// A proof that is valid for this request. Still unchecked: replay, the nonce, and whether this is the right key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// RFC 7638 thumbprint of the key, SHA-256, base64url, as in `cnf.jkt` and `dpop_jkt`.
    pub jkt: String,
    pub jti: String,
    pub iat: i64,
    pub nonce: Option<String>,
    pub algorithm: Algorithm,
    /// The key itself.
    pub key: PublicKey,
}

impl Proof {
    /// The value that may be used once. It contains the key, so that nobody uses up the `jti` of another (168-D). It does not contain
    /// the method and the URL (164-D).
    pub fn once(&self) -> [u8; 32] {
        sha256(format!("{}.{}", self.jkt, self.jti).as_bytes())
    }

    /// The last second at which the proof is still accepted. The replay memory must last longer (167-D).
    pub fn last_s(&self, window_s: i64) -> i64 {
        self.iat.saturating_add(window_s)
    }

    /// Is `iat` as near as this? For a window that is narrower than the one it was checked with.
    pub fn must_be_near(&self, now_s: i64, window_s: i64) -> Result<(), Rejected> {
        near(self.iat, now_s, window_s)
    }
}

/// Why a proof was refused. RFC 9449 4.3 has the rules. No reason repeats a byte of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    TooLarge,
    Malformed,
    Header,
    Type,
    Algorithm,
    /// The embedded key is private, weak, off its curve, or missing.
    Key(KeyError),
    KeyAlgorithm,
    Signature,
    Jti,
    MethodMissing,
    Method,
    UrlMissing,
    Url,
    IatMissing,
    Stale,
    Future,
    AthMissing,
    Ath,
    Nonce,
}

impl Rejected {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "the proof is larger than 8 KiB",
            Self::Malformed => "the proof is not one compact JWT",
            Self::Header => "the proof's header has a member that must not be there",
            Self::Type => "the proof's typ is not dpop+jwt",
            Self::Algorithm => "the proof's alg is not one that is accepted",
            Self::Key(why) => why.0,
            Self::KeyAlgorithm => "the proof's alg does not fit its jwk",
            Self::Signature => "the proof's signature does not fit its jwk",
            Self::Jti => "jti is not a string of 1 to 256 bytes",
            Self::MethodMissing => "htm is not a string",
            Self::Method => "htm is another method",
            Self::UrlMissing => "htu is not a string",
            Self::Url => "htu is another URL",
            Self::IatMissing => "iat is not a whole number of seconds",
            Self::Stale => "iat is too long ago: the proof is old or a clock is wrong",
            Self::Future => "iat is in the future: a clock is wrong",
            Self::AthMissing => "ath is not a string",
            Self::Ath => "ath is the digest of another access token",
            Self::Nonce => "nonce is not a string of 1 to 256 bytes",
        }
    }
}

/// Checks the value of the one `DPoP` header: RFC 9449 4.3, items 2 to 9, 11, and the first half of 12. The caller checks that there is
/// one header only (1), the nonce (10) and the binding (12).
pub fn check(header: &str, expected: &Expected<'_>) -> Result<Proof, Rejected> {
    if header.len() > MAX_BYTES {
        return Err(Rejected::TooLarge);
    }
    let unverified = Unverified::parse(header).map_err(|it| match it {
        JwsError::UnsupportedHeader => Rejected::Header,
        JwsError::Malformed | JwsError::NoKey | JwsError::BadSignature => Rejected::Malformed,
    })?;
    let (key, algorithm) = read_key(unverified.header(), expected.algorithms)?;
    let claims = unverified.verify(&key).map_err(|_| Rejected::Signature)?;
    let jti = short_text(claims.get("jti")).ok_or(Rejected::Jti)?;
    check_request(&claims, expected)?;
    let iat = check_time(&claims, expected)?;
    check_token_digest(&claims, expected.access_token)?;
    let nonce = match claims.get("nonce") {
        None => None,
        given => Some(short_text(given).ok_or(Rejected::Nonce)?),
    };
    Ok(Proof { jkt: key.thumbprint().to_owned(), jti, iat, nonce, algorithm, key })
}

/// The embedded key and the algorithm: nothing else is taken from the header. A `kid` is not looked up anywhere.
fn read_key(header: &Map<String, Value>, allowed: &[Algorithm]) -> Result<(PublicKey, Algorithm), Rejected> {
    // There is one key, in one place. A certificate beside it could name another one.
    if ["x5c", "x5t", "x5t#S256"].iter().any(|it| header.contains_key(*it)) {
        return Err(Rejected::Header);
    }
    // 4.3 says "has the value": exactly, so without the `application/` that other types may have.
    if header.get("typ").and_then(Value::as_str) != Some(TYP) {
        return Err(Rejected::Type);
    }
    let name = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
    let algorithm = name.filter(|it| allowed.contains(it)).ok_or(Rejected::Algorithm)?;
    let jwk = header.get("jwk").ok_or(Rejected::Key(KeyError("the proof carries no jwk")))?;
    let key = PublicKey::from_jwk(jwk).map_err(Rejected::Key)?;
    if key.supports(algorithm) { Ok((key, algorithm)) } else { Err(Rejected::KeyAlgorithm) }
}

fn short_text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|it| (1..=MAX_TEXT).contains(&it.len())).map(str::to_owned)
}

fn check_request(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Rejected> {
    let htm = claims.get("htm").and_then(Value::as_str).ok_or(Rejected::MethodMissing)?;
    // RFC 9110 9.1: methods are case-sensitive.
    if htm != expected.method {
        return Err(Rejected::Method);
    }
    let htu = claims.get("htu").and_then(Value::as_str).ok_or(Rejected::UrlMissing)?;
    if same_htu(htu, expected.url) { Ok(()) } else { Err(Rejected::Url) }
}

/// `iat` in whole seconds: neither "1" nor 1.0 nor 1e30 (171-D).
fn check_time(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<i64, Rejected> {
    let iat = claims.get("iat").and_then(Value::as_i64).filter(|it| *it >= 0).ok_or(Rejected::IatMissing)?;
    near(iat, expected.now_s, expected.window_s)?;
    Ok(iat)
}

fn near(iat: i64, now_s: i64, window_s: i64) -> Result<(), Rejected> {
    let age_s = now_s.saturating_sub(iat);
    if age_s > window_s {
        return Err(Rejected::Stale);
    }
    if age_s < window_s.saturating_neg() {
        return Err(Rejected::Future);
    }
    Ok(())
}

fn check_token_digest(claims: &Map<String, Value>, access_token: Option<&str>) -> Result<(), Rejected> {
    let ath = match claims.get("ath") {
        None => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(Rejected::AthMissing),
    };
    match (access_token, ath) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(Rejected::AthMissing),
        (Some(token), Some(ath)) if equal(ath.as_bytes(), ath_of(token).as_bytes()) => Ok(()),
        (Some(_), Some(_)) => Err(Rejected::Ath),
    }
}

fn ath_of(access_token: &str) -> String {
    base64url::encode(&sha256(access_token.as_bytes()))
}

/// What a proof says about its request. `jti` has 96 bits of the caller's randomness or more (4.2). The proof leaves out the query and
/// the fragment of `url`.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub nonce: Option<&'a str>,
    pub access_token: Option<&'a str>,
    pub jti: &'a str,
    pub iat: i64,
}

/// The text that the key of this JWK has to sign. [`jws::with_signature`] makes the proof from it.
pub fn signing_input(jwk: &Value, algorithm: Algorithm, statement: &Statement<'_>) -> Result<String, JwsError> {
    let header = json!({ "typ": TYP, "alg": algorithm.as_str(), "jwk": jwk });
    let mut claims = json!({
        "jti": statement.jti, "htm": statement.method, "htu": without_query(statement.url), "iat": statement.iat,
    });
    if let Some(nonce) = statement.nonce {
        claims["nonce"] = nonce.into();
    }
    if let Some(token) = statement.access_token {
        claims["ath"] = ath_of(token).into();
    }
    jws::signing_input(&header, &claims)
}

/// Makes a proof with a key that this process holds.
pub fn make(key: &PrivateKey, statement: &Statement<'_>) -> Result<String, JwsError> {
    let input = signing_input(&key.public().to_jwk(), key.algorithm(), statement)?;
    let signature = key.sign(input.as_bytes()).map_err(|_| JwsError::BadSignature)?;
    Ok(jws::with_signature(&input, &signature))
}

/// The `algs` parameter of a challenge (7.1): the names, separated by spaces.
pub fn algs(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const URL: &str = "https://api.example.com/orders";
    const TOKEN: &str = "at.1";

    fn expected() -> Expected<'static> {
        Expected { method: "GET", url: URL, access_token: Some(TOKEN), now_s: 1_000, window_s: 60, algorithms: &ALGORITHMS }
    }

    fn statement() -> Statement<'static> {
        Statement { method: "GET", url: URL, nonce: None, access_token: Some(TOKEN), jti: "j", iat: 1_000 }
    }

    fn header(key: &PrivateKey) -> Value {
        json!({ "typ": TYP, "alg": key.algorithm().as_str(), "jwk": key.public().to_jwk() })
    }

    fn claims() -> Value {
        json!({ "jti": "j", "htm": "GET", "htu": URL, "iat": 1_000, "ath": ath_of(TOKEN) })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn check_of(header: &Value, claims: &Value, key: &PrivateKey) -> Result<Proof, Rejected> {
        check(&jws::sign_with_header(key, header, claims).unwrap(), &expected())
    }

    #[test]
    fn a_proof_that_we_make_is_valid() {
        for alg in ALGORITHMS {
            let key = PrivateKey::generate(alg).unwrap();
            let url = "https://api.example.com/orders?a=1#b";
            let proof = make(&key, &Statement { url, nonce: Some("n"), ..statement() }).unwrap();
            let checked = check(&proof, &expected()).unwrap();
            let wanted = Proof {
                jkt: key.kid().to_owned(),
                jti: "j".to_owned(),
                iat: 1_000,
                nonce: Some("n".to_owned()),
                algorithm: alg,
                key: key.public().clone(),
            };
            assert_eq!(checked, wanted);
            let others: Vec<Algorithm> = ALGORITHMS.into_iter().filter(|it| *it != alg).collect();
            let strict = Expected { algorithms: &others, ..expected() };
            assert_eq!(check(&proof, &strict), Err(Rejected::Algorithm));
            assert_eq!(check(&proof, &Expected { algorithms: &[], ..expected() }), Err(Rejected::Algorithm));
        }
        assert_eq!(algs(&ALGORITHMS), "ES256 EdDSA PS256 RS256");
    }

    /// 174-D, 200-J, 201-J, 204-J
    #[test]
    fn a_header_with_a_wrong_or_an_extra_member_is_refused() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let good = header(&key);
        assert!(check_of(&good, &claims(), &key).is_ok());
        let with = |name: &str, value: Value| {
            let mut header = good.clone();
            header[name] = value;
            check_of(&header, &claims(), &key)
        };
        for typ in [
            json!("JWT"),
            json!("DPOP+JWT"),
            json!("application/dpop+jwt"),
            json!("dpop+jwt "),
            json!(""),
            json!(null),
            json!(["dpop+jwt"]),
        ] {
            assert_eq!(with("typ", typ), Err(Rejected::Type));
        }
        for alg in [json!("none"), json!("HS256"), json!("RS1"), json!("ES384"), json!("es256"), json!(""), json!(null), json!(1)] {
            assert_eq!(with("alg", alg), Err(Rejected::Algorithm));
        }
        assert_eq!(with("alg", json!("EdDSA")), Err(Rejected::KeyAlgorithm));
        for name in ["x5c", "x5t", "x5t#S256", "x5u", "jku", "crit", "b64", "zip"] {
            assert_eq!(with(name, json!(null)), Err(Rejected::Header), "{name}");
        }
        for name in ["typ", "alg", "jwk"] {
            let mut header = good.clone();
            header.as_object_mut().unwrap().remove(name);
            assert!(check_of(&header, &claims(), &key).is_err(), "{name}");
        }
        // A kid is allowed and has no effect: the key is the one in the header.
        assert_eq!(with("kid", json!("another")).unwrap().jkt, key.kid());
    }

    /// 176-D, 177-D, 213-J
    #[test]
    fn the_embedded_key_is_public_strong_and_the_signer() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let good = header(&key);
        let with = |name: &str, value: Value| {
            let mut header = good.clone();
            header["jwk"][name] = value;
            check_of(&header, &claims(), &key)
        };
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(matches!(with(name, json!(null)), Err(Rejected::Key(_))), "{name}");
        }
        // A key has one thumbprint, whatever else the JWK says about it.
        for (name, value) in [("use", json!("sig")), ("kid", json!("k")), ("alg", json!("ES256")), ("extra", json!(1))] {
            assert_eq!(with(name, value).unwrap().jkt, key.kid(), "{name}");
        }
        let zero = format!("AA{}", good["jwk"]["x"].as_str().unwrap());
        for (name, value) in
            [("kty", json!("oct")), ("kty", json!("RSA")), ("x", json!(zero)), ("x", json!("AA")), ("y", json!(1)), ("crv", json!("P-384"))]
        {
            assert!(matches!(with(name, value), Err(Rejected::Key(_))), "{name}");
        }
        for jwk in [json!(null), json!({}), json!([]), json!("x"), json!({ "kty": "oct", "k": "AAAA" })] {
            let mut header = good.clone();
            header["jwk"] = jwk;
            assert!(matches!(check_of(&header, &claims(), &key), Err(Rejected::Key(_))));
        }
        let beside = json!({ "kty": "EC", "crv": "P-256", "x": good["jwk"]["x"], "y": good["jwk"]["x"] });
        let rsa = |bytes: usize, e: &str| json!({ "kty": "RSA", "n": base64url::encode(&vec![0xc1; bytes]), "e": e });
        let low = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
        for (alg, jwk) in
            [("ES256", beside), ("PS256", rsa(64, "AQAB")), ("PS256", rsa(128, "AQAB")), ("PS256", rsa(256, "AQ")), ("EdDSA", low)]
        {
            let mut header = good.clone();
            (header["jwk"], header["alg"]) = (jwk, json!(alg));
            assert!(matches!(check_of(&header, &claims(), &key), Err(Rejected::Key(_))), "{header}");
        }
        let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
        assert_eq!(check_of(&good, &claims(), &stranger), Err(Rejected::Signature));
    }

    /// 161-D, 170-D, 171-D, 183-D, 184-D
    #[test]
    fn every_claim_is_checked() {
        let key = PrivateKey::generate(Algorithm::EdDSA).unwrap();
        let header = header(&key);
        let check_claims = |claims: &Value| check_of(&header, claims, &key);
        assert!(check_claims(&claims()).is_ok());
        for (name, odd, other, odd_is, other_is) in [
            (
                "htm",
                vec![json!(["GET"]), json!(5), json!(null)],
                vec!["POST", "get", "", "GET "],
                Rejected::MethodMissing,
                Rejected::Method,
            ),
            (
                "htu",
                vec![json!([URL]), json!({}), json!(5), json!(null)],
                vec!["https://api.example.org/orders", "https://api.example.com/order", "https://api.example.com/orders/", "/orders", ""],
                Rejected::UrlMissing,
                Rejected::Url,
            ),
            ("ath", vec![json!([ath_of(TOKEN)]), json!(5), json!(null)], vec![TOKEN, "", "AAAA"], Rejected::AthMissing, Rejected::Ath),
        ] {
            assert_eq!(check_claims(&without(name)), Err(odd_is), "{name}");
            for value in odd {
                assert_eq!(check_claims(&with(name, value)), Err(odd_is), "{name}");
            }
            for value in other {
                assert_eq!(check_claims(&with(name, json!(value))), Err(other_is), "{name} {value}");
            }
        }
        let long = |length: usize| json!("a".repeat(length));
        assert!(check_claims(&with("jti", long(256))).is_ok());
        for jti in [long(257), long(5_000), json!(""), json!(7), json!(null), json!(["j"])] {
            assert_eq!(check_claims(&with("jti", jti)), Err(Rejected::Jti));
        }
        assert_eq!(check_claims(&without("jti")), Err(Rejected::Jti));
        assert_eq!(check_claims(&with("jti", long(100_000))), Err(Rejected::TooLarge));
        assert!(check_claims(&with("nonce", long(256))).is_ok());
        for nonce in [long(257), json!(""), json!(7), json!(null), json!(["n"])] {
            assert_eq!(check_claims(&with("nonce", nonce)), Err(Rejected::Nonce));
        }
    }

    /// 171-D
    #[test]
    fn the_time_is_a_whole_number_near_now() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let check_claims = |claims: &Value| check_of(&header(&key), claims, &key);
        for iat in [940, 1_000, 1_060] {
            assert_eq!(check_claims(&with("iat", json!(iat))).unwrap().last_s(60), iat + 60);
        }
        assert_eq!(check_claims(&with("iat", json!(939))), Err(Rejected::Stale));
        assert_eq!(check_claims(&with("iat", json!(1_061))), Err(Rejected::Future));
        assert_eq!(check_claims(&with("iat", json!(i64::MAX))), Err(Rejected::Future));
        for iat in [json!("1000"), json!(1000.0), json!(1000.5), json!(-1), json!(1e30), json!(u64::MAX), json!(null), json!([1000])] {
            assert_eq!(check_claims(&with("iat", iat)), Err(Rejected::IatMissing));
        }
        assert_eq!(check_claims(&without("iat")), Err(Rejected::IatMissing));
    }

    /// 184-D: with a token the claim is its digest. Without a token only the claim's type is checked.
    #[test]
    fn ath_is_required_with_a_token() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let at_token_endpoint = Expected { access_token: None, ..expected() };
        let check_claims = |claims: &Value| check(&jws::sign_with_header(&key, &header(&key), claims).unwrap(), &at_token_endpoint);
        assert!(check_claims(&without("ath")).is_ok());
        assert!(check_claims(&claims()).is_ok());
        assert_eq!(check_claims(&with("ath", json!(null))), Err(Rejected::AthMissing));
    }

    /// 176-D (doubled members), RFC 9449 4.3 2
    #[test]
    fn a_proof_is_one_compact_jwt() {
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let good = make(&key, &statement()).unwrap();
        assert!(check(&good, &expected()).is_ok());
        for bad in
            [String::new(), format!("{good}, {good}"), format!("{good},{good}"), format!(" {good}"), format!("{good}."), "a.b.c".to_owned()]
        {
            assert_eq!(check(&bad, &expected()), Err(Rejected::Malformed), "{bad}");
        }
        let text = claims().to_string().replacen('{', r#"{"jti":"k","#, 1);
        let signed = format!("{}.{}", base64url::encode(header(&key).to_string().as_bytes()), base64url::encode(text.as_bytes()));
        let doubled = format!("{signed}.{}", base64url::encode(&key.sign(signed.as_bytes()).unwrap()));
        assert_eq!(check(&doubled, &expected()), Err(Rejected::Malformed));
        assert_eq!(check(&"a".repeat(MAX_BYTES + 1), &expected()), Err(Rejected::TooLarge));
    }

    /// 164-D, 168-D
    #[test]
    fn a_jti_is_used_up_for_one_key() {
        let proof = |key: &PrivateKey, url: &str, jti: &str| {
            check(&make(key, &Statement { url, jti, ..statement() }).unwrap(), &expected()).unwrap().once()
        };
        let (mine, other) = (PrivateKey::generate(Algorithm::ES256).unwrap(), PrivateKey::generate(Algorithm::ES256).unwrap());
        assert_eq!(proof(&mine, URL, "j"), proof(&mine, "HTTPS://API.example.com:443/orders?x", "j"));
        assert_ne!(proof(&mine, URL, "j"), proof(&mine, URL, "k"));
        assert_ne!(proof(&mine, URL, "j"), proof(&other, URL, "j"));
    }
}
