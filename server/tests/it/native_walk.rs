//! A walk through every step that a sign-in can reach, in both faces at once: the same policy asks the same questions in the same words.
//! Every document fits docs/steps.schema.json, and docs/steps.md has an example of each.

use crate::world::app_passkeys::{BUILDS, android, options, with_app};
use crate::world::faces::Shown;
use crate::world::native::*;
use crate::world::passkeys::operation as operation_of_page;
use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use symbolon_phone::authenticator::Authenticator;

/// One person signs in natively, the other in a browser.
pub const NATIVE: &str = "nina";
pub const BROWSER: &str = "bert";
/// They, and the two whose account is walked through.
const PEOPLE: [&str; 4] = [NATIVE, BROWSER, "nora", "bill"];
const CALL: &str = "Number of the call: ";

pub fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Both people are one, and it is always the same time.
fn same(text: &str) -> String {
    of_one_time(&PEOPLE.iter().fold(text.to_owned(), |text, name| text.replace(name, "NAME")))
}

const FILES: &str = "[api.files]\naudience = \"https://api.example.com/files\"\n[api.files.authorization_details.files]\n\
        text = \"Read these files\"\nschema = { properties = { paths = { } } }\n[login.mail]\nrequire = [\"password + email\"]\nacr = \"urn:mail\"\n";

