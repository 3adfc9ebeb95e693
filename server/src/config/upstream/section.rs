//! What `symbolon config` and docs/configuration.md say of `[upstream.NAME]`.

use crate::config::docs::{ALGORITHMS, Key, Kind, Presence, Section, defaulted, optional, required};

pub const SECTION: Section = Section {
    path: "upstream.NAME",
    title: "Sign-in with other providers",
    text: "A provider whose accounts people may sign in with. A login policy names it `upstream:NAME`. Register \
           `ISSUER/upstream/NAME/callback` there as the redirect URI. Its tokens never leave this server, but to an API that `release` names; apps get tokens of this server alone. \
           [social.md](social.md) explains it step by step, and what each preset needs.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[upstream.anysocial]
label = "Anysocial"
issuer = "https://accounts.anysocial.example"
client_id = "example-shop"
secret = { file = "anysocial.secret" }
accounts = "create"

# A preset knows the addresses and the peculiarities.
[upstream.github]
preset = "github"
client_id = "Iv1.0123456789abcdef"
secret = { file = "github.secret" }
"#,
};

const KEYS: &[Key] = &[
    optional(
        "preset",
        Kind::OneOf(&["google", "apple", "microsoft", "github", "facebook"]),
        "every key is your own to set",
        r#""google""#,
        "A provider whose addresses and peculiarities are known. The keys below replace what it says.",
    ),
    optional(
        "label",
        Kind::Text,
        "the preset's; it is required without one",
        r#""Anysocial""#,
        "The provider's name, as people know it. It stands on buttons and pages.",
    ),
    optional(
        "issuer",
        Kind::Text,
        "the preset's; it is required without one",
        r#""https://accounts.anysocial.example""#,
        "The provider's issuer, byte for byte as its discovery document and its ID tokens have it. With `protocol = \"oauth2\"` the origin that names \
         its people together with `client_id`; with `preset = \"microsoft\"` what comes before the tenant.",
    ),
    defaulted(
        "protocol",
        Kind::OneOf(&["openid", "oauth2"]),
        r#""openid""#,
        "What the provider speaks. `oauth2` is for one without ID tokens: who somebody is stands in the document at `userinfo_endpoint`.",
    ),
    required("client_id", Kind::Text, r#""example-shop""#, "What the provider calls this server."),
    optional(
        "formerly",
        Kind::Table("issuer, client_id and subjects"),
        "nothing changed",
        r#"{ issuer = "https://old.anysocial.example", subjects = "same" }"#,
        "What `issuer` and `client_id` were before, where the provider has links. Without it another value stops the start. `subjects = \"same\"`: people \
         kept their subjects, and their links go on; leave the line there. `subjects = \"other\"`: the links of before are deleted at the next start.",
    ),
    optional(
        "secret",
        Kind::Secret,
        "the server is a public client there",
        r#"{ file = "anysocial.secret" }"#,
        "The client secret that goes with it.",
    ),
    defaulted(
        "authentication",
        Kind::OneOf(&["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]),
        r#""client_secret_basic""#,
        "How this server proves to the provider who it is. `private_key_jwt` signs an assertion with `key` (ES256); its audience is the \
         provider's issuer. The last two show `certificate` (RFC 8705).",
    ),
    defaulted(
        "pushed_requests",
        Kind::Flag,
        "false",
        "Sends the authorization request to the provider itself (RFC 9126), so that the browser carries only a reference. A provider that \
         requires this gets it in any case.",
    ),
    defaulted(
        "scopes",
        Kind::Texts,
        r#"["openid", "profile", "email"]"#,
        "What is asked of the provider. `openid` must be among it, except with `protocol = \"oauth2\"`.",
    ),
    defaulted(
        "accounts",
        Kind::OneOf(&["invited", "create"]),
        r#""invited""#,
        "What happens when somebody comes whom no account is linked to. `invited`: the page says that there is no account. `create`: \
         a new account is made. An e-mail address never leads to an account that exists.",
    ),
    defaulted(
        "authoritative_for",
        Kind::Texts,
        "[]",
        "Domains for whose e-mail addresses the provider's word is enough. With `preset = \"google\"` the account must be of that domain (`hd`) too, except \
         for gmail.com. Such an address, if the provider calls it verified, becomes \
         the address and the login name of a new account. All others are kept as what the provider says, and are used for nothing.",
    ),
    defaulted(
        "linking",
        Kind::OneOf(&["fresh", "undated", "off"]),
        r#""fresh""#,
        "Whether a person who has an account may link one of the provider's to it. `fresh`: if the provider says that the person signed in \
         there within the last five minutes. `undated` takes any sign-in there. **UNSAFE:** a browser that somebody left open is then \
         enough to link its owner's account to another one.",
    ),
    defaulted("userinfo", Kind::Flag, "true", "Asks the provider's userinfo endpoint for what the ID token does not say."),
    optional(
        "prompt",
        Kind::OneOf(&["login", "select_account", "consent"]),
        "the provider decides",
        r#""select_account""#,
        "What the provider shows each time. `select_account` lets people change the account after they signed out here.",
    ),
    defaulted(
        "algorithms",
        Kind::SomeOf(ALGORITHMS),
        r#"["ES256", "PS256", "RS256", "EdDSA"]"#,
        "Algorithms that its ID tokens may be signed with.",
    ),
    defaulted("clock_skew", Kind::Time, r#""1m""#, "How far the provider's clock may be ahead of this server's, at most `5m`."),
    defaulted(
        "nonce",
        Kind::OneOf(&["required", "not-returned"]),
        r#""required""#,
        "`not-returned` is for a provider that leaves the `nonce` out of its ID tokens. **UNSAFE:** only PKCE then holds an ID token to \
         the sign-in it was made for.",
    ),
    defaulted(
        "on_logout",
        Kind::OneOf(&["browser", "everything"]),
        r#""browser""#,
        "What a logout token of the provider (`ISSUER/upstream/NAME/backchannel-logout`) ends. `browser`: the single sign-on of sessions that rest \
         on it; what apps were granted stays. `everything`: those sessions with all that apps got in them. With both, clients with \
         `backchannel_logout_uri` are told.",
    ),
    defaulted(
        "sign_out",
        Kind::Flag,
        "false",
        "Who signs out here is led to the provider's sign-out too, and back (OpenID Connect RP-Initiated Logout). Register \
         `ISSUER/upstream/NAME/signed-out` there as a post-logout redirect URI.",
    ),
    defaulted(
        "sign_out_hint",
        Kind::Flag,
        "false",
        "With `sign_out`: keeps the provider's ID token, sealed, as long as the session may last, and shows it at the sign-out (`id_token_hint`). The \
         provider then knows who signs out, and need not ask. It stands in the address that the browser goes to.",
    ),
    defaulted(
        "revoke",
        Kind::Flag,
        "false",
        "Keeps the provider's refresh token, sealed. When the link or the account is gone here, the token is revoked there (RFC 7009). Apple wants \
         this where people can delete their account.",
    ),
    optional(
        "release",
        Kind::Table("api, scope and scopes"),
        "no token of the provider is kept",
        r#"{ api = "orders", scope = "calendar", scopes = ["calendar.read"] }"#,
        "Keeps the provider's tokens, sealed, and gives one to an API by token exchange (`audience=upstream:NAME`). `api` is the API whose access \
         token is exchanged, `scope` the scope of ours that this token needs, and `scopes` what the given token may do at the provider.",
    ),
    optional(
        "check",
        Kind::Table("every and max_age"),
        "the provider is asked at a sign-in alone",
        r#"{ every = "1h", max_age = "1d" }"#,
        "Asks the provider again whether a person may still come, by the refresh token that came with the sign-in; `scopes` has to ask for one. If it \
         refuses for good, the sessions that rest on it end. After `max_age` (`1d`) without an answer, apps get no new tokens.",
    ),
    defaulted(
        "required_claims",
        Kind::Table("claims with lists of their values"),
        "{}",
        "Who may come at all: each claim must have one of its values, such as `{ hd = [\"example.com\"] }` for the people of one company at \
         Google. Never rest this on what stands behind the `@` of an address.",
    ),
    defaulted(
        "claims",
        Kind::Table("claims of the account with rules"),
        "{}",
        "What of the provider's words becomes a claim of the account. A rule has `from`, a path such as `\"org.unit\"`; `type`, one of `text`, \
         `number`, `flag` and `texts`; `update`, which is `first` (as long as the account has none) or `every` (at each sign-in); `required`; and \
         `elsewhere`, which says whether a value that the provider keeps elsewhere refuses the sign-in (`refuse`) or changes nothing (`keep`).",
    ),
    optional(
        "authorization_endpoint",
        Kind::Text,
        "the preset's, or the discovery document's",
        r#""https://social.example/oauth/authorize""#,
        "With `protocol = \"oauth2\"`: where people sign in.",
    ),
    optional(
        "token_endpoint",
        Kind::Text,
        "the preset's, or the discovery document's",
        r#""https://social.example/oauth/token""#,
        "With `protocol = \"oauth2\"`: where codes are exchanged.",
    ),
    optional(
        "userinfo_endpoint",
        Kind::Text,
        "the preset's, or the discovery document's",
        r#""https://api.social.example/me""#,
        "With `protocol = \"oauth2\"`: the document that says who somebody is.",
    ),
    optional(
        "emails_endpoint",
        Kind::Text,
        "the preset's, or the address in the userinfo document",
        r#""https://api.social.example/me/emails""#,
        "With `protocol = \"oauth2\"`: a list of addresses with `email`, `primary` and `verified`, as GitHub has it. Only the one that is both counts.",
    ),
    defaulted(
        "subject",
        Kind::Text,
        r#""sub""#,
        "With `protocol = \"oauth2\"`: the member of the userinfo document that names a person, is unique, and is never given to somebody else. Text \
         or a whole number. Never a login name or an address.",
    ),
    defaulted(
        "subject_is_permanent",
        Kind::Flag,
        "false",
        "With `protocol = \"oauth2\"` and a `subject` of your own: you have read that the provider promises it is unique and never given to \
         somebody else. Without your word the server does not start. A preset knows its own member.",
    ),
    optional(
        "tenant",
        Kind::Text,
        "there is no tenant",
        r#""organizations""#,
        "With `preset = \"microsoft\"`: `common`, `organizations`, `consumers`, or the id of one tenant.",
    ),
    defaulted(
        "tenants",
        Kind::Texts,
        "[]",
        "With `tenant = \"common\"` or `\"organizations\"`: the ids of the tenants whose people may come. `[\"any\"]` lets everybody come whom \
         Microsoft has as a customer.",
    ),
    optional("team_id", Kind::Text, "no team", r#""ABCDE12345""#, "With `preset = \"apple\"`: the developer team."),
    optional(
        "key_id",
        Kind::Text,
        "no key",
        r#""KEY1234567""#,
        "With `preset = \"apple\"`: the id of the team's key for signing in. With `private_key_jwt`: the id under which the provider has the \
         public half of `key`.",
    ),
    optional(
        "key",
        Kind::Secret,
        "no key",
        r#"{ file = "AuthKey_KEY1234567.p8" }"#,
        "A private key of the curve P-256 in PEM (PKCS#8). With `preset = \"apple\"` the server makes a new client secret with it each time; \
         with `private_key_jwt`, an assertion. With `certificate`: its private key, of any kind that TLS takes.",
    ),
    optional(
        "certificate",
        Kind::Path,
        "no certificate",
        r#""shop-at-anysocial.pem""#,
        "With `tls_client_auth` and `self_signed_tls_client_auth`: the certificate, with its chain (PEM), that this server shows the provider.",
    ),
    optional(
        "decryption_key",
        Kind::Secret,
        "ID tokens are not encrypted",
        r#"{ file = "anysocial-enc.key" }"#,
        "A private key of the curve P-256 in PEM (PKCS#8). ID tokens must be encrypted to it (`ECDH-ES` with `A128GCM` or `A256GCM`). \
         `ISSUER/upstream/NAME/jwks` has the public half.",
    ),
    defaulted(
        "dpop",
        Kind::Flag,
        "false",
        "Proves a key with each call to the token endpoint and to userinfo (RFC 9449). A provider that gives a token without binding it is refused.",
    ),
];
