privacy = Datenschutz
terms = Bedingungen
support = Hilfe
optional = (freiwillig)
problem = Fehler
password-title = Anmelden
password-lead = Mit Benutzername oder E-Mail-Adresse.
identify-title = Anmelden
identify-lead = Wir senden einen Code an die E-Mail-Adresse Ihres Kontos.
reset-title = Passwort vergessen?
reset-lead = Wir senden einen Code an die E-Mail-Adresse Ihres Kontos. Damit wählen Sie ein neues Passwort.
email_send-title = Bestätigen Sie, dass Sie es sind
email_send-lead = Wir senden einen Code an die E-Mail-Adresse Ihres Kontos.
email_code-title = Sehen Sie in Ihr Postfach
email_code-lead = Wenn es ein Konto mit diesem Namen gibt, haben wir einen Code an seine E-Mail-Adresse gesandt. Er gilt 15 Minuten.
email_code-lead-to = Wir haben einen Code an { $address } gesandt. Er gilt 15 Minuten.
register-title = Konto anlegen
register-lead = Wir senden einen Code an Ihre E-Mail-Adresse, um zu sehen, dass sie Ihnen gehört.
new_email-title = Ihre neue E-Mail-Adresse
new_email-lead = Wir senden einen Code dorthin. Bis Sie ihn eintippen, ändert sich nichts.
recovery_code-title = Wiederherstellungscode benutzen
recovery_code-lead = Tippen Sie einen der Wiederherstellungscodes ein, die Sie aufbewahrt haben. Er gilt einmal.
recovery_codes-title = Heben Sie diese Codes auf
recovery_codes-lead = Wenn Sie Ihr Telefon verlieren, kommen Sie mit jedem davon einmal hinein. Drucken Sie sie aus oder legen Sie sie in einem Passwortmanager ab; sie werden nicht noch einmal gezeigt.
totp-title = Code eingeben
totp-lead = Öffnen Sie Ihre Authenticator-App und tippen Sie die sechs Ziffern ein.
enrol_totp-title = Authenticator-App hinzufügen
enrol_totp-lead = Scannen Sie das Bild mit Ihrer Authenticator-App und tippen Sie dann die sechs Ziffern ein.
new_password-title = Neues Passwort wählen
new_password-lead = Mindestens 8 Zeichen. Alle anderen Geräte werden abgemeldet.
consent-title = { $client } erlauben?
consent-as = Sie sind angemeldet als { $person }.
consent-lead = { $client } bittet um die Erlaubnis:
consent-stranger-proved = Niemand bei diesem Dienst hat diese App geprüft. Der Inhaber von { $host } sagt, dass sie ihm gehört.
consent-stranger-unproved = Niemand bei diesem Dienst hat diese App geprüft, und niemand sagt, dass sie ihm gehört. Was Sie erlauben, geht an { $host }.
consent-stranger-program = Niemand bei diesem Dienst hat diese App geprüft. Was Sie erlauben, geht an ein Programm auf diesem Gerät.
device_code-title = Auf einem anderen Gerät anmelden
device_code-lead = Ihr Fernseher oder anderes Gerät zeigt einen Code aus acht Buchstaben. Geben Sie ihn hier ein.
device-title = Einem Gerät { $client } erlauben?
device-lead = Ein Gerät will sich mit Ihrem Konto bei { $client } anmelden.
device-lead-as = Ein Gerät will sich als { $person } bei { $client } anmelden.
device-compare = Vergleichen Sie: Das Gerät vor Ihnen muss den Code { $code } zeigen.
device-type = Geben Sie die letzten vier Buchstaben des Codes ein, den das Gerät vor Ihnen zeigt.
device-same_network = Das Gerät ist im selben Netz wie Sie. Seine Adresse ist { $address }.
device-other_network = Das Gerät ist nicht in Ihrem Netz. Seine Adresse ist { $address }.
device-countries = Nach seiner Adresse ist das Gerät im Land { $device }. Sie sind in { $own }.
device-country = Nach seiner Adresse ist das Gerät im Land { $device }.
device-unproved = Wir konnten nicht prüfen, ob diese Anfrage von { $client } kommt. Jedes Programm kann diesen Namen nennen.
device-warning = Hat Ihnen jemand diesen Code oder Link geschickt oder Sie deswegen angerufen? Dann wählen Sie „Nein, das war ich nicht“: Der Absender käme sonst in Ihr Konto.
device_approved-title = Das Gerät ist angemeldet
device_approved-lead = Gehen Sie zurück zu Ihrem Gerät. Seinen Zugang zu { $client } können Sie jederzeit in Ihrem Konto beenden.
device_denied-title = Das Gerät bekommt nichts
device_denied-lead = Die Anmeldung bei { $client } wurde abgelehnt. Hat Ihnen jemand den Code geschickt, dann antworten Sie nicht.
field-user_code = Code auf dem Gerät
field-last_group = Die letzten vier Buchstaben des Codes
problem-wrong_user_code = Kein wartendes Gerät hat diesen Code. Vergleichen Sie Buchstabe für Buchstabe.
problem-user_code_over = Dieser Code wurde schon benutzt oder ist abgelaufen. Lassen Sie sich vom Gerät einen neuen zeigen.
problem-wrong_last_group = Das Gerät hat einen anderen Code. Sehen Sie auf das Gerät vor Ihnen, nicht in eine Nachricht.
problem-too_many_codes = Aus Ihrem Netz wurden zu viele Codes eingegeben. Warten Sie fünfzehn Minuten, oder melden Sie sich zuerst in Ihrem Konto an.
problem-device_other_network = Nur wer im selben Netz wie das Gerät ist, kann es freigeben. Verbinden Sie sich mit dem Netz des Geräts und öffnen Sie seinen Code erneut.
problem-device_other_country = Nur wer im selben Land wie das Gerät ist, kann es freigeben.
problem-device_blocked = Sie haben gesagt, dass Sie eine Anmeldung von dort nicht begonnen haben. Eine Stunde lang kann von dort nichts freigegeben werden.
mail-device_approved-subject = Ein Gerät wurde bei { $brand } angemeldet
mail-device_approved-body =
    Sie haben einen Fernseher oder ein anderes Gerät freigegeben: Es benutzt jetzt Ihr Konto bei { $brand }.
    
    Waren Sie es nicht, dann öffnen Sie dort Ihr Konto und beenden Sie jetzt dessen Sitzung.
approval-title = { $client } erlauben?
approval-lead = { $client } bittet um Ihre Zustimmung.
approval-lead-as = { $client } bittet um Ihre Zustimmung, { $person }.
approval-message = Vergleichen Sie: { $client } muss Ihnen diesen Text zeigen oder sagen: { $message }
approval-kiosk = Stehen Sie bei { $name }, { $place }? Stimmen Sie nur zu, wenn Sie dort gerade eben Ihren Code gezeigt haben.
approval-number = Geben Sie die zwei Ziffern ein, die { $client } Ihnen zeigt oder sagt. Eine falsche Zahl beendet die Anfrage.
approval-warning = Haben Sie { $client } um nichts gebeten? Dann wählen Sie „Nein, das war ich nicht“. Stimmen Sie nur dem zu, was Sie selbst begonnen haben.
approval_given-title = Sie haben zugestimmt
approval_given-lead = { $client } macht von selbst weiter. Den Zugang können Sie jederzeit in Ihrem Konto beenden.
approval_refused-title = Sie haben nicht zugestimmt
approval_refused-lead = { $client } bekommt nichts. Wenn jemand Sie deswegen angerufen hat, antworten Sie nicht.
approval_none-title = Nichts wartet auf Ihre Antwort
approval_none-lead = Die Anfrage wurde schon beantwortet oder ist abgelaufen.
approval_other-title = Diese Frage ist für jemand anderen
approval_other-lead = Diese Anfrage gilt einem anderen Konto als dem, mit dem Sie sich angemeldet haben. Wenn es auch Ihres ist, melden Sie sich damit an.
field-matching_number = Die zwei Ziffern
account-approvals = Anfragen, die auf Ihre Antwort warten
action-approvals = Lesen und beantworten
mail-approval_given-subject = Sie haben bei { $brand } einer Anfrage zugestimmt
mail-approval_given-body =
    Sie haben mit Ihrem Konto bei { $brand } der Anfrage einer Organisation zugestimmt. Sie hat jetzt den Zugang, der Ihnen gezeigt wurde.
    
    Wenn Sie das nicht waren, öffnen Sie dort Ihr Konto und beenden Sie den Zugang jetzt.
