//! A host's owner says that a registered client is theirs, by a file: what that gives, and what nobody gets without it.

use crate::commands::symbolon;
use crate::registration::{register, send};
use crate::world::documents::{Documents, Says};
use crate::world::*;
use serde_json::{Value as Json, json};
use symbolon::registration::renewing;

const OPEN: &str = "[client_registration.open]\nopen = true\nscopes = [\"openid\"]\nper_network = 100\n";
const SCHEME: &str = "net.example.planner:/cb";
const HOST: &str = "planner.example.net";

struct Registered {
    id: String,
    token: String,
    body: Json,
    proofs: Vec<Json>,
}

async fn start(engine: Engine) -> (World, Documents) {
    let world = Configuration::on(engine).await.with(OPEN).start().await;
    let documents = Documents::start(&world, &[HOST, "other.example.net"]).await;
    (world, documents)
}

async fn client(world: &World, uris: &[&str]) -> Registered {
    let mut body = json!({ "application_type": "native", "redirect_uris": uris });
    let (status, answer) = register(world, None, &body).await;
    assert_eq!(status, 201, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    body["client_id"] = answer["client_id"].clone();
    let proofs = answer["host_proofs"].as_array().unwrap().clone();
    Registered { id: text("client_id"), token: text("registration_access_token"), body, proofs }
}

impl Registered {
    /// Says the same again, upon which the hosts are looked at.
    async fn look_again(&self, world: &World) -> Vec<bool> {
        let (status, answer) = send(world, "PUT", &format!("/clients/{}", self.id), Some(&self.token), Some(&self.body)).await;
        assert_eq!(status, 200, "{answer}");
        answer["host_proofs"].as_array().unwrap().iter().map(|it| it["proved"].as_bool().unwrap()).collect()
    }

    fn put_file(&self, documents: &Documents) {
        for proof in &self.proofs {
            documents.text(proof["file"].as_str().unwrap(), &format!("{}\n", proof["text"].as_str().unwrap()));
        }
    }

    async fn status_at(&self, world: &World, uri: &str) -> u16 {
        Browser::default().open(world, &Ask::new(&self.id, uri, "openid")).await.status
    }
}

/// 017-R, L-19
#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_counts_once_the_host_it_reverses_says_so() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let (owner, squatter) = (client(&world, &[SCHEME]).await, client(&world, &[SCHEME]).await);
        assert_eq!(owner.proofs.len(), 1);
        assert_eq!(owner.proofs[0]["file"], format!("https://{HOST}/.well-known/oauth-client-proof/{}", owner.id));
        assert_ne!(owner.proofs[0]["text"], squatter.proofs[0]["text"]);
        assert_eq!((owner.status_at(&world, SCHEME).await, squatter.status_at(&world, SCHEME).await), (400, 400), "nobody has proved it");
        owner.put_file(&documents);
        assert_eq!((owner.look_again(&world).await, squatter.look_again(&world).await), (vec![true], vec![false]));
        assert_eq!((owner.status_at(&world, SCHEME).await, squatter.status_at(&world, SCHEME).await), (200, 400));
        // The owner's text at the squatter's address is no proof either.
        documents.text(squatter.proofs[0]["file"].as_str().unwrap(), owner.proofs[0]["text"].as_str().unwrap());
        assert_eq!(squatter.look_again(&world).await, [false]);
        // The person is asked all the same, every time: any app may take the scheme on the phone.
        let mut browser = Browser::default();
        let page = browser.open(&world, &Ask::new(&owner.id, SCHEME, "openid")).await;
        let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
        assert!(page.kind() == "consent" && page.says(&format!("The owner of {HOST} says that it is theirs")), "{}", page.text());
        world.stop().await;
    }
}

