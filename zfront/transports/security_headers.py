"""What every answer says so that browsers are careful with it, whoever writes the answer.

Owns: those header fields. Must not know: what is answered.
"""

from __future__ import annotations

from typing import Final

# No guess at types, in nobody's frame, and no address of ours, which may have a secret in its query, for
# others.
SAFE: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)
# To whom no token, or not a good one, came: no more than that (RFC 6750, section 3).
CHALLENGE: Final = 'Bearer realm="zcomet"'
LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in SAFE).encode()
