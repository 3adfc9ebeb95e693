//! What a reviewer says of the wallets that people sign in with.

use super::outcome::Finding;
use crate::config::Config;
use crate::config::upstream::Newcomers;
use crate::config::wallet::{ClaimSource, Wallet};
use crate::outgoing::Outgoing;
use crate::wallet::Wallets;
use symbolon_wallet::dcql::Part;

pub(super) fn wallet_findings(config: &Config) -> Vec<Finding> {
    config.wallet.iter().flat_map(|(name, wallet)| of_wallet(name, wallet, &config.issuer)).collect()
}

/// Certificates of wallets that expire within a month: everybody who signs in by them stands outside then.
pub(super) fn expiring_findings(config: &Config, now_ms: i64) -> Vec<Finding> {
    let loaded = Wallets::load(&config.wallet, (&config.issuer, &config.brand.name), &Outgoing::default());
    loaded.map(|wallets| wallets.expires_soon(now_ms / 1000)).unwrap_or_default().into_iter().map(Finding::weak).collect()
}

/// Where the account claim can be read: at its own place, and wherever `same_person` says that the same stands.
fn account_sources(wallet: &Wallet) -> Vec<ClaimSource> {
    let mut all: Vec<ClaimSource> = wallet.account_source().into_iter().collect();
    for _ in 0..wallet.same_person.len() {
        for (one, other) in wallet.pairs() {
            if all.contains(&one) != all.contains(&other) {
                all.extend([one, other]);
            }
        }
    }
    all
}

/// Is this within that, or the same? Every element of a list has each of them.
fn is_in(inner: &ClaimSource, outer: &ClaimSource) -> bool {
    let is_on_the_way = outer.path.len() <= inner.path.len();
    let same = |(own, part): (&Part, &Part)| own == part || *part == Part::Every;
    is_on_the_way && inner.credential == outer.credential && inner.path.iter().zip(&outer.path).all(same)
}

fn of_wallet(name: &str, wallet: &Wallet, our_issuer: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut weak = |holds: bool, what: String| {
        if holds {
            found.push(Finding::weak(format!("[wallet.{name}]: {what}")));
        }
    };
    weak(!wallet.haip, "haip = false: credentials may carry their own root, and signers may have signed themselves".to_owned());
    for claim in wallet.nested() {
        weak(true, format!("credential: {claim} asks for a claim within another; for two claims write two lines"));
    }
    let changes = wallet.account_source().is_some_and(|source| source.name() == Some("document_number"));
    weak(changes, "account_claim: a renewed document has another document_number, and its owner would be a new person".to_owned());
    let account = account_sources(wallet);
    let tells = |from: &String| ClaimSource::read(from).is_some_and(|outer| account.iter().any(|inner| is_in(inner, &outer)));
    for (claim, _) in wallet.claims.iter().filter(|(_, from)| tells(from)) {
        weak(true, format!("claims: {claim} tells apps the account claim, by which they can compare people with other services"));
    }
    if let Some(dns) = wallet.client_id.strip_prefix("x509_san_dns:") {
        let url = url::Url::parse(our_issuer).ok();
        let is_ours = url.as_ref().and_then(|url| url.host_str()).is_some_and(|host| host.eq_ignore_ascii_case(dns));
        weak(!is_ours, format!("client_id: {dns} is not the host of issuer, which is where answers go: wallets may refuse the request"));
    }
    for (word, issuer) in
        wallet.issuer.iter().filter(|(_, issuer)| issuer.status_mirror.as_deref().is_some_and(|it| it.starts_with("http://")))
    {
        weak(
            true,
            format!("issuer.{word}: the mirror of {} is reached without TLS; its lists are signed, and can be held back", issuer.name),
        );
    }
    let newcomers = if wallet.accounts == Newcomers::Create { ", and everybody there can have an account here" } else { "" };
    for issuer in wallet.issuer.values() {
        found.push(Finding::fact(format!("[wallet.{name}]: {} decides who is who among its people{newcomers}", issuer.name)));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::wallet::{CREDENTIAL, ISSUER, WALLET};

    #[test]
    fn each_choice_that_costs_something_is_named() {
        let text = [WALLET, CREDENTIAL, ISSUER].map(|it| it.example).concat();
        let text = format!("issuer = \"https://a.example\"\n{text}");
        let weak_of = |change: &dyn Fn(&str) -> String| {
            let config = Config::from_text(&change(&text), "x", &|_| None).unwrap();
            wallet_findings(&config).into_iter().filter(|finding| finding.weak).map(|finding| finding.text).collect::<Vec<_>>()
        };
        let weak = |from: &str, to: &str| weak_of(&|text: &str| text.replace(from, to));
        assert_eq!(weak("", ""), Vec::<String>::new());
        let table = "accounts = \"create\"";
        for (more, word) in
            [("haip = false", "haip = false"), ("claims = { number = \"pid/personal_administrative_number\" }", "compare people")]
        {
            let found = weak(table, more);
            assert!(found.len() == 1 && found[0].contains(word), "{more}: {found:?}");
        }
        // The whole that it stands in, and what `same_person` says is the same.
        let nested = |text: &str| text.replace("\"personal_administrative_number\", ", "\"person\", \"person/number\", ");
        let account = "account_claim = \"pid/person/number\"\nclaims = { all = \"pid/person\" }";
        let second = "[wallet.pid.credential.card]\nformat = \"dc+sd-jwt\"\ntypes = [\"urn:example:card:1\"]\n\
                      claims = [\"owner\", \"given_name\"]\n";
        let tied = "same_person = [\"pid/personal_administrative_number = card/owner\"]\n";
        let mapped = |claim: &str| format!("{tied}claims = {{ number = \"card/{claim}\" }}");
        for (claim, count) in [("owner", 1), ("given_name", 0)] {
            let found = weak_of(&|text: &str| format!("{}{second}", text.replace(table, &mapped(claim))));
            assert!(found.len() == count && found.iter().all(|it| it.contains("compare people")), "{claim}: {found:?}");
        }
        let found = weak_of(&|text: &str| nested(&text.replace("account_claim = \"pid/personal_administrative_number\"", account)));
        assert!(found.len() == 1 && found[0].contains("all tells apps the account claim"), "{found:?}");
        // OpenID4VP 1.0, 5.9.3.
        for (dns, count) in [("login.example", 1), ("a.example", 0)] {
            let found = weak(table, &format!("client_id = \"x509_san_dns:{dns}\""));
            assert!(found.len() == count && found.iter().all(|it| it.contains("is not the host of issuer")), "{dns}: {found:?}");
        }
        // V-05, V-20.
        let found = weak("\"given_name\"", "\"given_name/family_name\"");
        assert!(found.iter().any(|it| it.contains("given_name/family_name asks for a claim within another")), "{found:?}");
        let found = weak("personal_administrative_number", "document_number");
        assert!(found.len() == 1 && found[0].contains("another document_number"), "{found:?}");
        let found = weak("anchors = [", "status_mirror = \"http://a.internal\"\nanchors = [");
        assert!(found.len() == 1 && found[0].contains("without TLS"), "{found:?}");
    }
}
