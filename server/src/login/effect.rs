//! What a method or a form wants done, as values. An effect names no account: `commit` turns it into statements for the
//! sign-in's own subject, and only what the table here allows.

use super::accounts::{NewAccount, link_key};
use super::enrolment::{Enrolling, Means, New};
use super::journey::{Form, Journey, NewLink};
use super::profile::Profile;
use super::proof::MethodName;
use super::step::Problem;
use crate::audit::Entry;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub enum Effect {
    /// A letter with a code. Or a letter to nobody, so that a name that nobody has costs what a real one does.
    Letter(Letter),
    /// A word about the account to its proved address: the template's name.
    Notice(&'static str),
    /// What works once. `event` and `problem`: for the case that it was spent meanwhile.
    Spend {
        what: Spend,
        event: &'static str,
        problem: Problem,
    },
    Enrol(Credential),
    /// A passkey of a new or a known handle. A credential is one person's.
    AddPasskey(Box<NewPasskey>),
    RemovePasskey {
        public_id: String,
    },
    RenamePasskey {
        public_id: String,
        name: String,
    },
    /// The person does not want to be offered a passkey again.
    DeclinePasskeys {
        /// Of the account, if it has none yet.
        handle: String,
    },
    /// Every credential of a kind.
    Remove(&'static str),
    /// What was proved or sent before this is void: codes by mail and other sign-ins under way.
    Raise,
    EndSessions,
    CreateAccount(Box<Creation>),
    /// The same password under a digest of ours, in place of another system's.
    Rehash {
        from: String,
        to: String,
    },
    /// An identity at a provider leads to the account from now on.
    Link(Box<NewLink>),
    /// It was used again.
    SeeLink(Box<NewLink>),
    /// What a provider says of the person becomes what the account says.
    Follow(Box<Followed>),
    Unlink {
        issuer: String,
        subject: String,
    },
    Update(Update),
    /// One session, by its id.
    EndSession([u8; 16]),
    /// Every session but this one, and all known devices.
    EndOtherSessions {
        but: Option<[u8; 16]>,
    },
    ForgetDevice(String),
    /// What a client has got of the person, and its consent.
    RevokeApp(String),
    /// Everything of the person. `EndSessions` comes before it.
    DeleteAccount,
    /// What another effect adds counts for no more than this for now. The machine's own: no source may want it.
    Wait(Box<Enrolling>),
    /// A means that waited counts in full. The machine's own too.
    Confirm(Means),
    /// Nobody waits any more to get back in. The machine's own too.
    EndRegain,
    Audit(Box<Entry>),
}

impl Effect {
    /// The means that this adds or replaces.
    pub fn enrols(&self) -> Option<New> {
        let new = |means, method, user_verified| Some(New { means, method, user_verified });
        match self {
            Self::Enrol(Credential { kind: "totp", .. }) => new(Means::Totp, MethodName::TOTP, false),
            Self::Enrol(Credential { kind: "recovery", .. }) => new(Means::Recovery, MethodName::RECOVERY, false),
            // What it did not do when it was made, it may do later: verify the person.
            Self::AddPasskey(made) => new(Means::Passkey(made.public_id.clone()), MethodName::PASSKEY, true),
            Self::Link(link) => {
                let key = link_key(&link.issuer, &link.subject);
                new(Means::Identity(key), MethodName::new(link.method.clone()), false)
            }
            Self::Update(Update::Password(_)) => new(Means::Password, MethodName::PASSWORD, false),
            Self::Update(Update::Email(_)) => new(Means::Email, MethodName::EMAIL, false),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Letter {
    pub to: Option<String>,
    pub template: String,
    pub values: BTreeMap<String, String>,
    pub give_up_ms: i64,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct Creation {
    pub id: String,
    pub new: NewAccount,
    /// argon2id in PHC form.
    pub password_digest: Option<String>,
}

/// A profile before and after the word of an identity.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Its key.
    pub identity: String,
    pub before: Profile,
    pub after: Profile,
}

#[derive(Clone, Debug)]
pub enum Spend {
    /// The instant at which a TOTP step begins; an earlier or equal one is spent.
    TotpStep(i64),
    /// The name of a recovery code in the store.
    RecoveryCode(String),
    /// The name of an operator's ticket.
    Ticket(String),
    /// A counter that goes up; the credential must be there.
    Passkey(PasskeyUse),
    /// What a plug-in says that it works once in a day.
    PluginValue { plugin: String, value: String },
}

impl Spend {
    /// Where its statements are in a change that has so many. Each conflicts where it was spent before.
    pub fn statements(&self, first: usize) -> std::ops::Range<usize> {
        first..first + if matches!(self, Self::PluginValue { .. }) { 2 } else { 1 }
    }
}

#[derive(Clone, Debug)]
pub struct PasskeyUse {
    pub rp_id: String,
    /// base64url
    pub id: String,
    pub counter: u32,
    pub backed_up: bool,
    pub backup_eligible: bool,
}

/// As the table has it.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    pub rp_id: String,
    /// base64url
    pub id: String,
    pub public_id: String,
    pub handle: String,
    /// COSE_Key
    pub public_key: Vec<u8>,
    pub counter: u32,
    /// Separated by spaces.
    pub transports: String,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub user_verified: bool,
    pub discoverable: bool,
    pub aaguid: Vec<u8>,
    pub attested: bool,
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct Credential {
    pub kind: &'static str,
    pub id: String,
    /// Sealed to its place, or empty.
    pub secret: Vec<u8>,
    pub used_ms: i64,
}

#[derive(Clone, Debug)]
pub enum Update {
    /// argon2id in PHC form.
    Password(String),
    /// Another address, proved.
    Email(String),
    Name(Option<String>),
    /// A language that there are texts in.
    Locale(String),
    /// The digest of a user code. None: the person has none any more.
    UserCode(Option<String>),
}

/// Who asked for an effect.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Method(&'a MethodName),
    Form(Form),
    /// The machine itself, when a proof ends a journey.
    Journey,
    /// The machine itself, when a provider says who somebody is.
    Outside,
}

/// Which effects each journey and source may ask for. Anything else is a fault of ours.
pub fn is_allowed(journey: &Journey, source: Source<'_>, effect: &Effect) -> bool {
    match (source, effect) {
        (_, Effect::Wait(_) | Effect::Confirm(_) | Effect::EndRegain) => false,
        (_, Effect::Audit(_)) => true,
        (Source::Method(method), effect) => may_want(method, effect),
        (Source::Journey, Effect::CreateAccount(_)) => matches!(journey, Journey::Register { .. }),
        (Source::Journey, Effect::Update(Update::Email(_))) => matches!(journey, Journey::ChangeEmail { .. }),
        (Source::Journey, Effect::Notice(_)) => matches!(journey, Journey::ChangeEmail { .. } | Journey::Regain),
        (Source::Journey, Effect::Remove("totp" | "recovery") | Effect::RemovePasskey { .. } | Effect::EndSessions) => {
            *journey == Journey::Regain
        }
        (Source::Journey, _) => false,
        (Source::Outside, Effect::SeeLink(_) | Effect::Follow(_)) => true,
        // An identity that nobody has leads to an account that is made for it. It never joins one that is there.
        (Source::Outside, Effect::CreateAccount(_) | Effect::Link(_)) => *journey == Journey::SignIn,
        (Source::Outside, _) => false,
        (Source::Form(Form::Link), Effect::Link(_) | Effect::Raise | Effect::Notice(_)) => matches!(journey, Journey::Link { .. }),
        (Source::Form(Form::Unlink), Effect::Unlink { .. } | Effect::Raise | Effect::Notice(_)) => {
            matches!(journey, Journey::Unlink { .. })
        }
        (Source::Form(Form::NewPassword), Effect::EndSessions | Effect::Update(Update::Password(_)) | Effect::Notice(_)) => {
            matches!(journey, Journey::Reset | Journey::Regain | Journey::ChangePassword)
        }
        (Source::Form(form), effect) if form.is_of_overview() => is_allowed_to_manage(journey, form, effect),
        (Source::Form(form @ (Form::EnrolTotp | Form::EnrolPasskey | Form::OfferPasskey | Form::RecoveryCodes)), effect) => {
            may_enrol_in(journey, form) && is_allowed_to_enrol(form, effect)
        }
        (Source::Form(Form::RemovePasskey), Effect::Raise | Effect::EndSessions | Effect::Notice(_)) => {
            matches!(journey, Journey::RemovePasskey { .. })
        }
        (Source::Form(Form::RemovePasskey), Effect::RemovePasskey { public_id }) => {
            matches!(journey, Journey::RemovePasskey { passkey } if passkey == public_id)
        }
        (Source::Form(Form::RemoveTotp), Effect::Raise | Effect::Notice(_) | Effect::Remove("totp" | "recovery")) => {
            matches!(journey, Journey::RemoveTotp)
        }
        (Source::Form(_), _) => false,
    }
}

/// What a method may want, whatever the journey. It spends what is its own, and nothing else.
fn may_want(method: &MethodName, effect: &Effect) -> bool {
    let is_plugin = method.plugin_name().is_some();
    match effect {
        Effect::Letter(_) | Effect::Raise => *method == MethodName::EMAIL || is_plugin,
        Effect::Notice(_) => *method == MethodName::RECOVERY || is_plugin,
        Effect::Spend { what: Spend::TotpStep(_), .. } => *method == MethodName::TOTP,
        Effect::Spend { what: Spend::RecoveryCode(_), .. } => *method == MethodName::RECOVERY,
        Effect::Spend { what: Spend::Ticket(_), .. } => *method == MethodName::TICKET,
        Effect::Spend { what: Spend::Passkey(_), .. } => *method == MethodName::PASSKEY,
        Effect::Spend { what: Spend::PluginValue { plugin, .. }, .. } => method.plugin_name() == Some(plugin.as_str()),
        Effect::Rehash { .. } => *method == MethodName::PASSWORD,
        // A plug-in links what it names itself, and nothing else.
        Effect::Link(new) | Effect::SeeLink(new) => is_plugin && new.issuer == method.as_str() && new.method == method.as_str(),
        Effect::Unlink { issuer, .. } => is_plugin && issuer == method.as_str(),
        _ => false,
    }
}

/// In which journeys a means is added. A policy may ask for one that the person lacks in any journey of a known person.
fn may_enrol_in(journey: &Journey, form: Form) -> bool {
    match (form, journey) {
        (Form::EnrolPasskey, Journey::Register { draft }) => draft.as_ref().is_some_and(|draft| draft.proved),
        (Form::EnrolPasskey, _) => true,
        (Form::OfferPasskey, Journey::SignIn) => true,
        // Of the authenticator or passkey of a moment ago, or new ones.
        (Form::RecoveryCodes, Journey::SignIn | Journey::RecoveryCodes) => true,
        // These begin with the mailbox, and ask for no authenticator that the person lacks.
        (Form::EnrolTotp, Journey::Register { .. } | Journey::Reset | Journey::Regain) => false,
        (Form::EnrolTotp, _) => true,
        _ => false,
    }
}

/// What the forms that add a means may want where they are asked.
fn is_allowed_to_enrol(form: Form, effect: &Effect) -> bool {
    match (form, effect) {
        (_, Effect::Raise | Effect::Notice(_)) => true,
        (Form::EnrolTotp, Effect::Enrol(new)) => new.kind == "totp",
        (Form::EnrolPasskey | Form::OfferPasskey, Effect::AddPasskey(_)) => true,
        (Form::OfferPasskey, Effect::DeclinePasskeys { .. }) => true,
        (Form::RecoveryCodes, Effect::Enrol(new)) => new.kind == "recovery",
        (Form::RecoveryCodes, Effect::Remove(kind)) => *kind == "recovery",
        _ => false,
    }
}

/// The same for the forms that change an account and no means of it.
fn is_allowed_to_manage(journey: &Journey, form: Form, effect: &Effect) -> bool {
    match (form, journey, effect) {
        (Form::Overview | Form::Exported, ..) => false,
        (_, _, Effect::Notice(_)) => true,
        (Form::NewName, Journey::ChangeName, Effect::Update(Update::Name(_))) => true,
        (Form::NewLanguage, Journey::ChangeLanguage, Effect::Update(Update::Locale(_))) => true,
        (Form::NewUserCode, Journey::ChangeUserCode, Effect::Update(Update::UserCode(_))) => true,
        (Form::NewPasskeyName, Journey::RenamePasskey { passkey }, Effect::RenamePasskey { public_id, .. }) => passkey == public_id,
        (Form::EndAccess, Journey::EndSession { .. }, Effect::EndSession(_) | Effect::Raise) => true,
        (Form::EndAccess, Journey::EndOtherSessions, Effect::EndOtherSessions { .. } | Effect::Raise) => true,
        (Form::EndAccess, Journey::ForgetDevice { device }, Effect::ForgetDevice(forgotten)) => device == forgotten,
        (Form::EndAccess, Journey::RevokeApp { client }, Effect::RevokeApp(revoked)) => client == revoked,
        (Form::Delete, Journey::Delete, Effect::EndSessions | Effect::DeleteAccount) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::enrolment::facts_as_text;
    use crate::login::journey::RegistrationDraft;
    use crate::login::proof::{Facts, Proof};
    use crate::login::standing::enrolled_with;
    use serde_json::Map;

    /// A form of the account ends what its journey names, and deletes nothing unless that is what the journey is for.
    #[test]
    fn a_form_of_the_account_ends_what_its_journey_names() {
        let app = |client: &str| Effect::RevokeApp(client.to_owned());
        let journey = Journey::RevokeApp { client: "shop".to_owned() };
        assert!(is_allowed(&journey, Source::Form(Form::EndAccess), &app("shop")));
        assert!(!is_allowed(&journey, Source::Form(Form::EndAccess), &app("bank")));
        assert!(is_allowed(&Journey::Delete, Source::Form(Form::Delete), &Effect::DeleteAccount));
        for (journey, form) in [(&journey, Form::EndAccess), (&Journey::Export, Form::Export), (&Journey::SignIn, Form::Delete)] {
            assert!(!is_allowed(journey, Source::Form(form), &Effect::DeleteAccount), "{journey:?}");
        }
        let name = Effect::Update(Update::Name(None));
        assert!(is_allowed(&Journey::ChangeName, Source::Form(Form::NewName), &name));
        assert!(!is_allowed(&Journey::ChangeLanguage, Source::Form(Form::NewLanguage), &name));
        let code = Effect::Update(Update::UserCode(None));
        assert!(is_allowed(&Journey::ChangeUserCode, Source::Form(Form::NewUserCode), &code));
        assert!(!is_allowed(&Journey::ChangeName, Source::Form(Form::NewUserCode), &code));
    }

    /// A method proves; it never changes what a person signs in with.
    #[test]
    fn a_method_changes_no_credential() {
        let credential = Credential { kind: "totp", id: String::new(), secret: Vec::new(), used_ms: 0 };
        let method = MethodName::PASSWORD;
        for effect in [
            Effect::Enrol(credential.clone()),
            Effect::Remove("totp"),
            Effect::Update(Update::Password("x".to_owned())),
            Effect::Update(Update::Email("x".to_owned())),
            Effect::EndSessions,
        ] {
            assert!(!is_allowed(&Journey::SignIn, Source::Method(&method), &effect), "{effect:?}");
        }
        assert!(!is_allowed(&Journey::SignIn, Source::Method(&method), &Effect::Raise), "nor what was sent for it");
        assert!(is_allowed(&Journey::SignIn, Source::Method(&MethodName::EMAIL), &Effect::Raise), "the twin");
    }

    /// What works once is spent by the method that checks it, and by no other.
    #[test]
    fn a_method_spends_what_is_its_own() {
        let text = |text: &str| text.to_owned();
        let used = PasskeyUse { rp_id: text("a.example"), id: text("AA"), counter: 1, backed_up: false, backup_eligible: false };
        let own = [
            (MethodName::TOTP, Spend::TotpStep(1)),
            (MethodName::RECOVERY, Spend::RecoveryCode(text("x"))),
            (MethodName::TICKET, Spend::Ticket(text("x"))),
            (MethodName::PASSKEY, Spend::Passkey(used)),
            (MethodName::plugin("visit"), Spend::PluginValue { plugin: text("visit"), value: text("x") }),
        ];
        let others = [MethodName::PASSWORD, MethodName::EMAIL, MethodName::upstream("any"), MethodName::plugin("other")];
        let methods: Vec<MethodName> = own.iter().map(|(method, _)| method.clone()).chain(others).collect();
        for (owner, what) in own {
            let spend = Effect::Spend { what, event: "refused", problem: Problem::new("x") };
            for method in &methods {
                let may = is_allowed(&Journey::SignIn, Source::Method(method), &spend);
                assert_eq!(may, *method == owner, "{method}: {spend:?}");
            }
        }
    }

    /// Letters and notices are of the methods that write them.
    #[test]
    fn a_method_writes_what_is_its_own() {
        let letter = || Letter { to: None, template: "x".to_owned(), values: BTreeMap::new(), give_up_ms: 0 };
        let may = |method: &MethodName, effect: &Effect| is_allowed(&Journey::SignIn, Source::Method(method), effect);
        for method in [MethodName::EMAIL, MethodName::plugin("visit")] {
            assert!(may(&method, &Effect::Letter(letter())), "{method}");
        }
        for method in [MethodName::RECOVERY, MethodName::plugin("visit")] {
            assert!(may(&method, &Effect::Notice("recovery_used")), "{method}");
        }
        for method in [MethodName::PASSWORD, MethodName::TOTP, MethodName::PASSKEY, MethodName::TICKET, MethodName::upstream("any")] {
            assert!(!may(&method, &Effect::Letter(letter())), "{method}");
            assert!(!may(&method, &Effect::Notice("recovery_used")), "{method}");
        }
    }

    /// A means is added in the journeys that can ask for it.
    #[test]
    fn a_means_is_added_where_it_can_be_asked_for() {
        let of = |kind| Effect::Enrol(Credential { kind, id: String::new(), secret: Vec::new(), used_ms: 0 });
        let may = |journey: &Journey, form, effect: &Effect| is_allowed(journey, Source::Form(form), effect);
        for journey in [Journey::EnrolTotp, Journey::SignIn, Journey::ChangePassword] {
            assert!(may(&journey, Form::EnrolTotp, &of("totp")), "{journey:?}");
            assert!(!may(&journey, Form::EnrolTotp, &of("recovery")), "{journey:?}");
        }
        for journey in [Journey::Register { draft: None }, Journey::Reset, Journey::Regain] {
            assert!(!may(&journey, Form::EnrolTotp, &of("totp")), "{journey:?}");
        }
        for journey in [Journey::RecoveryCodes, Journey::SignIn] {
            assert!(may(&journey, Form::RecoveryCodes, &of("recovery")), "{journey:?}");
        }
        for journey in [Journey::Reset, Journey::Regain, Journey::ChangePassword] {
            assert!(!may(&journey, Form::RecoveryCodes, &of("recovery")), "{journey:?}");
        }
        let draft = |proved| {
            let (email, locale) = ("a@example.com".to_owned(), "en".to_owned());
            Journey::Register { draft: Some(RegistrationDraft { email, name: None, locale, password: None, proved }) }
        };
        for journey in [draft(true), Journey::AddPasskey, Journey::Regain] {
            assert!(may(&journey, Form::EnrolPasskey, &Effect::Raise), "{journey:?}");
            assert!(!may(&journey, Form::OfferPasskey, &Effect::Raise), "{journey:?}");
        }
        assert!(!may(&draft(false), Form::EnrolPasskey, &Effect::Raise));
        assert!(may(&Journey::SignIn, Form::OfferPasskey, &Effect::Raise));
    }

    /// 361-Z: a new passkey may verify the person from tomorrow on, whatever it did when it was made. So it waits where the person was
    /// proved by a passkey that did not verify them.
    #[test]
    fn a_new_passkey_is_worth_what_it_can_do() {
        let made = |user_verified| {
            let text = |text: &str| text.to_owned();
            Effect::AddPasskey(Box::new(NewPasskey {
                rp_id: text("a.example"),
                id: text("AA"),
                public_id: text("new"),
                handle: text("h"),
                public_key: Vec::new(),
                counter: 0,
                transports: text("usb"),
                backup_eligible: false,
                backed_up: false,
                user_verified,
                discoverable: true,
                aaguid: vec![0; 16],
                attested: false,
                name: text("key"),
            }))
        };
        let shown = |user_verified| {
            let facts = Facts { credential: Some("known".to_owned()), user_verified: Some(user_verified), ..Facts::default() };
            Proof { method: MethodName::PASSKEY, subject: "a".to_owned(), at_ms: 1, facts }
        };
        for new in [made(false), made(true)].map(|effect| effect.enrols().unwrap()) {
            let with = |proof: Proof| enrolled_with(&new, &[proof], false).map(|facts| facts_as_text(&facts));
            assert_eq!(with(shown(false)).as_deref(), Some("passkey"), "it waits");
            assert_eq!(with(shown(true)), None, "the twin: its equal");
        }
    }

    /// A plug-in links its own names alone; no other method links anything.
    #[test]
    fn a_plug_in_links_its_own_names_alone() {
        let link = |issuer: &str| {
            let text = |text: &str| text.to_owned();
            let new = NewLink {
                method: text(issuer),
                issuer: text(issuer),
                subject: text("7"),
                said: text("{}"),
                label: text("x"),
                shown: text("x"),
                shows: Map::new(),
                leads: false,
                tokens: None,
                hint: None,
            };
            Effect::Link(Box::new(new))
        };
        let visit = MethodName::plugin("visit");
        assert!(is_allowed(&Journey::SignIn, Source::Method(&visit), &link("plugin:visit")));
        for (method, issuer) in [(&visit, "plugin:other"), (&visit, "https://op.example"), (&MethodName::PASSWORD, "password")] {
            assert!(!is_allowed(&Journey::SignIn, Source::Method(method), &link(issuer)), "{method} {issuer}");
            let gone = Effect::Unlink { issuer: issuer.to_owned(), subject: "7".to_owned() };
            assert!(!is_allowed(&Journey::SignIn, Source::Method(method), &gone), "{method} {issuer}");
        }
        let own = Effect::Unlink { issuer: "plugin:visit".to_owned(), subject: "7".to_owned() };
        assert!(is_allowed(&Journey::SignIn, Source::Method(&visit), &own), "the twin");
    }

    /// What is lost goes in the journey for it, and in no other.
    #[test]
    fn what_is_lost_goes_in_one_journey() {
        let passkey = Effect::RemovePasskey { public_id: "x".to_owned() };
        for effect in [Effect::Remove("totp"), Effect::Remove("recovery"), passkey, Effect::EndSessions] {
            assert!(is_allowed(&Journey::Regain, Source::Journey, &effect), "{effect:?}");
            for journey in [Journey::SignIn, Journey::Reset, Journey::ChangePassword] {
                assert!(!is_allowed(&journey, Source::Journey, &effect), "{effect:?} in {journey:?}");
            }
        }
        assert!(!is_allowed(&Journey::Regain, Source::Journey, &Effect::Remove("password")));
    }

    /// A form acts within its own journey.
    #[test]
    fn a_form_acts_within_its_journey() {
        let password = Effect::Update(Update::Password("x".to_owned()));
        assert!(is_allowed(&Journey::Reset, Source::Form(Form::NewPassword), &password));
        assert!(!is_allowed(&Journey::SignIn, Source::Form(Form::NewPassword), &password));
        assert!(!is_allowed(&Journey::Reset, Source::Form(Form::Register), &password));
        let removal = Effect::Remove("totp");
        assert!(is_allowed(&Journey::RemoveTotp, Source::Form(Form::RemoveTotp), &removal));
        assert!(!is_allowed(&Journey::SignIn, Source::Form(Form::RemoveTotp), &removal));
        assert!(!is_allowed(&Journey::RemoveTotp, Source::Form(Form::RemoveTotp), &Effect::Remove("password")));
    }
}
