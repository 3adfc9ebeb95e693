//! A kiosk that authenticates by a certificate of its organisation (RFC 8705), from the first request to its end. docs/kiosk.md.

use crate::commands::symbolon;
use crate::kiosks::{MEMBERS, member, nonce, proof};
use crate::mtls::{Cert, Fleet, fleet_with};
use crate::world::*;
use rcgen::DnType;
use serde_json::{Value as Json, json};
use symbolon_oauth::certificate;
use symbolon_oauth::kiosk::GRANT_TYPE;

fn clients(tls_client_auth: &str) -> String {
    format!(
        "[client.member-app]\nkind = \"native\"\nfirst_party = true\ndpop = \"required\"\napis = {{ orders = [\"orders:read\"] }}\n\
         redirect_uris = [\"{MEMBERS}\"]\n\
         [client.gate]\nkind = \"native\"\nname = \"Gates\"\nfirst_party = true\nauthentication = \"tls_client_auth\"\n\
         apis = {{ orders = [\"orders:read\"] }}\ngrants = [\"{GRANT_TYPE}\"]\ntls_client_certificate_bound_access_tokens = true\n\
         tls_client_auth = {tls_client_auth}\n[client.gate.kiosk]\nmembers = [\"member-app\"]\n"
    )
}

/// A request of a kiosk as the proxy passes it on.
async fn send(fleet: &Fleet, gate: Option<&Cert>, path: &str, form: &[(&str, &str)]) -> (u16, Json) {
    let header = gate.map(|gate| certificate::to_header(&gate.der));
    let form = [&[("client_id", "gate")], form].concat();
    fleet.post(path, &form, &header.iter().map(|it| ("client-cert", it.as_str())).collect::<Vec<_>>()).await
}

async fn challenge(fleet: &Fleet, gate: &Cert) -> String {
    let (status, said) = send(fleet, Some(gate), "/kiosk/challenge", &[]).await;
    assert_eq!(status, 200, "{said}");
    nonce(&said)
}

/// The certificate is who it is: enrolled at the first request, named by the operator, bound to its token, revoked alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_kiosk_is_known_by_its_certificate() {
    for engine in engines() {
        let fleet = fleet_with(engine, clients).await;
        let world = &fleet.world;
        let subject = |name: &'static str| [(DnType::OrganizationName, "Example"), (DnType::CommonName, name)];
        let (gate, other) = (fleet.ca.issue(1, &subject("gate-1"), |_| {}), fleet.ca.issue(2, &subject("gate-2"), |_| {}));
        // Not named yet: it gets nothing, and the operator reads which device it is.
        for device in [&gate, &other] {
            let (status, answer) = send(&fleet, Some(device), "/kiosk/challenge", &[]).await;
            assert_eq!((status, answer["error"].as_str()), (400, Some("unauthorized_client")), "{answer}");
        }
        let app = world.running.shared.now();
        let rows = app.store.all("SELECT jkt, facts FROM instance WHERE client = 'gate'", &[]).await.unwrap();
        let id_of = |name: &str| rows.iter().find(|row| row.text("facts").unwrap().contains(name)).unwrap().text("jkt").unwrap().to_owned();
        let named = |id: &str, name: &str| format!("[client.gate.kiosk.device.{id}]\nname = \"{name}\"\nplace = \"Main hall\"\n");
        let both = [named(&id_of("gate-1"), "Gate 1"), named(&id_of("gate-2"), "Gate 2")].concat();
        world.reload(|it| it.with(&both)).await;
        let mut phone = Phone { pushes: false, ..Phone::new(world, "member-app", MEMBERS) };
        let kept = member(&mut phone, "orders:read").await;
        let asked = challenge(&fleet, &gate).await;
        let code = proof(&phone, &kept.pass, Some(&asked));
        let form = [("grant_type", GRANT_TYPE), ("proof", code.as_str())];
        // Without the certificate, and with the other kiosk's.
        let (status, answer) = send(&fleet, None, "/token", &form).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "{answer}");
        let (status, answer) = send(&fleet, Some(&other), "/token", &form).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{answer}");
        let (status, answer) = send(&fleet, Some(&gate), "/token", &form).await;
        assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")), "the twin: {answer}");
        let token = claims(answer["access_token"].as_str().unwrap());
        assert_eq!(token["cnf"], json!({ "x5t#S256": certificate::thumbprint(&gate.der) }));
        assert_eq!(token["act"], json!({ "sub": "gate", "device": id_of("gate-1"), "name": "Gate 1", "place": "Main hall" }));
        // A renewed certificate is the same kiosk.
        let renewed = fleet.ca.issue(3, &subject("gate-1"), |_| {});
        let asked = challenge(&fleet, &renewed).await;
        let code = proof(&phone, &kept.pass, Some(&asked));
        let (status, answer) = send(&fleet, Some(&gate), "/token", &[("grant_type", GRANT_TYPE), ("proof", &code)]).await;
        assert_eq!(status, 200, "{answer}");
        // Revoked alone, with what it got.
        let introspect = async |answer: &Json| {
            let token = [("token", answer["access_token"].as_str().unwrap())];
            world.post("/introspect", &token, Some("orders")).await.1["active"].clone()
        };
        assert_eq!(introspect(&answer).await, true);
        assert_eq!(symbolon(&world.file(), &["instance", "revoke", "--", &id_of("gate-1")], "").await.0, Some(0));
        assert_eq!(introspect(&answer).await, false);
        assert_eq!(send(&fleet, Some(&renewed), "/kiosk/challenge", &[]).await.0, 401);
        challenge(&fleet, &other).await;
        fleet.stop().await;
    }
}
