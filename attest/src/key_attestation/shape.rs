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
        let highest = certificates.last()?.subject();
        let provisioning = match (names_factory_box(highest), names_remote_provisioning(highest)) {
            (true, false) => Provisioning::Factory,
            (false, true) => Provisioning::Remote,
            _ => return None,
        };
        let length = match provisioning {
            Provisioning::Factory => 3,
            Provisioning::Remote => 4,
        };
        let named: Vec<Option<Level>> = certificates.iter().skip(1).take(2).map(|it| named_level(it.subject())).collect();
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

/// A batch of phones by its number, in the subject's attribute `serialNumber`, and not the name of remote provisioning.
fn names_factory_box(subject: &X509Name<'_>) -> bool {
    let number = only(subject.iter_by_oid(&OID_X509_SERIALNUMBER));
    number.is_some_and(|it| it.bytes().any(|byte| byte.is_ascii_alphanumeric())) && !is_droid_ca(subject)
}

/// The name of remote provisioning, and no number of a batch, in whatever form.
fn names_remote_provisioning(subject: &X509Name<'_>) -> bool {
    is_droid_ca(subject) && subject.iter_by_oid(&OID_X509_SERIALNUMBER).next().is_none()
}

/// `CN=Droid CA2, O=Google LLC` and its successors.
fn is_droid_ca(subject: &X509Name<'_>) -> bool {
    let has_name = only(subject.iter_common_name()).is_some_and(|it| it.starts_with("Droid CA"));
    has_name && only(subject.iter_organization()) == Some("Google LLC")
}

/// `title` (of the factory's) or `O` (of those provisioned remotely), once: TEE or StrongBox.
fn named_level(subject: &X509Name<'_>) -> Option<Level> {
    match only(subject.iter_organization().chain(subject.iter_by_oid(&OID_X509_TITLE)))? {
        "TEE" => Some(Level::TrustedEnvironment),
        "StrongBox" => Some(Level::StrongBox),
        _ => None,
    }
}

/// The text of the one attribute there is, in whichever relative name it stands; two are none, and so is one that is no text.
fn only<'a>(mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    let first = attributes.next()?;
    attributes.next().is_none().then(|| first.as_str().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const COMMON_NAME: u8 = 3;
    const NUMBER: u8 = 5;
    const ORGANIZATION: u8 = 10;
    const TITLE: u8 = 12;
    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const T61: u8 = 20;
    const IA5: u8 = 22;
    const UNIVERSAL: u8 = 28;
    const BMP: u8 = 30;

    /// The last arc of the attribute's identifier (2.5.4.x), the tag of its string, and its bytes.
    type Attribute<'a> = (u8, u8, &'a [u8]);

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
    }

    /// Every inner list is one relative name.
    fn name(relative: &[&[Attribute<'_>]]) -> Vec<u8> {
        let attribute = |(arc, tag, bytes): &Attribute<'_>| tlv(0x30, &[tlv(6, &[0x55, 4, *arc]), tlv(*tag, bytes)].concat());
        let set = |all: &&[Attribute<'_>]| tlv(0x31, &all.iter().flat_map(attribute).collect::<Vec<u8>>());
        tlv(0x30, &relative.iter().flat_map(set).collect::<Vec<u8>>())
    }

    /// Is it a factory's, is it one of remote provisioning, and which hardware does it name?
    fn read(relative: &[&[Attribute<'_>]]) -> (bool, bool, Option<Level>) {
        let der = name(relative);
        let (_, subject) = X509Name::from_der(&der).unwrap();
        (names_factory_box(&subject), names_remote_provisioning(&subject), named_level(&subject))
    }

    const BOX: Attribute<'_> = (NUMBER, PRINTABLE, b"5449d2cdb6b896e6");
    const TEE: Attribute<'_> = (TITLE, UTF8, b"TEE");
    const DROID: Attribute<'_> = (COMMON_NAME, PRINTABLE, b"Droid CA2");
    const GOOGLE: Attribute<'_> = (ORGANIZATION, PRINTABLE, b"Google LLC");
    const TRUSTED: Option<Level> = Some(Level::TrustedEnvironment);

    /// The order of a name, and whether its attributes share a relative name, say nothing.
    #[test]
    fn a_name_is_read_in_any_order() {
        for relative in [&[&[TEE][..], &[BOX]][..], &[&[BOX], &[TEE]], &[&[BOX, TEE]], &[&[TEE, BOX]]] {
            assert_eq!(read(relative), (true, false, TRUSTED), "{relative:?}");
        }
        for relative in [&[&[DROID][..], &[GOOGLE]][..], &[&[GOOGLE], &[DROID]], &[&[DROID, GOOGLE]], &[&[GOOGLE, DROID]]] {
            assert_eq!(read(relative), (false, true, None), "{relative:?}");
        }
    }

    /// Strings that are text count alike; others are no text and name nothing.
    #[test]
    fn the_kind_of_string_decides_nothing() {
        for tag in [UTF8, PRINTABLE, IA5] {
            let number = (NUMBER, tag, &b"5449d2cdb6b896e6"[..]);
            assert_eq!(read(&[&[number], &[(TITLE, tag, b"StrongBox")]]), (true, false, Some(Level::StrongBox)), "{tag}");
            assert_eq!(read(&[&[(COMMON_NAME, tag, b"Droid CA2")], &[(ORGANIZATION, tag, b"Google LLC")]]), (false, true, None), "{tag}");
        }
        for (tag, bytes) in
            [(BMP, &b"\x004\x002"[..]), (UNIVERSAL, b"\0\0\x004"), (2, b"\x42"), (4, b"42"), (PRINTABLE, b"\xff"), (UTF8, b"\xff")]
        {
            let number = (NUMBER, tag, bytes);
            assert_eq!(read(&[&[number], &[TEE]]), (false, false, TRUSTED), "{tag} {bytes:?}");
            assert_eq!(read(&[&[DROID], &[GOOGLE], &[number]]), (false, false, None), "{tag}: it hides no number");
        }
        let wide = (TITLE, BMP, &b"\0S\0t\0r\0o\0n\0g\0B\0o\0x"[..]);
        assert_eq!(read(&[&[BOX], &[wide]]), (true, false, None));
        assert_eq!(read(&[&[BOX], &[wide], &[TEE]]), (true, false, None), "two levels, of which one cannot be read");
    }

    /// A number that is none, or two of them, are no factory's, and make nobody else's name good.
    #[test]
    fn a_number_is_there_once_and_says_something() {
        for number in [&b""[..], b" ", b"-", b"\0", b"::"] {
            for tag in [UTF8, PRINTABLE, T61, IA5] {
                let number = (NUMBER, tag, number);
                assert!(!read(&[&[number], &[TEE]]).0, "{number:?}");
                assert!(!read(&[&[DROID], &[GOOGLE], &[number]]).1, "{number:?}");
            }
        }
        assert_eq!(read(&[&[BOX], &[BOX], &[TEE]]), (false, false, TRUSTED));
        assert_eq!(read(&[&[BOX, BOX], &[TEE]]), (false, false, TRUSTED));
        assert_eq!(read(&[&[DROID], &[GOOGLE], &[BOX], &[BOX]]), (false, false, None));
        assert_eq!(read(&[&[DROID], &[GOOGLE], &[BOX]]), (false, false, None));
        assert_eq!(read(&[&[DROID], &[DROID], &[GOOGLE]]), (false, false, None));
        assert_eq!(read(&[&[DROID], &[GOOGLE], &[GOOGLE]]), (false, false, None));
        assert_eq!(read(&[]), (false, false, None));
    }
}
