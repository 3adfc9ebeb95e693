//! Step -> page. Runtime templates, so that operators replace them without compiling; one style sheet; no script but the
//! one line that submits a form_post answer. User-controlled text is escaped, shortened and stripped of what turns it round.

use crate::config::Brand;
use crate::error::Fault;
use crate::login::step::Step;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use symbolon_oauth::{base64url, digest};

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("step.html", include_str!("templates/step.html")),
    ("error.html", include_str!("templates/error.html")),
    ("home.html", include_str!("templates/home.html")),
    ("account.html", include_str!("templates/account.html")),
    ("form_post.html", include_str!("templates/form_post.html")),
];
const STYLE: &str = include_str!("style.css");
const LOCALES: &[(&str, &str)] = &[("en", include_str!("locales/en.ftl")), ("de", include_str!("locales/de.ftl"))];
/// The whole of our JavaScript; its digest is in the policy of the one page that has it.
const SUBMIT: &str = "document.forms[0].submit()";

pub struct PageContext {
    pub locale: String,
    pub form_action: String,
    pub form_token: String,
    pub client_name: Option<String>,
    pub hidden: Vec<(String, String)>,
}

#[derive(Serialize)]
pub struct ErrorPage {
    pub status: u16,
    pub code: String,
    pub hint: String,
    pub id: Option<String>,
}

#[derive(Serialize)]
pub struct SessionView {
    pub id_token: String,
    pub started: String,
    pub last_used: String,
    pub current: bool,
}

#[derive(Serialize)]
pub struct AppView {
    pub client: String,
    pub name: String,
    pub scopes: Vec<String>,
    pub since: String,
}

#[derive(Serialize)]
pub struct AccountView {
    pub name: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub second_factors: Vec<String>,
    pub sessions: Vec<SessionView>,
    pub apps: Vec<AppView>,
    pub form_action: String,
    pub form_token: String,
}

pub struct Pages {
    environment: Environment<'static>,
    locales: Arc<BTreeMap<&'static str, FluentBundle<FluentResource>>>,
    brand: BrandView,
}

#[derive(Serialize, Clone)]
struct BrandView {
    name: String,
    privacy_url: Option<String>,
    terms_url: Option<String>,
}

impl Pages {
    /// `own`: a directory whose files replace ours of the same name.
    pub fn new(brand: &Brand, own: Option<&Path>) -> Result<Self, Fault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let broken = |it: minijinja::Error| Fault::new(format!("a page template: {it:#}"));
        for (name, ours) in TEMPLATES {
            let text = match own.map(|it| it.join(name)) {
                Some(path) if path.exists() => {
                    std::fs::read_to_string(&path).map_err(|it| Fault::new(format!("{}: {it}", path.display())))?
                }
                _ => (*ours).to_owned(),
            };
            environment.add_template_owned(*name, text).map_err(broken)?;
        }
        let mut locales = BTreeMap::new();
        for (name, text) in LOCALES {
            locales.insert(*name, bundle(name, text)?);
        }
        let locales = Arc::new(locales);
        let known = Arc::clone(&locales);
        environment.add_function("t", move |locale: &str, key: &str, args: Option<Value>| message(&known, locale, key, args.as_ref()));
        environment.add_filter("plain", |text: &str| plain(text));
        environment.add_filter("base64", |text: &str| standard_base64(text.as_bytes()));
        let brand = BrandView { name: brand.name.clone(), privacy_url: brand.privacy_url.clone(), terms_url: brand.terms_url.clone() };
        Ok(Self { environment, locales, brand })
    }

    fn render(&self, name: &str, locale: &str, values: Value) -> Result<String, Fault> {
        let template = self.environment.get_template(name).map_err(|it| Fault::new(format!("{name}: {it:#}")))?;
        let common = context! { brand => Value::from(Serde(&self.brand)), locale => locale, assets => ASSETS_VERSION, ..values };
        template.render(common).map_err(|it| Fault::new(format!("{name}: {it:#}")))
    }

    pub fn step(&self, step: &Step, page: &PageContext) -> Result<String, Fault> {
        let values = context! {
            step => Value::from(Serde(step)), form_action => page.form_action.as_str(), form_token => page.form_token.as_str(),
            client_name => page.client_name.as_deref(), hidden => Value::from(Serde(&page.hidden)), base => base_of(&page.form_action),
        };
        self.render("step.html", &page.locale, values)
    }

    pub fn error(&self, error: &ErrorPage, locale: &str, base: &str) -> Result<String, Fault> {
        self.render("error.html", locale, context! { error => Value::from(Serde(error)), base => base })
    }

    pub fn home(&self, locale: &str, base: &str) -> Result<String, Fault> {
        self.render("home.html", locale, context! { base => base })
    }

    pub fn account(&self, locale: &str, view: &AccountView) -> Result<String, Fault> {
        self.render("account.html", locale, context! { view => Value::from(Serde(view)), base => base_of(&view.form_action) })
    }

    pub fn form_post(&self, action: &str, pairs: &[(String, String)], locale: &str, base: &str) -> Result<String, Fault> {
        self.render(
            "form_post.html",
            locale,
            context! { action => action, pairs => Value::from(Serde(pairs)), script => SUBMIT, base => base },
        )
    }

    /// The first language we have: of the request, then of the browser, else English. Anything odd is skipped (586-K).
    pub fn pick_locale(&self, ui_locales: Option<&str>, accept_language: Option<&str>) -> String {
        let asked = ui_locales.unwrap_or_default().split(' ').take(8);
        let accepted = accept_language.unwrap_or_default().split(',').take(8).map(|it| it.split(';').next().unwrap_or_default());
        for tag in asked.chain(accepted) {
            let language = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            if self.locales.contains_key(language.as_str()) {
                return language;
            }
        }
        "en".to_owned()
    }
}

