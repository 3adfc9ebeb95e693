//! What a kiosk gets: what is in its token, what ends it, and what is counted. docs/kiosk.md. Each refusal with its twin.

use crate::commands::symbolon;
use crate::kiosks::{MEMBERS, Scene, challenge, member, nonce, proof, show};
use crate::world::*;
use serde_json::Value as Json;
use symbolon_oauth::kiosk::GRANT_TYPE;

async fn on_every_engine<T: Future<Output = ()>>(more: &str, test: impl Fn(Scene) -> T) {
    for engine in engines() {
        test(Scene::start(engine, more).await).await;
    }
}

fn phone(scene: &Scene) -> Phone<'_> {
    Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) }
}

/// Shows a new code at this gate: the kiosk's token.
async fn visit(gate: &mut Phone<'_>, phone: &Phone<'_>, pass: &str) -> String {
    let asked = nonce(&challenge(gate).await);
    let answer = show(gate, &proof(phone, pass, Some(&asked))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.text("access_token")
}

async fn is_active(world: &World, token: &str) -> bool {
    world.post("/introspect", &[("token", token)], Some("orders")).await.1["active"] == true
}

/// What an API hears that checks tokens by itself.
async fn endings(world: &World) -> Vec<Json> {
    let (_, news) = world.post("/endings", &[], Some("orders")).await;
    news["ended"].as_array().unwrap_or_else(|| panic!("{news}")).clone()
}

/// A kiosk's token ends at once with whatever it hangs on: the app signs out, the app's installation is revoked, its session or its access is
/// ended by the person, its client is cut off. The person ends the visit alone, too. The twin is the token before.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_s_token_ends_with_the_member_s_app() {
    on_every_engine("", |scene| async move {
        let world = &scene.world;
        for how in ["visit", "signed out", "revoked", "sessions", "access", "cut off"] {
            let mut phone = phone(&scene);
            let kept = member(&mut phone, "openid orders:read").await;
            let mut gate = scene.gate(&scene.gates[0]);
            let token = visit(&mut gate, &phone, &kept.pass).await;
            assert!(is_active(world, &token).await, "the twin of {how}");
            let grant = claims(&token);
            let operate = async |words: &[&str]| assert_eq!(symbolon(&world.file(), words, "").await.0, Some(0), "{words:?}");
            match how {
                "visit" => {
                    let mut browser = Browser::default();
                    browser.sign_in(world, &Ask::native("openid"), "alice").await;
                    let page = browser.visit(world, "/account").await;
                    let row = page.html.split("<li>").find(|row| row.contains("Gate 3, Main hall")).expect("a row of the visit");
                    let button = row.split('"').find(|word| word.starts_with("end_session:")).expect("a button").to_owned();
                    browser.change(world, &page, &button).await;
                    assert_eq!(phone.refresh(&kept.refresh).await.status, 200, "the app stays signed in");
                }
                "signed out" => assert_eq!(phone.post("/revoke", &[("token", &kept.refresh)]).await.status, 200),
                // The phone's key was written down as an installation: an operator ends that one alone.
                "revoked" => {
                    let app = world.running.shared.now();
                    let sql = "INSERT INTO instance (client, jkt, state, platform, tier, evidence_key, counter, facts, created_ms, attested_ms) \
                        VALUES ('member-app', $1, 'active', 'ios', 'hardware', $2, 0, '{}', 0, 0)";
                    let mut change = symbolon::store::Change::new(app.now_ms());
                    change.run(sql, vec![phone.key.kid().into(), symbolon::store::Value::from(&b""[..])]);
                    app.store.apply(change).await.unwrap();
                    operate(&["instance", "revoke", phone.key.kid()]).await;
                }
                "sessions" => operate(&["user", "end-sessions", "alice"]).await,
                "access" => {
                    let mut browser = Browser::default();
                    browser.sign_in(world, &Ask::native("openid"), "alice").await;
                    let page = browser.visit(world, "/account").await;
                    assert!(page.says("Gate 3, Main hall"), "the person sees where: {}", page.text());
                    browser.change(world, &page, "revoke_app:member-app").await;
                }
                _ => operate(&["client", "end-sessions", "member-app"]).await,
            }
            assert!(!is_active(world, &token).await, "{how}");
            if how != "cut off" {
                tokio::time::sleep(std::time::Duration::from_millis(400)).await;
                let heard = endings(world).await;
                let is_it = |it: &&Json| it["sid"] == grant["sid"] || it["grant_id"].is_string() && it["grant_id"] == grant["grant_id"];
                assert!(heard.iter().any(|it| is_it(&it)), "{how}: {grant} {heard:?}");
            }
            world.advance_s(2);
        }
        scene.world.stop().await;
    })
    .await;
}

