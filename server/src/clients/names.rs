//! Names that look like one of ours. A client that registered itself must not be taken for a client of the configuration (RFC 7591 5).

use crate::config::Config;
use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// No longer name fits on a page.
const LONGEST: usize = 60;
/// A shorter name inside a longer one means nothing.
const LEAST_INSIDE: usize = 4;
/// In shorter names one other letter is another name.
const LEAST_LIKE: usize = 6;

/// Letters and digits that are read as a Latin letter. What is not here, the rule of one script finds.
const READ_AS: [(&str, char); 26] = [
    ("аαａ4@", 'a'),
    ("вβ8", 'b'),
    ("сςϲ", 'c'),
    ("ԁ", 'd'),
    ("еєε3", 'e'),
    ("ƒ", 'f'),
    ("ɡ9", 'g'),
    ("һн", 'h'),
    ("іι1!|ıl", 'l'),
    ("ј", 'j'),
    ("кκ", 'k'),
    ("і", 'l'),
    ("мμ", 'm'),
    ("ոη", 'n'),
    ("оοσօ0", 'o'),
    ("рρ", 'p'),
    ("ԛ", 'q'),
    ("г", 'r'),
    ("ѕ5$", 's'),
    ("тτ7", 't'),
    ("υս", 'u'),
    ("νѵ", 'v'),
    ("ԝω", 'w'),
    ("хχ", 'x'),
    ("уγ", 'y'),
    ("z2", 'z'),
];

/// The name as the eye takes it: no case, no accents, no spaces and signs, and one letter for those that look alike.
fn skeleton(name: &str) -> String {
    let plain = name.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase);
    let read = plain.map(|letter| match READ_AS.iter().find(|(like, _)| like.contains(letter)) {
        Some((_, as_letter)) => *as_letter,
        None if letter == 'i' => 'l',
        None => letter,
    });
    let text: String = read.filter(|letter| letter.is_alphanumeric()).collect();
    text.replace("rn", "m").replace("vv", "w")
}

/// Do its letters come from one script, or from those that are written together in East Asia?
fn is_of_one_script(name: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let shared = [Script::Common, Script::Inherited];
    let east_asian = [Script::Han, Script::Hiragana, Script::Katakana, Script::Hangul, Script::Bopomofo, Script::Latin];
    let found: Vec<Script> = name.chars().map(|letter| scripts.get(letter)).filter(|script| !shared.contains(script)).collect();
    let is_east_asian = found.iter().all(|script| east_asian.contains(script)) && found.iter().any(|it| *it != Script::Latin);
    is_east_asian || found.windows(2).all(|pair| pair[0] == pair[1])
}

/// What no client that registers itself may be called.
#[derive(Debug, Default)]
pub struct Reserved {
    /// What people read on pages.
    shown: BTreeSet<String>,
    /// The ids of clients, which stand where a client has no name.
    ids: BTreeSet<String>,
}

impl Reserved {
    pub fn new(config: &Config) -> Self {
        let names = config.client.values().filter_map(|client| client.name.as_deref()).chain([config.brand.name.as_str()]);
        Self {
            shown: names.map(skeleton).filter(|name| !name.is_empty()).collect(),
            ids: config.client.keys().map(|id| skeleton(id)).filter(|id| !id.is_empty()).collect(),
        }
    }

    /// What is wrong with a name.
    pub fn objection(&self, name: &str) -> Option<&'static str> {
        let own = skeleton(name);
        if name.chars().count() > LONGEST || own.is_empty() {
            return Some("client_name: between 1 and 60 characters, with a letter or a digit among them.");
        }
        if !is_of_one_script(name) {
            return Some("client_name: its letters come from several scripts.");
        }
        let is_like = |taken: &String| {
            let is_inside = taken.len() >= LEAST_INSIDE && own.contains(taken.as_str());
            let is_near = own.len().min(taken.len()) >= LEAST_LIKE && strsim::osa_distance(&own, taken) <= 1;
            own == *taken || is_inside || is_near
        };
        let is_taken = self.ids.contains(&own) || self.shown.iter().any(is_like);
        is_taken.then_some("client_name: it looks like the name of a client or of the service itself.")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// 351-L
    #[test]
    fn a_name_that_the_eye_takes_for_ours_is_found() {
        let text = "issuer = \"https://a.example\"\n[brand]\nname = \"Acme Sign-in\"\n[client.shop-ios]\nkind = \"native\"\nname = \"Example Shop\"\n\
            redirect_uris = [\"https://app.example.com/cb\"]\n[client.pay]\nkind = \"native\"\nname = \"Pay\"\nredirect_uris = [\"https://pay.example.com/cb\"]\n";
        let reserved = Reserved::new(&Config::from_text(text, "x", &|_| None).unwrap());
        for bad in [
            "Example Shop",
            "EXAMPLE  SHOP",
            "Example-Shop™",
            "The Example Shop, official",
            "Éxample Shop",
            "Examp1e Sh0p",
            "Exarnple Shop",
            "ＥＸＡＭＰＬＥ ＳＨＯＰ",
            "Exampel Shop",
            "Example Shup",
            "Ex\u{430}mple Shop",
            "Acme Signin",
            "shop-ios",
            "Pay",
            "P\u{430}y",
            "\u{420}\u{430}\u{443}",
            "",
            "…",
            &"x".repeat(61),
        ] {
            assert!(reserved.objection(bad).is_some(), "{bad}");
        }
        for good in ["Budget planner", "Payroll", "Bücher & mehr", "東京カレンダー app", "Хлеб", "7digital", "Sample Store"] {
            assert_eq!(reserved.objection(good), None, "{good}");
        }
    }
}
