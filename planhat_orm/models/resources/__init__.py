"""Every model, one file each: fields, relations and what they mean, and nothing else."""

from .asset import Asset
from .campaign import Campaign
from .churn import Churn
from .company import Company
from .conversation import Conversation
from .custom_field import CustomField
from .deal import Deal
from .enduser import Enduser
from .invoice import Invoice
from .issue import Issue
from .license import License
from .line_item import LineItem
from .metric import Metric
from .note import Note
from .nps import NPS
from .objective import Objective
from .opportunity import Opportunity
from .product import Product
from .project import Project
from .sale import Sale
from .task import Task
from .ticket import Ticket
from .time_entry import TimeEntry
from .timesheet import Timesheet
from .user import User
from .user_activity import UserActivity
from .workflow import Workflow
from .workspace import Workspace

__all__ = [
    "NPS",
    "Asset",
    "Campaign",
    "Churn",
    "Company",
    "Conversation",
    "CustomField",
    "Deal",
    "Enduser",
    "Invoice",
    "Issue",
    "License",
    "LineItem",
    "Metric",
    "Note",
    "Objective",
    "Opportunity",
    "Product",
    "Project",
    "Sale",
    "Task",
    "Ticket",
    "TimeEntry",
    "Timesheet",
    "User",
    "UserActivity",
    "Workflow",
    "Workspace",
]
