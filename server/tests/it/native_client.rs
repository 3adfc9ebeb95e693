//! The mobile client's native sign-in against the real server, on the simulated phone, whose terminal draws any step.

use crate::wallets::{CREATE, Outside, now_s};
use crate::world::native::BACK;
use crate::world::*;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use symbolon_client::native::{Action, Operation, Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};
use symbolon_client::{Settings, SignIn, StepUp, Trouble};
use symbolon_phone::browser::Person;
use symbolon_phone::element::Maker;
use symbolon_phone::links::System;
use symbolon_phone::mailbox::Mailbox;
use symbolon_phone::passkeys::Passkeys;
use symbolon_phone::phone::Phone as Simulated;
use symbolon_phone::terminal::{Terminal, draw};
use symbolon_phone::wallet::beside::Beside;
use tokio::sync::oneshot;

struct Scene {
    world: World,
    mailbox: Mailbox,
    maker: Arc<Maker>,
}

async fn scene() -> Scene {
    let (mailbox, maker) = (Mailbox::open().await.unwrap(), Arc::new(Maker::new().unwrap()));
    let more = format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false\n\
         [login.default]\nrequire = [\"password\", \"email\"]\n[login.two-factor]\nrequire = [\"password + totp\"]\nacr = \"urn:two\"\n\
         [attestation]\nsimulated_roots = [\"{}\"]\n[client.app]\nkind = \"native\"\nname = \"App\"\nfirst_party = true\nnative = true\n\
         authentication = \"attest_jwt_client_auth_dpop\"\napis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{BACK}\"]\n\
         [client.app.attestation]\nios = {{ app_ids = [\"{APP}\"] }}\n",
        mailbox.address.port(),
        maker.root_spki
    );
    Scene { world: Configuration::on(Engine::Sqlite).await.with(&more).start().await, mailbox, maker }
}

impl Scene {
    fn phone(&self) -> Simulated {
        let settings = Settings { issuer: self.world.issuer.clone(), client_id: "app".to_owned(), redirect_uri: BACK.to_owned() };
        Simulated::new(settings, Person::with_password("alice", PASSWORD)).unwrap().attested_by(&self.maker, APP)
    }
}

/// Alice, who has an operator's ticket for what she adds.
fn with_ticket(ticket: &str) -> Person<'_> {
    let answers = vec![("username", "alice"), ("password", PASSWORD), ("ticket", ticket)];
    Person { answers, buttons: vec!["use_ticket"], ..Person::default() }
}

/// Password, then an authenticator that the policy wants, then a code by e-mail, then the browser: one app without a line about any.
#[tokio::test(flavor = "multi_thread")]
async fn one_app_signs_in_in_every_way() {
    let scene = scene().await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    let password = || Terminal::new(Person::with_password("alice", PASSWORD));
    let screens = password();
    let signed_in = phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(
        (signed_in.scope.as_str(), signed_in.claims.contains_key("sub"), screens.kinds()),
        ("orders:read", true, vec!["password".to_owned()])
    );
    assert!(phone.client.is_signed_in().await.unwrap() && phone.pages().await.is_empty(), "no browser was opened");
    let person =
        Person { answers: vec![("username", "alice")], buttons: vec!["use_email"], mail: Some((&scene.mailbox, "alice@example.com")) };
    let screens = Terminal::new(person);
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(screens.kinds(), ["password", "identify", "email_code"]);
    let screens = Terminal::new(Person { buttons: vec!["browser"], ..Person::with_password("alice", PASSWORD) });
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(phone.pages().await, "Did you start this in App?, Sign in");
    assert!(phone.screen.browser.lock().await.read[0].contains(&"The app runs on: iOS.".to_owned()), "as its evidence says");
    scene.world.reload(|it| it.set("client.app.login", "two-factor")).await;
    let ticket = scene.world.ticket("alice").await;
    let screens = Terminal::new(with_ticket(&ticket));
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(screens.kinds(), ["password", "enrol_totp", "ticket", "enrol_totp", "recovery_codes"]);
    assert!(screens.take_screens()[1].contains("Add an authenticator app"));
    scene.world.stop().await;
}

