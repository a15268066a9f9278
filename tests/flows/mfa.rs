//! What happens to a user without an MFA device, from the first word to its owner to the day that it has one.

use aws_simulator::{
    AccountSeed, Document, Edit, Fault, FaultKind, MfaKind, PasswordSeed, UserSeed, VirtualDeviceSeed, When,
};
use chrono::{DateTime, TimeDelta, Utc};
use iamwarden::config::ChannelKind;
use iamwarden::daemon::Done;
use iamwarden::execute::ActionResult;
use iamwarden::model::{Change, FindingStatus, OwnPolicy, Verdict, WithheldReason};

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days, only_action};

const ENFORCE: &str = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[guardrails]
max_changes_percent = 100
[rules.user_mfa]
mode = "enforce"
"#;

/// Somebody with a console password since a year ago, and no device.
fn person(name: &str) -> UserSeed {
    let mut user = UserSeed::new(name);
    user.age = When::At(at(BEGIN) - days(400));
    user.password = Some(PasswordSeed {
        last_changed: When::At(at(BEGIN) - days(365)),
        ..PasswordSeed::default()
    });
    user.tags
        .insert("owner".to_owned(), format!("{name}@example.com"));
    user
}

fn with(users: Vec<UserSeed>) -> AccountSeed {
    let mut account = account();
    account.users = users;
    account
}

async fn alice(rules: &str) -> Installation {
    Installation::begin(with(vec![person("alice")]), rules).await
}

/// The requirement on the user, as it is in IAM.
fn requirement(town: &Installation, user: &str) -> Option<String> {
    let account = town.account();
    let inline = &account["users"][user]["inline"];
    let document = inline.get(OwnPolicy::RequireMfa.name())?;
    Some(document.as_str().unwrap().to_owned())
}

fn is_required(town: &Installation, user: &str) -> bool {
    requirement(town, user).is_some()
}

fn devices(town: &Installation, user: &str, kind: MfaKind) {
    let mut edit = Edit::of_user(ACCOUNT, user);
    edit.mfa = Some(kind.into());
    town.edit(&edit);
}

fn diary(entries: &[(DateTime<Utc>, &str)]) -> Vec<(DateTime<Utc>, String)> {
    entries
        .iter()
        .map(|(at, events)| (*at, (*events).to_owned()))
        .collect()
}

fn statuses(done: &Done) -> Vec<FindingStatus> {
    let findings = done.planned.plan.findings.iter();
    findings.map(|finding| finding.status).collect()
}

#[tokio::test]
async fn mfa_is_announced_required_on_the_second_and_lifted_once_there_is_a_device() {
    let town = alice(ENFORCE).await;
    let date = at(BEGIN) + days(7);
    town.run().await;
    town.run_every(TimeDelta::hours(8), date - TimeDelta::hours(8))
        .await;
    town.run_at(date - TimeDelta::seconds(1)).await;
    assert!(!is_required(&town, "alice"), "a second early");
    town.run_at(date).await;
    assert_eq!(
        requirement(&town, "alice").as_deref(),
        Some(OwnPolicy::RequireMfa.document())
    );
    // As long as there is no device nothing else happens, and nobody is told again.
    let waiting = town.run_at(date + days(1)).await;
    assert_eq!(statuses(&waiting), [FindingStatus::Violation]);
    assert_eq!(waiting.planned.plan.actions, []);
    town.run_daily_until(date + days(20)).await;
    devices(&town, "alice", MfaKind::Passkey);
    let enrolled = town.now() + TimeDelta::hours(1);
    town.run_at(enrolled).await;
    assert!(!is_required(&town, "alice"));
    town.run_daily_until(enrolled + days(40)).await;
    let expected = diary(&[
        (at(BEGIN), "mfa.missing"),
        (date - days(1), "mfa.missing"),
        (date, "mfa.required"),
        (enrolled, "mfa.requirement_lifted"),
    ]);
    assert_eq!(town.desk.diary(), expected);
    assert_eq!(town.siem.diary(), expected);
    for warning in town.desk.told("mfa.missing") {
        assert_eq!(warning.dates(), [date]);
        assert_eq!(warning.owner(), Some("alice@example.com"));
    }
    assert_eq!(
        town.changes(),
        [
            ("PutUserPolicy".to_owned(), date),
            ("DeleteUserPolicy".to_owned(), enrolled)
        ]
    );
    town.check_books().await;
}

