//! Native sign-ins: what the client makes of answers that are neither a step nor a code.

use crate::world::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use symbolon_client::native::{Operation, Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};
use symbolon_client::{SignIn, Trouble};

pub const CHALLENGE: &str = "/authorize-challenge";

/// Presses the first button of every step, and notes what the platform was told.
#[derive(Default)]
pub struct Thumb {
    shown: Mutex<usize>,
    told: Mutex<Vec<Value>>,
}

impl Screens for Thumb {
    fn show<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Pressed, Unavailable>> {
        *self.shown.lock().unwrap() += 1;
        let action = step.actions[0].name.clone();
        Box::pin(async move { Ok(Pressed { action, fields: Vec::new() }) })
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(self)
    }
}

impl Operations for Thumb {
    fn knows(&self, name: &str) -> bool {
        name == "passkey_signal"
    }

    fn perform<'a>(&'a self, operation: &'a Operation) -> BoxFuture<'a, Result<String, String>> {
        self.told.lock().unwrap().push(operation.options.clone());
        Box::pin(async { Ok(String::new()) })
    }
}

/// An app with a session that can be managed.
pub fn world() -> World {
    let world = World::signed_in();
    world.server.metadata.lock().unwrap()["authorization_challenge_endpoint"] = json!(format!("{ISSUER}{CHALLENGE}"));
    let mut session: Value = serde_json::from_str(&session("sr-1")).unwrap();
    session["auth_session"] = json!("sg_1");
    world.phone.kept.lock().unwrap().insert("session".to_owned(), session.to_string());
    world
}

pub fn step() -> Luck {
    let actions = json!([{ "name": "continue", "kind": "primary", "label": "Go on" }]);
    let step = json!({ "kind": "password", "title": "T", "actions": actions });
    Luck::Answer(403, &[], json!({ "error": "insufficient_authorization", "auth_session": "sl_1", "step": step }))
}

fn manage() -> SignIn {
    SignIn::new("orders").beside_session().with("prompt", "manage")
}

/// W-58: the account is gone, or the session is. The tokens go, and the platform hears which passkeys there are. Without a reason it is the
/// sign-in alone that is over, and the tokens stay.
#[tokio::test]
async fn a_session_that_ended_is_forgotten() {
    for why in ["account_deleted", "session_ended", "access_removed"] {
        let (world, thumb) = (world(), Thumb::default());
        let options = json!({ "rpId": "login.example.com", "allAcceptedCredentialIds": [] });
        let body = json!({ "error": "invalid_session", "reason": why, "operation": { "name": "passkey_signal", "options": options } });
        world.server.next(CHALLENGE, step());
        world.server.next(CHALLENGE, Luck::Answer(400, &[], body));
        let ended = world.client.sign_in_natively(&manage(), &thumb).await.unwrap_err();
        assert_eq!((ended, world.stored()), (Trouble::SignedOut(why.to_owned()), None));
        assert_eq!(*thumb.told.lock().unwrap(), [options]);
    }
    let (world, thumb) = (world(), Thumb::default());
    world.server.next(CHALLENGE, step());
    world.server.next(CHALLENGE, Luck::Answer(400, &[], json!({ "error": "invalid_session" })));
    let over = world.client.sign_in_natively(&manage(), &thumb).await.unwrap_err();
    assert!(matches!(over, Trouble::Refused { ref error, .. } if error == "invalid_session"), "the twin: {over}");
    assert_eq!(world.stored().as_deref(), Some("sr-1"));
}

/// The browser has a page of its own for the account. No authorization request asks for it.
#[tokio::test]
async fn the_account_goes_on_in_the_browser() {
    let (world, thumb) = (world(), Thumb::default());
    let page = format!("{ISSUER}/account");
    world.server.next(CHALLENGE, step());
    world.server.next(CHALLENGE, Luck::Answer(403, &[], json!({ "error": "redirect_to_web", "account_uri": page })));
    let left = world.client.sign_in_natively(&manage(), &thumb).await.unwrap_err();
    assert_eq!((left, world.server.count("/par")), (Trouble::InBrowser(page), 0));
    assert_eq!(world.stored().as_deref(), Some("sr-1"), "the session is unchanged");
    world.server.next(CHALLENGE, Luck::Answer(403, &[], json!({ "error": "redirect_to_web", "account_uri": "http://evil.example/" })));
    assert!(matches!(world.client.sign_in_natively(&manage(), &thumb).await, Err(Trouble::Wrong(_))), "no page in the clear");
    world.server.next(CHALLENGE, Luck::Answer(403, &[], json!({ "error": "redirect_to_web" })));
    world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap();
    assert_eq!(world.server.count("/par"), 1, "the twin: a sign-in goes on there");
}

