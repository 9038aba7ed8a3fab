/*
 * Fibers: many stacks on one pthread, so that a switch between two threads of
 * the machine costs next to nothing.  Memory and clocks are the host's too.
 */

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "control_private.h"
#include "ul_abi.h"
#include "ul_control.h"

#define STACK_SIZE	(128 * 1024)
#define CACHE_LINE	64

struct ul_fiber {
	ucontext_t	context;
	void		(*func)(void *);
	void		*arg;
	char		*stack;
};

static struct ul_fiber *current;		/* NULL: at home */
static ucontext_t home;

struct ul_fiber *
ul_host_fiber(void)
{
	struct ul_fiber *fiber = calloc(1, sizeof(*fiber));

	if (fiber != NULL && (fiber->stack = malloc(STACK_SIZE)) == NULL) {
		free(fiber);
		fiber = NULL;
	}
	return (fiber);
}

static void
enter(void)
{
	current->func(current->arg);
	abort();
}

void
ul_host_fiber_start(struct ul_fiber *fiber, void (*func)(void *), void *arg)
{
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_SIZE;
	fiber->context.uc_link = NULL;
	fiber->func = func;
	fiber->arg = arg;
	makecontext(&fiber->context, enter, 0);
}

void
ul_host_fiber_switch(struct ul_fiber *fiber)
{
	ucontext_t *from = current != NULL ? &current->context : &home;

	if (fiber == current)
		return;
	current = fiber;
	swapcontext(from, &fiber->context);
}

void
ul_host_fiber_home(void)
{
	current = NULL;
	setcontext(&home);
	abort();
}

void *
ul_host_alloc(unsigned long size)
{
	void *memory;

	if (posix_memalign(&memory, CACHE_LINE, size != 0 ? size : 1) != 0)
		return (NULL);
	return (memset(memory, 0, size));
}

void
ul_host_free(void *memory)
{
	free(memory);
}

/* Only a second CPU that panics waits so, and there is no second. */
void
ul_host_sem_wait(struct ul_sem *sem, long long timeout_ns)
{
	(void)sem;
	(void)timeout_ns;
	abort();
}

/* Time stands still, so that an execution is the same whenever it is made. */
unsigned long long
ul_host_nanotime(void)
{
	return (1);
}

unsigned long long
ul_host_walltime(void)
{
	return (1);
}
