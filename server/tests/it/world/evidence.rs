//! What a phone proves about itself to the built-in attester: App Attest, key attestation, in their wire formats. Every statement can
//! be bent before it is signed.

use super::{Answer, Phone};
use symbolon_attest::binding::{self, Purpose};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::PrivateKey;
use symbolon_phone::element::{Android, Ios, Maker};

/// The app on iPhones.
pub const APP: &str = "ABCDE12345.com.example.shop";
/// The app on Android phones; its certificate has the digest `[7; 32]`.
pub const PACKAGE: &str = "com.example.shop";

/// A chain of certificates as `/attest` takes it.
pub fn chain(certificates: &[Vec<u8>]) -> String {
    certificates.iter().map(|it| base64url::encode(it)).collect::<Vec<_>>().join(".")
}

impl<'a> Phone<'a> {
    pub fn made_by(self, maker: &'a Maker) -> Self {
        Self { maker: Some(maker), ..self }
    }

    pub fn maker(&self) -> &'a Maker {
        self.maker.expect("a maker")
    }

    pub fn thumbprint(&self) -> [u8; 32] {
        base64url::decode(self.key.kid()).unwrap().try_into().unwrap()
    }

    /// What evidence names: this challenge, this client and this phone's key.
    pub fn named(&self, purpose: Purpose, challenge: &[u8; 32]) -> [u8; 32] {
        binding::named(purpose, self.client, challenge, &self.thumbprint())
    }

    /// A challenge of this client for any phone: as text, and its bytes.
    pub async fn any_challenge(&self, client: &str) -> (String, [u8; 32]) {
        let (status, body) = self.world.post("/attest/challenge", &[("client_id", client)], None).await;
        assert_eq!(status, 200, "{body}");
        read(body["challenge"].as_str().unwrap())
    }

    /// A challenge for this phone's key alone.
    pub async fn own_challenge(&mut self, client: &str) -> (String, [u8; 32]) {
        let answer = self.post("/attest/challenge", &[("client_id", client)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        read(&answer.text("challenge"))
    }

    /// Sends evidence; keeps the attestation that comes back.
    pub async fn attest(&mut self, format: &str, challenge: &str, evidence: &[(&str, &str)]) -> Answer {
        let form = [&[("format", format), ("challenge", challenge)], evidence].concat();
        let answer = self.post("/attest", &form).await;
        if answer.status == 200 {
            self.attestation = answer.body["client_attestation"].as_str().map(str::to_owned);
        }
        answer
    }

    /// First evidence of an iPhone.
    pub async fn attest_iphone(&mut self, bend: impl FnOnce(&mut Ios<'_>)) -> Answer {
        self.attest_iphone_of(self.maker(), bend).await
    }

    /// The same of an iPhone by this maker.
    pub async fn attest_iphone_of(&mut self, maker: &Maker, bend: impl FnOnce(&mut Ios<'_>)) -> Answer {
        let (text, challenge) = self.any_challenge(self.client).await;
        let hash = self.named(Purpose::First, &challenge);
        let times = self.receipt_times.take();
        let made = times.as_ref().map(|times| [times[0].as_str(), &times[1], &times[2]]);
        let mut iphone = Ios { made, ..Ios::genuine(APP, &hash) };
        bend(&mut iphone);
        let (enclave, object) = maker.ios_as(&iphone).unwrap();
        let (object, key_id) = (base64url::encode(&object), base64url::encode(&enclave.key_id));
        (self.enclave, self.counter) = (Some(enclave), 0);
        self.attest("apple-appattest", &text, &[("attestation", &object), ("key_id", &key_id)]).await
    }

    /// The next signature of the same iPhone, with what it says of the app.
    pub async fn renew_iphone(&mut self, version: Option<&str>, category: Option<u32>) -> Answer {
        self.counter += 1;
        self.assert(self.counter, version, category).await
    }

    /// A signature of the same iPhone with this number.
    pub async fn renew_iphone_as_number(&mut self, counter: u32) -> Answer {
        self.assert(counter, None, None).await
    }

    async fn assert(&mut self, counter: u32, version: Option<&str>, category: Option<u32>) -> Answer {
        let (text, challenge) = self.own_challenge(self.client).await;
        let hash = self.named(Purpose::Renewal, &challenge);
        let made = self.enclave.as_ref().unwrap().assertion_of(&hash, counter, version, category).unwrap();
        self.attest("apple-assertion", &text, &[("assertion", &base64url::encode(&made))]).await
    }

    /// First evidence of an Android phone.
    pub async fn attest_android(&mut self, bend: impl FnOnce(&mut Android<'_>)) -> Answer {
        self.attest_key("android-key", None, bend).await
    }

    /// Evidence about this key of an Android phone: its own, or a throw-away key that speaks for it.
    pub async fn attest_key(&mut self, format: &str, key: Option<&PrivateKey>, bend: impl FnOnce(&mut Android<'_>)) -> Answer {
        let first = format == "android-key";
        let (text, challenge) = if first { self.any_challenge(self.client).await } else { self.own_challenge(self.client).await };
        let hash = if first { binding::leaf(&challenge, self.client) } else { self.named(Purpose::Renewal, &challenge) };
        let mut android = Android::genuine(PACKAGE, [7; 32], &hash);
        bend(&mut android);
        let certificates = self.maker().android(key.unwrap_or(&self.key), &android).unwrap();
        self.attest(format, &text, &[("chain", &chain(&certificates))]).await
    }
}

fn read(text: &str) -> (String, [u8; 32]) {
    (text.to_owned(), base64url::decode(text).unwrap().try_into().unwrap())
}
