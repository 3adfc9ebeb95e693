//! Rows about grants that a key holds: by DPoP alone, and by an attested installation. Proofs are signed beforehand, so that the load
//! stays light; each works once.

use crate::http::{self, Answer, Connection};
use crate::limits::Limit;
use crate::load::{Load, Row, Work};
use crate::rows::{Ask, Bench, Tokens, WARM_UP, now_s};
use crate::server::{ATTESTED, BACK, IOS_APP, PHONE};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, dpop};

/// More proofs a second than any server takes here.
const PROOFS_PER_S: f64 = 14_000.0;

/// The phone's key, what the server said to it last, and where it is attested, its attestation.
pub struct Phone {
    pub key: PrivateKey,
    nonce: String,
    attestation: Option<String>,
}

impl Phone {
    fn proof(&self, number: u64, url: &str, token: Option<&str>) -> Result<String, String> {
        // One name for each proof of this process: short, as an app would make it.
        let jti = format!("{}-{number}", self.key.kid().get(..8).unwrap_or_default());
        dpop::make(
            &self.key,
            &dpop::Statement { method: "POST", url, nonce: Some(&self.nonce), access_token: token, jti: &jti, iat: now_s() },
        )
        .map_err(|it| format!("{it:?}"))
    }
}

/// Numbers proofs; a proof's name is never used twice.
#[derive(Default)]
pub struct Counter(std::cell::Cell<u64>);

impl Counter {
    fn next(&self) -> u64 {
        let it = self.0.get();
        self.0.set(it + 1);
        it
    }
}

impl Bench<'_> {
    /// The rows, in this order: exchange, refresh over as many grants, introspection; then refresh over few grants by the key alone and
    /// by an attested installation, side by side. At the end what an API's layer costs, for bearer tokens and for these.
    pub async fn bound(&self, bearer: &[Tokens]) -> Result<(Vec<Row>, Vec<Limit>), String> {
        let phone = self.phone(PHONE).await?;
        let mut rows = Vec::new();
        let jkt = phone.key.kid().to_owned();
        let bind = [("dpop_jkt", jkt.as_str())];
        let all = Ask { client: PHONE, back: BACK, scope: "orders:read orders:write", more: &bind };
        let (_, codes) = self.authorize(&all).await?;
        let (row, tokens) = self.exchange_bound("code exchange with DPoP", &phone, PHONE, codes, self.load(200)).await?;
        rows.push(row);
        rows.push(self.refresh_bound("refresh with DPoP", &phone, PHONE, &tokens).await?);
        let orders = self.few_bound(&phone, &Ask { client: PHONE, back: BACK, scope: "orders:read", more: &bind }).await?;
        rows.push(self.introspect("introspection of a JWT bound to a key", "orders", &orders).await?);
        let ledger = self.few_bound(&phone, &Ask { client: PHONE, back: BACK, scope: "ledger:read", more: &bind }).await?;
        rows.push(self.introspect("introspection of an opaque token bound to a key", "ledger", &ledger).await?);
        rows.push(self.refresh_bound("refresh with DPoP, few grants", &phone, PHONE, &orders).await?);
        let api = crate::api::layer(self, bearer, &orders, &phone.key).await?;
        let attested = self.attested().await?;
        let held = self.few_bound(&attested, &Ask { client: ATTESTED, back: BACK, scope: "orders:read", more: &[] }).await?;
        rows.push(self.refresh_bound("refresh of an attested installation, few grants", &attested, ATTESTED, &held).await?);
        Ok((rows, api))
    }

    /// A phone with a key, which has met the server once and so has its nonce.
    async fn phone(&self, client: &'static str) -> Result<Phone, String> {
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
        let mut phone = Phone { key, nonce: String::new(), attestation: None };
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

    /// A phone whose app the server's own attester has looked at.
    async fn attested(&self) -> Result<Phone, String> {
        let mut phone = self.phone(ATTESTED).await?;
        let answer = self.ask(&http::post("/attest/challenge", &[], &[("client_id", ATTESTED)])).await?;
        let challenge = answer.member("challenge").ok_or("no challenge came")?.to_owned();
        let bytes: Option<[u8; 32]> = base64url::decode(&challenge).and_then(|it| it.try_into().ok());
        let thumbprint: Option<[u8; 32]> = base64url::decode(phone.key.kid()).and_then(|it| it.try_into().ok());
        let (Some(bytes), Some(thumbprint)) = (bytes, thumbprint) else { return Err("a challenge of another length".to_owned()) };
        let hash = binding::named(Purpose::First, ATTESTED, &bytes, &thumbprint);
        let (enclave, object) = self.site.maker.ios(IOS_APP, &hash).map_err(|it| it.to_string())?;
        let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
        let form = [
            ("client_id", ATTESTED),
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

    async fn ask(&self, request: &[u8]) -> Result<Answer, String> {
        Connection::open(self.site.address).await?.ask(request).await
    }

    async fn few_bound(&self, phone: &Phone, ask: &Ask<'_>) -> Result<Vec<Tokens>, String> {
        let codes = self.few_codes(ask).await?;
        Ok(self.exchange_bound("preparing grants", phone, ask.client, codes, self.unmeasured(200)).await?.1)
    }

    async fn exchange_bound(
        &self,
        name: &str,
        phone: &Phone,
        client: &str,
        codes: Vec<String>,
        load: Load,
    ) -> Result<(Row, Vec<Tokens>), String> {
        let url = format!("{}/token", self.site.issuer);
        let requests: Result<VecDeque<_>, String> = codes
            .iter()
            .map(|code| {
                let proof = phone.proof(self.counter.next(), &url, None)?;
                let mut headers = vec![("dpop", proof.as_str())];
                headers.extend(phone.attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
                Ok(http::post("/token", &headers, &self.redemption(client, code)))
            })
            .collect();
        self.redeem(name, requests?, load).await
    }

    async fn refresh_bound(&self, name: &str, phone: &Phone, client: &'static str, tokens: &[Tokens]) -> Result<Row, String> {
        let url = format!("{}/token", self.site.issuer);
        let wanted = (self.measure + WARM_UP).as_secs_f64() * PROOFS_PER_S;
        let proofs: Result<VecDeque<String>, String> = (0..wanted as u64).map(|_| phone.proof(self.counter.next(), &url, None)).collect();
        let proofs = Rc::new(RefCell::new(proofs?));
        let works = self.shared_out(name, tokens)?.into_iter().map(|tokens| Work::Refresh {
            client,
            tokens,
            at: 0,
            attestation: phone.attestation.clone(),
            proofs: Some(Rc::clone(&proofs)),
        });
        Ok(crate::load::run(name, &self.load(200), works.collect()).await?.0)
    }
}
