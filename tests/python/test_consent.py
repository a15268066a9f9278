"""Modes, approvals, and rollback: who said yes to what, and for how long that counts."""

from __future__ import annotations

import pytest

from moto_account import ago
from warden import ENFORCE_ROTATION, FREELY, until

APPROVE = ENFORCE_ROTATION.replace('"enforce"', '"approve"')


@pytest.fixture
def old_key(account, warden):
    account.user("alice", owner="alice@example.com")
    warden.configure(FREELY, APPROVE)
    return account.key("alice", 200, used=1)


def only_action(plan: dict) -> dict:
    assert len(plan["actions"]) == 1, plan["actions"]
    return plan["actions"][0]


def waits(warden) -> str | None:
    action = only_action(warden.plan())
    return action["withheld_reason"]


def approve(warden, *arguments: str) -> str:
    plan = warden.plan("--save")
    warden.run("approve", plan["id"], "--by", "ann", "--reason", "agreed", *arguments, code=0)
    return plan["id"]


@pytest.mark.parametrize("mode", ["off", "report", "approve", "enforce"])
def test_modes(account, warden, old_key, mode):
    warden.configure(FREELY, ENFORCE_ROTATION.replace('"enforce"', f'"{mode}"'))
    plan = warden.plan("--rule", "access_key_rotation", code=2 if mode in ("approve", "enforce") else 0)
    findings = [finding["proposal"] is not None for finding in plan["findings"]]
    states = [(action["mode"], action["state"], action["withheld_reason"]) for action in plan["actions"]]
    assert (findings, states) == {
        "off": ([], []),
        "report": ([True], []),
        "approve": ([False], [("approve", "withheld", "approval")]),
        "enforce": ([False], [("enforce", "proposed", None)]),
    }[mode]
    warden.apply(code=0)
    assert len(account.writes()) == (1 if mode == "enforce" else 0)


def test_every_rule_starts_in_report(account, warden, old_key):
    warden.configure("")
    assert warden.plan(code=0)["findings"][0]["status"] == "violation"
    warden.apply(code=0)
    warden.once(code=0)
    assert account.writes() == []


def test_an_approval_is_spent_by_its_one_application(account, warden, old_key):
    approve(warden)
    assert waits(warden) is None
    warden.apply(code=0)
    assert old_key.status == "Inactive"
    decision = warden.history()["decisions"][0]
    assert decision["spent"] is True
    assert "ann" in str(decision)
    assert "agreed" in str(decision)
    # Somebody enables the key again: the same action, and no consent left for it.
    old_key.status = "Active"
    assert waits(warden) == "approval"
    warden.apply(code=0)
    assert old_key.status == "Active"


def test_a_single_action_can_be_approved(account, warden, old_key):
    account.user("ben")
    other = account.key("ben", 200)
    plan = warden.plan("--save", code=2)
    ids = {action["resource"].split("/")[-1]: action["id"] for action in plan["actions"]}
    warden.run("approve", plan["id"], "--action", ids["ben"], "--by", "ann", code=0)
    warden.apply(code=0)
    assert (old_key.status, other.status) == ("Active", "Inactive")


def test_what_was_rejected_is_not_done(account, warden, old_key):
    plan = warden.plan("--save")
    warden.run("reject", plan["id"], "--by", "ann", "--reason", "not now", code=0)
    assert waits(warden) == "approval"
    warden.apply(code=0)
    assert account.writes() == []
    approve(warden)
    warden.apply(code=0)
    assert len(account.writes()) == 1


def test_the_last_word_counts(account, warden, old_key):
    plan = approve(warden)
    warden.run("reject", plan, "--by", "ben", code=0)
    warden.apply(code=0)
    assert account.writes() == []


def test_a_rejection_holds_in_enforce_too(account, warden, old_key):
    warden.configure(FREELY, ENFORCE_ROTATION)
    plan = warden.plan("--save", code=2)
    warden.run("reject", plan["id"], "--by", "ann", code=0)
    warden.apply(code=0)
    assert account.writes() == []


def test_an_approval_expires(account, warden, old_key):
    warden.configure(FREELY, APPROVE, '[approvals]\nexpire_after = "1s"\n')
    approve(warden)
    until(lambda: waits(warden) == "approval", "the approval has expired")
    warden.apply(code=0)
    assert account.writes() == []


