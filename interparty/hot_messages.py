"""Questions, answers and reports: the messages that come by the ten thousand, without an object for each field.

Both sides write them in one form: no white space, fields in the order of interparty.messages, absent ones left out.
A body in this form is recognised by pattern, element by element; one in any other form is given to the model, so that
what is accepted and what is refused is what the models say. What is written is checked before, so that nothing in it
needs escaping.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from interparty.edi import EDI_ID_BYTES
from interparty.messages import ITEMS_MAX, Report, ReportRequest
from interparty.verify_messages import BatchHead, StreamAsk, VerifyItem, VerifyRequest, VerifyResponse

TAILS_MAX: Final = 10_000
"""Combinations of enterprise, channel and access number, and of what else reports share, kept as text."""
SM3_BYTES: Final = 32

_AID = "[0-9]{18}"
_PARTY = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_REF = "[A-Za-z0-9._:-]{1,64}"
_REASON = "[A-Z0-9_]{1,64}"
_NUMBER = "[0-9]{3,20}"
_SM3 = "[0-9a-f]{64}"
_EDI_ID = "[0-9a-f]{32}"
# Below 9 * 10^15; from there to 2^53 - 1 they are left to the model.
_COUNT = "0|[1-9][0-9]{0,14}|[1-8][0-9]{15}"
_COUNT_END: Final = 9 * 10**15

_QUESTION: Final = re.compile(
    rf'((\{{"aid":"({_AID})","enterprise":"({_PARTY})","channel":"(sms|voice)","access_number":"({_NUMBER})")'
    rf'(?:,"content_digest":"({_SM3})")?(?:,"template_id":"({_REF})","template_digest":"({_SM3})")?\}})[,\]]'
)
_REPORT: Final = re.compile(
    rf'(\{{"report_id":"({_REF})","edi_id":"({_EDI_ID})","enterprise":"({_PARTY})","channel":"(sms|voice)",'
    rf'"access_number":"({_NUMBER})","direction":"(mt|mo|call|callback)","result":"({_REASON})",'
    rf'"started_at":({_COUNT}),"ended_at":({_COUNT})(?:,"content_digest":"({_SM3})")?\}})[,\]]'
)
_TAIL: Final = re.compile(rf'","enterprise":"{_PARTY}","channel":"(?:sms|voice)","access_number":"{_NUMBER}"')
_REPORT_ID: Final = re.compile(_REF)
_MIDDLE: Final = re.compile(
    rf'","enterprise":"{_PARTY}","channel":"(?:sms|voice)","access_number":"{_NUMBER}",'
    rf'"direction":"(?:mt|mo|call|callback)","result":"{_REASON}","started_at":'
)
_BATCH: Final = re.compile(
    rf'\],"batch":\{{"root":"{_SM3}","count":(?:{_COUNT}),"at":(?:{_COUNT}),'
    r'"signature":"[A-Za-z0-9_-]{86}"\}\}'
)
_SAID: Final = re.compile(
    rf'(?:,"content_digest":"{_SM3}")?(?:,"template_id":"{_REF}","template_digest":"{_SM3}")?'
)

GRANT: Final = re.compile(
    rf'grant":\{{"edi":"([A-Za-z0-9_-]{{279}})","edi_id":"({_EDI_ID})","consent":\{{'
    rf'("access_numbers":\[(?:"{_NUMBER}"(?:,"{_NUMBER}"){{0,19}})?\],'
    r'"frequency":"[1-9][0-9]{0,4}/(?:hour|day|week|month)",'
    r'"hours":"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")'
    rf',"not_after":({_COUNT})\}}\}}'
)
"""A piece of answer_pieces that is a grant: EDI, edi_id, the consent's terms, end of the term."""
REFUSAL: Final = re.compile(rf'refusal":\{{"reason":"({_REASON})"\}}')
"""A piece that is a refusal: its reason."""

_ASK: Final = re.compile(rf'\{{"ask":({_COUNT}),')
_ANSWERED: Final = re.compile(rf'\{{"answer":({_COUNT}),"answers":\[\{{"')
_ITEMS: Final = '{"items":['
_REPORTS: Final = '{"reports":['
_ANSWERS: Final = '{"answers":[{"'
_NEXT_ANSWER: Final = '},{"'
_HEAD: Final = b'],"batch":'


