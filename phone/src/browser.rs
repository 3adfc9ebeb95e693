//! The system browser: cookies, forms, redirects. It stops where the operating system would hand a claimed https link to the app.

use crate::mailbox::Mailbox;
use crate::passkeys::Passkeys;
use crate::wallet::Wallet;
use crate::{Exchange, Trouble};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The person who uses the browser: their answers, the buttons that they press, and their mail.
#[derive(Default, Clone)]
pub struct Person<'a> {
    /// Answers by field name.
    pub answers: Vec<(&'a str, &'a str)>,
    /// The buttons that they press where a page has them, each once. Otherwise they press the first button.
    pub buttons: Vec<&'a str>,
    /// The mailbox for codes, and its address.
    pub mail: Option<(&'a Mailbox, &'a str)>,
}

impl<'a> Person<'a> {
    pub fn with_password(name: &'a str, password: &'a str) -> Self {
        Self { answers: vec![("username", name), ("password", password)], ..Self::default() }
    }
}

#[derive(Default)]
pub struct Browser {
    /// By host, whatever the port (RFC 6265 5.1.3), and by name.
    cookies: BTreeMap<(String, String), String>,
    /// Its address, to a server that believes a proxy on this machine.
    pub address: Option<&'static str>,
    /// The titles of its pages, in order.
    pub seen: Vec<String>,
    /// What stood on each of them: its paragraphs.
    pub read: Vec<Vec<String>>,
    /// Its requests since the last [`Browser::take_log`].
    log: Vec<Exchange>,
    /// The passkeys of the phone, for the button of a page that asks for one.
    pub passkeys: Option<Arc<Passkeys>>,
    /// A digital wallet that the browser knows (Digital Credentials API), for the button of a page that asks for a credential.
    pub wallet: Option<Arc<Wallet>>,
    /// A wallet on another device, for a page that shows a code for its camera.
    pub other_device: Option<OtherDevice>,
}

/// Another device with a wallet, in whoever's hands.
pub struct OtherDevice {
    pub wallet: Arc<Wallet>,
    /// Does its person tell the number that it shows? Otherwise another one is typed.
    pub tells: bool,
    /// What it showed last: the heading, and the paragraphs.
    pub shown: Vec<String>,
}

/// What the person typed. Passwords are not shown.
fn typed(fields: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let shown = ["username", "password", "email_code", "action"];
    let value = |name: &str, value: &str| if name == "password" { "(hidden)".to_owned() } else { value.to_owned() };
    fields.iter().filter(|(name, _)| shown.contains(&name.as_str())).map(|(name, text)| (name.clone(), value(name, text))).collect()
}

impl Browser {
    /// One beside which is another device with this wallet.
    pub fn beside(wallet: Arc<Wallet>, tells: bool) -> Self {
        Self { other_device: Some(OtherDevice { wallet, tells, shown: Vec::new() }), ..Self::default() }
    }

    /// One that knows this wallet.
    pub fn with_wallet(wallet: Arc<Wallet>) -> Self {
        Self { wallet: Some(wallet), ..Self::default() }
    }

    /// Opens `url`, fills in forms as the person does, and returns the URL that begins with `claimed`.
    pub async fn visit(&mut self, http: &reqwest::Client, url: &str, claimed: &str, person: &Person<'_>) -> Result<String, Trouble> {
        match self.go(http, url, Some(claimed), person).await? {
            End::Claimed(url) => Ok(url),
            End::Page(title) => Err(Trouble(format!("the page {title:?} has no form"))),
        }
    }

    /// Opens a page and reads it: nobody is led back to an app from there.
    pub async fn look(&mut self, http: &reqwest::Client, url: &str) -> Result<(), Trouble> {
        let answer = http.get(url).header("cookie", self.cookie_line(url)).send().await?;
        self.keep_cookies(url, &answer);
        let html = answer.text().await?;
        self.seen.push(unescape(between(&html, "<h1>", "</h1>").unwrap_or("(no heading)")));
        Ok(())
    }

