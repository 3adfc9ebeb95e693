//! A client and its client_id: what asks for one of them mostly asks for both.

use super::section::Client;

/// The ID of a `[client.ID]`, and what stands below it. The client may come from the store as well.
#[derive(Clone, Copy)]
pub struct NamedClient<'a> {
    pub client_id: &'a str,
    pub client: &'a Client,
}
