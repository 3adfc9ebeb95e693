//! How often somebody may guess, or be written to. One `charge` for all of it: taken before anything is checked, so that a thousand
//! parallel guesses are still ten, and kept in the store, so that neither a restart nor another node gives more.
//!
//! Three budgets, so that nobody can be locked out by a stranger and all strangers together have few guesses. A browser that signed
//! in before draws on its own. Every other draws on that of its network, which nobody elsewhere can use up, and on the one that all
//! strangers share. Names nobody has are charged in the same way, with the same writes.

use super::flow::{Answer, Machine};
use crate::error::Result;
use crate::limits::Limits;
use crate::store::{Change, Expect, NotApplied, Value};
use std::net::IpAddr;

const CHARGE: &str = "INSERT INTO attempt (key, used, until_ms) VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET \
    used = CASE WHEN attempt.until_ms <= $3 THEN 1 ELSE attempt.used + 1 END, \
    until_ms = CASE WHEN attempt.until_ms <= $3 THEN excluded.until_ms ELSE attempt.until_ms END \
    WHERE attempt.until_ms <= $3 OR attempt.used < $4";
const GIVE_BACK: &str = "UPDATE attempt SET used = used - 1 WHERE key = $1 AND used > 0";
const CLEAR: &str = "DELETE FROM attempt WHERE key = $1";
const TOUCH: &str = "UPDATE attempt SET used = used WHERE key = $1";

const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Password,
    /// A code of the authenticator, or a recovery code.
    Code,
    Letter,
}

/// So many within a window.
#[derive(Clone, Copy)]
struct Budget {
    limit: i64,
    window_ms: i64,
}

const fn budget(limit: i64, window_ms: i64) -> Budget {
    Budget { limit, window_ms }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Letter => "letter",
        }
    }
    /// Of one browser that signed in before.
    fn of_device(self) -> Budget {
        budget(10, QUARTER_MS)
    }
    /// Of one network.
    fn of_network(self) -> Budget {
        match self {
            Self::Password | Self::Code => budget(10, QUARTER_MS),
            Self::Letter => budget(5, HOUR_MS),
        }
    }
    /// Of all strangers together.
    fn of_all(self) -> Budget {
        match self {
            Self::Password => budget(100, HOUR_MS),
            Self::Code => budget(30, HOUR_MS),
            Self::Letter => budget(20, HOUR_MS),
        }
    }
}

/// Whose budgets.
#[derive(Clone, Copy)]
pub enum Whom<'a> {
    Account(&'a str),
    /// A name nobody has.
    Name(&'a str),
    /// An address letters go to. `of`: the account whose proved address it is.
    Mailbox {
        address: &'a str,
        of: Option<&'a str>,
    },
}

impl<'a> Whom<'a> {
    fn parts(self) -> [&'a str; 2] {
        match self {
            Self::Account(id) => ["account", id],
            Self::Name(name) => ["name", name],
            Self::Mailbox { address, .. } => ["mailbox", address],
        }
    }
    /// The account whose browsers are known.
    fn account(self) -> Option<&'a str> {
        match self {
            Self::Account(id) => Some(id),
            Self::Name(_) => None,
            Self::Mailbox { of, .. } => of,
        }
    }
}

type Key = [u8; 32];

/// What was taken, to be given back by success.
pub struct Charged {
    own: Key,
    all: Option<Key>,
}

pub enum Taken {
    Yes(Charged),
    /// And why, for operators.
    No(&'static str),
}

fn key(machine: &Machine, what: What, whom: Whom<'_>, from: [&str; 2]) -> Key {
    let [kind, name] = whom.parts();
    let parts = [what.name(), kind, name, from[0], from[1]];
    machine.keyring().mac("attempt", &parts.map(str::as_bytes)).1
}

/// IPv4 as it is; IPv6 by its /64, so that one line cannot count as millions (607-K).
pub fn network(address: Option<IpAddr>) -> String {
    address.map(Limits::line).unwrap_or_default()
}

fn of_network(machine: &Machine, what: What, whom: Whom<'_>, answer: &Answer<'_>) -> Key {
    key(machine, what, whom, ["network", &network(answer.address)])
}

/// Takes one try.
pub async fn charge(machine: &Machine, what: What, whom: Whom<'_>, answer: &Answer<'_>) -> Result<Taken> {
    if let Some(device) = whom.account().and_then(|it| machine.known_device(it, answer.device, answer.now_ms)) {
        let own = key(machine, what, whom, ["device", &device]);
        if take(machine, &[(own, what.of_device())], answer.now_ms).await?.is_none() {
            return Ok(Taken::Yes(Charged { own, all: None }));
        }
    }
    let (own, all) = (of_network(machine, what, whom, answer), key(machine, what, whom, ["all", ""]));
    match take(machine, &[(own, what.of_network()), (all, what.of_all())], answer.now_ms).await? {
        None => return Ok(Taken::Yes(Charged { own, all: Some(all) })),
        Some(0) => return Ok(Taken::No("too many attempts from this network")),
        Some(_) => {}
    }
    // The first letter a network asks for is always written: strangers everywhere cannot keep a person's own from coming.
    if what == What::Letter && take(machine, &[(own, Budget { limit: 1, ..what.of_network() })], answer.now_ms).await?.is_none() {
        return Ok(Taken::Yes(Charged { own, all: None }));
    }
    Ok(Taken::No("too many attempts from everywhere"))
}

/// All of them or none; answers which one was used up.
async fn take(machine: &Machine, budgets: &[(Key, Budget)], now_ms: i64) -> Result<Option<usize>> {
    let mut change = Change::new(now_ms);
    for (key, it) in budgets {
        change.run(CHARGE, vec![Value::from(&key[..]), (now_ms + it.window_ms).into(), now_ms.into(), it.limit.into()]);
    }
    match machine.store().apply(change).await {
        Ok(_) => Ok(None),
        Err(NotApplied::Conflict(at)) => Ok(Some(at)),
        Err(other) => Err(other.into()),
    }
}

/// Success: the browser or network starts afresh, and strangers get back no more than this one try.
pub fn give_back(change: &mut Change, charged: &Charged) {
    change.run_expecting(CLEAR, vec![Value::from(&charged.own[..])], Expect::Any);
    if let Some(all) = &charged.all {
        change.run_expecting(GIVE_BACK, vec![Value::from(&all[..])], Expect::Any);
    }
}

/// For a name nobody has: as durable a write as the audit entry of a refusal, so that time does not tell the two apart (300-H).
pub fn touch(machine: &Machine, change: &mut Change, what: What, whom: Whom<'_>, answer: &Answer<'_>) {
    change.run_expecting(TOUCH, vec![Value::from(&of_network(machine, what, whom, answer)[..])], Expect::Any);
}
