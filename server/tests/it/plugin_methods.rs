//! Methods of plug-ins beyond right and wrong: names of their own, accounts, letters, and browsers that are sent away. The guests are made
//! from text: what `check` answers is given.

use crate::plugin_operations::trial;
use crate::plugins::{file_of, table};
use crate::world::native::Screens;
use crate::world::*;
use serde_json::json;

/// The types of the interface. The tests of the sandbox read the same text.
const LOGIN: &str = include_str!("../../../plugin/tests/login.wat");

/// A method with one field, `word`. `check` runs this body, and answers what stands at 512. Its argument points to
/// context (32 bytes), person (36), state (8) and answer (8).
fn method(ask: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  {LOGIN}
  (alias export $l "context" (type $context))
  (alias export $l "person" (type $person))
  (alias export $l "asked" (type $asked))
  (alias export $l "answer-field" (type $answer))
  (alias export $l "checked" (type $checked))
  (core module $guest
    (memory (export "memory") 1)
    (global $end (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $end) (i32.const 7)) (i32.const -8)))
      (global.set $end (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (data (i32.const 1024) "Say the word")
    (data (i32.const 1040) "word")
    (data (i32.const 1048) "That is not the word.")
    (data (i32.const 1200) "ext-1")
    (data (i32.const 1210) "notice")
    (data (i32.const 1220) "https://elsewhere.example/")
    (data (i32.const 1440) "Say\e2\80\ae the\0a\e2\80\8bword")
    (data (i32.const 1460) "\e2\80\8b \e2\80\ae")
    (func $text (param $at i32) (param $text i32) (param $length i32)
      (i32.store (local.get $at) (local.get $text)) (i32.store offset=4 (local.get $at) (local.get $length)))
    (func $effect (param $kind i32) (param $text i32) (param $length i32)
      (call $text (i32.const 580) (i32.const 1300) (i32.const 1))
      (i32.store8 (i32.const 1300) (local.get $kind))
      (call $text (i32.const 1304) (local.get $text) (local.get $length)))
    (func $external (i32.store8 (i32.const 516) (i32.const 1)) (call $text (i32.const 520) (i32.const 1200) (i32.const 5)))
    (func $wrong (i32.store8 (i32.const 516) (i32.const 2)) (call $text (i32.const 520) (i32.const 1048) (i32.const 21)))
    (func $leave (param $url i32) (param $length i32)
      (i32.store8 (i32.const 516) (i32.const 4))
      (call $text (i32.const 520) (local.get $url) (local.get $length))
      (call $text (i32.const 528) (i32.const 1040) (i32.const 4)))
    (func (export "ask") (param i32) (result i32) {ask} (i32.const 512))
    (func (export "check") (param $given i32) (result i32) {body} (i32.const 512)))
  (core instance $guest (instantiate $guest))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "realloc" (core func $realloc))
  (type $ask-type (func (param "context" $context) (param "person" $person) (result (result $asked (error string)))))
  (type $check-type (func (param "context" $context) (param "person" $person) (param "state" string)
    (param "answer" (list $answer)) (result (result $checked (error string)))))
  (func $ask (type $ask-type) (canon lift (core func $guest "ask") (memory $memory) (realloc $realloc)))
  (func $check (type $check-type) (canon lift (core func $guest "check") (memory $memory) (realloc $realloc)))
  (export "ask" (func $ask))
  (export "check" (func $check)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Asks for the word.
const ASK: &str = "(call $text (i32.const 516) (i32.const 1024) (i32.const 12))
      (call $text (i32.const 532) (i32.const 1400) (i32.const 1))
      (call $text (i32.const 1400) (i32.const 1040) (i32.const 4))
      (call $text (i32.const 1408) (i32.const 1040) (i32.const 4))
      (i32.store (i32.const 1420) (i32.const 16))";
pub const EXTERNAL: &str = "(call $external)";
/// The same, and links the name to whoever is proved.
const LINKING: &str = "(call $external) (call $effect (i32.const 2) (i32.const 1200) (i32.const 5))";
const LETTER: &str = "(call $effect (i32.const 3) (i32.const 1210) (i32.const 6))";
const RAISE: &str = "(call $effect (i32.const 4) (i32.const 0) (i32.const 0))";
/// Leads the browser right back, and then wants one parameter.
pub const ROUND: &str = "(if (i32.eqz (i32.load offset=72 (local.get $given)))
      (then (call $leave (i32.load offset=24 (local.get $given)) (i32.load offset=28 (local.get $given))))
      (else (if (i32.ne (i32.load offset=80 (local.get $given)) (i32.const 1)) (then (call $wrong)))))";
