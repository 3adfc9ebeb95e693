//! The catalogue of events: every name that an entry of the audit can have, and what it means. docs/audit.md is made from it. The command
//! line takes no other name, and a test compares it with the code.

use std::fmt::{self, Write};

pub struct Event {
    pub name: &'static str,
    pub text: &'static str,
}

pub struct Group {
    pub title: &'static str,
    pub events: &'static [Event],
}

const fn event(name: &'static str, text: &'static str) -> Event {
    Event { name, text }
}

pub const GROUPS: &[Group] = &[
    Group { title: "Signing in", events: SIGNING_IN },
    Group { title: "Accounts", events: ACCOUNTS },
    Group { title: "Grants and tokens", events: GRANTS },
    Group { title: "Installations and devices", events: INSTALLATIONS },
    Group { title: "Clients, keys and the store", events: OPERATIONS },
];

const SIGNING_IN: &[Event] = &[
    event("signed_in", "A person signed in, or proved more in the same session. `acr` says how well."),
    event("signed_out", "A person signed out; everything below the session ended."),
    event("provider_token_given", "An API got the token that a provider gave for a person. `scope` says what it may do there."),
    event(
        "provider_token_revoked",
        "What a provider gave was revoked there, after the link or the account was gone here (`revoke`). Refused: `reason` says why it could not be.",
    ),
    event(
        "provider_account_event",
        "A provider said what happened to an account there (`happened`). `unlinked`: the link is gone, with the sessions that rest on it.",
    ),
    event(
        "provider_subject_moved",
        "A person got another subject at a provider, and the link goes on under it: by a file (`user move-links`), or by `transfer_sub`.",
    ),
    event("provider_event_refused", "What a provider said about an account there was refused."),
    event(
        "provider_token_lost",
        "A provider refused to renew what it gave for a person; it is deleted. Where `check` is set and sessions rest on it, `provider_refused` comes instead.",
    ),
    event("provider_logout", "A provider said that the person signed out there; the browser's session ended, and its grants stay."),
    event(
        "provider_moved",
        "A provider has another issuer, or this server another client_id there, as `formerly` says. `links` counts the links that were deleted.",
    ),
    event(
        "provider_refused",
        "A provider was asked again (`check`) and refused for good: the sessions that rest on it ended. `sessions` counts them.",
    ),
    event("sign_out_passed_on", "A person signed out here and was led to the provider's sign-out (`sign_out`). Refused: it could not be."),
    event("provider_logout_refused", "A provider's logout token was refused."),
    event("session_ended", "A session ended, by the person or by a rule. `why` or `target` says more."),
    event("other_sessions_ended", "A person ended all sessions but the one in use."),
    event("sessions_ended", "All sessions of a person ended."),
    event("sign_in_refused", "A step of a sign-in was refused: a limit was reached, or the configuration does not ask for it any more."),
    event("password_proved", "The password was right."),
    event("password_refused", "The password was wrong, or there were too many tries."),
    event(
        "passkey_proved",
        "A passkey was right. `user_verified`: the authenticator knew the person. `counter_went_back`, `backup_eligible_changed`: it may have been copied, or is synced now.",
    ),
    event("passkey_refused", "A passkey was refused, when it was used or made. `reason` says why."),
    event("totp_proved", "The code of the authenticator app was right."),
    event("totp_refused", "The code of the authenticator app was wrong or was used before, or there were too many tries."),
    event("email_code_sent", "A code went out by e-mail. `template` says what for."),
    event("email_code_refused", "A code from an e-mail was wrong, old or used before, or there were too many tries."),
    event("email_proved", "A code from an e-mail was right."),
    event("recovery_code_used", "A recovery code was used; it does not work again."),
    event("recovery_code_refused", "A recovery code was wrong or used before, or there were too many tries."),
    #[cfg(feature = "knock")]
    event("knock_proved", "The example method was proved."),
    #[cfg(feature = "knock")]
    event("knock_refused", "The example method was answered wrongly."),
    event("upstream_proved", "A provider said who somebody is, and an account is linked to that. `identity` names it."),
    event("upstream_refused", "A sign-in with a provider's account was refused. `reason` says why: the provider, its answer, or no link."),
    event("wallet_answered", "A wallet has shown a good credential. It counts once the browser or app that began brings its code."),
    event("wallet_refused", "A wallet's answer was refused, or its return. `reason` names the broken rules."),
    event("plugin_proved", "A plug-in said that somebody is who they say, or named them. `plugin` names it."),
    event("plugin_refused", "A plug-in said no, or there were too many tries, or its name for somebody leads to no account."),
    event(
        "plugin_failed",
        "A plug-in had no answer that counts. `reason` says why: trap, time, memory, limit, answer, busy, refused, not loaded, or a claim that it \
         may not set. `call` is the id of the call; a plug-in that is not loaded was not called.",
    ),
    event("plugin_noted", "A plug-in's own entry. `event` and `text` are the plug-in's words; nothing acts on them."),
    event("plugin_denied", "A decision of a plug-in refused a sign-in, a code or a refresh. `observed`: it changed nothing."),
    event("plugin_step_up", "A decision of a plug-in wants the person to sign in once more. `observed`: it changed nothing."),
    event("letter_refused", "No letter was sent, because there were too many."),
];