/// L-19: what `unproved_schemes` changes, and what it does not. A scheme without a domain is nobody's under any policy.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_may_let_unproved_schemes_count_and_people_are_asked_and_led_nowhere() {
    for engine in engines() {
        for unproved in [false, true] {
            let policy = format!("{OPEN}unproved_schemes = {unproved}\n");
            let world = Configuration::on(engine).await.with(&policy).start().await;
            let _documents = Documents::start(&world, &[HOST]).await;
            let client = client(&world, &[SCHEME]).await;
            assert_eq!(client.status_at(&world, SCHEME).await, if unproved { 200 } else { 400 });
            for scheme in ["cursor:/cb", "cursor://cb", "com.example.shop:/cb", "com.uk:/cb", "javascript:alert(1)"] {
                let body = json!({ "application_type": "native", "redirect_uris": [scheme] });
                let (status, answer) = register(&world, None, &body).await;
                assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_redirect_uri")), "{scheme}");
            }
            let mut browser = Browser::default();
            for _ in 0..if unproved { 2 } else { 0 } {
                let mut page = browser.open(&world, &Ask::new(&client.id, SCHEME, "openid")).await;
                if page.kind() == "password" {
                    page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
                }
                assert!(page.kind() == "consent" && page.says("nobody says that it is theirs"), "{}", page.text());
                let page = browser.submit(&world, &page, &[], "allow").await;
                assert_eq!((page.kind(), page.location.as_deref()), ("unvouched", None), "{}", page.html);
                assert!(page.html.contains("code="), "{}", page.html);
            }
            world.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_renewed_or_it_is_over() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let uri = format!("https://{HOST}/cb");
        let owner = client(&world, &[&uri, SCHEME]).await;
        assert_eq!(owner.proofs.len(), 1, "one host for both");
        owner.put_file(&documents);
        assert_eq!(owner.look_again(&world).await, [true]);
        let mut browser = Browser::default();
        let ask = Ask::new(&owner.id, &uri, "openid");
        assert!(browser.sign_in(&world, &ask, "alice").await.contains_key("code"), "led on like any other");
        world.advance_s(30 * 86_400 - 600);
        assert_eq!(owner.status_at(&world, SCHEME).await, 200);
        world.advance_s(700);
        assert_eq!(owner.status_at(&world, SCHEME).await, 400, "a month is over");
        assert_eq!(owner.look_again(&world).await, [true]);
        assert_eq!(owner.status_at(&world, SCHEME).await, 200);
        // A host that does not answer takes nothing away before its time; one that answers otherwise does.
        documents.say(owner.proofs[0]["file"].as_str().unwrap(), Says::Endless);
        assert_eq!(owner.look_again(&world).await, [true]);
        documents.say(owner.proofs[0]["file"].as_str().unwrap(), Says::Text(404, "", String::new()));
        assert_eq!(owner.look_again(&world).await, [false]);
        assert_eq!(owner.status_at(&world, SCHEME).await, 400);
        world.stop().await;
    }
}

/// The server renews proofs by itself, before they are over, and only those of hosts that are proved.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_renews_proofs_before_they_are_over() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(&format!("{OPEN}grants_last = \"90d\"\n")).start().await;
        let documents = Documents::start(&world, &[HOST]).await;
        let uri = format!("https://{HOST}/cb");
        let (owner, unproved) = (client(&world, &[&uri, SCHEME]).await, client(&world, &[&uri]).await);
        owner.put_file(&documents);
        assert_eq!(owner.look_again(&world).await, [true]);
        for client in [&owner, &unproved] {
            let mut browser = Browser::default();
            let page = browser.open(&world, &Ask::new(&client.id, &uri, "openid")).await;
            let page = browser.submit_password(&world, &page, "alice", PASSWORD).await;
            browser.submit(&world, &page, &[], "allow").await;
        }
        let round = async || renewing::round(&world.running.shared.now()).await.unwrap();
        let asked = documents.asked();
        world.advance_s(20 * 86_400 - 60);
        round().await;
        assert_eq!(documents.asked(), asked, "it is not time");
        world.advance_s(120);
        // Two nodes at once: one asks.
        tokio::join!(round(), round());
        assert_eq!(documents.asked(), asked + 1, "one host, once; nobody asks for the one that is not proved");
        world.advance_s(15 * 86_400);
        assert_eq!(owner.status_at(&world, SCHEME).await, 200, "35 days after the developer's last request");
        // A host that is broken for an hour loses nothing; it is asked each hour.
        world.advance_s(6 * 86_400);
        for broken in [Says::Endless, Says::Text(503, "", String::new())] {
            documents.say(owner.proofs[0]["file"].as_str().unwrap(), broken);
            let asked = documents.asked();
            round().await;
            round().await;
            assert_eq!(documents.asked(), asked + 1);
            world.advance_s(3601);
        }
        assert_eq!((owner.status_at(&world, SCHEME).await, world.audited("client_proof_lost").await), (200, 0));
        // One that says something else does: the domain has another owner.
        documents.say(owner.proofs[0]["file"].as_str().unwrap(), Says::Text(404, "", String::new()));
        round().await;
        assert_eq!(owner.status_at(&world, SCHEME).await, 400);
        let lost = world.entries("client_proof_lost").await;
        assert_eq!((lost.len(), &lost[0]["client"], &lost[0]["detail"]["hosts"]), (1, &json!(owner.id), &json!([HOST])));
        let asked = documents.asked();
        world.advance_s(86_400);
        round().await;
        assert_eq!(documents.asked(), asked, "nothing is left to renew");
        world.stop().await;
    }
}

