//! Every kind of lie that an iPhone can tell, one after the other; and the same phone telling the truth.

use super::Scene;
use super::genuine_app::{APP_ID, BACK, CLIENT, thumbprint};
use crate::stage::Stage;
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;
use symbolon_phone::Trouble;
use symbolon_phone::app::App;
use symbolon_phone::element::{Forgery, Ios, IosKey, Maker};

pub const SCENE: Scene = Scene {
    name: "iphone-lies",
    about: "seven ways in which evidence of an iPhone is false, and the truth (App Attest)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

/// What the phone changes in its evidence, how it signs it, and why the server refuses.
type Lie = (&'static str, fn(&mut Ios<'_>), Forgery<'static>, &'static str);

const LIES: [Lie; 6] = [
    ("The evidence of another app", |it| it.app_id = "EVIL123456.com.example.shop", Forgery::None, "Apple writes which app asked."),
    (
        "Evidence for another challenge",
        |it| it.client_data_hash = b"yesterday",
        Forgery::None,
        "Evidence answers our challenge, so nobody can replay it.",
    ),
    (
        "A developer's build",
        |it| it.development = true,
        Forgery::None,
        "Only builds from the store count, unless the policy says otherwise.",
    ),
    (
        "An app that is built for the store and signed by a developer",
        |it| it.category = Some(3),
        Forgery::None,
        "From iOS 27 on the system says who signed the app.",
    ),
    ("The nonce stands in a higher certificate", |_| {}, Forgery::HigherExtension, "Only the certificate of the key itself may have it."),
    ("Another key than the certificate's", |_| {}, Forgery::AnotherKey, "Three places name the key, and they must agree."),
];

async fn attest(app: &App, maker: &Maker, change: fn(&mut Ios<'_>), forgery: Forgery<'_>) -> Result<(u16, IosKey), Trouble> {
    let (challenge, bytes) = app.attestation_challenge().await?;
    let hash = binding::named(Purpose::First, CLIENT, &bytes, &thumbprint(app)?);
    let mut phone = Ios::genuine(APP_ID, &hash);
    change(&mut phone);
    let (enclave, object) = maker.ios_forged(&phone, forgery)?;
    let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
    let status = app.attest("apple-appattest", &challenge, &[("attestation", &object), ("key_id", &key_id)]).await?.0;
    Ok((status, enclave))
}

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let mut app = stage.app(CLIENT, BACK).await?;
    app.make_key()?;
    let maker = stage.world.maker.clone();
    stage.prepared("Every act asks for a challenge and answers it with evidence (App Attest).");
    for (title, change, forgery, why) in LIES {
        let (status, _) = attest(&app, &maker, change, forgery).await?;
        stage.act(title, status == 400, why);
    }
    let (status, _) = attest(&app, &Maker::new()?, |_| {}, Forgery::None).await?;
    stage.act("A phone that Apple has not made", status == 400, "The chain must end at a root that this server trusts.");
    let (status, enclave) = attest(&app, &maker, |_| {}, Forgery::None).await?;
    stage.act("The genuine app on a genuine iPhone", status == 200, "This is the same evidence without any of the changes.");
    let mut statuses = Vec::new();
    for counter in [7, 7, 3, 8] {
        let (challenge, bytes) = app.attestation_challenge().await?;
        let hash = binding::named(Purpose::Renewal, CLIENT, &bytes, &thumbprint(&app)?);
        let assertion = base64url::encode(&enclave.assertion(&hash, counter)?);
        statuses.push(app.attest("apple-assertion", &challenge, &[("assertion", &assertion)]).await?.0);
    }
    stage.act_with(
        "It renews its attestation four times, with the counters 7, 7, 3 and 8",
        &[format!("the answers: {statuses:?}")],
        statuses == [200, 400, 400, 200],
        "The counter rises with each signature. One that does not rise comes from a copy of the key.",
    );
    Ok(())
}