handover-title = Als { $person } weitermachen?
handover-lead = Eine App auf diesem Gerät führt Sie zu { $host }. Sie sind dort ohne Passwort angemeldet.
handover-other = In diesem Browser ist { $other } angemeldet. Wenn Sie als { $person } weitermachen, wird { $other } hier abgemeldet.
action-switch_person = Weitermachen und die andere Person abmelden
logout-title = Abmelden?
logout-lead = Apps, bei denen Sie sich aus diesem Browser angemeldet haben, fragen dann wieder nach der Anmeldung.
signed_out-title = Sie sind abgemeldet
signed_out-lead = Sie können dieses Fenster schließen.
error-title = Das hat nicht geklappt
error-lead-app = Die App oder der Link, über den Sie hierher kamen, verlangt etwas, das nicht möglich ist. Gehen Sie zurück in die App und versuchen Sie es noch einmal. Wenn es so bleibt, sagen Sie es denen, die die App herstellen.
error-lead-over = Diese Seite ist zu alt, oder sie gehört zu einem anderen Browser. Gehen Sie zurück in die App und beginnen Sie von vorn.
error-lead-not_found = Diese Seite gibt es nicht. Gehen Sie zurück in die App, oder öffnen Sie Ihr Konto.
error-lead-busy = Es sind gerade zu viele Anfragen. Warten Sie eine Minute und laden Sie die Seite dann neu.
error-lead-away = Das geht im Augenblick nicht. Warten Sie eine halbe Minute und laden Sie die Seite dann neu. Es ist nichts verloren.
error-lead-fault = Bei uns ist etwas schiefgegangen. Versuchen Sie es in einer Minute noch einmal. Wenn es so bleibt, melden Sie die Nummer der Anfrage, die unten steht.
error-details = Einzelheiten für Entwickler
error-code = Fehlercode
error-id = Nummer der Anfrage
not_signed_in-title = Sie sind nicht angemeldet
not_signed_in-lead = In diesem Browser ist niemand angemeldet, also gibt es nichts abzumelden.
not_signed_in-lead-left = Sie haben abgebrochen, bevor Sie angemeldet waren. Sie können jederzeit neu beginnen.
action-begin_sign_in = Anmelden
home-title = Dies ist ein Anmeldeserver
home-lead = Apps schicken Sie zum Anmelden hierher. Auf dieser Seite selbst gibt es nichts zu tun.
home-account = Ihr Konto
account-title = Ihr Konto
account-profile = Name und Sprache
account-security = Sicherheit
account-devices = Bekannte Geräte
account-devices-lead = Auf diesen Geräten haben Sie sich angemeldet. Auf manchen werden Sie vielleicht nach weniger gefragt.
account-device-unknown = Ein Gerät ohne Namen
account-device-seen = Bekannt seit { $first }, zuletzt angemeldet { $last }
account-waits = Was noch nicht in vollem Umfang gilt
account-waits-lead = Wenn Sie das nicht waren, stoppen Sie es mit dem Link in der E-Mail, die wir Ihnen gesendet haben.
account-waits-password = Ein neues Passwort
account-waits-email = Eine neue E-Mail-Adresse
account-waits-totp = Eine Authenticator-App
account-waits-recovery = Wiederherstellungscodes
account-waits-passkey = Ein Passkey
account-waits-identity = Eine Verknüpfung mit einem anderen Konto
account-waits-regain = Jemand hat angegeben, dass Sie Ihre anderen Anmeldewege verloren haben
account-waits-until = ab { $date }, wenn es niemand stoppt
account-waits-confirmed = erst, wenn es bestätigt ist
account-sessions = Wo Sie angemeldet sind
account-current = dieser Browser
account-apps = Apps mit Zugriff
account-app-since = seit { $date }
account-no-apps = Keine App hat Zugriff.
account-unverified = (nicht bestätigt)
form-post-title = Einen Moment
qr = QR-Code für Ihre Authenticator-App
field-username = Benutzername oder E-Mail
field-password = Passwort
field-code = Sechsstelliger Code
field-email_code = Code aus der E-Mail
field-recovery_code = Wiederherstellungscode
field-email = E-Mail-Adresse
field-name = Ihr Name
field-new_password = Neues Passwort
field-new_password_again = Neues Passwort wiederholen
action-download_codes = Als Datei speichern
action-continue = Weiter
action-cancel = Abbrechen
action-send = Code senden
action-resend = Neuen Code senden
action-use_email = Stattdessen Code per E-Mail
action-use_password = Stattdessen Passwort
action-use_totp = Authenticator-App benutzen
action-use_recovery = Ich habe mein Telefon nicht
action-reset = Passwort vergessen?
action-regain = Das habe ich verloren
action-register = Konto anlegen
action-sign_in = Zurück zur Anmeldung
action-allow = Erlauben
action-deny = Nicht erlauben
action-logout = Abmelden
action-stay_signed_in = Angemeldet bleiben
action-change_password = Passwort ändern
action-change_email = E-Mail-Adresse ändern
action-recovery_codes = Neue Wiederherstellungscodes (noch { $left })
action-enrol_totp = Authenticator-App hinzufügen
action-remove_totp = Authenticator-App entfernen
action-forget_device = Vergessen
action-end_session = Abmelden
action-sign_out_others = Überall sonst abmelden
action-revoke_app = Zugriff entziehen
problem-wrong_password = Name oder Passwort stimmt nicht.
problem-wrong_code = Der Code stimmt nicht oder wurde schon benutzt. Warten Sie auf den nächsten.
problem-code_over = Dieser Code gilt nicht mehr. Fordern Sie einen neuen an.
problem-wrong_recovery_code = Das ist keiner Ihrer Wiederherstellungscodes, oder er wurde schon benutzt.
problem-too_many_mails = Wir haben schon mehrere Codes gesandt. Sehen Sie in Ihr Postfach oder versuchen Sie es in einer Stunde wieder.
problem-bad_email = Das ist keine E-Mail-Adresse, an die wir schreiben können.
problem-email_domain = Konten gibt es hier nur für bestimmte E-Mail-Adressen, und diese gehört nicht dazu.
problem-no_name = Tippen Sie zuerst Ihren Benutzernamen oder Ihre E-Mail-Adresse ein.
problem-too_many_attempts = Zu viele Versuche. Warten Sie fünfzehn Minuten, oder nehmen Sie einen Browser, in dem Sie schon angemeldet waren.
problem-weak_password = Ein Passwort hat mindestens 8 Zeichen.
problem-long_password = Dieses Passwort ist zu lang. Es kann 256 Zeichen haben, und weniger, wenn Umlaute oder Emojis darin sind.
problem-breached_password = Dieses Passwort steht in öffentlichen Listen gestohlener Passwörter, andere werden es also ausprobieren. Wählen Sie ein anderes.
problem-passwords_differ = Die beiden Passwörter sind nicht gleich.
scope-openid = Wissen, wer Sie sind
scope-profile = Ihren Namen und Ihre Sprache sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-offline_access = Zugriff behalten, während Sie weg sind
scope-device_sso = Dieselbe Anmeldung in anderen Apps derselben Organisation auf diesem Gerät nutzen
remove_totp-title = Authenticator-App entfernen?
remove_totp-lead = Sie melden sich dann ohne sie an. Auch ihre Wiederherstellungscodes gelten nicht mehr.
over-title = Diese Anmeldung ist beendet
over-lead = Sie ist zu alt, wurde beendet oder gehört zu einem anderen Browser. Gehen Sie zurück zur App und beginnen Sie neu.
over-lead-to = Sie ist zu alt, wurde beendet oder gehört zu einem anderen Browser. Gehen Sie zurück zu { $client } und beginnen Sie neu.
elsewhere-title = Diese Anmeldung ging anderswo weiter
elsewhere-lead = Sie geht in einem anderen Tab oder Fenster dieses Browsers weiter.
elsewhere-lead-to = Sie geht in einem anderen Tab oder Fenster dieses Browsers weiter. Von dort führt sie zurück zu { $client }.
done-title = Sie sind angemeldet
done-lead = Sie können diese Seite schließen.
done-lead-to = Gehen Sie zurück zu { $client }. Sie können diese Seite schließen.
leave-title = Hier sind Sie fertig
leave-lead = Falls nichts geschieht, drücken Sie auf Weiter.
leave-lead-to = Es geht zurück zu { $client }. Falls nichts geschieht, drücken Sie auf Weiter.
unvouched-title = Weiter zu { $host }?
unvouched-lead = Die App { $client } hat sich hier selbst registriert. Niemand hat geprüft, wer sie betreibt. Sie möchte Sie zu { $host } führen.
unvouched-advice = Wenn Sie diese Adresse nicht kennen, schließen Sie diese Seite.
problem-asked_no_more = Diese Frage ist nicht mehr aktuell, deshalb wurde Ihre Antwort nicht verwendet. Machen Sie hier weiter.
problem-busy = Eine andere Antwort auf diese Frage wird gerade geprüft. Warten Sie einen Moment und machen Sie dann weiter.
problem-no_code = Geben Sie zuerst den Code ein.
problem-no_password = Geben Sie zuerst Ihr Passwort ein.
problem-wrong_email_code = Der Code stimmt nicht. Sehen Sie in die neueste E-Mail.
action-not_you = Nicht Sie?
detour-title = Haben Sie das in { $client } begonnen?
detour-lead = { $client } bittet Sie, eine Anmeldung in diesem Browser fortzusetzen.
detour-place = Sie wurde von der Netzwerkadresse { $address } aus begonnen.
detour-country = Nach der Adresse ist das im Land { $country }.
detour-device = Die App läuft auf: { $device }.
detour-warning = Machen Sie nur weiter, wenn Sie { $client } gerade selbst geöffnet haben. Hat Ihnen jemand einen Link oder eine Nachricht geschickt, wählen Sie Nein.
action-started_it = Ja, weiter
action-not_mine = Nein, das war ich nicht
action-browser = Im Browser weitermachen
upstream-title = Mit { $provider } anmelden
upstream-lead = Sie gehen zu { $provider } und kommen hierher zurück. Apps bekommen nichts von dem, was { $provider } uns gibt.
upstream-lead_sdk = Wählen Sie Ihr Konto bei { $provider }. Dieser Dienst erfährt, wer Sie dort sind, und nichts davon geht an eine App.
upstream_on_the_way-title = Weiter zu { $provider }
upstream_on_the_way-lead = Wenn nichts geschieht, drücken Sie Weiter.
upstream_unknown-title = Kein Konto für diese Anmeldung
upstream_unknown-lead = Sie haben sich bei { $provider } als { $account } angemeldet. Dazu gehört hier kein Konto. Bitten Sie die Betreiber dieses Dienstes um eines. Wenn Sie schon ein Konto haben, melden Sie sich damit an und verknüpfen Sie { $provider } auf seiner Seite.
link-title = Mit { $provider } verknüpfen?
link-lead = Wer sich bei { $provider } als { $identity } anmelden kann, kann sich dann auch hier anmelden, beim Konto { $account }.
unlink-title = Diese Anmeldung entfernen?
unlink-lead = { $identity } führt dann nicht mehr zum Konto { $account }.
action-go = Weiter mit { $provider }
action-other_account = Ein anderes Konto bei { $provider } benutzen
action-id_token = Weiter mit { $provider }
action-use_upstream = Weiter mit { $provider }
action-link = Mit { $provider } verknüpfen
action-unlink = Entfernen
account-links = Anmeldung mit anderen Konten
account-link_ends_there = Wenn Sie diese Verknüpfung entfernen, beenden Sie den Zugriff auch in den Einstellungen Ihres Kontos bei { $provider }.
problem-upstream_away = Die Gegenseite antwortet gerade nicht. Versuchen Sie es in einer Minute wieder, oder nehmen Sie einen anderen Weg.
problem-upstream_failed = Das hat nicht geklappt, und es liegt nicht an Ihnen. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-upstream_unwelcome = Konten dieser Organisation oder dieser Art können sich hier nicht anmelden. Wählen Sie ein anderes, oder nehmen Sie einen anderen Weg.
problem-upstream_domain = Nur Konten bestimmter Domains können sich hier anmelden, und dieses Konto gehört zu keiner davon. Wählen Sie Ihr Firmenkonto, oder nehmen Sie einen anderen Weg.
problem-upstream_tenant = Nur Konten bestimmter Organisationen können sich hier anmelden, und dieses Konto gehört zu einer anderen. Wählen Sie ein anderes Konto, oder fragen Sie Ihre Verwaltung.
problem-upstream_incomplete = Die Gegenseite sagt nicht, was dieser Dienst wissen muss. Sagen Sie es seinen Betreibern, oder nehmen Sie einen anderen Weg.
problem-upstream_no_id_token = Diese Version der App schickt nicht, was hier gebraucht wird. Aktualisieren Sie die App, oder nehmen Sie einen anderen Weg.
problem-upstream_cancelled = Sie sind ohne Anmeldung zurückgekommen. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-upstream_other = Dieses Konto gehört hier jemand anderem. Wählen Sie ein anderes, oder nehmen Sie einen anderen Weg.
problem-upstream_not_linked = Dieses Konto ist nicht mit Ihrem verknüpft. Nehmen Sie einen anderen Weg. Danach können Sie es auf Ihrer Kontoseite verknüpfen.
problem-upstream_unknown = Zu dieser Anmeldung gibt es hier kein Konto.
problem-upstream_closed = Ihr Konto hier ist geschlossen. Fragen Sie die Betreiber dieses Dienstes.
problem-upstream_not_fresh = Sie müssen sich dort neu anmelden, und das wurde nicht bestätigt. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-upstream_linked_already = Dieses Konto ist schon mit Ihrem verknüpft.
problem-upstream_linked_elsewhere = Dieses Konto ist hier mit dem Konto von jemand anderem verknüpft.
problem-upstream_too_many_links = Ihr Konto hat schon zu viele Verknüpfungen. Entfernen Sie zuerst eine.
problem-upstream_linking_off = Konten dieser Art kann man hier nicht verknüpfen.
problem-too_many_trips = Zu viele Versuche. Beginnen Sie neu in der App.
problem-last_means = Das ist Ihr letzter Weg zur Anmeldung. Fügen Sie zuerst einen anderen hinzu.
problem-unlinked_already = Sie ist schon entfernt.
wallet-title = Mit { $provider } anmelden
wallet-lead = Als Nächstes öffnet sich { $provider } auf diesem Gerät und fragt Sie nach dem, was hier steht, und nach nichts sonst. Sie stimmen dort zu und kommen hierher zurück.
wallet-purpose = { $purpose }
wallet-transaction = Auch wozu Sie zustimmen, steht dort, und wird dort unterschrieben.
wallet_on_the_way-title = Weiter zu { $provider }
wallet_on_the_way-lead = Wenn nichts geschieht, drücken Sie Weiter. Haben Sie dort zugestimmt, kommen Sie in diesen Browser zurück.
wallet_open-title = Weiter zu { $provider }
wallet_open-lead = Als Nächstes fragt { $provider } Sie nach dem, was hier steht, und nach nichts sonst. Haben Sie dort zugestimmt, kommen Sie in diese App zurück.
wallet_claim-given_name = Vorname
wallet_claim-family_name = Familienname
wallet_claim-birthdate = Geburtsdatum
wallet_claim-birth_date = Geburtsdatum
wallet_claim-age_over_18 = Ob Sie über 18 sind
wallet_claim-nationalities = Staatsangehörigkeiten
wallet_claim-email = E-Mail-Adresse
wallet_claim-address = Anschrift
wallet_claim-document_number = Nummer des Dokuments
wallet_claim-personal_administrative_number = Persönliche Kennnummer
wallet_claim-issuing_country = Ausstellendes Land
wallet_claim-portrait = Ihr Bild
wallet_claim-other = { $claim }
action-use_wallet = Weiter mit { $provider }
action-show_credential = Eine Wallet auf diesem Gerät benutzen
action-other_device = Eine Wallet auf einem anderen Gerät benutzen
action-new_qr = Neuen Code zeigen
wallet_elsewhere-title = Mit { $provider } auf einem anderen Gerät anmelden
wallet_elsewhere-lead = Scannen Sie diesen Code mit dem anderen Gerät, und stimmen Sie dort dem zu, was hier steht. Dann zeigt es zwei Ziffern: Geben Sie sie hier ein. Eine falsche Zahl beendet den Code.
wallet_qr = QR-Code, der die Wallet auf einem anderen Gerät öffnet
wallet_number-title = Ihre Zahl ist { $number }
wallet_number-lead = Geben Sie sie auf dem Gerät vor Ihnen ein, auf dem Sie sich bei { $client } anmelden.
wallet_number-device = Diese Anmeldung wurde mit { $device } begonnen, von der Adresse { $address }.
wallet_number-address = Diese Anmeldung wurde von der Adresse { $address } begonnen.
wallet_number-warning = Hat Ihnen jemand den Code geschickt oder Sie deswegen angerufen? Dann wählen Sie „Nein, das war ich nicht“, und sagen Sie niemandem die Zahl: Wer sie hat, käme in Ihr Konto.
wallet_number_none-title = Niemand wurde angemeldet
wallet_number_none-lead = Gehen Sie zum anderen Gerät zurück, und beginnen Sie dort von vorn.
wallet_stopped-title = Niemand wurde angemeldet
wallet_stopped-lead = Ihre Antwort zählt für niemanden mehr. Sie können diese Seite schließen.
problem-wallet_unanswered = Das andere Gerät hat auf diesen Code nicht geantwortet. Lassen Sie sich einen neuen zeigen, scannen Sie ihn, stimmen Sie dort zu, und geben Sie dann die Zahl ein.
problem-wallet_other_number = Das ist nicht die Zahl, die das andere Gerät zeigt, und der Code ist vorbei. Lassen Sie sich einen neuen zeigen, oder nehmen Sie einen anderen Weg.
problem-wallet_failed = Das hat nicht geklappt, und niemand wurde angemeldet. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-wallet_cancelled = Sie sind ohne Anmeldung zurückgekommen. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-wallet_away = Niemand konnte sagen, ob Ihr Nachweis noch gilt. Versuchen Sie es in einer Minute wieder, oder nehmen Sie einen anderen Weg.
problem-wallet_expired = Ihr Nachweis ist abgelaufen oder gilt noch nicht. Erneuern Sie ihn in Ihrer Wallet, oder nehmen Sie einen anderen Weg.
problem-wallet_revoked = Ihr Nachweis gilt nicht mehr. Fragen Sie den Aussteller, oder nehmen Sie einen anderen Weg.
problem-wallet_incomplete = Ihre Wallet zeigt nicht alles, wonach gefragt wird, oder etwas anderes. Nehmen Sie einen anderen Weg.
problem-wallet_untrusted = Ihr Nachweis ist von jemandem, dem dieser Dienst nicht vertraut. Nehmen Sie einen anderen Weg.
problem-wallet_two_people = Ihre Nachweise scheinen von zwei Menschen zu sein. Nehmen Sie einen anderen Weg.
problem-wallet_names_nobody = Mit diesem Nachweis können Sie sich nicht anmelden: Er sagt nicht, wer Sie sind. Nehmen Sie einen anderen Weg.
plugin-words = { $text }
plugin_begin-title = Weiter mit { $label }
plugin_begin-lead = Auf der nächsten Seite werden Sie danach gefragt.
plugin_on_the_way-title = Weiter zu { $label }
plugin_on_the_way-lead = Dort geht es weiter, und Sie kommen hierher zurück. Wenn nichts geschieht, drücken Sie Weiter.
plugin_away-title = Dieser Weg geht gerade nicht
plugin_away-lead = Versuchen Sie es in einer Minute noch einmal, oder nehmen Sie einen anderen Weg.
plugin_away-call = Nummer des Aufrufs: { $call }.
action-use_plugin = Weiter mit { $provider }
action-try_again = Noch einmal versuchen
problem-plugin_words = { $text }
problem-plugin_away = Das ließ sich gerade nicht prüfen. Versuchen Sie es in einer Minute noch einmal, oder nehmen Sie einen anderen Weg.{ $call ->
    [none] {""}
   *[other] {" "}Nummer des Aufrufs: { $call }.
}
problem-plugin_wrong = Das stimmt nicht. Versuchen Sie es noch einmal, oder nehmen Sie einen anderen Weg.
problem-plugin_used = Das wurde schon benutzt. Holen Sie sich etwas Neues, oder nehmen Sie einen anderen Weg.
problem-plugin_not_linked = Dazu gehört hier kein Konto. Nehmen Sie einen anderen Weg.
mail-code-subject = Ihr Code für { $brand }
mail-code-body =
    { $code } ist Ihr Code zur Anmeldung bei { $brand }. Er gilt 15 Minuten.
    
    Sie haben ihn nicht verlangt? Dann können Sie diese E-Mail übergehen; ohne den Code kommt niemand hinein. Sagen Sie ihn niemandem.