/// While another answer is being checked the same one is sent again. If that does not help, the person sees the step again.
#[tokio::test]
async fn a_busy_sign_in_goes_on() {
    let busy = || Luck::Answer(400, &[("retry-after", "2")], json!({ "error": "busy" }));
    for (times, shown) in [(0, 1), (2, 1), (3, 2), (4, 2)] {
        let (world, thumb) = (world(), Thumb::default());
        world.server.next(CHALLENGE, step());
        for _ in 0..times {
            world.server.next(CHALLENGE, busy());
        }
        world.server.next(CHALLENGE, Luck::Answer(200, &[], json!({ "authorization_code": "c" })));
        world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap();
        assert_eq!((*thumb.shown.lock().unwrap(), world.server.count(CHALLENGE)), (shown, 2 + times), "{times}");
        assert_eq!(world.server.last(CHALLENGE).form["auth_session"], "sl_1", "{times}");
        let waited_s = world.phone.now_s.load(Ordering::Relaxed) - 1_000_000;
        assert_eq!(waited_s, i64::try_from(times).unwrap() * 2, "as Retry-After says: {times}");
    }
}

/// A server that is away for a moment gets the same answer again. One that asks for more time, or stays away, is `Later`.
#[tokio::test]
async fn a_server_that_is_away_for_a_moment_gets_the_answer_again() {
    const TWO: &[(&str, &str)] = &[("retry-after", "2")];
    const FIVE: &[(&str, &str)] = &[("retry-after", "5")];
    const SIX: &[(&str, &str)] = &[("retry-after", "6")];
    for (status, wait, times, sent, is_done) in
        [(503, TWO, 2, 4, true), (429, FIVE, 1, 3, true), (503, TWO, 3, 4, false), (503, SIX, 1, 2, false)]
    {
        let (world, thumb) = (world(), Thumb::default());
        world.server.next(CHALLENGE, step());
        for _ in 0..times {
            world.server.next(CHALLENGE, Luck::Answer(status, wait, json!({ "error": "temporarily_unavailable" })));
        }
        world.server.next(CHALLENGE, Luck::Answer(200, &[], json!({ "authorization_code": "c" })));
        let outcome = world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await;
        assert_eq!((*thumb.shown.lock().unwrap(), world.server.count(CHALLENGE)), (1, sent), "{status} {wait:?} {times}");
        match outcome {
            Ok(_) => assert!(is_done, "{status} {wait:?} {times}"),
            Err(why) => assert!(!is_done && matches!(why, Trouble::Later { after_s: Some(_), .. }), "{status} {wait:?} {times}: {why}"),
        }
    }
}

/// An app that may not show the account is refused: the browser's sign-in has no `prompt=manage`. The twin: a sign-in goes on there.
#[tokio::test]
async fn the_account_of_an_app_that_may_not_show_it_leads_to_no_browser() {
    let (world, thumb) = (world(), Thumb::default());
    let refused = || Luck::Answer(400, &[], json!({ "error": "unauthorized_client" }));
    world.server.next(CHALLENGE, refused());
    let why = world.client.sign_in_natively(&manage(), &thumb).await.unwrap_err();
    assert!(matches!(why, Trouble::Refused { ref error, .. } if error == "unauthorized_client"), "{why}");
    assert_eq!((world.server.count("/par"), world.stored().as_deref()), (0, Some("sr-1")));
    world.server.next(CHALLENGE, refused());
    world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap();
    assert_eq!(world.server.count("/par"), 1, "the twin");
}

fn to_browser() -> Luck {
    let body = json!({ "error": "redirect_to_web", "request_uri": "urn:x", "expires_in": 90, "auth_session": "sl_2" });
    Luck::Answer(403, &[], body)
}

pub fn code() -> Luck {
    Luck::Answer(200, &[], json!({ "authorization_code": "native" }))
}

