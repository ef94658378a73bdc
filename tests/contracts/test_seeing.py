"""What a refusal of images means, told from the real words of providers; and that a process goes on after each of them.

The sentences were collected from public reports; beside each is where it was seen, as project and number of the issue.
Those without one are forms that could be met as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from wire import KINDS, Kind, Speech, WireServer, openai_format
from wire.asking import ask, at, failure, in_turn, question, text
from wire.pictures import Album, png

from gemot.abi.messages import Image, Message, Request, Text
from gemot.models.scripted import scripted
from gemot.models.seeing import REFUSED, UNSEEN, in_words, refused

every_wire = pytest.mark.parametrize("kind", KINDS)

MODEL: list[tuple[int | None, str]] = [
    (
        400,
        "Invalid content type. image_url is only supported by certain models.",
    ),  # OpenAI: nextcloud/integration_openai#282
    (400, "Image input modality is not enabled for <MY_TUNED_MODEL>"),  # Google: google/generative-ai-docs#513
    (
        404,
        "No endpoints found that support image input",
    ),  # OpenRouter: NousResearch/hermes-agent#23411, aaif-goose/goose#5396
    (
        500,
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    ),  # llama.cpp#15377
    (500, "image input is not supported by this server"),  # llama.cpp#13566
    (500, 'Failed to parse messages: Unsupported content part type: "image_url"; messages = ['),  # llama.cpp#12947
    (500, "The server was not compiled for multimodal or the model projector can't be loaded."),  # llamafile#298
    (400, "this model does not support image input (ref: b8bd630e-4a39-4b57-82af-9158ee9d5703)"),  # ollama/ollama#17301
    (
        400,
        "json: cannot unmarshal array into Go struct field Message.messages.content of type string",
    ),  # LibreChat#2494
    (400, "Model does not support images. Please use a model that does."),  # lmstudio-ai/lmstudio-bug-tracker#362, #908
    (None, "Model does not support images. Please use a model that does."),  # and in the middle of its stream
    (
        400,
        "Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, "
        "expected `text` at line 1 column 62797",
    ),  # DeepSeek: nextcloud/integration_openai#284
    (
        422,
        "Failed to deserialize the JSON body into the target type: messages[2]: data did not match any variant of untagged "
        "enum ChatCompletionRequestContent at line 1 column 15700",
    ),  # DeepSeek: browser-use/browser-use#159
    (
        422,
        "Failed to deserialize the JSON body into the target type: messages[2]: invalid type: sequence, expected a string "
        "at line 1 column 2901",
    ),  # DeepSeek: chatboxai/chatbox#1740
    (400, "message[0].content must be a string"),  # Groq: vercel/ai#2837, obot-platform/obot#2693
    (
        400,
        "'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : value must be a string)]",
    ),  # Groq, the form of All-Hands-AI/OpenHands#4643
    (422, "[invalid_request_error] Input should be a valid string"),  # ltmoerdani/opencode-copilot-chat#233
    (
        400,
        "messages.content.type \u53c2\u6570\u975e\u6cd5\uff0c\u53d6\u503c\u8303\u56f4 ['text']",
    ),  # GLM: CodexPlusPlus#1760
    (400, "/models/text-model is not a multimodal model"),  # vLLM: vllm-project/vllm#23402
    (
        400,
        "At most 0 image(s) may be provided in one prompt.",
    ),  # vLLM with --limit-mm-per-prompt: vllm-project/recipes#75
    (
        400,
        "This model doesn't support the image field for user messages. Remove image and try again.",
    ),  # Bedrock: pi#8960
    (400, "User message image blocks are not supported for OpenAI chat conversion"),  # free-claude-code#310
    (400, "Image inputs are not supported by this model."),
    (400, "This model does not have vision capabilities."),
]

IMAGES: list[tuple[int | None, str]] = [
    (400, "Could not process image"),  # Anthropic: anthropics/claude-code#56511
    (
        400,
        "messages.7.content.2.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels",
    ),  # anthropics/claude-code#4778
    (400, "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes"),
    (400, "messages.6.content.5.image.source.base64.data: Image does not match the provided media type image/png"),
    # anthropics/claude-code#15746
    (400, "The image was specified using the image/png media type, but the image appears to be a image/jpeg image"),
    # home-assistant/core#167208
    (
        400,
        "messages.2.content.1.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif'",
    ),
    # anthropics/claude-code#8184
    (
        400,
        "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg'].",
    ),
    # OpenAI: vercel/ai#1544
    (400, "Invalid MIME type. Only image types are supported."),  # OpenAI: langgenius/dify#11527
    (400, "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide"),
    # Google: google-gemini/gemini-cli#5064
    (400, "Provided image is not valid"),  # Google: AmberSahdev/Open-Interface#64
    (400, "Unsupported MIME type: image/gif"),  # Google: Mai-with-u/MaiBot#1435
    (400, "Request contains an invalid argument."),  # Google, of a BMP: google-gemini/gemini-cli#14838
    (400, "Failed to load image or audio file"),  # llama.cpp, of WebP: cline/cline#8977
    (400, "invalid image input"),  # Ollama: ollama/ollama#6753
    (400, "At most 2 image(s) may be provided in one prompt."),  # vLLM
    (400, "Unexpected role 'user' after role 'tool'"),  # Mistral: BerriAI/litellm#17761, for images of results
    (400, "Invalid 'messages[234]'. Image URLs are only allowed for messages with role 'user'"),  # OpenHands#7700
    (400, "Cannot preprocess image len(combined_imgs) = 1, len(image_ranges) = 0, please provide valid images"),
    # Fireworks: pydantic/pydantic-ai#2424
    (413, "Request exceeds the maximum size"),
    (415, "unsupported media type"),
]

NEITHER: list[tuple[int | None, str]] = [
    (400, "This model's maximum context length is 128000 tokens. However, your messages resulted in 130042 tokens."),
    (400, "prompt is too long: 214315 tokens > 200000 maximum"),
    (400, "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."),
    (400, "the request exceeds the available context size (8192 tokens), try increasing it"),
    (400, "too many hats"),
    (404, "The model `gpt-9` does not exist or you do not have access to it."),
    (404, "No endpoints found that support tool use."),
    (500, "the hamster died"),
    (503, "The images service is overloaded"),
    (401, "Incorrect API key provided; this model does not support images"),
    (429, "Rate limit reached for images per minute"),
    (None, "Connection error."),
]


@pytest.mark.parametrize(("status", "words"), MODEL)
def test_a_model_that_cannot_see_is_known_by_its_server_s_words(status: int | None, words: str) -> None:
    assert refused(status, {"error": {"message": words}}, "") == "model"


@pytest.mark.parametrize(("status", "words"), IMAGES)
def test_refused_images_say_nothing_about_the_model(status: int | None, words: str) -> None:
    assert refused(status, {"error": {"message": words}}, "") == "images"


@pytest.mark.parametrize(("status", "words"), NEITHER)
def test_other_refusals_are_not_about_images(status: int | None, words: str) -> None:
    assert refused(status, {"error": {"message": words}}, "") is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Model does not support images. Please use a model that does."},
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": '{"error": {"message": "image_url is only supported by certain models."}}'},
            }
        },
        {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string", "input": []}]},
        "image input is not supported by this server",
        None,
    ],
)
def test_the_words_are_found_wherever_a_server_puts_them(body: object) -> None:
    assert refused(400, body, "This model does not support images.") == "model"


def test_what_follows_in_an_error_is_not_looked_at() -> None:
    """Some servers put the whole request into it, and that holds anybody's words."""
    echo = "x" * 400 + " the person wrote: this model does not support images"
    assert refused(400, {"error": {"message": "bad" + echo}}, "") is None


