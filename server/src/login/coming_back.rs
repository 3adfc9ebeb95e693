//! What was proved in a browser counts in the native sign-in that it was proved for. It is an answer like any other: it moves the sign-in.

use super::accounts;
use super::context::Visitor;
use super::flow::{JudgedAnswer, Run, SignInToMove};
use super::journey::Journey;
use super::machine::{Answering, Brought, Machine, changed, over};
use super::state::Rules;
use crate::error::{Fault, Result};
use tokio::time::Instant;

impl Machine {
    /// The proofs are weighed by the present rules, together with what was proved before. Only the same person is taken, and of each
    /// method the newer proof.
    pub async fn come_back(&self, answering: &Answering, rules: &Rules, brought: Brought, visitor: &Visitor<'_>) -> Result<JudgedAnswer> {
        let came = Instant::now();
        self.must_not_be_too_fast(visitor.address)?;
        let mut state = answering.state.clone();
        let Brought { subject, proofs, is_new } = brought;
        if state.subject.as_ref().is_some_and(|own| own.account != subject.account) {
            return Err(over().because("the browser brought another person").into());
        }
        if state.journey.is_of_account() {
            return Err(Fault::new("a change of the account came back from a browser").into());
        }
        // The browser's session may have ended meanwhile.
        if !accounts::stands(&self.store, &subject.account, subject.version, subject.session.as_ref()).await? {
            return Err(changed());
        }
        for proof in proofs {
            state.take_in(&subject.account, subject.version, proof);
        }
        if let Some(own) = state.subject.as_mut().filter(|own| own.session.is_none()) {
            own.session = subject.session;
        }
        state.journey = Journey::SignIn;
        state.is_new |= is_new;
        (state.prefer, state.pending) = (None, None);
        self.must_stand(&state).await?;
        let person = self.person(&state, (None, None), visitor).await?;
        let mut run = Run::new(self, rules, visitor, SignInToMove { state, person, before: Some(answering) });
        let judged = run.find_question().await;
        self.came_to(run, judged, answering, came).await
    }
}
