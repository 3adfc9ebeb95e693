//! What an operator sees of plug-ins: `plugin check` and its trial, `plugin list`, metrics, and a decision that is only observed.

use crate::commands::{symbolon, told};
use crate::plugins::{ALLOW, DENY, SHORTEN, STEP_UP, TRAP, claiming, deciding, decision, file_of, table};
use crate::world::*;
use serde_json::{Value as Json, json};
use std::path::Path;

const BRANCH_VISIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin/examples/branch-visit/branch-visit.wasm");

/// One call without a server: the exit code, and each line that it prints.
pub async fn trial(file: &str, input: &Json) -> (Option<i32>, Vec<Json>) {
    let place = std::env::temp_dir()
        .join(format!("symbolon-trial-{}.json", symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap())));
    std::fs::write(&place, input.to_string()).unwrap();
    let (code, said, complained) = symbolon(Path::new("unused"), &["plugin", "check", file, "--input", place.to_str().unwrap()], "").await;
    std::fs::remove_file(&place).unwrap();
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| json!(line));
    (code, said.lines().chain(complained.lines()).map(read).collect())
}

/// What a file is, as text and as JSON; a file that is none, and another world than was asked for, are refused.
#[tokio::test(flavor = "multi_thread")]
async fn plugin_check_says_what_a_file_is() {
    let check = async |words: &[&str]| symbolon(Path::new("unused"), words, "").await;
    let (code, said, _) = check(&["plugin", "check", BRANCH_VISIT]).await;
    assert_eq!(code, Some(0));
    let digest = crate::plugins::digest_of(&std::fs::read(BRANCH_VISIT).unwrap());
    for words in ["world    method, interface 0.2.0", digest.as_str(), "KiB, compiled in", "memory ", "imports  symbolon:plugin/host"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (code, said, _) = check(&["--json", "plugin", "check", BRANCH_VISIT, "--world", "method"]).await;
    let document: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &document["world"], &document["sha256"]), (Some(0), &json!("method"), &json!(digest)));
    assert!(document["memory_bytes"].as_u64().unwrap() > 0 && document["imports"].as_array().is_some_and(|all| !all.is_empty()));
    let text = file_of("none", b"no component");
    let pairs: [(&[&str], &str); 4] = [
        (&["plugin", "check", BRANCH_VISIT, "--world", "decision"], "no plug-in of the world decision"),
        // P-02: the limits are those of the configuration, and said before anybody signs in.
        (&["plugin", "check", BRANCH_VISIT, "--memory", "1"], "needs 2 MiB of memory, the limit is 1 MiB: set memory"),
        (&["plugin", "check", &text], "no WebAssembly component"),
        (&["plugin", "check", "/nowhere.wasm"], "/nowhere.wasm"),
    ];
    for (words, why) in pairs {
        let (code, _, error) = check(words).await;
        assert!(code == Some(1) && error.contains(why), "{words:?}: {code:?} {error}");
    }
}