/// The proof adds nothing to what the phone's session is worth, and takes nothing away: `auth_time`, `acr` and `amr` are the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_s_token_is_worth_what_the_phone_s_is() {
    on_every_engine("[login.default]\nrequire = [\"password\"]\nacr = \"urn:known\"\n", |scene| async move {
        let mut phone = phone(&scene);
        let tokens = phone.tokens("openid orders:read").await;
        scene.world.advance_s(100);
        let token = claims(&visit(&mut scene.gate(&scene.gates[0]), &phone, &tokens.text("kiosk_pass")).await);
        let own = claims(&tokens.text("access_token"));
        for name in ["auth_time", "acr", "amr", "sub"] {
            assert!(!own[name].is_null() && own[name] == token[name], "{name}: {own} {token}");
        }
        assert_eq!(token["acr"], "urn:known");
        assert_ne!(own["sid"], token["sid"], "a session of its own below the phone's");
        scene.world.stop().await;
    })
    .await;
}

/// A kiosk that may have more gets no more than the member's app holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_gets_no_more_than_the_app_holds() {
    on_every_engine("[client.gate]\napis = { orders = [\"orders:read\", \"orders:write\"] }\n", |scene| async move {
        let (mut narrow, mut wide) = (phone(&scene), phone(&scene));
        let (small, large) = (member(&mut narrow, "orders:read").await, member(&mut wide, "orders:read orders:write").await);
        let mut gate = scene.gate(&scene.gates[0]);
        for (phone, pass, scope) in [(&narrow, &small.pass, "orders:read"), (&wide, &large.pass, "orders:read orders:write")] {
            assert_eq!(claims(&visit(&mut gate, phone, pass).await)["scope"], scope);
        }
        let asked = nonce(&challenge(&mut gate).await);
        let code = proof(&narrow, &small.pass, Some(&asked));
        let form = [("grant_type", GRANT_TYPE), ("proof", code.as_str()), ("scope", "orders:write")];
        assert_eq!(gate.post("/token", &form).await.error(), (400, "invalid_scope"));
        let code = proof(&wide, &large.pass, Some(&asked));
        let form = [("grant_type", GRANT_TYPE), ("proof", code.as_str()), ("scope", "orders:write")];
        assert_eq!(gate.post("/token", &form).await.status, 200, "the twin");
        scene.world.stop().await;
    })
    .await;
}

/// Codes that come too late are counted for the device, an entry an hour, and the member is not in it. What was shown twice is the member's.
#[tokio::test(flavor = "multi_thread")]
async fn late_codes_are_counted_for_the_device() {
    on_every_engine("", |scene| async move {
        let world = &scene.world;
        let mut phone = phone(&scene);
        let kept = member(&mut phone, "orders:read").await;
        let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        let asked = nonce(&challenge(&mut gate).await);
        world.advance_s(61);
        for _ in 0..3 {
            assert_eq!(show(&mut gate, &proof(&phone, &kept.pass, Some(&asked))).await.error(), (400, "invalid_grant"));
        }
        let lines = world.entries("kiosk_code_late").await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!((line["reason"].as_str(), line["detail"]["before"].as_i64()), (Some("the challenge is old"), Some(0)));
        assert_eq!((line["instance"].as_str(), line["detail"]["place"].as_str()), (Some(scene.gates[0].kid()), Some("Main hall")));
        assert!(line["account"].is_null(), "never charged to the member: {line}");
        // The other kiosk has a line of its own: an old pass.
        world.advance_s(900);
        let asked = nonce(&challenge(&mut other).await);
        assert_eq!(show(&mut other, &proof(&phone, &kept.pass, Some(&asked))).await.error(), (400, "invalid_grant"));
        let lines = world.entries("kiosk_code_late").await;
        assert_eq!((lines.len(), lines[1]["reason"].as_str()), (2, Some("the pass is older than kiosk.offline")));
        // The twin, and the same code once more: the member's own history has that one.
        let renewed = phone.refresh(&kept.refresh).await.text("kiosk_pass");
        let asked = nonce(&challenge(&mut other).await);
        let code = proof(&phone, &renewed, Some(&asked));
        assert_eq!(show(&mut other, &code).await.status, 200);
        assert_eq!(show(&mut other, &code).await.error(), (400, "invalid_grant"));
        assert_eq!(world.audited("kiosk_code_late").await, 2);
        assert!(world.entries("kiosk_code_replayed").await.remove(0)["account"].is_string());
        scene.world.stop().await;
    })
    .await;
}

