//! Step -> page. Templates are read at run time, so that operators replace them without compiling. There is one style sheet, and four short
//! scripts. A page's policy names those that it has. User-controlled text is escaped, shortened and stripped of what turns it round.

mod assets;
mod dates;
mod locales;
pub mod lone;
mod own;
pub mod words;

use crate::config::Brand;
use crate::error::Fault;
use crate::login::operation::Operation;
use crate::login::step::{FieldKind, Step};
use crate::visible::plain;
use assets::{Asset, Assets};
use locales::{Locales, SENTENCE};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use own::own_file;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use symbolon_oauth::{base64url, digest};
use words::Worded;

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("step.html", include_str!("templates/step.html")),
    ("error.html", include_str!("templates/error.html")),
    ("home.html", include_str!("templates/home.html")),
    ("account.html", include_str!("templates/account.html")),
    ("account_links.html", include_str!("templates/account_links.html")),
    ("form_post.html", include_str!("templates/form_post.html")),
    ("leave.html", include_str!("templates/leave.html")),
    ("continue.html", include_str!("templates/continue.html")),
];
/// What a link says that leads on.
const CONTINUE: &str = "action-continue";
/// The script of a form_post answer. The digest of each script is in the policy of the page that has it.
const SUBMIT: &str = "document.forms[0].submit()";
/// What a page with an operation has beside that: the browser's part of WebAuthn.
const PASSKEY: &str = include_str!("passkey.js");
/// The same for a digital wallet: the browser's part of the Digital Credentials API.
const CREDENTIAL: &str = include_str!("credential.js");
/// What a page with a password has: a button that shows what was typed. Without it the page works as well.
const SHOW: &str = include_str!("show.js");

pub struct PageContext {
    pub locale: String,
    /// Our issuer.
    pub base: String,
    pub form_action: String,
    pub form_token: String,
    pub hidden: Vec<(String, String)>,
    /// The person goes on at somebody else: where the page's link leads.
    pub onward: Option<String>,
    /// The page leads there by itself.
    pub refresh: bool,
    /// The browser is one inside another app; a link from there begins anew in the person's own browser.
    pub embedded: bool,
    pub own_browser: Option<String>,
}

#[derive(Serialize)]
pub struct ErrorPage {
    pub status: u16,
    /// The person's message is `error-lead-KIND`.
    pub kind: &'static str,
    /// For the developer.
    pub code: String,
    pub hint: String,
    /// Of the request, as the log has it.
    pub id: String,
}

#[derive(Serialize)]
pub struct SessionView {
    pub id_token: String,
    /// Empty: nothing is known of the device.
    pub label: String,
    pub address: String,
    pub started: String,
    pub last_used: String,
    pub current: bool,
}

/// What happened to the account: the message `event-NAME`.
#[derive(Serialize)]
pub struct EventView {
    pub event: String,
    pub when: String,
    pub more: String,
}

/// What the continue page shows.
#[derive(Serialize)]
pub struct ContinueView {
    pub name: String,
    /// The link of the button, and another form of it.
    pub first: String,
    pub second: Option<String>,
    pub app_page: Option<String>,
    /// The browser is on a desktop: a phone that reads the picture begins anew on the app's page.
    pub pictured: bool,
    pub embedded: bool,
}

#[derive(Serialize)]
pub struct AppView {
    pub client: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub since: String,
}

/// Identities at providers.
#[derive(Serialize, Default)]
pub struct LinksView {
    pub links: Vec<LinkView>,
    pub providers: Vec<ProviderView>,
}

#[derive(Serialize)]
pub struct LinkView {
    pub key: String,
    pub label: String,
    pub shown: String,
    pub ends_there: bool,
}

/// A provider whose identities may be linked.
#[derive(Serialize)]
pub struct ProviderView {
    pub name: String,
    pub label: String,
}

