//! `symbolon plugin check FILE --input FILE.json`: one call without a server. What the server would know is in the file, and so is what the
//! hosts answer: nothing is sent to anybody.

use super::screen::{Screen, Stop};
use super::text::read_file;
use crate::login::methods::plugin::{must_be_seen, verdict_must_be_seen};
use crate::operations::Problem;
use crate::plugins::must_be_listed;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbolon_plugin::{
    Call, Compiled, Given, Host, HttpRequest, HttpResponse, Limits, LoadError, Plugin, SendError, Severity, World, decisions, evidences,
    login, tokens,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Input {
    config: BTreeMap<String, String>,
    /// Answered in this order.
    http: VecDeque<Response>,
    now_ms: u64,
    locale: String,
    address: Option<String>,
    return_url: Option<String>,
    person: TrialPerson,
    /// World `method`: with it the answer is judged, without it the question is asked.
    answer: Option<BTreeMap<String, String>>,
    state: String,
    client: String,
    sub: String,
    scopes: Vec<String>,
    tier: Option<String>,
    installation: Option<String>,
    moment: Option<String>,
    auth_time_ms: u64,
    amr: Vec<String>,
    acr: Option<String>,
    api: String,
    audience: String,
    claims: Map<String, Json>,
    /// World `claims`: what the API lists. A claim that it does not list is a failure, as in the server.
    plugin_claims: Vec<String>,
    /// World `evidence`.
    evidence: String,
    renewal: bool,
    /// Base64url, 32 bytes.
    binding: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TrialPerson {
    name: Option<String>,
    is_proved: bool,
    external_id: Option<String>,
    claims: Map<String, Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

/// What the program did, beside its answer.
#[derive(Default)]
struct Trial {
    config: BTreeMap<String, String>,
    http: Mutex<VecDeque<Response>>,
    done: Mutex<Vec<Json>>,
}

impl Trial {
    fn note(&self, what: Json) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Host for Trial {
    fn log(&self, _call_id: &str, severity: Severity, message: &str) {
        self.note(json!({ "log": message, "severity": format!("{severity:?}").to_ascii_lowercase() }));
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| "the system gave no randomness".to_owned())
    }

    fn config(&self, name: &str) -> Option<String> {
        self.config.get(name).cloned()
    }

    fn send(&self, request: HttpRequest, _within: Duration) -> Result<HttpResponse, SendError> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let headers: Map<String, Json> = request.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        self.note(json!({ "http": { "method": request.method, "url": request.url, "headers": headers, "body": body } }));
        let next = self.http.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let answer = next.ok_or_else(|| SendError::Unreachable("the input has no further answer in http".to_owned()))?;
        Ok(HttpResponse { status: answer.status, headers: answer.headers.into_iter().collect(), body: answer.body.into_bytes() })
    }
}

fn claims_of(claims: &Map<String, Json>) -> Vec<login::Claim> {
    claims.iter().map(|(name, value)| login::Claim { name: name.clone(), value: value.to_string() }).collect()
}

/// Can an instance be made within these limits?
pub fn must_fit(compiled: &Compiled, limits: Limits) -> Result<(), LoadError> {
    Plugin::new(compiled, Arc::new(Trial::default()), limits).map(|_| ())
}

pub async fn run(screen: &Screen, compiled: &Compiled, (input, limits): (&Path, Limits)) -> Result<u8, Stop> {
    let wrong = |error: serde_json::Error| Problem::invalid(format!("{}: {error}", input.display()));
    let mut input: Input = serde_json::from_str(&read_file(input)?).map_err(wrong)?;
    let (config, http) = (std::mem::take(&mut input.config), Mutex::new(std::mem::take(&mut input.http)));
    let trial = Arc::new(Trial { config, http, done: Mutex::default() });
    let plugin = Plugin::new(compiled, Arc::clone(&trial) as _, limits).map_err(|error| Problem::invalid(error.0))?;
    let answered = match compiled.facts().world {
        World::Method => method(&plugin, input).await,
        World::Decision => decision(&plugin, input).await,
        World::Claims => claims(&plugin, input).await,
        World::Evidence => evidence(&plugin, input).await,
    };
    for what in trial.done.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        screen.row(&what.to_string())?;
    }
    let took_us = u64::try_from(plugin.counts().time.as_micros()).unwrap_or(u64::MAX);
    let (line, code) = match answered {
        Ok(answer) => (json!({ "answer": answer, "time_us": took_us }), 0),
        Err(why) => (json!({ "failure": why, "time_us": took_us }), 1),
    };
    screen.row(&line.to_string())?;
    Ok(code)
}

fn call(input: &Input) -> Call {
    Call { id: "trial".to_owned(), now_ms: input.now_ms }
}

async fn method(plugin: &Plugin, input: Input) -> Result<String, String> {
    let call = call(&input);
    let context = login::Context { locale: input.locale, address: input.address, return_url: input.return_url };
    let TrialPerson { name, is_proved, external_id, claims } = input.person;
    let person = login::Person { name, is_proved, external_id, claims: claims_of(&claims) };
    let Some(answer) = input.answer else {
        let asked = plugin.ask(call, context, person).await.map_err(|failure| failure.to_string())?;
        must_be_seen(&asked)?;
        return Ok(format!("{asked:?}"));
    };
    let answer = answer.into_iter().map(|(name, value)| login::AnswerField { name, value }).collect();
    let checked = plugin.check(call, Given { context, person, state: input.state, answer }).await.map_err(|failure| failure.to_string())?;
    verdict_must_be_seen(&checked.verdict)?;
    Ok(format!("{checked:?}"))
}

async fn decision(plugin: &Plugin, input: Input) -> Result<String, String> {
    let call = call(&input);
    let moment = match input.moment.as_deref() {
        Some("token") => decisions::Moment::Token,
        Some("refresh") => decisions::Moment::Refresh,
        Some("sign-in") | None => decisions::Moment::SignIn,
        Some(other) => return Err(format!("there is no moment {other:?}; use sign-in, token or refresh")),
    };
    let facts = decisions::Facts {
        moment,
        client: input.client,
        sub: input.sub,
        scopes: input.scopes,
        tier: input.tier,
        installation: input.installation,
        address: input.address,
        auth_time: input.auth_time_ms,
        amr: input.amr,
        acr: input.acr,
    };
    plugin.decide(call, facts).await.map(|verdict| format!("{verdict:?}")).map_err(|failure| failure.to_string())
}

async fn claims(plugin: &Plugin, input: Input) -> Result<String, String> {
    let call = call(&input);
    let facts = tokens::Facts {
        api: input.api,
        audience: input.audience,
        client: input.client,
        sub: input.sub,
        scopes: input.scopes,
        tier: input.tier,
        claims: claims_of(&input.claims),
    };
    let found = plugin.claims(call, facts).await.map_err(|failure| failure.to_string())?;
    must_be_listed(&input.plugin_claims, found.clone())?;
    Ok(format!("{found:?}"))
}

async fn evidence(plugin: &Plugin, input: Input) -> Result<String, String> {
    let call = call(&input);
    let binding = input.binding.as_deref().map_or(Some(vec![0; 32]), symbolon_oauth::base64url::decode);
    let facts = evidences::Facts {
        client: input.client,
        binding: binding.filter(|it| it.len() == 32).ok_or("binding is 32 bytes in base64url")?,
        installation: input.installation.unwrap_or_default(),
        renewal: input.renewal,
        evidence: input.evidence,
    };
    plugin.verify(call, facts).await.map(|verdict| format!("{verdict:?}")).map_err(|failure| failure.to_string())
}
