//! mdoc (ISO/IEC 18013-5 8.3.2.1.2.2 and 9.1): a DeviceResponse with one document, the issuer's signed digests, and the holder's
//! signature over the exchange.

use crate::cbor::{self, Key, Raw};
use crate::cose::{self, Sign1};
use crate::issuer::{self, Issuer, Signs};
use crate::status::Reference;
use crate::{Credential, Failed, Format, MAX_BYTES, Unreadable, Verdict};
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use minicbor::Encoder;
use minicbor::data::Tag;
use serde_json::{Map, Value};
use symbolon_oauth::digest::equal;
use symbolon_oauth::jwk::PublicKey;

/// The most claims of one document.
const MAX_ITEMS: usize = 256;
/// ISO 18013-5 9.1.2.5: at least 16 bytes, so that nobody can guess a claim from its digest.
const LEAST_RANDOM: usize = 16;

/// What is asked of a presentation.
pub struct Expected<'a> {
    pub issuers: &'a [Issuer],
    pub doctype: &'a str,
    /// `transcript` makes it.
    pub session_transcript: &'a [u8],
    /// What a wallet of an older draft would have signed. It is refused as well, with a reason of its own.
    pub older_transcript: Option<&'a [u8]>,
    pub now_s: i64,
    pub skew_s: i64,
}

/// Document (8.3.2.1.2.2): nothing of it is verified yet.
pub struct Document<'a> {
    doctype: &'a str,
    issued: IssuerSigned<'a>,
    device_namespaces: Raw<'a>,
    /// deviceSignature, deviceMac.
    device_auth: [Option<Raw<'a>>; 2],
}

/// IssuerSigned: what the issuer gave the wallet.
pub struct IssuerSigned<'a> {
    /// Namespace, and the items as `#6.24(bstr)`.
    items: Vec<(&'a str, Vec<Raw<'a>>)>,
    auth: Sign1<'a>,
    object: SecurityObject<'a>,
}

/// MobileSecurityObject (9.1.2.4).
struct SecurityObject<'a> {
    digests: Vec<(&'a str, Vec<(Key<'a>, Raw<'a>)>)>,
    algorithm: &'static Algorithm,
    device_key: PublicKey,
    doctype: &'a str,
    signed_s: i64,
    from_s: i64,
    until_s: i64,
    status: Result<Option<Reference>, Unreadable>,
}

impl<'a> Document<'a> {
    /// The one document of a DeviceResponse. HAIP 1.0: each credential comes in a response of its own.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable("the DeviceResponse is larger than 96 KiB"));
        }
        let response = cbor::members(bytes)?;
        if cbor::text(cbor::required(&response, "version")?)? != "1.0" {
            return Err(Unreadable("the DeviceResponse is of another version"));
        }
        if cbor::number(cbor::required(&response, "status")?)? != 0 {
            return Err(Unreadable("the DeviceResponse has a status other than 0"));
        }
        let documents = cbor::elements(cbor::member(&response, "documents").ok_or(Unreadable("the DeviceResponse has no documents"))?)?;
        let [document] = documents.as_slice() else { return Err(Unreadable("the DeviceResponse has not exactly one document")) };
        let document = cbor::members(document)?;
        let signed = cbor::members(cbor::required(&document, "deviceSigned")?)?;
        let auth = cbor::members(cbor::required(&signed, "deviceAuth")?)?;
        Ok(Self {
            doctype: cbor::text(cbor::required(&document, "docType")?)?,
            issued: IssuerSigned::parse(cbor::required(&document, "issuerSigned")?)?,
            device_namespaces: cbor::required(&signed, "nameSpaces")?,
            device_auth: [cbor::member(&auth, "deviceSignature"), cbor::member(&auth, "deviceMac")],
        })
    }

    /// Judges everything but the status, and compares nothing with a query.
    pub fn judge(&self, expected: &Expected<'_>) -> Result<Verdict<Credential>, Unreadable> {
        let mut verdict = self.issued.judge(expected)?;
        if self.doctype != self.issued.object.doctype {
            verdict.failed.push(Failed::new("doctype", "document and security object have different docTypes"));
        }
        verdict.failed.extend(self.judge_device(expected)?);
        Ok(verdict)
    }

    /// 9.1.3: the holder's key has signed this exchange. A MAC would need a key of ours, and none was offered.
    fn judge_device(&self, expected: &Expected<'_>) -> Result<Option<Failed>, Unreadable> {
        let fail = |name: &'static str, detail: &str| Ok(Some(Failed::new(name, detail)));
        let signature = match self.device_auth {
            [Some(_), Some(_)] => return fail("holder_twice", "the document has a signature and a MAC"),
            [None, Some(_)] => return fail("holder_mac", "the document has a MAC in the place of a signature"),
            [None, None] => return fail("holder_missing", "the document has no signature of the holder"),
            [Some(signature), None] => Sign1::read(signature)?,
        };
        if signature.is_empty() {
            return fail("holder_empty", "the holder's signature is empty");
        }
        // What the holder says of himself is signed as it stands, and none of it is the issuer's.
        let own = cbor::encoded(self.device_namespaces)?;
        cbor::members(own)?;
        if !signature.is_es256() || signature.payload().is_some() {
            return fail("holder_typ", "the holder's signature is not a detached one by ES256");
        }
        let key = &self.issued.object.device_key;
        let over = |transcript: &[u8]| device_authentication(transcript, self.doctype, self.device_namespaces);
        if signature.verify(key, Some(&over(expected.session_transcript))) {
            return Ok(None);
        }
        if expected.older_transcript.is_some_and(|it| signature.verify(key, Some(&over(it)))) {
            return fail("older_draft", "the wallet speaks an older draft: it has signed the handover of ISO 18013-7");
        }
        fail("holder_signature", "the holder's key has not signed this exchange")
    }
}

