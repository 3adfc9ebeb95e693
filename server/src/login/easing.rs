//! Chains that are enough as well where something more is known. It is known of the request, of its network, or of the device. Pure. Every
//! condition that is written must hold. One about something unknown does not hold. Without facts only the policy's own chains are left.

use super::policy::{self, Conditions, Easier, Next, Policy};
use super::proof::KnownDevice;
use crate::config::login_installation::{InstallationFacts, InstallationRules};
use crate::config::networks::Networks;
use std::net::IpAddr;

/// What is known of a request. `None`: nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    pub client: Option<&'a str>,
    /// All that the request asks for. None where it asks for more than scopes.
    pub scopes: Option<&'a [&'a str]>,
    pub tier: Option<&'static str>,
    pub address: Option<IpAddr>,
    /// What its attestation said. None in a browser.
    pub installation: Option<&'a InstallationFacts>,
}

impl Easier {
    /// None: a condition about the request does not hold. Else the condition about the device is left.
    fn under(&self, known: &Circumstances<'_>) -> Option<Self> {
        let has = |list: &Option<Vec<String>>, wanted: Option<&str>| {
            list.as_ref().is_none_or(|all| all.iter().any(|it| Some(it.as_str()) == wanted))
        };
        let within = |list: &Vec<String>| known.scopes.is_some_and(|asked| asked.iter().all(|scope| list.iter().any(|it| it == scope)));
        let holds = has(&self.clients, known.client)
            && self.scopes.as_ref().is_none_or(within)
            && self.tiers.as_ref().is_none_or(|all| known.tier.is_some_and(|tier| all.contains(&tier)))
            && self.networks.as_ref().is_none_or(|all| known.address.is_some_and(|address| all.contains(address)))
            && self.installation.as_ref().is_none_or(|rules| known.installation.is_some_and(|facts| rules.holds(facts)));
        let left = Self { chains: self.chains.clone(), known_device_ms: self.known_device_ms, ..Self::default() };
        holds.then_some(left)
    }

    fn asks_for_nothing_else(&self) -> bool {
        let of_request = self.clients.is_none() && self.scopes.is_none() && self.networks.is_none();
        of_request && self.tiers.is_none() && self.installation.is_none()
    }

    /// What cannot be meant, for the operator. Its chains are judged with the policy's own.
    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.chains.is_empty() {
            found.push("easier: require names no chain of methods".to_owned());
        }
        if self.asks_for_nothing_else() && self.known_device_ms.is_none() {
            found.push("easier without a condition: write its chains into require of the policy".to_owned());
        }
        let is_empty = |name, is_empty: bool| is_empty.then(|| format!("easier: {name} is empty: it would never hold"));
        found.extend(is_empty("clients", self.clients.as_ref().is_some_and(Vec::is_empty)));
        found.extend(is_empty("scopes", self.scopes.as_ref().is_some_and(Vec::is_empty)));
        found.extend(is_empty("tiers", self.tiers.as_ref().is_some_and(Vec::is_empty)));
        found.extend(is_empty("networks", self.networks.as_ref().is_some_and(Networks::is_empty)));
        if self.tiers.as_ref().is_some_and(|all| all.contains(&"none")) {
            found.push("easier: tiers: none is what nobody vouched for".to_owned());
        }
        found.extend(self.installation.iter().flat_map(InstallationRules::problems));
        found
    }
}

impl Policy {
    /// What cannot be meant in its tables `easier`.
    pub fn easier_problems(&self) -> Vec<String> {
        self.easier.iter().flat_map(Easier::problems).collect()
    }

    /// The policy for a request of which this is known. What depends on the device is left for [`Policy::on_device`].
    pub fn under(&self, known: &Circumstances<'_>) -> Self {
        let mut policy = Self { easier: Vec::new(), ..self.clone() };
        for easier in self.easier.iter().filter_map(|easier| easier.under(known)) {
            match easier.known_device_ms {
                None => policy.eased.extend(easier.chains),
                Some(_) => policy.easier.push(easier),
            }
        }
        policy
    }

    /// The same on a device of which this is known. Only what `under` has left is weighed.
    pub fn on_device(mut self, known: Option<&KnownDevice>, now_ms: i64) -> Self {
        let found = std::mem::take(&mut self.easier);
        let Some(proved_ms) = known.and_then(|known| self.proved_ms(known, now_ms)) else { return self };
        for easier in found.into_iter().filter(Easier::asks_for_nothing_else) {
            if easier.known_device_ms.is_some_and(|within_ms| now_ms - proved_ms <= within_ms) {
                self.eased.extend(easier.chains);
            }
        }
        self
    }

