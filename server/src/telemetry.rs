//! What operators see beside the audit: logs on standard error, metrics for Prometheus, and traces over OTLP (feature `otel`). Nothing in
//! any of them names a person, a token or a code.

mod format;
mod lines;

use crate::error::Fault;
use lines::Lines;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Seconds; a request takes from a fraction of a millisecond to the seconds of a burdened store.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
static LINES: OnceLock<Lines> = OnceLock::new();

/// The process has one recorder, however many servers run in it.
fn recorder() -> Option<&'static PrometheusHandle> {
    let install =
        || PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS).ok()?.install_recorder().ok();
    RECORDER.get_or_init(install).as_ref()
}

/// What Prometheus reads. The recorder is installed at the first call.
pub fn metrics_of_process() -> Result<&'static PrometheusHandle, Fault> {
    let handle = recorder().ok_or_else(|| Fault::new("the metrics recorder cannot be installed"))?;
    describe();
    Ok(handle)
}

/// Events of which the first is an alert (deploy/alerts.yml).
const ALARMING: &[&str] = &["store_behind"];

fn describe() {
    metrics::describe_counter!("symbolon_requests_total", "Requests by route, method and status.");
    metrics::describe_histogram!("symbolon_request_seconds", "Time from a request's head to its answer, by route.");
    metrics::describe_counter!("symbolon_refusals_total", "Requests refused, by route and error code.");
    metrics::describe_counter!("symbolon_events_total", "Audit entries written, by event and outcome.");
    metrics::describe_counter!(
        "symbolon_attestation_newer_version_total",
        "Accepted Android evidence whose description has a newer version than this server knows, by client."
    );
    metrics::describe_counter!("symbolon_attestation_observed_total", "What attestation.observe let in, by client and broken rule.");
    metrics::describe_histogram!("symbolon_store_apply_seconds", "Time a change took until it was durable.");
    metrics::describe_counter!("symbolon_store_refusals_total", "Changes the store did not apply: conflict, unknown, busy, fault.");
    metrics::describe_counter!("symbolon_letters_total", "Letters handed to the SMTP server, and failures.");
    metrics::describe_counter!("symbolon_store_away_total", "Requests answered with 503 because the store could not be used.");
    metrics::describe_counter!("symbolon_log_lines_left_out_total", "Lines about refused requests beyond what one network may write.");
    metrics::describe_counter!("symbolon_connections_refused_total", "Connections closed because there was no place for them.");
    metrics::describe_counter!("symbolon_guard_calls_total", "Calls that `symbolon guard` judged, by API and outcome.");
    metrics::describe_counter!(
        "symbolon_guard_foreign_tokens_total",
        "Foreign tokens that observe mode let through, by what their callers say."
    );
    metrics::describe_counter!("symbolon_plugin_calls_total", "Calls of plug-ins, by plug-in and outcome.");
    metrics::describe_counter!("symbolon_plugin_loads_total", "Plug-ins that were loaded, from the compiler or from the cache.");
    metrics::describe_gauge!("symbolon_wallet_expires_seconds", "When a wallet's certificates expire, in seconds since 1970.");
    metrics::describe_gauge!("symbolon_plugin_info", "1 for each loaded plug-in, with its world and the digest of its file.");
    metrics::describe_gauge!("symbolon_nodes", "Processes that serve this issuer.");
    metrics::describe_gauge!("symbolon_nodes_configured_otherwise", "Those with another configuration, or other plug-ins, than this one.");
    metrics::describe_gauge!("symbolon_build_info", "1, with the version.");
    // A counter that is not there before its first event shows no increase at it: alerts on single events would miss that one.
    for event in ALARMING {
        metrics::counter!("symbolon_events_total", "event" => *event, "outcome" => "ok").increment(0);
    }
    metrics::gauge!("symbolon_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Logs as JSON lines on standard error; RUST_LOG says how much. With the feature `otel` and OTEL_EXPORTER_OTLP_ENDPOINT set,
/// spans go to that collector as well.
pub fn logs(level: &str) -> std::io::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    let lines = Lines::to(std::io::stderr())?;
    let _ = LINES.set(lines.clone());
    let lines = tracing_subscriber::fmt::layer().with_writer(lines).event_format(format::JsonLine::new());
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    #[cfg(feature = "otel")]
    let registry = registry.with(otel::layer());
    registry.init();
    Ok(())
}

/// Writes what is left to the log and to the collector, before the process ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
    #[cfg(feature = "otel")]
    otel::flush();
}

#[cfg(feature = "otel")]
mod otel {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::SpanExporter;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
    use std::sync::OnceLock;
    use tracing_opentelemetry::OpenTelemetryLayer;
    use tracing_subscriber::registry::LookupSpan;

    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

    pub fn layer<S>() -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| std::env::var_os("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))?;
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(error) => {
                eprintln!("symbolon: traces are off: {error}");
                return None;
            }
        };
        let resource = Resource::builder().with_service_name("symbolon").build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("symbolon");
        let _ = PROVIDER.set(provider);
        Some(tracing_opentelemetry::layer().with_tracer(tracer))
    }

    pub fn flush() {
        if let Some(provider) = PROVIDER.get()
            && let Err(error) = provider.shutdown()
        {
            eprintln!("symbolon: the last traces were not sent: {error}");
        }
    }
}