/// The handle is brought to the sign-in that waits. Whatever else comes of the browser, its step is still open and shown again.
#[tokio::test]
async fn the_browser_brings_a_handle_or_the_step_is_still_open() {
    let answered = |with: &str| format!("{BACK}?{with}&state=STATE&iss={ISSUER}");
    let handle = Some(answered("browser_return=sw_1"));
    let invalid = || Luck::Answer(400, &[], json!({ "error": "invalid_request" }));
    for (back, refused, shown) in
        [(handle.clone(), None, 1), (handle, Some(invalid()), 2), (Some(answered("error=access_denied")), None, 2), (None, None, 2)]
    {
        let (world, thumb) = (world(), Thumb::default());
        *world.phone.back.lock().unwrap() = back.clone().into_iter().collect();
        for luck in [step(), to_browser()].into_iter().chain(refused).chain([code()]) {
            world.server.next(CHALLENGE, luck);
        }
        world.client.sign_in_natively(&SignIn::new("orders").coming_back(), &thumb).await.unwrap();
        let last = world.server.last(CHALLENGE).form;
        assert_eq!((*thumb.shown.lock().unwrap(), &last["auth_session"]), (shown, &"sl_2".to_owned()), "{back:?}");
        assert_eq!(last.get("browser_return").map(String::as_str), (shown == 1).then_some("sw_1"), "{back:?}");
        assert_eq!(world.server.last("/token").form["code"], "native");
    }
}

/// The operating system ended the app meanwhile: the sign-in is stored with its step, and goes on in the new process. Another answer
/// changes nothing.
#[tokio::test]
async fn a_sign_in_goes_on_in_a_new_process() {
    let ((world, url), thumb) = (away(false), Thumb::default());
    for other in [url.replace("state=s", "state=t"), url.replace("/cb", "/other")] {
        if other != url {
            assert!(world.client.finish_natively(&other, &thumb).await.unwrap().is_none(), "{other}");
        }
    }
    assert!(world.client.finish(&url).await.unwrap().is_none(), "it needs the app's screens");
    world.server.next(CHALLENGE, code());
    assert!(world.client.finish_natively(&url, &thumb).await.unwrap().is_some(), "the twin");
    assert_eq!(world.server.last(CHALLENGE).form["browser_return"], "sw_1");
}

/// A native sign-in that waits for the browser in a new process, and the redirect that it waits for.
fn away(is_beside: bool) -> (World, String) {
    let world = world();
    let open = json!({ "kind": "password", "title": "T", "actions": [{ "name": "continue", "kind": "primary", "label": "Go on" }] });
    let mut away = json!({ "auth_session": "sl_2", "step": open });
    if is_beside {
        away["is_beside"] = json!(true);
    }
    let pending = json!({ "issuer": ISSUER, "state": "s", "verifier": "v", "resource": "", "code": null, "away": away });
    world.phone.kept.lock().unwrap().insert("sign-in".to_owned(), pending.to_string());
    (world, format!("{BACK}?browser_return=sw_1&state=s&iss={ISSUER}"))
}

/// The session ended while the person was in the browser: its tokens go. The twin: a sign-in that is not beside it leaves them.
#[tokio::test]
async fn a_session_that_ended_meanwhile_is_forgotten() {
    for (is_beside, left) in [(true, None), (false, Some("sr-1"))] {
        let ((world, url), thumb) = (away(is_beside), Thumb::default());
        let body = json!({ "error": "invalid_session", "reason": "session_ended" });
        world.server.next(CHALLENGE, Luck::Answer(400, &[], body));
        let ended = world.client.finish_natively(&url, &thumb).await.unwrap_err();
        assert_eq!((ended, world.stored().as_deref()), (Trouble::SignedOut("session_ended".to_owned()), left));
    }
    // The app itself notes it when it leaves.
    let (world, thumb) = (world(), Thumb::default());
    *world.phone.back.lock().unwrap() = [format!("{BACK}?browser_return=sw_1&state=STATE&iss={ISSUER}")].into();
    for luck in [step(), to_browser(), Luck::LoseRequest, Luck::LoseRequest] {
        world.server.next(CHALLENGE, luck);
    }
    let later = world.client.sign_in_natively(&manage().coming_back(), &thumb).await.unwrap_err();
    assert!(matches!(later, Trouble::Later { .. }), "{later}");
    let kept: Value = serde_json::from_str(&world.phone.kept.lock().unwrap()["sign-in"]).unwrap();
    assert_eq!((&kept["away"]["is_beside"], &kept["away"]["handle"]), (&json!(true), &json!("sw_1")), "{kept}");
}

