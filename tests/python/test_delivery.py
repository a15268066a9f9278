"""Channels that hang, lead elsewhere, slow down, fail or lie: no notice, no change without one, and nothing held up."""

from __future__ import annotations

import datetime
import signal
import time

import pytest

from receiver import LOCAL, Answer
from warden import FREELY, SIGNING, free_port, only, until

# The first rule waits for a notice, the second one for nothing.
RULES = """
[rules.access_key_rotation]
mode = "enforce"
[rules.password_policy]
mode = "enforce"
minimum_length = 14
"""


@pytest.fixture
def town(account, warden, receiver):
    """A key that is to be announced to alice, a password policy that is raised at once, and a channel."""

    class Town:
        desk = receiver()
        key = None

        def declare(self, *more: str, kind: str = "webhook") -> None:
            self.desk.kind = kind
            heads = f'[notifications]\ndefault_channel = "desk"\n{LOCAL}'
            warden.configure(FREELY, only("access_key_rotation", "password_policy"), RULES, heads, warden.channel("desk", self.desk), *more)

        def message(self) -> dict:
            """The announcement as the outbox has it."""
            columns = "id, state, attempts, last_error, next_attempt_at, created_at"
            rows = warden.query(
                f"SELECT {columns} FROM messages WHERE channel = 'desk' AND id IN (SELECT message FROM notices) "
                "ORDER BY created_at DESC"
            )
            return dict(zip(columns.split(", "), rows[0]))

        def assert_nothing_counts(self) -> None:
            """However long one waits, the key is not touched."""
            warden.let_days_pass(30)
            (action,) = (a for a in warden.plan()["actions"] if a["kind"] == "disable_access_key")
            assert (action["state"], action["withheld_reason"]) == ("withheld", "notice")
            warden.apply(code=0)
            assert self.key.status == "Active"

        def assert_not_held_up(self) -> None:
            """What needs no notice was done all the same."""
            assert [name for name, _ in account.writes()] == ["UpdateAccountPasswordPolicy"]

    account.password_policy(minimum_password_length=8)
    account.user("alice", owner="alice@example.com")
    town = Town()
    town.key = account.key("alice", 200, used=1)
    return town


def elsewhere(receiver, status: int):
    other = receiver()
    return other, Answer(status, headers={"Location": other.url})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(town, account, warden, receiver, status):
    other, town.desk.answer = elsewhere(receiver, status)
    town.declare()
    ended = warden.once(code=0)
    assert other.posts == []
    assert len(town.desk.posts) > 0
    assert f"answered {status}" in ended.err
    town.assert_not_held_up()
    town.assert_nothing_counts()
    assert other.posts == []


LIES = {
    "slack": [
        "invalid_payload",
        '{"ok": false, "error": "channel_is_archived"}',
        "<html><title>Sign in</title></html>",
    ],
    "teams": [
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
        '{"error": {"code": "WorkflowTriggerIsNotEnabled"}}',
        "<html><title>Sign in</title></html>",
    ],
    "webhook": [
        '{"error": "unknown tenant"}',
        '{"ok": false}',
        '{"status": 503}',
        "Internal error, try again later",
    ],
}


@pytest.mark.parametrize(("kind", "lie"), [(kind, lie) for kind, lies in LIES.items() for lie in lies])
def test_a_channel_that_says_yes_and_means_no(town, warden, kind, lie):
    town.desk.answer = Answer(200, lie)
    town.declare(kind=kind)
    warden.once(code=0)
    assert len(town.desk.posts) > 0
    assert town.message()["state"] == "queued"
    town.assert_not_held_up()
    town.assert_nothing_counts()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503])
def test_a_channel_that_fails(town, warden, status):
    town.desk.answer = Answer(status, "no")
    town.declare()
    warden.once(code=0)
    assert (town.message()["state"], town.message()["attempts"]) == ("queued", 1)
    town.assert_not_held_up()
    town.assert_nothing_counts()
    town.desk.accept()
    warden.let_retries_be_due()
    warden.once(code=0)
    assert town.message()["state"] == "accepted"


@pytest.mark.parametrize("how", ["hang_up", "refuse"])
def test_a_channel_that_is_not_there(town, warden, how):
    town.declare()
    if how == "refuse":
        warden.environment["URL_OF_DESK"] = f"http://127.0.0.1:{free_port()}/hooks/{town.desk.token}"
    else:
        town.desk.answer = town.desk.hang_up
    ended = warden.once(code=0)
    assert "could not be reached" in ended.err
    town.assert_not_held_up()
    town.assert_nothing_counts()


