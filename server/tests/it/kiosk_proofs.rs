//! What phone and kiosk show each other is nothing anywhere else, and nothing else is it. Each place beside a good request.

use crate::backchannel;
use crate::devices::televisions;
use crate::kiosks::{MEMBERS, Scene, challenge, member, nonce, proof, show};
use crate::world::*;
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::backchannel::{GRANT_TYPE as BACKCHANNEL, Named, make_hint};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::kiosk;
use symbolon_oauth::{client_assertion, client_attestation, dpop, jws, native_sso, request_object};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Everybody who takes something that was signed or handed out: call centres, televisions, an API that exchanges, and a bank and
/// an app whose registered key is the phone's, so that the type alone is wrong.
async fn scene(phone: &PrivateKey) -> Scene {
    let more = format!(
        "{}{}[client.signing]\nkind = \"native\"\nfirst_party = true\nauthentication = \"none\"\nredirect_uris = [\"{MEMBERS}\"]\njwks = {}\n[client.orders-api]\nkind = \"service\"\nsecret = '{}'\nexchanges = [\"orders\"]\napis = {{ ledger = [\"ledger:read\"] }}\n\
         [api.ledger.scope]\n\"ledger:read\" = {{ exchange_from = {{ orders = [\"orders:read\"] }} }}\n",
        televisions(),
        backchannel::clients(phone),
        named_jwks(phone),
        secret_digest()
    );
    Scene::start(Engine::Sqlite, &more).await
}

/// A form with the text in it: where, which, as whom, and how it is refused.
type Place<'a> = (&'a str, Vec<(&'a str, &'a str)>, Option<&'a str>, (u16, &'a str));

fn places(text: &str) -> Vec<Place<'_>> {
    let asks = [("scope", "openid orders:read"), ("binding_message", "K7-41")];
    let bank = [("client_id", "bank"), ("client_assertion_type", ASSERTION), ("client_assertion", text)];
    vec![
        ("/token", vec![("grant_type", "authorization_code"), ("client_id", "shop-ios"), ("code", text)], None, (400, "invalid_grant")),
        ("/token", vec![("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", text)], None, (400, "invalid_grant")),
        ("/token", vec![("grant_type", DEVICE), ("client_id", "tv"), ("device_code", text)], None, (400, "invalid_grant")),
        ("/token", vec![("grant_type", BACKCHANNEL), ("auth_req_id", text)], Some("desk"), (400, "invalid_grant")),
        (
            "/token",
            vec![
                ("grant_type", EXCHANGE),
                ("subject_token", text),
                ("subject_token_type", ACCESS),
                ("resource", "https://api.example.com/ledger"),
            ],
            Some("orders-api"),
            (400, "invalid_request"),
        ),
        ("/token", [&[("grant_type", BACKCHANNEL), ("auth_req_id", "sb_x")], &bank[..]].concat(), None, (401, "invalid_client")),
        ("/backchannel_authentication", vec![("request", text)], Some("desk"), (400, "invalid_request")),
        ("/backchannel_authentication", vec![asks[0], asks[1], ("id_token_hint", text)], Some("desk"), (400, "invalid_request")),
        ("/backchannel_authentication", vec![asks[0], asks[1], ("login_hint_token", text)], Some("desk"), (400, "invalid_request")),
        ("/backchannel_authentication", [&asks[..], &bank].concat(), None, (401, "invalid_client")),
    ]
}

