"""The OpenAPI documents: valid, up to date with the tables that serve, and complete."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from interparty import carrier_routes, openapi, trust_routes

FOLDER = Path(__file__).parents[2] / "docs" / "openapi"
DOCUMENTS = {"trust-party": openapi.trust_party, "carrier": openapi.carrier}


@pytest.fixture(params=sorted(DOCUMENTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(name: str) -> dict[str, Any]:
    return DOCUMENTS[name]()


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def test_what_is_kept_in_docs_is_what_is_served(name: str, document: dict[str, Any]) -> None:
    command = {"trust-party": "ascs trust openapi", "carrier": "ascs gateway openapi"}[name]
    assert (FOLDER / f"{name}.json").read_text() == openapi.text(document), (
        f"run: {command} >docs/openapi/{name}.json"
    )


def test_it_is_openapi_3_1_and_its_schemas_are_json_schema(document: dict[str, Any]) -> None:
    assert [fault.message for fault in jsonschema_rs.validator_for(OPENAPI_31).iter_errors(document)] == []
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: dict[str, Any]) -> None:
    refs = {node["$ref"] for node in nodes(document) if "$ref" in node}
    for ref in refs:
        at: Any = document
        for part in ref.removeprefix("#/").split("/"):
            at = at[part]
    schemas = {f"#/components/schemas/{schema}" for schema in document["components"]["schemas"]}
    assert schemas <= refs


def test_every_field_message_and_value_is_described(document: dict[str, Any]) -> None:
    silent = [
        place
        for schema, body in document["components"]["schemas"].items()
        for place, described in {
            schema: body,
            **{f"{schema}.{n}": p for n, p in body.get("properties", {}).items()},
        }.items()
        if not described.get("description")
    ]
    silent += [
        f"{path}.{parameter.get('name')}"
        for path, item in document["paths"].items()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if not (parameter.get("description") or "$ref" in parameter)
    ]
    assert silent == []


def test_every_operation_says_who_asks_and_what_repeating_does(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            assert "\n\nFor: " in operation["description"]
            if "x-websocket" not in operation:
                assert "Repeated: " in operation["description"]


@pytest.mark.parametrize("status", ["400", "404", "405", "413", "415", "422", "429", "503"])
def test_every_refusal_is_a_problem(document: dict[str, Any], status: str) -> None:
    response = document["components"]["responses"][f"Problem{status}"]
    assert list(response["content"]) == ["application/problem+json"]
    for item in document["paths"].values():
        for method, operation in item.items():
            if method == "post":
                assert status in operation["responses"]


def test_what_a_trust_party_asks_of_carriers_is_in_its_document_as_the_carrier_describes_it() -> None:
    asked, offered = openapi.trust_party()["webhooks"], openapi.carrier()["paths"]
    assert {"carrierRequestConfirmations", "carrierQueryNumber", "carrierDeliverKey"} <= asked.keys()
    for name, hook in asked.items():
        [(method, operation)] = hook.items()
        assert operation["operationId"] == name
        path = operation["description"].split("`")[1].partition(" ")[2]
        own = offered[path][method]
        same = ("summary", "requestBody", "responses", "parameters")
        assert [operation.get(each) for each in same] == [own.get(each) for each in same]


def test_every_signed_operation_takes_and_gives_the_signature(document: dict[str, Any]) -> None:
    assert document["security"] == [{"certificate": [], "signature": []}]
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {
                each["$ref"].rsplit("/", 1)[1] for each in operation.get("parameters", ()) if "$ref" in each
            }
            assert (named >= {"Content-Digest", "Signature-Input", "Signature"}) is (path != "/health")


def test_no_person_and_no_secret_is_in_the_examples(document: dict[str, Any]) -> None:
    assert "msisdn" not in json.dumps(openapi.trust_party())


def test_the_documents_have_the_routes_of_the_tables() -> None:
    for table, document in (
        (trust_routes.OPERATIONS, openapi.trust_party()),
        (carrier_routes.OPERATIONS, openapi.carrier()),
    ):
        served = {(each.path, each.method.lower()) for each in table}
        described = {(path, method) for path, item in document["paths"].items() for method in item}
        assert described >= served


def test_every_example_is_what_its_schema_takes_and_most_operations_have_one(
    document: dict[str, Any],
) -> None:
    without = set()
    for item in document["paths"].values():
        for operation in item.values():
            bodies = [operation.get("requestBody"), *operation["responses"].values()]
            contents = [
                body["content"]["application/json"]
                for body in bodies
                if "application/json" in (body or {}).get("content", {})
            ]
            for content in contents:
                if "example" in content:
                    whole = {**content["schema"], "components": document["components"]}
                    jsonschema_rs.validator_for(whole).validate(content["example"])
                else:
                    without.add(operation["operationId"])
    assert without <= {
        "queryKeyEvidence", "reportKeyEvents", "queryEvidenceByNumber", "queryNumber", "assertSessions",
    }  # fmt: skip
