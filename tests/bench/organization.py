#!/usr/bin/env python3
"""One plan of an organization: calls, wall time and peak memory, from one account to a thousand.

    python3 tests/bench/organization.py [--iamwarden target/release/iamwarden] [--simulator target/release/aws-simulator]
        [--accounts 1 10 100 1000] [--users 500] [--at-once 8] [--command plan|once]

Needs Python 3.11 and the two binaries. The accounts are found in the organization of the simulator, which runs as a process of
its own, and are reached by a role each, with every rule as delivered. Of the users of each account 2 % have a key past its age, and these are in a
group with a policy, so that Access Advisor is asked about them.
Wall time is that of a process that starts cold and ends with the plan; memory is the peak of iamwarden alone. `once` runs
`run --once` on a state of its own instead of `plan`. Printed as a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

from compare import measure  # noqa: E402

HOME = "123456789012"

SEED = """
[organization]
management = "{home}"
[[accounts]]
id = "{home}"
[[accounts]]
id = "200000000000"
repeat = {accounts}
report = {{ existing = "1h" }}
[[accounts.roles]]
name = "iamwarden"
assumed_by = ["{home}"]
[[accounts.roles]]
name = "app"
assumed_by = ["ec2.amazonaws.com"]
attached = ["AmazonS3ReadOnlyAccess"]
last_used = "1d"
[[accounts.groups]]
name = "staff"
attached = ["ReadOnlyAccess"]
[[accounts.users]]
name = "user-{{n}}"
repeat = {tidy}
age = "400d"
keys = [{{ age = "30d", last_used = "1d" }}]
[[accounts.users]]
name = "late-{{n}}"
repeat = {late}
age = "400d"
groups = ["staff"]
keys = [{{ age = "200d", last_used = "1d" }}]
"""

CONFIGURATION = """
state.url = "sqlite:{folder}/state.db"
server.listen = ""
schedule.accounts_at_once = {at_once}
[organization]
discover = true
"""


class Simulator:
    """A simulator process with an organization of so many accounts, besides the one that iamwarden runs in."""

    def __init__(self, binary: str, folder: pathlib.Path, accounts: int, users: int) -> None:
        late = max(1, users // 50)
        seed = folder / "seed.toml"
        seed.write_text(SEED.format(home=HOME, accounts=accounts, tidy=users - late, late=late))
        command = [binary, "--seed", str(seed), "--print-url"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            sys.exit("the simulator did not start")

    def memory(self) -> float:
        """What the simulator itself holds, in MB."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def calls(self) -> int:
        with urllib.request.urlopen(f"{self.url}/_control/counts", timeout=60) as answer:
            return json.load(answer)["total"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iamwarden", default=str(ROOT / "target" / "release" / "iamwarden"))
    parser.add_argument("--simulator", default=str(ROOT / "target" / "release" / "aws-simulator"))
    parser.add_argument("--accounts", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--command", choices=["plan", "once"], default="plan")
    arguments = parser.parse_args()
    print("| accounts | users each | findings | calls | calls per account | wall s | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for accounts in arguments.accounts:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            began = time.monotonic()
            simulator = Simulator(arguments.simulator, folder, accounts, arguments.users)
            print(
                f"simulator of {accounts}: {time.monotonic() - began:.1f} s, {simulator.memory():.0f} MB",
                file=sys.stderr,
            )
            try:
                row(arguments, simulator, folder, accounts)
            finally:
                simulator.stop()


def row(arguments: argparse.Namespace, simulator: Simulator, folder: pathlib.Path, accounts: int) -> None:
    configuration = folder / "iamwarden.toml"
    configuration.write_text(CONFIGURATION.format(folder=folder, at_once=arguments.at_once))
    plan = folder / "plan.json"
    command = [arguments.iamwarden, "--config", str(configuration)]
    command += {"plan": ["plan", "--format", "json", "--output", str(plan)], "once": ["run", "--once"]}[arguments.command]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": simulator.url,
        "AWS_ACCESS_KEY_ID": f"AKIA{HOME}CALL",
        "AWS_SECRET_ACCESS_KEY": "unchecked",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    wall, memory = measure(command, environment, {0, 2})
    calls = simulator.calls()
    findings = len(json.loads(plan.read_text())["findings"]) if plan.exists() else "-"
    print(
        f"| {accounts} | {arguments.users} | {findings} | {calls} | {calls / accounts:.1f} | {wall:.2f} | {memory:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
