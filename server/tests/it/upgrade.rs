//! A store of an older version goes on: sessions, passwords and refresh tokens. The rows have the values of today in the columns of then.

use crate::world::*;
use serde_json::Value as Json;
use symbolon::store::{MIGRATIONS, Row, Store, schema_state};

/// The last migration before a sign-in became one row.
const LAST: &str = "0009_assertions";

/// Tables and their columns of then. `#`: a number; `*`: bytes.
const TABLES: [(&str, &str); 5] = [
    ("account", "id state email email_verified# name locale claims created_ms# sessions_from_ms# version#"),
    ("login_name", "name account"),
    ("credential", "account kind id secret* created_ms# used_ms#"),
    ("session", "id* account state cookie* proofs acr amr auth_time_ms# created_ms# used_ms# ends_ms# version#"),
    (
        "app_grant",
        "session* number# account client holder_kind holder scope resource request state generation# salt* code_failures# created_ms# \
         issued_ms# used_ms# ends_ms#",
    ),
];

/// What a grant remembered of its request.
const REQUEST: [&str; 7] = ["redirect_uri", "code_challenge", "nonce", "acr", "amr", "auth_time_ms", "code_expires_ms"];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn as_of_then(request: &str) -> String {
    let mut request: Json = serde_json::from_str(request).unwrap();
    request.as_object_mut().unwrap().retain(|name, _| REQUEST.contains(&name.as_str()));
    request.to_string()
}

fn literal(engine: &str, row: &Row, column: &str) -> String {
    if let Some(name) = column.strip_suffix('#') {
        return row.int(name).unwrap().to_string();
    }
    if let Some(name) = column.strip_suffix('*') {
        let hex = data_encoding::HEXLOWER.encode(row.bytes(name).unwrap());
        return if engine == "sqlite" { format!("x'{hex}'") } else { format!("'\\x{hex}'") };
    }
    match row.opt_text(column).unwrap() {
        Some(text) if column == "request" => quoted(&as_of_then(text)),
        Some(text) => quoted(text),
        None => "NULL".to_owned(),
    }
}

/// The SQL that makes the store as the version of then had it, with the people and sessions of this one.
async fn store_of_then(store: &Store) -> String {
    let upto = MIGRATIONS.iter().position(|(name, _)| *name == LAST).unwrap() + 1;
    let mut lines: Vec<String> = MIGRATIONS[..upto].iter().map(|(_, text)| (*text).to_owned()).collect();
    for (table, columns) in TABLES {
        let columns: Vec<&str> = columns.split(' ').collect();
        let names = columns.join(", ").replace(['#', '*'], "");
        let rows = store.all(format!("SELECT {names} FROM {table}").leak(), &[]).await.unwrap();
        assert!(!rows.is_empty(), "{table}");
        for row in &rows {
            let values: Vec<String> = columns.iter().map(|column| literal(store.engine(), row, column)).collect();
            lines.push(format!("INSERT INTO {table} ({names}) VALUES ({});", values.join(", ")));
        }
    }
    lines.push(format!("INSERT INTO fact (name, value) VALUES ('schema', {});", quoted(&schema_state(upto))));
    lines.join("\n")
}

/// Puts that store in the place of the one that is there.
async fn replace(world: &World, text: &str) {
    let database = world.text.split("database = \"").nth(1).unwrap().split('"').next().unwrap();
    if database.starts_with("sqlite:") {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(world.directory.join(format!("test.db{end}")));
        }
        rusqlite::Connection::open(world.directory.join("test.db")).unwrap().execute_batch(text).unwrap();
        return;
    }
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    client.batch_execute(text).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_passwords_and_refresh_tokens_go_on_after_an_upgrade() {
    on_every_engine(|mut world| async move {
        let (mut browser, ask) = (Browser::default(), Ask::native("openid orders:read"));
        let code = browser.sign_in(&world, &ask, "alice").await["code"].clone();
        let kept = refresh_token(&world.exchange(&code, &ask.verifier).await.1).to_owned();
        let ended = refresh_token(&world.tokens("openid orders:read").await).to_owned();
        assert_eq!(world.post("/revoke", &[("client_id", "shop-ios"), ("token", &ended)], None).await.0, 200);
        let then = store_of_then(&world.running.shared.now().store).await;
        world.running.stop_in_place().await;
        replace(&world, &then).await;
        world.start_again(|it| it).await;

        let silent = browser.open(&world, &ask.clone().with("prompt", "none")).await;
        assert!(silent.has_code(), "the session: {:?}", silent.location);
        let (status, answer) = world.refresh(&kept).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(world.refresh(&ended).await.0, 400, "what had ended stays so");
        Browser::default().sign_in(&world, &ask, "alice").await;
        let store = world.running.shared.now().store.clone();
        let state = store.one("SELECT value FROM fact WHERE name = 'schema'", &[]).await.unwrap().unwrap();
        assert_eq!(state.text("value").unwrap(), schema_state(MIGRATIONS.len()));
        world.stop().await;
    })
    .await;
}
