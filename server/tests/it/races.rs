//! Sixty-four at once of everything that works once: on SQLite at one process, on PostgreSQL at two, in turn. Exactly the allowed
//! outcome, in every round. `SYMBOLON_RACE_ROUNDS` says how many rounds there are. 166-D, 625-Q.

use crate::world::*;
use reqwest::RequestBuilder;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_oauth::{base64url, client_assertion};

const AT_ONCE: usize = 64;

/// One process, or two on one store.
struct Nodes {
    first: World,
    second: Option<World>,
    signer: PrivateKey,
}

/// Status, error code, and the body.
type Answer = (u16, String, Json);

impl Nodes {
    async fn start(engine: Engine) -> Self {
        let signer = new_key();
        let client = format!("[client.signer]\nkind = \"service\"\njwks = {}\napis = {{ orders = [\"orders:read\"] }}\n", jwks(&signer));
        let first = Configuration::on(engine).await.behind_a_proxy().with(&client).start().await;
        let second = if engine == Engine::Postgres { Some(first.another("").await) } else { None };
        Self { first, second, signer }
    }

    /// Sign-ins come from many lines, so that no limit of one line is met.
    fn on_line(&mut self, number: usize) {
        let line = format!("10.1.{}.{}", number / 250, number % 250);
        let headers = [(http::HeaderName::from_static("x-forwarded-for"), line.parse().unwrap())].into_iter().collect();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).default_headers(headers);
        // The server lets go of connections that were silent for ten seconds.
        self.first.http = http.pool_idle_timeout(std::time::Duration::from_secs(3)).build().unwrap();
    }

    fn url(&self, at: usize, path: &str) -> String {
        match &self.second {
            Some(second) if at % 2 == 1 => second.url(path),
            _ => self.first.url(path),
        }
    }

    fn post(&self, at: usize, form: &[(&str, &str)]) -> RequestBuilder {
        self.first.http.post(self.url(at, "/token")).form(form)
    }

    /// All of them at once.
    async fn race(&self, request: impl Fn(usize) -> RequestBuilder) -> Vec<Answer> {
        let racing: Vec<_> = (0..AT_ONCE).map(&request).map(|it| tokio::spawn(it.send())).collect();
        let mut answers = Vec::new();
        for one in racing {
            let answer = one.await.unwrap().unwrap();
            let status = answer.status().as_u16();
            let body = answer.json::<Json>().await.unwrap();
            answers.push((status, body["error"].as_str().unwrap_or_default().to_owned(), body));
        }
        answers
    }

    async fn code(&self, ask: &Ask) -> String {
        Browser::default().sign_in(&self.first, ask, "alice").await["code"].clone()
    }

    async fn refresh(&self, token: &str) -> u16 {
        self.first.refresh(token).await.0
    }
}

fn tokens(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().filter(|it| it.0 == 200).map(|it| it.2["refresh_token"].as_str().unwrap_or_default().to_owned()).collect()
}

/// As many as `good` are 200; all others are this refusal.
fn told(answers: &[Answer], good: usize, refused: (u16, &str), of: &str) {
    assert_eq!(answers.iter().filter(|it| it.0 == 200).count(), good, "{of}: {answers:?}");
    let odd = answers.iter().find(|it| it.0 != 200 && (it.0, it.1.as_str()) != refused);
    assert!(odd.is_none(), "{of}: {odd:?}");
}

fn redeeming<'a>(client: &'a str, ask: &'a Ask, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", &ask.parameters["redirect_uri"]),
    ]
}

/// A code of an app without a key, and of a site that authenticates: one gets tokens, and they have ended already.
async fn codes(nodes: &Nodes) {
    for (client, back, secret) in [("shop-ios", NATIVE_BACK, None), ("shop-web", WEB_BACK, Some(SECRET))] {
        let ask = Ask::new(client, back, "openid orders:read");
        let code = nodes.code(&ask).await;
        let form = redeeming(client, &ask, &code);
        let answers = nodes
            .race(|at| match secret {
                Some(_) => nodes.post(at, &form).basic_auth(client, secret),
                None => nodes.post(at, &form),
            })
            .await;
        told(&answers, 1, (400, "invalid_grant"), client);
        let token = tokens(&answers).pop_first().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token.as_str())];
        let request = nodes.post(0, &form);
        let request = if secret.is_some() { request.basic_auth(client, secret) } else { request };
        assert_eq!(request.send().await.unwrap().status(), 400, "{client}: a code used twice ends its grant");
    }
}

