//! The rows: what is asked of the server, each at every engine alike. One row's answers are the next one's material.

use crate::bound::Counter;
use crate::http::{self, Answer, Connection};
use crate::limits::Limit;
use crate::load::{self, Load, Queue, Row, Work};
use crate::server::{BACK, PASSWORD, PHONE, Server, Site};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use symbolon_oauth::{base64, client_assertion, pkce};
use symbolon_phone::browser::{Browser, Person};

pub const WARM_UP: Duration = Duration::from_millis(500);
/// What the phone asks for where all its scopes are wanted.
const BOTH: &str = "orders:read orders:write";
/// The grants whose ID tokens and opaque tokens are wanted.
const FEW: usize = 256;

pub struct Bench<'a> {
    pub site: &'a Site,
    pub server: &'a Server,
    pub connections: usize,
    pub measure: Duration,
    /// `perf record` writes here while the refresh row runs.
    pub profile: Option<&'a Path>,
    /// A `Cookie` header for each person.
    cookies: Vec<String>,
    verifier: String,
    /// Of DPoP proofs.
    pub counter: Counter,
}

/// What a grant gave.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// An authorization request.
pub struct Ask<'a> {
    pub client: &'static str,
    pub back: &'a str,
    pub scope: &'a str,
    pub more: &'a [(&'a str, &'a str)],
}

impl<'a> Ask<'a> {
    fn phone(scope: &'a str) -> Self {
        Self { client: PHONE, back: BACK, scope, more: &[] }
    }
}

