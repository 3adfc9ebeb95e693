//! What the audit tells of and nobody can bring back, because an audit holds no secret. What the copy has is not lost.

use super::entries::at_ms;
use super::stopped;
use crate::operations::context::Context;
use crate::operations::problem::Result;
use crate::store::Value;
use crate::store::tables::account::{self, IS_ENROLLED_SINCE};
use crate::store::tables::{client, instance, outside_identity, passkey, signing_key};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// One line for each thing that is lost. `entries` are those that the copy has forgotten.
pub async fn name(context: &Context, entries: &[&Json]) -> Result<BTreeSet<String>> {
    let deleted: BTreeSet<&str> =
        entries.iter().filter(|it| it["event"] == "account_deleted").filter_map(|it| it["account"].as_str()).collect();
    let mut lost = BTreeSet::new();
    for entry in entries.iter().filter(|it| it["outcome"] == "ok") {
        let account = entry["account"].as_str().unwrap_or_default();
        let named = match account {
            "" => of_the_issuer(context, entry).await?,
            account if deleted.contains(account) => None,
            account if was_stopped(entries, entry, account) => None,
            account => of_a_person(context, entry, account).await?,
        };
        lost.extend(named);
    }
    Ok(lost)
}

/// A password or an address that was stopped is not lost: what it had replaced is in force again.
fn was_stopped(entries: &[&Json], entry: &Json, account: &str) -> bool {
    let means = match entry["event"].as_str() {
        Some("password_changed") => "password",
        Some("email_changed") => "email",
        _ => return false,
    };
    let stops = |other: &&&Json| other["account"] == account && stopped::means(other) == Some(means) && at_ms(other) >= at_ms(entry);
    entries.iter().any(|other| stops(&other))
}

async fn of_a_person(context: &Context, entry: &Json, account: &str) -> Result<Option<String>> {
    let has = async |sql, values: &[Value]| context.store.one(sql, values).await.map(|row| row.is_some());
    let event = entry["event"].as_str().unwrap_or_default();
    if !has(account::IS_THERE, &[account.into()]).await? {
        let is_new = ["account_created", "registered"].contains(&event);
        return Ok(is_new.then(|| format!("the account {account}, made after the copy")));
    }
    let text = |name: &str| entry["detail"][name].as_str().unwrap_or_default();
    let since = |kind: &str| [account.into(), kind.into(), at_ms(entry).into()];
    Ok(match event {
        "password_changed" if !has(IS_ENROLLED_SINCE, &since("password")).await? => {
            Some(format!("the new password of {account}: the one before is good again; ask for a reset"))
        }
        "email_changed" => Some(format!("the new e-mail address of {account}")),
        "profile_changed" => Some(format!("the new name or claims of {account}")),
        "totp_enrolled" if !has(IS_ENROLLED_SINCE, &since("totp")).await? => Some(format!("the authenticator of {account}")),
        "recovery_codes_made" if !has(IS_ENROLLED_SINCE, &since("recovery")).await? => Some(format!("the new recovery codes of {account}")),
        "passkey_enrolled" if !has(passkey::IS_THERE, &[account.into(), text("passkey").into()]).await? => {
            Some(format!("a passkey that {account} made: it signs nobody in; it has to be made again"))
        }
        "upstream_linked" if !has(outside_identity::IS_LINKED, &[account.into(), text("identity").into()]).await? => {
            Some(format!("a link of {account} to an account elsewhere"))
        }
        "user_code_set" => Some(format!("the user code of {account}: without one, no request that needs it can be made")),
        "ticket_given" => Some(format!("a ticket for {account}: give another one")),
        "recovery_code_used" => Some(format!("that {account} used a recovery code: it is good again; ask for new ones")),
        _ => None,
    })
}

async fn of_the_issuer(context: &Context, entry: &Json) -> Result<Option<String>> {
    let has = async |sql, values: &[Value]| context.store.one(sql, values).await.map(|row| row.is_some());
    let (client, detail) = (entry["client"].as_str().unwrap_or_default(), &entry["detail"]);
    let text = |name: &str| detail[name].as_str().unwrap_or_default();
    Ok(match entry["event"].as_str().unwrap_or_default() {
        "instance_revoked" if !has(instance::IS_THERE, &[client.into(), text("jkt").into()]).await? => {
            let jkt = text("jkt");
            Some(format!("the installation {jkt}, attested after the copy and revoked: it can attest anew; look at why it was revoked"))
        }
        "instance_attested" | "instance_vouched_for" if !has(instance::IS_THERE, &[client.into(), text("jkt").into()]).await? => {
            Some(format!("installations of {client}, attested after the copy: the app has to attest them anew"))
        }
        "client_registered" if !has(client::IS_REGISTERED, &[client.into()]).await? => {
            Some(format!("the client {client}, registered after the copy"))
        }
        "client_replaced" => Some(format!("the newer metadata of the client {client}: import it again")),
        "key_rotated" if !has(signing_key::IS_THERE, &[text("kid").into()]).await? => {
            let kid = text("kid");
            Some(format!("the rotation to the signing key {kid}: rotate again, with --at-once if a key was stolen"))
        }
        _ => None,
    })
}