/// A code that was asked for with a key, and the refresh token it gives: the app may ask as often as its answers are lost, and
/// every answer holds the same token. One proof is good for one of them.
async fn with_a_key(nodes: &Nodes) {
    let mut app = nodes.first.phone();
    let ask = Ask::native("openid orders:read").with("dpop_jkt", app.key.kid());
    let code = nodes.code(&ask).await;
    // The nonce comes with the first answer.
    app.post("/token", &[("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", "none")]).await;
    let prove = |at: usize, form: &[(&str, &str)], proof: &str| nodes.post(at, form).header("dpop", proof);
    let fresh = |at: usize, form: &[(&str, &str)]| prove(at, form, &app.proof("POST", "/token", None));
    let form = redeeming("shop-ios", &ask, &code);
    let answers = nodes.race(|at| fresh(at, &form)).await;
    told(&answers, AT_ONCE, (200, ""), "code with a key");
    let first = tokens(&answers);
    assert_eq!(first.len(), 1, "one successor of a code: {first:?}");
    let refreshing = |token: &str| {
        let token = token.to_owned();
        [("grant_type", "refresh_token".to_owned()), ("client_id", "shop-ios".to_owned()), ("refresh_token", token)]
    };
    let form = refreshing(first.first().unwrap());
    let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let answers = nodes.race(|at| fresh(at, &form)).await;
    told(&answers, AT_ONCE, (200, ""), "refresh with a key");
    let second = tokens(&answers);
    assert_eq!(second.len(), 1, "one successor: {second:?}");
    assert_eq!(fresh(0, &form).send().await.unwrap().status(), 200, "and later still");
    // Another session: this one was repeated as often as one may be in a minute.
    let mut app = Phone { nonce: app.nonce.clone(), ..nodes.first.phone().with_key(app.key.clone()) };
    let form = refreshing(&app.tokens("openid orders:read").await.text("refresh_token"));
    let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let proof = app.proof("POST", "/token", None);
    let answers = nodes.race(|at| prove(at, &form, &proof)).await;
    told(&answers, 1, (400, "use_dpop_nonce"), "one proof");
    let answer = prove(1, &form, &app.proof("POST", "/token", None)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "the twin: the same request with a proof of its own");
}

/// A refresh token that nothing holds: within the window all converge on one successor, which is good.
async fn bearer(nodes: &Nodes) {
    let ask = Ask::native("orders:read");
    let code = nodes.code(&ask).await;
    let first = nodes.post(0, &redeeming("shop-ios", &ask, &code)).send().await.unwrap().json::<Json>().await.unwrap();
    let first = first["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", first)];
    let answers = nodes.race(|at| nodes.post(at, &form)).await;
    told(&answers, AT_ONCE, (200, ""), "refresh");
    let second = tokens(&answers);
    assert_eq!(second.len(), 1, "one successor: {second:?}");
    assert_eq!(nodes.refresh(second.first().unwrap()).await, 200);
}

/// A pushed request, opened by a browser that is signed in, in sixty-four windows: one code, and it is good.
async fn request_uri(nodes: &Nodes) {
    let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
    browser.sign_in(&nodes.first, &Ask::native("openid"), "alice").await;
    let form = ask.form();
    let uri = nodes.first.post("/par", &form, None).await.1["request_uri"].as_str().unwrap().to_owned();
    let racing: Vec<_> = (0..AT_ONCE)
        .map(|at| {
            let url = nodes.url(at, &format!("/authorize?client_id=shop-ios&request_uri={uri}"));
            let (mut window, node) = (browser.clone(), nodes.first.node.clone());
            tokio::spawn(async move { window.get(&node, &url).await })
        })
        .collect();
    let mut codes = Vec::new();
    for one in racing {
        let page = one.await.unwrap();
        if page.location.is_some() {
            codes.push(page.code());
        } else {
            assert!(page.status == 400 && page.says("invalid_request_uri"), "{} {}", page.status, page.html);
        }
    }
    assert_eq!(codes.len(), 1, "one request_uri, one code");
    assert_eq!(nodes.post(1, &redeeming("shop-ios", &ask, &codes[0])).send().await.unwrap().status(), 200);
}

/// An assertion of a client: one of all requests that carry it.
async fn assertion(nodes: &Nodes) {
    let world = &nodes.first;
    let make = || {
        let jti = base64url::encode(&symbolon::seal::random::<12>().unwrap());
        client_assertion::make(&nodes.signer, "signer", &world.issuer, &jti, world.running.shared.now().now_ms() / 1000).unwrap()
    };
    let send = |at: usize, assertion: &str| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        nodes.post(at, &[("grant_type", "client_credentials"), ("client_assertion_type", kind), ("client_assertion", assertion)])
    };
    let one = make();
    told(&nodes.race(|at| send(at, &one)).await, 1, (401, "invalid_client"), "one assertion");
    told(&nodes.race(|at| send(at, &make())).await, AT_ONCE, (200, ""), "each its own");
}

/// 166-D, 625-Q
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_get_what_one_would() {
    let rounds = std::env::var("SYMBOLON_RACE_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(3);
    for engine in engines() {
        let mut nodes = Nodes::start(engine).await;
        let began = std::time::Instant::now();
        for round in 0..rounds {
            if round % 25 == 0 {
                nodes.on_line(round / 25);
                println!("{engine:?}: round {round}, {:.0?}", began.elapsed());
            }
            codes(&nodes).await;
            with_a_key(&nodes).await;
            bearer(&nodes).await;
            request_uri(&nodes).await;
            assertion(&nodes).await;
        }
        println!("{engine:?}: {rounds} rounds of nine races of {AT_ONCE} in {:.0?}, each as it should be", began.elapsed());
        if let Some(second) = nodes.second.take() {
            second.running.stop().await;
        }
        nodes.first.stop().await;
    }
}
