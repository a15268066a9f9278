//! What an alarm takes: log groups and metric filters, alarms in three protocols, topics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use aws_simulator::{Fault, FaultKind, Service};
use common::{ACCOUNT, Answer, At, Signer, World, send_bytes, signature_in};
use serde_json::{Value, json};

const SEED: &str = r#"
now = "2026-09-01T12:00:00Z"
frozen = true

[[accounts]]
id = "123456789012"

[[accounts.regions.eu-central-1.log_groups]]
name = "cloudtrail"
age = "100d"
retention = 365
filters = [
  { name = "root", pattern = '{ $.userIdentity.type = "Root" }', metric = "RootUse", namespace = "CIS" },
  { name = "iam", pattern = '{ $.eventSource = "iam.amazonaws.com" }', metric = "IamChanges", namespace = "CIS" },
]
[[accounts.regions.eu-central-1.log_groups]]
name = "other"

[[accounts.regions.eu-central-1.alarms]]
name = "root"
metric = "RootUse"
namespace = "CIS"
actions = ["alerts"]
dimensions = { a = "b" }
[[accounts.regions.eu-central-1.alarms]]
name = "silent"
metric = "IamChanges"
namespace = "CIS"
actions_enabled = false
state = "ALARM"

[[accounts.regions.eu-central-1.topics]]
name = "alerts"
display_name = "Alerts"
subscriptions = [{ endpoint = "ada@acme.example" }, { protocol = "https", endpoint = "https://acme.example", confirmed = false }]
"#;

const REGION: &str = "eu-central-1";

fn logs(world: &World, operation: &str, input: Value) -> Answer {
    world.json(At("logs", REGION), "Logs_20140328", operation, &input)
}

fn alarms(world: &World, operation: &str, input: Value) -> Answer {
    world.json(
        At("monitoring", REGION),
        "GraniteServiceVersion20100801",
        operation,
        &input,
    )
}

fn form(world: &World, service: &str, operation: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", operation).extend_pairs(parameters);
    world.call(At(service, REGION), "POST", "/", "", &form.finish())
}

