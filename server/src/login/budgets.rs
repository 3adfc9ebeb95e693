//! How often somebody may guess, or be written to. A charge is taken before anything is checked, so that a thousand parallel guesses are
//! still ten. It is kept in the store, so that neither a restart nor another node gives more.
//!
//! Three budgets, so that nobody can be locked out by a stranger and all strangers together have few guesses. A browser that signed in
//! before draws on its own. Every other draws on the budget of its network, which nobody elsewhere can use up. It draws on the one that all
//! strangers share, too. Names that nobody has are charged in the same way, with the same writes.

use super::accounts::Account;
use super::context::Person;
use super::rates::{Rates, network};
use crate::error::{Fault, Result};
use crate::seal::KeyRing;
use crate::store::tables::attempt::{CHARGE, CLEAR, GIVE_BACK, TOUCH};
use crate::store::{Change, Expect, NotApplied, Store, Value};
use std::net::IpAddr;

const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetKind {
    Password,
    /// A code of the authenticator, or a recovery code.
    Code,
    /// An invitation, which a stranger shows for an account.
    Invitation,
    Letter,
    /// Answers to one question, whoever gives them.
    Tries,
    /// A user code of another device (RFC 8628 5.1).
    UserCode,
    /// Ways to a provider and back, for one question.
    Trips,
    /// Answers to a plug-in, for one person.
    Plugin,
    /// The same, where nobody is named.
    PluginOfAnybody,
    /// Questions of a plug-in.
    PluginQuestion,
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

impl BudgetKind {
    fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Invitation => "invitation",
            Self::Letter => "letter",
            Self::Tries => "tries",
            Self::UserCode => "user_code",
            Self::Trips => "trips",
            Self::Plugin => "plugin",
            Self::PluginOfAnybody => "plugin_of_anybody",
            Self::PluginQuestion => "plugin_question",
        }
    }

    /// What the page says when the budget is used up.
    fn problem(self) -> &'static str {
        match self {
            Self::Password | Self::Code | Self::Invitation | Self::Plugin | Self::PluginOfAnybody | Self::PluginQuestion => {
                "too_many_attempts"
            }
            Self::Letter => "too_many_mails",
            Self::Tries => "code_over",
            Self::UserCode => "too_many_codes",
            Self::Trips => "too_many_trips",
        }
    }

    /// Of one network.
    fn of_network(self) -> Allowance {
        match self {
            Self::Password | Self::Code | Self::Invitation | Self::UserCode | Self::Plugin | Self::PluginOfAnybody => {
                allowance(10, QUARTER_MS)
            }
            Self::PluginQuestion => allowance(600, QUARTER_MS),
            Self::Letter => allowance(5, HOUR_MS),
            Self::Tries => allowance(5, QUARTER_MS),
            Self::Trips => allowance(20, QUARTER_MS),
        }
    }

    /// Of all strangers together. None: each network has its own alone.
    fn of_all(self) -> Option<Allowance> {
        Some(match self {
            Self::Password | Self::Plugin => allowance(100, HOUR_MS),
            Self::PluginQuestion => return None,
            Self::Code | Self::Invitation => allowance(30, HOUR_MS),
            Self::Letter => allowance(20, HOUR_MS),
            Self::Tries => allowance(5, QUARTER_MS),
            Self::UserCode | Self::PluginOfAnybody => allowance(1000, HOUR_MS),
            Self::Trips => allowance(20, QUARTER_MS),
        })
    }
}

/// Letters that one network asks for, to whomever.
const OF_WHOLE_NETWORK: Allowance = allowance(100, HOUR_MS);
/// Of one browser that signed in before.
const OF_DEVICE: Allowance = allowance(10, QUARTER_MS);

/// Letters to one person in an hour that networks ask for the first time, when strangers have used up theirs.
const MOST_FIRST_LETTERS: i64 = 200;

/// Whose budget.
#[derive(Clone, Debug)]
pub enum Whom {
    /// A name as it was typed, and the account that it leads to, if any. Both are charged, for names that nobody has alike. The name's
    /// budget is used up first, whatever it leads to, so that a limit tells nothing. Without a name the person is proved.
    Person {
        name: String,
        account: Option<Owner>,
    },
    /// An address that letters go to, and that is nobody's yet.
    Mailbox(String),
    Question([u8; 16]),
    /// All that one network asks for, for whomever.
    Network,
    /// Whoever it is: there is no name yet.
    Anybody {
        /// What is answered, where there are several: the name of a plug-in.
        of: String,
        /// Who signed in in this browser before: strangers cannot use up that person's budget.
        seen_here: Option<String>,
    },
}

#[derive(Clone, Debug)]
pub struct Owner {
    pub id: String,
    /// How many names lead to it.
    pub names: usize,
}

impl Whom {
    pub fn person(person: &Person) -> Self {
        let owner = |account: &Account| Owner { id: account.id.clone(), names: account.names };
        let name = if person.is_subject { String::new() } else { person.name.clone() };
        Self::Person { name, account: person.account.as_ref().map(owner) }
    }

