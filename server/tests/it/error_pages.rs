//! Errors that people see: in their language, with a way on, and with an id that stands in the log.

use crate::killed_processes::Server;
use crate::world::*;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Stdio;

async fn page(node: &Node, path: &str, language: &str) -> Page {
    Browser::default()
        .send(node.http.get(format!("{}{path}", node.url)).header("accept", "text/html").header("accept-language", language))
        .await
}

/// What the person has to know is said in the person's language. The developer's text stands apart.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_speaks_to_the_person_and_to_the_developer() {
    let world = World::start(Engine::Sqlite).await;
    let unknown = "/authorize?client_id=nobody";
    for (path, status, code, english, german) in [
        (unknown, 400, "invalid_request", "Go back to the app and try again", "Gehen Sie zurück in die App und versuchen Sie"),
        ("/nothing", 404, "not_found", "There is no such page", "Diese Seite gibt es nicht"),
    ] {
        for (language, said, title, details) in [
            ("en", english, "This did not work", "Details for the developer"),
            ("de-AT, en;q=0.5", german, "Das hat nicht geklappt", "Einzelheiten für Entwickler"),
        ] {
            let page = page(&world.node, path, language).await;
            assert_eq!((page.status, page.title().as_str()), (status, title), "{path}");
            assert!(page.problem().contains(said) && page.says(details), "{}", page.html);
            let (for_person, for_developer) = page.html.split_once("<details>").unwrap();
            let (_, for_person) = for_person.split_once("<h1>").unwrap();
            assert!(!for_person.contains(code) && for_developer.contains(code), "{}", page.html);
            assert!(for_person.contains("&#x2f;account\"") || for_person.contains("/account\""), "a way on: {}", page.html);
        }
    }
    // A piece of the header that is no text hides no other, and a second line counts as well (RFC 9110 5.3).
    let said = |lines: &[&[u8]]| {
        let request = world.http.get(world.url("/nothing")).header("accept", "text/html");
        lines.iter().fold(request, |request, line| request.header("accept-language", *line))
    };
    for lines in [&[&b"de, \xff"[..]][..], &[b"\xff", b"de"], &[b"xx", b"de;q=0.9, en;q=0.8"]] {
        assert_eq!(Browser::default().send(said(lines)).await.title(), "Das hat nicht geklappt", "{lines:?}");
    }
    // A request that says its language is believed before the browser.
    let page = page(&world.node, &format!("{unknown}&ui_locales=de"), "en").await;
    assert_eq!(page.title(), "Das hat nicht geklappt");
    // A form that is too old says what to do.
    let page = Browser::default().send(world.http.post(world.url("/login")).form(&[("handle", "x")])).await;
    assert!(page.status == 400 && page.problem().contains("too old"), "{}", page.html);
    // A program gets JSON, as before.
    let answer = world.get("/nothing").await;
    assert_eq!(answer.json::<Json>().await.unwrap()["error"], "not_found");
    world.stop().await;
}

/// A server of its own process, which writes its log to a file.
async fn logging_server() -> (Server, Node, PathBuf) {
    let world = World::start(Engine::Sqlite).await;
    let (issuer, directory, config) = (world.issuer.clone(), world.directory.clone(), world.file());
    let World { running, node, .. } = world;
    running.stop().await;
    let log = directory.join("log.jsonl");
    let mut command = Server::command(&config);
    command.env("RUST_LOG", "info").stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    (Server::spawn(&mut command, &issuer).await, node, log)
}

