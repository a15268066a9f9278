use super::*;
use crate::config::{Config, Mode};
use crate::inventory::VirtualMfaDevice;
use crate::model::{History, Observed};
use crate::rules::fixture::{self, days, gap, now, signing_in, snapshot, user, user_arn};

const APP: &str = "arn:aws:iam::123456789012:mfa/alice";
/// As somebody might soften it.
const EDITED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;

fn config(scope: MfaScope) -> Config {
    let mut config = fixture::config(Mode::Off);
    config.rules.user_mfa.mode = Mode::Enforce;
    config.rules.user_mfa.scope = scope;
    config
}

fn judged(config: &Config, history: &History, snapshot: &Snapshot) -> Vec<Judgement> {
    check(&Context {
        config,
        snapshot,
        history,
        now: now(),
    })
}

fn judge_one(scope: MfaScope, user: User) -> Option<Judgement> {
    let mut found = judged(&config(scope), &History::default(), &snapshot(vec![user]));
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

fn alice(console_password: bool, devices: &[&str]) -> User {
    signing_in(user("alice", Vec::new()), console_password, devices)
}

fn carrying(mut user: User, document: &str) -> User {
    user.inline.push(InlinePolicy {
        name: OwnPolicy::RequireMfa.name().to_owned(),
        document: document.to_owned(),
    });
    user
}

/// Status and kind of the change, where there is one.
fn verdict(judgement: Option<&Judgement>) -> Option<(FindingStatus, Option<ChangeKind>)> {
    let judgement = judgement?;
    let change = judgement
        .remedy
        .as_ref()
        .map(|remedy| remedy.proposal.change.kind());
    Some((judgement.finding.status, change))
}

#[test]
fn every_case_has_its_verdict() {
    use FindingStatus::{Violation, Warning};
    use MfaScope::{All, Console};
    let ours = OwnPolicy::RequireMfa.document();
    let spaced = ours.replace('\n', "  ");
    for (scope, password, devices, carried, expected) in [
        (
            Console,
            true,
            &[][..],
            None,
            Some((Violation, Some(ChangeKind::RequireMfa))),
        ),
        (Console, true, &[APP][..], None, None),
        (Console, true, &["GAHT12345678"][..], None, None),
        (Console, false, &[][..], None, None),
        (Console, true, &[][..], Some(ours), Some((Violation, None))),
        (
            Console,
            true,
            &[APP][..],
            Some(ours),
            Some((Warning, Some(ChangeKind::LiftMfaRequirement))),
        ),
        (
            Console,
            true,
            &[APP][..],
            Some(&spaced),
            Some((Warning, Some(ChangeKind::LiftMfaRequirement))),
        ),
        (
            Console,
            false,
            &[APP][..],
            Some(ours),
            Some((Warning, Some(ChangeKind::LiftMfaRequirement))),
        ),
        (Console, true, &[APP][..], Some(EDITED), Some((Warning, None))),
        (Console, true, &[APP][..], Some("no JSON"), Some((Warning, None))),
        (Console, true, &[][..], Some(EDITED), Some((Violation, None))),
        (Console, false, &[][..], Some(ours), Some((Warning, None))),
        (Console, false, &[][..], Some(EDITED), Some((Warning, None))),
        (
            All,
            true,
            &[][..],
            None,
            Some((Violation, Some(ChangeKind::RequireMfa))),
        ),
        (All, false, &[][..], None, Some((Violation, None))),
        (All, false, &[][..], Some(ours), Some((Violation, None))),
        (All, false, &[APP][..], None, None),
    ] {
        let mut user = alice(password, devices);
        if let Some(document) = carried {
            user = carrying(user, document);
        }
        let found = judge_one(scope, user);
        assert_eq!(
            verdict(found.as_ref()),
            expected,
            "{scope:?} {password} {devices:?} {carried:?}"
        );
    }
}

#[test]
fn what_the_report_says_is_enough_for_a_pass_only() {
    let told = |console_password: bool, mfa: Mfa, scope: MfaScope| {
        let mut user = user("alice", Vec::new());
        user.sign_in = Some(Reading::Known(SignIn {
            console_password,
            password_made_at: None,
            mfa,
        }));
        verdict(judge_one(scope, user).as_ref())
    };
    let unknown = Some((FindingStatus::Unknown, None));
    assert_eq!(told(true, Mfa::Reported(true), MfaScope::Console), None);
    assert_eq!(told(true, Mfa::Reported(false), MfaScope::Console), unknown);
    assert_eq!(told(false, Mfa::Reported(false), MfaScope::Console), None);
    assert_eq!(told(false, Mfa::NotAsked, MfaScope::Console), None);
    // Planned from a snapshot that was taken for console users alone.
    assert_eq!(told(false, Mfa::Reported(false), MfaScope::All), unknown);
    assert_eq!(told(false, Mfa::NotAsked, MfaScope::All), unknown);
    let mut user = carrying(alice(true, &[]), OwnPolicy::RequireMfa.document());
    user.sign_in = Some(Reading::Known(SignIn {
        console_password: true,
        password_made_at: None,
        mfa: Mfa::Reported(true),
    }));
    assert_eq!(
        verdict(judge_one(MfaScope::Console, user).as_ref()),
        unknown,
        "nothing is lifted on the word of a report"
    );
}

#[test]
fn what_could_not_be_read_is_unknown() {
    let mut unread = user("alice", Vec::new());
    let absent = judge_one(MfaScope::Console, unread.clone()).unwrap();
    unread.sign_in = Some(Reading::Unknown(gap("iam:ListMFADevices")));
    let failed = judge_one(MfaScope::Console, unread.clone()).unwrap();
    for judgement in [&absent, &failed] {
        assert_eq!(verdict(Some(judgement)), Some((FindingStatus::Unknown, None)));
        assert_eq!(judgement.announcement, None);
    }
    insta::assert_snapshot!(said(&failed), @r"
    Whether alice has an MFA device is not known
    iam:ListMFADevices failed: Rate exceeded. Nothing is concluded from what is missing.
    ");
    // Others go on.
    let bob = signing_in(user("bob", Vec::new()), true, &[]);
    let found = judged(
        &config(MfaScope::Console),
        &History::default(),
        &snapshot(vec![unread, bob]),
    );
    let statuses: Vec<_> = found.iter().map(|judgement| judgement.finding.status).collect();
    assert_eq!(statuses, [FindingStatus::Unknown, FindingStatus::Violation]);
    let mut account = snapshot(Vec::new());
    account.authorization = Reading::Unknown(gap("iam:GetAccountAuthorizationDetails"));
    let found = judged(&config(MfaScope::Console), &History::default(), &account);
    assert_eq!(found[0].finding.status, FindingStatus::Unknown);
}

fn said(judgement: &Judgement) -> String {
    format!("{}\n{}", judgement.finding.title, judgement.finding.detail)
}

#[test]
fn what_people_read() {
    let ours = OwnPolicy::RequireMfa.document();
    let console = |user: User| said(&judge_one(MfaScope::Console, user).unwrap());
    insta::assert_snapshot!(console(alice(true, &[])), @r"
    alice can sign in to the console without MFA
    It has a console password since 2026-08-15 and no MFA device.
    ");
    insta::assert_snapshot!(console(carrying(alice(true, &[]), ours)), @r"
    alice has to use MFA, and has no device yet
    The policy iamwarden-require-mfa denies its console sessions all but enrolling a device; nothing else is done. It is taken off by the run that finds a device, or by `iamwarden rollback --action act_5e6dbf0ff30c5d8873037b3e`.
    ");
    insta::assert_snapshot!(console(carrying(alice(true, &[APP]), ours)), @r"
    alice has an MFA device now and need not be made to use one
    The policy iamwarden-require-mfa, which iamwarden put there, is taken off again.
    ");
    insta::assert_snapshot!(console(carrying(alice(true, &[]), EDITED)), @r"
    alice can sign in to the console without MFA
    It has a console password and no MFA device. Its inline policy iamwarden-require-mfa is not as iamwarden writes it: somebody changed it, so it is left alone, and MFA is not required.
    ");
    insta::assert_snapshot!(console(carrying(alice(true, &[APP]), EDITED)), @r"
    The policy iamwarden-require-mfa is still on alice
    As things are, somebody changed it, so it is left alone; take it off by hand where it is not wanted.
    ");
    insta::assert_snapshot!(console(carrying(alice(false, &[]), ours)), @r"
    The policy iamwarden-require-mfa is still on alice
    As things are, without a console password it has no effect; take it off by hand where it is not wanted.
    ");
    insta::assert_snapshot!(said(&judge_one(MfaScope::All, alice(false, &[])).unwrap()), @r"
    alice has no MFA device
    It has no console password. Nothing is done: MFA can only be required of console sessions, and calls by access key carry none.
    ");
}

#[test]
fn a_device_that_nobody_has_is_named() {
    let mut account = snapshot(vec![
        alice(true, &[]),
        signing_in(user("bob", Vec::new()), true, &[]),
    ]);
    let device = |name: &str, holder: Option<Arn>| VirtualMfaDevice {
        serial_number: format!("arn:aws:iam::123456789012:mfa/{name}"),
        holder,
    };
    account.virtual_mfa_devices = Some(Reading::Known(vec![
        device("apps/alice", None),
        device("bob", Some(user_arn("carol"))),
        device("spare", None),
    ]));
    let found = judged(&config(MfaScope::Console), &History::default(), &account);
    insta::assert_snapshot!(said(&found[0]), @r"
    alice can sign in to the console without MFA
    It has a console password since 2026-08-15 and no MFA device. The virtual device arn:aws:iam::123456789012:mfa/apps/alice is there, but assigned to nobody: enrolling it was not finished.
    ");
    assert_eq!(found[1].finding.evidence.get("unassigned_device"), None);
    // Not knowing of such devices takes nothing from the verdict.
    account.virtual_mfa_devices = Some(Reading::Unknown(gap("iam:ListVirtualMFADevices")));
    let found = judged(&config(MfaScope::Console), &History::default(), &account);
    assert!(found.iter().all(|judgement| judgement.remedy.is_some()));
}

#[test]
fn it_is_required_of_the_very_user_who_has_a_password_and_no_device() {
    let remedy = judge_one(MfaScope::Console, alice(true, &[]))
        .unwrap()
        .remedy
        .unwrap();
    insta::assert_json_snapshot!((&remedy.precondition, &remedy.proposal.inverse), @r#"
    [
      {
        "policy_name": "iamwarden-require-mfa",
        "document": null,
        "principal_id": "AIDAALICE",
        "grounds": {
          "because": "sign_in",
          "console_password": true,
          "mfa_devices": []
        }
      },
      {
        "kind": "delete_inline_policy",
        "parameters": {
          "policy_name": "iamwarden-require-mfa"
        }
      }
    ]
    "#);
    let ours = carrying(alice(true, &[APP]), OwnPolicy::RequireMfa.document());
    let remedy = judge_one(MfaScope::Console, ours).unwrap().remedy.unwrap();
    let Some(Inverse::PutInlinePolicy(text)) = &remedy.proposal.inverse else {
        panic!("{remedy:?}")
    };
    let Precondition::InlinePolicy { document, .. } = &remedy.precondition else {
        panic!("{remedy:?}")
    };
    assert_eq!(
        *document,
        Some(Digest::of_document(&text.document)),
        "undoing restores what was found"
    );
}

#[test]
fn exempt_protected_and_own_users_are_left_alone() {
    let exemption = r#"
        principals = ["user/alice"]
        rules = ["user_mfa"]
        until = "2099-01-01"
        reason = "kiosk, SEC-7"
    "#;
    let mut exempt = config(MfaScope::Console);
    exempt.exemptions = vec![toml::from_str(exemption).unwrap()];
    let mut protected = config(MfaScope::Console);
    protected.guardrails.protected = vec![crate::model::Glob::new("user/alice")];
    let ours = OwnPolicy::RequireMfa.document();
    let look = |config: &Config, user: User, own: bool| {
        let mut account = snapshot(vec![user]);
        if own {
            account.caller.identities.push("user/alice".to_owned());
        }
        judged(config, &History::default(), &account).pop().unwrap()
    };
    for (config, own) in [
        (&exempt, false),
        (&protected, false),
        (&config(MfaScope::Console), true),
    ] {
        for user in [
            alice(true, &[]),
            carrying(alice(true, &[]), ours),
            carrying(alice(true, &[]), EDITED),
            carrying(alice(true, &[APP]), EDITED),
        ] {
            let found = look(config, user, own);
            assert_eq!(verdict(Some(&found)), Some((FindingStatus::Exempt, None)));
            assert_eq!(found.announcement, None);
        }
    }
    // Taking off what iamwarden put there does an exempt user no harm; a protected one is not touched even so.
    let enrolled = || carrying(alice(true, &[APP]), ours);
    let lifted = look(&exempt, enrolled(), false);
    assert_eq!(
        verdict(Some(&lifted)),
        Some((FindingStatus::Warning, Some(ChangeKind::LiftMfaRequirement)))
    );
    insta::assert_snapshot!(said(&lifted), @r"
    alice has an MFA device now and need not be made to use one
    The policy iamwarden-require-mfa, which iamwarden put there, is taken off again. That it is exempt until 2099-01-01 (kiosk, SEC-7) does not stand against it.
    ");
    for (config, own) in [(&protected, false), (&config(MfaScope::Console), true)] {
        assert_eq!(
            verdict(Some(&look(config, enrolled(), own))),
            Some((FindingStatus::Exempt, None))
        );
    }
}

#[test]
fn what_was_said_before_mfa_was_in_place_does_not_count() {
    let announced = |history: &History| {
        let account = snapshot(vec![alice(true, &[])]);
        let found = judged(&config(MfaScope::Console), history, &account)
            .pop()
            .unwrap();
        found.announcement.unwrap()
    };
    let plain = announced(&History::default());
    assert_eq!(
        plain.subject,
        user_arn("alice").as_str(),
        "every user has a date of its own"
    );
    assert_eq!(
        plain.due,
        now() - days(100),
        "the password is younger than the user"
    );
    assert_eq!(
        plain.notices_count_after,
        Some(now() - days(1000)),
        "a namesake was told, not this user"
    );
    let mut history = History::default();
    let seen = Observation::MfaDevice {
        user: user_arn("alice"),
    };
    let observed = Observed {
        first: now() - days(30),
        last: now() - days(20),
    };
    history.observations.insert(seen, observed);
    assert_eq!(announced(&history).notices_count_after, Some(now() - days(20)));
    history.mfa_required.insert(user_arn("alice"), now() - days(10));
    assert_eq!(announced(&history).notices_count_after, Some(now() - days(10)));
    let change = Change::RequireMfa(OwnPolicy::RequireMfa.text());
    let action = ActionId::of(&snapshot(Vec::new()).account, &user_arn("alice"), &change);
    history.rolled_back.insert(action, now() - days(5));
    assert_eq!(announced(&history).notices_count_after, Some(now() - days(5)));
}

#[test]
fn devices_of_those_who_were_told_are_remembered() {
    let mut reported = user("carol", Vec::new());
    reported.sign_in = Some(Reading::Known(SignIn {
        console_password: true,
        password_made_at: None,
        mfa: Mfa::Reported(true),
    }));
    let account = snapshot(vec![
        alice(true, &[APP]),
        signing_in(user("bob", Vec::new()), true, &[]),
        reported,
        signing_in(user("dora", Vec::new()), true, &[APP]),
    ]);
    let told = ["alice", "bob", "carol"].map(user_arn).into();
    let seen: Vec<_> = users_with_mfa(&account, &told).collect();
    let device = |name: &str| Observation::MfaDevice { user: user_arn(name) };
    assert_eq!(seen, [device("alice"), device("carol")]);
}