    /// May a browser that knows the person draw on its own budget?
    fn may_use_device(&self) -> bool {
        matches!(self, Self::Person { account: Some(_), .. })
    }

    /// Whose budget it is that strangers cannot use up.
    fn device<'a>(&'a self, known: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Anybody { seen_here, .. } => seen_here.as_deref(),
            other => known.filter(|_| other.may_use_device()),
        }
    }

    /// What is charged: kind, name, and how often the allowance counts.
    fn parts(&self) -> Vec<(&str, Vec<u8>, usize)> {
        match self {
            Self::Person { name, account } => {
                let mut parts = Vec::new();
                if !name.is_empty() {
                    parts.push(("name", name.clone().into_bytes(), 1));
                }
                match account {
                    Some(owner) if name.is_empty() => parts.push(("account", owner.id.clone().into_bytes(), 1)),
                    Some(owner) => parts.push(("account", owner.id.clone().into_bytes(), owner.names.max(1))),
                    // As many writes as for somebody.
                    None => parts.push(("nobody", name.clone().into_bytes(), 1)),
                }
                parts
            }
            Self::Mailbox(address) => vec![("mailbox", address.clone().into_bytes(), 1)],
            Self::Question(id) => vec![("question", id.to_vec(), 1)],
            Self::Network => vec![("network", Vec::new(), 1)],
            Self::Anybody { of, .. } => vec![("anybody", of.clone().into_bytes(), 1)],
        }
    }
}

/// The price of a move.
#[derive(Clone, Debug)]
pub enum Budget {
    Stored {
        what: BudgetKind,
        whom: Whom,
        /// The audit's name for a refusal.
        event: &'static str,
    },
    /// A password that was wrong for many people is not tried on another from an unknown browser (470-E). Charged to nobody: whoever
    /// sprays must not lock all the accounts on the way. It is counted when it was wrong (`note_wrong`).
    Spray { password: String, event: &'static str },
}

impl Budget {
    pub fn event(&self) -> &'static str {
        match self {
            Self::Stored { event, .. } | Self::Spray { event, .. } => event,
        }
    }
}

type BudgetKey = [u8; 32];

/// One row that a charge is written to.
struct BudgetRow {
    key: BudgetKey,
    allowance: Allowance,
    /// Of all strangers together.
    of_all: bool,
}

/// What was taken, to be given back by success.
#[derive(Clone, Default)]
pub struct Charged {
    /// Of the browser or the network.
    own: Vec<BudgetKey>,
    /// Of all strangers together.
    all: Vec<BudgetKey>,
    /// Of one question. It is over with its right answer, so that success alone gives none back.
    tries: Vec<BudgetKey>,
}

pub enum Charge {
    Taken(Charged),
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
enum TriedBudget {
    Device,
    Strangers,
    FirstLetter,
    Single,
    Network,
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
    fn key(&self, what: BudgetKind, (kind, name): (&str, &[u8]), from: [&str; 2]) -> BudgetKey {
        let parts = [what.name().as_bytes(), kind.as_bytes(), name, from[0].as_bytes(), from[1].as_bytes()];
        self.keyring.mac("attempt", &parts).1
    }

    fn first_way(&self, whom: &Whom) -> TriedBudget {
        match whom {
            Whom::Question(_) => TriedBudget::Single,
            Whom::Network => TriedBudget::Network,
            other if other.device(self.device.as_deref()).is_some() => TriedBudget::Device,
            _ => TriedBudget::Strangers,
        }
    }

    fn keys(&self, what: BudgetKind, whom: &Whom, way: TriedBudget) -> Vec<BudgetRow> {
        let network = network(self.address);
        let row = |part: &(&str, Vec<u8>, usize), from: [&str; 2], allowance: Allowance, of_all: bool| {
            let limit = allowance.limit * i64::try_from(part.2).unwrap_or(1);
            BudgetRow { key: self.key(what, (part.0, &part.1), from), allowance: Allowance { limit, ..allowance }, of_all }
        };
        let parts = whom.parts();
        match way {
            TriedBudget::Device => {
                let device = whom.device(self.device.as_deref()).unwrap_or_default();
                parts.last().map(|part| row(&(part.0, part.1.clone(), 1), ["device", device], OF_DEVICE, false)).into_iter().collect()
            }
            TriedBudget::Strangers => parts
                .iter()
                .flat_map(|part| {
                    let of_all = what.of_all().map(|allowance| row(part, ["all", ""], allowance, true));
                    std::iter::once(row(part, ["network", &network], what.of_network(), false)).chain(of_all)
                })
                .collect(),
            TriedBudget::FirstLetter => parts
                .iter()
                .flat_map(|part| {
                    [
                        row(part, ["network", &network], allowance(1, HOUR_MS), false),
                        row(part, ["first", ""], allowance(MOST_FIRST_LETTERS, HOUR_MS), true),
                    ]
                })
                .collect(),
            TriedBudget::Network => parts.iter().map(|part| row(part, ["network", &network], OF_WHOLE_NETWORK, false)).collect(),
            TriedBudget::Single => {
                parts.iter().filter_map(|part| what.of_all().map(|allowance| row(part, ["all", ""], allowance, true))).collect()
            }
        }
    }

