"""Runs Prowler's checks, by name, in an environment of their own; prints what they say as JSON.

    python run_checks.py us-east-1,eu-central-1 iam_root_mfa_enabled cloudtrail_multi_region_enabled
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from types import SimpleNamespace

from prowler.providers.aws.aws_provider import AwsProvider
from prowler.providers.aws.lib.service.service import AWSService
from prowler.providers.common.provider import Provider


def one_after_the_other(in_order: list[str]):
    """Reads regions in the order in which they were named.

    Prowler asks all at once, and then asks for the state of a trail in the region that listed it first. In a region other
    than the trail's own, moto's answer is another one, so what Prowler says would depend on who was quicker.
    """

    def call_each(service: AWSService, call, iterator=None) -> None:
        clients = [service.regional_clients[region] for region in in_order if region in service.regional_clients]
        for item in clients if iterator is None else iterator:
            with contextlib.suppress(Exception):  # as Prowler does
                call(item)

    return call_each


def main(regions: str, names: list[str]) -> None:
    # Prowler builds the address of STS itself; let the SDK choose it, as for everything else.
    AwsProvider.create_sts_session = staticmethod(lambda session, region: session.client("sts", region))
    in_order = regions.split(",")
    AWSService.__threading_call__ = one_after_the_other(in_order)
    provider = AwsProvider(regions=set(in_order))
    provider.audit_metadata = SimpleNamespace(expected_checks=names)
    Provider.set_global_provider(provider)
    said = []
    for name in names:
        service = name.split("_")[0]
        module = importlib.import_module(f"prowler.providers.aws.services.{service}.{name}.{name}")
        for report in getattr(module, name)().execute():
            said.append({"check": name, "status": report.status, "resource": report.resource_arn})
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
