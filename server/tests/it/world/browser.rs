//! A browser: cookies, forms and redirects between our own pages, no scripts. And a page as it shows it.
//! Only this file knows what the HTML looks like.

use super::{Album, Ask, PASSWORD};
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;

/// One process of the server, as a browser reaches it.
#[derive(Clone)]
pub struct Node {
    pub http: reqwest::Client,
    /// Where this process listens.
    pub url: String,
    /// What its pages and redirects call it. Several processes share one issuer.
    pub issuer: String,
}

impl Node {
    /// The address at this process that an address on a page means. None for an address of somebody else.
    fn own_address(&self, address: &str) -> Option<String> {
        let path = match address.strip_prefix(&self.issuer).or_else(|| address.strip_prefix(&self.url)) {
            Some(path) => path,
            None => address,
        };
        (path.starts_with('/') && !path.starts_with("//")).then(|| format!("{}{path}", self.url))
    }

    /// The address of a sign-in's present step, if the redirect leads to one.
    fn login_step(&self, location: &str) -> Option<String> {
        self.own_address(location).filter(|address| address.starts_with(&format!("{}/login/", self.url)))
    }
}

impl AsRef<Node> for Node {
    fn as_ref(&self) -> &Node {
        self
    }
}

/// The status of the answer to a form that asks again, before any redirect is followed.
pub const FORM_ANSWERED: u16 = 303;

#[derive(Default, Clone)]
pub struct Browser {
    /// Where it seems to be, to a world that trusts the proxy 127.0.0.1.
    pub address: Option<String>,
    /// What that proxy says of the country.
    pub country: Option<String>,
    pub cookies: BTreeMap<String, String>,
    /// Keeps the pages that it is shown, and says the language.
    pub album: Option<Album>,
}

