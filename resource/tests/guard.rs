//! The guard with an issuer on the loopback address. Each refusal has its positive twin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, certificate, jws};
use symbolon_resource::{Call, Guard, Needs, Peer, Refusal};
use world::{AUDIENCE, says, world};

/// 148-F, 220-J, 221-J, 207-J and the foreign token diagnosis: one defect at a time.
#[tokio::test]
async fn the_diagnosis_names_what_was_sent() {
    let world = world().await;
    assert_eq!(world.bearer(&world.token(&world.claims())).await, Ok("u".to_owned()));
    let with = |name: &str, value: Value| {
        let mut claims = world.claims();
        claims[name] = value;
        world.token(&claims)
    };
    says(world.bearer(&with("iss", "https://accounts.social.example".into())).await, "another issuer");
    let issuer = world.issuer.as_str();
    for near in [
        format!("{issuer}/"),
        issuer.to_uppercase(),
        issuer.replacen("http", "https", 1),
        format!("{issuer}/other"),
        format!("{issuer}:80"),
    ] {
        says(world.bearer(&with("iss", near.into())).await, "another issuer");
    }
    says(world.bearer(&with("aud", "https://api.example.com/other".into())).await, "another API");
    says(world.bearer(&with("exp", 990.into())).await, "expired");
    says(world.bearer(&with("cnf", json!({ "jkt": "x" }))).await, "bound to a key");
    says(world.bearer(&jws::sign(&world.key, "JWT", &world.claims()).unwrap()).await, "ID token");
    says(world.bearer("sr_AAAA").await, "refresh token");
    says(world.bearer("hello").await, "not a JWT");
    let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
    says(world.bearer(&jws::sign(&stranger, "at+jwt", &world.claims()).unwrap()).await, "signature");
}

/// 226-J: a token seen before and then edited is another token.
#[tokio::test]
async fn an_edited_copy_of_a_good_token_is_refused() {
    let world = world().await;
    let good = world.token(&world.claims());
    assert!(world.bearer(&good).await.is_ok());
    let mut edited = good.clone().into_bytes();
    let at = edited.len() - 10;
    edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
    says(world.bearer(&String::from_utf8(edited).unwrap()).await, "signature");
    let mut claims = world.claims();
    claims["sub"] = "somebody else".into();
    let (head, _) = good.split_once('.').unwrap();
    let (body, signature) = (base64url::encode(claims.to_string().as_bytes()), good.rsplit_once('.').unwrap().1);
    says(world.bearer(&format!("{head}.{body}.{signature}")).await, "signature");
    assert!(world.bearer(&good).await.is_ok());
}

/// RFC 6750 2 and 3.1, 606-K.
#[tokio::test]
async fn a_call_has_one_token_in_one_place() {
    let world = world().await;
    let good = format!("Bearer {}", world.token(&world.claims()));
    assert_eq!(world.check(&[], None, None).await, Err(Refusal::Missing));
    assert!(matches!(world.check(&[&good, &good], None, None).await, Err(Refusal::Request(_))));
    assert!(matches!(world.check(&[&good], Some("a=1&access_token=x"), None).await, Err(Refusal::Request(_))));
    assert!(matches!(world.check(&[&format!("Bearer {}", "a".repeat(1_000_000))], None, None).await, Err(Refusal::Request(_))));
    assert_eq!(world.check(&[&good], None, Some("orders:write")).await, Err(Refusal::Scope("orders:write".to_owned())));
    assert!(world.check(&[&good], Some("a=1"), Some("orders:read")).await.is_ok());
}

/// 550-S: many unknown key ids lead to one fetch of the keys.
#[tokio::test]
async fn unknown_key_ids_do_not_each_cause_a_request() {
    let world = world().await;
    let stranger = PrivateKey::generate(Algorithm::ES256).unwrap();
    let forged = jws::sign(&stranger, "at+jwt", &world.claims()).unwrap();
    for _ in 0..50 {
        assert!(world.bearer(&forged).await.is_err());
    }
    assert_eq!(world.fetched.load(Ordering::Relaxed), 1);
    world.now_s.fetch_add(6, Ordering::Relaxed);
    assert!(world.bearer(&forged).await.is_err());
    assert_eq!(world.fetched.load(Ordering::Relaxed), 2);
    assert!(world.bearer(&world.token(&world.claims())).await.is_ok());
}

/// While the issuer cannot be reached, the answer is 503 and nobody is accepted.
#[tokio::test]
async fn without_the_issuers_keys_no_call_is_accepted() {
    let world = world().await;
    let gone = Guard::with_clock("http://127.0.0.1:1", AUDIENCE, Arc::new(|| 1_000));
    let mut claims = world.claims();
    claims["iss"] = "http://127.0.0.1:1".into();
    let mut headers = HeaderMap::new();
    headers.append("authorization", format!("Bearer {}", world.token(&claims)).parse().unwrap());
    let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
    assert_eq!(gone.check(&call, &Needs::default()).await.unwrap_err(), Refusal::Unavailable);
}

