"""The wire types of OpenAI's chat interface, as far as one that answers only from documents can keep its promises.

What would change how a reply is written (`temperature`, `max_tokens`, `stop`, `tools` that need not be called, …) is
ignored, as there is nothing for it to change. What promises another form of reply is refused.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from index.errors import QuestionError
from server.conversation import Turn, clean_question
from server.routes.schemas import MAX_HISTORY_TURNS, MAX_TURN_CHARACTERS, ChatResponse

MODEL: Final = "mundap"


def _refusal(problem: str, code: str = "unsupported_value") -> PydanticCustomError:
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "code": code})


class MessageModel(BaseModel):
    """One message. What system and developer messages say is ignored: documents are all that is answered from."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str = ""

    @field_validator("content", mode="before")
    @classmethod
    def _read_parts(cls, content: object, info: ValidationInfo) -> object:
        if content is None or info.data.get("role") in ("system", "developer"):
            return ""
        if not isinstance(content, list):
            return content
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        texts = [text for text in parts if isinstance(text, str)]
        if len(texts) < len(content):
            raise _refusal("Only parts of the type text can be read; send no images, sounds or files")
        return "\n".join(texts)


class StreamOptions(BaseModel):
    """What a stream shall hold beside the reply."""

    include_usage: bool | None = None


def _only_one(n: object) -> object:
    if n not in (None, 1):
        raise _refusal("There is one answer to a question; leave n out")
    return n


def _only_text(wanted: object) -> object:
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind not in (None, "text"):
        raise _refusal("Answers are plain text; leave response_format out and read the field mundap of the reply")
    return wanted


def _no_call(wanted: object) -> object:
    if wanted not in (None, "none", "auto"):
        raise _refusal("Tools are never called here; leave this out or send auto")
    return wanted


def _no_probabilities(wanted: object) -> object:
    if wanted not in (None, False):
        raise _refusal("Answers have no log probabilities; leave logprobs out")
    return wanted


def _no_sound(wanted: object) -> object:
    if wanted not in (None, ["text"]):
        raise _refusal("Answers are plain text; leave modalities out")
    return wanted


class CompletionRequest(BaseModel):
    """A conversation whose last user message is the question. Whatever `model` is asked for, this one answers."""

    messages: list[MessageModel]
    model: str = MODEL
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[Any, BeforeValidator(_only_one)] = None
    response_format: Annotated[Any, BeforeValidator(_only_text)] = None
    tool_choice: Annotated[Any, BeforeValidator(_no_call)] = None
    function_call: Annotated[Any, BeforeValidator(_no_call)] = None
    logprobs: Annotated[Any, BeforeValidator(_no_probabilities)] = None
    modalities: Annotated[Any, BeforeValidator(_no_sound)] = None

    @field_validator("messages")
    @classmethod
    def _check_question(cls, messages: list[MessageModel]) -> list[MessageModel]:
        if not any(message.role == "user" for message in messages):
            raise _refusal("There is no message of the role user; send the question as one", "no_question")
        try:
            clean_question(messages[_last_user_message(messages)].content)
        except QuestionError as error:
            raise _refusal(str(error), error.code) from error
        return messages

    @property
    def question(self) -> str:
        """The last user message."""
        return self.messages[_last_user_message(self.messages)].content

    @property
    def history(self) -> list[Turn]:
        """What users and assistants said before the question: the newest turns, the beginning of each."""
        before = self.messages[: _last_user_message(self.messages)]
        said = [message for message in before if message.role in ("user", "assistant") and message.content]
        return [Turn(message.role, message.content[:MAX_TURN_CHARACTERS]) for message in said[-MAX_HISTORY_TURNS:]]


def _last_user_message(messages: list[MessageModel]) -> int:
    return max(place for place, message in enumerate(messages) if message.role == "user")


class UrlCitation(BaseModel):
    """A number in brackets, `content[start_index:end_index]` in code points, and the source that it stands for."""

    start_index: int
    end_index: int
    url: str
    title: str


class AnnotationModel(BaseModel):
    """What a stretch of the content rests on."""

    type: Literal["url_citation"]
    url_citation: UrlCitation


class AssistantMessage(BaseModel):
    """The reply, with its references."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[AnnotationModel]


class Choice(BaseModel):
    """The one reply that there is."""

    index: Literal[0] = 0
    message: AssistantMessage
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class Usage(BaseModel):
    """Sizes in characters (Unicode code points): no token is paid for, and each model would count others."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """One reply; `mundap` is the same as `POST /api/chat` gives it, `system_fingerprint` the version of the index."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = MODEL
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    mundap: ChatResponse


class Delta(BaseModel):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    annotations: list[AnnotationModel] | None = None


class ChunkChoice(BaseModel):
    """What a chunk adds to the one reply; only the last has a reason to finish."""

    index: Literal[0]
    delta: Delta
    finish_reason: Literal["stop"] | None


class Chunk(BaseModel):
    """A piece of a streamed reply. The last piece with a choice carries `mundap`, one without carries `usage`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: Annotated[list[ChunkChoice], Field(max_length=1)]
    usage: Usage | None = None
    mundap: ChatResponse | None = None


class ModelModel(BaseModel):
    """The model that there is, "created" when its index was."""

    id: Literal["mundap"] = MODEL
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["mundap"] = "mundap"


class ModelList(BaseModel):
    """All models: one."""

    object: Literal["list"] = "list"
    data: list[ModelModel]


class ErrorModel(BaseModel):
    """What was wrong, with the parameter that was, where one was."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str


class ErrorResponse(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorModel
