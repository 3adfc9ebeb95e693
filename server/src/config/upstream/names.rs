//! By which issuer the people of a provider are known: the first half of the key of a link. It stays when the provider moves.

use super::preset::{ANY_TENANT, CONSUMERS, CONSUMERS_ID, Preset, SHARED_TENANTS, is_tenant_id};
use super::table::Upstream;
use super::words::{Protocol, Subjects};

/// Microsoft's issuer of a tenant.
pub fn of_tenant(authority: &str, tenant: &str) -> String {
    format!("{}/{tenant}/v2.0", authority.trim_end_matches('/'))
}

/// The tenant in such an issuer.
fn tenant_in<'a>(authority: &str, issuer: &'a str) -> Option<&'a str> {
    issuer.strip_prefix(authority.trim_end_matches('/'))?.strip_prefix('/')?.strip_suffix("/v2.0")
}

impl Upstream {
    /// Issuer and client_id behind the keys of links: those of before, where the provider's people kept their subjects.
    pub fn keyed_by(&self) -> (&str, &str) {
        let own = (self.issuer.as_str(), self.client_id.as_str());
        match &self.formerly {
            Some(formerly) if formerly.subjects == Subjects::Same => formerly.or(own),
            _ => own,
        }
    }

    /// The issuer in the key of a person. `verified`: that of the token, which names the tenant at Microsoft. Some providers of plain OAuth
    /// number their people anew for each app.
    pub fn key_issuer(&self, verified: &str) -> String {
        let (issuer, client_id) = self.keyed_by();
        if self.protocol == Protocol::Oauth2 {
            return format!("{issuer}#{client_id}");
        }
        match tenant_in(&self.issuer, verified).filter(|_| self.preset == Some(Preset::Microsoft)) {
            Some(tenant) => of_tenant(issuer, tenant),
            None => issuer.to_owned(),
        }
    }

    /// Can a key with this issuer be one of the provider's people?
    pub fn is_keyed_by(&self, key_issuer: &str) -> bool {
        let (issuer, _) = self.keyed_by();
        match self.preset {
            Some(Preset::Microsoft) => tenant_in(issuer, key_issuer).is_some(),
            _ => key_issuer == self.key_issuer(""),
        }
    }

    /// Can a person with this key sign in there now?
    pub fn lets_in(&self, key_issuer: &str) -> bool {
        let (issuer, _) = self.keyed_by();
        let is_welcome = self.preset != Some(Preset::Microsoft) || tenant_in(issuer, key_issuer).is_some_and(|it| self.is_welcome(it));
        is_welcome && self.is_keyed_by(key_issuer)
    }

    /// May the people of this tenant come?
    pub fn is_welcome(&self, tenant: &str) -> bool {
        if !is_tenant_id(tenant) {
            return false;
        }
        match self.tenant.as_deref() {
            Some("organizations") if tenant == CONSUMERS_ID => false,
            Some(shared) if SHARED_TENANTS.contains(&shared) => self.tenants.iter().any(|it| it == tenant || it == ANY_TENANT),
            Some(CONSUMERS) => tenant == CONSUMERS_ID,
            Some(one) => tenant == one,
            None => false,
        }
    }

    /// The tenant that an issuer of Microsoft's names, if its people may come.
    pub fn welcome_tenant<'a>(&self, issuer: &'a str) -> Option<&'a str> {
        tenant_in(&self.issuer, issuer).filter(|tenant| self.is_welcome(tenant))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;
    use crate::config::upstream::Upstream;

    fn read(lines: &str) -> Upstream {
        let text = format!("issuer = \"https://a.example\"\n[upstream.any]\nlabel = \"Any\"\nclient_id = \"us\"\n{lines}");
        Config::from_text(&text, "x", &|_| None).unwrap().upstream.remove("any").unwrap()
    }

    /// 442-B: a key is the issuer, the app at plain OAuth, and the tenant at Microsoft. S-30: whoever cannot come any more has no means.
    #[test]
    fn a_key_belongs_to_the_people_who_can_come() {
        let plain = read("issuer = \"https://op.example\"");
        assert_eq!(plain.key_issuer("https://op.example"), "https://op.example");
        assert!(plain.lets_in("https://op.example"));
        for other in ["https://op.example/", "https://op2.example", "https://op.example#us", ""] {
            assert!(!plain.lets_in(other), "{other}");
        }
        let oauth = "preset = \"github\"\nsecret = { env = \"S\" }";
        assert_eq!(read(oauth).key_issuer(""), "https://github.com#us");
        assert!(read(oauth).lets_in("https://github.com#us") && !read(oauth).lets_in("https://github.com#them"));
        let (one, two) = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222");
        let microsoft = read(&format!("preset = \"microsoft\"\ntenant = \"organizations\"\ntenants = [\"{one}\"]"));
        let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        assert_eq!(microsoft.key_issuer(&of(one)), of(one));
        assert!(microsoft.lets_in(&of(one)) && !microsoft.lets_in(&of(two)), "a tenant that may no longer come");
        assert!(microsoft.is_keyed_by(&of(two)) && !microsoft.is_keyed_by("https://login.microsoftonline.us/x/v2.0"));
    }

    #[test]
    fn people_who_kept_their_subjects_keep_their_keys() {
        let moved = read("issuer = \"https://new.example\"\nformerly = { issuer = \"https://op.example\", subjects = \"same\" }");
        assert_eq!(moved.key_issuer("https://new.example"), "https://op.example");
        assert!(moved.lets_in("https://op.example") && !moved.lets_in("https://new.example"));
        let others = read("issuer = \"https://new.example\"\nformerly = { issuer = \"https://op.example\", subjects = \"other\" }");
        assert!(others.lets_in("https://new.example") && !others.lets_in("https://op.example"));
        let app = read("preset = \"github\"\nsecret = { env = \"S\" }\nformerly = { client_id = \"old\", subjects = \"same\" }");
        assert_eq!(app.key_issuer(""), "https://github.com#old");
    }
}
