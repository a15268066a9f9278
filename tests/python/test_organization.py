"""An organization as moto has it: its accounts are found, left out by unit, and rolled out by stages."""

from __future__ import annotations

import json

import pytest
from moto.organizations.models import organizations_backends

from moto_account import ACCOUNT, Member
from warden import ENFORCE_ROTATION, FREELY, only

EXTERNAL_ID = "CANARY-external-id-of-members"


@pytest.fixture
def organization(account, warden):
    """The management account, and `dev`, `prod`, `play` and `old` in units of their names; a user with an old key in each."""

    class Organization:
        backend = organizations_backends[ACCOUNT]["aws"]
        ids: dict[str, str] = {}
        keys: dict[str, object] = {}

        def declare(self, organization: str = "", rollout: str = "") -> None:
            external_id = warden.secret("ID_OF_MEMBERS", EXTERNAL_ID)
            found = f'[organization]\ndiscover = true\nexternal_id = "{external_id}"\n{organization}\n'
            warden.configure(found, rollout, FREELY, only("access_key_rotation"), ENFORCE_ROTATION)

        def disabled(self) -> set[str]:
            return {name for name, key in self.keys.items() if key.status == "Inactive"}

    organization = Organization()
    backend = organization.backend
    backend.reset()
    organizations_backends.master_accounts.clear()
    organization.ids, organization.keys = {}, {}
    backend.create_organization(region="us-east-1", FeatureSet="ALL")
    root = backend.list_roots()["Roots"][0]["Id"]
    workloads = backend.create_organizational_unit(Name="Workloads", ParentId=root)["OrganizationalUnit"]["Id"]
    for name, parent in (("dev", workloads), ("prod", workloads), ("play", root), ("old", root)):
        unit = backend.create_organizational_unit(Name=name.title(), ParentId=parent)["OrganizationalUnit"]["Id"]
        status = backend.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]
        organization.ids[name] = status["AccountId"]
        backend.move_account(AccountId=status["AccountId"], SourceParentId=root, DestinationParentId=unit)
        member = Member(status["AccountId"])
        member.user(f"{name}-ann")
        organization.keys[name] = member.key(f"{name}-ann", 200, used=1)
    backend.close_account(AccountId=organization.ids["old"])
    account.user("hub-ann")
    organization.keys["hub"] = account.key("hub-ann", 200, used=1)
    roles = [f"arn:aws:iam::{number}:role/iamwarden" for number in organization.ids.values()]
    account.trust(dict.fromkeys(roles, EXTERNAL_ID))
    organization.declare()
    return organization


def test_every_active_account_is_found_and_tidied(organization, account, warden):
    plan = warden.plan(code=2)
    ids = organization.ids
    assert {known["id"] for known in plan["accounts"]} == {ACCOUNT, ids["dev"], ids["prod"], ids["play"]}
    assert {known["status"] for known in plan["accounts"]} == {"complete"}
    (left_out,) = plan["left_out"]
    assert (left_out["id"], left_out["why"]) == (ids["old"], "suspended")
    assert plan["api_calls"]["organizations:ListAccounts"] == 1
    text = warden.run("plan", "--format", "text", code=2).out
    assert "left out" in text and "suspended" in text
    warden.apply(code=0)
    assert organization.disabled() == {"hub", "dev", "prod", "play"}
    assert EXTERNAL_ID not in json.dumps(plan) + text


def test_units_are_left_out_and_rolled_out(organization, account, warden):
    organization.declare('exclude = ["/Play"]', '[rollout]\nunits = ["/Workloads/Dev"]\n')
    plan = warden.plan(code=2)
    rolled_out = {known["name"]: (known["unit"], known["rolled_out"]) for known in plan["accounts"]}
    assert rolled_out == {
        "master": ("/", False),
        "dev": ("/Workloads/Dev", True),
        "prod": ("/Workloads/Prod", False),
    }
    assert [action["account"] for action in plan["actions"]] == [organization.ids["dev"]]
    proposals = {finding["account"]: finding["proposal"] for finding in plan["findings"]}
    assert proposals[organization.ids["prod"]] is not None
    warden.apply(code=0)
    assert organization.disabled() == {"dev"}
    told = warden.run("explain", "prod-ann", code=0).out
    assert "not rolled out" in told and "/Workloads/Prod" in told
    warden.run("explain", "play-ann", code=1)

    organization.declare('exclude = ["/Play"]', '[rollout]\nunits = ["/Workloads"]\n')
    warden.apply(code=0)
    assert organization.disabled() == {"dev", "prod"}


def test_a_list_that_is_refused_stops_everything(organization, account, warden):
    def refuse(name, call):
        refused = ("400 Bad Request", json.dumps({"__type": "AccessDeniedException", "message": "no"}))
        return refused if name == "ListAccounts" else None

    account.faults.append(refuse)
    for command in (["plan"], ["apply", "--yes"], ["run", "--once"]):
        assert "ListAccounts" in warden.run(*command, code=1).err
    assert organization.disabled() == set()
    assert account.writes() == []
    account.faults.clear()
    organization.declare('exclude = ["/Plai"]')
    assert "/Plai" in warden.run("plan", code=1).err
    assert organization.disabled() == set()


def test_the_permissions_are_those_of_discovery(organization, warden):
    organization.declare('exclude = ["/Play"]')
    statements = {one["Sid"]: one for one in json.loads(warden.run("permissions", code=0).out)["Statement"]}
    assert statements["Discover"]["Action"] == [
        "organizations:ListAccounts",
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
        "organizations:ListRoots",
    ]
    assert statements["AssumeRoles"]["Resource"] == ["arn:aws:iam::*:role/iamwarden"]
    assert "arn:aws:iam::*:role/iamwarden" in statements["Never"]["Resource"]
    member = json.loads(warden.run("permissions", "--member", code=0).out)
    assert "organizations" not in json.dumps(member)
