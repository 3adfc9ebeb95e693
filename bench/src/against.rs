//! The same rows at another server of the protocol. A small file names its endpoints, its client, and who is signed in there.

use crate::compared::{self, KeptRows, TheirRows};
use crate::http::{self, Answer, Connection};
use crate::load::{self, Load, Row, Work};
use crate::process::now_s;
use crate::report;
use crate::server::{BACK, PHONE, Server, Site};
use bytes::Bytes;
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64, dpop, pkce};

const WARM_UP: Duration = Duration::from_millis(500);
const PROOFS_PER_S: f64 = 8_000.0;
/// Grants for each row about refresh tokens.
pub const GRANTS: usize = 256;

#[derive(clap::Args)]
pub struct Options {
    /// The file that describes the other server.
    pub file: PathBuf,
    /// The rows of our server, as `ours` has kept them. Both then stand in one table.
    #[arg(long)]
    pub beside: Option<PathBuf>,
    /// The file whose table of both is replaced.
    #[arg(long, requires = "beside")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub timing: Timing,
}

/// How the rows are measured, the same at both servers.
#[derive(clap::Args)]
pub struct Timing {
    /// How long each row is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=20))]
    pub seconds: u64,
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub connections: u16,
    /// Run all rows once before they count: some servers compile themselves while they run.
    #[arg(long)]
    pub rehearse: bool,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    name: String,
    version: Option<String>,
    /// Such as `http://127.0.0.1:8080`. TLS is left out, as for our own server.
    base: String,
    /// The server's process on this machine. Absent: its CPU time is not counted.
    pid: Option<u32>,
    /// The first process of its PostgreSQL on this machine. Absent: the database's CPU time is not counted.
    postmaster: Option<u32>,
    paths: Paths,
    client: Client,
    sign_in: SignIn,
    service: Option<Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paths {
    metadata: String,
    authorize: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    id: String,
    /// Sent by client_secret_basic. Absent: a public client.
    secret: Option<String>,
    redirect_uri: String,
    scope: String,
    /// Also measure DPoP.
    #[serde(default)]
    dpop: bool,
    /// Further parameters of the authorization request, such as `prompt`.
    #[serde(default)]
    parameters: std::collections::BTreeMap<String, String>,
}

/// People who are signed in: a `Cookie` header for each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    #[serde(default)]
    cookies: Vec<String>,
    /// A program that signs people in and prints a `Cookie` header on each line.
    command: Option<Vec<String>>,
}

/// A client for the client_credentials grant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    id: String,
    secret: String,
    scope: String,
}

impl Peer {
    /// Our own server. With `openid`, as others are asked: each answer has an ID token.
    pub fn ours(site: &Site, server: &Server, cookies: Vec<String>) -> Self {
        let [metadata, authorize, token] = ["/.well-known/openid-configuration", "/authorize", "/token"].map(str::to_owned);
        let client = Client {
            id: PHONE.to_owned(),
            secret: None,
            redirect_uri: BACK.to_owned(),
            scope: "openid orders:read".to_owned(),
            dpop: true,
            parameters: std::collections::BTreeMap::new(),
        };
        let service = Service { id: "robot-secret".to_owned(), secret: site.secret.clone(), scope: "orders:read".to_owned() };
        Self {
            name: "Symbolon".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            base: site.issuer.clone(),
            pid: Some(server.pid()),
            postmaster: site.postmaster,
            paths: Paths { metadata, authorize, token },
            client,
            sign_in: SignIn { cookies, command: None },
            service: Some(service),
        }
    }

    /// With its version, where that is known.
    pub fn full_name(&self) -> String {
        self.version.as_ref().map_or_else(|| self.name.clone(), |it| format!("{} {it}", self.name))
    }
}

pub async fn run(options: &Options) -> Result<(), String> {
    let (name, rows) = measure(options).await?;
    let text = match &options.beside {
        Some(file) => {
            let theirs = TheirRows { name: &name, rows: &rows };
            compared::text(&KeptRows::read(file)?, &theirs, &options.timing)
        }
        None => {
            let mut table = String::new();
            report::write_rows(&mut table, &name, &rows).map_err(|it| it.to_string())?;
            table
        }
    };
    println!("{text}");
    match &options.report {
        Some(file) => report::replace(file, &report::COMPARED, &text),
        None => Ok(()),
    }
}

