//! The form for programs: one JSON document, signed as Standard Webhooks asks.
//!
//! `{"type", "timestamp", "data": {"run", "account", "owner", "plan", "findings", "actions", …}}`. An owner gets one
//! message a run, so one delivery may speak of several events: `type` is the gravest of them, and `data.events` lists each
//! with the ids of its findings and actions. `data.account` is null where several accounts occur; `data.accounts` has
//! them all. Texts are given as they are: escaping is the reader's, as with all JSON.
//!
//! The specification advises bodies under 20 kB. A longer message is split; one finding too long by itself loses its
//! evidence, then its detail, and `data.trimmed` says so: the plan has the whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::message::{Item, Message};
use super::text::clip;
use super::wording;

/// The longest body in bytes.
pub(super) const LONGEST: usize = 19_900;

/// The body to post, and whether it keeps the limit.
pub(super) fn encode(message: &Message) -> (String, bool) {
    let mut data = data(message);
    let mut body = body(message, &data);
    if body.len() <= LONGEST || message.items().count() > 1 {
        let fits = body.len() <= LONGEST;
        return (body, fits);
    }
    for trim in [trim_evidence, trim_prose, trim_lists] {
        trim(&mut data);
        data.insert("trimmed".to_owned(), json!(true));
        body = self::body(message, &data);
        if body.len() <= LONGEST {
            break;
        }
    }
    (body, true)
}

fn body(message: &Message, data: &Map<String, Value>) -> String {
    let kind = message.event().map(|event| event.as_str());
    json!({"type": kind, "timestamp": message.created_at, "data": data}).to_string()
}

/// Lists of `data`, without doubles.
#[derive(Default)]
struct Lists {
    findings: Vec<Value>,
    actions: Vec<Value>,
    notices: Vec<Value>,
    decisions: Vec<Value>,
    exemptions: Vec<Value>,
    failures: Vec<Value>,
    digests: Vec<Value>,
    requests: Vec<Value>,
    disputes: Vec<Value>,
    reports: Vec<Value>,
}

fn data(message: &Message) -> Map<String, Value> {
    let mut lists = Lists::default();
    let mut events = Vec::new();
    for section in &message.sections {
        let (mut findings, mut actions) = (Vec::new(), Vec::new());
        for item in &section.items {
            collect(section.event, item, &mut lists, &mut findings, &mut actions);
        }
        events.push(json!({"event": section.event, "findings": findings, "actions": actions}));
    }
    let account = match message.accounts.as_slice() {
        [one] => Some(&one.id),
        _ => None,
    };
    let mut data = Map::new();
    let mut set = |name: &str, value: Value| data.insert(name.to_owned(), value);
    set("run", json!(message.run));
    set("account", json!(account));
    set("accounts", json!(message.accounts));
    set("owner", json!(message.owner));
    set("plan", json!(message.plan.as_ref().map(|plan| &plan.id)));
    set(
        "plan_digest",
        json!(message.plan.as_ref().map(|plan| &plan.digest)),
    );
    set("audit_head", json!(message.audit_head));
    set("copy", json!(message.copy));
    set("part", json!(message.part));
    if let Some((_, url)) = message.link() {
        set("link", json!(url));
    }
    set("events", json!(events));
    let Lists {
        findings,
        actions,
        notices,
        decisions,
        exemptions,
        failures,
        digests,
        requests,
        disputes,
        reports,
    } = lists;
    set("findings", json!(findings));
    set("actions", json!(actions));
    for (name, list) in [
        ("notices", notices),
        ("decisions", decisions),
        ("exemptions", exemptions),
        ("failures", failures),
        ("digests", digests),
        ("requests", requests),
        ("disputes", disputes),
        ("reports", reports),
    ] {
        if !list.is_empty() {
            set(name, json!(list));
        }
    }
    data
}

fn add(list: &mut Vec<Value>, value: Value) {
    if !list.contains(&value) {
        list.push(value);
    }
}

