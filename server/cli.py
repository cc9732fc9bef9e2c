"""The `mundap` command. What takes long to import is imported by the command that needs it."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from index.errors import (
    GateError,
    InputError,
    ModelError,
    MundapError,
    PublishedIndexError,
    QuestionError,
    StorageError,
    TransientError,
    UsageError,
)
from index.seclusion import seclude_process

if TYPE_CHECKING:
    from index.build import BuildReport
    from index.publication import PublishedIndex
    from server.builds import Build
    from server.chat import Models
    from server.settings import Settings
    from server.storage import Storage

DONE, NOTHING_FOUND, WRONG_USAGE, UNREADABLE_INPUT, NO_INDEX = range(5)
_EXIT_CODES: tuple[tuple[type[MundapError], int], ...] = (
    (QuestionError, WRONG_USAGE),
    (UsageError, WRONG_USAGE),
    (GateError, NOTHING_FOUND),
    (InputError, UNREADABLE_INPUT),
    (ModelError, UNREADABLE_INPUT),
    (StorageError, UNREADABLE_INPUT),
    (PublishedIndexError, NO_INDEX),
)

app = typer.Typer(
    help="Answers from your documents, in their own words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
index_app = typer.Typer(help="Build, list and verify the index.", no_args_is_help=True)
app.add_typer(index_app, name="index")
eval_app = typer.Typer(help="Grade the answers, and compare two gradings.", no_args_is_help=True)
app.add_typer(eval_app, name="eval")
train_app = typer.Typer(help="Train what answers, on your own questions.", no_args_is_help=True)
app.add_typer(train_app, name="train")
data_app = typer.Typer(help="Export or remove what the database keeps of askers.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Question = Annotated[str, typer.Argument(help="What to ask, in any language.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command; an error of ours ends it in one sentence and the exit code of its kind."""
    seclude_process()
    try:
        try:
            app()
        finally:
            # Not left to the end of the interpreter, which would complain of a reader that went away.
            sys.stdout.flush()
    except MundapError as error:
        print(f"mundap: {error}", file=sys.stderr)
        sys.exit(next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), NOTHING_FOUND))
    except BrokenPipeError:
        # The reader of our output, a pager say, went away: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: MUNDAP_HOST]")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.  [default: MUNDAP_PORT]")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of server processes.")] = 1,
    only_builds: Annotated[bool, typer.Option("--only-builds", hidden=True)] = False,
) -> None:
    """Build the index if it is missing or stale, then serve the chat."""
    # uvicorn ends by raising again the signal that stopped it; having been asked to stop is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    if workers > 1:
        _serve_by_workers(host, port, workers)
        return
    import uvicorn

    from index.build import build_if_stale, published_manifest
    from index.retriever import Retriever
    from server.app import create_app
    from server.builds import Builds, stamps_below
    from server.chat import Chat
    from server.listening import server_options
    from server.start_check import checked_settings
    from server.suggestion_maker import suggest_questions

    settings, host, port = checked_settings(host, port)
    models = _load_models(settings)
    publication = settings.publication()
    report = None
    index: PublishedIndex | None
    try:
        with (
            Builds(settings.data_dir).recorded(False, False, stamps_below(settings.source_dir)) as build,
            _progress_bar(build) as progress,
        ):
            suggest = partial(suggest_questions, models)
            index, report = build_if_stale(settings.source_dir, publication, models.embedder, progress, suggest)
            build.finished(asdict(report) if report else None)
    except InputError as error:
        if not publication.is_begun and settings.admin_token.get_secret_value():
            print(f"mundap: {error}; there is no index yet, the staff can build one at /admin", file=sys.stderr)
            index = None
        elif isinstance(error, TransientError) and published_manifest(publication):
            print(f"mundap: {error}; until then what was published is served", file=sys.stderr)
            index = publication.open(models.embedder)
        else:
            raise
    except PublishedIndexError as error:
        index = publication.open_newest(models.embedder)
        if index is None:
            raise
        print(f"mundap: {error}; until then {index.manifest.version} is served", file=sys.stderr)
    if report:
        _print_report(report, sys.stderr)
    print(f"Mundap is starting and will answer at http://{host}:{port}", file=sys.stderr)
    if only_builds:
        # It ends already; another end in the middle of that would only make it complain.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return
    first = Chat(Retriever(index, models.embedder), models.reader, models.writer) if index else models
    uvicorn.run(create_app(settings, first), host=host, port=port, **server_options(settings))


