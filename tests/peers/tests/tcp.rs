//! The proxy of connections does to a simple echo what it says.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use pipectl_peers::{Kafka, need, proxy::Tcp};

use crate::servers::eventually;

/// A server that gives back what it gets, until the client ends.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut reader = stream.unwrap();
                let mut writer = reader.try_clone().unwrap();
                drop(std::io::copy(&mut reader, &mut writer));
            });
        }
    });
    address
}

fn connect(proxy: &Tcp) -> TcpStream {
    let stream = TcpStream::connect(proxy.endpoint()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn said(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn it_passes_bytes_and_proper_ends() {
    let proxy = Tcp::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said(&mut stream, "hello").unwrap(), "hello");
    let large = "x".repeat(1 << 20);
    let sender = {
        let (mut stream, large) = (stream.try_clone().unwrap(), large.clone());
        thread::spawn(move || {
            stream.write_all(large.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        })
    };
    let mut back = String::new();
    stream.read_to_string(&mut back).unwrap();
    sender.join().unwrap();
    assert!(back == large, "{} bytes came back", back.len());
    assert_eq!(proxy.accepted(), 1);
    eventually("the connection is over", || proxy.open() == 0);
}

#[test]
fn a_cut_resets_what_is_open_and_lets_new_connections_pass() {
    let proxy = Tcp::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said(&mut stream, "a").unwrap(), "a");
    proxy.cut();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(said(&mut connect(&proxy), "b").unwrap(), "b");
}

#[test]
fn refused_connections_pass_again_later_on_the_same_port() {
    let proxy = Tcp::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said(&mut stream, "a").unwrap(), "a");
    proxy.refuse();
    assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(TcpStream::connect(proxy.endpoint()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.pass();
    assert_eq!(said(&mut connect(&proxy), "b").unwrap(), "b");
}

#[test]
fn a_black_hole_keeps_what_it_gets_until_it_closes() {
    let proxy = Tcp::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said(&mut stream, "a").unwrap(), "a");
    proxy.black_hole();
    stream.write_all(b"b").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let silence = stream.read(&mut [0; 8]).unwrap_err().kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
    let mut late = connect(&proxy);
    late.write_all(b"c").unwrap();
    proxy.pass();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for (stream, expected) in [(&mut stream, b'b'), (&mut late, b'c')] {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], expected);
    }
}

#[test]
fn a_delay_holds_both_directions_back() {
    let proxy = Tcp::start(&echo()).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(said(&mut stream, "a").unwrap(), "a");
    let each = Duration::from_millis(150);
    proxy.delay(each);
    let begin = Instant::now();
    assert_eq!(said(&mut stream, "b").unwrap(), "b");
    assert!(begin.elapsed() >= each * 2, "{:?}", begin.elapsed());
}

#[test]
fn a_broker_behind_a_proxy_names_the_proxy_to_its_clients() {
    let proxy = Tcp::listen().unwrap();
    let kafka = need!(Kafka::start_behind(&proxy));
    assert_ne!(proxy.endpoint(), kafka.endpoint());
    // Metadata, version 4, of no topics: see Kafka's protocol guide. The brokers begin after length, correlation and
    // throttling time; the first is its number (4 bytes), its host (2 bytes of length), its port (4 bytes).
    let mut stream = connect(&proxy);
    let body = [&[0, 3, 0, 4, 0, 0, 0, 1, 0, 4][..], b"test", &[0, 0, 0, 0, 0]].concat();
    stream.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = [0; 35];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[22..31], b"127.0.0.1");
    assert_eq!(u32::from_be_bytes(answer[31..35].try_into().unwrap()), u32::from(proxy.port()));
}
