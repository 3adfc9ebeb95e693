//! Every kind of lie that a phone can tell, one after the other, by somebody who knows the app's client_id and redirect_uri; and the
//! same phone telling the truth.

use crate::print::Printer;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::element::{Android, Forgery, Ios, Maker};

const CLIENT: &str = "shop-phone-3";
const APP_ID: &str = "ABCDE12345.com.example.shop";

fn key(app: &App) -> Result<&PrivateKey, Trouble> {
    app.element.as_ref().map(|it| &it.key).ok_or_else(|| Trouble("the app has no key".to_owned()))
}

fn named(app: &App, purpose: Purpose, challenge: &[u8; 32]) -> Result<[u8; 32], Trouble> {
    let thumbprint = base64url::decode(key(app)?.kid()).and_then(|it| it.try_into().ok());
    Ok(binding::named(purpose, CLIENT, challenge, &thumbprint.ok_or_else(|| Trouble("the key has no thumbprint".to_owned()))?))
}

pub async fn all(issuer: &str, maker: &Maker, printer: &mut Printer) -> Result<(), Trouble> {
    let mut app = App::discover(issuer, CLIENT, "https://app.example.com/callback-3").await?;
    app.make_key()?;
    let stranger = Maker::new()?;
    for (title, change, forgery, why) in ANDROID {
        let status = android(&mut app, maker, change, forgery).await?;
        printer.act(&format!("An Android phone lies: {title}"), None, status == 400, why);
    }
    let status = android(&mut app, &stranger, |_| {}, Forgery::None).await?;
    printer.act(
        "An Android phone lies: it was made by nobody",
        None,
        status == 400,
        "The chain has to end at a root that is trusted here.",
    );
    let (challenge, bytes) = app.attestation_challenge().await?;
    let chain = chain(&app, maker, &bytes, |_| {}, Forgery::None)?;
    let other = self::chain(&app, maker, &bytes, |it| it.patch = 202_609, Forgery::None)?;
    let mut statuses = Vec::new();
    for evidence in [&chain, &chain, &other] {
        statuses.push(app.attest("android-key", &challenge, &[("chain", evidence)]).await?.0);
    }
    printer.act(
        "The same phone tells the truth, repeats it, and sends other evidence about the same challenge",
        None,
        statuses == [200, 200, 400],
        "A repeated request gets the same answer, as the first one may have been lost. A challenge is good for one attestation.",
    );
    let (_, old) = attested(&mut app, maker, |it| it.patch = 202_603, Forgery::None).await?;
    let (_, updated) = attested(&mut app, maker, |_| {}, Forgery::None).await?;
    printer.act(
        "It had not been updated since spring, and then it is",
        None,
        (&old["tier"], &updated["tier"]) == (&"software".into(), &"hardware".into()),
        "Genuine, but what attackers know of it is old: it gets the lesser tier until it is updated.",
    );
    iphones(issuer, maker, &stranger, printer).await
}

