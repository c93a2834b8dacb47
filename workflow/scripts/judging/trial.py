"""Try a judge at an API before anything is spent on what it is to judge: does it answer, and will it still?

It is asked for its models, and then one question of its template, by the same code as any other call: a model that is
listed may refuse a setting, and many an endpoint lists none, or by other names. So the call decides, and the list only
adds what it knows. The reply goes to a journal of the judge, so its cost counts towards the budget.
"""

import datetime
import difflib
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Template

from basics.errors import InputError
from basics.journal import Journal
from judging.endpoint import CallFailed, Refused, api_key, is_reply, key_variable, open_endpoint
from judging.ledger import OverBudget, open_ledger
from judging.replies import cut_note, quoted, rating_in
from judging.settings import JudgeSettings, sent_seed
from judging.shutdowns import check_end, shutdown_date
from judging.spending import charged_usage, cost
from serving.client import GARBLED, in_one_line, openai_client

INSTRUCTION, RESPONSE = "What is the capital of France?", "The capital of France is Paris."
JOURNAL = "trial.jsonl"  # in the folder of the judge's journals
SHORT = 30.0  # seconds for the list, and for which a failing call is repeated: somebody waits for the start
NEAREST = 3  # names of models in a message


def try_judge(settings: JudgeSettings, template: Template, journals: Path, until: datetime.date) -> list[str]:
    """Ask the judge; what there is to say, a line each: its rating, or that it is not listed.

    `journals` is the folder of its journals; `until` is the last day on which it is needed.

    Raises:
        InputError: if it is at no API, does not answer as it must, or is shut down by then.
    """
    if settings.base_url is None:
        raise InputError(f"judge {settings.name!r}: its job serves it, so there is no API to ask; give base_url")
    listed = listed_models(settings, settings.base_url)
    end = end_date(settings, settings.base_url, listed)
    check_end(settings.name, settings.model, end, until)
    try:
        reply = ask_question(settings, template, journals)
    except InputError as fault:
        raise InputError(_with_remedy(settings, fault, listed)) from None
    rating = checked_rating(settings, reply)
    money = f", ${cost(charged_usage(reply), settings.price):.4f}" if settings.price else ""
    said = [f"judge {settings.name}: {(reply['model'] or settings.model)!r} answers (rating {rating}{money})"]
    if listed and settings.model not in listed:
        said.append(f"warning: judge {settings.name!r}: the endpoint does not list {settings.model!r}, but answers")
    return said


def listed_models(settings: JudgeSettings, base_url: str) -> dict[str, str | None]:
    """By the name of each model that the endpoint lists, its `shutdown_date`; empty if there is no such list.

    Raises:
        InputError: if there is no key, or nobody answers.
    """
    import openai

    key = api_key(settings)
    try:
        with openai_client(base_url, key, timeout=SHORT, max_retries=0) as client:
            listed = client.models.list().data
            return {model.id: model.shutdown_date for model in listed if isinstance(model.id, str)}
    except openai.APIConnectionError as error:
        why = in_one_line(f"{error} ({error.__cause__})" if error.__cause__ else error, key)
        raise InputError(
            f"judge {settings.name!r}: no answer from {base_url}: {why}; start it, or correct"
            f" judges.{settings.name}.base_url"
        ) from None
    except (openai.APIError, *GARBLED):
        return {}


def end_date(settings: JudgeSettings, base_url: str, listed: Mapping[str, str | None]) -> datetime.date | None:
    """The first day without the model, by the endpoint's list or else by our table; None if no such day is known."""
    try:
        return datetime.date.fromisoformat(listed.get(settings.model) or "")
    except (ValueError, TypeError):
        return shutdown_date(base_url, settings.model)


def ask_question(settings: JudgeSettings, template: Template, journals: Path) -> dict:
    """The judge's reply, in the journal by now. Raises InputError when there is none."""
    journal = journals / JOURNAL
    prompt = template.substitute(instruction=INSTRUCTION, response=RESPONSE)
    hurried = replace(settings, patience=min(settings.patience, SHORT))
    with open_ledger(hurried, journal, journals) as ledger:
        try:
            with open_endpoint(hurried, ledger, log=journal) as ask:
                reply = ask(prompt, sent_seed(settings, attempt=1, repeat=1))
        except Refused as refusal:
            raise InputError(
                f"judge {settings.name!r}: a question was refused: {refusal}; correct its settings"
            ) from None
        except OverBudget:
            raise InputError(
                f"judge {settings.name!r}: a call could exceed the budget of ${settings.budget:g}: ${ledger.spent:.4f}"
                f" spent; raise judges.{settings.name}.budget"
            ) from None
    now = time.time()
    with Journal(journal, is_reply) as kept:
        kept[str(now)] = reply | {"at": now}
    return reply


def checked_rating(settings: JudgeSettings, reply: Mapping) -> int:
    """The rating in a reply. Raises InputError, with the reply, if there is none."""
    rating = rating_in(reply)
    if rating is None:
        raise InputError(
            f"judge {settings.name!r}: its reply to a question{cut_note(reply, settings.max_tokens)} holds no rating:"
            f" {quoted(reply)}; take another model, or change reply_format or max_tokens in judges.{settings.name}"
        )
    return rating


def _with_remedy(settings: JudgeSettings, fault: InputError, listed: Mapping[str, str | None]) -> str:
    """A fault of the call with what to do about it, where its status or the list tells."""
    status = fault.status if isinstance(fault, CallFailed) else None
    if listed and settings.model not in listed:
        nearest = ", ".join(map(repr, difflib.get_close_matches(settings.model, listed, n=NEAREST, cutoff=0)))
        remedy = f"the endpoint does not list {settings.model!r}, but {nearest}: correct judges.{settings.name}.model"
    elif status in (401, 403):
        remedy = f"export a key that it accepts as {key_variable(settings)}"
    elif status == 404:
        remedy = f"correct judges.{settings.name}.model or base_url"
    else:
        return str(fault)
    return f"{str(fault).rstrip('.')}; {remedy}"
