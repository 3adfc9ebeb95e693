//! A simulated secure element and its maker. It forges the evidence of both platforms in their exact wire formats, under a root of its
//! own. Only a development configuration trusts that root. The evidence can be false, because the tests and the demo need that.

use crate::Trouble;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use minicbor::Encoder;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use symbolon_oauth::base64url;
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::PrivateKey;

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble(format!("the secure element: {error}"))
}

/// The maker of the phones: a root and an intermediate.
pub struct Maker {
    root: KeyPair,
    middle: KeyPair,
    middle_der: Vec<u8>,
    /// What attests the keys of Android phones.
    attester: KeyPair,
    /// An intermediate whose key has leaked.
    leaked: KeyPair,
    leaked_der: Vec<u8>,
    /// SubjectPublicKeyInfo of the root, in base64url. A development configuration trusts it.
    pub root_spki: String,
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Maker {
    pub fn new() -> Result<Self, Trouble> {
        let [root, middle, leaked] = [KeyPair::generate(), KeyPair::generate(), KeyPair::generate()];
        let (root, middle, leaked) = (root.map_err(trouble)?, middle.map_err(trouble)?, leaked.map_err(trouble)?);
        let root_made = params("Simulated Root", true).self_signed(&root).map_err(trouble)?;
        let by_root = Issuer::new(params("Simulated Root", true), &root);
        let middle_der = params("Simulated Intermediate", true).signed_by(&middle, &by_root).map_err(trouble)?.der().to_vec();
        let leaked_der = params("Simulated Intermediate", true).signed_by(&leaked, &by_root).map_err(trouble)?.der().to_vec();
        let (_, parsed) = x509_parser::parse_x509_certificate(root_made.der()).map_err(trouble)?;
        let root_spki = base64url::encode(parsed.public_key().raw);
        drop(by_root);
        let attester = KeyPair::generate().map_err(trouble)?;
        Ok(Self { root, middle, middle_der, attester, leaked, leaked_der, root_spki })
    }

    /// The serial number of the intermediate whose key has leaked, as status lists write it.
    pub fn leaked_serial(&self) -> Result<String, Trouble> {
        let (_, parsed) = x509_parser::parse_x509_certificate(&self.leaked_der).map_err(trouble)?;
        Ok(parsed.tbs_certificate.serial.to_str_radix(16))
    }

    fn leaf(&self, key: &KeyPair, extension: impl IntoIterator<Item = CustomExtension>) -> Result<Vec<u8>, Trouble> {
        Self::leaf_by(&self.middle, key, extension)
    }

    fn leaf_by(signer: &KeyPair, key: &KeyPair, extension: impl IntoIterator<Item = CustomExtension>) -> Result<Vec<u8>, Trouble> {
        let mut leaf = params("Simulated Key", false);
        leaf.custom_extensions.extend(extension);
        let by_middle = Issuer::new(params("Simulated Intermediate", true), signer);
        Ok(leaf.signed_by(key, &by_middle).map_err(trouble)?.der().to_vec())
    }

    /// The intermediate with an extension that only a leaf may have.
    fn middle_with(&self, extension: CustomExtension) -> Result<Vec<u8>, Trouble> {
        let mut middle = params("Simulated Intermediate", true);
        middle.custom_extensions.push(extension);
        let by_root = Issuer::new(params("Simulated Root", true), &self.root);
        Ok(middle.signed_by(&self.middle, &by_root).map_err(trouble)?.der().to_vec())
    }

    /// Is this another maker, with the same names?
    pub fn is_other_than(&self, other: &Self) -> bool {
        self.root.public_key_raw() != other.root.public_key_raw()
    }

    /// `attestKey` on iOS: a new key of the Secure Enclave and its attestation, without a receipt.
    pub fn ios(&self, app_id: &str, client_data_hash: &[u8]) -> Result<(IosKey, Vec<u8>), Trouble> {
        self.ios_as(&Ios::genuine(app_id, client_data_hash))
    }

    /// The same for any phone.
    pub fn ios_as(&self, phone: &Ios<'_>) -> Result<(IosKey, Vec<u8>), Trouble> {
        self.ios_forged(phone, Forgery::None)
    }

    /// The same by a forger who can change what the phone made.
    pub fn ios_forged(&self, phone: &Ios<'_>, forgery: Forgery<'_>) -> Result<(IosKey, Vec<u8>), Trouble> {
        let key = match forgery {
            Forgery::Again(key) => KeyPair::try_from(key.pkcs8.as_slice()).map_err(trouble)?,
            _ => KeyPair::generate().map_err(trouble)?,
        };
        let point = key.public_key_raw().to_vec();
        let mut cose = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            cose.map(5)?.i8(1)?.i8(2)?.i8(3)?.i8(-7)?.i8(-1)?.i8(1)?;
            cose.i8(-2)?.bytes(&point[1..33])?.i8(-3)?.bytes(&point[33..])?;
            Ok(())
        })()
        .map_err(trouble)?;
        let (key_id, app) = (sha256(&point), sha256(phone.app_id.as_bytes()));
        let environment = if phone.development { b"appattestdevelop" } else { b"appattest\0\0\0\0\0\0\0" };
        let data = [
            &app[..],
            &[0x40],
            &[0; 4],
            environment,
            &[0, 32],
            &key_id,
            &cose.into_writer(),
            &version_and_category(phone.version, phone.category)?,
        ]
        .concat();
        let nonce = sha256(&[data.as_slice(), phone.client_data_hash].concat());
        let value = [[0x30, 0x24, 0xa1, 0x22, 0x04, 0x20].as_slice(), &nonce].concat();
        let nonce = CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 2], value);
        let (leaf, middle) = match forgery {
            Forgery::HigherExtension => (self.leaf(&key, None)?, self.middle_with(nonce)?),
            Forgery::AnotherKey => (self.leaf(&KeyPair::generate().map_err(trouble)?, Some(nonce))?, self.middle_der.clone()),
            Forgery::LeakedKeybox => (Self::leaf_by(&self.leaked, &key, Some(nonce))?, self.leaked_der.clone()),
            Forgery::None | Forgery::Again(_) => {
                (self.leaf(&key, [nonce].into_iter().chain(phone.mac.then(protected_mac)))?, self.middle_der.clone())
            }
        };
        let receipt = match phone.made {
            Some(made) => self.receipt(&Receipt {
                app_id: phone.app_id,
                certificate: &leaf,
                client_data_hash: phone.client_data_hash,
                environment: if phone.development { "sandbox" } else { "production" },
                times: made,
                risk_metric: None,
            })?,
            None => Vec::new(),
        };
        let mut out = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            out.map(3)?.str("fmt")?.str("apple-appattest")?.str("attStmt")?.map(2)?;
            out.str("x5c")?.array(2)?.bytes(&leaf)?.bytes(&middle)?.str("receipt")?.bytes(&receipt)?;
            out.str("authData")?.bytes(&data)?;
            Ok(())
        })()
        .map_err(trouble)?;
        let pkcs8 = key.serialize_der();
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).map_err(trouble)?;
        Ok((IosKey { app_id: phone.app_id.to_owned(), key_id, certificate: leaf, signer, pkcs8 }, out.into_writer()))
    }

    /// A receipt in Apple's form: CMS signed data (RFC 5652) over a set of fields.
    pub fn receipt(&self, receipt: &Receipt<'_>) -> Result<Vec<u8>, Trouble> {
        let key = KeyPair::generate().map_err(trouble)?;
        let mut signer = params("Simulated Receipts", false);
        signer.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        signer.custom_extensions.push(CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 12, 15], vec![5, 0]));
        let by_middle = Issuer::new(params("Simulated Intermediate", true), &self.middle);
        let signer = signer.signed_by(&key, &by_middle).map_err(trouble)?.der().to_vec();
        let content = receipt.fields();
        let signs = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der()).map_err(trouble)?;
        let signature = signs.sign(&SystemRandom::new(), &content).map_err(trouble)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&signer).map_err(trouble)?;
        let name = tlv(&[0x30], &[parsed.issuer().as_raw(), &tlv(&[2], parsed.raw_serial())].concat());
        let sha_256 = tlv(&[0x30], &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
        let ecdsa = tlv(&[0x30], &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        let oid = |last: u8| tlv(&[6], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, last]);
        let info = [integer(1), name, sha_256.clone(), ecdsa, tlv(&[4], signature.as_ref())].concat();
        let data = [
            integer(1),
            tlv(&[0x31], &sha_256),
            tlv(&[0x30], &[oid(1), tagged(0, &tlv(&[4], &content))].concat()),
            tagged(0, &[signer.as_slice(), &self.middle_der].concat()),
            tlv(&[0x31], &tlv(&[0x30], &info)),
        ];
        Ok(tlv(&[0x30], &[oid(2), tagged(0, &tlv(&[0x30], &data.concat()))].concat()))
    }

    /// Leaf, attestation certificate and what is between that and the root, for a key of the Keystore.
    fn keystore(&self, attester: &KeyPair, key: &KeyPair, phone: &Android<'_>) -> Result<Vec<Vec<u8>>, Trouble> {
        let mut leaf = params("Simulated Key", false);
        leaf.custom_extensions.push(phone.described());
        let certificates = [vec![leaf], phone.attesters(), vec![params("Simulated Root", true)]].concat();
        let keys = [key, attester].into_iter().chain(std::iter::repeat_n(&self.middle, certificates.len() - 3)).chain([&self.root]);
        let keyed: Vec<(&CertificateParams, &KeyPair)> = certificates.iter().zip(keys).collect();
        let signed = |pair: &[(&CertificateParams, &KeyPair)]| {
            let [(certificate, key), (issuer, signer)] = pair else { return Err(trouble("a certificate without an issuer")) };
            let made = certificate.signed_by(*key, &Issuer::new((*issuer).clone(), *signer)).map_err(trouble)?;
            Ok(made.der().to_vec())
        };
        keyed.windows(2).map(signed).collect()
    }

    /// A key of the Android Keystore that exists already in this simulation, with the chain that describes it, without the root.
    pub fn android(&self, key: &PrivateKey, phone: &Android<'_>) -> Result<Vec<Vec<u8>>, Trouble> {
        self.android_forged(key, phone, Forgery::None)
    }

    /// The same by a forger who can change what the phone made.
    pub fn android_forged(&self, key: &PrivateKey, phone: &Android<'_>, forgery: Forgery<'_>) -> Result<Vec<Vec<u8>>, Trouble> {
        let pair = KeyPair::try_from(key.to_pkcs8()).map_err(trouble)?;
        Ok(match forgery {
            // A key that the phone really attested signs for a key outside of the phone.
            Forgery::HigherExtension => {
                let attested = KeyPair::generate().map_err(trouble)?;
                let mut leaf = params("Forged Key", false);
                leaf.custom_extensions.push(phone.described());
                let by_attested = Issuer::new(params("Simulated Key", false), &attested);
                let leaf = leaf.signed_by(&pair, &by_attested).map_err(trouble)?.der().to_vec();
                [vec![leaf], self.keystore(&self.attester, &attested, phone)?].concat()
            }
            Forgery::AnotherKey => self.keystore(&self.attester, &KeyPair::generate().map_err(trouble)?, phone)?,
            Forgery::LeakedKeybox => self.keystore(&self.leaked, &pair, phone)?,
            Forgery::None | Forgery::Again(_) => self.keystore(&self.attester, &pair, phone)?,
        })
    }
}

