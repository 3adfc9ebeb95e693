//! TLS by the server itself: HTTP/2 and HTTP/1.1, `__Host-` cookies, a certificate that is renewed without a restart.

use crate::world::*;
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;

/// Writes a self-signed certificate for localhost; answers it in PEM.
fn certificate(directory: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), made.pem()).unwrap();
    made.pem()
}

fn client(trusted: &str) -> reqwest::ClientBuilder {
    let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_both_versions_of_http_and_a_renewed_certificate() {
    let directory = std::env::temp_dir().join(format!("symbolon-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let first = certificate(&directory);
    let port = free_port();
    let text = configuration(port, "sqlite:test.db")
        .replacen(&format!("http://127.0.0.1:{port}"), &format!("https://localhost:{port}"), 1)
        .replacen(
            "[api.orders]\n",
            &format!("[tls]\ncertificate = '{0}/cert.pem'\nkey = '{0}/key.pem'\n[api.orders]\n", directory.display()),
            1,
        );
    let world = World::with(&text, port).await;
    let url = |path: &str| format!("https://localhost:{port}{path}");
    let modern = client(&first).build().unwrap().get(url("/health")).send().await.unwrap();
    assert_eq!((modern.version(), modern.status().as_u16()), (http::Version::HTTP_2, 200));
    assert!(modern.headers()["strict-transport-security"].to_str().unwrap().contains("max-age"));
    let plain = client(&first).http1_only().build().unwrap().get(url("/account")).send().await.unwrap();
    assert_eq!(plain.version(), http::Version::HTTP_11);
    let cookie = plain.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-symbolon-login") && cookie.contains("Secure"), "{cookie}");
    assert!(world.http.get(format!("http://localhost:{port}/health")).send().await.is_err(), "no plain HTTP here");

    // Renewed: the next handshake has it; a file that is no certificate changes nothing.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let second = certificate(&directory);
    assert_eq!(client(&second).build().unwrap().get(url("/health")).send().await.unwrap().status(), 200);
    assert!(client(&first).build().unwrap().get(url("/health")).send().await.is_err());
    std::fs::write(directory.join("cert.pem"), "no certificate").unwrap();
    assert_eq!(client(&second).build().unwrap().get(url("/health")).send().await.unwrap().status(), 200);
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
