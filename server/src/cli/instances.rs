//! `symbolon instance`: installations of apps that this server attested.

use super::{Desk, Out, shown};
use crate::audit;
use crate::error::{Error, Fault};
use crate::store::{Change, Expect, NotApplied};
use clap::Subcommand;
use serde_json::Value as Json;

#[derive(Subcommand)]
pub enum Instance {
    /// Every installation, one line each.
    List {
        /// Only of this client.
        #[arg(long)]
        client: Option<String>,
    },
    /// What is known of one installation.
    Show {
        // One key in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        jkt: String,
    },
    /// Refuse installations from now on, and end what they got: one by its key, or all that were attested in some way.
    Revoke {
        #[arg(allow_hyphen_values = true)]
        jkt: Option<String>,
        /// All whose attestation chain has this certificate (serial in hexadecimal): a leaked keybox.
        #[arg(long, conflicts_with = "jkt")]
        serial: Option<String>,
        /// All of this client's whose app is older than this versionCode.
        #[arg(long, conflicts_with = "jkt", requires = "client")]
        app_version_below: Option<i64>,
        /// Only of this client.
        #[arg(long, conflicts_with = "jkt")]
        client: Option<String>,
        /// Say what would be revoked, and do nothing.
        #[arg(long)]
        preview: bool,
    },
}

const LIST: &str = "SELECT jkt, client, platform, tier, state, attested_ms FROM instance";
const ACTIVE: &str = "SELECT jkt, client, facts FROM instance WHERE state = 'active'";
const SHOW: &str = "SELECT client, platform, tier, state, facts, created_ms, attested_ms, counter FROM instance WHERE jkt = $1";
const REVOKE: &str = "UPDATE instance SET state = 'revoked' WHERE jkt = $1 AND state = 'active'";
const GRANTS: &str = "SELECT number FROM app_grant WHERE holder_kind = 'instance' AND holder = $1 AND state <> 'ended'";
const END: &str = "UPDATE app_grant SET state = 'ended', ended_ms = $2 WHERE holder_kind = 'instance' AND holder = $1 AND state <> 'ended'";

pub async fn instance(desk: &Desk, action: Instance, out: &Out) -> Result<(), Error> {
    match action {
        Instance::List { client } => {
            out.line(format!("{:<44} {:<20} {:<8} {:<18} {:<8} ATTESTED", "JKT", "CLIENT", "PLATFORM", "TIER", "STATE"));
            for row in desk.store.all_stale(LIST, &[]).await? {
                if client.as_deref().is_none_or(|it| row.text(1).is_ok_and(|of| of == it)) {
                    let (jkt, of, platform) = (row.text(0)?, row.text(1)?, row.text(2)?);
                    out.line(format!("{jkt:<44} {of:<20} {platform:<8} {:<18} {:<8} {}", row.text(3)?, row.text(4)?, shown(row.int(5)?)));
                }
            }
        }
        Instance::Show { jkt } => {
            let row =
                desk.store.one(SHOW, &[jkt.as_str().into()]).await?.ok_or_else(|| Fault::new(format!("there is no installation {jkt}")))?;
            for (at, name) in ["client", "platform", "tier", "state", "facts"].iter().enumerate() {
                out.line(format!("{name:<10}{}", row.text(at)?));
            }
            out.line(format!(
                "{:<10}{}\n{:<10}{}\n{:<10}{}",
                "since",
                shown(row.int(5)?),
                "attested",
                shown(row.int(6)?),
                "counter",
                row.int(7)?
            ));
        }
        Instance::Revoke { jkt: Some(jkt), preview, .. } => revoke(desk, &[jkt], preview, out).await?,
        Instance::Revoke { jkt: None, serial, app_version_below, client, preview } => {
            if serial.is_none() && app_version_below.is_none() && client.is_none() {
                return Err(Fault::new("name an installation, or --serial, --app-version-below or --client").into());
            }
            let serial = serial.map(|it| it.to_ascii_lowercase().trim_start_matches('0').to_owned());
            let mut found = Vec::new();
            for row in desk.store.all(ACTIVE, &[]).await? {
                let facts: Json = serde_json::from_str(row.text(2)?).map_err(|it| Fault::new(format!("an installation's facts: {it}")))?;
                let of_client = client.as_deref().is_none_or(|it| row.text(1).is_ok_and(|of| of == it));
                let has = |it: &String| facts["serials"].as_array().into_iter().flatten().any(|of| of.as_str() == Some(it));
                // A version that is not known is not old: such installations are named by other means.
                let older = |least: i64| facts["version"].as_i64().is_some_and(|it| it < least);
                if of_client && serial.as_ref().is_none_or(has) && app_version_below.is_none_or(older) {
                    found.push(row.text(0)?.to_owned());
                }
            }
            revoke(desk, &found, preview, out).await?;
        }
    }
    Ok(())
}

/// Installations and their grants, a hundred to a change.
async fn revoke(desk: &Desk, all: &[String], preview: bool, out: &Out) -> Result<(), Error> {
    let mut grants = 0;
    for batch in all.chunks(100) {
        let mut change = Change::new(desk.now_ms());
        for jkt in batch {
            let of_this = desk.store.all(GRANTS, &[jkt.as_str().into()]).await?.len();
            grants += of_this;
            change.run(REVOKE, vec![jkt.as_str().into()]);
            change.run_expecting(END, vec![jkt.as_str().into(), desk.now_ms().into()], Expect::Any);
            change.audit(audit::Entry::ok("instance_revoked").with("jkt", jkt.as_str()).with("grants", of_this).with("by", "command line"));
        }
        if preview {
            batch.iter().for_each(|jkt| out.line(jkt));
            continue;
        }
        match desk.store.apply(change).await {
            Ok(_) => {}
            Err(NotApplied::Conflict(at)) => {
                let which = batch.get(at / 2).map(String::as_str).unwrap_or_default();
                return Err(Fault::new(format!("there is no active installation {which}; nothing of its batch was revoked")).into());
            }
            Err(other) => return Err(other.into()),
        }
    }
    let (count, would) = (all.len(), if preview { "would be" } else { "are" });
    let (one, grant) = (if count == 1 { "" } else { "s" }, if grants == 1 { "" } else { "s" });
    let ended = if preview { "would end" } else { "ended" };
    out.line(match all {
        [only] if !preview => format!("{only} is revoked; {grants} grant{grant} ended"),
        _ => format!("{count} installation{one} {would} revoked; {grants} grant{grant} {ended}"),
    });
    Ok(())
}
