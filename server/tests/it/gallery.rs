//! Every page that a person can see, in every language of ours: none is forgotten, and each says what a page must say.
//! With `SYMBOLON_PAGES` set to a directory, the pages are written there. `cargo xtask screenshots` takes pictures of them.

mod account;
mod asked_by_others;
mod beside;
mod sign_in;

use crate::world::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use symbolon::login::step::{Step, Text};
use symbolon::pages::{ErrorPage, PageContext};

/// All pages, as they are shown together. A name is the kind of a step, or what a template calls itself.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "signing-in",
        &[
            "password",
            "identify",
            "email_send",
            "email_code",
            "totp",
            "recovery_code",
            "passkey",
            "select_account",
            "consent",
            "detour",
            "unvouched",
            "leave",
            "form_post",
            "continue",
        ],
    ),
    (
        "beginning",
        &[
            "register",
            "reset",
            "new_password",
            "enrol_totp",
            "recovery_codes",
            "enrol_passkey",
            "offer_passkey",
            "waits",
            "ticket",
            "regain",
        ],
    ),
    (
        "account",
        &[
            "account",
            "new_name",
            "new_language",
            "new_email",
            "new_user_code",
            "remove_totp",
            "remove_passkey",
            "link",
            "unlink",
            "end_session",
            "end_other_sessions",
            "forget_device",
            "revoke_app",
            "export",
            "exported",
            "delete_account",
            "account_deleted",
            "session_ended",
        ],
    ),
    (
        "devices",
        &[
            "device_code",
            "device",
            "device_approved",
            "device_denied",
            "approval",
            "approval_given",
            "approval_refused",
            "approval_none",
            "approval_other",
            "handover",
        ],
    ),
    (
        "others",
        &[
            "upstream",
            "upstream_unknown",
            "wallet",
            "wallet_elsewhere",
            "wallet_number",
            "wallet_number_none",
            "wallet_stopped",
            "plugin_begin",
            "plugin",
            "plugin_on_the_way",
            "plugin_away",
        ],
    ),
    (
        "letters",
        &[
            "stop_password",
            "stop_email",
            "stop_totp",
            "stop_recovery",
            "stop_passkey",
            "stop_identity",
            "stop_regain",
            "stop_session",
            "stopped",
            "stopped_session",
            "stop_over",
        ],
    ),
    (
        "ends",
        &[
            "home",
            "logout",
            "signed_out",
            "not_signed_in",
            "over",
            "elsewhere",
            "done",
            "error-app",
            "error-over",
            "error-not_found",
            "error-busy",
            "error-away",
            "error-fault",
        ],
    ),
];

/// Pages that these tests draw from their step alone, because nobody gets there without a breakage, a week's wait or another program. Their
/// step in the product is as short as here.
const DRAWN: [(&str, &str); 15] = [
    ("stop_password", "stop"),
    ("stop_email", "stop"),
    ("stop_totp", "stop"),
    ("stop_recovery", "stop"),
    ("stop_passkey", "stop"),
    ("stop_identity", "stop"),
    ("stop_regain", "stop"),
    ("stop_session", "stop"),
    ("stopped", ""),
    ("stopped_session", ""),
    ("session_ended", ""),
    ("plugin_on_the_way", "continue"),
    ("plugin_away", "try_again"),
    ("wallet_number_none", ""),
    ("wallet_stopped", ""),
];

/// Titles that a page of another name has at times.
const SHOWN_BY: [(&str, &str); 2] = [("upstream_on_the_way", "upstream"), ("wallet_on_the_way", "wallet")];

/// Titles that no page has: steps of apps, which have no page here, a method of the tests, and a kind of error's common title.
const NO_PAGES: [&str; 11] = [
    "manage",
    "manage_passkeys",
    "manage_links",
    "manage_sessions",
    "manage_devices",
    "manage_apps",
    "manage_history",
    "new_passkey_name",
    "wallet_open",
    "error",
    "form-post",
];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages").join(path)
}

fn listed() -> BTreeSet<&'static str> {
    GROUPS.iter().flat_map(|(_, pages)| pages.iter().copied()).collect()
}

