//! The phone's network: real HTTP, a log of the requests, and answers that get lost on demand.

use crate::Exchange;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use symbolon_client::platform::{Answer, BoxFuture, Http, Request, Unavailable};

/// A free port to listen at. Every caller gets another one, and all are below the ports of outgoing connections.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(977).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (number % u32::from(COUNT)) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub struct Net {
    pub http: reqwest::Client,
    log: Mutex<Vec<Exchange>>,
    /// The answers to this many POSTs get lost. The server handles the requests.
    pub lose_answers: AtomicU32,
    /// Its address, to a server that believes a proxy on this machine.
    pub address: OnceLock<&'static str>,
}

impl Net {
    pub fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, log: Mutex::default(), lose_answers: AtomicU32::new(0), address: OnceLock::new() })
    }

    /// Every request of the app so far with its answer, oldest first.
    pub fn log(&self) -> Vec<Exchange> {
        self.everything().into_iter().filter(|it| !it.by_browser).collect()
    }

    /// Every request of the app and of the system browser, oldest first.
    pub fn everything(&self) -> Vec<Exchange> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what the system browser sent.
    pub fn add_browsed(&self, exchanges: Vec<Exchange>) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).extend(exchanges);
    }

    /// The newest request of the app whose answer satisfies this.
    pub fn newest(&self, fits: impl Fn(&Exchange) -> bool) -> Option<Exchange> {
        self.log().into_iter().rfind(fits)
    }

    fn remember(&self, request: &Request, status: u16, body: Value) {
        let is_form = request.method == "POST";
        let sent = if is_form {
            // Passwords are not shown.
            let hide =
                |(name, value): (String, String)| if name.contains("password") { (name, "(hidden)".to_owned()) } else { (name, value) };
            url::form_urlencoded::parse(&request.body).into_owned().map(hide).collect()
        } else {
            request.headers.iter().filter(|(name, _)| name == "authorization" || name == "dpop").cloned().collect()
        };
        let exchange = Exchange { method: request.method.clone(), url: request.url.clone(), sent, status, body, by_browser: false };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut out = self.http.request(request.method.parse()?, &request.url).body(request.body.clone());
        for (name, value) in &request.headers {
            out = out.header(name, value);
        }
        if let Some(address) = self.address.get() {
            out = out.header("x-forwarded-for", *address);
        }
        let answer = out.send().await?;
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok(Answer { status: answer.status().as_u16(), headers, body: answer.bytes().await?.to_vec() })
    }
}

impl Http for Net {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, Unavailable>> {
        Box::pin(async move {
            let answer = self.exchange(&request).await.map_err(|it| Unavailable(it.to_string()))?;
            let may_be_lost = request.method == "POST" && answer.status < 300;
            if may_be_lost && self.lose_answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_ok() {
                self.remember(&request, 0, Value::Null);
                return Err(Unavailable("the phone is in a tunnel".to_owned()));
            }
            self.remember(&request, answer.status, answer.json());
            Ok(answer)
        })
    }
}