class QuestionLike(Protocol):
    """What a question is asked from: a Question, a VerifyItem, anything with these attributes."""

    @property
    def aid(self) -> str: ...
    @property
    def enterprise(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def access_number(self) -> str: ...
    @property
    def content_digest(self) -> str | None: ...
    @property
    def template_id(self) -> str | None: ...
    @property
    def template_digest(self) -> str | None: ...


class Question(NamedTuple):
    """A VerifyItem that costs nothing to make and is checked when it is asked."""

    aid: str
    enterprise: str
    channel: str
    access_number: str
    content_digest: str | None = None
    template_id: str | None = None
    template_digest: str | None = None


class AskedQuestion(NamedTuple):
    """A question as it was received. Fields are those of VerifyItem, empty where there is none."""

    text: str
    """Its JSON."""
    contact: str
    """Its JSON up to the access number: all that decides about it."""
    aid: str
    enterprise: str
    channel: str
    access_number: str
    content_digest: str
    template_id: str
    template_digest: str


class SentReport(NamedTuple):
    """A Report as it was received; digest empty if there is none."""

    text: str
    """Its JSON."""
    report_id: str
    edi_id: str
    enterprise: str
    channel: str
    access_number: str
    direction: str
    result: str
    started_at: str
    """Decimal."""
    ended_at: str
    content_digest: str


_tails: dict[tuple[str, str, str], str] = {}
_middles: dict[tuple[str, str, str, str, str], str] = {}


def question_text(question: QuestionLike) -> str:
    """The JSON of a question. Raises ValueError for what a VerifyItem may not hold."""
    aid, digest = question.aid, question.content_digest
    key = (question.enterprise, question.channel, question.access_number)
    tail = _tails.get(key)
    if tail is None:
        # The same few for thousands of questions.
        tail = f'","enterprise":"{key[0]}","channel":"{key[1]}","access_number":"{key[2]}"'
        if _TAIL.fullmatch(tail) is not None:
            if len(_tails) >= TAILS_MAX:
                _tails.clear()
            _tails[key] = tail
    template, template_digest = question.template_id, question.template_digest
    is_whole = (template is None) is (template_digest is None)
    if len(aid) == 18 and aid.isascii() and aid.isdigit() and key in _tails and is_whole:
        said = "" if digest is None else f',"content_digest":"{digest}"'
        if template is not None:
            said += f',"template_id":"{template}","template_digest":"{template_digest}"'
        # As with a tail: no value can hold a quote.
        if not said or _SAID.fullmatch(said) is not None:
            return f'{{"aid":"{aid}{tail}{said}}}'
    enterprise, channel, access_number = key
    fields = {
        "aid": aid,
        "enterprise": enterprise,
        "channel": channel,
        "access_number": access_number,
        "content_digest": digest,
        "template_id": template,
        "template_digest": template_digest,
    }
    item = VerifyItem.model_validate({name: value for name, value in fields.items() if value is not None})
    return item.model_dump_json(exclude_none=True)


def report_text(
    *,
    report_id: str,
    edi_id: bytes,
    enterprise: str,
    channel: str,
    access_number: str,
    direction: str,
    result: str,
    started_at: int,
    ended_at: int,
    content_digest: bytes | None = None,
) -> str:
    """The JSON of a Report with these fields. Raises ValueError for what a Report may not hold."""
    # The same few for thousands of reports.
    key = (enterprise, channel, access_number, direction, result)
    middle = _middles.get(key)
    if middle is None:
        middle = (
            f'","enterprise":"{enterprise}","channel":"{channel}","access_number":"{access_number}",'
            f'"direction":"{direction}","result":"{result}","started_at":'
        )
        # No field can pass itself off as several: the pattern has each name once, and no value holds a quote.
        if _MIDDLE.fullmatch(middle) is not None:
            if len(_middles) >= TAILS_MAX:
                _middles.clear()
            _middles[key] = middle
    if (
        key in _middles
        and _REPORT_ID.fullmatch(report_id) is not None
        and len(edi_id) == EDI_ID_BYTES
        and (content_digest is None or len(content_digest) == SM3_BYTES)
        and 0 <= started_at < _COUNT_END
        and 0 <= ended_at < _COUNT_END
    ):
        digest = "" if content_digest is None else f',"content_digest":"{content_digest.hex()}"'
        return (
            f'{{"report_id":"{report_id}","edi_id":"{edi_id.hex()}{middle}{started_at:d},'
            f'"ended_at":{ended_at:d}{digest}}}'
        )
    report = Report.model_validate(
        {
            "report_id": report_id,
            "edi_id": edi_id.hex(),
            "enterprise": enterprise,
            "channel": channel,
            "access_number": access_number,
            "direction": direction,
            "result": result,
            "started_at": started_at,
            "ended_at": ended_at,
        }
        | ({} if content_digest is None else {"content_digest": content_digest.hex()})
    )
    return report.model_dump_json(exclude_none=True)


def questions_body(texts: Sequence[str]) -> bytes:
    """The JSON of a VerifyRequest of questions from `question_text`."""
    return f"{_ITEMS}{','.join(texts)}]}}".encode()


def reports_body(texts: Sequence[str]) -> bytes:
    """The JSON of a ReportRequest of reports from `report_text`."""
    return f"{_REPORTS}{','.join(texts)}]}}".encode()


def read_questions(body: bytes) -> list[AskedQuestion]:
    """The questions of a VerifyRequest. Raises pydantic.ValidationError."""
    found = _elements(_QUESTION, body, _ITEMS)
    if found is None:
        return [asked_question(item) for item in VerifyRequest.model_validate_json(body).items]
    return list(map(AskedQuestion._make, found))


def read_reports(body: bytes) -> list[SentReport]:
    """The reports of a ReportRequest. Raises pydantic.ValidationError."""
    found = _elements(_REPORT, body, _REPORTS)
    if found is None:
        return [sent_report(report) for report in ReportRequest.model_validate_json(body).reports]
    return list(map(SentReport._make, found))


def sent_report(report: Report) -> SentReport:
    """A Report in the form in which it is received."""
    return SentReport(
        report.model_dump_json(exclude_none=True),
        report.report_id,
        report.edi_id,
        report.enterprise,
        report.channel,
        report.access_number,
        report.direction,
        report.result,
        str(report.started_at),
        str(report.ended_at),
        report.content_digest or "",
    )


def asked_question(item: VerifyItem) -> AskedQuestion:
    """A VerifyItem in the form in which it is received."""
    text = question_text(item)
    return AskedQuestion(
        text,
        question_text(Question(item.aid, item.enterprise, item.channel, item.access_number))[:-1],
        item.aid,
        item.enterprise,
        item.channel,
        item.access_number,
        item.content_digest or "",
        item.template_id or "",
        item.template_digest or "",
    )


def _elements(pattern: re.Pattern[str], body: bytes, begin: str) -> list[tuple[str, ...]] | None:
    """What `pattern` finds in a body that is `begin`, 1 to ITEMS_MAX elements and "]}"; None for any other."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not (text.startswith(begin) and text.endswith("]}")) or text.count("]") != 1:
        return None
    found: list[tuple[str, ...]] = pattern.findall(text, len(begin))
    # Each match is an element and the one character behind it. If they are as long as what there is, nothing lies
    # between them; and since "]" comes once, at the end, commas part them.
    if sum(len(one[0]) for one in found) + len(found) != len(text) - len(begin) - 1:
        return None
    return found if len(found) <= ITEMS_MAX else None


def answer_pieces(body: bytes) -> list[str] | None:
    """The answers of a VerifyResponse, each without its first two and its last character, for GRANT and REFUSAL.

    None if the body is not in the usual form. A piece that neither pattern matches means the same: only the model
    can then say what the body is.
    """
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        return None
    end = text.rfind('],"batch":')
    if (
        end < 0
        or not text.startswith(_ANSWERS)
        or _BATCH.fullmatch(text, end) is None
        or text[end - 1] != "}"
    ):
        return None
    pieces = text[len(_ANSWERS) : end - 1].split(_NEXT_ANSWER)
    return pieces if len(pieces) <= ITEMS_MAX else None


def read_answers(body: bytes) -> VerifyResponse:
    """A VerifyResponse in any form. Raises pydantic.ValidationError."""
    return VerifyResponse.model_validate_json(body)


def read_batch_head(body: bytes) -> BatchHead:
    """The batch head of a VerifyResponse. Raises pydantic.ValidationError."""
    begin = body.rfind(_HEAD)
    # Only what is in the usual form can be cut: elsewhere these bytes may stand for anything.
    if begin >= 0 and _BATCH.fullmatch(body[begin:].decode("latin-1")) is not None:
        return BatchHead.model_validate_json(body[begin + len(_HEAD) : -1])
    return read_answers(body).batch


# --- on the stream -----------------------------------------------------------------------------------


def ask_message(ask: int, texts: Sequence[str]) -> bytes:
    """The JSON of a StreamAsk of questions from `question_text`."""
    return f'{{"ask":{ask},"items":[{",".join(texts)}]}}'.encode()


def read_ask(payload: bytes) -> tuple[int, list[AskedQuestion]]:
    """Number and questions of a StreamAsk. Raises pydantic.ValidationError."""
    # Only what stands in front of the questions is looked at here.
    match = _ASK.match(payload[:32].decode("latin-1"))
    if match is not None:
        found = _elements(_QUESTION, b"{" + payload[match.end() :], _ITEMS)
        if found is not None:
            return int(match[1]), list(map(AskedQuestion._make, found))
    ask = StreamAsk.model_validate_json(payload)
    return ask.ask, [asked_question(item) for item in ask.items]


def stream_pieces(payload: bytes) -> tuple[int, list[str]] | None:
    """Number and answers of a StreamAnswer, cut as by `answer_pieces`; None if it is not in the usual form."""
    try:
        text = payload.decode("ascii")
    except UnicodeDecodeError:
        return None
    match = _ANSWERED.match(text)
    if match is None or not text.endswith("}]}"):
        return None
    pieces = text[match.end() : -3].split(_NEXT_ANSWER)
    return (int(match[1]), pieces) if len(pieces) <= ITEMS_MAX else None
