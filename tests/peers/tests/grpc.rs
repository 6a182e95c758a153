//! The proxy of gRPC spoils the calls that it was told to and passes the rest, in front of a server that counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use pipectl_peers::proxy::{Grpc, Spoil, code};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A server that answers each call with what it was sent and a trailer, and counts them.
async fn echo() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let done = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&done);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let Ok(mut calls) = h2::server::handshake(client).await else { return };
                while let Some(Ok((request, mut respond))) = calls.accept().await {
                    let counted = Arc::clone(&counted);
                    tokio::spawn(async move {
                        let body = whole(request.into_body()).await;
                        counted.fetch_add(1, Ordering::SeqCst);
                        let mut to = respond.send_response(Response::new(()), false).unwrap();
                        to.send_data(body, false).unwrap();
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().unwrap());
                        to.send_trailers(trailers).unwrap();
                    });
                }
            });
        }
    });
    (address, done)
}

async fn whole(mut body: RecvStream) -> Bytes {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all.into()
}

/// The body and the status of a call.
async fn call(to: &SendRequest<Bytes>, method: &str, body: Bytes) -> (Bytes, String) {
    let request = Request::post(format!("http://localhost/some.Service/{method}")).body(()).unwrap();
    let (answer, mut send) = to.clone().ready().await.unwrap().send_request(request, false).unwrap();
    send.reserve_capacity(body.len());
    send.send_data(body, true).unwrap();
    let (head, mut body) = answer.await.unwrap().into_parts();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let status = head.headers.get("grpc-status").or(trailers.get("grpc-status")).unwrap();
    (all.into(), status.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn spoils_before_and_after_the_server_and_passes_the_rest() {
    let (server, done) = echo().await;
    let proxy = Grpc::start(&server.to_string()).unwrap();
    let (to, connection) = h2::client::handshake(TcpStream::connect(proxy.endpoint()).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    // More than the windows of HTTP/2 hold at once.
    let large = Bytes::from(vec![7; 1 << 20]);
    let failed = |code: u32| (Bytes::new(), code.to_string());

    let spoiled = proxy.on("Put", Spoil::Before(2), code::RESOURCE_EXHAUSTED);
    assert_eq!(call(&to, "Put", large.clone()).await, failed(8));
    assert_eq!(done.load(Ordering::SeqCst), 0, "it never reaches the server");
    assert_eq!(call(&to, "Put", large.clone()).await, (large.clone(), "0".to_owned()));
    assert_eq!(call(&to, "Get", Bytes::from_static(b"x")).await.1, "0", "another method passes");
    assert_eq!(spoiled.load(Ordering::SeqCst), 1);

    proxy.on("Put", Spoil::After(1), code::UNAVAILABLE);
    assert_eq!(call(&to, "Put", large.clone()).await, failed(14));
    assert_eq!(done.load(Ordering::SeqCst), 3, "the server has done it");
    proxy.pass();
    assert_eq!(call(&to, "Put", Bytes::new()).await.1, "0");
}

#[tokio::test]
async fn passes_what_is_no_grpc_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Grpc::start(&listener.local_addr().unwrap().to_string()).unwrap();
    let mut client = TcpStream::connect(proxy.endpoint()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut come = [0; 18];
    server.read_exact(&mut come).await.unwrap();
    assert_eq!(&come, b"GET / HTTP/1.1\r\n\r\n");
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\n\r\n");
}
