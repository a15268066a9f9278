//! Clicks in Slack: who signed the request, and what was clicked.
//!
//! Slack signs `v0:TIMESTAMP:BODY` by HMAC-SHA256 with the app's signing secret (Slack's reference, "Verifying requests
//! from Slack"). The body is a form with one field, `payload`, JSON of type `block_actions` ("Interaction payloads"). What
//! stands in a button's `value` is what we put there: ids, looked up again before anything is done.

use chrono::{DateTime, NaiveDate, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::model::{ActionId, ExemptionId, FindingId};

/// How far the time of a request may be off, in seconds, in either direction.
pub const CLICK_COUNTS_FOR: i64 = 300;

/// The longest body that is read: a payload repeats the message, which has 12 kB at most.
pub const LONGEST_CLICK: usize = 256 * 1024;

/// Why a request is not Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing, or is no number or no signature.
    #[error("the request is not signed")]
    Missing,
    /// It was signed too long ago, or its clock is ahead.
    #[error("the request is too old, or comes from the future")]
    Stale,
    /// Something else was signed, or by somebody else.
    #[error("the signature does not fit")]
    Wrong,
}

/// Why a payload is no click of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClickError {
    /// Not the form that Slack posts.
    #[error("the request is no form with one payload")]
    Form,
    /// Not JSON, or without the parts of a click.
    #[error("the payload cannot be read")]
    Payload,
    /// Something else than the click of a button.
    #[error("the payload is no click of one button")]
    NoClick,
    /// A button that iamwarden does not make.
    #[error("the button is not one of iamwarden's")]
    UnknownButton,
}

/// Checks a request by what signed it, the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature`, and the time.
///
/// # Errors
/// Why it is not to be believed.
pub fn verify_click(
    secret: &SecretString,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
        return Err(SignatureError::Missing);
    };
    if timestamp.is_empty() || !timestamp.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SignatureError::Missing);
    }
    let at: i64 = timestamp.parse().map_err(|_| SignatureError::Missing)?;
    if now.timestamp().abs_diff(at) > CLICK_COUNTS_FOR.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    let signed = signature.strip_prefix("v0=").ok_or(SignatureError::Missing)?;
    let signed = hex::decode(signed).map_err(|_| SignatureError::Missing)?;
    let secret = secret.expose_secret().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| SignatureError::Wrong)?;
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    // In constant time.
    mac.verify_slice(&signed).map_err(|_| SignatureError::Wrong)
}

/// A click of a person in Slack.
#[derive(Debug, Clone)]
pub struct Click {
    /// The user's id, such as `U012ABCDEF`.
    pub user: String,
    /// What was clicked.
    pub button: Button,
    /// Where an answer goes, for half an hour. It lets anybody write there, so it is a secret.
    pub response_url: Option<SecretString>,
    /// The blocks of the message as it stood; none where only the person saw it.
    pub blocks: Vec<Value>,
    /// Which of the blocks holds the button.
    pub block_id: String,
}

/// What a button of ours asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// Approve actions of a plan.
    Approve(PlanActions),
    /// Reject them.
    Reject(PlanActions),
    /// Show them whole.
    Details(PlanActions),
    /// Look again whether findings still stand.
    Recheck(Findings),
    /// Show the form that asks for an exemption.
    AskExemption(Findings),
    /// Send it.
    SendExemption {
        /// Of what.
        findings: Findings,
        /// The last day.
        until: Option<NaiveDate>,
        /// Why.
        reason: Option<String>,
    },
    /// Say that something is not one's own.
    NotMine(Findings),
    /// Grant an exemption.
    Grant(ExemptionId),
    /// Refuse it.
    Refuse(ExemptionId),
    /// A link, which Slack reports too. Nothing is to be done.
    Link,
}

/// Actions of a saved plan, as they stand in a button's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanActions {
    /// The plan.
    #[serde(rename = "p")]
    pub plan: String,
    /// Its actions, at least one.
    #[serde(rename = "a")]
    pub actions: Vec<ActionId>,
}

/// Findings, as they stand in a button's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// At least one.
    #[serde(rename = "f")]
    pub findings: Vec<FindingId>,
}

