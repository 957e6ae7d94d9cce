"""What each reason of a quarantined row means, and what to do about it."""

from typing import Final

TIME: Final = (
    "The time is missing or in a form that is not read; give its `format` in the mapping, or "
    "correct the file (44927 is how spreadsheets count a day: format it as a date there)"
)
AMOUNT: Final = (
    "is more than ECOM_MAX_AMOUNT, so one row would outweigh all others; raise the setting if it "
    "is right"
)
SENTENCES: Final = {
    "malformed_row": (
        "The line cannot be split into the columns of the file, is longer than 16 "
        "MB, is not of the mapping's `encoding`, or is a record of JSON without a list "
        "where the mapping names one; it is kept as it came, a long "
        "one its first megabyte: correct the encoding, or deliver it again, shorter, "
        "with as many values as the header has, or with the list"
    ),
    "implausible_date": (
        "The date is before 2009-12-01 or after 2099, as of a clock that was "
        "never set; correct it, or set ECOM_FIRST_DAY if the data are that old"
    ),
    "missing_event_id": "There is no event id; fill it, or let the mapping make one (`hash_of`)",
    "unparseable_timestamp": TIME,
    "future_timestamp": (
        "The event is more than an hour later than its arrival; correct the clock or the time zone"
    ),
    "without_consent": (
        "The visitor did not consent to be recognized, so there is no id to count "
        "by; nothing is wrong with the source"
    ),
    "missing_identity": (
        "There is neither a user, a session nor a device, or only ids that stand "
        "for nobody, such as `null` or `0`; send one of them"
    ),
    "malformed_event_type": (
        "The event type is missing, longer than 255 characters, or has spaces "
        "around it; send its name"
    ),
    "unknown_event_type": (
        "ECOM_EVENT_TYPES is set and does not list this event type; add it there, or correct it"
    ),
    "amount_too_large": f"The amount {AMOUNT}",
    "too_late": (
        "The row arrived more than ECOM_LATE_DAYS after its day; deliver sooner, or raise the "
        "setting"
    ),
    "missing_uniq_id": "The line has no uniq_id; fill it, or map the column that has it",
    "unparseable_date_time": TIME,
    "future_date_time": (
        "The order is later than the day after its arrival; correct the clock or the time zone"
    ),
    "missing_customer": "The line has no customer_id; fill it, or map the column that has it",
    "missing_amount": (
        "The amount is missing or not a number; write it as 12.34, without a currency"
    ),
    "negative_amount": (
        "The amount is below zero; send a refund as a line with the status `refunded`"
    ),
    "left_out": (
        "A condition of the mapping (`leave_out`) leaves the line out, such as a test "
        "order; its name is in the column left_out"
    ),
    "broken_proof": (
        "The line breaks what its mapping was made by, such as a sum; the column left_out says "
        "which line under `holds`. Make the mapping again (`ecom mapping init FILE`), or remove "
        "that line if the file is right"
    ),
    "unknown_status": "The status is neither `shipped` nor `refunded`; translate it in the mapping",
}


def sentence_of(reason: str) -> str:
    """Return what a reason means and what to do, or nothing for a reason that is not known."""
    return f"{SENTENCES[reason]}." if reason in SENTENCES else ""
