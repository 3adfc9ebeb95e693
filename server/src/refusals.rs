//! Refusals in the audit. A refusal that its endpoint has not written gets an entry here, with the private reason. Two kinds of requests
//! alone are written. A client has authenticated itself, or the code, token or ticket is this server's. The others are in the log and the
//! counters, because an anonymous caller must not fill the audit.

use crate::audit::Entry;
use crate::authorization::device::ApprovalState;
use crate::authorization::{backchannel, device};
use crate::core::Core;
use crate::error::Refused;
use crate::grants;
use crate::limits::{Limits, OncePerSecond};
use crate::sessions;
use crate::store::Change;
use crate::tokens::handles::Kind;
use crate::web::request::Incoming;

/// Where a form may carry something of ours.
const HANDLES: [(&str, Kind); 5] = [
    ("code", Kind::Code),
    ("refresh_token", Kind::Refresh),
    ("token", Kind::Refresh),
    ("device_code", Kind::DeviceCode),
    ("auth_req_id", Kind::AuthReqId),
];

/// Whose it is. The handle itself is never written.
struct Issued {
    client: String,
    account: Option<String>,
    session: Option<[u8; 16]>,
}

/// Writes the entry. Nothing here changes the answer: a store that is down has its own alarms.
pub async fn record(core: &Core, incoming: &Incoming, refused: &Refused) {
    if refused.audited || is_a_step(refused) {
        return;
    }
    let Some(entry) = entry(core, incoming, refused).await else { return };
    let whose = entry.session.as_ref().or(entry.instance.as_ref()).or(entry.client.as_ref());
    let bucket = Limits::bucket(&["refusal", whose.map_or("", String::as_str), refused.code]);
    if core.limits.refusals.check_key(&bucket).is_err() {
        metrics::counter!("symbolon_refusals_not_audited_total", "route" => incoming.route.path).increment(1);
        return;
    }
    let mut change = Change::new(incoming.now_ms);
    change.audit(entry);
    static FAILED: OncePerSecond = OncePerSecond::new();
    if let Err(why) = core.store.apply(change).await
        && FAILED.is_due()
    {
        tracing::error!(?why, "a refusal could not be written to the audit");
    }
}

/// The answer asks for one more round trip (RFC 9449 8, attestation drafts) or for a later one. That is no refusal.
fn is_a_step(refused: &Refused) -> bool {
    matches!(refused.code, "use_dpop_nonce" | "use_attestation_challenge") || matches!(refused.status, 429 | 503)
}

async fn entry(core: &Core, incoming: &Incoming, refused: &Refused) -> Option<Entry> {
    let entry = Entry::refused(incoming.route.event, refused.reason()).address(incoming.address.to_string()).with("error", refused.code);
    let client = incoming.known.client.get();
    let mut entry = match (issued(core, incoming).await, client) {
        (Some(issued), _) => {
            let sent_by = client.filter(|it| **it != issued.client);
            let entry = sent_by.into_iter().fold(entry, |entry, other| entry.with("sent_by", other.as_str()));
            Entry { account: issued.account, session: issued.session.map(|id| sessions::public_id(core, &id)), ..entry }
                .client(issued.client)
        }
        (None, Some(client)) => Entry { account: incoming.known.account.get().cloned(), ..entry }.client(client.as_str()),
        (None, None) => return None,
    };
    entry.instance = incoming.known.instance.get().cloned();
    Some(entry)
}

/// What a genuine handle of the form leads to: a grant, or a request that somebody polls for.
async fn issued(core: &Core, incoming: &Incoming) -> Option<Issued> {
    for (name, kind) in HANDLES {
        let Some(handle) = incoming.form.get(name).and_then(|it| core.handles.read(kind, it)) else { continue };
        let (salt, issued) = match kind {
            Kind::DeviceCode => {
                let stored = device::by_id(core, &handle.id).await.ok()??;
                (stored.salt, Issued::polled(stored.client_id, String::new(), stored.state))
            }
            Kind::AuthReqId => {
                let stored = backchannel::by_id(core, &handle.id).await.ok()??;
                (stored.salt, Issued::polled(stored.client_id, stored.account, stored.state))
            }
            _ => {
                let grant = grants::read(core, &handle.id, handle.number).await.ok()??;
                (grant.salt, Issued { client: grant.client, account: Some(grant.account), session: Some(grant.session) })
            }
        };
        return handle.belongs_to(&salt).then_some(issued);
    }
    None
}

impl Issued {
    /// `asked`: the account that is asked. Empty: nobody, or nobody knows yet.
    fn polled(client: String, asked: String, state: ApprovalState) -> Self {
        match state {
            ApprovalState::Approved { account, session, .. } => Self { client, account: Some(account), session: Some(session) },
            ApprovalState::Pending | ApprovalState::Denied => {
                Self { client, account: Some(asked).filter(|asked| !asked.is_empty()), session: None }
            }
        }
    }
}
