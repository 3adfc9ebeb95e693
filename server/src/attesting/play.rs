//! Play Integrity at our attester. A classic token is opened here, with the keys of the developer's Play Console. Only Google opens a
//! standard one, by its decodeIntegrityToken call and a service account. Either way the verdict is judged by
//! `symbolon_attest::play_integrity`, and speaks for the one request that its nonce or hash names.

use super::android::{broken, known};
use super::case::{self, Case, Judged, Sent, invalid, on_pool, refused};
use crate::config::{AndroidApp, PlayDevice, PlayRules, TierName};
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::outgoing::{Outgoing, RemoteResponse, Target};
use crate::store::{Change, NotApplied};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_attest::binding::Purpose;
use symbolon_attest::play_integrity::{self, AppRecognition, Binding, DeviceLevel, Expected, Facts, Keys, Licensing};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64, base64url, digest, jws};

/// How old a verdict may be.
const MAX_AGE_MS: i64 = 5 * 60_000;
/// The largest token and the largest answer that are looked at.
const MAX_TOKEN: usize = 24 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
const WITHIN: Duration = Duration::from_secs(8);
const GOOGLE: &str = "https://playintegrity.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/playintegrity";

/// What opens the tokens of one client's app.
pub struct Play {
    classic: Vec<Keys>,
    google: Option<Google>,
}

/// Plain base64 with padding, as Play Console shows keys.
fn console_base64(text: &str) -> Option<Vec<u8>> {
    base64::decode(text.trim())
}

impl Play {
    pub fn load(rules: &PlayRules, base: &Path, outgoing: &Outgoing) -> std::result::Result<Self, Fault> {
        let mut classic = Vec::new();
        for pair in &rules.keys {
            let text = pair.decryption_key.clone().below(base).text("play.keys.decryption_key")?;
            let key = console_base64(&text).and_then(|it| <[u8; 32]>::try_from(it).ok());
            let wrong = |what| Fault::new(format!("play.keys.{what} in base64, as Play Console shows it"));
            classic.push(Keys {
                decryption: key.ok_or_else(|| wrong("decryption_key: expected 32 bytes"))?,
                verification_spki: console_base64(&pair.verification_key).ok_or_else(|| wrong("verification_key: expected a key"))?,
            });
        }
        let google = match &rules.service_account {
            Some(source) => {
                let account = source.clone().below(base).text("play.service_account")?;
                Some(Google::new(&account, rules.decode_url.as_deref(), outgoing)?)
            }
            None => None,
        };
        Ok(Self { classic, google })
    }

    /// What is in a classic token, or the rule it breaks.
    async fn open(self: &Arc<Self>, core: &Core, case: &Arc<Case>, token: &str) -> Result<std::result::Result<Json, &'static str>> {
        let (play, token) = (Arc::clone(self), token.to_owned());
        let opened = on_pool(core, case, move |_| {
            let mut opened = Err("decryption");
            for keys in &play.classic {
                opened = play_integrity::open(&token, keys).map_err(|it| it.name());
                if opened.is_ok() {
                    break;
                }
            }
            Ok(opened)
        });
        opened.await
    }
}

/// Judges the token of a request. Challenge, proof and token are spent in a change of their own before anything else happens. A token that
/// Google decodes twice loses its verdicts.
pub async fn judge_token(core: &Core, play: Option<&Arc<Play>>, case: &Arc<Case>, sent: Sent<'_>) -> Result<Judged> {
    let incoming = sent.incoming;
    let rules = case.rules.android.as_ref().ok_or_else(|| invalid("This client has no Android app."))?;
    let (Some(wanted), Some(play)) = (&rules.play, play) else {
        return Err(invalid("This client takes no Play Integrity tokens.").into());
    };
    let token = incoming.form.get("token").filter(|it| it.len() <= MAX_TOKEN);
    let token = token.ok_or_else(|| invalid("The token parameter is missing or larger than 24 KiB."))?;
    let standard = incoming.form.get("format") == Some("play-standard");
    if (standard && play.google.is_none()) || (!standard && play.classic.is_empty()) {
        return Err(invalid("This client takes Play Integrity tokens of the other kind.").into());
    }
    let package = package(rules, incoming.form.get("package"))?;
    let known = known(core, case).await?;
    let hash = case.named(if known.is_some() { Purpose::Renewal } else { Purpose::First })?;
    burn(core, case, sent, token).await?;
    let proved = known.as_ref().map_or(Some(TierName::HardwareClaimed), |it| it.proved);
    let failed = known.as_ref().map(|it| it.failed(case)).unwrap_or_default();
    if known.is_none() {
        case::within_the_clients(core, case)?;
    }
    let before = known.as_ref().map(|it| it.written.clone());
    let mut judged = Judged { platform: "android".into(), proved, failed, before, ..Judged::default() };
    let opened = match &play.google {
        Some(google) if standard => google.decode(case, package, token).await?,
        _ => match play.open(core, case, token).await? {
            Ok(opened) => opened,
            Err(why) => {
                judged.failed.push(why);
                return Ok(judged);
            }
        },
    };
    let hash = base64url::encode(&hash);
    let binding = if standard { Binding::RequestHash(&hash) } else { Binding::Nonce(&hash) };
    let (facts, failed) = judge(&opened, rules, wanted, binding, incoming.now_ms)?;
    judged.facts = known.map(|it| it.facts_with(facts.clone())).unwrap_or(facts);
    judged.failed.extend(failed);
    // Google says nothing of the key and the patch level. What is known of them counts. A rule about something unknown fails.
    judged.failed.extend(broken(rules, &judged.facts, case.now_s));
    Ok(judged)
}

