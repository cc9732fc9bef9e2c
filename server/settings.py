"""Every setting, in one place: its name, default, unit and help. Read from `MUNDAP_…` variables and from `.env`."""

from importlib import metadata
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.embedding import BUNDLED
from index.engine import EMBEDDED, open_engine
from index.errors import InputError, UsageError
from index.publication import VERSIONS_KEPT, Publication
from server.framing import parse_origins
from server.limits import open_counts, parse_rates


class Settings(BaseSettings):
    """The settings of one process. Each field is the variable `MUNDAP_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="MUNDAP_", env_file=".env", extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address that the server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the server listens on.")
    source_dir: Path = Field(Path("source_docs"), description="Folder of the documents that are indexed.")
    data_dir: Path = Field(Path("var"), description="Folder for published indexes, the database and the model cache.")
    versions_kept: int = Field(
        VERSIONS_KEPT,
        ge=2,
        description="Versions of the index that are kept, the published one among them; 2 or more, so that there is "
        "one to go back to.",
    )
    embedding_model: str = Field(
        BUNDLED, description='"bundled", or any sentence-transformers model: a name that a hub knows, or a folder.'
    )
    llm_base_url: str = Field(
        "",
        description="Address of an OpenAI-compatible server, such as `http://127.0.0.1:8080/v1`, whose model writes "
        "answers that are held to the documents; empty: answers are the documents' own sentences.",
    )
    llm_model: str = Field("", validate_default=True, description="Name of the language model at MUNDAP_LLM_BASE_URL.")
    llm_api_key: SecretStr = Field(SecretStr(""), description="Key for MUNDAP_LLM_BASE_URL; empty: none is needed.")
    llm_budget_seconds: float = Field(
        20.0, ge=1, le=120, description="Seconds that the language model has for one answer, from asking to the end."
    )
    llm_concurrency: int = Field(
        4, ge=1, le=32, description="Questions that each server process puts to the language model at once."
    )
    admin_token: SecretStr = Field(
        SecretStr(""),
        description="Token of the admin page, such as `openssl rand -hex 32` makes; empty: there is none.",
    )
    # No more than the loaders read of a file.
    upload_limit_mb: int = Field(50, ge=1, le=50, description="Size of an uploaded document at most, in MB.")
    embed_origins: str = Field(
        "",
        description="Origins that may frame the widget, separated by spaces, such as "
        '"https://www.example.go.kr https://*.example.go.kr"; empty: none but the server itself.',
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="Database for questions, feedback and audit log, an SQLAlchemy URL: empty for SQLite in the "
        "data folder.",
    )
    keep_questions: bool = Field(
        True, description="Whether questions are kept, personal data masked, for the staff to see what is asked."
    )
    retention_days: int = Field(
        90, ge=1, le=3_650, description="Days after which questions and feedback are removed from the database."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description='What is logged at least: "info" adds a line for each request.'
    )
    traces_url: str = Field(
        "",
        description="Address of an OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`; empty: "
        "no traces.",
    )
    reader: str = Field(
        "",
        description='Model that reads the best passages: empty for the shipped one, "off" for none, '
        "or any sentence-transformers CrossEncoder: a name that a hub knows, or a folder.",
    )
    rate_limit: str = Field(
        "",
        description="Questions, searches, sources and feedback that one client may send, such as "
        '"60/minute" or "5/second;300/hour"; empty: any number.',
    )
    rate_limit_storage: SecretStr = Field(
        SecretStr("memory://"),
        description='Where rate limits are counted: "memory://" for each process by itself, or a Redis that several '
        'share, such as "redis://:password@host:6379/0".',
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, "
        'separated by spaces, such as "127.0.0.1 10.0.0.0/8"; empty: none.',
    )
    concurrency: int = Field(
        4, ge=1, le=1_000, description="Questions, searches and sources that each process works on at once, at most."
    )
    queue: int = Field(
        32,
        ge=0,
        le=10_000,
        description="Questions, searches and sources that wait in each process, at most; more get 503.",
    )
    time_budget_seconds: float = Field(
        30,
        gt=0,
        le=3_600,
        description="Time for one question, search or source, in seconds, waiting and sending included.",
    )
    drain_seconds: float = Field(
        10, ge=0, le=600, description="Time that questions under way have when the server is asked to end, in seconds."
    )
    vector_store: SecretStr = Field(
        SecretStr(EMBEDDED),
        description='Where passages are searched: "faiss" for files in the data folder; PostgreSQL with pgvector, such '
        'as "postgresql://user:password@primary,replica/name", several databases, which share the passages, separated '
        'by spaces; or Milvus, such as "milvus:http://user:password@host:19530".',
    )
    title: str = Field("문답", description="Name of the service, as its pages show it.")

    @field_validator("embed_origins")
    @classmethod
    def _check_origins(cls, text: str) -> str:
        try:
            return " ".join(parse_origins(text))
        except ValueError as error:
            raise PydanticCustomError("embed_origins", "{problem}", {"problem": str(error)}) from error

    @field_validator("llm_base_url")
    @classmethod
    def _check_address(cls, url: str) -> str:
        problem = _address_problem(url, "a key belongs to MUNDAP_LLM_API_KEY")
        if problem:
            raise PydanticCustomError("llm_base_url", "{problem}", {"problem": problem})
        return url

    @field_validator("llm_model")
    @classmethod
    def _check_model(cls, name: str, info: ValidationInfo) -> str:
        if bool(name) != bool(info.data.get("llm_base_url")):
            raise PydanticCustomError("llm_model", "give MUNDAP_LLM_BASE_URL and MUNDAP_LLM_MODEL both, or neither")
        return name

    @field_validator("rate_limit")
    @classmethod
    def _check_rates(cls, text: str) -> str:
        try:
            parse_rates(text)
        except ValueError as error:
            problem = "{text} is no limit; write such as 60/minute or 5/second;300/hour"
            raise PydanticCustomError("rate_limit", problem, {"text": repr(text[:80])}) from error
        return text

    @field_validator("rate_limit_storage")
    @classmethod
    def _check_rate_limit_storage(cls, url: SecretStr) -> SecretStr:
        try:
            open_counts(url.get_secret_value())
        except ImportError as error:
            problem = "Redis needs a package; run: pip install -c requirements.lock -e '.[portal]'"
            raise PydanticCustomError("rate_limit_storage", problem) from error
        except Exception as error:  # of whichever library reads the address, which may hold a password
            problem = "it can't be used; write memory:// or such as redis://host:6379/0"
            raise PydanticCustomError("rate_limit_storage", problem) from error
        return url

    @field_validator("traces_url")
    @classmethod
    def _check_traces(cls, url: str) -> str:
        problem = _address_problem(url, "credentials belong to OTEL_EXPORTER_OTLP_HEADERS")
        if problem:
            raise PydanticCustomError("traces_url", "{problem}", {"problem": problem})
        try:
            if url:
                metadata.version("opentelemetry-exporter-otlp-proto-http")
        except metadata.PackageNotFoundError as error:
            problem = "Traces need a package; run: pip install -c requirements.lock -e '.[portal]'"
            raise PydanticCustomError("traces_url", problem) from error
        return url

    @field_validator("vector_store")
    @classmethod
    def _check_vector_store(cls, text: SecretStr) -> SecretStr:
        try:
            open_engine(text.get_secret_value())
        except UsageError as error:
            raise PydanticCustomError("vector_store", "{problem}", {"problem": str(error)}) from error
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, text: str) -> str:
        for written in text.split():
            try:
                ip_network(written, strict=False)
            except ValueError as error:
                problem = "{written} is neither an address nor a network; write such as 127.0.0.1 or 10.0.0.0/8"
                raise PydanticCustomError("trusted_proxies", problem, {"written": repr(written[:80])}) from error
        return text

    def shown(self) -> dict[str, str]:
        """Return every setting by the name of its variable, secrets masked where they aren't what everyone has."""
        shown = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            is_default = isinstance(value, SecretStr) and value == field.default
            shown[f"MUNDAP_{name.upper()}"] = value.get_secret_value() if is_default else str(value)
        return shown

    def environment(self) -> dict[str, str]:
        """Return the settings as variables for another process, which has the secrets from where this one has them."""
        names = [name for name in type(self).model_fields if not isinstance(getattr(self, name), SecretStr)]
        return {f"MUNDAP_{name.upper()}": str(getattr(self, name)) for name in names}

    @property
    def frame_origins(self) -> tuple[str, ...]:
        """The origins that may frame the widget."""
        return parse_origins(self.embed_origins)

    def publication(self) -> Publication:
        """Return the versions in the data folder, with the engine that keeps them."""
        return Publication(self.data_dir, self.versions_kept, open_engine(self.vector_store.get_secret_value()))

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.resolve() / 'mundap.sqlite'}"

    @property
    def address(self) -> str:
        """Where the pages are reached on this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def model_cache(self) -> Path:
        """Where assembled models are kept."""
        return self.data_dir / "models"


def _address_problem(url: str, instead: str) -> str:
    """Return what is wrong with the address of a server; a secret in it would be shown wherever it is named."""
    if url and not url.startswith(("http://", "https://")):
        return "it must begin with http:// or https://"
    if "@" in url.partition("://")[2].partition("/")[0]:
        return f"it must hold no user and no password; {instead}"
    return ""


def read_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        UsageError: some are wrong; all of them are named.
        InputError: the file `.env` can't be read.
    """
    settings, problem = read_what_holds()
    if problem:
        raise UsageError(problem)
    return settings


def read_what_holds() -> tuple[Settings, str]:
    """Return the settings of this process, with the default in the place of what is wrong, and what that is, or "".

    Raises:
        InputError: the file `.env` can't be read.
    """
    try:
        return Settings(), ""
    except ValidationError as error:
        wrong = {str(one["loc"][0]): one["msg"] for one in error.errors()}
        problems = "; ".join(f"MUNDAP_{name.upper()}: {problem}" for name, problem in wrong.items())
        # Those of a language model belong together.
        unset = [*wrong, *(name for name in Settings.model_fields if name.startswith("llm_"))]
        defaults = {name: Settings.model_fields[name].default for name in unset}
        return Settings(**defaults), f"The settings are wrong: {problems}"
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The file .env can't be read; save it as UTF-8 and check its permissions") from error
