//! The present configuration says which kinds of passkeys count: for one that is made, one that is used, and one that was used before.

use crate::passkey_answers::making;
use crate::passkeys::{reason, refused};
use crate::world::passkeys::{Keys, on_every_engine, options};
use crate::world::{Ask, Browser, PASSWORD, Page};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::Value as Json;
use symbolon::store::{Change, Expect};
use symbolon_oauth::{base64url, digest};
use symbolon_phone::authenticator::Authenticator;

const LISTED: &str = "aaguids = [\"07070707-0707-0707-0707-070707070707\"]";

/// As if a maker had said what the passkeys of this kind are, or all of them.
async fn attest(keys: &Keys, sql: &'static str) {
    let app = keys.world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    change.run_expecting(sql, Vec::new(), Expect::Any);
    app.store.apply(change).await.unwrap();
}

/// The maker that is believed, and a further rule.
async fn rule(keys: &Keys, more: &str) -> Maker {
    let file = keys.world.directory.join("makers.pem");
    let key = KeyPair::generate().unwrap();
    std::fs::write(&file, CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()).unwrap();
    let text = match more {
        "" => "[passkeys]\nattestation = \"none\"\nattestation_roots = []\naaguids = []\nsynced = true\n".to_owned(),
        more => format!("[passkeys]\nattestation = \"direct\"\nattestation_roots = ['{}']\n{more}\n", file.display()),
    };
    keys.world.reload(|it| it.with(&text)).await;
    Maker { key }
}

/// Makes authenticators whose kind it can vouch for.
struct Maker {
    key: KeyPair,
}

impl Maker {
    /// The platform's answer to the page, with a statement of this format.
    fn vouched(&self, keys: &Keys, page: &Page, format: &str) -> Json {
        let mut made = Authenticator::security_key().create(&options(page), &keys.origin).unwrap();
        let bytes = |member: &str| base64url::decode(made["response"][member].as_str().unwrap()).unwrap();
        let (object, hash) = (bytes("attestationObject"), digest::sha256(&bytes("clientDataJSON")));
        // The authenticator data stand last, behind a length of one byte. Their end is the key.
        let at = object.windows(9).position(|part| part == b"\x68authData").unwrap();
        let data = &object[at + 11..];
        let (id, key) = data[55..].split_at(data.len() - 55 - 77);
        let point = [&[4u8][..], &key[10..42], &key[45..]].concat();
        let (members, signed) = match format {
            "fido-u2f" => (&b"\xa2"[..], [&[0u8][..], &data[..32], &hash, id, &point].concat()),
            _ => (&b"\xa3\x63alg\x26"[..], [data, &hash].concat()),
        };
        let (leaf, signer) = self.leaf();
        let signature = signer.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec();
        let sized = |bytes: &[u8]| [&[0x59u8][..], &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let statement = [members, b"\x63sig", &sized(&signature), b"\x63x5c\x81", &sized(&leaf)].concat();
        let name = [&[0x60 + u8::try_from(format.len()).unwrap()][..], format.as_bytes()].concat();
        let whole = [&b"\xa3\x63fmt"[..], &name, b"\x67attStmt", &statement, &object[at..]].concat();
        made["response"]["attestationObject"] = base64url::encode(&whole).into();
        made
    }

    /// The certificate of a lot of authenticators, and its key.
    fn leaf(&self) -> (Vec<u8>, EcdsaKeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        for (kind, text) in [
            (DnType::CountryName, "SE"),
            (DnType::OrganizationName, "Maker"),
            (DnType::OrganizationalUnitName, "Authenticator Attestation"),
            (DnType::CommonName, "Lot 1"),
        ] {
            params.distinguished_name.push(kind, text);
        }
        let by_maker = Issuer::new(CertificateParams::new(Vec::new()).unwrap(), &self.key);
        let leaf = params.signed_by(&key, &by_maker).unwrap().der().to_vec();
        (leaf, EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).unwrap())
    }
}

