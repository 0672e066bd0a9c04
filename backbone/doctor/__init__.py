"""The doctor: evidence is gathered once, named checks judge it, findings say cause and remedy."""