fn collect(
    event: crate::model::Event,
    item: &Item,
    lists: &mut Lists,
    findings: &mut Vec<Value>,
    actions: &mut Vec<Value>,
) {
    match item {
        Item::Matter(matter) => {
            for finding in &matter.findings {
                add(findings, json!(finding.id));
                add(&mut lists.findings, json!(finding));
            }
            for action in &matter.actions {
                add(actions, json!(action.id));
                add(&mut lists.actions, json!(action));
            }
            let action = wording::announced(event, matter).map(|announcement| announcement.id);
            for notice in &matter.notices {
                let mut notice = json!(notice);
                notice["event"] = json!(event);
                notice["action"] = json!(action);
                add(&mut lists.notices, notice);
            }
        }
        Item::Result(settled) => {
            for finding in &settled.findings {
                add(&mut lists.findings, json!(finding));
            }
            for id in &settled.result.findings {
                add(findings, json!(id));
            }
            add(actions, json!(settled.result.id));
            add(&mut lists.actions, json!(settled.result));
        }
        Item::Decision(decided) => {
            for action in &decided.actions {
                add(actions, json!(action.id));
                add(&mut lists.actions, json!(action));
            }
            let mut decision = json!(decided);
            decision["actions"] = decided.actions.iter().map(|action| json!(action.id)).collect();
            add(&mut lists.decisions, decision);
        }
        Item::Exemption(ending) => add(&mut lists.exemptions, json!(ending)),
        Item::Failure(failure) => add(&mut lists.failures, json!(failure)),
        Item::Digest(digest) => {
            for finding in &digest.top {
                add(findings, json!(finding.id));
                add(&mut lists.findings, json!(finding));
            }
            let mut counted = json!(digest);
            counted["top"] = digest.top.iter().map(|finding| json!(finding.id)).collect();
            add(&mut lists.digests, counted);
        }
        Item::Request(requested) => add(&mut lists.requests, json!(requested)),
        Item::Dispute(disputed) => {
            add(findings, json!(disputed.finding.id));
            add(&mut lists.findings, json!(disputed.finding));
            let said = json!({"finding": disputed.finding.id, "by": disputed.by, "at": disputed.at});
            add(&mut lists.disputes, said);
        }
        Item::Report(standing) => {
            for finding in &standing.top {
                add(findings, json!(finding.id));
                add(&mut lists.findings, json!(finding));
            }
            let mut counted = json!(standing);
            counted["top"] = standing.top.iter().map(|finding| json!(finding.id)).collect();
            add(&mut lists.reports, counted);
        }
    }
}

fn each_finding(data: &mut Map<String, Value>, mut change: impl FnMut(&mut Map<String, Value>)) {
    if let Some(Value::Array(findings)) = data.get_mut("findings") {
        findings
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(&mut change);
    }
}

fn trim_evidence(data: &mut Map<String, Value>) {
    each_finding(data, |finding| {
        finding.insert("evidence".to_owned(), json!({}));
    });
    if let Some(Value::Array(actions)) = data.get_mut("actions") {
        for action in actions.iter_mut().filter_map(Value::as_object_mut) {
            action.insert("precondition".to_owned(), json!({}));
        }
    }
}

fn trim_prose(data: &mut Map<String, Value>) {
    for value in data.values_mut() {
        clip_texts(value, 500);
    }
}

/// What is left to drop: all but the ids, which stand in `events`.
fn trim_lists(data: &mut Map<String, Value>) {
    for name in [
        "findings",
        "actions",
        "decisions",
        "exemptions",
        "failures",
        "digests",
        "requests",
        "disputes",
        "reports",
    ] {
        if let Some(Value::Array(list)) = data.get_mut(name) {
            list.truncate(3);
        }
    }
    if let Some(Value::Array(events)) = data.get_mut("events") {
        for event in events.iter_mut().filter_map(Value::as_object_mut) {
            for name in ["findings", "actions"] {
                if let Some(Value::Array(ids)) = event.get_mut(name) {
                    ids.truncate(50);
                }
            }
        }
    }
    for value in data.values_mut() {
        clip_texts(value, 200);
    }
}

fn clip_texts(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) => *text = clip(text, longest),
        Value::Array(items) => items.iter_mut().for_each(|item| clip_texts(item, longest)),
        Value::Object(map) => map.values_mut().for_each(|item| clip_texts(item, longest)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A signing secret that cannot be used. The secret is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// `whsec_` must be followed by base64.
    #[error("the signing secret starts with `whsec_`, but base64 does not follow: store it as it was issued")]
    Encoding,
    /// Anybody could sign with it.
    #[error("the signing secret is empty: store the one that the receiver knows")]
    Empty,
}

/// The key that signs a channel's bodies: `whsec_` and base64, or the bytes as they are.
pub struct SigningSecret {
    key: SecretSlice<u8>,
    /// As it was issued, without `whsec_`.
    written: SecretString,
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

impl SigningSecret {
    /// Reads a secret in either form.
    ///
    /// # Errors
    /// [`SigningError`] for an empty secret, and for `whsec_` without base64 behind it.
    pub fn parse(secret: &SecretString) -> Result<Self, SigningError> {
        let text = secret.expose_secret().trim();
        let (written, key) = match text.strip_prefix("whsec_") {
            Some(encoded) => (
                encoded,
                STANDARD.decode(encoded).map_err(|_| SigningError::Encoding)?,
            ),
            None => (text, text.as_bytes().to_vec()),
        };
        if key.is_empty() {
            return Err(SigningError::Empty);
        }
        Ok(Self {
            key: key.into(),
            written: written.into(),
        })
    }

    /// As it was issued, without `whsec_`: what must be taken out of a receiver's words.
    pub(super) fn written(&self) -> &str {
        self.written.expose_secret()
    }

