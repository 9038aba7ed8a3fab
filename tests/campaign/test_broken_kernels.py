"""Copies of the user-space message ports, each with a single fault: each is caught, some explained and traced."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from msgport.cli import main
from msgport_vm.userland import default_sources


@dataclass(frozen=True)
class Fault:
    """What is changed in lwkt_msgport.c, wherever it stands, and the variants of the catalogue that show it."""

    right: str
    wrong: str
    killer: str


ASSERT_HELD = "KKASSERT((msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == 0);"

FAULTS = {
    # Wakeups.
    "a put from another CPU wakes nobody": Fault(
        "append(port, msg);\n\tnotify_owner(port);\n}\n\nstatic int",
        "append(port, msg);\n}\n\nstatic int",
        "async-reply",
    ),
    "a put to a spin port wakes nobody": Fault(
        "if (lwkt_spin_putport_only(port, msg))\n\t\twakeup(port);",
        "(void)lwkt_spin_putport_only(port, msg);",
        "fifo-one-sender/P=spin",
    ),
    "a put to a serializer port wakes nobody": Fault(
        "append(port, msg);\n\tif (take_mark(port))\n\t\twakeup(port);\n\treturn (EASYNC);",
        "append(port, msg);\n\treturn (EASYNC);",
        "fifo-one-sender/P=serialize",
    ),
    "a reply queued to a spin port wakes nobody": Fault(
        "append_reply(port, msg);\n\t\tif (take_mark(port))\n\t\t\tsleepers = port;",
        "append_reply(port, msg);",
        "reuse-after-domsg",
    ),
    "a synchronous reply to a serializer port wakes nobody": Fault(
        "flags_set(msg, MSGF_DONE | MSGF_REPLY);\n\t\twakeup(msg);",
        "flags_set(msg, MSGF_DONE | MSGF_REPLY);",
        "serializer-reply",
    ),
    # Order, and queues.
    "priority messages are last in, first out": Fault(
        "TAILQ_INSERT_TAIL(queue_of(port, msg), msg, ms_node);",
        "if (msg->ms_flags & MSGF_PRIORITY)\n\t\tTAILQ_INSERT_HEAD(&port->mp_msgq_prio, msg, ms_node);"
        "\n\telse\n\t\tTAILQ_INSERT_TAIL(&port->mp_msgq, msg, ms_node);",
        "priority-order",
    ),
    "priority is ignored": Fault("msg->ms_flags & MSGF_PRIORITY ?", "msg == NULL ?", "priority-order"),
    "waitmsg takes the first message": Fault(
        "unlink_msg(port, msg);\n\t}\n\tcrit_exit_quick(td);",
        "unlink_msg(port, first(port));\n\t}\n\tcrit_exit_quick(td);",
        "waitmsg-takes-its-own",
    ),
    "waitmsg leaves its message queued": Fault(
        'sleep_on(port, "waitmsg", flags);\n\t\tif (msg->ms_flags & MSGF_QUEUED)\n\t\t\tunlink_msg(port, msg);',
        'sleep_on(port, "waitmsg", flags);',
        "waitmsg-takes-its-own",
    ),
    "a taken message stays marked as queued": Fault(
        "ms_node);\n\tflags_clear(msg, MSGF_QUEUED);", "ms_node);", "domsg-reply"
    ),
    "an asynchronous reply is not queued": Fault(
        "append(port, msg);\n\tflags_set(msg, MSGF_REPLY | MSGF_DONE);",
        "(void)port;\n\tflags_set(msg, MSGF_REPLY | MSGF_DONE);",
        "async-reply/place=same-cpu",
    ),
    # Flags and errors.
    "a message sent again is still synchronous": Fault(
        "flags_clear(msg, MSGF_DONE | MSGF_REPLY | MSGF_SYNC);",
        "flags_clear(msg, MSGF_DONE | MSGF_REPLY);",
        "reuse-after-domsg",
    ),
    "domsg leaves a message that was handled at once undone": Fault(
        "error = lwkt_waitmsg(msg, flags);\n\telse\n\t\tflags_set(msg, MSGF_DONE | MSGF_REPLY);",
        "error = lwkt_waitmsg(msg, flags);",
        "domsg-handled-at-once",
    ),
    "domsg loses the reply's error": Fault(
        "error = lwkt_waitmsg(msg, flags);", "error = lwkt_waitmsg(msg, flags) * 0;", "domsg-reply"
    ),
    "a null reply port forgets REPLY": Fault(
        "flags_set(msg, MSGF_DONE | MSGF_REPLY);\n}\n\nstatic const struct kind spin_kind",
        "flags_set(msg, MSGF_DONE);\n}\n\nstatic const struct kind spin_kind",
        "replyonly-null",
    ),
    "a dropped message is not done": Fault(
        "unlink_msg(port, msg);\n\tflags_set(msg, MSGF_DONE);\n\treturn (0);",
        "unlink_msg(port, msg);\n\treturn (0);",
        "drop-and-send-again",
    ),
    "a message that was taken is dropped": Fault("return (ENOENT);", "return (0);", "drop-race"),
    "a default putport says that it handled the message": Fault(
        "wakeup(port);\n\treturn (EASYNC);", "wakeup(port);\n\treturn (0);", "fifo-one-sender/P=spin"
    ),
    # Aborts.
    "a message is aborted after its reply": Fault(
        "if ((msg->ms_flags & (MSGF_ABORTABLE | MSGF_DONE | MSGF_REPLY)) ==\n\t    MSGF_ABORTABLE)",
        "if (msg->ms_flags & MSGF_ABORTABLE)",
        "abort-states",
    ),
    "no message is ever aborted": Fault("msg->ms_abortfn(msg);", "(void)msg;", "abort-replies"),
    # Misuse that is let pass.
    "another thread may take": Fault(
        "KKASSERT(port->mpu_td == curthread);\n\tcrit_enter_quick(td);", "crit_enter_quick(td);", "not-the-owner"
    ),
    "another thread may drop from a thread port": Fault(
        'KASSERT(port->mpu_td == td, ("message could only be dropped in the "\n'
        '\t    "same thread as the message target port thread"));',
        "",
        "drop-not-owner/P=thread",
    ),
    "a spin port without owner drops": Fault(
        "port->mp_dropmsg = lwkt_panic_dropmsg;", "port->mpu_td = curthread;", "drop-no-owner/P=spin"
    ),
    "a queued message may be forwarded": Fault(
        "KKASSERT((msg->ms_flags & (MSGF_QUEUED|MSGF_DONE|MSGF_REPLY)) == 0);", "", "forward-queued"
    ),
    "a message that is not idle may be sent": Fault(
        "KKASSERT(msg->ms_reply_port != NULL &&\n\t    (msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == MSGF_DONE);\n"
        "\tflags_clear",
        "flags_clear",
        "double-send",
    ),
    "a second reply to a spin port is taken": Fault(ASSERT_HELD + "\n\tspin_lock", "spin_lock", "second-reply/R=spin"),
    "a serializer port is replied to without its serializer": Fault(
        ASSERT_HELD + "\n\tASSERT_SERIALIZED(port->mpu_serialize);", ASSERT_HELD, "serializer-not-held/target=P"
    ),
    "a serializer port is put to without its serializer": Fault(
        "ASSERT_SERIALIZED(port->mpu_serialize);\n\tmsg->ms_target_port = port;",
        "msg->ms_target_port = port;",
        "serializer-not-held/target=Z",
    ),
    "a dropable message may be waited for": Fault(
        'KASSERT((msg->ms_flags & MSGF_DROPABLE) == 0,\n\t    ("can\'t wait dropable message"));', "", "wait-dropable"
    ),
    "a put-only port swallows replies": Fault(
        "init_as(port, &panic_kind);\n\tport->mp_putport = putport;",
        "init_as(port, &panic_kind);\n\tport->mp_replyport = lwkt_null_replyport;\n\tport->mp_putport = putport;",
        "special-reply/port=U",
    ),
    "a panic port has nothing to take and says so": Fault(
        'panic("lwkt_getport() illegal on port %p", (void *)port);', "return (first(port));", "special-take/op=getport"
    ),
}


def broken(tmp_path: Path, right: str, wrong: str) -> Path:
    """Copy the machine's sources with one thing changed in lwkt_msgport.c, wherever it stands."""
    copy = tmp_path / "userland"
    shutil.copytree(default_sources(), copy)
    file = copy / "kern" / "lwkt_msgport.c"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    return copy