#[tokio::test]
async fn whoever_enrols_in_time_is_never_touched() {
    let town = alice(ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    // An hour before the date, long after the report that the run will find.
    town.go_to(at(BEGIN) + days(7) - TimeDelta::hours(1));
    devices(&town, "alice", MfaKind::Virtual);
    let last = town.run_at(at(BEGIN) + days(7)).await;
    assert_eq!(last.planned.plan.findings, []);
    town.run_daily_until(at(BEGIN) + days(30)).await;
    assert_eq!(town.changes(), []);
    assert_eq!(town.desk.told("mfa.required").len(), 0);
}

#[tokio::test]
async fn whoever_loses_the_device_is_told_anew() {
    let town = alice(ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(3)).await;
    devices(&town, "alice", MfaKind::Hardware);
    town.run_daily_until(at(BEGIN) + days(10)).await;
    devices(&town, "alice", MfaKind::None);
    let lost = town.now() + days(1);
    town.run_daily_until(lost + days(6)).await;
    assert!(
        !is_required(&town, "alice"),
        "what was said before the device does not count"
    );
    let words = town.desk.told("mfa.missing");
    assert_eq!(words[1].at, lost, "{:?}", town.desk.diary());
    assert_eq!(words[1].dates(), [lost + days(7)]);
    town.run_at(lost + days(7)).await;
    assert!(is_required(&town, "alice"));

    // Somebody takes it off by hand: a new word, a new week.
    let mut edit = Edit::of_user(ACCOUNT, "alice");
    edit.inline.insert(OwnPolicy::RequireMfa.name().to_owned(), None);
    town.edit(&edit);
    let taken_off = town.now() + days(1);
    town.run_daily_until(taken_off + days(6)).await;
    assert!(!is_required(&town, "alice"));
    town.run_at(taken_off + days(7)).await;
    assert!(is_required(&town, "alice"));
    town.check_books().await;
}

#[tokio::test]
async fn everybody_has_a_date_of_their_own() {
    let mut bob = person("bob");
    bob.mfa = MfaKind::Virtual.into();
    let town = Installation::begin(with(vec![person("alice"), bob]), ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(5)).await;
    devices(&town, "bob", MfaKind::None);
    let told = town.now() + days(1);
    town.run_daily_until(at(BEGIN) + days(8)).await;
    assert!(is_required(&town, "alice"));
    assert!(
        !is_required(&town, "bob"),
        "that alice was told is no notice to bob"
    );
    town.run_daily_until(told + days(7)).await;
    assert!(is_required(&town, "bob"));
}

#[tokio::test]
async fn what_was_rolled_back_stays_off_until_a_person_approves_it() {
    let town = alice(ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    let applied = town.run_at(at(BEGIN) + days(7)).await;
    let action = only_action(&applied).clone();
    assert!(is_required(&town, "alice"));
    let before = town.account();
    town.go_to(town.now() + TimeDelta::hours(1));
    let reports = town.roll_back(&action).await;
    assert!(
        reports
            .iter()
            .all(|report| report.result == ActionResult::Applied),
        "{reports:?}"
    );
    assert!(!is_required(&town, "alice"));
    assert_eq!(town.roll_back(&action).await, [], "there is nothing left to undo");
    assert_eq!(
        town.desk.told("action.rolled_back")[0].owner(),
        Some("alice@example.com")
    );
    town.run_daily_until(town.now() + days(20)).await;
    let held = town.run().await;
    assert_eq!(
        only_action(&held).withheld_reason,
        Some(WithheldReason::RolledBack)
    );
    assert!(!is_required(&town, "alice"));
    town.decide(&held, &action, Verdict::Approved).await;
    town.run_daily_until(town.now() + days(9)).await;
    assert!(is_required(&town, "alice"));
    assert_eq!(
        town.account()["users"],
        before["users"],
        "as it was before the rollback"
    );
    town.check_books().await;
}

#[tokio::test]
async fn lifting_can_be_undone_as_well_and_what_somebody_changed_is_not_undone() {
    let town = alice(ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(7)).await;
    let required = requirement(&town, "alice");
    devices(&town, "alice", MfaKind::Passkey);
    let lifted = town.run_at(town.now() + days(1)).await;
    let action = only_action(&lifted).clone();
    assert!(matches!(action.change, Change::LiftMfaRequirement { .. }));
    let reports = town.roll_back(&action).await;
    assert_eq!(reports[0].result, ActionResult::Applied);
    assert_eq!(requirement(&town, "alice"), required, "exactly as it was");
    let held = town.run_at(town.now() + days(1)).await;
    assert_eq!(
        only_action(&held).withheld_reason,
        Some(WithheldReason::RolledBack)
    );

    let town = alice(ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    let applied = town.run_at(at(BEGIN) + days(7)).await;
    let mut edit = Edit::of_user(ACCOUNT, "alice");
    let softer = OwnPolicy::RequireMfa
        .document()
        .replace("\"Resource\": \"*\"", "\"Resource\": \"arn:aws:s3:::*\"");
    edit.inline
        .insert(OwnPolicy::RequireMfa.name().to_owned(), Some(softer.clone()));
    town.edit(&edit);
    let reports = town.roll_back(only_action(&applied)).await;
    assert!(matches!(reports[0].result, ActionResult::Stale(_)), "{reports:?}");
    devices(&town, "alice", MfaKind::Passkey);
    let listed = town.run_at(town.now() + days(1)).await;
    assert_eq!(
        requirement(&town, "alice"),
        Some(softer),
        "it is not iamwarden's any more"
    );
    assert_eq!(statuses(&listed), [FindingStatus::Warning]);
    town.check_books().await;
}

#[tokio::test]
async fn the_exempt_and_the_protected_are_left_alone() {
    let rules = format!(
        "{ENFORCE}\n{}",
        r#"
        [[exemptions]]
        principals = ["user/kiosk"]
        rules = ["user_mfa"]
        until = "2026-03-31"
        reason = "a screen in the hall"
        "#
    );
    let town = Installation::begin(with(vec![person("break-glass-1"), person("kiosk")]), &rules).await;
    town.run().await;
    town.run_daily_until(at("2026-03-31T06:00:00Z")).await;
    let done = town.run().await;
    assert_eq!(statuses(&done), [FindingStatus::Exempt, FindingStatus::Exempt]);
    assert_eq!(town.changes(), []);
    assert_eq!(town.desk.told("mfa.missing").len(), 0);
    // Past its last day the exemption has no effect, and the owner gets the whole notice.
    town.run_daily_until(at("2026-04-07T06:00:00Z")).await;
    assert!(!is_required(&town, "kiosk"));
    town.run_daily_until(at("2026-04-08T06:00:00Z")).await;
    assert!(is_required(&town, "kiosk"));
    assert!(!is_required(&town, "break-glass-1"));
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_nothing_happens_until_it_can() {
    let town = Installation::begin(with(vec![person("alice"), person("bob")]), ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    let denied = Fault::new(FaultKind::error("AccessDenied")).on("ListMFADevices");
    town.simulator.faults().add(denied.about("alice"));
    let done = town.run_at(at(BEGIN) + days(7)).await;
    assert_eq!(
        statuses(&done),
        [FindingStatus::Unknown, FindingStatus::Violation]
    );
    assert!(!is_required(&town, "alice"));
    assert!(is_required(&town, "bob"), "others go on");
    assert_eq!(town.desk.told("run.failed").len(), 1);
    for (operation, code) in [
        ("GetLoginProfile", "Throttling"),
        ("GetAccountAuthorizationDetails", "AccessDenied"),
    ] {
        town.simulator.faults().clear();
        town.simulator
            .faults()
            .add(Fault::new(FaultKind::error(code)).on(operation));
        let done = town.run_at(town.now() + days(1)).await;
        assert!(
            statuses(&done)
                .iter()
                .all(|status| *status == FindingStatus::Unknown),
            "{operation}"
        );
        assert!(!is_required(&town, "alice"), "{operation}");
    }
    town.simulator.faults().clear();
    town.run_at(town.now() + days(1)).await;
    assert!(is_required(&town, "alice"));
}

#[tokio::test]
async fn without_a_report_everybody_is_asked_for_and_judged_all_the_same() {
    let mut carol = person("carol");
    carol.mfa = MfaKind::Virtual.into();
    let mut account = with(vec![person("alice"), carol, UserSeed::new("robot")]);
    account.report.refused = Some("AccessDenied".to_owned());
    let town = Installation::begin(account, ENFORCE).await;
    let done = town.run().await;
    let found: Vec<_> = done
        .planned
        .plan
        .findings
        .iter()
        .map(|finding| (finding.resource.name(), finding.status))
        .collect();
    assert_eq!(found, [("alice", FindingStatus::Violation)]);
    town.run_daily_until(at(BEGIN) + days(7)).await;
    assert!(is_required(&town, "alice") && !is_required(&town, "carol") && !is_required(&town, "robot"));
}

#[tokio::test]
async fn a_user_with_too_many_policies_fails_alone() {
    let mut full = person("full");
    let actions: Vec<_> = (0..90).map(|n| format!("s3:GetObject{n:04}")).collect();
    let document = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
    });
    full.inline
        .insert("own".to_owned(), Document::Text(document.to_string()));
    let town = Installation::begin(with(vec![full, person("zoe")]), ENFORCE).await;
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(6)).await;
    let done = town.run_at(at(BEGIN) + days(7)).await;
    assert!(!is_required(&town, "full") && is_required(&town, "zoe"));
    let failed: Vec<_> = done
        .reports
        .iter()
        .filter_map(|report| {
            let ActionResult::Failed(why) = &report.result else {
                return None;
            };
            Some((report.resource.name(), why.as_str()))
        })
        .collect();
    assert_eq!(failed.len(), 1, "{:?}", done.reports);
    assert_eq!(failed[0].0, "full");
    assert!(failed[0].1.contains("a quota is used up"), "{failed:?}");
    assert_eq!(
        town.desk.told("action.failed")[0].owner(),
        Some("full@example.com")
    );
    town.check_books().await;
}

#[tokio::test]
async fn what_the_owner_reads() {
    let mut account = with(vec![person("alice")]);
    account.virtual_mfa_devices.push(VirtualDeviceSeed {
        name: "alice".to_owned(),
        path: "/".to_owned(),
        tags: Default::default(),
    });
    let mut town = Installation::begin(account, ENFORCE).await;
    town.configure(|config| {
        config.notifications.channels[0].kind = ChannelKind::Slack;
        config.notifications.channels[0].secret = None;
    });
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(7)).await;
    devices(&town, "alice", MfaKind::Passkey);
    town.run_at(town.now() + days(1)).await;
    let said = town.desk.chat();
    let messages = [&said[0], &said[2], &said[3]]
        .map(String::as_str)
        .join("\n======\n");
    insta::assert_snapshot!(messages, @r#"
    User `alice` in 123456789012 *will be required to use MFA on Mon 09 Mar 2026 06:00 UTC* (7 days left)
    Why: alice can sign in to the console without MFA. It has a console password since 2025-01-26 and no MFA device. The virtual device arn:aws:iam::123456789012:mfa/alice is there, but assigned to nobody: enrolling it was not finished. (rule `user_mfa`)
    Action `act_5e6dbf0ff30c5d8873037b3e`. Once done, it can be undone: `iamwarden rollback --action act_5e6dbf0ff30c5d8873037b3e`

    *To mend it:*
    1. Sign in to the console as the user; open the name at the top right, Security credentials, Assign MFA device.
    2. Choose a passkey, a security key or an authenticator app, and follow the page to its end.
    3. Sign out, and in again with the device. The next run sees it: `aws iam list-mfa-devices --user-name NAME`
    If the console does not allow step 2, an administrator assigns the device: `aws iam enable-mfa-device --user-name NAME --serial-number ARN --authentication-code1 CODE --authentication-code2 NEXT-CODE`
    If the user cannot have a device, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = ["user/alice"], rules = ["user_mfa"], until, reason`).
    ======
    User `alice` in 123456789012 *was required to use MFA on Mon 09 Mar 2026 06:00 UTC*
    Why: alice can sign in to the console without MFA. It has a console password since 2025-01-26 and no MFA device. The virtual device arn:aws:iam::123456789012:mfa/alice is there, but assigned to nobody: enrolling it was not finished. (rule `user_mfa`)
    Action `act_5e6dbf0ff30c5d8873037b3e`. To undo it: `iamwarden rollback --action act_5e6dbf0ff30c5d8873037b3e`

    Console sessions without MFA may do nothing but enrol a device. Access keys are not affected. Once a device is active, the next run takes this off again.
    *To mend it:*
    1. Sign in to the console as the user; open the name at the top right, Security credentials, Assign MFA device.
    2. Choose a passkey, a security key or an authenticator app, and follow the page to its end.
    3. Sign out, and in again with the device. The next run sees it: `aws iam list-mfa-devices --user-name NAME`
    If the console does not allow step 2, an administrator assigns the device: `aws iam enable-mfa-device --user-name NAME --serial-number ARN --authentication-code1 CODE --authentication-code2 NEXT-CODE`
    ======
    User `alice` in 123456789012 *was released from the MFA requirement on Tue 10 Mar 2026 06:00 UTC*
    Why: alice has an MFA device now and need not be made to use one. The policy iamwarden-require-mfa that iamwarden put there is not needed any more. (rule `user_mfa`)
    Action `act_398e70118b1e89e0d893b13c`. To undo it: `iamwarden rollback --action act_398e70118b1e89e0d893b13c`
    "#);
}
