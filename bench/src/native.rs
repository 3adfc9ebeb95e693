//! Rows about the native face (POST /authorize-challenge): one attested installation signs a person in with a passkey, again and again.
//! Proofs and the passkey's answers are signed beforehand. Each sign-in comes from a network of its own, as those of many phones do.

use crate::bound::Phone;
use crate::http::{self, Answer};
use crate::load::{self, Load, Row, Work};
use crate::server::{ATTESTED, PASSWORD};
use crate::steps::{Bench, WARM_UP};
use bytes::Bytes;
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use symbolon_phone::authenticator::Authenticator;

/// More sign-ins a second than any server finishes here.
const SIGN_INS_PER_S: f64 = 4000.0;
/// The names of the three requests of a sign-in, in their order.
pub const WHOLE: [&str; 3] = ["native: begin, to the first step", "native: a passkey's answer, to a code", "native: code exchange"];
pub const STEP: &str = "native: a cancelled passkey, to another step";
/// Proofs of three requests and the passkey's own signature are verified; the access token is signed.
pub const VERIFICATIONS: f64 = 4.0;

const BEGIN: [(&str, &str); 3] = [("client_id", ATTESTED), ("response_type", "code"), ("scope", "orders:read")];

/// The three requests of a sign-in, and a step that leads to another step.
pub async fn measure(bench: &Bench<'_>) -> Result<Vec<Row>, String> {
    let native = Native { bench, phone: bench.attested_phone().await?, origin: format!("https://{}", bench.site.address.ip()) };
    let mut keys = native.enrolled().await?;
    let mut rows = Vec::new();
    let (row, starts) = native.run(WHOLE[0], "/authorize-challenge", native.starts(), 403).await?;
    rows.push(row);
    let half = starts.len() / 2;
    let cancelled = starts.iter().take(half).map(|start| answer(start, &[("passkey_failure", "cancelled")]));
    rows.push(native.run(STEP, "/authorize-challenge", cancelled.collect::<Result<_, _>>()?, 403).await?.0);
    let mut proved = Vec::new();
    for start in starts.iter().skip(half) {
        let used = keys.get(&options(start)?, &native.origin).map_err(|why| why.as_str().to_owned())?.to_string();
        proved.push(answer(start, &[("passkey", &used)])?);
    }
    let (row, done) = native.run(WHOLE[1], "/authorize-challenge", proved, 200).await?;
    rows.push(row);
    let codes = done.iter().map(|it| it.member("authorization_code").map(str::to_owned));
    let codes: Vec<String> = codes.collect::<Option<_>>().ok_or("an answer without a code")?;
    let redemption = |code: String| {
        let form = [("grant_type", "authorization_code"), ("client_id", ATTESTED), ("code", &code)];
        form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    rows.push(native.run(WHOLE[2], "/token", codes.into_iter().map(redemption).collect(), 200).await?.0);
    Ok(rows)
}

type Form = Vec<(String, String)>;

fn form(pairs: &[(&str, &str)]) -> Form {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn json(answer: &Answer) -> Result<Json, String> {
    serde_json::from_str(&answer.body).map_err(|error| format!("{error}: {}", answer.body))
}

/// What the step gives to the platform.
fn options(answer: &Answer) -> Result<Json, String> {
    Ok(json(answer)?["step"]["operation"]["options"].take())
}

fn answer(step: &Answer, fields: &[(&str, &str)]) -> Result<Form, String> {
    let held = step.member("auth_session").ok_or_else(|| format!("no step came: {}", step.body))?;
    let own = [("client_id", ATTESTED), ("auth_session", held), ("action", "passkey")];
    Ok(form(&[&own[..], fields].concat()))
}

struct Native<'a> {
    bench: &'a Bench<'a>,
    phone: Phone,
    /// Of the app on iOS.
    origin: String,
}

impl Native<'_> {
    fn request(&self, path: &str, form: &Form) -> Result<Bytes, String> {
        let number = self.bench.counter.next();
        let proof = self.phone.proof(number, &format!("{}{path}", self.bench.site.issuer), None)?;
        let [.., a, b, c] = number.to_be_bytes();
        let network = format!("10.{a}.{b}.{c}");
        let mut headers = vec![("dpop", proof.as_str()), ("x-forwarded-for", &network)];
        headers.extend(self.phone.attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(http::post(path, &headers, &form))
    }

    fn starts(&self) -> Vec<Form> {
        let wanted = (self.bench.measure + WARM_UP).as_secs_f64() * SIGN_INS_PER_S;
        (0..wanted as u64).map(|_| form(&BEGIN)).collect()
    }

    /// Sends each form once.
    async fn run(&self, name: &str, path: &str, forms: Vec<Form>, status: u16) -> Result<(Row, Vec<Answer>), String> {
        let requests: VecDeque<Bytes> = forms.iter().map(|form| self.request(path, form)).collect::<Result<_, _>>()?;
        let queue = Rc::new(RefCell::new(requests));
        let works = (0..self.bench.connections).map(|_| Work::Queue(Rc::clone(&queue))).collect();
        load::run(name, &Load { keep: true, ..self.bench.load(status) }, works).await
    }

    /// The first person signs in with the password and makes a passkey, as a policy wants it. An operator confirms it, so that it
    /// counts in full.
    async fn enrolled(&self) -> Result<Authenticator, String> {
        let person = self.bench.site.people.first().ok_or("there is nobody")?;
        let begin = [&BEGIN[..], &[("acr_values", "urn:bench:enrol")]].concat();
        let start = self.bench.ask(&self.request("/authorize-challenge", &form(&begin))?).await?;
        let mut said = answer(&start, &[("username", person), ("password", PASSWORD)])?;
        said.retain(|(name, _)| name != "action");
        said.push(("action".to_owned(), "continue".to_owned()));
        let asked = self.bench.ask(&self.request("/authorize-challenge", &said)?).await?;
        let mut keys = Authenticator::default();
        let made = keys.create(&options(&asked)?, &self.origin).map_err(|why| format!("{}: {}", why.as_str(), asked.body))?.to_string();
        let waits = self.bench.ask(&self.request("/authorize-challenge", &answer(&asked, &[("passkey", &made)])?)?).await?;
        if json(&waits)?["step"]["kind"] != "waits" {
            return Err(format!("no passkey was made: {}", waits.body));
        }
        self.bench.site.confirm_means(person)?;
        Ok(keys)
    }
}
