"""Malformed configurations, by the hundred: exit 1 with the position, before AWS is asked, and no secret repeated.

The cases are made from the built-in default file and from one that uses all that it leaves out: each value in turn is
replaced by others that cannot be meant.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import random
import re
import tomllib
from pathlib import Path

import pytest

from moto_account import ACCOUNT
from warden import ENFORCE_ROTATION, ROOT

DEFAULTS = tomllib.loads((ROOT / "config/default.toml").read_text())
CANARY = "CANARY0123456789abcdef"
TYPES = {"text": '"text"', "number": "7", "fraction": "1.5", "bool": "true", "list": '["a"]', "table": '{ a = "b" }',
         "date": "2027-01-31", "time": "07:32:00", "infinity": "inf", "nothing": '""'}  # fmt: skip
SPANS = ["90", "90 parsecs", "-1d", "1.5d", "d", "1d1", "9" * 40 + "d", "٣d", "90d\\u0000", "1e9d", " ", "P90D", "NaN"]
SCHEDULES = ["", "* * *", "0 0 6 * * 1", "0 0 6 * * 1-5", "0 0 6 30 2 *", "0 61 * * * *", "0 0 6 * * Mon 1999", "6am",
             "0 0 25 * * *", "@reboot", "0 0 6 * * Funday", "*/0 * * * * *"]  # fmt: skip
NUMBERS = ["-1", "99999999999", "9223372036854775807", "9223372036854775808", "1" + "0" * 400, "0x", "1_", "nan"]
WORDS = ["enforced", "Enforce", "ENFORCE", "", " enforce", "enforce\\u0000", "off,report"]


@dataclasses.dataclass
class Case:
    """A configuration that must not be taken."""

    name: str
    text: str | bytes
    line: int | None = None
    """Where the error stands."""
    says: str = ""
    """What the error must name."""


def not_of_type(*fine: str) -> list[str]:
    return [literal for name, literal in TYPES.items() if name not in fine]


def quoted(values: list[str]) -> list[str]:
    return [f'"{value}"' for value in values]


def impossible(path: str, value: object) -> list[str]:
    """What cannot stand in the place of this value."""
    key = path.rsplit(".", 1)[-1]
    if isinstance(value, bool):
        return not_of_type("bool")
    if isinstance(value, int):
        return not_of_type("number") + NUMBERS
    if isinstance(value, list):
        items = [f"[{literal}]" for literal in ("1", "true", "[]", "{}", '"x", 1')]
        return not_of_type("list") + items
    assert isinstance(value, str)
    texts = not_of_type("text", "nothing")
    if key in ("mode", "on_excess"):
        return texts + quoted(WORDS)
    if path == "schedule.default":
        return texts + quoted(SCHEDULES)
    if re.fullmatch(r"\d+[smhdw]", value):
        return texts + quoted([*SPANS, ""])
    return texts


def leaves(table: dict, path: str = ""):
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from leaves(value, here)
        elif not (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield here, value


def default_cases() -> list[Case]:
    cases = []
    for path, value in leaves(DEFAULTS):
        section, _, key = path.rpartition(".")
        head = f"[{section}]\n" if section else "# of the whole\n"
        for literal in impossible(path, value):
            says = key if is_toml(f"x = {literal}") else ""
            cases.append(Case(f"{path} = {literal}", f"{head}{key} = {literal}\n", 2, says))
        slip = f"{key}s" if section else f"{key}_x"
        cases.append(Case(f"unknown {path}", f"{head}{slip} = 1\n", 2, slip))
    return cases


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError):
        return False
    # TOML's numbers have 64 bits, which Python does not mind.
    return all(int(digits) < 2**63 for digits in re.findall(r"\d{19,}", text))


# Every table that the defaults leave out: its head, its sound lines, and for each key what is impossible.
TABLES = {
    "[[accounts]]": {
        "id": ('"123456789012"', [*not_of_type("text"), '"12345678901"', '"1234567890123"', '"12345678901x"', '"000"']),
        "name": ('"prod"', not_of_type("text")),
        "owner": ('"platform@example.com"', not_of_type("text", "nothing")),
        "role_arn": (
            '"arn:aws:iam::123456789012:role/iamwarden"',
            [*not_of_type("nothing"), '"arn:aws:iam::210987654321:role/x"', '"arn:aws:iam::123456789012:user/x"', '"role/x"'],
        ),
        "external_id": ('"env:ID"', [*not_of_type(), f'"{CANARY}"', '"env:"', '"secretsmanager:"', '"vault:x"']),
        "rollback_role_arn": (
            '"arn:aws:iam::123456789012:role/undo"',
            [*not_of_type("nothing"), '"arn:aws:iam::210987654321:role/x"'],
        ),
    },
    "[[exemptions]]": {
        "principals": ('["user/ci-*"]', [*not_of_type("list"), "[]", '["ci-*"]', '["user/"]', "[1]", '[""]']),
        "rules": ('["access_key_rotation"]', [*not_of_type("list"), "[]", '["*"]', '["acess_key_rotation"]', '[""]']),
        "accounts": ('["123456789012"]', [*not_of_type("list"), "[]", '["prod"]', "[123456789012]"]),
        "until": (
            '"2027-01-31"',
            [*not_of_type(), '"2027-02-30"', '"31.01.2027"', '"soon"', '"2027-1-1"', '"2027-01-31T00:00:00Z"', '"99999-01-01"'],
        ),
        "reason": ('"SEC-123"', not_of_type("text")),
    },
    "[[notifications.channels]]": {
        "name": ('"siem"', not_of_type("text")),
        "kind": ('"webhook"', [*not_of_type(), '"Webhook"', '"email"']),
        "url": ('"env:URL"', [*not_of_type(), f'"https://hooks.example.com/{CANARY}"', f'"{CANARY}"', '"env:A B"']),
        "secret": ('"env:SIGN"', [*not_of_type(), f'"whsec_{CANARY}"', f'"{CANARY}"', '"file:"']),
        "events": ('["*"]', [*not_of_type("list"), '["access_key"]', '[""]', "[1]"]),
    },
    "[[notifications.owners]]": {
        "match": ('"alice@example.com"', not_of_type("text")),
        "channel": ('"siem"', [*not_of_type(), '"sjem"']),
        "mention": ('"<@U1>"', not_of_type("text", "nothing")),
    },
}  # fmt: skip


def whole(changed: tuple[str, str] | None = None, literal: str | None = None) -> tuple[str, int | None]:
    """A configuration that uses every table, with one value changed (`None`: left out), and the line of that."""
    lines, at = [], None
    for head, keys in TABLES.items():
        lines.append(head)
        start = len(lines)
        for key, (sound, _) in keys.items():
            if (head, key) != changed:
                lines.append(f"{key} = {sound}")
            elif literal is not None:
                lines.append(f"{key} = {literal}")
                at = len(lines)
            else:
                at = start
    return "\n".join(lines) + "\n", at


def table_cases() -> list[Case]:
    cases = []
    for head, keys in TABLES.items():
        for key, (_, literals) in keys.items():
            for literal in literals:
                text, line = whole((head, key), literal)
                cases.append(Case(f"{head} {key} = {literal}", text, line, key))
        text, line = whole((head, list(keys)[0]), f"{keys[list(keys)[0]][0]}\nunheard_of = 1")
        cases.append(Case(f"{head} unheard_of", text, line + 1, "unheard_of"))
    for head, key in [
        ("[[accounts]]", "id"),
        ("[[exemptions]]", "principals"),
        ("[[exemptions]]", "rules"),
        ("[[exemptions]]", "until"),
        ("[[exemptions]]", "reason"),
        ("[[notifications.channels]]", "name"),
        ("[[notifications.channels]]", "kind"),
        ("[[notifications.channels]]", "url"),
        ("[[notifications.channels]]", "secret"),
        ("[[notifications.owners]]", "channel"),
    ]:
        text, line = whole((head, key))
        cases.append(Case(f"{head} without {key}", text, line, key))
    return cases


def broken_files() -> list[Case]:
    """Files that are no TOML, or none that a person wrote."""
    text, _ = whole()
    return [
        Case("twice the key", "dry_run = true\ndry_run = true\n", 2),
        Case("twice the table", "[state]\n[state]\n", 2),
        Case("a table that is a list", "[accounts]\nid = '1'\n", 1),
        Case("a list that is a table", "[[guardrails]]\n", 1),
        Case("no value", "dry_run =\n", 1),
        Case("no quotes", "[guardrails]\nmax_plan_age = 24h\n", 2),
        Case("an open text", f'[[notifications.channels]]\nurl = "{CANARY}\nname = "x"\n', 2),
        Case("an open list", f'[guardrails]\nprotected = ["{CANARY}",\n', None),
        Case("two accounts alike", text + text[: text.index("[[exemptions]]")], None, "id"),
        Case("two channels alike", text + '[[notifications.channels]]\nname = "siem"\nkind = "slack"\nurl = "env:X"\n', None, "name"),
        Case("a default channel that is none", '[notifications]\ndefault_channel = "desk"\n', 2, "default_channel"),
        Case("a window that never opens", '[guardrails]\nchange_window = "Mon-Thu 25:00-26:00"\n', 2, "change_window"),
        Case("a zone that is none", '[guardrails]\ntimezone = "Middle-earth"\n', 2, "timezone"),
        Case("everything allowed", '[notifications]\nallow_networks = ["0.0.0.0/0"]\n', 2, "allow_networks"),
        Case("a network that is none", '[notifications]\nallow_networks = ["10.0.0.0/33"]\n', 2, "allow_networks"),
        Case("an address that is none", '[server]\nlisten = "everywhere"\n', 2, "listen"),
        Case("a port that is none", '[server]\nlisten = "127.0.0.1:99999"\n', 2, "listen"),
        Case("a password in the state", f'[state]\nurl = "postgres://iamwarden:{CANARY}@db/x"\n', 2, "url"),
        Case("another password in the state", f'[state]\nurl = "mysql://iamwarden:{CANARY}@db/x"\n', 2, "url"),
        Case("a unit that is none", '[organization]\nexclude = ["Sandbox"]\n', 2, "exclude"),
        Case("an unknown rule", "[rules.acess_key_rotation]\nmode = 'off'\n", 1, "acess_key_rotation"),
        Case("a secret as a key", f'[notifications]\n"{CANARY}-as-long-as-a-token-is-and-longer-than-any-key-of-ours" = 1\n', 2),
        Case("UTF-16", text.encode("utf-16"), None),
        Case("Latin-1", 'dry_run = true\n# dépôt\n'.encode("latin-1"), 2),
        Case("NUL", "dry_run = true\n\0", None),
        Case("noise", random.Random(1).randbytes(5000), None),
        Case("an executable", b"\x7fELF" + bytes(2000), None),
        Case("far too long", "# " + "x" * (1 << 20) + "\n", None),
        Case("deep lists", "x = " + "[" * 50_000 + "]" * 50_000, None),
        Case("deep tables", "x = " + "{a=" * 20_000 + "1" + "}" * 20_000, None),
        Case("deep keys", ".".join("a" * 20_000) + " = 1\n", None),
        Case("a very long key", "k" * 100_000 + " = 1\n", None),
        Case("very many keys", "".join(f"key{number} = 1\n" for number in range(20_000)), None),
    ]  # fmt: skip


@pytest.fixture
def judge(account, warden):
    """Runs a command on many configurations at once and tells of all that is wrong with how it ends."""
    del warden.environment["IAMWARDEN__STATE__URL"]

    def complaints_of(number: int, case: Case, *arguments: str) -> list[str]:
        file = warden.folder / f"case-{number}.toml"
        file.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
        ended = warden.run("--config", str(file), *(arguments or ["validate"]), IAMWARDEN_CONFIG="")
        found = []
        if ended.code != 1:
            found.append(f"ended with {ended.code}")
        if ended.out:
            found.append("answered on stdout")
        if CANARY in ended.err:
            found.append("repeated a secret")
        place = re.search(rf"^(?:error: )?{re.escape(str(file))}:(\d+):\d+: ", ended.err, re.MULTILINE)
        if case.line is not None:
            lines = re.findall(rf"{re.escape(str(file))}:(\d+):\d+: ", ended.err)
            if str(case.line) not in lines:
                found.append(f"did not name line {case.line}")
        elif place is None and str(file) not in ended.err:
            found.append("did not name the file")
        if case.says and case.says not in ended.err:
            found.append(f"did not name {case.says}")
        if len(ended.err) > 20_000 and len(case.text) < 10_000:
            found.append("said very much")
        return [f"{case.name}: {', '.join(found)}: {ended.err[:300]!r}"] if found else []

    def judge(cases: list[Case], *arguments: str) -> None:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            numbers = range(len(cases))
            found = pool.map(lambda number: complaints_of(number, cases[number], *arguments), numbers)
            complaints = [complaint for each in found for complaint in each]
        assert not complaints, f"{len(complaints)} of {len(cases)}:\n" + "\n".join(complaints[:20])
        assert not account.calls, "AWS was asked"
        assert not list(warden.folder.glob("*.db")), "a state was made"

    return judge


def test_the_sound_ones_are_taken(account, warden):
    """What the cases below are made from is not what is wrong with them."""
    warden.config.write_text(whole()[0])
    warden.run("validate", code=0)
    warden.config.write_text((ROOT / "config/default.toml").read_text())
    warden.run("validate", code=0)
    for file in sorted((ROOT / "config/examples").glob("*.toml")):
        warden.run("--config", str(file), "validate", code=0)


def test_values_that_cannot_be_meant(judge):
    cases = default_cases()
    assert len(cases) > 300
    judge(random.Random(7).sample(cases, 320))


def test_tables_that_cannot_be_meant(judge):
    judge(table_cases())


def test_files_that_cannot_be_meant(judge):
    judge(broken_files())


def test_files_that_are_cut_off(judge, warden):
    """Cut at any byte: what is no TOML any more is an error with its position, and nothing makes it panic."""
    text = whole()[0] + (ROOT / "config/default.toml").read_text()
    rng = random.Random(3)
    cut = [text[: rng.randrange(len(text))] for _ in range(120)]
    judge([Case(f"cut after {len(part)}", part) for part in cut if not is_toml(part)])


def test_files_with_flipped_bytes(judge, account, warden):
    text = whole()[0].encode()
    rng = random.Random(5)
    cases = []
    for number in range(60):
        damaged = bytearray(text)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            sound = is_toml(bytes(damaged).decode())
        except UnicodeDecodeError:
            sound = False
        if not sound:
            cases.append(Case(f"damage {number}", bytes(damaged)))
    judge(cases)


@pytest.mark.parametrize(
    "command",
    [
        ["plan"],
        ["plan", "--save"],
        ["apply", "--yes"],
        ["run"],
        ["run", "--once"],
        ["approve", "latest"],
        ["rollback", "--action", "act_1", "--yes"],
        ["freeze", "--reason", "x"],
        ["history"],
        ["explain", "alice"],
        ["snapshot", "--output", "snapshot.json"],
        ["permissions"],
        ["doctor"],
        ["health"],
    ],
    ids=" ".join,
)
def test_every_command_stops_before_it_begins(judge, command):
    judge(
        [
            Case("mode", "[rules.access_key_rotation]\nmode = 'enforced'\n", 2, "mode"),
            Case("syntax", "dry_run = true\n[guardrails\n", 2),
            Case("secret", f'[[notifications.channels]]\nname = "x"\nkind = "slack"\nurl = "{CANARY}"\n', 4, "url"),
        ],
        *command,
    )


def variables() -> list[tuple[str, str]]:
    found = []
    for path, value in leaves(DEFAULTS):
        name = "IAMWARDEN__" + path.upper().replace(".", "__")
        key = path.rsplit(".", 1)[-1]
        wrong: list[str] = []
        if isinstance(value, bool):
            wrong = ["maybe", "1", ""]
        elif isinstance(value, int):
            wrong = ["many", "-1", "2.5", "9" * 30]
        elif isinstance(value, list):
            wrong = ['["x"', "[1]", '{a = "b"}']
        elif key in ("mode", "on_excess"):
            wrong = ["enforced", "", '"enforce"']
        elif path == "schedule.default":
            wrong = ["0 0 6 * * 1", "0 0 6 30 2 *", "daily"]
        elif re.fullmatch(r"\d+[smhdw]", value):
            wrong = ["soon", "90", "-1d"]
        found += [(name, each) for each in wrong]
    return found + [
        ("IAMWARDEN__RULES__ACESS_KEY_ROTATION__MODE", "enforce"),
        ("IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MOOD", "enforce"),
        ("IAMWARDEN__RULES", "enforce"),
        ("IAMWARDEN__", "x"),
        ("IAMWARDEN____", "x"),
        ("IAMWARDEN_DRY_RUN", "true"),
        ("IAMWARDEN__ACCOUNTS", "[{id = 123456789012}]"),
        ("IAMWARDEN__ACCOUNTS", '[{id = "123456789012"'),
        ("IAMWARDEN__STATE__URL", f"postgres://iamwarden:{CANARY}@db/x"),
        ("IAMWARDEN__NOTIFICATIONS__CHANNELS", f'[{{name = "x", kind = "slack", url = "{CANARY}"}}]'),
        ("IAMWARDEN__NOTIFICATIONS__CHANNELS", f'[{{name = "x", kind = "slack", url = "{CANARY}"'),
        ("IAMWARDEN__NOTIFICATIONS__DEFAULT_CHANNEL", f"https://hooks.example.com/{CANARY}"),
    ]


def test_variables_that_cannot_be_meant(account, warden):
    def complaint(variable: tuple[str, str]) -> str | None:
        name, value = variable
        ended = warden.run("validate", **{name: value})
        if ended.code == 1 and name in ended.err and CANARY not in ended.err and not ended.out:
            return None
        return f"{name}={value} -> {ended.code} {ended.err[:300]!r}"

    cases = variables()
    assert len(cases) > 80
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        complaints = [found for found in pool.map(complaint, cases) if found]
    assert not complaints, "\n".join(complaints)
    assert not account.calls


def test_a_variable_does_not_hide_what_is_wrong_with_the_file(account, warden):
    warden.configure("[rules.access_key_rotation]\nmode = 'enforced'\n")
    ended = warden.run("validate", code=1, IAMWARDEN__RULES__ACCESS_KEY_ROTATION__MODE="enforce")
    assert f"{warden.config}:2:" in ended.err


@pytest.mark.parametrize("path", ["missing.toml", ".", "link.toml", "/dev/zero"])
def test_files_that_cannot_be_read(account, warden, path):
    (warden.folder / "link.toml").symlink_to("nowhere.toml")
    ended = warden.run("--config", path, "plan", code=1)
    assert path in ended.err
    assert not account.calls


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(account, warden):
    warden.configure(
        "dry_run = 1\n[guardrails]\nmax_plan_age = 'soon'\nprotect = []\n[rules.access_key_rotation]\nmode = 'on'\n"
    )
    ended = warden.run("validate", code=1)
    assert [int(line) for line in re.findall(r"\.toml:(\d+):", ended.err)] == [1, 3, 4, 6]
    assert "did you mean `protected`" in ended.err


def test_a_good_one_is_taken_by_the_same_commands(account, warden):
    """So that the refusals above are about what is wrong."""
    account.user("alice")
    account.key("alice", 200)
    warden.configure(ENFORCE_ROTATION, f'[[accounts]]\nid = "{ACCOUNT}"\n')
    assert warden.plan(code=2)["actions"]
    assert Path(warden.state).exists() is False
