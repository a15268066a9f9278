"""CloudTrail in several regions: found, mended and given back, on moto's CloudTrail and S3."""

from __future__ import annotations

import json

import pytest

from moto_account import ACCOUNT, json_error
from regions import HOME, OTHER, REGIONS, only
from warden import FREELY

ONLY = only("cloudtrail")


def settings(cloud, name: str = "audit") -> dict:
    client = cloud("cloudtrail")
    found = client.describe_trails(trailNameList=[name])["trailList"][0]
    return {**found, "IsLogging": client.get_trail_status(Name=name)["IsLogging"]}


def told(plan: dict) -> list[tuple[str, str]]:
    return sorted((finding["status"], finding["title"]) for finding in plan["findings"])


def test_a_sound_trail_is_in_order(account, warden, trail):
    trail()
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=0)
    assert told(plan) == []
    # Both regions were looked at, and what is asked of a trail was asked at its home, once.
    calls = {name: count for name, count in plan["api_calls"].items() if not name.startswith(("iam:", "sts:"))}
    assert calls == {
        "cloudtrail:DescribeTrails": 2,
        "cloudtrail:GetTrailStatus": 1,
        "cloudtrail:GetEventSelectors": 1,
        "s3:GetBucketPolicyStatus": 1,
        "s3:GetBucketAcl": 1,
        "s3:GetBucketPublicAccessBlock": 1,
    }
    assert account.writes() == []


def test_a_stopped_trail_is_started_and_stopped_again_by_rollback(account, warden, trail, cloud):
    trail(logging=False)
    warden.configure(FREELY, REGIONS, ONLY)
    action = warden.plan(code=2)["actions"][0]
    assert (action["kind"], action["inverse"]["kind"]) == ("start_logging", "stop_logging")
    warden.apply(code=0)
    assert settings(cloud)["IsLogging"] is True
    assert [name for name, _ in account.writes()] == ["StartLogging"]
    warden.apply(code=0)
    assert len(account.writes()) == 1, "a second run writes nothing"
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert settings(cloud)["IsLogging"] is False


def test_only_what_falls_short_is_set_and_all_of_it_given_back(account, warden, trail, cloud):
    trail(
        EnableLogFileValidation=False,
        CloudWatchLogsLogGroupArn="",
        CloudWatchLogsRoleArn="",
        S3KeyPrefix="kept",
        KmsKeyId="kept-too",
    )
    before = settings(cloud)
    warden.configure(FREELY, REGIONS, ONLY, 'log_group = "trail"\nlog_role = "service/trail"\n')
    action = warden.plan(code=2)["actions"][0]
    warden.apply(code=0)
    sent = [body for name, body in account.writes() if name == "UpdateTrail"]
    group, role = f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:trail:*", f"arn:aws:iam::{ACCOUNT}:role/service/trail"
    expected = {
        "Name": "audit",
        "EnableLogFileValidation": True,
        "CloudWatchLogsLogGroupArn": group,
        "CloudWatchLogsRoleArn": role,
    }
    assert sent == [expected], "what is not to be set is not sent"
    after = settings(cloud)
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"LogFileValidationEnabled", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn"}
    assert told(warden.plan(code=0)) == []
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert settings(cloud) == before


def test_unset_options_turn_nothing_off(account, warden, trail, cloud):
    """Nothing declared, nothing falling short but logging: validation stays on, and so does everything else."""
    trail(logging=False)
    before = settings(cloud)
    warden.configure(FREELY, REGIONS, ONLY)
    warden.apply(code=0)
    assert {**settings(cloud), "IsLogging": False} == before


