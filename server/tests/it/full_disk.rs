//! A disk on which nothing can be written any more: 503 and no 500, reading goes on, and the log does not grow with every request.

use crate::killed_processes::Server;
use crate::world::*;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_503_and_what_reads_is_answered() {
    let configuration = Configuration::on(Engine::Sqlite).await;
    let world = configuration.start().await;
    let tokens = world.tokens("ledger:read offline_access").await;
    let (issuer, directory, text) = (world.issuer.clone(), world.directory.clone(), world.text.clone());
    world.running.stop().await;
    let config = directory.join("symbolon.toml");
    std::fs::write(&config, text).unwrap();
    let log = directory.join("full.log");
    // No file may grow beyond this many blocks of 512 bytes. A write that would is refused, as on a full disk.
    let program = format!(
        "trap '' XFSZ; ulimit -f 700; exec {} -c {} serve 2> >(cat > {})",
        env!("CARGO_BIN_EXE_symbolon"),
        config.display(),
        log.display()
    );
    let mut command = Command::new("bash");
    command.arg("-c").arg(program).env("RUST_LOG", "warn").stdin(Stdio::null()).stderr(Stdio::null());
    let mut server = Server::spawn(&mut command, &issuer).await;
    let ask = Ask::native("orders:read");
    let (form, started) = (ask.form(), Instant::now());
    let (mut taken, mut refused) = (0, 0);
    while refused < 300 {
        assert!(started.elapsed() < Duration::from_secs(60), "{taken} {refused}");
        let answer = server.http.post(format!("{issuer}/par")).form(&form).send().await.unwrap();
        match answer.status().as_u16() {
            201 => taken += 1,
            503 => {
                assert_eq!(answer.headers()["retry-after"], "2");
                assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"], "temporarily_unavailable");
                refused += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(taken > 0, "the twin: there was room at first");
    for path in ["/jwks", "/health", "/.well-known/openid-configuration"] {
        assert_eq!(server.http.get(format!("{issuer}{path}")).send().await.unwrap().status(), 200, "{path}");
    }
    let token = tokens["access_token"].as_str().unwrap();
    let asked = server.http.post(format!("{issuer}/introspect")).basic_auth("ledger", Some(SECRET)).form(&[("token", token)]);
    let answer: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["active"], true, "{answer}");
    let seconds = started.elapsed().as_secs() + 2;
    server.terminate().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).count() as u64;
    assert!(lines > 0 && lines <= 3 * seconds, "{lines} lines in {seconds} s: {text:.2000}");
    assert!(text.contains(".db: SQLite: "), "the log names the file: {text:.2000}");
    std::fs::remove_dir_all(&directory).unwrap();
}
