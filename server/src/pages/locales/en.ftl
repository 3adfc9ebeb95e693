privacy = Privacy
terms = Terms
support = Help
optional = (optional)
problem = Error
password-title = Sign in
password-lead = Use your user name or e-mail address.
identify-title = Sign in
identify-lead = We send a code to the e-mail address of your account.
reset-title = Forgot your password?
reset-lead = We send a code to the e-mail address of your account. With it you choose a new password.
email_send-title = Confirm that it is you
email_send-lead = We send a code to the e-mail address of your account.
email_code-title = Read your e-mail
email_code-lead = If there is an account of that name, we sent a code to its e-mail address. It is good for 15 minutes.
email_code-lead-to = We sent a code to { $address }. It is good for 15 minutes.
register-title = Create an account
register-lead = We send a code to your e-mail address to see that it is yours.
new_email-title = Your new e-mail address
new_email-lead = We send a code to it. Until you type that code, nothing changes.
recovery_code-title = Use a recovery code
recovery_code-lead = Type one of the recovery codes that you kept. It works once.
recovery_codes-title = Keep these recovery codes
recovery_codes-lead = If you lose your phone, each of them lets you in once. Print them or keep them in a password manager; they are not shown again.
totp-title = Enter your code
totp-lead = Open your authenticator app and type the six digits it shows.
enrol_totp-title = Add an authenticator app
enrol_totp-lead = Scan the picture with your authenticator app, then type the six digits it shows.
new_password-title = Choose a new password
new_password-lead = At least 8 characters. All other devices will be signed out.
consent-title = Allow { $client }?
consent-as = You are signed in as { $person }.
consent-lead = { $client } asks for permission to:
consent-stranger-proved = Nobody at this service has checked this app. The owner of { $host } says that it is theirs.
consent-stranger-unproved = Nobody at this service has checked this app, and nobody says that it is theirs. What you allow goes to { $host }.
consent-stranger-program = Nobody at this service has checked this app. What you allow goes to a program on this device.
device_code-title = Sign in on another device
device_code-lead = Your television or other device shows a code of eight letters. Type it here.
device-title = Let a device use { $client }?
device-lead = A device asks to sign in to { $client } with your account.
device-lead-as = A device asks to sign in to { $client } as { $person }.
device-compare = Compare: the device in front of you must show the code { $code }.
device-type = Type the last four letters of the code that the device in front of you shows.
device-same_network = The device is in the same network as you. Its address is { $address }.
device-other_network = The device is not in your network. Its address is { $address }.
device-countries = By its address, the device is in the country { $device }. You are in { $own }.
device-country = By its address, the device is in the country { $device }.
device-unproved = We could not check that this request comes from { $client }. Any program can use that name.
device-warning = Did somebody send you this code or link, or call you about it? Then choose “No, I did not start this”: whoever sent it would get into your account.
device_approved-title = The device is signed in
device_approved-lead = Go back to your device. You can end its access to { $client } at any time in your account.
device_denied-title = The device gets nothing
device_denied-lead = The sign-in to { $client } was refused. If somebody had sent you the code, do not answer them.
field-user_code = Code on the device
field-last_group = Last four letters of the code
problem-wrong_user_code = No device that waits has this code. Compare it letter by letter.
problem-user_code_over = This code was used already, or it has expired. Ask your device for a new one.
problem-wrong_last_group = The device has another code. Look at the device in front of you, not at a message.
problem-too_many_codes = Too many codes were typed from your network. Wait fifteen minutes, or sign in to your account first and try again.
problem-device_other_network = Only a person in the same network as the device can approve it. Connect to the device's network and open its code again.
problem-device_other_country = Only a person in the same country as the device can approve it.
problem-device_blocked = You said that you did not start a sign-in from there. For an hour, nothing from there can be approved.
mail-device_approved-subject = A device was signed in to { $brand }
mail-device_approved-body =
    You approved a television or another device: it now uses your account with { $brand }.
    
    If it was not you, open your account there and end its session now.
approval-title = Allow { $client }?
approval-lead = { $client } asks for your approval.
approval-lead-as = { $client } asks for your approval, { $person }.
approval-message = Compare: { $client } must show or tell you this text: { $message }
approval-kiosk = Are you standing at { $name }, { $place }? Approve only if you showed your code there a moment ago.
approval-number = Type the two digits that { $client } shows or tells you. One wrong number ends the request.
approval-warning = Did you not ask { $client } for anything? Then choose “No, I did not start this”. Approve only what you have begun yourself.
approval_given-title = You have approved
approval_given-lead = { $client } goes on by itself. You can end its access at any time in your account.
approval_refused-title = You have not approved
approval_refused-lead = { $client } gets nothing. If somebody had called you about it, do not answer them.
approval_none-title = Nothing waits for your answer
approval_none-lead = It was answered already, or it has expired.
approval_other-title = This question is for somebody else
approval_other-lead = This request is for another account than the one you signed in with. If it is yours too, sign in with it.
field-matching_number = The two digits
account-approvals = Requests that wait for your answer
action-approvals = Read and answer
mail-approval_given-subject = You approved a request at { $brand }
mail-approval_given-body =
    You approved what an organisation asked with your account at { $brand }. It now has the access that you were shown.
    
    If it was not you, open your account there and end its access now.
