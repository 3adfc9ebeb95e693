//! How a section of the configuration is documented: one definition beside its type. `symbolon config` prints it as commented TOML,
//! docs/configuration.md has it as Markdown. The tests hold the definitions to the types.
//!
//! To add a key: a field of the section's struct, its entry in the section's keys, `cargo xtask docs`.

use std::fmt::{self, Write};

/// One table of the file.
pub struct Section {
    /// As in the table's header; NAME, ID and WORD stand for names of the operator's own. Empty: above the first table.
    pub path: &'static str,
    pub title: &'static str,
    /// What it is for; Markdown, a blank line between paragraphs.
    pub text: &'static str,
    pub presence: Presence,
    pub keys: &'static [Key],
    /// Other tables of the page make a whole configuration with it.
    pub example: &'static str,
}

/// What holds where the file has no such table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The defaults of its keys.
    Defaults,
    /// Nothing: it is off, or there is none of that name.
    Absent,
    /// The same; and there can be several, each under a header of its own in double brackets.
    List,
}

pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub value: Value,
    /// One or two sentences; Markdown.
    pub text: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Texts,
    Flag,
    Number,
    /// 10s, 15m, 2h, 30d.
    Time,
    Path,
    Networks,
    /// A digest that `symbolon client secret` prints.
    Digest,
    /// A file, a variable or a command.
    Secret,
    OneOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    /// A value with members of its own.
    Table(&'static str),
}

/// Values as TOML writes them.
#[derive(Clone, Copy)]
pub enum Value {
    Required { example: &'static str },
    Default(&'static str),
    Optional { absent: &'static str, example: &'static str },
}

pub const fn required(name: &'static str, kind: Kind, example: &'static str, text: &'static str) -> Key {
    Key { name, kind, value: Value::Required { example }, text }
}

pub const fn defaulted(name: &'static str, kind: Kind, default: &'static str, text: &'static str) -> Key {
    Key { name, kind, value: Value::Default(default), text }
}

/// `absent`: what holds without the key, in words.
pub const fn optional(name: &'static str, kind: Kind, absent: &'static str, example: &'static str, text: &'static str) -> Key {
    Key { name, kind, value: Value::Optional { absent, example }, text }
}

impl Value {
    fn words(&self) -> &'static str {
        match self {
            Self::Required { example } | Self::Optional { example, .. } => example,
            Self::Default(value) => value,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "Text",
            Self::Texts => "List of texts",
            Self::Flag => "true or false",
            Self::Number => "Number",
            Self::Time => "Length of time",
            Self::Path => "Path",
            Self::Networks => "List of addresses and networks",
            Self::Digest => "Digest",
            Self::Secret => "Place of a secret",
            Self::OneOf(words) => return write!(f, "One of {}", quoted(words)),
            Self::SomeOf(words) => return write!(f, "List of {}", quoted(words)),
            Self::Table(what) => what,
        })
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|it| format!("`\"{it}\"`")).collect::<Vec<_>>().join(", ")
}

/// Of signatures.
pub const ALGORITHMS: &[&str] = &["ES256", "PS256", "RS256", "EdDSA"];

const WIDTH: usize = 118;

/// The commented file. It is a configuration as it stands. Keys without a default, and tables that need not be there, are commented out.
pub fn toml(sections: &[&Section]) -> String {
    let mut out = comment(
        "Every key of the configuration file. A line that begins with # and no space is not in force; take the # away to use it. Where the \
         comment says what holds without the key, the value is an example; else it is the default. Lengths of time are a number and a \
         unit: 10s, 15m, 2h, 30d. An unknown key is an error that says where it is.",
    );
    for section in sections {
        out.push('\n');
        if !section.path.is_empty() {
            out += &comment(&format!("{}. {}", section.title, section.text));
        }
        let off = if section.presence == Presence::Defaults { "" } else { "#" };
        let _ = match section.presence {
            _ if section.path.is_empty() => Ok(()),
            Presence::List => writeln!(out, "{off}[[{}]]", section.path),
            Presence::Defaults | Presence::Absent => writeln!(out, "{off}[{}]", section.path),
        };
        for key in section.keys {
            out += &comment(&described(key));
            let off = if matches!(key.value, Value::Optional { .. }) { "#" } else { off };
            let _ = writeln!(out, "{off}{} = {}", key.name, key.value.words());
        }
    }
    out
}

