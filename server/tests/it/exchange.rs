//! Token exchange (RFC 8693): an API calls the next one for the same person, with less. Each refusal with its twin.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::Value as Json;

use symbolon_oauth::{base64url, client_attestation, dpop};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const LEDGER: &str = "https://api.example.com/ledger";
const ORDERS: &str = "https://api.example.com/orders";

/// The orders API as a client that may call the ledger; what an orders token is worth there is written at the ledger's scope.
pub async fn world(engine: Engine) -> World {
    let digest = secret_digest();
    let more = format!(
        "[api.ledger.scope]\n\"ledger:read\" = {{ exchange_from = {{ orders = [\"orders:write\"] }} }}\n\"ledger:write\" = {{ text = \"Book\" }}\n\
         [client.orders-api]\nkind = \"service\"\nsecret = '{digest}'\nexchanges = [\"orders\"]\n\
         apis = {{ ledger = [\"ledger:read\", \"ledger:write\"], orders = [\"orders:read\"] }}\n\
         [client.ledger-api]\nkind = \"service\"\nsecret = '{digest}'\nexchanges = [\"ledger\"]\napis = {{ ledger = [\"ledger:read\"] }}\n\
         [client.writer]\nkind = \"service\"\nsecret = '{digest}'\napis = {{ orders = [\"orders:write\"] }}\n"
    );
    Configuration::on(engine).await.with(&more).start().await
}

pub async fn exchange(world: &World, who: &str, token: &str, more: &[(&str, &str)]) -> (u16, Json) {
    let mut form =
        vec![("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", token), ("subject_token_type", ACCESS)];
    form.extend_from_slice(more);
    world.post("/token", &form, Some(who)).await
}

async fn introspected(world: &World, api: &str, token: &str) -> Json {
    world.post("/introspect", &[("token", token)], Some(api)).await.1
}

/// 117-T, 118-T: the call goes on for the same person, says who acts, ends with the session and never outlives the token it came from.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_api_is_called_for_the_same_person() {
    for engine in engines() {
        let world = world(engine).await;
        let tokens = world.tokens("orders:read orders:write").await;
        let token = tokens["access_token"].as_str().unwrap();
        world.advance_s(600);
        let (status, answer) = exchange(&world, "orders-api", token, &[("resource", LEDGER)]).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!((answer["scope"].as_str(), answer["issued_token_type"].as_str()), (Some("ledger:read"), Some(ACCESS)));
        assert!(answer["expires_in"].as_i64().unwrap() <= 300 && answer.get("refresh_token").is_none(), "{answer}");
        let second = answer["access_token"].as_str().unwrap();
        let seen = introspected(&world, "ledger", second).await;
        assert_eq!((seen["active"].as_bool(), seen["act"]["sub"].as_str()), (Some(true), Some("orders-api")), "{seen}");
        assert_eq!(seen["sub"], claims(token)["sub"]);
        assert_ne!(seen["sid"], claims(token)["sid"], "APIs cannot join what they see by sid");
        // The second API passes it on to itself with less: the chain of who acts grows.
        let (status, third) = exchange(&world, "ledger-api", second, &[("audience", LEDGER), ("scope", "ledger:read")]).await;
        assert_eq!(status, 200, "{third}");
        let seen = introspected(&world, "ledger", third["access_token"].as_str().unwrap()).await;
        assert_eq!((seen["act"]["sub"].as_str(), seen["act"]["act"]["sub"].as_str()), (Some("ledger-api"), Some("orders-api")));
        assert_eq!(world.audited("token_exchanged").await, 2);
        // The person's session ends, and with it what came from it.
        let ended = [("client_id", "shop-ios"), ("token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(world.post("/revoke", &ended, None).await.0, 200);
        assert_eq!(introspected(&world, "ledger", second).await["active"], false);
        assert_eq!(exchange(&world, "orders-api", token, &[("resource", LEDGER)]).await.1["error"], "invalid_request");
        world.stop().await;
    }
}

/// 144-F: an exchanging client that is an installation itself gets what its tier may have, for as long, and says the lower tier.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_within_the_tier_of_who_asks() {
    let attester = new_key();
    let rules = "[client.hub.attestation.tier.hardware]\n[client.hub.attestation.tier.none]\n";
    let hub = format!(
        "[client.hub]\nkind = \"service\"\nsecret = '{}'\nexchanges = [\"orders\"]\n\
         apis = {{ orders = [\"orders:read\", \"orders:write\"] }}\n[client.hub.attestation]\nattester_jwks = {}\n{rules}scopes = [\"orders:read\"]\nlifetime = \"1m\"\n",
        secret_digest(),
        jwks(&attester)
    );
    let world = Configuration::on(Engine::Sqlite).await.with(&hub).start().await;
    let tokens = world.tokens("orders:read orders:write").await;
    let key = new_key();
    let now_s = world.running.shared.now().now_ms() / 1000;
    let claims = serde_json::Map::from_iter([("tier".to_owned(), Json::from("hardware"))]);
    let attestation = client_attestation::make(&attester, "hub", &key.public().to_jwk(), now_s..now_s + 3600, &claims).unwrap();
    let mut nonce: Option<String> = None;
    for (attested, scope, expires_in) in [(true, "orders:read orders:write", 900), (false, "orders:read", 60)] {
        let mut answer = (0, Json::Null);
        for _ in 0..2 {
            let (url, jti) = (world.url("/token"), base64url::encode(&symbolon::seal::random::<16>().unwrap()));
            let proof = dpop::make(
                &key,
                &dpop::Statement { method: "POST", url: &url, nonce: nonce.as_deref(), access_token: None, jti: &jti, iat: now_s },
            )
            .unwrap();
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token", tokens["access_token"].as_str().unwrap()),
                ("subject_token_type", ACCESS),
                ("resource", ORDERS),
            ];
            let mut request = world.http.post(url).form(&form).basic_auth("hub", Some(SECRET)).header("dpop", proof);
            if attested {
                request = request.header("oauth-client-attestation", &attestation);
            }
            let reply = request.send().await.unwrap();
            nonce = reply.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            answer = (reply.status().as_u16(), reply.json::<Json>().await.unwrap());
            if answer.1["error"] != "use_dpop_nonce" {
                break;
            }
        }
        assert_eq!((answer.0, answer.1["scope"].as_str()), (200, Some(scope)), "{}", answer.1);
        assert!(answer.1["expires_in"].as_i64().unwrap() <= expires_in && answer.1["expires_in"].as_i64().unwrap() > expires_in - 30);
        let seen = introspected(&world, "orders", answer.1["access_token"].as_str().unwrap()).await;
        assert_eq!(seen["tier"], if attested { "hardware" } else { "none" });
    }
    world.stop().await;
}

