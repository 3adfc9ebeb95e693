//! Rows about kiosks: a picture for each member, and the member's code, to a token. What phones and kiosks sign is signed beforehand.

use crate::bound::Phone;
use crate::http::{self, Answer};
use crate::load::{self, Load, Row};
use crate::process::now_s;
use crate::server::{BACK, GATE, GATE_APP, MEMBER};
use crate::steps::{Ask, Bench};
use bytes::Bytes;
use serde_json::Value as Json;
use std::collections::VecDeque;
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::kiosk::{GRANT_TYPE, Statement, signing_input};
use symbolon_oauth::{base64url, jws};

/// The names of the two requests of a visit.
pub const WHOLE: [&str; 2] = ["kiosk: a picture to show", "kiosk: a member's code, to a token"];
/// Two DPoP proofs and the member's own signature are verified; the picture and the token are signed.
pub const VERIFICATIONS: f64 = 3.0;
pub const SIGNATURES: f64 = 2.0;
/// Visits at each kiosk: it may ask 120 times a minute, twice for each.
const VISITS: usize = 55;
const MEMBERS: usize = 8;

struct Member {
    key: PrivateKey,
    pass: String,
}

pub async fn measure(bench: &Bench<'_>) -> Result<Vec<Row>, String> {
    let mut gates = Vec::new();
    for key in &bench.site.gates {
        gates.push(bench.attested(bench.phone_with(GATE, key.clone()).await?, GATE_APP).await?);
    }
    let members = members(bench).await?;
    // The kiosks take turns, so that none asks too often at once.
    let turns = || (0..VISITS).flat_map(|_| gates.iter());
    let pictures = turns().map(|gate| request(bench, gate, "/kiosk/challenge", &[("client_id", GATE)])).collect::<Result<_, _>>()?;
    let (shown, answers) = run(bench, WHOLE[0], pictures).await?;
    let mut codes = VecDeque::new();
    for (answer, member) in answers.iter().zip(members.iter().cycle()) {
        let (gate, nonce) = picture(answer)?;
        let gate = gates.get(gate).ok_or("a picture of another kiosk")?;
        let code = member.code(bench, &nonce)?;
        codes.push_back(request(bench, gate, "/token", &[("client_id", GATE), ("grant_type", GRANT_TYPE), ("proof", &code)])?);
    }
    Ok(vec![shown, run(bench, WHOLE[1], codes).await?.0])
}

async fn run(bench: &Bench<'_>, name: &str, requests: VecDeque<Bytes>) -> Result<(Row, Vec<Answer>), String> {
    let load = Load { keep: true, warm_up: std::time::Duration::from_millis(20), ..bench.load(200) };
    load::run(name, &load, bench.queue(requests)).await
}

fn request(bench: &Bench<'_>, gate: &Phone, path: &str, form: &[(&str, &str)]) -> Result<Bytes, String> {
    let proof = gate.proof(bench.counter.next(), &format!("{}{path}", bench.site.issuer), None)?;
    let mut headers = vec![("dpop", proof.as_str())];
    headers.extend(gate.attestation.as_deref().map(|it| ("oauth-client-attestation", it)));
    Ok(http::post(path, &headers, form))
}

/// Which kiosk's it is, and its nonce.
fn picture(answer: &Answer) -> Result<(usize, String), String> {
    let broken = || format!("no picture: {}", answer.body);
    let payload = answer.member("challenge").and_then(|it| it.split('.').nth(1)).and_then(base64url::decode).ok_or_else(broken)?;
    let claims: Json = serde_json::from_slice(&payload).map_err(|_| broken())?;
    let gate = claims["name"].as_str().and_then(|name| name.strip_prefix("Gate ")).and_then(|number| number.parse().ok());
    gate.zip(claims["nonce"].as_str().map(str::to_owned)).ok_or_else(broken)
}

/// People whose app has a pass.
async fn members(bench: &Bench<'_>) -> Result<Vec<Member>, String> {
    let ask = Ask { client: MEMBER, back: BACK, scope: "orders:read", more: &[] };
    let mut members = Vec::new();
    for code in bench.few_codes(&ask).await?.iter().take(MEMBERS) {
        let key = PrivateKey::generate(Algorithm::ES256).map_err(|it| format!("{it:?}"))?;
        let phone = bench.phone_with(MEMBER, key.clone()).await?;
        let answer = bench.ask(&request(bench, &phone, "/token", &bench.redemption(MEMBER, code))?).await?;
        let pass = answer.member("kiosk_pass").ok_or_else(|| format!("no pass came: {}", answer.body))?.to_owned();
        members.push(Member { key, pass });
    }
    Ok(members)
}

impl Member {
    fn code(&self, bench: &Bench<'_>, nonce: &str) -> Result<String, String> {
        let jti = format!("bench-{:016}", bench.counter.next());
        let statement = Statement { issuer: &bench.site.issuer, pass: &self.pass, jti: &jti, iat: now_s(), challenge: Some(nonce) };
        let input = signing_input(&statement).map_err(|it| format!("{it:?}"))?;
        let signature = self.key.sign(input.as_bytes()).map_err(|it| format!("{it:?}"))?;
        Ok(jws::with_signature(&input, &signature))
    }
}
