"""An account with things in two regions, on moto."""

from __future__ import annotations


from warden import ROOT

HOME, OTHER = "eu-central-1", "us-east-1"
REGIONS = f'[regions]\ninclude = ["{HOME}", "{OTHER}"]\n'


def only(rule: str, mode: str = "enforce") -> str:
    """Every other rule off; what follows belongs to the one that is on."""
    declared = (ROOT / "config/default.toml").read_text().splitlines()
    rules = [line[len("[rules.") : -1] for line in declared if line.startswith("[rules.")]
    assert rule in rules
    off = "".join(f'[rules.{other}]\nmode = "off"\n' for other in rules if other != rule)
    return f'{off}[rules.{rule}]\nmode = "{mode}"\n'
