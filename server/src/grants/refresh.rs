//! grant_type=refresh_token. RFC 6749 6, RFC 9700 4.14. The promise: rotation never logs a good user out, and a replay
//! of an unbound token ends the grant. `turn` is the whole of it; docs/decisions/refresh.md argues it.

use super::{Grant, State, invalid_grant};
use crate::app::{App, Limits};
use crate::audit;
use crate::caller::Caller;
use crate::config::{OnStale, RefreshMode};
use crate::error::{Refused, Result};
use crate::http::reply::{self, Reply};
use crate::store::{Change, NotApplied, Value};
use crate::tokens::handles::Kind;
use crate::tokens::issue;
use symbolon_oauth::form::Form;
use symbolon_oauth::scope::Scope;

/// What a genuine token's generation means against the row's.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Turn {
    /// The newest: move on by one.
    Current,
    /// One behind, and the newest was never used: a lost answer or a race. The same successor again.
    Previous,
    /// Behind by more, or an unbound one outside its window.
    Spent,
    /// Above the row: the store has lost what it acknowledged. Honoured, and alarmed.
    Ahead,
}

/// Pure. `issued_ms` is the first issue of the row's generation; the window never moves with a repeat.
pub fn turn(row: u32, presented: u32, key_bound: bool, issued_ms: i64, grace_ms: i64, now_ms: i64) -> Turn {
    if presented == row {
        Turn::Current
    } else if presented > row {
        Turn::Ahead
    } else if row - presented == 1 && (key_bound || now_ms - issued_ms <= grace_ms) {
        Turn::Previous
    } else {
        Turn::Spent
    }
}

const MOVE: &str = "UPDATE app_grant SET generation = $4, issued_ms = $5, used_ms = $5, holder_kind = $6, holder = $7 \
    WHERE session = $1 AND number = $2 AND generation = $3 AND state = 'active'";

/// Tries again when another request moved the grant between our read and our write: the second look finds `Previous`.
pub async fn refresh(app: &App, caller: &Caller, form: &Form) -> Result<Reply> {
    let text =
        form.get("refresh_token").ok_or_else(|| Refused::bad_request("invalid_request", "The refresh_token parameter is missing."))?;
    let handle =
        app.handles.read(Kind::Refresh, text).ok_or_else(|| invalid_grant("This is not a refresh token of this server.").because("tag"))?;
    for _ in 0..3 {
        let grant = super::of_handle(app, &handle).await?;
        if let Some(answer) = attempt(app, caller, form, &grant, handle.generation).await? {
            return Ok(answer);
        }
    }
    Err(Refused::new(503, "temporarily_unavailable", "The session is being refreshed elsewhere; try again.").retry_after(1).into())
}

/// `None`: lost a race; read again.
async fn attempt(app: &App, caller: &Caller, form: &Form, grant: &Grant, presented: u32) -> Result<Option<Reply>> {
    grant.must_belong_to(caller)?;
    if grant.is_from_before_the_key(caller, presented) && grant.state == State::Active {
        return Err(spent(app, caller, grant, true).await?.into());
    }
    grant.must_be_held_by(caller)?;
    grant.must_be_alive(caller.now_ms)?;
    must_be_active_and_fresh(grant, caller)?;
    let scope = narrowed(grant, caller, form)?;
    let rules = &caller.client.refresh;
    let keeps = rules.mode == RefreshMode::Static && grant.is_key_bound();
    // 631-Q: after four thousand million refreshes the person signs in again; a generation never begins anew.
    let next = presented.checked_add(1).ok_or_else(|| {
        invalid_grant("This session was refreshed as often as one can be; the person has to sign in again.").because("last generation")
    })?;
    match turn(grant.generation, presented, grant.is_key_bound(), grant.issued_ms, rules.grace.0 * 1000, caller.now_ms) {
        Turn::Current if keeps => moved(app, caller, form, grant, &scope, presented, "refreshed").await,
        Turn::Current => moved(app, caller, form, grant, &scope, next, "refreshed").await,
        Turn::Ahead => moved(app, caller, form, grant, &scope, next, "store_behind").await,
        Turn::Previous => repeated(app, caller, form, grant, &scope).await.map(Some),
        Turn::Spent => {
            let ends = !grant.is_key_bound() || rules.on_stale == OnStale::End;
            Err(spent(app, caller, grant, ends).await?.into())
        }
    }
}

fn must_be_active_and_fresh(grant: &Grant, caller: &Caller) -> Result<()> {
    if grant.state != State::Active {
        return Err(invalid_grant("This session is over; the person has to sign in again.").because("the code was never redeemed").into());
    }
    if caller.tier_rules().is_some_and(|it| !it.refresh) {
        let hint = "An installation like this one does not stay signed in; the person has to sign in again.";
        return Err(invalid_grant(hint).because("the tier does not refresh").into());
    }
    grant.must_suit_the_tier(caller)?;
    let idle = caller.client.refresh.idle;
    let idle = caller.tier_rules().and_then(|it| it.idle).map_or(idle, |it| it.min(idle));
    if caller.now_ms >= grant.used_ms + idle.0 * 1000 {
        return Err(invalid_grant("This session was unused for too long; the person has to sign in again.").because("idle").into());
    }
    Ok(())
}

