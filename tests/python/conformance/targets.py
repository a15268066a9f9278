"""The two servers, and a recorder that drives one of them and keeps every answer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.utils import PRIORITY_ORDERED_SUPPORTED_PROTOCOLS

from . import answers, shapes

ACCOUNT = "123456789012"
REGION = "us-east-1"
CALLER_KEY = "AKIA123456789012CALL"

# The simulator reads this; moto gets the same through its own operations.
SEED = """
[[accounts]]
id = "123456789012"
[[accounts.callers]]
access_key_id = "AKIA123456789012CALL"
acts_as = "user/operator"
[[accounts.secrets]]
name = "app/token"
value = "s3cret"
"""


class Simulator:
    """A simulator process with an account of its own."""

    def __init__(self, seed: str = SEED) -> None:
        binary = os.environ["AWS_SIMULATOR_BIN"]
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name, "seed.toml")
        path.write_text(seed)
        command = [binary, "--seed", str(path), "--print-url"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the simulator did not start")

    def control(self, path: str, change: dict[str, Any] | None = None) -> Any:
        """Asks the control API, or changes something by it."""
        body = None if change is None else json.dumps(change).encode()
        with urllib.request.urlopen(f"{self.url}/_control/{path}", data=body, timeout=60) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
        self._folder.cleanup()


class Moto:
    """moto's server, in this process, with an empty account."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.reset()

    def reset(self, aws_policies: bool = False) -> None:
        """An empty account again, but for the secret; with the policies of AWS, which take moto seconds to load."""
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = str(aws_policies)
        request = urllib.request.Request(f"{self.url}/moto-api/reset", data=b"", method="POST")
        urllib.request.urlopen(request).close()
        client(self.url, "secretsmanager").create_secret(Name="app/token", SecretString="s3cret")

    def stop(self) -> None:
        self._server.stop()


def client(
    url: str, service: str, key: str = CALLER_KEY, token: str | None = None, protocol: str | None = None
) -> Any:
    """A client of a service, by the protocol that botocore would choose, or by another one that the service speaks."""
    protocols = (protocol,) if protocol else PRIORITY_ORDERED_SUPPORTED_PROTOCOLS
    with mock.patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", protocols):
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="unchecked",
            aws_session_token=token,
            config=Config(retries={"max_attempts": 1}, parameter_validation=False, s3={"addressing_style": "path"}),
        )


@dataclass
class Step:
    """One call and its answer, with ids and dates taken out."""

    label: str
    operation: str
    outcome: dict[str, Any]
    complaints: list[str]


@dataclass
class Recorder:
    """Makes calls and keeps what came back."""

    url: str
    protocol: str | None = None
    steps: list[Step] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict)
    _raw: bytes = b""

    def call(self, operation: str, *, key: str = CALLER_KEY, token: str | None = None, **parameters: Any) -> dict:
        """`iam.create_user` with its parameters; an error is an answer too."""
        service, method = operation.split(".")
        if service + key not in self._clients:
            self._clients[service + key] = self._new_client(service, key, token)
        chosen = self._clients[service + key]
        model = chosen.meta.service_model.operation_model(chosen.meta.method_to_api_mapping[method])
        try:
            response = getattr(chosen, method)(**parameters)
        except ClientError as error:
            response = error.response
            code, status = response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
            outcome: dict[str, Any] = {"error": {"code": code, "status": status}}
            complaints = shapes.complaints_of_error(model, code, status)
        else:
            outcome = {"answer": answers.normal(response)}
            complaints = shapes.complaints(model, response, self._raw)
        label = f"{len(self.steps) + 1} {model.name}"
        self.steps.append(Step(label, model.name, outcome, complaints))
        return response

    def _new_client(self, service: str, key: str, token: str | None) -> Any:
        made = client(self.url, service, key, token, self.protocol)

        def keep(response_dict: dict, **_: Any) -> None:
            self._raw = response_dict["body"]

        made.meta.events.register("before-parse", keep)
        return made

    def pages(self, operation: str, size: int, **parameters: Any) -> None:
        """Reads a list to its end: one step, with all items together and the size of each page."""
        first, marker = len(self.steps), {}
        while True:
            response = self.call(operation, MaxItems=size, **marker, **parameters)
            if not response.get("IsTruncated"):
                break
            marker = {"Marker": response["Marker"]}
        read, self.steps = self.steps[first:], self.steps[:first]
        items: list[Any] = []
        sizes = []
        for step in read:
            lists = [value for value in step.outcome["answer"].values() if isinstance(value, list)]
            items += (item for one in lists for item in one)
            sizes.append(sum(map(len, lists)))
        outcome = {"answer": answers.normal({"Pages": str(sizes), "Items": items})}
        complaints = [complaint for step in read for complaint in step.complaints]
        self.steps.append(Step(f"{first + 1} pages of {read[0].operation}", read[0].operation, outcome, complaints))
