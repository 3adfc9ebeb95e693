//! The token that an API would receive, made by the functions that issue tokens, and given to nobody.

use super::context::Context;
use super::operation::TokenOperation;
use super::outcome::{Outcome, TokenPreview};
use super::problem::{Problem, Result};
use super::{find_client, find_user};
use crate::grants::PersonClaims;
use crate::store::tables::account::TOLD;
use crate::store::tables::signing_key::SIGNING;
use crate::tokens::preview::{PreviewRequest, preview};
use symbolon_oauth::jwk::Algorithm;

pub(super) async fn run(context: &Context, operation: TokenOperation) -> Result<Outcome> {
    let TokenOperation::Preview { client_id, scope, resource, user } = operation;
    let client = find_client::find_or_refuse(context, &client_id).await?.client;
    let person = match user {
        Some(user) => Some(person(context, &user).await?),
        None => None,
    };
    let signing = context.store.all_stale(SIGNING, &[context.now_ms.into()]).await?;
    let kid = |alg: Algorithm| {
        let of_alg = signing.iter().filter(|row| row.text("alg").is_ok_and(|it| it == alg.as_str()));
        of_alg.filter_map(|it| Some((it.int("signs_from_ms").ok()?, it.text("kid").ok()?.to_owned()))).max().map(|(_, kid)| kid)
    };
    let wish = PreviewRequest {
        client_id: &client_id,
        client: &client,
        scope: scope.as_deref(),
        resource: resource.as_deref(),
        person: person.as_ref().map(|(sub, found)| (sub.as_str(), found)),
        now_ms: context.now_ms,
    };
    let made = preview(&context.config, &wish, kid)?;
    Ok(Outcome::TokenPreview(TokenPreview { api: made.api, format: made.format.to_owned(), header: made.header, claims: made.claims }))
}

async fn person(context: &Context, user: &str) -> Result<(String, PersonClaims)> {
    let sub = find_user::find(context, user).await?.id;
    let gone = || Problem::not_found(format!("nobody signs in as {user}"));
    let row = context.store.one(TOLD, &[sub.as_str().into()]).await?.ok_or_else(gone)?;
    let person = PersonClaims::from_row(&row)?;
    Ok((sub, person))
}
