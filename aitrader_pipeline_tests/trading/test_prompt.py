"""The system prompt: every number in it is the ledger's or the market view's, and a bad template is told of."""

import dataclasses
import datetime as dt
import hashlib
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.trading.ledger import CostModel, Ledger, Portfolio
from aitrader_pipeline.trading.prompt import FINISH_SIGNAL, NUDGE, OPENING_REQUEST, Briefing, PromptTemplate

FIRST, FRI, MON = dt.date(2025, 10, 2), dt.date(2025, 10, 3), dt.date(2025, 10, 6)
OPENS = {"AAPL": Decimal("110.250000"), "MSFT": Decimal("190")}
CLOSES = {"AAPL": Decimal("104.000001"), "MSFT": Decimal("197.5"), "NVDA": Decimal("54")}


def traded_portfolio() -> Portfolio:
    """A portfolio as the ledger leaves it after real fills."""
    ledger = Ledger(Portfolio(Decimal("10000")), universe=frozenset(CLOSES), price_of=CLOSES.get)
    ledger.buy("AAPL", 20)
    ledger.buy("NVDA", 7)
    return ledger.portfolio


def briefing(**changes: Any) -> Briefing:
    portfolio = changes.pop("portfolio", traded_portfolio())
    return dataclasses.replace(
        Briefing(
            date=MON,
            session_number=3,
            universe=("AAPL", "MSFT", "NVDA"),
            portfolio=portfolio,
            opens=OPENS,
            closes=CLOSES,
            stale_closes={},
            previous_market_session=FRI,
            past_sessions=(FIRST, FRI),
            previous_session=FRI,
            previous_profit=Decimal("-475.500000"),
            value_at_open=portfolio.value(lambda symbol: OPENS.get(symbol, CLOSES.get(symbol, Decimal(0)))),
            costs=CostModel(),
        ),
        **changes,
    )


def lines_of(text: str) -> list[str]:
    return text.splitlines()


def rendered(**changes: Any) -> list[str]:
    return lines_of(PromptTemplate.load().render(briefing(**changes)))


def render(source: str, **changes: Any) -> str:
    return PromptTemplate(source, "mine.md.j2").render(briefing(**changes))


# ---- the template that comes with the arena


def test_the_portfolio_shown_is_the_ledgers_own_to_the_millionth() -> None:
    lines = rendered()
    assert traded_portfolio() == Portfolio(Decimal("7541.999980"), {"AAPL": 20, "NVDA": 7})
    at = lines.index("Cash: 7541.99998")
    assert lines[at + 1 : at + 4] == [
        "AAPL: 20 shares",
        "NVDA: 7 shares",
        "Portfolio value at today's open: 10124.99998",
    ]


def test_the_day_before_is_shown_with_its_profit() -> None:
    assert "Profit of the previous session (2025-10-03): -475.5" in rendered()


def test_every_symbol_is_quoted_with_its_last_close_and_todays_open() -> None:
    lines = rendered()
    at = lines.index("symbol, close of 2025-10-03, open of 2025-10-06")
    assert lines[at + 1 : at + 4] == ["AAPL, 104.000001, 110.25", "MSFT, 197.5, 190", "NVDA, 54, none"]


def test_a_close_that_is_older_than_the_session_before_says_of_when_it_is() -> None:
    assert "MSFT, 197.5 (of 2025-10-02), 190" in rendered(stale_closes={"MSFT": FIRST})


