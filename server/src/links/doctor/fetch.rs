//! One association file, fetched as a platform's fetcher does: over https, without following a redirect, with a limit.

use super::check::Check;
use crate::links::files::{MOST_BYTES, Platform};
use crate::outgoing::{Outgoing, Target};
use http::HeaderMap;
use std::time::Duration;

pub struct Fetched {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// One byte more than the platforms read tells that it is too much.
pub async fn fetch(outgoing: &Outgoing, url: &str) -> Result<Fetched, String> {
    let target = Target::of_operator(url)?;
    let call = outgoing.get(&target).at_most(MOST_BYTES + 1).cut().within(Duration::from_secs(15));
    let answer = call.send().await?;
    Ok(Fetched { status: answer.status, headers: answer.headers, body: answer.body })
}

impl Fetched {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    /// How long a cache has held it.
    pub fn age_s(&self) -> Option<u64> {
        self.header("age")?.parse().ok()
    }

    /// Is there anything to judge?
    pub fn is_file(&self) -> bool {
        self.status == 200 && self.body.len() <= MOST_BYTES
    }

    pub fn problems(&self, platform: Platform, host: &str) -> Vec<Check> {
        let mut checks = Vec::new();
        if (300..400).contains(&self.status) {
            let to = self.header("location").unwrap_or("nowhere").to_owned();
            let text = format!("the file is behind a redirect (status {}) to {to}; the platforms follow none", self.status);
            checks.push(Check::fault("redirect", text, self.after_redirect(host, &to)));
            return checks;
        }
        if self.status != 200 {
            let next = if self.status == 404 {
                "put the file there: symbolon links print"
            } else {
                "the file has to be public, without a sign-in"
            };
            checks.push(Check::fault("status", format!("the host answers the file with status {}", self.status), next));
            return checks;
        }
        if self.body.len() > MOST_BYTES {
            let text = format!("the file has {} bytes or more; Apple reads {MOST_BYTES}", self.body.len());
            checks.push(Check::fault("too_large", text, "put apps of different owners on different hosts"));
        }
        let kind = self.header("content-type").unwrap_or("none");
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            let text = format!("Content-Type is {kind} and not application/json");
            let next = "set it for this one address";
            checks.push(match platform {
                Platform::Android => Check::fault("content_type", text, next),
                Platform::Apple => Check::warning("content_type", text, next),
            });
        }
        checks
    }

    fn after_redirect(&self, host: &str, to: &str) -> String {
        let other = url::Url::parse(to).ok().and_then(|it| it.host_str().map(str::to_owned)).filter(|it| it != host);
        match other {
            Some(other) => format!("answer the file at {host} itself, or use {other} in the redirect URI and in the app"),
            None => "answer the file at its own address, without a slash behind it".to_owned(),
        }
    }
}
