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
use crate::store::tables::{account, app_grant, session};

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
    for row in context.store.all_stale(account::LIST, &[paging.after().into(), rows_to_fetch(size).into()]).await? {
        users.push(UserLine { user: row.text("name")?.to_owned(), sub: row.text("id")?.to_owned(), state: row.text("state")?.to_owned() });
    }
    let next = cut_page(&mut users, size, |it| it.user.clone());
    Ok(Users { users, next })
}

async fn show(context: &Context, user: &str) -> Result<UserFacts> {
    let store = &context.store;
    let sub = find(context, user).await?.id;
    let gone = || Problem::not_found(format!("nobody signs in as {user}"));
    let row = store.one(account::SHOW, &[sub.as_str().into()]).await?.ok_or_else(gone)?;
    let mut names = Vec::new();
    for row in store.all(account::NAMES, &[sub.as_str().into()]).await? {
        names.push(row.text("name")?.to_owned());
    }
    let (sessions, more_sessions) = read_sessions(context, &sub).await?;
    let (apps, more_apps) = read_apps(context, &sub).await?;
    Ok(UserFacts {
        state: row.text("state")?.to_owned(),
        names,
        email: row.opt_text("email")?.map(str::to_owned),
        email_verified: row.int("email_verified")? == 1,
        display_name: row.opt_text("name")?.map(str::to_owned),
        claims: profile::claims(row.text("claims")?, row.opt_text("shown")?)?,
        created_ms: row.int("created_ms")?,
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
    for row in context.store.all(session::SHOW, &[sub.into(), rows_to_fetch(MOST_SHOWN).into()]).await? {
        found.push(SessionFacts {
            session: sessions::public_name(&context.keyring, &row.array("id")?),
            created_ms: row.int("created_ms")?,
            used_ms: row.int("used_ms")?,
            acr: row.text("acr")?.to_owned(),
            amr: row.text("amr")?.split_whitespace().map(str::to_owned).collect(),
        });
    }
    let more = cut_page(&mut found, MOST_SHOWN, |it| it.session.clone()).is_some();
    Ok((found, more))
}

async fn read_apps(context: &Context, sub: &str) -> Result<(Vec<App>, bool)> {
    let mut found = Vec::new();
    for row in context.store.all(app_grant::SHOW, &[sub.into(), rows_to_fetch(MOST_SHOWN).into()]).await? {
        found.push(App {
            client_id: row.text("client")?.to_owned(),
            scope: row.text("scope")?.to_owned(),
            created_ms: row.int("created_ms")?,
            used_ms: row.int("used_ms")?,
            suspected_ms: Some(row.int("suspected_ms")?).filter(|it| *it > 0),
        });
    }
    let more = cut_page(&mut found, MOST_SHOWN, |it| it.client_id.clone()).is_some();
    Ok((found, more))
}
