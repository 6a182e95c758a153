//! Access log lines in Apache's combined format, as a small shop behind a web server would write them.
//!
//! Addresses are from the ranges for documentation (RFC 5737, RFC 3849), so that no line accuses anybody.

use super::{Generator, Slot};
use crate::{
    draw::{Draw, Key},
    options::SimulateOptions,
    schedule::Share,
    text::{self, Clock},
};

const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
    "curl/8.14.1",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example/about)",
    "python-requests/2.32.4",
];

const REFERRERS: [&str; 5] = [
    "https://shop.example/",
    "https://shop.example/category/books",
    "https://search.example/",
    "https://news.example/a?b=1",
    "-",
];

/// What a client wants, how often in a thousand.
#[derive(Clone, Copy)]
enum Wish {
    Home,
    Product,
    Search,
    Asset,
    Basket,
    Login,
    Health,
    Probe,
}

const WISHES: [(u64, Wish); 8] = [
    (120, Wish::Home),
    (280, Wish::Product),
    (90, Wish::Search),
    (370, Wish::Asset),
    (50, Wish::Basket),
    (30, Wish::Login),
    (30, Wish::Health),
    (30, Wish::Probe),
];

const ASSETS: [&str; 6] = [
    "/static/app.js",
    "/static/app.css",
    "/static/logo.svg",
    "/favicon.ico",
    "/static/fonts/body.woff2",
    "/robots.txt",
];
const PROBES: [&str; 6] = ["/wp-login.php", "/.env", "/admin", "/phpmyadmin/", "/.git/config", "/cgi-bin/test.cgi"];
const WORDS: [&str; 8] = ["lamp", "tent", "red+shoes", "chess", "kettle", "gift%20card", "guitar", "atlas"];

pub(super) struct ServerLogs {
    share: Share,
    requests: Key,
    clients: Key,
    clock: Clock,
}

impl ServerLogs {
    pub(super) fn new(options: &SimulateOptions, share: Share) -> Self {
        Self {
            share,
            requests: Key::new(options.seed, "simulate/server_logs/requests"),
            clients: Key::new(options.seed, "simulate/server_logs/clients"),
            clock: Clock::default(),
        }
    }
}

/// Every sixteenth client has an IPv6 address; the others go through the three documentation networks, and through
/// the ports' worth of numbers of the benchmarking network (RFC 2544) once these are used up.
fn address(out: &mut Vec<u8>, client: u64) {
    if client % 16 == 15 {
        out.extend_from_slice(b"2001:db8:");
        text::hex(out, client >> 16 & 0xffff, 1);
        out.extend_from_slice(b"::");
        text::hex(out, client & 0xffff, 1);
        return;
    }
    let (net, host) = (client / 254, client % 254 + 1);
    match net {
        0 => out.extend_from_slice(b"192.0.2."),
        1 => out.extend_from_slice(b"198.51.100."),
        2 => out.extend_from_slice(b"203.0.113."),
        _ => {
            out.extend_from_slice(b"198.");
            text::number(out, 18 + (net >> 8 & 1));
            out.push(b'.');
            text::number(out, net & 0xff);
            out.push(b'.');
        }
    }
    text::number(out, host);
}

/// Writes method and path, and answers the usual status and size.
fn request(draw: &mut Draw, out: &mut Vec<u8>) -> (u64, Option<u64>) {
    let wish = draw.weighted(&WISHES, 1000).copied().unwrap_or(Wish::Home);
    match wish {
        Wish::Home => {
            out.extend_from_slice(b"GET /");
            (200, Some(8_000 + draw.below(4_000)))
        }
        Wish::Product => {
            out.extend_from_slice(b"GET /product/");
            text::number(out, 1 + draw.low_below(520));
            (200, Some(11_000 + draw.below(20_000)))
        }
        Wish::Search => {
            out.extend_from_slice(b"GET /search?q=");
            out.extend_from_slice(draw.pick(&WORDS).as_bytes());
            out.extend_from_slice(b"&page=");
            text::number(out, 1 + draw.low_below(9));
            (200, Some(5_000 + draw.below(30_000)))
        }
        Wish::Asset => {
            out.extend_from_slice(b"GET ");
            out.extend_from_slice(draw.pick(&ASSETS).as_bytes());
            if draw.below(5) == 0 { (304, None) } else { (200, Some(500 + draw.low_below(250_000))) }
        }
        Wish::Basket => {
            out.extend_from_slice(b"POST /api/basket");
            (201, Some(80 + draw.below(200)))
        }
        Wish::Login => {
            out.extend_from_slice(b"POST /login");
            if draw.below(4) == 0 { (403, Some(310)) } else { (302, Some(0)) }
        }
        Wish::Health => {
            out.extend_from_slice(b"HEAD /health");
            (200, Some(0))
        }
        Wish::Probe => {
            out.extend_from_slice(b"GET ");
            out.extend_from_slice(draw.pick(&PROBES).as_bytes());
            (404, Some(196))
        }
    }
}

impl Generator for ServerLogs {
    fn write(&mut self, slot: Slot, out: &mut Vec<u8>) {
        let mut draw = self.requests.at(slot.number);
        let client = self.share.key(draw.low_below(self.share.len()));
        let mut habits = self.clients.at(client);
        address(out, client);
        let named = habits.below(20) == 0 && draw.below(2) == 0;
        out.extend_from_slice(if named { b" - editor [" } else { b" - - [" });
        self.clock.access_log(out, slot.time);
        out.extend_from_slice(b"] \"");
        let (status, size) = request(&mut draw, out);
        // The shop has its bad moments.
        let (status, size) = match draw.below(1000) {
            0..6 => (500, Some(170)),
            6..9 => (503, Some(190)),
            9..11 => (502, Some(157)),
            11..23 => (404, Some(196)),
            23..31 => (301, Some(178)),
            _ => (status, size),
        };
        out.extend_from_slice(b" HTTP/1.1\" ");
        text::number(out, status);
        out.push(b' ');
        match size {
            Some(size) => text::number(out, size),
            None => out.push(b'-'),
        }
        out.extend_from_slice(b" \"");
        out.extend_from_slice(draw.pick(&REFERRERS).as_bytes());
        out.extend_from_slice(b"\" \"");
        out.extend_from_slice(habits.pick(&AGENTS).as_bytes());
        out.push(b'"');
    }
}
