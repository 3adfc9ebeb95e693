//! What an account says of its person, as far as providers may write it. What a rule with `update = "every"` reads is kept beside the
//! identity that shows it, and goes with the link. What `first` reads becomes the account's own, as do `name` and `locale`.

use crate::config::upstream::{Update, Upstream};
use crate::error::Fault;
use crate::profile::claims;
use crate::store::tables::account::{PROFILE, SET_PROFILE};
use crate::store::tables::outside_identity::SET_SHOWN;
use crate::store::{Change, Store};
use crate::upstream::Mapped;
use crate::visible;
use serde_json::{Map, Value as Json};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: Option<String>,
    pub locale: Option<String>,
    /// The account's own.
    pub claims: Map<String, Json>,
    /// Those that one identity shows.
    pub shown: Map<String, Json>,
    /// Both as the store has them.
    kept: String,
    kept_shown: String,
}

impl Profile {
    /// The same after a provider's word. None: nothing changes.
    pub fn after(&self, settings: &Upstream, said: &Mapped) -> Option<Self> {
        let mut present: Map<String, Json> = self.shown.clone().into_iter().chain(self.claims.clone()).collect();
        let own = [("name", &self.name), ("locale", &self.locale)];
        present.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.clone()?)))));
        let all = crate::upstream::applied(settings, said, &present).unwrap_or(present);
        let mut after = self.clone();
        for name in said.keys() {
            let Some(rule) = settings.claims.get(name) else { continue };
            let value = all.get(name).filter(|value| !value.is_null()).cloned();
            let text = || value.as_ref().and_then(Json::as_str).map(str::to_owned);
            match name.as_str() {
                "name" => after.name = text(),
                "locale" => after.locale = text(),
                _ if rule.update == Update::Every => {
                    after.claims.remove(name);
                    put(&mut after.shown, name, value);
                }
                _ if !after.shown.contains_key(name) => put(&mut after.claims, name, value),
                _ => {}
            }
        }
        (after != *self).then_some(after)
    }
}

fn put(claims: &mut Map<String, Json>, name: &str, value: Option<Json>) {
    match value {
        Some(value) => drop(claims.insert(name.to_owned(), value)),
        None => drop(claims.remove(name)),
    }
}

/// As the store has them.
pub fn as_text(shown: &Map<String, Json>) -> String {
    if shown.is_empty() { String::new() } else { Json::Object(shown.clone()).to_string() }
}

/// A name is shown on pages, in tokens and on the operator's terminal: one line, and no more than a name (425-U).
pub fn shown_name(text: &str) -> Option<String> {
    let name: String = text.trim().chars().filter(|letter| !visible::is_unseen(*letter)).take(200).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// `identity`: the key of the one that is about to speak.
pub async fn read(store: &Store, id: &str, identity: &str) -> std::result::Result<Profile, Fault> {
    let Some(row) = store.one(PROFILE, &[id.into(), identity.into()]).await? else { return Ok(Profile::default()) };
    let (kept, kept_shown) = (row.text("claims")?.to_owned(), row.opt_text("shown")?.unwrap_or_default().to_owned());
    Ok(Profile {
        name: row.opt_text("name")?.map(str::to_owned),
        locale: row.opt_text("locale")?.map(str::to_owned),
        claims: claims(&kept, None)?,
        shown: claims("{}", Some(&kept_shown))?,
        kept,
        kept_shown,
    })
}

pub fn write(change: &mut Change, account: &str, identity: &str, (before, after): (&Profile, &Profile)) {
    let claims = Json::Object(after.claims.clone()).to_string();
    let (name, locale, now_ms) = (after.name.clone(), after.locale.clone(), change.now_ms());
    let values = vec![account.into(), name.into(), locale.into(), claims.into(), before.kept.as_str().into(), now_ms.into()];
    change.run(SET_PROFILE, values);
    if after.shown != before.shown {
        let values = vec![account.into(), identity.into(), as_text(&after.shown).into(), before.kept_shown.as_str().into()];
        change.run(SET_SHOWN, values);
    }
}
