"""`plan`: the document, its order, what it costs, and that it leaves nothing behind."""

from __future__ import annotations

import json
import re

import pytest

from warden import ENFORCE_ROTATION, FREELY

ID = re.compile(r"^[0-9A-HJKMNP-TV-Z]{26}$")
DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
REASONS = {
    "guardrail", "freeze", "notice", "no_channel", "unconfirmed", "window", "rolled_back", "settling",
    "would_lock_out", "approval", "recently_used",
}  # fmt: skip
EVENTS = {
    "access_key.expiring", "access_key.disabled", "access_key.deleting", "access_key.deleted",
    "password_policy.updated", "permissions.unused", "permissions.detached", "action.failed", "action.rolled_back",
    "approval.requested", "approval.decided", "exemption.expiring", "run.failed", "report.digest",
}  # fmt: skip
KINDS = {"disable_access_key", "delete_access_key", "update_password_policy", "detach_policy"}
RULES = {"access_key_rotation", "unused_access_keys", "password_policy", "unused_permissions"}


def check_plan(plan: dict) -> None:
    """Every field that was promised, with its type and its words."""
    assert plan["schema"] == "iamwarden.plan/v1"
    assert ID.match(plan["id"])
    assert DATE.match(plan["created_at"])
    assert re.match(r"^sha256:[0-9a-f]{64}$", plan["config_digest"])
    assert plan["dry_run"] is True
    for account in plan["accounts"]:
        assert re.match(r"^\d{12}$", account["id"])
        assert account["name"]
        assert account["status"] in {"complete", "partial", "failed"}
        assert set(account["principals"]) == {"users", "groups", "roles"}
        assert isinstance(account["errors"], list)
    for finding in plan["findings"]:
        check_finding(finding)
    findings = {finding["id"] for finding in plan["findings"]}
    assert len(findings) == len(plan["findings"])
    for action in plan["actions"]:
        check_action(action, findings)
    for notification in plan["notifications"]:
        assert {"to", "channel", "event", "findings"} <= set(notification)
        assert notification["event"] in EVENTS
        assert set(notification["findings"]) <= findings
        assert notification["findings"] == sorted(notification["findings"])
    order = [(f["account"], f["resource"], f["rule"], f["id"]) for f in plan["findings"]]
    assert order == sorted(order)
    order = [(a["account"], a["resource"], a["id"]) for a in plan["actions"]]
    assert order == sorted(order)
    assert all(re.match(r"^[a-z]+:[A-Z]\w+$", name) and count > 0 for name, count in plan["api_calls"].items())


def check_finding(finding: dict) -> None:
    assert set(finding) == {
        "id", "rule", "account", "resource", "severity", "status", "title", "detail", "evidence", "owner", "proposal",
    }  # fmt: skip
    assert finding["id"].startswith("fnd_")
    assert finding["rule"] in RULES
    assert finding["resource"].startswith("arn:aws:iam::")
    assert finding["severity"] in {"low", "medium", "high", "critical"}
    assert finding["status"] in {"violation", "warning", "exempt", "unknown"}
    assert finding["title"] and finding["detail"]
    assert isinstance(finding["evidence"], dict)
    if finding["proposal"] is not None:
        assert {"kind", "parameters", "inverse"} == set(finding["proposal"])
        assert finding["proposal"]["kind"] in KINDS


def check_action(action: dict, findings: set[str]) -> None:
    assert set(action) - {"withheld_detail"} == {
        "id", "finding", "also", "kind", "account", "resource", "parameters", "mode", "reversible", "inverse",
        "precondition", "state", "withheld_reason", "not_before",
    }  # fmt: skip
    assert action["id"].startswith("act_")
    assert {action["finding"], *action["also"]} <= findings
    assert action["kind"] in KINDS
    assert action["mode"] in {"approve", "enforce"}
    assert action["reversible"] is (action["inverse"] is not None)
    assert action["precondition"]
    assert (action["state"], action["withheld_reason"] is None) in {("proposed", True), ("withheld", False)}
    assert action["withheld_reason"] is None or action["withheld_reason"] in REASONS
    assert action["not_before"] is None or DATE.match(action["not_before"])


@pytest.fixture
def mixed(account, warden):
    """Something of everything."""
    for number in range(30):
        account.user(f"user-{number:02}", owner=f"owner-{number % 3}@example.com")
        account.key(f"user-{number:02}", [300, 95, 80, 10][number % 4], used=[200, 1, 60, None][number % 4])
    warden.configure(
        '[rules.access_key_rotation]\nmode = "enforce"\nminimum_notice = "0s"\n'
        '[rules.unused_access_keys]\nmode = "approve"\nminimum_notice = "0s"\n'
        '[rules.password_policy]\nminimum_length = 14\nrequire_uppercase = true\nrequire_lowercase = true\n'
        "require_numbers = true\nrequire_symbols = true\n"
        '[[exemptions]]\nprincipals = ["user/user-00"]\nrules = ["access_key_rotation"]\nuntil = "2099-01-01"\n'
        'reason = "vendor"\n'
    )
    return account


def without_identity(text: str) -> dict:
    plan = json.loads(text)
    for field in ("id", "created_at", "api_calls"):
        del plan[field]
    return plan


