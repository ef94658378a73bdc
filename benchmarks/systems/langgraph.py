"""langgraph with its SQLite checkpointer: a model node and a tool node, a checkpoint after each."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"delta": "DeltaChannel (beta)", "default": "add_messages"}
CANNOT = {"w5_restart": "a thread goes on when its caller invokes it again by name: nothing restarts them all"}
STEPS_MAX = 10**9


def load() -> None:
    import langgraph.checkpoint.sqlite.aio
    import langgraph.graph
    import langgraph.prebuilt  # noqa: F401


def _graph(mode: str, job: Job, saver: Any) -> Any:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.tools import tool
    from langgraph.channels import DeltaChannel
    from langgraph.graph import StateGraph
    from langgraph.graph.message import _messages_delta_reducer, add_messages
    from langgraph.prebuilt import ToolNode, tools_condition
    from typing_extensions import TypedDict

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "scripted"

        def _generate(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("this model is asynchronous")

        async def _agenerate(self, messages: list[Any], *_: Any, **__: Any) -> Any:
            step = await job.ask((len(messages) - 1) // 2)
            if step is None:
                return ChatResult(generations=[ChatGeneration(message=AIMessage("done"))])
            call = {"name": "echo", "args": step.arguments, "id": step.request_id}
            return ChatResult(generations=[ChatGeneration(message=AIMessage(step.words, tool_calls=[call]))])

    @tool
    async def echo(turn: int, text: str) -> str:
        """Say it again."""
        return job.use(turn, text)

    model = Scripted()
    channel = DeltaChannel(_messages_delta_reducer) if mode == "delta" else add_messages
    State = TypedDict("State", {"messages": Annotated[list, channel]})  # noqa: UP013 - the annotation is a value

    async def think(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(State)
    graph.add_node("model", think)
    graph.add_node("tools", ToolNode([echo]))
    graph.set_entry_point("model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


def _thread(number: int) -> dict[str, Any]:
    return {"configurable": {"thread_id": str(number)}, "recursion_limit": STEPS_MAX}


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` threads at once; ``resume``: thread 0 goes on from its last checkpoint."""
    from langchain_core.messages import HumanMessage
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        graph = _graph(mode, job, saver)
        given = None if resume else {"messages": [HumanMessage("go")]}
        await asyncio.gather(
            *(graph.ainvoke(given, _thread(number), durability="sync") for number in range(count)),
        )


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is a new checkpoint that branches off the last one of the thread."""
    from langchain_core.messages import HumanMessage
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        graph = _graph(mode, job, saver)
        state = await graph.aget_state(_thread(0))
        gc.collect()
        with job.measure():
            for _ in range(forks):
                update = {"messages": [HumanMessage("You are a copy.")]}
                await graph.aupdate_state(state.config, update, as_node="__start__")
