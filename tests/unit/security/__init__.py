"""Tests of certificates, users and rules."""
