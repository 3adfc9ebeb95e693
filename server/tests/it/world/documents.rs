//! Hosts of strangers: what the server fetches from addresses that somebody else wrote. Names lead to the addresses that a test says;
//! the server judges them as always, and connects to this process.

use super::World;
use crate::database_tls::accepting;
use rcgen::{CertificateParams, KeyPair};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a host answers.
#[derive(Clone)]
pub enum Says {
    /// Status, further headers (each with its line end), body.
    Text(u16, &'static str, String),
    Never,
    Endless,
}

#[derive(Default)]
struct Inner {
    /// By host and path.
    says: BTreeMap<String, Says>,
    asked: Vec<String>,
    /// Addresses (without the scheme) and bodies that were posted there.
    posted: Vec<(String, String)>,
    /// Where a name leads, one answer after the other; the last one stays.
    leads: BTreeMap<String, Vec<IpAddr>>,
}

#[derive(Clone, Default)]
pub struct Documents(Arc<Mutex<Inner>>);

const PUBLIC: [u8; 4] = [93, 184, 215, 14];

impl Documents {
    /// The certificate is good for these names.
    pub async fn start(world: &World, names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap().self_signed(&key).unwrap();
        let (acceptor, documents) = (accepting(&made, &key), Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let serving = documents.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, documents) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        documents.answer(stream).await;
                    }
                });
            }
        });
        let names = documents.clone();
        let look_up = move |name: String| -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>> {
            let found = names.address_of(&name);
            Box::pin(async move { Ok(vec![SocketAddr::new(found, 0)]) })
        };
        let outgoing = world.running.shared.now().outgoing.clone();
        outgoing.divert_documents(Arc::new(look_up), to, made.pem().as_bytes()).unwrap();
        documents
    }

    fn address_of(&self, name: &str) -> IpAddr {
        let mut inner = self.0.lock().unwrap();
        let Some(list) = inner.leads.get_mut(name) else { return PUBLIC.into() };
        if list.len() > 1 { list.remove(0) } else { list[0] }
    }

    async fn answer(&self, mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
        let (head, body) = read(&mut stream).await;
        let path = head.split(' ').nth(1).unwrap_or_default();
        let host = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned)).unwrap_or_default();
        let what = format!("{host}{path}");
        let says = {
            let mut inner = self.0.lock().unwrap();
            inner.asked.push(what.clone());
            if head.starts_with("POST ") {
                inner.posted.push((what.clone(), body));
            }
            inner.says.get(&what).cloned().unwrap_or(Says::Text(404, "", "nothing here".to_owned()))
        };
        match says {
            Says::Text(status, headers, body) => {
                let text = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Says::Never => tokio::time::sleep(Duration::from_secs(30)).await,
            Says::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n").await;
                while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            }
        }
        let _ = stream.shutdown().await;
    }

    /// From now on. `address`: of https.
    pub fn say(&self, address: &str, says: Says) {
        self.0.lock().unwrap().says.insert(address.strip_prefix("https://").unwrap().to_owned(), says);
    }

    pub fn text(&self, address: &str, body: &str) {
        self.say(address, Says::Text(200, "content-type: text/plain\r\n", body.to_owned()));
    }

    pub fn json(&self, address: &str, body: &serde_json::Value) {
        self.say(address, Says::Text(200, "content-type: application/json\r\n", body.to_string()));
    }

    pub fn leads(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|it| it.parse().unwrap()).collect();
        self.0.lock().unwrap().leads.insert(name.to_owned(), addresses);
    }

    /// What was posted, in order: addresses without the scheme, and bodies.
    pub fn posted(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().posted.clone()
    }

    /// How often anything was asked for.
    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked.len()
    }
}

/// Head and body of one request.
async fn read(stream: &mut tokio_rustls::server::TlsStream<tokio::net::TcpStream>) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let mut more = [0; 8192];
        let read = stream.read(&mut more).await.unwrap_or(0);
        bytes.extend_from_slice(&more[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if read == 0 || (text.contains("\r\n\r\n") && body.len() >= length.unwrap_or(0)) {
            return (head.to_owned(), body.to_owned());
        }
    }
}
