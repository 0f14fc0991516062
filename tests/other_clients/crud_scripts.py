"""Scripts for other people's clients, run by their own interpreter: argument 1 is the emulator's address.

Nothing of the clients is changed; they have no setting for the address, so it is put where theirs stands.
"""

CRUDS = """
import sys
from cruds.interfaces.planhat import logic
logic.PLANHAT_API_HOST = logic.PLANHAT_ANALYTICS_HOST = sys.argv[1] + "/"
from cruds.interfaces.planhat import Planhat

planhat = Planhat(api_token="test-token", tenant_token="test-tenant")
made = planhat.company.create({"name": "Acme", "externalId": "a-1", "sourceId": "s-1"})
for key in (made["_id"], "extid-a-1", "srcid-s-1"):
    assert planhat.company.get_by_id(key)["name"] == "Acme", key
assert planhat.company.update("extid-a-1", {"phase": "Live"})["phase"] == "Live"
answer = planhat.company.bulk_upsert(
    [{"externalId": "a-1", "phase": "Renewal"}, {"externalId": "a-2", "name": "Beta"}], raise_on_error=True
)
assert (answer["created"], answer["updated"]) == (1, 1), answer
rows = [row for page in planhat.company.get_list(limit=1) for row in page]
assert sorted(row["name"] for row in rows) == ["Acme", "Beta"], rows
assert {row["name"] for row in planhat.company.get_lean_list(external_id="a-2")} == {"Beta"}
licence = {"product": "Premium", "companyId": "extid-a-1", "_currency": "EUR", "value": 1200, "fromDate": "2026-01-01"}
assert planhat.license.bulk_upsert([licence, licence | {"product": "Basic"}], raise_on_error=True)["created"] == 2
metric = {"dimensionId": "logins", "value": 5, "externalId": "a-1", "date": "2026-05-01"}
assert planhat.metrics.bulk_insert_metrics([metric])["processed"] == 1
day = planhat.metrics.epoch_days_format("2026-05-01")
found = [row for page in planhat.metrics.get_dimension_data(day, day + 1) for row in page]
assert [row["value"] for row in found] == [5], found
planhat.user_activity.create_activity({"email": "ada@acme.example", "action": "login", "companyExternalId": "a-1"})
planhat.user_activity.create_activity([{"email": "ada@acme.example", "action": "logout"}], bulk=True)
planhat.user_activity.segment({"type": "track", "userId": "u1", "event": "report"})
assert planhat.company.delete(made["_id"])["deletedCount"] == 1
"""

ROBOCORP = """
import sys
from planhat import session
session.BASE_PH_URL = session.BASE_PH_ANALYTICS_URL = sys.argv[1]
from planhat import Planhat, types

client = Planhat(api_key="test-token", tenant_uuid="test-tenant", use_caching=False)
made = client.create_object(types.Company({"name": "Acme", "externalId": "a-1", "sourceId": "s-1"}))
for kind, key in ((None, made.id), (types.PlanhatIdType.EXTERNAL_ID, "a-1"), (types.PlanhatIdType.SOURCE_ID, "s-1")):
    arguments = {"object_type": types.Company, "id": key} | ({} if kind is None else {"id_type": kind})
    assert client.get_object_by_id(**arguments)["name"] == "Acme", kind
client.session.create_analytics({"email": "ada@acme.example", "action": "login", "companyExternalId": "a-1"})
client.session.create_bulk_activities([{"email": "ada@acme.example", "action": "logout"}])
made["phase"] = "Live"
assert client.update_object(types.Company({"externalId": "a-1", "phase": "Live"}))["phase"] == "Live"
rows = types.Company.from_list([{"externalId": "a-1", "phase": "Renewal"}, {"externalId": "a-2", "name": "Beta"}])
answer = client.update_objects(rows)
assert (answer["created"], answer["updated"]) == (1, 1), answer
assert {row["name"] for row in client.get_objects(object_type=types.Company, properties=["name"])} == {"Acme", "Beta"}
assert {row["name"] for row in client.list_all_companies()} == {"Acme", "Beta"}
client.delete_planhat_object(types.Company({"_id": made.id}))
assert {row["name"] for row in client.list_all_companies()} == {"Beta"}
"""
