//! Notices about what happens on other devices reach the person, also where somebody else has just changed the address of the account. And
//! what was done there is in the account's history.

use crate::backchannel;
use crate::kiosks::{self, MEMBERS, challenge, member, nonce, proof, show};
use crate::world::*;
use std::time::Duration;
use symbolon::login::accounts;
use symbolon::store::{Change, Value};
use symbolon_phone::mailbox::Mailbox;

const OLD: &str = "alice@example.com";
const NEW: &str = "thief@example.com";

async fn mailbox() -> (Mailbox, String) {
    let mailbox = Mailbox::open().await.unwrap();
    let port = mailbox.address.port();
    let mail = "[mail]\nserver = \"127.0.0.1\"\nsecurity = \"none\"\nfrom = \"Shop <no-reply@example.com>\"\nnew_devices = false\n";
    (mailbox, format!("{mail}port = {port}\n"))
}

/// Somebody has alice's password, and has changed her address: it waits to be confirmed.
async fn change_address(world: &World) {
    let app = world.running.shared.now();
    let account = app.accounts().by_name("alice").await.unwrap().unwrap();
    assert_eq!(account.email.as_deref(), Some(OLD));
    let mut change = Change::new(app.now_ms());
    accounts::set_email(&mut change, &account.id, (account.any_email.as_deref(), account.email.as_deref()), NEW);
    let id: [u8; 16] = symbolon::seal::random().unwrap();
    let add = "INSERT INTO enrolment (id, account, means, enrolled_with, enrolled_ms, letters, told_ms, former) \
        VALUES ($1, $2, 'email', 'email', $3, 0, 0, $4)";
    change.run(add, vec![Value::from(&id[..]), account.id.as_str().into(), app.now_ms().into(), OLD.into()]);
    app.store.apply(change).await.unwrap();
}

/// To whom letters with these words have come, once there are as many as that.
async fn told(mailbox: &Mailbox, words: &str, number: usize) -> Vec<String> {
    for _ in 0..200 {
        let letters = mailbox.letters();
        let with = letters.iter().filter(|letter| letter.plain().contains(words));
        let mut to: Vec<String> = with.flat_map(|letter| letter.to.clone()).collect();
        if to.len() >= number {
            to.sort();
            return to;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no {number} letters say {words:?}");
}

/// What alice reads in her history, oldest first.
async fn history(world: &World) -> Vec<String> {
    let app = world.running.shared.now();
    let account = app.accounts().by_name("alice").await.unwrap().unwrap();
    let sql = "SELECT event FROM account_event WHERE account = $1 ORDER BY at_ms, event";
    let rows = app.store.all(sql, &[account.id.into()]).await.unwrap();
    rows.iter().map(|row| row.text("event").unwrap().to_owned()).collect()
}

/// A code that is shown twice: the letter goes to the address, and to the one before it until the new one is confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_hears_of_a_code_that_was_shown_twice() {
    for engine in engines() {
        for (changes, expected) in [(false, vec![OLD]), (true, vec![OLD, NEW])] {
            let (mailbox, mail) = mailbox().await;
            let scene = kiosks::Scene::start(engine, &mail).await;
            let mut phone = Phone { pushes: false, ..Phone::new(&scene.world, "member-app", MEMBERS) };
            let member = member(&mut phone, "orders:read").await;
            if changes {
                change_address(&scene.world).await;
            }
            let mut gate = scene.gate(&scene.gates[0]);
            let code = proof(&phone, &member.pass, Some(&nonce(&challenge(&mut gate).await)));
            assert_eq!(show(&mut gate, &code).await.status, 200);
            assert_eq!(show(&mut gate, &code).await.error(), (400, "invalid_grant"));
            assert_eq!(told(&mailbox, "shown a second time", expected.len()).await, expected);
            let history = history(&scene.world).await;
            for event in ["kiosk_visited", "kiosk_code_replayed"] {
                assert_eq!(history.iter().filter(|line| *line == event).count(), 1, "{event}: {history:?}");
            }
            scene.world.stop().await;
        }
    }
}

/// What is approved in an app is told likewise, and stands in the history with what was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_hears_of_what_was_approved() {
    for engine in engines() {
        for (changes, expected) in [(false, vec![OLD]), (true, vec![OLD, NEW])] {
            let (mailbox, mail) = mailbox().await;
            let scene = backchannel::Scene::start(engine, &mail).await;
            let (mut app, token) = scene.app("member-app", "alice").await;
            if changes {
                change_address(&scene.world).await;
            }
            for action in ["deny", "allow"] {
                scene.ask_alice("desk").await;
                let asked = app.pending(&token).await.remove(0);
                assert_eq!(app.say(&token, &asked, action, &[]).await.status, 200);
            }
            assert_eq!(told(&mailbox, "You approved what an organisation asked", expected.len()).await, expected);
            let history = history(&scene.world).await;
            let of_requests: Vec<&String> = history.iter().filter(|line| line.starts_with("backchannel_")).collect();
            assert_eq!(of_requests, ["backchannel_denied", "backchannel_approved"], "{history:?}");
            scene.world.stop().await;
        }
    }
}
