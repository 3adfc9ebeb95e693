//! A customer's own attester that is known by certificates: `x5c` to a CA of the configuration. Every way of bending the chain, each
//! beside the good one.

use crate::world::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    SanType, date_time_ymd,
};
use serde_json::{Value as Json, json};
use symbolon_oauth::jwk::{Algorithm, PrivateKey};
use symbolon_oauth::{base64url, certificate, client_attestation, dpop, jws};

const BACK: &str = "https://x5c.example.com/cb";
const NAME: &str = "attester.example.com";

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::ES256).unwrap()
}

fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.to_pkcs8()).unwrap()
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut it = CertificateParams::default();
    it.distinguished_name.push(DnType::CommonName, name);
    if ca {
        it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    it
}

/// A CA, its intermediate, and the attester's certificate; each of the two lower ones perhaps bent.
struct Issued {
    root: Vec<u8>,
    middle: Vec<u8>,
    leaf: Vec<u8>,
    root_pem: String,
}

struct Ca {
    root: KeyPair,
    middle: KeyPair,
}

impl Ca {
    fn new() -> Self {
        Self { root: KeyPair::generate().unwrap(), middle: KeyPair::generate().unwrap() }
    }

    fn issue(
        &self,
        attester: &PrivateKey,
        bend_middle: impl FnOnce(&mut CertificateParams),
        bend_leaf: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let root = params("Example Root", true).self_signed(&self.root).unwrap();
        let by_root = Issuer::new(params("Example Root", true), &self.root);
        let mut middle = params("Example Intermediate", true);
        bend_middle(&mut middle);
        let middle = middle.signed_by(&self.middle, &by_root).unwrap();
        let by_middle = Issuer::new(params("Example Intermediate", true), &self.middle);
        let mut leaf = params("Example Attester", false);
        leaf.subject_alt_names = vec![SanType::DnsName(NAME.try_into().unwrap())];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        bend_leaf(&mut leaf);
        let leaf = leaf.signed_by(&pair(attester), &by_middle).unwrap();
        let der = |it: &rcgen::Certificate| it.der().to_vec();
        Issued { root: der(&root), middle: der(&middle), leaf: der(&leaf), root_pem: root.pem() }
    }
}

struct Scene {
    world: World,
    ca: Ca,
    attester: PrivateKey,
    phone: PrivateKey,
}

impl Scene {
    async fn start(engine: Engine) -> Self {
        let (ca, attester, port) = (Ca::new(), key(), free_port());
        let file = std::env::temp_dir().join(format!("symbolon-x5c-{}-{port}.pem", std::process::id()));
        std::fs::write(&file, ca.issue(&attester, |_| {}, |_| {}).root_pem).unwrap();
        let text = format!(
            "{}\n[client.vouched]\nkind = \"native\"\nfirst_party = true\nauthentication = \"attest_jwt_client_auth_dpop\"\n\
             apis = {{ orders = [\"orders:read\"] }}\nredirect_uris = [\"{BACK}\"]\n\
             attestation = {{ attester_x5c = {{ ca = '{}', san_dns = \"{NAME}\" }} }}\n",
            configuration(port, &database(engine).await),
            file.display()
        );
        let world = World::with(&text, port).await;
        std::fs::remove_file(file).unwrap();
        Self { world, ca, attester, phone: key() }
    }

    fn now_s(&self) -> i64 {
        self.world.running.shared.now().now_ms() / 1000
    }

    /// An attestation under this header's `x5c`, signed by this key.
    fn attestation(&self, x5c: Json, by: &PrivateKey) -> String {
        let now_s = self.now_s();
        let claims =
            json!({ "sub": "vouched", "iat": now_s, "exp": now_s + 3600, "cnf": { "jwk": self.phone.public().to_jwk() }, "iss": "old" });
        let mut header = json!({ "alg": "ES256", "typ": client_attestation::TYP, "kid": "any" });
        if !x5c.is_null() {
            header["x5c"] = x5c;
        }
        jws::sign_with_header(by, &header, &claims).unwrap()
    }

