//! Kiosks with `mode = "confirm"`: the member's app asks once more, and the kiosk polls. docs/kiosk.md. Each refusal with its twin.

use crate::kiosks::{MEMBERS, Scene, challenge, member, nonce, proof, show};
use crate::world::*;
use serde_json::Value as Json;
use symbolon_oauth::kiosk::GRANT_TYPE;

const CONFIRM: &str = "[client.member-app]\napproves = true\n[client.gate.kiosk]\nmode = \"confirm\"\n";

async fn on_every_engine<T: Future<Output = ()>>(test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, CONFIRM).await).await;
    }
}

/// A member's phone: what it signs codes with, and its token for this server itself.
struct Card<'a> {
    phone: Phone<'a>,
    pass: String,
    refresh: String,
    token: String,
}

impl Card<'_> {
    async fn of(scene: &Scene) -> Card<'_> {
        let mut phone = Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) };
        let kept = member(&mut phone, "openid orders:read").await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", kept.refresh.as_str()), ("resource", &scene.world.issuer)];
        let own = phone.post("/token", &form).await;
        assert_eq!(own.status, 200, "{}", own.body);
        Card { phone, pass: own.text("kiosk_pass"), refresh: own.text("refresh_token"), token: own.text("access_token") }
    }

    /// Shows a code at this gate. What the gate polls with.
    async fn is_asked(&self, gate: &mut Phone<'_>) -> String {
        let answer = self.shown(gate).await;
        assert_eq!(answer.error(), (400, "authorization_pending"), "{}", answer.body);
        assert!(answer.body.get("access_token").is_none());
        assert_eq!((answer.body["expires_in"].as_i64(), answer.body["interval"].as_i64()), (Some(60), Some(5)));
        answer.text("auth_req_id")
    }

    async fn shown(&self, gate: &mut Phone<'_>) -> Answer {
        let asked = nonce(&challenge(gate).await);
        show(gate, &proof(&self.phone, &self.pass, Some(&asked))).await
    }

    /// What the app asks the member now.
    async fn question(&mut self) -> Json {
        let mut all = self.phone.pending(&self.token).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn says(&mut self, action: &str) {
        let question = self.question().await;
        let answer = self.phone.say(&self.token.clone(), &question, action, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

async fn poll(gate: &mut Phone<'_>, handle: &str) -> Answer {
    gate.post("/token", &[("grant_type", GRANT_TYPE), ("auth_req_id", handle)]).await
}

/// The member says yes in the app that showed the code; the kiosk gets one token for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_confirms_in_the_app() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut card, mut second) = (Card::of(&scene).await, Card::of(&scene).await);
        let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        let asked = nonce(&challenge(&mut gate).await);
        let code = proof(&card.phone, &card.pass, Some(&asked));
        let answer = show(&mut gate, &code).await;
        assert_eq!(answer.error(), (400, "authorization_pending"), "{}", answer.body);
        let handle = answer.text("auth_req_id");
        assert_eq!(show(&mut gate, &code).await.error(), (400, "invalid_grant"), "the code is used");
        assert_eq!(poll(&mut gate, &handle).await.error(), (400, "authorization_pending"));
        assert_eq!(poll(&mut gate, &handle).await.error(), (400, "slow_down"));
        // Neither another phone of the same person nor a page answers it.
        assert!(second.phone.pending(&second.token).await.is_empty());
        let mut browser = Browser::default();
        browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
        assert_eq!(browser.visit(world, "/approvals").await.title(), "Nothing waits for your answer");
        let question = card.question().await;
        let text = question["step"].to_string();
        assert!(text.contains("Gate 3") && text.contains("Main hall"), "{text}");
        let path = format!("/approvals?ref={}", question["request"].as_str().unwrap());
        assert_eq!(browser.visit(world, &path).await.title(), "Nothing waits for your answer");
        assert_eq!(second.phone.say(&second.token.clone(), &question, "allow", &[]).await.error(), (400, "expired_token"));
        card.says("allow").await;
        world.advance_s(11);
        assert_eq!(poll(&mut other, &handle).await.error(), (400, "invalid_grant"), "another kiosk");
        assert_eq!(world.audited("kiosk_visited").await, 0);
        let both = [("grant_type", GRANT_TYPE), ("auth_req_id", handle.as_str()), ("proof", code.as_str())];
        assert_eq!(gate.post("/token", &both).await.error(), (400, "invalid_request"));
        let answer = poll(&mut gate, &handle).await;
        assert_eq!((answer.status, answer.text("token_type").as_str()), (200, "DPoP"), "{}", answer.body);
        assert!(answer.body.get("refresh_token").is_none());
        let token = claims(&answer.text("access_token"));
        assert_eq!((token["act"]["name"].as_str(), token["scope"].as_str()), (Some("Gate 3"), Some("orders:read")));
        assert_eq!(poll(&mut gate, &handle).await.error(), (400, "expired_token"), "once");
        for event in ["kiosk_asked", "kiosk_confirmed", "kiosk_visited"] {
            assert_eq!(world.audited(event).await, 1, "{event}");
        }
        scene.world.stop().await;
    })
    .await;
}

