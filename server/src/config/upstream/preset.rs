//! Providers whose peculiarities are known. A preset is a set of values for `[upstream.NAME]`, and rules of its own that code for that
//! provider follows. Every address in it is a setting that the file may replace.

use super::words::{Protocol, SecretSentBy};
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    Google,
    Apple,
    Microsoft,
    Github,
    Facebook,
}

/// What a preset says where the file says nothing. The default: no preset.
pub struct Values {
    pub protocol: Protocol,
    pub label: &'static str,
    pub issuer: &'static str,
    pub authentication: SecretSentBy,
    pub scopes: &'static [&'static str],
    pub authorization_endpoint: &'static str,
    pub token_endpoint: &'static str,
    pub userinfo_endpoint: &'static str,
    pub emails_endpoint: Option<&'static str>,
    pub subject: &'static str,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            protocol: Protocol::Openid,
            label: "",
            issuer: "",
            authentication: SecretSentBy::ClientSecretBasic,
            scopes: &["openid", "profile", "email"],
            authorization_endpoint: "",
            token_endpoint: "",
            userinfo_endpoint: "",
            emails_endpoint: None,
            subject: "sub",
        }
    }
}

impl Preset {
    pub fn values(self) -> Values {
        match self {
            Self::Google => Values { label: "Google", issuer: "https://accounts.google.com", ..Values::default() },
            Self::Apple => Values {
                label: "Apple",
                issuer: "https://appleid.apple.com",
                authentication: SecretSentBy::ClientSecretPost,
                scopes: &["openid", "name", "email"],
                ..Values::default()
            },
            Self::Microsoft => Values { label: "Microsoft", issuer: "https://login.microsoftonline.com", ..Values::default() },
            Self::Github => Values {
                protocol: Protocol::Oauth2,
                label: "GitHub",
                issuer: "https://github.com",
                authentication: SecretSentBy::ClientSecretPost,
                scopes: &["read:user", "user:email"],
                authorization_endpoint: "https://github.com/login/oauth/authorize",
                token_endpoint: "https://github.com/login/oauth/access_token",
                userinfo_endpoint: "https://api.github.com/user",
                emails_endpoint: Some("https://api.github.com/user/emails"),
                subject: "id",
            },
            Self::Facebook => Values {
                protocol: Protocol::Oauth2,
                label: "Facebook",
                issuer: "https://www.facebook.com",
                authentication: SecretSentBy::ClientSecretPost,
                scopes: &["public_profile", "email"],
                authorization_endpoint: "https://www.facebook.com/v23.0/dialog/oauth",
                token_endpoint: "https://graph.facebook.com/v23.0/oauth/access_token",
                userinfo_endpoint: "https://graph.facebook.com/v23.0/me?fields=id,name,email",
                emails_endpoint: None,
                subject: "id",
            },
        }
    }

    /// Its pages sign nobody in inside another app (Google: `disallowed_useragent`). A person learns of it only there.
    pub fn refuses_embedded(self) -> bool {
        self == Self::Google
    }

    /// Other spellings of its issuer in ID tokens, exactly (S-18). They mean the issuer of the table.
    pub fn issuer_aliases(self) -> &'static [&'static str] {
        match self {
            Self::Google => &["accounts.google.com"],
            _ => &[],
        }
    }
}

/// The tenants of Microsoft's that are no tenant's id.
pub const SHARED_TENANTS: [&str; 2] = ["common", "organizations"];
pub const CONSUMERS: &str = "consumers";
/// The tenant of all personal accounts.
pub const CONSUMERS_ID: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// In `tenants`: whoever Microsoft has as a customer.
pub const ANY_TENANT: &str = "any";

/// A tenant's id as tokens have it: a GUID in lower case.
pub fn is_tenant_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn read(more: &str) -> Result<Config, String> {
        let text = format!("issuer = \"https://a.example\"\n[upstream.any]\nclient_id = \"us\"\n{more}");
        Config::from_text(&text, "x", &|_| None).map_err(|error| error.to_string())
    }

    const TENANT: &str = "0f5c1d3e-0000-4000-8000-00000000000a";

    #[test]
    fn a_preset_needs_little_and_says_what_it_lacks() {
        let apple = "preset = \"apple\"\nteam_id = \"ABCDE12345\"\nkey_id = \"KEY1234567\"\nkey = { file = \"a.p8\" }\n";
        let secret = "secret = { env = \"S\" }\n";
        let microsoft = |more: &str| format!("preset = \"microsoft\"\n{secret}{more}");
        for good in [
            format!("preset = \"google\"\n{secret}"),
            apple.to_owned(),
            format!("preset = \"github\"\n{secret}"),
            format!("preset = \"facebook\"\n{secret}"),
            microsoft("tenant = \"consumers\"\n"),
            microsoft(&format!("tenant = \"{TENANT}\"\n")),
            microsoft(&format!("tenant = \"organizations\"\ntenants = [\"{TENANT}\"]\n")),
            microsoft("tenant = \"common\"\ntenants = [\"any\"]\n"),
        ] {
            let config = read(&good);
            assert!(config.as_ref().is_ok_and(|config| !config.upstream["any"].label.is_empty()), "{good}: {:?}", config.err());
        }
        for (bad, why) in [
            (String::new(), "label is"),
            ("preset = \"myspace\"\n".to_owned(), "unknown variant"),
            (apple.replace("team_id", "#"), "team_id is the ten"),
            (apple.replace("KEY1234567", "KEY"), "key_id is the ten"),
            (apple.replace("key = ", "# "), "key is missing"),
            (format!("{apple}{secret}"), "after six months"),
            (format!("{apple}authentication = \"client_secret_basic\"\n"), "client_secret_post alone"),
            ("preset = \"google\"\nteam_id = \"ABCDE12345\"\n".to_owned(), "for preset = \"apple\""),
            ("preset = \"github\"\n".to_owned(), "there is no secret"),
            (format!("preset = \"github\"\n{secret}token_endpoint = \"http://github.com/x\"\n"), "token_endpoint is no https URL"),
            (microsoft(""), "tenant is missing"),
            (microsoft("tenant = \"common\"\n"), "tenants lists the ids"),
            (microsoft("tenant = \"common\"\ntenants = [\"example.com\"]\n"), "tenants lists the ids"),
            (microsoft(&format!("tenant = \"common\"\ntenants = [\"any\", \"{TENANT}\"]\n")), "tenants lists the ids"),
            (microsoft("tenant = \"consumers\"\ntenants = [\"any\"]\n"), "tenants is for"),
            (microsoft("tenant = \"example.com\"\n"), "tenant is common"),
            (format!("preset = \"google\"\ntenant = \"{TENANT}\"\n"), "for preset = \"microsoft\""),
            ("preset = \"google\"\ntoken_endpoint = \"https://a.example\"\n".to_owned(), "endpoints are for"),
        ] {
            let error = read(&bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_tenant_is_a_guid_in_lower_case() {
        assert!(is_tenant_id(TENANT) && is_tenant_id(CONSUMERS_ID));
        for bad in ["", "common", "{tenantid}", &TENANT.to_uppercase(), &TENANT[1..], &format!("{TENANT}/x"), &TENANT.replace('-', "")] {
            assert!(!is_tenant_id(bad), "{bad}");
        }
    }
}
