//! What comes after a form that leads to another site: a site of https that leads on to an app, and whether the browser still says that a
//! person did it.

use super::agrees;
use super::driver::Driver;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A site of https at this port, whatever its name. `/callback` leads on to the app by its scheme. `/form` has a form that is answered by
/// a redirect to where an app has claimed the address.
pub async fn site() -> u16 {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["other.shop.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut bytes = vec![0; 16 * 1024];
                let length = stream.read(&mut bytes).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
                let _ = stream.write_all(answer(head.lines().next().unwrap_or_default()).as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

fn answer(line: &str) -> String {
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let to =
        |status: &str, place: &str| format!("HTTP/1.1 {status}\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    match (method, path.split_once('?')) {
        ("GET", Some(("/callback", query))) => to("302 Found", &format!("com.example.shop:/callback?{query}")),
        ("POST", _) => to("303 See Other", "https://links.shop.test/direct"),
        _ => {
            let page = "<!doctype html><form method=post action=/form><button>Allow</button></form>";
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len())
        }
    }
}

/// Does the browser still say that a person did it? Of a redirect that answers a form it does, of our page in between it does not. That is
/// what docs/decisions/links.md ("After a form comes a page of ours") weighs.
pub async fn by_whom(browser: &Driver, issuer: &str, port: u16) {
    browser.command("/url", json!({ "url": format!("https://other.shop.test:{port}/form") })).await;
    browser.click("button").await;
    assert!(browser.goes_by_a_gesture("https://links.shop.test/direct").await, "the redirect that answers a form");
    agrees(browser, issuer, ("site", "https://other.shop.test/callback")).await;
    assert!(!browser.goes_by_a_gesture("https://other.shop.test/callback?code=").await, "the page in between leads on by itself");
}

/// A site that leads on to the app by its scheme, as some do: the policy of our form stops none of it. The browser asks whether it may open
/// another program then, and takes no click until it has its answer.
pub async fn through_a_site(browser: &Driver, issuer: &str, port: u16) {
    browser.command("/se/log", json!({ "type": "browser" })).await;
    agrees(browser, issuer, ("site", &format!("https://other.shop.test:{port}/callback"))).await;
    browser.goes_by_a_gesture("com.example.shop:/callback?code=").await;
    let complaints = browser.command("/se/log", json!({ "type": "browser" })).await.to_string();
    assert!(!complaints.contains("Content Security Policy") && !complaints.contains("form-action"), "{complaints}");
}
