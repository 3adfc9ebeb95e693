//! `symbolon instance`: installations of apps that this server attested.

use super::{Desk, Out, shown};
use crate::audit;
use crate::error::{Error, Fault};
use crate::store::{Change, Expect, NotApplied};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Instance {
    /// Every installation, one line each.
    List {
        /// Only of this client.
        #[arg(long)]
        client: Option<String>,
    },
    /// What is known of one installation.
    Show { jkt: String },
    /// Refuse one installation from now on, and end what it got.
    Revoke { jkt: String },
}

const LIST: &str = "SELECT jkt, client, platform, tier, state, attested_ms FROM instance";
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
        Instance::Revoke { jkt } => {
            let grants = desk.store.all(GRANTS, &[jkt.as_str().into()]).await?.len();
            let mut change = Change::new(desk.now_ms());
            change.run(REVOKE, vec![jkt.as_str().into()]);
            change.run_expecting(END, vec![jkt.as_str().into(), desk.now_ms().into()], Expect::Any);
            change.audit(audit::Entry::ok("instance_revoked").with("jkt", jkt.as_str()).with("grants", grants).with("by", "command line"));
            match desk.store.apply(change).await {
                Ok(_) => out.line(format!("{jkt} is revoked; {grants} grant{} ended", if grants == 1 { "" } else { "s" })),
                Err(NotApplied::Conflict(_)) => return Err(Fault::new(format!("there is no active installation {jkt}")).into()),
                Err(other) => return Err(other.into()),
            }
        }
    }
    Ok(())
}
