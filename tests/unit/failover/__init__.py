"""Tests of the failover verifier: the verifier has to be verified before it verifies anything."""
