//! `[plugin.NAME]`: a method in both faces, decisions, claims, reloads, and what a program that fails does to everybody else.

use crate::world::native::{ASKED, Screens};
use crate::world::*;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The bank's own service: it knows one number, and says what it was asked.
#[derive(Clone)]
pub struct Service {
    url: String,
    status: Arc<Mutex<u16>>,
    asked: Arc<Mutex<Vec<String>>>,
}

const NUMBER: &str = "12345678";

impl Service {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Self { url, status: Arc::new(Mutex::new(200)), asked: Arc::default() };
        let answering = service.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let service = answering.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !String::from_utf8_lossy(&request).contains(&"}".to_owned()) {
                        let mut bytes = [0; 2048];
                        match stream.read(&mut bytes).await.unwrap_or(0) {
                            0 => return,
                            count => request.extend_from_slice(&bytes[..count]),
                        }
                    }
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let status = match *service.status.lock().unwrap() {
                        200 if !text.contains(&format!("\"customer\":\"c-alice\",\"number\":\"{NUMBER}\"")) => 404,
                        status => status,
                    };
                    service.asked.lock().unwrap().push(text);
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        service
    }

    pub fn answers(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

pub fn digest_of(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&symbolon_oauth::digest::sha256(bytes))
}

/// A file for a plug-in, outside of any world's directory.
pub fn file_of(name: &str, bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("symbolon-plugin-{}-{name}.wasm", &digest_of(bytes)[..16]));
    // Tests beside this one may read the same file: it is there whole or not at all.
    let own = path.with_extension(symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap()));
    std::fs::write(&own, bytes).unwrap();
    std::fs::rename(&own, &path).unwrap();
    path.display().to_string()
}

pub fn table(name: &str, bytes: &[u8], more: &str) -> String {
    format!("[plugin.{name}]\nfile = '{}'\nsha256 = \"{}\"\n{more}\n", file_of(name, bytes), digest_of(bytes))
}

const BRANCH_VISIT: &[u8] = include_bytes!("../../../plugin/examples/branch-visit/branch-visit.wasm");

pub fn branch_visit(service: &Service) -> String {
    let url = &service.url;
    std::fs::write(std::env::temp_dir().join("symbolon-plugin.secret"), "the secret of the service").unwrap();
    let secret = std::env::temp_dir().join("symbolon-plugin.secret");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!(
        "world = \"method\"\nlabel = \"a number from the branch\"\nclaims = [\"customer_id\"]\neffects = [\"audit\", \"once\"]\n\
         factor = \"possession\"\namr = \"otp\"\nhosts = [\"{url}\"]\nconfig = {{ service = \"{url}\" }}\n\
         [plugin.branch-visit.headers.\"{url}\"]\nname = \"authorization\"\nprefix = \"Bearer \"\nsecret = {{ file = '{}' }}",
        secret.display()
    );
    table("branch-visit", BRANCH_VISIT, &more)
}

/// The types of the world `decision`. The tests of the sandbox read the same text.
const DECISIONS: &str = include_str!("../../../plugin/tests/decisions.wat");

/// Where every program made from text keeps what it is given. It is an instance of its own, so that calls of the host can be lowered.
const LIBC: &str = concat!(
    include_str!("../../../plugin/tests/libc.wat"),
    r#"  (core func $call-id (canon lower (func $host "call-id") (memory $memory) (realloc $realloc)))"#
);
/// The types of the world `claims`. The tests of the sandbox read the same text.
const CLAIMS: &str = include_str!("../../../plugin/tests/claims.wat");
const CALL_ID: &str = r#"(import "symbolon:plugin/host@0.2.0" (instance $host (export "call-id" (func (result string)))))"#;
const IMPORTS: &str = r#"(import "libc" "memory" (memory 1)) (import "host" "call-id" (func $call-id (param i32)))"#;
const INSTANCE: &str = r#"(core instance $guest (instantiate $guest (with "libc" (instance $libc))
    (with "host" (instance (export "call-id" (func $call-id))))))"#;

