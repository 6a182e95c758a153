//! Questions that show whether a server serves, each in its own protocol: an open port alone shows nothing.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let open = || -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    open().map_err(|error| format!("port {port}: {error}"))
}

fn exchange(port: u16, request: &[u8], answer: &mut [u8]) -> Result<TcpStream, String> {
    let mut stream = connect(port)?;
    stream.write_all(request).map_err(|error| format!("asking: {error}"))?;
    stream.read_exact(answer).map_err(|error| format!("waiting for the answer: {error}"))?;
    Ok(stream)
}

/// Sends an HTTP/1.1 request (`METHOD PATH`, header lines, body) whose answer must contain `expected`.
pub(crate) fn http(port: u16, line: &str, headers: &str, body: &str, expected: &str) -> Result<(), String> {
    let mut stream = connect(port)?;
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(|error| format!("asking: {error}"))?;
    let mut answer = Vec::new();
    // What has come counts, also when the server does not close the connection.
    drop(stream.take(1 << 16).read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    if answer.contains(expected) {
        return Ok(());
    }
    Err(format!("it answers {:?}", answer.lines().next().unwrap_or_default()))
}

/// Calls an operation of AWS whose answer must contain `expected`. The signature is one that test servers do not check.
pub(crate) fn aws(port: u16, service: &str, target: &str, expected: &str) -> Result<(), String> {
    let version = if service == "kinesis" { "1.1" } else { "1.0" };
    let headers = format!(
        "X-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-{version}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00\r\n"
    );
    http(port, "POST /", &headers, "{}", expected)
}

/// Kafka's Metadata request, version 4 (KIP-4, KIP-204): ready when a broker is named, so it has joined its cluster.
pub(crate) fn kafka(port: u16) -> Result<(), String> {
    let mut request = vec![0, 3, 0, 4, 0, 0, 0, 1, 0, 5];
    request.extend(b"peers");
    // No topics, none to be made.
    request.extend([0, 0, 0, 0, 0]);
    let mut framed = (request.len() as u32).to_be_bytes().to_vec();
    framed.append(&mut request);
    // Length, correlation, throttling time, number of brokers.
    let mut answer = [0; 16];
    exchange(port, &framed, &mut answer)?;
    let [.., a, b, c, d] = answer;
    if u32::from_be_bytes([a, b, c, d]) == 0 {
        return Err("it knows no broker yet".to_owned());
    }
    Ok(())
}

/// HTTP/2's opening (RFC 9113, 3.4): ready when the server sends its settings.
pub(crate) fn http2(port: u16) -> Result<(), String> {
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut answer = [0; 9];
    exchange(port, &request, &mut answer)?;
    if answer[3] == 4 { Ok(()) } else { Err("it does not speak HTTP/2".to_owned()) }
}

/// AMQP's opening with its security layer (AMQP 1.0, part 5.3): ready when the server repeats it.
pub(crate) fn amqp(port: u16) -> Result<(), String> {
    let header = *b"AMQP\x03\x01\x00\x00";
    let mut answer = [0; 8];
    exchange(port, &header, &mut answer)?;
    if answer == header { Ok(()) } else { Err("it does not speak AMQP 1.0".to_owned()) }
}
