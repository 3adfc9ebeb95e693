//! A request as every endpoint gets it: who is connected, what came, and who was found to have sent it.

use crate::config::Networks;
use crate::error::{Refused, Result};
use crate::store::Row;
use crate::web::body::{Body, Takes, parse_form};
use crate::web::certificate::{self, Chain, ShownCertificates};
use crate::web::country::{self, Country};
use crate::web::headers;
use crate::web::route::{FormToken, PathParameters, Route};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use serde_json::{Map, Value as Json};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock};
use symbolon_oauth::form::Form;

/// Who is connected.
#[derive(Clone)]
pub struct Peer {
    pub address: IpAddr,
    /// What it showed in the TLS handshake, its own certificate first.
    pub certificates: Option<Chain>,
    pub transport: Transport,
}

/// How the connection came to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    /// `server_name`: the host that the caller named in the handshake (RFC 6066 3).
    Tls {
        server_name: Option<String>,
    },
}

/// Which of this server's hosts a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Issuer,
    /// A `[host]` of the configuration.
    Further(String),
    /// No name that this server knows. What does not depend on the name is answered as the issuer's.
    Unknown,
}

/// A request that passed the checks every endpoint shares.
pub struct Incoming {
    pub method: Method,
    pub route: &'static Route,
    pub host: Host,
    parameters: PathParameters,
    pub query: Form,
    /// The body, where the endpoint takes a form; else it is empty. Of a form of ours only what the row says of it.
    pub form: Form,
    /// The whole form, where its token has to be verified first; else it is empty.
    pub unverified_form: UnverifiedForm,
    /// The body, where the endpoint takes a JSON object; else it is empty.
    pub json: Map<String, Json>,
    pub headers: HeaderMap,
    /// The caller's address; a proxy's word for it only where the proxy is configured.
    pub address: IpAddr,
    /// As a configured proxy says it.
    pub country: Option<Country>,
    /// The client certificate, proved by the handshake or passed on by a configured proxy.
    pub certificate: Option<ShownCertificates>,
    pub now_ms: i64,
    /// Filled in by whoever proves it; for the audit.
    pub known: Known,
}

/// A form of a page of ours. What it wants done is read only by whoever verifies its token.
#[derive(Default)]
pub struct UnverifiedForm(Form);

impl UnverifiedForm {
    /// The fields, if the token is the right one for this browser and this form, as `fits` says.
    pub fn verify(&self, fits: impl FnOnce(Option<&str>) -> bool) -> Option<&Form> {
        fits(self.0.get("form_token")).then_some(&self.0)
    }

    /// What an endpoint may read at once, and what it reads of a verified form.
    fn split(form: Form, token: FormToken) -> (Form, Self) {
        match token {
            FormToken::Token(before) => (form.only(before), Self(form)),
            FormToken::None | FormToken::AsGet => (form, Self::default()),
        }
    }
}

/// What a request is read with, beside itself.
pub struct Reading<'a> {
    pub route: &'static Route,
    pub host: Host,
    pub parameters: PathParameters,
    pub peer: &'a Peer,
    /// Whose `X-Forwarded-For` counts.
    pub proxies: &'a Networks,
    /// In which header they say the caller's country.
    pub country_header: Option<&'a str>,
    /// Whose `Client-Cert` counts. `None`: client certificates are not asked for.
    pub client_cert_from: Option<&'a Networks>,
    pub now_ms: i64,
}

