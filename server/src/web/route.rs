//! What one row of the route table says of an endpoint, and the router that finds rows. It knows no endpoint itself.

use crate::error::{Refused, Result};
use crate::web::body::Takes;
use crate::web::headers::{cookies, list};
use http::{HeaderMap, Method};

/// One endpoint. The checks that run before it, the metadata, the audit's name and the documentation are read from here.
pub struct Route {
    /// Below the issuer's own path. `{name}` stands for one segment: `Incoming::path` answers it.
    pub path: &'static str,
    /// Without HEAD, which follows from GET and `writes`.
    pub methods: &'static [Method],
    /// Of every method but GET and HEAD.
    pub body: Takes,
    /// The most bytes of it.
    pub body_bytes: usize,
    /// Who sends requests here. A browser gets pages where others get JSON.
    pub from: Sender,
    /// A program's caller is known before its endpoint runs (`http::routes`). A person's cookie is read by the endpoint.
    pub caller: Caller,
    pub dpop: Dpop,
    pub form: FormToken,
    pub writes: Writes,
    /// May a script of any origin read the answer? Never where a browser's cookie is in play (039-R).
    pub cors: bool,
    /// Tokens come from here: a client that binds its tokens to a key or a certificate must show it.
    pub issues_tokens: bool,
    /// The audit's name for a refusal.
    pub event: &'static str,
    /// The member of the metadata (RFC 8414 2) that names this endpoint.
    pub metadata: Option<&'static str>,
    pub served_at: ServedAt,
}

/// Which hosts have the endpoint, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServedAt {
    /// The issuer alone, below the issuer's own path.
    Issuer,
    /// The issuer alone, below its path and at the root too: programs ask for it there.
    Origin,
    /// The issuer's host and each further host, at the root. A name that is none of them gets 421.
    EveryHost,
    /// Further hosts that have continue pages.
    ContinueHosts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// A browser, led here by any page or link.
    Browser,
    /// A browser; whatever is not GET is a form of our own pages.
    OurPages,
    /// An app: native, or a script of a page.
    App,
    /// An app that draws its own screens. What looks like a browser is refused.
    NativeApp,
    /// A machine: an API, a proxy, monitoring.
    Server,
}

/// Who has to be known before the endpoint does anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    Anyone,
    /// A client, authenticated as its registration asks.
    Client,
    /// An API, by its introspection secret.
    Api,
    ClientOrApi,
    /// Whoever holds an access token (RFC 6750).
    Token,
    /// A client that registered itself, by its registration access token (RFC 7592).
    Registration,
    /// A person, by the session cookie of the browser.
    Session,
    /// A person who is signing in, by the cookie of that sign-in.
    SignIn,
}

/// What a `DPoP` header means here (RFC 9449).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dpop {
    /// Nothing, unless it proves an attested key.
    No,
    /// It proves a key. Client and token say whether they need one.
    Takes,
    /// It must come along, whoever calls.
    Requires,
}

/// What keeps another site from sending the request with the person's cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormToken {
    /// There is no cookie that counts.
    None,
    /// What the request does beyond the row's GET needs the token of our form. These fields can be read without it, and no others
    /// (`UnverifiedForm`).
    Token(&'static [&'static str]),
    /// POST is another way to send the row's GET, and does no more (OpenID Connect Core 3.1.2.1).
    AsGet,
}

/// The write that a GET may make. Where there is one, HEAD is refused (RFC 9110 9.3.2), and so is a browser that fetches ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// Nothing, or no more than the id of the proof it was sent with.
    Nothing,
    /// The session's idle time.
    IdleTime,
    /// The cookie of a sign-in that begins.
    SignIn,
    /// A code, for a person who is signed in already.
    Code,
    /// The end of the session that an ID token names.
    EndOfSession,
    /// Which browser a waiting answer belongs to.
    Binding,
    /// The answer of a sign-in that has ended, where the app's continue page shows it.
    Answer,
    /// The next step of a sign-in whose person comes back from somebody else.
    Return,
}

impl Route {
    pub fn is_for_browsers(&self) -> bool {
        matches!(self.from, Sender::Browser | Sender::OurPages)
    }

