//! A plug-in is replaced, or no longer asked for, between its question and the answer.

use crate::plugin_methods::{answered, requiring, word};
use crate::world::*;

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
