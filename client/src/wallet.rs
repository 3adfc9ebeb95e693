//! A wallet on the same phone, which the app opens by its link (`wallet_open`). It leads to the app's own claimed https link with a code.
//! The code counts once the app has brought it to its sign-in. Until then the step is open, and the app has to keep it.

use crate::Client;
use crate::coming_back::Came;
use crate::native::{Operation, Screens, perform};
use crate::sign_in::Pending;
use crate::trouble::Trouble;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The operation. `Operations::perform` answers the link by which the app was opened again.
pub(crate) const WALLET_OPEN: &str = "wallet_open";
/// With it an app says that it opens wallets itself. Without it the server sends the person to the browser.
const WALLET_RETURN: (&str, &str) = ("wallet_return", "sw");
pub(crate) const WALLET_STATE: &str = "wallet_state";
pub(crate) const RESPONSE_CODE: &str = "response_code";

/// What stands in the link that a wallet leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletCode {
    /// Which request it is for.
    pub wallet_state: String,
    pub response_code: String,
}

impl WalletCode {
    /// Its answer to the step that opened the wallet.
    pub(crate) fn answer<'a>(&'a self, step: &'a Value) -> [(&'a str, &'a str); 3] {
        let (action, field) = (described(step, "action"), described(step, "field"));
        [("action", action), (field, self.response_code.as_str()), (WALLET_STATE, self.wallet_state.as_str())]
    }
}

/// How the step says that its operation is answered.
fn described<'a>(step: &'a Value, name: &str) -> &'a str {
    step["operation"]["answer"][name].as_str().unwrap_or_default()
}

/// Does this step, as it was sent, open a wallet?
pub(crate) fn opens_wallet(step: &Value) -> bool {
    step["operation"]["name"] == WALLET_OPEN
}

/// What goes with every answer of an app that can open wallets.
pub(crate) fn wish(screens: &dyn Screens) -> Option<(&'static str, &'static str)> {
    screens.operations().is_some_and(|it| it.knows(WALLET_OPEN)).then_some(WALLET_RETURN)
}

impl Client {
    /// Opens a wallet and waits for the link that it leads to. The sign-in is stored meanwhile, as the operating system may end the app.
    /// The inner error is the word for why no wallet has answered.
    pub(crate) async fn visit_wallet(
        &self,
        pending: &mut Pending,
        operation: &Operation,
        screens: &dyn Screens,
    ) -> Result<Result<Came, String>, Trouble> {
        self.set_out(pending).await?;
        match perform(screens, operation).await {
            // By another link the app was opened for something else, and the step is still open.
            Ok(link) => Ok(Ok(self.came(&link, pending).await?.unwrap_or(Came::Closed))),
            Err(why) => match self.stop_waiting(pending).await? {
                true => Ok(Err(why)),
                false => Err(Trouble::elsewhere()),
            },
        }
    }
}
