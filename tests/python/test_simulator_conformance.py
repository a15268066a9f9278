"""Holds the simulator against moto and botocore, neither of which we wrote.

Both servers are driven through the same scripts by boto3. Their answers, without ids and dates, have to be the same
but for the differences listed in `conformance/differences.py`; each answer of the simulator has to fit botocore's
model of the service. The simulator's program is named by the environment variable AWS_SIMULATOR_BIN.

    AWS_SIMULATOR_BIN=target/debug/aws-simulator pytest tests/python/test_simulator_conformance.py
"""

from __future__ import annotations

import importlib
import json
import sys
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore import xform_name

sys.path.insert(0, str(Path(__file__).parent))

from conformance.answers import differences  # noqa: E402
from conformance.differences import DIFFERENCES  # noqa: E402
from conformance.scripts import SCRIPTS, WITH_AWS_POLICIES  # noqa: E402
from conformance.targets import SEED, Moto, Recorder, Simulator, client  # noqa: E402

# What was compared is summed up at the end, so all of it runs in one process.
pytestmark = pytest.mark.xdist_group("conformance")

SEEN: set[tuple[str, str]] = set()
COVERED: set[str] = set()
RUN: set[str] = set()


@pytest.fixture(scope="session")
def moto():
    server = Moto()
    yield server
    server.stop()


@pytest.fixture
def simulator():
    server = Simulator()
    yield server
    server.stop()


def outcome_differences(ours: dict, theirs: dict):
    """The places where two outcomes differ; an error against an answer is one difference."""
    if "answer" in ours and "answer" in theirs:
        yield from differences(ours["answer"], theirs["answer"])
    elif ours != theirs:
        yield "error", ours.get("error", "an answer"), theirs.get("error", "an answer")


@pytest.mark.parametrize("name", SCRIPTS)
def test_answers_are_those_of_moto(name, moto):
    script = SCRIPTS[name]
    moto.reset(aws_policies=name in WITH_AWS_POLICIES)
    script.prepare(lambda service: client(moto.url, service))
    # A seed of its own, or more for the account that every script has.
    simulator = Simulator(script.seed if "[[accounts]]" in script.seed else SEED + script.seed)
    ours, theirs = Recorder(simulator.url, script.protocol), Recorder(moto.url)
    try:
        script.run(ours)
    finally:
        simulator.stop()
    script.run(theirs)
    assert [step.operation for step in ours.steps] == [step.operation for step in theirs.steps]
    problems = []
    for mine, other in zip(ours.steps, theirs.steps):
        COVERED.add(mine.operation)
        problems += [f"{mine.label}: {complaint}" for complaint in mine.complaints]
        for place, here, there in outcome_differences(mine.outcome, other.outcome):
            SEEN.add((mine.operation, place))
            if (mine.operation, place) not in DIFFERENCES:
                problems.append(f"{mine.label}: {place}: simulator {here!r}, moto {there!r}")
    RUN.add(name)
    assert not problems, "\n" + "\n".join(problems)


def test_no_listed_difference_has_gone():
    if RUN != set(SCRIPTS):
        pytest.skip("needs all scripts")
    assert not set(DIFFERENCES) - SEEN


# The service as the simulator names it, and moto's module for it.
MODULES = {
    **{name: name for name in ("iam", "sts", "secretsmanager", "ec2", "cloudtrail", "logs", "sns", "s3", "organizations")},
    "monitoring": "cloudwatch",
}


def test_every_operation_both_know_is_covered(simulator):
    if RUN != set(SCRIPTS):
        pytest.skip("needs all scripts")
    with urllib.request.urlopen(f"{simulator.url}/_control/operations") as answer:
        built = json.load(answer)
    shared = {
        operation
        for service, module in MODULES.items()
        for operation in built.pop(service)
        if moto_knows(module, operation)
    }
    assert set(built) == {"access-analyzer"}, "moto has no such service"
    assert len(shared) > 100
    assert not shared - COVERED


def moto_knows(module: str, operation: str) -> bool:
    """Whether one of the classes that answer for the service has a method for the operation."""
    paths = importlib.import_module(f"moto.{module}.urls").url_paths.values()
    owners = [path.__self__ for path in paths if hasattr(path, "__self__")]
    return any(hasattr(owner, xform_name(operation)) for owner in owners)


