"""`run`: its schedule, its signals, its HTTP, and that `--dry-run` changes nothing."""

from __future__ import annotations

import datetime
import signal
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from moto_account import ACCOUNT, error
from receiver import LOCAL
from warden import ENFORCE_ROTATION, FREELY, PATIENCE, only, until

OFTEN = '[schedule]\ndefault = "* * * * * *"\n'
DAILY = '[schedule]\ndefault = "0 0 6 * * *"\n'
REPORT_ROTATION = ENFORCE_ROTATION.replace('"enforce"', '"report"')


@pytest.fixture
def old_key(account, warden):
    declare(warden, OFTEN, ENFORCE_ROTATION)
    account.user("alice", owner="alice@example.com")
    return account.key("alice", 200, used=1)


def declare(warden, schedule: str, rule: str, *more: str) -> None:
    warden.configure(FREELY, only("access_key_rotation"), schedule, rule, *more)


def runs(warden) -> list[dict]:
    return [run for run in warden.history()["runs"] if run["command"] == "run"]


def metric(daemon, name: str, **labels: str) -> float | None:
    """The value of a sample."""
    for family in parse_text(daemon.get("/metrics")[1]):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def yesterday() -> str:
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1, hours=1)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_tick_does_what_is_due_once_and_goes_on_looking(account, warden, old_key):
    with warden.daemon() as daemon:
        until(lambda: old_key.status == "Inactive", "the key is disabled by a tick")
        until(lambda: len(runs(warden)) >= 3, "it ticks on")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert len(account.writes()) == 1
    assert {run["status"] for run in runs(warden)} == {"done"}
    assert "iamwarden stopped" in daemon.log()
    assert "whole" in warden.run("history", "--verify", code=0).out


def test_a_first_start_waits_for_its_schedule(account, warden, old_key):
    declare(warden, DAILY, ENFORCE_ROTATION)
    with warden.daemon() as daemon:
        until(lambda: warden.query("SELECT COUNT(*) FROM ticks") == [(1,)], "it noted when it started")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert "first start" in daemon.log()
    assert runs(warden) == []
    assert account.writes() == []


def test_a_missed_schedule_runs_once_at_start(account, warden, old_key):
    declare(warden, DAILY, ENFORCE_ROTATION)
    with warden.daemon():
        until(lambda: warden.query("SELECT COUNT(*) FROM ticks") == [(1,)], "it noted when it started")
    warden.query("UPDATE ticks SET at = ?", yesterday())
    with warden.daemon():
        until(lambda: old_key.status == "Inactive", "what was missed is made up for")
        until(lambda: [run["status"] for run in runs(warden)] == ["done"], "its run has ended")
    with warden.daemon() as daemon:
        until(lambda: daemon.get("/readyz")[0] == 200, "it is ready")
    assert len(runs(warden)) == 1, "once"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_call_in_flight_is_finished_and_recorded(account, warden, old_key, number):
    """Told to stop while AWS takes its time over the first of five changes."""
    for name in ("ben", "cy", "dot", "eve"):
        account.user(name)
        account.key(name, 100, used=1)
    on_its_way, told = threading.Event(), threading.Event()

    def slowly(action, _):
        if action == "UpdateAccessKey":
            on_its_way.set()
            told.wait(PATIENCE)

    account.faults.append(slowly)
    with warden.daemon() as daemon:
        until(on_its_way.is_set, "a call is on its way")
        daemon.signal(number)
        until(lambda: daemon.get("/healthz")[0] in (0, 200), "it is still there or gone")
        told.set()
        assert daemon.wait() == 0
    assert len(account.writes()) == 1, "no new action starts"
    (action,) = [action for run in runs(warden) for action in run["actions"]]
    assert action["outcome"] == "applied"
    assert warden.query("SELECT COUNT(*) FROM leases WHERE expires_ms > 0") == [(0,)], "the lease is given back"


def test_told_to_stop_while_it_reads_it_changes_nothing(account, warden, old_key):
    reading, told = threading.Event(), threading.Event()

    def slowly(action, _):
        if action == "GetAccountAuthorizationDetails":
            reading.set()
            told.wait(PATIENCE)

    account.faults.append(slowly)
    with warden.daemon() as daemon:
        until(reading.is_set, "it reads")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0, "without waiting for the answer"
        told.set()
    assert account.writes() == []
    with warden.daemon():
        until(lambda: old_key.status == "Inactive", "the next start takes it up again")


