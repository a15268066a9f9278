"""Users without an MFA device: told, made to use one, released again; and never on the word of an old report."""

from __future__ import annotations

import json

import pytest

from moto_account import error
from test_access_keys import before_call
from warden import FREELY, only

POLICY = "iamwarden-require-mfa"
OTHER = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}'
ENFORCE = '[rules.user_mfa]\nmode = "enforce"\nminimum_notice = "0s"\n'


def declare(warden, *parts):
    warden.configure(FREELY, only("user_mfa"), *parts)


def verdicts(plan):
    return {finding["resource"].split("/")[-1]: finding["status"] for finding in plan["findings"]}


@pytest.fixture
def people(account):
    """One with a device, one without, and a program."""
    for name in ("safe", "bare", "robot"):
        account.user(name)
    account.password("safe")
    account.password("bare")
    account.device("safe")
    return account


def test_who_has_a_device_complies_and_costs_no_call(account, warden):
    for number in range(20):
        account.user(f"safe-{number}")
        account.password(f"safe-{number}")
        account.device(f"safe-{number}")
        account.user(f"robot-{number}")
    declare(warden, ENFORCE)
    plan = warden.plan(code=0)
    assert (plan["findings"], plan["actions"]) == ([], [])
    assert account.calls["ListMFADevices"] == account.calls["GetLoginProfile"] == 0