def test_what_has_happened_to_holdings_is_told_with_the_ledger_s_own_numbers() -> None:
    ledger = Ledger(traded_portfolio(), universe=frozenset(), price_of=CLOSES.get)
    ledger.apply(CorporateAction("AAPL", MON, "dividend", Decimal("0.25")), None)
    ledger.apply(CorporateAction("AAPL", MON, "split", Decimal(7)), Decimal(16))
    ledger.apply(CorporateAction("NVDA", MON, "split", Decimal("0.5")), Decimal(108))
    ledger.apply(CorporateAction("NVDA", MON, "symbol_change", None, "NVDB"), None)
    lines = rendered(portfolio=ledger.portfolio, events=tuple(ledger.events))
    at = lines.index("Cash: 7600.99998")
    assert lines[at + 1 : at + 8] == [
        "AAPL: 140 shares",
        "NVDB: 3 shares",
        "Before today's open: AAPL dividend 0.25 per share: 20 shares paid in cash",
        "Before today's open: AAPL split 7:1: 20 -> 140 shares",
        "Before today's open: NVDA split 1:2: 7 -> 3 shares, and 108 for each share of the fraction",
        "Before today's open: NVDA is now NVDB: 3 shares",
        "Portfolio value at today's open: 23035.99998",
    ]
    assert ledger.portfolio == Portfolio(Decimal("7600.99998"), {"AAPL": 140, "NVDB": 3})


def test_a_close_of_before_a_split_says_so() -> None:
    split = CorporateAction("MSFT", MON, "split", Decimal("1.5"))
    assert "MSFT, 197.5 (before a split 3:2), 190" in rendered(splits=(split,))
    old = rendered(splits=(split,), stale_closes={"MSFT": FIRST})
    assert "MSFT, 197.5 (of 2025-10-02, before a split 3:2), 190" in old


def test_the_date_is_todays_and_no_later_one_is_named() -> None:
    text = "\n".join(rendered())
    assert "Today is 2025-10-06, an exchange session" in text
    assert set(re.findall(r"\d{4}-\d\d-\d\d", text)) == {"2025-10-03", "2025-10-06"}


def test_a_first_session_has_cash_alone_and_no_profit_to_tell_of() -> None:
    lines = rendered(
        portfolio=Portfolio(Decimal("20000")),
        session_number=1,
        previous_session=None,
        previous_profit=Decimal(0),
        past_sessions=(),
        closes={},
    )
    at = lines.index("Cash: 20000")
    assert lines[at + 1 : at + 4] == [
        "No shares are held.",
        "Portfolio value at today's open: 20000",
        "This is your first session; you start with cash alone.",
    ]
    assert "symbol, close of 2025-10-03, open of 2025-10-06" in lines
    assert "AAPL, none, 110.25" in lines
    assert not any("previous session" in line for line in lines)


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (CostModel(), "today's open, without costs. Proceeds"),
        (CostModel(per_order=Decimal("1.50")), "today's open, plus costs of 1.5 per order. Proceeds"),
        (
            CostModel(Decimal(1), Decimal("0.005"), Decimal("2.0")),
            "plus costs of 1 per order and 0.005 per share and 2 basis points of its value. Proceeds",
        ),
    ],
    ids=["none", "per order", "all"],
)
def test_the_rules_name_the_costs_that_fills_have(costs: CostModel, words: str) -> None:
    assert any(words in line for line in rendered(costs=costs))


def test_the_prompt_says_how_to_stop_and_the_nudge_repeats_it() -> None:
    assert rendered()[-1].endswith(FINISH_SIGNAL)
    assert NUDGE.endswith(FINISH_SIGNAL)
    assert "2025-10-06" in OPENING_REQUEST.format(date=MON)


def test_nothing_of_the_template_is_left_in_the_prompt_and_no_line_is_lost() -> None:
    for lines in (rendered(), rendered(portfolio=Portfolio(Decimal(1)), previous_session=None)):
        assert not any(mark in line for line in lines for mark in ("{{", "{%", "%}", "}}"))
        headings = [line for line in lines if line.startswith("#")]
        assert headings == ["## Your portfolio", "## Prices", "## Rules", "## How to finish"]


def test_the_same_facts_give_the_same_prompt_byte_for_byte() -> None:
    assert rendered() == rendered()


# ---- a template of the user's own


