//! How a line of the log is written: one JSON object. This is the one place that bounds what input does to the log. A value is cut and
//! its invisible characters are escaped, and lines about refused requests are limited for each network.

use crate::limits::Limits;
use crate::visible;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The longest value, in characters.
const LONGEST: usize = 256;
/// Lines about refused requests, of one network.
const REFUSED_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).unwrap();

pub struct JsonLine {
    refused: DefaultKeyedRateLimiter<u16>,
    /// Lines that were left out since the last one that was written.
    left_out: AtomicU64,
}

impl JsonLine {
    pub fn new() -> Self {
        Self { refused: RateLimiter::keyed(Quota::per_minute(REFUSED_PER_MINUTE)), left_out: AtomicU64::new(0) }
    }

    /// A line that names a network counts, unless it is about a request that was answered as it wished.
    fn has_room(&self, fields: &Fields) -> bool {
        // A redirect may carry the error.
        if fields.status.is_some_and(|status| status < 400) && !fields.carries_error {
            return true;
        }
        let Some(address) = fields.address.as_deref().and_then(|text| text.parse::<IpAddr>().ok()) else { return true };
        let has_room = self.refused.check_key(&Limits::bucket(&["log", &Limits::line(address)])).is_ok();
        if !has_room {
            metrics::counter!("symbolon_log_lines_left_out_total").increment(1);
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if !self.has_room(&fields) {
            return Ok(());
        }
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        writer.write_str(&fields.text)?;
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            write!(writer, ",\"lines_left_out\":{left_out}")?;
        }
        writeln!(writer, ",\"target\":\"{}\"}}", event.metadata().target())
    }
}

/// The members of one line, as they are visited.
#[derive(Default)]
struct Fields {
    /// Each begins with a comma.
    text: String,
    /// What the limit of lines is about.
    address: Option<String>,
    status: Option<u64>,
    carries_error: bool,
}

impl Fields {
    fn name(&mut self, field: &Field) {
        self.text.push_str(",\"");
        // Names are written in our code, so that nothing in them needs an escape.
        self.text.push_str(field.name());
        self.text.push_str("\":");
    }

    fn bare(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.name(field);
        let _ = fmt::write(&mut self.text, value);
    }

    /// `write` ends with an error where the text is cut.
    fn quoted(&mut self, field: &Field, write: impl FnOnce(&mut Bounded<'_>) -> fmt::Result) {
        self.name(field);
        self.text.push('"');
        let begin = self.text.len();
        let _ = write(&mut Bounded { text: &mut self.text, length: 0 });
        let said = self.text.get(begin..).unwrap_or_default();
        match field.name() {
            "address" => self.address = Some(said.to_owned()),
            "error" => self.carries_error = !said.is_empty(),
            _ => {}
        }
        self.text.push('"');
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.quoted(field, |out| fmt::write(out, format_args!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.quoted(field, |out| out.write_str(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, format_args!("{value}"));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "status" {
            self.status = u64::try_from(value).ok();
        }
        self.bare(field, format_args!("{value}"));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "status" {
            self.status = Some(value);
        }
        self.bare(field, format_args!("{value}"));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.bare(field, format_args!("{}", serde_json::Value::from(value)));
    }
}

/// Text up to a length, without characters that hide or reorder what stands beside them.
struct Bounded<'a> {
    /// The inside of a JSON string.
    text: &'a mut String,
    length: usize,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // Nearly every piece: nothing in it is unseen or needs an escape.
        if piece.len() < LONGEST - self.length && piece.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
            self.length += piece.len();
            self.text.push_str(piece);
            return Ok(());
        }
        for character in piece.chars() {
            if self.length == LONGEST {
                self.text.push_str("... (cut)");
                return Err(fmt::Error);
            }
            self.length += 1;
            if visible::is_unseen(character) || character.is_control() {
                // It begins with a backslash, which is one in JSON too.
                self.text.push('\\');
                self.text.extend(character.escape_unicode());
            } else {
                if matches!(character, '"' | '\\') {
                    self.text.push('\\');
                }
                self.text.push(character);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::Value as Json;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct TestOutput(Arc<Mutex<Vec<u8>>>);

    impl io::Write for TestOutput {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(work: impl FnOnce()) -> Vec<Json> {
        let written = TestOutput::default();
        let out = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || out.clone()).event_format(JsonLine::new());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn input_is_cut_and_escaped_and_what_is_short_and_plain_stays() {
        let long = "a".repeat(60_000);
        let lines = lines_of(|| {
            tracing::info!(reason = %format!("no client {long}"), text = long, listed = ?[&long], "request");
            tracing::info!(reason = "a\u{202e}b\nc\u{2028}\u{feff}", "request");
            tracing::info!(reason = "no client \"shop\" C:\\ Zürich", number = 7, well = true, "request");
        });
        for name in ["reason", "text", "listed"] {
            let value = lines[0][name].as_str().unwrap();
            assert!(value.len() < LONGEST + 20 && value.ends_with("(cut)"), "{value}");
        }
        assert_eq!(lines[1]["reason"], "a\\u{202e}b\\u{a}c\\u{2028}\\u{feff}");
        assert_eq!(lines[2]["reason"], "no client \"shop\" C:\\ Zürich");
        assert_eq!((&lines[2]["number"], &lines[2]["well"], &lines[2]["message"]), (&7.into(), &true.into(), &"request".into()));
        assert_eq!((&lines[2]["level"], lines[2]["timestamp"].is_string(), lines[2]["target"].is_string()), (&"INFO".into(), true, true));
    }

    /// One network writes so many lines a minute about what was refused. Others, and what was answered, go on.
    #[test]
    fn a_network_that_is_refused_writes_a_bounded_number_of_lines() {
        let lines = lines_of(|| {
            for _ in 0..500 {
                tracing::info!(status = 401, address = "2001:db8:1:2::7", "request");
                tracing::info!(status = 401, address = "2001:db8:1:2::8", "request");
                tracing::info!(status = 200, address = "2001:db8:1:2::7", error = "", "request");
                tracing::info!(status = 303, address = "2001:db8:1:2::7", error = "", "request");
                tracing::info!(status = 302, address = "2001:db8:1:2::7", error = "invalid_scope", "request");
            }
            tracing::info!(status = 401, address = "2001:db8:1:3::7", "request");
        });
        let count = |status: u64| lines.iter().filter(|line| line["status"] == status).count();
        assert_eq!((count(200), count(303)), (500, 500));
        let refused = count(401) + count(302);
        assert!((120..140).contains(&refused), "{refused}");
        assert_eq!(lines.last().unwrap()["address"], "2001:db8:1:3::7");
        let left_out: u64 = lines.iter().filter_map(|line| line["lines_left_out"].as_u64()).sum();
        assert_eq!(left_out as usize + refused, 1501, "what is left out is counted");
    }
}
