//! SASL/OAUTHBEARER with the tokens of an identity provider: a small one of our own, and a broker that takes what it gives.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use pipectl_contract::{ErrorKind, Ownership};
use pipectl_peers::Kafka;
use serde_json::{Value, json};

use crate::lab::{Lab, Seen, batch, borrowed, close, connect, consuming, drive, numbered, on};

/// How long tokens are good that are renewed in a test, in seconds, by what the provider says; in truth a little longer,
/// since the broker counts whole seconds.
const LIFETIME: u64 = 4;
/// How long those are good that are not: no test takes as long.
const AN_HOUR: u64 = 3600;
/// How much longer.
const GRACE: u64 = 2;

/// Gives tokens for alice, good for these seconds, to whoever knows the secret; answers its address and how many it has
/// given.
fn provider(lifetime: u64) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(stream, &count, lifetime)));
    (url, given)
}

fn answer(mut stream: TcpStream, given: &AtomicUsize, lifetime: u64) {
    let (mut request, mut part) = (String::new(), [0; 4096]);
    while !request.contains("grant_type=") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(length) => request.push_str(&String::from_utf8_lossy(&part[..length])),
        }
    }
    let login = format!("Basic {}", STANDARD.encode("pipeline:s3cret-canary"));
    let known = request.contains(&login) && request.contains("grant_type=client_credentials&scope=kafka");
    let (status, body) = if known {
        given.fetch_add(1, Ordering::SeqCst);
        ("200 OK", json!({ "access_token": unsigned(lifetime), "token_type": "Bearer", "expires_in": lifetime }))
    } else {
        ("401 Unauthorized", json!({ "error": "invalid_client", "error_description": request }))
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _gone = stream.write_all(answer.as_bytes());
}

/// A token without a signature, as the broker's listener for tests takes it.
fn unsigned(lifetime: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let claims = json!({ "sub": "alice", "scope": "kafka", "iat": now, "exp": now + lifetime + GRACE });
    format!("{}.{}.", encode(json!({ "alg": "none" })), encode(claims))
}

fn options(broker: &str, url: &str, secret: &str) -> Value {
    let oidc = json!({ "token_url": url, "client_id": "pipeline", "client_secret": secret, "scope": "kafka" });
    json!({ "brokers": [broker], "sasl": { "oidc": oidc }, "retry_for": "20s", "request_timeout": "5s" })
}

#[test]
fn tokens_are_fetched_renewed_and_taken_by_the_broker() {
    let kafka = pipectl_peers::need!(Kafka::start_secured());
    let (lasting, once) = provider(AN_HOUR);
    let (url, given) = provider(LIFETIME);
    on(kafka.endpoint(), async |plain| {
        let target = plain.stream("tokens", 2).await;
        let broker = &kafka.secured().oauth;
        let connection = connect(options(broker, &lasting, "s3cret-canary")).await.unwrap();
        let lab = Lab { connection, brokers: broker.clone() };
        lab.write(&target, &borrowed(&numbered(0..100, 7))).await;
        assert_eq!(lab.all(&target).await.numbers().len(), 100);
        assert_eq!(once.load(Ordering::SeqCst), 1, "one token serves all clients of a connection");
        // What is opened long after the first token has ended comes in with a later one.
        let connection = connect(options(broker, &url, "s3cret-canary")).await.unwrap();
        let lab = Lab { connection, brokers: broker.clone() };
        assert_eq!(lab.all(&target).await.numbers().len(), 100);
        tokio::time::sleep(Duration::from_secs(LIFETIME + 2 * GRACE)).await;
        assert!(given.load(Ordering::SeqCst) >= 2, "the token was not renewed");
        let mut producer = lab.producer(&target).await;
        producer.write(&batch(&borrowed(&numbered(100..200, 7)))).await.unwrap();
        producer.checkpoint().await.unwrap();
        let mut readers = lab.readers(&target, consuming(&target.name, 2, Ownership::Shared)).await;
        let mut seen = Seen::default();
        drive(&mut readers, &mut seen, |seen| seen.records.len() >= 200).await;
        close(readers).await;
        assert_eq!(seen.numbers(), (0..200).collect::<Vec<_>>());
        // Nobody renews what nobody wants any more.
        drop((producer, lab));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = given.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(LIFETIME)).await;
        assert_eq!(given.load(Ordering::SeqCst), before);
    });
}

#[test]
fn a_provider_that_refuses_us_is_reported_at_once_and_without_the_secret() {
    let (url, _) = provider(AN_HOUR);
    pipectl_host::run(Some(2), async {
        let problem = connect(options("127.0.0.1:1", &url, "wrong-canary")).await.err().unwrap();
        assert_eq!(problem.kind, ErrorKind::Denied, "{problem}");
        assert!(problem.message.contains("invalid_client") && problem.message.contains("`sasl.oidc`"), "{problem}");
        assert!(!problem.message.contains("canary"), "{problem}");
        assert!(!problem.message.contains(&STANDARD.encode("pipeline:wrong-canary")), "{problem}");
    })
    .unwrap();
}