/// Which of the client's apps the token is of: configuration says which there are, and never the token itself.
fn package<'a>(rules: &'a AndroidApp, named: Option<&str>) -> Result<&'a str> {
    let found = match (named, rules.packages.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), all) => all.iter().find(|own| *own == name),
    };
    Ok(found.ok_or_else(|| invalid("The package parameter names none of this client's Android apps.").because("package"))?)
}

fn judge(verdict: &Json, rules: &AndroidApp, wanted: &PlayRules, binding: Binding<'_>, now_ms: i64) -> Result<(Json, Vec<&'static str>)> {
    let packages: Vec<&str> = rules.packages.iter().map(String::as_str).collect();
    let digests: Vec<String> = rules.signing_digests.iter().map(ToString::to_string).collect();
    let digests: Vec<&str> = digests.iter().map(String::as_str).collect();
    let expected = Expected {
        packages: &packages,
        binding,
        signing_digests: &digests,
        minimum_version_code: wanted.minimum_version,
        now_ms,
        max_age_ms: MAX_AGE_MS,
        device: match wanted.device {
            PlayDevice::Basic => DeviceLevel::Basic,
            PlayDevice::Device => DeviceLevel::Device,
            PlayDevice::Strong => DeviceLevel::Strong,
        },
        require_licensed: wanted.require_licensed,
        allow_unrecognized_version: false,
    };
    let found = play_integrity::judge(verdict, &expected).map_err(|it| invalid("The evidence cannot be read.").because(it.0))?;
    let mut failed: Vec<&'static str> = found.failed.iter().map(|it| it.name).collect();
    let facts = found.facts;
    // The rules name what they accept. What Google left out is not accepted.
    let among = |named: &Option<Vec<String>>, said: Option<&[String]>| {
        named.as_ref().is_none_or(|named| said.is_some_and(|all| all.iter().all(|it| named.contains(it))))
    };
    for (rule, named, said) in [
        ("play_protect", &wanted.play_protect, facts.play_protect.as_ref().map(std::slice::from_ref)),
        ("app_access_risk", &wanted.app_access_risk, facts.app_access_risk.as_deref()),
        ("recent_activity", &wanted.recent_activity, facts.recent_activity.as_ref().map(std::slice::from_ref)),
    ] {
        if !among(named, said) {
            failed.push(rule);
        }
    }
    if is_unevaluated(&facts, &failed) {
        let hint = "Google did not evaluate this. Get a new challenge and a new token, and try again.";
        return Err(Refused::new(503, "temporarily_unavailable", hint).retry_after(5).because(failed.join(" ")).into());
    }
    let kept = json!({
        "packages": [facts.package], "version": facts.version_code, "device": facts.device, "play_protect": facts.play_protect,
        "app_access_risk": facts.app_access_risk, "recent_activity": facts.recent_activity,
        "signing_digests": signing_digests(&facts.certificate_digests),
    });
    Ok((kept, failed))
}

/// In the one spelling in which key attestation's are kept, so that both name one vendor. None: Google named no certificate.
fn signing_digests(said: &[String]) -> Option<Vec<String>> {
    let all: Option<Vec<String>> = said.iter().map(|text| Some(base64url::encode(&play_integrity::digest(text)?))).collect();
    all.filter(|all| !all.is_empty())
}

/// Everything that failed is something that Google did not look at. Then it says nothing of the app either.
fn is_unevaluated(facts: &Facts, failed: &[&str]) -> bool {
    let app = facts.app_recognition == Some(AppRecognition::Unevaluated);
    let licence = facts.licensing == Some(Licensing::Unevaluated);
    let open =
        |it: &&str| (app && ["app_recognition", "package", "certificate", "version"].contains(it)) || (licence && *it == "licensing");
    !failed.is_empty() && failed.iter().all(open)
}

async fn burn(core: &Core, case: &Case, sent: Sent<'_>, token: &str) -> Result<()> {
    let mut change = Change::new(sent.incoming.now_ms);
    let proof = sent.held.burn(&mut change);
    // A token is about a challenge, and as good as it for as long.
    change.once("evidence_challenge", &case.client_id, sent.challenge, case.ends_ms);
    change.once("play_token", &case.client_id, &base64url::encode(&digest::sha256(token.as_bytes())), case.ends_ms);
    match core.store.apply(change).await {
        Ok(_) => {
            sent.spent.store(true, Ordering::Release);
            Ok(())
        }
        Err(NotApplied::Conflict(at)) if at == proof => Err(crate::dpop::use_nonce().into()),
        Err(NotApplied::Conflict(_)) => {
            Err(invalid("This challenge or token was used before. Get a new one.").because(case::CHALLENGE_USED).into())
        }
        Err(other) => Err(other.into()),
    }
}

