use super::*;
use crate::config::{Config, Mode};
use crate::inventory::{Snapshot, VirtualMfaDevice};
use crate::model::{Arn, History};
use crate::rules::fixture::{self, days, gap, key, now, snapshot, user_arn};

fn config() -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.root_account.mode = Mode::Enforce;
    config.accounts =
        vec![toml::from_str("id = \"123456789012\"\nowner = \"platform@example.com\"").unwrap()];
    config
}

fn hardware() -> Config {
    let mut config = config();
    config.rules.root_account.require_hardware = true;
    config
}

/// A root user with a password and an MFA device, of which nothing else is to be said.
fn sound() -> RootUser {
    RootUser {
        summary: Reading::Known(RootSummary {
            mfa: true,
            access_keys: false,
            password: Some(true),
            signing_certificates: Some(false),
        }),
        report: Reading::Known(RootReport {
            password: Some(true),
            password_last_used: Some(now() - days(400)),
            mfa: Some(true),
            access_keys: Vec::new(),
            signing_certificates: Some(false),
        }),
    }
}

/// The same, where something differs.
fn with(change: impl FnOnce(&mut RootSummary, &mut RootReport)) -> RootUser {
    let mut root = sound();
    if let (Reading::Known(summary), Reading::Known(report)) = (&mut root.summary, &mut root.report) {
        change(summary, report);
    }
    root
}

fn account(root: RootUser) -> Snapshot {
    let mut account = snapshot(Vec::new());
    account.root = Some(root);
    account
}

fn judged(config: &Config, snapshot: &Snapshot) -> Vec<Judgement> {
    check(&Context {
        config,
        snapshot,
        history: &History::default(),
        now: now(),
    })
}

fn told(root: RootUser) -> Vec<(FindingStatus, String)> {
    let found = judged(&config(), &account(root));
    found
        .into_iter()
        .map(|judgement| (judgement.finding.status, judgement.finding.title))
        .collect()
}

