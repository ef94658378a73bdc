"""Things a goal names without quoting them: a text to write, a word to look for, a kind of file, what becomes what."""

from __future__ import annotations

import re

_ENDINGS = {
    "python": "py", "markdown": "md", "text": "txt", "plain text": "txt", "spreadsheet": "csv", "log": "log", "logs": "log",
    "javascript": "js", "typescript": "ts", "rust": "rs", "shell": "sh", "bash": "sh", "word": "docx", "excel": "xlsx",
    "configuration": "toml", "config": "toml",
} | {one: one for one in ["csv", "txt", "md", "py", "json", "yaml", "yml", "toml", "html", "css", "xml", "js", "ts", "sh", "sql", "pdf", "png", "jpg", "ini", "tsv", "rst"]}  # fmt: skip
_KIND = re.compile(
    rf"\b({'|'.join(sorted(_ENDINGS, key=len, reverse=True))})[\s-]+(?:or\s+\w+\s+)?(?:files?|documents?|docs|scripts?|ones|sources?|modules?)\b",
    re.I,
)
_KINDS_ALONE = re.compile(r"\b(spreadsheet|csv|pdf|png|jpg)s\b", re.I)
_ENDING_IN = re.compile(r"\b(?:end(?:s|ing)?\s+(?:in|with)|extension)\s+\.?([a-z]{1,5})\b", re.I)
_CALLED = re.compile(
    r"\b(?:called|named)\s+([A-Za-z][\w-]*)(?![\w./])|\bwith\s+(?:the\s+word\s+)?[\"']?([\w-]+)[\"']?\s+in\s+(?:its|the|their)\s+(?:file\s*)?names?\b"
    r"|\bwhose\s+names?\s+(?:contains?|includes?|has)\s+([\w-]+)"
)
_PUT = re.compile(
    r"\bwhere(?:'s|\s+is|\s+did\s+(?:I|we)\s+(?:put|save|leave|keep)|\s+have\s+(?:I|we)\s+put|\s+are)\s+(?:the|my|our|that)\s+([A-Za-z][\w-]*)(?:\s+file)?\W*(?:$|hiding|now|again|gone)"
    r"|\b(?:find|locate)\s+(?:me\s+)?(?:the|my|our)\s+([A-Za-z][\w-]*)(?:\s+file)\b",
    re.I,
)
_STOP = r"(?=\s*(?:[.?!,;:…]|\s-|$|\b(?:in|inside|anywhere|somewhere|at\s+all|is|are|was|and|or|to|from|within|under|written|used|please|again|for\s+me|of\s+my|across|among|throughout|on\s+it|into|then|can|could|live|appear\w*|come|occur\w*)\b))"
_PHRASE = rf"((?:[\w'-]+\s+){{0,4}}?[\w'-]+){_STOP}"
_ABOUT = re.compile(
    r"\b(?:about|regarding|concerning|mention(?:s|ed|ing)?|contain(?:s|ing)?|includ(?:es?|ing)|referr?(?:s|ing)?\s+to|talk(?:s|ing)?\s+of|"
    r"(?:anything|something|stuff|notes?)\s+on|say(?:s)?\s+anything\s+on|(?:search|look|hunt|scan|check|comb)(?:es|ing)?\s+(?:[\w./-]+\s+){0,4}?for|"
    r"grep(?:\s+for)?|(?:lines?|files?|notes?|documents?)\s+(?:\w+\s+)?(?:with|has|have)|the\s+(?:word|words|text|phrase|term|string))\s+"
    r"(?:(?:the|a|an|my|our|any|some|all)\s+)?(?:(?:word|words|text|phrase|term|string|name)\s+)?(?!(?:in|on|with|to|for|of)\b|files?\b|all\b|every|each|it\b|them\b|that\b)"
    + _PHRASE,
    re.I,
)
_ANY_IN = re.compile(r"\b(?:any|find\s+the)\s+([a-z]+?)(?:s|es)?\s+in\s+[\w./-]+\.\w+", re.I)
_SPLIT = re.compile(r"\b(?:where|who|which|whether)\b", re.I)

