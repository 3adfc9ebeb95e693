//! Certificates that are renewed under a running server: in whatever order the files are written, by a symbolic link, by SIGHUP.

use crate::world::*;
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

struct Pair {
    certificate: String,
    key: String,
}

fn pair() -> Pair {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    Pair { certificate: made.pem(), key: key.serialize_pem() }
}

fn write(directory: &Path, pair: &Pair) {
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join("cert.pem"), &pair.certificate).unwrap();
    std::fs::write(directory.join("key.pem"), &pair.key).unwrap();
}

/// Does a client that trusts this certificate alone reach the server?
async fn shows(world: &World, pair: &Pair) -> bool {
    let root = reqwest::Certificate::from_pem(pair.certificate.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    client.get(format!("https://localhost:{}/health", world.running.address.port())).send().await.is_ok_and(|answer| answer.status() == 200)
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(1200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_and_key_may_be_written_in_any_order_and_links_may_move() {
    let directory = std::env::temp_dir().join(format!("symbolon-renewed-{}", std::process::id()));
    let first = pair();
    write(&directory.join("1"), &first);
    symlink(directory.join("1"), directory.join("live")).unwrap();
    let configuration = Configuration::on(Engine::Sqlite).await.with_tls(&directory.join("live"));
    let world = configuration.start().await;
    assert!(shows(&world, &first).await);

    // The key first, long before its certificate; then the other way round.
    let (second, third) = (pair(), pair());
    let files = |pair: &'static str| directory.join("1").join(pair);
    std::fs::write(files("key.pem"), &second.key).unwrap();
    assert!(shows(&world, &first).await, "a key without its certificate changes nothing");
    pause().await;
    std::fs::write(files("cert.pem"), &second.certificate).unwrap();
    assert!(shows(&world, &second).await && !shows(&world, &first).await);
    std::fs::write(files("cert.pem"), &third.certificate).unwrap();
    assert!(shows(&world, &second).await, "a certificate without its key changes nothing");
    pause().await;
    std::fs::write(files("key.pem"), &third.key).unwrap();
    assert!(shows(&world, &third).await && !shows(&world, &second).await);

    // Another directory under the same name, with files that are older.
    let fourth = pair();
    write(&directory.join("2"), &fourth);
    let old = std::time::SystemTime::now() - Duration::from_secs(86_400);
    for name in ["cert.pem", "key.pem"] {
        std::fs::File::options().write(true).open(directory.join("2").join(name)).unwrap().set_modified(old).unwrap();
    }
    symlink(directory.join("2"), directory.join("next")).unwrap();
    std::fs::rename(directory.join("next"), directory.join("live")).unwrap();
    assert!(shows(&world, &fourth).await && !shows(&world, &third).await);

    // Asked to, the server reads files that look the same.
    world.running.read_certificates_again();
    assert!(shows(&world, &fourth).await);
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A certificate that fails to be read is read again, although nothing changes but what it leads to.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_could_not_be_read_is_tried_again() {
    let directory = std::env::temp_dir().join(format!("symbolon-unreadable-{}", std::process::id()));
    let (first, second) = (pair(), pair());
    write(&directory, &first);
    let world = Configuration::on(Engine::Sqlite).await.with_tls(&directory).start().await;
    std::fs::write(directory.join("cert.pem"), "no certificate").unwrap();
    assert!(shows(&world, &first).await);
    std::fs::remove_file(directory.join("key.pem")).unwrap();
    assert!(shows(&world, &first).await);
    pause().await;
    write(&directory, &second);
    assert!(shows(&world, &second).await);
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
