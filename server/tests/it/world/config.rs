//! The configuration every world starts from.

use super::{NATIVE_BACK, SECRET, WEB_BACK};
use std::sync::OnceLock;

/// The configuration every world starts from.
pub fn configuration(port: u16, database: &str) -> String {
    let digest = secret_digest();
    format!(
        r#"
issuer = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
database = "{database}"
development = true

[api.orders]
audience = "https://api.example.com/orders"
lifetime = "15m"
introspection_secret = '{digest}'
[api.orders.scope."orders:read"]
text = "See your orders"
claims = ["customer_id"]
[api.orders.scope."orders:write"]
text = "Change your orders"

[api.ledger]
audience = "https://api.example.com/ledger"
token = "opaque"
introspection_secret = '{digest}'
[api.ledger.scope."ledger:read"]
text = "See your balance"

[client.shop-ios]
kind = "native"
name = "Shop"
first_party = true
apis = {{ orders = ["orders:read", "orders:write"], ledger = ["ledger:read"] }}
redirect_uris = ["{NATIVE_BACK}", "com.example.shop:/callback", "http://127.0.0.1/callback"]
post_logout_redirect_uris = ["{NATIVE_BACK}"]

[client.other-ios]
kind = "native"
first_party = true
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["https://other.example.com/callback"]

[client.shop-web]
kind = "web"
first_party = true
authentication = "client_secret_basic"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{WEB_BACK}"]

[client.third-party]
kind = "web"
name = "Budget planner"
authentication = "client_secret_post"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["https://third.example.com/callback"]

[client.robot]
kind = "service"
authentication = "client_secret_basic"
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
"#
    )
}

/// argon2id of `SECRET`, made once.
fn secret_digest() -> String {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| symbolon::login::accounts::hash_password_blocking(SECRET).unwrap()).clone()
}
