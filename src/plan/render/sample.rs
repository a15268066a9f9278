//! A plan with something of everything, for the tests.

mod draft;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use draft::{account, action, arn, at, declared, detach, disable, finding, key, policy, withhold};

use crate::inventory::{Gap, GapCause};
use crate::model::{
    ActionMode, Change, Digest, Event, FindingStatus, Glob, Inverse, KeyStatus, Ladder, NoticeItem,
    Notification, Owner, PasswordPolicy, Precondition, RuleName, Severity, Span, WithheldReason,
};
use crate::plan::{AccountStatus, AccountSummary, ExemptionState, ExemptionSummary, Plan, PrincipalCounts};

const ROTATION: RuleName = RuleName::new("access_key_rotation");
const UNUSED_KEYS: RuleName = RuleName::new("unused_access_keys");
const PASSWORDS: RuleName = RuleName::new("password_policy");
const PERMISSIONS: RuleName = RuleName::new("unused_permissions");

const PROD: &str = "123456789012";
const SANDBOX: &str = "210987654321";

/// A user's name that tries to be markup, and to turn the direction of writing.
pub(in crate::plan::render) const NASTY_USER: &str = "user/<script>alert(1)</script>|`@everyone\u{202e}";

/// When it was made.
pub(in crate::plan::render) fn now() -> DateTime<Utc> {
    at("2026-11-23T06:00:00Z")
}

/// A plan that found nothing.
pub(in crate::plan::render) fn empty() -> Plan {
    Plan {
        schema: "iamwarden.plan/v1".to_owned(),
        id: "01KADZ8Q4R6V2X9M3N7P5S1T0Z".to_owned(),
        created_at: now(),
        config_digest: Digest::of_bytes(b"configuration"),
        dry_run: true,
        as_if: None,
        left_out: Vec::new(),
        accounts: vec![AccountSummary {
            unit: None,
            rolled_out: None,
            id: account(PROD),
            name: "prod".to_owned(),
            status: AccountStatus::Complete,
            principals: PrincipalCounts {
                users: 500,
                groups: 12,
                roles: 90,
            },
            errors: Vec::new(),
            snapshot_digest: Some(Digest::of_bytes(b"snapshot")),
            scorecard: None,
        }],
        findings: Vec::new(),
        actions: Vec::new(),
        notifications: Vec::new(),
        exemptions: Vec::new(),
        api_calls: BTreeMap::from([("iam:GetAccountAuthorizationDetails".to_owned(), 1)]),
    }
}

/// A plan in which nothing could be judged.
pub(in crate::plan::render) fn all_unknown() -> Plan {
    let gap = Gap {
        operation: "iam:GetCredentialReport".to_owned(),
        resource: None,
        cause: GapCause::Denied,
        detail: "the role may not call it".to_owned(),
    };
    let finding = |n: u32| {
        finding(&ROTATION, PROD, &format!("user/u{n:03}"), &key(n).to_string())
            .status(FindingStatus::Unknown)
            .says(
                "Age of its access keys is unknown",
                "The credential report could not be read (denied).",
            )
            .done()
    };
    let mut plan = empty();
    plan.accounts[0].status = AccountStatus::Partial;
    plan.accounts[0].errors = vec![gap];
    plan.findings = (1..=12).map(finding).collect();
    plan
}

/// A plan of so many violations, each with an action that is due.
pub(in crate::plan::render) fn large(count: u32) -> Plan {
    let mut plan = empty();
    for n in 0..count {
        let found = finding(
            &ROTATION,
            PROD,
            &format!("user/bulk/u{n:05}"),
            &key(n % 9999).to_string(),
        )
        .severity(Severity::High)
        .owner(&format!("team-{}@example.com", n % 40))
        .says(
            "An access key is past its age",
            &format!("Key number {n} is 120 days old; the limit is 90 days."),
        )
        .done();
        plan.actions.push(disable(&found, key(n % 9999), 120, None));
        plan.findings.push(found);
    }
    plan
}

