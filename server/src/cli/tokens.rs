//! `symbolon key` and `symbolon token`.

use super::{Desk, Out, shown};
use crate::app;
use crate::error::{Error, Fault};
use crate::grants::Person;
use crate::login::accounts;
use crate::tokens::keys;
use crate::tokens::preview::{Wish, preview};
use clap::Subcommand;
use symbolon_oauth::jwk::Algorithm;

#[derive(Subcommand)]
pub enum Key {
    /// The keys and their times.
    List,
    /// Publish the next key now; it signs once every cache can know it.
    Rotate {
        #[arg(long, default_value = "ES256")]
        alg: String,
        /// The present key is stolen: sign with the new one now and withdraw the old one.
        #[arg(long)]
        at_once: bool,
    },
    /// Seal what is kept in the store under the newest master key, so that an older one can go; says what still needs that.
    Rewrap,
}

#[derive(Subcommand)]
pub enum Token {
    /// The claims an API would receive.
    Preview {
        #[arg(long)]
        client: String,
        #[arg(long)]
        scope: Option<String>,
        /// The audience of the API, where the scopes alone do not say which.
        #[arg(long)]
        resource: Option<String>,
        /// Without it: a token of the client itself.
        #[arg(long)]
        user: Option<String>,
    },
}

const LIST: &str = "SELECT kid, alg, signs_from_ms, signs_until_ms, published_until_ms FROM signing_key";
const SIGNING: &str = "SELECT kid, alg, signs_from_ms FROM signing_key WHERE signs_from_ms <= $1 AND signs_until_ms > $1";
const PERSON: &str = "SELECT email, email_verified, name, locale, claims FROM account WHERE id = $1";

pub async fn key(desk: &Desk, action: Key, out: &Out) -> Result<(), Error> {
    match action {
        Key::List => {
            out.line(format!("{:<44} {:<6} {:<21} {:<21} PUBLISHED UNTIL", "KID", "ALG", "SIGNS FROM", "SIGNS UNTIL"));
            for row in desk.store.all_stale(LIST, &[]).await? {
                let (from, until, published) = (shown(row.int(2)?), shown(row.int(3)?), shown(row.int(4)?));
                out.line(format!("{:<44} {:<6} {from:<21} {until:<21} {published}", row.text(0)?, row.text(1)?));
            }
        }
        Key::Rewrap => super::rewrap::rewrap(desk, out).await?,
        Key::Rotate { alg, at_once } => {
            let alg = Algorithm::parse(&alg).ok_or_else(|| Fault::new("--alg is ES256, PS256, RS256 or EdDSA"))?;
            let kid = keys::rotate(&desk.store, &desk.keyring, alg, app::schedule(&desk.config), at_once, desk.now_ms()).await?;
            let how = if at_once { "signs now; every other key of its algorithm is withdrawn" } else { "is published and will sign" };
            out.line(format!("{kid} {how}. Other nodes notice within ten seconds."));
        }
    }
    Ok(())
}

pub async fn token(desk: &Desk, action: Token, out: &Out) -> Result<(), Error> {
    let Token::Preview { client: client_id, scope, resource, user } = action;
    let client = super::clients::known(desk, &client_id).await?.ok_or_else(|| Fault::new(format!("there is no client {client_id}")))?;
    let mut person = None;
    if let Some(name) = user {
        let sub =
            accounts::find_by_login_name(&desk.store, &name).await?.ok_or_else(|| Fault::new(format!("nobody signs in as {name}")))?.id;
        if let Some(row) = desk.store.one(PERSON, &[sub.as_str().into()]).await? {
            let known = Person {
                email: row.opt_text(0)?.map(str::to_owned),
                email_verified: row.int(1)? == 1,
                name: row.opt_text(2)?.map(str::to_owned),
                locale: row.opt_text(3)?.map(str::to_owned),
                claims: serde_json::from_str(row.text(4)?).unwrap_or_default(),
            };
            person = Some((sub, known));
        }
    }
    let now_ms = desk.now_ms();
    let signing = desk.store.all_stale(SIGNING, &[now_ms.into()]).await?;
    let kid = |alg: Algorithm| {
        let of_alg = signing.iter().filter(|it| it.text(1).is_ok_and(|it| it == alg.as_str()));
        of_alg.filter_map(|it| Some((it.int(2).ok()?, it.text(0).ok()?.to_owned()))).max().map(|it| it.1)
    };
    let wish = Wish {
        client_id: &client_id,
        client: &client,
        scope: scope.as_deref(),
        resource: resource.as_deref(),
        person: person.as_ref().map(|(sub, it)| (sub.as_str(), it)),
        now_ms,
    };
    let preview = preview(&desk.config, &wish, kid)?;
    out.line(serde_json::to_string_pretty(&preview).map_err(|it| Fault::new(it.to_string()))?);
    Ok(())
}
