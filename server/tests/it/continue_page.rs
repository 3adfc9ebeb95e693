//! The continue page: an answer waits there for the person's tap, for one browser and for minutes, and leaks nothing on the way.

use crate::killed_processes::Server;
use crate::links::certificate;
use crate::world::*;
use reqwest::header::{HOST, HeaderMap};
use std::process::Stdio;

pub const GO: &str = "go.signin.test";
const BACK: &str = "https://links.shop.test/callback";
const PHONE: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

fn configuration(base: Configuration) -> Configuration {
    base.with(&format!(
        r#"
[client.shop-ios]
owner = "shop"
redirect_uris = ["{BACK}", "com.example.shop:/callback"]
post_logout_redirect_uris = []
[client.shop-ios.app]
ios = ["ABCDE12345.com.example.shop"]
[client.shop-ios.app.android."com.example.shop"]
play = "{}"
[client.shop-ios.continue]
host = "{GO}"
app_page = "https://shop.test/app"
[host."{GO}"]
owner = "shop"
continue_page = true
[host."links.shop.test"]
owner = "shop"
"#,
        "14".repeat(32)
    ))
}

pub async fn world(engine: Engine) -> World {
    configuration(Configuration::on(engine).await).start().await
}

fn ask() -> Ask {
    Ask::new("shop-ios", BACK, "openid")
}

/// What a host of this server answers at an address of its own.
pub struct Shown {
    pub status: u16,
    headers: HeaderMap,
    pub html: String,
    cookie: Option<String>,
}

impl Shown {
    /// The link of the button.
    fn button(&self) -> String {
        let tag = self.html.split("id=\"onward\" href=\"").nth(1).unwrap_or_else(|| panic!("no button: {}", self.html));
        tag.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2f;", "/").replace("&#x3b;", ";")
    }

    fn is_neutral(&self) -> bool {
        self.status == 404 && !self.html.contains("code=") && !self.html.contains("onward") && self.cookie.is_none()
    }
}

pub async fn fetch(world: &World, host: &str, path: &str, lines: &[(&'static str, &str)]) -> Shown {
    let mut request = world.http.get(world.url(path)).header(HOST, host);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let cookie = answer.headers().get("set-cookie").map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned());
    Shown { status: answer.status().as_u16(), headers: answer.headers().clone(), html: answer.text().await.unwrap(), cookie }
}

/// Signs alice in; answers the path of the continue page.
pub async fn signed_in(world: &World) -> String {
    let page = Browser::default().sign_in_at(world, &format!("{}{}", world.issuer, ask().path()), "alice").await;
    path_of(&page)
}

fn path_of(page: &Page) -> String {
    let location = page.location.as_deref().unwrap_or_else(|| panic!("no redirect: {}", page.html));
    let path = location.strip_prefix(&format!("http://{GO}")).unwrap_or_else(|| panic!("{location} is not the continue page"));
    assert_eq!(path.len(), "/c/".len() + 22, "a reference has 128 bits: {path}");
    path.to_owned()
}

/// 035-R: the answer waits; the first browser sees it, and sees it again. The code works.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_the_tap_of_one_browser() {
    on_every_engine_with(|world| async move {
        let ask = ask();
        let page = Browser::default().sign_in_at(&world, &format!("{}{}", world.issuer, ask.path()), "alice").await;
        let path = path_of(&page);
        let first = fetch(&world, GO, &path, &[]).await;
        assert_eq!(first.status, 200, "{}", first.html);
        let link = first.button();
        assert!(link.starts_with(&format!("{BACK}?code=")) && link.contains("state=s-1"), "{link}");
        let cookie = first.cookie.clone().unwrap();
        assert!(first.headers["set-cookie"].to_str().unwrap().contains("HttpOnly; SameSite=Lax"));
        let again = fetch(&world, GO, &path, &[("cookie", &cookie)]).await;
        assert_eq!((again.status, again.button()), (200, link.clone()), "the page can be fetched again");
        for other in [None, Some("symbolon-continue-x=y"), Some(&*format!("{}x", cookie))] {
            let lines: Vec<(&str, &str)> = other.map(|it| ("cookie", it)).into_iter().collect();
            assert!(fetch(&world, GO, &path, &lines).await.is_neutral(), "{other:?}");
        }
        let code = link.split("code=").nth(1).unwrap().split('&').next().unwrap();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "shop-ios"),
            ("code", code),
            ("code_verifier", &ask.verifier),
            ("redirect_uri", BACK),
        ];
        assert_eq!(world.post("/token", &form, None).await.0, 200);
        world.stop().await;
    })
    .await;
}

async fn on_every_engine_with<F, T>(test: F)
where
    F: Fn(World) -> T,
    T: Future<Output = ()>,
{
    for engine in engines() {
        test(world(engine).await).await;
    }
}

