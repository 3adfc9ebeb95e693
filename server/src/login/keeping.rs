//! What a provider gave goes with the identity, sealed: tokens for APIs and for questions, and the ID token for the sign-out there.

use super::accounts;
use super::journey::NewLink;
use super::machine::Machine;
use crate::error::Result;
use crate::store::tables::{provider_check, provider_hint, provider_token};
use crate::store::{Change, Expect};
use crate::upstream::HintOf;

impl Machine {
    pub(super) fn keep(&self, change: &mut Change, account: &str, link: &NewLink) -> Result<()> {
        let Some(provider) = link.method.strip_prefix("upstream:") else { return Ok(()) };
        let (identity, now_ms) = (accounts::link_key(&link.issuer, &link.subject), change.now_ms());
        if let Some(check) = self.config.upstream.get(provider).and_then(|it| it.check.as_ref()) {
            let next_ms = now_ms + check.every.ms();
            let values = vec![identity.as_str().into(), account.into(), provider.into(), now_ms.into(), next_ms.into()];
            change.run_expecting(provider_check::SIGNED_IN, values, Expect::Any);
        }
        if let Some(kept) = &link.tokens {
            let (sealed, renewable) = (kept.seal(&self.keyring, &identity)?, i64::from(kept.refresh_token.is_some()));
            let values = vec![identity.as_str().into(), account.into(), provider.into(), sealed.into(), now_ms.into(), renewable.into()];
            change.run_expecting(provider_token::KEEP, values, Expect::Any);
        }
        if let Some((sid, hint)) = &link.hint {
            let sealed = hint.seal(&self.keyring, HintOf { identity: &identity, provider, sid })?;
            let until_ms = now_ms + self.config.session.absolute.ms();
            let key = || vec![identity.as_str().into(), provider.into()];
            let values = [key(), vec![sid.as_str().into(), account.into(), sealed.into(), until_ms.into()]].concat();
            change.run_expecting(provider_hint::KEEP, values, Expect::Any);
            change.run_expecting(provider_hint::FORGET_OLDEST, key(), Expect::Any);
        }
        Ok(())
    }
}