const AWAY: &str = "(call $leave (i32.const 1220) (i32.const 26))";

/// A text with a mark of direction (U+202E), a line break and a space that nobody sees (U+200B), at this place.
const HIDING: &str = "(i32.const 1440) (i32.const 18)";

/// A text of which nobody sees anything: U+200B, a space and U+202E.
const UNSEEN: &str = "(i32.const 1460) (i32.const 7)";

pub fn word(body: &str, more: &str) -> String {
    table("word", &method(ASK, body), &format!("world = \"method\"\nlabel = \"the word\"\n{more}"))
}

/// One that breaks down before it has asked anything.
pub fn mute() -> String {
    table("word", &method("(unreachable)", ""), "world = \"method\"\nlabel = \"the word\"\n")
}

pub fn requiring(chains: &str) -> String {
    format!("[login.default]\nrequire = [{chains}]\n")
}

pub async fn answered(world: &World, browser: &mut Browser, page: &Page) -> Page {
    assert_eq!(page.title(), "Say the word", "{}", page.html);
    browser.submit(world, page, &[("plugin_word", "swordfish")], "continue").await
}

/// To the plug-in's question, which finds out who it is: where nothing was answered yet, a page asks first whether to go on.
pub async fn at_the_question(world: &World, browser: &mut Browser, ask: &Ask) -> Page {
    let page = browser.open(world, ask).await;
    if page.title() == "Say the word" { page } else { browser.submit(world, &page, &[], "continue").await }
}

/// 351-L: what nobody sees in a plug-in's texts reaches no page and no step document: neither title, nor label, nor problem.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_hides_in_a_plug_in_s_words() {
    let asking = format!("{ASK} (call $text (i32.const 516) {HIDING}) (call $text (i32.const 1408) {HIDING})");
    let wrong = format!("(i32.store8 (i32.const 516) (i32.const 2)) (call $text (i32.const 520) {HIDING})");
    let hiding = table("word", &method(&asking, &wrong), "world = \"method\"\nlabel = \"the word\"\n");
    for (plugin, problem) in [(hiding, "Say the word"), (word("(call $wrong)", ""), "That is not the word.")] {
        let both = requiring("\"password + plugin:word\"");
        let scene = Screens::with(Engine::Sqlite, |it| it.with(&plugin).with(&both)).await;
        let mut browser = Browser::default();
        let page = browser.open(&scene.world, &Ask::native("openid")).await;
        let page = browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
        let wrong = answered(&scene.world, &mut browser, &page).await;
        assert_eq!((wrong.title().as_str(), wrong.problem().as_str()), ("Say the word", problem), "{}", wrong.html);
        let mut phone = scene.genuine();
        let step = phone.begin().await;
        let step = phone.answer_password(&step, "alice", PASSWORD).await;
        let said = phone.answer(&step, "continue", &[("plugin_word", "x")]).await.step().to_string();
        for hidden in ["\u{202e}", "\u{200b}", "\\u202e", "\\u200b"] {
            assert!(!wrong.html.contains(hidden) && !said.contains(hidden), "{hidden:?}: {said}");
        }
        assert!(said.contains(problem), "{said}");
        scene.world.stop().await;
    }
}

