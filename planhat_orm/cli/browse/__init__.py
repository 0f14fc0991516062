"""`planhat browse`: the mirror in a browser, by Datasette: what it shows, how records are linked, and the server."""
