//! Which partition a key belongs to: the service's own hash, as all official clients carry it.
//!
//! It is lookup3 by Bob Jenkins over the key's UTF-8, both words folded to a signed 16-bit number (azure-sdk-for-net,
//! `Azure.Messaging.EventHubs/src/Core/PartitionResolver.cs`; the vectors below are those of its tests).

/// The number of the key's partition among `partitions`.
pub(crate) fn partition(key: &str, partitions: u32) -> u32 {
    let partitions = i32::try_from(partitions.max(1)).unwrap_or(i32::MAX);
    (i32::from(hash(key.as_bytes())) % partitions).unsigned_abs()
}

fn hash(data: &[u8]) -> i16 {
    let word = |bytes: &[u8], at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[at..at + 4]);
        u32::from_le_bytes(word)
    };
    let start = 0xDEAD_BEEF_u32.wrapping_add(data.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = data;
    while rest.len() > 12 {
        a = a.wrapping_add(word(rest, 0));
        b = b.wrapping_add(word(rest, 4));
        c = c.wrapping_add(word(rest, 8));
        for (first, second) in [(4, 6), (8, 16), (19, 4)] {
            // Three rounds of the same two steps; the names of the words move on by two each time.
            a = a.wrapping_sub(c) ^ c.rotate_left(first);
            c = c.wrapping_add(b);
            b = b.wrapping_sub(a) ^ a.rotate_left(second);
            a = a.wrapping_add(c);
            (a, b, c) = (c, a, b);
        }
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return (c ^ b) as i16;
    }
    let mut last = [0; 12];
    last[..rest.len()].copy_from_slice(rest);
    a = a.wrapping_add(word(&last, 0));
    b = b.wrapping_add(word(&last, 4));
    c = c.wrapping_add(word(&last, 8));
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    (c ^ b) as i16
}

#[cfg(test)]
mod tests {
    use super::{hash, partition};

    #[test]
    fn keys_hash_as_in_the_official_clients() {
        let vectors: [(&str, i16); 12] = [
            ("7", -15263),
            ("131", 30562),
            ("7149583486996073602", 12977),
            ("FWfAT", -22341),
            ("sOdeEAsyQoEuEFPGerWO", -6503),
            ("FAyAIctPeCgmiwLKbJcyswoHglHVjQdvtBowLACDNORsYvOcLddNJYDmhAVkbyLOrHTKLneMNcbgWVlasVywOByANjs", 5226),
            (
                "1XYM6!(7(lF5wq4k4m*e$Nc!1ezLJv*1YK1Y-C^*&B$O)lq^iUkG(TNzXG;Zi#z2Og*Qq0#^*k):vXh$3,C7We7%W0meJ;b3,rQCg^J;^twXgs5E$$hWKxqp",
                23950,
            ),
            (
                "E(x;RRIaQcJs*P;D&jTPau-4K04oqr:lF6Z):ERpo&;9040qyV@G1_c9mgOs-8_8/10Fwa-7b7-yP!T-!IH&968)FWuI;(^g$2fN;)HJ^^yTn:",
                -29304,
            ),
            ("!c*_!I@1^c", 15372),
            ("p4*!jioeO/z-!-;w:dh", -3104),
            ("$0cb", 26269),
            ("-4189260826195535198", 453),
        ];
        for (key, expected) in vectors {
            assert_eq!(hash(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_still_names_a_partition() {
        assert_eq!(partition("7", 4), 3, "abs(-15263 % 4)");
        assert_eq!(partition("131", 4), 2);
        for partitions in 1..40 {
            assert!(["7", "FWfAT", "", "$0cb"].iter().all(|key| partition(key, partitions) < partitions));
        }
    }
}
