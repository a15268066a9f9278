"""What holds changes back: caps, freeze, dry run, window."""

from __future__ import annotations

import datetime

import pytest

from warden import ENFORCE_ROTATION, FREELY


@pytest.fixture
def offenders(account, warden):
    """Forty users, of whom twelve have a key past its limit, the first the oldest."""
    for number in range(40):
        account.user(f"user-{number:02}")
        account.key(f"user-{number:02}", 170 - number if number < 12 else 10)
    return account


def guardrails(**values: object) -> str:
    settings = {"max_changes_per_run": 100, "max_changes_percent": 100, "max_changes_per_day": 100, **values}
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in settings.items()]
    return "[guardrails]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("values", "applied"),
    [
        ({"max_changes_per_run": 5}, 5),
        ({"max_changes_per_run": 0}, 0),
        ({"max_changes_percent": 10}, 4),
        ({"max_changes_percent": 1}, 1),
        ({"max_changes_percent": 0}, 0),
        ({"max_changes_per_day": 3}, 3),
        ({"max_changes_per_run": 5, "on_excess": "stop"}, 0),
    ],
)
def test_caps(offenders, warden, values, applied):
    warden.configure(guardrails(**values), ENFORCE_ROTATION)
    plan = warden.plan(code=2 if applied else 0)
    withheld = [action["withheld_reason"] for action in plan["actions"] if action["state"] == "withheld"]
    assert withheld == ["guardrail"] * (12 - applied)
    warden.apply(code=4)
    changed = sorted(parameters["UserName"] for _, parameters in offenders.writes())
    assert changed == [f"user-{number:02}" for number in range(applied)], "the oldest go first"


def test_stop_lets_through_what_fits(offenders, warden):
    warden.configure(guardrails(max_changes_per_run=12, on_excess="stop"), ENFORCE_ROTATION)
    warden.apply(code=0)
    assert len(offenders.writes()) == 12


def test_the_cap_of_the_day_counts_earlier_runs(offenders, warden):
    warden.configure(guardrails(max_changes_per_run=4, max_changes_per_day=6), ENFORCE_ROTATION)
    warden.apply(code=4)
    warden.apply(code=4)
    warden.apply(code=4)
    assert len(offenders.writes()) == 6


def frozen_by_configuration(warden):
    warden.configure("freeze = true", FREELY, ENFORCE_ROTATION)


def frozen_by_environment(warden):
    warden.environment["IAMWARDEN__FREEZE"] = "true"


def frozen_by_command(warden):
    warden.run("freeze", "--reason", "incident 7", "--by", "ann", code=0)


@pytest.mark.parametrize("freeze", [frozen_by_configuration, frozen_by_environment, frozen_by_command])
def test_a_freeze_holds_everything(offenders, warden, freeze):
    warden.configure(FREELY, ENFORCE_ROTATION)
    freeze(warden)
    plan = warden.plan()
    assert {action["withheld_reason"] for action in plan["actions"]} == {"freeze"}
    warden.apply(code=4)
    warden.once(code=4)
    assert offenders.writes() == []


def test_unfreeze_releases(offenders, warden):
    warden.configure(FREELY, ENFORCE_ROTATION)
    frozen_by_command(warden)
    warden.apply(code=4)
    warden.run("unfreeze", code=0)
    warden.apply(code=0)
    assert len(offenders.writes()) == 12


def test_a_freeze_in_the_middle_stops_the_rest(offenders, warden):
    warden.configure(FREELY, ENFORCE_ROTATION)
    written = []

    def fault(action, _):
        if action == "UpdateAccessKey":
            written.append(action)
            if len(written) == 3:
                frozen_by_command(warden)

    offenders.faults.append(fault)
    warden.apply(code=4)
    assert len(offenders.writes()) == 3, "the one in flight is finished, the next one does not start"


def test_dry_run_wins_over_everything(offenders, warden):
    warden.configure("dry_run = false", FREELY, ENFORCE_ROTATION)
    ended = warden.apply(code=4, IAMWARDEN__DRY_RUN="true")
    assert "user-00" in ended.out
    warden.once(code=4, IAMWARDEN__DRY_RUN="true")
    warden.run("run", "--once", "--dry-run", code=4)
    assert offenders.writes() == []
    assert warden.plan(code=2, IAMWARDEN__DRY_RUN="true")["actions"], "a plan is no change"
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]
    before = len(offenders.writes())
    warden.run("rollback", "--action", action["id"], "--yes", code=1, IAMWARDEN__DRY_RUN="true")
    assert len(offenders.writes()) == before


def test_a_freeze_does_not_hold_a_rollback(offenders, warden):
    warden.configure(guardrails(max_changes_per_run=1), ENFORCE_ROTATION)
    warden.apply(code=4)
    action = warden.history()["runs"][0]["actions"][0]
    frozen_by_command(warden)
    warden.run("rollback", "--action", action["id"], "--yes", code=0)
    assert [parameters["Status"] for _, parameters in offenders.writes()] == ["Inactive", "Active"]


def test_outside_the_window_nothing_changes(offenders, warden):
    today = datetime.datetime.now(datetime.timezone.utc)
    other_day = (today + datetime.timedelta(days=3)).strftime("%a")
    warden.configure(guardrails(change_window=f"{other_day} 09:00-16:00"), ENFORCE_ROTATION)
    plan = warden.plan(code=0)
    assert {action["withheld_reason"] for action in plan["actions"]} == {"window"}
    warden.apply(code=0)
    assert offenders.writes() == []
    warden.configure(guardrails(change_window="Mon-Sun 00:00-24:00"), ENFORCE_ROTATION)
    if warden.run("validate").code != 0:
        warden.configure(guardrails(change_window="Mon-Sun 00:00-23:59"), ENFORCE_ROTATION)
    warden.apply(code=0)
    assert len(offenders.writes()) == 12


def test_without_terminal_and_yes_nothing_is_applied(offenders, warden):
    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.run("apply", code=4)
    assert offenders.writes() == []
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]
    warden.run("rollback", "--action", action["id"], code=1)
    assert len(offenders.writes()) == 12


def test_a_lease_held_by_another_is_waited_for_and_not_broken(offenders, warden):
    """Somebody else holds the lease and lets it run out; nothing is written before that."""
    import sqlite3
    import time

    warden.configure(FREELY, ENFORCE_ROTATION)
    warden.run("freeze", "--reason", "to make the state", code=0)
    warden.run("unfreeze", code=0)
    ends = time.time() + 4
    with sqlite3.connect(warden.state) as state:
        state.execute(
            "INSERT INTO leases (account, holder, fencing, expires_ms) VALUES ('123456789012', 'other', 7, ?)",
            (int(ends * 1000),),
        )
    state.close()
    early = []
    offenders.faults.append(
        lambda action, _: early.append(action) if action == "UpdateAccessKey" and time.time() < ends else None
    )
    warden.apply(code=0)
    assert early == []
    assert len(offenders.writes()) == 12
    assert {action["fencing"] for action in warden.history()["runs"][0]["actions"]} == {8}
