//! An issuer of credentials: a CA, a signer below it, SD-JWTs, mdocs and status lists.

use super::cbor::{self, Item};
use crate::Trouble;
use miniz_oxide::deflate::compress_to_vec_zlib;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Map, Value as Json, json};
use symbolon_oauth::digest::sha256;
use symbolon_oauth::jwk::{Algorithm, PrivateKey, PublicKey};
use symbolon_oauth::{base64, base64url, jws};
use symbolon_wallet::cose::signature_structure;
use symbolon_wallet::mdoc::tagged;

/// What a credential says beside its claims.
#[derive(Clone)]
pub struct Terms {
    /// `vct`, or the docType.
    pub kind: String,
    /// The namespace of an mdoc's claims.
    pub namespace: String,
    pub holder: PublicKey,
    pub now_s: i64,
    pub lifetime_s: i64,
    /// Address and index of its status.
    pub status: Option<(String, u64)>,
}

pub struct CredentialIssuer {
    /// The CA, in PEM: what an operator trusts.
    pub root_pem: String,
    pub root_der: Vec<u8>,
    /// The signer's certificate.
    pub chain: Vec<Vec<u8>>,
    pub key: PrivateKey,
}

fn failed(error: impl std::fmt::Display) -> Trouble {
    Trouble(error.to_string())
}

/// A certificate for a name, and an organization of a country.
fn params(name: &str, organization: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CountryName, "UT");
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn ca(organization: &str) -> CertificateParams {
    ca_above(organization, 0)
}

/// A CA below which so many CAs may stand.
fn ca_above(organization: &str, others: u8) -> CertificateParams {
    let mut params = params(&format!("{organization} CA"), organization);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(others));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A CA, and below it one certificate of this key.
pub struct Certified {
    pub root_pem: String,
    pub root_der: Vec<u8>,
    pub leaf_der: Vec<u8>,
    pub leaf_pem: String,
    pub key: PrivateKey,
    pub key_pem: String,
}

/// Makes a CA and a certificate below it. `dns`: names of the certificate. `purpose`: an extended key usage.
pub fn certify(organization: &str, dns: &[&str], purpose: Option<&[u64]>) -> Result<Certified, Trouble> {
    let root_key = KeyPair::generate().map_err(failed)?;
    let root = ca(organization).self_signed(&root_key).map_err(failed)?;
    certify_below(organization, (&root, &root_key), dns, purpose)
}

/// The same below a CA that is there.
fn certify_below(
    organization: &str,
    (root, root_key): (&Certificate, &KeyPair),
    dns: &[&str],
    purpose: Option<&[u64]>,
) -> Result<Certified, Trouble> {
    let leaf_key = KeyPair::generate().map_err(failed)?;
    let by_root = Issuer::new(ca(organization), root_key);
    let mut leaf = params(&format!("{organization} signer"), organization);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.subject_alt_names =
        CertificateParams::new(dns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).map_err(failed)?.subject_alt_names;
    leaf.extended_key_usages = purpose.map(|it| ExtendedKeyUsagePurpose::Other(it.to_vec())).into_iter().collect();
    let leaf = leaf.signed_by(&leaf_key, &by_root).map_err(failed)?;
    Ok(Certified {
        root_pem: root.pem(),
        root_der: root.der().to_vec(),
        leaf_der: leaf.der().to_vec(),
        leaf_pem: leaf.pem(),
        key: PrivateKey::from_pkcs8(Algorithm::ES256, &leaf_key.serialize_der()).map_err(failed)?,
        key_pem: leaf_key.serialize_pem(),
    })
}

/// An issuer whose own CA stands two levels below another one: that one has issued a CA, which has issued the issuer's.
pub struct FarBelow {
    /// The upper CA, in PEM.
    pub top_pem: String,
    pub top_der: Vec<u8>,
    /// Its root is its own CA, and its chain has the signer alone.
    pub issuer: CredentialIssuer,
    /// Another certificate of the issuer's own CA, with the same key. It has expired.
    pub expired_der: Vec<u8>,
    /// Certificates that lead from that signer to the upper CA, which is not in it.
    pub whole: Vec<Vec<u8>>,
}

/// ISO 18013-5 B.1.4.
const MDOC_SIGNER: [u64; 6] = [1, 0, 18013, 5, 1, 2];

impl CredentialIssuer {
    pub fn new(organization: &str) -> Result<Self, Trouble> {
        Ok(Self::of(certify(organization, &[], Some(&MDOC_SIGNER))?))
    }

    /// One of this organization, and far above it a CA of another one.
    pub fn far_below(top: &str, organization: &str) -> Result<FarBelow, Trouble> {
        let between = format!("Between {top} and {organization}");
        let key = || KeyPair::generate().map_err(failed);
        let (top_key, between_key, own_key) = (key()?, key()?, key()?);
        let root = ca_above(top, 2).self_signed(&top_key).map_err(failed)?;
        let by_root = Issuer::new(ca_above(top, 2), &top_key);
        let middle = ca_above(&between, 1).signed_by(&between_key, &by_root).map_err(failed)?;
        let by_middle = Issuer::new(ca_above(&between, 1), &between_key);
        let own = ca(organization).signed_by(&own_key, &by_middle).map_err(failed)?;
        let mut before = ca(organization);
        before.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let expired_der = before.signed_by(&own_key, &by_middle).map_err(failed)?.der().to_vec();
        let made = certify_below(organization, (&own, &own_key), &[], Some(&MDOC_SIGNER))?;
        let whole = vec![made.leaf_der.clone(), own.der().to_vec(), middle.der().to_vec()];
        Ok(FarBelow { top_pem: root.pem(), top_der: root.der().to_vec(), issuer: Self::of(made), expired_der, whole })
    }