mail-reset-subject = Ein neues Passwort für { $brand }
mail-reset-body =
    { $code } ist Ihr Code, um ein neues Passwort für { $brand } zu wählen. Er gilt 15 Minuten.
    
    Sie haben ihn nicht verlangt? Dann können Sie diese E-Mail übergehen; Ihr Passwort bleibt, wie es ist. Sagen Sie den Code niemandem.
mail-regain-subject = Haben Sie Ihre Anmeldewege für { $brand } verloren?
mail-regain-body =
    { $code } ist Ihr Code. Verwenden Sie ihn nur, wenn Sie Ihre Authenticator-App, Ihre Wiederherstellungscodes oder Ihre Passkeys für { $brand } verloren haben. Er gilt 15 Minuten.
    
    Sie haben ihn nicht verlangt? Dann war es jemand, der Ihr Passwort oder Ihren Namen kennt. Sagen Sie den Code niemandem.
mail-register-subject = Ihre E-Mail-Adresse für { $brand }
mail-register-body =
    { $code } ist der Code, der Ihre E-Mail-Adresse für { $brand } bestätigt. Er gilt 15 Minuten.
    
    Sie wollten kein Konto? Dann können Sie diese E-Mail übergehen; es wird keines angelegt.
mail-change-subject = Ihre neue E-Mail-Adresse für { $brand }
mail-change-body =
    { $code } ist der Code, der dies zu Ihrer E-Mail-Adresse für { $brand } macht. Er gilt 15 Minuten.
    
    Sie haben ihn nicht verlangt? Dann können Sie diese E-Mail übergehen; es ändert sich nichts.
