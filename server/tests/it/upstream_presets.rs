//! The peculiarities of Google, Apple, Microsoft, GitHub and Facebook, in the shape of their documents. The live services are not asked.

use crate::upstream::{CREATE, leave, subject};
use crate::world::provider::{CLIENT_ID, CLIENT_SECRET, Provider, Says};
use crate::world::{Ask, Browser, Configuration, Engine, Page, World, claims, engines, parameters};
use serde_json::{Value as Json, json};
use symbolon::serve::system_clock;
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_oauth::{base64, jws};

fn secret() -> String {
    format!("secret = {{ command = [\"printf\", \"%s\", \"{CLIENT_SECRET}\"] }}\n")
}

/// A world with one preset, whose addresses are the provider's.
async fn preset(engine: Engine, provider: &Provider, lines: &str) -> World {
    let table = format!("[upstream.any]\nissuer = \"{}\"\nclient_id = \"{CLIENT_ID}\"\n{CREATE}{lines}", provider.issuer());
    let configuration = Configuration::on(engine).await.with("[login.default]\nrequire = [\"password\", \"upstream:any\"]").with(&table);
    configuration.start().await
}

async fn sign_in(world: &World, provider: &Provider, ask: &Ask) -> Page {
    let mut browser = Browser::default();
    let url = leave(world, &mut browser, ask).await;
    browser.get(world, &provider.sign_in(&url)).await
}

/// The `sub` of the account that the sign-in leads to.
async fn signed_in(world: &World, provider: &Provider) -> String {
    let ask = Ask::native("openid orders:read");
    let page = sign_in(world, provider, &ask).await;
    assert!(page.has_code(), "{}", page.html);
    subject(world, &page, &ask).await
}

