"""Policies that nobody uses: what Access Advisor must have said before one is detached, and what comes back after.

moto has no Access Advisor, and so everything is unknown there; the simulator has one.
"""

from __future__ import annotations

import json

import pytest

from conformance.targets import CALLER_KEY, Simulator
from moto_account import ACCOUNT, ENVIRONMENT, ago
from warden import FREELY, Warden, only, until

ENFORCE = """
[rules.unused_permissions]
mode = "enforce"
trust_existing = true
"""
AT_ONCE = ENFORCE + 'confirm_after = "0s"\n'


def document(*statements: dict | str) -> str:
    """A policy that allows these actions, or consists of these statements."""
    allow = [s if isinstance(s, dict) else {"Effect": "Allow", "Action": s, "Resource": "*"} for s in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allow})


POLICIES = {
    "app": document("s3:*"),
    "queues": document("sqs:*"),
    "shouting": document("SQS:Send*"),
    "denies": document("sqs:*", {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}),
    "all-but": document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
    "everything": document("*"),
    "passes": document("iam:PassRole"),
    "unheard-of": document("nosuchthing:*"),
    "topics": document("sns:*"),
    "wide": document("sqs:*", "xray:*", "sns:*", "s3:*"),
    "traces": document("xray:*"),
    "boundary": document("sqs:*"),
}


