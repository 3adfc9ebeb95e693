//! Rows about links: the page before an app's link, and the look-up of a client that registered itself.

use crate::http;
use crate::load::{self, Load, Row};
use crate::options::Run;
use crate::server::{BACK, CONTINUE, LINKED, Site};
use crate::steps::{Ask, Bench};
use crate::store::{Cell, Stored, Template};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Rows that are made at once.
const BITE: u64 = 50_000;
/// More look-ups than any server finishes in a second.
const LOOK_UPS_PER_S: u64 = 20_000;

/// A sign-in of somebody who is signed in already, to the page; and the page itself, opened once by each browser.
pub async fn continue_page(bench: &Bench<'_>) -> Result<Vec<Row>, String> {
    let ask = Ask { client: LINKED, back: BACK, scope: "orders:read", more: &[] };
    let (row, answers) = bench.authorize_to_a_page("authorize, signed in already, to a continue page", &ask).await?;
    let path = |location: &str| location.find("/c/").map(|at| location[at..].to_owned());
    let paths: Option<Vec<String>> = answers.iter().map(|answer| path(answer.header("location")?)).collect();
    let paths = paths.ok_or("no continue page came")?;
    let requests: VecDeque<Bytes> = paths.iter().map(|path| http::get_at(CONTINUE, path, &[])).collect();
    let opened = load::run("continue page", &bench.load(200), bench.queue(requests)).await?.0;
    Ok(vec![row, opened])
}

/// A look-up of clients among so many, none of which was read before. The rest of the request is a code that nobody made.
pub async fn registered(options: &Run, site: &Site, clients: u64) -> Result<Row, String> {
    let server = site.start("info")?;
    let measure = Duration::from_secs(options.seconds);
    let bench = Bench::of_sessions(site, &server, usize::from(options.connections), measure, Vec::new());
    let metadata = r#"{"client_name":"Bench","redirect_uris":["https://client.example.net/cb"],"token_endpoint_auth_method":"none",
        "id_token_signed_response_alg":"ES256"}"#;
    let answer = bench.ask(&http::post_json("/clients", metadata)).await?;
    let first = answer.member("client_id").ok_or_else(|| format!("not registered: {}", answer.body))?.to_owned();
    server.stop()?;
    fill(site, first, clients).await?;
    let server = site.start("info")?;
    let bench = Bench::of_sessions(site, &server, usize::from(options.connections), measure, Vec::new());
    let wanted = clients.min(LOOK_UPS_PER_S * options.seconds);
    // Scattered over all, each once.
    let ids = (0..wanted).map(|at| id_of(at * (clients / wanted)));
    let request = |id: String| {
        let form =
            [("grant_type", "authorization_code"), ("client_id", &id), ("code", "sc_x"), ("redirect_uri", "https://client.example.net/cb")];
        http::post("/token", &[], &form)
    };
    let load = Load { warm_up: Duration::from_millis(20), ..bench.load(400) };
    let name = format!("a registered client among {}, read for the first time", crate::growth::thousands(clients));
    let row = load::run(&name, &load, bench.queue(ids.map(request).collect())).await?.0;
    server.stop()?;
    Ok(row)
}

fn id_of(at: u64) -> String {
    format!("r-bench-{at:019}")
}

async fn fill(site: &Site, first: String, clients: u64) -> Result<(), String> {
    let mut stored = Stored::open(site).await?;
    let key = [("id", Cell::Text(first))];
    for begin in (0..clients).step_by(usize::try_from(BITE).unwrap_or(usize::MAX)) {
        let rows: Vec<Vec<Cell>> = (begin..clients.min(begin + BITE)).map(|at| vec![Cell::Text(id_of(at))]).collect();
        stored.copy(&Template { table: "client", key: &key }, &["id"], &rows).await?;
    }
    stored.settle().await
}