MODEL_SEED = """
[[accounts]]
id = "123456789012"
[accounts.root]
mfa = "virtual"
[accounts.advisor]
polls = 1
[[accounts.users]]
name = "ada"
mfa = [{ kind = "hardware" }, { kind = "passkey" }]
attached = ["AdministratorAccess"]
used = { s3 = { last = "2d", actions = { CreateBucket = "9d" } }, sqs = "7d" }
service_credentials = [{ service = "codecommit" }, { service = "bedrock", expires = "-30d" }]
[[accounts.regions.us-east-1.analyzers]]
name = "outside"
findings = [
  { id = "a", resource = "arn:aws:s3:::bucket", external = { principal = { AWS = "*" }, action = ["s3:GetObject"] } },
  { id = "b", resource = "arn:aws:s3:::other", error = "ACCESS_DENIED", external = {} },
]
[[accounts.regions.us-east-1.analyzers]]
name = "stopped"
type = "ORGANIZATION"
status = "DISABLED"
status_reason = "AWS_SERVICE_ACCESS_DISABLED"
[[accounts.regions.us-east-1.analyzers]]
name = "unused"
type = "ACCOUNT_UNUSED_ACCESS"
[[accounts.regions.us-east-1.analyzers.findings]]
id = "permissions"
resource = "role/web"
unused_permissions = { s3 = { last = "200d", actions = { PutBucketPolicy = "never", GetBucketPolicy = "300d" } }, sqs = {} }
[accounts.regions.us-east-1.analyzers.findings.recommendation]
polls = 1
steps = [
  { action = "CREATE_POLICY", policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}' },
  { action = "DETACH_POLICY", existing = "arn:aws:iam::aws:policy/AmazonS3FullAccess", updated = "9d" },
]
[[accounts.regions.us-east-1.analyzers.findings]]
id = "key"
resource = "user/ada"
unused_key = { id = "AKIAADA0000000000001", last = "200d" }
[[accounts.regions.us-east-1.analyzers.findings]]
id = "role"
resource = "role/web"
unused_role = "never"
[[accounts.regions.us-east-1.analyzers.findings]]
id = "password"
resource = "user/ada"
unused_password = "200d"
[[accounts.users]]
name = "eve"
advisor = { failed = "no luck" }
service_credentials = [{ service = "codecommit", status = "Inactive" }]
"""


@pytest.fixture
def of_the_model():
    """A recorder of answers that moto does not give, so that only the model can judge."""
    server = Simulator(MODEL_SEED)
    recorder = Recorder(server.url)
    yield recorder
    server.stop()
    assert not [complaint for step in recorder.steps for complaint in step.complaints]


def test_access_advisor_fits_the_model(of_the_model):
    recorder = of_the_model
    arn = "arn:aws:iam::123456789012:user/{}"
    for user, ends in [("ada", "COMPLETED"), ("eve", "FAILED")]:
        parameters = {"Arn": arn.format(user), "Granularity": "ACTION_LEVEL"}
        job = recorder.call("iam.generate_service_last_accessed_details", **parameters)["JobId"]
        states = []
        for _ in range(2):
            answer = recorder.call("iam.get_service_last_accessed_details", JobId=job)
            states.append(answer["JobStatus"])
            if user == "eve":
                break
        assert states[-1] == ends
    recorder.call("iam.get_service_last_accessed_details", JobId="0" * 36)
    recorder.call("iam.list_policies_granting_service_access", Arn=arn.format("ada"), ServiceNamespaces=["s3", "ec2"])
    recorder.call("iam.get_account_authorization_details")


def test_devices_and_credentials_fit_the_model(of_the_model):
    recorder = of_the_model
    assert len(recorder.call("iam.list_mfa_devices", UserName="ada")["MFADevices"]) == 2
    (root,) = recorder.call("iam.list_virtual_mfa_devices")["VirtualMFADevices"]
    assert root["SerialNumber"].endswith(":mfa/root-account-mfa-device")
    every = recorder.call("iam.list_service_specific_credentials", AllUsers=True)["ServiceSpecificCredentials"]
    assert [one["UserName"] for one in every] == ["ada", "ada", "eve"]
    of = {"UserName": "ada", "ServiceSpecificCredentialId": every[0]["ServiceSpecificCredentialId"]}
    recorder.call("iam.update_service_specific_credential", **of, Status="Inactive")
    recorder.call("iam.delete_service_specific_credential", **of)
    recorder.call("iam.delete_service_specific_credential", **of)
    recorder.call("iam.list_service_specific_credentials", UserName="ada", ServiceName="nonsense")
    left = recorder.call("iam.list_service_specific_credentials", UserName="ada")["ServiceSpecificCredentials"]
    assert len(left) == 1


