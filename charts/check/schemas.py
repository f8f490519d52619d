"""Turns what Kubernetes publishes of its resources into JSON schemas, one file for each kind, as kubeconform reads them.

What flows in is an OpenAPI document of Kubernetes (in the zip of a Go module) or CustomResourceDefinitions as JSON; what flows out are files
KIND-GROUP-VERSION.json. They are strict: a field that the API server does not know is an error here, where the server would drop it silently.
"""

import copy
import json
import pathlib
import sys
import zipfile

# Definitions that say `string` and mean more.
LOOSE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
REFERENCE = "#/definitions/"


def strict(schema):
    """The same schema, which takes no field that it does not name. What stands in anyOf and its like sees a part of an object only, and stays."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = strict(made[key])
    if "properties" in made:
        made["properties"] = {field: strict(part) for field, part in made["properties"].items()}
        if not (made.get("x-kubernetes-preserve-unknown-fields") or made.get("x-kubernetes-embedded-resource")):
            made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def references(schema):
    """Names of the definitions that a schema uses."""
    if isinstance(schema, list):
        return set().union(*map(references, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(references, schema.values())) if schema else set()
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(REFERENCE):
        found.add(reference.removeprefix(REFERENCE))
    return found


def whole(schema, definitions):
    """A schema with every definition that it needs, so that no file refers to another."""
    needed, wanted = {}, references(schema)
    while wanted:
        name = wanted.pop()
        needed[name] = definitions[name]
        wanted |= references(definitions[name]) - needed.keys()
    return {**schema, "definitions": needed} if needed else schema


def write(folder, group, version, kind, schema):
    """Named as kubeconform names them: of a group, the part before the first dot."""
    middle = f"-{group.split('.')[0]}" if group else ""
    path = pathlib.Path(folder) / f"{kind.lower()}{middle.lower()}-{version.lower()}.json"
    path.write_text(json.dumps(schema))


def kubernetes(archive, member, folder):
    """The kinds of one version of Kubernetes, and what resources of others need of it."""
    document = json.loads(zipfile.ZipFile(archive).read(member))
    definitions = {name: LOOSE.get(name) or strict(schema) for name, schema in document["definitions"].items()}
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for name, schema in document["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        # Several kinds have what is asked of all of them, like options, and is in no manifest.
        if len(kinds) == 1 and not kinds[0]["kind"].endswith("List"):
            kind = kinds[0]
            write(folder, kind["group"], kind["version"], kind["kind"], whole(definitions[name], definitions))
    metadata = whole({"$ref": REFERENCE + METADATA}, definitions)
    (pathlib.Path(folder) / "metadata.json").write_text(json.dumps(metadata))


def resources(definitions, others, versions, folder):
    """The kinds of CustomResourceDefinitions, and those of others' that we write by hand."""
    metadata = json.loads((pathlib.Path(versions) / "metadata.json").read_text())
    frame = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": metadata["$ref"]},
    }
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)

    def framed(schema):
        made = strict(copy.deepcopy(schema))
        made["properties"].update(frame)
        return {**made, "definitions": metadata["definitions"]}

    for definition in json.loads(pathlib.Path(definitions).read_text())["documents"]:
        spec = definition["spec"]
        for version in spec["versions"]:
            schema = framed(version["schema"]["openAPIV3Schema"])
            write(folder, spec["group"], version["name"], spec["names"]["kind"], schema)
    for other in json.loads(pathlib.Path(others).read_text()):
        write(folder, other["group"], other["version"], other["kind"], framed(other["schema"]))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"kubernetes": kubernetes, "resources": resources}[command](*arguments)
