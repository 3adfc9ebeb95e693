//! `cargo xtask bench --against keycloak`: the rows of `--against FILE` at a Keycloak of its own, on a PostgreSQL that waits for the disk.
//! Keycloak runs as its documentation has it for production, on one node. It is asked without TLS, as our own server is. It takes DPoP
//! proofs of any client, and binds what it issues then.

use crate::machine::{self, Cluster};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOME: &str = "xtask/keycloak";
/// A session for each grant of the load: Keycloak keeps one grant of a client in a session.
const SESSIONS: &str = "256";
const STARTS_WITHIN: Duration = Duration::from_secs(240);

/// A Keycloak that runs. It ends with this value.
pub struct Peer {
    child: Child,
    /// What `symbolon-bench against` reads.
    pub file: PathBuf,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The shell passes this on to Java, which a kill of the shell would leave.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

pub fn start(target: &Path, database: &Cluster) -> Result<Peer, String> {
    machine::programs()?;
    let home = machine::keycloak(target)?;
    let import = home.join("data/import");
    std::fs::create_dir_all(&import).map_err(|it| it.to_string())?;
    let _ = std::fs::remove_file(import.join("people.json"));
    std::fs::copy(Path::new(HOME).join("people.json"), import.join("bench.json")).map_err(|it| it.to_string())?;
    let program = home.join("bin/kc.sh");
    println!("Keycloak is built for PostgreSQL, and starts: about two minutes");
    let built = Command::new("sh").arg(&program).args(["build", "--db=postgres"]).stdout(Stdio::null()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("kc.sh build failed".to_owned());
    }
    let port = free_port()?;
    let words = [
        "start".to_owned(),
        "--optimized".to_owned(),
        "--import-realm".to_owned(),
        "--cache=local".to_owned(),
        "--http-enabled=true".to_owned(),
        "--http-host=127.0.0.1".to_owned(),
        format!("--http-port={port}"),
        format!("--http-management-port={}", free_port()?),
        format!("--hostname=http://127.0.0.1:{port}"),
        format!("--db-url=jdbc:postgresql://127.0.0.1:{}/postgres", database.port()),
        "--db-username=postgres".to_owned(),
        "--db-password=x".to_owned(),
    ];
    let log = std::fs::File::create(target.join("keycloak/log")).map_err(|it| it.to_string())?;
    let child = Command::new("sh").arg(&program).args(words).stdin(Stdio::null()).stdout(log).spawn().map_err(|it| it.to_string())?;
    let file = target.join("keycloak/peer.toml");
    let mut peer = Peer { child, file };
    let base = format!("http://127.0.0.1:{port}/realms/bench");
    let cookies = sign_in(&mut peer.child, &base)?;
    let processes = [("pid", java_of(peer.child.id())), ("postmaster", database.postmaster())];
    let known = processes.iter().filter_map(|(name, process)| process.map(|number| format!("{name} = {number}\n")));
    std::fs::write(&peer.file, described(port, &known.collect::<String>(), &cookies)).map_err(|it| it.to_string())?;
    Ok(peer)
}

/// A `Cookie` header on each line, as soon as the server answers.
fn sign_in(child: &mut Child, base: &str) -> Result<Vec<String>, String> {
    let began = Instant::now();
    loop {
        let mut command = Command::new("python3");
        let output = command.arg(Path::new(HOME).join("sign_in.py")).args([base, SESSIONS]).output().map_err(|it| it.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect());
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        if child.try_wait().is_ok_and(|ended| ended.is_some()) || began.elapsed() > STARTS_WITHIN {
            return Err(format!("Keycloak does not sign anybody in: {why}. Its log is target/keycloak/log"));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Java's process: the shell becomes it, or starts it.
fn java_of(shell: u32) -> Option<u32> {
    let said = |pid: u32, what: &str| -> Option<String> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix(what)).map(|text| text.trim().to_owned())
    };
    let is_java = |pid: u32| said(pid, "Name:").as_deref() == Some("java");
    let is_child = |pid: u32| said(pid, "PPid:").is_some_and(|text| text == shell.to_string());
    if is_java(shell) {
        return Some(shell);
    }
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.find(|pid| is_child(*pid) && is_java(*pid))
}

/// `processes`: those whose CPU time is counted.
fn described(port: u16, processes: &str, cookies: &[String]) -> String {
    let cookies: Vec<String> = cookies.iter().map(|cookie| format!("'{cookie}'")).collect();
    let (at, version) = ("/realms/bench/protocol/openid-connect", machine::KEYCLOAK.0);
    format!(
        "name = \"Keycloak\"\nversion = \"{version}\"\nbase = \"http://127.0.0.1:{port}\"\n{processes}\
         paths = {{ metadata = \"/realms/bench/.well-known/openid-configuration\", authorize = \"{at}/auth\", token = \"{at}/token\" }}\n\
         [client]\nid = \"phone\"\nredirect_uri = \"https://app.example.com/callback\"\nscope = \"openid\"\ndpop = true\n\
         [sign_in]\ncookies = [{}]\n\
         [service]\nid = \"robot\"\nsecret = \"a secret of the bench, 0123456789\"\nscope = \"openid\"\n",
        cookies.join(", ")
    )
}

pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|it| it.to_string())?;
    Ok(listener.local_addr().map_err(|it| it.to_string())?.port())
}
