"""Two hundred kills at random moments: nothing is done twice, nothing is lost, and the journal knows it all."""

from __future__ import annotations

import collections
import random
import threading
import time

from receiver import LOCAL
from warden import ENFORCE_ROTATION, only, until

KILLS = 200
DUE = 5
"""How many changes of keys wait whenever the program starts."""

RULES = """
[guardrails]
max_changes_percent = 100
max_changes_per_run = 1000
max_changes_per_day = 100000
[rules.password_policy]
mode = "enforce"
minimum_length = 14
"""


class Account:
    """An account that grows untidy again and again, and counts what was done about it."""

    def __init__(self, account) -> None:
        self.account = account
        self.keys: list = []
        self.weakened = 0
        self.written = threading.Event()
        account.faults.append(self.note)
        for number in range(DUE):
            account.user(f"bystander-{number}")

    def note(self, action, _):
        if action.startswith("Update"):
            self.written.set()

    def grow_untidy(self, rng: random.Random, may_weaken: bool = True) -> None:
        while sum(key.status == "Active" for key in self.keys) < DUE:
            name = f"user-{len(self.keys):04}"
            self.account.user(name, owner=f"owner-{rng.randrange(3)}@example.com")
            self.keys.append(self.account.key(name, 200, used=1))
        policy = self.account.iam.account_password_policy
        if policy is None or (may_weaken and policy.minimum_password_length >= 14 and rng.random() < 0.1):
            self.account.password_policy(minimum_password_length=8)
            self.weakened += 1

    def forget(self, settled: set[str]) -> None:
        """Removes users whose key is known to be disabled: a small account is read fast."""
        for name, user in list(self.account.iam.users.items()):
            if {key.access_key_id for key in user.access_keys} & settled:
                del self.account.iam.users[name]

    def assert_tidied_once(self) -> None:
        """Every call that changed something, as the server counted them."""
        calls = collections.Counter(call.get("AccessKeyId", action) for action, call in self.account.writes())
        expected = {key.access_key_id: 1 for key in self.keys}
        assert calls == {**expected, "UpdateAccountPasswordPolicy": self.weakened}
        assert {key.status for key in self.keys} == {"Inactive"}
        assert self.account.iam.account_password_policy.minimum_password_length == 14


def start_and_kill(warden, untidy: Account, rng: random.Random, took: float) -> bool:
    """Starts an `apply` and kills it some time later; half of the times while it is changing things."""
    untidy.written.clear()
    with warden.spawned("apply", "--yes") as running:
        if rng.random() < 0.5:
            until(lambda: untidy.written.wait(0.01) or running.ended(), "the first change", every=0)
            moment = rng.uniform(0, took / 3)
        else:
            moment = rng.uniform(0, took)
        begun = time.monotonic()
        while time.monotonic() - begun < moment and not running.ended():
            time.sleep(0.001)  # the moment itself, not a wait for anything
        killed = not running.ended()
        running.process.kill()
        running.wait()
    until(untidy.account.is_idle, "what was on its way has arrived", every=0.001)
    warden.let_leases_end()
    return killed


def test_two_hundred_kills_lose_and_double_nothing(account, warden, receiver):
    rng = random.Random(20261123)
    untidy, desk = Account(account), receiver()
    heads = f'[notifications]\ndefault_channel = "desk"\n{LOCAL}'
    warden.configure(only("access_key_rotation", "password_policy"), ENFORCE_ROTATION, RULES, heads, warden.channel("desk", desk))
    untidy.grow_untidy(rng)
    begun = time.monotonic()
    warden.apply(code=0)
    took = time.monotonic() - begun
    kills = 0
    while kills < KILLS:
        untidy.forget({subject for (subject,) in warden.query("SELECT subject FROM intents WHERE status = 'applied'")})
        # Whoever takes back a change whose outcome is not settled yet makes it one that never was.
        untidy.grow_untidy(rng, may_weaken=not warden.query("SELECT 1 FROM intents WHERE status = 'open'"))
        kills += start_and_kill(warden, untidy, rng, took)
    warden.apply(code=0)
    assert warden.plan(code=0)["actions"] == []

    untidy.assert_tidied_once()
    assert "whole" in warden.run("history", "--verify", code=0).out
    history = warden.run("history", "--format", "json", "--limit", "1000", code=0).json
    actions = [action for run in history["runs"] for action in run["actions"]]
    applied = collections.Counter(action["subject"] for action in actions if action["outcome"] == "applied")
    assert applied == {**{key.access_key_id: 1 for key in untidy.keys}, "password-policy": untidy.weakened}
    assert {action["outcome"] for action in actions} <= {"applied", "not_applied"}, "nothing is open"

    warden.query("UPDATE messages SET claimed_until_ms = 0")  # claims of the killed end after two minutes
    warden.let_retries_be_due()
    warden.apply(code=0)
    told = {action["parameters"].get("access_key_id") for post in desk.told("access_key.disabled") for action in post.data["actions"]}
    assert {key.access_key_id for key in untidy.keys} <= told, "every owner heard of it"
