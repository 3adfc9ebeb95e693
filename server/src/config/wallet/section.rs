//! The documentation of `[wallet.NAME]` and its tables.

use crate::config::docs::{Key, Kind, Presence, Section, defaulted, optional, required};

pub const WALLET: Section = Section {
    path: "wallet.NAME",
    title: "Sign-in with digital wallets",
    text: "Credentials of a digital wallet by which people may sign in (OpenID4VP 1.0 with HAIP 1.0). A login policy names it \
           `wallet:NAME`. [wallets.md](wallets.md) explains it step by step.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[wallet.pid]
label = "your ID wallet"
purpose = "A bank has to know who its customers are."
certificates = "verifier.pem"
key = { file = "verifier.key" }
account_claim = "pid/personal_administrative_number"
account_claim_is_unique = true
accounts = "create"
"#,
};

const KEYS: &[Key] = &[
    required("label", Kind::Text, r#""your ID wallet""#, "What people call it. It stands on buttons and pages."),
    required(
        "purpose",
        Kind::Text,
        r#""A bank has to know who its customers are.""#,
        "Why you ask. The page shows it above the list of what is asked, before the wallet opens.",
    ),
    required(
        "certificates",
        Kind::Path,
        r#""verifier.pem""#,
        "Your certificate as a verifier and those between it and its CA, in PEM, yours first.",
    ),
    required("key", Kind::Secret, r#"{ file = "verifier.key" }"#, "The key of that certificate: P-256, PKCS#8 in PEM."),
    defaulted(
        "client_id",
        Kind::Text,
        r#""x509_hash""#,
        "How wallets know you. `x509_hash` by the digest of the certificate (HAIP 1.0); `x509_san_dns:NAME` by a DNS name in it. Take the host of \
         `issuer`: a wallet may compare the two (OpenID4VP 1.0, 5.9.3).",
    ),
    defaulted(
        "link",
        Kind::Text,
        r#""openid4vp://""#,
        "What opens the wallet: `openid4vp://`, `haip-vp://`, or an https address that a wallet has claimed.",
    ),
    required(
        "account_claim",
        Kind::Text,
        r#""pid/personal_administrative_number""#,
        "Credential and claim by which a person is known again. With the issuer it leads to the account. It is asked for, and only a MAC of \
         it is stored. Never a name or a date of birth.",
    ),
    required(
        "account_claim_is_unique",
        Kind::Flag,
        "true",
        "Your word that the issuer gives each value to one person and never to another one. Without it nobody could sign in by it.",
    ),
    defaulted(
        "same_person",
        Kind::Texts,
        "[]",
        "With several credentials: pairs such as `pid/birthdate = licence/org.iso.18013.5.1/birth_date` that must be equal. Each further \
         credential needs one, so that nobody adds a friend's credential to the own one.",
    ),
    defaulted(
        "accounts",
        Kind::OneOf(&["invited", "create"]),
        r#""invited""#,
        "What happens when somebody comes whom no account is linked to. `invited`: the page says that there is no account. `create`: a new \
         account is made.",
    ),
    defaulted(
        "linking",
        Kind::OneOf(&["fresh", "off"]),
        r#""fresh""#,
        "Whether a person who has an account may link the wallet's identity to it, on the account page.",
    ),
    defaulted(
        "claims",
        Kind::Table("Table of claims"),
        "{}",
        "Claims that the link shows, read at each sign-in, and gone with the link (`name` and `locale` stay): the name, and credential and claim \
         behind it, such as `{ age_over_18 = \"pid/age_over_18\" }`. A token shows them where a scope of an API lists them.",
    ),
    defaulted("amr", Kind::Text, r#""pop""#, "What `amr` of tokens says of it (RFC 8176). `pop`: the holder's key has signed."),
    optional(
        "factor",
        Kind::OneOf(&["knowledge", "possession"]),
        "its proofs are no second factor",
        r#""possession""#,
        "What a proof rests on. Two factors of different kinds give `mfa`. A credential does not say what guards its holder's key.",
    ),
    defaulted(
        "digital_credentials",
        Kind::Flag,
        "true",
        "Beside the link, the page and Android apps ask the platform for the credential (Digital Credentials API), where it knows how.",
    ),
    optional(
        "transaction_type",
        Kind::Text,
        "wallets sign no transactions",
        r#""urn:bank.example:payment""#,
        "The `type` of `transaction_data` (OpenID4VP 1.0, 8.4). A request with `authorization_details` then asks the account's credential to \
         sign them, and its proof counts for these details alone. Credentials and wallets must know the type.",
    ),
    defaulted(
        "haip",
        Kind::Flag,
        "true",
        "Refuses credentials that carry their own root, or whose signer has signed itself. `false` is for issuers that do not follow \
         HAIP 1.0.",
    ),
    defaulted("clock_skew", Kind::Time, r#""1m""#, "How far clocks of wallets and issuers may differ, at most `5m`."),
    defaulted(
        "status_max_age",
        Kind::Time,
        r#""5m""#,
        "How long a status list is used before it is fetched again, if it does not say less itself. `0s`: it is fetched each time.",
    ),
];

pub const CREDENTIAL: Section = Section {
    path: "wallet.NAME.credential.ID",
    title: "What is asked of a wallet",
    text: "One credential. Its ID stands in front of its claims elsewhere, as in `pid/given_name`.",
    presence: Presence::Absent,
    keys: &[
        required("format", Kind::OneOf(&["dc+sd-jwt", "mso_mdoc"]), r#""dc+sd-jwt""#, "SD-JWT VC, or mdoc (ISO/IEC 18013-5)."),
        required("types", Kind::Texts, r#"["urn:eudi:pid:1"]"#, "The types (`vct`) of which any one is good; of an mdoc its one docType."),
        required(
            "claims",
            Kind::Texts,
            r#"["given_name", "address/locality", "nationalities/*"]"#,
            "What is asked, and no more: names from the outside in, with `/` between them, `*` for every element of a list. Of an mdoc: \
             namespace and element.",
        ),
        defaulted(
            "values",
            Kind::Table("Table of values"),
            "{}",
            "Values without which the credential is refused, by claim: `{ \"age_over_18\" = [true] }`.",
        ),
        defaulted("issuers", Kind::Texts, "[]", "The `[wallet.NAME.issuer]` tables that may have issued it. Empty: all of this wallet."),
        defaulted("optional", Kind::Flag, "false", "The wallet may leave it out. Never the account's own."),
        defaulted(
            "trusted_authorities",
            Kind::Flag,
            "false",
            "The request names the CAs that may have issued it, by their key identifiers (`aki`). A wallet that has several then offers one that \
             you trust. Each issuer needs anchors, and each of them a key identifier.",
        ),
    ],
    example: r#"
[wallet.pid.credential.pid]
format = "dc+sd-jwt"
types = ["urn:eudi:pid:1"]
claims = ["personal_administrative_number", "given_name"]
"#,
};

pub const ISSUER: Section = Section {
    path: "wallet.NAME.issuer.WORD",
    title: "Who may issue",
    text: "Whom you trust to issue credentials. Nothing else is trusted, whatever a credential carries.",
    presence: Presence::Absent,
    keys: &[
        required(
            "name",
            Kind::Text,
            r#""https://pid.utopia.example""#,
            "The issuer's identifier: for `keys` the `iss` of its credentials. It is half of every account's key: never change it, and use \
             it for no other issuer.",
        ),
        defaulted(
            "anchors",
            Kind::Texts,
            "[]",
            "Files with the certificates of its CAs (PEM). List the old and the new one while a CA changes. Everybody who has a \
             certificate below such a CA can issue, unless it is for TLS alone. No two issuers of a credential have the same CA.",
        ),
        optional(
            "keys",
            Kind::Path,
            "only certificates count",
            r#""issuer.jwks.json""#,
            "A key set (RFC 7517), for credentials without a certificate.",
        ),
        optional(
            "status_mirror",
            Kind::Text,
            "lists are fetched from where the credential says",
            r#""http://mirror.internal:8080""#,
            "Scheme and host from which its status lists are fetched instead; the path stays. For networks without a way out.",
        ),
    ],
    example: r#"
[wallet.pid.issuer.utopia]
name = "https://pid.utopia.example"
anchors = ["utopia-pid-ca.pem"]
"#,
};
