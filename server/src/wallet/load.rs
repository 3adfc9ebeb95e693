//! One wallet, with what `[wallet.NAME]` names read and checked: certificates, keys, and whom to trust.

use super::status::Statuses;
use crate::config::wallet::{Issuer as IssuerSettings, Wallet as Settings};
use crate::error::Fault;
use crate::outgoing::Outgoing;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon_oauth::jwk::{Algorithm, KeySet, PrivateKey};
use symbolon_oauth::{base64, base64url, digest};
use symbolon_wallet::dcql::Query;
use symbolon_wallet::issuer::{Anchor, Issuer, expires_s, from_pem};
use symbolon_wallet::request::{Prefix, Verifier};

/// The largest file of certificates or keys.
const MOST_BYTES: u64 = 256 * 1024;

/// A wallet that people may sign in with, and what it was configured with read and checked.
pub struct Wallet {
    pub(super) name: String,
    pub settings: Settings,
    pub(super) verifier: Verifier,
    pub(super) query: Query,
    /// Those who may issue each credential.
    pub(super) issuers: BTreeMap<String, Vec<Issuer>>,
    pub(super) statuses: Statuses,
    /// Our own issuer: what our addresses begin with.
    pub(super) base: String,
    /// What the wallet calls us.
    pub(super) our_name: String,
    /// A digest of all that an answer is judged by. One that was asked for under another counts for nothing.
    pub(super) rules: String,
}

impl Wallet {
    /// `base`: our own issuer.
    pub(super) fn load(name: &str, settings: &Settings, (base, our_name): (&str, &str), outgoing: &Outgoing) -> Result<Self, Fault> {
        let here = |what: &str, why: &str| Fault::new(format!("[wallet.{name}] {what}: {why}"));
        let mut trusted = BTreeMap::new();
        for (word, issuer) in &settings.issuer {
            trusted.insert(word, read_issuer(issuer, settings.haip).map_err(|why| here(&format!("issuer.{word}"), &why))?);
        }
        let of = |names: &[String]| -> Vec<Issuer> {
            let may = |word: &&&String| names.is_empty() || names.contains(word);
            trusted.iter().filter(|(word, _)| may(word)).map(|(_, it)| it.clone()).collect()
        };
        let judged_by = (&settings.credential, &settings.account_claim, &settings.same_person, &settings.claims);
        let rules = format!("{judged_by:?} {:?} {} {trusted:?}", settings.transaction_type, settings.haip);
        let issuers = settings.credential.iter().map(|(id, it)| (id.clone(), of(&it.issuers))).collect::<BTreeMap<_, _>>();
        if let Some((id, why)) = issuers.iter().find_map(|(id, all)| Some((id, shared_ca(all)?))) {
            return Err(here(&format!("credential.{id}"), &why));
        }
        let query = query_of(settings, &issuers).map_err(|(id, why)| here(&format!("credential.{id}"), why))?;
        let mirrors = settings.issuer.values().filter_map(|it| Some((it.name.clone(), it.status_mirror.clone()?))).collect();
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            verifier: verifier(settings).map_err(|why| here("certificates", &why))?,
            query,
            issuers,
            statuses: Statuses::new(outgoing.clone(), mirrors, settings.status_max_age.0),
            base: base.to_owned(),
            our_name: our_name.to_owned(),
            rules: base64url::encode(&digest::sha256(rules.as_bytes())),
        })
    }
}

/// Two issuers below one CA, in words: the chain of a credential would not say whose it is, and the issuer is half of an account's key. CAs
/// that are further apart are known by a chain alone, and then it is refused (`issuer_ambiguous`).
fn shared_ca(issuers: &[Issuer]) -> Option<String> {
    let is_tied = |own: &Anchor, other: &Anchor| own.is_same_ca(other) || own.is_above(other) || other.is_above(own);
    let is_shared = |one: &Issuer, other: &Issuer| one.anchors.iter().any(|own| other.anchors.iter().any(|it| is_tied(own, it)));
    let (one, other) = issuers.iter().enumerate().find_map(|(at, one)| {
        let other = issuers.iter().skip(at + 1).find(|other| is_shared(one, other))?;
        Some((one, other))
    })?;
    Some(format!("{} and {} have the same CA, or one's CA is below the other's; name one of them in `issuers`", one.name, other.name))
}

