"""Events that nobody is told of: found, watched and given back, on moto's Logs, CloudWatch and SNS."""

from __future__ import annotations

import pytest
from moto.sns.models import sns_backends

from moto_account import ACCOUNT, error, json_error
from regions import HOME, REGIONS, only
from warden import FREELY

EVENTS = [
    "cloudtrail_changes",
    "console_sign_in_without_mfa",
    "failed_sign_ins",
    "iam_policy_changes",
    "key_creation",
    "root_use",
    "unauthorized_calls",
]
ALL = only("iam_alarms") + 'topic = "security"\n'
ROOT_ONLY = ALL + 'events = ["root_use"]\n'
ROOT_PATTERN = (
    '{ $.eventType != "AwsServiceEvent" && $.userIdentity.invokedBy NOT EXISTS && $.userIdentity.type = "Root" }'
)
TOPIC = f"arn:aws:sns:{HOME}:{ACCOUNT}:security"


@pytest.fixture
def group(account, cloud, trail):
    """The log group of a sound trail, and a topic with one subscriber; people enough that the caps hold nothing back."""
    for number in range(20):
        account.user(f"person-{number}")
    cloud("logs").create_log_group(logGroupName="trail")
    trail()
    cloud("sns").create_topic(Name="security")
    cloud("sns").subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="soc@example.com")
    return "trail"


@pytest.fixture
def watched(cloud, group):
    """Use of root, watched by somebody's own filter and alarm."""
    metric = {"metricName": "Root", "metricNamespace": "Theirs", "metricValue": "1"}
    cloud("logs").put_metric_filter(
        logGroupName=group, filterName="theirs", filterPattern=ROOT_PATTERN, metricTransformations=[metric]
    )
    cloud("cloudwatch").put_metric_alarm(
        AlarmName="theirs",
        Namespace="Theirs",
        MetricName="Root",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[TOPIC],
    )


def told(plan: dict) -> list[tuple[str, str]]:
    return sorted((finding["status"], finding["title"]) for finding in plan["findings"])


def filters(cloud) -> dict[str, dict]:
    found = cloud("logs").describe_metric_filters(logGroupName="trail")["metricFilters"]
    return {one["filterName"]: one for one in found}


def alarms(cloud) -> dict[str, dict]:
    return {alarm["AlarmName"]: alarm for alarm in cloud("cloudwatch").describe_alarms()["MetricAlarms"]}


def test_an_empty_log_group_is_watched_and_given_back(account, warden, cloud, group):
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=2)
    kinds = sorted(action["kind"] for action in plan["actions"])
    assert kinds == ["put_metric_alarm"] * 7 + ["put_metric_filter"] * 7
    warden.apply(code=0)
    assert sorted(filters(cloud)) == [f"iamwarden-{event}" for event in EVENTS]
    assert sorted(alarms(cloud)) == [f"iamwarden-{event}" for event in EVENTS]
    made = alarms(cloud)["iamwarden-root_use"]
    assert (made["AlarmActions"], made["MetricName"], made["Namespace"]) == ([TOPIC], "root_use", "iamwarden")
    assert (made["Threshold"], made["Statistic"], made["Period"]) == (1.0, "Sum", 300)
    writes = len(account.writes())
    assert writes == 14
    assert told(warden.plan(code=0)) == []
    warden.apply(code=0)
    assert len(account.writes()) == writes, "a second run writes nothing"
    run = warden.history()["runs"]
    applied = next(run["id"] for run in run if run["actions"])
    warden.run("rollback", "--run", applied, "--yes", code=0)
    assert (filters(cloud), alarms(cloud)) == ({}, {})


def test_filter_and_alarm_of_ones_own_are_in_order(account, warden, watched):
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    plan = warden.plan(code=0)
    assert told(plan) == []
    calls = {name for name in plan["api_calls"] if not name.startswith(("iam:", "sts:", "cloudtrail:"))}
    assert calls == {"logs:DescribeMetricFilters", "cloudwatch:DescribeAlarms", "sns:ListSubscriptionsByTopic"}
    assert account.writes() == []


def test_a_filter_without_an_alarm_gets_one_on_its_own_metric(warden, cloud, watched):
    cloud("cloudwatch").delete_alarms(AlarmNames=["theirs"])
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    warden.apply(code=0)
    made = alarms(cloud)["iamwarden-root_use"]
    assert (made["Namespace"], made["MetricName"]) == ("Theirs", "Root")
    assert told(warden.plan(code=0)) == []


