//! The people: who there is, and what is known of one.

use super::actor::Actor;
use super::context::Context;
use super::enrolments;
use super::find_user::{count_factors, find};
use super::import_users;
use super::move_links;
use super::operation::UserOperation;
use super::outcome::{App, Outcome, SessionFacts, UserFacts, UserLine, Users};
use super::paging::Paging;
use super::paging::{cut_page, rows_to_fetch};
use super::problem::{Problem, Result};
use super::users_change;
use super::users_means;
use crate::profile;
use crate::sessions;
use crate::store::tables::outside_identity::shown;

const LIST: &str = "SELECT n.name, a.id, a.state FROM login_name n JOIN account a ON a.id = n.account WHERE n.name > $1 \
    ORDER BY n.name LIMIT $2";
const NAMES: &str = "SELECT name FROM login_name WHERE account = $1 ORDER BY name";
const ACCOUNT: &str =
    concat!("SELECT a.state, a.email, a.email_verified, a.name, a.created_ms, a.claims, ", shown!(), " FROM account a WHERE a.id = $1");
const SESSIONS: &str = "SELECT id, created_ms, used_ms, acr, amr FROM session WHERE account = $1 AND state = 'active' \
    ORDER BY id LIMIT $2";
const APPS: &str = "SELECT g.client, g.scope, g.created_ms, g.used_ms, g.suspected_ms FROM session s JOIN app_grant g ON g.session = s.id \
    WHERE s.account = $1 AND s.state = 'active' AND g.state = 'active' ORDER BY g.session, g.number LIMIT $2";
/// Nobody reads more sessions of one person than this.
const MOST_SHOWN: usize = 200;

pub(super) async fn run(context: &Context, actor: &Actor, operation: UserOperation) -> Result<Outcome> {
    use users_change as change;
    match operation {
        UserOperation::List { paging } => list(context, &paging).await.map(Outcome::Users),
        UserOperation::Show { user } => show(context, &user).await.map(Outcome::User),
        UserOperation::Add { user, email, display_name, claims, password } => {
            let profile = change::ProfileChange { email, display_name, claims, remove_claims: Vec::new() };
            change::add(context, actor, user, profile, &password).await
        }
        UserOperation::Import { dry_run, skip_existing, people } => {
            import_users::run(context, actor, &people, import_users::How { dry_run, skip_existing }).await
        }
        UserOperation::Change { user, email, display_name, claims, remove_claims } => {
            change::set_profile(context, actor, user, change::ProfileChange { email, display_name, claims, remove_claims }).await
        }
        UserOperation::SetPassword { user, password } => change::set_password(context, actor, user, &password).await,
        UserOperation::RemoveTotp { user } => users_means::remove_totp(context, actor, user).await,
        UserOperation::RemovePasskeys { user, passkey } => users_means::remove_passkeys(context, actor, user, passkey.as_deref()).await,
        UserOperation::Unlink { user, link } => users_means::unlink(context, actor, user, link).await,
        UserOperation::SetUserCode { user, code } => change::set_user_code(context, actor, user, &code).await,
        UserOperation::RemoveUserCode { user } => change::remove_user_code(context, actor, user).await,
        UserOperation::Delete { user, confirmed } => change::delete(context, actor, user, confirmed).await,
        UserOperation::Confirm { user, means } => enrolments::confirm(context, actor, user, means).await,
        UserOperation::MoveLinks { provider, dry_run, lines } => move_links::run(context, actor, provider, dry_run, &lines).await,
        UserOperation::Invite { user, email, display_name, claims } => {
            let profile = change::ProfileChange { email, display_name, claims, remove_claims: Vec::new() };
            change::invite(context, actor, user, profile).await
        }
        UserOperation::Ticket { user } => enrolments::give_ticket(context, actor, user).await,
        UserOperation::EndSessions { user } => change::end_sessions(context, actor, user).await,
        UserOperation::Disable { user } => change::set_state(context, actor, user, "disabled").await,
        UserOperation::Enable { user } => change::set_state(context, actor, user, "active").await,
    }
}

async fn list(context: &Context, paging: &Paging) -> Result<Users> {
    let size = paging.size()?;
    let mut users = Vec::new();
    for row in context.store.all_stale(LIST, &[paging.after().into(), rows_to_fetch(size).into()]).await? {
        users.push(UserLine { user: row.text(0)?.to_owned(), sub: row.text(1)?.to_owned(), state: row.text(2)?.to_owned() });
    }
    let next = cut_page(&mut users, size, |it| it.user.clone());
    Ok(Users { users, next })
}

async fn show(context: &Context, user: &str) -> Result<UserFacts> {
    let store = &context.store;
    let sub = find(context, user).await?.id;
    let gone = || Problem::not_found(format!("nobody signs in as {user}"));
    let row = store.one(ACCOUNT, &[sub.as_str().into()]).await?.ok_or_else(gone)?;
    let mut names = Vec::new();
    for row in store.all(NAMES, &[sub.as_str().into()]).await? {
        names.push(row.text(0)?.to_owned());
    }
    let (sessions, more_sessions) = read_sessions(context, &sub).await?;
    let (apps, more_apps) = read_apps(context, &sub).await?;
    Ok(UserFacts {
        state: row.text(0)?.to_owned(),
        names,
        email: row.opt_text(1)?.map(str::to_owned),
        email_verified: row.int(2)? == 1,
        display_name: row.opt_text(3)?.map(str::to_owned),
        claims: profile::claims(row.text(5)?, row.opt_text(6)?)?,
        created_ms: row.int(4)?,
        factors: count_factors(context, &sub).await?,
        passkeys: users_means::passkeys(context, &sub).await?,
        links: users_means::links(context, &sub).await?,
        waiting: enrolments::list(context, &sub).await?,
        sessions,
        apps,
        more: more_sessions || more_apps,
        sub,
    })
}

async fn read_sessions(context: &Context, sub: &str) -> Result<(Vec<SessionFacts>, bool)> {
    let mut found = Vec::new();
    for row in context.store.all(SESSIONS, &[sub.into(), rows_to_fetch(MOST_SHOWN).into()]).await? {
        let id = row.bytes(0)?.try_into().map_err(|_| Problem::fault("a session id has 16 bytes"))?;
        found.push(SessionFacts {
            session: sessions::public_name(&context.keyring, &id),
            created_ms: row.int(1)?,
            used_ms: row.int(2)?,
            acr: row.text(3)?.to_owned(),
            amr: row.text(4)?.split_whitespace().map(str::to_owned).collect(),
        });
    }
    let more = cut_page(&mut found, MOST_SHOWN, |it| it.session.clone()).is_some();
    Ok((found, more))
}

async fn read_apps(context: &Context, sub: &str) -> Result<(Vec<App>, bool)> {
    let mut found = Vec::new();
    for row in context.store.all(APPS, &[sub.into(), rows_to_fetch(MOST_SHOWN).into()]).await? {
        found.push(App {
            client_id: row.text(0)?.to_owned(),
            scope: row.text(1)?.to_owned(),
            created_ms: row.int(2)?,
            used_ms: row.int(3)?,
            suspected_ms: Some(row.int(4)?).filter(|it| *it > 0),
        });
    }
    let more = cut_page(&mut found, MOST_SHOWN, |it| it.client_id.clone()).is_some();
    Ok((found, more))
}
