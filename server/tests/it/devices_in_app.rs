//! A person lets a television in, in the app where they are signed in (RFC 8628 3.3, docs/devices.md). Each refusal with its twin.

use crate::backchannel::Scene;
use crate::devices::{Tv, televisions, tv_at};
use crate::world::*;
use serde_json::Value as Json;

const AT: &str = "/pending/device";

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, &televisions()).await).await;
    }
}

/// An app in which this person is signed in.
struct App<'a> {
    phone: Phone<'a>,
    token: String,
}

impl<'a> App<'a> {
    async fn of(scene: &'a Scene, person: &str) -> App<'a> {
        let (phone, token) = scene.app("member-app", person).await;
        App { phone, token }
    }

    async fn send(&mut self, form: &[(&str, &str)]) -> Answer {
        self.phone.post_with_token(AT, &self.token, form).await
    }

    /// The question about what was typed or scanned.
    async fn question(&mut self, code: (&str, &str)) -> Json {
        let answer = self.send(&[code]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    async fn say(&mut self, code: (&str, &str), asked: &Json, action: &str, more: &[(&str, &str)]) -> Answer {
        let form = [code, ("action", action), ("shown", asked["shown"].as_str().unwrap())];
        self.send(&[&form[..], more].concat()).await
    }
}

/// What the app's scanner reads of the picture.
fn reference(tv: &Tv) -> &str {
    tv.complete().strip_prefix("/device?ref=").unwrap()
}

fn has_field(asked: &Json) -> bool {
    asked["step"]["fields"].as_array().is_some_and(|all| all.iter().any(|field| field["name"] == "last_group"))
}

/// Typed and scanned lead to the question of the page, and its answer to tokens. Asking alone approves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_television_is_let_in_by_the_app() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut app = App::of(&scene, "alice").await;
        for (client, scanned) in [("tv", false), ("tv", true), ("box", false), ("other-tv", true)] {
            let tv = Tv::start(world, client, "openid orders:read").await;
            let code = if scanned { ("ref", reference(&tv)) } else { ("user_code", tv.user_code()) };
            let asked = app.question(code).await;
            let text = asked["step"].to_string();
            assert_eq!((asked["client_id"].as_str(), has_field(&asked)), (Some(client), scanned), "{text}");
            assert!(text.contains("127.0.0.1") && text.contains("See your orders"), "{text}");
            assert_eq!((text.contains("We could not check"), text.contains(tv.user_code())), (client != "box", !scanned), "{text}");
            let actions: Vec<&str> = asked["step"]["actions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
            assert_eq!(actions, ["allow", "not_mine"], "the answers, and no ways on");
            assert_eq!(tv.error(world).await, "authorization_pending");
            let letters = tv.last_group().to_lowercase();
            let more: &[(&str, &str)] = if scanned { &[("last_group", &letters)] } else { &[] };
            let done = app.say(code, &asked, "allow", more).await;
            assert_eq!((done.status, done.text("state").as_str()), (200, "approved"), "{}", done.body);
            assert_eq!(app.say(code, &asked, "allow", more).await.error(), (400, "expired_token"), "it has one answer");
            world.advance_s(10);
            let (status, tokens) = tv.poll(world).await;
            assert_eq!(status, 200, "{tokens}");
            assert_eq!(claims(tokens["access_token"].as_str().unwrap())["client_id"], client);
        }
        let entries = world.entries("device_approved").await;
        assert!(entries.len() == 4 && entries.iter().all(|entry| entry["detail"]["face"] == "app"), "{entries:?}");
        // Not mine: nobody gets anything.
        let tv = Tv::start(world, "tv", "orders:read").await;
        let code = ("user_code", tv.user_code());
        let asked = app.question(code).await;
        assert_eq!(app.say(code, &asked, "not_mine", &[]).await.text("state"), "denied");
        assert_eq!(tv.error(world).await, "access_denied");
        assert_eq!(world.audited("device_denied").await, 1);
        scene.world.stop().await;
    })
    .await;
}

/// K-16: what is wrong, foreign, late, or was not shown. The twin: the same television, answered well.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_shown_and_what_is_not_on_the_screen_lets_nobody_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut app = App::of(&scene, "alice").await;
        let (tv, other) = (Tv::start(world, "tv", "orders:read").await, Tv::start(world, "other-tv", "orders:read").await);
        let scanned = ("ref", reference(&tv));
        let asked = app.question(scanned).await;
        for (form, status, code) in [
            (vec![], 400, "invalid_request"),
            (vec![scanned, ("user_code", tv.user_code())], 400, "invalid_request"),
            (vec![scanned, ("action", "deny"), ("shown", asked["shown"].as_str().unwrap())], 400, "invalid_request"),
            (vec![scanned, ("action", "allow"), ("last_group", tv.last_group())], 400, "invalid_request"),
            (vec![("user_code", "AAAA-AAAA")], 400, "unknown_user_code"),
            (vec![("user_code", "BBBB-BBBB")], 400, "unknown_user_code"),
            (vec![("ref", "AAAAAAAAAAAAAAAAAAAAAA")], 400, "expired_token"),
            (vec![("ref", tv.text("device_code"))], 400, "expired_token"),
            (vec![("ref", "")], 400, "invalid_request"),
        ] {
            assert_eq!(app.send(&form).await.error(), (status, code), "{form:?}");
        }
        // What was shown of one device is no answer to another, nor to the same by its other name.
        for code in [("ref", reference(&other)), ("user_code", tv.user_code())] {
            let answer = app.say(code, &asked, "allow", &[("last_group", tv.last_group())]).await;
            assert_eq!(answer.error(), (400, "invalid_request"), "{code:?}");
        }
        // A photograph has no letters: five tries, for everybody together.
        for letters in ["", "BBBB", other.last_group(), "QQQQ", "ZZZZ"] {
            let answer = app.say(scanned, &asked, "allow", &[("last_group", letters)]).await;
            assert_eq!(answer.error(), (400, "wrong_last_group"), "{letters}");
        }
        let late = app.say(scanned, &asked, "allow", &[("last_group", tv.last_group())]).await;
        assert_eq!(late.error(), (429, "temporarily_unavailable"), "the right ones, too late");
        assert_eq!(world.audited("device_code_refused").await, 6, "one code that no device has, and five times other letters");
        // The twin: typed, it needs no letters.
        let typed = ("user_code", tv.user_code());
        let asked = app.question(typed).await;
        assert_eq!(app.say(typed, &asked, "allow", &[]).await.status, 200);
        assert_eq!(tv.poll(world).await.0, 200);
        // Too late.
        let asked = app.question(("user_code", other.user_code())).await;
        world.advance_s(601);
        let mut app = App::of(&scene, "alice").await;
        assert_eq!(app.say(("user_code", other.user_code()), &asked, "allow", &[]).await.error(), (400, "expired_token"));
        assert_eq!(other.error(world).await, "expired_token");
        scene.world.stop().await;
    })
    .await;
}