/// What a plug-in adds to its question, what it answers, and the text that stands at `HERE`.
const TEXTS: [(&str, &str, &str); 4] = [
    ("(call $text (i32.const 516) HERE)", "", "the title of a step"),
    ("(call $text (i32.const 524) (i32.const 1480) (i32.const 1)) (call $text (i32.const 1480) HERE)", "", "a text of a step"),
    ("(call $text (i32.const 1408) HERE)", "", "the label of a field"),
    ("", "(i32.store8 (i32.const 516) (i32.const 2)) (call $text (i32.const 520) HERE)", "a problem"),
];

/// A letter whose one value is the first claim, or nothing where there is none.
const CLAIM: &str =
    "(call $effect (i32.const 3) (i32.const 1210) (i32.const 6)) (call $text (i32.const 1312) (i32.const 1480) (i32.const 1))
      (call $text (i32.const 1480) (i32.const 1040) (i32.const 4))
      (if (i32.load offset=64 (local.get $given)) (then (call $text (i32.const 1488)
        (i32.load offset=8 (i32.load offset=60 (local.get $given))) (i32.load offset=12 (i32.load offset=60 (local.get $given))))))";

/// A guest that says this at the place of one of `TEXTS`.
fn saying_here((adds, answers, _): &(&str, &str, &str), shown: &str) -> Vec<u8> {
    method(&format!("{ASK} {}", adds.replace("HERE", shown)), &answers.replace("HERE", shown))
}

/// 351-L: no heading and no label is empty. A text of which nobody sees anything is a failure of the plug-in, and the audit says of which one.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_nobody_sees_is_no_answer() {
    let saying = |text: &(&str, &str, &str), shown: &str| {
        let guest = saying_here(text, shown);
        table("word", &guest, "world = \"method\"\nlabel = \"the word\"\n")
    };
    let both = requiring("\"password + plugin:word\"");
    let scene = Screens::with(Engine::Sqlite, |it| it.with(&saying(&TEXTS[0], HIDING)).with(&both)).await;
    let world = &scene.world;
    for text in &TEXTS {
        let at_question = async |shown: &str| {
            world.reload(|it| it.without("plugin").with(&saying(text, shown))).await;
            let mut browser = Browser::default();
            let page = browser.open(world, &Ask::native("openid")).await;
            let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
            (browser, page)
        };
        let (_, _, what) = text;
        let (mut browser, page) = at_question(UNSEEN).await;
        if page.name().as_deref() != Some("plugin_away") {
            let refused = answered(world, &mut browser, &page).await;
            assert!(refused.problem().starts_with("That could not be checked"), "{what}: {}", refused.html);
        }
        let entry = world.entries("plugin_failed").await.pop().unwrap();
        let reason = format!("answer: nobody sees anything of {what}");
        assert_eq!((&entry["detail"]["plugin"], &entry["reason"]), (&"word".into(), &reason.into()), "{entry}");
        let (mut browser, page) = at_question(HIDING).await;
        let next = answered(world, &mut browser, &page).await;
        assert!(next.has_code() || next.problem() == "Say the word", "the twin: {what}: {}", next.html);
    }
    scene.world.stop().await;
}

/// The same in the trial of `symbolon plugin check`.
#[tokio::test(flavor = "multi_thread")]
async fn a_trial_refuses_a_text_that_nobody_sees() {
    for (adds, answers, what) in TEXTS {
        for (text, code) in [(UNSEEN, 1), (HIDING, 0)] {
            let guest = saying_here(&(adds, answers, what), text);
            let input = if answers.is_empty() { json!({}) } else { json!({ "answer": { "word": "x" } }) };
            let (ended, said) = trial(&file_of("seen", &guest), &input).await;
            assert_eq!(ended, Some(code), "{what}: {said:?}");
            assert_eq!(format!("{said:?}").contains(&format!("nobody sees anything of {what}")), code == 1, "{what}: {said:?}");
        }
    }
}

