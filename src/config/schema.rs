//! The JSON Schema of the configuration: the types of `settings`, their documentation, and the built-in defaults.
//!
//! Editors read it by way of `iamwarden schema`; [`Shape`](super::shape::Shape) reads it to check files and the
//! environment, so that there is one description of the keys.

use serde_json::{Map, Value, json};

use super::format::FORMATS;
use super::{Config, DEFAULTS, Rules};

/// The JSON Schema (draft 2020-12) of the configuration, with the built-in defaults. A key that has one may be
/// left out.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), json!("The configuration of iamwarden"));
    }
    strip_null(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        describe_formats(definitions);
    }
    // The defaults are compiled in and a test reads them; without them every key would count as required.
    let defaults: Option<Value> = toml::from_str(DEFAULTS).ok();
    if let Some(defaults) = defaults {
        let root = schema.clone();
        insert_defaults(&mut schema, &root, &defaults);
    }
    schema
}

/// TOML has no null: an optional key is left out.
fn strip_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(strip_null);
            if fields.get("default").is_some_and(Value::is_null) {
                fields.remove("default");
            }
            strip_null_type(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn strip_null_type(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            fields.insert("type".into(), one);
        }
    }
    let Some(Value::Array(alternatives)) = fields.get_mut("anyOf") else {
        return;
    };
    let before = alternatives.len();
    alternatives.retain(|one| one.get("type").is_none_or(|name| name != "null"));
    if let (true, [Value::Object(one)]) = (alternatives.len() < before, alternatives.as_slice()) {
        let one = one.clone();
        fields.remove("anyOf");
        for (key, value) in one {
            fields.entry(key).or_insert(value);
        }
    }
}

fn describe_formats(definitions: &mut Map<String, Value>) {
    for format in &FORMATS {
        if let Some(definition) = definitions.get_mut(format.name).and_then(Value::as_object_mut) {
            definition.insert("description".into(), json!(format.expected));
            definition.insert("pattern".into(), json!(format.pattern));
        }
    }
    if let Some(rule) = definitions.get_mut("RuleName").and_then(Value::as_object_mut) {
        rule.insert("enum".into(), json!(Rules::NAMES));
    }
}

/// Writes each default to its key, and lets keys with one be left out. Lists of tables have none.
fn insert_defaults(schema: &mut Value, root: &Value, defaults: &Value) {
    let Some(defaults) = defaults.as_object() else {
        return;
    };
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.retain(|key| key.as_str().is_none_or(|key| !defaults.contains_key(key)));
        if required.is_empty() {
            fields.remove("required");
        }
    }
    let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (key, default) in defaults {
        let Some(property) = properties.get_mut(key) else {
            continue;
        };
        if default.is_object() {
            // A section is inlined: the same type may stand elsewhere with other defaults.
            resolve(property, root);
            insert_defaults(property, root, default);
        } else if let Some(property) = property.as_object_mut() {
            property.insert("default".into(), default.clone());
        }
    }
}

/// Replaces a reference by what it refers to, keeping the property's own description.
fn resolve(property: &mut Value, root: &Value) {
    let target = property.get("$ref").and_then(Value::as_str).map(str::to_owned);
    let definition = target
        .and_then(|target| target.strip_prefix('#').map(str::to_owned))
        .and_then(|pointer| root.pointer(&pointer).cloned());
    let (Some(Value::Object(definition)), Some(property)) = (definition, property.as_object_mut()) else {
        return;
    };
    property.remove("$ref");
    for (key, value) in definition {
        property.entry(key).or_insert(value);
    }
}
