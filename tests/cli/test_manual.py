"""``msgport manual``: a page read, its examples run in user space, and what is said when something is wrong."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from msgport.cli import main
from msgport_vm.userland import UserlandMachine, default_sources
from tests.manual.pages import ASKED_IN_TURN, POLLS, numbered, page, real

SLEEPS = """void
mod_load(void)
{
	kprintf("going to sleep");
	lwkt_waitport(&curthread->td_msgport, 0);
}
"""
PANICS = """void
mod_load(void)
{
	struct lwkt_port port;

	kprintf("about to fall\\en");
	lwkt_initport_panic(&port);
	lwkt_getport(&port);
}
"""
RESTLESS = """void
mod_load(void)
{
	for (;;) {
		tsleep(&hz, 0, "rest", 1);
		kprintf("again\\en");
	}
}
"""
REGISTERED = """static int
handler(module_t mod __unused, int type, void *arg __unused)
{
	if (type == MOD_LOAD)
		kprintf("loaded\\en");
	return (0);
}
static moduledata_t data = { "mine", handler, NULL };
DECLARE_MODULE(mine, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ports.9"
    path.write_text(text)
    return path


def ran(
    folder: Path, capsys: pytest.CaptureFixture[str], program: str, *arguments: str
) -> tuple[int, dict[str, object], str]:
    """Run one example; gives the exit status, its entry in the JSON, and what was said on standard error."""
    path = written(folder, page(program))
    status = main(["manual", str(path), "--run", "--format", "json", *arguments])
    said = capsys.readouterr()
    (example,) = json.loads(said.out)["examples"]
    return status, example, said.err


def test_a_page_is_told_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, page(ASKED_IN_TURN, "int x;\n"))
    assert main(["manual", str(path)]) == 0
    out = capsys.readouterr().out
    assert "ports(9), November 24, 2026: some of the functions" in out
    assert "3 functions: lwkt_initport_spin, lwkt_domsg, lwkt_getport" in out
    assert "Its SYNOPSIS is that of era D (DragonFly 3.6 and 3.8) or E (DragonFly 4.0 and later)." in out
    assert "undocumented  void lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)" in out
    assert "1 example:" in out and "does what the scenario example-1 does" in out
    assert list(tmp_path.iterdir()) == [path]


def test_the_era_to_hold_it_against_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, page())
    assert main(["manual", str(path), "--era", "A"]) == 0
    out = capsys.readouterr().out
    assert "changed       lwkt_initport_spin" in out and "era A: void lwkt_initport_spin(lwkt_port_t port)" in out
    assert "The page has no example program." in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "ssh://root@localhost"], "--target: "),
        (["--userland", str(default_sources())], "--userland: "),
        (["--target", "qemu", "--cpus", "2", "--image", "x.iso", "--memory", "512"], "--target, --image, --memory: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_of_a_machine_are_refused_where_none_runs(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manual", str(written(tmp_path, page())), *options]) == 2
    assert capsys.readouterr() == (
        "",
        f"msgport: {said}for the machine that --run runs the examples on; give that as well\n",
    )


def test_modules_are_written_where_they_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, page(ASKED_IN_TURN, POLLS))
    assert main(["manual", str(path), "--out", str(tmp_path / "out")]) == 0
    for number in (1, 2):
        (source,) = (tmp_path / "out" / f"example-{number}").glob("*.c")
        assert f"KMOD=\t{source.stem}\n" in (source.parent / "Makefile").read_text()
        assert f"module: {source.parent}" in capsys.readouterr().out or number == 2
    # The same again may be written over.
    assert main(["manual", str(path), "--out", str(tmp_path / "out")]) == 0