impl Browser {
    pub fn at(address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::default() }
    }

    /// A browser with one cookie.
    pub fn with_cookie(name: &str, value: &str) -> Self {
        Self { cookies: BTreeMap::from([(name.to_owned(), value.to_owned())]), ..Self::default() }
    }

    /// The value of the session cookie.
    pub fn session(&self) -> &str {
        self.session_cookie().1
    }

    /// Name and value of the session cookie.
    pub fn session_cookie(&self) -> (&str, &str) {
        let (name, value) = self.cookies.iter().find(|(name, _)| name.contains("session")).expect("a session cookie");
        (name, value)
    }

    /// What it sends as `Cookie`.
    pub fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Adds the browser's cookies and its address to a request.
    pub fn dress(&self, request: RequestBuilder) -> RequestBuilder {
        let request = if self.cookies.is_empty() { request } else { request.header("cookie", self.cookie_line()) };
        let request = match &self.album {
            Some(album) => request.header("accept", "text/html").header("accept-language", album.language),
            None => request,
        };
        let said = [("x-forwarded-for", &self.address), ("cf-ipcountry", &self.country)];
        said.into_iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        })
    }

    /// Sends one request and keeps the cookies of the answer. Follows nothing.
    pub async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = self.dress(request).send().await.unwrap();
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, rest) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let headers = answer.headers().clone();
        let location = headers.get("location").map(|value| value.to_str().unwrap().to_owned());
        let page = Page { status: answer.status().as_u16(), location, headers, html: answer.text().await.unwrap() };
        if let Some(album) = &self.album {
            album.keep(&page);
        }
        page
    }

    /// Opens an address. A redirect to a step of a sign-in is followed; any other is returned.
    pub async fn get(&mut self, node: &impl AsRef<Node>, url: &str) -> Page {
        let node = node.as_ref();
        let page = self.send(node.http.get(url)).await.led_on();
        self.follow(node, page).await
    }

    /// Opens the authorization request.
    pub async fn open(&mut self, node: &impl AsRef<Node>, ask: &Ask) -> Page {
        let node = node.as_ref();
        self.get(node, &format!("{}{}", node.url, ask.path())).await
    }

    /// Opens a path of the server.
    pub async fn visit(&mut self, node: &impl AsRef<Node>, path: &str) -> Page {
        let node = node.as_ref();
        self.get(node, &format!("{}{path}", node.url)).await
    }

    async fn follow(&mut self, node: &Node, mut page: Page) -> Page {
        for _ in 0..4 {
            let Some(url) = page.location.as_deref().and_then(|location| node.login_step(location)) else { return page };
            page = self.send(node.http.get(url)).await.led_on();
        }
        panic!("sent round in circles: {:?}", page.location);
    }

    /// The request that pressing a button sends, without cookies: the fields of the page, some of them filled in or added.
    fn submission(node: &Node, page: &Page, fill: &[(&str, &str)], action: &str) -> RequestBuilder {
        let mut form = page.fields();
        form.extend(fill.iter().chain(&[("action", action)]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let target = page.form_action().unwrap_or_else(|| panic!("no form: {}", page.html));
        node.http.post(node.own_address(&target).unwrap_or(target)).form(&form)
    }

    /// The same with the browser's cookies, for tests that measure or repeat the request.
    pub fn submission_with_cookies(&self, node: &impl AsRef<Node>, page: &Page, fill: &[(&str, &str)], action: &str) -> RequestBuilder {
        self.dress(Self::submission(node.as_ref(), page, fill, action))
    }

    /// Fills the page's form by field name and presses a button. Redirects are followed as by `get`.
    pub async fn submit(&mut self, node: &impl AsRef<Node>, page: &Page, fill: &[(&str, &str)], action: &str) -> Page {
        let page = self.submit_raw(node, page, fill, action).await;
        self.follow(node.as_ref(), page).await
    }

    /// Presses a button of the account page, and says yes on the page that names what is about to happen.
    pub async fn change(&mut self, node: &impl AsRef<Node>, account: &Page, action: &str) -> Page {
        let node = node.as_ref();
        let asked = self.submit(node, account, &[], action).await;
        assert!(asked.action("continue"), "{action}: {}", asked.html);
        self.submit(node, &asked, &[], "continue").await
    }

    /// The same, with the first answer as it is.
    pub async fn submit_raw(&mut self, node: &impl AsRef<Node>, page: &Page, fill: &[(&str, &str)], action: &str) -> Page {
        self.send(Self::submission(node.as_ref(), page, fill, action)).await
    }

    /// Name and password, and the button that goes on.
    pub async fn submit_password(&mut self, node: &impl AsRef<Node>, page: &Page, name: &str, password: &str) -> Page {
        self.submit(node, page, &[("username", name), ("password", password)], "continue").await
    }

    /// Answers one page as this person does: fills in name and password where they are asked for, and presses the first button.
    pub async fn answer(&mut self, node: &impl AsRef<Node>, page: &Page, name: &str) -> Page {
        let known = [("username", name), ("login_name", name), ("password", PASSWORD)];
        let fill: Vec<(&str, &str)> = known.into_iter().filter(|(field, _)| page.asks_for(field)).collect();
        self.submit(node, page, &fill, &page.first_action()).await
    }

    /// Opens an address and answers our pages until something else comes: a redirect, an error, a page without a form of ours.
    pub async fn sign_in_at(&mut self, node: &impl AsRef<Node>, url: &str, name: &str) -> Page {
        let node = node.as_ref();
        let mut page = self.get(node, url).await;
        for _ in 0..6 {
            let ours = page.form_action().is_some_and(|target| node.own_address(&target).is_some());
            if page.location.is_some() || page.status != 200 || !ours {
                return page;
            }
            page = self.answer(node, &page, name).await;
        }
        assert!(page.location.is_some(), "the sign-in does not end: {}", page.html);
        page
    }

    /// Goes through the whole sign-in with name and password; answers what came back at the redirect URI.
    pub async fn sign_in(&mut self, node: &impl AsRef<Node>, ask: &Ask, name: &str) -> BTreeMap<String, String> {
        let node = node.as_ref();
        self.sign_in_at(node, &format!("{}{}", node.url, ask.path()), name).await.parameters()
    }
}

/// A page as the browser sees it.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    /// Where the answer sends the browser.
    pub location: Option<String>,
    pub headers: HeaderMap,
    pub html: String,
}

