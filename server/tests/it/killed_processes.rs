//! kill -9 at random under load, on both engines: what was acknowledged is there, a retry goes on, and no session ever has
//! two branches. 609-Q, 610-Q.

use crate::world::*;
use serde_json::Value as Json;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const SESSIONS: usize = 6;
const KILLS: usize = 4;

pub struct Server {
    child: Child,
    pub token: String,
    pub http: reqwest::Client,
}

impl Server {
    pub async fn start(config: &Path, issuer: &str) -> Self {
        Self::spawn(&mut Self::command(config), issuer).await
    }

    pub fn command(config: &Path) -> Command {
        Self::dressed(Command::new(env!("CARGO_BIN_EXE_symbolon")), config)
    }

    fn dressed(mut program: Command, config: &Path) -> Command {
        program.arg("-c").arg(config).arg("serve").env("RUST_LOG", "error").stdin(Stdio::null()).stderr(Stdio::null());
        program
    }

    pub async fn spawn(command: &mut Command, issuer: &str) -> Self {
        let child = command.spawn().unwrap();
        let mut server = Self { child, token: format!("{issuer}/token"), http: reqwest::Client::new() };
        server.http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        for _ in 0..200 {
            if server.http.get(format!("{issuer}/health")).send().await.is_ok_and(|it| it.status() == 200) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not come up");
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; answers the exit code.
    pub async fn terminate(&mut self) -> Option<i32> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        for _ in 0..1000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None`: no answer came, so nobody knows.
pub async fn post(http: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Option<(u16, Json)> {
    let answer = http.post(url).form(form).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().await.ok()?))
}

async fn refresh(http: &reqwest::Client, url: &str, token: &str) -> Option<(u16, Json)> {
    post(http, url, &[("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", token)]).await
}

/// Refreshes until the server dies; answers the newest token it was given.
pub async fn live(http: reqwest::Client, url: String, mut token: String) -> (String, usize) {
    for rounds in 0..100_000 {
        match refresh(&http, &url, &token).await {
            Some((200, body)) => token = body["refresh_token"].as_str().unwrap().to_owned(),
            Some((status, body)) => panic!("{status} {body}"),
            None => return (token, rounds),
        }
    }
    panic!("the server never died");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_forgets_nothing_it_said_and_logs_nobody_out() {
    on_every_engine(|world| async move {
        let mut tokens = Vec::new();
        for _ in 0..SESSIONS {
            tokens.push(world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned());
        }
        let (code, verifier) = world.code("orders:read").await;
        let (issuer, directory, text) = (world.issuer.clone(), world.directory.clone(), world.text.clone());
        world.running.stop().await;
        let config = directory.join("symbolon.toml");
        std::fs::write(&config, text).unwrap();
        let mut rounds = 0;
        for round in 0..KILLS {
            let mut server = Server::start(&config, &issuer).await;
            if round == 0 {
                acknowledged_code(&mut server, &config, &issuer, &code, &verifier).await;
            }
            // What every session holds still works, and asking again gives the same successor: one branch.
            for token in &mut tokens {
                let (status, first) = refresh(&server.http, &server.token, token).await.unwrap();
                assert_eq!(status, 200, "a session was lost in the crash: {first}");
                let (status, again) = refresh(&server.http, &server.token, token).await.unwrap();
                assert_eq!((status, &again["refresh_token"]), (200, &first["refresh_token"]));
                *token = first["refresh_token"].as_str().unwrap().to_owned();
            }
            let living: Vec<_> =
                tokens.iter().map(|it| tokio::spawn(live(server.http.clone(), server.token.clone(), it.clone()))).collect();
            let wait = u64::from(symbolon::seal::random::<1>().unwrap()[0]);
            tokio::time::sleep(Duration::from_millis(100 + wait)).await;
            server.kill();
            for (slot, one) in tokens.iter_mut().zip(living) {
                let (token, done) = one.await.unwrap();
                *slot = token;
                rounds += done;
            }
        }
        assert!(rounds > 0, "there was no load");
        let _ = std::fs::remove_dir_all(&directory);
    })
    .await;
}

/// A code redeemed and acknowledged just before the crash: its session lives, and the code stays spent.
async fn acknowledged_code(server: &mut Server, config: &Path, issuer: &str, code: &str, verifier: &str) {
    let form = [("grant_type", "authorization_code"), ("client_id", "shop-ios"), ("code", code), ("code_verifier", verifier)];
    let (status, given) = post(&server.http, &server.token, &form).await.unwrap();
    assert_eq!(status, 200, "{given}");
    server.kill();
    *server = Server::start(config, issuer).await;
    let http = Arc::new(server.http.clone());
    let token = given["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(&http, &server.token, token).await.unwrap().0, 200);
    let (status, again) = post(&http, &server.token, &form).await.unwrap();
    assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")));
}

/// No file may grow beyond a megabyte, as on a full disk: nothing is said to be done that is not, reads go on, and once there is room
/// every session goes on from what it was last told.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_forgets_nothing_it_said() {
    let world = World::start(Engine::Sqlite).await;
    let mut token = world.tokens("orders:read").await["refresh_token"].as_str().unwrap().to_owned();
    let (issuer, directory, text) = (world.issuer.clone(), world.directory.clone(), world.text.clone());
    world.running.stop().await;
    let config = directory.join("symbolon.toml");
    std::fs::write(&config, text).unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_symbolon")]);
    let mut server = Server::spawn(&mut Server::dressed(limited, &config), &issuer).await;
    let mut told = 0;
    let refused = loop {
        match refresh(&server.http, &server.token, &token).await.unwrap() {
            (200, body) => token = body["refresh_token"].as_str().unwrap().to_owned(),
            other => break other,
        }
        told += 1;
        assert!(told < 20_000, "the disk was never full");
    };
    assert!(told > 0 && [500, 503].contains(&refused.0), "{told} {refused:?}");
    let keys = server.http.get(format!("{issuer}/jwks")).send().await.unwrap();
    assert_eq!(keys.status(), 200, "what needs no disk goes on");
    server.kill();
    let mut server = Server::start(&config, &issuer).await;
    let (status, body) = refresh(&server.http, &server.token, &token).await.unwrap();
    assert_eq!(status, 200, "{body}");
    server.kill();
    let _ = std::fs::remove_dir_all(&directory);
}
