//! A wallet that the app opens by its link: the link that it leads to comes, comes late, is for somebody else's sign-in, or does not come.

use crate::native::{CHALLENGE, Thumb, code, step, world};
use crate::world::*;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use symbolon_client::native::{Operation, Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};
use symbolon_client::{SignIn, Trouble};
use tokio::sync::Notify;

/// Presses the first button of every step. The app is opened again by these links, or the person comes back with a word.
#[derive(Default)]
struct Hand {
    shown: Mutex<usize>,
    opened: Mutex<Vec<Value>>,
    comes: Mutex<VecDeque<Result<String, String>>>,
    /// Something happens between the opening of the wallet and the way back.
    meanwhile: Option<[Notify; 2]>,
    /// Something happens while a step is shown for the second time.
    second: Option<[Notify; 2]>,
}

impl Hand {
    fn of(comes: &[Result<&str, &str>]) -> Self {
        let comes = comes.iter().map(|it| it.map(str::to_owned).map_err(str::to_owned)).collect();
        Self { comes: Mutex::new(comes), ..Self::default() }
    }

    fn shown(&self) -> usize {
        *self.shown.lock().unwrap()
    }
}

impl Screens for Hand {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        *self.shown.lock().unwrap() += 1;
        let (action, times) = (step.actions[0].name.clone(), self.shown());
        Box::pin(async move {
            if let Some([shown, back]) = self.second.as_ref().filter(|_| times == 2) {
                shown.notify_one();
                back.notified().await;
            }
            Ok(Pressed { action, fields: Vec::new() })
        })
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }
}

impl Operations for Hand {
    fn knows(&self, name: &str) -> bool {
        name == "wallet_open"
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        self.opened.lock().unwrap().push(operation.options["url"].clone());
        let came = self.comes.lock().unwrap().pop_front().unwrap();
        Box::pin(async move {
            if let Some([opened, back]) = &self.meanwhile {
                opened.notify_one();
                back.notified().await;
            }
            came
        })
    }
}

/// The step that opens a wallet.
fn opening() -> Value {
    let answer =
        json!({ "action": "open_wallet", "field": "response_code", "failure_field": "open_wallet_failure", "failures": ["cancelled"] });
    let operation = json!({ "name": "wallet_open", "options": { "url": "openid4vp://?x" }, "mediation": "optional", "answer": answer });
    let actions = json!([{ "name": "open_wallet", "kind": "primary", "label": "Go on" }]);
    json!({ "kind": "wallet", "title": "T", "actions": actions, "operation": operation })
}

fn asked() -> Luck {
    Luck::Answer(403, &[], json!({ "error": "insufficient_authorization", "auth_session": "sl_2", "step": opening() }))
}

fn link() -> String {
    format!("{BACK}?wallet_state=w&response_code=r")
}

/// The app says that it opens wallets, opens this one, and brings what stands in its link. Without `wallet_open` it says nothing.
#[tokio::test]
async fn what_stands_in_the_link_is_brought_to_the_sign_in() {
    let (world, hand) = (world(), Hand::of(&[Ok(link().as_str())]));
    for luck in [step(), asked(), code()] {
        world.server.next(CHALLENGE, luck);
    }
    world.client.sign_in_natively(&SignIn::new("orders"), &hand).await.unwrap();
    let seen = world.server.seen.lock().unwrap().clone();
    let sent: Vec<_> = seen.iter().filter(|it| it.path.ends_with(CHALLENGE)).map(|it| &it.form).collect();
    assert_eq!((sent.len(), sent[1]["wallet_return"].as_str(), hand.shown()), (3, "sw", 2));
    for (name, value) in [("auth_session", "sl_2"), ("action", "open_wallet"), ("wallet_state", "w"), ("response_code", "r")] {
        assert_eq!(sent[2][name], value, "{name}");
    }
    assert_eq!(*hand.opened.lock().unwrap(), ["openid4vp://?x"]);
    assert!(!world.phone.kept.lock().unwrap().contains_key("sign-in"), "nothing waits any more");

    let (world, thumb) = (crate::native::world(), Thumb::default());
    for luck in [step(), code()] {
        world.server.next(CHALLENGE, luck);
    }
    world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap();
    assert!(!world.server.last(CHALLENGE).form.contains_key("wallet_return"), "the twin");
}

