"""Tests of the embedded runtimes."""
