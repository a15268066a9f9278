//! Who is told of a root user that is not as safe as it must be, and how often.

use aws_simulator::{Edit, Fault, FaultKind, KeySeed, MfaKind, UserSeed, When};
use chrono::TimeDelta;
use iamwarden::config::{ChannelKind, Mode};
use iamwarden::model::FindingStatus;

use crate::installation::{ACCOUNT, BEGIN, Installation, account, at, days};

const ENFORCE: &str = r#"
rules.access_key_rotation.mode = "off"
rules.unused_access_keys.mode = "off"
rules.password_policy.mode = "off"
rules.unused_permissions.mode = "off"
[[accounts]]
id = "123456789012"
name = "prod"
owner = "platform@example.com"
[rules.root_account]
mode = "enforce"
require_hardware = true
"#;

/// A root user with this MFA device, used long ago.
async fn town(mfa: MfaKind, rules: &str) -> Installation {
    let mut account = account();
    account.root.mfa = mfa.into();
    account.root.password_last_used = When::At(at(BEGIN) - days(300));
    account.users.push(UserSeed::new("ada"));
    Installation::begin(account, rules).await
}

fn root() -> Edit {
    Edit {
        root: true,
        ..Edit::of(ACCOUNT)
    }
}

fn told(town: &Installation) -> Vec<i64> {
    let posts = town.desk.told("root_account.at_risk");
    posts
        .iter()
        .map(|post| (post.at - at(BEGIN)).num_hours())
        .collect()
}

#[tokio::test]
async fn the_owner_is_told_at_once_and_every_day_until_it_is_mended() {
    let town = town(MfaKind::None, ENFORCE).await;
    town.run().await;
    town.run_every(TimeDelta::hours(6), at(BEGIN) + days(3)).await;
    assert_eq!(told(&town), [0, 18, 42, 66], "once in each day of the calendar");
    for post in town.desk.posts() {
        assert_eq!(post.owner(), Some("platform@example.com"));
    }
    town.edit(&Edit {
        mfa: Some(MfaKind::Hardware.into()),
        ..root()
    });
    // The report is behind: as long as it contradicts what is so now, that is no pass.
    let contradictory = town.run_at(town.now() + TimeDelta::minutes(10)).await;
    let found = &contradictory.planned.plan.findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].status, FindingStatus::Unknown);
    let before = told(&town).len();
    let mended = town.run_at(town.now() + days(1)).await;
    assert_eq!(mended.planned.plan.findings, []);
    town.run_daily_until(at(BEGIN) + days(20)).await;
    assert_eq!(told(&town).len(), before);
    assert_eq!(town.changes(), [], "nothing is ever changed");
    town.check_books().await;
}

#[tokio::test]
async fn in_report_only_the_digest_speaks_of_it() {
    let mut town = town(MfaKind::Virtual, ENFORCE).await;
    town.configure(|config| config.rules.root_account.mode = Mode::Report);
    town.run().await;
    town.run_daily_until(at(BEGIN) + days(5)).await;
    assert_eq!(told(&town), Vec::<i64>::new());
    let digests = town.desk.told("report.digest");
    assert!(
        !digests.is_empty() && digests.len() <= 2,
        "once, and a week later: {:?}",
        town.desk.diary()
    );
}

#[tokio::test]
async fn a_member_account_without_root_credentials_is_silent() {
    let town = town(MfaKind::None, ENFORCE).await;
    town.edit(&Edit {
        password: Some(false),
        ..root()
    });
    town.run_at(at(BEGIN) + days(1)).await;
    town.run_daily_until(at(BEGIN) + days(5)).await;
    assert_eq!(town.desk.diary(), []);
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_the_default_channel_hears_of_it() {
    for operation in [
        "GetAccountSummary",
        "ListVirtualMFADevices",
        "GenerateCredentialReport",
    ] {
        let town = town(MfaKind::Hardware, ENFORCE).await;
        town.simulator
            .faults()
            .add(Fault::new(FaultKind::error("AccessDenied")).on(operation));
        let done = town.run().await;
        let found = &done.planned.plan.findings;
        assert_eq!(found.len(), 1, "{operation}: {found:?}");
        assert_eq!(found[0].status, FindingStatus::Unknown, "{operation}");
        assert_eq!(town.desk.told("run.failed").len(), 1, "{operation}");
        assert_eq!(told(&town), Vec::<i64>::new(), "{operation}");
    }
}

#[tokio::test]
async fn what_the_owner_reads() {
    let mut town = town(MfaKind::Virtual, ENFORCE).await;
    town.configure(|config| {
        config.notifications.channels[0].kind = ChannelKind::Slack;
        config.notifications.channels[0].secret = None;
    });
    town.edit(&Edit {
        keys: vec![
            KeySeed::aged(When::days(900))
                .used(When::days(2))
                .id("AKIAROOT000000000001"),
        ],
        ..root()
    });
    town.run().await;
    insta::assert_snapshot!(town.desk.chat().join("\n======\n"), @r#"
    The root user has 1 active access key (`root` in prod (123456789012))
    Whoever has such a key can do everything in the account, without MFA. One is active, made on 2023-09-14. It was last used 2 days ago for s3.

    The root user's MFA device is a virtual one (`root` in prod (123456789012))
    arn:aws:iam::123456789012:mfa/root-account-mfa-device is an app, whose secret can be copied; a hardware key or passkey is required (require_hardware).

    The root user was used on 2026-02-28 (`root` in prod (123456789012))
    An access key was used on 2026-02-28 06:00 UTC for s3. Within 30d that offends: if nobody knows why, somebody else was it.

    *To mend it:*
    1. Sign in as root ("Root user" on the sign-in page); open the name at the top right, Security credentials.
    2. Multi-factor authentication: assign a hardware key or passkey, and a second one as a spare; then remove virtual devices.
    3. Access keys: give what uses one a role instead, deactivate the key, watch for a day, delete it. X.509 signing certificates: delete them.
    4. If root was used and nobody knows why: change its password, and look for the calls in CloudTrail: `aws cloudtrail lookup-events --lookup-attributes AttributeKey=Username,AttributeValue=root`
    5. Sign out, and use root only for the few tasks that need it.
    iamwarden changes nothing here. This is said again as long as it stands.
    If it must stay so for a time, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = ["root"], rules = ["root_account"], until, reason`).
    "#);
}
