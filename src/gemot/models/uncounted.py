"""Chat completions of servers that report anything as their use: a report that can't be read costs no reply. Imported with the first call."""

from __future__ import annotations

from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse
from pydantic_ai.usage import RequestUsage


class _Streamed(OpenAIStreamedResponse):
    def _map_usage(self, response: ChatCompletionChunk) -> RequestUsage:
        try:
            return super()._map_usage(response)
        except (AttributeError, LookupError, TypeError, ValueError):
            return RequestUsage()  # it is estimated by what was said


class ChatModel(OpenAIChatModel):
    """The same as its base in all else."""

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return _Streamed
