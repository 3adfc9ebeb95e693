//! What the server does for a plug-in: log, randomness, configuration, and HTTP through the one client.

use crate::config::plugin::PluginSettings;
use crate::error::Fault;
use crate::outgoing::{Outgoing, Target};
use crate::visible::plain;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_plugin::{Host, HttpRequest, HttpResponse, SendError, Severity};
use tokio::runtime::Handle;
use url::Url;

/// Headers that say where a message ends or who it is for: the client's own affair.
const KEPT: [&str; 8] = ["host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization"];

pub struct ServerHost {
    name: String,
    config: BTreeMap<String, String>,
    hosts: Vec<String>,
    /// By host.
    headers: BTreeMap<String, (HeaderName, HeaderValue)>,
    outgoing: Outgoing,
    handle: Handle,
}

/// The one rule about where a plug-in may go, or may lead a browser: scheme, host and port are listed, and nothing else is in front of the
/// path.
pub fn listed(text: &str, hosts: &[String]) -> Result<(Url, String), String> {
    // Readers of URLs differ over a backslash, and some drop line breaks in silence.
    if !text.bytes().all(|it| it.is_ascii_graphic() && it != b'\\') {
        return Err("the address has a character that no URL has".to_owned());
    }
    let url = Url::parse(text).map_err(|_| "the address is no URL".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address has credentials in it".to_owned());
    }
    let origin = url.origin().ascii_serialization();
    match hosts.contains(&origin) {
        true => Ok((url, origin)),
        false => Err(format!("{} is not among hosts of this plug-in", plain(&origin, 100))),
    }
}

impl ServerHost {
    pub fn new(name: &str, settings: &PluginSettings, outgoing: &Outgoing) -> Result<Self, Fault> {
        let mut headers = BTreeMap::new();
        for (host, header) in &settings.headers {
            let what = format!("[plugin.{name}.headers.{host:?}]");
            let secret = header.secret.text(&what)?;
            let broken = |_| Fault::new(format!("{what}: the secret has a character that no header can have"));
            let mut value = HeaderValue::try_from(format!("{}{}", header.prefix, secret.trim())).map_err(broken)?;
            value.set_sensitive(true);
            let no_name = |_| Fault::new(format!("{what}: name is no name of a header"));
            headers.insert(host.clone(), (HeaderName::try_from(header.name.as_str()).map_err(no_name)?, value));
        }
        let handle = Handle::try_current().map_err(|_| Fault::new("plug-ins need the server's runtime"))?;
        let (name, config, hosts) = (name.to_owned(), settings.config.clone(), settings.hosts.clone());
        // One call for each instance that may run: neither the server nor another plug-in waits for this one.
        Ok(Self { name, config, hosts, headers, outgoing: outgoing.apart(settings.instances), handle })
    }

    fn target(&self, text: &str) -> Result<(Target, String), SendError> {
        let (url, origin) = listed(text, &self.hosts).map_err(SendError::Refused)?;
        Ok((Target::of_operator(url.as_str()).map_err(SendError::Refused)?, origin))
    }

    fn headers_of(&self, origin: &str, given: &[(String, String)]) -> Result<HeaderMap, SendError> {
        let mut all = HeaderMap::new();
        for (name, value) in given {
            let bad = || SendError::Refused("a header is not well formed, or is the server's own".to_owned());
            let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
            if KEPT.contains(&name.as_str()) {
                return Err(bad());
            }
            all.append(name, HeaderValue::try_from(value.as_str()).map_err(|_| bad())?);
        }
        // What the operator wrote takes the place of what the program wrote.
        if let Some((name, value)) = self.headers.get(origin) {
            all.insert(name.clone(), value.clone());
        }
        Ok(all)
    }
}

