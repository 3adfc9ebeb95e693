//! A small desktop app as a web page, so that a person can sign in with the own browser: RFC 8252's loopback redirect.

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use axum::routing::get;
use std::collections::HashMap;
use std::sync::Arc;
use symbolon_oauth::base64url;
use symbolon_phone::app::App;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

struct Shop {
    issuer: String,
    api: String,
    home: String,
    /// State to verifier, for the sign-ins under way.
    pending: Mutex<HashMap<String, String>>,
}

type Shared = Arc<Shop>;

pub async fn serve(listener: TcpListener, issuer: String, api: String) {
    let home = listener.local_addr().map(|it| format!("http://{it}")).unwrap_or_default();
    let shop = Arc::new(Shop { issuer, api, home, pending: Mutex::default() });
    let router = Router::new().route("/", get(welcome)).route("/start", get(start)).route("/callback", get(callback)).with_state(shop);
    let _ = axum::serve(listener, router).await;
}

fn page(body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Example Shop</title>\
         <style>:root{{color-scheme:light dark}}body{{font:1.05rem/1.5 system-ui;max-width:42rem;margin:10vh auto;padding:0 1rem}}\
         pre{{overflow:auto;padding:1rem;border:1px solid #8888;border-radius:.6rem;font-size:.85rem}}</style>{body}"
    ))
}

async fn welcome() -> Html<String> {
    page("<h1>Example Shop</h1><p>This page plays an app on your computer.</p><p><a href=/start>Sign in</a></p>")
}

async fn start(State(shop): State<Shared>) -> Result<Redirect, Html<String>> {
    let trouble = |it: symbolon_phone::Trouble| page(&format!("<h1>That did not work</h1><p>{}</p>", escape(&it.to_string())));
    let app = App::discover(&shop.issuer, "shop-desktop", &format!("{}/callback", shop.home)).await.map_err(trouble)?;
    let pending = app.push("openid orders:read").await.map_err(trouble)?;
    shop.pending.lock().await.insert(pending.state, pending.verifier);
    Ok(Redirect::to(&pending.address))
}

async fn callback(State(shop): State<Shared>, Query(back): Query<HashMap<String, String>>) -> Html<String> {
    let get = |name: &str| back.get(name).cloned().unwrap_or_default();
    let Some(verifier) = shop.pending.lock().await.remove(&get("state")) else {
        return page("<h1>Not our sign-in</h1><p>The answer carries a state this app never sent. <a href=/>Start again</a></p>");
    };
    if get("iss") != shop.issuer || get("code").is_empty() {
        return page(&format!(
            "<h1>You are not signed in</h1><p>{}</p><p><a href=/>Start again</a></p>",
            escape(&get("error_description"))
        ));
    }
    match finish(&shop, &get("code"), &verifier).await {
        Ok(html) => html,
        Err(trouble) => page(&format!("<h1>That did not work</h1><p>{}</p>", escape(&trouble.to_string()))),
    }
}

async fn finish(shop: &Shop, code: &str, verifier: &str) -> Result<Html<String>, symbolon_phone::Trouble> {
    let app = App::discover(&shop.issuer, "shop-desktop", &format!("{}/callback", shop.home)).await?;
    let (_, tokens) = app.exchange(code, verifier).await?;
    let access = tokens["access_token"].as_str().unwrap_or_default().to_owned();
    let (status, orders) = app.call(&format!("{}/orders", shop.api), Some(&access)).await?;
    let claims = access.split('.').nth(1).and_then(base64url::decode).unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap_or_default();
    let pretty = |it: &serde_json::Value| escape(&serde_json::to_string_pretty(it).unwrap_or_default());
    Ok(page(&format!(
        "<h1>You are signed in</h1><h2>The API answered {status}</h2><pre>{}</pre><h2>What its token said</h2><pre>{}</pre>\
         <p><a href=/start>Sign in again</a> (the browser is known now) · <a href='{}/account'>Your account</a></p>",
        pretty(&orders),
        pretty(&claims),
        shop.issuer
    )))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