/// 388-W: a statement of U2F signs no AAGUID, so that the one beside it is a claim, whoever made the authenticator. The twins: the same maker's
/// statement of the format packed, and one of U2F where no kinds are listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_signs_no_aaguid_makes_no_kind() {
    on_every_engine("", |keys| async move {
        let nothing = "00000000-0000-0000-0000-000000000000";
        let kept = async |keys: &Keys| {
            let entry = keys.world.entries("passkey_enrolled").await.pop().unwrap();
            entry["detail"]["aaguid"].as_str().unwrap().to_owned()
        };
        let maker = rule(&keys, LISTED).await;
        let mut browser = Browser::default();
        let page = making(&keys, &mut browser, "alice").await;
        let page = keys.answer(&mut browser, &page, &maker.vouched(&keys, &page, "fido-u2f")).await;
        refused(&page, "This kind of passkey is not accepted here.");
        assert!(reason(&keys).await.contains(&format!("the kind {nothing} is not accepted: fido-u2f")), "{}", reason(&keys).await);
        assert_eq!(keys.world.audited("passkey_enrolled").await, 0);
        let done = keys.answer(&mut browser, &page, &maker.vouched(&keys, &page, "packed")).await;
        assert_eq!((done.status, kept(&keys).await.as_str()), (303, "07070707-0707-0707-0707-070707070707"), "the twin: {}", done.html);

        keys.world.person("bob").await;
        let maker = rule(&keys, "aaguids = []").await;
        let mut browser = Browser::default();
        let page = making(&keys, &mut browser, "bob").await;
        let done = keys.answer(&mut browser, &page, &maker.vouched(&keys, &page, "fido-u2f")).await;
        assert_eq!((done.status, kept(&keys).await.as_str()), (303, nothing), "no kinds are listed: {}", done.html);
        keys.world.stop().await;
    })
    .await;
}

/// 388-W: a proof by a passkey that is refused now is gone, in every session, and the passkey proves nobody any more. Another kind, and the same
/// one under the configuration of before, count.
#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_refused_proves_nothing_any_more() {
    const ALL: &str = "UPDATE passkey SET attested = 1";
    const KEYS: &str = "UPDATE passkey SET attested = CASE WHEN backup_eligible = 1 THEN 0 ELSE 1 END";
    on_every_engine("", |keys| async move {
        let (mut phone, mut key) = (Authenticator::default(), Authenticator::security_key());
        let mut browser = Browser::default();
        keys.add(&mut browser, &mut phone, "alice").await;
        keys.add(&mut browser, &mut key, "alice").await;
        let (mut by_phone, mut by_key) = (Browser::default(), Browser::default());
        let page = keys.open(&mut by_phone).await;
        assert!(keys.use_it(&mut by_phone, &page, &mut phone).await.has_code());
        let page = keys.open(&mut by_key).await;
        assert!(keys.use_it(&mut by_key, &page, &mut key).await.has_code());
        for (sql, more, says) in [
            (ALL, LISTED, "the kind ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4 is not accepted"),
            (ALL, "aaguids = []\nsynced = false", "a synced passkey"),
            (KEYS, "aaguids = []\nsynced = true", "no statement of a maker"),
        ] {
            attest(&keys, sql).await;
            rule(&keys, more).await;
            let page = keys.open(&mut by_phone).await;
            assert!(!page.has_code() && page.asks_for("password"), "{more}: {}", page.html);
            assert!(keys.open(&mut by_key).await.has_code(), "the twin: another kind, {more}");
            let mut fresh = Browser::default();
            let page = keys.open(&mut fresh).await;
            let refused = keys.use_it(&mut fresh, &page, &mut phone).await;
            assert!(refused.status == 200 && refused.problem().contains("not accepted here"), "{more}: {}", refused.html);
            let entry = keys.world.entries("passkey_refused").await.pop().unwrap();
            assert!(entry["reason"].as_str().unwrap().contains(says), "{more}: {entry}");
            assert!(keys.use_it(&mut fresh, &refused, &mut key).await.has_code(), "the twin: another kind, {more}");
            // A reset does not ask for it, and the list says why.
            let account = fresh.visit(&keys.world, "/account").await;
            assert_eq!(account.text().matches("is not accepted here any more").count(), 1, "{more}: {}", account.html);
        }
        rule(&keys, "").await;
        assert!(keys.open(&mut by_phone).await.has_code(), "the twin: the configuration of before");
        keys.world.stop().await;
    })
    .await;
}

