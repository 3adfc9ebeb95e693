//! The one HTTP client of this server, for whatever it asks of others. Every call is bounded: scheme, address, size, time, number.
//! It follows no redirect: a redirect could lead where the first address may not.
//!
//! An address that the operator wrote may be of the private network. One that comes from a document may not. Whoever writes the document
//! could otherwise reach what only this machine can reach. [`Target`] says which of the two it is.

mod public;

#[cfg(feature = "faults")]
use public::Diverted;
use public::{NOT_PUBLIC, PublicOnly, is_public};
use reqwest::dns::Resolve;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use url::{Host, Url};

pub use public::LookUp;

/// Calls under way at a time; others wait, within their own time.
const CALLS: usize = 64;
/// And beside them, to addresses that strangers chose. Hosts that never answer keep nobody else waiting.
const CALLS_TO_STRANGERS: usize = 16;
const MOST_BYTES: usize = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WrittenBy {
    Operator,
    Document,
    /// The author of a document whom nobody here has chosen.
    Stranger,
}

/// Where a call goes, and who wrote that address.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    written_by: WrittenBy,
}

impl Target {
    /// From the configuration, or from a file that it names.
    pub fn of_operator(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "the address is no URL".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err("the address is neither http nor https".to_owned());
        }
        Ok(Self { url, written_by: WrittenBy::Operator })
    }

    /// As it is called.
    pub fn address(&self) -> &str {
        self.url.as_str()
    }

    /// The same address with one more parameter.
    pub fn with_parameter(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.url.query_pairs_mut().append_pair(name, value);
        with
    }

    /// From a document that somebody else wrote: https to a public address, and no credentials in it.
    pub fn of_document(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "the address is no URL".to_owned())?;
        if url.scheme() != "https" {
            return Err("the address is not https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address has credentials in it".to_owned());
        }
        // A name is looked up and judged by `PublicOnly`; an address in the URL is never looked up.
        let public = match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(v4)) => is_public(v4.into()),
            Some(Host::Ipv6(v6)) => is_public(v6.into()),
            None => false,
        };
        if !public {
            return Err(NOT_PUBLIC.to_owned());
        }
        Ok(Self { url, written_by: WrittenBy::Document })
    }
}

impl Target {
    /// The same, where anybody may be the author: calls there wait for turns of their own.
    pub fn of_stranger(text: &str) -> Result<Self, String> {
        Ok(Self { written_by: WrittenBy::Stranger, ..Self::of_document(text)? })
    }
}

type Built = OnceLock<Result<reqwest::Client, String>>;

/// How many calls are under way.
#[derive(Clone)]
struct Turns {
    own: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
}

impl Turns {
    fn new(own: usize, of_strangers: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(own)), of_strangers: Arc::new(Semaphore::new(of_strangers)) }
    }
}

/// Cheap to clone; all clones share one number of calls.
#[derive(Clone)]
pub struct Outgoing(Arc<Inner>, Turns);

struct Inner {
    for_operator: Built,
    for_documents: Built,
    resolver: Arc<dyn Resolve>,
    /// The certificate that is shown, with its key.
    identity: Option<reqwest::Identity>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::with(Arc::new(PublicOnly::of_system()), CALLS)
    }
}

impl Outgoing {
    fn with(resolver: Arc<dyn Resolve>, calls: usize) -> Self {
        let inner = Inner { for_operator: Built::new(), for_documents: Built::new(), resolver, identity: None };
        Self(Arc::new(inner), Turns::new(calls, calls.min(CALLS_TO_STRANGERS)))
    }

    /// The same client with a number of calls of its own, so that whoever uses them all up keeps nobody else waiting.
    pub fn apart(&self, calls: usize) -> Self {
        Self(Arc::clone(&self.0), Turns::new(calls, calls.min(CALLS_TO_STRANGERS)))
    }

