"""The root user: two sources side by side. moto has no root user, so its facts are put into moto's answers."""

from __future__ import annotations

import pytest

from moto_account import Root, ago, error
from warden import only

ENFORCE = '[rules.root_account]\nmode = "enforce"\n'


def declare(warden, *parts):
    warden.configure(only("root_account"), ENFORCE, *parts)


def found(plan):
    return [(finding["status"], finding["title"]) for finding in plan["findings"]]


def test_a_sound_root_user_complies_in_few_calls(account, warden):
    account.has_root(Root(password_last_used=ago(400)))
    declare(warden)
    assert found(warden.plan(code=0)) == []
    assert account.calls["GetAccountSummary"] == 1
    assert sum(account.calls.values()) <= 6, account.calls


def test_each_danger_is_a_finding_and_nothing_is_ever_changed(account, warden):
    keys = ((True, ago(400), ago(5)), (False, ago(900), None))
    account.has_root(Root(mfa=False, password_last_used=ago(3), keys=keys))
    declare(warden)
    plan = warden.plan(code=0)
    used = ago(3).strftime("%Y-%m-%d")
    assert sorted(found(plan)) == [
        ("violation", "The root user has 1 active and 1 inactive access key"),
        ("violation", "The root user has no MFA device"),
        ("violation", f"The root user was used on {used}"),
    ]
    assert {finding["severity"] for finding in plan["findings"]} == {"critical"}
    assert plan["actions"] == []
    warden.apply(code=0)
    assert account.writes() == []


@pytest.mark.parametrize("live", [True, False])
def test_sources_that_contradict_each_other_are_no_pass(account, warden, live):
    account.has_root(Root(mfa=live, told_mfa=not live))
    declare(warden)
    [(status, title)] = found(warden.plan())
    assert status == "unknown"
    assert "contradict" in title


def test_without_credentials_there_is_nothing_to_protect(account, warden):
    account.has_root(Root(mfa=False, password="false"))
    declare(warden)
    assert found(warden.plan(code=0)) == []


@pytest.mark.parametrize("operation", ["GetAccountSummary", "GetCredentialReport", "GenerateCredentialReport"])
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_what_cannot_be_read_is_unknown(account, warden, operation, code):
    account.has_root(Root())
    account.faults.append(lambda action, _: error(code, "no") if action == operation else None)
    declare(warden)
    statuses = {status for status, _ in found(warden.plan(code=3))}
    assert statuses == {"unknown"}


def test_a_report_without_the_root_user_is_no_pass(account, warden):
    account.iam.account_summary._account_mfa_enabled = 1
    declare(warden)
    assert {status for status, _ in found(warden.plan(code=3))} == {"unknown"}


def test_an_exemption_of_root_holds(account, warden):
    account.has_root(Root(mfa=False))
    declare(
        warden,
        '[[exemptions]]\nprincipals = ["root"]\nrules = ["root_account"]\nuntil = "2099-01-01"\nreason = "closing"\n',
    )
    assert {status for status, _ in found(warden.plan(code=0))} == {"exempt"}


def test_the_owner_is_told_once_a_day(account, warden, receiver):
    account.has_root(Root(mfa=False))
    desk = receiver()
    declare(warden, '[notifications]\ndefault_channel = "desk"\nallow_http = true\nallow_networks = ["127.0.0.0/8"]\n')
    with warden.config.open("a") as file:
        file.write(warden.channel("desk", desk))
    warden.once()
    warden.once()
    told = desk.told("root_account.at_risk")
    assert len(told) == 1, told
