//! How often somebody may guess, or be written to. A charge is taken before anything is checked, so that a thousand parallel
//! guesses are still ten, and kept in the store, so that neither a restart nor another node gives more.
//!
//! Three budgets, so that nobody can be locked out by a stranger and all strangers together have few guesses. A browser that
//! signed in before draws on its own. Every other draws on that of its network, which nobody elsewhere can use up, and on the
//! one that all strangers share. Names that nobody has are charged in the same way, with the same writes.

use super::rates::{Rates, network};
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::attempt::{CHARGE, CLEAR, GIVE_BACK, TOUCH};
use crate::store::{Change, Expect, NotApplied, Store, Value};
use std::net::IpAddr;

const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Password,
    /// A code of the authenticator, or a recovery code.
    Code,
    Letter,
    /// Answers to one question, whoever gives them.
    Tries,
}

/// So many within a window.
#[derive(Clone, Copy)]
struct Allowance {
    limit: i64,
    window_ms: i64,
}

const fn allowance(limit: i64, window_ms: i64) -> Allowance {
    Allowance { limit, window_ms }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Letter => "letter",
            Self::Tries => "tries",
        }
    }

    /// What the page says when the budget is used up.
    fn problem(self) -> &'static str {
        match self {
            Self::Password | Self::Code => "too_many_attempts",
            Self::Letter => "too_many_mails",
            Self::Tries => "code_over",
        }
    }

    /// Of one network.
    fn of_network(self) -> Allowance {
        match self {
            Self::Password | Self::Code => allowance(10, QUARTER_MS),
            Self::Letter => allowance(5, HOUR_MS),
            Self::Tries => allowance(5, QUARTER_MS),
        }
    }

    /// Of all strangers together.
    fn of_all(self) -> Allowance {
        match self {
            Self::Password => allowance(100, HOUR_MS),
            Self::Code => allowance(30, HOUR_MS),
            Self::Letter => allowance(20, HOUR_MS),
            Self::Tries => allowance(5, QUARTER_MS),
        }
    }
}

/// Of one browser that signed in before.
const OF_DEVICE: Allowance = allowance(10, QUARTER_MS);

/// Whose budget.
#[derive(Clone, Debug)]
pub enum Whom {
    Account(String),
    /// A name that nobody has.
    Name(String),
    /// An address that letters go to. `of_person`: it is the proved address of the person the sign-in is about.
    Mailbox {
        address: String,
        of_person: bool,
    },
    Question([u8; 16]),
}

impl Whom {
    /// May a browser that knows the person draw on its own budget?
    fn may_use_device(&self) -> bool {
        matches!(self, Self::Account(_) | Self::Mailbox { of_person: true, .. })
    }

    fn parts(&self) -> (&str, &[u8]) {
        match self {
            Self::Account(id) => ("account", id.as_bytes()),
            Self::Name(name) => ("name", name.as_bytes()),
            Self::Mailbox { address, .. } => ("mailbox", address.as_bytes()),
            Self::Question(id) => ("question", id),
        }
    }
}

/// The price of a move.
#[derive(Clone, Debug)]
pub enum Budget {
    Stored {
        what: What,
        whom: Whom,
        /// The audit's name for a refusal.
        event: &'static str,
    },
    /// A password that was wrong for many people is not tried on another from an unknown browser (470-E). Charged to nobody: whoever
    /// sprays must not lock all the accounts on the way.
    Spray { password: String, event: &'static str },
}

impl Budget {
    pub fn event(&self) -> &'static str {
        match self {
            Self::Stored { event, .. } | Self::Spray { event, .. } => event,
        }
    }
}

type Key = [u8; 32];

/// What was taken, to be given back by success.
pub struct Charged {
    what: What,
    own: Key,
    all: Option<Key>,
}

pub enum Charge {
    Taken(Vec<Charged>),
    /// Another answer took the question first.
    Late,
    /// `problem`: for the page. `why`: for operators.
    Refused {
        budget: usize,
        problem: &'static str,
        why: &'static str,
    },
}

/// On which budget a charge is tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Device,
    Strangers,
    FirstLetter,
    Single,
}

/// Who is charged: the browser's name if it is known, and its network.
pub struct Purse<'a> {
    pub store: &'a Store,
    pub keyring: &'a KeyRing,
    pub rates: &'a Rates,
    pub device: Option<String>,
    pub address: Option<IpAddr>,
    pub now_ms: i64,
}

