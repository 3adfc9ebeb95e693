//! `symbolon instance`: installations of apps, and managed devices.

use super::{Desk, Out, shown};
use crate::attesting::{android, case};
use crate::audit;
use crate::config::{is_at_least, version};
use crate::error::{Error, Fault};
use crate::store::{Change, Expect, Row};
use clap::Subcommand;
use symbolon_attest::status_list;

#[derive(Subcommand)]
pub enum Instance {
    /// Every installation, one line each.
    List {
        /// Only of this client.
        #[arg(long)]
        client: Option<String>,
    },
    /// What is known of one installation, when it was last used, and its newest audit entries.
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
        /// All of this client's whose app is older: versionCode on Android, CFBundleVersion on iOS.
        #[arg(long, conflicts_with = "jkt", requires = "client")]
        app_version_below: Option<String>,
        /// Only of this platform: android, ios, managed (devices) or attester (vouched for by your own).
        #[arg(long, conflicts_with = "jkt")]
        platform: Option<String>,
        /// Only of this client.
        #[arg(long)]
        client: Option<String>,
        /// Say what would be revoked, and do nothing.
        #[arg(long)]
        preview: bool,
    },
}

const LIST: &str = "SELECT jkt, client, platform, tier, state, attested_ms FROM instance WHERE $1 = '' OR client = $1";
const ACTIVE: &str = "SELECT jkt, client, facts, platform FROM instance WHERE state = 'active' AND ($1 = '' OR client = $1)";
const SHOW: &str = "SELECT client, platform, tier, state, facts, created_ms, attested_ms, counter FROM instance WHERE jkt = $1 \
    ORDER BY client";
/// A statement about the grants of an installation ($1: client, $2: key). Its key may also hold grants from before it was attested; a
/// holder that was learned is written as the key and a generation.
macro_rules! of_installation {
    ($begins:literal, $ends:literal) => {
        concat!($begins, " WHERE client = $1 AND holder_kind IN ('instance', 'jkt', 'learned') AND substr(holder, 1, 43) = $2", $ends)
    };
}

/// Each use of a grant is written at the grant: that is the installation's last use, without another write.
const USED: &str = of_installation!("SELECT MAX(used_ms) FROM app_grant", "");
pub const REVOKE: &str = "UPDATE instance SET state = 'revoked' WHERE client = $1 AND jkt = $2 AND state = 'active'";
const GRANTS: &str = of_installation!("SELECT number FROM app_grant", " AND state <> 'ended'");
pub const END: &str = of_installation!("UPDATE app_grant SET state = 'ended', ended_ms = $3", " AND state <> 'ended'");

/// How much of its history is shown.
const MOST_SHOWN: usize = 50;

/// An installation: one key may be enrolled by several clients, each with evidence and sessions of its own.
struct Named {
    client: String,
    jkt: String,
}

pub async fn instance(desk: &Desk, action: Instance, out: &Out) -> Result<(), Error> {
    match action {
        Instance::List { client } => {
            out.line(format!("{:<44} {:<20} {:<8} {:<18} {:<8} ATTESTED", "JKT", "CLIENT", "PLATFORM", "TIER", "STATE"));
            for row in desk.store.all_stale(LIST, &[client.unwrap_or_default().into()]).await? {
                let (jkt, of, platform) = (row.text(0)?, row.text(1)?, row.text(2)?);
                out.line(format!("{jkt:<44} {of:<20} {platform:<8} {:<18} {:<8} {}", row.text(3)?, row.text(4)?, shown(row.int(5)?)));
            }
        }
        Instance::Show { jkt } => {
            let rows = desk.store.all(SHOW, &[jkt.as_str().into()]).await?;
            if rows.is_empty() {
                return Err(Fault::new(format!("there is no installation {jkt}")).into());
            }
            for row in rows {
                show(desk, &jkt, &row, out).await?;
            }
        }
        Instance::Revoke { jkt, serial, app_version_below, platform, client, preview } => {
            let of = client.clone().unwrap_or_default();
            let both = client.as_ref().and_then(|it| desk.config.client.get(it)?.attestation.as_ref());
            if app_version_below.is_some() && platform.is_none() && both.is_some_and(|it| it.ios.is_some() && it.android.is_some()) {
                return Err(Fault::new(
                    "--app-version-below: this client's apps count their versions apart; add --platform android or ios",
                )
                .into());
            }
            let wanted = Wanted { jkt, serial, app_version_below, platform, client }.checked()?;
            let mut found = Vec::new();
            for row in desk.store.all(ACTIVE, &[of.into()]).await? {
                if wanted.names(&row)? {
                    found.push(Named { jkt: row.text(0)?.to_owned(), client: row.text(1)?.to_owned() });
                }
            }
            let jkt = wanted.jkt;
            if let Some(jkt) = jkt.filter(|_| found.is_empty()) {
                return Err(Fault::new(format!("there is no active installation {jkt}")).into());
            }
            revoke(desk, &found, preview, out).await?;
        }
    }
    Ok(())
}

