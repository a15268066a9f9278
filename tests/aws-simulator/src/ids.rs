//! Identifiers in the shapes AWS gives them, from a counter: the same seed makes the same ids.

use base64::Engine;

/// A source of identifiers that never repeats one.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdSource {
    counter: u64,
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl IdSource {
    /// The next pseudo-random number (SplitMix64).
    fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.counter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next().to_be_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// A unique id with its four-letter prefix: `AIDA…`, `AKIA…`, `AROA…`; 21 characters, keys 20.
    pub(crate) fn unique(&mut self, prefix: &str) -> String {
        let letters = if prefix == "AKIA" || prefix == "ASIA" {
            16
        } else {
            17
        };
        format!("{prefix}{}", self.base32(letters))
    }

    /// So many capital letters and digits, as keys and seeds are made of.
    pub(crate) fn base32(&mut self, letters: usize) -> String {
        let letter = |byte| char::from(BASE32[usize::from(byte % 32)]);
        self.bytes(letters).into_iter().map(letter).collect()
    }

    /// So many hexadecimal digits, as in the ids of EC2.
    pub(crate) fn hex(&mut self, count: usize) -> String {
        let digit = |byte: u8| char::from(b"0123456789abcdef"[usize::from(byte % 16)]);
        self.bytes(count).into_iter().map(digit).collect()
    }

    /// So many digits.
    pub(crate) fn digits(&mut self, count: usize) -> String {
        let digit = |byte| char::from(b'0' + byte % 10);
        self.bytes(count).into_iter().map(digit).collect()
    }

    /// A UUID as used for requests and jobs.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// A secret access key: forty characters.
    pub(crate) fn secret_key(&mut self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.bytes(30))
    }

    /// A session token.
    pub(crate) fn token(&mut self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.bytes(150))
    }

    /// Six letters, as Secrets Manager appends them to a secret's ARN.
    pub(crate) fn suffix(&mut self) -> String {
        self.bytes(6)
            .into_iter()
            .map(|byte| char::from(BASE32[usize::from(byte % 26)]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_of_aws() {
        let mut ids = IdSource::default();
        assert_eq!(ids.unique("AKIA").len(), 20);
        assert_eq!(ids.unique("AIDA").len(), 21);
        assert_eq!(ids.secret_key().len(), 40);
        assert_eq!(ids.uuid().len(), 36);
        assert_eq!(ids.suffix().len(), 6);
    }

    #[test]
    fn ids_do_not_repeat() {
        let mut ids = IdSource::default();
        let made: std::collections::BTreeSet<String> = (0..10_000).map(|_| ids.unique("AKIA")).collect();
        assert_eq!(made.len(), 10_000);
    }
}