/// 303-H: a code that is shown twice by mistake does not silence the alarm about one that was carried here, nor the reverse. Each has its own
/// entry and letter, once an hour.
#[tokio::test(flavor = "multi_thread")]
async fn one_alarm_does_not_silence_another() {
    on_every_engine("", |scene| async move {
        let world = &scene.world;
        let mut phone = phone(&scene);
        let kept = member(&mut phone, "orders:read").await;
        let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
        let own = proof(&phone, &kept.pass, Some(&nonce(&challenge(&mut gate).await)));
        assert_eq!(show(&mut gate, &own).await.status, 200, "the twin");
        let carried = proof(&phone, &kept.pass, Some(&nonce(&challenge(&mut other).await)));
        for _ in 0..2 {
            for code in [&own, &carried] {
                assert_eq!(show(&mut gate, code).await.error(), (400, "invalid_grant"));
            }
        }
        assert_eq!((world.audited("kiosk_code_replayed").await, world.audited("kiosk_code_elsewhere").await), (1, 1));
        scene.world.stop().await;
    })
    .await;
}

/// A kiosk that asks too much waits. The one beside it does not, nor does the member.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_s_limit_is_its_own() {
    let scene = Scene::start(Engine::Sqlite, "").await;
    let mut phone = phone(&scene);
    let kept = member(&mut phone, "orders:read").await;
    let (mut gate, mut other) = (scene.gate(&scene.gates[0]), scene.gate(&scene.gates[1]));
    gate.post("/kiosk/challenge", &[]).await;
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let request = scene.world.http.post(scene.world.url("/kiosk/challenge")).form(&[("client_id", "gate")]);
            let headers = gate.headers("/kiosk/challenge");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
            tokio::spawn(async move { Answer::to(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await.unwrap());
    }
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 100, "120 a minute");
    let refused = answers.iter().find(|answer| answer.status != 200).expect("120 a minute");
    assert_eq!(refused.error(), (429, "temporarily_unavailable"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    visit(&mut other, &phone, &kept.pass).await;
    scene.world.stop().await;
}

/// `symbolon instance list` says which installations are kiosks, and where they stand.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_installations_names_the_kiosks() {
    let scene = Scene::start(Engine::Sqlite, "").await;
    challenge(&mut scene.gate(&scene.gates[0])).await;
    let unnamed = new_key();
    assert_eq!(scene.gate(&unnamed).post("/kiosk/challenge", &[]).await.error(), (400, "unauthorized_client"));
    let (status, said, _) = symbolon(&scene.world.file(), &["instance", "list"], "").await;
    assert_eq!(status, Some(0));
    let line = |jkt: &str| said.lines().find(|line| line.starts_with(jkt)).unwrap_or_else(|| panic!("{said}"));
    assert!(line(scene.gates[0].kid()).ends_with("Gate 3, Main hall"), "{said}");
    assert!(!line(unnamed.kid()).contains("Gate"), "{said}");
    let (_, said, _) = symbolon(&scene.world.file(), &["instance", "list", "--json"], "").await;
    let all: Json = serde_json::from_str(&said).unwrap();
    let named: Vec<&Json> = all["instances"].as_array().unwrap().iter().filter(|it| it["kiosk"].is_object()).collect();
    assert_eq!((named.len(), named[0]["kiosk"]["place"].as_str()), (1, Some("Main hall")), "{all}");
    scene.world.stop().await;
}
