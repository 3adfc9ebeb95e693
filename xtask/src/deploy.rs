//! What operators get in deploy/: the alert rules by Prometheus's own program, and the Helm chart rendered by Helm. What the chart writes
//! as a configuration is one that the server takes.

use super::{Count, built, machine, run};
use std::path::Path;
use std::process::{Command, Stdio};

const CHART: &str = "deploy/helm/symbolon";

/// Values that operators may have: PostgreSQL behind an ingress, SQLite on a volume, and as little as can be.
const VALUES: [(&str, &[&str]); 3] = [
    ("the least", &[]),
    (
        "everything",
        &[
            "ingress.enabled=true",
            "ingress.host=login.example.com",
            "ingress.tlsSecret=tls",
            "ingress.className=nginx",
            "metrics.serviceMonitor=true",
            "metrics.rules=true",
            "trustedProxies={10.0.0.0/8}",
        ],
    ),
    ("sqlite", &["sqlite.enabled=true", "replicas=1", "metrics.enabled=false", "issuer=https://example.com/login"]),
];

/// What lacks a value, and what it is told.
const LACKING: [(&[&str], &str); 4] = [
    (&["existingSecret=symbolon"], "issuer must be set"),
    (&["issuer=https://login.example.com"], "existingSecret must be set"),
    (&["issuer=https://login.example.com", "existingSecret=symbolon", "sqlite.enabled=true"], "sqlite.enabled is for one pod"),
    (&["issuer=https://login.example.com", "existingSecret=symbolon", "ingress.enabled=true"], "ingress.host must be set"),
];

/// Why Helm cannot be had, where nobody is at fault.
const OUT_OF_REACH: [&str; 5] = ["Go is missing", "dial tcp", "no such host", "connection refused", "i/o timeout"];

/// The rules are well formed, and fire at what they are for.
pub fn alerts() -> Result<Count, String> {
    for words in [["check", "rules", "deploy/alerts.yml"], ["test", "rules", "deploy/alerts.test.yml"]] {
        let mut promtool = Command::new("promtool");
        promtool.args(words);
        run(promtool)?;
    }
    Ok(Count { passed: 2, ..Count::default() })
}

/// Every set of values renders to objects of Kubernetes, with a configuration that `symbolon check` takes. What needs a value fails
/// without it.
pub fn chart(target: &Path) -> Result<Count, String> {
    let helm = match machine::helm(target) {
        Ok(helm) => helm,
        Err(why) if OUT_OF_REACH.iter().any(|it| why.contains(it)) => {
            return Ok(Count { left_out: Some(format!("the Helm chart was not rendered: {why}")), ..Count::default() });
        }
        Err(why) => return Err(why),
    };
    let render = |sets: &[&str]| {
        let mut command = Command::new(&helm);
        command.args(["template", "shop", CHART, "--kube-version", "1.30.0"]).args(sets.iter().flat_map(|it| ["--set", *it]));
        command.stdin(Stdio::null()).output().map_err(|it| format!("helm: {it}"))
    };
    let mut passed = 0;
    for (name, sets) in VALUES {
        let all: Vec<&str> = ["issuer=https://login.example.com", "existingSecret=symbolon"].iter().chain(sets).copied().collect();
        let output = render(&all)?;
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        judge(&String::from_utf8_lossy(&output.stdout), target).map_err(|why| format!("{name}: {why}"))?;
        passed += 1;
    }
    for (without, says) in LACKING {
        let output = render(without)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || !said.contains(says) {
            return Err(format!("{without:?} should say {says:?}: {said}"));
        }
        passed += 1;
    }
    println!("{passed} renderings of the chart are as they should be");
    Ok(Count { passed, ..Count::default() })
}

/// Each object has a kind, a version and a name, and the configuration is one that the server would start with.
fn judge(rendered: &str, target: &Path) -> Result<(), String> {
    let objects: Vec<&str> = rendered.split("\n---\n").filter(|it| it.lines().any(|line| line.starts_with("kind: "))).collect();
    let has = |kind: &str| objects.iter().any(|it| it.lines().any(|line| line == format!("kind: {kind}")));
    if !["ConfigMap", "Deployment", "Service"].into_iter().all(has) {
        return Err(format!("an object is missing:\n{rendered}"));
    }
    for object in &objects {
        let names = |begin: &str| object.lines().any(|line| line.starts_with(begin));
        if !names("apiVersion: ") || !names("  name: shop-symbolon") {
            return Err(format!("no apiVersion or no name:\n{object}"));
        }
    }
    let deployment = objects.iter().find(|it| it.contains("\nkind: Deployment")).copied().unwrap_or_default();
    let begin = r#"command: ["symbolon", "-c", "/etc/symbolon/symbolon.toml"]"#;
    if !deployment.contains(begin) || !deployment.contains(r#"args: ["serve"]"#) {
        return Err(format!("the pod does not serve its configuration:\n{deployment}"));
    }
    check(rendered, target)
}

/// `symbolon check` of the configuration in the ConfigMap. The pod's directory becomes one of ours.
fn check(rendered: &str, target: &Path) -> Result<(), String> {
    let lines = rendered.lines().skip_while(|line| *line != "  symbolon.toml: |").skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    ")).map(|line| line.get(4..).unwrap_or_default());
    let directory = target.join("chart");
    std::fs::create_dir_all(&directory).map_err(|it| it.to_string())?;
    let text = lines.collect::<Vec<_>>().join("\n").replace("/var/lib/symbolon", &directory.display().to_string());
    let file = directory.join("symbolon.toml");
    // Where a pod gets its database from the secret, this check has a file.
    let needs_database = !text.contains("database = ");
    std::fs::write(&file, text).map_err(|it| it.to_string())?;
    let mut command = built("symbolon")?;
    command.arg("-c").arg(&file).arg("check").env("SYMBOLON_MASTER_KEY", KEY).stdin(Stdio::null());
    if needs_database {
        command.env("SYMBOLON_DATABASE", format!("sqlite:{}", directory.join("none.db").display()));
    }
    let output = command.output().map_err(|it| it.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("symbolon check: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A master key for nothing but this check.
const KEY: &str = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