#[derive(Serialize)]
pub struct AccountView {
    pub name: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    /// Of a person without an e-mail address.
    pub login_name: Option<String>,
    pub second_factors: Vec<String>,
    /// Does this server send mail, so that an address can be proved?
    pub mail: bool,
    pub recovery_codes_left: usize,
    /// Passkeys alone bring recovery codes too.
    pub makes_codes: bool,
    /// Does a client ask people for their user codes?
    pub user_codes: bool,
    /// What was added or asked for and does not count in full yet.
    pub waiting: Vec<WaitingView>,
    pub sessions: Vec<SessionView>,
    pub apps: Vec<AppView>,
    pub history: Vec<EventView>,
    /// The name of the language in itself.
    pub language: Option<String>,
    pub links: LinksView,
    /// On which less is asked.
    pub devices: Vec<DeviceView>,
    /// How many requests of clients wait for an answer.
    pub approvals: usize,
    pub form_action: String,
    pub form_token: String,
    /// None: no policy of this server takes passkeys, and the person has none.
    pub passkeys: Option<Vec<PasskeyView>>,
    /// What the platform is told about them.
    #[serde(skip)]
    pub signal: Option<Operation>,
}

#[derive(Serialize)]
pub struct WaitingView {
    /// One word, for texts about it.
    pub kind: &'static str,
    pub since: String,
    /// None: only when it is confirmed.
    pub counts_from: Option<String>,
}

#[derive(Serialize)]
pub struct DeviceView {
    pub id: String,
    /// Empty: nothing is known of it.
    pub label: String,
    pub first: String,
    pub last: String,
}

#[derive(Serialize)]
pub struct PasskeyView {
    pub public_id: String,
    pub name: String,
    pub created: String,
    /// None: never used since it was made.
    pub last_used: Option<String>,
    /// It is found by its person's name alone.
    pub needs_name: bool,
    /// It was made for another address of this server and works no more.
    pub is_of_other_rp: bool,
    /// The configuration refuses its kind.
    pub is_refused: bool,
}

pub struct Pages {
    environment: Environment<'static>,
    locales: Arc<Locales>,
    brand: BrandView,
    assets: Assets,
}

#[derive(Serialize, Clone)]
struct BrandView {
    name: String,
    privacy_url: Option<String>,
    terms_url: Option<String>,
    support_url: Option<String>,
    logo: Option<String>,
}

