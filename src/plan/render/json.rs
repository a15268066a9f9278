//! The plan document, `iamwarden.plan/v1`, in the fields and the order that its readers were promised.

use std::collections::BTreeMap;
use std::io;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::config::LeftOut;
use crate::model::{
    AccountId, Action, ActionId, ActionMode, ActionState, Arn, ChangeKind, Digest, Finding, FindingId,
    Inverse, Notification, Precondition, WithheldReason,
};
use crate::plan::{AccountSummary, ExemptionSummary, Plan};

/// The plan as JSON, as [`json`] has it, written out piece by piece: that of a thousand accounts need not stand in memory whole.
///
/// # Errors
/// Where it cannot be written.
pub fn write_json(plan: &Plan, mut out: impl io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &Document::of(plan))?;
    out.write_all(b"\n")
}

/// The plan as JSON: indented, every list sorted, timestamps in RFC 3339 with `Z`, a newline at the end.
///
/// Reading it back with serde gives an equal [`Plan`] (save for the order of lists that were not sorted).
pub fn json(plan: &Plan) -> String {
    let document = Document::of(plan);
    let mut text = match serde_json::to_string_pretty(&document) {
        Ok(text) => text,
        // Keys are strings and numbers are finite, so there is nothing that serde_json could refuse. If it ever
        // does, a reader must not take the answer for a plan.
        Err(error) => {
            serde_json::json!({"schema": "iamwarden.error/v1", "error": error.to_string()}).to_string()
        }
    };
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'a str,
    id: &'a str,
    created_at: DateTime<Utc>,
    config_digest: &'a Digest,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_if: Option<&'a str>,
    accounts: Vec<&'a AccountSummary>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_out: &'a [LeftOut],
    findings: Vec<&'a Finding>,
    actions: Vec<ActionDocument<'a>>,
    notifications: Vec<&'a Notification>,
    exemptions: Vec<&'a ExemptionSummary>,
    api_calls: &'a BTreeMap<String, u64>,
}

/// An action with `account` and `resource` between `kind` and `parameters`.
#[derive(Serialize)]
struct ActionDocument<'a> {
    id: &'a ActionId,
    finding: &'a FindingId,
    also: &'a [FindingId],
    kind: ChangeKind,
    account: &'a AccountId,
    resource: &'a Arn,
    parameters: Value,
    mode: ActionMode,
    reversible: bool,
    inverse: &'a Option<Inverse>,
    precondition: &'a Precondition,
    state: ActionState,
    withheld_reason: Option<WithheldReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld_detail: Option<&'a str>,
    not_before: Option<DateTime<Utc>>,
}

impl<'a> Document<'a> {
    fn of(plan: &'a Plan) -> Self {
        let Plan {
            schema,
            id,
            created_at,
            config_digest,
            dry_run,
            as_if,
            accounts,
            left_out,
            findings,
            actions,
            notifications,
            exemptions,
            api_calls,
        } = plan;
        let mut accounts: Vec<_> = accounts.iter().collect();
        accounts.sort_by_key(|account| &account.id);
        let mut findings: Vec<_> = findings.iter().collect();
        findings.sort_by_key(|finding| (&finding.account, &finding.resource, &finding.rule, &finding.id));
        let mut actions: Vec<_> = actions.iter().collect();
        actions.sort_by_key(|action| (&action.account, &action.resource, &action.id));
        let mut notifications: Vec<_> = notifications.iter().collect();
        notifications.sort_by_key(|message| {
            let Notification {
                to,
                channel,
                event,
                findings,
                notices,
                every,
            } = message;
            (to, channel, event, findings, notices, every)
        });
        let mut exemptions: Vec<_> = exemptions.iter().collect();
        exemptions.sort_by_key(|exemption| {
            let ExemptionSummary {
                principals,
                rules,
                until,
                reason,
                state,
            } = exemption;
            (until, principals, rules, reason, state)
        });
        Self {
            schema,
            id,
            created_at: *created_at,
            config_digest,
            dry_run: *dry_run,
            left_out,
            as_if: as_if.as_deref(),
            accounts,
            findings,
            actions: actions.into_iter().map(ActionDocument::of).collect(),
            notifications,
            exemptions,
            api_calls,
        }
    }
}

