//! Visits to a shop as sessions: where a visitor goes next depends on the page that is open.

use super::{Generator, Slot, digits};
use crate::{
    draw::{Draw, Key},
    options::SimulateOptions,
    schedule::Share,
    text,
};

/// How many products and categories the shop shows.
const PRODUCTS: u64 = 500;
const CATEGORIES: [&str; 8] = ["books", "garden", "kitchen", "lighting", "music", "outdoor", "toys", "travel"];
const ORIGINS: [&str; 5] = [
    "https://search.example/?q=shop",
    "https://news.example/gifts",
    "https://social.example/",
    "https://mail.example/newsletter",
    "https://blog.example/reviews",
];

pub(super) struct Clickstream {
    share: Share,
    width: usize,
    events: Key,
    block: u64,
    /// Visitors who are there at the same time; the keys are dealt out to the places.
    places: Vec<Option<Session>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Home,
    Category(u64),
    Product(u64),
    Cart,
    Confirmation,
}

struct Session {
    id: u64,
    user: u64,
    page: Page,
    /// What is in the cart, in hundredths.
    cart: u64,
}

/// What a visitor does.
struct Event {
    kind: &'static str,
    referrer: Referrer,
    /// In hundredths; only a purchase has one.
    amount: Option<u64>,
}

enum Referrer {
    None,
    Origin(&'static str),
    Page(Page),
}

impl Clickstream {
    pub(super) fn new(options: &SimulateOptions, share: Share) -> Self {
        // As many visitors as click once in about eight seconds at this rate.
        let busy = (options.rate.0 * 8.0 / f64::from(share.partitions)) as u64;
        let places = busy.clamp(1, share.len()).min(16_384);
        Self {
            share,
            width: digits(share.keys, 4),
            events: Key::new(options.seed, &format!("simulate/clickstream/{}/{}", share.partitions, share.partition)),
            block: (places * 64).next_power_of_two().max(1024),
            places: (0..places).map(|_| None).collect(),
        }
    }

    /// A new visitor at this place: one of the users that were dealt to it, so that no user is in two places.
    fn arrive(&self, draw: &mut Draw, place: u64) -> (Session, Event) {
        let places = self.places.len() as u64;
        let users = (self.share.len().saturating_sub(place)).div_ceil(places).max(1);
        let user = self.share.key(place + places * draw.below(users));
        let page = match draw.below(10) {
            0..5 => Page::Home,
            5..8 => product(draw),
            _ => category(draw),
        };
        let referrer = if draw.below(10) < 4 {
            Referrer::None
        } else {
            ORIGINS
                .get(draw.below(ORIGINS.len() as u64) as usize)
                .map_or(Referrer::None, |origin| Referrer::Origin(origin))
        };
        let session = Session { id: draw.bits(), user, page, cart: 0 };
        (session, Event { kind: "page_view", referrer, amount: None })
    }
}

fn product(draw: &mut Draw) -> Page {
    Page::Product(1 + draw.low_below(PRODUCTS))
}

fn category(draw: &mut Draw) -> Page {
    Page::Category(draw.low_below(CATEGORIES.len() as u64))
}

impl Session {
    /// The visitor's next step, `None` for leaving.
    fn step(&mut self, draw: &mut Draw) -> Option<Event> {
        let chance = draw.below(100);
        let from = self.page;
        let next = match (from, chance) {
            (Page::Home, 0..45) | (Page::Category(_), 55..65) | (Page::Product(_), 65..80) => category(draw),
            (Page::Home, 45..70) | (Page::Category(_), 0..55) | (Page::Product(_), 20..50) | (Page::Cart, 35..75) => {
                product(draw)
            }
            (Page::Home, 70..85) | (Page::Category(_), 65..75) | (Page::Product(_), 50..65) => {
                return Some(Event { kind: "click", referrer: Referrer::Page(from), amount: None });
            }
            (Page::Category(_), 75..80) | (Page::Confirmation, 0..20) => Page::Home,
            (Page::Product(_), 0..20) => {
                self.page = Page::Cart;
                self.cart += 199 + 100 * draw.low_below(150);
                return Some(Event { kind: "add_to_cart", referrer: Referrer::Page(from), amount: None });
            }
            (Page::Cart, 0..35) => {
                self.page = Page::Confirmation;
                let amount = Some(std::mem::take(&mut self.cart));
                return Some(Event { kind: "purchase", referrer: Referrer::Page(from), amount });
            }
            _ => return None,
        };
        self.page = next;
        Some(Event { kind: "page_view", referrer: Referrer::Page(from), amount: None })
    }
}

impl Page {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Home => out.push(b'/'),
            Self::Category(category) => {
                out.extend_from_slice(b"/category/");
                out.extend_from_slice(CATEGORIES.get(category as usize).copied().unwrap_or_default().as_bytes());
            }
            Self::Product(product) => {
                out.extend_from_slice(b"/product/");
                text::number(out, product);
            }
            Self::Cart => out.extend_from_slice(b"/cart"),
            Self::Confirmation => out.extend_from_slice(b"/order/confirmed"),
        }
    }
}

impl Generator for Clickstream {
    fn block(&self) -> u64 {
        self.block
    }

    fn write(&mut self, slot: Slot, out: &mut Vec<u8>) {
        if slot.index.is_multiple_of(self.block) {
            self.places.fill_with(|| None);
        }
        let mut draw = self.events.at(slot.index);
        let place = draw.below(self.places.len() as u64);
        let going_on = self.places.get_mut(place as usize).and_then(Option::take).and_then(|mut session| {
            let event = session.step(&mut draw)?;
            Some((session, event))
        });
        let (session, event) = match going_on {
            Some(going_on) => going_on,
            None => self.arrive(&mut draw, place),
        };

        out.extend_from_slice(b"{\"event_type\":\"");
        out.extend_from_slice(event.kind.as_bytes());
        out.extend_from_slice(b"\",\"timestamp\":");
        text::signed(out, slot.time.div_euclid(1000));
        out.extend_from_slice(b",\"user_id\":\"user-");
        text::padded(out, session.user + 1, self.width);
        out.extend_from_slice(b"\",\"page\":\"");
        session.page.write(out);
        out.extend_from_slice(b"\",\"session_id\":\"");
        text::hex(out, session.id, 16);
        match event.referrer {
            Referrer::None => out.extend_from_slice(b"\",\"referrer\":null"),
            Referrer::Origin(origin) => {
                out.extend_from_slice(b"\",\"referrer\":\"");
                out.extend_from_slice(origin.as_bytes());
                out.push(b'"');
            }
            Referrer::Page(page) => {
                out.extend_from_slice(b"\",\"referrer\":\"https://shop.example");
                page.write(out);
                out.push(b'"');
            }
        }
        if let Some(amount) = event.amount {
            out.extend_from_slice(b",\"amount\":");
            text::hundredths(out, amount as i64);
        }
        out.push(b'}');
        if let Some(free) = self.places.get_mut(place as usize) {
            *free = Some(session);
        }
    }
}