def test_a_trail_of_one_region_is_widened(account, warden, trail, cloud):
    trail(IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
    warden.configure(FREELY, REGIONS, ONLY)
    action = warden.plan(code=2)["actions"][0]
    assert action["parameters"] == {"global_service_events": True, "multi_region": True}
    warden.apply(code=0)
    assert settings(cloud)["IsMultiRegionTrail"] is True
    assert told(warden.plan(code=0)) == []
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert settings(cloud)["IsMultiRegionTrail"] is False


def test_a_trail_is_made_where_a_bucket_is_declared_and_deleted_by_rollback(account, warden, cloud):
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=0)
    assert told(plan) == [("violation", "No trail of all regions logs all management events")]
    assert plan["actions"] == []
    declared = 'bucket = "trail-logs"\nlog_group = "trail"\nlog_role = "trail"\n'
    warden.configure(FREELY, REGIONS, ONLY, declared)
    action = warden.plan(code=2)["actions"][0]
    assert (action["kind"], action["resource"]) == ("create_trail", f"arn:aws:iam::{ACCOUNT}:root")
    warden.apply(code=0)
    made = settings(cloud, "iamwarden")
    assert (made["HomeRegion"], made["IsLogging"], made["LogFileValidationEnabled"]) == (HOME, True, True)
    assert told(warden.plan(code=0)) == []
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert cloud("cloudtrail").describe_trails()["trailList"] == []


def test_a_trail_without_a_bucket_that_lets_it_write_fails_and_says_why(account, warden, cloud):
    warden.configure(FREELY, REGIONS, ONLY, 'bucket = "not-there"\n')
    ended = warden.apply(code=3)
    assert "S3BucketDoesNotExistException" in ended.out + ended.err
    assert cloud("cloudtrail").describe_trails()["trailList"] == []


@pytest.mark.parametrize(
    ("selectors", "in_order"),
    [
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]}, False),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}, False),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}, True),
        (
            {
                "AdvancedEventSelectors": [
                    {"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
                ]
            },
            True,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "Name": "reads",
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "readOnly", "Equals": ["true"]},
                        ],
                    }
                ]
            },
            False,
        ),
    ],
)
def test_what_a_trail_logs_decides(warden, trail, cloud, selectors, in_order):
    trail()
    cloud("cloudtrail").put_event_selectors(TrailName="audit", **selectors)
    warden.configure(FREELY, REGIONS, ONLY)
    expected = [] if in_order else [("violation", "No trail of all regions logs all management events")]
    assert told(warden.plan(code=0)) == expected


