//! Status lists of credentials, fetched when one is needed and kept for as long as they and the operator say. Nobody is good whose list
//! cannot be had.

use crate::bounded::BoundedMap;
use crate::outgoing::{Outgoing, RemoteResponse, Target};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbolon_wallet::Failed;
use symbolon_wallet::issuer::Issuer;
use symbolon_wallet::status::{Expected, MAX_BYTES, Reference, StatusList};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Lists that are kept at least.
const KEPT: usize = 64;
const WITHIN: Duration = Duration::from_secs(10);

/// One list. Whoever needs it waits for the one who fetches it, and hears what became of that: nobody waits longer than one fetch takes.
type Slot = Arc<Mutex<CachedList>>;

#[derive(Default)]
enum CachedList {
    #[default]
    Nothing,
    /// Until when it may be used, and when its fetch began. Whoever came before takes it however short it is good for.
    List(Arc<StatusList>, i64, Instant),
    /// When the fetch ended that failed. Whoever comes later tries again.
    Failed(Failed, Instant),
}

pub struct Statuses {
    outgoing: Outgoing,
    /// By the issuer's name: from where its lists are fetched instead.
    mirrors: BTreeMap<String, String>,
    cap_s: i64,
    within: Duration,
    lists: BoundedMap<String, Slot>,
}

/// One credential, and who may say something of it.
pub struct StatusQuery<'a> {
    pub reference: &'a Reference,
    /// That has signed the credential, and must have signed the list.
    pub issuer: &'a str,
    pub issuers: &'a [Issuer],
    pub skew_s: i64,
}

impl Statuses {
    pub fn new(outgoing: Outgoing, mirrors: BTreeMap<String, String>, cap_s: i64) -> Self {
        Self { outgoing, mirrors, cap_s, within: WITHIN, lists: BoundedMap::new(KEPT) }
    }

    pub async fn judge(&self, asked: &StatusQuery<'_>, now_s: i64) -> Result<(), Failed> {
        // A list is good for the issuer that has signed it: another issuer's credential may name the same address.
        let key = format!("{} {}", asked.issuer, asked.reference.uri);
        let slot = self.lists.get(&key).unwrap_or_default();
        self.lists.insert(key, Arc::clone(&slot));
        let came = Instant::now();
        let mut kept = slot.lock().await;
        match &*kept {
            CachedList::List(list, until_s, began) if now_s < *until_s || came <= *began => {
                return list.judge(asked.reference.index, asked.issuer);
            }
            CachedList::Failed(why, ended) if came <= *ended => return Err(why.clone()),
            _ => {}
        }
        let began = Instant::now();
        match self.fetch(asked, now_s).await {
            Ok(list) => {
                let list = Arc::new(list);
                *kept = CachedList::List(Arc::clone(&list), list.fresh_until_s(now_s, self.cap_s), began);
                list.judge(asked.reference.index, asked.issuer)
            }
            Err(why) => {
                *kept = CachedList::Failed(why.clone(), Instant::now());
                Err(why)
            }
        }
    }

    async fn fetch(&self, asked: &StatusQuery<'_>, now_s: i64) -> Result<StatusList, Failed> {
        let away = |why: String| Failed::new("status_unavailable", why);
        let target = self.target(asked).map_err(away)?;
        let call = self.outgoing.get(&target).header("accept", "application/statuslist+jwt").at_most(MAX_BYTES).within(self.within);
        let body = match call.send().await.map_err(away)? {
            RemoteResponse { status: 200, body, .. } => String::from_utf8(body).map_err(|_| away("the list is no text".to_owned()))?,
            RemoteResponse { status, .. } => return Err(away(format!("the list's host answers {status}"))),
        };
        let expected = Expected { issuers: asked.issuers, uri: &asked.reference.uri, now_s, skew_s: asked.skew_s };
        StatusList::read(&body, &expected).map_err(|it| away(format!("{}: {}", it.name, it.detail)))
    }