handover-title = Continue as { $person }?
handover-lead = An app on this device leads you to { $host }. You are signed in there without a password.
handover-other = { $other } is signed in in this browser. If you continue as { $person }, { $other } is signed out here.
action-switch_person = Continue, and sign the other person out
logout-title = Sign out?
logout-lead = Apps that you signed in to from this browser will ask you to sign in again.
signed_out-title = You are signed out
signed_out-lead = You can close this window.
error-title = This did not work
error-lead-app = The app or the link that led you here asked for something that is not possible. Go back to the app and try again. If it stays like this, tell the people who make the app.
error-lead-over = This page is too old, or it belongs to another browser. Go back to the app and start again.
error-lead-not_found = There is no such page. Go back to the app, or open your account.
error-lead-busy = There are too many requests just now. Wait a minute, then load this page again.
error-lead-away = We cannot do this for the moment. Wait half a minute, then load this page again. Nothing is lost.
error-lead-fault = Something went wrong on our side. Try again in a minute. If it stays like this, report the request id below.
error-details = Details for the developer
error-code = Error code
error-id = Request id
not_signed_in-title = You are not signed in
not_signed_in-lead = Nobody is signed in in this browser, so there is nothing to sign out of.
not_signed_in-lead-left = You left before you were signed in. You can begin again at any time.
action-begin_sign_in = Sign in
home-title = This is a sign-in server
home-lead = Apps send you here when you sign in. There is nothing to do on this page by itself.
home-account = Your account
account-title = Your account
account-profile = Name and language
account-security = Security
account-devices = Known devices
account-devices-lead = You have signed in on these devices. On some of them you may be asked for less.
account-device-unknown = A device without a name
account-device-seen = Known since { $first }, last sign-in { $last }
account-waits = What does not count in full yet
account-waits-lead = If it was not you, stop it with the link in the letter that we sent you.
account-waits-password = A new password
account-waits-email = A new e-mail address
account-waits-totp = An authenticator app
account-waits-recovery = Recovery codes
account-waits-passkey = A passkey
account-waits-identity = A link to another account
account-waits-regain = Somebody said that you lost your other ways to sign in
account-waits-until = from { $date } on, if nobody stops it
account-waits-confirmed = only when it is confirmed
account-sessions = Where you are signed in
account-current = this browser
account-apps = Apps with access
account-app-since = since { $date }
account-no-apps = No app has access.
account-unverified = (not confirmed)
form-post-title = One moment
qr = QR code for your authenticator app
field-username = User name or e-mail
field-password = Password
field-code = Six-digit code
field-email_code = Code from the e-mail
field-recovery_code = Recovery code
field-email = E-mail address
field-name = Your name
field-new_password = New password
field-new_password_again = New password again
action-download_codes = Save as a file
action-continue = Continue
action-cancel = Cancel
action-send = Send the code
action-resend = Send another code
action-use_email = Use a code by e-mail instead
action-use_password = Use your password instead
action-use_totp = Use the authenticator app
action-use_recovery = I don't have my phone
action-reset = Forgot your password?
action-regain = I have lost this
action-register = Create an account
action-sign_in = Back to signing in
action-allow = Allow
action-deny = Don't allow
action-logout = Sign out
action-stay_signed_in = Stay signed in
action-change_password = Change password
action-change_email = Change e-mail address
action-recovery_codes = New recovery codes ({ $left } left)
action-enrol_totp = Add an authenticator app
action-remove_totp = Remove the authenticator app
action-forget_device = Forget
action-end_session = Sign out
action-sign_out_others = Sign out everywhere else
action-revoke_app = Remove access
problem-wrong_password = The name or the password is not right.
problem-wrong_code = The code is not right, or it was used before. Wait for the next one.
problem-code_over = This code is no longer good. Ask for another one.
problem-wrong_recovery_code = This is not one of your recovery codes, or it was used before.
problem-too_many_mails = We sent several codes already. Look into your mailbox, or try again in an hour.
problem-bad_email = This is not an e-mail address we can write to.
problem-email_domain = Only certain e-mail addresses can have an account here. This is not one of them.
problem-no_name = Type your user name or e-mail address first.
problem-too_many_attempts = Too many attempts. Wait fifteen minutes, or use a browser you signed in with before.
problem-weak_password = A password has at least 8 characters.
problem-long_password = This password is too long. It can have 256 characters, and fewer if there are letters such as “ä” or emoji in it.
problem-breached_password = This password is in public lists of stolen passwords, so others will try it. Choose another one.
problem-passwords_differ = The two passwords are not the same.
scope-openid = Know who you are
scope-profile = See your name and language
scope-email = See your e-mail address
scope-offline_access = Keep access while you are away
scope-device_sso = Use the same sign-in in other apps of the same organisation on this device
remove_totp-title = Remove the authenticator app?
remove_totp-lead = You will sign in without it. Its recovery codes will stop working too.
over-title = This sign-in is over
over-lead = It is too old, it was ended, or it belongs to another browser. Go back to the app and start again.
over-lead-to = It is too old, it was ended, or it belongs to another browser. Go back to { $client } and start again.
elsewhere-title = This sign-in went on elsewhere
elsewhere-lead = It goes on in another tab or window of this browser.
elsewhere-lead-to = It goes on in another tab or window of this browser. From there it leads back to { $client }.
done-title = You are signed in
done-lead = You can close this page.
done-lead-to = Go back to { $client }. You can close this page.
leave-title = You are done here
leave-lead = If nothing happens, press Continue.
leave-lead-to = You go back to { $client }. If nothing happens, press Continue.
unvouched-title = Go on to { $host }?
unvouched-lead = The app { $client } registered itself here. Nobody has checked who runs it. It wants to lead you to { $host }.
unvouched-advice = If you do not know that address, close this page.
problem-asked_no_more = This question is out of date, so your answer was not used. Continue here.
problem-busy = Another answer to this question is being checked. Wait a moment, then continue.
problem-no_code = Type the code first.
problem-no_password = Type your password first.
problem-wrong_email_code = The code is not right. Look at the newest e-mail.
action-not_you = Not you?
detour-title = Did you start this in { $client }?
detour-lead = { $client } asks you to go on with a sign-in in this browser.
detour-place = It was started from the network address { $address }.
detour-country = By its address, that is in the country { $country }.
detour-device = The app runs on: { $device }.
detour-warning = Continue only if you opened { $client } yourself a moment ago. If somebody sent you here by a link or a message, choose No.
action-started_it = Yes, continue
action-not_mine = No, I did not start this
action-browser = Continue in the browser
upstream-title = Sign in with { $provider }
upstream-lead = You go to { $provider } and come back here. Apps get nothing of what { $provider } gives us.
upstream-lead_sdk = Choose your { $provider } account. This service learns who you are there, and nothing of that reaches an app.
upstream_on_the_way-title = On to { $provider }
upstream_on_the_way-lead = If nothing happens, press Continue.
upstream_unknown-title = No account for this sign-in
upstream_unknown-lead = You signed in at { $provider } as { $account }. No account here belongs to that. Ask the people who run this service for one. If you have an account already, sign in with it, and link { $provider } on its page.
link-title = Link { $provider }?
link-lead = Whoever can sign in at { $provider } as { $identity } can then sign in here, to the account { $account }.
unlink-title = Remove this sign-in?
unlink-lead = { $identity } will no longer lead to the account { $account }.
action-go = Continue with { $provider }
action-other_account = Use another { $provider } account
action-id_token = Continue with { $provider }
action-use_upstream = Continue with { $provider }
action-link = Link { $provider }
action-unlink = Remove
account-links = Sign-in with other accounts
account-link_ends_there = If you remove this link, also end the access in the settings of your account at { $provider }.
problem-upstream_away = The other side does not answer at the moment. Try again in a minute, or use another way.
problem-upstream_failed = That did not work, and it is not your fault. Try again, or use another way.
problem-upstream_unwelcome = Accounts of that organisation or kind cannot sign in here. Choose another one, or use another way.
problem-upstream_domain = Only accounts of certain domains can sign in here, and that account is of none of them. Choose your work account, or use another way.
problem-upstream_tenant = Only accounts of certain organisations can sign in here, and that account belongs to another one. Choose another account, or ask your administrator.
problem-upstream_incomplete = The other side does not tell what this service needs to know. Tell the people who run it, or use another way.
problem-upstream_no_id_token = This version of the app does not send what is needed here. Update the app, or use another way.
problem-upstream_cancelled = You came back without signing in. Try again, or use another way.
problem-upstream_other = That account belongs to somebody else here. Choose another one, or use another way.
problem-upstream_not_linked = That account is not linked to yours. Use another way. You can link it on your account page afterwards.
problem-upstream_unknown = There is no account here for this sign-in.
problem-upstream_closed = Your account here is closed. Ask the people who run this service.
problem-upstream_not_fresh = You have to sign in there anew, and that was not confirmed. Try again, or use another way.
problem-upstream_linked_already = That account is linked to yours already.
problem-upstream_linked_elsewhere = That account is linked to somebody else's account here.
problem-upstream_too_many_links = Your account has too many links already. Remove one first.
problem-upstream_linking_off = Accounts of this kind cannot be linked here.
problem-too_many_trips = Too many attempts. Start again from the app.
problem-last_means = This is your last way to sign in. Add another one first.
problem-unlinked_already = It was removed already.
wallet-title = Sign in with { $provider }
wallet-lead = Next, { $provider } opens on this device and asks you for what is listed here, and for nothing else. You agree there, and come back here.
wallet-purpose = { $purpose }
wallet-transaction = It also shows what you agree to, and signs that.
wallet_on_the_way-title = On to { $provider }
wallet_on_the_way-lead = If nothing happens, press Continue. When you have agreed there, it brings you back to this browser.
wallet_open-title = On to { $provider }
wallet_open-lead = Next, { $provider } asks you for what is listed here, and for nothing else. When you have agreed there, it brings you back to this app.
wallet_claim-given_name = First name
wallet_claim-family_name = Family name
wallet_claim-birthdate = Date of birth
wallet_claim-birth_date = Date of birth
wallet_claim-age_over_18 = Whether you are over 18
wallet_claim-nationalities = Nationalities
wallet_claim-email = E-mail address
wallet_claim-address = Address
wallet_claim-document_number = Number of the document
wallet_claim-personal_administrative_number = National identity number
wallet_claim-issuing_country = Country that issued it
wallet_claim-portrait = Your picture
wallet_claim-other = { $claim }
action-use_wallet = Continue with { $provider }
action-show_credential = Use a wallet on this device
action-other_device = Use a wallet on another device
action-new_qr = Show a new code
wallet_elsewhere-title = Sign in with { $provider } on another device
wallet_elsewhere-lead = Scan this code with the other device, and agree there to what is listed here. That device then shows two digits: type them here. One wrong number ends the code.
wallet_qr = QR code that opens the wallet on another device
wallet_number-title = Your number is { $number }
wallet_number-lead = Type it on the device in front of you, where you sign in to { $client }.
wallet_number-device = That sign-in was begun with { $device }, from the address { $address }.
wallet_number-address = That sign-in was begun from the address { $address }.
wallet_number-warning = Did somebody send you the code, or call you about it? Then choose “No, I did not start this”, and tell nobody the number: whoever has it would get into your account.
wallet_number_none-title = Nobody was signed in
wallet_number_none-lead = Go back to the other device, and start again there.
wallet_stopped-title = Nobody was signed in
wallet_stopped-lead = Your answer counts for nobody any more. You can close this page.
problem-wallet_unanswered = The other device has not answered this code. Show a new one, scan it and agree there, and then type the number.
problem-wallet_other_number = That is not the number that the other device shows, and the code is over. Show a new one, or use another way.
problem-wallet_failed = That did not work, and nobody was signed in. Try again, or use another way.
problem-wallet_cancelled = You came back without signing in. Try again, or use another way.
problem-wallet_away = Nobody could say whether your credential is still good. Try again in a minute, or use another way.
problem-wallet_expired = Your credential has expired, or is not valid yet. Renew it in your wallet, or use another way.
problem-wallet_revoked = Your credential is no longer good. Ask whoever issued it, or use another way.
problem-wallet_incomplete = Your wallet does not show all that is asked, or shows something else. Use another way.
problem-wallet_untrusted = Your credential is from somebody whom this service does not trust. Use another way.
problem-wallet_two_people = Your credentials seem to be of two people. Use another way.
problem-wallet_names_nobody = This credential cannot sign you in: it does not say who you are. Use another way.
plugin-words = { $text }
plugin_begin-title = Go on with { $label }
plugin_begin-lead = You are asked for it on the next page.
plugin_on_the_way-title = On to { $label }
plugin_on_the_way-lead = You go on there, and come back here. If nothing happens, press Continue.
plugin_away-title = This way does not work at the moment
plugin_away-lead = Try again in a minute, or use another way.
plugin_away-call = Number of the call: { $call }.
action-use_plugin = Continue with { $provider }
action-try_again = Try again
problem-plugin_words = { $text }
problem-plugin_away = That could not be checked at the moment. Try again in a minute, or use another way.{ $call ->
    [none] {""}
   *[other] {" "}Number of the call: { $call }.
}
problem-plugin_wrong = That is not right. Try again, or use another way.
problem-plugin_used = That was used already. Get a new one, or use another way.
problem-plugin_not_linked = That does not belong to an account here. Use another way.
mail-code-subject = Your code for { $brand }
mail-code-body =
    { $code } is your code to sign in to { $brand }. It is good for 15 minutes.
    
    Did you not ask for it? Then you can ignore this e-mail; nobody gets in without the code. Never tell it to anybody.
