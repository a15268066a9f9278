"""Drives the built binary as a user does: arguments, a configuration file, the environment, exit codes."""

from __future__ import annotations

import contextlib
import datetime
import functools
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Callable

from receiver import Receiver

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("IAMWARDEN_BIN", ROOT / "target/debug/iamwarden")).resolve()
PATIENCE = 60
"""The longest that any condition is waited for, in seconds: a bound for a hang, not an expectation."""

SECRET = "CANARY+aws/secret+access+key"
"""The secret access key that every command runs with. It may not turn up anywhere."""

REGIONAL = ("cloudtrail",)
"""Rules that look into regions: off wherever the configuration does not speak of them."""

SIGNING = "whsec_Q0FOQVJZc2lnbmluZ3NlY3JldG9mYWNoYW5uZWw="
"""What webhooks are signed with, where a test does not say otherwise."""

# Rules that act at once and without caps, for tests of something else.
FREELY = """
[guardrails]
max_changes_percent = 100
max_changes_per_run = 1000
max_changes_per_day = 1000
"""
ENFORCE_ROTATION = """
[rules.access_key_rotation]
mode = "enforce"
minimum_notice = "0s"
"""


@functools.cache
def all_rules() -> tuple[str, ...]:
    """The names of all rules, as the program's schema has them."""
    schema = subprocess.run([str(BINARY), "schema"], capture_output=True, check=True, text=True).stdout
    return tuple(json.loads(schema)["properties"]["rules"]["properties"])


def only(*rules: str) -> str:
    """Turns all other rules off."""
    return "".join(f'[rules.{name}]\nmode = "off"\n' for name in all_rules() if name not in rules)


