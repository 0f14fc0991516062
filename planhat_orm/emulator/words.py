"""The words that a seeded tenant is made of. All people and companies are invented; domains end in .example."""

from __future__ import annotations


def _words(text: str, by: str = " ") -> tuple[str, ...]:
    return tuple(text.split(by))


FIRST = _words(
    "Ada Bela Cyra Dario Elif Faro Gita Hanno Ilse Jaro Kaya Lior Mina Nilo Orla Paco Quinn Runa Sven Tara Uri Vera "
    "Wim Xenia Yara Zeno Amir Britt Celio Dunja Emre Fenna"
)
LAST = _words(
    "Abendroth Birchfield Castellan Dunmore Estevar Fairlund Grauvogel Hollendal Iversund Jaskolt Kestrel Lindqvar "
    "Marchetto Norrland Okonda Pellegar Quillmann Rosendahl Salvarez Tamboli Umbrecht Vestergren Wolkenau Yamaguro"
)
COMPANY_HEADS = _words(
    "Alder Beacon Cinder Delta Ember Fjord Granite Harbor Indigo Juniper Kestrel Lumen Meridian Nimbus Orchard Pioneer "
    "Quarry Ridge Saffron Tundra Umber Vertex Willow Xenon Yarrow Zephyr Anchor Bramble Copper Dawn Elm Foxglove"
)
COMPANY_MIDDLES = _words("Bay Brook Crest Field Forge Gate Grove Haven Hill Line Mark Peak Point Stone Vale Works")
COMPANY_TAILS = _words(
    "Analytics Bikes Brewing Capital Clinics Energy Farms Foods Freight Games Health Hotels Insurance Labs Logistics "
    "Media Motors Optics Paper Pharma Robotics Schools Software Steel Studios Systems Textiles Timber Travel Tools"
)
COMPANY_BODIES = tuple(
    head + COMPANY_MIDDLES[(number + step) % len(COMPANY_MIDDLES)].lower()
    for step in range(len(COMPANY_MIDDLES))
    for number, head in enumerate(COMPANY_HEADS)
)
CITIES = (
    ("Rotterdam", "Netherlands", "NL"), ("Bergen", "Norway", "NO"), ("Lyon", "France", "FR"),
    ("Porto", "Portugal", "PT"),
    ("Leipzig", "Germany", "DE"), ("Uppsala", "Sweden", "SE"), ("Bristol", "United Kingdom", "UK"),
    ("Denver", "United States", "US"), ("Toronto", "Canada", "CA"), ("Osaka", "Japan", "JP"),
)  # fmt: skip
STREETS = _words("Harbour Road|Mill Lane|Station Street|Park Avenue|Canal Walk|Market Square", by="|")
POSITIONS = _words(
    "Operations lead|Head of IT|Product owner|Finance manager|Support agent|Data analyst|Chief of staff|"
    "Project manager|Procurement|Team lead",
    by="|",
)
PERSON_TAGS = ("Champion", "Decision maker", "Power user", "Detractor")
COMPANY_TAGS = ("EMEA", "AMER", "APAC", "Gold", "Reference", "At risk", "Partner", "Multi-site")
PHASES = ("Onboarding", "Adoption", "Live", "Expansion", "Renewal", "Off-boarding")
PLANS = ("Basic", "Pro", "Enterprise")
MODULES = ("Planner", "Reports", "Connect", "Mobile", "Archive")
PRODUCTS = ("Platform", "Analytics", "Support")
TOUCHES = ("note", "note", "email", "call", "Training", "QBR", "Check-in", "chat")
SUBJECTS = _words(
    "Quarterly check-in|Onboarding session|Renewal talk|Roadmap questions|Training on reports|Invoice question|"
    "Escalation about exports|Kickoff|New contact introduced|Health review",
    by="|",
)
SENTENCES = _words(
    "Happy with the rollout.|Asked for the export in another format.|Wants a quote for more seats.|"
    "Two people have left the team.|Usage dropped after the holidays.|Will be a reference from autumn.|"
    "Entry for their legal department.|Next step is a session with finance.",
    by="|",
)
TASKS = _words(
    "Send renewal proposal|Book the review|Follow up on the escalation|Prepare training|Check usage of new module|"
    "Update contact list|Send the invoice copy|Plan the go-live",
    by="|",
)
TICKETS = _words(
    "Export fails|Cannot log in|Slow dashboard|Missing rows in report|Wrong currency on invoice|Mobile app crashes",
    by="|",
)