    /// When a device's proofs were made, if they are all that this policy asks for. A device is known up to what was proved on it.
    fn proved_ms(&self, known: &KnownDevice, now_ms: i64) -> Option<i64> {
        let own = self.strict();
        let conditions = Conditions { now_ms, started_ms: now_ms, not_before_ms: 0, prefer: None, transaction: None };
        match policy::next(&own, &conditions, &known.proofs) {
            Some(Next::Satisfied(found)) if found.is_as_named => Some(found.auth_time_ms),
            _ => None,
        }
    }

    /// The policy's own chains alone.
    pub fn strict(&self) -> Self {
        Self { easier: Vec::new(), eased: Vec::new(), ..self.clone() }
    }

    /// Does any chain depend on what is known of the installation?
    pub fn knows_installations(&self) -> bool {
        self.easier.iter().any(|easier| easier.installation.is_some())
    }

    /// Does any chain depend on the device?
    pub fn knows_devices(&self) -> bool {
        self.easier.iter().any(|easier| easier.known_device_ms.is_some())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::login::proof::{Facts, MethodName, Proof};

    const DAY_MS: i64 = 86_400_000;
    const NOW_MS: i64 = 1000 * DAY_MS;
    /// The first of March 2026.
    const NOW_S: i64 = 1_772_323_200;

    fn proof(method: MethodName, at_ms: i64) -> Proof {
        Proof { method, subject: "a".to_owned(), at_ms, facts: Facts::default() }
    }

    fn texts(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn easier() -> Easier {
        Easier { chains: vec![vec![MethodName::PASSWORD]], ..Easier::default() }
    }

    fn policy(easier: Easier) -> Policy {
        Policy { easier: vec![easier], ..Policy::of(&[&[MethodName::PASSWORD, MethodName::TOTP]]).with_acr("urn:two") }
    }

    /// Each line: the conditions, what is known, and whether a password alone is enough. What is not known never eases.
    #[test]
    fn every_condition_that_is_written_must_hold() {
        let networks = || Some(Networks::parse(&["10.0.0.0/8", "2001:db8::/32"]).unwrap());
        let at = |address: &str| Circumstances { address: Some(address.parse().unwrap()), ..Circumstances::default() };
        let nothing = Circumstances::default();
        let app = Circumstances { client: Some("app"), ..nothing };
        let orders = Circumstances { scopes: Some(&["openid", "orders:read"]), ..nothing };
        let more = Circumstances { scopes: Some(&["openid", "orders:write"]), ..nothing };
        let hardware = Circumstances { tier: Some("hardware"), ..nothing };
        let software = Circumstances { tier: Some("software"), ..nothing };
        let whole = Circumstances { client: Some("app"), tier: Some("hardware"), ..at("10.1.2.3") };
        let by_client = Easier { clients: texts(&["app", "web"]), ..easier() };
        let by_scope = Easier { scopes: texts(&["openid", "orders:read"]), ..easier() };
        let by_tier = Easier { tiers: Some(vec!["hardware", "hardware_claimed"]), ..easier() };
        let by_network = Easier { networks: networks(), ..easier() };
        let by_all = Easier { clients: texts(&["app"]), tiers: Some(vec!["hardware"]), networks: networks(), ..easier() };
        let empty = Easier { clients: texts(&[]), ..easier() };
        let rules = InstallationRules { least_patch: Some(202_601), ..InstallationRules::default() };
        let by_installation = Easier { installation: Some(rules), ..easier() };
        let facts = |patch: i64| InstallationFacts::new("android", serde_json::json!({ "os_patch": patch }), NOW_S);
        let (patched, older) = (facts(202_602), facts(202_512));
        let table = [
            (&by_client, app, true),
            (&by_client, Circumstances { client: Some("App"), ..nothing }, false),
            (&by_client, nothing, false),
            (&by_scope, orders, true),
            (&by_scope, Circumstances { scopes: Some(&[]), ..nothing }, true),
            (&by_scope, more, false),
            (&by_scope, nothing, false),
            (&by_tier, hardware, true),
            (&by_tier, software, false),
            (&by_tier, nothing, false),
            (&by_network, at("10.255.0.1"), true),
            (&by_network, at("::ffff:10.0.0.1"), true),
            (&by_network, at("2001:db8::1"), true),
            (&by_network, at("11.0.0.1"), false),
            (&by_network, nothing, false),
            (&by_all, whole, true),
            (&by_all, Circumstances { client: None, ..whole }, false),
            (&by_all, Circumstances { tier: Some("software"), ..whole }, false),
            (&by_all, Circumstances { address: None, ..whole }, false),
            (&by_installation, Circumstances { installation: Some(&patched), ..nothing }, true),
            (&by_installation, Circumstances { installation: Some(&older), ..nothing }, false),
            (&by_installation, whole, false),
            (&empty, app, false),
        ];
        let proofs = [proof(MethodName::PASSWORD, NOW_MS)];
        let conditions = Conditions { now_ms: NOW_MS, started_ms: NOW_MS, not_before_ms: 0, prefer: None, transaction: None };
        for (only, known, is_enough) in table {
            let weighed = policy(only.clone()).under(&known).on_device(None, NOW_MS);
            let next = policy::next(&weighed, &conditions, &proofs);
            match next.unwrap() {
                Next::Satisfied(found) => assert!(is_enough && found.acr.is_none() && found.is_eased, "{only:?} {known:?}"),
                Next::Ask(method) => assert!(!is_enough && method == MethodName::TOTP, "{only:?} {known:?}"),
            }
            // What was never weighed is never enough.
            let next = policy::next(&policy(only.clone()).on_device(None, NOW_MS), &conditions, &proofs);
            assert_eq!(next, Some(Next::Ask(MethodName::TOTP)), "{only:?}");
            // The whole chain is always enough, and gives the acr.
            let both = [proofs[0].clone(), proof(MethodName::TOTP, NOW_MS)];
            let next = policy::next(&weighed, &conditions, &both);
            assert!(matches!(next, Some(Next::Satisfied(found)) if found.acr.as_deref() == Some("urn:two")), "{only:?} {known:?}");
        }
    }

    /// Each line says what was proved on the device and how long ago. It says whether a password alone is enough there now.
    #[test]
    fn a_device_is_known_up_to_what_was_proved_on_it() {
        let within = Easier { known_device_ms: Some(30 * DAY_MS), ..easier() };
        let ago = |days: i64| NOW_MS - days * DAY_MS;
        let both = |days: i64| vec![proof(MethodName::PASSWORD, ago(days)), proof(MethodName::TOTP, ago(days))];
        let table = [
            (Some(both(1)), true),
            (Some(both(30)), true),
            (Some(both(31)), false),
            (Some(vec![proof(MethodName::PASSWORD, ago(31)), proof(MethodName::TOTP, ago(1))]), false),
            (Some(vec![proof(MethodName::PASSWORD, ago(1))]), false),
            (Some(vec![proof(MethodName::PASSWORD, ago(1)), proof(MethodName::RECOVERY, ago(1))]), false),
            (Some(Vec::new()), false),
            (None, false),
        ];
        let conditions = Conditions { now_ms: NOW_MS, started_ms: NOW_MS, not_before_ms: 0, prefer: None, transaction: None };
        let proofs = [proof(MethodName::PASSWORD, NOW_MS)];
        for (known, is_enough) in table {
            let known = known.map(|proofs| KnownDevice { proofs });
            let weighed = policy(within.clone()).under(&Circumstances::default()).on_device(known.as_ref(), NOW_MS);
            let next = policy::next(&weighed, &conditions, &proofs);
            assert_eq!(matches!(next, Some(Next::Satisfied(_))), is_enough, "{known:?}");
            // Beside another condition, both must hold.
            let and_network = Easier { networks: Some(Networks::parse(&["10.0.0.0/8"]).unwrap()), ..within.clone() };
            let weighed = policy(and_network).under(&Circumstances::default()).on_device(known.as_ref(), NOW_MS);
            assert_eq!(policy::next(&weighed, &conditions, &proofs), Some(Next::Ask(MethodName::TOTP)), "{known:?}");
        }
    }

    #[test]
    fn an_eased_policy_is_weaker_than_its_own_chains() {
        let own = policy(easier());
        assert!(own.strict().is_no_weaker_than(&own.strict()));
        assert!(!own.is_no_weaker_than(&own.strict()), "one of its chains is a password alone");
        let with_totp = policy(Easier { known_device_ms: Some(1), ..easier() }).with(&MethodName::EMAIL);
        assert_eq!(with_totp.easier[0].chains, [[MethodName::PASSWORD]], "what the operator eases is not made stricter again");
    }
}
