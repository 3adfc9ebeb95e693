//! Tokens bound to a key: RFC 9449 at PAR, the token endpoint and userinfo. Area D of the catalogue.

use crate::world::*;
use serde_json::{Value as Json, json};

use symbolon_oauth::{dpop, jws};

/// 141-F, 146-F: a bound token says so, refreshes converge at any age; another key, or none, gets nothing, not even at once after the
/// owner's refresh, and ends nothing: it raises an alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_holds_its_session() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let tokens = app.tokens("openid orders:read").await;
        assert_eq!(tokens.text("token_type"), "DPoP");
        assert_eq!(claims(&tokens.text("access_token"))["cnf"], json!({ "jkt": app.key.kid() }));
        let first = tokens.text("refresh_token");
        let mut thief = world.phone();
        assert_eq!(thief.refresh(&first).await.error(), (400, "invalid_grant"));
        let (status, bare) = world.refresh(&first).await;
        assert_eq!((status, bare["error"].as_str()), (400, Some("invalid_grant")), "without any proof");
        let second = app.refresh(&first).await.text("refresh_token");
        assert_eq!(thief.refresh(&first).await.error(), (400, "invalid_grant"), "within the owner's ten seconds");
        assert_eq!(world.audited("refresh_in_wrong_hands").await, 1);
        world.advance_s(3600);
        let again = app.refresh(&first).await;
        assert_eq!((again.status, again.text("refresh_token")), (200, second.clone()), "an hour later, the same successor");
        let third = app.refresh(&second).await.text("refresh_token");
        let old = app.refresh(&first).await;
        assert_eq!(old.error(), (400, "invalid_grant"));
        assert_eq!(app.refresh(&third).await.status, 200, "an old copy of a bound token ends nothing");
        assert_eq!(world.audited("refresh_replayed").await, 1);
        world.stop().await;
    })
    .await;
}

/// Possession of a token string alone never ends anything: not without the key, not by another key, not by an old copy.
/// The key with the newest token, or the one before, does.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_holds_a_session_revokes_it() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let tokens = app.tokens("openid orders:read").await;
        let (first, access) = (tokens.text("refresh_token"), tokens.text("access_token"));
        let second = app.refresh(&first).await.text("refresh_token");
        let third = app.refresh(&second).await.text("refresh_token");
        let mut thief = world.phone();
        for token in [&first, &second, &third, &access] {
            let form = [("client_id", "shop-ios"), ("token", token.as_str())];
            assert_eq!(app.send("/revoke", &form, &[]).await.error(), (400, "invalid_grant"), "without a proof");
            assert_eq!(thief.post("/revoke", &form).await.error(), (400, "invalid_grant"), "another key");
        }
        assert_eq!(world.audited("revocation_refused").await, 1, "one alarm a minute");
        // RFC 7009 2.2: an invalid token is no error, and ends nothing.
        let form = |token: &str| [("client_id", "shop-ios".to_owned()), ("token", token.to_owned())];
        let revoke = async |app: &mut Phone<'_>, token: &str| {
            let form = form(token);
            app.post("/revoke", &[("client_id", &form[0].1), ("token", &form[1].1)]).await.status
        };
        assert_eq!(revoke(&mut app, &first).await, 200);
        let fourth = app.refresh(&third).await;
        assert_eq!(fourth.status, 200, "nothing has ended: {}", fourth.body);
        assert_eq!(world.audited("grant_revoked").await, 0);
        // The answer to the last refresh was lost, and the person signs out.
        assert_eq!(revoke(&mut app, &third).await, 200);
        assert_eq!(world.audited("grant_revoked").await, 1);
        assert_eq!(app.refresh(&fourth.text("refresh_token")).await.error(), (400, "invalid_grant"));
        assert_eq!(revoke(&mut app, &third).await, 200, "what is over stays over");
        assert_eq!(world.audited("grant_revoked").await, 1);
        world.stop().await;
    })
    .await;
}

