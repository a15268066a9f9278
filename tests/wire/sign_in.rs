//! How users sign in, and what the root user signs in with: in how few calls, and what becomes of what cannot be read.

use aws_simulator::{Edit, Fault, FaultKind, MfaKind, Paging, ReportSeed};
use iamwarden::aws::ErrorKind;
use iamwarden::inventory::{
    GapCause, Mfa, Needs, Reading, RootReport, RootUser, SignIn, SignInOf, Snapshot, collect,
};
use iamwarden::model::OwnPolicy;

use crate::world::{ACCOUNT, World, arn};

/// Sixty people with a device, forty programs, three people without, and two who carry a policy of that name.
const CROWD: &str = r#"
report = { existing = "1h" }
users = [
  { name = "safe{n}", repeat = 60, mfa = true, password = {} },
  { name = "robot{n}", repeat = 40 },
  { name = "bare{n}", repeat = 3, password = {} },
  { name = "enrolled", mfa = "passkey", password = {}, inline = { iamwarden-require-mfa = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}' } },
  { name = "retired", inline = { iamwarden-require-mfa = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}' } },
]
virtual_mfa_devices = [{ name = "spare" }]
root = { mfa = "virtual", password_last_used = "3d", keys = [{ age = "900d", status = "Inactive" }, { age = "40d", last_used = "2d" }], signing_certificates = [{}] }
"#;

async fn collected(world: &World, needs: &Needs<'_>) -> Snapshot {
    let session = world.session().await;
    collect(session.reader(), needs, "prod", world.now()).await
}

async fn signing_in(world: &World, of: SignInOf) -> Snapshot {
    let needs = Needs {
        sign_in: Some(of),
        ..Needs::default()
    };
    collected(world, &needs).await
}

async fn with_root(world: &World) -> Snapshot {
    let needs = Needs {
        root: true,
        virtual_mfa_devices: true,
        ..Needs::default()
    };
    collected(world, &needs).await
}

fn sign_in<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Reading<SignIn> {
    let users = &snapshot.authorization.known().unwrap().users;
    let user = users.iter().find(|user| user.name == name).unwrap();
    user.sign_in.as_ref().unwrap()
}

fn mfa<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Mfa {
    &sign_in(snapshot, name).known().unwrap().mfa
}

fn live(world: &World) -> (usize, usize) {
    (
        world.calls_of("GetLoginProfile"),
        world.calls_of("ListMFADevices"),
    )
}

fn root(snapshot: &Snapshot) -> &RootUser {
    snapshot.root.as_ref().unwrap()
}

#[tokio::test]
async fn only_who_offends_is_asked_for_where_there_is_a_report() {
    let world = World::plant(CROWD);
    let snapshot = signing_in(&world, SignInOf::ConsoleUsers).await;
    assert_eq!(snapshot.gaps, []);
    assert_eq!(
        live(&world),
        (5, 5),
        "three without a device, and two with a policy of that name"
    );
    assert_eq!(world.calls_of("ListAccessKeys"), 0);
    assert_eq!(mfa(&snapshot, "safe0001"), &Mfa::Reported(true));
    assert_eq!(mfa(&snapshot, "robot0001"), &Mfa::Reported(false));
    let bare = sign_in(&snapshot, "bare0001").known().unwrap();
    assert_eq!(
        (bare.console_password, &bare.mfa),
        (true, &Mfa::Devices(Vec::new()))
    );
    assert!(bare.password_made_at.is_some());
    let Mfa::Devices(serials) = mfa(&snapshot, "enrolled") else {
        panic!("asked for")
    };
    assert_eq!(serials.len(), 1);
    let users = &snapshot.authorization.known().unwrap().users;
    assert!(
        users.iter().all(|user| user.credentials.is_none()),
        "keys are not what was asked for"
    );
    assert!(users.iter().any(|user| {
        user.inline
            .iter()
            .any(|policy| policy.name == OwnPolicy::RequireMfa.name())
    }));
}

#[tokio::test]
async fn with_everyone_in_scope_programs_are_asked_for_as_well() {
    let world = World::plant(CROWD);
    let snapshot = signing_in(&world, SignInOf::Everyone).await;
    assert_eq!(live(&world), (45, 45));
    let robot = sign_in(&snapshot, "robot0001").known().unwrap();
    assert_eq!(
        (robot.console_password, &robot.mfa),
        (false, &Mfa::Devices(Vec::new()))
    );
}

#[tokio::test]
async fn without_a_usable_report_everybody_is_asked_for_and_programs_once() {
    for report in [
        ReportSeed {
            refused: Some("AccessDenied".to_owned()),
            ..ReportSeed::default()
        },
        ReportSeed {
            csv: Some("<html>".to_owned()),
            ..ReportSeed::default()
        },
    ] {
        let world = World::plant(CROWD);
        world.edit(&Edit {
            report: Some(report),
            ..Edit::of(ACCOUNT)
        });
        let snapshot = signing_in(&world, SignInOf::ConsoleUsers).await;
        assert_eq!(snapshot.gaps, []);
        assert_eq!(
            live(&world),
            (105, 65),
            "whoever has a password or a policy of that name"
        );
        assert_eq!(mfa(&snapshot, "robot0001"), &Mfa::NotAsked);
        assert!(matches!(mfa(&snapshot, "safe0001"), Mfa::Devices(serials) if serials.len() == 1));
    }
}

#[tokio::test]
async fn a_report_without_the_column_leaves_everybody_to_be_asked_for() {
    let world = World::plant(CROWD);
    world.edit(&Edit {
        report: Some(ReportSeed {
            omit: vec!["bare0002".to_owned()],
            ..ReportSeed::default()
        }),
        ..Edit::of(ACCOUNT)
    });
    let snapshot = signing_in(&world, SignInOf::ConsoleUsers).await;
    assert_eq!(
        live(&world),
        (5, 5),
        "whom the report does not describe is asked for"
    );
    assert_eq!(mfa(&snapshot, "bare0002"), &Mfa::Devices(Vec::new()));
}

#[tokio::test]
async fn who_enrolled_since_the_report_is_seen_with_the_device() {
    let world = World::plant(CROWD);
    let mut edit = Edit::of_user(ACCOUNT, "bare0001");
    edit.mfa = Some(MfaKind::Hardware.into());
    world.edit(&edit);
    let snapshot = signing_in(&world, SignInOf::ConsoleUsers).await;
    assert!(matches!(mfa(&snapshot, "bare0001"), Mfa::Devices(serials) if serials.len() == 1));
}

#[tokio::test]
async fn one_users_failure_is_its_own_gap_and_who_is_gone_is_dropped() {
    let world = World::plant(CROWD);
    for (operation, code, user) in [
        ("ListMFADevices", "AccessDenied", "bare0001"),
        ("GetLoginProfile", "Throttling", "bare0002"),
        ("ListMFADevices", "NoSuchEntity", "bare0003"),
    ] {
        let fault = Fault::new(FaultKind::error(code)).on(operation);
        world.simulator.faults().add(fault.about(user));
    }
    let snapshot = signing_in(&world, SignInOf::ConsoleUsers).await;
    let causes: Vec<_> = snapshot
        .gaps
        .iter()
        .map(|gap| (gap.cause, gap.resource.as_ref().unwrap().name()))
        .collect();
    assert_eq!(
        causes,
        [(GapCause::Throttled, "bare0002"), (GapCause::Denied, "bare0001")]
    );
    assert_eq!(
        sign_in(&snapshot, "bare0001").gap().unwrap().operation,
        "iam:ListMFADevices"
    );
    let users = &snapshot.authorization.known().unwrap().users;
    assert!(users.iter().all(|user| user.name != "bare0003"));
}

#[tokio::test]
async fn the_age_of_a_password_and_the_way_in_take_one_call() {
    let world = World::plant(CROWD);
    world.edit(&Edit {
        report: Some(ReportSeed {
            refused: Some("AccessDenied".to_owned()),
            ..ReportSeed::default()
        }),
        ..Edit::of(ACCOUNT)
    });
    let needs = Needs {
        passwords: true,
        sign_in: Some(SignInOf::ConsoleUsers),
        ..Needs::default()
    };
    collected(&world, &needs).await;
    assert_eq!(live(&world).0, 105);
}

#[tokio::test]
async fn the_root_user_is_read_from_both_sources() {
    let world = World::plant(CROWD);
    let snapshot = with_root(&world).await;
    assert_eq!(snapshot.gaps, []);
    let summary = root(&snapshot).summary.known().unwrap();
    assert!(summary.mfa && summary.access_keys);
    assert_eq!(
        (summary.password, summary.signing_certificates),
        (Some(true), Some(true))
    );
    let RootReport {
        password,
        password_last_used,
        mfa,
        access_keys,
        signing_certificates,
    } = root(&snapshot).report.known().unwrap();
    assert_eq!((*mfa, *signing_certificates), (Some(true), Some(true)));
    assert_eq!(*password, None, "this report does not say");
    assert!(world.now() - password_last_used.unwrap() >= chrono::TimeDelta::days(2));
    assert_eq!(access_keys.len(), 2);
    let devices = snapshot.virtual_mfa_devices.as_ref().unwrap().known().unwrap();
    let of = |name: &str| {
        devices
            .iter()
            .find(|device| device.serial_number.ends_with(name))
            .unwrap()
    };
    assert_eq!(of("mfa/root-account-mfa-device").holder, Some(arn("root")));
    assert_eq!(of("mfa/spare").holder, None);
    assert_eq!(of("mfa/safe0001").holder, Some(arn("user/safe0001")));
    let calls: u64 = snapshot.api_calls.values().sum();
    assert!(calls <= 8, "{:?}", snapshot.api_calls);
}

#[tokio::test]
async fn virtual_devices_come_in_pages() {
    let world = World::plant(CROWD);
    world.simulator.set_paging(Paging {
        size: Some(7),
        empty_pages: true,
    });
    let devices = world
        .session()
        .await
        .reader()
        .virtual_mfa_devices()
        .await
        .unwrap();
    assert_eq!(devices.len(), 62);
    assert!(world.calls_of("ListVirtualMFADevices") > 8);
    let third = Fault {
        nth: 3,
        ..Fault::new(FaultKind::error("AccessDenied")).on("ListVirtualMFADevices")
    };
    world.simulator.faults().add(third);
    world.simulator.clear_calls();
    let error = world
        .session()
        .await
        .reader()
        .virtual_mfa_devices()
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "half a list is none");
}

#[tokio::test]
async fn what_is_not_read_of_the_root_user_is_a_gap() {
    let world = World::plant(CROWD);
    world.break_down(FaultKind::error("AccessDenied"), "GetAccountSummary");
    world.break_down(FaultKind::error("Throttling"), "ListVirtualMFADevices");
    world.edit(&Edit {
        report: Some(ReportSeed {
            refused: Some("AccessDenied".to_owned()),
            ..ReportSeed::default()
        }),
        ..Edit::of(ACCOUNT)
    });
    let snapshot = with_root(&world).await;
    assert!(root(&snapshot).summary.gap().is_some() && root(&snapshot).report.gap().is_some());
    let failed: Vec<_> = snapshot.gaps.iter().map(|gap| gap.operation.as_str()).collect();
    assert_eq!(
        failed,
        [
            "iam:GenerateCredentialReport",
            "iam:GetAccountSummary",
            "iam:ListVirtualMFADevices"
        ]
    );
}

#[tokio::test]
async fn a_report_without_the_root_user_says_nothing_of_it() {
    let world = World::plant(CROWD);
    let header = "arn,user_creation_time,password_enabled,password_last_used,password_last_changed,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service";
    let row = format!(
        "{},2020-01-01T00:00:00Z,maybe,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A",
        arn("root")
    );
    for (rows, why) in [
        ("", "no row of the root user"),
        (row.as_str(), "contradicts itself"),
    ] {
        world.edit(&Edit {
            report: Some(ReportSeed {
                csv: Some(format!("{header}\n{rows}\n")),
                ..ReportSeed::default()
            }),
            ..Edit::of(ACCOUNT)
        });
        let snapshot = with_root(&world).await;
        let gap = root(&snapshot).report.gap().unwrap();
        assert!(gap.detail.contains(why), "{gap:?}");
        assert_eq!(snapshot.gaps, std::slice::from_ref(gap));
    }
}
