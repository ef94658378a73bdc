"""The wire: gemot's own form to the formats of providers and back, over HTTP.

- :mod:`gemot.models.wire.http`: connections.
- :mod:`gemot.models.wire.reading`: one reply, from its bytes to its end. It uses
  :mod:`gemot.models.wire.events` (bytes -> JSON documents) and
  :mod:`gemot.models.wire.gathering` (documents -> the parts, the finish and the usage of a reply).
- :mod:`gemot.models.wire.encoding`: a request's messages -> bytes; each page is encoded once.
- One module for each format: ``openai_chat``, ``openai_responses``, ``anthropic``, ``google``.
"""
