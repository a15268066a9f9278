"""The printed policies under moto's enforcement of IAM: with exactly them iamwarden works, and without any one action or
statement of them something breaks. So none is missing, and none is too many.

iamwarden runs as a role that may only assume the member's role and read a secret; that one reads and changes; a third one
undoes. moto checks the action of every call; what it does not check by itself is added here: the resource of a call,
handing over a role, and what `MotoAccount` answers in moto's place.
"""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import json
import time
from typing import Callable, Iterator

import boto3
import pytest
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, IAMRequestBase, PermissionResult
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends

from moto_account import ACCOUNT, Call, Root, ago, error
from regions import HOME, REGIONS
from test_iam_alarms import ROOT_PATTERN
from warden import FREELY, PATIENCE, all_rules, only, until

SELF, MEMBER, ROLLBACK = "iamwarden-task", "iamwarden", "iamwarden-rollback"
SECRET, EXTERNAL_ID = "iamwarden/external-id", "CANARY-external-id"
ROLES = f"""
[[accounts]]
id = "{ACCOUNT}"
name = "prod"
role_arn = "arn:aws:iam::{ACCOUNT}:role/{MEMBER}"
external_id = "secretsmanager:{SECRET}"
rollback_role_arn = "arn:aws:iam::{ACCOUNT}:role/{ROLLBACK}"
"""
OPTION = {SELF: (), MEMBER: ("--member",), ROLLBACK: ("--rollback",)}


# -------------------------------------------------------------------------------------------------------- enforcement


def resource_of(action: str, parameters: dict) -> str:
    """The ARN that a call is about; `*` where its action knows no resource, or no statement of ours names one."""

    def said(name: str) -> str | None:
        value = parameters.get(name)
        return value[0] if isinstance(value, list) else value

    if action == "secretsmanager:GetSecretValue":
        secrets = secretsmanager_backends[ACCOUNT]["us-east-1"].secrets
        found = secrets.get(said("SecretId"))
        return found.arn if found else "*"
    if action == "sts:AssumeRole":
        return said("RoleArn") or "*"
    for kind in ("User", "Role", "Group"):
        if action.startswith("iam:") and (name := said(f"{kind}Name")):
            return f"arn:aws:iam::{ACCOUNT}:{kind.lower()}/{name}"
    return "*"


@contextlib.contextmanager
def enforced() -> Iterator[None]:
    """moto refuses what no policy allows, from here on."""
    check = IAMRequestBase.check_action_permitted

    def check_with_resource(request: IAMRequestBase, _resource: str) -> None:
        # moto names these two otherwise than policies do.
        request._action = request._action.replace("monitoring:", "cloudwatch:")
        if "publicAccessBlock" in request._path:
            request._action = "s3:GetBucketPublicAccessBlock"
        is_json = request._service in ("secretsmanager", "logs", "cloudtrail")
        parameters = json.loads(request._body or b"{}") if is_json else request._data
        check(request, resource_of(request._action, parameters))

    with pytest.MonkeyPatch.context() as patch, enable_iam_authentication():
        patch.setattr(IAMRequestBase, "check_action_permitted", check_with_resource)
        # moto encodes some bodies and queries anew before it signs them, and then finds another signature.
        patch.setattr(IAMRequestBase, "check_signature", lambda _request: None)
        # moto's own makes a regular expression of a pattern, in which `?` means something else.
        patch.setattr(IAMPolicyStatement, "_match", staticmethod(lambda pattern, text: fnmatch.fnmatchcase(text, pattern) or None))
        yield


def allowed(account, call: Call, action: str, resource: str = "*") -> bool:
    """Whether the caller's role allows it, by moto's reading of its policies."""
    sessions = sts_backends[ACCOUNT]["aws"].assumed_roles
    (role,) = [session.role_arn.split("/")[-1] for session in sessions if session.access_key_id == call.caller]
    documents = account.iam.get_role(role).policies.values()
    answers = {IAMPolicy(document).is_action_permitted(action, resource) for document in documents}
    return PermissionResult.PERMITTED in answers and PermissionResult.DENIED not in answers


