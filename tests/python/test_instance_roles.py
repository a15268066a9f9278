"""Instances without a role: found, given a profile and relieved of it, on moto's EC2 and IAM."""

from __future__ import annotations

import boto3
import pytest

from moto_account import ACCOUNT, error
from regions import HOME, OTHER, REGIONS, only
from warden import FREELY

ALL = only("instance_roles") + 'default_profile = "baseline"\n'
TRUST = '{"Version": "2012-10-17", "Statement": []}'
PROFILE = f"arn:aws:iam::{ACCOUNT}:instance-profile/ops/baseline"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ec2/baseline"


@pytest.fixture
def iam(account):
    """boto3's client, in an account that has a profile with a role, and one without."""
    client = boto3.client(
        "iam", endpoint_url=account.url, aws_access_key_id="testing", aws_secret_access_key="testing", region_name=HOME
    )
    client.create_role(RoleName="baseline", Path="/ec2/", AssumeRolePolicyDocument=TRUST)
    client.create_instance_profile(InstanceProfileName="baseline", Path="/ops/")
    client.add_role_to_instance_profile(InstanceProfileName="baseline", RoleName="baseline")
    client.create_instance_profile(InstanceProfileName="empty")
    for number in range(20):
        account.user(f"person-{number}")
    return client


@pytest.fixture
def ec2(account):
    """boto3's clients of EC2 by region."""

    def client(region: str = HOME):
        return boto3.client(
            "ec2",
            endpoint_url=account.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name=region,
        )

    return client


@pytest.fixture
def launch(ec2, iam):
    """Launches a sound instance, but for what is said otherwise; gives its id."""

    def run(region: str = HOME, tokens: str = "required", profile: str | None = None, **tags: str) -> str:
        more = {"IamInstanceProfile": {"Name": profile}} if profile else {}
        pairs = [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]
        if pairs:
            more["TagSpecifications"] = [{"ResourceType": "instance", "Tags": pairs}]
        client = ec2(region)
        image = client.describe_images()["Images"][0]["ImageId"]
        options = {"HttpTokens": tokens, "HttpEndpoint": "enabled"}
        made = client.run_instances(ImageId=image, MinCount=1, MaxCount=1, MetadataOptions=options, **more)
        return made["Instances"][0]["InstanceId"]

    return run


def told(plan: dict) -> list[tuple[str, str]]:
    return sorted((finding["status"], finding["title"]) for finding in plan["findings"])


def associations(client) -> dict[str, str]:
    found = client.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    return {one["InstanceId"]: one["IamInstanceProfile"]["Arn"] for one in found if one["State"] == "associated"}


def bare(instance: str, region: str = HOME) -> tuple[str, str]:
    return "violation", f"The instance {instance} ({region}) has no instance profile"


def test_an_instance_gets_the_profile_and_is_relieved_of_it_by_rollback(account, warden, ec2, launch):
    instance, other = launch(), launch(OTHER)
    sound = launch(profile="baseline")
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=2)
    assert told(plan) == sorted([bare(instance), bare(other, OTHER)])
    assert {action["kind"] for action in plan["actions"]} == {"associate_instance_profile"}
    assert {action["inverse"]["kind"] for action in plan["actions"]} == {"disassociate_instance_profile"}
    warden.apply(code=0)
    assert associations(ec2()) == {instance: PROFILE, sound: PROFILE}
    assert associations(ec2(OTHER)) == {other: PROFILE}
    writes = account.writes()
    assert [name for name, _ in writes] == ["AssociateIamInstanceProfile"] * 2
    assert {call["IamInstanceProfile.Arn"] for _, call in writes} == {PROFILE}
    assert told(warden.plan(code=0)) == []
    warden.apply(code=0)
    assert len(account.writes()) == 2, "a second run writes nothing"
    for action in plan["actions"]:
        warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert associations(ec2()) == {sound: PROFILE}
    assert associations(ec2(OTHER)) == {}


def test_without_a_default_profile_it_is_for_people(account, warden, launch):
    instance = launch(Name="web-1")
    warden.configure(FREELY, REGIONS, only("instance_roles"))
    plan = warden.plan(code=0)
    assert told(plan) == [("violation", f"The instance {instance} (web-1, {HOME}) has no instance profile")]
    warden.apply(code=0)
    assert account.writes() == []


def test_a_sound_instance_is_in_order(account, warden, launch):
    launch(profile="baseline")
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=0)
    assert told(plan) == []
    calls = {name: count for name, count in plan["api_calls"].items() if not name.startswith("sts:")}
    # Both regions were looked at, and associations of none.
    assert calls == {
        "iam:GetAccountAuthorizationDetails": 1,
        "iam:ListInstanceProfiles": 1,
        "ec2:DescribeInstances": 2,
    }
    assert account.writes() == []


