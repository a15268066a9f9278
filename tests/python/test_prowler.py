"""Prowler's checks beside iamwarden's rules, on the same account: the same verdicts, or a difference that is told here and
in the documentation of the rule.

Each row names a check, and the findings of a rule that say the same. Other rules add rows to `ROWS`, cases to `CASES`, and
what is expected to differ to `DIFFERENCES`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from moto_account import ACCOUNT, Root, ago
from warden import ROOT, only

PYTHON = Path(os.environ.get("PROWLER_PYTHON", ROOT / "target/prowler-venv/bin/python"))
"""tests/run installs it."""

REPORTED = """
[rules.user_mfa]
mode = "report"
[rules.root_account]
mode = "report"
require_hardware = true
"""

THE_ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def by_rule(rule):
    return lambda finding: finding["rule"] == rule


def by_control(rule, control):
    """Findings of a rule that answers several recommendations of the benchmark."""
    return lambda finding: finding["rule"] == rule and control in finding["evidence"].get("controls", [control])


ROWS = {
    "iam_user_mfa_enabled_console_access": by_rule("user_mfa"),
    "iam_root_mfa_enabled": by_control("root_account", "1.5"),
    "iam_root_hardware_mfa_enabled": by_control("root_account", "1.6"),
    "iam_no_root_access_key": by_control("root_account", "1.4"),
    "iam_avoid_root_usage": by_control("root_account", "1.7"),
}


def safe(account):
    account.has_root(Root(password_last_used=ago(400)))
    for name in ("ada", "bob"):
        account.user(name)
        account.password(name)
        account.device(name)
    account.user("robot")


def bare(account):
    account.has_root(Root(mfa=False))
    for name in ("ada", "bob"):
        account.user(name)
        account.password(name)
    account.device("ada")
    account.user("robot")


def with_a_root_key(account):
    account.has_root(Root(keys=((True, ago(400), None),)))


def used_today(account):
    account.has_root(Root(password_last_used=ago(0, hours=6)))


def used_last_week(account):
    account.has_root(Root(password_last_used=ago(7)))


def with_an_inactive_root_key(account):
    account.has_root(Root(keys=((False, ago(400), None),)))


def with_an_old_report(account):
    account.has_root(Root(mfa=False, password="not_supported"))


def of_groot(account):
    account.has_root(Root())
    account.user("groot")
    account.device("groot")


CASES = {
    case.__name__: case
    for case in (
        safe,
        bare,
        with_a_root_key,
        used_today,
        used_last_week,
        with_an_inactive_root_key,
        with_an_old_report,
        of_groot,
    )
}

# By case and check: which of the two objects to whom, and why. The documentation of the rule says the same.
DIFFERENCES = {
    # It looks back one day, the rule thirty.
    ("used_last_week", "iam_avoid_root_usage"): {"iamwarden": {THE_ROOT}},
    # It passes keys that are inactive.
    ("with_an_inactive_root_key", "iam_no_root_access_key"): {"iamwarden": {THE_ROOT}},
    # It says nothing of root where the report does not show a password as `true`.
    ("with_an_old_report", "iam_root_mfa_enabled"): {"iamwarden": {THE_ROOT}},
    ("with_an_old_report", "iam_root_hardware_mfa_enabled"): {"iamwarden": {THE_ROOT}},
    # It takes the device of a user whose ARN has `root` in it for root's.
    ("of_groot", "iam_root_hardware_mfa_enabled"): {"prowler": {THE_ROOT}},
}


def objections_of_prowler(account) -> dict[str, set[str]]:
    """By check, the resources that it fails."""
    assert PYTHON.exists(), f"{PYTHON}: tests/run installs it"
    environment = {**os.environ, **account.environment()}
    done = subprocess.run(
        [str(PYTHON), str(Path(__file__).parent / "prowler/run_checks.py"), *ROWS],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout[done.stdout.index("[") :])
    assert said, "it looked at nothing"
    objections = {check: set() for check in ROWS}
    for one in said:
        if one["status"] == "FAIL":
            # One check names the account's devices instead of the root user.
            resource = THE_ROOT if one["resource"].endswith(":mfa") else one["resource"]
            objections[one["check"]].add(resource)
    return objections


def objections_of_iamwarden(warden) -> dict[str, set[str]]:
    warden.configure(only("user_mfa", "root_account"), REPORTED)
    plan = warden.plan()
    assert plan["accounts"][0]["errors"] == []
    broken = [finding for finding in plan["findings"] if finding["status"] == "violation"]
    return {check: {f["resource"] for f in broken if says_the_same(f)} for check, says_the_same in ROWS.items()}


@pytest.mark.xdist_group("prowler")
@pytest.mark.parametrize("case", CASES)
def test_the_two_agree_or_differ_as_documented(account, warden, case):
    CASES[case](account)
    prowler, iamwarden = objections_of_prowler(account), objections_of_iamwarden(warden)
    differences = {}
    for check in ROWS:
        only_one = {
            "prowler": prowler[check] - iamwarden[check],
            "iamwarden": iamwarden[check] - prowler[check],
        }
        if any(only_one.values()):
            differences[case, check] = {who: whom for who, whom in only_one.items() if whom}
    assert differences == {of: what for of, what in DIFFERENCES.items() if of[0] == case}
