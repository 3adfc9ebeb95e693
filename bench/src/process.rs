//! What the kernel says: CPU time and memory of a process, and the time of day. Linux.

use std::time::Duration;

/// CPU time of a process so far, all threads, user and system.
pub fn cpu(pid: u32) -> Result<Duration, String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|it| format!("process {pid}: {it}"))?;
    // The name in brackets may contain anything. Behind it comes field 3, so utime (14) and stime (15) are 11 and 12.
    let fields: Vec<&str> = stat.rsplit_once(')').map(|it| it.1.split_whitespace().collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<u64>().ok()).ok_or_else(|| format!("process {pid}: no CPU time"));
    // Programs see a USER_HZ of 100 on every Linux, whatever the kernel's own tick is.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Resident memory in KiB.
pub fn resident_kib(pid: u32) -> Result<u64, String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|it| format!("process {pid}: {it}"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or_else(|| format!("process {pid}: no VmRSS"))?;
    line.split_whitespace().next().and_then(|it| it.parse().ok()).ok_or_else(|| format!("process {pid}: VmRSS is {line:?}"))
}

#[expect(clippy::disallowed_methods, reason = "the load is a client, and a client reads the clock")]
pub fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
