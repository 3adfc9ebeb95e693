//! An API that checks nothing itself, as one in another language may be. `symbolon guard` is a process of its own beside it, and the proxy
//! in front asks it about each call, as nginx does with `auth_request`.

use crate::world::{ORDERS_SECRET, write_private};
use crate::{Failure, scenes};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use symbolon_phone::net::{Net, free_port};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Where the process of the guard is told what it is.
pub const ARGUMENT: &str = "as-guard";

/// The guard's file: a route of ours, and an old one that still lets Anysocial's tokens through.
const FILE: &str = r#"
issuer = "{issuer}"
listen = "127.0.0.1:{listen}"
[api.orders]
audience = "{audience}"
public_url = "{url}"
credentials = { name = "orders", secret = { file = "orders.secret" } }
claims = ["customer_id"]
[[api.orders.routes]]
path = "/guarded/**"
methods = ["GET"]
scope = "orders:read"
[[api.orders.routes]]
path = "/legacy/**"
methods = ["GET"]
scope = "orders:read"
observe = { issuers = ["{anysocial}"], until = "2099-12-31" }
"#;

pub struct Guarded {
    /// The address of the proxy, which is the API to the world.
    pub url: String,
    child: Child,
}

struct Proxy {
    net: Net,
    question: String,
    api: String,
}

impl Guarded {
    pub async fn start(issuer: &str, anysocial: &str, directory: &Path) -> Result<Self, Failure> {
        let home = directory.join("guard");
        std::fs::create_dir_all(&home)?;
        write_private(&home.join("orders.secret"), ORDERS_SECRET)?;
        let front = TcpListener::bind("127.0.0.1:0").await?;
        let (url, listen) = (format!("http://{}", front.local_addr()?), free_port());
        let text = FILE
            .replace("{issuer}", issuer)
            .replace("{listen}", &listen.to_string())
            .replace("{audience}", scenes::ORDERS)
            .replace("{url}", &url)
            .replace("{anysocial}", anysocial);
        let file = home.join("guard.toml");
        std::fs::write(&file, text)?;
        let child = guard(&file).await?;
        let back = TcpListener::bind("127.0.0.1:0").await?;
        let api = format!("http://{}", back.local_addr()?);
        tokio::spawn(async move { axum::serve(back, Router::new().fallback(believe)).await });
        let question = format!("http://127.0.0.1:{listen}/forward-auth/orders");
        let proxy = Arc::new(Proxy { net: Net::new()?, question, api });
        tokio::spawn(async move { axum::serve(front, Router::new().fallback(pass).with_state(proxy)).await });
        Ok(Self { url, child })
    }

    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait().await;
    }
}

/// Starts this program once more, as the guard. It ends when its standard input is closed.
async fn guard(file: &Path) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(format!("--{ARGUMENT}")).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let output = child.stdout.take().ok_or("the guard has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).await?;
    if line.trim() == "ready" { Ok(child) } else { Err("the guard did not start".into()) }
}

/// The process of the guard, from the inside.
pub async fn serve(file: PathBuf) -> Result<(), Failure> {
    let config = symbolon_guard::Config::load(&file)?;
    let running = symbolon_guard::start(&config, Arc::new(String::new), None).await?;
    println!("ready");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    running.stop().await;
    Ok(())
}

/// The API: it believes the headers that the proxy set, and knows nothing of tokens.
async fn believe(request: Request) -> Response {
    let said = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let told: Map<String, Value> =
        ["x-symbolon-outcome", "x-symbolon-sub", "x-symbolon-client", "x-symbolon-scope", "x-symbolon-claim-customer-id"]
            .into_iter()
            .map(|name| (name.trim_start_matches("x-symbolon-").replace('-', "_"), said(name).into()))
            .chain([("token_seen".to_owned(), Value::Bool(request.headers().contains_key(header::AUTHORIZATION)))])
            .collect();
    ([(header::CONTENT_TYPE, "application/json")], json!(told).to_string()).into_response()
}

/// The proxy: asks first. The caller's own words about method and address count for nothing.
async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let uri = request.uri().path_and_query().map_or("/", |it| it.as_str()).to_owned();
    let mut asking = request.headers().clone();
    for name in [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::ACCEPT_ENCODING] {
        asking.remove(name);
    }
    for (name, value) in [("x-forwarded-method", request.method().as_str()), ("x-forwarded-uri", uri.as_str())] {
        let Ok(value) = HeaderValue::from_str(value) else { return StatusCode::BAD_REQUEST.into_response() };
        asking.insert(name, value);
    }
    let Ok(verdict) = proxy.net.http.get(&proxy.question).headers(asking).send().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if verdict.status() != StatusCode::OK {
        let status = verdict.status();
        let kept = [header::WWW_AUTHENTICATE, header::CONTENT_TYPE].into_iter();
        let headers: HeaderMap = kept.filter_map(|name| Some((name.clone(), verdict.headers().get(&name)?.clone()))).collect();
        return (status, headers, Body::from(verdict.bytes().await.unwrap_or_default())).into_response();
    }
    let told = verdict.headers().iter().filter(|(name, _)| name.as_str().starts_with("x-symbolon-"));
    let mut onward: HeaderMap = told.map(|(name, value)| (name.clone(), value.clone())).collect();
    // The old check behind an observed call needs the foreign token.
    if onward.get("x-symbolon-outcome").is_some_and(|it| it == "observed")
        && let Some(token) = request.headers().get(header::AUTHORIZATION)
    {
        onward.insert(header::AUTHORIZATION, token.clone());
    }
    match proxy.net.http.get(format!("{}{uri}", proxy.api)).headers(onward).send().await {
        Ok(answer) => {
            let body = answer.bytes().await.unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