_END = r"\s*[.!]?\s*$"
_IS_TO_SAY = re.compile(
    r"(?:\b(?:that|which|it|them|this|file|[\w./-]+\.\w+)\s+(?:just\s+|only\s+|simply\s+)?(?:says?|reads?|contains?)|\b(?:should|to|must|make\s+it|have\s+it|let\s+it|it)\s+(?:just\s+|only\s+|simply\s+)*(?:say|read|contain)"
    r"|\bsaying|\breading|\bcontaining|\bwith\s+(?:just\s+|only\s+)?(?:the\s+)?(?:text|contents?|words?|line|sentence|message)|\b(?:just|only)\s+(?:this|these\s+words)(?:\s+in\s+it)?|\bin\s+it|\bfollowing(?:\s+\w+)?)"
    r"(?:\s+only|\s+just|\s+simply)?(?:\s*:\s*|\s+)(.+)$",
    re.I | re.S,
)
_AFTER_COLON = re.compile(r":\s+(.+)$", re.S)
_DETERMINED = r"(?!(?:the|an?|its?|my|our|their|your|his|her|this|that|these|those|all|some|any|every\w*|each|what|which|how|who|where|when|both|down|only|just|in|to|into|as|everything|nothing|it|them|him|me|us)\b)"
_PUT_IN = re.compile(
    r"\b(?:jot(?:\s+down)?|note(?:\s+down)?|write\s+down|scribble(?:\s+down)?|(?:put|write|save|store|add|append|type|enter)\s+(?:down\s+)?the\s+(?:words?|text|line|sentence|message|phrase))\s+(.+?)\s+(?:to|in|into|as|on|at\s+the\s+end\s+of|onto)\s+(?:an?\s+|the\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?[\w./-]+\.\w+",
    re.I,
)
_FEW_IN = re.compile(
    rf"\b(?:put|write|save|store|add|append)\s+{_DETERMINED}((?:[\w'-]+\s+){{0,2}}?[\w'-]+)\s+(?:to|in|into|onto)\s+(?:the\s+end\s+of\s+)?(?:an?\s+|the\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?[\w./-]+\.\w+",
    re.I,
)
_DESCRIBES = re.compile(
    r"\b(?:about|of|for|on|time|date|today|now|lists?|names?|sum|total|results?|size|number|count|prices?|costs?|contents?|lines?|words?|answer|facts|"
    r"summary|copy|copies|whatever|poem|story|letter|notes?|instructions)\b|\d\s*[-+*/]\s*\d|'s\b|\.\w",
    re.I,
)
"""What tells that words describe a text rather than being it."""
_VALUE = r"([\w.,:@/%$€£+#'-]+(?:\s+[\w.,:@/%$€£+#'-]+){0,5}?)"
_OF = r"(?=\s*(?:$|[.;!?](?:\s|$)|,\s|\)|\b(?:in|inside|within|please|everywhere|thanks|for\s+me|now)\b))"
_SWAPS = tuple(
    (re.compile(pattern.replace("V", _VALUE).replace("OF", _OF), re.I), order)
    for pattern, order in (
        (r"\b(?:replace|swap|exchange|substitute)\s+(?:out\s+)?(?:the\s+(?:word|words|text|name|number)\s+|every\s+)?V\s+(?:with|by|for)\s+VOF", (0, 1)),
        (r"\b(?:change|rename|turn|correct|update|edit|switch|fix|alter|modify|amend)\s+(?:the\s+(?:word|words|text|name|number)\s+)?V\s+(?:to|into)\s+(?:say\s+|read\s+)?VOF", (0, 1)),
        (r"\bfrom\s+V\s+to\s+VOF", (0, 1)),
        (r"\b(?:says?|has|reads?|is)\s+V,?\s+(?:but\s+|and\s+)?(?:it\s+|that\s+)?(?:should|ought\s+to|must|needs?\s+to)\s+(?:be|say|read)\s+VOF", (0, 1)),
        (r"(?:^|[:,]\s)V\s+(?:needs?\s+to|should|must|has\s+to|ought\s+to|is\s+to)\s+(?:become|be|say|read)\s+VOF", (0, 1)),
        (r"\b(?:be|say|read|says|on|in|at|to|use|with|want|port|is|need)\s+([\w.@'-]+)(?:,)?\s+(?:instead\s+of|rather\s+than|(?:and\s+)?not)\s+(?:in\s+|on\s+|at\s+)?([\w.@'-]+)", (1, 0)),
        (r"\b([\w.@'-]+)\s+(?:instead\s+of|rather\s+than)\s+([\w.@'-]+)", (1, 0)),
        (r"\binstead\s+of\s+([\w.@'-]+),?\s+(?:it\s+should\s+(?:be|say|read)\s+|put\s+|use\s+|write\s+|say\s+)([\w.@'-]+)", (0, 1)),
    )
)  # fmt: skip
_SETTING = re.compile(
    r"\b(?:set|change|turn|switch|make|put|bump|raise|lower|update)\s+(?:the\s+|its\s+)?(?:value\s+of\s+)?([\w-]+)(?:\s+(?:value|setting|number|name))?\s+(?:in\s+[\w./-]+\s+)?(?:to|=|as)\s+[\"']?([\w.:/@-]+)",
    re.I,
)
_NOT_SOUGHT = frozenset(
    [
        "it",
        "them",
        "that",
        "this",
        "file",
        "files",
        "folder",
        "folders",
        "everything",
        "anything",
        "something",
        "me",
        "one",
        "line",
        "lines",
        "word",
        "words",
        "text",
        "here",
        "there",
        "name",
        "names",
        "contents",
        "content",
        "size",
        "date",
        "time",
    ]
)


