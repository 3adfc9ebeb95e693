//! The pages that a browser was shown in one language, each once, by the name that the page gives itself.

use super::{Browser, Page};
use std::sync::{Arc, Mutex};

/// A page that was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The kind of its step, or of the page.
    pub page: String,
    /// What tells it from other pages of that name. Empty for the first one.
    pub variant: String,
    title: String,
    /// What it says was wrong.
    problem: String,
    pub html: String,
}

#[derive(Clone)]
pub struct Album {
    pub language: &'static str,
    shown: Arc<Mutex<Vec<Shown>>>,
}

impl Album {
    pub fn new(language: &'static str) -> Self {
        Self { language, shown: Arc::default() }
    }

    /// A browser that asks for this language and keeps what it is shown here.
    pub fn browser(&self) -> Browser {
        Browser { album: Some(self.clone()), ..Browser::default() }
    }

    /// Keeps a page, and each further heading and problem that it shows, once.
    pub fn keep(&self, page: &Page) {
        let Some(name) = page.name() else { return };
        let (problem, title) = (page.problem(), page.title());
        let mut shown = self.shown.lock().unwrap();
        let known = shown.iter().filter(|one| one.page == name);
        if known.clone().any(|one| one.problem == problem && one.title == title) {
            return;
        }
        let count = known.count();
        let variant = if count == 0 { String::new() } else { (count + 1).to_string() };
        shown.push(Shown { page: name, variant, title, problem, html: page.html.clone() });
    }

    /// Keeps a page that shows more than one of this name before.
    pub fn keep_as(&self, variant: &str, page: &Page) {
        let name = page.name().unwrap_or_else(|| panic!("no page of ours: {} {}", page.status, page.html));
        let new = Shown { page: name, variant: variant.to_owned(), title: page.title(), problem: page.problem(), html: page.html.clone() };
        let mut shown = self.shown.lock().unwrap();
        // It may have been kept already, under a number.
        shown.retain(|one| one.html != new.html);
        shown.push(new);
    }

    /// Keeps a page that was not fetched by a browser.
    pub fn keep_html(&self, html: String) {
        self.keep(&Page { status: 200, location: None, headers: Default::default(), html });
    }

    pub fn pages(&self) -> Vec<Shown> {
        self.shown.lock().unwrap().clone()
    }
}
