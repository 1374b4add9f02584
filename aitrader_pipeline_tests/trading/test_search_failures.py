"""Search where a vendor fails or none is configured: an answer, never an exception, and never the key."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from aitrader_pipeline.config import SearchConfig
from aitrader_pipeline.trading.search.alpha_vantage import AlphaVantageNews
from aitrader_pipeline.trading.search.jina import JinaSearch
from aitrader_pipeline.trading.search.providers import open_search
from aitrader_pipeline.vendor_http import HttpVendor
from aitrader_pipeline_tests.search_tool import UNIVERSE, alpha, article, jina, page, tell
from aitrader_pipeline_tests.search_vendors import (
    KEY,
    NEWS,
    READER,
    SEARCH,
    Vendors,
    jina_error,
    search_vendors,
)
from aitrader_pipeline_tests.vendor_server import Answer as Refusal

TOO_FAST = "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly"
AT_ONCE = {"retry-after": "0"}


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with search_vendors() as running:
        yield running


# ---- failures


FAILURES = {
    "a wrong key": Refusal(401, jina_error(401, f"AuthenticationFailedError: {KEY} is wrong")),
    "no money": Refusal(402, jina_error(402, "InsufficientBalanceError: please recharge")),
    "a redirection": Refusal(302, "", {"location": "https://elsewhere.example/"}),
    "garbage": Refusal(200, "<html>"),
    "a list": Refusal(200, []),
    "no data": Refusal(200, {"code": 200}),
    "a busy server": Refusal(503, "", AT_ONCE),
    "too many requests": Refusal(429, jina_error(429, "RateLimitTriggeredError: slow down"), AT_ONCE),
    "a wait that is too long": Refusal(429, "", {"retry-after": "3600"}),
    "deep nesting": Refusal(200, "[" * 100_000),
}


@pytest.mark.parametrize("refusal", FAILURES.values(), ids=FAILURES)
def test_a_vendor_that_fails_is_an_error_text_and_no_exception(vendors: Vendors, refusal: Refusal) -> None:
    vendors.pages, vendors.articles = [page(1)], [article(1)]
    for path, search in ((SEARCH, jina(vendors)), (NEWS, alpha(vendors))):
        vendors.refuse(path, refusal, refusal, refusal)
        told = tell(search)
        assert (told.is_error, told.value["error"]) == (True, "search_failed")
        assert KEY not in told.text
        vendors.refusals.clear()
        assert not tell(search).is_error


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_is_tried_again(vendors: Vendors, status: int) -> None:
    vendors.pages, vendors.articles = [page(1)], [article(1)]
    for path, search in ((SEARCH, jina(vendors)), (READER, jina(vendors)), (NEWS, alpha(vendors))):
        vendors.asked.clear()
        vendors.refuse(path, Refusal(status, "", AT_ONCE), Refusal(status, ""))
        assert len(tell(search).pages) == 1
        assert len(vendors.asked_at(path)) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 451])
def test_what_does_not_pass_is_asked_once(vendors: Vendors, status: int) -> None:
    vendors.refuse(SEARCH, Refusal(status, jina_error(status, "SomeError: no")))
    told = tell(jina(vendors))
    assert told.value["message"] == f"Jina answered HTTP {status}: SomeError: no"
    assert len(vendors.asked) == 1


@pytest.mark.parametrize("field", ["Information", "Note"])
def test_alpha_vantage_s_limit_of_requests_a_second_is_waited_for(vendors: Vendors, field: str) -> None:
    vendors.articles = [article(1)]
    vendors.refuse(NEWS, Refusal(body={field: f"{TOO_FAST} (1 request per second)."}))
    assert len(tell(alpha(vendors)).pages) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        {"Information": f"We have detected your API key as {KEY} and our standard API rate limit is 25 a day."},
        {"Information": "Invalid inputs. Please refer to the API documentation."},
        {"Error Message": "the parameter apikey is invalid or missing."},
        {"Note": f"see https://www.alphavantage.co/query?apikey={KEY}"},
        {"Note": "see ?apikey=s3arch%2BK3Y%2F0123456789"},
        {"feed": None},
        {"feed": "none"},
    ],
    ids=lambda refusal: str(refusal)[:40],
)
def test_alpha_vantage_s_refusals_come_with_http_200_and_are_told_without_the_key(
    vendors: Vendors, refusal: Mapping[str, Any]
) -> None:
    vendors.refuse(NEWS, Refusal(body=refusal))
    told = tell(alpha(vendors))
    assert (told.is_error, told.value["error"]) == (True, "search_failed")
    assert "s3arch" not in told.text
    assert len(vendors.asked) == 1


def test_pages_that_cannot_be_read_are_left_out_and_others_take_their_place(vendors: Vendors) -> None:
    vendors.pages = [page(1, 3), page(2, 2), page(3, 1)]
    vendors.refuse(READER, Refusal(422, jina_error(422, "AssertionFailureError: Failed to goto")))
    told = tell(jina(vendors, most=1))
    assert [url[-1] for url in told.urls] == ["2"]
    assert told.dropped == {"unreadable": 1}


def test_where_no_page_can_be_read_the_search_has_failed(vendors: Vendors) -> None:
    vendors.pages = [page(1), page(2)]
    vendors.refuse(READER, *[Refusal(403, jina_error(403, "SecurityCompromiseError: blocked"))] * 2)
    told = tell(jina(vendors))
    assert (told.value["error"], told.value["message"]) == (
        "search_failed",
        "Jina answered HTTP 403: SecurityCompromiseError: blocked",
    )


def test_results_of_another_shape_are_passed_over(vendors: Vendors) -> None:
    vendors.pages = [page(1)]
    good = {"url": "https://news.example/1", "date": "Oct 1, 2025"}
    odd = ["text", None, {"url": None, "date": "Oct 1, 2025"}, {**good, "title": 7}]
    vendors.refuse(SEARCH, Refusal(body={"data": odd}))
    vendors.refuse(READER, Refusal(body={"data": {"publishedTime": "2025-10-01", "content": 5, "metadata": "x"}}))
    told = tell(jina(vendors))
    assert told.pages == ["<<<page\n\nhttps://news.example/1\n\n\npage>>>"]
    vendors.refuse(READER, Refusal(body={"data": []}))
    assert tell(jina(vendors)).pages == []
    vendors.refuse(
        NEWS, Refusal(body={"feed": [*odd, {"url": "https://a.example", "time_published": "20251001"}]})
    )
    assert len(tell(alpha(vendors)).pages) == 1


def test_a_vendor_that_hangs_is_given_up(vendors: Vendors) -> None:
    vendors.hangs = True
    for search in (jina(vendors, timeout=0.2), alpha(vendors, timeout=0.2)):
        told = tell(search)
        assert told.value["error"] == "search_failed"


def test_a_vendor_that_cannot_be_reached_is_told_without_its_address() -> None:
    with search_vendors() as gone:
        searches = (jina(gone), alpha(gone))
    for search in searches:
        told = tell(search)
        assert told.value["message"].endswith("cannot be reached: ConnectError")


@pytest.mark.parametrize("key", ["clé", "a\nb"])
def test_a_key_that_cannot_be_sent_is_an_error_text(vendors: Vendors, key: str) -> None:
    for search in (jina(vendors, key), alpha(vendors, key)):
        told = tell(search)
        assert told.value["error"] == "search_failed"
        assert key not in told.value["message"]


def test_no_log_of_any_level_holds_the_key(vendors: Vendors, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    vendors.pages, vendors.articles = [page(1)], [article(1)]
    vendors.refuse(NEWS, Refusal(503, ""))
    for search in (jina(vendors), alpha(vendors)):
        assert not tell(search).is_error
    lines = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "/query?" in lines
    assert "apikey=[key]" in lines
    assert "s3arch" not in lines


def test_a_page_that_holds_the_key_is_told_without_it(vendors: Vendors) -> None:
    vendors.pages = [page(1, content=f"Your key is {KEY}!")]
    assert "Your key is [key]!" in tell(jina(vendors)).pages[0]


# ---- the config


@pytest.mark.parametrize(
    ("config", "environ"),
    [
        (SearchConfig(), {"JINA_API_KEY": KEY}),
        (SearchConfig(provider="jina"), {}),
        (SearchConfig(provider="jina", api_key="OTHER"), {"JINA_API_KEY": KEY}),
        (SearchConfig(provider="alpha_vantage"), {"ALPHAADVANTAGE_API_KEY": " "}),
    ],
    ids=["no provider", "no key", "no key of that name", "a blank key"],
)
def test_without_a_provider_or_its_key_the_tool_says_that_search_is_not_configured(
    config: SearchConfig, environ: Mapping[str, str]
) -> None:
    told = tell(open_search(config, UNIVERSE, environ))
    assert (told.is_error, told.value["error"]) == (True, "search_not_configured")
    assert KEY not in told.text


def test_the_config_opens_either_vendor(vendors: Vendors) -> None:
    vendors.pages, vendors.articles = [page(1), page(2)], [article(1), article(2)]
    usual = ("jina", "JINA_API_KEY"), ("alpha_vantage", "ALPHAADVANTAGE_API_KEY")
    for provider, variable in (*usual, ("alpha_vantage", "ALPHAVANTAGE_API_KEY")):
        document = {"provider": provider, "base_url": vendors.url + "/", "max_results": 1}
        search = open_search(SearchConfig.model_validate(document), UNIVERSE, {variable: KEY})
        assert len(tell(search).pages) == 1
        named = SearchConfig.model_validate({**document, "api_key": "MY_KEY"})
        assert len(tell(open_search(named, UNIVERSE, {"MY_KEY": KEY})).pages) == 1


def test_without_a_base_url_the_vendors_themselves_are_asked_by_the_environment_s_proxy(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", vendors.url)
    for search in (
        JinaSearch(HttpVendor("Jina", KEY, 30.0, first_wait_seconds=0.001), None, 1),
        AlphaVantageNews(HttpVendor("Alpha Vantage", KEY, 30.0, first_wait_seconds=0.001), None, 1, frozenset()),
    ):
        assert tell(search).value["error"] == "search_failed"
    assert {asked.path for asked in vendors.asked} == {"s.jina.ai:443", "www.alphavantage.co:443"}
