//! A simulated phone: an app as an OAuth client (RFC 8252), and the system browser it opens. Everything goes over real
//! HTTP to the server's real pages; only the glass is missing.

pub mod app;
pub mod browser;
pub mod element;
pub mod mailbox;
pub mod play;

/// One request and its answer, for whoever wants to show them.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: &'static str,
    pub url: String,
    pub sent: Vec<(String, String)>,
    pub status: u16,
    pub body: serde_json::Value,
}

/// What went wrong, in a sentence.
#[derive(Debug)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Trouble {}

impl From<reqwest::Error> for Trouble {
    fn from(it: reqwest::Error) -> Self {
        Self(it.to_string())
    }
}