/// The operator names passkeys in the policy: the same app makes one, and then signs in with it, by its button and where the name is
/// filled in. An app that the server does not name gets none of the platform.
#[tokio::test(flavor = "multi_thread")]
async fn one_app_makes_and_uses_a_passkey() {
    let scene = scene().await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    scene
        .world
        .reload(|it| it.with(&format!("[login.default]\nrequire = [\"password\", \"passkey\"]\n[client.app.app]\nios = [\"{APP}\"]")))
        .await;
    let mut passkeys = Passkeys::install(&scene.world.issuer, System::Ios(APP)).await.unwrap();
    let refusing = Arc::new(passkeys.for_app(System::Ios("ABCDE12345.com.example.other")).await.unwrap());
    let person = || Person { buttons: vec!["passkey"], ..Person::with_password("alice", PASSWORD) };
    // The platform says no for an app that the association file does not name: the step says so, and "not now" goes on.
    let screens = Terminal::new(Person { buttons: vec!["continue", "passkey", "not_now"], ..person() }).with_passkeys(&refusing);
    scene.world.person("bob").await;
    let signed_in = phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert!(signed_in.claims.contains_key("sub") && refusing.authenticator().ids().is_empty());
    assert_eq!(screens.kinds(), ["password", "offer_passkey", "offer_passkey"]);
    assert!(screens.take_screens()[2].contains("cannot use passkeys here"));

    passkeys.fills = true;
    let passkeys = Arc::new(passkeys);
    let bob = Terminal::new(Person { buttons: vec!["continue"], ..Person::with_password("bob", PASSWORD) }).with_passkeys(&passkeys);
    let signed_in = phone.client.sign_in_natively(&request, &bob).await.unwrap();
    assert_eq!((bob.kinds(), passkeys.authenticator().ids().len()), (vec!["password".to_owned()], 1), "made quietly after the password");
    let again = phone.client.sign_in_natively(&request, &Nobody { passkeys: passkeys.clone() }).await.unwrap();
    assert_eq!(again.claims["sub"], signed_in.claims["sub"], "the name was filled with the passkey, and nothing was typed");

    let quiet = Arc::new(passkeys.for_app(System::Ios(APP)).await.unwrap());
    *quiet.next_failure.lock().unwrap() = Some("cancelled");
    let screens = Terminal::new(Person { buttons: vec!["passkey", "passkey"], ..Person::default() }).with_passkeys(&quiet);
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(screens.kinds().len(), 1, "what the platform could not do quietly is not said");
    scene.world.stop().await;
}

