//! Order lines against an inventory: each order takes from its product's stock, and a product that cannot serve an
//! order is restocked first. So stock falls below any sensible threshold again and again.

use super::{Generator, Slot, digits};
use crate::{draw::Key, options::SimulateOptions, schedule::Share, text};

const CUSTOMERS: u64 = 5000;

pub(super) struct Orders {
    share: Share,
    width: usize,
    draws: Key,
    block: u64,
    products: Vec<Product>,
}

struct Product {
    /// In hundredths.
    price: i64,
    full: u64,
    stock: u64,
}

impl Orders {
    pub(super) fn new(options: &SimulateOptions, share: Share) -> Self {
        let catalog = Key::new(options.seed, "simulate/orders/catalogue");
        let product = |local| {
            let mut draw = catalog.at(share.key(local));
            let full = 60 + draw.below(90);
            Product { price: 99 + 100 * draw.low_below(200) as i64, full, stock: full }
        };
        Self {
            share,
            width: digits(share.keys, 3),
            draws: Key::new(options.seed, &format!("simulate/orders/{}/{}", share.partitions, share.partition)),
            // Long enough for every product to be sold out within it.
            block: (share.len() * 128).next_power_of_two().max(1024),
            products: (0..share.len()).map(product).collect(),
        }
    }
}

impl Generator for Orders {
    fn block(&self) -> u64 {
        self.block
    }

    fn write(&mut self, slot: Slot, out: &mut Vec<u8>) {
        if slot.index.is_multiple_of(self.block) {
            // A delivery of everything, so that no record depends on those before it.
            for product in &mut self.products {
                product.stock = product.full;
            }
        }
        let mut draw = self.draws.at(slot.index);
        let local = draw.low_below(self.products.len() as u64);
        let quantity = 1 + draw.low_below(5);
        let customer = 1 + draw.low_below(CUSTOMERS);
        let Some(product) = self.products.get_mut(local as usize) else { return };
        if product.stock < quantity {
            product.stock = product.full;
        }
        product.stock -= quantity;

        out.extend_from_slice(b"{\"order_id\":\"order-");
        text::padded(out, slot.number + 1, 8);
        out.extend_from_slice(b"\",\"timestamp\":\"");
        text::rfc3339(out, slot.time);
        out.extend_from_slice(b"\",\"product_id\":\"product-");
        text::padded(out, self.share.key(local) + 1, self.width);
        out.extend_from_slice(b"\",\"quantity\":");
        text::number(out, quantity);
        out.extend_from_slice(b",\"unit_price\":");
        text::hundredths(out, product.price);
        out.extend_from_slice(b",\"customer_id\":\"customer-");
        text::padded(out, customer, 4);
        out.extend_from_slice(b"\",\"stock_left\":");
        text::number(out, product.stock);
        out.push(b'}');
    }
}