/// The pages that tests ask for by name.
const KINDS: &[&str] = &[
    "password",
    "identify",
    "consent",
    "unvouched",
    "detour",
    "reset",
    "email_send",
    "email_code",
    "register",
    "new_email",
    "recovery_code",
    "recovery_codes",
    "totp",
    "enrol_totp",
    "new_password",
    "waits",
    "ticket",
    "stop_session",
    "stopped",
    "stopped_session",
    "stop_over",
    "logout",
    "signed_out",
    "not_signed_in",
    "error",
    "home",
    "account",
    "select_account",
    "form_post",
    "remove_totp",
    "over",
    "elsewhere",
    "done",
    "leave",
    "device_code",
    "device_approved",
    "device_denied",
];

impl Page {
    /// A page that leads on by itself counts as the redirect that it takes the place of.
    fn led_on(mut self) -> Self {
        if let Some(rest) = self.html.split("http-equiv=\"refresh\" content=\"0;url=").nth(1) {
            self.location = rest.split('"').next().map(text_of);
            self.status = 303;
        }
        self
    }

    /// The kind of step the page shows, in whatever language; empty for a page nobody has named.
    pub fn kind(&self) -> &'static str {
        let name = self.name().unwrap_or_default();
        let name = name.split('-').next().unwrap_or_default();
        KINDS.iter().find(|kind| **kind == name).copied().unwrap_or_default()
    }

    /// The name of the page: the kind of its step, in every language. None: no page of ours.
    pub fn name(&self) -> Option<String> {
        between(&self.html, " data-page=\"", "\"").map(str::to_owned)
    }

    /// The heading.
    pub fn title(&self) -> String {
        text_of(between(&self.html, "<h1>", "</h1>").unwrap_or_default())
    }

    /// What was wrong with the last answer, in the words of the page; empty if nothing was.
    pub fn problem(&self) -> String {
        text_of(between(&self.html, "role=\"alert\">", "</").unwrap_or_default())
    }

    /// What a person can read on the page.
    pub fn text(&self) -> String {
        text_of(self.html.split_once("<body>").map_or(self.html.as_str(), |(_, body)| body))
    }

    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// Where the form of the page goes.
    pub fn form_action(&self) -> Option<String> {
        attribute(self.html.split("<form").nth(1)?, "action")
    }

    pub fn has_form(&self) -> bool {
        self.form_action().is_some()
    }

    fn form(&self) -> &str {
        self.html.split("<form").nth(1).unwrap_or_default().split("</form>").next().unwrap_or_default()
    }

    /// Every input of the form with its value, hidden ones too.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let tags = self.form().split("<input").skip(1);
        tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))).collect()
    }

    /// The value of an input of the form.
    pub fn field(&self, name: &str) -> String {
        self.fields().remove(name).unwrap_or_else(|| panic!("no field {name}: {}", self.html))
    }

    pub fn asks_for(&self, name: &str) -> bool {
        self.fields().contains_key(name)
    }

    /// The names of the buttons, in order.
    pub fn actions(&self) -> Vec<String> {
        self.html.split("<button").skip(1).filter_map(|tag| attribute(tag, "value")).collect()
    }

    pub fn first_action(&self) -> String {
        self.html.split("<button").nth(1).unwrap_or_else(|| panic!("no button: {}", self.html));
        self.actions().into_iter().next().unwrap_or_default()
    }

    /// Is there a button of that name?
    pub fn action(&self, name: &str) -> bool {
        self.actions().iter().any(|action| action == name)
    }

    /// What the page shows for copying: the secret of an authenticator, recovery codes.
    pub fn codes(&self) -> Vec<String> {
        self.html.split("<code>").skip(1).map(|rest| text_of(rest.split('<').next().unwrap_or_default())).collect()
    }

    /// Does the page list scopes to consent to?
    pub fn lists_scopes(&self) -> bool {
        self.html.contains("class=\"scopes\"")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The parameters of the redirect.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        parameters(self.location.as_deref().unwrap_or_else(|| panic!("no redirect, but {}: {}", self.status, self.html)))
    }

    /// The parameters in the fragment of the redirect.
    pub fn fragment(&self) -> BTreeMap<String, String> {
        let location = self.location.as_deref().unwrap_or_else(|| panic!("no redirect, but {}: {}", self.status, self.html));
        parameters(&location.replacen('#', "?", 1))
    }

    /// The code of the redirect.
    pub fn code(&self) -> String {
        self.parameters().remove("code").unwrap_or_else(|| panic!("no code: {:?}", self.location))
    }

    pub fn has_code(&self) -> bool {
        self.location.as_deref().is_some_and(|location| parameters(location).contains_key("code"))
    }

    /// The error of the redirect; none if there is a page or a code.
    pub fn error(&self) -> Option<String> {
        self.location.as_deref().and_then(|location| parameters(location).remove("error"))
    }
}

