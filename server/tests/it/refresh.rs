//! Codes and refresh tokens: once means once, and nobody is logged out by a lost answer.

use crate::world::*;
use serde_json::Value as Json;

fn refresh_token(tokens: &Json) -> String {
    tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
}

/// 042-C, 046-C, 059-C, 060-C
#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_and_the_second_use_ends_what_the_first_one_got() {
    on_every_engine(|world| async move {
        let (code, verifier) = world.code("openid orders:read").await;
        let (status, tokens) = world.exchange(&code, &verifier).await;
        assert_eq!(status, 200, "{tokens}");
        let (status, next) = world.refresh(&refresh_token(&tokens)).await;
        assert_eq!(status, 200, "{next}");
        world.advance_s(90);
        let (status, body) = world.exchange(&code, &verifier).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
        let (status, body) = world.refresh(&refresh_token(&next)).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(world.audited("code_used_twice").await, 1);
        for other in [refresh_token(&tokens), tokens["access_token"].as_str().unwrap().to_owned(), code[..code.len() - 1].to_owned()] {
            let (status, body) = world.exchange(&other, &verifier).await;
            assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
        }
        world.stop().await;
    })
    .await;
}

/// 044-C, 048-C, 049-C, 054-C, 055-C, 065-P, 066-P
#[tokio::test(flavor = "multi_thread")]
async fn a_code_fits_its_client_its_verifier_and_its_minute() {
    let world = World::start(Engine::Sqlite).await;
    let (code, verifier) = world.code("orders:read").await;
    let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let wrong: [(&[(&str, &str)], &str); 5] = [
        (&[("client_id", "other-ios"), ("code_verifier", &verifier)], "invalid_grant"),
        (&[("client_id", "shop-ios"), ("code_verifier", "wrong-verifier-wrong-verifier-wrong-verifier-wrong")], "invalid_grant"),
        (&[("client_id", "shop-ios")], "invalid_grant"),
        (&[("client_id", "shop-ios"), ("code_verifier", "")], "invalid_grant"),
        (&[("client_id", "shop-ios"), ("code_verifier", &verifier), ("redirect_uri", "http://127.0.0.1/callback")], "invalid_grant"),
    ];
    for (extra, error) in wrong {
        let form: Vec<(&str, &str)> = base.iter().chain(extra).copied().collect();
        let (status, body) = world.post("/token", &form, None).await;
        assert_eq!((status, body["error"].as_str()), (400, Some(error)), "{extra:?}");
    }
    // Five wrong tries do not spend it; ten do.
    assert_eq!(world.exchange(&code, &verifier).await.0, 200);
    let (code, verifier) = world.code("orders:read").await;
    for _ in 0..10 {
        assert_eq!(world.exchange(&code, "wrong-verifier-wrong-verifier-wrong-verifier-wrong").await.0, 400);
    }
    assert_eq!(world.exchange(&code, &verifier).await.0, 400, "ten failures spend the code");
    let (code, verifier) = world.code("orders:read").await;
    world.advance_s(61);
    let (status, body) = world.exchange(&code, &verifier).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
    world.stop().await;
}

/// 130-F, 132-F: retried and racing refreshes converge on one successor; an ancestor ends the unbound grant.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_costs_nothing_and_an_old_token_ends_the_grant() {
    on_every_engine(|world| async move {
        let first = refresh_token(&world.tokens("orders:read").await);
        let (status, answer) = world.refresh(&first).await;
        assert_eq!(status, 200);
        let second = refresh_token(&answer);
        let (status, answer) = world.refresh(&first).await;
        assert_eq!((status, refresh_token(&answer)), (200, second.clone()), "a retry gets the same successor");
        assert_eq!(world.audited("refresh_repeated").await, 1);
        let (status, answer) = world.refresh(&second).await;
        assert_eq!(status, 200);
        let third = refresh_token(&answer);
        let (status, body) = world.refresh(&first).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
        assert_eq!(world.audited("refresh_replayed").await, 1);
        assert_eq!(world.refresh(&third).await.0, 400, "the grant has ended");
        world.stop().await;
    })
    .await;
}

