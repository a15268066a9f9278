"""The pages, in a real browser: sign in, filter, approve one and reject another, watch the account change, roll back. And
what a browser or somebody who misuses one may not do."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from pages import DESK, PHONE, browser, declared, nonce_in
from warden import ENFORCE_ROTATION, FREELY, only, until

ANN, VIC = "ann-token-0123456789abcdef01234567", "vic-token-0123456789abcdef01234567"
APPROVE = ENFORCE_ROTATION.replace('"enforce"', '"approve"')
PEOPLE = '[approvals]\napprovers = ["ann@example.com"]\n' + declared("ann@example.com", "approver", ANN) + declared("vic@example.com", "viewer", VIC)
DAILY = '[schedule]\ndefault = "0 0 6 * * *"\n'

pytestmark = pytest.mark.xdist_group("pages")


class Keys:
    """Two people with old keys, and a plan that wants to disable both."""

    def __init__(self, account, warden) -> None:  # noqa: ANN001
        self.account, self.warden = account, warden
        warden.canaries |= {ANN, VIC}
        warden.configure(FREELY, only("access_key_rotation", "password_policy"), DAILY, APPROVE, PEOPLE)
        account.user("alice", owner="alice@example.com")
        account.user("ben", owner="ben@example.com")
        self.alice, self.ben = account.key("alice", 200, used=1), account.key("ben", 150)
        warden.once()
        plan = warden.plan("--save", code=2)
        self.plan = plan["id"]
        self.ids = {action["resource"].split("/")[-1]: action["id"] for action in plan["actions"]}

    def decisions(self) -> list[dict]:
        return self.warden.history()["decisions"]

    def apply(self) -> None:
        """What the daemon does by itself at its next run."""
        self.warden.once()


@pytest.fixture
def keys(account, warden) -> Keys:
    return Keys(account, warden)


@pytest.fixture
def daemon(keys):
    with keys.warden.daemon() as daemon:
        yield daemon


def test_from_the_sign_in_to_the_changed_account_and_back(keys, daemon, tmp_path):
    with browser(daemon.url, tmp_path / "browser") as page:
        page.sign_in(ANN, f"/plans/{keys.plan}")
        assert page.driver.current_url == f"{daemon.url}/plans/{keys.plan}", "back where one wanted to go"
        page.go("/")
        page.look("overview")
        assert page.find(".figure.calls .amount").text == "2"

        page.go("/findings")
        page.look("findings")
        page.choose("#owner", "ben@example.com")
        page.until(lambda: len(page.all("#results tbody tr")) == 1, "the list follows the filter without a button")
        assert "owner=ben" in page.driver.current_url
        assert "ben" in page.find("#results").text

        page.go("/plans")
        page.click("tbody a")
        page.look("plan")
        assert "200 days" in page.text() or "200d" in page.text() or "Inactive" in page.text()
        alice, ben = (f"#{keys.ids[name]} .decide" for name in ("alice", "ben"))
        page.find(f"{alice} [name=reason]").send_keys("agreed with alice")
        page.click(f"{alice} [value=approved]")
        assert "approved by ann@example.com" in page.find(f"#{keys.ids['alice']}").text
        page.click(f"{ben} [value=rejected]")
        page.look("plan-decided")

        keys.apply()
        until(lambda: keys.alice.status == "Inactive", "what was approved is done")
        assert keys.ben.status == "Active", "what was rejected is not"
        said = {entry["action"]: (entry["verdict"], entry["by"], entry["reason"]) for entry in keys.decisions()}
        assert said == {
            keys.ids["alice"]: ("approved", "ann@example.com", "agreed with alice"),
            keys.ids["ben"]: ("rejected", "ann@example.com", None),
        }

        page.go("/history")
        page.look("history")
        page.click("td.act a")
        page.look("rollback")
        assert keys.alice.status == "Inactive", "looking undoes nothing"
        page.click("form.stack button.danger")
        assert keys.alice.status == "Active"
        assert "rolled back" in page.text()
        page.look("history-rolled-back")
        assert "by ann@example.com" in page.text()
        assert page.complaints() == []
    assert "whole" in keys.warden.run("history", "--verify", code=0).out


def test_several_at_once_without_scripts(keys, daemon, tmp_path):
    with browser(daemon.url, tmp_path / "browser") as page:
        page.scripts(False)
        page.sign_in(ANN)
        page.go("/findings?status=violation")
        page.find("#text").send_keys("alice")
        page.click(".filters button")
        assert len(page.all("#results tbody tr")) == 1
        page.go(f"/plans/{keys.plan}")
        page.find(".bulk [name=reason]").send_keys("both")
        page.click(".bulk [value=approved]")
        assert "Approve 2 actions?" in page.text()
        assert keys.decisions() == [], "the page that asks decides nothing"
        page.scripts(True)
        page.look("confirm")
        page.scripts(False)
        page.click("form.stack button.good")
        assert "Approved: 2 actions" in page.text()
    assert {entry["verdict"] for entry in keys.decisions()} == {"approved"}
    assert len(keys.decisions()) == 2


def test_an_exemption_is_asked_for_granted_and_taken_back(keys, daemon, tmp_path):
    with browser(daemon.url, tmp_path / "browser") as page:
        page.sign_in(VIC, "/findings?owner=ben@example.com")
        page.find("#results summary").click()
        page.click("#results details a")
        page.look("ask-for-an-exemption")
        page.find("#reason").send_keys("moves to a role in January")
        page.click("form.stack button.primary")
        assert "waits for an answer" in page.text()
        assert not page.all("button.good"), "who asks does not answer"
        page.click(".person button")
        page.sign_in(ANN, "/exemptions")
        page.look("exemption-requested")
        page.click("button.good")
        page.look("exemptions")
        assert page.find("tbody .chip").text == "granted"
        plan = keys.warden.plan()
        assert [action["resource"].split("/")[-1] for action in plan["actions"]] == ["alice"], "ben is left alone"
        page.click("td.act button")
        assert page.find("tbody .chip").text == "revoked"
    assert len(keys.warden.plan()["actions"]) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_on_a_desk_and_on_a_phone(keys, daemon, tmp_path, scheme):
    with browser(daemon.url, tmp_path / "browser") as page:
        page.scheme(scheme)
        page.go("/")
        page.look(f"sign-in-{scheme}")
        page.sign_in(VIC)
        for size, name in ((DESK, "desk"), (PHONE, "phone")):
            page.size(size)
            for path in ("", "findings", "plans", "plans/latest", "history", "owners", "exemptions", "configuration", "nothing"):
                page.go(f"/{path}")
                page.look(f"{path.replace('/', '-') or 'overview'}-{scheme}-{name}")
                assert not page.is_too_wide(), f"{path} on a {name}"


def test_by_keyboard(keys, daemon, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys as Press

    with browser(daemon.url, tmp_path / "browser") as page:
        page.sign_in(ANN, f"/plans/{keys.plan}")

        def press(*pressed: str) -> None:
            ActionChains(page.driver).send_keys(*pressed).perform()

        press(Press.TAB)
        assert page.driver.switch_to.active_element.text == "Skip to the content"
        press(Press.ENTER)
        for _ in range(40):
            press(Press.TAB)
            focused = page.driver.switch_to.active_element
            form = page.driver.execute_script("return arguments[0].closest('.decide') !== null", focused)
            if form and focused.get_attribute("value") == "approved":
                break
        press(Press.ENTER)
        page.until(lambda: len(keys.decisions()) == 1, "the focused button decides")


def ask(daemon, method: str, path: str, data: dict | None = None, **headers: str) -> tuple[int, str, dict]:
    """A request as whoever can write one sends it; redirects are not followed."""
    body = urllib.parse.urlencode(data or {}, doseq=True).encode() if method == "POST" else None
    request = urllib.request.Request(daemon.url + path, data=body, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):  # noqa: ANN002, ANN202
            return None

    try:
        with urllib.request.build_opener(Stay).open(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), {name.lower(): value for name, value in error.headers.items()}


def signed_in(daemon, token: str) -> str:
    status, _, headers = ask(daemon, "POST", "/sign-in", {"token": token}, Origin=daemon.url)
    assert status == 303, status
    return headers["set-cookie"].split(";")[0]


def test_what_is_replayed_forged_stale_or_from_elsewhere_changes_nothing(keys, daemon):
    cookie, path = signed_in(daemon, ANN), f"/plans/{keys.plan}/decisions"
    _, page, _ = ask(daemon, "GET", f"/plans/{keys.plan}", Cookie=cookie)
    nonce = nonce_in(page, keys.ids["alice"])
    form = {"nonce": nonce, "action": keys.ids["alice"], "verdict": "approved"}
    here = {"Cookie": cookie, "Origin": daemon.url}

    def refused(what: str, status: int, *request, **headers: str) -> None:
        got, text, _ = ask(daemon, *request, **headers)
        assert got == status, (what, got, text)
        assert keys.decisions() == [], what

    refused("nobody", 401, "POST", path, form, Origin=daemon.url)
    refused("a cookie of nobody's", 401, "POST", path, form, Cookie="iamwarden=00", Origin=daemon.url)
    for origin in ("https://attacker.example", "null", daemon.url + "0"):
        refused(origin, 403, "POST", path, form, Cookie=cookie, Origin=origin)
    refused("no origin", 403, "POST", path, form, Cookie=cookie)
    refused("another site", 403, "POST", path, form, **here, Sec_Fetch_Site="cross-site")
    refused("prefetched", 403, "POST", path, form, **here, Sec_Purpose="prefetch")
    refused("another name", 403, "POST", path, form, **here, Host="attacker.example")
    refused("no nonce", 403, "POST", path, {**form, "nonce": ""}, **here)
    refused("a forged nonce", 403, "POST", path, {**form, "nonce": nonce[:-1] + "0" if nonce[-1] != "0" else nonce[:-1] + "1"}, **here)
    date, rest = nonce.split(".", 1)
    refused("a nonce that lives longer", 403, "POST", path, {**form, "nonce": f"{int(date) + 1}.{rest}"}, **here)
    refused("another plan's", 403, "POST", "/plans/latest/decisions", form, **here)
    refused("another person's", 403, "POST", path, form, Cookie=signed_in(daemon, VIC), Origin=daemon.url)
    refused("nothing named", 400, "POST", path, {**form, "action": ""}, **here)
    refused("no verdict", 400, "POST", path, {**form, "verdict": "maybe"}, **here)
    query = urllib.parse.urlencode(form)
    for method in ("GET", "HEAD"):
        refused(f"{method} of the address", 405, method, f"{path}?{query}", Cookie=cookie)
    for method in ("PUT", "DELETE", "PATCH"):
        refused(method, 405, method, path, None, **here)

    assert ask(daemon, "POST", path, form, **here)[0] == 303
    assert len(keys.decisions()) == 1
    status, text, _ = ask(daemon, "POST", path, form, **here)
    assert status == 409 and "counts once" in text
    status, _, _ = ask(daemon, "POST", path, {**form, "verdict": "rejected"}, **here)
    assert status == 409, "nor for something else"
    assert len(keys.decisions()) == 1
    once = [("UpdateAccessKey", "alice")]
    until(lambda: [(name, call["UserName"]) for name, call in keys.account.writes()] == once, "the daemon applies it, once")


def test_who_is_no_approver_looks_and_no_more(account, warden):
    keys = Keys(account, warden)
    cal = "cal-token-0123456789abcdef01234567"
    warden.canaries.add(cal)
    with warden.config.open("a") as config:
        config.write(declared("cal@example.com", "admin", cal))
    with warden.daemon() as daemon:
        cookie = signed_in(daemon, cal)
        _, page, _ = ask(daemon, "GET", f"/plans/{keys.plan}", Cookie=cookie)
        assert "not among approvals.approvers" in page
        assert "nonce" not in page, "no form is offered"
        form = {"nonce": "1.2.3", "action": keys.ids["alice"], "verdict": "approved"}
        for path in (f"/plans/{keys.plan}/decisions", "/history/rollback"):
            status, text, _ = ask(daemon, "POST", path, form, Cookie=cookie, Origin=daemon.url)
            assert status == 403, (path, text)
        body = json.dumps({"verdict": "approved"}).encode()
        headers = {"Authorization": f"Bearer {cal}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{daemon.url}/api/v1/plans/{keys.plan}/decisions", data=body, headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert refused.value.code == 403
    assert keys.decisions() == []


def test_a_session_is_no_secret_in_the_state(keys, daemon):
    cookie = signed_in(daemon, ANN)
    keys.warden.canaries.add(cookie.split("=")[1])
    assert ask(daemon, "GET", "/", Cookie=cookie)[0] == 200
    # The fixture looks for it in every file and output at the end.
