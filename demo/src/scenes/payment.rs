//! One payment, said in detail (rich authorization requests, RFC 9396).

use super::{LEDGER, Scene};
use crate::stage::Stage;
use serde_json::json;
use symbolon_phone::Trouble;
use symbolon_phone::browser::Browser;

pub const SCENE: Scene = Scene {
    name: "payment",
    about: "the person agrees to one payment, with amount and payee (RFC 9396)",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    stage.prepared("The ledger API has a schema for payments: an amount in EUR and a payee.");
    let details = json!([{ "type": "payment", "amount": "12.50 EUR", "to": "Example Shop" }]).to_string();
    let pending = app.push_with(&[("scope", "openid"), ("authorization_details", &details), ("resource", LEDGER)]).await?;
    stage.act("The app asks for one payment", true, "A scope such as \"pay\" would say neither how much nor to whom.");
    let mut browser = Browser::default();
    let code = app.sign_in(&mut browser, &pending, &stage.person()).await?;
    stage.act("The person sees amount and payee, and agrees", code.starts_with("sc_"), "What a person agrees to is shown whole.");
    let (status, tokens) = app.exchange(&code, &pending.verifier).await?;
    stage.act(
        "The app exchanges the code",
        status == 200 && tokens["authorization_details"][0]["amount"] == "12.50 EUR",
        "The token has exactly the details that the person saw.",
    );
    let wrong = json!([{ "type": "payment", "amount": "12.50 EUR", "to": "Example Shop", "approved": true }]).to_string();
    let refused = app.push_with(&[("scope", "openid"), ("authorization_details", &wrong)]).await;
    stage.act(
        "The app adds a field that the schema does not name",
        refused.is_err_and(|it| it.0.contains("invalid_authorization_details")),
        "A field that is silently dropped would be agreed to by nobody and believed by somebody.",
    );
    Ok(())
}