/// RFC 6749 6: never more than granted, and only what the client may still have. The grant itself never narrows.
fn narrowed(grant: &Grant, caller: &Caller, form: &Form) -> Result<Scope> {
    let still: Scope = grant.scope.iter().filter(|it| super::may_have(&caller.client, it)).map(str::to_owned).collect();
    let Some(asked) = form.get("scope") else { return Ok(still) };
    let asked = Scope::parse(asked).ok_or_else(|| Refused::bad_request("invalid_scope", "The scope parameter is malformed."))?;
    if asked.is_subset_of(&still) {
        return Ok(asked);
    }
    Err(Refused::bad_request("invalid_scope", "The scope is wider than what was granted.").into())
}

async fn moved(
    app: &App,
    caller: &Caller,
    form: &Form,
    grant: &Grant,
    scope: &Scope,
    to: u32,
    event: &'static str,
) -> Result<Option<Reply>> {
    let mut change = Change::new(caller.now_ms);
    // An app that learns to prove a key stays signed in: from here on its grant is bound (RFC 9449 5).
    let (holder_kind, holder) = grant.holder_after(caller, to);
    change.run(
        MOVE,
        vec![
            Value::from(&grant.session[..]),
            i64::from(grant.number).into(),
            i64::from(grant.generation).into(),
            i64::from(to).into(),
            caller.now_ms.into(),
            holder_kind.into(),
            holder.into(),
        ],
    );
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(app, caller, grant, form, to, scope)?;
    let mut entry = audit::Entry::ok(event).with("jti", answer.jti.as_str()).with("generation", i64::from(to));
    entry.security = event != "refreshed";
    change.audit(grant.entry(app, entry, caller));
    match app.store.apply(change).await {
        Ok(_) => Ok(Some(reply::json(200, &answer.body))),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        Err(NotApplied::Conflict(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// The same successor again. It does not move idle time, and a storm of repeats is slowed down, never punished.
async fn repeated(app: &App, caller: &Caller, form: &Form, grant: &Grant, scope: &Scope) -> Result<Reply> {
    let name = crate::sessions::public_id(app, &grant.session);
    if app.limits.repeats.check_key(&Limits::place(&["repeat", &name])).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "This refresh was repeated too often; wait.").retry_after(5).into());
    }
    let mut change = Change::new(caller.now_ms);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(app, caller, grant, form, grant.generation, scope)?;
    change.audit(grant.entry(app, audit::Entry::ok("refresh_repeated").with("jti", answer.jti.as_str()), caller));
    match app.store.apply(change).await {
        Ok(_) => Ok(reply::json(200, &answer.body)),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        Err(other) => Err(other.into()),
    }
}

/// An old token. Unbound: thief and owner look alike, so the grant ends. Bound: whoever sends it proved the key, so it
/// is an old copy and not a theft; it is refused and reported.
async fn spent(app: &App, caller: &Caller, grant: &Grant, ends: bool) -> Result<Refused> {
    let mut change = Change::new(caller.now_ms);
    if ends {
        grant.end(&mut change);
    }
    let what = if ends { "an old token was replayed; the grant has been ended" } else { "an old token of the same holder" };
    change.audit(grant.entry(app, audit::Entry::refused("refresh_replayed", what), caller));
    app.store.apply(change).await?;
    let hint = if ends {
        "This refresh token was replaced long ago; the session has been ended. Keep only the newest one."
    } else {
        "This refresh token was replaced; use the newest one."
    };
    Ok(invalid_grant(hint).because("spent").audited())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn() {
        let at = |row, presented, bound, age_ms| turn(row, presented, bound, 1_000_000, 10_000, 1_000_000 + age_ms);
        for bound in [false, true] {
            assert_eq!(at(5, 5, bound, 999_999), Turn::Current);
            assert_eq!(at(5, 4, bound, 10_000), Turn::Previous);
            assert_eq!(at(5, 3, bound, 0), Turn::Spent);
            assert_eq!(at(5, 6, bound, 0), Turn::Ahead);
        }
        assert_eq!(at(5, 4, false, 10_001), Turn::Spent);
        assert_eq!(at(5, 4, true, i64::from(u32::MAX)), Turn::Previous);
    }

    #[test]
    fn a_window_of_zero_still_serves_the_same_instant_only() {
        assert_eq!(turn(2, 1, false, 50, 0, 50), Turn::Previous);
        assert_eq!(turn(2, 1, false, 50, 0, 51), Turn::Spent);
    }
}