/// A decision that always says the same: the text of its core function.
/// It may use the locals `$at`, `$end` and `$sum`, and ask for the id of the call.
pub fn decision(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
{DECISIONS}  {CALL_ID}
  (alias export $d "facts" (type $facts))
  (alias export $d "verdict" (type $verdict))
  {LIBC}
  (core module $guest
    {IMPORTS}
    (data (i32.const 1024) "a reason")
    (func (export "decide") (param i32) (result i32) (local $at i32) (local $end i32) (local $sum i32) {body} (i32.const 512)))
  {INSTANCE}
  (type $decide (func (param "facts" $facts) (result (result $verdict (error string)))))
  (func $lifted (type $decide)
    (canon lift (core func $guest "decide") (memory $memory) (realloc $realloc)))
  (export "decide" (func $lifted)))"#
    );
    wat::parse_str(text).unwrap()
}

pub const DENY: &str =
    "(i32.store8 (i32.const 516) (i32.const 1)) (i32.store (i32.const 520) (i32.const 1024)) (i32.store (i32.const 524) (i32.const 8))";
pub const STEP_UP: &str =
    "(i32.store8 (i32.const 516) (i32.const 2)) (i32.store (i32.const 520) (i32.const 1024)) (i32.store (i32.const 524) (i32.const 8))";
pub const SHORTEN: &str = "(i32.store8 (i32.const 516) (i32.const 3)) (i32.store (i32.const 520) (i32.const 60))";
pub const TRAP: &str = "(unreachable)";
const ENDLESS: &str = "(loop $again (br $again))";
pub const ALLOW: &str = "";

pub fn deciding(body: &str, at: &str, more: &str) -> String {
    table("rule", &decision(body), &format!("world = \"decision\"\nat = [\"{at}\"]\ntime = \"1s\"\n{more}"))
}

/// A claims plug-in that always sets this claim to this JSON.
pub fn claiming(name: &str, value: &str) -> Vec<u8> {
    claims_guest(name, value, "")
}

/// A claims plug-in that sets this claim to the id of its call.
pub fn claiming_its_call(name: &str) -> Vec<u8> {
    // A call has 32 letters: they stand between the quotes.
    let value = format!("\"{}\"", "0".repeat(32));
    let copied = "(call $call-id (i32.const 700)) (memory.copy (i32.const 2049) (i32.load (i32.const 700)) (i32.const 32))";
    claims_guest(name, &value, copied)
}

fn claims_guest(name: &str, value: &str, body: &str) -> Vec<u8> {
    let (names, values) = (name.len(), value.len());
    let quoted = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let text = format!(
        r#"(component
{CLAIMS}
  {CALL_ID}
  {LIBC}
  (core module $guest
    {IMPORTS}
    (data (i32.const 1024) "{}")
    (data (i32.const 2048) "{}")
    (func (export "claims") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      {body}
      (i32.store (i32.const 516) (i32.const 600)) (i32.store (i32.const 520) (i32.const 1))
      (i32.store (i32.const 600) (i32.const 1024)) (i32.store (i32.const 604) (i32.const {names}))
      (i32.store (i32.const 608) (i32.const 2048)) (i32.store (i32.const 612) (i32.const {values}))
      (i32.const 512)))
  {INSTANCE}
  (type $claims (func (param "facts" $facts) (result (result (list $claim) (error string)))))
  (func $lifted (type $claims)
    (canon lift (core func $guest "claims") (memory $memory) (realloc $realloc)))
  (export "claims" (func $lifted)))"#,
        quoted(name),
        quoted(value)
    );
    wat::parse_str(text).unwrap()
}

const VISIT: &str = "[login.default]\nrequire = [\"password + plugin:branch-visit\", \"password + email\"]\n";

