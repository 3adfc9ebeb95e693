//! Rows about grants that are bound to a key: by DPoP alone, and by an attested installation. Proofs are signed beforehand, so that the
//! load stays light. Each works once.

use crate::http::{self, Answer, Connection};
use crate::load::{Load, Row, Work};
use crate::process::now_s;
use crate::server::{ATTESTED, BACK, IOS_APP, PHONE};
use crate::steps::{Ask, BOTH, Bench, FEW, Tokens, WARM_UP, codes};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, dpop};

/// More proofs a second than any server accepts here.
const PROOFS_PER_S: f64 = 14_000.0;

/// A phone with a key. An attested one also has its attestation.
pub struct Phone {
    client: &'static str,
    key: PrivateKey,
    /// The newest nonce of the server.
    nonce: String,
    pub attestation: Option<String>,
}

impl Phone {
    pub fn proof(&self, number: u64, url: &str, token: Option<&str>) -> Result<String, String> {
        // The `jti` is unique in this process, and short, as an app would make it.
        let jti = format!("{}-{number}", self.key.kid().get(..8).unwrap_or_default());
        dpop::make(
            &self.key,
            &dpop::Statement { method: "POST", url, nonce: Some(&self.nonce), access_token: token, jti: &jti, iat: now_s() },
        )
        .map_err(|it| format!("{it:?}"))
    }
}

/// The name of the row that others are compared with.
pub const FEW_GRANTS: &str = "refresh with DPoP, few grants";

/// The rows, and what an API's layer is measured with.
pub struct Measured {
    pub rows: Vec<Row>,
    /// Tokens that are bound to the key.
    pub orders: Vec<Tokens>,
    pub key: PrivateKey,
}

/// Measures the rows in this order: exchange, refresh over as many grants, introspection, refresh over few grants. The last row exists
/// twice: by the key alone, and by an attested installation.
pub async fn measure(bench: &Bench<'_>) -> Result<Measured, String> {
    let phone = bench.phone(PHONE).await?;
    let mut rows = Vec::new();
    let jkt = phone.key.kid().to_owned();
    let bind = [("dpop_jkt", jkt.as_str())];
    let ask = |scope| Ask { client: PHONE, back: BACK, scope, more: &bind };
    let (_, codes) = bench.authorize(&ask(BOTH)).await?;
    let (row, tokens) = bench.exchange_bound("code exchange with DPoP", &phone, codes, bench.load(200)).await?;
    rows.push(row);
    rows.push(bench.refresh_bound("refresh with DPoP", &phone, &tokens).await?);
    let orders = bench.few_bound(&phone, &ask("orders:read")).await?;
    rows.push(bench.introspect("introspection of a JWT bound to a key", "orders", &orders).await?);
    let ledger = bench.few_bound(&phone, &ask("ledger:read")).await?;
    rows.push(bench.introspect("introspection of an opaque token bound to a key", "ledger", &ledger).await?);
    rows.push(bench.refresh_bound(FEW_GRANTS, &phone, &orders).await?);
    let attested = bench.attested_phone().await?;
    let tokens = bench.few_bound(&attested, &Ask { client: ATTESTED, back: BACK, scope: "orders:read", more: &[] }).await?;
    rows.push(bench.refresh_bound("refresh of an attested installation, few grants", &attested, &tokens).await?);
    Ok(Measured { rows, orders, key: phone.key })
}