/// Two accounts, all four rules, every status, every reason to hold back.
pub(in crate::plan::render) fn plan() -> Plan {
    let mut plan = empty();
    plan.accounts.push(AccountSummary {
        unit: None,
        rolled_out: None,
        id: account(SANDBOX),
        name: "sandbox".to_owned(),
        status: AccountStatus::Partial,
        principals: PrincipalCounts {
            users: 23,
            groups: 1,
            roles: 7,
        },
        errors: gaps(),
        snapshot_digest: Some(Digest::of_bytes(b"other snapshot")),
        scorecard: None,
    });
    keys_of_prod(&mut plan);
    other_keys_of_prod(&mut plan);
    passwords_of_prod(&mut plan);
    policies_of_prod(&mut plan);
    sandbox(&mut plan);
    rest_of_sandbox(&mut plan);
    messages(&mut plan);
    plan.exemptions = exemptions();
    plan.api_calls = BTreeMap::from([
        ("iam:GetAccountAuthorizationDetails".to_owned(), 3),
        ("iam:GetCredentialReport".to_owned(), 2),
        ("iam:GenerateServiceLastAccessedDetails".to_owned(), 9),
        ("iam:ListAccessKeys".to_owned(), 8),
        ("sts:GetCallerIdentity".to_owned(), 2),
    ]);
    plan
}

fn gaps() -> Vec<Gap> {
    let gap = |operation: &str, resource: Option<&str>, cause, detail: &str| Gap {
        operation: operation.to_owned(),
        resource: resource.map(|resource| arn(SANDBOX, resource)),
        cause,
        detail: detail.to_owned(),
    };
    let slow = "AWS asked to slow down 6 times";
    vec![
        gap(
            "iam:GetAccessKeyLastUsed",
            Some("user/eve"),
            GapCause::Throttled,
            slow,
        ),
        gap(
            "iam:GetAccessKeyLastUsed",
            Some("user/frank"),
            GapCause::Throttled,
            slow,
        ),
        gap(
            "iam:GetCredentialReport",
            None,
            GapCause::Denied,
            "AccessDenied: not authorized to perform it",
        ),
    ]
}

fn keys_of_prod(plan: &mut Plan) {
    let alice = finding(&ROTATION, PROD, "user/alice", "1")
        .severity(Severity::High)
        .owner("alice@example.com")
        .says(
            "Access key AKIA0001IOSFODNNEXMP is 112 days old",
            "It was created on 2026-08-03 and has been past the limit of 90 days for 22 days. Its owner was told on \
             2026-11-09.",
        )
        .evidence(json!({
            "access_key_id": key(1), "age_days": 112, "created_at": "2026-08-03T06:00:00Z",
            "last_used": {"at": "2026-08-20T11:15:00Z", "service": "s3", "region": "eu-central-1"}, "limit": "90d",
        }))
        .done();
    let alice_unused = finding(&UNUSED_KEYS, PROD, "user/alice", "1")
        .owner("alice@example.com")
        .says(
            "Access key AKIA0001IOSFODNNEXMP has not been used for 94 days",
            "The limit is 45 days.",
        )
        .evidence(json!({"access_key_id": key(1), "unused_days": 94}))
        .done();
    let mut act = disable(&alice, key(1), 112, None);
    act.also = vec![alice_unused.id.clone()];
    act.not_before = Some(at("2026-11-16T06:00:00Z"));
    plan.actions.push(act);
    plan.findings.extend([alice, alice_unused]);

    let bob = finding(&ROTATION, PROD, "user/engineering/bob", "2")
        .severity(Severity::High)
        .owner("bob@example.com")
        .says(
            "Access key AKIA0002IOSFODNNEXMP is 91 days old",
            "It has been past the limit of 90 days for a day.",
        )
        .done();
    let mut act = disable(&bob, key(2), 91, Some(WithheldReason::Notice));
    act.not_before = Some(at("2026-11-30T06:00:00Z"));
    plan.actions.push(act);
    plan.findings.push(bob);

    plan.findings.push(
        finding(&ROTATION, PROD, "user/carol", "3")
            .severity(Severity::Low)
            .status(FindingStatus::Warning)
            .owner("carol@example.com")
            .says(
                "Access key AKIA0003IOSFODNNEXMP reaches its limit in 6 days",
                "It will be 90 days old on 2026-11-29.",
            )
            .done(),
    );
    plan.findings.push(
        finding(&ROTATION, PROD, "user/ci-deploy", "4")
            .status(FindingStatus::Exempt)
            .says(
                "Access key AKIA0004IOSFODNNEXMP is 340 days old",
                "Exempt until 2026-11-30, that day included: vendor integration, SEC-123.",
            )
            .done(),
    );
}