mail-reset-subject = A new password for { $brand }
mail-reset-body =
    { $code } is your code to choose a new password for { $brand }. It is good for 15 minutes.
    
    Did you not ask for it? Then you can ignore this e-mail; your password stays as it is. Never tell the code to anybody.
mail-regain-subject = You lost your ways to sign in to { $brand }?
mail-regain-body =
    { $code } is your code. Use it only if you have lost your authenticator app, recovery codes or passkeys for { $brand }. It is good for 15 minutes.
    
    You did not ask for it? Then somebody else did, and knows your password or your name. Tell nobody the code.
mail-register-subject = Your e-mail address for { $brand }
mail-register-body =
    { $code } is the code that confirms your e-mail address for { $brand }. It is good for 15 minutes.
    
    Did you not ask for an account? Then you can ignore this e-mail; none will be made.
mail-change-subject = Your new e-mail address for { $brand }
mail-change-body =
    { $code } is the code that makes this your e-mail address for { $brand }. It is good for 15 minutes.
    
    Did you not ask for it? Then you can ignore this e-mail; nothing will change.
mail-taken-subject = You have an account with { $brand }
mail-taken-body =
    Somebody, perhaps you, wanted to use this e-mail address for an account with { $brand }. It belongs to an account already.
    
    If it was you: sign in with it. If you forgot the password, choose "Forgot your password?" there. If it was not you, there is nothing to do.