    pub fn takes_proof(&self) -> bool {
        self.dpop != Dpop::No
    }

    /// May the caller show a client certificate? Then `mtls_endpoint_aliases` names the endpoint too (RFC 8705 5).
    pub fn takes_certificate(&self) -> bool {
        matches!(self.caller, Caller::Client | Caller::ClientOrApi | Caller::Token)
    }

    /// Does a cookie say who is calling?
    pub fn reads_cookie(&self) -> bool {
        matches!(self.caller, Caller::Session | Caller::SignIn)
    }

    pub fn answers(&self, method: &Method) -> bool {
        if *method == Method::HEAD {
            return self.methods.contains(&Method::GET) && self.writes == Writes::Nothing;
        }
        self.methods.contains(method)
    }

    /// RFC 9110 15.5.6.
    pub fn allow(&self) -> String {
        let mut names = Vec::new();
        for method in self.methods {
            names.push(method.as_str());
            if *method == Method::GET && self.answers(&Method::HEAD) {
                names.push("HEAD");
            }
        }
        names.join(", ")
    }

    pub fn must_answer(&self, method: &Method) -> Result<()> {
        if self.answers(method) {
            return Ok(());
        }
        Err(Refused::new(405, "invalid_request", "This address does not answer that HTTP method.").into())
    }

    /// Has somebody opened this page, or answered a form of ours? Is it an app that asks, where only an app may?
    pub fn must_be_meant(&self, method: &Method, headers: &HeaderMap) -> Result<()> {
        if *method == Method::GET && self.writes != Writes::Nothing {
            must_not_be_fetched_ahead(headers)?;
        }
        if *method != Method::GET && self.from == Sender::OurPages {
            must_be_our_page(headers)?;
        }
        if self.from == Sender::NativeApp {
            must_be_an_app(headers)?;
        }
        Ok(())
    }

    /// Does a proof come along, where the row requires one? `dpop` judges what it proves.
    pub fn must_come_with_proof(&self, headers: &HeaderMap) -> Result<()> {
        if self.dpop != Dpop::Requires || headers.contains_key("dpop") {
            return Ok(());
        }
        Err(Refused::bad_request("invalid_dpop_proof", "Prove the installation's key: send a DPoP header.").into())
    }
}

/// What browsers sent before there was `Sec-Purpose`.
const OLD_PURPOSES: [&str; 3] = ["purpose", "x-purpose", "x-moz"];

/// The header is sent only for what nobody has opened yet, so any value of it counts.
fn must_not_be_fetched_ahead(headers: &HeaderMap) -> Result<()> {
    let before = OLD_PURPOSES.iter().any(|name| list(headers, name).any(|value| value == b"prefetch" || value == b"preview"));
    if !headers.contains_key("sec-purpose") && !before {
        return Ok(());
    }
    let hint = "This page does something when it is opened, so it cannot be fetched ahead.";
    Err(Refused::new(403, "invalid_request", hint).because("Sec-Purpose").into())
}

/// A form of ours comes from a page of ours, and browsers say so (398-W, 341-L). For old browsers there is the token of the form.
fn must_be_our_page(headers: &HeaderMap) -> Result<()> {
    let is_ours = |site: &[u8]| site == b"same-origin" || site == b"none";
    let Some(site) = list(headers, "sec-fetch-site").find(|site| !is_ours(site)) else { return Ok(()) };
    let hint = "This sign-in belongs to another browser window or is too old. Go back to the app and start again.";
    Err(Refused::bad_request("invalid_session", hint).because(format!("Sec-Fetch-Site {}", site.escape_ascii())).into())
}

/// A page's script and a web view have these headers and our cookies. An app that draws its own screens has none of them.
fn must_be_an_app(headers: &HeaderMap) -> Result<()> {
    let refused = |why: String| {
        let hint = "This endpoint is for apps alone: send no Origin, no Sec-Fetch headers, and none of this server's cookies.";
        Err(Refused::bad_request("invalid_request", hint).because(why).into())
    };
    let is_of_browser = |name: &str| name == "origin" || name.starts_with("sec-fetch-");
    if let Some(name) = headers.keys().find(|name| is_of_browser(name.as_str())) {
        return refused(format!("the header {name}"));
    }
    let is_ours = |name: &&str| name.strip_prefix("__Host-").unwrap_or(name).starts_with("symbolon-");
    match cookies(headers).filter_map(|(name, _)| std::str::from_utf8(name).ok()).find(is_ours) {
        Some(name) => refused(format!("the cookie {}", name.chars().take(40).collect::<String>())),
        None => Ok(()),
    }
}

