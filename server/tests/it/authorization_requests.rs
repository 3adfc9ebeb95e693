//! What an authorization request may ask of a sign-in: more, never less; and only what its client may have.

use crate::world::*;

/// A world with clients and policies of its own at the end of the configuration.
async fn world(engine: Engine, more: &str) -> World {
    Configuration::on(engine).await.with(more).start().await
}

const POLICIES: &str = r#"
[login.default]
require = ["password"]
[login.weak]
require = ["password"]
acr = "urn:weak"
[login.two]
require = ["password + totp"]
acr = "urn:two"
[client.bank]
kind = "native"
first_party = true
login = "two"
redirect_uris = ["https://bank.example.com/callback"]
"#;

/// 368-Z: an acr that another, weaker policy gives does not lower the client's own; wanted essentially it is an error. Its twins: the
/// same acr for a client whose policy asks no more, and a stronger one for the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_raises_the_sign_in_and_never_lowers_it() {
    for engine in engines() {
        let world = world(engine, POLICIES).await;
        let bank = Ask::new("bank", "https://bank.example.com/callback", "openid");
        let fill = [("username", "alice"), ("password", PASSWORD)];
        let essential = |acr: &str| format!(r#"{{"id_token":{{"acr":{{"essential":true,"value":"{acr}"}}}}}}"#);
        for (ask, ends) in [
            (bank.clone(), false),
            (bank.clone().with("acr_values", "urn:weak"), false),
            (bank.clone().with("acr_values", "urn:nowhere urn:weak urn:two"), false),
            (bank.clone().with("claims", &essential("urn:two")), false),
            (Ask::native("openid"), true),
            (Ask::native("openid").with("acr_values", "urn:weak"), true),
            (Ask::native("openid").with("claims", &essential("urn:weak")), true),
            (Ask::native("openid").with("acr_values", "urn:two"), false),
        ] {
            let mut browser = Browser::default();
            let page = browser.open(&world, &ask).await;
            let page = browser.submit(&world, &page, &fill, "continue").await;
            assert_eq!(page.has_code(), ends, "{:?}", ask.parameters);
            assert_eq!(page.says("authenticator app"), !ends, "{:?}: {}", ask.parameters, page.html);
        }
        let page = Browser::default().open(&world, &bank.with("claims", &essential("urn:weak"))).await;
        assert_eq!((page.status, page.error().as_deref()), (303, Some("unmet_authentication_requirements")));
        let ask = Ask::native("openid").with("acr_values", "urn:weak");
        let back = Browser::default().sign_in(&world, &ask, "alice").await;
        let tokens = world.exchange(&back["code"], &ask.verifier).await.1;
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "urn:weak");
        world.stop().await;
    }
}

const ASKERS: &str = r#"
[client.narrow]
kind = "native"
first_party = true
scopes = ["openid"]
redirect_uris = ["https://narrow.example.com/callback"]
[client.wide]
kind = "native"
first_party = true
scopes = ["openid", "email"]
apis = { orders = ["orders:read"] }
redirect_uris = ["https://wide.example.com/callback"]
[client.old-web]
kind = "web"
first_party = true
authentication = "client_secret_basic"
without_pkce = true
redirect_uris = ["https://old.example.com/callback"]
"#;

/// Everything of the person, in both places.
const EVERYTHING: &str =
    r#"{"id_token":{"email":null,"customer_id":{"essential":true},"name":null},"userinfo":{"email":null,"customer_id":null,"name":null}}"#;

async fn askers(engine: Engine) -> World {
    Configuration::on(engine).await.with(ASKERS).set("client.old-web.secret", secret_digest()).start().await
}

/// What a token response's ID token and userinfo tell of the person.
async fn told(world: &World, tokens: &serde_json::Value) -> (serde_json::Value, serde_json::Value) {
    let bearer = tokens["access_token"].as_str().unwrap();
    let answer = world.http.get(world.url("/userinfo")).bearer_auth(bearer).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    (claims(tokens["id_token"].as_str().unwrap()), serde_json::from_str(&text).unwrap())
}

async fn signed_in(world: &World, client: &str) -> serde_json::Value {
    let back = format!("https://{client}.example.com/callback");
    let ask = Ask::new(client, &back, "openid").with("claims", EVERYTHING);
    let code = Browser::default().sign_in(world, &ask, "alice").await["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", &back),
    ];
    let (status, tokens) = world.post("/token", &form, None).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

