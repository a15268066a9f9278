"""An account in moto's server, seeded in this process, with every request counted.

moto answers on the wire as AWS does and was not written by us. Dates cannot be set over its API, so they are set on its
models. Its credential report is stamped 2015 unless `report_age` says otherwise.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import io
import json
import logging
import re
import threading
import urllib.parse

import boto3
import moto.iam.responses
from moto.cloudtrail.models import cloudtrail_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import AccessKeyLastUsed, get_account_id_from, iam_backends
from moto.iam.responses import IamResponse
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from moto.sns.models import sns_backends
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)

ACCOUNT = "123456789012"
SOMEBODY = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
REGIONAL = (cloudtrail_backends, cloudwatch_backends, ec2_backends, logs_backends, s3_backends, sns_backends)
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def ago(days: float = 0, **rest: float) -> datetime.datetime:
    return now() - datetime.timedelta(days=days, **rest)


class Principals:
    """Users and keys of one account."""

    account_id = ACCOUNT

    @property
    def iam(self):  # noqa: ANN201 - moto's backend
        return iam_backends[self.account_id]["aws"]

    def user(self, name: str, age: float = 400, **tags: str):  # noqa: ANN201
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        user = self.iam.create_user("us-east-1", name, "/", pairs)
        user.create_date = ago(age)
        return user

    def key(self, user_name: str, age: float, used: float | None = None, status: str = "Active"):  # noqa: ANN201
        key = self.iam.create_access_key(user_name)
        key.create_date = ago(age)
        if used is not None:
            self.use(key, ago(used))
        key.status = status
        return key

    def use(self, key, at: datetime.datetime) -> None:  # noqa: ANN001
        """Lets a key have been used last at that time."""
        key.last_used = AccessKeyLastUsed(at, "s3", "eu-west-1")

    def key_status(self, user_name: str, key_id: str) -> str | None:
        for key in self.iam.users[user_name].access_keys:
            if key.access_key_id == key_id:
                return key.status
        return None

    def password(self, user_name: str) -> None:
        """Gives the user a console password."""
        self.iam.create_login_profile(user_name, "Correct-horse-7")

    def device(self, user_name: str, name: str | None = None) -> str:
        """Gives the user a virtual MFA device; gives its serial number."""
        serial = self.iam.create_virtual_mfa_device(name or user_name, "/").serial_number
        self.iam.enable_mfa_device(user_name, serial, "123456", "654321")
        return serial

    def inline(self, user_name: str) -> dict[str, str]:
        """The user's inline policies: documents by name."""
        return dict(self.iam.users[user_name].policies)

    def password_policy(self, **fields: object) -> None:
        """Gives the account a policy of its own; fields are those of `UpdateAccountPasswordPolicy`, in snake case."""
        policy = {
            "allow_change_password": False,
            "hard_expiry": False,
            "max_password_age": 0,
            "minimum_password_length": 6,
            "password_reuse_prevention": 0,
            "require_lowercase_characters": False,
            "require_numbers": False,
            "require_symbols": False,
            "require_uppercase_characters": False,
        }
        assert set(fields) <= set(policy)
        self.iam.update_account_password_policy(**{**policy, **fields})


@dataclasses.dataclass
class Root:
    """The root user. moto has none: its facts are put into the summary and the report that moto makes."""

    mfa: bool = True
    password: str = "true"
    password_last_used: datetime.datetime | None = None
    keys: tuple[tuple[bool, datetime.datetime, datetime.datetime | None], ...] = ()
    """Active or not, made when, used when last."""
    told_mfa: bool | None = None
    """What the report says of the MFA device, where that is something else."""

    def row(self) -> str:
        def date(at: datetime.datetime | None, otherwise: str) -> str:
            return at.strftime("%Y-%m-%dT%H:%M:%S+00:00") if at else otherwise

        told = self.mfa if self.told_mfa is None else self.told_mfa
        cells = ["<root_account>", f"arn:aws:iam::{ACCOUNT}:root", date(ago(2000), ""), self.password]
        cells += [date(self.password_last_used, "no_information"), "not_supported", "not_supported", str(told).lower()]
        for slot in range(2):
            active, made, used = self.keys[slot] if slot < len(self.keys) else (False, None, None)
            service = ["us-east-1", "s3"] if used else ["N/A", "N/A"]
            cells += [str(active).lower(), date(made, "N/A"), date(used, "N/A"), *service]
        return ",".join([*cells, "false", "N/A", "false", "N/A"]) + "\n"


class Member(Principals):
    """Another account than that of the ambient credentials."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.iam.generate_report()


class Call(dict):
    """The parameters of a call; equal to any other dictionary of these. Also who called where."""

    account = ""
    """The account that the caller's credentials belong to."""
    caller = ""
    """The id of the access key."""
    region = ""
    """The region that the call is signed for."""


