//! Kafka's guarded listeners: TLS, mutual TLS, and SASL with each mechanism that a client may meet.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Fault,
    peer::LaunchSite,
    proxy::Kafka as Proxy,
    shell::{run, system},
};

/// The user that SASL/PLAIN and SCRAM know.
pub const USER: &str = "alice";
/// The user's password, with the characters that careless quoting breaks.
pub const PASSWORD: &str = "pa ss\\w0rd;=@%";
/// Days that certificates are valid; they are made anew for every broker.
const DAYS: &str = "2";

/// The guarded listeners of one broker, and the files with which a client meets them.
///
/// SASL/PLAIN and SCRAM know the user [`USER`] with [`PASSWORD`]. The OAUTHBEARER listener takes unsigned tokens
/// (`alg: none`) with the subject `alice`, in the scope `kafka` or none.
#[derive(Debug)]
#[non_exhaustive]
pub struct Secured {
    /// TLS, any client.
    pub tls: String,
    /// TLS, clients with [`client_certificate`](Self::client_certificate) only.
    pub mutual_tls: String,
    /// SASL/PLAIN over plain TCP.
    pub plain: String,
    /// SASL with SCRAM-SHA-256 or SCRAM-SHA-512 over TLS.
    pub scram_tls: String,
    /// SASL/OAUTHBEARER over plain TCP.
    pub oauth: String,
    /// SASL/PLAIN over TLS, as Event Hubs' Kafka endpoint has it.
    pub plain_tls: String,
    /// The authority that signed the broker's certificate, as PEM.
    pub authority: PathBuf,
    /// A certificate of a client that the broker trusts, as PEM.
    pub client_certificate: PathBuf,
    /// Its key, as PEM (PKCS #8, no password).
    pub client_key: PathBuf,
    /// An authority that signed nothing here: a client that trusts only this one must refuse the broker.
    pub stranger: PathBuf,
    broker: PathBuf,
    /// Where the listener of [`plain`](Self::plain) is, if that is the address of a proxy.
    behind: Option<String>,
}

/// One listener in the words of Kafka's settings.
pub(super) struct Listener<'a> {
    pub(super) name: &'static str,
    pub(super) protocol: &'static str,
    pub(super) endpoint: &'a str,
    /// Where it says that it is.
    pub(super) advertised: &'a str,
}

impl Secured {
    /// Makes the certificates and finds the ports. Who meets SASL/PLAIN comes through the proxy if there is one.
    pub(super) fn prepare(place: &mut LaunchSite, proxy: Option<&Proxy>) -> Result<Self, Fault> {
        let openssl = system("openssl", "openssl")?;
        let folder = place.folder.join("certificates");
        fs::create_dir_all(&folder).map_err(|error| Fault::Broken(format!("{}: {error}", folder.display())))?;
        let broken = |why: String| Fault::Broken(format!("certificates for Kafka cannot be made: {why}"));
        for name in ["authority", "stranger"] {
            authority(&openssl, &folder, name).map_err(broken)?;
        }
        for name in ["broker", "client"] {
            signed(&openssl, &folder, name).map_err(broken)?;
        }
        let behind = proxy.map(|proxy| {
            let port = place.port()?;
            proxy.lead_to(port);
            Ok::<_, Fault>((format!("127.0.0.1:{port}"), proxy.endpoint()))
        });
        let (behind, proxied) = behind.transpose()?.unzip();
        let mut endpoint = || place.port().map(|port| format!("127.0.0.1:{port}"));
        Ok(Self {
            tls: endpoint()?,
            mutual_tls: endpoint()?,
            plain: proxied.map_or_else(&mut endpoint, Ok)?,
            scram_tls: endpoint()?,
            oauth: endpoint()?,
            plain_tls: endpoint()?,
            authority: folder.join("authority.pem"),
            client_certificate: folder.join("client.pem"),
            client_key: folder.join("client.key"),
            stranger: folder.join("stranger.pem"),
            broker: folder.join("broker.store"),
            behind,
        })
    }

    pub(super) fn listeners(&self) -> [Listener<'_>; 6] {
        let listener = |name, protocol, endpoint| Listener { name, protocol, endpoint, advertised: endpoint };
        let plain = self.behind.as_deref().unwrap_or(&self.plain);
        [
            listener("TLS", "SSL", self.tls.as_str()),
            listener("MUTUAL", "SSL", &self.mutual_tls),
            Listener { advertised: &self.plain, ..listener("PLAIN", "SASL_PLAINTEXT", plain) },
            listener("SCRAM", "SASL_SSL", &self.scram_tls),
            listener("OAUTH", "SASL_PLAINTEXT", &self.oauth),
            listener("PLAINTLS", "SASL_SSL", &self.plain_tls),
        ]
    }

    pub(super) fn properties(&self) -> String {
        let (broker, authority) = (property(&self.broker), property(&self.authority));
        // The second quoting is that of the properties file.
        let password = quoted(PASSWORD).replace('\\', "\\\\");
        let module = "org.apache.kafka.common.security";
        let plain = format!("{module}.plain.PlainLoginModule required user_{USER}=\"{password}\";");
        format!(
            "ssl.keystore.type=PEM
ssl.keystore.location={broker}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
listener.name.plain.sasl.enabled.mechanisms=PLAIN
listener.name.plain.plain.sasl.jaas.config={plain}
listener.name.plaintls.sasl.enabled.mechanisms=PLAIN
listener.name.plaintls.plain.sasl.jaas.config={plain}
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.scram.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config={module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"{USER}\";
listener.name.oauth.oauthbearer.sasl.server.callback.handler.class={module}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
"
        )
    }

    /// Arguments that make the users known when the storage is formatted: SCRAM's live in the cluster's metadata. What
    /// stands between the quotes is taken as it is, other than in the settings.
    pub(super) fn users() -> Vec<String> {
        let user = |mechanism| format!("{mechanism}=[name={USER},password=\"{PASSWORD}\"]");
        ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .map(user)
            .into_iter()
            .flat_map(|user| ["--add-scram".to_owned(), user])
            .collect()
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn property(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

/// A certificate that signs others.
fn authority(openssl: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let mut command = Command::new(openssl);
    command.current_dir(folder).args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-nodes", "-days", DAYS, "-subj", &format!("/CN=pipectl test {name}"), "-keyout"]);
    command.args([&format!("{name}.key"), "-out", &format!("{name}.pem")]);
    run(&mut command).map(drop)
}

/// A certificate of loopback, signed by the authority; with its key in one file as well, as the broker wants it.
fn signed(openssl: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let mut ask = Command::new(openssl);
    ask.current_dir(folder).args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    ask.args(["-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &request]);
    run(&mut ask)?;
    let text = |error: std::io::Error| error.to_string();
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").map_err(text)?;
    let mut sign = Command::new(openssl);
    sign.current_dir(folder).args(["x509", "-req", "-in", &request, "-CA", "authority.pem", "-CAkey", "authority.key"]);
    sign.args(["-CAcreateserial", "-days", DAYS, "-extfile", "names", "-out", &certificate]);
    run(&mut sign)?;
    let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(text);
    fs::write(folder.join(format!("{name}.store")), read(&key)? + &read(&certificate)?).map_err(text)
}
