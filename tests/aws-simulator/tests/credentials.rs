//! What users and root sign in and sign with, beside access keys: MFA devices and other credentials.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{Edit, KeySeed, MfaKind, MfaSeed, When};
use common::{ACCOUNT, Answer, Signer, World, report_row};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "assumed-role/hub/one"
[[accounts.callers]]
access_key_id = "AKIA123456789012ROOT"
acts_as = "root"

[accounts.root]
age = "3000d"
mfa = "virtual"
password_last_used = "5d"
keys = [{ id = "AKIAROOT000000000001", age = "900d", last_used = "2d", region = "eu-west-1" }]

[[accounts.virtual_mfa_devices]]
name = "spare"

[[accounts.users]]
name = "ada"
age = "100d"
mfa = true

[[accounts.users]]
name = "bob"
mfa = [{ kind = "hardware", age = "7d" }, { kind = "passkey", name = "yubikey" }, { serial = "GAHT00000001" }]

[[accounts.users]]
name = "eve"
"#;

const SPARE: &str = "arn:aws:iam::123456789012:mfa/spare";
const CODES: [(&str, &str); 2] = [
    ("AuthenticationCode1", "123456"),
    ("AuthenticationCode2", "654321"),
];

fn devices(world: &World, user: &str) -> Vec<String> {
    let answer = world.iam("ListMFADevices", &[("UserName", user)]);
    answer
        .texts("SerialNumber")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn virtual_devices(world: &World, status: &str) -> Vec<String> {
    let answer = world.iam("ListVirtualMFADevices", &[("AssignmentStatus", status)]);
    answer
        .texts("SerialNumber")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn mfa_active(world: &World, user: &str) -> String {
    world
        .simulator
        .edit(&Edit {
            report: Some(aws_simulator::ReportSeed {
                existing: When::hours(0),
                ..Default::default()
            }),
            ..Edit::of(ACCOUNT)
        })
        .unwrap();
    report_row(&world.iam("GetCredentialReport", &[]), user)["mfa_active"].clone()
}

fn enable(world: &World, user: &str, serial: &str) -> Answer {
    let [first, second] = CODES;
    world.iam(
        "EnableMFADevice",
        &[("UserName", user), ("SerialNumber", serial), first, second],
    )
}

#[test]
fn serial_numbers_tell_the_kind_of_a_device() {
    let world = World::plant(SEED);
    assert_eq!(devices(&world, "ada"), ["arn:aws:iam::123456789012:mfa/ada"]);
    let answer = world.iam("ListMFADevices", &[("UserName", "ada")]);
    assert_eq!(answer.text("EnableDate"), Some("2026-05-24T12:00:00Z"));
    let of_bob = devices(&world, "bob");
    assert_eq!(of_bob[0], "GAHT00000001");
    assert_eq!((&of_bob[1][..4], of_bob[1].len()), ("GAHT", 12));
    assert!(
        of_bob[2].starts_with("arn:aws:iam::123456789012:u2f/user/bob/yubikey-"),
        "{of_bob:?}"
    );
    assert!(devices(&world, "eve").is_empty());
    let page = world.iam("ListMFADevices", &[("UserName", "bob"), ("MaxItems", "2")]);
    assert_eq!(
        (page.texts("SerialNumber").len(), page.text("IsTruncated")),
        (2, Some("true"))
    );
    assert_eq!(
        world.iam("ListMFADevices", &[("UserName", "none")]).failure(),
        (404, "NoSuchEntity")
    );
}

#[test]
fn virtual_devices_are_listed_with_their_owners() {
    let world = World::plant(SEED);
    let root = "arn:aws:iam::123456789012:mfa/root-account-mfa-device";
    let ada = "arn:aws:iam::123456789012:mfa/ada";
    assert_eq!(virtual_devices(&world, "Any"), [ada, root, SPARE]);
    assert_eq!(virtual_devices(&world, "Assigned"), [ada, root]);
    assert_eq!(virtual_devices(&world, "Unassigned"), [SPARE]);
    let assigned = world.iam("ListVirtualMFADevices", &[]);
    assert_eq!(assigned.texts("UserName"), ["ada"], "root has no name");
    assert_eq!(
        assigned.texts("Arn"),
        [
            "arn:aws:iam::123456789012:user/ada",
            "arn:aws:iam::123456789012:root"
        ]
    );
    assert_eq!(
        assigned.texts("EnableDate"),
        ["2026-05-24T12:00:00Z", "2018-06-15T12:00:00Z"]
    );
    let bad = world.iam("ListVirtualMFADevices", &[("AssignmentStatus", "Some")]);
    assert_eq!(bad.failure(), (400, "ValidationError"));
}

#[test]
fn a_virtual_device_is_made_enabled_deactivated_and_deleted() {
    let world = World::plant(SEED);
    let before = world.state();
    let made = world.iam(
        "CreateVirtualMFADevice",
        &[("VirtualMFADeviceName", "eve"), ("Path", "/people/")],
    );
    let serial = made.text("SerialNumber").unwrap();
    assert_eq!(serial, "arn:aws:iam::123456789012:mfa/people/eve");
    assert!(made.text("Base32StringSeed").is_some() && made.text("QRCodePNG").is_some());
    assert_eq!(mfa_active(&world, "eve"), "false");
    assert_eq!(enable(&world, "eve", serial).status, 200);
    assert_eq!(devices(&world, "eve"), [serial]);
    assert_eq!(mfa_active(&world, "eve"), "true");

    let of_eve = [("UserName", "eve"), ("SerialNumber", serial)];
    assert_eq!(
        world.iam("DeleteUser", &[("UserName", "eve")]).failure(),
        (409, "DeleteConflict")
    );
    assert_eq!(
        enable(&world, "ada", serial).failure(),
        (409, "EntityAlreadyExists")
    );
    assert_eq!(
        world.iam("DeleteVirtualMFADevice", &[of_eve[1]]).failure(),
        (409, "DeleteConflict")
    );
    assert_eq!(world.iam("DeactivateMFADevice", &of_eve).status, 200);
    assert_eq!(
        world.iam("DeactivateMFADevice", &of_eve).failure(),
        (404, "NoSuchEntity")
    );
    assert!(virtual_devices(&world, "Unassigned").contains(&serial.to_owned()));
    assert_eq!(world.iam("DeleteVirtualMFADevice", &[of_eve[1]]).status, 200);
    assert_eq!(
        world.iam("DeleteVirtualMFADevice", &[of_eve[1]]).failure(),
        (404, "NoSuchEntity")
    );
    assert_eq!(world.state(), before);
}

#[test]
fn devices_that_cannot_be_are_not_enabled() {
    let world = World::plant(SEED);
    let absent = "arn:aws:iam::123456789012:mfa/absent";
    assert_eq!(enable(&world, "eve", absent).failure(), (404, "NoSuchEntity"));
    assert_eq!(enable(&world, "none", SPARE).failure(), (404, "NoSuchEntity"));
    assert_eq!(
        enable(&world, "eve", "GAHT00000001").failure(),
        (409, "EntityAlreadyExists")
    );
    assert_eq!(enable(&world, "eve", "short").failure(), (400, "ValidationError"));
    let twice = [
        ("UserName", "eve"),
        ("SerialNumber", SPARE),
        CODES[0],
        ("AuthenticationCode2", "123456"),
    ];
    assert_eq!(
        world.iam("EnableMFADevice", &twice).failure(),
        (403, "InvalidAuthenticationCode")
    );
    let no_code = [
        ("UserName", "eve"),
        ("SerialNumber", SPARE),
        CODES[0],
        ("AuthenticationCode2", "12"),
    ];
    assert_eq!(
        world.iam("EnableMFADevice", &no_code).failure(),
        (400, "ValidationError")
    );
    for number in 0..8 {
        assert_eq!(enable(&world, "eve", &format!("GAHT9000000{number}")).status, 200);
    }
    assert_eq!(enable(&world, "eve", SPARE).failure(), (409, "LimitExceeded"));
}

#[test]
fn root_shows_in_report_summary_and_lists() {
    let world = World::plant(SEED);
    let summary = |world: &World| {
        let answer = world.iam("GetAccountSummary", &[]);
        let values: Vec<(String, String)> = answer
            .texts("key")
            .into_iter()
            .zip(answer.texts("value"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        [
            "AccountMFAEnabled",
            "AccountAccessKeysPresent",
            "AccountPasswordPresent",
            "MFADevices",
            "MFADevicesInUse",
        ]
        .map(|wanted| values.iter().find(|(key, _)| key == wanted).unwrap().1.clone())
    };
    assert_eq!(summary(&world), ["1", "1", "1", "6", "5"]);
    assert_eq!(mfa_active(&world, "<root_account>"), "true");
    let row = report_row(&world.iam("GetCredentialReport", &[]), "<root_account>");
    let shown = [
        "user_creation_time",
        "password_last_used",
        "access_key_1_active",
        "access_key_1_last_used_region",
    ];
    assert_eq!(
        shown.map(|column| row[column].as_str()),
        [
            "2018-06-15T12:00:00+00:00",
            "2026-08-27T12:00:00+00:00",
            "true",
            "eu-west-1"
        ]
    );
    let root = Signer {
        key: "AKIA123456789012ROOT".into(),
        token: None,
    };
    let own = world.signed(&root, "iam", "ListMFADevices", &[]).unwrap();
    assert_eq!(
        own.texts("SerialNumber"),
        ["arn:aws:iam::123456789012:mfa/root-account-mfa-device"]
    );

    let change = Edit {
        root: true,
        mfa: Some(MfaSeed::Kind(MfaKind::Hardware)),
        key: Some("AKIAROOT000000000001".to_owned()),
        delete: true,
        password: Some(false),
        ..Edit::of(ACCOUNT)
    };
    world.simulator.edit(&change).unwrap();
    assert_eq!(summary(&world), ["1", "0", "0", "6", "5"]);
    assert_eq!(
        virtual_devices(&world, "Assigned"),
        ["arn:aws:iam::123456789012:mfa/ada"]
    );
    let none = Edit {
        root: true,
        mfa: Some(false.into()),
        keys: vec![KeySeed::aged(When::days(1))],
        ..Edit::of(ACCOUNT)
    };
    world.simulator.edit(&none).unwrap();
    assert_eq!(summary(&world), ["0", "1", "0", "5", "4"]);
    assert_eq!(mfa_active(&world, "<root_account>"), "false");
}

#[test]
fn devices_come_and_go_behind_the_callers_backs() {
    let world = World::plant(SEED);
    let edit = |body: &str| assert_eq!(world.control("POST", "edit", body).status, 200);
    edit(r#"{"account": "123456789012", "user": "eve", "mfa": true}"#);
    assert_eq!(devices(&world, "eve"), ["arn:aws:iam::123456789012:mfa/eve"]);
    assert!(virtual_devices(&world, "Assigned").contains(&"arn:aws:iam::123456789012:mfa/eve".to_owned()));
    edit(r#"{"account": "123456789012", "user": "eve", "mfa": "passkey"}"#);
    assert!(devices(&world, "eve")[0].contains(":u2f/user/eve/"));
    assert_eq!(virtual_devices(&world, "Any").len(), 3);
    edit(r#"{"account": "123456789012", "user": "ada", "delete": true}"#);
    assert_eq!(virtual_devices(&world, "Any").len(), 2);
    edit(r#"{"account": "123456789012", "user": "eve", "mfa": false}"#);
    assert!(devices(&world, "eve").is_empty());
}

#[test]
fn a_device_is_there_once() {
    let twice = SEED.replace("mfa = true", r#"mfa = [{ serial = "GAHT00000001" }]"#);
    let error =
        aws_simulator::Simulator::from_seed(&aws_simulator::Seed::parse(&twice).unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("MFA device GAHT00000001 is there twice"),
        "{error}"
    );
}

const OTHERS: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
[accounts.root]
signing_certificates = [{ age = "9d" }]

[[accounts.users]]
name = "ada"
ssh_keys = [{ age = "400d", status = "Inactive" }, { id = "APKAADA00000000000001", age = "3d" }]
signing_certificates = [{ age = "30d", status = "Inactive" }, { age = "90d" }]
service_credentials = [
  { service = "codecommit", id = "ACCAADA00000000000001", age = "200d" },
  { service = "bedrock", id = "ACCAADA00000000000002", age = "20d", expires = "10d" },
  { service = "bedrock.amazonaws.com", id = "ACCAADA00000000000003", age = "20d", expires = "-10d" },
]

[[accounts.users]]
name = "bob"
service_credentials = [{ service = "cassandra", status = "Inactive" }]
"#;

#[test]
fn other_credentials_have_status_and_dates() {
    let world = World::plant(OTHERS);
    let keys = world.iam("ListSSHPublicKeys", &[("UserName", "ada")]);
    assert_eq!(keys.texts("SSHPublicKeyId").len(), 2);
    assert!(
        keys.texts("Status").contains(&"Inactive")
            && keys.texts("UploadDate").contains(&"2026-08-29T12:00:00Z")
    );
    let certificates = world.iam(
        "ListSigningCertificates",
        &[("UserName", "ada"), ("MaxItems", "1")],
    );
    assert_eq!(
        (
            certificates.texts("CertificateId").len(),
            certificates.text("IsTruncated")
        ),
        (1, Some("true"))
    );
    assert!(
        certificates
            .text("CertificateBody")
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );

    let of_ada = world.iam("ListServiceSpecificCredentials", &[("UserName", "ada")]);
    assert_eq!(of_ada.texts("Status"), ["Active", "Expired", "Active"]);
    assert_eq!(
        of_ada.texts("ExpirationDate"),
        ["2026-08-22T12:00:00Z", "2026-09-11T12:00:00Z"]
    );
    assert_eq!(of_ada.texts("ServiceUserName"), ["ada-at-123456789012"]);
    assert!(
        of_ada
            .text("ServiceCredentialAlias")
            .unwrap()
            .starts_with("BedrockAPIKey-")
    );
    let bedrock = [("UserName", "ada"), ("ServiceName", "bedrock.amazonaws.com")];
    assert_eq!(
        world
            .iam("ListServiceSpecificCredentials", &bedrock)
            .texts("ServiceName")
            .len(),
        2
    );
}

#[test]
fn the_service_credentials_of_all_users_come_in_pages() {
    let world = World::plant(OTHERS);
    let (mut found, mut marker) = (Vec::new(), None::<String>);
    loop {
        let mut parameters = vec![("AllUsers", "true"), ("MaxItems", "3")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = world.iam("ListServiceSpecificCredentials", &parameters);
        found.extend(page.texts("UserName").into_iter().map(str::to_owned));
        marker = page.text("Marker").map(str::to_owned);
        assert_eq!(page.text("IsTruncated") == Some("true"), marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(found, ["ada", "ada", "ada", "bob"]);
    let refused = |parameters: &[(&str, &str)]| {
        let answer = world.iam("ListServiceSpecificCredentials", parameters);
        let (status, code) = answer.failure();
        (status, code.to_owned())
    };
    assert_eq!(refused(&[("UserName", "none")]), (404, "NoSuchEntity".to_owned()));
    assert_eq!(
        refused(&[("UserName", "ada"), ("ServiceName", "s3.amazonaws.com")]),
        (404, "NotSupportedService".to_owned())
    );
    assert_eq!(
        refused(&[("UserName", "ada"), ("AllUsers", "true")]),
        (400, "ValidationError".to_owned())
    );
}

#[test]
fn certificates_show_in_report_and_summary() {
    let world = World::plant(OTHERS);
    assert_eq!(mfa_active(&world, "ada"), "false");
    let report = world.iam("GetCredentialReport", &[]);
    let columns = [
        "cert_1_active",
        "cert_1_last_rotated",
        "cert_2_active",
        "cert_2_last_rotated",
    ];
    let of = |user: &str| {
        let row = report_row(&report, user);
        columns.map(|column| row[column].clone())
    };
    assert_eq!(
        of("ada"),
        [
            "true",
            "2026-06-03T12:00:00+00:00",
            "false",
            "2026-08-02T12:00:00+00:00"
        ]
    );
    assert_eq!(of("bob"), ["false", "N/A", "false", "N/A"]);
    assert_eq!(
        of("<root_account>"),
        ["true", "2026-08-23T12:00:00+00:00", "false", "N/A"]
    );
    let summary = world.iam("GetAccountSummary", &[]);
    assert!(
        summary
            .body
            .contains("<key>AccountSigningCertificatesPresent</key><value>1</value>")
    );
}

#[test]
fn other_credentials_are_turned_off_deleted_and_replaced() {
    let world = World::plant(OTHERS);
    let key = [("UserName", "ada"), ("SSHPublicKeyId", "APKAADA00000000000001")];
    let off = ("Status", "Inactive");
    assert_eq!(
        world.iam("UpdateSSHPublicKey", &[key[0], key[1], off]).status,
        200
    );
    assert_eq!(
        world.iam("ListSSHPublicKeys", &key[..1]).texts("Status"),
        ["Inactive", "Inactive"]
    );
    assert_eq!(
        world
            .iam("UpdateSSHPublicKey", &[key[0], key[1], ("Status", "Off")])
            .failure(),
        (400, "ValidationError")
    );
    assert_eq!(world.iam("DeleteSSHPublicKey", &key).status, 200);
    assert_eq!(
        world.iam("DeleteSSHPublicKey", &key).failure(),
        (404, "NoSuchEntity")
    );
    let credential = [
        ("UserName", "ada"),
        ("ServiceSpecificCredentialId", "ACCAADA00000000000001"),
    ];
    assert_eq!(
        world
            .iam(
                "UpdateServiceSpecificCredential",
                &[credential[0], credential[1], off]
            )
            .status,
        200
    );
    let first = |world: &World| {
        let answer = world.iam("ListServiceSpecificCredentials", &credential[..1]);
        answer.text("Status").map(str::to_owned)
    };
    assert_eq!(first(&world).as_deref(), Some("Inactive"));
    assert_eq!(
        world.iam("DeleteUser", &[("UserName", "bob")]).failure(),
        (409, "DeleteConflict")
    );

    let edit = r#"{"account": "123456789012", "user": "ada", "ssh_keys": [], "signing_certificates": [{"age": "1h"}],
                   "service_credentials": [{"service": "logs", "age": "2h"}]}"#;
    assert_eq!(world.control("POST", "edit", edit).status, 200);
    assert!(
        world
            .iam("ListSSHPublicKeys", &key[..1])
            .texts("Status")
            .is_empty()
    );
    assert_eq!(
        world
            .iam("ListSigningCertificates", &key[..1])
            .texts("Status")
            .len(),
        1
    );
    assert_eq!(first(&world).as_deref(), Some("Active"));
    let wrong = r#"{"account": "123456789012", "user": "ada", "service_credentials": [{"service": "s3"}]}"#;
    assert_eq!(world.control("POST", "edit", wrong).status, 400);
}
