//! A bit for each group: whether it has a value.

/// Bits by number, all false at first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Makes room for bits 0 to `total`.
    pub(crate) fn grow(&mut self, total: usize) {
        let words = total.div_ceil(64);
        if words > self.0.len() {
            self.0.resize(words, 0);
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Sets a bit for which there is room.
    #[inline]
    pub(crate) fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// Sets a bit for which there is room; whether it was false.
    #[inline]
    pub(crate) fn insert(&mut self, at: usize) -> bool {
        let Some(word) = self.0.get_mut(at / 64) else { return false };
        let bit = 1 << (at % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}
