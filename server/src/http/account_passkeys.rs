//! The passkeys of the account page: what there is, another name for one, and what the platform is told. Adding and removing are
//! sign-ins of their own (`Journey`).

use crate::app::App;
use crate::config::DEFAULT_POLICY;
use crate::error::{Refused, Result};
use crate::login::holdings::OwnPasskey;
use crate::login::operation::Operation;
use crate::login::passkeys;
use crate::login::proof::MethodName;
use crate::login::reading::Accounts;
use crate::pages::PasskeyView;
use crate::sessions::Session;
use crate::store::tables::passkey::{HANDLE, RENAME};
use crate::store::{Change, Expect, Row, Value};
use symbolon_oauth::base64url;
use symbolon_oauth::form::Form;
use symbolon_passkey::options;

/// What the page shows, and what the platform is told: all passkeys of the account, and the person's present name. `person`: the
/// account's row with `name` and `email`.
pub async fn show(app: &App, session: &Session, person: &Row) -> Result<(Option<Vec<PasskeyView>>, Option<Operation>)> {
    let account = [Value::from(session.account.as_str())];
    let rp_id = app.config.passkeys.rp_id(&app.config.issuer);
    let own = app.machine.passkeys_of(&session.account).await?;
    let ids: Vec<Vec<u8>> = own.iter().filter(|one| !one.is_of_other_rp).filter_map(|one| base64url::decode(&one.id)).collect();
    let view = |one: OwnPasskey| PasskeyView {
        public_id: one.public_id,
        name: one.name,
        created: instant(one.created_ms),
        last_used: (one.used_ms > 0).then(|| instant(one.used_ms)),
        needs_name: one.needs_name,
        is_of_other_rp: one.is_of_other_rp,
        is_refused: one.is_refused,
    };
    let views: Vec<PasskeyView> = own.into_iter().map(view).collect();
    let handle = app.store.one(HANDLE, &account).await?;
    let signal = match &handle {
        Some(row) => Some(signal(&rp_id, row.text("handle")?, &ids, person)?),
        None => None,
    };
    let is_taken = app.config.policies().any(|policy| policy.names(&MethodName::PASSKEY));
    Ok(((is_taken || !views.is_empty()).then_some(views), signal))
}

/// Would recovery codes get the person in who has lost their passkeys?
pub async fn makes_codes(app: &App, account: &str) -> Result<bool> {
    let account = Accounts::new(&app.store, &app.config).by_id(account).await?;
    let policy = app.config.policy(DEFAULT_POLICY);
    Ok(account.zip(policy).is_some_and(|(account, policy)| account.may_have_codes() && policy.takes_codes(&account)))
}

/// WebAuthn Level 3, 5.1.10.3 and 5.1.10.4. An account without passkeys tells so as well: the platform forgets the last one.
fn signal(rp_id: &str, handle: &str, ids: &[Vec<u8>], person: &Row) -> Result<Operation> {
    let mut options = options::signal_all_accepted(rp_id, handle.as_bytes(), ids);
    if let Some(email) = person.opt_text("email")? {
        options["name"] = email.into();
        options["displayName"] = person.opt_text("name")?.unwrap_or(email).into();
    }
    Ok(Operation::PasskeySignal { options })
}

/// The name that the person gives a passkey: one line.
pub fn rename(change: &mut Change, form: &Form, account: &str, public_id: &str) -> Result<()> {
    let typed = form.get(&format!("name_{public_id}")).unwrap_or_default();
    let empty = || Refused::bad_request("invalid_request", "A passkey's name is not empty.");
    let name = passkeys::shown_name(typed).ok_or_else(empty)?;
    change.run_expecting(RENAME, vec![account.into(), public_id.into(), name.into()], Expect::Any);
    Ok(())
}

/// An instant, for the account page.
pub fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}