impl Pages {
    /// `own`: a directory. Its templates replace ours of the same name, and its `style.css` is added to ours. Its `LANGUAGE.ftl` change or
    /// add messages. `base`: where a relative logo begins.
    pub fn new(brand: &Brand, own: Option<&Path>, base: &Path) -> Result<Self, Fault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let broken = |it: minijinja::Error| Fault::new(format!("a page template: {it:#}"));
        for (name, ours) in TEMPLATES {
            let text = own_file(own, name)?.unwrap_or_else(|| (*ours).to_owned());
            environment.add_template_owned(*name, text).map_err(broken)?;
        }
        let locales = Arc::new(Locales::read(own)?);
        let known = Arc::clone(&locales);
        environment.add_function("t", move |locale: &str, key: &str, args: Option<Value>| known.message(locale, key, &arguments(args)));
        environment.add_filter("fours", |text: &str| fours(text));
        environment.add_filter("base64", |text: &str| standard_base64(text.as_bytes()));
        environment.add_filter("plain", |text: &str| plain(text, SENTENCE));
        environment.add_filter("unbroken", unbroken);
        environment.add_filter("dates", dates::unbroken);
        environment.add_filter("qr", |uri: &str| qr(uri).unwrap_or_default());
        let assets = Assets::read(brand, own, base)?;
        let brand = BrandView {
            name: plain(&brand.name, NAME),
            privacy_url: brand.privacy_url.clone(),
            terms_url: brand.terms_url.clone(),
            support_url: brand.support_url.clone(),
            logo: assets.logo.as_ref().map(|it| it.name.clone()),
        };
        Ok(Self { environment, locales, brand, assets })
    }

    fn render(&self, name: &str, locale: &str, values: Value) -> Result<String, Fault> {
        let template = self.environment.get_template(name).map_err(|it| Fault::new(format!("{name}: {it:#}")))?;
        let version = &self.assets.style.version;
        let common = context! { brand => Value::from(Serde(&self.brand)), locale => locale, assets => version, ..values };
        template.render(common).map_err(|it| Fault::new(format!("{name}: {it:#}")))
    }

    pub fn step(&self, step: &Step, page: &PageContext) -> Result<String, Fault> {
        let values = context! {
            step => self.worded(step, &page.locale), form_action => page.form_action.as_str(), form_token => page.form_token.as_str(),
            hidden => Value::from(Serde(&page.hidden)), base => page.base.as_str(), onward => page.onward.as_deref(),
            request_id => None::<&str>, refresh => page.refresh, embedded => page.embedded, script => Script::of(step.operation.as_ref()).own(),
            help => has_password(step).then_some(SHOW), own_browser => page.own_browser.as_deref(), onward_label => CONTINUE,
        };
        self.render("step.html", &page.locale, values)
    }

    fn worded(&self, step: &Step, locale: &str) -> Value {
        let worded = self.word(step, locale);
        let operation = worded.operation.as_ref().map(|worded| shown_operation(&worded.operation));
        context! { operation => operation, ..Value::from(Serde(&worded)) }
    }

    /// A step in a language: what pages and the documents of the native face are made from.
    pub fn word(&self, step: &Step, locale: &str) -> Worded {
        words::word(&self.locales, locale, step)
    }

    /// A page that leads on by itself, and by a link.
    pub fn leave(&self, step: &Step, locale: &str, base: &str, onward: &str) -> Result<String, Fault> {
        self.render("leave.html", locale, context! { step => self.worded(step, locale), base => base, onward => onward, refresh => true })
    }

    /// The same without leading on by itself.
    pub fn onward(&self, step: &Step, locale: &str, base: &str, onward: &str) -> Result<String, Fault> {
        self.render("leave.html", locale, context! { step => self.worded(step, locale), base => base, onward => onward, refresh => false })
    }

    pub fn continuing(&self, view: &ContinueView, locale: &str, base: &str) -> Result<String, Fault> {
        self.render("continue.html", locale, context! { view => Value::from(Serde(view)), base => base })
    }

    pub fn error(&self, error: &ErrorPage, locale: &str, base: &str) -> Result<String, Fault> {
        self.render("error.html", locale, context! { error => Value::from(Serde(error)), base => base })
    }

    /// `registration`: may people make their own account?
    pub fn home(&self, locale: &str, base: &str, registration: bool) -> Result<String, Fault> {
        self.render("home.html", locale, context! { base => base, registration => registration })
    }

    pub fn account(&self, locale: &str, view: &AccountView, base: &str) -> Result<String, Fault> {
        let signal = view.signal.as_ref().map(shown_operation);
        let values = context! { view => Value::from(Serde(view)), base => base, signal => signal, script => PASSKEY };
        self.render("account.html", locale, values)
    }

    pub fn form_post(&self, action: &str, pairs: &[(String, String)], locale: &str, base: &str) -> Result<String, Fault> {
        let values = context! { action => action, pairs => Value::from(Serde(pairs)), script => SUBMIT, base => base };
        self.render("form_post.html", locale, values)
    }

    /// A message by itself, for mail.
    pub fn text(&self, locale: &str, key: &str, values: &BTreeMap<String, String>) -> String {
        self.locales.message(locale, key, values)
    }

    /// Is there such a message, in English at least?
    pub fn has_message(&self, key: &str) -> bool {
        self.locales.has(key)
    }

    /// The languages there are messages for.
    pub fn languages(&self) -> Vec<&str> {
        self.locales.names()
    }

    /// The name of a language in itself.
    pub fn language_name(&self, code: &str) -> String {
        self.locales.own_name(code)
    }

    /// The languages with the name of each in itself.
    pub fn named_languages(&self) -> Vec<(String, String)> {
        let name = |code: &&str| ((*code).to_owned(), self.locales.own_name(code));
        self.locales.names().iter().map(name).collect()
    }

    pub fn pick_locale(&self, ui_locales: Option<&str>, accept_language: &str) -> String {
        self.locales.pick(ui_locales, accept_language)
    }

    /// The operator's logo.
    pub fn logo(&self) -> Option<&Asset> {
        self.assets.logo.as_ref()
    }

    /// A static file by its name below /assets/.
    pub fn asset(&self, path: &str) -> Option<&Asset> {
        let logo = self.assets.logo.as_ref().filter(|it| it.name == path);
        logo.or_else(|| (path == self.assets.style.name).then_some(&self.assets.style))
    }
}

