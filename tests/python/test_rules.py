"""Rules by a table, on moto: in order, offending, exempt, not readable, mended by `apply`, silent afterwards, undone by
`rollback`. What is a rule's own stands below.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Callable

import pytest

from moto_account import ACCOUNT, ago, error
from test_access_keys import before_call
from warden import FREELY, only

QUARANTINE = "iamwarden-quarantine"
SERVICE = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
OUTSIDER = SERVICE.replace('{"Service":"ec2.amazonaws.com"}', '{"AWS":"arn:aws:iam::210987654321:root"}')
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
READING = EVERYTHING.replace('"*"', '"s3:GetObject"', 1)


def user(account, name: str, signed_in: float | None = None):
    """A user of long ago; with a password that was used so many days ago."""
    made = account.user(name)
    if signed_in is not None:
        account.password(name)
        made.password_last_used = ago(signed_in)
    return made


def role(account, name: str, used: float | None = 300, trust: str = SERVICE):
    made = account.iam.create_role(name, trust, "/", None, "", [], 3600)
    made.create_date = ago(600)
    if used is not None:
        made.last_used, made.last_used_region = ago(used), "eu-west-1"
    return made


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    settings: str
    offending: Callable
    """Plants `NAME` as it must not be."""
    sound: Callable
    """Plants `NAME` as it may be."""
    kind: str
    """What `NAME` is: `user` or `role`."""
    needed: tuple[str, ...]
    """Readings without which nothing may be concluded."""
    writes: str = ""
    """The call that mends it, where there is one."""
    undone_by: str = ""


RULES = (
    Rule(
        "unused_passwords",
        'minimum_notice = "0s"\nallow_irreversible = true\n',
        lambda account, name: user(account, name, signed_in=100),
        lambda account, name: user(account, name, signed_in=20),
        "user",
        ("GetAccountAuthorizationDetails", "GetLoginProfile"),
        "DeleteLoginProfile",
    ),
    Rule(
        "unused_users",
        "",
        lambda account, name: user(account, name),
        lambda account, name: user(account, name) and account.key(name, 200, used=3),
        "user",
        ("GetAccountAuthorizationDetails", "ListSSHPublicKeys", "ListSigningCertificates", "ListServiceSpecificCredentials"),
    ),
    Rule(
        "unused_roles",
        'minimum_notice = "0s"\nconfirm_after = "0s"\n',
        role,
        lambda account, name: role(account, name, used=20),
        "role",
        ("GetAccountAuthorizationDetails",),
        "PutRolePolicy",
        "DeleteRolePolicy",
    ),
    Rule(
        "access_review",
        "",
        lambda account, name: user(account, name) and account.iam.put_user_policy(name, "own", READING),
        user,
        "user",
        ("GetAccountAuthorizationDetails",),
    ),
    Rule(
        "role_trust",
        "",
        lambda account, name: role(account, name, trust=OUTSIDER),
        role,
        "role",
        ("GetAccountAuthorizationDetails",),
    ),
    Rule(
        "broad_policies",
        "allow_attached_to_users = true\n",
        lambda account, name: user(account, name) and account.iam.put_user_policy(name, "own", EVERYTHING),
        lambda account, name: user(account, name) and account.iam.put_user_policy(name, "own", READING),
        "user",
        ("GetAccountAuthorizationDetails",),
    ),
)
CHANGING = [rule for rule in RULES if rule.writes]
REPORTING = [rule for rule in RULES if not rule.writes]


def by_name(rule: Rule) -> str:
    return rule.name


def every(rules):
    return pytest.mark.parametrize("rule", rules, ids=by_name)


@pytest.fixture(autouse=True)
def with_what_moto_lacks(account):
    """moto knows no credentials for single services, and has no Access Advisor."""
    answers = {
        "ListServiceSpecificCredentials": (
            "200 OK",
            '<ListServiceSpecificCredentialsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            "<ListServiceSpecificCredentialsResult><ServiceSpecificCredentials/></ListServiceSpecificCredentialsResult>"
            "</ListServiceSpecificCredentialsResponse>",
        ),
        "GenerateServiceLastAccessedDetails": error("InvalidInput", "no such thing"),
    }
    account.faults.append(lambda action, _call: answers.get(action))


def declare(warden, rule: Rule, *more: str) -> None:
    warden.configure(FREELY, only(rule.name), f'[rules.{rule.name}]\nmode = "enforce"\n{rule.settings}', *more)


def verdicts(plan: dict) -> dict[str, str]:
    return {finding["resource"].split("/")[-1]: finding["status"] for finding in plan["findings"]}


@every(RULES)
def test_what_is_in_order_is_left_alone(account, warden, rule):
    rule.sound(account, "sound")
    declare(warden, rule)
    assert warden.plan(code=0)["findings"] == []
    warden.apply(code=0)
    assert account.writes() == []


@every(REPORTING)
def test_who_offends_is_reported_and_not_changed(account, warden, rule):
    rule.offending(account, "wrong")
    rule.sound(account, "sound")
    declare(warden, rule)
    plan = warden.plan()
    assert (verdicts(plan), plan["actions"]) == ({"wrong": "violation"}, [])
    warden.apply()
    assert account.writes() == []


@every(RULES)
def test_the_exempt_are_left_alone(account, warden, rule):
    rule.offending(account, "spared")
    exemption = {"principals": [f"{rule.kind}/spared"], "rules": [rule.name], "until": "2099-01-01", "reason": "a test"}
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in exemption.items())
    declare(warden, rule, f"[[exemptions]]\n{lines}")
    assert verdicts(warden.plan()) == {"spared": "exempt"}
    warden.apply()
    assert account.writes() == []


FAILURES = [(rule, operation, "AccessDenied") for rule in RULES for operation in rule.needed]
# It takes its time to be tried again: one stands for all, tests/flows has the others.
FAILURES.append((RULES[0], "GetLoginProfile", "Throttling"))


@pytest.mark.parametrize("rule,operation,code", FAILURES, ids=lambda one: getattr(one, "name", one))
def test_what_cannot_be_read_is_unknown(account, warden, rule, operation, code):
    rule.offending(account, "wrong")
    account.faults.insert(0, lambda action, _call: error(code, "no") if action == operation else None)
    declare(warden, rule)
    plan = warden.plan(code=3)
    assert set(verdicts(plan).values()) == {"unknown"}
    assert plan["actions"] == []
    warden.apply(code=3)
    assert account.writes() == []


@every(CHANGING)
def test_it_is_mended_once(account, warden, rule):
    rule.offending(account, "wrong")
    rule.sound(account, "sound")
    declare(warden, rule)
    plan = warden.plan(code=2)
    assert verdicts(plan) == {"wrong": "violation"}
    assert [action["reversible"] for action in plan["actions"]] == [bool(rule.undone_by)]
    warden.apply(code=0)
    [(written, call)] = account.writes()
    assert (written, call[f"{rule.kind.title()}Name"]) == (rule.writes, "wrong")
    after = warden.plan(code=0)
    assert after["actions"] == []
    assert set(verdicts(after).values()) <= {"warning"}, "at most listed"
    warden.apply(code=0)
    assert len(account.writes()) == 1
    assert warden.outcomes() == ["applied"]


@every([rule for rule in CHANGING if rule.undone_by])
def test_a_rollback_restores_it_and_it_stays_so(account, warden, rule):
    rule.offending(account, "wrong")
    declare(warden, rule)
    before = dict(account.iam.get_role("wrong").policies)
    [action] = warden.plan()["actions"]
    warden.apply(code=0)
    assert account.iam.get_role("wrong").policies != before
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert account.iam.get_role("wrong").policies == before
    assert [written for written, _ in account.writes()] == [rule.writes, rule.undone_by]
    [held] = warden.plan()["actions"]
    assert (held["state"], held["withheld_reason"]) == ("withheld", "rolled_back")
    warden.apply(code=0)
    assert len(account.writes()) == 2
    warden.run("history", "--verify", code=0)


def test_a_quarantined_role_may_do_nothing_and_is_listed(account, warden):
    rule = RULES[2]
    rule.offending(account, "wrong")
    declare(warden, rule)
    warden.apply(code=0)
    [statement] = json.loads(account.iam.get_role("wrong").policies[QUARANTINE])["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Deny", "*", "*")
    assert "Condition" not in statement
    [finding] = warden.plan(code=0)["findings"]
    assert (finding["status"], "in quarantine" in finding["title"]) == ("warning", True)


def test_a_quarantine_that_somebody_changed_is_not_undone(account, warden):
    rule = RULES[2]
    rule.offending(account, "wrong")
    declare(warden, rule)
    [action] = warden.plan()["actions"]
    warden.apply(code=0)
    account.iam.put_role_policy("wrong", QUARANTINE, READING)
    ended = warden.run("rollback", "--action", action["id"], "--yes")
    assert ended.code != 0, ended
    assert account.iam.get_role("wrong").policies[QUARANTINE] == READING


@pytest.mark.parametrize("happening", ["assumed", "trust changed", "gone", "policy put"])
def test_a_role_that_changed_between_plan_and_call_is_not_touched(account, warden, happening):
    rule = RULES[2]
    made = rule.offending(account, "wrong")

    def happens():
        if happening == "assumed":
            made.last_used = ago(0)
        elif happening == "trust changed":
            made.assume_role_policy_document = OUTSIDER
        elif happening == "policy put":
            account.iam.put_role_policy("wrong", QUARANTINE, READING)
        else:
            del account.iam.roles[made.id]

    account.faults.append(before_call("GetRole", 1, happens))
    declare(warden, rule)
    warden.apply(code=3)
    assert account.writes() == []
    assert warden.outcomes() == ["stale"]


def test_a_password_waits_for_a_person(account, warden):
    rule = dataclasses.replace(RULES[0], settings='minimum_notice = "0s"\n')
    rule.offending(account, "wrong")
    declare(warden, rule)
    plan = warden.plan("--save", code=2)
    [action] = plan["actions"]
    assert (action["state"], action["withheld_reason"], action["reversible"]) == ("withheld", "approval", False)
    warden.apply(code=0)
    assert account.writes() == []
    warden.run("approve", plan["id"], "--by", "sec-lead@example.com", code=0)
    warden.apply(code=0)
    assert [written for written, _ in account.writes()] == ["DeleteLoginProfile"]
    ended = warden.run("rollback", "--action", action["id"], "--yes")
    assert ended.code != 0, "a password cannot be restored"
    assert len(account.writes()) == 1


@pytest.mark.parametrize("happening", ["signed in", "made anew", "gone"])
def test_a_password_that_came_to_life_between_plan_and_call_is_not_deleted(account, warden, happening):
    rule = RULES[0]
    made = rule.offending(account, "wrong")

    def happens():
        if happening == "signed in":
            made.password_last_used = ago(0)
        elif happening == "made anew":
            made.id = "AIDAANOTHERUSER000000"
        else:
            account.iam.delete_login_profile("wrong")

    # The plan asks once itself.
    account.faults.append(before_call("GetUser", 2, happens))
    declare(warden, rule)
    warden.apply(code=3)
    assert account.writes() == []
    assert warden.outcomes() == ["stale"]


def test_a_deleted_password_leaves_the_keys_working_and_says_so(account, warden):
    rule = RULES[0]
    rule.offending(account, "wrong")
    key = account.key("wrong", 20, used=1)
    declare(warden, rule)
    [finding] = warden.plan()["findings"]
    assert "active access keys of the user go on working" in finding["detail"]
    warden.apply(code=0)
    assert account.key_status("wrong", key.access_key_id) == "Active"


def test_credentials_without_a_last_use_make_a_user_at_rest_a_warning(account, warden):
    rule = RULES[1]
    rule.offending(account, "wrong")
    account.iam.upload_ssh_public_key("wrong", "ssh-rsa AAAA test")
    declare(warden, rule)
    [finding] = warden.plan()["findings"]
    assert (finding["status"], "SSH public key" in finding["detail"]) == ("warning", True)


def test_a_confirmed_review_is_not_due_and_says_who(account, warden):
    rule = RULES[3]
    for name in ("ada", "bob"):
        rule.offending(account, name)
    declare(warden, rule)
    assert verdicts(warden.plan()) == {"ada": "violation", "bob": "violation"}
    said = warden.run("review", "confirm", "user/ada", "--by", "sec-lead@example.com", code=0).out
    assert f"arn:aws:iam::{ACCOUNT}:user/ada" in said and "180d" in said
    assert verdicts(warden.plan()) == {"bob": "violation"}
    [journalled] = warden.query("SELECT payload FROM journal WHERE kind = 'review'")
    assert "sec-lead@example.com" in journalled[0]
    warden.run("history", "--verify", code=0)
    assert account.writes() == []


def test_nobody_is_confirmed_who_is_not_there_or_could_not_be_read(account, warden):
    rule = RULES[3]
    rule.offending(account, "ada")
    declare(warden, rule)
    absent = warden.run("review", "confirm", "user/nobody", "--by", "sec-lead@example.com", code=1)
    assert "no user, group or role is called `user/nobody`" in absent.err
    account.faults.insert(0, lambda action, _call: error("AccessDenied", "no") if action.startswith("GetAccount") else None)
    warden.run("review", "confirm", "user/ada", "--by", "sec-lead@example.com", code=1)
    account.faults.pop(0)
    assert verdicts(warden.plan()) == {"ada": "violation"}
