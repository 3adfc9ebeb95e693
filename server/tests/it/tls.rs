//! TLS by the server itself: HTTP/2 and HTTP/1.1, `__Host-` cookies, a certificate that is renewed without a restart.

use crate::world::*;
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;

/// Writes a self-signed certificate for localhost; answers it in PEM.
pub fn certificate(directory: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), made.pem()).unwrap();
    made.pem()
}

pub fn client(trusted: &str) -> reqwest::ClientBuilder {
    let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_both_versions_of_http_and_a_renewed_certificate() {
    let directory = std::env::temp_dir().join(format!("symbolon-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let first = certificate(&directory);
    let configuration = Configuration::on(Engine::Sqlite).await.with_tls(&directory);
    let (world, port) = (configuration.start().await, configuration.port);
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

/// A ClientHello of this version with these suites, for localhost, with ECDSA and RSA signatures on P-256.
fn hello(version: [u8; 2], suites: &[u16]) -> Vec<u8> {
    let sized = |body: &[u8]| [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    let extension = |id: u16, body: &[u8]| [&id.to_be_bytes()[..], &sized(body)].concat();
    let name = [&[0_u8][..], &sized(b"localhost")].concat();
    let extensions = [
        extension(0, &sized(&name)),
        extension(10, &sized(&[0, 23])),
        extension(11, &[1, 0]),
        extension(13, &sized(&[4, 3, 8, 4, 4, 1, 2, 3, 2, 1])),
        extension(23, &[]),
    ]
    .concat();
    let suites: Vec<u8> = suites.iter().flat_map(|it| it.to_be_bytes()).collect();
    let body = [&version[..], &[7; 32], &[0], &sized(&suites), &[1, 0], &sized(&extensions)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1][..], &length[1..], &body].concat();
    [&[22, 3, 1][..], &sized(&handshake)].concat()
}

/// What the server says first: the content type of its record, and the description of an alert.
fn answer(port: u16, hello: &[u8]) -> (u8, Option<u8>) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(hello).unwrap();
    let mut record = [0; 7];
    stream.read_exact(&mut record).unwrap();
    (record[0], (record[0] == 21).then_some(record[6]))
}

/// Points 1 and 2 of docs/fapi.md, tried byte by byte, because no client of today offers it: old versions and weak suites get an
/// alert; the same hello with one good suite gets a ServerHello.
#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_weak_suites_are_refused() {
    let directory = std::env::temp_dir().join(format!("symbolon-tls-old-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    certificate(&directory);
    let configuration = Configuration::on(Engine::Sqlite).await.with_tls(&directory);
    let (world, port) = (configuration.start().await, configuration.port);
    // TLS_ECDHE_ECDSA with AES-128-GCM, AES-256-GCM, ChaCha20.
    let good = [0xc02b, 0xc02c, 0xcca9];
    let weak = [
        ("RSA key exchange with AES-GCM", 0x009c),
        ("RSA with AES-CBC", 0x002f),
        ("DHE with AES-CBC", 0x0033),
        ("ECDHE with AES-CBC", 0xc009),
        ("ECDHE with AES-CBC and SHA-256", 0xc023),
        ("ECDHE with 3DES", 0xc008),
        ("ECDHE with RC4", 0xc007),
        ("ECDHE without a cipher", 0xc006),
        ("RSA with RC4", 0x0005),
        ("anonymous", 0xc018),
    ];
    let said = tokio::task::spawn_blocking(move || {
        let of = |version, suites: &[u16]| answer(port, &hello(version, suites));
        for suite in good {
            assert_eq!(of([3, 3], &[suite]), (22, None), "TLS 1.2 with {suite:04x}");
        }
        // 70: protocol_version.
        for version in [[3, 2], [3, 1], [3, 0]] {
            assert_eq!(of(version, &good), (21, Some(70)), "{version:?}");
        }
        // 40: handshake_failure.
        for (name, suite) in weak {
            assert_eq!(of([3, 3], &[suite]), (21, Some(40)), "{name}");
            assert_eq!(of([3, 3], &[suite, good[0]]), (22, None), "{name}, and a good one");
        }
    });
    said.await.unwrap();
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