/// Does somebody type a password there?
pub fn has_password(step: &Step) -> bool {
    step.fields.iter().any(|field| matches!(field.kind, FieldKind::Password | FieldKind::NewPassword))
}

/// A large title breaks no line inside "e-mail".
fn unbroken(title: &str) -> String {
    title.replace("e-mail", "e\u{2011}mail").replace("E-Mail", "E\u{2011}Mail")
}

/// A long text in groups of four, to be typed off a screen.
fn fours(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// What the script reads.
fn shown_operation(operation: &Operation) -> Value {
    let json = serde_json::to_string(operation).unwrap_or_default();
    let way = operation.way();
    context! {
        json => json, answered => operation.is_answered(), action => way.map(|way| way.action), field => way.map(|way| way.field),
        is_hidden => matches!(operation, Operation::CredentialGet { .. }),
    }
}

/// The picture of an address, as an SVG in base64.
fn qr(uri: &str) -> Option<String> {
    let code = qrcode::QrCode::new(uri.as_bytes()).ok()?;
    let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
    Some(standard_base64(svg.as_bytes()))
}

fn arguments(args: Option<Value>) -> BTreeMap<String, String> {
    let Some(args) = args else { return BTreeMap::new() };
    let Ok(names) = args.try_iter() else { return BTreeMap::new() };
    names.filter_map(|name| Some((name.to_string(), args.get_item(&name).ok()?.to_string()))).collect()
}

const NAME: usize = 80;

/// What a page may do beyond our own style sheet and pictures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Script {
    None,
    /// The one line that submits the form.
    Submit,
    /// What is typed as a password may be shown.
    Show,
    /// A passkey is made or used.
    Passkey,
    /// A wallet shows a credential.
    Credential,
}

impl Script {
    /// What a page needs for an operation of the platform.
    pub fn of(operation: Option<&Operation>) -> Self {
        match operation {
            None | Some(Operation::WalletOpen { .. }) => Self::None,
            Some(Operation::CredentialGet { .. }) => Self::Credential,
            Some(_) => Self::Passkey,
        }
    }

    /// The operation's script, as the page has it.
    fn own(self) -> &'static str {
        match self {
            Self::None | Self::Submit | Self::Show => "",
            Self::Passkey => PASSKEY,
            Self::Credential => CREDENTIAL,
        }
    }

    /// All scripts that may run. A page with an operation may have a password as well.
    fn all(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Submit => &[SUBMIT],
            Self::Show => &[SHOW],
            Self::Passkey => &[PASSKEY, SHOW],
            Self::Credential => &[CREDENTIAL, SHOW],
        }
    }
}

/// Where the forms of a page may lead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FormTarget {
    /// To us. What they lead to from there is a page of ours too.
    Ours,
    /// To the client. Browsers hold redirects behind a form against its policy, and only the client knows where its callback leads.
    Client,
}

/// A script as a policy names it.
fn source(script: &str) -> String {
    format!("'sha256-{}'", standard_base64(&digest::sha256(script.as_bytes())))
}

pub fn content_security_policy(form: FormTarget, script: Script) -> String {
    let script = match script {
        Script::None => "'none'".to_owned(),
        some => some.all().iter().map(|text| source(text)).collect::<Vec<_>>().join(" "),
    };
    let form = match form {
        FormTarget::Ours => "form-action 'self'; ",
        FormTarget::Client => "",
    };
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src {script}; {form}frame-ancestors 'none'; base-uri 'none'"
    )
}