/// 129-F: outside the window a retry of an unbound token is a replay.
#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_an_unbound_token_is_measured_from_the_first_issue() {
    let world = World::start(Engine::Sqlite).await;
    let first = refresh_token(&world.tokens("orders:read").await);
    let second = refresh_token(&world.refresh(&first).await.1);
    world.advance_s(6);
    assert_eq!(world.refresh(&first).await.0, 200);
    world.advance_s(6);
    assert_eq!(world.refresh(&first).await.0, 400, "repeats do not extend the window");
    assert_eq!(world.refresh(&second).await.0, 400);
    world.stop().await;
}

/// 130-F, 625-Q: 64 at once.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_refreshes_at_once_get_one_successor() {
    on_every_engine(|world| async move {
        let world = std::sync::Arc::new(world);
        let first = refresh_token(&world.tokens("orders:read").await);
        let racing: Vec<_> = (0..64)
            .map(|_| {
                let (world, token) = (std::sync::Arc::clone(&world), first.clone());
                tokio::spawn(async move { world.refresh(&token).await })
            })
            .collect();
        let mut successors = std::collections::BTreeSet::new();
        for one in racing {
            let (status, body) = one.await.unwrap();
            match status {
                200 => drop(successors.insert(refresh_token(&body))),
                429 | 503 => {}
                _ => panic!("{status} {body}"),
            }
        }
        assert_eq!(successors.len(), 1);
        assert_eq!(world.refresh(successors.first().unwrap()).await.0, 200);
    })
    .await;
}

/// 625-Q: 64 redemptions of one code: one success, and the grant is ended by the second.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_redemptions_of_one_code_succeed_at_most_once() {
    on_every_engine(|world| async move {
        let world = std::sync::Arc::new(world);
        let (code, verifier) = world.code("orders:read").await;
        let racing: Vec<_> = (0..64)
            .map(|_| {
                let (world, code, verifier) = (std::sync::Arc::clone(&world), code.clone(), verifier.clone());
                tokio::spawn(async move { world.exchange(&code, &verifier).await })
            })
            .collect();
        let mut won = Vec::new();
        for one in racing {
            let (status, body) = one.await.unwrap();
            if status == 200 {
                won.push(refresh_token(&body));
            } else {
                assert_eq!(body["error"], "invalid_grant");
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(world.refresh(&won[0]).await.0, 400, "a code used twice ends its grant");
    })
    .await;
}

/// 134-F, 138-F, 147-F, 156-F
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_never_widens_and_ends_when_idle() {
    let world = World::start(Engine::Sqlite).await;
    let token = refresh_token(&world.tokens("orders:read").await);
    let ask = |scope: &'static str, token: String| {
        [
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", "shop-ios".to_owned()),
            ("refresh_token", token),
            ("scope", scope.to_owned()),
        ]
    };
    let send = async |form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        world.post("/token", &form, None).await
    };
    let (status, body) = send(&ask("orders:read orders:write", token.clone())).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_scope")));
    let (status, body) = send(&ask("orders:read", token.clone())).await;
    assert_eq!(status, 200, "{body}");
    let token = refresh_token(&body);
    for edited in [token[..token.len() - 1].to_owned(), token.to_lowercase(), format!(" {token}"), format!("{token}A")] {
        assert_eq!(world.refresh(&edited).await.1["error"], "invalid_grant");
    }
    assert_eq!(world.refresh(&token).await.0, 200, "edited copies changed nothing");
    let token = refresh_token(&world.tokens("orders:read").await);
    world.advance_s(30 * 24 * 3600 + 1);
    assert_eq!(world.refresh(&token).await.1["error"], "invalid_grant");
    world.stop().await;
}

/// 135-F, 349-L: a disabled person's sessions are over at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_person_is_refused_at_the_next_refresh() {
    let world = World::start(Engine::Sqlite).await;
    let token = refresh_token(&world.tokens("orders:read").await);
    let app = world.running.shared.now();
    let set = async |state: &'static str| {
        let mut change = symbolon::store::Change::new(app.now_ms());
        change.run("UPDATE account SET state = $1 WHERE email = 'alice@example.com'", vec![state.into()]);
        app.store.apply(change).await.unwrap();
    };
    set("disabled").await;
    let (status, answer) = world.refresh(&token).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")));
    set("active").await;
    assert_eq!(world.refresh(&token).await.0, 200);
    drop(app);
    world.stop().await;
}

