//! The `openidconnect` crate, unchanged, as a relying party: discovery, code with PKCE and nonce, ID token, userinfo,
//! refresh, introspection, revocation, logout. It does not support PAR, so the test pushes its parameters by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreProviderMetadata, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyAdditionalProviderMetadata, HttpRequest, HttpResponse,
    IntrospectionUrl, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RevocationUrl, Scope, TokenIntrospectionResponse, TokenResponse,
};
use std::sync::OnceLock;
use symbolon::config::{Config, MasterKey};
use symbolon::login::accounts::{self, NewAccount};
use symbolon::serve::{self, Running};
use symbolon_phone::browser::{Browser, Person};

const SECRET: &str = "a-secret-of-the-web-client-0123456789abcdef";
const BACK: &str = "https://web.example.com/callback";
const PASSWORD: &str = "correct horse battery staple";

async fn start() -> (String, Running, std::path::PathBuf) {
    let port = symbolon_phone::net::free_port();
    let directory = std::env::temp_dir().join(format!("symbolon-openidconnect-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let key = directory.join("symbolon.key");
    MasterKey::create_file(&key).unwrap();
    let tls = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&tls).unwrap();
    std::fs::write(directory.join("key.pem"), tls.serialize_pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), made.pem()).unwrap();
    ROOT.set(made.pem()).unwrap();
    let digest = accounts::hash_password_blocking(SECRET).unwrap();
    let text = format!(
        r#"
issuer = "https://localhost:{port}"
listen = "127.0.0.1:{port}"
master_key = {{ file = '{}' }}
[tls]
certificate = "cert.pem"
key = "key.pem"
[api.orders]
audience = "https://api.example.com/orders"
[api.orders.scope."orders:read"]
text = "See your orders"
[client.web]
kind = "web"
first_party = true
secret = '{digest}'
apis = {{ orders = ["orders:read"] }}
redirect_uris = ["{BACK}"]
post_logout_redirect_uris = ["{BACK}"]
"#,
        key.display()
    );
    let running = serve::start(Config::from_text(&text, "test.toml", &|_| None).unwrap(), &directory).await.unwrap();
    let app = running.shared.now();
    let person = NewAccount {
        login_names: vec!["alice".to_owned()],
        email: Some("alice@example.com".to_owned()),
        email_verified: true,
        name: Some("Alice Example".to_owned()),
        locale: None,
        claims: serde_json::Map::new(),
        password: Some(PASSWORD.to_owned()),
    };
    accounts::create(&app.store, app.machine.hashers(), person, app.now_ms()).await.unwrap();
    (format!("https://localhost:{port}"), running, directory)
}

/// The certificate of the server. All clients of this test trust it.
static ROOT: OnceLock<String> = OnceLock::new();

fn http() -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(ROOT.get().unwrap().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The HTTP client that the crate uses.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let answer = http().request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

type WithLogout = openidconnect::ProviderMetadata<
    openidconnect::LogoutProviderMetadata<EmptyAdditionalProviderMetadata>,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    openidconnect::core::CoreClaimName,
    openidconnect::core::CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Pushes the parameters of the crate's own authorization URL (RFC 9126). Returns the URL to open in its place.
async fn pushed(issuer: &str, url: &url::Url) -> String {
    let form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let answer = http().post(format!("{issuer}/par")).basic_auth("web", Some(SECRET)).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let body: serde_json::Value = answer.json().await.unwrap();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", "web")
        .append_pair("request_uri", body["request_uri"].as_str().unwrap())
        .finish();
    format!("{issuer}/authorize?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openidconnect_crate_completes_every_flow_it_has() {
    let (issuer, running, directory) = start().await;
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(issuer.clone()).unwrap(), &send).await.unwrap();
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new("web".into()), Some(ClientSecret::new(SECRET.into())))
        .set_redirect_uri(RedirectUrl::new(BACK.into()).unwrap())
        .set_revocation_url(RevocationUrl::new(format!("{issuer}/revoke")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(format!("{issuer}/introspect")).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "offline_access"].map(|it| Scope::new(it.to_owned())))
        .add_prompt(CoreAuthPrompt::Login)
        .set_pkce_challenge(challenge)
        .url();
    let browser_http = http();
    let mut browser = Browser::default();
    let person = Person::with_password("alice", PASSWORD);
    let back = browser.visit(&browser_http, &pushed(&issuer, &url).await, BACK, &person).await.unwrap();
    let back = url::Url::parse(&back).unwrap();
    let get = |name: &str| back.query_pairs().find(|(it, _)| it == name).map(|it| it.1.into_owned());
    assert_eq!((get("state"), get("iss")), (Some(state.secret().clone()), Some(issuer.clone())));

    let tokens = client
        .exchange_code(AuthorizationCode::new(get("code").unwrap()))
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&send)
        .await
        .unwrap();
    let id_token = tokens.id_token().unwrap();
    let judge = client.id_token_verifier();
    let claims = id_token.claims(&judge, &nonce).unwrap();
    assert!(id_token.claims(&judge, &Nonce::new_random()).is_err(), "the twin: another nonce");
    let hash = AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg().unwrap(), id_token.signing_key(&judge).unwrap());
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));

    let person: CoreUserInfoClaims =
        client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())).unwrap().request_async(&send).await.unwrap();
    assert_eq!(person.email().map(|it| it.as_str()), Some("alice@example.com"));

    let refresh: RefreshToken = tokens.refresh_token().unwrap().clone();
    let next = client.exchange_refresh_token(&refresh).unwrap().request_async(&send).await.unwrap();
    assert_ne!(next.refresh_token().unwrap().secret(), refresh.secret());
    let about = client.introspect(next.access_token()).request_async(&send).await.unwrap();
    assert!(about.active() && about.client_id().is_some_and(|it| it.as_str() == "web"));
    client.revoke_token(next.refresh_token().unwrap().clone().into()).unwrap().request_async(&send).await.unwrap();
    let after = client.introspect(next.access_token()).request_async(&send).await.unwrap();
    assert!(!after.active(), "the grant has ended, and its access token with it");
    assert!(client.exchange_refresh_token(next.refresh_token().unwrap()).unwrap().request_async(&send).await.is_err());

    let logout: WithLogout = ProviderMetadataWithLogout::discover_async(IssuerUrl::new(issuer.clone()).unwrap(), &send).await.unwrap();
    let end = logout.additional_metadata().end_session_endpoint.clone().unwrap();
    let url = LogoutRequest::from(end)
        .set_id_token_hint(id_token)
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(BACK.into()).unwrap())
        .http_get_url();
    let gone = browser.visit(&browser_http, url.as_str(), BACK, &Person::default()).await.unwrap();
    assert!(gone.starts_with(BACK));
    running.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
