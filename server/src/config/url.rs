//! URLs of the configuration.

/// A URL as it will stand in headers, pages and tokens: what the URL parser would take away in silence, a line break above all,
/// is no URL here (571-V).
pub(super) fn read_url(text: &str) -> Option<url::Url> {
    text.bytes().all(|it| it.is_ascii_graphic()).then(|| url::Url::parse(text).ok())?
}
