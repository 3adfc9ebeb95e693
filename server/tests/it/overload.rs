//! Overload: many requests at once, and requests that are slow to read. Their cost is bounded, the excess is refused with a word, and
//! everybody else is served meanwhile. Each test has its twin.

use crate::world::*;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use symbolon::limits::Limits;
use symbolon_oauth::{client_assertion, dpop, jws, request_object};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any one request may take here, even on a burdened machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// A world behind a proxy, so that a test can come from any address.
async fn behind_a_proxy(more: &str) -> World {
    Configuration::on(Engine::Sqlite).await.behind_a_proxy().with(more).start().await
}

/// 580-K: two hundred sign-ins at once of names nobody has. A few are judged, the others are told to come again; keys and refreshes
/// are answered all the while.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_holds_up_nobody_else() {
    let world = behind_a_proxy("").await;
    let mut token = world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned();
    let mut browser = Browser::default();
    let page = browser.open(&world, &Ask::native("openid")).await;
    // How long it takes on this machine when nothing else is asked.
    let began = Instant::now();
    token = world.refresh(&token).await.1["refresh_token"].as_str().unwrap().to_owned();
    let alone = began.elapsed();
    let mut strangers = Vec::new();
    for _ in 0..200 {
        let mut stranger = Browser::default();
        let page = stranger.open(&world, &Ask::native("openid")).await;
        strangers.push((stranger, page));
    }
    let flood: Vec<_> = strangers
        .into_iter()
        .enumerate()
        .map(|(at, (mut stranger, page))| {
            stranger.address = Some(format!("10.7.{}.{}", at / 250, at % 250));
            let node = world.node.clone();
            tokio::spawn(
                async move { stranger.submit_password(&node, &page, &format!("nobody-{at}"), &format!("guess number {at}")).await },
            )
        })
        .collect();
    let (mut slowest, mut probes) = (Duration::ZERO, 0);
    while flood.iter().any(|it| !it.is_finished()) || probes < 3 {
        let began = Instant::now();
        assert_eq!(world.get("/jwks").await.status(), 200);
        let (status, answer) = world.refresh(&token).await;
        assert_eq!(status, 200, "{answer}");
        token = answer["refresh_token"].as_str().unwrap().to_owned();
        (slowest, probes) = (slowest.max(began.elapsed()), probes + 1);
    }
    assert!(slowest < PATIENCE.max(alone * 50), "{slowest:?}, alone {alone:?}");
    let (mut judged, mut busy) = (0, 0);
    for one in flood {
        let page = one.await.unwrap();
        match (page.status, page.header("retry-after")) {
            (200, _) if page.says("The name or the password is not right") => judged += 1,
            (503, Some(_)) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(judged > 0 && busy > 0, "{judged} judged, {busy} told to come again");
    let done = browser.submit_password(&world, &page, "alice", PASSWORD).await;
    assert!(done.location.is_some(), "the flood is over: {}", done.html);
    world.stop().await;
}

/// 587-K: what a caller signs is remembered for as long as it is good, and that is an hour at most, whatever `exp` it writes.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_chooses_how_long_a_replay_is_remembered() {
    let key = new_key();
    let jwk = key.public().to_jwk();
    let back = "https://signer.example.com/callback";
    let world = behind_a_proxy(&format!(
        "[client.signer]\nkind = \"web\"\nfirst_party = true\njwks = {{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}\n\
         redirect_uris = [\"{back}\"]\napis = {{ orders = [\"orders:read\"] }}",
        jwk["x"], jwk["y"]
    ))
    .await;
    let now_s = world.running.shared.now().now_ms() / 1000;
    let nonce = world.http.post(world.url("/token")).form(&[("client_id", "shop-ios")]).header("dpop", "x").send().await.unwrap().headers()
        ["dpop-nonce"]
        .clone();
    let assertion = |jti: &str, exp: i64| {
        let claims = json!({ "iss": "signer", "sub": "signer", "aud": world.issuer, "jti": jti, "iat": now_s, "exp": exp });
        jws::sign(&key, "client-authentication+jwt", &claims).unwrap()
    };
    let object = |jti: &str, exp: i64| {
        let claims = json!({
            "iss": "signer", "aud": world.issuer, "client_id": "signer", "jti": jti, "iat": now_s, "nbf": now_s, "exp": exp,
            "response_type": "code", "redirect_uri": back, "scope": "openid",
            "code_challenge": symbolon_oauth::pkce::challenge(&"v".repeat(43)), "code_challenge_method": "S256",
        });
        jws::sign(&key, request_object::TYP, &claims).unwrap()
    };
    let push = async |assertion: String, object: String, iat: i64, jti: &str| {
        let proof = dpop::make(
            &key,
            &dpop::Statement { method: "POST", url: &world.url("/par"), nonce: nonce.to_str().ok(), access_token: None, jti, iat },
        )
        .unwrap();
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = [("client_assertion_type", kind), ("client_assertion", &assertion), ("client_id", "signer"), ("request", &object)];
        let answer = world.http.post(world.url("/par")).form(&form).header("dpop", proof).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.unwrap();
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    let far = [now_s + 7_200, now_s + 10 * 365 * 86_400, i64::MAX / 1000];
    for (at, exp) in far.into_iter().enumerate() {
        let name = |what: &str| format!("{what}-{at}");
        let good = (assertion(&name("a"), now_s + 300), object(&name("o"), now_s + 300));
        assert_eq!(push(assertion(&name("b"), exp), good.1.clone(), now_s, &name("p")).await, (401, "invalid_client".to_owned()), "{exp}");
        let refused = push(good.0.clone(), object(&name("c"), exp), now_s, &name("q")).await;
        assert_eq!(refused, (400, "invalid_request_object".to_owned()), "{exp}");
        assert_eq!(push(good.0.clone(), good.1.clone(), exp, &name("r")).await, (400, "invalid_dpop_proof".to_owned()), "{exp}");
        assert_eq!(push(good.0, good.1, now_s, &name("s")).await, (201, String::new()), "the twin");
    }
    assert_eq!(push(assertion("long", now_s + client_assertion::MAX_LIFETIME_S), object("long", now_s + 3600), now_s, "long").await.0, 201);
    let app = world.running.shared.now();
    let row = app.store.one("SELECT count(*) AS count, max(bucket) AS bucket FROM once WHERE kind <> 'login'", &[]).await.unwrap().unwrap();
    let hour = now_s / 3600;
    assert!(row.int("count").unwrap() >= 12 && row.int("bucket").unwrap() <= hour + 1, "{row:?} at hour {hour}");
    while symbolon::store::retention::sweep(&app.store, (now_s + 3 * 3600) * 1000).await.unwrap() > 0 {}
    let row = app.store.one("SELECT count(*) AS count FROM once", &[]).await.unwrap().unwrap();
    assert_eq!(row.int("count").unwrap(), 0, "three hours later nothing of it is left");
    drop(app);
    world.stop().await;
}

/// 589-K: one line may push so much for one app; other apps, and the same app elsewhere, are served, and so is that line in a moment.
/// What costs nothing to ask for is stored nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pushed_requests_is_one_callers_own_trouble() {
    let world = behind_a_proxy("").await;
    let push = async |client: &str, back: &str, line: &str| {
        let ask = Ask::new(client, back, "openid");
        let request = world.http.post(world.url("/par")).form(&ask.parameters).header("x-forwarded-for", line.to_owned());
        let answer = request.send().await.unwrap();
        let again = answer.headers().contains_key("retry-after");
        (
            answer.status().as_u16(),
            again,
            answer.json::<serde_json::Value>().await.unwrap()["error"].as_str().unwrap_or_default().to_owned(),
        )
    };
    // Somebody takes every place there is for this app on this line, as fast as they come up again.
    let (app, over) = (world.running.shared.now(), Arc::new(AtomicBool::new(false)));
    let (limits, done) = (Arc::clone(&app.limits), Arc::clone(&over));
    let (began, taken) = std::sync::mpsc::channel();
    let flood = std::thread::spawn(move || {
        let bucket = Limits::bucket(&["par", "shop-ios", "10.1.1.1"]);
        let mut served = 0;
        while !done.load(Ordering::Relaxed) {
            match limits.pushes.check_key(&bucket) {
                Ok(()) => served += 1,
                Err(_) => drop(began.send(served)),
            }
        }
    });
    assert!(taken.recv().unwrap() >= 6000, "so many at once are fine");
    let mut flooded = push("shop-ios", NATIVE_BACK, "10.1.1.1").await;
    // A place may come up just when the flood is not looking.
    for _ in 0..200 {
        if flooded.0 != 201 {
            break;
        }
        flooded = push("shop-ios", NATIVE_BACK, "10.1.1.1").await;
    }
    assert_eq!(flooded, (429, true, "temporarily_unavailable".to_owned()));
    assert_eq!(push("other-ios", "https://other.example.com/callback", "10.1.1.1").await.0, 201, "another app");
    assert_eq!(push("shop-ios", NATIVE_BACK, "10.1.1.2").await.0, 201, "another line");
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(push("shop-ios", NATIVE_BACK, "10.1.1.1").await.0, 201, "a moment later");
    for _ in 0..20 {
        let query = Ask::native("openid").query();
        assert_eq!(world.get(&format!("/authorize?{query}")).await.status(), 200);
        assert_eq!(world.post("/challenge", &[], None).await.0, 200);
    }
    for (table, most) in [
        ("SELECT count(*) AS count FROM login", 0),
        ("SELECT count(*) AS count FROM once", 0),
        ("SELECT count(*) AS count FROM pushed_request", 203),
    ] {
        assert!(app.store.one(table, &[]).await.unwrap().unwrap().int("count").unwrap() <= most, "{table}");
    }
    drop(app);
    world.stop().await;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

/// GET or POST of a path, as HPACK without its tables.
fn head(method: u8, path: &str) -> Vec<u8> {
    let text = |name: u8, value: &str| [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [&[method, 0x86][..], &text(0x04, path), &text(0x01, "x")].concat()
}

/// Sends frames on a connection of its own; answers the frames that came back until it was closed, or nothing came for a while.
async fn http2(world: &World, frames: Vec<u8>) -> (Vec<(u8, Vec<u8>)>, bool) {
    let mut stream = TcpStream::connect(world.running.address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let sending = async {
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
        // A server that has enough stops reading, or hangs up.
        let all = async { writer.write_all(&begin).await.is_ok() && writer.write_all(&frames).await.is_ok() };
        let _ = tokio::time::timeout(PATIENCE, all).await;
    };
    let mut bytes = Vec::new();
    let receiving = async {
        let mut buffer = [0; 16 * 1024];
        loop {
            match tokio::time::timeout(Duration::from_millis(1500), reader.read(&mut buffer)).await {
                Err(_) => return false,
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(read)) => bytes.extend_from_slice(&buffer[..read]),
            }
        }
    };
    let ((), closed) = tokio::join!(sending, receiving);
    let (mut found, mut rest) = (Vec::new(), &bytes[..]);
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let Some(payload) = rest.get(9..9 + length) else { break };
        found.push((rest[3], payload.to_vec()));
        rest = &rest[9 + length..];
    }
    (found, closed)
}

/// 591-K: streams that are opened to be reset, by the caller or by what it makes the server do; headers without an end; frames of
/// nothing. The connection is dropped or simply served, and nobody else waits.
#[tokio::test(flavor = "multi_thread")]
async fn abuse_of_http2_ends_its_own_connection() {
    let world = World::start(Engine::Sqlite).await;
    let (get, post) = (head(0x82, "/health"), head(0x83, "/token"));
    let streams = |n: u32| (0..n).map(|it| 2 * it + 1);
    let rapid = |n| streams(n).flat_map(|it| [frame(HEADERS, 5, it, &get), frame(RST, 0, it, &8_u32.to_be_bytes())].concat()).collect();
    // MadeYouReset: a window that overflows is the caller's error, and resets a stream whose work goes on.
    let made = streams(4000).flat_map(|it| [frame(HEADERS, 5, it, &get), frame(WINDOW, 0, it, &[0; 4])].concat()).collect();
    let endless = [frame(HEADERS, 0, 1, &get), frame(CONTINUATION, 0, 1, &[0, 1, b'a', 1, b'b']).repeat(20_000)].concat();
    let empty = [frame(HEADERS, 4, 1, &post), frame(DATA, 0, 1, &[]).repeat(50_000)].concat();
    let churn = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]).repeat(20_000);
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(20_000);
    for (name, frames, must_close) in [
        ("rapid reset", rapid(4000), true),
        ("made to reset", made, true),
        ("endless headers", endless, true),
        ("frames of nothing", empty, false),
        ("settings", churn, false),
        ("pings", pings, false),
    ] {
        let abuse = http2(&world, frames);
        let others = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..10 {
                let began = Instant::now();
                assert_eq!(world.get("/jwks").await.status(), 200, "{name}");
                slowest = slowest.max(began.elapsed());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            slowest
        };
        let ((answers, closed), slowest) = tokio::join!(abuse, others);
        assert!(slowest < 2 * PATIENCE, "{name}: somebody else waited for {slowest:?}");
        let goaway = answers.iter().find(|it| it.0 == GOAWAY).map(|it| u32::from_be_bytes(it.1[4..8].try_into().unwrap()));
        assert!(!must_close || (closed && goaway.is_none_or(|it| it != 0)), "{name}: {goaway:?} {closed}");
    }
    // The twin: a browser that gives up a few of its requests.
    let few = [rapid(5), frame(HEADERS, 5, 101, &get)].concat();
    let (answers, closed) = http2(&world, few).await;
    assert!(!closed && answers.iter().any(|it| it.0 == HEADERS && it.1[0] == 0x88), "{answers:?}");
    world.stop().await;
}

