//! What an operator takes away of a person's means to sign in, because it is lost or somebody else has it. All sessions end with it.

use super::actor::Actor;
use super::context::Context;
use super::find_user::{count_factors, find};
use super::outcome::{Outcome, UserLink, UserPasskey};
use super::problem::{Problem, Result};
use crate::login::accounts::Account;
use crate::login::enrolment::Means;
use crate::login::{accounts, deletion, notices, waiting};
use crate::mail;
use crate::profile;
use crate::store::tables::account::REMOVE_TOTP;
use crate::store::tables::{outside_identity, passkey};
use crate::store::{Change, Expect, NotApplied};

pub async fn passkeys(context: &Context, sub: &str) -> Result<Vec<UserPasskey>> {
    let mut found = Vec::new();
    for row in context.store.all(passkey::OF_ACCOUNT, &[sub.into()]).await? {
        found.push(UserPasskey {
            passkey: row.text("public_id")?.to_owned(),
            name: row.text("name")?.to_owned(),
            created_ms: row.int("created_ms")?,
            used_ms: Some(row.int("used_ms")?).filter(|at_ms| *at_ms > 0),
        });
    }
    Ok(found)
}

pub async fn links(context: &Context, sub: &str) -> Result<Vec<UserLink>> {
    let mut found = Vec::new();
    for row in context.store.all(outside_identity::OF_ACCOUNT, &[sub.into()]).await? {
        found.push(UserLink {
            link: accounts::link_key(row.text("issuer")?, row.text("subject")?),
            method: row.text("method")?.to_owned(),
            issuer: row.text("issuer")?.to_owned(),
            claims: profile::claims_of_link(row.text("claims")?)?,
            created_ms: row.int("created_ms")?,
            used_ms: row.int("used_ms")?,
            email_off_ms: Some(row.int("email_off_ms")?).filter(|at_ms| *at_ms > 0),
        });
    }
    Ok(found)
}

pub async fn remove_totp(context: &Context, actor: &Actor, user: String) -> Result<Outcome> {
    let account = find(context, &user).await?;
    let sub = account.id.clone();
    let has = count_factors(context, &sub).await?;
    if has.totp + has.recovery == 0 {
        return Err(Problem::not_found(format!("{user} has no authenticator and no recovery codes; nothing was changed")));
    }
    let mut change = context.change(actor);
    change.run_expecting(REMOVE_TOTP, vec![sub.as_str().into()], Expect::Any);
    for kind in ["totp", "recovery"] {
        waiting::forget(&mut change, &sub, kind);
    }
    accounts::end_sessions(&mut change, &sub);
    change.audit(actor.entry("totp_removed").account(sub.as_str()));
    tell(context, &mut change, &account, if has.totp > 0 { "factor_removed" } else { "recovery_changed" })?;
    context.store.apply(change).await?;
    Ok(Outcome::TotpRemoved { user, sub })
}

/// `one`: as `Show` names it. None: all that the person has.
pub async fn remove_passkeys(context: &Context, actor: &Actor, user: String, one: Option<&str>) -> Result<Outcome> {
    let account = find(context, &user).await?;
    let sub = account.id.clone();
    let mut ids: Vec<String> = passkeys(context, &sub).await?.into_iter().map(|found| found.passkey).collect();
    ids.retain(|id| one.is_none_or(|one| one == id));
    if ids.is_empty() {
        let what = one.map_or("no passkey".to_owned(), |one| format!("no passkey {one}"));
        return Err(Problem::not_found(format!("{user} has {what}; nothing was changed. `user show` lists passkeys")));
    }
    let mut change = context.change(actor);
    for id in &ids {
        waiting::forget(&mut change, &sub, &Means::Passkey(id.clone()).to_string());
        accounts::drop_passkey(&mut change, &sub, id, Expect::Exactly(1));
    }
    accounts::end_sessions(&mut change, &sub);
    for id in &ids {
        change.audit(actor.entry("passkey_removed").account(sub.as_str()).with("passkey", id.as_str()).with("lost", true));
    }
    tell(context, &mut change, &account, "passkey_removed")?;
    apply(context, change, &user).await?;
    Ok(Outcome::PasskeysRemoved { user, sub, passkeys: ids })
}

/// `link`: as `Show` names it.
pub async fn unlink(context: &Context, actor: &Actor, user: String, link: String) -> Result<Outcome> {
    let account = find(context, &user).await?;
    let sub = account.id.clone();
    let Some(found) = links(context, &sub).await?.into_iter().find(|found| found.link == link) else {
        return Err(Problem::not_found(format!("{user} has no link {link}; nothing was changed. `user show` lists links")));
    };
    let mut change = context.change(actor);
    waiting::forget(&mut change, &sub, &Means::Identity(link.clone()).to_string());
    deletion::unlink(&mut change, &sub, &link, Expect::Exactly(1));
    accounts::end_sessions(&mut change, &sub);
    let entry = actor.entry("upstream_unlinked").account(sub.as_str());
    change.audit(entry.with("method", found.method.as_str()).with("identity", link.as_str()));
    tell(context, &mut change, &account, "link_removed")?;
    apply(context, change, &user).await?;
    Ok(Outcome::Unlinked { user, sub, link, method: found.method })
}

/// The person hears of it as if they had done it themselves.
fn tell(context: &Context, change: &mut Change, account: &Account, template: &'static str) -> Result<()> {
    let notice = mail::Notice { template, locale: "en", user_agent: None, link: None };
    Ok(notices::tell(change, (&context.config, &context.keyring), account, notice)?)
}

async fn apply(context: &Context, change: Change, user: &str) -> Result<()> {
    match context.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(_)) => Err(Problem::conflict(format!("somebody else changed {user} at the same moment; try again"))),
        Err(other) => Err(other.into()),
    }
}
