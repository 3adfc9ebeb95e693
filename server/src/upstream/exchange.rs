//! What a provider's answer is worth: the code is exchanged once, the ID token checked, userinfo compared. OpenID Connect Core 3.1.3 and 5.3.

use super::apple;
use super::claims::{self, ProviderProfile, is_true};
use super::hint::Hint;
use super::issuers;
use super::kept::ProviderTokens;
use super::learned::Learned;
use super::mapping;
use super::metadata::{MOST_BYTES, ProviderMetadata};
use super::provider::{Provider, Trouble};
use super::proving::{Conversation, Proved};
use super::request::Trip;
use crate::config::sdk::SdkTokens;
use crate::config::upstream::{NonceRule, Preset};
use serde_json::{Map, Value as Json};
use symbolon_oauth::id_token::{self, Checked, Expected, Rejected};
use symbolon_oauth::jws::{self, Unverified};

/// What the SDK of the provider gave to an app.
#[derive(Clone, Copy)]
pub struct SdkAnswer<'a> {
    pub id_token: &'a str,
    /// What the person typed for the SDK (Apple, once): nobody has signed it.
    pub name: Option<&'a str>,
    pub nonce: &'a str,
    pub rules: &'a SdkTokens,
}

/// What the browser brought back.
#[derive(Clone, Copy)]
pub struct Brought<'a> {
    pub code: &'a str,
    /// Apple's, at the first sign-in: nobody has signed it.
    pub user: &'a str,
}

/// An ID token, and what it must belong to.
struct Presented<'a> {
    id_token: &'a str,
    nonce: &'a str,
    nonce_rule: NonceRule,
    access_token: Option<&'a str>,
    audiences: &'a [&'a str],
    authorized_parties: &'a [&'a str],
}

struct Tokens {
    access_token: String,
    /// None: plain OAuth.
    id_token: Option<String>,
    kept: Option<ProviderTokens>,
}

impl Provider {
    /// `iss` of the authorization response (RFC 9207 2.4): compared where it is there, demanded where it is announced.
    pub async fn must_be_its_answer(&self, iss: Option<&str>, trip: &Trip, now_ms: i64) -> Result<(), Trouble> {
        // The provider was configured anew while the person was there: what comes back is nobody's.
        if trip.issuer != self.settings.issuer || trip.client_id != self.settings.client_id {
            return Err(Trouble::broken("the provider's configuration changed meanwhile"));
        }
        match iss {
            Some(iss) if self.may_answer_as(iss) => Ok(()),
            Some(_) => Err(Trouble::broken("iss of the response is another issuer")),
            None if self.metadata(now_ms).await?.sends_iss => Err(Trouble::broken("the response lacks iss, which this provider announces")),
            None => Ok(()),
        }
    }

    /// Exchanges the code and checks what comes.
    pub async fn redeem(&self, brought: Brought<'_>, trip: &Trip, now_ms: i64) -> Result<Learned, Trouble> {
        let metadata = self.metadata(now_ms).await?;
        let mut conversation = Conversation { metadata: &metadata, proving: self.proving()?, now_ms };
        let tokens = self.exchange(&mut conversation, brought.code, trip).await?;
        let Some(id_token) = &tokens.id_token else {
            let identified = self.identify(&metadata, &tokens.access_token, now_ms).await?;
            return Ok(Learned { tokens: tokens.kept, ..identified });
        };
        let presented = Presented {
            id_token,
            nonce: &trip.nonce,
            nonce_rule: self.settings.nonce,
            access_token: Some(&tokens.access_token),
            audiences: &[&self.settings.client_id],
            authorized_parties: &[],
        };
        let (issuer, checked) = self.check(&presented, now_ms).await?;
        let userinfo = self.ask_userinfo(&mut conversation, &tokens.access_token, &checked.sub).await?;
        let mut learned = self.learned(issuer, checked, &userinfo)?;
        if self.settings.preset == Some(Preset::Apple) && learned.profile.name.is_none() {
            learned.profile.name = apple::name_of(brought.user);
        }
        learned.tokens = tokens.kept;
        learned.hint = Hint::of(id_token).filter(|_| self.settings.sign_out_hint);
        Ok(learned)
    }

