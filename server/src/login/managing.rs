//! The account on an app's own screens, and the changes of it that add no means to sign in. The account page of the browser begins the
//! same journeys; here are their pages.

use super::context::Face;
use super::enrolment::Waiting;
use super::flow::{Go, Run};
use super::holdings::SHOWN_EVENTS;
use super::journey::{Form, Journey, Overview};
use super::linking::shown_link;
use super::passkeys::LONGEST_NAME;
use super::state::Question;
use super::step::{Content, FieldKind, Step, Text};
use crate::config::Right;
use crate::config::upstream::Linking;
use crate::error::{Fault, Result};
use crate::mail::{self, written_time};
use serde_json::{Value as Json, json};
use symbolon_oauth::base64url;

/// A button of a list and what it is about.
struct ListButton {
    /// Without its number.
    action: &'static str,
    label: Text,
    target: String,
}

impl Run<'_> {
    /// The next page of a journey that changes the account and no means of it.
    pub(super) async fn ask_managing(&mut self) -> Go<()> {
        let account = self.subject_id()?;
        let (form, step, secret) = match self.state.journey.clone() {
            Journey::Manage(Overview::Menu) => (Form::Overview, self.menu(), Json::Null),
            Journey::Manage(page) => {
                let (step, secret) = self.list(page, &account).await?;
                (Form::Overview, step, secret)
            }
            Journey::ChangeName => {
                let name = self.person.account.as_ref().and_then(|account| account.name.as_deref());
                let step = Step::new("new_name").optional_field("name", FieldKind::Text, "name", name);
                (Form::NewName, step.primary("continue"), Json::Null)
            }
            Journey::ChangeUserCode => {
                let step = Step::new("new_user_code").field("new_user_code", FieldKind::Text, "off", None).primary("continue");
                (Form::NewUserCode, step.secondary("remove_user_code"), Json::Null)
            }
            Journey::RenamePasskey { passkey } => match self.named_passkey(&passkey).await? {
                Some(step) => (Form::NewPasskeyName, step, Json::Null),
                None => return self.nothing_left().await,
            },
            Journey::ChangeLanguage => (Form::NewLanguage, self.languages(), Json::Null),
            Journey::Export => (Form::Export, Step::new("export").primary("continue"), Json::Null),
            Journey::Delete => {
                let shown = self.person.account.as_ref().map(shown_account).unwrap_or_default();
                let step = Step::new("delete_account").lead(Text::new("delete_account-lead").with("account", shown));
                (Form::Delete, step.secondary("delete_account"), Json::Null)
            }
            _ => match self.ask_end(&account).await? {
                Some((step, secret)) => (Form::EndAccess, step.primary("continue"), secret),
                None => return self.nothing_left().await,
            },
        };
        let question = crate::seal::random::<16>()?;
        self.set_question(Question::Form(form), question, step, secret);
        Ok(())
    }

    /// What was to change is gone already.
    async fn nothing_left(&mut self) -> Go<()> {
        self.state.journey = Journey::SignIn;
        Box::pin(self.find_question()).await
    }

    /// The page on which a passkey gets another name. None: there is no such passkey.
    async fn named_passkey(&self, public_id: &str) -> Result<Option<Step>> {
        let own = self.machine.passkeys_of(&self.subject_id()?).await?;
        let found = own.into_iter().find(|one| one.public_id == public_id);
        Ok(found.map(|one| {
            let mut step = Step::new("new_passkey_name").field("passkey_name", FieldKind::Text, "off", Some(&one.name)).primary("continue");
            step.fields.iter_mut().for_each(|field| field.max_length = LONGEST_NAME);
            step
        }))
    }

    /// The copy of what the account has, for the person to keep.
    pub(super) async fn ask_to_keep_export(&mut self) -> Go<()> {
        let export = self.machine.export_of(&self.subject_id()?, self.visitor.now_ms).await?;
        let text = serde_json::to_string_pretty(&export).map_err(|error| Fault::new(error.to_string()))?;
        let file = Content::File { name: "account.json".to_owned(), media_type: "application/json".to_owned(), text };
        let step = Step::new("exported").show(file).primary("continue");
        self.set_question(Question::Form(Form::Exported), crate::seal::random::<16>()?, step, Json::Null);
        Ok(())
    }

    fn subject_id(&self) -> std::result::Result<String, Fault> {
        let subject = self.state.subject.as_ref().ok_or_else(|| Fault::new("an account of nobody"))?;
        Ok(subject.account.clone())
    }

    /// Where a button of the overview leads. Buttons of a list have the number of their row.
    pub(super) fn leads_on(&self, action: &str) -> Option<Journey> {
        if !matches!(self.state.journey, Journey::Manage(_)) {
            return None;
        }
        if action == "done" {
            return Some(Journey::SignIn);
        }
        let Some((word, number)) = action.split_once(':') else {
            return Journey::of_overview(action).or_else(|| Journey::of_account(action));
        };
        let targets = &self.state.pending.as_ref()?.secret["targets"];
        let target = targets.get(number.parse::<usize>().ok()?)?.as_str()?;
        Journey::of_account(&format!("{word}:{target}"))
    }

    /// What the client may let the person do.
    fn menu(&self) -> Step {
        let account = self.person.account.as_ref();
        let shown = account.map(shown_account).unwrap_or_default();
        let has_totp = account.is_some_and(|account| account.totp_from_ms.is_some());
        let has_mail = self.machine.config.mail.is_some();
        let authenticator = if has_totp { "remove_totp" } else { "enrol_totp" };
        let entries = [
            (Right::Name, "change_name", true),
            (Right::Language, "change_language", true),
            (Right::Email, "change_email", has_mail),
            (Right::Password, "change_password", true),
            (Right::Authenticator, authenticator, true),
            (Right::RecoveryCodes, "recovery_codes", self.may_make_codes()),
            (Right::UserCode, "change_user_code", self.machine.config.takes_user_codes()),
            (Right::Passkeys, "passkeys", true),
            (Right::Links, "links", true),
            (Right::Sessions, "sessions", true),
            (Right::Devices, "devices", true),
            (Right::Apps, "apps", true),
            (Right::History, "history", true),
            (Right::Export, "export", true),
            (Right::Delete, "delete", true),
        ];
        let offered = entries.into_iter().filter(|(right, _, is_there)| *is_there && self.rules.rights.has(*right));
        let step = self.with_what_waits(Step::new("manage").lead(Text::new("manage-lead").with("account", shown)));
        let step = offered.fold(step, |step, (_, action, _)| match action {
            "recovery_codes" => {
                let left = account.map_or(0, |account| account.recovery.len()).to_string();
                step.secondary_called(action, Text::new("action-recovery_codes").with("left", left))
            }
            _ => step.secondary(action),
        });
        step.primary("done")
    }

    /// What does not count in full yet, and from when on it does.
    fn with_what_waits(&self, mut step: Step) -> Step {
        let standing = self.standing();
        let line = |one: &&Waiting| {
            let until = standing.patience.expected_from_ms(one).map_or_else(|| "never".to_owned(), mail::hour_after);
            Text::new("waits-line").with("kind", one.means.kind()).with("until", until)
        };
        let lines: Vec<Text> = standing.still_waiting().iter().map(line).collect();
        if lines.is_empty() {
            return step;
        }
        step.text.extend([Text::new("account-waits"), Text::new("account-waits-lead")]);
        step.show(Content::List(lines))
    }

    fn languages(&self) -> Step {
        let step = Step::new("new_language");
        self.machine.languages().iter().fold(step, |step, (code, name)| {
            step.secondary_called(&format!("language:{code}"), Text::new("language").with("name", name.as_str()))
        })
    }

    async fn list(&self, page: Overview, account: &str) -> Result<(Step, Json)> {
        let (kind, lines, targets) = match page {
            Overview::Menu => return Err(Fault::new("the menu is no list").into()),
            Overview::Passkeys => self.list_passkeys().await?,
            Overview::Links => ("manage_links", Vec::new(), self.links()),
            Overview::Sessions => self.list_sessions(account).await?,
            Overview::Devices => ("manage_devices", Vec::new(), self.devices(account).await?),
            Overview::Apps => ("manage_apps", Vec::new(), self.apps(account).await?),
            Overview::History => ("manage_history", self.history(account).await?, Vec::new()),
        };
        let is_empty = lines.is_empty() && targets.is_empty();
        let mut step = Step::new(kind);
        if is_empty {
            step = step.lead(Text::new(format!("{kind}-none")));
        }
        if !lines.is_empty() {
            step = step.show(Content::List(lines));
        }
        for (at, one) in targets.iter().enumerate() {
            step = step.secondary_called(&format!("{}:{at}", one.action), one.label.clone());
        }
        let takes_passkeys = self.visitor.face.takes_passkeys();
        step = match page {
            Overview::Passkeys if takes_passkeys => step.secondary("add_passkey"),
            Overview::Sessions if targets.len() > 1 => step.secondary("sign_out_others"),
            _ => step,
        };
        let ids: Vec<&str> = targets.iter().map(|one| one.target.as_str()).collect();
        Ok((step.primary("overview"), json!({ "targets": ids })))
    }

    async fn list_sessions(&self, account: &str) -> Result<(&'static str, Vec<Text>, Vec<ListButton>)> {
        let own = self.state.subject.as_ref().and_then(|subject| subject.session);
        let (mut lines, mut targets) = (Vec::new(), Vec::new());
        for one in self.machine.sessions_of(account, self.visitor.now_ms).await? {
            let key = if Some(one.id) == own { "session-line-own" } else { "session-line" };
            let label = or_unnamed(&one.label);
            let line = Text::new(key).with("device", label).with("address", one.address.as_str());
            lines.push(line.with("started", written_time(one.created_ms)).with("used", written_time(one.used_ms)));
            let label = Text::new("action-end_this_session").with("device", label).with("started", written_time(one.created_ms));
            targets.push(ListButton { action: "end_session", label, target: one.public_name });
        }
        Ok(("manage_sessions", lines, targets))
    }

    async fn devices(&self, account: &str) -> Result<Vec<ListButton>> {
        let devices = self.machine.devices_of(account).await?;
        let target = |one: super::holdings::KnownDevice| {
            let label =
                Text::new("action-forget_this_device").with("device", or_unnamed(&one.label)).with("last", written_time(one.last_ms));
            ListButton { action: "forget_device", label, target: one.id }
        };
        Ok(devices.into_iter().map(target).collect())
    }

    async fn apps(&self, account: &str) -> Result<Vec<ListButton>> {
        let apps = self.machine.apps_of(account).await?;
        let target = |one: super::holdings::AppAccess| {
            let label = Text::new("action-revoke_this_app").with("client", one.name).with("since", written_time(one.since_ms));
            ListButton { action: "revoke_app", label, target: one.client }
        };
        Ok(apps.into_iter().map(target).collect())
    }

    async fn list_passkeys(&self) -> Result<(&'static str, Vec<Text>, Vec<ListButton>)> {
        let (mut lines, mut targets) = (Vec::new(), Vec::new());
        for one in self.machine.passkeys_of(&self.subject_id()?).await? {
            let mark = match (one.is_of_other_rp, one.is_refused, one.needs_name) {
                (true, _, _) => "of_other",
                (_, true, _) => "refused",
                (_, _, true) => "by_name",
                _ => "none",
            };
            let used = if one.used_ms > 0 { written_time(one.used_ms) } else { "never".to_owned() };
            lines.push(Text::new("passkey-line").with("name", one.name.as_str()).with("used", used).with("mark", mark));
            let label = Text::new("action-rename_this").with("name", one.name.as_str());
            targets.push(ListButton { action: "rename_passkey", label, target: one.public_id.clone() });
            let label = Text::new("action-remove_this").with("name", one.name).with("since", written_time(one.created_ms));
            targets.push(ListButton { action: "remove_passkey", label, target: one.public_id });
        }
        Ok(("manage_passkeys", lines, targets))
    }

    /// What is linked, and what can be: providers whose SDK is in the app. Others are linked in the browser.
    fn links(&self) -> Vec<ListButton> {
        let links = self.person.account.as_ref().map(|account| account.links.as_slice()).unwrap_or_default();
        let target = |link: &super::accounts::Link| {
            let label = Text::new("action-remove_this").with("name", shown_link(link)).with("since", written_time(link.created_ms));
            ListButton { action: "unlink", label, target: link.key() }
        };
        let linked = links.iter().map(target);
        let Face::App { providers, .. } = self.visitor.face else { return linked.collect() };
        let may_link = |name: &String| {
            let provider = self.machine.providers().get(name).filter(|provider| provider.settings.linking != Linking::Off)?;
            let label = Text::new("action-link").with("provider", provider.settings.label.as_str());
            Some(ListButton { action: "link", label, target: name.clone() })
        };
        linked.chain(providers.keys().filter_map(may_link)).collect()
    }

    async fn history(&self, account: &str) -> Result<Vec<Text>> {
        let events = self.machine.history_of(account, SHOWN_EVENTS).await?;
        let line = |one: &super::holdings::Event| {
            Text::new(format!("event-{}", one.event)).with("when", written_time(one.at_ms)).with("more", one.more())
        };
        Ok(events.iter().map(line).collect())
    }

    /// What is about to end, by name. None: there is no such thing any more.
    async fn ask_end(&self, account: &str) -> Result<Option<(Step, Json)>> {
        let named = |kind: &str, text: &str| {
            let mut step = Step::new(kind).lead(Text::new(format!("{kind}-lead")).with("name", text));
            step.title = step.title.with("name", text);
            step
        };
        Ok(match &self.state.journey {
            Journey::EndSession { session } => {
                let own = self.state.subject.as_ref().and_then(|subject| subject.session);
                let sessions = self.machine.sessions_of(account, self.visitor.now_ms).await?;
                sessions.into_iter().find(|one| one.public_name == *session).map(|one| {
                    let session = [one.label.as_str(), &one.address].join(" ");
                    (named("end_session", session.trim()), json!({ "id": base64url::encode(&one.id), "own": Some(one.id) == own }))
                })
            }
            Journey::EndOtherSessions => Some((Step::new("end_other_sessions"), Json::Null)),
            Journey::ForgetDevice { device } => {
                let devices = self.machine.devices_of(account).await?;
                devices.iter().find(|one| one.id == *device).map(|one| (named("forget_device", or_unnamed(&one.label)), Json::Null))
            }
            Journey::RevokeApp { client } => {
                let apps = self.machine.apps_of(account).await?;
                apps.into_iter().find(|one| one.client == *client).map(|one| (named("revoke_app", &one.name), Json::Null))
            }
            other => return Err(Fault::new(format!("nothing ends in {other:?}")).into()),
        })
    }
}

/// A device that did not say what it is.
fn or_unnamed(label: &str) -> &str {
    if label.is_empty() { "…" } else { label }
}

/// How the person knows the account.
fn shown_account(account: &super::accounts::Account) -> String {
    let name = account.any_email.as_deref().or(account.login_name.as_deref()).or(account.name.as_deref());
    crate::visible::plain(name.unwrap_or("…"), 80)
}
