//! `wallet:NAME`: a digital wallet shows a credential. OpenID4VP 1.0. The person leaves for the wallet and comes back with a code for what
//! the wallet has posted meanwhile, or the platform brings its answer itself (Digital Credentials API). Either is learned once and sealed
//! before it is judged. Whose account it is, `login::outside` decides.
//!
//! An app's own screens open the wallet by the same link. It leads back to the app's https link, and the app brings the code.
//!
//! Where the policy takes a wallet on another device, the page has a code for its camera. That device shows two digits when the wallet has
//! answered, and the answer counts for the browser in which the person types them. Nothing is waited for, and one wrong number ends it.

use super::upstream::{GO, RETURNED};
use crate::audit::Entry;
use crate::error::{Fault, Result};
use crate::login::accounts::Account;
use crate::login::budgets::{Budget, BudgetKind, Whom};
use crate::login::context::{Answer, Asked, Checked, Context, Move, Outside, Person, Unavailable, Verdict, Voyage};
use crate::login::effect::Effect;
use crate::login::matching::{NUMBER_FIELD, digits, is_number};
use crate::login::operation::{CREDENTIAL, Mediation, Operation, WALLET};
use crate::login::proof::{Factor, Proof};
use crate::login::step::{Content, FieldKind, Problem, Step, Text};
use crate::mail;
use crate::store::tables::outside_identity::FIND;
use crate::upstream::{Learned, ProviderProfile, WayBack};
use crate::wallet::{
    self, Answered, CredentialSubject, Elsewhere, Heard, PROTOCOL, PresentationMode, Refusal, Trip, Wallet, WalletOutcome,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use symbolon_oauth::jws::parse_object;
use symbolon_wallet::jwe;
use symbolon_wallet::response::Response;

/// What its proofs are worth, the configuration says (`Policy::worth`).
pub const AMR: &str = "";
pub const FACTOR: Option<Factor> = None;
pub const ASKS_WHO: bool = true;
const REFUSED: &str = "wallet_refused";
/// The button for a wallet on another device, and the one that brings the number that it shows.
pub const OTHER_DEVICE: &str = "other_device";
const NUMBER: &str = "continue";
/// With it, beside the button that leads to a wallet, an app says that it opens wallets itself.
pub const WALLET_RETURN: &str = "wallet_return";

/// What a question's answer is compared with.
#[derive(Serialize, Deserialize, Default)]
struct WalletSecret {
    /// The person is at the wallet.
    trip: Option<Trip>,
    /// The platform was asked.
    #[serde(default)]
    platform: Option<Trip>,
    /// What came of it.
    learned: Option<WalletOutcome>,
    /// It was learned by the number that another device shows.
    #[serde(default)]
    by_number: bool,
}

/// The name of the method, behind which its links stand.
fn method(name: &str) -> String {
    format!("wallet:{name}")
}

pub fn has(name: &str, account: &Account) -> bool {
    account.links.iter().any(|link| link.is_by(&method(name)))
}

/// Before the first proof everybody may come; a person who is known needs a link.
pub fn can_use(name: &str, person: &Person) -> bool {
    let is_linked = |account: &Account| account.links.iter().any(|link| link.is_by(&method(name)));
    !person.is_subject || person.account.as_ref().is_some_and(is_linked)
}

/// The link that was proved with is still the account's.
pub fn still_holds(name: &str, proof: &Proof, account: &Account) -> bool {
    let used = proof.facts.credential.as_deref();
    account.links.iter().any(|link| link.is_by(&method(name)) && used == Some(link.key().as_str()))
}

/// Each way to the wallet makes a key, and each way back is judged.
pub fn price(_name: &str, _person: &Person, step: &Move<'_>) -> Vec<Budget> {
    match step {
        Move::Answer { answer, .. } if names_no_number(answer) => Vec::new(),
        Move::Answer { answer, question }
            if matches!(answer.action, GO | RETURNED | OTHER_DEVICE | NUMBER)
                || [CREDENTIAL.action, WALLET.action].contains(&answer.action) =>
        {
            vec![Budget::Stored { what: BudgetKind::Trips, whom: Whom::Question(*question), event: REFUSED }]
        }
        _ => Vec::new(),
    }
}

fn configured<'a>(context: &Context<'a>, name: &str) -> std::result::Result<&'a Wallet, Fault> {
    context.wallets.get(name).ok_or_else(|| Fault::new(format!("there is no wallet {name}")))
}

