import io
import json
import sys
from pathlib import Path

import pytest
from strongroom import errors
from strongroom.cli.run import run
from unit.cli.fakes import FakeRoom, tree_result

PRINTED = pytest.CaptureFixture[str]


def test_encrypt_a_file(room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").write_text("x")
    assert run(["encrypt", "a", "b", "-c", "tenant=acme", "-c", "x=a=b", "--class", "pii", "--reason", "why"]) == 0
    name, args, how = room.calls[0]
    assert (name, args) == ("encrypt_file", ("a", "b"))
    assert how["context"] == {"tenant": "acme", "x": "a=b"}
    assert (how["data_class"], how["reason"], how["force"]) == ("pii", "why", False)
    assert room.opened_with["purpose"] == "strongroom encrypt"
    assert capsys.readouterr() == ("", "encrypted 1 file, 1000 B in 0.5 s (2.0 KiB/s)\n")


def test_encrypt_a_directory(room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").mkdir()
    assert run(["encrypt", "a", "b", "--resume", "--include", "*.py", "--exclude", "x", "--exclude", "y"]) == 0
    name, _, how = room.calls[0]
    assert name == "encrypt_tree"
    assert (how["resume"], how["include"], how["exclude"]) == (True, ("*.py",), ("x", "y"))
    assert capsys.readouterr().err == "encrypted 24,312 files, 1.9 GiB in 2.1 s (0.9 GiB/s)\n"


@pytest.mark.parametrize("args", [["decrypt", "a", "b", "--only", "x", "--force"], ["encrypt", "a", "b", "--dry-run"]])
def test_the_room_takes_every_option_of_a_directory(args: list[str], room: FakeRoom) -> None:
    Path("a").mkdir()
    assert run(args) == 0
    assert len(room.calls) == 1


def test_the_json_of_a_job(room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").mkdir()
    assert run(["verify", "a", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["operation"] == "verify"
    keys = {"files", "plaintext_bytes", "message_bytes", "seconds", "bytes_per_second", "failures", "skipped"}
    assert keys <= document.keys()


@pytest.mark.parametrize(
    "args",
    [
        ["encrypt", "a"],
        ["encrypt", "a", "b", "-c", "no-equals"],
        ["encrypt", "a", "b", "-c", "k=1", "-c", "k=2"],
        ["encrypt", "a", "b", "--resume"],
        ["encrypt", "a", "b", "--include", "*"],
        ["decrypt", "a", "b", "--only", "x"],
        ["encrypt", "-", "b", "--passphrase-fd", "0"],
        ["encrypt", "a", "b", "--passphrase", "secret"],
        ["encrypt", "d", "-"],
        ["keys", "rotate"],
        ["init", "--recovery-file", "x", "--no-recovery"],
    ],
    ids=" ".join,
)
def test_usage(args: list[str], room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").write_text("x")
    Path("d").mkdir()
    assert run(args) == 2
    assert run([*args, "--json"]) == 2
    out, err = capsys.readouterr()
    # where stdout would have carried data, JSON is on stderr
    assert json.loads(out or err.splitlines()[-1])["error"]["code"] == "usage"
    assert room.calls == []


def test_an_existing_target_is_refused_before_the_room_is_opened(room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").write_text("x")
    Path("b").symlink_to("nowhere")
    assert run(["encrypt", "a", "b"]) == 1
    assert capsys.readouterr().err == "strongroom: b exists; use --force to replace it\n"
    assert room.opened_with == {}
    assert run(["encrypt", "a", "b", "--force"]) == 0
    assert room.calls[0][2]["force"] is True


def test_the_dry_run_of_a_file_opens_nothing(room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").write_text("x")
    assert run(["encrypt", "a", "b", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would encrypt a to b\n"
    assert room.opened_with == {}


def test_an_error_names_its_object(monkeypatch: pytest.MonkeyPatch, room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").write_text("x")
    monkeypatch.setattr(room, "_error", errors.AuthenticationFailed("authentication failed"))
    assert run(["decrypt", "a", "b"]) == 20
    assert capsys.readouterr().err.startswith("strongroom: a: authentication failed; ")
    assert run(["decrypt", "a", "b", "--json"]) == 20
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"].startswith("a: authentication failed")
    assert (error["code"], error["exit_code"]) == ("authentication", 20)


def test_a_partial_failure_lists_its_items(monkeypatch: pytest.MonkeyPatch, room: FakeRoom, capsys: PRINTED) -> None:
    Path("a").mkdir()
    failures = [("x/y", errors.TruncatedMessage("ends early")), ("b\udcff", OSError(13, "Permission denied", "b"))]
    error = errors.PartialFailure("2 of 24,314 files failed", failures)
    error.result = tree_result()  # type: ignore[attr-defined]
    monkeypatch.setattr(room, "_error", error)
    assert run(["decrypt", "a", "b", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["error"] == {"code": "partial", "message": "2 of 24,314 files failed", "exit_code": 3}
    codes = [(item["path"], item["code"], item["exit_code"]) for item in document["failures"]]
    assert codes == [("x/y", "format.truncated", 21), ("b\udcff", "os.eacces", 1)]
    assert document["files"] == 24312
    assert run(["decrypt", "a", "b"]) == 3
    assert "  b\\xff: b: Permission denied" in capsys.readouterr().err


def test_json_does_not_mix_with_data(room: FakeRoom, capsys: PRINTED, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a").write_text("x")
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    assert run(["decrypt", "a", "-", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["operation"] == "decrypt"


def test_a_bug_is_one_sentence(monkeypatch: pytest.MonkeyPatch, room: FakeRoom, capsys: PRINTED) -> None:
    monkeypatch.delenv("STRONGROOM_DEBUG", raising=False)
    Path("a").write_text("x")
    monkeypatch.setattr(room, "_error", ZeroDivisionError("secret"))
    assert run(["decrypt", "a", "b"]) == 1
    printed = capsys.readouterr().err
    assert "this is a bug in strongroom (ZeroDivisionError)" in printed
    assert "secret" not in printed
    assert printed.count("\n") == 1
    monkeypatch.setenv("STRONGROOM_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["decrypt", "a", "b"])


def test_unlock_options_reach_the_room(room: FakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    Path("a").write_text("x")
    options = {
        "home": "h",
        "passphrase_file": "p",
        "passphrase_fd": 7,
        "passphrase_command": "pass show x",
        "key_file": "k",
        "recovery_file": "r",
        "token": "pkcs11:token=t",
    }
    args = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    args += ["--share-file", "s", "--share-file", "t"]
    assert run(["verify", "a", *args, "--purpose", "audit"]) == 0
    assert room.opened_with == options | {
        "share_files": ("s", "t"),
        "prompt": False,
        "purpose": "audit",
        "cache": True,
    }