/// The operator names a wallet in the policy: an app that opens wallets signs its person in by one, without a browser. Another that does not
/// goes to the browser.
#[tokio::test(flavor = "multi_thread")]
async fn one_app_opens_a_wallet() {
    let (scene, outside) = (scene().await, Outside::new());
    scene.world.reload(|it| it.with(&outside.table(CREATE))).await;
    let (phone, request) = (scene.phone(), SignIn::new("openid orders:read"));
    let screens = || Terminal::new(Person { buttons: vec!["use_wallet:pid"], ..Person::default() });
    let opening = screens().with_operations(Arc::new(Beside::new(outside.wallet_of("AA-1"), &phone.net, System::Ios(APP), BACK)));
    let signed_in = phone.client.sign_in_natively(&request, &opening).await.unwrap();
    assert_eq!((opening.kinds().join(" ").as_str(), phone.pages().await.as_str()), ("password wallet wallet_open", ""));

    // The operating system ends the app while the person is in the wallet.
    let (phone, wallet) = (scene.phone(), outside.wallet_of("AA-1"));
    let (opened, link) = oneshot::channel();
    let ended = screens().with_operations(Arc::new(Ended { opened: Mutex::new(Some(opened)) }));
    let link = tokio::select! {
        done = phone.client.sign_in_natively(&request, &ended) => panic!("it does not wait: {done:?}"),
        link = link => link.unwrap(),
    };
    let asked = wallet.read(&scene.world.http, &link, now_s()).await.unwrap();
    let back = wallet.answer(&scene.world.http, &asked).await.unwrap();
    let phone = phone.restarted();
    let again = phone.client.finish_natively(&back, &screens()).await.unwrap().unwrap();
    assert_eq!(again.claims["sub"], signed_in.claims["sub"]);
    assert!(phone.client.finish_natively(&back, &screens()).await.unwrap().is_none(), "the same link once more");

    let (phone, silent) = (scene.phone(), screens());
    let _ = phone.client.sign_in_natively(&request, &silent).await;
    assert_eq!(silent.kinds(), ["password"], "the twin");
    assert!(phone.pages().await.starts_with("Did you start this"), "{}", phone.pages().await);
    scene.world.stop().await;
}

/// Opens a wallet's link, and is ended then.
struct Ended {
    opened: Mutex<Option<oneshot::Sender<String>>>,
}

impl Operations for Ended {
    fn knows(&self, name: &str) -> bool {
        name == "wallet_open"
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        let opened = self.opened.lock().unwrap().take().unwrap();
        opened.send(operation.options["url"].as_str().unwrap().to_owned()).unwrap();
        Box::pin(std::future::pending())
    }
}

/// A person who types nothing and presses nothing.
struct Nobody {
    passkeys: Arc<Passkeys>,
}

impl Screens for Nobody {
    fn show<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        Box::pin(std::future::pending())
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self.passkeys.as_ref())
    }
}

/// An API wants more, and later the policy does: the app asks its person only for what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_person_is_asked_for_what_is_missing() {
    let scene = scene().await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    let ticket = scene.world.ticket("alice").await;
    let screens = Terminal::new(with_ticket(&ticket));
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    let wanted = StepUp { acr_values: Some("urn:two".to_owned()), ..StepUp::default() };
    let more = SignIn::new("openid orders:read").with_step_up(&wanted);
    phone.restarted().client.sign_in_natively(&more, &screens).await.unwrap();
    assert_eq!(screens.kinds(), ["password", "enrol_totp", "ticket", "enrol_totp", "recovery_codes"], "the password was proved");
    scene.world.reload(|it| it.with("[login.three]\nrequire = [\"password + totp + email\"]").set("client.app.login", "three")).await;
    let refused = phone.client.server().refresh(&phone.refresh_token(), "").await.unwrap();
    assert_eq!((refused.status, refused.error()), (403, "insufficient_authorization"));
    let person = Person { mail: Some((&scene.mailbox, "alice@example.com")), ..Person::with_password("alice", PASSWORD) };
    let screens = Terminal::new(person);
    phone.client.sign_in_natively(&request.clone().beside_session(), &screens).await.unwrap();
    assert_eq!(screens.kinds(), ["email_send", "email_code"]);
    assert_eq!(phone.client.server().refresh(&phone.refresh_token(), "").await.unwrap().status, 200);
    // After the session has ended, everything is asked.
    phone.client.server().revoke(&phone.refresh_token()).await.unwrap();
    scene.world.reload(|it| it.set("client.app.login", "default")).await;
    let screens = Terminal::new(Person { buttons: vec!["use_email"], ..Person::with_password("alice", PASSWORD) });
    let _ = phone.client.sign_in_natively(&request.beside_session(), &screens).await;
    assert_eq!(screens.kinds().first().map(String::as_str), Some("password"));
    scene.world.stop().await;
}

