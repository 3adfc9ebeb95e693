//! An app that is known by its client certificate asks people on its own screens (RFC 8705, the native face).

use crate::mtls::fleet;
use crate::world::*;
use rcgen::DnType;
use symbolon_oauth::certificate;

/// 286-H: the certificate is the key that the client is known by, at every request. Another device's certificate, and none, get nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_a_certificate_asks_people_itself() {
    for engine in engines() {
        let fleet = fleet(engine).await;
        let device = |serial: u64| {
            let made = fleet.ca.issue(serial, &[(DnType::CommonName, &format!("device-{serial}"))], |_| {});
            certificate::to_header(&made.der)
        };
        let (own, other) = (device(21), device(22));
        let begin = [("client_id", "fleet"), ("response_type", "code"), ("scope", "orders:read")];
        let at = "/authorize-challenge";
        let error = |answer: &(u16, serde_json::Value)| (answer.0, answer.1["error"].as_str().unwrap_or_default().to_owned());
        let refused = fleet.post(at, &begin, &[("client-cert", &own)]).await;
        assert_eq!(error(&refused), (400, "unauthorized_client".to_owned()), "the operator has not allowed it");
        fleet.world.reload(|it| it.set("client.fleet.native", true)).await;
        assert_eq!(error(&fleet.post(at, &begin, &[]).await), (401, "invalid_client".to_owned()), "no certificate");
        let step = fleet.post(at, &begin, &[("client-cert", &own)]).await;
        assert_eq!(error(&step), (403, "insufficient_authorization".to_owned()), "the twin: {step:?}");
        let held = step.1["auth_session"].as_str().unwrap();
        let password =
            [("client_id", "fleet"), ("auth_session", held), ("action", "continue"), ("username", "alice"), ("password", PASSWORD)];
        assert_eq!(
            error(&fleet.post(at, &password, &[("client-cert", &other)]).await),
            (400, "invalid_session".to_owned()),
            "another device"
        );
        let (status, done) = fleet.post(at, &password, &[("client-cert", &own)]).await;
        assert_eq!(status, 200, "the twin: {done}");
        let code = [("grant_type", "authorization_code"), ("client_id", "fleet"), ("code", done["authorization_code"].as_str().unwrap())];
        assert_eq!(error(&fleet.post("/token", &code, &[("client-cert", &other)]).await), (400, "invalid_grant".to_owned()));
        let (status, tokens) = fleet.post("/token", &code, &[("client-cert", &own)]).await;
        assert_eq!(status, 200, "the twin: {tokens}");
        fleet.stop().await;
    }
}
