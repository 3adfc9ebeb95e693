//! Who tells one login method from another. That is the business of `login/methods/`; what names one elsewhere, or asks of which family it
//! is, is listed here, so that nobody adds a file without a thought.

use super::code::{tokens, tokens_and_texts, without_tests, words};
use super::{files, of, root, text};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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

/// What may be asked of the name of a method, and tells families of methods apart.
const ASKED: [&str; 6] = ["is_linked", "is_of_one_sign_in", "is_outside", "plugin_name", "provider", "wallet"];
/// What makes the name of a method of one family.
const MADE: [&str; 3] = ["of_provider", "plugin", "upstream"];

/// Files outside of `methods/` that tell families of methods apart, what each asks of a name or makes, and why. The number of files is part
/// of the type: who adds one raises it.
const MAY_ASK: [(&str, &[&str], &str); 17] = [
    ("authorization/coming_back.rs", &["is_of_one_sign_in"], "a ticket that was shown in the browser counts there alone"),
    ("config/file.rs", &["plugin", "upstream"], "which configured methods let in the person of a link"),
    ("config/login.rs", &["plugin_name", "provider", "wallet"], "what a chain names must be configured"),
    ("config/plugin.rs", &["plugin"], "what the proofs of a plug-in are worth"),
    ("http/authorize_challenge.rs", &["wallet"], "an app opens wallets by itself"),
    ("http/pages.rs", &["provider"], "some providers refuse browsers inside other apps"),
    ("http/plugin.rs", &["plugin"], "the address to which a plug-in's site leads back"),
    ("login/due.rs", &["is_linked", "of_provider"], "a method with the operator's own name may be configured no more"),
    ("login/effect.rs", &["plugin_name"], "a plug-in may want letters, notices and its own links"),
    ("login/enrolment.rs", &["is_linked"], "an identity is proved by any method with links"),
    ("login/flow.rs", &["plugin_name"], "what a plug-in wants costs, and is judged, before it is taken in"),
    ("login/machine.rs", &["plugin_name", "provider", "wallet"], "the operator's label, and whether a plug-in asks who somebody is"),
    ("login/outside.rs", &["of_provider", "plugin_name", "provider"], "whose account an identity of a provider or plug-in is"),
    ("login/proof.rs", &["is_outside", "plugin_name", "provider", "wallet"], "the helpers themselves"),
    (
        "login/questions.rs",
        &["is_of_one_sign_in", "is_outside", "of_provider", "plugin_name", "provider"],
        "no passkey beside a question that leads out, and the page before a plug-in runs",
    ),
    ("login/state.rs", &["is_outside"], "which button needs a browser"),
    ("sessions.rs", &["provider"], "which sign-ins at providers a session rests on"),
];

