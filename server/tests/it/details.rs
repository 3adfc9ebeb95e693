//! Authorization details (RFC 9396): declared by the API, shown to the person, in the token exactly as granted.

use crate::world::*;
use serde_json::{Value as Json, json};

const PAYMENTS: &str = "https://api.example.com/payments";

async fn world(engine: Engine) -> World {
    let payments = format!(
        "[api.payments]\naudience = \"{PAYMENTS}\"\n[api.payments.authorization_details.payment]\ntext = \"Pay once\"\n\
         [api.payments.authorization_details.payment.schema]\nrequired = [\"amount\", \"to\"]\n\
         [api.payments.authorization_details.payment.schema.properties]\namount = {{ type = \"string\", pattern = \"^[0-9]+[.][0-9]{{2}} EUR$\" }}\n\
         to = {{ type = \"string\", maxLength = 100 }}\n\
         [api.payments.authorization_details.other]\ntext = \"Other\"\nschema = {{ properties = {{ a = {{ type = \"string\" }} }} }}\n"
    );
    let configuration = Configuration::on(engine).await.with(&payments);
    configuration.set("client.shop-ios.authorization_details_types", vec!["payment"]).start().await
}

fn payment(amount: &str) -> Json {
    json!({ "type": "payment", "amount": amount, "to": "Example <b>Shop</b>" })
}

fn ask(details: &Json) -> Ask {
    Ask::native("openid").with("authorization_details", &details.to_string())
}

async fn refused(world: &World, details: &str) -> String {
    let ask = Ask::native("openid").with("authorization_details", details);
    let page = Browser::default().open(world, &ask).await;
    page.error().unwrap_or_else(|| format!("{} {}", page.status, page.html.len()))
}

/// RFC 9396 2, 6, 7, 9: seen and granted, in the answer and in the token for that API alone, never widened at refresh.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_is_what_the_api_sees() {
    for engine in engines() {
        let world = world(engine).await;
        let granted = json!([payment("12.50 EUR"), payment("3.00 EUR")]);
        let ask = ask(&granted).with("scope", "openid orders:read");
        let mut browser = Browser::default();
        let mut page = browser.open(&world, &ask).await;
        // A first-party client, and still the person sees what is asked for, with the values as text.
        let mut seen = String::new();
        while page.location.is_none() {
            assert_eq!(page.status, 200, "{}", page.html);
            if page.says("Pay once") {
                seen = page.html.clone();
            }
            page = browser.answer(&world, &page, "alice").await;
        }
        assert!(seen.contains("12.50 EUR") && seen.contains("3.00 EUR") && !seen.contains("<b>Shop"), "{seen}");
        let code = page.code();
        let post = async |more: &[(&str, &str)]| {
            let mut form = vec![("client_id", "shop-ios")];
            form.extend_from_slice(more);
            world.post("/token", &form, None).await
        };
        let exchange = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("code_verifier", ask.verifier.as_str()),
            ("redirect_uri", NATIVE_BACK),
            ("resource", PAYMENTS),
        ];
        let (status, tokens) = post(&exchange).await;
        assert_eq!((status, &tokens["authorization_details"]), (200, &granted), "{tokens}");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["authorization_details"], granted);
        let refresh = async |token: &Json, more: &[(&str, &str)]| {
            let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token["refresh_token"].as_str().unwrap())];
            form.extend_from_slice(more);
            post(&form).await
        };
        // One of the two; then one that was never granted; then both again: the grant itself has not changed.
        let one = json!([payment("3.00 EUR")]).to_string();
        let (status, tokens) = refresh(&tokens, &[("resource", PAYMENTS), ("authorization_details", &one)]).await;
        assert_eq!((status, tokens["authorization_details"].as_array().unwrap().len()), (200, 1), "{tokens}");
        let more = json!([payment("9999.00 EUR")]).to_string();
        let (status, answer) = refresh(&tokens, &[("resource", PAYMENTS), ("authorization_details", &more)]).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_authorization_details")));
        // What was granted once is there once, however often it is asked for.
        let twice = json!([payment("3.00 EUR"), payment("3.00 EUR")]).to_string();
        let (status, answer) = refresh(&tokens, &[("resource", PAYMENTS), ("authorization_details", &twice)]).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_authorization_details")));
        // Another API's token of the same grant says nothing of it.
        let (status, tokens) = refresh(&tokens, &[("resource", "https://api.example.com/orders")]).await;
        assert_eq!(status, 200, "{tokens}");
        assert!(tokens.get("authorization_details").is_none());
        assert!(claims(tokens["access_token"].as_str().unwrap()).get("authorization_details").is_none());
        let (status, tokens) = refresh(&tokens, &[("resource", PAYMENTS)]).await;
        assert_eq!((status, &tokens["authorization_details"]), (200, &granted));
        world.stop().await;
    }
}

/// RFC 9396 5, 585-K: unknown types, fields and values, and what is no list of details at all.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_schema_names() {
    let world = world(Engine::Sqlite).await;
    let wrong = "invalid_authorization_details";
    for bad in [
        json!([{ "type": "unknown" }]),
        json!([{ "type": "other", "a": "declared, but not this client's" }]),
        json!([{ "amount": "1.00 EUR", "to": "x" }]),
        json!([{ "type": "payment", "amount": "1.00 EUR" }]),
        json!([{ "type": "payment", "amount": 1, "to": "x" }]),
        json!([{ "type": "payment", "amount": "a lot", "to": "x" }]),
        json!([{ "type": "payment", "amount": "1.00 EUR", "to": "x", "further": true }]),
        json!({ "type": "payment", "amount": "1.00 EUR", "to": "x" }),
        json!([]),
        json!(["payment"]),
        json!(vec![payment("1.00 EUR"); 11]),
    ] {
        assert_eq!(refused(&world, &bad.to_string()).await, wrong, "{bad}");
    }
    let doubled = "[{\"type\":\"payment\",\"amount\":\"1.00 EUR\",\"amount\":\"2.00 EUR\",\"to\":\"x\"}]";
    for bad in [doubled, "[", "null", "[{}],\"b\":[]", &format!("[{}", "[".repeat(500))] {
        assert_eq!(refused(&world, bad).await, wrong, "{bad}");
    }
    let good = ask(&json!([payment("1.00 EUR")]));
    assert_eq!(Browser::default().open(&world, &good).await.status, 200);
    let (status, answer) =
        world.post("/token", &[("grant_type", "client_credentials"), ("authorization_details", "[]")], Some("robot")).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some(wrong)));
    world.stop().await;
}

/// A client that may have nothing of an API that it lists would never get a token for it: that is said when the configuration is read.
#[test]
fn an_api_is_listed_with_something_of_it() {
    let read = |more: &str| {
        let client = "[client.x]\nkind = \"native\"\nredirect_uris = [\"https://x.example.com/cb\"]\n";
        let payments =
            "[api.pay]\naudience = \"https://pay.example.com\"\n[api.pay.authorization_details.payment]\ntext = \"Pay\"\nschema = { }\n";
        Configuration::to_read().with(&format!("{payments}{client}{more}")).read().err().unwrap_or_default()
    };
    assert!(read("apis = { orders = [] }").contains("apis.orders names no scope"));
    assert_eq!(read("apis = { orders = [\"orders:read\"] }"), "");
    assert!(read("apis = { pay = [] }").contains("apis.pay names no scope"));
    assert_eq!(read("apis = { pay = [] }\nauthorization_details_types = [\"payment\"]"), "");
}
