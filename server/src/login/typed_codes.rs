//! What it costs to type the code of another device (RFC 8628 5.1), before anybody is signed in. Each network has a few tries, and all
//! strangers together have many. A person who is signed in has tries of their own, which no stranger can use up.

use super::budgets::{Budget, BudgetKind, Charge, Charged, Owner, Purse, Whom, give_back};
use super::context::Visitor;
use super::machine::Machine;
use crate::error::Result;
use crate::store::Change;

pub enum Paid {
    Yes(Charged),
    /// `problem`: for the page. `why`: for operators.
    No {
        problem: &'static str,
        why: &'static str,
    },
}

const EVENT: &str = "device_code_refused";

impl Machine {
    /// One answer to the question of this request, whoever gives it: the same budget as on its page.
    pub async fn pay_for_last_group(&self, request: [u8; 16], visitor: &Visitor<'_>) -> Result<Paid> {
        self.pay_for(Budget::Stored { what: BudgetKind::Tries, whom: Whom::Question(request), event: EVENT }, visitor).await
    }

    /// `account`: of the session of browser or app.
    pub async fn pay_for_user_code(&self, account: Option<&str>, visitor: &Visitor<'_>) -> Result<Paid> {
        let owner = account.map(|id| Owner { id: id.to_owned(), names: 1 });
        let whom = match owner {
            Some(owner) => Whom::Person { name: String::new(), account: Some(owner) },
            None => Whom::Anybody { of: String::new(), seen_here: None },
        };
        self.pay_for(Budget::Stored { what: BudgetKind::UserCode, whom, event: EVENT }, visitor).await
    }

    async fn pay_for(&self, budget: Budget, visitor: &Visitor<'_>) -> Result<Paid> {
        let purse = Purse {
            store: &self.store,
            keyring: &self.keyring,
            rates: &self.rates,
            device: None,
            address: visitor.address,
            now_ms: visitor.now_ms,
        };
        Ok(match purse.charge(&[budget], |_| Ok(())).await? {
            Charge::Taken(charged) => Paid::Yes(charged),
            Charge::Refused { problem, why, .. } => Paid::No { problem, why },
            Charge::Late => Paid::No { problem: "too_many_codes", why: "nothing was to be taken" },
        })
    }

    /// What was typed was right: its try is given back, and no other.
    pub async fn give_back_typed(&self, charged: Charged, now_ms: i64) -> Result<()> {
        let mut change = Change::new(now_ms);
        give_back(&mut change, &charged);
        self.store.apply(change).await?;
        Ok(())
    }
}
