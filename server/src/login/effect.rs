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
        (Source::Method(_), Effect::Letter(_) | Effect::Spend { .. } | Effect::Raise | Effect::Notice(_)) => true,
        (Source::Method(method), Effect::Rehash { .. }) => *method == MethodName::PASSWORD,
        // A plug-in links what it names itself, and nothing else.
        (Source::Method(method), Effect::Link(new) | Effect::SeeLink(new)) => {
            method.plugin_name().is_some() && new.issuer == method.as_str() && new.method == method.as_str()
        }
        (Source::Method(method), Effect::Unlink { issuer, .. }) => method.plugin_name().is_some() && issuer == method.as_str(),
        (Source::Method(_), _) => false,
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
        (Source::Form(Form::EnrolTotp), Effect::Raise | Effect::Notice(_)) => true,
        (Source::Form(Form::EnrolTotp), Effect::Enrol(new)) => new.kind == "totp",
        (Source::Form(Form::EnrolPasskey | Form::OfferPasskey), Effect::Raise | Effect::Notice(_) | Effect::AddPasskey(_)) => true,
        (Source::Form(Form::OfferPasskey), Effect::DeclinePasskeys { .. }) => matches!(journey, Journey::SignIn),
        (Source::Form(Form::RemovePasskey), Effect::Raise | Effect::EndSessions | Effect::Notice(_)) => {
            matches!(journey, Journey::RemovePasskey { .. })
        }
        (Source::Form(Form::RemovePasskey), Effect::RemovePasskey { public_id }) => {
            matches!(journey, Journey::RemovePasskey { passkey } if passkey == public_id)
        }
        (Source::Form(Form::RecoveryCodes), Effect::Raise | Effect::Notice(_)) => true,
        (Source::Form(Form::RecoveryCodes), Effect::Enrol(new)) => new.kind == "recovery",
        (Source::Form(Form::RecoveryCodes), Effect::Remove(kind)) => *kind == "recovery",
        (Source::Form(Form::RemoveTotp), Effect::Raise | Effect::Notice(_) | Effect::Remove("totp" | "recovery")) => {
            matches!(journey, Journey::RemoveTotp)
        }
        (Source::Form(_), _) => false,
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
        assert!(is_allowed(&Journey::SignIn, Source::Method(&method), &Effect::Raise));
    }

    /// 361-Z: a new passkey may verify the person from tomorrow on, whatever it did when it was made. So one that did not is no equal of it.
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
