//! The HTTP stack alone: the same hyper, the same runtime, nothing behind it. What no server on this stack can exceed.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// Prints its address, then answers until it is ended.
pub async fn serve() -> Result<(), String> {
    let io = |it: std::io::Error| it.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(io)?;
    println!("{}", listener.local_addr().map_err(io)?);
    loop {
        let (stream, _) = listener.accept().await.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        tokio::spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

/// As long as a token response with a JWT.
const BODY: &[u8] = &[b'x'; 1000];

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    Ok(Response::new(Full::new(Bytes::from_static(BODY))))
}
