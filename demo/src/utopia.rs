//! The state of Utopia: it gives people identity credentials into their wallets, and its registrar vouches for verifiers.

use crate::world::{now_ms, write_private};
use serde_json::{Value, json};
use std::path::Path;
use symbolon_phone::Trouble;
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms, certify};
use symbolon_phone::wallet::{Held, Wallet};

pub const PID: &str = "urn:utopia:pid:1";

pub struct Utopia {
    issuer: CredentialIssuer,
    /// The registrar's CA, which wallets trust.
    registrar: Vec<u8>,
}

impl Utopia {
    /// Writes what the shop's operator has got: the issuer's CA, and a certificate with its key.
    pub fn found(directory: &Path) -> Result<Self, Trouble> {
        let issuer = CredentialIssuer::new("Utopia")?;
        let verifier = certify("Registrar of Utopia", &["shop.example.com"], None)?;
        let files = [("utopia.pem", &issuer.root_pem), ("verifier.pem", &verifier.leaf_pem), ("verifier.key", &verifier.key_pem)];
        for (name, text) in files {
            write_private(&directory.join(name), text).map_err(|why| Trouble(why.to_string()))?;
        }
        Ok(Self { issuer, registrar: verifier.root_der })
    }

    /// A wallet with the identity of somebody.
    pub fn wallet_of(&self, number: &str, name: &str, over_18: bool) -> Result<Wallet, Trouble> {
        let mut wallet = Wallet::new(&self.registrar)?;
        let terms = Terms {
            kind: PID.to_owned(),
            namespace: String::new(),
            holder: wallet.holder().clone(),
            now_s: now_ms() / 1000 - 60,
            lifetime_s: 3600,
            status: None,
        };
        let says = json!({
            "personal_administrative_number": number, "given_name": name, "age_over_18": over_18, "address": { "locality": "Amaurot" },
        });
        let says = says.as_object().cloned().unwrap_or_default();
        wallet.held = vec![Held::SdJwt { vct: PID.to_owned(), text: self.issuer.sd_jwt(&terms, &says)? }];
        Ok(wallet)
    }
}

/// The names of the claims that a presentation shows.
pub fn shown(token: &Value) -> Vec<String> {
    let text = token.as_object().and_then(|it| it.values().next()).and_then(|it| it[0].as_str()).unwrap_or_default();
    let parts = text.split('~').skip(1).filter_map(symbolon_oauth::base64url::decode);
    let names = parts.filter_map(|it| serde_json::from_slice::<Value>(&it).ok()?[1].as_str().map(str::to_owned));
    names.collect()
}
