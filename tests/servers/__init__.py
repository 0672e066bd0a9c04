"""Fakes of real services, with their behaviour, over HTTP."""
