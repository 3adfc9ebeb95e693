//! `symbolon guard`: the part of an API as a process of its own (crate `symbolon-guard`). It reads its own file, and no store.

use super::screen::{Screen, Stop};
use crate::error::Fault;
use crate::operations::Problem;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use symbolon_guard::{Config, review};

/// The list has a limit of its own in the guard; this is for whatever else may answer there.
const MOST_OBSERVED: u64 = 1024 * 1024;

#[derive(Subcommand)]
pub enum Guard {
    /// Answer proxies (nginx, Caddy, Traefik, Envoy) until told to stop: may this call pass to its API?
    Serve {
        #[arg(default_value = "guard.toml")]
        file: PathBuf,
    },
    /// Read the guard's configuration as a security reviewer would.
    Check {
        #[arg(default_value = "guard.toml")]
        file: PathBuf,
        /// Fail on weak spots too, not only on mistakes.
        #[arg(long)]
        strict: bool,
    },
}

pub async fn guard(screen: &Screen, action: Guard) -> Result<u8, Stop> {
    match action {
        Guard::Serve { file } => {
            screen.must_be_text("guard serve")?;
            serve(&file).await?;
            Ok(0)
        }
        Guard::Check { file, strict } => check(screen, &file, strict).await,
    }
}

async fn serve(file: &Path) -> Result<(), Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let io = |it: std::io::Error| Fault::new(it.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let config = Config::load(file).map_err(Problem::invalid)?;
    let metrics = crate::telemetry::metrics_of_process()?;
    let mut upkeep = tokio::time::interval(std::time::Duration::from_secs(5));
    let running = symbolon_guard::start(&config, Arc::new(|| metrics.render()), None).await.map_err(Problem::invalid)?;
    tracing::info!(forward = ?running.forward, grpc = ?running.grpc, issuer = config.issuer, "the guard answers");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = upkeep.tick() => metrics.run_upkeep(),
        }
    }
    tracing::info!("stopping: finishing the calls under way");
    running.stop().await;
    Ok(())
}

/// The foreign tokens that the running guard has let through. None: no guard answers at the metrics port.
async fn observed(config: &Config) -> Option<Vec<serde_json::Value>> {
    let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(2)).no_proxy().build().ok()?;
    let answer = http.get(format!("http://{}/observed", config.metrics?)).send().await.ok()?;
    if answer.content_length().is_none_or(|it| it > MOST_OBSERVED) {
        return None;
    }
    answer.json().await.ok()
}

/// 0: nothing wrong; 1: `guard serve` would not start; 2: weak spots and `--strict`.
async fn check(screen: &Screen, file: &Path, strict: bool) -> Result<u8, Stop> {
    let config = Config::load(file).map_err(Problem::invalid)?;
    symbolon_guard::check_secrets(&config).map_err(Problem::invalid)?;
    let weak = review::weak_spots(&config);
    let observed = observed(&config).await;
    if screen.is_json() {
        let apis: Vec<&String> = config.api.keys().collect();
        let review = json!({
            "outcome": "guard_review", "issuer": config.issuer, "apis": apis, "findings": weak, "weak": weak.len(), "observed": observed,
        });
        screen.line(review.to_string())?;
    } else {
        for line in &weak {
            screen.row(&format!("  ! {line}"))?;
        }
        for one in observed.iter().flatten() {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let who = format!("client {:?}, version {:?}", text("client"), text("version"));
            screen.row(&format!(
                "    {} calls at {} of {}: tokens of {}; {who}",
                one["calls"],
                text("route"),
                text("api"),
                text("issuer")
            ))?;
        }
        screen.line(match weak.len() {
            0 => "No weak spots.".to_owned(),
            1 => "1 weak spot, marked with !".to_owned(),
            count => format!("{count} weak spots, marked with !"),
        })?;
    }
    Ok(if strict && !weak.is_empty() { 2 } else { 0 })
}