/// The list has a page for every title that there is a message for, in each language, and for every template.
#[test]
fn no_page_is_forgotten_in_the_list() {
    let listed = listed();
    assert_eq!(listed.len(), GROUPS.iter().map(|(_, pages)| pages.len()).sum::<usize>(), "a page stands there twice");
    for language in ["en", "de"] {
        let text = std::fs::read_to_string(source(&format!("locales/{language}.ftl"))).unwrap();
        let titles: Vec<&str> = text.lines().filter_map(|line| line.split_once("-title = ").map(|(kind, _)| kind)).collect();
        let is_shown = |kind: &str| listed.contains(kind) || SHOWN_BY.iter().any(|(title, by)| *title == kind && listed.contains(by));
        let missing: Vec<&&str> = titles.iter().filter(|kind| !is_shown(kind) && !NO_PAGES.contains(kind)).collect();
        assert!(titles.len() > 70 && missing.is_empty(), "{language}: in no group of the gallery: {missing:?}");
        let kinds = text.lines().filter_map(|line| line.strip_prefix("error-lead-")?.split_once(" = ").map(|(kind, _)| kind));
        let missing: Vec<&str> = kinds.filter(|kind| !listed.contains(format!("error-{kind}").as_str())).collect();
        assert!(missing.is_empty(), "{language}: errors in no group of the gallery: {missing:?}");
        let gone: Vec<&&str> = NO_PAGES.iter().filter(|kind| !titles.contains(kind)).collect();
        assert!(gone.is_empty(), "{language}: no message any more: {gone:?}");
    }
    for entry in std::fs::read_dir(source("templates")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some(page) = text.split("{% block page %}").nth(1).and_then(|rest| rest.split("{% endblock %}").next()) else { continue };
        let is_fixed = !page.is_empty() && !page.contains('{');
        assert!(!is_fixed || listed.contains(page), "the template of {page} is in no group of the gallery");
    }
}

/// All pages in this language.
async fn walk(language: &'static str) -> Album {
    let album = Album::new(language);
    tokio::join!(
        Box::pin(sign_in::walk(&album)),
        Box::pin(account::walk(&album)),
        Box::pin(asked_by_others::walk(&album)),
        Box::pin(beside::walk(&album)),
    );
    draw(&album).await;
    album
}

/// What nobody gets to in a test.
async fn draw(album: &Album) {
    let world = World::start(Engine::Sqlite).await;
    let app = world.running.shared.now();
    for (kind, action) in DRAWN {
        let base = world.issuer.clone();
        let step = if action.is_empty() { Step::new(kind) } else { Step::new(kind).primary(action) };
        let mut step = Step { title: step.title.with("label", "Branch visit"), ..step };
        if kind == "plugin_away" {
            step.text.push(Text::new("plugin_away-call").with("call", "0123456789abcdef0123456789abcdef"));
        }
        let context = PageContext {
            locale: album.language.to_owned(),
            form_action: base.clone(),
            form_token: String::new(),
            hidden: Vec::new(),
            onward: kind.starts_with("stopped").then(|| world.url("/account")),
            refresh: false,
            embedded: false,
            own_browser: None,
            base,
        };
        album.keep_html(app.pages.step(&step, &context).unwrap());
    }
    for (kind, status, code) in [("busy", 429, "slow_down"), ("away", 503, "temporarily_unavailable"), ("fault", 500, "server_error")] {
        let (code, hint, id) = (code.to_owned(), "What went wrong, in the words for developers.".to_owned(), "4vH2kQw9sZ1b".to_owned());
        let error = ErrorPage { status, kind, code, hint, id };
        album.keep_html(app.pages.error(&error, album.language, &world.issuer).unwrap());
    }
    drop(app);
    world.stop().await;
}

