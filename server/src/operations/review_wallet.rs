//! What a reviewer says of the wallets that people sign in with.

use super::outcome::Finding;
use crate::config::Config;
use crate::config::upstream::Newcomers;
use crate::config::wallet::Wallet;
use crate::outgoing::Outgoing;
use crate::wallet::Wallets;

pub(super) fn wallet_findings(config: &Config) -> Vec<Finding> {
    config.wallet.iter().flat_map(|(name, wallet)| of_wallet(name, wallet)).collect()
}

/// Certificates of wallets that expire within a month: everybody who signs in by them stands outside then.
pub(super) fn expiring_findings(config: &Config, now_ms: i64) -> Vec<Finding> {
    let loaded = Wallets::load(&config.wallet, &config.issuer, &Outgoing::default());
    loaded.map(|wallets| wallets.expires_soon(now_ms / 1000)).unwrap_or_default().into_iter().map(Finding::weak).collect()
}

fn of_wallet(name: &str, wallet: &Wallet) -> Vec<Finding> {
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
    let changes = wallet.account_place().is_some_and(|place| place.name() == Some("document_number"));
    weak(changes, "account_claim: a renewed document has another document_number, and its owner would be a new person".to_owned());
    let account = wallet.account_claim.trim();
    for (claim, _) in wallet.claims.iter().filter(|(_, from)| from.trim() == account) {
        weak(true, format!("claims: {claim} tells apps the account claim, by which they can compare people with other services"));
    }
    for (word, issuer) in wallet.issuer.iter().filter(|(_, it)| it.status_mirror.as_deref().is_some_and(|it| it.starts_with("http://"))) {
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
        let weak = |from: &str, to: &str| {
            let text = [WALLET, CREDENTIAL, ISSUER].map(|it| it.example).concat();
            let text = format!("issuer = \"https://a.example\"\n{text}");
            let config = Config::from_text(&text.replace(from, to), "x", &|_| None).unwrap();
            wallet_findings(&config).into_iter().filter(|finding| finding.weak).map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert_eq!(weak("", ""), Vec::<String>::new());
        let table = "accounts = \"create\"";
        for (more, word) in
            [("haip = false", "haip = false"), ("claims = { number = \"pid/personal_administrative_number\" }", "compare people")]
        {
            let found = weak(table, more);
            assert!(found.len() == 1 && found[0].contains(word), "{more}: {found:?}");
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