/// Of two browsers that open it at once, one gets it.
#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_at_once_are_one_too_many() {
    on_every_engine_with(|world| async move {
        let path = signed_in(&world).await;
        let all = futures_of(&world, &path, 8).await;
        assert_eq!(all.iter().filter(|it| it.status == 200).count(), 1);
        assert!(all.iter().filter(|it| it.status != 200).all(Shown::is_neutral));
        world.stop().await;
    })
    .await;
}

async fn futures_of(world: &World, path: &str, count: usize) -> Vec<Shown> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        let request = world.http.get(world.url(path)).header(HOST, GO);
        tasks.push(tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            let cookie = answer.headers().get("set-cookie").map(|it| it.to_str().unwrap().to_owned());
            Shown { status: answer.status().as_u16(), headers: answer.headers().clone(), html: answer.text().await.unwrap(), cookie }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

/// 568-V: what is fetched ahead, and HEAD, bind nothing. Late, it is over.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_visit_binds_and_not_for_long() {
    let world = world(Engine::Sqlite).await;
    let path = signed_in(&world).await;
    let head = world.http.head(world.url(&path)).header(HOST, GO).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers().contains_key("set-cookie")), (405, false));
    let ahead = fetch(&world, GO, &path, &[("sec-purpose", "prefetch")]).await;
    assert_eq!((ahead.status, ahead.cookie), (403, None));
    assert_eq!(fetch(&world, GO, &path, &[]).await.status, 200, "the twin: nobody has it yet");
    let late = signed_in(&world).await;
    world.advance_s(301);
    assert!(fetch(&world, GO, &late, &[]).await.is_neutral());
    for unknown in ["/c/AAAAAAAAAAAAAAAAAAAAAA", "/c/x", &format!("{late}A"), "/c/%00"] {
        assert!(fetch(&world, GO, unknown, &[]).await.is_neutral(), "{unknown}");
    }
    world.stop().await;
}

/// 035-R, 036-R, 559-V: no script, no form, no other site, and no parameter that says where to.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_leads_to_the_registered_link_and_nowhere_else() {
    let world = world(Engine::Sqlite).await;
    let path = signed_in(&world).await;
    let page = fetch(&world, GO, &format!("{path}?target=javascript:alert(1)&url=https://evil.test"), &[("user-agent", PHONE)]).await;
    assert!(
        !page.html.contains("evil.test")
            && !page.html.contains("javascript")
            && !page.html.contains("<script")
            && !page.html.contains("<form")
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for rule in ["default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(
        !policy.contains("script-src") && page.headers["referrer-policy"] == "no-referrer" && page.headers["cache-control"] == "no-store"
    );
    let title = page.html.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(title.contains("Shop") && !title.contains("code"), "{title}");
    // On Android the button names the package; the plain link stands below it.
    let link = page.button();
    assert!(link.starts_with("intent://links.shop.test/callback?code="), "{link}");
    let (_, intent) = link.split_once("#Intent;").unwrap();
    assert_eq!(intent, "scheme=https;package=com.example.shop;S.browser_fallback_url=https%3A%2F%2Fshop.test%2Fapp;end");
    assert!(page.html.contains("Try this link instead."));
    let german = fetch(&world, GO, &signed_in(&world).await, &[("accept-language", "de")]).await;
    assert!(german.html.contains("Shop öffnen") && german.html.contains("lang=\"de\""), "{}", german.html);
    world.stop().await;
}

/// L-12, L-13: browsers that hand nothing over, and those inside another app. The page names the way out, and holds nothing that another
/// device could use. Nobody is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_hands_nothing_over_is_told_what_to_do() {
    let world = world(Engine::Sqlite).await;
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
    let (firefox, inside) =
        (format!("{iphone} FxiOS/140.0 Mobile/15E148 Safari/605.1.15"), format!("{iphone} Mobile/15E148 Instagram 380.0"));
    for (user_agent, is_inside) in [(PHONE, false), (&firefox, false), (&inside, true), ("a browser of tomorrow", false)] {
        let path = signed_in(&world).await;
        let page = fetch(&world, GO, &path, &[("user-agent", user_agent)]).await;
        assert_eq!(page.status, 200, "{user_agent}");
        for words in ["Nothing happens?", "Allow your browser to open apps", "start again there"] {
            assert!(page.html.contains(words), "{user_agent}: {words}");
        }
        assert_eq!(page.html.contains("open inside another app"), is_inside, "{user_agent}");
        let first = world.http.get(world.url(&ask().path())).header("user-agent", user_agent).send().await.unwrap();
        assert_eq!(first.status(), 200, "{user_agent}");
        assert_eq!(first.text().await.unwrap().contains("open inside another app"), is_inside, "{user_agent}");
    }
    world.stop().await;
}