/// 146-F, 141-F: a refresh token of a key in other hands is refused and reported, once a minute; the owner goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_without_its_key_raises_an_alarm() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let first = app.tokens("orders:read").await.text("refresh_token");
        let second = app.refresh(&first).await.text("refresh_token");
        assert_eq!(world.audited("refresh_in_wrong_hands").await, 0);
        let mut thief = world.phone();
        // Within the window of a retry and after it, with another key, without one, as another client (which is an entry of its own).
        for token in [&first, &second] {
            assert_eq!(thief.refresh(token).await.error(), (400, "invalid_grant"));
            assert_eq!(world.refresh(token).await.1["error"], "invalid_grant");
            let form = [("grant_type", "refresh_token"), ("client_id", "other-ios"), ("refresh_token", token.as_str())];
            assert_eq!(app.post("/token", &form).await.error(), (400, "invalid_grant"));
        }
        assert_eq!(world.audited("refresh_in_wrong_hands").await, 1);
        assert_eq!(app.refresh(&second).await.status, 200);
        // Another grant has an alarm of its own.
        let other = app.tokens("orders:read").await.text("refresh_token");
        assert_eq!(thief.refresh(&other).await.error(), (400, "invalid_grant"));
        assert_eq!(world.audited("refresh_in_wrong_hands").await, 2);
        world.stop().await;
    })
    .await;
}

/// Two who hold the key take turns: generation after generation is asked for twice. At the sixth in a row it is said, and the next
/// sign-in asks for everything; nothing ends. A retry within the window, or a generation without a late one, is no sign of it.
#[tokio::test(flavor = "multi_thread")]
async fn two_holders_of_one_key_are_suspected() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let mut newest = app.exchange(&code, &ask.verifier).await.text("refresh_token");
        let mut turn = async |late: bool| {
            let next = app.refresh(&newest).await.text("refresh_token");
            world.advance_s(if late { 20 } else { 2 });
            let again = app.refresh(&newest).await;
            assert_eq!((again.status, again.text("refresh_token")), (200, next.clone()));
            newest = next;
        };
        for late in [true, true, true, true, true, false, true, true, true, true, true] {
            turn(late).await;
        }
        let signed_in = async |browser: &mut Browser| {
            let page = browser.open(&world, &ask).await;
            (page.status, page.location.is_some())
        };
        assert_eq!((world.audited("suspected_two_holders").await, signed_in(&mut browser).await), (0, (303, true)));
        turn(true).await;
        assert_eq!(world.audited("suspected_two_holders").await, 1);
        assert_eq!(signed_in(&mut browser).await, (200, false), "who signs in next proves everything");
        turn(true).await;
        assert_eq!(world.audited("suspected_two_holders").await, 1);
        let said = crate::commands::symbolon(&world.file(), &["user", "show", "alice"], "").await.1;
        assert!(said.contains("two holders suspected since"), "{said}");
        let back = browser.sign_in(&world, &ask, "alice").await;
        assert!(back.contains_key("code"), "{back:?}");
        assert_eq!(app.refresh(&newest).await.status, 200, "nothing has ended");
        assert_eq!(signed_in(&mut browser).await, (303, true));
        world.stop().await;
    })
    .await;
}

/// Static mode: the token stays, also when the store is behind; changing the mode either way keeps the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_mode_keeps_the_session() {
    for engine in engines() {
        let bound = Configuration::on(engine).await.set("client.shop-ios.dpop", "required");
        let world = bound.set("client.shop-ios.refresh.mode", "rotate").start().await;
        let mode = async |mode: &str| world.reload(|it| it.set("client.shop-ios.refresh.mode", mode)).await;
        let mut app = world.phone();
        let first = app.tokens("orders:read").await.text("refresh_token");
        let second = app.refresh(&first).await.text("refresh_token");
        assert_ne!(first, second);
        mode("static").await;
        for presented in [&second, &first, &second] {
            let answer = app.refresh(presented).await;
            assert_eq!((answer.status, answer.text("refresh_token")), (200, second.clone()));
        }
        let store = world.running.shared.now().store.clone();
        let mut change = symbolon::store::Change::new(world.running.shared.now().now_ms());
        change.run("UPDATE app_grant SET generation = 1 WHERE generation = 2", Vec::new());
        store.apply(change).await.unwrap();
        let ahead = app.refresh(&second).await;
        assert_eq!((ahead.status, ahead.text("refresh_token")), (200, second.clone()));
        assert_eq!(world.audited("store_behind").await, 1);
        mode("rotate").await;
        let third = app.refresh(&second).await.text("refresh_token");
        assert_ne!(second, third);
        assert_eq!(app.refresh(&third).await.status, 200);
        world.stop().await;
    }
}

/// A refresh token that stays needs something that holds it: else the configuration is refused, and says what would do.
#[test]
fn static_mode_without_a_holder_is_a_mistake() {
    let stays = Configuration::to_read().set("client.shop-ios.refresh.mode", "static");
    let said = stays.read().unwrap_err();
    assert!(said.contains("[client.shop-ios]") && said.contains("refresh.mode = \"static\" needs"), "{said}");
    assert_eq!(stays.set("client.shop-ios.dpop", "required").read(), Ok(()));
    assert_eq!(Configuration::to_read().set("client.shop-web.refresh.mode", "static").read(), Ok(()));
}

