"""Small manual pages for the tests, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"

SYNOPSIS = """\
.Sh SYNOPSIS
.In sys/msgport.h
.Ft void
.Fn lwkt_initport_spin "lwkt_port_t port" "struct thread *td" "boolean_t fixed_cpuid"
.Ft int
.Fo lwkt_domsg
.Fa "lwkt_port_t port"
.Fa "lwkt_msg_t msg" "int flags"
.Fc
.Ft "void *"
.Fn lwkt_getport "lwkt_port_t port" ;
"""

ASKED_IN_TURN = r"""/* Example 1: every processor has somebody who answers. */
#include <sys/thread.h>
#include <sys/msgport2.h>

static lwkt_port_t desks[MAXCPU];

/* Answer whoever asks, for ever. */
static void
clerk(void *unused __unused)
{
	lwkt_msg_t question;

	while ((question = lwkt_waitport(&curthread->td_msgport, 0)) != NULL) {
		kprintf("Received message on "
			"CPU %d.\en", mycpu->gd_cpuid);
		lwkt_replymsg(question, 0);
	}
}

static int
ask(int cpu)
{
	struct lwkt_msg question;

	lwkt_initmsg(&question, &curthread->td_msgport, 0);
	return (lwkt_domsg(desks[cpu], &question, 0));
}

static void
open_office(void)
{
	thread_t td;
	int cpu;

	for (cpu = 0; cpu < ncpus; ++cpu) {
		lwkt_create(clerk, NULL, &td, NULL, 0, cpu, "clerk %d", cpu);
		desks[cpu] = &td->td_msgport;
	}
	for (cpu = 0; cpu < ncpus; ++cpu) {
		kprintf("Sending msg to CPU %d.\en", cpu);
		ask(cpu);
	}
}
"""

POLLS = r"""/* Example 2: a thread looks at a port of its own and goes. */
#include <sys/thread.h>
#include <sys/msgport.h>

static struct lwkt_port own;

static void
look(void *unused __unused)
{
	lwkt_initport_spin(&own, NULL, FALSE);
	kprintf("nothing there: %s\en", lwkt_getport(&own) == NULL ? "yes" : "no");
	lwkt_exit();
}

static void
mod_load(void)
{
	lwkt_create(look, NULL, NULL, NULL, 0, 0, "looker");
}
"""


def page(*programs: str, synopsis: str = SYNOPSIS, title: str = "PORTS") -> str:
    """A page with these programs in one literal display (``.Bd``); none without any."""
    shown = f".Sh EXAMPLES\n.Bd -literal -offset indent\n{chr(10).join(programs)}.Ed\n" if programs else ""
    return (
        f'.\\" A page for tests.\n.Dd November 24, 2026\n.Dt {title} 9\n.Os\n'
        ".Sh NAME\n.Nm lwkt_initport_spin ,\n.Nm lwkt_domsg ,\n.Nm lwkt_getport\n.Nd some of the functions\n"
        f"{synopsis}"
        ".Sh DESCRIPTION\nThreads write to each other.\n.Bd -ragged\nIn prose.\n.Ed\n"
        f"{shown}"
        ".Sh SEE ALSO\n.Xr msgport 9\n"
    )


def numbered(text: str) -> str:
    """The page as it is copied from gitweb: a number before each line, no-break spaces, what stands around it."""
    lines = [f"{number} {line}" if line else f"{number}" for number, line in enumerate(text.splitlines(), 1)]
    body = "\n".join(lines).replace(" ", "\N{NO-BREAK SPACE}")
    return f"0123456789abcdef\n[x.git] / share / man / man9 / ports.9\n{body}\nRSS Atom\n"


def real(name: str) -> Path:
    """A real page, msgport(9) as DragonFly has it; the test is skipped where it is not."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the real page, ../shared/{name} beside the repository")
    return path
