//! Digests by which plans, preconditions and documents are compared.

use std::fmt;
use std::io::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, printed as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// Of the canonical form of a JSON value, so that order of keys and spacing do not count.
    pub fn of_json(value: &Value) -> Self {
        Self::of_bytes(canonical_json(value).as_bytes())
    }

    /// Of a policy document, by its meaning as JSON: AWS sends the same text by different ways, but does not promise it.
    pub fn of_document(text: &str) -> Self {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => Self::of_json(&value),
            Err(_) => Self::of_bytes(text.as_bytes()),
        }
    }

    /// Of a value as serde writes it, field by field in the order of its type: for values whose maps are sorted.
    pub fn of_serialized(value: &impl Serialize) -> Self {
        let mut hash = Hash(Sha256::new());
        // serde writes a few bytes at a time.
        let mut buffer = std::io::BufWriter::new(&mut hash);
        let written = serde_json::to_writer(&mut buffer, value).map_err(std::io::Error::from);
        let written = written.and_then(|()| buffer.flush());
        drop(buffer);
        // Hashing cannot fail and our values have text keys; a value that cannot be written gets a digest of its own.
        if let Err(error) = written {
            hash.0.update(error.to_string());
        }
        Self(format!("sha256:{}", hex::encode(hash.0.finalize())))
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first hexadecimal digits, without the prefix, for identifiers that people read.
    pub fn short(&self, digits: usize) -> &str {
        let start = "sha256:".len();
        self.0
            .get(start..(start + digits).min(self.0.len()))
            .unwrap_or_default()
    }
}

struct Hash(Sha256);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// JSON with sorted keys and no spacing: the same value always gives the same bytes, however maps are kept.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (n, (key, value)) in entries.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_keys_does_not_count() {
        let a: Value =
            serde_json::from_str(r#"{"b": 1, "a": {"d": [1, {"z": 0, "y": 1}], "c": null}}"#).unwrap();
        assert_eq!(
            canonical_json(&a),
            r#"{"a":{"c":null,"d":[1,{"y":1,"z":0}]},"b":1}"#
        );
        assert_ne!(Digest::of_json(&json!([1, 2])), Digest::of_json(&json!([2, 1])));
        assert_eq!(Digest::of_bytes(b"").short(8), "e3b0c442");
    }
}