mail-password_changed-subject = Your password for { $brand } was changed
mail-password_changed-body =
    Your password for { $brand } was changed, and all other devices were signed out.
    
    If it was not you, choose "Forgot your password?" on the sign-in page now.
mail-email_changed-subject = Your e-mail address for { $brand } was changed
mail-email_changed-body =
    Your account with { $brand } has another e-mail address now; this one no longer belongs to it.
    
    If it was not you, tell those who run { $brand } now.
mail-factor_added-subject = An authenticator app was added to { $brand }
mail-factor_added-body =
    An authenticator app was added to your account with { $brand }.
    
    If it was not you, change your password now.
mail-factor_removed-subject = The authenticator app was removed from { $brand }
mail-factor_removed-body =
    The authenticator app was removed from your account with { $brand }. Its recovery codes no longer work.
    
    If it was not you, change your password now.
mail-recovery_changed-subject = Your recovery codes for { $brand } were changed
mail-recovery_changed-body =
    Your recovery codes for { $brand } were removed, or new ones were made. Those that you had before no longer work.
    
    If it was not you, change your password now.
mail-link_added-subject = Another account now signs in to { $brand }
mail-link_added-body =
    Another account was linked to your account with { $brand }. Whoever has it can sign in.
    
    If it was not you, remove the link on your account page and change your password now.