/// The account on the app's own screens. The browser has a page for it, and the session stays; once the person takes the app's access away, the
/// app has no session any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_its_person_ends_is_forgotten() {
    let scene = scene().await;
    scene.world.reload(|it| it.set("client.app.manage", vec!["apps"])).await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    phone.client.sign_in_natively(&request, &Terminal::new(Person::with_password("alice", PASSWORD))).await.unwrap();
    let manage = request.beside_session().with("prompt", "manage");
    let pressing =
        |buttons: &[&'static str]| Terminal::new(Person { buttons: buttons.to_vec(), ..Person::with_password("alice", PASSWORD) });
    let left = phone.client.sign_in_natively(&manage, &pressing(&["browser"])).await.unwrap_err();
    assert_eq!(left, Trouble::InBrowser(scene.world.url("/account")));
    assert!(phone.client.is_signed_in().await.unwrap());
    let screens = pressing(&["apps", "revoke_app:0"]);
    let ended = phone.client.sign_in_natively(&manage, &screens).await.unwrap_err();
    assert_eq!((ended, screens.kinds().last().map(String::as_str)), (Trouble::SignedOut("access_removed".to_owned()), Some("revoke_app")));
    assert!(!phone.client.is_signed_in().await.unwrap());
    scene.world.stop().await;
}

/// An app that may not show the account is told so, and no browser is opened: its sign-in has no `prompt=manage`. The twin may show it.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_may_not_show_the_account_is_told_so() {
    let scene = scene().await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    phone.client.sign_in_natively(&request, &Terminal::new(Person::with_password("alice", PASSWORD))).await.unwrap();
    let manage = request.beside_session().with("prompt", "manage");
    let screens = Terminal::new(Person { buttons: vec!["browser"], ..Person::with_password("alice", PASSWORD) });
    let refused = phone.client.sign_in_natively(&manage, &screens).await.unwrap_err();
    assert!(matches!(refused, Trouble::Refused { ref error, .. } if error == "unauthorized_client"), "{refused}");
    assert!(screens.kinds().is_empty() && phone.pages().await.is_empty(), "no browser was opened");
    assert!(phone.client.is_signed_in().await.unwrap());
    scene.world.reload(|it| it.set("client.app.manage", vec!["apps"])).await;
    let left = phone.client.sign_in_natively(&manage, &screens).await.unwrap_err();
    assert_eq!(left, Trouble::InBrowser(scene.world.url("/account")), "the twin");
    scene.world.stop().await;
}

/// `browser_return=sw`: the browser proves the password, and the app's own screens ask for what is missing. A person who
/// says no there finds the same step.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_comes_back_from_the_browser() {
    let scene = scene().await;
    let request = SignIn::new("openid orders:read").coming_back();
    let phone = scene.phone();
    let screens = Terminal::new(Person { buttons: vec!["browser"], ..Person::with_password("alice", PASSWORD) });
    let signed_in = phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert!(signed_in.claims.contains_key("sub") && phone.client.is_signed_in().await.unwrap());
    assert_eq!((screens.kinds(), phone.pages().await.as_str()), (vec!["password".to_owned()], "Did you start this in App?, Sign in"));
    assert_eq!(scene.world.entries("code_issued").await[0]["detail"]["face"], "native");

    let settings = phone.client.server().settings.clone();
    let wary = Person { buttons: vec!["not_mine"], ..Person::default() };
    let refusing = Simulated::new(settings.clone(), wary).unwrap().attested_by(&scene.maker, APP);
    let screens = Terminal::new(Person { buttons: vec!["browser"], ..Person::with_password("alice", PASSWORD) });
    refusing.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!(screens.kinds(), ["password", "password"], "the step is still open, and the person answers it here");
    scene.world.stop().await;
}

