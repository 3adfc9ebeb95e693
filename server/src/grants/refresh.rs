//! grant_type=refresh_token. RFC 6749 6, RFC 9700 4.14. The promise: rotation never logs a good user out, and a replay
//! of an unbound token ends the grant. `turn` is the whole of it; docs/decisions/refresh.md argues it.

use super::decision::{self, TokenDecision};
use super::{Grant, GrantState, TokenRequest, again, invalid_grant};
use crate::asked_again;
use crate::audit;
use crate::caller::Caller;
use crate::config::plugin::Moment;
use crate::config::{OnStale, RefreshMode};
use crate::core::Core;
use crate::error::{Refused, Result};
use crate::limits::Limits;
use crate::store::tables::{app_grant, session};
use crate::store::{Change, Expect, NotApplied, Value};
use crate::tokens::handles::{Kind, NOT_OURS};
use crate::tokens::issue;
use crate::web::reply::{self, Reply};
use crate::web::request::Incoming;
use governor::DefaultKeyedRateLimiter;
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
    /// Above the row: the store has lost what it acknowledged. The token is accepted, with an alarm.
    Ahead,
}

/// Pure. `age_ms`: since the first issue of the row's generation; the window never moves with a repeat.
pub fn turn(row: u32, presented: u32, key_bound: bool, age_ms: i64, grace_ms: i64) -> Turn {
    if presented == row {
        Turn::Current
    } else if presented > row {
        Turn::Ahead
    } else if row - presented == 1 && (key_bound || age_ms <= grace_ms) {
        Turn::Previous
    } else {
        Turn::Spent
    }
}

/// So many generations in a row were asked for late: perhaps two holders of the key take turns.
const SUSPICIOUS: i64 = 6;

/// Tries again when another request moved the grant between our read and our write: the second look finds `Previous`.
pub async fn refresh(core: &Core, caller: &Caller, incoming: &Incoming) -> Result<Reply> {
    let form = &incoming.form;
    let text =
        form.get("refresh_token").ok_or_else(|| Refused::bad_request("invalid_request", "The refresh_token parameter is missing."))?;
    let handle = core
        .handles
        .read(Kind::Refresh, text)
        .ok_or_else(|| invalid_grant("This is not a refresh token of this server.").because(NOT_OURS))?;
    for _ in 0..3 {
        let grant = match incoming.known.take_grant() {
            Some(row) => super::named(&handle, Some(super::from_row(core, &handle.id, handle.number, &row).await?))?,
            None => super::of_handle(core, &handle).await?,
        };
        if let Some(answer) = attempt(TokenRequest { core, caller, form, grant: &grant, most_s: None }, handle.generation).await? {
            return Ok(answer);
        }
    }
    Err(Refused::new(503, "temporarily_unavailable", "The session is being refreshed elsewhere; try again.").retry_after(1).into())
}

/// `None`: lost a race; read again.
async fn attempt(request: TokenRequest<'_>, presented: u32) -> Result<Option<Reply>> {
    let TokenRequest { core, caller, form, grant, .. } = request;
    grant.must_belong_to(caller)?;
    if grant.is_from_before_the_key(caller, presented) && grant.state == GrantState::Active {
        return Err(refuse_spent(request, true).await?.into());
    }
    if let Err(error) = grant.must_be_held_by(caller) {
        return Err(grant.alarm(core, caller, "refresh_in_wrong_hands", error).await?);
    }
    must_be_good(grant, caller)?;
    let scope = narrowed(grant, caller, form)?;
    let rules = &caller.client.refresh;
    // FAPI 2.0 5.3.2.1 9: no rotation. The configuration makes sure that such a client authenticates.
    let keeps = rules.mode == RefreshMode::Static;
    // 631-Q: after four thousand million refreshes the person signs in again; a generation never begins anew.
    let last = || {
        let hint = "This session was refreshed as often as one can be; the person has to sign in again.";
        invalid_grant(hint).because("last generation")
    };
    let next = if keeps { presented } else { presented.checked_add(1).ok_or_else(last)? };
    let turn = turn_of(grant, caller, presented);
    // A refresh that moves nothing can be sent again without end: it costs its place before anybody is asked.
    if turn == Turn::Previous {
        must_not_be_a_storm((core, grant), &["repeat"], &core.limits.repeats)?;
    }
    if turn != Turn::Spent && decision::is_asked(core, Moment::Refresh, &caller.client_id) {
        let number = grant.number.to_string();
        must_not_be_a_storm((core, grant), &["judged", &number], &core.limits.judged_refreshes)?;
    }
    if turn != Turn::Spent {
        asked_again::must_be_confirmed(core, grant, caller.now_ms).await?;
    }
    if turn != Turn::Spent
        && let Some(why) = again::wants_more(request).await?
    {
        return if again::has_one(caller, grant) { ask_for_step_up(request, why).await.map(Some) } else { end_weaker(request, why).await };
    }
    let request = match turn {
        Turn::Spent => request,
        _ => match decision::decide(core, caller, grant, Moment::Refresh).await? {
            TokenDecision::Go(most_s) => TokenRequest { most_s, ..request },
            TokenDecision::StepUp if again::has_one(caller, grant) => {
                return ask_for_step_up(request, "a plug-in wants another sign-in").await.map(Some);
            }
            TokenDecision::StepUp => {
                let hint = "The person has to sign in once more.";
                return Err(invalid_grant(hint).because("a plug-in wants another sign-in").audited().into());
            }
        },
    };
    match turn {
        Turn::Current => advance_generation(request, &scope, next, "refreshed").await,
        Turn::Ahead => advance_generation(request, &scope, next, "store_behind").await,
        Turn::Previous => repeat(request, &scope).await.map(Some),
        Turn::Spent => {
            let ends = !grant.is_key_bound() || rules.on_stale == OnStale::End;
            Err(refuse_spent(request, ends).await?.into())
        }
    }
}

