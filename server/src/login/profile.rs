//! What an account says of its person, as far as providers may write it.

use crate::config::upstream::Upstream;
use crate::error::Fault;
use crate::store::tables::account::{PROFILE, SET_PROFILE};
use crate::store::{Change, Store};
use crate::upstream::Mapped;
use crate::visible;
use serde_json::{Map, Value as Json};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: Option<String>,
    pub locale: Option<String>,
    pub claims: Map<String, Json>,
    /// The claims as the store has them.
    kept: String,
}

impl Profile {
    /// The same after a provider's word. None: nothing changes.
    pub fn after(&self, settings: &Upstream, said: &Mapped) -> Option<Self> {
        let mut present = self.claims.clone();
        let own = [("name", &self.name), ("locale", &self.locale)];
        present.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.clone()?)))));
        let mut claims = crate::upstream::applied(settings, said, &present)?;
        let mut take = |name: &str| claims.remove(name).and_then(|value| value.as_str().map(str::to_owned));
        Some(Self { name: take("name"), locale: take("locale"), claims, kept: String::new() })
    }
}

/// A name is shown on pages, in tokens and on the operator's terminal: one line, and no more than a name (425-U).
pub fn shown_name(text: &str) -> Option<String> {
    let name: String = text.trim().chars().filter(|letter| !visible::is_unseen(*letter)).take(200).collect();
    Some(name).filter(|name| !name.is_empty())
}

pub async fn read(store: &Store, id: &str) -> std::result::Result<Profile, Fault> {
    let Some(row) = store.one(PROFILE, &[id.into()]).await? else { return Ok(Profile::default()) };
    let kept = row.text("claims")?.to_owned();
    let claims = serde_json::from_str(&kept).map_err(|error| Fault::new(format!("the claims of an account: {error}")))?;
    Ok(Profile { name: row.opt_text("name")?.map(str::to_owned), locale: row.opt_text("locale")?.map(str::to_owned), claims, kept })
}

pub fn write(change: &mut Change, account: &str, before: &Profile, after: &Profile) {
    let claims = Json::Object(after.claims.clone()).to_string();
    let (name, locale, now_ms) = (after.name.clone(), after.locale.clone(), change.now_ms());
    let values = vec![account.into(), name.into(), locale.into(), claims.into(), before.kept.as_str().into(), now_ms.into()];
    change.run(SET_PROFILE, values);
}
