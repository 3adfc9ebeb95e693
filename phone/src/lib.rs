//! A simulated phone: the client that real apps run, on simulated platform services. Everything goes over real HTTP to the server's real
//! pages.

pub mod app;
pub mod authenticator;
pub mod browser;
pub mod element;
pub mod links;
pub mod mailbox;
pub mod net;
pub mod passkeys;
pub mod phone;
pub mod play;
pub mod services;
pub mod terminal;
pub mod wallet;

/// One request and its answer, for a demonstration or a test.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    pub url: String,
    pub sent: Vec<(String, String)>,
    /// 0: no answer came.
    pub status: u16,
    pub body: serde_json::Value,
    /// Did the system browser send it? Then `body` has the title of the page, or nothing.
    pub by_browser: bool,
}

/// An error, as a sentence.
#[derive(Debug)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Trouble {}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<symbolon_client::Trouble> for Trouble {
    fn from(trouble: symbolon_client::Trouble) -> Self {
        Self(trouble.to_string())
    }
}
