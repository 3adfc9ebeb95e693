//! The claim `updated_at`: seconds as a number, from the last change of what tokens say of the person. OpenID Connect Core 5.1.

use crate::world::{Ask, Browser, Configuration, World, claims, engines};
use serde_json::{Value as Json, json};
use symbolon::operations::{Actor, Context, Operation, UserOperation, run};

const CLIENTS: &str = r#"
[client.asks]
kind = "native"
first_party = true
scopes = ["openid", "profile"]
redirect_uris = ["https://asks.example.com/callback"]
[client.told]
kind = "native"
first_party = true
scopes = ["openid", "profile"]
claims_in_id_token = true
redirect_uris = ["https://told.example.com/callback"]
[client.none]
kind = "native"
first_party = true
scopes = ["openid", "email"]
redirect_uris = ["https://none.example.com/callback"]
"#;

/// ID token and userinfo of a new sign-in.
async fn told(world: &World, client: &str, scope: &str, named: bool) -> (Json, Json) {
    let back = format!("https://{client}.example.com/callback");
    let mut ask = Ask::new(client, &back, scope);
    if named {
        ask = ask.with("claims", r#"{"id_token":{"updated_at":null},"userinfo":{"updated_at":null}}"#);
    }
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
    let userinfo = world.http.get(world.url("/userinfo")).bearer_auth(tokens["access_token"].as_str().unwrap()).send().await.unwrap();
    let userinfo: Json = serde_json::from_str(&userinfo.text().await.unwrap()).unwrap();
    (claims(tokens["id_token"].as_str().unwrap()), userinfo)
}

async fn change(world: &World, display_name: Option<&str>, email: Option<&str>, claims: &[(&str, &str)]) {
    let text = |text: &str| text.to_owned();
    let operation = Operation::User(UserOperation::Change {
        user: text("alice"),
        email: email.map(text),
        display_name: display_name.map(text),
        claims: claims.iter().map(|(name, value)| (text(name), text(value))).collect(),
        remove_claims: Vec::new(),
    });
    run(&Context::of(&world.running.shared.now()), &Actor::Offline { uid: 0 }, operation).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_change_of_a_person_is_a_number() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(CLIENTS).start().await;
        let now_s = || world.running.shared.now().now_ms() / 1000;
        let (_, userinfo) = told(&world, "asks", "openid profile", false).await;
        let made_s = userinfo["updated_at"].as_i64().unwrap_or_else(|| panic!("{userinfo}"));
        assert!((now_s() - made_s).abs() < 60, "{userinfo}");
        // What changes nothing that tokens say changes it not.
        world.advance_s(1000);
        world.confirm("alice").await;
        assert_eq!(told(&world, "asks", "openid profile", false).await.1["updated_at"], json!(made_s));
        let mut before_s = made_s;
        for (name, email, claims) in [
            (Some("Alice B."), None, &[][..]),
            (None, Some("alice.b@example.com"), &[]),
            // What an operator writes down under this name is not what the server knows.
            (None, None, &[("updated_at", "1")]),
        ] {
            world.advance_s(1000);
            change(&world, name, email, claims).await;
            let changed_s = now_s();
            let (id_token, userinfo) = told(&world, "asks", "openid profile", true).await;
            let (configured, _) = told(&world, "told", "openid profile", false).await;
            for said in [&id_token, &userinfo, &configured] {
                let said = said["updated_at"].as_i64().unwrap_or_else(|| panic!("no number: {said}"));
                assert!(said > before_s && (changed_s - said).abs() < 60, "{said}");
            }
            before_s = changed_s;
        }
        // The twin: nothing of the profile without the scope that carries it.
        let (id_token, userinfo) = told(&world, "none", "openid email", true).await;
        assert!(id_token.get("updated_at").is_none() && userinfo.get("updated_at").is_none(), "{id_token} {userinfo}");
        world.stop().await;
    }
}