/// `DeviceAuthenticationBytes` (9.1.3.4): what the holder signs. `namespaces` is `DeviceNameSpacesBytes`, with its tag.
pub fn device_authentication(session_transcript: &[u8], doctype: &str, namespaces: &[u8]) -> Vec<u8> {
    let mut head = Encoder::new(Vec::new());
    // Writing to memory does not fail.
    let _ = head.array(4).and_then(|it| it.str("DeviceAuthentication"));
    let mut text = Encoder::new(Vec::new());
    let _ = text.str(doctype);
    let inner = [head.into_writer().as_slice(), session_transcript, &text.into_writer(), namespaces].concat();
    tagged(&inner)
}

/// `#6.24(bstr)` (RFC 8949 3.4.5.1).
pub fn tagged(inner: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    let _ = out.tag(Tag::new(24)).and_then(|it| it.bytes(inner));
    out.into_writer()
}

impl<'a> IssuerSigned<'a> {
    pub fn parse(bytes: Raw<'a>) -> Result<Self, Unreadable> {
        let members = cbor::members(bytes)?;
        let mut items = Vec::new();
        if let Some(namespaces) = cbor::member(&members, "nameSpaces") {
            for (name, list) in cbor::members(namespaces)? {
                let Key::Text(name) = name else { return Err(Unreadable("a namespace is not a text")) };
                items.push((name, cbor::elements(list)?));
            }
        }
        if items.iter().map(|(_, list)| list.len()).sum::<usize>() > MAX_ITEMS {
            return Err(Unreadable("the document has more than 256 claims"));
        }
        let auth = Sign1::read(cbor::required(&members, "issuerAuth")?)?;
        let payload = auth.payload().ok_or(Unreadable("the issuer's signature has no content"))?;
        let object = SecurityObject::read(cbor::encoded(payload)?)?;
        Ok(Self { items, auth, object })
    }

    /// The issuer's half (9.1.2): chain, signature, dates, and each disclosed claim against its digest.
    pub fn judge(&self, expected: &Expected<'_>) -> Result<Verdict<Credential>, Unreadable> {
        let chain = self.auth.chain()?;
        if chain.is_empty() {
            return Err(Unreadable("the issuer's signature has no x5chain"));
        }
        let signed = issuer::judge_chain(expected.issuers, &chain, Signs::Mdoc, expected.now_s)?;
        let mut failed = signed.failed;
        if !self.auth.is_es256() {
            failed.push(Failed::new("algorithm", "the issuer's signature is not ES256"));
        } else if !self.auth.verify(&signed.key, None) {
            failed.push(Failed::new("issuer_signature", "the issuer's signature is wrong"));
        }
        let object = &self.object;
        if object.doctype != expected.doctype {
            failed.push(Failed::new("type", "the credential is of another type (docType)"));
        }
        // 9.3.1: the signature was made while the signer's certificate was valid.
        if !signed.valid_s.contains(&object.signed_s) {
            failed.push(Failed::new("signed_outside", "the credential was not signed while the signer's certificate was valid"));
        }
        let latest_s = expected.now_s + expected.skew_s;
        if object.signed_s > latest_s || object.from_s > latest_s {
            failed.push(Failed::new("not_yet_valid", "the credential is not valid yet"));
        }
        if object.until_s <= expected.now_s - expected.skew_s {
            failed.push(Failed::new("expired", "the credential has expired"));
        }
        let status = object.status.clone().unwrap_or_else(|why| {
            failed.push(Failed::new("status", why.0));
            None
        });
        let claims = self.claims(&mut failed)?;
        let signer = signed.issuer.map(|_| signed.signer);
        let kind = object.doctype.to_owned();
        let facts = Credential { format: Format::Mdoc, kind, claims, signer, status, expires_s: Some(object.until_s) };
        Ok(Verdict { facts, failed })
    }

