"""Signing in by OpenID Connect, at a provider that we did not write."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from oidc_provider_mock import User, run_server_in_thread
from selenium.webdriver.common.by import By

from pages import browser, declared
from test_pages import ask
from warden import free_port, until

TOKEN = "tom-token-0123456789abcdef01234567"
PEOPLE = [
    User(sub="ann", claims={"email": "ann@example.com", "email_verified": True, "groups": ["security", "staff"]}),
    User(sub="vic", claims={"email": "vic@example.com", "email_verified": True, "groups": ["staff"]}),
    User(sub="eve", claims={"email": "ann@example.com", "email_verified": False, "groups": ["security"]}),
    User(sub="out", claims={"email": "out@example.com", "email_verified": True, "groups": ["guests"]}),
]

pytestmark = pytest.mark.xdist_group("pages")


@pytest.fixture
def provider():
    with run_server_in_thread(user_claims=PEOPLE) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def daemon(account, warden, provider):
    port = free_port()
    secret = warden.secret("CLIENT_SECRET", "a-secret-of-the-client-0123456789")
    warden.configure(
        f'[server]\npublic_url = "http://localhost:{port}"\n',
        f'[server.auth.oidc]\nissuer = "{provider}"\nclient_id = "iamwarden"\nclient_secret = "{secret}"\n',
        'scopes = ["email"]\nviewers = ["staff"]\napprovers = ["security"]\n',
        '[approvals]\napprovers = ["ann@example.com"]\n',
        '[notifications]\nallow_http = true\nallow_networks = ["127.0.0.0/8", "::1/128"]\n',
        declared("tom", "viewer", TOKEN),
    )
    with warden.spawned("run", IAMWARDEN__SERVER__LISTEN=f"127.0.0.1:{port}") as daemon:
        daemon.url = f"http://localhost:{port}"
        until(lambda: daemon.ended() or daemon.get("/readyz")[0] == 200, "it is ready")
        assert not daemon.ended(), daemon.log()
        yield daemon


def arrive(page, daemon, person: str, path: str = "/") -> None:
    page.go(path)
    page.find("a.button.primary").click()
    page.until(lambda: page.all("input[name=sub]"), "the provider asks who it is")
    page.driver.find_element(By.CSS_SELECTOR, f"button[name=sub][value={person}]").click()
    page.until(lambda: page.driver.current_url.startswith(daemon.url) and page.all("main"), "back here")


def test_the_provider_says_who_it_is_and_a_claim_says_what_they_may(daemon, tmp_path):
    with browser(daemon.url, tmp_path / "browser") as page:
        page.go("/")
        page.look("sign-in-with-a-provider")
        arrive(page, daemon, "ann", "/findings?severity=high")
        assert page.driver.current_url == f"{daemon.url}/findings?severity=high"
        assert "ann@example.com approver" in page.find(".person").text
        cookies = {cookie["name"]: cookie for cookie in page.driver.get_cookies()}
        assert set(cookies) == {"iamwarden"}
        assert cookies["iamwarden"]["httpOnly"] and cookies["iamwarden"]["sameSite"] == "Lax"
        assert page.complaints() == []
        page.click(".person button")
        arrive(page, daemon, "vic")
        assert "vic@example.com viewer" in page.find(".person").text


@pytest.mark.parametrize(("person", "why"), [("eve", "verified"), ("out", "no role here")])
def test_who_is_not_verified_or_has_no_role_stays_outside(daemon, tmp_path, person, why):
    with browser(daemon.url, tmp_path / "browser") as page:
        arrive(page, daemon, person)
        assert why in page.text()
        page.go("/findings")
        assert page.all("#token"), "still at the sign-in"


def test_an_answer_that_was_not_asked_for_signs_nobody_in(daemon, provider):
    status, _, headers = ask(daemon, "GET", "/sign-in/provider?next=//attacker.example")
    assert status == 303
    asked = urllib.parse.urlsplit(headers["location"])
    query = urllib.parse.parse_qs(asked.query)
    assert headers["location"].startswith(provider)
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(query)
    assert query["redirect_uri"] == [f"{daemon.url}/sign-in/callback"]
    cookie = headers["set-cookie"].split(";")[0]
    kept = json.loads(base64.urlsafe_b64decode(cookie.split("=", 1)[1] + "=="))
    assert kept["next"] == "/", "nobody is led elsewhere"
    assert kept["verifier"] not in headers["location"]

    def code() -> str:
        _, _, answered = ask_url(headers["location"], {"sub": "ann"})
        return urllib.parse.parse_qs(urllib.parse.urlsplit(answered["location"]).query)["code"][0]

    state = query["state"][0]
    attempts = {
        "without what began it": (f"code={code()}&state={state}", ""),
        "with another state": (f"code={code()}&state=other", cookie),
        "without a state": (f"code={code()}", cookie),
        "without a code": (f"state={state}", cookie),
        "with a code of nobody's": (f"code=forged&state={state}", cookie),
        "refused": (f"error=access_denied&state={state}", cookie),
    }
    for what, (query_text, held) in attempts.items():
        status, text, answered = ask(daemon, "GET", f"/sign-in/callback?{query_text}", Cookie=held)
        assert status == 401, (what, status, text)
        assert "iamwarden=" not in answered.get("set-cookie", ""), what
    good = f"/sign-in/callback?code={code()}&state={state}"
    status, _, answered = ask(daemon, "GET", good, Cookie=cookie)
    assert status == 303 and answered["location"] == "/"
    assert ask(daemon, "GET", good, Cookie=cookie)[0] == 401, "a code counts once"


def test_a_provider_at_a_private_address_is_not_asked(account, warden, provider):
    warden.configure(
        '[server]\npublic_url = "http://localhost:8787"\n',
        f'[server.auth.oidc]\nissuer = "{provider}"\nclient_id = "iamwarden"\nviewers = ["*"]\n',
        "[notifications]\nallow_http = true\n",
    )
    with warden.daemon() as daemon:
        status, text, _ = ask(daemon, "GET", "/sign-in/provider")
        assert status == 502, text
        assert "may not go" in daemon.log()


def ask_url(url: str, data: dict) -> tuple[int, str, dict]:
    class There:
        pass

    there = There()
    parts = urllib.parse.urlsplit(url)
    there.url = f"{parts.scheme}://{parts.netloc}"
    return ask(there, "POST", f"{parts.path}?{parts.query}", data)