mail-new_device-subject = A new device signed in to { $brand }
mail-new_device-body =
    Somebody signed in to your account with { $brand }, with a browser or an app that you had not used for it before.
    
    If it was you, there is nothing to do. If it was not you, open this link and sign everybody out. Then change your password:
    { $link }
mail-link_removed-subject = A link was removed from { $brand }
mail-link_removed-body =
    The link of another account was removed from your account with { $brand }.
    
    If it was not you, change your password now.
mail-recovery_used-subject = A recovery code for { $brand } was used
mail-recovery_used-body =
    One of your recovery codes for { $brand } was used to sign in.
    
    If it was not you, change your password and make new recovery codes now.
mail-kiosk_code_twice-subject = Your code for { $brand } was shown twice
mail-kiosk_code_twice-body =
    A code of your app was shown a second time, or at another place than the one it was made for. It let nobody in.
    
    Did somebody photograph your screen, or ask you to scan a picture? Show your code only where you stand yourself.
mail-when = This happened on { $time }.
mail-when-and-device = This happened on { $time }, with { $device }.
continue-title = Continue in { $client }
continue-lead = You are done here. One tap leads back to { $client }.
continue-open = Open { $client }
continue-nothing = Nothing happens?
continue-other-link = Try this link instead.
continue-setting = Allow your browser to open apps. It may ask at the top or the bottom of this page.
continue-get = Get { $client }
embedded-browser = This page is open inside another app. If something does not work here, open your browser instead: the menu of that app may do it.
embedded-open = Start again in your browser.
embedded-refused = Nobody can sign in at { $provider } inside another app. Open this page in your browser first, or use another way.
continue-again = Go back to { $client } by yourself and start again there.
continue-phone = Is { $client } on your phone?
continue-picture = A picture that leads your phone to the page of { $client }, where you start again
passkey-title = Sign in with a passkey
passkey-lead = Use your finger, your face, or whatever unlocks this device.
passkey-waiting = Follow the window of your browser.
passkey-cancelled = That did not work out. Try again, or sign in in another way.
passkey-failed = Your browser could not do that here. Sign in in another way.
passkey-unsupported = This browser cannot use passkeys. Choose another way, or open this page in your usual browser.
enrol_passkey-title = Make a passkey
enrol_passkey-lead = With a passkey you sign in by finger, face or PIN. There is nothing to remember, and nothing that a false page could ask for.
offer_passkey-title = Sign in faster next time?
offer_passkey-lead = Make a passkey, and sign in by finger, face or PIN from now on. Your other ways stay.
remove_passkey-title = Remove this passkey?
remove_passkey-lead = You cannot sign in with it any more. You stay signed in to your apps. Some of them may ask you to sign in once more. If somebody else may have this passkey, say so: then you are signed out everywhere.
remove_passkey-last = It is the only way in that you have left. Make another passkey first.
account-passkeys = Passkeys
account-passkey-name = Name of the passkey
account-passkey-created = Made { $date }
account-passkey-used = used { $date }
account-passkey-unused = never used
account-passkey-needs-name = needs your name first
account-passkey-of-other = of another address of this server, works no more
account-passkey-refused = is not accepted here any more
account-no-passkeys = You have no passkey.
action-passkey = Use a passkey
action-make_passkey = Make a passkey
action-security_key = Use a security key with your name
action-use_passkey = Use a passkey instead
action-add_passkey = Add a passkey
action-rename_passkey = Save name
action-remove = Remove
action-remove_lost = It is lost: remove it and sign out everywhere
action-not_now = Not now
problem-passkey_unknown = This passkey does not work here any more. Sign in in another way.
problem-passkey_unreadable = Your browser sent something that is no passkey. Try again, or sign in in another way.
problem-passkey_unverified = Your device did not check that it is you. Switch on its screen lock or its PIN, or sign in in another way.
problem-passkey_without_person = Your device does not say whose passkey this is. Type your name first, then use a security key.
problem-passkey_synced = Passkeys that are copied to other devices are not accepted here. Use a security key, or sign in in another way.
problem-passkey_copied = This key may have been copied, so it is not accepted. Sign in in another way, and tell those who run this server.
problem-passkey_kind = { $kinds ->
    [none] This kind of passkey is not accepted here. Ask those who run this server which kinds are.
   *[other] This kind of passkey is not accepted here. These are: { $kinds }.
}
problem-passkey_not_made = The passkey could not be added. Try again.
problem-passkey_already_there = This device has a passkey for you already.
problem-passkey_none_here = There is no passkey for this server on this device. Sign in in another way.
problem-passkey_not_possible = This device cannot use passkeys here. Sign in in another way.
problem-passkey_cancelled = That did not work out. Try again, or sign in in another way.
problem-passkey_needs_script = A passkey needs JavaScript, which is switched off here. Sign in in another way.
problem-passkey_too_many = You have as many passkeys as you may have. Remove one first.
problem-passkey_last = It is the only way in that you have left. Make another passkey first.
mail-passkey_added-subject = A passkey was added to { $brand }
mail-passkey_added-body =
    A passkey was added to your account with { $brand }. It signs in without your password.
    
    If it was not you, remove it on your account's page and change your password now.
