//! What a handover must be: the rules of `[client.ID.handover]`.

use super::super::url::is_address;
use super::handover::Handover;
use super::section::Client;

impl Handover {
    /// `is_there`: is there a client of this name?
    pub(super) fn problems(&self, client: &Client, development: bool, is_there: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        if !client.first_party || !client.authentication.attests() || client.takes_unattested() {
            found.push("handover is only for first_party apps that are attested, with authentication by attestation".to_owned());
        }
        if self.clients.is_empty() {
            found.push("handover.clients is empty".to_owned());
        }
        for name in self.clients.iter().filter(|name| !is_there(name)) {
            found.push(format!("handover.clients: there is no [client.{name}]"));
        }
        if !is_address(&self.url, development, true) {
            found.push("handover.url is no https URL without fragment and user name".to_owned());
        }
        found
    }
}

impl Client {
    /// May something hang on the client's grants: sessions of browsers, what apps share, an address for waking it up?
    pub fn may_carry(&self) -> bool {
        self.handover.is_some() || self.sso_group.is_some() || self.approves
    }
}
