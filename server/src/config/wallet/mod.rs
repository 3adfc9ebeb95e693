//! `[wallet.NAME]`: digital wallets by which people may sign in. Each is the login method `wallet:NAME`.

mod section;

pub use section::{CREDENTIAL, ISSUER, WALLET};

use super::plugin::{PluginFactor, is_amr};
use super::secret::SecretSource;
use super::span::Span;
use super::upstream::{Elsewhere, Linking, Mapping, Newcomers, Type, Update, Upstream};
use super::url::read_url;
use crate::config::claim_names;
use crate::login::proof::{MethodName, Worth};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use symbolon_wallet::Format;
use symbolon_wallet::dcql::{ClaimQuery, CredentialQuery, CredentialSet, Part, Query};

const LONGEST_NAME: usize = 32;
const MOST_CREDENTIALS: usize = 8;
const MOST_SKEW: Span = Span::minutes(5);
const MOST_STATUS_AGE: Span = Span::minutes(60);
/// Of every account there is more than one, or they change.
const SHARED: [&str; 30] = [
    "name",
    "given_name",
    "family_name",
    "birthdate",
    "birth_date",
    "birth_family_name",
    "email",
    "phone_number",
    "nationalities",
    "nationality",
    "address",
    "age_over_18",
    "sex",
    "picture",
    "age_in_years",
    "email_address",
    "mobile_phone_number",
    "resident_address",
    "place_of_birth",
    "birth_place",
    "age_birth_year",
    "gender",
    "portrait",
    "resident_city",
    "resident_postal_code",
    "resident_country",
    "issuing_authority",
    "issuing_country",
    "issue_date",
    "expiry_date",
];
/// Names that stand at the top of an SD-JWT, beside those of `SHARED`.
const TOP: [&str; 2] = ["personal_administrative_number", "document_number"];

/// Whether the account page offers to link it. A wallet's word is always of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Linkable {
    #[default]
    Fresh,
    Off,
}

