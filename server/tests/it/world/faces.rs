//! What a step shows on an app's own screens, and what its page shows, brought to one form.

use super::browser::{attribute, between, text_of};
use super::{Answer, Page};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One question, as a person meets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub title: String,
    pub problem: String,
    pub fields: BTreeMap<String, ShownField>,
    /// Kind, name and label, in order. The way to the browser is the one thing that a page does not have.
    pub actions: Vec<[String; 3]>,
    pub content: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct ShownField {
    pub label: String,
    pub kind: &'static str,
    pub autocomplete: String,
    pub required: bool,
    pub max_length: String,
    pub value: String,
}

impl Shown {
    pub fn page(page: &Page, same: &dyn Fn(&str) -> String) -> Self {
        let form = page.html.split("<form").nth(1).unwrap_or_default();
        let field = |part: &str| {
            let (name, label) = part.split_once("\">").unwrap();
            let label = label.split("</label>").next().unwrap();
            let input = part.split("<input").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
            let of = |name: &str| attribute(input, name).unwrap_or_default();
            let kind = match (of("type").as_str(), of("inputmode").as_str()) {
                ("password", _) => "password",
                ("email", _) => "email",
                (_, "numeric") => "code",
                _ => "text",
            };
            let required = of("aria-required") == "true";
            let shown = ShownField {
                label: text_of(label.split("<small>").next().unwrap()).trim().to_owned(),
                kind,
                autocomplete: of("autocomplete"),
                required,
                max_length: of("maxlength"),
                value: same(&of("value")),
            };
            assert_eq!(label.contains("<small>"), !required, "what may be left out says so: {label}");
            (name.to_owned(), shown)
        };
        let action = |tag: &str| {
            let label = tag.split_once('>').unwrap().1.split("</button>").next().unwrap();
            let of = |name: &str| attribute(tag, name).unwrap_or_default();
            [of("class"), of("value"), same(&text_of(label))]
        };
        Self {
            title: page.title(),
            problem: page.problem(),
            fields: form.split("<label for=\"f-").skip(1).map(field).collect(),
            actions: page.html.split("<button").skip(1).map(action).collect(),
            content: content_of_page(&page.html).iter().map(|line| same(line)).collect(),
        }
    }

    pub fn step(answer: &Answer, same: &dyn Fn(&str) -> String) -> Self {
        let step = answer.step();
        let field = |field: &Json| {
            let kind = match field["kind"].as_str().unwrap() {
                "password" | "new_password" => "password",
                "email" => "email",
                "code" => "code",
                _ => "text",
            };
            let shown = ShownField {
                label: text(&field["label"]),
                kind,
                autocomplete: text(&field["autocomplete"]),
                required: field["required"] == true,
                max_length: field["max_length"].to_string(),
                value: same(&text(&field["value"])),
            };
            assert_eq!(field["secret"] == true, kind == "password", "{field}");
            (text(&field["name"]), shown)
        };
        let action = |action: &Json| [text(&action["kind"]), text(&action["name"]), same(&text(&action["label"]))];
        let all = |name: &str| step[name].as_array().unwrap().clone();
        Self {
            title: text(&step["title"]),
            problem: text(&step["problem"]["text"]),
            fields: all("fields").iter().map(field).collect(),
            actions: all("actions").iter().map(action).filter(|action| action[1] != "browser").collect(),
            content: all("content").iter().flat_map(content_of_step).map(|line| same(&line)).collect(),
        }
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A word for each part and line. What is another one for each person, such as codes, is counted.
fn content_of_step(part: &Json) -> Vec<String> {
    let strings = |part: &Json| part.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    match part["type"].as_str().unwrap() {
        "list" => strings(&part["items"]),
        "codes" => vec![format!("{} codes", part["codes"].as_array().unwrap().len())],
        "file" => vec![format!("file {}: {}", text(&part["name"]), text(&part["label"]))],
        "authenticator" => vec![format!("authenticator {}", text(&part["label"]))],
        "qr" => vec![format!("qr {}", text(&part["label"]))],
        "details" => {
            let lines = part["lines"].as_array().unwrap().iter().map(|line| format!("{}: {}", text(&line[0]), text(&line[1])));
            std::iter::once(text(&part["heading"])).chain(lines).collect()
        }
        other => panic!("{other} is compared nowhere"),
    }
}

fn content_of_page(html: &str) -> Vec<String> {
    let main = html.split("<form").next().unwrap_or_default();
    let mut found = Vec::new();
    let items = |list: &str, tag: &str| -> Vec<String> {
        list.split(&format!("<{tag}>")).skip(1).map(|rest| text_of(rest.split("</").next().unwrap_or_default())).collect()
    };
    for list in main.split("<ul class=\"scopes\">").skip(1) {
        found.extend(items(list.split("</ul>").next().unwrap_or_default(), "li"));
    }
    for part in main.split("<section class=\"detail\">").skip(1) {
        let part = part.split("</section>").next().unwrap_or_default();
        found.extend(items(part, "h2"));
        found.extend(items(part, "dt").into_iter().zip(items(part, "dd")).map(|(name, value)| format!("{name}: {value}")));
    }
    if let Some(list) = between(main, "<ul class=\"codes\">", "</ul>") {
        found.push(format!("{} codes", list.matches("<li>").count()));
    } else if let Some(link) = main.split("id=\"download\"").nth(1) {
        let label = between(link, ">", "</a>").map(text_of).unwrap_or_default();
        found.push(format!("file {}: {label}", attribute(link, "download").unwrap_or_default()));
    }
    let first_list = main.find("<ul class=\"scopes\">").unwrap_or(usize::MAX);
    for (class, word) in [("<img class=\"qr\"", "authenticator"), ("<img class=\"qr large\"", "qr")] {
        let Some(at) = main.find(class) else { continue };
        let shown = format!("{word} {}", attribute(&main[at + class.len()..], "alt").unwrap_or_default());
        found.insert(if at < first_list { 0 } else { found.len() }, shown);
    }
    found
}
