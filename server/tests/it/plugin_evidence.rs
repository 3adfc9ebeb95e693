//! Evidence of another platform that a plug-in judges. The guest is made from text. It takes the evidence for the name of a device, and what
//! it answers depends on the first letter: `d` accepts, `o` names another challenge, `b` refuses, anything else traps.

use crate::plugins::table;
use crate::world::*;

const BACK: &str = "https://desk.example.com/cb";

/// `tier`: 0 software, 1 hardware_claimed, 2 hardware.
fn judging(tier: u8) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "symbolon:plugin/login@0.2.0" (instance $l
    (type $claim0 (record (field "name" string) (field "value" string)))
    (export "claim" (type $claim (eq $claim0)))))
  (alias export $l "claim" (type $claim))
  (import "symbolon:plugin/evidences@0.2.0" (instance $e
    (alias outer 1 $claim (type $c))
    (export "claim" (type $claim (eq $c)))
    (type $tier0 (enum "software" "hardware-claimed" "hardware"))
    (export "tier" (type $tier (eq $tier0)))
    (type $facts0 (record (field "client" string) (field "binding" (list u8)) (field "installation" string) (field "renewal" bool)
      (field "evidence" string)))
    (export "facts" (type $facts (eq $facts0)))
    (type $accepted0 (record (field "binding" (list u8)) (field "evidence-key" (list u8)) (field "tier" $tier)
      (field "facts" (list $claim))))
    (export "accepted" (type $accepted (eq $accepted0)))
    (type $verdict0 (variant (case "accepted" $accepted) (case "refused" (list string))))
    (export "verdict" (type $verdict (eq $verdict0)))))
  (alias export $e "facts" (type $facts))
  (alias export $e "verdict" (type $verdict))
  (core module $guest
    (memory (export "memory") 1)
    (global $end (mut i32) (i32.const 8192))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $end) (i32.const 7)) (i32.const -8)))
      (global.set $end (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (data (i32.const 1024) "model")
    (data (i32.const 1032) "\"desk\"")
    (data (i32.const 1040) "signature")
    (func $text (param $at i32) (param $text i32) (param $length i32)
      (i32.store (local.get $at) (local.get $text)) (i32.store offset=4 (local.get $at) (local.get $length)))
    (func (export "verify") (param i32 i32) (param $binding i32) (param $size i32) (param i32 i32 i32) (param $said i32) (param $length i32)
      (result i32) (local $first i32)
      (local.set $first (i32.load8_u (local.get $said)))
      (call $text (i32.const 520) (local.get $binding) (local.get $size))
      (call $text (i32.const 528) (local.get $said) (local.get $length))
      (i32.store8 (i32.const 536) (i32.const {tier}))
      (call $text (i32.const 540) (i32.const 1300) (i32.const 1))
      (call $text (i32.const 1300) (i32.const 1024) (i32.const 5))
      (call $text (i32.const 1308) (i32.const 1032) (i32.const 6))
      (if (i32.eq (local.get $first) (i32.const 100)) (then (return (i32.const 512))))
      (if (i32.eq (local.get $first) (i32.const 111))
        (then (call $text (i32.const 520) (i32.const 4000) (i32.const 32)) (return (i32.const 512))))
      (if (i32.eq (local.get $first) (i32.const 98))
        (then (i32.store8 (i32.const 516) (i32.const 1))
          (call $text (i32.const 520) (i32.const 1300) (i32.const 1))
          (call $text (i32.const 1300) (i32.const 1040) (i32.const 9))
          (return (i32.const 512))))
      (unreachable)))
  (core instance $guest (instantiate $guest))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "realloc" (core func $realloc))
  (type $verify (func (param "facts" $facts) (result (result $verdict (error string)))))
  (func $lifted (type $verify) (canon lift (core func $guest "verify") (memory $memory) (realloc $realloc)))
  (export "verify" (func $lifted)))"#
    );
    wat::parse_str(text).unwrap()
}

fn desk(tier: u8, most: &str) -> String {
    table("desk", &judging(tier), &format!("world = \"evidence\"\ntier = \"{most}\""))
}

async fn world(engine: Engine, plugin: &str) -> World {
    let client = format!(
        "[client.desk]\nkind = \"native\"\nfirst_party = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
         apis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{BACK}\"]\n\
         [client.desk.attestation]\nmax_age = \"1h\"\nplugins = [\"desk\"]\n"
    );
    Configuration::on(engine).await.with(plugin).with(&client).start().await
}

async fn first(phone: &mut Phone<'_>, evidence: &str) -> Answer {
    let (challenge, _) = phone.any_challenge("desk").await;
    phone.attest("plugin:desk", &challenge, &[("evidence", evidence)]).await
}

