"""One server of moto for the whole suite, emptied before each test, and the binary beside it.

    IAMWARDEN_BIN=target/debug/iamwarden pytest tests/python
"""

from __future__ import annotations

import sys
from pathlib import Path

import boto3
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from moto_account import ACCOUNT, MotoAccount  # noqa: E402
from receiver import Receiver  # noqa: E402
from regions import HOME  # noqa: E402
from warden import Warden  # noqa: E402


@pytest.fixture(scope="session")
def moto_server():
    with MotoAccount() as server:
        yield server


@pytest.fixture
def account(moto_server, monkeypatch):
    """An empty account."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")  # the thousand policies of AWS take seconds
    moto_server.reset()
    yield moto_server
    moto_server.reset()


@pytest.fixture
def warden(account, tmp_path):
    """The binary. At the end no secret may have turned up in any output, nor in any file that it wrote."""
    warden = Warden(account.environment(), tmp_path)
    yield warden
    assert not warden.leaks()


@pytest.fixture
def receiver():
    """Makes receivers for channels, and closes them in the end."""
    made = []

    def make(kind: str = "webhook") -> Receiver:
        made.append(Receiver(kind))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cloud(account):
    """boto3's clients in the account's home region."""
    session = boto3.Session("testing", "testing", region_name=HOME)

    def client(service: str):
        return session.client(service, endpoint_url=account.url)

    bucket = {"Bucket": "trail-logs", "CreateBucketConfiguration": {"LocationConstraint": HOME}}
    client("s3").create_bucket(**bucket)
    return client


@pytest.fixture
def trail(cloud):
    """Makes a trail; a sound one, but for what is said otherwise."""

    def make(name: str = "audit", logging: bool = True, **settings: object) -> str:
        sound = {
            "S3BucketName": "trail-logs",
            "IsMultiRegionTrail": True,
            "EnableLogFileValidation": True,
            "CloudWatchLogsLogGroupArn": f"arn:aws:logs:{HOME}:{ACCOUNT}:log-group:trail:*",
            "CloudWatchLogsRoleArn": f"arn:aws:iam::{ACCOUNT}:role/trail",
        }
        arn = cloud("cloudtrail").create_trail(Name=name, **{**sound, **settings})["TrailARN"]
        if logging:
            cloud("cloudtrail").start_logging(Name=name)
        return arn

    return make
