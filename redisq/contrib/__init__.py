"""Middlewares that come along, each with an extra of its own: opentelemetry, prometheus."""