    /// The same until a page asks nothing more. Returns its heading.
    pub async fn open(&mut self, http: &reqwest::Client, url: &str, person: &Person<'_>) -> Result<String, Trouble> {
        match self.go(http, url, None, person).await? {
            End::Page(title) => Ok(title),
            End::Claimed(url) => Err(Trouble(format!("it was led away to {url}"))),
        }
    }

    async fn go(&mut self, http: &reqwest::Client, url: &str, claimed: Option<&str>, person: &Person<'_>) -> Result<End, Trouble> {
        let is_claimed = |url: &str| claimed.is_some_and(|claimed| url.starts_with(claimed));
        let mut request = http.get(url);
        let mut asked =
            Exchange { method: "GET".to_owned(), url: url.to_owned(), sent: Vec::new(), status: 0, body: Value::Null, by_browser: true };
        let get = asked.clone();
        let mut buttons = person.buttons.clone();
        let mut letters = person.mail.map_or(0, |(mailbox, _)| mailbox.letters().len());
        for _ in 0..12 {
            let sending = self.address.into_iter().fold(request, |sending, address| sending.header("x-forwarded-for", address));
            let answer = sending.header("cookie", self.cookie_line(&asked.url)).send().await?;
            self.keep_cookies(&asked.url, &answer);
            asked.status = answer.status().as_u16();
            self.log.push(asked.clone());
            if let Some(location) = answer.headers().get("location") {
                let location = location.to_str().map_err(|_| Trouble("a redirect to nowhere".to_owned()))?.to_owned();
                if is_claimed(&location) {
                    return Ok(End::Claimed(location));
                }
                asked = Exchange { url: location.clone(), ..get.clone() };
                request = http.get(location);
                continue;
            }
            let status = answer.status();
            let html = answer.text().await?;
            let title = unescape(between(&html, "<h1>", "</h1>").unwrap_or("(no heading)"));
            if let Some(last) = self.log.last_mut() {
                last.body = json!({ "page": title });
            }
            // A page that leads on by itself.
            if let Some(onward) = between(&html, "http-equiv=\"refresh\" content=\"0;url=", "\"").map(unescape) {
                if is_claimed(&onward) {
                    return Ok(End::Claimed(onward));
                }
                asked = Exchange { url: onward.clone(), ..get.clone() };
                request = http.get(onward);
                continue;
            }
            self.seen.push(title.clone());
            self.read.push(paragraphs(&html));
            if !status.is_success() {
                return Err(Trouble(format!("the browser shows an error page ({status}): {title}")));
            }
            let Some(mut form) = Form::read(&html) else { return Ok(End::Page(unescape(&title))) };
            if let (true, Some((mailbox, address))) = (form.fields.contains_key("email_code"), person.mail) {
                let code = mailbox.wait_for_code(address, letters).await.ok_or_else(|| Trouble("no letter with a code came".to_owned()))?;
                letters = mailbox.letters().len();
                form.fields.insert("email_code".to_owned(), code);
            }
            if let Some(at) = buttons.iter().position(|it| html.contains(&format!("value=\"{it}\""))) {
                form.fields.insert("action".to_owned(), buttons.remove(at).to_owned());
            }
            self.use_passkey(&html, &asked.url, &mut form)?;
            self.use_wallet(&html, &asked.url, &mut form)?;
            self.use_other_device(http, &html, &mut form).await?;
            let action = form.action.clone();
            let fields = form.fill(&person.answers);
            asked = Exchange { method: "POST".to_owned(), url: action.clone(), sent: typed(&fields), ..get.clone() };
            request = http.post(action).form(&fields);
        }
        Err(Trouble("the sign-in does not end".to_owned()))
    }

    /// What the page's script does when the person presses the button: it asks the platform, and puts the answer into the form.
    fn use_passkey(&self, html: &str, url: &str, form: &mut Form) -> Result<(), Trouble> {
        let Some(passkeys) = self.passkeys.as_ref().filter(|_| form.fields.get("action").is_some_and(|it| it == "passkey")) else {
            return Ok(());
        };
        let operation: Value = attribute(html, "data-operation").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let origin = url::Url::parse(url).map(|it| it.origin().ascii_serialization()).unwrap_or_default();
        let made = passkeys.answer_page(&operation, &origin).map_err(|why| Trouble(why.as_str().to_owned()))?;
        form.fields.insert("passkey".to_owned(), made.to_string());
        Ok(())
    }