async fn measure(options: &Options) -> Result<(String, Vec<Row>), String> {
    let text = std::fs::read_to_string(&options.file).map_err(|it| format!("{}: {it}", options.file.display()))?;
    let mut peer: Peer = toml::from_str(&text).map_err(|it| format!("{}: {it}", options.file.display()))?;
    if let Some(command) = &peer.sign_in.command {
        peer.sign_in.cookies.extend(cookies_of(command, directory_of(&options.file))?);
    }
    if peer.sign_in.cookies.is_empty() {
        return Err("[sign_in] has neither cookies nor a command that prints some".to_owned());
    }
    let name = peer.full_name();
    Ok((name, measure_peer(&options.timing, peer).await?))
}

/// All rows of a server.
pub async fn measure_peer(timing: &Timing, peer: Peer) -> Result<Vec<Row>, String> {
    let bench = Against::new(timing, peer)?;
    if timing.rehearse {
        println!("  all rows, once without counting");
        bench.rows().await?;
    }
    println!("  all rows");
    bench.rows().await
}

/// Where the file's commands run. A bare name has an empty parent, which is no directory.
fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cookies_of(command: &[String], directory: &Path) -> Result<Vec<String>, String> {
    let (program, words) = command.split_first().ok_or("[sign_in] command is empty")?;
    let output = Command::new(program).args(words).current_dir(directory).output().map_err(|it| format!("{program}: {it}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect())
}

struct Against {
    peer: Peer,
    address: SocketAddr,
    /// As requests name it: with its port, where it has one.
    host: String,
    connections: usize,
    measure: Duration,
    verifier: String,
}

/// A key for DPoP, and the server's nonce where it gave one.
struct Bound {
    key: PrivateKey,
    nonce: Option<String>,
    url: String,
}

impl Bound {
    /// `name`: once for each key.
    fn proof(&self, name: &str) -> Result<String, String> {
        let jti = format!("{}-{name}", self.key.kid().get(..8).unwrap_or_default());
        let statement =
            dpop::Statement { method: "POST", url: &self.url, nonce: self.nonce.as_deref(), access_token: None, jti: &jti, iat: now_s() };
        dpop::make(&self.key, &statement).map_err(|it| format!("{it:?}"))
    }
}

impl Against {
    fn new(timing: &Timing, peer: Peer) -> Result<Self, String> {
        let host = peer.base.strip_prefix("http://").ok_or("base must begin with http://")?.trim_end_matches('/').to_owned();
        let with_port = if host.contains(':') { host.clone() } else { format!("{host}:80") };
        let mut addresses = with_port.to_socket_addrs().map_err(|it| format!("{host}: {it}"))?;
        let address = addresses.next().ok_or_else(|| format!("{host} has no address"))?;
        let (measure, connections) = (Duration::from_secs(timing.seconds), usize::from(timing.connections));
        Ok(Self { peer, address, host, connections, measure, verifier: pkce::verifier([7; 32]) })
    }

    async fn rows(&self) -> Result<Vec<Row>, String> {
        let paths = &self.peer.paths;
        let mut rows = vec![self.round("metadata", 200, vec![http::get_at(&self.host, &paths.metadata, &[])]).await?];
        if let Some(service) = &self.peer.service {
            let form = [("grant_type", "client_credentials"), ("scope", service.scope.as_str())];
            let authorization = basic(&service.id, &service.secret);
            let request = http::post_at(&self.host, &paths.token, &[("authorization", &authorization)], &form);
            // The first use of a secret alone: many at once look like guessing, to our server at least.
            let answer = Connection::open(self.address).await?.ask(&request).await?;
            if answer.status != 200 {
                return Err(format!("{}: {}", answer.status, answer.body));
            }
            rows.push(self.round("client_credentials, client_secret_basic", 200, vec![request]).await?);
        }
        rows.extend(self.code_and_refresh("", None).await?);
        if self.peer.client.dpop {
            rows.extend(self.code_and_refresh(" with DPoP", Some(&self.bound().await?)).await?);
        }
        Ok(rows)
    }

    fn load(&self, status: u16) -> Load {
        let pid = self.peer.pid.unwrap_or_else(std::process::id);
        Load { address: self.address, pid, postmaster: self.peer.postmaster, status, warm_up: WARM_UP, measure: self.measure, keep: false }
    }

    async fn run(&self, name: &str, load: &Load, works: Vec<Work>) -> Result<(Row, Vec<Answer>), String> {
        let (mut row, answers) = load::run(name, load, works).await?;
        if self.peer.pid.is_none() {
            (row.server_us, row.resident_kib) = (f64::NAN, 0);
        }
        Ok((row, answers))
    }

    async fn round(&self, name: &str, status: u16, requests: Vec<Bytes>) -> Result<Row, String> {
        let works = (0..self.connections).map(|at| Work::Round(requests.clone(), at % requests.len())).collect();
        Ok(self.run(name, &self.load(status), works).await?.0)
    }

    /// Each request once, and its answers. It is over in some ticks of the clock by which the kernel counts CPU time.
    async fn each_once(&self, name: &str, status: u16, requests: VecDeque<Bytes>) -> Result<(Row, Vec<Answer>), String> {
        let queue = Rc::new(RefCell::new(requests));
        let works = (0..self.connections).map(|_| Work::Queue(Rc::clone(&queue))).collect();
        let load = Load { keep: true, warm_up: Duration::ZERO, measure: Duration::from_secs(60), ..self.load(status) };
        let (row, answers) = self.run(name, &load, works).await?;
        Ok((row.without_cpu(), answers))
    }

    /// Codes, their exchange, and refresh over these grants.
    async fn code_and_refresh(&self, suffix: &str, bound: Option<&Bound>) -> Result<Vec<Row>, String> {
        let requests = self.authorization_requests();
        let first = requests.first().ok_or("nobody is signed in")?;
        let status = Connection::open(self.address).await?.ask(first).await?.status;
        let (authorize, answers) =
            self.each_once(&format!("authorize, signed in already, to a code{suffix}"), status, requests.into()).await?;
        let codes: Option<Vec<String>> = answers.iter().map(code).collect();
        let codes = codes.ok_or_else(|| format!("no code came back: {}", answers.first().map_or("", |it| &it.head)))?;
        let exchanges: Result<VecDeque<Bytes>, String> = codes.iter().map(|it| self.exchange(it, bound)).collect();
        let (exchange, answers) = self.each_once(&format!("code exchange{suffix}"), 200, exchanges?).await?;
        let tokens: Option<Vec<String>> = answers.iter().map(|it| it.member("refresh_token").map(str::to_owned)).collect();
        let tokens = tokens.ok_or("a token response without a refresh token: does the scope need offline_access?")?;
        let refresh = self.run(&format!("refresh{suffix}"), &self.load(200), self.refreshes(&tokens, bound)?).await?.0;
        Ok(vec![authorize, exchange, refresh])
    }

    fn authorization_requests(&self) -> Vec<Bytes> {
        let client = &self.peer.client;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", client.id.as_str()),
                ("redirect_uri", &client.redirect_uri),
                ("response_type", "code"),
                ("scope", &client.scope),
                ("state", "bench"),
                ("code_challenge", &pkce::challenge(&self.verifier)),
                ("code_challenge_method", "S256"),
            ])
            .extend_pairs(&client.parameters)
            .finish();
        let path = format!("{}?{query}", self.peer.paths.authorize);
        self.peer.sign_in.cookies.iter().map(|it| http::get_at(&self.host, &path, &[("cookie", it)])).cycle().take(GRANTS).collect()
    }

    fn exchange(&self, code: &str, bound: Option<&Bound>) -> Result<Bytes, String> {
        let client = &self.peer.client;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client.id.as_str()),
            ("code", code),
            ("code_verifier", &self.verifier),
            ("redirect_uri", &client.redirect_uri),
        ];
        let proof = bound.map(|it| it.proof(code)).transpose()?;
        let authorization = self.authorization();
        let mut headers: Vec<(&str, &str)> = proof.as_deref().map(|it| ("dpop", it)).into_iter().collect();
        headers.extend(authorization.as_deref().map(|it| ("authorization", it)));
        Ok(http::post_at(&self.host, &self.peer.paths.token, &headers, &form))
    }

    fn authorization(&self) -> Option<String> {
        self.peer.client.secret.as_ref().map(|it| basic(&self.peer.client.id, it))
    }

    fn refreshes(&self, tokens: &[String], bound: Option<&Bound>) -> Result<Vec<Work>, String> {
        if tokens.len() < self.connections {
            return Err(format!("{} grants are too few for {} connections", tokens.len(), self.connections));
        }
        let wanted = (self.measure + WARM_UP).as_secs_f64() * PROOFS_PER_S;
        let make = |bound: &Bound| (0..wanted as u64).map(|it| bound.proof(&format!("r{it}"))).collect::<Result<VecDeque<_>, _>>();
        let proofs = bound.map(make).transpose()?.map(|it| Rc::new(RefCell::new(it)));
        let mut shares: Vec<Vec<String>> = vec![Vec::new(); self.connections];
        for (at, token) in tokens.iter().enumerate() {
            shares[at % self.connections].push(token.clone());
        }
        let works = shares.into_iter().map(|tokens| Work::Refresh {
            host: self.host.clone(),
            path: self.peer.paths.token.clone(),
            client: self.peer.client.id.clone(),
            authorization: self.authorization(),
            tokens,
            at: 0,
            attestation: None,
            proofs: proofs.clone(),
        });
        Ok(works.collect())
    }

    /// A key, and the nonce that the server wants in its proofs.
    async fn bound(&self) -> Result<Bound, String> {
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
        let url = format!("{}{}", self.peer.base.trim_end_matches('/'), self.peer.paths.token);
        let mut bound = Bound { key, nonce: None, url };
        let answer = Connection::open(self.address).await?.ask(&self.exchange("none", Some(&bound))?).await?;
        bound.nonce = answer.header("dpop-nonce").map(str::to_owned);
        Ok(bound)
    }
}

