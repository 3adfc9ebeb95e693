//! A page that asks nothing.

use super::{CONTINUE, Pages, Script};
use crate::error::Fault;
use crate::login::step::Step;
use minijinja::context;

/// What such a page shows.
#[derive(Clone, Copy)]
pub struct LonePage<'a> {
    pub step: &'a Step,
    pub locale: &'a str,
    /// Where its link leads.
    pub onward: Option<&'a str>,
    /// The message on that link.
    pub label: &'a str,
    /// Of a request that failed.
    pub request_id: Option<&'a str>,
}

impl<'a> LonePage<'a> {
    pub fn of(step: &'a Step, locale: &'a str) -> Self {
        Self { step, locale, onward: None, label: CONTINUE, request_id: None }
    }

    pub fn with_link(self, onward: &'a str) -> Self {
        Self { onward: Some(onward), ..self }
    }

    pub fn called(self, label: &'a str) -> Self {
        Self { label, ..self }
    }
}

impl Pages {
    pub fn alone(&self, page: LonePage<'_>, base: &str) -> Result<String, Fault> {
        let LonePage { step, locale, onward, label, request_id } = page;
        let values = context! {
            embedded => false, request_id => request_id,
            step => self.worded(step, locale), form_action => "", form_token => "", hidden => Vec::<String>::new(), base => base,
            onward => onward, onward_label => label, refresh => false, script => Script::of(step.operation.as_ref()).own(),
            help => None::<&str>,
        };
        self.render("step.html", locale, values)
    }
}