def test_a_template_can_use_every_fact() -> None:
    source = (
        "{{ date }}|{{ cash }}|{% for h in holdings %}{{ h.symbol }}={{ h.shares }};{% endfor %}|"
        "{{ value_at_open }}|{{ previous_session }}|{{ previous_profit }}|{{ previous_market_session }}|"
        "{% for q in quotes %}{{ q.symbol }},{{ q.close }},{{ q.open }};{% endfor %}|"
        "{{ costs }}|{{ finish_signal }}"
    )
    assert render(source) == (
        "2025-10-06|7541.99998|AAPL=20;NVDA=7;|10124.99998|2025-10-03|-475.5|2025-10-03|"
        "AAPL,104.000001,110.25;MSFT,197.5,190;NVDA,54,none;|, without costs|<FINISH_SIGNAL>"
    )


def test_the_prompt_is_plain_text_and_not_escaped_for_html() -> None:
    assert render("{{ finish_signal }} & <b>") == "<FINISH_SIGNAL> & <b>"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ tomorrow }}", "'tomorrow' is undefined"),
        ("{% for h in holdings %}{{ h.price }}{% endfor %}", "has no attribute 'price'"),
        ("{% for quote in quotes %}{{ quote.open }}", "Unexpected end of template"),
        ("{{ date", "unexpected end of template"),
        ("{{ date | shout }}", "No filter named 'shout'"),
        ("{% include 'rules.md' %}", "no loader"),
        ("{{ cash + 1 }}", "can only concatenate str"),
        ("{{ holdings | length / 0 }}", "division by zero"),
        ("{{ '%d' | format(cash) }}", "a real number is required"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_named_with_what_is_wrong(source: str, says: str) -> None:
    with pytest.raises(ConfigError) as told:
        render(source)
    assert str(told.value).startswith("prompt template mine.md.j2: ")
    assert says.lower() in str(told.value).lower()


def test_a_template_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.md.j2"
    file.write_bytes("Größe: {{ cash }}\n".encode())
    template = PromptTemplate.load(file)
    assert template.name == "mine.md.j2"
    assert template.render(briefing()) == "Größe: 7541.99998"


def test_a_template_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent_config\.prompt_template: .*missing\.j2: No such file"):
        PromptTemplate.load(tmp_path / "missing.j2")
    with pytest.raises(ConfigError, match=r"agent_config\.prompt_template: cannot read"):
        PromptTemplate.load(tmp_path)
    (tmp_path / "latin.j2").write_bytes(b"Gr\xf6\xdfe")
    with pytest.raises(ConfigError, match=r"agent_config\.prompt_template: .*latin\.j2 is not UTF-8 text"):
        PromptTemplate.load(tmp_path / "latin.j2")


def test_the_hash_is_that_of_the_text_and_changes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.md.j2"
    file.write_text("Buy low.", encoding="utf-8")
    before = PromptTemplate.load(file)
    assert before.hash == hashlib.sha256(b"Buy low.").hexdigest()
    assert PromptTemplate("Buy low.", "other name").hash == before.hash
    file.write_text("Buy low. ", encoding="utf-8")
    assert PromptTemplate.load(file).hash != before.hash
    assert PromptTemplate.load().hash not in {before.hash, PromptTemplate.load(file).hash}


# ---- its version


VERSIONS = {
    "{# version: 2 #}\nToday is {{ date }}.": "2",
    "\n{#- version: 2026-11 rc1 -#}\nToday": "2026-11 rc1",
    "Today is {{ date }}. {# version: 2 #}": "",
    "{# a remark #}Today": "",
}


@pytest.mark.parametrize(("source", "version"), VERSIONS.items())
def test_a_template_s_first_line_may_give_it_a_version(source: str, version: str) -> None:
    assert PromptTemplate(source, "mine.md.j2").version == version


def test_the_version_is_not_said_to_the_model() -> None:
    template = PromptTemplate.load()
    assert template.version == "2"
    assert template.render(briefing()).startswith("You are a portfolio manager.")