impl From<Linkable> for Linking {
    fn from(linkable: Linkable) -> Self {
        match linkable {
            Linkable::Fresh => Self::Fresh,
            Linkable::Off => Self::Off,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wallet {
    pub label: String,
    pub purpose: String,
    pub certificates: PathBuf,
    pub key: SecretSource,
    #[serde(default = "x509_hash")]
    pub client_id: String,
    #[serde(default = "openid4vp")]
    pub link: String,
    pub account_claim: String,
    pub account_claim_is_unique: bool,
    #[serde(default)]
    pub same_person: Vec<String>,
    #[serde(default)]
    pub accounts: Newcomers,
    #[serde(default)]
    pub linking: Linkable,
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    #[serde(default = "pop")]
    pub amr: String,
    #[serde(default)]
    pub factor: Option<PluginFactor>,
    #[serde(default = "yes")]
    pub digital_credentials: bool,
    #[serde(default)]
    pub transaction_type: Option<String>,
    #[serde(default = "yes")]
    pub haip: bool,
    #[serde(default = "clock_skew")]
    pub clock_skew: Span,
    #[serde(default = "status_max_age")]
    pub status_max_age: Span,
    #[serde(default)]
    pub credential: BTreeMap<String, Credential>,
    #[serde(default)]
    pub issuer: BTreeMap<String, Issuer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum CredentialFormat {
    #[serde(rename = "dc+sd-jwt")]
    SdJwt,
    #[serde(rename = "mso_mdoc")]
    Mdoc,
}

impl From<CredentialFormat> for Format {
    fn from(format: CredentialFormat) -> Self {
        match format {
            CredentialFormat::SdJwt => Self::SdJwt,
            CredentialFormat::Mdoc => Self::Mdoc,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    pub format: CredentialFormat,
    pub types: Vec<String>,
    pub claims: Vec<String>,
    #[serde(default)]
    pub values: BTreeMap<String, Vec<serde_json::Value>>,
    #[serde(default)]
    pub issuers: Vec<String>,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub trusted_authorities: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub name: String,
    #[serde(default)]
    pub anchors: Vec<PathBuf>,
    #[serde(default)]
    pub keys: Option<PathBuf>,
    #[serde(default)]
    pub status_mirror: Option<String>,
}

fn x509_hash() -> String {
    "x509_hash".to_owned()
}
fn openid4vp() -> String {
    "openid4vp://".to_owned()
}
fn pop() -> String {
    "pop".to_owned()
}
fn yes() -> bool {
    true
}
fn clock_skew() -> Span {
    Span::minutes(1)
}
fn status_max_age() -> Span {
    Span::minutes(5)
}

/// Where a claim is: the credential, and the way in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimSource {
    pub credential: String,
    pub path: Vec<Part>,
}

impl ClaimSource {
    /// `pid/address/locality`
    pub fn read(text: &str) -> Option<Self> {
        let (credential, rest) = text.trim().split_once('/')?;
        Some(Self { credential: credential.to_owned(), path: path(rest) })
    }

    /// The claim's own name: the last one of its way.
    pub fn name(&self) -> Option<&str> {
        self.path.iter().rev().find_map(|part| if let Part::Member(name) = part { Some(name.as_str()) } else { None })
    }
}

/// `nationalities/*`
fn path(text: &str) -> Vec<Part> {
    let part = |word: &str| match word {
        "*" => Part::Every,
        word => word.parse::<usize>().map_or_else(|_| Part::Member(word.to_owned()), Part::Element),
    };
    text.split('/').map(part).collect()
}

/// Two claims that must be equal: `pid/birthdate = licence/org.iso.18013.5.1/birth_date`.
fn pair(text: &str) -> Option<(ClaimSource, ClaimSource)> {
    let (one, other) = text.split_once('=')?;
    Some((ClaimSource::read(one)?, ClaimSource::read(other)?))
}

impl Credential {
    /// `kept`: what the operator maps to claims. Of all others nothing is kept but a MAC.
    fn query(&self, id: &str, kept: &[ClaimSource]) -> CredentialQuery {
        let format = Format::from(self.format);
        let claim = |text: &String| {
            let path = path(text);
            let is_kept = kept.iter().any(|source| source.credential == id && source.path == path);
            ClaimQuery {
                id: None,
                values: self.values.get(text).cloned().unwrap_or_default(),
                intent_to_retain: (format == Format::Mdoc).then_some(is_kept),
                path,
            }
        };
        CredentialQuery {
            id: id.to_owned(),
            format,
            types: self.types.clone(),
            multiple: false,
            authorities: Vec::new(),
            claims: self.claims.iter().map(claim).collect(),
            claim_sets: Vec::new(),
        }
    }
}

impl Wallet {
    /// What is asked of the wallet. A set is sent only where a credential may be left out (V-05).
    pub fn query(&self) -> Query {
        let kept: Vec<ClaimSource> = self.claims.values().filter_map(|text| ClaimSource::read(text)).collect();
        let credentials = self.credential.iter().map(|(id, it)| it.query(id, &kept)).collect();
        let set = |(id, it): (&String, &Credential)| CredentialSet { options: vec![vec![id.clone()]], required: !it.optional };
        let has_optional = self.credential.values().any(|it| it.optional);
        let sets = if has_optional { self.credential.iter().map(set).collect() } else { Vec::new() };
        Query { credentials, sets }
    }

    pub fn account_source(&self) -> Option<ClaimSource> {
        ClaimSource::read(&self.account_claim)
    }

    /// Can a key with this issuer be one of the wallet's people? An authority may stand behind the issuer's name.
    pub fn lets_in(&self, key_issuer: &str) -> bool {
        let own = self.account_source().and_then(|source| self.credential.get(&source.credential));
        let may_issue = |word: &String| own.is_some_and(|it| it.issuers.is_empty() || it.issuers.contains(word));
        let name = key_issuer.split(' ').next().unwrap_or_default();
        self.issuer.iter().any(|(word, issuer)| issuer.name == name && may_issue(word))
    }

    /// Are people known by the same claim in both?
    pub fn knows_people_as(&self, other: &Self) -> bool {
        let claim = |wallet: &Self| wallet.account_source().and_then(|source| source.name().map(str::to_owned));
        claim(self) == claim(other)
    }

    pub fn pairs(&self) -> Vec<(ClaimSource, ClaimSource)> {
        self.same_person.iter().filter_map(|it| pair(it)).collect()
    }

    /// Claims of SD-JWTs that ask for one top-level name within another (V-05). A way of two names means nesting, not two claims.
    pub fn nested(&self) -> Vec<&str> {
        let is_top = |part: &Part| matches!(part, Part::Member(name) if SHARED.contains(&name.as_str()) || TOP.contains(&name.as_str()));
        let is_nested = |claim: &&String| path(claim).windows(2).any(|pair| pair.iter().all(is_top));
        let of_sd_jwts = self.credential.values().filter(|it| it.format == CredentialFormat::SdJwt);
        of_sd_jwts.flat_map(|it| it.claims.iter().filter(is_nested)).map(String::as_str).collect()
    }

    /// Can the account's own credential sign what the person agrees to, if it is to?
    fn can_sign(&self) -> bool {
        let own = self.account_source().and_then(|source| self.credential.get(&source.credential));
        self.transaction_type.is_none() || own.is_none_or(|it| it.format == CredentialFormat::SdJwt)
    }

    /// Relative paths begin at the configuration's directory.
    pub(super) fn below(&mut self, base: &Path) {
        self.certificates = base.join(&self.certificates);
        self.key = self.key.clone().below(base);
        for issuer in self.issuer.values_mut() {
            issuer.anchors.iter_mut().chain(&mut issuer.keys).for_each(|it| *it = base.join(&it));
        }
    }

    /// Is this claim among those that are asked for?
    fn asks_for(&self, source: &ClaimSource) -> bool {
        self.credential.get(&source.credential).is_some_and(|it| it.claims.iter().any(|text| path(text) == source.path))
    }

    fn problems(&self, name: &str) -> Vec<String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain);
        let prefix = self.client_id == "x509_hash" || self.client_id.strip_prefix("x509_san_dns:").is_some_and(|it| it.contains('.'));
        let opens = ["openid4vp://", "haip-vp://"].contains(&self.link.as_str())
            || read_url(&self.link).is_some_and(|it| it.scheme() == "https" && it.fragment().is_none());
        let rules = [
            (!is_name, "the name has 1 to 32 lower-case letters, digits and dashes"),
            (self.label.trim().is_empty() || self.label.len() > 80, "label is what people call the wallet, at most 80 bytes"),
            (self.purpose.trim().is_empty() || self.purpose.len() > 300, "purpose says why you ask, in at most 300 bytes"),
            (!prefix, "client_id is x509_hash, or x509_san_dns: and a DNS name"),
            (!opens, "link is openid4vp://, haip-vp:// or an https address"),
            (!is_amr(&self.amr), "amr is a word such as pop; mfa follows from two factors"),
            (
                !self.transaction_type.as_ref().is_none_or(|it| is_transaction_type(it)),
                "transaction_type is visible ASCII of at most 255 bytes",
            ),
            (!self.can_sign(), "transaction_type needs an account_claim of an SD-JWT: an mdoc signs no transaction here"),
            (self.clock_skew > MOST_SKEW, "clock_skew is at most 5m"),
            (self.status_max_age > MOST_STATUS_AGE, "status_max_age is at most 60m"),
            (self.issuer.is_empty(), "there is no table issuer: nobody is trusted"),
            (self.credential.len() > MOST_CREDENTIALS, "at most 8 credentials are asked for"),
            (!self.account_claim_is_unique, "account_claim_is_unique is false: two people could have one account"),
        ];
        let mut found: Vec<String> = rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, what)| what.to_owned()).collect();
        if let Err(why) = self.query().check() {
            found.push(format!("credential: {}", why.0));
        }
        found.extend(self.account_problems());
        found.extend(self.issuer_problems());
        found.into_iter().map(|what| format!("[wallet.{name}]: {what}")).collect()
    }

    fn account_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let account = self.account_source();
        let is_good = |source: &ClaimSource| self.asks_for(source) && !source.path.contains(&Part::Every);
        match &account {
            Some(source) if is_good(source) => {
                if source.name().is_some_and(|it| SHARED.contains(&it)) {
                    found.push(format!("account_claim: {} is no claim that one person alone has for good", self.account_claim));
                }
                if self.credential.get(&source.credential).is_some_and(|it| it.optional) {
                    found.push("account_claim: its credential is optional".to_owned());
                }
            }
            _ => found.push("account_claim is not among the claims that a credential asks for".to_owned()),
        }
        for text in &self.same_person {
            if pair(text).is_none_or(|(one, other)| !is_good(&one) || !is_good(&other) || one.credential == other.credential) {
                found.push(format!("same_person: {text:?} is no pair of claims that two credentials ask for"));
            }
        }
        // Whoever is linked to the account's credential, in however many steps.
        let mut tied: BTreeSet<String> = account.map(|it| it.credential).into_iter().collect();
        for _ in 0..self.credential.len() {
            for (one, other) in self.pairs() {
                if tied.contains(&one.credential) || tied.contains(&other.credential) {
                    tied.extend([one.credential, other.credential]);
                }
            }
        }
        if self.credential.keys().any(|id| !tied.contains(id)) {
            found.push("same_person ties each further credential to the account's: else it could be somebody else's".to_owned());
        }
        for (claim, text) in &self.claims {
            if ClaimSource::read(text).is_none_or(|it| !self.asks_for(&it)) {
                found.push(format!("claims: {text:?} is not asked for"));
            }
            if !claim_names::may_be_written(claim) {
                found.push(format!("claims: {claim:?} is no claim that a wallet may write"));
            }
        }
        found
    }