mail-passkey_removed-subject = A passkey was removed from { $brand }
mail-passkey_removed-body =
    A passkey was removed from your account with { $brand }.
    
    If it was not you, change your password now.
waits-title = This does not count in full yet
waits-lead = What you added counts in full only when it is confirmed. Ask the people who run this service, or use the ticket that they gave you.
waits-lead-until = You added it with fewer proofs than are asked for here. If nobody stops it, it counts in full from { $date } on. With a ticket from the people who run this service it counts at once.
regain-title = You can begin anew
regain-lead = We have written to your e-mail address. Ask the people who run this service for a ticket, and use it here.
regain-lead-until = We have written to your e-mail addresses. If nobody stops it, come back after { $date } and choose this way again, within a week. What you lost is removed then. With a ticket from the people who run this service you can go on at once.
ticket-title = Use a ticket
ticket-lead = Type the ticket that the people who run this service gave you. It works once.
field-ticket = Ticket
action-use_invitation = I have an invitation
action-use_ticket = I was given a ticket by support
problem-wrong_ticket = This is not your ticket, or it was used before, or it is too old.
action-give_up = Go back without it
action-stop = It was not me: stop it
stop_password-title = Bring back the password from before?
stop_password-lead = A new password was set. If it was not you, stop it: the password from before comes back, and everybody is signed out.
stop_email-title = Bring back this e-mail address?
stop_email-lead = Another e-mail address was set. If it was not you, stop it: the address from before comes back, and everybody is signed out.
stop_totp-title = Remove the new authenticator app?
stop_totp-lead = An authenticator app was added. If it was not you, stop it: the app and its recovery codes are removed, and everybody is signed out.
stop_recovery-title = Remove the new recovery codes?
stop_recovery-lead = Recovery codes were made. If it was not you, stop it: they stop working, and everybody is signed out.
stop_passkey-title = Remove the new passkey?
stop_passkey-lead = A passkey was added. If it was not you, stop it: the passkey is removed, and everybody is signed out.
stop_identity-title = Remove the new link?
stop_identity-lead = Another account was linked. If it was not you, stop it: the link is removed, and everybody is signed out.
stop_regain-title = Keep your ways to sign in?
stop_regain-lead = Somebody said that you have lost your authenticator app or your passkeys. If it was not you, stop it: everything stays as it is, and everybody is signed out.
stop_session-title = Sign everybody out?
stop_session-lead = Somebody signed in to your account. If it was not you, stop it: everybody is signed out, everywhere.
stopped_session-title = Everybody is signed out
stopped_session-lead = That person may sign in again. Change your password now.
stopped-title = It is stopped
stopped-lead = What was added is gone, and everybody is signed out. Whoever added it may sign in again. Change your password now.
stop_over-title = There is nothing to stop
stop_over-lead = This link was used already, or the change is already confirmed or undone. Look at your account.
mail-waits_password-subject = Your password for { $brand } was changed
mail-waits_password-body =
    A new password was set for your account with { $brand }, and all other devices were signed out.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_email-subject = The e-mail address of your account with { $brand } was changed
mail-waits_email-body =
    Your account with { $brand } has another e-mail address now.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_totp-subject = An authenticator app was added to { $brand }
mail-waits_totp-body =
    An authenticator app was added to your account with { $brand }.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_recovery-subject = New recovery codes were made for { $brand }
mail-waits_recovery-body =
    New recovery codes were made for your account with { $brand }.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_passkey-subject = A passkey was added to { $brand }
mail-waits_passkey-body =
    A passkey was added to your account with { $brand }. It signs in without your password.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_identity-subject = Another account now signs in to { $brand }
mail-waits_identity-body =
    Another account was linked to your account with { $brand }. Whoever has it can sign in.
    
    If it was not you, open this link and stop it. After { $hours } hours it counts in full:
    { $link }
mail-waits_regain-subject = Somebody says that you cannot sign in to { $brand }
mail-waits_regain-body =
    Somebody who reads your e-mail says that you have lost your authenticator app or your passkeys for { $brand }.
    
    If it was not you, open this link and stop it. After { $hours } hours that person can remove them and choose a new password:
    { $link }
