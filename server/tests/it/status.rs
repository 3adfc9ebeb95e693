//! The status list of Android's attestation keys, fetched over TLS from a stand-in for Google: what goes wrong on the way there and
//! back changes nothing for as long as the last good list is young enough, and then nobody gets in. Area N.

use crate::database_tls::accepting;
use crate::forged_evidence::{Lie, Scene};
use crate::world::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use symbolon_attest::status_list::MAX_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the source of the list does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Good,
    /// As large as a list may be.
    Large,
    TooLarge,
    /// Nobody listens.
    Unreachable,
    /// Takes the connection, and never answers.
    Silent,
    /// Ends in the middle of the list.
    CutOff,
    /// To the very list, elsewhere on the same server.
    Redirect,
    /// No CA has signed its certificate.
    SelfSigned,
    /// A CA has, for another name.
    OtherName,
    /// Without TLS.
    Plain,
    Failing,
    Html,
}

fn acceptor(name: &str, ca: Option<&Issuer<'_, KeyPair>>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let made = ca.map_or_else(|| params.self_signed(&key), |it| params.signed_by(&key, it)).unwrap();
    accepting(&made, &key)
}

/// A server at one port, which is stopped and started again for each way of behaving.
struct Google {
    port: u16,
    ca: Issuer<'static, KeyPair>,
    running: Option<JoinHandle<()>>,
}

impl Google {
    async fn be(&mut self, source: Source, list: &str) {
        if let Some(before) = self.running.take() {
            before.abort();
            let _ = before.await;
        }
        if source == Source::Unreachable {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let tls = match source {
            Source::SelfSigned => acceptor("localhost", None),
            Source::OtherName => acceptor("google.example", Some(&self.ca)),
            _ => acceptor("localhost", Some(&self.ca)),
        };
        let list = list.to_owned();
        self.running = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if source == Source::Plain {
                    answer(client, source, &list).await;
                } else if let Ok(client) = tls.accept(client).await {
                    answer(client, source, &list).await;
                }
            }
        }));
    }
}

async fn answer(mut client: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, source: Source, list: &str) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    // What begins TLS has no end that is known here.
    while bytes.is_empty() || (source != Source::Plain && !bytes.ends_with(b"\r\n\r\n")) {
        match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let asked = String::from_utf8_lossy(&bytes).starts_with("GET /list ");
    let padded = |length: usize| format!("{list}{}", " ".repeat(length - list.len()));
    let (head, body) = match source {
        Source::Silent => {
            let _ = client.read(&mut buffer).await;
            return;
        }
        Source::Redirect if asked => ("302 Found\r\nlocation: /elsewhere", String::new()),
        Source::Failing => ("500 Internal Server Error", list.to_owned()),
        Source::Html => ("200 OK\r\ncontent-type: text/html", "<html>Sign in to this network</html>".to_owned()),
        Source::Large => ("200 OK", padded(MAX_BYTES)),
        Source::TooLarge => ("200 OK", padded(MAX_BYTES + 1)),
        _ => ("200 OK", list.to_owned()),
    };
    let length = body.len() + usize::from(source == Source::CutOff);
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.shutdown().await;
}

