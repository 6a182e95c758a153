//! Compares this machine's clock with the service's, for an examination.
//!
//! Each answer of the service says when it was made, but the client shows that only where the answer is an error. So it
//! is asked for a topic that nobody has.

use pipectl_contract::Finding;
use pipectl_host::Host;

use crate::{clients::Clients, names};

/// What comes out; `None` where the service does not tell its time, as an emulator does not.
pub(crate) async fn compared(clients: &Clients, host: &Host) -> Option<Finding> {
    let nobodys = names::path(&clients.project, "topics", &format!("pipectl-{}", host.id("clock"))).ok()?;
    let before = host.now();
    let error = clients.topics.get_topic().set_topic(nobodys).send().await.err()?;
    Finding::of_clock(before, host.now(), error.http_headers()?.get("date")?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use jiff::fmt::rfc2822;
    use pipectl_contract::{ConnectContext, FindingOutcome};

    use super::*;
    use crate::PubSubOptions;

    /// What is found at a service that answers once, and gives this date.
    fn found(date: &str) -> Option<Finding> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let body = r#"{"error":{"code":404,"message":"Topic not found","status":"NOT_FOUND"}}"#;
        let answer = format!(
            "HTTP/1.1 404 Not Found\r\n{date}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let asked = client.read(&mut [0; 4_096]).unwrap();
            assert_ne!(asked, 0);
            client.write_all(answer.as_bytes()).unwrap();
        });
        let options = PubSubOptions { endpoint: Some(endpoint), ..PubSubOptions::default() };
        let host = Host::real();
        let context = ConnectContext::new(host.clone(), "p", "e");
        pipectl_host::run(Some(1), async {
            let clients = Clients::build(&options, &context).await.unwrap();
            compared(&clients, &host).await
        })
        .unwrap()
    }

    #[test]
    fn the_difference_is_reported_and_harmless_ones_are_not() {
        let date = |ahead: i64| {
            let at = jiff::Timestamp::from_microsecond(Host::real().now() - ahead * 1_000_000).unwrap();
            format!("Date: {}\r\n", rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap())
        };
        let good = found(&date(2)).unwrap();
        assert_eq!((good.outcome, good.help), (FindingOutcome::Good, None));
        let ahead = found(&date(90)).unwrap();
        assert_eq!(ahead.outcome, FindingOutcome::Doubtful);
        assert!(
            ahead.detail.ends_with(" s ahead of the clock of the service") && ahead.help.is_some(),
            "{}",
            ahead.detail
        );
        let behind = found(&date(-3_600)).unwrap();
        assert!(behind.detail.ends_with(" s behind the clock of the service"), "{}", behind.detail);
        assert_eq!(found(""), None);
    }
}