def not_checked_by_moto(account) -> Callable:
    """A fault that refuses what moto itself would let pass, or is not asked about."""

    def fault(action: str, call: Call) -> tuple[str, str] | None:
        wanted = None
        if action == "GetBucketPolicyStatus":
            wanted = ("s3:GetBucketPolicyStatus", "*")
        elif action in ("GenerateServiceLastAccessedDetails", "GetServiceLastAccessedDetails"):
            wanted = (f"iam:{action}", "*")
        elif action in ("CreateTrail", "UpdateTrail") and (role := call.get("CloudWatchLogsRoleArn")):
            wanted = ("iam:PassRole", role)
        elif action == "AssociateIamInstanceProfile":
            wanted = ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/baseline")
        if wanted and not allowed(account, call, *wanted):
            return error("AccessDenied", f"not authorized to perform: {wanted[0]} on {wanted[1]}", "403 Forbidden")
        return None

    return fault


def advisor(account) -> Callable:
    """Access Advisor, which moto has not: everybody used s3 yesterday, and nothing else ever."""

    def fault(action: str, call: Call) -> tuple[str, str] | None:
        if action == "GenerateServiceLastAccessedDetails":
            return "200 OK", answer(action, "<JobId>examplea-1234-b567-cde8-90fg123abcd4</JobId>")
        if action == "GetServiceLastAccessedDetails":
            used = f"<LastAuthenticated>{ago(1):%Y-%m-%dT%H:%M:%SZ}</LastAuthenticated>"
            rows = "".join(
                f"<member><ServiceName>{name}</ServiceName><ServiceNamespace>{name}</ServiceNamespace>"
                f"{used if name == 's3' else ''}<TotalAuthenticatedEntities>0</TotalAuthenticatedEntities></member>"
                for name in ("s3", "sqs")
            )
            done = f"<JobCompletionDate>{ago():%Y-%m-%dT%H:%M:%SZ}</JobCompletionDate>"
            begun = f"<JobCreationDate>{ago():%Y-%m-%dT%H:%M:%SZ}</JobCreationDate>"
            services = f"<ServicesLastAccessed>{rows}</ServicesLastAccessed>"
            return "200 OK", answer(action, f"<JobStatus>COMPLETED</JobStatus>{begun}{done}{services}<IsTruncated>false</IsTruncated>")
        return None

    return fault


def answer(action: str, result: str) -> str:
    name = 'xmlns="https://iam.amazonaws.com/doc/2010-05-08/"'
    return f"<{action}Response {name}><{action}Result>{result}</{action}Result></{action}Response>"


# ------------------------------------------------------------------------------------------------------------- worlds


Then = Callable[[], object]
"""What happens after the first change, and leads to another one."""


def keys(account, _cloud) -> None:
    account.user("ann")
    account.key("ann", 200, used=100)


def keys_without_report(account, cloud) -> None:
    keys(account, cloud)
    account.faults.append(no_report)


def keys_to_delete(account, cloud) -> Then:
    keys(account, cloud)

    def wait() -> None:
        disabled = time.monotonic()
        until(lambda: time.monotonic() > disabled + 1, "the second until the deletion is over")

    return wait


def no_report(action: str, _call: Call) -> tuple[str, str] | None:
    return error("AccessDenied", "no report", "403 Forbidden") if action == "GetCredentialReport" else None


def passwords(account, _cloud) -> None:
    for name in ("ann", "safe"):
        account.user(name)
        account.password(name)
    account.device("safe")
    account.iam.users["safe"].password_last_used = ago(1)


def enrolling(account, cloud) -> Then:
    passwords(account, cloud)
    return lambda: account.device("ann")


def passwords_without_report(account, cloud) -> None:
    passwords(account, cloud)
    account.faults.append(no_report)