def judged(tmp_path: Path, sources: Path, scenario: str, capsys: pytest.CaptureFixture[str]) -> str:
    arguments = ["run", scenario, "--iterations", "300", "--userland", str(sources)]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 1
    return capsys.readouterr().out


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_the_catalogue_catches_that(fault: Fault, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "violates: " in judged(tmp_path, broken(tmp_path, fault.right, fault.wrong), fault.killer, capsys)


def test_last_in_first_out_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "TAILQ_INSERT_TAIL(queue_of", "TAILQ_INSERT_HEAD(queue_of")
    out = judged(tmp_path, sources, "fifo-one-sender/P=spin", capsys)
    assert "violates: fifo-one-sender/P=spin" in out
    assert "claim getport.first" in out
    observed, nearest = (next(line for line in out.splitlines() if word in line) for word in ("observed  ", "nearest"))
    assert observed.split() == ["observed", "b", "a", "done"]
    assert nearest.split() == ["nearest", "allowed", "a", "b", "done"]
    assert "waitport P -> b" in out, "the trace"


def test_a_lost_wakeup_violates_as_a_deadlock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "append(port, msg);\n\tnotify_owner(port);", "append(port, msg);")
    out = judged(tmp_path, sources, "fifo-one-sender/P=thread", capsys)
    # Which of its two waits it never woke from depends on when the first message came.
    assert re.search(r"deadlock@T1\.(2|3)\b", out) and re.search(r"T1\.(2|3) asleep in r[01] = waitport P", out)
    assert "sendmsg P a" in out.partition("trace of that execution")[2]


def test_done_without_reply_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "MSGF_REPLY | MSGF_DONE", "MSGF_DONE")
    out = judged(tmp_path, sources, "async-reply/place=same-cpu", capsys)
    assert "DONE+REPLY" in out and "flags a -> DONE" in out


def test_the_message_ports_as_they_are_do_not(tmp_path: Path) -> None:
    killers = sorted({fault.killer for fault in FAULTS.values()})
    arguments = ["run", *killers, "--iterations", "300"]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 0
