//! The restored store as it was found.

use crate::audit::{Cursor, Filter};
use crate::operations::context::Context;
use crate::operations::problem::Result;
use crate::sessions;
use crate::store::Value;
use crate::store::tables::audit::LAST;
use crate::store::tables::session::ALL_ACTIVE;
use std::collections::{BTreeMap, BTreeSet};

pub struct Copy {
    /// Open sessions by the name that the audit gives them.
    pub sessions: BTreeMap<String, [u8; 16]>,
    /// The entries of the copy's own audit, in the time of the file.
    pub entries: BTreeSet<String>,
    /// The instant of its newest entry.
    pub until_ms: Option<i64>,
}

/// `from_ms`: the instant of the oldest entry of the file.
pub async fn read(context: &Context, from_ms: i64) -> Result<Copy> {
    let (mut cursor, mut entries) = (Cursor::at(from_ms), BTreeSet::new());
    loop {
        let (page, more) = cursor.next(&context.store, &Filter::default(), None).await?;
        entries.extend(page.into_iter().map(|(_, body)| body.to_string()));
        if !more {
            break;
        }
    }
    let mut until_ms = None;
    for sql in LAST {
        if let Some(row) = context.store.one(sql, &[]).await? {
            let id = row.bytes("id")?;
            let ms = id.iter().take(6).fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
            until_ms = until_ms.max(Some(ms));
        }
    }
    Ok(Copy { sessions: read_open_sessions(context).await?, entries, until_ms })
}

async fn read_open_sessions(context: &Context) -> Result<BTreeMap<String, [u8; 16]>> {
    let (mut names, mut after) = (BTreeMap::new(), Vec::new());
    loop {
        let rows = context.store.all(ALL_ACTIVE, &[Value::from(after)]).await?;
        for row in &rows {
            let id: [u8; 16] = row.array("id")?;
            names.insert(sessions::public_name(&context.keyring, &id), id);
        }
        match rows.last() {
            Some(row) => after = row.bytes("id")?.to_vec(),
            None => return Ok(names),
        }
    }
}
