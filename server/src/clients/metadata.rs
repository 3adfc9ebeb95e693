//! Client metadata (RFC 7591 2, OpenID Connect Registration 1.0 2) becomes a client of ours. The rules of the configuration file hold for
//! it. Or every reason why not is named.

use crate::config::{self, ClientAuthentication, ClientKind, Config, Dpop, GRANTS, Secret, Span, TokenDelivery, USER_SCOPES};
use crate::sensitive::Sensitive;
use crate::visible::is_seen_whole;
use serde_json::{Map, Value as Json};
use symbolon_oauth::base64url;
use symbolon_oauth::jwk::Algorithm;

/// One client out of the file, read and judged.
#[derive(Debug)]
pub struct ReadClient {
    pub id: String,
    pub client: config::Client,
    /// The secret to hand out, if one was made.
    pub secret: Option<Sensitive>,
    pub notes: Vec<String>,
}

/// Members that say nothing we act on.
const UNUSED: [&str; 11] = [
    "client_uri",
    "logo_uri",
    "contacts",
    "tos_uri",
    "policy_uri",
    "software_id",
    "software_version",
    "client_id_issued_at",
    "software_statement",
    // Every ID token has auth_time.
    "require_auth_time",
    // Of a client that signs nothing to authenticate.
    "token_endpoint_auth_signing_alg",
];

/// Members that ask for something which protects people, and which this server does not do.
const PROTECTION: [&str; 2] = ["default_acr_values", "frontchannel_logout_uri"];

/// What makes the digest of a secret.
pub type Digest<'a> = &'a dyn Fn(&str) -> Result<Secret, Vec<String>>;

/// Metadata to a client of ours, or every reason why not.
pub fn read(config: &Config, entry: &Json, digest: Digest<'_>) -> Result<ReadClient, Vec<String>> {
    let Some(members) = entry.as_object() else { return Err(vec!["not a JSON object".to_owned()]) };
    let mut reader = Reader { members: members.clone(), problems: Vec::new() };
    let id = reader.text("client_id");
    reader.problems.extend(id.as_deref().and_then(config::problem_of_id).map(|it| format!("client_id: {it}")));
    let client = reader.client(config);
    let given = reader.text("client_secret");
    if reader.members.remove("client_secret_expires_at").is_some_and(|it| it != 0) {
        reader.problems.push("client_secret_expires_at: secrets do not expire here; leave it out or write 0".to_owned());
    }
    let notes = reader.notes();
    let (mut client, mut secret) = (client, None);
    if client.authentication.uses_secret() {
        if given.as_ref().is_some_and(|it| it.len() < 32) {
            reader.problems.push("client_secret is shorter than 32 bytes; leave it out to get a new one".to_owned());
        }
        let plain = match given {
            Some(plain) => Sensitive::new(plain),
            None => {
                let made = Sensitive::new(base64url::encode(&crate::seal::random::<32>().map_err(|it| vec![it.to_string()])?));
                secret = Some(made.clone());
                made
            }
        };
        client.secret = Some(digest(plain.reveal())?);
    }
    reader.problems.extend(config.judge_registered(&client));
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    let id = match id {
        Some(id) => id,
        None => base64url::encode(&crate::seal::random::<12>().map_err(|fault| vec![fault.to_string()])?),
    };
    Ok(ReadClient { id, client, secret, notes })
}

/// Takes members out one by one; what is left at the end is unknown.
struct Reader {
    members: Map<String, Json>,
    problems: Vec<String>,
}