    /// The same client, which shows this certificate (RFC 8705 2). `pem`: the chain and the private key. Their calls are counted together.
    pub fn with_identity(&self, pem: &[u8]) -> Result<Self, String> {
        let identity = reqwest::Identity::from_pem(pem).map_err(|it| format!("no certificate with its private key in PEM: {it}"))?;
        let resolver = Arc::clone(&self.0.resolver);
        let inner = Inner { for_operator: Built::new(), for_documents: Built::new(), resolver, identity: Some(identity) };
        let built = Self(Arc::new(inner), self.1.clone());
        // A key that is another certificate's is noticed now.
        built.client(WrittenBy::Operator)?;
        Ok(built)
    }

    /// For a command that looks at hosts before the world does. It takes names that lead elsewhere, and a CA (in PEM) beside the usual
    /// ones.
    pub fn looking(names: &[(String, IpAddr)], ca: Option<&[u8]>) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        for (name, address) in names {
            builder = builder.resolve(name, SocketAddr::new(*address, 0));
        }
        if let Some(pem) = ca {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|it| format!("no certificates in PEM: {it}"))?;
            builder = builder.tls_certs_merge(roots);
        }
        let built = Self::default();
        let _ = built.0.for_operator.set(builder.build().map_err(|it| it.to_string()));
        Ok(built)
    }

    /// For tests, before the first call to an address of a document: who looks names up, where connections go, and whose certificates
    /// are good (in PEM). What a name leads to is judged as always.
    #[cfg(feature = "faults")]
    pub fn divert_documents(&self, look_up: Arc<LookUp>, to: SocketAddr, ca: &[u8]) -> Result<(), String> {
        let roots = reqwest::Certificate::from_pem_bundle(ca).map_err(|it| it.to_string())?;
        let builder = || reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().tls_certs_merge(roots.clone());
        let elsewhere: Arc<dyn Resolve> = Arc::new(Diverted(PublicOnly(look_up), to));
        let of_operator = builder().dns_resolver(Arc::clone(&elsewhere)).build().map_err(|it| it.to_string());
        let _ = self.0.for_operator.set(of_operator);
        let built = builder().dns_resolver(elsewhere).build().map_err(|it| it.to_string());
        self.0.for_documents.set(built).map_err(|_| "documents were asked for already".to_owned())
    }

    /// Built at the first call: a server that asks nobody needs no certificates of CAs.
    fn client(&self, written_by: WrittenBy) -> Result<&reqwest::Client, String> {
        let builder = || {
            let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
            self.0.identity.iter().fold(builder, |builder, identity| builder.identity(identity.clone()))
        };
        let built = match written_by {
            WrittenBy::Operator => self.0.for_operator.get_or_init(|| builder().build().map_err(|it| it.to_string())),
            WrittenBy::Document | WrittenBy::Stranger => self.0.for_documents.get_or_init(|| {
                // A proxy would look names up by itself, and nobody would judge what it finds.
                let guarded = builder().no_proxy().dns_resolver(Arc::clone(&self.0.resolver));
                guarded.build().map_err(|it| it.to_string())
            }),
        };
        built.as_ref().map_err(Clone::clone)
    }

    pub fn get(&self, target: &Target) -> Call {
        self.call(reqwest::Method::GET, target)
    }

    pub fn post(&self, target: &Target) -> Call {
        self.call(reqwest::Method::POST, target)
    }

    pub fn request(&self, method: http::Method, target: &Target) -> Call {
        self.call(method, target)
    }

    fn call(&self, method: reqwest::Method, target: &Target) -> Call {
        let request = self.client(target.written_by).map(|it| it.request(method, target.url.clone()));
        let turns = if target.written_by == WrittenBy::Stranger { &self.1.of_strangers } else { &self.1.own };
        Call { turns: Arc::clone(turns), request, most_bytes: MOST_BYTES, cuts: false, within: WITHIN }
    }
}

