"""The pages of those who look after the service: a viewer may look, an operator may act."""

from .routes import add

__all__ = ["add"]