def test_another_module_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, page(POLLS))
    (tmp_path / "out" / "example-1").mkdir(parents=True)
    (tmp_path / "out" / "example-1" / "mine.c").touch()
    assert main(["manual", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "holds another module already (mine.c)" in capsys.readouterr().err


def test_examples_run_and_are_judged_where_a_scenario_knows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, page(ASKED_IN_TURN, POLLS))
    assert main(["manual", str(path), "--run", "--cpus", "2", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    lines = [line.strip() for line in out.partition("2 examples:")[2].splitlines()]
    assert lines[lines.index("conforms") + 1 :][:5] == [
        "printed:",
        *(line.format(n) for n in (0, 1) for line in ("Sending msg to CPU {}.", "Received message on CPU {}.")),
    ]
    assert any(line.startswith("untested: no scenario knows this example") for line in lines)
    assert "nothing there: yes" in lines
    assert "says nothing of DragonFly's own code" in out

    # What the machine said is kept, and is judged again as the scenario's.
    assert main(["check", str(tmp_path / "out" / "example-1" / "transcript.txt"), "--format", "json"]) == 0
    (variant,) = json.loads(capsys.readouterr().out)["variants"]
    assert (variant["name"], variant["verdict"]) == ("example-1-on-2-cpus", "conforms")


def test_a_sleep_that_ends_by_itself_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow = ASKED_IN_TURN.replace("\t\task(cpu);\n", '\t\ttsleep(desks, 0, "pause", hz / 2);\n\t\task(cpu);\n')
    assert main(["manual", str(written(tmp_path, page(slow))), "--run", "--cpus", "1"]) == 0
    assert "     conforms\n" in capsys.readouterr().out


def test_a_page_copied_with_line_numbers_runs_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, numbered(page(ASKED_IN_TURN).expandtabs(8)))
    assert main(["manual", str(path), "--run", "--cpus", "1"]) == 0
    assert "     conforms\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "machine", [["--era", "A"], ["--era", "C"], ["--env", "lwkt.use_spin_port=1"]], ids=lambda words: words[1]
)
def test_an_example_is_judged_on_every_kind_of_kernel(
    machine: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, example, _ = ran(tmp_path, capsys, ASKED_IN_TURN, "--cpus", "2", *machine)
    assert (status, example["verdict"], example["scenario"]) == (0, "conforms", "example-1-on-2-cpus")


def test_both_examples_of_the_real_page_conform(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("msgport.9", "msgport.9.gitweb.txt"):
        assert main(["manual", str(real(name)), "--run", "--format", "json"]) == 0
        examples = json.loads(capsys.readouterr().out)["examples"]
        assert [each["verdict"] for each in examples] == ["conforms", "conforms"]
        assert examples[1]["printed"] == ["kldload: Sending message.", "myservice: Hi kldload! Got your msg."]


def test_a_kernel_that_wakes_nobody_makes_an_example_violate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = "append_reply(port, msg);\n\tnotify_owner(port);\n}"
    broken = _broken(tmp_path, right, "append_reply(port, msg);\n}")
    path = written(tmp_path, page(ASKED_IN_TURN))
    assert main(["manual", str(path), "--run", "--cpus", "2", "--userland", str(broken)]) == 1
    out = capsys.readouterr().out
    assert "violates: an outcome that the kernel is not known to show" in out
    assert "should have printed:" in out
    assert "open_office() never returned: it sleeps" in out


def test_a_kernel_that_panics_makes_an_example_violate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = _broken(tmp_path, "ms_node);\n\tflags_clear(msg, MSGF_QUEUED);", "ms_node);")
    status, example, _ = ran(tmp_path, capsys, ASKED_IN_TURN, "--cpus", "2", "--userland", str(broken))
    assert (status, example["verdict"]) == (1, "violates")
    assert example["printed"] == ["Sending msg to CPU 0.", "Received message on CPU 0."]


def _broken(tmp_path: Path, right: str, wrong: str) -> Path:
    copy = tmp_path / "userland"
    shutil.copytree(default_sources(), copy)
    file = copy / "kern" / "lwkt_msgport.c"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    return copy


def test_an_example_that_does_not_compile_is_told_in_the_compilers_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(POLLS.replace("lwkt_initport_spin(&own, NULL, FALSE)", "lwkt_initport_spin(&own)"))
    number = next(at for at, row in enumerate(text.splitlines(), 1) if "lwkt_initport_spin(&own)" in row)
    path = written(tmp_path, text)
    assert main(["manual", str(path), "--run"]) == 3
    out = capsys.readouterr().out
    assert "inconclusive: it does not compile here" in out
    assert re.search(rf"{re.escape(str(path))}:{number}:\d+: error: too few arguments", out)


def test_what_an_example_prints_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["CPU 10", "CPU 1", " ".join(["a long line"] * 15), "100% <&> done"]
    prints = "".join(f'\tkprintf("%s\\en", "{line}");\n' for line in lines)
    program = f'void\nmod_load(void)\n{{\n{prints}\tkprintf("in ");\tkprintf("pieces\\en\\enlast");\n}}\n'
    status, example, _ = ran(tmp_path, capsys, program)
    assert (status, example["printed"]) == (0, [*lines, "in pieces", "", "last"])


def test_an_example_that_never_returns_is_seen_to_sleep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, example, _ = ran(tmp_path, capsys, SLEEPS)
    assert (status, example["verdict"]) == (3, "inconclusive")
    assert str(example["detail"]).startswith("mod_load() never returned")
    assert example["printed"] == ["going to sleep"]


def test_modules_that_nobody_keeps_leave_nothing_and_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places: list[Path] = []

    def run(target: object, options: object, label: str, examples: object, place: Path) -> object:
        places.append(place)
        assert place.is_dir()
        return [], None, ""

    path = written(tmp_path, page(ASKED_IN_TURN))
    monkeypatch.setattr("msgport.manual_command._run", run)
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path / "cache"))
    main(["manual", str(path), "--run"])
    assert [place.parent for place in places] == [tmp_path / "cache" / "manual"] and not places[0].exists()
    (tmp_path / "file").touch()
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path / "file"))
    assert main(["manual", str(path), "--run"]) == 3
    assert "MSGPORT_CACHE names another folder" in capsys.readouterr().err


