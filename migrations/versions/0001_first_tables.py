"""The first tables: one for each resource, and the mirror's own notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.Double().with_variant(sa.NUMERIC(), "sqlite")
INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _mirror_alias()
    _mirror_change()
    _mirror_lease()
    _mirror_meta()
    _mirror_model()
    _mirror_outbox()
    _mirror_run()
    _mirror_stage()
    _asset()
    _campaign()
    _churn()
    _company()
    _conversation()
    _custom_field()
    _deal()
    _enduser()
    _invoice()
    _issue()
    _license()
    _line_item()
    _metric()
    _nps()
    _objective()
    _opportunity()
    _product()
    _project()
    _sale()
    _task()
    _ticket()
    _time_entry()
    _timesheet()
    _user()
    _workflow()
    _workspace()


def _mirror_alias() -> None:
    op.create_table(
        "mirror_alias",
        sa.Column("temporary", TEXT, primary_key=True),
        sa.Column("id", TEXT, nullable=False),
    )


def _mirror_outbox() -> None:
    op.create_table(
        "mirror_outbox",
        sa.Column("seq", KEY, primary_key=True),
        sa.Column("op_id", sa.Text(), nullable=False, unique=True),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("resource", TEXT, nullable=False),
        sa.Column("record", TEXT, nullable=False),
        sa.Column("patch", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.Text()),
    )
    op.create_index("mirror_outbox_record", "mirror_outbox", ["resource", "record"])
    op.create_index("mirror_outbox_state", "mirror_outbox", ["state", "seq"])


def _mirror_change() -> None:
    op.create_table(
        "mirror_change",
        sa.Column("seq", KEY, primary_key=True),
        sa.Column("run", KEY),
        sa.Column("resource", TEXT, nullable=False),
        sa.Column("record", TEXT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reverse", sa.Text()),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
    )
    op.create_index("mirror_change_record", "mirror_change", ["resource", "record", "seq"])
    op.create_index("mirror_change_seen", "mirror_change", ["seen_at"])


def _mirror_lease() -> None:
    op.create_table(
        "mirror_lease",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.Double()),
    )


def _mirror_meta() -> None:
    op.create_table(
        "mirror_meta",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text()),
    )


def _mirror_model() -> None:
    op.create_table(
        "mirror_model",
        sa.Column("resource", sa.Text(), primary_key=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.Text()),
        sa.Column("synced_at", sa.Text()),
        sa.Column("full_as_of", sa.Text()),
        sa.Column("first_as_of", sa.Text()),
        sa.Column("watermark", sa.Text()),
        sa.Column("method", sa.Text()),
        sa.Column("why", sa.Text()),
        sa.Column("known", sa.Text()),
        sa.Column("cursor", sa.Text()),
    )


def _mirror_run() -> None:
    op.create_table(
        "mirror_run",
        sa.Column("run", KEY, primary_key=True),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text()),
        sa.Column("requests", sa.Integer()),
        sa.Column("report", sa.Text()),
    )


def _mirror_stage() -> None:
    op.create_table(
        "mirror_stage",
        sa.Column("resource", TEXT, primary_key=True),
        sa.Column("record", TEXT, primary_key=True),
        sa.Column("body", sa.Text()),
    )


def _asset() -> None:
    op.create_table(
        "asset",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("name", TEXT),
        sa.Column("custom", JSON),
        sa.Column("followers", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("serial_number", TEXT),
        sa.Column("value", NUMBER),
        sa.Column("currency", TEXT),
        sa.Column("install_date", TEXT),
        sa.Column("status", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("owner_name", TEXT),
        sa.Column("usage", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("asset__company_id", "asset", ["company_id"])
    op.create_index("asset__external_id", "asset", ["external_id"])
    op.create_index("asset__source_id", "asset", ["source_id"])
    op.create_index("asset__updated_at", "asset", ["updated_at"])


def _campaign() -> None:
    op.create_table(
        "campaign",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("campaign_purpose", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("custom", JSON),
        sa.Column("usage", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("campaign__company_id", "campaign", ["company_id"])
    op.create_index("campaign__external_id", "campaign", ["external_id"])
    op.create_index("campaign__source_id", "campaign", ["source_id"])


def _churn() -> None:
    op.create_table(
        "churn",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("churn_date", TEXT),
        sa.Column("value", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("currency", TEXT),
        sa.Column("reasons", JSON),
        sa.Column("products", JSON),
        sa.Column("description", TEXT),
        sa.Column("comment", TEXT),
        sa.Column("only_downgrade", sa.Boolean()),
        sa.Column("snoozed", sa.Boolean()),
        sa.Column("source_id", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("churn__company_id", "churn", ["company_id"])
    op.create_index("churn__source_id", "churn", ["source_id"])
    op.create_index("churn__updated_at", "churn", ["updated_at"])


def _company() -> None:
    op.create_table(
        "company",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("co_owner_id", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("phase", TEXT),
        sa.Column("status", TEXT),
        sa.Column("domains", JSON),
        sa.Column("h", NUMBER),
        sa.Column("h_profile", TEXT),
        sa.Column("csm_score", NUMBER),
        sa.Column("mr", NUMBER),
        sa.Column("nrr30", NUMBER),
        sa.Column("mrr_total", NUMBER),
        sa.Column("nrr_total", NUMBER),
        sa.Column("mr_total", NUMBER),
        sa.Column("description", TEXT),
        sa.Column("address", TEXT),
        sa.Column("country", TEXT),
        sa.Column("city", TEXT),
        sa.Column("zip", TEXT),
        sa.Column("phone_primary", TEXT),
        sa.Column("web", TEXT),
        sa.Column("customer_from", TEXT),
        sa.Column("customer_to", TEXT),
        sa.Column("alerts", JSON),
        sa.Column("tags", JSON),
        sa.Column("products", JSON),
        sa.Column("embedded_licenses", JSON),
        sa.Column("embedded_sales", JSON),
        sa.Column("create_date", TEXT),
        sa.Column("last_updated", TEXT),
        sa.Column("last_renewal", TEXT),
        sa.Column("renewal_days_from_now", NUMBER),
        sa.Column("last_active", TEXT),
        sa.Column("followers", JSON),
        sa.Column("usage", JSON),
        sa.Column("last_touch", TEXT),
        sa.Column("last_touch_type", TEXT),
        sa.Column("last_touch_by_type", JSON),
        sa.Column("next_touch", TEXT),
        sa.Column("phase_since", TEXT),
        sa.Column("csm_score_log", JSON),
        sa.Column("features", JSON),
        sa.Column("sunits", JSON),
        sa.Column("shareable", JSON),
        sa.Column("last_activities", JSON),
        sa.Column("documents", JSON),
        sa.Column("org_root_id", TEXT),
        sa.Column("org_path", TEXT),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("org_mrr", NUMBER),
        sa.Column("org_arr", NUMBER),
        sa.Column("renewal_mrr", NUMBER),
        sa.Column("renewal_arr", NUMBER),
        sa.Column("org_mrr_total", NUMBER),
        sa.Column("org_arr_total", NUMBER),
        sa.Column("org_health_total", NUMBER),
        sa.Column("org_level", NUMBER),
        sa.Column("org_units", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("slug", TEXT),
        sa.Column("collaborators", JSON),
        sa.Column("renewal_date", TEXT),
        sa.Column("auto_renews", sa.Boolean()),
        sa.Column("nps", NUMBER),
        sa.Column("head_id", TEXT),
        sa.Column("h_diff", NUMBER),
        sa.Column("h_diff_date", TEXT),
        sa.Column("last_touch_time", TEXT),
        sa.Column("last_active_time", TEXT),
        sa.Column("next_touch_date", TEXT),
        sa.Column("links", JSON),
        sa.Column("last_performed_triggers", JSON),
        sa.Column("org_count", NUMBER),
        sa.Column("org_path_count", NUMBER),
        sa.Column("org_independent", sa.Boolean()),
        sa.Column("arr_total", NUMBER),
        sa.Column("days_in_phase", NUMBER),
        sa.Column("sentiment_score", NUMBER),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("company__external_id", "company", ["external_id"])
    op.create_index("company__org_root_id", "company", ["org_root_id"])
    op.create_index("company__owner_id", "company", ["owner_id"])
    op.create_index("company__source_id", "company", ["source_id"])
    op.create_index("company__updated_at", "company", ["updated_at"])


def _conversation() -> None:
    op.create_table(
        "conversation",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("subject", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("description", TEXT),
        sa.Column("snippet", TEXT),
        sa.Column("date", TEXT),
        sa.Column("out_date", TEXT),
        sa.Column("create_date", TEXT),
        sa.Column("type", TEXT),
        sa.Column("users", JSON),
        sa.Column("endusers", JSON),
        sa.Column("external_id", TEXT),
        sa.Column("activity_tags", JSON),
        sa.Column("starred", sa.Boolean()),
        sa.Column("pinned", sa.Boolean()),
        sa.Column("email_template_ids", JSON),
        sa.Column("is_open", sa.Boolean()),
        sa.Column("tags", JSON),
        sa.Column("waits_to_be_filtered", sa.Boolean()),
        sa.Column("time_bucket", JSON),
        sa.Column("archived", sa.Boolean()),
        sa.Column("number_of_parts", NUMBER),
        sa.Column("sender", JSON),
        sa.Column("history", JSON),
        sa.Column("is_seen", sa.Boolean()),
        sa.Column("has_more", sa.Boolean()),
        sa.Column("user_ids", JSON),
        sa.Column("assignee_name", TEXT),
        sa.Column("is_custom_type", sa.Boolean()),
        sa.Column("has_attachments", sa.Boolean()),
        sa.Column("number_of_relevant_parts", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("auto_tags", JSON),
        sa.Column("created_owner_id", TEXT),
        sa.Column("user_id", TEXT),
        sa.Column("followers", JSON),
        sa.Column("company_source_id", TEXT),
        sa.Column("note", TEXT),
        sa.Column("nick_name", TEXT),
        sa.Column("source", TEXT),
        sa.Column("task_id", TEXT),
        sa.Column("transcript", TEXT),
        sa.Column("category", TEXT),
        sa.Column("start_date", TEXT),
        sa.Column("end_date", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("use_subject", sa.Boolean()),
        sa.Column("comments", JSON),
        sa.Column("days", INTEGER),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("conversation__company_id", "conversation", ["company_id"])
    op.create_index("conversation__external_id", "conversation", ["external_id"])
    op.create_index("conversation__updated_at", "conversation", ["updated_at"])


def _custom_field() -> None:
    op.create_table(
        "custom_field",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("type", TEXT),
        sa.Column("parent", TEXT),
        sa.Column("is_featured", sa.Boolean()),
        sa.Column("is_hidden", sa.Boolean()),
        sa.Column("is_shared", sa.Boolean()),
        sa.Column("is_locked", sa.Boolean()),
        sa.Column("is_mandatory", sa.Boolean()),
        sa.Column("is_formula", sa.Boolean()),
        sa.Column("treat_undefined_as_zero", sa.Boolean()),
        sa.Column("formula", TEXT),
        sa.Column("list_values", JSON),
        sa.Column("filter", JSON),
        sa.Column("formula_refs", JSON),
        sa.Column("number_format", TEXT),
        sa.Column("sort_order", NUMBER),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )


def _deal() -> None:
    op.create_table(
        "deal",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("stage", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("followers", JSON),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("total", NUMBER),
        sa.Column("fees", NUMBER),
        sa.Column("currency", TEXT),
        sa.Column("close_date", TEXT),
        sa.Column("renewal_date", TEXT),
        sa.Column("start_date", TEXT),
        sa.Column("end_date", TEXT),
        sa.Column("subscription_count", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("deal__company_id", "deal", ["company_id"])
    op.create_index("deal__external_id", "deal", ["external_id"])
    op.create_index("deal__source_id", "deal", ["source_id"])
    op.create_index("deal__updated_at", "deal", ["updated_at"])


def _enduser() -> None:
    op.create_table(
        "enduser",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("email", TEXT),
        sa.Column("first_name", TEXT),
        sa.Column("last_name", TEXT),
        sa.Column("name", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("position", TEXT),
        sa.Column("phone", TEXT),
        sa.Column("tags", JSON),
        sa.Column("featured", sa.Boolean()),
        sa.Column("primary", sa.Boolean()),
        sa.Column("archived", sa.Boolean()),
        sa.Column("shared_notifications_prefs", JSON),
        sa.Column("nps_unsubscribed", sa.Boolean()),
        sa.Column("other_emails", JSON),
        sa.Column("related_endusers", JSON),
        sa.Column("last_active", TEXT),
        sa.Column("beats", NUMBER),
        sa.Column("beats_total", NUMBER),
        sa.Column("beat_trend", NUMBER),
        sa.Column("convs14", NUMBER),
        sa.Column("convs_total", NUMBER),
        sa.Column("experience", NUMBER),
        sa.Column("nps", NUMBER),
        sa.Column("nps_comment", TEXT),
        sa.Column("nps_date", TEXT),
        sa.Column("nps_sent", TEXT),
        sa.Column("last_touch", TEXT),
        sa.Column("last_touch_type", TEXT),
        sa.Column("last_touch_by_type", JSON),
        sa.Column("last_activities", JSON),
        sa.Column("custom", JSON),
        sa.Column("last_touch_time", TEXT),
        sa.Column("relevance", NUMBER),
        sa.Column("usage", JSON),
        sa.Column("personas", JSON),
        sa.Column("email_md5", TEXT),
        sa.Column("create_date", TEXT),
        sa.Column("sentiment_score", NUMBER),
        sa.Column("linked_in_url", TEXT),
        sa.Column("relevance_rate", NUMBER),
        sa.Column("description", TEXT),
        sa.Column("last_updated", TEXT),
        sa.Column("company_external_id", TEXT),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("enduser__company_id", "enduser", ["company_id"])
    op.create_index("enduser__email", "enduser", ["email"])
    op.create_index("enduser__external_id", "enduser", ["external_id"])
    op.create_index("enduser__source_id", "enduser", ["source_id"])
    op.create_index("enduser__updated_at", "enduser", ["updated_at"])


def _invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("currency", TEXT),
        sa.Column("product", TEXT),
        sa.Column("c_id", TEXT),
        sa.Column("c_name", TEXT),
        sa.Column("ext_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("invoice_date", INTEGER),
        sa.Column("last_updated", TEXT),
        sa.Column("invoice_no", NUMBER),
        sa.Column("due_date", INTEGER),
        sa.Column("paid_date", INTEGER),
        sa.Column("amount_total", NUMBER),
        sa.Column("amount_due", NUMBER),
        sa.Column("amount_paid", NUMBER),
        sa.Column("status", TEXT),
        sa.Column("line_items", JSON),
        sa.Column("emails", JSON),
        sa.Column("address_country", TEXT),
        sa.Column("invoice_cycle", TEXT),
        sa.Column("comments", JSON),
        sa.Column("custom", JSON),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("invoice__c_id", "invoice", ["c_id"])
    op.create_index("invoice__ext_id", "invoice", ["ext_id"])
    op.create_index("invoice__source_id", "invoice", ["source_id"])
    op.create_index("invoice__updated_at", "invoice", ["updated_at"])


def _issue() -> None:
    op.create_table(
        "issue",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("title", TEXT),
        sa.Column("description", TEXT),
        sa.Column("company_ids", JSON),
        sa.Column("embedded_companies", JSON),
        sa.Column("enduser_ids", JSON),
        sa.Column("embedded_endusers", JSON),
        sa.Column("conversation_ids", JSON),
        sa.Column("source_id", TEXT),
        sa.Column("source", TEXT),
        sa.Column("source_url", TEXT),
        sa.Column("priority", TEXT),
        sa.Column("archived", sa.Boolean()),
        sa.Column("status", TEXT),
        sa.Column("mrr_combined", NUMBER),
        sa.Column("arr_combined", NUMBER),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("followers", JSON),
        sa.Column("custom", JSON),
        sa.Column("company_matching_value", JSON),
        sa.Column("issue_type", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("issue__source_id", "issue", ["source_id"])
    op.create_index("issue__updated_at", "issue", ["updated_at"])


def _license() -> None:
    op.create_table(
        "license",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("product", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("from_date", TEXT),
        sa.Column("to_date", TEXT),
        sa.Column("fixed_period", sa.Boolean()),
        sa.Column("to_date_included", sa.Boolean()),
        sa.Column("length", NUMBER),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("value", NUMBER),
        sa.Column("renewal_status", TEXT),
        sa.Column("auto_renews", sa.Boolean()),
        sa.Column("renewal_period", NUMBER),
        sa.Column("renewal_unit", TEXT),
        sa.Column("notice_period", NUMBER),
        sa.Column("notice_unit", TEXT),
        sa.Column("renewal_date", TEXT),
        sa.Column("renewal_days_from_now", NUMBER),
        sa.Column("renewal_mrr", NUMBER),
        sa.Column("renewal_arr", NUMBER),
        sa.Column("is_overdue", sa.Boolean()),
        sa.Column("parent_id", TEXT),
        sa.Column("invoice_cycle", TEXT),
        sa.Column("invoice_cycle_interval", NUMBER),
        sa.Column("invoice_muted", sa.Boolean()),
        sa.Column("invoices_generated", sa.Boolean()),
        sa.Column("fc_new_mrr", NUMBER),
        sa.Column("fc_new_arr", NUMBER),
        sa.Column("fc_new_mrr_optimistic", NUMBER),
        sa.Column("fc_new_mrr_pessimistic", NUMBER),
        sa.Column("fc_new_arr_optimistic", NUMBER),
        sa.Column("fc_new_arr_pessimistic", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("fc_new_start_date", TEXT),
        sa.Column("sales_date", TEXT),
        sa.Column("status", TEXT),
        sa.Column("issues", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("license__company_id", "license", ["company_id"])
    op.create_index("license__external_id", "license", ["external_id"])
    op.create_index("license__source_id", "license", ["source_id"])


def _line_item() -> None:
    op.create_table(
        "line_item",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("deal_id", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("product_id", TEXT),
        sa.Column("product_name", TEXT),
        sa.Column("product_type", TEXT),
        sa.Column("status", TEXT),
        sa.Column("fixed_period", sa.Boolean()),
        sa.Column("from_date", TEXT),
        sa.Column("to_date", TEXT),
        sa.Column("length", NUMBER),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("value", NUMBER),
        sa.Column("currency", TEXT),
        sa.Column("auto_renews", sa.Boolean()),
        sa.Column("renewal_mrr", NUMBER),
        sa.Column("renewal_arr", NUMBER),
        sa.Column("renewal_period", NUMBER),
        sa.Column("notice_period", NUMBER),
        sa.Column("notice_unit", TEXT),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("line_item__company_id", "line_item", ["company_id"])
    op.create_index("line_item__deal_id", "line_item", ["deal_id"])
    op.create_index("line_item__external_id", "line_item", ["external_id"])
    op.create_index("line_item__source_id", "line_item", ["source_id"])
    op.create_index("line_item__updated_at", "line_item", ["updated_at"])


def _metric() -> None:
    op.create_table(
        "metric",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("dimension_id", TEXT),
        sa.Column("time", TEXT),
        sa.Column("value", NUMBER),
        sa.Column("model", TEXT),
        sa.Column("parent_id", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("metric__company_id", "metric", ["company_id"])


def _nps() -> None:
    op.create_table(
        "nps",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("c_id", TEXT),
        sa.Column("email", TEXT),
        sa.Column("eu_id", TEXT),
        sa.Column("campaign_id", TEXT),
        sa.Column("score", NUMBER),
        sa.Column("comment", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("date_sent", TEXT),
        sa.Column("date_answered", TEXT),
        sa.Column("source", TEXT),
        sa.Column("custom", JSON),
        sa.Column("score_type", TEXT),
        sa.Column("nps", NUMBER),
        sa.Column("nps_comment", TEXT),
        sa.Column("nps_date", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("nps__c_id", "nps", ["c_id"])
    op.create_index("nps__eu_id", "nps", ["eu_id"])
    op.create_index("nps__source_id", "nps", ["source_id"])


def _objective() -> None:
    op.create_table(
        "objective",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("health", NUMBER),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("custom", JSON),
        sa.Column("usage", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("objective__company_id", "objective", ["company_id"])
    op.create_index("objective__external_id", "objective", ["external_id"])
    op.create_index("objective__source_id", "objective", ["source_id"])


def _opportunity() -> None:
    op.create_table(
        "opportunity",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("sales_stage", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("deal_date", TEXT),
        sa.Column("landing_date", TEXT),
        sa.Column("close_date", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("title", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("nrr", NUMBER),
        sa.Column("contract_length", NUMBER),
        sa.Column("status", TEXT),
        sa.Column("stage_history", JSON),
        sa.Column("custom", JSON),
        sa.Column("recurring_value", NUMBER),
        sa.Column("probability", NUMBER),
        sa.Column("comments", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("opportunity__company_id", "opportunity", ["company_id"])
    op.create_index("opportunity__external_id", "opportunity", ["external_id"])
    op.create_index("opportunity__source_id", "opportunity", ["source_id"])


def _product() -> None:
    op.create_table(
        "product",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("type", TEXT),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("value", NUMBER),
        sa.Column("currency", TEXT),
        sa.Column("fixed_period", sa.Boolean()),
        sa.Column("auto_renews", sa.Boolean()),
        sa.Column("length", NUMBER),
        sa.Column("renewal_mrr", NUMBER),
        sa.Column("renewal_arr", NUMBER),
        sa.Column("renewal_period", NUMBER),
        sa.Column("notice_period", NUMBER),
        sa.Column("notice_unit", TEXT),
        sa.Column("packages", JSON),
        sa.Column("color", TEXT),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("product__external_id", "product", ["external_id"])
    op.create_index("product__source_id", "product", ["source_id"])
    op.create_index("product__updated_at", "product", ["updated_at"])


def _project() -> None:
    op.create_table(
        "project",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("start_date", TEXT),
        sa.Column("end_date", TEXT),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("nrr", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("project__company_id", "project", ["company_id"])
    op.create_index("project__external_id", "project", ["external_id"])
    op.create_index("project__source_id", "project", ["source_id"])


def _sale() -> None:
    op.create_table(
        "sale",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("currency", TEXT),
        sa.Column("product", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("sales_date", TEXT),
        sa.Column("value", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("sale__company_id", "sale", ["company_id"])
    op.create_index("sale__external_id", "sale", ["external_id"])
    op.create_index("sale__source_id", "sale", ["source_id"])


def _task() -> None:
    op.create_table(
        "task",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("main_type", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("start_time", TEXT),
        sa.Column("end_time", TEXT),
        sa.Column("date_done", TEXT),
        sa.Column("action", TEXT),
        sa.Column("description", TEXT),
        sa.Column("repeat", TEXT),
        sa.Column("repeat_days", NUMBER),
        sa.Column("type", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("owner_name", TEXT),
        sa.Column("status", TEXT),
        sa.Column("users", JSON),
        sa.Column("endusers", JSON),
        sa.Column("done_by_id", TEXT),
        sa.Column("shared", sa.Boolean()),
        sa.Column("snippet", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("checklist", JSON),
        sa.Column("is_archived", sa.Boolean()),
        sa.Column("activity_tags", JSON),
        sa.Column("no_specific_time", sa.Boolean()),
        sa.Column("overdue_notified", sa.Boolean()),
        sa.Column("custom", JSON),
        sa.Column("note_id", TEXT),
        sa.Column("owner_type", TEXT),
        sa.Column("workflow_id", TEXT),
        sa.Column("workflow_name", TEXT),
        sa.Column("workflow_step_id", TEXT),
        sa.Column("workflow_task_id", TEXT),
        sa.Column("workflow_template_id", TEXT),
        sa.Column("path", TEXT),
        sa.Column("parent_id", TEXT),
        sa.Column("children", JSON),
        sa.Column("comments", JSON),
        sa.Column("sort_position", NUMBER),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("task__company_id", "task", ["company_id"])
    op.create_index("task__owner_id", "task", ["owner_id"])
    op.create_index("task__parent_id", "task", ["parent_id"])
    op.create_index("task__source_id", "task", ["source_id"])
    op.create_index("task__updated_at", "task", ["updated_at"])


def _ticket() -> None:
    op.create_table(
        "ticket",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("source", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("email", TEXT),
        sa.Column("domains", JSON),
        sa.Column("company_external_id", TEXT),
        sa.Column("title", TEXT),
        sa.Column("description", TEXT),
        sa.Column("url", TEXT),
        sa.Column("tags", JSON),
        sa.Column("type", TEXT),
        sa.Column("severity", TEXT),
        sa.Column("product", TEXT),
        sa.Column("time_spent", NUMBER),
        sa.Column("status", TEXT),
        sa.Column("history", JSON),
        sa.Column("name", TEXT),
        sa.Column("agent_email", TEXT),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("sub_type", TEXT),
        sa.Column("subject", TEXT),
        sa.Column("snippet", TEXT),
        sa.Column("create_date", TEXT),
        sa.Column("update_date", TEXT),
        sa.Column("date", TEXT),
        sa.Column("in_date", TEXT),
        sa.Column("days", INTEGER),
        sa.Column("time_bucket", JSON),
        sa.Column("company_name", TEXT),
        sa.Column("endusers", JSON),
        sa.Column("users", JSON),
        sa.Column("sender", JSON),
        sa.Column("starred", sa.Boolean()),
        sa.Column("pinned", sa.Boolean()),
        sa.Column("is_open", sa.Boolean()),
        sa.Column("archived", sa.Boolean()),
        sa.Column("waits_to_be_filtered", sa.Boolean()),
        sa.Column("activity_tags", JSON),
        sa.Column("email_template_ids", JSON),
        sa.Column("custom", JSON),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ticket__company_id", "ticket", ["company_id"])
    op.create_index("ticket__source_id", "ticket", ["source_id"])
    op.create_index("ticket__updated_at", "ticket", ["updated_at"])


def _time_entry() -> None:
    op.create_table(
        "time_entry",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("company_id", TEXT),
        sa.Column("date", TEXT),
        sa.Column("hours", NUMBER),
        sa.Column("is_time_off", sa.Boolean()),
        sa.Column("description", TEXT),
        sa.Column("is_billable", sa.Boolean()),
        sa.Column("billing_code", TEXT),
        sa.Column("currency", TEXT),
        sa.Column("billable_rate", NUMBER),
        sa.Column("total_billed", NUMBER),
        sa.Column("cost_rate", NUMBER),
        sa.Column("total_cost", NUMBER),
        sa.Column("timesheet_status", TEXT),
        sa.Column("timesheet_id", TEXT),
        sa.Column("assigned_model", TEXT),
        sa.Column("assigned_id", TEXT),
        sa.Column("path", TEXT),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("time_entry__company_id", "time_entry", ["company_id"])
    op.create_index("time_entry__updated_at", "time_entry", ["updated_at"])


def _timesheet() -> None:
    op.create_table(
        "timesheet",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("approved_by_id", TEXT),
        sa.Column("status", TEXT),
        sa.Column("time_entries", JSON),
        sa.Column("date_of_approval", TEXT),
        sa.Column("date_from", INTEGER),
        sa.Column("date_to", INTEGER),
        sa.Column("assigned_model", TEXT),
        sa.Column("assigned_id", TEXT),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("timesheet__updated_at", "timesheet", ["updated_at"])


def _user() -> None:
    op.create_table(
        "user",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("email", TEXT),
        sa.Column("nick_name", TEXT),
        sa.Column("first_name", TEXT),
        sa.Column("last_name", TEXT),
        sa.Column("roles", JSON),
        sa.Column("external_id", TEXT),
        sa.Column("inactive", sa.Boolean()),
        sa.Column("image", JSON),
        sa.Column("radar_one_line", sa.Boolean()),
        sa.Column("task_filter", JSON),
        sa.Column("company_filter", TEXT),
        sa.Column("compressed_view", sa.Boolean()),
        sa.Column("is_hidden", sa.Boolean()),
        sa.Column("notifications_enabled", sa.Boolean()),
        sa.Column("create_date", TEXT),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("permissions", JSON),
        sa.Column("tz_offset", NUMBER),
        sa.Column("managers", JSON),
        sa.Column("teams", JSON),
        sa.Column("is_exposed_as_sender_option", sa.Boolean()),
        sa.Column("custom", JSON),
        sa.Column("removed", sa.Boolean()),
        sa.Column("poc", JSON),
        sa.Column("daily_digest", sa.Boolean()),
        sa.Column("follower_update", sa.Boolean()),
        sa.Column("in_app_notifications", sa.Boolean()),
        sa.Column("default_meeting_length", NUMBER),
        sa.Column("default_currency_id", TEXT),
        sa.Column("mrr", NUMBER),
        sa.Column("arr", NUMBER),
        sa.Column("mrr_avg", NUMBER),
        sa.Column("arr_avg", NUMBER),
        sa.Column("nps_avg", NUMBER),
        sa.Column("health_avg", NUMBER),
        sa.Column("health_avg_round", NUMBER),
        sa.Column("customer_count", NUMBER),
        sa.Column("paying_customer_count", NUMBER),
        sa.Column("revenue_share", NUMBER),
        sa.Column("last_touch7", NUMBER),
        sa.Column("last_touch30", NUMBER),
        sa.Column("last_touch90", NUMBER),
        sa.Column("last_active7", NUMBER),
        sa.Column("last_active30", NUMBER),
        sa.Column("last_active90", NUMBER),
        sa.Column("nr_open_tasks", NUMBER),
        sa.Column("nr_over_due_tasks", NUMBER),
        sa.Column("nr_tasks_due7_days", NUMBER),
        sa.Column("nr_tasks_due14_days", NUMBER),
        sa.Column("nr_tasks_due30_days", NUMBER),
        sa.Column("nr_tasks_due90_days", NUMBER),
        sa.Column("google_api", JSON),
        sa.Column("ms_api", JSON),
        sa.Column("type", TEXT),
        sa.Column("account_access", JSON),
        sa.Column("last_daily_digest", TEXT),
        sa.Column("playlist_section", JSON),
        sa.Column("google_calendar_api", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("user__email", "user", ["email"])
    op.create_index("user__external_id", "user", ["external_id"])
    op.create_index("user__updated_at", "user", ["updated_at"])


def _workflow() -> None:
    op.create_table(
        "workflow",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("type", TEXT),
        sa.Column("status", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("template_id", JSON),
        sa.Column("target_id", TEXT),
        sa.Column("target_name", TEXT),
        sa.Column("target_model", TEXT),
        sa.Column("end_user_email", TEXT),
        sa.Column("start_date", TEXT),
        sa.Column("next_start_time", TEXT),
        sa.Column("expected_end_date", TEXT),
        sa.Column("expected_days", NUMBER),
        sa.Column("actual_days", NUMBER),
        sa.Column("percent_done", NUMBER),
        sa.Column("is_archived", sa.Boolean()),
        sa.Column("archive_date", TEXT),
        sa.Column("open_rate", NUMBER),
        sa.Column("click_rate", NUMBER),
        sa.Column("reply_rate", NUMBER),
        sa.Column("bounce_rate", NUMBER),
        sa.Column("custom", JSON),
        sa.Column("created_at", TEXT),
        sa.Column("updated_at", TEXT),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("workflow__company_id", "workflow", ["company_id"])
    op.create_index("workflow__updated_at", "workflow", ["updated_at"])


def _workspace() -> None:
    op.create_table(
        "workspace",
        sa.Column("pk", KEY, primary_key=True),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("name", TEXT),
        sa.Column("owner_id", TEXT),
        sa.Column("company_id", TEXT),
        sa.Column("company_name", TEXT),
        sa.Column("external_id", TEXT),
        sa.Column("source_id", TEXT),
        sa.Column("custom", JSON),
        sa.Column("v", NUMBER),
        sa.Column("_extra", sa.Text()),
        sa.Column("_hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("workspace__company_id", "workspace", ["company_id"])
    op.create_index("workspace__external_id", "workspace", ["external_id"])
    op.create_index("workspace__source_id", "workspace", ["source_id"])
