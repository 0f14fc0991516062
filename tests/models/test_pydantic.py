"""Records as plain dicts, as fields of pydantic models, and in FastAPI's endpoints."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Annotated, Any

import pydantic
import pytest
from fastapi import Body, FastAPI
from pydantic import BaseModel, TypeAdapter

from planhat_orm import Company, Custom, License, Model
from planhat_orm.models import resources as declared

from ..online import bare_environment, online
from ..webhooks.conftest import Served

__all__ = ["bare_environment", "online"]

WIRE = {
    "_id": "5f" * 12,
    "name": "Acme",
    "h": 7,
    "createDate": "2024-01-02T03:04:05.678Z",
    "tags": ["a"],
    "custom": {"Tier": "A", "Seats": 3},
    "unheardOf": 1,
}


class Account(Company):
    tier = Custom("Tier", str)


def test_a_dict_has_what_is_known_by_python_name() -> None:
    account = Account.from_wire(WIRE)
    account.phase = "Live"
    account.tier = "B"
    assert account.to_dict() == {
        "id": "5f" * 12,
        "name": "Acme",
        "h": 7,
        "create_date": datetime(2024, 1, 2, 3, 4, 5, 678000, UTC),
        "tags": ["a"],
        "custom": {"Seats": 3},
        "tier": "B",
        "phase": "Live",
    }
    names = [f"f{number}" for number in range(20)]
    declared: Any = type("Wide", (Company,), {name: Custom(name.upper(), str) for name in names})
    wide = declared.from_wire({"custom": {name.upper(): name for name in reversed(names)}})
    assert [name for name in wide.to_dict() if name in names] == names, "declared fields stand in their order"
    account.to_dict()["tags"].append("b")
    assert account.tags == ["a"] and set(account.changes()) == {"phase", "tier"}
    assert account.to_dict(wire=True) == account.to_wire()
    assert account.to_dict(wire=True)["unheardOf"] == 1


def test_a_dict_has_ids_for_references_and_shares_no_list_with_the_record() -> None:
    licence = License(product="Core")
    licence.company = Company(name="Acme")
    assert licence.to_dict() == {"product": "Core", "company_id": None}
    tagged: Any = type("Tagged", (Company,), {"goals": Custom("Goals", list)})
    company = tagged.from_wire({"_id": "5f" * 12, "custom": {"Goals": ["a"]}})
    company.to_dict()["goals"].append("b")
    assert (company.goals, company.changes()) == (["a"], {})


@pytest.mark.parametrize("model", [getattr(declared, name) for name in declared.__all__])
def test_every_model_has_a_schema_whose_fields_are_its_own(model: type[Model]) -> None:
    for mode in ("validation", "serialization"):
        schema = TypeAdapter(model).json_schema(mode=mode)
        shown = schema.get("properties") or schema["$defs"][model.__name__]["properties"]
        assert list(shown) == list(model._meta.fields)


def test_records_are_fields_of_pydantic_models() -> None:
    class Renewal(BaseModel):
        company: Company
        licences: list[License] = []

    company = Company.from_wire(WIRE)
    renewal = Renewal.model_validate(
        {"company": company, "licences": [{"product": "Core", "from_date": "2026-01-01T00:00:00Z"}]}
    )
    assert renewal.company is company
    assert renewal.licences[0].from_date == datetime(2026, 1, 1, tzinfo=UTC)
    assert set(renewal.licences[0].changes()) == {"product", "from_date"}
    assert renewal.model_dump()["company"]["create_date"] == company.create_date
    assert '"create_date":"2024-01-02T03:04:05.678000Z"' in renewal.model_dump_json()


@pytest.mark.parametrize("value", [{"nam": "x"}, {"h": "many"}, {"mrr": 5.0}, [], "5f", {"phase": 7}])
def test_what_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        TypeAdapter(Company).validate_python(value)


def test_days_are_days() -> None:
    class Reviewed(Company):
        review = Custom("Next review day", date)

    record = TypeAdapter(Reviewed).validate_json('{"name": "x", "review": "2026-03-01"}')
    assert record.review == date(2026, 3, 1)
    assert b'"review":"2026-03-01"' in TypeAdapter(Reviewed).dump_json(record)


def test_fastapi_serves_a_record_a_list_and_async_endpoints_with_a_schema(online: Any) -> None:
    import httpx

    emulator, planhat = online(5)
    names = sorted(row["name"] for row in emulator.store.all("company"))
    app = FastAPI()

    @app.get("/companies/{id}")
    def one(id: str) -> Company:
        return Company.objects.using(planhat).get(id=id)

    @app.get("/companies")
    async def several() -> list[Company]:
        return [company async for company in Company.objects.using(planhat).order_by("name").aiterator()]

    @app.post("/companies")
    async def add(company: Annotated[Company, Body()]) -> Company:
        await company.asave(using=planhat)
        return company

    served = Served(app, "on", planhat._holdings.async_driver.close)
    try:
        with httpx.Client(base_url=served.url, trust_env=False) as web:
            everything = web.get("/companies").json()
            first = web.get(f"/companies/{everything[0]['id']}").json()
            added = web.post("/companies", json={"name": "Beacon", "external_id": "b-1"})
            refused = web.post("/companies", json={"nam": "Beacon"})
            schema = web.get("/openapi.json").json()
    finally:
        served.stop()
    assert [row["name"] for row in everything] == names
    assert first["name"] == everything[0]["name"]
    assert (added.status_code, added.json()["external_id"], refused.status_code) == (200, "b-1", 422)
    shown = next(value for name, value in schema["components"]["schemas"].items() if name.startswith("Company"))
    assert shown["properties"]["phase"]["anyOf"][0] == {"type": "string"}
    assert shown["properties"]["create_date"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert shown["properties"]["mrr"]["readOnly"] is True
    answer = schema["paths"]["/companies/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["$ref"].startswith("#/components/schemas/Company")


def test_pydantic_is_loaded_by_who_uses_it() -> None:
    code = "import sys, planhat_orm; planhat_orm.Company(name='x').to_dict(); print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
