"""A server that does everything wrong that a server can do, and what the client makes of it."""
