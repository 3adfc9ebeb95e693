//! A plug-in is replaced, or no longer asked for, between its question and the answer.

use crate::plugin_methods::{answered, requiring, word};
use crate::plugins::{DENY, decision, digest_of};
use crate::world::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Methods.md: what a question kept is of the plug-in that asked it. Another version asks anew, and reads nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_a_plug_in_asks_anew() {
    for engine in engines() {
        let both = requiring("\"password + plugin:word\"");
        let world = Configuration::on(engine).await.with(&word("(call $wrong)", "")).with(&both).start().await;
        let at_question = async |browser: &mut Browser| {
            let page = browser.open(&world, &Ask::native("openid")).await;
            browser.submit_password(&world, &page, "alice", PASSWORD).await
        };
        let mut browser = Browser::default();
        let page = at_question(&mut browser).await;
        // The next version would say yes to anything.
        world.reload(|it| it.without("plugin").with(&word("", ""))).await;
        let asked = answered(&world, &mut browser, &page).await;
        assert_eq!((asked.title().as_str(), world.audited("plugin_proved").await), ("Say the word", 0), "{}", asked.html);
        let done = answered(&world, &mut browser, &asked).await;
        assert!(done.has_code(), "the twin, by its own question: {}", done.html);
        // The same file with another configuration is the same plug-in.
        let mut browser = Browser::default();
        let page = at_question(&mut browser).await;
        world.reload(|it| it.without("plugin").with(&word("", "memory = 32"))).await;
        assert!(answered(&world, &mut browser, &page).await.has_code(), "the twin");
        world.stop().await;
    }
}

/// What a reload reads and compiles keeps no request waiting. The file is a pipe, which gives nothing before somebody was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_go_on_while_a_plug_in_is_loaded() {
    let world = Configuration::on(Engine::Sqlite).await.start().await;
    let bytes = decision(DENY);
    let pipe = std::env::temp_dir().join(format!("symbolon-pipe-{}", symbolon_phone::net::free_port()));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let rule = format!(
        "[plugin.rule]\nfile = '{}'\nsha256 = \"{}\"\nworld = \"decision\"\nat = [\"refresh\"]\n",
        pipe.display(),
        digest_of(&bytes)
    );
    let answered = Arc::new(AtomicBool::new(false));
    let (seen, path) = (Arc::clone(&answered), pipe.clone());
    let writing = std::thread::spawn(move || {
        let waited = (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            seen.load(Ordering::Relaxed)
        });
        std::fs::write(path, bytes).unwrap();
        waited
    });
    let asking = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let tokens = world.tokens("orders:read").await;
        answered.store(true, Ordering::Relaxed);
        tokens
    };
    let ((), tokens) = tokio::join!(world.reload(|it| it.with(&rule)), asking);
    assert!(writing.join().unwrap(), "nobody was answered before the file was read");
    let (status, body) = world.refresh(refresh_token(&tokens)).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "the twin: the rule is there: {body}");
    std::fs::remove_file(pipe).unwrap();
    world.stop().await;
}

/// A method that no policy names any more is not asked, whatever its page said.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_that_is_taken_away_judges_nothing() {
    for engine in engines() {
        for is_gone in [true, false] {
            let either = requiring("\"plugin:word\", \"password\"");
            let world = Configuration::on(engine).await.with(&word("", "")).with(&either).start().await;
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::native("openid")).await;
            let page = browser.submit(&world, &page, &[("username", "alice")], "continue").await;
            assert_eq!(page.title(), "Say the word", "{}", page.html);
            world.reload(|it| if is_gone { it.without("plugin").with(&requiring("\"password\"")) } else { it }).await;
            let next = answered(&world, &mut browser, &page).await;
            assert_eq!((next.has_code(), next.asks_for("password")), (!is_gone, is_gone), "{}", next.html);
            assert_eq!(world.audited("plugin_proved").await, usize::from(!is_gone));
            world.stop().await;
        }
    }
}
