//! A PostgreSQL server of one test's own, for settings that hold for all of its databases.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub struct PrivateCluster {
    directory: PathBuf,
    programs: PathBuf,
    /// Then its programs run as the user postgres, because they refuse to run as root.
    as_root: bool,
}

impl PrivateCluster {
    /// Starts one with these lines at the end of its configuration. It does not wait for the disk, and listens on a socket alone. None: this
    /// machine cannot, and the test says so.
    pub fn start(settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL's programs initdb and pg_ctl are not on this machine");
            return None;
        };
        let directory = std::env::temp_dir().join(format!("symbolon-cluster-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let as_root = directory.metadata().unwrap().uid() == 0;
        let cluster = Self { directory, programs, as_root };
        let is_possible = |command: &mut Command| command.stderr(Stdio::null()).status().is_ok_and(|it| it.success());
        if as_root && !is_possible(Command::new("chown").arg("postgres").arg(&cluster.directory)) {
            println!("skipped: PostgreSQL does not run as root, and there is no user postgres");
            return None;
        }
        if !is_possible(cluster.program("initdb").arg("--version").stdout(Stdio::null())) {
            println!("skipped: PostgreSQL's programs cannot be run as the user postgres");
            return None;
        }
        let data = cluster.directory.join("data");
        let options = ["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--no-sync", "-D"];
        run(cluster.program("initdb").args(options).arg(&data));
        let file = data.join("postgresql.conf");
        let own = format!("port = 5432\nlisten_addresses = ''\nunix_socket_directories = '{}'\n", cluster.directory.display());
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}\nfsync = off\n{own}{settings}\n")).unwrap();
        run(cluster.program("pg_ctl").arg("-D").arg(&data).arg("-l").arg(cluster.directory.join("log")).args(["-w", "start"]));
        Some(cluster)
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.directory.display().to_string().replace('/', "%2F"))
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        if !self.as_root {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
        command
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        stop.arg("-D").arg(self.directory.join("data")).args(["-m", "immediate", "stop"]);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Where PostgreSQL's programs are. Debian has a directory for each version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|it| it.path().join("bin"));
    let others = ["/usr/local/bin", "/usr/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    versions.chain(others).find(|it| it.join("initdb").exists() && it.join("pg_ctl").exists())
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}
