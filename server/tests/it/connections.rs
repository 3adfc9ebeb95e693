//! Connections on raw sockets: a silent one does not keep its place, and no address takes the places of others.

use crate::world::*;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const ASK: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

async fn limited(line: &str) -> (World, u16) {
    let configuration = Configuration::on(Engine::Sqlite).await.with(line);
    (configuration.start().await, configuration.port)
}

/// From an address of its own, so that nothing else counts.
async fn connect(from: &str, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap()
}

/// Is a request on this connection answered with 200?
async fn answers(stream: &mut TcpStream) -> bool {
    let mut answer = vec![0; 4096];
    let read = match stream.write_all(ASK).await {
        Ok(()) => stream.read(&mut answer).await.unwrap_or(0),
        Err(_) => 0,
    };
    answer[..read].starts_with(b"HTTP/1.1 200")
}

/// How long until the server closes.
async fn closed_after(stream: &mut TcpStream, started: Instant) -> Duration {
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("the server never closed");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_socket_is_closed_and_a_speaking_one_is_not() {
    let (world, port) = limited("").await;
    let started = Instant::now();
    let mut silent = connect("127.0.0.2", port).await;
    // The beginning of HTTP/2's preface, and a request that never ends.
    let (mut begun, mut slow) = (connect("127.0.0.2", port).await, connect("127.0.0.2", port).await);
    begun.write_all(b"PRI * HTTP/2").await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    let mut speaking = connect("127.0.0.2", port).await;
    assert!(answers(&mut speaking).await);
    let speaking = tokio::spawn(async move {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(answers(&mut speaking).await, "a connection that spoke goes on");
        }
    });
    for stream in [&mut silent, &mut begun, &mut slow] {
        let took = closed_after(stream, started).await;
        assert!((9..14).contains(&took.as_secs()), "{took:?}");
    }
    speaking.await.unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_share_of_connections_and_no_more() {
    let (world, port) = limited("connections_per_address = 3").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut one = connect("127.0.0.2", port).await;
        assert!(answers(&mut one).await);
        held.push(one);
    }
    assert!(!answers(&mut connect("127.0.0.2", port).await).await, "the fourth is closed");
    assert!(answers(&mut connect("127.0.0.3", port).await).await, "another address has its own share");
    held.pop();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(answers(&mut connect("127.0.0.2", port).await).await, "a place that was given back is taken again");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_not_counted() {
    let (world, port) = limited("connections_per_address = 2\ntrusted_proxies = [\"127.0.0.2\"]").await;
    let mut held = Vec::new();
    for _ in 0..6 {
        let mut one = connect("127.0.0.2", port).await;
        assert!(answers(&mut one).await);
        held.push(one);
    }
    world.stop().await;
}

/// RFC 9110 15.5.14: whoever sends far too much reads the refusal. Without it the connection would break in the middle of the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_wants_does_not_break_the_answer() {
    let world = World::start(Engine::Sqlite).await;
    let sent = async |method: reqwest::Method, path: &str, bytes: usize, coding: Option<&str>| {
        let request = world.http.request(method, world.url(path)).header("content-type", "application/x-www-form-urlencoded");
        let request = coding.into_iter().fold(request, |request, coding| request.header("content-encoding", coding));
        request.body(format!("a={}", "x".repeat(bytes))).send().await.map(|answer| answer.status().as_u16())
    };
    for _ in 0..5 {
        for bytes in [70_000, 300_000, 3_000_000] {
            assert_eq!(sent(reqwest::Method::POST, "/token", bytes, None).await.unwrap(), 413, "{bytes}");
            assert_eq!(sent(reqwest::Method::POST, "/nothing", bytes, None).await.unwrap(), 404, "{bytes}");
            assert_eq!(sent(reqwest::Method::DELETE, "/token", bytes, None).await.unwrap(), 405, "{bytes}");
            assert_eq!(sent(reqwest::Method::POST, "/token", bytes, Some("gzip")).await.unwrap(), 415, "{bytes}");
        }
    }
    // The twin, and the end of patience: what is far beyond the limit is not read to its end.
    assert_eq!(sent(reqwest::Method::POST, "/token", 1000, None).await.unwrap(), 401);
    let endless = sent(reqwest::Method::POST, "/token", 60_000_000, None).await;
    assert!(endless.is_err() || endless.is_ok_and(|status| status == 413));
    world.stop().await;
}