/// `check` counts the ways back by policy and grade, with the reason and the next step.
#[tokio::test(flavor = "multi_thread")]
async fn check_grades_clients_that_registered_themselves() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let said = async || symbolon(&world.file(), &["check"], "").await.1.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!said().await.contains("ways back"));
        let uri = format!("https://{HOST}/cb");
        let owner = client(&world, &[&uri, SCHEME, "http://127.0.0.1/cb"]).await;
        for _ in 0..6 {
            client(&world, &["http://127.0.0.1/cb"]).await;
        }
        let before = said().await;
        for line in [
            "[client_registration.open]: 1 ways back of 1 clients are not assured: nobody has proved the host",
            "[client_registration.open]: 1 ways back of 1 clients are refused: nobody has proved the host that the scheme reverses",
            "[client_registration.open]: 7 ways back of 7 clients are phishable",
            "and 2 more: symbolon client list",
            &format!("client {}", owner.id),
        ] {
            assert!(before.contains(line), "{line}: {before}");
        }
        owner.put_file(&documents);
        assert_eq!(owner.look_again(&world).await, [true]);
        let after = said().await;
        for line in ["1 ways back of 1 clients are assured by the address alone", "8 ways back of 7 clients are phishable"] {
            assert!(after.contains(line), "{line}: {after}");
        }
        assert!(!after.contains("nobody has proved the host"), "{after}");
        world.stop().await;
    }
}

/// 510-G, 551-S: what a stranger has this server fetch leads nowhere inside.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_looked_for_at_public_addresses_alone() {
    let (world, documents) = start(Engine::Sqlite).await;
    let owner = client(&world, &[SCHEME]).await;
    owner.put_file(&documents);
    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"] {
        documents.leads(HOST, &[inside]);
        assert_eq!((owner.look_again(&world).await, documents.asked()), (vec![false], 0), "{inside}");
    }
    let file = owner.proofs[0]["file"].as_str().unwrap();
    documents.leads(HOST, &["93.184.215.14"]);
    documents.say(file, Says::Text(302, "location: https://other.example.net/\r\n", String::new()));
    assert_eq!((owner.look_again(&world).await, documents.asked()), (vec![false], 1), "no redirect is followed");
    owner.put_file(&documents);
    assert_eq!(owner.look_again(&world).await, [true], "the twin");
    let literal = client(&world, &["https://10.0.0.1/cb", "https://192.168.0.1:8443/cb"]).await;
    assert_eq!((literal.look_again(&world).await, documents.asked()), (vec![false, false], 2));
    world.stop().await;
}

/// A client has up to twenty hosts, and a network ten fetches in a minute. Those that were asked are kept, and the others come first
/// the next time.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_many_hosts_is_proved_little_by_little() {
    for engine in engines() {
        let world = Configuration::on(engine).await.with(OPEN).behind_a_proxy().start().await;
        let hosts: Vec<String> = (0..14).map(|at| format!("h{at}.example.net")).collect();
        let documents = Documents::start(&world, &hosts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let uris: Vec<String> = hosts.iter().map(|host| format!("https://{host}/cb")).collect();
        let mut body = json!({ "application_type": "native", "redirect_uris": &uris[..10], "post_logout_redirect_uris": &uris[10..] });
        let (status, answer) = register(&world, None, &body).await;
        assert_eq!(status, 201, "{answer}");
        let proofs = answer["host_proofs"].as_array().unwrap();
        assert_eq!(proofs.len(), 14, "{answer}");
        for proof in proofs {
            documents.text(proof["file"].as_str().unwrap(), proof["text"].as_str().unwrap());
        }
        body["client_id"] = answer["client_id"].clone();
        let (url, token) =
            (world.url(&format!("/clients/{}", answer["client_id"].as_str().unwrap())), &answer["registration_access_token"]);
        let proved = async |from: &str| {
            let request = world.http.put(&url).bearer_auth(token.as_str().unwrap()).header("x-forwarded-for", from).json(&body);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            let answer: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            answer["host_proofs"].as_array().unwrap().iter().filter(|it| it["proved"] == true).count()
        };
        let first = proved("192.0.2.1").await;
        assert!((10..14).contains(&first), "{first}");
        assert_eq!(proved("192.0.2.2").await, 14);
        world.stop().await;
    }
}

/// Other addresses are proved anew; hosts that are gone are forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_proves_again() {
    for engine in engines() {
        let (world, documents) = start(engine).await;
        let mut owner = client(&world, &[&format!("https://{HOST}/cb")]).await;
        owner.put_file(&documents);
        assert_eq!(owner.look_again(&world).await, [true]);
        owner.body["redirect_uris"] = json!([format!("https://{HOST}/cb"), "https://other.example.net/cb"]);
        assert_eq!(owner.look_again(&world).await, [false, true], "in the order of the hosts");
        owner.body["redirect_uris"] = json!(["https://other.example.net/cb"]);
        assert_eq!(owner.look_again(&world).await, [false]);
        let kept: Vec<String> = world.entries("client_replaced").await.iter().map(|it| it["detail"]["proved"].to_string()).collect();
        assert_eq!(kept, [format!("[\"{HOST}\"]"), format!("[\"{HOST}\"]"), "[]".to_owned()]);
        world.stop().await;
    }
}