mail-taken-subject = Sie haben ein Konto bei { $brand }
mail-taken-body =
    Jemand, vielleicht Sie selbst, wollte diese E-Mail-Adresse für ein Konto bei { $brand } benutzen. Sie gehört schon zu einem Konto.
    
    Wenn Sie es waren: Melden Sie sich damit an. Wenn Sie das Passwort vergessen haben, wählen Sie dort "Passwort vergessen?". Wenn Sie es nicht waren, ist nichts zu tun.
mail-password_changed-subject = Ihr Passwort für { $brand } wurde geändert
mail-password_changed-body =
    Ihr Passwort für { $brand } wurde geändert, und alle anderen Geräte wurden abgemeldet.
    
    Wenn Sie es nicht waren, wählen Sie jetzt "Passwort vergessen?" auf der Anmeldeseite.
mail-email_changed-subject = Ihre E-Mail-Adresse für { $brand } wurde geändert
mail-email_changed-body =
    Ihr Konto bei { $brand } hat jetzt eine andere E-Mail-Adresse; diese hier gehört nicht mehr dazu.
    
    Wenn Sie es nicht waren, sagen Sie es jetzt denen, die { $brand } betreiben.
mail-factor_added-subject = Eine Authenticator-App wurde zu { $brand } hinzugefügt
mail-factor_added-body =
    Zu Ihrem Konto bei { $brand } wurde eine Authenticator-App hinzugefügt.
    
    Wenn Sie es nicht waren, ändern Sie jetzt Ihr Passwort.
