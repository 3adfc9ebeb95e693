//! A malicious app on the person's phone poses as the shop's app. It has copied the client_id and the redirect URIs: both are in every
//! copy of the app. What it gets depends on who may take the answer of a sign-in.

use super::{Scene, genuine_app};
use crate::stage::{Stage, text};
use symbolon_client::SignIn;
use symbolon_phone::Trouble;
use symbolon_phone::app::{App, Pending};
use symbolon_phone::browser::Browser;
use symbolon_phone::links::{Dispatcher, Gesture, Opened, Package, System};

pub const SCENE: Scene = Scene {
    name: "impersonation",
    about: "a malicious app poses as the shop's app: schemes, attestation, and links that belong to the app",
    in_story: false,
    config: r#"
[client.shop-scheme]
kind = "native"
name = "Example Shop"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["com.example.shop:/callback"]

[client.shop-links]
kind = "native"
name = "Example Shop"
owner = "shop"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://links.shop.test/callback"]
[client.shop-links.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-links.app.android."com.example.shop"]
play = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5"
[client.shop-links.continue]
host = "go.signin.test"

[client.shop-attested-scheme]
kind = "native"
name = "Example Shop"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["com.example.shop:/attested"]
authentication = "attest_jwt_client_auth_dpop"
[client.shop-attested-scheme.attestation]
unsafe_private_schemes = true
ios = { app_ids = ["ABCDE12345.com.example.shop"] }

[client.shop-attested-link]
kind = "native"
name = "Example Shop"
owner = "shop"
first_party = true
apis = { orders = ["orders:read"] }
redirect_uris = ["https://links.shop.test/attested"]
authentication = "attest_jwt_client_auth_dpop"
[client.shop-attested-link.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-attested-link.attestation]
ios = { app_ids = ["ABCDE12345.com.example.shop"] }
[client.shop-attested-link.continue]
host = "go.signin.test"

[host."links.shop.test"]
owner = "shop"
[host."go.signin.test"]
owner = "shop"
continue_page = true
"#,
    acts: |stage| Box::pin(acts(stage)),
};

const HOST: &str = "links.shop.test";
const PAGE: &str = "go.signin.test";
const SCHEME: &str = "com.example.shop:/callback";
const LINK: &str = "https://links.shop.test/callback";
/// The certificate that signs the shop's app, as Android writes it.
const FINGERPRINT: &str = "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5";
/// What Chrome on a phone says of itself.
const CHROME: &str =
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let phone = two_apps(stage).await?;
    by_scheme(stage, &phone).await?;
    by_link(stage, &phone).await?;
    on_android(stage).await?;
    mailed(stage).await?;
    lent(stage, &phone).await?;
    lent_with_a_link(stage, &phone).await
}

/// The attacker begins in his own genuine app, mails the link, and calls.
async fn mailed(stage: &mut Stage) -> Result<(), Trouble> {
    let attackers = stage.app("shop-links", LINK).await?;
    let pending = attackers.push("orders:read").await?;
    let victims = stage.app("shop-links", LINK).await?;
    let page = signs_in(stage, &victims, &pending.address, &format!("http://{PAGE}/c/")).await?;
    let shown = continue_page(stage, &victims, page.rsplit('/').next().unwrap_or_default(), "").await?;
    let code = code_of(&button(&shown));
    let read_out = visible(&shown);
    stage.act_with(
        "An attacker mails a sign-in that he began in his own app, and asks by telephone for the code",
        &[format!("what the person can read: {read_out}")],
        !code.is_empty() && !read_out.contains(&code) && !read_out.contains("code"),
        "There is nothing to tell. The page has a button and no text that another device could use; the button opens the app on this phone, \
         which did not begin this sign-in.",
    );
    Ok(())
}

/// A page without its tags.
fn visible(html: &str) -> String {
    let body = html.split_once("<main").map_or(html, |(_, rest)| rest);
    let text: String = body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, words)| words)).collect::<Vec<_>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The shop's app and the malicious one on one phone, in this order.
async fn two_apps(stage: &mut Stage) -> Result<Dispatcher, Trouble> {
    let mut phone = Dispatcher::new(&stage.world.issuer)?;
    let package = |name, id| Package { name, system: System::Ios(id), hosts: vec![HOST], schemes: vec!["com.example.shop"] };
    let genuine = phone.install(package("shop", genuine_app::APP_ID)).await?;
    let malicious = phone.install(package("malicious", "EVIL123456.com.example.shop")).await?;
    stage.act(
        "Two apps are installed; both say that they open links of links.shop.test",
        genuine == [HOST] && malicious.is_empty(),
        "The phone asks the host. Its association file names the shop's app alone, by its team at Apple.",
    );
    Ok(phone)
}

