//! A simulated phone: the client that real apps run, and the platform services it stands on, simulated. Everything goes over real
//! HTTP to the server's real pages; only the glass is missing.

pub mod app;
pub mod browser;
pub mod element;
pub mod mailbox;
pub mod net;
pub mod phone;
pub mod play;
pub mod services;

/// One request and its answer, for whoever wants to show them.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    pub url: String,
    pub sent: Vec<(String, String)>,
    /// 0: no answer came.
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

impl From<symbolon_client::Trouble> for Trouble {
    fn from(it: symbolon_client::Trouble) -> Self {
        Self(it.to_string())
    }
}