/// The person signs in once more, on the app's own screens. It moves nothing: the same token gets the same answer.
async fn ask_for_step_up(request: TokenRequest<'_>, why: &str) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    grant.say_once(core, caller, "step_up_wanted", why).await?;
    let mut body = serde_json::json!({
        "error": "insufficient_authorization",
        "error_description": "The person has to sign in once more: begin at the authorization_challenge_endpoint with this auth_session.",
        "auth_session": again::auth_session(core, caller, grant),
    });
    if let Some(acr) = caller.tier_rules().and_then(|tier| tier.acr.as_ref()) {
        body["acr_values"] = acr.as_str().into();
    }
    Ok(reply::json(403, &body))
}

/// `on_weaker_policy = "end"`: a client that cannot ask for a step-up begins anew.
async fn end_weaker<T>(request: TokenRequest<'_>, why: &'static str) -> Result<T> {
    let TokenRequest { core, caller, grant, .. } = request;
    let mut change = Change::new(caller.now_ms);
    grant.end(&mut change);
    let burnt = caller.burn(&mut change);
    change.audit(grant.entry(core, audit::Entry::refused("grant_weaker_than_policy", why), caller));
    burnt.applied(core.store.apply(change).await)?;
    Err(invalid_grant("The person has to sign in once more: more is asked for now.").because(why).audited().into())
}

fn turn_of(grant: &Grant, caller: &Caller, presented: u32) -> Turn {
    let grace_ms = caller.client.refresh.grace.0 * 1000;
    turn(grant.generation, presented, grant.is_key_bound(), caller.now_ms - grant.issued_ms, grace_ms)
}

/// What a refresh with this token would find: the grant's scope as its client may still have it. `None` if it would be refused.
/// Introspection answers by it, so that it never calls a token active that is of no use.
pub fn outlook(grant: &Grant, caller: &Caller, presented: u32) -> Option<Scope> {
    let good = [must_be_good(grant, caller), grant.must_suit_the_tier(caller)];
    let mine = [grant.must_belong_to(caller), grant.must_be_held_by(caller)].into_iter().chain(good);
    if mine.into_iter().any(|it| it.is_err()) || turn_of(grant, caller, presented) == Turn::Spent {
        return None;
    }
    let scope = super::within_tier(caller, &still(grant, caller));
    (!scope.is_empty() || grant.scope.is_empty()).then_some(scope)
}

/// Everything that a grant has to be for its holder to go on. Whoever can sign in again beside it is asked to, after the generation.
fn must_be_good(grant: &Grant, caller: &Caller) -> Result<()> {
    grant.must_be_usable(caller)?;
    if again::has_one(caller, grant) { Ok(()) } else { grant.must_suit_the_tier(caller) }
}

fn still(grant: &Grant, caller: &Caller) -> Scope {
    grant.scope.iter().filter(|it| super::may_have(&caller.client, it)).map(str::to_owned).collect()
}

/// Counts a repeat that came late, once for each generation, beside the repeat's own audit entry.
fn count_late(core: &Core, caller: &Caller, grant: &Grant, change: &mut Change) {
    let late = &grant.late;
    if caller.now_ms - grant.issued_ms <= caller.client.refresh.grace.0 * 1000 || late.generation >= grant.generation {
        return;
    }
    let in_a_row = if late.generation + 1 == grant.generation { late.in_a_row + 1 } else { 1 };
    let suspicious = late.suspected_ms == 0 && in_a_row % SUSPICIOUS == 0;
    if suspicious {
        if caller.instance.as_ref().is_none_or(|it| it.attested_ms.is_none()) {
            change.run_expecting(session::DROP_PROOFS, vec![Value::from(&grant.session[..])], Expect::Any);
        }
        let why = "generation after generation was asked for twice: two may hold the key";
        change.audit(grant.entry(core, audit::Entry::refused("suspected_two_holders", why), caller));
    }
    let suspected_ms = if suspicious { caller.now_ms } else { late.suspected_ms };
    let row = [Value::from(&grant.session[..]), i64::from(grant.number).into(), i64::from(grant.generation).into()];
    change.run_expecting(app_grant::COUNT_LATE, row.into_iter().chain([in_a_row.into(), suspected_ms.into()]).collect(), Expect::Any);
}