/// The access rules of a key of a Mac with System Integrity Protection and Full Security, as in Apple's guide.
fn protected_mac() -> CustomExtension {
    let named = |name: &str, value: &[u8]| tlv(&[0x30], &[&tlv(&[0x0c], name.as_bytes()), value].concat());
    let (all, mode) = (tagged(1, &[1, 1, 0xff]), [tagged(0, &tlv(&[0x0c], b"rsec")), tlv(&[0x30], &tagged(6, &[2, 1, 1]))].concat());
    let entries = [named("ok", &all), named("oa", &all), named("odel", &all), named("osgn", &mode)].concat();
    let access = tlv(&[0x30], &[tlv(&[0x0c], b"11"), tlv(&[0x30], &entries)].concat());
    let value = tlv(&[0x30], &tagged(3, &tlv(&[4], &access)));
    CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 8, 6], value)
}

/// A CA of Android's attestation with these parts of a name.
fn android_ca<const N: usize>(parts: [(DnType, &str); N]) -> CertificateParams {
    let mut certificate = params("", true);
    certificate.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in parts {
        certificate.distinguished_name.push(kind, text);
    }
    certificate
}

/// A forgery of the evidence itself, beside false statements about the phone and the app.
#[derive(Clone, Copy)]
pub enum Forgery<'a> {
    None,
    /// An extension that only the key's certificate may have stands in a higher one.
    HigherExtension,
    /// The certificate is for another key than the one that is sent.
    AnotherKey,
    /// It is signed with a leaked key of the factory.
    LeakedKeybox,
    /// iOS: a key that was attested before. On Android the caller passes the key in any case.
    Again(&'a IosKey),
}

