"""A portfolio in figures, charts and one page, all from the mirror.

It knows what a customer-success lead asks each week and how an answer is drawn. It asks through querysets only,
makes no request, and loads Altair, Jinja2 and Vega when a chart or a page is made.
"""
