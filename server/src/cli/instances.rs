//! `symbolon instance`: installations of apps, and managed devices.

use super::desk::Desk;
use super::lists::{self, List, ListArgs};
use super::screen::{Screen, Stop, unexpected};
use super::text::{counted, shown};
use crate::operations::{InstanceFacts, InstanceLine, InstanceOperation, MOST_HISTORY, Operation, Outcome, Revoked, Selection};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Instance {
    /// Every installation, one line each.
    List {
        /// Only of this client.
        #[arg(long, allow_hyphen_values = true)]
        client: Option<String>,
        #[command(flatten)]
        list: ListArgs,
    },
    /// What is known of one installation, when it was last used, and its newest audit entries.
    Show {
        // One key in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        jkt: String,
    },
    /// Refuse installations from now on, and end what they got. Name one by its key, or all that were attested in some way.
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
        #[arg(long, allow_hyphen_values = true)]
        client: Option<String>,
        /// Say what would be revoked, and do nothing.
        #[arg(long)]
        preview: bool,
    },
}

pub async fn instance(desk: &mut Desk, screen: &Screen, action: Instance) -> Result<u8, Stop> {
    match action {
        Instance::List { client, list } => {
            let operation = |paging| Operation::Instance(InstanceOperation::List { client_id: client.clone(), paging });
            return lists::print(desk, screen, &list, &instances(), operation).await;
        }
        Instance::Show { jkt } => {
            let outcome = desk.ask(Operation::Instance(InstanceOperation::Show { jkt })).await?;
            screen.outcome(&outcome, |outcome| match outcome {
                Outcome::Instance { installations } => installations.iter().flat_map(words).collect(),
                _ => Vec::new(),
            })?;
        }
        Instance::Revoke { jkt, serial, app_version_below, platform, client, preview } => {
            let selection = Selection { jkt, client_id: client, platform, serial, app_version_below };
            revoke(desk, screen, &selection, preview).await?;
        }
    }
    Ok(0)
}

fn instances() -> List<InstanceLine> {
    List {
        member: "instances",
        head: format!("{:<44} {:<20} {:<8} {:<18} {:<8} {:<20} KIOSK", "JKT", "CLIENT", "PLATFORM", "TIER", "STATE", "ATTESTED"),
        rows: |outcome| match outcome {
            Outcome::Instances(page) => Some((page.instances, page.next)),
            _ => None,
        },
        line: |row| {
            let attested = shown(row.attested_ms);
            let kiosk = row.kiosk.as_ref().map(|kiosk| format!("{}, {}", kiosk.name, kiosk.stands_at)).unwrap_or_default();
            let known = format!("{:<44} {:<20} {:<8} {:<18} {:<8}", row.jkt, row.client_id, row.platform, row.tier, row.state);
            format!("{known} {attested:<20} {kiosk}").trim_end().to_owned()
        },
    }
}

fn words(facts: &InstanceFacts) -> Vec<String> {
    let mut lines = vec![
        format!("client    {}", facts.client_id),
        format!("platform  {}", facts.platform),
        format!("tier      {}", facts.tier),
        format!("state     {}", facts.state),
        format!("facts     {}", facts.facts),
        format!("since     {}", shown(facts.created_ms)),
        format!("attested  {}", shown(facts.attested_ms)),
        format!("used      {}", facts.used_ms.map_or_else(|| "never".to_owned(), shown)),
        format!("counter   {}", facts.counter),
        format!("history   the newest {MOST_HISTORY} entries at most; all: symbolon audit --all --instance {}", facts.jkt),
    ];
    for entry in &facts.history {
        let (at, reason) = (shown(entry.at_ms), entry.reason.as_deref().unwrap_or_default());
        lines.push(format!("{at}  {:<20} {:<8} {reason}", entry.event, entry.outcome).trim_end().to_owned());
    }
    lines
}

/// Step by step, so that many installations are not one long operation.
async fn revoke(desk: &mut Desk, screen: &Screen, selection: &Selection, preview: bool) -> Result<(), Stop> {
    let (mut all, mut after) = (Revoked { instances: Vec::new(), grants: 0, preview, next: None }, None);
    loop {
        let operation = InstanceOperation::Revoke { selection: selection.clone(), preview, after };
        let Outcome::InstancesRevoked(step) = desk.ask(Operation::Instance(operation)).await? else { return Err(unexpected()) };
        all.grants += step.grants;
        if preview && !screen.is_json() {
            step.instances.iter().try_for_each(|it| screen.row(&format!("{} {}", it.jkt, it.client_id)))?;
        }
        all.instances.extend(step.instances);
        match step.next {
            Some(next) => after = Some(next),
            None => break,
        }
        if !preview {
            screen.remark(&format!("{} revoked so far", counted(all.instances.len(), "installation")));
        }
    }
    screen.outcome(&Outcome::InstancesRevoked(all), |outcome| match outcome {
        Outcome::InstancesRevoked(all) => vec![summary(all)],
        _ => Vec::new(),
    })
}

fn summary(all: &Revoked) -> String {
    let grants = counted(all.grants, "grant");
    match &all.instances[..] {
        [only] if !all.preview => format!("{} is revoked; {grants} ended", only.jkt),
        many => {
            let (would, ended) = if all.preview { ("would be", "would end") } else { ("are", "ended") };
            format!("{} {would} revoked; {grants} {ended}", counted(many.len(), "installation"))
        }
    }
}