def weak_policy(account, _cloud) -> None:
    account.password_policy(minimum_password_length=8)


def no_policy(_account, _cloud) -> None:
    """The account has AWS's own."""


def root(account, _cloud) -> None:
    account.has_root(Root(mfa=True))


def users(account, _cloud) -> None:
    account.user("ann")


def roles(account, _cloud) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    account.iam.create_role("worker", statement(trust), "/", None, "", [], "3600").create_date = ago(400)


def attached(account, cloud) -> None:
    roles(account, cloud)
    account.user("ann")
    account.user("ben")
    account.iam.create_group("staff").create_date = ago(400)
    account.iam.add_user_to_group("staff", "ben")
    for name, action in (("app", "s3:*"), ("queues", "sqs:*")):
        allow = {"Effect": "Allow", "Action": action, "Resource": "*"}
        policy = account.iam.create_policy("", "/", statement(allow), name, [])
        policy.create_date = policy.update_date = policy.versions[0].create_date = ago(400)
        account.iam.attach_user_policy(policy.arn, "ann")
        account.iam.attach_group_policy(policy.arn, "staff")
        account.iam.attach_role_policy(policy.arn, "worker")
    account.faults.append(advisor(account))


def statement(only: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [only]})


def logs(cloud) -> None:
    cloud("logs").create_log_group(logGroupName="trail")
    cloud("sns").create_topic(Name="security")
    topic = f"arn:aws:sns:{HOME}:{ACCOUNT}:security"
    cloud("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="soc@example.com")


def trail(cloud, **settings: object) -> None:
    sound = {
        "Name": "audit",
        "S3BucketName": "trail-logs",
        "IsMultiRegionTrail": True,
        "EnableLogFileValidation": True,
        "CloudWatchLogsLogGroupArn": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:trail:*",
        "CloudWatchLogsRoleArn": f"arn:aws:iam::{ACCOUNT}:role/trail",
    }
    said = {name: value for name, value in {**sound, **settings}.items() if value is not None}
    bucket = {"Bucket": "trail-logs", "CreateBucketConfiguration": {"LocationConstraint": HOME}}
    cloud("s3").create_bucket(**bucket)
    cloud("cloudtrail").create_trail(**said)


def stopped_trail(_account, cloud) -> None:
    trail(cloud)


def weak_trail(_account, cloud) -> None:
    logs(cloud)
    trail(cloud, CloudWatchLogsLogGroupArn=None, CloudWatchLogsRoleArn=None, EnableLogFileValidation=False)
    cloud("cloudtrail").start_logging(Name="audit")


def no_trail(_account, cloud) -> None:
    bucket = {"Bucket": "trail-logs", "CreateBucketConfiguration": {"LocationConstraint": HOME}}
    cloud("s3").create_bucket(**bucket)


def unwatched(account, cloud) -> None:
    """A sound trail of which nobody is told; an alarm of somebody's, on a topic whose subscribers have to be asked for."""
    logs(cloud)
    trail(cloud)
    cloud("cloudtrail").start_logging(Name="audit")
    for number in range(20):  # so that the caps hold nothing back
        account.user(f"person-{number}")
    metric = {"metricName": "Root", "metricNamespace": "Theirs", "metricValue": "1"}
    cloud("logs").put_metric_filter(
        logGroupName="trail", filterName="theirs", filterPattern=ROOT_PATTERN, metricTransformations=[metric]
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
        AlarmActions=[f"arn:aws:sns:{HOME}:{ACCOUNT}:security"],
    )


def bare_instance(_account, cloud) -> None:
    """An instance without a profile, and one to be given to it."""
    cloud("iam").create_role(RoleName="baseline", AssumeRolePolicyDocument=statement({}))
    cloud("iam").create_instance_profile(InstanceProfileName="baseline")
    cloud("iam").add_role_to_instance_profile(InstanceProfileName="baseline", RoleName="baseline")
    image = cloud("ec2").describe_images()["Images"][0]["ImageId"]
    cloud("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1)


AT_ONCE = 'minimum_notice = "0s"\n'
STRONG = "minimum_length = 14\nrequire_uppercase = true\nrequire_lowercase = true\nrequire_numbers = true\n"
WORLDS: dict[str, tuple[str, list[Callable]]] = {
    "access_key_rotation": (AT_ONCE + 'delete_after = "1s"\n', [keys, keys_without_report, keys_to_delete]),
    "unused_access_keys": (AT_ONCE, [keys, keys_without_report]),
    "password_policy": (STRONG, [weak_policy, no_policy]),
    "unused_permissions": ('trust_existing = true\nconfirm_after = "0s"\n', [attached]),
    "user_mfa": (AT_ONCE, [passwords, enrolling, passwords_without_report]),
    "unused_passwords": (AT_ONCE + "allow_irreversible = true\n", [passwords, passwords_without_report]),
    "unused_users": ("", [users, passwords, passwords_without_report, keys_without_report]),
    "unused_roles": (AT_ONCE + 'confirm_after = "0s"\n', [roles]),
    "role_trust": ("", [roles]),
    "access_review": ("", [users]),
    "broad_policies": ("", [attached]),
    "root_account": ("", [root]),
    "cloudtrail": ('bucket = "trail-logs"\nlog_group = "trail"\nlog_role = "trail"\n', [stopped_trail, weak_trail, no_trail]),
    "iam_alarms": ('topic = "security"\n', [unwatched]),
    "instance_roles": ('default_profile = "baseline"\ndefault_role = "baseline"\n', [bare_instance]),
}
"""For each rule: its settings, and accounts in which it needs what it may do."""
BEYOND_MOTO = {"access_analyzer"}
"""moto has no such service: tests/wire/analyzer.rs holds what is called against what is printed."""


# -------------------------------------------------------------------------------------------------------------- story


class Stage:
    """An account with the three roles, in which a story can be told again and again under other policies."""

    def __init__(self, account, warden, cloud) -> None:
        self.account, self.warden, self.cloud = account, warden, cloud
        self.printed: dict[str, dict] = {}
        self._secret = warden.environment["AWS_SECRET_ACCESS_KEY"]

    def declare(self, rule: str, settings: str) -> None:
        self.warden.configure(FREELY, REGIONS, ROLES, only(rule), f'[rules.{rule}]\nmode = "enforce"\n', settings)
        self.printed = {role: self.warden.run("permissions", *option, code=0).json for role, option in OPTION.items()}

    def tell(self, world: Callable, policies: dict[str, dict]) -> Iterator[object]:
        """What comes of it, step by step: planned, applied, undone."""
        account, warden = self.account, self.warden
        account.reset()
        account.secret(SECRET, EXTERNAL_ID)
        account.faults.append(not_checked_by_moto(account))
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        for role, policy in policies.items():
            account.iam.create_role(role, statement(trust), "/", None, "", [], "3600")
            if policy["Statement"]:
                account.iam.put_role_policy(role, "printed", json.dumps(policy))
        then = world(account, self.cloud)
        session = sts_backends[ACCOUNT]["aws"].assume_role(
            "us-east-1", "iamwarden", f"arn:aws:iam::{ACCOUNT}:role/{SELF}", None, 3600, None
        )
        warden.environment["AWS_ACCESS_KEY_ID"] = session.access_key_id
        warden.environment["AWS_SECRET_ACCESS_KEY"] = session.secret_access_key
        warden.environment["AWS_SESSION_TOKEN"] = session.session_token
        warden.canaries |= {session.secret_access_key, session.session_token}
        for file in warden.folder.glob("state.db*"):
            file.unlink()
        with enforced():
            yield from self._acts(then)

    def _acts(self, then: Then | None) -> Iterator[object]:
        yield self._plan()
        yield self._apply()
        if then:
            then()
            yield self._plan()
            yield self._apply()
        undone = self.warden.run("rollback", "--run", self._last_run(), "--yes")
        yield undone.code, self._writes()

    def _plan(self) -> list:
        ended = self.warden.run("plan", "--format", "json")
        plan = ended.json
        findings = sorted((finding["rule"], finding["resource"], finding["status"]) for finding in plan["findings"])
        actions = sorted((action["kind"], action["resource"], action["state"], str(action["withheld_reason"])) for action in plan["actions"])
        errors = sorted((error["operation"], str(error.get("resource"))) for known in plan["accounts"] for error in known["errors"])
        # A way around that costs more calls is worse, too.
        return [ended.code, findings, actions, errors, sum(plan["api_calls"].values())]

    def _apply(self) -> tuple:
        return self.warden.apply().code, self._writes()

    def _writes(self) -> list[str]:
        return sorted(action for action, _ in self.account.writes())

    def _last_run(self) -> str:
        runs = self.warden.history()["runs"]
        return next((run["id"] for run in runs if run["actions"]), runs[0]["id"] if runs else "none")


def without_one(policies: dict[str, dict]) -> Iterator[tuple[str, dict[str, dict]]]:
    """The policies less one action, for every action of every statement that allows."""
    for role, policy in policies.items():
        for place, said in enumerate(policy["Statement"]):
            if said["Effect"] == "Deny":
                continue
            for action in said["Action"]:
                less = copy.deepcopy(policies)
                left = [other for other in said["Action"] if other != action]
                if left:
                    less[role]["Statement"][place]["Action"] = left
                else:
                    del less[role]["Statement"][place]
                yield f"{role}: {action}", less


def same(story: Iterator[object], other: list) -> bool:
    """Whether they are the same to the end; told no further than to the first difference."""
    return all(step == expected for step, expected in zip(story, other, strict=True))


@pytest.fixture
def stage(account, warden, cloud):
    return Stage(account, warden, cloud)


def test_every_rule_has_a_world():
    assert set(WORLDS) | BEYOND_MOTO == set(all_rules())


@pytest.mark.parametrize("rule", WORLDS)
def test_the_printed_policies_are_enough_and_no_action_is_too_many(stage, rule):
    settings, worlds = WORLDS[rule]
    stage.declare(rule, settings)
    whole = {world: list(stage.tell(world, stage.printed)) for world in worlds}
    idle = []
    for name, less in without_one(stage.printed):
        if all(same(stage.tell(world, less), whole[world]) for world in worlds):
            idle.append(name)
    assert not idle, "\n".join(idle)


def test_what_is_never_to_be_changed_is_denied_by_the_policy_itself(stage, account):
    """By whoever has the role, with another program."""
    stage.declare("access_key_rotation", AT_ONCE)
    printed = stage.printed[MEMBER]
    without = {**printed, "Statement": [said for said in printed["Statement"] if said["Sid"] != "Never"]}
    assert len(without["Statement"]) == len(printed["Statement"]) - 1

    def refused(policy: dict, user: str) -> bool:
        account.reset()
        account.user(user)
        key = account.key(user, 200)
        account.iam.create_role(MEMBER, "{}", "/", None, "", [], "3600")
        account.iam.put_role_policy(MEMBER, "printed", json.dumps(policy))
        role = f"arn:aws:iam::{ACCOUNT}:role/{MEMBER}"
        session = sts_backends[ACCOUNT]["aws"].assume_role("us-east-1", "other", role, None, 3600, None)
        iam = boto3.client(
            "iam",
            endpoint_url=account.url,
            region_name="us-east-1",
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.session_token,
        )
        with enforced():
            try:
                iam.update_access_key(UserName=user, AccessKeyId=key.access_key_id, Status="Inactive")
            except iam.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "AccessDenied"
        return key.status == "Active"

    assert refused(printed, "break-glass-1")
    assert not refused(without, "break-glass-1"), "it is this statement"
    assert not refused(printed, "alice")
