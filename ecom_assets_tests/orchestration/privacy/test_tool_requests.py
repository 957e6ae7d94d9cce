"""Tools are asked to delete a person over HTTP, each id once, by what their deletion APIs take."""

from collections.abc import Iterator
from typing import Any

import pytest

from ecom_assets.core.errors import DeliveryError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.privacy.deliveries import Answers, ToolRequests
from ecom_assets.orchestration.privacy.person import Person
from ecom_sandbox.vendors.faults import ReceiverFaults
from ecom_sandbox.vendors.running import Receivers, running_receivers

ANN = Person(users=("ann-4711",), sessions=("s-9",))


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with running_receivers() as running:
        yield running


def settings_for(receivers: Receivers, **more: Any) -> Settings:
    return Settings(**{**receivers.settings(), "delivery_retry_base_s": 0.01, **more})


def answer(receivers: Receivers) -> dict[str, list[str]]:
    return {receiver.tool: receiver.deleted_ids for receiver in receivers.all()}


def sent(requests: ToolRequests, answers: Answers) -> Answers:
    return requests.send(answers, lambda _answers: None)


def test_every_tool_gets_the_ids_by_which_it_knows_her(receivers: Receivers) -> None:
    requests = ToolRequests(settings_for(receivers), ANN)
    answers = sent(requests, {})
    assert answer(receivers) == {
        "amplitude": ["ann-4711"],
        "heap": ["ann-4711", "anon-s-9"],
        "mixpanel": ["ann-4711", "$device:anon-s-9"],
        "ga4": ["USER_ID ann-4711", "CLIENT_ID ann-4711", "CLIENT_ID anon-s-9"],
    }
    assert [row["answer"] for row in answers["amplitude"]] == ["job of 2026-02-14, staging"]
    assert [row["answer"] for row in answers["heap"]] == ["request 7c0d, pending"]
    assert (
        "Amplitude deletes by user id or Amplitude id only; look up anonymous devices there."
        in (requests.to_confirm())
    )


def test_mixpanel_s_original_id_merge_knows_devices_by_their_plain_ids(
    receivers: Receivers,
) -> None:
    sent(ToolRequests(settings_for(receivers, mixpanel_identity="original"), ANN), {})
    assert answer(receivers)["mixpanel"] == ["ann-4711", "anon-s-9"]


@pytest.mark.slow
def test_a_tool_that_stumbles_is_asked_again(receivers: Receivers) -> None:
    receivers["mixpanel"].script.faults = ReceiverFaults.read({"script": [500, "reset"]})
    sent(ToolRequests(settings_for(receivers), ANN), {})
    assert answer(receivers)["mixpanel"] == ["ann-4711", "$device:anon-s-9"]


def test_a_refusal_names_the_tool_and_no_key_and_the_others_are_asked_once(
    receivers: Receivers,
) -> None:
    wrong = settings_for(receivers, heap_api_key="not-the-key")
    answers: Answers = {}
    with pytest.raises(
        DeliveryError, match=r"^Heap did not accept the request to delete a person \(401 "
    ) as refused:
        sent(ToolRequests(wrong, ANN), answers)
    assert "not-the-key" not in str(refused.value)
    before = {tool: list(ids) for tool, ids in answer(receivers).items()}
    assert (before["heap"], len(before["ga4"])) == ([], 3)
    sent(ToolRequests(settings_for(receivers), ANN), answers)
    assert answer(receivers) == {**before, "heap": ["ann-4711", "anon-s-9"]}, (
        "only Heap was asked again"
    )


def test_a_tool_without_credentials_for_deletion_is_left_to_a_person(receivers: Receivers) -> None:
    requests = ToolRequests(
        settings_for(receivers, ga4_deletion_token=""), ANN, frozenset({"heap"})
    )
    sent(requests, {})
    assert (answer(receivers)["ga4"], answer(receivers)["heap"]) == ([], [])
    assert (
        "GA4 was not asked, since ECOM_GA4_DELETION_TOKEN is not set; do it there."
        in requests.to_confirm()
    )
    assert "Heap was not asked (--skip-tool); delete the person there." in requests.to_confirm()


def test_tools_that_are_not_set_are_no_matter() -> None:
    requests = ToolRequests(Settings(), ANN)
    assert (sent(requests, {}), requests.to_confirm()) == ({}, [])