/// The statements of an iPhone.
#[derive(Clone, Copy)]
pub struct Ios<'a> {
    pub app_id: &'a str,
    pub client_data_hash: &'a [u8],
    /// The key is for Apple's development environment.
    pub development: bool,
    /// CFBundleVersion. iOS 27 and later state it.
    pub version: Option<&'a str>,
    /// The validation category of the app's signature, likewise: 2 TestFlight, 3 a developer, 4 the store, and so on.
    pub category: Option<u32>,
    /// The device is a Mac that protects its system.
    pub mac: bool,
    /// When the receipt was made, when the next one is available, and when it expires. `None`: there is no receipt.
    pub made: Option<[&'a str; 3]>,
}

impl<'a> Ios<'a> {
    /// A genuine phone with a system older than iOS 27.
    pub fn genuine(app_id: &'a str, client_data_hash: &'a [u8]) -> Self {
        Self { app_id, client_data_hash, development: false, version: None, category: None, mac: false, made: None }
    }
}

/// The content of a receipt.
#[derive(Clone, Copy)]
pub struct Receipt<'a> {
    pub app_id: &'a str,
    /// The certificate of the attested key.
    pub certificate: &'a [u8],
    pub client_data_hash: &'a [u8],
    /// `production` or `sandbox`.
    pub environment: &'a str,
    /// RFC 3339, in UTC: made, not before, expires.
    pub times: [&'a str; 3],
    /// Absent in the receipt of an attestation.
    pub risk_metric: Option<&'a str>,
}

