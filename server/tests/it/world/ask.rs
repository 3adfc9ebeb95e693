//! An authorization request under construction.

use std::collections::BTreeMap;
use symbolon_oauth::pkce;

use super::NATIVE_BACK;

#[derive(Clone)]
pub struct Ask {
    pub parameters: BTreeMap<String, String>,
    pub verifier: String,
}

impl Ask {
    pub fn new(client: &str, redirect_uri: &str, scope: &str) -> Self {
        let verifier = pkce::verifier(symbolon::seal::random().unwrap());
        let pairs = [
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", scope),
            ("state", "s-1"),
            ("code_challenge_method", "S256"),
        ];
        let mut parameters: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parameters.insert("code_challenge".to_owned(), pkce::challenge(&verifier));
        Self { parameters, verifier }
    }

    pub fn native(scope: &str) -> Self {
        Self::new("shop-ios", NATIVE_BACK, scope)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.parameters.remove(name);
        self
    }

    pub fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish()
    }

    /// Path and query of the authorization request.
    pub fn path(&self) -> String {
        format!("/authorize?{}", self.query())
    }

    /// The parameters as a form, for a pushed request.
    pub fn form(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