/// 154-F: no parameter of a refresh names an address that is called then, or at the end of the session.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_leaves_no_address_to_call() {
    on_every_engine(|world| async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("http://{host}/");
        let mut browser = Browser::default();
        let ask = Ask::native("openid orders:read");
        let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let token = refresh_token(&world.exchange(&code, &ask.verifier).await.1);
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "shop-ios"),
            ("refresh_token", token.as_str()),
            ("client_session_host", &host),
            ("client_session_state", "x"),
            ("backchannel_logout_uri", &url),
            ("frontchannel_logout_uri", &url),
            ("jwks_uri", &url),
            ("request_uri", &url),
        ];
        let (status, tokens) = world.post("/token", &form, None).await;
        assert_eq!(status, 200, "{tokens}");
        let page = browser.visit(&world, "/logout").await;
        assert_eq!(browser.submit(&world, &page, &[], "logout").await.status, 200);
        assert_eq!(world.refresh(&refresh_token(&tokens)).await.0, 400, "the session is over");
        let called = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await;
        assert!(called.is_err(), "somebody called {host}");
        world.stop().await;
    })
    .await;
}

/// An old string, found in a log, is no button that signs a person out; the newest one is.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_refresh_token_revokes_nothing() {
    on_every_engine(|world| async move {
        let first = refresh_token(&world.tokens("orders:read").await);
        let second = refresh_token(&world.refresh(&first).await.1);
        let third = refresh_token(&world.refresh(&second).await.1);
        let revoke = async |token: &str| world.post("/revoke", &[("client_id", "shop-ios"), ("token", token)], None).await.0;
        assert_eq!(revoke(&first).await, 200, "RFC 7009 2.2: an invalid token is no error");
        assert_eq!((world.audited("revocation_refused").await, world.audited("grant_revoked").await), (1, 0));
        let (status, body) = world.refresh(&third).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(revoke(&refresh_token(&body)).await, 200);
        assert_eq!(world.refresh(&refresh_token(&body)).await.1["error"], "invalid_grant");
        world.stop().await;
    })
    .await;
}

/// `ends_with_session`: the app is signed in as long as the browser is. Visits keep it, idle and absolute end of `[session]` end it;
/// without the option it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_can_end_with_the_browsers_session() {
    for engine in engines() {
        for ends in [true, false] {
            let world = Configuration::on(engine).await.set("client.shop-ios.refresh.ends_with_session", ends).start().await;
            let sign_in = async || {
                let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
                let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
                let (status, tokens) = world.exchange(&code, &ask.verifier).await;
                assert_eq!(status, 200, "{tokens}");
                (browser, tokens)
            };
            let after = |status| if ends { (400, "invalid_grant") } else { (status, "") };
            let refreshed = async |token: &mut String| {
                let (status, answer) = world.refresh(token).await;
                if status == 200 {
                    *token = refresh_token(&answer);
                }
                (status, answer["error"].as_str().unwrap_or_default().to_owned())
            };
            let is = |it: (u16, &str)| (it.0, it.1.to_owned());
            let (_, tokens) = sign_in().await;
            assert_eq!(tokens["refresh_token_timeout"].as_i64().unwrap() <= 7200, ends);
            let mut token = refresh_token(&tokens);
            world.advance_s(7_100);
            let (status, answer) = world.refresh(&token).await;
            assert_eq!((status, answer["expires_in"].as_i64().unwrap() <= 100), (200, ends), "no token outlives the session: {answer}");
            token = refresh_token(&answer);
            world.advance_s(120);
            assert_eq!(refreshed(&mut token).await, is(after(200)), "idle: a refresh is no visit");
            // Visits keep the session, until its absolute end.
            let (mut browser, tokens) = sign_in().await;
            let mut token = refresh_token(&tokens);
            for _ in 0..11 {
                world.advance_s(3_600);
                let visit = browser.open(&world, &Ask::native("openid")).await;
                assert_eq!(visit.status, 303);
                assert_eq!(refreshed(&mut token).await, is((200, "")));
            }
            world.advance_s(3_601);
            assert_eq!(refreshed(&mut token).await, is(after(200)), "absolute end");
            world.stop().await;
        }
    }
}

