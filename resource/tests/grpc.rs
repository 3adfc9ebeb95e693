//! The same layer in front of a gRPC service.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod world;

use serde_json::json;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use world::world;

/// Starts gRPC's health service behind `orders:read`, and returns its address.
async fn start(world: &world::World) -> String {
    let (_reporter, service) = tonic_health::server::health_reporter();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().layer(world.guard.require("orders:read")).add_service(service);
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn ask(address: &str, token: Option<&str>) -> Result<ServingStatus, tonic::Status> {
    let channel = tonic::transport::Endpoint::from_shared(address.to_owned()).unwrap().connect().await.unwrap();
    let mut client = HealthClient::new(channel);
    let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
    if let Some(token) = token {
        let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    client.check(request).await.map(|it| it.into_inner().status())
}

#[tokio::test]
async fn a_grpc_call_is_accepted_or_refused_in_grpcs_own_form() {
    let world = world().await;
    let address = start(&world).await;
    let good = world.token(&world.claims());
    assert_eq!(ask(&address, Some(&good)).await.unwrap(), ServingStatus::Serving);

    let none = ask(&address, None).await.unwrap_err();
    assert_eq!((none.code(), none.message()), (Code::Unauthenticated, "Send an access token in the Authorization header."));
    assert_eq!(none.metadata().get("www-authenticate").unwrap(), "Bearer");

    let mut claims = world.claims();
    claims["aud"] = "https://api.example.com/ledger".into();
    let other = ask(&address, Some(&world.token(&claims))).await.unwrap_err();
    assert_eq!(other.code(), Code::Unauthenticated);
    assert!(other.message().starts_with("This token is for another API."), "{}", other.message());

    let mut claims = world.claims();
    claims["scope"] = json!("orders:write");
    let narrow = ask(&address, Some(&world.token(&claims))).await.unwrap_err();
    assert_eq!(narrow.code(), Code::PermissionDenied);
    assert!(narrow.metadata().get("www-authenticate").unwrap().to_str().unwrap().contains(r#"scope="orders:read""#));
}