/// No wallet has answered: the server hears why, and asks anew. Nothing waits for a late link then.
#[tokio::test]
async fn why_no_wallet_answered_is_told() {
    let (world, hand) = (world(), Hand::of(&[Err("cancelled"), Ok(link().as_str())]));
    for luck in [asked(), asked(), code()] {
        world.server.next(CHALLENGE, luck);
    }
    world.client.sign_in_natively(&SignIn::new("orders"), &hand).await.unwrap();
    let seen = world.server.seen.lock().unwrap().clone();
    let told = seen.iter().filter(|it| it.path.ends_with(CHALLENGE)).nth(1).unwrap();
    assert_eq!((told.form["action"].as_str(), told.form["open_wallet_failure"].as_str()), ("open_wallet", "cancelled"));
    assert!(!told.form.contains_key("response_code") && !told.form.contains_key("wallet_state"), "{:?}", told.form);
    assert_eq!((hand.shown(), world.server.last(CHALLENGE).form["response_code"].as_str()), (2, "r"), "the twin");
}

/// The link came in another task, and its code could not be brought yet. Then the person's coming back without one is not told, and
/// a link of something else shows no step: the code is kept, and is brought later.
#[tokio::test]
async fn a_code_that_came_meanwhile_is_not_dropped() {
    let other = format!("{BACK}?code=c&state=other&iss={ISSUER}");
    for comes in [Err("cancelled"), Ok(other.as_str())] {
        let (world, hand) = (world(), Hand { meanwhile: Some(Default::default()), ..Hand::of(&[comes]) });
        for luck in [asked(), Luck::LoseRequest, Luck::LoseRequest] {
            world.server.next(CHALLENGE, luck);
        }
        let request = SignIn::new("orders");
        let elsewhere = async {
            let [opened, back] = hand.meanwhile.as_ref().unwrap();
            opened.notified().await;
            let brought = world.client.finish_natively(&link(), &hand).await;
            back.notify_one();
            brought
        };
        let (here, brought) = tokio::join!(world.client.sign_in_natively(&request, &hand), elsewhere);
        assert!(matches!(brought.unwrap_err(), Trouble::Later { .. }));
        assert!(here.is_err() && hand.shown() == 1, "the sign-in goes on elsewhere");
        let seen = world.server.seen.lock().unwrap().clone();
        assert!(seen.iter().all(|it| !it.form.contains_key("open_wallet_failure")), "{seen:?}");
        world.phone.now_s.fetch_add(10, Ordering::Relaxed);
        world.server.next(CHALLENGE, code());
        assert!(world.client.resume_natively(&hand).await.unwrap().is_some());
        assert_eq!(world.server.last(CHALLENGE).form["response_code"], "r");
    }
}

/// Whoever mails a wallet's link has the app brought a code of another sign-in. The server refuses it, and the step is still open. A link that
/// is no wallet's is not even sent.
#[tokio::test]
async fn a_link_of_another_sign_in_leaves_the_step_open() {
    let other = format!("{BACK}?code=c&state=other&iss={ISSUER}");
    let invalid = || Luck::Answer(400, &[], json!({ "error": "invalid_request" }));
    for (first, refused, count) in [(link(), Some(invalid()), 3), (other, None, 2)] {
        let (world, hand) = (world(), Hand::of(&[Ok(first.as_str()), Ok(link().as_str())]));
        for luck in [asked()].into_iter().chain(refused).chain([code()]) {
            world.server.next(CHALLENGE, luck);
        }
        world.client.sign_in_natively(&SignIn::new("orders"), &hand).await.unwrap();
        assert_eq!((hand.shown(), world.server.count(CHALLENGE)), (2, count), "{first}");
        assert_eq!(world.server.last(CHALLENGE).form["auth_session"], "sl_2", "{first}");
    }
}