/// The sentences of a key; of its type those that the value does not show.
fn described(key: &Key) -> String {
    let mut text = key.text.to_owned();
    if matches!(key.kind, Kind::OneOf(_) | Kind::SomeOf(_)) {
        let _ = write!(text, " {}.", key.kind);
    }
    match key.value {
        Value::Required { .. } => text += " Required.",
        Value::Optional { absent, .. } => {
            let _ = write!(text, " Without it: {absent}.");
        }
        Value::Default(_) => {}
    }
    text
}

/// Wrapped, behind `# `; without what only Markdown needs.
fn comment(text: &str) -> String {
    text.split("\n\n").map(|it| wrapped("# ", &plain(it))).collect::<Vec<_>>().join("#\n")
}

/// One paragraph as lines that begin so.
fn wrapped(begin: &str, text: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > WIDTH {
            if width > 0 {
                out.push('\n');
            }
            out += begin;
            width = begin.chars().count();
        } else {
            out.push(' ');
            width += 1;
        }
        out += word;
        width += length;
    }
    out.push('\n');
    out
}

/// `[branding.md](branding.md)` becomes docs/branding.md, and nothing is bold.
fn plain(markdown: &str) -> String {
    let mut out = String::new();
    for (at, part) in markdown.split("](").enumerate() {
        match part.split_once(')').filter(|_| at > 0) {
            Some((target, rest)) => {
                let name = out.rfind('[').map_or(out.len(), |it| it);
                out.truncate(name);
                let _ = write!(out, "docs/{target}{rest}");
            }
            None => out += part,
        }
    }
    out.replace("**", "")
}

const OPENING: &str = "\
# Configuration

This page is for whoever installs Symbolon and decides what it allows. It has every key of the configuration file.
`cargo xtask docs` makes it from the program itself. Begin with the file that `symbolon init` writes, and look here for
what you want to change.

- `symbolon config` prints every key with its default, as a commented file.
- `symbolon check` reads a configuration as a security reviewer would, and names the weak spots.

The configuration is one TOML file. An unknown key is an error, and so is a name that points nowhere or a secret in
clear. Each error says where it stands. That of an unknown key names one that is spelled alike.

**Reloading.** SIGHUP reads the file again, and no request is dropped. A bad file is refused and the old one stays in
force. These need a restart: `issuer`, `listen`, `database`, `database_connections`, `master_key`, `[tls]`, `listen` of
`[mtls]`, `admin_socket` and `metrics`. An algorithm that signs for the first time needs one too, unless its key has
been published for `publish_ahead` of `[signing]`.

**Values.** A length of time is a number and a unit: `10s`, `15m`, `2h`, `30d`. A relative path begins at the directory
of the file. Keys that weaken a protection are marked **UNSAFE**.

**Secrets.** No secret stands in the file itself. A client's or an API's secret is written as its digest, which
`symbolon client secret` prints. A secret that the server needs itself is named by its place:

- `{ file = \"PATH\" }`, a file that only its owner can read;
- `{ env = \"NAME\" }`, a variable;
- `{ command = [\"program\", \"argument\"] }`, what the command prints.

**Variables.** SYMBOLON_DATABASE, SYMBOLON_LISTEN, SYMBOLON_MASTER_KEY and SYMBOLON_MAIL_PASSWORD come before the file
if they are set.

";

/// The page docs/configuration.md.
pub fn markdown(sections: &[&Section]) -> String {
    let mut out = String::from(OPENING);
    out += "| table | for |\n|---|---|\n";
    for section in sections {
        let anchor = section.title.to_lowercase().replace(' ', "-").replace(['\'', ','], "");
        let _ = writeln!(out, "| {} | [{}](#{anchor}) |", header(section), section.title);
    }
    for section in sections {
        let _ = write!(out, "\n## {}\n", section.title);
        let text = if section.path.is_empty() { section.text.to_owned() } else { format!("{}: {}", header(section), section.text) };
        for paragraph in text.split("\n\n") {
            let _ = write!(out, "\n{}", wrapped("", paragraph));
        }
        out += "\n| key | meaning | default |\n|---|---|---|\n";
        for key in section.keys {
            out += &row(key);
        }
        if !section.example.is_empty() {
            let _ = write!(out, "\n```toml\n{}\n```\n", section.example.trim());
        }
    }
    out
}