mail-factor_removed-subject = Die Authenticator-App wurde von { $brand } entfernt
mail-factor_removed-body =
    Die Authenticator-App wurde von Ihrem Konto bei { $brand } entfernt. Ihre Wiederherstellungscodes gelten nicht mehr.
    
    Wenn Sie es nicht waren, ändern Sie jetzt Ihr Passwort.
mail-recovery_changed-subject = Ihre Wiederherstellungscodes für { $brand } wurden geändert
mail-recovery_changed-body =
    Ihre Wiederherstellungscodes für { $brand } wurden entfernt, oder es wurden neue erstellt. Die bisherigen gelten nicht mehr.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-link_added-subject = Ein weiteres Konto meldet sich jetzt bei { $brand } an
mail-link_added-body =
    Ein anderes Konto wurde mit Ihrem Konto bei { $brand } verknüpft. Wer es hat, kann sich anmelden.
    
    Wenn Sie es nicht waren, entfernen Sie die Verknüpfung auf Ihrer Kontoseite und ändern Sie jetzt Ihr Passwort.
mail-new_device-subject = Ein neues Gerät hat sich bei { $brand } angemeldet
mail-new_device-body =
    Jemand hat sich bei Ihrem Konto bei { $brand } angemeldet, mit einem Browser oder einer App, die Sie dafür noch nicht benutzt haben.
    
    Wenn Sie es waren, ist nichts zu tun. Wenn Sie es nicht waren, öffnen Sie diesen Link und melden Sie alle ab. Ändern Sie dann Ihr Passwort:
    { $link }
mail-link_removed-subject = Eine Verknüpfung wurde von { $brand } entfernt
mail-link_removed-body =
    Die Verknüpfung eines anderen Kontos mit Ihrem Konto bei { $brand } wurde entfernt.
    
    Wenn Sie es nicht waren, ändern Sie jetzt Ihr Passwort.
mail-recovery_used-subject = Ein Wiederherstellungscode für { $brand } wurde benutzt
mail-recovery_used-body =
    Einer Ihrer Wiederherstellungscodes für { $brand } wurde zur Anmeldung benutzt.
    
    Wenn Sie es nicht waren, ändern Sie jetzt Ihr Passwort und machen Sie neue Wiederherstellungscodes.
mail-kiosk_code_twice-subject = Ihr Code für { $brand } wurde zweimal gezeigt
mail-kiosk_code_twice-body =
    Ein Code Ihrer App wurde ein zweites Mal gezeigt oder an einem anderen Ort als dem, für den er gemacht war. Er hat niemanden eingelassen.
    
    Hat jemand Ihren Bildschirm fotografiert oder Sie gebeten, ein Bild zu scannen? Zeigen Sie Ihren Code nur dort, wo Sie selbst stehen.
mail-when = Das geschah am { $time }.
mail-when-and-device = Das geschah am { $time }, mit { $device }.
continue-title = Weiter in { $client }
continue-lead = Hier sind Sie fertig. Mit einem Tippen geht es zurück zu { $client }.
continue-open = { $client } öffnen
continue-nothing = Nichts geschieht?
continue-other-link = Versuchen Sie diesen Link.
continue-setting = Erlauben Sie Ihrem Browser, Apps zu öffnen. Er fragt vielleicht oben oder unten auf dieser Seite.
continue-get = { $client } holen
embedded-browser = Diese Seite ist in einer anderen App geöffnet. Wenn hier etwas nicht geht, nehmen Sie Ihren Browser: Vielleicht öffnet ihn das Menü jener App.
embedded-open = In Ihrem Browser von vorn beginnen.
embedded-refused = Bei { $provider } kann sich in einer anderen App niemand anmelden. Öffnen Sie diese Seite zuerst in Ihrem Browser, oder nehmen Sie einen anderen Weg.
continue-again = Gehen Sie selbst zurück zu { $client } und beginnen Sie dort von vorn.
continue-phone = Ist { $client } auf Ihrem Telefon?
continue-picture = Ein Bild, das Ihr Telefon zur Seite von { $client } führt; dort beginnen Sie von vorn
passkey-title = Mit einem Passkey anmelden
passkey-lead = Mit Finger, Gesicht oder womit Sie dieses Gerät sonst entsperren.
passkey-waiting = Folgen Sie dem Fenster Ihres Browsers.
passkey-cancelled = Das hat nicht geklappt. Versuchen Sie es noch einmal, oder melden Sie sich anders an.
passkey-failed = Ihr Browser konnte das hier nicht. Melden Sie sich anders an.
passkey-unsupported = Dieser Browser kann keine Passkeys. Wählen Sie einen anderen Weg, oder öffnen Sie diese Seite in Ihrem gewohnten Browser.
enrol_passkey-title = Passkey anlegen
enrol_passkey-lead = Mit einem Passkey melden Sie sich mit Finger, Gesicht oder PIN an. Es gibt nichts zu merken und nichts, was eine falsche Seite erfragen könnte.
offer_passkey-title = Nächstes Mal schneller anmelden?
offer_passkey-lead = Legen Sie einen Passkey an und melden Sie sich künftig mit Finger, Gesicht oder PIN an. Ihre anderen Wege bleiben.
remove_passkey-title = Diesen Passkey entfernen?
remove_passkey-lead = Sie können sich damit nicht mehr anmelden. In Ihren Apps bleiben Sie angemeldet. Manche bitten Sie vielleicht noch einmal um die Anmeldung. Wenn jemand anders diesen Passkey haben könnte, sagen Sie es: Dann werden Sie überall abgemeldet.
remove_passkey-last = Er ist der letzte Weg, sich anzumelden. Legen Sie zuerst einen anderen Passkey an.
account-passkeys = Passkeys
account-passkey-name = Name des Passkeys
account-passkey-created = Angelegt { $date }
account-passkey-used = benutzt { $date }
account-passkey-unused = nie benutzt
account-passkey-needs-name = braucht zuerst Ihren Namen
account-passkey-of-other = von einer anderen Adresse dieses Servers, geht nicht mehr
account-passkey-refused = gilt hier nicht mehr
account-no-passkeys = Sie haben keinen Passkey.
action-passkey = Passkey benutzen
action-make_passkey = Passkey anlegen
action-security_key = Sicherheitsschlüssel mit Ihrem Namen benutzen
action-use_passkey = Stattdessen einen Passkey benutzen
action-add_passkey = Passkey hinzufügen
action-rename_passkey = Name speichern
action-remove = Entfernen
action-remove_lost = Er ist verloren: entfernen und überall abmelden
action-not_now = Jetzt nicht
problem-passkey_unknown = Dieser Passkey gilt hier nicht mehr. Melden Sie sich anders an.
problem-passkey_unreadable = Ihr Browser hat etwas gesandt, das kein Passkey ist. Versuchen Sie es noch einmal, oder melden Sie sich anders an.
problem-passkey_unverified = Ihr Gerät hat nicht geprüft, ob Sie es sind. Schalten Sie die Bildschirmsperre oder die PIN ein, oder melden Sie sich anders an.
problem-passkey_without_person = Ihr Gerät sagt nicht, wessen Passkey das ist. Geben Sie zuerst Ihren Namen ein und benutzen Sie dann den Sicherheitsschlüssel.
problem-passkey_synced = Passkeys, die auf andere Geräte kopiert werden, gelten hier nicht. Nehmen Sie einen Sicherheitsschlüssel, oder melden Sie sich anders an.
problem-passkey_copied = Dieser Schlüssel könnte kopiert worden sein und gilt deshalb nicht. Melden Sie sich anders an, und sagen Sie es dem Betreiber.
problem-passkey_kind = { $kinds ->
    [none] Diese Art von Passkey gilt hier nicht. Fragen Sie den Betreiber, welche gelten.
   *[other] Diese Art von Passkey gilt hier nicht. Es gelten: { $kinds }.
}
problem-passkey_not_made = Der Passkey konnte nicht hinzugefügt werden. Versuchen Sie es noch einmal.
problem-passkey_already_there = Dieses Gerät hat schon einen Passkey für Sie.
problem-passkey_none_here = Auf diesem Gerät ist kein Passkey für diesen Server. Melden Sie sich anders an.
problem-passkey_not_possible = Dieses Gerät kann hier keine Passkeys. Melden Sie sich anders an.
problem-passkey_cancelled = Das hat nicht geklappt. Versuchen Sie es noch einmal, oder melden Sie sich anders an.
problem-passkey_needs_script = Ein Passkey braucht JavaScript, das hier abgeschaltet ist. Melden Sie sich anders an.
problem-passkey_too_many = Sie haben so viele Passkeys, wie es geben darf. Entfernen Sie zuerst einen.
problem-passkey_last = Er ist der letzte Weg, sich anzumelden. Legen Sie zuerst einen anderen Passkey an.
mail-passkey_added-subject = Ein Passkey wurde zu { $brand } hinzugefügt
mail-passkey_added-body =
    Zu Ihrem Konto bei { $brand } wurde ein Passkey hinzugefügt. Er meldet ohne Ihr Passwort an.
    
    Wenn Sie das nicht waren, entfernen Sie ihn auf der Seite Ihres Kontos, und ändern Sie jetzt Ihr Passwort.
