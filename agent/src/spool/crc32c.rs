//! CRC-32C (Castagnoli), a byte at a time: the spool writes some hundred bytes every few seconds.

const POLYNOMIAL: u32 = 0x82F6_3B78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// A checksum in the making.
#[derive(Debug, Clone, Copy)]
pub struct Crc(u32);

impl Crc {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self(!0)
    }

    /// Of these bytes too.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            // The index is one byte and the table has 256 entries.
            self.0 = (self.0 >> 8) ^ TABLE[usize::from(low ^ byte)];
        }
        self
    }

    /// The sum.
    pub fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values_come_out() {
        let sum = |bytes: &[u8]| Crc::new().with(bytes).sum();
        assert_eq!(sum(b"123456789"), 0xE306_9283);
        // RFC 3720, B.4
        assert_eq!(sum(&[0; 32]), 0x8A91_36AA);
        assert_eq!(sum(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(Crc::new().with(b"1234").with(b"56789").sum(), 0xE306_9283);
    }
}
