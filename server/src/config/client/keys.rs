//! A client's key set (RFC 7517 5): kept as it was registered, and parsed once, when the configuration is read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::sync::Arc;
use symbolon_oauth::jwk::KeySet;

#[derive(Debug, Clone)]
pub struct Jwks {
    document: Value,
    keys: std::result::Result<Arc<KeySet>, String>,
}

impl Jwks {
    pub fn new(document: Value) -> Self {
        let keys = KeySet::parse(&document).map(Arc::new).map_err(|it| it.0.to_owned());
        Self { document, keys }
    }

    /// The keys, or why the document is not a key set we accept.
    pub fn keys(&self) -> std::result::Result<&Arc<KeySet>, &str> {
        self.keys.as_ref().map_err(String::as_str)
    }

    pub fn document(&self) -> &Value {
        &self.document
    }
}

impl PartialEq for Jwks {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}
impl Eq for Jwks {}

impl<'de> Deserialize<'de> for Jwks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(Value::deserialize(deserializer)?))
    }
}

impl Serialize for Jwks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}