/// 117-T, 118-T: never more: not a scope that the first token does not give, not another API's token, not a client that is no API.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_never_gives_more() {
    for engine in engines() {
        let world = world(engine).await;
        let write = world.tokens("orders:read orders:write").await["access_token"].as_str().unwrap().to_owned();
        let read = world.tokens("orders:read").await["access_token"].as_str().unwrap().to_owned();
        let refused = async |who: &str, token: &str, more: &[(&str, &str)]| {
            let (status, answer) = exchange(&world, who, token, more).await;
            (status, answer["error"].as_str().unwrap_or_default().to_owned())
        };
        let to_ledger = [("resource", LEDGER)];
        assert_eq!(refused("orders-api", &read, &to_ledger).await, (400, "invalid_scope".into()), "orders:read is worth nothing there");
        let wide = [("resource", LEDGER), ("scope", "ledger:read ledger:write")];
        assert_eq!(refused("orders-api", &write, &wide).await, (400, "invalid_scope".into()));
        assert_eq!(refused("orders-api", &write, &to_ledger).await.0, 200);
        // At its own API a token can only narrow.
        assert_eq!(refused("orders-api", &write, &[("resource", ORDERS), ("scope", "orders:write")]).await, (400, "invalid_scope".into()));
        assert_eq!(refused("orders-api", &write, &[("resource", ORDERS), ("scope", "orders:read")]).await.0, 200);
        // Who is not addressed by the token, or is no API, or does not authenticate.
        assert_eq!(refused("ledger-api", &write, &to_ledger).await, (400, "invalid_request".into()));
        assert_eq!(refused("robot", &write, &to_ledger).await, (400, "unauthorized_client".into()));
        assert_eq!(refused("shop-web", &write, &to_ledger).await, (400, "unauthorized_client".into()));
        let (status, _) = world
            .post(
                "/token",
                &[
                    ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                    ("client_id", "orders-api"),
                    ("subject_token", &write),
                    ("subject_token_type", ACCESS),
                ],
                None,
            )
            .await;
        assert_eq!(status, 401);
        // Targets and types.
        assert_eq!(refused("orders-api", &write, &[]).await, (400, "invalid_target".into()));
        assert_eq!(refused("orders-api", &write, &[("resource", "https://nowhere.example")]).await, (400, "invalid_target".into()));
        assert_eq!(refused("orders-api", &write, &[("resource", LEDGER), ("audience", ORDERS)]).await, (400, "invalid_target".into()));
        let refresh = [("resource", LEDGER), ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")];
        assert_eq!(refused("orders-api", &write, &refresh).await, (400, "invalid_request".into()));
        let actor = [("resource", LEDGER), ("actor_token", write.as_str())];
        assert_eq!(refused("orders-api", &write, &actor).await, (400, "invalid_request".into()));
        let signed_in = world.tokens("openid orders:read").await;
        assert_eq!(refused("orders-api", signed_in["id_token"].as_str().unwrap(), &to_ledger).await, (400, "invalid_request".into()));
        world.advance_s(901);
        assert_eq!(refused("orders-api", &write, &to_ledger).await, (400, "invalid_request".into()), "expired");
        world.stop().await;
    }
}

