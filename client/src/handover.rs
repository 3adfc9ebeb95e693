//! From the app to a page on the web, signed in. docs/handover.md.

use crate::Client;
use crate::api::Called;
use crate::platform::Request;
use crate::trouble::{Reply, Trouble};

impl Client {
    /// The address to open in the system browser, at once: it is good for a minute, in one browser. The server's configuration says where it
    /// leads. `Refused`: this app may not do that.
    pub async fn web_page(&self) -> Result<String, Trouble> {
        let endpoint = self.server().metadata().await?.handover_endpoint.clone();
        let endpoint = endpoint.ok_or_else(|| Trouble::Wrong("the server leads to no web page".to_owned()))?;
        let issuer = self.server().settings.issuer.clone();
        let request = Request::post(&endpoint, "application/x-www-form-urlencoded", Vec::new());
        let Called::Answer(answer) = self.call(&issuer, request).await? else {
            return Err(Trouble::Wrong("the server asks for another sign-in in the way of an API".to_owned()));
        };
        let reply = Reply::of(&answer, None);
        match reply.body["handover_uri"].as_str().filter(|_| reply.is_good()) {
            Some(address) => Ok(address.to_owned()),
            None => Err(reply.trouble()),
        }
    }
}
