#!/usr/bin/env python3
"""Writes what `iamwarden permissions` prints into the templates of deploy/cloudformation/.

    deploy/permissions.py [--check] [--binary target/debug/iamwarden]

A policy stands between a line `# permissions [--member|--rollback] CONFIGURATION` and a line `# end`. Change the named
configuration, or name your own, and run this. The partition and the example account become parameters of the template,
so that a role denies itself in whatever account it is. `--check` changes nothing and fails where something differs.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "deploy/cloudformation"
EXAMPLE_ACCOUNT = "111122223333"
BLOCK = re.compile(r"^( *)# permissions (.*)\n(?:.*\n)*?\1# end$", re.MULTILINE)


def printed(binary: str, arguments: str) -> dict:
    """The policy that the binary prints for these options and this configuration."""
    *options, configuration = arguments.split()
    command = [binary, "--config", configuration, "permissions", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IAMWARDEN_")}
    return json.loads(subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, check=True, text=True).stdout)


def yaml(value: object, indent: int) -> str:
    """A policy as YAML in block style."""
    pad = " " * indent
    if isinstance(value, list):
        return "".join(f"\n{pad}- {yaml(one, indent + 2).lstrip()}" for one in value)
    if isinstance(value, dict):
        order = ["Version", "Sid", "Effect", "Action", "Resource", "Condition", "Statement"]
        lines = []
        for key in sorted(value, key=order.index if set(value) <= set(order) else None):
            lines.append(f"\n{pad}{scalar(key)}: {yaml(value[key], indent + 2)}".replace(": \n", ":\n"))
        return "".join(lines)
    return scalar(value)


def scalar(value: object) -> str:
    text = str(value).replace("arn:aws:", "arn:${AWS::Partition}:").replace(EXAMPLE_ACCOUNT, "${AWS::AccountId}")
    if "${" in text:
        return f"!Sub {json.dumps(text)}"
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9:]*", text) else json.dumps(text)


def filled(text: str, binary: str) -> str:
    """The template with every policy as it is printed."""

    def block(found: re.Match) -> str:
        pad, arguments = found.groups()
        policy = yaml(printed(binary, arguments), len(pad)).removeprefix("\n")
        return f"{pad}# permissions {arguments}\n{policy}\n{pad}# end"

    return BLOCK.sub(block, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--binary", default=os.environ.get("IAMWARDEN_BIN", str(ROOT / "target/debug/iamwarden")))
    asked = parser.parse_args()
    binary = str(Path(asked.binary).resolve())
    differ = False
    for template in sorted(TEMPLATES.glob("*.yaml")):
        before = template.read_text()
        after = filled(before, binary)
        if after == before:
            continue
        differ = True
        name = str(template.relative_to(ROOT))
        if asked.check:
            sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, "printed"))
        else:
            template.write_text(after)
            print(f"{name}: written")
    return int(differ and asked.check)


if __name__ == "__main__":
    sys.exit(main())