/// What userinfo says of the person.
async fn profile(world: &World, page: &Page, ask: &Ask) -> Json {
    let (status, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().unwrap();
    world.http.get(world.url("/userinfo")).bearer_auth(token).send().await.unwrap().json().await.unwrap()
}

async fn is_refused(world: &World, provider: &Provider, words: &str, why: &str) {
    let page = sign_in(world, provider, &Ask::native("openid orders:read")).await;
    assert!(page.status == 200 && page.problem().contains(words), "{why}: {} {:?}", page.html, page.location);
}

/// 440-B: the one other spelling of Google's issuer means the same people; no third one does. An address of a company is worth something
/// where Google says that it runs the company's accounts.
#[tokio::test]
async fn google_has_two_spellings_and_vouches_for_what_it_runs() {
    let provider = Provider::start().await;
    let lines = format!("preset = \"google\"\nauthoritative_for = [\"example.com\", \"gmail.com\"]\n{}", secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let says = |iss: Option<&str>, claims: Json| Says {
        sub: "108".to_owned(),
        claims,
        id_token: iss.map_or(json!({}), |iss| json!({ "iss": iss })),
        ..Says::default()
    };
    provider.says(says(None, json!({})));
    let first = signed_in(&world, &provider).await;
    provider.says(says(Some("accounts.google.com"), json!({})));
    assert_eq!(signed_in(&world, &provider).await, first);
    for lie in ["http://accounts.google.com", "accounts.google.com/", "ACCOUNTS.google.com"] {
        provider.says(says(Some(lie), json!({})));
        is_refused(&world, &provider, "did not work", lie).await;
    }
    let verified = |sub: &str, more: Json| {
        let mut claims = json!({ "email_verified": true });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Says { sub: sub.to_owned(), claims, ..Says::default() }
    };
    for (sub, more, counts) in [
        ("1", json!({ "email": "one@example.com", "hd": "example.com" }), true),
        ("2", json!({ "email": "two@example.com" }), false),
        ("3", json!({ "email": "three@example.com", "hd": "example.org" }), false),
        ("4", json!({ "email": "four@gmail.com" }), true),
    ] {
        provider.says(verified(sub, more.clone()));
        let ask = Ask::native("openid email");
        let page = sign_in(&world, &provider, &ask).await;
        let profile = profile(&world, &page, &ask).await;
        assert_eq!(profile.get("email").is_some(), counts, "{more}: {profile}");
    }
    world.stop().await;
}

/// L-13: Google's pages sign nobody in inside another app. The button says so before the person leaves, and the page on the way does not lead
/// there by itself. Nothing is taken away: what a browser says of itself may be wrong.
#[tokio::test]
async fn google_s_button_says_that_google_refuses_a_browser_inside_another_app() {
    let phone = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";
    let inside = phone.replace("Pixel 9)", "Pixel 9; wv)");
    let google = format!("preset = \"google\"\n{}", secret());
    let plain = format!("label = \"Google\"\n{}", secret());
    for (lines, user_agent, is_said) in
        [(&google, inside.as_str(), true), (&google, phone, false), (&google, "a browser of tomorrow", false), (&plain, &inside, false)]
    {
        let provider = Provider::start().await;
        let world = preset(Engine::Sqlite, &provider, lines).await;
        let mut browser = Browser::default();
        let at = |url: &str| world.http.get(url).header("user-agent", user_agent);
        let says_so = |page: &Page| page.says("Nobody can sign in at Google inside another app. Open this page in your browser first");
        let page = browser.send(at(&world.url(&Ask::native("openid").path()))).await;
        assert_eq!((page.kind(), says_so(&page)), ("password", is_said), "{lines} {user_agent}");
        let button = page.html.split("value=\"use_upstream:any\"").nth(1).unwrap().split("</button>").next().unwrap();
        assert!(button.contains("Continue with Google") && !button.contains("disabled"), "{button}");
        let note = button.split("aria-describedby=\"").nth(1).map(|it| it.split('"').next().unwrap());
        assert_eq!(note.is_some_and(|id| page.html.contains(&format!("<p class=\"note\" id=\"{id}\">Nobody can"))), is_said, "{button}");
        assert_eq!(page.html.matches("aria-describedby").count(), usize::from(is_said), "no other button: {}", page.html);
        // Who presses it all the same is asked once more, and gets there.
        let on_the_way = browser.submit_raw(&world, &page, &[], "use_upstream:any").await.location.unwrap();
        let page = browser.send(at(&on_the_way)).await;
        assert_eq!((page.status, says_so(&page), page.html.contains("http-equiv=\"refresh\"")), (200, is_said, !is_said), "{user_agent}");
        let onward = page.html.split("id=\"onward\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(onward.replace("&#x2f;", "/").starts_with(provider.issuer()), "{onward}");
        world.stop().await;
    }
}

/// Only the people of one organisation: by the claim that Google signs, never by the address.
#[tokio::test]
async fn whoever_is_of_another_organisation_is_told_so() {
    let provider = Provider::start().await;
    let lines = format!("preset = \"google\"\nrequired_claims = {{ hd = [\"example.com\"] }}\n{}", secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let says = |claims: Json| Says { sub: "108".to_owned(), claims, ..Says::default() };
    for bad in [json!({ "email": "a@example.com", "email_verified": true }), json!({ "hd": "example.org" }), json!({ "hd": null })] {
        provider.says(says(bad.clone()));
        is_refused(&world, &provider, "is of none of them", &bad.to_string()).await;
    }
    provider.says(Says { userinfo: Some(json!({ "sub": "108", "hd": "example.com" })), ..says(json!({})) });
    is_refused(&world, &provider, "is of none of them", "userinfo is not signed").await;
    assert_eq!(world.audited("registered").await, 0);
    provider.says(says(json!({ "hd": "example.com" })));
    signed_in(&world, &provider).await;
    world.stop().await;
}

const APPLE: &str = "preset = \"apple\"\nteam_id = \"ABCDE12345\"\nkey_id = \"KEY1234567\"\n";

/// The key as Apple's site gives it.
fn apple_key(key: &PrivateKey) -> String {
    let text = base64::encode(key.to_pkcs8());
    format!("key = {{ command = [\"printf\", \"%b\", '-----BEGIN PRIVATE KEY-----\\n{text}\\n-----END PRIVATE KEY-----\\n'] }}\n")
}

/// Apple posts its answer from its own site, so our cookies are not with it. Answers what comes after our page in between.
async fn posted(world: &World, browser: &mut Browser, back: &str, more: &[(&str, &str)]) -> Page {
    let mut fields = parameters(back);
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let address = back.split('?').next().unwrap();
    let request =
        world.http.post(address).form(&fields).header("sec-fetch-site", "cross-site").header("origin", "https://appleid.apple.com");
    let between = Browser::default().send(request).await;
    assert_eq!(between.status, 200, "{}", between.html);
    let action = between.form_action().unwrap();
    assert!(action.starts_with(address) && !action.contains("code="), "nothing of the answer is in the address: {action}");
    let request = world.http.post(&action).form(&between.fields()).header("sec-fetch-site", "same-origin");
    let page = browser.send(request).await;
    match page.location.clone() {
        Some(step) if step.contains("/login/") => browser.get(world, &step).await,
        _ => page,
    }
}

/// S-05, S-06: the secret is made anew each time, so that it never runs out; the posted answer reaches the sign-in it belongs to.
#[tokio::test]
async fn apple_gets_a_fresh_secret_and_posts_its_answer() {
    for engine in engines() {
        let provider = Provider::start().await;
        let key = PrivateKey::generate(Algorithm::ES256).unwrap();
        let world = preset(engine, &provider, &format!("{APPLE}{}", apple_key(&key))).await;
        let shift_s = 210 * 24 * 3600;
        for moved_s in [0, shift_s] {
            world.advance_s(moved_s);
            let now_s = system_clock()() / 1000 + moved_s;
            let times = json!({ "iat": now_s, "exp": now_s + 300, "auth_time": now_s });
            provider.says(Says { sub: "001.a".to_owned(), id_token: times, signed_secret: true, ..Says::default() });
            let mut browser = Browser::default();
            let url = leave(&world, &mut browser, &Ask::native("openid orders:read")).await;
            assert_eq!(parameters(&url)["response_mode"], "form_post");
            let back = provider.sign_in(&url);
            let page = posted(&world, &mut browser, &back, &[]).await;
            assert!(page.has_code(), "{}", page.html);
            let request = provider.request("/token");
            let body = request.split("\n\n").nth(1).unwrap();
            let form: std::collections::BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            let secret = jws::Unverified::parse(&form["client_secret"]).unwrap();
            assert_eq!((&secret.header()["alg"], &secret.header()["kid"]), (&json!("ES256"), &json!("KEY1234567")));
            let said = secret.verify_with(&KeySet { keys: vec![key.public().clone()] });
            let said = said.or_else(|_| jws::Unverified::parse(&form["client_secret"]).unwrap().verify(key.public())).unwrap();
            assert_eq!((&said["iss"], &said["sub"], &said["aud"]), (&json!("ABCDE12345"), &json!(CLIENT_ID), &json!(provider.issuer())));
            let lives_s = said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
            assert!((said["iat"].as_i64().unwrap() - now_s).abs() < 60 && lives_s <= 600, "{said:?}");
        }
        assert_eq!(world.audited("registered").await, 1, "the same person, seven months later");
        // The answer of another browser, posted into this one: its cookie is missing, and nothing is used up.
        let (mut owner, mut other) = (Browser::default(), Browser::default());
        let now_s = system_clock()() / 1000 + shift_s;
        let times = json!({ "iat": now_s, "exp": now_s + 300, "auth_time": now_s });
        provider.says(Says { sub: "001.b".to_owned(), id_token: times, signed_secret: true, ..Says::default() });
        let back = provider.sign_in(&leave(&world, &mut owner, &Ask::native("openid orders:read")).await);
        assert_eq!(posted(&world, &mut other, &back, &[]).await.status, 400, "439-B");
        assert!(posted(&world, &mut owner, &back, &[]).await.has_code(), "the twin");
        world.stop().await;
    }
}

/// S-01, S-07: the name comes once and stays; a later sign-in without name and address erases nothing. A hidden address is an address.
#[tokio::test]
async fn what_apple_says_once_is_kept() {
    let provider = Provider::start().await;
    let key = PrivateKey::generate(Algorithm::ES256).unwrap();
    let lines = format!("{APPLE}authoritative_for = [\"privaterelay.appleid.com\"]\n{}", apple_key(&key));
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let relay = json!({ "email": "x9@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true" });
    let says = |claims: Json| Says { sub: "001.a".to_owned(), claims, signed_secret: true, ..Says::default() };
    let user = r#"{"name":{"firstName":"Ann","lastName":"Example"},"email":"victim@example.com"}"#;
    provider.says(says(relay));
    let ask = Ask::native("openid profile email");
    let mut subjects = Vec::new();
    for (user, claims) in [(user, None), ("", Some(json!({}))), ("{broken", Some(json!({})))] {
        if let Some(claims) = claims {
            provider.says(says(claims));
        }
        let mut browser = Browser::default();
        let back = provider.sign_in(&leave(&world, &mut browser, &ask).await);
        let page = posted(&world, &mut browser, &back, &[("user", user)]).await;
        assert!(page.has_code(), "{user}: {}", page.html);
        let profile = profile(&world, &page, &ask).await;
        assert_eq!((&profile["name"], &profile["email"]), (&json!("Ann Example"), &json!("x9@privaterelay.appleid.com")), "{user}");
        subjects.push(profile["sub"].clone());
    }
    assert!(subjects.windows(2).all(|pair| pair[0] == pair[1]));
    let mut browser = Browser::default();
    let cancelled = json!({ "code": null, "error": "user_cancelled_authorize" });
    provider.says(Says { answer: cancelled, ..says(json!({})) });
    let back = provider.sign_in(&leave(&world, &mut browser, &ask).await);
    let page = posted(&world, &mut browser, &back, &[]).await;
    assert!(page.problem().contains("came back without signing in"), "{}", page.html);
    world.stop().await;
}

const TENANT: &str = "0f5c1d3e-0000-4000-8000-00000000000a";
const OTHER: &str = "0f5c1d3e-0000-4000-8000-00000000000b";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn of_tenant(provider: &Provider, tid: &str) -> String {
    format!("{}/{tid}/v2.0", provider.issuer())
}

/// What Microsoft says for somebody of a tenant, at an endpoint that publishes `published`.
fn microsoft(provider: &Provider, published: &str, tid: &str) -> Says {
    let issuer = of_tenant(provider, published);
    Says {
        sub: "AAAA".to_owned(),
        claims: json!({ "tid": tid }),
        id_token: json!({ "iss": of_tenant(provider, tid) }),
        discovery: json!({ "issuer": issuer, "authorization_response_iss_parameter_supported": null }),
        answer: json!({ "iss": null }),
        key_issuer: Some(of_tenant(provider, "{tenantid}")),
        ..Says::default()
    }
}

/// S-09, 440-B: the issuer is the template with the tenant of the same token, the tenant is one of the list, and the key may sign for it.
#[tokio::test]
async fn microsoft_is_one_issuer_for_each_tenant() {
    let provider = Provider::start().await;
    let lines = format!("preset = \"microsoft\"\ntenant = \"organizations\"\ntenants = [\"{TENANT}\", \"{OTHER}\"]\n{}", secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let good = |tid: &str| microsoft(&provider, "{tenantid}", tid);
    provider.says(good(TENANT));
    let one = signed_in(&world, &provider).await;
    provider.says(good(OTHER));
    assert_ne!(signed_in(&world, &provider).await, one, "the same subject in another tenant is somebody else");
    let unwelcome = "belongs to another one";
    let iss = |iss: String| Says { id_token: json!({ "iss": iss }), ..good(TENANT) };
    let tid = |tid: Json| Says { claims: json!({ "tid": tid }), ..good(TENANT) };
    let stranger = "0f5c1d3e-0000-4000-8000-00000000000c";
    let lies = [
        ("a tenant that is not on the list", good(stranger), unwelcome),
        ("personal accounts are no organization", good(PERSONAL), unwelcome),
        ("no tid", tid(Json::Null), unwelcome),
        ("a tid that is no text", tid(json!([TENANT])), unwelcome),
        (
            "the placeholder itself",
            Says { id_token: json!({ "iss": of_tenant(&provider, "{tenantid}") }), ..tid(json!("{tenantid}")) },
            unwelcome,
        ),
        ("upper case", tid(json!(TENANT.to_uppercase())), unwelcome),
        ("iss of one tenant, tid of another", iss(of_tenant(&provider, OTHER)), "did not work"),
        ("iss with the placeholder", iss(of_tenant(&provider, "{tenantid}")), "did not work"),
        ("iss with more behind it", iss(format!("{}/x", of_tenant(&provider, TENANT))), "did not work"),
        ("iss without a tenant", iss(provider.issuer().to_owned()), "did not work"),
        ("iss of the response", Says { answer: json!({ "iss": of_tenant(&provider, stranger) }), ..good(TENANT) }, "did not work"),
    ];
    for (name, lie, words) in lies {
        provider.says(lie);
        is_refused(&world, &provider, words, name).await;
        provider.says(good(TENANT));
        assert_eq!(signed_in(&world, &provider).await, one, "the twin of {name}");
    }
    world.advance_s(11 * 60);
    let now_s = system_clock()() / 1000 + 11 * 60;
    let late = |says: Says| {
        let mut id_token = says.id_token.clone();
        id_token.as_object_mut().unwrap().extend(json!({ "iat": now_s, "exp": now_s + 300 }).as_object().unwrap().clone());
        Says { id_token, ..says }
    };
    provider.says(late(Says { key_issuer: Some(of_tenant(&provider, PERSONAL)), ..good(TENANT) }));
    is_refused(&world, &provider, "did not work", "a key of another issuer").await;
    world.stop().await;
}

/// An administrator of any tenant writes any address into it. It counts where Microsoft says that the tenant owns the domain, and is listed.
#[tokio::test]
async fn an_address_at_microsoft_is_what_somebody_wrote() {
    let provider = Provider::start().await;
    let lines = format!("preset = \"microsoft\"\ntenant = \"{TENANT}\"\nauthoritative_for = [\"example.com\"]\n{}", secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let told = |sub: &str, more: Json| {
        let mut says = microsoft(&provider, TENANT, TENANT);
        says.claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Says { sub: sub.to_owned(), ..says }
    };
    for (sub, more, counts) in [
        ("1", json!({ "email": "one@example.com" }), false),
        ("2", json!({ "email": "two@example.com", "email_verified": true }), false),
        ("3", json!({ "email": "three@example.com", "xms_edov": true }), true),
        ("4", json!({ "email": "four@example.org", "xms_edov": true }), false),
    ] {
        provider.says(told(sub, more.clone()));
        let ask = Ask::native("openid email");
        let page = sign_in(&world, &provider, &ask).await;
        assert!(page.has_code(), "{more}: {}", page.html);
        let profile = profile(&world, &page, &ask).await;
        assert_eq!(profile.get("email").is_some(), counts, "432-B {more}: {profile}");
    }
    provider.says(microsoft(&provider, TENANT, OTHER));
    is_refused(&world, &provider, "certain organisations", "another tenant").await;
    world.stop().await;
}

fn endpoints(provider: &Provider, userinfo: &str) -> String {
    let at = provider.issuer();
    format!("authorization_endpoint = \"{at}/authorize\"\ntoken_endpoint = \"{at}/token\"\nuserinfo_endpoint = \"{at}{userinfo}\"\n")
}

/// Plain OAuth: a token answer without an ID token, and a document.
fn plain(document: Json) -> Says {
    let bare = json!({ "id_token": null, "expires_in": null });
    Says { sub: "x".to_owned(), token_answer: bare, userinfo: Some(document), answer: json!({ "iss": null }), ..Says::default() }
}

/// S-12, 442-B: GitHub's number is the person, whatever the login name; its address counts where the list calls it primary and verified.
#[tokio::test]
async fn github_is_a_number_and_a_list_of_addresses() {
    let provider = Provider::start().await;
    let emails = format!("emails_endpoint = \"{}/user/emails\"\n", provider.issuer());
    let lines =
        format!("preset = \"github\"\nauthoritative_for = [\"example.com\"]\n{}{emails}{}", endpoints(&provider, "/userinfo"), secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let document = |id: Json, login: &str| json!({ "login": login, "id": id, "name": "The Octocat", "email": "victim@example.com" });
    provider.says(plain(document(json!(583_231), "octocat")));
    let url = leave(&world, &mut Browser::default(), &Ask::native("openid")).await;
    assert!(!parameters(&url).contains_key("nonce") && parameters(&url)["scope"] == "read:user user:email", "{url}");
    let first = signed_in(&world, &provider).await;
    assert!(provider.request("/userinfo").to_ascii_lowercase().contains("user-agent: symbolon"));
    provider.says(plain(document(json!(583_231), "renamed")));
    assert_eq!(signed_in(&world, &provider).await, first, "a new login name");
    provider.says(plain(document(json!(583_232), "octocat")));
    assert_ne!(signed_in(&world, &provider).await, first, "an old login name that somebody else took");
    for bad in [json!(null), json!(0), json!(-1), json!(1.5), json!({ "id": 1 }), json!([1]), json!(true), json!("")] {
        provider.says(plain(document(bad.clone(), "octocat")));
        is_refused(&world, &provider, "did not work", &format!("442-B {bad}")).await;
    }
    let list = |entries: Json| Says { emails: Some(entries), ..plain(document(json!(1), "a")) };
    let entry = |email: &str, primary: Json, verified: Json| json!({ "email": email, "primary": primary, "verified": verified });
    let cases = [
        (
            json!([entry("a@example.com", json!(false), json!(true)), entry("b@example.com", json!(true), json!(true))]),
            Some("b@example.com"),
        ),
        (json!([entry("c@example.com", json!(true), json!(false))]), None),
        (json!([entry("d@example.com", json!("true"), json!(true))]), None),
        (json!([entry("e@example.org", json!(true), json!(true))]), None),
        (json!("no list"), None),
        (json!({ "message": "Not Found" }), None),
        (json!([null, 1, {}]), None),
        (Json::Array((0..1000).map(|at| entry(&format!("f{at}@example.com"), json!(at == 999), json!(at != 999))).collect()), None),
    ];
    for (number, (entries, expected)) in cases.into_iter().enumerate() {
        let mut says = list(entries.clone());
        says.userinfo = Some(document(json!(1000 + number), "a"));
        provider.says(says);
        let ask = Ask::native("openid email");
        let page = sign_in(&world, &provider, &ask).await;
        assert!(page.has_code(), "{entries}: {}", page.html);
        let profile = profile(&world, &page, &ask).await;
        assert_eq!(profile.get("email").and_then(Json::as_str), expected, "432-B {entries}");
    }
    // S-12: a scope that was withheld, and a list that cannot be had.
    for status in ["403 X", "404 X", "500 X"] {
        let mut says = list(json!([entry("g@example.com", json!(true), json!(true))]));
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        says.raw = [("/user/emails", answer)].into();
        provider.says(says.clone());
        let ask = Ask::native("openid email");
        let page = sign_in(&world, &provider, &ask).await;
        let said = profile(&world, &page, &ask).await;
        assert!(said["sub"].is_string() && said.get("email").is_none(), "{status}: {said}");
    }
    world.stop().await;
}

/// Errors in the words of plain OAuth: GitHub's come with status 200, and a document that fails is a failed sign-in.
#[tokio::test]
async fn a_plain_provider_that_errs_signs_nobody_in() {
    let provider = Provider::start().await;
    let lines = format!("preset = \"github\"\n{}{}", endpoints(&provider, "/userinfo"), secret());
    let lines = format!("{lines}emails_endpoint = \"{}/user/emails\"\n", provider.issuer());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    let good = || plain(json!({ "id": 7, "login": "a" }));
    let error = json!({ "error": "bad_verification_code", "access_token": null, "token_type": null, "id_token": null });
    let lies = [
        ("an error with status 200", Says { token_answer: error, ..good() }, "did not work"),
        ("455-B no token_type", Says { token_answer: json!({ "token_type": null, "id_token": null }), ..good() }, "did not work"),
        ("no access token", Says { token_answer: json!({ "access_token": null, "id_token": null }), ..good() }, "did not work"),
        ("a document that fails", Says { userinfo: Some(Json::Null), ..good() }, "does not answer"),
        ("a document that is a list", Says { userinfo: Some(json!([1])), ..good() }, "did not work"),
    ];
    for (name, lie, words) in lies {
        provider.says(lie);
        is_refused(&world, &provider, words, name).await;
        provider.says(good());
        signed_in(&world, &provider).await;
    }
    assert_eq!(world.audited("registered").await, 1);
    world.stop().await;
}

/// Facebook: the subject is text, the address is nobody's word, and the caller of its API proves that it has the app's secret.
#[tokio::test]
async fn facebook_is_asked_with_a_proof_of_the_secret() {
    let provider = Provider::start().await;
    let userinfo = endpoints(&provider, "/userinfo?fields=id,name,email");
    let lines = format!("preset = \"facebook\"\nauthoritative_for = [\"example.com\"]\n{userinfo}{}", secret());
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    provider.says(plain(json!({ "id": "10223", "name": "Ann Example", "email": "ann@example.com" })));
    let ask = Ask::native("openid profile email");
    let page = sign_in(&world, &provider, &ask).await;
    let profile = profile(&world, &page, &ask).await;
    assert_eq!((&profile["name"], profile.get("email")), (&json!("Ann Example"), None), "432-B: nobody calls the address verified");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, b"an-access-token-of-anysocial");
    let proof: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = provider.request("/userinfo");
    assert!(request.contains(&format!("appsecret_proof={proof}")) && request.contains("fields=id"), "{request}");
    world.stop().await;
}

/// Some providers number their people anew for each app. So another app's person is another one, though the number is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_identity_belongs_to_one_app() {
    let provider = Provider::start().await;
    let lines = format!(
        "protocol = \"oauth2\"\nlabel = \"Any\"\nsubject = \"uid\"\nsubject_is_permanent = true\nscopes = [\"profile\"]\n{}{}",
        endpoints(&provider, "/userinfo"),
        secret()
    );
    let lines = format!("{lines}authentication = \"client_secret_post\"\n");
    let world = preset(Engine::Sqlite, &provider, &lines).await;
    provider.says(plain(json!({ "uid": "u-7", "name": "Ann" })));
    let first = signed_in(&world, &provider).await;
    assert_eq!(signed_in(&world, &provider).await, first);
    let links = world.entries("upstream_proved").await;
    assert_eq!(links.len(), 2, "{links:?}");
    let account = links[0]["account"].clone();
    assert_eq!(account, json!(first), "{links:?}");
    assert_eq!(claims_of_first(&world, &provider).await["iss"], json!(world.issuer));
    world.stop().await;
}

async fn claims_of_first(world: &World, provider: &Provider) -> Json {
    let ask = Ask::native("openid orders:read");
    let page = sign_in(world, provider, &ask).await;
    let (_, tokens) = world.exchange(&page.code(), &ask.verifier).await;
    claims(tokens["access_token"].as_str().unwrap())
}
