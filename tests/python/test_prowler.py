"""Prowler's checks beside iamwarden's rules, on the same account: the same verdicts, or a difference that is told here and
in the documentation of the rule.

Each row of a group names a check, and the findings of a rule that say the same. What is expected to differ stands in
`DIFFERENCES`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import pytest
from moto.iam.models import AWSManagedPolicy

from moto_account import ACCOUNT, Root, ago
from regions import HOME, OTHER, REGIONS
from warden import ROOT, only

PYTHON = Path(os.environ.get("PROWLER_PYTHON", ROOT / "target/prowler-venv/bin/python"))
"""tests/run installs it."""

THE_ROOT = f"arn:aws:iam::{ACCOUNT}:root"
THE_TRAIL = f"arn:aws:cloudtrail:{HOME}:{ACCOUNT}:trail/audit"


def by_rule(rule):
    return lambda finding: finding["rule"] == rule


def by_control(rule, control):
    """Findings of a rule that answers several recommendations of the benchmark."""
    return lambda finding: finding["rule"] == rule and control in finding["evidence"].get("controls", [control])


def by_field(rule, *fields):
    """Findings that name one of these fields as falling short."""
    return lambda finding: finding["rule"] == rule and any(f in finding["evidence"].get("fields", {}) for f in fields)


def by_fact(rule, name):
    """Findings with this fact."""
    return lambda finding: finding["rule"] == rule and name in finding["evidence"]


def unwatched(event):
    """Nobody is told of the event, or of any."""
    return lambda finding: (
        finding["rule"] == "iam_alarms" and (finding["resource"] == THE_ROOT or finding["evidence"].get("event") == event)
    )


def coverage(finding):
    """No trail sees everything: one that could is widened or started, or there is none."""
    facts = finding["evidence"]
    lacks = "multi_region" in facts.get("fields", {}) or facts.get("logging") is False
    return finding["rule"] == "cloudtrail" and (lacks or finding["resource"] == THE_ROOT)


@dataclasses.dataclass(frozen=True)
class Group:
    """Checks, and the findings that say the same; the rules that find them, and how they are declared."""

    rows: dict
    rules: tuple[str, ...]
    declared: str
    regions: str = "us-east-1"
    of_the_account: tuple[str, ...] = ()
    """Checks that name something else than the rule does where the account as a whole falls short."""


ROOT_AND_MFA = Group(
    rows={
        "iam_user_mfa_enabled_console_access": by_rule("user_mfa"),
        "iam_root_mfa_enabled": by_control("root_account", "1.5"),
        "iam_root_hardware_mfa_enabled": by_control("root_account", "1.6"),
        "iam_no_root_access_key": by_control("root_account", "1.4"),
        "iam_avoid_root_usage": by_control("root_account", "1.7"),
    },
    rules=("user_mfa", "root_account"),
    declared='[rules.user_mfa]\nmode = "report"\n[rules.root_account]\nmode = "report"\nrequire_hardware = true\n',
    # One check names the account's devices instead of the root user.
    of_the_account=("iam_root_hardware_mfa_enabled",),
)

PEOPLE = Group(
    rows={
        "iam_rotate_access_key_90_days": by_rule("access_key_rotation"),
        "iam_user_accesskey_unused": by_rule("unused_access_keys"),
        "iam_user_console_access_unused": by_rule("unused_passwords"),
        "iam_password_policy_minimum_length_14": by_field("password_policy", "minimum_length"),
        "iam_password_policy_uppercase": by_field("password_policy", "require_uppercase"),
        "iam_password_policy_lowercase": by_field("password_policy", "require_lowercase"),
        "iam_password_policy_number": by_field("password_policy", "require_numbers"),
        "iam_password_policy_symbol": by_field("password_policy", "require_symbols"),
        "iam_password_policy_reuse_24": by_field("password_policy", "reuse_prevention"),
        "iam_password_policy_expires_passwords_within_90_days_or_less": by_field("password_policy", "max_age"),
        "iam_policy_attached_only_to_group_or_roles": by_control("broad_policies", "1.15"),
        "iam_customer_attached_policy_no_administrative_privileges": lambda finding: (
            by_control("broad_policies", "1.16")(finding) and finding["evidence"].get("policy_arn", "").count(ACCOUNT)
        ),
        "iam_aws_attached_policy_no_administrative_privileges": lambda finding: (
            by_control("broad_policies", "1.16")(finding) and ":aws:policy/" in finding["evidence"].get("policy_arn", "")
        ),
        "iam_inline_policy_no_administrative_privileges": lambda finding: (
            by_control("broad_policies", "1.16")(finding) and "inline_policy" in finding["evidence"]
        ),
        "iam_policy_cloudshell_admin_not_attached": by_control("broad_policies", "1.22"),
        "iam_role_cross_service_confused_deputy_prevention": by_rule("role_trust"),
    },
    rules=(
        "access_key_rotation",
        "unused_access_keys",
        "unused_passwords",
        "password_policy",
        "broad_policies",
        "role_trust",
    ),
    declared="""
        [rules.password_policy]
        mode = "report"
        minimum_length = 14
        require_uppercase = true
        require_lowercase = true
        require_numbers = true
        require_symbols = true
        max_age = "90d"
        reuse_prevention = 24
        [rules.unused_passwords]
        mode = "report"
        [rules.broad_policies]
        mode = "report"
        [rules.role_trust]
        mode = "report"
    """,
    of_the_account=tuple(
        f"iam_password_policy_{what}"
        for what in (
            "minimum_length_14",
            "uppercase",
            "lowercase",
            "number",
            "symbol",
            "reuse_24",
            "expires_passwords_within_90_days_or_less",
        )
    ),
)

EVENTS = {
    "cloudwatch_log_metric_filter_policy_changes": "iam_policy_changes",
    "cloudwatch_log_metric_filter_unauthorized_api_calls": "unauthorized_calls",
    "cloudwatch_log_metric_filter_root_usage": "root_use",
    "cloudwatch_log_metric_filter_sign_in_without_mfa": "console_sign_in_without_mfa",
    "cloudwatch_log_metric_filter_authentication_failures": "failed_sign_ins",
    "cloudwatch_log_metric_filter_and_alarm_for_cloudtrail_configuration_changes_enabled": "cloudtrail_changes",
}

LOGGING = Group(
    rows={
        "cloudtrail_multi_region_enabled_logging_management_events": coverage,
        "cloudtrail_log_file_validation_enabled": by_field("cloudtrail", "log_file_validation"),
        "cloudtrail_cloudwatch_logging_enabled": by_field("cloudtrail", "log_group"),
        "cloudtrail_logs_s3_bucket_is_not_publicly_accessible": by_fact("cloudtrail", "exposure"),
        **{check: unwatched(event) for check, event in EVENTS.items()},
    },
    rules=("cloudtrail", "iam_alarms"),
    declared=f"""
        {REGIONS}
        [rules.cloudtrail]
        mode = "report"
        [rules.iam_alarms]
        mode = "report"
        events = {json.dumps(list(EVENTS.values()))}
    """,
    regions=f"{HOME},{OTHER}",
    of_the_account=("cloudtrail_multi_region_enabled_logging_management_events", *EVENTS),
)


def safe(account):
    account.has_root(Root(password_last_used=ago(400)))
    for name in ("ada", "bob"):
        account.user(name)
        account.password(name)
        account.device(name)
    account.user("robot")


def bare(account):
    account.has_root(Root(mfa=False))
    for name in ("ada", "bob"):
        account.user(name)
        account.password(name)
    account.device("ada")
    account.user("robot")


def with_a_root_key(account):
    account.has_root(Root(keys=((True, ago(400), None),)))


def used_today(account):
    account.has_root(Root(password_last_used=ago(0, hours=6)))


def used_last_week(account):
    account.has_root(Root(password_last_used=ago(7)))


def with_an_inactive_root_key(account):
    account.has_root(Root(keys=((False, ago(400), None),)))


def with_an_old_report(account):
    account.has_root(Root(mfa=False, password="not_supported"))


def of_groot(account):
    account.has_root(Root())
    account.user("groot")
    account.device("groot")


CASES = {
    case.__name__: case
    for case in (
        safe,
        bare,
        with_a_root_key,
        used_today,
        used_last_week,
        with_an_inactive_root_key,
        with_an_old_report,
        of_groot,
    )
}

def arn(resource):
    return f"arn:aws:iam::{ACCOUNT}:{resource}"


def document(effect="Allow", action="*", resource="*", **more):
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}
    )


TRUST = document(action="sts:AssumeRole").replace('"Resource": "*"', '"Principal": {"Service": "lambda.amazonaws.com"}')
STRONG = {
    "minimum_password_length": 14,
    "require_uppercase_characters": True,
    "require_lowercase_characters": True,
    "require_numbers": True,
    "require_symbols": True,
    "max_password_age": 90,
    "password_reuse_prevention": 24,
}


def role_with(account, name, policies):
    """A role that carries policies of these documents."""
    role = account.iam.create_role(name, TRUST, "/", None, "", [], 3600)
    for policy, text in policies.items():
        made = account.iam.create_policy("", "/", text, policy, [])
        account.iam.attach_role_policy(made.arn, name)
    return role


def of_aws(account, name, text):
    """A managed policy of AWS: moto's own thousand take seconds to load."""
    dates = {"CreateDate": "2020-01-01T00:00:00+00:00", "UpdateDate": "2020-01-01T00:00:00+00:00"}
    data = {"DefaultVersionId": "v1", "Path": "/", "Document": json.loads(text), **dates}
    policy = AWSManagedPolicy.from_data(name, ACCOUNT, "us-east-1", data)
    account.iam.managed_policies[policy.arn] = policy
    return policy.arn