/// P-14, P-16: the trial of each world. A failure is said with its reason, and ends with 1.
#[tokio::test(flavor = "multi_thread")]
async fn plugin_check_calls_a_file_once() {
    // A method: its question, a right answer, a wrong one, a service that is away.
    let person = json!({ "name": "alice", "claims": { "customer_id": "c-1" } });
    let config = json!({ "service": "https://branches.bank.example" });
    let (code, said) = trial(BRANCH_VISIT, &json!({ "config": config, "locale": "en", "person": person })).await;
    assert!(code == Some(0) && said.last().unwrap()["answer"].as_str().unwrap().contains("Number from the branch"), "{said:?}");
    let with =
        |http: Json| json!({ "config": config, "locale": "en", "person": person, "http": http, "answer": { "visit_number": "12345678" } });
    let (code, said) = trial(BRANCH_VISIT, &with(json!([{ "status": 200 }]))).await;
    assert!(code == Some(0) && said.last().unwrap()["answer"].as_str().unwrap().contains("Proved"), "{said:?}");
    let sent = said.iter().find(|line| line.get("http").is_some()).unwrap();
    assert_eq!(sent["http"]["url"], "https://branches.bank.example/visits/redeem");
    assert!(sent["http"]["body"].as_str().unwrap().contains("\"customer\":\"c-1\""), "{sent}");
    let (code, said) = trial(BRANCH_VISIT, &with(json!([{ "status": 404 }]))).await;
    assert!(code == Some(0) && said.last().unwrap()["answer"].as_str().unwrap().contains("Wrong"), "{said:?}");
    let (code, said) = trial(BRANCH_VISIT, &with(json!([]))).await;
    assert!(code == Some(1) && said.last().unwrap()["failure"].as_str().unwrap().starts_with("refused"), "{said:?}");
    assert!(said.last().unwrap()["time_us"].as_u64().is_some_and(|us| us > 0), "{said:?}");
    // A decision, at each moment.
    for (body, words) in [(ALLOW, "Allow"), (DENY, "Deny(\"a reason\")"), (STEP_UP, "StepUp"), (SHORTEN, "Shorten(60)")] {
        let file = file_of("trial", &decision(body));
        for moment in ["sign-in", "token", "refresh"] {
            let (code, said) = trial(&file, &json!({ "moment": moment, "client": "shop", "sub": "alice", "address": "192.0.2.1" })).await;
            assert!(code == Some(0) && said.last().unwrap()["answer"].as_str().unwrap().contains(words), "{words} {moment}: {said:?}");
        }
    }
    let (code, said) = trial(&file_of("trial", &decision(TRAP)), &json!({})).await;
    assert!(code == Some(1) && said.last().unwrap()["failure"].as_str().unwrap().starts_with("trap"), "{said:?}");
    let (code, said) = trial(&file_of("trial", &decision(ALLOW)), &json!({ "moment": "never" })).await;
    assert!(code == Some(1) && said.last().unwrap()["failure"].as_str().unwrap().contains("there is no moment"), "{said:?}");
    // Claims: what the API does not list is a failure here too.
    let claims = file_of("trial-claims", &claiming("plan", "\"gold\""));
    let (code, said) = trial(&claims, &json!({ "plugin_claims": ["plan"] })).await;
    assert_eq!(code, Some(0), "{said:?}");
    for listed in [json!({ "plugin_claims": ["other"] }), json!({})] {
        let (code, said) = trial(&claims, &listed).await;
        assert!(code == Some(1) && said.last().unwrap()["failure"].as_str().unwrap().contains("does not list"), "{said:?}");
    }
    // What the input does not have is an error with its place.
    for (input, why) in [(json!({ "perso": {} }), "perso"), (json!("text"), "invalid type"), (json!({ "http": [{}] }), "status")] {
        let (code, said) = trial(BRANCH_VISIT, &input).await;
        assert!(code == Some(1) && format!("{said:?}").contains(why), "{why}: {said:?}");
    }
}