/// The CAs of the system are those of SSL_CERT_FILE, which is read when a process begins: the test runs itself with one of its own.
fn run_with(ca: &Path, test: &str) {
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SSL_CERT_FILE", ca)
        .env("SYMBOLON_TEST_CA", ca)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

/// The rule that the last refusal names.
async fn broken(phone: &Phone<'_>) -> Option<String> {
    phone.refusals().await.first().cloned()
}

/// 259-N: "last good list until the limit, then fail closed", whatever the source does; the twin of each is the good source.
#[expect(clippy::too_many_lines, reason = "one story from its beginning to its end")]
#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_the_last_good_one_until_it_is_too_old() {
    let Some(file) = std::env::var_os("SYMBOLON_TEST_CA").map(PathBuf::from) else {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = std::env::temp_dir().join(format!("symbolon-status-ca-{}.pem", std::process::id()));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(file.with_extension("key"), key.serialize_pem()).unwrap();
        let test = "status::the_list_is_the_last_good_one_until_it_is_too_old";
        let ca = file.clone();
        tokio::task::spawn_blocking(move || run_with(&ca, test)).await.unwrap();
        let _ = (std::fs::remove_file(&file), std::fs::remove_file(file.with_extension("key")));
        return;
    };
    let key = KeyPair::from_pem(&std::fs::read_to_string(file.with_extension("key")).unwrap()).unwrap();
    let ca = Issuer::from_ca_cert_pem(&std::fs::read_to_string(&file).unwrap(), key).unwrap();
    let mut google = Google { port: free_port(), ca, running: None };
    let line = format!("status_list = \"https://localhost:{}/list\"", google.port);
    let scene = Scene::with(Engine::Sqlite, &line).await;
    let app = scene.world.running.shared.now();
    let refresh = async || {
        symbolon::attesting::status::refresh(&app.callers.attesting.status, &app).await;
    };
    let refused = (400, "invalid_client_attestation");
    let empty = "{\"entries\":{}}";
    // No list yet, and then one: which certificate attests is known from it.
    let mut phone = scene.phone("app");
    assert_eq!(phone.android(Lie::Nothing).await.error(), refused);
    assert_eq!(broken(&phone).await.as_deref(), Some("status_stale"));
    google.be(Source::Good, empty).await;
    refresh().await;
    assert_eq!(phone.android(Lie::Nothing).await.status, 200);
    let serial = phone.facts().await["serials"][1].as_str().unwrap().to_owned();
    let revoking = format!("{{\"entries\":{{\"{serial}\":{{\"status\":\"REVOKED\"}}}}}}");

    for source in [
        Source::Unreachable,
        Source::Silent,
        Source::CutOff,
        Source::Redirect,
        Source::TooLarge,
        Source::SelfSigned,
        Source::OtherName,
        Source::Plain,
        Source::Failing,
        Source::Html,
    ] {
        // Whatever comes by this way is not taken, neither a list that revokes nor one that forgives.
        for (good, bad, status, rule) in [(empty, revoking.as_str(), 200, None), (&revoking, empty, 400, Some("revoked"))] {
            let mut phone = scene.phone("app");
            google.be(Source::Good, good).await;
            scene.world.advance_s(3601);
            refresh().await;
            assert_eq!(phone.android(Lie::Nothing).await.status, status, "{source:?}: a good source is believed");
            assert_eq!(broken(&phone).await.as_deref(), rule, "{source:?}");
            google.be(source, bad).await;
            scene.world.advance_s(3601);
            refresh().await;
            assert_eq!(phone.android(Lie::Nothing).await.status, status, "{source:?}: the last good list");
            assert_eq!(broken(&phone).await.as_deref(), rule, "{source:?}");
            // Twenty seconds each time.
            if source == Source::Silent {
                break;
            }
        }
        let mut phone = scene.phone("app");
        google.be(Source::Good, empty).await;
        scene.world.advance_s(3601);
        refresh().await;
        google.be(source, empty).await;
        scene.world.advance_s(3 * 86_400 - 60);
        if source != Source::Silent {
            refresh().await;
        }
        assert_eq!(phone.android(Lie::Nothing).await.status, 200, "{source:?}: until the limit");
        scene.world.advance_s(61);
        if source != Source::Silent {
            refresh().await;
        }
        assert_eq!(phone.android(Lie::Nothing).await.error(), refused, "{source:?}: and no longer");
        assert_eq!(broken(&phone).await.as_deref(), Some("status_stale"), "{source:?}");
        google.be(if source == Source::TooLarge { Source::Large } else { Source::Good }, empty).await;
        refresh().await;
        assert_eq!(phone.android(Lie::Nothing).await.status, 200, "{source:?}: and the source is well again");
    }
    scene.world.stop().await;
}