mail-passkey_removed-subject = Ein Passkey wurde von { $brand } entfernt
mail-passkey_removed-body =
    Von Ihrem Konto bei { $brand } wurde ein Passkey entfernt.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
waits-title = Das gilt noch nicht in vollem Umfang
waits-lead = Was Sie hinzugefügt haben, gilt erst in vollem Umfang, wenn es bestätigt ist. Wenden Sie sich an die Betreiber dieses Dienstes, oder verwenden Sie das Ticket, das Sie von ihnen haben.
waits-lead-until = Sie haben es mit weniger Nachweisen hinzugefügt, als hier verlangt werden. Wenn es niemand stoppt, gilt es ab { $date } in vollem Umfang. Mit einem Ticket der Betreiber dieses Dienstes gilt es sofort.
regain-title = Sie können neu beginnen
regain-lead = Wir haben an Ihre E-Mail-Adresse geschrieben. Lassen Sie sich von den Betreibern dieses Dienstes ein Ticket geben, und verwenden Sie es hier.
regain-lead-until = Wir haben an Ihre E-Mail-Adressen geschrieben. Wenn es niemand stoppt, kommen Sie nach { $date } wieder und wählen diesen Weg noch einmal, innerhalb einer Woche. Dann wird entfernt, was Sie verloren haben. Mit einem Ticket der Betreiber dieses Dienstes geht es sofort weiter.
ticket-title = Ticket verwenden
ticket-lead = Geben Sie das Ticket ein, das Sie von den Betreibern dieses Dienstes haben. Es gilt einmal.
field-ticket = Ticket
action-use_invitation = Ich habe eine Einladung
action-use_ticket = Ich habe ein Ticket vom Support
problem-wrong_ticket = Das ist nicht Ihr Ticket, oder es wurde schon verwendet, oder es ist zu alt.
action-give_up = Ohne das zurück
action-stop = Das war ich nicht: stoppen
stop_password-title = Das frühere Passwort zurückholen?
stop_password-lead = Es wurde ein neues Passwort gesetzt. Wenn Sie das nicht waren, stoppen Sie es: Das frühere Passwort gilt wieder, und alle werden abgemeldet.
stop_email-title = Diese E-Mail-Adresse zurückholen?
stop_email-lead = Es wurde eine andere E-Mail-Adresse gesetzt. Wenn Sie das nicht waren, stoppen Sie es: Die frühere Adresse gilt wieder, und alle werden abgemeldet.
stop_totp-title = Die neue Authenticator-App entfernen?
stop_totp-lead = Es wurde eine Authenticator-App hinzugefügt. Wenn Sie das nicht waren, stoppen Sie es: Die App und ihre Wiederherstellungscodes werden entfernt, und alle werden abgemeldet.
stop_recovery-title = Die neuen Wiederherstellungscodes entfernen?
stop_recovery-lead = Es wurden Wiederherstellungscodes erstellt. Wenn Sie das nicht waren, stoppen Sie es: Sie gelten nicht mehr, und alle werden abgemeldet.
stop_passkey-title = Den neuen Passkey entfernen?
stop_passkey-lead = Es wurde ein Passkey hinzugefügt. Wenn Sie das nicht waren, stoppen Sie es: Der Passkey wird entfernt, und alle werden abgemeldet.
stop_identity-title = Die neue Verknüpfung entfernen?
stop_identity-lead = Es wurde ein anderes Konto verknüpft. Wenn Sie das nicht waren, stoppen Sie es: Die Verknüpfung wird entfernt, und alle werden abgemeldet.
stop_regain-title = Ihre Anmeldewege behalten?
stop_regain-lead = Jemand hat angegeben, dass Sie Ihre Authenticator-App oder Ihre Passkeys verloren haben. Wenn Sie das nicht waren, stoppen Sie es: Alles bleibt, wie es ist, und alle werden abgemeldet.
stop_session-title = Alle abmelden?
stop_session-lead = Jemand hat sich bei Ihrem Konto angemeldet. Wenn Sie das nicht waren, stoppen Sie es: Alle werden überall abgemeldet.
stopped_session-title = Alle sind abgemeldet
stopped_session-lead = Diese Person kann sich wieder anmelden. Ändern Sie jetzt Ihr Passwort.
stopped-title = Es ist gestoppt
stopped-lead = Was hinzugefügt wurde, ist weg, und alle sind abgemeldet. Wer es hinzugefügt hat, kann sich wieder anmelden. Ändern Sie jetzt Ihr Passwort.
stop_over-title = Hier gibt es nichts zu stoppen
stop_over-lead = Dieser Link wurde schon verwendet, oder die Änderung ist schon bestätigt oder rückgängig gemacht. Sehen Sie in Ihrem Konto nach.
mail-waits_password-subject = Ihr Passwort für { $brand } wurde geändert
mail-waits_password-body =
    Für Ihr Konto bei { $brand } wurde ein neues Passwort gesetzt, und alle anderen Geräte wurden abgemeldet.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_email-subject = Die E-Mail-Adresse Ihres Kontos bei { $brand } wurde geändert
