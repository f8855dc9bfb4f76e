//! Requests over TCP, byte by byte.

use crate::suite::{Received, Sent};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A client's connection.
pub(crate) struct Connection(pub(crate) TcpStream);

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(stream))
    }

    /// Sends the head of a request.
    pub(crate) fn head(&mut self, request: &Sent) -> io::Result<()> {
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        if !request.headers.iter().any(|(name, _)| name == "Host") {
            head += &format!("Host: {}\r\n", self.0.peer_addr()?);
        }
        for (name, value) in &request.headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.0.write_all(format!("{head}\r\n").as_bytes())
    }

    /// Sends a request and returns the answer.
    pub(crate) fn send(&mut self, request: &Sent) -> io::Result<Received> {
        self.head(request)?;
        for piece in &request.body {
            if self.0.write_all(piece).is_err() {
                break; // it was refused: the answer says why
            }
        }
        self.receive(&request.method)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8(line).unwrap())
    }

    /// Reads an answer's status and headers.
    pub(crate) fn receive_head(&mut self) -> io::Result<Received> {
        let status = self.line()?.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Received { status, headers, body: Vec::new(), whole: true })
    }

    /// Reads an answer to a request of this method.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Received> {
        let mut answer = self.receive_head()?;
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            return Ok(answer);
        }
        let length: u64 = answer.header("content-length").unwrap().parse().unwrap();
        // A connection that is cut may be reset; what came before is what came.
        drop((&self.0).take(length).read_to_end(&mut answer.body));
        answer.whole = answer.body.len() as u64 == length;
        Ok(answer)
    }
}
