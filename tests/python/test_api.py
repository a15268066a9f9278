"""The JSON API: as its own description says, with the rights of the pages, and each change once."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from pages import declared
from test_pages import ANN, APPROVE, DAILY, VIC, Keys
from warden import FREELY, only

ROOT = "ada-token-0123456789abcdef01234567"
SECONDS = 120

pytestmark = pytest.mark.xdist_group("pages")


@pytest.fixture
def keys(account, warden) -> Keys:
    keys = Keys(account, warden)
    warden.canaries.add(ROOT)
    with warden.config.open("a") as config:
        config.write(declared("ada@example.com", "admin", ROOT))
    return keys


@pytest.fixture
def daemon(keys):
    with keys.warden.daemon() as daemon:
        yield daemon


def call(daemon, token: str, method: str, path: str, body: dict | None = None, **headers: str):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{daemon.url}/api/v1/{path}", data=data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if data is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def get(daemon, path: str, token: str = VIC):
    status, text, _ = call(daemon, token, "GET", path)
    assert status == 200, (path, status, text)
    return json.loads(text)


def test_the_same_as_the_pages_show(keys, daemon):
    findings = get(daemon, "findings?rule=access_key_rotation&status=violation")["items"]
    assert {row["owner"] for row in findings} == {"alice@example.com", "ben@example.com"}
    assert [row["owner"] for row in get(daemon, "findings?text=BEN")["items"]] == ["ben@example.com"]
    actions = get(daemon, "plans/latest/actions")["items"]
    assert {row["id"] for row in actions} == set(keys.ids.values())
    assert get(daemon, f"plans/{keys.plan}")["id"] == keys.plan
    assert get(daemon, "me") == {"name": "vic@example.com", "role": "viewer", "by": "token", "may_decide": False}
    assert [row["rule"] for row in get(daemon, "rules")["items"]] == ["access_key_rotation", "password_policy"]
    owners = {row["owner"]: row["waiting"] for row in get(daemon, "owners")["items"]}
    assert owners["alice@example.com"] == 1
    shown = json.dumps(get(daemon, "configuration"))
    assert "vic@example.com" in shown and "sha256:…" in json.loads(shown)["server"]["auth"]["tokens"][0]["hash"]


@pytest.mark.parametrize("table", ["accounts", "decisions", "exemptions", "findings", "owners", "plans", "plans/latest/actions", "rules", "runs/actions"])
def test_every_table_is_there_as_csv(keys, daemon, table):
    status, text, headers = call(daemon, VIC, "GET", f"{table}?format=csv")
    assert status == 200, text
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(get(daemon, table)["items"])
    assert call(daemon, VIC, "GET", f"{table}?format=xlsx")[0] == 400


def test_a_decision_counts_once_for_each_key(keys, daemon):
    path, body = f"plans/{keys.plan}/decisions", {"verdict": "approved", "actions": [keys.ids["alice"]], "reason": "agreed"}
    assert call(daemon, VIC, "POST", path, body)[0] == 403
    assert call(daemon, ROOT, "POST", path, body)[0] == 403, "an administrator who is no approver"
    first = call(daemon, ANN, "POST", path, body, Idempotency_Key="one")
    assert first[0] == 200, first
    again = call(daemon, ANN, "POST", path, body, Idempotency_Key="one")
    assert (again[0], again[1], again[2]["Idempotent-Replayed"]) == (200, first[1], "true")
    assert call(daemon, ANN, "POST", path, {**body, "verdict": "rejected"}, Idempotency_Key="one")[0] == 409
    assert len(keys.decisions()) == 1
    assert keys.decisions()[0]["by"] == "ann@example.com"
    for wrong, status in (
        ({"verdict": "approved", "actions": ["act_none"]}, 404),
        ({"verdict": "maybe"}, 400),
        ({}, 400),
        ({**body, "by": "ben@example.com"}, 400),
    ):
        assert call(daemon, ANN, "POST", path, wrong, Idempotency_Key="two")[0] == status, wrong
    assert call(daemon, ANN, "POST", "plans/01NONE/decisions", body)[0] == 404
    assert len(keys.decisions()) == 1


def test_applied_and_undone(keys, daemon):
    body = {"verdict": "approved", "actions": [keys.ids["alice"]]}
    assert call(daemon, ANN, "POST", f"plans/{keys.plan}/decisions", body)[0] == 200
    keys.apply()
    assert keys.alice.status == "Inactive"
    undo = {"actions": [keys.ids["alice"]]}
    assert call(daemon, VIC, "POST", "rollbacks", undo)[0] == 403
    status, text, _ = call(daemon, ANN, "POST", "rollbacks", undo, Idempotency_Key="undo")
    assert status == 200 and json.loads(text)["results"][0]["result"] == "applied", text
    assert keys.alice.status == "Active"
    assert call(daemon, ANN, "POST", "rollbacks", undo, Idempotency_Key="undo")[1] == text
    assert call(daemon, ANN, "POST", "rollbacks", undo)[0] == 409, "there is nothing left to undo"
    assert call(daemon, ANN, "POST", "rollbacks", {"actions": ["act_none"]})[0] == 404
    runs = [run for run in get(daemon, "runs")["items"] if run["command"] == "rollback"]
    assert [run["by"] for run in runs] == ["ann@example.com"]


def test_it_freezes_and_releases(keys, daemon):
    assert call(daemon, ANN, "POST", "freeze", {"reason": "x"})[0] == 403
    assert json.loads(call(daemon, ROOT, "POST", "freeze", {"reason": "incident"})[1])["frozen"] is True
    assert get(daemon, "freeze")["by"] == "ada@example.com"
    assert call(daemon, ROOT, "POST", "unfreeze")[0] == 200
    assert get(daemon, "freeze")["frozen"] is False


def test_it_does_what_its_description_says(account, warden, tmp_path):
    """schemathesis, for about half a minute: no answer that the document does not allow, and none of 500."""
    warden.canaries |= {ANN}
    people = '[approvals]\napprovers = ["ann@example.com"]\n' + declared("ann@example.com", "admin", ANN)
    warden.configure(FREELY, only("access_key_rotation"), DAILY, APPROVE, people)
    account.user("alice", owner="alice@example.com")
    account.key("alice", 200, used=1)
    warden.once()
    warden.plan("--save")
    with warden.daemon() as daemon:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{daemon.url}/api/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {ANN}", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "12", "--workers", "1", "--seed", "1", "--suppress-health-check", "all"),
            # Ids are made up, a key that was used for something else is a conflict, and who tries token after token is told to
            # wait, which is another answer than 401.
            *("--exclude-checks", "positive_data_acceptance,unsupported_method,ignored_auth"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert daemon.get("/healthz")[0] == 200
    assert account.writes() == []
    assert "whole" in warden.run("history", "--verify", code=0).out
