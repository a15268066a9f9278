//! Accounts for the tests of rules and planner.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::{Config, Mode};
use crate::inventory::{
    AccessKey, Authorization, BucketExposure, Caller, ConsolePassword, Credentials, Gap, GapCause, LastUsed,
    ManagementEvents, Mfa, Reading, RegionalInventory, SignIn, Snapshot, Trail, User,
};
use crate::model::{
    AccessKeyId, AccountId, Arn, KeyStatus, LogDestination, Partition, PasswordPolicy, Region, TrailSettings,
};

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

pub(crate) fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

pub(crate) fn config(mode: Mode) -> Config {
    let mut config = Config::built_in().unwrap();
    config.rules.access_key_rotation.mode = mode;
    config.rules.unused_access_keys.mode = Mode::Off;
    config.rules.password_policy.mode = Mode::Off;
    config.rules.unused_permissions.mode = Mode::Off;
    config.rules.access_review.mode = Mode::Off;
    config.rules.unused_passwords.mode = Mode::Off;
    config.rules.unused_users.mode = Mode::Off;
    config.rules.unused_roles.mode = Mode::Off;
    config.rules.role_trust.mode = Mode::Off;
    config.rules.cloudtrail.mode = Mode::Off;
    config.rules.user_mfa.mode = Mode::Off;
    config.rules.root_account.mode = Mode::Off;
    config.rules.broad_policies.mode = Mode::Off;
    config.rules.iam_alarms.mode = Mode::Off;
    config.rules.access_analyzer.mode = Mode::Off;
    config.rules.instance_roles.mode = Mode::Off;
    config.guardrails.max_changes_percent = 100;
    config
}

pub(crate) fn user_arn(name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:user/{name}")).unwrap()
}

pub(crate) fn gap(operation: &str) -> Gap {
    Gap {
        operation: operation.to_owned(),
        resource: None,
        cause: GapCause::Throttled,
        detail: "Rate exceeded".to_owned(),
    }
}

/// A key of that age; last used that many days ago, `None`: never.
pub(crate) fn key(number: u32, age: i64, used: Option<i64>) -> AccessKey {
    AccessKey {
        id: Some(key_id(number)),
        status: KeyStatus::Active,
        created_at: now() - days(age),
        last_used: Reading::Known(match used {
            None => LastUsed::Never,
            Some(ago) => LastUsed::At {
                at: now() - days(ago),
                service: Some("s3".to_owned()),
                region: None,
            },
        }),
    }
}

pub(crate) fn key_id(number: u32) -> AccessKeyId {
    AccessKeyId::parse(&format!("AKIATESTTEST{number:08}")).unwrap()
}

pub(crate) fn user(name: &str, keys: Vec<AccessKey>) -> User {
    User {
        arn: user_arn(name),
        name: name.to_owned(),
        id: format!("AIDA{}", name.to_uppercase()),
        created_at: now() - days(1000),
        tags: BTreeMap::from([("owner".to_owned(), format!("{name}@example.com"))]),
        groups: Vec::new(),
        attached: Vec::new(),
        inline: Vec::new(),
        boundary: None,
        credentials: Some(Reading::Known(Credentials {
            access_keys: keys,
            password: Reading::Known(None),
        })),
        sign_in: None,
        password_use: None,
        other_credentials: None,
    }
}

pub(crate) fn with_password(mut user: User, changed: Option<i64>) -> User {
    if let Some(Reading::Known(credentials)) = &mut user.credentials {
        let last_changed = changed.map(|ago| now() - days(ago));
        credentials.password = Reading::Known(Some(ConsolePassword {
            last_changed,
            last_used: None,
        }));
    }
    user
}

/// The same user, of whom AWS said this when asked: whether there is a console password (made a hundred days ago), and
/// which MFA devices.
pub(crate) fn signing_in(mut user: User, console_password: bool, devices: &[&str]) -> User {
    user.sign_in = Some(Reading::Known(SignIn {
        console_password,
        password_made_at: console_password.then(|| now() - days(100)),
        mfa: Mfa::Devices(devices.iter().map(|serial| (*serial).to_owned()).collect()),
    }));
    user
}

pub(crate) fn snapshot(users: Vec<User>) -> Snapshot {
    Snapshot {
        schema: "iamwarden.snapshot/v1".to_owned(),
        taken_at: now(),
        account: AccountId::parse(ACCOUNT).unwrap(),
        name: "prod".to_owned(),
        partition: Partition::new("aws"),
        caller: Caller {
            arn: Arn::parse(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/iamwarden/run")).unwrap(),
            identities: vec!["role/iamwarden".to_owned()],
        },
        authorization: Reading::Known(Authorization {
            users,
            ..Authorization::default()
        }),
        password_policy: Some(Reading::Known(None)),
        root: None,
        virtual_mfa_devices: None,
        last_accessed: BTreeMap::new(),
        credential_report_at: Some(now()),
        regions: Default::default(),
        gaps: Vec::new(),
        api_calls: BTreeMap::new(),
    }
}

pub(crate) fn password_policy() -> PasswordPolicy {
    PasswordPolicy {
        minimum_length: 8,
        require_numbers: true,
        ..PasswordPolicy::api_default()
    }
}

pub(crate) fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

/// A trail that does everything right.
pub(crate) fn trail(name: &str) -> Trail {
    let arn = |text: String| Arn::parse(&text).unwrap();
    Trail {
        settings: TrailSettings {
            arn: arn(format!("arn:aws:cloudtrail:eu-central-1:{ACCOUNT}:trail/{name}")),
            name: name.to_owned(),
            home_region: region("eu-central-1"),
            bucket: "logs".to_owned(),
            key_prefix: None,
            multi_region: true,
            organization: false,
            global_service_events: true,
            log_file_validation: true,
            log_group: Some(LogDestination {
                group: arn(format!("arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:trail:*")),
                role: arn(format!("arn:aws:iam::{ACCOUNT}:role/trail")),
            }),
            kms_key: None,
        },
        logging: Reading::Known(true),
        management_events: Reading::Known(ManagementEvents {
            reads: true,
            writes: true,
        }),
        bucket: Some(Reading::Known(BucketExposure::default())),
    }
}

/// Seen from one region.
pub(crate) fn snapshot_with_trails(trails: Vec<Trail>) -> Snapshot {
    let mut snapshot = snapshot(Vec::new());
    let seen = trails.iter().map(|trail| trail.settings.arn.clone()).collect();
    let inventory = RegionalInventory {
        trails: Some(Reading::Known(seen)),
        ..RegionalInventory::default()
    };
    let regions = &mut snapshot.regions;
    regions.by_name.insert(region("eu-central-1"), inventory);
    regions.trails = trails
        .into_iter()
        .map(|trail| (trail.settings.arn.clone(), trail))
        .collect();
    snapshot
}