/// 180-D, 181-D: the key is named by dpop_jkt or by a proof at PAR; the code is then for that key alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_for_the_key_it_was_asked_for() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let mut thief = world.phone();
        let named = Ask::native("openid orders:read").with("dpop_jkt", app.key.kid());
        let code = app.code_for(&named, "alice").await.unwrap();
        assert_eq!(thief.exchange(&code, &named.verifier).await.error(), (400, "invalid_grant"));
        assert_eq!(world.exchange(&code, &named.verifier).await.1["error"], "invalid_grant");
        assert_eq!(app.exchange(&code, &named.verifier).await.status, 200);

        let pushed = Ask::native("openid orders:read");
        let form = pushed.form();
        let uri = app.post("/par", &form).await.text("request_uri");
        let ask = Ask {
            parameters: [("client_id", "shop-ios"), ("request_uri", &uri)].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..pushed.clone()
        };
        let code = app.code_for(&ask, "alice").await.unwrap();
        assert_eq!(thief.exchange(&code, &pushed.verifier).await.error(), (400, "invalid_grant"));
        assert_eq!(app.exchange(&code, &pushed.verifier).await.status, 200);

        let differs = Ask::native("openid").with("dpop_jkt", thief.key.kid());
        let form = differs.form();
        assert_eq!(app.post("/par", &form).await.error(), (400, "invalid_dpop_proof"));
        for bad in ["", "short", &"A".repeat(44)] {
            let ask = Ask::native("openid").with("dpop_jkt", bad);
            let page = Browser::default().open(&world, &ask).await;
            assert_eq!(page.parameters()["error"], "invalid_request", "{bad:?}");
        }
        world.stop().await;
    })
    .await;
}

/// 059-C with a key: the same app asks again within the minute and gets the same session; a thief's copy ends nothing; a
/// minute later, or after a refresh, a second use is a second use.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_exchange_is_answered_again() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let ask = Ask::native("openid orders:read").with("dpop_jkt", app.key.kid());
        let code = app.code_for(&ask, "alice").await.unwrap();
        let one = app.exchange(&code, &ask.verifier).await;
        let two = app.exchange(&code, &ask.verifier).await;
        assert_eq!((two.status, two.text("refresh_token")), (200, one.text("refresh_token")));
        assert_eq!(world.audited("code_retried").await, 1);
        let next = app.refresh(&two.text("refresh_token")).await;
        assert_eq!(next.status, 200);
        assert_eq!(app.exchange(&code, &ask.verifier).await.error(), (400, "invalid_grant"), "it was used since");
        assert_eq!(app.refresh(&next.text("refresh_token")).await.error(), (400, "invalid_grant"), "and so all of it has ended");

        let code = app.code_for(&ask, "alice").await.unwrap();
        assert_eq!(app.exchange(&code, &ask.verifier).await.status, 200);
        world.advance_s(61);
        assert_eq!(app.exchange(&code, &ask.verifier).await.error(), (400, "invalid_grant"), "the minute is over");
        world.stop().await;
    })
    .await;
}