impl Host for ServerHost {
    fn log(&self, call_id: &str, severity: Severity, message: &str) {
        let message = plain(message, 2048);
        let plugin = self.name.as_str();
        match severity {
            Severity::Debug => tracing::debug!(plugin, call = call_id, message, "a plug-in says"),
            Severity::Info => tracing::info!(plugin, call = call_id, message, "a plug-in says"),
            Severity::Warning => tracing::warn!(plugin, call = call_id, message, "a plug-in says"),
            Severity::Error => tracing::error!(plugin, call = call_id, message, "a plug-in says"),
        }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| "the system gave no randomness".to_owned())
    }

    fn config(&self, name: &str) -> Option<String> {
        self.config.get(name).cloned()
    }

    fn send(&self, request: HttpRequest, within: Duration) -> Result<HttpResponse, SendError> {
        let (target, origin) = self.target(&request.url)?;
        let method = match request.method.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => return Err(SendError::Refused("the method is none of GET, POST, PUT, PATCH, DELETE".to_owned())),
        };
        let headers = self.headers_of(&origin, &request.headers)?;
        let call = self.outgoing.request(method, &target).headers(headers).bytes(request.body).within(within);
        let answer = self.handle.block_on(call.send()).map_err(SendError::Unreachable)?;
        let readable = |(name, value): (&HeaderName, &HeaderValue)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
        Ok(HttpResponse { status: answer.status, headers: answer.headers.iter().filter_map(readable).collect(), body: answer.body })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn host() -> ServerHost {
        let value = HeaderValue::from_static("Bearer secret");
        ServerHost {
            name: "visit".to_owned(),
            config: BTreeMap::new(),
            hosts: vec!["https://allowed.example".to_owned(), "http://127.0.0.1:8080".to_owned()],
            headers: BTreeMap::from([("https://allowed.example".to_owned(), (http::header::AUTHORIZATION, value))]),
            outgoing: Outgoing::default(),
            handle: Handle::current(),
        }
    }

    /// P-15: the list is of whole origins, and an empty one is nobody.
    #[tokio::test]
    async fn only_listed_hosts_are_reached() {
        let host = host();
        for good in ["https://allowed.example/x?y", "https://ALLOWED.example:443/", "http://127.0.0.1:8080/"] {
            assert!(host.target(good).is_ok(), "{good}");
        }
        for bad in [
            "https://allowed.example.evil.test/",
            "https://evil.test/allowed.example",
            "https://allowed.example@evil.test/",
            "https://user@allowed.example/",
            "https://:secret@allowed.example/",
            "https://allowed.example:8443/",
            "http://allowed.example/",
            "https://sub.allowed.example/",
            "https://allowed.example\\@evil.test/",
            "https://allowed.example/\nx",
            " https://allowed.example/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80800/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://localhost:8080/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "allowed.example",
            "",
        ] {
            assert!(host.target(bad).is_err(), "{bad}");
        }
        let nobody = ServerHost { hosts: Vec::new(), ..host };
        assert!(nobody.target("https://allowed.example/").is_err());
    }

    /// The secret goes to its host alone, whatever the program wrote there, and headers of the connection are not the program's.
    #[tokio::test]
    async fn a_secret_goes_to_its_host_alone() {
        let host = host();
        let given = [("Authorization".to_owned(), "mine".to_owned()), ("x-own".to_owned(), "1".to_owned())];
        let sent = host.headers_of("https://allowed.example", &given).unwrap();
        let all: Vec<_> = sent.get_all("authorization").iter().collect();
        assert_eq!((all.len(), all[0].to_str().unwrap(), sent["x-own"].to_str().unwrap()), (1, "Bearer secret", "1"));
        let elsewhere = host.headers_of("http://127.0.0.1:8080", &[]).unwrap();
        assert!(elsewhere.is_empty());
        for bad in
            [("host", "evil.test"), ("Content-Length", "0"), ("x", "a\r\nb: c"), ("x y", "1"), ("", "1"), ("transfer-encoding", "chunked")]
        {
            assert!(host.headers_of("https://allowed.example", &[(bad.0.to_owned(), bad.1.to_owned())]).is_err(), "{bad:?}");
        }
    }
}
