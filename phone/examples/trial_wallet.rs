//! Tries out `[wallet.pid]` of a server on this machine: an issuer, a registrar, a wallet and a browser in one program. docs/wallets.md has
//! the steps. It is for trials alone: its keys are new each time, and no server that others use should trust them.

use serde_json::json;
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_oauth::{base64url, digest};
use symbolon_phone::Trouble;
use symbolon_phone::browser::{Browser, Person};
use symbolon_phone::wallet::issuer::{CredentialIssuer, Terms, certify};
use symbolon_phone::wallet::{Held, Wallet};

const TYPE: &str = "urn:eudi:pid:1";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [directory, issuer, client, back] = words.as_slice() else {
        return Err("usage: trial_wallet DIRECTORY ISSUER CLIENT REDIRECT_URI".into());
    };
    let wallet = found(&PathBuf::from(directory))?;
    println!("Wrote issuer.pem, verifier.pem and verifier.key into {directory}. Start the server, or reload it, then press Enter.");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut browser = Browser::default();
    let to_wallet = Person { buttons: vec!["use_wallet:pid", "go"], ..Person::default() };
    let link = browser.visit(&http, &request(issuer, client, back)?, "openid4vp://", &to_wallet).await?;
    println!("The browser opens the wallet: {}…", link.chars().take(60).collect::<String>());
    let asked = wallet.read(&http, &link, now_s()?).await?;
    println!("The wallet is asked by {} for {}", asked.client_id, asked.query);
    let returned = wallet.answer(&http, &asked).await?;
    let end = browser.visit(&http, &returned, back, &Person::default()).await?;
    println!("Pages in the browser: {}", browser.seen.join(", "));
    println!("The browser ends at {end}");
    if end.contains("code=") { Ok(()) } else { Err("nobody was signed in".into()) }
}

/// Writes what an operator needs, and makes a wallet with an identity of that issuer.
fn found(directory: &Path) -> Result<Wallet, Box<dyn std::error::Error + Send + Sync>> {
    let issuer = CredentialIssuer::new("Utopia")?;
    let verifier = certify("Trial registrar", &["login.example.com"], None)?;
    std::fs::create_dir_all(directory)?;
    for (name, text) in [("issuer.pem", &issuer.root_pem), ("verifier.pem", &verifier.leaf_pem), ("verifier.key", &verifier.key_pem)] {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(directory.join(name));
        file?.write_all(text.as_bytes())?;
    }
    let mut wallet = Wallet::new(&verifier.root_der)?;
    let terms = Terms {
        kind: TYPE.to_owned(),
        namespace: String::new(),
        holder: wallet.holder().clone(),
        now_s: now_s()? - 60,
        lifetime_s: 3600,
        status: None,
    };
    let says = json!({ "personal_administrative_number": "UT-42", "given_name": "Ana", "age_over_18": true });
    let text = issuer.sd_jwt(&terms, says.as_object().ok_or("an object")?)?;
    wallet.held = vec![Held::SdJwt { vct: TYPE.to_owned(), text }];
    Ok(wallet)
}

/// The app's request, with PKCE.
fn request(issuer: &str, client: &str, back: &str) -> Result<String, Trouble> {
    let challenge = base64url::encode(&digest::sha256("v".repeat(43).as_bytes()));
    let query = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", back),
        ("scope", "openid"),
        ("state", "a trial of a wallet"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let url = url::Url::parse_with_params(&format!("{issuer}/authorize"), query);
    Ok(url.map_err(|error| Trouble(error.to_string()))?.into())
}

#[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
fn now_s() -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}
