//! The catalogue of events: the code writes no other name, the page is made from it, and the command line takes no other.

use crate::backchannel;
use crate::commands::symbolon;
use crate::devices::{Tv, open_complete, televisions};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use symbolon::audit::entry::{PERSONAL, PERSONAL_REFUSALS};
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

/// Events that name a person, or could, and that are no line of the person's own history: steps on the way to another line, programs that
/// go on with what a line said, and what operators do.
const FOR_OPERATORS: &[&str] = &[
    "client_told",
    "provider_moved",
    "sign_out_passed_on",
    "access_token_revoked",
    "account_deleted",
    "backchannel_not_told",
    "backchannel_requested",
    "client_disabled",
    "client_enabled",
    "client_not_told",
    "client_proof_lost",
    "client_registered",
    "client_removed",
    "client_replaced",
    "client_sessions_ended",
    "client_token_issued",
    "code_used_twice",
    "device_enrolled",
    "device_requested",
    "email_code_sent",
    "ended_again",
    "enrolments_confirmed",
    "evidence_not_judged",
    "handover_issued",
    "instance_attested",
    "instance_revoked",
    "instance_vouched_for",
    "key_created",
    "key_rotated",
    "kiosk_asked",
    "kiosk_code_late",
    "plugin_denied",
    "plugin_noted",
    "plugin_step_up",
    "provider_account_event",
    "provider_subject_moved",
    "provider_token_given",
    "provider_token_lost",
    "provider_token_revoked",
    "push_address_set",
    "push_not_sent",
    "refresh_repeated",
    "refreshed",
    "registered",
    "registration_token_made",
    "registration_token_revoked",
    "request_pushed",
    "rewrapped",
    "sent_back_to_app",
    "sent_to_browser",
    "step_up_wanted",
    "store_behind",
    "store_recovered",
    "suspected_two_holders",
    "wallet_answered",
];
/// Endings of names that are never a line: tries, retries, and what programs fetch.
const NEVER: [&str; 7] = ["_refused", "_proved", "_retried", "_replayed", "_exchanged", "_failed", "_in_wrong_hands"];

/// Whoever adds an event decides whether the person reads it. None is in two lists, and none is in no catalogue.
#[test]
fn of_each_event_it_is_decided_whether_the_person_reads_it() {
    let personal: BTreeSet<&str> = PERSONAL.iter().chain(PERSONAL_REFUSALS).copied().collect();
    for event in events::all() {
        let is_never = NEVER.iter().any(|ending| event.name.ends_with(ending)) && !personal.contains(event.name);
        let lists = [personal.contains(event.name), FOR_OPERATORS.contains(&event.name), is_never];
        assert_eq!(lists.into_iter().filter(|is_in| *is_in).count(), 1, "{}: personal, for operators, never: {lists:?}", event.name);
    }
    for name in personal.iter().chain(FOR_OPERATORS) {
        assert!(events::is_known(name), "{name}");
    }
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
        // A label that no metric has matches nothing, and nobody hears of it. The scrape itself adds some.
        let of_scrape = ["job", "instance", "le", "quantile", "version"];
        let matchers = plain
            .split("symbolon_")
            .skip(1)
            .filter_map(|it| it.split_once('{'))
            .filter(|(metric, _)| metric.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_'));
        let matched = matchers.filter_map(|(_, rest)| rest.split('}').next()).flat_map(|it| it.split(','));
        let matched = matched.filter_map(|it| it.split(['=', '!']).next()).map(str::trim);
        let groups = plain.split("by (").skip(1).filter_map(|it| it.split(')').next()).flat_map(|it| it.split(',')).map(str::trim);
        for label in matched.chain(groups).filter(|it| !it.is_empty() && !of_scrape.contains(it)) {
            assert!(code.contains(&format!("\"{label}\" =>")), "{name}: there is no label {label}");
        }
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
            (["--account", "AAAAAAAAAAAAAAAAAAAAAA"], "it is no sub"),
            (["--client", "nope"], "there is no such client"),
            (["--instance", "nope"], "there is no such installation"),
            (["--outcome", "fine"], "write one of"),
            (["--since", "yesterday"], "is no instant"),
        ] {
            let (code, said, error) = listed(&words).await;
            assert_eq!((code, said.as_str()), (Some(1), ""), "{words:?}");
            assert!(error.contains(says), "{words:?}: {error}");
            let all = [&words[..], &["--all"]].concat();
            let (code, said, error) = listed(&all).await;
            assert_eq!((code, said.as_str()), (Some(1), ""), "{all:?}");
            assert!(error.contains(says), "{all:?}: {error}");
        }
        for words in [["--event", "code_issued"], ["--account", "alice"], ["--client", "shop-ios"], ["--since", "2020-01-31"]] {
            let (code, said, error) = listed(&words).await;
            assert_eq!(code, Some(0), "{words:?}: {error}");
            assert!(!said.is_empty(), "{words:?}");
            assert_eq!(listed(&[&words[..], &["--all"]].concat()).await.0, Some(0), "{words:?}");
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

/// Of a code, of a device and of what a client asks elsewhere, the audit says alike how well the person signed in, and whether they agreed.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_say_how_well_the_person_signed_in() {
    let whole = "[login.default]\nrequire = [\"password\"]\nacr = \"urn:whole\"\n";
    let eased = "[login.default]\nrequire = [\"password + totp\"]\nacr = \"urn:whole\"\n\
                 [[login.default.easier]]\nrequire = [\"password\"]\nclients = [\"box\", \"desk\", \"shop-ios\"]\n";
    for engine in engines() {
        for (policy, acr, is_eased) in [(whole, "urn:whole", false), (eased, "", true)] {
            let scene = backchannel::Scene::start(engine, &format!("{}{policy}", televisions())).await;
            let (world, mut browser) = (&scene.world, Browser::default());
            browser.sign_in(world, &Ask::native("orders:read"), "alice").await;
            let tv = Tv::start(world, "box", "orders:read").await;
            let page = open_complete(&mut browser, world, &tv, "alice").await;
            browser.submit(world, &page, &[("last_group", tv.last_group())], "allow").await;
            let handle = scene.ask_alice("desk").await;
            let page = browser.visit(world, "/approvals").await;
            browser.submit(world, &page, &[], "allow").await;
            assert_eq!((tv.poll(world).await.0, scene.poll("desk", &handle).await.0), (200, 200));
            for (event, has_agreed) in [("code_issued", false), ("device_approved", true), ("backchannel_approved", true)] {
                let entry = world.entries(event).await.pop().unwrap();
                let detail = &entry["detail"];
                assert_eq!((&detail["acr"], &detail["consented"]), (&json!(acr), &json!(has_agreed)), "{event}: {entry}");
                assert_eq!(detail.get("eased").is_some(), is_eased, "{event}: {entry}");
            }
            scene.world.stop().await;
        }
    }
}