pub fn parameters(location: &str) -> BTreeMap<String, String> {
    url::Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

pub(super) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(found, _)| found)
}

pub(super) fn attribute(tag: &str, name: &str) -> Option<String> {
    between(tag.split('>').next()?, &format!(" {name}=\""), "\"").map(unescape)
}

/// A piece of HTML without its tags.
pub fn text_of(html: &str) -> String {
    let mut text = String::new();
    for (at, part) in html.split('<').enumerate() {
        let words = if at == 0 { part } else { part.split_once('>').map_or("", |(_, words)| words) };
        text.push_str(words);
    }
    unescape(&text)
}

fn unescape(text: &str) -> String {
    let entities = [("&#x2f;", "/"), ("&#x2F;", "/"), ("&#x3d;", "="), ("&#x27;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\"")];
    entities.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign)).replace('\u{2011}', "-").replace("&amp;", "&")
}

/// A redirect to a step of a sign-in is followed with the cookie that came along; any other is returned as it is.
#[tokio::test]
async fn redirects_are_followed_to_our_own_steps_and_nowhere_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let step = format!("{url}/login/abc");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            let request = String::from_utf8_lossy(&bytes[..read]).to_ascii_lowercase();
            let answer = match request.split(' ').nth(1).unwrap() {
                "/authorize" => format!("303 X\r\nlocation: {step}\r\nset-cookie: a=b; Path=/\r\ncontent-length: 0\r\n\r\n"),
                "/login/abc" if request.contains("cookie: a=b") => "200 OK\r\ncontent-length: 12\r\n\r\n<h1>Hi</h1>!".to_owned(),
                "/login/done" => "303 X\r\nlocation: https://app.example.com/login/x?code=c\r\ncontent-length: 0\r\n\r\n".to_owned(),
                _ => "303 X\r\nlocation: /account\r\ncontent-length: 0\r\n\r\n".to_owned(),
            };
            stream.write_all(format!("HTTP/1.1 {}", answer.replacen("\r\n", "\r\nconnection: close\r\n", 1)).as_bytes()).await.unwrap();
        }
    });
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let node = Node { http, url: url.clone(), issuer: url };
    let mut browser = Browser::default();
    let page = browser.visit(&node, "/authorize").await;
    assert_eq!((page.status, page.title().as_str(), page.location), (200, "Hi", None));
    assert_eq!(browser.visit(&node, "/login/done").await.code(), "c");
    assert_eq!(browser.visit(&node, "/").await.location.as_deref(), Some("/account"));
}