/// One request, before it is sent.
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    turns: Arc<Semaphore>,
    request: Result<reqwest::RequestBuilder, String>,
    most_bytes: usize,
    cuts: bool,
    within: Duration,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct RemoteResponse {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Call {
    fn with(mut self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.request = self.request.map(change);
        self
    }

    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.with(|it| it.header(name, value))
    }

    pub fn headers(self, headers: http::HeaderMap) -> Self {
        self.with(|it| it.headers(headers))
    }

    pub fn bytes(self, body: Vec<u8>) -> Self {
        self.with(|it| it.body(body))
    }

    pub fn bearer_auth(self, token: &str) -> Self {
        self.with(|it| it.bearer_auth(token))
    }

    pub fn body(self, body: String) -> Self {
        self.with(|it| it.body(body))
    }

    pub fn json(self, body: &impl Serialize) -> Self {
        self.with(|it| it.json(body))
    }

    pub fn form(self, fields: &impl Serialize) -> Self {
        self.with(|it| it.form(fields))
    }

    /// The largest body that is read.
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// A larger body is cut there, and is no error.
    pub fn cut(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// The time for all of it: waiting for a turn, connecting, and reading.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// The error says what failed, and never the URL, which may hold a secret.
    pub async fn send(self) -> Result<RemoteResponse, String> {
        let (turns, request, most_bytes, cuts) = (self.turns, self.request?, self.most_bytes, self.cuts);
        let work = async {
            let _turn = turns.acquire().await.map_err(|it| it.to_string())?;
            read(request, most_bytes, cuts).await
        };
        tokio::time::timeout(self.within, work).await.map_err(|_| "no answer in time".to_owned())?
    }
}

async fn read(request: reqwest::RequestBuilder, most_bytes: usize, cuts: bool) -> Result<RemoteResponse, String> {
    let failed = |it: reqwest::Error| said(&it.without_url());
    let mut answer = request.send().await.map_err(failed)?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        let room = most_bytes - body.len();
        if chunk.len() > room && !cuts {
            return Err("the answer is too large".to_owned());
        }
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            break;
        }
    }
    Ok(RemoteResponse { status, headers, body })
}