fn said(root: RootUser) -> String {
    let found = judged(&config(), &account(root));
    let lines = found.iter().map(|judgement| {
        let Finding {
            status,
            title,
            detail,
            ..
        } = &judgement.finding;
        format!("{}: {title}\n{detail}", status.as_str())
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_sound_root_user_complies() {
    assert_eq!(told(sound()), []);
    assert_eq!(
        judged(&hardware(), &{
            let mut account = account(sound());
            account.virtual_mfa_devices = Some(Reading::Known(Vec::new()));
            account
        }),
        []
    );
}

#[test]
fn what_people_read() {
    insta::assert_snapshot!(said(with(|summary, report| {
        summary.mfa = false;
        report.mfa = Some(false);
        summary.access_keys = true;
        let mut old = key(1, 900, None);
        old.status = KeyStatus::Inactive;
        report.access_keys = vec![old, key(2, 400, Some(3))];
        summary.signing_certificates = Some(true);
        report.signing_certificates = Some(true);
        report.password_last_used = Some(now() - days(30));
    })), @r"
    violation: The root user has no MFA device
    Whoever knows its password can do everything in the account, and nothing can stop them.
    violation: The root user has 1 active and 1 inactive access key
    Whoever has such a key can do everything in the account, without MFA. One is inactive, made on 2024-06-06. It was never used. One is active, made on 2025-10-19. It was last used 3 days ago for s3.
    violation: The root user has signing certificates
    Whoever has the private key of one can act as root by old interfaces (SOAP), without MFA.
    violation: The root user was used on 2026-11-20
    An access key was used on 2026-11-20 06:00 UTC for s3. Its password was used on 2026-10-24 06:00 UTC. Within 30d that offends: if nobody knows why, somebody else was it.
    ");
    let mut unread = sound();
    unread.report = Reading::Unknown(gap("iam:GetCredentialReport"));
    insta::assert_snapshot!(said(unread.clone()), @r"
    unknown: No verdict on the root user's use
    iam:GetCredentialReport failed: Rate exceeded. Nothing is concluded from what is missing.
    ");
    unread.summary = Reading::Unknown(gap("iam:GetAccountSummary"));
    insta::assert_snapshot!(said(unread), @r"
    unknown: No verdict on the root user's MFA, access keys, signing certificates, use
    iam:GetAccountSummary failed: Rate exceeded. iam:GetCredentialReport failed: Rate exceeded. Nothing is concluded from what is missing.
    ");
    let found = judged(&config(), &snapshot(Vec::new()));
    insta::assert_snapshot!(found[0].finding.detail, @"The snapshot was taken without the root user. Nothing is concluded from what is missing.");
}

#[test]
fn a_contradiction_is_no_pass_and_is_told_at_once() {
    let removed = with(|summary, _| summary.mfa = false);
    insta::assert_snapshot!(said(removed.clone()), @r"
    unknown: Sources contradict each other about the root user's MFA
    The account's summary says now that it has no MFA device; the credential report of 2026-11-23 06:00 UTC says that it has one. One of them is behind, which a new report, made every four hours, settles; look at once whether somebody changed it.
    ");
    let mended = with(|_, report| report.mfa = Some(false));
    let made = with(|summary, _| summary.access_keys = true);
    let deleted = with(|_, report| report.access_keys = vec![key(1, 10, None)]);
    let certified = with(|_, report| report.signing_certificates = Some(true));
    for root in [removed, mended, made, deleted, certified] {
        let found = judged(&config(), &account(root.clone()));
        let [judgement] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(judgement.finding.status, FindingStatus::Unknown, "{root:?}");
        assert_eq!(judgement.finding.severity, Severity::Critical);
        assert!(judgement.reminder.is_some());
    }
}

#[test]
fn what_one_source_says_of_a_danger_counts_without_the_other() {
    let unread = |change: fn(&mut RootSummary, &mut RootReport), summary: bool| {
        let mut root = with(change);
        if summary {
            root.summary = Reading::Unknown(gap("iam:GetAccountSummary"));
        } else {
            root.report = Reading::Unknown(gap("iam:GetCredentialReport"));
        }
        told(root)
            .into_iter()
            .filter(|(status, _)| *status == FindingStatus::Violation)
            .map(|(_, title)| title)
            .collect::<Vec<_>>()
    };
    let no_mfa: fn(&mut RootSummary, &mut RootReport) = |summary, report| {
        summary.mfa = false;
        report.mfa = Some(false);
    };
    let keys: fn(&mut RootSummary, &mut RootReport) = |summary, report| {
        summary.access_keys = true;
        report.access_keys = vec![key(1, 400, None), key(2, 10, None)];
    };
    for summary in [true, false] {
        assert_eq!(unread(no_mfa, summary), ["The root user has no MFA device"]);
    }
    assert_eq!(unread(keys, true), ["The root user has 2 active access keys"]);
    assert_eq!(unread(keys, false), ["The root user has access keys"]);
}

#[test]
fn inactive_keys_and_certificates_count_as_well() {
    let inactive = with(|_, report| {
        let mut old = key(1, 900, None);
        old.status = KeyStatus::Inactive;
        report.access_keys = vec![old];
    });
    // Whether the summary counts a key that is inactive or not.
    for present in [true, false] {
        let mut root = inactive.clone();
        if let Reading::Known(summary) = &mut root.summary {
            summary.access_keys = present;
        }
        assert_eq!(
            told(root),
            [(
                FindingStatus::Violation,
                "The root user has 1 inactive access key".to_owned()
            )]
        );
    }
    let certificate = with(|summary, _| summary.signing_certificates = Some(true));
    assert_eq!(
        told(certificate),
        [(
            FindingStatus::Violation,
            "The root user has signing certificates".to_owned()
        )]
    );
}

#[test]
fn root_users_without_credentials_have_nothing_to_protect() {
    let central = |summary: &mut RootSummary, report: &mut RootReport| {
        summary.password = Some(false);
        summary.mfa = false;
        report.password = Some(false);
        report.mfa = Some(false);
        report.password_last_used = Some(now() - days(2));
    };
    assert_eq!(told(with(central)), []);
    let mut unread = with(central);
    unread.report = Reading::Unknown(gap("iam:GetCredentialReport"));
    assert_eq!(told(unread), [], "the live source says it all");
    let offends = |change: fn(&mut RootSummary, &mut RootReport)| {
        !told(with(|summary, report| {
            central(summary, report);
            change(summary, report);
        }))
        .is_empty()
    };
    assert!(
        offends(|_, report| report.password = Some(true)),
        "a contradiction"
    );
    assert!(offends(|summary, _| summary.password = Some(true)));
    assert!(
        offends(|summary, report| (summary.password, report.password) = (None, None)),
        "as of old: there is one"
    );
    assert!(!offends(|summary, _| summary.password = None));
    assert!(offends(|summary, report| {
        summary.access_keys = true;
        report.access_keys = vec![key(1, 10, None)];
    }));
}

#[test]
fn use_at_the_edge_is_use() {
    let used =
        |ago: Option<i64>| with(|_, report| report.password_last_used = ago.map(|ago| now() - days(ago)));
    assert_eq!(told(used(Some(30))).len(), 1);
    assert_eq!(told(used(Some(31))), []);
    assert_eq!(told(used(None)), [], "never");
    let unknown = with(|summary, report| {
        summary.access_keys = true;
        let mut odd = key(1, 400, None);
        odd.last_used = Reading::Unknown(gap("iam:GetCredentialReport"));
        report.access_keys = vec![odd];
    });
    let statuses: Vec<_> = told(unknown).into_iter().map(|(status, _)| status).collect();
    assert_eq!(
        statuses,
        [FindingStatus::Violation, FindingStatus::Unknown],
        "not known is not never"
    );
}

#[test]
fn a_virtual_device_offends_where_hardware_is_required() {
    let root = Arn::parse("arn:aws:iam::123456789012:root").unwrap();
    let device = |name: &str, holder: Option<Arn>| VirtualMfaDevice {
        serial_number: format!("arn:aws:iam::123456789012:mfa/{name}"),
        holder,
    };
    let look = |config: &Config, devices: Option<Reading<Vec<VirtualMfaDevice>>>| {
        let mut account = account(sound());
        account.virtual_mfa_devices = devices;
        let found = judged(config, &account);
        found
            .into_iter()
            .map(|judgement| (judgement.finding.status, judgement.finding.detail))
            .collect::<Vec<_>>()
    };
    let own = vec![
        device("groot", Some(user_arn("groot"))),
        device("root-account-mfa-device", Some(root)),
    ];
    let found = look(&hardware(), Some(Reading::Known(own.clone())));
    assert_eq!(found.len(), 1);
    insta::assert_snapshot!(found[0].1, @"arn:aws:iam::123456789012:mfa/root-account-mfa-device is an app, whose secret can be copied; a hardware key or passkey is required (require_hardware).");
    assert_eq!(look(&config(), Some(Reading::Known(own))), []);
    let others = vec![
        device("groot", Some(user_arn("groot"))),
        device("root-account-mfa-device", None),
    ];
    assert_eq!(look(&hardware(), Some(Reading::Known(others))), []);
    for unread in [None, Some(Reading::Unknown(gap("iam:ListVirtualMFADevices")))] {
        assert_eq!(look(&hardware(), unread)[0].0, FindingStatus::Unknown);
    }
}

#[test]
fn the_owner_of_the_account_is_told_at_once_unless_exempt() {
    let root = with(|summary, report| {
        summary.mfa = false;
        report.mfa = Some(false);
    });
    let found = judged(&config(), &account(root.clone()));
    let reminder = found[0].reminder.clone().unwrap();
    assert_eq!(
        (reminder.event, reminder.every),
        (Event::RootAccountAtRisk, crate::model::Span::from_days(1))
    );
    assert_eq!(found[0].finding.owner.as_ref().unwrap().0, "platform@example.com");
    assert_eq!(
        (found[0].remedy.as_ref(), found[0].finding.severity),
        (None, Severity::Critical)
    );
    let exemption = r#"
        principals = ["root"]
        rules = ["root_account"]
        until = "2099-01-01"
        reason = "closing the account"
    "#;
    let mut exempt = config();
    exempt.exemptions = vec![toml::from_str(exemption).unwrap()];
    let found = judged(&exempt, &account(root));
    assert_eq!(
        (found[0].finding.status, found[0].reminder.as_ref()),
        (FindingStatus::Exempt, None)
    );
}