    /// The value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &str) -> String {
        let key = self.key.expose_secret();
        // HMAC takes keys of any length: the error cannot occur, and an unsigned message must not be sent if it did.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return String::new();
        };
        mac.update(format!("{id}.{}.{body}", at.timestamp()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample::Told;

    #[test]
    fn the_published_vector() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let secret = SigningSecret::parse(&secret).unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{secret:?}"), "SigningSecret(***)");
    }

    #[test]
    fn a_body_whole() {
        let mut message = Told::result(crate::notify::ActionOutcome::Applied).message_for("siem");
        let warning = Told::warning().message_for("siem");
        message.sections.extend(warning.sections);
        let (body, fits) = encode(&message);
        assert!(fits);
        let body: Value = serde_json::from_str(&body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
        {
          "data": {
            "account": "123456789012",
            "accounts": [
              {
                "id": "123456789012",
                "name": "prod"
              }
            ],
            "actions": [
              {
                "account": "123456789012",
                "at": "2026-11-23T06:00:03Z",
                "attempt": 1,
                "findings": [
                  "fnd_c433cb382249f27bd3524c46"
                ],
                "id": "act_8034da49246a3b76622ab3aa",
                "inverse": {
                  "kind": "enable_access_key",
                  "parameters": {
                    "access_key_id": "AKIAIOSFODNN00000007"
                  }
                },
                "kind": "disable_access_key",
                "outcome": "applied",
                "owner": "alice@example.com",
                "parameters": {
                  "access_key_id": "AKIAIOSFODNN00000007"
                },
                "resource": "arn:aws:iam::123456789012:user/alice"
              },
              {
                "account": "123456789012",
                "also": [],
                "finding": "fnd_c433cb382249f27bd3524c46",
                "id": "act_8034da49246a3b76622ab3aa",
                "inverse": {
                  "kind": "enable_access_key",
                  "parameters": {
                    "access_key_id": "AKIAIOSFODNN00000007"
                  }
                },
                "kind": "disable_access_key",
                "mode": "enforce",
                "not_before": "2026-11-30T06:00:00Z",
                "parameters": {
                  "access_key_id": "AKIAIOSFODNN00000007"
                },
                "precondition": {
                  "created_at": "2026-08-20T09:30:00Z",
                  "status": "Active"
                },
                "resource": "arn:aws:iam::123456789012:user/alice",
                "reversible": true,
                "state": "withheld",
                "withheld_reason": "notice"
              }
            ],
            "audit_head": null,
            "copy": true,
            "events": [
              {
                "actions": [
                  "act_8034da49246a3b76622ab3aa"
                ],
                "event": "access_key.disabled",
                "findings": [
                  "fnd_c433cb382249f27bd3524c46"
                ]
              },
              {
                "actions": [
                  "act_8034da49246a3b76622ab3aa"
                ],
                "event": "access_key.expiring",
                "findings": [
                  "fnd_c433cb382249f27bd3524c46"
                ]
              }
            ],
            "findings": [
              {
                "account": "123456789012",
                "detail": "The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3.",
                "evidence": {
                  "access_key_id": "AKIAIOSFODNN00000007",
                  "created_at": "2026-08-20T09:30:00Z",
                  "last_used": "2026-11-20T16:12:00Z",
                  "last_used_region": "eu-central-1",
                  "last_used_service": "s3"
                },
                "id": "fnd_c433cb382249f27bd3524c46",
                "owner": "alice@example.com",
                "proposal": null,
                "resource": "arn:aws:iam::123456789012:user/alice",
                "rule": "access_key_rotation",
                "severity": "medium",
                "status": "violation",
                "title": "Access key AKIAIOSFODNN00000007 of alice is 94 days old"
              }
            ],
            "notices": [
              {
                "action": "act_8034da49246a3b76622ab3aa",
                "announced_for": "2026-11-30T06:00:00Z",
                "event": "access_key.expiring",
                "finding": "fnd_c433cb382249f27bd3524c46",
                "ladder": {
                  "before": "7d"
                },
                "subject": "AKIAIOSFODNN00000007"
              }
            ],
            "owner": "alice@example.com",
            "part": null,
            "plan": "01KAQ8V3Q6PLANPLANPLANPLAN",
            "plan_digest": "sha256:64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525",
            "run": "run_01KAQ8V3Q6"
          },
          "timestamp": "2026-11-23T06:00:03Z",
          "type": "access_key.disabled"
        }
        "#);
    }

    #[test]
    fn raw_bytes_sign_too_and_nothing_does_not() {
        let parse = |text: &str| SigningSecret::parse(&SecretString::from(text.to_owned()));
        let encoded = parse(&format!("whsec_{}", STANDARD.encode("plain secret"))).unwrap();
        let raw = parse("plain secret\n").unwrap();
        let at = DateTime::UNIX_EPOCH;
        assert_eq!(encoded.sign("msg_1", at, "{}"), raw.sign("msg_1", at, "{}"));
        assert_eq!(parse("").unwrap_err(), SigningError::Empty);
        assert_eq!(parse("whsec_").unwrap_err(), SigningError::Empty);
        assert_eq!(parse("whsec_not base64!").unwrap_err(), SigningError::Encoding);
    }
}