    /// Checks what the SDK in an app got. The lists are that app's; the nonce is the one that this very question handed out.
    pub async fn accept(&self, answer: SdkAnswer<'_>, now_ms: i64) -> Result<Learned, Trouble> {
        let audiences: Vec<&str> = answer.rules.audiences.iter().map(String::as_str).collect();
        let authorized_parties: Vec<&str> = answer.rules.authorized_parties.iter().map(String::as_str).collect();
        let presented = Presented {
            id_token: answer.id_token,
            nonce: answer.nonce,
            nonce_rule: NonceRule::Required,
            access_token: None,
            audiences: &audiences,
            authorized_parties: &authorized_parties,
        };
        let (issuer, checked) = self.check(&presented, now_ms).await?;
        let mut learned = self.learned(issuer, checked, &Map::new())?;
        if learned.profile.name.is_none() {
            learned.profile.name = answer.name.and_then(claims::shown);
        }
        Ok(learned)
    }

    fn learned(&self, issuer: String, checked: Checked, userinfo: &Map<String, Json>) -> Result<Learned, Trouble> {
        let mut profile = ProviderProfile::read(&checked.claims, userinfo);
        if self.settings.preset == Some(Preset::Microsoft) {
            // An administrator of any tenant writes any address there. This claim says that the tenant owns the domain.
            profile.email_verified = is_true(checked.claims.get("xms_edov"));
        }
        Ok(Learned {
            issuer,
            auth_time: checked.auth_time,
            profile,
            claims: mapping::read(&self.settings, &checked.claims, userinfo)?,
            domain: claims::text(&checked.claims, "hd"),
            transfer_sub: claims::text(&checked.claims, "transfer_sub").filter(|_| self.settings.preset == Some(Preset::Apple)),
            subject: checked.sub,
            sid: checked.sid,
            ..Learned::default()
        })
    }

    async fn exchange(&self, conversation: &mut Conversation<'_>, code: &str, trip: &Trip) -> Result<Tokens, Trouble> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", trip.verifier.as_str()),
        ];
        let answer = self.call_token_endpoint(conversation, "token", &form).await?;
        let body = jws::parse_object(&answer.body);
        let member = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Json::as_str);
        // GitHub says what is wrong with status 200.
        if answer.status != 200 || member("error").is_some() {
            return Err(Trouble::broken(format!(
                "token: status {}, error {:?}",
                answer.status,
                shortened(member("error").unwrap_or("none"))
            )));
        }
        if body.is_none() {
            return Err(Trouble::broken("token: the answer is no JSON object"));
        }
        if !self.is_right_type(member("token_type")) {
            return Err(Trouble::broken("token: token_type is not the one that was asked for"));
        }
        let text = |name: &'static str| {
            let text = member(name).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| Trouble::broken(format!("token: there is no {name}")))
        };
        let id_token = if self.settings.is_openid() { Some(self.decrypted(text("id_token")?, true)?) } else { None };
        let kept = body.as_ref().and_then(|body| self.kept_of(body, conversation.now_ms));
        Ok(Tokens { access_token: text("access_token")?, id_token, kept })
    }

    /// The ID token, with the known keys and, if those did not sign it, with the newest. Answers the issuer as it names an identity, too.
    async fn check(&self, presented: &Presented<'_>, now_ms: i64) -> Result<(String, Checked), Trouble> {
        let now_s = now_ms.div_euclid(1000);
        let refused = |why: Rejected| {
            Trouble::broken(format!("id_token: {}{}{}", why.as_str(), names(presented.id_token), clocks(presented.id_token, now_s)))
        };
        let unverified = Unverified::parse(presented.id_token).map_err(|_| Trouble::broken("id_token: not a JWT"))?;
        let issuer = self.expected_issuer(unverified.unverified_claims())?;
        let metadata = self.metadata(now_ms).await?;
        let checked = match self.check_with(&metadata, presented, &issuer, now_ms) {
            Err(Rejected::UnknownKey | Rejected::BadSignature) => {
                let metadata = self.with_newest_keys(now_ms).await?;
                self.check_with(&metadata, presented, &issuer, now_ms).map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        Ok((self.canonical(&issuer), checked))
    }

    fn check_with(&self, metadata: &ProviderMetadata, presented: &Presented<'_>, issuer: &str, now_ms: i64) -> Result<Checked, Rejected> {
        let expected = Expected {
            issuer,
            audiences: presented.audiences,
            authorized_parties: presented.authorized_parties,
            algorithms: &metadata.algorithms,
            nonce: Some(presented.nonce),
            access_token: presented.access_token,
            now_s: now_ms.div_euclid(1000),
            leeway_s: self.settings.clock_skew.0,
        };
        let keys = issuers::keys_for(metadata, issuer, &self.settings);
        let checked = id_token::check(presented.id_token, &keys, &expected);
        if presented.nonce_rule == NonceRule::Required || checked.is_ok() {
            return checked;
        }
        id_token::check(presented.id_token, &keys, &Expected { nonce: None, ..expected })
    }

    /// Core 5.3.2: what is said of another subject is not used, and neither is the rest. An endpoint that fails costs no sign-in.
    async fn ask_userinfo(&self, conversation: &mut Conversation<'_>, token: &str, sub: &str) -> Result<Map<String, Json>, Trouble> {
        let Conversation { metadata, proving, now_ms } = conversation;
        let Some(target) = metadata.userinfo_endpoint.as_ref().filter(|_| self.settings.userinfo) else { return Ok(Map::new()) };
        let scheme = if proving.is_some() { "DPoP" } else { "Bearer" };
        let make = || {
            let call = self.outgoing.get(target).header("accept", "application/json").at_most(MOST_BYTES);
            Ok(call.header("authorization", &format!("{scheme} {token}")))
        };
        let proved = Proved { what: "userinfo", method: "GET", target, access_token: Some(token) };
        let answer = match self.call_proved(&proved, proving.as_mut(), make, *now_ms).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => {
                tracing::info!(provider = self.name(), status = answer.status, "userinfo of a provider refuses; its claims are left out");
                return Ok(Map::new());
            }
            Err(_) => return Ok(Map::new()),
        };
        let Some(claims) = jws::parse_object(&answer.body) else {
            tracing::info!(provider = self.name(), "userinfo of a provider is no JSON object; its claims are left out");
            return Ok(Map::new());
        };
        if claims.get("sub").and_then(Json::as_str) != Some(sub) {
            return Err(Trouble::broken("userinfo: sub is not the one of the ID token"));
        }
        Ok(claims)
    }
}

