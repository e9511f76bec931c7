//! Just enough HTTP/1.1 to answer as Marathon does, including answers that a proper HTTP
//! library refuses to give: streams that are neither chunked nor of known length, bodies that
//! end early or come in drops. One request at a time per connection; request bodies are not read.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;

/// Longest request line or header, and most headers, that are read.
const MAX_LINE: usize = 8192;
const MAX_HEADERS: usize = 100;

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Query parameters in order, not percent-decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Value of `Accept`, lower case.
    pub(crate) accept: String,
    /// The client wants the connection closed after this answer.
    pub(crate) close: bool,
}

/// An answer with a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// How the bytes of a body go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    /// Half of it, then the connection ends.
    Half,
    /// One byte at a time.
    Drops(Duration),
}

/// Reads the head of the next request; `None` when the client has closed.
pub(crate) async fn read_request<R: AsyncRead + Unpin>(
    reader: &mut BufReader<R>,
) -> Result<Option<Request>> {
    let Some(first) = read_line(reader).await? else {
        return Ok(None);
    };
    let mut request = parse_request_line(&first)?;
    for _ in 0..MAX_HEADERS {
        match read_line(reader).await? {
            None => return Err(invalid("the request ends in its head")),
            Some(line) if line.is_empty() => return Ok(Some(request)),
            Some(line) => apply_header(&mut request, &line),
        }
    }
    Err(invalid("too many headers"))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

async fn read_line<R: AsyncRead + Unpin>(reader: &mut BufReader<R>) -> Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return if line.is_empty() {
                Ok(None)
            } else {
                Err(invalid("a line without an end"))
            };
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        if line.len() > MAX_LINE {
            return Err(invalid("a line is too long"));
        }
        if end.is_some() {
            let text = String::from_utf8_lossy(&line);
            return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
    }
}

fn parse_request_line(line: &str) -> Result<Request> {
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(invalid("not a request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: parse_query(query),
        accept: String::new(),
        close: version == "HTTP/1.0",
    })
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key.to_owned(), value.to_owned())
    };
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

fn apply_header(request: &mut Request, line: &str) {
    let Some((name, value)) = line.split_once(':') else {
        return;
    };
    let value = value.trim().to_ascii_lowercase();
    match name.trim().to_ascii_lowercase().as_str() {
        "accept" => request.accept = value,
        "connection" => request.close = value == "close",
        _ => {}
    }
}

/// Sends `response`; false if the connection must end now.
pub(crate) async fn write_response(
    writer: &mut OwnedWriteHalf,
    response: &Response,
    delivery: Delivery,
) -> Result<bool> {
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        response.status,
        response.content_type,
        response.body.len(),
    );
    writer.write_all(head.as_bytes()).await?;
    let body = response.body.as_bytes();
    match delivery {
        Delivery::Whole => writer.write_all(body).await?,
        Delivery::Half => writer.write_all(&body[..body.len() / 2]).await?,
        Delivery::Drops(pause) => write_drops(writer, body, pause).await?,
    }
    writer.flush().await?;
    Ok(delivery != Delivery::Half)
}

async fn write_drops(writer: &mut OwnedWriteHalf, body: &[u8], pause: Duration) -> Result<()> {
    for byte in body {
        writer.write_all(std::slice::from_ref(byte)).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn read(text: &str) -> Result<Option<Request>> {
        read_request(&mut BufReader::new(text.as_bytes())).await
    }

    #[tokio::test]
    async fn reads_path_query_and_the_headers_that_matter() {
        let text = "GET /v2/apps?embed=apps.tasks&embed=apps.counts HTTP/1.1\r\nHost: x\r\n\
                    ACCEPT: Text/Event-Stream\r\nConnection: close\r\n\r\n";
        let request = read(text).await.unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/v2/apps")
        );
        assert_eq!(request.query[1], ("embed".into(), "apps.counts".into()));
        assert_eq!(request.accept, "text/event-stream");
        assert!(request.close);
    }

    #[tokio::test]
    async fn a_closed_connection_is_no_request_and_half_a_head_is_an_error() {
        assert_eq!(read("").await.unwrap(), None);
        assert!(read("GET / HTTP/1.1\r\nHost: x\r\n").await.is_err());
        assert!(read("nonsense\r\n\r\n").await.is_err());
        assert!(read(&"x".repeat(MAX_LINE + 1)).await.is_err());
    }
}
