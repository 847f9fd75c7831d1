"""Parts of .ci/deploy: `rules` prints the rules of Prometheus as objects of the Prometheus Operator; `validate FILE VERSION…`
validates rendered manifests, each object by the schema of its kind; `sbom FILE` validates the list of crates of the binary.

Kubernetes' own kinds are validated by kubernetes-validate, strictly: a field that the schema does not know is a mistake. It ends
well on kinds that it does not know. Those are validated here, by the operators' own schemas in .ci/crds/: of the Prometheus
Operator 0.93.0 and CloudNativePG 1.30.0, both under the licence Apache-2.0, without their descriptions. The schemas of cert-manager's
kinds are written by hand: they have only the fields that k8s/ uses. A kind that nobody knows is a mistake.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = ROOT / "observability/prometheus/rules"
CRDS = ROOT / ".ci/crds"


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data):
        return True


def text(dumper, value):
    """A text as YAML."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def rules():
    """Prints a PrometheusRule of each file of rules."""
    print("# Written by `bash .ci/deploy rules` from observability/prometheus/rules/: change those. `bash .ci/deploy` compares.")
    for file in sorted(RULES.glob("*.yml")):
        rule = {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": file.stem, "labels": {"app.kubernetes.io/part-of": "levqor"}},
            "spec": {"groups": yaml.safe_load(file.read_text())["groups"]},
        }
        print("---")
        print(yaml.dump(rule, Dumper=Dumper, sort_keys=False, width=160, allow_unicode=True), end="")


def strict(schema):
    """A schema of a custom resource as JSON Schema that allows no other fields, as Kubernetes prunes them."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    done = {}
    for key, value in schema.items():
        # Names of fields are not words of the schema.
        done[key] = {name: strict(part) for name, part in value.items()} if key == "properties" else strict(value)
    if "properties" in done and "additionalProperties" not in done and not schema.get("x-kubernetes-preserve-unknown-fields"):
        done["additionalProperties"] = False
    return done


def custom():
    """The schemas of the operators' kinds."""
    found = {}
    for file in CRDS.glob("*.json"):
        crd = json.loads(file.read_text())
        schema = strict(crd["schema"])
        # The API server knows these three itself.
        schema["properties"].update({"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}})
        found[crd["apiVersion"], crd["kind"]] = jsonschema.Draft202012Validator(schema)
    return found


def mistakes_of(one, schemas, versions):
    """The mistakes of one object."""
    name = f"{one.get('kind')} {one.get('metadata', {}).get('name')}"
    schema = schemas.get((one.get("apiVersion"), one.get("kind")))
    if schema:
        return [f"{name}: {error.json_path}: {error.message[:300]}" for error in schema.iter_errors(one)]
    mistakes = []
    for version in versions:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            mistakes.append(f"{name} in Kubernetes {version}: {path}: {error.message[:300]}")
        except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
            mistakes.append(f"{name} in Kubernetes {version}: nobody knows this kind ({error})")
    return mistakes


# What must be found: a field that no Kubernetes knows, a kind that nobody knows, and both mistakes in the operators' kinds.
FAULTY = """
{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIp: None}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: b}, spec: {}}
---
{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: c}, spec: {instances: three, storage: {size: 1Gi}}}
---
{apiVersion: monitoring.coreos.com/v1, kind: PodMonitor, metadata: {name: d}, spec: {selector: {}, podMetricsEndpoint: []}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: e}, spec: {secretName: e, usages: [server], issuerRef: {name: e}}}
---
{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: f}, spec: {ca: {secret: f}}}
"""


def validate(file, versions):
    """Validates each object of a file; prints every mistake."""
    schemas = custom()
    for one in yaml.safe_load_all(FAULTY):
        if not mistakes_of(one, schemas, versions):
            print(f"the validation finds no mistake in this one: {one}")
            return 1
    objects = [one for one in yaml.safe_load_all(pathlib.Path(file).read_text()) if one]
    mistakes = [mistake for one in objects for mistake in mistakes_of(one, schemas, versions)]
    if len(objects) < 10:
        mistakes.append(f"only {len(objects)} objects were rendered")
    kinds = {one.get("kind") for one in objects}
    print(f"{pathlib.Path(file).stem}: {len(objects)} objects of {len(kinds)} kinds, {len(mistakes)} mistakes")
    print("\n".join(mistakes), end="\n" if mistakes else "")
    return 1 if mistakes else 0


def sbom(file):
    """Validates a software bill of materials of the binary, by the schema of CycloneDX 1.6; prints every mistake."""
    text = pathlib.Path(file).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    mistakes = [str(error)[:300]] if error else []
    crates = json.loads(text).get("components", [])
    names = {crate["name"] for crate in crates}
    # Something of each kind: linked, run by a build, our own, of tests.
    mistakes += [f"{name} is missing" for name in ("sqlx", "prost-build", "levqor-runtime") if name not in names]
    mistakes += [f"{name} is only for tests" for name in ("wiremock", "insta", "proptest") if name in names]
    licensing = get_spdx_licensing()
    for crate in crates:
        licences = crate.get("licenses", [])
        if not licences or licensing.validate(licences[0]["expression"]).errors:
            mistakes.append(f"{crate['name']} has no licence of SPDX: {licences}")
        if "hashes" not in crate and not crate["name"].startswith("levqor-"):
            mistakes.append(f"{crate['name']} has no hash")
    print(f"{len(crates)} crates in the binary, {len(mistakes)} mistakes")
    print("\n".join(mistakes), end="\n" if mistakes else "")
    return 1 if mistakes else 0


if __name__ == "__main__":
    if sys.argv[1] == "rules":
        rules()
    elif sys.argv[1] == "sbom":
        sys.exit(sbom(sys.argv[2]))
    else:
        sys.exit(validate(sys.argv[2], sys.argv[3:]))
