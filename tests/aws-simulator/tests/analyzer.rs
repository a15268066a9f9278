//! Access Analyzer over its REST protocol.

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

[[accounts.regions.eu-central-1.analyzers]]
name = "outside"
age = "100d"
tags = { owner = "ada" }
findings = [
  { id = "a", resource = "arn:aws:s3:::bucket", age = "30d", external = { principal = { AWS = "*" }, action = ["s3:GetObject"] } },
  { id = "b", resource = "role/web", status = "ARCHIVED", external = { principal = { AWS = "210987654321" }, condition = { "sts:ExternalId" = "x" } } },
  { id = "c", resource = "arn:aws:sqs:eu-central-1:123456789012:queue", status = "RESOLVED", updated = "1d", external = { principal = { AWS = "210987654321" } } },
]

[[accounts.regions.eu-central-1.analyzers]]
name = "unused"
type = "ACCOUNT_UNUSED_ACCESS"
unused_access_age = 120

[[accounts.regions.eu-central-1.analyzers.findings]]
id = "permissions"
resource = "role/web"
unused_permissions = { s3 = { last = "200d", actions = { PutBucketPolicy = "never", GetBucketPolicy = "300d" } }, sqs = {} }
recommendation = { polls = 1, steps = [
  { action = "CREATE_POLICY", policy = { Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:ListAllMyBuckets", Resource = "*" }] }, existing = "own", updated = "40d" },
  { action = "DETACH_POLICY", existing = "arn:aws:iam::aws:policy/AmazonS3FullAccess" },
] }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "role"
resource = "role/old"
unused_role = "never"
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "key"
resource = "user/ada"
unused_key = { id = "AKIAADA0000000000001", last = "200d" }
[[accounts.regions.eu-central-1.analyzers.findings]]
id = "password"
resource = "user/ada"
unused_password = "never"
"#;

const OUTSIDE: &str = "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/outside";
const UNUSED: &str = "arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/unused";

fn call_in(region: &str, world: &World, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    world.call(At("access-analyzer", region), method, path, "", &body)
}

fn call(world: &World, method: &str, path: &str, body: Value) -> Answer {
    call_in("eu-central-1", world, method, path, body)
}

fn get(world: &World, path: &str) -> Value {
    call(world, "GET", path, Value::Null).json()
}

fn encoded(arn: &str) -> String {
    arn.replace(':', "%3A").replace('/', "%2F")
}

fn ids(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect()
}

#[test]
fn analyzers_are_listed_by_region() {
    let world = World::plant(SEED);
    let listed = get(&world, "/analyzer");
    assert_eq!(
        listed["analyzers"][0],
        json!({
            "arn": OUTSIDE, "name": "outside", "type": "ACCOUNT", "status": "ACTIVE",
            "createdAt": "2026-05-24T12:00:00Z", "tags": { "owner": "ada" },
            "lastResourceAnalyzed": "arn:aws:sqs:eu-central-1:123456789012:queue",
            "lastResourceAnalyzedAt": "2026-09-01T12:00:00Z",
        })
    );
    assert_eq!(
        listed["analyzers"][1]["configuration"],
        json!({ "unusedAccess": { "unusedAccessAge": 120 } })
    );
    assert_eq!(
        get(&world, "/analyzer?type=ACCOUNT")["analyzers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(get(&world, "/analyzer/unused")["analyzer"]["arn"], UNUSED);
    let elsewhere = call_in("us-east-1", &world, "GET", "/analyzer", Value::Null);
    assert_eq!(elsewhere.json(), json!({ "analyzers": [] }));
    assert!(elsewhere.head.contains("application/json"));
    let absent = call_in("us-east-1", &world, "GET", "/analyzer/unused", Value::Null);
    assert_eq!(
        absent.json_failure(),
        (404, "ResourceNotFoundException".to_owned())
    );
    assert_eq!(
        call(&world, "GET", "/analyzer?type=X", Value::Null).json_failure(),
        (400, "ValidationException".to_owned())
    );
    assert_eq!(
        call(&world, "GET", "/nothing", Value::Null).json_failure(),
        (404, "UnknownOperationException".to_owned())
    );
}

#[test]
fn analyzers_are_made_and_deleted() {
    let world = World::plant(SEED);
    let before = world.state();
    let create = |body: Value| call_in("us-east-1", &world, "PUT", "/analyzer", body);
    let made = create(json!({ "analyzerName": "new", "type": "ACCOUNT", "tags": { "by": "test" } }));
    let arn = "arn:aws:access-analyzer:us-east-1:123456789012:analyzer/new";
    assert_eq!(made.json(), json!({ "arn": arn }));
    let failure = |body: Value| create(body).json_failure();
    assert_eq!(
        failure(json!({ "analyzerName": "new", "type": "ACCOUNT_UNUSED_ACCESS" })),
        (409, "ConflictException".to_owned())
    );
    assert_eq!(
        failure(json!({ "analyzerName": "two", "type": "ACCOUNT" })),
        (402, "ServiceQuotaExceededException".to_owned())
    );
    assert_eq!(
        failure(json!({ "analyzerName": "org", "type": "ORGANIZATION" })),
        (403, "AccessDeniedException".to_owned())
    );
    for wrong in [
        json!({ "analyzerName": "9", "type": "ACCOUNT_UNUSED_ACCESS" }),
        json!({ "analyzerName": "other", "type": "SOME" }),
        json!({ "analyzerName": "other" }),
        json!({ "analyzerName": "other", "type": "ACCOUNT_UNUSED_ACCESS", "configuration": { "unusedAccess": { "unusedAccessAge": 366 } } }),
    ] {
        assert_eq!(failure(wrong), (400, "ValidationException".to_owned()));
    }
    let configured = json!({ "analyzerName": "age", "type": "ACCOUNT_UNUSED_ACCESS", "configuration": { "unusedAccess": { "unusedAccessAge": 30 } } });
    assert_eq!(create(configured).status, 200);
    for name in ["new", "age"] {
        let gone = call_in(
            "us-east-1",
            &world,
            "DELETE",
            &format!("/analyzer/{name}"),
            Value::Null,
        );
        assert_eq!((gone.status, gone.body.as_str()), (200, ""));
    }
    let twice = call_in("us-east-1", &world, "DELETE", "/analyzer/new", Value::Null);
    assert_eq!(
        twice.json_failure(),
        (404, "ResourceNotFoundException".to_owned())
    );
    let mut after = world.state();
    assert_eq!(after["regions"]["us-east-1"]["analyzers"], json!({}));
    after["regions"] = before["regions"].clone();
    assert_eq!(after, before);
}

#[test]
fn findings_are_filtered_sorted_and_paged() {
    let world = World::plant(SEED);
    let list = |body: Value| call(&world, "POST", "/findingv2", body).json();
    let all = list(json!({ "analyzerArn": OUTSIDE }));
    assert_eq!(ids(&all), ["a", "b", "c"]);
    assert_eq!(
        all["findings"][0],
        json!({
            "id": "a", "status": "ACTIVE", "findingType": "ExternalAccess", "resource": "arn:aws:s3:::bucket",
            "resourceType": "AWS::S3::Bucket", "resourceOwnerAccount": "123456789012", "analyzedAt": "2026-09-01T12:00:00Z",
            "createdAt": "2026-08-02T12:00:00Z", "updatedAt": "2026-08-02T12:00:00Z",
        })
    );
    let filtered = |filter: Value| {
        let answer = list(json!({ "analyzerArn": OUTSIDE, "filter": filter }));
        ids(&answer).join(",")
    };
    assert_eq!(
        filtered(json!({ "status": { "eq": ["ACTIVE", "ARCHIVED"] } })),
        "a,b"
    );
    assert_eq!(filtered(json!({ "status": { "neq": ["ACTIVE"] } })), "b,c");
    assert_eq!(filtered(json!({ "resource": { "contains": [":role/"] } })), "b");
    assert_eq!(filtered(json!({ "isPublic": { "eq": ["true"] } })), "a");
    assert_eq!(
        filtered(json!({ "principal.AWS": { "eq": ["210987654321"] }, "status": { "eq": ["RESOLVED"] } })),
        "c"
    );
    assert_eq!(filtered(json!({ "error": { "exists": true } })), "");
    let sorted =
        list(json!({ "analyzerArn": OUTSIDE, "sort": { "attributeName": "updatedAt", "orderBy": "DESC" } }));
    assert_eq!(ids(&sorted), ["c", "b", "a"]);

    let first = list(json!({ "analyzerArn": OUTSIDE, "maxResults": 2 }));
    let second = list(json!({ "analyzerArn": OUTSIDE, "maxResults": 2, "nextToken": first["nextToken"] }));
    assert_eq!(
        (ids(&first).len(), ids(&second), &second["nextToken"]),
        (2, vec!["c"], &Value::Null)
    );
    for wrong in [
        json!({ "analyzerArn": OUTSIDE, "nextToken": "made up" }),
        json!({ "analyzerArn": OUTSIDE, "filter": { "status": { "is": ["ACTIVE"] } } }),
        json!({}),
    ] {
        assert_eq!(
            call(&world, "POST", "/findingv2", wrong).json_failure(),
            (400, "ValidationException".to_owned())
        );
    }
    let elsewhere = call_in(
        "us-east-1",
        &world,
        "POST",
        "/findingv2",
        json!({ "analyzerArn": OUTSIDE }),
    );
    assert_eq!(
        elsewhere.json_failure(),
        (404, "ResourceNotFoundException".to_owned())
    );
}

#[test]
fn a_finding_has_its_details_in_both_forms() {
    let world = World::plant(SEED);
    let external = get(&world, &format!("/findingv2/a?analyzerArn={}", encoded(OUTSIDE)));
    let details =
        json!({ "principal": { "AWS": "*" }, "action": ["s3:GetObject"], "condition": {}, "isPublic": true });
    assert_eq!(
        external["findingDetails"],
        json!([{ "externalAccessDetails": details }])
    );
    let first_form = get(&world, &format!("/finding/a?analyzerArn={}", encoded(OUTSIDE)));
    assert_eq!(first_form["finding"]["principal"], json!({ "AWS": "*" }));
    let listed = call(&world, "POST", "/finding", json!({ "analyzerArn": OUTSIDE })).json();
    assert_eq!(
        listed["findings"][1]["condition"],
        json!({ "sts:ExternalId": "x" })
    );

    let of = |id: &str| {
        get(
            &world,
            &format!("/findingv2/{id}?analyzerArn={}", encoded(UNUSED)),
        )
    };
    let permissions = of("permissions");
    assert_eq!(
        (&permissions["findingType"], &permissions["resourceType"]),
        (&json!("UnusedPermission"), &json!("AWS::IAM::Role"))
    );
    assert_eq!(
        permissions["findingDetails"],
        json!([
            { "unusedPermissionDetails": {
                "serviceNamespace": "s3", "lastAccessed": "2026-02-13T12:00:00Z",
                "actions": [{ "action": "GetBucketPolicy", "lastAccessed": "2025-11-05T12:00:00Z" }, { "action": "PutBucketPolicy" }],
            } },
            { "unusedPermissionDetails": { "serviceNamespace": "sqs" } },
        ])
    );
    assert_eq!(
        of("role")["findingDetails"],
        json!([{ "unusedIamRoleDetails": {} }])
    );
    assert_eq!(
        of("password")["findingDetails"],
        json!([{ "unusedIamUserPasswordDetails": {} }])
    );
    assert_eq!(
        of("key")["findingDetails"][0]["unusedIamUserAccessKeyDetails"]["accessKeyId"],
        "AKIAADA0000000000001"
    );
    let page = get(
        &world,
        &format!(
            "/findingv2/permissions?maxResults=1&analyzerArn={}",
            encoded(UNUSED)
        ),
    );
    assert_eq!(page["findingDetails"].as_array().unwrap().len(), 1);
    let token = page["nextToken"].as_str().unwrap();
    let rest = get(
        &world,
        &format!(
            "/findingv2/permissions?maxResults=1&nextToken={token}&analyzerArn={}",
            encoded(UNUSED)
        ),
    );
    assert_eq!(
        rest["findingDetails"][0]["unusedPermissionDetails"]["serviceNamespace"],
        "sqs"
    );
}

#[test]
fn findings_are_archived() {
    let world = World::plant(SEED);
    let update = |body: Value| call(&world, "PUT", "/finding", body);
    assert_eq!(
        update(json!({ "analyzerArn": OUTSIDE, "status": "ARCHIVED", "ids": ["a", "c"] })).status,
        200
    );
    let all = call(&world, "POST", "/findingv2", json!({ "analyzerArn": OUTSIDE })).json();
    let states: Vec<&Value> = all["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["status"])
        .collect();
    assert_eq!(states, ["ARCHIVED", "ARCHIVED", "RESOLVED"]);
    assert_eq!(
        update(json!({ "analyzerArn": OUTSIDE, "status": "ACTIVE", "resourceArn": "arn:aws:s3:::bucket" }))
            .status,
        200
    );
    assert_eq!(
        world.state()["regions"]["eu-central-1"]["analyzers"]["outside"]["findings"]["a"]["status"],
        "ACTIVE"
    );
    let none = update(json!({ "analyzerArn": OUTSIDE, "status": "ACTIVE", "ids": ["z"] }));
    assert_eq!(none.json_failure(), (404, "ResourceNotFoundException".to_owned()));
    let nothing = update(json!({ "analyzerArn": OUTSIDE, "status": "ACTIVE" }));
    assert_eq!(nothing.json_failure(), (400, "ValidationException".to_owned()));
}

#[test]
fn a_recommendation_is_asked_for_and_polled() {
    let world = World::plant(SEED);
    let path = |id: &str| format!("/recommendation/{id}?analyzerArn={}", encoded(UNUSED));
    let not_yet = call(&world, "GET", &path("permissions"), Value::Null);
    assert_eq!(
        not_yet.json_failure(),
        (404, "ResourceNotFoundException".to_owned())
    );
    let asked = call(&world, "POST", &path("permissions"), Value::Null);
    assert_eq!((asked.status, asked.body.as_str()), (200, ""));
    let first = get(&world, &path("permissions"));
    assert_eq!(
        (&first["status"], &first["recommendedSteps"]),
        (&json!("IN_PROGRESS"), &Value::Null)
    );
    let done = get(&world, &path("permissions"));
    assert_eq!(done["status"], "SUCCEEDED");
    assert_eq!(done["resourceArn"], "arn:aws:iam::123456789012:role/web");
    let steps = &done["recommendedSteps"];
    let step = |index: usize| &steps[index]["unusedPermissionsRecommendedStep"];
    assert_eq!(
        (&step(0)["recommendedAction"], &step(0)["existingPolicyId"]),
        (&json!("CREATE_POLICY"), &json!("own"))
    );
    assert_eq!(step(0)["policyUpdatedAt"], "2026-07-23T12:00:00Z");
    assert!(
        step(0)["recommendedPolicy"]
            .as_str()
            .unwrap()
            .contains("s3:ListAllMyBuckets")
    );
    assert_eq!(step(1)["recommendedAction"], "DETACH_POLICY");
    let page = get(&world, &format!("{}&maxResults=1", path("permissions")));
    assert_eq!(
        (
            page["recommendedSteps"].as_array().unwrap().len(),
            page["nextToken"].is_string()
        ),
        (1, true)
    );
    let other = call(&world, "POST", &path("role"), Value::Null);
    assert_eq!(other.json_failure(), (400, "ValidationException".to_owned()));
}

#[test]
fn a_recommendation_can_fail() {
    let failing = SEED.replace(
        "recommendation = { polls = 1,",
        "recommendation = { failed = \"SOME_CODE\",",
    );
    let world = World::plant(&failing);
    let path = format!("/recommendation/permissions?analyzerArn={}", encoded(UNUSED));
    call(&world, "POST", &path, Value::Null);
    let failed = get(&world, &path);
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("FAILED"), &json!("SOME_CODE"))
    );
}

#[test]
fn new_access_is_checked() {
    let world = World::plant(SEED);
    let policy = |action: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Only","Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        )
    };
    let check = |existing: &str, new: &str, kind: &str| {
        let body =
            json!({ "existingPolicyDocument": existing, "newPolicyDocument": new, "policyType": kind });
        call(&world, "POST", "/policy/check-no-new-access", body)
    };
    let narrower = check(&policy("s3:*"), &policy("s3:Get*"), "IDENTITY_POLICY").json();
    assert_eq!(
        (&narrower["result"], narrower.get("reasons")),
        (&json!("PASS"), None)
    );
    let wider = check(&policy("s3:Get*"), &policy("s3:*"), "IDENTITY_POLICY").json();
    assert_eq!(wider["result"], "FAIL");
    assert_eq!(wider["reasons"][0]["statementIndex"], 0);
    assert_eq!(wider["reasons"][0]["statementId"], "Only");
    let broken = check("{", &policy("s3:*"), "IDENTITY_POLICY");
    assert_eq!(
        broken.json_failure(),
        (400, "InvalidParameterException".to_owned())
    );
    let resource = check(&policy("s3:*"), &policy("s3:*"), "RESOURCE_POLICY");
    assert_eq!(
        resource.json_failure(),
        (422, "UnprocessableEntityException".to_owned())
    );
    let conditional = |key: &str| {
        let statement = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "Bool": { key: "true" } } });
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let undecided = check(
        &conditional("aws:SecureTransport"),
        &conditional("aws:MultiFactorAuthPresent"),
        "IDENTITY_POLICY",
    );
    assert_eq!(
        undecided.json_failure(),
        (422, "UnprocessableEntityException".to_owned())
    );
}