BAD = {
    "syntax": "[rules.access_key_rotation\n",
    "value": "[rules.access_key_rotation]\nmode = 'enforced'\n",
    "unknown key": "[guardrails]\nmax_changes = 1\n",
    "literal secret": '[[notifications.channels]]\nname = "x"\nkind = "slack"\nurl = "https://hooks.example.com/CANARY-url"\n',
    "empty file is none": None,
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_configuration_is_refused_and_the_old_one_stays(account, warden, old_key, bad):
    warden.canaries.add("CANARY-url")
    with warden.daemon() as daemon:
        until(lambda: old_key.status == "Inactive", "the old one is at work")
        if BAD[bad] is None:
            warden.config.unlink()
        else:
            warden.config.write_text(BAD[bad])
        daemon.signal(signal.SIGHUP)
        until(lambda: metric(daemon, "iamwarden_config_reloads_total", result="refused") == 1, "it is refused")
        old_key.status = "Active"
        until(lambda: old_key.status == "Inactive", "the old one is at work still")
        assert daemon.get("/readyz")[0] == 200
        declare(warden, OFTEN, REPORT_ROTATION)
        daemon.signal(signal.SIGHUP)
        until(lambda: metric(daemon, "iamwarden_config_reloads_total", result="adopted") == 1, "a good one is taken")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    (refusal,) = [line for line in daemon.log().splitlines() if "refused" in line]
    if BAD[bad] is not None:
        assert f"{warden.config}:" in refusal


def test_a_reload_takes_effect(account, warden, old_key):
    declare(warden, OFTEN, REPORT_ROTATION)
    with warden.daemon() as daemon:
        until(lambda: len(runs(warden)) >= 1, "it ticks")
        assert old_key.status == "Active"
        declare(warden, OFTEN, ENFORCE_ROTATION)
        daemon.signal(signal.SIGHUP)
        until(lambda: old_key.status == "Inactive", "the new mode is in force")


def test_a_dry_run_changes_nothing(account, warden, old_key, receiver):
    people = receiver()
    declare(
        warden,
        OFTEN,
        ENFORCE_ROTATION,
        f"[notifications]\n{LOCAL}",
        warden.channel("people", people),
        '[[notifications.owners]]\nmatch = "*"\nchannel = "people"\n',
    )
    assert "alice" in warden.run("run", "--once", "--dry-run", code=4).out
    with warden.daemon("--dry-run") as daemon:
        until(lambda: len(runs(warden)) >= 2, "it ticks")
        # A reload does not make it forget.
        daemon.signal(signal.SIGHUP)
        until(lambda: metric(daemon, "iamwarden_config_reloads_total", result="adopted") == 1, "it is read again")
        seen = len(runs(warden))
        until(lambda: len(runs(warden)) >= seen + 2, "it ticks on")
    assert account.writes() == []
    assert people.posts == []
    assert not [action for run in runs(warden) for action in run["actions"]]


def test_a_freeze_stops_it_and_shows(account, warden, old_key):
    warden.run("freeze", "--reason", "incident 7", "--by", "ann", code=0)
    with warden.daemon() as daemon:
        until(lambda: len(runs(warden)) >= 2, "it ticks")
        until(lambda: metric(daemon, "iamwarden_frozen") == 1, "it shows")
        assert account.writes() == []
        warden.run("unfreeze", "--by", "ann", code=0)
        until(lambda: old_key.status == "Inactive", "it goes on")


def test_two_copies_act_once(account, warden, old_key):
    """Container platforms run two during a deploy."""
    for number in range(6):
        account.user(f"user-{number}")
        account.key(f"user-{number}", 100, used=1)
    with warden.daemon() as one, warden.daemon() as other:
        until(lambda: len(account.writes()) >= 7, "all is done")
        until(lambda: len(runs(warden)) >= 4, "they tick on")
        for daemon in (one, other):
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0
    disabled = [call["AccessKeyId"] for _, call in account.writes()]
    assert len(disabled) == len(set(disabled)) == 7
    assert "whole" in warden.run("history", "--verify", code=0).out


def test_health(account, warden, old_key):
    with warden.daemon() as daemon:
        listen = {"IAMWARDEN__SERVER__LISTEN": daemon.url.removeprefix("http://")}
        ended = warden.run("health", code=0, **listen)
        assert ended.out == "" and not ended.err, "silent"
        assert daemon.get("/healthz")[0] == 200
        status, text = daemon.get("/readyz")
        assert status == 200
        assert '"ready":true' in text.replace(" ", "")
        for path in ("/", "/metrics/", "/../etc/passwd", "/nothing"):
            assert daemon.get(path)[0] == 404
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            request = urllib.request.Request(daemon.url + "/metrics", method=method, data=b"")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code == 405
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        warden.run("health", code=1, **listen)


def test_a_port_in_use_is_an_error(account, warden, old_key):
    with warden.daemon() as daemon:
        listen = {"IAMWARDEN__SERVER__LISTEN": daemon.url.removeprefix("http://")}
        assert "in use" in warden.run("run", code=1, **listen).err


FAMILIES = {
    "iamwarden_findings": ("gauge", {"rule", "severity", "status", "account"}),
    "iamwarden_actions": ("counter", {"kind", "outcome"}),
    "iamwarden_aws_calls": ("counter", {"operation", "result"}),
    "iamwarden_aws_throttles": ("counter", set()),
    "iamwarden_runs": ("counter", {"result"}),
    "iamwarden_run_duration_seconds": ("histogram", {"le"}),
    "iamwarden_last_success_timestamp_seconds": ("gauge", {"rule", "account"}),
    "iamwarden_outbox_depth": ("gauge", {"state"}),
    "iamwarden_config_reloads": ("counter", {"result"}),
    "iamwarden_frozen": ("gauge", set()),
}


@pytest.mark.parametrize(
    ("accept", "parse", "media_type"),
    [("text/plain", parse_text, "text/plain"), ("application/openmetrics-text", parse_openmetrics, "openmetrics")],
)
def test_metrics_are_what_prometheus_reads(account, warden, old_key, accept, parse, media_type):
    with warden.daemon() as daemon:
        until(lambda: metric(daemon, "iamwarden_actions_total", kind="disable_access_key", outcome="applied"), "one is done")
        request = urllib.request.Request(daemon.url + "/metrics", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert media_type in answer.headers["Content-Type"]
            families = {family.name: family for family in parse(answer.read().decode())}
    for name, (kind, labels) in FAMILIES.items():
        family = families[name]
        assert family.type == kind, name
        assert family.documentation
        assert labels <= {label for sample in family.samples for label in sample.labels}, name
    samples = {(s.name, frozenset(s.labels.items())): s.value for f in families.values() for s in f.samples}

    def value(name: str, **labels: str) -> float:
        return samples[name, frozenset(labels.items())]

    assert value("iamwarden_actions_total", kind="disable_access_key", outcome="applied") == 1
    assert value("iamwarden_actions_total", kind="delete_access_key", outcome="applied") == 0, "a zero where nothing was"
    assert value("iamwarden_last_success_timestamp_seconds", rule="access_key_rotation", account=ACCOUNT) > 0
    assert value("iamwarden_runs_total", result="failed") == 0


def test_calls_are_counted_as_the_server_counts_them(account, warden, old_key):
    """Throttled and denied ones too."""
    throttled = iter([error("Throttling", "Rate exceeded")] * 2)
    account.faults.append(lambda action, _: next(throttled, None) if action == "GetAccountPasswordPolicy" else None)
    declare(warden, '[schedule]\ndefault = "*/20 * * * * *"\n', ENFORCE_ROTATION)
    with warden.daemon() as daemon:
        def same() -> bool:
            seen = dict(account.calls)
            shown = {
                name: sum(metric(daemon, "iamwarden_aws_calls_total", operation=f"{service}:{name}", result=result) or 0
                          for result in ("ok", "throttled", "denied", "error"))
                for name in seen for service in [{"GetCallerIdentity": "sts"}.get(name, "iam")]
            }  # fmt: skip
            return len(seen) > 4 and shown == seen

        until(same, "both have the same numbers", every=0.5)
        assert metric(daemon, "iamwarden_aws_throttles_total") in (0, 2)


def test_a_rule_of_its_own_schedule(account, warden, old_key):
    rule = ENFORCE_ROTATION + 'schedule = "* * * * * *"\n'
    declare(warden, DAILY, rule)
    with warden.daemon():
        until(lambda: old_key.status == "Inactive", "the rule's own schedule counts")


def test_the_daemon_tells_owners_and_goes_on_after_a_failure(account, warden, old_key, receiver):
    """AWS is away for a while: the runs fail, people hear of it, and when it is back everything is done."""
    desk = receiver()
    declare(warden, OFTEN, ENFORCE_ROTATION, f'[notifications]\ndefault_channel = "desk"\n{LOCAL}', warden.channel("desk", desk))
    away = [True]
    account.faults.append(
        lambda action, _: error("AccessDenied", "no", "403 Forbidden")
        if away[0] and action == "GetAccountAuthorizationDetails"
        else None
    )
    with warden.daemon() as daemon:
        until(lambda: desk.told("run.failed"), "people hear of it")
        assert account.writes() == []
        assert metric(daemon, "iamwarden_last_success_timestamp_seconds", rule="access_key_rotation", account=ACCOUNT) == 0
        away[0] = False
        until(lambda: desk.told("access_key.disabled"), "the owner hears of the disabled key")
        seen = len(runs(warden))
        until(lambda: len(runs(warden)) >= seen + 2, "it ticks on")
    assert len(desk.told("run.failed")) == 1, "once a day, not at every tick"
    assert len(desk.told("access_key.disabled")) == 1
