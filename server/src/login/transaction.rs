//! What a person is to agree to in detail (RFC 9396), where a wallet signs it too (OpenID4VP 1.0, 8.4). A proof of such a wallet counts for
//! the details that it has signed, and for no other request.

use super::proof::{MethodName, Proof};
use serde_json::Value as Json;
use symbolon_oauth::{base64url, digest};

#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    pub details: Vec<Json>,
    /// The wallets that sign transactions.
    signers: Vec<MethodName>,
    digest: String,
}

impl Transaction {
    /// None: there is nothing to sign, or nobody who would.
    pub fn new(details: &[Json], signers: Vec<MethodName>) -> Option<Self> {
        if details.is_empty() || signers.is_empty() {
            return None;
        }
        let digest = base64url::encode(&digest::sha256(Json::from(details.to_vec()).to_string().as_bytes()));
        Some(Self { details: details.to_vec(), signers, digest })
    }

    pub fn is_signed_by(&self, method: &MethodName) -> bool {
        self.signers.contains(method)
    }

    /// What a proof says that it has signed.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn counts(&self, proof: &Proof) -> bool {
        !self.is_signed_by(&proof.method) || proof.facts.transaction.as_deref() == Some(self.digest())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::proof::Facts;
    use serde_json::json;

    #[test]
    fn a_proof_counts_for_the_details_that_it_has_signed() {
        let wallet = MethodName::new("wallet:pid");
        let made = |amount: &str| Transaction::new(&[json!({ "type": "payment", "amount": amount })], vec![wallet.clone()]).unwrap();
        let proof = |method: &MethodName, transaction: Option<&str>| Proof {
            method: method.clone(),
            subject: "a".to_owned(),
            at_ms: 1,
            facts: Facts { transaction: transaction.map(str::to_owned), ..Facts::default() },
        };
        let (ten, eleven) = (made("10"), made("11"));
        assert!(ten.counts(&proof(&wallet, Some(ten.digest()))));
        for other in [None, Some(""), Some(eleven.digest())] {
            assert!(!ten.counts(&proof(&wallet, other)), "{other:?}");
        }
        // Other methods sign nothing.
        assert!(ten.counts(&proof(&MethodName::PASSWORD, None)));
        assert!(Transaction::new(&[], vec![wallet]).is_none() && Transaction::new(&[json!({})], Vec::new()).is_none());
    }
}
