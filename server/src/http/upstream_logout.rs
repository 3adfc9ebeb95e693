//! POST /upstream/{name}/backchannel-logout: a provider says that somebody is signed out there. OpenID Connect Back-Channel Logout 1.0 2.5.
//!
//! First a cut-off is written, which a sign-in that finishes later meets (`sessions::open`). Then the sessions that rest on that provider
//! lose what was proved there. A token that comes again does the same for the same instant, so that a lost answer costs nothing.

use crate::app::App;
use crate::audit::Entry;
use crate::config::upstream::OnLogout;
use crate::core::Core;
use crate::error::{Fault, Refused, Result};
use crate::limits::Limits;
use crate::login::proof::{AtProvider, link_key};
use crate::sessions;
use crate::store::tables::{provider_session, session};
use crate::store::{Change, Expect, NotApplied, Value};
use crate::told;
use crate::upstream::{FailureKind, SignedOut};
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use std::time::Duration;

/// The longest token that is read.
const LONGEST: usize = 16 * 1024;
/// A sign-in lives for less.
const CUT_OFF_MS: i64 = 2 * 3_600_000;
/// Longer than a change takes from its first statement to its commit.
const UNDER_WAY: Duration = Duration::from_millis(300);

pub async fn sign_out(app: &App, incoming: &Incoming) -> Result<Reply> {
    let name = incoming.path("name").unwrap_or_default();
    let Some(provider) = app.machine.providers().get(name) else {
        return Err(Refused::new(404, "not_found", "There is no such provider here.").into());
    };
    let parameters = incoming.parameters();
    let token = parameters.get("logout_token").filter(|it| it.len() <= LONGEST);
    let token = token.ok_or_else(|| Refused::bad_request("invalid_request", "The parameter logout_token is missing or too long."))?;
    let signed_out =
        provider.check_logout(token, &may_fetch(app, name, incoming), incoming.now_ms).await.map_err(|trouble| match trouble.kind {
            FailureKind::Away => {
                Refused::new(503, "temporarily_unavailable", "The keys of the provider cannot be had now.").because(trouble.why)
            }
            _ => Refused::bad_request("invalid_request", "This is no logout token of that provider for this server.").because(trouble.why),
        })?;
    let ends_everything = provider.settings.on_logout == OnLogout::Everything;
    let ended = apply(app, name, &signed_out, ends_everything, incoming.now_ms).await?;
    tracing::info!(provider = name, sessions = ended, "a provider signed somebody out");
    Ok(reply::empty(200))
}

/// Whoever sends words that no known key has signed may make this server fetch keys, but not without end.
pub(super) fn may_fetch<'a>(core: &'a Core, provider: &str, incoming: &Incoming) -> impl Fn() -> bool + Send + Sync + 'a {
    let bucket = Limits::bucket(&["newer keys", provider, &Limits::line(incoming.address)]);
    move || core.limits.newer_keys.check_key(&bucket).is_ok()
}

/// What the token names, in the words of the two tables: the statement that finds sessions, and the name.
fn names(signed_out: &SignedOut) -> Vec<(&'static str, String)> {
    let SignedOut { issuer, subject, sid, .. } = signed_out;
    match (subject, sid) {
        (Some(subject), None) => vec![(provider_session::OF_IDENTITY, link_key(issuer, subject))],
        (subject, sid) => {
            let of_session = sid.iter().map(|it| AtProvider::name(issuer, Some(it), ""));
            // Sessions here of which the provider did not say which one there they rest on.
            let unnamed = subject.iter().map(|it| AtProvider::name(issuer, None, it));
            of_session.chain(unnamed).map(|it| (provider_session::OF_SID, it)).collect()
        }
    }
}

