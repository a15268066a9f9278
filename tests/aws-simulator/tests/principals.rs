//! Passwords, inline policies, instance profiles and identity providers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{Edit, Seed, Simulator};
use common::{ACCOUNT, World};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
identity_providers = ["oidc-provider/token.actions.githubusercontent.com", "saml-provider/okta"]

[[accounts.users]]
name = "ada"
password = { last_used = "3d", last_changed = "40d" }

[[accounts.roles]]
name = "web"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web"]
last_used = "3d"

[[accounts.roles]]
name = "spare"
assumed_by = ["ec2.amazonaws.com"]

[[accounts.roles]]
name = "AWSServiceRoleForSupport"
path = "/aws-service-role/support.amazonaws.com/"
assumed_by = ["support.amazonaws.com"]

[[accounts.instance_profiles]]
name = "empty"
path = "/apps/"
tags = { owner = "ada" }
"#;

const ADA: (&str, &str) = ("UserName", "ada");

fn statement(length: usize) -> String {
    let resource = "r".repeat(length);
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::{resource}"}}]}}"#
    )
}

#[test]
fn a_deleted_password_is_remembered_as_used() {
    let world = World::plant(SEED);
    assert_eq!(
        world.iam("GetLoginProfile", &[ADA]).text("CreateDate"),
        Some("2025-09-01T12:00:00Z")
    );
    assert_eq!(world.iam("DeleteLoginProfile", &[ADA]).status, 200);
    assert_eq!(
        world.iam("GetLoginProfile", &[ADA]).failure(),
        (404, "NoSuchEntity")
    );
    assert_eq!(
        world.iam("DeleteLoginProfile", &[ADA]).failure(),
        (404, "NoSuchEntity")
    );
    let used = Some("2026-08-29T12:00:00Z");
    assert_eq!(world.iam("GetUser", &[ADA]).text("PasswordLastUsed"), used);
    let made = [
        ADA,
        ("Password", "correct horse"),
        ("PasswordResetRequired", "true"),
    ];
    assert_eq!(
        world
            .iam("CreateLoginProfile", &made)
            .text("PasswordResetRequired"),
        Some("true")
    );
    assert_eq!(
        world.iam("CreateLoginProfile", &made).failure(),
        (409, "EntityAlreadyExists")
    );
    assert_eq!(world.iam("GetUser", &[ADA]).text("PasswordLastUsed"), used);
    assert_eq!(
        world.iam("GetLoginProfile", &[ADA]).text("CreateDate"),
        Some("2026-09-01T12:00:00Z")
    );
}

#[test]
fn a_password_is_changed() {
    let world = World::plant(SEED);
    world.simulator.clock().advance(chrono::TimeDelta::hours(1));
    let last_changed = |world: &World| world.state()["users"]["ada"]["password"]["last_changed"].clone();
    let before = last_changed(&world);
    assert_eq!(
        world
            .iam("UpdateLoginProfile", &[ADA, ("PasswordResetRequired", "true")])
            .status,
        200
    );
    assert_eq!(
        world.iam("GetLoginProfile", &[ADA]).text("PasswordResetRequired"),
        Some("true")
    );
    assert_eq!(last_changed(&world), before);
    assert_eq!(
        world
            .iam("UpdateLoginProfile", &[ADA, ("Password", "battery staple")])
            .status,
        200
    );
    assert_eq!(last_changed(&world), "2026-09-01T13:00:00Z");
    let short = world.iam("UpdateLoginProfile", &[ADA, ("Password", "short")]);
    assert_eq!(short.failure(), (400, "PasswordPolicyViolation"));
    let none = world.iam("UpdateLoginProfile", &[("UserName", "none")]);
    assert_eq!(none.failure(), (404, "NoSuchEntity"));
    assert!(!world.control("GET", "calls", "").body.contains("battery"));
}

#[test]
fn inline_policies_share_a_limit() {
    let world = World::plant(SEED);
    let limits = [("User", "ada", 2048), ("Role", "spare", 10240)];
    for (kind, name, limit) in limits {
        let put = |policy: &str, document: &str| {
            let of = format!("{kind}Name");
            let parameters = [
                (of.as_str(), name),
                ("PolicyName", policy),
                ("PolicyDocument", document),
            ];
            world.iam(&format!("Put{kind}Policy"), &parameters)
        };
        let rest = limit - statement(0).len() * 2;
        assert_eq!(put("one", &statement(rest / 2)).status, 200);
        assert_eq!(
            put("two", &statement(rest - rest / 2)).status,
            200,
            "just at the limit"
        );
        let over = put("two", &statement(rest - rest / 2 + 1));
        assert_eq!(over.failure(), (409, "LimitExceeded"));
        let message = format!(
            "Maximum policy size of {limit} bytes exceeded for {} {name}",
            kind.to_lowercase()
        );
        assert_eq!(over.text("Message"), Some(message.as_str()));
        let spaced = statement(rest / 2).replace(',', " ,\n   ");
        assert_eq!(put("one", &spaced).status, 200, "white space does not count");
        assert_eq!(put("one", "{}").failure(), (400, "MalformedPolicyDocument"));
    }
    let protected = [
        ("RoleName", "AWSServiceRoleForSupport"),
        ("PolicyName", "own"),
        ("PolicyDocument", &statement(1)),
    ];
    assert_eq!(
        world.iam("PutRolePolicy", &protected).failure(),
        (400, "UnmodifiableEntity")
    );
}

