"""Keeps precis-export-v1.schema.json true: the golden export fits it, nothing in it is dead, and exports that
are broken in any single place do not fit."""

import copy
import json
import pathlib
import unittest

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "server/export/precis-export-v1.schema.json").read_text(encoding="utf-8"))
GOLDEN = json.loads((ROOT / "tests/golden/export/resnet8.json").read_text(encoding="utf-8"))


def with_product(document):
    """The same with its second layer a product of two activations, as the exporter writes one."""
    changed = copy.deepcopy(document)
    layer = changed["layers"][1]
    layer["kind"] = "matmul"
    layer["second_operand"] = copy.deepcopy(layer["activation"])
    del layer["weight"]
    return changed


def resolve(schema):
    if "$ref" in schema:
        return SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def properties(schema, path=""):
    """Every property path that the schema names."""
    schema = resolve(schema)
    for name, below in schema.get("properties", {}).items():
        yield f"{path}/{name}"
        yield from properties(below, f"{path}/{name}")
    for choice in schema.get("oneOf", []):
        yield from properties(choice, path)
    if "items" in schema:
        yield from properties(schema["items"], path + "/*")


def values(document, path=""):
    """Every path of the document, list indices as *."""
    if isinstance(document, dict):
        for name, below in document.items():
            yield f"{path}/{name}"
            yield from values(below, f"{path}/{name}")
    elif isinstance(document, list):
        for below in document:
            yield from values(below, path + "/*")


def places(document, path=()):
    """Paths to every object member and every list item."""
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = list(enumerate(document))[:2]
    else:
        return
    for key, below in items:
        yield path + (key,)
        yield from places(below, path + (key,))


class SchemaTest(unittest.TestCase):
    def setUp(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        self.validator = jsonschema.Draft7Validator(SCHEMA)

    def test_golden_export_fits(self):
        for document in (GOLDEN, with_product(GOLDEN)):
            self.assertEqual([e.message for e in self.validator.iter_errors(document)], [])

    def test_golden_export_has_every_property_of_the_schema(self):
        joint = copy.deepcopy(GOLDEN)
        joint["model"]["options"]["architecture"] = "stage2.width=16 stage3.block1=skipped"
        joint["model"]["file"] = {"name": "own.onnx", "sha256": 64 * "0", "start": "post_training", "techniques": ["gptq"]}
        self.assertEqual([e.message for e in self.validator.iter_errors(joint)], [])
        seen = set(values(GOLDEN)) | set(values(with_product(GOLDEN))) | set(values(joint))
        self.assertEqual(sorted(set(properties(SCHEMA)) - seen), [])

    def test_a_product_has_a_second_operand_and_no_weight(self):
        for change in (lambda layer: layer.pop("second_operand"),
                       lambda layer: layer.update(weight=GOLDEN["layers"][1]["weight"])):
            broken = with_product(GOLDEN)
            change(broken["layers"][1])
            self.assertFalse(self.validator.is_valid(broken))

    def test_every_member_is_required_and_typed(self):
        checked = 0
        for path in places(GOLDEN):
            broken = copy.deepcopy(GOLDEN)
            holder = broken
            for key in path[:-1]:
                holder = holder[key]
            if isinstance(holder, dict):
                value = holder.pop(path[-1])
                self.assertFalse(self.validator.is_valid(broken), f"without {path}")
                holder[path[-1] + "_misspelt"] = value
                self.assertFalse(self.validator.is_valid(broken), f"{path} misspelt")
                del holder[path[-1] + "_misspelt"]
            holder[path[-1]] = {"of": "another type"}
            self.assertFalse(self.validator.is_valid(broken), f"{path} of another type")
            checked += 1
        self.assertGreater(checked, 100)

    def test_scales_and_granularity_agree(self):
        for layer in range(len(GOLDEN["layers"])):
            broken = copy.deepcopy(GOLDEN)
            weight = broken["layers"][layer]["weight"]
            weight["scales"] = [] if weight["scales"] else [1.0]
            self.assertFalse(self.validator.is_valid(broken))


if __name__ == "__main__":
    unittest.main()