/// Who a refused token is for, so that an operator can see what to list.
fn names(id_token: &str) -> String {
    let Ok(token) = Unverified::parse(id_token) else { return String::new() };
    let told = |name: &str| token.unverified_claims().get(name).map_or_else(|| "none".to_owned(), |value| shortened(&value.to_string()));
    format!(" (aud {}, azp {})", told("aud"), told("azp"))
}

/// By how much the times of a refused token and this server's clock differ, so that an operator sees whose clock to set.
fn clocks(id_token: &str, now_s: i64) -> String {
    let Ok(token) = Unverified::parse(id_token) else { return String::new() };
    let time = |name: &str| token.unverified_claims().get(name).and_then(Json::as_i64);
    let ahead = |name: &str| {
        let by_s = time(name)?.saturating_sub(now_s);
        (by_s > 0).then(|| format!("; {name} is {by_s} s ahead of this server's clock"))
    };
    let over = || {
        let by_s = now_s.saturating_sub(time("exp")?);
        (by_s > 0).then(|| format!("; exp is {by_s} s behind this server's clock"))
    };
    [ahead("iat"), ahead("nbf"), over()].into_iter().flatten().collect()
}

/// Somebody else's text, for a log.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_oauth::base64url;

    /// S-17: whoever sets up an app sees which audience to list, and a log stays a log.
    #[test]
    fn a_refused_token_says_who_it_is_for() {
        let token = |claims: &str| format!("{}.{}.AA", base64url::encode(b"{\"alg\":\"ES256\"}"), base64url::encode(claims.as_bytes()));
        assert_eq!(names(&token(r#"{"aud":"their-app"}"#)), " (aud \"their-app\", azp none)");
        assert_eq!(names(&token(r#"{"aud":["a","b"],"azp":"c\nd"}"#)), " (aud [\"a\",\"b\"], azp \"c\\nd\")");
        assert!(names(&token(&format!(r#"{{"aud":"{}"}}"#, "x".repeat(900)))).len() < 120);
        assert_eq!(names("no token"), "");
    }

    /// S-20: a clock that is wrong is named with how much it is wrong.
    #[test]
    fn a_refused_token_says_whose_clock_is_ahead() {
        let token = |claims: &str| format!("{}.{}.AA", base64url::encode(b"{\"alg\":\"ES256\"}"), base64url::encode(claims.as_bytes()));
        assert_eq!(clocks(&token(r#"{"iat":1300,"exp":1600}"#), 1000), "; iat is 300 s ahead of this server's clock");
        assert_eq!(clocks(&token(r#"{"iat":700,"exp":940}"#), 1000), "; exp is 60 s behind this server's clock");
        assert_eq!(clocks(&token(r#"{"iat":1000,"exp":1300,"nbf":"x"}"#), 1000), "");
        assert_eq!(clocks(&token(r#"{"iat":9223372036854775807,"exp":-9223372036854775808}"#), 1000).matches(';').count(), 2);
    }
}