/// Claims that have a word of their own in every language.
const WORDS: [&str; 12] = [
    "given_name",
    "family_name",
    "birthdate",
    "birth_date",
    "age_over_18",
    "nationalities",
    "email",
    "address",
    "document_number",
    "personal_administrative_number",
    "issuing_country",
    "portrait",
];

/// How a person reads a claim: the last name of its path.
fn shown(claim: &str) -> Text {
    let last = claim.rsplit('/').find(|part| *part != "*" && part.parse::<usize>().is_err()).unwrap_or(claim);
    match WORDS.contains(&last) {
        true => Text::new(format!("wallet_claim-{last}")),
        false => Text::new("wallet_claim-other").with("claim", crate::visible::plain(&last.replace('_', " "), 64)),
    }
}

/// The page says what is asked and why, before the wallet opens.
fn step(wallet: &Wallet, kind: &str, signs: bool) -> Step {
    let labelled = |key: &str| Text::new(key).with("provider", wallet.settings.label.as_str());
    let mut step = Step::new("wallet").lead(labelled(&format!("{kind}-lead")));
    step.title = labelled(&format!("{kind}-title"));
    step.text.push(Text::new("wallet-purpose").with("purpose", crate::visible::plain(&wallet.settings.purpose, 300)));
    step.text.extend(signs.then(|| labelled("wallet-transaction")));
    let asked = wallet.asked().map(|(_, claim)| shown(claim)).collect();
    step.show(Content::List(asked))
}

pub async fn ask(name: &str, context: &Context<'_>, _person: &Person) -> std::result::Result<Asked, Unavailable> {
    Ok(asked(configured(context, name)?, context)?)
}

/// A button that opens the wallet by its link, and beside it the platform's own way to wallets, where it may have one.
fn asked(wallet: &Wallet, context: &Context<'_>) -> std::result::Result<Asked, Fault> {
    let (trip, origins) = (new_trip(wallet, context)?, origins(wallet, context));
    let step = step(wallet, "wallet", !trip.transaction_data.is_empty()).primary_for(GO, &wallet.settings.label);
    let step = if context.on_other_device.is_some() { step.secondary(OTHER_DEVICE) } else { step };
    if origins.is_empty() {
        return Ok(Asked { step, secret: as_json(&WalletSecret::default())?, effects: Vec::new() });
    }
    let options = wallet.credential_options(&trip, &origins, context.now_ms)?;
    let step = step.secondary(CREDENTIAL.action).operate(Operation::CredentialGet { options, mediation: Mediation::Optional });
    Ok(Asked { step, secret: as_json(&WalletSecret { platform: Some(trip), ..WalletSecret::default() })?, effects: Vec::new() })
}

fn new_trip(wallet: &Wallet, context: &Context<'_>) -> std::result::Result<Trip, Fault> {
    let details = context.transaction.map_or(&[][..], |transaction| &transaction.details);
    wallet.trip(details, context.now_ms)
}

/// Who may bring the platform's answer.
fn origins(wallet: &Wallet, context: &Context<'_>) -> Vec<String> {
    wallet.platform_origins(context.relying_party.origins, context.sdks.is_some())
}

fn as_json(secret: &WalletSecret) -> std::result::Result<Json, Fault> {
    serde_json::to_value(secret).map_err(|error| Fault::new(error.to_string()))
}

fn read(secret: &Json) -> std::result::Result<WalletSecret, Fault> {
    serde_json::from_value(secret.clone()).map_err(|error| Fault::new(format!("the secret of a wallet's question: {error}")))
}

/// The request that a way back is of, while it is under way, of a question's secret. The sign-in's own version may be a later one: whoever
/// looks at the browser and comes back finds the same request.
pub fn trip(secret: &Json, way_back: &WayBack) -> std::result::Result<Option<Trip>, Fault> {
    read(secret).map(|secret| secret.trip.filter(|trip| secret.learned.is_none() && trip.version == way_back.version))
}

/// Was this way back made with the question's last request? What came of it may be learned already.
pub fn has_made(secret: &Json, way_back: &WayBack) -> std::result::Result<bool, Fault> {
    read(secret).map(|secret| secret.trip.is_some_and(|trip| trip.version == way_back.version))
}

