"""What looks like a secret is told to who wrote it, and masked where others are shown it."""

from __future__ import annotations

import pytest

from support.client import Client

pytestmark = pytest.mark.asyncio

KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" * 12


def pem(kind: str) -> str:
    return f"-----BEGIN {kind}-----\n{KEY}-----END {kind}-----"


SECRETS = {
    "a private key": [
        pem("PRIVATE KEY"),
        pem("RSA PRIVATE KEY"),
        pem("OPENSSH PRIVATE KEY"),
        pem("PGP PRIVATE KEY BLOCK"),
        pem("EC PRIVATE KEY").replace("\n", "\\n"),  # as in a .env file
        pem("PRIVATE KEY").replace("\n", "\\r\\n"),  # as in JSON
        pem("PRIVATE KEY").replace("\n", "<br>\n"),
        pem("PRIVATE KEY").replace("\n", "\n" + " " * 24),  # as in YAML
        pem("PRIVATE KEY").replace("\n", "\n> "),
        pem("PRIVATE KEY").replace("\n", "\nkeys/k.pem:12:"),  # as of `grep -n`
        pem("PGP PRIVATE KEY BLOCK").replace(KEY, f"Version: GnuPG v2\n\n{KEY}"),
        pem("PGP PRIVATE KEY BLOCK").replace(KEY, f"Comment: of a friend, see below\n\n{KEY}"),
        pem("PRIVATE KEY").replace("\n", "\napp_1  | ")[:700],  # of a log, cut off
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\nComment: x y\n\n{KEY}",  # cut off
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128,0\n\n{KEY}",
    ],
    "an AWS access key": ["AKIA" + "J7Q2" * 4, "ASIA" + "J7Q2" * 4],
    "a GitHub token": [*(f"gh{one}_" + "aB3" * 12 for one in "pousr"), "github_pat_" + "aB3_" * 20],
    "a GitLab token": ["glpat-" + "aB3_" * 5],
    "a Slack token": ["xoxb-" + "123456789012-" * 2 + "aB3" * 8],
    "a Stripe key": ["sk_live_" + "aB3" * 8, "rk_live_" + "aB3" * 8],
    "an Anthropic key": ["sk-ant-api03-" + "aB3-" * 20],
    "an OpenAI key": [
        "sk-" + "aB3x" * 5 + "T3BlbkFJ" + "aB3x" * 5,
        *(f"sk-{one}-" + "aB3_" * 20 for one in ("proj", "svcacct", "admin")),
    ],
    "a Google key": ["AIza" + "aB3-x" * 7],
    "an npm token": ["npm_" + "aB3" * 12],
    "a PyPI token": ["pypi-AgEIcHlwaS5vcmc" + "aB3_" * 20],
    "a Hugging Face token": ["hf_" + "aBx" * 12],
    "a SendGrid key": ["SG." + "aB3-x_" * 4 + "." + "aB3-x_" * 7],
    "a JSON Web Token": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "aB3-x_" * 7],
}
EACH = [(what, secret) for what, secrets in SECRETS.items() for secret in secrets]
HARMLESS = (
    "a commit: 8f14e45fceea167a5a36dedd4bea2543d3a7f1e2",
    "an id: 123e4567-e89b-12d3-a456-426614174000",
    "the header is -----BEGIN PRIVATE KEY----- and nothing follows",
    "-----BEGIN PRIVATE KEY----- is how it begins, and -----END PRIVATE KEY----- how it ends",
    "-----BEGIN PRIVATE KEY-----\n\nNote: see https://example.org/pages/about/private/keys\n",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTA\n-----END CERTIFICATE-----",
    "AKIA is how they begin, ghp_ too; sk-learn and task-sk-" + "a" * 30 + " are names",
    "MAKIA" + "J7Q2" * 4,
    "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUg" * 9,
)


async def markdown(client: Client, **params: object) -> str:
    exported = await client.result("export", {"format": "markdown", **params})
    return str(exported["content"])


