//! GET /approvals: a person answers in the browser what a client asks. CIBA Core 8. The page that asks is a step of a sign-in
//! (`authorization::backchannel_answer`), which this page only begins.

use super::pages as views;
use super::reply::Reply;
use super::{browser_session, login_begin};
use crate::app::App;
use crate::authorization::backchannel::{self, BackchannelAuthorization, BackchannelRow};
use crate::authorization::delivery::Delivery;
use crate::error::Result;
use crate::login::journey::Journey;
use crate::login::step::Step;
use crate::web::request::Incoming;

pub async fn approvals(app: &App, incoming: &Incoming) -> Result<Reply> {
    let session = browser_session::for_our_pages(app, incoming).await?;
    let found = match (incoming.query.get("ref"), &session) {
        // Whoever has the reference is asked to be the person whom it is for.
        (Some(reference), _) => {
            backchannel::by_reference(app, reference).await?.filter(|stored| !stored.account.is_empty() && is_for_pages(stored))
        }
        (None, Some(session)) => backchannel::pending(app, &session.account, incoming.now_ms).await?.into_iter().find(is_for_pages),
        (None, None) => return login_begin::own(app, incoming, Journey::SignIn, None).await,
    };
    match found {
        Some(stored) if stored.is_open(incoming.now_ms) => {
            let BackchannelRow { id, account, asked, .. } = stored;
            // Whoever else is signed in here stays so until the person who is asked has signed in.
            let session = session.filter(|session| session.account == account);
            let delivery = Delivery::Backchannel(Box::new(BackchannelAuthorization { id, account, asked }));
            login_begin::for_device(app, incoming, delivery, session).await
        }
        _ => views::shown_alone(app, incoming, 200, &Step::new("approval_none"), Some(&app.url("/account"))),
    }
}

/// What a kiosk asks is answered by the app that showed the code, and nowhere else.
fn is_for_pages(stored: &BackchannelRow) -> bool {
    stored.asked.visit.is_none()
}