/// The policy becomes stricter than what was proved. By default the grant goes on as it is; with `on_weaker_policy = "end"` it ends, and
/// what is laxer again brings it back no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_proved_by_less_goes_on_or_ends() {
    for engine in engines() {
        for (word, after) in [("keep", (200, "")), ("end", (400, "invalid_grant"))] {
            let world = Configuration::on(engine).await.set("client.shop-ios.refresh.on_weaker_policy", word).start().await;
            let (status, tokens) = world.refresh(&refresh_token(&world.tokens("openid orders:read").await)).await;
            assert_eq!(status, 200, "{tokens}");
            world.reload(|it| it.with("[login.default]\nrequire = [\"password + totp\"]\n")).await;
            let (status, mut next) = world.refresh(&refresh_token(&tokens)).await;
            assert_eq!((status, next["error"].as_str().unwrap_or_default()), after, "{word}: {next}");
            assert_eq!(world.audited("grant_weaker_than_policy").await, usize::from(word == "end"), "{word}");
            world.reload(|it| it.with("[login.default]\nrequire = [\"password\"]\n")).await;
            if status != 200 {
                next = tokens;
            }
            let (status, body) = world.refresh(&refresh_token(&next)).await;
            assert_eq!((status, body["error"].as_str().unwrap_or_default()), after, "{word}: {body}");
            // The twin: what satisfies the policy ends nowhere.
            let (status, body) = world.refresh(&refresh_token(&world.tokens("orders:read").await)).await;
            assert_eq!(status, 200, "{word}: {body}");
            world.stop().await;
        }
    }
}

/// 042-C, 166-D: the same bytes twice, one after the other or at once, are one request that a network repeated: they end nothing. The
/// twin, a new proof with what is spent, does.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_twice_ends_nothing() {
    for engine in engines() {
        let world = Configuration::on(engine).await.set("client.shop-ios.refresh.on_stale", "end").start().await;
        for at_once in [false, true] {
            let mut app = world.phone();
            let ask = Ask::native("openid orders:read");
            let code = Browser::default().sign_in(&world, &ask, "alice").await["code"].clone();
            app.exchange("sc_x", &ask.verifier).await;
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "shop-ios"),
                ("code", code.as_str()),
                ("code_verifier", &ask.verifier),
                ("redirect_uri", NATIVE_BACK),
            ];
            let proof = app.proof("POST", "/token", None);
            let proofs = [proof.as_str()];
            let (one, two) = if at_once {
                tokio::join!(app.send("/token", &form, &proofs), app.send("/token", &form, &proofs))
            } else {
                (app.send("/token", &form, &proofs).await, app.send("/token", &form, &proofs).await)
            };
            let (good, repeated) = if one.status == 200 { (one, two) } else { (two, one) };
            assert_eq!((good.status, repeated.error()), (200, (400, "use_dpop_nonce")), "{at_once} {}", repeated.body);
            // The same with a refresh token that was replaced twice: here too the old bytes end nothing, and a new proof does.
            let first = good.text("refresh_token");
            let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", first.as_str())];
            let proof = app.proof("POST", "/token", None);
            let second = app.send("/token", &form, &[&proof]).await.text("refresh_token");
            let third = app.refresh(&second).await.text("refresh_token");
            assert_eq!(app.send("/token", &form, &[&proof]).await.error(), (400, "use_dpop_nonce"));
            let fourth = app.refresh(&third).await;
            assert_eq!(fourth.status, 200, "{}", fourth.body);
            if at_once {
                assert_eq!(app.exchange(&code, &ask.verifier).await.error(), (400, "invalid_grant"));
            } else {
                assert_eq!(app.refresh(&first).await.error(), (400, "invalid_grant"));
            }
            assert_eq!(app.refresh(&fourth.text("refresh_token")).await.error(), (400, "invalid_grant"), "the grant has ended");
        }
        assert_eq!((world.audited("code_used_twice").await, world.audited("refresh_replayed").await), (1, 1));
        world.stop().await;
    }
}