/// Guesses of user codes: a signed-in person has ten of their own, which no stranger uses up.
#[tokio::test(flavor = "multi_thread")]
async fn user_codes_are_not_guessed_in_the_app() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        world.person("bob").await;
        let (mut app, mut other) = (App::of(&scene, "alice").await, App::of(&scene, "bob").await);
        let tv = Tv::start(world, "tv", "orders:read").await;
        for at in 0..10 {
            let answer = app.send(&[("user_code", &format!("BBBB-BBB{}", ["B", "C", "D", "F", "G"][at % 5]))]).await;
            assert_eq!(answer.error(), (400, "unknown_user_code"), "{at}");
        }
        assert_eq!(app.send(&[("user_code", tv.user_code())]).await.error(), (429, "temporarily_unavailable"));
        other.question(("user_code", tv.user_code())).await;
        world.advance_s(901);
        let mut app = App::of(&scene, "alice").await;
        let tv = Tv::start(world, "tv", "orders:read").await;
        app.question(("user_code", tv.user_code())).await;
        scene.world.stop().await;
    })
    .await;
}

/// Who may not answer: another kind of app, a token without a key, no token. Where the policy wants more, the person goes on in the browser.
#[tokio::test(flavor = "multi_thread")]
async fn only_an_app_that_may_answer_lets_devices_in() {
    let strict = televisions().replace("[client.tv]\n", "[client.tv]\nlogin = \"two\"\n");
    let more = format!("{strict}[login.two]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n");
    for engine in engines() {
        let scene = Scene::start(engine, &more).await;
        let world = &scene.world;
        let (strict, lax) = (Tv::start(world, "tv", "orders:read").await, Tv::start(world, "other-tv", "orders:read").await);
        let (mut silent, token) = scene.app("silent-app", "alice").await;
        let answer = silent.post_with_token(AT, &token, &[("user_code", lax.user_code())]).await;
        assert_eq!(answer.error(), (403, "insufficient_scope"));
        let mut app = App::of(&scene, "alice").await;
        let no_proof = world.http.post(world.url(AT)).form(&[("user_code", lax.user_code())]);
        assert_eq!(Answer::to(no_proof.header("authorization", format!("DPoP {}", app.token))).await.status, 401);
        let asked = app.question(("user_code", strict.user_code())).await;
        let answer = app.say(("user_code", strict.user_code()), &asked, "allow", &[]).await;
        assert_eq!(answer.error(), (403, "insufficient_authorization"), "{}", answer.body);
        assert_eq!(answer.text("approval_uri"), strict.text("verification_uri_complete"));
        assert_eq!(strict.error(world).await, "authorization_pending");
        let asked = app.question(("user_code", lax.user_code())).await;
        assert_eq!(app.say(("user_code", lax.user_code()), &asked, "allow", &[]).await.status, 200, "the twin");
        scene.world.stop().await;
    }
}

