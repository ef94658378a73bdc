"""What tools are commonly called, in everyday words, and what people ask for that no tool here can do."""

from __future__ import annotations

import re

from gemot.abi.messages import ToolOffer
from gemot.models.embedded.goal import Clause

SENTENCES = {
    "list": "list what is in a folder",
    "read": "show the text of a file",
    "facts": "tell the size and date of a file",
    "stat": "tell the size and date of a file",
    "find": "find files by their name",
    "search": "search the files for some words",
    "write": "write a new file",
    "overwrite": "replace all the text of a file",
    "edit": "change some words in a file",
    "patch": "apply a diff to a file",
    "evaluate": "do a calculation",
    "now": "tell the time and date",
}
"""What a person asks for who needs the tool of this name: a whole sentence is weighed far better than a name."""

MEANINGS = (
    "read show display print open view cat content text says said written line word peek reread glance opening top reads see",
    "list ls overview names everything folder directory lying",
    "find locate named called ends files documents where put path hiding somewhere",
    "search grep mention contain occur about anything regarding wrote noted talk remember phrase",
    "write create make new save put store copy duplicate record note jot scribble keep backup",
    "overwrite write replace everything whole throw scrap empty clear wipe discard only",
    "edit change replace swap correct instead rather should become set update add append fix",
    "facts stat size big large long bytes changed modified old kind when heavy weigh touched updated edited checksum length",
    "evaluate calculate compute sum add multiply divide subtract much split share each total cost together root half quarter percent",
    "now time clock date day today hour weekday when year month late",
)
"""Everyday words for what tools are commonly called; the first of each line is the common name."""

_POLITE = (
    r"^\W*(?:(?:please|kindly|hey|hi|hello|ok|okay|so|can|could|would|will|you|then|also|and|now|next|finally|i|i'd|want|need|to|like|"
    r"let's|let|us|help|me|just|go|ahead|in\s+[\w./-]+)[\s,]+)*"
)
_BEYOND = re.compile(
    _POLITE
    + r"(delete|remove|erase|move|translate|summari[sz]e|sum\s+up|sort|send|e-?mail|mail|download|upload|install|run|execute|merge|"
    r"combine|explain|improve|rewrite|rephrase|refactor|draft|compose|schedule|book|order|buy|reverse|encrypt|compress|zip|unzip|convert|"
    r"rank|proofread|review|debug|invent|imagine|plan|design|guess|predict|recommend|suggest|describe|tidy|clean|shorten|compare|"
    r"reorder|rename|archive|trash|print\s+out|share|publish|post|phone|remind|capitali[sz]e|uppercase|lowercase|number(?!\s+of)|indent|format|alphabeti[sz]e|"
    r"double-?check|build|deploy|commit|push|browse|visit|fetch|fix|mend|repair|solve|count\s+how\s+often)\b",
    re.I,
)
_CHANGES = re.compile(
    _POLITE
    + r"(write|save|put|store|copy|record|create|make|keep|duplicate|jot|note|add|append|insert|edit|change|replace|swap|set|overwrite|"
    r"update|correct|rename|fix|scrap|throw|empty|clear|wipe|modify|amend|scribble|log|dump|drop|export|turn|switch|type|enter|back)\b",
    re.I,
)
_PUTS = re.compile(
    r"\b(?:writ(?:e|ten)|save|put|store|copy|copies|backup|record|create|make|keep|duplicate|jot|note|add|append|set|new|log|dump|export|"
    r"print|output|goes?|drop|insert|place|(?:call|name)\s+(?:it|that|this))\b",
    re.I,
)
_CONDITIONAL = re.compile(
    r"^\W*(?:if|unless|whenever)\b|\botherwise\b|\bunless\b|\bfor\s+(?:each|every)\b|\bdepending\b", re.I
)
_WANTED = re.compile(
    r"\b(?:in|into)\s+(?:french|german|spanish|italian|english|dutch|upper\s*case|lower\s*case|alphabetical|reverse)\b",
    re.I,
)


def beyond(clause: Clause, offers: tuple[ToolOffer, ...]) -> bool:
    """Whether the step asks for something that none of the usual tools does, nor an offered one by its name."""
    if _WANTED.search(clause.text) or _CONDITIONAL.search(clause.text):
        return True
    found = _BEYOND.match(clause.text)
    if not found or clause.sums or clause.swap or clause.setting or len(clause.quoted) >= 2:
        return False
    verb = re.sub(r"\W", "", found.group(1).lower())
    return not any(verb in offer.name.lower() for offer in offers)


def changes(clause: Clause) -> bool:
    """Whether the step asks for a file to be changed, so that only looking at something would not do it."""
    if clause.adds or (clause.target is not None and _PUTS.search(" ".join(clause.words))):
        return True
    listed = bool(re.search(r"\b(?:list|overview|sure)\b", clause.text, re.I)) and not clause.paths
    return bool(_CHANGES.match(clause.text)) and not listed and not clause.sums


_ASKS = re.compile(
    r"\s*(?:and\s+)?(?:how|what|which|when|where|who|whose|why|is|are|was|were|does|do|did|has|have)\b", re.I
)


def only_asks(clause: Clause) -> bool:
    """Whether the step is a question that names nothing to be written: whatever answers it, nothing may be changed for it."""
    return bool(_ASKS.match(clause.text)) and clause.target is None and not clause.said
