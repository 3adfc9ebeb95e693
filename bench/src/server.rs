//! The server under test: the real binary in its own process. Its own commands set up its configuration on disk.

use crate::http::{self, Connection};
use crate::process;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::element::Maker;

pub const BACK: &str = "https://app.example.com/callback";
/// The host of `BACK`.
pub const LINKS: &str = "app.example.com";
pub const PHONE: &str = "phone";
/// A client whose installations the server itself attests, and its app.
pub const ATTESTED: &str = "attested";
pub const IOS_APP: &str = "ABCDE12345.com.example.shop";
/// Kiosks, and the app whose members they let in.
pub const GATE: &str = "gate";
pub const GATE_APP: &str = "ABCDE12345.com.example.gate";
pub const MEMBER: &str = "member";
/// The server lets one kiosk ask 120 times a minute, so there are some.
const GATES: usize = 24;
/// An app whose sign-ins end on a continue page, and the host of that page.
pub const LINKED: &str = "linked";
pub const CONTINUE: &str = "go.shop-signin.example";
pub const PASSWORD: &str = "correct horse battery staple";
/// The file that `symbolon init` makes.
const CONFIGURATION: &str = "symbolon.toml";

/// A directory with a configuration, a key and people.
pub struct Site {
    binary: PathBuf,
    directory: PathBuf,
    database: String,
    /// PostgreSQL's first process, where the database is one on this machine.
    pub postmaster: Option<u32>,
    pub issuer: String,
    pub address: SocketAddr,
    /// The secret of the service client and of both APIs, in clear.
    pub secret: String,
    /// The key of the service client that signs assertions.
    pub key: PrivateKey,
    pub people: Vec<String>,
    /// The keys of the kiosks. The one at place N is called "Gate N".
    pub gates: Vec<PrivateKey>,
    /// Makes the phones that the attested client runs on.
    pub maker: Maker,
}

pub struct Server {
    child: Child,
    pub started_in: Duration,
}

impl Site {
    pub fn make(binary: &Path, directory: &Path, database: &str, people: usize) -> Result<Self, String> {
        let address = free_address()?;
        let _ = std::fs::remove_dir_all(directory);
        run(Command::new(binary).arg("init").arg(directory), "")?;
        let printed = run(Command::new(binary).args(["client", "secret"]), "")?;
        let secret = printed.lines().nth(1).unwrap_or_default().trim().to_owned();
        let digest = printed.split('\'').nth(1).ok_or("`symbolon client secret` printed no digest")?.to_owned();
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
        let maker = Maker::new().map_err(|it| it.to_string())?;
        let gates = (0..GATES).map(|_| PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}")));
        let gates = gates.collect::<Result<Vec<_>, _>>()?;
        let text = configuration(address, database, &digest, &key, &maker.root_spki)? + &kiosks(&gates);
        std::fs::write(directory.join(CONFIGURATION), text).map_err(|it| it.to_string())?;
        let people = (0..people).map(|it| format!("person-{it}")).collect();
        let site = Self {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            database: database.to_owned(),
            postmaster: None,
            issuer: format!("http://{address}"),
            address,
            secret,
            key,
            people,
            gates,
            maker,
        };
        for name in &site.people {
            run(site.command().args(["user", "add", name]), PASSWORD)?;
        }
        Ok(site)
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// The file of an SQLite database.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        self.database.strip_prefix("sqlite:").map(|it| self.directory.join(it))
    }

    /// Finds PostgreSQL's first process: the parent of the one that serves a connection.
    pub async fn find_postmaster(&mut self) -> Result<(), String> {
        if self.sqlite_file().is_none() {
            let backend = crate::store::Stored::open(self).await?.number("SELECT pg_backend_pid()::bigint").await?.unwrap_or_default();
            self.postmaster = u32::try_from(backend).ok().and_then(|it| process::parent(it).ok());
        }
        Ok(())
    }

