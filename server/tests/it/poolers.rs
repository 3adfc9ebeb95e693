//! A pooler between this server and PostgreSQL that lends connections for single transactions: `check` and the start name it. One that
//! lends them for whole sessions is as good as none.

use crate::commands::symbolon;
use crate::world::{Engine, database, engines};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use symbolon::store::{Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Frontend/Backend Protocol 3.0: type, length with itself, body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// A pooler as a client sees it: whoever asks which process serves it hears of another one each time.
async fn pooler() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let process = Arc::new(AtomicU32::new(4000));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let process = Arc::clone(&process);
            tokio::spawn(async move { lend(socket, &process).await });
        }
    });
    port
}

async fn lend(mut socket: TcpStream, process: &AtomicU32) -> std::io::Result<()> {
    const SSL_REQUEST: u32 = 80_877_103;
    let ready = message(b'Z', b"I");
    loop {
        let length = socket.read_u32().await?;
        let mut body = vec![0; usize::try_from(length - 4).unwrap()];
        socket.read_exact(&mut body).await?;
        if body[..4] == SSL_REQUEST.to_be_bytes() {
            socket.write_all(b"N").await?;
            continue;
        }
        break;
    }
    socket.write_all(&[message(b'R', &0_u32.to_be_bytes()), ready.clone()].concat()).await?;
    loop {
        let kind = socket.read_u8().await?;
        let length = socket.read_u32().await?;
        let mut body = vec![0; usize::try_from(length - 4).unwrap()];
        socket.read_exact(&mut body).await?;
        if kind != b'Q' {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let mut answer = Vec::new();
        if text.contains("pg_backend_pid") {
            let number = process.fetch_add(1, Ordering::Relaxed).to_string();
            // One column `p` of type int4 as text, and one row.
            let column =
                [&b"\0\x01p\0"[..], &[0; 6], &23_u32.to_be_bytes(), &4_u16.to_be_bytes(), &(-1_i32).to_be_bytes(), &[0; 2]].concat();
            let length = u32::try_from(number.len()).unwrap().to_be_bytes();
            answer.extend(message(b'T', &column));
            answer.extend(message(b'D', &[&b"\0\x01"[..], &length, number.as_bytes()].concat()));
        }
        answer.extend(message(b'C', b"SELECT 1\0"));
        answer.extend(&ready);
        socket.write_all(&answer).await?;
    }
}

async fn check(directory: &Path, url: &str) -> (Option<i32>, String) {
    let file = directory.join("symbolon.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(directory.join("other.toml"), text.replacen("sqlite:symbolon.db", url, 1)).unwrap();
    let (code, said, error) = symbolon(&directory.join("other.toml"), &["check"], "").await;
    (code, said + &error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_lends_connections_for_transactions_is_named() {
    let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    let directory: PathBuf = std::env::temp_dir().join(format!("symbolon-pooler-{random}"));
    let (code, said, _) = symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await;
    assert_eq!(code, Some(0), "{said}");
    let url = format!("postgres://u@127.0.0.1:{}/x?sslmode=disable", pooler().await);
    let (code, said) = check(&directory, &url).await;
    assert!(code == Some(1) && said.contains("pool_mode = session"), "{code:?} {said}");
    let fault = Store::open(&url, StoreOptions::default()).await.err().map(|fault| fault.0).unwrap_or_default();
    assert!(fault.contains("pool_mode = session"), "{fault}");
    // The twin: connections that stay ours.
    if engines().contains(&Engine::Postgres) {
        let (code, said) = check(&directory, &database(Engine::Postgres).await).await;
        assert_eq!(code, Some(0), "{said}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
