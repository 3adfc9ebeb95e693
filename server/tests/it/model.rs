//! Random histories of a session against a model of fifty lines: refresh, retry, race, lost answer, theft with and without the
//! key, a second process an hour behind, a locked keychain, five resources at once, a phone restored from a backup, revocation,
//! a restart, a store that was put back from an older copy, time. Unbound and key-bound; on PostgreSQL at two processes in turn.
//! A failure prints its seed; `SYMBOLON_MODEL_SEEDS` says how many seeds there are, `SYMBOLON_MODEL_SEED` which is the first.

use crate::world::*;
use std::cell::RefCell;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};
use symbolon_oauth::jwk::PrivateKey;

const STEPS: usize = 60;

/// splitmix64
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }
}

const GRACE_MS: i64 = 10_000;
const IDLE_MS: i64 = 30 * 86_400_000;
const ABSOLUTE_MS: i64 = 180 * 86_400_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Holder,
    /// Has the string and, where there is one, not the key: a thief, or a new phone with the old one's backup.
    Stranger,
}

/// What the session should be.
#[derive(Debug, Clone, Copy)]
struct Model {
    bound: bool,
    generation: usize,
    began_ms: i64,
    /// Of the newest generation; and so of the last use.
    issued_ms: i64,
    ended: bool,
    /// How often a token was newer than the store.
    behind: usize,
}

impl Model {
    /// The generation that a refresh with the token of `presented` gets, or nothing.
    fn refresh(&mut self, who: Who, presented: usize, now_ms: i64) -> Option<usize> {
        let over = now_ms - self.issued_ms >= IDLE_MS || now_ms - self.began_ms >= ABSOLUTE_MS;
        if self.ended || over || (self.bound && who == Who::Stranger) {
            return None;
        }
        if presented >= self.generation {
            self.behind += usize::from(presented > self.generation);
            (self.generation, self.issued_ms) = (presented + 1, now_ms);
            return Some(self.generation);
        }
        if presented + 1 == self.generation && (self.bound || now_ms - self.issued_ms <= GRACE_MS) {
            return Some(self.generation);
        }
        self.ended = !self.bound;
        None
    }
}

/// The processes, and what they stand on.
struct Stage {
    first: World,
    second: Option<World>,
    plan: Plan,
}

enum Between {
    Nothing,
    Copy,
    PutBack,
}

impl Stage {
    async fn start(engine: Engine) -> Self {
        let plan = Plan::new(Vec::new());
        let configuration = Configuration::on(engine).await.set("signing.rotate_every", "10000d");
        let first = configuration.start_on(|it| Store::faulty(it, plan.clone()).unwrap()).await;
        // A step takes no time of its own, so that the model knows the instants exactly.
        first.freeze();
        let second = if engine == Engine::Postgres { Some(first.another("").await) } else { None };
        Self { first, second, plan }
    }

    async fn restart(&mut self, between: Between) {
        let two = self.second.is_some();
        if let Some(second) = self.second.take() {
            second.running.stop().await;
        }
        self.first.running.stop_in_place().await;
        match between {
            Between::Nothing => {}
            Between::Copy if two => copy_database(&self.first.text, true).await,
            Between::PutBack if two => copy_database(&self.first.text, false).await,
            Between::Copy => crate::restored_store::keep(&self.first),
            Between::PutBack => crate::restored_store::restore(&self.first),
        }
        let plan = self.plan.clone();
        self.first.start_again(|it| Store::faulty(it, plan).unwrap()).await;
        if two {
            self.second = Some(self.first.another("").await);
        }
    }

    fn now_ms(&self) -> i64 {
        self.first.running.shared.now().now_ms()
    }

    fn url(&self, node: u64) -> String {
        match &self.second {
            Some(second) if node == 1 => second.url("/token"),
            _ => self.first.url("/token"),
        }
    }
}

