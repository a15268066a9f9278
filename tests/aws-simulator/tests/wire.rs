//! What goes over the wire: envelopes, errors, encodings, pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{ACCOUNT, Signer, World, send};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"
aliases = ["acme"]

[[accounts.users]]
name = "ada"
path = "/people/"
age = "120d"
tags = { owner = "ada & co <x>" }
groups = ["staff"]
attached = ["AmazonS3FullAccess"]
keys = [{ id = "AKIAADA0000000000001", age = "120d", last_used = "2d", region = "eu-central-1", service = "s3" }, { id = "AKIAADA0000000000002" }]
inline = { own = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}' }

[[accounts.groups]]
name = "staff"

[[accounts.roles]]
name = "web"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web"]
last_used = "3d"

[[accounts.secrets]]
name = "app/token"
value = "canary"

[[accounts]]
id = "210987654321"
partition = "aws-cn"
"#;

#[test]
fn a_success_has_namespace_result_and_request_id() {
    let world = World::plant(SEED);
    let answer = world.iam("GetUser", &[("UserName", "ada")]);
    assert_eq!(answer.status, 200);
    let start = r#"<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User>"#;
    assert!(answer.body.starts_with(start), "{}", answer.body);
    assert_eq!(
        answer.text("Arn"),
        Some("arn:aws:iam::123456789012:user/people/ada")
    );
    assert_eq!(answer.text("CreateDate"), Some("2026-05-04T12:00:00Z"));
    assert_eq!(answer.text("Value"), Some("ada &amp; co &lt;x&gt;"));
    assert_eq!(answer.text("RequestId").map(str::len), Some(36));
    assert!(answer.head.contains("text/xml"));
}

