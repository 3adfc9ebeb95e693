//! A month of many phones on bad networks: how many of their owners are logged out although nobody stole anything? Our own
//! rule (`grants::refresh::turn`, the very function the server runs) beside plain rotation and rotation with a fixed window.
//! `cargo xtask simulate` runs it and writes docs/refresh.md and its plot.

use std::fmt::Write as _;
use std::process::ExitCode;
use symbolon::grants::refresh::{Turn, turn};

const DAYS: usize = 30;
const DAY_MS: i64 = 86_400_000;
const REFRESHES_PER_DAY: i64 = 12;

/// How bad the network and the phone are, per refresh, in parts of a million: set so that plain rotation loses the five in a
/// hundred a day that a large app measured.
const REQUEST_LOST: u64 = 5_000;
const ANSWER_LOST: u64 = 2_500;
/// The answer came and the process died before it was written down.
const KILLED: u64 = 200;
/// Two processes of the app (the app and its widget) refresh within two seconds of each other.
const RACE: u64 = 1_500;
/// A second process refreshes with what it read an hour or so before.
const BEHIND: u64 = 20;

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    KeyBound,
    Unbound,
    Plain,
    Window(i64),
}

const RULES: [(&str, Rule, &str); 5] = [
    ("Symbolon, held by a key (DPoP)", Rule::KeyBound, "#1f4fd8"),
    ("Symbolon, bearer, 10 s", Rule::Unbound, "#2e9e5b"),
    ("rotation, fixed window 60 s", Rule::Window(60_000), "#c98a00"),
    ("rotation, fixed window 10 s", Rule::Window(10_000), "#d9682b"),
    ("rotation, no window", Rule::Plain, "#a11a1a"),
];

/// splitmix64: fast, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn happens(&mut self, per_million: u64) -> bool {
        self.next() % 1_000_000 < per_million
    }
    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from).unsigned_abs()) as i64
    }
    /// How long until the app tries again: most tries are quick, some wait for the end of a tunnel, some for the morning.
    fn pause_ms(&mut self) -> i64 {
        match self.next() % 100 {
            0..60 => self.between(500, 5_000),
            60..85 => self.between(5_000, 60_000),
            85..95 => self.between(60_000, 1_800_000),
            _ => self.between(3_600_000, 12 * 3_600_000),
        }
    }
}

/// What the server holds of one session.
struct Row {
    generation: u32,
    /// First issue of the generation.
    issued_ms: i64,
    ended: bool,
}

/// The server's answer: a token of this generation, or a refusal.
fn refresh(rule: Rule, row: &mut Row, presented: u32, now_ms: i64) -> Option<u32> {
    if row.ended {
        return None;
    }
    let judged = match rule {
        Rule::KeyBound => turn(row.generation, presented, true, now_ms - row.issued_ms, 10_000),
        Rule::Unbound => turn(row.generation, presented, false, now_ms - row.issued_ms, 10_000),
        Rule::Plain if presented == row.generation => Turn::Current,
        Rule::Plain => Turn::Spent,
        // The usual grace: within so many seconds of its rotation an old token gets a successor of its own.
        Rule::Window(_) if presented == row.generation => Turn::Current,
        Rule::Window(window_ms) if presented + 1 == row.generation && now_ms - row.issued_ms <= window_ms => Turn::Previous,
        Rule::Window(_) => Turn::Spent,
    };
    match judged {
        Turn::Current => {
            row.generation += 1;
            row.issued_ms = now_ms;
            Some(row.generation)
        }
        Turn::Previous | Turn::Ahead => Some(row.generation),
        Turn::Spent => {
            // An unbound token that was spent ends the session; a bound one is refused and the session stays.
            row.ended = rule != Rule::KeyBound;
            None
        }
    }
}