    /// Pushes a request with this attestation.
    async fn push(&self, attestation: &str) -> (u16, String) {
        let ask = Ask::new("vouched", BACK, "openid orders:read");
        let mut nonce = None;
        for _ in 0..2 {
            let (url, jti) = (self.world.url("/par"), base64url::encode(&symbolon::seal::random::<16>().unwrap()));
            let proof = dpop::make(
                &self.phone,
                &dpop::Statement { method: "POST", url: &url, nonce: nonce.as_deref(), access_token: None, jti: &jti, iat: self.now_s() },
            )
            .unwrap();
            let request = self.world.http.post(url).form(&ask.parameters).header("dpop", proof);
            let answer = request.header("oauth-client-attestation", attestation).send().await.unwrap();
            nonce = answer.headers().get("dpop-nonce").map(|it| it.to_str().unwrap().to_owned());
            let (status, body) = (answer.status().as_u16(), answer.json::<Json>().await.unwrap());
            if body["error"] != "use_dpop_nonce" {
                return (status, body["error"].as_str().unwrap_or_default().to_owned());
            }
        }
        panic!("the nonce is never good");
    }

    async fn with(&self, x5c: &[&[u8]]) -> (u16, String) {
        self.push(&self.attestation(list(x5c), &self.attester)).await
    }
}

fn list(x5c: &[&[u8]]) -> Json {
    x5c.iter().map(|it| certificate::to_header(it).trim_matches(':').to_owned()).collect::<Vec<_>>().into()
}

fn good() -> (u16, String) {
    (201, String::new())
}

fn refused() -> (u16, String) {
    (400, "invalid_client_attestation".to_owned())
}

/// 237-N, 243-N, 276-N: the chain from the attester's certificate to the configured CA, whole, in order and in force.
#[tokio::test(flavor = "multi_thread")]
async fn an_attester_is_known_by_its_certificate() {
    for engine in engines() {
        let scene = Scene::start(engine).await;
        let it = scene.ca.issue(&scene.attester, |_| {}, |_| {});
        assert_eq!(scene.with(&[&it.leaf, &it.middle]).await, good());
        assert_eq!(scene.with(&[&it.leaf, &it.middle]).await, good(), "again, now that the chain is known");
        assert_eq!(scene.with(&[&it.leaf, &it.middle, &it.root]).await, good(), "the anchor may be there");
        assert_eq!(scene.with(&[&it.leaf]).await, refused(), "no way to the anchor");
        assert_eq!(scene.with(&[&it.middle, &it.leaf]).await, refused(), "the wrong order");
        assert_eq!(scene.with(&[&it.leaf, &it.middle, &it.middle]).await, refused(), "one too many");
        assert_eq!(scene.with(&[&it.middle]).await, refused(), "a CA is no attester");
        assert_eq!(scene.with(&[&it.root]).await, refused(), "the anchor itself is no attester");
        assert_eq!(scene.with(&[]).await, refused());
        let twice = it.root.as_slice();
        assert_eq!(scene.with(&[&it.leaf, &it.middle, twice, twice, twice]).await, refused(), "longer than anybody's");
        // The same names under a CA of one's own.
        let theirs = Ca::new().issue(&scene.attester, |_| {}, |_| {});
        assert_eq!(scene.with(&[&theirs.leaf, &theirs.middle]).await, refused());
        assert_eq!(scene.with(&[&theirs.leaf, &theirs.middle, &theirs.root]).await, refused());
        assert_eq!(scene.with(&[&theirs.leaf, &it.middle]).await, refused(), "a leaf that the intermediate did not sign");
        // The right chain, and a signature by somebody else.
        let (stranger, chain) = (key(), list(&[&it.leaf, &it.middle]));
        assert_eq!(scene.push(&scene.attestation(chain.clone(), &stranger)).await, refused());
        for bad in [json!(null), json!("MIIB"), json!([1]), json!(["MIIB"]), json!([["MIIB"]]), json!({})] {
            assert_eq!(scene.push(&scene.attestation(bad.clone(), &scene.attester)).await, refused(), "{bad}");
        }
        assert_eq!(scene.push(&scene.attestation(chain, &scene.attester)).await, good());
        scene.world.stop().await;
    }
}