def until(condition: Callable[[], object], what: str, every: float = 0.05) -> object:
    """Waits until the condition holds, and gives what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"waited {PATIENCE} s in vain: {what}")


class Ended:
    """What a command left behind."""

    def __init__(self, arguments: tuple[str, ...], code: int, out: str, err: str) -> None:
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    def __repr__(self) -> str:
        return f"{' '.join(self.arguments)} -> {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def log(self) -> list[dict]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


class Warden:
    """The binary with one configuration, one state and one folder."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.config = folder / "iamwarden.toml"
        self.state = folder / "state.db"
        self.canaries = {SECRET}
        self.told: list[str] = []
        self.environment = {
            **environment,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "USER": "tester",
            "RUST_BACKTRACE": "1",
            "IAMWARDEN_CONFIG": str(self.config),
            "IAMWARDEN__STATE__URL": f"sqlite:{self.state}",
            "IAMWARDEN__SERVER__LISTEN": "",
        }
        self.configure("")

    def configure(self, *parts: str) -> None:
        self.config.write_text("\n".join(parts))

    def secret(self, name: str, value: str) -> str:
        """Puts a secret into the environment; gives the reference to it."""
        self.environment[name] = value
        self.canaries.add(value)
        return f"env:{name}"

    def _environment(self) -> dict[str, str]:
        declared = self.config.read_text() if self.config.exists() else ""
        silent = [rule for rule in REGIONAL if f"rules.{rule}" not in declared]
        off = {f"IAMWARDEN__RULES__{rule.upper()}__MODE": "off" for rule in silent}
        return {**off, **self.environment}

    def channel(self, name: str, receiver: Receiver, **extra: object) -> str:
        """Declares a channel that leads to a receiver. Its URL is a secret, and so is what it is signed with."""
        url = self.secret(f"URL_OF_{name.upper()}", receiver.url)
        self.canaries.add(receiver.token)
        lines = {"name": name, "kind": receiver.kind, "url": url, **extra}
        if receiver.kind == "webhook" and "secret" not in lines:
            lines["secret"] = self.secret(f"SECRET_OF_{name.upper()}", SIGNING)
        return "[[notifications.channels]]\n" + "".join(f"{key} = {json.dumps(lines[key])}\n" for key in lines)

    def run(self, *arguments: str, code: int | None = None, **environment: str) -> Ended:
        """Runs a command to its end, without a terminal."""
        done = subprocess.run(
            [str(BINARY), *arguments],
            env={**self._environment(), **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        ended = Ended(arguments, done.returncode, done.stdout, done.stderr)
        self.told += [done.stdout, done.stderr]
        assert "panicked" not in ended.err, ended
        if code is not None:
            assert ended.code == code, ended
        return ended

    def plan(self, *arguments: str, code: int | None = None, **environment: str) -> dict:
        return self.run("plan", "--format", "json", *arguments, code=code, **environment).json

    def apply(self, *arguments: str, code: int | None = None, **environment: str) -> Ended:
        return self.run("apply", "--yes", *arguments, code=code, **environment)

    def once(self, code: int | None = None, **environment: str) -> Ended:
        return self.run("run", "--once", code=code, **environment)

    def history(self) -> dict:
        return self.run("history", "--format", "json", code=0).json

    def outcomes(self) -> list[str]:
        """What became of every action in the history, the oldest first."""
        runs = reversed(self.history()["runs"])
        return [action["outcome"] for run in runs for action in run["actions"]]

    def query(self, sql: str, *values: object) -> list[tuple]:
        """Reads or edits the state behind the program's back."""
        with contextlib.closing(sqlite3.connect(self.state)) as state, state:
            return state.execute(sql, values).fetchall()

    def let_days_pass(self, days: float) -> None:
        """Moves all that was announced into the past, as if it had been announced so many days earlier."""
        for message, *dates in self.query("SELECT rowid, queued_at, announced_for, accepted_at FROM notices"):
            moved = [date and earlier(date, days) for date in dates]
            self.query("UPDATE notices SET queued_at = ?, announced_for = ?, accepted_at = ? WHERE rowid = ?", *moved, message)

    def let_leases_end(self) -> None:
        """Ends the lease of a process that was killed, which would be waited for."""
        if self.query("SELECT 1 FROM sqlite_master WHERE name = 'leases'"):
            self.query("UPDATE leases SET expires_ms = 0")

    def let_retries_be_due(self) -> None:
        """Ends the wait of every message that is to be tried again."""
        self.query("UPDATE messages SET next_attempt_at = created_at WHERE state = 'queued'")

    def plan_file(self, *arguments: str) -> Path:
        file = self.folder / "plan.json"
        self.run("plan", "--format", "json", "--output", str(file), *arguments)
        return file

    @contextlib.contextmanager
    def spawned(self, *arguments: str, **environment: str):
        """A running command; killed at the end if it is still there."""
        out, err = self.folder / "spawned.out", self.folder / "spawned.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [str(BINARY), *arguments],
                env={**self._environment(), **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
            )
        spawned = Spawned(process, err)
        try:
            yield spawned
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            self.told += [out.read_text(), err.read_text(), *spawned.told]
            assert "panicked" not in err.read_text()

    @contextlib.contextmanager
    def daemon(self, *arguments: str, **environment: str):
        """The daemon, once it is ready."""
        port = free_port()
        listen = {"IAMWARDEN__SERVER__LISTEN": f"127.0.0.1:{port}", **environment}
        with self.spawned("run", *arguments, **listen) as spawned:
            spawned.url = f"http://127.0.0.1:{port}"
            until(lambda: spawned.ended() or spawned.get("/readyz")[0] == 200, "the daemon is ready")
            assert not spawned.ended(), spawned.log()
            yield spawned

    def leaks(self) -> list[str]:
        """Where one of the secrets turned up."""
        places = [(f"output {number}", text) for number, text in enumerate(self.told)]
        for file in self.folder.iterdir():
            if file.is_file() and file != self.config:
                places.append((file.name, file.read_bytes().decode("utf-8", "replace")))
        return [name for name, text in places for canary in self.canaries if canary in text]


class Spawned:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen, err: Path) -> None:
        self.process, self._err, self.url, self.told = process, err, "", []

    def log(self) -> str:
        return self._err.read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        except OSError:
            return 0, ""
        self.told.append(text)
        return status, text


def earlier(date: str, days: float) -> str:
    """A date as the state writes it, moved back."""
    moved = datetime.datetime.fromisoformat(date.replace("Z", "+00:00")) - datetime.timedelta(days=days)
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


PORTS = itertools.count(20_000 + os.getpid() % 100 * 100)
"""Below those that the system hands out by itself: between here and its use nobody is given one by chance."""


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