class MotoAccount(Principals):
    """A running server; `faults` are callables (action, parameters) -> None or a WSGI answer (status, body)."""

    def __init__(self, report_age: datetime.timedelta | None = datetime.timedelta(minutes=5)) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self.log: list[tuple[str, Call]] = []
        self.faults: list = []
        self.root: Root | None = None
        self.report_age = self._report_age = report_age
        self._lock = threading.Lock()
        self._in_flight = 0
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._handle, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._report = IamResponse.get_credential_report

    def __enter__(self) -> "MotoAccount":
        self.reset()
        account = self

        def stamped(response):  # noqa: ANN001, ANN202 - moto's own signature
            answer = account._report(response)
            if account.root is not None:
                answer.result["Content"] += account.root.row()
            if account.report_age is not None:
                stamp = datetime.datetime.now(datetime.timezone.utc) - account.report_age
                answer.result["GeneratedTime"] = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
            return answer

        moto.iam.responses.IamResponse.get_credential_report = stamped
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        moto.iam.responses.IamResponse.get_credential_report = self._report
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, **extra: str) -> dict[str, str]:
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.url, **extra}

    def reset(self) -> None:
        for account in list(iam_backends):
            iam_backends[account].reset()
        for account in list(secretsmanager_backends):
            secretsmanager_backends[account].reset()
        for account in list(sts_backends):
            sts_backends[account].reset()
        for backends in REGIONAL:
            for account in list(backends):
                backends[account].reset()
        self.iam.generate_report()  # the very first one is waited for, which takes a second
        self.report_age = self._report_age
        self.root = None
        with self._lock:
            self.calls.clear()
            self.log.clear()
            self.faults.clear()

    def has_root(self, root: Root) -> None:
        """Gives the account this root user."""
        self.root = root
        summary = self.iam.account_summary
        summary._account_mfa_enabled = int(root.mfa)
        summary._account_access_keys_present = int(bool(root.keys))

    def trust(self, roles: dict[str, str | None]) -> None:
        """Lets these roles alone be assumed, by their ARN, each with its external id: moto itself asks for nothing."""

        def fault(action: str, call: Call):  # noqa: ANN202
            role = call.get("RoleArn")
            if action == "AssumeRole" and (role not in roles or roles[role] != call.get("ExternalId")):
                return error("AccessDenied", f"not authorized to perform: sts:AssumeRole on {role}", "403 Forbidden")
            return None

        self.faults.append(fault)

    def secret(self, name: str, value: str) -> None:
        """Puts a secret into Secrets Manager, or another value into one that is there."""
        secrets = boto3.client("secretsmanager", endpoint_url=self.url, region_name="us-east-1", **SOMEBODY)
        try:
            secrets.create_secret(Name=name, SecretString=value)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=value)

    def writes(self) -> list[tuple[str, Call]]:
        reads = ("Get", "List", "Generate", "Simulate", "Assume", "Describe")
        return [(action, parameters) for action, parameters in self.log if not action.startswith(reads)]

    def is_idle(self) -> bool:
        """Whether no call is being answered."""
        with self._lock:
            return self._in_flight == 0

    def _handle(self, environ, start_response):  # noqa: ANN001, ANN202 - WSGI
        with self._lock:
            self._in_flight += 1
        try:
            return self._answer(environ, start_response)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _answer(self, environ, start_response):  # noqa: ANN001, ANN202 - WSGI
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = io.BytesIO(body)
        action, parameters = asked(environ, body)
        if signed := re.search(r"Credential=([^/]+)/\d+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", "")):
            parameters.caller, parameters.region = signed.groups()
            parameters.account = get_account_id_from(parameters.caller)
        # What a test itself does by boto3 is not counted, and never fails.
        by_test = environ.get("HTTP_USER_AGENT", "").startswith("Boto3")
        with self._lock:
            if not by_test:
                self.calls[action] += 1
                self.log.append((action, parameters))
            faults = [] if by_test else list(self.faults)
        for fault in faults:
            answer = fault(action, parameters)
            if answer is not None:
                status, text = answer
                start_response(status, [("Content-Type", "text/xml")])
                return [text.encode()]
        if action == "GetBucketPolicyStatus":
            status, text = policy_status(environ["PATH_INFO"].strip("/"))
            start_response(status, [("Content-Type", "text/xml")])
            return [text.encode()]
        return self._app(environ, start_response)


def asked(environ: dict, body: bytes) -> tuple[str, Call]:
    """The operation and its parameters, in any of the protocols that AWS speaks."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rsplit(".", 1)[-1], Call(json.loads(body or b"{}"))
    parameters = Call(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
    if "Action" in parameters:
        return parameters["Action"], parameters
    of_buckets = {"policyStatus": "GetBucketPolicyStatus", "acl": "GetBucketAcl", "publicAccessBlock": "GetPublicAccessBlock"}
    query = environ.get("QUERY_STRING", "").split("=")[0]
    read = environ["REQUEST_METHOD"] == "GET"
    path = environ.get("PATH_INFO", "")
    return of_buckets.get(query, path) if read else path, parameters


def policy_status(bucket: str) -> tuple[str, str]:
    """Whether a bucket's policy is public, which moto does not answer: here, whether it allows anything to anybody."""
    backend = s3_backends[ACCOUNT]["aws"]
    policy = backend.buckets[bucket].policy if bucket in backend.buckets else None
    if not policy:
        return "404 Not Found", "<Error><Code>NoSuchBucketPolicy</Code><Message>none</Message></Error>"
    public = any(s["Effect"] == "Allow" and s["Principal"] == "*" for s in json.loads(policy)["Statement"])
    return "200 OK", f"<PolicyStatus><IsPublic>{str(public).upper()}</IsPublic></PolicyStatus>"


def error(code: str, message: str, status: str = "400 Bad Request") -> tuple[str, str]:
    """An answer of IAM that is an error."""
    body = (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>fault</RequestId></ErrorResponse>"
    )
    return status, body


def json_error(code: str, message: str, status: str = "400 Bad Request") -> tuple[str, str]:
    """An answer that is an error, of a service that speaks JSON."""
    return status, json.dumps({"__type": code, "message": message})
