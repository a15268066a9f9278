"""Holds the simulator against moto and botocore, neither of which we wrote.

Both servers are driven through the same scripts by boto3. Their answers, without ids and dates, have to be the same
but for the differences listed in `conformance/differences.py`; each answer of the simulator has to fit botocore's
model of the service. The simulator's program is named by the environment variable AWS_SIMULATOR_BIN.

    AWS_SIMULATOR_BIN=target/debug/aws-simulator pytest tests/python/test_simulator_conformance.py
"""

from __future__ import annotations

import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import botocore.session
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conformance.answers import differences  # noqa: E402
from conformance.differences import DIFFERENCES  # noqa: E402
from conformance.scripts import SCRIPTS, WITH_AWS_POLICIES  # noqa: E402
from conformance.targets import SEED, Moto, Recorder, Simulator, client  # noqa: E402

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
    ours, theirs = Recorder(simulator.url), Recorder(moto.url)
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


def test_every_operation_both_know_is_covered(simulator):
    if RUN != set(SCRIPTS):
        pytest.skip("needs all scripts")
    shared = {
        operation
        for service in ("iam", "sts", "secretsmanager")
        for operation in operations(service)
        if moto_knows(service, operation) and simulator_knows(simulator.url, service, operation)
    }
    assert len(shared) > 70
    assert not shared - COVERED


def operations(service: str) -> list[str]:
    return botocore.session.get_session().get_service_model(service).operation_names


def moto_knows(service: str, operation: str) -> bool:
    from moto.iam.responses import IamResponse
    from moto.secretsmanager.responses import SecretsManagerResponse
    from moto.sts.responses import TokenResponse

    responses = {"iam": IamResponse, "sts": TokenResponse, "secretsmanager": SecretsManagerResponse}[service]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", operation).lower()
    return hasattr(responses, snake)


def simulator_knows(url: str, service: str, operation: str) -> bool:
    """An operation without parameters fails, but a known one differently."""
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA123456789012CALL/20260901/us-east-1/{service}/aws4_request, Signature=0"
    headers = {"Authorization": scope}
    body = b"{}"
    if service == "secretsmanager":
        headers["X-Amz-Target"] = f"secretsmanager.{operation}"
    else:
        body = urllib.parse.urlencode({"Action": operation}).encode()
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return "InvalidAction" not in text and "UnknownOperation" not in text
    return True


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


def test_paginators_of_boto3_read_everything():
    seed = '[[accounts]]\nid = "123456789012"\n[[accounts.users]]\nname = "user-{n}"\nrepeat = 250\n'
    server = Simulator("[paging]\nsize = 40\nempty_pages = true\n" + seed)
    try:
        iam = client(server.url, "iam")
        names = {user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]}
        assert len(names) == 250
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