/// Which installations are to be revoked: all that fit every member that is there.
struct Wanted {
    jkt: Option<String>,
    serial: Option<String>,
    app_version_below: Option<String>,
    platform: Option<String>,
    client: Option<String>,
}

impl Wanted {
    fn checked(mut self) -> Result<Self, Fault> {
        let members = [&self.jkt, &self.serial, &self.app_version_below, &self.client];
        if members.iter().all(|it| it.is_none()) {
            return Err(Fault::new("name an installation, or --serial, --app-version-below or --client"));
        }
        if let Some(it) = self.serial.take() {
            self.serial = Some(status_list::written(&it).ok_or_else(|| Fault::new("--serial is in hexadecimal"))?);
        }
        if self.app_version_below.as_ref().is_some_and(|it| version(it).is_none()) {
            return Err(Fault::new("--app-version-below: a versionCode such as 42, or a CFBundleVersion such as 4.2.1"));
        }
        Ok(self)
    }

    fn names(&self, row: &Row) -> Result<bool, Fault> {
        let facts = case::facts(row.text(2)?)?;
        let (jkt, platform) = (row.text(0)?, row.text(3)?);
        // A version that is not known is not old: such installations are named by other means.
        let said = facts["version"].as_i64().map(|it| it.to_string()).or_else(|| facts["bundle_version"].as_str().map(str::to_owned));
        let older = |least: &String| said.as_ref().is_some_and(|it| version(it).is_some() && !is_at_least(it, least));
        Ok(self.jkt.as_ref().is_none_or(|it| it == jkt)
            && self.platform.as_ref().is_none_or(|it| it == platform)
            && self.serial.as_ref().is_none_or(|wanted| android::serials(&facts).any(|it| it == wanted))
            && self.app_version_below.as_ref().is_none_or(older))
    }
}

/// One installation, and what the audit says of it.
async fn show(desk: &Desk, jkt: &str, row: &Row, out: &Out) -> Result<(), Error> {
    for (at, name) in ["client", "platform", "tier", "state", "facts"].iter().enumerate() {
        out.line(format!("{name:<10}{}", row.text(at)?));
    }
    let client = row.text(0)?;
    let used_ms = match desk.store.one(USED, &[client.into(), jkt.into()]).await? {
        Some(it) => it.opt_int(0)?,
        None => None,
    };
    let used = used_ms.map_or_else(|| "never".to_owned(), shown);
    let times = [("since", shown(row.int(5)?)), ("attested", shown(row.int(6)?)), ("used", used), ("counter", row.int(7)?.to_string())];
    times.iter().for_each(|(name, it)| out.line(format!("{name:<10}{it}")));
    let filter = audit::Filter { client: Some(client.to_owned()), instance: Some(jkt.to_owned()), ..audit::Filter::default() };
    let history = audit::list(&desk.store, &filter, MOST_SHOWN).await?;
    out.line(format!("history   the newest {MOST_SHOWN} entries at most; all: symbolon audit --all --instance {jkt}"));
    for (_, entry) in history {
        let word = |name: &str| entry[name].as_str().unwrap_or_default();
        let what = if entry["detail"]["renewal"] == true { "renewal" } else { word("reason") };
        let at = entry["at"].as_i64().map(shown).unwrap_or_default();
        out.line(format!("{at}  {:<20} {:<8} {what}", word("event"), word("outcome")).trim_end());
    }
    Ok(())
}

/// Installations and their grants, a hundred to a change.
async fn revoke(desk: &Desk, all: &[Named], preview: bool, out: &Out) -> Result<(), Error> {
    let mut grants = 0;
    for batch in all.chunks(100) {
        let mut change = Change::new(desk.now_ms());
        for Named { client, jkt } in batch {
            let id = || vec![client.as_str().into(), jkt.as_str().into()];
            let of_this = desk.store.all(GRANTS, &id()).await?.len();
            grants += of_this;
            // Whoever revoked it in the meantime did what is wanted here.
            change.run_expecting(REVOKE, id(), Expect::Any);
            change.run_expecting(END, [id(), vec![desk.now_ms().into()]].concat(), Expect::Any);
            let entry = audit::Entry::ok("instance_revoked").client(client.as_str()).with("jkt", jkt.as_str());
            change.audit(entry.with("grants", of_this).with("by", "command line"));
        }
        if preview {
            batch.iter().for_each(|it| out.line(format!("{} {}", it.jkt, it.client)));
            continue;
        }
        desk.store.apply(change).await?;
    }
    let (count, would) = (all.len(), if preview { "would be" } else { "are" });
    let (one, grant) = (if count == 1 { "" } else { "s" }, if grants == 1 { "" } else { "s" });
    let ended = if preview { "would end" } else { "ended" };
    out.line(match all {
        [only] if !preview => format!("{} is revoked; {grants} grant{grant} ended", only.jkt),
        _ => format!("{count} installation{one} {would} revoked; {grants} grant{grant} {ended}"),
    });
    Ok(())
}