impl<'a> Bench<'a> {
    /// Signs everybody in through the real pages.
    pub async fn prepare(
        site: &'a Site,
        server: &'a Server,
        connections: usize,
        measure: Duration,
        profile: Option<&'a Path>,
    ) -> Result<Self, String> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().map_err(|it| it.to_string())?;
        let verifier = pkce::verifier([7; 32]);
        let mut bench = Self { site, server, connections, measure, profile, cookies: Vec::new(), verifier, counter: Counter::default() };
        for name in &site.people {
            let mut browser = Browser::default();
            let url = format!("{}{}", site.issuer, bench.authorize_path(&Ask::phone("orders:read")));
            let person = Person::with_password(name, PASSWORD);
            browser.visit(&client, &url, BACK, &person).await.map_err(|it| format!("signing {name} in: {it}"))?;
            bench.cookies.push(browser.cookie_line());
        }
        Ok(bench)
    }

    /// The rows of the server, and what an API's layer does with the tokens it gave.
    pub async fn all(&self) -> Result<(Vec<Row>, Vec<Limit>), String> {
        let mut rows = vec![self.metadata().await?];
        rows.extend(self.client_credentials().await?);
        let (row, codes) = self.authorize(&Ask::phone(BOTH)).await?;
        rows.push(row);
        let (row, tokens) = self.exchange("code exchange", codes, self.load(200)).await?;
        rows.push(row);
        rows.push(self.refresh("refresh", &tokens, self.profile).await?);
        let openid = self.grants("openid orders:read").await?;
        rows.push(self.refresh("refresh with an ID token (two signatures)", &openid, None).await?);
        rows.push(self.introspect("introspection of a JWT", "orders", &openid).await?);
        let opaque = self.grants("ledger:read").await?;
        rows.push(self.introspect("introspection of an opaque token", "ledger", &opaque).await?);
        let (more, api) = self.bound(&openid).await?;
        rows.extend(more);
        Ok((rows, api))
    }

    /// The refresh row alone, over as many grants, for what is compared with it.
    pub async fn refresh_alone(&self, name: &str) -> Result<Row, String> {
        let (_, codes) = self.authorize(&Ask::phone(BOTH)).await?;
        let (_, tokens) = self.exchange("preparing grants", codes, self.load(200)).await?;
        self.refresh(name, &tokens, None).await
    }

    pub fn load(&self, status: u16) -> Load {
        Load { address: self.site.address, pid: self.server.pid(), status, warm_up: WARM_UP, measure: self.measure, keep: false }
    }

    /// Until the work is done.
    pub fn unmeasured(&self, status: u16) -> Load {
        Load { warm_up: Duration::ZERO, measure: Duration::from_secs(60), keep: true, ..self.load(status) }
    }

    /// The same requests on every connection, each starting at its own place.
    fn round(&self, requests: &[Bytes]) -> Vec<Work> {
        (0..self.connections).map(|it| Work::Round(requests.to_vec(), it % requests.len())).collect()
    }

    fn queue(&self, requests: VecDeque<Bytes>) -> Vec<Work> {
        let queue: Queue = Rc::new(RefCell::new(requests));
        (0..self.connections).map(|_| Work::Queue(Rc::clone(&queue))).collect()
    }

    async fn metadata(&self) -> Result<Row, String> {
        let request = http::get("/.well-known/oauth-authorization-server", &[]);
        Ok(load::run("metadata", &self.load(200), self.round(&[request])).await?.0)
    }

    /// One request on its own: the first use of a secret is an argon2id, and twenty of them at once from one address
    /// are taken for guessing.
    async fn prove(&self, request: &Bytes) -> Result<(), String> {
        let answer = Connection::open(self.site.address).await?.ask(request).await?;
        if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.body)) }
    }

    async fn client_credentials(&self) -> Result<Vec<Row>, String> {
        let basic = basic("robot-secret", &self.site.secret);
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let request = http::post("/token", &[("authorization", &basic)], &form);
        self.prove(&request).await?;
        let (by_secret, _) = load::run("client_credentials, client_secret_basic", &self.load(200), self.round(&[request])).await?;
        // More than any server answers in that time; signed beforehand so that the load stays light.
        let wanted = (self.measure + WARM_UP).as_secs_f64() * 6000.0;
        let requests: Result<VecDeque<Bytes>, String> = (0..wanted as u64).map(|it| self.assertion(it)).collect();
        let (by_key, _) = load::run("client_credentials, private_key_jwt", &self.load(200), self.queue(requests?)).await?;
        Ok(vec![by_secret, by_key])
    }

    fn assertion(&self, number: u64) -> Result<Bytes, String> {
        let jti = format!("bench-{}-{number}", self.server.pid());
        let assertion =
            client_assertion::make(&self.site.key, "robot-key", &self.site.issuer, &jti, now_s()).map_err(|it| format!("{it:?}"))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "orders:read"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        Ok(http::post("/token", &[], &form))
    }

    fn authorize_path(&self, ask: &Ask<'_>) -> String {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", ask.client),
                ("redirect_uri", ask.back),
                ("response_type", "code"),
                ("scope", ask.scope),
                ("state", "bench"),
                ("code_challenge", &pkce::challenge(&self.verifier)),
                ("code_challenge_method", "S256"),
            ])
            .extend_pairs(ask.more)
            .finish();
        format!("/authorize?{query}")
    }

    fn authorize_requests(&self, ask: &Ask<'_>) -> Vec<Bytes> {
        let path = self.authorize_path(ask);
        self.cookies.iter().map(|it| http::get(&path, &[("cookie", it)])).collect()
    }

    /// Half as long again as the exchange, which must not run out of codes.
    pub async fn authorize(&self, ask: &Ask<'_>) -> Result<(Row, Vec<String>), String> {
        let load = Load { keep: true, measure: self.measure * 3 / 2, ..self.load(303) };
        let works = self.round(&self.authorize_requests(ask));
        let (row, answers) = load::run("authorize, signed in already, to a code", &load, works).await?;
        Ok((row, codes(&answers)?))
    }

    async fn exchange(&self, name: &str, codes: Vec<String>, load: Load) -> Result<(Row, Vec<Tokens>), String> {
        let requests = codes.iter().map(|code| http::post("/token", &[], &self.redemption(PHONE, code)));
        self.redeem(name, requests.collect(), load).await
    }

    pub fn redemption<'b>(&'b self, client: &'b str, code: &'b str) -> [(&'b str, &'b str); 5] {
        [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", &self.verifier),
            ("redirect_uri", BACK),
        ]
    }

    pub async fn redeem(&self, name: &str, requests: VecDeque<Bytes>, load: Load) -> Result<(Row, Vec<Tokens>), String> {
        let (row, answers) = load::run(name, &Load { keep: true, ..load }, self.queue(requests)).await?;
        let tokens: Option<Vec<Tokens>> = answers
            .iter()
            .map(|it| Some(Tokens { access: it.member("access_token")?.to_owned(), refresh: it.member("refresh_token")?.to_owned() }))
            .collect();
        Ok((row, tokens.ok_or("a token response without tokens")?))
    }

    /// Codes for some grants, not measured.
    pub async fn few_codes(&self, ask: &Ask<'_>) -> Result<Vec<String>, String> {
        let requests = self.authorize_requests(ask).into_iter().cycle().take(FEW).collect();
        let (_, answers) = load::run("preparing codes", &self.unmeasured(303), self.queue(requests)).await?;
        codes(&answers)
    }

    pub async fn grants(&self, scope: &str) -> Result<Vec<Tokens>, String> {
        let codes = self.few_codes(&Ask::phone(scope)).await?;
        Ok(self.exchange("preparing grants", codes, self.unmeasured(200)).await?.1)
    }

    /// The refresh tokens, some for each connection.
    pub fn shared_out(&self, name: &str, tokens: &[Tokens]) -> Result<Vec<Vec<String>>, String> {
        let mut works: Vec<Vec<String>> = vec![Vec::new(); self.connections];
        for (at, it) in tokens.iter().enumerate() {
            works[at % self.connections].push(it.refresh.clone());
        }
        if works.iter().any(Vec::is_empty) {
            return Err(format!("{name}: {} grants are too few for {} connections", tokens.len(), self.connections));
        }
        Ok(works)
    }

    async fn refresh(&self, name: &str, tokens: &[Tokens], profile: Option<&Path>) -> Result<Row, String> {
        let works = self.shared_out(name, tokens)?.into_iter();
        let works = works.map(|tokens| Work::Refresh { client: PHONE, tokens, at: 0, attestation: None, proofs: None }).collect();
        let perf = profile.map(|it| perf(self.server.pid(), it, self.measure)).transpose()?;
        let done = load::run(name, &self.load(200), works).await;
        if let Some(mut perf) = perf {
            let _ = perf.wait();
        }
        Ok(done?.0)
    }

    pub async fn introspect(&self, name: &str, api: &str, tokens: &[Tokens]) -> Result<Row, String> {
        let authorization = basic(api, &self.site.secret);
        let ask = |it: &Tokens| http::post("/introspect", &[("authorization", &authorization)], &[("token", &it.access)]);
        let requests: Vec<Bytes> = tokens.iter().map(ask).collect();
        if let Some(first) = requests.first() {
            self.prove(first).await?;
        }
        Ok(load::run(name, &self.load(200), self.round(&requests)).await?.0)
    }
}

fn codes(answers: &[Answer]) -> Result<Vec<String>, String> {
    let code = |it: &Answer| {
        let (_, rest) = it.header("location")?.split_once("code=")?;
        rest.split('&').next().map(str::to_owned)
    };
    answers.iter().map(|it| code(it).ok_or_else(|| format!("no code came back: {}", it.head))).collect()
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::encode(format!("{name}:{secret}").as_bytes()))
}

#[expect(clippy::disallowed_methods, reason = "the load is a client, and a client reads the clock")]
pub fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn perf(pid: u32, file: &Path, measure: Duration) -> Result<std::process::Child, String> {
    let (pid, seconds) = (pid.to_string(), measure.as_secs().to_string());
    let mut command = std::process::Command::new("perf");
    command.args(["record", "--quiet", "-F", "999", "-g", "-p", &pid, "-o"]).arg(file).args(["--", "sleep", &seconds]);
    command.spawn().map_err(|it| format!("perf: {it}"))
}
