//! Native sign-ins: what the client makes of answers that are neither a step nor a code.

use crate::world::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use symbolon_client::native::{Operation, Operations, Pressed, Screens, Step};
use symbolon_client::platform::{BoxFuture, Unavailable};
use symbolon_client::{SignIn, Trouble};

const CHALLENGE: &str = "/authorize-challenge";

/// Presses the first button of every step, and notes what the platform was told.
#[derive(Default)]
struct Thumb {
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
fn world() -> World {
    let world = World::signed_in();
    world.server.metadata.lock().unwrap()["authorization_challenge_endpoint"] = json!(format!("{ISSUER}{CHALLENGE}"));
    let mut session: Value = serde_json::from_str(&session("sr-1")).unwrap();
    session["auth_session"] = json!("sg_1");
    world.phone.kept.lock().unwrap().insert("session".to_owned(), session.to_string());
    world
}

fn step() -> Luck {
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
    let busy = || Luck::Answer(400, &[("retry-after", "1")], json!({ "error": "busy" }));
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
    }
}
