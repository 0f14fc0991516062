"""A member of your own team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fields import Bool, CustomFields, DateTime, Dict, Int, Key, List, Many, Number, RefList, Str, StrList
from ..base import Model

if TYPE_CHECKING:
    from .company import Company
    from .task import Task


class User(Model, resource="user"):
    """A member of your own team."""

    email = Str(required=True, doc="Email; keyable.")
    nick_name = Str(required=True, doc="Display name.")
    first_name = Str(required=True, doc="Given name.")
    last_name = Str(required=True, doc="Family name.")
    roles = RefList(doc="Role ids.")
    external_id = Key(doc="User id in your own system; keyable.")
    inactive = Bool(doc="Cannot log in.")
    image = Dict(readonly=True, doc="{path}.")
    radar_one_line = Bool(readonly=True, doc="Internal.")
    task_filter = Dict(readonly=True, doc="Internal; string in a payload.")
    company_filter = Str(readonly=True, doc="Internal.")
    compressed_view = Bool(readonly=True, doc="Internal.")
    is_hidden = Bool(doc="Not shown in the app.")
    notifications_enabled = Bool(doc="Whether notifications are sent.")
    create_date = DateTime(readonly=True, doc="Creation time.")
    created_at = DateTime(readonly=True, doc="Creation time.")
    updated_at = DateTime(readonly=True, doc="Last update time.")
    permissions = List(readonly=True, doc="What the user may do.")
    tz_offset = Number(doc="Offset of the user's time zone.")
    managers = RefList(doc="Ids of the user's managers.")
    teams = RefList(doc="Ids of the user's teams.")
    is_exposed_as_sender_option = Bool(doc="Whether others may send as this user.")
    custom = CustomFields()
    removed = Bool(readonly=True, doc="No longer in the team.")
    poc = StrList(doc="Companies the user is point of contact for.")
    daily_digest = Bool(doc="Whether a daily digest is sent.")
    follower_update = Bool(doc="Whether news of followed records is sent.")
    in_app_notifications = Bool(doc="Whether the app shows notifications.")
    default_meeting_length = Number(doc="Minutes.")
    default_currency_id = Str(doc="Id of the currency the app shows.")
    mrr = Number(readonly=True, doc="Portfolio figure.")
    arr = Number(readonly=True, doc="Portfolio figure.")
    mrr_avg = Number(readonly=True, doc="Portfolio figure.")
    arr_avg = Number(readonly=True, doc="Portfolio figure.")
    nps_avg = Number(readonly=True, doc="Portfolio figure.")
    health_avg = Number(readonly=True, doc="Portfolio figure.")
    health_avg_round = Number(readonly=True, doc="Portfolio figure.")
    customer_count = Number(readonly=True, doc="Portfolio figure.")
    paying_customer_count = Number(readonly=True, doc="Portfolio figure.")
    revenue_share = Number(readonly=True, doc="Portfolio figure.")
    last_touch7 = Number(readonly=True, doc="Portfolio figure.")
    last_touch30 = Number(readonly=True, doc="Portfolio figure.")
    last_touch90 = Number(readonly=True, doc="Portfolio figure.")
    last_active7 = Number(readonly=True, doc="Portfolio figure.")
    last_active30 = Number(readonly=True, doc="Portfolio figure.")
    last_active90 = Number(readonly=True, doc="Portfolio figure.")
    nr_open_tasks = Number(readonly=True, doc="Portfolio figure.")
    nr_over_due_tasks = Number(readonly=True, doc="Portfolio figure.")
    nr_tasks_due7_days = Number(readonly=True, doc="Portfolio figure.")
    nr_tasks_due14_days = Number(readonly=True, doc="Portfolio figure.")
    nr_tasks_due30_days = Number(readonly=True, doc="Portfolio figure.")
    nr_tasks_due90_days = Number(readonly=True, doc="Portfolio figure.")
    google_api = Dict(readonly=True, doc="{accessEnabled, syncEnabled, syncInitial, syncedLabels[]}.")
    ms_api = Dict(readonly=True, doc="Same shape.")
    type = Str(readonly=True, doc="What kind of user it is.")
    account_access = Dict(readonly=True, doc="Which companies the user sees.")
    last_daily_digest = DateTime(readonly=True, doc="When the last daily digest was sent.")
    playlist_section = Dict(readonly=True, doc="Internal.")
    google_calendar_api = Dict(readonly=True, doc="Connection to the calendar.")
    v = Int(wire="__v", readonly=True, doc="Mongoose version counter, present in most raw responses.")

    companies: Many[Company] = Many("Company", via="owner_id", doc="The companies it owns.")
    tasks: Many[Task] = Many("Task", via="owner_id", doc="The tasks assigned to it.")
