//! A keep-alive HTTP/1.1 client with almost no cost of its own. On a small machine the load generator must not use the CPU time that it
//! measures, so this is no library.

use bytes::{BufMut, Bytes, BytesMut};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A member of the body that is a plain string. Tokens need no escapes.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.body.split_once(&format!("\"{name}\":\""))?.1.split_once('"').map(|it| it.0)
    }
}

pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|it| format!("cannot connect to {address}: {it}"))?;
        stream.set_nodelay(true).map_err(|it| it.to_string())?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.stream.write_all(request).await.map_err(|it| it.to_string())?;
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer.split_to(end)).into_owned();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or("no status line")?;
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").and_then(|it| it.parse().ok()).ok_or("an answer without a length")?;
        while self.buffer.len() < length {
            self.read_more().await?;
        }
        answer.body = String::from_utf8_lossy(&self.buffer.split_to(length)).into_owned();
        Ok(answer)
    }

    async fn read_more(&mut self) -> Result<(), String> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

pub fn get(path: &str, headers: &[(&str, &str)]) -> Bytes {
    get_at("127.0.0.1", path, headers)
}

/// Of one of the server's further hosts.
pub fn get_at(host: &str, path: &str, headers: &[(&str, &str)]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
    end(out, headers, "")
}

pub fn post(path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Bytes {
    post_at("127.0.0.1", path, headers, form)
}

/// At another server. Some compare the `htu` of a DPoP proof with the host that the request names, its port included.
pub fn post_at(host: &str, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Bytes {
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut out = BytesMut::new();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        body.len()
    );
    out.put_slice(head.as_bytes());
    end(out, headers, &body)
}

/// A JSON document.
pub fn post_json(path: &str, body: &str) -> Bytes {
    let mut out = BytesMut::new();
    let head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    out.put_slice(head.as_bytes());
    end(out, &[], body)
}

fn end(mut out: BytesMut, headers: &[(&str, &str)], body: &str) -> Bytes {
    for (name, value) in headers {
        out.put_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.put_slice(b"\r\n");
    out.put_slice(body.as_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_header_and_member() {
        let answer = Answer {
            status: 200,
            head: "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n".to_owned(),
            body: r#"{"access_token":"a.b","refresh_token":"sr_1"}"#.to_owned(),
        };
        assert_eq!(answer.header("content-length"), Some("12"));
        assert_eq!(answer.member("refresh_token"), Some("sr_1"));
        assert_eq!(answer.member("id_token"), None);
    }
}