/// 300-H: a letter with a claim tells nobody whether a name is somebody's. For a name that nobody has its value is empty, and the page is the
/// same.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_with_a_claim_tells_nobody_who_is_here() {
    let pages = std::env::temp_dir().join(format!("symbolon-plugin-claim-{}", std::process::id()));
    std::fs::create_dir_all(&pages).unwrap();
    let words = "mail-plugin-notice-subject = A letter\nmail-plugin-notice-body = It says { $word }.\n";
    std::fs::write(pages.join("en.ftl"), words).unwrap();
    let more = "effects = [\"letter\"]\nletters = [\"notice\"]\nclaims = [\"email\"]\n";
    let plugin = word(&format!("{CLAIM} (call $wrong)"), more);
    let templates = pages.display().to_string();
    let alone = requiring("\"plugin:word\"");
    let scene = Screens::with(Engine::Sqlite, |it| it.with(&plugin).with(&alone).set("templates", templates.as_str())).await;
    let mut said = Vec::new();
    for name in ["alice", "nobody-at-all"] {
        let mut browser = Browser::default();
        let page = browser.open(&scene.world, &Ask::native("openid")).await;
        let page = browser.submit(&scene.world, &page, &[("username", name)], "continue").await;
        let page = answered(&scene.world, &mut browser, &page).await;
        said.push((page.status, page.title(), page.problem(), page.actions()));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!((said[0].2.as_str(), scene.world.audited("plugin_failed").await), ("That is not the word.", 0));
    scene.mailbox.wait("alice@example.com", 0).await.unwrap();
    let letters = scene.mailbox.letters();
    assert_eq!((letters.len(), letters[0].to.as_slice()), (1, ["alice@example.com".to_owned()].as_slice()), "{letters:?}");
    let said = letters[0].plain().split("It says").nth(1).unwrap_or_default();
    assert!(said.contains("alice@example.com"), "the twin: the claim is in her letter: {letters:?}");
    scene.world.stop().await;
    std::fs::remove_dir_all(&pages).unwrap();
}

/// A name of the plug-in's own is nobody until a person who is proved otherwise links it. From then on it signs that person in, and the link
/// is the account's.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_s_own_name_leads_to_the_account_that_is_linked() {
    for engine in engines() {
        let asking = word(EXTERNAL, "asks_who = true\nfactor = \"possession\"\namr = \"hwk\"");
        let world = Configuration::on(engine).await.with(&asking).with(&requiring("\"plugin:word\"")).start().await;
        let ask = Ask::native("openid");
        let mut browser = Browser::default();
        let page = at_the_question(&world, &mut browser, &ask).await;
        assert!(!page.asks_for("username"), "it finds out who it is");
        let nobody = answered(&world, &mut browser, &page).await;
        assert_eq!(nobody.problem(), "That does not belong to an account here. Use another way.", "{}", nobody.html);
        // Alice proves with her password, and the plug-in links its name in the same answer.
        let linking = word(LINKING, "asks_who = true\neffects = [\"link\"]");
        let both = requiring("\"password + plugin:word\"");
        world.reload(|it| it.without("plugin").with(&linking).with(&both)).await;
        let mut alice = Browser::default();
        let page = alice.open(&world, &ask).await;
        let page = alice.submit_password(&world, &page, "alice", PASSWORD).await;
        let done = answered(&world, &mut alice, &page).await;
        assert!(done.has_code(), "{}", done.html);
        let (_, tokens) = world.exchange(&done.code(), &ask.verifier).await;
        let subject = claims(tokens["id_token"].as_str().unwrap())["sub"].clone();
        // Now the name alone is she.
        world.reload(|it| it.without("plugin").with(&asking).with(&requiring("\"plugin:word\""))).await;
        let mut later = Browser::default();
        let page = at_the_question(&world, &mut later, &ask).await;
        let waits = answered(&world, &mut later, &page).await;
        assert_eq!(waits.kind(), "waits", "a link is worth what it was made with, until somebody confirms it: {}", waits.html);
        assert!(world.confirm("alice").await);
        let done = later.submit(&world, &waits, &[], "continue").await;
        let (_, tokens) = world.exchange(&done.code(), &ask.verifier).await;
        let said = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!((&said["sub"], &said["amr"]), (&subject, &serde_json::json!(["hwk"])), "{said}");
        // Another person's name is not hers: whoever is proved as somebody else is refused.
        world.person("bob").await;
        world.reload(|it| it.without("plugin").with(&word(EXTERNAL, "asks_who = true")).with(&both)).await;
        let mut bob = Browser::default();
        let page = bob.open(&world, &ask).await;
        let page = bob.submit_password(&world, &page, "bob", PASSWORD).await;
        let refused = answered(&world, &mut bob, &page).await;
        assert_eq!(refused.problem(), "That does not belong to an account here. Use another way.", "{}", refused.html);
        world.stop().await;
    }
}