    /// The same for a credential of a wallet.
    fn use_wallet(&self, html: &str, url: &str, form: &mut Form) -> Result<(), Trouble> {
        let pressed = form.fields.get("action").is_some_and(|it| it == "show_credential");
        let Some(wallet) = self.wallet.as_ref().filter(|_| pressed) else { return Ok(()) };
        let operation: Value = attribute(html, "data-operation").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let origin = url::Url::parse(url).map(|it| it.origin().ascii_serialization()).unwrap_or_default();
        let asked = wallet.read_call(&operation["options"], &origin, now_s())?;
        form.fields.insert("credential".to_owned(), wallet.answer_call(&asked)?.to_string());
        Ok(())
    }

    /// The other device scans the code and shows its wallet's credential. The person types the number that it shows.
    async fn use_other_device(&mut self, http: &reqwest::Client, html: &str, form: &mut Form) -> Result<(), Trouble> {
        let Some(link) = attribute(html, "data-text").filter(|_| form.fields.contains_key("matching_number")) else { return Ok(()) };
        let Some(other) = &mut self.other_device else { return Ok(()) };
        let asked = other.wallet.read(http, &link, now_s()).await?;
        let onward = other.wallet.answer(http, &asked).await?;
        let page = http.get(onward).send().await?.text().await?;
        let heading = unescape(between(&page, "<h1>", "</h1>").unwrap_or_default());
        let number: u32 = heading.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or_default();
        other.shown = std::iter::once(heading).chain(paragraphs(&page)).collect();
        let typed = if other.tells { number } else { (number + 1) % 100 };
        form.fields.insert("matching_number".to_owned(), format!("{typed:02}"));
        Ok(())
    }

    /// The requests since this was last asked, oldest first.
    pub fn take_log(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.log)
    }

    /// The value of its `Cookie` header for this URL.
    pub fn cookie_line(&self, url: &str) -> String {
        let host = host(url);
        let of_host = self.cookies.iter().filter(|((of, _), _)| *of == host);
        of_host.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, url: &str, answer: &reqwest::Response) {
        for line in answer.headers().get_all("set-cookie") {
            let Some((name, rest)) = line.to_str().ok().and_then(|it| it.split_once('=')) else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(&(host(url), name.to_owned()));
            } else {
                self.cookies.insert((host(url), name.to_owned()), value.to_owned());
            }
        }
    }
}

fn now_s() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a phone has a clock of its own")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

/// What a page says, and what is wrong, if something is.
fn paragraphs(html: &str) -> Vec<String> {
    let all = html.split("<p class=\"").skip(1).filter(|rest| rest.starts_with("lead\"") || rest.starts_with("problem\""));
    all.filter_map(|rest| between(rest, ">", "</p>")).map(unescape).collect()
}

/// Where a visit ends.
enum End {
    Claimed(String),
    /// A page without a form, by its heading.
    Page(String),
}

struct Form {
    action: String,
    fields: BTreeMap<String, String>,
}

impl Form {
    fn read(html: &str) -> Option<Self> {
        let form = between(html, "<form", "</form>")?;
        let mut fields = BTreeMap::new();
        for tag in form.split("<input").skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            if let Some(name) = attribute(tag, "name") {
                fields.insert(name, attribute(tag, "value").unwrap_or_default());
            }
        }
        if let Some(button) = form.split("<button").nth(1) {
            let tag = button.split('>').next().unwrap_or_default();
            if let (Some(name), Some(value)) = (attribute(tag, "name"), attribute(tag, "value")) {
                fields.insert(name, value);
            }
        }
        Some(Self { action: attribute(form.split('>').next()?, "action")?, fields })
    }

    fn fill(mut self, answers: &[(&str, &str)]) -> BTreeMap<String, String> {
        for (name, value) in answers {
            if self.fields.contains_key(*name) {
                self.fields.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        self.fields
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|it| it.0)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    between(tag, &format!(" {name}=\""), "\"").map(unescape)
}

fn unescape(text: &str) -> String {
    [("&#x2f;", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