/// `plugin list`, /health/details and the metrics say the same: calls, failures, the mean time, the digest, and what could not be loaded.
#[tokio::test(flavor = "multi_thread")]
async fn plugin_list_and_metrics_count_the_calls() {
    for engine in engines() {
        let port = symbolon_phone::net::free_port();
        let configuration = Configuration::on(engine).await.with(&format!("metrics = \"127.0.0.1:{port}\""));
        // A name of this test alone: metrics are of the process.
        let name = format!("counted-{}", port);
        let named = |body: &str| table(&name, &decision(body), "world = \"decision\"\nat = [\"refresh\"]\ntime = \"1s\"");
        let gone = format!(
            "[plugin.gone]\nfile = '/nowhere.wasm'\nsha256 = \"{}\"\nworld = \"decision\"\nat = [\"token\"]\noptional = true\nclients = [\"other-ios\"]\n",
            crate::plugins::digest_of(b"gone")
        );
        let world = configuration.with(&named(ALLOW)).with(&gone).start().await;
        let tokens = world.tokens("orders:read").await;
        let mut refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        for _ in 0..3 {
            let (status, next) = world.refresh(&refresh).await;
            assert_eq!(status, 200, "{next}");
            refresh = next["refresh_token"].as_str().unwrap().to_owned();
        }
        let listed = async || {
            let (is_good, said) = told(&world, &["--json", "plugin", "list"]).await;
            assert!(is_good, "{said}");
            let document: Json = serde_json::from_str(&said).unwrap();
            let all = document["plugins"].as_array().unwrap().clone();
            (all.iter().find(|it| it["name"] == name).unwrap().clone(), all.iter().find(|it| it["name"] == "gone").unwrap().clone())
        };
        let (line, missing) = listed().await;
        assert_eq!((&line["calls"], &line["failures"], &line["world"]), (&json!(3), &json!(0), &json!("decision")), "{line}");
        assert_eq!(line["interface"], "0.2.0");
        assert!(line["mean_us"].as_u64().is_some_and(|us| us > 0), "{line}");
        assert_eq!(line["sha256"], crate::plugins::digest_of(&decision(ALLOW)));
        assert!(missing["problem"].as_str().unwrap().contains("cannot read") && missing["calls"] == 0, "{missing}");
        // A reload for another reason goes on counting.
        world.reload(|it| it.set(&format!("plugin.{name}.memory"), 32)).await;
        let (line, _) = listed().await;
        assert_eq!((&line["calls"], line["mean_us"].as_u64().is_some_and(|us| us > 0)), (&json!(3), true), "{line}");
        // A reload with another file counts anew; failures are counted too.
        world.reload(|it| it.without(&format!("plugin.{name}")).with(&named(TRAP))).await;
        assert_eq!(world.refresh(&refresh).await.0, 503);
        let (line, _) = listed().await;
        assert_eq!((&line["calls"], &line["failures"]), (&json!(1), &json!(1)), "{line}");
        let (_, text) = told(&world, &["plugin", "list"]).await;
        assert!(text.contains("CALLS") && text.contains(&name) && text.contains("not loaded: cannot read"), "{text}");
        let inside =
            async |path: &str| world.http.get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap().text().await.unwrap();
        let metrics = inside("/metrics").await;
        let value = |series: &str, labels: &[String]| -> Option<f64> {
            let line = metrics.lines().find(|line| line.starts_with(series) && labels.iter().all(|label| line.contains(label.as_str())))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        let of = |label: &str, word: &str| format!("{label}=\"{word}\"");
        let calls = |outcome: &str| value("symbolon_plugin_calls_total", &[of("plugin", &name), of("outcome", outcome)]);
        assert_eq!((calls("ok"), calls("trap")), (Some(3.0), Some(1.0)), "{metrics}");
        let info = |bytes: &[u8]| value("symbolon_plugin_info", &[of("plugin", &name), of("sha256", &crate::plugins::digest_of(bytes))]);
        assert_eq!((info(&decision(ALLOW)), info(&decision(TRAP))), (Some(0.0), Some(1.0)), "{metrics}");
        let health: Json = serde_json::from_str(&inside("/health/details").await).unwrap();
        assert_eq!(health["plugins_not_loaded"], json!(["gone"]), "{health}");
        world.stop().await;
    }
}

/// P-10: the metric names the files that are in force: not one of a reload that was refused, and none after the last was taken away.
#[tokio::test(flavor = "multi_thread")]
async fn the_metric_names_the_plug_ins_in_force() {
    let port = symbolon_phone::net::free_port();
    // A name of this test alone: metrics are of the process.
    let name = format!("measured-{port}");
    let named = |body: &str| table(&name, &decision(body), "world = \"decision\"\nat = [\"refresh\"]\n");
    let configuration = Configuration::on(Engine::Sqlite).await.with(&format!("metrics = \"127.0.0.1:{port}\""));
    let world = configuration.with(&named(ALLOW)).start().await;
    let in_force = async || {
        let text = world.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap().text().await.unwrap();
        [ALLOW, DENY].map(|body| {
            let digest = crate::plugins::digest_of(&decision(body));
            let is_it = |line: &&str| line.starts_with("symbolon_plugin_info") && line.contains(&name) && line.contains(&digest);
            text.lines().find(is_it).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        })
    };
    assert_eq!(in_force().await, [Some(1.0), None]);
    let good = std::fs::read_to_string(world.file()).unwrap();
    let gone = format!(
        "[plugin.zzz]\nfile = '/nowhere.wasm'\nsha256 = \"{}\"\nworld = \"decision\"\nat = [\"token\"]\n",
        crate::plugins::digest_of(b"gone")
    );
    let refused = Configuration::from_text(0, &good).without("plugin").with(&named(DENY)).with(&gone);
    std::fs::write(world.file(), refused.text()).unwrap();
    let error = symbolon::serve::reload(&world.running.shared, &world.file()).await.unwrap_err().to_string();
    assert!(error.contains("cannot read /nowhere.wasm"), "{error}");
    assert_eq!(in_force().await, [Some(1.0), None], "what was refused is not in force");
    std::fs::write(world.file(), &good).unwrap();
    world.reload(|it| it.without("plugin").with(&named(DENY))).await;
    assert_eq!(in_force().await, [Some(0.0), Some(1.0)], "the twin");
    world.reload(|it| it.without("plugin")).await;
    assert_eq!(in_force().await, [Some(0.0), Some(0.0)]);
    world.stop().await;
}

/// P-12: what was compiled is taken from the cache at the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_compiles_nothing() {
    for (cache, from, other) in [("plugin_cache = \"compiled\"\n", "cache", "compiler"), ("", "compiler", "cache")] {
        let port = symbolon_phone::net::free_port();
        let name = format!("kept-{port}");
        let plugin = table(&name, &decision(ALLOW), "world = \"decision\"\nat = [\"refresh\"]\ntime = \"1s\"");
        let configuration = Configuration::on(Engine::Sqlite).await.with(&format!("metrics = \"127.0.0.1:{port}\"\n{cache}"));
        let world = configuration.with(&plugin).start().await;
        let loads = async |world: &World, from: &str| -> u32 {
            let text = world.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await.unwrap().text().await.unwrap();
            let is_it = |line: &&str| {
                let labels = [format!("plugin=\"{name}\""), format!("from=\"{from}\"")];
                line.starts_with("symbolon_plugin_loads_total") && labels.iter().all(|label| line.contains(label))
            };
            text.lines().find(is_it).map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
        };
        let before = (loads(&world, from).await, loads(&world, other).await);
        let world = world.restarted(|_| {}).await;
        let after = (loads(&world, from).await, loads(&world, other).await);
        assert_eq!(after, (before.0 + 1, before.1), "{from}");
        world.stop().await;
    }
}