fn base_of(form_action: &str) -> String {
    form_action.rsplit_once('/').map_or_else(String::new, |(base, _)| base.to_owned())
}

fn bundle(name: &str, text: &str) -> Result<FluentBundle<FluentResource>, Fault> {
    let resource = FluentResource::try_new(text.to_owned()).map_err(|(_, it)| Fault::new(format!("{name}.ftl: {it:?}")))?;
    let language = name.parse().map_err(|_| Fault::new(format!("{name} is no language")))?;
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|it| Fault::new(format!("{name}.ftl: {it:?}")))?;
    Ok(bundle)
}

/// A message, or its key where there is none: a missing translation is seen, not fatal.
fn message(locales: &BTreeMap<&'static str, FluentBundle<FluentResource>>, locale: &str, key: &str, args: Option<&Value>) -> String {
    let Some(bundle) = locales.get(locale).or_else(|| locales.get("en")) else { return key.to_owned() };
    let Some(pattern) = bundle.get_message(key).and_then(|it| it.value()) else { return key.to_owned() };
    let mut values = FluentArgs::new();
    if let Some(args) = args
        && let Ok(names) = args.try_iter()
    {
        for name in names {
            if let Ok(value) = args.get_item(&name) {
                values.set(name.to_string(), plain(&value.to_string()));
            }
        }
    }
    bundle.format_pattern(pattern, Some(&values), &mut Vec::new()).into_owned()
}

/// Text somebody else chose: no control or direction characters, eighty at most (351-L).
fn plain(text: &str) -> String {
    let turns = |it: char| matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    text.chars().filter(|it| !it.is_control() && !turns(*it)).take(80).collect()
}

const ASSETS_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A static file: type, bytes, ETag.
pub fn asset(path: &str) -> Option<(&'static str, &'static [u8], &'static str)> {
    match path {
        "style.css" => Some(("text/css; charset=utf-8", STYLE.as_bytes(), concat!("\"", env!("CARGO_PKG_VERSION"), "\""))),
        _ => None,
    }
}

/// Nothing but our own style sheet and forms that lead home, or to the client whose answer a form carries.
pub fn content_security_policy(form_action: Option<&str>) -> String {
    let extra = form_action.map(|it| format!(" {it}")).unwrap_or_default();
    let script = format!("'sha256-{}'", standard_base64(&digest::sha256(SUBMIT.as_bytes())));
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src {script}; form-action 'self'{extra}; \
         frame-ancestors 'none'; base-uri 'none'"
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
    use crate::login::step::FieldKind;

    fn pages() -> Pages {
        Pages::new(&Brand::default(), None).unwrap()
    }

    #[test]
    fn every_message_exists_in_every_language() {
        let keys = |text: &str| -> Vec<String> {
            text.lines().filter_map(|it| it.split_once(" =").map(|it| it.0.to_owned())).filter(|it| !it.starts_with(['#', ' '])).collect()
        };
        for (name, text) in LOCALES {
            assert_eq!(keys(text), keys(LOCALES[0].1), "{name}");
        }
    }

    /// 351-L, 552-V, 555-V, 556-V
    #[test]
    fn names_are_text_and_nothing_else() {
        let context = PageContext {
            locale: "en".into(),
            form_action: "https://as/login".into(),
            form_token: "t".into(),
            client_name: Some("<b>{{7*7}}\u{202e}evil".into()),
            hidden: vec![("a\"b".into(), "<script>".into())],
        };
        for kind in ["password", "totp", "consent", "new_password", "enrol_totp", "logout", "signed_out"] {
            let step = Step::new(kind)
                .field("username", FieldKind::Text, "username", Some("\"><script>"))
                .action("continue", "primary")
                .problem(Some("wrong_password"))
                .fact("client_name", "<b>x")
                .fact("scopes", vec![serde_json::json!({ "name": "n", "text": "<i>" })])
                .fact("secret", "ABC")
                .fact("qr_svg", "<svg></svg>");
            for locale in ["en", "de"] {
                let html = pages()
                    .step(
                        &step,
                        &PageContext {
                            locale: locale.into(),
                            client_name: context.client_name.clone(),
                            form_action: context.form_action.clone(),
                            form_token: context.form_token.clone(),
                            hidden: context.hidden.clone(),
                        },
                    )
                    .unwrap();
                for bad in ["<script>", "<b>", "<i>", "49", "\u{202e}", "-title", "-lead", "field-", "action-"] {
                    assert!(!html.contains(bad), "{kind} {locale}: {bad} in {html}");
                }
            }
        }
    }

    /// 554-V, 586-K
    #[test]
    fn a_language_is_one_of_ours() {
        let pages = pages();
        assert_eq!(pages.pick_locale(Some("de-AT en"), None), "de");
        assert_eq!(pages.pick_locale(None, Some("fr;q=0.9, de;q=0.8")), "de");
        assert_eq!(pages.pick_locale(Some("../../etc"), Some("*")), "en");
    }
}