fn header(section: &Section) -> String {
    match (section.path, section.presence) {
        ("", _) => "above the first table".to_owned(),
        (path, Presence::List) => format!("`[[{path}]]`"),
        (path, _) => format!("`[{path}]`"),
    }
}

/// A longer example would make the table hard to read; the section's own has it.
const LONGEST_EXAMPLE: usize = 60;

fn row(key: &Key) -> String {
    let example = match (key.kind, key.value) {
        (Kind::Flag | Kind::OneOf(_), _) | (_, Value::Default(_)) => String::new(),
        (_, value) if value.words().len() > LONGEST_EXAMPLE => String::new(),
        (_, value) => format!(", such as `{}`", value.words()),
    };
    let default = match key.value {
        Value::Required { .. } => "required".to_owned(),
        Value::Default(value) => format!("`{value}`"),
        Value::Optional { absent, .. } => absent.to_owned(),
    };
    let cell = |text: String| text.replace('|', "\\|");
    format!("| `{}` | {} *{}*{} | {} |\n", key.name, cell(key.text.to_owned()), key.kind, cell(example), cell(default))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::config::{Config, sections};
    use std::collections::BTreeSet;
    use toml::{Table, Value as Toml};

    /// The reference with every example in force. Some of them exclude each other, but all of them can be read.
    fn everything() -> Table {
        let shown = |line: &str| line.strip_prefix('#').filter(|it| !it.starts_with(' ') && !it.is_empty()).unwrap_or(line).to_owned();
        let text: Vec<String> = toml(&sections()).lines().map(shown).collect();
        text.join("\n").parse().unwrap_or_else(|it| panic!("{it}"))
    }

    fn read(table: &Table) -> Result<Config, String> {
        toml::from_str(&toml::to_string(table).unwrap()).map_err(|it| it.to_string())
    }

    fn table<'a>(whole: &'a mut Table, path: &str) -> &'a mut Table {
        path.split('.').filter(|it| !it.is_empty()).fold(whole, |table, name| match table.get_mut(name) {
            Some(Toml::Table(inner)) => inner,
            Some(Toml::Array(list)) => list[0].as_table_mut().unwrap(),
            other => panic!("{path}: {name} is {other:?}"),
        })
    }

    fn value(text: &str) -> Toml {
        format!("it = {text}").parse::<Table>().unwrap_or_else(|why| panic!("{text}: {why}")).remove("it").unwrap()
    }

    /// The whole with one key set to a value, or without it.
    fn changed(section: &Section, key: &str, value: Option<Toml>) -> Result<Config, String> {
        change(everything(), section, key, value)
    }

    fn change(mut whole: Table, section: &Section, key: &str, value: Option<Toml>) -> Result<Config, String> {
        let inner = table(&mut whole, section.path);
        match value {
            Some(value) => inner.insert(key.to_owned(), value),
            None => inner.remove(key),
        };
        read(&whole)
    }

    /// The names that an error of serde's lists.
    fn expected(error: &str) -> BTreeSet<String> {
        let names = error.split("expected").nth(1).unwrap_or_default().split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect()
    }

    /// Names of the tables right below a section's.
    fn below(section: &Section) -> impl Iterator<Item = &'static str> {
        let begin = if section.path.is_empty() { String::new() } else { format!("{}.", section.path) };
        sections().into_iter().filter(|it| !it.path.is_empty()).filter_map(move |it| it.path.strip_prefix(&begin)?.split('.').next())
    }

    #[test]
    fn every_example_can_be_read() {
        let error = read(&everything()).err();
        assert!(error.is_none(), "{}", error.unwrap_or_default());
    }

    /// The error about an unknown key lists the keys there are: those, and no others, are documented.
    #[test]
    fn every_key_is_documented() {
        for section in sections() {
            let error = changed(section, "no_such_key", Some(Toml::Integer(1))).unwrap_err();
            assert!(error.contains("unknown field `no_such_key`"), "{}: {error}", section.path);
            let documented: Vec<&str> = section.keys.iter().map(|it| it.name).collect();
            let unique: BTreeSet<String> = documented.iter().copied().chain(below(section)).map(str::to_owned).collect();
            assert_eq!(unique, expected(&error), "[{}]", section.path);
            assert_eq!(documented.len(), documented.iter().collect::<BTreeSet<_>>().len(), "[{}] names a key twice", section.path);
        }
    }

    /// A key without which the file is an error is documented as required. A documented default is what holds without the key.
    #[test]
    fn documented_defaults_are_the_defaults() {
        let mut base = everything();
        // A profile sets other keys, so that their own defaults would not be seen.
        table(&mut base, "client.ID").remove("profile");
        for section in sections() {
            for key in section.keys {
                let named = format!("[{}] {}", section.path, key.name);
                let without = change(base.clone(), section, key.name, None);
                match key.value {
                    Value::Required { .. } => {
                        assert!(without.unwrap_err().contains(&format!("missing field `{}`", key.name)), "{named}");
                    }
                    Value::Optional { .. } => assert!(without.is_ok(), "{named}"),
                    Value::Default(text) => {
                        let with = change(base.clone(), section, key.name, Some(value(text))).unwrap();
                        let without = without.unwrap_or_else(|it| panic!("{named}: {it}"));
                        assert_eq!(format!("{with:?}"), format!("{without:?}"), "{named}");
                    }
                }
            }
        }
    }

    /// Each word that is documented can be read, and a word that can be read is documented.
    #[test]
    fn documented_words_are_the_words() {
        let mut compared = 0;
        for section in sections() {
            for key in section.keys {
                let (words, is_list) = match key.kind {
                    Kind::OneOf(words) => (words, false),
                    Kind::SomeOf(words) => (words, true),
                    _ => continue,
                };
                let value = |word: &str| if is_list { Toml::Array(vec![word.into()]) } else { word.into() };
                for word in words {
                    let read = changed(section, key.name, Some(value(word)));
                    assert!(read.is_ok(), "[{}] {} {word}: {}", section.path, key.name, read.err().unwrap_or_default());
                }
                // Lists of words that are not an enum are compared by the rules that refuse them.
                let Err(error) = changed(section, key.name, Some(value("no-such-word"))) else {
                    assert!(["scopes", "grants", "response_modes"].contains(&key.name), "[{}] {}", section.path, key.name);
                    continue;
                };
                compared += 1;
                let words: BTreeSet<String> = words.iter().map(|it| (*it).to_owned()).collect();
                // Serde names a single possible word in another way.
                if words.len() > 1 {
                    let mut named = expected(&error);
                    // A rule of its own refuses `none` there.
                    if ["native_tiers", "web_only_tiers", "tiers"].contains(&key.name) {
                        assert!(named.remove("none"));
                    }
                    assert_eq!(named, words, "[{}] {}: {error}", section.path, key.name);
                }
            }
        }
        assert!(compared > 15, "{compared}");
    }

    #[test]
    fn the_examples_together_are_a_configuration() {
        let text: Vec<&str> = sections().iter().map(|it| it.example).collect();
        let read = Config::from_text(&text.join("\n"), "examples", &|_| None);
        assert!(read.is_ok(), "{}", read.err().map(|it| it.to_string()).unwrap_or_default());
    }

    #[test]
    fn the_page_is_what_the_sections_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == markdown(&sections()), "docs/configuration.md is not what the program says: run `cargo xtask docs`");
    }

    #[test]
    fn comments_are_plain_text_of_bounded_width() {
        assert_eq!(plain("see [attestation.md](attestation.md) and `x`"), "see docs/attestation.md and `x`");
        assert_eq!(plain("`[tls]` and [a](b.md), [c](d.md)."), "`[tls]` and docs/b.md, docs/d.md.");
        assert_eq!(plain("**UNSAFE.** It"), "UNSAFE. It");
        for line in toml(&sections()).lines().filter(|it| it.starts_with("# ")) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }
}