/// The values of a path's parameters, as they were sent.
pub type PathParameters = Vec<(&'static str, String)>;

/// Finds rows by path. A path without parameters is found without an allocation.
pub struct Router<T: 'static>(matchit::Router<&'static T>);

impl<T> Router<T> {
    pub fn new(rows: &'static [T], path: impl Fn(&T) -> &'static str) -> Self {
        let mut router = matchit::Router::new();
        for row in rows {
            // Two rows with one path: a test of the table finds them.
            if let Err(error) = router.insert(path(row), row) {
                tracing::error!(path = path(row), %error, "a route cannot be reached");
            }
        }
        Self(router)
    }

    pub fn find(&'static self, path: &str) -> Option<(&'static T, PathParameters)> {
        let found = self.0.at(path).ok()?;
        // In the middle of a path the router takes an empty segment for a value.
        let value_of = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let parameters = found.params.iter().map(|(name, value)| Some((name, value_of(value)?)));
        Some((found.value, parameters.collect::<Option<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::Error;

    const ROUTE: Route = Route {
        path: "/",
        methods: &[Method::GET, Method::PUT, Method::PATCH, Method::DELETE],
        body: Takes::Json,
        body_bytes: crate::web::body::BODY_LIMIT,
        from: Sender::OurPages,
        caller: Caller::Session,
        dpop: Dpop::No,
        form: FormToken::Token(&[]),
        writes: Writes::Nothing,
        cors: false,
        issues_tokens: false,
        event: "request_refused",
        metadata: None,
        served_at: ServedAt::Issuer,
    };

    fn code(outcome: Result<()>) -> Option<(u16, &'static str)> {
        match outcome {
            Ok(()) => None,
            Err(Error::Refused(refused)) => Some((refused.status, refused.code)),
            Err(Error::Fault(_)) => Some((500, "")),
        }
    }

    #[test]
    fn a_row_answers_its_methods_and_head_where_get_writes_nothing() {
        let writing = Route { writes: Writes::IdleTime, ..ROUTE };
        assert_eq!((ROUTE.allow().as_str(), writing.allow().as_str()), ("GET, HEAD, PUT, PATCH, DELETE", "GET, PUT, PATCH, DELETE"));
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!((code(ROUTE.must_answer(&method)), code(writing.must_answer(&method))), (None, None), "{method}");
        }
        let refused = Some((405, "invalid_request"));
        assert_eq!((code(ROUTE.must_answer(&Method::HEAD)), code(writing.must_answer(&Method::HEAD))), (None, refused));
        for method in [Method::POST, Method::OPTIONS, Method::TRACE, Method::from_bytes(b"GETS").unwrap()] {
            assert_eq!(code(ROUTE.must_answer(&method)), refused, "{method}");
        }
        let posted = Route { methods: &[Method::POST], ..ROUTE };
        assert_eq!((code(posted.must_answer(&Method::HEAD)), code(posted.must_answer(&Method::POST))), (refused, None));
    }

    #[test]
    fn what_is_fetched_ahead_writes_nothing() {
        let ahead = |value: &[u8]| HeaderMap::from_iter([("sec-purpose".parse().unwrap(), http::HeaderValue::from_bytes(value).unwrap())]);
        let writing = Route { writes: Writes::Code, ..ROUTE };
        for value in [&b"prefetch"[..], b"prefetch;prerender", b"Prefetch", b"later", b"", b"\xff"] {
            assert_eq!(code(writing.must_be_meant(&Method::GET, &ahead(value))), Some((403, "invalid_request")), "{value:?}");
            assert_eq!(code(ROUTE.must_be_meant(&Method::GET, &ahead(value))), None, "{value:?}");
        }
        assert_eq!(code(writing.must_be_meant(&Method::GET, &HeaderMap::new())), None);
    }

    #[test]
    fn what_looks_like_a_browser_is_no_app() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), http::HeaderValue::from_static(value))])
        };
        let of_apps = Route { from: Sender::NativeApp, ..ROUTE };
        for (name, value) in [("origin", "null"), ("sec-fetch-mode", "cors"), ("cookie", "a=1; __Host-symbolon-login-x=1")] {
            assert_eq!(code(of_apps.must_be_meant(&Method::POST, &with(name, value))), Some((400, "invalid_request")), "{name}");
            assert_eq!(code(Route { from: Sender::App, ..ROUTE }.must_be_meant(&Method::POST, &with(name, value))), None, "{name}");
        }
        for (name, value) in [("accept", "*/*"), ("cookie", "balancer=7")] {
            assert_eq!(code(of_apps.must_be_meant(&Method::POST, &with(name, value))), None, "{name}");
        }
    }

    #[test]
    fn a_proof_comes_along_where_the_row_requires_one() {
        let proof = HeaderMap::from_iter([("dpop".parse().unwrap(), http::HeaderValue::from_static("x"))]);
        let requires = Route { dpop: Dpop::Requires, ..ROUTE };
        assert_eq!(code(requires.must_come_with_proof(&HeaderMap::new())), Some((400, "invalid_dpop_proof")));
        assert_eq!(code(requires.must_come_with_proof(&proof)), None);
        for dpop in [Dpop::No, Dpop::Takes] {
            assert_eq!(code(Route { dpop, ..ROUTE }.must_come_with_proof(&HeaderMap::new())), None, "{dpop:?}");
        }
    }

    #[test]
    fn a_form_of_ours_comes_from_no_other_site() {
        let from = |sites: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for site in sites {
                headers.append("sec-fetch-site", http::HeaderValue::from_bytes(site).unwrap());
            }
            headers
        };
        let anywhere = Route { from: Sender::Browser, ..ROUTE };
        let refused = Some((400, "invalid_session"));
        for sites in
            [&[&b"cross-site"[..]][..], &[b"same-site"], &[b"other"], &[b"\xff"], &[b"same-origin", b"cross-site"], &[b"none, cross-site"]]
        {
            assert_eq!(code(ROUTE.must_be_meant(&Method::DELETE, &from(sites))), refused, "{sites:?}");
            assert_eq!(code(ROUTE.must_be_meant(&Method::GET, &from(sites))), None, "{sites:?}");
            assert_eq!(code(anywhere.must_be_meant(&Method::DELETE, &from(sites))), None, "{sites:?}");
        }
        for sites in [&[][..], &[&b"same-origin"[..]], &[b"none"]] {
            assert_eq!(code(ROUTE.must_be_meant(&Method::DELETE, &from(sites))), None, "{sites:?}");
        }
    }

    #[test]
    fn a_path_is_found_with_its_parameters() {
        static PATHS: [&str; 5] = ["/", "/pages", "/pages/{address}", "/clients/{id}/keys/{kid}", "/clients/new"];
        static ROUTER: std::sync::LazyLock<Router<&str>> = std::sync::LazyLock::new(|| Router::new(&PATHS, |path| path));
        let found = |path| ROUTER.find(path).map(|(row, parameters)| (*row, parameters));
        let with = |name, value: &str| (name, value.to_owned());
        assert_eq!(found("/pages"), Some(("/pages", vec![])));
        assert_eq!(found("/pages/a-b_c"), Some(("/pages/{address}", vec![with("address", "a-b_c")])));
        assert_eq!(found("/pages/%2F"), Some(("/pages/{address}", vec![with("address", "%2F")])));
        assert_eq!(found("/clients/a/keys/b"), Some(("/clients/{id}/keys/{kid}", vec![with("id", "a"), with("kid", "b")])));
        assert_eq!(found("/clients/new"), Some(("/clients/new", vec![])));
        for path in ["", "/pages/", "//pages", "/pages/a/", "/pages/a/b", "/clients", "/clients/a", "/clients//keys/b", "/PAGES", "*"] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
