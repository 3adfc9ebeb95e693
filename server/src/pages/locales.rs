//! Languages: message files in Fluent's form, ours and the operator's, and the choice among them. RFC 4647, RFC 9110 12.5.4.

use crate::error::Fault;
use crate::visible::plain;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, convert_vec_str_to_langids_lossy, negotiate_languages};
use std::collections::BTreeMap;
use std::path::Path;

#[cfg(not(feature = "knock"))]
pub const LOCALES: &[(&str, &str)] = &[("en", include_str!("locales/en.ftl")), ("de", include_str!("locales/de.ftl"))];
/// With the texts of the example method, which no server that is shipped has.
#[cfg(feature = "knock")]
pub const LOCALES: &[(&str, &str)] = &[
    ("en", concat!(include_str!("locales/en.ftl"), include_str!("locales/knock.en.ftl"))),
    ("de", concat!(include_str!("locales/de.ftl"), include_str!("locales/knock.de.ftl"))),
];

/// The longest text that an argument of a message may be.
pub const SENTENCE: usize = 300;

type Bundle = FluentBundle<FluentResource>;

pub struct Locales(BTreeMap<String, Bundle>);

impl Locales {
    /// Ours, then the operator's `LANGUAGE.ftl`: messages in it replace ours, a new language falls back to English.
    pub fn read(own: Option<&Path>) -> Result<Self, Fault> {
        let mut found = BTreeMap::new();
        for (name, text) in LOCALES {
            found.insert((*name).to_owned(), bundle(name, text)?);
        }
        let entries = own.map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "ftl")) {
            let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
            let text = std::fs::read_to_string(&path).map_err(|it| Fault::new(format!("{}: {it}", path.display())))?;
            match found.get_mut(&name) {
                Some(known) => known.add_resource_overriding(resource(&name, &text)?),
                None => {
                    found.insert(name.clone(), bundle(&name, &text)?);
                }
            }
        }
        Ok(Self(found))
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The name of a language in itself; its code where the operator's file does not say it.
    pub fn own_name(&self, code: &str) -> String {
        let has = self.0.get(code).is_some_and(|it| it.has_message("language-name"));
        if has { self.message(code, "language-name", &BTreeMap::new()) } else { code.to_owned() }
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.get("en").is_some_and(|bundle| bundle.has_message(key))
    }

    /// A message, or its key where there is none: a missing translation is seen, not fatal.
    pub fn message(&self, locale: &str, key: &str, values: &BTreeMap<String, String>) -> String {
        let of = |name: &str| self.0.get(name).filter(|it| it.has_message(key));
        let Some(bundle) = of(locale).or_else(|| of("en")) else { return key.to_owned() };
        let Some(pattern) = bundle.get_message(key).and_then(|it| it.value()) else { return key.to_owned() };
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(name.as_str(), plain(value, SENTENCE));
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
        // Unit tests of the templates leave values out.
        debug_assert!(cfg!(test) || errors.is_empty(), "the message {key} in {locale} has a place that nothing fills: {errors:?}");
        text
    }

    /// The language of ours that fits best: first by the request, then by the browser's weights, else English. What is no language is
    /// skipped (586-K).
    pub fn pick(&self, ui_locales: Option<&str>, accept_language: &str) -> String {
        if ui_locales.is_none() && accept_language.is_empty() {
            return "en".to_owned();
        }
        let mut accepted: Vec<(u16, &str)> = accept_language.split(',').take(16).filter_map(weighed).collect();
        accepted.sort_by_key(|it| std::cmp::Reverse(it.0));
        let asked = ui_locales.unwrap_or_default().split(' ').take(8).chain(accepted.into_iter().map(|it| it.1));
        let requested = convert_vec_str_to_langids_lossy(asked.flat_map(|it| [it, primary(it)]));
        let available: Vec<_> = self.0.values().flat_map(|it| &it.locales).collect();
        let found = negotiate_languages(&requested, &available, None, NegotiationStrategy::Lookup);
        let is_found = |bundle: &Bundle| found.first().is_some_and(|it| bundle.locales.contains(it));
        self.0.iter().find(|(_, bundle)| is_found(bundle)).map_or_else(|| "en".to_owned(), |(name, _)| name.clone())
    }
}

/// The language of a tag without region and extensions, which the negotiation does not read. Some write locales of POSIX in its place, such
/// as `de_DE.UTF-8` and `de_DE@calendar=buddhist`.
fn primary(tag: &str) -> &str {
    tag.split(['-', '_', '.', '@']).next().unwrap_or_default()
}

/// One entry of Accept-Language with its weight in thousandths; nothing for a weight of zero.
fn weighed(entry: &str) -> Option<(u16, &str)> {
    let (tag, rest) = entry.split_once(';').unwrap_or((entry, ""));
    let weight = match rest.trim().strip_prefix("q=") {
        Some(text) => (text.trim().parse::<f32>().ok().filter(|it| (0.0..=1.0).contains(it))? * 1000.0) as u16,
        None => 1000,
    };
    (weight > 0).then(|| (weight, tag.trim()))
}

fn resource(name: &str, text: &str) -> Result<FluentResource, Fault> {
    FluentResource::try_new(text.to_owned()).map_err(|(_, it)| Fault::new(format!("{name}.ftl: {it:?}")))
}

fn bundle(name: &str, text: &str) -> Result<Bundle, Fault> {
    let language = name.parse().map_err(|_| Fault::new(format!("{name}.ftl: {name} is no language")))?;
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource(name, text)?).map_err(|it| Fault::new(format!("{name}.ftl: {it:?}")))?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_message_exists_in_every_language() {
        let keys = |text: &str| -> Vec<String> {
            let names = text.lines().filter_map(|line| line.split_once(" =").map(|(name, _)| name.to_owned()));
            names.filter(|name| !name.starts_with(['#', ' '])).collect()
        };
        for (name, text) in LOCALES {
            assert_eq!(keys(text), keys(LOCALES[0].1), "{name}");
        }
    }

    /// What a person reads of an account's history.
    #[test]
    fn every_event_of_a_history_has_words() {
        use crate::audit::entry::{PERSONAL, PERSONAL_REFUSALS};
        for event in PERSONAL.iter().chain(PERSONAL_REFUSALS) {
            assert!(crate::audit::events::is_known(event), "{event}");
            for (name, text) in LOCALES {
                assert!(text.contains(&format!("\nevent-{event} = ")), "{name}: {event}");
            }
        }
    }

    #[test]
    fn the_nearest_language_is_picked() {
        let mut locales = Locales::read(None).unwrap();
        for name in ["pt-br", "zh-hant"] {
            locales.0.insert(name.to_owned(), bundle(name, "").unwrap());
        }
        let pick = |asked: &str| locales.pick(Some(asked), "");
        for (asked, found) in [
            ("pt-BR", "pt-br"),
            ("pt-PT", "pt-br"),
            ("PT", "pt-br"),
            ("de-DE-x-private", "de"),
            ("de_DE", "de"),
            ("de_DE.UTF-8", "de"),
            ("de_DE@calendar=buddhist", "de"),
            ("de.UTF-8", "de"),
            ("fr_FR.UTF-8", "en"),
            ("fr de-CH", "de"),
            ("fr", "en"),
        ] {
            assert_eq!(pick(asked), found, "{asked}");
        }
        assert_eq!(locales.pick(Some("de"), "en"), "de", "the request comes before the browser");
        for odd in ["", "*", "-", "und", "../../etc", "a", "\u{0}", "de\n"] {
            assert_eq!(pick(odd), "en", "{odd:?}");
        }
    }
}
