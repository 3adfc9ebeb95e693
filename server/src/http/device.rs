//! GET and POST /device: where a person says which device to sign in. RFC 8628 3.3. The page that asks whether they started it is a step
//! of a sign-in (`authorization::device`), which this page only begins.

use super::pages as views;
use super::reply::Reply;
use super::{browser_session, login, login_begin};
use crate::app::App;
use crate::authorization::delivery::Delivery;
use crate::authorization::device::{self, CameBy, DeviceAuthorization, DeviceRow, Told};
use crate::error::Result;
use crate::login::step::{FieldKind, Problem, Step};
use crate::login::typed_codes::Paid;
use crate::sessions::Session;
use crate::web::request::Incoming;
use http::Method;
use symbolon_oauth::device_authorization::UserCode;

pub async fn device(app: &App, incoming: &Incoming) -> Result<Reply> {
    let session = browser_session::for_our_pages(app, incoming).await?;
    if incoming.method == Method::POST {
        return typed(app, incoming, session).await;
    }
    match incoming.query.get("ref") {
        Some(reference) => {
            let stored = device::by_reference(&app.authority(), reference).await?;
            go_on(app, incoming, (stored, CameBy::CompleteUri), session).await
        }
        // What a link says is only filled in: the person compares it and sends it.
        None => ask(app, incoming, incoming.query.get("user_code"), None),
    }
}

/// The page that asks for the code.
fn ask(app: &App, incoming: &Incoming, code: Option<&str>, problem: Option<&str>) -> Result<Reply> {
    let shown = code.and_then(UserCode::parse).map(|code| code.to_string());
    let step = Step::new("device_code").field("user_code", FieldKind::Text, "off", shown.as_deref()).primary("continue");
    let step = step.with_problem(problem.map(|key| Problem::in_field(key, "user_code")));
    views::ask(app, incoming, &step, "/device")
}

/// Somebody typed a code: it is charged before it is looked for.
async fn typed(app: &App, incoming: &Incoming, session: Option<Session>) -> Result<Reply> {
    let text = incoming.form.get("user_code");
    let Some(code) = text.and_then(UserCode::parse) else {
        return ask(app, incoming, None, Some(if text.is_none_or(|text| text.trim().is_empty()) { "no_code" } else { "wrong_user_code" }));
    };
    let locale = views::locale(app, incoming, incoming.form.get("locale"));
    let account = session.as_ref().map(|session| session.account.as_str());
    let paid = match app.machine.pay_for_user_code(account, &login::visitor(app, incoming, &locale)).await? {
        Paid::Yes(charged) => charged,
        Paid::No { problem, why } => {
            tracing::info!(address = %incoming.address, reason = why, "a user code was not looked for");
            return ask(app, incoming, None, Some(problem));
        }
    };
    let stored = device::by_user_code(&app.authority(), &code).await?;
    // A code that somebody else has answered is like one that no device has, and costs the same.
    let Some(stored) = stored.filter(|stored| !matches!(stored.told(account, incoming.now_ms), Told::Nothing)) else {
        tracing::info!(address = %incoming.address, "a user code that no device has");
        return ask(app, incoming, Some(code.letters()), Some("wrong_user_code"));
    };
    app.machine.give_back_typed(paid, incoming.now_ms).await?;
    go_on(app, incoming, (Some(stored), CameBy::UserCode(code.to_string())), session).await
}

/// Begins the sign-in that asks. Who approved it sees that; nobody else learns what became of it.
async fn go_on(app: &App, incoming: &Incoming, (stored, came_by): (Option<DeviceRow>, CameBy), session: Option<Session>) -> Result<Reply> {
    let account = session.as_ref().map(|session| session.account.as_str());
    let told = stored.as_ref().map_or(Told::Nothing, |stored| stored.told(account, incoming.now_ms));
    match (told, stored) {
        (Told::Approved, Some(stored)) => views::device(app, incoming, "device_approved", &stored.client_id).await,
        (Told::Open, Some(stored)) => {
            let delivery = DeviceAuthorization { id: stored.id, asked: stored.asked, came_by };
            login_begin::for_device(app, incoming, Delivery::Device(Box::new(delivery)), session).await
        }
        _ => ask(app, incoming, None, Some("user_code_over")),
    }
}