impl Receipt<'_> {
    fn fields(&self) -> Vec<u8> {
        let field = |number: u32, value: &[u8]| tlv(&[0x30], &[integer(number), integer(1), tlv(&[4], value)].concat());
        let kind = if self.risk_metric.is_some() { "RECEIPT" } else { "ATTEST" };
        let mut all = [
            field(2, self.app_id.as_bytes()),
            field(3, self.certificate),
            field(4, self.client_data_hash),
            field(5, b"token"),
            field(6, kind.as_bytes()),
            field(7, self.environment.as_bytes()),
            field(12, self.times[0].as_bytes()),
            field(19, self.times[1].as_bytes()),
            field(21, self.times[2].as_bytes()),
        ]
        .concat();
        all.extend(self.risk_metric.map(|it| field(17, it.as_bytes())).unwrap_or_default());
        tlv(&[0x31], &all)
    }
}

/// The map that iOS 27 and later append to the authenticator data.
fn version_and_category(version: Option<&str>, category: Option<u32>) -> Result<Vec<u8>, Trouble> {
    let count = u64::from(version.is_some()) + u64::from(category.is_some());
    let mut out = Encoder::new(Vec::new());
    (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        if count > 0 {
            out.map(count)?;
        }
        if let Some(version) = version {
            out.str("apple_bundle_version_01")?.str(version)?;
        }
        if let Some(category) = category {
            out.str("apple_validation_category_01")?.bytes(&category.to_le_bytes())?;
        }
        Ok(())
    })()
    .map_err(trouble)?;
    Ok(out.into_writer())
}

/// A key of App Attest, which is not the installation's own key.
pub struct IosKey {
    pub app_id: String,
    pub key_id: [u8; 32],
    /// In DER.
    pub certificate: Vec<u8>,
    signer: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl IosKey {
    /// `generateAssertion`.
    pub fn assertion(&self, client_data_hash: &[u8], counter: u32) -> Result<Vec<u8>, Trouble> {
        self.assertion_of(client_data_hash, counter, None, None)
    }

    /// The same on a system that states the app's version and category.
    pub fn assertion_of(
        &self,
        client_data_hash: &[u8],
        counter: u32,
        version: Option<&str>,
        category: Option<u32>,
    ) -> Result<Vec<u8>, Trouble> {
        let data =
            [&sha256(self.app_id.as_bytes())[..], &[0x40], &counter.to_be_bytes(), &version_and_category(version, category)?].concat();
        let nonce = sha256(&[data.as_slice(), client_data_hash].concat());
        let signature = self.signer.sign(&SystemRandom::new(), &nonce).map_err(trouble)?;
        let mut out = Encoder::new(Vec::new());
        (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            out.map(2)?.str("signature")?.bytes(signature.as_ref())?.str("authenticatorData")?.bytes(&data)?;
            Ok(())
        })()
        .map_err(trouble)?;
        Ok(out.into_writer())
    }
}