/// RFC 9470 3: a call that needs a stronger or fresher sign-in says which. With it, the same call is accepted.
#[tokio::test]
async fn a_call_can_ask_for_a_stronger_sign_in() {
    let world = world().await;
    let needs = Needs::scope("orders:read").acr(&["urn:example:mfa", "urn:example:passkey"]).max_age(Duration::from_secs(60));
    let check = async |claims: &Value| {
        let mut headers = HeaderMap::new();
        headers.append("authorization", format!("Bearer {}", world.token(claims)).parse().unwrap());
        let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: None };
        let outcome = world.guard.check(&call, &needs).await;
        let answer = outcome.as_ref().err().map(|it| world.guard.answer(&call, it));
        let challenge = answer.map(|it| format!("{} {}", it.status().as_u16(), it.headers()["www-authenticate"].to_str().unwrap()));
        (outcome, challenge.unwrap_or_default())
    };
    let with = |acr: Option<&str>, auth_time: Option<i64>| {
        let mut claims = world.claims();
        acr.into_iter().for_each(|it| claims["acr"] = it.into());
        auth_time.into_iter().for_each(|it| claims["auth_time"] = it.into());
        claims
    };
    for weak in [
        with(None, Some(990)),
        with(Some("urn:example:pwd"), Some(990)),
        with(Some("urn:example:mfa"), Some(939)),
        with(Some("urn:example:mfa"), None),
    ] {
        let (outcome, challenge) = check(&weak).await;
        assert_eq!(outcome, Err(Refusal::Authentication(needs.clone())));
        assert!(challenge.starts_with("401 Bearer error=\"insufficient_user_authentication\""), "{challenge}");
        for part in ["acr_values=\"urn:example:mfa urn:example:passkey\"", "max_age=\"60\"", "scope=\"orders:read\""] {
            assert!(challenge.contains(part), "{challenge}");
        }
    }
    assert!(check(&with(Some("urn:example:passkey"), Some(940))).await.0.is_ok());
    // Without the scope a new sign-in does not help, so the scope is checked first.
    let mut other = with(None, None);
    other["scope"] = "other".into();
    assert_eq!(check(&other).await.0, Err(Refusal::Scope("orders:read".to_owned())));
}

/// RFC 8705 3, RFC 9440: the certificate of the connection, or of a configured proxy's header. The header of another peer is ignored.
#[tokio::test]
async fn a_token_bound_to_a_certificate_needs_the_certificate() {
    let world = world().await;
    let (mine, other) = (b"a certificate".to_vec(), b"another".to_vec());
    let mut claims = world.claims();
    claims["cnf"] = json!({ "x5t#S256": certificate::thumbprint(&mine) });
    let token = world.token(&claims);
    let guard = world.guard.clone().client_cert_from(&["10.0.0.0/8"]);
    let check = async |peer: Option<Peer>, header: &[&str]| {
        let mut headers = HeaderMap::new();
        headers.append("authorization", format!("Bearer {token}").parse().unwrap());
        for value in header {
            headers.append("client-cert", value.parse().unwrap());
        }
        let call = Call { method: "GET", path: "/orders", query: None, headers: &headers, peer: peer.as_ref() };
        guard.check(&call, &Needs::default()).await.map(|it| it.token.sub.into_owned())
    };
    let peer =
        |address: &str, certificate: Option<&Vec<u8>>| Some(Peer { address: address.parse().ok(), certificate: certificate.cloned() });
    assert!(check(peer("203.0.113.9", Some(&mine)), &[]).await.is_ok());
    says(check(peer("203.0.113.9", Some(&other)), &[]).await, "another client certificate");
    says(check(peer("203.0.113.9", None), &[]).await, "bound to a client certificate");
    says(check(None, &[]).await, "bound to a client certificate");
    let (own, foreign) = (certificate::to_header(&mine), certificate::to_header(&other));
    assert!(check(peer("10.1.2.3", None), &[&own]).await.is_ok());
    says(check(peer("10.1.2.3", Some(&mine)), &[&foreign]).await, "another client certificate");
    says(check(peer("10.1.2.3", Some(&mine)), &[]).await, "bound to a client certificate");
    says(check(peer("10.1.2.3", None), &[&own, &own]).await, "bound to a client certificate");
    says(check(peer("203.0.113.9", None), &[&own]).await, "bound to a client certificate");
    // An unknown condition counts as not met.
    claims["cnf"] = json!({ "x5t#S256": certificate::thumbprint(&mine), "kid": "1" });
    says(world.bearer(&world.token(&claims)).await, "bound to a key");
}
