//! The passkeys of the account page: what there is, another name for one, and what the platform is told. Adding and removing are
//! sign-ins of their own (`Journey`).

use crate::app::App;
use crate::error::{Refused, Result};
use crate::login::operation::Operation;
use crate::login::proof::MethodName;
use crate::pages::PasskeyView;
use crate::sessions::Session;
use crate::store::tables::passkey::{HANDLE, OF_ACCOUNT, RENAME};
use crate::store::{Change, Expect, Row, Value};
use crate::visible;
use crate::web::request::Incoming;
use symbolon_oauth::base64url;
use symbolon_passkey::options;

/// Of a name, in characters.
const LONGEST_NAME: usize = 64;

/// What the page shows, and what the platform is told: all passkeys of the account, and the person's present name. `person`: the
/// account's row with `name` and `email`.
pub async fn show(app: &App, session: &Session, person: &Row) -> Result<(Option<Vec<PasskeyView>>, Option<Operation>)> {
    let account = [Value::from(session.account.as_str())];
    let rp_id = app.config.passkeys.rp_id(&app.config.issuer);
    let (mut views, mut ids) = (Vec::new(), Vec::new());
    for row in app.store.all(OF_ACCOUNT, &account).await? {
        let (used_ms, is_ours) = (row.int("used_ms")?, row.text("rp_id")? == rp_id);
        if is_ours {
            ids.extend(base64url::decode(row.text("id")?));
        }
        views.push(PasskeyView {
            public_id: row.text("public_id")?.to_owned(),
            name: row.text("name")?.to_owned(),
            created: instant(row.int("created_ms")?),
            last_used: (used_ms > 0).then(|| instant(used_ms)),
            needs_name: row.int("discoverable")? == 0,
            is_of_other_rp: !is_ours,
        });
    }
    tell_apart(&mut views);
    let handle = app.store.one(HANDLE, &account).await?;
    let signal = match &handle {
        Some(row) => Some(signal(&rp_id, row.text("handle")?, &ids, person)?),
        None => None,
    };
    let is_taken = app.config.policies().any(|policy| policy.names(&MethodName::PASSKEY));
    Ok(((is_taken || !views.is_empty()).then_some(views), signal))
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

/// Two of one name are told apart by a number.
fn tell_apart(views: &mut [PasskeyView]) {
    for at in 1..views.len() {
        let earlier = views[..at].iter().filter(|other| other.name == views[at].name).count();
        if earlier > 0 {
            views[at].name = format!("{} ({})", views[at].name, earlier + 1);
        }
    }
}

/// The name that the person gives a passkey: one line.
pub fn rename(change: &mut Change, incoming: &Incoming, account: &str, public_id: &str) -> Result<()> {
    let typed = incoming.form.get(&format!("name_{public_id}")).unwrap_or_default();
    let name: String = typed.trim().chars().filter(|letter| !visible::is_unseen(*letter)).take(LONGEST_NAME).collect();
    if name.is_empty() {
        return Err(Refused::bad_request("invalid_request", "A passkey's name is not empty.").into());
    }
    change.run_expecting(RENAME, vec![account.into(), public_id.into(), name.into()], Expect::Any);
    Ok(())
}

/// An instant, for the account page.
pub fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|it| it.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}
