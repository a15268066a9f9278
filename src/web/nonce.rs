//! What a form carries so that it counts once, only for whom it was made, and only for what it showed.
//!
//! A nonce is a random number, a date, and a signature over both and the purpose. The key comes from what the browser
//! holds, so nothing has to be written when a form is shown: GET stays without effect. That it is used once is for the
//! state to say.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::Digest;

/// How long a form may lie open.
const LIFE: TimeDelta = TimeDelta::hours(2);

/// What nonces are signed with. Never printed.
#[derive(Clone)]
pub(super) struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Why a nonce does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was not made here, for this person and this purpose.
    Forged,
    /// The form lay open for too long.
    Old,
}

/// A nonce that was made here: the name under which it is spent, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nonce {
    pub(super) id: Digest,
    pub(super) expires_at: DateTime<Utc>,
}

impl Key {
    /// One that nobody knows.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The key that belongs to what a browser holds.
    pub(super) fn of_session(held: &str) -> Self {
        Self(mac(held.as_bytes(), "iamwarden/nonce/v1"))
    }

    /// A nonce for a purpose.
    pub(super) fn nonce(&self, purpose: &str, now: DateTime<Utc>) -> String {
        let expires = (now + LIFE).timestamp();
        let number = hex::encode(rand::random::<[u8; 16]>());
        let signature = hex::encode(self.sign(purpose, expires, &number));
        format!("{expires}.{number}.{signature}")
    }

    /// Whether this key made it for this purpose, and not too long ago.
    pub(super) fn check(&self, text: &str, purpose: &str, now: DateTime<Utc>) -> Result<Nonce, Fault> {
        let mut parts = text.split('.');
        let (Some(expires), Some(number), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Forged);
        };
        let expires: i64 = expires.parse().map_err(|_| Fault::Forged)?;
        let signature = hex::decode(signature).map_err(|_| Fault::Forged)?;
        let genuine = self.sign(purpose, expires, number);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&genuine[..], &signature[..])) {
            return Err(Fault::Forged);
        }
        let expires_at = DateTime::from_timestamp(expires, 0).ok_or(Fault::Forged)?;
        if expires_at <= now {
            return Err(Fault::Old);
        }
        Ok(Nonce {
            id: Digest::of_bytes(format!("nonce:{number}").as_bytes()),
            expires_at,
        })
    }

    fn sign(&self, purpose: &str, expires: i64, number: &str) -> [u8; 32] {
        mac(&self.0, &format!("{expires}\n{number}\n{purpose}"))
    }
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    // HMAC takes a key of any length: this never fails, and an empty signature would fit nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-23T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_nonce_counts_for_its_own_purpose_person_and_time() {
        let key = Key::of_session("what ann's browser holds");
        let nonce = key.nonce("plan 1", now());
        assert!(key.check(&nonce, "plan 1", now()).is_ok());
        assert_eq!(key.check(&nonce, "plan 2", now()), Err(Fault::Forged));
        assert_eq!(
            Key::of_session("ben's").check(&nonce, "plan 1", now()),
            Err(Fault::Forged)
        );
        assert_eq!(Key::random().check(&nonce, "plan 1", now()), Err(Fault::Forged));
        assert_eq!(key.check(&nonce, "plan 1", now() + LIFE), Err(Fault::Old));
        assert_ne!(nonce, key.nonce("plan 1", now()));
    }

    #[test]
    fn a_nonce_that_was_touched_counts_for_nothing() {
        let key = Key::random();
        let nonce = key.nonce("plan 1", now());
        let (expires, rest) = nonce.split_once('.').unwrap();
        let later = expires.parse::<i64>().unwrap() + 1;
        for touched in [
            String::new(),
            "..".to_owned(),
            format!("{later}.{rest}"),
            format!("{nonce}.1"),
            nonce.replace('.', ""),
            nonce[..nonce.len() - 2].to_owned(),
            format!("{expires}.{}.", rest.split('.').next().unwrap()),
        ] {
            assert_eq!(
                key.check(&touched, "plan 1", now()),
                Err(Fault::Forged),
                "{touched}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_other_text_is_a_nonce(text in "\\PC{0,120}") {
            proptest::prop_assert_eq!(Key::random().check(&text, "plan 1", now()), Err(Fault::Forged));
        }
    }
}