/// Who says no, says nothing or is gone by then lets nobody in. The twin: the same phone, asked again.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_yes_nobody_is_let_in() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let (mut card, mut gate) = (Card::of(&scene).await, scene.gate(&scene.gates[0]));
        let denied = card.is_asked(&mut gate).await;
        card.says("deny").await;
        assert_eq!(poll(&mut gate, &denied).await.error(), (400, "access_denied"));
        let late = card.is_asked(&mut gate).await;
        world.advance_s(61);
        assert_eq!(poll(&mut gate, &late).await.error(), (400, "expired_token"));
        assert!(card.phone.pending(&card.token).await.is_empty());
        let good = card.is_asked(&mut gate).await;
        card.says("allow").await;
        assert_eq!(poll(&mut gate, &good).await.status, 200, "the twin");
        let gone = card.is_asked(&mut gate).await;
        card.says("allow").await;
        assert_eq!(card.phone.post("/revoke", &[("token", &card.refresh)]).await.status, 200);
        assert_eq!(poll(&mut gate, &gone).await.error(), (400, "invalid_grant"), "the app has signed out");
        // A member who showed no code is asked by this kiosk no more for an hour. The one beside it did nothing.
        let mut card = Card::of(&scene).await;
        card.is_asked(&mut gate).await;
        card.says("not_mine").await;
        let answer = card.shown(&mut gate).await;
        assert_eq!(answer.error(), (400, "invalid_grant"), "{}", answer.body);
        assert!(answer.text("error_description").contains("asks them nothing for an hour"), "{}", answer.body);
        card.is_asked(&mut scene.gate(&scene.gates[1])).await;
        card.says("deny").await;
        world.advance_s(3600);
        gate.attest_for(3600);
        let mut card = Card::of(&scene).await;
        card.is_asked(&mut gate).await;
        card.question().await;
        scene.world.stop().await;
    })
    .await;
}