/// Copies the database that the configuration names aside, or the copy back.
async fn copy_database(text: &str, aside: bool) {
    let name = text.split("/symbolon_it_").nth(1).unwrap().split(['?', '"']).next().unwrap();
    let (live, kept) = (format!("symbolon_it_{name}"), format!("symbolon_kept_{name}"));
    let (from, to) = if aside { (live, kept) } else { (kept, live) };
    let (client, connection) = tokio_postgres::connect(&postgres().unwrap(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)")).await.unwrap();
    let leave = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'");
    let mut tries = 0;
    loop {
        client.batch_execute(&leave).await.unwrap();
        match client.batch_execute(&format!("CREATE DATABASE {to} TEMPLATE {from}")).await {
            Ok(()) => return,
            Err(error) if tries == 20 => panic!("{error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// A session under test: keys, every token it ever saw by generation, and the model.
struct Session {
    keys: [PrivateKey; 2],
    nonce: RefCell<Option<String>>,
    tokens: Vec<String>,
    model: Model,
    kept: Model,
}

impl Session {
    async fn start(stage: &Stage, bound: bool) -> Self {
        let mut app = stage.first.phone();
        let (code, verifier) = stage.first.code("openid orders:read ledger:read").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", &code),
            ("code_verifier", &verifier),
            ("resource", &stage.first.issuer),
        ];
        let first = if bound { app.post("/token", &form).await.body } else { stage.first.post("/token", &form, None).await.1 };
        let first = first["refresh_token"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
        let behind = stage.first.audited("store_behind").await;
        let now_ms = stage.now_ms();
        let model = Model { bound, generation: 1, began_ms: now_ms, issued_ms: now_ms, ended: false, behind };
        let keys = [app.key, new_key()];
        // The list begins at generation 1.
        Self { keys, nonce: RefCell::default(), tokens: vec![String::new(), first], model, kept: model }
    }

    /// Status, refresh token and error of one refresh.
    #[expect(clippy::too_many_arguments, reason = "one step of the model, with everything that may differ")]
    async fn refresh(&self, stage: &Stage, node: u64, who: Who, presented: usize, resource: &str) -> (u16, String, String) {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "shop-ios"),
            ("refresh_token", self.tokens[presented].as_str()),
            ("resource", resource),
        ];
        for _ in 0..3 {
            let mut request = stage.first.http.post(stage.url(node)).form(&form);
            if self.model.bound {
                let key = self.keys[usize::from(who == Who::Stranger)].clone();
                let app = Phone { nonce: self.nonce.borrow().clone(), ..stage.first.phone().with_key(key) };
                request = request.header("dpop", app.proof("POST", "/token", None));
            }
            let answer = request.send().await.unwrap();
            if let Some(nonce) = answer.headers().get("dpop-nonce") {
                *self.nonce.borrow_mut() = Some(nonce.to_str().unwrap().to_owned());
            }
            let status = answer.status().as_u16();
            let body: serde_json::Value = answer.json().await.unwrap();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            if body["error"] != "use_dpop_nonce" {
                return (status, text("refresh_token"), text("error"));
            }
        }
        panic!("the nonce is never good");
    }

    /// So many refreshes at once, each judged by the model.
    #[expect(clippy::too_many_arguments, reason = "one step of the model, with everything that may differ")]
    async fn act(&mut self, stage: &Stage, dice: &mut Dice, who: Who, presented: usize, at_once: usize, told: &str) {
        let (before, now_ms) = (self.model, stage.now_ms());
        let resources = ["https://api.example.com/orders", "https://api.example.com/ledger", &stage.first.issuer];
        let nodes: Vec<u64> = (0..at_once).map(|_| dice.below(2)).collect();
        let racing = nodes.iter().enumerate().map(|(at, node)| self.refresh(stage, *node, who, presented, resources[at % 3]));
        for (status, token, error) in crate::nodes::futures(racing).await {
            let told = format!("{told}, {who:?} presents {presented} to {before:?}: {status} {error}");
            match self.model.refresh(who, presented, now_ms) {
                Some(generation) => {
                    assert_eq!(status, 200, "{told}");
                    if generation == self.tokens.len() {
                        self.tokens.push(token);
                    } else {
                        assert_eq!(self.tokens[generation], token, "one successor: {told}");
                    }
                }
                None => assert_eq!((status, error.as_str()), (400, "invalid_grant"), "{told}"),
            }
        }
    }
}

async fn history(stage: &mut Stage, bound: bool, seed: u64) {
    let mut dice = Dice(seed);
    let mut session = Session::start(stage, bound).await;
    stage.restart(Between::Copy).await;
    for step in 0..STEPS {
        let newest = session.tokens.len() - 1;
        let old = 1 + dice.below(newest as u64) as usize;
        let previous = newest.saturating_sub(1).max(1);
        let (act, mut told) = (dice.below(100), format!("seed {seed} step {step}"));
        let (who, presented, at_once, pause_s) = match act {
            0..40 => (Who::Holder, newest, 1, [0, 0, 0, 900][dice.below(4) as usize]),
            40..54 => (Who::Holder, previous, 1, dice.below(9) as i64),
            54..58 => (Who::Stranger, [newest, previous][dice.below(2) as usize], 1, 0),
            58..68 => (Who::Holder, [newest, previous][dice.below(2) as usize], 5, 0),
            // A second process that read the keychain an hour ago; a keychain that was locked for days; a backup on the same phone,
            // and on another.
            68..71 => (Who::Holder, previous, 1, 3600),
            71..75 => (Who::Holder, newest, 1, 86_400 * (1 + dice.below(31)) as i64),
            75..78 => (Who::Holder, old, 1, 0),
            78..82 => (Who::Stranger, old, 1, 0),
            82 => {
                let form = [("client_id", "shop-ios"), ("token", session.tokens[newest].as_str())];
                let status = if session.model.bound {
                    let mut app = Phone { nonce: session.nonce.borrow().clone(), ..stage.first.phone().with_key(session.keys[0].clone()) };
                    app.post("/revoke", &form).await.status
                } else {
                    stage.first.post("/revoke", &form, None).await.0
                };
                assert_eq!(status, 200, "{told}");
                session.model.ended = true;
                (Who::Holder, newest, 1, 0)
            }
            83..86 => {
                let copied = dice.below(2) == 0;
                stage.restart(if copied { Between::Copy } else { Between::Nothing }).await;
                session.kept = if copied { session.model } else { session.kept };
                (Who::Holder, newest, 1, 0)
            }
            86..89 => {
                stage.restart(Between::PutBack).await;
                session.model = session.kept;
                (Who::Holder, [newest, previous][dice.below(2) as usize], 1, 0)
            }
            _ => {
                let live = stage.now_ms() - session.model.issued_ms < IDLE_MS && stage.now_ms() - session.model.began_ms < ABSOLUTE_MS;
                if live && !session.model.ended && newest >= session.model.generation {
                    // The store commits and nobody hears of it; the same request follows.
                    stage.plan.next(Fate::LoseAnswer);
                    assert_eq!(session.refresh(stage, 0, Who::Holder, newest, &stage.first.issuer).await.0, 503, "{told}");
                    session.model.refresh(Who::Holder, newest, stage.now_ms());
                    told += " (lost)";
                }
                (Who::Holder, newest, 1, 0)
            }
        };
        stage.first.advance_s(pause_s);
        session.act(stage, &mut dice, who, presented, at_once, &told).await;
    }
    assert_eq!(stage.first.audited("store_behind").await, session.model.behind, "seed {seed}: every loss is said");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_go_as_the_model_says() {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    let (seeds, first) = (number("SYMBOLON_MODEL_SEEDS", 4), number("SYMBOLON_MODEL_SEED", 0));
    for engine in engines() {
        let mut stage = Stage::start(engine).await;
        for seed in first..first + seeds {
            history(&mut stage, seed % 3 != 0, seed).await;
        }
        if let Some(second) = stage.second.take() {
            second.running.stop().await;
        }
        stage.first.stop().await;
    }
}