/// The log, once it has the lines of these requests. Lines gather for some milliseconds before they are written.
async fn logged(log: &Path, ids: &[String]) -> String {
    let written = || std::fs::read_to_string(log).unwrap();
    for _ in 0..200 {
        if ids.iter().all(|id| written().contains(id)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    written()
}

/// The id of the page is the id of that request's line in the log, with the reason; each request has its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_an_error_leads_to_its_line_in_the_log() {
    let (server, node, log) = logging_server().await;
    let mut ids = Vec::new();
    let failing = ["/authorize?client_id=nobody", "/nothing", "/nothing", "/login/nothing", "/stop/nothing", "/c/nothing"];
    for path in failing {
        let page = page(&node, path, "en").await;
        let id = page.codes().pop().unwrap();
        assert!(id.len() == 12 && !ids.contains(&id), "{id}");
        ids.push(id);
    }
    // A page that went well has none.
    assert!(page(&node, "/device", "en").await.codes().is_empty());
    // What is refused by a redirect to the client is in the log as well.
    let refused = page(&node, &Ask::native("openid ledger:write").path(), "en").await;
    assert_eq!((refused.status, refused.error().as_deref()), (303, Some("invalid_scope")), "{}", refused.html);
    // A program finds the id in a header, with the reason beside it in the log.
    let answer = node
        .http
        .post(format!("{}/token", node.url))
        .form(&[("grant_type", "refresh_token"), ("client_id", "nobody")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.json::<Json>().await.unwrap()["error"], "invalid_client");
    ids.push(id.clone());
    let log = logged(&log, &ids).await;
    drop(server);
    let lines: Vec<Json> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for (id, status) in ids.iter().zip([400, 404, 404, 404, 404, 404, 401]) {
        let own: Vec<&Json> = lines.iter().filter(|line| line["id"] == id.as_str()).collect();
        let statuses: Vec<Option<i64>> = own.iter().map(|line| line["status"].as_i64()).collect();
        assert_eq!(statuses, [Some(status)], "{id} in {log}");
        let is_said = |name: &str| own[0][name].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_said("error") && is_said("reason"), "{id} in {log}");
    }
    let redirected = lines.iter().find(|line| line["status"] == 303 && line["route"] == "/authorize").unwrap();
    assert_eq!((redirected["client"].as_str(), redirected["error"].as_str()), (Some("shop-ios"), Some("invalid_scope")), "{log}");
    assert!(redirected["reason"].as_str().is_some_and(|it| !it.is_empty()), "{log}");
}

/// What a developer needs is in the line: who asked, with a secret or without, and the redirect URI that was sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_client_and_the_redirect_uri_that_is_not_registered() {
    let (server, node, log) = logging_server().await;
    let asked = |uri: &str| Ask::new("shop-ios", uri, "orders:read").path();
    let there = page(&node, &asked("http://127.0.0.1:61234/callback"), "en").await;
    assert!(there.status < 400, "{}", there.html);
    let refused = page(&node, &asked("http://localhost:61234/callback"), "en").await;
    assert!(refused.status == 400 && refused.says("The host of the redirect_uri is localhost"), "{}", refused.html);
    let mut ids = vec![refused.codes().pop().unwrap()];
    let service = page(&node, &Ask::new("robot", "http://127.0.0.1:61234/callback", "orders:read").path(), "en").await;
    assert!(service.status == 400 && service.says("unauthorized_client"), "{}", service.html);
    let revoke = |client: &'static str| node.http.post(format!("{}/revoke", node.url)).form(&[("token", "x"), ("client_id", client)]);
    let by_robot = node.http.post(format!("{}/revoke", node.url)).form(&[("token", "x")]).basic_auth("robot", Some(SECRET));
    for (request, status) in [(revoke("shop-ios"), 200_u16), (by_robot, 200), (revoke("nobody"), 401)] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        ids.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    let log = logged(&log, &ids).await;
    drop(server);
    let lines: Vec<Json> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let own = |id: &String| lines.iter().find(|line| line["id"] == id.as_str()).unwrap_or_else(|| panic!("{id} in {log}"));
    assert!(own(&ids[0])["reason"].as_str().unwrap().contains("http://localhost:61234/callback"), "{log}");
    let clients: Vec<&str> = ids.iter().map(|id| own(id)["client"].as_str().unwrap()).collect();
    assert_eq!(clients, ["shop-ios", "shop-ios", "robot", "nobody"], "{log}");
}
