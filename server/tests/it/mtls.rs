//! Client certificates (RFC 8705): through a TLS handshake of our own, and through a proxy that ends TLS (RFC 9440).

use crate::world::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

use symbolon_oauth::{base64url, certificate, dpop};

/// A CA with what it issued.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

pub struct Cert {
    pub der: Vec<u8>,
    key: KeyPair,
}

impl Ca {
    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = dn(&[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn new(name: &str) -> Self {
        let (params, key) = (Self::params(name), KeyPair::generate().unwrap());
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A CA below this one, and its certificate.
    fn below(&self, name: &str, serial: u64) -> (Self, Vec<u8>) {
        let (mut params, key) = (Self::params(name), KeyPair::generate().unwrap());
        params.serial_number = Some(SerialNumber::from(serial));
        let made = params.signed_by(&key, &self.issuer).unwrap();
        (Self { issuer: Issuer::new(params, key), pem: made.pem() }, made.der().to_vec())
    }

    pub fn issue(&self, serial: u64, subject: &[(DnType, &str)], change: impl FnOnce(&mut CertificateParams)) -> Cert {
        self.issue_for(KeyPair::generate().unwrap(), serial, subject, change)
    }

    fn issue_for(&self, key: KeyPair, serial: u64, subject: &[(DnType, &str)], change: impl FnOnce(&mut CertificateParams)) -> Cert {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = dn(subject);
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Cert { der: made.der().to_vec(), key }
    }

    fn crl(&self, revoked: &[u64], next_days: i64) -> String {
        let now = std::time::SystemTime::now();
        let at = |days: i64| {
            let second = if days < 0 {
                now - std::time::Duration::from_secs(86_400 * days.unsigned_abs())
            } else {
                now + std::time::Duration::from_secs(86_400 * days.unsigned_abs())
            };
            second.into()
        };
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: at(-2),
            reason_code: None,
            invalidity_date: None,
        });
        CertificateRevocationListParams {
            this_update: at(-3),
            next_update: at(next_days),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .unwrap()
        .pem()
        .unwrap()
    }
}

fn dn(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

pub struct Fleet {
    pub world: World,
    pub ca: Ca,
    directory: PathBuf,
}

/// The clients of these tests; certificates come through a proxy on loopback.
pub async fn fleet(engine: Engine) -> Fleet {
    fleet_with(engine, |_| String::new()).await
}

/// The same with further clients, whose devices have certificates of the fleet: `tls_client_auth` of a client.
pub async fn fleet_with(engine: Engine, further: impl FnOnce(&str) -> String) -> Fleet {
    let directory = std::env::temp_dir().join(format!("symbolon-mtls-{}-{}", std::process::id(), free_port()));
    std::fs::create_dir_all(&directory).unwrap();
    let ca = Ca::new("Fleet CA");
    std::fs::write(directory.join("ca.pem"), &ca.pem).unwrap();
    std::fs::write(directory.join("fleet.crl"), ca.crl(&[], 30)).unwrap();
    let (ca_file, crl) = (directory.join("ca.pem"), directory.join("fleet.crl"));
    let (ca_file, crl) = (ca_file.display(), crl.display());
    let robot = |id: &str, rule: &str| {
        format!(
            "[client.{id}]\nkind = \"service\"\nauthentication = \"tls_client_auth\"\napis = {{ orders = [\"orders:read\"] }}\n\
             tls_client_certificate_bound_access_tokens = true\ntls_client_auth = {{ ca = '{ca_file}', crl = '{crl}', {rule} }}\n"
        )
    };
    let bank = |id: &str, kind: &str, rule: &str| {
        format!(
            "[client.{id}]\nkind = \"{kind}\"\nfirst_party = true\nprofile = \"fapi2\"\nauthentication = \"tls_client_auth\"\n\
             redirect_uris = [\"https://bank.example.com/cb\"]\napis = {{ orders = [\"orders:read\"] }}\n\
             tls_client_certificate_bound_access_tokens = true\ntls_client_auth = {{ ca = '{ca_file}', crl = '{crl}', {rule} }}\n"
        )
    };
    let more = format!(
        "[mtls]\nurl = \"https://mtls.example.com\"\nclient_cert_from = [\"127.0.0.1\"]\n{}{}[client.fleet]\nkind = \"native\"\nfirst_party = true\nauthentication = \"tls_client_auth\"\n\
         grants = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\n\
         redirect_uris = [\"https://fleet.example.com/cb\"]\napis = {{ orders = [\"orders:read\"] }}\n\
         tls_client_auth = {{ ca = '{ca_file}', crl = '{crl}', devices = true }}\n\
         [client.bound]\nkind = \"native\"\nfirst_party = true\nredirect_uris = [\"https://bound.example.com/cb\"]\n\
         apis = {{ orders = [\"orders:read\"] }}\ntls_client_certificate_bound_access_tokens = true\n{}{}",
        robot("by-name", "subject_dn = \"CN=robot,O=Example\\\\, Inc.\""),
        robot("by-host", "san_dns = \"robot.example.com\""),
        bank("bank", "web", "subject_dn = \"CN=robot,O=Example\\\\, Inc.\""),
        bank("bank-fleet", "native", "devices = true"),
    );
    let further = further(&format!("{{ ca = '{ca_file}', crl = '{crl}', devices = true }}"));
    Fleet { world: Configuration::on(engine).await.with(&more).with(&further).start().await, ca, directory }
}

impl Fleet {
    /// A request to /token as a proxy passes it on, with these headers.
    async fn token(&self, form: &[(&str, &str)], headers: &[(&str, &str)]) -> (u16, Json) {
        self.post("/token", form, headers).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> (u16, Json) {
        let mut request = self.world.http.post(self.world.url(path)).form(form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn robot(&self, id: &str, certificate: &[u8]) -> (u16, Json) {
        self.token(&[("grant_type", "client_credentials"), ("client_id", id)], &[("client-cert", &certificate::to_header(certificate))])
            .await
    }

    pub async fn stop(self) {
        self.world.stop().await;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn robot_name() -> Vec<(DnType, &'static str)> {
    vec![(DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "robot")]
}

/// 189-M, 195-M, 197-M: exactly the registered name, from this CA, for this purpose; and the token is bound to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_certificate() {
    let fleet = fleet(Engine::Sqlite).await;
    let invalid = |answer: (u16, Json)| assert_eq!((answer.0, answer.1["error"].as_str()), (401, Some("invalid_client")), "{}", answer.1);
    let good = fleet.ca.issue(1, &robot_name(), |_| {});
    let (status, answer) = fleet.robot("by-name", &good.der).await;
    assert_eq!(status, 200, "{answer}");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(token["cnf"], json!({ "x5t#S256": certificate::thumbprint(&good.der) }));
    assert_eq!(answer["token_type"], "Bearer", "RFC 8705 3: bound, and still Bearer");
    // Other names, two common names, another CA, another purpose, an expired one, rubbish.
    let two = fleet.ca.issue(
        2,
        &[(DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "robot"), (DnType::CountryName, "DE")],
        |_| {},
    );
    let cased = fleet.ca.issue(3, &[(DnType::OrganizationName, "Example, Inc."), (DnType::CommonName, "Robot")], |_| {});
    let split = fleet.ca.issue(4, &[(DnType::OrganizationName, "Example"), (DnType::CommonName, "robot")], |_| {});
    let foreign = Ca::new("Fleet CA").issue(1, &robot_name(), |_| {});
    let server = fleet.ca.issue(5, &robot_name(), |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let expired = fleet.ca.issue(6, &robot_name(), |it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    for (name, bad) in [("two", two), ("cased", cased), ("split", split), ("foreign", foreign), ("server", server), ("expired", expired)] {
        println!("{name}");
        invalid(fleet.robot("by-name", &bad.der).await);
    }
    invalid(fleet.robot("by-name", b"rubbish").await);
    invalid(fleet.robot("by-name", &[good.der.clone(), vec![0]].concat()).await);
    // By host name: the registered one, not a wildcard and not the common name.
    let san = |name: &str| {
        let name = SanType::DnsName(name.to_owned().try_into().unwrap());
        fleet.ca.issue(7, &[(DnType::CommonName, "robot.example.com")], |it| it.subject_alt_names = vec![name])
    };
    assert_eq!(fleet.robot("by-host", &san("robot.example.com").der).await.0, 200);
    invalid(fleet.robot("by-host", &san("*.example.com").der).await);
    invalid(fleet.robot("by-host", &fleet.ca.issue(8, &[(DnType::CommonName, "robot.example.com")], |_| {}).der).await);
    invalid(fleet.robot("by-host", &good.der).await);
    // 187-M: under another name, or twice, the header is nothing; without any there is no fallback.
    let form = [("grant_type", "client_credentials"), ("client_id", "by-name")];
    let header = certificate::to_header(&good.der);
    for name in ["x-ssl-client-cert", "client_cert", "x-forwarded-client-cert"] {
        invalid(fleet.token(&form, &[(name, &header)]).await);
    }
    invalid(fleet.token(&form, &[("client-cert", &header), ("client-cert", &header)]).await);
    invalid(fleet.token(&form, &[]).await);
    assert_eq!(fleet.token(&form, &[("client-cert", &header)]).await.0, 200);
    // A secret beside a certificate is no second chance.
    invalid(fleet.token(&[form[0], form[1], ("client_secret", SECRET)], &[("client-cert", &header)]).await);
    fleet.stop().await;
}

/// RFC 8705 5, RFC 9449 4.2: a proof names the endpoint of `mtls_endpoint_aliases`, or the usual one, with a certificate or without one. It
/// never names another endpoint or another server.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_names_the_alias() {
    let fleet = fleet(Engine::Sqlite).await;
    let key = new_key();
    let header = certificate::to_header(&fleet.ca.issue(1, &robot_name(), |_| {}).der);
    let mut nonce: Option<String> = None;
    let mut post = async |client: &str, url: &str, shown: bool| {
        for _ in 0..2 {
            let jti = base64url::encode(&symbolon::seal::random::<9>().unwrap());
            let now_s = fleet.world.running.shared.now().now_ms() / 1000;
            let proof = dpop::make(
                &key,
                &dpop::Statement { method: "POST", url, nonce: nonce.as_deref(), access_token: None, jti: &jti, iat: now_s },
            )
            .unwrap();
            let form = [("grant_type", "client_credentials"), ("client_id", client)];
            let mut request = fleet.world.http.post(fleet.world.url("/token")).form(&form).header("dpop", proof);
            if shown {
                request = request.header("client-cert", &header);
            }
            let answer = request.send().await.unwrap();
            nonce = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            let (status, body) = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
            if body["error"] != "use_dpop_nonce" {
                return (status, body);
            }
        }
        panic!("the nonce is never good");
    };
    let (alias, usual) = ("https://mtls.example.com/token", fleet.world.url("/token"));
    for url in [alias, &usual] {
        let (status, answer) = post("by-name", url, true).await;
        assert_eq!((status, answer["token_type"].as_str()), (200, Some("DPoP")), "{answer}");
        let cnf = claims(answer["access_token"].as_str().unwrap())["cnf"].clone();
        assert!(cnf["jkt"].is_string() && cnf["x5t#S256"].is_string(), "{cnf}");
    }
    for (url, shown) in [("https://mtls.example.com/par", true), ("https://evil.test/token", true), ("https://mtls.example.com/par", false)]
    {
        let (status, answer) = post(if shown { "by-name" } else { "shop-ios" }, url, shown).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_dpop_proof")), "{url}");
    }
    for url in [alias, &usual] {
        assert_eq!(post("shop-ios", url, false).await.1["error"], "unauthorized_client", "the proof is good");
    }
    fleet.stop().await;
}

/// 187-M: who is no configured proxy passes nothing on.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_in_the_header_of_a_stranger_is_ignored() {
    let fleet = fleet(Engine::Sqlite).await;
    let good = fleet.ca.issue(1, &robot_name(), |_| {});
    assert_eq!(fleet.robot("by-name", &good.der).await.0, 200);
    fleet.world.reload(|it| it.set("mtls.client_cert_from", vec!["127.0.0.2"])).await;
    assert_eq!(fleet.robot("by-name", &good.der).await.0, 401);
    fleet.stop().await;
}

/// 194-M: a revoked certificate is refused once the list says so, and an overdue list refuses everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_over() {
    let fleet = fleet(Engine::Sqlite).await;
    let (lost, kept) = (fleet.ca.issue(7, &robot_name(), |_| {}), fleet.ca.issue(8, &robot_name(), |_| {}));
    assert_eq!((fleet.robot("by-name", &lost.der).await.0, fleet.robot("by-name", &kept.der).await.0), (200, 200));
    let publish = async |crl: &str| {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        std::fs::write(fleet.directory.join("fleet.crl"), crl).unwrap();
    };
    publish(&fleet.ca.crl(&[7], 30)).await;
    assert_eq!((fleet.robot("by-name", &lost.der).await.0, fleet.robot("by-name", &kept.der).await.0), (401, 200));
    publish("not a list").await;
    assert_eq!(
        (fleet.robot("by-name", &lost.der).await.0, fleet.robot("by-name", &kept.der).await.0),
        (401, 200),
        "the last good list stays"
    );
    publish(&fleet.ca.crl(&[7], -1)).await;
    assert_eq!(fleet.robot("by-name", &kept.der).await.0, 401);
    publish(&fleet.ca.crl(&[7], 30)).await;
    assert_eq!(fleet.robot("by-name", &kept.der).await.0, 200);
    fleet.stop().await;
}

/// 194-M: a chain is good when every CA in it is: a revoked intermediate, or one that no list speaks of, takes its certificates
/// with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_intermediate_is_over() {
    let fleet = fleet(Engine::Sqlite).await;
    let (branch, branch_der) = fleet.ca.below("Branch CA", 70);
    let (other, other_der) = fleet.ca.below("Other branch", 71);
    let robot = async |leaf: &Cert, ca: &[u8]| {
        let (leaf, chain) = (certificate::to_header(&leaf.der), certificate::to_header(ca));
        let form = [("grant_type", "client_credentials"), ("client_id", "by-name")];
        fleet.token(&form, &[("client-cert", &leaf), ("client-cert-chain", &chain)]).await.0
    };
    let (mine, theirs) = (branch.issue(1, &robot_name(), |_| {}), other.issue(1, &robot_name(), |_| {}));
    let publish = async |lists: &[String]| {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        std::fs::write(fleet.directory.join("fleet.crl"), lists.concat()).unwrap();
    };
    let (both, good) = ([branch.crl(&[], 30), other.crl(&[], 30)].concat(), fleet.ca.crl(&[], 30));
    publish(&[both.clone(), good]).await;
    assert_eq!((robot(&mine, &branch_der).await, robot(&theirs, &other_der).await), (200, 200));
    publish(&[both.clone(), fleet.ca.crl(&[70], 30)]).await;
    assert_eq!((robot(&mine, &branch_der).await, robot(&theirs, &other_der).await), (401, 200));
    publish(std::slice::from_ref(&both)).await;
    assert_eq!((robot(&mine, &branch_der).await, robot(&theirs, &other_der).await), (401, 401), "nobody says that they are good");
    publish(&[other.crl(&[], 30), fleet.ca.crl(&[], 30)]).await;
    assert_eq!((robot(&mine, &branch_der).await, robot(&theirs, &other_der).await), (401, 200));
    fleet.stop().await;
}

async fn signed_in(fleet: &Fleet, client: &str, back: &str, certificate: &[u8]) -> (u16, Json) {
    let ask = Ask::new(client, back, "openid orders:read");
    let code = Browser::default().sign_in(&fleet.world, &ask, "alice").await["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("code_verifier", &ask.verifier),
        ("redirect_uri", back),
    ];
    fleet.token(&form, &[("client-cert", &certificate::to_header(certificate))]).await
}

async fn refreshed(fleet: &Fleet, client: &str, tokens: &Json, certificate: Option<&[u8]>) -> (u16, Json) {
    let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let header = certificate.map(certificate::to_header);
    fleet.token(&form, &header.as_deref().map(|it| vec![("client-cert", it)]).unwrap_or_default()).await
}

/// Every device of the organisation is its own: a renewed certificate keeps the session, another device's does not open it, and
/// one device is revoked alone.
#[tokio::test(flavor = "multi_thread")]
async fn every_managed_device_is_its_own() {
    for engine in engines() {
        let fleet = fleet(engine).await;
        let subject = |name: &'static str| [(DnType::OrganizationName, "Example"), (DnType::CommonName, name)];
        let (phone, other) = (fleet.ca.issue(1, &subject("phone-1"), |_| {}), fleet.ca.issue(2, &subject("phone-2"), |_| {}));
        let renewed = fleet.ca.issue(3, &subject("phone-1"), |_| {});
        let back = "https://fleet.example.com/cb";
        let (status, tokens) = signed_in(&fleet, "fleet", back, &phone.der).await;
        assert_eq!(status, 200, "{tokens}");
        let (_, others) = signed_in(&fleet, "fleet", back, &other.der).await;
        // 193-M: another device, no device, the renewed certificate of this one.
        assert_eq!(refreshed(&fleet, "fleet", &tokens, Some(&other.der)).await.1["error"], "invalid_grant");
        assert_eq!(refreshed(&fleet, "fleet", &tokens, None).await.1["error"], "invalid_client");
        let (status, tokens) = refreshed(&fleet, "fleet", &tokens, Some(&renewed.der)).await;
        assert_eq!(status, 200, "{tokens}");
        // Tokens that a device gets for itself are its own as well.
        let own = async |der: &[u8]| fleet.robot("fleet", der).await.1["access_token"].as_str().unwrap().to_owned();
        let (by_phone, by_other) = (own(&phone.der).await, own(&other.der).await);
        let active = async |token: &str| fleet.world.post("/introspect", &[("token", token)], Some("orders")).await.1["active"] == true;
        assert!(active(&by_phone).await && active(&by_other).await);
        // The operator sees both, and ends one.
        let app = fleet.world.running.shared.now();
        let rows = app.store.all("SELECT jkt, facts, platform FROM instance WHERE client = 'fleet'", &[]).await.unwrap();
        let of = |name: &str| rows.iter().find(|it| it.text("facts").unwrap().contains(name)).unwrap().text("jkt").unwrap().to_owned();
        assert_eq!((rows.len(), rows[0].text("platform").unwrap()), (2, "managed"));
        assert_eq!(fleet.world.audited("device_enrolled").await, 2);
        let file = fleet.world.file();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"));
        let said = command.args(["--config"]).arg(&file).args(["instance", "revoke", "--", &of("phone-1")]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("1 grant ended"), "{said}");
        assert!(!active(&by_phone).await && active(&by_other).await);
        assert_eq!(refreshed(&fleet, "fleet", &tokens, Some(&renewed.der)).await.0, 401);
        assert_eq!(refreshed(&fleet, "fleet", &others, Some(&other.der)).await.0, 200);
        fleet.stop().await;
    }
}

/// A device is a name of a CA's: without a name nobody is it, and the same name of another CA's is another device.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_a_name_of_its_ca() {
    let fleet = fleet(Engine::Sqlite).await;
    let second = Ca::new("Second fleet CA");
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    std::fs::write(fleet.directory.join("ca.pem"), format!("{}{}", fleet.ca.pem, second.pem)).unwrap();
    std::fs::write(fleet.directory.join("fleet.crl"), format!("{}{}", fleet.ca.crl(&[], 30), second.crl(&[], 30))).unwrap();
    let name = [(DnType::CommonName, "phone-1")];
    let (phone, namesake) = (fleet.ca.issue(1, &name, |_| {}), second.issue(1, &name, |_| {}));
    let back = "https://fleet.example.com/cb";
    let (status, tokens) = signed_in(&fleet, "fleet", back, &phone.der).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(signed_in(&fleet, "fleet", back, &namesake.der).await.0, 200);
    assert_eq!(refreshed(&fleet, "fleet", &tokens, Some(&namesake.der)).await.1["error"], "invalid_grant");
    assert_eq!(refreshed(&fleet, "fleet", &tokens, Some(&phone.der)).await.0, 200);
    let nobody = fleet.ca.issue(2, &[], |_| {});
    let (status, answer) = signed_in(&fleet, "fleet", back, &nobody.der).await;
    assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(fleet.world.audited("device_enrolled").await, 2);
    fleet.stop().await;
}

/// 191-M, 193-M: a public client's tokens are bound to the certificate it shows, here and at userinfo, and to no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_clients_tokens_are_bound_to_its_certificate() {
    for engine in engines() {
        let fleet = fleet(engine).await;
        let (mine, thief) = (fleet.ca.issue(1, &robot_name(), |_| {}), fleet.ca.issue(2, &robot_name(), |_| {}));
        let back = "https://bound.example.com/cb";
        let (status, tokens) = signed_in(&fleet, "bound", back, &mine.der).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(refreshed(&fleet, "bound", &tokens, None).await.0, 401);
        assert_eq!(refreshed(&fleet, "bound", &tokens, Some(&thief.der)).await.1["error"], "invalid_grant");
        // Renewed for the same key it goes on, and its tokens are the new certificate's; the same names for another key do not.
        let again = KeyPair::try_from(mine.key.serialize_der()).unwrap();
        let (renewed, copied) = (fleet.ca.issue_for(again, 3, &robot_name(), |_| {}), fleet.ca.issue(1, &robot_name(), |_| {}));
        assert_eq!(refreshed(&fleet, "bound", &tokens, Some(&copied.der)).await.1["error"], "invalid_grant");
        let (status, tokens) = refreshed(&fleet, "bound", &tokens, Some(&renewed.der)).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["cnf"]["x5t#S256"], certificate::thumbprint(&renewed.der));
        let (status, tokens) = refreshed(&fleet, "bound", &tokens, Some(&mine.der)).await;
        assert_eq!(status, 200, "{tokens}");
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "bound"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ("scope", "openid"),
            ("resource", &fleet.world.issuer),
        ];
        let (status, mine_only) = fleet.token(&form, &[("client-cert", &certificate::to_header(&mine.der))]).await;
        assert_eq!(status, 200, "{mine_only}");
        let token = mine_only["access_token"].as_str().unwrap();
        let userinfo = async |certificate: Option<&Cert>| {
            let mut request = fleet.world.http.get(fleet.world.url("/userinfo")).bearer_auth(token);
            if let Some(fleet) = certificate {
                request = request.header("client-cert", certificate::to_header(&fleet.der));
            }
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!((userinfo(None).await, userinfo(Some(&thief)).await, userinfo(Some(&mine)).await), (401, 401, 200));
        fleet.stop().await;
    }
}

/// The handshake itself: a self-signed certificate that is registered, over the listener that asks for one; the usual listener
/// asks nobody. 188-M: the certificate without its key is nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_proved_in_the_handshake() {
    let directory = std::env::temp_dir().join(format!("symbolon-mtls-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let server = self_signed(&directory, "localhost");
    let key = new_key();
    let own = KeyPair::try_from(key.to_pkcs8()).unwrap();
    let made = CertificateParams::new(vec!["robot".to_owned()]).unwrap().self_signed(&own).unwrap();
    let mut jwk = key.public().to_jwk();
    let x5c = certificate::to_header(made.der());
    jwk["x5c"] = json!([x5c.trim_matches(':')]);
    let mtls = free_port();
    let ports = format!("mtls = {{ url = \"https://localhost:{mtls}\", listen = \"127.0.0.1:{mtls}\" }}");
    let configuration = Configuration::on(Engine::Sqlite).await.with_tls(&directory).with(&ports);
    let port = configuration.port;
    let jwk = format!("{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {}, x5c = {} }}", jwk["x"], jwk["y"], jwk["x5c"]);
    let pinned = format!(
        "[client.pinned]\nkind = \"service\"\nauthentication = \"self_signed_tls_client_auth\"\njwks = {{ keys = [{jwk}] }}\n\
         apis = {{ orders = [\"orders:read\"] }}\ntls_client_certificate_bound_access_tokens = true\n"
    );
    let world = configuration.with(&pinned).start().await;
    let root = reqwest::Certificate::from_pem(server.as_bytes()).unwrap();
    let client = |identity: Option<String>| {
        let builder = reqwest::Client::builder().tls_certs_only([root.clone()]);
        match identity {
            Some(pem) => builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap()),
            None => builder,
        }
        .build()
        .unwrap()
    };
    let plain = client(None);
    let metadata: Json =
        plain.get(format!("https://localhost:{port}/.well-known/oauth-authorization-server")).send().await.unwrap().json().await.unwrap();
    let endpoint = metadata["mtls_endpoint_aliases"]["token_endpoint"].as_str().unwrap().to_owned();
    assert_eq!(endpoint, format!("https://localhost:{mtls}/token"));
    let form = [("grant_type", "client_credentials"), ("client_id", "pinned")];
    let post = async |client: &reqwest::Client, url: &str| {
        let answer = client.post(url).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Json>().await.unwrap())
    };
    let mine = client(Some(format!("{}{}", made.pem(), own.serialize_pem())));
    let (status, answer) = post(&mine, &endpoint).await;
    assert_eq!(status, 200, "{answer}");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(token["cnf"]["x5t#S256"], certificate::thumbprint(made.der()));
    assert_eq!(post(&plain, &endpoint).await.0, 401, "no certificate");
    assert_eq!(post(&mine, metadata["token_endpoint"].as_str().unwrap()).await.0, 401, "the usual address asks for none");
    for url in [endpoint.as_str(), metadata["token_endpoint"].as_str().unwrap()] {
        let text = plain.post(url).form(&form).header("client-cert", certificate::to_header(made.der())).send().await.unwrap();
        let (status, answer) = (text.status().as_u16(), text.json::<Json>().await.unwrap());
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")), "its text alone, at {url}");
    }
    let stranger = KeyPair::generate().unwrap();
    let copy = CertificateParams::new(vec!["robot".to_owned()]).unwrap().self_signed(&stranger).unwrap();
    assert_eq!(
        post(&client(Some(format!("{}{}", copy.pem(), stranger.serialize_pem()))), &endpoint).await.0,
        401,
        "the same name, another key"
    );
    world.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

fn self_signed(directory: &Path, host: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), made.pem()).unwrap();
    made.pem()
}