/// Answers how many sessions were touched.
async fn apply(core: &Core, provider: &str, signed_out: &SignedOut, ends_everything: bool, now_ms: i64) -> Result<usize> {
    let names = names(signed_out);
    let mut change = Change::new(now_ms);
    change.once("provider_logout", provider, &signed_out.jti, signed_out.exp_s.saturating_mul(1000));
    cut_off(&mut change, names.iter().map(|it| it.1.as_str()), now_ms);
    match core.store.apply(change).await {
        // It came before: whatever that try left undone is done now, for the instant at which it came first.
        Ok(_) | Err(NotApplied::Conflict(_)) => {}
        Err(other) => return Err(other.into()),
    }
    end_twice(core, provider, &names, ends_everything).await
}

/// A sign-in that left before this instant, and comes back later, is refused.
pub(super) fn cut_off<'a>(change: &mut Change, names: impl Iterator<Item = &'a str>, at_ms: i64) {
    let until_ms = change.now_ms() + CUT_OFF_MS;
    for name in names {
        change.run_expecting(provider_session::CUT_OFF, vec![name.into(), at_ms.into(), until_ms.into()], Expect::Any);
    }
}

/// Ends what the names of a cut-off find. Answers how many sessions were touched.
pub(super) async fn end_twice(core: &Core, provider: &str, names: &[(&'static str, String)], ends_everything: bool) -> Result<usize> {
    let mut touched = end_all(core, provider, names, ends_everything).await?;
    // A sign-in whose change was under way when the cut-off was written is visible by now.
    tokio::time::sleep(UNDER_WAY).await;
    touched += end_all(core, provider, names, ends_everything).await?;
    Ok(touched)
}

async fn end_all(core: &Core, provider: &str, names: &[(&'static str, String)], ends_everything: bool) -> Result<usize> {
    let mut touched = 0;
    for (statement, name) in names {
        let Some(row) = core.store.one(provider_session::AT, &[name.as_str().into()]).await? else { continue };
        let at_ms = row.int("at_ms")?;
        let cut_off = CutOff { provider, name, at_ms };
        loop {
            let found = core.store.all(statement, &[name.as_str().into(), at_ms.into()]).await?;
            for row in &found {
                let id: [u8; 16] = row.bytes("session")?.try_into().map_err(|_| Fault::new("a session id has 16 bytes"))?;
                end(core, cut_off, &id, row.text("account")?, ends_everything).await?;
                touched += 1;
            }
            if found.is_empty() {
                break;
            }
        }
    }
    Ok(touched)
}

/// What a provider named when it signed somebody out.
#[derive(Clone, Copy)]
struct CutOff<'a> {
    provider: &'a str,
    name: &'a str,
    /// The instant. The provider may have named it once more after that.
    at_ms: i64,
}

/// The session loses its browser and its proofs, and its clients hear of it. Its grants, which apps hold, stay unless the operator wants
/// otherwise. What the session rests on besides stays.
async fn end(core: &Core, cut_off: CutOff<'_>, id: &[u8; 16], account: &str, ends_everything: bool) -> Result<()> {
    let CutOff { provider, name, at_ms } = cut_off;
    let mut change = Change::new(core.now_ms());
    if ends_everything {
        // Its end is what its clients are told of.
        sessions::end(core, &mut change, id, account, "provider_logout");
    } else if core.store.one(session::IS_IN_USE, &[Value::from(&id[..]), Value::from(&b""[..])]).await?.is_some() {
        sessions::ending::drop_browser(&mut change, id);
        let entry = Entry::ok("provider_logout").account(account).session(sessions::public_id(core, id));
        change.audit(entry.with("provider", provider));
        told::write_words(core, &mut change, id).await?;
    }
    let named = || vec![Value::from(&id[..]), at_ms.into(), name.into()];
    for (entry, _) in core.config.upstream.iter().filter(|(_, it)| it.check.is_some()) {
        change.run_expecting(provider_session::HELD, [named(), vec![entry.as_str().into()]].concat(), Expect::Any);
    }
    change.run_expecting(provider_session::DONE, named(), Expect::Any);
    core.store.apply(change).await?;
    Ok(())
}
