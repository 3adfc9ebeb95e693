//! `cargo demo`: a server, an API and a phone on this machine, talking for real; then the server stays up for a person.

mod acts;
mod api;
mod print;
mod shop;

use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use symbolon::config::{Config, MasterKey};
use symbolon::login::accounts::{self, NewAccount};
use symbolon::serve;
use symbolon_phone::element::Maker;
use symbolon_phone::mailbox::Mailbox;
use symbolon_phone::net::free_port;
use symbolon_phone::play::Play;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    /// Play every act unattended, then stop; the exit code says whether all ended as expected.
    #[arg(long)]
    once: bool,
    /// Where the server listens; 0 takes a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub const NAME: &str = "alice";
pub const PASSWORD: &str = "open sesame, please";
/// A client's secret may stand in a demonstration; a real one is printed once by `symbolon client secret`.
pub const LEDGER_SECRET: &str = "the-ledger-asks-about-opaque-tokens";
pub const ORDERS_SECRET: &str = "the-orders-api-calls-the-ledger-and-hears-of-ends";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("\nSome acts did not end as expected.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("The demo could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints every letter that arrives from now on.
async fn read_out(mailbox: &Mailbox) {
    let mut seen = mailbox.letters().len();
    loop {
        let letters = mailbox.letters();
        for letter in letters.iter().skip(seen) {
            let body = letter.plain().replace("\r\n", "\n    | ");
            println!(
                "\n    A letter to {}: {}\n    |\n    | {}",
                letter.to.join(", "),
                letter.subject().unwrap_or_default(),
                body.trim_end()
            );
        }
        seen = letters.len();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// A phone has a clock of its own.
pub fn now_ms() -> i64 {
    serve::system_clock()()
}

/// A file for its owner alone.
fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let port = if arguments.port == 0 { free_port() } else { arguments.port };
    let shop_listener = TcpListener::bind("127.0.0.1:0").await?;
    let shop_address = shop_listener.local_addr()?;
    let issuer = format!("http://127.0.0.1:{port}");
    let directory = std::env::temp_dir().join(format!("symbolon-demo-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let key = directory.join("symbolon.key");
    MasterKey::create_file(&key).map_err(|it| it.0)?;
    let digest = accounts::hash_password_blocking(LEDGER_SECRET).map_err(|it| it.0)?;
    let orders = accounts::hash_password_blocking(ORDERS_SECRET).map_err(|it| it.0)?;
    let mailbox = Mailbox::open().await?;
    let (maker, play) = (Arc::new(Maker::new()?), Play::new()?);
    let play_key = directory.join("play.key");
    write_private(&play_key, &play.decryption_key())?;
    let text = include_str!("demo.toml")
        .replace("{issuer}", &issuer)
        .replace("{listen}", &format!("127.0.0.1:{port}"))
        .replace("{key}", &key.display().to_string())
        .replace("{root}", &maker.root_spki)
        .replace("{leaked}", &maker.leaked_serial()?)
        .replace("{mail}", &mailbox.address.port().to_string())
        .replace("{digest}", &digest)
        .replace("{orders}", &orders)
        .replace("{play}", &play_key.display().to_string())
        .replace("{console}", &play.verification_key());
    let config = Config::from_text(&text, "demo.toml", &|_| None)?;
    let running = serve::start(config, &directory).await.map_err(|it| it.0)?;
    let app = running.shared.now();
    let person = NewAccount {
        login_names: vec![NAME.to_owned()],
        email: Some("alice@example.com".to_owned()),
        email_verified: true,
        name: Some("Alice Example".to_owned()),
        locale: None,
        claims: serde_json::json!({ "customer_id": "c-1041" }).as_object().cloned().unwrap_or_default(),
        password: Some(PASSWORD.to_owned()),
    };
    accounts::create(&app.store, app.machine.hashers(), person, app.now_ms()).await.map_err(|it| format!("{it:?}"))?;
    drop(app);
    let api = api::start(&issuer).await?;
    let good = acts::play(&issuer, &api, &mailbox, &maker, &play).await;
    if !arguments.once {
        tokio::spawn(shop::serve(shop_listener, issuer.clone(), api.clone()));
        println!("\nNow you. Open\n\n    http://{shop_address}/\n\nand sign in as {NAME} with the password: {PASSWORD}");
        println!("or by a code to alice@example.com, or make an account of your own: letters to anybody arrive here.");
        println!("The server itself is at {issuer}/ . Ctrl-C ends everything.");
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended?,
            () = read_out(&mailbox) => {}
        }
    }
    running.stop().await;
    let _ = std::fs::remove_dir_all(&directory);
    Ok(good)
}
