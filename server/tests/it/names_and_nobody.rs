//! 300-H: no page that takes a name tells who has an account. Not by its status, text and size, and not by the number of tries until each
//! limit. The names are drawn anew at every run.

use crate::world::mail::{Post, on_every_engine};
use crate::world::*;
use symbolon::login::accounts::{self, NewAccount};
use symbolon::store::Change;

/// Five letters of chance, so that what names are written on has one size.
fn name() -> String {
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    symbolon::seal::random::<5>().unwrap().iter().map(letter).collect()
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Password,
    Reset,
    SendAgain,
}

/// What somebody at the page can tell.
type Seen = (u16, &'static str, String, usize);

fn seen(page: &Page, said: &str) -> Seen {
    let text = page.text().replace(said, "NAME").replace(said.trim(), "NAME");
    (page.status, page.kind(), text, page.html.replace(said.trim(), "").len())
}

fn is_limited(page: &Page) -> bool {
    page.says("Too many attempts") || page.says("We sent several codes already")
}

/// What each of so many tries shows to a stranger at this address.
async fn tries(post: &Post, door: Door, address: &str, names: &[String]) -> Vec<(bool, Seen)> {
    let world = &post.world;
    let mut shown = Vec::new();
    let mut open: Option<(Browser, Page)> = None;
    for (at, name) in names.iter().enumerate() {
        // One that is tried on many people would be judged no more.
        let wrong = format!("wrong {address} {at}");
        let (browser, page) = match (door, open.take()) {
            (Door::SendAgain, Some((mut browser, page))) => {
                let page = browser.submit(world, &page, &[], "resend").await;
                (browser, page)
            }
            (Door::Password, _) => {
                let mut browser = Browser::at(address);
                let page = browser.open(world, &Ask::native("openid")).await;
                let page = browser.submit_password(world, &page, name, &wrong).await;
                (browser, page)
            }
            (Door::Reset | Door::SendAgain, _) => {
                let mut browser = Browser::at(address);
                let page = browser.visit(world, "/reset").await;
                let page = browser.submit(world, &page, &[("username", name)], "continue").await;
                (browser, page)
            }
        };
        shown.push((is_limited(&page), seen(&page, name)));
        open = Some((browser, page));
    }
    shown
}

fn repeated(names: &[String], times: usize) -> Vec<String> {
    names.iter().cycle().take(times * names.len()).cloned().collect()
}

/// Three names that somebody has, and three that nobody has.
async fn drawn(world: &World) -> Vec<String> {
    let names: Vec<String> = (0..6).map(|_| name()).collect();
    for name in &names[..3] {
        world.person(name).await;
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_and_nobody_look_the_same_at_every_page() {
    on_every_engine(|post| async move {
        let mut line = 0;
        for (door, limit) in [(Door::Password, 10), (Door::Reset, 5), (Door::SendAgain, 5)] {
            let names = drawn(&post.world).await;
            let mut all = Vec::new();
            for name in &names {
                line += 1;
                let shown = tries(&post, door, &format!("203.0.113.{line}"), &vec![name.clone(); 12]).await;
                assert_eq!(shown.iter().position(|(limited, _)| *limited), Some(limit), "{door:?} {name}: {shown:?}");
                all.push(shown);
            }
            for (name, shown) in names.iter().zip(&all) {
                assert_eq!(shown, &all[0], "{door:?}: {name} and {}", names[0]);
            }
        }
        post.world.stop().await;
    })
    .await;
}

/// However a name is written, it is one name. A person's name and address are two, as two names of nobody are.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_key_for_somebody_and_for_nobody() {
    on_every_engine(|post| async move {
        let mut line = 0;
        for door in [Door::Password, Door::Reset] {
            let names = drawn(&post.world).await;
            let (mut spelt, mut doubled) = (Vec::new(), Vec::new());
            for name in &names {
                line += 1;
                let spellings = [format!(" {name}"), format!("{name} "), name.clone(), name.to_uppercase()];
                let shown = tries(&post, door, &format!("203.0.113.{line}"), &repeated(&spellings, 3)).await;
                spelt.push(shown.iter().position(|(limited, _)| *limited));
                line += 1;
                let both = [name.clone(), format!("{name}@example.com")];
                let shown = tries(&post, door, &format!("203.0.113.{line}"), &repeated(&both, 12)).await;
                doubled.push(shown.iter().map(|(limited, _)| *limited).collect::<Vec<_>>());
            }
            let limit = if matches!(door, Door::Password) { 10 } else { 5 };
            assert_eq!(spelt, vec![Some(limit); 6], "{door:?}: one key");
            assert!(doubled.iter().all(|it| it == &doubled[0]), "{door:?}: {doubled:?}");
        }
        post.world.stop().await;
    })
    .await;
}

/// Names that an earlier version took, and this one does not, let their people in. Nobody gets such a name anew. In a form of another width
/// one is the plain name.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_earlier_versions_let_their_people_in() {
    let wide = |name: &str| name.chars().map(|it| char::from_u32(u32::from(it) + 0xfee0).unwrap()).collect::<String>();
    for engine in engines() {
        let world = World::start(engine).await;
        let signed_in = async |typed: &str| {
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let page = browser.submit_password(&world, &page, typed, PASSWORD).await;
            if !page.has_code() {
                return None;
            }
            world.entries("password_proved").await.pop().map(|entry| entry["account"].as_str().unwrap().to_owned())
        };
        let store = world.running.shared.now().store.clone();
        for odd in ["zoe\u{b2}".to_owned(), "zoe\u{3164}".to_owned(), wide("alice")] {
            let owner = world.person(&name()).await;
            let before = signed_in(&odd).await;
            assert!(before.as_ref() != Some(&owner) && before.is_some() == (odd == wide("alice")), "{odd}: {before:?}");
            let mut change = Change::new(0);
            change.run("INSERT INTO login_name (name, account) VALUES ($1, $2)", vec![odd.as_str().into(), owner.as_str().into()]);
            store.apply(change).await.unwrap();
            for typed in [odd.clone(), format!(" {} ", odd.to_uppercase())] {
                assert_eq!(signed_in(&typed).await.as_ref(), Some(&owner), "{typed:?}");
            }
            let new = NewAccount { login_names: vec![format!("x{odd}")], ..NewAccount::default() };
            let app = world.running.shared.now();
            let made = accounts::create(&app.store, app.machine.hashers(), new, app.now_ms()).await;
            assert_eq!(made.is_ok(), odd == wide("alice"), "{odd}");
        }
        assert_ne!(signed_in("alice").await, signed_in(&wide("alice")).await);
        drop(store);
        world.stop().await;
    }
}