    /// The claims whose digests the issuer has signed. One of another digest is refused, and is in none of the facts.
    fn claims(&self, failed: &mut Vec<Failed>) -> Result<Map<String, Value>, Unreadable> {
        let mut claims = Map::new();
        for (namespace, items) in &self.items {
            let digests = self.object.digests.iter().find(|(name, _)| name == namespace).map(|(_, all)| all.as_slice()).unwrap_or_default();
            let mut of_namespace = Map::new();
            let mut seen = Vec::new();
            for raw in items {
                let item = Item::read(raw)?;
                let expected = digests.iter().find(|(key, _)| *key == Key::Number(item.digest_id)).map(|(_, digest)| cbor::octets(digest));
                let is_signed = match expected {
                    Some(expected) => equal(expected?, digest(self.object.algorithm, raw).as_ref()),
                    None => false,
                };
                if !is_signed || seen.contains(&item.digest_id) || of_namespace.contains_key(item.name) {
                    failed.push(Failed::new("digest", "a claim is not the one that the issuer has signed, or is there twice"));
                    continue;
                }
                seen.push(item.digest_id);
                of_namespace.insert(item.name.to_owned(), cbor::json(item.value)?);
            }
            claims.insert((*namespace).to_owned(), Value::Object(of_namespace));
        }
        Ok(claims)
    }
}

/// IssuerSignedItem.
struct Item<'a> {
    digest_id: i64,
    name: &'a str,
    value: Raw<'a>,
}

impl<'a> Item<'a> {
    fn read(raw: Raw<'a>) -> Result<Self, Unreadable> {
        let members = cbor::members(cbor::encoded(raw)?)?;
        if cbor::octets(cbor::required(&members, "random")?)?.len() < LEAST_RANDOM {
            return Err(Unreadable("a claim has fewer than 16 random bytes"));
        }
        Ok(Self {
            digest_id: cbor::number(cbor::required(&members, "digestID")?)?,
            name: cbor::text(cbor::required(&members, "elementIdentifier")?)?,
            value: cbor::required(&members, "elementValue")?,
        })
    }
}

impl<'a> SecurityObject<'a> {
    fn read(bytes: Raw<'a>) -> Result<Self, Unreadable> {
        let members = cbor::members(bytes)?;
        let text = |name: &str| cbor::required(&members, name).and_then(cbor::text);
        if text("version")? != "1.0" {
            return Err(Unreadable("the security object is of another version"));
        }
        let algorithm = match text("digestAlgorithm")? {
            "SHA-256" => &SHA256,
            "SHA-384" => &SHA384,
            "SHA-512" => &SHA512,
            _ => return Err(Unreadable("the digests of the mdoc are neither SHA-256 nor SHA-384 nor SHA-512")),
        };
        let mut digests = Vec::new();
        for (name, all) in cbor::members(cbor::required(&members, "valueDigests")?)? {
            let Key::Text(name) = name else { return Err(Unreadable("a namespace is not a text")) };
            digests.push((name, cbor::members(all)?));
        }
        let device = cbor::members(cbor::required(&members, "deviceKeyInfo")?)?;
        let validity = cbor::members(cbor::required(&members, "validityInfo")?)?;
        let instant = |name: &str| cbor::required(&validity, name).and_then(cbor::instant);
        let status = match cbor::member(&members, "status") {
            None => Ok(None),
            Some(status) => cbor::json(status).and_then(|it| Reference::read(Some(&it))),
        };
        Ok(Self {
            digests,
            algorithm,
            device_key: cose::key(cbor::required(&device, "deviceKey")?)?,
            doctype: text("docType")?,
            signed_s: instant("signed")?,
            from_s: instant("validFrom")?,
            until_s: instant("validUntil")?,
            status,
        })
    }
}
