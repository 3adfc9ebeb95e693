//! The client data: what the browser or the system says of the ceremony. WebAuthn Level 3, 5.8.1. The authenticator signs its digest.

use crate::Unreadable;
use serde_json::Value;
use symbolon_attest::Failed;
use symbolon_oauth::{base64url, digest, jws};

const MAX_BYTES: usize = 8 * 1024;

/// May the ceremony run in a frame of another origin?
#[derive(Debug, Clone, Copy)]
pub enum CrossOrigin<'a> {
    Refused,
    /// Where the client names the page around the frame, it must be one of these. Older clients name none.
    Within(&'a [&'a str]),
}

/// What both ceremonies compare the client data with.
pub(crate) struct Expected<'a> {
    pub kind: &'static str,
    pub challenge: &'a [u8],
    /// Compared as strings: the origin of an Android app is no URL.
    pub origins: &'a [&'a str],
    pub cross_origin: CrossOrigin<'a>,
}

/// What was read. Unknown members are allowed.
#[derive(Debug)]
pub(crate) struct ClientData {
    kind: String,
    challenge: String,
    pub origin: String,
    cross_origin: bool,
    top_origin: Option<String>,
    pub hash: [u8; 32],
}

impl ClientData {
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the client data is larger than 8 KiB"));
        }
        // The byte order mark: WebAuthn Level 3, 7.1, step 6, decodes it away.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let members = jws::parse_object(text).ok_or(Unreadable("the client data is not a JSON object without repeated members"))?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let missing = Unreadable("the client data lacks type, challenge or origin");
        let cross_origin = match members.get("crossOrigin") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => return Err(Unreadable("crossOrigin of the client data is no truth value")),
        };
        let top_origin = match members.get("topOrigin") {
            None | Some(Value::Null) => None,
            Some(Value::String(origin)) => Some(origin.clone()),
            Some(_) => return Err(Unreadable("topOrigin of the client data is no text")),
        };
        Ok(Self {
            kind: text("type").ok_or(missing.clone())?,
            challenge: text("challenge").ok_or(missing.clone())?,
            origin: text("origin").ok_or(missing)?,
            cross_origin,
            top_origin,
            hash: digest::sha256(bytes),
        })
    }

    /// WebAuthn Level 3, 7.1 steps 7 to 11 and 7.2 steps 10 to 14.
    pub fn judge(&self, expected: &Expected<'_>) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut rule = |holds: bool, name: &'static str, detail: String| {
            if !holds {
                failed.push(Failed::new(name, detail));
            }
        };
        rule(self.kind == expected.kind, "type", format!("the client data is of {:?}", shortened(&self.kind)));
        // A challenge of nothing would be met by nothing.
        let made = base64url::encode(expected.challenge);
        let is_ours = expected.challenge.len() >= 16 && digest::equal(self.challenge.as_bytes(), made.as_bytes());
        rule(is_ours, "challenge", "the answer is to another challenge".to_owned());
        let is_known = expected.origins.contains(&self.origin.as_str());
        rule(is_known, "origin", format!("the origin is {:?}", shortened(&self.origin)));
        let (may_be_framed, top_origins) = match expected.cross_origin {
            CrossOrigin::Refused => (false, &[][..]),
            CrossOrigin::Within(origins) => (true, origins),
        };
        rule(!self.cross_origin || may_be_framed, "cross_origin", "the ceremony ran in a frame of another origin".to_owned());
        if let Some(top) = &self.top_origin {
            let is_known = self.cross_origin && top_origins.contains(&top.as_str());
            rule(is_known, "top_origin", format!("the page around the frame is of {:?}", shortened(top)));
        }
        failed
    }
}

/// For the audit: no more of a stranger's text than a person reads.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(120).collect()
}