/// L-13: a browser inside another app leads to the person's own on Android. The link has the request as it came, and nothing that the page
/// adds: the other browser begins anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_inside_another_app_leads_to_the_persons_own() {
    let world = world(Engine::Sqlite).await;
    let inside = PHONE.replace("Pixel 9)", "Pixel 9; wv)");
    let ask = ask();
    let open = async |user_agent: &str| {
        let mut browser = Browser::default();
        let page = browser.send(world.http.get(world.url(&ask.path())).header("user-agent", user_agent)).await;
        assert_eq!((page.status, page.kind()), (200, "password"), "{user_agent}");
        let link = page.html.split("id=\"own-browser\" href=\"").nth(1).map(|it| text_of(it.split('"').next().unwrap()));
        (browser, page, link)
    };
    for other in [PHONE, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 380.0", ""] {
        assert_eq!(open(other).await.2, None, "{other}");
    }
    let (mut browser, page, link) = open(&inside).await;
    let link = link.unwrap();
    let (address, rules) = link.strip_prefix("intent://").unwrap().split_once("#Intent;").unwrap();
    assert_eq!(rules, "scheme=http;action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE;end");
    let (host, query) = address.split_once("/authorize?").unwrap();
    assert_eq!(format!("http://{host}"), world.issuer);
    let sent: std::collections::BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(sent, ask.parameters, "the request alone");
    // What was typed here stays here: the other browser is asked for everything.
    let wrong = browser.submit_password(&world, &page, "alice", "wrong").await;
    assert!(wrong.problem().contains("not right") && !wrong.html.contains("own-browser"), "{}", wrong.html);
    let own = Browser::default().get(&world, &format!("http://{address}")).await;
    assert!(own.kind() == "password" && !own.html.contains("alice"), "{}", own.html);
    assert!(Browser::default().sign_in_at(&world, &format!("http://{address}"), "alice").await.location.is_some());
    world.stop().await;
}

/// A person who reads the page on a desktop is led to the app's page by a picture. Nothing of the answer is in it: it is the same for every
/// answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_shows_where_the_app_is_and_nothing_of_the_answer() {
    let world = world(Engine::Sqlite).await;
    let desk = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let picture = async |user_agent: &str| {
        let shown = fetch(&world, GO, &signed_in(&world).await, &[("user-agent", user_agent)]).await;
        assert_eq!(shown.status, 200);
        assert!(shown.headers["content-security-policy"].to_str().unwrap().contains("img-src http://127.0.0.1:"));
        shown.html.split("<img class=\"qr\"").nth(1).map(|it| it.split('>').next().unwrap().to_owned())
    };
    assert_eq!(picture(PHONE).await, None, "a phone has the app itself");
    let first = picture(desk).await.unwrap();
    assert!(first.contains("src=\"data:image/svg+xml;base64,"), "{first}");
    assert_eq!(picture(desk).await, Some(first.clone()), "another answer");
    world.reload(|it| it.set("client.shop-ios.continue.app_page", "https://shop.test/other")).await;
    assert_ne!(picture(desk).await, Some(first), "it leads to app_page");
    world.reload(|it| it.without("client.shop-ios.continue.app_page")).await;
    assert_eq!(picture(desk).await, None, "there is no page to lead to");
    world.stop().await;
}

