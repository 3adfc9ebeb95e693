//! A world of native screens whose app may use passkeys, and an installation whose platform has a software authenticator.

use super::native::{ASKED, Screens};
use super::{Answer, Configuration, PASSWORD, Phone};
use serde_json::Value as Json;
use symbolon_oauth::base64url;
use symbolon_phone::authenticator::Authenticator;

/// SHA-256 of the certificates of three builds.
pub const BUILDS: [(&str, u8); 3] = [("play", 0x14), ("side", 0x20), ("debug", 0x7f)];
pub const IOS: &str = "ABCDE12345.com.example.screens";
pub const PACKAGE: &str = "com.example.screens";

pub fn fingerprint(byte: u8) -> String {
    vec![format!("{byte:02X}"); 32].join(":")
}

/// As Android writes it.
pub fn android(byte: u8) -> String {
    format!("android:apk-key-hash:{}", base64url::encode(&[byte; 32]))
}

/// The app of the client `screens`, and policies with passkeys.
pub fn with_app(configuration: Configuration) -> Configuration {
    let builds = BUILDS.map(|(name, byte)| format!("{name} = \"{}\"\n", fingerprint(byte))).concat();
    configuration.with(&format!(
        "[client.screens.app]\nios = [\"{IOS}\"]\n[client.screens.app.android.\"{PACKAGE}\"]\n{builds}\
         [passkeys]\noffer = false\n[login.default]\nrequire = [\"password\", \"passkey\"]\n\
         [login.both]\nrequire = [\"password + passkey\"]\nacr = \"urn:both\"\n\
         [login.two-factor]\nrequire = [\"passkey\", \"password + totp\"]\ntwo_factor_passkey = true\nacr = \"urn:two\"\n"
    ))
}

/// An installation, with what its platform keeps.
pub struct Hand<'a> {
    pub phone: Phone<'a>,
    pub keys: Authenticator,
    pub origin: String,
}

impl<'a> Hand<'a> {
    pub fn of(scene: &'a Screens, keys: Authenticator) -> Self {
        Self { phone: scene.genuine(), keys, origin: android(BUILDS[0].1) }
    }

    pub async fn send(&mut self, step: &Answer, document: &Json) -> Answer {
        self.phone.answer(step, "passkey", &[("passkey", &document.to_string())]).await
    }

    /// The platform makes a passkey, as the step asks.
    pub async fn make(&mut self, step: &Answer) -> Answer {
        assert_eq!(step.step()["operation"]["name"], "passkey_create", "{step:?}");
        let made = self.keys.create(options(step), &self.origin).unwrap();
        self.send(step, &made).await
    }

    /// What the platform answers to the step.
    pub fn used(&mut self, step: &Answer) -> Json {
        assert_eq!(step.step()["operation"]["name"], "passkey_get", "{step:?}");
        self.keys.get(options(step), &self.origin).unwrap()
    }

    pub async fn use_it(&mut self, step: &Answer) -> Answer {
        let used = self.used(step);
        self.send(step, &used).await
    }

    /// Somebody signs in with the password and, as the policy wants it, makes a passkey, which an operator confirms.
    pub async fn add(&mut self, person: &str) -> Answer {
        let step = self.phone.begin_with(&[("acr_values", "urn:both")]).await;
        let step = self.phone.answer_password(&step, person, PASSWORD).await;
        assert_eq!((step.error(), step.kind()), (ASKED, "enrol_passkey"), "{step:?}");
        let waits = self.make(&step).await;
        assert_eq!((waits.error(), waits.kind()), (ASKED, "waits"), "{waits:?}");
        assert!(self.phone.world.confirm(person).await);
        let done = self.phone.answer(&waits, "continue", &[]).await;
        assert_eq!(done.status, 200, "{done:?}");
        done
    }

    /// A whole sign-in by the passkey alone.
    pub async fn sign_in(&mut self) -> Answer {
        let step = self.phone.begin().await;
        self.use_it(&step).await
    }
}

/// What the step gives to the platform.
pub fn options(step: &Answer) -> &Json {
    &step.step()["operation"]["options"]
}

/// A refusal: the same step, with this problem.
pub fn refused(answer: &Answer, problem: &str) {
    assert_eq!((answer.error(), answer.problem()), (ASKED, problem), "{answer:?}");
}