/// What the wallet has posted, for the code that this browser brings. It takes the place of the question's secret.
pub async fn learn(name: &str, context: &Context<'_>, secret: &Json, answer: &Answer<'_>) -> Result<Option<Json>> {
    let mut secret = read(secret)?;
    if secret.learned.is_some() || names_no_number(answer) {
        return Ok(None);
    }
    if let Some(trip) = secret.platform.as_ref().filter(|_| answer.action == CREDENTIAL.action) {
        let heard = shown_credential(configured(context, name)?, context, (trip, answer)).await;
        secret.learned = Some(
            heard.map_or_else(|(problem, why)| WalletOutcome::Failed(problem.to_owned(), why), |it| WalletOutcome::Known(Box::new(it))),
        );
        return Ok(Some(as_json(&secret)?));
    }
    // Of a request without a version nothing is known: a build before made it, and no code that came astray could make its answer void.
    let Some(trip) = secret.trip.as_ref().filter(|it| it.version != 0 && brings_answer(it, answer)) else { return Ok(None) };
    let failed = |problem: &str, why: &str| WalletOutcome::Failed(problem.to_owned(), why.to_owned());
    let (sql, values) = wallet::query(trip, context.now_ms);
    let answered = wallet::read_answer(context.store.one(sql, &values).await?, context.keyring, trip)?;
    let is_number_of = |answered: &Answered| {
        let shown = answered.number(context.keyring, trip);
        shown.is_some_and(|shown| is_number(&shown, answer.text(NUMBER_FIELD)) == Some(true))
    };
    secret.learned = Some(match answered {
        // It was judged when the wallet posted it, and counts now.
        _ if !configured(context, name)?.is_ours(trip) => failed("wallet_failed", "the configuration changed meanwhile"),
        _ if is_unopened(answer) => failed("wallet_cancelled", "the app says that no wallet answered"),
        _ if is_by_number(answer) && context.on_other_device.is_none() => failed("wallet_failed", "the policy takes no other device"),
        _ if is_by_number(answer) && !Wallet::is_in_time(trip, context.now_ms) => failed("wallet_unanswered", "the code has expired"),
        None if is_by_number(answer) => failed("wallet_unanswered", "no answer of a wallet waits for a number"),
        Some(answered) if is_by_number(answer) && !is_number_of(&answered) => failed("wallet_other_number", "another number"),
        Some(answered) if is_by_number(answer) => answered.outcome,
        None => failed("wallet_failed", "no answer of a wallet waits for this browser"),
        Some(answered) if !answered.fits(answer.text("response_code")) => failed("wallet_failed", "another response_code"),
        Some(answered) => answered.outcome,
    });
    // However the browser comes the next time: this is how it got the answer.
    secret.by_number = is_by_number(answer);
    Ok(Some(as_json(&secret)?))
}

/// By which right may this sign-in have what the wallet has posted? By the code that the wallet was given, in the browser, or in the app if
/// the wallet leads there. Or, where the wallet is on another device, by the number that this one shows.
fn brings_answer(trip: &Trip, answer: &Answer<'_>) -> bool {
    match answer.action {
        RETURNED => trip.back.is_none(),
        NUMBER => trip.elsewhere.is_some(),
        action => action == WALLET.action && trip.back.is_some(),
    }
}

/// The app has opened no wallet, or its person came back without one.
fn is_unopened(answer: &Answer<'_>) -> bool {
    answer.action == WALLET.action && !answer.text(WALLET.failure_field).is_empty()
}

/// An answer by number without two digits. It ends nothing.
fn names_no_number(answer: &Answer<'_>) -> bool {
    is_by_number(answer) && digits(answer.text(NUMBER_FIELD)).len() != 2
}

fn is_by_number(answer: &Answer<'_>) -> bool {
    answer.action == NUMBER
}

pub async fn check(name: &str, context: &Context<'_>, _person: &Person, secret: &Json, answer: &Answer<'_>) -> Result<Verdict> {
    let wallet = configured(context, name)?;
    match answer.action {
        GO => match context.app_link {
            Some(link) => open_from_app(wallet, context, link),
            None => leave(wallet, context),
        },
        OTHER_DEVICE => invite(wallet, context),
        RETURNED => judge(wallet, context, read(secret)?).await,
        NUMBER if names_no_number(answer) => Ok(Verdict::wrong(Problem::in_field("no_code", NUMBER_FIELD), Vec::new())),
        NUMBER if read(secret)?.trip.is_some_and(|trip| trip.elsewhere.is_some()) => {
            judge(wallet, context, WalletSecret { by_number: true, ..read(secret)? }).await
        }
        action if action == CREDENTIAL.action || action == WALLET.action => judge(wallet, context, read(secret)?).await,
        _ => Ok(Verdict { checked: Checked::Nothing, effects: Vec::new() }),
    }
}