const ACCOUNTS: &[Event] = &[
    event("account_created", "There is a new account."),
    event("registered", "A person made an account."),
    event("registration_refused", "A registration was refused."),
    event("account_disabled", "The person is refused everywhere."),
    event("account_enabled", "The person is let in again."),
    event("account_deleted", "The account and everything that names the person are gone."),
    event("password_changed", "There is a new password; all sessions ended."),
    event("email_changed", "There is a new e-mail address."),
    event("email_change_refused", "An address was not changed."),
    event("profile_changed", "An operator changed the shown name or claims."),
    event("name_changed", "A person changed the shown name."),
    event("language_changed", "A person chose another language."),
    event("account_exported", "A person took a copy of what the account has."),
    event("totp_enrolled", "An authenticator app was added."),
    event("totp_removed", "The authenticator app and the recovery codes were removed."),
    event("passkey_enrolled", "A passkey was added. `passkey` names it, `aaguid` says what it claims to be."),
    event("passkey_removed", "A passkey was removed. `lost`: because somebody else may have it, so that all sessions ended."),
    event("passkey_renamed", "A passkey got another name."),
    event("device_forgotten", "The person forgot a known device: everything is asked for there again."),
    event("upstream_linked", "An identity at a provider leads to the account from now on."),
    event("upstream_unlinked", "It no longer does."),
    event("upstream_unlink_refused", "An identity was unlinked twice at once."),
    event("enrolment_stopped", "A means that was added was taken away again, by the link in a letter. `means` names it."),
    event("enrolment_confirmed", "A means that was added counts in full from now on. `by` says why: waiting, the person, an operator."),
    event("enrolments_confirmed", "All means that were there before this rule count in full. Once for each store."),
    event("regain_begun", "A person said that they have lost the further means that are asked for. Every proved address is told."),
    event("regain_stopped", "Somebody stopped that, by the link in a letter."),
    event("regain_ended", "Nobody waits for it any more. `by`: the person showed such a means, or did not come back in time."),
    event("regained", "The person began anew, and what was lost is removed. `by` says why: waiting, a ticket."),
    event("ticket_given", "An operator made a ticket with which the person adds means that count at once."),
    event("ticket_used", "The ticket was used; it does not work again."),
    event("ticket_refused", "A ticket was wrong, too old or used before, or there were too many tries."),
    event("recovery_codes_made", "There are new recovery codes; the old ones do not work."),
    event("user_code_set", "The person has another user code, which clients on the backchannel have to send. `by` says who set it."),
    event("user_code_removed", "The person has no user code any more."),
    event("consent_withdrawn", "A person took away what an app had. `target` names the client."),
];