/// Who has a passkey of a refused kind alone makes another one where a policy wants one, and keeps the old one on the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_passkey_locks_nobody_out() {
    let both = "[login.both]\nrequire = [\"password + passkey\"]\nacr = \"urn:both\"";
    on_every_engine(both, |keys| async move {
        let mut phone = Authenticator::default();
        keys.add(&mut Browser::default(), &mut phone, "alice").await;
        let asked = async |keys: &Keys| {
            let mut browser = Browser::default();
            let page = browser.open(&keys.world, &Ask::native("openid").with("acr_values", "urn:both")).await;
            let page = browser.submit_password(&keys.world, &page, "alice", PASSWORD).await;
            crate::world::passkeys::operation(&page)
        };
        assert_eq!(asked(&keys).await["name"], "passkey_get", "the twin");
        attest(&keys, "UPDATE passkey SET attested = 1").await;
        rule(&keys, "synced = false").await;
        let operation = asked(&keys).await;
        assert_eq!(operation["name"], "passkey_create");
        let excluded = operation["options"]["excludeCredentials"].as_array().map_or(0, Vec::len);
        assert_eq!(excluded, 1, "W-17: its authenticator makes no second one in its place: {operation}");
        keys.world.stop().await;
    })
    .await;
}

/// W-13, W-14: an app's list tells equal names apart and marks what counts no more, as the page does.
#[tokio::test(flavor = "multi_thread")]
async fn both_lists_say_which_passkeys_count() {
    use crate::world::app_passkeys::{Hand, with_app};
    use crate::world::native::{ASKED, Screens};
    let scene = Screens::with(crate::world::Engine::Sqlite, |it| with_app(it).set("client.screens.manage", vec!["passkeys"])).await;
    let mut hand = Hand::of(&scene, Authenticator::default());
    let done = hand.add("alice").await;
    let tokens = hand.phone.redeem(&done.text("authorization_code")).await;
    let list = async |hand: &mut Hand<'_>| {
        let held = tokens.text("auth_session");
        let form = [("auth_session", held.as_str()), ("response_type", "code"), ("prompt", "manage")];
        let step = hand.phone.post("/authorize-challenge", &form).await;
        let menu = hand.use_it(&step).await;
        assert_eq!((menu.error(), menu.kind()), (ASKED, "manage"), "{menu:?}");
        hand.phone.answer(&menu, "passkeys", &[]).await
    };
    let lines = |step: &crate::world::Answer| step.step()["content"][0]["items"].as_array().unwrap().clone();
    let line = lines(&list(&mut hand).await).remove(0);
    assert!(!line.as_str().unwrap().contains("no more") && line.as_str().unwrap().contains("used 20"), "the twin: {line}");
    let app = scene.world.running.shared.now();
    let mut change = Change::new(app.now_ms());
    let copy = "INSERT INTO passkey (rp_id, id, account, public_id, public_key, counter, transports, backup_eligible, backed_up, \
        user_verified, discoverable, aaguid, attested, name, created_ms, used_ms) SELECT 'before.example', id, account, 'other', public_key, \
        counter, transports, backup_eligible, backed_up, user_verified, discoverable, aaguid, attested, name, created_ms + 1, 0 FROM passkey";
    change.run(copy, Vec::new());
    app.store.apply(change).await.unwrap();
    let lines = lines(&list(&mut hand).await);
    let text = lines[1].as_str().unwrap();
    assert!(text.contains("(2) · never used · of another address of this server, works no more"), "{lines:?}");
    assert!(!lines[0].as_str().unwrap().contains("(2)"), "{lines:?}");
    let mut browser = Browser::default();
    let page = browser.visit(&scene.world, "/account").await;
    browser.submit_password(&scene.world, &page, "alice", PASSWORD).await;
    let account = browser.visit(&scene.world, "/account").await;
    assert!(account.html.contains("(2)\"") && account.says("of another address of this server"), "{}", account.html);
    scene.world.stop().await;
}