/// What is asked, with the CAs that it names.
fn query_of<'a>(settings: &'a Settings, issuers: &BTreeMap<String, Vec<Issuer>>) -> Result<Query, (&'a str, &'static str)> {
    let mut query = settings.query();
    for (id, _) in settings.credential.iter().filter(|(_, it)| it.trusted_authorities) {
        let trusted = issuers.get(id).map(Vec::as_slice).unwrap_or_default();
        let is_named = |issuer: &Issuer| issuer.keys.keys.is_empty() && issuer.anchors.iter().all(|it| it.is_ca() && it.key_id().is_some());
        if !trusted.iter().all(is_named) {
            return Err((id, "trusted_authorities needs issuers that have CAs with a key identifier alone"));
        }
        let ids = trusted.iter().flat_map(|issuer| &issuer.anchors).filter_map(|anchor| anchor.key_id().map(<[u8]>::to_vec));
        let ids: Vec<Vec<u8>> = ids.collect();
        query.credentials.iter_mut().filter(|it| it.id == *id).for_each(|it| it.authorities.clone_from(&ids));
    }
    match query.check() {
        Ok(()) => Ok(query),
        Err(why) => Err(("", why.0)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let named = |it: std::io::Error| format!("{}: {it}", path.display());
    if std::fs::metadata(path).map_err(named)?.len() > MOST_BYTES {
        return Err(format!("{}: larger than 256 KiB", path.display()));
    }
    crate::pem::read(path).map_err(named)
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    from_pem(&read(path)?).map_err(|why| format!("{}: {}", path.display(), why.0))
}

fn verifier(settings: &Settings) -> Result<Verifier, String> {
    let pem = settings.key.text("key").map_err(|fault| fault.0)?;
    let key = private_key(&pem).ok_or("key is no PKCS#8 key of P-256 in PEM")?;
    let prefix = settings.client_id.strip_prefix("x509_san_dns:").map_or(Prefix::X509Hash, Prefix::X509SanDns);
    Verifier::new(prefix, key, &certificates(&settings.certificates)?).map_err(|why| why.0.to_owned())
}

/// PKCS#8 in PEM (RFC 7468 10).
fn private_key(pem: &str) -> Option<PrivateKey> {
    let body = pem.split_once("-----BEGIN PRIVATE KEY-----")?.1.split_once("-----END PRIVATE KEY-----")?.0;
    let text: String = body.split_whitespace().collect();
    PrivateKey::from_pkcs8(Algorithm::ES256, &base64::decode(&text)?).ok()
}

fn read_issuer(settings: &IssuerSettings, haip: bool) -> Result<Issuer, String> {
    let mut anchors = Vec::new();
    for path in &settings.anchors {
        for der in certificates(path)? {
            anchors.push(Anchor::from_der(&der).map_err(|why| format!("{}: {}", path.display(), why.0))?);
        }
    }
    let keys = match &settings.keys {
        None => KeySet::default(),
        Some(path) => {
            let document = serde_json::from_slice(&read(path)?).map_err(|why| format!("{}: {why}", path.display()))?;
            KeySet::parse(&document).map_err(|why| format!("{}: {why}", path.display()))?
        }
    };
    if anchors.is_empty() && keys.keys.is_empty() {
        return Err("nothing is in its files that could be trusted".to_owned());
    }
    Ok(Issuer { name: settings.name.clone(), anchors, keys, haip })
}

/// What of a wallet can expire: when, and what it is called by operators.
pub struct Expiring {
    pub what: String,
    pub at_s: i64,
}

/// So many seconds ahead operators hear that something expires.
const AHEAD_S: i64 = 30 * 86_400;

impl Wallet {
    /// Our own certificate, and those that are trusted, by the instant at which each expires.
    pub fn expiring(&self) -> Vec<Expiring> {
        let own = self.verifier.chain.iter().filter_map(|der| expires_s(der)).min();
        let own = own.map(|at_s| Expiring { what: "certificates".to_owned(), at_s });
        let issuers: BTreeMap<&str, i64> = self.issuers.values().flatten().fold(BTreeMap::new(), |mut all, issuer| {
            for anchor in &issuer.anchors {
                let first = all.entry(issuer.name.as_str()).or_insert(i64::MAX);
                *first = anchor.expires_s().min(*first);
            }
            all
        });
        let anchors = issuers.into_iter().map(|(name, at_s)| Expiring { what: format!("anchors of {name}"), at_s });
        own.into_iter().chain(anchors).collect()
    }

    /// What expires within a month, or has expired, in words.
    pub fn expires_soon(&self, now_s: i64) -> Vec<String> {
        let soon = |it: &Expiring| it.at_s <= now_s + AHEAD_S;
        let said = |expiring: Expiring| {
            let days = (expiring.at_s - now_s).div_euclid(86_400);
            let when = if days < 0 { "a certificate has expired".to_owned() } else { format!("a certificate expires in {days} days") };
            format!("[wallet.{}] {}: {when}", self.name, expiring.what)
        };
        self.expiring().into_iter().filter(soon).map(said).collect()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The login method.
    pub fn method(&self) -> String {
        format!("wallet:{}", self.name)
    }

    /// Credential and claim of all that is asked, in the operator's order.
    pub fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.credential.iter().flat_map(|(id, it)| it.claims.iter().map(move |claim| (id.as_str(), claim.as_str())))
    }
}
