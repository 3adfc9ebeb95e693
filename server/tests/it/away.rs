//! A database that goes away and comes back: 503 and no 500 meanwhile, what needs no database is answered, and nothing is lost.

use crate::world::*;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_postgres::config::Host;

/// A socket in front of the database, which can be closed.
struct Door {
    directory: PathBuf,
    is_open: watch::Sender<bool>,
}

impl Door {
    fn before(server: PathBuf) -> Self {
        let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<6>().unwrap());
        let directory = std::env::temp_dir().join(format!("symbolon-door-{random}"));
        std::fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
        let (is_open, watching) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut watching) = (server.clone(), watching.clone());
                tokio::spawn(async move {
                    if !*watching.borrow() {
                        return;
                    }
                    let mut real = UnixStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut real) => {}
                        _ = watching.wait_for(|is_open| !is_open) => {}
                    }
                });
            }
        });
        Self { directory, is_open }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503_until_it_is_back() {
    if postgres().is_none() {
        return;
    }
    let real: tokio_postgres::Config = database(Engine::Postgres).await.parse().unwrap();
    let Host::Unix(socket) = &real.get_hosts()[0] else {
        println!("skipped: the server is not reached by a socket file");
        return;
    };
    let door = Door::before(socket.join(format!(".s.PGSQL.{}", real.get_ports().first().copied().unwrap_or(5432))));
    let (user, name) = (real.get_user().unwrap_or("postgres"), real.get_dbname().unwrap());
    let through = format!("postgres://{user}@/{name}?host={}", door.directory.display());
    let signer = new_key();
    let native = format!(
        "[client.signer]\nkind = \"web\"\nfirst_party = true\nnative = true\napis = {{ orders = [\"orders:read\"] }}\n\
         redirect_uris = [\"https://signer.example.com/cb\"]\njwks = {}\n",
        named_jwks(&signer)
    );
    let world = Configuration::new(symbolon_phone::net::free_port(), &through).with(&native).start().await;
    let mut app = Phone::new(&world, "signer", "https://signer.example.com/cb");
    (app.client_key, app.mode) = (Some(&signer), Mode::Unattested);
    let step = app.begin().await;
    let refresh = world.tokens("orders:read offline_access").await["refresh_token"].as_str().unwrap().to_owned();
    let renewing = [("grant_type", "refresh_token"), ("client_id", "shop-ios"), ("refresh_token", refresh.as_str())];
    let ask_for = Ask::native("orders:read");
    let pushing = ask_for.form();
    let ask = async |path: &str, form: &[(&str, &str)]| world.http.post(world.url(path)).form(form).send().await.unwrap();

    // The first page needs no database.
    let mut browser = Browser::default();
    let first = browser.open(&world, &ask_for).await;

    door.is_open.send(false).unwrap();
    for _ in 0..20 {
        for (path, form) in [("/par", &pushing[..]), ("/token", &renewing[..])] {
            let answer = ask(path, form).await;
            assert_eq!(answer.status(), 503, "{path}");
            assert!(answer.headers().contains_key("retry-after"), "{path}");
            assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"], "temporarily_unavailable");
        }
    }
    let page = browser.submit_password(&world, &first, "alice", PASSWORD).await;
    assert_eq!((page.status, page.name().as_deref()), (503, Some("error-away")), "{}", page.html);
    assert!(page.says("Wait half a minute") && !page.says("too many requests"), "{}", page.html);
    let native = app.answer_password(&step, "alice", PASSWORD).await;
    assert_eq!((native.error(), native.header("retry-after").is_some()), ((503, "temporarily_unavailable"), true), "{native:?}");
    for (path, status) in [("/jwks", 200), ("/.well-known/openid-configuration", 200), ("/health", 503)] {
        assert_eq!(world.get(path).await.status(), status, "{path}");
    }
    door.is_open.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The twin: the same requests, with a database.
    assert_eq!(app.answer_password(&step, "alice", PASSWORD).await.status, 200, "the step stood where it stood");
    assert_eq!(ask("/par", &pushing).await.status(), 201);
    assert_eq!(ask("/token", &renewing).await.status(), 200, "nothing that was acknowledged is lost");
    world.stop().await;
    std::fs::remove_dir_all(&door.directory).unwrap();
}