/// K-16: what stands in a picture, and what leads to it, redeems and polls nothing, signs nobody in and proves no client.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_taken_nowhere_else() {
    let own = new_key();
    let scene = scene(&own).await;
    let world = &scene.world;
    let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) }.with_key(own);
    let kept = member(&mut phone, "openid orders:read").await;
    let mut gate = scene.gate(&scene.gates[0]);
    let asked = challenge(&mut gate).await;
    let code = proof(&phone, &kept.pass, Some(&nonce(&asked)));
    let picture = kiosk::to_picture(&code);
    let nonce = nonce(&asked);
    for text in [&code, &picture, asked["challenge"].as_str().unwrap(), asked["picture"].as_str().unwrap(), &nonce, &kept.pass] {
        for (path, form, client, wanted) in places(text) {
            let (status, answer) = world.post(path, &form, client).await;
            assert_eq!((status, answer["error"].as_str()), (wanted.0, Some(wanted.1)), "{path} {form:?}: {answer}");
        }
        assert_eq!(world.post("/introspect", &[("token", text)], Some("orders")).await.1, json!({ "active": false }));
        assert_eq!(world.post("/revoke", &[("token", text), ("client_id", "shop-ios")], None).await.0, 200, "and it revokes nothing");
        for path in ["/userinfo", "/pending"] {
            let answer = world.http.get(world.url(path)).bearer_auth(text).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 401, "{path}");
        }
        let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", "x")];
        let answer = Answer::to(world.http.post(world.url("/token")).form(&form).header("dpop", text)).await;
        assert_eq!(answer.error(), (400, "invalid_dpop_proof"));
        for (attestation, pop) in [(gate.attestation.as_deref().unwrap(), text), (text, code.as_str())] {
            let request = world.http.post(world.url("/kiosk/challenge")).form(&[("client_id", "gate")]);
            let request = request.header("oauth-client-attestation", attestation).header("oauth-client-attestation-pop", pop);
            let answer = Answer::to(request).await;
            assert!([(400, "invalid_client_attestation"), (401, "invalid_client")].contains(&answer.error()), "{}", answer.body);
        }
        // Pages: a hint that is no hint of ours, a reference, a ticket.
        let hint = Ask::native("openid").with("id_token_hint", text).with("prompt", "none");
        assert!(Browser::default().open(world, &hint).await.error().is_some());
        let path = |path: &str| format!("{path}{}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
        assert_eq!(Browser::default().visit(world, &path("/device?ref=")).await.kind(), "device_code");
        assert_ne!(Browser::default().visit(world, &path("/handover/")).await.status, 200);
    }
    assert_eq!(show(&mut gate, &code).await.status, 200, "the twin: it is still good at its own place");
    scene.world.stop().await;
}

/// Whatever else is signed or handed out is no member's code, whoever's key has signed it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_a_member_s_code() {
    let own = new_key();
    let scene = scene(&own).await;
    let world = &scene.world;
    let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) }.with_key(own);
    let tokens = phone.tokens("openid orders:read").await;
    let mut gate = scene.gate(&scene.gates[0]);
    let asked = challenge(&mut gate).await;
    let (now_s, issuer, key) = (phone.now_s(), world.issuer.as_str(), &phone.key);
    let pass = tokens.text("kiosk_pass");
    // The claims of a good proof, of every other type that anything of ours signs.
    let good = json!({ "aud": issuer, "pass": pass, "jti": fresh(), "iat": now_s, "exp": now_s + 60, "challenge": nonce(&asked) });
    let typed =
        ["JWT", "dpop+jwt", "at+jwt", request_object::TYP, kiosk::CHALLENGE_TYP, native_sso::PROOF_TYP, "oauth-client-attestation+jwt"];
    let signed = |header: &Json, claims: &Json| jws::sign_with_header(key, header, claims).unwrap();
    let mut others: Vec<String> = typed.iter().map(|typ| signed(&json!({ "typ": typ, "alg": "ES256" }), &good)).collect();
    let statement = dpop::Statement { method: "POST", url: issuer, nonce: None, access_token: None, jti: &fresh(), iat: now_s };
    others.extend([
        dpop::make(key, &statement).unwrap(),
        client_assertion::make(key, "member-app", issuer, &fresh(), now_s).unwrap(),
        client_attestation::make(key, "gate", &key.public().to_jwk(), now_s..now_s + 60, &Map::new()).unwrap(),
        client_attestation::make_pop(key, issuer, &fresh(), None, now_s).unwrap(),
        make_hint(key, ("member-app", issuer), &Named::LoginName("alice".to_owned()), &fresh(), now_s).unwrap(),
        asked["challenge"].as_str().unwrap().to_owned(),
        asked["picture"].as_str().unwrap().to_owned(),
        pass.clone(),
    ]);
    others.extend(["access_token", "id_token", "refresh_token"].map(|name| tokens.text(name)));
    // A header or claims that say more than a proof does.
    let proved = json!({ "typ": kiosk::PROOF_TYP, "alg": "ES256" });
    for (name, value) in [("kid", json!(key.kid())), ("jwk", key.public().to_jwk()), ("crit", json!(["exp"]))] {
        let mut header = proved.clone();
        header[name] = value;
        others.push(signed(&header, &good));
    }
    for (name, value) in [("iss", json!("x")), ("sub", json!("x")), ("aud", json!([issuer])), ("aud", json!("https://b.example"))] {
        let mut claims = good.clone();
        claims[name] = value;
        others.push(signed(&proved, &claims));
    }
    for (number, text) in others.iter().enumerate() {
        let answer = show(&mut gate, text).await;
        assert_eq!(answer.error(), (400, "invalid_grant"), "{number}: {text}");
    }
    assert_eq!(show(&mut gate, &signed(&proved, &good)).await.status, 200, "the twin");
    scene.world.stop().await;
}