def test_access_analyzer_fits_the_model(of_the_model):
    recorder = of_the_model
    call = recorder.call
    analyzers = call("accessanalyzer.list_analyzers")["analyzers"]
    outside, _, unused = (analyzer["arn"] for analyzer in analyzers)
    assert analyzers[1]["statusReason"] == {"code": "AWS_SERVICE_ACCESS_DISABLED"}
    call("accessanalyzer.get_analyzer", analyzerName="unused")
    call("accessanalyzer.get_analyzer", analyzerName="none")
    call("accessanalyzer.create_analyzer", analyzerName="unused", type="ACCOUNT_UNUSED_ACCESS")
    call("accessanalyzer.create_analyzer", analyzerName="more", type="ACCOUNT")
    call("accessanalyzer.create_analyzer", analyzerName="more", type="SOME")
    active = {"status": {"eq": ["ACTIVE"]}}
    assert len(call("accessanalyzer.list_findings", analyzerArn=outside, filter=active)["findings"]) == 2
    call("accessanalyzer.get_finding", analyzerArn=outside, id="a")
    findings = call("accessanalyzer.list_findings_v2", analyzerArn=unused, filter=active)["findings"]
    assert len(findings) == 4
    own = {"resourceOwnerAccount": {"eq": ["123456789012"]}, **active}
    assert len(call("accessanalyzer.list_findings", analyzerArn=outside, filter=own)["findings"]) == 2
    roles = {"findingType": {"eq": ["UnusedIAMRole", "UnusedPermission"]}, **own}
    assert len(call("accessanalyzer.list_findings_v2", analyzerArn=unused, filter=roles)["findings"]) == 2
    others = {**roles, "resourceOwnerAccount": {"eq": ["210987654321"]}}
    assert call("accessanalyzer.list_findings_v2", analyzerArn=unused, filter=others)["findings"] == []
    for finding in findings:
        call("accessanalyzer.get_finding_v2", analyzerArn=unused, id=finding["id"])
    call("accessanalyzer.get_finding_v2", analyzerArn=outside, id="b")
    call("accessanalyzer.get_finding_v2", analyzerArn=outside, id="none")
    of = {"analyzerArn": unused, "id": "permissions"}
    call("accessanalyzer.get_finding_recommendation", **of)
    call("accessanalyzer.generate_finding_recommendation", **of)
    states = [call("accessanalyzer.get_finding_recommendation", **of)["status"] for _ in range(2)]
    assert states == ["IN_PROGRESS", "SUCCEEDED"]
    call("accessanalyzer.generate_finding_recommendation", analyzerArn=unused, id="role")
    call("accessanalyzer.update_findings", analyzerArn=outside, ids=["a"], status="ARCHIVED")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"%s","Resource":"*"}]}'
    check = {"existingPolicyDocument": policy % "s3:Get*", "policyType": "IDENTITY_POLICY"}
    for action, result in [("s3:GetObject", "PASS"), ("s3:*", "FAIL")]:
        answer = call("accessanalyzer.check_no_new_access", newPolicyDocument=policy % action, **check)
        assert answer["result"] == result
    call("accessanalyzer.check_no_new_access", newPolicyDocument="{", **check)
    check["policyType"] = "RESOURCE_POLICY"
    call("accessanalyzer.check_no_new_access", newPolicyDocument=policy % "s3:*", **check)
    call("accessanalyzer.delete_analyzer", analyzerName="unused")
    call("accessanalyzer.delete_analyzer", analyzerName="unused")


def test_paginators_of_boto3_read_everything():
    seed = '[[accounts]]\nid = "123456789012"\n[[accounts.users]]\nname = "user-{n}"\nrepeat = 250\n'
    findings = ['{ resource = "arn:aws:s3:::bucket", external = {} }'] * 41
    seed += f'[[accounts.regions.us-east-1.analyzers]]\nname = "outside"\nfindings = [{", ".join(findings)}]\n'
    server = Simulator("[paging]\nsize = 40\nempty_pages = true\n" + seed)
    try:
        iam = client(server.url, "iam")
        names = {user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]}
        assert len(names) == 250
        analyzers = client(server.url, "accessanalyzer").get_paginator("list_findings_v2")
        arn = "arn:aws:access-analyzer:us-east-1:123456789012:analyzer/outside"
        assert sum(len(page["findings"]) for page in analyzers.paginate(analyzerArn=arn)) == 41
        details = iam.get_paginator("get_account_authorization_details").paginate()
        assert sum(len(page["UserDetailList"]) for page in details) == 250
    finally:
        server.stop()


def test_the_endpoint_is_found_by_the_environment(simulator, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA123456789012CALL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unchecked")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    session = boto3.Session()
    assert session.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/operator"
    assert session.client("iam").list_users()["Users"] == []
