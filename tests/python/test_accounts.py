"""Several accounts by assumed roles: each stands for itself, with its own failures, caps and owners."""

from __future__ import annotations

import threading

import pytest

from moto_account import ACCOUNT, Member, error
from receiver import LOCAL
from warden import ENFORCE_ROTATION, FREELY, only, until

APPS, DATA = "210987654321", "345678901234"
NAMES = {ACCOUNT: "hub", APPS: "apps", DATA: "data"}
ROLE = "arn:aws:iam::{}:role/iamwarden"


@pytest.fixture
def organization(account, warden):
    """A hub, and two members whose roles ask for external ids; two users with old keys in each."""

    class Organization:
        external_ids = {APPS: "CANARY-external-id-of-apps", DATA: "CANARY-external-id-of-data"}
        accounts = {ACCOUNT: account, APPS: Member(APPS), DATA: Member(DATA)}
        keys: dict[str, list] = {}
        trusted: dict[str, str | None] = {}

        def declare(self, *parts: str, **changes: dict[str, str]) -> None:
            """Declares all three; `apps={"role_arn": …}` changes what is said of one, `None` leaves it out."""
            declared = []
            for number, name in NAMES.items():
                said = {"id": number, "name": name, "owner": f"{name}@example.com"}
                if number != ACCOUNT:
                    said["role_arn"] = ROLE.format(number)
                    said["external_id"] = warden.secret(f"ID_OF_{name.upper()}", self.external_ids[number])
                change = changes.get(name, {})
                if change is not None:
                    said.update(change)
                    declared.append("[[accounts]]\n" + "".join(f'{key} = "{value}"\n' for key, value in said.items()))
            warden.configure(*declared, *(parts or (FREELY, only("access_key_rotation"), ENFORCE_ROTATION)))

        def disabled(self) -> dict[str, int]:
            """How many keys of each account are inactive."""
            return {
                NAMES[number]: sum(key.status == "Inactive" for key in keys) for number, keys in self.keys.items()
            }

        def reads(self, number: str) -> list[str]:
            """What was called in an account, but for the question who one is."""
            return [name for name, call in account.log if call.account == number and name not in ("AssumeRole", "GetCallerIdentity")]

    organization = Organization()
    for number, name in NAMES.items():
        principals = organization.accounts[number]
        for user in (f"{name}-ann", f"{name}-bob"):
            principals.user(user)
        organization.keys[number] = [principals.key(f"{name}-{user}", 200, used=1) for user in ("ann", "bob")]
    organization.trusted.update({ROLE.format(number): key for number, key in organization.external_ids.items()})
    account.trust(organization.trusted)
    organization.declare()
    return organization


def by_account(plan: dict) -> dict[str, tuple[str, int]]:
    """Status and number of actions of each account, by name."""
    actions = [action["account"] for action in plan["actions"]]
    return {known["name"]: (known["status"], actions.count(known["id"])) for known in plan["accounts"]}


def test_every_account_is_read_and_tidied_by_its_own_role(organization, account, warden):
    plan = warden.plan(code=2)
    assert by_account(plan) == {name: ("complete", 2) for name in NAMES.values()}
    assert [known["id"] for known in plan["accounts"]] == sorted(NAMES)
    assumed = {call["RoleArn"]: call["ExternalId"] for name, call in account.log if name == "AssumeRole"}
    assert assumed == {ROLE.format(number): key for number, key in organization.external_ids.items()}
    warden.apply(code=0)
    assert organization.disabled() == {"hub": 2, "apps": 2, "data": 2}
    for name, call in account.writes():
        assert call["UserName"].startswith(NAMES[call.account]), "each by credentials of its own account"
    warden.apply(code=0)
    assert len(account.writes()) == 6


def refused(organization):
    del organization.trusted[ROLE.format(APPS)]


def wrong_external_id(organization):
    organization.trusted[ROLE.format(APPS)] = "rotated"


def no_external_id(organization):
    organization.declare(apps={"external_id": "env:NOT_SET"})


@pytest.mark.parametrize("happens", [refused, wrong_external_id, no_external_id])
def test_an_account_that_cannot_be_entered_fails_alone(organization, account, warden, happens):
    happens(organization)
    plan = warden.plan(code=3)
    assert by_account(plan) == {"hub": ("complete", 2), "apps": ("failed", 0), "data": ("complete", 2)}
    (failed,) = [known for known in plan["accounts"] if known["id"] == APPS]
    (gap,) = failed["errors"]
    assert gap["operation"] in ("sts:AssumeRole", "secretsmanager:GetSecretValue")
    assert APPS in gap["detail"]
    text = warden.run("plan", "--format", "text", code=3).out
    assert "apps" in text and "fail" in text.lower()
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 2, "apps": 0, "data": 2}
    assert organization.reads(APPS) == []

    organization.trusted[ROLE.format(APPS)] = organization.external_ids[APPS]
    organization.declare()
    warden.apply(code=0)
    assert organization.disabled() == {"hub": 2, "apps": 2, "data": 2}
    assert len(account.writes()) == 6