/// `link` and `raise` are for people who are proved otherwise, and an effect that is not listed is a failure.
#[tokio::test(flavor = "multi_thread")]
async fn effects_on_an_account_need_a_person_who_is_proved() {
    for (body, more) in [(LINKING, "asks_who = true\neffects = [\"link\"]"), (RAISE, "effects = [\"raise\"]")] {
        let alone = Configuration::on(Engine::Sqlite).await.with(&word(body, more)).with(&requiring("\"plugin:word\"")).start().await;
        let mut browser = Browser::default();
        let page = browser.open(&alone, &Ask::native("openid")).await;
        let page = match page.asks_for("username") {
            true => browser.submit(&alone, &page, &[("username", "alice")], "continue").await,
            false if page.title() == "Say the word" => page,
            false => browser.submit(&alone, &page, &[], "continue").await,
        };
        let refused = answered(&alone, &mut browser, &page).await;
        assert!(!refused.has_code() && refused.problem().starts_with("That could not be checked"), "{body}: {}", refused.html);
        // Of nobody there is a line in the log, and no entry.
        let failed = alone.entries("plugin_failed").await;
        assert!(failed.iter().all(|entry| entry["reason"].as_str().unwrap().contains("nobody is proved")), "{body}: {failed:?}");
        alone.reload(|it| it.with(&requiring("\"password + plugin:word\""))).await;
        let mut browser = Browser::default();
        let page = browser.open(&alone, &Ask::native("openid")).await;
        let page = browser.submit_password(&alone, &page, "alice", PASSWORD).await;
        let done = answered(&alone, &mut browser, &page).await;
        assert!(done.has_code(), "the twin {body}: {}", done.html);
        alone.reload(|it| it.without("plugin").with(&word(body, if body == LINKING { "asks_who = true" } else { "" }))).await;
        let mut browser = Browser::default();
        let page = browser.open(&alone, &Ask::native("openid")).await;
        let page = browser.submit_password(&alone, &page, "alice", PASSWORD).await;
        assert!(!answered(&alone, &mut browser, &page).await.has_code(), "{body}: effects lists nothing");
        alone.stop().await;
    }
}

/// With `accounts = "create"` whoever the plug-in names gets an account of his own, and the same one the next time.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_may_bring_newcomers() {
    for engine in engines() {
        let more = "asks_who = true\naccounts = \"create\"";
        let world = Configuration::on(engine).await.with(&word(EXTERNAL, more)).with(&requiring("\"plugin:word\"")).start().await;
        let ask = Ask::native("openid");
        let mut subjects = Vec::new();
        for _ in 0..2 {
            let mut browser = Browser::default();
            let page = at_the_question(&world, &mut browser, &ask).await;
            let done = answered(&world, &mut browser, &page).await;
            assert!(done.has_code(), "{}", done.html);
            let (_, tokens) = world.exchange(&done.code(), &ask.verifier).await;
            subjects.push(claims(tokens["id_token"].as_str().unwrap())["sub"].clone());
        }
        assert_eq!((subjects[0] == subjects[1], world.audited("registered").await), (true, 1), "{subjects:?}");
        world.stop().await;
    }
}

