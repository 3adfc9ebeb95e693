//! The HTTP stack alone: the same hyper and the same runtime, with nothing behind them. No server on this stack can be faster.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// Prints its address, and then answers until it is stopped.
pub async fn serve() -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
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
