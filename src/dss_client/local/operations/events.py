"""GET /events and GET /events/{uuid} (docs/behaviour.md 8.13, 12)."""

from attrs import asdict
from starlette.responses import Response

from dss_client.types import JSONObject
from dss_client.versions import is_version

from ..errors import Problem, illegal_arguments, not_found
from ..service import Call, json_response
from ..storage.journals import Journal, Journals, is_journal_id
from .paging import page_response, with_query


def get_event(call: Call) -> Response:
    """Answer with the metadata document of a bundle version that is not deleted."""
    version: str = call.query("version")
    manifest = call.replica.bundle(call.uuid, version) if is_version(version) else None
    document = call.replica.metadata_document(call.uuid, version) if manifest else None
    if document is None:
        raise not_found("There is no such bundle, or not in this version, or it was deleted.")
    return json_response(document)


def get_events(call: Call) -> Response:
    """Answer with one page of the journals that overlap a range of dates."""
    start, end = _date(call, "from_date"), _date(call, "to_date")
    token = _token(call)
    if start and end and start > end:
        raise Problem(400, "bad_request", "'from_date' must not be later than 'to_date'.")
    journals = call.service.journals[call.replica.name]
    found = _from_token(journals.all(), token) if token else journals.all()
    wanted = [] if start and start == end else [it for it in found if _overlaps(it, start, end)]
    per_page: int = call.query("per_page")
    page, rest = wanted[:per_page], wanted[per_page:]
    next_url = with_query(call.url, {"token": rest[0].journal_id}) if rest else None
    content = {"event_streams": [_entry(call, journals, journal) for journal in page]}
    return page_response("event_streams", content, next_url)


def _date(call: Call, name: str) -> str | None:
    date: str | None = call.query(name)
    if date is not None and not is_version(date):
        raise illegal_arguments(f"Query parameter '{name}' is not of the form DSS_VERSION.")
    return date


def _token(call: Call) -> str | None:
    token: str | None = call.query("token")
    if token is not None and not is_journal_id(token):
        raise illegal_arguments("Query parameter 'token' is not from a page of this list.")
    return token


def _from_token(journals: list[Journal], token: str) -> list[Journal]:
    """Return the journals from the one that a token names on (docs/behaviour.md S30).

    If that one has become part of another meanwhile, what its date tells is all there is to go by,
    and a journal can come again.
    """
    if any(journal.journal_id == token for journal in journals):
        return [journal for journal in journals if journal.journal_id >= token]
    date = token.partition("--")[0]
    return [journal for journal in journals if journal.to_date >= date]


def _overlaps(journal: Journal, start: str | None, end: str | None) -> bool:
    return (start is None or journal.to_date >= start) and (end is None or journal.from_date < end)


def _entry(call: Call, journals: Journals, journal: Journal) -> JSONObject:
    return {
        "journal_id": journal.journal_id,
        "from_date": journal.from_date,
        "to_date": journal.to_date,
        "size": journal.size,
        "events": [asdict(event) for event in journals.living(journal)],
        "stream_url": call.presigned(
            call.replica.events, journal.key, content_type="application/octet-stream"
        ),
    }
