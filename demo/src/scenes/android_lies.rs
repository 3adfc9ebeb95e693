//! Every kind of lie that an Android phone can tell, one after the other, by somebody who knows the app's client_id and redirect_uri;
//! and the same phone telling the truth.

use super::Scene;
use super::genuine_app::{BACK, CLIENT};
use crate::stage::Stage;
use symbolon_attest::binding;
use symbolon_oauth::base64url;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::element::{Android, Forgery, Maker};

pub const SCENE: Scene = Scene {
    name: "android-lies",
    about: "ten ways in which evidence of an Android phone is false, and the truth (Android Key Attestation)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

/// What the phone changes in its evidence, how it signs it, and why the server refuses.
type Lie = (&'static str, fn(&mut Android<'_>), Forgery<'static>, &'static str);

const LIES: [Lie; 9] = [
    ("The evidence of another app", |it| it.package = "com.evil", Forgery::None, "Android writes the package that asked for the key."),
    (
        "The app, signed by somebody else",
        |it| it.signing_digest = [8; 32],
        Forgery::None,
        "Android writes the digest of the app's signer too.",
    ),
    (
        "Evidence for another challenge",
        |it| it.challenge = b"yesterday",
        Forgery::None,
        "Evidence answers our challenge, so nobody can replay it.",
    ),
    ("A key in software", |it| it.level = 0, Forgery::None, "Whoever can read such a key can copy it."),
    ("A phone with an open boot loader", |it| it.locked = false, Forgery::None, "Anything that runs on such a phone may be changed."),
    ("A phone without updates", |it| it.patch = 202_512, Forgery::None, "The policy names the oldest patch level that it accepts."),
    (
        "Evidence signed with a keybox that has leaked",
        |_| {},
        Forgery::LeakedKeybox,
        "The serial of its certificate is on the list of leaked ones.",
    ),
    (
        "An attested key that vouches for another key",
        |_| {},
        Forgery::HigherExtension,
        "Only the certificate of the key itself may describe the key.",
    ),
    (
        "Evidence for another key than the one that signs",
        |_| {},
        Forgery::AnotherKey,
        "The proof and the evidence must be of the same key.",
    ),
];

fn chain(app: &App, maker: &Maker, challenge: &[u8; 32], change: fn(&mut Android<'_>), forgery: Forgery<'_>) -> Result<String, Trouble> {
    let key = app.element.as_ref().map(|it| &it.key).ok_or_else(|| Trouble("the app has no key".to_owned()))?;
    let hash = binding::leaf(challenge, CLIENT);
    let mut phone = Android::genuine("com.example.shop", [7; 32], &hash);
    change(&mut phone);
    let chain = maker.android_forged(key, &phone, forgery)?;
    Ok(chain.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join("."))
}

/// Status and tier of an attestation with this change.
async fn attest(app: &App, maker: &Maker, change: fn(&mut Android<'_>), forgery: Forgery<'_>) -> Result<(u16, String), Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let chain = chain(app, maker, &bytes, change, forgery)?;
    let (status, body) = app.attest("android-key", &challenge, &[("chain", &chain)]).await?;
    Ok((status, crate::stage::text(&body, "tier")))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let mut app = stage.app(CLIENT, BACK).await?;
    app.make_key()?;
    let maker = stage.world.maker.clone();
    stage.prepared("Every act asks for a challenge and answers it with evidence (Android Key Attestation).");
    for (title, change, forgery, why) in LIES {
        let (status, _) = attest(&app, &maker, change, forgery).await?;
        stage.act(title, status == 400, why);
    }
    let (status, _) = attest(&app, &Maker::new()?, |_| {}, Forgery::None).await?;
    stage.act("A phone that Google has not certified", status == 400, "The chain must end at a root that this server trusts.");
    truth(stage, &app, &maker).await
}

async fn truth(stage: &mut Stage, app: &App, maker: &Maker) -> Result<(), Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let chain = chain(app, maker, &bytes, |_| {}, Forgery::None)?;
    let other = self::chain(app, maker, &bytes, |it| it.patch = 202_609, Forgery::None)?;
    let (first, _) = app.attest("android-key", &challenge, &[("chain", &chain)]).await?;
    let (again, _) = app.attest("android-key", &challenge, &[("chain", &chain)]).await?;
    stage.act(
        "The genuine app on a genuine phone, which sends its evidence twice",
        (first, again) == (200, 200),
        "The first answer may have been lost. The same evidence gets the same answer for five minutes.",
    );
    let (status, _) = app.attest("android-key", &challenge, &[("chain", &other)]).await?;
    stage.act("Other evidence for the same challenge", status == 400, "A challenge is good for one attestation.");
    let (_, old) = attest(app, maker, |it| it.patch = 202_603, Forgery::None).await?;
    let (_, updated) = attest(app, maker, |_| {}, Forgery::None).await?;
    stage.act_with(
        "A genuine phone without updates since March; then it is updated",
        &[format!("before: tier {old}; after: tier {updated}")],
        (old.as_str(), updated.as_str()) == ("software", "hardware"),
        "Attackers know the faults of an old system. It gets the lower tier until it is updated.",
    );
    Ok(())
}
