//! The guarded listeners of Kafka let in who has the right keys and nobody else, judged by Kafka's own protocol.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use pipectl_peers::{KAFKA_PASSWORD, KAFKA_USER, Kafka, need, python, system};

/// What TLS says to a client that shows these files.
fn handshake(endpoint: &str, authority: &Path, client: Option<(&Path, &Path)>) -> String {
    let openssl = system("openssl", "openssl").unwrap();
    let mut command = Command::new(openssl);
    command.args(["s_client", "-brief", "-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", endpoint]);
    command.arg("-CAfile").arg(authority);
    if let Some((certificate, key)) = client {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned()
}

/// A request of Kafka's protocol and its answer behind the correlation id.
fn ask(stream: &mut TcpStream, api: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let request = [&[0, api, 0, version, 0, 0, 0, 1, 0, 4][..], b"test", body].concat();
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

/// The error code of SASL with a mechanism and its first message (`SaslHandshake` v1, `SaslAuthenticate` v0), and what else
/// the server says: 0 and nothing is a welcome.
fn sasl(endpoint: &str, mechanism: &str, message: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(endpoint).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let name = [&u16::try_from(mechanism.len()).unwrap().to_be_bytes()[..], mechanism.as_bytes()].concat();
    let answer = ask(&mut stream, 17, 1, &name);
    assert_eq!(&answer[..2], [0, 0], "{mechanism} is offered");
    let bytes = [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message.as_bytes()].concat();
    let answer = ask(&mut stream, 36, 0, &bytes);
    let rest = String::from_utf8_lossy(&answer[2..]).replace(|letter: char| !letter.is_ascii_graphic(), "");
    (u16::from_be_bytes([answer[0], answer[1]]), rest)
}

#[test]
fn listeners_let_in_only_who_has_the_keys() {
    let kafka = need!(Kafka::start_secured());
    let secured = kafka.secured();
    let (certificate, key) = (secured.client_certificate.as_path(), secured.client_key.as_path());

    let welcome = handshake(&secured.tls, &secured.authority, None);
    assert!(welcome.contains("Verification: OK"), "{welcome}");
    let refused = handshake(&secured.tls, &secured.stranger, None);
    assert!(refused.contains("verify failed"), "{refused}");
    let known = handshake(&secured.mutual_tls, &secured.authority, Some((certificate, key)));
    assert!(known.contains("Verification: OK") && !known.contains("alert"), "{known}");

    // SASL's refusal is error 58, SASL_AUTHENTICATION_FAILED.
    let plain = |password: &str| sasl(&secured.plain, "PLAIN", &format!("\0{KAFKA_USER}\0{password}"));
    assert_eq!((plain(KAFKA_PASSWORD).0, plain("guess").0), (0, 58));
    // {"alg":"none"} and {"sub":"alice","iat":0,"exp":4102444800}, in base64url, without a signature.
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImlhdCI6MCwiZXhwIjo0MTAyNDQ0ODAwfQ.";
    let oauth = |token: &str| sasl(&secured.oauth, "OAUTHBEARER", &format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}"));
    // A refused token is reported in a challenge (RFC 7628, 3.2.2).
    assert_eq!(oauth(token), (0, String::new()));
    assert!(oauth("bm9uc2Vuc2U.bm9uc2Vuc2U.").1.contains("invalid_token"));
}

/// Talks with every listener through librdkafka, as packaged for Python by Confluent.
const CLIENT: &str = r"
import sys
from confluent_kafka.admin import AdminClient
user, password, authority, stranger, certificate, key = sys.argv[1:7]
tls, mutual, plain, scram, plain_tls = sys.argv[7:]
def brokers(**settings):
    try:
        return len(AdminClient({k.replace('_', '.'): v for k, v in settings.items()}).list_topics(timeout=8).brokers)
    except Exception as error:
        return 'refused'
sasl = dict(sasl_username=user, sasl_password=password)
print(brokers(bootstrap_servers=tls, security_protocol='SSL', ssl_ca_location=authority))
print(brokers(bootstrap_servers=tls, security_protocol='SSL', ssl_ca_location=stranger))
print(brokers(bootstrap_servers=mutual, security_protocol='SSL', ssl_ca_location=authority))
print(brokers(bootstrap_servers=mutual, security_protocol='SSL', ssl_ca_location=authority,
              ssl_certificate_location=certificate, ssl_key_location=key))
print(brokers(bootstrap_servers=plain, security_protocol='SASL_PLAINTEXT', sasl_mechanism='PLAIN', **sasl))
for mechanism in 'SCRAM-SHA-256', 'SCRAM-SHA-512':
    print(brokers(bootstrap_servers=scram, security_protocol='SASL_SSL', ssl_ca_location=authority,
                  sasl_mechanism=mechanism, **sasl))
print(brokers(bootstrap_servers=scram, security_protocol='SASL_SSL', ssl_ca_location=authority,
              sasl_mechanism='SCRAM-SHA-512', sasl_username=user, sasl_password='guess'))
print(brokers(bootstrap_servers=plain_tls, security_protocol='SASL_SSL', ssl_ca_location=authority,
              sasl_mechanism='PLAIN', **sasl))
";

#[test]
fn a_client_of_others_meets_every_listener() {
    let python = need!(python(&["confluent-kafka==2.12.1"]));
    let kafka = need!(Kafka::start_secured());
    let secured = kafka.secured();
    let output = Command::new(python)
        .args(["-c", CLIENT, KAFKA_USER, KAFKA_PASSWORD])
        .args([&secured.authority, &secured.stranger, &secured.client_certificate, &secured.client_key])
        .args([&secured.tls, &secured.mutual_tls, &secured.plain, &secured.scram_tls, &secured.plain_tls])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = ["1", "refused", "refused", "1", "1", "1", "1", "refused", "1"];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}
