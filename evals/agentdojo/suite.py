"""A suite of AgentDojo as the harness sees it: tools, tasks, environments, and AgentDojo's own judgement. Knows no suite.

AgentDojo is imported here only, when a suite is asked for, and of it only what its suites need: the package of its agent
pipelines would import the libraries of every model provider, so an empty shell stands in its place.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import pickle
import sys
import types
from dataclasses import dataclass, field
from typing import Any

VERSION = "v1.2.2"

NOT_HERE = "AgentDojo is not installed for this Python: run `make eval-agentdojo`, which makes an environment for it"


@dataclass(frozen=True)
class Use:
    """One use of one tool, as data. Equal uses have equal keys, however their arguments were written."""

    tool: str
    arguments: dict[str, Any]

    @property
    def key(self) -> str:
        return json.dumps([self.tool, plain(self.arguments)], sort_keys=True)


def plain(value: Any) -> Any:
    """A JSON value in one way of writing it: whole numbers as integers, an argument that is null left out."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def load(name: str) -> Suite:
    """The suite of this name. Exits with a sentence that helps where AgentDojo or the suite is not there."""
    found = importlib.util.find_spec("agentdojo")
    if found is None or not found.submodule_search_locations:
        sys.exit(NOT_HERE)
    if "agentdojo.agent_pipeline" not in sys.modules:
        _shell("agentdojo.agent_pipeline", [f"{found.submodule_search_locations[0]}/agent_pipeline"])
        _shell("agentdojo.agent_pipeline.llms", [])
        _shell("agentdojo.agent_pipeline.llms.google_llm", [], EMPTY_FUNCTION_NAME="")
    suites = importlib.import_module("agentdojo.task_suite.load_suites").get_suites(VERSION)
    if name not in suites:
        sys.exit(f"AgentDojo {VERSION} has no suite {name!r}; it has: {', '.join(suites)}")
    return Suite(suites[name])


def _shell(name: str, path: list[str], **members: Any) -> None:
    module = types.ModuleType(name)
    module.__path__ = path
    vars(module).update(members)
    sys.modules[name] = module


@dataclass
class Suite:
    """One suite. Environments are kept as pickles: a fresh one costs less so than a deep copy."""

    raw: Any
    _kept: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _schemas: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    _runtime: Any = None

    @property
    def name(self) -> str:
        return self.raw.name

    @property
    def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in self.raw.tools}

    @property
    def user_tasks(self) -> dict[str, Any]:
        return self.raw.user_tasks

    @property
    def injection_tasks(self) -> dict[str, Any]:
        return self.raw.injection_tasks

    def schema(self, tool: str) -> dict[str, Any]:
        """The JSON schema of a tool's arguments."""
        if tool not in self._schemas:
            schema = self.tools[tool].parameters.model_json_schema()
            self._schemas[tool] = schema | {"additionalProperties": False}
        return self._schemas[tool]

    def vectors(self) -> dict[str, str]:
        """The places where an attacker can write, each with what stands there when nobody attacks."""
        return self.raw.get_injection_vector_defaults()

    @functools.cached_property
    def everything(self) -> str:
        """All data of the clean environment as one text."""
        return json.dumps(self.data({}), default=str)

    def data(self, injections: dict[str, str]) -> Any:
        """The environment's data with these injections, as read from its file."""
        read = importlib.import_module("agentdojo.task_suite.task_suite").read_suite_file
        text = read(self.name, "environment.yaml", self.raw.data_path)
        filled = text.format(**(self.vectors() | injections))
        yaml = importlib.import_module("yaml")
        return yaml.load(filled, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def environment(self, key: str, task: Any, make: Any) -> Any:
        """A fresh environment for a run. ``make`` gives its data; what it gave is kept under ``key`` and the task."""
        name = f"{key} {task.ID}"
        if name not in self._kept:
            if key not in self._kept:
                self._kept[key] = pickle.dumps(self.raw.environment_type.model_validate(make()))
            prepared = task.init_environment(pickle.loads(self._kept[key]))
            self._kept[name] = pickle.dumps(prepared)
        return pickle.loads(self._kept[name])

    def use(self, environment: Any, use: Use) -> Any:
        """Let a tool work on an environment; its result as JSON can say it. Raises what the tool raises."""
        if self._runtime is None:
            self._runtime = importlib.import_module("agentdojo.functions_runtime").FunctionsRuntime(self.raw.tools)
        result, _ = self._runtime.run_function(environment, use.tool, use.arguments, raise_on_error=True)
        return importlib.import_module("pydantic_core").to_jsonable_python(result)

    def ground_truth(self, task: Any, environment: Any) -> tuple[Use, ...]:
        """What AgentDojo says solves a task; arguments that say what their tool would take anyway are left out."""
        return tuple(self.bare(Use(call.function, dict(call.args))) for call in task.ground_truth(environment))

    def bare(self, use: Use) -> Use:
        """A use without the arguments that only repeat a default."""
        known = self.schema(use.tool)["properties"] if use.tool in self.tools else {}
        kept = {
            name: plain_value(value)
            for name, value in use.arguments.items()
            if not ("default" in known.get(name, {}) and known[name]["default"] == value)
        }
        return Use(use.tool, kept)

    def useful(self, task: Any, before: Any, after: Any, trace: list[Use]) -> bool:
        """AgentDojo's own check that a user task was done; what the model would have said is taken from the ground truth."""
        return bool(self.raw._check_user_task_utility(task, _said(task), before, after, _calls(trace)))

    def harmed(self, task: Any, said_for: Any, before: Any, after: Any, trace: list[Use]) -> bool:
        """AgentDojo's own check that an injection reached its goal."""
        return bool(self.raw._check_injection_task_security(task, _said(said_for), before, after, _calls(trace)))


def plain_value(value: Any) -> Any:
    """What a ground truth gives as an argument, as JSON can say it."""
    return importlib.import_module("pydantic_core").to_jsonable_python(value)


def _said(task: Any) -> list[Any]:
    return [{"type": "text", "content": task.GROUND_TRUTH_OUTPUT}]


def _calls(trace: list[Use]) -> list[Any]:
    call = importlib.import_module("agentdojo.functions_runtime").FunctionCall
    return [call(function=use.tool, args=use.arguments) for use in trace]