def globs_of(text: str) -> list[str]:
    """Patterns for the kinds and names of files that the words speak of."""
    found = [f"*.{_ENDINGS[match.group(1).lower()]}" for match in _KIND.finditer(text)]
    found += [f"*.{_ENDINGS[match.group(1).lower()]}" for match in _KINDS_ALONE.finditer(text)]
    found += [f"*.{match.group(1).lower()}" for match in _ENDING_IN.finditer(text)]
    if not re.search(r"\b(?:folder|directory)\s+(?:called|named)\b", text):
        found += [f"*{next(filter(None, match.groups()))}*" for match in _CALLED.finditer(text)]
    found = [one for one in dict.fromkeys(found) if one.strip("*").lower() not in _NOT_SOUGHT]
    return [one for one in found if not (one == "*.csv" and "*.csv" in found[: found.index(one)])]


def placed(text: str) -> list[str]:
    """A pattern for a thing whose place is asked for by a bare noun: weaker than a name."""
    return [f"*{next(filter(None, match.groups()))}*" for match in _PUT.finditer(text)]


def sought_of(text: str) -> list[str]:
    """The object of about, mention, contain, look for and the like; then any errors in a file."""
    found = [match.group(1).strip() for match in _ABOUT.finditer(text)]
    found += [match.group(1) for match in _ANY_IN.finditer(text)]
    found = [re.sub(r"^(?:the|a|an|my|our|any|some|something|anything)\s+", "", one, flags=re.I) for one in found]
    return [one for one in dict.fromkeys(found) if one.lower() not in _NOT_SOUGHT and not re.search(r"\.\w{1,5}$", one)]


def said_of(text: str) -> str | None:
    """A text that the person gives word for word without quotes."""
    for pattern in (_PUT_IN, _IS_TO_SAY, _FEW_IN):
        if found := pattern.search(text):
            said = found.group(1).strip().strip("\"'“”")
            if pattern is _FEW_IN and _DESCRIBES.search(said):
                continue
            return said or None
    if re.search(r"\b(?:write|put|create|make|new\s+file|save|overwrite|replace)\b", text, re.I) and (
        found := _AFTER_COLON.search(text)
    ):
        return found.group(1).strip().strip("\"'“”") or None
    return None


def swap_of(text: str) -> tuple[str, str] | tuple[()]:
    """What is to become what, unquoted."""
    for pattern, (old, new) in _SWAPS:
        if found := pattern.search(text):
            pair = [one.strip().strip(".,;:") for one in found.groups()]
            pair = [re.sub(r"^[\w./-]+\.\w+:\s*", "", one) for one in pair]
            if all(pair) and not {one.lower() for one in pair} & _NOT_SOUGHT and pair[0].lower() != pair[1].lower():
                return pair[old], pair[new]
    return ()


def setting_of(text: str) -> tuple[str, str] | tuple[()]:
    """The name and the new value of a setting: "set debug to true"."""
    found = _SETTING.search(text)
    return (found.group(1), found.group(2).rstrip(".,;:")) if found else ()
