"""Files that run code later: nobody starts them; something runs or obeys them that only looks, enters, opens or fetches.

A folder that is entered, opened in an editor, committed to, tested or given to another agent must not do what a model wrote
into it. A person is asked before such a file is written with a file tool, none is merged that a person has not named, and none
that a command in a box made is left in the person's folder without a person's yes.

The table is a list of rows: a reason and its patterns. A pattern is a name, or names with ``/`` between them, at any depth; what
is beneath it is meant, too. ``*`` stands for any characters of one name. Names are compared folded (:func:`runs_later`).

What is *not* in the table is run by whoever starts it by its name, and is to be looked at before: ``Makefile``, ``package.json``,
``pyproject.toml``, ``tox.ini``, ``setup.py``, ``Dockerfile``, a test, a script. ``.editorconfig`` and ``.gitignore`` run nothing.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

AUTORUN_FILES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("git runs hooks and obeys configuration from it", (
        ".git", "git~1", ".gitattributes", ".gitmodules", ".gitconfig", ".githooks", ".config/git",
    )),
    ("git takes a folder with it for a repository, and obeys its configuration", ("HEAD", "commondir")),
    ("version control runs hooks and obeys configuration from it", (
        ".hg", ".hgrc", ".hgsub", ".svn", ".bzr", ".jj", ".sl", "_darcs", ".pijul", ".repo", "CVS", ".fslckout", "_FOSSIL_",
        ".fossil-settings", ".fossil", "_MTN", ".arch-ids", ".arcconfig", ".p4config", ".config/hg", ".config/jj",
    )),
    ("it says what is run at a commit", (
        ".pre-commit-config.y*ml", ".pre-commit-hooks.y*ml", ".husky", "lefthook*.y*ml", ".lefthook*", ".overcommit.yml",
        ".lintstagedrc*", "lint-staged.config.*", ".commitlintrc*", "commitlint.config.*",
    )),
    ("a build service runs it, with its secrets", (
        ".github/workflows", ".github/actions", "action.y*ml", ".gitlab-ci*", ".gitlab/ci", ".circleci", ".travis.yml",
        ".drone.yml", ".buildkite", ".woodpecker*", ".forgejo", ".gitea", "azure-pipelines*.y*ml", "bitbucket-pipelines.yml",
        "Jenkinsfile", ".appveyor.yml", "appveyor.yml", ".cirrus.yml", ".cirrus.star", ".github/dependabot.yml", ".tekton",
        ".semaphore", "buildspec.y*ml", "cloudbuild.y*ml", ".ci", "renovate.json*", ".renovaterc*",
    )),
    ("a shell runs it when it starts, or when the folder is entered", (
        ".bashrc", ".bash_*", ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".mkshrc",
        ".tcshrc", ".login", ".logout", ".inputrc", ".config/fish", ".config/nushell", ".envrc", ".env", ".env.local", ".oh-my-zsh",
        "mise.toml", "mise.local.toml", ".mise", ".mise*.toml", ".config/mise", ".autoenv*", "*.fish", ".xonshrc",
        ".config/elvish", ".config/powershell", ".aliases", ".direnvrc", ".config/direnv", ".hushlogin", ".antigenrc",
    )),
    ("a shell finds a program in it before the system's", (".local/bin", "node_modules/.bin", ".cargo/bin", ".npm-global")),
    ("it is run when somebody logs in", (
        ".xinitrc", ".xprofile", ".xsession*", ".Xresources", ".Xdefaults", ".pam_environment", ".config/autostart",
        ".config/systemd", ".local/share/systemd", ".config/environment.d", ".config/autostart-scripts", ".config/plasma-workspace",
        ".local/share/applications", ".local/share/dbus-1", ".kde*/Autostart", "LaunchAgents", "LaunchDaemons", ".ssh", ".gnupg",
        "*.desktop", "autorun.inf", "desktop.ini", ".forward", ".procmailrc", ".crontab",
    )),
    ("the desktop or the terminal obeys it, and runs what it names", (
        ".config/i3", ".i3", ".config/sway", ".config/hypr", ".config/awesome", ".config/bspwm", ".config/sxhkd", ".config/openbox",
        ".config/waybar", ".config/polybar", ".xmonad", ".config/xmonad", ".config/qtile", ".tmux.conf", ".config/tmux", ".screenrc",
        ".config/kitty", ".config/alacritty", ".alacritty.*", ".wezterm.lua", ".config/wezterm", ".config/ghostty", ".hammerspoon",
        ".config/zellij", ".config/karabiner", ".config/starship.toml", ".muttrc", ".config/ranger", ".config/lf", 
        ".mailcap", ".config/mpv",
    )),
    ("an editor runs or obeys it when the folder is opened", (
        ".vscode", ".vscode-insiders", "*.code-workspace", ".idea", "*.iml", ".fleet", ".zed", ".vs", ".vim", ".vimrc", ".gvimrc",
        "_vimrc", "_gvimrc", ".exrc", "_exrc", ".nexrc", ".lvimrc", ".local.vim", ".nvimrc", ".nvim.lua", ".lazy.lua", ".config/nvim",
        ".projections.json", ".emacs", ".emacs.d", ".config/emacs", ".dir-locals*.el", ".doom.d", ".spacemacs*", "*.sublime-project",
        ".sublime", ".helix", ".config/helix", ".kakrc", ".config/kak", ".nanorc", ".devcontainer", ".devcontainer.json",
        "devcontainer.json", ".clangd", ".ccls", ".ycm_extra_conf.py", ".theia", ".ideavimrc", ".neoconf.json", ".nvim", ".gitpod.yml",
        ".netbeans", ".kateproject", ".kateconfig",
    )),
    ("an agent takes it for its person's words, or runs what it names", (
        "CLAUDE*.md", ".claude*", "AGENTS*.md", "AGENT.md", "GEMINI*.md", ".gemini", ".codex", ".cursor", ".cursorrules", ".cursorignore",
        ".windsurf*", ".clinerules*", ".cline", ".roo*", ".continue*", ".aider*", ".mcp.json", "mcp.json", ".mcp", ".junie",
        ".github/copilot-instructions.md", ".github/copilot*", ".github/instructions", ".github/prompts", ".github/chatmodes",
        ".github/agents", ".github/hooks", ".github/skills", ".kiro", ".amazonq", ".augment*", ".goosehints", ".goose", ".opencode",
        "opencode.json*", ".agents", ".agent", ".rules", ".gemot", "gemot.toml", ".config/gemot", "WARP.md", ".warp", ".crush.json",
        "crush.json", ".crush", "CRUSH.md", "QWEN.md", ".qwen", ".trae", ".void", ".kilocode*", ".openhands*", ".factory", ".droid",
        "SKILL.md", "llms-install.md", ".replit", ".bolt", ".zencoder", ".tabnine*", ".codeium",
        "copilot-instructions.md", ".sourcegraph", ".config/crush", ".config/opencode", ".config/goose", ".ruler", ".amp", ".plandex*",
    )),
    ("Python runs it when it starts, or when tests are run", (
        "conftest.py", "sitecustomize.py", "usercustomize.py", "*.pth", "*._pth", ".pdbrc*", ".pythonrc*", ".pythonstartup", "pyvenv.cfg",
        ".ipython", ".jupyter", ".local/lib/python*", "*.egg-link", 
    )),
    ("Python runs it instead of the source that is read", ("__pycache__", "*.pyc", "*.pyo", "*.pyd", "*.so")),
    ("a tool that is only asked to look, to fetch or to build runs what it names", (
        ".npmrc", ".yarnrc*", ".yarn", ".pnpmfile.*", "pnpmfile.*", ".pnp.*", ".cargo", ".mvn", ".bazelrc", ".bundle", ".gdbinit", ".lldbinit",
        ".Rprofile", ".Renviron", ".irbrc", ".pryrc", ".rspec", ".psqlrc", ".sqliterc", ".config/pip", ".wgetrc", ".curlrc", ".netrc",
        ".gradle", "init.gradle*", ".sbtopts", ".jvmopts", ".jvmrc", ".buckconfig", ".terraformrc", "terraform.rc",
        ".guix-channels", "guix.scm", ".my.cnf", ".mongorc.js", ".mongoshrc.js", ".perldb", ".octaverc", ".juliarc.jl",
        ".julia/config", ".ghci", ".ocamlinit", ".erlang", ".iex.exs", ".config/composer", ".gemrc", ".docker", ".kube", ".aws", ".pypirc",
        ".pip", "pip.conf", ".condarc", ".node_repl*", ".ansible.cfg", "ansible.cfg", ".vagrant.d",
    )),
    ("a program that checks or formats runs code that it names", (
        ".pylintrc", "pylintrc", "pylintrc.toml", ".eslintrc*", "eslint.config.*", ".prettierrc*", "prettier.config.*", ".stylelintrc*",
        "stylelint.config.*", "babel.config.*", ".babelrc*", "postcss.config.*", ".postcssrc*", "tailwind.config.*", ".mocharc*",
        "jest.config.*", "vitest.config.*", ".swcrc", ".flake8", "mypy.ini", ".mypy.ini", ".rubocop.y*ml", ".luacheckrc", ".credo.exs",
        ".formatter.exs", ".phpcs.xml*", ".php-cs-fixer*", ".scalafix.conf", ".huskyrc*", ".nycrc*", ".ackrc", ".ctags*", 
        ".solargraph.y*ml", ".tern-project", ".watchmanconfig",
    )),
    ("TeX runs it", (".latexmkrc", "latexmkrc", ".texmf", "texmf", "texmf.cnf", ".chktexrc", ".indentconfig.yaml", "llmkrc", "llmk.toml")),
)  # fmt: skip
"""Rows: why, and the patterns that it is about."""

HARMLESS: Final = ("lib*.so",)
"""What a pattern above would take in, and nothing runs by itself: a library that a build makes, which no import finds first."""


def _expression(patterns: tuple[str, ...]) -> str:
    return "|".join(re.escape(pattern.casefold()).replace(r"\*", "[^/]*") for pattern in patterns)


@functools.cache
def _rows() -> tuple[tuple[re.Pattern[str], str], ...]:
    """One expression for each reason, for a path whose names are folded."""
    return tuple((re.compile(f"(?:^|/)(?:{_expression(row)})(?:/|$)"), reason) for reason, row in AUTORUN_FILES)


@functools.cache
def _last_names() -> re.Pattern[str]:
    return re.compile(_expression(tuple(pattern.rpartition("/")[2] for _, row in AUTORUN_FILES for pattern in row)))


@functools.cache
def _harmless() -> re.Pattern[str]:
    return re.compile(f"(?:^|.*/)(?:{_expression(HARMLESS)})")


def folded(path: str) -> str:
    """A path as the most lenient disk compares it: whatever the case of its names and their form in Unicode, without characters
    that are not seen, and without dots and blanks at the end of a name."""
    if path.isascii():
        seen = path.casefold()
    else:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        seen = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    if not seen.endswith((".", " ", "\t")) and "./" not in seen and " /" not in seen and "\t/" not in seen:
        return seen
    return "/".join(name.rstrip(". \t") or name for name in seen.split("/"))


@functools.lru_cache(65_536)
def may_run_later(name: str) -> bool:
    """Whether any pattern ends with this name; quick, for those who look at many files."""
    return _last_names().fullmatch(folded(name)) is not None


@functools.lru_cache(4096)
def runs_later(path: str) -> str:
    """Why a file of this path (``/`` between its names) runs code later; ``""`` if nothing is known that would run it."""
    whole = folded(path)
    reason = next((reason for pattern, reason in _rows() if pattern.search(whole)), "")
    if reason and _harmless().fullmatch(whole):
        return runs_later(path.rpartition("/")[0])
    return reason