pub fn schema() -> jsonschema::Validator {
    let schema: Json = serde_json::from_str(&std::fs::read_to_string(docs("steps.schema.json")).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

pub struct Walk<'a> {
    pub scene: &'a Screens,
    pub phone: Phone<'a>,
    pub answer: Answer,
    pub browser: Browser,
    pub page: Page,
    /// Of the browser's request.
    verifier: String,
    schema: &'a jsonschema::Validator,
    seen: &'a mut BTreeMap<String, Json>,
}

/// The schema of steps, and the steps that were seen.
pub type Known<'a> = (&'a jsonschema::Validator, &'a mut BTreeMap<String, Json>);

impl<'a> Walk<'a> {
    pub async fn begin(scene: &'a Screens, known: Known<'a>, more: &[(&str, &str)]) -> Self {
        let mut phone = scene.genuine();
        let answer = phone.begin_with(more).await;
        let ask = Ask::new("screens", BACK, "openid orders:read");
        let ask = more.iter().fold(ask, |ask, (name, value)| ask.with(name, value));
        let pushed = phone.push(&ask).await.unwrap();
        let mut browser = Browser::default();
        let page = browser.open(&scene.world, &pushed).await;
        let mut walk = Self { scene, phone, answer, browser, page, verifier: ask.verifier, schema: known.0, seen: known.1 };
        walk.compare();
        walk
    }

    /// Where both of them are already.
    pub fn at(scene: &'a Screens, known: Known<'a>, (phone, answer): (Phone<'a>, Answer), (browser, page): (Browser, Page)) -> Self {
        let mut walk = Self { scene, phone, answer, browser, page, verifier: String::new(), schema: known.0, seen: known.1 };
        walk.compare();
        walk
    }

    pub fn see(&mut self, answer: Answer) -> Answer {
        see(self.schema, self.seen, answer)
    }

    /// More is wanted of both than they have proved. Beside a grant the request is about its person, so the browser's says its person too.
    pub async fn want(&mut self, tokens: &Answer, acr: &str) {
        let held = tokens.text("auth_session");
        let more = [("auth_session", held.as_str()), ("response_type", "code"), ("acr_values", acr)];
        self.answer = self.phone.post("/authorize-challenge", &more).await;
        let claims = json!({ "id_token": { "sub": { "value": self.scene.world.sub_of(BROWSER).await } } }).to_string();
        let ask = Ask::new("screens", BACK, "openid orders:read").with("acr_values", acr).with("claims", &claims);
        self.page = self.browser.open(&self.scene.world, &self.phone.push(&ask).await.unwrap()).await;
        self.compare();
    }

    pub fn compare(&mut self) {
        let problems: Vec<String> = self.schema.iter_errors(&self.answer.body).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{problems:?}: {:#}", self.answer.body);
        let (mut shown, mut step) = (Shown::page(&self.page, &same), Shown::step(&self.answer, &same));
        // The SDK of a provider is in an app alone. Only a page keeps an invitation on the way to one, and lets somebody else agree.
        let has_sdk = self.answer.step()["operation"]["name"] == "id_token_get";
        for action in step.actions.iter_mut().filter(|action| has_sdk && action[1] == "id_token") {
            action[1] = "go".to_owned();
        }
        shown.actions.retain(|action| action[1] != "use_invitation" && (action[1] != "not_you" || self.answer.kind() != "consent"));
        assert_eq!(shown, step, "{}", self.page.html);
        let texts = self.answer.step()["text"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        for text in texts.filter(|text| !(text.starts_with(CALL) || has_sdk && text.starts_with("Choose your "))) {
            let text = text.replace(NATIVE, BROWSER).replace("n…@", "b…@").replace("nora", "bill");
            assert!(self.page.says(&text), "{text:?} is not on the page: {}", self.page.text());
        }
        let asked = &self.answer.step()["operation"];
        if !asked.is_null() && !has_sdk {
            // The page's script knows where the answer goes.
            let mut of_app = without_secrets(&self.answer.body)["step"]["operation"].take();
            of_app.as_object_mut().unwrap().remove("answer");
            let mut body = self.answer.body.clone();
            body["step"]["operation"] = operation_of_page(&self.page);
            let of_page = without_secrets(&body)["step"]["operation"].take();
            assert_eq!(of_app, of_page, "{}", self.page.html);
        }
        if step.problem.is_empty() {
            self.seen.entry(self.answer.kind().to_owned()).or_insert_with(|| without_secrets(&self.answer.body));
        }
    }

    /// The same answer in both faces; where they must differ, the first value is the app's and the second the browser's.
    pub async fn go(&mut self, action: &str, fields: &[(&str, &str, &str)]) -> &mut Self {
        let native: Vec<(&str, &str)> = fields.iter().map(|(name, native, _)| (*name, *native)).collect();
        let browser: Vec<(&str, &str)> = fields.iter().map(|(name, _, browser)| (*name, *browser)).collect();
        self.answer = self.phone.answer(&self.answer, action, &native).await;
        self.page = self.browser.submit(&self.scene.world, &self.page, &browser, action).await;
        if self.answer.error() == ASKED {
            self.compare();
        } else {
            assert_eq!(self.answer.status == 200, self.page.has_code(), "{:?} {}", self.answer, self.page.html);
            assert_eq!(self.answer.text("error"), self.page.error().unwrap_or_default());
        }
        self
    }

    pub async fn password(&mut self) -> &mut Self {
        self.go("continue", &[("username", NATIVE, BROWSER), ("password", PASSWORD, PASSWORD)]).await
    }

    /// The codes of the letters that each of the two got, after so many.
    pub async fn mailed(&self, native: &str, browser: &str, seen: usize) -> (String, String) {
        (self.scene.code_of_letter(native, seen).await, self.scene.code_of_letter(browser, seen).await)
    }

    pub fn is_at(&self, kind: &str) {
        assert_eq!(self.answer.kind(), kind, "{:#}", self.answer.body);
    }

    /// Both have a code, and the tokens for both say the same about the sign-in. Answers the app's.
    pub async fn is_done(&mut self) -> Answer {
        assert_eq!(self.answer.status, 200, "{:?}", self.answer);
        let native = self.phone.redeem(&self.answer.text("authorization_code")).await;
        let browser = self.phone.exchange(&self.page.code(), &self.verifier).await;
        let said = |tokens: &Answer| {
            assert_eq!(tokens.status, 200, "{tokens:?}");
            let of = |name: &str| {
                let claims = claims(&tokens.text(name));
                // Only the browser's request has a nonce.
                let names: Vec<&String> = claims.as_object().unwrap().keys().filter(|name| *name != "nonce").collect();
                json!([claims["acr"], claims["amr"], claims["scope"], names])
            };
            json!([tokens.body["scope"], of("access_token"), of("id_token")])
        };
        assert_eq!(said(&native), said(&browser), "the same policy has the same outcome in both faces");
        native
    }
}

/// The document with fixed texts in the places of secrets and of what passes.
fn without_secrets(body: &Json) -> Json {
    let mut body = body.clone();
    (body["auth_session"], body["expires_in"]) = (json!("sl_AAAA"), json!(1800));
    for text in body["step"]["text"].as_array_mut().unwrap() {
        *text = json!(of_one_time(text.as_str().unwrap()));
    }
    for action in body["step"]["actions"].as_array_mut().unwrap() {
        action["label"] = json!(of_one_time(action["label"].as_str().unwrap()));
    }
    for content in body["step"]["content"].as_array_mut().unwrap() {
        match content["type"].as_str().unwrap() {
            "authenticator" => {
                content["uri"] = json!("otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXP&issuer=Example");
                content["secret"] = json!("JBSWY3DPEHPK3PXP");
            }
            "list" => {
                for item in content["items"].as_array_mut().unwrap() {
                    *item = json!(of_one_time(item.as_str().unwrap()));
                }
            }
            "file" => content["text"] = json!("{}"),
            "qr" => content["text"] = json!("openid4vp://?client_id=..."),
            "codes" => content["codes"] = json!(["AAAAA-AAAAA", "BBBBB-BBBBB"]),
            _ => {}
        }
    }
    if let Some(operation) = body["step"].get_mut("operation").filter(|it| !it.is_null()) {
        let options = &mut operation["options"];
        if let Some(user) = options.get_mut("user") {
            user["id"] = json!("BBBBBBBBBBBBBBBBBBBBBB");
            for name in ["name", "displayName"] {
                let shown = user[name].as_str().unwrap();
                user[name] = json!(PEOPLE.iter().fold(shown.to_owned(), |text, person| text.replace(person, "alice")));
            }
        }
        if options.get("requests").is_some() {
            options["requests"] = json!([{ "protocol": "openid4vp-v1-signed", "data": { "request": "eyJ..." } }]);
        }
        for (name, text) in [
            ("challenge", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("issuer", "https://accounts.example.org"),
            ("nonce", "AAAAAAAAAAAAAAAAAAAAAA"),
            ("url", "openid4vp://?client_id=..."),
        ] {
            options.as_object_mut().unwrap().entry(name).and_modify(|value| *value = json!(text));
        }
        for list in ["allowCredentials", "excludeCredentials"] {
            for one in options.get_mut(list).and_then(Json::as_array_mut).into_iter().flatten() {
                one["id"] = json!("CCCCCCCCCCCCCCCCCCCCCC");
            }
        }
    }
    body
}

/// Times, and numbers of calls, that are always the same.
fn of_one_time(words: &str) -> String {
    let words = if words.starts_with(CALL) { "Number of the call: 0123456789abcdef0123456789abcdef." } else { words };
    let mut words = words.replace("nora", "alice");
    let ends: Vec<usize> = words.match_indices(" UTC").map(|(at, _)| at).collect();
    for at in ends {
        words.replace_range(at - 16..at, "2026-02-03 12:00");
    }
    words
}

/// docs/steps.md ends with the examples. `STEPS=write` writes them anew.
fn examples_are(seen: &BTreeMap<String, Json>) {
    const MARK: &str = "<!-- the test native_walk writes what follows -->\n";
    let mut examples = String::new();
    for (kind, body) in seen {
        let body = serde_json::to_string_pretty(&body["step"]).unwrap().replace(NATIVE, "alice");
        examples.push_str(&format!("\n### `{kind}`\n\n```json\n{body}\n```\n"));
    }
    // Plug-ins are a feature of the build.
    if cfg!(not(feature = "plugins")) {
        return;
    }
    let text = std::fs::read_to_string(docs("steps.md")).unwrap();
    let (head, tail) = text.split_once(MARK).expect("the mark");
    if std::env::var("STEPS").is_ok_and(|wish| wish == "write") {
        std::fs::write(docs("steps.md"), format!("{head}{MARK}{examples}")).unwrap();
        return;
    }
    assert_eq!(tail, examples, "docs/steps.md is not what the walk found: run this test with STEPS=write");
}

/// The authenticator and the codes are lost: what the way back says.
async fn lose_everything(walk: &mut Walk<'_>) {
    walk.password().await.is_at("totp");
    let letters = walk.scene.mailbox.letters().len();
    walk.go("regain", &[]).await.is_at("email_code");
    let (native, browser) = walk.mailed("nina@example.com", "bert@example.com", letters).await;
    walk.go("continue", &[("email_code", &native, &browser)]).await.is_at("regain");
    walk.go("give_up", &[]).await;
}

/// A new account, and the way back.
async fn make_an_account(scene: &Screens, (schema, seen): Known<'_>) {
    let mut walk = Walk::begin(scene, (schema, seen), &[]).await;
    walk.go("reset", &[]).await.is_at("reset");
    walk.go("sign_in", &[]).await.is_at("password");
    walk.go("register", &[]).await.is_at("register");
    walk.go("continue", &[("email", "no address", "no address"), ("name", "N", "N")]).await;
    walk.go("cancel", &[]).await;
    let create = [("prompt", "create")];
    let mut walk = Walk::begin(scene, (schema, seen), &create).await;
    let fields = walk.answer.step()["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
    let fields: Vec<String> = fields.collect();
    let value = |name: &str, own: &str| match name {
        "email" => format!("{own}@example.com"),
        "name" => "New".to_owned(),
        _ => PASSWORD.to_owned(),
    };
    let values: Vec<(String, String, String)> =
        fields.iter().map(|name| (name.clone(), value(name, "new-n"), value(name, "new-b"))).collect();
    let given: Vec<(&str, &str, &str)> =
        values.iter().map(|(name, native, browser)| (name.as_str(), native.as_str(), browser.as_str())).collect();
    walk.answer = walk.phone.answer(&walk.answer, "continue", &given.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>()).await;
    walk.page = walk.browser.submit(&scene.world, &walk.page, &given.iter().map(|it| (it.0, it.2)).collect::<Vec<_>>(), "continue").await;
    let (native, browser) = walk.mailed("new-n@example.com", "new-b@example.com", 0).await;
    walk.go("continue", &[("email_code", &native, &browser)]).await.is_done().await;
}

/// Every question of a sign-in, a registration and a reset, with its problems.
#[tokio::test(flavor = "multi_thread")]
async fn both_faces_ask_the_same() {
    let scene = Screens::with(Engine::Sqlite, |it| it.with(FILES).set("client.screens.authorization_details_types", vec!["files"])).await;
    for name in [NATIVE, BROWSER] {
        scene.world.person(name).await;
    }
    let schema = schema();
    let mut seen = BTreeMap::new();
    let nobody = [("username", "", "")];

    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &[]).await;
    walk.go("continue", &[nobody[0], ("password", "x", "x")]).await;
    walk.go("continue", &[("username", NATIVE, BROWSER), ("password", "", "")]).await;
    walk.go("continue", &[("username", NATIVE, BROWSER), ("password", "wrong", "wrong")]).await;
    walk.go("use_email", &[("username", NATIVE, BROWSER)]).await.is_at("identify");
    walk.go("continue", &nobody).await;
    walk.go("continue", &[("username", NATIVE, BROWSER)]).await.is_at("email_code");
    walk.go("continue", &[("email_code", "00000000", "00000000")]).await;
    walk.go("use_password", &[]).await.is_at("password");
    // Beside what was proved, a method that costs a letter begins when the person says so.
    let tokens = walk.password().await.is_done().await;
    walk.want(&tokens, "urn:mail").await;
    walk.is_at("email_send");
    walk.go("cancel", &[]).await;

    // What is granted in detail is shown whole.
    let details = json!([{ "type": "files", "paths": ["a.txt"] }]).to_string();
    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &[("authorization_details", &details)]).await;
    walk.password().await.is_at("consent");
    walk.go("deny", &[]).await;

    // A forgotten password.
    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &[]).await;
    walk.go("reset", &[]).await.is_at("reset");
    let letters = scene.mailbox.letters().len();
    walk.go("continue", &[("username", NATIVE, BROWSER)]).await.is_at("email_code");
    let (native, browser) = walk.mailed("nina@example.com", "bert@example.com", letters).await;
    walk.go("continue", &[("email_code", &native, &browser)]).await.is_at("new_password");
    walk.go("continue", &[("new_password", PASSWORD, PASSWORD), ("new_password_again", "other", "other")]).await;
    walk.go("continue", &[("new_password", PASSWORD, PASSWORD), ("new_password_again", PASSWORD, PASSWORD)]).await.is_done().await;

    // Two factors: the second is added, its codes are shown once, then it is asked for; and a way round by a recovery code.
    let two = [("acr_values", "urn:two")];
    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &two).await;
    walk.password().await.is_at("enrol_totp");
    walk.go("continue", &[("code", "000000", "000000")]).await;
    let secret = |content: &Json| content["secret"].as_str().unwrap().to_owned();
    let now_ms = scene.world.running.shared.now().now_ms();
    let native = totp(&secret(&walk.answer.step()["content"][0]).replace(' ', ""), now_ms);
    let browser = totp(&walk.page.codes().remove(0).replace(' ', ""), now_ms);
    walk.go("continue", &[("code", &native, &browser)]).await.is_at("recovery_codes");
    // What they added with a password alone waits; a ticket confirms it.
    let (kept, kept_by_page) = (walk.answer.step()["content"][0]["codes"][0].as_str().unwrap().to_owned(), walk.page.codes().remove(0));
    walk.go("continue", &[]).await.is_at("waits");
    let tickets = (scene.world.ticket("nina").await, scene.world.ticket("bert").await);
    walk.go("use_ticket", &[]).await.is_at("ticket");
    walk.go("continue", &[("ticket", "aaaaa-aaaaa", "aaaaa-aaaaa")]).await;
    walk.go("continue", &[("ticket", &tickets.0, &tickets.1)]).await.is_done().await;
    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &two).await;
    lose_everything(&mut walk).await;
    let mut walk = Walk::begin(&scene, (&schema, &mut seen), &two).await;
    walk.password().await.is_at("totp");
    walk.go("continue", &[("code", "000000", "000000")]).await;
    walk.go("use_recovery", &[]).await.is_at("recovery_code");
    walk.go("continue", &[("recovery_code", "AAAAA-AAAAA", "AAAAA-AAAAA")]).await;
    walk.go("continue", &[("recovery_code", &kept, &kept_by_page)]).await.is_done().await;

    make_an_account(&scene, (&schema, &mut seen)).await;
    walk_through_the_account(&scene, (&schema, &mut seen)).await;
    scene.world.stop().await;
    walk_with_passkeys((&schema, &mut seen)).await;
    crate::native_walk_account::walk((&schema, &mut seen)).await;
    crate::native_walk_outside::walk((&schema, &mut seen)).await;
    examples_are(&seen);
}

/// The account: the overview is an app's own; the pages behind it are those that the account page of the browser leads to.
async fn walk_through_the_account(scene: &Screens, (schema, seen): Known<'_>) {
    let rights = ["name", "language", "sessions", "apps", "history", "export", "delete"];
    scene.world.reload(|it| it.set("client.screens.manage", rights.to_vec())).await;
    for name in ["nora", "bill"] {
        scene.world.person(name).await;
    }
    for (lists, action) in [
        (&["sessions"][..], "sign_out_others"),
        (&[], "change_name"),
        (&[], "change_language"),
        (&[], "export"),
        (&[], "delete"),
        (&["apps", "history"], "change_name"),
    ] {
        let mut phone = scene.genuine();
        let mut other = scene.genuine();
        let code = other.native_code_of("nora").await;
        other.redeem(&code).await;
        let code = phone.native_code_of("nora").await;
        let tokens = phone.redeem(&code).await;
        let mut browser = Browser::default();
        let page = browser.visit(&scene.world, "/account").await;
        browser.submit_password(&scene.world, &page, "bill", PASSWORD).await;
        let account = browser.visit(&scene.world, "/account").await;
        let held = tokens.text("auth_session");
        let more = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
        let answer = phone.post("/authorize-challenge", &more).await;
        let mut answer = phone.answer(&answer, "continue", &[("password", PASSWORD)]).await;
        for list in lists {
            answer = see(schema, seen, answer);
            answer = phone.answer(&answer, list, &[]).await;
            answer = see(schema, seen, answer);
            if *list != "sessions" {
                answer = phone.answer(&answer, "overview", &[]).await;
            }
        }
        assert!(answer.actions().contains(&action.to_owned()), "{action}: {answer:?}");
        answer = phone.answer(&answer, action, &[]).await;
        let page = browser.submit(&scene.world, &account, &[], action).await;
        let mut walk = Walk::at(scene, (schema, &mut *seen), (phone, answer), (browser, page));
        if action == "export" {
            walk.answer = walk.phone.answer(&walk.answer, "continue", &[]).await;
            walk.page = walk.browser.submit(&scene.world, &walk.page, &[], "continue").await;
            walk.compare();
        }
    }
}

/// An answer that the browser has no page for.
pub fn see(schema: &jsonschema::Validator, seen: &mut BTreeMap<String, Json>, answer: Answer) -> Answer {
    let problems: Vec<String> = schema.iter_errors(&answer.body).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}: {:#}", answer.body);
    seen.entry(answer.kind().to_owned()).or_insert_with(|| without_secrets(&answer.body));
    answer
}

/// The platforms of the two people.
struct Platforms {
    native: Authenticator,
    browser: Authenticator,
}

impl Platforms {
    /// What both platforms answer to the step.
    fn answer(&mut self, walk: &Walk<'_>) -> (String, String) {
        let asked = operation_of_page(&walk.page);
        let (of_app, of_page) = (options(&walk.answer).clone(), asked["options"].clone());
        let (app, page) = (android(BUILDS[0].1), walk.scene.world.issuer.clone());
        let made = match asked["name"].as_str().unwrap() {
            "passkey_create" => (self.native.create(&of_app, &app), self.browser.create(&of_page, &page)),
            _ => (self.native.get(&of_app, &app), self.browser.get(&of_page, &page)),
        };
        (made.0.unwrap().to_string(), made.1.unwrap().to_string())
    }

    async fn go(&mut self, walk: &mut Walk<'_>) {
        let (native, browser) = self.answer(walk);
        walk.go("passkey", &[("passkey", &native, &browser)]).await;
    }
}

/// A passkey of this person's, made on the account page.
pub async fn add_passkey(scene: &Screens, keys: &mut Authenticator, person: &str) {
    let world = &scene.world;
    let mut browser = Browser::default();
    let page = browser.visit(world, "/account").await;
    browser.submit_password(world, &page, person, PASSWORD).await;
    let account = browser.visit(world, "/account").await;
    let page = browser.submit(world, &account, &[], "add_passkey").await;
    let made = keys.create(&operation_of_page(&page)["options"], &world.issuer).unwrap();
    assert_eq!(browser.submit(world, &page, &[("passkey", &made.to_string())], "passkey").await.status, 303);
    world.confirm(person).await;
}

/// Passkeys: offered, refused, made, used with and without a name, and with a new account.
async fn walk_with_passkeys((schema, seen): Known<'_>) {
    let scene = Screens::with(Engine::Sqlite, |it| with_app(it).set("passkeys.offer", true)).await;
    for name in [NATIVE, BROWSER] {
        scene.world.person(name).await;
    }
    let mut platforms = Platforms { native: Authenticator::default(), browser: Authenticator::default() };
    let mut walk = Walk::begin(&scene, (schema, seen), &[]).await;
    for failure in ["already_there", "cancelled", "no_passkey", "not_possible_here", "nonsense"] {
        walk.go("passkey", &[("passkey_failure", failure, failure)]).await;
    }
    walk.password().await.is_at("offer_passkey");
    walk.go("passkey", &[("passkey_failure", "cancelled", "cancelled")]).await;
    platforms.go(&mut walk).await;
    walk.is_done().await;
    let mut walk = Walk::begin(&scene, (schema, seen), &[]).await;
    platforms.go(&mut walk).await;
    walk.is_done().await;
    for name in [NATIVE, BROWSER] {
        assert!(scene.world.confirm(name).await, "a passkey that was added with a password waits");
    }
    let mut by_id = Platforms { native: Authenticator::found_by_id(), browser: Authenticator::found_by_id() };
    add_passkey(&scene, &mut by_id.native, NATIVE).await;
    add_passkey(&scene, &mut by_id.browser, BROWSER).await;
    let mut walk = Walk::begin(&scene, (schema, seen), &[("prompt", "login")]).await;
    walk.go("security_key", &[("username", "", "")]).await;
    walk.go("security_key", &[("username", NATIVE, BROWSER)]).await.is_at("passkey");
    walk.go("passkey", &[("passkey", "{}", "{}")]).await;
    by_id.go(&mut walk).await;
    walk.is_done().await;
    let mut walk = Walk::begin(&scene, (schema, seen), &[("acr_values", "urn:both"), ("prompt", "login")]).await;
    walk.password().await.is_at("passkey");
    platforms.go(&mut walk).await;
    walk.is_done().await;

    scene.world.reload(|it| it.with("[login.default]\nrequire = [\"passkey\", \"password\"]")).await;
    let mut walk = Walk::begin(&scene, (schema, seen), &[("prompt", "create")]).await;
    let letters = scene.mailbox.letters().len();
    walk.go("continue", &[("email", "nina.new@example.com", "bert.new@example.com"), ("name", "New", "New")]).await.is_at("email_code");
    let (native, browser) = walk.mailed("nina.new@example.com", "bert.new@example.com", letters).await;
    walk.go("continue", &[("email_code", &native, &browser)]).await.is_at("enrol_passkey");
    walk.go("passkey", &[("passkey_failure", "cancelled", "cancelled")]).await;
    platforms.go(&mut walk).await;
    walk.is_done().await;
    scene.world.stop().await;
}

/// Titles of what is no step of an app: pages of the browser, letters' links, other devices, and where a sign-in ends.
const NO_STEPS: [&str; 44] = [
    "account",
    "account_deleted",
    "approval",
    "approval_given",
    "approval_none",
    "approval_other",
    "approval_refused",
    "continue",
    "detour",
    "device",
    "device_approved",
    "device_code",
    "device_denied",
    "done",
    "elsewhere",
    "error",
    "form-post",
    "handover",
    "home",
    "leave",
    "logout",
    "not_signed_in",
    "over",
    "plugin_on_the_way",
    "select_account",
    "session_ended",
    "signed_out",
    "stop_email",
    "stop_identity",
    "stop_over",
    "stop_passkey",
    "stop_password",
    "stop_recovery",
    "stop_regain",
    "stop_session",
    "stop_totp",
    "stopped",
    "stopped_session",
    "unvouched",
    "upstream_on_the_way",
    "wallet_number",
    "wallet_number_none",
    "wallet_on_the_way",
    "wallet_stopped",
];

/// Every title is that of an example in docs/steps.md, or of something that no app draws.
#[test]
fn no_step_is_forgotten_in_the_examples() {
    let text = std::fs::read_to_string(docs("steps.md")).unwrap();
    let examples: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let messages = docs("../server/src/pages/locales/en.ftl");
    let messages = std::fs::read_to_string(messages).unwrap();
    let titles: Vec<&str> = messages.lines().filter_map(|line| line.split_once("-title = ").map(|(kind, _)| kind)).collect();
    let forgotten: Vec<&&str> = titles.iter().filter(|kind| !examples.contains(kind) && !NO_STEPS.contains(kind)).collect();
    assert!(titles.len() > 70 && forgotten.is_empty(), "no example in docs/steps.md: {forgotten:?}");
    let wrong: Vec<&&str> = NO_STEPS.iter().filter(|kind| examples.contains(kind) || !titles.contains(kind)).collect();
    assert!(wrong.is_empty(), "a step all the same, or no title any more: {wrong:?}");
}

/// The schema refuses what the page of the documentation forbids, so that it proves something.
#[test]
fn the_schema_refuses_what_is_no_step() {
    let schema = schema();
    let field = json!({ "name": "pin", "kind": "pin", "label": "PIN", "autocomplete": "off", "keyboard": "numeric", "secret": true,
        "value": null, "required": true, "max_length": 4 });
    let good = json!({ "error": "insufficient_authorization", "error_description": "x", "auth_session": "sl_AAAA", "expires_in": 9, "step": {
        "kind": "unheard_of", "title": "T", "text": [], "content": [{ "type": "picture", "data": "x" }], "fields": [field],
        "actions": [{ "name": "continue", "kind": "primary", "label": "Go on" }], "problem": null, "later": 1 } });
    assert!(schema.is_valid(&good), "an unknown step, content and member");
    for (pointer, value) in [
        ("/error", json!("invalid_session")),
        ("/auth_session", json!("x")),
        ("/expires_in", json!(-1)),
        ("/step/title", json!("")),
        ("/step/actions", json!([])),
        ("/step/actions/0/kind", json!("huge")),
        ("/step/fields/0/value", json!("1234")),
        ("/step/fields/0/max_length", json!(0)),
        ("/step/content/0", json!({ "type": "list" })),
        ("/step/problem", json!({ "key": "k" })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&bad), "{pointer}");
    }
}
