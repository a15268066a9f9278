//! CBOR, as far as AWS's RPC protocol uses it: JSON's kinds of values, and points in time.

use serde_json::{Map, Number, Value};

/// Deeper structures are refused.
const DEEPEST: u32 = 64;
/// The tag of seconds since 1970.
const EPOCH: u64 = 1;

/// Whether a field holds a point in time, which is a number of seconds in other protocols.
pub(crate) fn is_time(name: &str) -> bool {
    name.ends_with("Timestamp")
}

/// Writes a value. Numbers in fields for points in time become such.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(truth) => bytes.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::Number(number) => write_number(number, bytes),
        Value::String(text) => write_text(text, bytes),
        Value::Array(items) => {
            write_head(4, length(items.len()), bytes);
            items.iter().for_each(|item| write(item, bytes));
        }
        Value::Object(fields) => {
            write_head(5, length(fields.len()), bytes);
            for (name, value) in fields {
                write_text(name, bytes);
                if is_time(name) && value.is_number() {
                    write_head(6, EPOCH, bytes);
                }
                write(value, bytes);
            }
        }
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    write_head(3, length(text.len()), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

fn write_number(number: &Number, bytes: &mut Vec<u8>) {
    if let Some(natural) = number.as_u64() {
        write_head(0, natural, bytes);
    } else if let Some(negative) = number.as_i64() {
        write_head(1, (-1 - negative).unsigned_abs(), bytes);
    } else {
        bytes.push(0xfb);
        bytes.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
    }
}

/// A major type with its argument, in as few bytes as it takes.
fn write_head(major: u8, argument: u64, bytes: &mut Vec<u8>) {
    let major = major << 5;
    match argument {
        0..=23 => bytes.push(major | argument.to_be_bytes()[7]),
        24..=0xff => bytes.extend([major | 24, argument.to_be_bytes()[7]]),
        0x100..=0xffff => {
            bytes.push(major | 25);
            bytes.extend_from_slice(&argument.to_be_bytes()[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend_from_slice(&argument.to_be_bytes()[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Reads one value, and nothing after it.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn unsigned(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    }

    /// A major type and its argument; `None` in it where the length is not known ahead.
    fn head(&mut self) -> Option<(u8, u8, Option<u64>)> {
        let first = self.unsigned(1)?.to_be_bytes()[7];
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(self.unsigned(1)?),
            25 => Some(self.unsigned(2)?),
            26 => Some(self.unsigned(4)?),
            27 => Some(self.unsigned(8)?),
            31 => None,
            _ => return None,
        };
        Some((major, info, argument))
    }

    fn value(&mut self, depth: u32) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let (major, info, argument) = self.head()?;
        match major {
            0 => Some(argument?.into()),
            1 => Some((-1 - i64::try_from(argument?).ok()?).into()),
            3 => self.text(argument).map(Value::String),
            4 => self.array(argument, depth).map(Value::Array),
            5 => self.object(argument, depth).map(Value::Object),
            6 => self.value(depth + 1),
            7 => simple(info, argument?),
            // Bytes have no place in what is spoken here.
            _ => None,
        }
    }

    fn at_break(&mut self) -> bool {
        match self.rest {
            [0xff, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn text(&mut self, length: Option<u64>) -> Option<String> {
        if let Some(length) = length {
            let bytes = self.take(usize::try_from(length).ok()?)?;
            return String::from_utf8(bytes.to_vec()).ok();
        }
        let mut whole = String::new();
        while !self.at_break() {
            match self.head()? {
                (3, _, Some(length)) => whole.push_str(&self.text(Some(length))?),
                _ => return None,
            }
        }
        Some(whole)
    }

    fn array(&mut self, length: Option<u64>, depth: u32) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while !self.is_over(length, items.len()) {
            items.push(self.value(depth + 1)?);
        }
        Some(items)
    }

    fn object(&mut self, length: Option<u64>, depth: u32) -> Option<Map<String, Value>> {
        let (mut fields, mut count) = (Map::new(), 0);
        while !self.is_over(length, count) {
            let (major, _, argument) = self.head()?;
            let name = self.text(argument).filter(|_| major == 3)?;
            fields.insert(name, self.value(depth + 1)?);
            count += 1;
        }
        Some(fields)
    }

    fn is_over(&mut self, expected: Option<u64>, read: usize) -> bool {
        match expected {
            Some(expected) => length(read) >= expected,
            None => self.at_break(),
        }
    }
}

fn simple(info: u8, argument: u64) -> Option<Value> {
    match info {
        20 => Some(false.into()),
        21 => Some(true.into()),
        22 | 23 => Some(Value::Null),
        25 => Some(half(u16::try_from(argument).ok()?).into()),
        26 => Some(f32::from_bits(u32::try_from(argument).ok()?).into()),
        27 => Some(f64::from_bits(argument).into()),
        _ => None,
    }
}

/// A float of two bytes.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let long = "x".repeat(300);
        let value = json!({
            "text": long, "ä": "ö", "none": null, "yes": true, "no": false,
            "numbers": [0, 23, 24, 255, 256, 65_536, 5_000_000_000u64, -1, -25, -300, 0.5, -2.25e10],
            "nested": { "deeper": [{}, []] },
        });
        assert_eq!(decode(&encode(&value)), Some(value));
    }

    #[test]
    fn points_in_time_are_tagged() {
        assert_eq!(
            encode(&json!({ "aTimestamp": 1 })),
            *b"\xa1\x6aaTimestamp\xc1\x01"
        );
        assert_eq!(
            decode(b"\xa1\x61a\xc1\xfb\x3f\xf8\0\0\0\0\0\0"),
            Some(json!({ "a": 1.5 }))
        );
    }

    #[test]
    fn lengths_may_be_left_open_and_floats_short() {
        let open = b"\xbf\x61a\x9f\x01\x7f\x61x\x61y\xff\xff\xff";
        assert_eq!(decode(open), Some(json!({ "a": [1, "xy"] })));
        assert_eq!(
            decode(b"\x83\xf9\x3c\x00\xf9\xc0\x00\xfa\x3f\x00\x00\x00"),
            Some(json!([1.0, -2.0, 0.5]))
        );
        assert_eq!(decode(b"\xf9\x00\x01"), Some(json!(2f64.powi(-24))));
    }

    #[test]
    fn what_is_broken_is_refused() {
        let deep = vec![0x81; 200];
        for bytes in [
            &b""[..],
            b"\x61",
            b"\xa1\x01\x01",
            b"\x41a",
            b"\x01\x01",
            b"\x9f\x01",
            b"\x62\xff\xff",
            &deep,
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