#[test]
fn an_error_has_its_code_and_status() {
    let world = World::plant(SEED);
    let answer = world.iam("GetUser", &[("UserName", "bob")]);
    assert_eq!(answer.failure(), (404, "NoSuchEntity"));
    assert_eq!(answer.text("Type"), Some("Sender"));
    assert!(
        answer
            .body
            .starts_with(r#"<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">"#)
    );
    assert_eq!(
        world.iam("GetUser", &[("UserName", "a/b")]).failure(),
        (400, "ValidationError")
    );
    assert_eq!(world.iam("GetRole", &[]).failure(), (400, "ValidationError"));
    assert_eq!(
        world.iam("NoSuchOperation", &[]).failure(),
        (400, "InvalidAction")
    );
}

#[test]
fn who_is_not_known_is_refused() {
    let world = World::plant(SEED);
    let stranger = Signer {
        key: "AKIASTRANGER00000000".into(),
        token: None,
    };
    let answer = world.signed(&stranger, "iam", "ListUsers", &[]).unwrap();
    assert_eq!(answer.failure(), (403, "InvalidClientTokenId"));
    let unsigned = send(
        world.server.address(),
        "POST",
        "/",
        "",
        "Action=ListUsers&Version=2010-05-08",
    )
    .unwrap();
    assert_eq!(unsigned.failure(), (403, "MissingAuthenticationToken"));
    assert_eq!(
        send(world.server.address(), "GET", "/", "", "").unwrap().status,
        404
    );
}

#[test]
fn the_key_tells_account_and_caller() {
    let world = World::plant(SEED);
    let identity = |signer: &Signer| {
        let answer = world.signed(signer, "sts", "GetCallerIdentity", &[]).unwrap();
        answer.text("Arn").map(str::to_owned)
    };
    assert_eq!(
        identity(&Signer::of(ACCOUNT)).as_deref(),
        Some("arn:aws:sts::123456789012:assumed-role/Operator/simulator")
    );
    assert_eq!(
        identity(&Signer::of("210987654321")).as_deref(),
        Some("arn:aws-cn:sts::210987654321:assumed-role/Operator/simulator")
    );
    let ada = Signer {
        key: "AKIAADA0000000000001".into(),
        token: None,
    };
    assert_eq!(
        identity(&ada).as_deref(),
        Some("arn:aws:iam::123456789012:user/people/ada")
    );
    world.iam(
        "UpdateAccessKey",
        &[
            ("UserName", "ada"),
            ("AccessKeyId", "AKIAADA0000000000001"),
            ("Status", "Inactive"),
        ],
    );
    assert_eq!(identity(&ada), None);
}

#[test]
fn documents_are_url_encoded() {
    let world = World::plant(SEED);
    let answer = world.iam("GetUserPolicy", &[("UserName", "ada"), ("PolicyName", "own")]);
    let document = answer.text("PolicyDocument").unwrap();
    assert!(
        document.starts_with("%7B%22Version%22%3A%222012-10-17%22"),
        "{document}"
    );
}

#[test]
fn the_details_hold_everything_but_keys() {
    let world = World::plant(SEED);
    let answer = world.iam("GetAccountAuthorizationDetails", &[]);
    assert_eq!(answer.texts("UserName"), ["ada"]);
    assert_eq!(answer.text("GroupList"), Some("<member>staff</member>"));
    assert_eq!(answer.text("InstanceProfileName"), Some("web"));
    assert_eq!(answer.text("LastUsedDate"), Some("2026-08-29T12:00:00Z"));
    assert!(answer.body.contains("arn:aws:iam::aws:policy/AmazonS3FullAccess"));
    assert!(
        !answer.body.contains("AdministratorAccess"),
        "only policies in use are listed"
    );
    assert!(!answer.body.contains("AKIA"));
    assert_eq!(answer.text("IsTruncated"), Some("false"));
    let users = world.iam("GetAccountAuthorizationDetails", &[("Filter.member.1", "User")]);
    assert!(users.texts("RoleName").is_empty());
    let bad = world.iam("GetAccountAuthorizationDetails", &[("Filter.member.1", "Users")]);
    assert_eq!(bad.failure(), (400, "ValidationError"));
}

/// Reads all pages of the details and gives the number of entities and of pages.
fn read_details(world: &World, size: &str) -> (usize, usize) {
    let (mut entities, mut pages, mut marker) = (0, 0, None::<String>);
    loop {
        let mut parameters = vec![("MaxItems", size)];
        if let Some(marker) = &marker {
            parameters.push(("Marker", marker));
        }
        let answer = world.iam("GetAccountAuthorizationDetails", &parameters);
        entities +=
            answer.texts("UserName").len() + answer.texts("GroupId").len() + answer.texts("AROA").len();
        pages += 1;
        marker = answer.text("Marker").map(str::to_owned);
        assert_eq!(
            answer.text("IsTruncated"),
            Some(if marker.is_some() { "true" } else { "false" })
        );
        if marker.is_none() {
            return (entities, pages);
        }
    }
}

#[test]
fn pages_may_be_short_or_empty() {
    let seed = r#"
        [[accounts]]
        id = "123456789012"
        [[accounts.users]]
        name = "user-{n}"
        repeat = 250
    "#;
    let world = World::plant(seed);
    assert_eq!(read_details(&world, "100"), (250, 3));
    assert_eq!(read_details(&world, "1000"), (250, 1));
    world.control("POST", "paging", r#"{"size": 40}"#);
    assert_eq!(read_details(&world, "1000"), (250, 7));
    world.control("POST", "paging", r#"{"size": 100, "empty_pages": true}"#);
    assert_eq!(read_details(&world, "1000"), (250, 6));
    assert_eq!(
        world.iam("ListUsers", &[("MaxItems", "1001")]).failure(),
        (400, "ValidationError")
    );
    assert_eq!(
        world.iam("ListUsers", &[("Marker", "?")]).failure(),
        (400, "ValidationError")
    );
}

#[test]
fn last_use_of_a_key_and_never() {
    let world = World::plant(SEED);
    let used = world.iam("GetAccessKeyLastUsed", &[("AccessKeyId", "AKIAADA0000000000001")]);
    assert_eq!(used.text("LastUsedDate"), Some("2026-08-30T12:00:00Z"));
    assert_eq!(
        (used.text("Region"), used.text("ServiceName")),
        (Some("eu-central-1"), Some("s3"))
    );
    let never = world.iam("GetAccessKeyLastUsed", &[("AccessKeyId", "AKIAADA0000000000002")]);
    assert_eq!(never.text("LastUsedDate"), None);
    assert_eq!(
        (never.text("Region"), never.text("ServiceName")),
        (Some("N/A"), Some("N/A"))
    );
    let gone = world.iam("GetAccessKeyLastUsed", &[("AccessKeyId", "AKIAADA0000000000003")]);
    assert_eq!(gone.failure(), (403, "AccessDenied"));
}

#[test]
fn secrets_are_read_by_name_and_arn() {
    let world = World::plant(SEED);
    let by_name = world.secret("app/token").json();
    assert_eq!(by_name["SecretString"], "canary");
    let arn = by_name["ARN"].as_str().unwrap();
    assert_eq!(world.secret(arn).json()["SecretString"], "canary");
    assert_eq!(
        world.secret(&arn[..arn.len() - 7]).json()["SecretString"],
        "canary"
    );
    let absent = world.secret("app/none");
    assert_eq!(
        (absent.status, &absent.json()["__type"]),
        (400, &"ResourceNotFoundException".into())
    );
    assert!(!world.control("GET", "calls", "").body.contains("canary"));
    assert!(!world.state().to_string().contains("canary"));
}