def test_an_image_in_words_says_why_and_what_it_is() -> None:
    image = Image("d", "image/png", 1, 1, "a cat")
    assert in_words(image, UNSEEN) == "[an image, which this model can't see: a cat]"
    assert in_words(Image("d", "image/png", 1, 1), REFUSED) == "[an image that the provider refused]"


# Asked again, through every wire


def with_image() -> Request:
    album = Album()
    image = album.add(png(), about="a red square")
    return question(Message("user", (Text("Look."), image)), images=album.bytes)


def refusing_images(server: WireServer, status: int, words: str) -> None:
    def script(_: dict[str, Any], number: int) -> Speech | str:
        return Speech(status=status, error=words) if server.pictures(number) else "No image."

    server.script = script


@every_wire
@pytest.mark.parametrize(("status", "words"), [one for one in MODEL if one[0] is not None][::3])
def test_a_model_that_cannot_see_is_asked_in_words_at_once_and_from_then_on(
    kind: Kind, status: int, words: str
) -> None:
    with WireServer(kind) as server:
        refusing_images(server, status, words)
        reply, heard = ask(at(server), with_image(), with_image())
        assert text(reply) == "No image." and heard.count("image.") == 2
        assert [len(server.pictures(number)) for number in range(3)] == [1, 0, 0]
        assert len(server.requests) == 3
        assert "[an image, which this model can't see: a red square]" in json.dumps(server.requests[-1])
        ask(at(server), with_image())
        assert len(server.pictures(3)) == 1  # another connection finds out for itself


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_refusal_inside_a_stream_is_one_as_well(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """LM Studio begins its answer, with status 200, before it looks at what it was asked."""
    speaks = openai_format.events

    def events(speech: Speech, asked: dict[str, Any], number: int, dialect: str) -> Iterator[Any]:
        if openai_format.pictures(asked):
            return iter(
                [("error", {"error": {"message": "Model does not support images. Please use a model that does."}})]
            )
        return speaks(speech, asked, number, dialect)

    monkeypatch.setattr(openai_format, "events", events)
    with WireServer(kind, "No image.") as server:
        reply, _ = ask(at(server), with_image(), with_image())
        assert text(reply) == "No image."
        assert len(server.requests) == 3


@every_wire
def test_an_image_that_is_refused_is_in_words_for_this_request_only(kind: Kind) -> None:
    with WireServer(kind) as server:
        refusing_images(server, 400, "Could not process image")
        model = at(server)
        ask(model, with_image(), with_image())
        assert [len(server.pictures(number)) for number in range(4)] == [1, 0, 1, 0]
        for number in (1, 3):
            assert "[an image that the provider refused: a red square]" in json.dumps(server.requests[number])


@every_wire
def test_a_request_that_is_refused_in_words_as_well_has_shown_nothing_about_the_model(kind: Kind) -> None:
    blind = Speech(status=400, error="Input should be a valid string")
    script = in_turn(blind, Speech(status=400, error="too many hats"), "Seen.")
    with WireServer(kind, script) as server:
        error = failure(at(server), with_image())
        assert error.kind == "refused" and "too many hats" in str(error) and len(server.requests) == 2
    with WireServer(kind, script) as server:
        model = at(server)

        def twice() -> str:
            failure(model, with_image())
            return text(ask(model, with_image())[0])

        assert twice() == "Seen." and len(server.pictures()) == 1


@every_wire
def test_words_about_images_mean_nothing_where_none_was_sent(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=400, error="this model does not support images"))) as server:
        assert failure(at(server), question()).kind == "refused"
        gone = question(Message("user", (Image("gone", "image/png", 1, 1),)))
        assert failure(at(server), gone).kind == "refused"
        assert len(server.requests) == 2