/// What the code, without its tests, asks of names of methods, and which names of families it makes.
fn asked(source: &str) -> BTreeSet<String> {
    let code = without_tests(tokens(source));
    let words = words(&code);
    let is_path = |at: usize| at > 1 && words[at - 1] == "::" && words[at - 2] == "MethodName";
    let is_call = |at: usize| at > 0 && words[at - 1] == "." && words[at + 1..].starts_with(&["(", ")"]);
    let tells = |at: usize| match words[at] {
        word if ASKED.contains(&word) => is_path(at) || is_call(at),
        word => MADE.contains(&word) && is_path(at),
    };
    (0..words.len()).filter(|at| tells(*at)).map(|at| words[at].to_owned()).collect()
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

/// Compares a list with what is read in the files outside of `methods/`.
fn judge(list: &[(&str, &[&str], &str)], read: impl Fn(&str) -> BTreeSet<String>) {
    let source = root().join("server/src");
    let mut found = BTreeMap::new();
    for file in of("rs") {
        let Ok(below) = file.strip_prefix(&source) else { continue };
        let methods = read(&text(&file));
        if !below.starts_with("login/methods") && !methods.is_empty() {
            found.insert(below.to_str().unwrap().to_owned(), methods);
        }
    }
    let wrong = faults(&found, list);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files: Vec<&str> = list.iter().map(|(file, ..)| *file).collect();
    assert!(files.is_sorted_by(|one, next| one < next), "each file once, in order: {files:?}");
}

#[test]
fn no_further_file_tells_methods_apart() {
    judge(&MAY_NAME, named);
}

#[test]
fn no_further_file_tells_families_of_methods_apart() {
    judge(&MAY_ASK, asked);
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
    let asked = |source: &str| asked(source).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(asked("if method.plugin_name().is_some() || all.map(MethodName::wallet) { x.is_linked() }"), "is_linked plugin_name wallet");
    assert_eq!(asked("MethodName::of_provider(name) == MethodName::upstream(name)"), "of_provider upstream");
    assert_eq!(asked("config.wallet.get(x); provider(); self.provider(name); methods::upstream::GO; let plugin = wallet;"), "");
    assert_eq!(asked("#[cfg(test)] mod tests { x.wallet() } // x.wallet()"), "");
    fn count(list: &[(&str, &[&str], &str)]) -> usize {
        faults(&BTreeMap::from([("a.rs".to_owned(), BTreeSet::from(["EMAIL".to_owned()]))]), list).len()
    }
    assert_eq!(count(&[("a.rs", &["EMAIL"], "letters need it")]), 0);
    assert_eq!(count(&[]), 1, "a file that is not listed");
    assert_eq!(count(&[("a.rs", &["EMAIL", "TOTP"], "letters need it")]), 1, "a method that is not named");
    assert_eq!(count(&[("a.rs", &["EMAIL"], "letters need it"), ("b.rs", &["TOTP"], "it was here")]), 1, "a file that is gone");
    assert_eq!(count(&[("a.rs", &["EMAIL"], "")]), 1, "no reason");
}

/// The files of the server that may name `knock`, the method for tests alone, and why. It shows what a method without a credential takes.
const KNOCK: [(&str, &str); 6] = [
    ("audit/events.rs", "the catalogue has the events of all methods, and no method may be imported from below"),
    ("login/methods/knock.rs", "the method itself"),
    ("login/methods/mod.rs", "its line in the list of methods"),
    ("pages/locales.rs", "its texts are in files of their own, since no server that is shipped has them"),
    ("pages/locales/knock.de.ftl", "its texts in German"),
    ("pages/locales/knock.en.ftl", "its texts in English"),
];

/// A method without a credential is shorter.
const KNOCK_LINES: usize = 80;

#[test]
fn the_method_for_tests_is_one_short_file() {
    let source = root().join("server/src");
    let names_it = |path: &PathBuf| text(path).to_lowercase().contains("knock");
    let below = |path: PathBuf| path.strip_prefix(&source).ok().map(|it| it.display().to_string());
    let found: BTreeSet<String> =
        files().into_iter().filter(|path| path.starts_with(&source) && names_it(path)).filter_map(below).collect();
    assert_eq!(found, BTreeSet::from(KNOCK.map(|(file, _)| file.to_owned())));
    let lines = text(&source.join("login/methods/knock.rs")).lines().count();
    assert!((10..KNOCK_LINES).contains(&lines), "{lines} lines");
}

/// Words of what writes. A method says what it wants as values, and `flow` and `commit` do it.
const WRITING: [&str; 6] = ["Change", "Draft", "Rates", "Store", "apply", "try_apply"];

/// The words of the code that write.
fn writing(source: &str) -> Vec<&'static str> {
    let code = without_tests(tokens(source));
    let words = words(&code);
    WRITING.into_iter().filter(|word| words.contains(word)).collect()
}

#[test]
fn no_method_writes() {
    let methods = root().join("server/src/login/methods");
    let files: Vec<PathBuf> = of("rs").into_iter().filter(|file| file.starts_with(&methods)).collect();
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        assert_eq!(writing(&text(&file)), [""; 0], "{}", file.display());
    }
    assert_eq!(writing("let c = Change::new(1); store.apply(c)"), ["Change", "apply"], "the twin");
    assert_eq!(writing("x: ReadOnlyStore, y: &Rates // Change"), ["Rates"]);
}
