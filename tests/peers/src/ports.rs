//! Free ports of loopback that stay ours while a server is down.
//!
//! A port that the system gives away for port 0 comes from the range that it also takes for outgoing connections: while
//! a server restarts, a client of another test may be given its port, or a client that keeps connecting may even meet
//! itself. So ports are tried below that range, and a locked file keeps other test processes away from them.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use crate::{Skip, cache::beside};

/// Ports below are often those of well-known services.
const LOWEST: u16 = 15_000;
/// Where outgoing connections begin if the system does not say (Linux; others begin higher).
const OUTGOING: u16 = 32_768;

/// A port of loopback that no other peer takes until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Finds a port that nobody listens on.
    pub(crate) fn reserve() -> Result<Self, Skip> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = beside("ports")?;
        let many = highest().saturating_sub(LOWEST).max(1);
        // Processes begin at different places, so that they seldom try the same.
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..many {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = LOWEST + (start.wrapping_add(u32::from(step)) % u32::from(many)) as u16;
            let path = folder.join(number.to_string());
            let Ok(lock) = fs::OpenOptions::new().create(true).append(true).open(path) else { continue };
            if lock.try_lock().is_ok() && is_free(number) {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(Skip::new(format!("no free port between {LOWEST} and {}", highest())))
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// On all interfaces, since some servers know no other way to listen.
pub(crate) fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
        && TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok()
}

fn highest() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let begin = range.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(OUTGOING);
    // A machine whose outgoing range begins at the bottom leaves no room below: then any port must do.
    if begin > LOWEST + 1_000 { begin } else { OUTGOING }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::TcpListener};

    use super::Port;

    #[test]
    fn reserved_ports_differ_and_can_be_listened_on() {
        let ports: Vec<_> = (0..20).map(|_| Port::reserve().unwrap()).collect();
        let numbers: BTreeSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 20);
        for number in numbers {
            drop(TcpListener::bind(("127.0.0.1", number)).unwrap());
        }
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given() {
        let first = Port::reserve().unwrap();
        let number = first.number();
        let listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        assert!(!super::is_free(number));
        drop(listener);
        assert!(super::is_free(number));
    }
}