    fn of(made: Certified) -> Self {
        Self { root_pem: made.root_pem, root_der: made.root_der, chain: vec![made.leaf_der], key: made.key }
    }

    /// The key that it signs with, as JWK.
    pub fn public_jwk(&self) -> Json {
        self.key.public().to_jwk()
    }

    /// Signs a JWT with the chain in its header.
    pub fn sign(&self, typ: &str, claims: &Json) -> Result<String, Trouble> {
        let x5c: Vec<String> = self.chain.iter().map(|it| base64::encode(it)).collect();
        jws::sign_with_header(&self.key, &json!({ "alg": "ES256", "typ": typ, "x5c": x5c }), claims)
            .map_err(|it| Trouble(format!("{it:?}")))
    }

    /// An SD-JWT VC whose claims can all be disclosed one by one.
    pub fn sd_jwt(&self, terms: &Terms, claims: &Map<String, Json>) -> Result<String, Trouble> {
        let disclosures: Vec<String> = claims.iter().map(|(name, value)| disclosure(name, value)).collect();
        let digests: Vec<String> = disclosures.iter().map(|it| base64url::encode(&sha256(it.as_bytes()))).collect();
        let mut payload = json!({
            "vct": terms.kind, "iat": terms.now_s, "exp": terms.now_s + terms.lifetime_s, "_sd_alg": "sha-256", "_sd": digests,
            "cnf": { "jwk": terms.holder.to_jwk() },
        });
        if let Some((uri, index)) = &terms.status {
            payload["status"] = json!({ "status_list": { "uri": uri, "idx": index } });
        }
        Ok(format!("{}~{}~", self.sign("dc+sd-jwt", &payload)?, disclosures.join("~")))
    }

    /// IssuerSigned of an mdoc.
    pub fn mdoc(&self, terms: &Terms, claims: &Map<String, Json>) -> Result<Vec<u8>, Trouble> {
        let mut items = Vec::new();
        let mut digests = Vec::new();
        for (id, (name, value)) in (0_i64..).zip(claims) {
            let random = symbolon_oauth::jwk::PrivateKey::generate(Algorithm::ES256).map_err(failed)?;
            let item = cbor::map(&[
                (Item::Text("digestID"), cbor::number(id)),
                (Item::Text("random"), cbor::bytes(&sha256(random.public().thumbprint().as_bytes()))),
                (Item::Text("elementIdentifier"), cbor::text(name)),
                (Item::Text("elementValue"), cbor::of_json(value)),
            ]);
            let item = tagged(&item);
            digests.push((Item::Number(id), cbor::bytes(&sha256(&item))));
            items.push(item);
        }
        let mut object = vec![
            (Item::Text("version"), cbor::text("1.0")),
            (Item::Text("digestAlgorithm"), cbor::text("SHA-256")),
            (Item::Text("valueDigests"), cbor::map(&[(Item::Text(&terms.namespace), cbor::map(&digests))])),
            (Item::Text("deviceKeyInfo"), cbor::map(&[(Item::Text("deviceKey"), cbor::key(&terms.holder))])),
            (Item::Text("docType"), cbor::text(&terms.kind)),
            (
                Item::Text("validityInfo"),
                cbor::map(&[
                    (Item::Text("signed"), cbor::instant(terms.now_s)),
                    (Item::Text("validFrom"), cbor::instant(terms.now_s)),
                    (Item::Text("validUntil"), cbor::instant(terms.now_s + terms.lifetime_s)),
                ]),
            ),
        ];
        if let Some((uri, index)) = &terms.status {
            object.push((Item::Text("status"), cbor::of_json(&json!({ "status_list": { "uri": uri, "idx": index } }))));
        }
        let payload = tagged(&cbor::map(&object));
        let protected = cbor::map(&[(Item::Number(1), cbor::number(-7))]);
        let signature = self.key.sign(&signature_structure(&protected, &payload)).map_err(failed)?;
        let chain: Vec<Vec<u8>> = self.chain.iter().map(|it| cbor::bytes(it)).collect();
        let chain = if let [one] = chain.as_slice() { one.clone() } else { cbor::array(&chain) };
        let beside = cbor::map(&[(Item::Number(33), chain)]);
        let auth = cbor::array(&[cbor::bytes(&protected), beside, cbor::bytes(&payload), cbor::bytes(&signature)]);
        let namespaces = cbor::map(&[(Item::Text(&terms.namespace), cbor::array(&items))]);
        Ok(cbor::map(&[(Item::Text("nameSpaces"), namespaces), (Item::Text("issuerAuth"), auth)]))
    }

    /// A status list token with these values, of two bits each.
    pub fn status_list(&self, uri: &str, values: &[u8], now_s: i64, ttl_s: i64) -> Result<String, Trouble> {
        let mut bytes = vec![0_u8; values.len().div_ceil(4).max(1)];
        for (at, value) in values.iter().enumerate() {
            if let Some(byte) = bytes.get_mut(at / 4) {
                *byte |= (value & 3) << (at % 4 * 2);
            }
        }
        let lst = base64url::encode(&compress_to_vec_zlib(&bytes, 9));
        let claims = json!({ "sub": uri, "iat": now_s, "exp": now_s + 86_400, "ttl": ttl_s, "status_list": { "bits": 2, "lst": lst } });
        self.sign("statuslist+jwt", &claims)
    }
}

/// `[salt, name, value]` (RFC 9901 4.2.1).
pub fn disclosure(name: &str, value: &Json) -> String {
    // The salt has to be unguessable in the world; here it has to differ.
    let salt = base64url::encode(&sha256(format!("{name}{value}").as_bytes())[..16]);
    base64url::encode(json!([salt, name, value]).to_string().as_bytes())
}