/// The plug-in says what the evidence names; challenge, key and once-ness stay ours, and its tier is at most the configured one.
#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_speaks_for_its_own_platform_up_to_its_tier() {
    for engine in engines() {
        for (said, most, tier) in [(2, "hardware", "hardware"), (2, "software", "software"), (0, "hardware", "software")] {
            let world = world(engine, &desk(said, most)).await;
            let mut phone = Phone::new(&world, "desk", BACK);
            let answer = first(&mut phone, "device-1").await;
            assert_eq!((answer.status, answer.text("tier").as_str()), (200, tier), "{said} {most}: {}", answer.body);
            world.stop().await;
        }
        let world = world(engine, &desk(1, "hardware")).await;
        let mut phone = Phone::new(&world, "desk", BACK);
        for (evidence, rule) in [("bad", "plugin_rules"), ("other", "challenge")] {
            let refused = first(&mut phone, evidence).await;
            assert_eq!(refused.error(), (400, "invalid_client_attestation"), "{evidence}: {}", refused.body);
            let last = world.entries("evidence_refused").await;
            assert!(last.last().unwrap()["reason"].as_str().unwrap().contains(rule), "{evidence}: {last:?}");
        }
        // A program that fails judges nothing, and the app may try again.
        let away = first(&mut phone, "trap").await;
        assert_eq!(away.error(), (503, "temporarily_unavailable"), "{}", away.body);
        let failed = world.entries("plugin_failed").await;
        assert_eq!((failed.len(), &failed[0]["client"], &failed[0]["detail"]["plugin"]), (1, &"desk".into(), &"desk".into()), "{failed:?}");
        assert!(failed[0]["reason"].as_str().unwrap().starts_with("trap") && crate::plugin_calls::names_its_call(&failed[0]), "{failed:?}");
        let good = first(&mut phone, "device-1").await;
        assert_eq!(good.status, 200, "the twin: {}", good.body);
        assert_eq!(phone.try_tokens("orders:read").await.status, 200);
        let facts = phone.facts().await;
        assert_eq!((&facts["model"], &facts["proved"]), (&"desk".into(), &"hardware_claimed".into()), "{facts}");
        world.stop().await;
    }
}

/// One device is one installation, a challenge works once, and a renewal is about the same device.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_plug_in_is_of_one_device_and_used_once() {
    for engine in engines() {
        let world = world(engine, &desk(1, "hardware")).await;
        let mut phone = Phone::new(&world, "desk", BACK);
        let (challenge, _) = phone.any_challenge("desk").await;
        assert_eq!(phone.attest("plugin:desk", &challenge, &[("evidence", "device-1")]).await.status, 200);
        let again = phone.attest("plugin:desk", &challenge, &[("evidence", "device-1x")]).await;
        assert_eq!(again.error(), (400, "invalid_client_attestation"), "{}", again.body);
        // Another installation with the evidence of this device.
        let mut thief = Phone::new(&world, "desk", BACK);
        let refused = first(&mut thief, "device-1").await;
        assert_eq!(refused.error(), (400, "invalid_client_attestation"), "{}", refused.body);
        assert_eq!(first(&mut thief, "device-2").await.status, 200, "the twin: a device of its own");
        // A renewal needs a challenge that was asked for with the key.
        let unbound = first(&mut phone, "device-1").await;
        assert_eq!(unbound.error(), (400, "invalid_client_attestation"), "{}", unbound.body);
        let (own, _) = phone.own_challenge("desk").await;
        let other = phone.attest("plugin:desk", &own, &[("evidence", "device-3")]).await;
        assert_eq!(other.error(), (400, "invalid_client_attestation"), "{}", other.body);
        let (own, _) = phone.own_challenge("desk").await;
        let renewed = phone.attest("plugin:desk", &own, &[("evidence", "device-1")]).await;
        assert_eq!(renewed.status, 200, "the twin: {}", renewed.body);
        world.stop().await;
    }
}

/// What the client does not list is no format of its, and a name that no plug-in has stops the start.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_takes_the_plug_ins_that_it_lists() {
    let world = world(Engine::Sqlite, &desk(1, "hardware")).await;
    let mut phone = Phone::new(&world, "desk", BACK);
    for format in ["plugin:other", "plugin:", "plugin"] {
        let (challenge, _) = phone.any_challenge("desk").await;
        let refused = phone.attest(format, &challenge, &[("evidence", "device-1")]).await;
        assert_eq!(refused.error(), (400, "invalid_client_attestation"), "{format}: {}", refused.body);
    }
    let (challenge, _) = phone.any_challenge("desk").await;
    assert_eq!(phone.attest("plugin:desk", &challenge, &[]).await.error(), (400, "invalid_client_attestation"));
    world.stop().await;
    let missing = Configuration::to_read().with(
        "[client.desk]\nkind = \"native\"\nauthentication = \"attest_jwt_client_auth_dpop\"\nredirect_uris = [\"https://desk.example.com/cb\"]\n\
         apis = { orders = [\"orders:read\"] }\n[client.desk.attestation]\nplugins = [\"desk\"]\n",
    );
    let error = missing.read().unwrap_err();
    assert!(error.contains("there is no [plugin.desk] of the world evidence"), "{error}");
}