/// K-10: a kiosk that read two codes in its minute gets nothing for the second one, once the member has not shown the first. The twin: the
/// kiosk beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_that_is_not_mine_gets_nothing_for_its_other_code() {
    on_every_engine(|scene| async move {
        let (mut card, mut gate, mut beside) = (Card::of(&scene).await, scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        let mut handles = Vec::new();
        for at in 0..3 {
            handles.push(card.is_asked(if at < 2 { &mut gate } else { &mut beside }).await);
            scene.world.advance_s(1);
        }
        let token = card.token.clone();
        let asked = card.phone.pending(&token).await;
        assert_eq!(asked.len(), 3);
        assert_eq!(card.phone.say(&token, &asked[0], "not_mine", &[]).await.body["state"], "denied");
        assert!(card.question().await["step"].to_string().contains("Gate 4"), "the other code of gate 3 waits no more");
        assert_eq!(card.phone.say(&token, &asked[1], "allow", &[]).await.error(), (400, "access_denied"));
        assert_eq!(scene.world.audited("kiosk_confirmed").await, 0);
        assert_eq!(poll(&mut gate, &handles[1]).await.error(), (400, "authorization_pending"));
        card.says("allow").await;
        assert_eq!(poll(&mut beside, &handles[2]).await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q: what was confirmed is fetched at once, at two nodes: one token.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_one_confirmed_token_is_fetched() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let (mut card, mut gate) = (Card::of(&scene).await, scene.gate(&scene.gates[0]));
        let handle = card.is_asked(&mut gate).await;
        card.says("allow").await;
        let mut requests = Vec::new();
        for number in 0..64 {
            let headers = gate.headers("/token");
            let node = if number % 2 == 0 { &world.node } else { &second.node };
            let form = [("grant_type", GRANT_TYPE), ("auth_req_id", handle.as_str()), ("client_id", "gate")];
            let request = node.http.post(format!("{}/token", node.url)).form(&form);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            requests.push(tokio::spawn(async move { Answer::to(request).await }));
        }
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(request.await.unwrap().status);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400 | 429)), "{statuses:?}");
        assert_eq!(world.audited("kiosk_visited").await, 1);
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// 625-Q: the member's app answers at once, 64 times and at two nodes, both ways: one answer counts, and the kiosk gets what it says.
#[tokio::test(flavor = "multi_thread")]
async fn at_once_one_answer_of_a_member_counts() {
    on_every_engine(|scene| async move {
        let world = &scene.world;
        let second = world.another("").await;
        let (mut card, mut gate) = (Card::of(&scene).await, scene.gate(&scene.gates[0]));
        let handle = card.is_asked(&mut gate).await;
        let asked = card.question().await;
        let version = asked["version"].to_string();
        let mut answers = Vec::new();
        for number in 0..64 {
            let form = [
                ("action", if number % 4 < 2 { "allow" } else { "deny" }.to_owned()),
                ("request", asked["request"].as_str().unwrap().to_owned()),
                ("version", version.clone()),
                ("shown", asked["shown"].as_str().unwrap().to_owned()),
            ];
            let node = if number % 2 == 0 { &world.node } else { &second.node };
            let request =
                node.http.post(format!("{}/pending", node.url)).form(&form).header("authorization", format!("DPoP {}", card.token));
            let request = request.header("dpop", card.phone.proof("POST", "/pending", Some(&card.token)));
            answers.push(tokio::spawn(async move { Answer::to(request).await }));
        }
        let mut good = Vec::new();
        for answer in answers {
            let answer = answer.await.unwrap();
            assert!(answer.status == 200 || answer.error() == (400, "expired_token"), "{answer:?}");
            good.extend((answer.status == 200).then(|| answer.text("state")));
        }
        assert_eq!(good.len(), 1, "{good:?}");
        let approved = good[0] == "approved";
        let both = (world.audited("kiosk_confirmed").await, world.audited("backchannel_denied").await);
        assert_eq!(both, (usize::from(approved), usize::from(!approved)));
        let answer = poll(&mut gate, &handle).await;
        assert_eq!((answer.status, answer.error().1), if approved { (200, "") } else { (400, "access_denied") });
        second.running.stop().await;
        scene.world.stop().await;
    })
    .await;
}

/// Other people's kiosks: the member reads in the app what they get, each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_of_somebody_else_asks_each_time() {
    let more = format!("{CONFIRM}[client.gate]\nfirst_party = false\n");
    let scene = Scene::start(Engine::Sqlite, &more).await;
    let (mut card, mut gate) = (Card::of(&scene).await, scene.gate(&scene.gates[0]));
    for _ in 0..2 {
        let handle = card.is_asked(&mut gate).await;
        let question = card.question().await;
        assert!(!question["step"]["content"].as_array().is_none_or(Vec::is_empty), "{question}");
        card.says("allow").await;
        assert_eq!(poll(&mut gate, &handle).await.status, 200);
    }
    scene.world.stop().await;
}
