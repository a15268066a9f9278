"""What stands in deploy/: policies, templates and task definition, alerts and dashboard, scripts.

The linters come from `tests/python/lint-requirements.txt`, in an environment of their own that `tests/run` makes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.validate import ParamValidator
from prometheus_client.parser import text_string_to_metric_families as parse_text

from moto_account import ACCOUNT
from warden import BINARY, ENFORCE_ROTATION, FREELY, ROOT, only, until

DEPLOY = ROOT / "deploy"
TEMPLATES = sorted((DEPLOY / "cloudformation").glob("*.yaml"))
LINTERS = Path(os.environ.get("IAMWARDEN_LINTERS", ROOT / "target/lint-venv/bin"))
EXAMPLE_ACCOUNT = "111122223333"


def ran(*command: str | Path, **environment: str) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# ----------------------------------------------------------------------------------------------------------- policies


class Template(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions; `!Sub` is put in for the example account."""


def function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        if suffix == "Sub":
            return text.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", EXAMPLE_ACCOUNT)
        return {suffix: text}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


Template.add_multi_constructor("!", function)


def template(name: str) -> dict:
    return yaml.load((DEPLOY / "cloudformation" / name).read_text(), Template)


def printed(configuration: str, *options: str) -> dict:
    return json.loads(ran(BINARY, "--config", configuration, "permissions", *options))


def test_the_policies_of_the_templates_are_those_that_permissions_prints():
    task = template("iamwarden.yaml")["Resources"]["TaskRole"]["Properties"]["Policies"]
    member = template("member-role.yaml")["Resources"]["Role"]["Properties"]["Policies"]
    rollback = template("rollback-role.yaml")["Resources"]["Role"]["Properties"]["Policies"]
    assert task[0]["PolicyDocument"] == printed("deploy/ecs/iamwarden.toml")
    (choice,) = member
    condition, changes, reports = choice["If"]
    assert condition == "MayChange"
    assert changes["PolicyDocument"] == printed("deploy/ecs/members.toml", "--member")
    assert reports["PolicyDocument"] == printed("deploy/ecs/iamwarden.toml", "--member")
    assert rollback[0]["PolicyDocument"] == printed("deploy/ecs/members.toml", "--rollback")


