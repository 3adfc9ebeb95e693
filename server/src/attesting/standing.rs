//! Is an installation still welcome?

use super::instance::Instance;
use crate::config::InstallationFacts;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::store::tables::app_grant::WITH_INSTANCE;
use crate::store::tables::instance::{FACTS, STANDING};
use crate::store::{Row, Value};
use crate::tokens::handles::Kind;
use crate::web::request::Incoming;

/// What is known of an installation at this moment.
pub struct Standing {
    pub active: bool,
    pub tier: String,
    pub attested_ms: i64,
}

/// Asked at every authentication of an installation; `None`: it is not known. At a refresh the answer comes with the grant, which waits
/// in `known` for whoever refreshes.
pub async fn standing(core: &Core, incoming: &Incoming, client_id: &str, jkt: &str) -> Result<Option<Standing>> {
    let handle = incoming.form.get("refresh_token").and_then(|it| core.handles.read(Kind::Refresh, it));
    let whose = [client_id.into(), jkt.into()];
    let along = match handle.filter(|_| incoming.form.get("grant_type") == Some("refresh_token")) {
        Some(handle) => {
            let of_grant = [Value::from(&handle.id[..]), i64::from(handle.number).into()];
            core.store.one(WITH_INSTANCE, &[&of_grant[..], &whose[..]].concat()).await?
        }
        None => None,
    };
    if let Some(row) = along {
        let found = read(&row);
        incoming.known.keep_grant(row);
        return Ok(found?);
    }
    match core.store.one(STANDING, &whose).await? {
        Some(row) => Ok(read(&row)?),
        None => Ok(None),
    }
}

/// For the conditions of policies. None: no policy asks for it, or nothing is known.
pub async fn known_facts(
    core: &Core,
    client_id: &str,
    instance: Option<&Instance>,
    now_ms: i64,
) -> std::result::Result<Option<InstallationFacts>, Fault> {
    let Some(instance) = instance.filter(|_| core.config.policies().any(|policy| policy.knows_installations())) else { return Ok(None) };
    let Some(row) = core.store.one(FACTS, &[client_id.into(), instance.jkt.as_str().into()]).await? else { return Ok(None) };
    let facts = super::case::facts(row.text("facts")?)?;
    Ok(Some(InstallationFacts::new(row.text("platform")?, facts, now_ms / 1000)))
}

/// The tier of an installation that is welcome.
pub async fn tier_of(core: &Core, client_id: &str, jkt: &str) -> std::result::Result<Option<String>, Fault> {
    let row = core.store.one(FACTS, &[client_id.into(), jkt.into()]).await?;
    row.map(|row| row.text("tier").map(str::to_owned)).transpose()
}

/// The system that an installation has proved, as people call it. None: it has proved none, or a plug-in's.
pub async fn platform_of(core: &Core, client_id: &str, instance: Option<&Instance>) -> std::result::Result<Option<&'static str>, Fault> {
    let Some(instance) = instance else { return Ok(None) };
    let row = core.store.one(FACTS, &[client_id.into(), instance.jkt.as_str().into()]).await?;
    Ok(match row.as_ref().map(|row| row.text("platform")).transpose()? {
        Some("ios") => Some("iOS"),
        Some("android") => Some("Android"),
        _ => None,
    })
}

/// From state, tier and last attestation. With a grant, the three are null where the installation is not known.
fn read(row: &Row) -> std::result::Result<Option<Standing>, Fault> {
    let Some(state) = row.opt_text("instance_state")? else { return Ok(None) };
    Ok(Some(Standing {
        active: state == "active",
        tier: row.text("instance_tier")?.to_owned(),
        attested_ms: row.int("instance_attested_ms")?,
    }))
}

/// Is this installation, which this server attested, still welcome?
pub async fn must_be_welcome(core: &Core, incoming: &Incoming, client_id: &str, jkt: &str) -> Result<()> {
    if standing(core, incoming, client_id, jkt).await?.is_some_and(|it| it.active) {
        return Ok(());
    }
    Err(revoked(jkt).into())
}

/// Is this one, whose evidence was only observed, not one that an operator has revoked?
pub async fn must_not_be_revoked(core: &Core, incoming: &Incoming, client_id: &str, jkt: &str) -> Result<()> {
    match standing(core, incoming, client_id, jkt).await? {
        Some(found) if !found.active => Err(revoked(jkt).into()),
        _ => Ok(()),
    }
}

fn revoked(jkt: &str) -> Refused {
    Refused::new(401, "invalid_client", "This installation has been revoked.").because(format!("instance {jkt}"))
}