type Lie<T> = (&'static str, T, Forgery<'static>, &'static str);

const ANDROID: [Lie<fn(&mut Android<'_>)>; 9] = [
    ("another app", |it| it.package = "com.evil", Forgery::None, "The system says which app asked for the key."),
    ("the app, signed by somebody else", |it| it.signing_digest = [8; 32], Forgery::None, "And who signed it."),
    ("about another challenge", |it| it.challenge = b"yesterday", Forgery::None, "Old evidence is worth nothing."),
    ("a key in software", |it| it.level = 0, Forgery::None, "Whoever can read the key can copy it."),
    ("an open boot loader", |it| it.locked = false, Forgery::None, "Nothing above it can be believed."),
    ("a system without updates", |it| it.patch = 202_512, Forgery::None, "The policy names the oldest patch level that is let in."),
    ("signed with a keybox that has leaked", |_| {}, Forgery::LeakedKeybox, "Its serial is on the list."),
    ("an attested key vouches for another", |_| {}, Forgery::HigherExtension, "Only the certificate of the key itself may describe it."),
    ("another key than the one that signs", |_| {}, Forgery::AnotherKey, "The key of the proof is the key of the evidence."),
];

fn chain(app: &App, maker: &Maker, challenge: &[u8; 32], change: fn(&mut Android<'_>), forgery: Forgery<'_>) -> Result<String, Trouble> {
    let hash = binding::leaf(challenge, CLIENT);
    let mut phone = Android::genuine("com.example.shop", [7; 32], &hash);
    change(&mut phone);
    let chain = maker.android_forged(key(app)?, &phone, forgery)?;
    Ok(chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join("."))
}

async fn android(app: &mut App, maker: &Maker, change: fn(&mut Android<'_>), forgery: Forgery<'_>) -> Result<u16, Trouble> {
    Ok(attested(app, maker, change, forgery).await?.0)
}

/// Status and answer.
async fn attested(
    app: &mut App,
    maker: &Maker,
    change: fn(&mut Android<'_>),
    forgery: Forgery<'_>,
) -> Result<(u16, serde_json::Value), Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let chain = chain(app, maker, &bytes, change, forgery)?;
    app.attest("android-key", &challenge, &[("chain", &chain)]).await
}

const IOS: [Lie<fn(&mut Ios<'_>)>; 6] = [
    ("another app", |it| it.app_id = "EVIL123456.com.example.shop", Forgery::None, "Apple says which app asked."),
    ("about another challenge", |it| it.client_data_hash = b"yesterday", Forgery::None, "Old evidence is worth nothing."),
    (
        "a developer's build",
        |it| it.development = true,
        Forgery::None,
        "Only what came from the store counts, unless the policy says otherwise.",
    ),
    (
        "built for the store, signed by a developer",
        |it| it.category = Some(3),
        Forgery::None,
        "From iOS 27 on the system says who signed the app.",
    ),
    ("the nonce in a higher certificate", |_| {}, Forgery::HigherExtension, "Only the certificate of the key may have it."),
    ("another key than the certificate's", |_| {}, Forgery::AnotherKey, "Three places name the key, and they have to agree."),
];

async fn iphones(issuer: &str, maker: &Maker, stranger: &Maker, printer: &mut Printer) -> Result<(), Trouble> {
    let mut app = App::discover(issuer, CLIENT, "https://app.example.com/callback-3").await?;
    app.make_key()?;
    for (title, change, forgery, why) in IOS {
        let status = iphone(&mut app, maker, change, forgery).await?.0;
        printer.act(&format!("An iPhone lies: {title}"), None, status == 400, why);
    }
    let status = iphone(&mut app, stranger, |_| {}, Forgery::None).await?.0;
    printer.act("An iPhone lies: it was made by nobody", None, status == 400, "The chain has to end at a root that is trusted here.");
    let (status, enclave) = iphone(&mut app, maker, |_| {}, Forgery::None).await?;
    printer.act("The same iPhone tells the truth", None, status == 200, "Nothing was held against it.");
    let mut statuses = Vec::new();
    for counter in [7, 7, 3, 8] {
        let (challenge, bytes) = app.attestation_challenge().await?;
        let assertion = base64url::encode(&enclave.assertion(&named(&app, Purpose::Renewal, &bytes)?, counter)?);
        statuses.push(app.attest("apple-assertion", &challenge, &[("assertion", &assertion)]).await?.0);
    }
    printer.act(
        "It renews with the counters 7, 7, 3 and 8",
        None,
        statuses == [200, 400, 400, 200],
        "A counter that does not rise is of a copy, or of a phone that was set back.",
    );
    Ok(())
}

async fn iphone(
    app: &mut App,
    maker: &Maker,
    change: fn(&mut Ios<'_>),
    forgery: Forgery<'_>,
) -> Result<(u16, symbolon_phone::element::IosKey), Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = named(app, Purpose::First, &bytes)?;
    let mut phone = Ios::genuine(APP_ID, &hash);
    change(&mut phone);
    let (enclave, object) = maker.ios_forged(&phone, forgery)?;
    let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
    let status = app.attest("apple-appattest", &challenge, &[("attestation", &object), ("key_id", &key_id)]).await?.0;
    Ok((status, enclave))
}
