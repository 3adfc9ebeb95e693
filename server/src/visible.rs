//! Text that somebody else chose, and which of its characters a person cannot see. Pages, consent, letters and names ask the same function.
//! Nothing is invisible in one place and refused in another.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The blank Braille pattern: a symbol to Unicode, and nothing to the eye.
const BLANK_BRAILLE: char = '\u{2800}';

/// Is the character invisible, or does it change how the text around it is read? Controls, line separators, marks of direction,
/// joiners, fillers, variation selectors and tags.
pub fn is_unseen(letter: char) -> bool {
    use GeneralCategory as Category;
    let category = CodePointMapData::<Category>::new().get(letter);
    matches!(category, Category::Control | Category::Format | Category::LineSeparator | Category::ParagraphSeparator)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
        || letter == BLANK_BRAILLE
}

/// Is it a mark that a script writes at a letter, such as a vowel of Thai or Devanagari, and can it be seen?
pub fn is_mark(letter: char) -> bool {
    use GeneralCategory as Category;
    let category = CodePointMapData::<Category>::new().get(letter);
    matches!(category, Category::NonspacingMark | Category::SpacingMark) && !is_unseen(letter)
}

/// Can a person see every character?
pub fn is_seen_whole(text: &str) -> bool {
    !text.chars().any(is_unseen)
}

/// The text without unseen characters. If it is longer than `max_chars`, it is cut and ends with an ellipsis (351-L).
pub fn plain(text: &str, max_chars: usize) -> String {
    let mut seen = text.chars().filter(|letter| !is_unseen(*letter));
    let mut out: String = seen.by_ref().take(max_chars).collect();
    if seen.next().is_some() {
        out.push('…');
    }
    out
}

/// The text with unseen characters written out, such as `\u{202e}`: for terminals and logs, where nothing may hide.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// JSON text with unseen characters written by JSON's own escapes, such as `\u202e`. Line breaks between its tokens stay.
pub fn escaped_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unseen(letter) && letter != '\n' {
            letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_hides_nothing() {
        let text = serde_json::json!({ "model": "a\u{202e}b\u{e0041}c\u{7f}", "name": "Zürich" });
        let shown = escaped_json(&text.to_string());
        assert!(is_seen_whole(&shown) && shown.contains("\\u202e") && shown.contains("Zürich"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(text));
    }

    /// 351-L
    #[test]
    fn what_nobody_sees_is_found_wherever_it_stands() {
        let unseen = "\u{0}\n\r\t\u{7f}\u{85}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
                      \u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\
                      \u{1d173}\u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{e01ef}";
        for letter in unseen.chars() {
            let text = format!("a{letter}b");
            assert!(is_unseen(letter) && !is_seen_whole(&text), "{letter:?}");
            assert_eq!(plain(&text, 80), "ab", "{letter:?}");
        }
        for text in ["Example <b>Shop</b>, 12.50 EUR", "Grüße €", "中文 العربية עברית", "e\u{301}", "… 😀"] {
            assert!(is_seen_whole(text), "{text}");
            assert_eq!(plain(text, 80), text);
        }
    }

    #[test]
    fn what_is_unseen_can_be_written_out() {
        assert_eq!(escaped("Grüße \u{202e}moc\u{1b}[2J\n"), "Grüße \\u{202e}moc\\u{1b}[2J\\u{a}");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(plain(&"x".repeat(80), 80), "x".repeat(80));
        assert_eq!(plain(&"x".repeat(81), 80), format!("{}…", "x".repeat(80)));
        assert_eq!(plain(&format!("{}\u{200b}", "x".repeat(80)), 80), "x".repeat(80));
    }
}
