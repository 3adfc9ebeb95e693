//! What lies between the app and its APIs: an API that calls the next one, a call that needs a better sign-in, a session that
//! ends while its tokens still look good, a payment said in detail.

use super::{LEDGER, Stage, text};
use crate::{NAME, ORDERS_SECRET, PASSWORD};
use serde_json::json;
use std::time::Duration;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::mailbox::Mailbox;

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

pub async fn all(stage: &mut Stage<'_>, mailbox: &Mailbox) -> Result<(), Trouble> {
    let access = signed_in(stage, &[("scope", "openid orders:read")]).await?;
    next_api(stage, &access).await?;
    let better = step_up(stage, mailbox, &access).await?;
    in_detail(stage).await?;
    ended(stage, &better).await
}

async fn signed_in(stage: &mut Stage<'_>, parameters: &[(&str, &str)]) -> Result<String, Trouble> {
    let pending = stage.app.push_with(parameters).await?;
    let code = stage.app.sign_in(&mut Browser::default(), &pending, &Person::with_password(NAME, PASSWORD)).await?;
    let (_, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    Ok(text(&tokens, "access_token"))
}

/// RFC 8693.
async fn next_api(stage: &mut Stage<'_>, access: &str) -> Result<(), Trouble> {
    let url = stage.app.metadata.token_endpoint.clone().unwrap_or_default();
    let ask = |scope: &'static str, who: &'static str| {
        vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("client_id", who),
            ("client_secret", ORDERS_SECRET),
            ("subject_token_type", ACCESS),
            ("resource", LEDGER),
            ("scope", scope),
        ]
    };
    let mut form = ask("ledger:read", "orders-api");
    form.push(("subject_token", access));
    let (status, body) = stage.app.post(&url, &form).await?;
    stage.last(
        "The orders API has to ask the ledger: it exchanges the token it was called with (RFC 8693)",
        status == 200 && body.get("refresh_token").is_none(),
        "The new token is for the ledger, for the same person, says who acts, and lives no longer than the first.",
    );
    let token = text(&body, "access_token");
    let (status, _) = stage.app.call(&format!("{}/balance", stage.api), Some(&token)).await?;
    stage.last("And calls the ledger with it", status == 200, "The ledger sees the person and, in act, the orders API.");
    let mut form = ask("ledger:write", "orders-api");
    form.push(("subject_token", access));
    let (status, body) = stage.app.post(&url, &form).await?;
    stage.last(
        "It asks for more than the call it got is worth",
        status == 400 && text(&body, "error") == "invalid_scope",
        "What a token may become is written at the scope it is exchanged for; never more.",
    );
    Ok(())
}

/// RFC 9470.
async fn step_up(stage: &mut Stage<'_>, mailbox: &Mailbox, access: &str) -> Result<String, Trouble> {
    let (status, body) = stage.app.call(&format!("{}/orders/refund", stage.api), Some(access)).await?;
    stage.last(
        "A refund needs a better sign-in than this token's",
        status == 401 && text(&body, "error") == "insufficient_user_authentication",
        "The API says which: acr_values in its challenge (RFC 9470).",
    );
    let pending = stage.app.push_with(&[("scope", "openid orders:read"), ("acr_values", "urn:example:strong")]).await?;
    let mut browser = Browser::default();
    let mut person = Person::with_password(NAME, PASSWORD);
    person.mail = Some((mailbox, "alice@example.com"));
    let code = stage.app.sign_in(&mut browser, &pending, &person).await?;
    let pages = browser.seen.join(", ");
    let (_, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    let access = text(&tokens, "access_token");
    let (status, _) = stage.app.call(&format!("{}/orders/refund", stage.api), Some(&access)).await?;
    stage.last(
        "The app asks for exactly that, and the call goes through",
        status == 200,
        &format!("Pages seen: {pages}. The server asked for what was missing; the token says how the person signed in."),
    );
    Ok(access)
}

/// RFC 9396.
async fn in_detail(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    let details = json!([{ "type": "payment", "amount": "12.50 EUR", "to": "Example Shop" }]).to_string();
    let pending = stage.app.push_with(&[("scope", "openid"), ("authorization_details", &details), ("resource", LEDGER)]).await?;
    let mut browser = Browser::default();
    let code = stage.app.sign_in(&mut browser, &pending, &Person::with_password(NAME, PASSWORD)).await?;
    let (status, tokens) = stage.app.exchange(&code, &pending.verifier).await?;
    let granted = tokens["authorization_details"][0]["amount"] == "12.50 EUR";
    stage.last(
        "The app wants one payment, said in detail (RFC 9396)",
        status == 200 && granted,
        &format!("Pages seen: {}. The person saw amount and payee; the token carries exactly these.", browser.seen.join(", ")),
    );
    let wrong = json!([{ "type": "payment", "amount": "12.50 EUR", "to": "Example Shop", "approved": true }]).to_string();
    let refused = stage.app.push_with(&[("scope", "openid"), ("authorization_details", &wrong)]).await;
    stage.last(
        "A field that the API's schema does not name",
        refused.is_err_and(|it| it.0.contains("invalid_authorization_details")),
        "Refused where it is asked, not silently dropped.",
    );
    Ok(())
}

/// The orders API checks JWTs itself, and hears of ends.
async fn ended(stage: &mut Stage<'_>, access: &str) -> Result<(), Trouble> {
    let (before, _) = stage.app.call(&format!("{}/orders", stage.api), Some(access)).await?;
    let status = stage.app.revoke(access).await?;
    stage.last(
        "The person ends it all; the access token has minutes to live",
        status == 200 && before == 200,
        "A JWT looks good to whoever only reads it.",
    );
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if stage.app.call(&format!("{}/orders", stage.api), Some(access)).await?.0 == 401 {
            break;
        }
    }
    stage.refused("The JWT is used once more", "/orders", Some(access), 401, "ended").await
}