/// An error and what caused it: alone it says no more than that sending failed.
fn said(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use reqwest::dns::{Addrs, Name, Resolving};
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

    /// Answers every connection with this text, or never; counts them.
    async fn server(text: Option<String>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let text = text.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 2048]).await;
                    match text {
                        Some(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                        None => tokio::time::sleep(Duration::from_secs(60)).await,
                    }
                });
            }
        });
        (address, count)
    }

    /// Judges as the real one does, and connects to the test's own server.
    struct Here(PublicOnly);

    impl Resolve for Here {
        fn resolve(&self, name: Name) -> Resolving {
            let judged = self.0.resolve(name);
            Box::pin(async move {
                let _ = judged.await?;
                Ok(Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs)
            })
        }
    }

    fn answering(found: &[&str]) -> Outgoing {
        let found: Vec<SocketAddr> = found.iter().map(|it| SocketAddr::new(it.parse().unwrap(), 0)).collect();
        let look_up = move |_| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let found = found.clone();
            Box::pin(async move { Ok(found) })
        };
        Outgoing::with(Arc::new(Here(PublicOnly(Arc::new(look_up)))), 4)
    }

    fn written_by(written_by: WrittenBy, host: &str, server: SocketAddr) -> Target {
        Target { url: Url::parse(&format!("http://{host}:{}/", server.port())).unwrap(), written_by }
    }

    #[test]
    fn a_document_names_https_at_a_public_address() {
        for good in ["https://keys.example/a", "https://93.184.215.14/", "https://[2606:4700::1111]/", "https://[64:ff9b::5db8:d70e]/"] {
            assert!(Target::of_document(good).is_ok(), "{good}");
        }
        for bad in [
            "http://keys.example/a",
            "file:///etc/passwd",
            "gopher://keys.example/",
            "keys.example",
            "https://me:secret@keys.example/",
            "https://me@keys.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://198.18.0.1/",
            "https://192.0.0.8/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[fd12::1]/",
            "https://[ff02::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::7f00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:7f00:1::]/",
            "https://[2001::1]/",
            "https://[2001:db8::1]/",
        ] {
            assert!(Target::of_document(bad).is_err(), "{bad}");
        }
        for operators in ["https://127.0.0.1/", "http://10.0.0.1:8080/x", "https://keys.example"] {
            assert!(Target::of_operator(operators).is_ok(), "{operators}");
        }
        assert!(Target::of_operator("file:///etc/passwd").is_err());
    }

    #[tokio::test]
    async fn a_name_of_a_document_leads_to_public_addresses_alone() {
        let (address, count) = server(Some(GOOD.to_owned())).await;
        let target = written_by(WrittenBy::Document, "keys.example", address);
        for good in [&["93.184.215.14"][..], &["93.184.215.14", "2606:4700::1111"]] {
            assert_eq!(answering(good).get(&target).send().await.unwrap().body, b"hello", "{good:?}");
        }
        assert_eq!(count.swap(0, Ordering::Relaxed), 2);
        for bad in [
            &["127.0.0.1"][..],
            &["10.1.2.3"],
            &["169.254.169.254"],
            &["::ffff:192.168.1.1"],
            &["fe80::1"],
            &["93.184.215.14", "10.0.0.1"],
            &["10.0.0.1", "93.184.215.14"],
            &["2606:4700::1111", "::1"],
            &[],
        ] {
            let error = answering(bad).get(&target).send().await.unwrap_err();
            assert!(error.contains(NOT_PUBLIC), "{bad:?}: {error}");
            assert!(!error.contains("http://"), "{error}");
        }
        assert_eq!(count.load(Ordering::Relaxed), 0, "nobody was called");
    }

    #[tokio::test]
    async fn an_operator_may_name_the_private_network() {
        let (address, _) = server(Some(GOOD.to_owned())).await;
        let target = Target::of_operator(&format!("http://{address}/")).unwrap();
        let RemoteResponse { status, body, .. } = Outgoing::default().get(&target).send().await.unwrap();
        assert_eq!((status, &body[..]), (200, &b"hello"[..]));
        let named = written_by(WrittenBy::Operator, "localhost", address);
        assert_eq!(Outgoing::default().get(&named).send().await.unwrap().status, 200);
        let same = Target { written_by: WrittenBy::Document, ..named };
        let error = Outgoing::default().get(&same).send().await.unwrap_err();
        assert!(error.contains(NOT_PUBLIC), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let (private, count) = server(Some(GOOD.to_owned())).await;
        let (address, _) =
            server(Some(format!("HTTP/1.1 302 Found\r\nlocation: http://{private}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")))
                .await;
        for who in [WrittenBy::Document, WrittenBy::Stranger, WrittenBy::Operator] {
            let target = match who {
                WrittenBy::Operator => written_by(who, "127.0.0.1", address),
                WrittenBy::Document | WrittenBy::Stranger => written_by(who, "keys.example", address),
            };
            assert_eq!(answering(&["93.184.215.14"]).get(&target).send().await.unwrap().status, 302);
            assert_eq!(count.load(Ordering::Relaxed), 0);
        }
        let direct = written_by(WrittenBy::Operator, "127.0.0.1", private);
        assert_eq!(answering(&[]).get(&direct).send().await.unwrap().status, 200);
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_answer_has_a_size_and_a_time() {
        let (address, _) = server(Some(GOOD.to_owned())).await;
        let target = written_by(WrittenBy::Document, "keys.example", address);
        let outgoing = answering(&["93.184.215.14"]);
        assert_eq!(outgoing.get(&target).at_most(5).send().await.unwrap().body.len(), 5);
        assert_eq!(outgoing.get(&target).at_most(4).send().await.unwrap_err(), "the answer is too large");
        let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned() + &"x".repeat(100_000);
        let (large, _) = server(Some(endless)).await;
        let large = written_by(WrittenBy::Document, "keys.example", large);
        assert_eq!(outgoing.get(&large).send().await.unwrap_err(), "the answer is too large");
        assert_eq!(outgoing.get(&large).at_most(100_000).send().await.unwrap().body.len(), 100_000);
        assert_eq!(outgoing.get(&large).at_most(10).cut().send().await.unwrap().body, b"xxxxxxxxxx");
        let (silent, _) = server(None).await;
        let silent = written_by(WrittenBy::Document, "keys.example", silent);
        assert_eq!(outgoing.get(&silent).within(Duration::from_millis(200)).send().await.unwrap_err(), "no answer in time");
        assert_eq!(outgoing.get(&target).within(Duration::from_secs(5)).send().await.unwrap().status, 200);
    }

    /// 546-S: one byte after the other is over in time as silence is, and nothing is unpacked: a small answer stays small.
    #[tokio::test]
    async fn an_answer_that_trickles_ends_and_none_is_unpacked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut asked = [0; 2048];
                    let read = stream.read(&mut asked).await.unwrap();
                    let asked = String::from_utf8_lossy(&asked[..read]).to_lowercase();
                    assert!(!asked.contains("accept-encoding"), "{asked}");
                    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff";
                    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 10\r\nconnection: close\r\n\r\n";
                    if asked.starts_with("get /packed") {
                        stream.write_all(&[head.as_bytes(), packed].concat()).await.unwrap();
                    }
                    for byte in GOOD.bytes() {
                        let _ = stream.write_all(&[byte]).await;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                });
            }
        });
        let outgoing = answering(&["93.184.215.14"]);
        let at = |path: &str| Target {
            url: Url::parse(&format!("http://keys.example:{}{path}", address.port())).unwrap(),
            written_by: WrittenBy::Document,
        };
        let slow = at("/");
        assert_eq!(outgoing.get(&slow).within(Duration::from_millis(300)).send().await.unwrap_err(), "no answer in time");
        assert_eq!(outgoing.get(&slow).within(Duration::from_secs(30)).send().await.unwrap().body, b"hello", "the twin");
        let packed = outgoing.get(&at("/packed")).within(Duration::from_secs(5)).send().await.unwrap();
        assert_eq!((packed.status, &packed.body[..2], packed.body.len()), (200, &b"\x1f\x8b"[..], 10), "as it came");
    }

    #[tokio::test]
    async fn so_many_calls_are_under_way_and_no_more() {
        let ((silent, count), (address, _)) = (server(None).await, server(Some(GOOD.to_owned())).await);
        let outgoing = answering(&["93.184.215.14"]);
        let silent = written_by(WrittenBy::Document, "keys.example", silent);
        let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(outgoing.get(&silent).within(Duration::from_secs(30)).send())).collect();
        while count.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let target = written_by(WrittenBy::Document, "keys.example", address);
        let next = outgoing.get(&target).within(Duration::from_millis(200)).send();
        assert_eq!(next.await.unwrap_err(), "no answer in time");
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(outgoing.get(&target).within(Duration::from_secs(5)).send().await.unwrap().status, 200);
    }

    /// 546-S: strangers whose hosts never answer use up their own turns, and nobody else's.
    #[tokio::test]
    async fn hosts_of_strangers_keep_nobody_else_waiting() {
        let ((silent, count), (address, _)) = (server(None).await, server(Some(GOOD.to_owned())).await);
        let outgoing = answering(&["93.184.215.14"]);
        let silent = written_by(WrittenBy::Stranger, "keys.example", silent);
        let waiting: Vec<_> = (0..64).map(|_| tokio::spawn(outgoing.get(&silent).within(Duration::from_secs(30)).send())).collect();
        while count.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ask = |who, host| outgoing.get(&written_by(who, host, address)).within(Duration::from_millis(500)).send();
        assert_eq!(ask(WrittenBy::Stranger, "keys.example").await.unwrap_err(), "no answer in time", "the twin");
        for (who, host) in [(WrittenBy::Operator, "127.0.0.1"), (WrittenBy::Document, "keys.example")] {
            assert_eq!(ask(who, host).await.unwrap().status, 200, "{who:?}");
        }
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
