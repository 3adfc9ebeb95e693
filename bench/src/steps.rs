//! The steps that the rows are made of: signing in, authorizing, exchanging, refreshing, introspecting. One step's answers are what the
//! next one needs.

use crate::http::{self, Answer, Connection};
use crate::load::{self, Load, Queue, Row, Work};
use crate::process;
use crate::server::{BACK, LINKS, PASSWORD, PHONE, Server, Site};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use symbolon_oauth::{base64, client_assertion, pkce};
use symbolon_phone::browser::{Browser, Person};

pub const WARM_UP: Duration = Duration::from_millis(500);
/// All scopes of the phone.
pub const BOTH: &str = "orders:read orders:write";
/// The number of grants for the rows about ID tokens, opaque tokens and bound tokens.
pub const FEW: usize = 256;
/// The name of that row.
pub const POLL: &str = "poll of a device, nothing new";
/// Devices that poll; the server lets one network start sixty a minute.
const DEVICES: usize = 48;

pub struct Bench<'a> {
    pub site: &'a Site,
    pub server: &'a Server,
    pub connections: usize,
    pub measure: Duration,
    /// `perf record` writes here while the refresh row runs.
    pub profile: Option<&'a Path>,
    /// A `Cookie` header for each person.
    pub cookies: Vec<String>,
    verifier: String,
    /// Of DPoP proofs.
    pub counter: Counter,
}

/// Numbers DPoP proofs, so that no `jti` is used twice.
#[derive(Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    pub fn next(&self) -> u64 {
        let number = self.0.get();
        self.0.set(number + 1);
        number
    }
}

