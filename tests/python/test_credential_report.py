"""The credential report saves calls where it is good, and is done without where it is not."""

from __future__ import annotations

import datetime

import pytest

from moto_account import error
from warden import ENFORCE_ROTATION, FREELY


@pytest.fixture
def users(account, warden):
    """Ten users with one key each; those of the first two are past the limit."""
    for number in range(10):
        account.user(f"user-{number}")
        account.key(f"user-{number}", 200 if number < 2 else 10, used=5)
    warden.configure(FREELY, ENFORCE_ROTATION)
    return account


def offenders(plan: dict) -> list[str]:
    return [action["resource"].split("/")[-1] for action in plan["actions"]]


def test_a_good_report_spares_looks_at_users(users, warden):
    assert offenders(warden.plan(code=2)) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 2
    assert users.calls["GetAccessKeyLastUsed"] == 0


@pytest.mark.parametrize("age", [None, datetime.timedelta(hours=9)], ids=["2015", "hours old"])
def test_an_old_report_is_done_without(users, warden, age):
    users.report_age = age
    ended = warden.run("plan", "--format", "json", code=2)
    assert offenders(ended.json) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 10
    assert "too old" in ended.err


def test_the_first_report_ever_is_waited_for(users, warden):
    users.iam.credential_report = None
    assert offenders(warden.plan(code=2)) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 2


def test_a_report_in_progress_is_waited_for(users, warden):
    unfinished = iter([error("ReportInProgress", "wait", "404 Not Found")] * 2)
    users.faults.append(lambda action, _: next(unfinished, None) if action == "GetCredentialReport" else None)
    assert offenders(warden.plan(code=2)) == ["user-0", "user-1"]
    assert users.calls["GetCredentialReport"] == 3
    assert users.calls["ListAccessKeys"] == 2


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("GenerateCredentialReport", "AccessDenied", "403 Forbidden"),
        ("GetCredentialReport", "AccessDenied", "403 Forbidden"),
        ("GetCredentialReport", "ServiceFailure", "500 Internal Server Error"),
    ],
)
def test_a_report_that_is_refused_is_done_without(users, warden, operation, code, status):
    users.faults.append(lambda action, _: error(code, "no", status) if action == operation else None)
    plan = warden.plan()
    assert offenders(plan) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 10


def test_over_its_limit_the_last_report_serves(users, warden):
    users.iam.generate_report()
    users.faults.append(
        lambda action, _: error("LimitExceeded", "no", "409 Conflict") if action == "GenerateCredentialReport" else None
    )
    assert offenders(warden.plan(code=2)) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 2


def test_over_its_limit_and_without_a_report_users_are_looked_at(users, warden):
    def fault(action, _):
        if action == "GenerateCredentialReport":
            return error("LimitExceeded", "no", "409 Conflict")
        if action == "GetCredentialReport":
            return error("ReportNotPresent", "no", "410 Gone")
        return None

    users.faults.append(fault)
    assert offenders(warden.plan(code=2)) == ["user-0", "user-1"]
    assert users.calls["ListAccessKeys"] == 10


def test_neither_report_nor_looks_means_unknown(users, warden):
    refused = {"GetCredentialReport", "ListAccessKeys"}
    users.faults.append(lambda action, _: error("AccessDenied", "no", "403 Forbidden") if action in refused else None)
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert {finding["status"] for finding in plan["findings"]} == {"unknown"}
    warden.apply(code=3)
    assert users.writes() == []


def test_no_users_readable_means_no_action(users, warden):
    users.faults.append(
        lambda action, _: error("AccessDenied", "no", "403 Forbidden")
        if action == "GetAccountAuthorizationDetails"
        else None
    )
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert [finding["status"] for finding in plan["findings"]].count("violation") == 0
