//! One connection to the target and one question and answer on it, for each protocol. An
//! answer is the id of who gave it. Errors are I/O errors; `InvalidData` is a wrong answer.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};

use super::Protocol;

/// Longest body of an id.
const MAX_ID: usize = 4096;

/// Longest answer to a datagram.
const MAX_DATAGRAM: usize = 65_536;

/// An open connection.
pub(crate) enum Connection {
    /// HTTP/1.1 with keep-alive.
    Http(BufReader<TcpStream>),
    /// Lines: the answer is the responder's id, a space and the line.
    Tcp(BufReader<TcpStream>),
    /// Datagrams: the answer is the responder's id, a space and the datagram.
    Udp(UdpSocket),
}

impl Connection {
    pub(crate) async fn open(protocol: Protocol, target: SocketAddr) -> Result<Self> {
        if protocol == Protocol::Udp {
            let any = match target {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(target).await?;
            return Ok(Self::Udp(socket));
        }
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        Ok(if protocol == Protocol::Http {
            Self::Http(stream)
        } else {
            Self::Tcp(stream)
        })
    }

    /// Asks once; `token` is different for each request, so that an answer cannot belong to
    /// another one.
    pub(crate) async fn ask(&mut self, host: &str, path: &str, token: &str) -> Result<String> {
        match self {
            Self::Http(stream) => http(stream, host, path).await,
            Self::Tcp(stream) => line(stream, token).await,
            Self::Udp(socket) => datagram(socket, token).await,
        }
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

async fn http(stream: &mut BufReader<TcpStream>, host: &str, path: &str) -> Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let status = read_line(stream).await?;
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(wrong(format!("status line '{status}'")));
    }
    let mut body = vec![0; content_length(stream).await?];
    stream.read_exact(&mut body).await?;
    Ok(String::from_utf8_lossy(&body).trim().to_owned())
}

async fn content_length(stream: &mut BufReader<TcpStream>) -> Result<usize> {
    let mut length = None;
    loop {
        let line = read_line(stream).await?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    length
        .filter(|&length| length <= MAX_ID)
        .ok_or_else(|| wrong("no Content-Length, or not of an id".into()))
}

async fn line(stream: &mut BufReader<TcpStream>, token: &str) -> Result<String> {
    stream.write_all(format!("{token}\n").as_bytes()).await?;
    let answer = read_line(stream).await?;
    responder(&answer, token)
}

/// Skips answers to earlier datagrams, which may come late.
async fn datagram(socket: &UdpSocket, token: &str) -> Result<String> {
    socket.send(token.as_bytes()).await?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = String::from_utf8_lossy(&buffer[..length]);
        if let Ok(id) = responder(&answer, token) {
            return Ok(id);
        }
    }
}

fn responder(answer: &str, token: &str) -> Result<String> {
    match answer.split_once(' ') {
        Some((id, echoed)) if echoed == token => Ok(id.to_owned()),
        _ => Err(wrong(format!("'{answer}' does not echo '{token}'"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_echo_names_its_responder_and_only_the_right_echo_counts() {
        assert_eq!(responder("agent1 7-3", "7-3").unwrap(), "agent1");
        assert_eq!(
            responder("agent1 7-2", "7-3").unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        assert!(responder("agent1", "7-3").is_err());
    }
}
