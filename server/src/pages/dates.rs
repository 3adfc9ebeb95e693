//! Dates in the texts of a page: no line ends inside one.

use minijinja::{HtmlEscape, Value};

const BYTES: usize = "2026-12-01".len();

/// The text as HTML, with each date in an element of its own.
pub fn unbroken(text: &str) -> Value {
    let (mut html, mut rest) = (String::new(), text);
    while let Some(at) = rest.as_bytes().windows(BYTES).position(is_date) {
        let (before, found) = rest.split_at(at);
        let (date, after) = found.split_at(BYTES);
        html.extend([&HtmlEscape(before).to_string(), "<span class=\"date\">", date, "</span>"]);
        rest = after;
    }
    html.push_str(&HtmlEscape(rest).to_string());
    Value::from_safe_string(html)
}

fn is_date(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"0000-00-00").all(|(byte, like)| if *like == b'-' { *byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 555-V: what stands beside a date is escaped.
    #[test]
    fn a_date_is_one_piece_and_the_rest_is_text() {
        let html = |text: &str| unbroken(text).to_string();
        assert_eq!(html("since 2026-12-01 08:00 UTC"), "since <span class=\"date\">2026-12-01</span> 08:00 UTC");
        assert_eq!(html("<b>ü 2026-12-01<i>"), "&lt;b&gt;ü <span class=\"date\">2026-12-01</span>&lt;i&gt;");
        for none in ["", "2026-12-0", "2026 12 01", "2026-1a-01", "é"] {
            assert_eq!(html(none), none, "{none}");
        }
    }
}
