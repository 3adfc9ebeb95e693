//! Login names: which there are, and the one spelling of each.

use crate::visible;
use std::iter::once;
use unicode_normalization::UnicodeNormalization;

const MOST_BYTES: usize = 200;

/// One spelling for one person: trimmed, in lower case, without letters that look like others or like nothing (415-U, 416-U, 417-U).
/// Fullwidth and halfwidth forms are the letters that they stand for (RFC 8265 3.3). `None`: no name that anybody can have.
pub fn canonical(name: &str) -> Option<String> {
    let name = name.trim_matches(' ');
    // In lower case this one is an ASCII letter.
    if name.contains('\u{212a}') {
        return None;
    }
    let mut one_width = String::new();
    for letter in name.chars() {
        if ('\u{ff01}'..='\u{ffef}').contains(&letter) {
            one_width.extend(once(letter).nfkc());
        } else {
            one_width.push(letter);
        }
    }
    let name: String = one_width.to_lowercase().nfc().collect();
    let name = VOWELS_AM.iter().fold(name, |name, (pair, letter)| name.replace(pair, letter));
    let one_at = name.matches('@').count() <= 1;
    let ok = !name.is_empty() && name.len() <= MOST_BYTES && has_plain_letters(&name) && one_at && !name.ends_with('.');
    ok.then_some(name)
}

/// How versions wrote a name that took more spellings. It may stand in the store, and then it is that person's.
pub fn former_spelling(name: &str) -> Option<String> {
    (!name.is_ascii()).then(|| name.trim_matches(' ').to_lowercase().nfc().collect::<String>()).filter(|it| it.len() <= MOST_BYTES)
}

/// Thai and Lao write the vowel AM as one letter, which Unicode takes for a pair.
const VOWELS_AM: [(&str, &str); 2] = [("\u{e4d}\u{e32}", "\u{e33}"), ("\u{ecd}\u{eb2}", "\u{eb3}")];

/// ASCII that can be seen, letters and digits of any script, and behind a letter beyond ASCII the marks that its script writes with it. As
/// the IdentifierClass of RFC 8264 4.2 has it, but for letters that look like ASCII and accents that stand alone. A letter that stands for
/// another, such as `²`, is refused (HasCompat).
fn has_plain_letters(name: &str) -> bool {
    let mut can_have_mark = false;
    let stands_for_itself = |it: char| matches!(it, '\u{e33}' | '\u{eb3}') || once(it).nfkc().eq(once(it));
    name.chars().all(|letter| {
        let is_letter = letter.is_alphanumeric() && letter != '\u{131}' && stands_for_itself(letter) && !visible::is_unseen(letter);
        let is_mark = can_have_mark && visible::is_mark(letter) && !('\u{300}'..='\u{36f}').contains(&letter);
        can_have_mark = is_mark || (is_letter && !letter.is_ascii());
        letter.is_ascii_graphic() || is_letter || is_mark
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 415-U, 416-U, 417-U
    #[test]
    fn one_person_one_spelling() {
        for same in ["Alice", "alice", " ALICE "] {
            assert_eq!(canonical(same).as_deref(), Some("alice"));
        }
        for bad in ["", "al\u{200b}ice", "m\u{131}ke", "\u{212a}ate\u{17f}", "a b", "user@evil@allowed", "a\u{202e}b", "alice.", "a\nb"] {
            assert_eq!(canonical(bad).filter(|it| it != "kates"), None, "{bad:?}");
        }
        assert!(canonical("\u{e9}mile@example.com").is_some());
        assert_eq!(canonical("E\u{301}mile"), canonical("\u{e9}mile"), "composed or not, it is one name (RFC 8265)");
        assert_eq!(canonical("x\u{301}\u{301}"), None, "a mark that nothing takes in");
        // RFC 8265 3.3: forms of another width are the letters that they stand for.
        for same in ["\u{ff21}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}", "\u{ff41}lice"] {
            assert_eq!(canonical(same).as_deref(), Some("alice"));
        }
        assert_eq!(canonical("\u{ff76}\u{ff9e}"), canonical("\u{30ac}"), "halfwidth Katakana");
        assert_eq!(canonical("\u{e19}\u{e4d}\u{e32}"), canonical("\u{e19}\u{e33}"), "two spellings of a Thai vowel");
        // RFC 8264 4.2: letters that stand for others, and letters that nobody sees.
        let fillers = ["alice\u{3164}", "alice\u{115f}", "alice\u{1160}", "alice\u{ffa0}", "\u{3164}"];
        for bad in
            fillers.into_iter().chain(["alice\u{b2}", "\u{2460}", "\u{2163}", "\u{fb01}n", "\u{212a}ate", "\u{1d41a}lice", "\u{ffe3}a"])
        {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
    }

    /// RFC 8264 4.2: scripts that write vowels as marks have login names too.
    #[test]
    fn names_of_every_script_are_names() {
        for name in ["\u{e19}\u{e49}\u{e33}", "\u{935}\u{93f}\u{936}\u{94d}\u{935}", "\u{ba4}\u{bae}\u{bbf}\u{bb4}\u{bcd}", "\u{c6d0}"] {
            assert_eq!(canonical(name).as_deref(), Some(name));
        }
        for bad in ["a\u{e49}", "\u{94d}\u{935}", "\u{935}\u{34f}", "\u{935}\u{200d}", "\u{935}\u{301}"] {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
    }
}
