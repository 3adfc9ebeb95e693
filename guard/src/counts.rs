//! How many foreign tokens were let through, by what their callers say of themselves: that shows a team when a route can enforce.
//! Callers choose these texts, so there is a limit to them.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use symbolon_resource::Observed;

/// Different callers that are told apart. Further ones are counted together.
const MOST: usize = 500;
const OTHERS: &str = "(others)";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Caller {
    api: String,
    route: String,
    issuer: String,
    client: String,
    version: String,
}

#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<Caller, u64>>);

impl Counts {
    pub fn add(&self, api: &str, route: &str, seen: &Observed) {
        let Ok(mut counts) = self.0.lock() else { return };
        let mut caller = Caller {
            api: api.to_owned(),
            route: route.to_owned(),
            issuer: seen.unverified_issuer.clone(),
            client: seen.unverified_client.clone(),
            version: seen.unverified_version.clone(),
        };
        if !counts.contains_key(&caller) && counts.len() >= MOST {
            caller.client = OTHERS.to_owned();
            caller.version = OTHERS.to_owned();
        }
        let labels = [
            ("api", caller.api.clone()),
            ("route", caller.route.clone()),
            ("issuer", caller.issuer.clone()),
            ("client", caller.client.clone()),
            ("version", caller.version.clone()),
        ];
        metrics::counter!("symbolon_guard_foreign_tokens_total", &labels).increment(1);
        *counts.entry(caller).or_default() += 1;
    }

    /// The most frequent first.
    pub fn list(&self) -> Value {
        let Ok(counts) = self.0.lock() else { return json!([]) };
        let mut all: Vec<(&Caller, &u64)> = counts.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let shown = |(caller, count): (&Caller, &u64)| {
            json!({
                "api": caller.api, "route": caller.route, "issuer": caller.issuer, "client": caller.client, "version": caller.version,
                "calls": count,
            })
        };
        all.into_iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(client: &str) -> Observed {
        Observed { unverified_issuer: "i".to_owned(), unverified_client: client.to_owned(), unverified_version: "1".to_owned() }
    }

    #[test]
    fn what_callers_choose_takes_bounded_room() {
        let counts = Counts::default();
        for number in 0..MOST + 50 {
            counts.add("orders", "/orders/**", &seen(&number.to_string()));
        }
        counts.add("orders", "/orders/**", &seen("0"));
        let list = counts.list();
        assert_eq!(list.as_array().map(Vec::len), Some(MOST + 1));
        assert_eq!((&list[0]["client"], &list[0]["calls"]), (&OTHERS.into(), &50.into()));
        assert_eq!((&list[1]["client"], &list[1]["calls"]), (&"0".into(), &2.into()));
    }
}