    /// The credential names the address, so that it may be no private one; the operator names the mirror.
    fn target(&self, asked: &StatusQuery<'_>) -> Result<Target, String> {
        let Some(mirror) = self.mirrors.get(asked.issuer) else { return Target::of_document(&asked.reference.uri) };
        let url = url::Url::parse(&asked.reference.uri).map_err(|_| "the address is no URL".to_owned())?;
        let query = url.query().map(|it| format!("?{it}")).unwrap_or_default();
        Target::of_operator(&format!("{}{}{query}", mirror.trim_end_matches('/'), url.path()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use symbolon_phone::wallet::issuer::CredentialIssuer;
    use symbolon_wallet::issuer::Anchor;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A host that takes connections and answers none; counts them.
    async fn silent_host() -> (u16, Arc<AtomicU32>) {
        let (listener, count) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicU32::new(0)));
        let (port, counted) = (listener.local_addr().unwrap().port(), Arc::clone(&count));
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                open.push(listener.accept().await.unwrap());
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        (port, count)
    }

    /// V-09: a host that hangs costs everybody who waits for its list the time of one call, and not of one call each.
    #[tokio::test]
    async fn a_host_that_hangs_is_waited_for_once() {
        let (port, count) = silent_host().await;
        let mirrors = BTreeMap::from([("utopia".to_owned(), format!("http://127.0.0.1:{port}"))]);
        let statuses = Statuses { within: Duration::from_millis(400), ..Statuses::new(Outgoing::default(), mirrors, 300) };
        let reference = Reference { uri: "https://status.example/1".to_owned(), index: 0 };
        let asked = StatusQuery { reference: &reference, issuer: "utopia", issuers: &[], skew_s: 60 };
        let began = Instant::now();
        let all = futures_util::future::join_all((0..12).map(|_| statuses.judge(&asked, 0))).await;
        assert!(all.iter().all(|one| one.as_ref().is_err_and(|why| why.name == "status_unavailable")), "{all:?}");
        assert!(began.elapsed() < Duration::from_millis(1600), "{:?}", began.elapsed());
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert!(statuses.judge(&asked, 0).await.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 2, "whoever comes later tries again");
    }

    /// A host that answers every request with this text, after a while; counts them.
    async fn host_of(text: String, slow: Duration) -> (u16, Arc<AtomicU32>) {
        let (listener, count) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicU32::new(0)));
        let (port, counted) = (listener.local_addr().unwrap().port(), Arc::clone(&count));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let _ = stream.read(&mut [0; 4096]).await;
                tokio::time::sleep(slow).await;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, count)
    }

    /// V-09: a thousand sign-ins at once, and a thousand after them, cost one fetch. Whoever is revoked in that list is refused in all of them.
    #[tokio::test]
    async fn a_thousand_sign_ins_cost_one_fetch() {
        let (uri, now_s) = ("https://status.example/1", crate::serve::system_clock()() / 1000);
        let utopia = CredentialIssuer::new("Utopia").unwrap();
        let anchor = Anchor::from_der(&utopia.root_der).unwrap();
        let issuers = [Issuer { name: "utopia".to_owned(), anchors: vec![anchor], ..Issuer::default() }];
        let (port, count) = host_of(utopia.status_list(uri, &[0, 1], now_s, 600).unwrap(), Duration::ZERO).await;
        let mirrors = BTreeMap::from([("utopia".to_owned(), format!("http://127.0.0.1:{port}"))]);
        let statuses = Statuses::new(Outgoing::default(), mirrors, 300);
        let references = [0, 1].map(|index| Reference { uri: uri.to_owned(), index });
        let asked = references.each_ref().map(|reference| StatusQuery { reference, issuer: "utopia", issuers: &issuers, skew_s: 60 });
        for round in 0..2 {
            let all = futures_util::future::join_all((0..1000).map(|at| statuses.judge(&asked[at % 2], now_s))).await;
            for (at, one) in all.iter().enumerate() {
                let expected = if at % 2 == 0 { None } else { Some("revoked") };
                assert_eq!(one.as_ref().err().map(|failed| failed.name), expected, "{round}: {one:?}");
            }
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    /// V-09: `status_max_age = "0s"` keeps nothing, and still those who come at once do not fetch one after the other. Whoever comes later
    /// gets a list of then.
    #[tokio::test]
    async fn without_keeping_those_who_wait_share_a_fetch() {
        let (uri, now_s) = ("https://status.example/1", crate::serve::system_clock()() / 1000);
        let utopia = CredentialIssuer::new("Utopia").unwrap();
        let anchor = Anchor::from_der(&utopia.root_der).unwrap();
        let issuers = [Issuer { name: "utopia".to_owned(), anchors: vec![anchor], ..Issuer::default() }];
        let list = utopia.status_list(uri, &[0, 1], now_s, 600).unwrap();
        let (port, count) = host_of(list, Duration::from_millis(100)).await;
        let mirrors = BTreeMap::from([("utopia".to_owned(), format!("http://127.0.0.1:{port}"))]);
        let statuses = Statuses::new(Outgoing::default(), mirrors, 0);
        let reference = Reference { uri: uri.to_owned(), index: 0 };
        let asked = StatusQuery { reference: &reference, issuer: "utopia", issuers: &issuers, skew_s: 60 };
        let all = futures_util::future::join_all((0..12).map(|_| statuses.judge(&asked, now_s))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        let fetched = count.load(Ordering::Relaxed);
        assert!((1..=2).contains(&fetched), "{fetched}");
        assert!(statuses.judge(&asked, now_s).await.is_ok());
        assert_eq!(count.load(Ordering::Relaxed), fetched + 1, "nothing is kept");
    }
}