/// The app is closed whenever a step is to be shown.
struct Shut;

impl Screens for Shut {
    fn show<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        Box::pin(async { Err(Unavailable("closed".to_owned())) })
    }
}

/// A link of another sign-in comes first. The code that comes after it counts, in a new process and where the wallet is waited for.
#[tokio::test]
async fn a_stray_link_takes_nothing_from_the_code_after_it() {
    let stray = format!("{BACK}?wallet_state=x&response_code=y");
    let invalid = || Luck::Answer(400, &[], json!({ "error": "invalid_request" }));
    for is_first in [true, false] {
        let (world, hand) = (away(&opening()), Hand::default());
        if is_first {
            world.server.next(CHALLENGE, invalid());
            assert!(world.client.finish_natively(&stray, &Shut).await.is_err(), "the step cannot be shown");
            assert_eq!(world.server.last(CHALLENGE).form["response_code"], "y");
            assert!(world.client.resume_natively(&hand).await.unwrap().is_none(), "it is not brought again");
        }
        world.server.next(CHALLENGE, code());
        assert!(world.client.finish_natively(&link(), &hand).await.unwrap().is_some(), "{is_first}");
        assert_eq!(world.server.last(CHALLENGE).form["response_code"], "r", "{is_first}");
    }
    for is_first in [true, false] {
        let (world, hand) = (world(), Hand { meanwhile: Some(Default::default()), ..Hand::of(&[Ok(link().as_str())]) });
        for luck in [asked()].into_iter().chain(is_first.then(invalid)).chain([code()]) {
            world.server.next(CHALLENGE, luck);
        }
        let request = SignIn::new("orders");
        let elsewhere = async {
            let [opened, back] = hand.meanwhile.as_ref().unwrap();
            opened.notified().await;
            if is_first {
                assert!(world.client.finish_natively(&stray, &Shut).await.is_err(), "the step cannot be shown");
            }
            back.notify_one();
        };
        let (here, ()) = tokio::join!(world.client.sign_in_natively(&request, &hand), elsewhere);
        here.unwrap();
        let (sent, count) = (world.server.last(CHALLENGE).form, world.server.count(CHALLENGE));
        assert_eq!((sent["response_code"].as_str(), count), ("r", 2 + usize::from(is_first)), "{is_first}");
    }
}

/// A code is kept, because the server was away. A link of another sign-in that comes then takes nothing from it, while the server is away
/// and afterwards: what came first is brought first. The twin: no such link comes. Whichever comes first, the person's own code counts.
#[tokio::test]
async fn a_stray_link_takes_nothing_from_a_code_that_is_kept() {
    let (own, stray) = (link(), format!("{BACK}?wallet_state=x&response_code=y"));
    let invalid = || Luck::Answer(400, &[], json!({ "error": "invalid_request" }));
    for (kept, comes, is_away, refused) in [
        (&own, None, true, 0),
        (&own, Some(&stray), true, 0),
        (&own, Some(&stray), false, 0),
        (&stray, Some(&own), true, 1),
        (&stray, Some(&own), false, 1),
    ] {
        let (world, hand) = (away(&opening()), Hand::default());
        for url in [Some(kept), comes.filter(|_| is_away)].into_iter().flatten() {
            for _ in 0..2 {
                world.server.next(CHALLENGE, Luck::LoseRequest);
            }
            let later = world.client.finish_natively(url, &hand).await.unwrap_err();
            assert!(matches!(later, Trouble::Later { .. }), "{later}");
        }
        let world = world.restarted();
        for luck in (0..refused).map(|_| invalid()).chain([code()]) {
            world.server.next(CHALLENGE, luck);
        }
        let done = match comes.filter(|_| !is_away) {
            Some(url) => world.client.finish_natively(url, &hand).await,
            None => world.client.resume_natively(&hand).await,
        };
        assert!(done.unwrap().is_some(), "{kept} {comes:?} {is_away}");
        let (last, count) = (world.server.last(CHALLENGE).form, world.server.count(CHALLENGE));
        assert_eq!((last["response_code"].as_str(), count, hand.shown()), ("r", refused + 1, 0), "{kept} {comes:?} {is_away}");
        assert!(world.client.resume_natively(&hand).await.unwrap().is_none(), "nothing is left of it");
    }
}