def _serve_by_workers(host: str | None, port: int | None, workers: int) -> None:
    from tempfile import TemporaryDirectory

    import uvicorn

    _build_in_a_child(host, port)
    settings = _settings()
    host, port = host or settings.host, port or settings.port
    # Workers add up in it what they count; it has to be known before anything counts. Its files are mapped: on a disk
    # that fills up, whoever counts would be killed.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own is made there
    with TemporaryDirectory(prefix="mundap-metrics-", dir=memory) as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        from server.listening import server_options

        options = server_options(settings)
        uvicorn.run("server.app:create_app", factory=True, workers=workers, host=host, port=port, **options)


def _build_in_a_child(host: str | None, port: int | None) -> None:
    """Check and build what is served in a process of its own, which gives back the gigabyte that the models take."""
    import subprocess

    from server.builds import child_environment

    command = [sys.executable, "-P", "-m", "server.cli", "serve", "--only-builds"]
    command += [*(["--host", host] if host else []), *(["--port", str(port)] if port else [])]
    try:
        child = subprocess.Popen(command, env=child_environment({}))  # noqa: S603 - our own command
    except OSError as error:
        raise InputError(f"The index can't be built: {sys.executable} can't be run ({error.strerror})") from error
    with child:
        try:
            code = child.wait()
        except BaseException:
            child.terminate()
            raise
    if code:
        # As a shell tells of a process that a signal ended.
        raise typer.Exit(code if code > 0 else 128 - code)


@app.command()
def ask(question: Question, as_json: AsJson = False) -> None:
    """Answer one question, with its citations. Exits with 1 when the documents don't answer."""
    from server.answer import AnswerStatus
    from server.chat import create_chat
    from server.conversation import clean_question
    from server.routes.schemas import ChatResponse

    clean_question(question)
    answer = create_chat(_settings()).answer_question(question)
    if as_json:
        print(ChatResponse.of(answer).model_dump_json(indent=2))
    else:
        print(answer.text)
        if answer.notice:
            print(f"\n{answer.notice.text}")
        for citation in answer.citations:
            print(f"\n[{citation.n}] {citation.title} ({citation.doc_id}:{citation.start}-{citation.end})")
        for related in answer.related:
            print(f"\n- {related.title} ({related.doc_id}:{related.start}-{related.end})\n  {related.text}")
    raise typer.Exit(DONE if answer.status in (AnswerStatus.ANSWERED, AnswerStatus.SMALLTALK) else NOTHING_FOUND)


