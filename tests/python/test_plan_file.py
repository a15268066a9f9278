"""`apply --plan FILE`: what the file and the world of now agree on, and nothing else."""

from __future__ import annotations

import datetime
import json

import pytest

from warden import ENFORCE_ROTATION, FREELY


@pytest.fixture
def keys(account, warden):
    """Four keys past their limit."""
    warden.configure(FREELY, ENFORCE_ROTATION)
    found = {}
    for name in ("ada", "ben", "cy", "dot"):
        account.user(name)
        found[name] = account.key(name, 200, used=1)
    return found


def edited(file, edit) -> None:
    plan = json.loads(file.read_text())
    edit(plan)
    file.write_text(json.dumps(plan))


def test_the_file_narrows(account, warden, keys):
    file = warden.plan_file()
    edited(file, lambda plan: plan.update(actions=plan["actions"][:2]))
    warden.apply("--plan", str(file), code=0)
    assert sorted(parameters["UserName"] for _, parameters in account.writes()) == ["ada", "ben"]


def test_what_moved_since_is_stale(account, warden, keys):
    file = warden.plan_file()
    keys["ada"].status = "Inactive"
    keys["ben"].create_date -= datetime.timedelta(days=1)
    account.iam.users["cy"].access_keys.remove(keys["cy"])
    ended = warden.apply("--plan", str(file), code=3)
    assert [parameters["UserName"] for _, parameters in account.writes()] == ["dot"]
    assert ended.out.count("stale ") == 3, ended


def test_another_configuration_makes_it_stale(account, warden, keys):
    file = warden.plan_file()
    warden.configure(FREELY, ENFORCE_ROTATION + 'max_age = "91d"\n')
    ended = warden.apply("--plan", str(file), code=3)
    assert account.writes() == []
    assert "configuration changed" in ended.out


def test_a_new_offender_is_not_in_the_file(account, warden, keys):
    file = warden.plan_file()
    account.user("eve")
    account.key("eve", 300)
    warden.apply("--plan", str(file), code=0)
    assert "eve" not in [parameters["UserName"] for _, parameters in account.writes()]
    assert len(account.writes()) == 4


@pytest.mark.parametrize("edit", ["old", "future", "as-if", "schema", "cut", "other"])
def test_a_file_that_may_not_be_applied(account, warden, keys, edit):
    file = warden.plan_file(*(["--as-if", "enforce"] if edit == "as-if" else []))
    hours = {"old": -25, "future": 2}.get(edit)
    if hours:
        moved = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        edited(file, lambda plan: plan.update(created_at=moved.strftime("%Y-%m-%dT%H:%M:%SZ")))
    elif edit == "schema":
        edited(file, lambda plan: plan.update(schema="iamwarden.plan/v2"))
    elif edit == "cut":
        file.write_text(file.read_text()[:300])
    elif edit == "other":
        file.write_text("{}")
    before = sum(account.calls.values())
    warden.apply("--plan", str(file), code=1)
    assert account.writes() == []
    assert sum(account.calls.values()) == before, "refused before AWS is asked"


def test_a_file_is_not_consent(account, warden, keys):
    warden.configure(FREELY, ENFORCE_ROTATION.replace('"enforce"', '"approve"'))
    file = warden.plan_file()
    edited(file, lambda plan: [action.update(state="proposed", withheld_reason=None) for action in plan["actions"]])
    warden.apply("--plan", str(file))
    assert account.writes() == []
    edited(file, lambda plan: [action.update(mode="enforce") for action in plan["actions"]])
    warden.apply("--plan", str(file))
    assert account.writes() == []


def test_a_forged_action_is_stale(account, warden, keys):
    account.user("innocent")
    young = account.key("innocent", 5)
    file = warden.plan_file()

    def forge(plan):
        action = plan["actions"][0]
        action.update(
            id="act_" + "0" * 24,
            resource=action["resource"].replace("ada", "innocent"),
            parameters={"access_key_id": young.access_key_id},
        )
        plan["actions"] = [action]

    edited(file, forge)
    warden.apply("--plan", str(file), code=3)
    assert account.writes() == []
