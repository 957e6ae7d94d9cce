"""API keys as they are made, kept and revoked, by the command and by several processes."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecom_assets.core.errors import SettingError, UsageError, WorkError
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile, KeyRing
from ecom_assets_tests.command import ecom

READ = (Scope.READ,)


@pytest.fixture
def keys(home: Path) -> KeyFile:
    return KeyFile(home)


def test_a_key_is_kept_as_a_hash_in_a_file_of_its_owner(keys: KeyFile) -> None:
    made, key = keys.create("dashboard", READ)
    assert key.startswith(f"ecom_{made.key_id}_")
    assert len(key) == len(f"ecom_{made.key_id}_") + 43, "256 bits in base64"
    kept = keys.path.read_text()
    assert key not in kept
    assert key.removeprefix(f"ecom_{made.key_id}_") not in kept
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert keys.all() == [made]


def test_two_keys_are_never_alike(keys: KeyFile) -> None:
    assert len({keys.create("n", READ)[1] for _ in range(20)}) == 20


def test_a_revoked_key_stays_listed_and_is_found_no_more(keys: KeyFile) -> None:
    made, key = keys.create("dashboard", READ)
    ring = KeyRing.read(keys, "")
    assert ring.find(key) is not None
    first = keys.revoke(made.key_id)
    assert ring.find(key) is None
    assert keys.revoke(made.key_id) == first, "to revoke again changes nothing"
    assert [key.revoked_at is None for key in keys.all()] == [False]
    assert not ring.is_empty(), "who revoked the last key does not mean to let everybody in"


def test_who_changes_the_file_at_the_same_time_loses_no_key(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: KeyFile(home).create(f"n{n}", READ)[0].key_id, range(24)))
    assert {key.key_id for key in KeyFile(home).all()} == {*made}


def test_a_writer_that_was_killed_halfway_leaves_the_keys_as_they_were(keys: KeyFile) -> None:
    _, key = keys.create("first", READ)
    beside = keys.path.with_name(f".{keys.path.name}.0.part")
    beside.write_text('{"keys": [{"key_')
    beside.chmod(0o644)
    assert KeyRing.read(keys, "").find(key) is not None
    keys.create("second", READ)
    assert [key.name for key in keys.all()] == ["first", "second"]
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


def test_a_damaged_file_lets_nobody_in_and_says_so_at_the_start(keys: KeyFile) -> None:
    _, key = keys.create("first", READ)
    ring = KeyRing.read(keys, "")
    keys.path.write_text("{")
    assert ring.find(key) is None
    with pytest.raises(WorkError, match=r"api_keys\.json cannot be read"):
        KeyRing.read(keys, "")


def test_an_unknown_id_is_refused_with_the_closest_known_one(keys: KeyFile) -> None:
    made, _ = keys.create("first", READ)
    with pytest.raises(UsageError, match=rf"did you mean '{made.key_id}'\?"):
        keys.revoke(made.key_id[:-1] + "-")


def test_keys_of_the_setting_have_their_scopes(keys: KeyFile) -> None:
    setting = f"{'r' * 20}, collect:{'c' * 20},read+collect:{'b' * 20}"
    ring = KeyRing.read(keys, setting)
    actual = [ring.find(letter * 20) for letter in "rcb"]
    assert [caller and sorted(caller.scopes) for caller in actual] == [
        ["read"],
        ["collect"],
        ["collect", "read"],
    ]
    assert [caller and caller.name for caller in actual] == ["setting:1", "setting:2", "setting:3"]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("x" * 19, "key 1 is shorter than 20 characters"),
        (f"reed:{'secret' * 4}", "'reed' are not scopes"),
        ("read:", "key 1 is shorter"),
    ],
)
def test_a_wrong_setting_is_refused_without_showing_a_key(
    keys: KeyFile, setting: str, why: str
) -> None:
    with pytest.raises(SettingError, match=why) as refused:
        KeyRing.read(keys, setting)
    assert "secret" not in str(refused.value)


def test_the_command_makes_lists_and_revokes_keys(home: Path) -> None:
    made = ecom(
        "api-key",
        "create",
        "--name",
        "app",
        "--scope",
        "read",
        "--scope",
        "collect",
        "--json",
        home=home,
    ).json
    assert made["scopes"] == ["read", "collect"]
    shown = ecom("api-key", "list", "--json", home=home)
    names = ("key_id", "name", "scopes", "origins", "event_types", "created_at", "revoked_at")
    assert shown.json == [{name: made[name] for name in names}]
    assert made["key"] not in shown.out
    assert (
        ecom("api-key", "revoke", made["key_id"], "--json", home=home).json["revoked_at"]
        is not None
    )
    assert "revoked 20" in ecom("api-key", "list", home=home).out


def test_the_command_shows_the_key_alone_on_standard_output(home: Path) -> None:
    result = ecom("api-key", "create", "--name", "app", home=home)
    assert result.out.count("\n") == 1
    assert KeyRing.read(KeyFile(home), "").find(result.out.strip()) is not None
    assert "shown only now" in result.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("create", "--name", "x", "--scope", "reads"),
            "--scope 'reads' is not a scope; did you mean 'read'?",
        ),
        (("revoke", "ab12"), "There is no API key 'ab12'"),
    ],
)
def test_wrong_use_of_the_command_is_reported_in_a_sentence(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = ecom("api-key", *arguments, home=home)
    assert (result.exit_code, result.out) == (2, "")
    assert sentence in result.sentence


def test_an_empty_list_is_empty_json(home: Path) -> None:
    assert json.loads(ecom("api-key", "list", "--json", home=home).out) == []