    /// Takes every budget in one change, or none. `take` adds the statement that takes the question, if there is one.
    pub async fn charge(&self, budgets: &[Budget], take: impl Fn(&mut Change) -> std::result::Result<(), Fault>) -> Result<Charge> {
        if let Some((budget, _)) = budgets.iter().enumerate().find(|(_, budget)| self.is_sprayed(budget)) {
            return Ok(Charge::Refused { budget, problem: "too_many_attempts", why: "this password was wrong for many people" });
        }
        let stored: Vec<(usize, BudgetKind, &Whom)> = budgets
            .iter()
            .enumerate()
            .filter_map(|(at, budget)| match budget {
                Budget::Stored { what, whom, .. } => Some((at, *what, whom)),
                Budget::Spray { .. } => None,
            })
            .collect();
        let mut ways: Vec<TriedBudget> = stored.iter().map(|(_, _, whom)| self.first_way(whom)).collect();
        loop {
            let mut change = Change::new(self.now_ms);
            take(&mut change)?;
            let first = change.len();
            let (mut owners, mut charged) = (Vec::new(), Charged::default());
            for (at, ((_, what, whom), way)) in stored.iter().zip(&ways).enumerate() {
                for row in self.keys(*what, whom, *way) {
                    let until_ms = self.now_ms + row.allowance.window_ms;
                    let limit = row.allowance.limit;
                    change.run(CHARGE, vec![Value::from(&row.key[..]), until_ms.into(), self.now_ms.into(), limit.into()]);
                    owners.push((at, row.of_all));
                    match what {
                        BudgetKind::Password
                        | BudgetKind::Code
                        | BudgetKind::Invitation
                        | BudgetKind::Plugin
                        | BudgetKind::PluginOfAnybody
                            if row.of_all =>
                        {
                            charged.all.push(row.key)
                        }
                        BudgetKind::Password | BudgetKind::Code | BudgetKind::Invitation | BudgetKind::Plugin => charged.own.push(row.key),
                        // A right code gives back its own try alone: whoever starts devices himself must not begin afresh with each.
                        BudgetKind::UserCode | BudgetKind::PluginOfAnybody => charged.all.push(row.key),
                        BudgetKind::Tries => charged.tries.push(row.key),
                        BudgetKind::Letter | BudgetKind::Trips | BudgetKind::PluginQuestion => {}
                    }
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
                (TriedBudget::Device, _, _) => TriedBudget::Strangers,
                // The first letter that a network asks for is always written: strangers cannot keep a person's own from coming.
                (TriedBudget::Strangers, true, BudgetKind::Letter) => TriedBudget::FirstLetter,
                (TriedBudget::Strangers, false, _) => {
                    return Ok(Charge::Refused { budget, problem: what.problem(), why: "too many attempts from this network" });
                }
                _ => return Ok(Charge::Refused { budget, problem: what.problem(), why: "too many attempts from everywhere" }),
            };
        }
    }

    fn is_sprayed(&self, budget: &Budget) -> bool {
        matches!(budget, Budget::Spray { password, .. } if self.device.is_none() && self.rates.is_sprayed(password, self.now_ms))
    }

    /// What was tried at this price was wrong: a password counts towards being sprayed.
    pub fn note_wrong(&self, price: &[Budget]) {
        for budget in price {
            if let Budget::Spray { password, .. } = budget {
                self.rates.was_wrong(password, self.now_ms);
            }
        }
    }

    /// For a name that nobody has. It is as durable a write as the audit entry of a refusal. Time does not tell the two apart (300-H).
    pub fn touch(&self, change: &mut Change, budgets: &[Budget]) {
        for budget in budgets {
            if let Budget::Stored { what, whom, .. } = budget
                && let Some(row) = self.keys(*what, whom, self.first_way(whom)).first()
            {
                change.run_expecting(TOUCH, vec![Value::from(&row.key[..])], Expect::Any);
            }
        }
    }
}

/// Success: the browser or network starts afresh, and strangers get back no more than this one try.
pub fn give_back(change: &mut Change, charged: &Charged) {
    for key in &charged.own {
        change.run_expecting(CLEAR, vec![Value::from(&key[..])], Expect::Any);
    }
    for key in &charged.all {
        change.run_expecting(GIVE_BACK, vec![Value::from(&key[..])], Expect::Any);
    }
}

impl Charged {
    pub fn extend(&mut self, more: Self) {
        self.own.extend(more.own);
        self.all.extend(more.all);
        self.tries.extend(more.tries);
    }

    /// The tries alone, to be given back: the answer was right, and its question may stand.
    pub fn take_tries(&mut self) -> Self {
        Self { all: std::mem::take(&mut self.tries), ..Self::default() }
    }
}