def test_channels_that_never_end_hold_nobody_up(town, account, warden, receiver):
    """One says nothing, one says it a byte at a time, and the third, told in the same run, has it at once."""
    slow, good = receiver(), receiver()
    town.desk.answer, slow.answer = town.desk.hang, slow.dribble
    for name in ("slow", "good"):
        account.user(name, owner=f"{name}@example.com")
        account.key(name, 200, used=1)
    owners = "".join(
        f'[[notifications.owners]]\nmatch = "{name}@*"\nchannel = "{name}"\n' for name in ("slow", "good")
    )
    town.declare(warden.channel("slow", slow), warden.channel("good", good), owners)
    ended = warden.once(code=0)
    assert ended.err.count("did not answer within") == 2, ended
    assert len(good.posts) == 1
    assert good.posts[0].at < town.desk.posts[0].at + 10, "not after the others gave up"
    town.assert_not_held_up()
    states = dict(warden.query("SELECT channel, state FROM messages WHERE id IN (SELECT message FROM notices)"))
    assert states == {"desk": "queued", "slow": "queued", "good": "accepted"}
    warden.let_days_pass(30)
    due = [action["resource"] for action in warden.plan()["actions"] if action["state"] == "proposed"]
    assert [arn.split("/")[-1] for arn in due] == ["good"]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_whole_retry_after_is_waited(town, warden, form):
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=7200)
    wait = {"seconds": "7200", "date": later.strftime("%a, %d %b %Y %H:%M:%S GMT")}[form]
    town.desk.answer = Answer(429, headers={"Retry-After": wait})
    town.declare()
    warden.once(code=0)
    assert len(town.desk.posts) == 1, "nor is it asked about other messages"
    message = town.message()
    assert message["state"] == "queued"
    next_try = datetime.datetime.fromisoformat(message["next_attempt_at"].replace("Z", "+00:00"))
    assert next_try >= later - datetime.timedelta(seconds=10)
    posts = len(town.desk.posts)
    town.desk.accept()
    warden.once(code=0)
    assert len(town.desk.posts) == posts, "not a try before"
    town.assert_not_held_up()
    town.assert_nothing_counts()


def test_a_channel_that_is_gone_leaves_dead_letters_that_people_see(town, warden, receiver):
    town.desk.answer = Answer(410)
    town.declare()
    ended = warden.once(code=0)
    assert "given up" in ended.err
    message = town.message()
    assert (message["state"], message["attempts"]) == ("dead", 1)
    town.assert_not_held_up()
    letters = {letter["id"]: letter for letter in warden.history()["dead_messages"]}
    letter = letters[message["id"]]
    assert (letter["channel"], letter["owner"], letter["event"]) == ("desk", "alice@example.com", "access_key.expiring")
    assert "410" in letter["error"]
    text = warden.run("history", code=0).out
    assert message["id"] in text and "410" in text
    with warden.daemon() as daemon:
        assert f'iamwarden_outbox_depth{{state="dead"}} {len(letters)}' in daemon.get("/metrics")[1]
    town.assert_nothing_counts()

    # A new webhook: what was announced to nobody is announced anew, and now it counts.
    replaced = receiver()
    warden.environment["URL_OF_DESK"] = replaced.url
    warden.canaries |= {replaced.token, replaced.url}
    warden.once(code=0)
    told = replaced.told("access_key.expiring")
    assert len(told) == 1
    assert told[0].id != message["id"]
    warden.let_days_pass(8)
    warden.once(code=0)
    assert town.key.status == "Inactive"


def test_what_fails_too_often_is_given_up_and_said_again(town, warden):
    town.desk.answer = Answer(500)
    town.declare()
    warden.once(code=0)
    first = town.message()["id"]
    for _ in range(7):
        warden.let_retries_be_due()
        warden.apply(code=0)
    tries = [post.id for post in town.desk.posts if post.id == first]
    assert len(tries) == 8, "5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 10 h"
    assert (town.message()["id"], town.message()["state"]) == (first, "dead")
    assert first in [letter["id"] for letter in warden.history()["dead_messages"]]
    town.assert_nothing_counts()
    town.desk.accept()
    warden.once(code=0)
    assert town.message()["state"] == "accepted"
    assert town.message()["id"] != first


def test_a_rotated_webhook_is_looked_up_once_more(town, account, warden, receiver):
    old, new = receiver("slack"), receiver("slack")
    old.answer = Answer(404, "no_service")
    warden.canaries |= {old.token, old.url, new.token, new.url}
    account.secret("iamwarden/slack", old.url)
    heads = f'[notifications]\ndefault_channel = "desk"\n{LOCAL}'
    slack = '[[notifications.channels]]\nname = "desk"\nkind = "slack"\nurl = "secretsmanager:iamwarden/slack"\n'
    warden.configure(FREELY, only("access_key_rotation", "password_policy"), RULES.replace('minimum_length = 14', ""), heads, slack)

    def rotate(action, _):
        # Whoever rotates it does so after it was read, and before it is read again.
        if action == "GetSecretValue" and account.calls[action] == 2:
            account.secret("iamwarden/slack", new.url)

    account.faults.append(rotate)
    warden.once(code=0)
    assert (len(old.posts), len(new.posts)) == (1, 1)
    assert old.posts[0].id == new.posts[0].id
    assert town.message()["state"] == "accepted"


def test_a_slow_channel_does_not_keep_the_daemon(town, warden):
    """It is told to stop while a channel hangs: it ends in time, and the message is not lost."""
    town.desk.answer = Answer(500)
    town.declare()
    warden.apply(code=0)
    town.desk.answer = town.desk.hang
    warden.let_retries_be_due()
    posts = len(town.desk.posts)
    with warden.daemon() as daemon:
        until(lambda: len(town.desk.posts) > posts, "a try is on its way")
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert time.monotonic() - began < 30
    states = {state for (state,) in warden.query("SELECT state FROM messages")}
    assert states == {"queued"}


def test_doctor_says_which_channel_is_amiss(town, warden, receiver):
    lying = receiver("slack")
    lying.answer = Answer(200, "invalid_token")
    town.declare(warden.channel("lying", lying))
    ended = warden.run("doctor", "--send", code=1)
    lines = {line.split()[2].rstrip(":"): line for line in ended.out.splitlines() if " channel " in line}
    assert lines["desk"].startswith("✓") and lines["lying"].startswith("✗"), ended
    (post,) = town.desk.posts
    assert post.verified(SIGNING)["type"]
    assert len(lying.posts) == 1