#[test]
fn instance_profiles_have_a_role_or_none() {
    let world = World::plant(SEED);
    let listed = world.iam("ListInstanceProfiles", &[]);
    assert_eq!(listed.texts("InstanceProfileName"), ["empty", "web"]);
    assert_eq!(listed.texts("RoleName"), ["web"]);
    let empty = world.iam("GetInstanceProfile", &[("InstanceProfileName", "empty")]);
    assert_eq!(
        empty.text("Arn"),
        Some("arn:aws:iam::123456789012:instance-profile/apps/empty")
    );
    assert_eq!(
        (empty.text("Roles"), empty.text("Value")),
        (Some(""), Some("ada"))
    );
    let below = world.iam("ListInstanceProfiles", &[("PathPrefix", "/apps/")]);
    assert_eq!(below.texts("InstanceProfileName"), ["empty"]);

    let add = |profile: &str, role: &str| {
        let parameters = [("InstanceProfileName", profile), ("RoleName", role)];
        world.iam("AddRoleToInstanceProfile", &parameters)
    };
    assert_eq!(add("web", "spare").failure(), (409, "LimitExceeded"));
    assert_eq!(add("none", "spare").failure(), (404, "NoSuchEntity"));
    assert_eq!(
        add("empty", "AWSServiceRoleForSupport").failure(),
        (400, "UnmodifiableEntity")
    );
    assert_eq!(add("empty", "spare").status, 200);
    let of_spare = [("InstanceProfileName", "empty"), ("RoleName", "spare")];
    assert_eq!(
        world.iam("DeleteRole", &of_spare[1..]).failure(),
        (409, "DeleteConflict")
    );
    assert_eq!(
        world.iam("DeleteInstanceProfile", &of_spare[..1]).failure(),
        (409, "DeleteConflict")
    );
    assert_eq!(
        world
            .iam("ListInstanceProfilesForRole", &of_spare[1..])
            .texts("InstanceProfileName"),
        ["empty"]
    );
    assert_eq!(world.iam("RemoveRoleFromInstanceProfile", &of_spare).status, 200);
    assert_eq!(
        world.iam("RemoveRoleFromInstanceProfile", &of_spare).failure(),
        (404, "NoSuchEntity")
    );
    assert_eq!(world.iam("DeleteInstanceProfile", &of_spare[..1]).status, 200);
}

#[test]
fn the_details_show_profiles_and_last_use_of_roles() {
    let world = World::plant(SEED);
    let details = world.iam("GetAccountAuthorizationDetails", &[("Filter.member.1", "Role")]);
    assert_eq!(details.texts("InstanceProfileName"), ["web"]);
    let web = world.iam("GetRole", &[("RoleName", "web")]);
    assert_eq!(
        (web.text("LastUsedDate"), web.text("Region")),
        (Some("2026-08-29T12:00:00Z"), Some("us-east-1"))
    );
    let spare = world.iam("GetRole", &[("RoleName", "spare")]);
    assert_eq!(spare.text("RoleLastUsed"), Some(""));
    let gone = Edit {
        role: Some("web".into()),
        delete: true,
        ..Edit::of(ACCOUNT)
    };
    world.simulator.edit(&gone).unwrap();
    let profile = world.iam("GetInstanceProfile", &[("InstanceProfileName", "web")]);
    assert_eq!(profile.text("Roles"), Some(""));
}

#[test]
fn identity_providers_are_listed() {
    let world = World::plant(SEED);
    assert_eq!(
        world.iam("ListOpenIDConnectProviders", &[]).texts("Arn"),
        ["arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"]
    );
    assert_eq!(
        world.iam("ListSAMLProviders", &[]).texts("Arn"),
        ["arn:aws:iam::123456789012:saml-provider/okta"]
    );
}

#[test]
fn profiles_without_their_role_cannot_be_planted() {
    for (from, to, problem) in [
        (
            "name = \"empty\"",
            "name = \"web\"",
            "instance profile `web` is there twice",
        ),
        (
            "name = \"empty\"",
            "name = \"empty\"\nrole = \"none\"",
            "has role `none`, which does not exist",
        ),
    ] {
        let seed = Seed::parse(&SEED.replace(from, to)).unwrap();
        let error = Simulator::from_seed(&seed).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