@app.command()
def search(
    question: Question,
    top_k: Annotated[int, typer.Option(min=1, max=100, help="How many passages.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Print the passages that most likely answer, with the dense, lexical and fused score of each."""
    from index.embedding import load_embedder
    from index.retriever import Retriever
    from server.conversation import clean_question
    from server.routes.schemas import HitModel, SearchResponse

    cleaned = clean_question(question)
    settings = _settings()
    publication = settings.publication()
    publication.current_version()
    embedder = load_embedder(settings.embedding_model, settings.model_cache)
    retriever = Retriever(publication.open(embedder), embedder)
    hits = [HitModel.of(hit) for hit in retriever.search(cleaned, top_k).hits]
    if as_json:
        response = SearchResponse(hits=hits, index_version=retriever.index.manifest.version)
        print(response.model_dump_json(indent=2))
    else:
        print(" rank  score  dense  lexical  passage")
        for rank, hit in enumerate(hits, 1):
            text = " ".join(hit.text.split())
            print(
                f"{rank:5}  {hit.score:.3f}  {hit.dense_score:.3f}  {hit.lexical_score:7.3f}  {hit.passage_id}  "
                f"{text[:80]}"
            )
    raise typer.Exit(DONE if hits else NOTHING_FOUND)


@app.command("mcp")
def offer_tools(
    http: Annotated[
        bool, typer.Option("--http", help="Serve HTTP, at /mcp, and not standard input and output.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on, by HTTP.  [default: MUNDAP_HOST]")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on, by HTTP.")] = 8001,
    url: Annotated[
        str | None, typer.Option(help="Address of the chat, for links.  [default: of MUNDAP_HOST and MUNDAP_PORT]")
    ] = None,
) -> None:
    """Offer the tools ask, search and read_document to assistants, over the Model Context Protocol."""
    try:
        from server.routes.mcp_tools import ToolServer
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        problem = "The tools need the package mcp; run: pip install -c requirements.lock -e '.[mcp]'"
        raise UsageError(problem) from error
    from server.chat import CurrentChat

    if url and not url.startswith(("http://", "https://")):
        raise UsageError(f"Links can't begin with {url}; give --url an address that begins with https:// or http://")
    settings = _settings()
    _publication().current_version()
    # Before the SDK does it, which would draw frames around what is logged.
    logging.basicConfig()
    open_chat = CurrentChat(settings)
    server = ToolServer(open_chat, url or settings.address)
    if not http:
        server.run("stdio")
        return
    import uvicorn

    from server.routes.gate import MAX_BODY_BYTES
    from server.start_check import check_address

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))
    host = host or settings.host
    check_address(host, port)
    open_chat()
    print(f"Mundap offers its tools at http://{host}:{port}/mcp", file=sys.stderr)
    uvicorn.run(server.http_app(host, MAX_BODY_BYTES), host=host, port=port, log_level="warning", server_header=False)


@index_app.command("build")
def index_build(
    source: Annotated[Path | None, typer.Option(help="Folder to index.  [default: MUNDAP_SOURCE_DIR]")] = None,
    gate: Annotated[bool, typer.Option(help="Publish only when every gate of the evaluation holds.")] = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep the version and don't publish it, whatever the gates say.")
    ] = False,
    keep_watching: Annotated[
        bool, typer.Option("--watch", help="Build again whenever the folder has changed, until Ctrl-C.")
    ] = False,
    record: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Load, split, embed what is new, write aside, verify, and publish in one step. Nothing new takes a moment."""
    from index.build import report_if_unchanged
    from index.embedding import model_identity
    from server.builds import Builds, stamps_below

    # What is written aside goes with the process, also with one that is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOTHING_FOUND))
    settings = _settings()
    folder = source or settings.source_dir
    models = cache(lambda: _load_models(settings))

    def build() -> None:
        # The models take seconds to load, so that is put off until there is something to do with them.
        identity = "" if gate and not keep_watching else model_identity(settings.embedding_model)
        with Builds(settings.data_dir).recorded(gate, hold, stamps_below(folder), record) as recorded:
            with _audited(settings, "build_end", record) as outcome:
                # Nobody asked for what a watching build does: it undoes no rollback and tries nothing that was refused.
                report = report_if_unchanged(folder, _publication(), identity, settled=keep_watching)
                if not report and not identity and keep_watching:
                    embedder = models().embedder
                    identity = embedder.identity or embedder.name
                    report = report_if_unchanged(folder, _publication(), identity, settled=True)
                if not report:
                    loaded = models()
                    with _progress_bar(recorded) as progress:
                        judge = _judge(settings, loaded, recorded, progress, hold) if gate else None
                        report = _build(settings, folder, loaded, progress, judge, hold)
                # What a watching process found unchanged nobody asked for.
                outcome(report.version if report.published or report.held or record else None)
            # Whoever sees that it has ended finds its end in the audit log.
            recorded.finished(asdict(report))
        _print_report(report, sys.stdout)

    if keep_watching:
        _watch(folder, build)
    build()


@index_app.command("list")
def index_list() -> None:
    """List the versions that are kept; the published one is marked."""
    publication = _publication()
    current, held = publication.current_version(), publication.held()
    for manifest in publication.versions():
        mark = "*" if manifest.version == current else " "
        print(
            f"{mark} {manifest.version}  {len(manifest.documents)} documents  {manifest.passages} passages  "
            f"{manifest.embedding_model}{'  held' if manifest.version in held else ''}"
        )


@index_app.command("rollback")
def index_rollback(
    version: Annotated[str | None, typer.Argument(help="Version to publish again.  [default: the one before]")] = None,
) -> None:
    """Publish an earlier version again."""
    with _audited(_settings(), "roll_back", version or "") as outcome:
        published = _publication().roll_back(version).version
        outcome(published)
    print(f"published {published}")


@index_app.command("publish")
def index_publish(
    version: Annotated[str, typer.Argument(help="Version that is kept: one that is held, or an earlier one.")],
) -> None:
    """Publish a version that is held."""
    with _audited(_settings(), "publish", version) as outcome:
        _publication().publish_kept(version)
        outcome(version)
    print(f"published {version}")


@index_app.command("check")
def index_check() -> None:
    """Verify the files of the published version against their digests."""
    publication = _publication()
    manifest = publication.verify(publication.current_version())
    print(f"{manifest.version}: {len(manifest.files)} files are whole")


@eval_app.command("run")
def eval_run(
    dataset: Annotated[
        str, typer.Option(help="gold, squad:FILE, beir:DIR or autorag:QA.parquet,CORPUS.parquet")
    ] = "gold",
    task: Annotated[str, typer.Option(help="retrieval, answer or all")] = "all",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the whole report as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as a page.")] = None,
    junit_file: Annotated[Path | None, typer.Option("--junit", help="Write the gates as JUnit XML.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="JSON report that must not be undercut.")] = None,
) -> None:
    """Grade the chat as it ships on a dataset. Exits with 1 when a gate fails."""
    from eval.datasets import load_dataset
    from eval.gates import check_gates, drops_since
    from eval.report import GateResult, make_report, read_json, summary_lines, write_html, write_json, write_junit
    from eval.runner import open_dataset, run
    from server.chat import create_chat

    if task not in ("retrieval", "answer", "all"):
        raise UsageError(f"There is no task {task}; use retrieval, answer or all")
    for path in (json_file, html_file, junit_file):
        _check_writable(path)
    loaded = load_dataset(dataset)
    before = read_json(baseline) if baseline else None
    settings = _settings()
    with _progress_bar() as progress:
        models = _load_models(settings)
        served = None if loaded.corpus else create_chat(settings, models)
        with open_dataset(loaded, served, models, progress) as chat:
            records = run(loaded, chat, task, lambda done, total: progress("Asking", done, total))
            manifest = chat.index.manifest
    report = make_report(loaded.name, records, manifest, settings.shown())
    gates = check_gates(report, measured_only=task != "all")
    gates += [GateResult(drop, broken=True) for drop in (drops_since(before, report) if before else [])]
    if json_file:
        write_json(report, json_file)
    if html_file:
        write_html(report, gates, html_file)
    if junit_file:
        write_junit(report, gates, junit_file)
    print("\n".join(summary_lines(report)))
    broken = [gate for gate in gates if gate.broken]
    for gate in broken:
        print(f"gate failed: {gate.text}")
    raise typer.Exit(NOTHING_FOUND if broken else DONE)


@eval_app.command("compare")
def eval_compare(
    a: Annotated[Path, typer.Argument(help="JSON report of one run.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="JSON report of another.", show_default=False)],
) -> None:
    """Print how B differs from A, with paired significance, and the questions that went from right to wrong or back."""
    from eval.report import compare_lines, read_json

    print("\n".join(compare_lines(read_json(a), read_json(b))))


@eval_app.command("check")
def eval_check() -> None:
    """Prove that the project's own questions are consistent and fit the documents in the source folder."""
    from eval.datasets import check_gold, load_gold
    from index.build import load_documents
    from index.loaders import read_source_files

    gold = load_gold()
    documents, skipped = load_documents(list(read_source_files(_settings().source_dir)))
    for doc_id, reason in skipped.items():
        print(f"skipped  {doc_id}: {reason}")
    problems = check_gold(gold, {document.doc_id: document.text for document in documents})
    for problem in problems:
        print(problem)
    print(f"{len(gold.questions)} questions, {len(problems)} problems")
    raise typer.Exit(NOTHING_FOUND if problems else DONE)


@train_app.command("reader")
def train_reader(
    files: Annotated[list[Path], typer.Argument(help="Question-answering sets in SQuAD's form.", show_default=False)],
    work: Annotated[Path, typer.Option(help="Folder for indexes, checkpoint, log and the adapters that come out.")],
    start: Annotated[Path | None, typer.Option(help="Adapters to begin with.  [default: none]")] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many batches of four questions to learn from.")] = 3100,
    rate: Annotated[float, typer.Option(min=1e-6, max=1e-2, help="Highest learning rate; less to train on.")] = 6e-4,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
) -> None:
    """Train the reader; one that was interrupted goes on where it last saved. See index/reader/MODEL_CARD.md."""
    from eval.train_reader import train_reader as train
    from index.reader.graph import ADAPTERS

    with _progress_bar() as progress:
        adapters = train(files, work, start, steps, rate, seed, progress)
    print(f"wrote {adapters}; to use it, put it in the place of {ADAPTERS}")


@app.command("settings")
def show_settings() -> None:
    """Print every setting with its present value; secrets are masked."""
    settings = _settings()
    defaults = type(settings).model_construct().shown()
    for (variable, shown), field in zip(settings.shown().items(), type(settings).model_fields.values(), strict=True):
        print(f"{variable}={shown}\n    {field.description} Default: {defaults[variable] or 'empty'}.")


def _watch(source: Path, build: Callable[[], None]) -> NoReturn:
    """Build now and whenever `source` has changed; what fails is told. Ctrl-C and SIGTERM end it without a failure."""
    from index.watch import watch

    def build_or_tell() -> bool:
        try:
            build()
        except Exception as error:  # whatever it is, it may be gone by the next change
            print(f"mundap: {str(error) or type(error).__name__}", file=sys.stderr)
            # A gate that refused the documents would refuse the same ones again.
            return isinstance(error, GateError)
        finally:
            sys.stdout.flush()
        return True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(DONE))
    print(f"Mundap watches {source}; Ctrl-C ends it", file=sys.stderr)
    watch(source, build_or_tell)


def _print_report(report: "BuildReport", to: TextIO) -> None:
    for what in ("added", "changed", "removed"):
        for doc_id in getattr(report, what):
            print(f"{what:9}  {doc_id}", file=to)
    for doc_id, old in report.renamed.items():
        print(f"{'renamed':9}  {old} -> {doc_id}", file=to)
    for doc_id, reason in report.skipped.items():
        print(f"{'skipped':9}  {doc_id}: {reason}", file=to)
    for note in report.notes:
        print(note, file=to)
    state = "published" if report.published else "held" if report.held else "nothing changed; still published:"
    print(
        f"{state} {report.version}: {len(report.added)} added, {len(report.changed)} changed, "
        f"{len(report.removed)} removed, {len(report.renamed)} renamed, {len(report.unchanged)} unchanged, "
        f"{len(report.skipped)} skipped; {report.passages} passages, {report.sentences} sentences",
        file=to,
    )
    if report.published or report.held:
        known = report.passages - report.embedded_passages, report.sentences - report.embedded_sentences
        rate = report.embedded_sentences / report.embedding_seconds if report.embedding_seconds else 0
        print(
            f"embedded {report.embedded_passages} passages and {report.embedded_sentences} sentences"
            f"{f' ({rate:.0f} sentences a second)' if rate else ''}; {known[0]} and {known[1]} were known",
            file=to,
        )


def _settings() -> "Settings":
    from server.settings import read_settings

    return read_settings()


@data_app.command("export")
def data_export(
    kind: Annotated[str, typer.Argument(help="questions, feedback, audit or all.")] = "all",
) -> None:
    """Print what is kept, oldest first, as JSON lines. Personal data was masked before it was kept."""
    import json

    kinds = ("questions", "feedback", "audit")
    if kind not in (*kinds, "all"):
        raise UsageError(f"There is nothing called {kind}; export questions, feedback, audit or all")
    storage = _storage()
    for name in kinds if kind == "all" else (kind,):
        for row in storage.export(name):
            print(json.dumps({"kind": name} | row, ensure_ascii=False))
    _keep_audit(storage, "export", kind, "done")
    storage.close()


@data_app.command("purge")
def data_purge(
    days: Annotated[
        int | None, typer.Option(min=0, help="Remove what is older; 0: everything.  [default: MUNDAP_RETENTION_DAYS]")
    ] = None,
    answer: Annotated[str, typer.Option(help="Remove what is kept of this answer alone, by its id.")] = "",
) -> None:
    """Remove questions and feedback, and print how many. The audit log stays."""
    from datetime import UTC, datetime, timedelta

    storage = _storage()
    kept_days = _settings().retention_days if days is None else days
    removed = storage.forget_answer(answer) if answer else storage.purge(datetime.now(UTC) - timedelta(days=kept_days))
    told = ", ".join(f"{count} {kind}" for kind, count in removed.items())
    _keep_audit(storage, "purge", f"{answer or f'older than {kept_days} days'}: {told}", "done")
    storage.close()
    print(told)
    raise typer.Exit(NOTHING_FOUND if answer and not any(removed.values()) else DONE)


def _storage() -> "Storage":
    from server.storage import Storage

    return Storage(_settings().database)


def _check_writable(path: Path | None) -> None:
    """Find out, before the questions are asked, whether the report can be written there."""
    try:
        if path:
            path.open("a").close()
    except OSError as error:
        raise InputError(f"The report {path} can't be written ({error.strerror}); name another file") from error


def _publication() -> Any:
    return _settings().publication()


def _keep_audit(storage: "Storage", action: str, subject: str, outcome: str) -> None:
    """Keep in the audit log what was done; where it can't be written, that is told and no more."""
    try:
        storage.keep_audit(action, subject, outcome)
    except StorageError as error:
        print(f"mundap: {error}", file=sys.stderr)


@contextmanager
def _audited(settings: "Settings", action: str, subject: str) -> Iterator[Callable[[str | None], None]]:
    """Keep in the audit log what is done in the `with` block, which says to what version; to None, it isn't kept.

    What fails is kept with `subject`, if there is any. Where the log can't be written, that is told and no more.
    """
    from server.storage import Storage

    def keep(subject: str, outcome: str) -> None:
        storage = Storage(settings.database)
        try:
            _keep_audit(storage, action, subject, outcome)
        finally:
            storage.close()

    done: list[str | None] = []
    try:
        yield done.append
    except MundapError:
        if subject and settings.data_dir.is_dir():
            keep(subject, "failed")
        raise
    if version := done[0]:
        keep(version, "done")


def _load_models(settings: "Settings") -> "Models":
    from server.chat import load_models

    return load_models(settings, lambda text, done, total: print(text, file=sys.stderr))


def _build(
    settings: "Settings",
    source: Path,
    models: "Models",
    progress: Callable[[str, int, int], None],
    judge: "Callable[[PublishedIndex], None] | None" = None,
    hold: bool = False,
) -> "BuildReport":
    from index.build import build_index
    from server.suggestion_maker import suggest_questions

    return build_index(
        source, settings.publication(), models.embedder, progress=progress,
        suggest=partial(suggest_questions, models), judge=judge or (lambda index: None), hold=hold,
    )  # fmt: skip


def _judge(
    settings: "Settings", models: "Models", build: "Build", progress: Callable[[str, int, int], None], hold: bool
) -> "Callable[[PublishedIndex], None]":
    """Return what evaluates an index, notes that in `build`, and refuses one that breaks a gate unless it is held."""
    from eval.datasets import load_dataset
    from eval.gates import BASELINE, check_gates, drops_since
    from eval.report import HEADLINES, GateResult, make_report, read_json, summary_lines
    from eval.runner import open_dataset, run
    from index.retriever import Retriever
    from server.builds import Evaluation, Gate
    from server.chat import Chat

    gold = load_dataset("gold")

    def judge(index: "PublishedIndex") -> None:
        served = Chat(Retriever(index, models.embedder), models.reader)
        try:
            with open_dataset(gold, served, models) as chat:
                records = run(gold, chat, progress=lambda done, total: progress("Asking", done, total))
        except InputError as error:
            build.evaluated(Evaluation(gold.name, problem=str(error)))
            if hold:
                return
            raise
        progress("Grading", 0, 1)
        report = make_report(gold.name, records, index.manifest, settings.shown())
        print("\n".join(summary_lines(report)), file=sys.stderr)
        results = [*check_gates(report), *(GateResult(drop, True) for drop in drops_since(read_json(BASELINE), report))]
        figures = {name: report.figures[name] for name in HEADLINES if name in report.figures}
        evaluation = Evaluation(
            gold.name, len(records), {name: (f.value, f.low, f.high, f.n) for name, f in figures.items()},
            tuple(Gate(result.text, result.broken) for result in results),
        )  # fmt: skip
        build.evaluated(evaluation)
        progress("Grading", 1, 1)
        if evaluation.broken and not hold:
            raise GateError(f"Nothing was published, these gates fail: {'; '.join(evaluation.broken)}")

    return judge


@contextmanager
def _progress_bar(build: "Build | None" = None) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text(f"{rate:.0f}/s" if rate else "", style="progress.data.speed")

    columns = (TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeLeftColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, Any] = {}

    def show(step: str, done: int, total: int) -> None:
        # Started by the first step: a bar without any would leave an empty line.
        bar.start()
        if step not in tasks:
            tasks[step] = bar.add_task(step, total=total)
        bar.update(tasks[step], completed=done)
        if build:
            build.progress(step, done, total)

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


if __name__ == "__main__":
    main()