/// A letter is the operator's own, goes to the proved address, and costs what any letter costs.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_s_letter_is_the_operator_s_and_is_counted() {
    for engine in engines() {
        let pages = std::env::temp_dir().join(format!("symbolon-plugin-letters-{}-{engine:?}", std::process::id()));
        std::fs::create_dir_all(&pages).unwrap();
        let words = "mail-plugin-notice-subject = The branch saw you\nmail-plugin-notice-body = Somebody showed your papers at a branch.\n";
        std::fs::write(pages.join("en.ftl"), words).unwrap();
        let more = word(LETTER, "effects = [\"letter\"]\nletters = [\"notice\"]");
        let templates = pages.display().to_string();
        let both = requiring("\"password + plugin:word\"");
        let scene = Screens::with(engine, |it| it.with(&more).with(&both).set("templates", templates.as_str())).await;
        let world = &scene.world;
        let before = scene.mailbox.letters().len();
        let mut sent = 0;
        for turn in 0..6 {
            let mut browser = Browser::default();
            let page = browser.open(world, &Ask::native("openid")).await;
            let page = browser.submit_password(world, &page, "alice", PASSWORD).await;
            let done = answered(world, &mut browser, &page).await;
            sent += usize::from(done.has_code());
            assert_eq!(done.has_code(), turn < 5, "five letters an hour: {turn} {}", done.html);
        }
        for _ in 0..100 {
            if scene.mailbox.letters().len() >= before + sent {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let letters = scene.mailbox.letters();
        assert_eq!(letters.len(), before + 5);
        assert!(letters.iter().skip(before).all(|letter| format!("{letter:?}").contains("Somebody showed your papers")), "{letters:?}");
        // Without its words the server does not begin with it.
        std::fs::write(pages.join("en.ftl"), "").unwrap();
        let error = symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap_err().to_string();
        assert!(error.contains("mail-plugin-notice-subject"), "{error}");
        scene.world.stop().await;
        std::fs::remove_dir_all(&pages).unwrap();
    }
}

/// A browser that is sent away comes back to its own sign-in, and what it brings is the plug-in's to judge.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_goes_away_and_comes_back_to_its_own_sign_in() {
    for engine in engines() {
        let configuration = Configuration::on(engine).await;
        let here = format!("effects = [\"leave\"]\nhosts = [\"http://127.0.0.1:{}\"]", configuration.port);
        let both = requiring("\"password + plugin:word\"");
        let world = configuration.with(&word(ROUND, &here)).with(&both).start().await;
        let ask = Ask::native("openid");
        let leaving = async |browser: &mut Browser| {
            let page = browser.open(&world, &ask).await;
            let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            let away = answered(&world, browser, &page).await;
            away.location.clone().unwrap_or_else(|| panic!("nobody is led away: {}", away.html))
        };
        let mut browser = Browser::default();
        let back = leaving(&mut browser).await;
        assert!(back.contains("/plugin/word/return?state="), "{back}");
        // Somebody else's browser, a bent state, and another plug-in's address.
        let mut other = Browser::default();
        leaving(&mut other).await;
        let strange = other.get(&world, &format!("{back}&ticket=1")).await;
        assert!(strange.status == 400 && !strange.has_code(), "{} {}", strange.status, strange.html);
        for bad in [back.replace("state=", "state=A"), back.replace("/word/", "/other/")] {
            let refused = browser.get(&world, &format!("{bad}&ticket=1")).await;
            assert!(refused.status >= 400, "{bad}: {}", refused.status);
        }
        let wrong = browser.get(&world, &back).await;
        assert_eq!(wrong.problem(), "That is not the word.", "{}", wrong.html);
        let mut browser = Browser::default();
        let back = leaving(&mut browser).await;
        let done = browser.get(&world, &format!("{back}&ticket=1")).await;
        assert!(done.has_code(), "the twin: {}", done.html);
        // A host that is not listed is a failure, and the other ways stay.
        world.reload(|it| it.without("plugin").with(&word(AWAY, &here))).await;
        let mut browser = Browser::default();
        let page = browser.open(&world, &ask).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        let refused = answered(&world, &mut browser, &page).await;
        assert!(refused.location.is_none() && refused.problem().starts_with("That could not be checked"), "{}", refused.html);
        let failed = world.entries("plugin_failed").await;
        assert!(failed.last().unwrap()["reason"].as_str().unwrap().contains("elsewhere.example is not among hosts"), "{failed:?}");
        world.stop().await;
    }
}
