//! Who tells one login method from another. That is the business of `login/methods/`; what names one elsewhere is listed here, so that
//! nobody adds a place without a thought.

use super::{of, root, text};
use std::collections::BTreeSet;

/// A file outside of `methods/`, and what it must know of a method.
const MAY_NAME_ONE: &[(&str, &str)] = &[
    ("config/file.rs", "passkeys need an RP ID"),
    ("config/login.rs", "letters need a mail server"),
    ("http/account_passkeys.rs", "a page of passkeys, where a policy takes them"),
    ("login/becoming.rs", "whoever joined by a password has proved it"),
    ("login/demands.rs", "a passkey is proved before what replaces a means"),
    ("login/due.rs", "an open question of the second factor"),
    ("login/effect.rs", "what an effect adds, and who may have it"),
    ("login/enrolling.rs", "an operator's ticket confirms"),
    ("login/enrolment.rs", "which proof confirms a means"),
    ("login/flow.rs", "a ticket, and what a new second factor ends"),
    ("login/forms.rs", "forms that enrol a method prove it too"),
    ("login/passkey_forms.rs", "the form that makes a passkey proves it too"),
    ("login/policy.rs", "recovery codes stand in for the authenticator, and a passkey may be two factors"),
    ("login/questions.rs", "journeys that begin with a letter, a ticket or a passkey"),
    ("login/regain.rs", "what can be lost"),
    ("login/standing.rs", "what an e-mail alone may confirm"),
    ("operations/review_sign_in.rs", "weak policies"),
];

/// Does the code, without its tests, name a method by its constant?
fn names_one(source: &str) -> bool {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let after = code.match_indices("MethodName::").map(|(at, found)| &code[at + found.len()..]);
    after.filter_map(|rest| rest.chars().next()).any(|first| first.is_ascii_uppercase())
}

#[test]
fn no_further_file_tells_methods_apart() {
    let source = root().join("server/src");
    let below = |file: &std::path::Path| file.strip_prefix(&source).ok().map(|name| name.to_str().unwrap().to_owned());
    let naming: BTreeSet<String> = of("rs")
        .into_iter()
        .filter_map(|file| below(&file).map(|name| (name, file)))
        .filter(|(name, file)| !name.starts_with("login/methods/") && names_one(&text(file)))
        .map(|(name, _)| name)
        .collect();
    let listed: BTreeSet<String> = MAY_NAME_ONE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(naming, listed, "the files, then the list");
}

/// The twin: what counts as naming one.
#[test]
fn a_file_that_names_a_method_is_found() {
    assert!(names_one("if method == MethodName::EMAIL {}"));
    assert!(!names_one("MethodName::new(word) #[cfg(test)] mod tests { MethodName::EMAIL }"));
}
