"""The image, run as it is to be run: no rights, nothing writable but its state, as PID 1. `deploy/check` builds it first."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from conformance.targets import CALLER_KEY, Simulator  # noqa: E402
from moto_account import ACCOUNT, ENVIRONMENT  # noqa: E402
from warden import ENFORCE_ROTATION, FREELY, all_rules, free_port, only, until  # noqa: E402

ENGINE = os.environ["ENGINE"]
IMAGE = os.environ["IMAGE"]
PROFILE = os.environ.get("PROFILE", "release")
USER = 65532
DROPPED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "host")
MEGABYTES = {"release": 30, "dev": 150}
"""How large the image may be."""
SECRET = "CANARY+container/secret"


def engine(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([ENGINE, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, f"{arguments} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def image() -> dict:
    return json.loads(engine("image", "inspect", IMAGE))[0]


@pytest.fixture
def simulator():
    seed = {"accounts": [{
        "id": ACCOUNT,
        "callers": [{"access_key_id": CALLER_KEY, "acts_as": "assumed-role/iamwarden/task"}],
        "users": [
            {"name": name, "age": "400d", "keys": [{"age": "200d", "last_used": "1d"}]} for name in ("ann", "ben", "cy")
        ],
    }]}  # fmt: skip
    simulator = Simulator()
    simulator.control("seed", seed)
    yield simulator
    simulator.stop()


class Container:
    """How the image is run in one test: the configuration, the state, the simulated AWS."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator, self.folder, self.name = simulator, folder, f"iamwarden-check-{os.getpid()}-{time.monotonic_ns()}"
        self.port = free_port()
        self.state = folder / "state"
        self.state.mkdir()
        os.chown(self.state, USER, USER)
        self.config = folder / "iamwarden.toml"
        self.configure(FREELY, only("access_key_rotation"), ENFORCE_ROTATION)

    def configure(self, *parts: str) -> None:
        self.config.write_text("\n".join(parts))
        self.config.chmod(0o644)

    def options(self) -> list[str]:
        environment = {
            **ENVIRONMENT,
            "AWS_ACCESS_KEY_ID": CALLER_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.simulator.url,
            "IAMWARDEN__SERVER__LISTEN": f"127.0.0.1:{self.port}",
        }
        options = [*DROPPED, "--volume", f"{self.config}:/etc/iamwarden/iamwarden.toml:ro"]
        options += ["--volume", f"{self.state}:/var/lib/iamwarden", "--name", self.name]
        for name, value in environment.items():
            options += ["--env", f"{name}={value}"]
        return options

    def run(self, *arguments: str, code: int = 0) -> str:
        return engine("run", "--rm", *self.options(), IMAGE, *arguments, code=code)

    def start(self, *more: str) -> None:
        engine("run", "--detach", *self.options(), *more, IMAGE)

    def inspect(self) -> dict:
        return json.loads(engine("inspect", self.name))[0]

    def health(self) -> bool:
        done = subprocess.run([ENGINE, "exec", self.name, "/iamwarden", "health"], capture_output=True, check=False)
        return done.returncode == 0

    def log(self) -> str:
        done = subprocess.run([ENGINE, "logs", self.name], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def changed(self) -> int:
        return self.simulator.control("counts")["mutations"]

    def query(self, sql: str) -> list[tuple]:
        with sqlite3.connect(self.state / "state.db") as state:
            return state.execute(sql).fetchall()


@pytest.fixture
def container(simulator, tmp_path):
    container = Container(simulator, tmp_path)
    yield container
    subprocess.run([ENGINE, "rm", "--force", "--volumes", container.name], capture_output=True, check=False)


def test_the_image_holds_a_binary_and_little_else(image):
    assert image["Size"] < MEGABYTES[PROFILE] * 1_000_000, image["Size"]
    config = image["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/iamwarden"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/iamwarden", "health"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.revision"][:7].isalnum()
    assert labels["org.opencontainers.image.created"].startswith("20")


def test_it_names_its_commit_and_has_no_demo(image, container):
    revision = image["Config"]["Labels"]["org.opencontainers.image.revision"]
    version = image["Config"]["Labels"]["org.opencontainers.image.version"]
    assert container.run("--version") == f"iamwarden {version} (commit {revision})\n"
    container.run("demo", code=1)


def test_its_bill_of_materials_is_of_the_crates_inside():
    """As CycloneDX, made from the list in the binary; what it holds is what the lock file says."""
    context = ROOT / ("target/image" if PROFILE == "release" else f"target/image-{PROFILE}")
    bill = json.loads((context / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    crates = {(part["name"], part["version"]) for part in bill["components"] if part.get("purl", "").startswith("pkg:cargo/")}
    names = {name for name, _ in crates}
    assert {"iamwarden", "aws-sdk-iam", "sqlx", "tokio", "rustls"} <= names
    assert not {"aws-simulator", "proptest", "insta", "wiremock"} & names, "tests are not shipped"
    locked = (ROOT / "Cargo.lock").read_text()
    for name, version in crates:
        assert f'name = "{name}"\nversion = "{version}"' in locked, name


def test_out_of_the_box_it_only_reports(container):
    container.configure((ROOT / "deploy/ecs/iamwarden.toml").read_text())
    report = container.run("plan", "--format", "text")
    assert "read whole: 3 users" in report
    assert "200 days old" in report
    container.run("run", "--once")
    assert container.changed() == 0


def test_once_does_what_is_due_and_keeps_its_state(container):
    container.run("run", "--once")
    assert container.changed() == 3
    assert "whole" in container.run("history", "--verify")
    container.run("run", "--once")
    assert container.changed() == 3


def test_nothing_but_the_state_can_be_written(container):
    container.run("plan", "--format", "json", "--output", "/plan.json", code=1)
    container.run("plan", "--format", "json", "--output", "/var/lib/iamwarden/plan.json", code=2)
    container.run("run", "--once")
    written = {file.name.split("-")[0] for file in container.state.iterdir()}
    assert written == {"state.db", "plan.json"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_the_first_process_it_ends_in_order(container, number):
    often = '[schedule]\ndefault = "* * * * * *"\n'
    container.configure(FREELY, only("access_key_rotation"), often, ENFORCE_ROTATION)
    container.start()
    until(container.health, "it is healthy")
    until(lambda: container.changed() == 3, "it has done what was due")
    assert container.inspect()["State"]["Pid"] > 1
    engine("kill", "--signal", str(int(number)), container.name)
    assert engine("wait", container.name).strip() == "0", container.log()
    assert "iamwarden stopped" in container.log()
    assert container.query("SELECT COUNT(*) FROM leases WHERE expires_ms > 0") == [(0,)], "the lease is given back"
    assert container.query("PRAGMA integrity_check") == [("ok",)]
    assert SECRET not in container.log()
    assert "whole" in rerun(container, "history", "--verify")


def test_the_change_in_flight_is_finished_before_it_ends(container):
    """`stop` gives it a minute; it takes the time that the call in flight takes, and begins no other."""
    container.simulator.control("faults", {"mutations_only": True, "nth": 1, "times": 1, "kind": "hold"})
    often = '[schedule]\ndefault = "* * * * * *"\n'
    container.configure(FREELY, only("access_key_rotation"), often, ENFORCE_ROTATION)
    container.start()
    held = container.simulator.control("holds/wait?timeout_ms=60000")
    assert held["operation"] == "UpdateAccessKey"
    stopping = threading.Thread(target=engine, args=("stop", "--time", "60", container.name))
    stopping.start()
    until(lambda: "stopping" in container.log(), "it was told")
    container.simulator.control(f"holds/{held['id']}/release", {"then": "continue"})
    stopping.join()
    state = container.inspect()["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), container.log()
    assert container.changed() == 1
    outcomes = json.loads(rerun(container, "history", "--format", "json"))["runs"]
    assert [action["outcome"] for run in outcomes for action in run["actions"]] == ["applied"]


def rerun(container: Container, *arguments: str) -> str:
    """Another container over the same state."""
    engine("rm", container.name)
    return container.run(*arguments)