impl Bench<'_> {
    async fn phone(&self, client: &'static str) -> Result<Phone, String> {
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
        self.phone_with(client, key).await
    }

    /// A phone with this key. It has sent one request, and so it has the server's nonce.
    pub async fn phone_with(&self, client: &'static str, key: PrivateKey) -> Result<Phone, String> {
        let mut phone = Phone { client, key, nonce: String::new(), attestation: None };
        let url = format!("{}/token", self.site.issuer);
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", "sr_")];
        let proof = dpop::make(
            &phone.key,
            &dpop::Statement {
                method: "POST",
                url: &url,
                nonce: None,
                access_token: None,
                jti: &format!("first-{}", phone.key.kid()),
                iat: now_s(),
            },
        );
        let proof = proof.map_err(|it| format!("{it:?}"))?;
        let answer = self.ask(&http::post("/token", &[("dpop", &proof)], &form)).await?;
        phone.nonce = answer.header("dpop-nonce").ok_or("the server gave no nonce")?.to_owned();
        Ok(phone)
    }

    /// A phone whose app the server's own attester has attested.
    pub async fn attested_phone(&self) -> Result<Phone, String> {
        self.attested(self.phone(ATTESTED).await?, IOS_APP).await
    }

    /// The same for another app.
    pub async fn attested(&self, mut phone: Phone, app: &str) -> Result<Phone, String> {
        let client = phone.client;
        let answer = self.ask(&http::post("/attest/challenge", &[], &[("client_id", client)])).await?;
        let challenge = answer.member("challenge").ok_or("no challenge came")?.to_owned();
        let bytes: Option<[u8; 32]> = base64url::decode(&challenge).and_then(|it| it.try_into().ok());
        let thumbprint: Option<[u8; 32]> = base64url::decode(phone.key.kid()).and_then(|it| it.try_into().ok());
        let (Some(bytes), Some(thumbprint)) = (bytes, thumbprint) else { return Err("a challenge of another length".to_owned()) };
        let hash = binding::named(Purpose::First, client, &bytes, &thumbprint);
        let (enclave, object) = self.site.maker.ios(app, &hash).map_err(|it| it.to_string())?;
        let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
        let form = [
            ("client_id", client),
            ("format", "apple-appattest"),
            ("challenge", &challenge),
            ("attestation", &object),
            ("key_id", &key_id),
        ];
        let proof = phone.proof(self.counter.next(), &format!("{}/attest", self.site.issuer), None)?;
        let answer = self.ask(&http::post("/attest", &[("dpop", &proof)], &form)).await?;
        let attestation = answer.member("client_attestation").ok_or_else(|| format!("not attested: {}", answer.body))?;
        phone.attestation = Some(attestation.to_owned());
        Ok(phone)
    }

    pub async fn ask(&self, request: &[u8]) -> Result<Answer, String> {
        Connection::open(self.site.address).await?.ask(request).await
    }

    async fn few_bound(&self, phone: &Phone, ask: &Ask<'_>) -> Result<Vec<Tokens>, String> {
        let codes = if phone.attestation.is_some() { self.few_pushed(phone, ask).await? } else { self.few_codes(ask).await? };
        Ok(self.exchange_bound("preparing grants", phone, codes, self.unmeasured(200)).await?.1)
    }

    /// Codes for an attested app, which has to push its requests.
    async fn few_pushed(&self, phone: &Phone, ask: &Ask<'_>) -> Result<Vec<String>, String> {
        let url = format!("{}/par", self.site.issuer);
        let parameters = self.parameters(ask);
        let form: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let push = || -> Result<_, String> {
            let number = self.counter.next();
            let proof = phone.proof(number, &url, None)?;
            let [.., a, b, c] = number.to_be_bytes();
            let network = format!("10.{a}.{b}.{c}");
            let mut headers = vec![("dpop", proof.as_str()), ("x-forwarded-for", &network)];
            headers.extend(phone.attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
            Ok(http::post("/par", &headers, &form))
        };
        let pushes: Result<VecDeque<_>, String> = (0..FEW).map(|_| push()).collect();
        let (_, pushed) = crate::load::run("preparing requests", &self.unmeasured(201), self.queue(pushes?)).await?;
        let open = |(answer, cookie): (&Answer, &String)| -> Result<_, String> {
            let uri = answer.member("request_uri").ok_or("no request_uri came")?;
            Ok(http::get(&format!("/authorize?client_id={}&request_uri={uri}", ask.client), &[("cookie", cookie)]))
        };
        let opens: Result<VecDeque<_>, String> = pushed.iter().zip(self.cookies.iter().cycle()).map(open).collect();
        let (_, answers) = crate::load::run("preparing codes", &self.unmeasured(303), self.queue(opens?)).await?;
        codes(&answers)
    }

    async fn exchange_bound(&self, name: &str, phone: &Phone, codes: Vec<String>, load: Load) -> Result<(Row, Vec<Tokens>), String> {
        let url = format!("{}/token", self.site.issuer);
        let requests: Result<VecDeque<_>, String> = codes
            .iter()
            .map(|code| {
                let proof = phone.proof(self.counter.next(), &url, None)?;
                let mut headers = vec![("dpop", proof.as_str())];
                headers.extend(phone.attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
                Ok(http::post("/token", &headers, &self.redemption(phone.client, code)))
            })
            .collect();
        self.redeem(name, requests?, load).await
    }

    async fn refresh_bound(&self, name: &str, phone: &Phone, tokens: &[Tokens]) -> Result<Row, String> {
        let works = self.refreshes(phone, tokens)?;
        Ok(crate::load::run(name, &self.load(200), works).await?.0)
    }

    /// Signs the proofs of a row.
    fn refreshes(&self, phone: &Phone, tokens: &[Tokens]) -> Result<Vec<Work>, String> {
        let url = format!("{}/token", self.site.issuer);
        let wanted = (self.measure + WARM_UP).as_secs_f64() * PROOFS_PER_S;
        let proofs: Result<VecDeque<String>, String> = (0..wanted as u64).map(|_| phone.proof(self.counter.next(), &url, None)).collect();
        let proofs = Rc::new(RefCell::new(proofs?));
        let works = self
            .divide("refresh with DPoP", tokens)?
            .into_iter()
            .map(|tokens| Work::refresh(phone.client, tokens, phone.attestation.clone(), Some(Rc::clone(&proofs))));
        Ok(works.collect())
    }
}

/// Some grants that are bound to a key, for a row that is run later.
pub struct Few {
    phone: Phone,
    tokens: Vec<Tokens>,
}

pub async fn few(bench: &Bench<'_>) -> Result<Few, String> {
    let phone = bench.phone(PHONE).await?;
    let jkt = phone.key.kid().to_owned();
    let bind = [("dpop_jkt", jkt.as_str())];
    let tokens = bench.few_bound(&phone, &Ask { client: PHONE, back: BACK, scope: "orders:read", more: &bind }).await?;
    Ok(Few { phone, tokens })
}

/// Refreshes each grant once. Answers how many there were.
pub async fn refresh_once(bench: &Bench<'_>, few: &Few) -> Result<usize, String> {
    let url = format!("{}/token", bench.site.issuer);
    for tokens in &few.tokens {
        let proof = few.phone.proof(bench.counter.next(), &url, None)?;
        let form = [("grant_type", "refresh_token"), ("client_id", few.phone.client), ("refresh_token", &tokens.refresh)];
        let answer = bench.ask(&http::post("/token", &[("dpop", &proof)], &form)).await?;
        if answer.status != 200 {
            return Err(format!("{}: {}", answer.status, answer.body));
        }
    }
    Ok(few.tokens.len())
}

pub fn prepare_refresh(bench: &Bench<'_>, few: &Few) -> Result<Vec<Work>, String> {
    bench.refreshes(&few.phone, &few.tokens)
}

pub async fn run_refresh(bench: &Bench<'_>, name: &str, works: Vec<Work>) -> Result<Row, String> {
    Ok(crate::load::run(name, &bench.load(200), works).await?.0)
}