impl<'a> ActionDocument<'a> {
    fn of(action: &'a Action) -> Self {
        let Action {
            id,
            finding,
            also,
            change,
            account,
            resource,
            mode,
            reversible,
            inverse,
            precondition,
            state,
            withheld_reason,
            withheld_detail,
            not_before,
        } = action;
        Self {
            id,
            finding,
            also,
            kind: change.kind(),
            account,
            resource,
            parameters: change.parameters(),
            mode: *mode,
            reversible: *reversible,
            inverse,
            precondition,
            state: *state,
            withheld_reason: *withheld_reason,
            withheld_detail: withheld_detail.as_deref(),
            not_before: *not_before,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::render::sample;

    #[test]
    fn it_reads_back_as_the_same_plan() {
        let plan = sample::plan();
        let text = json(&plan);
        let read: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(json(&read), text);
        assert_eq!(plan.findings.len(), read.findings.len());
        assert!(
            plan.findings
                .iter()
                .all(|finding| read.findings.contains(finding))
        );
        assert_eq!(plan.actions.len(), read.actions.len());
        assert!(plan.actions.iter().all(|action| read.actions.contains(action)));
        assert!(
            plan.notifications
                .iter()
                .all(|message| read.notifications.contains(message))
        );
        assert_eq!(plan.exemptions.len(), read.exemptions.len());
        assert_eq!(plan.api_calls, read.api_calls);
        assert!(text.ends_with("}\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_order_of_construction_does_not_show(
            findings in Just(sample::plan().findings).prop_shuffle(),
            actions in Just(sample::plan().actions).prop_shuffle(),
            notifications in Just(sample::plan().notifications).prop_shuffle(),
            exemptions in Just(sample::plan().exemptions).prop_shuffle(),
            accounts in Just(sample::plan().accounts).prop_shuffle(),
        ) {
            let shuffled = Plan { findings, actions, notifications, exemptions, accounts, ..sample::plan() };
            prop_assert_eq!(json(&shuffled), json(&sample::plan()));
        }
    }

    #[test]
    fn fields_stand_in_the_promised_order() {
        let text = json(&sample::plan());
        let in_order = |names: &[&str], indent: usize| {
            let mut from = 0;
            for name in names {
                let field = format!("\n{}\"{name}\":", " ".repeat(indent));
                let at = text[from..].find(&field);
                from += at.unwrap_or_else(|| panic!("`{name}` is missing or out of order"));
            }
        };
        in_order(
            &[
                "schema",
                "id",
                "created_at",
                "config_digest",
                "dry_run",
                "accounts",
                "findings",
                "actions",
                "notifications",
                "exemptions",
                "api_calls",
            ],
            2,
        );
        let actions = text.find("\n  \"actions\":").unwrap();
        let first = &text[actions..];
        let mut from = 0;
        for name in [
            "id",
            "finding",
            "also",
            "kind",
            "account",
            "resource",
            "parameters",
            "mode",
            "reversible",
            "inverse",
            "precondition",
            "state",
            "withheld_reason",
            "not_before",
        ] {
            from += first[from..].find(&format!("\n      \"{name}\":")).unwrap();
        }
    }

    #[test]
    fn a_plan_of_nothing_is_whole() {
        insta::assert_snapshot!(json(&sample::empty()), @r#"
        {
          "schema": "iamwarden.plan/v1",
          "id": "01KADZ8Q4R6V2X9M3N7P5S1T0Z",
          "created_at": "2026-11-23T06:00:00Z",
          "config_digest": "sha256:b7d64a9221007dfd5390f7df6cd5b8f3ea4f82faa1237141e35ebf161f5511a1",
          "dry_run": true,
          "accounts": [
            {
              "id": "123456789012",
              "name": "prod",
              "status": "complete",
              "principals": {
                "users": 500,
                "groups": 12,
                "roles": 90
              },
              "errors": [],
              "snapshot_digest": "sha256:16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112"
            }
          ],
          "findings": [],
          "actions": [],
          "notifications": [],
          "exemptions": [],
          "api_calls": {
            "iam:GetAccountAuthorizationDetails": 1
          }
        }
        "#);
    }

    #[test]
    fn an_action_in_full() {
        let plan = sample::plan();
        let only = Plan {
            actions: plan.actions.iter().take(1).cloned().collect(),
            ..sample::empty()
        };
        let value: Value = serde_json::from_str(&json(&only)).unwrap();
        insta::assert_json_snapshot!(value["actions"], @r#"
        [
          {
            "account": "123456789012",
            "also": [
              "fnd_903916cbb0049ab9ba5f4f14"
            ],
            "finding": "fnd_ed24c4b0495d6a7d31e87074",
            "id": "act_52882a3463e2378802f38254",
            "inverse": {
              "kind": "enable_access_key",
              "parameters": {
                "access_key_id": "AKIA0001IOSFODNNEXMP"
              }
            },
            "kind": "disable_access_key",
            "mode": "enforce",
            "not_before": "2026-11-16T06:00:00Z",
            "parameters": {
              "access_key_id": "AKIA0001IOSFODNNEXMP"
            },
            "precondition": {
              "created_at": "2026-08-03T06:00:00Z",
              "status": "Active"
            },
            "resource": "arn:aws:iam::123456789012:user/alice",
            "reversible": true,
            "state": "proposed",
            "withheld_reason": null
          }
        ]
        "#);
    }

    #[test]
    fn enum_words_are_those_of_the_document() {
        let plan = sample::plan();
        let value: Value = serde_json::from_str(&json(&plan)).unwrap();
        let words = |list: &str, field: &str| {
            let mut words: Vec<String> = value[list]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|entry| entry[field].as_str().map(str::to_owned))
                .collect();
            words.sort();
            words.dedup();
            words.join(" ")
        };
        assert_eq!(words("accounts", "status"), "complete partial");
        assert_eq!(words("findings", "status"), "exempt unknown violation warning");
        assert_eq!(words("findings", "severity"), "critical high low medium");
        assert_eq!(
            words("actions", "kind"),
            "delete_access_key detach_policy disable_access_key update_password_policy"
        );
        assert_eq!(words("actions", "mode"), "approve enforce");
        assert_eq!(words("actions", "state"), "proposed withheld");
        assert_eq!(
            words("actions", "withheld_reason"),
            "approval freeze guardrail no_channel notice recently_used rolled_back settling unconfirmed window \
             would_lock_out"
        );
        assert_eq!(
            words("notifications", "event"),
            "access_key.expiring approval.requested exemption.expiring permissions.unused"
        );
        assert_eq!(words("exemptions", "state"), "active expired expiring");
    }
}
