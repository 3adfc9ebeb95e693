//! Initial access tokens (RFC 7591 3): by them an operator says who may register clients, by which policy, and how many.

use crate::config::ClientPolicy;
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::sensitive::Sensitive;
use crate::store::Change;
use crate::store::tables::initial_access_token as table;
use symbolon_oauth::{base64url, digest};

/// A token that was made: what it is called, what is given away, and what is kept.
pub struct Made {
    pub id: String,
    pub token: Sensitive,
    pub digest: [u8; 32],
}

pub fn make() -> std::result::Result<Made, crate::error::Fault> {
    let id = base64url::encode(&crate::seal::random::<9>()?);
    let token = format!("{id}.{}", base64url::encode(&crate::seal::random::<32>()?));
    let digest = digest::sha256(token.as_bytes());
    Ok(Made { id, token: Sensitive::new(token), digest })
}

/// Somebody who may register a client by this policy.
pub struct Admitted<'a> {
    pub name: &'a str,
    pub policy: &'a ClientPolicy,
    /// The name of the token. None: the policy is open.
    pub token: Option<String>,
}

impl Admitted<'_> {
    /// The statement that takes one use of the token. It conflicts where there was none left.
    pub fn spend(&self, change: &mut Change) -> Option<usize> {
        let id = self.token.as_ref()?;
        change.run(table::USE, vec![id.as_str().into(), change.now_ms().into()]);
        Some(change.len() - 1)
    }
}

/// 496-G: without a token the open policy, if there is one. A wrong token is refused. It never counts as no token.
pub async fn admit<'a>(core: &'a Core, presented: Option<&str>, now_ms: i64) -> Result<Admitted<'a>> {
    let policies = &core.config.client_registration;
    let Some(text) = presented else {
        let open = policies.iter().find(|(_, policy)| policy.open);
        let (name, policy) = open.ok_or_else(|| no_such_token("no token, and no open policy"))?;
        return Ok(Admitted { name, policy, token: None });
    };
    let (id, _) = text.split_once('.').ok_or_else(|| no_such_token("no token of this server"))?;
    let row = core.store.one(table::READ, &[id.into()]).await?.ok_or_else(|| no_such_token("no such token"))?;
    if !digest::equal(&digest::sha256(text.as_bytes()), row.bytes("digest")?) {
        return Err(no_such_token("the name of a token with another secret").into());
    }
    if row.int("until_ms")? <= now_ms || row.int("uses")? < 1 {
        return Err(no_such_token("too old, or used up").into());
    }
    let (name, policy) = policies.get_key_value(row.text("policy")?).ok_or_else(|| no_such_token("its policy is gone"))?;
    Ok(Admitted { name, policy, token: Some(id.to_owned()) })
}

/// One answer for whatever token does not count here (RFC 6750 3.1).
pub fn no_such_token(why: &str) -> Refused {
    Refused::new(401, "invalid_token", "Send a token that this server made for this endpoint, and that is still valid.").because(why)
}