/// What the certificates say of themselves: name, purpose, dates, and limits that are not understood.
#[tokio::test(flavor = "multi_thread")]
async fn an_attesters_certificate_says_what_it_is_for() {
    let scene = Scene::start(Engine::Sqlite).await;
    let leaf = async |bend: &dyn Fn(&mut CertificateParams)| {
        let it = scene.ca.issue(&scene.attester, |_| {}, |it| bend(it));
        scene.with(&[&it.leaf, &it.middle]).await
    };
    let middle = async |bend: &dyn Fn(&mut CertificateParams)| {
        let it = scene.ca.issue(&scene.attester, |it| bend(it), |_| {});
        scene.with(&[&it.leaf, &it.middle]).await
    };
    assert_eq!(leaf(&|_| {}).await, good());
    assert_eq!(leaf(&|it| it.key_usages.clear()).await, good(), "a certificate that does not limit its key");
    let dns = |name: &str| vec![SanType::DnsName(name.try_into().unwrap())];
    assert_eq!(leaf(&|it| it.subject_alt_names = dns("www.example.com")).await, refused(), "another of the CA's certificates");
    assert_eq!(leaf(&|it| it.subject_alt_names.clear()).await, refused());
    assert_eq!(
        leaf(&|it| it.subject_alt_names = vec![SanType::URI(NAME.try_into().unwrap())]).await,
        refused(),
        "the name as another kind"
    );
    assert_eq!(leaf(&|it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)).await, refused());
    assert_eq!(leaf(&|it| it.key_usages = vec![KeyUsagePurpose::KeyAgreement]).await, refused());
    assert_eq!(leaf(&|it| it.not_after = date_time_ymd(2024, 1, 1)).await, refused());
    assert_eq!(leaf(&|it| it.not_before = date_time_ymd(2400, 1, 1)).await, refused());
    let extension = |critical: bool| {
        let mut it = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![5, 0]);
        it.set_criticality(critical);
        it
    };
    assert_eq!(leaf(&|it| it.custom_extensions.push(extension(false))).await, good());
    assert_eq!(leaf(&|it| it.custom_extensions.push(extension(true))).await, refused());
    assert_eq!(middle(&|_| {}).await, good());
    assert_eq!(middle(&|it| it.is_ca = IsCa::ExplicitNoCa).await, refused());
    assert_eq!(middle(&|it| it.not_after = date_time_ymd(2024, 1, 1)).await, refused());
    let only = || GeneralSubtree::DnsName("example.org".to_owned());
    let limits = || NameConstraints { permitted_subtrees: vec![only()], excluded_subtrees: vec![] };
    assert_eq!(middle(&|it| it.name_constraints = Some(limits())).await, refused(), "limits are not passed over");
    assert_eq!(leaf(&|_| {}).await, good());
    scene.world.stop().await;
}

/// A chain that was found good is good as long as its certificates are, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_chain_ends_with_its_certificates() {
    let scene = Scene::start(Engine::Sqlite).await;
    let ends = |it: &mut CertificateParams| it.not_after = date_time_ymd(2090, 1, 1);
    let it = scene.ca.issue(&scene.attester, |_| {}, ends);
    let long = scene.ca.issue(&scene.attester, |_| {}, |_| {});
    assert_eq!(scene.with(&[&it.leaf, &it.middle]).await, good());
    // 1 January 2090.
    scene.world.advance_s(3_786_912_000 - scene.now_s() + 60);
    assert_eq!(scene.with(&[&it.leaf, &it.middle]).await, refused());
    assert_eq!(scene.with(&[&long.leaf, &long.middle]).await, good());
    scene.world.stop().await;
}

#[test]
fn whose_certificates_vouch_is_said() {
    let base = "issuer = \"https://a.example\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://app.example.com/cb\"]\n\
                authentication = \"attest_jwt_client_auth\"\n[client.app.attestation]\n";
    let read = |more: &str| symbolon::config::Config::from_text(&format!("{base}{more}"), "x", &|_| None).map_err(|it| it.to_string());
    assert!(read("attester_x5c = { ca = \"ca.pem\", san_dns = \"a.example\" }").is_ok());
    for (bad, why) in [
        ("attester_x5c = { ca = \"ca.pem\" }", "needs one of subject_dn"),
        ("attester_x5c = { ca = \"ca.pem\", san_dns = \"a.example\", san_uri = \"https://a\" }", "needs one of subject_dn"),
        ("attester_x5c = { ca = \"ca.pem\", subject_dn = \"nonsense\" }", "no name of RFC 4514"),
        ("attester_x5c = { ca = \"ca.pem\", san_dns = \"a.example\" }\nios = { app_ids = [\"A.b\"] }", "not beside an attester"),
        ("max_age = \"1h\"", "neither an attester"),
    ] {
        let problem = read(bad).unwrap_err();
        assert!(problem.contains(why), "{bad}: {problem}");
    }
}