@every_wire
@pytest.mark.parametrize(
    "words",
    [
        "prompt is too long: 214315 tokens > 200000 maximum",
        "This model's maximum context length is 8192 tokens. However, your messages and images resulted in 9000 tokens.",
    ],
)
def test_a_window_that_images_filled_is_a_window_still(kind: Kind, words: str) -> None:
    with WireServer(kind, in_turn(Speech(status=400, error=words))) as server:
        assert failure(at(server), with_image()).kind == "window"
        assert len(server.requests) == 1


@every_wire
def test_rate_limit_with_images_is_no_refusal_of_images(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=429, error="too many images per minute"), "Now.")) as server:
        model = at(server)
        error = failure(model, with_image())
        assert error.kind == "overloaded" and error.passing and len(server.requests) == 1
        reply, _ = ask(at(server), with_image())
        assert text(reply) == "Now." and len(server.pictures(1)) == 1


def test_a_script_is_given_images_as_they_are() -> None:
    def script(asked: Request) -> str:
        (image,) = (part for message in asked.messages for part in message.parts if isinstance(part, Image))
        return f"{image.about}, {len(asked.images[image.digest])} bytes"

    reply, _ = ask(scripted(script), with_image())
    assert text(reply) == f"a red square, {len(png())} bytes"
    assert reply.usage.tokens_in > 0


@every_wire
def test_a_body_that_is_too_large_is_sent_without_its_images(kind: Kind) -> None:
    with WireServer(kind) as server:
        refusing_images(server, 413, "Request exceeds the maximum size")
        assert text(ask(at(server), with_image())[0]) == "No image."
        assert len(server.requests) == 2
