//! What the kernel says: CPU time and memory of a process, and the time of day. Linux.

use std::time::Duration;

/// CPU time of a process so far, all threads, user and system.
pub fn cpu(pid: u32) -> Result<Duration, String> {
    // Field 3 is the first here, so utime (14) and stime (15) are 11 and 12. Programs see a USER_HZ of 100 on every Linux.
    let fields = fields(pid)?;
    let ticks = |at: usize| fields.get(at).copied().ok_or_else(|| format!("process {pid}: no CPU time"));
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// CPU time of the server, and of the database where it has processes of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub server: Duration,
    pub database: Option<Duration>,
}

impl Cpu {
    pub fn since(&self, before: &Self) -> Self {
        let database = self.database.zip(before.database).map(|(now, then)| now.saturating_sub(then));
        Self { server: self.server.saturating_sub(before.server), database }
    }

    pub fn divided(&self, by: u64) -> Self {
        let each = |total: Duration| total.div_f64(by.max(1) as f64);
        Self { server: each(self.server), database: self.database.map(each) }
    }
}

/// `postmaster`: PostgreSQL's first process on this machine.
pub fn cpu_with_database(pid: u32, postmaster: Option<u32>) -> Result<Cpu, String> {
    Ok(Cpu { server: cpu(pid)?, database: postmaster.map(cpu_of_family).transpose()? })
}

/// CPU time of a process, of its children, and of those of them that have ended.
fn cpu_of_family(parent: u32) -> Result<Duration, String> {
    let mut ticks = fields(parent)?.iter().skip(11).take(4).sum::<u64>();
    for entry in std::fs::read_dir("/proc").map_err(|it| format!("/proc: {it}"))?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        // A process may end meanwhile; then its parent has its time.
        let Ok(of_child) = fields(pid) else { continue };
        if of_child.get(1) == Some(&u64::from(parent)) {
            ticks += of_child.iter().skip(11).take(2).sum::<u64>();
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}

pub fn parent(pid: u32) -> Result<u32, String> {
    fields(pid)?.get(1).and_then(|it| u32::try_from(*it).ok()).ok_or_else(|| format!("process {pid}: no parent"))
}

/// The fields of /proc/PID/stat from the third on, as numbers. The state, a letter, is 0 here, as is what is below zero.
fn fields(pid: u32) -> Result<Vec<u64>, String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|it| format!("process {pid}: {it}"))?;
    // The name in brackets may contain anything.
    let behind = stat.rsplit_once(')').map(|it| it.1).unwrap_or_default();
    Ok(behind.split_whitespace().map(|it| it.parse().unwrap_or_default()).collect())
}

/// Resident memory in KiB.
pub fn resident_kib(pid: u32) -> Result<u64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|it| format!("process {pid}: {it}"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or_else(|| format!("process {pid}: no VmRSS"))?;
    line.split_whitespace().next().and_then(|it| it.parse().ok()).ok_or_else(|| format!("process {pid}: VmRSS is {line:?}"))
}

/// The load average of the minute before: other work on the machine.
pub fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "the load is a client, and a client reads the clock")]
pub fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
