//! `upstream:NAME`: a provider says who somebody is. OpenID Connect Core 3.1. The person leaves for the provider and comes back with a
//! code. What the provider then says is learned once and sealed before it is judged. Which account that is, `login::outside` decides.

use crate::audit::Entry;
use crate::config::sdk::SdkTokens;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Checked, Context, Move, Outside, Person, Unavailable, Verdict, Voyage};
use crate::login::effect::Effect;
use crate::login::operation::{ID_TOKEN, Mediation, Operation};
use crate::login::proof::{Factor, Proof};
use crate::login::step::{Problem, Step, Text};
use crate::upstream::{Brought, LONGEST_USER, Learned, Provider, SdkAnswer, Trip, Trouble, WayBack, Wish};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;
use symbolon_oauth::jws::{self, Unverified};

/// The provider's own words about how it authenticated the person count for nothing here.
pub const AMR: &str = "";
pub const FACTOR: Option<Factor> = None;
pub const ASKS_WHO: bool = true;
const REFUSED: &str = "upstream_refused";

/// The answer that a provider's redirect brings.
pub const RETURNED: &str = "returned";
/// The button that leads to the provider, and the one that lets the person choose another account there.
pub const GO: &str = "go";
pub const OTHER_ACCOUNT: &str = "other_account";

/// The longest answer of an SDK: an ID token and a name.
const LONGEST_SDK_ANSWER: usize = 16 * 1024;

/// What a question's answer is compared with.
#[derive(Serialize, Deserialize, Default)]
struct UpstreamSecret {
    /// The person is at the provider.
    trip: Option<Trip>,
    /// The SDK in an app was asked.
    #[serde(default)]
    sdk: Option<SdkTrip>,
    /// What came of it.
    learned: Option<ProviderOutcome>,
}

#[derive(Serialize, Deserialize, Clone)]
struct SdkTrip {
    nonce: String,
    asked_ms: i64,
}

#[derive(Serialize, Deserialize, Clone)]
enum ProviderOutcome {
    Known(Box<Learned>),
    /// The key of a problem, and why.
    Failed(String, String),
}

/// The name of the method, behind which its links stand.
fn method(name: &str) -> String {
    format!("upstream:{name}")
}

pub fn has(name: &str, account: &Account) -> bool {
    account.links.iter().any(|link| link.is_by(&method(name)))
}

/// Before the first proof everybody may come; a person who is known needs a link.
pub fn can_use(name: &str, person: &Person) -> bool {
    !person.is_subject || person.account.as_ref().is_some_and(|account| account.links.iter().any(|link| link.is_by(&method(name))))
}

/// The link that was proved with is still the account's.
pub fn still_holds(name: &str, proof: &Proof, account: &Account) -> bool {
    account.links.iter().any(|link| link.is_by(&method(name)) && proof.facts.credential.as_deref() == Some(link.key().as_str()))
}

/// Each answer of a provider makes calls to it.
pub fn price(_name: &str, _person: &Person, step: &Move<'_>) -> Vec<Budget> {
    match step {
        Move::Answer { answer, question } if matches!(answer.action, GO | OTHER_ACCOUNT | RETURNED) || answer.action == ID_TOKEN.action => {
            vec![Budget::Stored { what: BudgetKind::Trips, whom: Whom::Question(*question), event: REFUSED }]
        }
        _ => Vec::new(),
    }
}

fn provider<'a>(context: &Context<'a>, name: &str) -> std::result::Result<&'a Provider, Fault> {
    context.providers.get(name).ok_or_else(|| Fault::new(format!("there is no provider {name}")))
}

/// The texts of its pages name the provider.
fn labelled(key: &str, provider: &Provider) -> Text {
    Text::new(key).with("provider", provider.settings.label.as_str())
}

fn step(provider: &Provider) -> Step {
    let mut step = Step::new("upstream").lead(labelled("upstream-lead", provider));
    step.title = labelled("upstream-title", provider);
    step.primary_for(GO, &provider.settings.label)
}

/// The question asks nobody anything: a provider that is away is met when the person goes there.
pub async fn ask(name: &str, context: &Context<'_>, _person: &Person) -> std::result::Result<Asked, Unavailable> {
    Ok(question(provider(context, name)?, context)?)
}