/// A person proves with a password and a number from the branch. The number works once, and both are two factors.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_number_from_the_branch() {
    for engine in engines() {
        let service = Service::start().await;
        let login = "[login.default]\nrequire = [\"password + plugin:branch-visit\"]\n";
        let world = Configuration::on(engine).await.with(&branch_visit(&service)).with(login).start().await;
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::native("openid orders:read")).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert_eq!(page.title(), "Number from the branch", "{}", page.html);
        assert!(page.html.contains("Type the eight digits"), "{}", page.html);
        let wrong = browser.submit(&world, &page, &[("plugin_visit_number", "87654321")], "continue").await;
        assert_eq!(wrong.problem(), "That number is wrong, or it was used already.");
        let done = browser.submit(&world, &wrong, &[("plugin_visit_number", "1234 5678")], "continue").await;
        assert!(done.has_code(), "{}", done.html);
        let asked = service.asked();
        assert_eq!(asked.len(), 2);
        // The secret of the configuration is in the request, and the plug-in never had it.
        assert!(asked.iter().all(|request| request.contains("authorization: Bearer the secret of the service")), "{asked:?}");
        let ids: Vec<&str> = asked.iter().filter_map(|request| request.split("idempotency-key: ").nth(1)?.split("\r\n").next()).collect();
        assert!(ids.len() == 2 && ids[0] != ids[1], "each answer is a call of its own: {ids:?}");
        let noted = world.entries("plugin_noted").await;
        assert_eq!(
            (noted[0]["detail"]["event"].as_str(), noted[0]["detail"]["plugin"].as_str()),
            (Some("visit_shown"), Some("branch-visit"))
        );
        assert_eq!((world.audited("plugin_proved").await, world.audited("plugin_refused").await), (1, 1));
        let issued = world.running.shared.now().store.all("SELECT request FROM app_grant", &[]).await.unwrap();
        let record: Json = serde_json::from_str(issued[0].text("request").unwrap()).unwrap();
        assert_eq!(record["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
        // Once: the bank would say yes again, and we do not, on this day and the next.
        for days in [0, 1] {
            world.advance_s(days * 86_400);
            let mut again = Browser::default();
            let page = again.open(&world, &Ask::native("openid")).await;
            let page = again.submit_password(&world, &page, "alice", PASSWORD).await;
            let used = again.submit(&world, &page, &[("plugin_visit_number", NUMBER)], "continue").await;
            assert_eq!(used.problem(), "That was used already. Get a new one, or use another way.", "{}", used.html);
        }
        world.stop().await;
    }
}

/// The same question on an app's own screens.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_asks_a_plug_in_s_question_on_its_own_screens() {
    for engine in engines() {
        let service = Service::start().await;
        let more = branch_visit(&service);
        let login = "[login.default]\nrequire = [\"password + plugin:branch-visit\"]\n";
        let scene = Screens::with(engine, |configuration| configuration.with(&more).with(login)).await;
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "plugin"), "{step:?}");
        let field = &step.step()["fields"][0];
        assert_eq!((field["name"].as_str(), field["label"].as_str()), (Some("plugin_visit_number"), Some("Number")), "{step:?}");
        let wrong = phone.answer(&step, "continue", &[("plugin_visit_number", "00000000")]).await;
        assert_eq!((wrong.error(), wrong.problem()), (ASKED, "plugin_words"), "{wrong:?}");
        assert_eq!(wrong.step()["problem"]["text"], "That number is wrong, or it was used already.");
        let done = phone.answer(&wrong, "continue", &[("plugin_visit_number", NUMBER)]).await;
        assert_eq!(done.status, 200, "{done:?}");
        scene.world.stop().await;
    }
}