mail-regained-subject = You began anew with { $brand }
mail-regained-body =
    What you had lost was removed from your account with { $brand }, and all devices were signed out.
    
    If it was not you, tell those who run { $brand } now.
language-name = English
language = { $name }
account-history = History
account-history-show = What happened to your account
account-yours = Your data
account-session-times = since { $started }, last used { $used }
action-change_name = Change your name
action-change_language = Change the language
action-export = Take a copy of your data
action-delete = Delete the account
action-delete_account = Delete it for good
action-save_file = Save the file
action-overview = Back
action-done = Done
action-passkeys = Passkeys
action-links = Sign-in with other accounts
action-sessions = Where you are signed in
action-devices = Known devices
action-apps = Apps with access
action-history = What happened to your account
action-end_this_session = Sign out: { $device }, since { $started }
action-forget_this_device = Forget: { $device }, last sign-in { $last }
action-revoke_this_app = Remove access: { $client }, since { $since }
action-remove_this = Remove: { $name }, since { $since }
manage-title = Your account
manage-lead = You are signed in as { $account }. For each change you have proved that it is you.
waits-line = { $kind ->
    [password] { account-waits-password }
    [email] { account-waits-email }
    [totp] { account-waits-totp }
    [recovery] { account-waits-recovery }
    [passkey] { account-waits-passkey }
    [identity] { account-waits-identity }
   *[regain] { account-waits-regain }
} · { $until ->
    [never] only when it is confirmed
   *[other] from { $until } on, if nobody stops it
}
new_passkey_name-title = Name of the passkey
new_passkey_name-lead = Choose a name by which you know it again.
field-passkey_name = Name
problem-no_passkey_name = The name is empty.
action-rename_this = Rename: { $name }
manage_passkeys-title = Passkeys
manage_passkeys-lead = These are the passkeys of your account.
manage_passkeys-none = You have no passkey.
passkey-line = { $name } · { $used ->
    [never] never used
   *[other] used { $used }
}{ $mark ->
    [by_name] {" "}· needs your name first
    [of_other] {" "}· of another address of this server, works no more
    [refused] {" "}· is not accepted here any more
   *[none] {""}
}
manage_links-title = Sign-in with other accounts
manage_links-lead = With these accounts you sign in here as well.
manage_links-none = No other account is linked to yours.
manage_sessions-title = Where you are signed in
manage_sessions-lead = You can sign out each of them from here.
manage_sessions-none = You are signed in nowhere.
manage_devices-title = Known devices
manage_devices-lead = You have signed in on these devices. On some of them you may be asked for less.
manage_devices-none = No device is known.
manage_apps-title = Apps with access
manage_apps-lead = These apps may use your account.
manage_apps-none = No app has access.
manage_history-title = What happened to your account
manage_history-lead = The newest comes first.
manage_history-none = Nothing has happened yet.
session-line = { $device } · { $address } · since { $started }, last used { $used }
session-line-own = { $device } (here) · { $address } · since { $started }, last used { $used }
new_user_code-title = Your user code
new_user_code-lead = Organisations that ask you something on your own device want this code from you first. Nobody can sign in with it.
field-new_user_code = New user code
action-change_user_code = Change your user code
action-remove_user_code = Remove the code
problem-bad_user_code = Six to 64 letters, digits or signs, without spaces.
new_name-title = Your name
new_name-lead = Apps that may see your name show it to you and others.
new_language-title = Your language
new_language-lead = Our e-mails come in this language, and apps are told which one it is. These pages follow your browser.
end_session-title = Sign out there?
end_session-lead = { $name } is signed out, with every app that was signed in to from there.
end_other_sessions-title = Sign out everywhere else?
end_other_sessions-lead = Only the session that you use now goes on. Known devices are forgotten.
forget_device-title = Forget this device?
forget_device-lead = On { $name } you are asked for everything again when you sign in.
revoke_app-title = Remove the access of { $name }?
revoke_app-lead = { $name } can no longer use your account. You can sign in to it again.
export-title = Take a copy of your data
export-lead = You get a file with what is stored about you here. It has no passwords and no keys. Keep it to yourself.
exported-title = Your data is ready
exported-lead = Save the file now. It is made anew each time you ask for it.
delete_account-title = Delete your account?
delete_account-lead = The account { $account } goes at once and for good, with all that is stored about you. Every app is signed out. Nobody can bring it back.
account_deleted-title = Your account is deleted
account_deleted-lead = Nothing of it is left here. Apps may have data of their own: ask those who run them.
session_ended-title = This session has ended
session_ended-lead = You are signed out here. You can close this page.
event-account_created = { $when } · The account was made{ $more }
event-account_disabled = { $when } · The account was closed by those who run this service{ $more }
event-account_enabled = { $when } · The account was opened again{ $more }
event-account_exported = { $when } · A copy of your data was taken{ $more }
event-authorization_refused = { $when } · A device, an app or a service got nothing: signing in proved too little, or a rule of this service refused it{ $more }
event-backchannel_approved = { $when } · You approved what an app or service asked{ $more }
event-backchannel_denied = { $when } · You refused what an app or service asked{ $more }
event-code_issued = { $when } · An app was signed in to{ $more }
event-consent_withdrawn = { $when } · The access of an app was removed{ $more }
event-device_approved = { $when } · Another device was signed in{ $more }
event-device_denied = { $when } · You did not let another device in{ $more }
event-device_forgotten = { $when } · A known device was forgotten{ $more }
event-email_changed = { $when } · The e-mail address was changed{ $more }
event-enrolment_confirmed = { $when } · A new way to sign in was confirmed{ $more }
event-enrolment_stopped = { $when } · A new way to sign in was stopped{ $more }
event-grant_revoked = { $when } · An app was signed out{ $more }
event-grant_weaker_than_policy = { $when } · An app was signed out: signing in takes more now{ $more }
event-handed_over = { $when } · An app opened a page in a browser, with you signed in{ $more }
event-kiosk_code_elsewhere = { $when } · Your code was shown at another kiosk than the one it was made for{ $more }
event-kiosk_code_replayed = { $when } · Your code was shown a second time at a kiosk{ $more }
event-kiosk_confirmed = { $when } · You said in the app that you stand at a kiosk{ $more }
event-kiosk_visited = { $when } · You were let in at a kiosk{ $more }
event-language_changed = { $when } · The language was changed{ $more }
event-name_changed = { $when } · The name was changed{ $more }
event-other_sessions_ended = { $when } · Everybody else was signed out{ $more }
event-passkey_enrolled = { $when } · A passkey was added{ $more }
event-passkey_removed = { $when } · A passkey was removed{ $more }
event-passkey_renamed = { $when } · A passkey got another name{ $more }
event-password_changed = { $when } · The password was changed{ $more }
event-profile_changed = { $when } · Those who run this service changed what they know of you{ $more }
event-provider_logout = { $when } · Signed out, because you signed out at another service{ $more }
event-recovery_code_used = { $when } · A recovery code was used{ $more }
event-recovery_codes_made = { $when } · New recovery codes were made{ $more }
event-regain_begun = { $when } · Somebody said that ways to sign in were lost{ $more }
event-regain_ended = { $when } · Replacing lost ways to sign in was cancelled{ $more }
event-regain_stopped = { $when } · Replacing lost ways to sign in was stopped{ $more }
event-regained = { $when } · Lost ways to sign in were removed and replaced{ $more }
event-session_ended = { $when } · A session was ended{ $more }
event-sessions_ended = { $when } · All sessions were ended{ $more }
event-signed_in = { $when } · Signed in{ $more }
event-signed_out = { $when } · Signed out{ $more }
event-sso_joined = { $when } · A second app on the same phone used your sign-in{ $more }
event-ticket_given = { $when } · Those who run this service made a ticket for you{ $more }
event-ticket_used = { $when } · A ticket was used{ $more }
event-totp_enrolled = { $when } · An authenticator app was added{ $more }
event-totp_removed = { $when } · The authenticator app was removed{ $more }
event-upstream_linked = { $when } · Another account was linked{ $more }
event-upstream_unlinked = { $when } · Another account was unlinked{ $more }
event-user_code_removed = { $when } · Your user code was taken away{ $more }
event-user_code_set = { $when } · You got a new user code{ $more }
mail-user_code_changed-subject = Your user code at { $brand } was changed
mail-user_code_changed-body =
    The user code of your account with { $brand } was changed or removed.
    
    If it was not you, change your password now.
