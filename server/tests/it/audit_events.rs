//! The catalogue of events: the code writes no other name, the page is made from it, and the command line takes no other.

use crate::commands::symbolon;
use crate::world::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use symbolon::audit::events;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().flatten().map(|it| it.path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The names that the source gives entries, wherever a text stands where an event belongs.
fn names_in(text: &str) -> BTreeSet<String> {
    let before = ["Entry::ok(", "Entry::refused(", "actor.entry(", "event: ", "event = ", "const REFUSED: &str = ", "let event = if "];
    let quoted = |rest: &str| rest.strip_prefix('"').and_then(|it| it.split('"').next()).map(str::to_owned);
    before.iter().flat_map(|mark| text.split(mark).skip(1).filter_map(quoted)).collect()
}

#[test]
fn every_event_of_the_code_is_in_the_catalogue_and_no_other() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&source).into_iter().filter(|it| !it.ends_with("audit/events.rs"));
    let all: Vec<(PathBuf, String)> = files.filter_map(|it| Some((it.clone(), std::fs::read_to_string(it).ok()?))).collect();
    for (path, text) in all.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "rs")) {
        let code = text.split("#[cfg(test)]").next().unwrap();
        for name in names_in(code) {
            assert!(events::is_known(&name), "{}: {name} is in no catalogue", path.display());
        }
    }
    for event in events::all() {
        let quoted = format!("\"{}\"", event.name);
        assert!(all.iter().any(|(_, text)| text.contains(&quoted)), "nothing writes {}", event.name);
    }
    let names: BTreeSet<&str> = events::all().map(|it| it.name).collect();
    assert_eq!(names.len(), events::all().count(), "one name, one line");
}

#[test]
fn the_page_of_events_is_made_from_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/audit.md");
    assert_eq!(std::fs::read_to_string(path).unwrap(), events::markdown(), "run `cargo xtask docs`");
}

/// What the dashboard and the alert rules ask for is there.
#[test]
fn the_dashboard_and_the_alerts_name_real_metrics_and_events() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = sources(&root.join("src"));
    let code: String = files.iter().filter_map(|it| std::fs::read_to_string(it).ok()).collect();
    for name in ["grafana.json", "alerts.yml"] {
        let text = std::fs::read_to_string(root.parent().unwrap().join("deploy").join(name)).unwrap();
        let words = text.split(|it: char| !it.is_ascii_lowercase() && it != '_');
        let metrics: BTreeSet<&str> = words.filter(|it| it.starts_with("symbolon_")).map(|it| it.trim_end_matches("_bucket")).collect();
        assert!(metrics.len() > 5, "{name}: {metrics:?}");
        for metric in metrics {
            assert!(code.contains(&format!("\"{metric}\"")), "{name}: there is no {metric}");
        }
        let plain = text.replace('\\', "");
        let asked = plain.split("event=").skip(1).filter_map(|it| it.split('"').nth(1));
        for event in asked.flat_map(|it| it.split('|')) {
            assert!(events::is_known(event), "{name}: there is no event {event}");
        }
    }
}

/// A filter that can match nothing is an error, and its twin finds entries.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_known_is_refused() {
    on_every_engine(|world| async move {
        world.tokens("openid orders:read").await;
        let sub = world.person("bob").await;
        let listed = async |words: &[&str]| {
            let words: Vec<&str> = ["audit"].iter().chain(words).copied().collect();
            symbolon(&world.file(), &words, "").await
        };
        for (words, says) in [
            (["--event", "nope"], "there is no such event"),
            (["--event", "code_isued"], "did you mean code_issued?"),
            (["--event", ""], "there is no such event"),
            (["--account", "nobody"], "nobody signs in as nobody"),
            (["--client", "nope"], "there is no such client"),
            (["--instance", "nope"], "there is no such installation"),
            (["--outcome", "fine"], "write one of"),
            (["--since", "yesterday"], "is no instant"),
        ] {
            let (code, said, error) = listed(&words).await;
            assert_eq!((code, said.as_str()), (Some(1), ""), "{words:?}");
            assert!(error.contains(says), "{words:?}: {error}");
        }
        for words in [["--event", "code_issued"], ["--account", "alice"], ["--client", "shop-ios"], ["--since", "2020-01-31"]] {
            let (code, said, error) = listed(&words).await;
            assert_eq!(code, Some(0), "{words:?}: {error}");
            assert!(!said.is_empty(), "{words:?}");
        }
        for words in [["instance", "revoke", "--client", "nope"], ["instance", "list", "--client", "nope"]] {
            let (code, _, error) = symbolon(&world.file(), &words, "").await;
            assert!(code == Some(1) && error.contains("there is no client nope"), "{words:?}: {error}");
            let known: Vec<&str> = words.iter().map(|it| if *it == "nope" { "shop-ios" } else { it }).collect();
            assert_eq!(symbolon(&world.file(), &known, "").await.0, Some(0), "{known:?}");
        }
        let of_name = listed(&["--account", "bob"]).await.1;
        assert_eq!(of_name, listed(&["--account", &sub]).await.1, "a login name and its sub are one person");
        let entry: Json = serde_json::from_str(of_name.lines().next().unwrap()).unwrap();
        assert_eq!(entry["account"].as_str(), Some(sub.as_str()));
        let (code, said, _) = listed(&["--client", "robot"]).await;
        assert_eq!((code, said.as_str()), (Some(0), ""), "a client that there is and that did nothing");
        world.stop().await;
    })
    .await;
}
