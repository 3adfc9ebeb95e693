//! What to write instead: hints for mistakes that the reader of TOML can only name.

use super::server;
use serde_json::{Map, Value as Json};
use std::io;

/// Why the file itself could not be read, and what helps.
pub(super) fn unreadable_file(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{error}. `symbolon init` writes a starting file; `-c PATH` names another one"),
        io::ErrorKind::PermissionDenied => format!("{error}. Run this as the user of the server, or as root"),
        _ => error.to_string(),
    }
}

/// The error with its hint. The hint stands before the names that are known: they may be many, and a log cuts them.
pub(super) fn explained(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map(|it| it.start);
    let whole = without_values(error);
    let Some(hint) = of_field(error.message(), text, at).or_else(|| of_value(error.message(), text, at)) else {
        return whole;
    };
    match whole.rsplit_once(", expected ") {
        Some((what, names)) => format!("{what}. {hint}\nExpected {names}"),
        None => format!("{whole}\n{hint}"),
    }
}

/// The error as TOML's reader says it, but for values: one may be a secret, and the error goes into a log. Of the line that is shown the key
/// is left.
fn without_values(error: &toml::de::Error) -> String {
    let is_of_secret = error.message().contains(SOURCES_OF_SECRETS);
    let shown = |line: &str| -> Option<String> {
        if is_of_secret && line.starts_with("unknown variant `") {
            return Some(format!("a value that is none here, {SOURCES_OF_SECRETS}"));
        }
        if let Some((_, rest)) = line.split_once("invalid type: string \"") {
            let expected = rest.rsplit_once("\", expected ").map_or("something else", |it| it.1);
            return Some(format!("invalid type: a text, expected {expected}"));
        }
        let Some((number, source)) = line.split_once(" | ") else { return Some(line.to_owned()) };
        if number.trim().is_empty() {
            // The marks below the line: they point at what is left out.
            return None;
        }
        if source.trim_start().starts_with('[') && !source.contains(['"', '\'']) {
            return Some(line.to_owned());
        }
        let is_key = |key: &&str| key.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-. ".contains(letter));
        let key = source.split_once('=').filter(|(_, value)| !value.trim_matches('=').is_empty()).map(|it| it.0.trim_end()).filter(is_key);
        Some(key.map_or_else(|| format!("{number} | ..."), |key| format!("{number} | {key} = ...")))
    };
    error.to_string().trim_end().lines().filter_map(shown).collect::<Vec<_>>().join("\n")
}

const SOURCES_OF_SECRETS: &str = "expected one of `file`, `env`, `command`";