/// The tokens of a grant.
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
    pub fn phone(scope: &'a str) -> Self {
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
        let mut bench = Self { profile, ..Self::of_sessions(site, server, connections, measure, Vec::new()) };
        for name in &site.people {
            let mut browser = Browser::default();
            let url = format!("{}{}", site.issuer, bench.authorize_path(&Ask::phone("orders:read")));
            let person = Person::with_password(name, PASSWORD);
            browser.visit(&client, &url, BACK, &person).await.map_err(|it| format!("signing {name} in: {it}"))?;
            bench.cookies.push(browser.cookie_line(&url));
        }
        Ok(bench)
    }

    /// With sessions that the store has already. `cookies`: a `Cookie` header for each.
    pub fn of_sessions(site: &'a Site, server: &'a Server, connections: usize, measure: Duration, cookies: Vec<String>) -> Self {
        let verifier = pkce::verifier([7; 32]);
        Self { site, server, connections, measure, profile: None, cookies, verifier, counter: Counter::default() }
    }

    pub fn load(&self, status: u16) -> Load {
        let (pid, postmaster) = (self.server.pid(), self.site.postmaster);
        Load { address: self.site.address, pid, postmaster, status, warm_up: WARM_UP, measure: self.measure, keep: false }
    }

    /// A load that runs until its requests are done.
    pub fn unmeasured(&self, status: u16) -> Load {
        Load { warm_up: Duration::ZERO, measure: Duration::from_secs(60), keep: true, ..self.load(status) }
    }

    /// The same requests on every connection. Each connection starts with another one.
    fn round(&self, requests: &[Bytes]) -> Vec<Work> {
        (0..self.connections).map(|number| Work::Round(requests.to_vec(), number % requests.len())).collect()
    }

    pub fn queue(&self, requests: VecDeque<Bytes>) -> Vec<Work> {
        let queue: Queue = Rc::new(RefCell::new(requests));
        (0..self.connections).map(|_| Work::Queue(Rc::clone(&queue))).collect()
    }

    pub async fn metadata(&self) -> Result<Row, String> {
        let request = http::get("/.well-known/oauth-authorization-server", &[]);
        Ok(load::run("metadata", &self.load(200), self.round(&[request])).await?.0)
    }

    /// The file that phones fetch when an app is installed.
    pub async fn association_file(&self) -> Result<Row, String> {
        let request = http::get_at(LINKS, "/.well-known/apple-app-site-association", &[]);
        Ok(load::run("association file of a further host", &self.load(200), self.round(&[request])).await?.0)
    }

    /// Sends one request alone. The first use of a secret costs an argon2id, and the server takes twenty at once from one address for
    /// guessing.
    async fn send_first(&self, request: &Bytes) -> Result<(), String> {
        let answer = Connection::open(self.site.address).await?.ask(request).await?;
        if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.body)) }
    }

    pub async fn client_credentials(&self) -> Result<Vec<Row>, String> {
        let basic = basic("robot-secret", &self.site.secret);
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read")];
        let request = http::post("/token", &[("authorization", &basic)], &form);
        self.send_first(&request).await?;
        let (by_secret, _) = load::run("client_credentials, client_secret_basic", &self.load(200), self.round(&[request])).await?;
        // These are more than any server answers in that time. They are signed beforehand, so that the load stays light.
        let wanted = (self.measure + WARM_UP).as_secs_f64() * 6000.0;
        let requests: Result<VecDeque<Bytes>, String> = (0..wanted as u64).map(|it| self.assertion(it)).collect();
        let (by_key, _) = load::run("client_credentials, private_key_jwt", &self.load(200), self.queue(requests?)).await?;
        Ok(vec![by_secret, by_key])
    }

    fn assertion(&self, number: u64) -> Result<Bytes, String> {
        let jti = format!("bench-{}-{number}", self.server.pid());
        let assertion = client_assertion::make(&self.site.key, "robot-key", &self.site.issuer, &jti, process::now_s())
            .map_err(|it| format!("{it:?}"))?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "orders:read"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        Ok(http::post("/token", &[], &form))
    }

    /// The parameters of the request.
    pub fn parameters(&self, ask: &Ask<'_>) -> Vec<(String, String)> {
        let challenge = pkce::challenge(&self.verifier);
        let own = [
            ("client_id", ask.client),
            ("redirect_uri", ask.back),
            ("response_type", "code"),
            ("scope", ask.scope),
            ("state", "bench"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        own.iter().chain(ask.more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    pub fn authorize_path(&self, ask: &Ask<'_>) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.parameters(ask)).finish();
        format!("/authorize?{query}")
    }

    fn authorize_requests(&self, ask: &Ask<'_>) -> Vec<Bytes> {
        let path = self.authorize_path(ask);
        self.cookies.iter().map(|it| http::get(&path, &[("cookie", it)])).collect()
    }

    /// Ends on a page of the server's before the app's link. Each request is of a network of its own, as those of many people are.
    pub async fn authorize_to_a_page(&self, name: &str, ask: &Ask<'_>) -> Result<(Row, Vec<Answer>), String> {
        let path = self.authorize_path(ask);
        let wanted = ((self.measure + WARM_UP).as_secs_f64() * 6000.0) as usize;
        let request = |cookie: &String| {
            let [.., a, b, c] = self.counter.next().to_be_bytes();
            http::get(&path, &[("cookie", cookie), ("x-forwarded-for", &format!("10.{a}.{b}.{c}"))])
        };
        let requests = self.cookies.iter().cycle().take(wanted).map(request).collect();
        load::run(name, &Load { keep: true, ..self.load(303) }, self.queue(requests)).await
    }

    /// Runs half as long again as the exchange, so that the exchange does not run out of codes.
    pub async fn authorize(&self, ask: &Ask<'_>) -> Result<(Row, Vec<String>), String> {
        let load = Load { keep: true, measure: self.measure * 3 / 2, ..self.load(303) };
        let works = self.round(&self.authorize_requests(ask));
        let (row, answers) = load::run("authorize, signed in already, to a code", &load, works).await?;
        Ok((row, codes(&answers)?))
    }

    pub async fn exchange(&self, name: &str, codes: Vec<String>, load: Load) -> Result<(Row, Vec<Tokens>), String> {
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

    /// Gets codes for some grants, without a measurement.
    pub async fn few_codes(&self, ask: &Ask<'_>) -> Result<Vec<String>, String> {
        let requests = self.authorize_requests(ask).into_iter().cycle().take(FEW).collect();
        let (_, answers) = load::run("preparing codes", &self.unmeasured(303), self.queue(requests)).await?;
        codes(&answers)
    }

    /// Gets a code for each session, without a measurement.
    pub async fn codes_of_everybody(&self, ask: &Ask<'_>) -> Result<Vec<String>, String> {
        let requests = self.authorize_requests(ask).into();
        let (_, answers) = load::run("preparing codes", &self.unmeasured(303), self.queue(requests)).await?;
        codes(&answers)
    }

    pub async fn grants(&self, scope: &str) -> Result<Vec<Tokens>, String> {
        let codes = self.few_codes(&Ask::phone(scope)).await?;
        Ok(self.exchange("preparing grants", codes, self.unmeasured(200)).await?.1)
    }

    /// Divides the refresh tokens among the connections.
    pub fn divide(&self, name: &str, tokens: &[Tokens]) -> Result<Vec<Vec<String>>, String> {
        Self::divide_among(self.connections, name, tokens)
    }

    pub fn divide_among(connections: usize, name: &str, tokens: &[Tokens]) -> Result<Vec<Vec<String>>, String> {
        let mut works: Vec<Vec<String>> = vec![Vec::new(); connections];
        for (at, one) in tokens.iter().enumerate() {
            works[at % connections].push(one.refresh.clone());
        }
        if works.iter().any(Vec::is_empty) {
            return Err(format!("{name}: {} grants are too few for {connections} connections", tokens.len()));
        }
        Ok(works)
    }

    pub async fn refresh(&self, name: &str, tokens: &[Tokens], profile: Option<&Path>) -> Result<Row, String> {
        let works = self.divide(name, tokens)?.into_iter();
        let works = works.map(|tokens| Work::refresh(PHONE, tokens, None, None)).collect();
        let perf = profile.map(|it| start_perf(self.server.pid(), it, self.measure)).transpose()?;
        let outcome = load::run(name, &self.load(200), works).await;
        if let Some(mut perf) = perf {
            let _ = perf.wait();
        }
        Ok(outcome?.0)
    }

    /// One connection: no request shares a commit with another.
    pub async fn refresh_alone(&self, tokens: &[Tokens]) -> Result<Row, String> {
        let name = "refresh, one connection";
        let works = Self::divide_among(1, name, tokens)?.into_iter();
        let works = works.map(|tokens| Work::refresh(PHONE, tokens, None, None)).collect();
        Ok(load::run(name, &self.load(200), works).await?.0)
    }

    /// A device that polls while nobody has answered (RFC 8628 3.5): one read, and no write.
    pub async fn poll(&self) -> Result<Row, String> {
        let start = http::post("/device_authorization", &[], &[("client_id", "tv"), ("scope", "orders:read")]);
        let mut requests = Vec::new();
        for _ in 0..DEVICES {
            let answer = Connection::open(self.site.address).await?.ask(&start).await?;
            let code = answer.member("device_code").ok_or_else(|| format!("{}: {}", answer.status, answer.body))?;
            let form = [("grant_type", symbolon_oauth::device_authorization::GRANT_TYPE), ("client_id", "tv"), ("device_code", code)];
            requests.push(http::post("/token", &[], &form));
        }
        Ok(load::run(POLL, &self.load(400), self.round(&requests)).await?.0)
    }

    pub async fn introspect(&self, name: &str, api: &str, tokens: &[Tokens]) -> Result<Row, String> {
        let authorization = basic(api, &self.site.secret);
        let request = |tokens: &Tokens| http::post("/introspect", &[("authorization", &authorization)], &[("token", &tokens.access)]);
        let requests: Vec<Bytes> = tokens.iter().map(request).collect();
        if let Some(first) = requests.first() {
            self.send_first(first).await?;
        }
        Ok(load::run(name, &self.load(200), self.round(&requests)).await?.0)
    }
}

pub fn codes(answers: &[Answer]) -> Result<Vec<String>, String> {
    let code = |answer: &Answer| {
        let (_, rest) = answer.header("location")?.split_once("code=")?;
        rest.split('&').next().map(str::to_owned)
    };
    answers.iter().map(|it| code(it).ok_or_else(|| format!("no code came back: {}", it.head))).collect()
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::encode(format!("{name}:{secret}").as_bytes()))
}

fn start_perf(pid: u32, file: &Path, measure: Duration) -> Result<std::process::Child, String> {
    let (pid, seconds) = (pid.to_string(), measure.as_secs().to_string());
    let mut command = std::process::Command::new("perf");
    command.args(["record", "--quiet", "-F", "999", "-g", "-p", &pid, "-o"]).arg(file).args(["--", "sleep", &seconds]);
    command.spawn().map_err(|it| format!("perf: {it}"))
}