/// A handle that the server has not taken is brought again: while another answer is being checked, and after no answer or a 503.
#[tokio::test]
async fn a_handle_is_brought_until_it_is_taken() {
    let busy = || Luck::Answer(400, &[("retry-after", "1")], json!({ "error": "busy" }));
    let (world, url) = away(false);
    for _ in 0..4 {
        world.server.next(CHALLENGE, busy());
    }
    world.server.next(CHALLENGE, code());
    let thumb = Thumb::default();
    assert!(world.client.finish_natively(&url, &thumb).await.unwrap().is_some());
    assert_eq!((*thumb.shown.lock().unwrap(), world.server.count(CHALLENGE)), (0, 5), "the open step is not shown");
    let gone = || vec![Luck::LoseRequest, Luck::LoseRequest];
    let unwell = || vec![Luck::Answer(503, &[("retry-after", "1")], json!({}))];
    for lost in [gone(), unwell(), (0..12).map(|_| busy()).collect()] {
        for is_delivered_again in [false, true] {
            let ((world, url), thumb) = (away(false), Thumb::default());
            for luck in lost.clone() {
                world.server.next(CHALLENGE, luck);
            }
            let later = world.client.finish_natively(&url, &thumb).await.unwrap_err();
            assert!(matches!(later, Trouble::Later { .. }), "{later}");
            world.phone.now_s.fetch_add(10, Ordering::Relaxed);
            let world = world.restarted();
            world.server.next(CHALLENGE, code());
            let done = if is_delivered_again {
                world.client.finish_natively(&url, &thumb).await
            } else {
                world.client.resume_natively(&thumb).await
            };
            assert!(done.unwrap().is_some(), "{lost:?}");
            assert_eq!(world.server.last(CHALLENGE).form["browser_return"], "sw_1");
            assert!(world.client.resume_natively(&thumb).await.unwrap().is_none(), "nothing is left of it");
        }
    }
}

/// The same link twice at once, and once more later: it is brought once, and one of them signs in.
#[tokio::test]
async fn a_link_that_is_delivered_twice_is_brought_once() {
    let ((world, url), thumb) = (away(false), Thumb::default());
    world.server.next(CHALLENGE, step());
    world.server.next(CHALLENGE, code());
    let (one, other) = tokio::join!(world.client.finish_natively(&url, &thumb), world.client.finish_natively(&url, &thumb));
    let done = [one.unwrap().is_some(), other.unwrap().is_some()];
    assert!(done[0] != done[1], "{done:?}");
    assert!(world.client.finish_natively(&url, &thumb).await.unwrap().is_none(), "it is gone");
    let brought = world.server.seen.lock().unwrap().iter().filter(|it| it.form.contains_key("browser_return")).count();
    assert_eq!((brought, *thumb.shown.lock().unwrap(), world.server.count("/token")), (1, 1, 1));
}

/// How a person said no, and what the server's log calls a refusal.
#[tokio::test]
async fn the_app_hears_why_and_which_request() {
    for reason in ["cancelled", "denied", "not_started"] {
        let (world, thumb) = (world(), Thumb::default());
        world.server.next(CHALLENGE, Luck::Answer(400, &[], json!({ "error": "access_denied", "reason": reason })));
        let no = world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap_err();
        assert_eq!(no, Trouble::Cancelled { reason: Some(reason.to_owned()) });
    }
    let (world, thumb) = (world(), Thumb::default());
    world.server.next(CHALLENGE, Luck::Answer(400, &[("x-request-id", "r-7")], json!({ "error": "invalid_scope" })));
    let refused = world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap_err();
    assert!(matches!(&refused, Trouble::Refused { request_id: Some(id), .. } if id == "r-7"), "{refused:?}");
    world.server.next(CHALLENGE, Luck::Answer(500, &[("x-request-id", "r-8")], json!({})));
    let later = world.client.sign_in_natively(&SignIn::new("orders"), &thumb).await.unwrap_err();
    assert!(matches!(&later, Trouble::Later { why, .. } if why.contains("r-8")), "{later:?}");
}
