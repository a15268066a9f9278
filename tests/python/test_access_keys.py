"""Keys past their age and keys that nobody uses: the right key, that key alone, and only as long as the plan holds."""

from __future__ import annotations

import pytest

from moto_account import ago, error
from warden import ENFORCE_ROTATION, FREELY

ENFORCE_UNUSED = """
[rules.access_key_rotation]
mode = "off"
[rules.unused_access_keys]
mode = "enforce"
minimum_notice = "0s"
"""


def before_call(operation: str, number: int, happening):
    """A fault that lets something happen right before the n-th call of an operation, and lets the call through."""
    seen = []

    def fault(action, _parameters):
        if action == operation:
            seen.append(action)
            if len(seen) == number:
                happening()

    return fault


def test_of_two_keys_only_the_old_one_changes(account, warden):
    account.user("alice")
    old, new = account.key("alice", 200, used=1), account.key("alice", 5, used=0.1)
    warden.configure(FREELY, ENFORCE_ROTATION)
    plan = warden.plan(code=2)
    assert [action["parameters"] for action in plan["actions"]] == [{"access_key_id": old.access_key_id}]
    assert old.access_key_id in plan["findings"][0]["title"]
    ended = warden.apply(code=0)
    assert account.writes() == [
        (
            "UpdateAccessKey",
            {
                "Action": "UpdateAccessKey",
                "Version": "2010-05-08",
                "UserName": "alice",
                "AccessKeyId": old.access_key_id,
                "Status": "Inactive",
            },
        )
    ]
    assert account.key_status("alice", old.access_key_id) == "Inactive"
    assert account.key_status("alice", new.access_key_id) == "Active"
    assert old.access_key_id in ended.out
    assert new.access_key_id not in ended.out


def test_a_second_apply_writes_nothing(account, warden):
    for number in range(5):
        account.user(f"user-{number}")
        account.key(f"user-{number}", 120)
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0)
    assert len(account.writes()) == 5
    assert warden.plan(code=0)["actions"] == []
    warden.apply(code=0)
    assert len(account.writes()) == 5


def test_one_failing_key_does_not_stop_the_others(account, warden):
    keys = {}
    for number in range(12):
        account.user(f"user-{number:02}")
        keys[f"user-{number:02}"] = account.key(f"user-{number:02}", 120).access_key_id

    def fault(action, parameters):
        if action == "UpdateAccessKey" and parameters["UserName"] == "user-03":
            return error("ServiceFailure", "the control plane is away", "500 Internal Server Error")
        return None

    account.faults.append(fault)
    warden.configure(FREELY, ENFORCE_ROTATION)
    ended = warden.apply(code=3)
    still = [user for user, key in keys.items() if account.key_status(user, key) == "Active"]
    assert still == ["user-03"]
    assert ended.out.count("applied ") == 11, ended
    assert keys["user-03"] in ended.out
    account.faults.clear()
    warden.apply(code=0)
    assert account.key_status("user-03", keys["user-03"]) == "Inactive"


def test_a_denied_key_fails_and_is_not_called_unsettled(account, warden):
    account.user("alice")
    account.key("alice", 120)
    account.faults.append(
        lambda action, _: error("AccessDenied", "no", "403 Forbidden") if action == "UpdateAccessKey" else None
    )
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=3)
    assert warden.outcomes() == ["failed"]
    assert account.calls["UpdateAccessKey"] == 1


def test_a_throttled_last_use_is_not_never_used(account, warden):
    account.user("alice")
    account.key("alice", 100)
    account.report_age = None  # no report to take the last use from
    account.faults.append(
        lambda action, _: error("Throttling", "Rate exceeded") if action == "GetAccessKeyLastUsed" else None
    )
    warden.configure(FREELY, ENFORCE_UNUSED)
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert {finding["status"] for finding in plan["findings"]} == {"unknown"}
    assert plan["accounts"][0]["status"] == "partial"
    assert any("GetAccessKeyLastUsed" in gap["operation"] for gap in plan["accounts"][0]["errors"])
    assert account.calls["GetAccessKeyLastUsed"] > 1, "it is tried again before it is given up"


def test_a_refused_last_use_is_not_never_used(account, warden):
    account.user("alice")
    key = account.key("alice", 100)
    account.report_age = None
    account.faults.append(
        lambda action, _: error("AccessDenied", "no", "403 Forbidden") if action == "GetAccessKeyLastUsed" else None
    )
    warden.configure(FREELY, ENFORCE_UNUSED)
    warden.apply(code=3)
    assert account.writes() == []
    assert account.key_status("alice", key.access_key_id) == "Active"


def test_a_throttle_that_passes_is_waited_out(account, warden):
    account.user("alice")
    account.key("alice", 100)
    account.report_age = None
    throttled = iter([error("Throttling", "Rate exceeded")])
    account.faults.append(
        lambda action, _: next(throttled, None) if action == "GetAccessKeyLastUsed" else None
    )
    warden.configure(FREELY, ENFORCE_UNUSED)
    warden.apply(code=0)
    assert len(account.writes()) == 1