const GRANTS: &[Event] = &[
    event(
        "code_issued",
        "A client got an authorization code. `acr` says how well the person signed in; `consented`: they were asked and agreed; `eased`: a condition of the policy let them in with less. `unproved_link`: nothing proves that the app's link opens the app.",
    ),
    event("code_exchanged", "A code was exchanged for tokens."),
    event("code_retried", "The same client asked again with the same code and got the same tokens."),
    event("code_refused", "A code was refused."),
    event("code_used_twice", "A code was used twice; its grant ended."),
    event("client_told", "A client heard that a session had ended (back-channel logout), and said that it did."),
    event("client_not_told", "A client did not hear that a session had ended, and is told no more. `reason` says what it answered."),
    event("device_requested", "A device without a browser began a sign-in and shows a code. Only of a client that proved itself."),
    event("device_request_refused", "A device was not allowed to begin a sign-in."),
    event(
        "device_approved",
        "A person approved a device. `started_from` is its address; `same_network` says whether it is the person's. `acr`, `consented` and `eased` are as in `code_issued`.",
    ),
    event(
        "device_denied",
        "A person said no to a device. `not_mine`: they did not start it, so who started it is blocked for an hour, for this person.",
    ),
    event("device_code_refused", "The code of a device was typed wrongly, or there were too many tries."),
    event("device_code_exchanged", "A device got its tokens."),
    event("device_code_retried", "The same device asked again and got the same tokens."),
    event("device_code_replayed", "Tokens were asked for with a device code whose tokens had been fetched."),
    event("device_code_in_wrong_hands", "A genuine device code came without what it is bound to."),
    event("backchannel_requested", "A client asks a person on the person's own device. `known`: somebody has that name."),
    event("backchannel_refused", "A client was not allowed to ask a person."),
    event(
        "backchannel_approved",
        "A person approved what a client asked. `face` says whether in an app or in the browser. `acr`, `consented` and `eased` are as in `code_issued`.",
    ),
    event(
        "backchannel_denied",
        "A person refused what a client asked. `not_mine`: they did not start it, so who started it is blocked for an hour, for this person.",
    ),
    event("backchannel_exchanged", "A client got the tokens that a person had approved."),
    event("backchannel_retried", "The same client asked again and got the same tokens."),
    event("backchannel_replayed", "Tokens were asked for with an `auth_req_id` whose tokens had been fetched."),
    event("backchannel_in_wrong_hands", "A genuine `auth_req_id` came without what it is bound to."),
    event("backchannel_not_told", "A client did not hear that a person had answered, and is told no more. `reason` says what it answered."),
    event("push_not_sent", "The service that wakes apps up did not take a wake-up. `reason` says what it answered."),
    event("push_address_set", "An app said where it can be woken up."),
    event("approval_refused", "An app or a page was not allowed to show or answer what clients ask."),
    event("sso_joined", "A second app joined the session of a first one on the same phone. `from` names the first."),
    event("sso_refused", "An app did not join, because the evidence of both installations names no common vendor."),
    event("handover_issued", "An app got a ticket, with which its person goes on in a browser."),
    event(
        "handed_over",
        "A browser went on with an app's ticket. `kept`: the person was signed in there already. `from` names the app's session.",
    ),
    event("handover_refused", "A ticket from an app to a browser was not given, or was refused."),
    event("kiosk_visited", "A member was let in at a kiosk. `kiosk` and `place` say at which."),
    event("kiosk_asked", "A kiosk has read a member's code, and the member's app asks once more. `kiosk` and `place` say at which."),
    event("kiosk_confirmed", "A member has said in the app that they stand at the kiosk."),
    event("kiosk_challenge_refused", "A kiosk got no picture to show."),
    event("kiosk_code_elsewhere", "A member's code was shown at another kiosk than the one it was made for."),
    event(
        "kiosk_code_late",
        "A code came too late at a kiosk, or for a picture that was used: an entry an hour for each kiosk. `before`: how many came since the last entry.",
    ),
    event("kiosk_code_replayed", "A member's code was shown a second time."),
    event("refreshed", "A refresh token was exchanged for the next one."),
    event("refresh_repeated", "A refresh was repeated and got the same answer."),
    event("refresh_replayed", "A refresh token that was replaced was used. `reason` says whether the grant ended."),
    event("refresh_in_wrong_hands", "A genuine refresh token came without what it is bound to."),
    event("suspected_two_holders", "Two may hold the key of one grant."),
    event("store_behind", "A refresh token is newer than the store; it was honoured."),
    event("grant_revoked", "A client revoked its grant."),
    event("access_token_revoked", "A client revoked an access token."),
    event("revocation_refused", "A revocation was refused."),
    event("token_exchanged", "A token was exchanged for one of another API."),
    event("client_token_issued", "A client got a token for itself."),
    event("grant_weaker_than_policy", "A refresh ended its grant: the login policy wants more than was proved (`on_weaker_policy`)."),
    event("step_up_wanted", "A refresh was answered with the wish for another sign-in; `reason` says why."),
    event("sent_to_browser", "An app that signs people in on its own screens was sent to the browser."),
    event("sent_back_to_app", "A browser ended its part of an app's own sign-in. The app goes on with what was proved."),
    event("native_sign_in_refused", "A request of an app that wants to sign people in on its own screens was refused."),
    event("request_pushed", "A client that proved itself pushed an authorization request."),
    event(
        "authorization_refused",
        "An authorization request was refused. `error` says why, in the words of OAuth. A device, or a client on the backchannel, is told `access_denied` in its place.",
    ),
    event("token_refused", "A request to the token endpoint was refused."),
    event("push_refused", "A pushed authorization request was refused."),
    event("introspection_refused", "A request to the introspection endpoint was refused."),
    event("endings_refused", "A request of an API for what has ended was refused."),
    event("request_refused", "A request to another endpoint was refused."),
];

