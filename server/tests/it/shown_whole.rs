//! What a person agrees to is shown whole and readable, or refused when it is asked for. What was signed once counts once.

use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{base64url, client_assertion, jws};

const FILES: &str = "[api.files]\naudience = \"https://api.example.com/files\"\n[api.files.authorization_details.files]\n\
    text = \"Read these files\"\nschema = { properties = { paths = { } } }\n";

async fn world() -> World {
    let configuration = Configuration::on(Engine::Sqlite).await.with(FILES);
    configuration.set("client.shop-ios.authorization_details_types", vec!["files"]).start().await
}

fn ask(more: &Json) -> Ask {
    let mut detail = json!({ "type": "files" });
    detail["paths"] = more.clone();
    Ask::native("openid").with("authorization_details", &json!([detail]).to_string())
}

/// The end of a long value is on the page, and so is the last of many lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_detail_is_on_the_page_to_its_end() {
    let world = world().await;
    let lines: Vec<String> = (0..99).map(|number| format!("file-{number:02}.txt")).collect();
    for (more, end) in [(json!([format!("{}the end", "x".repeat(993))]), "the end"), (json!(lines), "file-98.txt"), (json!([]), "[]")] {
        let mut browser = Browser::default();
        let page = browser.open(&world, &ask(&more)).await;
        let page = browser.answer(&world, &page, "alice").await;
        assert!(page.kind() == "consent" && page.says(end) && !page.says("…"), "{}", page.html);
    }
    world.stop().await;
}

/// 351-L: one character or one line more is refused at the request, pushed or not, and so is what nobody sees.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_refused_at_the_request() {
    let world = world().await;
    let outcome = async |more: &Json| {
        let ask = ask(more);
        let page = Browser::default().open(&world, &ask).await;
        let (status, answer) = world.post("/par", &ask.form(), None).await;
        (page.error(), status, answer["error"].as_str().map(str::to_owned))
    };
    let wrong = Some("invalid_authorization_details".to_owned());
    let mut bad = vec![json!(["x".repeat(1001)]), json!(vec![1; 101]), json!({ "x".repeat(1001): 1 })];
    for unseen in
        ["\u{61c}", "\u{200b}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}", "\u{feff}", "\u{ad}", "\u{3164}", "\u{e0041}", "\n"]
    {
        bad.push(json!([format!("a{unseen}b")]));
        bad.push(json!([{ "inner": { format!("a{unseen}b"): 1 } }]));
    }
    for more in &bad {
        assert_eq!(outcome(more).await, (wrong.clone(), 400, wrong.clone()), "{more}");
    }
    for more in [json!(["x".repeat(1000)]), json!(vec![1; 100]), json!(["ab"]), json!([{ "inner": { "ab": 1 } }])] {
        assert_eq!(outcome(&more).await, (None, 201, None), "{more}");
    }
    world.stop().await;
}

/// A `state` that fits no address is refused at once and stored by nobody. OpenID Connect Core 3.1.2.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_fits_an_address() {
    let world = world().await;
    for (length, expected, pushed) in [(4096, 200, 201), (4097, 400, 400), (60_000, 400, 400)] {
        let ask = Ask::native("openid").with("state", &"s".repeat(length));
        let page = Browser::default().send(world.http.post(world.url("/authorize")).form(&ask.form())).await;
        assert_eq!((page.status, page.location.as_deref()), (expected, None), "{length}");
        assert_eq!(world.post("/par", &ask.form(), None).await.0, pushed, "{length}");
    }
    world.stop().await;
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
    0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// (r, n-s) is as good as (r, s).
fn rewritten(jwt: &str) -> String {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let mut signature = base64url::decode(signature).unwrap();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        signature[32 + at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    jws::with_signature(signed, &signature)
}

/// What identifies a request object, or an assertion, is what was signed. Its signature can be written in two ways, and both are one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_signature_makes_nothing_new() {
    let key = new_key();
    let client = format!(
        "[client.signer]\nkind = \"web\"\nfirst_party = true\nauthentication = \"private_key_jwt\"\njwks = {}\n\
         redirect_uris = [\"https://signer.example.com/cb\"]\n",
        jwks(&key)
    );
    let world = Configuration::on(Engine::Sqlite).await.with(&client).start().await;
    let now_s = world.running.shared.now().now_ms() / 1000;
    let assertion = |jti: &str| client_assertion::make(&key, "signer", &world.issuer, jti, now_s).unwrap();
    let object = |state: &str| {
        let ask = Ask::new("signer", "https://signer.example.com/cb", "openid").with("state", state);
        let mut claims = json!({ "iss": "signer", "aud": world.issuer, "exp": now_s + 300, "nbf": now_s });
        ask.parameters.iter().for_each(|(name, value)| claims[name] = json!(value));
        jws::sign(&key, "oauth-authz-req+jwt", &claims).unwrap()
    };
    let push = async |object: &str, assertion: &str| {
        let form = [
            ("request", object),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        let (status, answer) = world.post("/par", &form, None).await;
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let (first, used) = (object("a"), assertion("a-1"));
    assert_eq!(push(&first, &used).await, (201, String::new()));
    assert_eq!(push(&rewritten(&first), &assertion("a-2")).await, (400, "invalid_request_object".to_owned()));
    assert_eq!(push(&object("b"), &rewritten(&used)).await, (401, "invalid_client".to_owned()));
    // The twins: rewritten, and not seen before in either form.
    assert_eq!(push(&rewritten(&object("c")), &rewritten(&assertion("a-3"))).await, (201, String::new()));
    world.stop().await;
}

/// The refusal of an assertion says which rule it broke; the assertion that breaks none is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_assertion_hears_the_reason() {
    let (key, other) = (new_key(), new_key());
    let client = format!(
        "[client.worker]\nkind = \"service\"\nauthentication = \"private_key_jwt\"\njwks = {}\napis = {{ orders = [\"orders:read\"] }}\n",
        jwks(&key)
    );
    let world = Configuration::on(Engine::Sqlite).await.with(&client).start().await;
    let now_s = world.running.shared.now().now_ms() / 1000;
    let good = json!({ "iss": "worker", "sub": "worker", "aud": world.issuer, "exp": now_s + 60, "iat": now_s });
    let ask = async |key: &PrivateKey, more: Json| {
        let mut claims = good.clone();
        claims["jti"] = fresh().into();
        more.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        let text = jws::sign(key, "JWT", &claims).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", text.as_str()),
        ];
        let (status, answer) = world.post("/token", &form, None).await;
        (status, answer["error_description"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask(&key, json!({})).await.0, 200);
    for (signer, more, said) in [
        (&key, json!({ "exp": now_s + 3600 }), "exp of the client assertion is more than ten minutes away"),
        (&key, json!({ "exp": now_s - 60 }), "The client assertion is expired"),
        (&key, json!({ "aud": world.url("/token") }), "aud of the client assertion is not exactly the issuer"),
        (&key, json!({ "jti": "" }), "jti of the client assertion is missing"),
        (&other, json!({}), "signature of the client assertion fits none"),
    ] {
        let (status, description) = ask(signer, more).await;
        assert!(status == 401 && description.contains(said), "{description}");
    }
    world.stop().await;
}