/// The person signs in on real pages. Answers where the browser was sent.
async fn signs_in(stage: &Stage, app: &App, address: &str, claimed: &str) -> Result<String, Trouble> {
    let mut browser = Browser::default();
    let back = browser.visit(&app.net.http, address, claimed, &stage.person()).await;
    app.net.add_browsed(browser.take_log());
    back
}

fn code_of(back: &str) -> String {
    let url = url::Url::parse(back).ok();
    url.and_then(|url| url.query_pairs().find(|(name, _)| name == "code").map(|it| it.1.into_owned())).unwrap_or_default()
}

async fn by_scheme(stage: &mut Stage, phone: &Dispatcher) -> Result<(), Trouble> {
    let malicious = stage.app("shop-scheme", SCHEME).await?;
    let Pending { verifier, address, .. } = malicious.push("orders:read").await?;
    let back = signs_in(stage, &malicious, &address, SCHEME).await?;
    let opened = phone.open(&back, Gesture::None);
    let (status, tokens) = malicious.exchange(&code_of(&back), &verifier).await?;
    stage.act(
        "The malicious app starts a sign-in of its own, with a private-use scheme",
        opened == Opened::App("malicious") && status == 200 && !text(&tokens, "access_token").is_empty(),
        "The naive configuration. The person sees the shop's name and agrees, and the phone hands the answer to any app with that scheme. \
         `symbolon check` marks such a client.",
    );
    Ok(())
}

async fn by_link(stage: &mut Stage, phone: &Dispatcher) -> Result<(), Trouble> {
    let malicious = stage.app("shop-links", LINK).await?;
    let pending = malicious.push("orders:read").await?;
    let page = signs_in(stage, &malicious, &pending.address, &format!("http://{PAGE}/c/")).await?;
    let reference = page.rsplit('/').next().unwrap_or_default();
    let link = button(&continue_page(stage, &malicious, reference, "").await?);
    let (tapped, redirected) = (phone.open(&link, Gesture::TapOn(PAGE)), phone.open(&link, Gesture::None));
    stage.act(
        "The same with a claimed https link: the sign-in ends on the continue page, and the person taps the button",
        link.starts_with(LINK) && tapped == Opened::App("shop") && redirected == Opened::Browser,
        "The phone opens the shop's app, which did not start this sign-in and drops the answer. The malicious app gets nothing. Without the tap \
         the browser would have kept the link.",
    );
    let again = continue_page(stage, &malicious, reference, "").await?;
    stage.act(
        "The malicious app fetches the continue page itself",
        !again.contains("code="),
        "The page belongs to the browser that opened it first. Nothing on it is of use to anybody else.",
    );
    Ok(())
}

/// The same on Android, where a package has one name and two signers.
async fn on_android(stage: &mut Stage) -> Result<(), Trouble> {
    let mut phone = Dispatcher::new(&stage.world.issuer)?;
    let package = |name, package, fingerprint| {
        let system = System::Android { package, fingerprint };
        Package { name, system, hosts: vec![HOST], schemes: vec!["com.example.shop"] }
    };
    let genuine = phone.install(package("shop", "com.example.shop", FINGERPRINT)).await?;
    let malicious = phone.install(package("malicious", "com.example.evil", FINGERPRINT)).await?;
    // Signed by somebody else, under the shop's name: a phone that has the shop's app takes no second one.
    let mut other = Dispatcher::new(&stage.world.issuer)?;
    let copied = other.install(package("copied", "com.example.shop", "00:11:22")).await?;
    let app = stage.app("shop-links", LINK).await?;
    let pending = app.push("orders:read").await?;
    let page = signs_in(stage, &app, &pending.address, &format!("http://{PAGE}/c/")).await?;
    let link = button(&continue_page(stage, &app, page.rsplit('/').next().unwrap_or_default(), CHROME).await?);
    let (tapped, on_other) = (phone.open(&link, Gesture::TapOn(PAGE)), other.open(&link, Gesture::TapOn(PAGE)));
    let by_scheme = phone.open("com.example.shop:/callback?code=x", Gesture::TapOn(PAGE));
    stage.act(
        "On Android the button is an intent: it names the shop's package, and the host names the certificate",
        genuine == [HOST] && malicious.is_empty() && copied.is_empty() && link.starts_with("intent://"),
        "Neither another package nor the same name with another signature is in the association file.",
    );
    stage.act(
        "The person taps it, on a phone with the shop's app, and on one with a copy of it alone",
        tapped == Opened::App("shop") && on_other == Opened::Browser && by_scheme == Opened::Chooser(vec!["shop", "malicious"]),
        "The copy gets nothing. With a private-use scheme Android would have asked the person which of two apps is meant.",
    );
    Ok(())
}

