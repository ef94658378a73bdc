"""Names of private paths: files and folders that no process sees in a mount unless a person shows them by name.

A pattern is a name (``.env``) or a way of names (``.config/gh``), at any depth of a mount; one that begins with ``/`` or ``~``
is one place on the disk. ``*`` stands for any characters of one name. What is beneath a private folder is private, too. A
pattern that begins with ``!`` takes a path out again. Names are compared folded, as the most lenient disk would.
"""

from __future__ import annotations

from typing import Final

PRIVATE: Final[dict[str, tuple[str, ...]]] = {
    "programs read passwords and tokens from it": (
        ".env", ".env.*", "!.env.example", "!.env.sample", "!.env.template", "!.env.dist", ".netrc", "_netrc", ".pgpass",
        ".my.cnf", ".git-credentials", ".pypirc", ".htpasswd", ".vault-token",
    ),
    "it holds keys of the person": (
        ".ssh", ".gnupg", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "*.pem", "*.p12",
        "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.age-key",
    ),
    "it opens the person's accounts at a provider": (
        ".aws", ".azure", ".config/gcloud", ".boto", ".oci", ".config/doctl", ".config/hcloud", ".config/gh",
        ".config/glab-cli", ".config/hub", ".terraform.d/credentials.tfrc.json", ".config/op", ".config/rclone", ".s3cfg",
    ),
    "it opens clusters and registries": (".kube", ".docker/config.json", ".config/containers/auth.json"),
    "it holds the person's passwords": (
        "*.kdbx", "*.kdb", ".password-store", ".local/share/keyrings", "Library/Keychains", ".local/share/kwalletd",
        ".config/Bitwarden", ".config/Bitwarden CLI", ".config/1Password", ".config/KeePass", ".config/keepassxc",
    ),
    "it is a browser's profile, with sessions and passwords": (
        ".mozilla", ".config/google-chrome*", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge*",
        ".config/vivaldi", ".config/opera", ".librewolf", "snap/firefox", "snap/chromium",
        ".var/app/org.mozilla.firefox", ".var/app/com.google.Chrome",
        "Library/Application Support/Firefox", "Library/Application Support/Google/Chrome", "Library/Safari",
        "Library/Cookies",
    ),
    "it holds the person's mail and messages": (
        ".thunderbird", "Library/Mail", "Library/Messages", ".config/Signal", ".local/share/TelegramDesktop",
    ),
    "it holds money": (".bitcoin", ".ethereum", ".electrum", "wallet.dat"),
    "it holds commands that the person typed, with what stood in them": (
        ".bash_history", ".zsh_history", ".python_history", ".psql_history", ".mysql_history", ".sqlite_history",
    ),
}  # fmt: skip
"""Reason -> patterns: what is private when a person says nothing else."""

DEFAULTS: Final = tuple(pattern for patterns in PRIVATE.values() for pattern in patterns)

TEMPLATES: Final = (
    "!.env.*.example", "!.env.*.sample", "!.env.*.template", "!.env.*.dist", "!.env.example.*", "!.env.schema", "!.env.defaults",
    "!.env.tpl", "!.env.md",
)  # fmt: skip
"""Names of files that say which variables an ``.env`` needs. Projects commit them; they hold no secret."""

PUBLIC: Final = (
    "!cacert.pem", "!ca-bundle.pem", "!roots.pem", "!fullchain.pem", "!chain.pem", "!public.pem", "!public_key.pem", "!pubkey.pem",
)  # fmt: skip
"""Names of certificates and public keys. Python's packages ship some, and programs that use TLS read them when they start."""

USUAL: Final = "usual:2"
"""Stands for a whole list in a mount, so that a journal need not repeat it. A list that differs gets another number, and the old
one keeps its meaning: what a mount hides must be the same whenever its journal is read."""

LISTS: Final = {"usual:1": DEFAULTS, USUAL: (*DEFAULTS, *TEMPLATES, *PUBLIC)}
"""What each of these names stands for."""