/// RFC 6749 6: never more than granted, and only what the client may still have. The grant itself never narrows.
fn narrowed(grant: &Grant, caller: &Caller, form: &Form) -> Result<Scope> {
    let still = still(grant, caller);
    let Some(asked) = form.get("scope") else { return Ok(still) };
    let asked = Scope::parse(asked).ok_or_else(|| Refused::bad_request("invalid_scope", "The scope parameter is malformed."))?;
    if asked.is_subset_of(&still) {
        return Ok(asked);
    }
    Err(Refused::bad_request("invalid_scope", "The scope is wider than what was granted.").into())
}

async fn advance_generation(request: TokenRequest<'_>, scope: &Scope, to: u32, event: &'static str) -> Result<Option<Reply>> {
    let TokenRequest { core, caller, grant, .. } = request;
    let mut change = Change::new(caller.now_ms);
    // An app that learns to prove a key stays signed in. From here on its grant is bound (RFC 9449 5).
    let [holder_kind, holder] = grant.holder_after(caller, to).to_columns();
    let attested = caller.instance.as_ref().is_some_and(|it| it.attested_ms.is_some());
    let answered = if attested { grant.late.suspected_ms } else { -1 };
    change.run(
        app_grant::ADVANCE,
        vec![
            Value::from(&grant.session[..]),
            i64::from(grant.number).into(),
            i64::from(grant.generation).into(),
            i64::from(to).into(),
            caller.now_ms.into(),
            holder_kind,
            holder,
            answered.into(),
        ],
    );
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, to, scope).await?;
    let mut entry = audit::Entry::ok(event).with("jti", answer.jti.as_str()).with("generation", i64::from(to));
    entry.security = event != "refreshed";
    change.audit(grant.entry(core, entry, caller));
    match core.store.apply(change).await {
        Ok(_) => Ok(Some(reply::json(200, &answer))),
        Err(NotApplied::Conflict(at)) if burnt.refusal(at).is_some() => Err(burnt.refused(at)),
        Err(NotApplied::Conflict(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// A storm of repeats is slowed down, never punished.
fn must_not_be_a_storm((core, grant): (&Core, &Grant), what: &[&str], limit: &DefaultKeyedRateLimiter<u16>) -> Result<()> {
    let name = crate::sessions::public_id(core, &grant.session);
    if limit.check_key(&Limits::bucket(&[what, &[&name]].concat())).is_err() {
        return Err(Refused::new(429, "temporarily_unavailable", "This refresh was repeated too often; wait.").retry_after(5).into());
    }
    Ok(())
}

/// The same successor again. It does not move idle time.
async fn repeat(request: TokenRequest<'_>, scope: &Scope) -> Result<Reply> {
    let TokenRequest { core, caller, grant, .. } = request;
    let mut change = Change::new(caller.now_ms);
    count_late(core, caller, grant, &mut change);
    let burnt = caller.burn(&mut change);
    let answer = issue::for_grant(request, grant.generation, scope).await?;
    change.audit(grant.entry(core, audit::Entry::ok("refresh_repeated").with("jti", answer.jti.as_str()), caller));
    burnt.applied(core.store.apply(change).await)?;
    Ok(reply::json(200, &answer))
}

/// An old token. Unbound: thief and owner look alike, so the grant ends. Bound: whoever sends it proved the key, so it is an old copy and
/// not a theft. It is refused and reported. A request that comes twice, its proof spent, ends nothing.
async fn refuse_spent(request: TokenRequest<'_>, ends: bool) -> Result<Refused> {
    let TokenRequest { core, caller, grant, .. } = request;
    let mut change = Change::new(caller.now_ms);
    if ends {
        grant.end(&mut change);
    }
    let what = if ends { "an old token was replayed; the grant has been ended" } else { "an old token of the same holder" };
    let burnt = caller.burn(&mut change);
    change.audit(grant.entry(core, audit::Entry::refused("refresh_replayed", what), caller));
    burnt.applied(core.store.apply(change).await)?;
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
        let at = |row, presented, bound, age_ms| turn(row, presented, bound, age_ms, 10_000);
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
        assert_eq!(turn(2, 1, false, 0, 0), Turn::Previous);
        assert_eq!(turn(2, 1, false, 1, 0), Turn::Spent);
    }
}