/// A verdict that changes nothing keeps nobody waiting for all of its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_a_second_for_what_is_observed() {
    for is_observed in [true, false] {
        let world = Configuration::on(Engine::Sqlite).await.start().await;
        let tokens = world.tokens("orders:read").await;
        let endless = deciding("(loop $again (br $again))", "refresh", &format!("observe = {is_observed}"));
        world.reload(|it| it.with(&endless.replace("time = \"1s\"", "time = \"3s\""))).await;
        let (status, body) = world.refresh(tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(status, if is_observed { 200 } else { 503 }, "{body}");
        let entries = world.entries("plugin_failed").await;
        let reason = entries.last().unwrap()["reason"].as_str().unwrap();
        assert!(reason.starts_with("time: ") && reason.contains("observed only") == is_observed, "{reason}");
        world.stop().await;
    }
}

/// A decision that is observed is asked and written down at each moment, changes nothing, and cannot make anything fail.
#[tokio::test(flavor = "multi_thread")]
async fn an_observed_decision_changes_nothing() {
    for engine in engines() {
        for (body, event) in [(DENY, "plugin_denied"), (STEP_UP, "plugin_step_up"), (TRAP, "plugin_failed")] {
            let world = Configuration::on(engine).await.with(&deciding(ALLOW, "refresh", "")).start().await;
            for (moment, seen) in [("sign-in", 1), ("token", 2), ("refresh", 3)] {
                world.reload(|it| it.without("plugin").with(&deciding(body, moment, "observe = true"))).await;
                let tokens = world.tokens("orders:read").await;
                let (status, next) = world.refresh(tokens["refresh_token"].as_str().unwrap()).await;
                assert_eq!((status, next["expires_in"].as_i64()), (200, Some(900)), "{moment}: {next}");
                let entries = world.entries(event).await;
                assert_eq!(entries.len(), seen, "{moment}: {entries:?}");
                let last = &entries[seen - 1]["detail"];
                assert_eq!((&last["observed"], &last["moment"]), (&json!(true), &json!(moment)), "{last}");
            }
            // The twin: the same verdict, and it counts.
            world.reload(|it| it.without("plugin").with(&deciding(ALLOW, "refresh", ""))).await;
            let tokens = world.tokens("orders:read").await;
            world.reload(|it| it.without("plugin").with(&deciding(body, "refresh", ""))).await;
            assert!(world.refresh(tokens["refresh_token"].as_str().unwrap()).await.0 >= 400, "{event}");
            world.stop().await;
        }
    }
}

/// P-10: a server does not begin without its plug-in, unless the configuration calls it optional. `check` says it before.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_begin_without_its_plug_in() {
    let name = symbolon_oauth::base64url::encode(&symbolon::seal::random::<9>().unwrap());
    let directory = std::env::temp_dir().join(format!("symbolon-plugins-{name}"));
    assert_eq!(symbolon(Path::new("unused"), &["init", directory.to_str().unwrap()], "").await.0, Some(0));
    let file = directory.join("symbolon.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let with = |text: &str| std::fs::write(&file, format!("{good}\n{text}")).unwrap();
    let rule = decision(ALLOW);
    let digest = crate::plugins::digest_of(&rule);
    let gone = |more: &str| {
        format!("[plugin.rule]\nfile = '/nowhere.wasm'\nsha256 = \"{digest}\"\nworld = \"decision\"\nat = [\"token\"]\n{more}\n")
    };
    let other = table("rule", &rule, "world = \"decision\"\nat = [\"token\"]").replacen(&digest, &crate::plugins::digest_of(b""), 1);
    let claims = table("rule", &rule, "world = \"claims\"");
    for (text, why) in [(gone(""), "cannot read /nowhere.wasm"), (other, "another digest"), (claims, "no plug-in of the world claims")] {
        with(&text);
        for words in [["check"], ["serve"]] {
            let (code, said, error) = symbolon(&file, &words, "").await;
            assert!(code == Some(1) && format!("{said}{error}").contains(why), "{words:?} {why}: {code:?} {said} {error}");
        }
    }
    for text in [table("rule", &rule, "world = \"decision\"\nat = [\"token\"]"), gone("optional = true")] {
        with(&text);
        let (code, said, error) = symbolon(&file, &["check"], "").await;
        assert_eq!(code, Some(0), "the twin: {said} {error}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