/// FAPI 2.0, points 8 to 10, 13, 20 to 22 and 27 of docs/fapi.md, for clients of mutual TLS: authenticated and bound by a certificate, a
/// refresh token that stays, and a code that works once, whoever repeats it. Without the profile a device may repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_fapi_by_certificate() {
    for engine in engines() {
        let fleet = fleet(engine).await;
        let (mine, other) = (fleet.ca.issue(1, &robot_name(), |_| {}), fleet.ca.issue(2, &[(DnType::CommonName, "other")], |_| {}));
        let (mine, other) = (certificate::to_header(&mine.der), certificate::to_header(&other.der));
        let error = |answer: (u16, Json)| (answer.0, answer.1["error"].as_str().unwrap_or_default().to_owned());
        let is = |status: u16, error: &str| (status, error.to_owned());
        for (client, back, profiled) in [
            ("bank", "https://bank.example.com/cb", true),
            ("bank-fleet", "https://bank.example.com/cb", true),
            ("fleet", "https://fleet.example.com/cb", false),
        ] {
            let ask = Ask::new(client, back, "openid orders:read");
            let form = ask.form();
            assert_eq!(error(fleet.post("/par", &form, &[]).await), is(401, "invalid_client"), "{client}: 22");
            let direct = Browser::default().open(&fleet.world, &ask).await;
            assert_eq!(direct.status, if profiled { 400 } else { 200 }, "{client}: 21");
            let (status, pushed) = fleet.post("/par", &form, &[("client-cert", &mine)]).await;
            assert_eq!(status, 201, "{client}: {pushed}");
            let mut short = ask.clone();
            let uri = pushed["request_uri"].as_str().unwrap();
            short.parameters = [("client_id", client), ("request_uri", uri)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            let code = Browser::default().sign_in(&fleet.world, &short, "alice").await["code"].clone();
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", client),
                ("code", &code),
                ("code_verifier", &ask.verifier),
                ("redirect_uri", back),
            ];
            assert_eq!(error(fleet.token(&form, &[]).await), is(401, "invalid_client"), "{client}: 10");
            let theirs = fleet.token(&form, &[("client-cert", &other)]).await;
            assert_eq!(error(theirs), if client == "bank" { is(401, "invalid_client") } else { is(400, "invalid_grant") }, "{client}");
            let (status, tokens) = fleet.token(&form, &[("client-cert", &mine)]).await;
            assert_eq!(status, 200, "{client}: {tokens}");
            let cnf = claims(tokens["access_token"].as_str().unwrap())["cnf"]["x5t#S256"].clone();
            assert_eq!(cnf.is_string(), profiled, "{client}: 8");
            let refresh =
                [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
            if profiled {
                for _ in 0..2 {
                    let (status, again) = fleet.token(&refresh, &[("client-cert", &mine)]).await;
                    assert_eq!((status, &again["refresh_token"]), (200, &tokens["refresh_token"]), "{client}: 13");
                }
                assert_eq!(error(fleet.token(&refresh, &[]).await), is(401, "invalid_client"));
                assert_eq!(error(fleet.token(&form, &[("client-cert", &mine)]).await), is(400, "invalid_grant"), "{client}: 27");
                assert_eq!(error(fleet.token(&refresh, &[("client-cert", &mine)]).await), is(400, "invalid_grant"), "and all of it ends");
            } else {
                assert_eq!(fleet.token(&form, &[("client-cert", &mine)]).await.0, 200, "a lost answer");
                assert_eq!(fleet.token(&refresh, &[("client-cert", &mine)]).await.0, 200);
            }
        }
        fleet.stop().await;
    }
}