fn cbor(world: &World, operation: &str, body: &[u8]) -> Answer {
    let signature = signature_in(&Signer::of(ACCOUNT), At("monitoring", REGION));
    let head = format!("{signature}smithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n");
    let path = format!("/service/GraniteServiceVersion20100801/operation/{operation}");
    send_bytes(world.server.address(), &path, &head, body).unwrap()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let items = answer[list].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn log_groups_and_their_filters_are_described() {
    let world = World::plant(SEED);
    let groups = logs(
        &world,
        "DescribeLogGroups",
        json!({ "logGroupNamePrefix": "cloud" }),
    )
    .json();
    assert_eq!(
        groups["logGroups"],
        json!([{
            "logGroupName": "cloudtrail", "creationTime": 1_779_624_000_000u64, "retentionInDays": 365, "metricFilterCount": 2,
            "arn": "arn:aws:logs:eu-central-1:123456789012:log-group:cloudtrail:*", "storedBytes": 0,
            "logGroupArn": "arn:aws:logs:eu-central-1:123456789012:log-group:cloudtrail", "logGroupClass": "STANDARD",
        }])
    );
    let filters = |input: Value| {
        names(
            &logs(&world, "DescribeMetricFilters", input).json(),
            "metricFilters",
            "filterName",
        )
    };
    assert_eq!(filters(json!({})), ["iam", "root"]);
    assert_eq!(
        filters(json!({ "logGroupName": "cloudtrail", "filterNamePrefix": "r" })),
        ["root"]
    );
    assert_eq!(
        filters(json!({ "metricName": "RootUse", "metricNamespace": "CIS" })),
        ["root"]
    );
    assert!(filters(json!({ "logGroupName": "other" })).is_empty());
    let first = logs(&world, "DescribeMetricFilters", json!({ "limit": 1 })).json();
    let second = logs(
        &world,
        "DescribeMetricFilters",
        json!({ "limit": 1, "nextToken": first["nextToken"] }),
    )
    .json();
    assert_eq!(
        (
            names(&second, "metricFilters", "filterName"),
            &second["nextToken"]
        ),
        (vec!["root".to_owned()], &Value::Null)
    );
    assert_eq!(
        second["metricFilters"][0]["metricTransformations"],
        json!([{ "metricName": "RootUse", "metricNamespace": "CIS", "metricValue": "1" }])
    );
    let failure = |input: Value| logs(&world, "DescribeMetricFilters", input).json_failure();
    assert_eq!(
        failure(json!({ "logGroupName": "none" })),
        (400, "ResourceNotFoundException".to_owned())
    );
    for wrong in [
        json!({ "metricName": "RootUse" }),
        json!({ "limit": 51 }),
        json!({ "nextToken": "made up" }),
    ] {
        assert_eq!(failure(wrong), (400, "InvalidParameterException".to_owned()));
    }
}

#[test]
fn a_metric_filter_is_put_and_deleted() {
    let world = World::plant(SEED);
    let before = world.state();
    let made = json!([{ "metricName": "M", "metricNamespace": "N", "metricValue": "1", "defaultValue": 0, "unit": "Count" }]);
    let put = json!({ "logGroupName": "other", "filterName": "new", "filterPattern": "{ $.a = 1 }", "metricTransformations": made });
    assert_eq!(logs(&world, "PutMetricFilter", put.clone()).status, 200);
    let shown = logs(
        &world,
        "DescribeMetricFilters",
        json!({ "logGroupName": "other" }),
    )
    .json();
    assert_eq!(
        shown["metricFilters"][0]["metricTransformations"][0]["defaultValue"],
        0.0
    );
    let failure = |name: &str, value: Value| {
        let mut wrong = put.clone();
        wrong[name] = value;
        logs(&world, "PutMetricFilter", wrong).json_failure().1
    };
    assert_eq!(
        failure("logGroupName", json!("none")),
        "ResourceNotFoundException"
    );
    assert_eq!(failure("filterName", json!("a*")), "InvalidParameterException");
    assert_eq!(
        failure("filterPattern", json!("{ $.a = 1")),
        "InvalidParameterException"
    );
    assert_eq!(
        failure("metricTransformations", json!([])),
        "InvalidParameterException"
    );
    assert_eq!(
        failure(
            "metricTransformations",
            json!([{ "metricName": "a:b", "metricNamespace": "N", "metricValue": "1" }])
        ),
        "InvalidParameterException"
    );
    let delete = json!({ "logGroupName": "other", "filterName": "new" });
    assert_eq!(logs(&world, "DeleteMetricFilter", delete.clone()).status, 200);
    assert_eq!(
        logs(&world, "DeleteMetricFilter", delete).json_failure().1,
        "ResourceNotFoundException"
    );
    assert_eq!(world.state(), before);
    for number in 0..100 {
        let mut another = put.clone();
        another["filterName"] = format!("f{number}").into();
        assert_eq!(
            logs(&world, "PutMetricFilter", another).status,
            200,
            "a hundred fit"
        );
    }
    assert_eq!(
        failure("filterName", json!("one too many")),
        "LimitExceededException"
    );
}

const ROOT_ARN: &str = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:root";

#[test]
fn alarms_are_described_in_json() {
    let world = World::plant(SEED);
    let described = |input: Value| {
        names(
            &alarms(&world, "DescribeAlarms", input).json(),
            "MetricAlarms",
            "AlarmName",
        )
    };
    assert_eq!(described(json!({})), ["root", "silent"]);
    assert_eq!(described(json!({ "AlarmNames": ["silent", "none"] })), ["silent"]);
    assert_eq!(described(json!({ "StateValue": "ALARM" })), ["silent"]);
    assert_eq!(described(json!({ "ActionPrefix": "arn:aws:sns:" })), ["root"]);
    assert!(described(json!({ "AlarmTypes": ["CompositeAlarm"] })).is_empty());
    let answer = alarms(&world, "DescribeAlarms", json!({ "MaxRecords": 1 }));
    assert!(answer.head.contains("application/x-amz-json-1.0"));
    let root = answer.json()["MetricAlarms"][0].clone();
    assert_eq!(
        (&root["AlarmArn"], &root["Threshold"], &root["Period"]),
        (&json!(ROOT_ARN), &json!(1.0), &json!(300))
    );
    assert_eq!(
        root["AlarmActions"],
        json!(["arn:aws:sns:eu-central-1:123456789012:alerts"])
    );
    let rest = alarms(
        &world,
        "DescribeAlarms",
        json!({ "MaxRecords": 1, "NextToken": answer.json()["NextToken"] }),
    );
    assert_eq!(names(&rest.json(), "MetricAlarms", "AlarmName"), ["silent"]);
    let bad = alarms(&world, "DescribeAlarms", json!({ "NextToken": "made up" }));
    assert_eq!(bad.json_failure(), (400, "InvalidNextToken".to_owned()));
    assert!(bad.head.contains("x-amzn-query-error: InvalidNextToken;Sender"));
    let metric = json!({ "MetricName": "RootUse", "Namespace": "CIS" });
    let of_metric = |input: &Value| {
        names(
            &alarms(&world, "DescribeAlarmsForMetric", input.clone()).json(),
            "MetricAlarms",
            "AlarmName",
        )
    };
    assert!(of_metric(&metric).is_empty(), "all dimensions have to be named");
    let mut whole = metric.clone();
    whole["Dimensions"] = json!([{ "Name": "a", "Value": "b" }]);
    assert_eq!(of_metric(&whole), ["root"]);
}

#[test]
fn an_alarm_is_put_by_a_form_and_read_in_json() {
    let world = World::plant(SEED);
    let put = |more: &[(&str, &str)]| {
        let mut parameters = vec![
            ("AlarmName", "new"),
            ("MetricName", "M"),
            ("Namespace", "N"),
            ("Statistic", "Sum"),
            ("Period", "60"),
            ("EvaluationPeriods", "2"),
            ("Threshold", "1.5"),
            ("ComparisonOperator", "GreaterThanThreshold"),
            (
                "AlarmActions.member.1",
                "arn:aws:sns:eu-central-1:123456789012:alerts",
            ),
            ("Dimensions.member.1.Name", "a"),
            ("Dimensions.member.1.Value", "b"),
        ];
        parameters.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        parameters.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        form(&world, "monitoring", "PutMetricAlarm", &parameters)
    };
    let made = put(&[]);
    assert!(
        made.body.starts_with(
            r#"<PutMetricAlarmResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">"#
        )
    );
    let new =
        alarms(&world, "DescribeAlarms", json!({ "AlarmNames": ["new"] })).json()["MetricAlarms"][0].clone();
    assert_eq!(
        (&new["Period"], &new["Threshold"], &new["ActionsEnabled"]),
        (&json!(60), &json!(1.5), &json!(true))
    );
    assert_eq!(
        (&new["StateValue"], &new["Dimensions"]),
        (
            &json!("INSUFFICIENT_DATA"),
            &json!([{ "Name": "a", "Value": "b" }])
        )
    );
    for wrong in [
        ("Period", "61"),
        ("Period", ""),
        ("EvaluationPeriods", "0"),
        ("Threshold", "high"),
        ("ComparisonOperator", "Greater"),
        ("Statistic", ""),
        ("ExtendedStatistic", "p99"),
        ("AlarmActions.member.1", "alerts"),
        ("AlarmName", ""),
    ] {
        assert_eq!(put(&[wrong]).failure(), (400, "ValidationError"), "{wrong:?}");
    }
    let described = form(
        &world,
        "monitoring",
        "DescribeAlarms",
        &[("AlarmNames.member.1", "new")],
    );
    assert_eq!(described.text("Threshold"), Some("1.5"));
    assert_eq!(
        described.text("StateUpdatedTimestamp"),
        Some("2026-09-01T12:00:00.000Z")
    );
}

#[test]
fn alarms_are_spoken_of_in_cbor() {
    let world = World::plant(SEED);
    let described = cbor(&world, "DescribeAlarms", b"\xa1\x6aAlarmNames\x81\x64root");
    assert_eq!(described.status, 200);
    assert!(
        described.head.contains("application/cbor")
            && described.head.contains("smithy-protocol: rpc-v2-cbor")
    );
    assert!(contains(&described.bytes, b"\x69AlarmName\x64root") && !contains(&described.bytes, b"silent"));
    assert!(
        contains(&described.bytes, b"\x69Threshold\xfb\x3f\xf0\0\0\0\0\0\0"),
        "a float"
    );
    assert!(
        contains(&described.bytes, b"\x66Period\x19\x01\x2c"),
        "an integer"
    );
    assert!(
        contains(&described.bytes, b"StateUpdatedTimestamp\xc1\x1a"),
        "a point in time"
    );
    let gone = cbor(&world, "DeleteAlarms", b"\xbf\x6aAlarmNames\x9f\x64root\xff\xff");
    assert_eq!((gone.status, gone.bytes.as_slice()), (200, &b"\xa0"[..]));
    let absent = cbor(
        &world,
        "DeleteAlarms",
        b"\xa1\x6aAlarmNames\x82\x66silent\x64root",
    );
    assert_eq!(absent.status, 404);
    assert!(contains(&absent.bytes, b"\x66__type\x70ResourceNotFound"));
    assert!(
        absent
            .head
            .contains("x-amzn-query-error: ResourceNotFound;Sender")
    );
    let left = alarms(&world, "DescribeAlarms", json!({})).json();
    assert_eq!(
        names(&left, "MetricAlarms", "AlarmName"),
        ["silent"],
        "with one that is absent, none is deleted"
    );
    assert_eq!(cbor(&world, "NoSuchOperation", b"\xa0").status, 404);
    let broken = cbor(&world, "DeleteAlarms", b"\xa1");
    assert_eq!(broken.status, 400);
    assert!(contains(&broken.bytes, b"SerializationException"));
    let json = world.call(
        At("monitoring", REGION),
        "POST",
        "/",
        "X-Amz-Target: GraniteServiceVersion20100801.DeleteAlarms\r\n",
        "{",
    );
    assert_eq!(json.json_failure(), (400, "SerializationException".to_owned()));
}

#[test]
fn topics_tell_who_is_subscribed() {
    let world = World::plant(SEED);
    let topic = ("TopicArn", "arn:aws:sns:eu-central-1:123456789012:alerts");
    let listed = form(&world, "sns", "ListSubscriptionsByTopic", &[topic]);
    assert_eq!(listed.texts("Protocol"), ["email", "https"]);
    let arns = listed.texts("SubscriptionArn");
    assert!(arns[0].starts_with("arn:aws:sns:eu-central-1:123456789012:alerts:"));
    assert_eq!(arns[1], "PendingConfirmation");
    let attributes = form(&world, "sns", "GetTopicAttributes", &[topic]);
    for (key, value) in [
        ("DisplayName", "Alerts"),
        ("SubscriptionsConfirmed", "1"),
        ("SubscriptionsPending", "1"),
    ] {
        assert!(
            attributes
                .body
                .contains(&format!("<entry><key>{key}</key><value>{value}</value></entry>")),
            "{key}"
        );
    }
    world.control("POST", "paging", r#"{"size": 1}"#);
    let first = form(&world, "sns", "ListSubscriptionsByTopic", &[topic]);
    let token = first.text("NextToken").unwrap();
    let second = form(
        &world,
        "sns",
        "ListSubscriptionsByTopic",
        &[topic, ("NextToken", token)],
    );
    assert_eq!(
        (second.texts("Protocol"), second.text("NextToken")),
        (vec!["https"], None)
    );
    let failure = |arn: &str| {
        let answer = form(&world, "sns", "GetTopicAttributes", &[("TopicArn", arn)]);
        let (status, code) = answer.failure();
        (status, code.to_owned())
    };
    assert_eq!(
        failure("arn:aws:sns:eu-central-1:123456789012:none"),
        (404, "NotFound".to_owned())
    );
    assert_eq!(
        failure("arn:aws:sns:us-east-1:123456789012:alerts"),
        (400, "InvalidParameter".to_owned())
    );
    assert_eq!(failure("alerts"), (400, "InvalidParameter".to_owned()));
}

#[test]
fn each_protocol_has_its_errors_and_broken_bodies() {
    let world = World::plant(SEED);
    let fault = |service, code: &str| {
        world.simulator.faults().clear();
        world
            .simulator
            .faults()
            .add(Fault::new(FaultKind::error(code)).of(service).in_region(REGION));
    };
    fault(Service::CloudWatch, "Throttling");
    let throttled = cbor(&world, "DescribeAlarms", b"\xa0");
    assert!(throttled.status == 400 && contains(&throttled.bytes, b"\x66__type\x6aThrottling"));
    fault(Service::Logs, "ServiceUnavailableException");
    assert_eq!(
        logs(&world, "DescribeLogGroups", json!({})).json_failure(),
        (503, "ServiceUnavailableException".to_owned())
    );
    fault(Service::Sns, "AuthorizationError");
    let topic = ("TopicArn", "arn:aws:sns:eu-central-1:123456789012:alerts");
    assert_eq!(
        form(&world, "sns", "GetTopicAttributes", &[topic]).failure(),
        (403, "AuthorizationError")
    );
    world.simulator.faults().clear();
    world.simulator.faults().add(Fault::new(FaultKind::MalformedBody));
    let broken = cbor(&world, "DescribeAlarms", b"\xa0");
    assert!(broken.status == 200 && broken.bytes.last() == Some(&b'<'));
    let counts = world.control("GET", "counts", "").json();
    assert_eq!(counts["operations"]["monitoring:DescribeAlarms"], 2);
    assert_eq!(world.simulator.calls()[0].region, REGION);
}

#[test]
fn seeds_name_nothing_twice() {
    for (what, again) in [
        ("log group `other`", "log_groups]]\nname = \"other\""),
        (
            "alarm `root`",
            "alarms]]\nname = \"root\"\nmetric = \"m\"\nnamespace = \"n\"",
        ),
        ("topic `alerts`", "topics]]\nname = \"alerts\""),
    ] {
        let seed = format!("{SEED}\n[[accounts.regions.eu-central-1.{again}\n");
        let error =
            aws_simulator::Simulator::from_seed(&aws_simulator::Seed::parse(&seed).unwrap()).unwrap_err();
        assert!(
            error.to_string().contains(&format!("{what} is there twice")),
            "{error}"
        );
    }
}
