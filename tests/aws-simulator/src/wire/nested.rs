//! Structures in the Query protocol, for services that speak other protocols as well:
//! `Dimensions.member.1.Name=a` in, `<Dimensions><member>…` out.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

use super::cbor::is_time;
use super::query::Query;
use super::xml::Xml;

/// The parameters of a form as a structure. All that is not a structure or a list is text.
pub(crate) fn read(query: &Query) -> Value {
    let mut root = Map::new();
    for (name, text) in query.parameters() {
        let parts: Vec<&str> = name.split('.').collect();
        place(&mut root, &parts, text);
    }
    listed(Value::Object(root))
}

/// Puts a text where its name says, in structures made on the way.
fn place(fields: &mut Map<String, Value>, parts: &[&str], text: String) {
    let Some((first, rest)) = parts.split_first() else {
        return;
    };
    if rest.is_empty() {
        fields.insert((*first).to_owned(), Value::String(text));
        return;
    }
    let mut inner = match fields.remove(*first) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    place(&mut inner, rest, text);
    fields.insert((*first).to_owned(), Value::Object(inner));
}

/// The same with lists where there are members with numbers.
fn listed(value: Value) -> Value {
    let Value::Object(mut fields) = value else {
        return value;
    };
    if fields.len() == 1
        && let Some(Value::Object(members)) = fields.remove("member")
    {
        let numbered = members
            .into_iter()
            .filter_map(|(number, item)| Some((number.parse::<u32>().ok()?, item)));
        let mut items: Vec<(u32, Value)> = numbered.collect();
        items.sort_by_key(|(number, _)| *number);
        return items.into_iter().map(|(_, item)| listed(item)).collect();
    }
    fields
        .into_iter()
        .map(|(name, inner)| (name, listed(inner)))
        .collect()
}

/// Writes the fields of a structure as elements.
pub(crate) fn write(xml: &mut Xml, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(_) => {
                xml.node(name, |x| write(x, value));
            }
            Value::Array(items) => {
                xml.members(name, items, |x, item| match item.as_object() {
                    Some(_) => write(x, item),
                    None => x.plain(plain(name, item)),
                });
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                xml.text(name, plain(name, value));
            }
        }
    }
}

fn plain(name: &str, value: &Value) -> String {
    let time = value.as_i64().filter(|_| is_time(name));
    if let Some(at) = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
        return at.to_rfc3339_opts(SecondsFormat::Millis, true);
    }
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structures_are_read_from_a_form() {
        let form = b"Action=X&Name=a&Items.member.2=y&Items.member.1=x&Items.member.10=z&S.member.1.Name=n&S.member.1.V.W=1";
        assert_eq!(
            read(&Query::parse(form)),
            json!({ "Name": "a", "Items": ["x", "y", "z"], "S": [{ "Name": "n", "V": { "W": "1" } }] })
        );
        assert_eq!(read(&Query::parse(b"A=1&A.B=2")), json!({ "A": { "B": "2" } }));
    }

    #[test]
    fn structures_are_written_as_elements() {
        let mut xml = Xml::new();
        let value = json!({ "A": [{ "B": 1.5 }], "C": ["<", true], "D": { "ETimestamp": 0 }, "F": null });
        write(&mut xml, &value);
        assert_eq!(
            xml.into_string(),
            "<A><member><B>1.5</B></member></A><C><member>&lt;</member><member>true</member></C>\
             <D><ETimestamp>1970-01-01T00:00:00.000Z</ETimestamp></D>"
        );
    }
}
