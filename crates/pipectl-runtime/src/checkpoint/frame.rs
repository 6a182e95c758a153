//! Several byte strings as one: each with its length before it.

/// Joins parts.
pub fn join<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.clone().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The parts again; `None` if the bytes are no such frame.
pub fn split(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_and_torn_ones_are_refused() {
        let parts: [&[u8]; 3] = [b"a", b"", b"longer"];
        let bytes = join(parts.iter().copied());
        assert_eq!(split(&bytes), Some(parts.to_vec()));
        for cut in 1..bytes.len() {
            assert_ne!(split(&bytes[..cut]), Some(parts.to_vec()));
        }
    }
}