/// 161-D, 163-D, 170-D, 172-D, 174-D, 176-D: what is wrong with a proof, exactly; nothing is spent by it.
#[expect(clippy::too_many_lines, reason = "one story from its beginning to its end")]
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_for_one_request() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let token = app.tokens("openid orders:read").await.text("refresh_token");
        let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
        let now_s = app.now_s();
        let nonce = app.nonce.clone();
        let made = |method: &str, url: &str, nonce: Option<&str>, jti: &str, iat: i64| {
            dpop::make(&app.key, &dpop::Statement { method, url, nonce, access_token: None, jti, iat }).unwrap()
        };
        let good_url = world.url("/token");
        let nonce = nonce.as_deref();
        for (name, proof, wanted) in [
            ("method", made("GET", &good_url, nonce, "j1", now_s), "invalid_dpop_proof"),
            ("other endpoint", made("POST", &world.url("/par"), nonce, "j2", now_s), "invalid_dpop_proof"),
            ("other host", made("POST", "https://evil.test/token", nonce, "j3", now_s), "invalid_dpop_proof"),
            ("old", made("POST", &good_url, nonce, "j4", now_s - 310), "invalid_dpop_proof"),
            ("future", made("POST", &good_url, nonce, "j5", now_s + 330), "invalid_dpop_proof"),
            ("a clock that is wrong, and no nonce", made("POST", &good_url, None, "j5", now_s - 90), "use_dpop_nonce"),
            ("long jti", made("POST", &good_url, nonce, &"j".repeat(300), now_s), "invalid_dpop_proof"),
            ("no nonce", made("POST", &good_url, None, "j6", now_s), "use_dpop_nonce"),
            ("made-up nonce", made("POST", &good_url, Some("AAAA"), "j7", now_s), "use_dpop_nonce"),
            ("nothing", String::new(), "invalid_dpop_proof"),
            ("not a JWT", "e30.e30.e30".to_owned(), "invalid_dpop_proof"),
        ] {
            let answer = app.send("/token", &form, &[&proof]).await;
            assert_eq!(answer.error(), (400, wanted), "{name}: {}", answer.body);
            assert!(answer.nonce().is_some(), "{name}");
        }
        // 174-D, 176-D: what the header says of itself and of the key; a further member is no defect.
        let jwk = app.key.public().to_jwk();
        let headed = |name: &str, value: Json| {
            let mut header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
            header[name] = value;
            let claims = json!({ "jti": fresh(), "htm": "POST", "htu": good_url, "iat": now_s, "nonce": nonce });
            jws::sign_with_header(&app.key, &header, &claims).unwrap()
        };
        for (name, value) in [
            ("typ", json!("JWT")),
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
            ("jwk", json!({ "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["x"] })),
        ] {
            let answer = app.send("/token", &form, &[&headed(name, value.clone())]).await;
            assert_eq!(answer.error(), (400, "invalid_dpop_proof"), "{name} {value}");
        }
        assert_eq!(app.send("/token", &form, &[&headed("kid", json!("x"))]).await.status, 200);
        let twice = made("POST", &good_url, nonce, "j8", now_s);
        assert_eq!(app.send("/token", &form, &[&twice, &twice]).await.error(), (400, "invalid_dpop_proof"), "two headers");
        let spoofed = world.http.post(&good_url).form(&form).header("x-forwarded-host", "evil.test");
        let spoofed = Answer::to(spoofed.header("dpop", made("POST", "https://evil.test/token", nonce, "j9", now_s))).await;
        assert_eq!(spoofed.error(), (400, "invalid_dpop_proof"));
        let good = made("POST", &good_url, nonce, "j10", now_s);
        assert_eq!(app.send("/token", &form, &[&good]).await.status, 200);
        let replayed = app.send("/token", &form, &[&good]).await;
        assert_eq!(replayed.error(), (400, "use_dpop_nonce"), "a proof works once; a request sent twice heals itself");
        let healed = app.send("/token", &form, &[&made("POST", &good_url, replayed.nonce().as_deref(), "j11", now_s)]).await;
        assert_eq!(healed.status, 200);
        // 168-D: the same jti under another key is another proof.
        let other = world.phone();
        let theirs =
            dpop::make(&other.key, &dpop::Statement { method: "POST", url: &good_url, nonce, access_token: None, jti: "j12", iat: now_s })
                .unwrap();
        assert_eq!(app.send("/token", &form, &[&theirs]).await.error(), (400, "invalid_grant"));
        assert_eq!(app.send("/token", &form, &[&made("POST", &good_url, nonce, "j12", now_s)]).await.status, 200);
        // A nonce lasts for the next refresh, and not for ever.
        world.advance_s(1700);
        let later = made("POST", &good_url, nonce, "j13", now_s + 1700);
        assert_ne!(app.send("/token", &form, &[&later]).await.body["error"], "use_dpop_nonce");
        world.advance_s(200);
        let late = made("POST", &good_url, nonce, "j14", now_s + 1900);
        assert_eq!(app.send("/token", &form, &[&late]).await.error(), (400, "use_dpop_nonce"));
        world.stop().await;
    })
    .await;
}