    /// What the person added counts in full from now on.
    pub fn confirm_means(&self, name: &str) -> Result<(), String> {
        run(self.command().args(["user", "confirm", name]), "").map(drop)
    }

    fn command(&self) -> Command {
        self.command_with(CONFIGURATION)
    }

    fn command_with(&self, file: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(self.directory.join(file));
        command
    }

    /// Starts the server and waits for the first 200 of /health. Its log goes to a file, as that of a service does.
    pub fn start(&self, log_level: &str) -> Result<Server, String> {
        self.start_with(CONFIGURATION, self.address, log_level)
    }

    /// Starts a node that says what it counts. The first one, number 0, listens where the issuer is. All have the rest in common, the
    /// database included.
    pub fn start_node(&self, number: usize) -> Result<CountingNode, String> {
        let address = if number == 0 { self.address } else { free_address()? };
        let counts = free_address()?;
        let own = format!("listen = \"{address}\"\nmetrics = \"{counts}\"\nadmin_socket = \"node-{number}.sock\"");
        let text = std::fs::read_to_string(self.directory.join(CONFIGURATION)).map_err(|it| it.to_string())?;
        let text = text.replacen(&format!("listen = \"{}\"", self.address), &own, 1);
        let file = format!("node-{number}.toml");
        std::fs::write(self.directory.join(&file), text).map_err(|it| it.to_string())?;
        Ok(CountingNode { server: self.start_with(&file, address, "info")?, address, counts })
    }

