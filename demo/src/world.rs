//! What every scene finds: one server, the APIs, a mailbox, and makers of simulated phones.

use crate::anysocial::{self, Anysocial};
#[cfg(feature = "plugins")]
use crate::branch::Branch;
use crate::guarded::Guarded;
use crate::scenes::SCENES;
use crate::utopia::Utopia;
use crate::{Failure, api};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use symbolon::config::{Config, MasterKey};
use symbolon::grants::kiosk::Kiosk;
use symbolon::login::accounts::{self, NewAccount};
use symbolon::operations::{self, Actor, Batch, Context, Line, Operation, Outcome, Sensitive, UserOperation};
use symbolon::serve::{self, Running};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_phone::Trouble;
use symbolon_phone::element::Maker;
use symbolon_phone::mailbox::Mailbox;
use symbolon_phone::net::free_port;
use symbolon_phone::play::Play;

pub const PASSWORD: &str = "open sesame, please";
/// A client's secret may stand in a demonstration; a real one is printed once by `symbolon client secret`.
pub const LEDGER_SECRET: &str = "the-ledger-asks-about-opaque-tokens";
pub const ORDERS_SECRET: &str = "the-orders-api-calls-the-ledger-and-hears-of-ends";

pub struct World {
    pub issuer: String,
    /// The address of the APIs.
    pub api: String,
    pub mailbox: Mailbox,
    /// Makes phones and their evidence, under a root of its own that the demo's configuration trusts.
    pub maker: Arc<Maker>,
    /// A simulated Google Play.
    pub play: Play,
    /// The keys of the two kiosks that their operator has named.
    pub gate: PrivateKey,
    pub other_gate: PrivateKey,
    /// Somebody else's OpenID provider.
    pub anysocial: Anysocial,
    /// An API behind `symbolon guard`.
    pub guarded: Guarded,
    /// A state that gives credentials into wallets.
    pub utopia: Utopia,
    /// The bank's service behind its branches.
    #[cfg(feature = "plugins")]
    pub branch: Branch,
    running: Running,
    directory: PathBuf,
    /// The configuration in force.
    text: std::sync::Mutex<String>,
}

/// A phone has a clock of its own.
pub fn now_ms() -> i64 {
    serve::system_clock()()
}

/// A file for its owner alone.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// The plug-in beside the configuration, with its digest and the service that it asks.
#[cfg(feature = "plugins")]
fn with_branch(text: String, branch: &Branch, directory: &Path) -> std::io::Result<String> {
    use crate::branch::PLUGIN;
    std::fs::write(directory.join("branch-visit.wasm"), PLUGIN)?;
    let digest = symbolon::plugins::hexadecimal(&symbolon_oauth::digest::sha256(PLUGIN));
    let examples = crate::branch::examples();
    let digest_of = |file: &str| crate::branch::digest_of(&examples.join(file));
    Ok(text
        .replace("{branch_digest}", &digest)
        .replace("{entitlements_digest}", &digest_of("entitlements.wasm"))
        .replace("{travel_digest}", &digest_of("impossible-travel.wasm"))
        .replace("{examples}", &examples.display().to_string())
        .replace("{branch}", &branch.url))
}