/// The rules for what the SDK in the app may give, if there is one for this provider.
fn sdk<'a>(provider: &Provider, context: &Context<'a>) -> Option<&'a SdkTokens> {
    context.sdks?.get(provider.name())
}

/// A button that leads to the provider. In an app with its SDK it is the SDK's operation, with a nonce of this question.
fn question(provider: &Provider, context: &Context<'_>) -> std::result::Result<Asked, Fault> {
    if sdk(provider, context).is_none() {
        return Ok(Asked { step: step(provider), secret: as_json(&UpstreamSecret::default())?, effects: Vec::new() });
    }
    let nonce = base64url::encode(&crate::seal::random::<32>()?);
    let settings = &provider.settings;
    let options = json!({ "provider": provider.name(), "issuer": settings.issuer, "nonce": nonce });
    let mut step = Step::new("upstream").lead(labelled("upstream-lead_sdk", provider));
    step.title = labelled("upstream-title", provider);
    let step =
        step.primary_for(ID_TOKEN.action, &settings.label).operate(Operation::IdTokenGet { options, mediation: Mediation::Optional });
    let secret = UpstreamSecret { sdk: Some(SdkTrip { nonce, asked_ms: context.now_ms }), ..UpstreamSecret::default() };
    Ok(Asked { step, secret: as_json(&secret)?, effects: Vec::new() })
}

fn as_json(secret: &UpstreamSecret) -> std::result::Result<Json, Fault> {
    serde_json::to_value(secret).map_err(|error| Fault::new(error.to_string()))
}

fn read(secret: &Json) -> std::result::Result<UpstreamSecret, Fault> {
    serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("the secret of a provider's question: {error}")))
}

/// What an answer makes known outside of the house. It happens once, and the result takes the place of the question's secret.
pub async fn learn(name: &str, context: &Context<'_>, secret: &Json, answer: &Answer<'_>) -> Result<Option<Json>> {
    let mut secret = read(secret)?;
    if secret.learned.is_some() {
        return Ok(None);
    }
    let provider = provider(context, name)?;
    let heard = match (answer.action, &secret.trip, &secret.sdk) {
        (RETURNED, Some(trip), _) => hear(provider, trip, answer, context.now_ms).await,
        (action, _, Some(trip)) if action == ID_TOKEN.action && answer.text(ID_TOKEN.failure_field).is_empty() => {
            take(provider, context, trip, answer).await
        }
        _ => return Ok(None),
    };
    let outcome = match heard {
        Ok(learned) => ProviderOutcome::Known(Box::new(learned)),
        Err((problem, why)) => ProviderOutcome::Failed(problem.to_owned(), why),
    };
    secret.learned = Some(outcome);
    Ok(Some(as_json(&secret)?))
}

async fn hear(provider: &Provider, trip: &Trip, answer: &Answer<'_>, now_ms: i64) -> std::result::Result<Learned, (&'static str, String)> {
    let troubled = |trouble: Trouble| (trouble.kind.problem(), trouble.why);
    let iss = Some(answer.text("iss")).filter(|iss| !iss.is_empty());
    provider.must_be_its_answer(iss, trip, now_ms).await.map_err(troubled)?;
    match (answer.text("error"), answer.text("code")) {
        ("", "") => Err(("upstream_failed", "the response has neither code nor error".to_owned())),
        ("", code) => provider.redeem(Brought { code, user: user_of(answer) }, trip, now_ms).await.map_err(troubled),
        ("access_denied" | "user_cancelled_authorize", _) => {
            Err(("upstream_cancelled", "the person did not go on at the provider".to_owned()))
        }
        ("temporarily_unavailable" | "server_error", _) => {
            Err(("upstream_away", "the provider answers with an error of its own".to_owned()))
        }
        (error, _) => Err(("upstream_failed", format!("error {:?}", crate::visible::plain(error, 64)))),
    }
}

