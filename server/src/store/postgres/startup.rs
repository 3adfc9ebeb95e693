//! From an address to a connection that statements can be sent on: TCP or a UNIX socket, TLS, the password, the session's bounds.
//! Frontend/Backend Protocol, *Start-up* and *SASL Authentication*.

use super::connect::{Address, CONNECTING, SocketTarget};
use super::wire::{Broken, DatabaseError, Stream, Wire};
use crate::error::Fault;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// What every session is told first is the isolation that all statements are written for. The answer says whether the server may write,
/// how durably it commits, which process of it answers, and what its clock shows.
const SESSION: &str = "SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
    SELECT concat_ws(' ', pg_is_in_recovery(), current_setting('synchronous_commit'), pg_backend_pid(), \
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint)";
/// Why nothing is written over a session whose commits do not wait for the disk.
pub(super) const NOT_DURABLE: &str =
    "synchronous_commit = off: what was acknowledged could be lost. Set it to on, for this database and user too";

impl Address {
    /// A connection with these bounds (`SET ...`), to the first host that takes changes.
    pub async fn wire(&self, bounds: &str) -> Result<Wire, Fault> {
        let mut last = Fault::new("`database` names no host");
        for target in self.targets() {
            let connecting = tokio::time::timeout(CONNECTING, self.wire_to(&target, bounds));
            let tried = format!("cannot connect to PostgreSQL at {target}");
            match connecting.await {
                Ok(Ok(wire)) => return Ok(wire),
                Ok(Err(broken)) => last = broken.fault().during(&tried),
                Err(_) => last = Fault::store_away("no answer in time").during(&tried),
            }
        }
        Err(last)
    }

    async fn wire_to(&self, target: &SocketTarget<'_>, bounds: &str) -> Result<Wire, Broken> {
        let stream = self.open(target).await.map_err(|error| Broken::Lost(error.to_string()))?;
        let mut wire = Wire::new(stream);
        self.start(&mut wire).await?;
        wire.simple(bounds).await?;
        let answer = wire.simple(SESSION).await?.unwrap_or_default();
        let mut said = answer.split(' ');
        if said.next() != Some("f") {
            let message = "this server is a replica".to_owned();
            return Err(Broken::Said(DatabaseError { code: "25006".to_owned(), message, ..DatabaseError::default() }));
        }
        if said.next().is_none_or(|commit| commit == "off") {
            return Err(Broken::Unreadable(Fault::store_away(NOT_DURABLE)));
        }
        let mut number = || said.next().and_then(|text| text.parse().ok()).unwrap_or_default();
        wire.process = number();
        wire.clock = (number(), Instant::now());
        Ok(wire)
    }

    async fn open(&self, target: &SocketTarget<'_>) -> io::Result<Box<dyn Stream>> {
        let (stream, name) = match target {
            #[cfg(unix)]
            SocketTarget::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            SocketTarget::Tcp { host, name, port } => (TcpStream::connect((host.as_str(), *port)).await?, *name),
        };
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        let mut keepalive = TcpKeepalive::new().with_time(self.config.get_keepalives_idle());
        if let Some(interval) = self.config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.config.get_tcp_user_timeout().copied().or(Some(Duration::from_secs(15))))?;
        let Some(tls) = self.connector() else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(tls.connect(name, ask_for_tls(stream).await?).await?))
    }

    /// RFC 5802 (SCRAM), or what an older server asks for. A password in clear is sent over TLS or on this machine alone, as `connect` has
    /// it. Elsewhere the operator said `sslmode=disable`.
    async fn start(&self, wire: &mut Wire) -> Result<(), Broken> {
        let lost = |error: io::Error| Broken::Lost(error.to_string());
        let user = self.config.get_user().map(str::to_owned).or_else(|| std::env::var("USER").ok()).unwrap_or_default();
        let mut parameters = vec![("client_encoding", "UTF8"), ("user", user.as_str())];
        parameters.extend(self.config.get_dbname().map(|name| ("database", name)));
        parameters.extend(self.config.get_options().map(|options| ("options", options)));
        parameters.extend(self.config.get_application_name().map(|name| ("application_name", name)));
        frontend::startup_message(parameters, wire.outgoing()).map_err(lost)?;
        wire.flush().await.map_err(lost)?;
        let password = self.config.get_password();
        let mut scram: Option<ScramSha256> = None;
        let mut is_verified = false;
        loop {
            let message = wire.message().await.map_err(lost)?;
            if let Message::ErrorResponse(error) = &message {
                return Err(Broken::Said(DatabaseError::read(error.fields(), 0).map_err(lost)?));
            }
            // A server that skips its half of SCRAM has not shown that it knows the password.
            let is_done = matches!(message, Message::ReadyForQuery(_));
            if is_done && scram.is_some() && !is_verified {
                return Err(Broken::Lost("the server did not prove that it knows the password".to_owned()));
            }
            if is_done {
                return Ok(());
            }
            is_verified |= matches!(message, Message::AuthenticationSaslFinal(_));
            authenticate(&message, (&user, password), &mut scram, wire.outgoing()).map_err(lost)?;
            wire.flush().await.map_err(lost)?;
        }
    }
}

/// What the password's side answers to a message of the server's.
fn authenticate(
    message: &Message,
    (user, password): (&str, Option<&[u8]>),
    scram: &mut Option<ScramSha256>,
    out: &mut BytesMut,
) -> io::Result<()> {
    let missing = || io::Error::other("the server asks for a password and `database` has none");
    match message {
        Message::AuthenticationCleartextPassword => frontend::password_message(password.ok_or_else(missing)?, out),
        Message::AuthenticationMd5Password(body) => {
            let hash = md5_hash(user.as_bytes(), password.ok_or_else(missing)?, body.salt());
            frontend::password_message(hash.as_bytes(), out)
        }
        Message::AuthenticationSasl(body) => {
            let mut offered = body.mechanisms();
            let mut is_offered = false;
            while let Some(mechanism) = offered.next()? {
                is_offered |= mechanism == SCRAM_SHA_256;
            }
            if !is_offered {
                return Err(io::Error::other("the server offers no way to authenticate that is known here"));
            }
            let first = ScramSha256::new(password.ok_or_else(missing)?, ChannelBinding::unsupported());
            frontend::sasl_initial_response(SCRAM_SHA_256, first.message(), out)?;
            *scram = Some(first);
            Ok(())
        }
        Message::AuthenticationSaslContinue(body) => {
            let scram = scram.as_mut().ok_or_else(|| io::Error::other("SASL out of order"))?;
            scram.update(body.data())?;
            frontend::sasl_response(scram.message(), out)
        }
        Message::AuthenticationSaslFinal(body) => scram.as_mut().ok_or_else(|| io::Error::other("SASL out of order"))?.finish(body.data()),
        Message::AuthenticationOk | Message::BackendKeyData(_) | Message::ParameterStatus(_) | Message::NoticeResponse(_) => Ok(()),
        _ => Err(io::Error::other("the server wants a way to authenticate that is not known here")),
    }
}

/// One byte answers, and no more is read. Whatever stood behind it in clear would otherwise be taken for the server's.
async fn ask_for_tls(mut stream: TcpStream) -> io::Result<TcpStream> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    match stream.read_u8().await? {
        b'S' => Ok(stream),
        _ => Err(io::Error::other("the server speaks no TLS")),
    }
}