async fn continue_page(stage: &Stage, app: &App, reference: &str, user_agent: &str) -> Result<String, Trouble> {
    let url = format!("{}/c/{reference}", stage.world.issuer);
    Ok(app.net.http.get(url).header("host", PAGE).header("user-agent", user_agent).send().await?.text().await?)
}

/// Where the button of a continue page leads.
fn button(html: &str) -> String {
    let link = html.split("id=\"onward\" href=\"").nth(1).and_then(|it| it.split('"').next()).unwrap_or_default();
    link.replace("&amp;", "&").replace("&#x2f;", "/").replace("&#x3b;", ";")
}

/// Somebody's genuine, attested app lends its request.
async fn lent(stage: &mut Stage, phone: &Dispatcher) -> Result<(), Trouble> {
    let back = "com.example.shop:/attested";
    let fake = stage.app("shop-attested-scheme", back).await?;
    let is_refused = fake.push("orders:read").await.is_err();
    let query = "client_id=shop-attested-scheme&response_type=code&scope=orders:read&redirect_uri=com.example.shop:/attested";
    let (status, _) = fake.call(&format!("{}/authorize?{query}", stage.world.issuer), None).await?;
    stage.act(
        "The malicious app starts a sign-in as a client that has to attest itself",
        is_refused && status == 400,
        "It gets no request_uri of its own, because it is not the app of this client. Without one there is no sign-in: attestation makes \
         pushing mandatory.",
    );
    let attackers = stage.phone("shop-attested-scheme", back)?.attested_by(&stage.world.maker, genuine_app::APP_ID);
    let address = attackers.client.begin(&SignIn::new("orders:read")).await?;
    let answer = signs_in(stage, &fake, &address, back).await?;
    let opened = phone.open(&answer, Gesture::None);
    let got = attackers.client.finish(&answer).await;
    stage.act(
        "The attacker's own genuine app starts the sign-in, and lends its request_uri to the malicious app on the person's phone",
        opened == Opened::App("malicious") && got.is_ok_and(|it| it.is_some()),
        "Attestation, PKCE and the key all hold, and still the attacker has the person's tokens: the malicious app hands the code back. \
         With a shared scheme this works. Only a claimed link stops it.",
    );
    Ok(())
}

/// The same app and the same loan, with another way back.
async fn lent_with_a_link(stage: &mut Stage, phone: &Dispatcher) -> Result<(), Trouble> {
    let (client, back) = ("shop-attested-link", "https://links.shop.test/attested");
    let attackers = stage.phone(client, back)?.attested_by(&stage.world.maker, genuine_app::APP_ID);
    let address = attackers.client.begin(&SignIn::new("orders:read")).await?;
    let malicious = stage.app(client, back).await?;
    let page = signs_in(stage, &malicious, &address, &format!("http://{PAGE}/c/")).await?;
    let link = button(&continue_page(stage, &malicious, page.rsplit('/').next().unwrap_or_default(), "").await?);
    let opened = phone.open(&link, Gesture::TapOn(PAGE));
    let persons = stage.phone(client, back)?.attested_by(&stage.world.maker, genuine_app::APP_ID);
    let is_taken = persons.client.finish(&link).await.is_ok_and(|it| it.is_some());
    let has_tokens = attackers.client.is_signed_in().await?;
    stage.act(
        "The attacker's genuine app lends a request_uri again, and this time the way back is a claimed link",
        link.starts_with(back) && opened == Opened::App("shop") && !is_taken && !has_tokens,
        "The person's phone opens the shop's genuine app, which did not begin this sign-in and drops the answer. The malicious app has nothing to \
         hand back, and the attacker gets nothing.",
    );
    Ok(())
}