/// 593-K, 595-K, 601-K: the longest of everything, made to be slow to read: one answer each, in time.
#[tokio::test(flavor = "multi_thread")]
async fn the_worst_text_is_read_in_linear_time() {
    let schema = "[api.orders.authorization_details.pay]\ntext = \"Pay\"\nschema = { properties = { to = { type = \"string\", pattern = \"^(a|a)*$\" } } }";
    let paying = Configuration::on(Engine::Sqlite).await.set("client.shop-ios.authorization_details_types", vec!["pay"]);
    let world = paying.clone().with(schema).start().await;
    let timed = async |name: &str, request: reqwest::RequestBuilder| {
        let began = Instant::now();
        let answer = request.send().await.unwrap();
        assert!(began.elapsed() < PATIENCE, "{name}: {:?}", began.elapsed());
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let ask =
        |name: &str, value: &str| world.http.get(world.url(&format!("/authorize?{}", Ask::native("openid").with(name, value).query())));
    let many = |it: &str, bytes: usize| it.repeat(bytes / it.len());
    let fine = timed("plain", ask("nonce", "n")).await;
    assert_eq!(fine.0, 200);
    assert_eq!(timed("redirect", ask("redirect_uri", &format!("https://app.example.com/{}", many("/..%2f@", 8000)))).await.0, 400);
    // Too long for a hint: back to the app with an error, as for any parameter that breaks a rule.
    assert_eq!(timed("hint", ask("login_hint", &format!("{}@{}", many("a.", 4000), many("a.", 4000)))).await.0, 303);
    assert_eq!(timed("hint", ask("login_hint", &format!("{}@{}", many("a.", 100), many("a.", 100)))).await.0, 200);
    for (header, value) in [
        ("user-agent", many("Mozilla/5.0 (((", 16_000)),
        ("accept-language", many("de-DE-x-a;q=0.1,", 16_000)),
        ("cookie", many("a=\"b\\\";; ", 16_000)),
        ("if-modified-since", format!("Sun, 06 Nov 1994 08:49:37 {}", many("(", 16_000))),
        ("if-none-match", many("W/\"", 16_000)),
        ("traceparent", many("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01,", 16_000)),
        ("tracestate", many("a=b,", 16_000)),
        ("baggage", many("k=v;p=(,", 16_000)),
    ] {
        for path in [format!("/authorize?{}", Ask::native("openid").query()), "/assets/style.css".to_owned()] {
            let (status, body) = timed(header, world.http.get(world.url(&path)).header(header, &value)).await;
            assert!(status == 200 && !body.contains(&value), "{header} {path}: {status}");
        }
        let long = many(&value, 64_000);
        let refused = world.http.get(world.url("/health")).header(header, &long).send().await;
        assert!(refused.is_err() || refused.is_ok_and(|it| it.status() == 431), "{header}: longer than all headers may be");
        assert_eq!(world.get("/health").await.status(), 200);
    }
    let page = Browser::default().open(&world, &Ask::native("openid")).await;
    for name in [format!("{}@x", many("a@a.", 15_000)), many("\u{e9}", 15_000), many("(a", 15_000)] {
        let fill = [("username", name.as_str()), ("password", "p")];
        let request = Browser::default().submission_with_cookies(&world, &page, &fill, "continue");
        assert_eq!(timed("name", request).await.0, 400, "no cookie, and soon");
        let began = Instant::now();
        assert!(symbolon::login::accounts::email_address(&name).is_none() && symbolon::login::accounts::canonical(&name).is_none());
        assert!(began.elapsed() < PATIENCE);
    }
    let pay =
        |to: &str| Ask::native("orders:read").with("authorization_details", &json!([{ "type": "pay", "to": to }]).to_string()).parameters;
    let push = |to: &str| world.http.post(world.url("/par")).form(&pay(to));
    // A line of a detail has 1,000 characters at most; a longer one never meets the pattern.
    let (status, pushed) = timed("pattern", push(&many("a", 900))).await;
    assert_eq!(status, 201, "{pushed}");
    let (status, refused) = timed("pattern", push(&format!("{}!", many("a", 900)))).await;
    assert!(status == 400 && refused.contains("as its type's schema wants it"), "{status} {refused}");
    let (status, refused) = timed("pattern", push(&many("a", 15_000))).await;
    assert!(status == 400 && refused.contains("too long to be shown whole"), "{status} {refused}");
    let backtracking = schema.replace("^(a|a)*$", "^(a+)+\\\\1$");
    assert!(paying.with(&backtracking).read().is_err_and(|it| it.contains("pay")), "a pattern that needs backtracking is no pattern here");
    world.stop().await;
}

/// 607-K: what counts attempts has 65,536 places and no more, and an IPv6 line is its /64.
#[tokio::test(flavor = "multi_thread")]
async fn counting_attempts_takes_no_more_room_the_more_there_are() {
    let world = behind_a_proxy("").await;
    let wrong = async |address: String, secret: &str| {
        let request = world.http.post(world.url("/token")).form(&[("grant_type", "client_credentials")]);
        request.basic_auth("robot", Some(secret)).header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
    };
    // Twenty a minute: an address of its own for each would never meet the limit.
    let mut seen = Vec::new();
    while seen.last() != Some(&429) && seen.len() < 100 {
        seen.push(wrong(format!("2001:db8:0:7:{:x}::1", seen.len()), "not the secret").await);
    }
    assert!(seen.last() == Some(&429) && seen.len() > 20, "one line, however many addresses: {seen:?}");
    assert_eq!(wrong("2001:db8:0:8::1".to_owned(), "not the secret").await, 401, "another line");
    assert_eq!(wrong("::ffff:10.0.0.1".to_owned(), "not the secret").await, 401);
    assert_eq!(wrong("2001:db8:0:8::2".to_owned(), SECRET).await, 200);
    assert_eq!(wrong("2001:db8:0:7::2".to_owned(), SECRET).await, 200, "a proved secret, from anywhere");
    let limits = &world.running.shared.now().limits;
    for at in 0..300_000_u32 {
        let _ = limits.repeats.check_key(&Limits::bucket(&["repeat", &at.to_string()]));
    }
    assert!(limits.repeats.len() <= 65_536 && limits.repeats.len() > 60_000, "{}", limits.repeats.len());
    world.stop().await;
}