@pytest.mark.parametrize("after", ["nothing", "delete"])
def test_a_profile_that_gives_no_role_is_for_people(account, warden, iam, launch, after):
    instance = launch(profile="empty")
    if after == "delete":
        iam.delete_instance_profile(InstanceProfileName="empty")
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=0)
    expected = f"The instance profile of the instance {instance} ({HOME}) gives it no role"
    assert told(plan) == [("violation", expected)]
    assert plan["actions"] == []
    warden.apply(code=0)
    assert account.writes() == []


def test_the_first_version_of_the_metadata_service_offends(account, warden, ec2, launch):
    instance = launch(tokens="optional", profile="baseline")
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=0)
    assert told(plan) == [("violation", f"The instance {instance} ({HOME}) allows IMDSv1")]
    assert plan["findings"][0]["severity"] == "high"
    ec2().modify_instance_metadata_options(InstanceId=instance, HttpTokens="required", HttpEndpoint="enabled")
    assert told(warden.plan(code=0)) == []
    assert account.writes() == []


def test_stopped_and_terminated_instances_are_not_looked_at(warden, ec2, launch):
    stopped, terminated = launch(), launch()
    ec2().stop_instances(InstanceIds=[stopped])
    ec2().terminate_instances(InstanceIds=[terminated])
    warden.configure(FREELY, REGIONS, ALL)
    assert told(warden.plan(code=0)) == []


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ('default_profile = "nowhere"\n', "the account has no instance profile of that name"),
        ('default_profile = "empty"\n', "it holds no role"),
        (
            'default_profile = "baseline"\ndefault_role = "admin"\n',
            "it holds the role ec2/baseline, and admin is declared",
        ),
    ],
)
def test_a_profile_that_cannot_be_given_is_an_error_of_the_rule(account, warden, launch, declared, why):
    launch()
    warden.configure(FREELY, REGIONS, only("instance_roles"), declared)
    plan = warden.plan(code=3)
    [problem] = plan["accounts"][0]["errors"]
    assert problem["operation"] == "rule:instance_roles"
    assert problem["detail"].startswith(why)
    assert plan["actions"] == []
    warden.apply(code=3)
    assert account.writes() == []


def test_tags_name_the_owner_and_the_group_that_will_replace_it(warden, launch):
    launch(owner="ann@example.com", aws__autoscaling__groupName="web")
    warden.configure(FREELY, REGIONS, ALL)
    [finding] = warden.plan(code=2)["findings"]
    assert finding["owner"] == "ann@example.com"
    assert finding["evidence"]["auto_scaling_group"] == "web"
    assert "Auto Scaling group web, which replaces it in time" in finding["detail"]


@pytest.mark.parametrize("how", ["exempt", "protected"])
def test_the_exempt_and_the_protected_are_left_alone(account, warden, launch, how):
    instance = launch(tokens="optional")
    exemption = f"""
[[exemptions]]
principals = ["instance/{instance}"]
rules = ["instance_roles"]
until = "2099-12-31"
reason = "an appliance, SEC-9"
"""
    protected = f'[guardrails]\nprotected = ["instance/{instance}"]\n'
    warden.configure(*([FREELY, REGIONS, ALL, exemption] if how == "exempt" else [protected, REGIONS, ALL]))
    plan = warden.plan(code=0)
    assert {finding["status"] for finding in plan["findings"]} == {"exempt"}
    assert len(plan["findings"]) == 2
    warden.apply(code=0)
    assert account.writes() == []


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (error("UnauthorizedOperation", "not allowed", "403 Forbidden"), "denied"),
        (error("RequestLimitExceeded", "Rate exceeded", "503 Service Unavailable"), "throttled"),
        (("503 Service Unavailable", "<html>down</html>"), "failed"),
        (("200 OK", "<DescribeInstancesResponse><reservationSet>"), "unusable"),
        (("200 OK", "<DescribeInstancesResponse/>"), "unusable"),
    ],
)
def test_a_region_that_fails_is_unknown_and_stops_no_other(account, warden, ec2, launch, answer, cause):
    instance = launch()
    fails = ("DescribeInstances", OTHER)
    account.faults.append(lambda action, call: answer if (action, call.region) == fails else None)
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=3)
    assert told(plan) == [("unknown", f"The instances of {OTHER} could not be read"), bare(instance)]
    problems = [p for p in plan["accounts"][0]["errors"] if p["operation"] == "ec2:DescribeInstances"]
    assert [problem["cause"] for problem in problems] == [cause]
    warden.apply(code=3)
    assert associations(ec2()) == {instance: PROFILE}, "the other region is mended all the same"


