"""Answers held against botocore's service model: nothing required may lack, nothing unknown may be there."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

# Required by the model, and yet left out by AWS, which says so in the same model's documentation.
_LEFT_OUT = {
    "GetServiceLastAccessedDetails.JobCompletionDate": "null while the job is in progress",
    "GetServiceLastAccessedDetails.ServicesLastAccessed": "null while the job is in progress",
    "ListVirtualMFADevices.VirtualMFADevices[].User.Path": "root has none, as the API reference shows",
    "ListVirtualMFADevices.VirtualMFADevices[].User.UserName": "root has none, as the API reference shows",
}


# The model's enumeration knows another word than its own documentation, which has it right.
_OTHER_WORDS = {("PermissionsBoundaryType", "Policy")}


def complaints(model: Any, response: dict, raw: bytes) -> list[str]:
    shape = model.output_shape
    if shape is None:
        return []
    found = list(_missing(shape, response, model.name))
    protocol = model.service_model.resolved_protocol
    if "json" in protocol:
        return found + list(_unknown_keys(shape, json.loads(raw or b"{}"), model.name))
    # What is in CBOR is the same as what is in JSON; botocore has read it already.
    if protocol == "smithy-rpc-v2-cbor":
        return found
    element = ElementTree.fromstring(raw)
    if protocol == "query":
        element = element.find(f"{{*}}{shape.serialization['resultWrapper']}")
        if element is None:
            return [*found, f"{model.name}: no result element"]
    if protocol == "rest-xml" and "payload" in shape.serialization:
        shape = shape.members[shape.serialization["payload"]]
    found += _unknown(shape, element, model.name)
    envelope = f"{model.name}.requestId:"
    return [complaint for complaint in found if not (protocol == "ec2" and complaint.startswith(envelope))]


def complaints_of_error(model: Any, code: str, status: int) -> list[str]:
    """The status of an error that the model lists has to be the model's."""
    for shape in model.error_shapes:
        error = shape.metadata.get("error", {})
        if error.get("code", shape.name) == code and error.get("httpStatusCode", status) != status:
            return [f"{model.name}: {code} has status {status} instead of {error['httpStatusCode']}"]
    return []


def _missing(shape: Any, value: Any, path: str):
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            yield f"{path}: no structure"
            return
        for name in shape.required_members:
            if name not in value and f"{path}.{name}" not in _LEFT_OUT:
                yield f"{path}.{name}: required, and absent"
        for name, member in shape.members.items():
            if name in value:
                yield from _missing(member, value[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from _missing(shape.member, item, f"{path}[]")
    elif shape.type_name == "map" and getattr(shape.key, "enum", None):
        for key in value:
            if key not in shape.key.enum:
                yield f"{path}: key {key!r} is not in the model"
    elif getattr(shape, "enum", None) and value not in (None, *shape.enum):
        if (path.rpartition(".")[2], value) in _OTHER_WORDS:
            return
        yield f"{path}: {value!r} is none of {shape.enum}"


def _unknown_keys(shape: Any, value: Any, path: str):
    if shape.type_name == "structure" and isinstance(value, dict):
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for key, inner in value.items():
            if key not in known:
                yield f"{path}.{key}: not in the model"
            else:
                yield from _unknown_keys(known[key], inner, f"{path}.{key}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown_keys(shape.member, item, f"{path}[]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, inner in value.items():
            yield from _unknown_keys(shape.value, inner, f"{path}.{key}")
    elif shape.type_name in ("structure", "list", "map"):
        yield f"{path}: not a {shape.type_name}"


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _unknown(shape: Any, element: ElementTree.Element, path: str) -> list[str]:
    found: list[str] = []
    if shape.type_name == "structure":
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            name = _local(child)
            if name not in known:
                found.append(f"{path}.{name}: not in the model")
            else:
                found += _unknown(known[name], child, f"{path}.{name}")
    elif shape.type_name == "list":
        for child in element:
            if _local(child) != shape.member.serialization.get("name", "member"):
                found.append(f"{path}: {_local(child)} instead of member")
            found += _unknown(shape.member, child, f"{path}[]")
    elif shape.type_name not in ("map",) and len(element):
        found.append(f"{path}: elements where text belongs")
    return found
