//! The way to the emulator: what it makes of a client's frames.

use pipectl_host::Host;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::emulator::Way;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A client and the server that it has called through a way.
struct Ends {
    way: Way,
    client: TcpStream,
    server: TcpStream,
}

impl Ends {
    async fn connect() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way::open(&Host::real(), &listener.local_addr().unwrap().to_string()).await.unwrap();
        let client = TcpStream::connect(way.endpoint.strip_prefix("http://").unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        Self { way, client, server }
    }

    /// A connection on which a call is open.
    async fn calling() -> Self {
        let mut ends = Self::connect().await;
        let beginning =
            [PREFACE.to_vec(), frame(HEADERS, END_HEADERS, 1, b"call"), frame(DATA, 0, 1, b"request")].concat();
        ends.client.write_all(&beginning).await.unwrap();
        ends.comes(&beginning).await;
        ends
    }

    async fn comes(&mut self, expected: &[u8]) {
        let mut come = vec![0; expected.len()];
        self.server.read_exact(&mut come).await.unwrap();
        assert_eq!(come, expected);
    }
}

fn run(test: impl Future<Output = ()>) {
    pipectl_host::run(Some(1), async {
        tokio::time::timeout(std::time::Duration::from_secs(20), test).await.expect("the test has not ended in time");
    })
    .unwrap();
}

#[test]
fn a_reset_becomes_an_end() {
    run(async {
        let mut ends = Ends::calling().await;
        // Frames may come in pieces.
        for byte in frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]) {
            ends.client.write_all(&[byte]).await.unwrap();
        }
        ends.comes(&frame(DATA, END_STREAM, 1, b"")).await;
        // Of a call that has said everything, nothing is left to say.
        let call = frame(HEADERS, END_HEADERS | END_STREAM, 3, b"call");
        let rest = [call.clone(), frame(RST_STREAM, 0, 3, &[0; 4]), frame(GOAWAY, 0, 0, &[0; 8])].concat();
        ends.client.write_all(&rest).await.unwrap();
        ends.comes(&[call, frame(GOAWAY, 0, 0, &[0; 8])].concat()).await;
    });
}

#[test]
fn a_call_ends_when_it_is_asked_for_and_what_the_server_says_still_comes() {
    run(async {
        let mut ends = Ends::calling().await;
        ends.way.end();
        ends.comes(&frame(DATA, END_STREAM, 1, b"")).await;
        ends.server.write_all(b"the rest").await.unwrap();
        let mut come = [0; 8];
        ends.client.read_exact(&mut come).await.unwrap();
        assert_eq!(&come, b"the rest");
        let late = [frame(DATA, 0, 1, b"late"), frame(RST_STREAM, 0, 1, &[0; 4]), frame(GOAWAY, 0, 0, b"")].concat();
        ends.client.write_all(&late).await.unwrap();
        ends.comes(&frame(GOAWAY, 0, 0, b"")).await;
    });
}

#[test]
fn a_connection_that_breaks_ends_its_calls() {
    run(async {
        let Ends { way, client, mut server } = Ends::calling().await;
        drop((way, client));
        let mut come = Vec::new();
        server.read_to_end(&mut come).await.unwrap();
        assert_eq!(come, frame(DATA, END_STREAM, 1, b""));
    });
}

#[test]
fn what_has_no_frames_passes_as_it_is() {
    run(async {
        let mut ends = Ends::connect().await;
        ends.client.write_all(b"PUT / HTTP/1.1\r\n\r\n").await.unwrap();
        ends.comes(b"PUT / HTTP/1.1\r\n\r\n").await;
    });
}
