"""Names of files that run code later: nobody starts them, they are run (or obeyed) by something that is only looking.

A folder that is entered, opened in an editor, committed to, tested or given to another agent must not do what a model wrote
into it. So a person is asked before such a file is written, and none is merged that a person has not named.

What is *not* listed is run by whoever starts it by name: ``Makefile``, ``package.json``, ``pyproject.toml``, ``tox.ini``,
``setup.py``, a test, a script. Look at those before you start them. ``.editorconfig`` and ``.gitignore`` run nothing.

A pattern is a name, or a way of names (``.github/workflows``), at any depth; what is beneath it is meant, too. ``*`` stands
for any characters of one name. Patterns and paths are compared folded (:func:`runs_later`).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

RUNS_LATER: Final[dict[str, tuple[str, ...]]] = {
    "git runs hooks and obeys configuration from it": (
        ".git", "git~1", ".gitattributes", ".gitmodules", ".gitconfig", ".githooks", ".config/git",
    ),
    "git takes a folder with it for a repository, and obeys its configuration": ("HEAD", "commondir"),
    "version control runs hooks and obeys configuration from it": (
        ".hg", ".hgrc", ".hgsub", ".svn", ".bzr", ".jj", ".sl", "_darcs", ".pijul",
    ),
    "it says what is run at a commit": (
        ".pre-commit-config.y*ml", ".pre-commit-hooks.y*ml", ".husky", "lefthook*.y*ml", ".lefthook*", ".overcommit.yml",
    ),
    "a build service runs it, with its secrets": (
        ".github/workflows", ".github/actions", "action.y*ml", ".gitlab-ci*", ".gitlab/ci", ".circleci", ".travis.yml",
        ".drone.yml", ".buildkite", ".woodpecker*", ".forgejo", ".gitea", "azure-pipelines*.y*ml", "bitbucket-pipelines.yml",
        "Jenkinsfile", ".appveyor.yml", "appveyor.yml", ".cirrus.yml", ".github/dependabot.yml",
    ),
    "a shell runs it when it starts, or when the folder is entered": (
        ".bashrc", ".bash_*", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc",
        ".tcshrc", ".login", ".logout", ".inputrc", ".config/fish", ".config/nushell", ".envrc", ".env", ".env.local",
        "mise.toml", ".mise*.toml", ".config/mise", ".autoenv*", "*.fish",
    ),
    "it is run when somebody logs in": (
        ".xinitrc", ".xprofile", ".xsession*", ".pam_environment", ".config/autostart", ".config/systemd",
        ".config/environment.d", "LaunchAgents", "LaunchDaemons", ".ssh", ".gnupg",
    ),
    "an editor runs or obeys it when the folder is opened": (
        ".vscode", "*.code-workspace", ".idea", ".fleet", ".zed", ".vs", ".vim", ".vimrc", ".gvimrc", "_vimrc", ".exrc",
        ".nvimrc", ".nvim.lua", ".config/nvim", ".emacs", ".emacs.d", ".config/emacs", ".dir-locals*.el", "*.sublime-project",
        ".helix", ".config/helix", ".devcontainer", ".devcontainer.json", "devcontainer.json", ".clangd", ".theia",
    ),
    "an agent takes it for its person's words, or runs what it names": (
        "CLAUDE*.md", ".claude*", "AGENTS*.md", "AGENT.md", "GEMINI.md", ".gemini", ".codex", ".cursor", ".cursorrules",
        ".windsurf", ".windsurfrules", ".clinerules*", ".roo*", ".continue", ".aider*", ".mcp.json", "mcp.json", ".junie",
        ".github/copilot-instructions.md", ".github/instructions", ".github/prompts", ".github/chatmodes", ".github/agents",
        ".kiro", ".amazonq", ".augment*", ".goosehints", ".opencode", "opencode.json*", ".agents", ".rules", ".gemot",
        "gemot.toml",
    ),
    "Python runs it when it starts, or when tests are run": (
        "conftest.py", "sitecustomize.py", "usercustomize.py", "*.pth", ".pdbrc*", ".pythonrc*", "pyvenv.cfg", ".ipython",
        ".jupyter",
    ),
    "a tool that is only asked to look, to fetch or to build runs what it names": (
        ".npmrc", ".yarnrc*", ".yarn", ".pnpmfile.*", ".cargo", ".mvn", ".bazelrc", ".bundle", ".gdbinit", ".lldbinit",
        ".Rprofile", ".Renviron", ".irbrc", ".pryrc", ".rspec", ".psqlrc", ".sqliterc", ".config/pip", ".wgetrc", ".curlrc",
    ),
}  # fmt: skip
"""Reason -> patterns."""


@functools.cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    """One pattern for each reason, for a path whose names are folded."""
    rows: list[tuple[re.Pattern[str], str]] = []
    for reason, patterns in RUNS_LATER.items():
        some = "|".join(re.escape(pattern.casefold()).replace(r"\*", "[^/]*") for pattern in patterns)
        rows.append((re.compile(f"(?:^|/)(?:{some})(?:/|$)"), reason))
    return tuple(rows)


@functools.lru_cache(4096)
def runs_later(path: str) -> str:
    """Why a file of this path (``/`` between its names) runs code later; ``""`` if nothing is known that would run it.

    Names are compared as the most lenient disk would: whatever their case and their form in Unicode, without characters that
    are not seen, and without dots and blanks at their end.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
    seen = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    names = (name.rstrip(". \t") or name for name in seen.split("/"))
    whole = "/".join(names)
    return next((reason for pattern, reason in _table() if pattern.search(whole)), "")
