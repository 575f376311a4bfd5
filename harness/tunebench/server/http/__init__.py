"""The HTTP API: routes, requests, answers."""