/// A service that is away proves nobody, says so, and leaves the other ways open. A program that cannot be asked is a page, not an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_that_fails_leaves_the_other_ways_open() {
    for engine in engines() {
        let service = Service::start().await;
        let scene = Screens::with(engine, |configuration| configuration.with(&branch_visit(&service)).with(VISIT)).await;
        let world = &scene.world;
        service.answers(500);
        let mut browser = Browser::default();
        let page = browser.open(world, &Ask::native("openid")).await;
        let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
        let away = browser.submit(world, &page, &[("plugin_visit_number", NUMBER)], "continue").await;
        let words = "That could not be checked at the moment. Try again in a minute, or use another way.";
        assert!(away.problem().starts_with(words), "{}", away.html);
        let failed = world.entries("plugin_failed").await;
        assert!(failed[0]["reason"].as_str().unwrap().contains("the service answered 500"), "{failed:?}");
        assert!(away.actions().iter().any(|action| action == "use_email"), "{}", away.html);
        service.answers(200);
        let done = browser.submit(world, &away, &[("plugin_visit_number", NUMBER)], "continue").await;
        assert!(done.has_code(), "the twin: {}", done.html);
        scene.world.stop().await;
    }
}

/// However many guess at once, the program judges no more of them than a password would be compared with.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_a_plug_in_are_few() {
    for engine in engines() {
        let service = Service::start().await;
        let login = "[login.default]\nrequire = [\"plugin:branch-visit\"]\n";
        let world = Arc::new(Configuration::on(engine).await.with(&branch_visit(&service)).with(login).start().await);
        let guesses: Vec<_> = (0..40)
            .map(|at| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let mut browser = Browser::default();
                    let page = browser.open(&*world, &Ask::native("openid")).await;
                    let page = browser.submit(&*world, &page, &[("username", "alice")], "continue").await;
                    let number = format!("{:08}", 10_000_000 + at);
                    browser.submit(&*world, &page, &[("plugin_visit_number", &number)], "continue").await;
                })
            })
            .collect();
        for guess in guesses {
            guess.await.unwrap();
        }
        let judged = service.asked().len();
        assert!((1..=10).contains(&judged), "{judged} of 40 guesses were judged");
        // A name that nobody has is asked and charged alike.
        let mut browser = Browser::default();
        let page = browser.open(&*world, &Ask::native("openid")).await;
        let page = browser.submit(&*world, &page, &[("username", "nobody-at-all")], "continue").await;
        assert_eq!(page.title(), "Number from the branch");
        let wrong = browser.submit(&*world, &page, &[("plugin_visit_number", NUMBER)], "continue").await;
        assert_eq!(wrong.problem(), "That number is wrong, or it was used already.");
        Arc::try_unwrap(world).ok().unwrap().stop().await;
    }
}

async fn world_with(engine: Engine, more: &str) -> World {
    Configuration::on(engine).await.with(more).start().await
}

/// A decision at the refresh: what it denies is refused, what it shortens is short, and one that fails moves nothing and ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_narrows_a_refresh_and_ends_nothing() {
    for engine in engines() {
        let world = world_with(engine, &deciding(ALLOW, "refresh", "")).await;
        let first = world.tokens("orders:read").await;
        let token = refresh_token(&first).to_owned();
        let become_rule = async |body: &str, more: &str| {
            let text = deciding(body, "refresh", more);
            world.reload(|configuration| configuration.without("plugin").with(&text)).await;
        };
        for failing in [TRAP, ENDLESS] {
            become_rule(failing, "").await;
            for _ in 0..3 {
                let (status, body) = world.refresh(&token).await;
                assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{failing}: {body}");
            }
        }
        assert_eq!(world.audited("plugin_failed").await, 1, "once a minute for each grant");
        become_rule(DENY, "").await;
        let (status, body) = world.refresh(&token).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        let denied = world.entries("plugin_denied").await;
        assert_eq!((denied[0]["reason"].as_str(), denied[0]["detail"]["moment"].as_str()), (Some("a reason"), Some("refresh")));
        become_rule(STEP_UP, "").await;
        let (status, body) = world.refresh(&token).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "no second sign-in can be asked for: {body}");
        // Observed only: it is written down, and the refresh goes on.
        become_rule(DENY, "observe = true").await;
        let second = world.tokens("orders:read").await;
        let (status, next) = world.refresh(refresh_token(&second)).await;
        assert_eq!((status, next["expires_in"].as_i64()), (200, Some(900)), "{next}");
        assert_eq!(world.entries("plugin_denied").await.last().unwrap()["detail"]["observed"], true);
        become_rule(SHORTEN, "").await;
        let (status, next) = world.refresh(&token).await;
        assert_eq!((status, next["expires_in"].as_i64()), (200, Some(60)), "{next}");
        become_rule(DENY, "clients = [\"other-ios\"]").await;
        let (status, next) = world.refresh(refresh_token(&next)).await;
        assert_eq!((status, next["expires_in"].as_i64()), (200, Some(900)), "another client's rule: {next}");
        world.stop().await;
    }
}