impl Reader {
    fn text(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) if !text.is_empty() && text.len() <= 2048 && is_seen_whole(&text) => Some(text),
            Some(_) => {
                self.problems.push(format!("{name}: must be a text, not empty"));
                None
            }
        }
    }

    fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let value = self.members.remove(name)?;
        let read: Option<Vec<String>> = value.as_array().and_then(|all| all.iter().map(|it| it.as_str().map(str::to_owned)).collect());
        if read.is_none() {
            self.problems.push(format!("{name}: must be an array of texts"));
        }
        read
    }

    fn client(&mut self, config: &Config) -> config::Client {
        let grants = self.list("grant_types");
        let redirect_uris = self.list("redirect_uris").unwrap_or_default();
        let alone = grants.as_ref().is_some_and(|all| all.iter().all(|it| it == "client_credentials"));
        let kind = self.kind(alone && redirect_uris.is_empty());
        let mut client = config::Client::new(kind);
        client.name = self.text("client_name");
        client.redirect_uris = redirect_uris;
        client.post_logout_redirect_uris = self.list("post_logout_redirect_uris").unwrap_or_default();
        client.jwks = self.members.remove("jwks").map(crate::config::Jwks::new);
        if let Some(grants) = grants {
            for grant in grants.iter().filter(|it| !GRANTS.contains(&it.as_str())) {
                self.problems.push(format!("grant_types: this server does not offer {grant:?}"));
            }
            client.grants = Some(grants.into_iter().filter(|it| GRANTS.contains(&it.as_str())).collect());
        }
        if self.list("response_types").is_some_and(|all| all.iter().any(|it| it != "code")) {
            self.problems.push("response_types: only code".to_owned());
        }
        client.authentication = self.authentication(kind);
        if self.members.remove("attestation").is_some() {
            self.problems.push("attestation: attested clients are written in the configuration file".to_owned());
        }
        if self.members.remove("jwks_uri").is_some() {
            self.problems.push("jwks_uri: keys are not fetched; put them into the file as jwks".to_owned());
        }
        if let Some(scope) = self.text("scope") {
            self.scope(config, &mut client, &scope);
        }
        client.authorization_details_types = self.list("authorization_details_types").unwrap_or_default();
        self.openid(&mut client);
        self.requests(&mut client);
        self.backchannel(&mut client);
        self.refuse_protection();
        client
    }

    /// RFC 7591 has no word for an app; OpenID Connect Registration says native or web, and web is the default.
    fn kind(&mut self, is_service: bool) -> ClientKind {
        match self.text("application_type").as_deref() {
            _ if is_service => ClientKind::Service,
            Some("native") => ClientKind::Native,
            None | Some("web") => ClientKind::Web,
            Some(other) => {
                self.problems.push(format!("application_type: {other:?} is neither native nor web"));
                ClientKind::Web
            }
        }
    }

    /// RFC 7591 2: absent means client_secret_basic; an app cannot keep one.
    fn authentication(&mut self, kind: ClientKind) -> ClientAuthentication {
        let default = if kind == ClientKind::Native { "none" } else { "client_secret_basic" };
        let why = match self.text("token_endpoint_auth_method").as_deref().unwrap_or(default) {
            "none" => return ClientAuthentication::None,
            "client_secret_basic" => return ClientAuthentication::ClientSecretBasic,
            "client_secret_post" => return ClientAuthentication::ClientSecretPost,
            "private_key_jwt" => return ClientAuthentication::PrivateKeyJwt,
            "self_signed_tls_client_auth" => return ClientAuthentication::SelfSignedTlsClientAuth,
            "tls_client_auth" => "tls_client_auth: its CA is a file; such a client belongs in the configuration file".to_owned(),
            "attest_jwt_client_auth" | "attest_jwt_client_auth_dpop" => "attested clients are written in the configuration file".to_owned(),
            other => format!("this server does not offer {other:?}"),
        };
        self.problems.push(format!("token_endpoint_auth_method: {why}"));
        ClientAuthentication::None
    }

    /// Words of the API's go where the API is; the rest are OpenID's.
    fn scope(&mut self, config: &Config, client: &mut config::Client, scope: &str) {
        client.scopes.clear();
        for word in scope.split(' ').filter(|it| !it.is_empty()) {
            let apis: Vec<&String> = config.api.iter().filter(|(_, api)| api.scope.contains_key(word)).map(|(name, _)| name).collect();
            if USER_SCOPES.contains(&word) {
                client.scopes.push(word.to_owned());
            } else if apis.is_empty() {
                self.problems.push(format!("scope: no API has {word:?}"));
            }
            for api in apis {
                client.apis.entry(api.clone()).or_default().push(word.to_owned());
            }
        }
    }

    fn openid(&mut self, client: &mut config::Client) {
        client.id_token_signed_response_alg = self.algorithm("id_token_signed_response_alg");
        // OpenID Connect Registration 2: a client that says nothing reads RS256.
        let gets_id_tokens = client.kind != ClientKind::Service && client.scopes.iter().any(|it| it == "openid");
        if client.id_token_signed_response_alg.is_none() && gets_id_tokens {
            client.id_token_signed_response_alg = Some(Algorithm::RS256);
        }
        match self.members.remove("default_max_age").map(|it| it.as_i64()) {
            None => {}
            Some(Some(seconds)) if (0..=31_536_000).contains(&seconds) => client.default_max_age = Some(Span(seconds)),
            Some(_) => self.problems.push("default_max_age: must be a number of seconds".to_owned()),
        }
        client.require_pushed_authorization_requests = self.flag("require_pushed_authorization_requests");
        client.backchannel_logout_uri = self.text("backchannel_logout_uri");
        // OpenID Connect Back-Channel Logout 1.0 2.2: every logout token of ours has `sid`, whatever the client says here.
        if self.flag("backchannel_logout_session_required") && client.backchannel_logout_uri.is_none() {
            self.problems.push("backchannel_logout_session_required: there is no backchannel_logout_uri".to_owned());
        }
        // RFC 9449 5.2, RFC 8705 3.4: a client that asks to be bound must never be registered unbound.
        if self.flag("dpop_bound_access_tokens") {
            client.dpop = Dpop::Required;
        }
        client.tls_client_certificate_bound_access_tokens = self.flag("tls_client_certificate_bound_access_tokens");
        if self.text("subject_type").is_some_and(|it| it != "public") {
            self.problems.push("subject_type: only public".to_owned());
        }
    }

    /// RFC 9101 10.5, RFC 7523: how the client signs what it sends.
    fn requests(&mut self, client: &mut config::Client) {
        client.require_signed_request_object = self.flag("require_signed_request_object");
        client.request_object_signing_alg = self.algorithm("request_object_signing_alg");
        client.authorization_signed_response_alg = self.algorithm("authorization_signed_response_alg");
        if client.authentication != ClientAuthentication::PrivateKeyJwt {
            return;
        }
        client.token_endpoint_auth_signing_alg = self.algorithm("token_endpoint_auth_signing_alg");
        let keys = client.jwks.as_ref().and_then(|it| it.keys().ok());
        let is_for_none = |alg| keys.is_some_and(|set| !set.keys.iter().any(|key| key.supports(alg)));
        if let Some(alg) = client.token_endpoint_auth_signing_alg.filter(|alg| is_for_none(*alg)) {
            self.problems.push(format!("token_endpoint_auth_signing_alg: no key of jwks is for {}", alg.as_str()));
        }
    }

    /// CIBA Core 4.
    fn backchannel(&mut self, client: &mut config::Client) {
        match self.text("backchannel_token_delivery_mode").as_deref() {
            None | Some("poll") => {}
            Some("ping") => client.backchannel.delivery = TokenDelivery::Ping,
            Some(other) => self.problems.push(format!("backchannel_token_delivery_mode: {other:?} is neither poll nor ping")),
        }
        client.backchannel.notification_endpoint = self.text("backchannel_client_notification_endpoint");
        client.backchannel.user_code = self.flag("backchannel_user_code_parameter");
        if let Some(alg) = self.algorithm("backchannel_authentication_request_signing_alg") {
            (client.require_signed_request_object, client.request_object_signing_alg) = (true, Some(alg));
        }
    }

    fn algorithm(&mut self, name: &str) -> Option<Algorithm> {
        let text = self.text(name)?;
        let read = Algorithm::parse(&text);
        if read.is_none() {
            self.problems.push(format!("{name}: {text:?} is none of ES256, PS256, RS256, EdDSA"));
        }
        read
    }

    /// A member that asks for protection which this server does not give is an error, known or not. To leave it out would accept the client
    /// with less than it asks for.
    fn refuse_protection(&mut self) {
        let asks = |name: &str, value: &Json| {
            let algorithm =
                ["_encrypted_response_alg", "_encrypted_response_enc", "_signed_response_alg", "_encryption_alg", "_encryption_enc"];
            let is_algorithm = algorithm.iter().any(|it| name.ends_with(it)) || name.ends_with("_signing_alg");
            let is_rule = name.starts_with("require_") || name.contains("_require") || name.contains("_bound_");
            let asks = (is_algorithm && !value.is_null()) || (is_rule && *value != false) || PROTECTION.contains(&name);
            asks && !UNUSED.contains(&name)
        };
        let refused: Vec<String> = self.members.iter().filter(|(name, value)| asks(name, value)).map(|(name, _)| name.clone()).collect();
        for name in refused {
            self.members.remove(&name);
            self.problems.push(format!("{name}: this server does not do that; without it the client would get less than it asks for"));
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.members.remove(name) {
            None => false,
            Some(Json::Bool(value)) => value,
            Some(_) => {
                self.problems.push(format!("{name}: must be true or false"));
                false
            }
        }
    }

    /// What was read but is not used, so that nobody believes it is.
    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.members)
            .into_iter()
            .map(|(name, _)| {
                let plain = name.split('#').next().unwrap_or_default();
                if UNUSED.contains(&plain) || plain == "client_name" {
                    format!("{name}: not used here")
                } else {
                    format!("{name}: not known here, and ignored (RFC 7591 2)")
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn read(config: &Config, entry: &Json) -> Result<ReadClient, Vec<String>> {
        let keyring = crate::seal::KeyRing::new(vec![(1, [7; 32])]).unwrap();
        super::read(config, entry, &|plain| Ok(Secret::keyed(&keyring, plain)))
    }

    fn config() -> Config {
        let text = "issuer = \"https://a.example\"\n[api.orders]\naudience = \"https://api.example\"\n[api.orders.scope.\"orders:read\"]\ntext = \"x\"";
        Config::from_text(text, "x", &|_| None).unwrap()
    }

    /// 014-R, 015-R, 016-R, 231-J, and their good twins
    #[test]
    fn what_is_accepted_and_why_not() {
        let good = json!({ "client_name": "Shop", "application_type": "native", "redirect_uris": ["https://app.example.com/cb"],
            "scope": "openid orders:read", "logo_uri": "https://x/y.png", "vendor_extra": 1 });
        let read_good = read(&config(), &good).unwrap_or_else(|it| panic!("{it:?}"));
        assert_eq!(read_good.client.apis["orders"], ["orders:read"]);
        assert_eq!((read_good.client.scopes.clone(), read_good.notes.len()), (vec!["openid".to_owned()], 2));
        assert!(read_good.secret.is_none());
        let with = |name: &str, value: Json| {
            let mut entry = good.clone();
            entry[name] = value;
            read(&config(), &entry).err().unwrap_or_default().join("; ")
        };
        for (name, value, says) in [
            ("redirect_uris", json!(["https://app.example.com/cb#x"]), "redirect_uris"),
            ("redirect_uris", json!(["JaVaScRiPt:alert(1)"]), "redirect_uris"),
            ("redirect_uris", json!(["myapp://cb"]), "redirect_uris"),
            ("redirect_uris", json!("https://app.example.com/cb"), "array"),
            ("redirect_uris", json!([]), "empty"),
            ("scope", json!("openid orders:write"), "orders:write"),
            ("scope", json!(["openid"]), "must be a text"),
            ("grant_types", json!(["implicit"]), "implicit"),
            ("response_types", json!(["token"]), "only code"),
            ("token_endpoint_auth_method", json!("client_secret_basic"), "cannot keep a secret"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "jwks is missing"),
            ("jwks_uri", json!("https://x/jwks"), "not fetched"),
            ("attestation", json!({ "android": { "packages": ["com.example.shop"] } }), "configuration file"),
            ("attestation", Json::Null, "configuration file"),
            ("token_endpoint_auth_method", json!("attest_jwt_client_auth_dpop"), "configuration file"),
            ("token_endpoint_auth_method", json!("tls_client_auth"), "configuration file"),
            ("application_type", json!("browser"), "neither"),
            ("subject_type", json!("pairwise"), "only public"),
            ("id_token_signed_response_alg", json!("none"), "none of"),
            ("default_max_age", json!("1"), "number"),
            ("token_endpoint_auth_method", json!("tls_client_auth"), "belongs in the configuration file"),
            ("token_endpoint_auth_method", json!("self_signed_tls_client_auth"), "need the table [mtls]"),
            ("tls_client_certificate_bound_access_tokens", json!(true), "need the table [mtls]"),
            ("dpop_bound_access_tokens", json!("true"), "true or false"),
        ] {
            assert!(with(name, value.clone()).contains(says), "{name} {value}: {}", with(name, value.clone()));
        }
        let ec = symbolon_oauth::jwk::PrivateKey::generate(Algorithm::ES256).unwrap().public().to_jwk();
        let rsa = |bytes: usize, e: &str| json!({ "kty": "RSA", "n": base64url::encode(&vec![0xc1; bytes]), "e": e });
        let enc = json!({ "kty": "EC", "crv": "P-256", "x": ec["x"], "y": ec["y"], "use": "enc" });
        let oct = json!({ "kty": "oct", "k": "c2Vj" });
        for keys in [json!([rsa(64, "AQAB")]), json!([rsa(256, "AQ")]), json!([oct]), json!([ec, enc])] {
            assert!(with("jwks", json!({ "keys": keys })).contains("not a key set we accept"), "{keys}");
        }
        assert_eq!(with("jwks", json!({ "keys": [ec] })), "");
        let mut bound = good.clone();
        bound["dpop_bound_access_tokens"] = true.into();
        assert_eq!(read(&config(), &bound).unwrap_or_else(|it| panic!("{it:?}")).client.dpop, Dpop::Required);
        let web = json!({ "redirect_uris": ["https://web.example.com/cb"] });
        let read_web = read(&config(), &web).unwrap_or_else(|it| panic!("{it:?}"));
        assert!(read_web.secret.is_some() && read_web.client.secret.is_some());
        assert!(read(&config(), &json!({ "redirect_uris": ["https://web.example.com/cb"], "client_secret": "short" })).is_err());
        let robot = read(&config(), &json!({ "grant_types": ["client_credentials"], "scope": "orders:read" }));
        assert_eq!(robot.unwrap_or_else(|it| panic!("{it:?}")).client.kind, ClientKind::Service);
    }

    /// What the metadata asks for is kept or refused, never left out.
    #[test]
    fn nothing_is_accepted_with_less_than_it_asks_for() {
        let ec = symbolon_oauth::jwk::PrivateKey::generate(Algorithm::ES256).unwrap().public().to_jwk();
        let rsa = symbolon_oauth::jwk::PrivateKey::generate(Algorithm::RS256).unwrap().public().to_jwk();
        let mut marked = rsa.clone();
        marked["alg"] = "PS256".into();
        let good = json!({ "redirect_uris": ["https://web.example.com/cb"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [ec] }, "require_signed_request_object": true, "request_object_signing_alg": "ES256",
            "token_endpoint_auth_signing_alg": "ES256", "authorization_signed_response_alg": "PS256", "require_auth_time": true,
            "require_something_new": false });
        let kept = read(&config(), &good).unwrap_or_else(|it| panic!("{it:?}")).client;
        assert!(kept.require_signed_request_object);
        assert_eq!(
            (kept.request_object_signing_alg, kept.authorization_signed_response_alg),
            (Some(Algorithm::ES256), Some(Algorithm::PS256))
        );
        assert_eq!(kept.id_token_signed_response_alg, Some(Algorithm::RS256), "as OpenID Registration has it");
        let with = |members: Json| {
            let mut entry = good.clone();
            entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            read(&config(), &entry).err().unwrap_or_default().join("; ")
        };
        assert_eq!(with(json!({ "id_token_signed_response_alg": "ES256" })), "");
        for required in [true, false] {
            let told = json!({ "backchannel_logout_uri": "https://web.example.com/out", "backchannel_logout_session_required": required });
            assert_eq!(with(told), "");
        }
        assert_eq!(with(json!({ "backchannel_authentication_request_signing_alg": "ES256" })), "");
        let keys = |keys: Json, alg: &str| json!({ "jwks": { "keys": keys }, "token_endpoint_auth_signing_alg": alg });
        for taken in [keys(json!([marked]), "PS256"), keys(json!([rsa]), "PS256"), keys(json!([ec, rsa]), "ES256")] {
            assert_eq!(with(taken.clone()), "", "{taken}");
        }
        assert_eq!(kept.token_endpoint_auth_signing_alg, Some(Algorithm::ES256));
        for (members, says) in [
            (keys(json!([marked]), "RS256"), "no key of jwks is for RS256"),
            (keys(json!([ec]), "PS256"), "no key of jwks is for PS256"),
            (json!({ "token_endpoint_auth_signing_alg": "HS256" }), "none of"),
            (json!({ "request_object_signing_alg": "none" }), "none of"),
            (json!({ "request_object_signing_alg": 7 }), "must be a text"),
            (json!({ "require_signed_request_object": "true" }), "true or false"),
            (json!({ "require_signed_request_object": null }), "true or false"),
            (json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }), "less than it asks for"),
            (json!({ "userinfo_signed_response_alg": "RS256" }), "less than it asks for"),
            (json!({ "request_object_encryption_enc": "A256GCM" }), "less than it asks for"),
            (json!({ "backchannel_authentication_request_signing_alg": "none" }), "none of"),
            (json!({ "require_something_new": true }), "less than it asks for"),
            (json!({ "default_acr_values": ["urn:example:two-factor"] }), "less than it asks for"),
            (json!({ "frontchannel_logout_uri": "https://web.example.com/out" }), "less than it asks for"),
            (json!({ "frontchannel_logout_session_required": true }), "less than it asks for"),
            (json!({ "backchannel_logout_uri": "http://web.example.com/out" }), "no https URL"),
            (json!({ "backchannel_logout_uri": "https://web.example.com/out#x" }), "no https URL"),
            (json!({ "backchannel_logout_uri": ["https://web.example.com/out"] }), "must be a text"),
            (json!({ "backchannel_logout_session_required": true }), "there is no backchannel_logout_uri"),
            (
                json!({ "backchannel_logout_uri": "https://web.example.com/out", "backchannel_logout_session_required": "yes" }),
                "true or false",
            ),
            (json!({ "redirect_uris": ["https://*.example.com/cb"] }), "wildcard"),
            (json!({ "redirect_uris": ["https://web*.example.com/cb"] }), "wildcard"),
            (json!({ "post_logout_redirect_uris": ["https://*.example.com/"] }), "wildcard"),
        ] {
            assert!(with(members.clone()).contains(says), "{members}: {}", with(members.clone()));
        }
    }
}
