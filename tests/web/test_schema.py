"""The OpenAPI schema, and what schemathesis makes of it: no request breaks the server."""

import pytest

from ribospace.web.app import make_app
from ribospace.web.served import Served

EXAMPLES = 25


def test_the_schema_names_every_answer(shared, client_of):
    schema = client_of(shared).client.get("/api/openapi.json").json()
    assert {"/api/health", "/api/search", "/api/embed", "/api/neighbours", "/api/relations", "/api/fold"} <= set(
        schema["paths"]
    )
    for path, methods in schema["paths"].items():
        for method, one in methods.items():
            assert one.get("description") or one.get("summary"), (method, path)
            assert "422" in one["responses"], (method, path)


def test_no_request_breaks_the_server(shared):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error

    served = Served.open(shared, hosts=("testserver", "localhost"))
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", make_app(served))
    asked = 0
    try:
        for operation in schema.get_all_operations():
            cases = operation.ok().as_strategy()

            @settings(
                max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=cases)
            def one(case):
                nonlocal asked
                asked += 1
                case.call_and_validate(checks=[not_a_server_error])

            one()
    finally:
        served.close()
    assert asked > EXAMPLES