fn other_keys_of_prod(plan: &mut Plan) {
    let dave = finding(&ROTATION, PROD, "user/dave", "5")
        .severity(Severity::Critical)
        .owner("bob@example.com")
        .says(
            "Access key AKIA0005IOSFODNNEXMP has been disabled for 31 days",
            "Keys are deleted after 30 days.",
        )
        .done();
    let act = action(
        &dave,
        Change::DeleteAccessKey {
            access_key_id: key(5),
        },
        None,
        Precondition::AccessKey {
            status: KeyStatus::Inactive,
            created_at: at("2026-01-01T00:00:00Z"),
            last_used: Some(None),
        },
    );
    plan.actions.push(withhold(
        act,
        WithheldReason::Guardrail,
        Some("25 of 25 changes of this run are taken"),
    ));
    plan.findings.push(dave);
    for (n, name, reason) in [
        (6, "user/frozen", WithheldReason::Freeze),
        (7, "user/night-shift", WithheldReason::Window),
        (8, "user/busy", WithheldReason::RecentlyUsed),
    ] {
        let found = finding(&UNUSED_KEYS, PROD, name, "k")
            .says(
                &format!("Access key {} has not been used for 60 days", key(n)),
                "The limit is 45 days.",
            )
            .done();
        plan.actions.push(disable(&found, key(n), 200, Some(reason)));
        plan.findings.push(found);
    }
}

fn passwords_of_prod(plan: &mut Plan) {
    let passwords = finding(&PASSWORDS, PROD, "root", "")
        .severity(Severity::High)
        .says(
            "The password policy is weaker than declared",
            "Five fields are weaker than the declared policy.",
        )
        .done();
    let old = PasswordPolicy {
        minimum_length: 8,
        require_lowercase: true,
        allow_users_to_change: true,
        max_age_days: None,
        reuse_prevention: Some(5),
        ..PasswordPolicy::aws_default()
    };
    let mut act = action(
        &passwords,
        Change::UpdatePasswordPolicy(PasswordPolicy {
            max_age_days: None,
            ..declared()
        }),
        Some(Inverse::RestorePasswordPolicy(old.clone())),
        Precondition::PasswordPolicy {
            password_policy: Some(old),
        },
    );
    act.mode = ActionMode::Approve;
    plan.actions.push(withhold(act, WithheldReason::Approval, None));
    plan.findings.push(passwords);
}

fn policies_of_prod(plan: &mut Plan) {
    let admin = policy("arn:aws:iam::aws:policy/AdministratorAccess");
    let reporting = finding(&PERMISSIONS, PROD, "role/analytics/quarterly/reporting", "admin")
        .severity(Severity::Critical)
        .owner("data@example.com")
        .says(
            "AdministratorAccess grants only what nobody uses",
            "None of the services it reaches was used for 200 days.",
        )
        .done();
    let mut act = detach(&reporting, admin.clone(), Some(WithheldReason::Unconfirmed));
    act.not_before = Some(at("2026-11-26T06:00:00Z"));
    plan.actions.push(act);
    plan.findings.push(reporting);

    let queues = policy(
        "arn:aws:iam::123456789012:policy/department/analytics/quarterly-reports/ReadAndWriteEveryQueueThatThereIs",
    );
    let analysts = finding(&PERMISSIONS, PROD, "group/analysts", "queues")
        .owner("data@example.com")
        .says(
            "ReadAndWriteEveryQueueThatThereIs grants only what nobody uses",
            "Last use of sqs by any member: 2026-02-01.",
        )
        .done();
    let mut act = detach(&analysts, queues, None);
    act.mode = ActionMode::Approve;
    plan.actions.push(act);
    plan.findings.push(analysts);
    plan.findings.push(
        finding(&PERMISSIONS, PROD, "role/service-role/nightly-backup", "admin")
            .says(
                "AdministratorAccess grants only what nobody uses",
                "Roles of services run rarely: this is only reported.",
            )
            .proposal(
                Change::DetachPolicy {
                    policy_arn: admin.clone(),
                },
                Some(Inverse::AttachPolicy { policy_arn: admin }),
            )
            .done(),
    );
}

fn sandbox(plan: &mut Plan) {
    let nasty = finding(&UNUSED_KEYS, SANDBOX, NASTY_USER, "9")
        .nobodys()
        .says(
            "Access key AKIA0009IOSFODNNEXMP was never used",
            "It was created 120 days ago by <b>@mallory</b>.",
        )
        .evidence(json!({"created_by": "</script><img src=https://evil.example/x>", "last_used": null}))
        .done();
    plan.actions
        .push(disable(&nasty, key(9), 120, Some(WithheldReason::NoChannel)));
    plan.findings.push(nasty);

    let passwords = finding(&PASSWORDS, SANDBOX, "root", "")
        .severity(Severity::High)
        .says(
            "The account has no password policy of its own",
            "AWS's built-in policy is weaker than the declared one.",
        )
        .done();
    let act = action(
        &passwords,
        Change::UpdatePasswordPolicy(declared()),
        Some(Inverse::DeletePasswordPolicy),
        Precondition::PasswordPolicy {
            password_policy: None,
        },
    );
    plan.actions.push(withhold(
        act,
        WithheldReason::WouldLockOut,
        Some("4 users have a password older than 90 days"),
    ));
    plan.findings.push(passwords);
}

