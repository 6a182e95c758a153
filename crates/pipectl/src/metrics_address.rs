//! The address that `--metrics` takes.

use std::net::SocketAddr;

/// Reads it. Names are not looked up, so that it is plain who can reach it.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "it must be an IP address and a port, such as 127.0.0.1:9464, or 0.0.0.0:9464 for all interfaces".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_has_an_ip_and_a_port() {
        for good in ["127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464"] {
            assert_eq!(address(good).unwrap().to_string(), good);
        }
        for bad in ["", "9464", ":9464", "localhost:9464", "127.0.0.1", "127.0.0.1:70000", "::1:9464x"] {
            assert!(address(bad).unwrap_err().contains("127.0.0.1:9464"), "{bad}");
        }
    }
}