/// Where the app can ask the person once more, it is told to.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_is_a_second_sign_in_where_there_can_be_one() {
    for engine in engines() {
        let more = deciding(STEP_UP, "refresh", "");
        let scene = Screens::with(engine, |configuration| configuration.with(&more)).await;
        let mut phone = scene.genuine();
        let code = phone.native_code().await;
        let tokens = phone.redeem(&code).await;
        let answer = phone.refresh(&tokens.text("refresh_token")).await;
        assert_eq!((answer.status, answer.text("error").as_str()), (403, "insufficient_authorization"), "{answer:?}");
        assert_eq!(scene.world.audited("plugin_step_up").await, 1);
        // The sign-in that it asks for wants a proof of its own: what was proved before does not count.
        let held = answer.text("auth_session");
        let more = [("auth_session", held.as_str()), ("response_type", "code")];
        let step = phone.post("/authorize-challenge", &more).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "password"), "{step:?}");
        let done = phone.answer_password(&step, "alice", PASSWORD).await;
        assert_eq!(done.status, 200, "{done:?}");
        // The twin: without the rule nothing is asked but whether to go on.
        scene.world.reload(|configuration| configuration.without("plugin")).await;
        let renewed = phone.redeem(&done.text("authorization_code")).await;
        let held = renewed.text("auth_session");
        let step = phone.post("/authorize-challenge", &[("auth_session", held.as_str()), ("response_type", "code")]).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "consent"), "{step:?}");
        scene.world.stop().await;
    }
}

/// What the installation proved is known at the sign-in too: on the app's own screens, and where the app pushed the request. A rule that
/// denies `software` denies it in both faces.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_at_the_sign_in_sees_the_tier() {
    let is_software = "(i32.eq (i32.load8_u (i32.load offset=32 (local.get 0))) (i32.const 115))";
    let deny_software = format!("(if (i32.load8_u offset=28 (local.get 0)) (then (if {is_software} (then {DENY}))))");
    for engine in engines() {
        let change = |it: Configuration| it.set("client.screens.native_tiers", vec!["software", "hardware"]);
        let scene = Screens::with(engine, |it| change(it).with(&deciding(&deny_software, "sign-in", ""))).await;
        for (tier, native, pushed_error) in [("software", (400, "access_denied"), Some("access_denied")), ("hardware", (200, ""), None)] {
            let mut phone = scene.phone(tier);
            let step = phone.begin().await;
            let answered = phone.answer_password(&step, "alice", PASSWORD).await;
            assert_eq!(answered.error(), native, "{tier}: {answered:?}");
            let ask = Ask::new("screens", crate::world::native::BACK, "openid");
            let (status, pushed) = phone.post("/par", &ask.form()).await.parts();
            assert_eq!(status, 201, "{pushed}");
            let query = format!("/authorize?client_id=screens&request_uri={}", pushed["request_uri"].as_str().unwrap());
            let mut browser = Browser::default();
            let page = browser.visit(&scene.world, &query).await;
            let back = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
            assert_eq!((back.error().as_deref(), back.has_code()), (pushed_error, pushed_error.is_none()), "{tier}: {}", back.html);
        }
        scene.world.stop().await;
    }
}