/// 161-D, 167-D: a phone whose clock is wrong by up to five minutes gets on with a nonce of ours, and each of its proofs still works once.
/// Where no nonce is asked for, a proof without one has a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_clock_is_wrong_needs_our_nonce() {
    for engine in engines() {
        for asks in [true, false] {
            let world = Configuration::on(engine).await.set("dpop.nonce", asks).start().await;
            world.freeze();
            let mut app = world.phone();
            let mut token = app.tokens("openid orders:read").await.text("refresh_token");
            let url = world.url("/token");
            let core = world.running.shared.now();
            let now_s = app.now_s();
            let ours = symbolon::dpop::nonce(&core, now_s * 1000).unwrap();
            let mut send = async |nonce: Option<&str>, jti: &str, iat: i64| {
                let statement = dpop::Statement { method: "POST", url: &url, nonce, access_token: None, jti, iat };
                let proof = dpop::make(&app.key, &statement).unwrap();
                let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
                let answer = app.send("/token", &form, &[&proof]).await;
                if answer.status != 200 {
                    return answer.body["error"].as_str().unwrap().to_owned();
                }
                token = answer.text("refresh_token");
                "none".to_owned()
            };
            for offset_s in [-301, -300, -90, -61, -60, 0, 60, 61, 90, 300, 301_i64] {
                let bare = match (offset_s.abs(), asks) {
                    (301.., _) | (61.., false) => "invalid_dpop_proof",
                    (_, true) => "use_dpop_nonce",
                    _ => "none",
                };
                assert_eq!(send(None, &format!("bare {offset_s}"), now_s + offset_s).await, bare, "{asks} {offset_s}");
                let jti = format!("with {offset_s}");
                let (first, second) =
                    if offset_s.abs() > 300 { ("invalid_dpop_proof", "invalid_dpop_proof") } else { ("none", "use_dpop_nonce") };
                assert_eq!(send(Some(&ours), &jti, now_s + offset_s).await, first, "{asks} {offset_s}");
                assert_eq!(send(Some(&ours), &jti, now_s + offset_s).await, second, "{asks} {offset_s}: once");
            }
            // The memory lasts as long as the proof: to its last second.
            assert_eq!(send(Some(&ours), "late", now_s + 300).await, "none");
            world.advance_s(600);
            symbolon::store::retention::sweep(&core.store, (now_s + 600) * 1000).await.unwrap();
            assert_eq!(send(Some(&ours), "late", now_s + 300).await, "use_dpop_nonce");
            world.advance_s(1);
            assert_eq!(send(Some(&ours), "late", now_s + 300).await, "invalid_dpop_proof");
            world.stop().await;
        }
    }
}

/// 157-D, 159-D, 161-D, 179-D: userinfo takes a bound token with its proof and in no other way.
#[tokio::test(flavor = "multi_thread")]
async fn userinfo_is_a_resource_like_any_other() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let tokens = app.tokens("openid profile").await;
        let (bound, unbound) =
            (tokens.text("access_token"), world.tokens("openid profile").await["access_token"].as_str().unwrap().to_owned());
        let get = |scheme: &str, token: &str, proof: Option<String>| {
            let request = world.http.get(world.url("/userinfo")).header("authorization", format!("{scheme} {token}"));
            Answer::to(match proof {
                Some(proof) => request.header("dpop", proof),
                None => request,
            })
        };
        let proof = |token: &str| app.proof("GET", "/userinfo", Some(token));
        assert_eq!(get("Bearer", &bound, None).await.error(), (401, "invalid_token"));
        let bare = get("DPoP", &bound, None).await;
        assert_eq!(bare.error(), (401, "invalid_dpop_proof"));
        assert!(
            bare.header("www-authenticate").unwrap().starts_with("DPoP ")
                && bare.header("www-authenticate").unwrap().contains("algs=\"ES256 EdDSA\""),
            "{}",
            bare.header("www-authenticate").unwrap()
        );
        assert_eq!(get("DPoP", &unbound, Some(proof(&unbound))).await.error(), (401, "invalid_token"));
        assert_eq!(get("DPoP", &bound, Some(proof(&unbound))).await.error(), (401, "invalid_dpop_proof"), "ath of another token");
        assert_eq!(get("DPoP", &bound, Some(app.proof("POST", "/userinfo", Some(&bound)))).await.error(), (401, "invalid_dpop_proof"));
        let other = Phone { nonce: app.nonce.clone(), ..world.phone().with_key(new_key()) };
        assert_eq!(get("DPoP", &bound, Some(other.proof("GET", "/userinfo", Some(&bound)))).await.error(), (401, "invalid_token"));
        let good = proof(&bound);
        for (one, two) in
            [(("DPoP", &bound), ("Bearer", &unbound)), (("Bearer", &unbound), ("DPoP", &bound)), (("DPoP", &bound), ("DPoP", &bound))]
        {
            let mut request = world.http.get(world.url("/userinfo")).header("dpop", &good);
            for (scheme, token) in [one, two] {
                request = request.header("authorization", format!("{scheme} {token}"));
            }
            assert_eq!(Answer::to(request).await.error(), (400, "invalid_request"), "two headers: {} {}", one.0, two.0);
        }
        assert_eq!(get("DPoP", &bound, Some(good.clone())).await.status, 200);
        let replayed = get("DPoP", &bound, Some(good)).await;
        assert_eq!(replayed.error(), (401, "use_dpop_nonce"));
        assert!(
            replayed.header("www-authenticate").unwrap().contains("use_dpop_nonce"),
            "{}",
            replayed.header("www-authenticate").unwrap()
        );
        assert_eq!(get("Bearer", &unbound, None).await.status, 200);
        world.stop().await;
    })
    .await;
}

