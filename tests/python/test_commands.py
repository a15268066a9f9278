"""What commands say and how they end, beside plan and apply."""

from __future__ import annotations

import json

import pytest

from moto_account import error
from warden import ENFORCE_ROTATION, FREELY, until

WEAKER = '[rules.password_policy]\nminimum_length = 14\nrequire_symbols = true\n'


@pytest.fixture
def old_key(account, warden):
    account.user("alice", owner="alice@example.com", team="payments")
    warden.configure(FREELY, ENFORCE_ROTATION)
    return account.key("alice", 200, used=1)


def only_action(warden) -> str:
    return warden.history()["runs"][0]["actions"][0]["id"]


def test_a_rollback_ends_with_0_or_1(account, warden, old_key):
    warden.apply(code=0)
    action = only_action(warden)
    warden.run("rollback", "--action", action, code=1)
    warden.run("rollback", "--action", action, "--yes", code=1, IAMWARDEN__DRY_RUN="true")
    warden.run("rollback", "--action", "act_slip", "--yes", code=1)
    assert old_key.status == "Inactive"
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert old_key.status == "Active"
    assert "Nothing to roll back" in warden.run("rollback", "--action", action, "--yes", code=0).out


def test_lines_of_a_run_carry_run_account_and_rule(account, warden, old_key):
    log = warden.apply("--rule", "access_key_rotation", code=0).log
    run = warden.history()["runs"][0]["id"]
    lines = {line["message"]: line for line in log}
    for message in ("read", "disable_access_key: applied"):
        line = lines[message]
        assert (line["run"], line["account"], line["rule"]) == (run, "123456789012", "access_key_rotation")
    assert lines["run ended"]["run"] == run
    assert all(line["message"] for line in log)


def test_a_plan_file_is_all_that_its_apply_is_about(account, warden, old_key):
    warden.configure("[guardrails]\nmax_changes_per_run = 1\n", ENFORCE_ROTATION)
    file = warden.plan_file()
    account.user("ben")
    account.key("ben", 100)
    # Another change is over the cap by now; this file never asked for it.
    ended = warden.apply("--plan", str(file), code=0)
    assert "withheld" not in ended.out
    assert old_key.status == "Inactive"


def test_explain_says_all_and_why(account, warden, old_key):
    account.user("ben")
    warden.apply(code=0)
    out = warden.run("explain", "user/alice", code=0).out
    for fact in ("team=payments", old_key.access_key_id, "Inactive", "last used", only_action(warden)):
        assert fact in out, out
    for rule in ("access_key_rotation", "unused_access_keys", "password_policy", "unused_permissions"):
        assert f"{rule} (mode " in out, out
    assert "user/ben" not in out
    assert warden.run("explain", "nobody", code=1).out == ""


def test_explain_tells_of_mfa_devices_and_of_policies_by_way_of_a_group(account, warden, old_key):
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    wide = account.iam.create_policy("", "/", everything, "wide", []).arn
    account.iam.create_group("admins", "/")
    account.iam.attach_group_policy(wide, "admins")
    account.iam.add_user_to_group("admins", "alice")
    account.iam.create_role("app", everything.replace('"Resource":"*"', '"Principal":"*"'), "/", None, "", [], 3600)
    account.iam.attach_role_policy(wide, "app")
    account.user("ben")
    serial = account.device("alice")
    warden.configure('[rules.broad_policies]\nmode = "report"\n')
    for principal in ("user/alice", "group/admins", "role/app"):
        out = warden.run("explain", principal, code=0).out
        assert "the policy wide allows everything on everything" in out, out
        assert ("MFA devices" in out) == (principal == "user/alice"), out
    alice, ben = (warden.run("explain", f"user/{name}", code=0).out for name in ("alice", "ben"))
    assert serial in alice
    assert "the policy wide" not in ben and "MFA devices     none" in ben, ben
    account.faults.append(lambda action, _call: error("AccessDenied", "no") if action == "ListMFADevices" else None)
    assert "MFA devices     not known: " in warden.run("explain", "user/alice", code=0).out


def test_explain_does_not_mistake_unreadable_for_absent(account, warden, old_key):
    warden.configure('[[accounts]]\nid = "999999999999"\n')
    assert "could not be read" in warden.run("explain", "alice", code=1).err


def test_doctor_tells_of_a_declaration_that_cannot_be_carried_out(account, warden):
    warden.configure(WEAKER)
    plan = warden.plan(code=3)
    assert [error["operation"] for error in plan["accounts"][0]["errors"]] == ["rule:password_policy"]
    out = warden.run("doctor", code=1).out
    assert "✗ account 123456789012: rule password_policy cannot do its work" in out
    text = " ".join(warden.run("plan", "--format", "text").out.split())
    assert "1 class of characters is required" in text
    assert "reading failed" not in text