#[test]
fn a_region_can_be_down() {
    let world = World::plant(SEED);
    let down = FaultKind::error("ServiceUnavailable");
    world
        .simulator
        .faults()
        .add(Fault::new(down).in_region("eu-central-1"));
    assert_eq!(
        call(&world, "GET", "/analyzer", Value::Null).json_failure(),
        (503, "ServiceUnavailable".to_owned())
    );
    assert_eq!(
        call_in("us-east-1", &world, "GET", "/analyzer", Value::Null).status,
        200
    );
    world.simulator.faults().clear();
    world.simulator.faults().add(
        Fault::new(FaultKind::error("ThrottlingException"))
            .of(Service::AccessAnalyzer)
            .times(1),
    );
    assert_eq!(
        call(&world, "GET", "/analyzer/unused", Value::Null).json_failure(),
        (429, "ThrottlingException".to_owned())
    );
    let calls = world.simulator.calls();
    let last = calls.last().unwrap();
    assert_eq!(
        (last.service, last.operation.as_str()),
        (Service::AccessAnalyzer, "GetAnalyzer")
    );
    assert_eq!(
        (last.region.as_str(), last.parameters["analyzerName"].as_str()),
        ("eu-central-1", "unused")
    );
    assert!(
        world
            .control("GET", "calls", "")
            .body
            .contains(r#""service":"access-analyzer""#)
    );
    let by_json = r#"{"region": "eu-central-1", "service": "access-analyzer", "kind": {"error": {"code": "AccessDeniedException"}}}"#;
    assert_eq!(world.control("POST", "faults", by_json).status, 200);
    assert_eq!(
        call(&world, "GET", "/analyzer", Value::Null).json_failure(),
        (403, "AccessDeniedException".to_owned())
    );
}

#[test]
fn a_region_is_replaced_behind_the_callers_backs() {
    let world = World::plant(SEED);
    let edit = json!({ "account": "123456789012", "regions": { "eu-central-1": { "analyzers": [{ "name": "late" }] } } });
    assert_eq!(world.control("POST", "edit", &edit.to_string()).status, 200);
    let names = get(&world, "/analyzer");
    assert_eq!(
        (
            names["analyzers"].as_array().unwrap().len(),
            &names["analyzers"][0]["name"]
        ),
        (1, &json!("late"))
    );
    let bad = json!({ "account": "123456789012", "regions": { "eu-central-1": { "analyzers": [{ "name": "x", "findings": [{ "resource": "role/a" }] }] } } });
    let refused = world.control("POST", "edit", &bad.to_string());
    assert!(refused.body.contains("has to say one thing"), "{}", refused.body);
}
