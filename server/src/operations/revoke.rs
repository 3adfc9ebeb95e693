//! Refusing installations from now on, and ending what they got. It takes one by its key, or all that were attested in some way.

use super::actor::Actor;
use super::context::Context;
use super::find_client;
use super::installation::{key_text, parse_key};
use super::operation::Selection;
use super::outcome::{Installation, Revoked};
use super::problem::{Problem, Result};
use crate::attesting::{android, case};
use crate::config::{is_at_least, version};
use crate::grants::ending;
use crate::store::tables::app_grant;
use crate::store::tables::instance::{ACTIVE, PAGE, REVOKE};
use crate::store::{Expect, Row};
use symbolon_attest::status_list;

pub struct Step {
    pub preview: bool,
    pub after: Option<String>,
}

const PLATFORMS: [&str; 4] = ["android", "ios", "managed", "attester"];

pub async fn run(context: &Context, actor: &Actor, selection: Selection, step: &Step) -> Result<Revoked> {
    let selection = selection.check(context)?;
    let (after_client, after_jkt) = parse_key(step.after.as_deref())?;
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let values = [text(&selection.client_id).into(), text(&selection.jkt).into(), after_client.into(), after_jkt.into()];
    let rows = context.store.all(ACTIVE, &values).await?;
    let mut found = Vec::new();
    for row in &rows {
        if selection.fits(row)? {
            found.push(Installation { jkt: row.text("jkt")?.to_owned(), client_id: row.text("client")?.to_owned() });
        }
    }
    if let Some(jkt) = selection.jkt.as_ref().filter(|_| found.is_empty() && step.after.is_none()) {
        return Err(Problem::not_found(format!("there is no active installation {jkt}")));
    }
    // A filter that names nothing known is an error; a client that is gone may have left installations behind.
    if let Some(client_id) = selection.client_id.as_ref().filter(|_| rows.is_empty() && step.after.is_none()) {
        find_client::find_or_refuse(context, client_id).await?;
    }
    let next = match rows.last().filter(|_| rows.len() == PAGE) {
        Some(row) => Some(key_text(row.text("client")?, row.text("jkt")?)),
        None => None,
    };
    let grants = revoke(context, actor, &found, step.preview).await?;
    Ok(Revoked { instances: found, grants, preview: step.preview, next })
}

impl Selection {
    fn check(mut self, context: &Context) -> Result<Self> {
        let members = [&self.jkt, &self.serial, &self.app_version_below, &self.client_id];
        if members.iter().all(|it| it.is_none()) {
            return Err(Problem::invalid("name an installation, or --serial, --app-version-below or --client"));
        }
        if members.into_iter().flatten().any(String::is_empty) {
            return Err(Problem::invalid("an empty name or value names nothing"));
        }
        if let Some(platform) = self.platform.as_ref().filter(|it| !PLATFORMS.contains(&it.as_str())) {
            return Err(Problem::invalid(format!("--platform {platform}: write one of {}", PLATFORMS.join(", "))));
        }
        if let Some(serial) = self.serial.take() {
            self.serial = Some(status_list::written(&serial).ok_or_else(|| Problem::invalid("--serial is in hexadecimal"))?);
        }
        if let Some(least) = &self.app_version_below {
            if version(least).is_none() {
                return Err(Problem::invalid("--app-version-below: a versionCode such as 42, or a CFBundleVersion such as 4.2.1"));
            }
            self.must_say_whose_versions(context)?;
        }
        Ok(self)
    }

    /// Versions are compared within one client's apps of one platform.
    fn must_say_whose_versions(&self, context: &Context) -> Result<()> {
        let Some(client_id) = &self.client_id else {
            return Err(Problem::invalid("--app-version-below: say of which client with --client"));
        };
        let rules = context.config.client.get(client_id).and_then(|it| it.attestation.as_ref());
        if self.platform.is_none() && rules.is_some_and(|it| it.ios.is_some() && it.android.is_some()) {
            let why = "--app-version-below: this client's apps count their versions apart; add --platform android or ios";
            return Err(Problem::invalid(why));
        }
        Ok(())
    }

    fn fits(&self, row: &Row) -> Result<bool> {
        let facts = case::facts(row.text("facts")?)?;
        let (jkt, platform) = (row.text("jkt")?, row.text("platform")?);
        // An unknown version does not count as old. Such installations have to be named in another way.
        let said = facts["version"].as_i64().map(|it| it.to_string()).or_else(|| facts["bundle_version"].as_str().map(str::to_owned));
        let older = |least: &String| said.as_ref().is_some_and(|it| version(it).is_some() && !is_at_least(it, least));
        Ok(self.jkt.as_ref().is_none_or(|it| it == jkt)
            && self.platform.as_ref().is_none_or(|it| it == platform)
            && self.serial.as_ref().is_none_or(|wanted| android::serials(&facts).any(|it| it == wanted))
            && self.app_version_below.as_ref().is_none_or(older))
    }
}

/// So many installations end by one change. Each is some ten statements, and others wait for the change.
const TOGETHER: usize = 10;

/// Installations and their grants, a few to a change. Answers how many grants there were.
async fn revoke(context: &Context, actor: &Actor, all: &[Installation], preview: bool) -> Result<usize> {
    let mut grants = 0;
    for batch in all.chunks(TOGETHER) {
        let mut change = context.change(actor);
        for Installation { client_id, jkt } in batch {
            let id = || vec![client_id.as_str().into(), jkt.as_str().into()];
            let counted = context.store.one(app_grant::COUNT_OF_INSTALLATION, &id()).await?.map(|it| it.int("count")).transpose()?;
            let of_this = counted.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
            grants += of_this;
            // Whoever revoked it in the meantime did what is wanted here.
            change.run_expecting(REVOKE, id(), Expect::Any);
            ending::end_of_installation(&mut change, client_id, jkt);
            let entry = actor.entry("instance_revoked").client(client_id.as_str()).with("jkt", jkt.as_str());
            change.audit(entry.with("grants", of_this));
        }
        if !preview {
            context.store.apply(change).await?;
        }
    }
    Ok(grants)
}
