"""The transcripts of model-days as tables: reasoning, tool use and token use."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb

from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_rows
from aitrader_pipeline.trading.record import SessionRecord

_PACKAGE = "aitrader_pipeline.trading"
_REASONING = (
    "job_id",
    "date",
    "model",
    "step_number",
    "timestamp",
    "role",
    "content",
    "tool_name",
    "tool_input",
)
_TOOLS = ("job_id", "date", "model", "tool_name", "call_count", "error_count", "total_duration_seconds")
_CALLS = (
    "date",
    "model",
    "step_number",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
    "latency_seconds",
)


def write_transcripts(con: duckdb.DuckDBPyConnection, records: Sequence[SessionRecord]) -> None:
    """Replace the rows of exactly these model-days in ``reasoning_logs``, ``tool_usage`` and ``llm_usage``.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        records: the records of the model-days.
    """
    create_staging(con, "session_cells", {"date": "DATE", "model": "VARCHAR"})
    insert_rows(con, "session_cells", ("date", "model"), [(r.date, r.model) for r in records])
    for table in ("reasoning_logs", "tool_usage", "llm_usage"):
        con.execute(statement(_PACKAGE, f"delete_{table}"))
    insert_rows(con, "reasoning_logs", _REASONING, [row for r in records for row in _reasoning_rows(r)])
    insert_rows(con, "tool_usage", _TOOLS, [row for r in records for row in _tool_rows(r)])
    insert_rows(con, "llm_usage", _CALLS, [row for r in records for row in _call_rows(r)])


def _reasoning_rows(record: SessionRecord) -> Iterator[tuple[Any, ...]]:
    for number, message in enumerate(record.messages, start=1):
        calls = [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls]
        tool_input = message.tool_input if message.role == "tool" else calls or None
        yield (
            record.launch,
            record.date,
            record.model,
            number,
            message.at,
            message.role,
            message.content,
            message.tool_name,
            None if tool_input is None else json.dumps(tool_input),
        )


def _tool_rows(record: SessionRecord) -> Iterator[tuple[Any, ...]]:
    for tool in record.tools:
        yield record.launch, record.date, record.model, tool.name, tool.calls, tool.errors, tool.seconds


def _call_rows(record: SessionRecord) -> Iterator[tuple[Any, ...]]:
    if record.kind == "baseline":
        return
    for call in record.calls:
        yield (
            record.date,
            record.model,
            call.step,
            call.input_tokens,
            call.output_tokens,
            call.cached_tokens,
            call.reasoning_tokens,
            call.cost_usd,
            call.latency_seconds,
        )
