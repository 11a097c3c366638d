"""Finds what looks like a secret in a text, and masks it.

Only formats that nothing else has are looked for: tokens that begin as their issuer says, and
private keys. So a text without a secret is left as it is. The formats are those that
``detect-secrets`` 1.5 and the issuers document. A password has no format, and is not found.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_KEY: Final = "(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_FORMATS: Final = (
    # What it is, a part that each of them has, and the format. The last part of a token may be cut
    # off, so its length is not looked at closely.
    (
        "a private key",
        "PRIVATE KEY",
        rf"-----BEGIN {_KEY}(?:(?!-----END )[\s\S])*(?:-----END {_KEY})?",
    ),
    ("an AWS access key", "AKIA", r"\bAKIA[A-Z0-9]{16}\b"),
    ("an AWS access key", "ASIA", r"\bASIA[A-Z0-9]{16}\b"),
    ("a GitHub token", "gh", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    ("a GitHub token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    ("a GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_.-]{20,}"),
    ("a Slack token", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Stripe key", "k_live_", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    ("an Anthropic key", "sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("an OpenAI key", "T3BlbkFJ", r"\bsk-[A-Za-z0-9_-]{16,}T3BlbkFJ[A-Za-z0-9_-]{10,}"),
    ("a Google key", "AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
    ("a PyPI token", "pypi-AgE", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("a Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    ("a SendGrid key", "SG.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    (
        "a JSON Web Token",
        "eyJ",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
    ),
)


def masked(text: str) -> str:
    """Return a text with each secret replaced by what it is, for example ``[a GitHub token]``."""
    for what, _, pattern in _possible(text):
        text = re.sub(pattern, f"[{what}]", text)
    return text


def found(text: str) -> str | None:
    """Return what the first kind of secret in a text is, for example "a GitHub token"."""
    return next((what for what, _, pattern in _possible(text) if re.search(pattern, text)), None)


def _possible(text: str) -> Iterator[tuple[str, str, str]]:
    # To look for a fixed part takes a hundredth of the time that a pattern takes.
    return (one for one in _FORMATS if one[1] in text)
