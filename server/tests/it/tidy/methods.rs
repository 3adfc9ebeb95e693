//! Who tells one login method from another. That is the business of `login/methods/`; what names one elsewhere is listed here, so that
//! nobody adds a place without a thought.

use super::code::{tokens_and_texts, without_tests, words};
use super::{of, root, text};
use std::collections::{BTreeMap, BTreeSet};

/// Files outside of `methods/`, the methods that each names, and what it must know of them. The number of files is part of the type: who
/// adds one raises it.
const MAY_NAME: [(&str, &[&str], &str); 35] = [
    ("cli/users.rs", &["PASSKEY"], "the word for passkeys that were removed"),
    ("config/client/android.rs", &["PASSWORD"], "no method: how the hardware of a phone asks for the person"),
    ("config/client/manage.rs", &["PASSWORD"], "what an app may manage of an account"),
    ("config/file.rs", &["PASSKEY"], "passkeys need an RP ID"),
    ("config/login.rs", &["EMAIL"], "letters need a mail server"),
    ("config/mail.rs", &["PASSWORD"], "no method: the mail server's password"),
    ("http/account.rs", &["PASSWORD", "RECOVERY"], "the account page counts recovery codes and lists second factors"),
    ("http/account_passkeys.rs", &["PASSKEY"], "a page of passkeys, where a policy takes them"),
    ("http/upstream_events.rs", &["IDENTITY"], "what waits for a link goes with the link"),
    ("login/accounts.rs", &["RECOVERY", "TOTP"], "an account is read with its factors by kind"),
    ("login/becoming.rs", &["PASSWORD"], "whoever joined by a password has proved it"),
    ("login/budgets.rs", &["PASSWORD"], "the name of a budget, as rows have it"),
    ("login/commit.rs", &["EMAIL", "IDENTITY", "PASSKEY"], "what waits goes with its passkey, address or link"),
    (
        "login/demands.rs",
        &["EMAIL", "PASSKEY", "PASSWORD", "SECOND_FACTOR", "TICKET", "TOTP"],
        "a passkey is proved before what replaces a means",
    ),
    ("login/due.rs", &["EMAIL", "PASSKEY", "RECOVERY", "TOTP"], "an open question of the second factor"),
    (
        "login/effect.rs",
        &["EMAIL", "IDENTITY", "PASSKEY", "PASSWORD", "RECOVERY", "TICKET", "TOTP"],
        "what an effect adds, and who may have it",
    ),
    ("login/enrolling.rs", &["RECOVERY", "TICKET", "TOTP"], "an operator's ticket confirms"),
    ("login/enrolment.rs", &["EMAIL", "PASSKEY", "PASSWORD", "RECOVERY", "TOTP"], "which proof confirms a means"),
    ("login/flow.rs", &["EMAIL", "PASSKEY", "RECOVERY", "TICKET", "TOTP"], "a ticket, and what a new second factor ends"),
    ("login/forms.rs", &["PASSWORD", "RECOVERY", "TOTP"], "forms that enrol a method prove it too"),
    ("login/operation.rs", &["PASSKEY"], "the action and the field of a passkey's answer"),
    ("login/passkey_forms.rs", &["PASSKEY", "TOTP"], "the form that makes a passkey proves it too"),
    (
        "login/policy.rs",
        &["PASSKEY", "PASSWORD", "RECOVERY", "SECOND_FACTOR", "TOTP"],
        "recovery codes stand in for the authenticator, and a passkey may be two factors",
    ),
    ("login/proof.rs", &["PASSKEY", "PASSWORD", "RECOVERY", "TOTP"], "the constants themselves"),
    (
        "login/questions.rs",
        &["EMAIL", "PASSKEY", "PASSWORD", "RECOVERY", "SECOND_FACTOR", "TICKET", "TOTP"],
        "journeys that begin with a letter, a ticket or a passkey",
    ),
    ("login/regain.rs", &["PASSKEY", "PASSWORD", "RECOVERY", "TOTP"], "what can be lost"),
    ("login/rekeying.rs", &["IDENTITY"], "what waits moves with the link"),
    ("login/standing.rs", &["EMAIL", "PASSWORD", "RECOVERY", "TOTP"], "what an e-mail alone may confirm"),
    (
        "login/waiting.rs",
        &["EMAIL", "IDENTITY", "PASSKEY", "PASSWORD", "RECOVERY", "TOTP"],
        "a stop link takes back what each means has added",
    ),
    ("operations/find_user.rs", &["PASSWORD", "RECOVERY", "TOTP"], "an operator is shown how many factors a person has, by kind"),
    ("operations/replay/ends.rs", &["PASSKEY"], "the audit's word for the id of a passkey"),
    ("operations/replay/lost.rs", &["PASSKEY", "PASSWORD", "RECOVERY", "TOTP"], "what the audit says was enrolled, and the store has lost"),
    ("operations/review_sign_in.rs", &["PASSKEY", "PASSWORD", "RECOVERY", "TOTP"], "weak policies are found by their methods"),
    ("operations/users_change.rs", &["PASSWORD"], "a new password replaces the one that waits"),
    ("operations/users_means.rs", &["IDENTITY", "PASSKEY", "RECOVERY", "TOTP"], "what an operator takes away, by kind"),
];