/// The log says that a continue page was fetched, and never which: a reference opens an answer.
#[tokio::test(flavor = "multi_thread")]
async fn no_reference_is_in_the_log() {
    let world = world(Engine::Sqlite).await;
    let path = signed_in(&world).await;
    let (issuer, config, log) = (world.issuer.clone(), world.file(), world.directory.join("continue.jsonl"));
    let World { running, node, .. } = world;
    running.stop().await;
    let mut command = Server::command(&config);
    command.env("RUST_LOG", "trace").stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    let server = Server::spawn(&mut command, &issuer).await;
    let get = async |path: &str| node.http.get(format!("{issuer}{path}")).header(HOST, GO).send().await.unwrap().status().as_u16();
    // The first visit, another browser's, and one too late or wrong.
    assert_eq!((get(&path).await, get(&path).await, get(&format!("{path}A")).await), (200, 404, 404));
    let written = || std::fs::read_to_string(&log).unwrap();
    for _ in 0..200 {
        if written().matches("/c/{reference}").count() >= 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    drop(server);
    let log = written();
    assert!(log.matches("/c/{reference}").count() >= 3, "{log}");
    assert!(!log.contains(path.strip_prefix("/c/").unwrap()), "{log}");
}

/// L-01: with a session there is no tap, and browsers hand nothing over then. The page stands in between, for errors too.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_session_and_an_error_take_the_same_way() {
    let world = world(Engine::Sqlite).await;
    let mut browser = Browser::default();
    browser.sign_in_at(&world, &format!("{}{}", world.issuer, ask().path()), "alice").await;
    let page = browser.open(&world, &ask()).await;
    assert_eq!(fetch(&world, GO, &path_of(&page), &[]).await.status, 200);
    let refused = Browser::default().open(&world, &ask().with("prompt", "none")).await;
    let shown = fetch(&world, GO, &path_of(&refused), &[]).await;
    assert!(shown.button().starts_with(&format!("{BACK}?error=login_required")), "{}", shown.button());
    let scope = Browser::default().open(&world, &ask().with("scope", "no:such")).await;
    assert!(fetch(&world, GO, &path_of(&scope), &[]).await.button().contains("error=invalid_scope"));
    // JARM in a query is a query.
    let jarm = Browser::default().open(&world, &ask().with("prompt", "none").with("response_mode", "jwt")).await;
    assert!(fetch(&world, GO, &path_of(&jarm), &[]).await.button().starts_with(&format!("{BACK}?response=")));
    // What has no claimed link, or hides its answer in a fragment, goes as before.
    let private =
        Browser::default().open(&world, &Ask::new("shop-ios", "com.example.shop:/callback", "openid").with("prompt", "none")).await;
    assert!(private.location.unwrap().starts_with("com.example.shop:/callback?error="));
    let fragment = Browser::default().open(&world, &ask().with("prompt", "none").with("response_mode", "fragment")).await;
    assert!(fragment.location.unwrap().starts_with(&format!("{BACK}#error=")));
    world.stop().await;
}

/// The page is on its own host alone, and its host has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_on_its_own_host() {
    let world = world(Engine::Sqlite).await;
    let own = world.issuer.trim_start_matches("http://").to_owned();
    let path = signed_in(&world).await;
    for host in [&*own, "links.shop.test", "evil.test"] {
        assert_eq!(fetch(&world, host, &path, &[]).await.status, 404, "{host}");
    }
    for other in ["/", "/c", "/c/", "/authorize", "/.well-known/apple-app-site-association", "/.well-known/assetlinks.json"] {
        assert_eq!(fetch(&world, GO, other, &[]).await.status, 404, "{other}");
    }
    assert_eq!(fetch(&world, GO, &path, &[]).await.status, 200, "the twin");
    // What the configuration no longer has is not led to.
    let path = signed_in(&world).await;
    world.reload(|it| it.set("client.shop-ios.redirect_uris", vec!["https://links.shop.test/other"])).await;
    assert!(!fetch(&world, GO, &path, &[]).await.html.contains("code="));
    world.stop().await;
}

/// Over TLS the cookie of the page is bound to its host (`__Host-`): no other host of the domain sets or reads it.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_cookie_is_bound_to_the_host() {
    let directory = std::env::temp_dir().join(format!("symbolon-continue-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let issuer = certificate(&directory, "issuer", "localhost");
    let go = certificate(&directory, "go", GO);
    certificate(&directory, "links", "links.shop.test");
    let base = configuration(Configuration::on(Engine::Sqlite).await).with_tls(&directory);
    let (port, files) = (base.port, directory.display());
    let text = base.text().replace(GO, &format!("{GO}:{port}"));
    let world = Configuration::from_text(port, &text)
        .with(&format!(
            "tls = {{ certificate = '{files}/issuer.pem', key = '{files}/issuer.key' }}\n\
             [host.\"{GO}:{port}\"]\ncertificate = '{files}/go.pem'\nkey = '{files}/go.key'\n\
             [host.\"links.shop.test\"]\ncertificate = '{files}/links.pem'\nkey = '{files}/links.key'\n"
        ))
        .start()
        .await;
    let client = |trusted: &str| {
        let root = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let builder = reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none());
        builder.resolve(GO, here).resolve("localhost", here).build().unwrap()
    };
    let ask = ask().with("prompt", "none");
    let answer = client(&issuer).get(format!("https://localhost:{port}{}", ask.path())).send().await.unwrap();
    let page = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(page.starts_with(&format!("https://{GO}:{port}/c/")), "{page}");
    let shown = client(&go).get(&page).send().await.unwrap();
    let line = shown.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert_eq!(shown.status(), 200);
    assert!(line.starts_with("__Host-symbolon-continue-") && line.contains("; Path=/; HttpOnly; SameSite=Lax"), "{line}");
    assert!(line.ends_with("; Secure") && !line.contains("Domain"), "{line}");
    let pair = line.split(';').next().unwrap();
    let again = async |cookie: &str| client(&go).get(&page).header("cookie", cookie).send().await.unwrap().status().as_u16();
    assert_eq!((again(pair).await, again(pair.trim_start_matches("__Host-")).await), (200, 404));
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