/// One phone's month; answers the day on which its owner was logged out.
fn month(rule: Rule, dice: &mut Dice) -> Option<usize> {
    let mut row = Row { generation: 1, issued_ms: 0, ended: false };
    let (mut held, mut before, mut now_ms) = (1_u32, 1_u32, 0_i64);
    while now_ms < DAYS as i64 * DAY_MS {
        now_ms += dice.between(DAY_MS / REFRESHES_PER_DAY / 2, DAY_MS / REFRESHES_PER_DAY * 3 / 2);
        let started_with = held;
        if dice.happens(BEHIND) {
            // The process that is behind is refused or not; refused, it reads again what the app wrote down.
            let _ = refresh(rule, &mut row, before, now_ms);
        }
        loop {
            let request_arrives = !dice.happens(REQUEST_LOST);
            let answer = if request_arrives { refresh(rule, &mut row, held, now_ms) } else { None };
            if dice.happens(RACE) {
                let _ = refresh(rule, &mut row, held, now_ms + dice.between(1, 2_000));
            }
            if row.ended {
                return Some((now_ms / DAY_MS) as usize);
            }
            let arrives = request_arrives && !dice.happens(ANSWER_LOST) && !dice.happens(KILLED);
            match answer {
                Some(generation) if arrives => {
                    (before, held) = (started_with, generation);
                    break;
                }
                // Refused, and the session lives: only a token that is too old, which a careful app never holds.
                None if arrives => return Some((now_ms / DAY_MS) as usize),
                _ => now_ms += dice.pause_ms(),
            }
        }
    }
    None
}

fn main() -> ExitCode {
    let phones: usize = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1_000_000);
    let mut results = Vec::new();
    for (name, rule, colour) in RULES {
        let mut by_day = vec![0_usize; DAYS + 2];
        for phone in 0..phones {
            // The same luck under every rule.
            if let Some(day) = month(rule, &mut Dice(phone as u64)) {
                by_day[day.min(DAYS)] += 1;
            }
        }
        let mut sum = 0;
        let share: Vec<f64> = by_day
            .iter()
            .take(DAYS + 1)
            .map(|of_day| {
                sum += of_day;
                100.0 * sum as f64 / phones as f64
            })
            .collect();
        eprintln!("{name:<34} {sum:>9} of {phones}");
        results.push((name, colour, sum, share));
    }
    let table: String = results.iter().fold(String::new(), |mut text, (name, _, sum, share)| {
        let _ = writeln!(text, "| {name} | {sum} | {:.3} % |", share[DAYS]);
        text
    });
    println!("| rule | logged out, of {phones} | share |\n|---|---:|---:|\n{table}");
    if let Some(path) = std::env::args().nth(2)
        && let Err(error) = std::fs::write(&path, plot(&results))
    {
        eprintln!("{path}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The share logged out, day by day.
fn plot(results: &[(&str, &str, usize, Vec<f64>)]) -> String {
    let most = results.iter().map(|it| it.3[DAYS]).fold(1.0, f64::max) * 1.05;
    let (x, y) = (|day: usize| 60.0 + day as f64 * 18.0, |share: f64| 330.0 - 290.0 * share / most);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 380\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>Share of phones wrongly logged out within a month</title>\n<rect width=\"860\" height=\"380\" fill=\"#fff\"/>\n",
    );
    for step in 0..=4 {
        let share = most * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<path d=\"M60 {0:.0}H600\" stroke=\"#ddd\"/><text x=\"52\" y=\"{1:.0}\" text-anchor=\"end\">{share:.1} %</text>",
            y(share),
            y(share) + 4.0
        );
    }
    let _ = writeln!(svg, "<text x=\"60\" y=\"355\">day 0</text><text x=\"600\" y=\"355\" text-anchor=\"end\">day {DAYS}</text>");
    for (at, (name, colour, _, share)) in results.iter().enumerate() {
        let points: Vec<String> = share.iter().enumerate().map(|(day, it)| format!("{:.1},{:.1}", x(day), y(*it))).collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"/>", points.join(" "));
        let line = 60 + at * 26;
        let _ = writeln!(
            svg,
            "<rect x=\"620\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"640\" y=\"{}\">{name}</text>",
            line - 6,
            line
        );
    }
    svg + "</svg>\n"
}