def test_required_then_lifted_then_silent(people, warden):
    declare(warden, ENFORCE)
    plan = warden.plan(code=2)
    assert verdicts(plan) == {"bare": "violation"}
    assert [action["kind"] for action in plan["actions"]] == ["require_mfa"]
    warden.apply(code=0)
    assert [(action, call["UserName"]) for action, call in people.writes()] == [("PutUserPolicy", "bare")]
    document = json.loads(people.inline("bare")[POLICY])
    [statement] = document["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    assert people.inline("safe") == people.inline("robot") == {}

    warden.apply(code=0)
    assert len(people.writes()) == 1, "a second run has nothing to do"
    waiting = warden.plan(code=0)
    assert (verdicts(waiting), waiting["actions"]) == ({"bare": "violation"}, [])

    people.device("bare")
    assert [action["kind"] for action in warden.plan(code=2)["actions"]] == ["lift_mfa_requirement"]
    warden.apply(code=0)
    assert people.inline("bare") == {}
    after = warden.plan(code=0)
    assert (after["findings"], after["actions"]) == ([], [])
    warden.apply(code=0)
    assert [action for action, _ in people.writes()] == ["PutUserPolicy", "DeleteUserPolicy"]


def test_a_rollback_takes_exactly_that_off_and_it_stays_off(people, warden):
    people.iam.put_user_policy("bare", "own", OTHER)
    before = people.inline("bare")
    declare(warden, ENFORCE)
    action = warden.plan()["actions"][0]["id"]
    warden.apply(code=0)
    assert set(people.inline("bare")) == {"own", POLICY}
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert people.inline("bare") == before
    held = warden.plan()["actions"][0]
    assert (held["state"], held["withheld_reason"]) == ("withheld", "rolled_back")
    warden.apply(code=0)
    assert people.inline("bare") == before
    warden.run("history", "--verify", code=0)


def test_a_rollback_refuses_what_somebody_changed_since(people, warden):
    declare(warden, ENFORCE)
    action = warden.plan()["actions"][0]["id"]
    warden.apply(code=0)
    edited = people.inline("bare")[POLICY].replace('"Resource": "*"', '"Resource": "arn:aws:s3:::*"')
    people.iam.put_user_policy("bare", POLICY, edited)
    ended = warden.run("rollback", "--action", action, "--yes")
    assert ended.code != 0, ended
    assert people.inline("bare")[POLICY] == edited
    people.device("bare")
    listed = warden.plan(code=0)
    assert (verdicts(listed), listed["actions"]) == ({"bare": "warning"}, [])
    warden.apply(code=0)
    assert people.inline("bare")[POLICY] == edited, "it is not iamwarden's any more"


@pytest.mark.parametrize("happening", ["enrolled", "password deleted", "user gone", "policy put"])
def test_what_changed_between_plan_and_call_is_not_touched(people, warden, happening):
    def happens():
        if happening == "enrolled":
            people.device("bare")
        elif happening == "password deleted":
            people.iam.delete_login_profile("bare")
        elif happening == "policy put":
            people.iam.put_user_policy("bare", POLICY, OTHER)
        else:
            del people.iam.users["bare"]

    # The plan does not ask for the user itself; the look right before the call does.
    people.faults.append(before_call("GetUser", 1, happens))
    declare(warden, ENFORCE)
    ended = warden.apply(code=3)
    assert people.writes() == [], ended
    assert warden.outcomes() == ["stale"]


def test_who_enrolled_since_the_report_is_not_hit(people, warden):
    old = people.iam.get_credential_report()
    people.device("bare")

    def yesterday(action, _call):
        if action != "GetCredentialReport":
            return None
        people.iam.get_credential_report = lambda: old
        return None

    people.faults.append(yesterday)
    try:
        declare(warden, ENFORCE)
        plan = warden.plan(code=0)
    finally:
        del people.iam.get_credential_report
    assert (plan["findings"], plan["actions"]) == ([], [])
    assert people.calls["ListMFADevices"] == 1


def test_without_a_report_everybody_is_asked_for(people, warden):
    people.report_age = None
    declare(warden, ENFORCE)
    plan = warden.plan(code=2)
    assert verdicts(plan) == {"bare": "violation"}
    assert people.calls["GetLoginProfile"] == 3
    assert people.calls["ListMFADevices"] == 2, "a program without a password needs no device"


@pytest.mark.parametrize("operation", ["ListMFADevices", "GetLoginProfile"])
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_what_cannot_be_read_is_unknown(people, warden, operation, code):
    people.user("other")
    people.password("other")
    people.faults.append(
        lambda action, call: error(code, "no") if action == operation and call["UserName"] == "bare" else None
    )
    declare(warden, ENFORCE)
    plan = warden.plan(code=3)
    assert verdicts(plan) == {"bare": "unknown", "other": "violation"}
    warden.apply(code=3)
    assert [call["UserName"] for _, call in people.writes()] == ["other"], "others go on"


def test_a_user_without_room_for_a_policy_fails_alone(people, warden):
    people.user("other")
    people.password("other")
    people.faults.append(
        lambda action, call: error("LimitExceeded", "Maximum policy size of 2048 bytes exceeded", "409 Conflict")
        if action == "PutUserPolicy" and call["UserName"] == "bare"
        else None
    )
    declare(warden, ENFORCE)
    warden.apply(code=3)
    assert sorted(warden.outcomes()) == ["applied", "failed"]
    assert people.inline("bare") == {}
    assert POLICY in people.inline("other")


def test_the_protected_and_the_exempt_are_left_alone(account, warden):
    for name in ("break-glass-1", "kiosk"):
        account.user(name)
        account.password(name)
    declare(
        warden,
        ENFORCE,
        '[[exemptions]]\nprincipals = ["user/kiosk"]\nrules = ["user_mfa"]\nuntil = "2099-01-01"\nreason = "a screen"\n',
    )
    plan = warden.plan(code=0)
    assert verdicts(plan) == {"break-glass-1": "exempt", "kiosk": "exempt"}
    warden.apply(code=0)
    assert account.writes() == []


def test_without_a_channel_nobody_is_made_to_use_mfa_unannounced(people, warden):
    declare(warden, '[rules.user_mfa]\nmode = "enforce"\n')
    action = warden.plan()["actions"][0]
    assert (action["state"], action["withheld_reason"]) == ("withheld", "no_channel")
    warden.apply()
    assert people.writes() == []


def test_a_program_gets_a_finding_and_no_action(people, warden):
    declare(warden, ENFORCE + 'scope = "all"\n')
    plan = warden.plan(code=2)
    assert verdicts(plan) == {"bare": "violation", "robot": "violation"}
    assert [action["resource"].split("/")[-1] for action in plan["actions"]] == ["bare"]
    robot = next(finding for finding in plan["findings"] if finding["resource"].endswith("/robot"))
    assert "no console password" in robot["detail"]
