//! People who come from another system keep their passwords.

use super::Scene;
use crate::stage::Stage;
use crate::world::PASSWORD;
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};

pub const SCENE: Scene = Scene {
    name: "moved-people",
    about: "people of another system keep their passwords: `symbolon user import`",
    in_story: false,
    config: "",
    acts: |stage| Box::pin(acts(stage)),
};

const NAME: &str = "bea.moved-people";

async fn acts(stage: &mut Stage) -> Result<(), Trouble> {
    let kept = bcrypt::hash(PASSWORD, 6).map_err(|why| Trouble(why.to_string()))?;
    let line = serde_json::json!({ "login_names": [NAME], "sub": "7b1c6c1e-3f9d-4c5e-9a52-1d2f3a4b5c6d", "password_hash": kept });
    let added = stage.world.import(&line.to_string()).await?;
    stage.act_with(
        "The operator imports a line that another system exported",
        &[format!("people.jsonl has {line}")],
        added == 1 && stage.world.digest(NAME).await?.starts_with("$2b$"),
        "The digest is bcrypt's. Nobody knows the password, so nothing better can be made of it yet.",
    );
    let app = stage.app("shop-phone", "https://app.example.com/callback").await?;
    let pending = app.push("openid orders:read").await?;
    let code = app.sign_in(&mut Browser::default(), &pending, &Person::with_password(NAME, PASSWORD)).await?;
    let (status, _) = app.exchange(&code, &pending.verifier).await?;
    stage.act("The person signs in with the password of before", status == 200, "APIs see the identifier that they know.");
    let digest = stage.world.digest(NAME).await?;
    stage.act_with(
        "The digest is one of this server's now",
        &[format!("the store has {}", digest.chars().take(32).collect::<String>())],
        digest.starts_with("$argon2id$"),
        "At the sign-in the password was known for a moment. The weaker digest is gone.",
    );
    Ok(())
}