fn standard_base64(bytes: &[u8]) -> String {
    let text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::step::{Content, Problem, Text};

    fn pages() -> Pages {
        Pages::new(&Brand::default(), None, Path::new(".")).unwrap()
    }

    const KINDS: [&str; 52] = [
        "password",
        "identify",
        "reset",
        "email_send",
        "email_code",
        "totp",
        "recovery_code",
        "recovery_codes",
        "register",
        "new_email",
        "consent",
        "new_password",
        "new_user_code",
        "enrol_totp",
        "remove_totp",
        "logout",
        "signed_out",
        "over",
        "elsewhere",
        "done",
        "leave",
        "unvouched",
        "device_code",
        "device",
        "device_approved",
        "device_denied",
        "passkey",
        "enrol_passkey",
        "offer_passkey",
        "remove_passkey",
        "upstream",
        "upstream_on_the_way",
        "upstream_unknown",
        "wallet",
        "wallet_on_the_way",
        "wallet_elsewhere",
        "wallet_number",
        "wallet_number_none",
        "wallet_stopped",
        "link",
        "unlink",
        "waits",
        "ticket",
        "approval",
        "handover",
        "approval_given",
        "approval_refused",
        "approval_none",
        "approval_other",
        "stop_totp",
        "stopped",
        "stop_over",
    ];

    /// 351-L, 552-V, 555-V, 556-V
    #[test]
    fn names_are_text_and_nothing_else() {
        for kind in KINDS {
            let step = Step::new(kind)
                .field("username", FieldKind::Text, "username", Some("\"><script>"))
                .primary("continue")
                .link("not_you")
                .with_problem(Some(Problem::new("wrong_password")))
                .show(Content::List(vec![Text::new("<i>")]))
                .show(Content::details("<b>x", vec![("<b>".to_owned(), "<i>".to_owned())]))
                .show(Content::Qr { text: "openid4vp://?x=\"><script>".to_owned() })
                .show(Content::Authenticator { uri: "otpauth://totp/x?secret=ABC".to_owned(), secret: "ABC".to_owned() });
            let step = Step { title: step.title.clone().with("client", "<b>{{7*7}}\u{202e}evil"), ..step };
            for locale in ["en", "de"] {
                let context = PageContext {
                    locale: locale.into(),
                    base: "https://as".into(),
                    form_action: "https://as/login".into(),
                    form_token: "t".into(),
                    hidden: vec![("a\"b".into(), "<script>".into())],
                    onward: Some("https://op.example/\"><script>".into()),
                    refresh: true,
                    embedded: true,
                    own_browser: Some("intent://as/\"><script>".into()),
                };
                let html = pages().step(&step, &context).unwrap();
                for bad in ["<script>", "<b>", "<i>", "49", "\u{202e}", "-title", "-lead", "field-", "action-"] {
                    assert!(!html.contains(bad), "{kind} {locale}: {bad} in {html}");
                }
            }
        }
    }

    /// 555-V: nothing that a caller sends gets into the policy.
    #[test]
    fn only_the_page_that_posts_to_a_client_may_lead_away() {
        let home = content_security_policy(FormTarget::Ours, Script::None);
        assert!(home.contains("form-action 'self';") && home.contains("script-src 'none'"), "{home}");
        let away = content_security_policy(FormTarget::Client, Script::Submit);
        assert!(!away.contains("form-action") && away.contains("script-src 'sha256-"), "{away}");
    }

    /// 554-V, 586-K
    #[test]
    fn a_language_is_one_of_ours() {
        let pages = pages();
        let cases = [(Some("de-AT en"), "", "de"), (None, "fr;q=0.9, de;q=0.8", "de"), (None, "de;q=0.5, en;q=0.8", "en")];
        for (asked, accepted, found) in cases.into_iter().chain([(None, "de;q=0, fr", "en"), (Some("../../etc"), "*", "en")]) {
            assert_eq!(pages.pick_locale(asked, accepted), found);
        }
    }
}