mail-waits_email-body =
    Ihr Konto bei { $brand } hat jetzt eine andere E-Mail-Adresse.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_totp-subject = Eine Authenticator-App wurde zu { $brand } hinzugefügt
mail-waits_totp-body =
    Zu Ihrem Konto bei { $brand } wurde eine Authenticator-App hinzugefügt.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_recovery-subject = Neue Wiederherstellungscodes für { $brand }
mail-waits_recovery-body =
    Für Ihr Konto bei { $brand } wurden neue Wiederherstellungscodes erstellt.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_passkey-subject = Ein Passkey wurde zu { $brand } hinzugefügt
mail-waits_passkey-body =
    Zu Ihrem Konto bei { $brand } wurde ein Passkey hinzugefügt. Er meldet ohne Ihr Passwort an.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_identity-subject = Ein anderes Konto meldet sich jetzt bei { $brand } an
mail-waits_identity-body =
    Ein anderes Konto wurde mit Ihrem Konto bei { $brand } verknüpft. Wer es hat, kann sich anmelden.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden gilt es in vollem Umfang:
    { $link }
mail-waits_regain-subject = Jemand gibt an, dass Sie sich bei { $brand } nicht anmelden können
mail-waits_regain-body =
    Jemand, der Ihre E-Mails liest, gibt an, dass Sie Ihre Authenticator-App oder Ihre Passkeys für { $brand } verloren haben.
    
    Wenn Sie das nicht waren, öffnen Sie diesen Link und stoppen Sie es. Nach { $hours } Stunden kann diese Person sie entfernen und ein neues Passwort wählen:
    { $link }
mail-regained-subject = Sie haben bei { $brand } neu begonnen
mail-regained-body =
    Was Sie verloren hatten, wurde von Ihrem Konto bei { $brand } entfernt, und alle Geräte wurden abgemeldet.
    
    Wenn Sie es nicht waren, sagen Sie es jetzt denen, die { $brand } betreiben.
language-name = Deutsch
language = { $name }
account-history = Verlauf
account-history-show = Was mit Ihrem Konto geschehen ist
account-yours = Ihre Daten
account-session-times = seit { $started }, zuletzt benutzt { $used }
action-change_name = Namen ändern
action-change_language = Sprache ändern
action-export = Kopie Ihrer Daten holen
action-delete = Konto löschen
action-delete_account = Endgültig löschen
action-save_file = Datei speichern
action-overview = Zurück
action-done = Fertig
action-passkeys = Passkeys
action-links = Anmeldung mit anderen Konten
action-sessions = Wo Sie angemeldet sind
action-devices = Bekannte Geräte
action-apps = Apps mit Zugriff
action-history = Was mit Ihrem Konto geschehen ist
action-end_this_session = Abmelden: { $device }, seit { $started }
action-forget_this_device = Vergessen: { $device }, zuletzt angemeldet { $last }
action-revoke_this_app = Zugriff entziehen: { $client }, seit { $since }
action-remove_this = Entfernen: { $name }, seit { $since }
manage-title = Ihr Konto
manage-lead = Sie sind angemeldet als { $account }. Für jede Änderung haben Sie bestätigt, dass Sie es sind.
waits-line = { $kind ->
    [password] { account-waits-password }
    [email] { account-waits-email }
    [totp] { account-waits-totp }
    [recovery] { account-waits-recovery }
    [passkey] { account-waits-passkey }
    [identity] { account-waits-identity }
   *[regain] { account-waits-regain }
} · { $until ->
    [never] erst, wenn es bestätigt ist
   *[other] ab { $until }, wenn es niemand stoppt
}
new_passkey_name-title = Name des Passkeys
new_passkey_name-lead = Wählen Sie einen Namen, an dem Sie ihn wiedererkennen.
field-passkey_name = Name
problem-no_passkey_name = Der Name ist leer.
action-rename_this = Umbenennen: { $name }
manage_passkeys-title = Passkeys
manage_passkeys-lead = Das sind die Passkeys Ihres Kontos.
manage_passkeys-none = Sie haben keinen Passkey.
passkey-line = { $name } · { $used ->
    [never] nie benutzt
   *[other] benutzt { $used }
}{ $mark ->
    [by_name] {" "}· braucht zuerst Ihren Namen
    [of_other] {" "}· von einer anderen Adresse dieses Servers, geht nicht mehr
    [refused] {" "}· gilt hier nicht mehr
   *[none] {""}
}
manage_links-title = Anmeldung mit anderen Konten
manage_links-lead = Auch mit diesen Konten melden Sie sich hier an.
manage_links-none = Kein anderes Konto ist mit Ihrem verknüpft.
manage_sessions-title = Wo Sie angemeldet sind
manage_sessions-lead = Von hier aus können Sie jede Anmeldung beenden.
manage_sessions-none = Sie sind nirgends angemeldet.
manage_devices-title = Bekannte Geräte
manage_devices-lead = Auf diesen Geräten haben Sie sich angemeldet. Auf manchen werden Sie vielleicht nach weniger gefragt.
manage_devices-none = Kein Gerät ist bekannt.
manage_apps-title = Apps mit Zugriff
manage_apps-lead = Diese Apps dürfen Ihr Konto benutzen.
manage_apps-none = Keine App hat Zugriff.
manage_history-title = Was mit Ihrem Konto geschehen ist
manage_history-lead = Das Neueste steht oben.
manage_history-none = Es ist noch nichts geschehen.
session-line = { $device } · { $address } · seit { $started }, zuletzt benutzt { $used }
session-line-own = { $device } (hier) · { $address } · seit { $started }, zuletzt benutzt { $used }
new_user_code-title = Ihr Benutzercode
new_user_code-lead = Wer Sie auf Ihrem eigenen Gerät etwas fragt, muss vorher diesen Code von Ihnen haben. Anmelden kann sich damit niemand.
field-new_user_code = Neuer Benutzercode
action-change_user_code = Benutzercode ändern
action-remove_user_code = Code entfernen
problem-bad_user_code = Sechs bis 64 Buchstaben, Ziffern oder Zeichen, ohne Leerzeichen.
new_name-title = Ihr Name
new_name-lead = Apps, die Ihren Namen sehen dürfen, zeigen ihn Ihnen und anderen.
new_language-title = Ihre Sprache
new_language-lead = Unsere E-Mails kommen in dieser Sprache, und Apps erfahren, welche es ist. Diese Seiten folgen Ihrem Browser.
end_session-title = Dort abmelden?
end_session-lead = { $name } wird abgemeldet, mit jeder App, die von dort aus angemeldet wurde.
end_other_sessions-title = Überall sonst abmelden?
end_other_sessions-lead = Nur die Anmeldung, die Sie gerade benutzen, bleibt. Bekannte Geräte werden vergessen.
forget_device-title = Dieses Gerät vergessen?
forget_device-lead = Auf { $name } werden Sie bei der Anmeldung wieder nach allem gefragt.
revoke_app-title = { $name } den Zugriff entziehen?
revoke_app-lead = { $name } kann Ihr Konto nicht mehr benutzen. Sie können sich dort neu anmelden.
export-title = Kopie Ihrer Daten holen
export-lead = Sie bekommen eine Datei mit dem, was hier über Sie gespeichert ist. Sie enthält keine Passwörter und keine Schlüssel. Behalten Sie sie für sich.
exported-title = Ihre Daten liegen bereit
exported-lead = Speichern Sie die Datei jetzt. Sie wird jedes Mal neu gemacht.
delete_account-title = Ihr Konto löschen?
delete_account-lead = Das Konto { $account } verschwindet sofort und endgültig, mit allem, was über Sie gespeichert ist. Jede App wird abgemeldet. Niemand kann es zurückholen.
account_deleted-title = Ihr Konto ist gelöscht
account_deleted-lead = Hier ist nichts mehr davon übrig. Apps können eigene Daten haben: Fragen Sie deren Betreiber.
session_ended-title = Diese Anmeldung ist beendet
session_ended-lead = Sie sind hier abgemeldet. Sie können diese Seite schließen.
event-account_created = { $when } · Das Konto wurde angelegt{ $more }
event-account_disabled = { $when } · Das Konto wurde vom Betreiber gesperrt{ $more }
event-account_enabled = { $when } · Das Konto wurde wieder freigegeben{ $more }
event-account_exported = { $when } · Eine Kopie Ihrer Daten wurde geholt{ $more }
event-authorization_refused = { $when } · Ein Gerät, eine App oder ein Dienst bekam nichts: Die Anmeldung reichte nicht, oder eine Regel dieses Dienstes lehnte ab{ $more }
event-backchannel_approved = { $when } · Sie haben zugestimmt, was eine App oder ein Dienst wollte{ $more }
event-backchannel_denied = { $when } · Sie haben abgelehnt, was eine App oder ein Dienst wollte{ $more }
event-code_issued = { $when } · An einer App angemeldet{ $more }
event-consent_withdrawn = { $when } · Einer App wurde der Zugriff entzogen{ $more }
event-device_approved = { $when } · Ein anderes Gerät wurde angemeldet{ $more }
event-device_denied = { $when } · Sie haben ein anderes Gerät nicht angemeldet{ $more }
event-device_forgotten = { $when } · Ein bekanntes Gerät wurde vergessen{ $more }
event-email_changed = { $when } · Die E-Mail-Adresse wurde geändert{ $more }
event-enrolment_confirmed = { $when } · Ein neuer Anmeldeweg wurde bestätigt{ $more }
event-enrolment_stopped = { $when } · Ein neuer Anmeldeweg wurde gestoppt{ $more }
event-grant_revoked = { $when } · Eine App wurde abgemeldet{ $more }
event-grant_weaker_than_policy = { $when } · Eine App wurde abgemeldet: Die Anmeldung verlangt jetzt mehr{ $more }
event-handed_over = { $when } · Eine App hat eine Seite im Browser geöffnet, in der Sie angemeldet waren{ $more }
event-kiosk_code_elsewhere = { $when } · Ihr Code wurde an einem anderen Terminal gezeigt als dem, für das er gemacht war{ $more }
event-kiosk_code_replayed = { $when } · Ihr Code wurde an einem Terminal ein zweites Mal gezeigt{ $more }
event-kiosk_confirmed = { $when } · Sie haben in der App gesagt, dass Sie an einem Terminal stehen{ $more }
event-kiosk_visited = { $when } · Sie wurden an einem Terminal eingelassen{ $more }
event-language_changed = { $when } · Die Sprache wurde geändert{ $more }
event-name_changed = { $when } · Der Name wurde geändert{ $more }
event-other_sessions_ended = { $when } · Überall sonst wurde abgemeldet{ $more }
event-passkey_enrolled = { $when } · Ein Passkey wurde hinzugefügt{ $more }
event-passkey_removed = { $when } · Ein Passkey wurde entfernt{ $more }
event-passkey_renamed = { $when } · Ein Passkey bekam einen anderen Namen{ $more }
event-password_changed = { $when } · Das Passwort wurde geändert{ $more }
event-profile_changed = { $when } · Der Betreiber hat Ihre Angaben geändert{ $more }
event-provider_logout = { $when } · Abgemeldet, weil Sie sich bei einem anderen Dienst abgemeldet haben{ $more }
event-recovery_code_used = { $when } · Ein Wiederherstellungscode wurde benutzt{ $more }
event-recovery_codes_made = { $when } · Neue Wiederherstellungscodes wurden gemacht{ $more }
event-regain_begun = { $when } · Jemand hat gesagt, dass Anmeldewege verloren sind{ $more }
event-regain_ended = { $when } · Das Ersetzen verlorener Anmeldewege wurde abgebrochen{ $more }
event-regain_stopped = { $when } · Das Ersetzen verlorener Anmeldewege wurde gestoppt{ $more }
event-regained = { $when } · Verlorene Anmeldewege wurden entfernt und ersetzt{ $more }
event-session_ended = { $when } · Eine Anmeldung wurde beendet{ $more }
event-sessions_ended = { $when } · Alle Anmeldungen wurden beendet{ $more }
event-signed_in = { $when } · Angemeldet{ $more }
event-signed_out = { $when } · Abgemeldet{ $more }
event-sso_joined = { $when } · Eine zweite App auf demselben Telefon hat Ihre Anmeldung verwendet{ $more }
event-ticket_given = { $when } · Der Betreiber hat Ihnen ein Ticket ausgestellt{ $more }
event-ticket_used = { $when } · Ein Ticket wurde benutzt{ $more }
event-totp_enrolled = { $when } · Eine Authenticator-App wurde hinzugefügt{ $more }
event-totp_removed = { $when } · Die Authenticator-App wurde entfernt{ $more }
event-upstream_linked = { $when } · Ein anderes Konto wurde verknüpft{ $more }
event-upstream_unlinked = { $when } · Ein anderes Konto wurde getrennt{ $more }
event-user_code_removed = { $when } · Ihr Benutzercode wurde entfernt{ $more }
event-user_code_set = { $when } · Sie haben einen neuen Benutzercode{ $more }
mail-user_code_changed-subject = Ihr Benutzercode bei { $brand } wurde geändert
mail-user_code_changed-body =
    Der Benutzercode Ihres Kontos bei { $brand } wurde geändert oder entfernt.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-name_changed-subject = Ihr Name bei { $brand } wurde geändert