/// Somebody mails many links while the server is away. Eight codes are kept, the oldest first, so the person's own is one of them.
#[tokio::test]
async fn many_stray_links_take_nothing_from_a_code_that_is_kept() {
    let (world, hand) = (away(&opening()), Hand::default());
    let strays = (0..9).map(|number| format!("{BACK}?wallet_state=x&response_code=y{number}"));
    for url in [link()].into_iter().chain(strays) {
        for _ in 0..2 {
            world.server.next(CHALLENGE, Luck::LoseRequest);
        }
        assert!(matches!(world.client.finish_natively(&url, &hand).await, Err(Trouble::Later { .. })), "{url}");
    }
    let kept: Value = serde_json::from_str(&world.phone.kept.lock().unwrap()["sign-in"]).unwrap();
    let codes = kept["away"]["wallets"].as_array().unwrap();
    assert_eq!((codes.len(), codes[0]["response_code"].as_str()), (8, Some("r")), "{kept}");
    world.server.next(CHALLENGE, code());
    assert!(world.client.resume_natively(&hand).await.unwrap().is_some());
    assert_eq!(world.server.last(CHALLENGE).form["response_code"], "r");
}

/// The same in reverse: the person's own link comes after eight of somebody else's. Its code takes the place of the eighth, and counts once
/// the seven before it were refused.
#[tokio::test]
async fn a_code_that_comes_after_many_stray_links_is_kept() {
    let (world, hand) = (away(&opening()), Hand::default());
    let strays = (0..8).map(|number| format!("{BACK}?wallet_state=x&response_code=y{number}"));
    for url in strays.chain([link()]) {
        for _ in 0..2 {
            world.server.next(CHALLENGE, Luck::LoseRequest);
        }
        assert!(matches!(world.client.finish_natively(&url, &hand).await, Err(Trouble::Later { .. })), "{url}");
    }
    let kept: Value = serde_json::from_str(&world.phone.kept.lock().unwrap()["sign-in"]).unwrap();
    let codes: Vec<_> = kept["away"]["wallets"].as_array().unwrap().iter().map(|it| it["response_code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["y0", "y1", "y2", "y3", "y4", "y5", "y6", "r"]);
    for _ in 0..7 {
        world.server.next(CHALLENGE, Luck::Answer(400, &[], json!({ "error": "invalid_request" })));
    }
    world.server.next(CHALLENGE, code());
    assert!(world.client.resume_natively(&hand).await.unwrap().is_some());
    assert_eq!((world.server.last(CHALLENGE).form["response_code"].as_str(), world.server.count(CHALLENGE)), ("r", 8));
}

/// A code is kept, because the server was away. Then the browser answers late: with the handle of an older step, or with a no. The code
/// stays, and is brought. The twin: without such a code nothing waits any more.
#[tokio::test]
async fn a_late_answer_of_the_browser_takes_nothing_from_a_code_that_is_kept() {
    for (with, refused) in [("browser_return=sw_1", 1), ("error=access_denied", 0)] {
        for is_kept in [true, false] {
            let (world, hand) = (away(&opening()), Hand::default());
            if is_kept {
                for _ in 0..2 {
                    world.server.next(CHALLENGE, Luck::LoseRequest);
                }
                assert!(matches!(world.client.finish_natively(&link(), &hand).await, Err(Trouble::Later { .. })), "{with}");
            }
            for _ in 0..refused {
                world.server.next(CHALLENGE, Luck::Answer(400, &[], json!({ "error": "invalid_request" })));
            }
            let late = format!("{BACK}?{with}&state=s&iss={ISSUER}");
            assert!(world.client.finish_natively(&late, &Shut).await.is_err(), "the step cannot be shown");
            assert_eq!(world.server.count(CHALLENGE), refused, "{with}");
            assert_eq!(world.phone.kept.lock().unwrap().contains_key("sign-in"), is_kept, "{with}");
            world.server.next(CHALLENGE, code());
            assert_eq!(world.client.resume_natively(&hand).await.unwrap().is_some(), is_kept, "{with}");
            if is_kept {
                assert_eq!(world.server.last(CHALLENGE).form["response_code"], "r", "{with}");
            }
            assert_eq!(world.server.count(CHALLENGE), refused + usize::from(is_kept), "{with}");
        }
    }
}

/// A stray link came, and the step is shown again. The person's own link comes then, and its code is kept. It stays although the person
/// opens the wallet once more.
#[tokio::test]
async fn a_wallet_that_is_opened_again_takes_nothing_from_a_code_that_is_kept() {
    let stray = format!("{BACK}?wallet_state=x&response_code=y");
    let invalid = Luck::Answer(400, &[], json!({ "error": "invalid_request" }));
    let (world, hand) = (world(), Hand { second: Some(Default::default()), ..Hand::of(&[Ok(stray.as_str()), Err("cancelled")]) });
    for luck in [asked(), invalid, Luck::LoseRequest, Luck::LoseRequest] {
        world.server.next(CHALLENGE, luck);
    }
    let request = SignIn::new("orders");
    let elsewhere = async {
        let [shown, back] = hand.second.as_ref().unwrap();
        shown.notified().await;
        let brought = world.client.finish_natively(&link(), &hand).await;
        back.notify_one();
        brought
    };
    let (here, brought) = tokio::join!(world.client.sign_in_natively(&request, &hand), elsewhere);
    assert!(matches!(brought.unwrap_err(), Trouble::Later { .. }));
    assert!(here.is_err() && hand.shown() == 2, "the sign-in goes on elsewhere");
    world.server.next(CHALLENGE, code());
    assert!(world.client.resume_natively(&hand).await.unwrap().is_some());
    assert_eq!(world.server.last(CHALLENGE).form["response_code"], "r");
}

/// A native sign-in whose app was ended while the person was in the wallet.
fn away(step: &Value) -> World {
    let world = world();
    let away = json!({ "auth_session": "sl_2", "step": step });
    let pending = json!({ "issuer": ISSUER, "state": "s", "verifier": "v", "resource": "", "code": null, "away": away });
    world.phone.kept.lock().unwrap().insert("sign-in".to_owned(), pending.to_string());
    world
}

/// The link opens the app in a new process. A code that the server has not taken is brought again, and counts once.
#[tokio::test]
async fn a_link_in_a_new_process_goes_on_with_the_sign_in() {
    let (world, hand) = (away(&opening()), Hand::default());
    assert!(world.client.finish(&link()).await.unwrap().is_none(), "it needs the app's screens");
    for _ in 0..2 {
        world.server.next(CHALLENGE, Luck::LoseRequest);
    }
    let later = world.client.finish_natively(&link(), &hand).await.unwrap_err();
    assert!(matches!(later, Trouble::Later { .. }), "{later}");
    world.phone.now_s.fetch_add(10, Ordering::Relaxed);
    let world = world.restarted();
    world.server.next(CHALLENGE, code());
    assert!(world.client.resume_natively(&hand).await.unwrap().is_some());
    assert_eq!((world.server.last(CHALLENGE).form["wallet_state"].as_str(), hand.shown()), ("w", 0));
    assert!(world.client.finish_natively(&link(), &hand).await.unwrap().is_none(), "it was brought");
    // A sign-in that has opened no wallet takes none of its links.
    let mut other = opening();
    other["operation"]["name"] = json!("passkey_get");
    let world = away(&other);
    assert!(world.client.finish_natively(&link(), &hand).await.unwrap().is_none());
    assert_eq!(world.server.count(CHALLENGE), 0);
}