/// 114-T: a claim asked for by name needs a scope of the client's that carries it, when it is asked for, issued and refreshed. The twin
/// is the client that has such scopes.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_by_name_is_had_as_its_scope_is() {
    for engine in engines() {
        let mut world = askers(engine).await;
        let (id_token, userinfo) = told(&world, &signed_in(&world, "narrow").await).await;
        for name in ["email", "customer_id", "name"] {
            assert!(id_token.get(name).is_none() && userinfo.get(name).is_none(), "{name}: {id_token} {userinfo}");
        }
        let tokens = signed_in(&world, "wide").await;
        let (id_token, userinfo) = told(&world, &tokens).await;
        for told in [&id_token, &userinfo] {
            assert_eq!((told["email"].as_str(), told["customer_id"].as_str()), (Some("alice@example.com"), Some("c-alice")));
            assert!(told.get("name").is_none(), "no scope of the client's carries it: {told}");
        }
        assert_eq!(tokens["scope"], "openid", "the access token has what was asked for as scope");
        // The operator takes a scope away: the next refresh and the old token's userinfo say nothing of it.
        world.change(|it| it.set("client.wide.scopes", vec!["openid"]));
        let world = world.restarted(|_| {}).await;
        let form = [("grant_type", "refresh_token"), ("client_id", "wide"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        let (status, fresh) = world.post("/token", &form, None).await;
        assert_eq!(status, 200, "{fresh}");
        let (id_token, userinfo) = told(&world, &fresh).await;
        for told in [&id_token, &userinfo, &self::told(&world, &tokens).await.1] {
            assert!(told.get("email").is_none(), "{told}");
        }
        assert_eq!((id_token["customer_id"].as_str(), userinfo["customer_id"].as_str()), (Some("c-alice"), Some("c-alice")));
        world.stop().await;
    }
}

/// 340-L: what claims by name come to is shown, and remembered, like the scopes that carry them.
#[tokio::test(flavor = "multi_thread")]
async fn claims_by_name_are_consented_to() {
    for engine in engines() {
        let world = askers(engine).await;
        let mut browser = Browser::default();
        let plain = Ask::new("third-party", "https://third.example.com/callback", "openid");
        assert!(browser.sign_in(&world, &plain, "alice").await.contains_key("code"));
        assert!(browser.open(&world, &plain).await.location.is_some(), "remembered");
        let more = plain.clone().with("claims", EVERYTHING);
        let page = browser.open(&world, &more).await;
        for words in ["See your e-mail address", "See your orders", "See your name and language"] {
            assert!(page.says(words), "{words}: {}", page.html);
        }
        let silent = browser.open(&world, &more.clone().with("prompt", "none")).await;
        assert_eq!(silent.error().as_deref(), Some("consent_required"));
        let given = browser.submit(&world, &page, &[], &page.first_action()).await;
        assert!(given.has_code());
        assert!(browser.open(&world, &more).await.location.is_some(), "remembered as well");
        world.stop().await;
    }
}

/// The consent page speaks one language: the texts of scopes too, where the operator wrote them in it.
#[tokio::test(flavor = "multi_thread")]
async fn scopes_are_consented_to_in_the_persons_language() {
    let world = Configuration::on(Engine::Sqlite)
        .await
        .with("[api.orders.scope.\"orders:read\"]\ntext_in = { de = \"Ihre Bestellungen sehen\" }")
        .start()
        .await;
    let ask = Ask::new("third-party", "https://third.example.com/callback", "openid orders:read");
    for (language, says, not) in [("de", "Ihre Bestellungen sehen", "See your orders"), ("en", "See your orders", "Bestellungen")] {
        let mut browser = Browser::default();
        let page = browser.open(&world, &ask.clone().with("ui_locales", language)).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.says(says) && !page.says(not), "{language}: {}", page.html);
    }
    world.stop().await;
}