def test_another_configuration_voids_an_approval(account, warden, old_key):
    approve(warden)
    warden.configure(FREELY, APPROVE.replace("minimum_notice", 'max_age = "91d"\nminimum_notice'))
    assert waits(warden) == "approval"
    warden.apply(code=0)
    assert account.writes() == []


def test_what_the_digest_leaves_out_voids_nothing(account, warden, old_key):
    approve(warden)
    warden.configure(
        "freeze = false",
        FREELY,
        APPROVE,
        '[[notifications.channels]]\nname = "x"\nkind = "slack"\nurl = "env:NOWHERE"\n',
    )
    assert waits(warden) is None


def test_another_precondition_voids_an_approval(account, warden, old_key):
    approve(warden)
    old_key.create_date = ago(300)
    assert waits(warden) == "approval"
    warden.apply(code=0)
    assert account.writes() == []


def test_an_older_plan_can_still_be_decided(account, warden, old_key):
    older = warden.plan("--save")
    warden.plan("--save")
    warden.run("approve", older["id"], "--by", "ann", code=0)
    warden.apply(code=0)
    assert len(account.writes()) == 1


@pytest.mark.parametrize(
    ("settings", "by"), [('approvers = ["sec@example.com"]', "ann"), ("command_line = false", "ann")]
)
def test_who_may_not_decide(account, warden, old_key, settings, by):
    warden.configure(FREELY, APPROVE, f"[approvals]\n{settings}\n")
    plan = warden.plan("--save")
    warden.run("approve", plan["id"], "--by", by, code=1)
    assert warden.history()["decisions"] == []
    warden.apply(code=0)
    assert account.writes() == []


def test_what_cannot_be_decided_is_an_error(account, warden, old_key):
    plan = warden.plan("--save")
    warden.run("approve", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--by", "ann", code=1)
    warden.run("approve", plan["id"], "--action", "act_nothing", "--by", "ann", code=1)
    assert warden.history()["decisions"] == []
    unsaved = warden.plan()
    warden.run("approve", unsaved["id"], "--by", "ann", code=1)


def test_a_rollback_is_exact_and_stays(account, warden, old_key):
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]["id"]
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert old_key.status == "Active"
    assert waits(warden) == "rolled_back"
    warden.apply(code=0)
    assert old_key.status == "Active"
    writes = len(account.writes())
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert len(account.writes()) == writes, "a second rollback is a no-op"
    approve(warden)
    warden.apply(code=0)
    assert old_key.status == "Inactive"


def test_an_approval_from_before_the_rollback_does_not_count(account, warden, old_key):
    plan = approve(warden)
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]["id"]
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert waits(warden) == "rolled_back"
    warden.run("approve", plan, "--by", "ann", code=0)
    assert waits(warden) is None


def test_a_run_is_rolled_back_whole(account, warden, old_key):
    account.user("ben")
    other = account.key("ben", 200)
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0)
    run = next(run["id"] for run in warden.history()["runs"] if run["actions"])
    warden.run("rollback", "--run", run, "--yes", code=0)
    assert (old_key.status, other.status) == ("Active", "Active")


def test_a_rollback_that_finds_another_state_is_refused(account, warden, old_key):
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]["id"]
    account.iam.users["alice"].access_keys.remove(old_key)
    before = len(account.writes())
    warden.run("rollback", "--action", action, "--yes", code=1)
    assert len(account.writes()) == before


def test_deleting_needs_a_journalled_disabling(account, warden, old_key):
    account.user("ben")
    account.key("ben", 300, status="Inactive")  # by somebody else
    warden.configure(FREELY, ENFORCE_ROTATION + 'delete_after = "1s"\n')
    warden.apply(code=0)
    assert account.calls["UpdateAccessKey"] == 1

    def deletable():
        actions = warden.plan()["actions"]
        return [action for action in actions if action["state"] == "proposed"]

    action = until(deletable, "the disabled key is due for deletion")[0]
    assert (action["kind"], action["reversible"], action["inverse"]) == ("delete_access_key", False, None)
    assert action["parameters"] == {"access_key_id": old_key.access_key_id}
    warden.apply(code=0)
    assert [name for name, _ in account.writes()] == ["UpdateAccessKey", "DeleteAccessKey"]
    assert account.key_status("alice", old_key.access_key_id) is None
    warden.apply(code=0)
    assert len(account.writes()) == 2