def test_the_task_may_assume_and_read_what_a_hub_is_printed():
    """The two statements that depend on an organization's own names are wider than printed, and of the same actions."""
    resources = template("iamwarden.yaml")["Resources"]
    (secrets,) = resources["TaskRole"]["Properties"]["Policies"][1]["PolicyDocument"]["Statement"]
    roles, discover = resources["MembersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    expected = {said["Sid"]: said["Action"] for said in printed("deploy/ecs/members.toml")["Statement"]}
    assert {said["Sid"]: [said["Action"]] for said in (secrets, roles)} == expected
    assert roles["Condition"] == {"StringEquals": {"aws:ResourceOrgID": {"Ref": "OrganizationId"}}}
    of_an_organization = {said["Sid"]: said for said in printed("config/examples/organization.toml")["Statement"]}
    assert discover == of_an_organization["Discover"]


def test_a_role_denies_itself_in_whatever_account_it_is():
    text = (DEPLOY / "cloudformation/member-role.yaml").read_text()
    assert 'arn:${AWS::Partition}:iam::${AWS::AccountId}:role/iamwarden"' in text
    assert EXAMPLE_ACCOUNT not in text


def test_the_script_that_writes_the_policies_has_nothing_to_write(tmp_path):
    check = [sys.executable, "deploy/permissions.py", "--check", "--binary", BINARY]
    assert ran(*check) == ""
    copy = tmp_path / "iamwarden"
    shutil.copytree(DEPLOY, copy / "deploy")
    changed = copy / "deploy/cloudformation/rollback-role.yaml"
    changed.write_text(changed.read_text().replace("iam:AttachUserPolicy", "iam:*"))
    check[1] = str(copy / "deploy/permissions.py")
    done = subprocess.run([str(word) for word in check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "-" in done.stdout and "+                  - iam:AttachUserPolicy" in done.stdout, done


# ---------------------------------------------------------------------------------------------- templates and scripts


def test_cfn_lint_finds_nothing():
    ran(LINTERS / "cfn-lint", *TEMPLATES)


def test_checkov_finds_nothing_but_what_is_said_to_be_meant():
    out = ran(
        LINTERS / "checkov", "--skip-download", "--compact", "--output", "json",
        "--framework", "cloudformation", "--directory", DEPLOY / "cloudformation",
    )  # fmt: skip
    report = json.loads(out)
    assert report["summary"]["failed"] == 0
    assert report["summary"]["passed"] >= 25, "it looked at the templates"
    assert report["summary"]["parsing_errors"] == 0


def test_the_other_linters_find_nothing():
    ran(LINTERS / "hadolint", DEPLOY / "Containerfile")
    ran(LINTERS / "shellcheck", DEPLOY / "image", DEPLOY / "check", ROOT / ".ci/run", ROOT / "tests/run")
    # An end mark of a policy stands where its content begins.
    rules = "{extends: default, rules: {line-length: {max: 140}, document-start: disable, comments-indentation: disable, braces: {max-spaces-inside: 1}}}"
    ran(LINTERS / "yamllint", "--strict", "--config-data", rules, DEPLOY)


def container(definition: dict) -> dict:
    (only_one,) = definition["containerDefinitions"]
    return only_one


def test_the_task_definition_is_one_that_ecs_takes():
    definition = json.loads((DEPLOY / "ecs/task-definition.json").read_text())
    ecs = boto3.client("ecs", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    shape = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(definition, shape)
    assert not report.has_errors(), report.generate_report()


def test_task_definition_and_template_say_the_same():
    """The template's, by its names of things; where the template has a parameter, the file has a placeholder."""

    def lower(value: object) -> object:
        if isinstance(value, dict):
            return {key[0].lower() + key[1:] if key[0].isupper() and not key.isupper() else key: lower(one) for key, one in value.items()}
        return [lower(one) for one in value] if isinstance(value, list) else value

    properties = lower(template("iamwarden.yaml")["Resources"]["TaskDefinition"]["Properties"])
    said = json.loads((DEPLOY / "ecs/task-definition.json").read_text())
    for name in ("requiresCompatibilities", "networkMode", "cpu", "memory", "runtimePlatform", "volumes"):
        assert said[name] == properties[name], name
    (ours,), (theirs,) = said["containerDefinitions"], properties["containerDefinitions"]
    for name in ("name", "essential", "user", "readonlyRootFilesystem", "privileged", "stopTimeout", "linuxParameters", "mountPoints"):
        assert ours[name] == theirs[name], name
    assert ours["stopTimeout"] == 60
    assert ours["readonlyRootFilesystem"] is True
    assert ours["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert ours["healthCheck"]["command"] == ["CMD", "/iamwarden", "health"]
    assert {"name": "IAMWARDEN__DRY_RUN", "value": "true"} in ours["environment"], "its disk forgets"


# ------------------------------------------------------------------------------------------------------ observability

NAME = re.compile(r"\biamwarden_[a-z_]+\b")


def expressions() -> list[str]:
    """Every expression of alerts and dashboard."""
    groups = yaml.safe_load((DEPLOY / "observability/rules.yaml").read_text())["groups"]
    dashboard = json.loads((DEPLOY / "observability/dashboard.json").read_text())
    alerts = [rule["expr"] for group in groups for rule in group["rules"]]
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]
    return [*alerts, *panels, *variables]


def test_every_metric_and_label_of_alerts_and_dashboard_is_there(account, warden):
    account.user("alice")
    key = account.key("alice", 200, used=1)
    often = '[schedule]\ndefault = "* * * * * *"\n'
    warden.configure(FREELY, only("access_key_rotation"), often, ENFORCE_ROTATION)
    with warden.daemon() as daemon:
        until(lambda: key.status == "Inactive", "it has run")

        def counted() -> str | None:
            status, text = daemon.get("/metrics")
            run = 'iamwarden_runs_total{result="completed"} 0\n' not in text
            # Told with the state of things, every few seconds.
            calls = "iamwarden_aws_call_rate{" in text
            return text if status == 200 and run and calls else None

        text = until(counted, "the run and its calls are counted")
    labels: dict[str, dict[str, set[str]]] = {}
    for family in parse_text(text):
        for sample in family.samples:
            known = labels.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                known.setdefault(label, set()).add(value)
    for expression in expressions():
        for name in NAME.findall(expression):
            assert name in labels, f"{name} in {expression}"
        for name, selector in re.findall(r"(iamwarden_[a-z_]+)\{([^}]*)\}", expression):
            for label, equals, value in re.findall(r'(\w+)(=~?)"([^"]*)"', selector):
                assert label in labels[name], f"{label} of {name} in {expression}"
                for one in value.split("|") if equals == "=~" else [value]:
                    assert one == "$account" or one in labels[name][label], f'{label}="{one}" of {name} in {expression}'
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            measured = NAME.findall(expression)
            for label in grouped.split(", "):
                assert any(label in labels[name] for name in measured), f"by ({grouped}) in {expression}"


def test_the_alerts_fire_when_they_should():
    ran("promtool", "check", "rules", DEPLOY / "observability/rules.yaml")
    ran("promtool", "test", "rules", DEPLOY / "observability/rules_test.yaml")


def test_every_alert_leads_to_an_entry_of_the_runbook():
    groups = yaml.safe_load((DEPLOY / "observability/rules.yaml").read_text())["groups"]
    headings = re.findall(r"^## (.*)$", (DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in (rule for group in groups for rule in group["rules"]):
        file, anchor = rule["annotations"]["runbook"].split("#")
        assert (file, anchor in anchors) == ("deploy/RUNBOOK.md", True), rule["alert"]
    tested = (DEPLOY / "observability/rules_test.yaml").read_text()
    for rule in (rule for group in groups for rule in group["rules"]):
        assert f"alertname: {rule['alert']}\n        exp_alerts" in tested, f"{rule['alert']} is tested to fire"


@pytest.mark.parametrize("name", ["iamwarden.toml", "members.toml"])
def test_the_configurations_are_valid_and_change_nothing_yet(warden, name):
    file = DEPLOY / "ecs" / name
    warden.run("--config", str(file), "validate", code=0)
    assert "\ndry_run = true\n" in file.read_text()


def test_the_task_reads_the_secret_of_its_state_itself():
    """Injected into the environment, a rotated password would stay unknown until the next task."""
    resources = template("iamwarden.yaml")["Resources"]
    (definition,) = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    (with_state,) = [choice["If"][1] for choice in definition["Environment"] if "If" in choice and choice["If"][0] == "HasState"]
    (secrets,) = resources["TaskRole"]["Properties"]["Policies"][1]["PolicyDocument"]["Statement"]
    assert {"If": ["HasState", {"Ref": "StateUrlSecretArn"}, {"Ref": "AWS::NoValue"}]} in secrets["Resource"]
    secret = f"arn:aws:secretsmanager:eu-central-1:{EXAMPLE_ACCOUNT}:secret:iamwarden/state-AbCdEf"
    assert with_state["Name"] == "IAMWARDEN__STATE__URL"
    url = with_state["Value"].replace("${StateUrlSecretArn}", secret)
    ran(BINARY, "--config", DEPLOY / "ecs/iamwarden.toml", "validate", IAMWARDEN__STATE__URL=url)


def test_the_example_account_is_nobodys(account):
    assert EXAMPLE_ACCOUNT != ACCOUNT
