"""What other tools see of a mirror: search, views, SQLModel classes, exported files.

It derives everything from the tables and the declarations, and can make it anew at any time.
"""