/// The statements of an Android phone about itself and the app that made the key.
#[derive(Clone, Copy)]
pub struct Android<'a> {
    pub challenge: &'a [u8],
    pub package: &'a str,
    pub signing_digest: [u8; 32],
    /// 0 software, 1 trusted environment, 2 StrongBox.
    pub level: u8,
    pub locked: bool,
    /// `YYYYMM`.
    pub patch: u32,
    /// The boot key of the owner's own system, if that is running.
    pub own_system: Option<[u8; 32]>,
    /// versionCode of the app.
    pub version: u32,
    /// How the hardware asks for the person before the key signs: 1 the phone's password, 2 biometrics, 0 not at all.
    pub user_auth: u32,
    /// The lists of the description are in no ascending order, as with some makers.
    pub unordered: bool,
    /// The attesting key came over the air and not from the factory.
    pub over_the_air: bool,
    /// Of the description, and of the interface that made it.
    pub description_version: u32,
}

impl<'a> Android<'a> {
    /// A genuine phone.
    pub fn genuine(package: &'a str, signing_digest: [u8; 32], challenge: &'a [u8]) -> Self {
        Self {
            challenge,
            package,
            signing_digest,
            level: 1,
            locked: true,
            patch: 202_610,
            own_system: None,
            version: 1,
            user_auth: 0,
            unordered: false,
            over_the_air: false,
            description_version: 300,
        }
    }
}

fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let head: Vec<u8> = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [tag, &head, content].concat()
}

fn integer(value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|it| *it != 0).unwrap_or(3);
    let padded = if bytes[start] >= 0x80 { [&[0][..], &bytes[start..]].concat() } else { bytes[start..].to_vec() };
    tlv(&[2], &padded)
}

/// An explicit context tag.
fn tagged(number: u32, content: &[u8]) -> Vec<u8> {
    match number {
        0..=30 => tlv(&[0xa0 | number as u8], content),
        _ => tlv(&[0xbf, 0x80 | (number >> 7) as u8, (number & 0x7f) as u8], content),
    }
}

impl Android<'_> {
    /// The certificates between leaf and root, in the shape of a factory's or of remote provisioning.
    fn attesters(&self) -> Vec<CertificateParams> {
        let level = if self.level == 2 { "StrongBox" } else { "TEE" };
        if !self.over_the_air {
            let number = |number: &'static str| (DnType::CustomDnType(vec![2, 5, 4, 5]), number);
            let title = || (DnType::CustomDnType(vec![2, 5, 4, 12]), level);
            return vec![android_ca([number("51"), title()]), android_ca([number("5a"), title()])];
        }
        let google = |name: &'static str| android_ca([(DnType::CommonName, name), (DnType::OrganizationName, "Google LLC")]);
        let mut attester = android_ca([(DnType::CommonName, "Simulated Remote"), (DnType::OrganizationName, level)]);
        // A CBOR map without members.
        attester.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 30], vec![0xa0]));
        vec![attester, google("Droid CA3"), google("Droid CA2")]
    }

    fn described(&self) -> CustomExtension {
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 1, 17], self.description())
    }

    /// KeyDescription.
    fn description(&self) -> Vec<u8> {
        let package = tlv(&[0x30], &[tlv(&[4], self.package.as_bytes()), integer(self.version)].concat());
        let app = tlv(&[0x30], &[tlv(&[0x31], &package), tlv(&[0x31], &tlv(&[4], &self.signing_digest))].concat());
        let state = match self.own_system {
            _ if !self.locked => 2,
            Some(_) => 1,
            None => 0,
        };
        let locked = if self.locked { 0xff } else { 0 };
        let boot = [tlv(&[4], &self.own_system.unwrap_or([9; 32])), tlv(&[1], &[locked]), tlv(&[10], &[state])].concat();
        let person = if self.user_auth == 0 { tagged(503, &[5, 0]) } else { tagged(504, &integer(self.user_auth)) };
        let mut hardware = [
            tagged(1, &tlv(&[0x31], &integer(2))),
            tagged(2, &integer(3)),
            tagged(10, &integer(1)),
            person,
            tagged(702, &integer(0)),
            tagged(704, &tlv(&[0x30], &boot)),
            tagged(705, &integer(160_000)),
            tagged(706, &integer(self.patch)),
        ];
        if self.unordered {
            hardware.reverse();
        }
        let fields = [
            integer(self.description_version),
            tlv(&[10], &[self.level]),
            integer(self.description_version),
            tlv(&[10], &[self.level]),
            tlv(&[4], self.challenge),
            tlv(&[4], &[]),
            tlv(&[0x30], &tagged(709, &tlv(&[4], &app))),
            tlv(&[0x30], &hardware.concat()),
        ];
        tlv(&[0x30], &fields.concat())
    }
}
