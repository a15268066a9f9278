//! EC2 over its own kind of Query protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{Fault, FaultKind, Service};
use common::{Answer, At, World};
use serde_json::json;

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"

[[accounts.roles]]
name = "web"
assumed_by = ["ec2.amazonaws.com"]
instance_profiles = ["web"]

[[accounts.instance_profiles]]
name = "empty"

[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000001"
reservation = "r-1"
profile = "web"
http_tokens = "optional"
tags = { Name = "one" }

[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000002"
reservation = "r-1"

[[accounts.regions.eu-central-1.instances]]
id = "i-00000000000000003"
state = "terminated"
profile = "gone"
http_endpoint = "disabled"

[[accounts.regions.eu-west-1.instances]]
repeat = 12

[accounts.regions.eu-south-1]
[accounts.regions.ap-east-1]
opted_in = false
"#;

fn call_in(region: &str, world: &World, operation: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", operation)
        .append_pair("Version", "2016-11-15")
        .extend_pairs(parameters);
    world.call(At("ec2", region), "POST", "/", "", &form.finish())
}

fn call(world: &World, operation: &str, parameters: &[(&str, &str)]) -> Answer {
    call_in("eu-central-1", world, operation, parameters)
}

const ONE: (&str, &str) = ("InstanceId", "i-00000000000000001");
const TWO: (&str, &str) = ("InstanceId", "i-00000000000000002");

#[test]
fn instances_are_described_with_profile_and_metadata_options() {
    let world = World::plant(SEED);
    let all = call(&world, "DescribeInstances", &[]);
    let start = r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>"#;
    assert!(all.body.starts_with(start), "{}", all.body);
    assert_eq!(all.texts("instanceId").len(), 3);
    assert_eq!(all.texts("reservationId").len(), 2, "two instances share one");
    let one = call(&world, "DescribeInstances", &[("InstanceId.1", ONE.1)]);
    assert_eq!(
        one.text("arn"),
        Some("arn:aws:iam::123456789012:instance-profile/web")
    );
    let profile = world.iam("GetInstanceProfile", &[("InstanceProfileName", "web")]);
    assert_eq!(one.text("id"), profile.text("InstanceProfileId"));
    assert_eq!(
        (one.text("httpTokens"), one.text("httpEndpoint")),
        (Some("optional"), Some("enabled"))
    );
    assert_eq!(
        (one.text("code"), one.text("name")),
        (Some("16"), Some("running"))
    );
    assert_eq!(one.text("launchTime"), Some("2026-08-02T12:00:00.000Z"));
    assert_eq!((one.text("key"), one.text("value")), (Some("Name"), Some("one")));
    let two = call(&world, "DescribeInstances", &[("InstanceId.1", TWO.1)]);
    assert_eq!(
        (
            two.text("iamInstanceProfile"),
            two.text("tagSet"),
            two.text("httpTokens")
        ),
        (None, None, Some("required"))
    );
    assert!(
        call_in("us-east-1", &world, "DescribeInstances", &[])
            .texts("instanceId")
            .is_empty()
    );
}

#[test]
fn instances_are_filtered() {
    let world = World::plant(SEED);
    let found = |name: &str, values: &[&str]| {
        let names: Vec<String> = (1..=values.len())
            .map(|n| format!("Filter.1.Value.{n}"))
            .collect();
        let mut parameters = vec![("Filter.1.Name", name)];
        parameters.extend(names.iter().map(String::as_str).zip(values.iter().copied()));
        let answer = call(&world, "DescribeInstances", &parameters);
        answer
            .texts("instanceId")
            .iter()
            .map(|id| &id[id.len() - 1..])
            .collect::<String>()
    };
    assert_eq!(found("instance-state-name", &["running", "stopped"]), "12");
    assert_eq!(found("iam-instance-profile.arn", &["*/gone"]), "3");
    assert_eq!(found("metadata-options.http-tokens", &["optional"]), "1");
    assert_eq!(found("tag:Name", &["o?e"]), "1");
    assert_eq!(found("tag-key", &["Owner"]), "");
    let unknown = call(
        &world,
        "DescribeInstances",
        &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
    );
    assert_eq!(unknown.failure(), (400, "InvalidParameterValue"));
    assert!(
        unknown.body.starts_with("<Response><Errors><Error><Code>"),
        "{}",
        unknown.body
    );
    let absent = call(
        &world,
        "DescribeInstances",
        &[("InstanceId.1", "i-0123456789abcdef0")],
    );
    assert_eq!(absent.failure(), (400, "InvalidInstanceID.NotFound"));
    let malformed = call(&world, "DescribeInstances", &[("InstanceId.1", "web")]);
    assert_eq!(malformed.failure(), (400, "InvalidInstanceID.Malformed"));
}

#[test]
fn instances_come_in_pages() {
    let world = World::plant(SEED);
    let (mut found, mut pages, mut token) = (0, 0, None::<String>);
    loop {
        let mut parameters = vec![("MaxResults", "5")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = call_in("eu-west-1", &world, "DescribeInstances", &parameters);
        found += page.texts("instanceId").len();
        pages += 1;
        token = page.text("nextToken").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (12, 3));
    world.control("POST", "paging", r#"{"size": 10}"#);
    assert!(
        call_in("eu-west-1", &world, "DescribeInstances", &[])
            .text("nextToken")
            .is_some()
    );
    let few = call(&world, "DescribeInstances", &[("MaxResults", "4")]);
    assert_eq!(few.failure(), (400, "InvalidParameterValue"));
    let both = call(
        &world,
        "DescribeInstances",
        &[("MaxResults", "5"), ("InstanceId.1", ONE.1)],
    );
    assert_eq!(both.failure(), (400, "InvalidParameterCombination"));
    let made_up = call(&world, "DescribeInstances", &[("NextToken", "?")]);
    assert_eq!(made_up.failure(), (400, "InvalidParameterValue"));
}

#[test]
fn a_profile_is_associated_replaced_and_taken_away() {
    let world = World::plant(SEED);
    let before = world.state();
    let made = call(
        &world,
        "AssociateIamInstanceProfile",
        &[TWO, ("IamInstanceProfile.Name", "web")],
    );
    assert_eq!(made.text("state"), Some("associating"));
    let id = made.text("associationId").unwrap().to_owned();
    let described = call(
        &world,
        "DescribeIamInstanceProfileAssociations",
        &[("AssociationId.1", &id)],
    );
    assert_eq!(
        (described.texts("instanceId"), described.text("state")),
        (vec![TWO.1], Some("associated"))
    );
    assert_eq!(described.text("timestamp"), Some("2026-09-01T12:00:00.000Z"));
    let twice = call(
        &world,
        "AssociateIamInstanceProfile",
        &[TWO, ("IamInstanceProfile.Name", "web")],
    );
    assert_eq!(twice.failure(), (400, "IncorrectState"));
    let empty = (
        "IamInstanceProfile.Arn",
        "arn:aws:iam::123456789012:instance-profile/empty",
    );
    let replaced = call(
        &world,
        "ReplaceIamInstanceProfileAssociation",
        &[("AssociationId", &id), empty],
    );
    let new = replaced.text("associationId").unwrap().to_owned();
    assert_ne!(new, id);
    let two = call(&world, "DescribeInstances", &[("InstanceId.1", TWO.1)]);
    assert_eq!(two.text("arn"), Some(empty.1));
    let gone = call(
        &world,
        "DisassociateIamInstanceProfile",
        &[("AssociationId", &id)],
    );
    assert_eq!(gone.failure(), (400, "InvalidAssociationID.NotFound"));
    let away = call(
        &world,
        "DisassociateIamInstanceProfile",
        &[("AssociationId", &new)],
    );
    assert_eq!(away.text("state"), Some("disassociating"));
    assert_eq!(world.state(), before);
    let of_two = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", TWO.1)];
    assert!(
        call(&world, "DescribeIamInstanceProfileAssociations", &of_two)
            .texts("associationId")
            .is_empty()
    );
}

#[test]
fn profiles_that_cannot_be_are_refused() {
    let world = World::plant(SEED);
    let associate = |parameters: &[(&str, &str)]| {
        let answer = call(&world, "AssociateIamInstanceProfile", parameters);
        let (status, code) = answer.failure();
        (status, code.to_owned())
    };
    let name = |name: &'static str| ("IamInstanceProfile.Name", name);
    assert_eq!(
        associate(&[TWO, name("none")]),
        (400, "InvalidParameterValue".to_owned())
    );
    assert_eq!(
        associate(&[TWO, ("IamInstanceProfile.Arn", "arn:x")]),
        (400, "InvalidParameterValue".to_owned())
    );
    assert_eq!(
        associate(&[TWO, name("web"), ("IamInstanceProfile.Arn", "arn:x")]),
        (400, "InvalidParameterCombination".to_owned())
    );
    assert_eq!(associate(&[TWO]), (400, "MissingParameter".to_owned()));
    assert_eq!(associate(&[name("web")]), (400, "MissingParameter".to_owned()));
    let terminated = ("InstanceId", "i-00000000000000003");
    assert_eq!(
        associate(&[terminated, name("web")]),
        (400, "IncorrectInstanceState".to_owned())
    );
    assert_eq!(
        call(&world, "RunInstances", &[]).failure(),
        (400, "InvalidAction")
    );
}

#[test]
fn regions_have_to_be_switched_on_or_not() {
    let world = World::plant(SEED);
    let of = |parameters: &[(&str, &str)]| {
        let answer = call(&world, "DescribeRegions", parameters);
        let names = answer.texts("regionName").into_iter().map(str::to_owned);
        names
            .zip(answer.texts("optInStatus").into_iter().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let usual = of(&[]);
    assert_eq!(usual.len(), 18);
    assert!(usual.contains(&("eu-central-1".to_owned(), "opt-in-not-required".to_owned())));
    assert!(usual.contains(&("eu-south-1".to_owned(), "opted-in".to_owned())));
    let all = of(&[
        ("AllRegions", "true"),
        ("Filter.1.Name", "opt-in-status"),
        ("Filter.1.Value.1", "not-opted-in"),
    ]);
    assert!(all.contains(&("ap-east-1".to_owned(), "not-opted-in".to_owned())));
    assert_eq!(of(&[("RegionName.1", "eu-west-1")]).len(), 1);
    let nowhere = call(&world, "DescribeRegions", &[("RegionName.1", "eu-nowhere-1")]);
    assert_eq!(nowhere.failure(), (400, "InvalidParameterValue"));
    assert_eq!(
        call_in("ap-east-1", &world, "DescribeInstances", &[]).failure(),
        (401, "AuthFailure")
    );
    let analyzers = world.call(At("access-analyzer", "me-south-1"), "GET", "/analyzer", "", "");
    assert_eq!(
        analyzers.json_failure(),
        (403, "UnrecognizedClientException".to_owned())
    );
}

#[test]
fn calls_are_logged_dry_and_struck_by_region() {
    let world = World::plant(SEED);
    let dry = call(&world, "DescribeInstances", &[("DryRun", "true")]);
    assert_eq!(dry.failure(), (412, "DryRunOperation"));
    let denied = Fault::new(FaultKind::error("UnauthorizedOperation"))
        .of(Service::Ec2)
        .in_region("eu-central-1");
    world.simulator.faults().add(denied);
    assert_eq!(
        call(&world, "DescribeInstances", &[]).failure(),
        (403, "UnauthorizedOperation")
    );
    assert_eq!(call_in("eu-west-1", &world, "DescribeInstances", &[]).status, 200);
    world.simulator.faults().clear();
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::error("RequestLimitExceeded")));
    assert_eq!(
        call(&world, "DescribeRegions", &[]).failure(),
        (503, "RequestLimitExceeded")
    );
    let calls = world.simulator.calls();
    let regions: Vec<&str> = calls.iter().map(|call| call.region.as_str()).collect();
    assert_eq!(
        regions,
        ["eu-central-1", "eu-central-1", "eu-west-1", "eu-central-1"]
    );
    assert_eq!(calls[0].parameters["DryRun"], "true");
    assert!(
        world
            .control("GET", "counts", "")
            .body
            .contains("ec2:DescribeInstances")
    );
}

#[test]
fn reads_may_be_stale_here_too() {
    let world = World::plant(SEED);
    world.control("POST", "consistency", r#"{"stale_reads": 1}"#);
    call(
        &world,
        "AssociateIamInstanceProfile",
        &[TWO, ("IamInstanceProfile.Name", "web")],
    );
    let arn = |world: &World| {
        call(world, "DescribeInstances", &[("InstanceId.1", TWO.1)])
            .text("arn")
            .map(str::to_owned)
    };
    assert_eq!(arn(&world), None);
    assert!(arn(&world).is_some());
}

#[test]
fn instances_are_there_once() {
    let twice = SEED.replace("i-00000000000000002", "i-00000000000000001");
    let seed = aws_simulator::Seed::parse(&twice).unwrap();
    let error = aws_simulator::Simulator::from_seed(&seed)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("region eu-central-1: instance `i-00000000000000001` is there twice"),
        "{error}"
    );
    let operations = World::plant(SEED).control("GET", "operations", "").json();
    assert!(
        operations["ec2"]
            .as_array()
            .unwrap()
            .contains(&json!("DescribeInstances"))
    );
    assert_eq!(operations["sts"], json!(["AssumeRole", "GetCallerIdentity"]));
}
