"""When an exposure began, from the many ways in which headers say so."""

import re
from datetime import UTC, datetime, timedelta, timezone

_DATE = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{2,4})(?!\d)")
_TIME = re.compile(
    r"(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}(?:[.,]\d*)?))?"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2}(?!\d))?"
)
_MODIFIED_JULIAN_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_JULIAN_MINUS_MODIFIED = 2_400_000.5
EARLIEST_YEAR, LATEST_YEAR = 1900, 2199
_EARLIEST_DAY, _LATEST_DAY = 15_020, 124_593  # the same in modified Julian dates


def capture_time(dates: list[str], times: list[str], julian_dates: list[float]) -> str:
    """Give the start of the exposure as ISO 8601 in UTC with milliseconds, "" where nothing says it.

    Parameters
    ----------
    dates : values of DATE-OBS and its like, best first; with or without a time of day.
    times : values of TIME-OBS, UT and their like, best first.
    julian_dates : modified or full Julian dates, best first.

    A date with its own time is taken first, then a date and a time from two keywords, then a Julian date that
    has a time of day, then a bare date at midnight.
    """
    days = [day for day in map(_day, dates) if day is not None]
    in_one = [_moment(day, text) for text in (*dates, *times) if (day := _day(text)) is not None]
    in_two = [_moment(days[0], text) for text in times] if days else []
    julian = [moment for value in julian_dates if (moment := _from_julian_date(value)) is not None]
    for moment in (*in_one, *in_two, *julian, *days):
        if moment is not None:
            return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return ""


def _day(text: str) -> datetime | None:
    """Read the date at the start of a text; two- and three-digit years are old FITS ("26/07/102" is 2002)."""
    text = text.strip()
    found = _DATE.match(text) or _DAY_FIRST.match(text)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) < 4:
        year += 2000 if year < 50 else 1900
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        return None
    try:
        return datetime(year, int(found["month"]), int(found["day"]), tzinfo=UTC)
    except ValueError:
        return None


def _moment(day: datetime, text: str) -> datetime | None:
    """Read the time of day in a text and put it on a day, in UTC.

    FITS times are UTC and carry no zone. Where one is written all the same it is the usual offset from UTC:
    the MicroObservatory's DATE-OBS = "2017-12-19T18:33:43.317-0700" stands beside UT-OBS =
    "2017-12-20T01:33:43.317-0000" and MJD-OBS = 58107.065, so the clock shows local time and 7 hours are to be
    added. Hour 24 and second 60 run over.
    """
    found = _TIME.search(text)
    if found is None:
        return None
    hours, minutes = int(found["hours"]), int(found["minutes"])
    seconds = float((found["seconds"] or "0").replace(",", "."))
    if hours > 24 or minutes > 59 or seconds >= 61:
        return None
    zone = UTC if found["zone"] in (None, "Z") else _offset(found["zone"])
    if zone is None:
        return None
    local = day + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return local.replace(tzinfo=zone).astimezone(UTC)


def _offset(text: str) -> timezone | None:
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 15 or minutes > 59:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _from_julian_date(value: float) -> datetime | None:
    """Read a modified or full Julian date; one without a time of day says no more than a date does."""
    days = value - _JULIAN_MINUS_MODIFIED if value > _JULIAN_MINUS_MODIFIED else value
    if not _EARLIEST_DAY < days < _LATEST_DAY or days == int(days):
        return None
    return _MODIFIED_JULIAN_EPOCH + timedelta(days=days)
