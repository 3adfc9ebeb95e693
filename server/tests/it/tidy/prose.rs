//! The pages can be read: short lines, short paragraphs, short sentences, and a first line that says whom a page is for.

use super::{of, root, shown, text};
use std::path::PathBuf;

/// What people read first has the shortest sentences, in words on average.
const MEAN_OF_README: usize = 18;
const MEAN_OF_PAGES: usize = 20;
const LONGEST_SENTENCE: usize = 30;
const LONGEST_LINE: usize = 120;
const LONGEST_PARAGRAPH: usize = 5;

/// The pages that people read from top to bottom. The list of changes is not one.
fn pages() -> Vec<PathBuf> {
    let docs = root().join("docs");
    let is_page = |path: &PathBuf| path.starts_with(&docs) || (path.parent() == Some(&root()) && !path.ends_with("CHANGELOG.md"));
    of("md").into_iter().filter(is_page).collect()
}

/// The paragraphs of a page, line by line. An item of a list is one. Code, tables, headings and remarks are none.
fn paragraphs(page: &str) -> Vec<Vec<&str>> {
    let (mut found, mut open, mut is_code) = (Vec::new(), Vec::new(), false);
    for line in page.lines().chain([""]) {
        let words = line.trim();
        let is_fence = words.starts_with("```");
        is_code ^= is_fence;
        let is_prose = !is_fence && !is_code && !line.starts_with("    ") && !words.is_empty() && !words.starts_with(['#', '|', '<', '!']);
        let number = words.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let is_item = words.starts_with("- ") || (number.len() < words.len() && number.starts_with(". "));
        if !open.is_empty() && (!is_prose || is_item) {
            found.push(std::mem::take(&mut open));
        }
        if is_prose {
            open.push(line);
        }
    }
    found
}

/// How many words each sentence of a paragraph has.
fn sentences(paragraph: &[&str]) -> Vec<usize> {
    let mut lengths = vec![0];
    for word in paragraph.iter().flat_map(|line| line.split_whitespace()) {
        if word.contains(char::is_alphanumeric) {
            *lengths.last_mut().unwrap() += 1;
        }
        if word.trim_end_matches(['"', ')', '*', '`']).ends_with(['.', '!', '?']) {
            lengths.push(0);
        }
    }
    lengths.retain(|length| *length > 0);
    lengths
}

/// What makes this page hard to read.
fn faults(page: &str, most: usize) -> Vec<String> {
    let paragraphs = paragraphs(page);
    let mut found = Vec::new();
    for paragraph in &paragraphs {
        let begins = paragraph[0].trim();
        if paragraph.len() > LONGEST_PARAGRAPH {
            found.push(format!("a paragraph of {} lines: {begins}", paragraph.len()));
        }
        found.extend(paragraph.iter().filter(|it| it.chars().count() > LONGEST_LINE).map(|it| format!("a long line: {it}")));
        let long = sentences(paragraph).into_iter().filter(|length| *length > LONGEST_SENTENCE);
        found.extend(long.map(|length| format!("a sentence of {length} words: {begins}")));
    }
    let all: Vec<usize> = paragraphs.iter().flat_map(|it| sentences(it)).collect();
    let (words, count) = (all.iter().sum::<usize>(), all.len().max(1));
    if words >= most * count {
        found.push(format!("{words} words in {count} sentences: {most} or more each"));
    }
    found
}

#[test]
fn pages_are_easy_to_read() {
    let mut found = Vec::new();
    for page in pages() {
        let most = if page.ends_with("README.md") { MEAN_OF_README } else { MEAN_OF_PAGES };
        found.extend(faults(&text(&page), most).into_iter().map(|fault| format!("{}: {fault}", shown(&page))));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The twins: what the test would say of a page that is not.
    let (word, line) = ("word ", "short\n");
    let judged = |page: &str| faults(page, 20).len();
    assert_eq!(judged(&format!("{}end. One. Two.", word.repeat(20))), 0);
    assert_eq!(judged(&format!("{}\n{}end. One. Two.", word.repeat(20), word.repeat(20))), 1, "a long sentence");
    assert_eq!(judged(&format!("{}end. {}end.", word.repeat(20), word.repeat(20))), 2, "a long line, and a high mean");
    assert_eq!(judged(&line.repeat(6)), 1, "a long paragraph");
    assert_eq!(judged(&format!("```\n{}\n```", word.repeat(90))), 0, "code may be long");
}

#[test]
fn a_page_begins_with_whom_it_is_for() {
    let docs = root().join("docs");
    let begins = |page: &PathBuf| paragraphs(&text(page)).first().is_some_and(|it| it[0].starts_with("This page is for "));
    let silent: Vec<String> = pages().iter().filter(|it| it.starts_with(&docs) && !begins(it)).map(|it| shown(it)).collect();
    assert!(silent.is_empty(), "the first sentence does not say whom the page is for: {silent:?}");
}