/// `network = "same"`: the phone is elsewhere, and then it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_television_that_is_held_to_its_network_is_let_in_from_there_alone() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let mut app = App::of(&scene, "alice").await;
        let away = world.http.post(world.url("/device_authorization")).header("x-forwarded-for", "198.51.100.7");
        let away: Json = away.form(&[("client_id", "home-tv"), ("scope", "orders:read")]).send().await.unwrap().json().await.unwrap();
        let typed = ("user_code", away["user_code"].as_str().unwrap());
        let asked = app.question(typed).await;
        assert!(asked["step"]["actions"].as_array().unwrap().iter().all(|it| it["name"] != "allow"), "{asked}");
        assert_eq!(app.say(typed, &asked, "allow", &[]).await.error(), (400, "access_denied"));
        let home = Tv::start(world, "home-tv", "orders:read").await;
        let typed = ("user_code", home.user_code());
        let asked = app.question(typed).await;
        assert_eq!(app.say(typed, &asked, "allow", &[]).await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q: many answers at once, at two nodes: one counts, and one alone hears so.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_one_answer_of_an_app_counts() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let nodes = [world.node.clone(), second.node.clone()];
        let mut app = App::of(&scene, "alice").await;
        let tv = Tv::start(world, "tv", "orders:read").await;
        let asked = app.question(("user_code", tv.user_code())).await;
        let mut answers = Vec::new();
        for number in 0..64 {
            let form = [
                ("action", if number % 4 < 2 { "allow" } else { "not_mine" }.to_owned()),
                ("user_code", tv.user_code().to_owned()),
                ("shown", asked["shown"].as_str().unwrap().to_owned()),
            ];
            let node = &nodes[number % 2];
            let request = node.http.post(format!("{}{AT}", node.url)).form(&form).header("authorization", format!("DPoP {}", app.token));
            let request = request.header("dpop", app.phone.proof("POST", AT, Some(&app.token)));
            answers.push(tokio::spawn(async move { Answer::to(request).await }));
        }
        let mut good = Vec::new();
        for answer in answers {
            let answer = answer.await.unwrap();
            // Ten tries are under way at once at most; a code that is over is not looked for further.
            assert!(matches!(answer.status, 200 | 400 | 429), "{answer:?}");
            // It is over, or a "not mine" was first: then the question is another one, with its warning. Whoever had read the question
            // before is told so while the answer is judged.
            let refusals = ["expired_token", "invalid_request", "access_denied"];
            assert!(answer.status != 400 || refusals.contains(&answer.error().1), "{answer:?}");
            good.extend((answer.status == 200).then(|| answer.text("state")));
        }
        assert_eq!(good.len(), 1, "{good:?}");
        let approved = good[0] == "approved";
        let both = (world.audited("device_approved").await, world.audited("device_denied").await);
        assert_eq!(both, (usize::from(approved), usize::from(!approved)));
        assert_eq!(tv.poll(world).await.0 == 200, approved);
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q, K-10: a device is allowed and another one of the same network is "not mine", at once and at two nodes. Either is first; nothing is a
/// fault, and a device gets tokens only if its app heard so.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_an_approval_and_a_block_have_an_order() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let nodes = [world.node.clone(), second.node.clone()];
        let mut app = App::of(&scene, "alice").await;
        for round in 0..6 {
            let from = format!("198.51.100.{}", round + 1);
            let (wanted, other) = (tv_at(world, "tv", &from).await, tv_at(world, "other-tv", &from).await);
            let mut answers = Vec::new();
            for (number, tv) in [&wanted, &wanted, &other, &wanted, &wanted, &wanted].into_iter().enumerate() {
                let asked = app.question(("user_code", tv.user_code())).await;
                let form = [
                    ("action", if number == 2 { "not_mine" } else { "allow" }.to_owned()),
                    ("user_code", tv.user_code().to_owned()),
                    ("shown", asked["shown"].as_str().unwrap().to_owned()),
                ];
                let node = &nodes[number % 2];
                let request = node.http.post(format!("{}{AT}", node.url)).form(&form);
                let request = request.header("authorization", format!("DPoP {}", app.token));
                answers.push(request.header("dpop", app.phone.proof("POST", AT, Some(&app.token))));
            }
            let answers: Vec<_> = answers.into_iter().map(|request| tokio::spawn(Answer::to(request))).collect();
            let mut states = Vec::new();
            for answer in answers {
                let answer = answer.await.unwrap();
                let is_refused = answer.status == 400 && ["access_denied", "invalid_request", "expired_token"].contains(&answer.error().1);
                assert!(answer.status == 200 || is_refused, "{answer:?}");
                states.extend((answer.status == 200).then(|| answer.text("state")));
            }
            let approved = states.iter().filter(|state| *state == "approved").count();
            assert!(approved <= 1 && states.len() == approved + 1, "the other one is denied each time: {states:?}");
            assert_eq!(wanted.poll(world).await.0 == 200, approved == 1);
            assert_eq!(other.error(world).await, "access_denied");
            world.advance_s(60);
        }
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}