/// A request with a handle, which names the sign-in and its question, once this answer is written.
fn trip_with_handle(wallet: &Wallet, context: &Context<'_>) -> std::result::Result<(Trip, String), Fault> {
    let voyage = context.voyage.as_ref().ok_or_else(|| Fault::new("nobody can leave from here"))?;
    let Voyage { id, version, .. } = *voyage;
    let handle = WayBack { id, version, question: context.question }.seal(context.keyring, context.issuer, &wallet.method());
    let mut trip = new_trip(wallet, context)?;
    trip.version = version;
    Ok((trip, handle))
}

/// The link as a picture, for a wallet on another device.
fn invite(wallet: &Wallet, context: &Context<'_>) -> Result<Verdict> {
    let Some(client) = context.on_other_device else {
        return again(wallet, context, "wallet_failed", "the policy takes no other device");
    };
    let elsewhere = Elsewhere {
        client: crate::visible::plain(client, 80),
        device: context.user_agent.and_then(mail::device_name).unwrap_or_default(),
        address: context.address.map(|address| address.to_string()).unwrap_or_default(),
    };
    let (mut trip, handle) = trip_with_handle(wallet, context)?;
    trip.elsewhere = Some(elsewhere);
    let mut step = step(wallet, "wallet_elsewhere", !trip.transaction_data.is_empty());
    "wallet_elsewhere".clone_into(&mut step.kind);
    step.content.insert(0, Content::Qr { text: wallet.link(&handle) });
    let step = step.field(NUMBER_FIELD, FieldKind::Code, "off", None).primary(NUMBER);
    let step = step.secondary_called(OTHER_DEVICE, Text::new("action-new_qr"));
    let secret = as_json(&WalletSecret { trip: Some(trip), ..WalletSecret::default() })?;
    Ok(Verdict { checked: Checked::Anew(Box::new(Asked { step, secret, effects: Vec::new() })), effects: Vec::new() })
}

/// An app opens the wallet itself, and is opened again by its own link.
fn open_from_app(wallet: &Wallet, context: &Context<'_>, link: &str) -> Result<Verdict> {
    let (mut trip, handle) = trip_with_handle(wallet, context)?;
    trip.back = Some(link.to_owned());
    let options = json!({ "url": wallet.link(&handle) });
    let called = Text::new("action-go").with("provider", wallet.settings.label.as_str());
    let mut step = step(wallet, "wallet_open", !trip.transaction_data.is_empty()).primary(WALLET.action).called(called);
    "wallet_open".clone_into(&mut step.kind);
    let step = step.operate(Operation::WalletOpen { options, mediation: Mediation::Optional });
    let secret = as_json(&WalletSecret { trip: Some(trip), ..WalletSecret::default() })?;
    Ok(Verdict { checked: Checked::Anew(Box::new(Asked { step, secret, effects: Vec::new() })), effects: Vec::new() })
}

fn leave(wallet: &Wallet, context: &Context<'_>) -> Result<Verdict> {
    let (trip, handle) = trip_with_handle(wallet, context)?;
    let step = step(wallet, "wallet_on_the_way", !trip.transaction_data.is_empty()).primary_for(GO, &wallet.settings.label);
    let secret = as_json(&WalletSecret { trip: Some(trip), ..WalletSecret::default() })?;
    Ok(Verdict { checked: Checked::Leave { url: wallet.link(&handle), step, secret }, effects: Vec::new() })
}

/// The question anew, with what was wrong.
fn again(wallet: &Wallet, context: &Context<'_>, problem: &str, why: &str) -> Result<Verdict> {
    let refused = Entry::refused(REFUSED, why).with("wallet", wallet.name());
    Ok(Verdict { checked: Checked::Again(asked(wallet, context)?, Problem::new(problem)), effects: vec![Effect::Audit(Box::new(refused))] })
}