/// 117-T, 118-T: what came from a token ends with it, over several exchanges: with the token that was revoked alone, with any client on
/// the way that is cut off or disabled, and with a client that had it for itself. The twin is what came from another token.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_exchanged_ends_with_what_it_came_from() {
    for engine in engines() {
        let world = world(engine).await;
        let own = async || {
            let form = [("grant_type", "client_credentials"), ("scope", "orders:write")];
            world.post("/token", &form, Some("writer")).await.1["access_token"].as_str().unwrap().to_owned()
        };
        // The first token, what the orders API gets for it at the ledger, and what the ledger API makes of that.
        let chain = async |first: String| {
            let (_, second) = exchange(&world, "orders-api", &first, &[("resource", LEDGER)]).await;
            let second = second["access_token"].as_str().unwrap_or_else(|| panic!("{second}")).to_owned();
            let (_, third) = exchange(&world, "ledger-api", &second, &[("resource", LEDGER)]).await;
            [first, second, third["access_token"].as_str().unwrap_or_else(|| panic!("{third}")).to_owned()]
        };
        let alive = async |[first, second, third]: &[String; 3]| {
            let active = async |api: &str, token: &str| introspected(&world, api, token).await["active"] == true;
            let further = exchange(&world, "ledger-api", third, &[("resource", LEDGER)]).await.0 == 200;
            let seen = [active("orders", first).await, active("ledger", second).await, active("ledger", third).await];
            assert_eq!(further, seen[2], "a further exchange is as good as the token");
            seen
        };
        let person = async || world.tokens("orders:read orders:write").await["access_token"].as_str().unwrap().to_owned();
        let (one, two, other) = (chain(person().await).await, chain(own().await).await, chain(own().await).await);
        for all in [&one, &two, &other] {
            assert_eq!(alive(all).await, [true; 3]);
        }
        assert_eq!(world.post("/revoke", &[("client_id", "shop-ios"), ("token", &one[0])], None).await.0, 200);
        assert_eq!(alive(&one).await, [false; 3], "the person's token");
        assert_eq!(world.post("/revoke", &[("token", &two[1])], Some("orders-api")).await.0, 200);
        assert_eq!(alive(&two).await, [true, false, false], "the one between");
        assert_eq!(alive(&other).await, [true; 3]);
        let command = async |words: &[&str]| symbolon(&world.file(), words, "").await.0;
        assert_eq!(command(&["client", "end-sessions", "writer"]).await, Some(0));
        assert_eq!(alive(&other).await, [false; 3], "the client that had it for itself");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let (after, last) = (chain(own().await).await, chain(person().await).await);
        assert_eq!(alive(&after).await, [true; 3]);
        assert_eq!(command(&["client", "end-sessions", "orders-api"]).await, Some(0));
        assert_eq!((alive(&after).await, alive(&last).await), ([true, false, false], [true, false, false]), "the client between");
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let last = chain(own().await).await;
        assert_eq!(alive(&last).await, [true; 3]);
        world.reload(|it| it.set("client.writer.disabled", true)).await;
        assert_eq!(alive(&last).await, [false; 3], "the client is disabled");
        world.stop().await;
    }
}