/// Answers that are lost are asked for again: one sign-in, one guess, one code.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_cost_nothing() {
    let scene = scene().await;
    let phone = scene.phone();
    let request = SignIn::new("openid orders:read");
    let screens = Losing { phone: &phone, terminal: Terminal::new(Person::with_password("alice", PASSWORD)) };
    phone.client.sign_in_natively(&request, &screens).await.unwrap();
    assert_eq!((scene.world.audited("password_proved").await, scene.world.audited("code_issued").await), (1, 1));
    scene.world.stop().await;
}

struct Losing<'a> {
    phone: &'a Simulated,
    terminal: Terminal<'a>,
}

impl Screens for Losing<'_> {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        self.phone.net.lose_answers.store(1, Ordering::Relaxed);
        self.terminal.show(step)
    }
}

/// An installation that may not use native screens signs in with the browser, without a change to the app.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_uses_the_browser() {
    let scene = scene().await;
    for (change, value) in [("client.app.native", false), ("client.app.web_only", true)] {
        scene.world.reload(|it| it.set("client.app.native", true).set(change, value)).await;
        let phone = scene.phone();
        let screens = Terminal::new(Person::with_password("alice", PASSWORD));
        phone.client.sign_in_natively(&SignIn::new("openid orders:read"), &screens).await.unwrap();
        assert!(screens.kinds().is_empty() && phone.pages().await.contains("Sign in"), "{change}");
        scene.world.reload(|it| it.set(change, !value)).await;
    }
    scene.world.stop().await;
}

/// A step that nobody has heard of is drawn from its description; an operation that the app does not know is not offered.
#[tokio::test]
async fn an_unknown_step_is_drawn_from_its_description() {
    let step: Step = serde_json::from_value(serde_json::json!({
        "kind": "unheard_of", "title": "Say the word", "text": ["Whisper it."], "content": [{ "type": "hologram", "data": 1 }],
        "fields": [{ "name": "word", "kind": "whisper", "label": "The word", "autocomplete": "off", "keyboard": "text", "secret": true,
            "value": null, "required": true, "max_length": 9, "volume": 1 }],
        "actions": [{ "name": "go", "kind": "primary", "label": "Go" }, { "name": "wave", "kind": "secondary", "label": "Wave" },
            { "name": "browser", "kind": "link", "label": "Browser" }],
        "operation": { "name": "wave_hand", "options": {}, "answer": { "action": "wave", "field": "wave", "failure_field": "f", "failures": [] } },
        "problem": null, "mood": "calm"
    }))
    .unwrap();
    let drawn = draw(&step, &[("word".to_owned(), "mellon".to_owned())], "go");
    assert!(
        drawn.contains("Say the word") && drawn.contains("The word: ******") && drawn.contains("[>Go<]") && !drawn.contains("mellon"),
        "{drawn}"
    );
    for (knows, offered) in [(false, vec!["go", "browser"]), (true, vec!["go", "wave", "browser"])] {
        let screens = Waving { knows, seen: Default::default() };
        let pressed = symbolon_client::native::ask(&screens, Box::new(step.clone())).await.unwrap();
        assert_eq!(*screens.seen.lock().unwrap(), offered);
        let waved = ("wave".to_owned(), "{\"waved\":true}".to_owned());
        assert_eq!(pressed.fields, if knows { vec![waved] } else { Vec::new() });
    }
}

#[derive(Default)]
struct Waving {
    knows: bool,
    seen: std::sync::Mutex<Vec<String>>,
}

impl Screens for Waving {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        *self.seen.lock().unwrap() = step.actions.iter().map(|action: &Action| action.name.clone()).collect();
        let action = if self.knows { "wave" } else { "go" }.to_owned();
        Box::pin(async move { Ok(Pressed { action, fields: Vec::new() }) })
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }
}

impl Operations for Waving {
    fn knows(&self, name: &str) -> bool {
        self.knows && name == "wave_hand"
    }

    fn perform<'a>(&'a self, _: &'a symbolon_client::native::Operation) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async { Ok("{\"waved\":true}".to_owned()) })
    }
}
