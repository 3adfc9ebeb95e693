//! What an account says of its person, as far as providers may write it. What a rule with `update = "every"` reads is kept beside the
//! identity that shows it, and goes with the link. What `first` reads becomes the account's own, as do `name` and `locale`.

use crate::config::upstream::{Update, Upstream};
use crate::error::Fault;
use crate::profile::{as_text, claims};
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
    /// Those that one identity shows. Null takes away what another one says.
    pub shown: Map<String, Json>,
    /// Those that the others show.
    pub elsewhere: Map<String, Json>,
    /// Both as the store has them.
    kept: String,
    kept_shown: String,
}

impl Profile {
    /// The same after a provider's word. None: nothing changes.
    pub fn after(&self, settings: &Upstream, said: &Mapped) -> Option<Self> {
        let shown = self.elsewhere.clone().into_iter().chain(self.shown.clone());
        let mut present: Map<String, Json> = shown.chain(self.claims.clone()).collect();
        let own = [("name", &self.name), ("locale", &self.locale)];
        present.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.clone()?)))));
        let all = crate::upstream::applied(settings, said, &present).unwrap_or(present);
        let mut after = self.clone();
        for name in said.keys() {
            let Some(rule) = settings.claims.get(name) else { continue };
            let value = all.get(name).filter(|value| !value.is_null()).cloned();
            let is_led = self.shown.contains_key(name) || self.elsewhere.contains_key(name);
            let text = || value.as_ref().and_then(Json::as_str).map(str::to_owned);
            match name.as_str() {
                "name" => after.name = text(),
                "locale" => after.locale = text(),
                _ if rule.update == Update::Every => {
                    after.claims.remove(name);
                    after.shown.insert(name.clone(), value.unwrap_or_default());
                }
                _ if !is_led => put(&mut after.claims, name, value),
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

/// A name is shown on pages, in tokens and on the operator's terminal: one line, and no more than a name (425-U).
pub fn shown_name(text: &str) -> Option<String> {
    let name: String = text.trim().chars().filter(|letter| !visible::is_unseen(*letter)).take(200).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// `identity`: the key of the one that is about to speak.
pub async fn read(store: &Store, id: &str, identity: &str) -> std::result::Result<Profile, Fault> {
    let Some(row) = store.one(PROFILE, &[id.into(), identity.into()]).await? else { return Ok(Profile::default()) };
    let broken = |error: serde_json::Error| Fault::new(format!("what an identity shows: {error}"));
    let (kept, kept_shown) = (row.text("claims")?.to_owned(), row.opt_text("shown")?.unwrap_or_default().to_owned());
    Ok(Profile {
        name: row.opt_text("name")?.map(str::to_owned),
        locale: row.opt_text("locale")?.map(str::to_owned),
        claims: claims(&kept, None)?,
        shown: if kept_shown.is_empty() { Map::new() } else { serde_json::from_str(&kept_shown).map_err(broken)? },
        elsewhere: claims("{}", row.opt_text("elsewhere")?)?,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;
    use serde_json::json;

    fn settings(claims: &str) -> Upstream {
        Config::with_provider(claims).unwrap().upstream.remove("any").unwrap()
    }

    fn map(value: &Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    /// What another identity shows is there already, so a rule with `first` leaves it alone.
    #[test]
    fn first_leaves_alone_what_another_identity_shows() {
        let settings = settings("claims = { adult = { from = \"adult\", type = \"flag\" } }");
        let said: Mapped = map(&json!({ "adult": true })).into_iter().collect();
        let before = Profile { elsewhere: map(&json!({ "adult": false })), ..Profile::default() };
        assert_eq!(before.after(&settings, &said), None);
        // The twin: nobody shows it.
        let after = Profile::default().after(&settings, &said).unwrap();
        assert_eq!((after.claims, after.shown), (map(&json!({ "adult": true })), Map::new()));
    }

    /// Null takes the claim away, also where an identity that spoke earlier shows one. A later word of that one counts again.
    #[test]
    fn null_takes_away_what_was_shown_before() {
        let settings = settings("claims = { groups = { from = \"groups\", type = \"texts\", update = \"every\" } }");
        let said: Mapped = map(&json!({ "groups": null })).into_iter().collect();
        let own = map(&json!({ "groups": ["operator"] }));
        let before = Profile { claims: own, elsewhere: map(&json!({ "groups": ["admin"] })), ..Profile::default() };
        let after = before.after(&settings, &said).unwrap();
        let (other, this) = (as_text(&before.elsewhere), as_text(&after.shown));
        assert_eq!(after.claims, Map::new());
        assert_eq!(claims("{}", Some(&format!(r#"[2,"a",{this}],[1,"b",{other}]"#))).unwrap(), Map::new());
        assert_eq!(claims("{}", Some(&format!(r#"[1,"b",{this}],[2,"a",{other}]"#))).unwrap(), before.elsewhere);
    }
}
