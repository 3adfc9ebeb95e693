//! The shape of a chain. Google's roots certify two kinds of keys that attest, and each kind comes in one shape. The certificate under the
//! root says which kind it is: Google alone gives it its name. Whoever holds a key further down can sign more certificates with any name and
//! any extension, and the chain is then longer than its kind allows.

use super::Level;
use x509_parser::oid_registry::{OID_X509_SERIALNUMBER, OID_X509_TITLE};
use x509_parser::prelude::*;

/// How the key that attests came into the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioning {
    /// The factory put it in, the same key into many phones. Leaf, attestation, intermediate.
    Factory,
    /// Google certified the phone's own key over the air, for some weeks. Leaf, attestation, server, intermediate.
    Remote,
}

/// What the certificates say, as far as their place in the chain lets them.
pub(super) struct Shape {
    pub provisioning: Provisioning,
    /// The hardware that the attestation certificate names.
    pub attester: Option<Level>,
    /// The attestation certificate or the one above it names a StrongBox.
    pub names_strongbox: bool,
}

impl Shape {
    /// `certificates`: leaf first, without the root. `None`: neither of the two shapes.
    pub fn of(certificates: &[X509Certificate<'_>]) -> Option<Self> {
        let provisioning = match (names_factory_box(certificates.last()?), names_remote_provisioning(certificates.last()?)) {
            (true, false) => Provisioning::Factory,
            (false, true) => Provisioning::Remote,
            _ => return None,
        };
        let length = match provisioning {
            Provisioning::Factory => 3,
            Provisioning::Remote => 4,
        };
        let named: Vec<Option<Level>> = certificates.iter().skip(1).take(2).map(named_level).collect();
        (certificates.len() == length).then(|| Self {
            provisioning,
            attester: named.first().copied().flatten(),
            names_strongbox: named.contains(&Some(Level::StrongBox)),
        })
    }

    /// Attestation certificates of factory boxes of 2016 to 2018 (Pixel 2, Galaxy S9, Xperia XZ2, P10) are no CAs.
    pub fn first_ca(&self) -> usize {
        match self.provisioning {
            Provisioning::Factory => 2,
            Provisioning::Remote => 1,
        }
    }
}

/// A batch of phones by its number, in the subject's attribute `serialNumber`.
fn names_factory_box(certificate: &X509Certificate<'_>) -> bool {
    only(certificate.subject().iter_by_oid(&OID_X509_SERIALNUMBER)).is_some_and(|it| it.bytes().any(|it| it.is_ascii_alphanumeric()))
}

/// `CN=Droid CA2, O=Google LLC` and its successors.
fn names_remote_provisioning(certificate: &X509Certificate<'_>) -> bool {
    let subject = certificate.subject();
    let name = only(subject.iter_common_name()).is_some_and(|it| it.starts_with("Droid CA"));
    name && only(subject.iter_organization()) == Some("Google LLC")
}

/// `title` (of the factory's) or `O` (of those provisioned remotely), once: TEE or StrongBox.
fn named_level(certificate: &X509Certificate<'_>) -> Option<Level> {
    let subject = certificate.subject();
    match only(subject.iter_organization().chain(subject.iter_by_oid(&OID_X509_TITLE)))? {
        "TEE" => Some(Level::TrustedEnvironment),
        "StrongBox" => Some(Level::StrongBox),
        _ => None,
    }
}

/// The text of the one attribute there is; two are none.
fn only<'a>(mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    let first = attributes.next()?;
    attributes.next().is_none().then(|| first.as_str().ok()).flatten()
}