/// What the SDK gave. An access token is for the provider's API, and anybody's app can have one. It says nothing about who sends it.
async fn take(
    provider: &Provider,
    context: &Context<'_>,
    trip: &SdkTrip,
    answer: &Answer<'_>,
) -> std::result::Result<Learned, (&'static str, String)> {
    let no_id_token = |why: &str| ("upstream_no_id_token", why.to_owned());
    let rules = sdk(provider, context).ok_or_else(|| no_id_token("native_providers of the client does not name the provider"))?;
    let given = answer.text(ID_TOKEN.field);
    if given.len() > LONGEST_SDK_ANSWER {
        return Err(no_id_token("the answer of the SDK is too long"));
    }
    let Some(members) = jws::parse_object(given.as_bytes()) else {
        return Err(no_id_token("the answer of the SDK is no JSON object with id_token"));
    };
    let text = |name: &str| members.get(name).and_then(Json::as_str);
    let Some(id_token) = text("id_token").filter(|token| Unverified::parse(token).is_ok()) else {
        return Err(no_id_token("id_token is missing or no JWT; an access token of a provider is never an answer"));
    };
    let answer = SdkAnswer { id_token, name: text("name"), nonce: &trip.nonce, rules };
    provider.accept(answer, context.now_ms).await.map_err(|trouble: Trouble| (trouble.kind.problem(), trouble.why))
}

/// What is too long to be a name is left out.
fn user_of<'a>(answer: &'a Answer<'_>) -> &'a str {
    Some(answer.text("user")).filter(|user| user.len() <= LONGEST_USER).unwrap_or_default()
}

pub async fn check(name: &str, context: &Context<'_>, _person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let provider = provider(context, name)?;
    match answer.action {
        GO | OTHER_ACCOUNT => leave(provider, context, answer.action == OTHER_ACCOUNT).await,
        RETURNED => judge(provider, context, read(secret)?),
        action if action == ID_TOKEN.action => match answer.text(ID_TOKEN.failure_field) {
            "" => judge(provider, context, read(secret)?),
            "not_possible_here" => again(provider, context, ("upstream_away", "the SDK cannot do it on this device")),
            _ => again(provider, context, ("upstream_cancelled", "the person did not go on in the SDK")),
        },
        _ => Ok(Verdict { checked: Checked::Nothing, effects: Vec::new() }),
    }
}

async fn leave(provider: &Provider, context: &Context<'_>, other_account: bool) -> Result<Verdict> {
    let voyage = context.voyage.as_ref().ok_or_else(|| Fault::new("nobody can leave from here"))?;
    let Voyage { id, version, max_age_s } = *voyage;
    let way_back = WayBack { id, version, question: context.question };
    let state = way_back.seal(context.keyring, context.issuer, provider.name());
    let other_account = other_account || context.signed_out;
    match provider.depart(Wish { state, max_age_s, other_account }, context.now_ms).await {
        Ok(departure) => {
            let mut step = step(provider).lead(labelled("upstream_on_the_way-lead", provider));
            step.title = labelled("upstream_on_the_way-title", provider);
            let secret = as_json(&UpstreamSecret { trip: Some(departure.trip), ..UpstreamSecret::default() })?;
            Ok(Verdict { checked: Checked::Leave { url: departure.url, step, secret }, effects: Vec::new() })
        }
        Err(trouble) => again(provider, context, (trouble.kind.problem(), &trouble.why)),
    }
}

/// The question anew, with what was wrong.
fn again(provider: &Provider, context: &Context<'_>, (problem, why): (&str, &str)) -> Result<Verdict> {
    let refused = Entry::refused(REFUSED, why).with("provider", provider.name());
    let checked = Checked::Again(question(provider, context)?, Problem::new(problem));
    Ok(Verdict { checked, effects: vec![Effect::Audit(Box::new(refused))] })
}

fn judge(provider: &Provider, context: &Context<'_>, secret: UpstreamSecret) -> Result<Verdict> {
    let of_sdk = || secret.sdk.as_ref().map_or(0, |trip| trip.asked_ms);
    let left_ms = secret.trip.as_ref().map_or_else(of_sdk, |trip| trip.left_ms);
    match secret.learned {
        // A provider's answer counts for the trip that is under way, and for no other.
        None => again(provider, context, ("upstream_failed", "an answer without a trip")),
        Some(ProviderOutcome::Failed(problem, why)) => again(provider, context, (&problem, &why)),
        Some(ProviderOutcome::Known(learned)) => {
            let again = question(provider, context)?;
            let (provider, settings) = (provider.name().to_owned(), provider.settings.clone());
            let outside = Outside { provider, settings, learned: *learned, left_ms, transaction: None, on_other_device: false, again };
            Ok(Verdict { checked: Checked::Outside(Box::new(outside)), effects: Vec::new() })
        }
    }
}
