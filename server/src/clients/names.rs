//! Names that look like one of ours. A client that registered itself must not be taken for a client of the configuration (RFC 7591 5).

use crate::config::Config;
use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
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
    ("вβ8ßɓ", 'b'),
    ("сςϲɔ", 'c'),
    ("ԁđðɖɗ", 'd'),
    ("еєε3əɛǝ", 'e'),
    ("ƒ", 'f'),
    ("ɡ9ǥ", 'g'),
    ("һнħ", 'h'),
    ("іι1!|ıl", 'l'),
    ("ј", 'j'),
    ("кκĸƙ", 'k'),
    ("ł", 'l'),
    ("мμ", 'm'),
    ("ոηŋ", 'n'),
    ("оοσօ0ø", 'o'),
    ("рρþ", 'p'),
    ("ԛ", 'q'),
    ("г", 'r'),
    ("ѕ5$", 's'),
    ("тτ7ŧ", 't'),
    ("υսʋ", 'u'),
    ("νѵ", 'v'),
    ("ԝω", 'w'),
    ("хχ", 'x'),
    ("уγƴɣ", 'y'),
    ("z2ʒ", 'z'),
];

/// Scripts in everyday use (UAX #31, table 5). Letters of the others are mostly seen where they look like these.
const EVERYDAY: [Script; 31] = [
    Script::Common,
    Script::Inherited,
    Script::Arabic,
    Script::Armenian,
    Script::Bengali,
    Script::Bopomofo,
    Script::Cyrillic,
    Script::Devanagari,
    Script::Ethiopic,
    Script::Georgian,
    Script::Greek,
    Script::Gujarati,
    Script::Gurmukhi,
    Script::Han,
    Script::Hangul,
    Script::Hebrew,
    Script::Hiragana,
    Script::Kannada,
    Script::Katakana,
    Script::Khmer,
    Script::Lao,
    Script::Latin,
    Script::Malayalam,
    Script::Myanmar,
    Script::Oriya,
    Script::Sinhala,
    Script::Tamil,
    Script::Telugu,
    Script::Thaana,
    Script::Thai,
    Script::Tibetan,
];

/// Where Latin letters stand that scholars write and hardly anybody else: small capitals, letters with strokes, turned letters.
const RARE: [RangeInclusive<char>; 7] = [
    '\u{180}'..='\u{2af}',
    '\u{1d00}'..='\u{1dbf}',
    '\u{2180}'..='\u{2188}',
    '\u{2c60}'..='\u{2c7f}',
    '\u{a720}'..='\u{a7ff}',
    '\u{ab30}'..='\u{ab6f}',
    '\u{1df00}'..='\u{1dfff}',
];
/// Those of them that are in living orthographies: Akan, Azerbaijani, Ewe, Hausa, Kanuri, Skolt Sami. Letters with accents are taken apart
/// before.
const LIVING: &str = "əǝɓɔɖɗɛƒɣƙƴʋʒǥ";

/// Letters in circles, in squares and of flags, each with the place of its `a`: no decomposition knows them.
const SIGNS: [(RangeInclusive<char>, char); 3] =
    [('\u{1f150}'..='\u{1f169}', '\u{1f150}'), ('\u{1f170}'..='\u{1f189}', '\u{1f170}'), ('\u{1f1e6}'..='\u{1f1ff}', '\u{1f1e6}')];

fn without_sign(letter: char) -> char {
    let Some((_, first)) = SIGNS.iter().find(|(range, _)| range.contains(&letter)) else { return letter };
    char::from_u32(u32::from('a') + u32::from(letter) - u32::from(*first)).unwrap_or(letter)
}

/// Are all of its letters ones that people write today?
fn is_everyday(name: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let is_rare = |letter: char| RARE.iter().any(|range| range.contains(&letter)) && !LIVING.contains(letter);
    name.nfkd().flat_map(char::to_lowercase).all(|letter| EVERYDAY.contains(&scripts.get(letter)) && !is_rare(letter))
}

/// The name as the eye takes it: no case, no accents, no spaces and signs, and one letter for those that look alike.
fn skeleton(name: &str) -> String {
    let plain = name.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase).map(without_sign);
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
        if !is_everyday(name) {
            return Some("client_name: only letters that people write today.");
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
            "ᴇxᴀᴍᴘʟᴇ ꜱʜᴏᴘ",
            "ᴘᴀʏ",
            "ꓑꓮꓬ",
            "ᏢᎪᎽ",
            "Exampłe Shøp",
            "Exⱥmple Ɇxtra",
            "Pɑy",
            "Paყ",
            "Ɛxamplǝ Shop",
            "🅟🅐🅨",
            "🇵🇦🇾",
            "",
            "…",
            &"x".repeat(61),
        ] {
            assert!(reserved.objection(bad).is_some(), "{bad}");
        }
        for good in [
            "Budget planner",
            "Payroll",
            "Bücher & mehr",
            "東京カレンダー app",
            "Хлеб",
            "7digital",
            "Sample Store",
            "Bakı xəbərləri",
            "Ƙwallo",
            "Łódź Tram",
            "Đà Nẵng",
            "Știri",
            "Smørrebrød 🍞",
            "تقويم",
            "हिन्दी",
        ] {
            assert_eq!(reserved.objection(good), None, "{good}");
        }
    }
}