/// Words that name a method or its credentials wherever they stand as a text. `email` is a claim, a scope and a column as well, and words
/// such as `plugin` have other meanings too: of these only constants and means are seen.
const WORDS: [&str; 4] = ["passkey", "password", "recovery", "totp"];

/// The methods that the code, without its tests, names by their constants, by the means that belong to them, or by their words. All are
/// written as the constants are. `Regain` is no means of a method.
fn named(source: &str) -> BTreeSet<String> {
    let code = without_tests(tokens_and_texts(source));
    let words = words(&code);
    let is_constant = |word: &str| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let is_means = |word: &str| word.starts_with(char::is_uppercase) && word != "Regain";
    let mut found = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let text = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        found.extend(text.filter(|text| WORDS.contains(text)).map(str::to_uppercase));
        let Some(member) = words.get(at + 2).filter(|_| words[at + 1] == "::") else { continue };
        let is_named = match *word {
            "MethodName" | "methods" => is_constant(member),
            "Means" => is_means(member),
            _ => false,
        };
        if is_named {
            found.insert(member.to_uppercase());
        }
    }
    found
}

/// What is wrong with the list, as the files are.
fn faults(found: &BTreeMap<String, BTreeSet<String>>, list: &[(&str, &[&str], &str)]) -> Vec<String> {
    let (mut wrong, nothing) = (Vec::new(), BTreeSet::new());
    for (file, methods) in found {
        let listed = list.iter().find(|(name, ..)| name == file).map_or(&[][..], |(_, methods, _)| *methods);
        let more = methods.iter().filter(|method| !listed.contains(&method.as_str()));
        wrong
            .extend(more.map(|method| format!("{file} names {method}: ask what the method says of itself, or list it here with a reason")));
    }
    for (file, methods, why) in list {
        let named = found.get(*file).unwrap_or(&nothing);
        let stale = methods.iter().filter(|method| !named.contains(**method));
        wrong.extend(stale.map(|method| format!("{file} does not name {method} any more: take it off the list")));
        if methods.is_empty() || why.split(' ').count() < 3 {
            wrong.push(format!("{file} names no method or gives no reason"));
        }
    }
    wrong
}

#[test]
fn no_further_file_tells_methods_apart() {
    let source = root().join("server/src");
    let mut found = BTreeMap::new();
    for file in of("rs") {
        let Ok(below) = file.strip_prefix(&source) else { continue };
        let methods = named(&text(&file));
        if !below.starts_with("login/methods") && !methods.is_empty() {
            found.insert(below.to_str().unwrap().to_owned(), methods);
        }
    }
    let wrong = faults(&found, &MAY_NAME);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files: Vec<&str> = MAY_NAME.iter().map(|(file, ..)| *file).collect();
    assert!(files.is_sorted_by(|one, next| one < next), "each file once, in order: {files:?}");
}

/// The twins: what counts as naming one, and what is said of a list that has become wrong.
#[test]
fn a_file_that_names_a_method_is_found() {
    let named = |source: &str| named(source).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("if method == MethodName::EMAIL { methods::SECOND_FACTOR }"), "EMAIL SECOND_FACTOR");
    assert_eq!(named("match means { Means::Totp | Means::Passkey(id) => \"recovery\" }"), "PASSKEY RECOVERY TOTP");
    let unnamed = "MethodName::new(word); methods::ask(x); Other::EMAIL; #[cfg(test)] mod tests { MethodName::EMAIL } \"MethodName::TOTP\"";
    assert_eq!(named(unnamed), "");
    assert_eq!(named("Means::read(x); Means::Regain; Other::Totp; \"email\"; \"a password\"; // \"totp\""), "");
    fn count(list: &[(&str, &[&str], &str)]) -> usize {
        faults(&BTreeMap::from([("a.rs".to_owned(), BTreeSet::from(["EMAIL".to_owned()]))]), list).len()
    }
    assert_eq!(count(&[("a.rs", &["EMAIL"], "letters need it")]), 0);
    assert_eq!(count(&[]), 1, "a file that is not listed");
    assert_eq!(count(&[("a.rs", &["EMAIL", "TOTP"], "letters need it")]), 1, "a method that is not named");
    assert_eq!(count(&[("a.rs", &["EMAIL"], "letters need it"), ("b.rs", &["TOTP"], "it was here")]), 1, "a file that is gone");
    assert_eq!(count(&[("a.rs", &["EMAIL"], "")]), 1, "no reason");
}