/// Google's decode call, as a service account (RFC 7523 2.1).
struct Google {
    email: String,
    key: PrivateKey,
    token_uri: String,
    url: String,
    outgoing: Outgoing,
    /// An access token of the service account, and until when it is used.
    access: Mutex<Option<(String, i64)>>,
}

impl Google {
    fn new(account: &str, url: Option<&str>, outgoing: &Outgoing) -> std::result::Result<Self, Fault> {
        let wrong = |what: &str| Fault::new(format!("play.service_account: {what}; expected the JSON file that Google made"));
        let json: Json = serde_json::from_str(account).map_err(|_| wrong("not JSON"))?;
        let text = |name: &str| json[name].as_str().map(str::to_owned).ok_or_else(|| wrong(&format!("no {name}")));
        let pem = text("private_key")?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong("private_key is no PKCS#8 in PEM"))?;
        let key = PrivateKey::from_pkcs8(Algorithm::RS256, der.secret_pkcs8_der()).map_err(|it| wrong(it.0))?;
        let url = url.unwrap_or(GOOGLE).trim_end_matches('/').to_owned();
        Ok(Self {
            email: text("client_email")?,
            key,
            token_uri: text("token_uri")?,
            url,
            outgoing: outgoing.clone(),
            access: Mutex::default(),
        })
    }

    /// The verdict's payload. Whatever is wrong on Google's side is no fault of the app: it tries again with a new challenge.
    async fn decode(&self, case: &Case, package: &str, token: &str) -> Result<Json> {
        let outage = |why: String| {
            let hint = "Google cannot be asked at the moment. Get a new challenge and a new token, and try again.";
            Refused::new(503, "temporarily_unavailable", hint).retry_after(5).because(why)
        };
        let access = self.access(case.now_s).await.map_err(outage)?;
        let address = format!("{}/v1/{package}:decodeIntegrityToken", self.url);
        let target = Target::of_operator(&address).map_err(outage)?;
        let request = self.outgoing.post(&target).bearer_auth(&access).json(&json!({ "integrity_token": token }));
        let RemoteResponse { status, body, .. } = request.at_most(MAX_ANSWER).within(WITHIN).send().await.map_err(outage)?;
        match status {
            200 => {}
            // Google does not know the token: that is the app's.
            400 => {
                return Err(refused("token_unknown").into());
            }
            other => return Err(outage(format!("decodeIntegrityToken answered {other}")).into()),
        }
        let object = jws::parse_object(&body).ok_or_else(|| outage("the answer is no JSON object".to_owned()))?;
        let payload = object.get("tokenPayloadExternal").cloned();
        payload.ok_or_else(|| outage("the answer has no tokenPayloadExternal".to_owned()).into())
    }

    async fn access(&self, now_s: i64) -> std::result::Result<String, String> {
        let kept = self.access.lock().ok().and_then(|it| it.clone());
        if let Some((token, _)) = kept.filter(|it| now_s < it.1) {
            return Ok(token);
        }
        let claims = json!({ "iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now_s, "exp": now_s + 3600 });
        let assertion = jws::sign(&self.key, "JWT", &claims).map_err(|it| format!("signing: {it:?}"))?;
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
        let request = self.outgoing.post(&Target::of_operator(&self.token_uri)?).form(&form);
        let RemoteResponse { status, body, .. } = request.at_most(MAX_ANSWER).within(WITHIN).send().await?;
        let json: Json = serde_json::from_slice(&body).map_err(|it| it.to_string())?;
        let token = json["access_token"].as_str().filter(|_| status == 200).ok_or(format!("the service account's token: {status}"))?;
        let life_s = json["expires_in"].as_i64().unwrap_or(600).clamp(60, 3600);
        if let Ok(mut slot) = self.access.lock() {
            *slot = Some((token.to_owned(), now_s + life_s - 30));
        }
        Ok(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Google's spelling varies, and the kept one does not. A list with one bad entry is not kept at all.
    #[test]
    fn certificates_are_kept_in_one_spelling() {
        let (plain, odd) = (base64url::encode(&[7; 32]), base64url::encode(&[7; 31]));
        let kept = |said: &[&str]| signing_digests(&said.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(kept(&[&plain]), Some(vec![plain.clone()]));
        assert_eq!(kept(&[&format!("{plain}=")]), Some(vec![plain.clone()]));
        for said in [&[][..], &[""], &[odd.as_str()], &[&plain, &odd]] {
            assert_eq!(kept(said), None, "{said:?}");
        }
    }
}
