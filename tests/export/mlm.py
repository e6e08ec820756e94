"""What the schema of STAC's MLM extension asks of an item, written down from its version 1.3 and the changes to 1.5.

Source: https://github.com/stac-extensions/mlm, json-schema/schema.json and CHANGELOG.md.
"""

from typing import Any

_TASKS = {"type": "array", "uniqueItems": True, "items": {"enum": [
    "regression", "classification", "scene-classification", "detection", "object-detection", "segmentation",
    "semantic-segmentation", "instance-segmentation", "panoptic-segmentation", "similarity-search", "generative",
    "image-captioning", "super-resolution", "downscaling",
]}}  # fmt: skip
_STRUCTURE = {
    "type": "object",
    "required": ["shape", "dim_order", "data_type"],
    "properties": {
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": -1}},
        "dim_order": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^[a-z-_]+$"}},
        "data_type": {"enum": ["uint8", "uint16", "int16", "float32"]},
    },
}
_INPUT = {
    "type": "object",
    "required": ["name", "bands", "input"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "bands": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
        "input": _STRUCTURE,
        "description": {"type": "string", "minLength": 1},
        "value_scaling": {"type": ["null", "array"]},
        "resize_type": {"type": ["null", "string"]},
    },
}
_CLASS = {
    "type": "object",
    "required": ["value", "name"],
    "properties": {"value": {"type": "integer"}, "name": {"type": "string", "pattern": "^[0-9A-Za-z-_]+$"}},
}
_OUTPUT = {
    "type": "object",
    "required": ["name", "tasks", "result"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "tasks": _TASKS,
        "result": _STRUCTURE,
        "classification:classes": {"type": "array", "minItems": 1, "items": _CLASS},
    },
}
_VERSION = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9a-zA-Z-.]+)?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$"
_FIELDS: dict[str, Any] = {
    "mlm:name": {"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$"},
    "mlm:architecture": {"type": "string"},
    "mlm:tasks": _TASKS,
    "mlm:framework": {"type": "string", "pattern": r"^(?=[^\s._\-]).*[^\s._\-]$"},
    "mlm:framework_version": {"type": "string", "pattern": _VERSION},
    "mlm:total_parameters": {"type": "integer", "minimum": 1},
    "mlm:memory_size": {"type": "integer", "minimum": 0},
    "mlm:accelerator": {"enum": [None, "amd64", "cpu", "cuda", "xla", "amd-rocm", "macos-arm"]},
    "mlm:accelerator_constrained": {"type": "boolean"},
    "mlm:input": {"type": "array", "items": _INPUT},
    "mlm:output": {"type": "array", "items": _OUTPUT},
    "mlm:hyperparameters": {"type": "object", "propertyNames": {"pattern": "^[0-9a-zA-Z_.-]+$"}},
}
_ASSET = {
    "type": "object",
    "required": ["href", "roles", "mlm:artifact_type"],  # of those with the role mlm:model, as all of ours are
    "properties": {"roles": {"contains": {"const": "mlm:model"}}, "mlm:artifact_type": {"type": "string"}},
    # name, input, output and hyperparameters describe the whole model
    "propertyNames": {"pattern": "^(?!mlm:)|^mlm:(artifact_type|compile_method|entrypoint|framework.*|accelerator.*)$"},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "stac_version", "stac_extensions", "id", "geometry", "properties", "links", "assets"],
    "properties": {
        "type": {"const": "Feature"},
        "stac_version": {"pattern": r"^1\.[1-9][0-9]*\.[0-9]+"},  # of which on `bands` may stand in the properties
        "stac_extensions": {"contains": {"const": "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"}},
        "properties": {
            "type": "object",
            "required": ["datetime", "mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output", "bands"],
            "properties": {**_FIELDS, "bands": {"type": "array", "minItems": 1, "items": {"required": ["name"]}}},
            "propertyNames": {"anyOf": [{"pattern": "^(?!mlm:)"}, {"enum": list(_FIELDS)}]},
        },
        "assets": {"type": "object", "minProperties": 1, "additionalProperties": _ASSET},
    },
}