/// 021-R: a wish of the wrong type is an error, not a wish that nobody had; two wishes for two people are one too.
#[tokio::test(flavor = "multi_thread")]
async fn a_claims_request_of_the_wrong_type_is_refused() {
    let world = askers(Engine::Sqlite).await;
    let tokens = world.tokens("openid orders:read").await;
    let hint = tokens["id_token"].as_str().unwrap();
    let sub = claims(hint)["sub"].as_str().unwrap().to_owned();
    let of = |sub: &str| format!(r#"{{"id_token":{{"sub":{{"value":"{sub}"}}}}}}"#);
    let good = Ask::native("openid");
    for wrong in [
        good.clone().with("claims", r#"{"id_token":{"sub":{"value":5}}}"#),
        good.clone().with("claims", r#"{"id_token":{"sub":{"values":["a","b"]}}}"#),
        good.clone().with("claims", r#"{"id_token":{"acr":{"essential":true,"value":5}}}"#),
        good.clone().with("claims", r#"{"id_token":{"acr":{"essential":"yes","value":"urn:two"}}}"#),
        good.clone().with("claims", r#"{"userinfo":{"email":true}}"#),
        good.clone().with("claims", &of("somebody else")).with("id_token_hint", hint),
        good.clone().with("prompt", "login login login login login login login login login login none"),
        good.clone().with("prompt", " "),
    ] {
        let page = Browser::default().open(&world, &wrong).await;
        assert_eq!((page.status, page.error().as_deref()), (303, Some("invalid_request")), "{:?}", wrong.parameters);
    }
    for right in [
        good.clone().with("claims", &of(&sub)).with("id_token_hint", hint),
        good.clone().with("claims", r#"{"id_token":{"sub":null,"acr":{"essential":true}},"userinfo":{"email":null}}"#),
        good.clone().with("prompt", "login consent"),
    ] {
        assert!(Browser::default().sign_in(&world, &right, "alice").await.contains_key("code"), "{:?}", right.parameters);
    }
    // Whoever is asked for by name and agrees is not offered to be somebody else: the request would end. The twin is about anybody.
    let consent = good.clone().with("prompt", "consent");
    for (ask, offers) in [(consent.clone(), true), (consent.with("claims", &of(&sub)), false)] {
        let mut browser = Browser::default();
        let page = browser.open(&world, &ask).await;
        let page = browser.submit(&world, &page, &[("username", "alice"), ("password", PASSWORD)], "continue").await;
        assert!(page.kind() == "consent" && page.says("You are signed in as") && page.says("Not you?") == offers, "{}", page.html);
    }
    let back = Browser::default().sign_in(&world, &good.with("claims", &of("somebody else")), "alice").await;
    assert_eq!(back["error"], "login_required", "the claims parameter alone insists as well");
    world.stop().await;
}

/// 064-P: a client that may leave PKCE out sends a nonce, and `openid`, which brings it back.
#[tokio::test(flavor = "multi_thread")]
async fn without_pkce_there_is_a_nonce() {
    let world = askers(Engine::Sqlite).await;
    let bare = Ask::new("old-web", "https://old.example.com/callback", "openid").without("code_challenge").without("code_challenge_method");
    for wrong in [bare.clone(), bare.clone().with("nonce", ""), bare.clone().with("nonce", "n-1").with("scope", "email")] {
        let page = Browser::default().open(&world, &wrong).await;
        assert_eq!((page.status, page.error().as_deref()), (303, Some("invalid_request")), "{:?}", wrong.parameters);
    }
    let back = Browser::default().sign_in(&world, &bare.with("nonce", "n-1"), "alice").await;
    let form = [("grant_type", "authorization_code"), ("code", &*back["code"]), ("redirect_uri", "https://old.example.com/callback")];
    let (status, tokens) = world.post("/token", &form, Some("old-web")).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "n-1");
    let with_pkce = Ask::new("old-web", "https://old.example.com/callback", "openid");
    assert!(Browser::default().sign_in(&world, &with_pkce, "alice").await.contains_key("code"), "with PKCE it need not");
    world.stop().await;
}

/// Whoever is known, the person or the client, leaves an entry with the private reason when a request is refused. The twin is the same refusal of somebody who is neither, which anybody could repeat without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_known_person_or_client_is_audited() {
    for engine in engines() {
        let world = world(engine, POLICIES).await;
        let third = Ask::new("third-party", "https://third.example.com/callback", "openid");
        let mut stranger = Browser::default();
        let page = stranger.open(&world, &third.clone().with("prompt", "none")).await;
        assert_eq!(page.error().as_deref(), Some("login_required"));
        let page = stranger.open(&world, &third).await;
        let page = stranger.submit(&world, &page, &[], "cancel").await;
        assert_eq!(page.error().as_deref(), Some("access_denied"));
        assert!(world.entries("authorization_refused").await.is_empty());

        let mut alice = Browser::default();
        alice.sign_in(&world, &Ask::native("openid"), "alice").await;
        let essential = r#"{"id_token":{"acr":{"essential":true,"value":"urn:nowhere"}}}"#;
        for (ask, button, code, reason) in [
            (third.clone().with("prompt", "none"), None, "consent_required", "The person has to consent first."),
            (third.clone().with("claims", essential), None, "unmet_authentication_requirements", "no policy with that acr"),
            (third.clone().with("acr_values", "urn:two").with("prompt", "none"), None, "login_required", "no session that is enough"),
            (third.clone(), Some("deny"), "access_denied", "the person did not consent"),
            (Ask::native("openid").with("acr_values", "urn:two"), Some("cancel"), "access_denied", "the person cancelled the sign-in"),
        ] {
            let before = world.entries("authorization_refused").await.len();
            let mut page = alice.open(&world, &ask).await;
            if let Some(button) = button {
                page = alice.submit(&world, &page, &[], button).await;
            }
            assert_eq!(page.error().as_deref(), Some(code), "{}", page.html);
            let entries = world.entries("authorization_refused").await;
            let entry = &entries[before];
            assert_eq!((entries.len(), entry["detail"]["error"].as_str()), (before + 1, Some(code)), "{entry}");
            assert!(entry["reason"].as_str().unwrap().starts_with(reason), "{entry}");
            assert_eq!((entry["client"].as_str(), entry["address"].as_str()), (Some(&*ask.parameters["client_id"]), Some("127.0.0.1")));
            assert!(entry["account"].is_string(), "{entry}");
        }

        // A client that has proved itself is known as well, whoever the person is.
        let ask = Ask::new("shop-web", WEB_BACK, "openid").with("prompt", "none");
        let form = ask.form();
        let pushed = world.post("/par", &form, Some("shop-web")).await.1;
        let query = format!("/authorize?client_id=shop-web&request_uri={}", pushed["request_uri"].as_str().unwrap());
        let page = Browser::default().visit(&world, &query).await;
        assert_eq!(page.error().as_deref(), Some("login_required"));
        let entry = world.entries("authorization_refused").await.pop().unwrap();
        assert_eq!((entry["client"].as_str(), entry.get("account")), (Some("shop-web"), None), "{entry}");
        // Steps of a sign-in say whose it is.
        for entry in world.entries("password_proved").await {
            assert_eq!((entry["client"].as_str(), entry["address"].as_str()), (Some("shop-ios"), Some("127.0.0.1")));
        }
        world.stop().await;
    }
}

/// `select_account` begins with nobody, also where the policy asks for the address first; the person who is chosen takes the browser over.
#[tokio::test(flavor = "multi_thread")]
async fn another_account_can_be_selected() {
    for engine in engines() {
        let mail = "[mail]\nserver = \"127.0.0.1\"\nport = 1\nsecurity = \"none\"\nfrom = \"a@example.com\"\n";
        let world = world(engine, &format!("{mail}[login.default]\nrequire = [\"email\", \"password\"]\n")).await;
        world.person("bob").await;
        let mut browser = Browser::default();
        let ask = Ask::native("openid");
        let page = browser.open(&world, &ask).await;
        let page = browser.submit(&world, &page, &[], "use_password").await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.location.is_some(), "{}", page.html);
        let again = browser.open(&world, &ask.clone().with("prompt", "login")).await;
        assert!(!again.asks_for("username"), "the twin asks the same person again: {}", again.html);
        let select = ask.clone().with("prompt", "select_account");
        let page = browser.open(&world, &select).await;
        assert_eq!(page.kind(), "select_account", "{}", page.html);
        let page = browser.submit(&world, &page, &[], "not_you").await;
        assert!(page.asks_for("username") && !page.html.contains("example.com"), "{}", page.html);
        let page = browser.submit(&world, &page, &[], "use_password").await;
        let page = browser.submit_password(&world, &page, "bob", PASSWORD).await;
        let code = page.code();
        let tokens = world.exchange(&code, &select.verifier).await.1;
        let bob = world.running.shared.now().store.one("SELECT account FROM login_name WHERE name = $1", &["bob".into()]).await;
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], bob.unwrap().unwrap().text("account").unwrap());
        world.stop().await;
    }
}

/// Two APIs may have a scope of one word. The person reads what it says at the API of which the client may have it, and at each of them
/// where the client may have it at both.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_shown_in_the_words_of_the_clients_own_apis() {
    let api = |name: &str, text: &str| {
        format!(
            "[api.{name}]\naudience = \"https://api.example.com/{name}\"\n[api.{name}.scope.read]\ntext = \"{text}\"\n\
             [api.{name}.scope.other]\ntext = \"Other\"\n"
        )
    };
    let client = |name: &str, apis: &str| {
        format!("[client.{name}]\nkind = \"native\"\napis = {{ {apis} }}\nredirect_uris = [\"https://{name}.example.com/callback\"]\n")
    };
    let more = [
        api("a-weather", "See the weather"),
        api("bank", "See your balance and every payment"),
        client("reader", "bank = [\"read\"]"),
        client("half", "a-weather = [\"other\"], bank = [\"read\"]"),
        client("both", "a-weather = [\"read\"], bank = [\"read\"]"),
    ];
    let world = world(Engine::Sqlite, &more.concat()).await;
    for (name, weather) in [("reader", false), ("half", false), ("both", true)] {
        let mut browser = Browser::default();
        let mut page = browser.open(&world, &Ask::new(name, &format!("https://{name}.example.com/callback"), "openid read")).await;
        while !page.lists_scopes() {
            assert_eq!(page.status, 200, "{}", page.html);
            page = browser.answer(&world, &page, "alice").await;
        }
        assert!(page.says("See your balance and every payment"), "{name}: {}", page.html);
        assert_eq!(page.says("See the weather"), weather, "{name}: {}", page.html);
    }
    world.stop().await;
}
