//! Source code as words, for the tests that look at more than lines.

/// A word, or one other character; with its line.
pub type Token = (String, usize);

/// What stands for a text or a character, whatever it says.
pub const TEXT: &str = "\"\"";

/// The code without comments.
pub fn tokens(source: &str) -> Vec<Token> {
    read(source, |_| TEXT.to_owned())
}

/// The same, with each text as it is written, in its quotes.
pub fn tokens_and_texts(source: &str) -> Vec<Token> {
    read(source, |text| text.iter().collect())
}

fn read(source: &str, word_of_text: impl Fn(&[char]) -> String) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let (length, word) = next(&chars[at..]);
        let end = (at + length).min(chars.len());
        let piece = &chars[at..end];
        found.extend(word.map(|word| (if word == TEXT { word_of_text(piece) } else { word }, line)));
        line += piece.iter().filter(|it| **it == '\n').count();
        at = end;
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// How long the next piece is, and its word. Spaces and comments have none.
fn next(chars: &[char]) -> (usize, Option<String>) {
    let text = |length: usize| (length, Some(TEXT.to_owned()));
    match chars {
        ['/', '/', ..] => (chars.iter().take_while(|it| **it != '\n').count(), None),
        ['"', ..] => text(length_of_text(chars)),
        // A character; a lifetime has no second quote.
        ['\'', '\\', ..] => text(4 + chars[3..].iter().take_while(|it| **it != '\'').count()),
        ['\'', _, '\'', ..] => text(3),
        [':', ':', ..] => (2, Some("::".to_owned())),
        [first, ..] if is_word(*first) => {
            let word: Vec<char> = chars.iter().copied().take_while(|it| is_word(*it)).collect();
            match length_of_raw(&chars[word.len()..]) {
                Some(length) if matches!(word[..], ['r'] | ['b' | 'c', 'r']) => text(word.len() + length),
                _ => (word.len(), Some(word.into_iter().collect())),
            }
        }
        [first, ..] => (1, (!first.is_whitespace()).then(|| first.to_string())),
        [] => (1, None),
    }
}

fn length_of_text(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw text behind its `r`, if it is one: as many signs behind it as before it.
fn length_of_raw(chars: &[char]) -> Option<usize> {
    let signs = chars.iter().take_while(|it| **it == '#').count();
    if chars.get(signs) != Some(&'"') {
        return None;
    }
    let ends = |at: &usize| chars[*at] == '"' && chars[*at + 1..].iter().take(signs).filter(|it| **it == '#').count() == signs;
    let end = (signs + 1..chars.len()).find(ends)?;
    Some(end + 1 + signs)
}

/// Without the modules of unit tests, which may do what they like.
pub fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let (mut found, mut at) = (Vec::new(), 0);
    let opening = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    while at < tokens.len() {
        if tokens[at..].len() > opening.len() && tokens[at..].iter().zip(opening).all(|(token, wanted)| token.0 == wanted) {
            let mut depth = 0;
            while at < tokens.len() {
                depth += i32::from(tokens[at].0 == "{") - i32::from(tokens[at].0 == "}");
                at += 1;
                if tokens[at - 1].0 == "}" && depth == 0 {
                    break;
                }
            }
            continue;
        }
        found.push(tokens[at].clone());
        at += 1;
    }
    found
}

/// Where a piece of code ends: at the first of these words outside of brackets, or at the bracket that closes what is around it.
pub fn end_of(words: &[&str], from: usize, ends: &[&str]) -> usize {
    let (mut depth, mut generic) = (0, 0);
    for (at, word) in words.iter().enumerate().skip(from) {
        if depth == 0 && generic == 0 && ends.contains(word) {
            return at;
        }
        match *word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" | "}" => depth -= 1,
            // `::<A, B>`. Elsewhere the sign may compare.
            "<" if generic > 0 || (at > 0 && words[at - 1] == "::") => generic += 1,
            ">" if generic > 0 && words[at - 1] != "-" => generic -= 1,
            _ => {}
        }
    }
    words.len()
}

/// The words alone.
pub fn words(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|token| token.0.as_str()).collect()
}

#[test]
fn code_is_read_as_words() {
    let read = |source: &str| words(&tokens(source)).join(" ");
    assert_eq!(read("a::b(c_1, 2); // it's \"d\"\ne"), "a :: b ( c_1 , 2 ) ; e");
    assert_eq!(read(r#"x("a \" it", 'b', '\'', '\\', &'y z, b"c")"#), r#"x ( "" , "" , "" , "" , & ' y z , b "" )"#);
    assert_eq!(read("r\"a\\\" b r#\"c \" d\"# e br##\"f \"# g\"## r#type"), "\"\" b \"\" e \"\" r # type");
    let whole = tokens_and_texts("a(\"b c\", '{') // \"d\"");
    assert_eq!(words(&whole).join(" "), "a ( \"b c\" , '{' )");
    assert_eq!(tokens("a\n\"b\nc\"\nd").iter().map(|token| token.1).collect::<Vec<_>>(), [1, 2, 4]);
    let code = tokens("f(a, [b; c]); g }");
    let words = words(&code);
    assert_eq!((words[end_of(&words, 2, &[","])], words[end_of(&words, 4, &[","])], words[end_of(&words, 12, &[","])]), (",", ")", "}"));
}