/// What a button does, as Slack's `action_id`.
pub(super) mod ids {
    pub(in crate::notify) const APPROVE: &str = "iamwarden.approve";
    pub(in crate::notify) const REJECT: &str = "iamwarden.reject";
    pub(in crate::notify) const DETAILS: &str = "iamwarden.details";
    pub(in crate::notify) const RECHECK: &str = "iamwarden.recheck";
    pub(in crate::notify) const ASK: &str = "iamwarden.exemption";
    pub(in crate::notify) const SEND: &str = "iamwarden.exemption.send";
    pub(in crate::notify) const NOT_MINE: &str = "iamwarden.not_mine";
    pub(in crate::notify) const GRANT: &str = "iamwarden.exemption.grant";
    pub(in crate::notify) const REFUSE: &str = "iamwarden.exemption.refuse";
    pub(in crate::notify) const LINK: &str = "iamwarden.link";
    /// The fields of the form that asks for an exemption.
    pub(in crate::notify) const REASON: &str = "reason";
    pub(in crate::notify) const UNTIL: &str = "until";
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    #[serde(default)]
    response_url: Option<String>,
    #[serde(default)]
    message: Option<Posted>,
    #[serde(default)]
    actions: Vec<Clicked>,
    #[serde(default)]
    state: Option<Form>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Posted {
    #[serde(default)]
    blocks: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Clicked {
    action_id: String,
    #[serde(default)]
    block_id: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Form {
    #[serde(default)]
    values: serde_json::Map<String, Value>,
}

impl Form {
    fn field(&self, name: &str, part: &str) -> Option<&str> {
        self.values.get(name)?.get(name)?.get(part)?.as_str()
    }
}

/// Reads a click out of the body of a request.
///
/// # Errors
/// Why it is none of ours. Nothing of the body is repeated.
pub fn parse_click(body: &[u8]) -> Result<Click, ClickError> {
    let mut fields = url::form_urlencoded::parse(body);
    let payload = match (fields.next(), fields.next()) {
        (Some((name, payload)), None) if name == "payload" => payload,
        _ => return Err(ClickError::Form),
    };
    let payload: Payload = serde_json::from_str(&payload).map_err(|_| ClickError::Payload)?;
    let is_id = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_id(&payload.user.id) {
        return Err(ClickError::Payload);
    }
    let clicked = match payload.actions.as_slice() {
        [clicked] if payload.kind == "block_actions" => clicked,
        _ => return Err(ClickError::NoClick),
    };
    Ok(Click {
        button: parse_button(clicked, payload.state.as_ref())?,
        block_id: clicked.block_id.clone(),
        user: payload.user.id,
        response_url: payload.response_url.map(SecretString::from),
        blocks: payload.message.map(|message| message.blocks).unwrap_or_default(),
    })
}

fn parse_button(clicked: &Clicked, form: Option<&Form>) -> Result<Button, ClickError> {
    let value = clicked.value.as_deref().unwrap_or_default();
    let actions = || {
        let actions: PlanActions = serde_json::from_str(value).map_err(|_| ClickError::Payload)?;
        match actions.actions.is_empty() || actions.plan.is_empty() {
            true => Err(ClickError::Payload),
            false => Ok(actions),
        }
    };
    let findings = || {
        let findings: Findings = serde_json::from_str(value).map_err(|_| ClickError::Payload)?;
        match findings.findings.is_empty() {
            true => Err(ClickError::Payload),
            false => Ok(findings),
        }
    };
    let exemption = || match value.starts_with("exm_") {
        true => Ok(ExemptionId(value.to_owned())),
        false => Err(ClickError::Payload),
    };
    Ok(match clicked.action_id.as_str() {
        ids::APPROVE => Button::Approve(actions()?),
        ids::REJECT => Button::Reject(actions()?),
        ids::DETAILS => Button::Details(actions()?),
        ids::RECHECK => Button::Recheck(findings()?),
        ids::ASK => Button::AskExemption(findings()?),
        ids::NOT_MINE => Button::NotMine(findings()?),
        ids::SEND => {
            let until = form.and_then(|form| form.field(ids::UNTIL, "selected_date"));
            let reason = form.and_then(|form| form.field(ids::REASON, "value"));
            Button::SendExemption {
                findings: findings()?,
                until: until.and_then(|until| until.parse().ok()),
                reason: reason.map(ToOwned::to_owned),
            }
        }
        ids::GRANT => Button::Grant(exemption()?),
        ids::REFUSE => Button::Refuse(exemption()?),
        ids::LINK => Button::Link,
        _ => return Err(ClickError::UnknownButton),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Slack's own vector, of its documentation and of the tests of its Python SDK.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J\
        %2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn verified(
        timestamp: Option<&str>,
        signature: Option<&str>,
        body: &str,
        now: i64,
    ) -> Result<(), SignatureError> {
        let secret = SecretString::from(SECRET);
        let now = DateTime::from_timestamp(now, 0).unwrap();
        verify_click(&secret, timestamp, signature, body.as_bytes(), now)
    }

    #[test]
    fn slack_s_own_vector_is_believed_for_five_minutes_either_way() {
        let at = AT.to_string();
        let believed = |now| verified(Some(&at), Some(SIGNATURE), BODY, now);
        for off in [-300, -1, 0, 1, 300] {
            assert_eq!(believed(AT + off), Ok(()), "{off}");
        }
        for off in [-301, 301, 86_400, -AT] {
            assert_eq!(believed(AT + off), Err(SignatureError::Stale), "{off}");
        }
    }

    #[test]
    fn what_is_not_signed_so_is_not_believed() {
        let at = AT.to_string();
        let upper = SIGNATURE.replace("v0=", "V0=");
        let short = &SIGNATURE[..SIGNATURE.len() - 2];
        let other = SIGNATURE.replace("a2114d", "a2114e");
        use SignatureError::{Missing, Wrong};
        for (timestamp, signature, body, why) in [
            (None, Some(SIGNATURE), BODY, Missing),
            (Some(at.as_str()), None, BODY, Missing),
            (Some(""), Some(SIGNATURE), BODY, Missing),
            (Some("1531420618.0"), Some(SIGNATURE), BODY, Missing),
            (Some("+1531420618"), Some(SIGNATURE), BODY, Missing),
            (Some(" 1531420618"), Some(SIGNATURE), BODY, Missing),
            (Some("now"), Some(SIGNATURE), BODY, Missing),
            (Some("99999999999999999999"), Some(SIGNATURE), BODY, Missing),
            (Some(at.as_str()), Some(""), BODY, Missing),
            (Some(at.as_str()), Some("v0="), BODY, Wrong),
            (Some(at.as_str()), Some("v0=zz"), BODY, Missing),
            (Some(at.as_str()), Some(upper.as_str()), BODY, Missing),
            (Some(at.as_str()), Some(short), BODY, Wrong),
            (Some(at.as_str()), Some(other.as_str()), BODY, Wrong),
            (Some(at.as_str()), Some(SIGNATURE), "token=", Wrong),
            (Some("1531420619"), Some(SIGNATURE), BODY, Wrong),
        ] {
            assert_eq!(
                verified(timestamp, signature, body, AT),
                Err(why),
                "{timestamp:?} {signature:?}"
            );
        }
    }

    fn form(payload: &Value) -> Vec<u8> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("payload", &payload.to_string())
            .finish()
            .into_bytes()
    }

    fn payload(action_id: &str, value: &str) -> Value {
        json!({
            "type": "block_actions",
            "user": {"id": "U012ABCDEF", "username": "alice", "team_id": "T0"},
            "token": "x", "trigger_id": "1.2.3",
            "response_url": "https://hooks.slack.com/actions/T0/1/x",
            "message": {"ts": "1.2", "blocks": [{"type": "section"}]},
            "actions": [{"action_id": action_id, "block_id": "b1", "value": value, "type": "button"}],
        })
    }

    #[test]
    fn buttons_are_read_back() {
        let click = parse_click(&form(&payload(
            ids::APPROVE,
            r#"{"p":"01J","a":["act_1","act_2"]}"#,
        )))
        .unwrap();
        assert_eq!((click.user.as_str(), click.blocks.len()), ("U012ABCDEF", 1));
        let actions = PlanActions {
            plan: "01J".to_owned(),
            actions: vec![ActionId("act_1".to_owned()), ActionId("act_2".to_owned())],
        };
        assert_eq!(click.button, Button::Approve(actions));
        let mut asked = payload(ids::SEND, r#"{"f":["fnd_1"]}"#);
        asked["state"] = json!({"values": {
            "until": {"until": {"type": "datepicker", "selected_date": "2027-01-31"}},
            "reason": {"reason": {"type": "plain_text_input", "value": "vendor"}},
        }});
        let Button::SendExemption { until, reason, .. } = parse_click(&form(&asked)).unwrap().button else {
            panic!("not the form");
        };
        assert_eq!(
            (until, reason),
            ("2027-01-31".parse().ok(), Some("vendor".to_owned()))
        );
    }

    #[test]
    fn what_is_no_click_of_ours_is_refused() {
        use ClickError::{Form, NoClick, Payload, UnknownButton};
        let approve = r#"{"p":"01J","a":["act_1"]}"#;
        let mut two = payload(ids::APPROVE, approve);
        two["actions"] = json!([two["actions"][0], two["actions"][0]]);
        let mut view = payload(ids::APPROVE, approve);
        view["type"] = json!("view_submission");
        let mut who = payload(ids::APPROVE, approve);
        who["user"]["id"] = json!("U1> <!channel");
        for (body, why) in [
            (Vec::new(), Form),
            (b"payload".to_vec(), Payload),
            (b"payload=%7B%7D&payload=%7B%7D".to_vec(), Form),
            (b"\xff\xfe=1".to_vec(), Form),
            (
                b"payload={\"type\":\"block_actions\",\"type\":\"block_actions\"}".to_vec(),
                Payload,
            ),
            (form(&json!([])), Payload),
            (form(&two), NoClick),
            (form(&view), NoClick),
            (form(&who), Payload),
            (form(&payload("somebody.else", approve)), UnknownButton),
            (form(&payload(ids::APPROVE, "")), Payload),
            (form(&payload(ids::APPROVE, r#"{"p":"01J","a":[]}"#)), Payload),
            (form(&payload(ids::APPROVE, r#"{"p":"","a":["act_1"]}"#)), Payload),
            (
                form(&payload(ids::APPROVE, r#"{"p":"1","p":"2","a":["act_1"]}"#)),
                Payload,
            ),
            (form(&payload(ids::GRANT, "fnd_1")), Payload),
        ] {
            assert_eq!(
                parse_click(&body).map(|click| click.button),
                Err(why),
                "{}",
                String::from_utf8_lossy(&body)
            );
        }
    }

    prop_compose! {
        fn noise()(kind in 0..6, text in "\\PC{0,20}", number in any::<i64>()) -> Value {
            match kind {
                0 => Value::Null,
                1 => json!(text),
                2 => json!(number),
                3 => json!([text]),
                4 => json!({"id": text, "value": number}),
                _ => json!({"values": {"reason": {"reason": {"value": text}}}}),
            }
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_click(&body);
            let mut posted = b"payload=".to_vec();
            posted.extend(body);
            let _ = parse_click(&posted);
        }

        #[test]
        fn a_payload_with_any_part_exchanged_is_read_or_refused(
            part in prop::sample::select(vec!["type", "user", "response_url", "message", "actions", "state"]),
            noise in noise(),
            value in "\\PC{0,40}",
        ) {
            let mut payload = payload(ids::SEND, &value);
            payload[part] = noise;
            if let Ok(click) = parse_click(&form(&payload)) {
                prop_assert!(click.user.bytes().all(|b| b.is_ascii_alphanumeric()));
                let readable = serde_json::from_str::<Findings>(&value).is_ok();
                prop_assert!(readable);
            }
        }

        #[test]
        fn one_flipped_bit_is_not_believed(at in 0usize..BODY.len(), bit in 0u32..7) {
            let mut body = BODY.as_bytes().to_vec();
            body[at] ^= 1 << bit;
            let now = DateTime::from_timestamp(AT, 0).unwrap();
            let at = AT.to_string();
            let verdict = verify_click(&SecretString::from(SECRET), Some(&at), Some(SIGNATURE), &body, now);
            prop_assert_eq!(verdict, Err(SignatureError::Wrong));
        }
    }
}