@pytest.mark.parametrize("happening", ["used", "inactive", "re-created", "gone", "user gone"])
def test_what_changed_between_plan_and_call_is_not_touched(account, warden, happening):
    account.user("alice")
    key = account.key("alice", 100)

    def happens():
        if happening == "used":
            account.use(key, ago(0, minutes=1))
        elif happening == "inactive":
            key.status = "Inactive"
        elif happening == "re-created":
            key.create_date = ago(1)
        elif happening == "gone":
            account.iam.users["alice"].access_keys.remove(key)
        else:
            del account.iam.users["alice"]

    # The first look is the plan's, the second is the one right before the call.
    account.faults.append(before_call("ListAccessKeys", 2, happens))
    warden.configure(FREELY, ENFORCE_UNUSED)
    ended = warden.apply(code=3)
    assert account.writes() == [], ended
    assert "stale" in ended.out
    assert warden.outcomes() == ["stale"]


def test_a_rotated_key_used_meanwhile_is_still_past_its_age(account, warden):
    account.user("alice")
    key = account.key("alice", 100, used=50)

    def used():
        account.use(key, ago(0, minutes=1))

    account.faults.append(before_call("ListAccessKeys", 2, used))
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0)
    assert len(account.writes()) == 1


def test_two_rules_about_one_key_make_one_action(account, warden):
    account.user("alice")
    account.key("alice", 200, used=190)
    warden.configure(
        FREELY,
        '[rules.access_key_rotation]\nmode = "approve"\nminimum_notice = "0s"\n'
        '[rules.unused_access_keys]\nmode = "enforce"\nminimum_notice = "0s"\n',
    )
    plan = warden.plan(code=2)
    assert len(plan["findings"]) == 2
    assert len(plan["actions"]) == 1
    action = plan["actions"][0]
    assert len(action["also"]) == 1
    assert action["mode"] == "enforce"
    assert {action["finding"], *action["also"]} == {finding["id"] for finding in plan["findings"]}
    warden.apply(code=0)
    assert account.calls["UpdateAccessKey"] == 1


def test_edges_of_age_and_use(account, warden):
    for name, age, used in [("edge", 90, 1), ("young", 89.9, 1), ("never", 46, None), ("recent", 80, 44.9)]:
        account.user(name)
        account.key(name, age, used)
    warden.configure(
        FREELY,
        '[rules.access_key_rotation]\nmode = "enforce"\nminimum_notice = "0s"\nwarn_before = []\n'
        '[rules.unused_access_keys]\nmode = "enforce"\nminimum_notice = "0s"\n',
    )
    plan = warden.plan(code=2)
    found = {(finding["resource"].split("/")[-1], finding["rule"]) for finding in plan["findings"]}
    assert found == {("edge", "access_key_rotation"), ("never", "unused_access_keys")}


@pytest.mark.parametrize("status", ["Inactive", "Expired"])
def test_what_is_not_active_is_compliant(account, warden, status):
    account.user("alice")
    account.key("alice", 300, status=status)
    warden.configure(FREELY, ENFORCE_ROTATION)
    assert warden.plan(code=0)["actions"] == []


def test_the_protected_the_exempt_and_oneself_are_left_alone(account, warden):
    for name in ("break-glass-1", "ci-deploy", "warden", "ended"):
        account.user(name)
        key = account.key(name, 300)
        if name == "warden":
            warden.environment["AWS_ACCESS_KEY_ID"] = key.access_key_id
    warden.configure(
        FREELY,
        ENFORCE_ROTATION,
        '[[exemptions]]\nprincipals = ["user/ci-*"]\nrules = ["access_key_rotation"]\nuntil = "2099-01-01"\n'
        'reason = "vendor"\n'
        '[[exemptions]]\nprincipals = ["user/ended"]\nrules = ["access_key_rotation"]\nuntil = "2020-01-01"\n'
        'reason = "long ago"\n',
    )
    plan = warden.plan(code=2)
    rotation = [finding for finding in plan["findings"] if finding["rule"] == "access_key_rotation"]
    status = {finding["resource"].split("/")[-1]: finding["status"] for finding in rotation}
    assert status == {"break-glass-1": "exempt", "ci-deploy": "exempt", "warden": "exempt", "ended": "violation"}
    warden.apply(code=0)
    assert [parameters["UserName"] for _, parameters in account.writes()] == ["ended"]


def test_a_key_used_lately_is_spared_where_so_declared(account, warden):
    account.user("alice")
    account.key("alice", 300, used=2)
    warden.configure(FREELY, ENFORCE_ROTATION + 'spare_used_within = "7d"\n')
    action = warden.plan()["actions"][0]
    assert (action["state"], action["withheld_reason"]) == ("withheld", "recently_used")
    warden.apply(code=0)
    assert account.writes() == []