def arn(policy: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{policy}"


def seed(**principals: list[dict]) -> str:
    policies = [{"name": name, "age": "500d", "document": text} for name, text in POLICIES.items()]
    account = {
        "id": ACCOUNT,
        "callers": [{"access_key_id": CALLER_KEY, "acts_as": "assumed-role/hub/iamwarden"}],
        "report": {"existing": "1h"},
        "policies": policies,
        **principals,
    }
    return json.dumps({"accounts": [account]})


def user(name: str, *attached: str, **more: object) -> dict:
    """A user of long standing who works with s3 every day."""
    return {"name": name, "age": "500d", "attached": list(attached), "used": {"s3": "1d"}, **more}


@pytest.fixture
def simulate(tmp_path):
    """Starts a simulated account, and the binary beside it."""
    started = []

    def simulate(**principals: list[dict]) -> tuple[Simulator, Warden]:
        simulator = Simulator()
        simulator.control("seed", json.loads(seed(**principals)))
        environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL": simulator.url, "AWS_ACCESS_KEY_ID": CALLER_KEY}
        warden = Warden(environment, tmp_path)
        warden.configure(FREELY, only("unused_permissions"), AT_ONCE)
        started.append((simulator, warden))
        return simulator, warden

    yield simulate
    for simulator, warden in started:
        simulator.stop()
        assert not warden.leaks()


def writes(simulator: Simulator) -> list[tuple[str, str]]:
    """Which call was made about which managed policy."""
    calls = [call for call in simulator.control("calls") if call["mutates"] and "PolicyArn" in call["parameters"]]
    return [(call["operation"], call["parameters"]["PolicyArn"].split("/")[-1]) for call in calls]


def changed(simulator: Simulator) -> int:
    return simulator.control("counts")["mutations"]


def attached(simulator: Simulator, kind: str, name: str) -> list[str]:
    return [policy.split("/")[-1] for policy in simulator.control(f"state/{ACCOUNT}")[kind][name]["attached"]]


def edit(simulator: Simulator, **change: object) -> None:
    simulator.control("edit", {"account": ACCOUNT, **change})


def kept(plan: dict, name: str) -> dict[str, str]:
    """Why policies of a principal are kept, by policy."""
    found = [f for f in plan["findings"] if f["resource"].endswith(f"/{name}") and f["status"] == "unknown"]
    return {f["evidence"].get("policy_arn", "all").split("/")[-1]: f["evidence"]["kept_by"] for f in found}


# ------------------------------------------------------------------------------------------------------------- moto


def test_without_access_advisor_everything_is_unknown(account, warden):
    account.user("ann", age=500)
    for name in ("queues", "everything"):
        policy = account.iam.create_policy("", "/", POLICIES[name], name, [])
        policy.create_date = policy.update_date = ago(500)
        account.iam.attach_user_policy(policy.arn, "ann")
    warden.configure(FREELY, only("unused_permissions"), AT_ONCE)
    plan = warden.plan(code=3)
    assert plan["actions"] == []
    assert {finding["status"] for finding in plan["findings"]} == {"unknown"}
    assert plan["accounts"][0]["status"] == "partial"
    (gap,) = plan["accounts"][0]["errors"]
    assert gap["operation"] == "iam:GenerateServiceLastAccessedDetails"
    warden.apply(code=3)
    assert account.writes() == []


# -------------------------------------------------------------------------------------------------------- simulator


def test_what_nobody_used_is_detached_and_nothing_else(simulate):
    simulator, warden = simulate(
        users=[
            user("plain", "app", "queues"),
            user("case", "app", "shouting"),
            user("denies", "app", "denies"),
            user("all-but", "app", "all-but"),
            user("everything", "app", "everything"),
            user("passes", "app", "passes"),
            user("unheard-of", "app", "unheard-of"),
            user("absent", "app", "topics", advisor={"absent": ["sns"]}),
            user("failed", "app", "queues", advisor={"failed": "no luck"}),
            user("young", "app", "queues", age="30d"),
            user("edge", "app", "queues", used={"s3": "1d", "sqs": "89d"}),
            user("bounded", "app", "boundary", boundary="boundary"),
            user("idle", "queues", "topics", used={}),
            # Ten services, one on a page: xray, which was used, is the last.
            user("pages", "wide", "traces", "queues", used={"xray": "1d"}, advisor={"page_size": 1}),
            user("ada", groups=["mixed", "idle-group"], used={"s3": "1d", "sqs": "2d"}),
            user("ben", groups=["mixed", "idle-group", "fresh"]),
            user("new", groups=["fresh"], age="20d"),
        ],
        groups=[
            {"name": "mixed", "age": "500d", "attached": ["app", "queues"]},
            {"name": "idle-group", "age": "500d", "attached": ["app", "topics"]},
            {"name": "fresh", "age": "500d", "attached": ["app", "topics"]},
            {"name": "empty", "age": "500d", "attached": ["queues"]},
        ],
        roles=[
            {"name": "worker", "age": "500d", "attached": ["app", "queues"], "used": {"s3": "1d"},
             "assumed_by": ["ec2.amazonaws.com"]},
            {"name": "function", "age": "500d", "attached": ["app", "queues"], "used": {"s3": "1d"},
             "assumed_by": ["lambda.amazonaws.com"]},
            {"name": "made-by-service", "path": "/service-role/", "age": "500d", "attached": ["app", "queues"],
             "used": {"s3": "1d"}, "assumed_by": ["ec2.amazonaws.com"]},
            {"name": "AWSServiceRoleForX", "path": "/aws-service-role/x.amazonaws.com/", "age": "500d",
             "attached": ["queues"], "assumed_by": ["x.amazonaws.com"]},
            {"name": "sso", "path": "/aws-reserved/sso.amazonaws.com/", "age": "500d", "attached": ["app", "queues"],
             "used": {"s3": "1d"}, "assumed_by": ["ec2.amazonaws.com"]},
            {"name": "vendor", "age": "500d", "attached": ["app", "queues"], "used": {"s3": "1d", "sqs": "200d"},
             "assumed_by": ["210987654321"]},
            {"name": "hub", "age": "500d", "attached": ["app", "queues"], "used": {"s3": "1d"},
             "assumed_by": ["ec2.amazonaws.com"]},
        ],
    )  # fmt: skip
    plan = warden.plan()
    due = {
        (action["resource"].split("/")[-1], action["parameters"]["policy_arn"].split("/")[-1])
        for action in plan["actions"]
        if action["state"] == "proposed"
    }
    expected = {("plain", "queues"), ("case", "shouting"), ("pages", "queues"), ("idle-group", "topics"), ("worker", "queues")}
    assert due == expected
    assert kept(plan, "denies") == {"denies": "D2"}
    assert kept(plan, "passes") == {"passes": "D7"}
    assert kept(plan, "unheard-of") == {"unheard-of": "E5"}
    assert kept(plan, "absent") == {"topics": "E4"}
    assert kept(plan, "failed") == {"all": "E1"}
    proposals = {f["resource"].split("/")[-1] for f in plan["findings"] if f["proposal"] is not None}
    assert proposals == {"function", "made-by-service"}, "whom services invoke is only proposed"

    before = simulator.control(f"state/{ACCOUNT}")
    warden.apply()
    assert sorted(writes(simulator)) == sorted(
        [("DetachUserPolicy", "queues"), ("DetachUserPolicy", "shouting"), ("DetachUserPolicy", "queues"),
         ("DetachGroupPolicy", "topics"), ("DetachRolePolicy", "queues")]
    )  # fmt: skip
    after = simulator.control(f"state/{ACCOUNT}")
    for kind, names in {"users": before["users"], "groups": before["groups"], "roles": before["roles"]}.items():
        for name in names:
            gone = set(before[kind][name]["attached"]) - set(after[kind][name]["attached"])
            assert gone == {arn(policy) for holder, policy in expected if holder == name}, name
    count = changed(simulator)
    warden.once()
    assert changed(simulator) == count, "a second time there is nothing to do"


def test_nothing_goes_before_it_was_seen_unused_for_long_enough(simulate):
    simulator, warden = simulate(users=[user("ann", "app", "queues")])
    warden.configure(FREELY, only("unused_permissions"), ENFORCE)
    for _ in range(2):
        (action,) = warden.plan()["actions"]
        assert (action["state"], action["withheld_reason"]) == ("withheld", "unconfirmed")
        warden.once(code=0)
    assert attached(simulator, "users", "ann") == ["app", "queues"]
    warden.configure(FREELY, only("unused_permissions"), ENFORCE + 'confirm_after = "2s"\n')
    until(lambda: warden.once(code=0) and attached(simulator, "users", "ann") == ["app"], "two seconds of readings")


def test_an_attachment_of_unknown_age_is_young(simulate):
    simulator, warden = simulate(users=[user("ann", "app", "queues")])
    warden.configure(FREELY, only("unused_permissions"), AT_ONCE.replace("trust_existing = true\n", ""))
    for _ in range(2):
        assert warden.plan(code=0)["actions"] == []
        warden.once(code=0)
    assert writes(simulator) == []


def used_a_minute_ago(simulator):
    edit(simulator, user="ann", used={"sqs": "1m"})


def used_by_denied_attempts_in_another_region(simulator):
    edit(simulator, user="ann", used={"sqs": {"last": "2m", "region": "ap-southeast-2"}})


def detached_by_hand(simulator):
    edit(simulator, user="ann", detach=[arn("queues")])


def user_deleted(simulator):
    edit(simulator, user="ann", delete=True)


def reports_fail(simulator):
    edit(simulator, advisor={"failed": "no luck"})


HAPPENINGS = [used_a_minute_ago, used_by_denied_attempts_in_another_region, detached_by_hand, user_deleted, reports_fail]


@pytest.mark.parametrize("happens", HAPPENINGS)
def test_what_happens_between_plan_and_apply_is_seen(simulate, happens):
    simulator, warden = simulate(users=[user("ann", "app", "queues"), user("bob", "app", "queues")])
    file = warden.plan_file()
    happens(simulator)
    ended = warden.apply("--plan", str(file))
    assert ended.code == 3, ended
    assert attached(simulator, "users", "bob") == (["app", "queues"] if happens is reports_fail else ["app"])
    if happens not in (detached_by_hand, user_deleted):
        assert attached(simulator, "users", "ann") == ["app", "queues"]
    if happens is not reports_fail:
        assert "stale" in ended.out


@pytest.mark.parametrize("happens", HAPPENINGS)
def test_what_happens_after_the_fresh_plan_is_seen_too(simulate, happens):
    """It happens after everything was read and judged, right before the one call."""
    simulator, warden = simulate(users=[user("ann", "app", "queues")])
    hold = {"operation": "ListAttachedUserPolicies", "nth": 1, "times": 1, "kind": "hold"}
    simulator.control("faults", hold)
    with warden.spawned("apply", "--yes") as applying:
        held = simulator.control("holds/wait?timeout_ms=60000")
        assert held, applying.log()
        happens(simulator)
        simulator.control(f"holds/{held['id']}/release", {"then": "continue"})
        assert applying.wait() == 3, applying.log()
    assert writes(simulator) == []
    expected = "failed" if happens is reports_fail else "stale"
    assert f'"outcome":"{expected}"' in applying.log()


@pytest.mark.parametrize(
    ("kind", "principals"),
    [
        ("users", {"users": [user("ann", "app", "queues")]}),
        ("groups", {"users": [user("x", groups=["ann"])], "groups": [{"name": "ann", "age": "500d", "attached": ["app", "queues"]}]}),
        ("roles", {"roles": [{**user("ann", "app", "queues"), "assumed_by": ["ec2.amazonaws.com"]}]}),
    ],
)  # fmt: skip
def test_a_rollback_is_exact(simulate, kind, principals):
    simulator, warden = simulate(**principals)
    before = simulator.control(f"state/{ACCOUNT}")
    warden.apply(code=0)
    assert attached(simulator, kind, "ann") == ["app"]
    action = warden.history()["runs"][0]["actions"][0]["id"]
    warden.run("rollback", "--action", action, "--yes", code=0)
    assert simulator.control(f"state/{ACCOUNT}") == before
    count = changed(simulator)
    warden.run("rollback", "--action", action, "--yes", code=0)
    for command in (warden.apply, warden.once):
        command(code=0)
    assert changed(simulator) == count, "it stays, and a second rollback is a no-op"
    (held,) = warden.plan()["actions"]
    assert held["withheld_reason"] == "rolled_back"


def test_a_rollback_refuses_what_somebody_changed_since(simulate):
    simulator, warden = simulate(users=[user("ann", "app", "queues")])
    warden.apply(code=0)
    action = warden.history()["runs"][0]["actions"][0]["id"]
    edit(simulator, user="ann", attach=[arn("queues")])
    count = changed(simulator)
    warden.run("rollback", "--action", action, "--yes", code=1)
    assert changed(simulator) == count


def test_clocks_elsewhere_change_nothing(simulate):
    simulator, warden = simulate(users=[user("ann", "app", "queues", used={"s3": "1d", "sqs": "2159h"})])
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):
        assert warden.plan(code=0, TZ=zone)["actions"] == [], "used an hour less than ninety days ago, whatever the zone"
    edit(simulator, user="ann", used={"sqs": "2161h"})
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):
        assert len(warden.plan(code=2, TZ=zone)["actions"]) == 1
