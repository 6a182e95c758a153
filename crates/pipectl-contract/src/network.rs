//! Which addresses a backend may talk to: with `network: private`, none that can be reached from the internet.
//!
//! Whether an endpoint is private shows only in what its name stands for here: a service's usual name leads to a private
//! endpoint inside a network whose DNS says so, and to the public one everywhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{ConnectContext, ConnectorError, ErrorKind};

/// The addresses under which Google's services are reached from inside its network only: `private.googleapis.com` and
/// `restricted.googleapis.com` (<https://cloud.google.com/vpc/docs/configure-private-google-access>).
const GOOGLE_INSIDE: (Ipv4Addr, u32, [Ipv6Addr; 2]) = (
    Ipv4Addr::new(199, 36, 153, 4),
    // 199.36.153.4/30 and 199.36.153.8/30.
    8,
    [
        Ipv6Addr::new(0x2600, 0x2d00, 0x0002, 0x1000, 0, 0, 0, 0),
        Ipv6Addr::new(0x2600, 0x2d00, 0x0002, 0x2000, 0, 0, 0, 0),
    ],
);

impl ConnectContext {
    /// Refuses, where the Environment asks for a private network, addresses that can be reached from the internet. `place`
    /// is what the client will connect to: a URL, `host:port`, or a host; `help` says what to do for a private one, as the
    /// end of a sentence.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] for a public address, [`ErrorKind::Unavailable`] where the name is not known,
    /// [`ErrorKind::Invalid`] where `place` names no host.
    pub async fn admit(&self, place: &str, help: &str) -> Result<(), ConnectorError> {
        if !self.private {
            return Ok(());
        }
        let name = host_of(place).ok_or_else(|| {
            ConnectorError::new(ErrorKind::Invalid, format!("`{place}` names no host that could be private"))
        })?;
        let found = self.host.resolve(&name).await.map_err(|error| ConnectorError {
            source: Some(Box::new(error)),
            ..ConnectorError::new(
                ErrorKind::Unavailable,
                format!("no address was found for `{name}`, which must be private (`network: private`)"),
            )
        })?;
        let Some(public) = found.iter().find(|address| !is_private(**address)) else { return Ok(()) };
        let leads = if public.to_string() == name { String::new() } else { format!(" leads to {public}, which") };
        Err(ConnectorError::new(
            ErrorKind::Denied,
            format!("`{name}`{leads} is a public address, and the Environment says `network: private`; {help}"),
        ))
    }
}

/// The host of a URL, of `host:port`, or as it is.
fn host_of(place: &str) -> Option<String> {
    let url = if place.contains("://") { place.to_owned() } else { format!("tcp://{place}") };
    let url = url::Url::parse(&url).ok()?;
    match url.host()? {
        url::Host::Domain("") => None,
        // Of schemes that it does not know, the library leaves IPv4 addresses as text.
        url::Host::Domain(name) => Some(name.to_owned()),
        url::Host::Ipv4(address) => Some(address.to_string()),
        url::Host::Ipv6(address) => Some(address.to_string()),
    }
}

/// Whether no one can reach an address from the internet: this machine, link-local, private (RFC 1918), shared by a
/// provider's customers (RFC 6598), unique local (RFC 4193), or inside of Google's network only.
fn is_private(address: IpAddr) -> bool {
    let (google, count, google6) = GOOGLE_INSIDE;
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            let inside = address.to_bits().checked_sub(google.to_bits()).is_some_and(|distance| distance < count);
            address.is_loopback() || address.is_private() || address.is_link_local() || shared || inside
        }
        IpAddr::V6(address) => {
            let inside = google6.iter().any(|network| network.segments()[..4] == address.segments()[..4]);
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local() || inside
        }
    }
}

#[cfg(test)]
mod tests {
    use pipectl_host::Host;

    use super::*;

    #[test]
    fn public_addresses_are_reported_from_private_ones() {
        let private = [
            "127.0.0.1",
            "::1",
            "10.0.0.5",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "fd00::5",
            "fe80::1",
            "199.36.153.4",
            "199.36.153.11",
            "2600:2d00:2:1000::1",
            "::ffff:10.0.0.5",
        ];
        for address in private {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "199.36.153.3",
            "199.36.153.12",
            "2600:2d00:2:3000::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "203.0.113.1",
            "0.0.0.0",
        ];
        for address in public {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn hosts_are_found_in_all_that_options_hold() {
        for (place, host) in [
            ("https://kinesis.eu-central-1.amazonaws.com", "kinesis.eu-central-1.amazonaws.com"),
            ("amqps://10.0.0.5", "10.0.0.5"),
            ("broker-1:9092", "broker-1"),
            ("[fd00::5]:9092", "fd00::5"),
            ("my-namespace.servicebus.windows.net", "my-namespace.servicebus.windows.net"),
        ] {
            assert_eq!(host_of(place).as_deref(), Some(host), "{place}");
        }
        assert_eq!(host_of(""), None);
        assert_eq!(host_of(":9092"), None);
    }

    #[test]
    fn a_public_address_is_refused_where_the_network_is_private() {
        let admit = |private: bool, place: &str| {
            let host = Host::real();
            pipectl_host::run(Some(1), async {
                let context = ConnectContext { private, ..ConnectContext::new(host, "shop", "prod") };
                context.admit(place, "use `private_endpoint`").await
            })
            .unwrap()
        };
        assert!(admit(false, "https://203.0.113.7").is_ok());
        assert!(admit(true, "127.0.0.1:9092").is_ok());
        assert!(admit(true, "http://localhost:9092").is_ok());
        let refused = admit(true, "https://203.0.113.7:443/path").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Denied);
        assert!(refused.message.contains("`203.0.113.7` is a public address"), "{refused}");
        assert!(refused.to_string().contains("private_endpoint"), "{refused}");
        assert_eq!(admit(true, "https://no-such-host.invalid").unwrap_err().kind, ErrorKind::Unavailable);
    }
}