@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("DescribeIamInstanceProfileAssociations", "Whether the instance {} ({}) has an instance profile is not known"),
        ("ListInstanceProfiles", "Whether the profiles of instances hold roles is not known"),
    ],
)
def test_what_could_not_be_read_is_unknown_and_nothing_is_done(account, warden, launch, operation, unknown):
    instance = launch()
    denied = error("AccessDenied", "not allowed", "403 Forbidden")
    account.faults.append(lambda action, _: denied if action == operation else None)
    warden.configure(FREELY, REGIONS, ALL)
    plan = warden.plan(code=3)
    assert ("unknown", unknown.format(instance, HOME)) in told(plan)
    assert plan["actions"] == []
    warden.apply(code=3)
    assert account.writes() == []


@pytest.mark.parametrize("what", ["stopped", "terminated", "associated", "emptied"])
def test_what_changed_since_the_plan_is_left_alone(account, warden, ec2, iam, launch, what):
    instance = launch()
    happened = []

    def fault(action, call):
        if action == "DescribeInstances" and "InstanceId.1" in call and not happened:
            happened.append(what)
            match what:
                case "stopped":
                    ec2().stop_instances(InstanceIds=[instance])
                case "terminated":
                    ec2().terminate_instances(InstanceIds=[instance])
                case "associated":
                    ec2().associate_iam_instance_profile(
                        InstanceId=instance, IamInstanceProfile={"Name": "empty"}
                    )
                case "emptied":
                    iam.remove_role_from_instance_profile(InstanceProfileName="baseline", RoleName="baseline")

    account.faults.append(fault)
    warden.configure(FREELY, REGIONS, ALL)
    warden.apply(code=3)
    assert happened == [what]
    assert account.writes() == []
    assert warden.outcomes()[-1] == "stale"


def test_a_rollback_after_somebodys_change_is_refused(account, warden, ec2, launch):
    instance = launch()
    warden.configure(FREELY, REGIONS, ALL)
    [action] = warden.plan(code=2)["actions"]
    warden.apply(code=0)
    [association] = ec2().describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    ec2().disassociate_iam_instance_profile(AssociationId=association["AssociationId"])
    ec2().associate_iam_instance_profile(InstanceId=instance, IamInstanceProfile={"Name": "empty"})
    writes = len(account.writes())
    warden.run("rollback", "--action", action["id"], "--yes", code=1)
    assert associations(ec2())[instance].endswith("instance-profile/empty")
    assert len(account.writes()) == writes


def test_the_printed_policy_is_what_is_called(account, warden, launch):
    launch()
    protected = 'protected = ["instance/i-0abc*", "user/break-glass-*"]\n'
    warden.configure(FREELY + protected, REGIONS, ALL)
    policy = warden.run("permissions", code=0).json
    allowed = {
        action for statement in policy["Statement"] if statement["Effect"] == "Allow" for action in statement["Action"]
    }
    warden.apply(code=0)
    names = {action.split(":")[1] for action in allowed} - {"PassRole"}
    assert names == set(account.calls) - {"GetCallerIdentity"}
    [passing] = [statement for statement in policy["Statement"] if "iam:PassRole" in statement["Action"]]
    assert passing["Resource"] == ["arn:aws:iam::*:role/*"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    [never] = [statement for statement in policy["Statement"] if statement["Sid"] == "Never"]
    assert "arn:aws:ec2:*:*:instance/i-0abc*" in never["Resource"]
    undoing = warden.run("permissions", "--rollback", code=0).json
    undo = next(statement for statement in undoing["Statement"] if statement["Sid"] == "Undo")
    assert undo["Action"] == ["ec2:DisassociateIamInstanceProfile"]
    warden.configure(FREELY, REGIONS, ALL, 'default_role = "ec2/baseline"\n')
    policy = warden.run("permissions", code=0).json
    [passing] = [statement for statement in policy["Statement"] if "iam:PassRole" in statement["Action"]]
    assert passing["Resource"] == [ROLE.replace(ACCOUNT, "*")]


def test_without_regions_that_of_the_environment_is_looked_at(warden, launch):
    instance = launch(OTHER)
    warden.configure(FREELY, ALL)
    assert told(warden.plan(AWS_REGION=HOME, code=0)) == []
    assert told(warden.plan(AWS_REGION=OTHER, code=2)) == [bare(instance, OTHER)]