    fn issuer_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for (word, issuer) in &self.issuer {
            let is_named = (1..=255).contains(&issuer.name.len()) && issuer.name.bytes().all(|it| it.is_ascii_graphic());
            if !is_named || !names.insert(&issuer.name) {
                found.push(format!("issuer.{word}: name is visible ASCII of at most 255 bytes, and of no other issuer"));
            }
            if issuer.anchors.is_empty() && issuer.keys.is_none() {
                found.push(format!("issuer.{word}: neither anchors nor keys: nothing of it could be trusted"));
            }
            let is_origin = |it: &url::Url| matches!(it.scheme(), "http" | "https") && it.path() == "/" && it.query().is_none();
            if issuer.status_mirror.as_deref().is_some_and(|mirror| !read_url(mirror).is_some_and(|it| is_origin(&it))) {
                found.push(format!("issuer.{word}: status_mirror is scheme and host"));
            }
        }
        for (id, credential) in &self.credential {
            if credential.issuers.iter().any(|it| !self.issuer.contains_key(it)) {
                found.push(format!("credential.{id}: issuers names one that there is no table of"));
            }
            if credential.values.keys().any(|it| !credential.claims.contains(it)) || credential.values.values().any(Vec::is_empty) {
                found.push(format!("credential.{id}: values are of claims that are asked for, and each has some"));
            }
        }
        found
    }
}