fn rest_of_sandbox(plan: &mut Plan) {
    for (n, name, reason) in [
        (10, "user/grace", WithheldReason::RolledBack),
        (11, "user/heidi", WithheldReason::Settling),
    ] {
        let found = finding(&ROTATION, SANDBOX, name, "k")
            .says(
                &format!("Access key {} is 100 days old", key(n)),
                "The limit is 90 days.",
            )
            .done();
        plan.actions.push(disable(&found, key(n), 100, Some(reason)));
        plan.findings.push(found);
    }
    for name in ["user/eve", "user/frank"] {
        plan.findings.push(
            finding(&UNUSED_KEYS, SANDBOX, name, "")
                .status(FindingStatus::Unknown)
                .says(
                    "Last use of its access key is unknown",
                    "iam:GetAccessKeyLastUsed was throttled.",
                )
                .done(),
        );
    }
    plan.findings.push(
        finding(&PERMISSIONS, SANDBOX, "role/batch", "p")
            .severity(Severity::Low)
            .status(FindingStatus::Unknown)
            .says(
                "Use of BatchAccess is unknown",
                "The Access Advisor report does not list batch, which the policy grants.",
            )
            .done(),
    );
    plan.findings.push(
        finding(&UNUSED_KEYS, SANDBOX, "user/break-glass-1", "k")
            .status(FindingStatus::Exempt)
            .says(
                "Access key AKIA0012IOSFODNNEXMP was never used",
                "Protected by `user/break-glass-*`.",
            )
            .done(),
    );
}

fn messages(plan: &mut Plan) {
    let id = |rule: &RuleName, resource: &str| {
        let found = plan
            .findings
            .iter()
            .find(|f| &f.rule == rule && f.resource.resource() == resource);
        found.unwrap().id.clone()
    };
    let expiring = |to: &str, resource: &str, n: u32, ladder, date: &str| Notification {
        to: Some(Owner(to.to_owned())),
        channel: Some("secops".to_owned()),
        event: Event::AccessKeyExpiring,
        findings: vec![id(&ROTATION, resource)],
        notices: vec![NoticeItem {
            finding: id(&ROTATION, resource),
            subject: key(n).to_string(),
            ladder,
            announced_for: at(date),
        }],
        every: None,
    };
    let plain = |to: Option<&str>, channel: Option<&str>, event, findings| Notification {
        to: to.map(|to| Owner(to.to_owned())),
        channel: channel.map(str::to_owned),
        event,
        findings,
        notices: Vec::new(),
        every: None,
    };
    let (secops, week) = (Some("secops"), Ladder::Before(Span::from_days(7)));
    let nasty = vec![id(&UNUSED_KEYS, NASTY_USER)];
    let reporting = vec![id(&PERMISSIONS, "role/analytics/quarterly/reporting")];
    let exempt = vec![id(&ROTATION, "user/ci-deploy")];
    let bob = "user/engineering/bob";
    let told = vec![
        plain(None, None, Event::AccessKeyExpiring, nasty),
        plain(
            None,
            secops,
            Event::ApprovalRequested,
            vec![id(&PASSWORDS, "root")],
        ),
        plain(None, secops, Event::ExemptionExpiring, exempt),
        expiring("bob@example.com", bob, 2, Ladder::First, "2026-11-30T06:00:00Z"),
        expiring("carol@example.com", "user/carol", 3, week, "2026-11-30T06:00:00Z"),
        plain(
            Some("data@example.com"),
            secops,
            Event::PermissionsUnused,
            reporting,
        ),
    ];
    plan.notifications = told;
}

fn exemptions() -> Vec<ExemptionSummary> {
    let exemption = |principal: &str, rule: &RuleName, until: &str, reason: &str, state| ExemptionSummary {
        principals: vec![Glob::new(principal)],
        rules: vec![rule.clone()],
        until: until.parse().unwrap(),
        reason: reason.to_owned(),
        state,
    };
    vec![
        exemption(
            "role/partner-*",
            &PERMISSIONS,
            "2027-03-31",
            "yearly audit, SEC-140",
            ExemptionState::Active,
        ),
        exemption(
            "user/ci-*",
            &ROTATION,
            "2026-11-30",
            "vendor integration, SEC-123",
            ExemptionState::Expiring,
        ),
        exemption(
            "user/old-vendor-*",
            &ROTATION,
            "2026-10-31",
            "vendor migration, SEC-98",
            ExemptionState::Expired,
        ),
    ]
}