def untidy(account):
    for name, age, used, status in (
        ("key-old", 120, 1, "Active"),
        ("key-at-the-limit", 90.1, 1, "Active"),
        ("key-old-and-inactive", 120, 1, "Inactive"),
        ("key-unused", 80, 60, "Active"),
        ("key-never-used", 80, None, "Active"),
        ("key-in-use", 80, 1, "Active"),
    ):
        account.user(name)
        account.key(name, age, used=used, status=status)
    for name, used in (("password-unused", 100), ("password-never-used", None), ("password-in-use", 3)):
        made = account.user(name)
        account.password(name)
        made.password_last_used = ago(used) if used else None
    account.password_policy(minimum_password_length=8, require_numbers=True, max_password_age=180)
    for name, effect in (("with-its-own", "Allow"), ("only-denied", "Deny")):
        account.user(name)
        account.iam.put_user_policy(name, "own", document(effect, "s3:GetObject"))
    with_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    policies = {
        "admin": document(),
        "by-arn": document(resource="arn:aws:*"),
        "with-mfa": document(Condition=with_mfa),
        "narrow": document(action="s3:GetObject"),
    }
    role_with(account, "of-lambda", policies)
    account.iam.put_role_policy("of-lambda", "own", document())
    account.iam.attach_role_policy(of_aws(account, "AdministratorAccess", document()), "of-lambda")
    account.iam.attach_role_policy(of_aws(account, "AWSCloudShellFullAccess", document(action="cloudshell:*")), "of-lambda")