/// Every page is reached in both languages, in the same way, and has what each page must have.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_shown_in_both_languages() {
    let (english, german) = tokio::join!(walk("en"), walk("de"));
    for album in [&english, &german] {
        let shown: BTreeSet<String> = album.pages().into_iter().map(|one| one.page).collect();
        let known = listed();
        let missing: Vec<&&str> = known.iter().filter(|page| !shown.contains(**page) && !is_left_out(page)).collect();
        assert!(missing.is_empty(), "{}: nobody got to {missing:?}", album.language);
        let unknown: Vec<&String> = shown.iter().filter(|page| !known.contains(page.as_str())).collect();
        assert!(unknown.is_empty(), "{}: in no group of the gallery: {unknown:?}", album.language);
        let faults: Vec<String> = album.pages().iter().flat_map(|one| faults(album.language, &one.html)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
    let names = |album: &Album| album.pages().into_iter().map(|one| (one.page, one.variant)).collect::<BTreeSet<_>>();
    let one_sided: Vec<_> = names(&english).symmetric_difference(&names(&german)).cloned().collect();
    assert!(one_sided.is_empty(), "in one language alone: {one_sided:?}");
    if let Ok(directory) = std::env::var("SYMBOLON_PAGES") {
        for album in [english, german] {
            write(Path::new(&directory), &album);
        }
    }
}

/// Without the sandbox there are no plug-ins.
fn is_left_out(page: &str) -> bool {
    !cfg!(feature = "plugins") && page.starts_with("plugin")
}

/// What is wrong with a page. Each label names a field, each page has one heading and a title, no message is missing.
fn faults(language: &str, html: &str) -> Vec<String> {
    let scripts = html.split("<script>").skip(1).filter_map(|rest| rest.split("</script>").next());
    let words = scripts.fold(html.to_owned(), |words, script| words.replacen(script, "", 1));
    let page = Page { status: 200, location: None, headers: Default::default(), html: words };
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{language} {}: {what}", page.name().unwrap_or_default()));
        }
    };
    must(html.contains(&format!("<html lang=\"{language}\">")), "the language of the document");
    must(html.matches("<h1>").count() == 1 && !page.title().trim().is_empty(), "one heading");
    let title = html.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    must(!title.trim_matches([' ', '·']).is_empty(), "a title");
    for key in ["-title", "-lead", "field-", "action-", "problem-", "account-", "event-"] {
        must(!page.text().contains(key), &format!("a message is missing: {key}"));
    }
    let text = page.text();
    let around = |at: usize| text.chars().skip(text[..at].chars().count().saturating_sub(60)).take(120).collect::<String>();
    // What a client may write has no such place: its details are JSON.
    if let Some(at) = text.find("{ $").or_else(|| text.find("{$")).or_else(|| text.find("undefined")) {
        must(false, &format!("a place in a message stayed empty: {}", around(at)));
    }
    for tag in html.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
        let id = tag.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next());
        let is_hidden = tag.contains("type=\"hidden\"");
        must(is_hidden || id.is_some_and(|id| html.contains(&format!("for=\"{id}\""))), &format!("a field without a label: {tag}"));
    }
    for text in html.split("<button").skip(1).filter_map(|rest| rest.split_once('>')?.1.split_once("</button>").map(|(text, _)| text)) {
        must(!text.trim().is_empty(), "a button without words");
    }
    found
}

/// The twins: a page that is as it must be, and one for each defect.
#[test]
fn a_page_with_a_defect_is_found() {
    let good = "<html lang=\"en\"><title>T · B</title><body><main data-page=\"x\"><h1>T</h1><form><label for=\"f-a\">A</label>\
                <input id=\"f-a\" type=\"text\"><input type=\"hidden\" name=\"b\"><button>Go</button></form></main>";
    assert_eq!(faults("en", good), Vec::<String>::new());
    for (from, to) in [
        ("lang=\"en\"", "lang=\"de\""),
        ("<h1>T</h1>", "<h1></h1>"),
        ("<h1>T</h1>", "<h1>T</h1><h1>U</h1>"),
        ("T · B", " · "),
        (">A<", ">field-a<"),
        (">A<", ">For { $name }<"),
        ("for=\"f-a\"", ""),
        ("Go", " "),
    ] {
        assert_eq!(faults("en", &good.replacen(from, to, 1)).len(), 1, "{from} {to}");
    }
}

/// One file for each page: `LANGUAGE/GROUP/NUMBER-PAGE.html`, and the style sheet beside them. The pages stand still: nothing leads on by
/// itself.
fn write(directory: &Path, album: &Album) {
    let of_language = directory.join(album.language);
    let _ = std::fs::remove_dir_all(&of_language);
    for (group, pages) in GROUPS {
        let of_group = of_language.join(group);
        std::fs::create_dir_all(&of_group).unwrap();
        std::fs::copy(source("style.css"), of_group.join("style.css")).unwrap();
        let shown = album.pages();
        let order = pages.iter().flat_map(|page| shown.iter().filter(|one| one.page == *page));
        for (number, one) in order.enumerate() {
            let variant = if one.variant.is_empty() { String::new() } else { format!("-{}", one.variant.replace(' ', "_")) };
            std::fs::write(of_group.join(format!("{number:02}-{}{variant}.html", one.page)), still(&one.html)).unwrap();
        }
    }
}

fn still(html: &str) -> String {
    let html = html.replace("http-equiv=\"refresh\"", "name=\"led\"").replace("document.forms[0].submit()", "");
    let Some((head, rest)) = html.split_once("<link rel=\"stylesheet\" href=\"") else { return html };
    let (_, tail) = rest.split_once('"').unwrap();
    format!("{head}<link rel=\"stylesheet\" href=\"style.css\"{tail}")
}