def test_a_topic_that_nobody_confirmed_is_for_people(account, warden, watched):
    for subscription in sns_backends[ACCOUNT][HOME].subscriptions.values():
        subscription.arn = "PendingConfirmation"
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    plan = warden.plan(code=0)
    assert told(plan) == [("violation", "Nobody hears the alarm on use of the root user")]
    warden.apply(code=0)
    assert account.writes() == []


def test_without_a_log_group_there_is_one_finding(warden, trail):
    trail(CloudWatchLogsLogGroupArn="", CloudWatchLogsRoleArn="")
    warden.configure(FREELY, REGIONS, ALL)
    assert told(warden.plan(code=0)) == [
        ("violation", "There is no log group in which access could be watched")
    ]


def test_an_exempt_log_group_is_left_alone(account, warden, group):
    exemption = """
[[exemptions]]
principals = ["log-group:trail"]
rules = ["iam_alarms"]
until = "2099-12-31"
reason = "watched by the SIEM, SEC-8"
"""
    warden.configure(FREELY, REGIONS, ROOT_ONLY, exemption)
    plan = warden.plan(code=0)
    assert {finding["status"] for finding in plan["findings"]} == {"exempt"}
    warden.apply(code=0)
    assert account.writes() == []


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("DescribeMetricFilters", json_error("AccessDeniedException", "not allowed")),
        ("DescribeAlarms", error("AccessDenied", "not allowed", "403 Forbidden")),
        ("DescribeAlarms", error("Throttling", "Rate exceeded")),
        ("ListSubscriptionsByTopic", error("AuthorizationError", "not allowed", "403 Forbidden")),
        ("DescribeMetricFilters", ("200 OK", '{"metricFilters": [')),
        ("DescribeAlarms", ("200 OK", "<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms>")),
        ("DescribeAlarms", ("503 Service Unavailable", "<html>down</html>")),
    ],
)
def test_what_could_not_be_read_is_unknown(account, warden, watched, operation, answer):
    account.faults.append(lambda action, _: answer if action == operation else None)
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    plan = warden.plan(code=3)
    assert told(plan) == [("unknown", "Whether anybody is told of use of the root user is not known")]
    warden.apply(code=3)
    assert account.writes() == []


def test_a_name_that_is_taken_is_left_alone(account, warden, cloud, group):
    metric = {"metricName": "x", "metricNamespace": "y", "metricValue": "1"}
    cloud("logs").put_metric_filter(
        logGroupName=group,
        filterName="iamwarden-root_use",
        filterPattern="{ $.eventName = Other }",
        metricTransformations=[metric],
    )
    before = filters(cloud)
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    assert told(warden.plan(code=0)) == [("violation", "No metric filter looks for use of the root user")]
    warden.apply(code=0)
    assert filters(cloud) == before
    assert account.writes() == []


def test_a_rollback_after_somebodys_change_is_refused(warden, cloud, group):
    warden.configure(FREELY, REGIONS, ROOT_ONLY)
    actions = {action["kind"]: action["id"] for action in warden.plan(code=2)["actions"]}
    warden.apply(code=0)
    cloud("cloudwatch").put_metric_alarm(
        AlarmName="iamwarden-root_use",
        Namespace="iamwarden",
        MetricName="root_use",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=3.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[TOPIC],
    )
    warden.run("rollback", "--action", actions["put_metric_alarm"], "--yes", code=1)
    assert alarms(cloud)["iamwarden-root_use"]["Threshold"] == 3.0


def test_the_printed_policy_is_what_is_called(warden, cloud, watched):
    warden.configure(FREELY, REGIONS, ALL)
    policy = warden.run("permissions", code=0).json
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    read = set(warden.plan()["api_calls"]) - {"sts:GetCallerIdentity"}
    assert allowed == read | {"logs:PutMetricFilter", "cloudwatch:PutMetricAlarm"}
    undoing = warden.run("permissions", "--rollback", code=0).json
    undo = next(statement for statement in undoing["Statement"] if statement["Sid"] == "Undo")
    assert undo["Action"] == ["cloudwatch:DeleteAlarms", "logs:DeleteMetricFilter"]
