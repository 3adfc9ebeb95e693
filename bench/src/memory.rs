//! Memory after many sign-ins. Each checks a password, which takes 19 MiB for a moment.

use crate::server::{BACK, PASSWORD, Server, Site};
use crate::steps::{Ask, Bench};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;
use symbolon_phone::browser::{Browser, Person};
use tokio::task::JoinSet;

pub const SIGN_INS: usize = 1_000;
const AT_ONCE: usize = 8;
pub const REST: Duration = Duration::from_secs(60);

pub struct Remembered {
    pub before_kib: u64,
    /// Right after the last sign-in.
    pub after_kib: u64,
    /// A minute later.
    pub at_rest_kib: u64,
}

/// Of a server that was just started.
pub async fn measure(site: &Site) -> Result<Remembered, String> {
    println!("  memory");
    let server = site.start("info")?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before_kib = server.resident_kib()?;
    sign_in_often(site, &server, SIGN_INS).await?;
    let after_kib = server.resident_kib()?;
    tokio::time::sleep(REST).await;
    let at_rest_kib = server.resident_kib()?;
    server.stop()?;
    Ok(Remembered { before_kib, after_kib, at_rest_kib })
}

/// Signs people in with their passwords, some at once. Answers the `Cookie` header of each session.
pub async fn sign_in_often(site: &Site, server: &Server, times: usize) -> Result<Vec<String>, String> {
    let bench = Bench::of_sessions(site, server, AT_ONCE, REST, Vec::new());
    let url = format!("{}{}", site.issuer, bench.authorize_path(&Ask::phone("orders:read")));
    let (mut tasks, mut cookies) = (JoinSet::new(), Vec::with_capacity(times));
    for at in 0..times {
        let (url, name) = (url.clone(), site.people[at % site.people.len()].clone());
        tasks.spawn(async move { sign_in(&url, &name, at).await });
        if tasks.len() >= AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            cookies.push(done.map_err(|it| it.to_string())??);
        }
    }
    while let Some(done) = tasks.join_next().await {
        cookies.push(done.map_err(|it| it.to_string())??);
    }
    Ok(cookies)
}

/// Each comes from a network of its own: the server limits what one network answers in a minute.
async fn sign_in(url: &str, name: &str, at: usize) -> Result<String, String> {
    let [.., a, b] = at.to_be_bytes();
    let address = HeaderValue::try_from(format!("10.77.{a}.{b}")).map_err(|it| it.to_string())?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), address)]);
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).default_headers(headers).build();
    let client = client.map_err(|it| it.to_string())?;
    let person = Person::with_password(name, PASSWORD);
    let mut browser = Browser::default();
    browser.visit(&client, url, BACK, &person).await.map_err(|it| format!("signing {name} in: {it}"))?;
    Ok(browser.cookie_line(url))
}