def test_an_account_that_is_another_fails_alone(organization, account, warden):
    """The ambient credentials are those of another account than the one declared for them."""
    other = "999999999999"
    organization.declare(hub={"id": other})
    plan = warden.plan(code=3)
    assert by_account(plan) == {"hub": ("failed", 0), "apps": ("complete", 2), "data": ("complete", 2)}
    (failed,) = [known for known in plan["accounts"] if known["id"] == other]
    assert ACCOUNT in failed["errors"][0]["detail"]
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 0, "apps": 2, "data": 2}
    assert organization.reads(ACCOUNT) == []


def test_a_role_that_leads_to_another_account_is_not_believed(organization, account, warden):
    """Whatever AssumeRole gives, `GetCallerIdentity` has to answer with the account that is declared."""
    identity = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:sts::{DATA}:assumed-role/iamwarden/x</Arn><UserId>AROA:x</UserId><Account>{DATA}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    account.faults.append(
        lambda name, call: ("200 OK", identity) if name == "GetCallerIdentity" and call.account == APPS else None
    )
    plan = warden.plan(code=3)
    assert by_account(plan)["apps"] == ("failed", 0)
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 2, "apps": 0, "data": 2}
    assert organization.reads(APPS) == []


@pytest.mark.parametrize(
    ("operation", "status"), [("GetAccountAuthorizationDetails", "partial"), ("ListAccessKeys", "partial")]
)
def test_an_account_that_cannot_be_read_is_doubtful_alone(organization, account, warden, operation, status):
    def fault(name, call):
        if name == operation and call.account == DATA:
            return error("AccessDenied", "no", "403 Forbidden")
        return None

    account.faults.append(fault)
    plan = warden.plan(code=3)
    assert by_account(plan) == {"hub": ("complete", 2), "apps": ("complete", 2), "data": (status, 0)}
    doubts = [finding for finding in plan["findings"] if finding["account"] == DATA]
    assert doubts and {finding["status"] for finding in doubts} == {"unknown"}
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 2, "apps": 2, "data": 0}


def test_writes_that_fail_in_one_account_do_not_stop_the_others(organization, account, warden):
    def fault(name, call):
        if name == "UpdateAccessKey" and call.account == APPS:
            return error("AccessDenied", "an SCP forbids it", "403 Forbidden")
        return None

    account.faults.append(fault)
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 2, "apps": 0, "data": 2}
    assert sorted(warden.outcomes()) == ["applied"] * 4 + ["failed"] * 2


@pytest.mark.parametrize("chosen", [APPS, "apps"])
def test_one_account_can_be_chosen(organization, account, warden, chosen):
    plan = warden.plan("--account", chosen, code=2)
    assert by_account(plan) == {"apps": ("complete", 2)}
    assert organization.reads(ACCOUNT) == organization.reads(DATA) == []
    warden.apply("--account", chosen, code=0)
    assert organization.disabled() == {"hub": 0, "apps": 2, "data": 0}
    assert {call["RoleArn"] for name, call in account.log if name == "AssumeRole"} == {ROLE.format(APPS)}


def test_a_broken_account_that_is_not_chosen_does_not_matter(organization, warden):
    refused(organization)
    warden.apply("--account", "data", "--account", "hub", code=0)
    assert organization.disabled() == {"hub": 2, "apps": 0, "data": 2}


@pytest.mark.parametrize(
    ("caps", "applied"),
    [
        ("max_changes_per_run = 3\nmax_changes_percent = 100", {"hub": 2, "apps": 2, "data": 3}),
        ("max_changes_percent = 25", {"hub": 1, "apps": 1, "data": 3}),
        ("max_changes_per_day = 1\nmax_changes_percent = 100", {"hub": 1, "apps": 1, "data": 1}),
        ('max_changes_per_run = 3\nmax_changes_percent = 100\non_excess = "stop"', {"hub": 2, "apps": 2, "data": 0}),
    ],
    ids=["run", "percent", "day", "stop"],
)
def test_caps_are_counted_by_account(organization, warden, caps, applied):
    data = organization.accounts[DATA]
    for number in range(10):
        data.user(f"data-{number}")
        organization.keys[DATA].append(data.key(f"data-{number}", 100))
    organization.declare(f"[guardrails]\n{caps}\n", only("access_key_rotation"), ENFORCE_ROTATION)
    warden.apply(code=4)
    assert organization.disabled() == applied