mail-name_changed-subject = Your name at { $brand } was changed
mail-name_changed-body =
    The name of your account with { $brand } was changed.
    
    If it was not you, change your password now.
mail-language_changed-subject = Your language at { $brand } was changed
mail-language_changed-body =
    The language of your account with { $brand } was changed.
    
    If it was not you, change your password now.
mail-session_ended-subject = You were signed out somewhere of { $brand }
mail-session_ended-body =
    One of the places where you were signed in to { $brand } was signed out.
    
    If it was not you, change your password now.
mail-sessions_ended-subject = You were signed out of { $brand } everywhere else
mail-sessions_ended-body =
    Every other place where you were signed in to { $brand } was signed out.
    
    If it was not you, change your password now.
mail-device_forgotten-subject = A device was forgotten by { $brand }
mail-device_forgotten-body =
    A known device of your account with { $brand } was forgotten. It is asked for everything again.
    
    If it was not you, change your password now.
mail-app_removed-subject = An app lost its access to { $brand }
mail-app_removed-body =
    An app can no longer use your account with { $brand }.
    
    If it was not you, change your password now.
mail-account_exported-subject = A copy of your data was taken from { $brand }
mail-account_exported-body =
    Somebody who proved to be you took a copy of what { $brand } has stored about you.
    
    If it was not you, change your password now.
mail-account_deleted-subject = Your account with { $brand } was deleted
mail-account_deleted-body =
    Your account with { $brand } was deleted, with all that was stored about you. It cannot be brought back.
    
    If it was not you, tell the people who run { $brand } at once.
to_client = To continue to { $client }
as_person = You are signing in as { $person }.
select_account-title = Choose an account
select_account-lead = Choose one of the accounts that this browser knows, or use another one.
action-continue_as = Continue as { $person }
action-another_person = Use another account
action-account = Sign in as { $person }
action-forget_accounts = Forget these accounts here
action-open_authenticator = Open the authenticator app on this device
action-show = Show
action-hide = Hide
