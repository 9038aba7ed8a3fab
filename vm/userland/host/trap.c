/*
 * What a module does wrong, as the kernel's traps.  Nothing depends on these
 * signals: without them the process dies, and says less.
 */

#include <signal.h>
#include <stddef.h>

#include "host_private.h"
#include "ul_abi.h"

static void
trapped(int number, siginfo_t *info, void *context)
{
	(void)context;
	switch (number) {
	case SIGFPE:
		ul_kern_trap(18, "integer divide fault", NULL);
		break;
	case SIGILL:
		ul_kern_trap(1, "privileged instruction fault", NULL);
		break;
	default:
		ul_kern_trap(12, "page fault", info->si_addr);
		break;
	}
}

void
traps_setup(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	size_t n;

	/* A trap inside the handler, where it is blocked, ends the process. */
	action.sa_sigaction = trapped;
	sigemptyset(&action.sa_mask);
	for (n = 0; n < sizeof(numbers) / sizeof(numbers[0]); ++n)
		sigaction(numbers[n], &action, NULL);
}