/// A decision at the sign-in and at the code. Each denies what the other does not see.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_narrows_a_sign_in_and_a_code() {
    for engine in engines() {
        for (body, error) in [
            (DENY, "access_denied"),
            (STEP_UP, "unmet_authentication_requirements"),
            (TRAP, "temporarily_unavailable"),
            (SHORTEN, "temporarily_unavailable"),
        ] {
            let world = world_with(engine, &deciding(body, "sign-in", "")).await;
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let back = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            assert_eq!(back.error().as_deref(), Some(error), "{body}: {}", back.html);
            world.reload(|configuration| configuration.without("plugin")).await;
            let mut browser = Browser::default();
            assert!(browser.sign_in(&world, &Ask::native("openid"), "alice").await.contains_key("code"), "the twin");
            world.stop().await;
        }
        let world = world_with(engine, &deciding(DENY, "token", "")).await;
        let (code, verifier) = world.code("orders:read").await;
        let (status, body) = world.exchange(&code, &verifier).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{body}");
        world.reload(|configuration| configuration.without("plugin").with(&deciding(TRAP, "token", ""))).await;
        let (status, body) = world.exchange(&code, &verifier).await;
        assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{body}");
        // Nothing moved: the same code is good as soon as the rule lets it.
        world.reload(|configuration| configuration.without("plugin").with(&deciding(SHORTEN, "token", ""))).await;
        let (status, body) = world.exchange(&code, &verifier).await;
        assert_eq!((status, body["expires_in"].as_i64()), (200, Some(60)), "{body}");
        world.stop().await;
    }
}

/// P-14: a claims plug-in sets what the API lists. Anything else ends the request, and a claim that it takes away is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_claims_plug_in_writes_the_api_s_own_list_alone() {
    for engine in engines() {
        let with = |claim: &str, value: &str| {
            let plugin = table("entitlements", &claiming(claim, value), "world = \"claims\"");
            format!("{plugin}[api.orders]\nclaims_plugin = \"entitlements\"\nplugin_claims = [\"plan\", \"customer_id\"]\n")
        };
        let world = world_with(engine, &with("plan", "{\"name\":\"gold\"}")).await;
        let tokens = world.tokens("orders:read").await;
        let said = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!((&said["plan"]["name"], &said["customer_id"]), (&Json::from("gold"), &Json::from("c-alice")));
        world.reload(|configuration| configuration.with(&with("customer_id", "null"))).await;
        let (_, tokens) = world.refresh(refresh_token(&tokens)).await;
        let said = claims(tokens["access_token"].as_str().unwrap());
        assert_eq!(said.get("customer_id"), None, "{said}");
        for (claim, value) in [("roles", "[\"admin\"]"), ("sub", "\"bob\""), ("cnf", "{}"), ("plan", "gold"), ("plan", "1 2")] {
            world.reload(|configuration| configuration.with(&with(claim, value))).await;
            let (status, body) = world.refresh(refresh_token(&tokens)).await;
            assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{claim} = {value}: {body}");
        }
        assert_eq!(world.audited("plugin_failed").await, 1, "once a minute for each grant");
        world.reload(|configuration| configuration.with(&with("plan", "7"))).await;
        let (status, tokens) = world.refresh(refresh_token(&tokens)).await;
        assert_eq!((status, &claims(tokens["access_token"].as_str().unwrap())["plan"]), (200, &Json::from(7)), "the twin; nothing ended");
        world.stop().await;
    }
}

