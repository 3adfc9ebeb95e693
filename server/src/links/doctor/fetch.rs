//! One association file, fetched as a platform's fetcher does: over https, without following a redirect, with a limit.

use super::check::Check;
use crate::config::name_of;
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
            checks.push(Check::fault("redirect", text, after_redirect(platform, host, &to)));
            return checks;
        }
        if self.status == 421 {
            let text = format!("the server behind {host} does not know that name (status 421)");
            let next = "the proxy has to pass the host name on, as Host or X-Forwarded-Host; and the server needs a [host] of that name";
            checks.push(Check::fault("host_mismatch", text, next));
            return checks;
        }
        if self.status != 200 {
            let next = match self.status {
                404 => "put the file there: symbolon links print",
                500.. => "the host is broken or overloaded: look at its log, and at the proxy before it",
                _ => "the file has to be public, without a sign-in",
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
}

fn after_redirect(platform: Platform, host: &str, to: &str) -> String {
    let url = url::Url::parse(to).ok();
    if let Some(other) = url.as_ref().and_then(|it| it.host_str()).filter(|it| *it != name_of(host)) {
        return format!("answer the file at {host} itself, or use {other} in the redirect URI and in the app");
    }
    let path = url.as_ref().map_or(to, |it| it.path());
    if path.strip_suffix('/') == Some(platform.path().as_str()) {
        return "answer the file at its own address, without a slash behind it".to_owned();
    }
    "answer the file at its own address itself, over https".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_after_a_redirect_is_about_what_differs() {
        let path = Platform::Apple.path();
        let advice = |to: &str| after_redirect(Platform::Apple, "links.shop.test:8443", to);
        for to in [format!("{path}/"), format!("https://links.shop.test:8443{path}/")] {
            assert!(advice(&to).contains("without a slash"), "{to}");
        }
        for to in ["/login", "https://links.shop.test:8443/login/", "http://links.shop.test/", "nowhere"] {
            assert!(advice(to).ends_with("itself, over https"), "{to}");
        }
        assert!(advice("https://www.shop.test/x").contains("or use www.shop.test"));
    }
}