def tidy(account):
    account.user("ada")
    account.key("ada", 20, used=1)
    account.password_policy(**STRONG)
    role_with(account, "of-lambda", {"narrow": document(action="s3:GetObject", resource="arn:aws:s3:::app/*")})


def without_a_policy(account):
    account.user("ada")


CASES_OF_PEOPLE = {case.__name__: case for case in (untidy, tidy, without_a_policy)}

PATTERNS = {
    "iam_policy_changes": "{ " + " || ".join(f"($.eventName = {name})" for name in (
        "DeleteGroupPolicy", "DeleteRolePolicy", "DeleteUserPolicy", "PutGroupPolicy", "PutRolePolicy", "PutUserPolicy",
        "CreatePolicy", "DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion", "AttachRolePolicy",
        "DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy", "DetachGroupPolicy",
    )) + " }",
    "unauthorized_calls": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
    "root_use": (
        '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType != "AwsServiceEvent" }'
    ),
    "console_sign_in_without_mfa": '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }',
    "failed_sign_ins": '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
    "cloudtrail_changes": "{ " + " || ".join(f"($.eventName = {name})" for name in (
        "CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging",
    )) + " }",
}


def watch(cloud, patterns, **alarm):
    """A filter and an alarm for each of these, and somebody who hears of it."""
    cloud("logs").create_log_group(logGroupName="trail")
    topic = cloud("sns").create_topic(Name="security")["TopicArn"]
    cloud("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="soc@example.com")
    settings = {"Statistic": "Sum", "Period": 300, "EvaluationPeriods": 1, "Threshold": 1.0, "AlarmActions": [topic]}
    settings["ComparisonOperator"] = "GreaterThanOrEqualToThreshold"
    for name, pattern in patterns.items():
        metric = {"metricName": name, "metricNamespace": "Theirs", "metricValue": "1"}
        cloud("logs").put_metric_filter(
            logGroupName="trail", filterName=name, filterPattern=pattern, metricTransformations=[metric]
        )
        own = alarm if name == "failed_sign_ins" else {}
        cloud("cloudwatch").put_metric_alarm(
            AlarmName=name, Namespace="Theirs", MetricName=name, **{**settings, **own}
        )


def logs_everything(cloud, trail):
    trail()
    # As every trail of AWS has it that nobody changed; moto has nothing then.
    everything = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
    cloud("cloudtrail").put_event_selectors(TrailName="audit", EventSelectors=everything)


def watched(cloud, trail):
    watch(cloud, PATTERNS)
    logs_everything(cloud, trail)


def neglected(cloud, trail):
    cloud("s3").put_bucket_acl(Bucket="trail-logs", ACL="public-read")
    nothing = {"CloudWatchLogsLogGroupArn": "", "CloudWatchLogsRoleArn": ""}
    trail(logging=False, IsMultiRegionTrail=False, EnableLogFileValidation=False, **nothing)


def watched_otherwise(cloud, trail):
    cloud("s3").put_bucket_policy(
        Bucket="trail-logs",
        Policy=document(action="s3:GetObject", resource="arn:aws:s3:::trail-logs/*", Principal="*"),
    )
    others = {
        # The same, in another order.
        "root_use": (
            '{ $.eventType != "AwsServiceEvent" && $.userIdentity.invokedBy NOT EXISTS && $.userIdentity.type = "Root" }'
        ),
        # Less than the event.
        "console_sign_in_without_mfa": (
            '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.sourceIPAddress = "10.*") }'
        ),
    }
    watch(cloud, {**PATTERNS, **others}, ActionsEnabled=False)
    logs_everything(cloud, trail)


CASES_OF_LOGGING = {case.__name__: case for case in (watched, neglected, watched_otherwise)}

# By case and check: which of the two objects to whom, and why. The documentation of the rule says the same.
DIFFERENCES = {
    # It looks back one day, the rule thirty.
    ("used_last_week", "iam_avoid_root_usage"): {"iamwarden": {THE_ROOT}},
    # It passes keys that are inactive.
    ("with_an_inactive_root_key", "iam_no_root_access_key"): {"iamwarden": {THE_ROOT}},
    # It says nothing of root where the report does not show a password as `true`.
    ("with_an_old_report", "iam_root_mfa_enabled"): {"iamwarden": {THE_ROOT}},
    ("with_an_old_report", "iam_root_hardware_mfa_enabled"): {"iamwarden": {THE_ROOT}},
    # It takes the device of a user whose ARN has `root` in it for root's.
    ("of_groot", "iam_root_hardware_mfa_enabled"): {"prowler": {THE_ROOT}},
    # It counts days over the limit, the rule the limit itself.
    ("untidy", "iam_rotate_access_key_90_days"): {"iamwarden": {arn("user/key-at-the-limit")}},
    # It passes what was never used.
    ("untidy", "iam_user_accesskey_unused"): {"iamwarden": {arn("user/key-never-used")}},
    ("untidy", "iam_user_console_access_unused"): {"iamwarden": {arn("user/password-never-used")}},
    # It counts policies that only deny.
    ("untidy", "iam_policy_attached_only_to_group_or_roles"): {"prowler": {arn("user/only-denied")}},
    # It knows everything by `*` alone, and looks at no condition.
    ("untidy", "iam_customer_attached_policy_no_administrative_privileges"): {
        "prowler": {arn("policy/with-mfa")},
        "iamwarden": {arn("policy/by-arn")},
    },
    # It looks for the deputies of services, the rule for those of accounts and providers.
    ("untidy", "iam_role_cross_service_confused_deputy_prevention"): {"prowler": {arn("role/of-lambda")}},
    ("tidy", "iam_role_cross_service_confused_deputy_prevention"): {"prowler": {arn("role/of-lambda")}},
    # It asks for a delivery within a day, of which moto knows nothing.
    ("watched", "cloudtrail_cloudwatch_logging_enabled"): {"prowler": {THE_TRAIL}},
    ("watched_otherwise", "cloudtrail_cloudwatch_logging_enabled"): {"prowler": {THE_TRAIL}},
    # Of a filter it knows one order of the terms, and none that narrows it; of alarms it takes any.
    ("watched_otherwise", "cloudwatch_log_metric_filter_root_usage"): {"prowler": {THE_ROOT}},
    ("watched_otherwise", "cloudwatch_log_metric_filter_sign_in_without_mfa"): {"iamwarden": {THE_ROOT}},
    ("watched_otherwise", "cloudwatch_log_metric_filter_authentication_failures"): {"iamwarden": {THE_ROOT}},
    # It looks at the access control list alone.
    ("watched_otherwise", "cloudtrail_logs_s3_bucket_is_not_publicly_accessible"): {
        "iamwarden": {THE_TRAIL}
    },
}


def objections_of_prowler(account, group) -> dict[str, set[str]]:
    """By check, the resources that it fails."""
    assert PYTHON.exists(), f"{PYTHON}: tests/run installs it"
    environment = {**os.environ, **account.environment()}
    done = subprocess.run(
        [str(PYTHON), str(Path(__file__).parent / "prowler/run_checks.py"), group.regions, *group.rows],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout[done.stdout.index("[") :])
    assert said, "it looked at nothing"
    objections = {check: set() for check in group.rows}
    for one in said:
        if one["status"] == "FAIL":
            resource = THE_ROOT if one["check"] in group.of_the_account else one["resource"]
            objections[one["check"]].add(resource)
    return objections


def objections_of_iamwarden(warden, group) -> dict[str, set[str]]:
    warden.configure(only(*group.rules), group.declared)
    plan = warden.plan()
    broken = [finding for finding in plan["findings"] if finding["status"] == "violation"]
    objections = {}
    for check, says_the_same in group.rows.items():
        found = {finding["resource"] for finding in broken if says_the_same(finding)}
        objections[check] = {THE_ROOT} if found and check in group.of_the_account else found
    return objections


def differences_between(account, warden, group, case) -> dict:
    prowler, iamwarden = objections_of_prowler(account, group), objections_of_iamwarden(warden, group)
    differences = {}
    for check in group.rows:
        only_one = {
            "prowler": prowler[check] - iamwarden[check],
            "iamwarden": iamwarden[check] - prowler[check],
        }
        if any(only_one.values()):
            differences[case, check] = {who: whom for who, whom in only_one.items() if whom}
    return differences


def documented(case) -> dict:
    return {of: what for of, what in DIFFERENCES.items() if of[0] == case}


@pytest.mark.xdist_group("prowler")
@pytest.mark.parametrize("case", CASES)
def test_the_two_agree_or_differ_as_documented(account, warden, case):
    CASES[case](account)
    assert differences_between(account, warden, ROOT_AND_MFA, case) == documented(case)


@pytest.mark.xdist_group("prowler-people")
@pytest.mark.parametrize("case", CASES_OF_PEOPLE)
def test_they_agree_on_credentials_and_policies(account, warden, case):
    CASES_OF_PEOPLE[case](account)
    assert differences_between(account, warden, PEOPLE, case) == documented(case)


@pytest.mark.xdist_group("prowler-logging")
@pytest.mark.parametrize("case", CASES_OF_LOGGING)
def test_they_agree_on_trails_and_alarms(account, warden, cloud, trail, case):
    CASES_OF_LOGGING[case](cloud, trail)
    assert differences_between(account, warden, LOGGING, case) == documented(case)
