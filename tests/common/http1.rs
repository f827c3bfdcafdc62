//! Speaks HTTP/1 by hand, over a connection of the test.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One end of a connection. Each operation fails the test if it takes longer than 30 seconds.
pub struct Wire(BufStream<TcpStream>);

/// A request or a response as it was sent.
#[derive(Debug)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self(BufStream::new(stream))
    }

    pub async fn connect(address: SocketAddr) -> Self {
        Self::new(soon(TcpStream::connect(address)).await.unwrap())
    }

    pub async fn send(&mut self, text: &str) {
        soon(self.0.write_all(text.as_bytes())).await.unwrap();
        soon(self.0.flush()).await.unwrap();
    }

    /// Sends a request and reads its response.
    pub async fn ask(&mut self, request: &str) -> Message {
        self.send(request).await;
        self.message().await
    }

    /// Reads a head and a body of the length in `Content-Length`.
    pub async fn message(&mut self) -> Message {
        let head = self.head().await;
        let length = head
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        Message {
            body: self.text(length).await,
            ..head
        }
    }

    /// Reads a head only.
    pub async fn head(&mut self) -> Message {
        let start = self.line().await;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return Message {
                    start,
                    headers,
                    body: String::new(),
                };
            }
            let (name, value) = line.split_once(": ").expect("a header");
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Reads a line and removes its end.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        line.strip_suffix("\r\n")
            .expect("a whole line, but the connection was closed")
            .to_owned()
    }

    /// Reads this number of bytes, which must be UTF-8.
    pub async fn text(&mut self, length: usize) -> String {
        String::from_utf8(self.bytes(length).await).unwrap()
    }

    /// Reads this number of bytes.
    pub async fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        soon(self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads one chunk of a chunked body. The last chunk is empty. Trailers may follow it.
    pub async fn chunk(&mut self) -> String {
        let length = usize::from_str_radix(&self.line().await, 16).unwrap();
        let text = self.text(length).await;
        if length > 0 {
            assert_eq!(self.line().await, "");
        }
        text
    }

    /// Reads until the other side closes the connection, with or without an error.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = soon(self.0.read_to_end(&mut bytes)).await;
        String::from_utf8(bytes).unwrap()
    }
}

impl Message {
    pub fn status(&self) -> u16 {
        let mut parts = self.start.split(' ');
        parts.nth(1).unwrap().parse().unwrap()
    }

    /// Returns the first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Returns all values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value).collect()
    }
}

/// Sends one request on a new connection.
pub async fn ask(address: SocketAddr, request: &str) -> Message {
    Wire::connect(address).await.ask(request).await
}

/// Builds a `GET` request with these extra header lines.
pub fn get(path: &str, headers: &[&str]) -> String {
    request("GET", path, headers, "")
}

pub fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: site.example\r\n");
    for line in headers {
        request += &format!("{line}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request + "\r\n" + body
}

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future)
        .await
        .expect("nothing happened for 30 s")
}