/// P-14: whoever looks for a token that does not come finds plug-in, API and reason in the audit.
#[tokio::test(flavor = "multi_thread")]
async fn a_claims_plug_in_that_fails_is_in_the_audit() {
    for engine in engines() {
        let with = |bytes: &[u8]| {
            let plugin = table("entitlements", bytes, "world = \"claims\"");
            format!("{plugin}[api.orders]\nclaims_plugin = \"entitlements\"\nplugin_claims = [\"plan\"]\n")
        };
        let good = with(&claiming("plan", "1"));
        let world = world_with(engine, &good).await;
        let failing = [
            (claims_guest("plan", "1", TRAP), "trap"),
            (claiming("roles", "1"), "it set roles, which plugin_claims does not list"),
            (claiming("plan", "gold"), "the claim plan is no JSON"),
        ];
        for (at, (bytes, why)) in failing.iter().enumerate() {
            let tokens = world.tokens("orders:read").await;
            world.reload(|it| it.with(&with(bytes))).await;
            let (status, body) = world.refresh(refresh_token(&tokens)).await;
            assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")), "{why}: {body}");
            let entries = world.entries("plugin_failed").await;
            assert_eq!(entries.len(), at + 1, "{entries:?}");
            let (last, detail) = (&entries[at], &entries[at]["detail"]);
            assert!(last["reason"].as_str().unwrap().contains(why), "{last}");
            assert_eq!((&detail["plugin"], &detail["api"]), (&Json::from("entitlements"), &Json::from("orders")), "{last}");
            assert!(last["account"].is_string() && last["client"] == "shop-ios" && crate::plugin_calls::names_its_call(last), "{last}");
            world.reload(|it| it.with(&good)).await;
            assert_eq!(world.refresh(refresh_token(&tokens)).await.0, 200, "the twin: nothing ended");
        }
        assert_eq!(world.audited("plugin_failed").await, failing.len(), "what succeeds is no failure");
        world.stop().await;
    }
}

/// P-10: a reload with a file that is not good keeps what is in force, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_whole_or_not_at_all() {
    let world = world_with(Engine::Sqlite, &deciding(SHORTEN, "refresh", "")).await;
    let tokens = world.tokens("orders:read").await;
    let good = std::fs::read_to_string(world.file()).unwrap();
    let bad = decision(DENY);
    for (text, why) in [
        (table("rule", b"no component", "world = \"decision\"\nat = [\"refresh\"]"), "no WebAssembly component"),
        (table("rule", &bad, "world = \"claims\""), "no plug-in of the world claims"),
        (deciding(DENY, "refresh", "").replace("sha256 = \"", "sha256 = \"00").replace("00", "0"), "sha256"),
        (
            format!("[plugin.rule]\nfile = '/nowhere.wasm'\nsha256 = \"{}\"\nworld = \"decision\"\nat = [\"refresh\"]\n", digest_of(&bad)),
            "cannot read",
        ),
        (deciding(DENY, "refresh", "").replacen(&digest_of(&bad), &digest_of(b""), 1), "another digest"),
    ] {
        let changed = Configuration::from_text(0, &good).without("plugin").with(&text).text();
        std::fs::write(world.file(), changed).unwrap();
        let error = symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
        let (status, next) = world.refresh(refresh_token(&tokens)).await;
        assert_eq!((status, next["expires_in"].as_i64()), (200, Some(60)), "the old one serves on");
    }
    // Optional: the server goes on without it. What needs it is refused, and operators can see it.
    let optional = format!(
        "[plugin.rule]\nfile = '/nowhere.wasm'\nsha256 = \"{}\"\nworld = \"decision\"\nat = [\"refresh\"]\noptional = true\n",
        digest_of(&bad)
    );
    std::fs::write(world.file(), Configuration::from_text(0, &good).without("plugin").with(&optional).text()).unwrap();
    symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap();
    assert_eq!(world.refresh(refresh_token(&tokens)).await.0, 503);
    let line = &world.running.shared.now().plugins.list()[0];
    assert!(line.problem.as_ref().unwrap().contains("cannot read"), "{line:?}");
    world.stop().await;
}