impl World {
    /// Starts everything. The server listens at this port; 0 takes a free one.
    pub async fn start(port: u16) -> Result<Self, Failure> {
        let port = if port == 0 { free_port() } else { port };
        let issuer = format!("http://127.0.0.1:{port}");
        let directory = std::env::temp_dir().join(format!("symbolon-demo-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let (key, play_key) = (directory.join("symbolon.key"), directory.join("play.key"));
        MasterKey::create_file(&key).map_err(|it| it.0)?;
        let digest = |secret| accounts::hash_password_blocking(secret).map_err(|it| it.0);
        let mailbox = Mailbox::open().await?;
        let (maker, play) = (Arc::new(Maker::new()?), Play::new()?);
        let (gate, other_gate) = (PrivateKey::generate(Algorithm::ES256)?, PrivateKey::generate(Algorithm::ES256)?);
        write_private(&play_key, &play.decryption_key())?;
        let (social, social_secret) = (Anysocial::free_issuer(), anysocial::write_secret(&directory)?);
        let parts: Vec<&str> = std::iter::once(include_str!("demo.toml")).chain(SCENES.iter().map(|it| it.config)).collect();
        let text = parts
            .join("\n")
            .replace("{issuer}", &issuer)
            .replace("{listen}", &format!("127.0.0.1:{port}"))
            .replace("{key}", &key.display().to_string())
            .replace("{root}", &maker.root_spki)
            .replace("{gate}", gate.kid())
            .replace("{other_gate}", other_gate.kid())
            .replace("{leaked}", &maker.leaked_serial()?)
            .replace("{mail}", &mailbox.address.port().to_string())
            .replace("{digest}", &digest(LEDGER_SECRET)?)
            .replace("{orders}", &digest(ORDERS_SECRET)?)
            .replace("{play}", &play_key.display().to_string())
            .replace("{console}", &play.verification_key())
            .replace("{anysocial}", &social)
            .replace("{anysocial_secret}", &social_secret.display().to_string());
        let utopia = Utopia::found(&directory)?;
        #[cfg(feature = "plugins")]
        let branch = Branch::start().await?;
        #[cfg(feature = "plugins")]
        let text = with_branch(text, &branch, &directory)?;
        let config = Config::from_text(&text, "demo.toml", &|_| None)?.below(&directory);
        let running = serve::start(config, &directory).await.map_err(|it| it.0)?;
        let api = api::start(&issuer).await?;
        let anysocial = Anysocial::start(&social, &issuer, &directory).await?;
        let guarded = Guarded::start(&issuer, &social, &directory).await?;
        Ok(Self {
            issuer,
            api,
            mailbox,
            maker,
            play,
            gate,
            other_gate,
            anysocial,
            guarded,
            utopia,
            #[cfg(feature = "plugins")]
            branch,
            running,
            directory,
            text: text.into(),
        })
    }

    /// Changes the configuration as an operator does: edits the file, and has the running server read it again.
    pub async fn reconfigure(&self, from: &str, to: &str) -> Result<(), Trouble> {
        let text = {
            let mut text = self.text.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *text = text.replacen(from, to, 1);
            text.clone()
        };
        let file = self.directory.join("demo.toml");
        std::fs::write(&file, text).map_err(|error| Trouble(error.to_string()))?;
        serve::reload(&self.running.shared, &file).await.map_err(|error| Trouble(error.to_string()))
    }

    /// The picture that a kiosk showed so many seconds ago. Nobody waits here.
    pub fn old_picture(&self, client_id: &str, gate: &PrivateKey, age_s: i64) -> Result<String, Trouble> {
        let app = self.running.shared.now();
        let rules = app.config.client.get(client_id).and_then(|client| client.kiosk.as_ref());
        let rules = rules.ok_or_else(|| Trouble(format!("{client_id} is no kiosk")))?;
        let device = rules.device.get(gate.kid()).ok_or_else(|| Trouble("a gate that nobody has named".to_owned()))?;
        let kiosk = Kiosk { rules, id: gate.kid(), device };
        let text = symbolon::http::kiosk::picture(&app, (client_id, &kiosk), app.now_ms() - age_s * 1000);
        Ok(symbolon_oauth::kiosk::to_picture(&text.map_err(|why| Trouble(why.0))?))
    }

    /// The address of a path at the APIs.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// Makes an account with this login name, an address at example.com and the password of the demo.
    pub async fn new_account(&self, name: &str) -> Result<(), Trouble> {
        let person = NewAccount {
            login_names: vec![name.to_owned()],
            email: Some(format!("{name}@example.com")),
            email_verified: true,
            name: Some("Alice Example".to_owned()),
            locale: None,
            claims: serde_json::json!({ "customer_id": "c-1041" }).as_object().cloned().unwrap_or_default(),
            password: Some(PASSWORD.to_owned()),
        };
        let app = self.running.shared.now();
        let made = accounts::create(&app.store, app.machine.hashers(), person, app.now_ms()).await;
        made.map(|_| ()).map_err(|it| Trouble(format!("no account was made: {it:?}")))
    }

    /// Imports a line of people, as `symbolon user import` does. Answers how many were added.
    pub async fn import(&self, line: &str) -> Result<usize, Trouble> {
        let app = self.running.shared.now();
        let batch = Batch { firebase: None, lines: vec![Line { number: 1, text: line.to_owned() }] };
        let people = Sensitive::new(serde_json::to_string(&batch).map_err(|why| Trouble(why.to_string()))?);
        let operation = Operation::User(UserOperation::Import { dry_run: false, skip_existing: false, people });
        let actor = Actor::Offline { uid: 0 };
        match operations::run(&Context::of(&app), &actor, operation).await {
            Ok(Outcome::UsersImported(imported)) => Ok(imported.added),
            other => Err(Trouble(format!("the import: {other:?}"))),
        }
    }

    /// An operator's ticket, with which a person adds means that count at once.
    pub async fn ticket(&self, name: &str) -> Result<String, Trouble> {
        let app = self.running.shared.now();
        let operation = Operation::User(UserOperation::Ticket { user: name.to_owned() });
        match operations::run(&Context::of(&app), &Actor::Offline { uid: 0 }, operation).await {
            Ok(Outcome::TicketGiven { ticket, .. }) => Ok(ticket.reveal().to_owned()),
            other => Err(Trouble(format!("the ticket: {other:?}"))),
        }
    }

    /// An operator confirms what a person added.
    pub async fn confirm(&self, name: &str) -> Result<(), Trouble> {
        let app = self.running.shared.now();
        let operation = Operation::User(UserOperation::Confirm { user: name.to_owned(), means: None });
        let confirmed = operations::run(&Context::of(&app), &Actor::Offline { uid: 0 }, operation).await;
        confirmed.map(|_| ()).map_err(|why| Trouble(format!("the confirmation: {why:?}")))
    }

    /// The subject of the newest letter to this address that tells of something added, and the link that stops it.
    pub async fn stop_link(&self, address: &str) -> Result<(String, String), Trouble> {
        for _ in 0..50 {
            let letters = self.mailbox.letters();
            let found = letters.iter().filter(|letter| letter.to.iter().any(|to| to == address)).find_map(|letter| {
                let text = letter.plain();
                let link = text.split_whitespace().find(|word| word.contains("/stop/"))?;
                Some((letter.subject().unwrap_or_default().to_owned(), link.to_owned()))
            });
            if let Some(found) = found {
                return Ok(found);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(Trouble("no letter with a link came".to_owned()))
    }

    /// What the store keeps of somebody's password.
    pub async fn digest(&self, name: &str) -> Result<String, Trouble> {
        let app = self.running.shared.now();
        let found = app.accounts().by_name(name).await.map_err(|why| Trouble(why.0))?;
        Ok(found.and_then(|account| account.password).unwrap_or_default())
    }

    /// A person for one scene alone, so that no scene leaves anything to another. Answers the login name.
    pub async fn new_person(&self, scene: &str) -> Result<&'static str, Trouble> {
        let name = format!("alice.{scene}");
        self.new_account(&name).await?;
        // A handful of names for as long as the demo runs.
        Ok(Box::leak(name.into_boxed_str()))
    }

    /// Prints every letter that arrives from now on.
    pub async fn read_letters_out(&self) {
        let mut seen = self.mailbox.letters().len();
        loop {
            let letters = self.mailbox.letters();
            for letter in letters.iter().skip(seen) {
                let body = letter.plain().replace("\r\n", "\n    | ");
                let subject = letter.subject().unwrap_or_default();
                println!("\n    A letter to {}: {subject}\n    |\n    | {}", letter.to.join(", "), body.trim_end());
            }
            seen = letters.len();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    pub async fn stop(self) {
        self.anysocial.stop().await;
        self.guarded.stop().await;
        self.running.stop().await;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