def test_an_exemption_holds_where_it_is_declared(organization, warden):
    exemption = (
        f'[[exemptions]]\nprincipals = ["user/*-ann"]\nrules = ["access_key_rotation"]\naccounts = ["{APPS}"]\n'
        'until = "2099-01-01"\nreason = "vendor"\n'
    )
    organization.declare(FREELY, only("access_key_rotation"), ENFORCE_ROTATION, exemption)
    plan = warden.plan(code=2)
    assert by_account(plan) == {"hub": ("complete", 2), "apps": ("complete", 1), "data": ("complete", 2)}


def test_owners_of_accounts_hear_of_their_own(organization, warden, receiver):
    desk = receiver()
    heads = f'[notifications]\ndefault_channel = "desk"\n{LOCAL}'
    organization.declare(
        FREELY, only("access_key_rotation"), '[rules.access_key_rotation]\nmode = "enforce"\n', heads, warden.channel("desk", desk)
    )
    warden.once(code=0)
    told = {post.data["owner"]: post.data["accounts"] for post in desk.posts}
    assert told == {f"{name}@example.com": [{"id": number, "name": name}] for number, name in NAMES.items()}


def test_people_hear_of_an_account_that_fails(organization, warden, receiver):
    desk = receiver()
    heads = f'[notifications]\ndefault_channel = "desk"\n{LOCAL}'
    refused(organization)
    organization.declare(FREELY, only("access_key_rotation"), ENFORCE_ROTATION, heads, warden.channel("desk", desk))
    warden.once(code=3)
    (post,) = desk.told("run.failed")
    (failure,) = post.data["failures"]
    assert (failure["account"], failure["operation"]) == (APPS, "sts:AssumeRole")


ROLLBACK = "arn:aws:iam::{}:role/iamwarden-rollback"


def test_undoing_has_a_role_of_its_own(organization, account, warden):
    organization.trusted[ROLLBACK.format(APPS)] = organization.external_ids[APPS]
    organization.declare(apps={"rollback_role_arn": ROLLBACK.format(APPS)})
    warden.plan(code=2)
    warden.apply(code=0)
    assert ROLLBACK.format(APPS) not in {call.get("RoleArn") for _, call in account.log}
    run = next(run["id"] for run in warden.history()["runs"] if run["actions"])
    account.log.clear()
    warden.run("rollback", "--run", run, "--yes", code=0)
    assert organization.disabled() == {"hub": 0, "apps": 0, "data": 0}
    assumed = {call["RoleArn"] for name, call in account.log if name == "AssumeRole"}
    assert assumed == {ROLLBACK.format(APPS), ROLE.format(DATA)}


def test_a_rollback_that_cannot_enter_one_account_undoes_the_others(organization, account, warden):
    warden.apply(code=0)
    run = next(run["id"] for run in warden.history()["runs"] if run["actions"])
    refused(organization)
    ended = warden.run("rollback", "--run", run, "--yes", code=1)
    assert APPS in ended.out + ended.err
    assert organization.disabled() == {"hub": 0, "apps": 2, "data": 0}
    organization.trusted[ROLE.format(APPS)] = organization.external_ids[APPS]
    warden.run("rollback", "--run", run, "--yes", code=0)
    assert organization.disabled() == {"hub": 0, "apps": 0, "data": 0}
    assert len(account.writes()) == 12


def test_what_is_open_in_one_account_does_not_wait_for_another(organization, account, warden):
    """A run is killed while calls are on their way; then one account is out of reach, and the other is settled."""
    letting_go = threading.Event()
    seen = []

    def fault(name, call):
        if name == "UpdateAccessKey" and call.account == ACCOUNT:
            seen.append(call)
            letting_go.wait(30)
        return None

    account.faults.append(fault)
    with warden.spawned("apply", "--yes") as killed:
        until(lambda: seen, "a call is on its way")
        killed.process.kill()
        killed.wait()
    letting_go.set()
    warden.let_leases_end()
    refused(organization)
    warden.apply(code=3)
    assert organization.disabled() == {"hub": 2, "apps": 0, "data": 2}
    assert "whole" in warden.run("history", "--verify", code=0).out
