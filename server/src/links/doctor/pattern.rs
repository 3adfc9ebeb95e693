//! Patterns of association files: `*` is any text, `?` any one character, `?*` at least one.

/// Does the pattern fit the whole text? The work is bounded by the product of both lengths.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where the last star was, and how far it had reached.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(sign) if *sign == '?' || *sign == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((before, reached)) = star else { return false };
                star = Some((before, reached + 1));
                (at, seen) = (before + 1, reached + 1);
            }
        }
    }
    pattern[at..].iter().all(|it| *it == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_whole_text() {
        for (pattern, text) in [
            ("/cb", "/cb"),
            ("*", ""),
            ("*", "/a/b"),
            ("/a/*", "/a/"),
            ("/a/*/c", "/a/b/x/c"),
            ("/?b", "/cb"),
            ("/?*", "/x"),
            ("*cb*", "/a/cb"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("/cb", "/cb/"), ("/cb", "/CB"), ("", "/"), ("/?*", "/"), ("/a/*", "/a"), ("/a?", "/a"), ("*b", "/bc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        let hostile = "*a".repeat(200);
        assert!(!fits(&hostile, &"b".repeat(2000)));
    }
}