fn is_transaction_type(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the proofs of wallets are worth, for policies.
pub(super) fn worth(all: &BTreeMap<String, Wallet>) -> BTreeMap<MethodName, Worth> {
    let worth =
        |wallet: &Wallet| Worth { amr: Some(wallet.amr.clone()), factor: wallet.factor.map(PluginFactor::factor), needs_none: false };
    all.iter().map(|(name, wallet)| (MethodName::new(format!("wallet:{name}")), worth(wallet))).collect()
}

/// The wallets that sign what a person agrees to.
pub(super) fn signing(all: &BTreeMap<String, Wallet>) -> Vec<MethodName> {
    let signs = all.iter().filter(|(_, wallet)| wallet.transaction_type.is_some());
    signs.map(|(name, _)| MethodName::new(format!("wallet:{name}"))).collect()
}

/// `used`: policies, and the wallets that they name.
pub(super) fn problems<'a>(all: &BTreeMap<String, Wallet>, used: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let missing = used.filter(|(_, name)| !name.is_empty() && !all.contains_key(*name));
    let missing = missing.map(|(policy, name)| format!("[login.{policy}]: there is no [wallet.{name}]"));
    all.iter().flat_map(|(name, wallet)| wallet.problems(name)).chain(missing).collect()
}

impl Wallet {
    /// To the login machine a wallet is a provider whose word is of this moment. What becomes of newcomers, links and claims is written in
    /// the same way.
    pub fn terms(&self) -> Upstream {
        let every =
            Mapping { from: Vec::new(), kind: Type::default(), update: Update::Every, required: false, elsewhere: Elsewhere::default() };
        Upstream {
            label: self.label.clone(),
            accounts: self.accounts,
            claims: self.claims.keys().map(|name| (name.clone(), every.clone())).collect(),
            linking: self.linking.into(),
            clock_skew: self.clock_skew,
            ..Upstream::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    /// V-20: by a claim that others have too, or that changes, nobody is known again.
    #[test]
    fn nobody_is_known_by_what_others_share() {
        let text = [WALLET, CREDENTIAL, ISSUER].map(|it| it.example).concat();
        let text = format!("issuer = \"https://a.example\"\n{text}");
        let by = |claim: &str| {
            let text = text.replace("personal_administrative_number", claim);
            Config::from_text(&text, "x", &|_| None).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(by("personal_administrative_number"), Ok(()), "the twin");
        for claim in SHARED {
            let error = by(claim).unwrap_err();
            assert!(error.contains(&format!("account_claim: pid/{claim} is no claim that one person alone has")), "{claim}: {error}");
        }
    }
}
