"""HTTP: routes, requests, responses and errors of the local provider."""
