//! What a person agrees to. RFC 8252 8.6, RFC 9396 2, OpenID Connect Core 3.1.2.4.

use super::Authority;
use super::request::AuthorizationRequest;
use crate::config::{Client, NamedClient, TierName, proving_host};
use crate::error::Result;
use crate::grants;
use crate::grants::details::ShownDetail;
use crate::login::step::{Content, Step, Text};
use crate::store::Change;
use crate::store::tables::consent::{READ, WRITE};
use symbolon_oauth::redirect::{self, RedirectKind};
use symbolon_oauth::scope::Scope;

/// What assures that the client is who it says it is. Consent is decided from this, never from the shape of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assured {
    /// The answer goes to a claimed https redirect URI (RFC 8252 7.2).
    ClaimedHttps,
    /// The request came with the attestation of a genuine installation.
    Attested(TierName),
    /// The client authenticated with the request.
    ClientAuthentication,
    /// Any app can take a private scheme or a loopback port. So the person is asked every time (RFC 8252 8.6).
    Nothing,
}

impl Assured {
    /// What a redirect through the browser assures.
    pub fn by_redirect(authority: &Authority<'_>, client: NamedClient<'_>, uri: &str) -> Self {
        let is_assured = authority.proved_links.assures(&authority.config, client, uri, authority.now_ms());
        if is_assured { Self::ClaimedHttps } else { Self::Nothing }
    }
}

/// Must this person be asked?
pub async fn is_needed(
    authority: &Authority<'_>,
    client: &Client,
    request: &AuthorizationRequest,
    account: &str,
    assured: Assured,
) -> Result<bool> {
    let row = match decided(client, request, assured) {
        Some(needed) => return Ok(needed),
        None => authority.store.one(READ, &[account.into(), request.client_id.as_str().into()]).await?,
    };
    let Some(row) = row else { return Ok(true) };
    // The client has become another since: what was agreed to then was another's word.
    if client.stranger().is_some_and(|it| row.int("at_ms").is_ok_and(|at_ms| at_ms < it.changed_ms)) {
        return Ok(true);
    }
    let given = Scope::parse(row.text("scope")?).unwrap_or_default();
    Ok(!request.asked_scope().is_subset_of(&given))
}

/// What needs no look at what was agreed to before. `None`: that decides.
fn decided(client: &Client, request: &AuthorizationRequest, assured: Assured) -> Option<bool> {
    // What is granted in detail is granted once: the person sees it every time (RFC 9396 2).
    let is_detailed = !request.authorization_details.is_empty();
    let is_wanted = request.prompt.iter().any(|word| word == "consent") || client.require_consent == Some(true);
    if is_detailed || is_wanted || assured == Assured::Nothing {
        return Some(true);
    }
    (client.first_party || client.require_consent == Some(false)).then_some(false)
}

/// What was agreed to is remembered, where something assures that the next one who asks is the same client.
pub fn remember(change: &mut Change, request: &AuthorizationRequest, account: &str, assured: Assured) {
    if assured == Assured::Nothing {
        return;
    }
    let values = vec![account.into(), request.client_id.as_str().into(), request.asked_scope().to_string().into(), change.now_ms().into()];
    change.run(WRITE, values);
}

/// The question: the client, every scope in the API's words, every detail whole.
pub fn step(authority: &Authority<'_>, client: &Client, request: &AuthorizationRequest) -> Step {
    let name = client.display_name(&request.client_id);
    let mut step = Step::new("consent");
    step.title = step.title.with("client", name);
    step.text = vec![Text::new("consent-lead").with("client", name)];
    step.text.extend(who_it_is(client, &request.back.redirect_uri));
    show_asked(authority, client, request, step)
}

/// Of a client that nobody of this server has looked at: where the answer goes, and whether its owner has said so (351-L).
fn who_it_is(client: &Client, redirect_uri: &str) -> Option<Text> {
    client.stranger()?;
    Some(match (redirect::kind_of(redirect_uri), proving_host(redirect_uri)) {
        (Some(RedirectKind::Loopback), _) | (_, None) => Text::new("consent-stranger-program"),
        (_, Some(host)) if client.is_trusted_at(redirect_uri) => Text::new("consent-stranger-proved").with("host", host),
        (_, Some(host)) => Text::new("consent-stranger-unproved").with("host", host),
    })
}

/// Adds what is granted: every scope in the API's words, every detail whole.
pub fn show_asked(authority: &Authority<'_>, client: &Client, request: &AuthorizationRequest, step: Step) -> Step {
    let scope = request.asked_scope();
    let words: Vec<Text> = scope.iter().flat_map(|word| words_of(authority, client, word)).collect();
    let step = if words.is_empty() { step } else { step.show(Content::List(words)) };
    request.authorization_details.iter().fold(step, |step, detail| {
        let ShownDetail { heading, own, lines } = authority.details.shown(detail);
        step.show(Content::Details { heading, own, lines })
    })
}

/// What a scope says to a person: the text of each API that grants it to this client. For the scopes of OpenID it is ours.
fn words_of(authority: &Authority<'_>, client: &Client, scope: &str) -> Vec<Text> {
    let own = client.apis.iter().filter(|(_, allowed)| allowed.iter().any(|word| word == scope));
    let own = own.filter_map(|(api, _)| authority.config.api.get(api)?.scope.get(scope));
    let mut words: Vec<Text> = own.map(|scope| Text::own(&scope.text, &scope.text_in)).collect();
    if grants::OPENID_SCOPES.contains(&scope) || words.is_empty() {
        words.push(Text::new(format!("scope-{scope}")));
    }
    words
}
