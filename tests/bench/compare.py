#!/usr/bin/env python3
"""iamwarden's plan beside Cloud Custodian's dry run and a bare boto3 script, on the same moto server in one run.

    python3 tests/bench/compare.py [--iamwarden target/release/iamwarden] [--users 500 2000] [--runs 3]

Needs Python 3.11 with venv. Cloud Custodian and moto are installed from PyPI into target/bench-venv. All three look for
active access keys of 90 days or older among users of whom 5 % have one; nothing is changed. Printed per size: calls as
the server counted them, wall time (best of the runs) and peak memory of the process, and the ratios.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "target" / "bench-venv"
PINNED = ["c7n==0.9.53", "moto[server,iam,sts,secretsmanager,cloudtrail,cloudwatch,ec2,logs,s3,sns]==5.2.1"]

BOTO3_SCRIPT = """
import csv, datetime, io, time
import boto3, botocore.config
iam = boto3.client("iam", config=botocore.config.Config(user_agent="bench"))
now = datetime.datetime.now(datetime.timezone.utc)
while iam.generate_credential_report()["State"] != "COMPLETE":
    time.sleep(0.1)
rows = csv.DictReader(io.StringIO(iam.get_credential_report()["Content"].decode()))
principals = sum(len(page["UserDetailList"]) + len(page["GroupDetailList"]) + len(page["RoleDetailList"])
    for page in iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User", "Group", "Role"], PaginationConfig={"PageSize": 1000}))
found = 0
for row in rows:
    old = any(row[f"access_key_{n}_active"] == "true" and
              (now - datetime.datetime.fromisoformat(row[f"access_key_{n}_last_rotated"])).days >= 90 for n in (1, 2))
    if old:
        keys = iam.list_access_keys(UserName=row["user"])["AccessKeyMetadata"]
        found += sum(k["Status"] == "Active" and (now - k["CreateDate"]).days >= 90 for k in keys)
print(found)
"""

CUSTODIAN_POLICY = """
policies:
  - name: old-keys
    resource: aws.iam-user
    filters:
      - type: access-key
        key: Status
        value: Active
      - type: access-key
        match-operator: and
        key: CreateDate
        value_type: age
        op: gte
        value: 90
    actions:
      - type: remove-keys
        disable: true
        age: 90
"""

IAMWARDEN_CONFIG = """
[state]
url = "sqlite:{folder}/state.db"
"""


def inside_venv() -> None:
    """Runs this script again with the pinned packages."""
    python = VENV / "bin" / "python"
    if pathlib.Path(sys.prefix) == VENV:
        return
    if not python.exists():
        venv.create(VENV, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PINNED], check=True)
    os.execv(python, [str(python), *sys.argv])


SPAWN = """
import os, sys, time
start = time.monotonic()
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
with open(sys.argv[1], "w") as told:
    told.write(f"{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss} {wall}")
"""
"""Starts a process from a small one: a child's peak of memory counts that of its parent before it was replaced. Its own
start is not what is measured."""


def measure(command: list[str], environment: dict[str, str], expected: set[int]) -> tuple[float, float]:
    """Wall seconds and peak resident MB of one process."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as told:
        spawn = [sys.executable, "-I", "-S", "-c", SPAWN, told.name, *command]
        subprocess.run(spawn, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
        code, peak, wall = pathlib.Path(told.name).read_text().split()
        if int(code) not in expected:
            output.seek(0)
            sys.exit(f"{command[0]} ended with {code}:\n{output.read().decode()[-3000:]}")
    return float(wall), int(peak) / 1024


def seed(account, users: int) -> None:
    for n in range(users):
        name = f"user-{n:05}"
        account.user(name, age=400)
        account.key(name, age=200 if n % 20 == 0 else 30, used=1)


def contenders(folder: str, binary: str) -> dict[str, tuple[list[str], set[int]]]:
    (pathlib.Path(folder) / "iamwarden.toml").write_text(IAMWARDEN_CONFIG.format(folder=folder))
    (pathlib.Path(folder) / "custodian.yml").write_text(CUSTODIAN_POLICY)
    return {
        "iamwarden": ([binary, "--config", f"{folder}/iamwarden.toml", "plan", "--rule", "access_key_rotation", "--format", "json",
                       "--output", f"{folder}/plan.json"], {0, 2}),
        "boto3": ([sys.executable, "-c", BOTO3_SCRIPT], {0}),
        "custodian": ([str(VENV / "bin" / "custodian"), "run", "--dryrun", "--cache-period", "0", "-s",
                       f"{folder}/out", f"{folder}/custodian.yml"], {0}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iamwarden", default=str(ROOT / "target" / "release" / "iamwarden"))
    parser.add_argument("--users", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    inside_venv()
    sys.path.insert(0, str(ROOT / "tests" / "python"))
    from moto_account import MotoAccount

    print(f"{'users':>6} {'tool':<10} {'calls':>6} {'wall s':>8} {'peak MB':>8} {'x iamwarden':>12}")
    for users in arguments.users:
        with MotoAccount() as account, tempfile.TemporaryDirectory() as folder:
            seed(account, users)
            base = None
            for name, (command, expected) in contenders(folder, arguments.iamwarden).items():
                environment = {"PATH": os.environ["PATH"], "HOME": folder, **account.environment()}
                runs = []
                for _ in range(arguments.runs if name != "custodian" else 1):
                    account.calls.clear()
                    runs.append(measure(command, environment, expected))
                wall, memory = min(w for w, _ in runs), max(m for _, m in runs)
                base = base or wall
                print(f"{users:>6} {name:<10} {account.calls.total():>6} {wall:>8.2f} {memory:>8.1f} {wall / base:>12.1f}",
                      flush=True)


if __name__ == "__main__":
    main()
