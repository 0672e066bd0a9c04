"""Where the secrets of the secure profile are, below `${SECRETS_DIR}/kafka`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = "admin"
"""Who administers the cluster: the tasks. A super user by certificate and by password."""

CA = "ca.pem"
CA_KEY = "ca.key"
KEYSTORE = "keystore.pem"


@dataclass(frozen=True, slots=True)
class Secrets:
    """One home's folder: the authority, NAME/ for each holder of a certificate, users/ for those with a password."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.folder / CA

    def keystore(self, name: str) -> Path:
        """Return the key and certificate of a holder."""
        return self.folder / name / KEYSTORE

    def password(self, user: str) -> Path:
        """Return the file with a user's password."""
        return self.folder / "users" / f"{user}.password"

    def properties(self, user: str) -> Path:
        """Return the file with all that a client needs to be that user (client.properties)."""
        return self.folder / "users" / f"{user}.properties"
