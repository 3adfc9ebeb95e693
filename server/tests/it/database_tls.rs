//! PostgreSQL over TLS, end to end: a listener that speaks PostgreSQL's STARTTLS and passes on to the test server.

use crate::world::{Engine, database, postgres};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use symbolon::store::{Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio_postgres::config::Host;

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, as sslrootcert has it.
    file: PathBuf,
}

impl Ca {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = params.self_signed(&key).unwrap();
        let random = symbolon_oauth::base64url::encode(&symbolon::seal::random::<6>().unwrap());
        let file = std::env::temp_dir().join(format!("symbolon-ca-{random}.pem"));
        std::fs::write(&file, made.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    fn acceptor(&self, name: &str) -> tokio_rustls::TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        accepting(&made, &key)
    }
}

/// A server that shows this certificate.
pub fn accepting(certificate: &rcgen::Certificate, key: &KeyPair) -> tokio_rustls::TlsAcceptor {
    let private = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    Arc::new(config).into()
}

/// Answers SSLRequest with S and TLS, or with N where there is none.
async fn listen(socket: PathBuf, tls: Option<tokio_rustls::TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (socket, tls) = (socket.clone(), tls.clone());
            tokio::spawn(async move {
                let mut request = [0; 8];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47], "nothing goes out before TLS is asked for");
                client.write_all(if tls.is_some() { b"S" } else { b"N" }).await.unwrap();
                let Some(tls) = tls else { return };
                let Ok(mut client) = tls.accept(client).await else { return };
                let mut server = UnixStream::connect(socket).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_known_by_its_certificate() {
    if postgres().is_none() {
        return;
    }
    let real: tokio_postgres::Config = database(Engine::Postgres).await.parse().unwrap();
    let Host::Unix(socket) = &real.get_hosts()[0] else {
        println!("skipped: the server is not reached by a socket file");
        return;
    };
    let socket = socket.join(format!(".s.PGSQL.{}", real.get_ports().first().copied().unwrap_or(5432)));
    let (ca, other) = (Ca::new(), Ca::new());
    let port = listen(socket.clone(), Some(ca.acceptor("localhost"))).await;
    let plain = listen(socket, None).await;
    let open = async |host: &str, port: u16, rest: &str| {
        let (user, name) = (real.get_user().unwrap(), real.get_dbname().unwrap());
        let opened = Store::open(&format!("postgres://{user}@{host}:{port}/{name}?{rest}"), StoreOptions::default()).await;
        match opened {
            Ok(store) => store.healthy().await.map_err(|it| it.to_string()),
            Err(fault) => Err(fault.to_string()),
        }
    };
    let with = |mode: &str, ca: &Ca| format!("sslmode={mode}&sslrootcert={}", ca.file.display());
    open("localhost", port, &with("verify-full", &ca)).await.unwrap();
    open("127.0.0.1", port, &with("verify-ca", &ca)).await.unwrap();
    open("localhost", port, "sslmode=require").await.unwrap();
    for (host, rest) in
        [("localhost", with("verify-full", &other)), ("localhost", with("require", &other)), ("127.0.0.1", with("verify-full", &ca))]
    {
        let refused = open(host, port, &rest).await.unwrap_err();
        assert!(refused.contains("certificate"), "{host} {rest}: {refused}");
    }
    let refused = open("localhost", plain, &with("verify-full", &ca)).await.unwrap_err();
    assert!(refused.contains("TLS"), "a server without TLS is not spoken to: {refused}");
    for one in [&ca, &other] {
        std::fs::remove_file(&one.file).unwrap();
    }
}

/// A database that hangs is an error, not a wait: while connecting, and at a statement that does not end.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_a_database_without_end() {
    if postgres().is_none() {
        return;
    }
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u@127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    let store = Store::open(&database(Engine::Postgres).await, StoreOptions::default()).await.unwrap();
    let started = std::time::Instant::now();
    let (opened, slept) = tokio::join!(Store::open(&url, StoreOptions::default()), store.all("SELECT pg_sleep(60)::text", &[]));
    let (opened, slept) = (opened.err().unwrap().to_string(), slept.unwrap_err().to_string());
    assert!(opened.contains("no answer in time") && slept.contains("statement timeout"), "{opened} {slept}");
    assert!((9..30).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    store.healthy().await.unwrap();
}