/// 141-F: where a client or an API requires a key, there is no token without one.
#[tokio::test(flavor = "multi_thread")]
async fn who_must_prove_a_key_and_who_learns_to() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let world = configuration.set("client.other-ios.dpop", "required").set("api.ledger.dpop", "required").start().await;
    let mut app = world.phone();
    let ask = Ask::new("other-ios", "https://other.example.com/callback", "openid orders:read");
    let code = app.code_for(&ask, "alice").await.unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "other-ios"),
        ("code", code.as_str()),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", "https://other.example.com/callback"),
    ];
    assert_eq!(app.send("/token", &form, &[]).await.error(), (400, "invalid_dpop_proof"));
    let bound = app.post("/token", &form).await;
    assert_eq!(bound.status, 200);
    let bound = bound.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("client_id", "other-ios"), ("refresh_token", bound.as_str())];
    assert_eq!(app.send("/token", &form, &[]).await.error(), (400, "invalid_dpop_proof"), "141-F");
    assert_eq!(app.post("/token", &form).await.status, 200);

    let (code, verifier) = world.code("openid ledger:read").await;
    let (status, refused) = world.exchange(&code, &verifier).await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_dpop_proof")));
    assert_eq!(app.tokens("openid ledger:read").await.text("token_type"), "DPoP");
    world.stop().await;
}

/// An app that begins to prove a key stays signed in, and its token is no bearer token any more. A confidential client is
/// bound by its authentication, and its key may change (RFC 9449 5).
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_learns_to_prove_a_key_stays_signed_in() {
    on_every_engine(|world| async move {
        let bearer = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        let mut app = world.phone();
        let bound = app.refresh(&bearer).await;
        assert_eq!((bound.status, bound.text("token_type").as_str()), (200, "DPoP"));
        let next = bound.text("refresh_token");
        assert_eq!(world.refresh(&next).await.1["error"], "invalid_grant", "no bearer token any more");
        let later = app.refresh(&next).await;
        assert_eq!(later.status, 200);
        // A copy of the token from before the key: its thief may have been first, so nobody goes on, as without a key.
        assert_eq!(world.refresh(&bearer).await.1["error"], "invalid_grant");
        assert_eq!(app.refresh(&later.text("refresh_token")).await.error(), (400, "invalid_grant"));
        let robot = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        for _ in 0..2 {
            let mut other = world.phone();
            let request = |proof: String| {
                Answer::to(world.http.post(world.url("/token")).form(&robot).basic_auth("robot", Some(SECRET)).header("dpop", proof))
            };
            other.nonce = request(other.proof("POST", "/token", None)).await.nonce();
            let answer = request(other.proof("POST", "/token", None)).await;
            assert_eq!(claims(&answer.text("access_token"))["cnf"]["jkt"], other.key.kid(), "{}", answer.body);
        }
        world.stop().await;
    })
    .await;
}

/// Under load: sixty-four requests with one proof, one answer with tokens.
#[tokio::test(flavor = "multi_thread")]
async fn one_proof_sixty_four_times_is_one_proof() {
    on_every_engine(|world| async move {
        let mut app = world.phone();
        let token = app.tokens("openid orders:read").await.text("refresh_token");
        let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
        let proof = app.proof("POST", "/token", None);
        let requests: Vec<_> =
            (0..64).map(|_| tokio::spawn(Answer::to(world.http.post(world.url("/token")).form(&form).header("dpop", &proof)))).collect();
        let (mut good, mut healing) = (0, 0);
        for request in requests {
            let answer = request.await.unwrap();
            match answer.error() {
                (200, "") => good += 1,
                (400, "use_dpop_nonce") => healing += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((good, healing), (1, 63));
        world.stop().await;
    })
    .await;
}