/// For "unknown field `a`, expected one of `b`, `c`".
fn of_field(message: &str, text: &str, at: Option<usize>) -> Option<String> {
    let mut names = message.split_once("unknown field `")?.1.split('`').step_by(2);
    let unknown = names.next()?;
    let table = at.and_then(|at| table_at(text, at));
    if let Some(id) = table.and_then(|table| unquoted_client(table, text)) {
        return Some(format!("The dots make a table in a table. For the client {id} write [client.\"{id}\"]"));
    }
    if server::SECTION.keys.iter().any(|key| key.name == unknown) {
        let here = table.map(|it| format!("; here it is part of [{it}]")).unwrap_or_default();
        return Some(format!("`{unknown}` stands above the first [table]{here}"));
    }
    let near = names.map(|name| (strsim::jaro_winkler(unknown, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    near.filter(|(likeness, _)| *likeness > 0.7).map(|(_, name)| format!("Did you mean `{name}`?"))
}

/// For "unknown variant `a`, expected one of `b`, `c`", where the names alone do not say enough.
fn of_value(message: &str, text: &str, at: Option<usize>) -> Option<String> {
    if message.contains(SOURCES_OF_SECRETS) {
        let key = at.and_then(|at| line_at(text, at).split_once('=')).map_or("", |it| it.0.trim());
        // The value itself is not repeated: it may be the secret.
        return Some(match key {
            "master_key" => "Write master_key = { file = \"symbolon.key\" }".to_owned(),
            _ => "Say where the secret is kept: { file = \"PATH\" } or { env = \"NAME\" }".to_owned(),
        });
    }
    let of_kind = message.contains("expected one of `native`, `web`, `service`");
    of_kind.then(|| "`native` is for apps, `web` for sites, `service` for programs without a person".to_owned())
}

fn line_at(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    text.get(start..).unwrap_or_default().lines().next().unwrap_or_default()
}

/// The header of the table that this place is in, without its brackets.
fn table_at(text: &str, at: usize) -> Option<&str> {
    let end = text.get(at..)?.find('\n').map_or(text.len(), |it| at + it);
    text.get(..end)?.lines().rev().find_map(|line| {
        let header = line.trim_start().strip_prefix('[')?.split_once(']')?.0.trim();
        // A line of a list begins with a bracket too, but its values are quoted.
        header.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(header)
    })
}

/// The id of the client that `[client.my.app]` was meant for.
fn unquoted_client(table: &str, text: &str) -> Option<String> {
    let id = table.strip_prefix("client.").filter(|it| it.contains('.') && !it.contains(['"', '\'']))?;
    let values: Map<String, Json> = toml::from_str(text).ok()?;
    let place = id.split('.').try_fold(values.get("client")?, |table, name| table.get(name.trim()))?;
    place.get("kind").is_some_and(Json::is_string).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::unreadable_file;
    use crate::config::Config;
    use std::io;

    /// What is said of a configuration with these lines.
    fn said(lines: &str) -> String {
        let text = format!("issuer = \"https://a.example\"\n{lines}");
        Config::from_text(&text, "x", &|_| None).err().map(|it| it.to_string()).unwrap_or_default()
    }

    const APP: &str = "kind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n";

    #[test]
    fn the_nearest_name_stands_before_the_list() {
        let error = said("[api.orders]\naudience = \"https://api.example/\"\nlifetme = \"15m\"\n");
        let (hint, list) = (error.find("Did you mean `lifetime`?"), error.find("Expected one of"));
        assert!(hint.is_some() && hint < list, "{error}");
        assert_eq!(said("[api.orders]\naudience = \"https://api.example/\"\nlifetime = \"15m\"\n"), "", "the twin");
    }

    #[test]
    fn an_id_with_dots_wants_quotation_marks() {
        for id in ["my.app", "my.site", "com.example.site"] {
            let error = said(&format!("[client.{id}]\n{APP}"));
            assert!(error.contains(&format!("write [client.\"{id}\"]")), "{error}");
            assert_eq!(said(&format!("[client.\"{id}\"]\n{APP}")), "", "the twin");
        }
        let other = said(&format!("[client.my]\n{APP}[client.my.refrsh]\nmode = \"static\"\n"));
        assert!(!other.contains("write [client."), "a typo in a table of a client: {other}");
    }

    #[test]
    fn a_key_of_the_server_in_a_table_is_told_where_it_belongs() {
        let error = said("[session]\nidle = \"2h\"\n[login.two-factor]\nrequire = [\"password\"]\nmetrics = \"127.0.0.1:1\"\n");
        assert!(error.contains("`metrics` stands above the first [table]"), "{error}");
        let client = said(&format!("[client.app]\n{APP}listen = \"127.0.0.1:1\"\n"));
        assert!(client.contains("`listen` stands above the first [table]; here it is part of [client.app]"), "{client}");
        assert_eq!(said("metrics = \"127.0.0.1:1\"\n[session]\nidle = \"2h\"\n"), "", "the twin");
    }

    #[test]
    fn a_secret_is_told_where_it_is_kept_and_never_repeated_in_the_hint() {
        let error = said("master_key = \"symbolon.key\"\n");
        assert!(error.contains("Write master_key = { file = \"symbolon.key\" }"), "{error}");
        assert_eq!(said("master_key = { file = \"symbolon.key\" }\n"), "", "the twin");
    }

    /// Whatever is wrong with a line, its value may be a secret. The key and the line's number say where it is.
    #[test]
    fn no_error_repeats_a_value() {
        let mail = "[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"\n";
        let lines = [
            ("master_key = \"hunter2\"\n".to_owned(), "master_key = ..."),
            ("master_key = \"hunter2\n".to_owned(), "master_key = ..."),
            ("master_key = { file = \"symbolon.key\", hunter2 }\n".to_owned(), "master_key = ..."),
            ("database = \"postgres://app:hunter2@db/x\nlisten = \"127.0.0.1:1\"\n".to_owned(), "database = ..."),
            (format!("{mail}password = \"hunter2\"\n"), "password = ..."),
            (format!("{mail}password = [\n\"hunter2\",\n3\n]\n"), "line "),
            (format!("{mail}passwort = \"hunter2\"\n"), "passwort = ..."),
            (format!("[client.app]\n{APP}secret = 2\nhunter2\n"), "line "),
        ];
        for (lines, place) in lines {
            let error = said(&lines);
            assert!(error.contains(place) && !error.contains("hunter2"), "{lines}: {error}");
        }
        let header = said("[api.orders]\naudience = \"https://api.example/\"\n[mial]\n");
        assert!(header.contains("mial"), "{header}");
    }

    #[test]
    fn a_kind_that_is_none_is_told_what_each_is_for() {
        let error = said(&format!("[client.app]\n{}", APP.replace("native", "mobile")));
        assert!(error.contains("`native` is for apps"), "{error}");
        assert_eq!(said(&format!("[client.app]\n{APP}")), "", "the twin");
    }

    #[test]
    fn only_a_file_that_is_missing_is_written_by_init() {
        let of = |kind: io::ErrorKind| unreadable_file(&kind.into());
        assert!(of(io::ErrorKind::NotFound).contains("symbolon init"));
        let denied = of(io::ErrorKind::PermissionDenied);
        assert!(denied.contains("as the user of the server") && !denied.contains("symbolon init"), "{denied}");
        assert!(!of(io::ErrorKind::InvalidData).contains("symbolon init"));
    }
}
