//! Configurations for tests.

use std::path::Path;

use serde_json::Value;

use super::{Config, DEFAULTS, Environment, json_schema, load_text};

/// The built-in defaults under this text.
pub(super) fn configured(text: &str) -> Config {
    match load_text(Path::new("test.toml"), text, &Environment::empty()) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    // The rules that the documentation lists whole; each of the others has its defaults beside its own tests.
    let listed = [
        "access_key_rotation",
        "unused_access_keys",
        "password_policy",
        "unused_permissions",
    ];
    let mut config = serde_json::json!(Config::built_in().unwrap());
    let rules = config["rules"].as_object_mut().unwrap();
    rules.retain(|name, _| listed.contains(&name.as_str()));
    insta::assert_json_snapshot!(config, @r#"
    {
      "accounts": [],
      "approvals": {
        "approvers": [],
        "command_line": true,
        "expire_after": "7d",
        "minimum_approvers": 1,
        "people": []
      },
      "dry_run": false,
      "exemptions": [],
      "freeze": false,
      "guardrails": {
        "change_window": "",
        "max_changes_per_day": 100,
        "max_changes_per_run": 25,
        "max_changes_percent": 10,
        "max_plan_age": "1d",
        "on_excess": "cap",
        "protected": [
          "user/break-glass-*",
          "role/aws-service-role/*"
        ],
        "timezone": "UTC"
      },
      "notifications": {
        "allow_http": false,
        "allow_networks": [],
        "channels": [],
        "default_channel": "",
        "owner_tags": [
          "owner",
          "Owner",
          "email"
        ],
        "owners": [],
        "quiet_hours": "",
        "slack_hosts": [
          "hooks.slack.com",
          "hooks.slack-gov.com"
        ]
      },
      "organization": {
        "discover": false,
        "exclude": [],
        "external_id": "",
        "role_name": "iamwarden",
        "rollback_role_name": ""
      },
      "regions": {
        "include": []
      },
      "reports": {
        "channels": [],
        "owners": false,
        "schedule": ""
      },
      "rollout": null,
      "rules": {
        "access_key_rotation": {
          "delete_after": "",
          "max_age": "90d",
          "minimum_notice": "7d",
          "mode": "report",
          "schedule": null,
          "spare_used_within": "0s",
          "warn_before": [
            "14d",
            "7d",
            "1d"
          ]
        },
        "password_policy": {
          "allow_users_to_change": null,
          "exact": false,
          "hard_expiry": null,
          "max_age": null,
          "minimum_length": null,
          "mode": "report",
          "require_lowercase": null,
          "require_numbers": null,
          "require_symbols": null,
          "require_uppercase": null,
          "reuse_prevention": null,
          "schedule": null
        },
        "unused_access_keys": {
          "minimum_notice": "7d",
          "mode": "report",
          "schedule": null,
          "unused_for": "45d"
        },
        "unused_permissions": {
          "confirm_after": "7d",
          "minimum_age": "90d",
          "mode": "report",
          "principals": [
            "user",
            "group",
            "role"
          ],
          "schedule": null,
          "trust_existing": false,
          "unused_for": "90d"
        }
      },
      "schedule": {
        "accounts_at_once": 8,
        "default": "0 0 6 * * *",
        "spread_over": "0s"
      },
      "server": {
        "auth": {
          "off": false,
          "oidc": {
            "admins": [],
            "approvers": [],
            "client_id": "",
            "client_secret": "",
            "issuer": "",
            "role_claim": "groups",
            "scopes": [
              "email"
            ],
            "subject_claim": "email",
            "viewers": []
          },
          "session_length": "12h",
          "tokens": []
        },
        "listen": "127.0.0.1:8787",
        "public_url": ""
      },
      "state": {
        "keep_findings": "400d",
        "url": "sqlite:iamwarden.db"
      }
    }
    "#);
}

fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut examples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    examples.sort();
    examples
}

#[test]
fn the_examples_are_right_by_themselves_and_by_the_schema() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let examples = examples();
    assert_eq!(examples.len(), 5);
    for (path, text) in &examples {
        let loaded = load_text(Path::new(path), text, &Environment::empty()).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{path}");
        let value: Value = toml::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{path}");
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    for wrong in [
        "dryrun = true",
        "dry_run = \"true\"",
        "organization = {discover = true, exclude = [\"Sandbox\"]}",
        "rollout = {units = [\"12345\"]}",
        "accounts = [{name = \"prod\"}]",
        "accounts = [{id = 123456789012}]",
        "accounts = [{id = \"12345\"}]",
        "accounts = [{id = \"123456789012\", role_arn = \"iamwarden\"}]",
        "guardrails.max_changes_percent = 101",
        "guardrails.on_excess = \"drop\"",
        "guardrails.change_window = \"always\"",
        "rules.access_key_rotation.mode = \"enforced\"",
        "rules.access_key_rotation.max_age = \"90\"",
        "rules.password_policy.minimum_length = 5",
        "rules.unused_permissions.principals = [\"policy\"]",
        "exemptions = [{principals = [\"user/a\"], rules = [\"keys\"], until = \"2027-01-31\", reason = \"x\"}]",
        "exemptions = [{principals = [\"user/a\"], rules = [\"password_policy\"], reason = \"x\"}]",
        "notifications.channels = [{name = \"a\", kind = \"slack\", url = \"https://hooks.example.com\"}]",
        "notifications.owners = [{principals = [\"user/a\"], match = \"b\"}]",
    ] {
        let value: Value = toml::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&value), "{wrong}");
        assert!(
            load_text(Path::new("x"), wrong, &Environment::empty()).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn every_key_of_the_schema_is_explained_and_has_its_default() {
    fn walk(schema: &Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, property) in properties {
                let path = format!("{path}.{name}");
                if property["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(path.clone());
                }
                walk(property, &path, missing);
            }
        }
    }
    let schema = json_schema();
    let mut missing = Vec::new();
    walk(&schema, "", &mut missing);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        walk(definition, name, &mut missing);
    }
    assert_eq!(missing, Vec::<String>::new());
    let guardrails = &schema["properties"]["guardrails"]["properties"];
    assert_eq!(guardrails["max_changes_per_run"]["default"], 25);
    assert_eq!(guardrails["timezone"]["default"], "UTC");
    assert_eq!(schema["properties"]["dry_run"]["default"], false);
    assert_eq!(schema["required"], Value::Null);
    assert!(!schema.to_string().contains("\"null\""));
    jsonschema::meta::validate(&schema).unwrap();
}

#[test]
fn every_key_stands_in_the_default_file() {
    let schema = json_schema();
    let mut sections = vec![schema.clone()];
    sections.extend(schema["$defs"].as_object().unwrap().values().cloned());
    let keys = sections
        .iter()
        .filter_map(|section| section["properties"].as_object())
        .flat_map(|properties| properties.keys());
    for key in keys {
        let written = [format!("{key} = "), format!("{key}]")];
        assert!(written.iter().any(|key| DEFAULTS.contains(key.as_str())), "{key}");
    }
}