def test_doctor_is_content_with_what_is_well_and_mentions_a_freeze(account, warden, old_key):
    warden.configure(FREELY, ENFORCE_ROTATION.replace('"0s"', '"1d"'))
    assert "no owner can be told" in warden.run("doctor", code=1).out
    warden.configure(FREELY, ENFORCE_ROTATION)
    assert "All is well." in warden.run("doctor", code=0).out
    assert not warden.state.exists(), "looking makes no state"
    warden.run("freeze", "--reason", "incident 7", "--by", "ann", code=0)
    out = warden.run("doctor", code=0).out
    assert "! all changes are frozen by ann" in out
    assert "can be read and written" in out


def test_doctor_holds_the_policies_of_its_own_identity_against_what_is_needed(account, warden, old_key):
    account.user("iamwarden")
    own = account.iam.create_access_key("iamwarden")
    warden.environment["AWS_ACCESS_KEY_ID"] = own.access_key_id
    policy = warden.run("permissions", code=0).out
    account.iam.put_user_policy("iamwarden", "least", policy)
    assert "its policies allow arn:aws:iam::123456789012:user/iamwarden all" in warden.run("doctor", code=0).out
    account.iam.put_user_policy("iamwarden", "least", policy.replace("iam:UpdateAccessKey", "iam:GetUser"))
    assert "no policy allows arn:aws:iam::123456789012:user/iamwarden iam:UpdateAccessKey" in (
        warden.run("doctor", code=1).out
    )
    account.iam.put_user_policy("iamwarden", "least", policy)
    deny = {"Effect": "Deny", "NotAction": "iam:List*", "Resource": "*"}
    account.iam.put_user_policy("iamwarden", "deny", json.dumps({"Version": "2012-10-17", "Statement": deny}))
    assert "iam:UpdateAccessKey" in warden.run("doctor", code=1).out


def test_the_printed_policy_denies_what_no_rule_ever_changes(account, warden):
    warden.configure(
        ENFORCE_ROTATION,
        '[guardrails]\nprotected = ["user/break-glass-*", "role/aws-service-role/*"]\n'
        '[[accounts]]\nid = "123456789012"\nrole_arn = "arn:aws:iam::123456789012:role/iamwarden"\n',
    )
    statements = json.loads(warden.run("permissions", "--member", code=0).out)["Statement"]
    denied = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert denied == [
        {
            "Sid": "Never",
            "Effect": "Deny",
            "Action": ["iam:UpdateAccessKey"],
            "Resource": [
                "arn:aws:iam::*:role/aws-service-role/*",
                "arn:aws:iam::*:user/*/break-glass-*",
                "arn:aws:iam::*:user/break-glass-*",
                "arn:aws:iam::123456789012:role/iamwarden",
            ],
        }
    ]
    warden.configure("")
    assert "Deny" not in warden.run("permissions", code=0).out, "what only reads needs none"


def test_credentials_that_lead_nowhere_are_told(account, warden, old_key):
    import sqlite3

    warden.secret("DESK", "https://127.0.0.1:9/canary-path")
    warden.configure(
        ENFORCE_ROTATION,
        '[notifications]\ndefault_channel = "desk"\n',
        '[[notifications.channels]]\nname = "desk"\nkind = "slack"\nurl = "env:DESK"\n',
    )
    account.faults.append(
        lambda action, _: error("ExpiredToken", "expired", "403 Forbidden") if action == "GetCallerIdentity" else None
    )
    warden.once(code=1)
    with sqlite3.connect(warden.state) as state:
        assert state.execute("SELECT event FROM messages").fetchall() == [("run.failed",)]
    state.close()


def test_all_of_the_history_is_there_as_json(account, warden):
    for _ in range(51):
        warden.run("run", "--once", "--dry-run", code=0)
    assert len(warden.history()["runs"]) == 51
    assert warden.run("history", code=0).out.count("run --once") == 50


def test_a_snapshot_of_another_account_is_refused(account, warden, old_key):
    snapshot = warden.folder / "snapshot.json"
    warden.run("snapshot", "--output", str(snapshot), code=0)
    warden.plan("--snapshot", str(snapshot), "--account", "123456789012", code=2)
    ended = warden.run("plan", "--snapshot", str(snapshot), "--account", "999999999999", code=1)
    assert "--account" in ended.err


def test_messages_given_up_are_shown(account, warden, old_key):
    """The channel is taken out of the configuration while a message for it waits."""
    channel = '[[notifications.channels]]\nname = "desk"\nkind = "slack"\nurl = "env:DESK"\n'
    default = '[notifications]\ndefault_channel = "desk"\n'
    warden.secret("DESK", "https://127.0.0.1:9/canary-path")
    warden.configure(FREELY, ENFORCE_ROTATION, default, channel)
    warden.apply(code=0)
    assert warden.history()["dead_messages"] == []
    warden.configure(FREELY, ENFORCE_ROTATION)

    def given_up():
        warden.once(code=0)
        return warden.history()["dead_messages"]

    dead = until(given_up, "the message is given up", every=2)
    assert [message["channel"] for message in dead] == ["desk"]
    assert "desk" in warden.run("history", code=0).out
    assert "! messages given up: 1" in warden.run("doctor", code=0).out
    assert json.dumps(dead).count("canary") == 0