@pytest.mark.parametrize(("what", "secret"), EACH)
async def test_a_secret_is_told_masked_and_kept(
    server_command: list[str], what: str, secret: str
) -> None:
    content = f"before {secret} after\nand below"
    async with Client.opened(server_command) as client:
        await client.create("a", metadata={"key": secret, "more": [{"in": secret}]})
        entry = await client.result(
            "addContext", {"sessionName": "a", "kind": "note", "content": content}
        )
        shown = await client.until_shown(what)
        assert shown["type"] == 2  # Warning
        assert (await client.result("getContext", {"id": entry["id"]}))["content"] == content
        masked = await markdown(client)
        assert secret[:20] not in masked
        assert secret[-10:] not in masked
        assert masked.count(what) == 3
        assert "before " in masked
        if "-----" not in secret or "-----END" in secret:
            assert f"[{what}] after" in masked.replace("\\[", "[").replace("\\]", "]")
            assert "and below" in masked
        whole = (await markdown(client, raw=True)).replace("\\<", "<")
        assert all(line in whole for line in content.split("\n"))
        assert (
            secret.replace("\\", "\\\\").replace("\n", "\\n")
            in (await client.result("export"))["content"]
        )


BEFORE = (
    "\\u003d",
    "\\u001b[1;38;5;196m",
    "\\033[32m",
    "\\u003D",
    "\\x3d",
    "\\f",
    "\\x1B[32m",
    "\\u001B[38;2;255;255;255m",
    "\x1b[01;31m\x1b[K",  # as of `grep --color`
    "\x1b(B",
    "=3D",  # as in a mail
    "A=1\\n",
    "\t",
    "\\t",
    "\x1b[32m",
    "%3D",
    "%20",
    "TOKEN_",
    "-",
    "--token-",
    "(",
    '"',
)


@pytest.mark.parametrize("before", BEFORE)
async def test_what_stands_before_a_secret_does_not_hide_it(
    server_command: list[str], before: str
) -> None:
    async with Client.opened(server_command) as client:
        await client.create("a")
        for secret in ("ghp_" + "aB3" * 12, "AKIA" + "J7Q2" * 4):
            note = {"sessionName": "a", "kind": "log", "content": f"{before}{secret}_"}
            await client.result("addContext", note)
            assert secret not in await markdown(client)


async def test_kinds_authors_and_places_are_masked_as_well(server_command: list[str]) -> None:
    secret = "AKIA" + "J7Q2" * 4
    async with Client.opened(server_command) as client:
        await client.create("a")
        location = {"uri": f"file:///tmp/{secret}/f.py"}
        note = {"sessionName": "a", "kind": secret, "content": "x", "location": location}
        await client.result("addContext", note)
        assert secret not in await markdown(client)
        assert secret in await markdown(client, raw=True)


async def test_other_texts_stay_as_they_are(server_command: list[str]) -> None:
    async with Client.opened(server_command) as client:
        await client.create("a")
        for content in HARMLESS:
            await client.result(
                "addContext", {"sessionName": "a", "kind": "code", "content": content}
            )
        assert await markdown(client) == await markdown(client, raw=True)
        await client.result("getActive")
        assert client.shown == [], "a message comes right after the reply to what it is about"


async def test_a_secret_in_a_change_is_told(server_command: list[str]) -> None:
    async with Client.opened(server_command) as one, Client.opened(server_command) as other:
        await one.create("a")
        entry = await one.result("addContext", {"sessionName": "a", "kind": "note", "content": "x"})
        content = "it is " + "ghp_" + "aB3" * 12
        await one.result("updateContext", {"id": entry["id"], "content": content})
        await one.until_shown("a GitHub token")
        await other.until(one.revision)
        assert other.shown == [], "only who wrote it is told"


async def test_a_large_text_with_many_beginnings_of_secrets_is_exported(
    server_command: list[str],
) -> None:
    content = " sk- SG. eyJ -----BEGIN PRIVATE KEY----- " * 100_000
    async with Client.opened(server_command) as client:
        await client.create("a")
        await client.result("addContext", {"sessionName": "a", "kind": "log", "content": content})
        assert await markdown(client) == await markdown(client, raw=True)
