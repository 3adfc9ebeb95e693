//! Chromium by WebDriver, the demo, and a server of its own.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_oauth::base64url;

pub const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Driver {
    pub http: reqwest::Client,
    pub session: String,
}

impl Driver {
    pub async fn command(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body["value"].clone()
    }

    pub async fn look(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.session)).send().await.unwrap().json::<Value>().await.unwrap()["value"].clone()
    }

    pub async fn find(&self, css: &str) -> String {
        for _ in 0..50 {
            let request = self.http.post(format!("{}/element", self.session)).json(&json!({ "using": "css selector", "value": css }));
            let found: Value = request.send().await.unwrap().json().await.unwrap();
            if let Some(id) = found["value"][ELEMENT].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {css} on {}", self.look("/source").await)
    }

    pub async fn text(&self, css: &str) -> String {
        let id = self.find(css).await;
        self.look(&format!("/element/{id}/text")).await.as_str().unwrap_or_default().to_owned()
    }

    pub async fn click(&self, css: &str) {
        let id = self.find(css).await;
        self.command(&format!("/element/{id}/click"), json!({})).await;
    }

    /// Types into whatever has the focus, as a keyboard does.
    pub async fn keys(&self, keys: &str) {
        let active = self.look("/element/active").await[ELEMENT].as_str().unwrap().to_owned();
        self.command(&format!("/element/{active}/value"), json!({ "text": keys })).await;
    }

    /// Waits until the page's heading is this.
    pub async fn heading(&self, wanted: &str) {
        for _ in 0..50 {
            if self.text("h1").await.replace('\u{2011}', "-") == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the heading is {:?}, not {wanted:?}", self.text("h1").await);
    }

    pub async fn dress(&self, width: u32, height: u32, theme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("/goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics })).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.command("/goog/cdp/execute", json!({ "cmd": "Emulation.setEmulatedMedia", "params": media })).await;
    }

    /// The window as it is, as the bytes of a PNG.
    pub async fn png(&self) -> Vec<u8> {
        let text = self.look("/screenshot").await.as_str().unwrap().replace('+', "-").replace('/', "_");
        base64url::decode(text.trim_end_matches('=')).unwrap()
    }

    /// What this script returns.
    pub async fn script(&self, script: &str) -> Value {
        self.command("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// A new tab, with the cookies of the others. A question of the browser's own stays behind.
    pub async fn new_tab(&self) {
        let tab = self.command("/window/new", json!({ "type": "tab" })).await["handle"].clone();
        self.command("/window", json!({ "handle": tab })).await;
    }

    /// What this event of the browser said since the last look at its events.
    async fn events(&self, method: &str) -> Vec<Value> {
        let lines = self.command("/se/log", json!({ "type": "performance" })).await;
        let events = lines.as_array().unwrap().iter().map(|it| serde_json::from_str::<Value>(it["message"].as_str().unwrap()).unwrap());
        let of_method = events.filter(|it| it["message"]["method"] == method);
        of_method.map(|it| it["message"]["params"].clone()).collect()
    }

    /// Waits for an event about an address that begins so. `address`: where it stands in the event.
    async fn event_of(&self, method: &str, address: &str, beginning: &str) -> Value {
        let mut seen = Vec::new();
        for _ in 0..50 {
            seen.extend(self.events(method).await);
            let is_it = |it: &&Value| it.pointer(address).and_then(Value::as_str).is_some_and(|url| url.starts_with(beginning));
            if let Some(found) = seen.iter().find(is_it) {
                return found.clone();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {method} of {beginning}: {:?}", seen.iter().map(|it| it.pointer(address)).collect::<Vec<_>>());
    }

    /// Waits until a page asks the browser for an address that begins so, whoever opens such addresses.
    pub async fn leads_to(&self, beginning: &str) -> String {
        self.event_of("Page.frameRequestedNavigation", "/url", beginning).await["url"].as_str().unwrap().to_owned()
    }

    /// Waits until the browser asks a host for an address that begins so. Does it say that a person did it?
    pub async fn goes_by_a_gesture(&self, beginning: &str) -> bool {
        self.event_of("Network.requestWillBeSent", "/request/url", beginning).await["hasUserGesture"].as_bool().unwrap()
    }

    pub async fn picture(&self, name: &str) {
        let directory = format!("{}/../target/screenshots", env!("CARGO_MANIFEST_DIR"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(format!("{directory}/{name}.png"), self.png().await).unwrap();
    }

    /// Nothing on the page is wider than the window.
    pub async fn fits(&self) {
        let script = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(self.script(script).await, true, "the page scrolls sideways");
    }
}

/// What the demo prints, line by line.
pub type Printed = Arc<Mutex<Vec<String>>>;

pub fn demo() -> (Killed, String, Printed) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_symbolon-demo")).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let demo = Killed(child);
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let address = lines.by_ref().find(|it| it.trim().starts_with("http://127.0.0.1")).expect("the demo did not come up");
    // What it prints later is read as well: letters, and so that its next line does not meet a closed pipe.
    let printed = Printed::default();
    let kept = Arc::clone(&printed);
    std::thread::spawn(move || lines.for_each(|it| kept.lock().unwrap().push(it)));
    (demo, address.trim().to_owned(), printed)
}

/// The code in the letter to this address, read off the terminal as a person does.
pub async fn code(printed: &Printed, to: &str) -> String {
    for _ in 0..50 {
        let lines = printed.lock().unwrap().clone();
        let letter = lines.iter().rposition(|it| it.contains(&format!("A letter to {to}:")));
        let digits = letter.and_then(|at| lines[at..].iter().find(|it| it.contains(" is the code") || it.contains(" is your code")));
        if let Some(line) = digits {
            return line.chars().filter(char::is_ascii_digit).take(8).collect();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no letter to {to}: {:?}", printed.lock().unwrap());
}

pub async fn driver() -> Option<(Killed, Driver)> {
    let port = symbolon_phone::net::free_port();
    let child = Command::new("chromedriver").arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
    let child = Killed(child);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let base = format!("http://127.0.0.1:{port}/session");
    let options = json!({ "args": [
        "--headless", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--lang=en", "--host-resolver-rules=MAP *.test 127.0.0.1",
    ] });
    let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options, "goog:loggingPrefs": { "performance": "ALL" } } } });
    for _ in 0..50 {
        if let Ok(answer) = http.post(&base).json(&wanted).send().await {
            let body: Value = answer.json().await.unwrap();
            let id = body["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{body}"));
            return Some((child, Driver { http, session: format!("{base}/{id}") }));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("chromedriver does not answer");
}

/// Chromium, and the account page of a server that `start` makes in a directory of this name. None: one of the two is missing, as is said.
pub async fn at_account(
    name: &str,
    start: impl FnOnce(&std::path::Path) -> Option<(Killed, String)> + Send + 'static,
) -> Option<([Killed; 2], Driver, String, std::path::PathBuf)> {
    let Some((chromedriver, browser)) = driver().await else {
        println!("skipped: there is no chromedriver");
        return None;
    };
    let directory = std::env::temp_dir().join(format!("symbolon-{name}-{}", std::process::id()));
    let at = directory.clone();
    let Some((server, account)) = tokio::task::spawn_blocking(move || start(&at)).await.unwrap() else {
        println!("skipped: the program `symbolon` is not built");
        return None;
    };
    Some(([chromedriver, server], browser, account, directory))
}

/// A server on a name, because no browser makes a passkey for an address. With one person, alice.
pub fn server_on_localhost(directory: &std::path::Path) -> Option<(Killed, String)> {
    server_with(directory, "[\"password\", \"passkey\"]", "")
}

/// The same with this policy, and more tables. PORT stands for the port.
pub fn server_with(directory: &std::path::Path, require: &str, more: &str) -> Option<(Killed, String)> {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_symbolon-demo")).with_file_name("symbolon");
    if !program.exists() {
        return None;
    }
    let file = directory.join("symbolon.toml");
    let run = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("-c").arg(&file).args(words).stdout(Stdio::null());
        command
    };
    assert!(Command::new(&program).arg("init").arg(directory).stdout(Stdio::null()).status().unwrap().success());
    let port = symbolon_phone::net::free_port();
    let text = std::fs::read_to_string(&file).unwrap();
    let text =
        text.replace("http://127.0.0.1:8080", &format!("http://localhost:{port}")).replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let (head, tail) = text.split_once("[login.default]\n").unwrap();
    let rest = tail.split_once('\n').unwrap().1;
    std::fs::write(&file, format!("{head}[login.default]\nrequire = {require}\n{rest}\n{}", more.replace("PORT", &port.to_string())))
        .unwrap();
    let mut adding = run(&["user", "add", "alice"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut adding.stdin.take().unwrap(), b"open sesame, please\n").unwrap();
    assert!(adding.wait().unwrap().success());
    let serving = Killed(run(&["serve"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((serving, format!("http://localhost:{port}/account")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server did not come up");
}
