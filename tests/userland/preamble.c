/*
 * What every test module begins with.  A file of cases goes between this and
 * the registration at the end; the tunable test.case says which one to run.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/malloc.h>
#include <sys/thread.h>
#include <sys/thread2.h>
#include <sys/globaldata.h>
#include <sys/msgport.h>
#include <sys/msgport2.h>
#include <sys/serialize.h>
#include <sys/spinlock2.h>

#define MAXTHREADS	64

#define CASE(name)	static void name(void)

#define CHECK(condition) do {						\
	atomic_add_int(&checks, 1);					\
	if (!(condition)) {						\
		/* A kprintf within a kprintf prints nothing. */	\
		atomic_add_int(&failures, 1);				\
		kprintf("FAILED line %d: %s\n", __LINE__, #condition);	\
	}								\
} while (0)

#define FLAGS(msg)	((msg)->ms_flags & ~(MSGF_INTRANSIT | MSGF_WAITING))

struct worker {
	void		(*func)(void *);
	void		*arg;
	struct thread	*td;
};

static struct worker workers[MAXTHREADS] __unused;
static int nworkers __unused;
static int finished __unused;
static int checks, failures;

static void __unused
worker_main(void *arg)
{
	struct worker *worker = arg;

	worker->func(worker->arg);
	lwkt_hold(curthread);
	atomic_add_int(&finished, 1);
	wakeup(&finished);
}

/* A thread on a CPU; it does not run before the caller blocks or go() does. */
static struct thread * __unused
start(int cpu, void (*func)(void *), void *arg)
{
	struct worker *worker = &workers[nworkers++];

	worker->func = func;
	worker->arg = arg;
	lwkt_create(worker_main, worker, &worker->td, NULL, 0, cpu % ncpus,
	    "worker %d", nworkers);
	return (worker->td);
}

/* Let a thread that holds itself go, once it executes this module no more. */
static void __unused
reap(struct thread *td)
{
	const char *why;

	/* Read once: its sleep ends at each tick. */
	while ((why = td->td_wmesg) == NULL || strcmp(why, "tdreap") != 0)
		tsleep(&finished, 0, "reap", 1);
	lwkt_rele(td);
}

/* Wait for all of them. */
static void __unused
finish(void)
{
	int n;

	while (atomic_load_acq_int(&finished) != nworkers) {
		tsleep_interlock(&finished, 0);
		if (atomic_load_acq_int(&finished) != nworkers)
			tsleep(&finished, PINTERLOCKED, "finish", 0);
	}
	for (n = 0; n < nworkers; ++n)
		reap(workers[n].td);
	nworkers = finished = 0;
}

/* Wait, from any CPU, for a word that another thread sets. */
static void __unused
await(int *word, int value)
{
	while (atomic_load_acq_int(word) != value)
		cpu_pause();
}

/* Wait until a thread sleeps for this reason. */
static void __unused
await_sleep(struct thread *td, const char *wmesg)
{
	const char *now;

	for (;;) {
		now = td->td_wmesg;
		if (now != NULL && strcmp(now, wmesg) == 0 &&
		    (td->td_flags & (TDF_RUNNING | TDF_RUNQ)) == 0)
			return;
		cpu_pause();
	}
}

