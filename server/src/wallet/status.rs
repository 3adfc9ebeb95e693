//! Status lists of credentials, fetched when one is needed and kept for as long as they and the operator say. Nobody is good whose list
//! cannot be had.

use crate::bounded::BoundedMap;
use crate::outgoing::{Answer, Outgoing, Target};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbolon_wallet::Failed;
use symbolon_wallet::issuer::Issuer;
use symbolon_wallet::status::{Expected, MAX_BYTES, Reference, StatusList};
use tokio::sync::Mutex;

/// Lists that are kept at least.
const KEPT: usize = 64;
const WITHIN: Duration = Duration::from_secs(10);

/// One list, and until when it may be used. Whoever needs it waits for the one who fetches it.
type Slot = Arc<Mutex<Option<(Arc<StatusList>, i64)>>>;

pub struct Statuses {
    outgoing: Outgoing,
    /// By the issuer's name: from where its lists are fetched instead.
    mirrors: BTreeMap<String, String>,
    cap_s: i64,
    lists: BoundedMap<String, Slot>,
}

/// One credential, and who may say something of it.
pub struct Asked<'a> {
    pub reference: &'a Reference,
    /// That has signed the credential, and must have signed the list.
    pub issuer: &'a str,
    pub issuers: &'a [Issuer],
    pub skew_s: i64,
}

impl Statuses {
    pub fn new(outgoing: Outgoing, mirrors: BTreeMap<String, String>, cap_s: i64) -> Self {
        Self { outgoing, mirrors, cap_s, lists: BoundedMap::new(KEPT) }
    }

    pub async fn judge(&self, asked: &Asked<'_>, now_s: i64) -> Result<(), Failed> {
        // A list is good for the issuer that has signed it: another issuer's credential may name the same address.
        let key = format!("{} {}", asked.issuer, asked.reference.uri);
        let slot = self.lists.get(&key).unwrap_or_default();
        self.lists.insert(key, Arc::clone(&slot));
        let mut kept = slot.lock().await;
        if let Some((list, _)) = kept.as_ref().filter(|(_, until_s)| now_s < *until_s) {
            return list.judge(asked.reference.index, asked.issuer);
        }
        *kept = None;
        let list = Arc::new(self.fetch(asked, now_s).await?);
        *kept = Some((Arc::clone(&list), list.fresh_until_s(now_s, self.cap_s)));
        list.judge(asked.reference.index, asked.issuer)
    }

    async fn fetch(&self, asked: &Asked<'_>, now_s: i64) -> Result<StatusList, Failed> {
        let away = |why: String| Failed::new("status_unavailable", why);
        let target = self.target(asked).map_err(away)?;
        let call = self.outgoing.get(&target).header("accept", "application/statuslist+jwt").at_most(MAX_BYTES).within(WITHIN);
        let body = match call.send().await.map_err(away)? {
            Answer { status: 200, body, .. } => String::from_utf8(body).map_err(|_| away("the list is no text".to_owned()))?,
            Answer { status, .. } => return Err(away(format!("the list's host answers {status}"))),
        };
        let expected = Expected { issuers: asked.issuers, uri: &asked.reference.uri, now_s, skew_s: asked.skew_s };
        StatusList::read(&body, &expected).map_err(|it| away(format!("{}: {}", it.name, it.detail)))
    }

    /// The credential names the address, so that it may be no private one; the operator names the mirror.
    fn target(&self, asked: &Asked<'_>) -> Result<Target, String> {
        let Some(mirror) = self.mirrors.get(asked.issuer) else { return Target::of_document(&asked.reference.uri) };
        let url = url::Url::parse(&asked.reference.uri).map_err(|_| "the address is no URL".to_owned())?;
        let query = url.query().map(|it| format!("?{it}")).unwrap_or_default();
        Target::of_operator(&format!("{}{}{query}", mirror.trim_end_matches('/'), url.path()))
    }
}
