//! Time tells nothing: an answer to a wrong name, password, secret or token takes as long however near it was. Both of a pair are
//! measured in turn, so that the machine's mood hits both alike, and the quickest are compared, since noise only adds.

use crate::backchannel::MESSAGE;
use crate::commands::symbolon;
use crate::world::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use symbolon_oauth::base64url;

type Request<'a> = &'a dyn Fn(usize) -> reqwest::RequestBuilder;

/// Within a half of each other: a hash, a read or a write that only one of them pays for is more than that, and is so every
/// time, while another program's work is not: one quiet round of four is enough.
async fn alike(what: &str, wanted: u16, pairs: usize, kinds: [Request<'_>; 2]) {
    let mut rounds = Vec::new();
    for round in 0..4 {
        let mut quickest = [Duration::MAX; 2];
        for at in round * pairs..(round + 1) * pairs {
            for (kind, quickest) in kinds.iter().zip(&mut quickest) {
                let request = kind(at);
                let start = Instant::now();
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                answer.bytes().await.unwrap();
                *quickest = start.elapsed().min(*quickest);
                assert_eq!(status, wanted, "{what}");
            }
        }
        let [one, two] = quickest;
        if one.abs_diff(two) * 2 < one.max(two) {
            return;
        }
        rounds.push(quickest);
    }
    panic!("{what}: {rounds:?}");
}

/// 126-T, 473-E: a client's secret and an API's key that are wrong in the last character take what one wrong in the first takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_right_secret_takes_as_long_as_a_wrong_one() {
    let robot = format!("{{ kind = \"service\", secret = '{}', apis = {{ orders = [\"orders:read\"] }} }}", secret_digest());
    let robots: Vec<String> = (0..8).map(|at| format!("client.robot-{at} = {robot}")).collect();
    let world = Configuration::on(Engine::Sqlite).await.with(&robots.join("\n")).start().await;
    let (near, far) = (format!("{}x", &SECRET[..SECRET.len() - 1]), format!("x{}", &SECRET[1..]));
    let token = |secret: String| {
        let world = &world;
        move |at: usize| {
            let form = [("grant_type", "client_credentials")];
            world.http.post(world.url("/token")).form(&form).basic_auth(format!("robot-{}", at % 8), Some(&secret))
        }
    };
    // 20 wrong ones a minute are looked at for each client.
    alike("client secrets", 401, 16, [&token(near.clone()), &token(far.clone())]).await;
    let asked = |secret: String| {
        let world = &world;
        move |at: usize| {
            let api = if at.is_multiple_of(2) { "orders" } else { "ledger" };
            world.http.post(world.url("/introspect")).form(&[("token", "x")]).basic_auth(api, Some(&secret))
        }
    };
    alike("introspection secrets", 401, 4, [&asked(near), &asked(far)]).await;
    let form = [("grant_type", "client_credentials")];
    assert_eq!(world.post("/token", &form, Some("robot-0")).await.0, 200, "the right one");
    world.stop().await;
}

/// 473-E: of a refresh token, the first and the last byte of its seal weigh the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_right_token_takes_as_long_as_a_wrong_one() {
    on_every_engine(|world| async move {
        let token = world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned();
        let (prefix, body) = token.split_at(3);
        let bytes = base64url::decode(body).unwrap();
        let edited = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            format!("{prefix}{}", base64url::encode(&bytes))
        };
        let send = |token: String| {
            let world = &world;
            move |_: usize| {
                let form = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token.as_str())];
                world.http.post(world.url("/token")).form(&form)
            }
        };
        let (near, far) = (send(edited(bytes.len() - 1)), send(edited(bytes.len() - 32)));
        alike("refresh tokens", 400, 200, [&near, &far]).await;
        assert_eq!(world.refresh(&token).await.0, 200, "the right one");
        world.stop().await;
    })
    .await;
}

/// 458-E, 459-E: a name that nobody has is told as slowly as a wrong password, and so is either without any password.
#[tokio::test(flavor = "multi_thread")]
async fn who_exists_is_not_heard_in_the_time() {
    on_every_engine(|world| async move {
        let mut forms = Vec::new();
        for at in 0..12 {
            world.person(&format!("person-{at}")).await;
        }
        // Each answer moves its sign-in on, so that each guess has one of its own.
        for _ in 0..2 * 4 * 4 * 12 {
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            forms.push((browser, page));
        }
        let next = AtomicUsize::new(0);
        let guess = |who: &'static str, password: &'static str| {
            let (world, forms, next) = (&world, &forms, &next);
            move |at: usize| {
                let (browser, page) = &forms[next.fetch_add(1, Ordering::Relaxed)];
                let (name, password) =
                    (format!("{who}-{}", at % 12), if password.is_empty() { String::new() } else { format!("{password} {who} {at}") });
                browser.submission_with_cookies(world, page, &[("username", &name), ("password", &password)], "continue")
            }
        };
        alike("names", FORM_ANSWERED, 12, [&guess("person", "a guess"), &guess("nobody", "a guess")]).await;
        alike("names without a password", FORM_ANSWERED, 12, [&guess("person", ""), &guess("nobody", "")]).await;
        world.stop().await;
    })
    .await;
}

/// K-20: who has an account is not heard in the time of a backchannel request, by the name alone or with a user code. 200 samples at most.
#[tokio::test(flavor = "multi_thread")]
async fn whom_a_client_can_ask_is_not_heard_in_the_time() {
    let desk = |id: &str| {
        let (secret, grant) = (secret_digest(), symbolon_oauth::backchannel::GRANT_TYPE);
        format!("[client.{id}]\nkind = \"web\"\nfirst_party = true\nredirect_uris = []\nsecret = '{secret}'\ngrants = [\"{grant}\"]\n")
    };
    let desks = format!("{}{}[client.coded.backchannel]\nuser_code = true\n", desk("plain"), desk("coded"));
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&desks).start().await;
        assert_eq!(symbolon(&world.file(), &["user", "code", "alice"], "4711-alice\n").await.0, Some(0));
        let ask = |client: &'static str, name: &'static str, code: &'static [(&'static str, &'static str)]| {
            let world = &world;
            move |at: usize| {
                // A client asks a person five times in ten minutes, and has five wrong codes in an hour.
                if name == "alice" && at.is_multiple_of(5) {
                    world.advance_s(3601);
                }
                let form = [&[("scope", "openid"), ("login_hint", name), MESSAGE], code].concat();
                world.http.post(world.url("/backchannel_authentication")).form(&form).basic_auth(client, Some(SECRET))
            }
        };
        alike("names", 200, 50, [&ask("plain", "alice", &[]), &ask("plain", "nobody", &[])]).await;
        let wrong = &[("user_code", "4712-alice")];
        alike("names with a user code", 400, 50, [&ask("coded", "alice", wrong), &ask("coded", "nobody", wrong)]).await;
        let right = [("scope", "openid"), ("login_hint", "alice"), MESSAGE, ("user_code", "4711-alice")];
        world.advance_s(3601);
        assert_eq!(world.post("/backchannel_authentication", &right, Some("coded")).await.0, 200, "the right one");
        world.stop().await;
    }
}
