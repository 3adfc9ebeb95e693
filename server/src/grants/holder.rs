//! Who holds a grant. The columns `holder_kind` and `holder` are read and written here alone.

use crate::error::Fault;
use crate::store::Value;

/// Who holds a grant, and so who may redeem its code and its refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Whoever has the token. RFC 6750.
    Bearer,
    /// Whoever proves this key. RFC 9449 5.
    Jkt(HolderKey),
    /// Whoever shows a certificate of this public key: one that is renewed for the same key goes on. RFC 8705 4.
    Certificate(String),
    /// An installation or device, by its key. `None`: the code exchange says which one.
    Instance(Option<HolderKey>),
    /// The client of this id, which authenticates.
    Client(String),
    /// Of a client that also takes devices that cannot attest: whoever exchanges the code.
    Open,
}

/// A key that holds a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderKey {
    /// RFC 7638 thumbprint.
    pub jkt: String,
    /// The first generation that is bound, where the grant lived without a key before.
    pub bound_from: Option<u32>,
}

impl HolderKey {
    /// A key that the grant had from the beginning.
    pub fn first(jkt: impl Into<String>) -> Self {
        Self { jkt: jkt.into(), bound_from: None }
    }

    fn text(&self) -> String {
        match self.bound_from {
            None => self.jkt.clone(),
            Some(generation) => format!("{}@{generation}", self.jkt),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once('@') {
            None => Some(Self::first(text)).filter(|key| !key.jkt.is_empty()),
            Some((jkt, generation)) => Some(Self { jkt: jkt.to_owned(), bound_from: Some(generation.parse().ok()?) }),
        }
    }
}

impl Holder {
    /// What the two columns say. A kind that is not known here is a fault: it must not be taken for a weaker one.
    pub fn from_columns(kind: &str, holder: &str) -> Result<Self, Fault> {
        let unknown = || Fault::new(format!("a grant is held in an unknown way: {kind:?}"));
        let key = || HolderKey::parse(holder).ok_or_else(unknown);
        Ok(match kind {
            "bearer" => Self::Bearer,
            "jkt" | "learned" => Self::Jkt(key()?),
            "certificate" => Self::Certificate(holder.to_owned()),
            "instance" if holder.is_empty() => Self::Instance(None),
            "instance" => Self::Instance(Some(key()?)),
            "client" => Self::Client(holder.to_owned()),
            "open" => Self::Open,
            _ => return Err(unknown()),
        })
    }

    /// `holder_kind` and `holder`.
    pub fn to_columns(&self) -> [Value; 2] {
        let (kind, holder) = match self {
            Self::Bearer => ("bearer", String::new()),
            Self::Jkt(key) if key.bound_from.is_some() => ("learned", key.text()),
            Self::Jkt(key) => ("jkt", key.text()),
            Self::Certificate(key) => ("certificate", key.clone()),
            Self::Instance(key) => ("instance", key.as_ref().map(HolderKey::text).unwrap_or_default()),
            Self::Client(id) => ("client", id.clone()),
            Self::Open => ("open", String::new()),
        };
        [kind.into(), holder.into()]
    }

    /// The key behind a proof or an installation.
    pub fn key(&self) -> Option<&HolderKey> {
        match self {
            Self::Jkt(key) => Some(key),
            Self::Instance(key) => key.as_ref(),
            Self::Bearer | Self::Certificate(_) | Self::Client(_) | Self::Open => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_holder_reads_back() {
        let learned = || HolderKey { jkt: "key".to_owned(), bound_from: Some(7) };
        let all = [
            (Holder::Bearer, "bearer", ""),
            (Holder::Jkt(HolderKey::first("key")), "jkt", "key"),
            (Holder::Jkt(learned()), "learned", "key@7"),
            (Holder::Certificate("key".to_owned()), "certificate", "key"),
            (Holder::Instance(None), "instance", ""),
            (Holder::Instance(Some(HolderKey::first("key"))), "instance", "key"),
            (Holder::Instance(Some(learned())), "instance", "key@7"),
            // An id of a client is no key: what stands behind its @ is no generation.
            (Holder::Client("shop@7".to_owned()), "client", "shop@7"),
            (Holder::Open, "open", ""),
        ];
        for (holder, kind, text) in all {
            assert_eq!(holder.to_columns(), [Value::from(kind), Value::from(text)]);
            assert_eq!(Holder::from_columns(kind, text).unwrap(), holder);
        }
        assert_eq!(Holder::Client("shop@7".to_owned()).key(), None);
    }

    #[test]
    fn a_holder_that_is_not_known_is_a_fault() {
        for (kind, text) in [("", ""), ("Bearer", ""), ("jkt", ""), ("learned", "key@x"), ("learned", ""), ("instance", "key@-1")] {
            assert!(Holder::from_columns(kind, text).is_err(), "{kind} {text}");
        }
    }
}
