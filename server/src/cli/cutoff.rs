//! `symbolon client end-sessions`, and part of `client disable`: one row ends everything that a client has got so far, and nothing
//! that it gets from now on. It is read at every use of a grant or token, and told to the APIs that check tokens themselves.

use super::{Desk, Out, clients};
use crate::audit;
use crate::error::{Error, Fault};
use crate::store::{Change, Expect};

const GRANTS: &str = "SELECT COUNT(*), COUNT(DISTINCT g.account) FROM app_grant g JOIN session s ON s.id = g.session \
    LEFT JOIN cutoff c ON c.kind = 'client' AND c.key = g.client WHERE g.client = $1 AND g.state <> 'ended' AND g.ends_ms > $2 \
    AND s.state = 'active' AND (c.before_ms IS NULL OR g.created_ms >= c.before_ms)";
/// A clock that stepped back takes no end back.
const CUT: &str = "INSERT INTO cutoff (kind, key, before_ms) VALUES ('client', $1, $2) ON CONFLICT (kind, key) \
    DO UPDATE SET before_ms = excluded.before_ms WHERE cutoff.before_ms < excluded.before_ms";

/// Adds the row to `change`: everything of this client until now.
pub fn cut(change: &mut Change, client: &str) {
    let before_ms = change.now_ms() + 1;
    change.run_expecting(CUT, vec![client.into(), before_ms.into()], Expect::Any);
}

pub async fn end_sessions(desk: &Desk, id: &str, preview: bool, out: &Out) -> Result<(), Error> {
    let now_ms = desk.now_ms();
    let row = desk.store.one(GRANTS, &[id.into(), now_ms.into()]).await?.ok_or_else(|| Fault::new("a count has one row"))?;
    let (grants, people) = (row.int(0)?, row.int(1)?);
    // A client that is gone from the configuration may have left grants behind.
    if grants == 0 && clients::known(desk, id).await?.is_none() {
        return Err(Fault::new(format!("there is no client {id}")).into());
    }
    let counted = |count: i64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let what = format!("{} of {} with {id}", counted(grants, "grant", "grants"), counted(people, "person", "people"));
    if preview {
        out.line(format!("{what} would end, and every token the client has got for itself"));
        return Ok(());
    }
    let mut change = Change::new(now_ms);
    cut(&mut change, id);
    change.audit(audit::Entry::ok("client_sessions_ended").client(id).with("grants", grants).with("by", "command line"));
    desk.store.apply(change).await?;
    out.line(format!("{what} ended, and every token the client has got for itself"));
    Ok(())
}
