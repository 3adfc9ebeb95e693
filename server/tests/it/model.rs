//! Random histories of a session against a model of thirty lines: refresh, retry, race, lost answer, theft with and without
//! the key, a process that lags behind, revocation, time. Unbound and key-bound, both engines. A failure prints its seed.

use crate::dpop::App;
use crate::world::*;
use symbolon::store::Store;
use symbolon::store::faults::{Fate, Plan};

const STEPS: usize = 120;
const GRACE_MS: i64 = 10_000;

/// splitmix64
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let it = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % n
    }
}

/// What the session should be.
#[derive(Debug, Clone, Copy)]
struct Model {
    bound: bool,
    generation: usize,
    issued_ms: i64,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Holder,
    /// Has the string and, where there is one, not the key.
    Thief,
}

impl Model {
    /// The generation that a refresh with the token of `presented` gets, or nothing.
    fn refresh(&mut self, who: Who, presented: usize, now_ms: i64) -> Option<usize> {
        if self.ended || (self.bound && who == Who::Thief) {
            return None;
        }
        if presented == self.generation {
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

/// A session under test: the app, every token it ever saw by generation, and the model.
struct Session<'a> {
    app: App<'a>,
    thief: App<'a>,
    tokens: Vec<String>,
    model: Model,
}

impl<'a> Session<'a> {
    async fn start(world: &'a World, bound: bool) -> Self {
        let (mut app, thief) = (App::new(world), App::new(world));
        let first = match bound {
            true => app.tokens("openid orders:read").await.text("refresh_token"),
            false => world.tokens("openid orders:read").await["refresh_token"].as_str().unwrap().to_owned(),
        };
        let issued_ms = world.running.shared.now().now_ms();
        // The list begins at generation 1.
        Self { app, thief, tokens: vec![String::new(), first], model: Model { bound, generation: 1, issued_ms, ended: false } }
    }

    async fn refresh(&mut self, who: Who, presented: usize) -> (u16, String, String) {
        let token = self.tokens[presented].clone();
        let body = match (self.model.bound, who) {
            (true, Who::Holder) => return of(&self.app.refresh(&token).await),
            (true, Who::Thief) => return of(&self.thief.refresh(&token).await),
            (false, _) => self.app.world.refresh(&token).await,
        };
        let text = |name: &str| body.1[name].as_str().unwrap_or_default().to_owned();
        (body.0, text("refresh_token"), text("error"))
    }
}

fn of(answer: &crate::dpop::Answer) -> (u16, String, String) {
    (answer.status, answer.text("refresh_token"), answer.text("error"))
}

async fn history(world: &World, plan: &Plan, bound: bool, seed: u64) {
    let mut dice = Dice(seed);
    let mut it = Session::start(world, bound).await;
    for step in 0..STEPS {
        world.advance_s(match dice.below(10) {
            0..6 => 0,
            6..8 => dice.below(9) as i64,
            8 => 11,
            _ => 900,
        });
        let newest = it.tokens.len() - 1;
        // Mostly the newest, often the one before, sometimes an old one.
        let presented = match dice.below(20) {
            0..11 => newest,
            11..18 => newest.saturating_sub(1).max(1),
            _ => 1 + dice.below(newest as u64) as usize,
        };
        let who = if dice.below(8) == 0 { Who::Thief } else { Who::Holder };
        let mut lost = false;
        if dice.below(12) == 0 && !it.model.ended && presented == it.model.generation && (!bound || who == Who::Holder) {
            // The store commits and nobody hears of it; the same request follows.
            let (status, ..) = {
                plan.next(Fate::LoseAnswer);
                it.refresh(who, presented).await
            };
            assert_eq!(status, 503, "seed {seed} step {step}");
            it.model.refresh(who, presented, world.running.shared.now().now_ms());
            lost = true;
        }
        let now_ms = world.running.shared.now().now_ms();
        let before = it.model;
        let wanted = it.model.refresh(who, presented, now_ms);
        let (status, token, error) = it.refresh(who, presented).await;
        let told = format!("seed {seed} step {step} {who:?} presents {presented} (lost: {lost}) to {before:?}: {status} {error}");
        match wanted {
            Some(generation) => {
                assert_eq!(status, 200, "{told}");
                if generation == it.tokens.len() {
                    it.tokens.push(token);
                } else {
                    assert_eq!(it.tokens[generation], token, "one successor: {told}");
                }
            }
            None => assert_eq!((status, error.as_str()), (400, "invalid_grant"), "{told}"),
        }
        if it.model.ended {
            break;
        }
    }
    if !it.model.ended {
        let newest = it.tokens[it.model.generation].clone();
        let form = [("client_id", "shop-ios"), ("token", newest.as_str())];
        let status = if bound { it.app.post("/revoke", &form).await.status } else { world.post("/revoke", &form, None).await.0 };
        assert_eq!(status, 200);
        let last = it.tokens.len() - 1;
        assert_eq!(it.refresh(Who::Holder, last).await.0, 400, "seed {seed}: revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_go_as_the_model_says() {
    let engines: &[Engine] =
        if std::env::var("SYMBOLON_TEST_POSTGRES").is_ok() { &[Engine::Sqlite, Engine::Postgres] } else { &[Engine::Sqlite] };
    for engine in engines {
        let (port, plan) = (free_port(), Plan::new(Vec::new()));
        let text = configuration(port, &database(*engine).await);
        let world = World::on(&text, port, |it| Store::faulty(it, plan.clone()).unwrap()).await;
        for seed in 0..24 {
            history(&world, &plan, seed % 2 == 0, seed).await;
        }
        world.stop().await;
    }
}