const INSTALLATIONS: &[Event] = &[
    event(
        "instance_attested",
        "An installation of an app was attested. `newer_version`: Android describes it in a version that this server does not know.",
    ),
    event("instance_vouched_for", "Your own attester vouched for an installation."),
    event("instance_revoked", "An installation is refused from now on; its grants ended."),
    event("device_enrolled", "A managed device was seen for the first time."),
    event("evidence_refused", "The evidence of an installation broke a rule."),
    event("evidence_not_judged", "The evidence of an installation could not be judged at that time."),
    event("receipt_exchanged", "Apple answered a receipt of App Attest."),
    event("receipt_not_exchanged", "Apple did not answer a receipt of App Attest."),
];

const OPERATIONS: &[Event] = &[
    event("client_registered", "A client was imported, or registered itself: `policy` says by which policy, `token` by whose token."),
    event("client_replaced", "The metadata of a registered client was replaced. `proved`: the hosts that it has proved."),
    event("client_removed", "A client of the store is gone, by itself or by an operator, with all that it had got."),
    event("client_registration_refused", "A registration, or a change of one, was refused to somebody with a token."),
    event("client_proof_lost", "A host does not say any more that a registered client is its own. `hosts` names it."),
    event("registration_token_made", "An operator made a token by which clients register themselves."),
    event("registration_token_revoked", "Such a token does not work any more."),
    event("client_disabled", "A registered client is refused everywhere."),
    event("client_enabled", "A registered client is allowed again."),
    event("client_sessions_ended", "Everything that a client had got so far ended."),
    event("key_created", "A signing key was made."),
    event("key_rotated", "An operator published the next signing key."),
    event("rewrapped", "Something in the store was sealed under the newest master key."),
    event("store_recovered", "The store was recovered after it was restored from a copy."),
    event("refreshes_replayed", "Grants moved on to the refresh token that the exported audit names."),
    event("ended_again", "Something ended again that the exported audit says had ended. `was` names the event."),
];

pub fn all() -> impl Iterator<Item = &'static Event> {
    GROUPS.iter().flat_map(|it| it.events)
}

pub fn is_known(name: &str) -> bool {
    all().any(|it| it.name == name)
}

/// The known name that is most like this one.
pub fn nearest(name: &str) -> Option<&'static str> {
    let likeness = |event: &Event| strsim::jaro_winkler(name, event.name);
    let best = all().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.7).then_some(best.name)
}

const HEAD: &str = "\
# The audit

This page is for whoever reads what happened. It explains an entry and lists every event. `cargo xtask docs`
makes it from the code.

`symbolon audit` prints entries as JSON lines. [commands.md](commands.md) has its options. An entry is written in the
same change as what it reports, so neither exists without the other.

| member | is |
|---|---|
| `at` | the instant, in milliseconds since 1970-01-01T00:00:00Z |
| `event` | a name of the tables below |
| `outcome` | `ok`, `refused` or `failed` |
| `account` | the `sub` of the person |
| `client` | the `client_id` |
| `session` | a name of the session; it opens nothing |
| `instance` | the key of the installation, or the id of the device |
| `address` | where the request came from |
| `reason` | why it was refused; the caller is not told |
| `actor` | the operator: `kind` and `uid` as the kernel has them, `claimed` as the command said of itself |
| `detail` | more, which depends on the event |

A member is absent where it says nothing. New members and events may be added.
";

/// docs/audit.md.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    // Writing to a text does not fail.
    let _ = write_groups(&mut page);
    page
}

fn write_groups(page: &mut String) -> fmt::Result {
    for group in GROUPS {
        writeln!(page, "\n## {}\n\n| event | means |\n|---|---|", group.title)?;
        // The example method is in no server that is shipped.
        for event in group.events.iter().filter(|event| !event.name.starts_with("knock_")) {
            writeln!(page, "| `{}` | {} |", event.name, event.text)?;
        }
    }
    Ok(())
}