impl Purse<'_> {
    fn key(&self, what: What, whom: &Whom, from: [&str; 2]) -> Key {
        let (kind, name) = whom.parts();
        let parts = [what.name().as_bytes(), kind.as_bytes(), name, from[0].as_bytes(), from[1].as_bytes()];
        self.keyring.mac("attempt", &parts).1
    }

    fn of_network(&self, what: What, whom: &Whom) -> Key {
        self.key(what, whom, ["network", &network(self.address)])
    }

    fn first_way(&self, whom: &Whom) -> Way {
        match whom {
            Whom::Question(_) => Way::Single,
            other if self.device.is_some() && other.may_use_device() => Way::Device,
            _ => Way::Strangers,
        }
    }

    fn keys(&self, what: What, whom: &Whom, way: Way) -> Vec<(Key, Allowance)> {
        let all = || self.key(what, whom, ["all", ""]);
        match way {
            Way::Device => vec![(self.key(what, whom, ["device", self.device.as_deref().unwrap_or_default()]), OF_DEVICE)],
            Way::Strangers => vec![(self.of_network(what, whom), what.of_network()), (all(), what.of_all())],
            Way::FirstLetter => vec![(self.of_network(what, whom), allowance(1, HOUR_MS))],
            Way::Single => vec![(all(), what.of_all())],
        }
    }

    /// Takes every budget in one change, or none. `take` adds the statement that takes the question, if there is one.
    pub async fn charge(&self, budgets: &[Budget], take: impl Fn(&mut Change) -> std::result::Result<(), Fault>) -> Result<Charge> {
        if let Some((budget, _)) = budgets.iter().enumerate().find(|(_, budget)| self.is_sprayed(budget)) {
            return Ok(Charge::Refused { budget, problem: "too_many_attempts", why: "this password was wrong for many people" });
        }
        let stored: Vec<(usize, What, &Whom)> = budgets
            .iter()
            .enumerate()
            .filter_map(|(at, budget)| match budget {
                Budget::Stored { what, whom, .. } => Some((at, *what, whom)),
                Budget::Spray { .. } => None,
            })
            .collect();
        let mut ways: Vec<Way> = stored.iter().map(|(_, _, whom)| self.first_way(whom)).collect();
        loop {
            let mut change = Change::new(self.now_ms);
            take(&mut change)?;
            let first = change.len();
            let (mut owners, mut charged) = (Vec::new(), Vec::new());
            for (at, ((_, what, whom), way)) in stored.iter().zip(&ways).enumerate() {
                let keys = self.keys(*what, whom, *way);
                charged.push(Charged { what: *what, own: keys[0].0, all: keys.get(1).map(|(key, _)| *key) });
                for (number, (key, allowance)) in keys.into_iter().enumerate() {
                    let until_ms = self.now_ms + allowance.window_ms;
                    change.run(CHARGE, vec![Value::from(&key[..]), until_ms.into(), self.now_ms.into(), allowance.limit.into()]);
                    owners.push((at, number));
                }
            }
            if change.is_empty() {
                return Ok(Charge::Taken(charged));
            }
            let lost = match self.store.apply(change).await {
                Ok(_) => return Ok(Charge::Taken(charged)),
                Err(NotApplied::Conflict(at)) if at < first => return Ok(Charge::Late),
                Err(NotApplied::Conflict(at)) => owners.get(at - first).copied().unwrap_or_default(),
                Err(other) => return Err(other.into()),
            };
            let (budget, what, _) = stored[lost.0];
            ways[lost.0] = match (ways[lost.0], lost.1, what) {
                (Way::Device, _, _) => Way::Strangers,
                // The first letter that a network asks for is always written: strangers cannot keep a person's own from coming.
                (Way::Strangers, 1, What::Letter) => Way::FirstLetter,
                (Way::Strangers, 0, _) => {
                    return Ok(Charge::Refused { budget, problem: what.problem(), why: "too many attempts from this network" });
                }
                _ => return Ok(Charge::Refused { budget, problem: what.problem(), why: "too many attempts from everywhere" }),
            };
        }
    }

    fn is_sprayed(&self, budget: &Budget) -> bool {
        matches!(budget, Budget::Spray { password, .. } if self.device.is_none() && self.rates.is_sprayed(password, self.now_ms))
    }

    /// For a name that nobody has: as durable a write as the audit entry of a refusal, so that time does not tell the two apart (300-H).
    pub fn touch(&self, change: &mut Change, budgets: &[Budget]) {
        for budget in budgets {
            if let Budget::Stored { what, whom, .. } = budget {
                change.run_expecting(TOUCH, vec![Value::from(&self.of_network(*what, whom)[..])], Expect::Any);
            }
        }
    }
}

/// Success: the browser or network starts afresh, and strangers get back no more than this one try. Letters stay counted.
pub fn give_back(change: &mut Change, charged: &[Charged]) {
    for one in charged.iter().filter(|one| matches!(one.what, What::Password | What::Code)) {
        change.run_expecting(CLEAR, vec![Value::from(&one.own[..])], Expect::Any);
        if let Some(all) = &one.all {
            change.run_expecting(GIVE_BACK, vec![Value::from(&all[..])], Expect::Any);
        }
    }
}