def test_an_open_bucket_is_critical_and_left_to_people(account, warden, trail, cloud):
    trail()
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::trail-logs/*"}
        ],
    }
    cloud("s3").put_bucket_policy(Bucket="trail-logs", Policy=json.dumps(policy))
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=0)
    assert [(f["severity"], f["title"]) for f in plan["findings"]] == [
        ("critical", "The logs of the trail audit are open to everybody")
    ]
    assert plan["actions"] == []
    barred = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    cloud("s3").put_public_access_block(Bucket="trail-logs", PublicAccessBlockConfiguration=barred)
    assert told(warden.plan(code=0)) == []


def test_an_access_control_list_opens_a_bucket_too(warden, trail, cloud):
    trail()
    cloud("s3").put_bucket_acl(Bucket="trail-logs", ACL="public-read")
    warden.configure(FREELY, REGIONS, ONLY)
    assert told(warden.plan(code=0)) == [("violation", "The logs of the trail audit are open to everybody")]


def test_the_trail_of_an_organization_is_judged_and_never_changed(account, warden, trail):
    trail(logging=False, EnableLogFileValidation=False, IsOrganizationTrail=True)
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=0)
    assert {finding["status"] for finding in plan["findings"]} == {"violation"}
    assert plan["actions"] == []
    warden.apply(code=0)
    assert account.writes() == []


def test_an_exempt_trail_is_left_alone(account, warden, trail):
    trail(logging=False)
    exemption = """
[[exemptions]]
principals = ["trail/aud*"]
rules = ["cloudtrail"]
until = "2099-12-31"
reason = "moved to a lake, SEC-7"
"""
    warden.configure(FREELY, REGIONS, ONLY, exemption)
    plan = warden.plan(code=0)
    assert told(plan) == [("exempt", "The trail audit has stopped logging")]
    warden.apply(code=0)
    assert account.writes() == []


def of_region(region: str, answer: tuple[str, str]):
    """A fault of CloudTrail in one region alone."""

    def fault(action, parameters):
        return answer if (action, parameters.region) == ("DescribeTrails", region) else None

    return fault


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (json_error("AccessDeniedException", "not allowed"), "denied"),
        (json_error("ThrottlingException", "Rate exceeded"), "throttled"),
        (("503 Service Unavailable", "<html>down</html>"), "failed"),
    ],
)
def test_a_region_that_fails_is_unknown_and_not_in_order(account, warden, trail, answer, cause):
    trail()
    account.faults.append(of_region(OTHER, answer))
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=3)
    assert told(plan) == [("unknown", f"The trails of {OTHER} could not be read")]
    problems = [p for p in plan["accounts"][0]["errors"] if p["operation"] == "cloudtrail:DescribeTrails"]
    assert [problem["cause"] for problem in problems] == [cause]
    warden.apply(code=3)
    assert account.writes() == []


def test_whether_a_trail_logs_is_unknown_where_that_is_denied(account, warden, trail):
    trail(logging=False)

    def fault(action, _):
        return json_error("AccessDeniedException", "not allowed") if action == "GetTrailStatus" else None

    account.faults.append(fault)
    warden.configure(FREELY, REGIONS, ONLY)
    plan = warden.plan(code=3)
    assert {finding["status"] for finding in plan["findings"]} == {"unknown"}
    assert plan["actions"] == []


def test_a_trail_that_was_changed_after_the_plan_is_stale(account, warden, trail, cloud):
    trail(EnableLogFileValidation=False)
    reads = []

    def fault(action, _):
        if action == "DescribeTrails":
            reads.append(action)
            if len(reads) == 3:
                cloud("cloudtrail").update_trail(Name="audit", S3KeyPrefix="moved")

    account.faults.append(fault)
    warden.configure(FREELY, REGIONS, ONLY)
    warden.apply(code=3)
    assert account.writes() == []
    assert warden.outcomes()[-1] == "stale"


def test_a_rollback_after_somebodys_change_is_refused(account, warden, trail, cloud):
    trail(EnableLogFileValidation=False)
    warden.configure(FREELY, REGIONS, ONLY)
    action = warden.plan(code=2)["actions"][0]
    warden.apply(code=0)
    cloud("cloudtrail").update_trail(Name="audit", S3KeyPrefix="moved")
    warden.run("rollback", "--action", action["id"], "--yes", code=1)
    assert settings(cloud)["LogFileValidationEnabled"] is True


def test_the_printed_policy_is_what_is_called(account, warden, trail):
    trail(logging=False, EnableLogFileValidation=False)
    warden.configure(FREELY, REGIONS, ONLY, 'bucket = "trail-logs"\nlog_group = "trail"\nlog_role = "trail"\n')
    policy = warden.run("permissions", code=0).json
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    read = set(warden.plan()["api_calls"]) - {"sts:GetCallerIdentity"}
    changes = {"cloudtrail:StartLogging", "cloudtrail:UpdateTrail", "cloudtrail:CreateTrail"}
    assert allowed == read | changes | {"iam:PassRole"}
    [passing] = [statement for statement in policy["Statement"] if "iam:PassRole" in statement["Action"]]
    assert passing["Resource"] == ["arn:aws:iam::*:role/trail"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudtrail.amazonaws.com"}}


def test_without_regions_that_of_the_environment_is_looked_at(warden, trail):
    trail(IsMultiRegionTrail=False)
    warden.configure(FREELY, ONLY)
    plan = warden.plan(AWS_REGION=OTHER, code=0)
    assert told(plan) == [("violation", "No trail of all regions logs all management events")]
    plan = warden.plan(AWS_REGION=HOME, code=2)
    assert [action["kind"] for action in plan["actions"]] == ["update_trail"]