mail-name_changed-body =
    Der Name Ihres Kontos bei { $brand } wurde geändert.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-language_changed-subject = Ihre Sprache bei { $brand } wurde geändert
mail-language_changed-body =
    Die Sprache Ihres Kontos bei { $brand } wurde geändert.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-session_ended-subject = Sie wurden irgendwo von { $brand } abgemeldet
mail-session_ended-body =
    Eine Ihrer Anmeldungen bei { $brand } wurde beendet.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-sessions_ended-subject = Sie wurden überall sonst von { $brand } abgemeldet
mail-sessions_ended-body =
    Alle Ihre anderen Anmeldungen bei { $brand } wurden beendet.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-device_forgotten-subject = { $brand } hat ein Gerät vergessen
mail-device_forgotten-body =
    Ein bekanntes Gerät Ihres Kontos bei { $brand } wurde vergessen. Dort wird wieder nach allem gefragt.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-app_removed-subject = Eine App hat keinen Zugriff mehr auf { $brand }
mail-app_removed-body =
    Eine App kann Ihr Konto bei { $brand } nicht mehr benutzen.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-account_exported-subject = Eine Kopie Ihrer Daten wurde von { $brand } geholt
mail-account_exported-body =
    Jemand, der sich als Sie ausgewiesen hat, hat eine Kopie dessen geholt, was { $brand } über Sie gespeichert hat.
    
    Wenn Sie das nicht waren, ändern Sie jetzt Ihr Passwort.
mail-account_deleted-subject = Ihr Konto bei { $brand } wurde gelöscht
mail-account_deleted-body =
    Ihr Konto bei { $brand } wurde gelöscht, mit allem, was über Sie gespeichert war. Es kann nicht zurückgeholt werden.
    
    Wenn Sie das nicht waren, sagen Sie es sofort denen, die { $brand } betreiben.
to_client = Weiter zu { $client }
as_person = Sie melden sich an als { $person }.
select_account-title = Konto wählen
select_account-lead = Wählen Sie eines der Konten, die dieser Browser kennt, oder ein anderes.
action-continue_as = Weiter als { $person }
action-another_person = Anderes Konto benutzen
action-account = Als { $person } anmelden
action-forget_accounts = Diese Konten hier vergessen
action-open_authenticator = Authenticator-App auf diesem Gerät öffnen
action-show = Zeigen
action-hide = Verbergen