async fn judge(wallet: &Wallet, context: &Context<'_>, secret: WalletSecret) -> Result<Verdict> {
    let trip = secret.trip.as_ref().or(secret.platform.as_ref());
    let left_ms = trip.map_or(0, |trip| trip.left_ms);
    let (is_ours, on_other_device) = (trip.is_some_and(|trip| wallet.is_ours(trip)), secret.by_number);
    // What was signed is what this request asks, else the proof counts for none.
    let is_signed = |details: &[Json]| trip.is_some_and(|trip| trip.transaction_data == wallet.transaction_data(details));
    let transaction = context.transaction.filter(|it| is_signed(&it.details)).map(|it| it.digest().to_owned());
    match secret.learned {
        // An answer counts for the request that is under way, and for no other.
        None => again(wallet, context, "wallet_failed", "an answer without a request"),
        Some(WalletOutcome::Failed(problem, why)) => again(wallet, context, &problem, &why),
        // It was learned a while ago perhaps, and is judged by what is configured now.
        Some(WalletOutcome::Known(_)) if !is_ours => again(wallet, context, "wallet_failed", "the configuration changed meanwhile"),
        Some(WalletOutcome::Known(known)) => {
            let answered = Entry::ok("wallet_answered").with("wallet", wallet.name()).with("issuer", known.issuer.as_str());
            // What was posted is in the audit since then.
            let effects = if secret.platform.is_some() { vec![Effect::Audit(Box::new(answered))] } else { Vec::new() };
            let learned = learned(context, *known).await?;
            let settings = wallet.settings.terms();
            let again = asked(wallet, context)?;
            let outside = Outside { provider: wallet.method(), settings, learned, left_ms, transaction, on_other_device, again };
            Ok(Verdict { checked: Checked::Outside(Box::new(outside)), effects })
        }
    }
}

/// What the platform brings: `protocol` and `data` of a DigitalCredential, or one of the words for why there is none.
async fn shown_credential(
    wallet: &Wallet,
    context: &Context<'_>,
    (trip, answer): (&Trip, &Answer<'_>),
) -> std::result::Result<CredentialSubject, Refusal> {
    let failed = |why: &str| ("wallet_failed", why.to_owned());
    match answer.text(CREDENTIAL.failure_field) {
        "" => {}
        "cancelled" => return Err(("wallet_cancelled", "the platform says cancelled".to_owned())),
        "no_credential" => return Err(("wallet_incomplete", "the platform has no such credential".to_owned())),
        other => return Err(failed(&format!("the platform says {:?}", crate::visible::plain(other, 64)))),
    }
    if !Wallet::is_in_time(trip, context.now_ms) {
        return Err(failed("the request has expired"));
    }
    let document = parse_object(answer.text(CREDENTIAL.field).as_bytes()).ok_or_else(|| failed("the answer is no JSON object"))?;
    if document.get("protocol").and_then(Json::as_str) != Some(PROTOCOL) {
        return Err(failed("the answer is of another protocol"));
    }
    // A wallet may say "no" in the place of a credential, as it may where it posts its answer. Unknown words are a no as well (V-12).
    let error = document.get("data").and_then(|data| data.get("error")).and_then(Json::as_str).filter(|it| !it.is_empty());
    if let Some(error) = error {
        return Err(("wallet_cancelled", format!("the wallet says {:?}", crate::visible::plain(error, 64))));
    }
    let sealed = document.get("data").and_then(|data| data.get("response")).and_then(Json::as_str);
    let key = trip.key().map_err(|fault| failed(&fault.0))?;
    let opened = jwe::open(sealed.unwrap_or_default(), &key).map_err(|why| failed(why.as_str()))?;
    let said = Response::parse(&opened.content).map_err(|why| failed(why.0))?.said;
    let origins = origins(wallet, context);
    let heard = Heard { party_u: &opened.party_u, trip, way: PresentationMode::Shown { origins: &origins }, now_ms: context.now_ms };
    wallet.judge(&said, &heard, context.keyring).await
}

/// The person is known by the MAC under which the first link was made: a newer master key changes nobody's account.
async fn learned(context: &Context<'_>, known: CredentialSubject) -> Result<Learned> {
    let mut subject = known.person.0.first().cloned().unwrap_or_default();
    for one in &known.person.0 {
        if context.store.one(FIND, &[known.issuer.as_str().into(), one.as_str().into()]).await?.is_some() {
            subject = one.clone();
            break;
        }
    }
    let text = |name: &str| known.claims.get(name).and_then(Json::as_str).map(str::to_owned);
    let profile = ProviderProfile { name: text("name").or_else(|| text("given_name")), ..ProviderProfile::default() };
    let claims = known.claims.into_iter().collect();
    Ok(Learned { issuer: known.issuer, subject, auth_time: Some(context.now_ms / 1000), sid: None, profile, claims, ..Learned::default() })
}
