//! CloudTrail, and the buckets that its logs go to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{Fault, FaultKind, Service};
use common::{Answer, At, World};
use serde_json::{Value, json};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"

[[accounts.buckets]]
name = "logs"
region = "eu-central-1"
public_policy = true
block_public_access = false
grants = [{ to = "AllUsers", permission = "READ" }]

[[accounts.buckets]]
name = "plain"

[[accounts.regions.eu-central-1.log_groups]]
name = "cloudtrail"

[[accounts.regions.eu-central-1.trails]]
name = "main"
bucket = "logs"
multi_region = true
log_group = "cloudtrail"
topic = "alerts"
age = "100d"
delivered = "1h"

[[accounts.regions.eu-central-1.trails]]
name = "local"
bucket = "logs"
validation = true
logging = false
stopped = "2d"
read_write = "WriteOnly"
delivery_error = "AccessDenied"
"#;

const MAIN: &str = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/main";

fn call_in(region: &str, world: &World, operation: &str, input: &Value) -> Answer {
    world.json(At("cloudtrail", region), "CloudTrail_20131101", operation, input)
}

fn call(world: &World, operation: &str, input: &Value) -> Answer {
    call_in("eu-central-1", world, operation, input)
}

fn names(answer: &Answer) -> Vec<String> {
    let trails = answer.json()["trailList"].clone();
    let name = |trail: &Value| trail["Name"].as_str().unwrap().to_owned();
    trails.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn trails_are_described_here_and_as_shadows() {
    let world = World::plant(SEED);
    let here = call(&world, "DescribeTrails", &json!({}));
    assert_eq!(names(&here), ["local", "main"]);
    assert!(here.head.contains("application/x-amz-json-1.1"));
    assert_eq!(
        here.json()["trailList"][1],
        json!({
            "Name": "main", "TrailARN": MAIN, "S3BucketName": "logs", "HomeRegion": "eu-central-1",
            "SnsTopicName": "alerts", "SnsTopicARN": "arn:aws:sns:eu-central-1:123456789012:alerts",
            "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true, "LogFileValidationEnabled": false,
            "CloudWatchLogsLogGroupArn": "arn:aws:logs:eu-central-1:123456789012:log-group:cloudtrail:*",
            "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/CloudTrail_CloudWatchLogs_Role",
            "HasCustomEventSelectors": false, "HasInsightSelectors": false, "IsOrganizationTrail": false,
        })
    );
    let elsewhere = |input: Value| names(&call_in("us-east-1", &world, "DescribeTrails", &input));
    assert_eq!(elsewhere(json!({})), ["main"]);
    assert!(elsewhere(json!({ "includeShadowTrails": false })).is_empty());
    assert!(
        elsewhere(json!({ "trailNameList": ["main"] })).is_empty(),
        "a shadow has no name here"
    );
    assert_eq!(elsewhere(json!({ "trailNameList": [MAIN] })), ["main"]);
    let bad = call(&world, "DescribeTrails", &json!({ "trailNameList": ["a"] }));
    assert_eq!(bad.json_failure(), (400, "InvalidTrailNameException".to_owned()));
    let other_target = world.json(
        At("cloudtrail", "eu-central-1"),
        "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
        "DescribeTrails",
        &json!({}),
    );
    assert_eq!(names(&other_target).len(), 2);
}

#[test]
fn status_and_selectors_are_read() {
    let world = World::plant(SEED);
    let main = call_in("us-east-1", &world, "GetTrailStatus", &json!({ "Name": MAIN })).json();
    assert_eq!(
        (&main["IsLogging"], &main["LatestDeliveryTime"]),
        (&json!(true), &json!(1_788_260_400))
    );
    assert_eq!(main["LatestCloudWatchLogsDeliveryTime"], 1_788_260_400);
    assert_eq!(main["TimeLoggingStarted"], "2026-05-24T12:00:00Z");
    let local = call(&world, "GetTrailStatus", &json!({ "Name": "local" })).json();
    assert_eq!(
        (&local["IsLogging"], &local["LatestDeliveryError"]),
        (&json!(false), &json!("AccessDenied"))
    );
    assert_eq!(local["StopLoggingTime"], 1_788_091_200);
    let selectors = call(&world, "GetEventSelectors", &json!({ "TrailName": "local" })).json();
    assert_eq!(selectors["EventSelectors"][0]["ReadWriteType"], "WriteOnly");
    assert_eq!(selectors["EventSelectors"][0]["IncludeManagementEvents"], true);
    let failure = |name: &str| {
        call_in("us-east-1", &world, "GetTrailStatus", &json!({ "Name": name }))
            .json_failure()
            .1
    };
    assert_eq!(failure("main"), "TrailNotFoundException");
    assert_eq!(
        failure(&MAIN.replace("main", "local")),
        "TrailNotFoundException",
        "it is no trail of all regions"
    );
    assert_eq!(failure("arn:aws:s3:::logs"), "CloudTrailARNInvalidException");
}

#[test]
fn logging_is_started_and_stopped_at_home() {
    let world = World::plant(SEED);
    let is_logging =
        |name: &str| call(&world, "GetTrailStatus", &json!({ "Name": name })).json()["IsLogging"].clone();
    let started = call(&world, "StartLogging", &json!({ "Name": "local" }));
    assert_eq!(
        (started.status, started.body.as_str(), is_logging("local")),
        (200, "", json!(true))
    );
    assert_eq!(call(&world, "StopLogging", &json!({ "Name": MAIN })).status, 200);
    assert_eq!(is_logging("main"), false);
    for name in ["main", MAIN] {
        let away = call_in("us-east-1", &world, "StartLogging", &json!({ "Name": name }));
        assert_eq!(
            away.json_failure(),
            (400, "InvalidHomeRegionException".to_owned())
        );
    }
    let none = call(&world, "StartLogging", &json!({ "Name": "none" }));
    assert_eq!(none.json_failure(), (400, "TrailNotFoundException".to_owned()));
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let world = World::plant(SEED);
    let settings =
        |world: &World| world.state()["regions"]["eu-central-1"]["trails"]["main"]["settings"].clone();
    let before = settings(&world);
    let updated = call(
        &world,
        "UpdateTrail",
        &json!({ "Name": "main", "EnableLogFileValidation": true }),
    );
    assert_eq!(updated.json()["LogFileValidationEnabled"], true);
    let mut expected = before.clone();
    expected["validation"] = true.into();
    assert_eq!(settings(&world), expected);
    call(
        &world,
        "UpdateTrail",
        &json!({ "Name": "main", "EnableLogFileValidation": false }),
    );
    assert_eq!(settings(&world), before);
    assert_eq!(
        call(
            &world,
            "UpdateTrail",
            &json!({ "Name": "main", "SnsTopicName": "" })
        )
        .status,
        200
    );
    assert_eq!(settings(&world)["topic"], Value::Null);
    let failure = |input: Value| call(&world, "UpdateTrail", &input).json_failure().1;
    assert_eq!(
        failure(json!({ "Name": "main", "S3BucketName": "none" })),
        "S3BucketDoesNotExistException"
    );
    assert_eq!(
        failure(json!({ "Name": "main", "IncludeGlobalServiceEvents": false })),
        "InvalidParameterCombinationException"
    );
    assert_eq!(
        failure(json!({ "Name": "main", "EnableLogFileValidation": "maybe" })),
        "InvalidParameterException"
    );
    let group = "arn:aws:logs:eu-central-1:123456789012:log-group:none:*";
    assert_eq!(
        failure(json!({ "Name": "main", "CloudWatchLogsLogGroupArn": group })),
        "InvalidCloudWatchLogsLogGroupArnException"
    );
    let known = group.replace("none", "cloudtrail");
    assert_eq!(
        failure(json!({ "Name": "local", "CloudWatchLogsLogGroupArn": known })),
        "InvalidCloudWatchLogsRoleArnException"
    );
}

#[test]
fn trails_are_made_and_deleted() {
    let world = World::plant(SEED);
    let before = world.state();
    let create = |name: &str| {
        call(
            &world,
            "CreateTrail",
            &json!({ "Name": name, "S3BucketName": "logs" }),
        )
    };
    assert_eq!(create("new").json()["TrailARN"], MAIN.replace("main", "new"));
    assert_eq!(
        call(&world, "GetTrailStatus", &json!({ "Name": "new" })).json()["IsLogging"],
        false
    );
    assert_eq!(create("new").json_failure().1, "TrailAlreadyExistsException");
    assert_eq!(create("a b").json_failure().1, "InvalidTrailNameException");
    assert_eq!((create("four").status, create("five").status), (200, 200));
    assert_eq!(
        create("six").json_failure().1,
        "MaximumNumberOfTrailsExceededException"
    );
    for name in ["new", "four", "five"] {
        assert_eq!(call(&world, "DeleteTrail", &json!({ "Name": name })).status, 200);
    }
    assert_eq!(
        call(&world, "DeleteTrail", &json!({ "Name": "new" }))
            .json_failure()
            .1,
        "TrailNotFoundException"
    );
    assert_eq!(world.state(), before);
    let organization = json!({ "Name": "org", "S3BucketName": "logs", "IsOrganizationTrail": true });
    assert_eq!(
        call(&world, "CreateTrail", &organization).json_failure().1,
        "NotOrganizationMasterAccountException"
    );
}

fn bucket(world: &World, region: &str, path: &str) -> Answer {
    world.call(At("s3", region), "GET", path, "", "")
}

#[test]
fn buckets_tell_whether_they_are_public() {
    let world = World::plant(SEED);
    let of_logs = |query: &str| bucket(&world, "eu-central-1", &format!("/logs?{query}"));
    let status = of_logs("policyStatus");
    assert_eq!(
        status.body,
        r#"<PolicyStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsPublic>true</IsPublic></PolicyStatus>"#
    );
    assert!(status.head.contains("application/xml") && status.head.contains("x-amz-request-id"));
    let block = of_logs("publicAccessBlock");
    assert_eq!(
        (block.text("BlockPublicAcls"), block.text("RestrictPublicBuckets")),
        (Some("false"), Some("false"))
    );
    let acl = of_logs("acl");
    assert_eq!(acl.texts("Permission"), ["FULL_CONTROL", "READ"]);
    assert_eq!(
        acl.text("URI"),
        Some("http://acs.amazonaws.com/groups/global/AllUsers")
    );
    assert!(acl.body.contains(r#"xsi:type="Group""#));
    let edit = r#"{"account": "123456789012", "buckets": [{"name": "logs", "region": "eu-central-1", "public_policy": false}]}"#;
    assert_eq!(world.control("POST", "edit", edit).status, 200);
    assert_eq!(of_logs("policyStatus").text("IsPublic"), Some("false"));
    assert_eq!(
        of_logs("publicAccessBlock").failure(),
        (404, "NoSuchPublicAccessBlockConfiguration")
    );
    let plain = |query: &str| {
        let answer = bucket(&world, "us-east-1", &format!("/plain?{query}"));
        let (status, code) = answer.failure();
        (status, code.to_owned())
    };
    assert_eq!(plain("policyStatus"), (404, "NoSuchBucketPolicy".to_owned()));
    assert_eq!(
        plain("publicAccessBlock"),
        (404, "NoSuchPublicAccessBlockConfiguration".to_owned())
    );
    assert_eq!(plain("versioning"), (405, "MethodNotAllowed".to_owned()));
    assert_eq!(
        bucket(&world, "us-east-1", "/none?acl").failure(),
        (404, "NoSuchBucket")
    );
}

#[test]
fn a_bucket_answers_in_its_region() {
    let world = World::plant(SEED);
    let away = bucket(&world, "us-east-1", "/logs?acl");
    assert_eq!(away.failure(), (301, "PermanentRedirect"));
    assert!(away.head.contains("x-amz-bucket-region: eu-central-1"));
    let location = |name: &str| bucket(&world, "eu-west-1", &format!("/{name}?location")).body;
    assert!(location("logs").ends_with(">eu-central-1</LocationConstraint>"));
    assert!(location("plain").ends_with("></LocationConstraint>"));
}

#[test]
fn trails_and_buckets_can_be_down() {
    let world = World::plant(SEED);
    let faults = world.simulator.faults();
    faults.add(
        Fault::new(FaultKind::error("ServiceUnavailable"))
            .of(Service::CloudTrail)
            .in_region("eu-central-1"),
    );
    faults.add(
        Fault::new(FaultKind::error("AccessDenied"))
            .of(Service::S3)
            .about("logs"),
    );
    assert_eq!(
        call(&world, "DescribeTrails", &json!({})).json_failure(),
        (503, "ServiceUnavailable".to_owned())
    );
    assert_eq!(
        call_in("eu-west-1", &world, "DescribeTrails", &json!({})).status,
        200
    );
    assert_eq!(
        bucket(&world, "eu-central-1", "/logs?acl").failure(),
        (403, "AccessDenied")
    );
    assert_eq!(bucket(&world, "us-east-1", "/plain?acl").status, 200);
    let call = world.simulator.calls().pop().unwrap();
    assert_eq!(
        (call.operation.as_str(), call.parameters["Bucket"].as_str()),
        ("GetBucketAcl", "plain")
    );
}
