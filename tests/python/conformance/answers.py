"""Answers without what differs from run to run, and the differences between two of them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime
from typing import Any, Iterator

# moto gives policies ids without a prefix, and users now and then too; the Rust tests look at ours.
_IDS = {
    "UserId",
    "GroupId",
    "RoleId",
    "PolicyId",
    "InstanceProfileId",
    "AccessKeyId",
    "AssumedRoleId",
    "VersionId",
    "SSHPublicKeyId",
    "CertificateId",
    "InstanceId",
    "ReservationId",
    "ImageId",
    "AssociationId",
    "Id",
    "ID",
}
_SECRET_SUFFIX = re.compile(r"(:secret:[^ ]+)-[A-Za-z0-9]{6}$")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+Z")
_SUBSCRIPTION = re.compile(r"(?<=\w):[0-9a-f-]{36}$")
# What follows the management account: the organization, and in it an account, a unit or the root.
_ORGANIZATION = re.compile(r"(:organizations::\d{12}:[a-z]+)/o-[a-z0-9]+/[a-z0-9-]+$")
_OPAQUE = {"Marker", "nextToken", "NextToken", "SecretAccessKey", "SessionToken", "CertificateBody"}


def normal(value: Any, name: str = "") -> Any:
    """The same answer with every id, date and opaque text named instead of given, and lists in order."""
    if isinstance(value, dict):
        return {
            key: normal(inner, key)
            for key, inner in value.items()
            if key not in ("ResponseMetadata",)
        }
    if isinstance(value, list):
        return sorted((normal(inner, name) for inner in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, datetime):
        return "<date>"
    if isinstance(value, bytes):
        return _report(value) if name == "Content" else "<bytes>"
    # Milliseconds since 1970.
    if isinstance(value, int) and name == "creationTime":
        return "<date>"
    if isinstance(value, str):
        if name in _OPAQUE:
            return f"<{name}>"
        if name == "Policy" and value.startswith("{"):
            return json.loads(value)
        if _DATE.fullmatch(value):
            return "<date>"
        if name in _IDS and not re.fullmatch(r"v\d+", value):
            value = re.sub(r"^[^:]+", "<id>", value)
        value = _ORGANIZATION.sub(r"\1/<organization>/<id>", value)
        return _SUBSCRIPTION.sub(":<uuid>", _SECRET_SUFFIX.sub(r"\1-<suffix>", value))
    return value


def _report(content: bytes) -> dict[str, dict[str, str]]:
    """A credential report as rows by user, with its dates named."""
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    dated = re.compile(r"^\d{4}-\d\d-\d\dT")
    return {
        row["user"]: {column: "<date>" if dated.match(value or "") else value for column, value in row.items()}
        for row in rows
    }


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place where two normalised answers differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            inner = f"{path}.{key}" if path else key
            if key not in ours or key not in theirs:
                yield inner, ours.get(key, "<absent>"), theirs.get(key, "<absent>")
            else:
                yield from differences(ours[key], theirs[key], inner)
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path}[#]", len(ours), len(theirs)
            return
        for one, other in zip(ours, theirs):
            yield from differences(one, other, f"{path}[]")
    elif ours != theirs:
        yield path, ours, theirs