    fn start_with(&self, file: &str, address: SocketAddr, log_level: &str) -> Result<Server, String> {
        let log_file = self.directory.join(file).with_extension("log");
        let log = std::fs::File::create(&log_file).map_err(|it| it.to_string())?;
        let began = Instant::now();
        let mut command = self.command_with(file);
        command.arg("serve").env("RUST_LOG", log_level).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|it| format!("{}: {it}", self.binary.display()))?;
        let mut server = Server { child, started_in: Duration::ZERO };
        while !is_healthy(address) {
            if let Ok(Some(status)) = server.child.try_wait() {
                let said = std::fs::read_to_string(&log_file).unwrap_or_default();
                return Err(format!("the server ended ({status}): {said}"));
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err("the server did not become healthy".to_owned());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        server.started_in = began.elapsed();
        Ok(server)
    }
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn resident_kib(&self) -> Result<u64, String> {
        process::resident_kib(self.pid())
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self) -> Result<(), String> {
        run(Command::new("kill").arg(self.pid().to_string()), "")?;
        let status = self.child.wait().map_err(|it| it.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

/// One of several processes that serve the same site. It says at an address of its own what it counts.
pub struct CountingNode {
    pub server: Server,
    pub address: SocketAddr,
    counts: SocketAddr,
}

impl CountingNode {
    /// How many changes conflicted since its start.
    pub async fn conflicts(&self) -> Result<u64, String> {
        let answer = Connection::open(self.counts).await?.ask(&http::get("/metrics", &[])).await?;
        if answer.status != 200 {
            return Err(format!("/metrics: {}", answer.status));
        }
        Ok(counted_conflicts(&answer.body))
    }
}

/// A counter is not there before it counts for the first time.
fn counted_conflicts(metrics: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix("symbolon_store_refusals_total{why=\"conflict\"} "));
    line.and_then(|it| it.trim().parse().ok()).unwrap_or_default()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr, String> {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(|it| it.to_string())
}

fn is_healthy(address: SocketAddr) -> bool {
    use std::io::Read;
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut start = [0; 12];
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start == *b"HTTP/1.1 200"
}

/// Runs a command to its end and returns what it printed.
pub fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|it| format!("{command:?}: {it}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|it| it.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// For native sign-ins by a passkey. The load says which network they are from.
const KEYS: &str = r#"trusted_proxies = ["127.0.0.1"]
[passkeys]
offer = false
[login.keys]
require = ["password", "passkey"]
[login.enrol]
require = ["password + passkey"]
acr = "urn:bench:enrol"
"#;

fn kiosks(gates: &[PrivateKey]) -> String {
    let devices = gates
        .iter()
        .enumerate()
        .map(|(at, key)| format!("[client.{GATE}.kiosk.device.{}]\nname = \"Gate {at}\"\nplace = \"Main hall\"\n", key.kid()));
    format!(
        r#"
[client.{MEMBER}]
kind = "native"
owner = "shop"
first_party = true
dpop = "required"
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]

[client.{GATE}]
kind = "native"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = {{ orders = ["orders:read"] }}
grants = ["urn:symbolon:oauth:grant-type:kiosk"]
refresh = {{ most_per_person = "unlimited" }}
attestation = {{ ios = {{ app_ids = ["{GATE_APP}"] }} }}
[client.{GATE}.kiosk]
members = ["{MEMBER}"]
{}
[client.{LINKED}]
kind = "native"
owner = "shop"
first_party = true
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]
refresh = {{ most_per_person = "unlimited" }}
continue = {{ host = "{CONTINUE}" }}
[host."{CONTINUE}"]
owner = "shop"
continue_page = true

[client_registration.open]
open = true
scopes = ["openid"]
"#,
        devices.collect::<String>()
    )
}

fn configuration(address: SocketAddr, database: &str, digest: &str, key: &PrivateKey, root: &str) -> Result<String, String> {
    let mut jwk = String::new();
    for (name, value) in key.public().to_jwk().as_object().into_iter().flatten() {
        write!(jwk, "{name} = {value}, ").map_err(|it| it.to_string())?;
    }
    Ok(format!(
        r#"
issuer = "http://{address}"
listen = "{address}"
database = "{database}"
development = true
master_key = {{ file = "symbolon.key" }}
{KEYS}
[api.orders]
audience = "https://api.example.com/orders"
introspection_secret = '{digest}'
[api.orders.scope."orders:read"]
text = "See your orders"
[api.orders.scope."orders:write"]
text = "Change your orders"

[api.ledger]
audience = "https://api.example.com/ledger"
token = "opaque"
introspection_secret = '{digest}'
[api.ledger.scope."ledger:read"]
text = "See your balance"

[client.{PHONE}]
kind = "native"
owner = "shop"
first_party = true
apis = {{ orders = ["orders:read", "orders:write"], ledger = ["ledger:read"] }}
redirect_uris = ["{BACK}"]
# A few people refresh more often here than a whole town does.
refresh = {{ most_per_person = "unlimited" }}

[attestation]
simulated_roots = ["{root}"]
[client.{ATTESTED}]
kind = "native"
owner = "shop"
first_party = true
authentication = "attest_jwt_client_auth_dpop"
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]
refresh = {{ most_per_person = "unlimited" }}
native = true
login = "keys"
app = {{ ios = ["{IOS_APP}"] }}
attestation = {{ ios = {{ app_ids = ["{IOS_APP}"] }} }}

[host."{LINKS}"]
owner = "shop"

[client.tv]
kind = "native"
first_party = true
grants = ["urn:ietf:params:oauth:grant-type:device_code"]
apis = {{ orders = ["orders:read"] }}

[client.robot-secret]
kind = "service"
authentication = "client_secret_basic"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}

[client.robot-key]
kind = "service"
authentication = "private_key_jwt"
jwks = {{ keys = [{{ {jwk} kid = "{}", alg = "ES256" }}] }}
apis = {{ orders = ["orders:read"] }}
"#,
        key.kid()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_read_from_the_metrics() {
        let head = "# TYPE symbolon_store_refusals_total counter\nsymbolon_store_refusals_total{why=\"busy\"} 3\n";
        assert_eq!(counted_conflicts(&format!("{head}symbolon_store_refusals_total{{why=\"conflict\"}} 41\n")), 41);
        assert_eq!(counted_conflicts(head), 0);
    }
}
