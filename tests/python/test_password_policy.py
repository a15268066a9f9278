"""The account password policy: merged, raised, written once, and given back as it was."""

from __future__ import annotations

import pytest

from warden import FREELY

DECLARED = """
[rules.access_key_rotation]
mode = "off"
[rules.unused_access_keys]
mode = "off"
[rules.unused_permissions]
mode = "off"
[rules.password_policy]
mode = "enforce"
"""
STRONG = """
minimum_length = 14
require_uppercase = true
require_lowercase = true
require_numbers = true
require_symbols = true
"""


def policy(account):
    return account.iam.account_password_policy


def test_stricter_fields_stay_and_undeclared_ones_too(account, warden):
    account.password_policy(
        minimum_password_length=20,
        max_password_age=30,
        password_reuse_prevention=5,
        require_symbols=True,
        allow_change_password=True,
    )
    warden.configure(
        FREELY, DECLARED, 'minimum_length = 14\nrequire_uppercase = true\nmax_age = "90d"\nreuse_prevention = 24\n'
    )
    warden.apply(code=0)
    writes = [parameters for action, parameters in account.writes()]
    assert len(writes) == 1
    now = policy(account)
    assert now.minimum_password_length == 20
    assert now.max_password_age == 30
    assert now.password_reuse_prevention == 24
    assert now.require_uppercase_characters is True
    assert now.require_symbols is True
    assert now.allow_users_to_change_password is True
    assert now.require_numbers is False
    warden.apply(code=0)
    assert len(account.writes()) == 1


def test_exact_lowers_what_is_declared(account, warden):
    account.password_policy(minimum_password_length=20, require_symbols=True)
    warden.configure(FREELY, DECLARED, "exact = true\nminimum_length = 14\n")
    warden.apply(code=0)
    assert policy(account).minimum_password_length == 14
    assert policy(account).require_symbols is True


def test_nothing_declared_changes_nothing(account, warden):
    warden.configure(FREELY, DECLARED)
    assert warden.plan(code=0)["findings"] == []
    account.password_policy()
    assert warden.plan(code=0)["findings"] == []


@pytest.mark.parametrize(
    "declared", ["minimum_length = 14", "exact = true\nminimum_length = 7\n" + STRONG.replace("minimum_length = 14", "")]
)
def test_weaker_than_the_built_in_policy_is_an_error_not_an_action(account, warden, declared):
    warden.configure(FREELY, DECLARED, declared)
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert any("password_policy" in problem["operation"] for problem in plan["accounts"][0]["errors"])
    warden.apply(code=3)
    assert account.writes() == []


def test_a_policy_is_made_and_its_rollback_deletes_it(account, warden):
    warden.configure(FREELY, DECLARED, STRONG)
    action = warden.plan(code=2)["actions"][0]
    assert action["resource"] == "arn:aws:iam::123456789012:root"
    assert action["inverse"]["kind"] == "delete_password_policy"
    warden.apply(code=0)
    assert policy(account).minimum_password_length == 14
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert policy(account) is None
    assert account.calls["DeleteAccountPasswordPolicy"] == 1


def test_a_rollback_gives_back_every_field(account, warden):
    before = {
        "minimum_password_length": 9,
        "max_password_age": 400,
        "password_reuse_prevention": 3,
        "require_numbers": True,
        "allow_change_password": True,
    }
    account.password_policy(**before)
    old = dict(vars(policy(account)))
    warden.configure(FREELY, DECLARED, STRONG + 'max_age = "90d"\n')
    action = warden.plan(code=2)["actions"][0]
    warden.apply(code=0)
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert dict(vars(policy(account))) == old


def test_a_rollback_after_somebodys_change_is_refused(account, warden):
    account.password_policy(minimum_password_length=9)
    warden.configure(FREELY, DECLARED, STRONG)
    action = warden.plan(code=2)["actions"][0]
    warden.apply(code=0)
    account.password_policy(minimum_password_length=30)
    warden.run("rollback", "--action", action["id"], "--yes", code=1)
    assert policy(account).minimum_password_length == 30


def test_a_change_between_plan_and_call_is_stale(account, warden):
    account.password_policy(minimum_password_length=9)
    reads = []

    def fault(action, _):
        if action == "GetAccountPasswordPolicy":
            reads.append(action)
            if len(reads) == 2:
                account.password_policy(minimum_password_length=10)

    account.faults.append(fault)
    warden.configure(FREELY, DECLARED, STRONG)
    warden.apply(code=3)
    assert account.writes() == []


def people_with_passwords(account, *ages: float) -> None:
    for number, age in enumerate(ages):
        account.user(f"person-{number}", age=age)
        account.iam.create_login_profile(f"person-{number}", "initial")


def test_would_lock_out(account, warden):
    people_with_passwords(account, 400, 200, 10)
    account.password_policy(minimum_password_length=14, hard_expiry=True)
    warden.configure(FREELY, DECLARED, 'max_age = "90d"\n')
    plan = warden.plan()
    action = plan["actions"][0]
    assert (action["state"], action["withheld_reason"]) == ("withheld", "would_lock_out")
    assert plan["findings"][0]["evidence"]["would_lock_out"] == 2
    warden.apply()
    assert account.writes() == []


def test_nobody_locked_out_is_no_reason_to_wait(account, warden):
    people_with_passwords(account, 10, 80)
    account.password_policy(minimum_password_length=14, hard_expiry=True)
    warden.configure(FREELY, DECLARED, 'max_age = "90d"\n')
    warden.apply(code=0)
    assert policy(account).max_password_age == 90


def test_unknown_ages_of_passwords_are_no_consent(account, warden):
    people_with_passwords(account, 10)
    account.report_age = None
    account.password_policy(minimum_password_length=14, hard_expiry=True)
    warden.configure(FREELY, DECLARED, 'max_age = "90d"\n')
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert plan["findings"][0]["status"] == "unknown"