impl Reading<'_> {
    /// The checks that all endpoints share, as far as the row asks for them. They are method, coding, content type, size, time, and doubled
    /// parameters.
    pub async fn read<B>(self, request: Request<B>) -> Result<Incoming>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        self.route.must_answer(&parts.method)?;
        let (mut form, mut unverified_form, mut json) = (Form::default(), UnverifiedForm::default(), Map::new());
        // What comes with GET means nothing (RFC 9110 9.3.1) and is not read.
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            // A DELETE says with its path what it means (RFC 9110 9.3.5).
            let takes = if parts.method == Method::DELETE { Takes::Nothing } else { self.route.body };
            match Body::read(&parts.headers, body, (takes, self.route.body_bytes)).await? {
                Body::Form(read) => (form, unverified_form) = UnverifiedForm::split(read, self.route.form),
                Body::Json(read) => json = read,
                Body::Empty => {}
            }
        }
        let query = parse_form(parts.uri.query().unwrap_or_default().as_bytes())?;
        let address = headers::address(&parts.headers, self.peer.address, self.proxies);
        let country = country::of_request(&parts.headers, self.proxies.contains(self.peer.address.to_canonical()), self.country_header);
        let of_connection = self.peer.certificates.as_ref();
        let certificate = certificate::of_request(&parts.headers, self.peer.address, of_connection, self.client_cert_from);
        let (method, headers) = (parts.method, parts.headers);
        let Self { route, host, parameters, now_ms, .. } = self;
        let known = Known::default();
        Ok(Incoming {
            method,
            route,
            host,
            parameters,
            query,
            form,
            unverified_form,
            json,
            headers,
            address,
            country,
            certificate,
            now_ms,
            known,
        })
    }
}

impl Incoming {
    /// What stands in the path where the route has `{name}`, as it was sent.
    pub fn path(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The path below the issuer, with what was sent in the place of its parameters.
    pub fn path_as_sent(&self) -> String {
        let fill = |path: String, (name, value): &(&str, String)| path.replace(&format!("{{{name}}}"), value);
        self.parameters.iter().fold(self.route.path.to_owned(), fill)
    }

    /// A header that may be given once; twice counts as absent text, never as the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        all.next().is_none().then(|| first.to_str().ok())?
    }

    /// The languages that the browser accepts, as far as they can be read. RFC 9110 12.5.4.
    pub fn languages(&self) -> String {
        headers::texts(&self.headers, "accept-language")
    }

    /// A cookie's value; sent twice, it is not believed.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        headers::cookie(&self.headers, name)
    }

    /// The names of all cookies, but for those that nobody can read.
    pub fn cookie_names(&self) -> impl Iterator<Item = &str> {
        headers::cookies(&self.headers).filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }

    /// Parameters of the request whichever way they came: the query of a GET, else the body.
    pub fn parameters(&self) -> &Form {
        if matches!(self.method, Method::GET | Method::HEAD) { &self.query } else { &self.form }
    }

    /// The form as it was sent, verified or not: for whoever only sends it again, or compares it with one before.
    pub fn form_as_sent(&self) -> &Form {
        if matches!(self.route.form, FormToken::Token(_)) { &self.unverified_form.0 } else { &self.form }
    }
}

/// Who a request turned out to be from, once that was proved.
#[derive(Default)]
pub struct Known {
    /// The id of its line in the log.
    pub id: OnceLock<String>,
    /// Why it was refused, where the answer is no failure of its own: a page that says so, or a redirect to the client.
    pub refused: OnceLock<Box<Refused>>,
    pub client: OnceLock<String>,
    /// A client that exists and has nothing to prove itself with. It is for the log alone: anybody can send its id.
    pub unproved_client: OnceLock<String>,
    pub instance: OnceLock<String>,
    /// The person of the access token or ticket that came with it.
    pub account: OnceLock<String>,
    /// The row of the grant that the refresh token names, read on the way and not looked at yet.
    grant: Mutex<Option<Row>>,
}

impl Known {
    pub fn refuse(&self, refused: Refused) {
        let _ = self.refused.set(Box::new(refused));
    }

    pub fn keep_grant(&self, row: Row) {
        if let Ok(mut slot) = self.grant.lock() {
            *slot = Some(row);
        }
    }