def test_the_document_is_as_promised(mixed, warden):
    plan = warden.plan(code=2)
    check_plan(plan)
    assert {finding["status"] for finding in plan["findings"]} >= {"violation", "warning", "exempt"}
    assert {action["withheld_reason"] for action in plan["actions"]} >= {None, "guardrail", "approval"}
    assert plan["accounts"][0]["principals"] == {"users": 30, "groups": 0, "roles": 0}
    reported = [finding for finding in plan["findings"] if finding["rule"] == "password_policy"]
    assert reported[0]["proposal"]["kind"] == "update_password_policy"
    assert not [action for action in plan["actions"] if action["kind"] == "update_password_policy"]


def test_a_plan_leaves_nothing_behind_and_writes_nothing(mixed, warden):
    warden.plan(code=2)
    assert mixed.writes() == []
    assert not list(warden.folder.glob("state.db*"))


def test_the_same_inputs_give_the_same_bytes(mixed, warden):
    snapshot = warden.folder / "snapshot.json"
    warden.run("snapshot", "--output", str(snapshot), code=0)
    calls = sum(mixed.calls.values())
    first, second = (warden.run("plan", "--format", "json", "--snapshot", str(snapshot), code=2).out for _ in range(2))
    assert sum(mixed.calls.values()) == calls, "a plan from a file asks nobody"
    scrubbed = [re.sub(r'"(id|created_at)": "[^"]*"', "", text, count=2) for text in (first, second)]
    assert scrubbed[0] == scrubbed[1]
    check_plan(json.loads(first))


def test_a_snapshot_plans_as_the_account_does(mixed, warden):
    snapshot = warden.folder / "snapshot.json"
    warden.run("snapshot", "--output", str(snapshot), code=0)
    live, from_file = warden.plan(code=2), warden.plan("--snapshot", str(snapshot), code=2)
    assert live["actions"] == from_file["actions"]
    assert live["findings"] == from_file["findings"]
    assert live["notifications"] == from_file["notifications"]


@pytest.mark.parametrize("damage", ["cut", "json", "empty", "schema"])
def test_a_damaged_snapshot_is_an_error(mixed, warden, damage):
    snapshot = warden.folder / "snapshot.json"
    warden.run("snapshot", "--output", str(snapshot), code=0)
    text = snapshot.read_text()
    snapshot.write_text(
        {
            "cut": text[: len(text) // 2],
            "json": "[]",
            "empty": "",
            "schema": text.replace("iamwarden.snapshot/v1", "iamwarden.snapshot/v9"),
        }[damage]
    )
    assert warden.run("plan", "--snapshot", str(snapshot), code=1).out == ""


@pytest.mark.parametrize("mode", ["text", "markdown", "html"])
def test_the_other_forms_name_key_and_action(mixed, warden, mode):
    plan = warden.plan(code=2)
    text = warden.run("plan", "--format", mode, code=2).out
    for action in plan["actions"]:
        if action["state"] == "proposed":
            assert action["parameters"]["access_key_id"] in text


def test_narrowing(mixed, warden):
    plan = warden.plan("--rule", "password_policy", code=0)
    assert {finding["rule"] for finding in plan["findings"]} == {"password_policy"}
    assert mixed.calls["GetAccountAuthorizationDetails"] <= 1
    assert mixed.calls["ListAccessKeys"] == 0
    assert warden.plan("--account", "123456789012", code=2)["actions"]


@pytest.mark.parametrize(
    ("option", "value"), [("--rule", "acess_key_rotation"), ("--account", "999999999999"), ("--account", "x")]
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_an_unknown_name_is_an_error(mixed, warden, command, option, value):
    ended = warden.run(command, option, value, *(["--yes"] if command == "apply" else []), code=1)
    assert option in ended.err
    assert mixed.writes() == []


@pytest.mark.parametrize(("users", "offending"), [(500, 0), (500, 25), (1200, 40)])
def test_the_budget_of_calls(account, warden, users, offending):
    """As the server counts them: one for each offending key, one for a thousand principals, and a few."""

    def calls() -> int:
        made = sum(account.calls.values())
        account.calls.clear()
        return made

    for number in range(users):
        account.user(f"user-{number:04}")
        account.key(f"user-{number:04}", 200 if number < offending else 10, used=3)
    warden.configure(
        FREELY, ENFORCE_ROTATION, '[rules.unused_access_keys]\nmode = "report"\n[rules.unused_permissions]\nmode = "off"\n'
    )
    few = 15 + -(-users // 1000)
    plan = warden.plan(code=2 if offending else 0)
    assert len(plan["actions"]) == offending
    made = calls()
    assert made <= offending + few
    assert sum(plan["api_calls"].values()) == made, "and so the program counts them"
    warden.apply(code=0)
    assert len(account.writes()) == offending
    calls()
    for again in (warden.apply, warden.once):
        again(code=0)
        assert calls() <= few, "what is tidy costs no more than looking"
    assert len(account.writes()) == offending, "a second apply writes nothing"


def test_as_if_enforce_shows_and_bars(account, warden):
    account.user("alice")
    account.key("alice", 200)
    warden.configure(FREELY, '[rules.access_key_rotation]\nmode = "report"\n')
    assert warden.plan(code=0)["actions"] == []
    plan = warden.plan("--as-if", "enforce")
    check_plan(plan)
    assert [action["kind"] for action in plan["actions"]] == ["disable_access_key"]