fn code(answer: &Answer) -> Option<String> {
    let (_, rest) = answer.header("location")?.split_once("code=")?;
    rest.split('&').next().map(str::to_owned)
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::encode(format!("{name}:{secret}").as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// A server of the protocol that says yes to everything, with a new refresh token each time.
    async fn say_yes(mut stream: TcpStream) {
        let mut buffer = vec![0; 16 * 1024];
        let mut number = 0;
        while let Ok(length) = stream.read(&mut buffer).await {
            // Slow enough for the proofs that were signed beforehand.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            number += 1;
            let head = if request.starts_with("GET /authorize") {
                "HTTP/1.1 302 Found\r\nlocation: https://app.example.com/callback?code=abc&state=bench".to_owned()
            } else {
                "HTTP/1.1 200 OK\r\ndpop-nonce: n".to_owned()
            };
            let body = format!(r#"{{"access_token":"a","refresh_token":"r{number}"}}"#);
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if length == 0 || stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn rows(sign_in: &str) -> Result<Vec<Row>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(say_yes(stream));
            }
        });
        let file = std::env::temp_dir().join(format!("symbolon-peer-{}-{}.toml", std::process::id(), address.port()));
        let text = format!(
            r#"
            name = "A peer"
            base = "http://{address}"
            paths = {{ metadata = "/metadata", authorize = "/authorize", token = "/token" }}
            client = {{ id = "app", redirect_uri = "https://app.example.com/callback", scope = "openid", dpop = true }}
            sign_in = {{ {sign_in} }}
            service = {{ id = "robot", secret = "s", scope = "read" }}
            "#
        );
        std::fs::write(&file, text).unwrap();
        let timing = Timing { seconds: 1, connections: 2, rehearse: false };
        let options = Options { file: file.clone(), beside: None, report: None, timing };
        let measured = measure(&options).await;
        std::fs::remove_file(&file).unwrap();
        Ok(measured?.1)
    }

    #[tokio::test]
    async fn another_server_is_driven_by_a_file_and_a_program_that_signs_in() {
        let rows = rows(r#"command = ["echo", "session=1"]"#).await.unwrap();
        let found: Vec<(&str, bool)> = rows.iter().map(|it| (it.name.as_str(), it.load_us.is_finite())).collect();
        // Each with whether its CPU time was counted.
        let expected = [
            ("metadata", true),
            ("client_credentials, client_secret_basic", true),
            ("authorize, signed in already, to a code", false),
            ("code exchange", false),
            ("refresh", true),
            ("authorize, signed in already, to a code with DPoP", false),
            ("code exchange with DPoP", false),
            ("refresh with DPoP", true),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn commands_run_beside_the_file() {
        for (file, directory) in [("peer.toml", "."), ("./peer.toml", "."), ("a/peer.toml", "a"), ("/peer.toml", "/")] {
            assert_eq!(directory_of(Path::new(file)), Path::new(directory), "{file}");
        }
    }

    #[test]
    fn the_peer_of_the_repository_can_be_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/node-oidc-provider/peer.toml");
        let peer: Peer = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(peer.full_name(), "node-oidc-provider 9.13.3");
    }

    #[tokio::test]
    async fn a_file_without_anybody_signed_in_is_refused() {
        assert_eq!(rows("").await.unwrap_err(), "[sign_in] has neither cookies nor a command that prints some");
    }
}