    /// Once: whoever tries again reads again.
    pub fn take_grant(&self) -> Option<Row> {
        self.grant.lock().ok()?.take()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::Error;
    use crate::web::route::{Caller, Dpop, Sender, ServedAt, Writes};
    use http_body_util::Full;

    static CLIENT: Route = Route {
        path: "/clients/{id}",
        methods: &[Method::GET, Method::PUT, Method::DELETE],
        body: Takes::Json,
        body_bytes: crate::web::body::BODY_LIMIT,
        from: Sender::Server,
        caller: Caller::Api,
        dpop: Dpop::No,
        form: FormToken::None,
        writes: Writes::Nothing,
        cors: false,
        issues_tokens: false,
        event: "request_refused",
        metadata: None,
        served_at: ServedAt::Issuer,
    };
    static PLAIN: Route = Route { body: Takes::Nothing, ..CLIENT };
    static OURS: Route = Route { methods: &[Method::POST], body: Takes::Form, form: FormToken::Token(&["version", "a"]), ..CLIENT };
    static ANY: Route = Route { form: FormToken::AsGet, ..OURS };

    async fn read(
        route: &'static Route,
        request: http::request::Builder,
        body: &str,
    ) -> std::result::Result<Incoming, (u16, &'static str)> {
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), certificates: None, transport: Transport::Plain };
        let (parameters, proxies) = (vec![("id", "shop".to_owned())], Networks::default());
        let (proxies, host) = (&proxies, Host::Issuer);
        let reading = Reading { route, host, parameters, peer: &peer, proxies, country_header: None, client_cert_from: None, now_ms: 7 };
        let request = request.uri("/clients/shop?a=1").body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        reading.read(request).await.map_err(|error| match error {
            Error::Refused(refused) => (refused.status, refused.code),
            Error::Fault(_) => (500, ""),
        })
    }

    fn json(method: Method) -> http::request::Builder {
        Request::builder().method(method).header("content-type", "application/json")
    }

    #[tokio::test]
    async fn a_request_is_read_as_its_row_says() {
        let put = read(&CLIENT, json(Method::PUT), "{\"name\":\"Shop\"}").await.unwrap();
        assert_eq!((put.path("id"), put.path("name"), put.query.get("a"), put.now_ms), (Some("shop"), None, Some("1"), 7));
        assert_eq!((put.json["name"].as_str(), put.form.iter().count()), (Some("Shop"), 0));
        let got = read(&CLIENT, Request::builder(), "not read").await.unwrap();
        assert!(got.json.is_empty());
        assert!(read(&PLAIN, Request::builder().method(Method::DELETE), "").await.is_ok());
        for (route, request, body, refused) in [
            (&CLIENT, json(Method::POST), "{}", (405, "invalid_request")),
            (&CLIENT, json(Method::PUT), "", (400, "invalid_request")),
            (&CLIENT, Request::builder().method(Method::PUT), "{}", (415, "invalid_request")),
            (&CLIENT, json(Method::PUT).header("content-encoding", "gzip"), "{}", (415, "invalid_request")),
            (&PLAIN, json(Method::DELETE), "{}", (415, "invalid_request")),
        ] {
            assert_eq!(read(route, request, body).await.err(), Some(refused), "{body}");
        }
    }

    #[tokio::test]
    async fn a_form_of_ours_is_read_when_its_token_was_verified() {
        let form = || Request::builder().method(Method::POST).header("content-type", "application/x-www-form-urlencoded");
        let body = "version=3&action=delete&form_token=t";
        let ours = read(&OURS, form(), body).await.unwrap();
        assert_eq!((ours.form.get("version"), ours.form.get("action"), ours.form.get("form_token")), (Some("3"), None, None));
        assert!(ours.unverified_form.verify(|token| token == Some("other")).is_none());
        let verified = ours.unverified_form.verify(|token| token == Some("t")).unwrap();
        assert_eq!((verified.get("version"), verified.get("action")), (Some("3"), Some("delete")));
        assert_eq!(ours.form_as_sent().get("action"), Some("delete"));
        // The twin: a form that no token protects is read at once, and is none that could be verified.
        let any = read(&ANY, form(), body).await.unwrap();
        assert_eq!((any.form.get("action"), any.form_as_sent().get("action")), (Some("delete"), Some("delete")));
        assert!(any.unverified_form.verify(|token| token == Some("t")).is_none());
    }

    #[tokio::test]
    async fn cookies_that_nobody_can_read_are_left_out() {
        let value = http::HeaderValue::from_bytes(b"a=1; \xff=2; b=\xff; none; c").unwrap();
        let incoming = read(&PLAIN, Request::builder().header("cookie", value), "").await.unwrap();
        assert_eq!(incoming.cookie_names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((incoming.cookie("a"), incoming.cookie("b"), incoming.cookie("c")), (Some("1"), None, None));
    }
}