def test_an_example_that_panics_leaves_its_words_and_the_next_one_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, page("#include <a>\n".replace("a", "sys/thread.h") + PANICS, POLLS))
    assert main(["manual", str(path), "--run", "--format", "json"]) == 3
    one, other = json.loads(capsys.readouterr().out)["examples"]
    assert one["verdict"] == "inconclusive" and "lwkt_getport() illegal on port" in one["detail"]
    assert one["printed"] == ["about to fall"]
    assert other["verdict"] == "untested" and other["printed"] == ["nothing there: yes"]


def test_an_example_that_never_rests_is_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgport.page_run.MILLISECONDS", 1000)
    status, example, _ = ran(tmp_path, capsys, RESTLESS)
    assert (status, example["verdict"]) == (3, "inconclusive")
    assert example["detail"] == "its threads had not come to rest after 1 s"


def test_an_example_that_registers_itself_is_loaded_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, example, _ = ran(tmp_path, capsys, REGISTERED)
    assert (status, example["verdict"], example["printed"]) == (0, "untested", ["loaded"])


def test_a_module_whose_threads_are_gone_is_unloaded_and_another_is_not(tmp_path: Path) -> None:
    path = written(tmp_path, page(ASKED_IN_TURN, POLLS))
    assert main(["manual", str(path), "--out", str(tmp_path / "out")]) == 0
    with UserlandMachine(cpus=2) as machine:
        machine.boot()
        stays, goes = (machine.build(tmp_path / "out" / f"example-{number}") for number in (1, 2))
        for module in (goes, stays):
            list(machine.load(module, {"msgport.nonce": 1}, 20))
        list(machine.unload(goes))
        with pytest.raises(Exception, match="Device busy") as refused:
            list(machine.unload(stays))
        assert "a thread of this module is still there" in getattr(refused.value, "screen", "")


def test_an_example_that_cannot_be_watched_is_never_unloaded(tmp_path: Path) -> None:
    program = "void\nmod_load(void)\n{\n\t(void)kthread_create;\n}\n"
    path = written(tmp_path, page("#include <sys/kthread.h>\n" + program))
    assert main(["manual", str(path), "--out", str(tmp_path / "out")]) == 0
    (source,) = (tmp_path / "out" / "example-1").glob("*.c")
    assert "what kthread_create started cannot be watched" in source.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("<html>", "this is HTML"),
        (page(ASKED_IN_TURN).partition(".Ed\n.Sh SEE")[0], "is never closed: the page is cut off at line"),
        (page(synopsis=".Sh SYNOPSIS\n.Ft int\n.Fn tsleep void\n"), "is not about message ports"),
    ],
)
def test_a_bad_page_is_refused_and_nothing_is_written(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, text)
    assert main(["manual", str(path), "--run", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and f"msgport: {path}" in told.err and said in told.err
    assert not (tmp_path / "out").exists()


def test_a_page_that_is_not_there_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manual", str(tmp_path / "no.9")]) == 2
    assert main(["manual", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("cannot read") == 2


def test_a_machine_that_fails_is_not_the_examples_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    status, example, said = ran(tmp_path, capsys, POLLS)
    assert (status, example["verdict"]) == (3, None)
    assert "the machine failed: no C compiler found" in said
